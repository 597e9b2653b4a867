/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/node.h"

static const struct schema_pos whole_file;

static int check_kind(int fd, struct schema_errors *errors)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		int err = errno;

		schema_errors_add(errors, whole_file, "can't be read: %s", strerror(err));
		return -err;
	}
	if (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode))
		return 0;
	schema_errors_add(errors, whole_file, "is a %s; allowed: a regular file or a pipe",
			  S_ISDIR(st.st_mode) ? "directory" : "device or socket");
	return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

/* Up to size bytes, fewer only at the end of the file. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

static int read_text(int fd, struct schema_errors *errors, char **text, size_t *len)
{
	const size_t size = SCHEMA_FILE_BYTES_MAX + 1;
	char *buf = malloc(size + 1);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	n = read_all(fd, buf, size);
	if (n >= 0 && n <= SCHEMA_FILE_BYTES_MAX) {
		buf[n] = '\0';
		*text = buf;
		*len = n;
		return 0;
	}
	if (n < 0)
		schema_errors_add(errors, whole_file, "can't be read: %s", strerror(-n));
	else
		schema_errors_add(errors, whole_file, "is too large; allowed: up to %d bytes",
				  SCHEMA_FILE_BYTES_MAX);
	free(buf);
	return n < 0 ? n : -EFBIG;
}

int schema_file_read(const char *path, struct schema_errors *errors, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0) {
		rc = -errno;
		schema_errors_add(errors, whole_file, "can't be opened: %s", strerror(errno));
		return rc;
	}
	rc = check_kind(fd, errors);
	if (rc == 0)
		rc = read_text(fd, errors, text, len);
	close(fd);
	return rc;
}

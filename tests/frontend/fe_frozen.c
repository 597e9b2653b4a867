/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_frozen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether a shell command succeeds; what it says is nobody's business. */
__attribute__((format(printf, 1, 2))) static bool run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd) == 0; /* NOLINT(cert-env33-c) */
}

static void take_down(const char *dir)
{
	char image[80];

	snprintf(image, sizeof(image), "%s.img", dir);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	unlink(image);
}

/* The child: waits for the end of the parent, which closes the pipe. */
static void stand_by(const struct fe_frozen *f, int pipe_fd)
{
	char c;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	while (read(pipe_fd, &c, 1) < 0 && errno == EINTR)
		;
	ioctl(f->fd, FITHAW, 0);
	close(f->fd);
	take_down(f->dir);
	_exit(0);
}

static bool start_child(struct fe_frozen *f)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return false;
	pid = fork();
	if (!pid) {
		close(fds[1]);
		stand_by(f, fds[0]);
	}
	close(fds[0]);
	f->watched_fd = fds[1];
	return pid > 0;
}

static bool fail(struct fe_frozen *f, char *why, size_t size, const char *what)
{
	snprintf(why, size, "%s", what);
	if (f->dir[0])
		take_down(f->dir);
	return false;
}

bool fe_frozen_mount(struct fe_frozen *f, size_t mib, char *why, size_t size)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";

	memset(f, 0, sizeof(*f));
	f->fd = f->watched_fd = -1;
	if (geteuid())
		return fail(f, why, size, "it takes root to mount a file system");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return fail(f, why, size, "no mount namespace of our own");
	snprintf(f->dir, sizeof(f->dir), "%s/sb-frozen-XXXXXX", tmp);
	if (!mkdtemp(f->dir)) {
		f->dir[0] = '\0';
		return fail(f, why, size, "no folder for the mount");
	}
	if (!run("truncate -s %zuM %s.img && mkfs.ext4 -q -F %s.img >/dev/null 2>&1", mib, f->dir,
		 f->dir))
		return fail(f, why, size, "mkfs.ext4 (e2fsprogs) does not work");
	if (!run("mount -o loop %s.img %s >/dev/null 2>&1", f->dir, f->dir))
		return fail(f, why, size, "no loop device can be mounted here");
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0 || ioctl(f->fd, FIFREEZE, 0) || ioctl(f->fd, FITHAW, 0) || !start_child(f))
		return fail(f, why, size, "the file system can't be frozen");
	return true;
}

void fe_frozen_unmount(struct fe_frozen *f)
{
	if (f->fd < 0)
		return;
	fe_frozen_thaw(f);
	close(f->fd);
	f->fd = -1;
	close(f->watched_fd);
	while (wait(NULL) > 0)
		;
}

int fe_frozen_freeze(struct fe_frozen *f)
{
	if (ioctl(f->fd, FIFREEZE, 0))
		return -errno;
	f->frozen = true;
	return 0;
}

int fe_frozen_thaw(struct fe_frozen *f)
{
	if (f->frozen && ioctl(f->fd, FITHAW, 0))
		return -errno;
	f->frozen = false;
	return 0;
}

static bool is_stuck(pid_t pid, const char *tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/stat", pid, tid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'D';
}

bool fe_frozen_holds(pid_t pid)
{
	char path[64];
	struct dirent *d;
	bool stuck = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!stuck && (d = readdir(dir)))
		stuck = d->d_name[0] != '.' && is_stuck(pid, d->d_name);
	closedir(dir);
	return stuck;
}

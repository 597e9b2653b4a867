/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/replace_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

static char folder[PATH_MAX];

static void make_folder(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(folder, sizeof(folder), "%s/replace-XXXXXX", tmp ? tmp : "/tmp");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static const char *in_folder(const char *name)
{
	static char path[PATH_MAX + NAME_MAX + 2];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* How many files there are; they are removed. */
static int empty_folder(void)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	int n = 0;

	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		n++;
		unlink(in_folder(entry->d_name));
	}
	closedir(dir);
	CU_ASSERT_EQUAL(rmdir(folder), 0);
	return n;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(in_folder(name), "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static const char *content(const char *name)
{
	static char text[256];
	FILE *file = fopen(in_folder(name), "r");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[n] = '\0';
	if (file)
		fclose(file);
	return text;
}

/* `expected` NULL: none is there. */
static int replace(const char *name, const char *text, const char *expected, bool force)
{
	char err[REPLACE_FILE_ERR_MAX];
	const struct replace_file r = {
		.path = in_folder(name),
		.text = text,
		.len = strlen(text),
		.expected = expected,
		.expected_len = expected ? strlen(expected) : 0,
		.force = force,
	};
	int rc = replace_file(&r, err);

	CU_ASSERT_EQUAL(!rc, !err[0]);
	return rc;
}

static void expected(void)
{
	make_folder();
	CU_ASSERT_EQUAL(replace("a", "one", "none", false), -ENOENT);
	CU_ASSERT_EQUAL(replace("a", "one", NULL, false), 0);
	CU_ASSERT_EQUAL(replace("a", "two", NULL, false), -EBUSY);
	CU_ASSERT_EQUAL(replace("a", "two", "on", false), -EBUSY);
	CU_ASSERT_EQUAL(replace("a", "two", "one!", false), -EBUSY);
	CU_ASSERT_STRING_EQUAL(content("a"), "one");
	CU_ASSERT_EQUAL(replace("a", "two", "one", false), 0);
	CU_ASSERT_STRING_EQUAL(content("a"), "two");
	CU_ASSERT_EQUAL(replace("a", "three", NULL, true), 0);
	CU_ASSERT_STRING_EQUAL(content("a"), "three");
	CU_ASSERT_EQUAL(replace("", "x", NULL, false), -EINVAL);
	CU_ASSERT_EQUAL(empty_folder(), 1);
}

static void rights(void)
{
	struct stat st;

	make_folder();
	umask(0);
	CU_ASSERT_EQUAL(replace("a", "one", NULL, false), 0);
	CU_ASSERT_EQUAL(stat(in_folder("a"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	chmod(in_folder("a"), 0644);
	CU_ASSERT_EQUAL(replace("a", "two", "one", false), 0);
	CU_ASSERT_EQUAL(stat(in_folder("a"), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0644);
	CU_ASSERT_EQUAL(empty_folder(), 1);
}

static void links(void)
{
	struct stat st;

	make_folder();
	put("a", "one");
	CU_ASSERT_EQUAL(symlink("a", in_folder("b")), 0);
	CU_ASSERT_EQUAL(replace("b", "two", "one", false), 0);
	CU_ASSERT_STRING_EQUAL(content("a"), "two");
	CU_ASSERT_EQUAL(lstat(in_folder("b"), &st), 0);
	CU_ASSERT(S_ISLNK(st.st_mode));
	CU_ASSERT_EQUAL(symlink("nothing", in_folder("c")), 0);
	CU_ASSERT_EQUAL(replace("c", "two", NULL, true), -ENOENT);
	CU_ASSERT_EQUAL(empty_folder(), 3);
}

/* What a process left that was killed goes; what belongs to one that lives stays. */
static void left_behind(void)
{
	char name[64];
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	make_folder();
	put("a", "one");
	snprintf(name, sizeof(name), ".a.save-%d-1f", (int)pid);
	put(name, "half");
	snprintf(name, sizeof(name), ".a.save-%d-2", (int)getppid());
	put(name, "half");
	put(".b.save-1", "another one's");
	CU_ASSERT_EQUAL(replace("a", "two", "one", false), 0);
	CU_ASSERT_EQUAL(empty_folder(), 3);
}

static const struct test_case cases[] = {
	{"expected", expected},
	{"rights", rights},
	{"links", links},
	{"left_behind", left_behind},
};

TEST_MAIN("util_replace_file", cases)

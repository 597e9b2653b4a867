/* SPDX-License-Identifier: BSD-3-Clause */
/* The limit of open files: raised, and named where it was reached. */
#include "util/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "../test.h"

static void raised(void)
{
	struct rlimit l;

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = 50;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &l), 0);
	CU_ASSERT_EQUAL(fd_limit(), 50);
	fd_raise_limit();
	CU_ASSERT_EQUAL(fd_limit(), l.rlim_max);
	CU_ASSERT_EQUAL(fd_limit_hard(), l.rlim_max);
}

static void errors(void)
{
	struct rlimit before, l;
	const char *text;

	getrlimit(RLIMIT_NOFILE, &before);
	l = before;
	l.rlim_cur = 77;
	setrlimit(RLIMIT_NOFILE, &l);
	text = fd_strerror(EMFILE);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, strerror(EMFILE)));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "may have 77 (RLIMIT_NOFILE)"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "LimitNOFILE="));
	CU_ASSERT_PTR_NOT_NULL(strstr(fd_strerror(ENFILE), "fs.file-max"));
	CU_ASSERT_STRING_EQUAL(fd_strerror(EACCES), strerror(EACCES));
	setrlimit(RLIMIT_NOFILE, &before);
}

static const struct test_case cases[] = {
	{"raised", raised},
	{"errors", errors},
};

TEST_MAIN("fd", cases)

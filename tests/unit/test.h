/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

/*
 * A thin runner over CUnit: a program lists its cases in a table, and each case prints one line
 * "ok NAME" or "not ok NAME - reason", the protocol that tools/check sums up.
 */

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct test_case {
	const char *name;
	void (*fn)(void);
};

/* A case that can't run here puts the reason in, checks nothing, and returns. */
static char test_skip_reason[256] __attribute__((unused));

static inline int test_report_case(CU_pTest test, const char *suite)
{
	unsigned int before = CU_get_number_of_failure_records();
	CU_pFailureRecord rec;
	unsigned int after, i;

	test_skip_reason[0] = '\0';
	CU_run_test(CU_get_suite(suite), test);
	/* CU_run_test() clears the records of the run before it. */
	(void)before;
	after = CU_get_number_of_failure_records();
	if (after == 0 && test_skip_reason[0]) {
		printf("skip %s/%s - %s\n", suite, test->pName, test_skip_reason);
		return 0;
	}
	if (after == 0) {
		printf("ok %s/%s\n", suite, test->pName);
		return 0;
	}
	rec = CU_get_failure_list();
	printf("not ok %s/%s - %s:%u: %s\n", suite, test->pName,
	       rec && rec->strFileName ? rec->strFileName : "?", rec ? rec->uiLineNumber : 0,
	       rec && rec->strCondition ? rec->strCondition : "?");
	for (i = 1; rec && rec->pNext && i < 10; i++) {
		rec = rec->pNext;
		printf("# also %s:%u: %s\n", rec->strFileName ? rec->strFileName : "?",
		       rec->uiLineNumber, rec->strCondition ? rec->strCondition : "?");
	}
	return 1;
}

/*
 * The kernel's table of descriptors gets its size while there are no threads: later a call that
 * finds it full may wait for seconds on a busy machine (fd_reserve_table()).
 */
static inline void test_reserve_descriptors(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 1000);

	if (fd >= 0)
		close(fd);
}

/*
 * Runs the cases in order; argv[1], if given, selects those whose name contains it.
 * Returns the exit status of the program: 0, or 1 when a case failed or none was run.
 */
static inline int test_main(const char *suite, const struct test_case *cases, size_t n, int argc,
			    char **argv)
{
	CU_pSuite s;
	int failed = 0, run = 0;
	size_t i;

	test_reserve_descriptors();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	CU_set_error_action(CUEA_IGNORE);
	s = CU_add_suite(suite, NULL, NULL);
	for (i = 0; i < n; i++) {
		CU_pTest t;

		if (argc > 1 && !strstr(cases[i].name, argv[1]))
			continue;
		t = CU_add_test(s, cases[i].name, cases[i].fn);
		failed += test_report_case(t, suite);
		run++;
	}
	CU_cleanup_registry();
	return failed || !run;
}

#define TEST_MAIN(suite, cases)                                                                    \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return test_main(suite, cases, sizeof(cases) / sizeof((cases)[0]), argc, argv);    \
	}

#endif

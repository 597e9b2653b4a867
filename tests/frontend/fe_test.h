/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_TEST_H
#define TESTS_FRONTEND_FE_TEST_H

/*
 * Assertions for the tests that stand on the driver. Main thread only. They show the values, which
 * tell more than the line alone.
 */

#include "../unit/test.h"

/* Goes on after a failure. */
#define CHECK(cond) CU_assertImplementation(!!(cond), __LINE__, #cond, __FILE__, "", CU_FALSE)

/* Leaves the function (a void one) after a failure. */
#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!CHECK(cond))                                                                  \
			return;                                                                    \
	} while (0)

/* Two integers, the expected one second. */
#define CHECK_EQ(actual, expected) fe_check_eq(actual, expected, #actual, __FILE__, __LINE__)

#define REQUIRE_EQ(actual, expected)                                                               \
	do {                                                                                       \
		if (!CHECK_EQ(actual, expected))                                                   \
			return;                                                                    \
	} while (0)

static inline CU_BOOL fe_check_eq(long long actual, long long expected, const char *what,
				  const char *file, unsigned int line)
{
	char text[256];

	snprintf(text, sizeof(text), "%s is %lld (0x%llx), expected %lld (0x%llx)", what, actual,
		 (unsigned long long)actual, expected, (unsigned long long)expected);
	return CU_assertImplementation(actual == expected, line, text, file, "", CU_FALSE);
}

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines: levels, length, time, and whole lines from several threads. */
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

#include "log_test.h"

static void levels(void)
{
	static const enum log_level all[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO,
					     LOG_LEVEL_DEBUG};
	static const char *const prefixes[] = {"error: m0\n", "warning: m1\n", " m2\n",
					       "debug: m3\n"};
	int max, i;

	for (max = 0; max < 4; max++) {
		log_set_level(all[max]);
		listen();
		log_error("m%d", 0);
		log_warn("m%d", 1);
		log_info("m%d", 2);
		log_debug("m%d", 3);
		listened();
		CU_ASSERT_EQUAL(lines(), max + 1);
		for (i = 0; i < 4; i++) {
			CU_ASSERT_EQUAL(!!strstr(said, prefixes[i]), i <= max);
			CU_ASSERT_EQUAL(log_enabled(all[i]), i <= max);
		}
	}
	log_set_level(LOG_LEVEL_INFO);
}

/* What isn't logged is not worked out either. */
static int calls;

static int costly(void)
{
	return ++calls;
}

static void debug_is_free(void)
{
	listen();
	log_debug("%d", costly());
	listened();
	CU_ASSERT_EQUAL(calls, 0);
	CU_ASSERT_EQUAL(said[0], '\0');
}

/* A date and a time of day for people; none for the journal, which has its own. */
static void time_stamp(void)
{
	static const char shape[] = "dddd-dd-dd dd:dd:dd.ddd x\n";
	size_t i;

	unsetenv("JOURNAL_STREAM");
	listen();
	log_info("x");
	listened();
	CU_ASSERT_EQUAL(strlen(said), sizeof(shape) - 1);
	for (i = 0; i < sizeof(shape) - 1 && i < strlen(said); i++) {
		bool digit = said[i] >= '0' && said[i] <= '9';

		CU_ASSERT(shape[i] == 'd' ? digit : said[i] == shape[i]);
	}
}

/* The variable is inherited: it is about the stream that it names, and no other. */
static void journal(void)
{
	char stream[64];
	struct stat st;

	listen();
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_warn("y");
	log_info("z");
	listened();
	CU_ASSERT_STRING_EQUAL(said, "warning: y\nz\n");
	setenv("JOURNAL_STREAM", "8:1", 1);
	listen();
	log_info("z");
	listened();
	unsetenv("JOURNAL_STREAM");
	CU_ASSERT(said[0] >= '0' && said[0] <= '9');
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " z\n"));
}

/* Longer than a line can be: cut off, but still one line with an end. */
static void long_lines(void)
{
	static const size_t lengths[] = {0,    1,    900,  960,	 990,  996,  997,  998,	  999,
					 1000, 1001, 1022, 1023, 1024, 1025, 5000, 100000};
	static char text[100001];
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(text, 'a', lengths[i]);
		text[lengths[i]] = '\0';
		listen();
		log_info("%s", text);
		log_info("next");
		listened();
		CU_ASSERT_EQUAL(lines(), 2);
		CU_ASSERT(strlen(said) <= 1024 + 64);
		CU_ASSERT_PTR_NOT_NULL(strstr(said, " next\n"));
		if (lengths[i] <= 900)
			CU_ASSERT_PTR_NOT_NULL(strstr(said, text));
	}
}

/* Lines of several threads do not mix. */
static void *log_many(void *arg)
{
	const char *letter = arg;
	char text[101];
	int i;

	memset(text, *letter, 100);
	text[100] = '\0';
	for (i = 0; i < 500; i++)
		log_info("%s", text);
	return NULL;
}

static void from_threads(void)
{
	static char letters[] = "abcd";
	pthread_t t[4];
	char *line, *save = NULL;
	int i, bad = 0, n = 0;

	listen();
	for (i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, log_many, &letters[i]);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	listened();
	for (line = strtok_r(said, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
		const char *text = strrchr(line, ' ') + 1;

		bad += strlen(text) != 100 || strspn(text, (char[]){*text, 0}) != 100;
	}
	CU_ASSERT_EQUAL(n, 2000);
	CU_ASSERT_EQUAL(bad, 0);
}

/* Nobody listens any more: no error, no signal. */
static void closed_stderr(void)
{
	int keep = dup(STDERR_FILENO);

	close(STDERR_FILENO);
	log_error("into the void");
	dup2(keep, STDERR_FILENO);
	close(keep);
}

static const struct test_case cases[] = {
	{"levels", levels},
	{"debug_is_free", debug_is_free},
	{"time_stamp", time_stamp},
	{"journal", journal},
	{"long_lines", long_lines},
	{"from_threads", from_threads},
	{"closed_stderr", closed_stderr},
};

TEST_MAIN("log", cases)

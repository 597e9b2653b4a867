/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that writes: nobody else waits for who reads, and nothing is lost in silence. */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>

#include "log_test.h"
#include "util/log_ring.h"

static uint64_t had; /* lines, as of start() */

static uint64_t all_lines(void)
{
	struct log_stats stats;

	log_get_stats(&stats);
	return stats.lines + stats.lost;
}

static void start(void)
{
	had = all_lines();
	CU_ASSERT_EQUAL(log_start(), 0);
}

static bool are_written(void *arg)
{
	return all_lines() - had >= *(uint64_t *)arg;
}

/* What is left when it stops has but LOG_STOP_MS: so many are written, or lost, before. */
static void stop_after(uint64_t n)
{
	CU_ASSERT_TRUE(test_until(are_written, &n, 60000));
	log_stop();
}

/* stderr is a pipe; nobody reads it yet. */
static int reader;

static void pipe_stderr(void)
{
	int fds[2];

	fflush(stderr);
	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_CLOEXEC), 0);
	reader = fds[0];
	real_stderr = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
}

/* To its end, which is there once stderr is another file. */
static void *read_all(void *arg)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(reader, said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	return arg;
}

static void restore_stderr(void)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
}

/* Fills `text` with a line of 900 bytes. */
static void say_long(int from, int to)
{
	char text[800];
	int i;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (i = from; i < to; i++)
		log_warn("number %d %s", i, text);
}

/* The numbers that came, in order; returns how many, and checks that none is missing untold. */
static uint64_t check_numbers(int upto)
{
	uint64_t got = 0, lost = 0;
	char *p, *save = NULL;
	int next = 0;

	for (p = strtok_r(said, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		const char *at = strstr(p, "log: ");

		if (at) {
			lost += strtoull(at + 5, NULL, 10);
			next += atoi(at + 5);
			CU_ASSERT_PTR_NOT_NULL(strstr(p, "lost"));
			continue;
		}
		at = strstr(p, "number ");
		CU_ASSERT_PTR_NOT_NULL_FATAL(at);
		CU_ASSERT_EQUAL(atoi(at + 7), next);
		next = atoi(at + 7) + 1;
		got++;
	}
	CU_ASSERT_EQUAL(got + lost, (uint64_t)upto);
	return lost;
}

/* All lines come, in order, those before the start and after the stop too. */
static void in_order(void)
{
	int i;

	listen();
	log_info("number 0");
	start();
	for (i = 1; i < 1001; i++)
		log_info("number %d", i);
	stop_after(1000);
	log_info("number 1001");
	listened();
	CU_ASSERT_EQUAL(check_numbers(1002), 0);
}

#define MANY 5000

/* A reader that has stopped: who says something goes on; he who reads again hears what is missing.
 */
static void reader_stops(void)
{
	struct log_stats before, after;
	uint64_t lost;
	pthread_t t;

	log_get_stats(&before);
	pipe_stderr();
	start();
	test_watch("lines into a full pipe");
	say_long(0, MANY);
	test_watch(NULL);
	log_get_stats(&after);
	CU_ASSERT(after.lost - before.lost >= MANY - LOG_RING_LINES - 200);
	pthread_create(&t, NULL, read_all, NULL);
	stop_after(MANY);
	restore_stderr();
	pthread_join(t, NULL);
	close(reader);
	lost = check_numbers(MANY);
	CU_ASSERT(lost >= MANY - LOG_RING_LINES - 200);
	log_get_stats(&after);
	CU_ASSERT_EQUAL(after.lost - before.lost, lost);
	CU_ASSERT_EQUAL(after.lines - before.lines, MANY - lost);
}

/* Texts of many lines are no way around the bound. */
static void texts(void)
{
	struct log_stats before, after;
	pthread_t t;
	int i;

	log_get_stats(&before);
	pipe_stderr();
	start();
	say_long(0, 200); /* fills the pipe */
	for (i = 0; i < 20; i++)
		log_text(strdup("table\n"), 6);
	pthread_create(&t, NULL, read_all, NULL);
	stop_after(220);
	restore_stderr();
	pthread_join(t, NULL);
	close(reader);
	log_get_stats(&after);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "\ntable\ntable\ntable\ntable\n"));
	CU_ASSERT_EQUAL(after.lost - before.lost, 16);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "16 lines lost"));
}

/* A disk that is full: the line is lost, the next one may do better. */
static void full_disk(void)
{
	struct log_stats before, after;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	log_get_stats(&before);
	fflush(stderr);
	real_stderr = dup(STDERR_FILENO);
	dup2(full, STDERR_FILENO);
	close(full);
	CU_ASSERT_EQUAL(log_start(), 0);
	log_warn("nowhere");
	log_stop();
	restore_stderr();
	log_get_stats(&after);
	CU_ASSERT_EQUAL(after.lost - before.lost, 1);
}

static void *say_many(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++)
		log_warn("from another thread");
	return arg;
}

/* Threads besides the main one serve guests: none of their lines is without a limit. */
static void other_threads(void)
{
	pthread_t t;
	int i;

	log_limit_set((struct log_budget){1, 1}, (struct log_budget){50, 1});
	listen();
	start();
	pthread_create(&t, NULL, say_many, NULL);
	pthread_join(t, NULL);
	for (i = 0; i < 1000; i++)
		log_info("from main");
	stop_after(1050);
	listened();
	/* More of the first if seconds have gone by; and the line that tells of the rest. */
	CU_ASSERT(lines() >= 1051 && lines() <= 1051 + 60);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "shadowbell: 9"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " more messages left out"));
}

/* --- ends --- */

/* Runs fn in a child whose stderr is a pipe that is read afterwards; returns its status. */
static int in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	pipe_stderr();
	pid = fork();
	if (!pid) {
		fn();
		_exit(99);
	}
	restore_stderr();
	read_all(NULL);
	close(reader);
	waitpid(pid, &status, 0);
	return status;
}

static void say_and_exit(void)
{
	log_start();
	log_error("the last words");
	exit(3);
}

static void say_and_abort(void)
{
	log_start();
	log_error("the last words");
	abort();
}

/* A child of the process that logs has no thread, and says what it says itself. */
static void say_as_child(void)
{
	pid_t pid;

	log_start();
	pid = fork();
	if (!pid) {
		log_error("the last words");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	_exit(4);
}

static void ends(void)
{
	int status = in_child(say_and_exit);

	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "error: the last words\n"));
	status = in_child(say_as_child);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "error: the last words\n"));
	if (TEST_SLOW)
		return; /* a sanitizer has its own handler for what follows */
	status = in_child(say_and_abort);
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "error: the last words\n"));
}

static void say_to_nobody(void)
{
	log_start();
	say_long(0, 200);
	log_stop();
	_exit(5);
}

/* The last of all: a reader who never reads delays the end by LOG_STOP_MS, not for ever. */
static void never_read(void)
{
	uint64_t start = time_now_ns();
	int status = -1;
	pid_t pid;

	pipe_stderr();
	pid = fork();
	if (!pid)
		say_to_nobody();
	restore_stderr();
	test_watch("the end of who nobody reads");
	waitpid(pid, &status, 0);
	test_watch(NULL);
	close(reader);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 5);
	CU_ASSERT(time_now_ns() - start >= (LOG_STOP_MS - 100) * NS_PER_MS);
}

static const struct test_case cases[] = {
	{"in_order", in_order},		  {"reader_stops", reader_stops}, {"texts", texts},
	{"other_threads", other_threads}, {"full_disk", full_disk},	  {"ends", ends},
	{"never_read", never_read},
};

TEST_MAIN("log_thread", cases)

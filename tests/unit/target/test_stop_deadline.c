/* SPDX-License-Identifier: BSD-3-Clause */
/* The process ends by its deadline, with its sockets removed, or by itself before. */
#include <sys/stat.h>
#include <sys/wait.h>

#include "../test.h"
#include "../tools.h"
#include "target/target.h"
#include "util/log.h"
#include "util/socket_file.h"

static char path[SOCKET_PATH_MAX];

/* In a process of its own; `stuck`: it does not get done. */
static int end_of(bool stuck)
{
	struct socket_params p = {.path = path, .name = "test"};
	struct target_deadline *d;
	struct socket_file file = {0};
	int status = -1;
	pid_t pid = fork();

	if (pid) {
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		return status;
	}
	if (socket_file_claim(&file, &p))
		_exit(10);
	if (mknod(path, S_IFSOCK | 0600, 0))
		_exit(11);
	socket_file_bound(&file);
	d = target_deadline_begin();
	if (!d)
		_exit(12);
	if (stuck)
		for (;;)
			pause();
	socket_file_release(&file);
	target_deadline_end(d);
	_exit(0);
}

static void ends(void)
{
	struct stat st;
	int i, status = -1;

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(path, sizeof(path), "/tmp/shadowbell-deadline.%d", (int)getpid());
	test_watch("a process that does not get done");
	/* One that stands still for as long as the deadline is says nothing. */
	for (i = 0; i < 5 && status; i++)
		status = end_of(false);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	status = end_of(true);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == TARGET_STOP_STATUS);
	CU_ASSERT(lstat(path, &st) < 0);
	test_watch(NULL);
}

static const struct test_case cases[] = {
	{"ends", ends},
};

TEST_MAIN("stop_deadline", cases)

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_DAEMON_H
#define TESTS_FRONTEND_FE_DAEMON_H

/*
 * A daemon of one's own: started with a generated configuration in a private directory, watched,
 * and stopped. The binary is $SHADOWBELL, or the one of the build tree that the test program is in.
 * It dies with the test program.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fe_daemon_config {
	const char *cpus;     /* YAML; NULL: "[0]" */
	const char *poll;     /* NULL: "adaptive" */
	unsigned int idle_us; /* 0: the daemon's default */
	/* YAML lists of "{...}", indented by two spaces; "@" stands for the private directory. */
	const char *bdevs;
	const char *controllers;
	bool log_limits;    /* the daemon's own; else a test finds all that it provokes */
	const char *option; /* one more command line option, e.g. "-v"; NULL: none */
};

struct fe_daemon {
	pid_t pid;    /* 0: not running */
	char dir[80]; /* a controller's name must fit behind it into sun_path */
	char *log;    /* what fe_daemon_log() read last */
};

/* Starts it and waits until every controller's socket accepts. 0 or -errno, with a text on stderr.
 */
int fe_daemon_start(struct fe_daemon *d, const struct fe_daemon_config *cfg);
/* Only writes the configuration and starts; returns once the process exists. */
int fe_daemon_spawn(struct fe_daemon *d, const struct fe_daemon_config *cfg);
/* Waits for a socket. 0, -ETIMEDOUT, or -ECHILD when the daemon has died. */
int fe_daemon_wait_socket(struct fe_daemon *d, const char *controller, int timeout_ms);
bool fe_daemon_alive(struct fe_daemon *d);
/*
 * SIGTERM, then waits. Returns the exit status, 128 + the signal when one ended it, or -ETIMEDOUT
 * after killing it. A status other than 0 also prints the end of its log. Removes the directory.
 */
int fe_daemon_stop(struct fe_daemon *d);
/* Ends it at once, as a crash would, and removes the directory. */
void fe_daemon_kill(struct fe_daemon *d);
/* The path of a controller's socket, in a static buffer. */
const char *fe_daemon_socket(const struct fe_daemon *d, const char *controller);

/* All it has said on stderr up to now; valid until the next call. */
const char *fe_daemon_log(struct fe_daemon *d);
/* The length of the log now: a mark for fe_daemon_logged(). */
size_t fe_daemon_log_mark(const struct fe_daemon *d);
/*
 * Waits until a line after the mark contains all the words (each may be NULL). For a line that may
 * come a moment after the failure it explains.
 */
bool fe_daemon_logged(struct fe_daemon *d, size_t mark, const char *word, const char *word2);
/* Lines after the mark that contain the word. */
size_t fe_daemon_log_count(struct fe_daemon *d, size_t mark, const char *word);
/* Prints the log's last bytes, or what a sanitizer found first; each line behind "# ". */
void fe_daemon_print_log(struct fe_daemon *d, size_t bytes);

/* CPU time that the process has used, user and system, in nanoseconds. */
uint64_t fe_daemon_cpu_ns(const struct fe_daemon *d);
/* The thread whose name is `name`; -1: none. */
pid_t fe_daemon_thread(const struct fe_daemon *d, const char *name);
/* Open file descriptors: a leak shows here. -1 on error. */
int fe_daemon_open_fds(const struct fe_daemon *d);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_HOSTILE_H
#define TESTS_FRONTEND_FE_HOSTILE_H

/*
 * Cases in which one front-end, the offender, does what nobody should, while another one, the
 * bystander, wants nothing but its disk. After each case the daemon must be the same process as
 * before, the bystander's I/O must work and verify, and its old data must still be there.
 */

#include "fe_fixture.h"
#include "fe_util.h"

/* The offender's controller; a case opens it in whatever state it wants. It is closed after the
 * case. */
extern struct fe_nvme fe_bad;
extern struct fe_qpair fe_bad_io;
extern struct fe_buf fe_bad_buf; /* 1 MiB */
extern struct fe_load fe_bad_load;

/* The daemon of all hostile programs: controllers "offender", "bystander" and "third". */
extern const struct fe_daemon_config fe_hostile_config;

/* Namespaces of the offender. */
enum { FE_NS_RAM = 1, FE_NS_NULL = 2, FE_NS_SLOW = 3, FE_NS_READONLY = 4, FE_NS_FILE = 5 };

const char *fe_bad_socket(void);
/* A ready controller with queue pair 1 and a buffer. */
bool fe_bad_open(uint32_t entries);
/* The same for one that is only attached: memory and vectors, CC.EN = 0. */
bool fe_bad_attach(void);
/* Keeps queue pair 1 busy with verified I/O from another thread; depth below the queue's size. */
bool fe_bad_start_load(unsigned int depth);
/*
 * Makes reads of FE_NS_FILE wait for the disk, so that they are in flight for a while: fills the
 * file once, and drops it from the page cache. (Where the file system is memory they are just
 * quick.)
 */
bool fe_bad_cool_file(void);
/* Waits for a line about the offender since the case began. */
bool fe_bad_logged(const char *word);
/* The controller has given up: CSTS.CFS, within a moment. */
bool fe_bad_fatal(void);
/* The controller works: after CC.EN = 0 and 1 a new queue pair does verified I/O. */
bool fe_bad_recovers(void);

void fe_hostile_begin(void);
void fe_hostile_end(void);

/* A case: HOSTILE(name) { ... }. It may leave early with REQUIRE(). */
#define HOSTILE(name)                                                                              \
	static void hostile_##name(void);                                                          \
	static void name(void)                                                                     \
	{                                                                                          \
		fe_hostile_begin();                                                                \
		hostile_##name();                                                                  \
		fe_hostile_end();                                                                  \
	}                                                                                          \
	static void hostile_##name(void)

#define HOSTILE_CASE(name)                                                                         \
	{                                                                                          \
#name, name                                                                        \
	}

/* A thread that does something again and again, as fast as it can, until it is stopped. */
struct fe_pest {
	void (*fn)(void *arg, uint64_t *random);
	void *arg;
	pthread_t thread;
	bool running, stop;
};

int fe_pest_start(struct fe_pest *pest, void (*fn)(void *arg, uint64_t *random), void *arg);
void fe_pest_stop(struct fe_pest *pest);

#endif

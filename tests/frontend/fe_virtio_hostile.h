/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_VIRTIO_HOSTILE_H
#define TESTS_FRONTEND_FE_VIRTIO_HOSTILE_H

/*
 * As fe_hostile.h, for virtqueues: a virtio-blk offender, and a bystander on the same reactor whose
 * I/O must verify before and after each case.
 */

#include "fe_fixture.h"
#include "fe_util.h"
#include "fe_virtio.h"

/* The offender: a device with queue 0 and a buffer of 1 MiB. It is closed after the case. */
extern struct fe_virtio fe_vbad;
extern struct fe_vq *fe_vbad_q;
extern uint8_t *fe_vbad_buf;
extern uint64_t fe_vbad_gpa;

/* Controllers "offender" (ram), "slow" (null, 200 ms) and "bystander". */
extern const struct fe_daemon_config fe_virtio_hostile_config;

/* Connected, with memory, buffer, and queue 0 running; it has verified a block. */
bool fe_vbad_open(uint16_t size, uint64_t features);
/* The same without the queue. */
bool fe_vbad_connect(const char *controller, uint64_t features);
/* Waits for a line about the offender since the case began. */
bool fe_vbad_logged(const char *word);
/*
 * The queue has stopped with a line that contains `why`, answers nothing any more, and works again
 * after a reset.
 */
void fe_vbad_broken(const char *why);
/* After a reset of the queue it does verified I/O. */
bool fe_vbad_recovers(void);
/* It works, as it is. */
bool fe_vbad_works(void);
/* A connection of its own, after whatever happened to the last. */
bool fe_vbad_again(void);

void fe_virtio_hostile_begin(void);
void fe_virtio_hostile_end(void);

#define VHOSTILE(name)                                                                             \
	static void hostile_##name(void);                                                          \
	static void name(void)                                                                     \
	{                                                                                          \
		fe_virtio_hostile_begin();                                                         \
		hostile_##name();                                                                  \
		fe_virtio_hostile_end();                                                           \
	}                                                                                          \
	static void hostile_##name(void)

#define VHOSTILE_CASE(name)                                                                        \
	{                                                                                          \
#name, name                                                                        \
	}

#endif

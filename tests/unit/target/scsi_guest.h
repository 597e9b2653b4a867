/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_TARGET_SCSI_GUEST_H
#define TESTS_UNIT_TARGET_SCSI_GUEST_H

/*
 * A guest of a virtio-scsi controller whose LUN 0 of target 0 stays, which it checks, while others
 * come and go; and which takes the events of that. On the first blocks of those others, which
 * nobody else writes to, it leaves a mark of each: it reads that or, as a bdev may be a new one,
 * zeroes. A thread.
 */

#include <errno.h>
#include <linux/virtio_scsi.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/frontend/fe_util.h"
#include "tests/frontend/fe_virtio.h"
#include "util/util.h"

#define SCSI_GUEST_BYTES  4096u
#define SCSI_GUEST_EVENTS 8u
#define SCSI_GUEST_UNITS  4u
#define SCSI_GUEST_MARK	  0x6d61726b00ull /* the seeds of the marks */

/* One that comes and goes. */
struct scsi_guest_unit {
	uint8_t target, lun;
	bool went; /* by an event */
};

struct scsi_guest {
	pthread_t thread;
	const char *socket;
	atomic_bool stop;
	unsigned int rounds, failed;
	atomic_uint marked;	/* reads of units that come and go that found their mark */
	atomic_uint refused;	/* because the unit is not there, once it has been */
	atomic_uint came, went; /* events */
	/* private */
	struct scsi_guest_unit units[SCSI_GUEST_UNITS];
	struct fe_virtio dev;
	struct fe_vq *q, *event_q;
	struct virtio_scsi_cmd_req *req;
	struct virtio_scsi_cmd_resp *resp;
	struct virtio_scsi_event *events;
	uint8_t *data;
	uint64_t req_gpa, resp_gpa, events_gpa, data_gpa;
};

/* READ or WRITE (10) of SCSI_GUEST_BYTES: 0, 1: refused, or negative: no answer as it may be. */
static inline int scsi_guest_rw(struct scsi_guest *g, bool write, uint8_t id, uint8_t lun,
				uint8_t lba)
{
	struct fe_seg req = {g->req_gpa, sizeof(*g->req), false};
	struct fe_seg resp = {g->resp_gpa, sizeof(*g->resp), true};
	struct fe_seg data = {g->data_gpa, SCSI_GUEST_BYTES, !write};
	struct fe_seg segs[3] = {req, write ? data : resp, write ? resp : data};
	int head;

	memset(g->req, 0, sizeof(*g->req));
	memcpy(g->req->lun, (uint8_t[]){1, id, 0, lun}, 4);
	memcpy(g->req->cdb, (uint8_t[]){write ? 0x2a : 0x28, 0, 0, 0, 0, lba, 0, 0, 8}, 9);
	g->resp->response = g->resp->status = 0xee;
	head = fe_vq_chain(g->q, segs, 3);
	if (head < 0)
		return head;
	fe_vq_submit(g->q, (uint16_t)head);
	head = fe_vq_wait(g->q, NULL, FE_TIMEOUT_MS);
	if (head < 0)
		return head;
	switch (g->resp->response) {
	case VIRTIO_SCSI_S_OK:
		return g->resp->status == 0 ? 0 : g->resp->status == 2 ? 1 : -EPROTO;
	case VIRTIO_SCSI_S_BAD_TARGET:
	case VIRTIO_SCSI_S_RESET:
		return 1;
	default:
		return -EPROTO;
	}
}

/* What stays may say once that others have come or gone. */
static inline int scsi_guest_steady(struct scsi_guest *g, bool write)
{
	int rc;

	do
		rc = scsi_guest_rw(g, write, 0, 0, 16);
	while (rc == 1 && (g->resp->sense[2] & 0xf) == 6);
	return rc;
}

static inline bool scsi_guest_verify(struct scsi_guest *g, uint64_t seed)
{
	fe_pattern_fill(g->data, SCSI_GUEST_BYTES, seed);
	if (scsi_guest_steady(g, true))
		return false;
	memset(g->data, 0, SCSI_GUEST_BYTES);
	return !scsi_guest_steady(g, false) && fe_pattern_check(g->data, SCSI_GUEST_BYTES, seed);
}

static inline void scsi_guest_post(struct scsi_guest *g, unsigned int i)
{
	struct fe_seg seg = {g->events_gpa + i * sizeof(*g->events), sizeof(*g->events), true};
	int head = fe_vq_chain(g->event_q, &seg, 1);

	/* The first descriptor is as free as it was: i and the head are the same. */
	if (head == (int)i)
		fe_vq_submit(g->event_q, (uint16_t)head);
	else
		g->failed++;
}

static inline void scsi_guest_unit_went(struct scsi_guest *g, const struct virtio_scsi_event *e)
{
	for (unsigned int i = 0; i < SCSI_GUEST_UNITS; i++)
		if (e->lun[1] == g->units[i].target && e->lun[3] == g->units[i].lun)
			g->units[i].went = true;
}

static inline void scsi_guest_take_events(struct scsi_guest *g)
{
	int head;

	while ((head = fe_vq_poll(g->event_q, NULL)) >= 0) {
		const struct virtio_scsi_event *e = &g->events[head];

		if ((e->event & 0xffff) == VIRTIO_SCSI_T_TRANSPORT_RESET) {
			g->came += e->reason == VIRTIO_SCSI_EVT_RESET_RESCAN;
			if (e->reason == VIRTIO_SCSI_EVT_RESET_REMOVED) {
				g->went++;
				scsi_guest_unit_went(g, e);
			}
		} else if ((e->event & 0xffff) != VIRTIO_SCSI_T_NO_EVENT) {
			g->failed++;
		}
		scsi_guest_post(g, (unsigned int)head);
	}
}

static inline bool scsi_guest_open(struct scsi_guest *g)
{
	if (fe_virtio_open(&g->dev, g->socket, 0))
		return false;
	g->req = fe_mem_alloc(&g->dev.mem, sizeof(*g->req), &g->req_gpa);
	g->resp = fe_mem_alloc(&g->dev.mem, sizeof(*g->resp), &g->resp_gpa);
	g->events =
		fe_mem_alloc(&g->dev.mem, SCSI_GUEST_EVENTS * sizeof(*g->events), &g->events_gpa);
	g->data = fe_mem_alloc(&g->dev.mem, SCSI_GUEST_BYTES, &g->data_gpa);
	g->event_q = fe_vq_make(&g->dev, 1, SCSI_GUEST_EVENTS);
	g->q = fe_vq_make(&g->dev, 2, 16);
	return !fe_vq_start(g->event_q, 0) && !fe_vq_start(g->q, 0);
}

/* Whether what was refused is so because the unit is not there (virtio 1.1, 5.6.6.1). */
static inline bool scsi_guest_no_unit(const struct scsi_guest *g)
{
	const struct virtio_scsi_cmd_resp *r = g->resp;

	if (r->response != VIRTIO_SCSI_S_OK)
		return r->response == VIRTIO_SCSI_S_BAD_TARGET;
	return (r->sense[2] & 0xf) == 5 && r->sense[12] == 0x25;
}

/* A write that was cut off has left whole blocks. */
static inline void scsi_guest_check_mark(struct scsi_guest *g, uint64_t mark)
{
	static const uint8_t zeroes[512];
	uint8_t expected[SCSI_GUEST_BYTES];
	unsigned int at, marked = 0;

	fe_pattern_fill(expected, sizeof(expected), mark);
	for (at = 0; at < SCSI_GUEST_BYTES; at += 512) {
		if (!memcmp(g->data + at, expected + at, 512))
			marked++;
		else if (memcmp(g->data + at, zeroes, 512) != 0)
			g->failed++;
	}
	g->marked += marked == SCSI_GUEST_BYTES / 512;
}

/* Reads, and marks it for the next time. */
static inline void scsi_guest_look_at(struct scsi_guest *g, unsigned int i)
{
	const struct scsi_guest_unit *unit = &g->units[i];
	int rc;

	memset(g->data, 0, SCSI_GUEST_BYTES);
	rc = scsi_guest_rw(g, false, unit->target, unit->lun, 0);
	if (!rc) {
		scsi_guest_check_mark(g, SCSI_GUEST_MARK + i);
		fe_pattern_fill(g->data, SCSI_GUEST_BYTES, SCSI_GUEST_MARK + i);
		rc = scsi_guest_rw(g, true, unit->target, unit->lun, 0);
	}
	if (rc < 0)
		g->failed++;
	else if (rc && unit->went && scsi_guest_no_unit(g))
		g->refused++;
}

static inline void *scsi_guest_run(void *arg)
{
	static const struct scsi_guest_unit units[SCSI_GUEST_UNITS] = {
		{.lun = 1}, {.lun = 2}, {.lun = 3}, {.target = 5}};
	struct scsi_guest *g = arg;
	unsigned int i;

	memcpy(g->units, units, sizeof(units));
	g->failed = !scsi_guest_open(g);
	for (i = 0; i < SCSI_GUEST_EVENTS && !g->failed; i++)
		scsi_guest_post(g, i);
	/* Once in any case. */
	while (!g->failed && (!g->rounds || !atomic_load(&g->stop))) {
		g->failed += !scsi_guest_verify(g, g->rounds);
		for (i = 0; i < SCSI_GUEST_UNITS; i++)
			scsi_guest_look_at(g, i);
		scsi_guest_take_events(g);
		g->rounds++;
	}
	fe_virtio_close(&g->dev);
	return NULL;
}

#endif

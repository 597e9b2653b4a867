/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

/*
 * Guests and VMMs that harm others if they can. An action is repeated until time is up; it returns
 * 0, or -errno when the daemon has thrown it out, after which it begins again.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum h_type { H_BLK, H_SCSI, H_NVME, H_VFIO, H_TYPES };

#define H_QUEUES_MAX 64u

struct h_options {
	enum h_type type;
	const char *socket;
	unsigned int queues;	  /* 0: as many as the controller has */
	unsigned int depth;	  /* requests in each; 0: the action's */
	unsigned int connections; /* of actions that hold some */
};

struct h_counts {
	uint64_t done;	 /* requests, rounds or messages */
	uint64_t errors; /* of these, those that were answered with an error */
	uint64_t thrown; /* how often the daemon ended the session, or refused it */
	int last_thrown; /* the error of the last */
};

extern struct h_counts h_counts;
extern const char *const h_type_names[H_TYPES];

/* Signals end it, and so does the clock, which runs from h_running() on; or 20 s later if that does
 * not come. 0 seconds: only signals do. */
void h_begin(double seconds);
/* Time is up. */
bool h_over(void);
/* The load runs from here on: says so on stdout, once. */
void h_running(void);
/* min(a, b), b as the limit; 0 stands for b. */
unsigned int h_limit(unsigned int wanted, unsigned int limit);

struct fe_vhost;
/*
 * Gives a vring (or vector) an eventfd whose counter is full, and that is made to block again once
 * the daemon has it: whoever writes to it waits. 0 or -errno; *fd is the caller's to close, or -1.
 */
int h_give_full_eventfd(struct fe_vhost *vhost, unsigned int vring, int *fd);

/* flood_virtio.c, flood_nvme.c: queues full of one kind of request. */
enum h_request {
	H_TINY,
	H_GIANT,
	H_READS, /* 4 KiB, all over the disk */
	H_FLUSH,
	H_MISALIGNED, /* buffers at odd addresses */
	H_DISCARD,    /* as much as one request can name */
	H_ZERO,	      /* write zeroes or WRITE SAME, the same */
	H_VERIFY,     /* VERIFY, or Compare */
	H_INQUIRE,    /* what is no I/O: GET_ID, REPORT LUNS, Identify on the admin queue */
};

int h_flood_virtio(const struct h_options *o, enum h_request request);
int h_flood_nvme(const struct h_options *o, enum h_request request);

/* abuse_virtio.c, abuse_nvme.c */
int h_resets_virtio(const struct h_options *o); /* requests in flight, aborts, and resets */
int h_resets_nvme(const struct h_options *o);
int h_interrupts_virtio(const struct h_options *o); /* eventfds that block who writes */
int h_lies_virtio(const struct h_options *o);	    /* broken rings */
int h_lies_nvme(const struct h_options *o);
int h_churn_nvme(const struct h_options *o);	  /* queues are made and deleted */
int h_interrupts_nvme(const struct h_options *o); /* as of virtio */
int h_doorbells_nvme(const struct h_options *o);  /* values that are none, again and again */
int h_events_nvme(const struct h_options *o);	  /* more event requests than there may be */

/* wire.c */
int h_reconnect(const struct h_options *o);
int h_knock(const struct h_options *o);
int h_memory(const struct h_options *o);
int h_half_messages(const struct h_options *o);
int h_messages(const struct h_options *o); /* as many as go, with their answers */
int h_deaf(const struct h_options *o);	   /* the same without reading the answers */
int h_noise(const struct h_options *o);	   /* what gets a line in the log */

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_HOSTILE_CONTROL_H
#define TESTS_HOSTILE_CONTROL_H

/*
 * Guests that boot, reboot and go, on a thread of their own: how long the daemon lets them wait for
 * registers, resets, attaching and detaching.
 */

#include <pthread.h>

#include "../../tools/bench/hist.h"
#include "../frontend/fe_nvme.h"
#include "hostile.h"

#define CONTROL_MAX 64u

enum control_what {
	CONTROL_REGISTER,
	CONTROL_RESET,
	CONTROL_ATTACH,
	CONTROL_DETACH,
	CONTROL_WHATS
};

struct control {
	unsigned int n;
	struct control_guest {
		enum h_type type; /* H_NVME or H_VFIO */
		const char *socket;
		struct fe_nvme ctrl;
		bool attached;
	} guests[CONTROL_MAX];
	/* Nanoseconds, over vhost-user and vfio-user. */
	struct hist hists[2][CONTROL_WHATS];
	uint64_t failed;
	int last_error;
	bool measuring, stop;
	/* What is under way, for one that never ends. */
	struct control_guest *now;
	enum control_what what;
	uint64_t begin_ns;
	pthread_t thread;
};

extern const char *const control_names[CONTROL_WHATS];

/* Attaches all. 0 or -errno. */
int control_open(struct control *c);
int control_start(struct control *c);
/* Ends the thread; the histograms are finished. */
void control_stop(struct control *c);

#endif

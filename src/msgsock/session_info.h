/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MSGSOCK_SESSION_INFO_H
#define MSGSOCK_SESSION_INFO_H

/* What a session is, for whoever shows it. All names are constants. */

#include <stdint.h>
#include <sys/types.h>

#include "util/util.h"

/* All that both protocols and all devices have together. */
#define SESSION_FEATURES_MAX 64

/* Who is at the other end, by the kernel, and since when. */
struct session_peer {
	pid_t pid; /* 0: not known, as of a process in another PID namespace */
	uid_t uid;
	uint64_t since_ms; /* of the Unix epoch */
};

struct session_info {
	const char *transport;
	struct session_peer peer;
	const char *features[SESSION_FEATURES_MAX]; /* negotiated */
	size_t nfeatures;
	/* What it has now, and the most it may have; 0: only the protocol sets a limit. */
	uint64_t memory_bytes, memory_bytes_max;
	uint64_t regions, regions_max;
	uint64_t descriptors, descriptors_max;
};

static inline void session_info_feature(struct session_info *info, const char *name)
{
	if (info->nfeatures < ARRAY_SIZE(info->features))
		info->features[info->nfeatures++] = name;
}

#endif

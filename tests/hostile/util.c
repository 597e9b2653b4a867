/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../frontend/fe_util.h"
#include "../frontend/fe_vhost.h"
#include "hostile.h"

struct h_counts h_counts;
const char *const h_type_names[H_TYPES] = {"blk", "scsi", "nvme", "vfio"};

static uint64_t end_ns, wanted_ns;
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	stopped = 1;
}

void h_begin(double seconds)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	setvbuf(stdout, NULL, _IOLBF, 0);
	wanted_ns = (uint64_t)(seconds * 1e9);
	end_ns = seconds > 0 ? fe_now_ns() + wanted_ns + FE_TIMEOUT_MS * 1000000ull : UINT64_MAX;
}

bool h_over(void)
{
	return stopped || fe_now_ns() >= end_ns;
}

void h_running(void)
{
	static bool said;

	if (said)
		return;
	puts("running");
	if (wanted_ns)
		end_ns = fe_now_ns() + wanted_ns;
	said = true;
}

unsigned int h_limit(unsigned int wanted, unsigned int limit)
{
	return wanted && wanted < limit ? wanted : limit;
}

int h_give_full_eventfd(struct fe_vhost *vhost, unsigned int vring, int *fd)
{
	const uint64_t full = UINT64_MAX - 1;
	int err;

	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return -errno;
	err = write(*fd, &full, sizeof(full)) < 0 ? -errno : 0;
	if (!err)
		err = fe_vhost_set_vring_call(vhost, vring, *fd);
	/* The daemon has made it non-blocking: for both. */
	if (!err && fcntl(*fd, F_SETFL, O_RDWR) < 0)
		err = -errno;
	return err;
}

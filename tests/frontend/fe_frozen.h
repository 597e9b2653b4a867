/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_FROZEN_H
#define TESTS_FRONTEND_FE_FROZEN_H

/*
 * A file system that can be frozen (fsfreeze): ext4 on a loop device, mounted where only this
 * process and its children see it. Writing to it waits until it is thawed. Should the program die,
 * a child of it thaws it and takes it down.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fe_frozen {
	char dir[64];	/* the mount point */
	int fd;		/* of it, for the ioctls */
	int watched_fd; /* our end of the child's pipe */
	bool frozen;
};

/* False: it can't be had here, and why. */
bool fe_frozen_mount(struct fe_frozen *f, size_t mib, char *why, size_t size);
void fe_frozen_unmount(struct fe_frozen *f);
/* 0 or -errno. */
int fe_frozen_freeze(struct fe_frozen *f);
int fe_frozen_thaw(struct fe_frozen *f);
/* Whether a thread of the process sleeps in the kernel where nothing but the disk can wake it. */
bool fe_frozen_holds(pid_t pid);

#endif

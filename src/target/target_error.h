/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_ERROR_H
#define TARGET_TARGET_ERROR_H

#include <stdbool.h>

/*
 * What the system says of a file, a device or a socket is told from what the target says of its
 * objects, as both have the same errnos: then the rc of a target_done_fn is
 * target_system_error(-errno).
 */
#define TARGET_SYSTEM_ERROR 0x10000
static inline int target_system_error(int rc)
{
	return rc ? rc - TARGET_SYSTEM_ERROR : 0;
}
static inline bool target_is_system_error(int rc)
{
	return rc < -TARGET_SYSTEM_ERROR;
}
/* Of either kind: the errno, positive. */
static inline int target_errno(int rc)
{
	return target_is_system_error(rc) ? -(rc + TARGET_SYSTEM_ERROR) : -rc;
}

#endif

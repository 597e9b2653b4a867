/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_SOCKET_FILE_H
#define UTIL_SOCKET_FILE_H

/* Whose the file of a listening socket is, its mode and owner. Main thread. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/counter.h"

#define SOCKET_PATH_MAX 108 /* with the final NUL: sun_path of unix(7) */

struct loop;

/*
 * What depends on how many controllers there are. Written by the main thread, and read by others
 * with COUNTER_READ().
 */
struct session_share {
	uint64_t mapped_memory; /* bytes */
	uint32_t regions;
};

/* What a session is to keep of it, as the share may become less meanwhile. No share: no limits. */
static inline struct session_share session_share_now(const struct session_share *share)
{
	if (!share)
		return (struct session_share){0};
	return (struct session_share){
		.mapped_memory = COUNTER_READ(share->mapped_memory),
		.regions = COUNTER_READ(share->regions),
	};
}

/* What a session may take; 0: no limit but the protocol's. */
struct session_limits {
	uint64_t sessions_per_second, messages_per_second;
	uint32_t descriptors;		   /* that are kept */
	const struct session_share *share; /* the same for all; NULL: no limits */
};

struct socket_params {
	const char *path; /* at most 107 bytes */
	const char *name; /* of the controller, for messages */
	mode_t mode;
	bool set_owner, set_group;
	uid_t owner;
	gid_t group;
	struct loop *loop; /* that serves it */
	struct session_limits limits;
};

struct socket_file {
	char path[SOCKET_PATH_MAX];
	char name[64];
	int lock_fd; /* of the lock file: held as long as the socket is ours */
	bool bound;  /* and then, which file it is */
	dev_t dev;
	ino_t ino;
	struct socket_file *next; /* in the list of all that are claimed */
};

/*
 * Makes the path ours: takes the lock beside it and removes a stale socket. One that another
 * process serves is an error. Returns 0, or -errno having logged the reason.
 */
int socket_file_claim(struct socket_file *f, const struct socket_params *p);
/*
 * Claims the path and makes a non-blocking socket that listens there, with its owner and mode.
 * Returns the descriptor, or -errno having logged the reason.
 */
int socket_file_listen(struct socket_file *f, const struct socket_params *p, int backlog);
/* Gives the socket its owner and mode. Returns 0, or -errno having logged the reason. */
int socket_file_set_access(const struct socket_params *p);
/* The socket has been bound to the path: the file that is there now is ours. */
void socket_file_bound(struct socket_file *f);
/*
 * Removes the socket, if it was bound, and the lock file, and drops the lock. What stands there by
 * now and is not ours, as somebody has removed the folder and another daemon has made it anew,
 * stays.
 */
void socket_file_release(struct socket_file *f);
/* As if all were released, in a process that ends without order. Any thread. */
void socket_files_remove(void);
/* Makes a folder for sockets, with this mode whatever the umask is. 0, -EEXIST or another -errno.
 */
int socket_file_make_dir(const char *path, mode_t mode);

#endif

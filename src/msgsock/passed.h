/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MSGSOCK_PASSED_H
#define MSGSOCK_PASSED_H

/*
 * Listening sockets that a service manager made and passed to us (sd_listen_fds(3)): one whose path
 * is that of a controller is used instead of a new one. Main thread.
 */

/* The descriptor that listens at `path`, which is the caller's from now on; -1: none was passed. */
int passed_socket_take(const char *path);
/*
 * It is not needed any more: whoever needs one of its path next gets it. Who connects until then
 * waits, as before the daemon's start.
 */
void passed_socket_give_back(int fd);
/* Says which were passed and are no controller's, and closes them. When all are made. */
void passed_sockets_finish(void);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of what came over the socket, before anything is done about it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_mem/guest_mem.h"
#include "util/fd.h"
#include "vhost/vhost_internal.h"
#include "vhost/vhost_wire.h"

#define REGION_ALIGN 4096u /* the smallest page of all guests */

/* True if there were any. NULL: who sent them is trusted. */
bool vhost_wire_close_fds(struct vhost_wire_msg *msg, struct fd_closer *closer)
{
	int i, n = msg->nfds;

	for (i = 0; i < n && i < VHOST_WIRE_FDS; i++) {
		if (msg->fds[i] >= 0 && closer)
			fd_closer_close(closer, msg->fds[i]);
		else if (msg->fds[i] >= 0)
			close(msg->fds[i]);
		msg->fds[i] = -1;
	}
	msg->nfds = 0;
	return n > 0;
}

/* How many descriptors each request may have; what they are is checked where they are used. */
bool vhost_wire_check_fds(struct vhost_socket *sock, const struct vhost_wire_msg *msg)
{
	static const uint8_t most[64] = {
		[VHOST_USER_SET_MEM_TABLE] = VHOST_WIRE_REGIONS,
		[VHOST_USER_SET_VRING_KICK] = 1,
		[VHOST_USER_SET_VRING_CALL] = 1,
		[VHOST_USER_SET_VRING_ERR] = 1,
		[VHOST_USER_SET_BACKEND_REQ_FD] = 1,
		[VHOST_USER_SET_INFLIGHT_FD] = 1,
		[VHOST_USER_ADD_MEM_REG] = 1,
		[VHOST_USER_REM_MEM_REG] = 1, /* some send it, for nothing */
	};

	if (msg->nfds <= most[msg->request])
		return true;
	vhost_warn(sock, "%s: message %u with %d file descriptors refused: it has at most %u",
		   sock->name, msg->request, msg->nfds, most[msg->request]);
	return false;
}

/* --- eventfds --- */

/* One eventfd, made non-blocking, or none. */
static bool is_eventfd(struct vhost_socket *sock, const struct vhost_wire_msg *msg)
{
	bool nofd = msg->payload.u64 & VHOST_USER_VRING_NOFD;

	if (msg->size == sizeof(msg->payload.u64) && msg->nfds == (nofd ? 0 : 1) &&
	    (nofd ||
	     (fd_is_eventfd(msg->fds[0]) && !fcntl(msg->fds[0], F_SETFL, O_NONBLOCK | O_RDWR))))
		return true;
	vhost_warn(sock,
		   "%s: queue %u: the file descriptor must be one eventfd, or none with the "
		   "flag for it",
		   sock->name, (unsigned int)(msg->payload.u64 & VHOST_USER_VRING_INDEX));
	return false;
}

/* Among those that a session keeps. */
static uint32_t number_of(uint32_t request, uint32_t index)
{
	return 2 * index + (request == VHOST_USER_SET_VRING_KICK);
}

void vhost_wire_keeps(struct vhost_socket *sock, uint32_t request, uint32_t index, bool there)
{
	session_fds_set(&sock->listener.fds, &sock->listener.stats, number_of(request, index),
			there);
}

bool vhost_wire_check_eventfd(struct vhost_socket *sock, const struct vhost_wire_msg *msg)
{
	const struct session_fds *fds = &sock->listener.fds;
	uint32_t index = (uint32_t)(msg->payload.u64 & VHOST_USER_VRING_INDEX);

	if (!is_eventfd(sock, msg))
		return false;
	if (!msg->nfds || msg->request == VHOST_USER_SET_VRING_ERR ||
	    session_fds_may_come(fds, number_of(msg->request, index)))
		return true;
	vhost_warn(sock,
		   "%s: message %u for queue %u refused: %u eventfds of the front-end's are kept, "
		   "the most possible (target.limits.descriptors)",
		   sock->name, msg->request, index, fds->n);
	return false;
}

/* --- memory --- */

bool vhost_wire_check_region(struct vhost_socket *sock, uint32_t i,
			     const struct vhost_wire_region *r, int fd)
{
	struct stat st;

	if (!fd_is_memory(fd) || fstat(fd, &st)) {
		vhost_warn(sock,
			   "%s: memory region %u is no shared memory: use memory-backend-memfd, or "
			   "memory-backend-file on tmpfs or hugetlbfs, with share=on",
			   sock->name, i);
		return false;
	}
	if (!r->size || r->size > UINT64_MAX - r->mmap_offset ||
	    r->size + r->mmap_offset > (uint64_t)st.st_size) {
		vhost_warn(sock,
			   "%s: memory region %u: offset %#" PRIx64 " and size %#" PRIx64
			   " are not within its file of %#" PRIx64 " bytes",
			   sock->name, i, r->mmap_offset, r->size, (uint64_t)st.st_size);
		return false;
	}
	/* What is aligned for the guest must be so for us: atomic accesses depend on it. */
	if ((r->gpa | r->user_addr | r->mmap_offset) % REGION_ALIGN) {
		vhost_warn(sock,
			   "%s: memory region %u: guest address %#" PRIx64 " and offset %#" PRIx64
			   " are to be multiples of %u",
			   sock->name, i, r->gpa, r->mmap_offset, REGION_ALIGN);
		return false;
	}
	return true;
}

/* The table as a whole, before the old one is dropped. */
bool vhost_wire_check_mem_table(struct vhost_socket *sock, const struct vhost_wire_msg *msg)
{
	struct vhost_wire_mem_table table = msg->payload.mem;
	struct guest_mem scratch = {0};
	uint32_t i;

	if (msg->size < offsetof(struct vhost_wire_mem_table, regions) || !table.nregions ||
	    table.nregions > VHOST_WIRE_REGIONS || (int)table.nregions != msg->nfds ||
	    msg->size < offsetof(struct vhost_wire_mem_table, regions) +
				table.nregions * sizeof(table.regions[0])) {
		vhost_warn(sock,
			   "%s: memory table of %u regions in %u bytes with %d file descriptors "
			   "refused; 1 to %d regions of %zu bytes with one each are possible",
			   sock->name, table.nregions, msg->size, msg->nfds, VHOST_WIRE_REGIONS,
			   sizeof(table.regions[0]));
		return false;
	}
	for (i = 0; i < table.nregions; i++) {
		const struct vhost_wire_region *r = &table.regions[i];

		if (!vhost_wire_check_region(sock, i, r, msg->fds[i]))
			return false;
		if (guest_mem_add(&scratch, r->gpa, r->size, NULL)) {
			vhost_warn(sock,
				   "%s: memory region %u: %#" PRIx64
				   " bytes at guest address %#" PRIx64
				   " overlap another region or the end of the address space",
				   sock->name, i, r->size, r->gpa);
			return false;
		}
	}
	return true;
}

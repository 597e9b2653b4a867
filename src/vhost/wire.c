/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks of what came over the socket, before librte_vhost acts on it. */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_mem/guest_mem.h"
#include "util/fd.h"
#include "vhost/vhost_internal.h"
#include "vhost/vhost_wire.h"

#define REGION_ALIGN 4096u /* the smallest page of all guests */

/* True if there were any. */
bool vhost_wire_close_fds(void *ctx)
{
	struct vhost_wire_msg *msg = ctx;
	int i, n = msg->nfds;

	for (i = 0; i < n && i < VHOST_WIRE_FDS; i++) {
		if (msg->fds[i] >= 0)
			close(msg->fds[i]);
		msg->fds[i] = -1;
	}
	msg->nfds = 0;
	return n > 0;
}

static bool region_ok(struct vhost_socket *sock, uint32_t i, const struct vhost_wire_region *r,
		      int fd)
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

/*
 * The table as a whole: librte_vhost takes overlapping regions and files that are too short, and
 * drops the old table before it looks at the new one.
 */
bool vhost_wire_check_mem_table(struct vhost_socket *sock, void *ctx)
{
	const struct vhost_wire_msg *msg = ctx;
	struct vhost_wire_mem_table table = msg->payload.mem;
	struct guest_mem scratch = {0};
	uint32_t i;

	if (msg->size < offsetof(struct vhost_wire_mem_table, regions) || !table.nregions ||
	    table.nregions > VHOST_MAX_REGIONS || (int)table.nregions != msg->nfds ||
	    msg->size < offsetof(struct vhost_wire_mem_table, regions) +
				table.nregions * sizeof(table.regions[0])) {
		vhost_warn(sock,
			   "%s: memory table of %u regions in %u bytes with %d file descriptors "
			   "refused; 1 to %d regions of %zu bytes with one each are possible",
			   sock->name, table.nregions, msg->size, msg->nfds, VHOST_MAX_REGIONS,
			   sizeof(table.regions[0]));
		return false;
	}
	for (i = 0; i < table.nregions; i++) {
		const struct vhost_wire_region *r = &table.regions[i];

		if (!region_ok(sock, i, r, msg->fds[i]))
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

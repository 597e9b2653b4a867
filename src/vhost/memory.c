/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front-end's memory: a table of up to 8 regions in one message, or region by region. Checked
 * as a whole before anything changes; changed while nobody uses it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/counter.h"
#include "util/util.h"
#include "vhost/vhost_internal.h"

static unsigned int max_regions(const struct vhost_socket *sock)
{
	unsigned int limit = sock->share.regions;

	return limit && limit < VHOST_MAX_REGIONS ? limit : VHOST_MAX_REGIONS;
}

static bool may_map(struct vhost_socket *sock, uint64_t more, uint64_t now)
{
	uint64_t limit = sock->share.mapped_memory;

	if (!limit || (now <= limit && more <= limit - now))
		return true;
	vhost_warn(sock,
		   "%s: %" PRIu64 " bytes of memory refused: with them the front-end would have "
		   "%" PRIu64 " mapped, and the limit is %" PRIu64 " (target.limits.mapped_memory)",
		   sock->name, more, now + more, limit);
	return false;
}

/* --- mapping --- */

static int map_region(struct vhost_socket *sock, const struct vhost_wire_region *r, int fd)
{
	struct vhost_region *region = &sock->regions[sock->nregions];
	int rc;

	*region = (struct vhost_region){
		.gpa = r->gpa,
		.size = r->size,
		.user_addr = r->user_addr,
	};
	rc = guest_map_file(fd, r->mmap_offset, r->size, &region->map, &region->host);
	if (rc) {
		vhost_warn(sock,
			   "%s: memory region of %#" PRIx64 " bytes at guest address %#" PRIx64
			   " cannot be mapped: %s",
			   sock->name, r->size, r->gpa, strerror(-rc));
		return rc;
	}
	sock->mapped_bytes += region->map.len;
	sock->nregions++;
	session_stats_memory(&sock->listener.stats, sock->mapped_bytes, sock->nregions);
	return 0;
}

static void unmap_region(struct vhost_socket *sock, unsigned int i)
{
	sock->mapped_bytes -= sock->regions[i].map.len;
	guest_map_drop(&sock->regions[i].map);
	sock->nregions--;
	memmove(&sock->regions[i], &sock->regions[i + 1],
		(sock->nregions - i) * sizeof(sock->regions[0]));
	session_stats_memory(&sock->listener.stats, sock->mapped_bytes, sock->nregions);
}

void vhost_memory_drop(struct vhost_socket *sock)
{
	while (sock->nregions)
		unmap_region(sock, sock->nregions - 1);
	free(sock->regions);
	sock->regions = NULL;
}

static bool make_table(struct vhost_socket *sock)
{
	if (!sock->regions)
		sock->regions = calloc(max_regions(sock), sizeof(sock->regions[0]));
	return sock->regions;
}

/* --- a change, in steps --- */

static enum vhost_result done(struct vhost_socket *sock)
{
	return VHOST_OK;
}

static enum vhost_result started(struct vhost_socket *sock)
{
	vhost_vrings_resume(sock);
	return vhost_wait(sock, done);
}

static enum vhost_result start(struct vhost_socket *sock)
{
	int rc = 0;

	if (sock->nregions) {
		rc = sock->ops->mem_start(sock->arg, sock->regions, sock->nregions,
					  vhost_begin(sock, &sock->wait));
		if (rc)
			vhost_not_begun(sock);
	}
	if (rc) {
		vhost_warn(sock, "%s: the memory table was not accepted: session closed",
			   sock->name);
		return VHOST_CLOSE;
	}
	sock->mem_started = sock->nregions;
	return vhost_wait(sock, started);
}

static bool is_region(const struct vhost_region *r, const struct vhost_wire_region *w)
{
	return r->gpa == w->gpa && r->size == w->size && r->user_addr == w->user_addr;
}

/* Nobody uses the memory. */
static enum vhost_result change(struct vhost_socket *sock)
{
	const struct vhost_wire_msg *msg = &sock->msg;
	struct vhost_wire_mem_table table = msg->payload.mem;
	struct vhost_wire_mem_reg reg = msg->payload.mem_reg;
	unsigned int i;

	switch (msg->request) {
	case VHOST_USER_SET_MEM_TABLE:
		while (sock->nregions)
			unmap_region(sock, sock->nregions - 1);
		for (i = 0; i < table.nregions; i++)
			if (map_region(sock, &table.regions[i], msg->fds[i]))
				return VHOST_CLOSE;
		break;
	case VHOST_USER_ADD_MEM_REG:
		if (map_region(sock, &reg.region, msg->fds[0]))
			return VHOST_CLOSE;
		break;
	default:
		for (i = 0; !is_region(&sock->regions[i], &reg.region); i++)
			;
		unmap_region(sock, i);
	}
	return start(sock);
}

static enum vhost_result memory_stopped(struct vhost_socket *sock)
{
	sock->mem_started = false;
	sock->ops->mem_stopped(sock->arg);
	return change(sock);
}

static enum vhost_result stop_memory(struct vhost_socket *sock)
{
	if (!sock->mem_started)
		return change(sock);
	sock->ops->mem_stop(sock->arg, vhost_begin(sock, &sock->wait));
	return vhost_wait(sock, memory_stopped);
}

static enum vhost_result begin_change(struct vhost_socket *sock)
{
	vhost_vrings_suspend(sock);
	return vhost_wait(sock, stop_memory);
}

/* --- messages --- */

static enum vhost_result set_table(struct vhost_socket *sock)
{
	const struct vhost_wire_msg *msg = &sock->msg;
	struct vhost_wire_mem_table table = msg->payload.mem;
	uint64_t bytes = 0;
	unsigned int i;

	if (!vhost_wire_check_mem_table(sock, msg))
		return VHOST_REFUSE;
	for (i = 0; i < table.nregions; i++) {
		uint64_t len = guest_map_bytes(msg->fds[i], table.regions[i].mmap_offset,
					       table.regions[i].size);

		if (!may_map(sock, len, bytes))
			return VHOST_REFUSE;
		bytes += len;
	}
	return make_table(sock) ? begin_change(sock) : VHOST_REFUSE;
}

static bool mem_reg_size_ok(struct vhost_socket *sock)
{
	if (sock->msg.size == sizeof(struct vhost_wire_mem_reg))
		return true;
	vhost_warn(sock, "%s: message %u with %u bytes of payload refused: it has %zu", sock->name,
		   sock->msg.request, sock->msg.size, sizeof(struct vhost_wire_mem_reg));
	return false;
}

static bool overlaps(const struct vhost_socket *sock, const struct vhost_wire_region *r)
{
	unsigned int i;

	if (r->size - 1 > UINT64_MAX - r->gpa)
		return true;
	for (i = 0; i < sock->nregions; i++)
		if (r->gpa <= sock->regions[i].gpa + (sock->regions[i].size - 1) &&
		    sock->regions[i].gpa <= r->gpa + (r->size - 1))
			return true;
	return false;
}

static enum vhost_result add_region(struct vhost_socket *sock)
{
	const struct vhost_wire_msg *msg = &sock->msg;
	struct vhost_wire_region r = msg->payload.mem_reg.region;

	if (!mem_reg_size_ok(sock))
		return VHOST_REFUSE;
	if (msg->nfds != 1) {
		vhost_warn(sock, "%s: ADD_MEM_REG without a file descriptor refused", sock->name);
		return VHOST_REFUSE;
	}
	if (sock->nregions >= max_regions(sock)) {
		vhost_warn(sock,
			   "%s: ADD_MEM_REG refused: there are %u regions, the most possible "
			   "(target.limits.regions)",
			   sock->name, sock->nregions);
		return VHOST_REFUSE;
	}
	if (!vhost_wire_check_region(sock, sock->nregions, &r, msg->fds[0]))
		return VHOST_REFUSE;
	if (overlaps(sock, &r)) {
		vhost_warn(sock,
			   "%s: ADD_MEM_REG of %#" PRIx64 " bytes at guest address %#" PRIx64
			   " refused: it overlaps another region or the end of the address space",
			   sock->name, r.size, r.gpa);
		return VHOST_REFUSE;
	}
	if (!may_map(sock, guest_map_bytes(msg->fds[0], r.mmap_offset, r.size), sock->mapped_bytes))
		return VHOST_REFUSE;
	return make_table(sock) ? begin_change(sock) : VHOST_REFUSE;
}

static enum vhost_result remove_region(struct vhost_socket *sock)
{
	struct vhost_wire_region r = sock->msg.payload.mem_reg.region;
	unsigned int i;

	if (!mem_reg_size_ok(sock))
		return VHOST_REFUSE;
	for (i = 0; i < sock->nregions; i++)
		if (is_region(&sock->regions[i], &r))
			return begin_change(sock);
	vhost_warn(sock,
		   "%s: REM_MEM_REG of %#" PRIx64 " bytes at guest address %#" PRIx64
		   " refused: there is no such region",
		   sock->name, r.size, r.gpa);
	return VHOST_REFUSE;
}

enum vhost_result vhost_memory_message(struct vhost_socket *sock)
{
	switch (sock->msg.request) {
	case VHOST_USER_SET_MEM_TABLE:
		return set_table(sock);
	case VHOST_USER_ADD_MEM_REG:
		return add_region(sock);
	case VHOST_USER_REM_MEM_REG:
		return remove_region(sock);
	default: /* VHOST_USER_GET_MAX_MEM_SLOTS */
		sock->msg.payload.u64 = max_regions(sock);
		sock->msg.size = sizeof(uint64_t);
		return VHOST_REPLY;
	}
}

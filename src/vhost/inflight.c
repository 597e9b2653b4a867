/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory that remembers what was in flight when the daemon died: made here, kept by the
 * front-end. */
#include "vhost/inflight.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_mem/guest_mem.h"
#include "util/fd.h"
#include "vhost/vhost_internal.h"

#define QUEUE_ALIGN 64
/*
 * Of a region that somebody else made, such as another back-end before us: four times what the
 * largest queue takes. What lies beyond would be mapped for nothing, and address space is shared.
 */
#define QUEUE_BYTES_MAX 65536u

/*
 * The front-end says how many entries it wants to be tracked, but QEMU 10.0.13 names the size that
 * was configured and then lets the guest have queues of 1024. So a region that is made here has
 * room for the largest queue, and how far its parts are from each other follows from its size,
 * which the front-end gives back as it was.
 */
static size_t queue_bytes(uint32_t queue_size)
{
	size_t bytes = sizeof(struct inflight_queue) + queue_size * sizeof(struct inflight_desc);

	return (bytes + QUEUE_ALIGN - 1) / QUEUE_ALIGN * QUEUE_ALIGN;
}

void vhost_inflight_drop(struct vhost_socket *sock)
{
	if (sock->inflight)
		guest_mem_unguard(sock->inflight_guard);
	guest_map_drop(&sock->inflight_map);
	sock->inflight = NULL;
	sock->inflight_queues = 0;
	if (sock->inflight_fd >= 0)
		close(sock->inflight_fd);
	sock->inflight_fd = -1;
}

static bool sizes_ok(struct vhost_socket *sock, const struct vhost_wire_inflight *inf)
{
	if (inf->num_queues && inf->num_queues <= sock->ops->max_vrings && inf->queue_size &&
	    inf->queue_size <= VHOST_MAX_VRING_SIZE)
		return true;
	vhost_warn(
		sock,
		"%s: in-flight region for %u queues of %u entries refused: 1 to %u queues of up to %u",
		sock->name, inf->num_queues, inf->queue_size, sock->ops->max_vrings,
		VHOST_MAX_VRING_SIZE);
	return false;
}

static bool map_region(struct vhost_socket *sock, int fd, const struct vhost_wire_inflight *inf)
{
	struct guest_map map;
	uint8_t *host;
	int guard, rc;

	rc = guest_map_file(fd, inf->mmap_offset, inf->mmap_size, &map, &host);
	if (rc) {
		vhost_warn(sock, "%s: in-flight region cannot be mapped: %s", sock->name,
			   strerror(-rc));
		return false;
	}
	vhost_inflight_drop(sock);
	guard = guest_mem_guard(map.addr, map.len, &sock->inflight_lost);
	if (guard < 0) {
		guest_map_drop(&map);
		return false;
	}
	sock->inflight_guard = guard;
	sock->inflight_map = map;
	sock->inflight = host;
	sock->inflight_queues = inf->num_queues;
	sock->inflight_stride = (size_t)(inf->mmap_size / inf->num_queues) & ~(QUEUE_ALIGN - 1ul);
	return true;
}

static bool any_started(const struct vhost_socket *sock)
{
	unsigned int i;

	for (i = 0; i < sock->ops->max_vrings; i++)
		if (sock->vrings[i].started)
			return true;
	return false;
}

/* The answer carries the file descriptor of zeroed memory; the front-end hands it back with SET. */
bool vhost_inflight_get(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	struct vhost_wire_inflight inf = msg->payload.inflight;
	int fd;

	/* 20 bytes on the wire, or 24 with what some compilers put behind. */
	if (msg->size < 20 || msg->size > sizeof(inf) || any_started(sock) || !sizes_ok(sock, &inf))
		return false;
	inf.mmap_offset = 0;
	inf.mmap_size = inf.num_queues * queue_bytes(VHOST_MAX_VRING_SIZE);
	fd = memfd_create("shadowbell-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return false;
	if (ftruncate(fd, (off_t)inf.mmap_size) || !map_region(sock, fd, &inf)) {
		close(fd);
		return false;
	}
	/* Sealed, the region can't be cut off under us. */
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	sock->inflight_fd = fd; /* open until it has been sent */
	msg->payload.inflight = inf;
	msg->fds[0] = fd;
	msg->nfds = 1;
	return true;
}

bool vhost_inflight_set(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	struct vhost_wire_inflight inf = msg->payload.inflight;
	struct stat st;

	if (msg->size < 20 || msg->size > sizeof(inf) || msg->nfds != 1 || any_started(sock) ||
	    !sizes_ok(sock, &inf))
		return false;
	if (!fd_is_memory(msg->fds[0]) || fstat(msg->fds[0], &st) ||
	    inf.mmap_offset % QUEUE_ALIGN || inf.mmap_size > UINT64_MAX - inf.mmap_offset ||
	    inf.mmap_offset + inf.mmap_size > (uint64_t)st.st_size ||
	    inf.mmap_size < inf.num_queues * queue_bytes(inf.queue_size) ||
	    inf.mmap_size > (uint64_t)inf.num_queues * QUEUE_BYTES_MAX) {
		vhost_warn(
			sock,
			"%s: in-flight region of %" PRIu64 " bytes at %" PRIu64
			" for %u queues of %u entries refused: not in its file, or not %zu to %u "
			"bytes a queue",
			sock->name, inf.mmap_size, inf.mmap_offset, inf.num_queues, inf.queue_size,
			queue_bytes(inf.queue_size), QUEUE_BYTES_MAX);
		return false;
	}
	return map_region(sock, msg->fds[0], &inf);
}

/* A queue's part, or NULL: nobody tracks. */
void *vhost_inflight_of(const struct vhost_socket *sock, unsigned int index, uint32_t size)
{
	if (!sock->inflight || index >= sock->inflight_queues ||
	    queue_bytes(size) > sock->inflight_stride)
		return NULL;
	return sock->inflight + index * sock->inflight_stride;
}

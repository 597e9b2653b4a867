/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: MSI-X vectors by eventfds. The client masks vectors and keeps what is pending; here
 * each has an eventfd or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

#define DATA_TYPES (VFIO_USER_SET_NONE | VFIO_USER_SET_BOOL | VFIO_USER_SET_EVENTFD)
#define ACTIONS	   (VFIO_USER_SET_MASK | VFIO_USER_SET_UNMASK | VFIO_USER_SET_TRIGGER)

/* QEMU wants an interrupt for errors to exist; none is ever raised. */
static uint32_t irq_count(const struct vfio_user *vu, uint32_t index)
{
	return index == VFIO_USER_IRQ_MSIX ? vnvme_vectors(vu->ctrl) : index == VFIO_USER_IRQ_ERR;
}

int vfio_user_irq_info(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_irq_info req, *info = vfio_user_reply(vu, sizeof(*info));

	memcpy(&req, vu->payload, sizeof(req));
	if (req.argsz < sizeof(req) || req.index >= VFIO_USER_IRQS) {
		vfio_user_warn(vu,
			       "%s: DEVICE_GET_IRQ_INFO of index %u, argsz %u refused; indices are "
			       "0 to %d",
			       vu->name, req.index, req.argsz, VFIO_USER_IRQS - 1);
		return -EINVAL;
	}
	*info = (struct vfio_user_irq_info){
		.argsz = sizeof(*info),
		.flags = irq_count(vu, req.index) ? VFIO_USER_IRQ_F_EVENTFD : 0,
		.index = req.index,
		.count = irq_count(vu, req.index),
	};
	return 0;
}

static bool one_bit(uint32_t v)
{
	return v && !(v & (v - 1));
}

static bool set_ok(const struct vfio_user *vu, const struct vfio_user_irq_set *s, uint32_t size)
{
	uint32_t count = s->index < VFIO_USER_IRQS ? irq_count(vu, s->index) : 0;
	unsigned int i;

	if (s->argsz < sizeof(*s) || s->index >= VFIO_USER_IRQS ||
	    s->flags & ~(DATA_TYPES | ACTIONS) || !one_bit(s->flags & DATA_TYPES) ||
	    !one_bit(s->flags & ACTIONS) || s->start > count || s->count > count - s->start)
		return false;
	if (s->flags & VFIO_USER_SET_BOOL && size - sizeof(*s) < s->count)
		return false;
	/* None at all takes the ones away that are there. */
	if (s->flags & VFIO_USER_SET_EVENTFD ? vu->ms.nfds && vu->ms.nfds != s->count : vu->ms.nfds)
		return false;
	for (i = 0; i < vu->ms.nfds; i++)
		if (!fd_is_eventfd(vu->ms.fds[i]))
			return false;
	return true;
}

/* Whether those that are not there yet may come. */
static bool may_keep(struct vfio_user *vu, const struct vfio_user_irq_set *s)
{
	const struct session_fds *fds = &vu->listener.fds;
	uint32_t i, n = fds->n;

	for (i = 0; i < vu->ms.nfds; i++)
		n += !session_fds_there(fds, s->start + i);
	if (!fds->limit || n <= fds->limit || n == fds->n)
		return true;
	vfio_user_warn(vu,
		       "%s: DEVICE_SET_IRQS refused: it would be %u eventfds of the client's that "
		       "are kept, and the limit is %u (target.limits.descriptors)",
		       vu->name, n, fds->limit);
	return false;
}

/* A reactor will write to it: that must not block. */
static int take_eventfd(struct vfio_user *vu, unsigned int i)
{
	int fd = vu->ms.fds[i];

	vu->ms.fds[i] = -1;
	if (!fcntl(fd, F_SETFL, O_NONBLOCK | O_RDWR))
		return fd;
	vfio_user_warn(vu, "%s: interrupt eventfd: %s", vu->name, fd_strerror(errno));
	close(fd);
	return -1;
}

/* The vectors of the message, one after the other; vu->done have been set. */
static int set_vector(struct vfio_user *vu)
{
	uint32_t i = vu->done;
	struct vfio_user_irq_set s;
	int fd;

	memcpy(&s, vu->payload, sizeof(s));
	if (!(s.flags & VFIO_USER_SET_EVENTFD)) { /* all of them are taken away */
		s.start = 0;
		s.count = vnvme_vectors(vu->ctrl);
	}
	if (i == s.count)
		return 0;
	vu->done++;
	vfio_user_later(vu, set_vector);
	fd = vu->ms.nfds ? take_eventfd(vu, i) : -1;
	session_fds_set(&vu->listener.fds, &vu->listener.stats, s.start + i, fd >= 0);
	if (!vnvme_set_irq_begin(vu->ctrl, s.start + i, fd, vfio_user_ended, vu))
		return VFIO_USER_LATER;
	vu->waiting = false;
	return -EINVAL;
}

static int trigger(struct vfio_user *vu)
{
	const uint8_t *wanted = vu->payload + sizeof(struct vfio_user_irq_set);
	struct vfio_user_irq_set s;

	memcpy(&s, vu->payload, sizeof(s));
	while (vu->done < s.count) {
		uint32_t i = vu->done++;

		if (!(s.flags & VFIO_USER_SET_NONE) && !wanted[i])
			continue;
		vfio_user_later(vu, trigger);
		if (!vnvme_trigger_irq_begin(vu->ctrl, s.start + i, vfio_user_ended, vu))
			return VFIO_USER_LATER;
		vu->waiting = false;
	}
	return 0;
}

int vfio_user_set_irqs(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_irq_set s;

	memcpy(&s, vu->payload, sizeof(s));
	if (!set_ok(vu, &s, size)) {
		vfio_user_warn(
			vu,
			"%s: DEVICE_SET_IRQS of index %u, %u from %u on, flags %#x, argsz %u, "
			"%u bytes, %u file descriptors refused; there are %u MSI-X vectors, "
			"with an eventfd each or none at all",
			vu->name, s.index, s.count, s.start, s.flags, s.argsz, size, vu->ms.nfds,
			vnvme_vectors(vu->ctrl));
		return -EINVAL;
	}
	/* Masks are the client's; what is not MSI-X is never raised. */
	if (s.index != VFIO_USER_IRQ_MSIX || !(s.flags & VFIO_USER_SET_TRIGGER))
		return 0;
	if (s.flags & VFIO_USER_SET_EVENTFD && !may_keep(vu, &s))
		return -ENOSPC;
	vu->done = 0;
	return s.flags & VFIO_USER_SET_EVENTFD || !s.count ? set_vector(vu) : trigger(vu);
}

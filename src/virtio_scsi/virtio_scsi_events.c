/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The event queue (VIRTIO 1.2, 5.6.6.3): the guest is told of units that come, go and change. Unit
 * attentions say the same, but only to who sends a command to the right unit. What its driver has
 * no buffer for waits, up to a limit; what is lost beyond that the guest hears as "events missed".
 */
#include <endian.h>
#include <linux/virtio_scsi.h>
#include <string.h>

#include "scsi/scsi.h"
#include "scsi/scsi_spec.h"
#include "util/util.h"
#include "virtio/virtio_dev.h"
#include "virtio_scsi/virtio_scsi_internal.h"

_Static_assert(sizeof(struct virtio_scsi_event) == 16, "wire layout");
_Static_assert(sizeof(struct virtio_scsi_event) <= VIRTIO_NOTICE_MAX, "it is a notice");

/* --- what there is to tell --- */

/* LUNs are below 256: as in REPORT LUNS, by which Linux knows a unit. */
static struct virtio_scsi_event make_event(uint32_t type, uint32_t reason, unsigned int target,
					   unsigned int lun)
{
	return (struct virtio_scsi_event){
		.event = htole32(type),
		.lun = {1, (uint8_t)target, 0, (uint8_t)lun},
		.reason = htole32(reason),
	};
}

/* Whether it is the last that waits: it says the same again. */
static bool is_last(const struct vs_events *ev, const struct virtio_scsi_event *e)
{
	return ev->n && !memcmp(&ev->list[(ev->first + ev->n - 1) % VS_MAX_EVENTS], e, sizeof(*e));
}

static void add(struct virtio_scsi *vs, struct virtio_scsi_event e)
{
	struct vs_events *ev = &vs->events;

	pthread_mutex_lock(&ev->lock);
	if (ev->n == VS_MAX_EVENTS)
		ev->missed = true;
	else if (!is_last(ev, &e))
		ev->list[(ev->first + ev->n++) % VS_MAX_EVENTS] = e;
	pthread_mutex_unlock(&ev->lock);
	virtio_dev_notice(vs->dev, VS_QUEUE_EVENT);
}

void vs_unit_changed(void *arg, enum scsi_change change, unsigned int target, unsigned int lun)
{
	struct virtio_scsi *vs = arg;

	switch (change) {
	case SCSI_LU_ADDED:
		add(vs, make_event(VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_RESCAN,
				   target, lun));
		break;
	case SCSI_LU_REMOVED:
		add(vs, make_event(VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_REMOVED,
				   target, lun));
		break;
	case SCSI_LU_RESIZED: /* the additional sense code, and its qualifier above it */
		add(vs, make_event(VIRTIO_SCSI_T_PARAM_CHANGE,
				   (SCSI_ASC_CAPACITY_CHANGED & 0xff) << 8 |
					   SCSI_ASC_CAPACITY_CHANGED >> 8,
				   target, lun));
		break;
	}
}

/* --- telling --- */

#define KNOWN (1ULL << VIRTIO_SCSI_F_HOTPLUG | 1ULL << VIRTIO_SCSI_F_CHANGE)

/* Whether the guest's driver has said that it knows such events. */
static bool is_wanted(const struct virtio_scsi_event *e, uint64_t features)
{
	unsigned int bit = le32toh(e->event) == VIRTIO_SCSI_T_PARAM_CHANGE ? VIRTIO_SCSI_F_CHANGE
									   : VIRTIO_SCSI_F_HOTPLUG;

	return features >> bit & 1;
}

/* The lock is held. True: *e is the next one. */
static bool next_wanted(struct vs_events *ev, uint64_t features, struct virtio_scsi_event *e)
{
	while (ev->n) {
		*e = ev->list[ev->first];
		if (is_wanted(e, features))
			return true;
		ev->first = (ev->first + 1) % VS_MAX_EVENTS;
		ev->n--;
	}
	*e = make_event(VIRTIO_SCSI_T_NO_EVENT, 0, 0, 0);
	memset(e->lun, 0, sizeof(e->lun));
	ev->missed &= (features & KNOWN) != 0; /* either kind may be among what was lost */
	return ev->missed;
}

size_t vs_notice(void *arg, uint64_t features, void *buf)
{
	struct virtio_scsi *vs = arg;
	struct vs_events *ev = &vs->events;
	struct virtio_scsi_event e;
	bool any;

	pthread_mutex_lock(&ev->lock);
	any = next_wanted(ev, features, &e);
	if (any && buf) {
		/* The driver scans then: what is older and told later would undo what it found. */
		if (ev->missed && ev->n <= 1) {
			e.event |= htole32(VIRTIO_SCSI_T_EVENTS_MISSED);
			ev->missed = false;
		}
		if (ev->n) {
			ev->first = (ev->first + 1) % VS_MAX_EVENTS;
			ev->n--;
		}
		memcpy(buf, &e, sizeof(e));
	}
	pthread_mutex_unlock(&ev->lock);
	return any ? sizeof(e) : 0;
}

void vs_notice_lost(void *arg)
{
	struct virtio_scsi *vs = arg;

	pthread_mutex_lock(&vs->events.lock);
	vs->events.missed = true;
	pthread_mutex_unlock(&vs->events.lock);
}

/*
 * A unit that once went may be there again, and a driver that has just found it would remove it. So
 * such events become a scan. A new size is no older than what the driver reads on hearing of it,
 * and Linux does not read it in a scan: these stay.
 */
void vs_notice_renew(void *arg)
{
	struct virtio_scsi *vs = arg;
	struct vs_events *ev = &vs->events;
	unsigned int i, kept = 0;

	pthread_mutex_lock(&ev->lock);
	for (i = 0; i < ev->n; i++) {
		struct virtio_scsi_event e = ev->list[(ev->first + i) % VS_MAX_EVENTS];

		if (le32toh(e.event) == VIRTIO_SCSI_T_PARAM_CHANGE)
			ev->list[(ev->first + kept++) % VS_MAX_EVENTS] = e;
	}
	ev->missed |= kept < ev->n;
	ev->n = kept;
	pthread_mutex_unlock(&ev->lock);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session: messages come in, answers go out, one after the other. What the controller takes time
 * for is begun; its session's socket is not read until that has ended and the answer has been
 * sent, and the thread goes on with other sessions.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

static void end_session(struct vfio_user *vu);
static void dispatch(struct vfio_user *vu);
static void finish(struct vfio_user *vu, int result);

/* --- waiting for reactors --- */

static void waited(void *arg)
{
	struct vfio_user *vu = arg;
	int (*resume)(struct vfio_user * vu) = vu->resume;
	int rc;

	vu->waiting = false;
	if (vu->ending && !vu->end_begun) {
		end_session(vu);
	} else if (resume) {
		rc = resume(vu);
		if (rc != VFIO_USER_LATER) /* else all may be gone */
			finish(vu, rc);
	} else if (vu->message_waits) {
		dispatch(vu);
	}
}

/* The changes that came together are done: the controller may use its memory. */
static int start_memory(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	int rc = vfio_user_later(vu, resume);

	vu->memory_stopped = false;
	vnvme_memory_start_begin(vu->ctrl, &vu->mem, vu->doorbells, vfio_user_ended, vu);
	return rc;
}

/* --- the end --- */

static int over(struct vfio_user *vu)
{
	vfio_user_dma_drop(vu);
	vfio_user_bar_end(vu);
	session_fds_clear(&vu->listener.fds, &vu->listener.stats);
	pci_config_reset(&vu->pci);
	vu->open = false;
	vu->ending = false;
	vu->end_begun = false;
	log_limited(&vu->limit, LOG_LEVEL_INFO, vu->name, "%s: client disconnected", vu->name);
	vfio_user_session_over(vu);
	return VFIO_USER_LATER;
}

static void end_session(struct vfio_user *vu)
{
	vu->end_begun = true;
	vfio_user_later(vu, over);
	vnvme_detach_begin(vu->ctrl, vfio_user_ended, vu);
}

void vfio_user_session_end(struct vfio_user *vu)
{
	if (!vu->open || vu->ending)
		return;
	vu->ending = true;
	msgsock_close(&vu->ms);
	if (vu->accepted_fd >= 0)
		fd_closer_close(vu->listener.closer, vu->accepted_fd);
	vu->accepted_fd = -1;
	if (!vu->waiting)
		end_session(vu);
}

/* --- messages --- */

static void answer(struct vfio_user *vu, int result)
{
	struct vfio_user_header *hdr = (void *)vu->ms.out;

	if (vu->hdr.flags & VFIO_USER_F_NO_REPLY) {
		msgsock_next(&vu->ms);
		return;
	}
	*hdr = (struct vfio_user_header){
		.id = vu->hdr.id,
		.command = vu->hdr.command,
		.size = sizeof(*hdr) + (result ? 0 : vu->reply_size),
		.flags = VFIO_USER_F_TYPE_REPLY | (result ? VFIO_USER_F_ERROR : 0),
		.error = (uint32_t)-result,
	};
	msgsock_answer(&vu->ms, hdr->size, result ? -1 : vu->reply_fd);
}

/* The message is done with; not VFIO_USER_LATER. */
static void finish(struct vfio_user *vu, int result)
{
	if (result != VFIO_USER_END)
		answer(vu, result);
	if (result == VFIO_USER_END || !vu->negotiated)
		vfio_user_session_end(vu);
}

static bool changes_memory(const struct vfio_user *vu)
{
	return vu->hdr.command == VFIO_USER_DMA_MAP || vu->hdr.command == VFIO_USER_DMA_UNMAP;
}

static int handle(struct vfio_user *vu)
{
	vu->reply_size = 0;
	vu->reply_fd = -1;
	return vfio_user_handle(vu);
}

static void dispatch(struct vfio_user *vu)
{
	int rc;

	vu->message_waits = false;
	rc = vu->memory_stopped && !changes_memory(vu) ? start_memory(vu, handle) : handle(vu);
	if (rc != VFIO_USER_LATER)
		finish(vu, rc);
}

/* --- the socket --- */

static int64_t payload_size(void *arg, const void *header)
{
	struct vfio_user *vu = arg;
	struct vfio_user_header h;

	memcpy(&h, header, sizeof(h));
	if ((h.flags & VFIO_USER_F_TYPE_MASK) != VFIO_USER_F_TYPE_CMD) {
		vfio_user_warn(vu, "%s: message of type %u, no command: session closed", vu->name,
			       h.flags & VFIO_USER_F_TYPE_MASK);
		return -1;
	}
	if (h.size < sizeof(h) || h.size > sizeof(h) + VFIO_USER_MAX_PAYLOAD) {
		vfio_user_warn(
			vu, "%s: message %u of %u bytes; allowed: %zu to %zu: session closed",
			vu->name, h.command, h.size, sizeof(h), sizeof(h) + VFIO_USER_MAX_PAYLOAD);
		return -1;
	}
	return h.size - (int64_t)sizeof(h);
}

static void on_message(void *arg)
{
	struct vfio_user *vu = arg;

	memcpy(&vu->hdr, vu->ms.in, sizeof(vu->hdr));
	vu->payload = vu->ms.in + sizeof(vu->hdr);
	if (vu->waiting) /* for the memory to be used again */
		vu->message_waits = true;
	else
		dispatch(vu);
}

static void on_gone(void *arg, const char *why)
{
	struct vfio_user *vu = arg;

	if (why)
		vfio_user_warn(vu, "%s: %s: session closed", vu->name, why);
	vfio_user_session_end(vu);
}

/* Whether a change of memory was the last one is not known: nobody may come any more. */
static void on_turn_over(void *arg)
{
	struct vfio_user *vu = arg;

	if (vu->memory_stopped && !vu->waiting)
		start_memory(vu, NULL);
}

static const struct msgsock_ops msgsock_ops = {
	.header_size = sizeof(struct vfio_user_header),
	.max_payload = VFIO_USER_MAX_PAYLOAD,
	.payload_size = payload_size,
	.message = on_message,
	.gone = on_gone,
	.turn_over = on_turn_over,
};

/* --- the beginning, in steps --- */

static int open_socket(struct vfio_user *vu)
{
	if (msgsock_open(&vu->ms, vu->loop, &msgsock_ops, vu, vu->accepted_fd,
			 vu->listener.closer)) {
		vfio_user_session_end(vu);
		return VFIO_USER_LATER;
	}
	vu->accepted_fd = -1;
	vu->share = session_share_now(vu->limits.share);
	msgsock_limit(&vu->ms, vu->limits.messages_per_second, &vu->listener.stats);
	return VFIO_USER_LATER;
}

/* Until it is bus master; there is no I/O to wait for. */
static int stop_at_first(struct vfio_user *vu)
{
	return vfio_user_wait_stop(vu, open_socket);
}

static int start_at_first(struct vfio_user *vu)
{
	return start_memory(vu, stop_at_first);
}

static int set_kick(struct vfio_user *vu)
{
	int rc = vfio_user_later(vu, start_at_first);

	vnvme_set_kick_begin(vu->ctrl, vu->kick_fd < 0 ? -1 : dup(vu->kick_fd), vfio_user_ended,
			     vu);
	return rc;
}

void vfio_user_session_begin(struct vfio_user *vu, int fd)
{
	int rc = vfio_user_bar_begin(vu);

	if (rc) {
		log_limited(&vu->limit, LOG_LEVEL_ERROR, vu->name,
			    "%s: client refused: no memory for the doorbells: %s", vu->name,
			    fd_strerror(-rc));
		fd_closer_close(vu->listener.closer, fd);
		return;
	}
	vu->open = true;
	vu->wait_work = (struct loop_work){.fn = waited, .arg = vu};
	vu->accepted_fd = fd;
	vu->negotiated = false;
	vu->client_takes_fds = true;
	vu->message_waits = false;
	vu->memory_stopped = false;
	log_limited(&vu->limit, LOG_LEVEL_INFO, vu->name, "%s: client connected", vu->name);
	vfio_user_later(vu, set_kick);
	vnvme_attach_begin(vu->ctrl, vfio_user_ended, vu);
}

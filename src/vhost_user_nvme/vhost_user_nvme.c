/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vhost-user-nvme transport: its messages (include/shadowbell/vhost_user_nvme.h) on one side,
 * the controller core on the other. All of it runs on the control thread.
 */
#include "vhost_user_nvme/vhost_user_nvme.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shadowbell/vhost_user_nvme.h>

#include "util/log.h"
#include "util/util.h"
#include "vhost/guest_table.h"

#define VIRTIO_F_VERSION_1   32
#define PROTOCOL_F_REPLY_ACK 3
#define PROTOCOL_F_MEM_SLOTS 15

/* Standard requests: numbers of the vhost-user specification. */
#define REQUEST(n) (1ull << (n))
#define ALLOWED_REQUESTS                                                                           \
	(REQUEST(1) /* GET_FEATURES */ | REQUEST(2) /* SET_FEATURES */ |                           \
	 REQUEST(3) /* SET_OWNER */ | REQUEST(4) /* RESET_OWNER */ |                               \
	 REQUEST(5) /* SET_MEM_TABLE */ | REQUEST(12) /* SET_VRING_KICK */ |                       \
	 REQUEST(13) /* SET_VRING_CALL */ | REQUEST(15) /* GET_PROTOCOL_FEATURES */ |              \
	 REQUEST(16) /* SET_PROTOCOL_FEATURES */ | REQUEST(36) /* GET_MAX_MEM_SLOTS */ |           \
	 REQUEST(37) /* ADD_MEM_REG */ | REQUEST(38) /* REM_MEM_REG */)

struct vhost_user_nvme {
	char name[64];
	struct vnvme_ctrl *ctrl;
	struct vhost_socket *socket;
	struct guest_table memory; /* guest RAM, without the device memory */
	/* The message that is being carried out: what is read, or what its _begin() said. */
	uint64_t value;
	int rc;
	struct log_limit limit;
};

/* --- sessions and memory --- */

static void on_connect(void *arg, struct vhost_ended ended)
{
	struct vhost_user_nvme *vun = arg;

	log_limited(&vun->limit, LOG_LEVEL_INFO, vun->name, "%s: front-end connected", vun->name);
	vnvme_attach_begin(vun->ctrl, ended.fn, ended.arg);
}

static void drop_memory(void *arg)
{
	struct vhost_user_nvme *vun = arg;

	guest_table_drop(&vun->memory);
}

static void on_disconnect(void *arg, struct vhost_ended ended)
{
	struct vhost_user_nvme *vun = arg;

	vnvme_detach_begin(vun->ctrl, ended.fn, ended.arg);
}

static void on_disconnected(void *arg)
{
	struct vhost_user_nvme *vun = arg;

	drop_memory(vun);
	log_limited(&vun->limit, LOG_LEVEL_INFO, vun->name, "%s: front-end disconnected",
		    vun->name);
}

static void on_mem_stop(void *arg, struct vhost_ended ended)
{
	struct vhost_user_nvme *vun = arg;

	vnvme_memory_stop_begin(vun->ctrl, ended.fn, ended.arg);
}

static bool is_device_memory(const struct vhost_region *r)
{
	return r->gpa == VHOST_USER_NVME_DEVMEM_GPA;
}

static bool is_guest_ram(const struct vhost_region *r)
{
	return !is_device_memory(r);
}

static const struct vhost_region *find_device_memory(const struct vhost_region *regions,
						     unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (is_device_memory(&regions[i]))
			return &regions[i];
	return NULL;
}

/* Guest RAM goes into the table that guest addresses are looked up in; device memory does not. */
static int on_mem_start(void *arg, const struct vhost_region *regions, unsigned int n,
			struct vhost_ended ended)
{
	struct vhost_user_nvme *vun = arg;
	const struct vhost_region *devmem = find_device_memory(regions, n);
	int rc;

	if (!devmem || devmem->size < VHOST_USER_NVME_DEVMEM_SIZE) {
		log_limited(&vun->limit, LOG_LEVEL_WARN, vun->name,
			    "%s: the memory table lacks the device memory: a region of %u bytes at "
			    "guest address %#llx",
			    vun->name, VHOST_USER_NVME_DEVMEM_SIZE, VHOST_USER_NVME_DEVMEM_GPA);
		return -EINVAL;
	}
	rc = guest_table_load(&vun->memory, regions, n, is_guest_ram);
	if (rc)
		return rc;
	vnvme_memory_start_begin(vun->ctrl, &vun->memory.mem, devmem->host, ended.fn, ended.arg);
	return 0;
}

static int on_call_fd(void *arg, unsigned int vring, int fd, struct vhost_ended ended)
{
	struct vhost_user_nvme *vun = arg;
	int rc = vnvme_set_irq_begin(vun->ctrl, vring, fd, ended.fn, ended.arg);

	if (rc)
		log_limited(&vun->limit, LOG_LEVEL_WARN, vun->name,
			    "%s: interrupt eventfd for vector %u ignored: the controller has %u",
			    vun->name, vring, vnvme_vectors(vun->ctrl));
	return rc;
}

static int on_kick_fd(void *arg, unsigned int vring, int fd, struct vhost_ended ended)
{
	struct vhost_user_nvme *vun = arg;

	if (vring) {
		log_limited(&vun->limit, LOG_LEVEL_WARN, vun->name,
			    "%s: doorbell eventfd of vring %u ignored: there is only number 0",
			    vun->name, vring);
		if (fd >= 0)
			close(fd);
		return -EINVAL;
	}
	vnvme_set_kick_begin(vun->ctrl, fd, ended.fn, ended.arg);
	return 0;
}

/* --- messages --- */

/* The answer to all messages but two. */
static enum vhost_result reply_result(struct vhost_own_msg *msg, bool refused)
{
	struct vhost_user_nvme_result r = {.value = htole64(refused)};

	memcpy(msg->payload, &r, sizeof(r));
	msg->size = sizeof(r);
	return VHOST_REPLY;
}

static enum vhost_result get_info(struct vhost_user_nvme *vun, struct vhost_own_msg *msg,
				  struct vhost_ended ended)
{
	struct vhost_user_nvme_info_req req;
	struct vhost_user_nvme_info info = {
		.cap = htole64(vnvme_cap(vun->ctrl)),
		.vs = htole32(vnvme_vs(vun->ctrl)),
		.io_queues = htole32(vnvme_io_queues(vun->ctrl)),
		.vectors = htole32(vnvme_vectors(vun->ctrl)),
		.devmem_size = htole32(VHOST_USER_NVME_DEVMEM_SIZE),
	};

	memcpy(&req, msg->payload, sizeof(req));
	if (le32toh(req.version) < VHOST_USER_NVME_VERSION)
		log_limited(
			&vun->limit, LOG_LEVEL_WARN, vun->name,
			"%s: the front-end knows protocol versions up to %u only; this one needs %u",
			vun->name, le32toh(req.version), VHOST_USER_NVME_VERSION);
	else
		info.version = htole32(VHOST_USER_NVME_VERSION);
	memcpy(msg->payload, &info, sizeof(info));
	msg->size = sizeof(info);
	return VHOST_REPLY;
}

static enum vhost_result reg_has_been_read(struct vhost_user_nvme *vun, struct vhost_own_msg *msg)
{
	struct vhost_user_nvme_reg_val reply;
	struct vhost_user_nvme_reg req;

	memcpy(&req, msg->payload, sizeof(req));
	reply.offset = req.offset;
	reply.size = vun->rc ? 0 : req.size;
	reply.value = vun->rc ? UINT64_MAX : htole64(vun->value);
	memcpy(msg->payload, &reply, sizeof(reply));
	msg->size = sizeof(reply);
	return VHOST_REPLY;
}

static enum vhost_result reg_read(struct vhost_user_nvme *vun, struct vhost_own_msg *msg,
				  struct vhost_ended ended)
{
	struct vhost_user_nvme_reg req;

	memcpy(&req, msg->payload, sizeof(req));
	vun->rc = vnvme_reg_read_begin(vun->ctrl, le32toh(req.offset), le32toh(req.size),
				       &vun->value, ended.fn, ended.arg);
	if (!vun->rc)
		return VHOST_LATER;
	log_debug("%s: read of %u bytes at register %#x refused", vun->name, le32toh(req.size),
		  le32toh(req.offset));
	return reg_has_been_read(vun, msg);
}

static enum vhost_result reg_write(struct vhost_user_nvme *vun, struct vhost_own_msg *msg,
				   struct vhost_ended ended)
{
	struct vhost_user_nvme_reg_val req;

	memcpy(&req, msg->payload, sizeof(req));
	if (!vnvme_reg_write_begin(vun->ctrl, le32toh(req.offset), le32toh(req.size),
				   le64toh(req.value), ended.fn, ended.arg))
		return VHOST_LATER;
	log_debug("%s: write of %u bytes at register %#x refused", vun->name, le32toh(req.size),
		  le32toh(req.offset));
	return reply_result(msg, true);
}

static enum vhost_result do_reset(struct vhost_user_nvme *vun, struct vhost_own_msg *msg,
				  struct vhost_ended ended)
{
	vnvme_reset_begin(vun->ctrl, ended.fn, ended.arg);
	return VHOST_LATER;
}

static uint32_t flags_of(const struct vhost_own_msg *msg)
{
	struct vhost_user_nvme_flags req;

	memcpy(&req, msg->payload, sizeof(req));
	return le32toh(req.flags);
}

/* True if there are flags that this version does not know, or cannot do. */
static bool refuse_flags(struct vhost_user_nvme *vun, const struct vhost_own_msg *msg)
{
	uint32_t flags = flags_of(msg);

	if (!flags)
		return false;
	log_limited(&vun->limit, LOG_LEVEL_WARN, vun->name,
		    "%s: %s with flags %#x refused: state in device memory is not supported yet",
		    vun->name, msg->request == VHOST_USER_NVME_STOP ? "STOP" : "START", flags);
	return true;
}

static enum vhost_result do_stop(struct vhost_user_nvme *vun, struct vhost_own_msg *msg,
				 struct vhost_ended ended)
{
	if (refuse_flags(vun, msg))
		return reply_result(msg, true);
	vnvme_stop_begin(vun->ctrl, ended.fn, ended.arg);
	return VHOST_LATER;
}

static enum vhost_result do_start(struct vhost_user_nvme *vun, struct vhost_own_msg *msg,
				  struct vhost_ended ended)
{
	if (refuse_flags(vun, msg))
		return reply_result(msg, true);
	vnvme_start_begin(vun->ctrl, ended.fn, ended.arg);
	return VHOST_LATER;
}

static const struct message {
	uint32_t size; /* of the request's payload, exactly */
	enum vhost_result (*handle)(struct vhost_user_nvme *vun, struct vhost_own_msg *msg,
				    struct vhost_ended ended);
} messages[] = {
	{sizeof(struct vhost_user_nvme_info_req), get_info},
	{sizeof(struct vhost_user_nvme_reg), reg_read},
	{sizeof(struct vhost_user_nvme_reg_val), reg_write},
	{0, do_reset},
	{sizeof(struct vhost_user_nvme_flags), do_stop},
	{sizeof(struct vhost_user_nvme_flags), do_start},
};

static enum vhost_result on_message(void *arg, struct vhost_own_msg *msg, struct vhost_ended ended)
{
	struct vhost_user_nvme *vun = arg;
	uint32_t i = msg->request - VHOST_USER_NVME_GET_INFO;

	if (i >= ARRAY_SIZE(messages))
		return VHOST_NOT_HANDLED;
	if (msg->size != messages[i].size) {
		log_limited(&vun->limit, LOG_LEVEL_WARN, vun->name,
			    "%s: message %#x has %u bytes of payload instead of %u: session closed",
			    vun->name, msg->request, msg->size, messages[i].size);
		return VHOST_CLOSE;
	}
	return messages[i].handle(vun, msg, ended);
}

static enum vhost_result on_message_ended(void *arg, struct vhost_own_msg *msg)
{
	struct vhost_user_nvme *vun = arg;

	return msg->request == VHOST_USER_NVME_REG_READ ? reg_has_been_read(vun, msg)
							: reply_result(msg, false);
}

static const struct vhost_ops ops = {
	.features = 1ull << VIRTIO_F_VERSION_1,
	.protocol_features = 1ull << PROTOCOL_F_REPLY_ACK | 1ull << PROTOCOL_F_MEM_SLOTS,
	.allowed_requests = ALLOWED_REQUESTS,
	.connect = on_connect,
	.disconnect = on_disconnect,
	.disconnected = on_disconnected,
	.mem_stop = on_mem_stop,
	.mem_stopped = drop_memory,
	.mem_start = on_mem_start,
	.call_fd = on_call_fd,
	.kick_fd = on_kick_fd,
	.message = on_message,
	.message_ended = on_message_ended,
};

int vhost_user_nvme_create(const struct vnvme_params *params, const struct socket_params *socket,
			   struct vhost_user_nvme **out)
{
	struct vhost_user_nvme *vun = calloc(1, sizeof(*vun));
	int rc;

	if (!vun)
		return -ENOMEM;
	snprintf(vun->name, sizeof(vun->name), "%s", params->name);
	rc = vnvme_ctrl_create(params, &vun->ctrl);
	if (rc)
		goto free_vun;
	rc = vhost_socket_create(socket, &ops, vun, &vun->socket);
	if (rc)
		goto destroy_ctrl;
	*out = vun;
	return 0;

destroy_ctrl:
	vnvme_ctrl_destroy(vun->ctrl);
free_vun:
	free(vun);
	return rc;
}

struct vnvme_ctrl *vhost_user_nvme_ctrl(const struct vhost_user_nvme *vun)
{
	return vun->ctrl;
}

int vhost_user_nvme_move_queue(struct vhost_user_nvme *vun, unsigned int sqid,
			       const struct reactor *to)
{
	return vnvme_move_queue(vun->ctrl, sqid, to);
}

void vhost_user_nvme_destroy(struct vhost_user_nvme *vun)
{
	if (!vun)
		return;
	vhost_socket_destroy(vun->socket);
	vnvme_ctrl_destroy(vun->ctrl);
	free(vun);
}

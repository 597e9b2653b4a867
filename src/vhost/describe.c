/* SPDX-License-Identifier: BSD-3-Clause */
/* What a session has negotiated, by name: VIRTIO 1.2, 6, and the vhost-user specification. */
#include "vhost/vhost_internal.h"

/* Of the ring and the transport, whatever the device is. */
static const struct vhost_feature_name ring_features[] = {
	{24, "VIRTIO_F_NOTIFY_ON_EMPTY"}, {26, "VHOST_F_LOG_ALL"},
	{27, "VIRTIO_F_ANY_LAYOUT"},	  {28, "VIRTIO_RING_F_INDIRECT_DESC"},
	{29, "VIRTIO_RING_F_EVENT_IDX"},  {30, "VHOST_USER_F_PROTOCOL_FEATURES"},
	{32, "VIRTIO_F_VERSION_1"},	  {33, "VIRTIO_F_ACCESS_PLATFORM"},
	{34, "VIRTIO_F_RING_PACKED"},	  {35, "VIRTIO_F_IN_ORDER"},
	{36, "VIRTIO_F_ORDER_PLATFORM"},  {38, "VIRTIO_F_NOTIFICATION_DATA"},
	{40, "VIRTIO_F_RING_RESET"},	  {0},
};

static const struct vhost_feature_name protocol_features[] = {
	{0, "VHOST_USER_PROTOCOL_F_MQ"},
	{3, "VHOST_USER_PROTOCOL_F_REPLY_ACK"},
	{5, "VHOST_USER_PROTOCOL_F_BACKEND_REQ"},
	{9, "VHOST_USER_PROTOCOL_F_CONFIG"},
	{12, "VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD"},
	{15, "VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS"},
	{0},
};

static void add_features(struct session_info *info, const struct vhost_feature_name *names,
			 uint64_t features)
{
	for (; names && names->name; names++)
		if (features >> names->bit & 1)
			session_info_feature(info, names->name);
}

void vhost_describe(void *arg, struct session_info *info)
{
	const struct vhost_socket *sock = arg;

	info->transport = "vhost-user";
	add_features(info, sock->ops->feature_names, sock->features);
	add_features(info, ring_features, sock->features);
	add_features(info, protocol_features, sock->protocol_features);
	info->memory_bytes_max = sock->share.mapped_memory;
	info->regions_max = sock->share.regions;
}

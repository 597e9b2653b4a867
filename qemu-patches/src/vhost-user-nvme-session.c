/*
 * vhost-user-nvme: the session with the target
 *
 * From the chardev to a target that serves the guest, and back: connecting,
 * agreeing on features, sharing memory and eventfds, losing the target and
 * taking it into use again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "vhost-user-nvme-internal.h"
#include "trace.h"

#define VNVME_CAP_DSTRD(cap)    (((cap) >> 32) & 0xf)
#define VNVME_MAX_DEVMEM        (64 * MiB)

const char *vnvme_chardev_label(VHostUserNvme *s)
{
    return s->chardev.chr->label;
}

static SocketChardev *vnvme_socket(VHostUserNvme *s)
{
    return SOCKET_CHARDEV(s->chardev.chr);
}

VnvmeWire vnvme_wire(VHostUserNvme *s)
{
    SocketChardev *sock = vnvme_socket(s);
    bool connected = sock->state == TCP_CHARDEV_STATE_CONNECTED;

    return (VnvmeWire) {
        .fd = connected ? sock->sioc->fd : -1,
        .timeout_ms = s->timeout_ms,
        .patient = s->in_use,
        .label = vnvme_chardev_label(s),
    };
}

/* Carrying on with a restarted target's saved state has its place here. */
void vnvme_die(VHostUserNvme *s, Error *err)
{
    VnvmeWire wire = vnvme_wire(s);

    if (s->alive && vnvme_wire_qemu_ends()) {
        s->alive = false;
    } else if (s->alive) {
        s->alive = false;
        error_report("vhost-user-nvme: chardev '%s': %s; the guest sees a dead "
                     "controller until it is reset with the target back",
                     vnvme_chardev_label(s), error_get_pretty(err));
    }
    error_free(err);
    if (wire.fd >= 0) {
        shutdown(wire.fd, SHUT_RDWR);
    }
}

bool vnvme_request(VHostUserNvme *s, uint32_t request,
                   const void *payload, size_t size,
                   void *reply, size_t reply_size)
{
    Error *err = NULL;

    if (!s->alive) {
        return false;
    }
    if (!vnvme_wire_call(vnvme_wire(s), request, payload, size,
                         reply, reply_size, &err)) {
        vnvme_die(s, err);
        return false;
    }
    return true;
}

bool vnvme_check_chardev(VHostUserNvme *s, Error **errp)
{
    Chardev *chr = s->chardev.chr;

    if (!chr) {
        error_setg(errp, "chardev is missing: add -chardev socket,id=ID,"
                   "path=SOCKET and chardev=ID");
    } else if (!object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_SOCKET)) {
        error_setg(errp, "chardev '%s' is not a socket (%s): use -chardev "
                   "socket,id=%s,path=SOCKET", chr->label,
                   object_get_typename(OBJECT(chr)), chr->label);
    } else if (vnvme_socket(s)->is_listen) {
        error_setg(errp, "chardev '%s' listens, but so does the target: remove "
                   "server=on", chr->label);
    } else if (vnvme_socket(s)->addr->type != SOCKET_ADDRESS_TYPE_UNIX &&
               vnvme_socket(s)->addr->type != SOCKET_ADDRESS_TYPE_FD) {
        error_setg(errp, "chardev '%s' is not a Unix socket, memory cannot be "
                   "shared over it: use -chardev socket,id=%s,path=SOCKET",
                   chr->label, chr->label);
    } else {
        return true;
    }
    return false;
}

static bool vnvme_check_info(VHostUserNvme *s, const VuNvmeInfo *info,
                             Error **errp)
{
    if (info->version != VNVME_PROTOCOL_VERSION) {
        /* 0: it has nothing to offer that is not newer */
        error_setg(errp, "the target chose protocol version %" PRIu32
                   ", this QEMU knows version %d: update the older of the two",
                   info->version, VNVME_PROTOCOL_VERSION);
    } else if (VNVME_CAP_DSTRD(info->cap)) {
        error_setg(errp, "the target wants a doorbell stride of 2^%d bytes, "
                   "only 4 bytes are supported",
                   (int)VNVME_CAP_DSTRD(info->cap) + 2);
    } else if (info->vectors < 1 || info->vectors > VNVME_MAX_VECTORS) {
        error_setg(errp, "the target offers %" PRIu32 " interrupt vectors, "
                   "1 to %d are supported", info->vectors, VNVME_MAX_VECTORS);
    } else if (info->io_queues < 1 ||
               info->io_queues >= VNVME_DOORBELLS_SIZE / 8) {
        error_setg(errp, "the target offers %" PRIu32 " I/O queues, 1 to %d "
                   "are supported", info->io_queues,
                   (int)(VNVME_DOORBELLS_SIZE / 8 - 1));
    } else if (info->devmem_size < VNVME_DOORBELLS_SIZE ||
               info->devmem_size > VNVME_MAX_DEVMEM ||
               info->devmem_size % qemu_real_host_page_size()) {
        error_setg(errp, "the target asks for %" PRIu32 " bytes of device "
                   "memory, whole pages up to %d are supported",
                   info->devmem_size, (int)VNVME_MAX_DEVMEM);
    } else if (s->num_io_queues > info->io_queues) {
        error_setg(errp, "num_io_queues=%u is more than the %" PRIu32
                   " that the target offers: lower it or raise the target's",
                   s->num_io_queues, info->io_queues);
    } else {
        return true;
    }
    return false;
}

static bool vnvme_get_info(VHostUserNvme *s, VuNvmeInfo *info, Error **errp)
{
    ERRP_GUARD();
    uint32_t version = cpu_to_le32(VNVME_PROTOCOL_VERSION);

    if (!vnvme_wire_call(vnvme_wire(s), VU_NVME_GET_INFO, &version,
                         sizeof(version), info, sizeof(*info), errp)) {
        error_prepend(errp, "not a controller of type nvme? ");
        return false;
    }
    info->version = le32_to_cpu(info->version);
    info->flags = le32_to_cpu(info->flags);
    info->cap = le64_to_cpu(info->cap);
    info->vs = le32_to_cpu(info->vs);
    info->io_queues = le32_to_cpu(info->io_queues);
    info->vectors = le32_to_cpu(info->vectors);
    info->devmem_size = le32_to_cpu(info->devmem_size);
    trace_vhost_user_nvme_info(info->cap, info->vs, info->io_queues,
                               info->vectors, info->devmem_size);
    return vnvme_check_info(s, info, errp);
}

/* How many memory regions the target takes, once features are agreed on */
static bool vnvme_get_slots(VHostUserNvme *s, bool by_slot, Error **errp)
{
    uint64_t slots = VNVME_TABLE_REGIONS;

    if (by_slot && !vnvme_wire_get(vnvme_wire(s), VU_GET_MAX_MEM_SLOTS, &slots,
                                   errp)) {
        return false;
    }
    if (slots < 2) {
        error_setg(errp, "the target takes %" PRIu64 " memory regions, the "
                   "device and guest RAM need 2 or more", slots);
        return false;
    }
    s->by_slot = by_slot;
    s->slots = MIN(slots, VNVME_MAX_SLOTS);
    return true;
}

/* VHOST_F_LOG_ALL is to be accepted here once there is migration. */
static bool vnvme_negotiate(VHostUserNvme *s, VuNvmeInfo *info, Error **errp)
{
    VnvmeWire wire = vnvme_wire(s);
    uint64_t features, proto;
    bool by_slot;

    if (!vnvme_wire_get(wire, VU_GET_FEATURES, &features, errp)) {
        return false;
    }
    if (!(features & VU_F_PROTOCOL_FEATURES)) {
        error_setg(errp, "the target lacks VHOST_USER_F_PROTOCOL_FEATURES");
        return false;
    }
    features = cpu_to_le64(features & (VU_F_PROTOCOL_FEATURES |
                                       VU_F_VERSION_1));
    if (!vnvme_wire_call(wire, VU_SET_FEATURES, &features, sizeof(features),
                         NULL, 0, errp) ||
        !vnvme_wire_get(wire, VU_GET_PROTOCOL_FEATURES, &proto, errp)) {
        return false;
    }
    if (!(proto & VU_PROTOCOL_F_REPLY_ACK)) {
        error_setg(errp, "the target lacks VHOST_USER_PROTOCOL_F_REPLY_ACK");
        return false;
    }
    by_slot = proto & VU_PROTOCOL_F_MEM_SLOTS;
    proto = cpu_to_le64(VU_PROTOCOL_F_REPLY_ACK |
                        (by_slot ? VU_PROTOCOL_F_MEM_SLOTS : 0));
    return vnvme_wire_call(wire, VU_SET_PROTOCOL_FEATURES, &proto,
                           sizeof(proto), NULL, 0, errp) &&
           vnvme_wire_set(wire, VU_SET_OWNER, NULL, 0, NULL, 0, errp) &&
           vnvme_get_info(s, info, errp) && vnvme_get_slots(s, by_slot, errp);
}

bool vnvme_open(VHostUserNvme *s, VuNvmeInfo *info, Error **errp)
{
    if (DEVICE(s)->hotplugged && vnvme_wire(s).fd < 0 &&
        vnvme_chardev_reconnects(vnvme_socket(s))) {
        /* Waiting here would stop the running guest for as long as it takes. */
        error_setg(errp, "the target is not there yet: try again later");
        return false;
    }
    return qemu_chr_fe_wait_connected(&s->chardev, errp) >= 0 &&
           vnvme_negotiate(s, info, errp);
}

/* Nothing may change guest memory while the machine is paused. */
static bool vnvme_share_pause(VHostUserNvme *s, Error **errp)
{
    uint32_t flags = 0;
    uint64_t failed;

    s->stopped = !s->vm_running;
    if (!s->stopped) {
        return true;
    }
    if (!vnvme_wire_call(vnvme_wire(s), VU_NVME_STOP, &flags, sizeof(flags),
                         &failed, sizeof(failed), errp)) {
        return false;
    }
    if (failed) {
        error_setg(errp, "the target failed to stop");
        return false;
    }
    return true;
}

bool vnvme_share(VHostUserNvme *s, Error **errp)
{
    VnvmeWire wire = vnvme_wire(s);
    uint64_t index;
    uint32_t i;
    int fd;

    if (!vnvme_share_ram(s, errp)) {
        return false;
    }
    for (i = 0; i < s->nvectors; i++) {
        index = cpu_to_le64(i);
        fd = event_notifier_get_fd(&s->vectors[i].call);
        if (!vnvme_wire_set(wire, VU_SET_VRING_CALL, &index, sizeof(index),
                            &fd, 1, errp)) {
            return false;
        }
    }
    /* No fd: nothing will be signalled, the target must poll the doorbells. */
    index = cpu_to_le64(s->mapped ? VU_VRING_NOFD : 0);
    fd = event_notifier_get_fd(&s->kick);
    if (!vnvme_wire_set(wire, VU_SET_VRING_KICK, &index, sizeof(index),
                        &fd, s->mapped ? 0 : 1, errp)) {
        return false;
    }
    if (!vnvme_share_pause(s, errp)) {
        return false;
    }
    s->alive = true;
    return true;
}

void vnvme_reconnect(VHostUserNvme *s)
{
    VuNvmeInfo info;
    Error *err = NULL;

    s->returned = false;
    memset(s->devmem, 0, s->devmem_size);
    event_notifier_test_and_clear(&s->kick);
    if (vnvme_negotiate(s, &info, &err)) {
        if (info.vectors < s->nvectors || info.devmem_size != s->devmem_size) {
            error_setg(&err, "the target came back with %" PRIu32 " vectors "
                       "and %" PRIu32 " bytes of device memory where %" PRIu32
                       " and %" PRIu32 " are in use", info.vectors,
                       info.devmem_size, s->nvectors, s->devmem_size);
        } else {
            vnvme_warn_of_ram(s);
            vnvme_share(s, &err);
        }
    }
    if (!err) {
        info_report("vhost-user-nvme: chardev '%s': the target is in use again",
                    vnvme_chardev_label(s));
        return;
    }
    error_report("vhost-user-nvme: chardev '%s': %s", vnvme_chardev_label(s),
                 error_get_pretty(err));
    vnvme_die(s, err);
}

void vnvme_chardev_event(void *opaque, QEMUChrEvent event)
{
    VHostUserNvme *s = opaque;
    Error *err = NULL;

    if (event == CHR_EVENT_CLOSED) {
        s->returned = false;
        if (!object_get_canonical_path_component(OBJECT(s->chardev.chr))) {
            s->alive = false;   /* QEMU ends, and its chardevs end first */
        } else if (s->alive) {
            error_setg(&err, "the target closed the connection");
            vnvme_die(s, err);
        }
    } else if (event == CHR_EVENT_OPENED && !s->alive) {
        s->returned = true;
        info_report("vhost-user-nvme: chardev '%s': the target is back, the "
                    "guest's next reset takes it into use",
                    vnvme_chardev_label(s));
    }
}

void vnvme_close(VHostUserNvme *s)
{
    if (s->chardev.chr) {
        qemu_chr_fe_set_handlers(&s->chardev, NULL, NULL, NULL, NULL, NULL,
                                 NULL, false);
        /*
         * The target must let go of guest memory; a new device reconnects. A
         * chardev that is still connecting does not survive a disconnect.
         */
        if (vnvme_wire(s).fd >= 0) {
            qemu_chr_fe_disconnect(&s->chardev);
        }
        qemu_chr_fe_deinit(&s->chardev, false);
    }
}

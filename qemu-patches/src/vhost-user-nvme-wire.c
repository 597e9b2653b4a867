/*
 * vhost-user-nvme: the messages between the device and the target
 *
 * Every call ends within its time limit: MMIO handlers make them with the big
 * lock held, and a target that hangs must not hang QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/socket.h>
#include "qemu/bswap.h"
#include "vhost-user-nvme-wire.h"
#include "trace.h"

#define VU_VERSION                  0x1
#define VU_VERSION_MASK             0x3
#define VU_REPLY                    0x4
#define VU_NEED_REPLY               0x8

typedef struct QEMU_PACKED VuHeader {
    uint32_t request;
    uint32_t flags;
    uint32_t size;
} VuHeader;

static const char *vnvme_request_name(uint32_t request)
{
    switch (request) {
    case VU_GET_FEATURES:
        return "GET_FEATURES";
    case VU_SET_FEATURES:
        return "SET_FEATURES";
    case VU_SET_OWNER:
        return "SET_OWNER";
    case VU_SET_MEM_TABLE:
        return "SET_MEM_TABLE";
    case VU_SET_VRING_KICK:
        return "SET_VRING_KICK";
    case VU_SET_VRING_CALL:
        return "SET_VRING_CALL";
    case VU_GET_PROTOCOL_FEATURES:
        return "GET_PROTOCOL_FEATURES";
    case VU_SET_PROTOCOL_FEATURES:
        return "SET_PROTOCOL_FEATURES";
    case VU_NVME_GET_INFO:
        return "NVME_GET_INFO";
    case VU_NVME_REG_READ:
        return "NVME_REG_READ";
    case VU_NVME_REG_WRITE:
        return "NVME_REG_WRITE";
    case VU_NVME_RESET:
        return "NVME_RESET";
    case VU_NVME_STOP:
        return "NVME_STOP";
    case VU_NVME_START:
        return "NVME_START";
    default:
        return "an unknown request";
    }
}

/*
 * Wait for the socket until the deadline. The chardev's own calls can't be
 * used: they wait for ever, with the big lock held.
 */
static int vnvme_wait(int fd, short events, int64_t deadline_us)
{
    struct pollfd pfd = { .fd = fd, .events = events };
    int64_t left_us;
    int ret;

    do {
        left_us = deadline_us - g_get_monotonic_time();
        if (left_us <= 0) {
            return -ETIMEDOUT;
        }
        ret = poll(&pfd, 1, DIV_ROUND_UP(left_us, 1000));
    } while (ret == 0 || (ret < 0 && errno == EINTR));
    return ret < 0 ? -errno : 0;
}

static int vnvme_send(int fd, const void *data, size_t len, const int *fds,
                      unsigned nfds, int64_t deadline_us)
{
    union {
        char buf[CMSG_SPACE(VNVME_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control = { };
    struct iovec iov = { .iov_base = (void *)data, .iov_len = len };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t sent;
    int ret;

    if (nfds) {
        struct cmsghdr *cmsg = &control.align;

        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, nfds * sizeof(int));
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
    }
    while (iov.iov_len) {
        sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            iov.iov_base += sent;
            iov.iov_len -= sent;
            msg.msg_control = NULL;
            msg.msg_controllen = 0;
        } else if (errno == EAGAIN) {
            ret = vnvme_wait(fd, POLLOUT, deadline_us);
            if (ret < 0) {
                return ret;
            }
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static int vnvme_recv(int fd, void *data, size_t len, int64_t deadline_us)
{
    ssize_t got;
    int ret;

    while (len) {
        got = recv(fd, data, len, MSG_DONTWAIT);
        if (got > 0) {
            data += got;
            len -= got;
        } else if (got == 0) {
            return -ECONNRESET;
        } else if (errno == EAGAIN) {
            ret = vnvme_wait(fd, POLLIN, deadline_us);
            if (ret < 0) {
                return ret;
            }
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static bool vnvme_wire_error(VnvmeWire wire, uint32_t request, int err,
                             Error **errp)
{
    const char *name = vnvme_request_name(request);

    if (err == -ETIMEDOUT) {
        error_setg(errp, "the target did not answer %s within %" PRIu32 " ms",
                   name, wire.timeout_ms);
    } else if (err == -ECONNRESET || err == -EPIPE || err == -ENOTCONN) {
        error_setg(errp, "the target closed the connection at %s", name);
    } else {
        error_setg_errno(errp, -err, "%s could not be exchanged", name);
    }
    return false;
}

static bool vnvme_recv_reply(VnvmeWire wire, uint32_t request,
                             void *reply, size_t reply_size,
                             int64_t deadline_us, Error **errp)
{
    VuHeader hdr;
    int ret;

    ret = vnvme_recv(wire.fd, &hdr, sizeof(hdr), deadline_us);
    if (ret < 0) {
        return vnvme_wire_error(wire, request, ret, errp);
    }
    hdr.request = le32_to_cpu(hdr.request);
    hdr.flags = le32_to_cpu(hdr.flags);
    hdr.size = le32_to_cpu(hdr.size);
    if (hdr.request != request || hdr.size != reply_size ||
        (hdr.flags & (VU_VERSION_MASK | VU_REPLY)) != (VU_VERSION | VU_REPLY)) {
        error_setg(errp, "the target answered %s with request 0x%" PRIx32
                   ", flags 0x%" PRIx32 ", %" PRIu32 " bytes where 0x%" PRIx32
                   ", 0x%x, %zu bytes were due", vnvme_request_name(request),
                   hdr.request, hdr.flags, hdr.size, request,
                   VU_VERSION | VU_REPLY, reply_size);
        return false;
    }
    ret = vnvme_recv(wire.fd, reply, reply_size, deadline_us);
    return ret < 0 ? vnvme_wire_error(wire, request, ret, errp) : true;
}

static bool vnvme_exchange(VnvmeWire wire, uint32_t request, uint32_t flags,
                           const void *payload, size_t size,
                           const int *fds, unsigned nfds,
                           void *reply, size_t reply_size, Error **errp)
{
    struct QEMU_PACKED {
        VuHeader hdr;
        uint8_t payload[sizeof(VuMemTable)];
    } msg;
    int64_t deadline_us = g_get_monotonic_time() + wire.timeout_ms * 1000LL;
    int ret;

    assert(size <= sizeof(msg.payload) && nfds <= VNVME_MAX_FDS);
    trace_vhost_user_nvme_request(vnvme_request_name(request), size, nfds);
    if (wire.fd < 0) {
        return vnvme_wire_error(wire, request, -ENOTCONN, errp);
    }
    msg.hdr.request = cpu_to_le32(request);
    msg.hdr.flags = cpu_to_le32(VU_VERSION | flags);
    msg.hdr.size = cpu_to_le32(size);
    if (size) {
        memcpy(msg.payload, payload, size);
    }
    ret = vnvme_send(wire.fd, &msg, sizeof(msg.hdr) + size, fds, nfds,
                     deadline_us);
    if (ret < 0) {
        return vnvme_wire_error(wire, request, ret, errp);
    }
    return !reply_size || vnvme_recv_reply(wire, request, reply, reply_size,
                                           deadline_us, errp);
}

bool vnvme_wire_call(VnvmeWire wire, uint32_t request,
                     const void *payload, size_t size,
                     void *reply, size_t reply_size, Error **errp)
{
    return vnvme_exchange(wire, request, 0, payload, size, NULL, 0,
                          reply, reply_size, errp);
}

bool vnvme_wire_set(VnvmeWire wire, uint32_t request,
                    const void *payload, size_t size,
                    const int *fds, unsigned nfds, Error **errp)
{
    uint64_t ack;

    if (!vnvme_exchange(wire, request, VU_NEED_REPLY, payload, size, fds, nfds,
                        &ack, sizeof(ack), errp)) {
        return false;
    }
    if (ack) {
        error_setg(errp, "the target refused %s (0x%" PRIx64 ")",
                   vnvme_request_name(request), le64_to_cpu(ack));
        return false;
    }
    return true;
}

bool vnvme_wire_get(VnvmeWire wire, uint32_t request, uint64_t *value,
                    Error **errp)
{
    if (!vnvme_wire_call(wire, request, NULL, 0, value, sizeof(*value), errp)) {
        return false;
    }
    *value = le64_to_cpu(*value);
    return true;
}

/*
 * vhost-user-nvme: the messages between the device and the target
 *
 * MMIO handlers make the calls with the big lock held, so a target that is
 * stopped stops the machine, and the machine goes on when the target does. What
 * ends the wait is the answer, the end of the connection, or QEMU's own end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/socket.h>
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/notify.h"
#include "vhost-user-nvme-compat.h"
#include "vhost-user-nvme-wire.h"
#include "trace.h"

#define VNVME_SLICE_MS              200

#define VU_VERSION                  0x1
#define VU_VERSION_MASK             0x3
#define VU_REPLY                    0x4
#define VU_NEED_REPLY               0x8

typedef struct QEMU_PACKED VuHeader {
    uint32_t request;
    uint32_t flags;
    uint32_t size;
} VuHeader;

/* One message that is under way */
typedef struct VnvmeCall {
    VnvmeWire wire;
    uint32_t request;
    int64_t begin_us;
    bool late;          /* the log says that it takes long */
} VnvmeCall;

static bool vnvme_ending;

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
    case VU_GET_MAX_MEM_SLOTS:
        return "GET_MAX_MEM_SLOTS";
    case VU_ADD_MEM_REG:
        return "ADD_MEM_REG";
    case VU_REM_MEM_REG:
        return "REM_MEM_REG";
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

static void vnvme_on_shutdown(Notifier *notifier, void *data)
{
    if (shutdown_action != SHUTDOWN_ACTION_PAUSE) {
        vnvme_ending = true;
    }
}

void vnvme_wire_watch_shutdown(void)
{
    static Notifier notifier = { .notify = vnvme_on_shutdown };

    if (!notifier.node.le_prev) {
        qemu_register_shutdown_notifier(&notifier);
    }
}

/* The main loop may not have seen the request: a call may hold the big lock. */
bool vnvme_wire_qemu_ends(void)
{
    ShutdownCause cause = qemu_shutdown_requested_get();

    return vnvme_ending || cause == SHUTDOWN_CAUSE_HOST_SIGNAL ||
           cause == SHUTDOWN_CAUSE_HOST_QMP_QUIT;
}

static int64_t vnvme_call_ms(const VnvmeCall *call)
{
    return (g_get_monotonic_time() - call->begin_us) / 1000;
}

static void vnvme_call_is_late(VnvmeCall *call, int64_t ms)
{
    if (!call->late) {
        warn_report("vhost-user-nvme: chardev '%s': the target has not "
                    "answered %s for %" PRId64 " ms; the machine waits for it",
                    call->wire.label, vnvme_request_name(call->request), ms);
        call->late = true;
    }
}

static void vnvme_call_ended(const VnvmeCall *call)
{
    if (call->late) {
        info_report("vhost-user-nvme: chardev '%s': the target answered %s "
                    "after %" PRId64 " ms", call->wire.label,
                    vnvme_request_name(call->request), vnvme_call_ms(call));
    }
}

/*
 * Wait for the socket, in slices between which QEMU may end. The chardev's own
 * calls can't be used: they wait for ever, with the big lock held. What is
 * there already is taken however late it is: QEMU may have been stopped itself.
 */
static int vnvme_wait(VnvmeCall *call, short events)
{
    struct pollfd pfd = { .fd = call->wire.fd, .events = events };
    int64_t ms, left_ms;
    int ret, slice_ms;

    for (;;) {
        ms = vnvme_call_ms(call);
        left_ms = MAX(call->wire.timeout_ms - ms, 0);
        slice_ms = MIN(left_ms, VNVME_SLICE_MS);
        if (!left_ms && call->wire.patient) {
            slice_ms = VNVME_SLICE_MS;
        }
        ret = poll(&pfd, 1, slice_ms);
        if (ret > 0) {
            return 0;
        }
        if (ret < 0 && errno != EINTR) {
            return -errno;
        }
        if (vnvme_wire_qemu_ends()) {
            return -ECANCELED;
        }
        if (left_ms == 0) {
            if (!call->wire.patient) {
                return -ETIMEDOUT;
            }
            vnvme_call_is_late(call, ms);
        }
    }
}

static int vnvme_send(VnvmeCall *call, const void *data, size_t len,
                      const int *fds, unsigned nfds)
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
        sent = sendmsg(call->wire.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            iov.iov_base += sent;
            iov.iov_len -= sent;
            msg.msg_control = NULL;
            msg.msg_controllen = 0;
        } else if (errno == EAGAIN) {
            ret = vnvme_wait(call, POLLOUT);
            if (ret < 0) {
                return ret;
            }
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static int vnvme_recv(VnvmeCall *call, void *data, size_t len)
{
    ssize_t got;
    int ret;

    while (len) {
        got = recv(call->wire.fd, data, len, MSG_DONTWAIT);
        if (got > 0) {
            data += got;
            len -= got;
        } else if (got == 0) {
            return -ECONNRESET;
        } else if (errno == EAGAIN) {
            ret = vnvme_wait(call, POLLIN);
            if (ret < 0) {
                return ret;
            }
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static bool vnvme_call_error(VnvmeCall *call, int err, Error **errp)
{
    const char *name = vnvme_request_name(call->request);

    if (err == -ETIMEDOUT) {
        error_setg(errp, "the target did not answer %s within %" PRIu32 " ms",
                   name, call->wire.timeout_ms);
    } else if (err == -ECANCELED) {
        error_setg(errp, "QEMU ends and does not wait for the answer to %s",
                   name);
    } else if (err == -ECONNRESET || err == -EPIPE || err == -ENOTCONN) {
        error_setg(errp, "the target closed the connection at %s", name);
    } else {
        error_setg_errno(errp, -err, "%s could not be exchanged", name);
    }
    return false;
}

static bool vnvme_recv_reply(VnvmeCall *call, void *reply, size_t reply_size,
                             Error **errp)
{
    VuHeader hdr;
    int ret;

    ret = vnvme_recv(call, &hdr, sizeof(hdr));
    if (ret < 0) {
        return vnvme_call_error(call, ret, errp);
    }
    hdr.request = le32_to_cpu(hdr.request);
    hdr.flags = le32_to_cpu(hdr.flags);
    hdr.size = le32_to_cpu(hdr.size);
    if (hdr.request != call->request || hdr.size != reply_size ||
        (hdr.flags & (VU_VERSION_MASK | VU_REPLY)) != (VU_VERSION | VU_REPLY)) {
        error_setg(errp, "the target answered %s with request 0x%" PRIx32
                   ", flags 0x%" PRIx32 ", %" PRIu32 " bytes where 0x%" PRIx32
                   ", 0x%x, %zu bytes were due",
                   vnvme_request_name(call->request), hdr.request, hdr.flags,
                   hdr.size, call->request, VU_VERSION | VU_REPLY, reply_size);
        return false;
    }
    ret = vnvme_recv(call, reply, reply_size);
    if (ret < 0) {
        return vnvme_call_error(call, ret, errp);
    }
    vnvme_call_ended(call);
    return true;
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
    VnvmeCall call = {
        .wire = wire, .request = request, .begin_us = g_get_monotonic_time()
    };
    int ret;

    assert(size <= sizeof(msg.payload) && nfds <= VNVME_MAX_FDS);
    trace_vhost_user_nvme_request(vnvme_request_name(request), size, nfds);
    if (wire.fd < 0) {
        return vnvme_call_error(&call, -ENOTCONN, errp);
    }
    msg.hdr.request = cpu_to_le32(request);
    msg.hdr.flags = cpu_to_le32(VU_VERSION | flags);
    msg.hdr.size = cpu_to_le32(size);
    if (size) {
        memcpy(msg.payload, payload, size);
    }
    ret = vnvme_send(&call, &msg, sizeof(msg.hdr) + size, fds, nfds);
    if (ret < 0) {
        return vnvme_call_error(&call, ret, errp);
    }
    return !reply_size || vnvme_recv_reply(&call, reply, reply_size, errp);
}

bool vnvme_wire_call(VnvmeWire wire, uint32_t request,
                     const void *payload, size_t size,
                     void *reply, size_t reply_size, Error **errp)
{
    return vnvme_exchange(wire, request, 0, payload, size, NULL, 0,
                          reply, reply_size, errp);
}

bool vnvme_wire_ask(VnvmeWire wire, uint32_t request,
                    const void *payload, size_t size,
                    const int *fds, unsigned nfds, uint64_t *refused,
                    Error **errp)
{
    if (!vnvme_exchange(wire, request, VU_NEED_REPLY, payload, size, fds, nfds,
                        refused, sizeof(*refused), errp)) {
        return false;
    }
    *refused = le64_to_cpu(*refused);
    return true;
}

bool vnvme_wire_set(VnvmeWire wire, uint32_t request,
                    const void *payload, size_t size,
                    const int *fds, unsigned nfds, Error **errp)
{
    uint64_t refused;

    if (!vnvme_wire_ask(wire, request, payload, size, fds, nfds, &refused,
                        errp)) {
        return false;
    }
    if (refused) {
        error_setg(errp, "the target refused %s (0x%" PRIx64 ")",
                   vnvme_request_name(request), refused);
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

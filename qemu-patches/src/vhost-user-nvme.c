/*
 * vhost-user-nvme: an NVMe controller served by another process
 *
 * The controller (registers, admin and I/O queues, namespaces) lives in the
 * target, which is reached over a vhost-user socket. This device is its PCI
 * function only: configuration space, BAR0, MSI-X, guest memory and the wire.
 * docs/system/devices/vhost-user-nvme.rst describes its use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/socket.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/event_notifier.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/memfd.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "chardev/char-fe.h"
#include "chardev/char-socket.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "migration/vmstate.h"
#include "qom/object.h"
#include "vhost-user-nvme-compat.h"
#include "vhost-user-nvme-wire.h"
#include "trace.h"

#define TYPE_VHOST_USER_NVME "vhost-user-nvme"
OBJECT_DECLARE_SIMPLE_TYPE(VHostUserNvme, VHOST_USER_NVME)

/* From the range that docs/specs/pci-ids.rst keeps for unregistered use. */
#define VNVME_PCI_DEVICE_ID     0x10f0

#define VNVME_BAR0_SIZE         (16 * KiB)  /* NVMe: BAR0 is 16 KiB aligned */
#define VNVME_REGS_SIZE         (4 * KiB)
#define VNVME_DOORBELLS_SIZE    (4 * KiB)   /* page 0 of device memory */
#define VNVME_MSIX_BAR          4
#define VNVME_CAP_DSTRD(cap)    (((cap) >> 32) & 0xf)

#define VNVME_MAX_SECTIONS      64
#define VNVME_MAX_DEVMEM        (64 * MiB)
#define VNVME_LEGACY_HOLES_END  (1 * MiB)

#define VNVME_MIN_TIMEOUT_MS    10
#define VNVME_MAX_TIMEOUT_MS    600000

/* No padding: tables are compared with memcmp(). */
typedef struct VnvmeRegion {
    uint64_t gpa;
    uint64_t size;
    uint64_t hva;
    uint64_t fd_offset;
    int64_t fd;
} VnvmeRegion;

typedef struct VnvmeVector {
    VHostUserNvme *s;
    EventNotifier call;
    int virq;           /* KVM's route, -1: none yet */
    bool irqfd;         /* the notifier goes to KVM, not to our handler */
} VnvmeVector;

struct VHostUserNvme {
    PCIDevice parent_obj;

    VnvmeChardev chardev;
    uint16_t num_io_queues;
    char *doorbells;
    uint32_t timeout_ms;
    int32_t bootindex;

    MemoryRegion bar0;
    MemoryRegion regs;
    MemoryRegion doorbell_page;

    bool alive;         /* the target is connected and knows everything */
    bool returned;      /* it died, and its successor has connected */
    bool stopped;       /* NVME_STOP was sent, NVME_START was not */
    bool mapped;        /* doorbells are RAM: no exit, nothing is signalled */
    bool irqfds;        /* MSI-X is enabled and its vectors belong to KVM */

    void *devmem;
    uint32_t devmem_size;
    int devmem_fd;

    EventNotifier kick;
    VnvmeVector *vectors;
    uint32_t nvectors;

    MemoryListener listener;
    VnvmeRegion ram[VNVME_MAX_SECTIONS];
    VnvmeRegion new_ram[VNVME_MAX_SECTIONS];
    unsigned nram;
    unsigned nnew_ram;
    unsigned nunshared; /* blocks of guest RAM that the target can't map */
    unsigned nnew_unshared;
    char *unshared_ram; /* name of the last of them */

    VMChangeStateEntry *vmstate_entry;
    uint64_t doorbell_writes;
    uint64_t interrupts;
};

static const char *vnvme_chardev_label(VHostUserNvme *s)
{
    return s->chardev.chr->label;
}

static SocketChardev *vnvme_socket(VHostUserNvme *s)
{
    return SOCKET_CHARDEV(s->chardev.chr);
}

/* The chardev's connection. It is valid as long as the big lock is held. */
static VnvmeWire vnvme_wire(VHostUserNvme *s)
{
    SocketChardev *sock = vnvme_socket(s);
    bool connected = sock->state == TCP_CHARDEV_STATE_CONNECTED;

    return (VnvmeWire) {
        .fd = connected ? sock->sioc->fd : -1,
        .timeout_ms = s->timeout_ms,
    };
}

/*
 * The target can't be used any more: from here on registers read as all ones
 * and doorbells are dropped. The chardev notices the shutdown and closes.
 * Carrying on with a restarted target's saved state has its place here.
 */
static void vnvme_die(VHostUserNvme *s, Error *err)
{
    VnvmeWire wire = vnvme_wire(s);

    if (s->alive) {
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

/* One of our own requests to a target that is in use */
static bool vnvme_request(VHostUserNvme *s, uint32_t request,
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

/* Guest memory */

static bool vnvme_send_mem_table(VHostUserNvme *s, Error **errp)
{
    VuMemTable table = { };
    int fds[VNVME_MAX_FDS];
    unsigned i, n = MIN(s->nram, VNVME_MAX_RAM_REGIONS);

    for (i = 0; i < n; i++) {
        table.regions[i].gpa = cpu_to_le64(s->ram[i].gpa);
        table.regions[i].size = cpu_to_le64(s->ram[i].size);
        table.regions[i].hva = cpu_to_le64(s->ram[i].hva);
        table.regions[i].fd_offset = cpu_to_le64(s->ram[i].fd_offset);
        fds[i] = s->ram[i].fd;
        trace_vhost_user_nvme_region(i, s->ram[i].gpa, s->ram[i].size,
                                     s->ram[i].fd_offset);
    }
    table.regions[n].gpa = cpu_to_le64(VNVME_DEVMEM_GPA);
    table.regions[n].size = cpu_to_le64(s->devmem_size);
    table.regions[n].hva = cpu_to_le64((uintptr_t)s->devmem);
    fds[n++] = s->devmem_fd;
    table.nregions = cpu_to_le32(n);
    return vnvme_wire_set(vnvme_wire(s), VU_SET_MEM_TABLE, &table,
                          offsetof(VuMemTable, regions) +
                          n * sizeof(table.regions[0]), fds, n, errp);
}

static void vnvme_listener_begin(MemoryListener *listener)
{
    VHostUserNvme *s = container_of(listener, VHostUserNvme, listener);

    memset(s->new_ram, 0, sizeof(s->new_ram));
    s->nnew_ram = 0;
    s->nnew_unshared = 0;
}

/*
 * Sections of one file at one distance from guest memory become one region
 * when they touch or when what parts them is below 1 MiB, where firmware opens
 * and closes windows all the time. A hole elsewhere stays out of reach.
 */
static bool vnvme_try_merge(VnvmeRegion *last, const VnvmeRegion *sec)
{
    uint64_t end = last->gpa + last->size;

    if (last->fd != sec->fd || last->gpa - last->fd_offset !=
        sec->gpa - sec->fd_offset || last->gpa - last->hva !=
        sec->gpa - sec->hva || sec->gpa < end) {
        return false;
    }
    if (sec->gpa != end && sec->gpa > VNVME_LEGACY_HOLES_END) {
        return false;
    }
    last->size = sec->gpa + sec->size - last->gpa;
    return true;
}

static void vnvme_listener_region(MemoryListener *listener,
                                  MemoryRegionSection *section)
{
    VHostUserNvme *s = container_of(listener, VHostUserNvme, listener);
    MemoryRegion *mr = section->mr;
    Object *owner = memory_region_owner(mr);
    VnvmeRegion sec = { };

    /* Guest RAM has a memory backend; video memory, ROMs and BARs have none. */
    if (!memory_region_is_ram(mr) || section->readonly || !owner ||
        !object_dynamic_cast(owner, TYPE_MEMORY_BACKEND)) {
        return;
    }
    if (memory_region_get_fd(mr) < 0 || !qemu_ram_is_shared(mr->ram_block)) {
        g_free(s->unshared_ram);
        s->unshared_ram = g_strdup(memory_region_name(mr));
        s->nnew_unshared++;
        return;
    }
    sec.gpa = section->offset_within_address_space;
    sec.size = int128_get64(section->size);
    sec.hva = (uintptr_t)memory_region_get_ram_ptr(mr) +
              section->offset_within_region;
    sec.fd_offset = section->offset_within_region +
                    vnvme_ram_block_fd_offset(mr->ram_block);
    sec.fd = memory_region_get_fd(mr);
    if (s->nnew_ram && vnvme_try_merge(&s->new_ram[s->nnew_ram - 1], &sec)) {
        return;
    }
    if (s->nnew_ram < VNVME_MAX_SECTIONS) {
        s->new_ram[s->nnew_ram++] = sec;
    }
}

static bool vnvme_check_ram(VHostUserNvme *s, Error **errp)
{
    if (s->nunshared) {
        error_setg(errp, "guest RAM '%s' is not shared, the target cannot "
                   "reach it: use -object memory-backend-memfd,id=mem,"
                   "size=...,share=on -machine memory-backend=mem",
                   s->unshared_ram);
        return false;
    }
    if (s->nram > VNVME_MAX_RAM_REGIONS) {
        error_setg(errp, "guest RAM has %u regions, the target takes at most "
                   "%d: use fewer memory backends (NUMA nodes, DIMMs)",
                   s->nram, VNVME_MAX_RAM_REGIONS);
        return false;
    }
    return true;
}

static void vnvme_listener_commit(MemoryListener *listener)
{
    VHostUserNvme *s = container_of(listener, VHostUserNvme, listener);
    Error *err = NULL;

    if (s->nnew_ram == s->nram && s->nnew_unshared == s->nunshared &&
        !memcmp(s->ram, s->new_ram, sizeof(s->ram))) {
        return;
    }
    memcpy(s->ram, s->new_ram, sizeof(s->ram));
    s->nram = s->nnew_ram;
    s->nunshared = s->nnew_unshared;
    if (!s->alive) {
        return;
    }
    /* Too late to refuse what was plugged in: serve the rest. */
    if (!vnvme_check_ram(s, &err)) {
        warn_report("vhost-user-nvme: chardev '%s': %s; I/O to the rest fails",
                    vnvme_chardev_label(s), error_get_pretty(err));
        error_free(err);
        err = NULL;
    }
    if (!vnvme_send_mem_table(s, &err)) {
        vnvme_die(s, err);
    }
}

/* Interrupts */

static void vnvme_call_read(EventNotifier *e)
{
    VnvmeVector *vec = container_of(e, VnvmeVector, call);
    PCIDevice *pdev = PCI_DEVICE(vec->s);

    /* With MSI-X disabled (firmware polls) there is nothing to tell. */
    if (event_notifier_test_and_clear(e) && msix_enabled(pdev)) {
        vec->s->interrupts++;
        msix_notify(pdev, vec - vec->s->vectors);
    }
}

static bool vnvme_vector_route(VnvmeVector *vec, unsigned nr, MSIMessage msg)
{
    PCIDevice *pdev = PCI_DEVICE(vec->s);
    KVMRouteChange change;

    if (vec->virq >= 0) {
        if (kvm_irqchip_update_msi_route(kvm_state, vec->virq, msg, pdev) < 0) {
            return false;
        }
        kvm_irqchip_commit_routes(kvm_state);
        return true;
    }
    change = kvm_irqchip_begin_route_changes(kvm_state);
    vec->virq = kvm_irqchip_add_msi_route(&change, nr, pdev);
    if (vec->virq < 0) {
        return false;
    }
    kvm_irqchip_commit_route_changes(&change);
    return true;
}

/* The guest unmasked a vector. Where KVM can't take it our handler stays. */
static int vnvme_vector_use(PCIDevice *pdev, unsigned nr, MSIMessage msg)
{
    VnvmeVector *vec = &VHOST_USER_NVME(pdev)->vectors[nr];

    if (!vnvme_vector_route(vec, nr, msg) || vec->irqfd) {
        return 0;
    }
    event_notifier_set_handler(&vec->call, NULL);
    if (kvm_irqchip_add_irqfd_notifier_gsi(kvm_state, &vec->call, NULL,
                                           vec->virq) < 0) {
        event_notifier_set_handler(&vec->call, vnvme_call_read);
        return 0;
    }
    vec->irqfd = true;
    return 0;
}

/* Masked: our handler takes over and sets the pending bit. */
static void vnvme_vector_release(PCIDevice *pdev, unsigned nr)
{
    VnvmeVector *vec = &VHOST_USER_NVME(pdev)->vectors[nr];

    if (vec->irqfd) {
        kvm_irqchip_remove_irqfd_notifier_gsi(kvm_state, &vec->call, vec->virq);
        vec->irqfd = false;
        event_notifier_set_handler(&vec->call, vnvme_call_read);
    }
}

/* The guest reads pending bits: do not make it wait for our main loop. */
static void vnvme_vector_poll(PCIDevice *pdev, unsigned start, unsigned end)
{
    VHostUserNvme *s = VHOST_USER_NVME(pdev);

    for (end = MIN(end, s->nvectors); start < end; start++) {
        if (!s->vectors[start].irqfd) {
            vnvme_call_read(&s->vectors[start].call);
        }
    }
}

static void vnvme_set_irqfds(VHostUserNvme *s, bool on)
{
    PCIDevice *pdev = PCI_DEVICE(s);
    unsigned i;

    if (on == s->irqfds || (on && !kvm_msi_via_irqfd_enabled())) {
        return;
    }
    s->irqfds = on;
    if (on) {
        msix_set_vector_notifiers(pdev, vnvme_vector_use, vnvme_vector_release,
                                  vnvme_vector_poll);
        return;
    }
    msix_unset_vector_notifiers(pdev);
    for (i = 0; i < s->nvectors; i++) {
        vnvme_vector_release(pdev, i);
        if (s->vectors[i].virq >= 0) {
            kvm_irqchip_release_virq(kvm_state, s->vectors[i].virq);
            s->vectors[i].virq = -1;
        }
    }
}

static void vnvme_vectors_cleanup(VHostUserNvme *s)
{
    while (s->nvectors) {
        EventNotifier *call = &s->vectors[--s->nvectors].call;

        event_notifier_set_handler(call, NULL);
        event_notifier_cleanup(call);
    }
    g_clear_pointer(&s->vectors, g_free);
}

static bool vnvme_vectors_init(VHostUserNvme *s, uint32_t n, Error **errp)
{
    int ret;

    s->vectors = g_new0(VnvmeVector, n);
    for (s->nvectors = 0; s->nvectors < n; s->nvectors++) {
        VnvmeVector *vec = &s->vectors[s->nvectors];

        vec->s = s;
        vec->virq = -1;
        ret = event_notifier_init(&vec->call, 0);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "no eventfd for vector %" PRIu32,
                             s->nvectors);
            return false;
        }
        event_notifier_set_handler(&vec->call, vnvme_call_read);
    }
    return true;
}

/* BAR0 */

static uint64_t vnvme_regs_read(void *opaque, hwaddr addr, unsigned size)
{
    VuNvmeReg reg = {
        .offset = cpu_to_le32(addr), .size = cpu_to_le32(size)
    };
    uint64_t value = UINT64_MAX;

    if (vnvme_request(opaque, VU_NVME_REG_READ, &reg,
                      offsetof(VuNvmeReg, value), &reg, sizeof(reg)) &&
        le32_to_cpu(reg.size) == size) {
        value = le64_to_cpu(reg.value);
    }
    trace_vhost_user_nvme_reg_read(addr, size, value);
    return value;
}

static void vnvme_regs_write(void *opaque, hwaddr addr, uint64_t value,
                             unsigned size)
{
    VuNvmeReg reg = {
        .offset = cpu_to_le32(addr), .size = cpu_to_le32(size),
        .value = cpu_to_le64(value)
    };
    uint64_t refused;

    trace_vhost_user_nvme_reg_write(addr, size, value);
    if (vnvme_request(opaque, VU_NVME_REG_WRITE, &reg, sizeof(reg),
                      &refused, sizeof(refused)) && refused) {
        qemu_log_mask(LOG_GUEST_ERROR, "vhost-user-nvme: write of 0x%" PRIx64
                      " to register 0x%" HWADDR_PRIx " was refused\n",
                      value, addr);
    }
}

static const MemoryRegionOps vnvme_regs_ops = {
    .read = vnvme_regs_read,
    .write = vnvme_regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

static uint64_t vnvme_doorbell_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void vnvme_doorbell_write(void *opaque, hwaddr addr, uint64_t value,
                                 unsigned size)
{
    VHostUserNvme *s = opaque;
    uint32_t *doorbell = s->devmem + addr;

    s->doorbell_writes++;
    trace_vhost_user_nvme_doorbell(addr, value);
    if (!s->alive) {
        return;
    }
    /*
     * Release: a polling target that sees the doorbell must see the entries
     * that the guest wrote before it.
     */
    qatomic_store_release(doorbell, cpu_to_le32(value));
    event_notifier_set(&s->kick);
}

static const MemoryRegionOps vnvme_doorbell_ops = {
    .read = vnvme_doorbell_read,
    .write = vnvme_doorbell_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* Connecting */

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

/* VHOST_F_LOG_ALL is to be accepted here once there is migration. */
static bool vnvme_negotiate(VHostUserNvme *s, VuNvmeInfo *info, Error **errp)
{
    VnvmeWire wire = vnvme_wire(s);
    uint64_t features, proto;

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
    proto = cpu_to_le64(VU_PROTOCOL_F_REPLY_ACK);
    return vnvme_wire_call(wire, VU_SET_PROTOCOL_FEATURES, &proto,
                           sizeof(proto), NULL, 0, errp) &&
           vnvme_wire_set(wire, VU_SET_OWNER, NULL, 0, NULL, 0, errp) &&
           vnvme_get_info(s, info, errp);
}

/* Give the target all that is shared; from then on it serves the guest. */
static bool vnvme_share(VHostUserNvme *s, Error **errp)
{
    VnvmeWire wire = vnvme_wire(s);
    uint64_t index;
    uint32_t i;
    int fd;

    if (!vnvme_send_mem_table(s, errp)) {
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
    s->stopped = false;
    s->alive = true;
    return true;
}

/* A target that came back (reconnect=) is taken into use by a guest's reset. */
static void vnvme_reconnect(VHostUserNvme *s)
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

static void vnvme_chardev_event(void *opaque, QEMUChrEvent event)
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

static void vnvme_vm_state_change(void *opaque, bool running, RunState state)
{
    VHostUserNvme *s = opaque;
    uint32_t flags = 0;
    uint64_t failed;

    if (running != s->stopped) {
        return;
    }
    if (vnvme_request(s, running ? VU_NVME_START : VU_NVME_STOP, &flags,
                      sizeof(flags), &failed, sizeof(failed)) && failed) {
        Error *err = NULL;

        error_setg(&err, "the target failed to %s",
                   running ? "start" : "stop");
        vnvme_die(s, err);
    }
    s->stopped = !running;
}

/* The PCI device */

static void vnvme_reset(DeviceState *dev)
{
    VHostUserNvme *s = VHOST_USER_NVME(dev);
    uint64_t failed;
    uint32_t i;

    trace_vhost_user_nvme_reset(s->alive);
    vnvme_set_irqfds(s, false);
    if (s->returned) {
        vnvme_reconnect(s);
    } else if (vnvme_request(s, VU_NVME_RESET, NULL, 0, &failed,
                             sizeof(failed)) && failed) {
        Error *err = NULL;

        error_setg(&err, "the target failed to reset");
        vnvme_die(s, err);
    }
    /* What was signalled before the reset is not for the guest after it. */
    for (i = 0; i < s->nvectors; i++) {
        event_notifier_test_and_clear(&s->vectors[i].call);
    }
}

static void vnvme_write_config(PCIDevice *pdev, uint32_t addr, uint32_t val,
                               int len)
{
    pci_default_write_config(pdev, addr, val, len);
    pcie_cap_flr_write_config(pdev, addr, val, len);
    vnvme_set_irqfds(VHOST_USER_NVME(pdev), msix_enabled(pdev));
}

static bool vnvme_check_chardev(VHostUserNvme *s, Error **errp)
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

static bool vnvme_check_config(VHostUserNvme *s, Error **errp)
{
    if (!vnvme_check_chardev(s, errp)) {
        return false;
    }
    if (g_str_equal(s->doorbells, "mapped")) {
        s->mapped = true;
    } else if (!g_str_equal(s->doorbells, "trapped")) {
        error_setg(errp, "doorbells='%s' is unknown: use trapped or mapped",
                   s->doorbells);
        return false;
    }
    if (s->mapped && qemu_real_host_page_size() > VNVME_DOORBELLS_SIZE) {
        error_setg(errp, "doorbells=mapped needs a host with 4 KiB pages: use "
                   "doorbells=trapped");
        return false;
    }
    if (s->timeout_ms < VNVME_MIN_TIMEOUT_MS ||
        s->timeout_ms > VNVME_MAX_TIMEOUT_MS) {
        error_setg(errp, "timeout-ms=%" PRIu32 " is out of range: %d to %d",
                   s->timeout_ms, VNVME_MIN_TIMEOUT_MS, VNVME_MAX_TIMEOUT_MS);
        return false;
    }
    if (pci_device_iommu_address_space(PCI_DEVICE(s)) !=
        &address_space_memory) {
        error_setg(errp, "an emulated IOMMU stands between the device and "
                   "guest RAM, which is not supported: remove the IOMMU or put "
                   "the device on a bus that bypasses it");
        return false;
    }
    return true;
}

static bool vnvme_open(VHostUserNvme *s, VuNvmeInfo *info, Error **errp)
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

static bool vnvme_init_devmem(VHostUserNvme *s, uint32_t size, Error **errp)
{
    int ret;

    s->devmem = qemu_memfd_alloc(TYPE_VHOST_USER_NVME, size, 0, &s->devmem_fd,
                                 errp);
    if (!s->devmem) {
        return false;
    }
    s->devmem_size = size;
    ret = event_notifier_init(&s->kick, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "no eventfd for doorbells");
        return false;
    }
    return true;
}

static void vnvme_init_bar0(VHostUserNvme *s)
{
    Object *obj = OBJECT(s);

    memory_region_init(&s->bar0, obj, "vhost-user-nvme-bar0", VNVME_BAR0_SIZE);
    memory_region_init_io(&s->regs, obj, &vnvme_regs_ops, s,
                          "vhost-user-nvme-regs", VNVME_REGS_SIZE);
    if (s->mapped) {
        memory_region_init_ram_ptr(&s->doorbell_page, obj,
                                   "vhost-user-nvme-doorbells",
                                   VNVME_DOORBELLS_SIZE, s->devmem);
    } else {
        memory_region_init_io(&s->doorbell_page, obj, &vnvme_doorbell_ops, s,
                              "vhost-user-nvme-doorbells",
                              VNVME_DOORBELLS_SIZE);
    }
    memory_region_add_subregion(&s->bar0, 0, &s->regs);
    memory_region_add_subregion(&s->bar0, VNVME_REGS_SIZE, &s->doorbell_page);
    pci_register_bar(PCI_DEVICE(s), 0, PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_TYPE_64, &s->bar0);
}

static bool vnvme_init_pci(VHostUserNvme *s, Error **errp)
{
    PCIDevice *pdev = PCI_DEVICE(s);
    uint32_t i;
    int pm;

    pci_config_set_prog_interface(pdev->config, 0x02);  /* NVM Express */
    pm = vnvme_pci_pm_init(pdev, 0x60, errp);
    if (pm < 0 || pcie_endpoint_cap_init(pdev, 0x80) < 0) {
        if (pm >= 0) {
            error_setg(errp, "no PCI Express capability");
        }
        return false;
    }
    pci_set_word(pdev->config + pm + PCI_PM_PMC, PCI_PM_CAP_VER_1_2);
    pci_set_word(pdev->config + pm + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(pdev->wmask + pm + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
    pcie_cap_flr_init(pdev);
    vnvme_init_bar0(s);
    if (msix_init_exclusive_bar(pdev, s->nvectors, VNVME_MSIX_BAR, errp) < 0) {
        return false;
    }
    for (i = 0; i < s->nvectors; i++) {
        msix_vector_use(pdev, i);
    }
    return true;
}

static void vnvme_exit(PCIDevice *pdev)
{
    VHostUserNvme *s = VHOST_USER_NVME(pdev);

    s->alive = false;
    s->returned = false;
    if (s->listener.name) {
        memory_listener_unregister(&s->listener);
        s->listener.name = NULL;
    }
    if (s->vmstate_entry) {
        qemu_del_vm_change_state_handler(s->vmstate_entry);
        s->vmstate_entry = NULL;
    }
    vnvme_set_irqfds(s, false);
    if (msix_present(pdev)) {
        msix_uninit_exclusive_bar(pdev);
    }
    /*
     * Each holds a reference to its owner, the device, which would never be
     * finalized, nor would management be told that it is gone.
     */
    if (memory_region_is_mapped(&s->regs)) {
        memory_region_del_subregion(&s->bar0, &s->doorbell_page);
        memory_region_del_subregion(&s->bar0, &s->regs);
    }
    vnvme_vectors_cleanup(s);
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

static void vnvme_realize(PCIDevice *pdev, Error **errp)
{
    ERRP_GUARD();
    VHostUserNvme *s = VHOST_USER_NVME(pdev);
    VuNvmeInfo info;
    uint32_t vectors;

    if (!vnvme_check_config(s, errp)) {
        return;
    }
    s->listener = (MemoryListener) {
        .name = TYPE_VHOST_USER_NVME,
        .begin = vnvme_listener_begin,
        .region_add = vnvme_listener_region,
        .region_nop = vnvme_listener_region,
        .commit = vnvme_listener_commit,
    };
    memory_listener_register(&s->listener, &address_space_memory);
    if (!vnvme_check_ram(s, errp) || !vnvme_open(s, &info, errp)) {
        goto fail;
    }
    vectors = s->num_io_queues ?: info.io_queues;
    vectors = MIN(vectors + 1, info.vectors);
    if (!vnvme_vectors_init(s, vectors, errp) ||
        !vnvme_init_devmem(s, info.devmem_size, errp) ||
        !vnvme_init_pci(s, errp) || !vnvme_share(s, errp)) {
        goto fail;
    }
    qemu_chr_fe_set_handlers(&s->chardev, NULL, NULL, vnvme_chardev_event,
                             NULL, s, NULL, true);
    s->vmstate_entry = qemu_add_vm_change_state_handler(vnvme_vm_state_change,
                                                        s);
    return;

fail:
    error_prepend(errp, "chardev '%s': ", vnvme_chardev_label(s));
    vnvme_exit(pdev);
}

static void vnvme_instance_init(Object *obj)
{
    VHostUserNvme *s = VHOST_USER_NVME(obj);

    s->devmem_fd = -1;
    s->doorbells = g_strdup("trapped");
    device_add_bootindex_property(obj, &s->bootindex, "bootindex",
                                  "/namespace@1,0", DEVICE(obj));
    object_property_add_uint64_ptr(obj, "doorbell-writes", &s->doorbell_writes,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(obj, "interrupts", &s->interrupts,
                                   OBJ_PROP_FLAG_READ);
}

/*
 * Device memory goes last: a CPU may still be on its way to a doorbell when
 * the device is unrealized, but not when the last reference to it is dropped.
 */
static void vnvme_instance_finalize(Object *obj)
{
    VHostUserNvme *s = VHOST_USER_NVME(obj);

    if (s->devmem) {
        event_notifier_cleanup(&s->kick);
        qemu_memfd_free(s->devmem, s->devmem_size, s->devmem_fd);
    }
    g_free(s->unshared_ram);
}

static VNVME_PROPERTY_CONST Property vnvme_properties[] = {
    DEFINE_PROP_CHR("chardev", VHostUserNvme, chardev),
    DEFINE_PROP_UINT16("num_io_queues", VHostUserNvme, num_io_queues, 0),
    DEFINE_PROP_STRING("doorbells", VHostUserNvme, doorbells),
    DEFINE_PROP_UINT32("timeout-ms", VHostUserNvme, timeout_ms, 10000),
    VNVME_PROPERTY_LIST_END
};

/* Saving the controller's state (NVME_STOP, flag 1) has its place here. */
static const VMStateDescription vnvme_vmstate = {
    .name = TYPE_VHOST_USER_NVME,
    .unmigratable = 1,
};

static void vnvme_class_init(ObjectClass *oc, VNVME_CLASS_CONST void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    pc->realize = vnvme_realize;
    pc->exit = vnvme_exit;
    pc->config_write = vnvme_write_config;
    pc->class_id = PCI_CLASS_STORAGE_EXPRESS;
    pc->vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET;
    pc->device_id = VNVME_PCI_DEVICE_ID;
    pc->revision = 1;
    set_bit(DEVICE_CATEGORY_STORAGE, dc->categories);
    dc->desc = "NVMe controller served over vhost-user";
    dc->vmsd = &vnvme_vmstate;
    device_class_set_props(dc, vnvme_properties);
    device_class_set_legacy_reset(dc, vnvme_reset);
}

static const TypeInfo vnvme_type_info = {
    .name = TYPE_VHOST_USER_NVME,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(VHostUserNvme),
    .instance_init = vnvme_instance_init,
    .instance_finalize = vnvme_instance_finalize,
    .class_init = vnvme_class_init,
    .interfaces = (VNVME_CLASS_CONST InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void vnvme_register_types(void)
{
    type_register_static(&vnvme_type_info);
}

type_init(vnvme_register_types)

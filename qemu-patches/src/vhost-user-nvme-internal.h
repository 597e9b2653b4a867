/*
 * vhost-user-nvme: what the files of the device share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_VHOST_USER_NVME_INTERNAL_H
#define HW_BLOCK_VHOST_USER_NVME_INTERNAL_H

#include "qemu/event_notifier.h"
#include "qemu/units.h"
#include "chardev/char-fe.h"
#include "chardev/char-socket.h"
#include "qom/object.h"
#include "vhost-user-nvme-compat.h"
#include "vhost-user-nvme-wire.h"

#define TYPE_VHOST_USER_NVME "vhost-user-nvme"
OBJECT_DECLARE_SIMPLE_TYPE(VHostUserNvme, VHOST_USER_NVME)

#define VNVME_DOORBELLS_SIZE    (4 * KiB)   /* page 0 of device memory */

/* No padding: regions are compared with memcmp(). */
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

    bool in_use;        /* a guest may depend on it: the target is waited for */
    bool alive;         /* the target is connected and knows everything */
    bool returned;      /* it died, and its successor has connected */
    bool vm_running;
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
    GArray *ram;        /* of VnvmeRegion, by address: what the guest has */
    GArray *new_ram;    /* the same while it changes */
    GArray *told_ram;   /* what of it the target has */
    unsigned slots;     /* regions that the target takes, device memory too */
    bool by_slot;       /* ADD_MEM_REG, REM_MEM_REG instead of SET_MEM_TABLE */
    unsigned nunshared; /* blocks of guest RAM that the target can't map */
    unsigned nnew_unshared;
    char *unshared_ram; /* name of the last of them */

    VMChangeStateEntry *vmstate_entry;
    uint64_t doorbell_writes;
    uint64_t interrupts;
};

/* vhost-user-nvme-session.c */

const char *vnvme_chardev_label(VHostUserNvme *s);
bool vnvme_check_chardev(VHostUserNvme *s, Error **errp);

/* Waits for the target, agrees with it and asks what it offers: @info */
bool vnvme_open(VHostUserNvme *s, VuNvmeInfo *info, Error **errp);
void vnvme_close(VHostUserNvme *s);

/* Give the target all that is shared; from then on it serves the guest. */
bool vnvme_share(VHostUserNvme *s, Error **errp);

/* A target that came back (reconnect=) is taken into use by a guest's reset. */
void vnvme_reconnect(VHostUserNvme *s);

void vnvme_chardev_event(void *opaque, QEMUChrEvent event);

/* The chardev's connection. It is valid as long as the big lock is held. */
VnvmeWire vnvme_wire(VHostUserNvme *s);

/* One of our own requests to a target that is in use */
bool vnvme_request(VHostUserNvme *s, uint32_t request,
                   const void *payload, size_t size,
                   void *reply, size_t reply_size);

/*
 * The target can't be used any more: from here on registers read as all ones
 * and doorbells are dropped. The chardev notices the shutdown and closes.
 * Frees @err.
 */
void vnvme_die(VHostUserNvme *s, Error *err);

/* vhost-user-nvme-mem.c */

void vnvme_listener_register(VHostUserNvme *s);
void vnvme_listener_unregister(VHostUserNvme *s);

void vnvme_ram_init(VHostUserNvme *s);
void vnvme_ram_cleanup(VHostUserNvme *s);

/* Whether a target could reach all of guest RAM; whether this one takes it */
bool vnvme_check_ram_shared(VHostUserNvme *s, Error **errp);
bool vnvme_check_ram_regions(VHostUserNvme *s, Error **errp);
/* The same for a machine that runs: what can't be reached is only warned of. */
void vnvme_warn_of_ram(VHostUserNvme *s);

/* A target that knows nothing yet gets device memory and guest RAM. */
bool vnvme_share_ram(VHostUserNvme *s, Error **errp);

/* vhost-user-nvme-msix.c */

bool vnvme_vectors_init(VHostUserNvme *s, uint32_t n, Error **errp);
void vnvme_vectors_cleanup(VHostUserNvme *s);
void vnvme_vectors_clear(VHostUserNvme *s);

/* On: KVM gets the vectors that the guest unmasks, where there is a KVM. */
void vnvme_set_irqfds(VHostUserNvme *s, bool on);

#endif /* HW_BLOCK_VHOST_USER_NVME_INTERNAL_H */

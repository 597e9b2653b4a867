/*
 * vhost-user-nvme: the messages between the device and the target
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_VHOST_USER_NVME_WIRE_H
#define HW_BLOCK_VHOST_USER_NVME_WIRE_H

#include "qapi/error.h"

#define VNVME_PROTOCOL_VERSION      1
#define VNVME_TABLE_REGIONS         8       /* of one SET_MEM_TABLE */
#define VNVME_MAX_SLOTS             509     /* as many as KVM and vhost have */
#define VNVME_MAX_FDS               VNVME_TABLE_REGIONS
#define VNVME_MAX_VECTORS           256     /* SET_VRING_CALL: 8 bit index */
#define VNVME_DEVMEM_GPA            0xffffffff00000000ULL

/* vhost-user, as far as it is used here; all of it is little-endian */
#define VU_GET_FEATURES             1
#define VU_SET_FEATURES             2
#define VU_SET_OWNER                3
#define VU_SET_MEM_TABLE            5
#define VU_SET_VRING_KICK           12
#define VU_SET_VRING_CALL           13
#define VU_GET_PROTOCOL_FEATURES    15
#define VU_SET_PROTOCOL_FEATURES    16
#define VU_GET_MAX_MEM_SLOTS        36
#define VU_ADD_MEM_REG              37
#define VU_REM_MEM_REG              38
#define VU_NVME_GET_INFO            0x4e00
#define VU_NVME_REG_READ            0x4e01
#define VU_NVME_REG_WRITE           0x4e02
#define VU_NVME_RESET               0x4e03
#define VU_NVME_STOP                0x4e04
#define VU_NVME_START               0x4e05

#define VU_VRING_NOFD               0x100
#define VU_F_VERSION_1              (1ULL << 32)
#define VU_F_PROTOCOL_FEATURES      (1ULL << 30)
#define VU_PROTOCOL_F_REPLY_ACK     (1ULL << 3)
#define VU_PROTOCOL_F_MEM_SLOTS     (1ULL << 15)

typedef struct QEMU_PACKED VuMemRegion {
    uint64_t gpa;
    uint64_t size;
    uint64_t hva;
    uint64_t fd_offset;
} VuMemRegion;

typedef struct QEMU_PACKED VuMemTable {
    uint32_t nregions;
    uint32_t padding;
    VuMemRegion regions[VNVME_TABLE_REGIONS];
} VuMemTable;

typedef struct QEMU_PACKED VuMemSlot {
    uint64_t padding;
    VuMemRegion region;
} VuMemSlot;
QEMU_BUILD_BUG_ON(sizeof(VuMemSlot) != 40);

typedef struct QEMU_PACKED VuNvmeInfo {
    uint32_t version;
    uint32_t flags;
    uint64_t cap;
    uint32_t vs;
    uint32_t io_queues;
    uint32_t vectors;
    uint32_t devmem_size;
} VuNvmeInfo;
QEMU_BUILD_BUG_ON(sizeof(VuNvmeInfo) != 32);

typedef struct QEMU_PACKED VuNvmeReg {
    uint32_t offset;
    uint32_t size;
    uint64_t value;
} VuNvmeReg;

/*
 * A connection. A call that takes longer than timeout_ms fails, or is waited
 * for if @patient, and then the log says so: giving up costs a guest its disk.
 */
typedef struct VnvmeWire {
    int fd;             /* -1: not connected */
    uint32_t timeout_ms;
    bool patient;
    const char *label;  /* of the chardev */
} VnvmeWire;

/* Call it once before any other call. */
void vnvme_wire_watch_shutdown(void);

/* QEMU has been told to end: nobody waits for the target any more. */
bool vnvme_wire_qemu_ends(void);

/* One message and its reply of exactly @reply_size bytes (0: none is due) */
bool vnvme_wire_call(VnvmeWire wire, uint32_t request,
                     const void *payload, size_t size,
                     void *reply, size_t reply_size, Error **errp);

/* A standard message, with file descriptors, that the target acknowledges */
bool vnvme_wire_set(VnvmeWire wire, uint32_t request,
                    const void *payload, size_t size,
                    const int *fds, unsigned nfds, Error **errp);

/* The same; whether the target refused it is in @refused. */
bool vnvme_wire_ask(VnvmeWire wire, uint32_t request,
                    const void *payload, size_t size,
                    const int *fds, unsigned nfds, uint64_t *refused,
                    Error **errp);

/* A standard message that asks for a number */
bool vnvme_wire_get(VnvmeWire wire, uint32_t request, uint64_t *value,
                    Error **errp);

#endif /* HW_BLOCK_VHOST_USER_NVME_WIRE_H */

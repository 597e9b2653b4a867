/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFIO_USER_WIRE_H
#define VFIO_USER_WIRE_H

/*
 * The vfio-user protocol, version 0.0: messages as they are on the socket, in the byte order of the
 * host. What follows the header is the same as in the ioctls of Linux' VFIO.
 */

#include <assert.h>
#include <stdint.h>

enum {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DEVICE_RESET = 13,
};

#define VFIO_USER_F_TYPE_MASK  0xfu
#define VFIO_USER_F_TYPE_CMD   0u
#define VFIO_USER_F_TYPE_REPLY 1u
#define VFIO_USER_F_NO_REPLY   (1u << 4)
#define VFIO_USER_F_ERROR      (1u << 5)

struct vfio_user_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* bytes of the whole message */
	uint32_t flags;
	uint32_t error; /* positive errno, with VFIO_USER_F_ERROR */
};

struct vfio_user_version {
	uint16_t major, minor; /* followed by JSON text with its NUL */
};

#define VFIO_USER_DMA_READ  (1u << 0)
#define VFIO_USER_DMA_WRITE (1u << 1)

struct vfio_user_dma_map {
	uint32_t argsz, flags;
	uint64_t offset; /* in the file */
	uint64_t iova, size;
};

#define VFIO_USER_UNMAP_ALL (1u << 1)

struct vfio_user_dma_unmap {
	uint32_t argsz, flags;
	uint64_t iova, size;
};

#define VFIO_USER_DEVICE_RESETS (1u << 0)
#define VFIO_USER_DEVICE_PCI	(1u << 1)

struct vfio_user_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};

enum {
	VFIO_USER_BAR0 = 0,
	VFIO_USER_CONFIG = 7,
	VFIO_USER_REGIONS = 9, /* BARs 0 to 5, ROM, configuration space, VGA */
};

#define VFIO_USER_REGION_F_READ	 (1u << 0)
#define VFIO_USER_REGION_F_WRITE (1u << 1)
#define VFIO_USER_REGION_F_MMAP	 (1u << 2)
#define VFIO_USER_REGION_F_CAPS	 (1u << 3)

struct vfio_user_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
};

/* The capability that says which part may be mapped: one area. */
#define VFIO_USER_CAP_SPARSE_MMAP 1

struct vfio_user_sparse_cap {
	uint16_t id, version;
	uint32_t next;
	uint32_t nr_areas, reserved;
	uint64_t offset, size;
};

struct vfio_user_io_fds {
	uint32_t argsz, flags, index, count;
};

enum {
	VFIO_USER_IRQ_MSIX = 2,
	VFIO_USER_IRQ_ERR = 3,
	VFIO_USER_IRQS = 5, /* INTx, MSI, MSI-X, ERR, REQ */
};

#define VFIO_USER_IRQ_F_EVENTFD (1u << 0)

struct vfio_user_irq_info {
	uint32_t argsz, flags, index, count;
};

#define VFIO_USER_SET_NONE    (1u << 0)
#define VFIO_USER_SET_BOOL    (1u << 1)
#define VFIO_USER_SET_EVENTFD (1u << 2)
#define VFIO_USER_SET_MASK    (1u << 3)
#define VFIO_USER_SET_UNMASK  (1u << 4)
#define VFIO_USER_SET_TRIGGER (1u << 5)

struct vfio_user_irq_set {
	uint32_t argsz, flags, index, start, count; /* followed by `count` bytes with SET_BOOL */
};

struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region, count; /* followed by the data */
};

static_assert(sizeof(struct vfio_user_header) == 16, "header");
static_assert(sizeof(struct vfio_user_dma_map) == 32, "DMA_MAP");
static_assert(sizeof(struct vfio_user_dma_unmap) == 24, "DMA_UNMAP");
static_assert(sizeof(struct vfio_user_region_info) == 32, "GET_REGION_INFO");
static_assert(sizeof(struct vfio_user_sparse_cap) == 32, "sparse mmap capability");
static_assert(sizeof(struct vfio_user_irq_set) == 20, "SET_IRQS");
static_assert(sizeof(struct vfio_user_region_access) == 16, "REGION_READ");

#endif

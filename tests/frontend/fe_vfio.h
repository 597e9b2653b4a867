/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_VFIO_H
#define TESTS_FRONTEND_FE_VFIO_H

/*
 * A vfio-user client: messages with file descriptors over a Unix socket, whole or plain wrong.
 * Functions return 0 or -errno unless said otherwise; an error reply is its -errno, a closed
 * connection -ECONNRESET.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fe_mem.h"

enum {
	FE_VFIO_VERSION = 1,
	FE_VFIO_DMA_MAP,
	FE_VFIO_DMA_UNMAP,
	FE_VFIO_GET_INFO,
	FE_VFIO_GET_REGION_INFO,
	FE_VFIO_GET_REGION_IO_FDS,
	FE_VFIO_GET_IRQ_INFO,
	FE_VFIO_SET_IRQS,
	FE_VFIO_REGION_READ,
	FE_VFIO_REGION_WRITE,
	FE_VFIO_DMA_READ,
	FE_VFIO_DMA_WRITE,
	FE_VFIO_RESET,
	FE_VFIO_WRITE_MULTI = 15,
	FE_VFIO_DEVICE_FEATURE,
	FE_VFIO_MIG_READ,
	FE_VFIO_MIG_WRITE,
};

#define FE_VFIO_F_REPLY	   1u
#define FE_VFIO_F_NO_REPLY 0x10u
#define FE_VFIO_F_ERROR	   0x20u

#define FE_VFIO_PAYLOAD_MAX 20000u
#define FE_VFIO_FDS_MAX	    16

#define FE_BAR0		  0u
#define FE_CONFIG	  7u
#define FE_BAR0_DOORBELLS 0x1000u

struct fe_vfio_hdr {
	uint16_t id, command;
	uint32_t size, flags, error;
};

struct fe_vfio_map {
	uint32_t argsz, flags;
	uint64_t offset, iova, size;
};

struct fe_vfio_unmap {
	uint32_t argsz, flags;
	uint64_t iova, size;
};

struct fe_vfio_region_info {
	uint32_t argsz, flags, index, cap_offset;
	uint64_t size, offset;
	/* with flag CAPS: one sparse area */
	uint16_t cap_id, cap_version;
	uint32_t cap_next, nr_areas, reserved;
	uint64_t area_offset, area_size;
};

struct fe_vfio_irq_info {
	uint32_t argsz, flags, index, count;
};

struct fe_vfio_irq_set {
	uint32_t argsz, flags, index, start, count;
};

struct fe_vfio_access {
	uint64_t offset;
	uint32_t region, count;
};

struct fe_vfio {
	int fd; /* -1: not connected */
	uint16_t id;
	pthread_mutex_t lock; /* doorbells are written by several threads */
};

struct fe_vfio_msg {
	struct fe_vfio_hdr hdr;
	uint8_t payload[FE_VFIO_PAYLOAD_MAX];
	int fd; /* that came with it, the receiver's to close; -1: none */
};

int fe_vfio_connect(struct fe_vfio *v, const char *path);
void fe_vfio_close(struct fe_vfio *v);
/* Any bytes, with any fds. */
int fe_vfio_send_raw(struct fe_vfio *v, const void *data, size_t len, const int *fds, int nfds);
int fe_vfio_send(struct fe_vfio *v, uint16_t command, uint32_t flags, const void *payload,
		 uint32_t len, const int *fds, int nfds);
int fe_vfio_recv(struct fe_vfio *v, struct fe_vfio_msg *msg, int timeout_ms);
/* Sends, and receives the answer, which must be right for the request; its payload stays in msg. */
int fe_vfio_call_fds(struct fe_vfio *v, uint16_t command, const void *payload, uint32_t len,
		     const int *fds, int nfds, struct fe_vfio_msg *msg);
/* The same, for an answer of exactly reply_len bytes (-EPROTO for any other). */
int fe_vfio_call(struct fe_vfio *v, uint16_t command, const void *payload, uint32_t len,
		 void *reply, uint32_t reply_len);
/* Whether the server closes the connection within that time; drops answers that still come. */
bool fe_vfio_closed(struct fe_vfio *v, int timeout_ms);

/* `json` may be NULL. */
int fe_vfio_version(struct fe_vfio *v, uint16_t major, uint16_t minor, const char *json);
/* Connects and negotiates as QEMU does. */
int fe_vfio_open(struct fe_vfio *v, const char *path);
/* fd -1: none; flags 3 are read and write. */
int fe_vfio_dma_map(struct fe_vfio *v, uint64_t iova, uint64_t size, uint64_t offset,
		    uint32_t flags, int fd);
int fe_vfio_dma_unmap(struct fe_vfio *v, uint64_t iova, uint64_t size);
int fe_vfio_map_all(struct fe_vfio *v, const struct fe_mem *mem);
int fe_vfio_read(struct fe_vfio *v, uint32_t region, uint64_t offset, uint32_t count, void *data);
int fe_vfio_write(struct fe_vfio *v, uint32_t region, uint64_t offset, uint32_t count,
		  const void *data);
/* Without an answer, as QEMU writes doorbells. */
int fe_vfio_post(struct fe_vfio *v, uint32_t region, uint64_t offset, uint32_t count,
		 const void *data);
/* Room for the capability decides about it; *fd as in fe_vfio_msg. */
int fe_vfio_region(struct fe_vfio *v, uint32_t index, uint32_t argsz,
		   struct fe_vfio_region_info *info, int *fd);
/* Eventfds for vectors from `start` on; fds NULL: none any more. */
int fe_vfio_set_vectors(struct fe_vfio *v, uint32_t start, uint32_t count, const int *fds);
int fe_vfio_vectors(struct fe_vfio *v, uint32_t *count);

#endif

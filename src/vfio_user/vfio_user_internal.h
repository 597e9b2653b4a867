/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFIO_USER_INTERNAL_H
#define VFIO_USER_INTERNAL_H

/*
 * Between the files of src/vfio_user. Everything runs on the control thread unless said otherwise.
 *
 * A controller has at most one session. What the controller takes time for is begun, the session's
 * socket is not read meanwhile, and the thread goes on with other sessions. All of it is in struct
 * vfio_user: who ends a session leaves the object in the state for the next one.
 */

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest_mem/guest_map.h"
#include "guest_mem/guest_mem.h"
#include "msgsock/listener.h"
#include "msgsock/msgsock.h"
#include "util/log.h"
#include "util/socket_file.h"
#include "vfio_user/pci_config.h"
#include "vfio_user/vfio_user.h"
#include "vfio_user/vfio_user_wire.h"

#define VFIO_USER_PAGE 4096u
/* File descriptors with one message, and bytes of data; both are told to the client. */
#define VFIO_USER_MAX_FDS  (unsigned int)MSGSOCK_MAX_FDS
#define VFIO_USER_MAX_DATA 16384u
/* DMA_MAP without a usable file descriptor counts, too. */
#define VFIO_USER_MAX_MAPS GUEST_MEM_MAX_REGIONS
/* All of a message behind its header. */
#define VFIO_USER_MAX_PAYLOAD (VFIO_USER_MAX_DATA + 256u)

/* BAR0: registers, doorbells, MSI-X table, pending bits; a page each. */
#define BAR0_DOORBELLS	0x1000u
#define BAR0_MSIX_TABLE 0x2000u
#define BAR0_MSIX_PBA	0x3000u
#define BAR0_SIZE	0x4000u

/* --- a controller and its session --- */

/* One DMA_MAP. */
struct vfio_user_map {
	uint64_t iova, size;
	struct guest_map map; /* none: the device can't get at this memory */
	int guard;
};

struct vfio_user {
	char name[64];
	struct vnvme_ctrl *ctrl;
	struct loop *loop;
	struct session_limits limits;
	struct session_share share; /* the session's */
	struct log_limit limit;
	bool mapped;

	/* listener.c */
	struct listener listener;
	char *socket_dir; /* made by us; NULL: none */
	sem_t *closing;	  /* who waits for the end of the session, to destroy the controller */

	/* session.c */
	struct msgsock ms; /* its message and answer */
	bool open;	   /* from the connection until the controller is detached */
	bool ending;	   /* the socket is closed, the session not yet over */
	bool end_begun;
	int accepted_fd; /* until the controller is ready; else -1 */
	bool negotiated;
	bool client_takes_fds;
	bool waiting; /* for reactors: vfio_user_ended() will be called */
	struct loop_work wait_work;
	int (*resume)(struct vfio_user *vu); /* when the wait is over: the result of the message */
	bool message_waits;		     /* until what was begun after the last one has ended */
	bool memory_stopped;
	bool stopped; /* without Bus Master Enable */

	/* The message that is handled, in ms, and its answer's payload. */
	struct vfio_user_header hdr;
	uint8_t *payload;
	uint32_t reply_size; /* as the handler says */
	int reply_fd;	     /* not ours; -1: none */

	/* How far it has come: bar.c, irq.c. */
	uint32_t done;
	uint64_t reg;
	bool rung;

	/* dma.c */
	struct vfio_user_map *maps; /* sorted by iova */
	uint32_t nmaps, maps_size;
	uint32_t nmapped; /* those with a mapping */
	uint64_t mapped_bytes;
	struct guest_mem mem;

	/* bar.c */
	uint8_t *doorbells; /* the page */
	int doorbell_fd; /* BAR0 up to the end of that page, if it is the guest's, too; else -1 */
	int kick_fd;	 /* -1: the page is polled */
	uint8_t msix_table[VFIO_USER_PAGE];

	struct pci_config pci;
};

/* A client can make these as fast as its socket goes. */
#define vfio_user_warn(vu, ...) log_limited(&(vu)->limit, LOG_LEVEL_WARN, (vu)->name, __VA_ARGS__)

/*
 * What a message's handler returns: 0 (the answer is in vu->reply), -errno (an error reply), or one
 * of these.
 */
enum {
	VFIO_USER_LATER = 1, /* a wait was begun; vu->resume returns the result */
	VFIO_USER_END = 2,   /* the session ends; the reason has been logged */
};

/* message.c: the one that has been received as a whole. */
int vfio_user_handle(struct vfio_user *vu);
/* Where the answer's payload goes. */
static inline void *vfio_user_reply(struct vfio_user *vu, uint32_t size)
{
	vu->reply_size = size;
	return vu->ms.out + sizeof(struct vfio_user_header);
}

/* version.c; payload of `size` bytes. */
int vfio_user_negotiate(struct vfio_user *vu, uint32_t size);

/* session.c */
/* Takes over a connected socket. */
void vfio_user_session_begin(struct vfio_user *vu, int fd);
/* Closes the socket and begins to detach the controller; vfio_user_session_over() follows. */
void vfio_user_session_end(struct vfio_user *vu);

/* wait.c */
/* Something is about to be begun, whose end is told by vfio_user_ended(vu); then `resume`. */
int vfio_user_later(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));
void vfio_user_ended(void *arg);
/* Waits for what begin() begins, then `resume` is called. */
int vfio_user_wait_reset(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));
int vfio_user_wait_memory(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));
int vfio_user_wait_stop(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));
int vfio_user_wait_start(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));

/* listener.c */
void vfio_user_session_over(struct vfio_user *vu);

/* dma.c */
int vfio_user_dma_map(struct vfio_user *vu, uint32_t size);
int vfio_user_dma_unmap(struct vfio_user *vu, uint32_t size);
/* The controller does not use the memory any more. */
void vfio_user_dma_drop(struct vfio_user *vu);

/* bar.c */
int vfio_user_bar_begin(struct vfio_user *vu);
void vfio_user_bar_end(struct vfio_user *vu);
void vfio_user_bar_reset(struct vfio_user *vu);
/* Of the message: an access that has been checked. */
int vfio_user_bar_read(struct vfio_user *vu);
int vfio_user_bar_write(struct vfio_user *vu);

/* region.c, irq.c */
/* The function as after a reset; its queues are gone. Then `resume`. */
int vfio_user_function_reset(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));
int vfio_user_answer_write(struct vfio_user *vu);
int vfio_user_region_info(struct vfio_user *vu, uint32_t size);
int vfio_user_region_io_fds(struct vfio_user *vu, uint32_t size);
int vfio_user_region_read(struct vfio_user *vu, uint32_t size);
int vfio_user_region_write(struct vfio_user *vu, uint32_t size);
int vfio_user_irq_info(struct vfio_user *vu, uint32_t size);
int vfio_user_set_irqs(struct vfio_user *vu, uint32_t size);
int vfio_user_reset(struct vfio_user *vu, uint32_t size);

#endif

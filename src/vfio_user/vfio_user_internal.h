/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFIO_USER_INTERNAL_H
#define VFIO_USER_INTERNAL_H

/*
 * Between the files of src/vfio_user. Everything runs on the event thread unless said otherwise.
 *
 * A controller has at most one session. A message that must wait for the guest's I/O (memory
 * changes, reset) begins that wait, the session's socket is not read meanwhile, and the thread goes
 * on with other sessions. All of it is in struct vfio_user: who ends a session leaves the object in
 * the state for the next one.
 */

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "guest_mem/guest_map.h"
#include "guest_mem/guest_mem.h"
#include "util/log.h"
#include "util/socket_file.h"
#include "vfio_user/pci_config.h"
#include "vfio_user/vfio_user.h"
#include "vfio_user/vfio_user_wire.h"

#define VFIO_USER_PAGE 4096u
/* File descriptors with one message, and bytes of data; both are told to the client. */
#define VFIO_USER_MAX_FDS  16u
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

/* --- the event thread: server.c --- */

/* What is run there; embedded in the sender's object, free again when fn is called. */
struct vfio_user_work {
	void (*fn)(void *arg);
	void *arg;
	struct vfio_user_work *next;
};

/* A file descriptor that is watched. */
struct vfio_user_source {
	void (*ready)(void *arg);
	void *arg;
	int fd;
	uint32_t events; /* 0: not watched */
};

/* Any thread, reactors too: it does not block. */
void vfio_user_post(struct vfio_user_server *server, struct vfio_user_work *work);
/* Level-triggered; 0 for `events` ends it. Returns 0 or -errno. */
int vfio_user_watch(struct vfio_user_server *server, struct vfio_user_source *source,
		    uint32_t events);

/* --- a controller and its session --- */

/* One DMA_MAP. */
struct vfio_user_map {
	uint64_t iova, size;
	struct guest_map map; /* none: the device can't get at this memory */
	int guard;
};

struct vfio_user {
	char name[64];
	struct vfio_user_server *server;
	struct vnvme_ctrl *ctrl;
	struct log_limit limit;
	bool mapped;

	/* listener.c */
	struct socket_file file;
	char *socket_dir; /* made by us; NULL: none */
	struct vfio_user_source listener;
	sem_t *closing; /* who waits for the end of the session, to destroy the controller */

	/* session.c */
	struct vfio_user_source socket; /* fd -1: no session, or one that ends */
	bool open;			/* from the connection until the controller is detached */
	bool negotiated;
	bool client_takes_fds;
	bool waiting;	   /* for reactors: waited() will be called */
	bool reset_at_end; /* the end of the session has got as far as that */
	struct vfio_user_work wait_work;
	int (*resume)(struct vfio_user *vu); /* when the wait is over: the result of the message */
	bool memory_stopped;
	bool stopped; /* without Bus Master Enable */

	/* The message that is received or handled. */
	struct vfio_user_header hdr;
	uint8_t *payload;	    /* VFIO_USER_MAX_PAYLOAD bytes */
	uint32_t received;	    /* bytes, header included */
	int fds[VFIO_USER_MAX_FDS]; /* -1: taken over */
	unsigned int nfds;

	/* The answer; none is begun while one is being sent. */
	uint8_t *reply;	       /* header and VFIO_USER_MAX_PAYLOAD bytes */
	uint32_t reply_size;   /* of the payload, as the handler says */
	int reply_fd;	       /* not ours; -1: none */
	uint32_t unsent, sent; /* bytes of the whole answer */

	/* dma.c */
	struct vfio_user_map *maps; /* VFIO_USER_MAX_MAPS, sorted by iova */
	uint32_t nmaps;
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
	return vu->reply + sizeof(struct vfio_user_header);
}

/* version.c; payload of `size` bytes. */
int vfio_user_negotiate(struct vfio_user *vu, uint32_t size);

/* session.c */
int vfio_user_session_begin(struct vfio_user *vu, int fd);
/* Closes the socket and begins to detach the controller; vfio_user_session_ended() follows. */
void vfio_user_session_end(struct vfio_user *vu);
/* Waits for what begin() begins, then `resume` is called. */
int vfio_user_wait_reset(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));
int vfio_user_wait_memory(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));
int vfio_user_wait_stop(struct vfio_user *vu, int (*resume)(struct vfio_user *vu));

/* listener.c */
void vfio_user_session_ended(struct vfio_user *vu);

/* dma.c */
int vfio_user_dma_map(struct vfio_user *vu, uint32_t size);
int vfio_user_dma_unmap(struct vfio_user *vu, uint32_t size);
/* The controller does not use the memory any more. */
void vfio_user_dma_drop(struct vfio_user *vu);

/* bar.c */
int vfio_user_bar_begin(struct vfio_user *vu);
void vfio_user_bar_end(struct vfio_user *vu);
void vfio_user_bar_reset(struct vfio_user *vu);
void vfio_user_bar_read(struct vfio_user *vu, uint32_t offset, uint32_t count, uint8_t *data);
void vfio_user_bar_write(struct vfio_user *vu, uint32_t offset, uint32_t count,
			 const uint8_t *data);

/* region.c, irq.c */
int vfio_user_region_info(struct vfio_user *vu, uint32_t size);
int vfio_user_region_io_fds(struct vfio_user *vu, uint32_t size);
int vfio_user_region_read(struct vfio_user *vu, uint32_t size);
int vfio_user_region_write(struct vfio_user *vu, uint32_t size);
int vfio_user_irq_info(struct vfio_user *vu, uint32_t size);
int vfio_user_set_irqs(struct vfio_user *vu, uint32_t size);
int vfio_user_reset(struct vfio_user *vu, uint32_t size);
/* The function as after a reset; its queues are gone. */
void vfio_user_function_reset(struct vfio_user *vu);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_VNVME_H
#define NVME_VNVME_H

/*
 * The NVMe controller core (NVMe 1.4): registers, admin queue, I/O queues, namespaces, log pages
 * and features. It knows no transport: one drives it through the calls below, all of them from one
 * thread at a time that is no reactor (the transport's event thread, or the main thread at the
 * end). They block until the reactors that own the controller's queues have done what is asked.
 *
 * A transport's session is
 *
 *	vnvme_attach()		when a VMM connects;
 *	vnvme_set_kick()	with an eventfd that it signals, or the VMM does, after a doorbell
 *				write; without one the doorbell page is polled;
 *	vnvme_memory_start()	with what it knows of the guest's memory, and the doorbell page;
 *	vnvme_set_irq()		for each vector, whenever the VMM says so;
 *	vnvme_reg_read(), vnvme_reg_write(), and stores into the doorbell page, as the guest makes
 *				its accesses;
 *	vnvme_memory_stop(), then vnvme_memory_start(), around each change of the memory;
 *	vnvme_reset()		when the PCI function is reset;
 *	vnvme_detach()		when the VMM is gone.
 *
 * Which calls wait for I/O, that is perhaps for long, is said with each; all others wait for one
 * round of the reactors. A transport whose thread serves several controllers uses the *_begin()
 * forms, which do not wait at all: ended(arg) is called on a reactor when it is done, perhaps
 * before the return, and must not block. Until then no other call is made for the controller. One
 * that returns an error has begun nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest_mem/guest_mem.h"

struct reactor;
struct vnvme_ctrl;

#define VNVME_MAX_IO_QUEUES  64
#define VNVME_MAX_NAMESPACES 256
#define VNVME_SERIAL_LEN     20
#define VNVME_MODEL_LEN	     40

struct vnvme_ns_params {
	const char *bdev;
	uint32_t nsid; /* 1..VNVME_MAX_NAMESPACES, unique */
	/*
	 * Its identity (UUID, NGUID and, derived, EUI64). Guests refuse a second namespace with the
	 * same one, also on another controller.
	 */
	uint8_t uuid[16];
	bool read_only;
};

struct vnvme_params {
	const char *name;   /* for messages */
	const char *serial; /* up to VNVME_SERIAL_LEN ASCII characters; also the subsystem's NQN */
	const char *model;  /* up to VNVME_MODEL_LEN */
	uint16_t cntlid;
	uint32_t io_queues; /* pairs, 1..VNVME_MAX_IO_QUEUES */
	const struct vnvme_ns_params *namespaces;
	size_t nnamespaces;
	/* Ids above it are never valid (NN); 0, or less than one of these has: what that needs. */
	uint32_t max_namespaces;
	/* The reactors that its queues are spread over; the first also owns the admin queue. */
	struct reactor *const *reactors;
	size_t nreactors;
	/* How long a reactor polls on after the last work: ns, 0, or REACTOR_NEVER_SLEEP. */
	uint64_t idle_ns;
	uint64_t request_memory; /* bytes, for lists of segments and ranges */
	unsigned int weight;	 /* of its share of a round, 1..REACTOR_WEIGHT_MAX; 0: 1 */
	/*
	 * The transport is told of the memory piece by piece. A queue, or the shadow doorbells,
	 * that the memory table lacks for now stop until they are in it again, instead of CSTS.CFS.
	 */
	bool memory_in_pieces;
};

/* Main thread. Returns 0 or -errno, having logged the reason. */
int vnvme_ctrl_create(const struct vnvme_params *params, struct vnvme_ctrl **out);
/* Detached before, and no namespace comes or goes. Main thread. */
void vnvme_ctrl_destroy(struct vnvme_ctrl *ctrl);

/*
 * Namespaces that come and go while the controller is there, whatever else happens to it. Main
 * thread, but ended(arg): it is called on a reactor, once, if 0 was returned, and must not block.
 * Then the main thread is to call *_end() with what *out was set to.
 *
 * The host is told of both (NVMe 1.4, 5.2: Namespace Attribute Changed), and the same id can be
 * used again at once. What is in flight to one that goes has the grace of bdev/drain.h; it ends in
 * Invalid Field in Command if it must be ended early, as new commands do.
 */
struct vnvme_ns;
/*
 * -EINVAL: the id is 0, or above vnvme_max_namespaces(); -EEXIST: the id, or the UUID, is taken;
 * or as bdev_open(). vnvme_ns_add_end() returns 0, or -errno: there was no channel, and it is gone.
 */
int vnvme_ns_add_begin(struct vnvme_ctrl *ctrl, const struct vnvme_ns_params *params,
		       void (*ended)(void *arg), void *arg, struct vnvme_ns **out);
int vnvme_ns_add_end(struct vnvme_ns *ns);
/* -ENOENT; -EBUSY: it is just coming or going. In the end the bdev is closed. */
int vnvme_ns_remove_begin(struct vnvme_ctrl *ctrl, uint32_t nsid, void (*ended)(void *arg),
			  void *arg, struct vnvme_ns **out);
void vnvme_ns_remove_end(struct vnvme_ns *ns);

/* Main thread. Of all, those that come or go (*busy) included. */
bool vnvme_ns_has(const struct vnvme_ctrl *ctrl, uint32_t nsid, bool *busy);
bool vnvme_ns_has_uuid(const struct vnvme_ctrl *ctrl, const uint8_t uuid[16]);
/* The id of one whose bdev was removed, and that is not just coming or going; 0: there is none. */
uint32_t vnvme_ns_lost(const struct vnvme_ctrl *ctrl);
/* One after the other, in no order: what it was made with. `last` is NULL at first. */
const struct vnvme_ns *vnvme_ns_list(const struct vnvme_ctrl *ctrl, const struct vnvme_ns *last,
				     struct vnvme_ns_params *params);
/* Constant while the controller lives. */
uint32_t vnvme_max_namespaces(const struct vnvme_ctrl *ctrl);

/* Constant while the controller lives. */
uint64_t vnvme_cap(const struct vnvme_ctrl *ctrl);
uint32_t vnvme_vs(const struct vnvme_ctrl *ctrl);
uint32_t vnvme_io_queues(const struct vnvme_ctrl *ctrl);
/* MSI-X vectors: one for the admin queue, one per I/O queue pair. */
uint32_t vnvme_vectors(const struct vnvme_ctrl *ctrl);

/*
 * A host appears: the controller is as after power-on, stopped, without memory, doorbells and
 * interrupts. detach() ends all that, waiting for I/O in flight.
 */
void vnvme_attach(struct vnvme_ctrl *ctrl);
void vnvme_attach_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg);
void vnvme_detach(struct vnvme_ctrl *ctrl);
void vnvme_detach_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg);

/*
 * Takes the guest's memory away (no access to it after the return, for which it waits for I/O in
 * flight), and gives it again. `mem` and the doorbell page (4096 bytes, laid out as BAR0 from
 * 1000h, DSTRD 0) stay the transport's, which keeps them mapped until the next call or
 * vnvme_detach(). mem->lost is watched.
 */
void vnvme_memory_stop(struct vnvme_ctrl *ctrl);
void vnvme_memory_stop_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg);
void vnvme_memory_start(struct vnvme_ctrl *ctrl, const struct guest_mem *mem, void *doorbells);
void vnvme_memory_start_begin(struct vnvme_ctrl *ctrl, const struct guest_mem *mem, void *doorbells,
			      void (*ended)(void *arg), void *arg);

/*
 * The eventfd that vector v is signalled by, or -1. Takes it over, and closes the one before when
 * no reactor uses it any more. Returns 0, or -EINVAL (and closes it): no such vector.
 */
int vnvme_set_irq(struct vnvme_ctrl *ctrl, uint32_t vector, int fd);
int vnvme_set_irq_begin(struct vnvme_ctrl *ctrl, uint32_t vector, int fd, void (*ended)(void *arg),
			void *arg);
/* Signals the vector's eventfd, if it has one: the VMM asks for an interrupt to test its way. */
void vnvme_trigger_irq(struct vnvme_ctrl *ctrl, uint32_t vector);
int vnvme_trigger_irq_begin(struct vnvme_ctrl *ctrl, uint32_t vector, void (*ended)(void *arg),
			    void *arg);
/*
 * The eventfd that is signalled after a doorbell write; taken over. -1: there is none, the doorbell
 * page is to be polled as long as the controller is enabled.
 */
void vnvme_set_kick(struct vnvme_ctrl *ctrl, int fd);
void vnvme_set_kick_begin(struct vnvme_ctrl *ctrl, int fd, void (*ended)(void *arg), void *arg);

/* Has its reactors look for commands that are in flight for long: stats/slow_io.h. Main thread. */
void vnvme_look(struct vnvme_ctrl *ctrl);

/*
 * Lets another of the controller's reactors serve I/O submission queue `sqid`, with its completion
 * queue and the others that feed that. Waits; for I/O in flight while it goes on, 200 ms
 * at most. Returns 0;
 * -EAGAIN: nothing has changed, as I/O took longer or the controller is paused, reset or the like;
 * -EALREADY: it is there; -ENOENT: there is no such queue; -EINVAL: the reactor is not the
 * controller's. Any thread but a reactor.
 */
int vnvme_move_queue(struct vnvme_ctrl *ctrl, unsigned int sqid, const struct reactor *to);

/*
 * Register access, offsets below 1000h (NVMe 1.4, 3.1). -EINVAL: an offset or size that is no
 * register access; reserved registers read as 0 and ignore writes. A write that enables the
 * controller returns when CSTS.RDY or CSTS.CFS is set.
 */
int vnvme_reg_read(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t size, uint64_t *value);
int vnvme_reg_write(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t size, uint64_t value);
int vnvme_reg_read_begin(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t size, uint64_t *value,
			 void (*ended)(void *arg), void *arg);
int vnvme_reg_write_begin(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t size, uint64_t value,
			  void (*ended)(void *arg), void *arg);

/* Back to the state after power-on, waiting for I/O in flight. Memory, doorbells, interrupts stay.
 */
void vnvme_reset(struct vnvme_ctrl *ctrl);
void vnvme_reset_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg);
/*
 * The VM is paused, or the function may not be bus master: no I/O in flight, for which it waits,
 * and the rings are untouched from the return on until start.
 */
void vnvme_stop(struct vnvme_ctrl *ctrl);
void vnvme_stop_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg);
void vnvme_start(struct vnvme_ctrl *ctrl);
void vnvme_start_begin(struct vnvme_ctrl *ctrl, void (*ended)(void *arg), void *arg);

#endif

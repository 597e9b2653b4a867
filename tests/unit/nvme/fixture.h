/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_NVME_FIXTURE_H
#define TESTS_UNIT_NVME_FIXTURE_H

/*
 * A host with one controller, and no VMM: guest memory and the doorbell page are plain memory, the
 * interrupts eventfds, and the doorbells follow the rule that Linux's driver has. Namespace 1 is in
 * RAM, 2 is a null bdev, and 3 one with a latency.
 */

#include <endian.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "../tools.h"
#include "bdev/bdev_backends.h"
#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/group.h"
#include "nvme/sq.h"

#define HOST_RAM     (16u << 20)
#define HOST_GPA     0x40000000u
#define HOST_QUEUES  8
#define HOST_PAGE    4096u
#define NS_RAM	     1
#define NS_NULL	     2
#define NS_SLOW	     3
#define RAM_BLOCKS   8192u /* of 512 bytes */
#define NULL_BLOCKS  (1u << 21)
#define IRQ_VECTORS  (HOST_QUEUES + 1)
#define WAIT_SECONDS 30

/* Statuses as they are in a CQE, without More and Do Not Retry: type and code. */
#define ST_CMD(sc)   (0x100 | (sc))
#define ST_MEDIA(sc) (0x200 | (sc))
#define ST_MASK	     0x7ff

struct host_params {
	uint64_t idle_ns;
	unsigned int reactors;	 /* 0: one */
	uint32_t latency_us;	 /* of namespace 3; 0: 10 s */
	uint32_t max_namespaces; /* 0: 3 */
	bool no_kick;		 /* mapped doorbells */
	bool shadow;		 /* Doorbell Buffer Config */
};

struct host_queue {
	struct host *h;
	uint16_t qid, cqid, sq_size, cq_size;
	uint16_t tail, head, phase, cid;
	uint64_t sq_gpa, cq_gpa;
	/* Real doorbells written, by kind. */
	uint64_t sq_doorbells, cq_doorbells;
};

struct host {
	struct reactor *r[2];
	size_t nr;
	struct vnvme_ctrl *ctrl;
	struct guest_mem mem;
	uint8_t *ram;
	uint64_t used; /* of the RAM */
	uint32_t *doorbells;
	int kick, irq[IRQ_VECTORS];
	uint64_t shadow, eventidx; /* guest addresses; 0: none */
	struct host_queue admin, io[HOST_QUEUES + 1];
};

/* --- memory --- */

static inline void *host_ptr(const struct host *h, uint64_t gpa)
{
	return h->ram + (gpa - HOST_GPA);
}

/* Zeroed pages. */
static inline uint64_t host_alloc(struct host *h, size_t len)
{
	uint64_t gpa = HOST_GPA + h->used;

	h->used += (len + HOST_PAGE - 1) / HOST_PAGE * HOST_PAGE;
	if (h->used > HOST_RAM) {
		printf("not ok fixture - out of guest memory\n");
		exit(1);
	}
	memset(host_ptr(h, gpa), 0, len);
	return gpa;
}

/* --- doorbells --- */

/* Linux, nvme_dbbuf_need_event(). */
static inline bool host_need_event(uint16_t event_idx, uint16_t new_idx, uint16_t old)
{
	return (uint16_t)(new_idx - event_idx - 1) < (uint16_t)(new_idx - old);
}

static inline void host_real_doorbell(struct host *h, unsigned int index, uint32_t value)
{
	uint64_t one = 1;

	__atomic_store_n(&h->doorbells[index], htole32(value), __ATOMIC_RELEASE);
	if (h->kick >= 0 && write(h->kick, &one, sizeof(one)) < 0)
		CU_FAIL("kick");
}

/* True if the real one had to be written. The admin queue has no shadow, as with Linux. */
static inline bool host_doorbell(struct host *h, unsigned int index, uint32_t value)
{
	uint32_t *shadow, *eventidx, old, ei;

	if (h->shadow && index >= 2) {
		shadow = (uint32_t *)host_ptr(h, h->shadow) + index;
		eventidx = (uint32_t *)host_ptr(h, h->eventidx) + index;
		old = le32toh(*shadow);
		__atomic_store_n(shadow, htole32(value), __ATOMIC_RELEASE);
		full_barrier();
		ei = le32toh(__atomic_load_n(eventidx, __ATOMIC_ACQUIRE));
		if (!host_need_event((uint16_t)ei, (uint16_t)value, (uint16_t)old))
			return false;
	}
	host_real_doorbell(h, index, value);
	return true;
}

static inline void host_ring_sq(struct host_queue *q)
{
	q->sq_doorbells += host_doorbell(q->h, 2u * q->qid, q->tail);
}

static inline void host_ring_cq(struct host_queue *q)
{
	q->cq_doorbells += host_doorbell(q->h, 2u * q->cqid + 1, q->head);
}

/* --- queues --- */

/* The entry is written, the doorbell is not. Returns the command's id. */
static inline uint16_t host_put(struct host_queue *q, struct nvme_sqe sqe)
{
	struct nvme_sqe *ring = host_ptr(q->h, q->sq_gpa);

	sqe.cid = htole16(q->cid);
	ring[q->tail] = sqe;
	if (++q->tail == q->sq_size)
		q->tail = 0;
	return q->cid++;
}

static inline uint16_t host_submit(struct host_queue *q, struct nvme_sqe sqe)
{
	uint16_t cid = host_put(q, sqe);

	host_ring_sq(q);
	return cid;
}

static inline bool host_pending(const struct host_queue *q)
{
	struct nvme_cqe *cqe = (struct nvme_cqe *)host_ptr(q->h, q->cq_gpa) + q->head;
	uint32_t last = __atomic_load_n((uint32_t *)(void *)&cqe->cid, __ATOMIC_ACQUIRE);

	return (le32toh(last) >> 16 & 1) == q->phase;
}

/* Takes an entry; its doorbell is not written. */
static inline bool host_take(struct host_queue *q, struct nvme_cqe *out)
{
	struct nvme_cqe *ring = host_ptr(q->h, q->cq_gpa);

	if (!host_pending(q))
		return false;
	*out = ring[q->head];
	if (++q->head == q->cq_size) {
		q->head = 0;
		q->phase ^= 1;
	}
	return true;
}

static inline uint16_t host_status(const struct nvme_cqe *cqe)
{
	return le16toh(cqe->status) >> 1 & ST_MASK;
}

/* Waits for an entry, and gives it back to the controller. */
static inline struct nvme_cqe host_wait(struct host_queue *q)
{
	uint64_t end = time_now_ns() + WAIT_SECONDS * NS_PER_SEC;
	struct nvme_cqe cqe;
	int turns = 0;

	while (!host_take(q, &cqe)) {
		if (++turns % 256)
			continue;
		/* Where others want the CPU, who spins takes it from the reactor that we wait for.
		 */
		if (turns < 16 * 256)
			sched_yield();
		else
			test_sleep_ns(50 * NS_PER_US);
		if (time_now_ns() > end) {
			printf("not ok fixture - no completion on queue %u\n", q->cqid);
			exit(1);
		}
	}
	host_ring_cq(q);
	return cqe;
}

/* One command from beginning to end. */
static inline uint16_t host_run_cqe(struct host_queue *q, struct nvme_sqe sqe, struct nvme_cqe *cqe)
{
	uint16_t cid = host_submit(q, sqe);

	*cqe = host_wait(q);
	CU_ASSERT_EQUAL(le16toh(cqe->cid), cid);
	CU_ASSERT_EQUAL(le16toh(cqe->sq_id), q->qid);
	return host_status(cqe);
}

static inline uint16_t host_run(struct host_queue *q, struct nvme_sqe sqe)
{
	struct nvme_cqe cqe;

	return host_run_cqe(q, sqe, &cqe);
}

static inline uint16_t host_admin(struct host *h, struct nvme_sqe sqe)
{
	return host_run(&h->admin, sqe);
}

static inline void host_queue_init(struct host_queue *q, struct host *h, uint16_t qid,
				   uint16_t sq_size, uint16_t cq_size)
{
	*q = (struct host_queue){
		.h = h,
		.qid = qid,
		.cqid = qid,
		.sq_size = sq_size,
		.cq_size = cq_size,
		.phase = 1,
		.sq_gpa = host_alloc(h, sq_size * sizeof(struct nvme_sqe)),
		.cq_gpa = host_alloc(h, cq_size * sizeof(struct nvme_cqe)),
	};
}

/* --- commands --- */

static inline struct nvme_sqe sqe_create_cq(const struct host_queue *q)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_create_cq,
		.prp1 = htole64(q->cq_gpa),
		.cdw10 = htole32((q->cq_size - 1u) << 16 | q->cqid),
		.cdw11 = htole32((uint32_t)q->cqid << 16 | 3),
	};
}

static inline struct nvme_sqe sqe_create_sq(const struct host_queue *q)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_create_sq,
		.prp1 = htole64(q->sq_gpa),
		.cdw10 = htole32((q->sq_size - 1u) << 16 | q->qid),
		.cdw11 = htole32((uint32_t)q->cqid << 16 | 1),
	};
}

static inline struct nvme_sqe sqe_delete(uint8_t opcode, uint16_t qid)
{
	return (struct nvme_sqe){.opcode = opcode, .cdw10 = htole32(qid)};
}

static inline struct nvme_sqe sqe_dbbuf(uint64_t shadow, uint64_t eventidx)
{
	return (struct nvme_sqe){
		.opcode = nvme_admin_dbbuf,
		.prp1 = htole64(shadow),
		.prp2 = htole64(eventidx),
	};
}

static inline struct nvme_sqe sqe_rw(uint8_t opcode, uint32_t nsid, uint64_t lba, uint32_t nblocks,
				     uint64_t prp1)
{
	return (struct nvme_sqe){
		.opcode = opcode,
		.nsid = htole32(nsid),
		.prp1 = htole64(prp1),
		.cdw10 = htole32((uint32_t)lba),
		.cdw11 = htole32((uint32_t)(lba >> 32)),
		.cdw12 = htole32(nblocks - 1),
	};
}

static inline struct nvme_sqe sqe_flush(uint32_t nsid)
{
	return (struct nvme_sqe){.opcode = nvme_cmd_flush, .nsid = htole32(nsid)};
}

/* How many entries wait for the host; none is taken. */
static inline unsigned int host_count_pending(const struct host_queue *q)
{
	struct host_queue look = *q;
	struct nvme_cqe cqe;
	unsigned int n = 0;

	while (n < q->cq_size && host_take(&look, &cqe))
		n++;
	return n;
}

struct host_peek {
	const struct vnvme_sq *sq;
	uint16_t head;
};

static inline void host_peek_fn(void *arg)
{
	struct host_peek *peek = arg;

	peek->head = peek->sq->head;
}

/* Whether the controller has fetched all that was submitted to the queue (the argument). */
static inline bool host_all_fetched(void *arg)
{
	const struct host_queue *q = arg;
	struct host_peek peek = {.sq = q->h->ctrl->sqs[q->qid]};

	reactor_call(peek.sq->group->reactor, host_peek_fn, &peek);
	return peek.head == q->tail;
}

/* --- registers --- */

static inline uint64_t host_reg(struct host *h, uint32_t offset, uint32_t size)
{
	uint64_t value = UINT64_MAX;

	CU_ASSERT_EQUAL(vnvme_reg_read(h->ctrl, offset, size, &value), 0);
	return value;
}

static inline void host_set_reg(struct host *h, uint32_t offset, uint32_t size, uint64_t value)
{
	CU_ASSERT_EQUAL(vnvme_reg_write(h->ctrl, offset, size, value), 0);
}

#define CC_ENABLE   0x00460001u /* 64 and 16 byte entries */
#define CSTS_READY  1u
#define CSTS_FATAL  2u
#define CSTS_SHST   0xcu
#define REG_CSTS(h) ((uint32_t)host_reg(h, NVME_REG_CSTS, 4))

/* With new admin queues. True if it became ready. */
static inline bool host_enable(struct host *h, uint16_t entries)
{
	host_queue_init(&h->admin, h, 0, entries, entries);
	host_set_reg(h, NVME_REG_AQA, 4, (entries - 1u) << 16 | (entries - 1u));
	host_set_reg(h, NVME_REG_ASQ, 8, h->admin.sq_gpa);
	host_set_reg(h, NVME_REG_ACQ, 8, h->admin.cq_gpa);
	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE);
	return REG_CSTS(h) == CSTS_READY;
}

/* CC.EN = 0, and waits for CSTS.RDY = 0. */
static inline void host_disable(struct host *h)
{
	uint64_t end = time_now_ns() + WAIT_SECONDS * NS_PER_SEC;

	host_set_reg(h, NVME_REG_CC, 4, CC_ENABLE & ~1u);
	while (REG_CSTS(h) & CSTS_READY && time_now_ns() < end)
		sched_yield();
	CU_ASSERT_EQUAL(REG_CSTS(h), 0);
	h->shadow = 0;
}

static inline void host_use_shadow(struct host *h)
{
	uint64_t shadow = host_alloc(h, HOST_PAGE), eventidx = host_alloc(h, HOST_PAGE);

	CU_ASSERT_EQUAL(host_admin(h, sqe_dbbuf(shadow, eventidx)), 0);
	h->shadow = shadow;
	h->eventidx = eventidx;
}

/* The shadows of a queue that is used again: its driver's to clear. */
static inline void host_clear_shadow(struct host *h, uint16_t qid)
{
	uint32_t *shadow;

	if (!h->shadow)
		return;
	shadow = (uint32_t *)host_ptr(h, h->shadow) + 2 * (size_t)qid;
	__atomic_store_n(&shadow[0], 0, __ATOMIC_RELEASE);
	__atomic_store_n(&shadow[1], 0, __ATOMIC_RELEASE);
}

/* A pair of queues; the vector has the queue's number. */
static inline struct host_queue *host_add_queue(struct host *h, uint16_t qid, uint16_t sq_size,
						uint16_t cq_size)
{
	struct host_queue *q = &h->io[qid];

	host_queue_init(q, h, qid, sq_size, cq_size);
	host_clear_shadow(h, qid);
	CU_ASSERT_EQUAL(host_admin(h, sqe_create_cq(q)), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_create_sq(q)), 0);
	return q;
}

static inline void host_delete_queue(struct host *h, uint16_t qid)
{
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_sq, qid)), 0);
	CU_ASSERT_EQUAL(host_admin(h, sqe_delete(nvme_admin_delete_cq, qid)), 0);
}

/* --- the whole --- */

static inline void host_make_bdevs(uint32_t latency_us)
{
	char err[BDEV_ERR_MAX] = "";
	struct bdev_malloc_params ram = {
		.common = {.name = "ram", .block_size = 512},
		.numa_node = -1,
	};
	struct bdev_null_params fast = {
		.common = {.name = "null", .block_size = 512},
	};
	struct bdev_null_params slow = {
		.common = {.name = "slow", .block_size = 512},
		.latency_us = latency_us,
	};

	ram.common.size_bytes = RAM_BLOCKS * 512ull;
	fast.common.size_bytes = slow.common.size_bytes = NULL_BLOCKS * 512ull;
	if (bdev_malloc_create(&ram, err) || bdev_null_create(&fast, err) ||
	    bdev_null_create(&slow, err)) {
		printf("not ok fixture - %s\n", err);
		exit(1);
	}
}

static inline void host_remove_bdevs(void)
{
	static const char *const names[] = {"ram", "null", "slow"};
	struct bdev *bdev;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		bdev = bdev_find(names[i]);
		if (bdev) /* a case may have removed it */
			bdev_remove(bdev, NULL, NULL);
	}
}

static inline void *host_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static inline void host_give_memory(struct host *h)
{
	guest_mem_clear(&h->mem);
	CU_ASSERT_EQUAL(guest_mem_add(&h->mem, HOST_GPA, HOST_RAM, h->ram), 0);
	vnvme_memory_start(h->ctrl, &h->mem, h->doorbells);
}

/* A front-end connects: attach, eventfds, memory. */
static inline void host_attach(struct host *h, bool kick)
{
	int i;

	vnvme_attach(h->ctrl);
	for (i = 0; i < IRQ_VECTORS; i++) {
		h->irq[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		CU_ASSERT_EQUAL(vnvme_set_irq(h->ctrl, (uint32_t)i, dup(h->irq[i])), 0);
	}
	h->kick = -1;
	if (kick) {
		h->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		vnvme_set_kick(h->ctrl, dup(h->kick));
	}
	host_give_memory(h);
}

static inline void host_detach(struct host *h)
{
	int i;

	vnvme_detach(h->ctrl);
	for (i = 0; i < IRQ_VECTORS; i++)
		close(h->irq[i]);
	if (h->kick >= 0)
		close(h->kick);
	h->kick = -1;
	h->shadow = 0;
	h->used = 0;
	guest_mem_clear(&h->mem);
}

/* Attached, but not enabled. */
static inline struct host *host_open_off(const struct host_params *p)
{
	static const struct vnvme_ns_params ns[] = {
		{.bdev = "ram", .uuid = {[15] = NS_RAM}, .nsid = NS_RAM},
		{.bdev = "null", .uuid = {[15] = NS_NULL}, .nsid = NS_NULL},
		{.bdev = "slow", .uuid = {[15] = NS_SLOW}, .nsid = NS_SLOW},
	};
	struct host *h = calloc(1, sizeof(*h));
	struct vnvme_params vp = {
		.name = "test",
		.serial = "SN1",
		.model = "a model",
		.cntlid = 1,
		.io_queues = HOST_QUEUES,
		.namespaces = ns,
		.nnamespaces = ARRAY_SIZE(ns),
		.max_namespaces = p->max_namespaces,
		.idle_ns = p->idle_ns,
	};

	log_set_level(LOG_LEVEL_ERROR);
	for (h->nr = 0; h->nr < (p->reactors ? p->reactors : 1); h->nr++)
		if (reactor_create(test_cpu((int)h->nr), &h->r[h->nr]))
			exit(1);
	vp.reactors = h->r;
	vp.nreactors = h->nr;
	host_make_bdevs(p->latency_us ? p->latency_us : 10000000);
	if (vnvme_ctrl_create(&vp, &h->ctrl))
		exit(1);
	h->ram = host_map(HOST_RAM);
	h->doorbells = host_map(HOST_PAGE);
	host_attach(h, !p->no_kick);
	return h;
}

/* Enabled, with shadow doorbells if they are asked for, and without I/O queues. */
static inline struct host *host_open(const struct host_params *p)
{
	struct host *h = host_open_off(p);

	CU_ASSERT_TRUE(host_enable(h, 32));
	if (p->shadow)
		host_use_shadow(h);
	return h;
}

static inline void host_close(struct host *h)
{
	host_detach(h);
	vnvme_ctrl_destroy(h->ctrl);
	host_remove_bdevs();
	while (h->nr)
		reactor_destroy(h->r[--h->nr]);
	munmap(h->ram, HOST_RAM);
	munmap(h->doorbells, HOST_PAGE);
	free(h);
}

#endif

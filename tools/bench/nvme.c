/* SPDX-License-Identifier: BSD-3-Clause */
/* An NVMe controller as a driver brings it up: NVMe 1.4, 7.6.1. */
#include <endian.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "device.h"
#include "message.h"
#include "nvme_queue.h"
#include "tsc.h"
#include "util/util.h"

#define ADMIN_ENTRIES	 32u
#define LINUX_QUEUE_SIZE 1024u
#define OACS_DBBUF	 (1u << 8)
#define ONCS_DSM	 (1u << 2)
#define FID_QUEUES	 7
#define SHUTDOWN_NS	 (5ULL * 1000000000)

struct nvme_device {
	struct device dev;
	struct nvme_transport *t;
	struct nvme_queue admin, *queues;
	uint64_t cap;
	uint32_t queue_size;
	uint32_t *shadow, *eventidx; /* NULL: the controller has none */
	uint8_t *page;		     /* for data of admin commands */
	int nvectors, *vectors;
};

static struct nvme_device *of(struct device *d)
{
	return container_of(d, struct nvme_device, dev);
}

/* --- registers --- */

static int wait_ready(struct nvme_device *n, uint64_t ready)
{
	uint64_t end = tsc_clock_ns() + n->dev.o->timeout_ns, csts;

	do {
		if (n->t->ops->reg_read(n->t, NVME_REG_CSTS, 4, &csts))
			return -1;
		if (ready && csts & 2)
			return bench_error(
				"the controller has failed (CSTS.CFS) while it was being "
				"enabled; its log may tell why");
		if ((csts & 1) == ready)
			return 0;
		usleep(500);
	} while (tsc_clock_ns() < end);
	return bench_error("the controller does not become %s in time (--timeout)",
			   ready ? "ready" : "idle");
}

static int reg_write(struct nvme_device *n, uint32_t offset, uint32_t size, uint64_t value)
{
	return n->t->ops->reg_write(n->t, offset, size, value);
}

static uint32_t cc(bool enable)
{
	return (uint32_t)enable << NVME_CC_EN_SHIFT | 6u << NVME_CC_IOSQES_SHIFT |
	       4u << NVME_CC_IOCQES_SHIFT;
}

static int init_rings(struct nvme_device *n, struct nvme_queue *nq, uint16_t qid, uint32_t size)
{
	uint32_t stride = 1u << (n->cap >> 32 & 0xf);

	nq->t = n->t;
	nq->mem = &n->dev.mem;
	nq->size = size;
	nq->expect = 1;
	nq->stride = stride;
	nq->sq = memory_alloc(&n->dev.mem, size * sizeof(*nq->sq), MEMORY_PAGE);
	nq->cq = memory_alloc(&n->dev.mem, size * sizeof(*nq->cq), MEMORY_PAGE);
	if (!nq->sq || !nq->cq)
		return -1;
	if ((2ull * qid * stride + stride + 1) * 4 > n->t->doorbell_bytes)
		return bench_error(
			"queue %u has no room among the doorbells; use less --numjobs or "
			"--idle-queues",
			qid);
	nq->doorbells = n->t->doorbells + 2ul * qid * stride;
	if (qid && n->shadow) {
		nq->shadow = n->shadow + 2ul * qid * stride;
		nq->eventidx = n->eventidx + 2ul * qid * stride;
	}
	return 0;
}

static int enable(struct nvme_device *n)
{
	uint32_t entries = ADMIN_ENTRIES - 1;
	uint64_t old;

	if (n->t->ops->reg_read(n->t, NVME_REG_CC, 4, &old))
		return -1;
	if (old & 1 && reg_write(n, NVME_REG_CC, 4, old & ~1ULL))
		return -1;
	if (wait_ready(n, 0) || init_rings(n, &n->admin, 0, ADMIN_ENTRIES))
		return -1;
	if (reg_write(n, NVME_REG_AQA, 4, entries << 16 | entries) ||
	    reg_write(n, NVME_REG_ASQ, 8, memory_gpa(&n->dev.mem, n->admin.sq)) ||
	    reg_write(n, NVME_REG_ACQ, 8, memory_gpa(&n->dev.mem, n->admin.cq)) ||
	    reg_write(n, NVME_REG_CC, 4, cc(true)))
		return -1;
	return wait_ready(n, 1);
}

/* --- admin commands --- */

static int failed(const char *what, int status)
{
	return bench_error("%s: NVMe status: type %d, code %#x", what, status >> 8 & 7,
			   status & 0xff);
}

static int admin(struct nvme_device *n, struct nvme_sqe *sqe, uint32_t *result, const char *what)
{
	int status = nvme_queue_exec(&n->admin, sqe, result, n->dev.o->timeout_ns);

	return status > 0 ? failed(what, status) : status;
}

/* The command's status, or -1 after a message. */
static int identify(struct nvme_device *n, uint32_t cns, uint32_t nsid)
{
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_identify,
		.nsid = htole32(nsid),
		.prp1 = htole64(memory_gpa(&n->dev.mem, n->page)),
		.cdw10 = htole32(cns),
	};

	memset(n->page, 0, MEMORY_PAGE);
	return nvme_queue_exec(&n->admin, &sqe, NULL, n->dev.o->timeout_ns);
}

static int identify_controller(struct nvme_device *n)
{
	const struct nvme_id_ctrl *id = (const void *)n->page;
	struct device *d = &n->dev;
	uint64_t page = MEMORY_PAGE << (n->cap >> 48 & 0xf);

	int status = identify(n, NVME_IDENTIFY_CNS_CTRL, 0);

	if (status)
		return status < 0 ? -1 : failed("Identify Controller", status);
	d->max_io = id->mdts && id->mdts < 32 ? page << id->mdts : UINT64_MAX;
	if (le16toh(id->oncs) & ONCS_DSM)
		d->max_trim = UINT64_MAX;
	if (le16toh(id->oacs) & OACS_DBBUF && !d->o->no_shadow_doorbells) {
		n->shadow = memory_alloc(&d->mem, MEMORY_PAGE, MEMORY_PAGE);
		n->eventidx = memory_alloc(&d->mem, MEMORY_PAGE, MEMORY_PAGE);
		if (!n->shadow || !n->eventidx)
			return -1;
	}
	snprintf(d->model, sizeof(d->model), "%.40s", id->mn);
	d->model[strcspn(d->model, "\n\r\t")] = '\0';
	while (*d->model && d->model[strlen(d->model) - 1] == ' ')
		d->model[strlen(d->model) - 1] = '\0';
	return 0;
}

static int identify_namespace(struct nvme_device *n)
{
	const struct nvme_id_ns *id = (const void *)n->page;
	const struct nvme_lbaf *f;
	struct device *d = &n->dev;
	uint64_t blocks;

	int status = identify(n, NVME_IDENTIFY_CNS_NS, d->o->nsid);

	if (status < 0)
		return -1;
	if (status && (status & 0x7ff) != NVME_SC_INVALID_NS)
		return failed("Identify Namespace", status);
	blocks = status ? 0 : le64toh(id->nsze);
	if (!blocks)
		return bench_option_error(
			"--nsid: there is no namespace %u; the controller's list has "
			"others",
			d->o->nsid);
	f = &id->lbaf[id->flbas & 0xf];
	if (f->ds < 9 || f->ds > 16 || f->ms || blocks > UINT64_MAX >> f->ds)
		return bench_error("namespace %u: its format (2^%u bytes, %u of metadata, %llu "
				   "blocks) is not supported here",
				   d->o->nsid, f->ds, le16toh(f->ms), (unsigned long long)blocks);
	d->block_size = d->lba_size = 1u << f->ds;
	d->size = blocks << f->ds;
	d->trim_zeroes = (id->dlfeat & 7) == 1;
	d->read_only = id->nsattr & 1;
	return 0;
}

static int set_queues(struct nvme_device *n)
{
	unsigned int want = options_queues(n->dev.o) - 1;
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_set_features,
		.cdw10 = htole32(FID_QUEUES),
		.cdw11 = htole32(want << 16 | want),
	};
	uint32_t got;

	if (admin(n, &sqe, &got, "Set Features, Number of Queues"))
		return -1;
	n->dev.max_queues = min_t(uint32_t, got & 0xffff, got >> 16) + 1;
	return 0;
}

static int set_doorbell_buffers(struct nvme_device *n)
{
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_dbbuf,
		.prp1 = htole64(memory_gpa(&n->dev.mem, n->shadow)),
		.prp2 = htole64(memory_gpa(&n->dev.mem, n->eventidx)),
	};

	return admin(n, &sqe, NULL, "Doorbell Buffer Config");
}

/* --- queues --- */

static int create_cq(struct nvme_device *n, const struct nvme_queue *nq, uint16_t qid)
{
	uint32_t vector = qid < n->t->vectors ? qid : 0;
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_create_cq,
		.prp1 = htole64(memory_gpa(&n->dev.mem, nq->cq)),
		.cdw10 = htole32((nq->size - 1) << 16 | qid),
		.cdw11 = htole32(vector << 16 | (n->dev.o->interrupts ? 2 : 0) | 1),
	};

	return admin(n, &sqe, NULL, "Create I/O Completion Queue");
}

static int create_sq(struct nvme_device *n, const struct nvme_queue *nq, uint16_t qid)
{
	struct nvme_sqe sqe = {
		.opcode = nvme_admin_create_sq,
		.prp1 = htole64(memory_gpa(&n->dev.mem, nq->sq)),
		.cdw10 = htole32((nq->size - 1) << 16 | qid),
		.cdw11 = htole32((uint32_t)qid << 16 | 1),
	};

	return admin(n, &sqe, NULL, "Create I/O Submission Queue");
}

static int prepare_slots(struct nvme_device *n, struct nvme_queue *nq)
{
	const struct options *o = n->dev.o;

	nq->nsid = o->nsid;
	nq->nlb = (uint32_t)(o->bs / n->dev.block_size);
	nq->templates = aligned_alloc(CACHE_LINE, o->iodepth * sizeof(*nq->templates));
	if (!nq->templates)
		return bench_error("out of memory for --iodepth %u", o->iodepth);
	nq->ranges = memory_alloc(&n->dev.mem, o->iodepth * sizeof(*nq->ranges), MEMORY_PAGE);
	nq->prp_list_pages = nvme_prp_list_pages(o->bs);
	nq->prp_lists = memory_alloc(
		&n->dev.mem, (uint64_t)o->iodepth * nq->prp_list_pages * MEMORY_PAGE, MEMORY_PAGE);
	return nq->ranges && nq->prp_lists ? 0 : -1;
}

static int add_queue(struct device *d, struct job *j)
{
	struct nvme_device *n = of(d);
	struct nvme_queue *nq = &n->queues[j->number];
	uint16_t qid = (uint16_t)(j->number + 1);

	if (device_init_queue(d, j->number, &nq->q) || init_rings(n, nq, qid, n->queue_size) ||
	    prepare_slots(n, nq))
		return -1;
	j->queue = &nq->q;
	/* The queue's own eventfd is the vector's that it was made with. */
	close(nq->q.call_fd);
	nq->q.call_fd = dup(n->vectors[qid < n->nvectors ? qid : 0]);
	return create_cq(n, nq, qid) || create_sq(n, nq, qid) ? -1 : 0;
}

static int choose_queue_size(struct nvme_device *n)
{
	const struct options *o = n->dev.o;
	uint32_t max = (uint32_t)(n->cap & 0xffff) + 1;
	uint32_t size = o->queue_size ? o->queue_size : LINUX_QUEUE_SIZE;

	if (o->queue_size > max)
		return bench_option_error(
			"--queue-size: the controller has queues of at most %u entries; "
			"use a smaller one",
			max);
	if (!o->queue_size)
		size = min_t(uint32_t, o->iodepth + 1 > size ? o->iodepth + 1 : size, max);
	if (o->iodepth >= size)
		return bench_option_error(
			"--iodepth: queues of %u entries have room for %u commands, not "
			"for %u; use a smaller one",
			size, size - 1, o->iodepth);
	n->queue_size = size;
	return 0;
}

static int make_vectors(struct nvme_device *n)
{
	int wanted = (int)options_queues(n->dev.o) + 1, i;

	if (n->t->vectors < 1)
		return bench_error("the controller has no interrupt vector");
	if (n->dev.o->interrupts && n->t->vectors < (unsigned int)wanted)
		return bench_option_error(
			"--interrupts: the controller has %u vectors, so at most %u "
			"queues have their own; use less --numjobs or --idle-queues",
			n->t->vectors, n->t->vectors - 1);
	wanted = min_t(int, wanted, n->t->vectors > 65536 ? 65536 : (int)n->t->vectors);
	n->vectors = calloc((size_t)wanted, sizeof(*n->vectors));
	if (!n->vectors)
		return bench_error("out of memory");
	for (i = 0; i < wanted; i++) {
		n->vectors[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (n->vectors[i] < 0)
			return bench_error("an eventfd for vector %d cannot be made", i);
		n->nvectors++;
	}
	return n->t->ops->set_vectors(n->t, n->vectors, (unsigned int)wanted);
}

/* --- begin and end --- */

static void shut_down(struct nvme_device *n)
{
	uint64_t end = tsc_clock_ns() + SHUTDOWN_NS, csts;

	if (reg_write(n, NVME_REG_CC, 4, cc(true) | 1u << NVME_CC_SHN_SHIFT))
		return;
	do {
		if (n->t->ops->reg_read(n->t, NVME_REG_CSTS, 4, &csts) || (csts >> 2 & 3) == 2)
			return;
		usleep(500);
	} while (tsc_clock_ns() < end);
}

static void close_device(struct device *d)
{
	struct nvme_device *n = of(d);
	unsigned int i;

	if (n->t) {
		if (n->admin.sq && !d->broken)
			shut_down(n);
		n->t->ops->close(n->t);
	}
	for (i = 0; n->queues && i < options_queues(d->o); i++) {
		device_fini_queue(&n->queues[i].q);
		free(n->queues[i].templates);
	}
	for (i = 0; (int)i < n->nvectors; i++)
		close(n->vectors[i]);
	free(n->vectors);
	free(n->queues);
	memory_destroy(&d->mem);
	free(n);
}

static const struct device_ops ops = {
	.add_queue = add_queue,
	.run = nvme_queue_run,
	.close = close_device,
};

static int bring_up(struct nvme_device *n)
{
	const struct options *o = n->dev.o;
	struct nvme_transport *t = n->t;
	uint64_t per_queue;

	if (t->ops->reg_read(t, NVME_REG_CAP, 8, &n->cap) || choose_queue_size(n))
		return -1;
	per_queue = n->queue_size * (sizeof(struct nvme_sqe) + sizeof(struct nvme_cqe)) +
		    4ull * MEMORY_PAGE;
	if (device_make_memory(&n->dev, per_queue,
			       nvme_prp_list_pages(o->bs) * MEMORY_PAGE +
				       sizeof(struct nvme_dsm_range)))
		return -1;
	n->page = memory_alloc(&n->dev.mem, MEMORY_PAGE, MEMORY_PAGE);
	if (!n->page || t->ops->map_memory(t, &n->dev.mem) || make_vectors(n) || enable(n))
		return -1;
	if (identify_controller(n) || identify_namespace(n) || set_queues(n))
		return -1;
	return n->shadow ? set_doorbell_buffers(n) : 0;
}

int nvme_open(const struct options *o, const char *socket, struct device **out)
{
	struct nvme_device *n = calloc(1, sizeof(*n));

	if (!n) {
		*out = NULL;
		return bench_error("out of memory");
	}
	*out = &n->dev; /* the caller closes it */
	n->dev.ops = &ops;
	n->dev.o = o;
	n->dev.socket = socket;
	n->dev.fd = n->dev.mem.fd = -1;
	n->queues = calloc(options_queues(o), sizeof(*n->queues));
	if (!n->queues)
		return bench_error("out of memory");
	n->t = nvme_transport_open(o, socket);
	if (!n->t)
		return -1;
	n->dev.fd = n->t->fd;
	n->dev.peer = n->t->peer;
	if (bring_up(n)) {
		n->dev.broken = true;
		return -1;
	}
	return 0;
}

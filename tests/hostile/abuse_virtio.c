/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest's driver should not do to its virtqueues. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../frontend/fe_util.h"
#include "flood_virtio.h"

#define TMF_BATCH 16u

/* --- resets --- */

/* Each of the requests in flight is aborted, then the unit reset. scsi only. */
static int task_management(struct vflood *f)
{
	struct fe_vq *control = &f->dev.q[0];
	static struct virtio_scsi_ctrl_tmf_req *req;
	struct virtio_scsi_ctrl_tmf_resp *resp;
	struct fe_seg segs[2] = {{.len = sizeof(*req)}, {.len = sizeof(*resp), .write = true}};
	unsigned int i;
	int head = 0;

	/* At the end of the buffer, which nothing reads here. */
	req = (void *)(f->buf + (1 << 20));
	segs[0].gpa = f->buf_gpa + (1 << 20);
	segs[1].gpa = segs[0].gpa + 4096;
	for (i = 0; i <= TMF_BATCH && head >= 0 && !h_over(); i++) {
		*req = (struct virtio_scsi_ctrl_tmf_req){
			.type = VIRTIO_SCSI_T_TMF,
			.subtype = i < TMF_BATCH ? VIRTIO_SCSI_T_TMF_ABORT_TASK
						 : VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
			.lun = {1},
			.tag = i,
		};
		head = fe_vq_chain(control, segs, 2);
		if (head < 0)
			return head;
		fe_vq_submit(control, (uint16_t)head);
		head = fe_vq_wait(control, NULL, FE_TIMEOUT_MS);
		h_counts.done += head >= 0;
	}
	return head < 0 ? head : 0;
}

/* GET_VRING_BASE of each queue, and on from there. */
static int restart_queues(struct vflood *f)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < f->nqueues && !err; i++) {
		struct fe_vq *q = &f->dev.q[f->first + i];
		uint16_t base;

		err = fe_vq_stop(q, &base);
		if (!err)
			err = fe_vq_start(q, base);
		h_counts.done++;
	}
	return err;
}

int h_resets_virtio(const struct h_options *o)
{
	static struct vflood f;
	int err = h_vflood_open(&f, o);
	unsigned int i;

	if (!err)
		err = h_vflood_fill(&f, o, H_READS);
	for (i = 0; i < f.nqueues && !err; i++)
		h_vflood_submit(&f.dev.q[f.first + i]);
	if (!err)
		h_running();
	while (!err && !h_over()) {
		h_vflood_pump(&f);
		if (o->type == H_SCSI)
			err = task_management(&f);
		if (!err)
			err = restart_queues(&f);
	}
	fe_virtio_close(&f.dev);
	return err;
}

/* --- interrupts that block --- */

static int give_full_eventfd(struct fe_vq *q)
{
	int fd, err = h_give_full_eventfd(&q->dev->vhost, q->index, &fd);

	if (fd < 0)
		return err;
	close(q->call_fd);
	q->call_fd = fd;
	return err;
}

int h_interrupts_virtio(const struct h_options *o)
{
	static struct vflood f;
	unsigned int i, turn = 0;
	int err = h_vflood_open(&f, o);

	if (!err)
		err = h_vflood_fill(&f, o, H_READS);
	for (i = 0; i < f.nqueues && !err; i++) {
		f.dev.q[f.first + i].avail[0] = 0;
		h_vflood_submit(&f.dev.q[f.first + i]);
	}
	if (!err)
		h_running();
	while (!err && !h_over()) {
		err = give_full_eventfd(&f.dev.q[f.first + turn++ % f.nqueues]);
		h_vflood_pump(&f);
	}
	fe_virtio_close(&f.dev);
	return err;
}

/* --- lies --- */

enum { NEXT = VRING_DESC_F_NEXT, WRITE = VRING_DESC_F_WRITE, INDIRECT = VRING_DESC_F_INDIRECT };

static void desc(struct fe_vq *q, uint16_t i, uint64_t addr, uint32_t len, unsigned int flags,
		 uint16_t next)
{
	q->desc[i] = (struct vring_desc){addr, len, (uint16_t)flags, next};
}

/* One way to break a queue, and the index that the guest claims. */
static uint16_t lie(struct vflood *f, struct fe_vq *q, unsigned int way)
{
	uint64_t hdr = q->hdrs_gpa, buf = f->buf_gpa;

	desc(q, 0, hdr, 16, NEXT, 1);
	desc(q, 1, buf, 4096, WRITE | NEXT, 2);
	desc(q, 2, q->status_gpa, 1, WRITE, 0);
	q->avail[2] = 0;
	switch (way) {
	case 0: /* more requests than it has places */
		return (uint16_t)(q->size + 1);
	case 1: /* a chain that is a loop */
		desc(q, 1, buf, 4096, WRITE | NEXT, 1);
		break;
	case 2: /* memory that is none */
		desc(q, 1, 1ull << 60, 4096, WRITE | NEXT, 2);
		break;
	case 3: /* a head that is none */
		q->avail[2] = 0xffff;
		break;
	case 4: /* tables in tables */
		desc(q, 0, f->buf_gpa, 16 * 64, INDIRECT | NEXT, 1);
		break;
	case 5: /* an indirect table that is as large as can be */
		desc(q, 0, f->buf_gpa, UINT32_MAX & ~15u, INDIRECT, 0);
		break;
	case 6: /* nothing to write the answer into */
		desc(q, 2, q->status_gpa, 1, 0, 0);
		break;
	default: /* the other device's kind of request */
		desc(q, 0, hdr, 1, 0, 0);
		break;
	}
	return 1;
}

int h_lies_virtio(const struct h_options *o)
{
	static struct vflood f;
	unsigned int way = 0, i;
	int err = h_vflood_open(&f, o);

	for (i = 0; i < f.nqueues && !err; i++)
		err = fe_vq_start(fe_vq_make(&f.dev, f.first + i, 64), 0);
	if (!err)
		h_running();
	for (i = 0; !err && !h_over(); i = (i + 1) % f.nqueues) {
		struct fe_vq *q = &f.dev.q[f.first + i];

		fe_vq_reset(q);
		q->avail_idx = lie(&f, q, way++ % 8);
		h_vflood_submit(q);
		fe_sleep_us(100);
		err = fe_vq_stop(q, NULL);
		fe_vq_reset(q);
		if (!err)
			err = fe_vq_start(q, 0);
		h_counts.done++;
	}
	fe_virtio_close(&f.dev);
	return err;
}

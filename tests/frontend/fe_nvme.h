/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_NVME_H
#define TESTS_FRONTEND_FE_NVME_H

/*
 * An NVMe controller as its VMM and its guest have it: connection, guest memory, device memory,
 * interrupt and doorbell eventfds, registers, admin queue. One thread; the I/O queues (fe_queue.h)
 * may then be used by a thread each.
 *
 * It is reached over vhost-user, or over vfio-user if the options or the environment variable
 * FE_TRANSPORT=vfio-user say so; what is named after vhost-user works over that only.
 *
 * Functions return 0 or -errno unless said otherwise.
 */

#include <shadowbell/vhost_user_nvme.h>
#include <stdbool.h>
#include <stdint.h>

#include "fe_mem.h"
#include "fe_queue.h"
#include "fe_vfio.h"
#include "fe_vhost.h"

#define FE_NVME_VECTORS_MAX 65

/* What is left 0 has the default in brackets. */
struct fe_nvme_opts {
	/* As QEMU's doorbells=mapped: no kick after a doorbell write. Over vfio-user the
	 * controller says which. */
	bool mapped;
	bool vfio;		/* over vfio-user */
	uint64_t ram_bytes;	/* of each of two regions, at 0 and 4 GiB [32 MiB] */
	uint16_t admin_entries; /* [32] */
};

struct fe_nvme {
	struct fe_vhost vhost;
	struct fe_vfio vfio;
	bool over_vfio;
	struct fe_mem mem; /* guest RAM; over vhost-user the last region is the device memory */
	struct vhost_user_nvme_info info;
	bool mapped;
	uint16_t admin_entries;
	bool initialised;
	/* Page 0 of the device memory; over vfio-user BAR0's, or our own copy if it is trapped. */
	uint32_t *doorbells;
	int kick_fd;
	int call_fds[FE_NVME_VECTORS_MAX];
	struct fe_qpair admin;
	/* Shadow doorbells and EventIdx, a page each; NULL until fe_nvme_enable_shadow(). */
	uint32_t *shadow, *eventidx;
	uint64_t shadow_gpa, eventidx_gpa;
};

void fe_nvme_init(struct fe_nvme *n);
/* Fine twice, and on one that is all zeroes. */
void fe_nvme_close(struct fe_nvme *n);

/* Whether FE_TRANSPORT asks for vfio-user. */
bool fe_nvme_default_vfio(void);

/* Everything up to a ready controller, after closing what n was before. opts may be NULL. */
int fe_nvme_open(struct fe_nvme *n, const char *socket, const struct fe_nvme_opts *opts);

/* The steps of it, for those who want to stumble on one. */
int fe_nvme_connect(struct fe_nvme *n, const char *socket); /* and handshake, and GET_INFO */
int fe_nvme_make_memory(struct fe_nvme *n, const struct fe_nvme_opts *opts); /* here only */
int fe_nvme_send_vectors(struct fe_nvme *n);
/* All of these, and START: registers can be written. */
int fe_nvme_attach(struct fe_nvme *n, const char *socket, const struct fe_nvme_opts *opts);
/* Admin queue registers, CC.EN = 1, RDY. -EIO: CSTS.CFS instead. May be repeated. */
int fe_nvme_enable(struct fe_nvme *n);
/* CC.EN = 0, until RDY is 0. */
int fe_nvme_disable(struct fe_nvme *n);
/*
 * Doorbell Buffer Config with two fresh pages, which begin with the doorbells' present values.
 * Returns a status like fe_exec().
 */
int fe_nvme_enable_shadow(struct fe_nvme *n);

int fe_nvme_get_info(struct fe_nvme *n, uint32_t version, struct vhost_user_nvme_info *info);
/* -EACCES: refused. */
int fe_nvme_reg_read(struct fe_nvme *n, uint32_t offset, uint32_t size, uint64_t *value);
int fe_nvme_reg_write(struct fe_nvme *n, uint32_t offset, uint32_t size, uint64_t value);
/* RESET, STOP, START: -EIO when the answer is not 0; over vfio-user by the bus master bit. */
int fe_nvme_control(struct fe_nvme *n, uint32_t request, uint32_t flags);
/* The register, or all ones when it can't be read. */
uint32_t fe_nvme_csts(struct fe_nvme *n);
/* CC as fe_nvme_enable() writes it. */
uint32_t fe_nvme_cc_enabled(void);

/* How often vector v was signalled, waiting up to timeout_ms for the first; 0: not at all. */
uint64_t fe_nvme_irqs(struct fe_nvme *n, unsigned int v, int timeout_ms);

/*
 * Creates an I/O queue pair with interrupts on vector qid (0 if there are not as many). Returns a
 * status like fe_exec().
 */
int fe_nvme_create_qpair(struct fe_nvme *n, struct fe_qpair *qp, uint16_t qid, uint32_t entries);
int fe_nvme_create_cq(struct fe_nvme *n, struct fe_cq *cq, uint16_t qid, uint32_t entries,
		      uint16_t vector, bool interrupts);
int fe_nvme_create_sq(struct fe_nvme *n, struct fe_sq *sq, uint16_t qid, uint32_t entries,
		      struct fe_cq *cq);
int fe_nvme_delete_qpair(struct fe_nvme *n, struct fe_qpair *qp);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_CMD_H
#define TESTS_FRONTEND_FE_CMD_H

/*
 * Commands: builders of submission queue entries (the command identifier is set on submission),
 * data buffers with their PRPs, and the few commands that many tests need whole.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fe_nvme.h"

/* Entries and blocks are counted from 1 here, and 0's based only in the entry. */
struct fe_sqe fe_sqe_create_cq(uint16_t qid, uint32_t entries, uint64_t gpa, uint16_t vector,
			       bool interrupts);
struct fe_sqe fe_sqe_create_sq(uint16_t qid, uint32_t entries, uint64_t gpa, uint16_t cqid);
struct fe_sqe fe_sqe_delete(uint8_t opc, uint16_t qid);
struct fe_sqe fe_sqe_identify(uint8_t cns, uint32_t nsid, uint64_t gpa);
struct fe_sqe fe_sqe_get_features(uint8_t fid, uint8_t select, uint32_t nsid);
struct fe_sqe fe_sqe_set_features(uint8_t fid, uint32_t nsid, uint32_t dw11);
struct fe_sqe fe_sqe_get_log(uint8_t lid, uint32_t nsid, uint64_t offset, uint32_t bytes,
			     uint64_t gpa);
struct fe_sqe fe_sqe_abort(uint16_t sqid, uint16_t cid);
struct fe_sqe fe_sqe_aer(void);
struct fe_sqe fe_sqe_dbbuf(uint64_t shadow_gpa, uint64_t eventidx_gpa);
/* Read, write, compare, write zeroes; without data pointer. nblocks 1..65536. */
struct fe_sqe fe_sqe_rw(uint8_t opc, uint32_t nsid, uint64_t lba, uint32_t nblocks);
struct fe_sqe fe_sqe_flush(uint32_t nsid);
/* ranges 1..256 */
struct fe_sqe fe_sqe_dsm(uint32_t nsid, uint32_t ranges, uint32_t attributes, uint64_t gpa);

/* Guest memory for data, with room for the PRP lists of all of it. */
struct fe_buf {
	uint8_t *va;
	uint64_t gpa;
	size_t len;	/* bytes */
	uint64_t *list; /* PRP list pages, contiguous */
	uint64_t list_gpa;
};

/* len bytes, page-aligned, contiguous in guest memory. */
void fe_buf_alloc(struct fe_nvme *n, struct fe_buf *buf, size_t len);
/* Sets the PRPs of sqe to bytes [off, off + len) of the buffer. */
void fe_buf_prps(struct fe_sqe *sqe, const struct fe_buf *buf, size_t off, size_t len);

/*
 * PRPs for data that begins `offset` bytes into pages[0] and goes on in the others. The list, where
 * one is needed, begins at entry list_start of the page at list_gpa and chains into the pages after
 * it.
 */
void fe_prp_build(struct fe_sqe *sqe, const uint64_t *pages, size_t npages, size_t offset,
		  uint64_t *list, uint64_t list_gpa, size_t list_start);

/* Identify into the buffer (at least 4096 bytes). A status like fe_exec(). */
int fe_identify(struct fe_nvme *n, uint8_t cns, uint32_t nsid, struct fe_buf *buf);
int fe_get_log(struct fe_nvme *n, uint8_t lid, uint32_t nsid, uint64_t offset, uint32_t bytes,
	       struct fe_buf *buf);
/*
 * One command whose completion is taken when its interrupt has come, and not before: a controller
 * sends none for what the host has taken already. A status like fe_exec(); -ETIMEDOUT: none came.
 */
int fe_exec_by_irq(struct fe_qpair *qp, struct fe_sqe *sqe);
/* Reads or writes the first nblocks * block_size bytes of the buffer. */
int fe_rw(struct fe_sq *sq, uint8_t opc, uint32_t nsid, uint64_t lba, uint32_t nblocks,
	  uint32_t block_size, const struct fe_buf *buf);
/* Writes a pattern, wipes the buffer, reads back and compares: 0, a status, or -EILSEQ. */
int fe_verify(struct fe_sq *sq, uint32_t nsid, uint64_t lba, uint32_t nblocks, uint32_t block_size,
	      struct fe_buf *buf, uint64_t seed);
/*
 * Submits as many flushes of namespace 1 as fit, again and again up to `total`, takes their
 * completions in groups of `take` and checks each. 0, -ETIMEDOUT or -EPROTO.
 */
int fe_run_flushes(struct fe_qpair *qp, unsigned int total, unsigned int take);

#endif

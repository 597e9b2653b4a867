/* SPDX-License-Identifier: BSD-3-Clause */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

#include "crc.h"
#include "message.h"
#include "tsc.h"
#include "workload.h"

/* A block's state: what is known of its contents, and whether an I/O is in flight. */
#define STATE_BUSY    (1u << 31)
#define STATE_TRIMMED (1u << 30)
#define STATE_SEQ     (STATE_TRIMMED - 1) /* the write's number; 0: unknown */

#define MAGIC	    0x68636e656273ULL
#define STATE_LIMIT (4ULL << 30) /* bytes, of all jobs */

struct header {
	uint64_t magic;
	uint64_t offset; /* bytes on the device */
	uint64_t seed;	 /* of the run */
	uint32_t sequence;
	uint32_t length;
	uint32_t reserved;
	uint32_t crc; /* CRC-32C of the block with 0 here */
};

_Static_assert(sizeof(struct header) == 40, "what earlier runs wrote must stay readable");

int verify_create(struct job *j, bool trim_zeroes)
{
	uint64_t limit = STATE_LIMIT / sizeof(uint32_t) / j->o->numjobs;
	struct verify *v;

	if (j->load.nblocks < 2ULL * j->o->iodepth)
		return bench_option_error(
			"--verify needs two blocks for each I/O in flight: --size for "
			"%u jobs must be at least %llu bytes",
			j->o->numjobs, 2ULL * j->o->iodepth * j->o->bs * j->o->numjobs);
	if (j->load.nblocks > limit)
		return bench_option_error(
			"--verify remembers at most %llu blocks of --bs %llu for each of "
			"%u jobs, but there are %llu; give a smaller --size",
			(unsigned long long)limit, (unsigned long long)j->o->bs, j->o->numjobs,
			(unsigned long long)j->load.nblocks);
	v = calloc(1, sizeof(*v));
	j->verify = v;
	if (v)
		v->state = calloc(j->load.nblocks, sizeof(*v->state));
	if (!v || !v->state)
		return bench_error("out of memory for --verify; give a smaller --size");
	v->trim_zeroes = trim_zeroes;
	v->must_know = !options_writes(j->o) && !options_trims(j->o);
	v->device_at = j->load.first_lba * (j->o->bs / j->load.lbas_per_block);
	v->seed = tsc_now() | 1;
	return 0;
}

void verify_destroy(struct job *j)
{
	if (j->verify)
		free(j->verify->state);
	free(j->verify);
	j->verify = NULL;
}

static uint64_t offset_of(const struct job *j, uint64_t block)
{
	return j->verify->device_at + block * j->o->bs;
}

static uint32_t checksum(uint8_t *buf, uint64_t len)
{
	uint32_t kept, crc;

	memcpy(&kept, buf + offsetof(struct header, crc), sizeof(kept));
	memset(buf + offsetof(struct header, crc), 0, sizeof(kept));
	crc = crc32c(buf, len);
	memcpy(buf + offsetof(struct header, crc), &kept, sizeof(kept));
	return crc;
}

static void fill(const struct job *j, uint8_t *buf, uint64_t block, uint32_t sequence)
{
	const struct verify *v = j->verify;
	uint64_t offset = offset_of(j, block), i;
	uint64_t x = (v->seed ^ offset * 0x9e3779b97f4a7c15ULL) + sequence;
	struct header h = {MAGIC, offset, v->seed, sequence, (uint32_t)j->o->bs, 0, 0};

	x = x ? x : 1;
	for (i = 0; i < j->o->bs; i += sizeof(x)) {
		x = xorshift64(x);
		memcpy(buf + i, &x, sizeof(x));
	}
	memcpy(buf, &h, sizeof(h));
	h.crc = checksum(buf, j->o->bs);
	memcpy(buf, &h, sizeof(h));
}

/* What was in the buffer before must not pass for what a read should have put there. */
static void poison(const struct job *j, uint8_t *buf)
{
	memset(buf, 0xa5, sizeof(struct header));
	memset(buf + j->o->bs - 64, 0xa5, 64);
}

uint64_t verify_before(struct job *j, unsigned int slot, enum io_op op)
{
	struct verify *v = j->verify;
	uint8_t *buf = queue_buffer(j->queue, slot);
	uint64_t block = workload_block(&j->load);

	/* There are twice as many blocks as slots. */
	while (v->state[block] & STATE_BUSY)
		block = block + 1 == j->load.nblocks ? 0 : block + 1;
	if (op == OP_WRITE) {
		v->sequence = v->sequence == STATE_SEQ ? 1 : v->sequence + 1;
		v->state[block] = v->sequence;
		fill(j, buf, block, v->sequence);
	} else if (op == OP_TRIM) {
		v->state[block] = v->trim_zeroes ? STATE_TRIMMED : 0;
	} else {
		poison(j, buf);
	}
	v->state[block] |= STATE_BUSY;
	return block;
}

static bool all_zero(const uint8_t *buf, uint64_t len)
{
	return buf[0] == 0 && memcmp(buf, buf + 1, len - 1) == 0;
}

/* NULL: right. */
static const char *wrong(const struct job *j, uint8_t *buf, uint64_t block, uint32_t state)
{
	const struct verify *v = j->verify;
	struct header h;

	if (state == STATE_TRIMMED)
		return all_zero(buf, j->o->bs) ? NULL : "trimmed, but not zeroes";
	memcpy(&h, buf, sizeof(h));
	if (h.magic != MAGIC)
		return "no block that was written with --verify";
	if (h.offset != offset_of(j, block))
		return "a block of another offset";
	if (h.length != j->o->bs)
		return "a block that was written with another --bs";
	if (h.crc != checksum(buf, j->o->bs))
		return "the CRC-32C is wrong";
	if (state && (h.seed != v->seed || h.sequence != state))
		return "an older block than was last written there";
	return NULL;
}

bool verify_after(struct job *j, unsigned int slot)
{
	struct verify *v = j->verify;
	uint64_t block = j->slots[slot].block;
	uint32_t state = v->state[block] & ~STATE_BUSY;
	const char *why;

	v->state[block] = state;
	if (j->slots[slot].op != OP_READ)
		return true;
	if (!state && !v->must_know) {
		v->unknown++;
		return true;
	}
	why = wrong(j, queue_buffer(j->queue, slot), block, state);
	if (!why) {
		v->checked++;
		return true;
	}
	job_fail(j, "--verify: what is read at offset %llu is wrong: %s",
		 (unsigned long long)offset_of(j, block), why);
	return false;
}

bool verify_scan(struct job *j, unsigned int slot, uint64_t *block)
{
	struct verify *v = j->verify;

	while (v->scan < j->load.nblocks && !v->state[v->scan])
		v->scan++;
	if (v->scan == j->load.nblocks)
		return false;
	*block = v->scan++;
	poison(j, queue_buffer(j->queue, slot));
	return true;
}

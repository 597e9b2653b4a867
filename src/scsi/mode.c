/* SPDX-License-Identifier: BSD-3-Clause */
/* MODE SENSE and MODE SELECT (SPC-4, 6.11 to 6.14; SBC-4, 6.4). */
#include "scsi/mode_pages.h"

#define DBD	  0x08
#define LLBAA	  0x10
#define PF	  0x10
#define SP	  0x01
#define WP	  0x80
#define DPOFUA	  0x10
#define ALL_PAGES 0x3f

struct header {
	bool ten; /* of the 10-byte commands */
	size_t len;
};

static struct header header_of(const struct scsi_task *task)
{
	bool ten = task->cmd->cdb_len == 10;

	return (struct header){.ten = ten, .len = ten ? 8 : 4};
}

static uint16_t cdb_len_field(const struct scsi_task *task)
{
	return task->cmd->cdb_len == 10 ? scsi_get16(task->cdb + 7) : task->cdb[4];
}

/* --- MODE SENSE --- */

static size_t put_block_desc(uint8_t *p, const struct bdev *bdev, bool long_lba)
{
	if (long_lba) {
		scsi_put64(p, bdev_nblocks(bdev));
		scsi_put32(p + 12, bdev->block_size);
		return 16;
	}
	scsi_put32(p, (uint32_t)min_t(uint64_t, bdev_nblocks(bdev), UINT32_MAX));
	scsi_put32(p + 4, bdev->block_size);
	return 8;
}

static void put_header(const struct scsi_task *task, uint8_t *p, size_t total, size_t desc_len)
{
	unsigned int special = scsi_lu_special(scsi_task_lu(task));
	uint8_t specific = DPOFUA;

	if (special & (SCSI_LU_READ_ONLY | SCSI_LU_SWP))
		specific |= WP;
	if (task->cmd->cdb_len == 10) {
		scsi_put16(p, (uint16_t)(total - 2));
		p[3] = specific;
		p[4] = desc_len == 16; /* LONGLBA */
		scsi_put16(p + 6, (uint16_t)desc_len);
	} else {
		p[0] = (uint8_t)(total - 1);
		p[2] = specific;
		p[3] = (uint8_t)desc_len;
	}
}

static size_t put_pages(const struct scsi_lu *lu, uint8_t *p, uint8_t code, enum mode_pc pc)
{
	size_t len = 0;
	unsigned int i;

	for (i = 0; i < MODE_PAGES; i++)
		if (code == ALL_PAGES || code == mode_page_code(i))
			len += mode_page_fill(lu, i, pc, p + len);
	return len;
}

enum scsi_result scsi_do_mode_sense(struct scsi_task *task)
{
	const struct header h = header_of(task);
	const struct scsi_lu *lu = scsi_task_lu(task);
	enum mode_pc pc = task->cdb[2] >> 6;
	uint8_t subpage = task->cdb[3], buf[MODE_DATA_MAX] = {0};
	size_t desc_len = 0, pages_len;

	if (subpage && subpage != 0xff)
		return scsi_fail_cdb(task, 3, 7);
	if (pc == MODE_PC_SAVED)
		return scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_SAVING);
	if (!(task->cdb[1] & DBD))
		desc_len = put_block_desc(buf + h.len, lu->bdev, h.ten && task->cdb[1] & LLBAA);
	pages_len = put_pages(lu, buf + h.len + desc_len, task->cdb[2] & 0x3f, pc);
	if (!pages_len)
		return scsi_fail_cdb(task, 2, 5);
	put_header(task, buf, h.len + desc_len + pages_len, desc_len);
	return scsi_data_in(task, buf, h.len + desc_len + pages_len, cdb_len_field(task));
}

/* --- MODE SELECT --- */

struct list {
	uint8_t data[MODE_DATA_MAX];
	size_t len, at; /* at: the first byte that has not been looked at */
};

static bool too_short(struct scsi_task *task, const struct list *l, size_t need)
{
	if (l->len - l->at >= need)
		return false;
	scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	return true;
}

/* A descriptor may only repeat what is, or say 0 blocks for "as it is": SBC-4, 6.4.2. */
static bool check_block_desc(struct scsi_task *task, struct list *l, size_t desc_len)
{
	const struct bdev *bdev = scsi_task_lu(task)->bdev;
	const uint8_t *p = l->data + l->at;
	bool long_lba = desc_len == 16;
	uint64_t n = long_lba ? scsi_get64(p) : scsi_get32(p), all = long_lba ? UINT64_MAX : F32;
	uint32_t bs = scsi_get32(p + (long_lba ? 12 : 4)) & (long_lba ? F32 : 0xffffff);

	if (n && n != all && n != bdev_nblocks(bdev)) {
		scsi_fail_param(task, (unsigned int)l->at, 7);
		return false;
	}
	if (bs != bdev->block_size) {
		scsi_fail_param(task, (unsigned int)l->at + (long_lba ? 12 : 5), 7);
		return false;
	}
	l->at += desc_len;
	return true;
}

static bool check_header(struct scsi_task *task, struct list *l)
{
	const struct header h = header_of(task);
	unsigned int len_at = h.ten ? 6 : 3;
	bool long_lba = h.ten && l->data[4] & 1;
	size_t desc_len;

	if (too_short(task, l, h.len))
		return false;
	if (l->data[h.ten ? 2 : 1]) { /* MEDIUM TYPE */
		scsi_fail_param(task, h.ten ? 2 : 1, 7);
		return false;
	}
	desc_len = h.ten ? scsi_get16(l->data + 6) : l->data[3];
	l->at = h.len;
	if (!desc_len)
		return true;
	if (desc_len != (long_lba ? 16 : 8)) {
		scsi_fail_param(task, len_at, 7);
		return false;
	}
	return !too_short(task, l, desc_len) && check_block_desc(task, l, desc_len);
}

/* Bits of a page that differ from the current ones must be changeable. */
static bool check_page_bits(struct scsi_task *task, const struct list *l, unsigned int page,
			    size_t len)
{
	uint8_t current[MODE_PAGE_MAX], changeable[MODE_PAGE_MAX], bits;
	size_t i;

	mode_page_fill(scsi_task_lu(task), page, MODE_PC_CURRENT, current);
	mode_page_fill(scsi_task_lu(task), page, MODE_PC_CHANGEABLE, changeable);
	for (i = 2; i < len; i++) {
		bits = (l->data[l->at + i] ^ current[i]) & (uint8_t)~changeable[i];
		if (bits) {
			scsi_fail_param(task, (unsigned int)(l->at + i),
					31 - (unsigned int)__builtin_clz(bits));
			return false;
		}
	}
	return true;
}

static bool check_page(struct scsi_task *task, struct list *l, struct mode_values *values)
{
	const uint8_t *p = l->data + l->at;
	size_t len;
	int page;

	if (too_short(task, l, 2))
		return false;
	page = p[0] & 0x40 ? -1 : mode_page_find(p[0] & 0x3f); /* SPF: no subpages */
	if (page < 0) {
		scsi_fail_param(task, (unsigned int)l->at, p[0] & 0x40 ? 6 : 5);
		return false;
	}
	len = mode_page_len((unsigned int)page);
	if (p[1] != len - 2) {
		scsi_fail_param(task, (unsigned int)l->at + 1, 7);
		return false;
	}
	if (too_short(task, l, len) || !check_page_bits(task, l, (unsigned int)page, len))
		return false;
	mode_page_parse((unsigned int)page, p, values);
	l->at += len;
	return true;
}

static int flush_step(struct scsi_task *task)
{
	if (task->op.phase++ == 0)
		return scsi_submit_buf(task, BDEV_OP_FLUSH, 0, NULL, 0, 0);
	return SCSI_DONE;
}

enum scsi_result scsi_do_mode_select(struct scsi_task *task)
{
	struct list l = {.len = cdb_len_field(task)};
	struct mode_values values;

	if (!(task->cdb[1] & PF))
		return scsi_fail_cdb(task, 1, 4);
	if (task->cdb[1] & SP) /* nothing can be saved */
		return scsi_fail_cdb(task, 1, 0);
	if (!l.len)
		return SCSI_DONE;
	if (l.len > sizeof(l.data))
		return scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	if (!scsi_data_out(task, l.data, l.len) || !check_header(task, &l))
		return SCSI_DONE;
	mode_values_get(scsi_task_lu(task), &values);
	while (l.at < l.len)
		if (!check_page(task, &l, &values))
			return SCSI_DONE;
	if (!mode_values_set(scsi_task_lu(task), &values))
		return SCSI_DONE;
	/* From now on all is written through; what was written before follows. */
	task->op.phase = 0;
	return scsi_steps_start(task, flush_step);
}

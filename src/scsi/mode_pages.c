/* SPDX-License-Identifier: BSD-3-Clause */
/* Mode pages: SPC-4, 7.5, and SBC-4, 6.4. */
#include "scsi/mode_pages.h"

#define WCE	0x04 /* caching, byte 2 */
#define D_SENSE 0x04 /* control, byte 2 */
#define SWP	0x08 /* control, byte 4 */

enum { PAGE_RECOVERY, PAGE_CACHING, PAGE_CONTROL };

/*
 * With all that can be changed switched off. In ascending order of their codes. Not 1Ch, with
 * DEXCPT: smartctl says of such a disk that SMART can be enabled, and how, and it can't.
 */
static const uint8_t pages[MODE_PAGES][MODE_PAGE_MAX] = {
	[PAGE_RECOVERY] = {0x01, 0x0a},
	[PAGE_CACHING] = {0x08, 0x12},
	/*
	 * TST 001b: a task set per nexus; GLTSD; QUEUE ALGORITHM MODIFIER 1: unrestricted
	 * reordering; BUSY TIMEOUT PERIOD unlimited.
	 */
	[PAGE_CONTROL] = {0x0a, 0x0a, 0x22, 0x10, 0, 0, 0, 0, 0xff, 0xff},
};

uint8_t mode_page_code(unsigned int page)
{
	return pages[page][0];
}

size_t mode_page_len(unsigned int page)
{
	return (size_t)pages[page][1] + 2;
}

int mode_page_find(uint8_t code)
{
	unsigned int i;

	for (i = 0; i < MODE_PAGES; i++)
		if (pages[i][0] == code)
			return (int)i;
	return -1;
}

/* A bdev without a cache can't be given one. */
static void get_values(const struct scsi_lu *lu, enum mode_pc pc, struct mode_values *values)
{
	bool has_cache = lu->bdev->limits.write_cache;

	if (pc == MODE_PC_CURRENT) {
		mode_values_get(lu, values);
		return;
	}
	values->modes = has_cache ? SCSI_MODE_WCE : 0;
	values->swp = false;
	if (pc == MODE_PC_CHANGEABLE) {
		values->modes |= SCSI_MODE_D_SENSE;
		values->swp = true;
	}
}

size_t mode_page_fill(const struct scsi_lu *lu, unsigned int page, enum mode_pc pc, uint8_t *p)
{
	size_t len = mode_page_len(page);
	struct mode_values values;

	get_values(lu, pc, &values);
	memcpy(p, pages[page], len);
	if (pc == MODE_PC_CHANGEABLE)
		memset(p + 2, 0, len - 2);
	if (page == PAGE_CACHING && values.modes & SCSI_MODE_WCE)
		p[2] |= WCE;
	if (page == PAGE_CONTROL && values.modes & SCSI_MODE_D_SENSE)
		p[2] |= D_SENSE;
	if (page == PAGE_CONTROL && values.swp)
		p[4] |= SWP;
	return len;
}

static void set_bit(unsigned int *bits, unsigned int bit, bool on)
{
	*bits = on ? *bits | bit : *bits & ~bit;
}

void mode_page_parse(unsigned int page, const uint8_t *p, struct mode_values *values)
{
	if (page == PAGE_CACHING) {
		set_bit(&values->modes, SCSI_MODE_WCE, p[2] & WCE);
	} else if (page == PAGE_CONTROL) {
		set_bit(&values->modes, SCSI_MODE_D_SENSE, p[2] & D_SENSE);
		values->swp = p[4] & SWP;
	}
}

void mode_values_get(const struct scsi_lu *lu, struct mode_values *values)
{
	values->modes = atomic_load_explicit(&lu->modes, memory_order_relaxed);
	values->swp = scsi_lu_special(lu) & SCSI_LU_SWP;
}

bool mode_values_set(struct scsi_lu *lu, const struct mode_values *values)
{
	unsigned int before;

	pthread_mutex_lock(&lu->disk->lock);
	before = atomic_exchange_explicit(&lu->modes, values->modes, memory_order_relaxed);
	scsi_lu_set_special(lu, SCSI_LU_SWP, values->swp);
	pthread_mutex_unlock(&lu->disk->lock);
	return before & ~values->modes & SCSI_MODE_WCE;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCSI_MODE_PAGES_H
#define SCSI_MODE_PAGES_H

/* The mode pages, for mode.c. All: any reactor, without the disk's lock. */

#include "scsi/scsi_internal.h"

#define MODE_PAGES    3
#define MODE_PAGE_MAX 20
#define MODE_DATA_MAX 256
#define F32	      0xffffffffu

/* PC, the page control field: SPC-4, table 133. */
enum mode_pc { MODE_PC_CURRENT, MODE_PC_CHANGEABLE, MODE_PC_DEFAULT, MODE_PC_SAVED };

/* What can be changed. */
struct mode_values {
	unsigned int modes; /* SCSI_MODE_* */
	bool swp;
};

uint8_t mode_page_code(unsigned int page);
size_t mode_page_len(unsigned int page);
/* -1: there is no such page. */
int mode_page_find(uint8_t code);
/* The page's length. Not for MODE_PC_SAVED. */
size_t mode_page_fill(const struct scsi_lu *lu, unsigned int page, enum mode_pc pc, uint8_t *p);
/* Takes over what a page sets; its other bits have been checked. */
void mode_page_parse(unsigned int page, const uint8_t *p, struct mode_values *values);

void mode_values_get(const struct scsi_lu *lu, struct mode_values *values);
/* True: the write cache was on, and is no more. */
bool mode_values_set(struct scsi_lu *lu, const struct mode_values *values);

#endif

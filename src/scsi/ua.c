/* SPDX-License-Identifier: BSD-3-Clause */
/* Unit attentions (SAM-5, 5.14) and what a reset does to a unit. */
#include "scsi/scsi_internal.h"

/*
 * The conditions of a reset say all that those before them did, and more; the lower the number, the
 * more (SAM-5, table 46).
 */
static bool is_reset(enum scsi_asc asc)
{
	return asc >> 8 == SCSI_ASC_POWER_ON >> 8;
}

static void remove_at(struct scsi_lu *lu, unsigned int i)
{
	memmove(&lu->ua[i], &lu->ua[i + 1], (lu->nua - i - 1) * sizeof(lu->ua[0]));
	lu->nua--;
}

/* Of resets only the strongest is reported, and before all else. */
static void add_reset(struct scsi_lu *lu, enum scsi_asc asc)
{
	if (lu->nua && is_reset(lu->ua[0])) {
		if (lu->ua[0] <= asc)
			return;
		remove_at(lu, 0);
	}
	memmove(&lu->ua[1], &lu->ua[0], lu->nua * sizeof(lu->ua[0]));
	lu->ua[0] = (uint16_t)asc;
	lu->nua++;
}

void scsi_ua_add_locked(struct scsi_lu *lu, enum scsi_asc asc)
{
	unsigned int i;

	if (is_reset(asc)) {
		add_reset(lu, asc);
	} else {
		for (i = 0; i < lu->nua; i++)
			if (lu->ua[i] == asc)
				return;
		lu->ua[lu->nua++] = (uint16_t)asc;
	}
	scsi_lu_set_special(lu, SCSI_LU_UA, true);
}

bool scsi_ua_take(struct scsi_lu *lu, enum scsi_asc *asc)
{
	bool taken = false;

	pthread_mutex_lock(&lu->disk->lock);
	if (lu->nua) {
		taken = true;
		*asc = lu->ua[0];
		remove_at(lu, 0);
	}
	scsi_lu_set_special(lu, SCSI_LU_UA, lu->nua);
	pthread_mutex_unlock(&lu->disk->lock);
	return taken;
}

void scsi_ua_drop(struct scsi_lu *lu, enum scsi_asc asc)
{
	unsigned int i;

	if (!(scsi_lu_special(lu) & SCSI_LU_UA))
		return;
	pthread_mutex_lock(&lu->disk->lock);
	for (i = 0; i < lu->nua && lu->ua[i] != asc; i++)
		;
	if (i < lu->nua)
		remove_at(lu, i);
	scsi_lu_set_special(lu, SCSI_LU_UA, lu->nua);
	pthread_mutex_unlock(&lu->disk->lock);
}

void scsi_lu_reset(struct scsi_lu *lu, enum scsi_asc asc)
{
	pthread_mutex_lock(&lu->disk->lock);
	if (asc != SCSI_ASC_NEXUS_LOSS) {
		atomic_store_explicit(&lu->modes, lu->bdev->limits.write_cache ? SCSI_MODE_WCE : 0,
				      memory_order_relaxed);
		scsi_lu_set_special(lu, SCSI_LU_SWP | SCSI_LU_STOPPED, false);
		scsi_lu_set_special(lu, SCSI_LU_READ_ONLY, lu->read_only);
	}
	scsi_ua_add_locked(lu, asc);
	pthread_mutex_unlock(&lu->disk->lock);
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* BAR0 (NVMe 1.4, 3.1): registers, doorbells, and the MSI-X table, which lives with the client. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

/* Registers with a meaning lie below this: what is read beyond is 0. */
#define REGS_END 0x40u

/* --- the doorbell page --- */

/*
 * A file of the session's own, so that a client that is gone can't ring the next one's doorbells.
 * Its size is sealed: the page stays there, whatever the client does.
 */
static int make_shared_page(struct vfio_user *vu)
{
	int rc;

	vu->doorbell_fd = memfd_create("nvme-doorbells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (vu->doorbell_fd < 0)
		return -errno;
	if (!ftruncate(vu->doorbell_fd, BAR0_DOORBELLS + VFIO_USER_PAGE) &&
	    !fcntl(vu->doorbell_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		vu->doorbells = mmap(NULL, VFIO_USER_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				     vu->doorbell_fd, BAR0_DOORBELLS);
		if (vu->doorbells != MAP_FAILED)
			return 0;
	}
	rc = -errno;
	close(vu->doorbell_fd);
	return rc;
}

static int make_own_page(struct vfio_user *vu)
{
	int rc;

	vu->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vu->kick_fd < 0)
		return -errno;
	vu->doorbells = mmap(NULL, VFIO_USER_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vu->doorbells != MAP_FAILED)
		return 0;
	rc = -errno;
	close(vu->kick_fd);
	return rc;
}

int vfio_user_bar_begin(struct vfio_user *vu)
{
	vu->doorbell_fd = -1;
	vu->kick_fd = -1;
	memset(vu->msix_table, 0, sizeof(vu->msix_table));
	return vu->mapped ? make_shared_page(vu) : make_own_page(vu);
}

void vfio_user_bar_end(struct vfio_user *vu)
{
	munmap(vu->doorbells, VFIO_USER_PAGE);
	vu->doorbells = NULL;
	if (vu->doorbell_fd >= 0)
		close(vu->doorbell_fd);
	if (vu->kick_fd >= 0)
		close(vu->kick_fd);
}

/* There are no queues. */
void vfio_user_bar_reset(struct vfio_user *vu)
{
	uint32_t *page = (void *)vu->doorbells;
	unsigned int i;

	for (i = 0; i < VFIO_USER_PAGE / sizeof(*page); i++)
		__atomic_store_n(&page[i], 0, __ATOMIC_RELAXED);
	memset(vu->msix_table, 0, sizeof(vu->msix_table));
}

static void ring(struct vfio_user *vu, uint32_t offset, uint32_t value)
{
	uint32_t *page = (void *)vu->doorbells;

	__atomic_store_n(&page[offset / sizeof(*page)], value, __ATOMIC_RELEASE);
}

static void kick(struct vfio_user *vu)
{
	uint64_t one = 1;

	if (vu->kick_fd >= 0 && write(vu->kick_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		vfio_user_warn(vu, "%s: doorbell eventfd: %s", vu->name, fd_strerror(errno));
}

static struct vfio_user_region_access access_of(const struct vfio_user *vu)
{
	struct vfio_user_region_access a;

	memcpy(&a, vu->payload, sizeof(a));
	return a;
}

/* --- reads --- */

static int read_reg(struct vfio_user *vu);

/* Whatever size and alignment: reading has no effect. */
static int reg_has_been_read(struct vfio_user *vu)
{
	struct vfio_user_region_access a = access_of(vu);
	uint8_t *data = vu->ms.out + sizeof(struct vfio_user_header) + sizeof(a);
	uint32_t i;

	for (i = vu->done; i < vu->done + 8; i++)
		if (i >= a.offset && i < a.offset + a.count && i < REGS_END)
			data[i - a.offset] = (uint8_t)(vu->reg >> 8 * (i - vu->done));
	vu->done += 8;
	return read_reg(vu);
}

/* The next 8 bytes that the access has a part of. */
static int read_reg(struct vfio_user *vu)
{
	struct vfio_user_region_access a = access_of(vu);

	if (vu->done >= a.offset + a.count || vu->done >= REGS_END)
		return 0;
	vu->reg = 0;
	vfio_user_later(vu, reg_has_been_read);
	if (!vnvme_reg_read_begin(vu->ctrl, vu->done, 8, &vu->reg, vfio_user_ended, vu))
		return VFIO_USER_LATER;
	vu->waiting = false;
	return reg_has_been_read(vu);
}

/* Doorbells and pending bits read as 0: the client has the bits that are set. */
int vfio_user_bar_read(struct vfio_user *vu)
{
	struct vfio_user_region_access a = access_of(vu);
	uint8_t *data = vu->ms.out + sizeof(struct vfio_user_header) + sizeof(a);

	memset(data, 0, a.count);
	if (a.offset >= BAR0_MSIX_TABLE && a.offset + a.count <= BAR0_MSIX_PBA)
		memcpy(data, vu->msix_table + (a.offset - BAR0_MSIX_TABLE), a.count);
	vu->done = (uint32_t)a.offset & ~7u;
	return read_reg(vu);
}

/* --- writes --- */

static uint32_t dword_of(const struct vfio_user *vu, uint32_t at)
{
	uint32_t v;

	memcpy(&v, vu->payload + sizeof(struct vfio_user_region_access) + at, sizeof(v));
	return v;
}

static int write_dword(struct vfio_user *vu);

static int reg_has_been_written(struct vfio_user *vu)
{
	vu->done += 4;
	return write_dword(vu);
}

static int write_dword(struct vfio_user *vu)
{
	struct vfio_user_region_access a = access_of(vu);

	for (; vu->done < a.count && a.offset + vu->done < BAR0_MSIX_TABLE; vu->done += 4) {
		uint32_t at = (uint32_t)a.offset + vu->done, value = dword_of(vu, vu->done);

		if (at < BAR0_DOORBELLS) {
			vfio_user_later(vu, reg_has_been_written);
			if (!vnvme_reg_write_begin(vu->ctrl, at, 4, value, vfio_user_ended, vu))
				return VFIO_USER_LATER;
			vu->waiting = false;
		} else {
			ring(vu, at - BAR0_DOORBELLS, value);
			vu->rung = true;
		}
	}
	if (vu->rung)
		kick(vu);
	return vfio_user_answer_write(vu);
}

/* Registers and doorbells are written as one dword or two (NVMe 1.4, 3.1); all else is nothing. */
int vfio_user_bar_write(struct vfio_user *vu)
{
	struct vfio_user_region_access a = access_of(vu);

	if (a.offset >= BAR0_MSIX_TABLE) {
		if (a.offset + a.count <= BAR0_MSIX_PBA)
			memcpy(vu->msix_table + (a.offset - BAR0_MSIX_TABLE),
			       vu->payload + sizeof(a), a.count);
		return vfio_user_answer_write(vu);
	}
	if ((a.count != 4 && a.count != 8) || a.offset % 4) {
		log_debug("%s: write of %u bytes at offset %#x of BAR0 ignored", vu->name, a.count,
			  (unsigned int)a.offset);
		return vfio_user_answer_write(vu);
	}
	vu->done = 0;
	vu->rung = false;
	return write_dword(vu);
}

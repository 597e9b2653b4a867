/* SPDX-License-Identifier: BSD-3-Clause */
/* BAR0 (NVMe 1.4, 3.1): registers, doorbells, and the MSI-X table, which lives with the client. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

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
		vfio_user_warn(vu, "%s: doorbell eventfd: %s", vu->name, strerror(errno));
}

/* --- reads --- */

/* Whatever size and alignment: reading has no effect. `offset` is below REGS_END. */
static void read_regs(struct vfio_user *vu, uint32_t offset, uint32_t count, uint8_t *data)
{
	uint32_t end = min_t(uint32_t, offset + count, REGS_END), at, i;

	for (at = offset & ~7u; at < end; at += 8) {
		uint64_t value = 0;

		vnvme_reg_read(vu->ctrl, at, 8, &value);
		for (i = 0; i < 8; i++)
			if (at + i >= offset && at + i < end)
				data[at + i - offset] = (uint8_t)(value >> 8 * i);
	}
}

/* Doorbells and pending bits read as 0: the client has the bits that are set. */
void vfio_user_bar_read(struct vfio_user *vu, uint32_t offset, uint32_t count, uint8_t *data)
{
	memset(data, 0, count);
	if (offset < REGS_END)
		read_regs(vu, offset, count, data);
	else if (offset >= BAR0_MSIX_TABLE && offset + count <= BAR0_MSIX_PBA)
		memcpy(data, vu->msix_table + (offset - BAR0_MSIX_TABLE), count);
}

/* --- writes --- */

static uint32_t dword_at(const uint8_t *data)
{
	uint32_t v;

	memcpy(&v, data, sizeof(v));
	return v;
}

/* Registers and doorbells are written as one dword or two (NVMe 1.4, 3.1); all else is nothing. */
void vfio_user_bar_write(struct vfio_user *vu, uint32_t offset, uint32_t count, const uint8_t *data)
{
	bool rung = false;
	uint32_t i;

	if (offset >= BAR0_MSIX_TABLE) {
		if (offset + count <= BAR0_MSIX_PBA)
			memcpy(vu->msix_table + (offset - BAR0_MSIX_TABLE), data, count);
		return;
	}
	if ((count != 4 && count != 8) || offset % 4) {
		log_debug("%s: write of %u bytes at offset %#x of BAR0 ignored", vu->name, count,
			  offset);
		return;
	}
	for (i = 0; i < count && offset + i < BAR0_MSIX_TABLE; i += 4) {
		if (offset + i < BAR0_DOORBELLS) {
			vnvme_reg_write(vu->ctrl, offset + i, 4, dword_at(data + i));
		} else {
			ring(vu, offset + i - BAR0_DOORBELLS, dword_at(data + i));
			rung = true;
		}
	}
	if (rung)
		kick(vu);
}

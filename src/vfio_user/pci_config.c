/* SPDX-License-Identifier: BSD-3-Clause */
#include "vfio_user/pci_config.h"

#include <linux/pci_regs.h>
#include <string.h>

/* The ids of the device that the patched QEMU shows: guests know both as the same controller. */
#define VENDOR_ID  0x1af4
#define DEVICE_ID  0x10f0
#define CLASS_NVME 0x010802 /* mass storage, non-volatile memory, NVM Express */

#define CAP_PM	 0x40
#define CAP_MSIX 0x50
#define CAP_EXP	 0x60 /* the last one, up to 9bh */

static void put(uint8_t *space, uint32_t offset, unsigned int size, uint32_t value)
{
	while (size--) {
		space[offset++] = (uint8_t)value;
		value >>= 8;
	}
}

static void init_header(struct pci_config *pci, uint32_t bar0_size)
{
	uint8_t *s = pci->space, *w = pci->writable;

	put(s, PCI_VENDOR_ID, 2, VENDOR_ID);
	put(s, PCI_DEVICE_ID, 2, DEVICE_ID);
	put(w, PCI_COMMAND, 2,
	    PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
		    PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	put(s, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	put(s, PCI_CLASS_REVISION, 4, CLASS_NVME << 8 | 1);
	put(w, PCI_CACHE_LINE_SIZE, 1, 0xff);
	put(s, PCI_BASE_ADDRESS_0, 4, PCI_BASE_ADDRESS_MEM_TYPE_64);
	put(w, PCI_BASE_ADDRESS_0, 4, ~(bar0_size - 1));
	put(w, PCI_BASE_ADDRESS_1, 4, UINT32_MAX); /* its upper half */
	put(s, PCI_SUBSYSTEM_VENDOR_ID, 2, VENDOR_ID);
	put(s, PCI_SUBSYSTEM_ID, 2, DEVICE_ID);
	put(s, PCI_CAPABILITY_LIST, 1, CAP_PM);
	put(w, PCI_INTERRUPT_LINE, 1, 0xff); /* the pin stays 0: there is no INTx */
}

static void begin_cap(struct pci_config *pci, uint32_t at, uint8_t id, uint8_t next)
{
	put(pci->space, at, 1, id);
	put(pci->space, at + PCI_CAP_LIST_NEXT, 1, next);
}

/* Power states mean nothing here, but are remembered; D0 keeps everything (No Soft Reset). */
static void init_pm(struct pci_config *pci)
{
	begin_cap(pci, CAP_PM, PCI_CAP_ID_PM, CAP_MSIX);
	put(pci->space, CAP_PM + PCI_PM_PMC, 2, 3); /* version 1.2 */
	put(pci->space, CAP_PM + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET);
	put(pci->writable, CAP_PM + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK);
}

static void init_msix(struct pci_config *pci, const struct pci_config_params *p)
{
	begin_cap(pci, CAP_MSIX, PCI_CAP_ID_MSIX, CAP_EXP);
	put(pci->space, CAP_MSIX + PCI_MSIX_FLAGS, 2, p->vectors - 1);
	put(pci->writable, CAP_MSIX + PCI_MSIX_FLAGS, 2,
	    PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put(pci->space, CAP_MSIX + PCI_MSIX_TABLE, 4, p->table_offset); /* in BAR 0 */
	put(pci->space, CAP_MSIX + PCI_MSIX_PBA, 4, p->pba_offset);
}

static void init_express(struct pci_config *pci)
{
	uint8_t *s = pci->space, *w = pci->writable;

	begin_cap(pci, CAP_EXP, PCI_CAP_ID_EXP, 0);
	put(s, CAP_EXP + PCI_EXP_FLAGS, 2, PCI_EXP_TYPE_ENDPOINT << 4 | 2);
	put(s, CAP_EXP + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
	/* Error reporting, Relaxed Ordering, payload and read request sizes, No Snoop. */
	put(s, CAP_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_READRQ_512B);
	put(w, CAP_EXP + PCI_EXP_DEVCTL, 2, 0x78ff);
	put(s, CAP_EXP + PCI_EXP_LNKCAP, 4, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	put(w, CAP_EXP + PCI_EXP_LNKCTL, 2, PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	put(s, CAP_EXP + PCI_EXP_LNKSTA, 2, PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1);
	put(s, CAP_EXP + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS_2_5GT);
}

void pci_config_init(struct pci_config *pci, const struct pci_config_params *p)
{
	memset(pci, 0, sizeof(*pci));
	init_header(pci, p->bar0_size);
	init_pm(pci);
	init_msix(pci, p);
	init_express(pci);
}

void pci_config_reset(struct pci_config *pci)
{
	uint32_t i;

	for (i = 0; i < PCI_CONFIG_SIZE; i++)
		pci->space[i] &= (uint8_t)~pci->writable[i];
	put(pci->space, CAP_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_READRQ_512B);
}

bool pci_config_bus_master(const struct pci_config *pci)
{
	return pci->space[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

void pci_config_read(const struct pci_config *pci, uint32_t offset, uint32_t count, uint8_t *data)
{
	memcpy(data, pci->space + offset, count);
}

bool pci_config_write(struct pci_config *pci, uint32_t offset, uint32_t count, const uint8_t *data)
{
	const uint32_t flr = CAP_EXP + PCI_EXP_DEVCTL + 1;
	uint32_t i;

	for (i = 0; i < count; i++) {
		uint8_t mask = pci->writable[offset + i];
		uint8_t *at = &pci->space[offset + i];

		*at = (uint8_t)((*at & ~mask) | (data[i] & mask));
	}
	return offset <= flr && flr - offset < count &&
	       data[flr - offset] & PCI_EXP_DEVCTL_BCR_FLR >> 8;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFIO_USER_PCI_CONFIG_H
#define VFIO_USER_PCI_CONFIG_H

/*
 * The configuration space of an NVMe function (PCI Express Base 4.0, 7.5; PCI 3.0, 6): type 0
 * header, power management, MSI-X and PCI Express capabilities. One owner.
 */

#include <stdbool.h>
#include <stdint.h>

#define PCI_CONFIG_SIZE 4096u

struct pci_config {
	uint8_t space[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE]; /* the bits that a write changes */
};

struct pci_config_params {
	uint32_t bar0_size;		   /* a power of 2, at least 16 */
	uint32_t vectors;		   /* of MSI-X, 1..2048 */
	uint32_t table_offset, pba_offset; /* in BAR0, multiples of 8 */
};

void pci_config_init(struct pci_config *pci, const struct pci_config_params *params);
/* What the guest can write becomes 0 again. */
void pci_config_reset(struct pci_config *pci);
/* Whether the function may access memory (Bus Master Enable). */
bool pci_config_bus_master(const struct pci_config *pci);
/* offset + count is at most PCI_CONFIG_SIZE. */
void pci_config_read(const struct pci_config *pci, uint32_t offset, uint32_t count, uint8_t *data);
/*
 * Bits that are read-only keep their value. True: the write asks for a Function Level Reset
 * (7.5.3.4), which is the caller's to do.
 */
bool pci_config_write(struct pci_config *pci, uint32_t offset, uint32_t count, const uint8_t *data);

#endif

/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration space: what stands in it, what can be written, and how BARs are sized. */
#include <linux/pci_regs.h>
#include <stdint.h>

#include "../test.h"
#include "util/util.h"
#include "vfio_user/pci_config.h"

static struct pci_config pci;

static void begin(void)
{
	pci_config_init(&pci, &(struct pci_config_params){
				      .bar0_size = 0x4000,
				      .vectors = 65,
				      .table_offset = 0x2000,
				      .pba_offset = 0x3000,
			      });
}

static uint32_t rd(uint32_t offset, uint32_t size)
{
	uint32_t v = 0;

	pci_config_read(&pci, offset, size, (uint8_t *)&v);
	return v;
}

static bool wr(uint32_t offset, uint32_t size, uint32_t v)
{
	return pci_config_write(&pci, offset, size, (const uint8_t *)&v);
}

static uint32_t find_cap(uint8_t id)
{
	uint32_t at = rd(PCI_CAPABILITY_LIST, 1), n;

	for (n = 0; at && n < 48; n++, at = rd(at + 1, 1))
		if (rd(at, 1) == id)
			return at;
	return 0;
}

static void header(void)
{
	begin();
	CU_ASSERT_EQUAL(rd(PCI_VENDOR_ID, 4), 0x10f01af4);
	CU_ASSERT_EQUAL(rd(PCI_CLASS_REVISION, 4) >> 8, 0x010802);
	CU_ASSERT_EQUAL(rd(PCI_HEADER_TYPE, 1), 0);
	CU_ASSERT_EQUAL(rd(PCI_SUBSYSTEM_VENDOR_ID, 4), 0x10f01af4);
	CU_ASSERT_EQUAL(rd(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	CU_ASSERT_EQUAL(rd(PCI_INTERRUPT_PIN, 1), 0);
	CU_ASSERT_EQUAL(rd(0x100, 4), 0);
}

static void sizing(void)
{
	begin();
	CU_ASSERT_EQUAL(rd(PCI_BASE_ADDRESS_0, 4), 4);
	wr(PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	wr(PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(rd(PCI_BASE_ADDRESS_0, 4), 0xffffc004);
	CU_ASSERT_EQUAL(rd(PCI_BASE_ADDRESS_1, 4), UINT32_MAX);
	wr(PCI_BASE_ADDRESS_0, 4, 0xfebf7abc);
	CU_ASSERT_EQUAL(rd(PCI_BASE_ADDRESS_0, 4), 0xfebf4004);
	wr(PCI_BASE_ADDRESS_2, 4, UINT32_MAX);
	wr(PCI_ROM_ADDRESS, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(rd(PCI_BASE_ADDRESS_2, 4), 0);
	CU_ASSERT_EQUAL(rd(PCI_ROM_ADDRESS, 4), 0);
}

static void command(void)
{
	begin();
	CU_ASSERT_FALSE(pci_config_bus_master(&pci));
	wr(PCI_COMMAND, 2, 0xffff);
	CU_ASSERT_EQUAL(rd(PCI_COMMAND, 2), 0x547);
	CU_ASSERT_TRUE(pci_config_bus_master(&pci));
	wr(PCI_COMMAND, 1, 0); /* one byte of it */
	CU_ASSERT_EQUAL(rd(PCI_COMMAND, 2), 0x500);
	CU_ASSERT_FALSE(pci_config_bus_master(&pci));
	wr(PCI_VENDOR_ID, 4, UINT32_MAX);
	CU_ASSERT_EQUAL(rd(PCI_VENDOR_ID, 4), 0x10f01af4);
}

static void capabilities(void)
{
	uint32_t pm, msix, exp;

	begin();
	pm = find_cap(PCI_CAP_ID_PM);
	msix = find_cap(PCI_CAP_ID_MSIX);
	exp = find_cap(PCI_CAP_ID_EXP);
	CU_ASSERT(pm && msix && exp);
	CU_ASSERT(!(pm % 4) && !(msix % 4) && !(exp % 4));
	CU_ASSERT(exp + 0x3c <= 0x100);
	wr(pm + PCI_PM_CTRL, 2, 0xffff);
	CU_ASSERT_EQUAL(rd(pm + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET | 3);
	CU_ASSERT_EQUAL(rd(msix + PCI_MSIX_FLAGS, 2), 64);
	CU_ASSERT_EQUAL(rd(msix + PCI_MSIX_TABLE, 4), 0x2000);
	CU_ASSERT_EQUAL(rd(msix + PCI_MSIX_PBA, 4), 0x3000);
	wr(msix + PCI_MSIX_FLAGS, 2, 0xffff);
	CU_ASSERT_EQUAL(rd(msix + PCI_MSIX_FLAGS, 2), 0xc000 | 64);
	CU_ASSERT_EQUAL(rd(exp + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_TYPE, 0);
	CU_ASSERT_EQUAL(rd(exp + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_VERS, 2);
	CU_ASSERT(rd(exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR);
}

/* Only the bit itself, in whatever width, and it is never read back. */
static void function_level_reset(void)
{
	uint32_t exp, i;
	uint8_t all[PCI_CONFIG_SIZE];

	begin();
	exp = find_cap(PCI_CAP_ID_EXP);
	CU_ASSERT_TRUE(wr(exp + PCI_EXP_DEVCTL, 2, 0x8000));
	CU_ASSERT_TRUE(wr(exp + PCI_EXP_DEVCTL + 1, 1, 0x80));
	CU_ASSERT_TRUE(wr(exp + PCI_EXP_DEVCTL, 4, 0xa010));
	CU_ASSERT_FALSE(wr(exp + PCI_EXP_DEVCTL, 2, 0x7fff));
	CU_ASSERT_FALSE(wr(exp + PCI_EXP_DEVCTL, 1, 0xff));
	CU_ASSERT_FALSE(wr(exp + PCI_EXP_DEVCTL + 2, 2, 0xffff));
	CU_ASSERT_FALSE(rd(exp + PCI_EXP_DEVCTL, 2) & 0x8000);
	memset(all, 0xff, sizeof(all));
	CU_ASSERT_TRUE(pci_config_write(&pci, 0, sizeof(all), all));
	for (i = 0; i < PCI_CONFIG_SIZE; i++)
		if (i != exp + PCI_EXP_DEVCTL + 1)
			CU_ASSERT_FALSE(wr(i, 1, 0xff));
}

static void reset(void)
{
	uint8_t before[PCI_CONFIG_SIZE], after[PCI_CONFIG_SIZE], ones[PCI_CONFIG_SIZE];

	begin();
	pci_config_read(&pci, 0, sizeof(before), before);
	memset(ones, 0xff, sizeof(ones));
	pci_config_write(&pci, 0, sizeof(ones), ones);
	pci_config_reset(&pci);
	pci_config_read(&pci, 0, sizeof(after), after);
	CU_ASSERT_EQUAL(memcmp(before, after, sizeof(before)), 0);
}

static const struct test_case cases[] = {
	{"header", header},
	{"sizing", sizing},
	{"command", command},
	{"capabilities", capabilities},
	{"function_level_reset", function_level_reset},
	{"reset", reset},
};

TEST_MAIN("pci_config", cases)

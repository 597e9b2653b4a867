/* SPDX-License-Identifier: BSD-3-Clause */
/* Unit attentions: which, in which order, and who may go past them; REQUEST SENSE. */
#include "scsi_test.h"

static struct host h;

static void begin(void)
{
	host_malloc("d", 8 * HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	host_add(&h, 0, 0, "d", false);
	host_start(&h);
}

static void end(void)
{
	host_end(&h);
	test_remove("d");
}

/* What TEST UNIT READY says: the code, or 0 if it is ready. */
static unsigned int next_ua(void)
{
	if (CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0) == SCSI_STATUS_GOOD)
		return 0;
	CU_ASSERT_EQUAL(h.sense.key, SCSI_KEY_UNIT_ATTENTION);
	return h.sense.asc;
}

/* By a block, which nobody touches. */
static void grow(const char *name)
{
	struct bdev *bdev = bdev_find(name);

	CU_ASSERT_EQUAL(bdev_resize(bdev, bdev_nblocks(bdev) + 1), 0);
}

static void power_on(void)
{
	begin();
	/* These go past it. */
	CMD(&h, 0, 96, 0x12, 0, 0, 0, 96, 0);
	EXPECT_GOOD(&h);
	CMD(&h, 0, 96, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 96, 0, 0);
	EXPECT_GOOD(&h);
	/* A command that doesn't exist does not. */
	CMD(&h, 0, 0, 0xff, 0, 0, 0, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_UNIT_ATTENTION, SCSI_ASC_POWER_ON);
	CMD(&h, 0, 0, 0xff, 0, 0, 0, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_OPCODE);
	scsi_device_reset(h.dev, SCSI_RESET_POWER_ON);
	host_write(&h, 0, 1, 512);
	EXPECT_SENSE(&h, SCSI_KEY_UNIT_ATTENTION, SCSI_ASC_POWER_ON);
	CU_ASSERT_EQUAL(h.residual, 512);
	host_write(&h, 0, 1, 512);
	EXPECT_GOOD(&h);
	end();
}

static void order(void)
{
	begin();
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_POWER_ON);
	CU_ASSERT_EQUAL(next_ua(), 0);
	/* Once, however often. */
	grow("d");
	grow("d");
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_CAPACITY_CHANGED);
	CU_ASSERT_EQUAL(next_ua(), 0);
	/* A reset comes first; of resets, the strongest remains. */
	grow("d");
	scsi_device_reset(h.dev, SCSI_RESET_NEXUS);
	scsi_device_reset(h.dev, SCSI_RESET_BUS);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_BUS_RESET);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_CAPACITY_CHANGED);
	CU_ASSERT_EQUAL(next_ua(), 0);
	scsi_device_reset(h.dev, SCSI_RESET_POWER_ON);
	scsi_device_reset(h.dev, SCSI_RESET_NEXUS);
	host_tmf(&h, SCSI_TMF_LU_RESET, 0);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_POWER_ON);
	CU_ASSERT_EQUAL(next_ua(), 0);
	host_tmf(&h, SCSI_TMF_LU_RESET, 0);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_DEVICE_RESET);
	host_tmf(&h, SCSI_TMF_NEXUS_RESET, 0);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_NEXUS_LOSS);
	CU_ASSERT_EQUAL(next_ua(), 0);
	end();
}

static void request_sense(void)
{
	begin();
	CMD(&h, 0, 252, 0x03, 0, 0, 0, 252, 0);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(h.got, 18);
	CU_ASSERT_EQUAL(h.in[0], 0x70);
	CU_ASSERT_EQUAL(h.in[2], SCSI_KEY_UNIT_ATTENTION);
	CU_ASSERT_EQUAL(h.in[12], 0x29);
	CU_ASSERT_EQUAL(next_ua(), 0); /* it was taken */
	CMD(&h, 0, 252, 0x03, 0, 0, 0, 252, 0);
	CU_ASSERT_EQUAL(h.in[2], SCSI_KEY_NO_SENSE);
	CU_ASSERT_EQUAL(h.in[12], 0);
	grow("d");
	CMD(&h, 0, 252, 0x03, 1, 0, 0, 252, 0); /* DESC */
	CU_ASSERT_EQUAL(h.got, 8);
	CU_ASSERT_EQUAL(h.in[0], 0x72);
	CU_ASSERT_EQUAL(h.in[1], SCSI_KEY_UNIT_ATTENTION);
	CU_ASSERT_EQUAL(scsi_get16(h.in + 2), SCSI_ASC_CAPACITY_CHANGED);
	CMD(&h, 0, 252, 0x03, 0, 0, 0, 4, 0);
	CU_ASSERT_EQUAL(h.got, 4);
	end();
}

/* Each unit has its own; a reset does not concern other devices, but a bdev's size does. */
static void each_unit(void)
{
	struct host other;

	host_malloc("d", 8 * HOST_MIB, 512);
	host_malloc("e", 8 * HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	host_add(&h, 0, 0, "d", false);
	host_add(&h, 0, 1, "e", false);
	host_add(&h, 1, 0, "d", false);
	host_start(&h);
	host_begin(&other, "other", h.r);
	host_add(&other, 0, 0, "d", false);
	host_start(&other);
	CU_ASSERT_EQUAL(host_clear_uas(&other), 1);
	CU_ASSERT_EQUAL(host_clear_uas(&h), 1);
	host_lun(&h, 0, 1);
	CU_ASSERT_EQUAL(host_clear_uas(&h), 1);
	host_lun(&h, 1, 0);
	CU_ASSERT_EQUAL(host_clear_uas(&h), 1);
	grow("d");
	CU_ASSERT_EQUAL(host_clear_uas(&h), 1);
	host_lun(&h, 0, 1);
	CU_ASSERT_EQUAL(host_clear_uas(&h), 0);
	host_lun(&h, 0, 0);
	host_tmf(&h, SCSI_TMF_TARGET_RESET, 0);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_DEVICE_RESET);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_CAPACITY_CHANGED);
	host_lun(&h, 0, 1);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_DEVICE_RESET);
	host_lun(&h, 1, 0); /* another target */
	CU_ASSERT_EQUAL(next_ua(), 0);
	CU_ASSERT_EQUAL(host_clear_uas(&other), 1); /* the capacity */
	host_end(&other);
	host_end(&h);
	test_remove("d");
	test_remove("e");
}

static void told(void *arg, enum scsi_change change, unsigned int target, unsigned int lun)
{
	CU_ASSERT_EQUAL(target + lun, 0);
	((int *)arg)[change]++;
}

static void gone_done(void *arg)
{
	sem_post(arg);
}

/* The capacity that the guest reads, before and after it was told. */
static void resized(void)
{
	int told_of[3] = {0};

	host_malloc("d", 8 * HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	scsi_device_tell(h.dev, told, told_of);
	host_add(&h, 0, 0, "d", false);
	host_start(&h);
	host_clear_uas(&h);
	CMD(&h, 0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	CU_ASSERT_EQUAL(scsi_get32(h.in), 8 * HOST_MIB / 512 - 1);
	grow("d");
	CU_ASSERT_EQUAL(told_of[SCSI_LU_RESIZED], 1);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_CAPACITY_CHANGED);
	CMD(&h, 0, 8, 0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	CU_ASSERT_EQUAL(scsi_get32(h.in), 8 * HOST_MIB / 512);
	CU_ASSERT_EQUAL(next_ua(), 0);
	CU_ASSERT_EQUAL(told_of[SCSI_LU_REMOVED], 0);
	host_end(&h);
	test_remove("d");
}

static unsigned int luns(void)
{
	CMD(&h, 0, 96, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 96, 0, 0);
	EXPECT_GOOD(&h);
	return scsi_get32(h.in) / 8;
}

/*
 * The bdev is removed under the unit: it is no more, the others of its target say that once, unless
 * the guest has asked before, and the bdev goes with the device.
 */
static void bdev_removed(void)
{
	int told_of[3] = {0};
	sem_t gone;

	sem_init(&gone, 0, 0);
	host_malloc("d", 8 * HOST_MIB, 512);
	host_malloc("e", 8 * HOST_MIB, 512);
	host_begin(&h, "host", NULL);
	scsi_device_tell(h.dev, told, told_of);
	host_add(&h, 0, 0, "d", false);
	host_add(&h, 0, 1, "e", false);
	host_add(&h, 0, 2, "e", false);
	host_add(&h, 1, 0, "e", false);
	host_start(&h);
	host_clear_uas(&h);
	host_lun(&h, 1, 0);
	host_clear_uas(&h);
	host_lun(&h, 0, 2);
	host_clear_uas(&h);
	host_lun(&h, 0, 1);
	host_clear_uas(&h);
	CU_ASSERT_EQUAL(luns(), 3);
	bdev_remove(bdev_find("d"), gone_done, &gone);
	CU_ASSERT_EQUAL(told_of[SCSI_LU_REMOVED], 1);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_LUNS_CHANGED);
	CU_ASSERT_EQUAL(next_ua(), 0);
	CU_ASSERT_EQUAL(luns(), 2);
	host_lun(&h, 0, 2);
	CU_ASSERT_EQUAL(next_ua(), 0); /* REPORT LUNS came before */
	host_lun(&h, 1, 0);
	CU_ASSERT_EQUAL(next_ua(), 0); /* another target */
	host_lun(&h, 0, 0);
	CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	host_read(&h, 0, 1, 512);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	CMD(&h, 0, 18, 0x03, 0, 0, 0, 18, 0);
	CU_ASSERT_EQUAL(h.in[12], 0x25);
	CMD(&h, 0, 36, 0x12, 0, 0, 0, 36, 0);
	CU_ASSERT_EQUAL(h.in[0], 0x7f); /* no unit here, and none can be */
	host_end(&h);
	test_wait(&gone, "bdev_remove()");
	sem_destroy(&gone);
	test_remove("e");
}

static const struct test_case cases[] = {
	{"power_on", power_on},	  {"order", order},	{"request_sense", request_sense},
	{"each_unit", each_unit}, {"resized", resized}, {"bdev_removed", bdev_removed},
};

TEST_MAIN("scsi_ua", cases)

/* SPDX-License-Identifier: BSD-3-Clause */
/* An NVMe controller's guest memory region by region, over vhost-user: ADD_MEM_REG, REM_MEM_REG. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"

#define SLOTS	  509
#define REGION	  65536ull
#define FIRST_GPA (16ull << 30)
#define BLOCKS	  16 /* of 512 bytes */

/* A file for all slots. */
static uint8_t *slots;
static int slots_fd = -1;

static bool make_slots(void)
{
	if (slots)
		return true;
	slots_fd = memfd_create("slots", MFD_CLOEXEC);
	if (slots_fd < 0 || ftruncate(slots_fd, (off_t)(SLOTS * REGION)))
		return false;
	slots = mmap(NULL, SLOTS * REGION, PROT_READ | PROT_WRITE, MAP_SHARED, slots_fd, 0);
	return slots != MAP_FAILED;
}

static uint64_t slot_gpa(unsigned int i)
{
	return FIRST_GPA + i * 2 * REGION;
}

static int change(uint32_t request, const struct fe_vhost_region *region, int fd)
{
	struct fe_mem_reg r = {.region = *region};

	return fe_vhost_ack(&fe_bad.vhost, request, &r, sizeof(r), &fd,
			    request == FE_VHOST_ADD_MEM_REG);
}

static int change_slot(uint32_t request, unsigned int i)
{
	struct fe_vhost_region r = {slot_gpa(i), REGION, (uint64_t)(uintptr_t)(slots + i * REGION),
				    i * REGION};

	return change(request, &r, slots_fd);
}

static int add_slot(unsigned int i)
{
	return change_slot(FE_VHOST_ADD_MEM_REG, i);
}

static int remove_slot(unsigned int i)
{
	return change_slot(FE_VHOST_REM_MEM_REG, i);
}

/* Of the controller's own memory: 0 and 1 are RAM, 2 is the device memory. */
static int change_own(uint32_t request, unsigned int i)
{
	const struct fe_mem_region *m = &fe_bad.mem.regions[i];
	struct fe_vhost_region r = {m->gpa, m->size, (uint64_t)(uintptr_t)m->va, 0};

	return change(request, &r, m->fd);
}

/* Data goes to the disk from that slot, and comes back into it: 0 or a status. */
static int slot_io(unsigned int i)
{
	struct fe_buf buf = {.va = slots + i * REGION, .gpa = slot_gpa(i), .len = REGION};

	return fe_verify(&fe_bad_io.sq, FE_NS_RAM, 64, BLOCKS, 512, &buf, i);
}

/* Connected, with memory that the daemon does not know yet. */
static bool connect_only(void)
{
	fe_nvme_close(&fe_bad);
	fe_nvme_init(&fe_bad);
	return !fe_nvme_connect(&fe_bad, fe_bad_socket()) && !fe_nvme_make_memory(&fe_bad, NULL);
}

/* As QEMU's device does it: device memory first. */
HOSTILE(a_session_without_a_table)
{
	uint64_t most = 0;
	unsigned int i;

	REQUIRE(make_slots() && connect_only());
	REQUIRE_EQ(fe_vhost_call(&fe_bad.vhost, FE_VHOST_GET_MAX_MEM_SLOTS, NULL, 0, &most, 8), 0);
	REQUIRE_EQ(most, SLOTS);
	REQUIRE_EQ(change_own(FE_VHOST_ADD_MEM_REG, 2), 0);
	REQUIRE_EQ(change_own(FE_VHOST_ADD_MEM_REG, 0), 0);
	REQUIRE_EQ(change_own(FE_VHOST_ADD_MEM_REG, 1), 0);
	REQUIRE_EQ(fe_nvme_send_vectors(&fe_bad), 0);
	REQUIRE_EQ(fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, 0), 0);
	REQUIRE_EQ(fe_nvme_enable(&fe_bad), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&fe_bad, &fe_bad_io, 1, 64), 0);
	for (i = 0; i < SLOTS - 3; i++)
		REQUIRE_EQ(add_slot(i), 0);
	CHECK_EQ(add_slot(i), -EIO);
	for (i = 0; i < SLOTS - 3; i += 11)
		CHECK_EQ(slot_io(i), 0);
	CHECK_EQ(slot_io(SLOTS - 4), 0);
}

HOSTILE(regions_come_and_go_under_load)
{
	unsigned int round;

	REQUIRE(make_slots() && fe_bad_open(64));
	REQUIRE_EQ(add_slot(0), 0);
	REQUIRE_EQ(slot_io(0), 0);
	REQUIRE(fe_bad_start_load(16));
	for (round = 1; round <= 40; round++) {
		REQUIRE_EQ(add_slot(round), 0);
		if (round % 2)
			REQUIRE_EQ(remove_slot(round), 0);
		REQUIRE_EQ(fe_load_wait(&fe_bad_load, 10), 0);
	}
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed, 0);
	CHECK_EQ(fe_bad_load.corrupted, 0);
	CHECK_EQ(slot_io(0), 0);
	CHECK_EQ(slot_io(2), 0);
	CHECK_EQ(slot_io(40), 0);
}

HOSTILE(data_in_a_region_that_went)
{
	REQUIRE(make_slots() && fe_bad_open(64));
	REQUIRE_EQ(add_slot(0), 0);
	REQUIRE_EQ(add_slot(1), 0);
	REQUIRE_EQ(remove_slot(0), 0);
	CHECK(slot_io(0) > 0);
	CHECK_EQ(slot_io(1), 0);
	REQUIRE_EQ(add_slot(0), 0);
	CHECK_EQ(slot_io(0), 0);
}

/* The queues are in it: the controller gives up, and works again when it is there. */
HOSTILE(the_queues_region_went)
{
	REQUIRE(fe_bad_open(64));
	REQUIRE_EQ(change_own(FE_VHOST_REM_MEM_REG, 0), 0);
	CHECK(fe_bad_fatal());
	CHECK(fe_bad_logged(NULL));
	REQUIRE_EQ(change_own(FE_VHOST_ADD_MEM_REG, 0), 0);
	CHECK(fe_bad_recovers());
}

HOSTILE(ram_before_device_memory)
{
	REQUIRE(connect_only());
	CHECK_EQ(change_own(FE_VHOST_ADD_MEM_REG, 0), -ECONNRESET);
	CHECK(fe_bad_logged("device memory"));
	REQUIRE(fe_bad_open(64));
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, BLOCKS, 512, &fe_bad_buf, 1), 0);
}

HOSTILE(device_memory_went)
{
	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(8));
	CHECK_EQ(change_own(FE_VHOST_REM_MEM_REG, 2), -ECONNRESET);
	CHECK(fe_bad_logged("device memory"));
	fe_load_abandon(&fe_bad_load);
	REQUIRE(fe_bad_open(64));
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, BLOCKS, 512, &fe_bad_buf, 2), 0);
}

HOSTILE(what_is_refused_changes_nothing)
{
	struct fe_vhost_region r;

	REQUIRE(make_slots() && fe_bad_open(64));
	REQUIRE_EQ(add_slot(0), 0);
	CHECK_EQ(add_slot(0), -EIO);
	CHECK_EQ(remove_slot(1), -EIO);
	/* It would cover RAM, and device memory. */
	r = (struct fe_vhost_region){fe_bad.mem.regions[1].gpa, REGION, 1ull << 40, 0};
	CHECK_EQ(change(FE_VHOST_ADD_MEM_REG, &r, slots_fd), -EIO);
	r.gpa = VHOST_USER_NVME_DEVMEM_GPA;
	CHECK_EQ(change(FE_VHOST_ADD_MEM_REG, &r, slots_fd), -EIO);
	CHECK_EQ(slot_io(0), 0);
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, BLOCKS, 512, &fe_bad_buf, 3), 0);
}

static const struct test_case cases[] = {
	HOSTILE_CASE(a_session_without_a_table),       HOSTILE_CASE(regions_come_and_go_under_load),
	HOSTILE_CASE(data_in_a_region_that_went),      HOSTILE_CASE(the_queues_region_went),
	HOSTILE_CASE(ram_before_device_memory),	       HOSTILE_CASE(device_memory_went),
	HOSTILE_CASE(what_is_refused_changes_nothing),
};

FE_TEST_MAIN("nvme_slots", cases, &fe_hostile_config)

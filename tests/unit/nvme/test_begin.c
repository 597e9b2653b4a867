/* SPDX-License-Identifier: BSD-3-Clause */
/* A session of a transport that waits for nothing: each call's end is told by a reactor. */
#include <semaphore.h>

#include "fixture.h"

static sem_t sem;

static void ended(void *arg)
{
	CU_ASSERT_PTR_EQUAL(arg, &sem);
	CU_ASSERT_PTR_NOT_NULL(reactor_self());
	sem_post(&sem);
}

static void wait_ended(void)
{
	while (sem_wait(&sem) && errno == EINTR)
		;
}

static uint64_t read_reg(struct host *h, uint32_t offset, uint32_t size)
{
	uint64_t value = UINT64_MAX;

	CU_ASSERT_EQUAL(vnvme_reg_read_begin(h->ctrl, offset, size, &value, ended, &sem), 0);
	wait_ended();
	return value;
}

static void write_reg(struct host *h, uint32_t offset, uint32_t size, uint64_t value)
{
	CU_ASSERT_EQUAL(vnvme_reg_write_begin(h->ctrl, offset, size, value, ended, &sem), 0);
	wait_ended();
}

static void begin_session(struct host *h)
{
	vnvme_attach_begin(h->ctrl, ended, &sem);
	wait_ended();
	for (int i = 0; i < IRQ_VECTORS; i++) {
		h->irq[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		CU_ASSERT_EQUAL(
			vnvme_set_irq_begin(h->ctrl, (uint32_t)i, dup(h->irq[i]), ended, &sem), 0);
		wait_ended();
	}
	h->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vnvme_set_kick_begin(h->ctrl, dup(h->kick), ended, &sem);
	wait_ended();
	guest_mem_clear(&h->mem);
	CU_ASSERT_EQUAL(guest_mem_add(&h->mem, HOST_GPA, HOST_RAM, h->ram), 0);
	vnvme_memory_start_begin(h->ctrl, &h->mem, h->doorbells, ended, &sem);
	wait_ended();
}

static void end_session(struct host *h)
{
	vnvme_detach_begin(h->ctrl, ended, &sem);
	wait_ended();
	for (int i = 0; i < IRQ_VECTORS; i++)
		close(h->irq[i]);
	close(h->kick);
	h->used = 0;
}

static void enable(struct host *h)
{
	host_queue_init(&h->admin, h, 0, 32, 32);
	write_reg(h, NVME_REG_AQA, 4, 31u << 16 | 31u);
	write_reg(h, NVME_REG_ASQ, 8, h->admin.sq_gpa);
	write_reg(h, NVME_REG_ACQ, 8, h->admin.cq_gpa);
	write_reg(h, NVME_REG_CC, 4, CC_ENABLE);
	CU_ASSERT_EQUAL(read_reg(h, NVME_REG_CSTS, 4), CSTS_READY);
}

/* A new eventfd is signalled at once, as the old one may not have arrived. */
static void replace_irq(struct host *h)
{
	uint64_t n = 0;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	CU_ASSERT_EQUAL(vnvme_set_irq_begin(h->ctrl, 2, dup(fd), ended, &sem), 0);
	wait_ended();
	CU_ASSERT_EQUAL(read(fd, &n, sizeof(n)), sizeof(n));
	CU_ASSERT_EQUAL(vnvme_trigger_irq_begin(h->ctrl, 2, ended, &sem), 0);
	wait_ended();
	CU_ASSERT_EQUAL(read(fd, &n, sizeof(n)), sizeof(n));
	close(h->irq[2]);
	h->irq[2] = fd;
}

static void whole_session(void)
{
	struct host *h = host_open_off(&(struct host_params){.reactors = 2});
	struct host_queue *q;
	int i;

	sem_init(&sem, 0, 0);
	test_watch("a session by calls that do not wait");
	host_detach(h);
	for (i = 0; i < 3; i++) {
		begin_session(h);
		enable(h);
		q = host_add_queue(h, 1, 16, 16);
		CU_ASSERT_EQUAL(host_run(q, sqe_flush(NS_RAM)), 0);
		replace_irq(h);
		vnvme_stop_begin(h->ctrl, ended, &sem);
		wait_ended();
		vnvme_memory_stop_begin(h->ctrl, ended, &sem);
		wait_ended();
		vnvme_memory_start_begin(h->ctrl, &h->mem, h->doorbells, ended, &sem);
		wait_ended();
		vnvme_start_begin(h->ctrl, ended, &sem);
		wait_ended();
		CU_ASSERT_EQUAL(host_run(q, sqe_flush(NS_RAM)), 0);
		if (i == 1) {
			vnvme_reset_begin(h->ctrl, ended, &sem);
			wait_ended();
			CU_ASSERT_EQUAL(read_reg(h, NVME_REG_CSTS, 4), 0);
		}
		end_session(h);
	}
	test_watch(NULL);
	host_attach(h, true);
	sem_destroy(&sem);
	host_close(h);
}

static void nothing_begun(void)
{
	struct host *h = host_open_off(&(struct host_params){0});
	uint64_t value;

	CU_ASSERT_EQUAL(vnvme_reg_read_begin(h->ctrl, 0x1000, 4, &value, ended, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vnvme_reg_write_begin(h->ctrl, 2, 4, 0, ended, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vnvme_set_irq_begin(h->ctrl, IRQ_VECTORS, -1, ended, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vnvme_trigger_irq_begin(h->ctrl, IRQ_VECTORS, ended, NULL), -EINVAL);
	host_close(h);
}

static const struct test_case cases[] = {
	{"whole_session", whole_session},
	{"nothing_begun", nothing_begun},
};

TEST_MAIN("begin", cases)

/* SPDX-License-Identifier: BSD-3-Clause */
/* Any CDB with any buffers, on two reactors at once, with task management in between. */
#include <pthread.h>

#include "scsi_test.h"

#define ROUNDS 20000

struct fuzzer {
	struct host h;
	uint64_t random;
	unsigned int good, checks, others;
	/* By operation code: what REPORT SUPPORTED OPERATION CODES says is looked at. */
	uint8_t usage[256][16];
};

static uint32_t pick(struct fuzzer *f, uint32_t below)
{
	f->random = f->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(f->random >> 33) % below;
}

static void get_usage(struct fuzzer *f, uint8_t opcode)
{
	unsigned int sa;

	/* Of those with service actions all of 0 to 31 are tried: any of them has the usage. */
	for (sa = 0; sa < 32; sa++) {
		CMD(&f->h, 0, 64, 0xa3, 0x0c, 3, opcode, 0, (uint8_t)sa, 0, 0, 0, 64, 0, 0);
		if (f->h.status == SCSI_STATUS_GOOD && f->h.in[1] == 3)
			memcpy(f->usage[opcode], f->h.in + 4, scsi_get16(f->h.in + 2));
	}
}

static const uint8_t opcodes[] = {
	0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x1a, 0x1b, 0x25, 0x28, 0x2a, 0x2e,
	0x2f, 0x35, 0x41, 0x42, 0x55, 0x5a, 0x5e, 0x5f, 0x88, 0x89, 0x8a, 0x8e,
	0x8f, 0x91, 0x93, 0x9e, 0xa0, 0xa3, 0xa8, 0xaa, 0xae, 0xaf,
};

/* Mostly zeroes, small numbers, all ones, and single bits. */
static uint8_t odd_byte(struct fuzzer *f)
{
	switch (pick(f, 8)) {
	case 0:
		return 0xff;
	case 1:
		return (uint8_t)(1 << pick(f, 8));
	case 2:
		return (uint8_t)pick(f, 256);
	case 3:
		return (uint8_t)pick(f, 24);
	default:
		return 0;
	}
}

static void fuzz_one(struct fuzzer *f)
{
	static const size_t lens[] = {0, 1, 8, 24, 255, 512, 1024, 4096, 65536};
	uint8_t cdb[32] = {0};
	unsigned int i;
	size_t out_len, in_len;

	cdb[0] = pick(f, 20) ? opcodes[pick(f, sizeof(opcodes))] : (uint8_t)pick(f, 256);
	for (i = 1; i < 16; i++)
		cdb[i] = odd_byte(f);
	for (i = 1; i < 16 && pick(f, 8); i++)
		cdb[i] &= f->usage[cdb[0]][i];
	if (cdb[0] == 0x5e || cdb[0] == 0x5f)
		cdb[1] = (uint8_t)pick(f, 8);
	if (cdb[0] == 0x9e || cdb[0] == 0xa3)
		cdb[1] = (uint8_t)((cdb[0] == 0x9e ? 0x10 : 0x0c) + pick(f, 3));
	if (cdb[0] == 0x5f && pick(f, 2))
		scsi_put32(cdb + 5, 24);
	/* Parameter lists, in part plausible. */
	for (i = 0; i < 64; i++)
		f->h.out[i] = odd_byte(f);
	out_len = lens[pick(f, 9)];
	in_len = lens[pick(f, 9)];
	host_lun(&f->h, pick(f, 8) ? 0 : pick(f, 256), pick(f, 8) ? pick(f, 2) : pick(f, 600));
	host_cmd(&f->h, cdb, 16, out_len, in_len);
	f->good += f->h.status == SCSI_STATUS_GOOD && f->h.response == SCSI_RESPONSE_OK;
	f->checks += f->h.status == SCSI_STATUS_CHECK_CONDITION;
	f->others += f->h.response != SCSI_RESPONSE_OK;
	if (!pick(f, 50))
		host_tmf(&f->h, (enum scsi_tmf_function)pick(f, 12), pick(f, 10));
}

static void *fuzz(void *arg)
{
	struct fuzzer *f = arg;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		fuzz_one(f);
	CU_ASSERT(f->good > ROUNDS / 50 && f->checks > ROUNDS / 10 && f->others > ROUNDS / 100);
	return NULL;
}

static void begin(struct fuzzer *f, const char *name, int cpu)
{
	unsigned int i;

	host_begin(&f->h, name, test_reactor(cpu));
	host_add(&f->h, 0, 0, "d", false);
	host_add(&f->h, 0, 1, "e", false);
	host_start(&f->h);
	f->random = (uint64_t)cpu + 7;
	for (i = 0; i < sizeof(opcodes); i++)
		get_usage(f, opcodes[i]);
}

/* Reactors send each other messages: they go when both are idle. */
static void end(struct fuzzer f[2])
{
	struct reactor *r[2] = {f[0].h.r, f[1].h.r};

	host_end(&f[1].h);
	host_end(&f[0].h);
	reactor_destroy(r[1]);
	reactor_destroy(r[0]);
}

static void any_cdb(void)
{
	static struct fuzzer f[2];
	pthread_t thread;

	host_malloc("d", HOST_MIB, 512);
	host_malloc("e", HOST_MIB, 4096);
	begin(&f[0], "first", 0);
	begin(&f[1], "second", 1);
	pthread_create(&thread, NULL, fuzz, &f[1]);
	fuzz(&f[0]);
	pthread_join(thread, NULL);
	printf("# good %u, check condition %u, other responses %u\n", f[0].good, f[0].checks,
	       f[0].others);
	end(f);
	test_remove("d");
	test_remove("e");
}

/* All of the above with many tasks in flight, which are aborted at any time. */
#define SLOTS 32

struct slot {
	struct cmd cmd;
	unsigned int left;
	struct fuzzer *f;
	sem_t finished;
};

static void next_done(struct scsi_task *task);

static void next(struct slot *s)
{
	struct fuzzer *f = s->f;
	uint8_t cdb[16] = {0};
	unsigned int kind = pick(f, 6);
	struct iovec *iov = s->cmd.out;

	if (kind == 0) {
		cdb[0] = 0x89;
		cdb[9] = (uint8_t)pick(f, 64);
		cdb[13] = 1;
	} else {
		static const uint8_t ops[] = {0x8a, 0x93, 0x8e, 0x88, 0x8f};

		struct cdb16 c = cdb16(ops[kind - 1], 0, pick(f, 64), 1 + pick(f, 8));

		memcpy(cdb, c.b, 16);
	}
	cmd_init(&s->cmd, &f->h, cdb, 16, 0, 0);
	iov[0] = (struct iovec){.iov_base = f->h.out, .iov_len = 8192};
	s->cmd.in[0] = (struct iovec){.iov_base = f->h.in, .iov_len = 8192};
	s->cmd.task.out_cnt = s->cmd.task.in_cnt = 1;
	s->cmd.task.out_len = s->cmd.task.in_len = 8192;
	s->cmd.task.tag = pick(f, 16);
	s->cmd.task.done = next_done;
	scsi_group_address(f->h.g, f->h.lun, &s->cmd.task);
	scsi_task_execute(&s->cmd.task);
}

static void next_msg(void *arg)
{
	next(arg);
}

static void next_done(struct scsi_task *task)
{
	struct slot *s = (struct slot *)task;

	if (!s->left--) {
		sem_post(&s->finished);
		return;
	}
	s->cmd.task.msg.fn = next_msg; /* done with it: the message is ours again */
	s->cmd.task.msg.arg = s;
	reactor_send(s->f->h.r, &s->cmd.task.msg);
}

static void start_slots(void *arg)
{
	struct slot *s = arg;
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		next(&s[i]);
}

static void load_begin(struct fuzzer *f, struct slot *slots, const char *name, int cpu)
{
	unsigned int i;

	host_open(&f->h, name, test_reactor(cpu), "d");
	f->random = (uint64_t)cpu + 99;
	for (i = 0; i < SLOTS; i++) {
		slots[i].f = f;
		slots[i].left = 400;
		sem_init(&slots[i].finished, 0, 0);
	}
	reactor_call(f->h.r, start_slots, slots);
}

static void load_end(struct fuzzer *f, struct slot *slots)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++) {
		test_wait(&slots[i].finished, "a slot");
		sem_destroy(&slots[i].finished);
	}
	host_clear_uas(&f->h);
	CU_ASSERT_EQUAL(host_tmf(&f->h, SCSI_TMF_QUERY_TASK_SET, 0), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(host_read(&f->h, 0, 64, 512), SCSI_STATUS_GOOD); /* nobody has the turn */
	CU_ASSERT_EQUAL(host_write(&f->h, 0, 64, 512), SCSI_STATUS_GOOD);
}

static void load(uint32_t latency_us)
{
	static struct fuzzer f[2];
	static struct slot slots[2][SLOTS];
	unsigned int i;

	if (latency_us)
		host_null("d", latency_us);
	else
		host_malloc("d", HOST_MIB, 512);
	load_begin(&f[0], slots[0], "first", 0);
	load_begin(&f[1], slots[1], "second", 1);
	for (i = 0; i < 300; i++)
		host_tmf(&f[i & 1].h, i % 7 ? SCSI_TMF_ABORT_TASK : SCSI_TMF_LU_RESET, i % 16);
	load_end(&f[0], slots[0]);
	load_end(&f[1], slots[1]);
	end(f);
	test_remove("d");
}

static void load_inline(void)
{
	load(0);
}

static void load_latency(void)
{
	load(200);
}

static const struct test_case cases[] = {
	{"any_cdb", any_cdb},
	{"load_inline", load_inline},
	{"load_latency", load_latency},
};

TEST_MAIN("scsi_hostile", cases)

/* SPDX-License-Identifier: BSD-3-Clause */
/* Units that come and go while their device is in use, on two reactors. */
#include <pthread.h>
#include <stdatomic.h>

#include "scsi_test.h"
#include "util/util.h"

#define LATENCY_US 20000000 /* never, as far as a test is concerned */

static struct host h, also;
static struct reactor *second;
static int told_of[3];

/* --- changes, and the wait for their end --- */

struct change {
	struct scsi_lu_op *op;
	sem_t done;
};

static void change_done(void *arg)
{
	sem_post(&((struct change *)arg)->done);
}

static int begin_add_params(struct change *c, const struct scsi_lu_params *p,
			    char err[SCSI_ERR_MAX])
{
	sem_init(&c->done, 0, 0);
	return scsi_device_add_lu_begin(h.dev, p, change_done, c, &c->op, err);
}

static int begin_add(struct change *c, unsigned int target, unsigned int lun, const char *bdev,
		     char err[SCSI_ERR_MAX])
{
	const struct scsi_lu_params p = {.target = target, .lun = lun, .bdev = bdev};

	return begin_add_params(c, &p, err);
}

static int begin_remove(struct change *c, unsigned int target, unsigned int lun,
			char err[SCSI_ERR_MAX])
{
	sem_init(&c->done, 0, 0);
	return scsi_device_remove_lu_begin(h.dev, target, lun, change_done, c, &c->op, err);
}

static int end_change(struct change *c)
{
	test_wait(&c->done, "a unit that comes or goes");
	sem_destroy(&c->done);
	return scsi_lu_op_end(c->op);
}

static void add(unsigned int target, unsigned int lun, const char *bdev)
{
	char err[SCSI_ERR_MAX] = "";
	struct change c;

	CU_ASSERT_EQUAL_FATAL(begin_add(&c, target, lun, bdev, err), 0);
	CU_ASSERT_EQUAL(end_change(&c), 0);
}

static void take_away(unsigned int target, unsigned int lun)
{
	char err[SCSI_ERR_MAX] = "";
	struct change c;

	CU_ASSERT_EQUAL_FATAL(begin_remove(&c, target, lun, err), 0);
	CU_ASSERT_EQUAL(end_change(&c), 0);
}

/* --- the device --- */

static void told(void *arg, enum scsi_change change, unsigned int target, unsigned int lun)
{
	told_of[change]++;
}

static void begin(void)
{
	memset(told_of, 0, sizeof(told_of));
	host_malloc("d", 8 * HOST_MIB, 512);
	host_malloc("e", 8 * HOST_MIB, 512);
	host_null("slow", LATENCY_US);
	host_begin(&h, "host", NULL);
	scsi_device_tell(h.dev, told, NULL);
	host_add(&h, 0, 0, "d", false);
	host_start(&h);
	second = test_reactor(1);
	host_also(&also, &h, second);
	host_clear_uas(&h);
}

/* The bdevs go, so nobody has them any more. */
static void end(void)
{
	host_also_end(&also);
	host_end(&h);
	reactor_destroy(second);
	test_remove("d");
	test_remove("e");
	test_remove("slow");
}

static void go_to(unsigned int target, unsigned int lun)
{
	host_lun(&h, target, lun);
	host_lun(&also, target, lun);
}

static uint16_t next_ua(void)
{
	if (CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0) == SCSI_STATUS_GOOD)
		return 0;
	CU_ASSERT_EQUAL(h.sense.key, SCSI_KEY_UNIT_ATTENTION);
	return h.sense.asc;
}

static unsigned int luns(void)
{
	CMD(&h, 0, 96, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 96, 0, 0);
	EXPECT_GOOD(&h);
	return scsi_get32(h.in) / 8;
}

static bool is_unit(struct host *who)
{
	host_clear_uas(who);
	host_write(who, 5, 1, 512);
	return who->response == SCSI_RESPONSE_OK && who->status == SCSI_STATUS_GOOD;
}

/* --- cases --- */

/* A new unit, and what the others say of it. */
static void comes(void)
{
	begin();
	add(0, 7, "e");
	CU_ASSERT_EQUAL(told_of[SCSI_LU_ADDED], 1);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_LUNS_CHANGED);
	CU_ASSERT_EQUAL(next_ua(), 0);
	CU_ASSERT_EQUAL(luns(), 2);
	go_to(0, 7);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_POWER_ON);
	CU_ASSERT(is_unit(&h) && is_unit(&also));
	/* Of a target that there was not; its units say nothing to those of others. */
	go_to(9, 1);
	CU_ASSERT_EQUAL(CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0), -1);
	add(9, 1, "e");
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_POWER_ON);
	CU_ASSERT(is_unit(&h) && is_unit(&also));
	go_to(0, 7);
	CU_ASSERT_EQUAL(next_ua(), 0);
	end();
}

/* It takes no commands any more, and its bdev is nobody's. */
static void goes(void)
{
	begin();
	add(0, 1, "e");
	host_clear_uas(&h);
	go_to(0, 1);
	CU_ASSERT(is_unit(&h) && is_unit(&also));
	take_away(0, 1);
	CU_ASSERT_EQUAL(told_of[SCSI_LU_REMOVED], 1);
	test_remove("e");
	host_write(&h, 5, 1, 512);
	EXPECT_SENSE(&h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	host_write(&also, 5, 1, 512);
	EXPECT_SENSE(&also, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
	CMD(&h, 0, 36, 0x12, 0, 0, 0, 36, 0);
	CU_ASSERT_EQUAL(h.in[0], 0x7f);
	go_to(0, 0);
	CU_ASSERT_EQUAL(next_ua(), SCSI_ASC_LUNS_CHANGED);
	CU_ASSERT_EQUAL(luns(), 1);
	/* The last one of its target. */
	take_away(0, 0);
	CU_ASSERT_EQUAL(CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0), -1);
	CU_ASSERT_EQUAL(CMD(&also, 0, 0, 0, 0, 0, 0, 0, 0), -1);
	host_malloc("e", 8 * HOST_MIB, 512);
	add(0, 0, "e");
	CU_ASSERT(is_unit(&h) && is_unit(&also));
	end();
}

static void start_read(struct cmd *c, struct host *who)
{
	struct cdb16 cdb = cdb16(0x88, 0, 0, 1);

	cmd_init(c, who, cdb.b, 16, 0, 512);
	cmd_start(c);
}

/* What is in flight to it ends, as by a LOGICAL UNIT RESET; to others it goes on. */
static void in_flight(void)
{
	struct cmd one, two, other;
	char err[SCSI_ERR_MAX];
	struct change c;

	begin();
	add(0, 1, "slow");
	add(0, 2, "slow");
	go_to(0, 2);
	host_clear_uas(&h);
	start_read(&other, &h);
	go_to(0, 1);
	host_clear_uas(&h);
	start_read(&one, &h);
	start_read(&two, &also);
	CU_ASSERT_EQUAL_FATAL(begin_remove(&c, 0, 1, err), 0);
	CU_ASSERT_EQUAL(end_change(&c), 0);
	CU_ASSERT(cmd_is_done(&one) && cmd_is_done(&two) && !cmd_is_done(&other));
	cmd_wait(&one);
	cmd_wait(&two);
	CU_ASSERT_EQUAL(h.response, SCSI_RESPONSE_RESET);
	CU_ASSERT_EQUAL(also.response, SCSI_RESPONSE_RESET);
	go_to(0, 2);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0), SCSI_TMF_COMPLETE);
	cmd_wait(&other);
	end();
}

/* Beside task management of the same unit and of its target. */
static void beside_tmfs(void)
{
	struct cmd one, two;
	char err[SCSI_ERR_MAX];
	struct tmf unit, target;
	struct change c;
	int i;

	begin();
	for (i = 0; i < 50; i++) {
		add(0, 1, "slow");
		go_to(0, 1);
		host_clear_uas(&h);
		start_read(&one, &h);
		start_read(&two, &also);
		tmf_start(&unit, &h, SCSI_TMF_LU_RESET, 0);
		tmf_start(&target, &also, SCSI_TMF_NEXUS_RESET, 0);
		CU_ASSERT_EQUAL_FATAL(begin_remove(&c, 0, 1, err), 0);
		CU_ASSERT_EQUAL(tmf_wait(&unit), SCSI_TMF_COMPLETE);
		CU_ASSERT_EQUAL(tmf_wait(&target), SCSI_TMF_COMPLETE);
		cmd_wait(&one);
		cmd_wait(&two);
		CU_ASSERT_EQUAL(end_change(&c), 0);
		CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0), SCSI_TMF_INCORRECT_LUN);
	}
	end();
}

/* A disk that keeps its I/Os, and what is in flight to it is not over before it says so. */
static struct mock *add_stubborn(unsigned int target, unsigned int lun)
{
	struct mock *m = mock_new("stubborn");

	m->bdev.ops = &no_cancel_ops;
	m->hold = true;
	CU_ASSERT_EQUAL_FATAL(bdev_register(&m->bdev), 0);
	add(target, lun, "stubborn");
	go_to(target, lun);
	host_clear_uas(&h);
	return m;
}

/* Of a unit that goes already: no function says that tasks are over that are not. */
static void tmfs_after(unsigned int number)
{
	static const enum scsi_tmf_function functions[] = {
		SCSI_TMF_ABORT_TASK,  SCSI_TMF_ABORT_TASK_SET, SCSI_TMF_LU_RESET,
		SCSI_TMF_NEXUS_RESET, SCSI_TMF_TARGET_RESET,
	};
	struct tmf tmfs[ARRAY_SIZE(functions)];
	char err[SCSI_ERR_MAX];
	struct change c;
	struct mock *m;
	struct cmd one;
	size_t i;
	int value;

	begin();
	m = add_stubborn(number, 1);
	start_read(&one, &also);
	CU_ASSERT_EQUAL_FATAL(begin_remove(&c, number, 1, err), 0);
	host_settle(&h);
	for (i = 0; i < ARRAY_SIZE(functions); i++)
		tmf_start(&tmfs[i], i % 2 ? &h : &also, functions[i], one.task.tag);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_QUERY_TASK, one.task.tag), SCSI_TMF_SUCCEEDED);
	host_settle(&h);
	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		sem_getvalue(&tmfs[i].done, &value);
		CU_ASSERT_EQUAL(value, 0);
	}
	CU_ASSERT_FALSE(cmd_is_done(&one));
	host_go(&also, m);
	for (i = 0; i < ARRAY_SIZE(functions); i++)
		CU_ASSERT_EQUAL(tmf_wait(&tmfs[i]), SCSI_TMF_COMPLETE);
	CU_ASSERT(cmd_is_done(&one));
	cmd_wait(&one);
	CU_ASSERT_EQUAL(end_change(&c), 0);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0),
			number ? SCSI_TMF_BAD_TARGET : SCSI_TMF_INCORRECT_LUN);
	test_remove("stubborn");
	end();
}

static void before_tmfs(void)
{
	tmfs_after(0);
}

/* The target goes with it. */
static void last_before_tmfs(void)
{
	tmfs_after(4);
}

/*
 * A COMPARE AND WRITE waits for a write that came before by another unit on the same bdev, and that
 * one goes on: the unit that goes does not wait for it, nor does task management.
 */
static void behind_another_unit(void)
{
	static const uint8_t cdb[16] = {0x89, [9] = 1, [13] = 1};
	struct cdb16 write = cdb16(0x8a, 0, 1, 1);
	struct cmd w, caw;
	char err[SCSI_ERR_MAX];
	struct change c;
	struct mock *m;
	unsigned int i;

	begin();
	m = add_stubborn(0, 1);
	cmd_init(&w, &also, write.b, 16, 512, 0);
	cmd_start(&w);
	host_settle(&h);
	for (i = 0; i < 3; i++) {
		add(0, 2, "stubborn");
		go_to(0, 2);
		host_clear_uas(&h);
		cmd_init(&caw, &h, cdb, 16, 1024, 0);
		cmd_start(&caw);
		host_settle(&h);
		CU_ASSERT_FALSE(cmd_is_done(&caw));
		if (!i)
			CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0), SCSI_TMF_COMPLETE);
		CU_ASSERT_EQUAL_FATAL(begin_remove(&c, 0, 2, err), 0);
		CU_ASSERT_EQUAL(end_change(&c), 0);
		CU_ASSERT(cmd_is_done(&caw));
		cmd_wait(&caw);
		CU_ASSERT_EQUAL(h.response, SCSI_RESPONSE_RESET);
	}
	CU_ASSERT_FALSE(cmd_is_done(&w));
	CU_ASSERT_EQUAL(m->nseen, 1);
	host_go(&also, m);
	cmd_wait(&w);
	/* The disk has not been left with somebody's turn. */
	go_to(0, 1);
	cmd_init(&caw, &h, cdb, 16, 1024, 0);
	cmd_start(&caw);
	cmd_wait(&caw);
	CU_ASSERT_EQUAL(h.response, SCSI_RESPONSE_OK);
	take_away(0, 1);
	test_remove("stubborn");
	end();
}

/* At any time from the removal's beginning on. */
static void beside_later_tmfs(void)
{
	char err[SCSI_ERR_MAX];
	struct tmf unit, target;
	struct cmd one, two;
	struct change c;
	int i;

	begin();
	for (i = 0; i < 50; i++) {
		add(0, 1, "slow");
		go_to(0, 1);
		host_clear_uas(&h);
		start_read(&one, &h);
		start_read(&two, &also);
		CU_ASSERT_EQUAL_FATAL(begin_remove(&c, 0, 1, err), 0);
		tmf_start(&unit, &h, SCSI_TMF_LU_RESET, 0);
		tmf_start(&target, &also, SCSI_TMF_NEXUS_RESET, 0);
		CU_ASSERT_EQUAL(tmf_wait(&unit), SCSI_TMF_COMPLETE);
		CU_ASSERT_EQUAL(tmf_wait(&target), SCSI_TMF_COMPLETE);
		CU_ASSERT(cmd_is_done(&one) && cmd_is_done(&two));
		cmd_wait(&one);
		cmd_wait(&two);
		CU_ASSERT_EQUAL(end_change(&c), 0);
	}
	end();
}

#define NEW_TARGETS 20

static void *reset_often(void *stop)
{
	while (!atomic_load((atomic_bool *)stop))
		scsi_device_reset(h.dev, SCSI_RESET_POWER_ON);
	return NULL;
}

/* Targets that come while another thread goes through all there are: for a thread sanitizer. */
static void beside_resets(void)
{
	atomic_bool stop = false;
	pthread_t thread;
	unsigned int i;

	begin();
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, reset_often, &stop), 0);
	for (i = 1; i <= NEW_TARGETS; i++)
		add(i, 0, "e");
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	for (i = 1; i <= NEW_TARGETS; i++) {
		go_to(i, 0);
		CU_ASSERT(is_unit(&h) && is_unit(&also));
	}
	end();
}

static void refused(void)
{
	char err[SCSI_ERR_MAX];
	struct change c, again;

	begin();
	CU_ASSERT_EQUAL(begin_add(&c, 0, 0, "e", err), -EEXIST);
	CU_ASSERT_STRING_EQUAL(err, "target 0 has a LUN 0 already");
	CU_ASSERT_EQUAL(begin_add(&c, 0, 1, "none", err), -ENOENT);
	CU_ASSERT_EQUAL(begin_add(&c, 256, 1, "e", err), -EINVAL);
	CU_ASSERT_EQUAL(begin_remove(&c, 0, 1, err), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err, "target 0 has no LUN 1");
	CU_ASSERT_EQUAL(begin_remove(&c, 3, 0, err), -ENOENT);
	CU_ASSERT_EQUAL(begin_remove(&c, 256, 256, err), -ENOENT);
	/* Until the end has been heard. */
	CU_ASSERT_EQUAL(begin_add(&c, 0, 1, "e", err), 0);
	CU_ASSERT(begin_add(&again, 0, 1, "e", err) < 0);
	CU_ASSERT_EQUAL(begin_remove(&again, 0, 1, err), -EALREADY);
	CU_ASSERT_STRING_EQUAL(err, "target 0: LUN 1 is just coming or going");
	CU_ASSERT_EQUAL(end_change(&c), 0);
	CU_ASSERT_EQUAL(begin_remove(&c, 0, 1, err), 0);
	CU_ASSERT_EQUAL(begin_add(&again, 0, 1, "e", err), -EALREADY);
	CU_ASSERT_EQUAL(end_change(&c), 0);
	end();
}

/* One serial is one disk, in all targets of the device. */
static void serials(void)
{
	const struct scsi_lu_params on_d = {.target = 3, .lun = 4, .bdev = "d", .serial = "S1"};
	const struct scsi_lu_params on_e = {.target = 5, .lun = 1, .bdev = "e", .serial = "S1"};
	const struct scsi_lu_params again = {.target = 5, .lun = 1, .bdev = "d", .serial = "S1"};
	const struct scsi_lu_params other = {.target = 5, .lun = 2, .bdev = "e", .serial = "S2"};
	char err[SCSI_ERR_MAX] = "";
	struct change c, c2;

	begin();
	CU_ASSERT_EQUAL_FATAL(begin_add_params(&c, &on_d, err), 0);
	/* While it comes, and when it has come. */
	CU_ASSERT_EQUAL(begin_add_params(&c2, &on_e, err), -ENOTUNIQ);
	CU_ASSERT_EQUAL(end_change(&c), 0);
	CU_ASSERT_EQUAL(begin_add_params(&c, &on_e, err), -ENOTUNIQ);
	CU_ASSERT_STRING_EQUAL(err,
			       "serial: \"S1\" of bdev \"e\" is that of target 3, LUN 4, which "
			       "is on bdev \"d\"; allowed: one of its own, or the same for "
			       "LUNs on one bdev");
	CU_ASSERT_EQUAL_FATAL(begin_add_params(&c, &other, err), 0);
	CU_ASSERT_EQUAL(end_change(&c), 0);
	CU_ASSERT_EQUAL_FATAL(begin_add_params(&c, &again, err), 0);
	CU_ASSERT_EQUAL(end_change(&c), 0);
	take_away(3, 4);
	take_away(5, 1);
	CU_ASSERT_EQUAL_FATAL(begin_add_params(&c, &on_e, err), 0);
	CU_ASSERT_EQUAL(end_change(&c), 0);
	end();
}

static const struct test_case cases[] = {
	{"behind_another_unit", behind_another_unit},
	{"comes", comes},
	{"goes", goes},
	{"in_flight", in_flight},
	{"beside_tmfs", beside_tmfs},
	{"before_tmfs", before_tmfs},
	{"last_before_tmfs", last_before_tmfs},
	{"beside_later_tmfs", beside_later_tmfs},
	{"beside_resets", beside_resets},
	{"refused", refused},
	{"serials", serials},
};

TEST_MAIN("scsi_lu_op", cases)

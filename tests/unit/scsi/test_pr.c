/* SPDX-License-Identifier: BSD-3-Clause */
/* Persistent reservations: service actions, and who may do what. */
#include "scsi_test.h"

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_ABORT, REGISTER_IGNORE, MOVE };
enum { WE = 1, EA = 3, WE_RO = 5, EA_RO = 6, WE_AR = 7, EA_AR = 8 };

static const uint8_t types[] = {WE, EA, WE_RO, EA_RO, WE_AR, EA_AR};

/* Three devices with a unit each on the same bdev, and one that looks at what they do. */
static struct host a, b, c, observer;

static void begin_on(const char *bdev)
{
	host_open(&a, "a", NULL, bdev);
	host_open(&b, "b", a.r, bdev);
	host_open(&c, "c", a.r, bdev);
	host_open(&observer, "observer", a.r, bdev);
}

static void begin(void)
{
	host_malloc("d", 8 * HOST_MIB, 512);
	begin_on("d");
}

static void end(void)
{
	host_end(&observer);
	host_end(&c);
	host_end(&b);
	host_end(&a);
	test_remove("d");
}

static void make_out(uint8_t cdb[10], uint8_t *list, uint8_t action, uint8_t type, uint64_t key,
		     uint64_t sa_key)
{
	memset(cdb, 0, 10);
	cdb[0] = 0x5f;
	cdb[1] = action;
	cdb[2] = type;
	cdb[8] = 24;
	memset(list, 0, 24);
	scsi_put64(list, key);
	scsi_put64(list + 8, sa_key);
}

static int pr_out(struct host *h, uint8_t action, uint8_t type, uint64_t key, uint64_t sa_key)
{
	uint8_t cdb[10];

	make_out(cdb, h->out, action, type, key, sa_key);
	return host_cmd(h, cdb, 10, 24, 0);
}

static int pr_in(struct host *h, uint8_t action, uint8_t alloc_hi, uint8_t alloc)
{
	return CMD(h, 0, 65535, 0x5e, action, 0, 0, 0, 0, 0, alloc_hi, alloc, 0);
}

static uint32_t generation(void)
{
	pr_in(&observer, 0, 0, 8);
	return scsi_get32(observer.in);
}

/* The keys are these, in any order; 0 ends the list. */
static bool keys_are(uint64_t k1, uint64_t k2, uint64_t k3)
{
	uint64_t want = k1 + k2 + k3, have = 0;
	uint32_t len, i;

	if (pr_in(&observer, 0, 1, 0) != SCSI_STATUS_GOOD)
		return false;
	len = scsi_get32(observer.in + 4);
	for (i = 0; i < len; i += 8)
		have += scsi_get64(observer.in + 8 + i);
	return have == want && len == 8u * (!!k1 + !!k2 + !!k3);
}

/* type 0: there is no reservation. */
static bool reservation_is(uint8_t type, uint64_t key)
{
	pr_in(&observer, 1, 1, 0);
	if (!type)
		return observer.got == 8 && scsi_get32(observer.in + 4) == 0;
	return observer.got == 24 && scsi_get32(observer.in + 4) == 16 &&
	       scsi_get64(observer.in + 8) == key && observer.in[21] == type;
}

static unsigned int ua_of(struct host *h)
{
	if (CMD(h, 0, 0, 0, 0, 0, 0, 0, 0) == SCSI_STATUS_GOOD)
		return 0;
	CU_ASSERT_EQUAL(h->sense.key, SCSI_KEY_UNIT_ATTENTION);
	return h->sense.asc;
}

static void registered(void)
{
	begin();
	CU_ASSERT_EQUAL(generation(), 0);
	pr_out(&a, REGISTER, 0, 5, 1); /* a key, but there is none */
	EXPECT_CONFLICT(&a);
	CU_ASSERT_EQUAL(pr_out(&a, REGISTER, 0, 0, 0), SCSI_STATUS_GOOD); /* nothing to do */
	CU_ASSERT_EQUAL(generation(), 0);
	CU_ASSERT_EQUAL(pr_out(&a, REGISTER, 0, 0, 0xa1), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xa1, 0, 0));
	CU_ASSERT_EQUAL(generation(), 1);
	pr_out(&a, REGISTER, 0, 0, 0xa2);
	EXPECT_CONFLICT(&a);
	pr_out(&a, REGISTER, 0, 0xff, 0xa2);
	EXPECT_CONFLICT(&a);
	CU_ASSERT_EQUAL(pr_out(&a, REGISTER, 0, 0xa1, 0xa2), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(pr_out(&b, REGISTER_IGNORE, 0, 0x1234, 0xb1), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xa2, 0xb1, 0));
	CU_ASSERT_EQUAL(pr_out(&b, REGISTER_IGNORE, 0, 0, 0xb2), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xa2, 0xb2, 0));
	CU_ASSERT_EQUAL(generation(), 4);
	CU_ASSERT_EQUAL(pr_out(&a, REGISTER, 0, 0xa2, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(pr_out(&b, REGISTER_IGNORE, 0, 0, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(pr_out(&b, REGISTER_IGNORE, 0, 0, 0), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0, 0, 0));
	CU_ASSERT_EQUAL(generation(), 6);
	CU_ASSERT_EQUAL(ua_of(&a) + ua_of(&b) + ua_of(&c), 0);
	end();
}

static void bad_lists(void)
{
	uint8_t cdb[10];
	unsigned int len;

	begin();
	for (len = 0; len < 40; len++) {
		make_out(cdb, a.out, REGISTER, 0, 0, 1);
		cdb[8] = (uint8_t)len;
		host_cmd(&a, cdb, 10, 64, 0);
		if (len != 24)
			EXPECT_SENSE(&a, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	}
	make_out(cdb, a.out, REGISTER, 0, 0, 1);
	cdb[5] = 1;
	host_cmd(&a, cdb, 10, 64, 0);
	EXPECT_SENSE(&a, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
	cdb[5] = 0;
	host_cmd(&a, cdb, 10, 23, 0);
	EXPECT_OVERRUN(&a);
	pr_out(&a, REGISTER_IGNORE, 0, 0, 0);
	a.out[20] = 0x08; /* SPEC_I_PT */
	host_cmd(&a, cdb, 10, 24, 0);
	EXPECT_BAD_PARAM(&a, 20, 3);
	a.out[20] = 0x04; /* ALL_TG_PT */
	host_cmd(&a, cdb, 10, 24, 0);
	EXPECT_BAD_PARAM(&a, 20, 2);
	a.out[20] = 0x01; /* APTPL */
	host_cmd(&a, cdb, 10, 24, 0);
	EXPECT_BAD_PARAM(&a, 20, 0);
	pr_out(&a, MOVE, 0, 0, 0);
	EXPECT_BAD_CDB(&a, 1, 4);
	pr_out(&a, 0x1f, 0, 0, 0);
	EXPECT_BAD_CDB(&a, 1, 4);
	pr_in(&a, 4, 0, 8);
	EXPECT_BAD_CDB(&a, 1, 4);
	CU_ASSERT(keys_are(0, 0, 0));
	end();
}

static void reserve(void)
{
	unsigned int i, j;

	begin();
	pr_out(&a, RESERVE, WE, 0, 0);
	EXPECT_CONFLICT(&a); /* not registered */
	pr_out(&a, REGISTER, 0, 0, 0xa);
	pr_out(&b, REGISTER, 0, 0, 0xb);
	pr_out(&a, RESERVE, WE, 0xb, 0);
	EXPECT_CONFLICT(&a); /* another's key */
	for (i = 0; i < 16; i++) {
		if (memchr(types, (int)i, sizeof(types)))
			continue;
		pr_out(&a, RESERVE, (uint8_t)i, 0xa, 0);
		EXPECT_BAD_CDB(&a, 2, 3);
	}
	pr_out(&a, RESERVE, 0x10 | WE, 0xa, 0); /* SCOPE */
	EXPECT_BAD_CDB(&a, 2, 7);
	for (i = 0; i < sizeof(types); i++) {
		bool all = types[i] >= WE_AR;
		uint32_t gen = generation();

		CU_ASSERT_EQUAL(pr_out(&a, RESERVE, types[i], 0xa, 0), SCSI_STATUS_GOOD);
		CU_ASSERT(reservation_is(types[i], all ? 0 : 0xa));
		for (j = 0; j < sizeof(types); j++) {
			pr_out(&a, RESERVE, types[j], 0xa, 0);
			CU_ASSERT_EQUAL(a.status, i == j ? SCSI_STATUS_GOOD
							 : SCSI_STATUS_RESERVATION_CONFLICT);
			/* Of all registrants each is a holder. */
			pr_out(&b, RESERVE, types[j], 0xb, 0);
			CU_ASSERT_EQUAL(b.status, i == j && all ? SCSI_STATUS_GOOD
								: SCSI_STATUS_RESERVATION_CONFLICT);
		}
		pr_out(&c, RESERVE, types[i], 0, 0);
		EXPECT_CONFLICT(&c);
		CU_ASSERT_EQUAL(pr_out(&a, RELEASE, types[i], 0xa, 0), SCSI_STATUS_GOOD);
		CU_ASSERT(reservation_is(0, 0));
		CU_ASSERT_EQUAL(generation(), gen);
		CU_ASSERT_EQUAL(ua_of(&a), 0);
		CU_ASSERT_EQUAL(ua_of(&b), types[i] >= WE_RO ? SCSI_ASC_RESERVATIONS_RELEASED : 0);
		CU_ASSERT_EQUAL(ua_of(&c), 0);
	}
	end();
}

static void release(void)
{
	begin();
	pr_out(&a, REGISTER, 0, 0, 0xa);
	pr_out(&b, REGISTER, 0, 0, 0xb);
	CU_ASSERT_EQUAL(pr_out(&a, RELEASE, WE, 0xa, 0), SCSI_STATUS_GOOD); /* there is none */
	pr_out(&a, RESERVE, WE_RO, 0xa, 0);
	CU_ASSERT_EQUAL(pr_out(&b, RELEASE, WE_RO, 0xb, 0), SCSI_STATUS_GOOD); /* not b's */
	CU_ASSERT(reservation_is(WE_RO, 0xa));
	pr_out(&c, RELEASE, WE_RO, 0, 0);
	EXPECT_CONFLICT(&c);
	pr_out(&a, RELEASE, WE_RO, 0xb, 0);
	EXPECT_CONFLICT(&a);
	pr_out(&a, RELEASE, EA_RO, 0xa, 0);
	EXPECT_SENSE(&a, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_RELEASE);
	CU_ASSERT(reservation_is(WE_RO, 0xa));
	/* Who unregisters gives up what it holds. */
	CU_ASSERT_EQUAL(pr_out(&a, REGISTER, 0, 0xa, 0), SCSI_STATUS_GOOD);
	CU_ASSERT(reservation_is(0, 0));
	CU_ASSERT_EQUAL(ua_of(&b), SCSI_ASC_RESERVATIONS_RELEASED);
	/* With all registrants, the last one does. */
	pr_out(&a, REGISTER, 0, 0, 0xa);
	pr_out(&a, RESERVE, EA_AR, 0xa, 0);
	pr_out(&a, REGISTER, 0, 0xa, 0);
	CU_ASSERT(reservation_is(EA_AR, 0));
	pr_out(&b, REGISTER, 0, 0xb, 0);
	CU_ASSERT(reservation_is(0, 0));
	CU_ASSERT_EQUAL(ua_of(&a) + ua_of(&b) + ua_of(&c), 0);
	end();
}

/* --- who may do what --- */

/* By command: whether it is refused to those whom a type forbids to write, or to read. */
static const struct {
	uint8_t cdb[16];
	size_t out_len, in_len;
	bool writes, reads;
} commands[] = {
	{{0x00}, 0, 0, false, false},
	{{0x03, 0, 0, 0, 18}, 0, 18, false, false},
	{{0x12, 0, 0, 0, 96}, 0, 96, false, false},
	{{0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64}, 0, 64, false, false},
	{{0x25}, 0, 8, false, false},
	{{0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}, 0, 32, false, false},
	{{0x5e, 0, 0, 0, 0, 0, 0, 0, 64}, 0, 64, false, false},
	{{0x1b, 0, 0, 0, 1}, 0, 0, false, false}, /* START */
	{{0x1b, 0, 0, 0, 0}, 0, 0, true, true},	  /* STOP */
	{{0x08, 0, 0, 0, 1}, 0, 512, false, true},
	{{0x28, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 512, false, true},
	{{0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 512, false, true},
	{{0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 512, false, true},
	{{0x2f, 0, 0, 0, 0, 0, 0, 0, 1}, 0, 0, false, true},
	{{0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24}, 0, 24, false, true},
	{{0x1a, 8, 8, 0, 64}, 0, 64, false, true},
	{{0xa3, 0x0c, 1, 0x28, 0, 0, 0, 0, 0, 64}, 0, 64, false, true},
	{{0xa3, 0x0d, 0, 0, 0, 0, 0, 0, 0, 64}, 0, 64, false, true},
	{{0x0a, 0, 0, 0, 1}, 512, 0, true, true},
	{{0x2a, 0, 0, 0, 0, 0, 0, 0, 1}, 512, 0, true, true},
	{{0xaa, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 512, 0, true, true},
	{{0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 512, 0, true, true},
	{{0x2e, 0, 0, 0, 0, 0, 0, 0, 1}, 512, 0, true, true},
	{{0x41, 0, 0, 0, 0, 0, 0, 0, 1}, 512, 0, true, true},
	{{0x42}, 0, 0, true, true},
	{{0x89}, 0, 0, true, true},
	{{0x35}, 0, 0, true, true},
	{{0x15, 0x10}, 0, 0, true, true},
};

static void try_all(struct host *h, bool may_write, bool may_read)
{
	unsigned int i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		bool allowed =
			(may_write || !commands[i].writes) && (may_read || !commands[i].reads);

		memset(h->out, 0, 512);
		host_cmd(h, commands[i].cdb, 16, commands[i].out_len, commands[i].in_len);
		CU_ASSERT_EQUAL(h->status,
				allowed ? SCSI_STATUS_GOOD : SCSI_STATUS_RESERVATION_CONFLICT);
		if (commands[i].cdb[0] == 0x1b && !commands[i].cdb[4])
			CMD(h, 0, 0, 0x1b, 0, 0, 0, 1, 0);
	}
}

/* a holds it, b is registered, c is not. */
static void conflicts(void)
{
	unsigned int i;

	begin();
	pr_out(&a, REGISTER, 0, 0, 0xa);
	pr_out(&b, REGISTER, 0, 0, 0xb);
	for (i = 0; i < sizeof(types); i++) {
		bool exclusive = types[i] == EA || types[i] == EA_RO || types[i] == EA_AR;
		bool for_all = types[i] >= WE_RO;

		CU_ASSERT_EQUAL(pr_out(&a, RESERVE, types[i], 0xa, 0), SCSI_STATUS_GOOD);
		try_all(&a, true, true);
		try_all(&b, for_all, for_all || !exclusive);
		try_all(&c, false, !exclusive);
		/* A reset changes nothing in that. */
		host_tmf(&c, SCSI_TMF_LU_RESET, 0);
		scsi_device_reset(c.dev, SCSI_RESET_POWER_ON);
		host_clear_uas(&c);
		try_all(&c, false, !exclusive);
		pr_out(&a, RELEASE, types[i], 0xa, 0);
		host_clear_uas(&b);
		try_all(&c, true, true);
	}
	end();
}

/* A conflict goes before a unit attention, which stays. */
static void conflict_first(void)
{
	begin();
	pr_out(&a, REGISTER, 0, 0, 0xa);
	pr_out(&a, RESERVE, EA, 0xa, 0);
	scsi_device_reset(b.dev, SCSI_RESET_POWER_ON);
	host_read(&b, 0, 1, 512);
	EXPECT_CONFLICT(&b);
	CU_ASSERT_EQUAL(ua_of(&b), SCSI_ASC_POWER_ON);
	end();
}

/* A unit that comes later is bound by what was reserved before. */
static void late_comer(void)
{
	struct host late;

	begin();
	pr_out(&a, REGISTER, 0, 0, 0xa);
	pr_out(&a, RESERVE, WE, 0xa, 0);
	host_open(&late, "late", a.r, "d");
	host_write(&late, 0, 1, 512);
	EXPECT_CONFLICT(&late);
	host_end(&late);
	/* It comes back by the name of a registered one, and is that nexus again. */
	pr_out(&a, RELEASE, WE, 0xa, 0);
	pr_out(&a, RESERVE, WE_RO, 0xa, 0);
	pr_out(&b, REGISTER, 0, 0, 0xb);
	host_end(&b);
	host_open(&b, "b", a.r, "d");
	host_write(&b, 0, 1, 512);
	EXPECT_GOOD(&b);
	CU_ASSERT_EQUAL(pr_out(&b, REGISTER, 0, 0xb, 0xbb), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xa, 0xbb, 0));
	end();
}

/* --- CLEAR and PREEMPT --- */

static void setup(uint8_t type)
{
	pr_out(&a, REGISTER_IGNORE, 0, 0, 0xa);
	pr_out(&b, REGISTER_IGNORE, 0, 0, 0xb);
	pr_out(&c, REGISTER_IGNORE, 0, 0, 0xc);
	if (type)
		CU_ASSERT_EQUAL(pr_out(&a, RESERVE, type, 0xa, 0), SCSI_STATUS_GOOD);
}

static void clear(void)
{
	uint32_t gen;

	begin();
	setup(EA);
	gen = generation();
	pr_out(&b, CLEAR, 0, 0xa, 0);
	EXPECT_CONFLICT(&b);
	CU_ASSERT_EQUAL(pr_out(&b, CLEAR, 0, 0xb, 0), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0, 0, 0) && reservation_is(0, 0));
	CU_ASSERT_EQUAL(generation(), gen + 1);
	CU_ASSERT_EQUAL(ua_of(&a), SCSI_ASC_RESERVATIONS_PREEMPTED);
	CU_ASSERT_EQUAL(ua_of(&b), 0);
	CU_ASSERT_EQUAL(ua_of(&c), SCSI_ASC_RESERVATIONS_PREEMPTED);
	pr_out(&b, CLEAR, 0, 0xb, 0);
	EXPECT_CONFLICT(&b);
	end();
}

static void preempt_registrations(void)
{
	uint32_t gen;

	begin();
	setup(0);
	gen = generation();
	pr_out(&b, PREEMPT, WE, 0xb, 0xdead); /* nobody */
	EXPECT_CONFLICT(&b);
	pr_out(&b, PREEMPT, WE, 0xa, 0xc);
	EXPECT_CONFLICT(&b);
	pr_out(&b, PREEMPT, WE, 0xb, 0);
	EXPECT_BAD_PARAM(&b, 8, 7);
	CU_ASSERT_EQUAL(generation(), gen);
	CU_ASSERT_EQUAL(pr_out(&b, PREEMPT, WE, 0xb, 0xc), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xa, 0xb, 0) && reservation_is(0, 0));
	CU_ASSERT_EQUAL(generation(), gen + 1);
	CU_ASSERT_EQUAL(ua_of(&c), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	CU_ASSERT_EQUAL(ua_of(&a) + ua_of(&b), 0);
	end();
}

static void preempt_holder(void)
{
	begin();
	setup(WE_RO);
	pr_out(&b, PREEMPT, 2, 0xb, 0xa); /* no such type */
	EXPECT_BAD_CDB(&b, 2, 3);
	pr_out(&b, PREEMPT, 0x10 | EA, 0xb, 0xa);
	EXPECT_BAD_CDB(&b, 2, 7);
	CU_ASSERT(keys_are(0xa, 0xb, 0xc) && reservation_is(WE_RO, 0xa));
	CU_ASSERT_EQUAL(pr_out(&b, PREEMPT, EA_RO, 0xb, 0xa), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xb, 0xc, 0) && reservation_is(EA_RO, 0xb));
	host_read(&a, 0, 1, 512);
	EXPECT_CONFLICT(&a);
	CU_ASSERT_EQUAL(ua_of(&a), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	CU_ASSERT_EQUAL(ua_of(&b), 0);
	CU_ASSERT_EQUAL(ua_of(&c), SCSI_ASC_RESERVATIONS_RELEASED); /* the type has changed */
	/* The holder preempts itself to change the type. */
	CU_ASSERT_EQUAL(pr_out(&b, PREEMPT, WE_RO, 0xb, 0xb), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xb, 0xc, 0) && reservation_is(WE_RO, 0xb));
	CU_ASSERT_EQUAL(ua_of(&b), 0);
	CU_ASSERT_EQUAL(ua_of(&c), SCSI_ASC_RESERVATIONS_RELEASED);
	/* Not the holder: only the registration goes. */
	CU_ASSERT_EQUAL(pr_out(&b, PREEMPT, EA, 0xb, 0xc), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xb, 0, 0) && reservation_is(WE_RO, 0xb));
	CU_ASSERT_EQUAL(ua_of(&c), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	end();
}

static void preempt_all(void)
{
	begin();
	setup(EA_AR);
	CU_ASSERT_EQUAL(pr_out(&b, PREEMPT, WE, 0xb, 0xc), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xa, 0xb, 0) && reservation_is(EA_AR, 0));
	CU_ASSERT_EQUAL(ua_of(&c), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	pr_out(&b, PREEMPT, WE, 0xb, 0xc);
	EXPECT_CONFLICT(&b);
	CU_ASSERT_EQUAL(pr_out(&b, PREEMPT, WE, 0xb, 0), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0xb, 0, 0) && reservation_is(WE, 0xb));
	CU_ASSERT_EQUAL(ua_of(&a), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	CU_ASSERT_EQUAL(ua_of(&b) + ua_of(&c), 0);
	end();
}

/* The same key several times; and one that preempts itself without holding anything. */
static void same_keys(void)
{
	begin();
	pr_out(&a, REGISTER, 0, 0, 0x1);
	pr_out(&b, REGISTER, 0, 0, 0x1);
	pr_out(&c, REGISTER, 0, 0, 0x2);
	pr_out(&b, RESERVE, WE, 0x1, 0);
	CU_ASSERT_EQUAL(pr_out(&c, PREEMPT, WE, 0x2, 0x1), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0x2, 0, 0) && reservation_is(WE, 0x2));
	pr_out(&c, RELEASE, WE, 0x2, 0);
	CU_ASSERT_EQUAL(pr_out(&c, PREEMPT, WE, 0x2, 0x2), SCSI_STATUS_GOOD);
	CU_ASSERT(keys_are(0, 0, 0) && reservation_is(0, 0));
	CU_ASSERT_EQUAL(ua_of(&c), 0);
	end();
}

/* --- PREEMPT AND ABORT --- */

static struct mock *mock;

static void begin_mock(void)
{
	mock = mock_new("d");
	CU_ASSERT_EQUAL(bdev_register(&mock->bdev), 0);
	begin_on("d");
	setup(WE_RO);
	host_hold(&a, mock);
}

static void start_write(struct cmd *cmd, struct host *h)
{
	struct cdb16 cdb = cdb16(0x8a, 0, 0, 1);

	cmd_init(cmd, h, cdb.b, 16, 512, 0);
	cmd_start(cmd);
}

static void start_out(struct cmd *cmd, struct host *h, uint8_t action, uint8_t type, uint64_t key,
		      uint64_t sa_key)
{
	uint8_t cdb[10];

	make_out(cdb, h->out, action, type, key, sa_key);
	cmd_init(cmd, h, cdb, 10, 24, 0);
	cmd_start(cmd);
}

static void preempt_abort(void)
{
	struct cmd wa, wb, wc;

	begin_mock();
	start_write(&wa, &a);
	start_write(&wb, &b);
	start_write(&wc, &c);
	CU_ASSERT_EQUAL(pr_out(&b, PREEMPT_ABORT, EA, 0xb, 0xa), SCSI_STATUS_GOOD);
	CU_ASSERT(cmd_is_done(&wa) && !cmd_is_done(&wb) && !cmd_is_done(&wc));
	cmd_wait(&wa);
	CU_ASSERT_EQUAL(a.response, SCSI_RESPONSE_ABORTED);
	CU_ASSERT(keys_are(0xb, 0xc, 0) && reservation_is(EA, 0xb));
	host_go(&a, mock);
	CU_ASSERT_EQUAL(cmd_wait(&wb), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(cmd_wait(&wc), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(ua_of(&a), SCSI_ASC_REGISTRATIONS_PREEMPTED);
	end();
}

/* A bdev that can't cancel: the command waits, and so do two that preempt each other. */
static void mutual_preempt(void)
{
	static struct bdev_ops stubborn;
	struct cmd wa, wb, pa, pb;

	stubborn = mock_ops;
	stubborn.cancel = NULL;
	mock = mock_new("d");
	mock->bdev.ops = &stubborn;
	CU_ASSERT_EQUAL(bdev_register(&mock->bdev), 0);
	begin_on("d");
	setup(0);
	host_hold(&a, mock);
	start_write(&wa, &a);
	start_write(&wb, &b);
	start_out(&pa, &a, PREEMPT_ABORT, WE, 0xa, 0xb);
	CU_ASSERT(!cmd_is_done(&pa)); /* wb is still there */
	CU_ASSERT_EQUAL(pr_out(&b, REGISTER, 0, 0, 0xbb), SCSI_STATUS_CHECK_CONDITION);
	CU_ASSERT_EQUAL(pr_out(&b, REGISTER, 0, 0, 0xbb), SCSI_STATUS_GOOD);
	start_out(&pb, &b, PREEMPT_ABORT, WE, 0xbb, 0xa);
	cmd_wait(&pa); /* aborted by it */
	CU_ASSERT_EQUAL(a.response, SCSI_RESPONSE_ABORTED);
	CU_ASSERT(!cmd_is_done(&pb));
	host_go(&a, mock);
	CU_ASSERT_EQUAL(cmd_wait(&pb), SCSI_STATUS_GOOD);
	cmd_wait(&wa);
	cmd_wait(&wb);
	CU_ASSERT(keys_are(0xbb, 0xc, 0));
	end();
}

/* On another reactor, from one device with two targets: the nexus is the target, too. */
static void abort_elsewhere(void)
{
	struct reactor *r = test_reactor(1);
	struct host far;
	struct cmd w0, w1;

	host_null("d", 20000000);
	host_open(&a, "a", NULL, "d");
	host_begin(&far, "far", r);
	host_add(&far, 0, 0, "d", false);
	host_add(&far, 1, 0, "d", false);
	host_start(&far);
	host_clear_uas(&far);
	host_lun(&far, 1, 0);
	host_clear_uas(&far);
	pr_out(&far, REGISTER, 0, 0, 0xf1);
	start_write(&w1, &far);
	host_lun(&far, 0, 0);
	start_write(&w0, &far);
	pr_out(&a, REGISTER, 0, 0, 0xa);
	CU_ASSERT_EQUAL(pr_out(&a, PREEMPT_ABORT, WE, 0xa, 0xf1), SCSI_STATUS_GOOD);
	CU_ASSERT(cmd_is_done(&w1) && !cmd_is_done(&w0));
	cmd_wait(&w1);
	CU_ASSERT_EQUAL(host_tmf(&far, SCSI_TMF_LU_RESET, 0), SCSI_TMF_COMPLETE);
	cmd_wait(&w0);
	host_end(&far);
	host_end(&a);
	reactor_destroy(r);
	test_remove("d");
}

/* --- PERSISTENT RESERVE IN --- */

static void reports(void)
{
	uint8_t ids[2][24];

	begin();
	CU_ASSERT_EQUAL(pr_in(&a, 2, 0, 8), SCSI_STATUS_GOOD);
	CU_ASSERT(!memcmp(a.in, "\x00\x08\x00\x80\xea\x01\x00\x00", 8));
	setup(WE);
	CU_ASSERT_EQUAL(pr_in(&a, 3, 4, 0), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(a.got, 8 + 3 * 48);
	CU_ASSERT_EQUAL(scsi_get32(a.in + 4), 3 * 48);
	CU_ASSERT_EQUAL(scsi_get64(a.in + 8), 0xa);
	CU_ASSERT_EQUAL(a.in[20], 1);
	CU_ASSERT_EQUAL(a.in[21], WE);
	CU_ASSERT_EQUAL(scsi_get16(a.in + 26), 1);
	CU_ASSERT_EQUAL(scsi_get32(a.in + 28), 24);
	CU_ASSERT_EQUAL(a.in[32], 0x06);
	memcpy(ids[0], a.in + 32, 24);
	CU_ASSERT_EQUAL(scsi_get64(a.in + 56), 0xb);
	CU_ASSERT_EQUAL(a.in[56 + 12], 0);
	CU_ASSERT_EQUAL(a.in[56 + 13], 0);
	memcpy(ids[1], a.in + 80, 24);
	CU_ASSERT(memcmp(ids[0], ids[1], 24));
	/* The length is what there is, not what there is room for. */
	CU_ASSERT_EQUAL(pr_in(&a, 0, 0, 15), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(a.got, 15);
	CU_ASSERT_EQUAL(scsi_get32(a.in + 4), 24);
	CU_ASSERT_EQUAL(pr_in(&a, 0, 0, 0), SCSI_STATUS_GOOD);
	end();
}

/* As many nexuses as there is room for, and one more. */
static void full(void)
{
	struct host h;
	unsigned int t;

	host_malloc("d", HOST_MIB, 512);
	host_begin(&h, "h", NULL);
	for (t = 0; t < 256; t++)
		host_add(&h, t, 0, "d", false);
	host_start(&h);
	for (t = 0; t < 256; t++) {
		host_lun(&h, t, 0);
		host_clear_uas(&h);
		CU_ASSERT_EQUAL(pr_out(&h, REGISTER, 0, 0, t + 1), SCSI_STATUS_GOOD);
	}
	CU_ASSERT_EQUAL(pr_in(&h, 3, 0xff, 0xff), SCSI_STATUS_GOOD);
	CU_ASSERT_EQUAL(h.got, 8 + 48 * 256);
	host_open(&a, "a", h.r, "d");
	pr_out(&a, REGISTER, 0, 0, 5);
	EXPECT_SENSE(&a, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_NO_REGISTRATION_ROOM);
	pr_out(&h, CLEAR, 0, 256, 0);
	EXPECT_GOOD(&h);
	CU_ASSERT_EQUAL(pr_out(&a, REGISTER, 0, 0, 5), SCSI_STATUS_GOOD);
	host_end(&a);
	host_end(&h);
	test_remove("d");
}

static const struct test_case cases[] = {
	{"registered", registered},
	{"bad_lists", bad_lists},
	{"reserve", reserve},
	{"release", release},
	{"conflicts", conflicts},
	{"conflict_first", conflict_first},
	{"late_comer", late_comer},
	{"clear", clear},
	{"preempt_registrations", preempt_registrations},
	{"preempt_holder", preempt_holder},
	{"preempt_all", preempt_all},
	{"same_keys", same_keys},
	{"preempt_abort", preempt_abort},
	{"mutual_preempt", mutual_preempt},
	{"abort_elsewhere", abort_elsewhere},
	{"reports", reports},
	{"full", full},
};

TEST_MAIN("scsi_pr", cases)

/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <errno.h>

#include "../frontend/fe_util.h"

#define READS	     5u
#define BETWEEN_US   500u
#define NO_ANSWER_NS (FE_TIMEOUT_MS * 1000000ull)

const char *const control_names[CONTROL_WHATS] = {"register", "reset", "attach", "detach"};

static void begin(struct control *c, struct control_guest *g, enum control_what what)
{
	c->now = g;
	c->what = what;
	c->begin_ns = fe_now_ns();
}

/* A failure counts as if the answer had never come. */
static int note(struct control *c, const struct control_guest *g, enum control_what what, int err)
{
	uint64_t ns = err ? NO_ANSWER_NS : fe_now_ns() - c->begin_ns;

	if (!__atomic_load_n(&c->measuring, __ATOMIC_RELAXED))
		return err;
	hist_add(&c->hists[g->type == H_VFIO][what], ns);
	if (err) {
		c->failed++;
		c->last_error = err;
	}
	return err;
}

static int attach(struct control_guest *g)
{
	struct fe_nvme_opts opts = {.vfio = g->type == H_VFIO, .ram_bytes = 2u << 20};
	uint64_t end = fe_now_ns() + NO_ANSWER_NS;
	int err;

	while ((err = fe_nvme_open(&g->ctrl, g->socket, &opts)) == -ECONNRESET && fe_now_ns() < end)
		fe_sleep_us(BETWEEN_US);

	g->attached = err == 0;
	return err;
}

/* Gone when the next one is let in and answered; until then it may be sent away. */
static int wait_detached(struct control_guest *g)
{
	uint64_t end = fe_now_ns() + NO_ANSWER_NS;
	int err;

	g->attached = false;
	do {
		fe_nvme_close(&g->ctrl);
		g->ctrl.over_vfio = g->type == H_VFIO;
		err = fe_nvme_connect(&g->ctrl, g->socket);
		if (err)
			fe_sleep_us(BETWEEN_US);
	} while (err == -ECONNRESET && fe_now_ns() < end);
	return err;
}

static bool stopped(const struct control *c)
{
	return __atomic_load_n(&c->stop, __ATOMIC_ACQUIRE);
}

static void use_attached(struct control *c, struct control_guest *g)
{
	uint64_t csts;
	unsigned int i;
	int err = 0;

	for (i = 0; i < READS && !err && !stopped(c); i++) {
		begin(c, g, CONTROL_REGISTER);
		err = note(c, g, CONTROL_REGISTER,
			   fe_nvme_reg_read(&g->ctrl, NVME_REG_CSTS, 4, &csts));
		fe_sleep_us(BETWEEN_US);
	}
	if (err || stopped(c))
		return;
	begin(c, g, CONTROL_RESET);
	err = fe_nvme_disable(&g->ctrl);
	note(c, g, CONTROL_RESET, err ? err : fe_nvme_enable(&g->ctrl));
}

static void one_guest(struct control *c, struct control_guest *g)
{
	if (g->attached)
		use_attached(c, g);
	if (stopped(c))
		return;
	begin(c, g, CONTROL_DETACH);
	note(c, g, CONTROL_DETACH, wait_detached(g));
	fe_nvme_close(&g->ctrl);
	fe_sleep_us(BETWEEN_US);
	if (stopped(c))
		return;
	begin(c, g, CONTROL_ATTACH);
	note(c, g, CONTROL_ATTACH, attach(g));
}

static void *control_main(void *arg)
{
	struct control *c = arg;
	unsigned int i = 0;

	while (!stopped(c)) {
		one_guest(c, &c->guests[i]);
		/* In an order that alternates between what was given first and last. */
		i = (i + c->n / 2 + (i >= c->n / 2)) % c->n;
		fe_sleep_us(BETWEEN_US);
	}
	return NULL;
}

int control_open(struct control *c)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < c->n && !err; i++)
		err = attach(&c->guests[i]);
	return err;
}

int control_start(struct control *c)
{
	return c->n ? -pthread_create(&c->thread, NULL, control_main, c) : 0;
}

/* Whether the thread has ended. If not, what it waits for has taken this long already. */
static bool join(struct control *c)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec++;
	if (!pthread_timedjoin_np(c->thread, NULL, &end))
		return true;
	note(c, c->now, c->what, 0);
	return false;
}

void control_stop(struct control *c)
{
	unsigned int i;

	__atomic_store_n(&c->stop, true, __ATOMIC_RELEASE);
	if (!c->n || join(c))
		for (i = 0; i < c->n; i++)
			fe_nvme_close(&c->guests[i].ctrl);
	for (i = 0; i < 2 * CONTROL_WHATS; i++)
		hist_finish(&c->hists[i / CONTROL_WHATS][i % CONTROL_WHATS]);
}

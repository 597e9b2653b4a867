/* SPDX-License-Identifier: BSD-3-Clause */
/* shadowbell-exporter: the daemon's counters for Prometheus. One thread. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "ask.h"
#include "message.h"
#include "metrics.h"
#include "options.h"
#include "server.h"
#include "util/time.h"
#include "util/util.h"

#define TEXT_MAX    (64U << 20)	      /* bytes of all metrics */
#define INTERVAL_NS (NS_PER_SEC / 10) /* between two questions, however many ask us */

struct exporter {
	struct options o;
	struct ask ask;
	struct server *server;
	struct metrics_own own;
	bool asked; /* an answer is owed to the server */
	bool away;  /* the last question was in vain, which has been told */
	int signal_fd;
};

/* --- metrics --- */

static void take_note(struct exporter *x)
{
	bool failed = x->ask.state == ASK_FAILED;

	x->own.took_ns = time_now_ns() - x->ask.begun_ns;
	x->own.scrapes++;
	x->own.failures += failed;
	if (failed && !x->away)
		exporter_say("%s: %s; shadowbell_up is 0 until it answers", x->o.socket,
			     x->ask.why);
	else if (!failed && x->away)
		exporter_say("%s: the daemon answers again", x->o.socket);
	x->away = failed;
}

static void fail_too_large(struct exporter *x)
{
	ask_clear(&x->ask);
	x->ask.state = ASK_FAILED;
	snprintf(x->ask.why, sizeof(x->ask.why),
		 "there is no memory for the metrics, or they have more than %u bytes", TEXT_MAX);
}

/* Of an answer that is too large the metrics are those of a daemon that is away. */
static struct text make_text(struct exporter *x)
{
	struct metrics_own own = x->own;
	struct text t = {.max = TEXT_MAX};

	own.scrapes++;
	own.failures += x->ask.state == ASK_FAILED;
	own.took_ns = time_now_ns() - x->ask.begun_ns;
	metrics_write(&t, &x->ask, &own, x->o.queue_latency);
	if (!t.failed)
		return t;
	text_free(&t);
	t = (struct text){.max = TEXT_MAX};
	fail_too_large(x);
	own.failures++;
	metrics_write(&t, &x->ask, &own, false);
	return t;
}

/* NULL in `data` if there is no memory at all. */
static struct text finish(struct exporter *x)
{
	struct text t = make_text(x);

	take_note(x);
	ask_clear(&x->ask);
	if (t.failed)
		text_free(&t);
	return t;
}

static bool is_done(const struct ask *a)
{
	return a->state == ASK_DONE || a->state == ASK_FAILED;
}

/* --- once --- */

static int print_once(struct exporter *x)
{
	struct text t;

	ask_begin(&x->ask);
	for (ask_run(&x->ask); !is_done(&x->ask); ask_run(&x->ask)) {
		struct pollfd p = {.fd = x->ask.fd, .events = ask_events(&x->ask)};

		/* While it connects there is nothing to wait for but time. */
		(void)poll(&p, p.events ? 1 : 0, ask_timeout_ms(&x->ask));
	}
	t = finish(x);
	if (!t.data || fwrite(t.data, 1, t.len, stdout) != t.len || fflush(stdout)) {
		exporter_say("the metrics cannot be written");
		x->away = true;
	}
	text_free(&t);
	return x->away ? EXIT_FAILURE : 0;
}

/* --- the service --- */

static uint64_t pause_ns(const struct exporter *x)
{
	uint64_t age_ns = time_now_ns() - x->ask.begun_ns;

	return x->ask.begun_ns && age_ns < INTERVAL_NS ? INTERVAL_NS - age_ns : 0;
}

static void run_ask(struct exporter *x)
{
	struct text t;

	if (x->ask.state == ASK_IDLE && server_wants(x->server) && !pause_ns(x)) {
		ask_begin(&x->ask);
		server_asked(x->server);
	}
	ask_run(&x->ask);
	if (!is_done(&x->ask))
		return;
	t = finish(x);
	server_answer(x->server, t.data, t.len);
}

static int timeout_ms(const struct exporter *x)
{
	int waits[] = {server_timeout_ms(x->server), ask_timeout_ms(&x->ask), -1}, least = -1;
	size_t i;

	if (x->ask.state == ASK_IDLE && server_wants(x->server))
		waits[2] = (int)(pause_ns(x) / NS_PER_MS) + 1;
	for (i = 0; i < ARRAY_SIZE(waits); i++)
		if (waits[i] >= 0 && (least < 0 || waits[i] < least))
			least = waits[i];
	return least;
}

static int serve(struct exporter *x)
{
	struct pollfd p[3];

	x->server = server_start(&x->o.listen.any);
	if (!x->server)
		return EXIT_FAILURE;
	do {
		p[0] = (struct pollfd){.fd = x->signal_fd, .events = POLLIN};
		p[1] = (struct pollfd){.fd = server_fd(x->server), .events = POLLIN};
		p[2] = (struct pollfd){.fd = ask_events(&x->ask) ? x->ask.fd : -1,
				       .events = ask_events(&x->ask)};
		if (poll(p, ARRAY_SIZE(p), timeout_ms(x)) < 0 && errno != EINTR)
			break;
		server_run(x->server);
		run_ask(x);
	} while (!(p[0].revents & POLLIN));
	server_stop(x->server);
	ask_clear(&x->ask);
	return p[0].revents & POLLIN ? 0 : EXIT_FAILURE;
}

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
	static struct exporter x;
	int rc = options_parse(&x.o, argc, argv);

	if (rc)
		return rc;
	signal(SIGPIPE, SIG_IGN);
	ask_init(&x.ask, x.o.socket);
	if (x.o.once)
		return print_once(&x);
	x.signal_fd = block_signals();
	if (x.signal_fd < 0) {
		exporter_say("signalfd: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	rc = serve(&x);
	close(x.signal_fd);
	return rc;
}

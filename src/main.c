/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "loop/loop.h"
#include "loop/signals.h"
#include "rpc/rpc.h"
#include "target/target.h"
#include "util/cpu_use.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/time.h"

#define EXIT_USAGE 2 /* of a wrong command line or configuration */

struct options {
	const char *config;
	const char *socket_dir;
	bool check;
	int verbose;
	bool verbosity_is_given;
};

static void print_help(FILE *to)
{
	fputs("Usage: shadowbell -c FILE [options]\n"
	      "Exports block devices to virtual machines, as described in a YAML file.\n"
	      "\n"
	      "  -c, --config FILE     the configuration (shadowbell.yaml(5))\n"
	      "      --check           check the configuration and exit\n"
	      "      --socket-dir DIR  instead of the configuration's target.socket_dir\n"
	      "  -v, --verbose         debug messages, and the counters at the end\n"
	      "  -q, --quiet           warnings and errors only; twice: errors only\n"
	      "      --version         print the version and exit\n"
	      "  -h, --help            print this and exit\n"
	      "\n"
	      "SIGUSR1 prints the counters; SIGHUP applies the configuration, as it is by now.\n"
	      "Exit status: 0 after SIGINT or SIGTERM, 1 if something failed, 2 for a wrong\n"
	      "command line or configuration, 3 if stopping took too long for a disk.\n",
	      to);
}

static void usage_error(const char *what)
{
	fprintf(stderr, "shadowbell: %s; see shadowbell --help\n", what);
	exit(EXIT_USAGE);
}

static void be_verbose(struct options *o, int more)
{
	o->verbose += more;
	o->verbosity_is_given = true;
}

static void parse_options(int argc, char **argv, struct options *o)
{
	enum { OPT_CHECK = 256, OPT_SOCKET_DIR, OPT_VERSION };
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, OPT_CHECK},
		{"socket-dir", required_argument, NULL, OPT_SOCKET_DIR},
		{"verbose", no_argument, NULL, 'v'},
		{"quiet", no_argument, NULL, 'q'},
		{"version", no_argument, NULL, OPT_VERSION},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:vqh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			if (o->config)
				usage_error("-c is given twice; there is one configuration");
			o->config = optarg;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_SOCKET_DIR:
			o->socket_dir = optarg;
			break;
		case 'v':
			be_verbose(o, 1);
			break;
		case 'q':
			be_verbose(o, -1);
			break;
		case OPT_VERSION:
			puts("shadowbell " SB_VERSION);
			exit(EXIT_SUCCESS);
		case 'h':
			print_help(stdout);
			exit(EXIT_SUCCESS);
		default:
			fputs("See shadowbell --help\n", stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc)
		usage_error("there are no arguments besides options; the configuration is given "
			    "with -c");
	if (!o->config)
		usage_error("a configuration is needed: -c FILE");
}

static void set_log_level(int verbose)
{
	int level = LOG_LEVEL_INFO + verbose;

	if (level < LOG_LEVEL_ERROR)
		level = LOG_LEVEL_ERROR;
	if (level > LOG_LEVEL_DEBUG)
		level = LOG_LEVEL_DEBUG;
	log_set_level((enum log_level)level);
}

static int load_config(const struct options *o, struct config **cfg)
{
	char *errors = NULL;
	int rc = config_load(o->config, cfg, &errors);

	if (!rc && o->socket_dir)
		rc = config_set_socket_dir(*cfg, o->socket_dir, &errors);
	if (rc)
		fputs(errors ? errors : "out of memory\n", stderr);
	free(errors);
	return rc;
}

static void print_limit(void *arg, bool is_error, const char *text)
{
	const struct options *o = arg;

	fprintf(stderr, "%s: %s%s\n", o->config, is_error ? "" : "warning: ", text);
}

static int check_limits(struct options *o, const struct config *cfg)
{
	if (!target_check_limits(cfg, print_limit, o))
		return EXIT_USAGE;
	printf("%s: OK\n", o->config);
	return EXIT_SUCCESS;
}

static void log_limit_of_host(void *arg, bool is_error, const char *text)
{
	log_line(is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "%s", text);
}

/* Blocked before there are threads, so that only the main thread's loop takes them. */
/*
 * Before any thread starts: one that has them unblocked ends the process with its default action,
 * also when the main thread blocks them. Who only checks is ended by them.
 */
static void block_requests(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file over its limit is the guest's error, not our end */
}

#define BALANCE_NS NS_PER_SEC

/* What the main thread does from the start to the end. */
struct service {
	struct target *target;
	struct loop *loop;
	struct loop_signals signals;
	struct timer balance;
	const char *ended_by;
};

static void got_signal(void *arg, int sig)
{
	struct service *s = arg;

	if (sig == SIGUSR1) {
		target_print_stats(s->target);
	} else if (sig == SIGHUP) {
		log_info("SIGHUP: the configuration is read again");
		target_reload(s->target);
	} else {
		s->ended_by = strsignal(sig);
		loop_quit(s->loop);
	}
}

static void balance(void *arg)
{
	struct service *s = arg;

	target_balance(s->target);
	loop_timer_start(s->loop, &s->balance, BALANCE_NS);
}

static void shut_down(void *arg)
{
	struct service *s = arg;

	s->ended_by = "target.shutdown";
	loop_quit(s->loop);
}

static void run_loop(struct service *s)
{
	if (target_balances(s->target))
		loop_timer_start(s->loop, &s->balance, BALANCE_NS);
	log_info("ready");
	loop_run(s->loop);
	loop_timer_cancel(&s->balance);
}

/* Until something ends the daemon. -errno, having logged the reason: it never was ready. */
static int wait_for_end(const struct config *cfg, struct target *target, const sigset_t *set)
{
	struct loop *loop = target_main_loop(target);
	struct service s = {
		.target = target,
		.loop = loop,
		.signals = {.loop = loop, .got = got_signal, .arg = &s},
		.balance = {.fn = balance, .arg = &s},
	};
	struct rpc *rpc;
	int rc = loop_signals_watch(&s.signals, set);

	if (rc) {
		log_error("signals cannot be waited for: %s", fd_strerror(-rc));
		return rc;
	}
	rc = rpc_start(&(struct rpc_params){target, cfg, shut_down, &s}, &rpc);
	if (!rc) {
		run_loop(&s);
		log_info("%s: stopping, within %d s", s.ended_by, TARGET_STOP_SECONDS);
	}
	rpc_stop(rpc);
	loop_signals_end(&s.signals);
	return rc;
}

/* -ECANCELED: a signal came meanwhile; else the reason has been logged. */
static int start(const struct config *cfg, struct target_start_watch *watch, struct target **target,
		 struct target_deadline **deadline)
{
	int rc = -EMFILE;

	if (target_check_limits(cfg, log_limit_of_host, NULL))
		rc = target_start(cfg, target);
	if (target_start_watch_end(watch, deadline))
		return -ECANCELED;
	return rc;
}

static void set_log(struct config *cfg, bool verbosity_is_given)
{
	struct config_log *log = &cfg->target.log;

	log->otherwise = log_get_level();
	if (log->level && !verbosity_is_given)
		log_set_level(config_log_level(log->level));
	log_limit_set((struct log_budget){log->object_burst, log->object_rate},
		      (struct log_budget){log->burst, log->rate});
}

static int run(struct config *cfg, struct target_start_watch *watch, bool verbosity_is_given,
	       bool verbose)
{
	struct target_deadline *deadline;
	struct target *target = NULL;
	int rc, status = EXIT_SUCCESS;
	bool in_order;
	sigset_t set;

	block_signals(&set);
	/* What is made has the mode that is said where it is made, and never a wider one before. */
	umask(0077);
	set_log(cfg, verbosity_is_given);
	/* For all threads; a reactor goes back to its CPU. */
	cpu_use_leave(cfg->target.cpus.cpu, cfg->target.cpus.n);
	cpu_use_short_turns();
	rc = log_start();
	if (rc) {
		log_error("the thread of the log cannot start: %s", strerror(-rc));
		target_start_watch_end(watch, &deadline);
		return EXIT_FAILURE;
	}
	rc = start(cfg, watch, &target, &deadline);
	if (!rc)
		config_settle(cfg);
	if (rc && rc != -ECANCELED) {
		log_stop();
		return EXIT_FAILURE;
	}
	if (!rc) {
		if (wait_for_end(cfg, target, &set))
			status = EXIT_FAILURE;
		deadline = target_deadline_begin();
	}
	/* A second one ends the process at once: the default action. The others stay unheard. */
	sigdelset(&set, SIGUSR1);
	sigdelset(&set, SIGHUP);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	if (verbose && target)
		target_print_stats(target);
	in_order = target_stop(target);
	target_deadline_end(deadline);
	log_info("stopped");
	log_stop();
	if (!in_order)
		_exit(status);
	return status;
}

int main(int argc, char **argv)
{
	struct target_start_watch *watch;
	struct target_deadline *deadline;
	struct options o = {0};
	struct config *cfg = NULL;
	int rc, status = EXIT_USAGE;

	parse_options(argc, argv, &o);
	set_log_level(o.verbose);
	fd_raise_limit();
	fd_reserve_table();
	if (!o.check)
		block_requests();
	watch = target_start_watch_begin();
	rc = load_config(&o, &cfg);
	if (rc || o.check)
		target_start_watch_end(watch, &deadline);
	if (!rc && o.check)
		status = check_limits(&o, cfg);
	else if (!rc)
		status = run(cfg, watch, o.verbosity_is_given, o.verbose > 0);
	config_free(cfg);
	return status;
}

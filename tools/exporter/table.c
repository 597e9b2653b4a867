/* SPDX-License-Identifier: BSD-3-Clause */
#include "table.h"

#include <stddef.h>

static const struct metric_rows info = {ASK_TARGET_INFO, NULL, NULL, NULL, NULL};
static const struct metric_rows queue = {ASK_STATS_GET, "queue", "controller", "queue", NULL};
static const struct metric_rows memory = {ASK_STATS_GET, "memory", "controller", NULL, NULL};
static const struct metric_rows session = {ASK_STATS_GET, "session", "controller", NULL, NULL};
static const struct metric_rows bdev = {ASK_STATS_GET, "bdev", "bdev", NULL, NULL};
static const struct metric_rows reactor = {ASK_STATS_GET, "reactor", "cpu", NULL, "cpu"};
static const struct metric_rows lines = {ASK_STATS_GET, "log", NULL, NULL, NULL};
static const struct metric_rows process = {ASK_STATS_GET, "process", NULL, NULL, NULL};
static const struct metric_rows bdevs = {ASK_BDEV_LIST, "bdevs", "bdev", NULL, NULL};
static const struct metric_rows ctrls = {ASK_CONTROLLER_LIST, "controllers", "controller", NULL,
					 NULL};

#define COUNTER(rows_, name_, member_, help_)                                                      \
	{                                                                                          \
		.name = "shadowbell_" name_ "_total", .type = METRIC_COUNTER, .rows = &(rows_),    \
		.members = {member_}, .help = (help_)                                              \
	}
#define GAUGE_OF(unit_, rows_, name_, member_, help_)                                              \
	{                                                                                          \
		.name = "shadowbell_" name_, .type = METRIC_GAUGE, .rows = &(rows_),               \
		.members = {member_}, .unit = (unit_), .help = (help_)                             \
	}
#define GAUGE(...) GAUGE_OF(UNIT_ONE, __VA_ARGS__)
#define INFO(rows_, name_, help_, ...)                                                             \
	{                                                                                          \
		.name = "shadowbell_" name_ "_info", .type = METRIC_INFO, .rows = &(rows_),        \
		.members = {__VA_ARGS__}, .help = (help_)                                          \
	}
#define HISTOGRAM(rows_, name_, help_, ...)                                                        \
	{                                                                                          \
		.name = "shadowbell_" name_ "_seconds", .type = METRIC_HISTOGRAM,                  \
		.rows = &(rows_), .members = {"latency_ns", "latency_sum_ns"}, .help = (help_),    \
		__VA_ARGS__                                                                        \
	}

#define REACTOR_TIME(mode_, member_)                                                               \
	{                                                                                          \
		.name = "shadowbell_reactor_seconds_total", .type = METRIC_COUNTER,                \
		.rows = &reactor, .members = {member_}, .unit = UNIT_MS, .label = "mode",          \
		.value = (mode_), .help = "What it spent its time with; idle may be polling."      \
	}
#define PROCESS_TIME(mode_, member_)                                                               \
	{                                                                                          \
		.name = "shadowbell_process_cpu_seconds_total", .type = METRIC_COUNTER,            \
		.rows = &process, .members = {member_}, .unit = UNIT_MS, .label = "mode",          \
		.value = (mode_), .help = "CPU time of the daemon, of all threads."                \
	}

#define SAMPLED " A sample is timed, so that the count is not that of all."

const struct metric metrics[] = {
	INFO(info, "build", "The daemon's version.", "version"),
	INFO(info, "target", "What the daemon was started with.", "config", "socket_dir"),
	GAUGE_OF(UNIT_MS, info, "uptime_seconds", "uptime_ms",
		 "How long the daemon has been ready."),

	INFO(bdevs, "bdev", "What the bdev is, and its state.", "type", "state", "uuid"),
	GAUGE(bdevs, "bdev_size_bytes", "size_bytes", "Its size now."),
	GAUGE(bdevs, "bdev_block_size_bytes", "block_size", "The size of a logical block."),
	GAUGE(bdevs, "bdev_read_only", "read_only", "Whether nobody may write to it."),
	COUNTER(bdev, "bdev_reads_completed", "reads", "Reads, as the block layer sees them."),
	COUNTER(bdev, "bdev_read_bytes", "read_bytes", "What they read."),
	COUNTER(bdev, "bdev_writes_completed", "writes", "Writes."),
	COUNTER(bdev, "bdev_written_bytes", "write_bytes", "What they wrote."),
	COUNTER(bdev, "bdev_flushes_completed", "flushes", "Flushes."),
	COUNTER(bdev, "bdev_discards_completed", "discards", "Discards."),
	COUNTER(bdev, "bdev_discarded_bytes", "discard_bytes", "What they discarded."),
	COUNTER(bdev, "bdev_write_zeroes_completed", "zeroes", "Writes of zeroes."),
	COUNTER(bdev, "bdev_zeroed_bytes", "zero_bytes", "What they zeroed."),
	COUNTER(bdev, "bdev_compares_completed", "compares", "Compares."),
	COUNTER(bdev, "bdev_compared_bytes", "compare_bytes", "What they compared."),
	COUNTER(bdev, "bdev_errors", "failed", "I/O that ended with an error."),
	COUNTER(bdev, "bdev_timeouts", "timeouts", "Of these, those whose time was up."),
	COUNTER(bdev, "bdev_bounced", "bounced",
		"I/O that went through memory of the daemon's own."),
	COUNTER(bdev, "bdev_abandoned", "abandoned", "I/O that was given up, but went on."),
	COUNTER(bdev, "bdev_hangs", "hangs", "How often a reactor found that the bdev hangs."),
	GAUGE(bdev, "bdev_in_flight", "in_flight", "I/O that has not ended."),
	GAUGE(bdev, "bdev_abandoned_in_flight", "late", "Abandoned I/O that has not ended."),
	GAUGE(bdev, "bdev_hanging", "hanging", "On how many reactors the bdev hangs now."),
	HISTOGRAM(bdev, "bdev_latency", "From the submission to the end." SAMPLED,
		  .by_op = "latency_by_op"),

	INFO(ctrls, "controller", "What the controller is, and its state.", "type", "state"),
	GAUGE(ctrls, "controller_connected", "connected", "Whether a front-end is connected."),
	COUNTER(session, "controller_sessions", "sessions", "Sessions that front-ends began."),
	COUNTER(session, "controller_messages", "messages", "Messages of front-ends."),
	COUNTER(session, "controller_refused_connections", "refused",
		"Front-ends that were refused."),
	COUNTER(session, "controller_held_back_sessions", "held_back",
		"How often sessions_per_second made one wait."),
	COUNTER(session, "controller_held_back_messages", "held_msgs",
		"How often messages_per_second made one wait."),
	GAUGE(session, "controller_mapped_bytes", "mapped_bytes", "Guest memory that is mapped."),
	GAUGE(session, "controller_mapped_regions", "regions", "Its regions."),
	GAUGE(session, "controller_descriptors", "descriptors",
	      "Descriptors kept for the front-end."),
	GAUGE(memory, "controller_request_memory_bytes", "bytes", "What large requests use now."),
	GAUGE(memory, "controller_request_memory_peak_bytes", "peak_bytes", "The most they used."),
	COUNTER(memory, "controller_request_memory_waits", "waits",
		"How often a request waited for memory."),
	HISTOGRAM(queue, "controller_latency",
		  "Commands of all queues, from their taking to their completion." SAMPLED,
		  .summed = true),

	COUNTER(queue, "queue_commands", "commands",
		"Commands, requests or tasks that were taken."),
	COUNTER(queue, "queue_reads_completed", "reads", "Those that read."),
	COUNTER(queue, "queue_read_bytes", "read_bytes", "What they read."),
	COUNTER(queue, "queue_writes_completed", "writes", "Those that wrote."),
	COUNTER(queue, "queue_written_bytes", "write_bytes", "What they wrote."),
	COUNTER(queue, "queue_flushes_completed", "flushes", "Those that flushed."),
	COUNTER(queue, "queue_discards_completed", "discards", "Those that discarded."),
	COUNTER(queue, "queue_discarded_bytes", "discard_bytes", "What they discarded."),
	COUNTER(queue, "queue_write_zeroes_completed", "zeroes", "Those that wrote zeroes."),
	COUNTER(queue, "queue_zeroed_bytes", "zero_bytes", "What they zeroed."),
	COUNTER(queue, "queue_compares_completed", "compares", "Those that compared."),
	COUNTER(queue, "queue_errors", "failed", "Those that ended with an error status."),
	COUNTER(queue, "queue_batches", "batches", "Looks at the queue that took commands."),
	COUNTER(queue, "queue_polls", "polls", "Looks at the queue."),
	COUNTER(queue, "queue_empty_polls", "empty_polls", "Looks that found nothing."),
	COUNTER(queue, "queue_doorbells", "doorbells", "New values of the doorbell or index."),
	COUNTER(queue, "queue_kicks", "kicks", "How often the guest had to notify the daemon."),
	COUNTER(queue, "queue_interrupts", "irqs", "Interrupts that were sent."),
	COUNTER(queue, "queue_interrupts_saved", "irqs_saved",
		"Batches of completions that needed none."),
	COUNTER(queue, "queue_held_back_rounds", "held_back",
		"Rounds whose share was used up before the queue's turn."),
	COUNTER(queue, "queue_slow_commands", "slow",
		"Commands that were in flight for longer than target.slow_io_ms."),
	GAUGE(queue, "queue_cpu", "cpu",
	      "The CPU whose reactor polls the queue; none if none does."),
	HISTOGRAM(queue, "queue_latency",
		  "Commands, from their taking to their completion." SAMPLED,
		  .queue_latency = true),

	REACTOR_TIME("idle", "idle_ms"),
	REACTOR_TIME("busy", "busy_ms"),
	COUNTER(reactor, "reactor_rounds", "rounds", "Rounds of the reactor's pollers."),
	COUNTER(reactor, "reactor_busy_rounds", "busy_rounds", "Those that found work."),
	COUNTER(reactor, "reactor_sleeps", "sleeps", "How often it slept."),
	COUNTER(reactor, "reactor_messages", "messages", "Messages from other threads."),
	COUNTER(reactor, "reactor_steps", "steps", "Pieces of large I/O."),
	GAUGE_OF(UNIT_US, reactor, "reactor_longest_round_seconds", "longest_round_us",
		 "Its longest round that was measured."),
	GAUGE_OF(UNIT_US, reactor, "reactor_longest_step_seconds", "longest_step_us",
		 "Its longest step that was measured."),

	COUNTER(lines, "log_lines", "lines", "Lines of the log that were written."),
	COUNTER(lines, "log_lost_lines", "lost", "Lines that were lost, as nobody read them."),
	COUNTER(lines, "log_left_out_lines", "left_out",
		"Lines that were left out, as a guest had used up its share."),

	PROCESS_TIME("user", "cpu_user_ms"),
	PROCESS_TIME("system", "cpu_system_ms"),
	GAUGE(process, "process_resident_memory_bytes", "resident_bytes",
	      "Memory of the daemon, guests' memory that it maps included."),
	GAUGE(process, "process_own_memory_bytes", "own_bytes",
	      "Of it what is neither a guest's nor a file."),
	{0},
};

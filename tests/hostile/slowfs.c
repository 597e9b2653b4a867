/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file system with one file, "disk", that is as slow as one asks for: by FUSE, straight from
 * /dev/fuse. Each operation is answered when its time has come, however many wait meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../frontend/fe_util.h"

#define MAX_WRITE (1u << 20)
#define DISK_NODE 2u
#define NAME	  "disk"

/* An answer that is due later. */
struct later {
	struct later *next;
	uint64_t due_ns;
	struct fuse_out_header out;
	uint64_t offset; /* of a read's data */
};

static int fuse_fd, store;
static uint64_t disk_bytes = 64u << 20;
static unsigned int read_ms, write_ms, flush_ms;
static bool hang_lookup, hang_open, hang_close;
/* What hangs: the asker can't even be killed, now that we have its request. */
static uint64_t hung[64];
static unsigned int nhung;
/* By kind, each in the order in which they are due. */
enum { READS, WRITES, FLUSHES, KINDS };
static struct later *first[KINDS], **last[KINDS] = {&first[READS], &first[WRITES], &first[FLUSHES]};
static volatile sig_atomic_t stopped, slow;
static uint8_t buffer[MAX_WRITE + 8192];

static void on_signal(int number)
{
	if (number == SIGUSR1)
		slow = 1;
	else if (number == SIGUSR2)
		slow = 0;
	else
		stopped = 1;
}

static void answer(uint64_t unique, int err, const void *data, size_t len)
{
	struct fuse_out_header *out = (void *)buffer;

	*out = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(*out) + len), .error = err, .unique = unique};
	if (len && data)
		memcpy(out + 1, data, len);
	/* The asker may be gone: that is no error. */
	if (write(fuse_fd, buffer, out->len) < 0 && errno == ENODEV)
		stopped = 1;
}

static void answer_later(unsigned int kind, uint64_t unique, unsigned int ms, uint64_t offset,
			 size_t len)
{
	struct later *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->due_ns = fe_now_ns() + (slow ? ms * 1000000ull : 0);
	l->out.unique = unique;
	l->out.len = (uint32_t)len;
	l->offset = offset;
	*last[kind] = l;
	last[kind] = &l->next;
}

/* Answers what is due; nanoseconds until the next, or -1. */
static int64_t answer_due(void)
{
	uint64_t now = fe_now_ns();
	int64_t next = -1;
	unsigned int k;

	for (k = 0; k < KINDS; k++) {
		while (first[k] && (first[k]->due_ns <= now || !slow)) {
			struct later *l = first[k];
			struct fuse_write_out written = {.size = l->out.len};
			uint8_t *data = buffer + sizeof(struct fuse_out_header);

			first[k] = l->next;
			if (!first[k])
				last[k] = &first[k];
			if (k == READS) {
				ssize_t n = pread(store, data, l->out.len, (off_t)l->offset);

				answer(l->out.unique, n < 0 ? -EIO : 0, NULL,
				       n < 0 ? 0 : (size_t)n);
			} else if (k == WRITES) {
				answer(l->out.unique, 0, &written, sizeof(written));
			} else {
				answer(l->out.unique, 0, NULL, 0);
			}
			free(l);
		}
		if (first[k] && (next < 0 || (int64_t)(first[k]->due_ns - now) < next))
			next = (int64_t)(first[k]->due_ns - now);
	}
	return next;
}

static bool hangs(const struct fuse_in_header *in, bool hang)
{
	if (!hang || !slow || nhung == sizeof(hung) / sizeof(hung[0]))
		return false;
	hung[nhung++] = in->unique;
	return true;
}

static void end_hung(void)
{
	while (nhung && !slow)
		answer(hung[--nhung], -EIO, NULL, 0);
}

static struct fuse_attr attr_of(uint64_t node)
{
	bool root = node == FUSE_ROOT_ID;

	return (struct fuse_attr){
		.ino = node,
		.size = root ? 0 : disk_bytes,
		.blocks = root ? 0 : disk_bytes / 512,
		.mode = root ? S_IFDIR | 0755 : S_IFREG | 0666,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void look_up(const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out e = {.nodeid = DISK_NODE,
				   .entry_valid = 3600,
				   .attr_valid = 3600,
				   .attr = attr_of(DISK_NODE)};

	answer(in->unique, strcmp(name, NAME) ? -ENOENT : 0, &e,
	       strcmp(name, NAME) ? 0 : sizeof(e));
}

static void init(const struct fuse_in_header *in, const struct fuse_init_in *want)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = want->max_readahead,
		.flags = FUSE_BIG_WRITES | FUSE_ASYNC_READ | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |
			 FUSE_ASYNC_DIO,
		.max_background = 65535,
		.congestion_threshold = 65535,
		.max_write = MAX_WRITE,
		.time_gran = 1,
		.max_pages = MAX_WRITE / 4096,
	};

	answer(in->unique, 0, &out, sizeof(out));
}

static void read_or_write(const struct fuse_in_header *in, const void *arg)
{
	const struct fuse_read_in *r = arg;
	const struct fuse_write_in *w = arg;
	uint64_t left;

	if (in->opcode == FUSE_READ) {
		left = r->offset < disk_bytes ? disk_bytes - r->offset : 0;
		answer_later(READS, in->unique, read_ms, r->offset,
			     r->size < left ? r->size : (size_t)left);
		return;
	}
	if (pwrite(store, w + 1, w->size, (off_t)w->offset) != (ssize_t)w->size)
		answer(in->unique, -EIO, NULL, 0);
	else
		answer_later(WRITES, in->unique, write_ms, 0, w->size);
}

static void serve(const struct fuse_in_header *in)
{
	const void *arg = in + 1;
	struct fuse_attr_out attr = {.attr_valid = 3600, .attr = attr_of(in->nodeid)};
	struct fuse_open_out opened = {.fh = 1};

	switch (in->opcode) {
	case FUSE_INIT:
		init(in, arg);
		break;
	case FUSE_LOOKUP:
		if (!hangs(in, hang_lookup))
			look_up(in, arg);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		answer(in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		if (!hangs(in, hang_open))
			answer(in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_OPENDIR:
		answer(in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
	case FUSE_WRITE:
		read_or_write(in, arg);
		break;
	case FUSE_FSYNC:
		answer_later(FLUSHES, in->unique, flush_ms, 0, 0);
		break;
	case FUSE_FLUSH: /* of each close(2) */
		if (!hangs(in, hang_close))
			answer(in->unique, 0, NULL, 0);
		break;
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_READDIR:
	case FUSE_DESTROY:
		answer(in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(in->unique, -ENOSYS, NULL, 0);
	}
}

static void die(const char *what)
{
	fprintf(stderr, "slowfs: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void mount_at(const char *folder)
{
	char options[128];

	fuse_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fuse_fd < 0)
		die("/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 fuse_fd);
	if (mount("slowfs", folder, "fuse", MS_NOSUID | MS_NODEV, options) < 0)
		die(folder);
}

/* In nanoseconds: a signal may come just before a wait, which does not end then. */
#define LONGEST_WAIT 100000000

static void run(void)
{
	static uint8_t request[MAX_WRITE + 8192];
	struct pollfd p = {.fd = fuse_fd, .events = POLLIN};

	while (!stopped) {
		int64_t due = answer_due();
		int64_t next = due < 0 || due > LONGEST_WAIT ? LONGEST_WAIT : due;
		struct timespec ts = {.tv_nsec = next};
		ssize_t n;

		end_hung();
		if (ppoll(&p, 1, &ts, NULL) < 0)
			continue;
		while ((n = read(fuse_fd, request, sizeof(request))) > 0)
			serve((const void *)request);
		if (n < 0 && errno == ENODEV)
			stopped = 1;
	}
}

static void usage(void)
{
	puts("usage: slowfs FOLDER [--size MIB] [--read-ms N] [--write-ms N] [--flush-ms N]\n"
	     "              [--hang-lookup] [--hang-open] [--hang-close]\n\n"
	     "Mounts a file system with one file, \"disk\", whose reads, writes and flushes take as\n"
	     "long as the options say (default: no longer than they must), and which is never found,\n"
	     "never open, or never closed, if they say so, until SIGUSR2. Needs root and /dev/fuse.\n"
	     "Prints \"mounted\". It is quick until SIGUSR1 comes, and again after SIGUSR2; SIGTERM\n"
	     "ends it, with errors for what still waits.");
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"size", 1, NULL, 's'},
		{"read-ms", 1, NULL, 'r'},
		{"write-ms", 1, NULL, 'w'},
		{"flush-ms", 1, NULL, 'f'},
		{"hang-lookup", 0, NULL, 'l'},
		{"hang-open", 0, NULL, 'o'},
		{"hang-close", 0, NULL, 'c'},
		{"help", 0, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct sigaction action = {.sa_handler = on_signal};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			disk_bytes = strtoull(optarg, NULL, 10) << 20;
		else if (c == 'r')
			read_ms = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 'w')
			write_ms = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 'f')
			flush_ms = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 'l')
			hang_lookup = true;
		else if (c == 'o')
			hang_open = true;
		else if (c == 'c')
			hang_close = true;
		else
			usage();
		if (c == 'h' || c == '?')
			return c == 'h' ? 0 : 2;
	}
	if (optind + 1 != argc) {
		usage();
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	store = memfd_create("disk", MFD_CLOEXEC);
	if (store < 0 || ftruncate(store, (off_t)disk_bytes) < 0)
		die("memory");
	mount_at(argv[optind]);
	puts("mounted");
	fflush(stdout);
	run();
	umount2(argv[optind], MNT_DETACH);
	return 0;
}

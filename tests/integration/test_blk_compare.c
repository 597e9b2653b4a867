/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our virtio-blk beside that of qemu-storage-daemon: the answers that differ are those that
 * docs/virtio.md lists, with the answers that it names.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../frontend/fe_blk_probe.h"
#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

#define QSD	"/usr/bin/qemu-storage-daemon"
#define SECTION "## Differences from qemu-storage-daemon\n"

/* Files, as there: what a disk can do is then the same. */
static const struct fe_daemon_config config = {
	.bdevs = "  - {name: disk0, type: file, path: \"@/disk0\", size: 64MiB, create: true, "
		 "direct: false}\n"
		 "  - {name: disk1, type: file, path: \"@/disk1\", size: 64MiB, create: true, "
		 "direct: false}\n",
	.controllers = "  - {name: blk0, type: blk, bdev: disk0, queues: 4, serial: \"vm7-root\"}\n"
		       "  - {name: ro, type: blk, bdev: disk1, queues: 1, read_only: true}\n",
};

static struct fe_answers ours, theirs;
static bool asked;

/* --- qemu-storage-daemon --- */

static char qsd_file[2][128], qsd_socket[2][128];
static pid_t qsd;
static int qsd_output = -1; /* what it says, from a pipe */

/* It makes no files itself. */
static bool make_files(void)
{
	static const char *const names[] = {"rw", "ro"};
	int i;

	for (i = 0; i < 2; i++) {
		int fd;

		snprintf(qsd_file[i], sizeof(qsd_file[i]), "%s/qsd-%s.img", fe_daemon.dir,
			 names[i]);
		snprintf(qsd_socket[i], sizeof(qsd_socket[i]), "%s/qsd-%s", fe_daemon.dir,
			 names[i]);
		fd = open(qsd_file[i], O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		if (fd < 0)
			return false;
		if (ftruncate(fd, 64 << 20)) {
			close(fd);
			return false;
		}
		close(fd);
	}
	return true;
}

static void exec_qsd(pid_t parent, int output)
{
	char node[2][512], export[2][512];
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(node[i], sizeof(node[i]),
			 "driver=file,node-name=n%d,filename=%s,discard=unmap,read-only=%s", i,
			 qsd_file[i], i ? "on" : "off");
		snprintf(export[i], sizeof(export[i]),
			 "type=vhost-user-blk,id=e%d,node-name=n%d,addr.type=unix,addr.path=%s,"
			 "writable=%s,num-queues=%d",
			 i, i, qsd_socket[i], i ? "off" : "on", i ? 1 : 4);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output, 1);
	dup2(output, 2);
	if (getppid() == parent)
		execl(QSD, QSD, "--blockdev", node[0], "--blockdev", node[1], "--export", export[0],
		      "--export", export[1], NULL);
	_exit(127);
}

static bool start_qsd(void)
{
	pid_t parent = getpid();
	int fds[2];

	if (!make_files() || pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return false;
	qsd_output = fds[0];
	qsd = fork();
	if (qsd == 0)
		exec_qsd(parent, fds[1]);
	close(fds[1]);
	return qsd > 0 && FE_WAIT_FOR(!access(qsd_socket[0], F_OK) && !access(qsd_socket[1], F_OK),
				      FE_TIMEOUT_MS);
}

static void stop_qsd(void)
{
	if (qsd <= 0)
		return;
	kill(qsd, SIGTERM);
	waitpid(qsd, NULL, 0);
	close(qsd_output);
	qsd = 0;
}

/* --- asking both --- */

static enum fe_fate our_fate(bool fresh)
{
	static size_t mark;

	if (fresh)
		mark = fe_daemon_log_mark(&fe_daemon);
	return fe_daemon_log_count(&fe_daemon, mark, "is broken and stopped") ? FE_FATE_STOPPED
									      : FE_FATE_OPEN;
}

/* By what it says, read from where the last look ended. */
static enum fe_fate their_fate(bool fresh)
{
	static char said[4096];
	static size_t len;
	ssize_t n;

	while ((n = read(qsd_output, said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	if (fresh)
		len = 0;
	else if (strstr(said, "vu_panic"))
		return FE_FATE_STOPPED;
	else if (strstr(said, "virtio-blk request"))
		return FE_FATE_DROPPED;
	return FE_FATE_OPEN;
}

static void both_answer(void)
{
	char sockets[2][128];
	const struct fe_blk_target us = {sockets[0], sockets[1], our_fate};
	const struct fe_blk_target them = {qsd_socket[0], qsd_socket[1], their_fate};
	bool started;
	size_t i;

	REQUIRE(fe_fixture_daemon());
	snprintf(sockets[0], sizeof(sockets[0]), "%s", fe_daemon_socket(&fe_daemon, "blk0"));
	snprintf(sockets[1], sizeof(sockets[1]), "%s", fe_daemon_socket(&fe_daemon, "ro"));
	fe_blk_probe(&us, &ours);
	started = start_qsd();
	if (started)
		fe_blk_probe(&them, &theirs);
	stop_qsd();
	REQUIRE(started);
	REQUIRE_EQ(ours.err, 0);
	REQUIRE_EQ(theirs.err, 0);
	REQUIRE_EQ(ours.n, theirs.n);
	for (i = 0; i < ours.n; i++)
		CHECK(!strcmp(ours.list[i].name, theirs.list[i].name));
	asked = true;
}

/* --- what docs/virtio.md says --- */

struct row {
	char name[64], theirs[48], ours[48];
};

static struct row rows[FE_ANSWERS_MAX];
static size_t nrows;

/* "| `name` | `theirs` | `ours` | why |" */
static void read_row(const char *line)
{
	struct row *row = &rows[nrows];

	if (nrows < FE_ANSWERS_MAX && sscanf(line, "| `%63[^`]` | `%47[^`]` | `%47[^`]` |",
					     row->name, row->theirs, row->ours) == 3)
		nrows++;
}

/* The tests run in the root of the tree. */
static bool read_docs(void)
{
	FILE *f = fopen("docs/virtio.md", "re");
	bool in_section = false;
	char line[2048];

	nrows = 0;
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "## ", 3))
			in_section = !strcmp(line, SECTION);
		if (in_section)
			read_row(line);
	}
	fclose(f);
	return nrows > 0;
}

static const struct row *row_of(const char *name)
{
	size_t i;

	for (i = 0; i < nrows; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static void fail(const char *what, const char *name, const char *them, const char *us)
{
	char text[320];

	snprintf(text, sizeof(text), "%.63s: | `%.63s` | `%.47s` | `%.47s` |", what, name, them,
		 us);
	CU_assertImplementation(CU_FALSE, __LINE__, text, __FILE__, "", CU_FALSE);
	/* All of them, as they would have to stand there. */
	printf("# %s\n", text);
}

static void differences_are_documented(void)
{
	size_t i;

	REQUIRE(asked);
	REQUIRE(read_docs());
	for (i = 0; i < ours.n; i++) {
		const char *us = ours.list[i].value, *them = theirs.list[i].value;
		const struct row *row = row_of(ours.list[i].name);

		if (strcmp(us, them) &&
		    (!row || strcmp(row->ours, us) || strcmp(row->theirs, them)))
			fail("docs/virtio.md lacks", ours.list[i].name, them, us);
	}
}

static void documented_ones_are_there(void)
{
	size_t i, k;

	REQUIRE(asked);
	REQUIRE(read_docs());
	for (i = 0; i < nrows; i++) {
		for (k = 0; k < ours.n && strcmp(ours.list[k].name, rows[i].name); k++)
			;
		if (k == ours.n || !strcmp(ours.list[k].value, theirs.list[k].value))
			fail("docs/virtio.md says what is not so", rows[i].name, rows[i].theirs,
			     rows[i].ours);
	}
}

static const struct test_case cases[] = {
	{"both_answer", both_answer},
	{"differences_are_documented", differences_are_documented},
	{"documented_ones_are_there", documented_ones_are_there},
};

int main(int argc, char **argv)
{
	if (access(QSD, X_OK)) {
		puts(QSD " is missing: the Debian package qemu-system-common has it");
		return 77;
	}
	return fe_fixture_main("blk_compare", cases, sizeof(cases) / sizeof(cases[0]), argc, argv,
			       &config);
}

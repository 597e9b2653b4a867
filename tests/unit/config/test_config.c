/* SPDX-License-Identifier: BSD-3-Clause */
/* What a valid configuration comes to: defaults, inheritance, references, numbering. */
#include "config/config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/config/load.h"

static void defaults(void)
{
	struct config *cfg = load_good("defaults", RAM CTRL);
	const struct config_controller *ctrl;
	const struct config_bdev *bdev;

	if (!cfg)
		return;
	CU_ASSERT_STRING_EQUAL(cfg->path, "t");
	CU_ASSERT_STRING_EQUAL(cfg->target.socket_dir, "/run/shadowbell");
	CU_ASSERT_EQUAL(cfg->target.socket.mode, 0660);
	CU_ASSERT_EQUAL(cfg->target.socket.owner, (uid_t)-1);
	CU_ASSERT_EQUAL(cfg->target.socket.group, (gid_t)-1);
	CU_ASSERT_EQUAL(cfg->target.cpus.n, 1);
	CU_ASSERT_EQUAL(cfg->target.cpus.cpu[0], 0);
	CU_ASSERT_EQUAL(cfg->target.polling.mode, CONFIG_POLL_ADAPTIVE);
	CU_ASSERT_EQUAL(cfg->target.polling.idle_us, 50);
	CU_ASSERT_EQUAL(cfg->target.log.pos.line, 0);
	CU_ASSERT_EQUAL(cfg->target.log.burst, LOG_ALL_BURST);
	CU_ASSERT_EQUAL(cfg->target.log.rate, LOG_ALL_RATE);
	CU_ASSERT_EQUAL(cfg->target.log.object_burst, LOG_OBJECT_BURST);
	CU_ASSERT_EQUAL(cfg->target.log.object_rate, LOG_OBJECT_RATE);
	CU_ASSERT_EQUAL(cfg->target.limits.pos.line, 0);
	CU_ASSERT_EQUAL(cfg->target.limits.sessions_per_second, 500);
	CU_ASSERT_EQUAL(cfg->target.limits.messages_per_second, 20000);
	CU_ASSERT_EQUAL(cfg->target.limits.mapped_memory, 0);
	CU_ASSERT_EQUAL(cfg->target.limits.regions, 0);
	CU_ASSERT_EQUAL(cfg->target.limits.descriptors, 0);
	CU_ASSERT_EQUAL(cfg->nbdevs, 1);
	bdev = &cfg->bdevs[0];
	CU_ASSERT_STRING_EQUAL(TYPE_OF(bdev), "malloc");
	CU_ASSERT_EQUAL(bdev->params->block_size, 512);
	CU_ASSERT_EQUAL(MALLOC(bdev)->common.size_bytes, 1 << 20);
	CU_ASSERT_EQUAL(MALLOC(bdev)->numa_node, SCHEMA_NUMA_ANY);
	CU_ASSERT_EQUAL(cfg->ncontrollers, 1);
	ctrl = &cfg->controllers[0];
	CU_ASSERT_STRING_EQUAL(TYPE_OF(ctrl), "nvme");
	CU_ASSERT_STRING_EQUAL(ctrl->socket_path, "/run/shadowbell/c");
	CU_ASSERT_EQUAL(NVME_OF(ctrl)->nvme.io_queues, 4);
	CU_ASSERT_STRING_EQUAL(NVME_OF(ctrl)->nvme.model, "shadowbell NVMe Controller");
	CU_ASSERT_EQUAL(NVME_OF(ctrl)->nnamespaces, 1);
	CU_ASSERT_EQUAL(NVME_OF(ctrl)->namespaces[0].ns.nsid, 1);
	CU_ASSERT_PTR_EQUAL(NVME_OF(ctrl)->namespaces[0].bdev, bdev);
	CU_ASSERT_EQUAL(NVME_OF(ctrl)->namespaces[0].ns.read_only, false);
	config_free(cfg);
}

static void target_values(void)
{
	struct config *cfg =
		load_good("target", "target:\n"
				    "  socket_dir: /tmp/x/\n"
				    "  socket_mode: 0600\n"
				    "  socket_owner: 4294967294\n"
				    "  socket_group: 0\n"
				    "  cpus: [1, 0]\n"
				    "  poll: busy\n"
				    "  log: {burst: 7, object_rate: 1000000}\n"
				    "  limits: {mapped_memory: 2TiB, regions: 8, descriptors: 4}\n"
				    "  poll_idle_us: 0\n" RAM CTRL);
	const struct config_target *t;

	if (!cfg)
		return;
	t = &cfg->target;
	CU_ASSERT_EQUAL(t->pos.line, 2);
	CU_ASSERT_EQUAL(t->pos.column, 3);
	CU_ASSERT_EQUAL(t->socket.mode, 0600);
	CU_ASSERT_EQUAL(t->socket.owner, 4294967294u);
	CU_ASSERT_EQUAL(t->socket.group, 0);
	CU_ASSERT_EQUAL(t->cpus.n, 2);
	CU_ASSERT_EQUAL(t->cpus.cpu[0], 1);
	CU_ASSERT_EQUAL(t->cpus.cpu[1], 0);
	CU_ASSERT_EQUAL(t->polling.mode, CONFIG_POLL_BUSY);
	CU_ASSERT_EQUAL(t->polling.idle_us, 0);
	CU_ASSERT_EQUAL(t->limits.mapped_memory, 2ull << 40);
	CU_ASSERT_EQUAL(t->limits.regions, 8);
	CU_ASSERT_EQUAL(t->limits.descriptors, 4);
	CU_ASSERT_EQUAL(t->limits.sessions_per_second, 500);
	CU_ASSERT_EQUAL(t->log.burst, 7);
	CU_ASSERT_EQUAL(t->log.rate, 50);
	CU_ASSERT_EQUAL(t->log.object_burst, 20);
	CU_ASSERT_EQUAL(t->log.object_rate, 1000000);
	CU_ASSERT_STRING_EQUAL(cfg->controllers[0].socket_path, "/tmp/x/c");
	config_free(cfg);
}

/* Without the key it is a CPU that the process may use, whichever that is. */
static void default_cpu(void)
{
	static const char text[] = RAM CTRL;
	static struct config_host host;
	struct config *cfg = NULL;
	char *errors = NULL;

	host.cpu[5] = host.cpu[7] = true;
	CU_ASSERT_EQUAL_FATAL(config_load_text("t", schema_tree_from_yaml, text, strlen(text),
					       &host, &cfg, &errors),
			      0);
	CU_ASSERT_EQUAL(cfg->target.cpus.n, 1);
	CU_ASSERT_EQUAL(cfg->target.cpus.cpu[0], 5);
	CU_ASSERT_PTR_EQUAL(cfg->controllers[0].params->cpus.cpu, cfg->target.cpus.cpu);
	CU_ASSERT_EQUAL(cfg->controllers[0].params->cpus.n, 1);
	config_free(cfg);
}

static void spellings(void)
{
	static const struct {
		const char *name;
		const char *text;
	} rows[] = {
		{"CPU range", "target: {cpus: [0-1]}\n" RAM CTRL},
		{"quoted CPU range", "target: {cpus: [\"0-1\"]}\n" RAM CTRL},
		{"range without list", "target: {cpus: 0-1}\n" RAM CTRL},
		{"one CPU", "target: {cpus: 1}\n" RAM CTRL},
		{"YAML 1.2 octal", "target: {socket_mode: 0o640}\n" RAM CTRL},
		{"quoted octal", "target: {socket_mode: \"0640\"}\n" RAM CTRL},
		{"empty target", "target: {}\n" RAM CTRL},
		{"target last", RAM CTRL "target: {poll: busy}\n"},
		{"controllers first", CTRL RAM},
		{"no bdevs", "bdevs: []\n" EMPTY},
		{"no namespaces", RAM EMPTY},
		{"null, plain and quoted",
		 "bdevs: [{name: a, type: null, size: 1MiB}, {name: b, type: \"null\", size: 1TiB}]\n" EMPTY},
		{"comment and marker", "# hello\n--- # there\n" RAM CTRL "...\n"},
		{"directive", "%YAML 1.1\n---\n" RAM CTRL},
		{"byte order mark", "\xef\xbb\xbf" RAM CTRL},
		{"line ends of DOS", "bdevs: []\r\n" EMPTY},
		{"text beyond ASCII in a path",
		 "bdevs: [{name: f, type: file, path: /tmp/d\xc3\xa4\xc3\xbc, create: true, size: 1MiB}]\n" EMPTY},
		{"the longest serial and model", RAM
		 "controllers: [{name: c, type: nvme, namespaces: [], serial: 01234567890123456789, "
		 "model: 0123456789012345678901234567890123456789}]\n"},
		{"the longest name",
		 "bdevs: [{name: a234567890123456789012345678901234567890123456789012345678901.-, type: null, "
		 "size: 1MiB}]\n" EMPTY},
		{"sizes with other units",
		 "bdevs: [{name: a, type: malloc, size: 64 MiB, block_size: "
		 "4KiB}]\n" EMPTY},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *cfg = load_good(rows[i].name, rows[i].text);

		config_free(cfg);
	}
}

static void inheritance(void)
{
	struct config *cfg = load_good(
		"inheritance",
		"controllers:\n"
		"  - {name: a, type: nvme, namespaces: []}\n"
		"  - {name: b, type: nvme, namespaces: [], cpus: [1], poll: busy, poll_idle_us: 7,\n"
		"     socket_mode: 0666, socket_owner: 12, socket_group: 13}\n"
		"bdevs: []\n"
		"target: {cpus: [0, 1], poll: interrupt, poll_idle_us: 9, socket_mode: 0600, "
		"socket_owner: 10, socket_group: 11, balance: false}\n");
	const struct config_controller *a, *b;

	if (!cfg)
		return;
	a = &cfg->controllers[0];
	b = &cfg->controllers[1];
	CU_ASSERT_FALSE(cfg->target.balance);
	CU_ASSERT_EQUAL(a->params->cpus.n, 2);
	CU_ASSERT_EQUAL(a->params->polling.mode, CONFIG_POLL_INTERRUPT);
	CU_ASSERT_EQUAL(a->params->polling.idle_us, 9);
	CU_ASSERT_EQUAL(a->params->socket.mode, 0600);
	CU_ASSERT_EQUAL(a->params->socket.owner, 10);
	CU_ASSERT_EQUAL(a->params->socket.group, 11);
	CU_ASSERT_EQUAL(b->params->cpus.n, 1);
	CU_ASSERT_EQUAL(b->params->cpus.cpu[0], 1);
	CU_ASSERT_EQUAL(b->params->polling.mode, CONFIG_POLL_BUSY);
	CU_ASSERT_EQUAL(b->params->polling.idle_us, 7);
	CU_ASSERT_EQUAL(b->params->socket.mode, 0666);
	CU_ASSERT_EQUAL(b->params->socket.owner, 12);
	CU_ASSERT_EQUAL(b->params->socket.group, 13);
	config_free(cfg);
}

static void names_of_users(void)
{
	struct passwd *user = getpwuid(getuid());
	struct group *group = getgrgid(getgid());
	char text[512];
	struct config *cfg;

	CU_ASSERT_PTR_NOT_NULL_FATAL(user);
	CU_ASSERT_PTR_NOT_NULL_FATAL(group);
	snprintf(text, sizeof(text), "target: {socket_owner: %s, socket_group: %s}\n" RAM CTRL,
		 user->pw_name, group->gr_name);
	cfg = load_good("names_of_users", text);
	if (!cfg)
		return;
	CU_ASSERT_EQUAL(cfg->target.socket.owner, getuid());
	CU_ASSERT_EQUAL(cfg->target.socket.group, getgid());
	config_free(cfg);
}

static void places(void)
{
	static const struct schema_pos nowhere = {0};
	struct config *cfg = load_good("places", "bdevs:\n"
						 "  - name: r\n"
						 "    type: malloc\n"
						 "    size: 1MiB\n" CTRL);
	const struct config_bdev *bdev;
	struct schema_pos pos;

	if (!cfg)
		return;
	bdev = &cfg->bdevs[0];
	pos = config_locate(cfg, &MALLOC(bdev)->common.size_bytes, nowhere);
	CU_ASSERT_EQUAL(pos.line, 4);
	CU_ASSERT_EQUAL(pos.column, 11);
	pos = config_locate(cfg, &bdev->params->block_size, bdev->pos);
	CU_ASSERT_EQUAL(pos.line, 2);
	CU_ASSERT_EQUAL(pos.column, 5);
	config_free(cfg);
}

static void socket_dir_override(void)
{
	/* The path of a control socket would be longer. */
	struct config *cfg =
		load_good("override", "target: {control: {enabled: false}}\n" RAM CTRL);
	char dir[128];
	char *errors;

	if (!cfg)
		return;
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "run", &errors), 0);
	CU_ASSERT_PTR_NULL(errors);
	CU_ASSERT_STRING_EQUAL(cfg->target.socket_dir, "run");
	CU_ASSERT_STRING_EQUAL(cfg->controllers[0].socket_path, "run/c");
	/* 105 bytes, a slash and one letter fit; one more does not. */
	memset(dir, 'd', sizeof(dir));
	dir[105] = '\0';
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, dir, &errors), 0);
	CU_ASSERT_EQUAL(strlen(cfg->controllers[0].socket_path), CONFIG_SOCKET_PATH_MAX);
	dir[105] = 'd';
	dir[106] = '\0';
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, dir, &errors), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(errors);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "is 108 bytes long; allowed: up to 107"));
	free(errors);
	CU_ASSERT_EQUAL(strlen(cfg->target.socket_dir), 105);
	CU_ASSERT_EQUAL(strlen(cfg->controllers[0].socket_path), CONFIG_SOCKET_PATH_MAX);
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "", &errors), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(errors);
	free(errors);
	config_free(cfg);
}

static void control_socket(void)
{
	struct config *cfg = load_good("control", RAM CTRL);
	const struct config_control *c;
	char *errors;

	if (!cfg)
		return;
	c = &cfg->target.control;
	CU_ASSERT(c->enabled);
	CU_ASSERT_STRING_EQUAL(c->path, "/run/shadowbell/control.sock");
	CU_ASSERT_EQUAL(c->socket.mode, 0600);
	CU_ASSERT_EQUAL(c->socket.owner, SCHEMA_ID_NONE);
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "run", &errors), 0);
	CU_ASSERT_STRING_EQUAL(c->path, "run/control.sock");
	config_free(cfg);
	/* One that is given stays where it is. */
	cfg = load_good("control",
			"target: {control: {path: /x, mode: 0660, group: 7}}\n" RAM CTRL);
	if (!cfg)
		return;
	c = &cfg->target.control;
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "run", &errors), 0);
	CU_ASSERT_STRING_EQUAL(c->path, "/x");
	CU_ASSERT_EQUAL(c->socket.mode, 0660);
	CU_ASSERT_EQUAL(c->socket.group, 7);
	config_free(cfg);
	cfg = load_good("control", "target: {control: {path: /x, enabled: false}}\n" RAM CTRL);
	CU_ASSERT_PTR_NULL(cfg ? cfg->target.control.path : "");
	config_free(cfg);
}

static void check_load(const char *path, int rc, const char *error)
{
	struct config *cfg = NULL;
	char *errors = NULL;
	int got = config_load(path, &cfg, &errors);

	if (got != rc)
		fail_case(__FILE__, __LINE__, path, errors ? errors : "another code");
	CU_ASSERT_EQUAL(!cfg, rc != 0);
	if (error && (!errors || !strstr(errors, error)))
		fail_case(__FILE__, __LINE__, path, errors ? errors : "no text");
	free(errors);
	config_free(cfg);
}

static void files_on_disk(void)
{
	char dir[] = "/tmp/test_config.XXXXXX";
	char path[64], text[2048];
	static const char bad[] = "bdevs: 1\n";

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	check_load(dir, -EISDIR, "is a directory; allowed: a regular file or a pipe\n");
	check_load("/dev/null", -EINVAL, "is a device or socket");
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	check_load(path, -ENOENT, "can't be opened: No such file or directory\n");
	write_file(path, bad, strlen(bad));
	snprintf(text, sizeof(text), "%s:1:8: bdevs: '1' is not a list", path);
	check_load(path, -EINVAL, text);
	write_file(path, bad, 0);
	check_load(path, -EINVAL, "c.yaml: the file is empty");
	CU_ASSERT_EQUAL(truncate(path, 10 << 20), 0);
	check_load(path, -EFBIG, "c.yaml: is too large; allowed: up to 1048576 bytes\n");
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void names_of_enums(void)
{
	CU_ASSERT_STRING_EQUAL(config_poll_name(CONFIG_POLL_BUSY), "busy");
	CU_ASSERT_STRING_EQUAL(config_poll_name(CONFIG_POLL_INTERRUPT), "interrupt");
	CU_ASSERT_STRING_EQUAL(config_poll_name((enum config_poll)99), "unknown");
}

static const struct test_case cases[] = {
	{"defaults", defaults},
	{"target_values", target_values},
	{"default_cpu", default_cpu},
	{"spellings", spellings},
	{"inheritance", inheritance},
	{"names_of_users", names_of_users},
	{"places", places},
	{"socket_dir_override", socket_dir_override},
	{"control_socket", control_socket},
	{"files_on_disk", files_on_disk},
	{"names_of_enums", names_of_enums},
};

TEST_MAIN("config", cases)

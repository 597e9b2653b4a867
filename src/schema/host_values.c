/* SPDX-License-Identifier: BSD-3-Clause */
/* Kinds of values that mean something on this machine only. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema/schema.h"
#include "schema/size.h"

static void read_mode(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	const char *text = schema_reader_scalar(r, key, node, "an octal mode such as 0660");
	const char *digits;
	mode_t mode = 0;
	size_t n;

	if (!text)
		return;
	/* 0660 is octal in YAML 1.1, 0o660 in YAML 1.2; 660 would be a decimal number in both. */
	digits = text[0] == '0' ? text + (text[1] == 'o' ? 2 : 1) : "";
	n = strspn(digits, "01234567");
	if (n == 0 || n > 4 || digits[n]) {
		schema_reader_error(
			r, key, node,
			"%s is not an octal mode; allowed: 0000 to 0777, with the leading 0",
			SCHEMA_QUOTE(text));
		return;
	}
	for (size_t i = 0; i < n; i++)
		mode = mode << 3 | (mode_t)(digits[i] - '0');
	if (mode > 0777) {
		schema_reader_error(r, key, node, "%s is out of range; allowed: 0000 to 0777",
				    SCHEMA_QUOTE(text));
		return;
	}
	*(mode_t *)field = mode;
}

enum { NSS_BUFFER_BYTES = 64 * 1024 };

/* Both return 0 with *id set, ENOENT, or another errno. */
static int find_user(const char *name, uint32_t *id)
{
	char *buf = malloc(NSS_BUFFER_BYTES);
	struct passwd entry, *found = NULL;
	int rc;

	if (!buf)
		return ENOMEM;
	rc = getpwnam_r(name, &entry, buf, NSS_BUFFER_BYTES, &found);
	if (found)
		*id = entry.pw_uid;
	free(buf);
	return found ? 0 : rc ? rc : ENOENT;
}

static int find_group(const char *name, uint32_t *id)
{
	char *buf = malloc(NSS_BUFFER_BYTES);
	struct group entry, *found = NULL;
	int rc;

	if (!buf)
		return ENOMEM;
	rc = getgrnam_r(name, &entry, buf, NSS_BUFFER_BYTES, &found);
	if (found)
		*id = entry.gr_gid;
	free(buf);
	return found ? 0 : rc ? rc : ENOENT;
}

static bool is_not_found(int rc)
{
	/* getpwnam(3) lists these as what "no such name" may look like. */
	return rc == ENOENT || rc == ESRCH || rc == EBADF || rc == EPERM;
}

static bool read_id(struct schema_reader *r, const struct schema_key *key,
		    const struct schema_node *node, const char *kind,
		    int (*find)(const char *name, uint32_t *id), uint32_t *id)
{
	const char *text = schema_reader_scalar(r, key, node, "a name or number");
	const char *end;
	uint64_t number;
	int rc;

	if (!text)
		return false;
	rc = schema_number_parse(text, &number, &end);
	if (*end == '\0' && rc != -EINVAL) {
		/* The highest number means "none" to chown(2). */
		if (rc == 0 && number < UINT32_MAX) {
			*id = number;
			return true;
		}
		schema_reader_error(r, key, node, "%s is out of range; allowed: 0 to %u",
				    SCHEMA_QUOTE(text), UINT32_MAX - 1);
		return false;
	}
	rc = find(text, id);
	if (rc == 0)
		return true;
	if (is_not_found(rc))
		schema_reader_error(
			r, key, node,
			"there is no %s %s on this machine; allowed: a %s's name or number", kind,
			SCHEMA_QUOTE(text), kind);
	else
		schema_reader_error(r, key, node, "%s %s can't be looked up: %s", kind,
				    SCHEMA_QUOTE(text), strerror(rc));
	return false;
}

static void read_owner(struct schema_reader *r, const struct schema_key *key,
		       const struct schema_node *node, void *field)
{
	uint32_t id;

	if (read_id(r, key, node, "user", find_user, &id))
		*(uid_t *)field = id;
}

static void read_group(struct schema_reader *r, const struct schema_key *key,
		       const struct schema_node *node, void *field)
{
	uint32_t id;

	if (read_id(r, key, node, "group", find_group, &id))
		*(gid_t *)field = id;
}

/* The nodes of the machine as the kernel lists them ("0-1"); "0" where it knows nothing about
 * nodes. */
static void numa_online(char *text, size_t size)
{
	FILE *file = fopen("/sys/devices/system/node/online", "re");

	snprintf(text, size, "0");
	if (!file)
		return;
	if (!fgets(text, size, file))
		snprintf(text, size, "0");
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
}

static bool numa_node_exists(uint64_t node)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u", (unsigned int)node);
	return access(path, F_OK) == 0 ||
	       (node == 0 && access("/sys/devices/system/node/online", F_OK) != 0);
}

static void read_numa_node(struct schema_reader *r, const struct schema_key *key,
			   const struct schema_node *node, void *field)
{
	char online[128];
	const char *text, *end;
	uint64_t number;
	int rc;

	/* Also in quotes, as JSON has no other way. */
	if (node->kind == SCHEMA_NODE_SCALAR && strcmp(node->text, "any") == 0) {
		*(int32_t *)field = SCHEMA_NUMA_ANY;
		return;
	}
	text = schema_reader_plain(r, key, node, "a node's number, or any");
	if (!text)
		return;
	rc = schema_number_parse(text, &number, &end);
	if (*end == '\0' && rc == 0 && number <= key->max && numa_node_exists(number)) {
		*(int32_t *)field = number;
		return;
	}
	numa_online(online, sizeof(online));
	schema_reader_error(r, key, node, "%s is no NUMA node of this machine; allowed: %s, or any",
			    SCHEMA_QUOTE(text), online);
}

struct cpu_list {
	bool seen[SCHEMA_CPUS_MAX];
	unsigned int cpu[SCHEMA_CPUS_MAX];
	size_t n;
};

/* "3" or "0-3" */
static bool parse_range(const char *text, uint64_t *first, uint64_t *last)
{
	const char *end;
	int rc = schema_number_parse(text, first, &end);

	if (rc < 0)
		return false;
	*last = *first;
	if (*end == '-')
		rc = schema_number_parse(end + 1, last, &end);
	return rc == 0 && *end == '\0' && *first <= *last && *last < SCHEMA_CPUS_MAX;
}

static bool add_cpus(struct schema_reader *r, const struct schema_key *key,
		     const struct schema_node *node, struct cpu_list *list)
{
	const char *text = schema_reader_scalar(r, key, node, "a CPU number or range");
	uint64_t first, last;

	if (!text)
		return false;
	if (!parse_range(text, &first, &last)) {
		schema_reader_error(
			r, key, node,
			"%s is not a CPU number or range; allowed: 0 to %d, ranges such as 0-3",
			SCHEMA_QUOTE(text), SCHEMA_CPUS_MAX - 1);
		return false;
	}
	for (uint64_t cpu = first; cpu <= last; cpu++) {
		if (list->seen[cpu]) {
			schema_reader_error(r, key, node,
					    "CPU %u is there twice; allowed: each CPU once",
					    (unsigned int)cpu);
			return false;
		}
		list->seen[cpu] = true;
		list->cpu[list->n++] = cpu;
	}
	return true;
}

/* Returns whether all of the list could be read. */
static bool read_cpu_list(struct schema_reader *r, const struct schema_key *key,
			  const struct schema_node *node, struct cpu_list *list)
{
	bool good = true;

	if (node->kind != SCHEMA_NODE_SEQUENCE)
		return add_cpus(r, key, node, list);
	for (const struct schema_node *child = node->first; child; child = child->next)
		good = add_cpus(r, key, child, list) && good;
	return good;
}

static void read_cpus(struct schema_reader *r, const struct schema_key *key,
		      const struct schema_node *node, void *field)
{
	struct schema_cpus *cpus = field;
	struct cpu_list list = {.n = 0};
	unsigned int *copy;

	/* A wrong list leaves none, so that no other list is measured by the default instead. */
	cpus->n = 0;
	if (!read_cpu_list(r, key, node, &list))
		return;
	if (list.n == 0 || list.n > key->max) {
		schema_reader_error(r, key, node, "lists %zu CPUs; allowed: 1 to %" PRIu64, list.n,
				    key->max);
		return;
	}
	copy = schema_arena_alloc(r->arena, list.n, sizeof(*copy));
	if (!copy)
		return;
	memcpy(copy, list.cpu, list.n * sizeof(*copy));
	cpus->cpu = copy;
	cpus->n = list.n;
}

static struct schema_node *dump_mode(struct schema_arena *arena, const struct schema_key *key,
				     const void *field)
{
	char text[8];

	snprintf(text, sizeof(text), "%04o", (unsigned int)*(const mode_t *)field & 0777);
	return schema_node_scalar(arena, text, false);
}

static struct schema_node *dump_id(struct schema_arena *arena, const struct schema_key *key,
				   const void *field)
{
	uint32_t id = *(const uint32_t *)field;
	char text[16];

	if (id == SCHEMA_ID_NONE)
		return NULL;
	snprintf(text, sizeof(text), "%" PRIu32, id);
	return schema_node_scalar(arena, text, false);
}

static struct schema_node *dump_numa_node(struct schema_arena *arena, const struct schema_key *key,
					  const void *field)
{
	int32_t node = *(const int32_t *)field;
	char text[16];

	if (node == SCHEMA_NUMA_ANY)
		return schema_node_scalar(arena, "any", false);
	snprintf(text, sizeof(text), "%" PRId32, node);
	return schema_node_scalar(arena, text, false);
}

static struct schema_node *dump_cpus(struct schema_arena *arena, const struct schema_key *key,
				     const void *field)
{
	const struct schema_cpus *cpus = field;
	struct schema_node *list = schema_node_new(arena, SCHEMA_NODE_SEQUENCE);
	char text[16];

	for (size_t i = 0; list && i < cpus->n; i++) {
		struct schema_node *cpu;

		snprintf(text, sizeof(text), "%u", cpus->cpu[i]);
		cpu = schema_node_scalar(arena, text, false);
		if (!cpu)
			return NULL;
		schema_node_append(list, cpu);
	}
	return list;
}

static void mode_limits(const struct schema_key *key, FILE *out)
{
	fputs("`0000` to `0777`", out);
}

static void user_limits(const struct schema_key *key, FILE *out)
{
	fprintf(out, "a user's name, or a number up to %u", UINT32_MAX - 1);
}

static void group_limits(const struct schema_key *key, FILE *out)
{
	fprintf(out, "a group's name, or a number up to %u", UINT32_MAX - 1);
}

static void cpus_limits(const struct schema_key *key, FILE *out)
{
	fprintf(out, "1 to %" PRIu64 " CPUs", key->max);
}

const struct schema_kind schema_mode = {
	.name = "mode",
	.read = read_mode,
	.dump = dump_mode,
	.limits = mode_limits,
};

const struct schema_kind schema_user = {
	.name = "user",
	.read = read_owner,
	.dump = dump_id,
	.limits = user_limits,
};

const struct schema_kind schema_group = {
	.name = "group",
	.read = read_group,
	.dump = dump_id,
	.limits = group_limits,
};

const struct schema_kind schema_numa_node = {
	.name = "number or `any`",
	.read = read_numa_node,
	.dump = dump_numa_node,
};

const struct schema_kind schema_cpu_list = {
	.name = "list of CPUs",
	.read = read_cpus,
	.dump = dump_cpus,
	.limits = cpus_limits,
};

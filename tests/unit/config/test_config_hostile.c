/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that mean harm, or nothing at all: an error in good time, never a crash. */
#include <dirent.h>
#include <errno.h>
#include <time.h>

#include "schema/node.h"
#include "tests/unit/config/load.h"

enum { MUTATIONS = 3000 }; /* per example */

/* Expects an error that begins like this, within seconds even with a sanitizer. */
static void refuse(const char *name, const char *text, size_t len, const char *begin)
{
	struct config *cfg = NULL;
	char *errors = NULL;
	clock_t start = clock();
	int rc = load_text(text, len, &cfg, &errors);

	if (rc != -EINVAL || !errors)
		fail_case(__FILE__, __LINE__, name, "accepted");
	else if (strncmp(errors, begin, strlen(begin)) != 0)
		fail_case(__FILE__, __LINE__, name, errors);
	if (clock() - start > 20 * CLOCKS_PER_SEC)
		fail_case(__FILE__, __LINE__, name, "took too long");
	free(errors);
	config_free(cfg);
}

static void billion_laughs(void)
{
	static const char text[] = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
				   "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
				   "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
				   "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
				   "bdevs: [*d, *d, *d, *d, *d, *d, *d, *d, *d]\n";

	refuse("billion laughs", text, strlen(text), "t:1:4: anchor 'a' is not supported");
}

/* The head and then the unit over and over again, len bytes in all; the caller frees it. */
static char *repeat(const char *head, const char *unit, size_t len)
{
	char *text = malloc(len + 1);
	size_t used = strlen(head);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	strcpy(text, head);
	for (size_t i = used; i < len; i++)
		text[i] = unit[(i - used) % strlen(unit)];
	text[len] = '\0';
	return text;
}

static void masses(void)
{
	static const struct {
		const char *head;
		const char *unit;
		const char *error;
	} rows[] = {
		{"", "[", "t:1:17: nested too deeply; allowed: 16 levels\n"},
		{"", "{", "t:1:2: a list or mapping can't be a key"},
		{"", "- ", "t:1:33: nested too deeply"},
		{"", "a: ", "t:1:5: not valid YAML"},
		{"", "? ", "t:1:"},
		{"", "\n", "t: the file is empty"},
		{"", "#", "t: the file is empty"},
		{"", "a", "t:1:1: the file is no mapping"},
		{"", "\"", "t:1:"},
		{"bdevs: [", "x,", "t:"},
		{"bdevs: [", "{},", "t:"},
		{"bdevs: [", "*a,", "t:1:9: alias 'a' is not supported"},
		{"", "aa: b\n", "t:"},
		{"", "&a\n", "t:"},
		{"", "!a\n", "t:"},
		{"target: [", "]", "t:1:1"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = repeat(rows[i].head, rows[i].unit, SCHEMA_FILE_BYTES_MAX);

		refuse(rows[i].unit, text, SCHEMA_FILE_BYTES_MAX, rows[i].error);
		free(text);
	}
}

static void nul_bytes(void)
{
	static const char text[] = "bdevs: []\n\0controllers: []\n";

	refuse("NUL", text, sizeof(text) - 1, "t:2:1: control character U+0000");
	refuse("only NULs", (char[512]){0}, 512, "t:1:1: control character U+0000");
}

/* As many of everything as is allowed, all wrong: the suggestions and comparisons must not take
 * forever. */
static void many_wrong_references(void)
{
	char *text = malloc(SCHEMA_FILE_BYTES_MAX + 256);
	size_t len = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	len += sprintf(text, "bdevs:\n");
	for (int i = 0; i < CONFIG_BDEVS_MAX; i++)
		len += sprintf(text + len, "- {name: bdev-number-%d, type: null, size: 1MiB}\n", i);
	len += sprintf(text + len, "controllers:\n");
	for (int c = 0; len < SCHEMA_FILE_BYTES_MAX - 8000; c++) {
		len += sprintf(text + len, "- {name: c%d, type: nvme, namespaces: [", c);
		for (int i = 0; i < VNVME_MAX_NAMESPACES; i++)
			len += sprintf(text + len, "{bdev: bdev-nmber-%d},", i);
		len += sprintf(text + len, "]}\n");
	}
	refuse("references", text, len, "t:4099:");
	free(text);
}

static void many_wrong_splits(void)
{
	char *text = malloc(SCHEMA_FILE_BYTES_MAX + 256);
	size_t len = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	len += sprintf(text, "bdevs:\n- {name: b, type: null, size: 1MiB}\n");
	len += sprintf(text + len, "- {name: s, type: split, base: b, count: 256}\n");
	for (int i = 2; i < CONFIG_BDEVS_MAX - 256; i++)
		len += sprintf(text + len, "- {name: x%d-, type: split, base: s%d, count: 256}\n",
			       i, i + 254);
	len += sprintf(text + len, "controllers:\n");
	for (int c = 0; len < SCHEMA_FILE_BYTES_MAX - 8000; c++)
		len += sprintf(text + len, "- {name: c%d, type: blk, bdev: %s}\n", c,
			       c % 2 ? "b" : "s");
	refuse("splits", text, len, "t:4:34: bdev 'x2-': base: there is no bdev 's256'");
	free(text);
}

static void limits_of_lists(void)
{
	char *text = malloc(SCHEMA_FILE_BYTES_MAX);
	size_t len;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	len = sprintf(text, EMPTY "bdevs:\n");
	for (int i = 0; i <= CONFIG_BDEVS_MAX; i++)
		len += sprintf(text + len, "- {name: b%d, type: null, size: 1MiB}\n", i);
	refuse("bdevs", text, len, "t:3:1: bdevs: lists 4097 bdevs; allowed: 0 to 4096\n");
	len = sprintf(text, RAM "controllers:\n- {name: c, type: nvme, namespaces: [");
	for (int i = 0; i <= VNVME_MAX_NAMESPACES; i++)
		len += sprintf(text + len, "{bdev: r},");
	len += sprintf(text + len, "]}\n");
	refuse("namespaces", text, len,
	       "t:3:37: controller 'c': namespaces: lists 257 namespaces; allowed: 0 to 256\n");
	len = sprintf(text, RAM "controllers:\n- {name: c, type: scsi, targets: [{id: 0, luns: [");
	for (int i = 0; i <= SCSI_MAX_LUNS; i++)
		len += sprintf(text + len, "{lun: %d, bdev: r},", i);
	len += sprintf(text + len, "]}]}\n");
	refuse("LUNs", text, len,
	       "t:3:49: controller 'c': targets[0]: luns: lists 257 LUNs; allowed: 1 to 256\n");
	len = sprintf(text, RAM "controllers:\n- {name: c, type: scsi, targets: [");
	for (int i = 0; i <= SCSI_MAX_TARGETS; i++)
		len += sprintf(text + len, "{id: %d, luns: [{lun: 0, bdev: r}]},", i);
	len += sprintf(text + len, "]}\n");
	refuse("targets", text, len,
	       "t:3:34: controller 'c': targets: lists 257 targets; allowed: 0 to 256\n");
	free(text);
}

/* Small, fast and the same everywhere (xorshift64*). */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* A reference leads to a disk. */
static bool is_disk(const struct config_bdev *bdev)
{
	return bdev && bdev->params->name && bdev->params->block_size && !bdev->user &&
	       !config_is_whole(bdev);
}

static void check_nvme(const struct config_controller *ctrl)
{
	const struct nvme_params *p = NVME_OF(ctrl);

	CU_ASSERT(p->nvme.serial && p->nvme.model);
	for (size_t k = 0; k < p->nnamespaces; k++)
		CU_ASSERT(is_disk(p->namespaces[k].bdev) && p->namespaces[k].ns.nsid);
}

static void check_blk(const struct config_controller *ctrl)
{
	const struct blk_type_params *p = BLK_OF(ctrl);

	CU_ASSERT(p->blk.serial && is_disk(p->bdev) && p->blk.queues);
}

static void check_scsi(const struct config_controller *ctrl)
{
	for (size_t t = 0; t < SCSI_OF(ctrl)->ntargets; t++) {
		const struct scsi_target_params *target = &SCSI_OF(ctrl)->targets[t];

		CU_ASSERT(target->id < SCSI_MAX_TARGETS && target->nluns);
		for (size_t k = 0; k < target->nluns; k++)
			CU_ASSERT(target->luns[k].lun.lun < SCSI_MAX_LUNS &&
				  is_disk(target->luns[k].bdev));
	}
}

/* All that a user of a valid configuration relies on. */
static void check_controller(const struct config_controller *ctrl)
{
	CU_ASSERT(ctrl->params->name && ctrl->socket_path);
	CU_ASSERT_PTR_NOT_NULL_FATAL(ctrl->type);
	if (!strcmp(TYPE_OF(ctrl), "nvme"))
		check_nvme(ctrl);
	else if (!strcmp(TYPE_OF(ctrl), "blk"))
		check_blk(ctrl);
	else
		check_scsi(ctrl);
}

static void check_bdev(const struct config_bdev *bdev)
{
	CU_ASSERT(bdev->params->name && bdev->type && bdev->params->block_size);
	if (bdev->type && bdev_type_of(bdev->type)->base)
		CU_ASSERT(bdev->base && bdev->base->user == bdev);
	if (!config_is_whole(bdev))
		return;
	CU_ASSERT_FATAL(bdev->parts && bdev->nparts);
	for (size_t k = 0; k < bdev->nparts; k++)
		CU_ASSERT(bdev->parts[k].params->name && bdev->parts[k].whole == bdev);
}

/* What a bdev stands on comes before it. */
static void check_order(const struct config *cfg)
{
	size_t n = 0;

	for (size_t i = 0; i < cfg->nbdevs; i++) {
		const struct config_bdev *bdev = cfg->bdevs_in_order[i];

		for (size_t k = 0; bdev->base && k < i; k++)
			n += cfg->bdevs_in_order[k] ==
			     (bdev->base->whole ? bdev->base->whole : bdev->base);
		n += !bdev->base;
	}
	CU_ASSERT_EQUAL(n, cfg->nbdevs);
}

/* Whatever comes in: a configuration, or an error text in which each line names the file. */
static void check_outcome(const char *name, const char *text, size_t len)
{
	struct config *cfg = NULL;
	char *errors = NULL;
	int rc = load_text(text, len, &cfg, &errors);
	size_t n = errors ? strlen(errors) : 0;

	if (rc == 0 ? !cfg || errors : rc != -EINVAL || cfg || !errors)
		fail_case(__FILE__, __LINE__, name, "result and outputs don't agree");
	if (errors && (strncmp(errors, "t:", 2) != 0 || errors[n - 1] != '\n'))
		fail_case(__FILE__, __LINE__, name, errors);
	for (size_t i = 0; cfg && i < cfg->nbdevs; i++)
		check_bdev(&cfg->bdevs[i]);
	if (cfg)
		check_order(cfg);
	for (size_t i = 0; cfg && i < cfg->ncontrollers; i++)
		check_controller(&cfg->controllers[i]);
	free(errors);
	config_free(cfg);
}

static void random_bytes(void)
{
	static const char signs[] = "abt:-?[]{},&*!|>'\"%# \n\t0129";
	uint64_t state = 1;

	for (int round = 0; round < 2000; round++) {
		char text[256];
		size_t len = next_random(&state) % sizeof(text);

		/* Every other round is text, which gets further. */
		for (size_t i = 0; i < len; i++) {
			uint64_t random = next_random(&state);

			text[i] = round % 2 ? (char)random : signs[random % (sizeof(signs) - 1)];
		}
		check_outcome("random bytes", text, len);
	}
}

struct buffer {
	char text[8192];
	size_t len;
};

static void remove_at(struct buffer *b, size_t at, size_t n)
{
	if (n > b->len - at)
		n = b->len - at;
	memmove(b->text + at, b->text + at + n, b->len - at - n);
	b->len -= n;
}

static void insert_at(struct buffer *b, size_t at, const char *piece, size_t n)
{
	if (n > sizeof(b->text) - b->len)
		return;
	memmove(b->text + at + n, b->text + at, b->len - at);
	memcpy(b->text + at, piece, n);
	b->len += n;
}

static void mutate(struct buffer *b, uint64_t *state)
{
	static const char *const pieces[] = {
		"*a",	 "&a ",	 "!x ",	 "<<: ", "{",	     "}",
		"[",	 "]",	 ": ",	 "- ",	 ", ",	     "\n",
		"\"",	 "'",	 "|\n",	 "0",	 "-1",	     "99999999999999999999",
		"TiB",	 "~",	 "null", "\xff", "\xc3\xa4", "  ",
		"---\n", "nvme", "blk",	 "scsi", "split",    "256"};
	size_t at = b->len ? next_random(state) % b->len : 0;
	const char *piece = pieces[next_random(state) % (sizeof(pieces) / sizeof(pieces[0]))];
	char copied[64];
	size_t n;

	switch (next_random(state) % 4) {
	case 0:
		if (b->len)
			b->text[at] ^= 1 << next_random(state) % 8;
		break;
	case 1:
		remove_at(b, at, 1 + next_random(state) % 40);
		break;
	case 2:
		insert_at(b, at, piece, strlen(piece));
		break;
	default: /* a piece of the file, somewhere else */
		n = b->len - at < sizeof(copied) ? b->len - at : sizeof(copied);
		memcpy(copied, b->text + at, n);
		insert_at(b, b->len ? next_random(state) % b->len : 0, copied, n);
		break;
	}
}

static void fuzz_file(const char *path, uint64_t seed)
{
	static struct buffer original, copy;
	FILE *file = fopen(path, "re");
	uint64_t state = seed;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	original.len = fread(original.text, 1, sizeof(original.text), file);
	fclose(file);
	CU_ASSERT_FATAL(original.len > 0 && original.len < sizeof(original.text));
	for (int round = 0; round < MUTATIONS; round++) {
		int changes = 1 + next_random(&state) % 4;

		copy = original;
		while (changes--)
			mutate(&copy, &state);
		check_outcome(path, copy.text, copy.len);
	}
}

static void mutated_examples(void)
{
	struct dirent **entries;
	int n = scandir("config", &entries, NULL, alphasort);
	int files = 0;

	/* The tests run in the root of the tree. */
	CU_ASSERT_FATAL(n > 0);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		size_t len = strlen(name);
		char path[512];

		if (len > 5 && strcmp(name + len - 5, ".yaml") == 0) {
			snprintf(path, sizeof(path), "config/%s", name);
			fuzz_file(path, 1000 + i);
			files++;
		}
		free(entries[i]);
	}
	free(entries);
	CU_ASSERT(files >= 5);
}

static const struct test_case cases[] = {
	{"billion_laughs", billion_laughs},
	{"masses", masses},
	{"nul_bytes", nul_bytes},
	{"many_wrong_references", many_wrong_references},
	{"many_wrong_splits", many_wrong_splits},
	{"limits_of_lists", limits_of_lists},
	{"random_bytes", random_bytes},
	{"mutated_examples", mutated_examples},
};

TEST_MAIN("config_hostile", cases)

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_CONFIG_LOAD_H
#define TESTS_UNIT_CONFIG_LOAD_H

#include "config/private.h"
#include "scsi/scsi.h"
#include "target/type_params.h"
#include "tests/unit/test.h"

/* The params of an object's type. */
#define MALLOC(bdev)	((const struct bdev_malloc_params *)(bdev)->params)
#define FILE_OF(bdev)	((const struct bdev_file_params *)(bdev)->params)
#define NULL_OF(bdev)	((const struct bdev_null_params *)(bdev)->params)
#define SPLIT_OF(bdev)	((const struct bdev_split_params *)(bdev)->params)
#define NVME_OF(ctrl)	((const struct nvme_params *)(ctrl)->params)
#define BLK_OF(ctrl)	((const struct blk_type_params *)(ctrl)->params)
#define SCSI_OF(ctrl)	((const struct scsi_params *)(ctrl)->params)
#define TYPE_OF(object) ((object)->type->name)

/* A machine with the CPUs 0 and 1, whatever the test runs on. */
static inline int load_text(const char *text, size_t len, struct config **cfg, char **errors)
{
	struct config_host host = {.cpu = {true, true}};

	return config_load_text("t", schema_tree_from_yaml, text, len, &host, cfg, errors);
}

static inline void fail_case(const char *file, unsigned int line, const char *name,
			     const char *what)
{
	char text[2048];

	snprintf(text, sizeof(text), "%s: %s", name, what);
	text[strcspn(text, "\n")] = '\0';
	CU_assertImplementation(CU_FALSE, line, text, file, "", CU_FALSE);
}

/* A valid configuration, or NULL after a failure that shows the errors. */
static inline struct config *load_good(const char *name, const char *text)
{
	struct config *cfg = NULL;
	char *errors = NULL;

	if (load_text(text, strlen(text), &cfg, &errors) != 0)
		fail_case(__FILE__, __LINE__, name, errors ? errors : "no error text");
	CU_ASSERT_EQUAL(!cfg, !!errors);
	free(errors);
	return cfg;
}

/* A text of its own for the text config_load() reads from a file. */
static inline void write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, text, len), (ssize_t)len);
	close(fd);
}

/* Parts that most test cases need around what they are about. */
#define RAM   "bdevs: [{name: r, type: malloc, size: 1MiB}]\n"
#define CTRL  "controllers: [{name: c, type: nvme, namespaces: [{bdev: r}]}]\n"
#define EMPTY "controllers: [{name: c, type: nvme, namespaces: []}]\n"

#endif

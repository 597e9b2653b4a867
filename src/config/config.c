/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "config/private.h"
#include "config/reader.h"
#include "config/yaml_tree.h"

int config_host_get(struct config_host *host)
{
	const size_t size = CPU_ALLOC_SIZE(CONFIG_CPUS_MAX);
	cpu_set_t *set = CPU_ALLOC(CONFIG_CPUS_MAX);
	int rc = 0;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(size, set);
	if (sched_getaffinity(0, size, set) < 0)
		rc = -errno;
	for (unsigned int cpu = 0; cpu < CONFIG_CPUS_MAX; cpu++)
		host->cpu[cpu] = CPU_ISSET_S(cpu, size, set);
	CPU_FREE(set);
	return rc;
}

static struct config *new_config(const char *path)
{
	struct config *cfg = calloc(1, sizeof(*cfg));

	if (!cfg)
		return NULL;
	cfg->priv = calloc(1, sizeof(*cfg->priv));
	if (cfg->priv)
		cfg->path = config_arena_strndup(&cfg->priv->arena, path, strlen(path));
	if (!cfg->path) {
		config_free(cfg);
		return NULL;
	}
	return cfg;
}

void config_free(struct config *cfg)
{
	if (!cfg)
		return;
	if (cfg->priv) {
		config_arena_free(&cfg->priv->arena);
		free(cfg->priv->places);
		free(cfg->priv);
	}
	free(cfg);
}

static void read_root(struct config *cfg, struct config_errors *errors,
		      const struct config_node *root)
{
	struct config_reader reader = {.cfg = cfg, .arena = &cfg->priv->arena, .errors = errors};

	if (root->kind == CONFIG_NODE_MAPPING)
		config_read_object(&reader, &config_root_section, root, cfg);
	else if (root->kind != CONFIG_NODE_BAD)
		config_reader_error(&reader, NULL, root,
				    "the file is no mapping; allowed: the keys target, bdevs and "
				    "controllers");
	config_places_sort(cfg);
}

static void read_text(struct config *cfg, struct config_errors *errors, const char *text,
		      size_t len, const struct config_host *host)
{
	struct config_arena tree = {0};
	const struct config_node *root = config_tree_parse(&tree, errors, text, len);

	if (root) {
		read_root(cfg, errors, root);
		if (root->kind == CONFIG_NODE_MAPPING && !cfg->priv->arena.failed)
			config_validate(cfg, errors, host);
	}
	if (tree.failed)
		cfg->priv->arena.failed = 1;
	config_arena_free(&tree);
}

int config_load_text(const char *path, const char *text, size_t len, const struct config_host *host,
		     struct config **out, char **errors_out)
{
	struct config_errors errors = {.path = path};
	struct config *cfg = new_config(path);
	int rc = 0;

	*out = NULL;
	*errors_out = NULL;
	if (!cfg)
		return -ENOMEM;
	read_text(cfg, &errors, text, len, host);
	if (cfg->priv->arena.failed || errors.no_memory) {
		rc = -ENOMEM;
	} else if (errors.total) {
		*errors_out = config_errors_text(&errors);
		rc = *errors_out ? -EINVAL : -ENOMEM;
	}
	config_errors_free(&errors);
	if (rc < 0)
		config_free(cfg);
	else
		*out = cfg;
	return rc;
}

int config_load(const char *path, struct config **out, char **errors_out)
{
	struct config_errors errors = {.path = path};
	struct config_host host;
	char *text = NULL;
	size_t len = 0;
	int rc;

	*out = NULL;
	*errors_out = NULL;
	rc = config_file_read(path, &errors, &text, &len);
	if (rc == 0) {
		rc = config_host_get(&host);
		if (rc < 0)
			config_errors_add(&errors, (struct config_pos){0},
					  "the CPUs of this machine can't be found out: %s",
					  strerror(-rc));
	}
	if (rc == 0)
		rc = config_load_text(path, text, len, &host, out, errors_out);
	else if (errors.total)
		*errors_out = config_errors_text(&errors);
	config_errors_free(&errors);
	free(text);
	return rc;
}

int config_set_socket_dir(struct config *cfg, const char *dir, char **errors_out)
{
	struct config_errors errors = {.path = cfg->path};
	const char *old = cfg->target.socket_dir;
	const char *copy = config_arena_strndup(&cfg->priv->arena, dir, strlen(dir));

	*errors_out = NULL;
	if (!copy)
		return -ENOMEM;
	cfg->target.socket_dir = copy;
	if (dir[0])
		config_validate_sockets(cfg, &errors);
	else
		config_errors_add(&errors, (struct config_pos){0},
				  "the directory of the sockets is an empty text; allowed: a path");
	if (!errors.total && !cfg->priv->arena.failed)
		return 0;
	*errors_out = errors.total ? config_errors_text(&errors) : NULL;
	config_errors_free(&errors);
	cfg->target.socket_dir = old;
	/* The paths fitted before. */
	config_validate_sockets(cfg, &errors);
	return *errors_out ? -EINVAL : -ENOMEM;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "config/private.h"

int config_host_get(struct config_host *host)
{
	const size_t size = CPU_ALLOC_SIZE(SCHEMA_CPUS_MAX);
	cpu_set_t *set = CPU_ALLOC(SCHEMA_CPUS_MAX);
	int rc = 0;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(size, set);
	if (sched_getaffinity(0, size, set) < 0)
		rc = -errno;
	for (unsigned int cpu = 0; cpu < SCHEMA_CPUS_MAX; cpu++)
		host->cpu[cpu] = CPU_ISSET_S(cpu, size, set);
	CPU_FREE(set);
	return rc;
}

struct config *config_new(const char *path)
{
	struct config *cfg = calloc(1, sizeof(*cfg));

	if (!cfg)
		return NULL;
	cfg->priv = calloc(1, sizeof(*cfg->priv));
	if (cfg->priv)
		cfg->path = schema_arena_strndup(&cfg->priv->arena, path, strlen(path));
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
		schema_arena_free(&cfg->priv->arena);
		schema_places_free(&cfg->priv->places);
		free(cfg->priv->text);
		free(cfg->priv);
	}
	free(cfg);
}

static void read_root(struct config *cfg, struct schema_errors *errors,
		      const struct schema_node *root)
{
	struct schema_reader reader = {
		.root = cfg,
		.places = &cfg->priv->places,
		.arena = &cfg->priv->arena,
		.errors = errors,
	};

	if (root->kind == SCHEMA_NODE_MAPPING)
		schema_object_read(&reader, &config_root_section, root, cfg);
	else if (root->kind != SCHEMA_NODE_BAD)
		schema_reader_error(&reader, NULL, root,
				    "the file is no mapping; allowed: the keys target, bdevs and "
				    "controllers");
	schema_places_sort(&cfg->priv->places);
}

static void read_text(struct config *cfg, struct schema_errors *errors, config_parse_fn parse,
		      const char *text, size_t len, const struct config_host *host)
{
	struct schema_arena tree = {0};
	const struct schema_node *root = parse(&tree, errors, text, len);

	if (root) {
		read_root(cfg, errors, root);
		if (root->kind == SCHEMA_NODE_MAPPING && !cfg->priv->arena.failed)
			config_validate(cfg, errors, host);
	}
	if (tree.failed)
		cfg->priv->arena.failed = 1;
	schema_arena_free(&tree);
}

static int load_text(const struct config_again *how, config_parse_fn parse,
		     const struct config_host *host, struct config **out, char **errors_out)
{
	struct schema_errors errors = {.path = how->path};
	struct config *cfg = config_new(how->path);
	int rc = 0;

	*out = NULL;
	*errors_out = NULL;
	if (!cfg)
		return -ENOMEM;
	cfg->priv->no_looks = how->no_looks;
	read_text(cfg, &errors, parse, how->text, how->len, host);
	if (cfg->priv->arena.failed || errors.no_memory) {
		rc = -ENOMEM;
	} else if (errors.total) {
		*errors_out = schema_errors_text(&errors);
		rc = *errors_out ? -EINVAL : -ENOMEM;
	}
	schema_errors_free(&errors);
	if (rc < 0)
		config_free(cfg);
	else
		*out = cfg;
	return rc;
}

int config_load_text(const char *path, config_parse_fn parse, const char *text, size_t len,
		     const struct config_host *host, struct config **out, char **errors_out)
{
	const struct config_again how = {.path = path, .text = text, .len = len};

	return load_text(&how, parse, host, out, errors_out);
}

int config_load_again(const struct config *running, const struct config_again *how,
		      struct config **out, char **errors_out)
{
	const struct config_private *priv = running->priv;
	int rc = load_text(how, schema_tree_from_yaml, priv->host, out, errors_out);

	if (!rc && priv->socket_dir_instead)
		rc = config_set_socket_dir(*out, priv->socket_dir_instead, errors_out);
	if (rc) {
		config_free(*out);
		*out = NULL;
	}
	return rc;
}

const char *config_text(const struct config *cfg, size_t *len)
{
	*len = cfg->priv->len;
	return cfg->priv->text;
}

/* Takes the text over. */
static int keep_origin(struct config **cfg, char **text, size_t len, const struct config_host *host)
{
	struct config_private *priv = (*cfg)->priv;

	priv->host = schema_arena_alloc(&priv->arena, 1, sizeof(*priv->host));
	if (!priv->host) {
		config_free(*cfg);
		*cfg = NULL;
		return -ENOMEM;
	}
	*priv->host = *host;
	priv->text = *text;
	priv->len = len;
	*text = NULL;
	return 0;
}

int config_load(const char *path, struct config **out, char **errors_out)
{
	struct schema_errors errors = {.path = path};
	struct config_host host;
	char *text = NULL;
	size_t len = 0;
	int rc;

	*out = NULL;
	*errors_out = NULL;
	rc = schema_file_read(path, &errors, &text, &len);
	if (rc == 0) {
		rc = config_host_get(&host);
		if (rc < 0)
			schema_errors_add(&errors, (struct schema_pos){0},
					  "the CPUs of this machine can't be found out: %s",
					  strerror(-rc));
	}
	if (rc == 0) {
		rc = config_load_text(path, schema_tree_from_yaml, text, len, &host, out,
				      errors_out);
		if (rc == 0)
			rc = keep_origin(out, &text, len, &host);
	} else if (errors.total)
		*errors_out = schema_errors_text(&errors);
	schema_errors_free(&errors);
	free(text);
	return rc;
}

int config_set_socket_dir(struct config *cfg, const char *dir, char **errors_out)
{
	struct schema_errors errors = {.path = cfg->path};
	const char *old = cfg->target.socket_dir;
	const char *copy = schema_arena_strndup(&cfg->priv->arena, dir, strlen(dir));

	*errors_out = NULL;
	if (!copy)
		return -ENOMEM;
	cfg->target.socket_dir = copy;
	if (dir[0])
		config_validate_sockets(cfg, &errors);
	else
		schema_errors_add(&errors, (struct schema_pos){0},
				  "the directory of the sockets is an empty text; allowed: a path");
	if (!errors.total && !cfg->priv->arena.failed) {
		cfg->priv->socket_dir_instead = copy;
		return 0;
	}
	*errors_out = errors.total ? schema_errors_text(&errors) : NULL;
	schema_errors_free(&errors);
	cfg->target.socket_dir = old;
	/* The paths fitted before. */
	config_validate_sockets(cfg, &errors);
	return *errors_out ? -EINVAL : -ENOMEM;
}

struct schema_node *config_dump_tree(const struct config *cfg, struct schema_arena *arena,
				     bool brief)
{
	return brief ? schema_object_dump_brief(arena, &config_root_section, cfg, cfg)
		     : schema_object_dump(arena, &config_root_section, cfg);
}

char *config_dump(const struct config *cfg)
{
	struct schema_arena arena = {0};
	const struct schema_node *root = config_dump_tree(cfg, &arena, false);
	char *text = root ? schema_tree_to_yaml(root) : NULL;

	schema_arena_free(&arena);
	return text;
}

/* SPDX-License-Identifier: BSD-3-Clause */
/* A line: a request, or a batch of them (JSON-RPC 2.0, sections 4 and 6). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/rpc_internal.h"

void rpc_message_error(struct rpc_client *c, enum rpc_error code, const char *text)
{
	json_t *answer = json_pack("{s:s, s:n, s:{s:i, s:o}}", "jsonrpc", "2.0", "id", "error",
				   "code", (int)code, "message", rpc_json_of_text(text));
	char *line = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

	json_decref(answer);
	if (!line) {
		c->broken = true;
		return;
	}
	rpc_client_put(c, line, strlen(line));
	rpc_client_put(c, "\n", 1);
	free(line);
}

static bool is_blank(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && strchr(" \t\r\n", text[i]) && text[i]; i++)
		;
	return i == len;
}

/*
 * Values of the text, or somewhat more if it is no JSON: each but the first one of a list or object
 * is behind a comma. What is built of one has 20 to 100 times its bytes, so this comes first.
 */
static size_t count_values(const char *text, size_t len)
{
	bool quoted = false;
	size_t i, n = 1;

	for (i = 0; i < len; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += text[i] == '\\';
		else
			n += text[i] == ',' || text[i] == '[' || text[i] == '{';
	}
	return n;
}

/* False: it has been answered. */
static bool check_values(struct rpc_client *c, const char *text, size_t len)
{
	char message[128];
	size_t n = count_values(text, len);

	if (n <= RPC_VALUES_MAX)
		return true;
	snprintf(message, sizeof(message),
		 "the line has %zu values; allowed: up to %d: ask in several lines", n,
		 RPC_VALUES_MAX);
	rpc_message_error(c, RPC_ERROR_REQUEST, message);
	return false;
}

static json_t *parse(struct rpc_client *c, const char *text, size_t len)
{
	char message[JSON_ERROR_TEXT_LENGTH + 64];
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	if (root)
		return root;
	if (json_error_code(&error) == json_error_out_of_memory) {
		rpc_message_error(c, RPC_ERROR_INTERNAL, "out of memory");
		return NULL;
	}
	snprintf(message, sizeof(message), "the line is not valid JSON: column %d: %s",
		 error.column, error.text);
	rpc_message_error(c, RPC_ERROR_PARSE, message);
	return NULL;
}

static bool check_batch(struct rpc_client *c, const json_t *root)
{
	char text[128];
	size_t n = json_array_size(root);

	if (n && n <= RPC_BATCH_MAX)
		return true;
	snprintf(text, sizeof(text), "the batch has %zu requests; allowed: 1 to %d", n,
		 RPC_BATCH_MAX);
	rpc_message_error(c, RPC_ERROR_REQUEST, text);
	return false;
}

void rpc_message_begin(struct rpc_client *c, const char *text, size_t len)
{
	json_t *root;

	if (is_blank(text, len) || !check_values(c, text, len))
		return;
	root = parse(c, text, len);
	if (!root)
		return;
	if (json_is_array(root) && !check_batch(c, root)) {
		json_decref(root);
		return;
	}
	c->message = (struct rpc_message){.root = root};
	rpc_message_next(c);
}

/* All of it has been answered. */
static void finish(struct rpc_client *c)
{
	const struct rpc_message *m = &c->message;

	if (m->answered)
		rpc_client_put(c, json_is_array(m->root) ? "]\n" : "\n",
			       json_is_array(m->root) ? 2 : 1);
	rpc_message_end(c);
}

static bool is_done(const struct rpc_message *m)
{
	return m->next >= (json_is_array(m->root) ? json_array_size(m->root) : 1);
}

void rpc_message_next(struct rpc_client *c)
{
	struct rpc_message *m = &c->message;

	if (!is_done(m)) {
		const json_t *root = m->root;

		rpc_call_begin(c, json_is_array(root) ? json_array_get(root, m->next++)
						      : (m->next++, root));
	}
	if (!c->call && is_done(m))
		finish(c);
}

void rpc_message_end(struct rpc_client *c)
{
	json_decref(c->message.root);
	c->message = (struct rpc_message){0};
}

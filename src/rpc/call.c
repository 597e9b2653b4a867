/* SPDX-License-Identifier: BSD-3-Clause */
/* A request: which method it asks for, with what, and its answer (JSON-RPC 2.0, section 4). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/rpc_internal.h"
#include "target/target.h"

#define PARAMS_POINTER "/params"
#define STOPPING_TEXT  "the daemon ends"

/* --- answers --- */

static void free_call(struct rpc_call *call)
{
	if (call->client)
		call->client->call = NULL;
	loop_timer_cancel(&call->timer);
	json_decref(call->id);
	schema_errors_free(&call->errors);
	schema_places_free(&call->places);
	schema_arena_free(&call->arena);
	free(call);
}

/* Behind what has been said of a batch before. */
static void put(struct rpc_client *c, const char *text)
{
	struct rpc_message *m = &c->message;

	if (json_is_array(m->root))
		rpc_client_put(c, m->answered ? "," : "[", 1);
	rpc_client_put(c, text, strlen(text));
	m->answered = true;
}

static char *text_of(const struct rpc_call *call, const char *what, json_t *value)
{
	json_t *answer = json_pack("{s:s, s:O}", "jsonrpc", "2.0", "id", call->id);
	char *text;

	if (!answer || json_object_set(answer, what, value))
		text = NULL;
	else
		text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	return text;
}

static json_t *error_value(enum rpc_error code, const char *text, json_t *data)
{
	json_t *error =
		json_pack("{s:i, s:o}", "code", (int)code, "message", rpc_json_of_text(text));

	if (error && data && json_object_set(error, "data", data)) {
		json_decref(error);
		return NULL;
	}
	return error;
}

static void send_error(struct rpc_call *call, enum rpc_error code, const char *message,
		       json_t *data)
{
	struct rpc_client *c = call->client;
	json_t *error = error_value(code, message, data);
	char *text = error && call->id ? text_of(call, "error", error) : NULL;

	json_decref(error);
	if (text && c)
		put(c, text);
	else if (call->id && c)
		c->broken = true;
	free(text);
	free_call(call);
	if (c)
		rpc_client_wake(c);
}

void rpc_fail(struct rpc_call *call, enum rpc_error code, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	send_error(call, code, text, NULL);
}

static void log_change(const struct rpc_call *call)
{
	log_info("control socket: %s%s%s, by user %u, process %d", call->method->name,
		 call->subject[0] ? " " : "", call->subject, call->peer.uid, (int)call->peer.pid);
}

void rpc_call_leave(struct rpc_call *call)
{
	struct rpc_client *c = call->client;
	json_t *error = error_value(RPC_ERROR_STOPPING, STOPPING_TEXT, NULL);
	char *text = error && call->id ? text_of(call, "error", error) : NULL;

	json_decref(error);
	if (text)
		put(c, text);
	free(text);
	call->client = NULL;
	c->call = NULL;
}

void rpc_answer(struct rpc_call *call, json_t *result)
{
	struct rpc_client *c = call->client;
	char *text;

	if (call->method->changes)
		log_change(call);
	text = result && call->id && c ? text_of(call, "result", result) : NULL;
	json_decref(result);
	if (call->id && c && !text) {
		rpc_fail(call, RPC_ERROR_INTERNAL, "out of memory");
		return;
	}
	if (text && strlen(text) > RPC_ANSWER_MAX) {
		rpc_fail(call, RPC_ERROR_TOO_LARGE,
			 "the answer has %zu bytes; allowed: up to %d: ask for less at a time",
			 strlen(text), RPC_ANSWER_MAX);
		free(text);
		return;
	}
	if (text)
		put(c, text);
	free(text);
	free_call(call);
	if (c)
		rpc_client_wake(c);
}

/* --- what is wrong --- */

/* An object as a whole has no member of its own. */
static const char *pointer_at(const struct schema_error *e)
{
	return e->pos.pointer ? e->pos.pointer : PARAMS_POINTER;
}

static json_t *errors_data(struct schema_errors *errors)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; list && i < errors->kept; i++) {
		const struct schema_error *e = &errors->list[i];

		json_array_append_new(list, json_pack("{s:o, s:o}", "pointer",
						      rpc_json_of_text(pointer_at(e)), "text",
						      rpc_json_of_text(e->text)));
	}
	return list ? json_pack("{s:o, s:i}", "errors", list, "total", (int)errors->total) : NULL;
}

void rpc_fail_params(struct rpc_call *call)
{
	struct schema_errors *errors = &call->errors;
	const struct schema_error *first = &errors->list[0];
	char message[1280];
	json_t *data;

	if (errors->no_memory || !errors->kept) {
		rpc_fail(call, RPC_ERROR_INTERNAL, "out of memory");
		return;
	}
	schema_errors_sort(errors);
	snprintf(message, sizeof(message), "%s: %s", pointer_at(first), first->text);
	data = errors_data(errors);
	send_error(call, RPC_ERROR_PARAMS, message, data);
	json_decref(data);
}

static enum rpc_error code_of(int rc)
{
	if (target_is_system_error(rc))
		return target_errno(rc) == ENOMEM ? RPC_ERROR_INTERNAL : RPC_ERROR_FAILED;
	switch (rc) {
	case -ENOENT:
		return RPC_ERROR_NOT_FOUND;
	case -EEXIST:
		return RPC_ERROR_EXISTS;
	case -EBUSY:
		return RPC_ERROR_BUSY;
	case -ESHUTDOWN:
		return RPC_ERROR_STOPPING;
	case -ENOMEM:
		return RPC_ERROR_INTERNAL;
	default:
		return RPC_ERROR_FAILED;
	}
}

/* "size: ..." is about the member of that name. NULL: none is meant. */
static const char *pointer_of(const struct rpc_call *call, const char *text)
{
	const struct schema_node *child;
	size_t n = strcspn(text, ":");

	for (child = call->node->first; child; child = child->next) {
		const char *key = child->key->text;

		if (strlen(key) == n && !strncmp(key, text, n))
			return child->pos.pointer;
	}
	return NULL;
}

void rpc_fail_errno(struct rpc_call *call, int rc, const char *text)
{
	const struct schema_errors *errors = &call->errors;
	const struct schema_error *first = errors->kept ? &errors->list[0] : NULL;
	const char *pointer = first ? pointer_at(first) : pointer_of(call, text);
	const char *name = strerrorname_np(target_errno(rc));
	char message[1280];
	json_t *data;

	if (rc == -EINVAL && errors->total) {
		rpc_fail_params(call);
		return;
	}
	/* What is told of a member tells more. */
	text = first ? first->text : text;
	data = json_pack("{s:s, s:s*}", "errno", name ? name : "unknown", "pointer", pointer);
	snprintf(message, sizeof(message), "%s%s%s", pointer ? pointer : "", pointer ? ": " : "",
		 text);
	send_error(call, code_of(rc), message, data);
	json_decref(data);
}

/* --- requests --- */

static const struct rpc_method *find_method(const char *name)
{
	const struct rpc_method *const *m;

	for (m = rpc_methods; *m && strcmp((*m)->name, name) != 0; m++)
		;
	return *m;
}

static void fail_method(struct rpc_call *call, const char *name)
{
	struct schema_nearest nearest = {.word = name};
	struct schema_hint hint;
	const struct rpc_method *const *m;

	for (m = rpc_methods; *m; m++)
		schema_nearest_try(&nearest, (*m)->name);
	rpc_fail(call, RPC_ERROR_METHOD,
		 "/method: there is no method %s%s; rpc.discover lists those that there are",
		 SCHEMA_QUOTE(name), schema_nearest_hint(&nearest, &hint));
}

/* Where it is asked for the answer: a number, a text, or null. */
static bool is_id(const json_t *id)
{
	return json_is_integer(id) || json_is_null(id) ||
	       (json_is_string(id) && json_string_length(id) <= RPC_ID_MAX);
}

static bool is_member(const char *name)
{
	return !strcmp(name, "jsonrpc") || !strcmp(name, "id") || !strcmp(name, "method") ||
	       !strcmp(name, "params");
}

/* NULL: there is none. */
static const char *unknown_member(const json_t *request)
{
	json_t *object = (json_t *)(uintptr_t)request; /* jansson has no constant iterators */
	void *at;

	for (at = json_object_iter(object); at; at = json_object_iter_next(object, at))
		if (!is_member(json_object_iter_key(at)))
			return json_object_iter_key(at);
	return NULL;
}

/* What is wrong with its shape; NULL: nothing. */
static const char *check_request(const json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const json_t *params = json_object_get(request, "params");
	const json_t *id = json_object_get(request, "id");

	if (!json_is_object(request))
		return "a request is an object; allowed: {\"jsonrpc\": \"2.0\", \"id\": ..., "
		       "\"method\": ..., \"params\": {...}}, or a list of these";
	if (!version || strcmp(version, "2.0") != 0)
		return "/jsonrpc: allowed: \"2.0\"";
	if (id && !is_id(id))
		return "/id: allowed: a whole number, a text of up to 128 bytes, or null";
	if (!json_is_string(json_object_get(request, "method")))
		return "/method: allowed: a method's name";
	if (params && !json_is_object(params))
		return "/params: allowed: an object with the parameters by name";
	return NULL;
}

/* False: it has been answered. */
static bool read_params(struct rpc_call *call, const json_t *params)
{
	static const struct schema_pos pos = {.pointer = PARAMS_POINTER};
	struct schema_reader r = {
		.places = &call->places,
		.arena = &call->arena,
		.errors = &call->errors,
	};

	if (params) {
		call->node = schema_tree_from_json_value(&call->arena, &call->errors, params,
							 PARAMS_POINTER);
	} else {
		call->node = schema_node_new(&call->arena, SCHEMA_NODE_MAPPING);
		if (call->node)
			call->node->pos = pos;
	}
	if (call->node && call->method->reads_node)
		return true;
	if (call->node)
		call->params = schema_arena_alloc(&call->arena, 1, call->method->params->size);
	if (call->params)
		schema_object_read(&r, call->method->params, call->node, call->params);
	if (call->params && !call->arena.failed && !call->errors.total)
		return true;
	rpc_fail_params(call);
	return false;
}

static struct rpc_call *new_call(struct rpc_client *c, const json_t *request)
{
	struct rpc_call *call = calloc(1, sizeof(*call));
	json_t *id = json_object_get(request, "id");

	if (!call)
		return NULL;
	call->rpc = c->rpc;
	call->client = c;
	call->peer = c->peer;
	/* An answer to what is no request has none. */
	if (id && is_id(id))
		call->id = json_incref(id);
	c->call = call;
	return call;
}

/* False: it has been answered. */
static bool check(struct rpc_call *call, const json_t *request)
{
	const char *wrong = check_request(request), *member = unknown_member(request);

	if (!wrong && !member)
		return true;
	/* What is no request can't be told from one without an answer. */
	if (!call->id)
		call->id = json_null();
	if (wrong)
		rpc_fail(call, RPC_ERROR_REQUEST, "%s", wrong);
	else
		rpc_fail(call, RPC_ERROR_REQUEST,
			 "unknown member %s; allowed: jsonrpc, id, method, params",
			 SCHEMA_QUOTE(member));
	return false;
}

void rpc_call_begin(struct rpc_client *c, const json_t *request)
{
	struct rpc_call *call = new_call(c, request);
	const char *name;

	if (!call) {
		c->broken = true;
		return;
	}
	if (!check(call, request))
		return;
	name = json_string_value(json_object_get(request, "method"));
	call->method = find_method(name);
	if (c->rpc->stopping)
		rpc_fail(call, RPC_ERROR_STOPPING, STOPPING_TEXT);
	else if (!call->method)
		fail_method(call, name);
	else if (read_params(call, json_object_get(request, "params")))
		call->method->run(call);
}

/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RPC_RPC_INTERNAL_H
#define RPC_RPC_INTERNAL_H

/* Between the files of src/rpc. Main thread. */

#include <jansson.h>

#include "loop/loop.h"
#include "rpc/rpc.h"
#include "schema/schema.h"
#include "util/fd_closer.h"
#include "util/log.h"

#define RPC_REQUEST_MAX (1024 * 1024) /* bytes of a line */
#define RPC_CLIENTS_MAX 64
#define RPC_BATCH_MAX	1000		   /* requests */
#define RPC_VALUES_MAX	32768		   /* of a line, lists and objects included */
#define RPC_ID_MAX	128		   /* bytes of a text */
#define RPC_ANSWER_MAX	(16 * 1024 * 1024) /* bytes */

/* What JSON-RPC 2.0 has, section 5.1, and our own. docs/control.md explains them. */
enum rpc_error {
	RPC_ERROR_PARSE = -32700,
	RPC_ERROR_REQUEST = -32600,
	RPC_ERROR_METHOD = -32601,
	RPC_ERROR_PARAMS = -32602,
	RPC_ERROR_INTERNAL = -32603,
	RPC_ERROR_FAILED = -32000,
	RPC_ERROR_NOT_FOUND = -32001,
	RPC_ERROR_EXISTS = -32002,
	RPC_ERROR_BUSY = -32003,
	RPC_ERROR_STOPPING = -32004,
	RPC_ERROR_TOO_LARGE = -32005,
	RPC_ERROR_CLIENTS = -32006,
};

/* Who is at the other end, as the kernel says: unix(7), SO_PEERCRED. */
struct rpc_peer {
	pid_t pid;
	uid_t uid;
};

struct rpc_buffer {
	char *data;
	size_t len, size;
};

/* A request, or a batch of them, whose answers have not all been given. */
struct rpc_message {
	json_t *root; /* NULL: there is none */
	size_t next;  /* of a batch */
	bool answered;
};

struct rpc_client {
	struct rpc *rpc;
	struct loop_source source;
	struct rpc_peer peer;
	struct rpc_buffer in, out;
	size_t searched; /* of `in`, for the end of the line */
	size_t sent;	 /* of `out` */
	bool ended;	 /* nothing more comes */
	bool broken;	 /* nothing more is to be read or sent */
	struct rpc_message message;
	struct rpc_call *call;	  /* that is under way; one at a time */
	uint32_t events_wanted;	  /* by enum target_event_kind */
	struct rpc_buffer events; /* that wait, each a line */
	uint64_t lost;		  /* since the last one that was given */
	struct timer turn; /* due at once: there is more to do, when others have had their turns */
	struct rpc_client *next, **prevp;
};

struct rpc {
	struct rpc_params params;
	struct loop *loop;
	struct socket_file file;
	struct loop_source source;
	struct timer pause; /* until connections are taken again */
	struct fd_closer *closer;
	struct rpc_client *clients;
	unsigned int nclients;
	bool stopping; /* requests are refused */
	struct log_limit limit;
	uint64_t started_ns;
};

/* What a method's answer, or a mapping in it, always has: for documentation and rpc.discover. */
struct rpc_member {
	const char *name; /* NULL ends a table */
	const char *kind; /* "text", "number", "boolean", "mapping", "list of mappings", ... */
	const char *doc;
	const struct rpc_member *members;
};

struct rpc_method {
	const char *name;
	const char *doc;
	bool changes; /* something, which the log tells */
	/* Its params are keys, as in the configuration; `size` is of what they fill. */
	const struct schema_section *params;
	/* It has them read by the target: call->node, instead of call->params. */
	bool reads_node;
	const struct rpc_member *result;
	/* Ends in one of rpc_answer() and rpc_fail*(), at once or later. */
	void (*run)(struct rpc_call *call);
};

/* A request that is being carried out. */
struct rpc_call {
	struct rpc *rpc;	   /* may be gone when run() has returned */
	struct rpc_client *client; /* NULL: it has gone away */
	struct rpc_peer peer;
	const struct rpc_method *method;
	json_t *id; /* NULL: a notification, which is not answered */
	struct schema_arena arena;
	struct schema_places places;
	struct schema_errors errors;
	struct schema_node *node; /* the params */
	void *params;		  /* method->params->size bytes */
	/* For the log: what is changed; "" if the method tells all. */
	char subject[SCHEMA_NAME_MAX + 1];
	/* The method's, while it waits. */
	struct timer timer;
	void *state;
};

/* client.c */
void rpc_client_begin(struct rpc *rpc, int fd);
void rpc_client_close(struct rpc_client *c);
/* The daemon ends: what it waits for, or has sent, is answered so, as far as it takes that at once.
 */
void rpc_client_refuse_all(struct rpc_client *c);
/* Appends to what is sent. */
void rpc_client_put(struct rpc_client *c, const char *text, size_t len);
/* An event, without its line's end; false: more than `most` bytes would wait. */
bool rpc_client_put_event(struct rpc_client *c, const char *text, size_t len, size_t most);
/* An answer was given later: goes on. */
void rpc_client_wake(struct rpc_client *c);

/* message.c */
/* A line: begins it, and answers it at once if it is none. */
void rpc_message_begin(struct rpc_client *c, const char *text, size_t len);
/* Goes on with the next request of the message. */
void rpc_message_next(struct rpc_client *c);
void rpc_message_end(struct rpc_client *c);
/* An error that belongs to no request: its id is null. */
void rpc_message_error(struct rpc_client *c, enum rpc_error code, const char *text);

/* call.c */
/* A request of the message: it is carried out, or refused. */
void rpc_call_begin(struct rpc_client *c, const json_t *request);
/* Takes `result`, a new reference; NULL: there is no memory. Frees the call. */
void rpc_answer(struct rpc_call *call, json_t *result);
void rpc_fail(struct rpc_call *call, enum rpc_error code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The daemon ends: the client is told so, and the call goes on without it. */
void rpc_call_leave(struct rpc_call *call);
/* By what call->errors has. */
void rpc_fail_params(struct rpc_call *call);
/* By what a function of target.h says. */
void rpc_fail_errno(struct rpc_call *call, int rc, const char *text);

/* json.c */
/* Bytes that are no UTF-8, and a character that was cut, become "?". NULL: out of memory. */
json_t *rpc_json_of_text(const char *text);

/* events.c */
void rpc_events_start(struct rpc *rpc);
void rpc_events_stop(struct rpc *rpc);
json_t *rpc_events_json(void);

/* methods.c: ended by NULL. */
extern const struct rpc_method *const rpc_methods[];
/* method_disk.c: completes the tables of methods, from those of the types. Once is enough. */
void rpc_methods_init(void);

#endif

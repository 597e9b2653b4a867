/* SPDX-License-Identifier: BSD-3-Clause */
/* The listening socket, and who is connected. */
#include "rpc/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/rpc_internal.h"
#include "target/target.h"
#include "util/fd.h"
#include "util/time.h"

#define NAME	 "control socket" /* in messages */
#define BACKLOG	 64
#define PAUSE_NS (100 * NS_PER_MS)

static void pause_over(void *arg)
{
	struct rpc *rpc = arg;

	loop_watch(rpc->loop, &rpc->source, EPOLLIN);
}

/* A listening socket that can't be served is ready for ever. */
static void pause_accepting(struct rpc *rpc)
{
	loop_watch(rpc->loop, &rpc->source, 0);
	loop_timer_start(rpc->loop, &rpc->pause, PAUSE_NS);
}

/* Says so, if that can be said at once. */
static void refuse(struct rpc *rpc, int fd)
{
	static const char text[] =
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32006,\"message\":\"there "
		"are 64 clients already, as many as there may be; end one of them\"}}\n";

	_Static_assert(RPC_CLIENTS_MAX == 64 && RPC_ERROR_CLIENTS == -32006, "the text");
	log_limited(&rpc->limit, LOG_LEVEL_WARN, NAME,
		    "%s: a client was refused: there are %d already", NAME, RPC_CLIENTS_MAX);
	if (send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("%s: nor could it be told: %s", NAME, strerror(errno));
	fd_closer_close(rpc->closer, fd);
}

static void on_connection(void *arg)
{
	struct rpc *rpc = arg;
	int fd;

	if (fd_closer_pending(rpc->closer) > FD_CLOSER_MOST) {
		pause_accepting(rpc);
		return;
	}
	fd = accept4(rpc->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		log_limited(&rpc->limit, LOG_LEVEL_ERROR, NAME, "%s: a connection waits: %s", NAME,
			    fd_strerror(errno));
		pause_accepting(rpc);
		return;
	}
	if (rpc->nclients == RPC_CLIENTS_MAX)
		refuse(rpc, fd);
	else
		rpc_client_begin(rpc, fd);
}

static struct socket_params socket_of(const struct config_control *control)
{
	const struct config_socket *socket = &control->socket;

	return (struct socket_params){
		.path = control->path,
		.name = NAME,
		.mode = socket->mode,
		.set_owner = socket->owner != SCHEMA_ID_NONE,
		.set_group = socket->group != SCHEMA_ID_NONE,
		.owner = socket->owner,
		.group = socket->group,
	};
}

static int begin_listening(struct rpc *rpc)
{
	struct socket_params socket = socket_of(&rpc->params.cfg->target.control);
	int fd = socket_file_listen(&rpc->file, &socket, BACKLOG);
	int rc;

	if (fd < 0)
		return fd;
	rpc->source = (struct loop_source){.ready = on_connection, .arg = rpc, .fd = fd};
	rpc->pause = (struct timer){.fn = pause_over, .arg = rpc};
	rc = loop_watch(rpc->loop, &rpc->source, EPOLLIN);
	if (!rc) {
		log_info("%s: at %s", NAME, socket.path);
		return 0;
	}
	log_error("%s: %s cannot be watched: %s", NAME, socket.path, fd_strerror(-rc));
	close(fd);
	socket_file_release(&rpc->file);
	return rc;
}

int rpc_start(const struct rpc_params *p, struct rpc **out)
{
	struct rpc *rpc;
	int rc = -ENOMEM;

	*out = NULL;
	if (!p->cfg->target.control.enabled)
		return 0;
	rpc_methods_init();
	rpc = calloc(1, sizeof(*rpc));
	if (!rpc)
		return rc;
	rpc->params = *p;
	rpc->loop = target_main_loop(p->target);
	rpc->started_ns = time_now_ns();
	rpc->closer = fd_closer_create();
	if (rpc->closer)
		rc = begin_listening(rpc);
	if (rc) {
		fd_closer_destroy(rpc->closer);
		free(rpc);
		return rc;
	}
	rpc_events_start(rpc);
	*out = rpc;
	return 0;
}

void rpc_stop(struct rpc *rpc)
{
	if (!rpc)
		return;
	rpc_events_stop(rpc);
	loop_timer_cancel(&rpc->pause);
	loop_watch(rpc->loop, &rpc->source, 0);
	close(rpc->source.fd);
	rpc->stopping = true;
	while (rpc->clients) {
		rpc_client_refuse_all(rpc->clients);
		rpc_client_close(rpc->clients);
	}
	fd_closer_destroy(rpc->closer);
	socket_file_release(&rpc->file);
	free(rpc);
}

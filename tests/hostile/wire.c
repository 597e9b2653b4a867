/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VMM does to the daemon's sockets. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../frontend/fe_nvme.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"
#include "hostile.h"

#define CONNECTIONS_MAX 1024u
#define SILENCE_US	20000u

/* A device as far as a guest's firmware gets. */
static int attach(const struct h_options *o)
{
	static struct fe_virtio dev;
	static struct fe_nvme ctrl;
	struct fe_nvme_opts opts = {.vfio = o->type == H_VFIO};
	int err;

	if (o->type == H_NVME || o->type == H_VFIO) {
		err = fe_nvme_open(&ctrl, o->socket, &opts);
		fe_nvme_close(&ctrl);
		return err;
	}
	err = fe_virtio_open(&dev, o->socket, 0);
	if (!err)
		err = fe_vq_start(fe_vq_make(&dev, 0, 64), 0);
	fe_virtio_close(&dev);
	return err;
}

int h_reconnect(const struct h_options *o)
{
	int err = attach(o);

	if (err)
		return err;
	h_running();
	h_counts.done++;
	return 0;
}

static void close_all(int *fds, unsigned int n)
{
	while (n > 0)
		close(fds[--n]);
}

int h_knock(const struct h_options *o)
{
	struct fe_vhost v;
	int err = fe_vhost_connect(&v, o->socket);

	if (err)
		return err;
	h_running();
	h_counts.done++;
	fe_vhost_close(&v);
	return 0;
}

/* Guest memory that is given, taken away and given again. */
static int map_vfio(const struct h_options *o)
{
	struct fe_mem mem;
	struct fe_vfio vfio;
	int err = fe_vfio_open(&vfio, o->socket);

	fe_mem_init(&mem);
	if (!err && fe_mem_add(&mem, 0, 1ull << 30) < 0)
		err = -ENOMEM;
	if (!err)
		h_running();
	while (!err && !h_over()) {
		err = fe_vfio_map_all(&vfio, &mem);
		if (!err)
			err = fe_vfio_dma_unmap(&vfio, 0, 1ull << 30);
		h_counts.done++;
	}
	fe_vfio_close(&vfio);
	fe_mem_destroy(&mem);
	return err;
}

int h_memory(const struct h_options *o)
{
	static struct fe_virtio dev;
	int err;

	if (o->type == H_VFIO)
		return map_vfio(o);
	err = fe_virtio_open(&dev, o->socket, 0);
	if (!err)
		h_running();
	while (!err && !h_over()) {
		err = fe_vhost_set_mem_table(&dev.vhost, &dev.mem);
		h_counts.done++;
	}
	fe_virtio_close(&dev);
	return err;
}

/* The first bytes of a message whose rest never comes: of its header, or all of that. */
static int send_half(const struct h_options *o, struct fe_vhost *v, bool header)
{
	struct fe_vfio_hdr vfio = {.command = FE_VFIO_VERSION, .size = 200};
	struct fe_vhost_hdr vhost = {
		.request = FE_VHOST_SET_FEATURES, .flags = FE_VHOST_VERSION, .size = 8};

	if (o->type == H_VFIO)
		return fe_vhost_send_raw(v, &vfio, header ? sizeof(vfio) : 6, NULL, 0);
	return fe_vhost_send_raw(v, &vhost, header ? sizeof(vhost) : 6, NULL, 0);
}

int h_half_messages(const struct h_options *o)
{
	static int fds[CONNECTIONS_MAX];
	unsigned int n = 0, wanted = h_limit(o->connections, CONNECTIONS_MAX);
	struct fe_vhost v;
	int err = 0;

	while (n < wanted && !err && !h_over()) {
		err = fe_vhost_connect(&v, o->socket);
		if (err)
			break;
		fds[n++] = v.fd;
		err = send_half(o, &v, n % 2);
		h_counts.done++;
	}
	if (n)
		h_running();
	fe_sleep_us(SILENCE_US);
	close_all(fds, n);
	return err;
}

/* A message that is always right, and gets an answer. */
static size_t put_question(const struct h_options *o, uint8_t *at)
{
	struct {
		struct fe_vfio_hdr hdr;
		struct fe_vfio_access access;
	} vfio = {{.command = FE_VFIO_REGION_READ, .size = sizeof(vfio)},
		  {.offset = 0, .region = FE_CONFIG, .count = 4}};
	struct fe_vhost_hdr vhost = {.request = FE_VHOST_GET_FEATURES, .flags = FE_VHOST_VERSION};

	if (o->type == H_VFIO) {
		memcpy(at, &vfio, sizeof(vfio));
		return sizeof(vfio);
	}
	memcpy(at, &vhost, sizeof(vhost));
	return sizeof(vhost);
}

static int open_for_questions(const struct h_options *o, int *fd)
{
	struct fe_vhost vhost;
	struct fe_vfio vfio;
	int err = o->type == H_VFIO ? fe_vfio_open(&vfio, o->socket)
				    : fe_vhost_connect(&vhost, o->socket);

	*fd = o->type == H_VFIO ? vfio.fd : vhost.fd;
	return err;
}

/* Sends as much as goes; whether it went. */
static int send_some(int fd, const uint8_t *batch, size_t len, size_t *at)
{
	ssize_t n = send(fd, batch + *at, len - *at, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	*at = (*at + (size_t)n) % len;
	return 1;
}

static int questions(const struct h_options *o, bool listen)
{
	static uint8_t batch[4096], answers[65536];
	size_t one = put_question(o, batch), len = one, at = 0;
	unsigned int quiet = 0;
	int fd, err = open_for_questions(o, &fd);

	if (err)
		return err;
	for (; len + one <= sizeof(batch); len += one)
		memcpy(batch + len, batch, one);
	h_running();
	while (err >= 0 && !h_over()) {
		struct pollfd p = {.fd = fd, .events = (short)(POLLOUT | (listen ? POLLIN : 0))};
		ssize_t got = 1;

		err = send_some(fd, batch, len, &at);
		h_counts.done += err > 0;
		if (listen)
			got = recv(fd, answers, sizeof(answers), MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			err = -ECONNRESET;
		if (err == 0 && poll(&p, 1, 100) == 0 && ++quiet > 20)
			break;
	}
	close(fd);
	return err < 0 ? err : 0;
}

int h_messages(const struct h_options *o)
{
	return questions(o, true);
}

int h_deaf(const struct h_options *o)
{
	return questions(o, false);
}

/* Each of them is refused, or is worth a line to somebody who reads logs. */
int h_noise(const struct h_options *o)
{
	uint64_t nofd = FE_VHOST_VRING_NOFD;
	uint32_t strange[3] = {99, 0, 0};
	struct fe_vhost v;
	unsigned int i;
	int err = fe_vhost_connect(&v, o->socket);

	if (err)
		return err;
	h_running();
	if (o->type == H_VFIO) {
		err = fe_vhost_send_raw(&v, strange, sizeof(strange), NULL, 0);
	} else {
		err = fe_vhost_handshake(&v);
		for (i = 0; i < 64 && !err; i++)
			err = fe_vhost_send(&v, FE_VHOST_SET_VRING_KICK, 0, &nofd, 8, NULL, 0);
		if (!err)
			err = fe_vhost_send(&v, 1000, 0, NULL, 0, NULL, 0);
	}
	fe_vhost_closed(&v, 50);
	fe_vhost_close(&v);
	h_counts.done++;
	return 0;
}

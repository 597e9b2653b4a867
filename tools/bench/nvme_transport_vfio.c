/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NVMe as a PCI function over vfio-user (docs/vfio-user.md): BAR0 by messages, doorbells mapped
 * where the server offers it, otherwise by messages that nobody answers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "message.h"
#include "nvme_transport.h"
#include "stream.h"
#include "util/util.h"
#include "vfio_user/vfio_user_wire.h"

#define DOORBELLS   0x1000u /* in BAR0 */
#define MAX_PAYLOAD 4096u
#define PCI_COMMAND 4u
#define PCI_ENABLE  0x0406u /* memory, bus master, no INTx */
#define JSON	    "{\"capabilities\":{\"max_msg_fds\":1,\"max_data_xfer_size\":4096,\"pgsizes\":4096}}"

struct vfio_transport {
	struct nvme_transport t;
	uint64_t timeout_ns;
	uint16_t id;
	bool mapped;
};

struct message {
	struct vfio_user_header hdr;
	uint8_t payload[MAX_PAYLOAD];
};

static struct vfio_transport *of(struct nvme_transport *t)
{
	return container_of(t, struct vfio_transport, t);
}

static int failed(uint16_t command, const char *why)
{
	return bench_error("vfio-user message %u: %s", command, why);
}

/* Sends with fd (-1: none) and takes the answer, whose payload and its length are left in m and
 * *len; an fd that comes with it goes to *got, if got is not NULL. */
static int exchange(struct vfio_transport *v, uint16_t command, struct message *m, uint32_t *len,
		    int fd, int *got)
{
	const char *why;
	uint16_t id = ++v->id;

	m->hdr = (struct vfio_user_header){
		.id = id, .command = command, .size = (uint32_t)sizeof(m->hdr) + *len};
	why = stream_send(v->t.fd, m, m->hdr.size, &fd, fd >= 0);
	if (!why)
		why = stream_receive(v->t.fd, &m->hdr, sizeof(m->hdr), v->timeout_ns, got);
	if (why)
		return failed(command, why);
	if (m->hdr.id != id || m->hdr.command != command || m->hdr.size < sizeof(m->hdr) ||
	    (m->hdr.flags & VFIO_USER_F_TYPE_MASK) != VFIO_USER_F_TYPE_REPLY)
		return failed(command, "the answer is none; is the target of another --transport?");
	*len = m->hdr.size - (uint32_t)sizeof(m->hdr);
	if (m->hdr.flags & VFIO_USER_F_ERROR)
		return failed(command, strerror((int)(m->hdr.error & 0xffff)));
	if (*len > sizeof(m->payload))
		return failed(command, "the answer is too long");
	why = stream_receive(v->t.fd, m->payload, *len, v->timeout_ns, got);
	return why ? failed(command, why) : 0;
}

/* The same with a request and an answer of fixed lengths; `reply` may be the request's place. */
static int call(struct vfio_transport *v, uint16_t command, const void *request, uint32_t len,
		int fd, void *reply, uint32_t reply_len)
{
	struct message m;

	memcpy(m.payload, request, len);
	if (exchange(v, command, &m, &len, fd, NULL))
		return -1;
	if (len < reply_len)
		return failed(command, "the answer is too short");
	if (reply_len)
		memcpy(reply, m.payload, reply_len);
	return 0;
}

/* --- BAR0 and configuration space --- */

static int region_read(struct vfio_transport *v, uint32_t region, uint64_t offset, uint32_t size,
		       void *data)
{
	struct {
		struct vfio_user_region_access a;
		uint8_t data[8];
	} m = {.a = {offset, region, size}};

	if (call(v, VFIO_USER_REGION_READ, &m.a, sizeof(m.a), -1, &m, (uint32_t)sizeof(m.a) + size))
		return -1;
	if (m.a.count != size)
		return bench_error("the target refuses to read %u bytes at %#llx of region %u",
				   size, (unsigned long long)offset, region);
	memcpy(data, m.data, size);
	return 0;
}

static int region_write(struct vfio_transport *v, uint32_t region, uint64_t offset, uint32_t size,
			const void *data)
{
	struct {
		struct vfio_user_region_access a;
		uint8_t data[8];
	} m = {.a = {offset, region, size}};

	memcpy(m.data, data, size);
	return call(v, VFIO_USER_REGION_WRITE, &m, (uint32_t)sizeof(m.a) + size, -1, &m.a,
		    sizeof(m.a));
}

static int vfio_reg_read(struct nvme_transport *t, uint32_t offset, uint32_t size, uint64_t *value)
{
	*value = 0;
	return region_read(of(t), VFIO_USER_BAR0, offset, size, value);
}

static int vfio_reg_write(struct nvme_transport *t, uint32_t offset, uint32_t size, uint64_t value)
{
	return region_write(of(t), VFIO_USER_BAR0, offset, size, &value);
}

/* --- doorbells --- */

static int map_doorbells(struct vfio_transport *v, uint64_t file_offset, uint64_t size, int fd)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, (off_t)file_offset);

	if (at == MAP_FAILED)
		return bench_error("the doorbells: %s", strerror(errno));
	v->t.doorbells = at;
	v->t.doorbell_bytes = size;
	v->mapped = fd >= 0;
	return 0;
}

static int find_doorbells(struct vfio_transport *v)
{
	struct vfio_user_region_info info = {.argsz = MAX_PAYLOAD, .index = VFIO_USER_BAR0};
	struct vfio_user_sparse_cap cap;
	uint32_t len = sizeof(info);
	struct message m;
	int fd = -1, rc;

	memcpy(m.payload, &info, sizeof(info));
	if (exchange(v, VFIO_USER_DEVICE_GET_REGION_INFO, &m, &len, -1, &fd))
		return -1;
	memcpy(&info, m.payload, sizeof(info));
	if (len < sizeof(info) || info.size < 2 * DOORBELLS || info.size > 1u << 30) {
		rc = bench_error("the target's BAR0 of %llu bytes is none of an NVMe controller",
				 len < sizeof(info) ? 0ULL : (unsigned long long)info.size);
	} else if (fd < 0 || !(info.flags & VFIO_USER_REGION_F_CAPS) ||
		   info.cap_offset > len - sizeof(cap) || len < sizeof(cap)) {
		rc = map_doorbells(v, 0, info.size - DOORBELLS, -1);
	} else {
		memcpy(&cap, m.payload + info.cap_offset, sizeof(cap));
		if (cap.id != VFIO_USER_CAP_SPARSE_MMAP || cap.nr_areas != 1 ||
		    cap.offset != DOORBELLS || cap.size < 4096 || cap.size > info.size)
			rc = bench_error("the target offers another part of BAR0 to be mapped than "
					 "the doorbells");
		else
			rc = map_doorbells(v, info.offset + cap.offset, cap.size, fd);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

/* A message for each: both in one would be one doorbell. */
static void post(struct vfio_transport *v, const uint32_t *doorbell)
{
	struct {
		struct vfio_user_header hdr;
		struct vfio_user_region_access a;
		uint32_t value;
	} __attribute__((packed)) m = {
		.hdr = {.command = VFIO_USER_REGION_WRITE,
			.size = sizeof(m),
			.flags = VFIO_USER_F_TYPE_CMD | VFIO_USER_F_NO_REPLY},
		.a = {DOORBELLS + (uint64_t)((const uint8_t *)doorbell -
					     (const uint8_t *)v->t.doorbells),
		      VFIO_USER_BAR0, sizeof(m.value)},
		.value = __atomic_load_n(doorbell, __ATOMIC_RELAXED),
	};

	/* What fails is a dead connection, which the main thread sees. */
	(void)stream_send(v->t.fd, &m, sizeof(m), NULL, 0);
}

static void vfio_kick(struct nvme_transport *t, const uint32_t *tail, const uint32_t *head)
{
	struct vfio_transport *v = of(t);

	if (v->mapped)
		return;
	if (head)
		post(v, head);
	if (tail)
		post(v, tail);
}

/* --- the session --- */

static int negotiate(struct vfio_transport *v)
{
	struct vfio_user_version version = {0, 0};
	uint32_t len = (uint32_t)(sizeof(version) + sizeof(JSON));
	struct message m;

	memcpy(m.payload, &version, sizeof(version));
	memcpy(m.payload + sizeof(version), JSON, sizeof(JSON));
	if (exchange(v, VFIO_USER_VERSION, &m, &len, -1, NULL))
		return -1;
	memcpy(&version, m.payload, sizeof(version));
	if (len < sizeof(version) || version.major != 0)
		return bench_error("the target speaks version %u of vfio-user, but only 0 is known "
				   "here",
				   version.major);
	return 0;
}

static int vfio_open(struct nvme_transport *t, const struct options *o, const char *socket)
{
	struct vfio_user_irq_info irq = {.argsz = sizeof(irq), .index = VFIO_USER_IRQ_MSIX};
	const uint16_t command = PCI_ENABLE;
	struct vfio_transport *v = of(t);

	v->timeout_ns = o->timeout_ns;
	t->fd = stream_connect(socket);
	if (t->fd < 0)
		return -1;
	t->peer = stream_peer(t->fd);
	if (negotiate(v) || find_doorbells(v) ||
	    call(v, VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq), -1, &irq, sizeof(irq)))
		return -1;
	t->vectors = irq.count;
	return region_write(v, VFIO_USER_CONFIG, PCI_COMMAND, sizeof(command), &command);
}

static int vfio_map_memory(struct nvme_transport *t, const struct memory *m)
{
	const struct vfio_user_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_USER_DMA_READ | VFIO_USER_DMA_WRITE,
		.iova = m->gpa,
		.size = m->size,
	};

	return call(of(t), VFIO_USER_DMA_MAP, &map, sizeof(map), m->fd, NULL, 0);
}

/* One a message: a server need not take more. */
static int vfio_set_vectors(struct nvme_transport *t, const int *fds, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct vfio_user_irq_set set = {
			.argsz = sizeof(set),
			.flags = VFIO_USER_SET_EVENTFD | VFIO_USER_SET_TRIGGER,
			.index = VFIO_USER_IRQ_MSIX,
			.start = i,
			.count = 1,
		};

		if (call(of(t), VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds[i], NULL, 0))
			return -1;
	}
	return 0;
}

static void vfio_close(struct nvme_transport *t)
{
	if (t->fd >= 0)
		close(t->fd);
	if (t->doorbells)
		munmap(t->doorbells, t->doorbell_bytes);
	free(of(t));
}

static const struct nvme_transport_ops ops = {
	.name = "vfio-user",
	.open = vfio_open,
	.reg_read = vfio_reg_read,
	.reg_write = vfio_reg_write,
	.map_memory = vfio_map_memory,
	.set_vectors = vfio_set_vectors,
	.kick = vfio_kick,
	.close = vfio_close,
};

struct nvme_transport *nvme_transport_vfio_user(void)
{
	struct vfio_transport *v = calloc(1, sizeof(*v));

	if (!v) {
		bench_error("out of memory");
		return NULL;
	}
	v->t.ops = &ops;
	v->t.fd = -1;
	return &v->t;
}

/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_nvme.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fe_cmd.h"
#include "fe_util.h"

#define DEFAULT_RAM_BYTES (32ULL << 20)
#define HIGH_RAM_GPA	  (4ULL << 30)

void fe_nvme_init(struct fe_nvme *n)
{
	size_t i;

	memset(n, 0, sizeof(*n));
	n->initialised = true;
	n->vhost.fd = -1;
	n->vfio.fd = -1;
	n->kick_fd = -1;
	for (i = 0; i < FE_NVME_VECTORS_MAX; i++)
		n->call_fds[i] = -1;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void fe_nvme_close(struct fe_nvme *n)
{
	size_t i;

	if (!n->initialised)
		return;
	fe_vhost_close(&n->vhost);
	fe_vfio_close(&n->vfio);
	if (n->over_vfio && n->doorbells)
		munmap(n->doorbells, FE_PAGE);
	close_fd(&n->kick_fd);
	for (i = 0; i < FE_NVME_VECTORS_MAX; i++)
		close_fd(&n->call_fds[i]);
	fe_mem_destroy(&n->mem);
	fe_nvme_init(n);
}

int fe_nvme_get_info(struct fe_nvme *n, uint32_t version, struct vhost_user_nvme_info *info)
{
	struct vhost_user_nvme_info_req req = {.version = version};

	return fe_vhost_call(&n->vhost, VHOST_USER_NVME_GET_INFO, &req, sizeof(req), info,
			     sizeof(*info));
}

bool fe_nvme_default_vfio(void)
{
	const char *env = getenv("FE_TRANSPORT");

	return env && !strcmp(env, "vfio-user");
}

/* What GET_INFO tells over vhost-user. */
static int connect_vfio(struct fe_nvme *n, const char *socket)
{
	int err = fe_vfio_open(&n->vfio, socket);

	n->over_vfio = true;
	if (!err)
		err = fe_vfio_vectors(&n->vfio, &n->info.vectors);
	if (!err)
		err = fe_nvme_reg_read(n, NVME_REG_CAP, 8, &n->info.cap);
	n->info.version = VHOST_USER_NVME_VERSION;
	n->info.io_queues = n->info.vectors - 1;
	return err;
}

int fe_nvme_connect(struct fe_nvme *n, const char *socket)
{
	int err;

	if (n->over_vfio || fe_nvme_default_vfio())
		return connect_vfio(n, socket);
	err = fe_vhost_connect(&n->vhost, socket);
	if (!err)
		err = fe_vhost_handshake(&n->vhost);
	if (!err)
		err = fe_nvme_get_info(n, VHOST_USER_NVME_VERSION, &n->info);
	if (!err && (n->info.version != VHOST_USER_NVME_VERSION ||
		     n->info.vectors > FE_NVME_VECTORS_MAX || n->info.vectors == 0))
		err = -EPROTO;
	return err;
}

int fe_nvme_make_memory(struct fe_nvme *n, const struct fe_nvme_opts *opts)
{
	uint64_t ram = opts && opts->ram_bytes ? opts->ram_bytes : DEFAULT_RAM_BYTES;
	uint64_t gpa;
	int r;

	n->mapped = opts && opts->mapped;
	n->admin_entries = opts && opts->admin_entries ? opts->admin_entries : 32;
	r = fe_mem_add(&n->mem, 0, ram);
	if (r >= 0)
		r = fe_mem_add(&n->mem, HIGH_RAM_GPA, ram);
	if (r >= 0 && !n->over_vfio)
		r = fe_mem_add(&n->mem, VHOST_USER_NVME_DEVMEM_GPA, n->info.devmem_size);
	if (r < 0)
		return r;
	if (!n->over_vfio)
		n->doorbells = (uint32_t *)(void *)n->mem.regions[r].va;
	/* A guest's page 0 is real memory, but 0 as an address is too easily a mistake. */
	fe_mem_alloc(&n->mem, FE_PAGE, &gpa);
	fe_cq_init(n, &n->admin.cq, 0, n->admin_entries, 0);
	fe_sq_init(n, &n->admin.sq, 0, n->admin_entries, &n->admin.cq);
	return 0;
}

int fe_nvme_send_vectors(struct fe_nvme *n)
{
	unsigned int v;
	int err = 0;

	n->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (n->kick_fd < 0)
		return -errno;
	err = fe_vhost_set_vring_kick(&n->vhost, 0, n->kick_fd);
	for (v = 0; v < n->info.vectors && !err; v++) {
		n->call_fds[v] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (n->call_fds[v] < 0)
			return -errno;
		err = fe_vhost_set_vring_call(&n->vhost, v, n->call_fds[v]);
	}
	return err;
}

/* BAR0's doorbell page if it may be mapped; else one of our own, for what was written last. */
static int get_doorbells(struct fe_nvme *n)
{
	struct fe_vfio_region_info info;
	void *page;
	int fd, err = fe_vfio_region(&n->vfio, FE_BAR0, sizeof(info), &info, &fd);

	if (err)
		return err;
	n->mapped = fd >= 0;
	page = mmap(NULL, FE_PAGE, PROT_READ | PROT_WRITE,
		    n->mapped ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd,
		    n->mapped ? (off_t)info.area_offset : 0);
	if (page != MAP_FAILED)
		n->doorbells = page;
	if (fd >= 0)
		close(fd);
	return n->doorbells ? 0 : -ENOMEM;
}

static int attach_vfio(struct fe_nvme *n)
{
	const uint16_t command = 6; /* memory, bus master */
	unsigned int v;
	int err = get_doorbells(n);

	if (!err)
		err = fe_vfio_map_all(&n->vfio, &n->mem);
	if (!err)
		err = fe_vfio_write(&n->vfio, FE_CONFIG, 4, sizeof(command), &command);
	for (v = 0; v < n->info.vectors && !err; v++) {
		n->call_fds[v] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (n->call_fds[v] < 0)
			return -errno;
	}
	for (v = 0; v < n->info.vectors && !err; v += FE_VFIO_FDS_MAX)
		err = fe_vfio_set_vectors(&n->vfio, v,
					  n->info.vectors - v < FE_VFIO_FDS_MAX
						  ? n->info.vectors - v
						  : FE_VFIO_FDS_MAX,
					  n->call_fds + v);
	return err;
}

int fe_nvme_attach(struct fe_nvme *n, const char *socket, const struct fe_nvme_opts *opts)
{
	int err;

	fe_nvme_close(n);
	fe_nvme_init(n);
	n->over_vfio = opts && opts->vfio;
	err = fe_nvme_connect(n, socket);
	if (!err)
		err = fe_nvme_make_memory(n, opts);
	if (!err && n->over_vfio)
		return attach_vfio(n);
	if (!err)
		err = fe_vhost_set_mem_table(&n->vhost, &n->mem);
	if (!err)
		err = fe_nvme_send_vectors(n);
	if (!err)
		err = fe_nvme_control(n, VHOST_USER_NVME_START, 0);
	return err;
}

int fe_nvme_open(struct fe_nvme *n, const char *socket, const struct fe_nvme_opts *opts)
{
	int err = fe_nvme_attach(n, socket, opts);

	return err ? err : fe_nvme_enable(n);
}

int fe_nvme_reg_read(struct fe_nvme *n, uint32_t offset, uint32_t size, uint64_t *value)
{
	struct vhost_user_nvme_reg req = {.offset = offset, .size = size};
	struct vhost_user_nvme_reg_val val;
	int err;

	if (n->over_vfio) {
		*value = 0;
		return fe_vfio_read(&n->vfio, FE_BAR0, offset, size, value);
	}
	err = fe_vhost_call(&n->vhost, VHOST_USER_NVME_REG_READ, &req, sizeof(req), &val,
			    sizeof(val));

	*value = err ? ~0ULL : val.value;
	if (err)
		return err;
	if (val.size == 0)
		return -EACCES;
	return val.offset == offset && val.size == size ? 0 : -EPROTO;
}

int fe_nvme_reg_write(struct fe_nvme *n, uint32_t offset, uint32_t size, uint64_t value)
{
	struct vhost_user_nvme_reg_val req = {.offset = offset, .size = size, .value = value};
	struct vhost_user_nvme_result res;
	int err;

	if (n->over_vfio)
		return fe_vfio_write(&n->vfio, FE_BAR0, offset, size, &value);
	err = fe_vhost_call(&n->vhost, VHOST_USER_NVME_REG_WRITE, &req, sizeof(req), &res,
			    sizeof(res));

	if (err)
		return err;
	return res.value ? -EACCES : 0;
}

/* A PCI function is stopped by taking its bus master bit away, which a reset does, too. */
static int control_vfio(struct fe_nvme *n, uint32_t request)
{
	uint16_t command = request == VHOST_USER_NVME_STOP ? 2 : 6;
	int err = 0;

	if (request == VHOST_USER_NVME_RESET)
		err = fe_vfio_call(&n->vfio, FE_VFIO_RESET, NULL, 0, NULL, 0);
	return err ? err : fe_vfio_write(&n->vfio, FE_CONFIG, 4, sizeof(command), &command);
}

int fe_nvme_control(struct fe_nvme *n, uint32_t request, uint32_t flags)
{
	struct vhost_user_nvme_flags req = {.flags = flags};
	struct vhost_user_nvme_result res;
	int err;

	if (n->over_vfio)
		return control_vfio(n, request);
	err = fe_vhost_call(&n->vhost, request, &req,
			    request == VHOST_USER_NVME_RESET ? 0 : sizeof(req), &res, sizeof(res));

	if (err)
		return err;
	return res.value ? -EIO : 0;
}

uint32_t fe_nvme_csts(struct fe_nvme *n)
{
	uint64_t v;

	return fe_nvme_reg_read(n, NVME_REG_CSTS, 4, &v) ? UINT32_MAX : (uint32_t)v;
}

uint32_t fe_nvme_cc_enabled(void)
{
	return 1u << NVME_CC_EN_SHIFT | 6u << NVME_CC_IOSQES_SHIFT | 4u << NVME_CC_IOCQES_SHIFT;
}

static int write_admin_registers(struct fe_nvme *n)
{
	uint32_t zero_based = n->admin_entries - 1u;
	int err;

	err = fe_nvme_reg_write(n, NVME_REG_AQA, 4, zero_based << 16 | zero_based);
	if (!err)
		err = fe_nvme_reg_write(n, NVME_REG_ASQ, 8, n->admin.sq.gpa);
	if (!err)
		err = fe_nvme_reg_write(n, NVME_REG_ACQ, 8, n->admin.cq.gpa);
	return err;
}

/* Until CSTS.RDY is `ready`; -EIO on CSTS.CFS. */
static int wait_ready(struct fe_nvme *n, uint32_t ready)
{
	uint64_t end = fe_now_ns() + FE_TIMEOUT_MS * 1000000ULL;
	uint64_t csts;
	int err;

	do {
		err = fe_nvme_reg_read(n, NVME_REG_CSTS, 4, &csts);
		if (err)
			return err;
		if (ready && (csts & FE_CSTS_CFS))
			return -EIO;
		if ((csts & FE_CSTS_RDY) == ready)
			return 0;
		fe_sleep_us(500);
	} while (fe_now_ns() < end);
	return -ETIMEDOUT;
}

int fe_nvme_enable(struct fe_nvme *n)
{
	int err;

	fe_cq_reset(&n->admin.cq);
	fe_sq_reset(&n->admin.sq);
	n->shadow = NULL;
	n->eventidx = NULL;
	/* What a PCI device's doorbells read as after a reset. */
	memset(n->doorbells, 0, FE_PAGE);
	err = write_admin_registers(n);
	if (!err)
		err = fe_nvme_reg_write(n, NVME_REG_CC, 4, fe_nvme_cc_enabled());
	return err ? err : wait_ready(n, 1);
}

int fe_nvme_disable(struct fe_nvme *n)
{
	int err = fe_nvme_reg_write(n, NVME_REG_CC, 4, fe_nvme_cc_enabled() & ~1u);

	return err ? err : wait_ready(n, 0);
}

int fe_nvme_enable_shadow(struct fe_nvme *n)
{
	uint32_t *shadow = fe_mem_alloc(&n->mem, FE_PAGE, &n->shadow_gpa);
	uint32_t *eventidx = fe_mem_alloc(&n->mem, FE_PAGE, &n->eventidx_gpa);
	struct fe_sqe sqe = fe_sqe_dbbuf(n->shadow_gpa, n->eventidx_gpa);
	int status;

	memcpy(shadow, n->shadow ? n->shadow : n->doorbells, FE_PAGE);
	memcpy(eventidx, shadow, FE_PAGE);
	status = fe_exec(&n->admin.sq, &sqe, NULL);
	if (status == 0) {
		n->shadow = shadow;
		n->eventidx = eventidx;
	}
	return status;
}

uint64_t fe_nvme_irqs(struct fe_nvme *n, unsigned int v, int timeout_ms)
{
	struct pollfd p = {.fd = n->call_fds[v], .events = POLLIN};
	uint64_t count;

	if (poll(&p, 1, timeout_ms) != 1 || read(p.fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

int fe_nvme_create_cq(struct fe_nvme *n, struct fe_cq *cq, uint16_t qid, uint32_t entries,
		      uint16_t vector, bool interrupts)
{
	struct fe_sqe sqe;

	fe_cq_init(n, cq, qid, entries, vector);
	sqe = fe_sqe_create_cq(qid, entries, cq->gpa, vector, interrupts);
	return fe_exec(&n->admin.sq, &sqe, NULL);
}

int fe_nvme_create_sq(struct fe_nvme *n, struct fe_sq *sq, uint16_t qid, uint32_t entries,
		      struct fe_cq *cq)
{
	struct fe_sqe sqe;

	fe_sq_init(n, sq, qid, entries, cq);
	sqe = fe_sqe_create_sq(qid, entries, sq->gpa, cq->qid);
	return fe_exec(&n->admin.sq, &sqe, NULL);
}

int fe_nvme_create_qpair(struct fe_nvme *n, struct fe_qpair *qp, uint16_t qid, uint32_t entries)
{
	uint16_t vector = qid < n->info.vectors ? qid : 0;
	int status = fe_nvme_create_cq(n, &qp->cq, qid, entries, vector, true);

	return status ? status : fe_nvme_create_sq(n, &qp->sq, qid, entries, &qp->cq);
}

int fe_nvme_delete_qpair(struct fe_nvme *n, struct fe_qpair *qp)
{
	struct fe_sqe sqe = fe_sqe_delete(nvme_admin_delete_sq, qp->sq.qid);
	int status = fe_exec(&n->admin.sq, &sqe, NULL);

	if (status)
		return status;
	sqe = fe_sqe_delete(nvme_admin_delete_cq, qp->cq.qid);
	return fe_exec(&n->admin.sq, &sqe, NULL);
}

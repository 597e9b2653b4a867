/*
 * vhost-user-nvme: the guest memory that the target reaches
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "vhost-user-nvme-internal.h"
#include "trace.h"

#define VNVME_LEGACY_HOLES_END  (1 * MiB)

bool vnvme_send_mem_table(VHostUserNvme *s, Error **errp)
{
    VuMemTable table = { };
    int fds[VNVME_MAX_FDS];
    unsigned i, n = MIN(s->nram, VNVME_MAX_RAM_REGIONS);

    for (i = 0; i < n; i++) {
        table.regions[i].gpa = cpu_to_le64(s->ram[i].gpa);
        table.regions[i].size = cpu_to_le64(s->ram[i].size);
        table.regions[i].hva = cpu_to_le64(s->ram[i].hva);
        table.regions[i].fd_offset = cpu_to_le64(s->ram[i].fd_offset);
        fds[i] = s->ram[i].fd;
        trace_vhost_user_nvme_region(i, s->ram[i].gpa, s->ram[i].size,
                                     s->ram[i].fd_offset);
    }
    table.regions[n].gpa = cpu_to_le64(VNVME_DEVMEM_GPA);
    table.regions[n].size = cpu_to_le64(s->devmem_size);
    table.regions[n].hva = cpu_to_le64((uintptr_t)s->devmem);
    fds[n++] = s->devmem_fd;
    table.nregions = cpu_to_le32(n);
    return vnvme_wire_set(vnvme_wire(s), VU_SET_MEM_TABLE, &table,
                          offsetof(VuMemTable, regions) +
                          n * sizeof(table.regions[0]), fds, n, errp);
}

static void vnvme_listener_begin(MemoryListener *listener)
{
    VHostUserNvme *s = container_of(listener, VHostUserNvme, listener);

    memset(s->new_ram, 0, sizeof(s->new_ram));
    s->nnew_ram = 0;
    s->nnew_unshared = 0;
}

/*
 * Sections of one file at one distance from guest memory become one region
 * when they touch or when what parts them is below 1 MiB, where firmware opens
 * and closes windows all the time. A hole elsewhere stays out of reach.
 */
static bool vnvme_try_merge(VnvmeRegion *last, const VnvmeRegion *sec)
{
    uint64_t end = last->gpa + last->size;

    if (last->fd != sec->fd || last->gpa - last->fd_offset !=
        sec->gpa - sec->fd_offset || last->gpa - last->hva !=
        sec->gpa - sec->hva || sec->gpa < end) {
        return false;
    }
    if (sec->gpa != end && sec->gpa > VNVME_LEGACY_HOLES_END) {
        return false;
    }
    last->size = sec->gpa + sec->size - last->gpa;
    return true;
}

static void vnvme_listener_region(MemoryListener *listener,
                                  MemoryRegionSection *section)
{
    VHostUserNvme *s = container_of(listener, VHostUserNvme, listener);
    MemoryRegion *mr = section->mr;
    Object *owner = memory_region_owner(mr);
    VnvmeRegion sec = { };

    /* Guest RAM has a memory backend; video memory, ROMs and BARs have none. */
    if (!memory_region_is_ram(mr) || section->readonly || !owner ||
        !object_dynamic_cast(owner, TYPE_MEMORY_BACKEND)) {
        return;
    }
    if (memory_region_get_fd(mr) < 0 || !qemu_ram_is_shared(mr->ram_block)) {
        g_free(s->unshared_ram);
        s->unshared_ram = g_strdup(memory_region_name(mr));
        s->nnew_unshared++;
        return;
    }
    sec.gpa = section->offset_within_address_space;
    sec.size = int128_get64(section->size);
    sec.hva = (uintptr_t)memory_region_get_ram_ptr(mr) +
              section->offset_within_region;
    sec.fd_offset = section->offset_within_region +
                    vnvme_ram_block_fd_offset(mr->ram_block);
    sec.fd = memory_region_get_fd(mr);
    if (s->nnew_ram && vnvme_try_merge(&s->new_ram[s->nnew_ram - 1], &sec)) {
        return;
    }
    if (s->nnew_ram < VNVME_MAX_SECTIONS) {
        s->new_ram[s->nnew_ram++] = sec;
    }
}

bool vnvme_check_ram(VHostUserNvme *s, Error **errp)
{
    if (s->nunshared) {
        error_setg(errp, "guest RAM '%s' is not shared, the target cannot "
                   "reach it: use -object memory-backend-memfd,id=mem,"
                   "size=...,share=on -machine memory-backend=mem",
                   s->unshared_ram);
        return false;
    }
    if (s->nram > VNVME_MAX_RAM_REGIONS) {
        error_setg(errp, "guest RAM has %u regions, the target takes at most "
                   "%d: use fewer memory backends (NUMA nodes, DIMMs)",
                   s->nram, VNVME_MAX_RAM_REGIONS);
        return false;
    }
    return true;
}

static void vnvme_listener_commit(MemoryListener *listener)
{
    VHostUserNvme *s = container_of(listener, VHostUserNvme, listener);
    Error *err = NULL;

    if (s->nnew_ram == s->nram && s->nnew_unshared == s->nunshared &&
        !memcmp(s->ram, s->new_ram, sizeof(s->ram))) {
        return;
    }
    memcpy(s->ram, s->new_ram, sizeof(s->ram));
    s->nram = s->nnew_ram;
    s->nunshared = s->nnew_unshared;
    if (!s->alive) {
        return;
    }
    /* Too late to refuse what was plugged in: serve the rest. */
    if (!vnvme_check_ram(s, &err)) {
        warn_report("vhost-user-nvme: chardev '%s': %s; I/O to the rest fails",
                    vnvme_chardev_label(s), error_get_pretty(err));
        error_free(err);
        err = NULL;
    }
    if (!vnvme_send_mem_table(s, &err)) {
        vnvme_die(s, err);
    }
}

void vnvme_listener_register(VHostUserNvme *s)
{
    s->listener = (MemoryListener) {
        .name = TYPE_VHOST_USER_NVME,
        .begin = vnvme_listener_begin,
        .region_add = vnvme_listener_region,
        .region_nop = vnvme_listener_region,
        .commit = vnvme_listener_commit,
    };
    memory_listener_register(&s->listener, &address_space_memory);
}

void vnvme_listener_unregister(VHostUserNvme *s)
{
    if (s->listener.name) {
        memory_listener_unregister(&s->listener);
        s->listener.name = NULL;
    }
}

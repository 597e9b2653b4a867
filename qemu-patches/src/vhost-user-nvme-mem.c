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

static VnvmeRegion *vnvme_region(GArray *list, unsigned i)
{
    return &g_array_index(list, VnvmeRegion, i);
}

static bool vnvme_has_region(GArray *list, const VnvmeRegion *region)
{
    unsigned i;

    for (i = 0; i < list->len; i++) {
        if (!memcmp(vnvme_region(list, i), region, sizeof(*region))) {
            return true;
        }
    }
    return false;
}

static uint64_t vnvme_region_end(const VnvmeRegion *region)
{
    return region->gpa + region->size;
}

/* The same file at the same distance from guest memory and from ours */
static bool vnvme_same_mapping(const VnvmeRegion *a, const VnvmeRegion *b)
{
    return a->fd == b->fd && a->gpa - a->fd_offset == b->gpa - b->fd_offset &&
           a->gpa - a->hva == b->gpa - b->hva;
}

static bool vnvme_is_part(const VnvmeRegion *part, const VnvmeRegion *whole)
{
    return vnvme_same_mapping(part, whole) && part->gpa >= whole->gpa &&
           vnvme_region_end(part) <= vnvme_region_end(whole);
}

static bool vnvme_is_part_of_any(const VnvmeRegion *part, GArray *list)
{
    unsigned i;

    for (i = 0; i < list->len; i++) {
        if (vnvme_is_part(part, vnvme_region(list, i))) {
            return true;
        }
    }
    return false;
}

static VnvmeRegion vnvme_device_memory(VHostUserNvme *s)
{
    return (VnvmeRegion) {
        .gpa = VNVME_DEVMEM_GPA,
        .size = s->devmem_size,
        .hva = (uintptr_t)s->devmem,
        .fd = s->devmem_fd,
    };
}

static VuMemRegion vnvme_wire_region(const VnvmeRegion *region)
{
    return (VuMemRegion) {
        .gpa = cpu_to_le64(region->gpa),
        .size = cpu_to_le64(region->size),
        .hva = cpu_to_le64(region->hva),
        .fd_offset = cpu_to_le64(region->fd_offset),
    };
}

/* All at once, for a target without CONFIGURE_MEM_SLOTS */
static bool vnvme_send_table(VHostUserNvme *s, Error **errp)
{
    VnvmeRegion devmem = vnvme_device_memory(s);
    VuMemTable table = { };
    int fds[VNVME_TABLE_REGIONS];
    unsigned i, n = s->told_ram->len;

    assert(n < VNVME_TABLE_REGIONS);
    for (i = 0; i < n; i++) {
        table.regions[i] = vnvme_wire_region(vnvme_region(s->told_ram, i));
        fds[i] = vnvme_region(s->told_ram, i)->fd;
    }
    table.regions[n] = vnvme_wire_region(&devmem);
    fds[n++] = devmem.fd;
    table.nregions = cpu_to_le32(n);
    return vnvme_wire_set(vnvme_wire(s), VU_SET_MEM_TABLE, &table,
                          offsetof(VuMemTable, regions) +
                          n * sizeof(table.regions[0]), fds, n, errp);
}

/* What a running machine can do without is warned of; @added tells. */
static bool vnvme_add_slot(VHostUserNvme *s, const VnvmeRegion *region,
                           bool *added, Error **errp)
{
    VuMemSlot slot = { .region = vnvme_wire_region(region) };
    int fd = region->fd;
    uint64_t refused;

    *added = false;
    if (!vnvme_wire_ask(vnvme_wire(s), VU_ADD_MEM_REG, &slot, sizeof(slot),
                        &fd, 1, &refused, errp)) {
        return false;
    }
    if (!refused) {
        *added = true;
        return true;
    }
    if (!s->alive) {
        error_setg(errp, "the target refused %" PRIu64 " bytes of memory at "
                   "0x%" PRIx64 ": its log tells why", region->size,
                   region->gpa);
        return false;
    }
    warn_report("vhost-user-nvme: chardev '%s': the target refused %" PRIu64
                " bytes of guest RAM at 0x%" PRIx64 " (its log tells why); I/O "
                "to it fails", vnvme_chardev_label(s), region->size,
                region->gpa);
    return true;
}

static bool vnvme_remove_slot(VHostUserNvme *s, const VnvmeRegion *region,
                              Error **errp)
{
    VuMemSlot slot = { .region = vnvme_wire_region(region) };

    return vnvme_wire_set(vnvme_wire(s), VU_REM_MEM_REG, &slot, sizeof(slot),
                          NULL, 0, errp);
}

/* @whole: what is only a part of a region goes, too. */
static bool vnvme_remove_gone(VHostUserNvme *s, bool whole, Error **errp)
{
    unsigned i;

    for (i = s->told_ram->len; i-- > 0;) {
        VnvmeRegion *region = vnvme_region(s->told_ram, i);

        if (whole ? vnvme_has_region(s->ram, region) :
                    vnvme_is_part_of_any(region, s->ram)) {
            continue;
        }
        if (s->by_slot && !vnvme_remove_slot(s, region, errp)) {
            return false;
        }
        g_array_remove_index(s->told_ram, i);
    }
    return true;
}

/* The piece of @region that the target has at @gpa, or NULL */
static VnvmeRegion *vnvme_told_at(VHostUserNvme *s, const VnvmeRegion *region,
                                  uint64_t gpa)
{
    unsigned i;

    for (i = 0; i < s->told_ram->len; i++) {
        VnvmeRegion *told = vnvme_region(s->told_ram, i);

        if (vnvme_is_part(told, region) && told->gpa <= gpa &&
            gpa < vnvme_region_end(told)) {
            return told;
        }
    }
    return NULL;
}

/* The first piece of @region from @gpa on that the target does not have */
static bool vnvme_next_missing(VHostUserNvme *s, const VnvmeRegion *region,
                               uint64_t gpa, VnvmeRegion *missing)
{
    uint64_t end = vnvme_region_end(region);
    VnvmeRegion *told;
    unsigned i;

    while ((told = vnvme_told_at(s, region, gpa))) {
        gpa = vnvme_region_end(told);
    }
    for (i = 0; i < s->told_ram->len; i++) {
        told = vnvme_region(s->told_ram, i);
        if (vnvme_is_part(told, region) && told->gpa > gpa) {
            end = MIN(end, told->gpa);
        }
    }
    *missing = *region;
    missing->gpa = gpa;
    missing->size = end - gpa;
    missing->hva += gpa - region->gpa;
    missing->fd_offset += gpa - region->gpa;
    return gpa < vnvme_region_end(region);
}

/* @room: there was enough for all. */
static bool vnvme_add_missing(VHostUserNvme *s, bool *room, Error **errp)
{
    VnvmeRegion piece;
    bool added = true;
    unsigned i;

    *room = true;
    for (i = 0; i < s->ram->len; i++) {
        VnvmeRegion *region = vnvme_region(s->ram, i);
        uint64_t gpa = region->gpa;

        while (vnvme_next_missing(s, region, gpa, &piece)) {
            if (s->told_ram->len + 1 >= s->slots) {
                *room = false;
                return true;
            }
            trace_vhost_user_nvme_region(i, piece.gpa, piece.size,
                                         piece.fd_offset);
            if (s->by_slot && !vnvme_add_slot(s, &piece, &added, errp)) {
                return false;
            }
            if (added) {
                g_array_append_val(s->told_ram, piece);
            }
            gpa = vnvme_region_end(&piece);
        }
    }
    return true;
}

/*
 * The target gets what is new and loses what has gone. What it had stays where
 * it is, also when there is more than it takes, or when its region grows: the
 * controller may be using it. Only for want of room pieces become one region.
 */
static bool vnvme_tell_ram(VHostUserNvme *s, Error **errp)
{
    bool room;

    if (!vnvme_remove_gone(s, !s->by_slot, errp) ||
        !vnvme_add_missing(s, &room, errp)) {
        return false;
    }
    if (!s->by_slot) {
        return vnvme_send_table(s, errp);
    }
    if (room || s->ram->len + 1 > s->slots) {
        return true;
    }
    return vnvme_remove_gone(s, true, errp) &&
           vnvme_add_missing(s, &room, errp);
}

bool vnvme_share_ram(VHostUserNvme *s, Error **errp)
{
    VnvmeRegion devmem = vnvme_device_memory(s);
    bool added;

    g_array_set_size(s->told_ram, 0);
    /* First, for it is what a target can't do without. */
    return (!s->by_slot || vnvme_add_slot(s, &devmem, &added, errp)) &&
           vnvme_tell_ram(s, errp);
}

static void vnvme_listener_begin(MemoryListener *listener)
{
    VHostUserNvme *s = container_of(listener, VHostUserNvme, listener);

    g_array_set_size(s->new_ram, 0);
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

    if (!vnvme_same_mapping(last, sec) || sec->gpa < end) {
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
    unsigned n;

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
    n = s->new_ram->len;
    if (!n || !vnvme_try_merge(vnvme_region(s->new_ram, n - 1), &sec)) {
        g_array_append_val(s->new_ram, sec);
    }
}

bool vnvme_check_ram_shared(VHostUserNvme *s, Error **errp)
{
    if (s->nunshared) {
        error_setg(errp, "guest RAM '%s' is not shared, the target cannot "
                   "reach it: use -object memory-backend-memfd,id=mem,"
                   "size=...,share=on -machine memory-backend=mem",
                   s->unshared_ram);
        return false;
    }
    return true;
}

bool vnvme_check_ram_regions(VHostUserNvme *s, Error **errp)
{
    if (s->ram->len + 1 > s->slots) {
        error_setg(errp, "guest RAM has %u regions and the device itself one, "
                   "the target takes %u in all: use fewer memory backends "
                   "(NUMA nodes, DIMMs)%s", s->ram->len, s->slots,
                   s->by_slot ? "" : ", or a target that offers "
                   "VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS");
        return false;
    }
    return true;
}

void vnvme_warn_of_ram(VHostUserNvme *s)
{
    Error *err = NULL;

    if (!vnvme_check_ram_shared(s, &err) || !vnvme_check_ram_regions(s, &err)) {
        warn_report("vhost-user-nvme: chardev '%s': %s; I/O to the rest fails",
                    vnvme_chardev_label(s), error_get_pretty(err));
        error_free(err);
    }
}

static void vnvme_listener_commit(MemoryListener *listener)
{
    VHostUserNvme *s = container_of(listener, VHostUserNvme, listener);
    Error *err = NULL;
    GArray *old = s->ram;

    if (s->new_ram->len == old->len && s->nnew_unshared == s->nunshared &&
        !memcmp(old->data, s->new_ram->data,
                old->len * sizeof(VnvmeRegion))) {
        return;
    }
    s->ram = s->new_ram;
    s->new_ram = old;
    s->nunshared = s->nnew_unshared;
    if (!s->alive) {
        return;
    }
    /* Too late to refuse what was plugged in: serve the rest. */
    vnvme_warn_of_ram(s);
    if (!vnvme_tell_ram(s, &err)) {
        vnvme_die(s, err);
    }
}

void vnvme_ram_init(VHostUserNvme *s)
{
    s->ram = g_array_new(false, false, sizeof(VnvmeRegion));
    s->new_ram = g_array_new(false, false, sizeof(VnvmeRegion));
    s->told_ram = g_array_new(false, false, sizeof(VnvmeRegion));
}

void vnvme_ram_cleanup(VHostUserNvme *s)
{
    g_array_unref(s->ram);
    g_array_unref(s->new_ram);
    g_array_unref(s->told_ram);
    g_free(s->unshared_ram);
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

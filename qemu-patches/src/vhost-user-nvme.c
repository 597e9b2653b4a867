/*
 * vhost-user-nvme: an NVMe controller served by another process
 *
 * The controller (registers, admin and I/O queues, namespaces) lives in the
 * target, which is reached over a vhost-user socket. This device is its PCI
 * function only: configuration space, BAR0, MSI-X, guest memory and the wire.
 * docs/system/devices/vhost-user-nvme.rst describes its use.
 *
 * Here are the life cycle, configuration space and BAR0; what is elsewhere is
 * named in vhost-user-nvme-internal.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/log.h"
#include "qemu/memfd.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "migration/vmstate.h"
#include "vhost-user-nvme-internal.h"
#include "trace.h"

/* From the range that docs/specs/pci-ids.rst keeps for unregistered use. */
#define VNVME_PCI_DEVICE_ID     0x10f0

#define VNVME_BAR0_SIZE         (16 * KiB)  /* NVMe: BAR0 is 16 KiB aligned */
#define VNVME_REGS_SIZE         (4 * KiB)
#define VNVME_MSIX_BAR          4

#define VNVME_MIN_TIMEOUT_MS    10
#define VNVME_MAX_TIMEOUT_MS    600000

/* BAR0 */

static uint64_t vnvme_regs_read(void *opaque, hwaddr addr, unsigned size)
{
    VuNvmeReg reg = {
        .offset = cpu_to_le32(addr), .size = cpu_to_le32(size)
    };
    uint64_t value = UINT64_MAX;

    if (vnvme_request(opaque, VU_NVME_REG_READ, &reg,
                      offsetof(VuNvmeReg, value), &reg, sizeof(reg)) &&
        le32_to_cpu(reg.size) == size) {
        value = le64_to_cpu(reg.value);
    }
    trace_vhost_user_nvme_reg_read(addr, size, value);
    return value;
}

static void vnvme_regs_write(void *opaque, hwaddr addr, uint64_t value,
                             unsigned size)
{
    VuNvmeReg reg = {
        .offset = cpu_to_le32(addr), .size = cpu_to_le32(size),
        .value = cpu_to_le64(value)
    };
    uint64_t refused;

    trace_vhost_user_nvme_reg_write(addr, size, value);
    if (vnvme_request(opaque, VU_NVME_REG_WRITE, &reg, sizeof(reg),
                      &refused, sizeof(refused)) && refused) {
        qemu_log_mask(LOG_GUEST_ERROR, "vhost-user-nvme: write of 0x%" PRIx64
                      " to register 0x%" HWADDR_PRIx " was refused\n",
                      value, addr);
    }
}

static const MemoryRegionOps vnvme_regs_ops = {
    .read = vnvme_regs_read,
    .write = vnvme_regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

static uint64_t vnvme_doorbell_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void vnvme_doorbell_write(void *opaque, hwaddr addr, uint64_t value,
                                 unsigned size)
{
    VHostUserNvme *s = opaque;
    uint32_t *doorbell = s->devmem + addr;

    s->doorbell_writes++;
    trace_vhost_user_nvme_doorbell(addr, value);
    if (!s->alive) {
        return;
    }
    /*
     * Release: a polling target that sees the doorbell must see the entries
     * that the guest wrote before it.
     */
    qatomic_store_release(doorbell, cpu_to_le32(value));
    event_notifier_set(&s->kick);
}

static const MemoryRegionOps vnvme_doorbell_ops = {
    .read = vnvme_doorbell_read,
    .write = vnvme_doorbell_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* The PCI device */

static void vnvme_reset(DeviceState *dev)
{
    VHostUserNvme *s = VHOST_USER_NVME(dev);
    uint64_t failed;

    trace_vhost_user_nvme_reset(s->alive);
    vnvme_set_irqfds(s, false);
    if (s->returned) {
        vnvme_reconnect(s);
    } else if (vnvme_request(s, VU_NVME_RESET, NULL, 0, &failed,
                             sizeof(failed)) && failed) {
        Error *err = NULL;

        error_setg(&err, "the target failed to reset");
        vnvme_die(s, err);
    }
    /* What was signalled before the reset is not for the guest after it. */
    vnvme_vectors_clear(s);
}

static void vnvme_write_config(PCIDevice *pdev, uint32_t addr, uint32_t val,
                               int len)
{
    pci_default_write_config(pdev, addr, val, len);
    pcie_cap_flr_write_config(pdev, addr, val, len);
    vnvme_set_irqfds(VHOST_USER_NVME(pdev), msix_enabled(pdev));
}

static void vnvme_vm_state_change(void *opaque, bool running, RunState state)
{
    VHostUserNvme *s = opaque;
    uint32_t flags = 0;
    uint64_t failed;

    s->vm_running = running;
    if (running != s->stopped) {
        return;
    }
    if (vnvme_request(s, running ? VU_NVME_START : VU_NVME_STOP, &flags,
                      sizeof(flags), &failed, sizeof(failed)) && failed) {
        Error *err = NULL;

        error_setg(&err, "the target failed to %s",
                   running ? "start" : "stop");
        vnvme_die(s, err);
    }
    s->stopped = !running;
}

static bool vnvme_check_config(VHostUserNvme *s, Error **errp)
{
    if (!vnvme_check_chardev(s, errp)) {
        return false;
    }
    if (g_str_equal(s->doorbells, "mapped")) {
        s->mapped = true;
    } else if (!g_str_equal(s->doorbells, "trapped")) {
        error_setg(errp, "doorbells='%s' is unknown: use trapped or mapped",
                   s->doorbells);
        return false;
    }
    if (s->mapped && qemu_real_host_page_size() > VNVME_DOORBELLS_SIZE) {
        error_setg(errp, "doorbells=mapped needs a host with 4 KiB pages: use "
                   "doorbells=trapped");
        return false;
    }
    if (s->timeout_ms < VNVME_MIN_TIMEOUT_MS ||
        s->timeout_ms > VNVME_MAX_TIMEOUT_MS) {
        error_setg(errp, "timeout-ms=%" PRIu32 " is out of range: %d to %d",
                   s->timeout_ms, VNVME_MIN_TIMEOUT_MS, VNVME_MAX_TIMEOUT_MS);
        return false;
    }
    if (pci_device_iommu_address_space(PCI_DEVICE(s)) !=
        &address_space_memory) {
        error_setg(errp, "an emulated IOMMU stands between the device and "
                   "guest RAM, which is not supported: remove the IOMMU or put "
                   "the device on a bus that bypasses it");
        return false;
    }
    return true;
}

static bool vnvme_init_devmem(VHostUserNvme *s, uint32_t size, Error **errp)
{
    int ret;

    s->devmem = qemu_memfd_alloc(TYPE_VHOST_USER_NVME, size, 0, &s->devmem_fd,
                                 errp);
    if (!s->devmem) {
        return false;
    }
    s->devmem_size = size;
    ret = event_notifier_init(&s->kick, 0);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "no eventfd for doorbells");
        return false;
    }
    return true;
}

static void vnvme_init_bar0(VHostUserNvme *s)
{
    Object *obj = OBJECT(s);

    memory_region_init(&s->bar0, obj, "vhost-user-nvme-bar0", VNVME_BAR0_SIZE);
    memory_region_init_io(&s->regs, obj, &vnvme_regs_ops, s,
                          "vhost-user-nvme-regs", VNVME_REGS_SIZE);
    if (s->mapped) {
        memory_region_init_ram_ptr(&s->doorbell_page, obj,
                                   "vhost-user-nvme-doorbells",
                                   VNVME_DOORBELLS_SIZE, s->devmem);
    } else {
        memory_region_init_io(&s->doorbell_page, obj, &vnvme_doorbell_ops, s,
                              "vhost-user-nvme-doorbells",
                              VNVME_DOORBELLS_SIZE);
    }
    memory_region_add_subregion(&s->bar0, 0, &s->regs);
    memory_region_add_subregion(&s->bar0, VNVME_REGS_SIZE, &s->doorbell_page);
    pci_register_bar(PCI_DEVICE(s), 0, PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_TYPE_64, &s->bar0);
}

static bool vnvme_init_pci(VHostUserNvme *s, Error **errp)
{
    PCIDevice *pdev = PCI_DEVICE(s);
    uint32_t i;
    int pm;

    pci_config_set_prog_interface(pdev->config, 0x02);  /* NVM Express */
    pm = vnvme_pci_pm_init(pdev, 0x60, errp);
    if (pm < 0 || pcie_endpoint_cap_init(pdev, 0x80) < 0) {
        if (pm >= 0) {
            error_setg(errp, "no PCI Express capability");
        }
        return false;
    }
    pci_set_word(pdev->config + pm + PCI_PM_PMC, PCI_PM_CAP_VER_1_2);
    pci_set_word(pdev->config + pm + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(pdev->wmask + pm + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
    pcie_cap_flr_init(pdev);
    vnvme_init_bar0(s);
    if (msix_init_exclusive_bar(pdev, s->nvectors, VNVME_MSIX_BAR, errp) < 0) {
        return false;
    }
    for (i = 0; i < s->nvectors; i++) {
        msix_vector_use(pdev, i);
    }
    return true;
}

static void vnvme_exit(PCIDevice *pdev)
{
    VHostUserNvme *s = VHOST_USER_NVME(pdev);

    s->alive = false;
    s->returned = false;
    vnvme_listener_unregister(s);
    if (s->vmstate_entry) {
        qemu_del_vm_change_state_handler(s->vmstate_entry);
        s->vmstate_entry = NULL;
    }
    vnvme_set_irqfds(s, false);
    if (msix_present(pdev)) {
        msix_uninit_exclusive_bar(pdev);
    }
    /*
     * Each holds a reference to its owner, the device, which would never be
     * finalized, nor would management be told that it is gone.
     */
    if (memory_region_is_mapped(&s->regs)) {
        memory_region_del_subregion(&s->bar0, &s->doorbell_page);
        memory_region_del_subregion(&s->bar0, &s->regs);
    }
    vnvme_vectors_cleanup(s);
    vnvme_close(s);
}

static void vnvme_realize(PCIDevice *pdev, Error **errp)
{
    ERRP_GUARD();
    VHostUserNvme *s = VHOST_USER_NVME(pdev);
    VuNvmeInfo info;
    uint32_t vectors;

    if (!vnvme_check_config(s, errp)) {
        return;
    }
    vnvme_wire_watch_shutdown();
    s->vm_running = runstate_is_running();
    vnvme_listener_register(s);
    if (!vnvme_check_ram_shared(s, errp) || !vnvme_open(s, &info, errp) ||
        !vnvme_check_ram_regions(s, errp)) {
        goto fail;
    }
    vectors = s->num_io_queues ?: info.io_queues;
    vectors = MIN(vectors + 1, info.vectors);
    if (!vnvme_vectors_init(s, vectors, errp) ||
        !vnvme_init_devmem(s, info.devmem_size, errp) ||
        !vnvme_init_pci(s, errp) || !vnvme_share(s, errp)) {
        goto fail;
    }
    s->in_use = true;
    qemu_chr_fe_set_handlers(&s->chardev, NULL, NULL, vnvme_chardev_event,
                             NULL, s, NULL, true);
    s->vmstate_entry = qemu_add_vm_change_state_handler(vnvme_vm_state_change,
                                                        s);
    return;

fail:
    error_prepend(errp, "chardev '%s': ", vnvme_chardev_label(s));
    vnvme_exit(pdev);
}

static void vnvme_instance_init(Object *obj)
{
    VHostUserNvme *s = VHOST_USER_NVME(obj);

    s->devmem_fd = -1;
    s->doorbells = g_strdup("trapped");
    vnvme_ram_init(s);
    device_add_bootindex_property(obj, &s->bootindex, "bootindex",
                                  "/namespace@1,0", DEVICE(obj));
    object_property_add_uint64_ptr(obj, "doorbell-writes", &s->doorbell_writes,
                                   OBJ_PROP_FLAG_READ);
    object_property_add_uint64_ptr(obj, "interrupts", &s->interrupts,
                                   OBJ_PROP_FLAG_READ);
}

/*
 * Device memory goes last: a CPU may still be on its way to a doorbell when
 * the device is unrealized, but not when the last reference to it is dropped.
 */
static void vnvme_instance_finalize(Object *obj)
{
    VHostUserNvme *s = VHOST_USER_NVME(obj);

    if (s->devmem) {
        event_notifier_cleanup(&s->kick);
        qemu_memfd_free(s->devmem, s->devmem_size, s->devmem_fd);
    }
    vnvme_ram_cleanup(s);
}

static VNVME_PROPERTY_CONST Property vnvme_properties[] = {
    DEFINE_PROP_CHR("chardev", VHostUserNvme, chardev),
    DEFINE_PROP_UINT16("num_io_queues", VHostUserNvme, num_io_queues, 0),
    DEFINE_PROP_STRING("doorbells", VHostUserNvme, doorbells),
    DEFINE_PROP_UINT32("timeout-ms", VHostUserNvme, timeout_ms, 10000),
    VNVME_PROPERTY_LIST_END
};

/* Saving the controller's state (NVME_STOP, flag 1) has its place here. */
static const VMStateDescription vnvme_vmstate = {
    .name = TYPE_VHOST_USER_NVME,
    .unmigratable = 1,
};

static void vnvme_describe_properties(ObjectClass *oc)
{
    object_class_property_set_description(oc, "num_io_queues",
        "I/O queues that get an interrupt vector (0: all of the target's)");
    object_class_property_set_description(oc, "doorbells",
        "trapped, or mapped: the target polls them");
    object_class_property_set_description(oc, "timeout-ms",
        "after this time QEMU logs that the target has not answered, and "
        "waits on; while the device is made, it gives up");
}

static void vnvme_class_init(ObjectClass *oc, VNVME_CLASS_CONST void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);

    pc->realize = vnvme_realize;
    pc->exit = vnvme_exit;
    pc->config_write = vnvme_write_config;
    pc->class_id = PCI_CLASS_STORAGE_EXPRESS;
    pc->vendor_id = PCI_VENDOR_ID_REDHAT_QUMRANET;
    pc->device_id = VNVME_PCI_DEVICE_ID;
    pc->revision = 1;
    set_bit(DEVICE_CATEGORY_STORAGE, dc->categories);
    dc->desc = "NVMe controller served over vhost-user";
    dc->vmsd = &vnvme_vmstate;
    device_class_set_props(dc, vnvme_properties);
    vnvme_describe_properties(oc);
    device_class_set_legacy_reset(dc, vnvme_reset);
}

static const TypeInfo vnvme_type_info = {
    .name = TYPE_VHOST_USER_NVME,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(VHostUserNvme),
    .instance_init = vnvme_instance_init,
    .instance_finalize = vnvme_instance_finalize,
    .class_init = vnvme_class_init,
    .interfaces = (VNVME_CLASS_CONST InterfaceInfo[]) {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void vnvme_register_types(void)
{
    type_register_static(&vnvme_type_info);
}

type_init(vnvme_register_types)

/*
 * vhost-user-nvme: what differs between the QEMU versions it is built with
 *
 * The other files are the same for all of them. A tree that carries the device
 * for good needs the branch of its own version only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_VHOST_USER_NVME_COMPAT_H
#define HW_BLOCK_VHOST_USER_NVME_COMPAT_H

#include "chardev/char-fe.h"
#include "chardev/char-socket.h"

#define VNVME_QEMU_SINCE(major, minor) \
    (QEMU_VERSION_MAJOR > (major) || \
     (QEMU_VERSION_MAJOR == (major) && QEMU_VERSION_MINOR >= (minor)))

#if VNVME_QEMU_SINCE(10, 1)
#include "system/address-spaces.h"
#include "system/memory.h"
#include "system/ramblock.h"
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
#endif

#if VNVME_QEMU_SINCE(10, 0)
#include "system/hostmem.h"
#include "system/kvm.h"
#include "system/runstate.h"
#include "system/runstate-action.h"
#include "system/system.h"
#else
#include "sysemu/hostmem.h"
#include "sysemu/kvm.h"
#include "sysemu/runstate.h"
#include "sysemu/runstate-action.h"
#include "sysemu/sysemu.h"
#endif

#if VNVME_QEMU_SINCE(11, 0)
#include "hw/core/qdev-properties.h"
#include "hw/core/qdev-properties-system.h"
#else
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#endif

#if VNVME_QEMU_SINCE(8, 0)
#include "hw/pci/pci_device.h"
#else
#include "hw/pci/pci.h"
#endif

#if VNVME_QEMU_SINCE(10, 2)
typedef CharFrontend VnvmeChardev;
#else
typedef CharBackend VnvmeChardev;
#endif

/* a property list and class data: plain, then const and without an end mark */
#if VNVME_QEMU_SINCE(10, 0)
#define VNVME_PROPERTY_CONST const
#define VNVME_PROPERTY_LIST_END
#else
#define VNVME_PROPERTY_CONST
#define VNVME_PROPERTY_LIST_END { }
#endif

#if VNVME_QEMU_SINCE(10, 1)
#define VNVME_CLASS_CONST const
#else
#define VNVME_CLASS_CONST
#endif

#if !VNVME_QEMU_SINCE(9, 2)
static inline void device_class_set_legacy_reset(DeviceClass *dc,
                                                 DeviceReset dev_reset)
{
    dc->reset = dev_reset;
}
#endif

/* where a RAM block begins in its file; older versions have no offset */
static inline uint64_t vnvme_ram_block_fd_offset(RAMBlock *rb)
{
#if VNVME_QEMU_SINCE(8, 1)
    return rb->fd_offset;
#else
    return 0;
#endif
}

static inline int64_t vnvme_chardev_reconnects(SocketChardev *sock)
{
#if VNVME_QEMU_SINCE(9, 2)
    return sock->reconnect_time_ms;
#else
    return sock->reconnect_time;
#endif
}

static inline int vnvme_pci_pm_init(PCIDevice *pdev, uint8_t offset,
                                    Error **errp)
{
#if VNVME_QEMU_SINCE(10, 0)
    return pci_pm_init(pdev, offset, errp);
#else
    return pci_add_capability(pdev, PCI_CAP_ID_PM, offset, PCI_PM_SIZEOF,
                              errp);
#endif
}

#endif /* HW_BLOCK_VHOST_USER_NVME_COMPAT_H */

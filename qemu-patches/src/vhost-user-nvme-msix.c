/*
 * vhost-user-nvme: MSI-X vectors
 *
 * The target signals an eventfd per vector. It goes to KVM while the guest has
 * the vector unmasked and KVM can take it, and to a handler of ours otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "vhost-user-nvme-internal.h"

static void vnvme_call_read(EventNotifier *e)
{
    VnvmeVector *vec = container_of(e, VnvmeVector, call);
    PCIDevice *pdev = PCI_DEVICE(vec->s);

    /* With MSI-X disabled (firmware polls) there is nothing to tell. */
    if (event_notifier_test_and_clear(e) && msix_enabled(pdev)) {
        vec->s->interrupts++;
        msix_notify(pdev, vec - vec->s->vectors);
    }
}

static bool vnvme_vector_route(VnvmeVector *vec, unsigned nr, MSIMessage msg)
{
    PCIDevice *pdev = PCI_DEVICE(vec->s);
    KVMRouteChange change;

    if (vec->virq >= 0) {
        if (kvm_irqchip_update_msi_route(kvm_state, vec->virq, msg, pdev) < 0) {
            return false;
        }
        kvm_irqchip_commit_routes(kvm_state);
        return true;
    }
    change = kvm_irqchip_begin_route_changes(kvm_state);
    vec->virq = kvm_irqchip_add_msi_route(&change, nr, pdev);
    if (vec->virq < 0) {
        return false;
    }
    kvm_irqchip_commit_route_changes(&change);
    return true;
}

/* The guest unmasked a vector. Where KVM can't take it our handler stays. */
static int vnvme_vector_use(PCIDevice *pdev, unsigned nr, MSIMessage msg)
{
    VnvmeVector *vec = &VHOST_USER_NVME(pdev)->vectors[nr];

    if (!vnvme_vector_route(vec, nr, msg) || vec->irqfd) {
        return 0;
    }
    event_notifier_set_handler(&vec->call, NULL);
    if (kvm_irqchip_add_irqfd_notifier_gsi(kvm_state, &vec->call, NULL,
                                           vec->virq) < 0) {
        event_notifier_set_handler(&vec->call, vnvme_call_read);
        return 0;
    }
    vec->irqfd = true;
    return 0;
}

/* Masked: our handler takes over and sets the pending bit. */
static void vnvme_vector_release(PCIDevice *pdev, unsigned nr)
{
    VnvmeVector *vec = &VHOST_USER_NVME(pdev)->vectors[nr];

    if (vec->irqfd) {
        kvm_irqchip_remove_irqfd_notifier_gsi(kvm_state, &vec->call, vec->virq);
        vec->irqfd = false;
        event_notifier_set_handler(&vec->call, vnvme_call_read);
    }
}

/* The guest reads pending bits: do not make it wait for our main loop. */
static void vnvme_vector_poll(PCIDevice *pdev, unsigned start, unsigned end)
{
    VHostUserNvme *s = VHOST_USER_NVME(pdev);

    for (end = MIN(end, s->nvectors); start < end; start++) {
        if (!s->vectors[start].irqfd) {
            vnvme_call_read(&s->vectors[start].call);
        }
    }
}

void vnvme_set_irqfds(VHostUserNvme *s, bool on)
{
    PCIDevice *pdev = PCI_DEVICE(s);
    unsigned i;

    if (on == s->irqfds || (on && !kvm_msi_via_irqfd_enabled())) {
        return;
    }
    s->irqfds = on;
    if (on) {
        msix_set_vector_notifiers(pdev, vnvme_vector_use, vnvme_vector_release,
                                  vnvme_vector_poll);
        return;
    }
    msix_unset_vector_notifiers(pdev);
    for (i = 0; i < s->nvectors; i++) {
        vnvme_vector_release(pdev, i);
        if (s->vectors[i].virq >= 0) {
            kvm_irqchip_release_virq(kvm_state, s->vectors[i].virq);
            s->vectors[i].virq = -1;
        }
    }
}

void vnvme_vectors_cleanup(VHostUserNvme *s)
{
    while (s->nvectors) {
        EventNotifier *call = &s->vectors[--s->nvectors].call;

        event_notifier_set_handler(call, NULL);
        event_notifier_cleanup(call);
    }
    g_clear_pointer(&s->vectors, g_free);
}

bool vnvme_vectors_init(VHostUserNvme *s, uint32_t n, Error **errp)
{
    int ret;

    s->vectors = g_new0(VnvmeVector, n);
    for (s->nvectors = 0; s->nvectors < n; s->nvectors++) {
        VnvmeVector *vec = &s->vectors[s->nvectors];

        vec->s = s;
        vec->virq = -1;
        ret = event_notifier_init(&vec->call, 0);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "no eventfd for vector %" PRIu32,
                             s->nvectors);
            return false;
        }
        event_notifier_set_handler(&vec->call, vnvme_call_read);
    }
    return true;
}

void vnvme_vectors_clear(VHostUserNvme *s)
{
    uint32_t i;

    for (i = 0; i < s->nvectors; i++) {
        event_notifier_test_and_clear(&s->vectors[i].call);
    }
}

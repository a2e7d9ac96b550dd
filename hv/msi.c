/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Interrupts of devices by message: an eventfd, a line behind KVM's pins (layout.h), and a route of
 * that line to a processor's APIC; see device.h.
 *
 * While KVM listens to the eventfd it takes what is written there; when it stops, at a mask, what
 * is written stays in it, and is what is pending.  When it listens again it looks first.
 */
#include "hv/device.h"

#include "hv/device_priv.h"
#include "hv/vp.h"

#include <errno.h>
#include <stdlib.h>

#define MSI_ADDRESS  0xfee00000u
#define APIC_SHIFT   12
#define FIRST_VECTOR 16
#define LAST_VECTOR  255

struct hv_msi {
	struct hv_partition *partition;
	int fd;
	unsigned gsi;
	bool listens; /* KVM does */
	uint32_t vp, vector;
};

/* A line that nobody has, or 0. */
static unsigned take_gsi(struct hv_devices *d)
{
	for (unsigned gsi = HV_GSI_DEVICES; gsi < HV_MAX_IRQS; gsi++) {
		if (!d->gsi_used[gsi]) {
			d->gsi_used[gsi] = true;
			return gsi;
		}
	}
	return 0;
}

int hv_msi_create(struct hv_partition *partition, int fd, struct hv_msi **ret_msi)
{
	struct hv_msi *msi = calloc(1, sizeof(*msi));

	if (msi == NULL)
		return -ENOMEM;
	*msi = (struct hv_msi){.partition = partition, .fd = fd};
	msi->gsi = take_gsi(partition->own_devices);
	if (msi->gsi == 0) {
		free(msi);
		return -ENOSPC;
	}
	*ret_msi = msi;
	return 0;
}

void hv_msi_destroy(struct hv_msi *msi)
{
	if (msi == NULL)
		return;
	hv_msi_mask(msi);
	(void)hv_irq_route(msi->partition, msi->gsi, NULL);
	msi->partition->own_devices->gsi_used[msi->gsi] = false;
	free(msi);
}

int hv_msi_route(struct hv_msi *msi, uint32_t vp, uint32_t vector)
{
	struct kvm_irq_routing_entry entry = {
		.gsi = msi->gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {.address_lo = MSI_ADDRESS | vp << APIC_SHIFT, .data = vector},
	};
	int rc;

	if (vp >= msi->partition->n_vps || vector < FIRST_VECTOR || vector > LAST_VECTOR)
		return -EINVAL;
	if (msi->listens && msi->vp == vp && msi->vector == vector)
		return 0;
	rc = hv_irq_route(msi->partition, msi->gsi, &entry);
	if (rc == 0 && !msi->listens)
		rc = hv_partition_irqfd(msi->partition, msi->gsi, msi->fd, true);
	if (rc != 0) {
		hv_msi_mask(msi);
		return rc;
	}
	msi->listens = true;
	msi->vp = vp;
	msi->vector = vector;
	return 0;
}

void hv_msi_mask(struct hv_msi *msi)
{
	if (msi->listens)
		(void)hv_partition_irqfd(msi->partition, msi->gsi, msi->fd, false);
	msi->listens = false;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where interrupt lines go: one table, kept as KVM takes it (all of it at each change).  Lines 0 to
 * 15 go to both controllers, as on a PC: line 0, the timer, is pin 2 of the IOAPIC.  Behind the
 * pins are messages and synthetic interrupts, which faces and devices route.
 */
#include "hv/vp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define SLUG	  "vm-irq"
#define N_ISA	  16
#define PIT_PIN	  2
#define PIC_LINES 8

static void add_pin(struct kvm_irq_routing *irq, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	struct kvm_irq_routing_entry *e = &irq->entries[irq->nr++];

	memset(e, 0, sizeof(*e));
	e->gsi = gsi;
	e->type = KVM_IRQ_ROUTING_IRQCHIP;
	e->u.irqchip.irqchip = chip;
	e->u.irqchip.pin = pin;
}

static void add_default(struct kvm_irq_routing *irq)
{
	for (uint32_t gsi = 0; gsi < HV_N_PINS; gsi++) {
		if (gsi == PIT_PIN)
			continue; /* The second PIC sits there. */
		if (gsi < PIC_LINES)
			add_pin(irq, gsi, KVM_IRQCHIP_PIC_MASTER, gsi);
		else if (gsi < N_ISA)
			add_pin(irq, gsi, KVM_IRQCHIP_PIC_SLAVE, gsi - PIC_LINES);
		add_pin(irq, gsi, KVM_IRQCHIP_IOAPIC, gsi == 0 ? PIT_PIN : gsi);
	}
}

static struct kvm_irq_routing *alloc(size_t n)
{
	return calloc(1, sizeof(struct kvm_irq_routing) + n * sizeof(struct kvm_irq_routing_entry));
}

static int set(struct hv_partition *partition, const struct kvm_irq_routing *irq)
{
	return ioctl(partition->fd, KVM_SET_GSI_ROUTING, irq) == 0 ? 0 : -errno;
}

/* Both controllers and the timer as KVM made them: what power-on is. */
struct hv_chips {
	struct kvm_irqchip chip[3];
	struct kvm_pit_state2 pit;
};

static int keep_chips(struct hv_partition *partition)
{
	struct hv_chips *chips = partition->chips;

	for (uint32_t i = 0; i < 3; i++) {
		chips->chip[i].chip_id = i;
		if (ioctl(partition->fd, KVM_GET_IRQCHIP, &chips->chip[i]) != 0)
			return -errno;
	}
	return ioctl(partition->fd, KVM_GET_PIT2, &chips->pit) == 0 ? 0 : -errno;
}

int hv_irq_init(struct hv_partition *partition, struct err *err)
{
	int rc;

	partition->irq = alloc(N_ISA + HV_N_PINS);
	partition->chips = calloc(1, sizeof(*partition->chips));
	if (partition->irq == NULL || partition->chips == NULL)
		return err_set(err, -ENOMEM, SLUG, "out of memory");
	add_default(partition->irq);
	rc = set(partition, partition->irq);
	if (rc == 0)
		rc = keep_chips(partition);
	return rc == 0 ? 0
		       : err_set(err, rc, SLUG, "KVM refuses the interrupt lines: %s",
				 strerror(-rc));
}

void hv_irq_fini(struct hv_partition *partition)
{
	free(partition->irq);
	free(partition->chips);
	partition->irq = NULL;
	partition->chips = NULL;
}

int hv_irq_reset(struct hv_partition *partition, struct err *err)
{
	struct hv_chips *chips = partition->chips;
	bool ok = ioctl(partition->fd, KVM_SET_PIT2, &chips->pit) == 0;

	for (uint32_t i = 0; ok && i < 3; i++)
		ok = ioctl(partition->fd, KVM_SET_IRQCHIP, &chips->chip[i]) == 0;
	return ok ? 0
		  : err_set(err, -errno, SLUG, "KVM does not reset the interrupt controllers: %s",
			    strerror(errno));
}

/* A copy of the table without 'gsi', with room for one more. */
static struct kvm_irq_routing *copy_without(const struct kvm_irq_routing *irq, unsigned gsi)
{
	struct kvm_irq_routing *next = alloc(irq->nr + 1);

	for (uint32_t i = 0; next != NULL && i < irq->nr; i++)
		if (irq->entries[i].gsi != gsi)
			next->entries[next->nr++] = irq->entries[i];
	return next;
}

static int route(struct hv_partition *partition, unsigned gsi,
		 const struct kvm_irq_routing_entry *entry)
{
	struct kvm_irq_routing *next = copy_without(partition->irq, gsi);
	int rc;

	if (next == NULL)
		return -ENOMEM;
	if (entry != NULL) {
		next->entries[next->nr] = *entry;
		next->entries[next->nr++].gsi = gsi;
	}
	rc = set(partition, next);
	if (rc != 0) {
		free(next);
		return rc;
	}
	free(partition->irq);
	partition->irq = next;
	return 0;
}

int hv_irq_route(struct hv_partition *partition, unsigned gsi,
		 const struct kvm_irq_routing_entry *entry)
{
	int rc;

	if (gsi < HV_N_PINS || gsi >= HV_MAX_IRQS)
		return -EINVAL;
	pthread_mutex_lock(&partition->irq_lock);
	rc = route(partition, gsi, entry);
	pthread_mutex_unlock(&partition->irq_lock);
	return rc;
}

void hv_partition_irq(struct hv_partition *partition, unsigned gsi, bool level)
{
	struct kvm_irq_level line = {.irq = gsi, .level = level};

	/* It fails for lines that go nowhere: the guest's affair. */
	(void)ioctl(partition->fd, KVM_IRQ_LINE, &line);
}

int hv_partition_irqfd(struct hv_partition *partition, unsigned gsi, int fd, bool on)
{
	struct kvm_irqfd irqfd = {.fd = (uint32_t)fd,
				  .gsi = gsi,
				  .flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

	return ioctl(partition->fd, KVM_IRQFD, &irqfd) == 0 ? 0 : -errno;
}

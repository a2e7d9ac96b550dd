/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a device with memory and interrupts of its own, a PCI function, has in a machine.
 *
 * 	guest ── reads, writes ──► region         processor's thread waits ─► hv_asks_answer(): ops
 * 	                             └► mapping   memory of this process: no exit
 * 	eventfd ──► hv_msi ──► vector on a processor, by KVM's irqfd: no thread of ours
 *
 * A processor that waits for the owner is answered by hv_asks_answer(), which the owner calls when
 * hv_asks_fd() is readable, and by whatever of the owner's waits for processors
 * (hv_partition_pause(), _reset()): so trapped accesses and the owner's own work never run at the
 * same time, and 'ops' need no lock.
 *
 * Thread: the owner's, 'ops' too.  Source: Linux Documentation/virt/kvm/api.rst,
 * KVM_SET_USER_MEMORY_REGION, KVM_IRQFD; [TLFS] HvRetargetDeviceInterrupt.
 */
#ifndef HV_DEVICE_H
#define HV_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#define HV_MAX_REGIONS 256

struct hv_msi;
struct hv_partition;
struct hv_region;

/* Accesses of 1, 2, 4 or 8 bytes, 'offset' bytes into the region.  Neither may remove its own
 * region, pause the machine, or end it. */
struct hv_region_ops {
	uint64_t (*read)(void *ctx, uint64_t offset, unsigned size);
	void (*write)(void *ctx, uint64_t offset, unsigned size, uint64_t value);
};

/* ---- Memory; addresses and sizes are multiples of 4096 ---- */

/* The guest's accesses to [gpa, gpa + size) come to 'ops', borrowed for the region's life.
 * -EINVAL: not in the windows for devices (layout.h); -EBUSY: another region is there; -ENOSPC:
 * there are too many. */
int hv_region_add(struct hv_partition *partition, uint64_t gpa, uint64_t size,
		  const struct hv_region_ops *ops, void *ctx, struct hv_region **ret_region);
/* From now on nothing is there: reads are ones.  Its mappings go with it.  Takes NULL. */
void hv_region_remove(struct hv_region *region);
/* The guest accesses [gpa, gpa + size), all in one region, without a trap: it is [va, va + size) of
 * this process, which must stay there until the mapping goes.  -EINVAL: in no region; -EBUSY:
 * another mapping is there; -ENOSPC; or what KVM says. */
int hv_region_map(struct hv_partition *partition, uint64_t gpa, uint64_t size, void *va);
/* It traps again.  -ENOENT: no mapping is just there. */
int hv_region_unmap(struct hv_partition *partition, uint64_t gpa, uint64_t size);

/* ---- Interrupts ---- */

/* Who writes 'fd', an eventfd, borrowed for the interrupt's life, raises it.  It leads nowhere yet.
 * -ENOSPC: there are too many; -ENOMEM. */
int hv_msi_create(struct hv_partition *partition, int fd, struct hv_msi **ret_msi);
/* Takes NULL. */
void hv_msi_destroy(struct hv_msi *msi);
/* It raises 'vector' (16 to 255) on processor 'vp' from now on; what came while it was masked comes
 * now.  0; -EINVAL; or what KVM says: then it is masked. */
int hv_msi_route(struct hv_msi *msi, uint32_t vp, uint32_t vector);
/* It leads nowhere: what comes stays in the eventfd. */
void hv_msi_mask(struct hv_msi *msi);

/* ---- Hypercalls: the guest moves an interrupt of a device to another processor ---- */

struct hv_retarget {
	uint64_t device; /* as the guest calls it: vpci_device_id() */
	uint64_t address;
	uint32_t data; /* of the message that is moved */
	uint32_t vector, vp;
};

/* Who is asked; returns 0, or negative: there is no such interrupt, or no such target.  NULL:
 * nobody. */
typedef int (*hv_retarget_fn)(void *ctx, const struct hv_retarget *retarget);
void hv_partition_set_retarget(struct hv_partition *partition, hv_retarget_fn fn, void *ctx);

/* ---- Processors that wait for the owner ---- */

/* Readable when one does. */
int hv_asks_fd(const struct hv_partition *partition);
/* Answers all that wait. */
void hv_asks_answer(struct hv_partition *partition);

#endif

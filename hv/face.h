/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hyper-V's face: CPUID leaves, MSRs, hypercalls, SynIC, time.  Two implementations behind one
 * table:
 *
 * 	face_kvm.c   KVM plays Hyper-V (SynIC, MSRs and most hypercalls in the kernel)
 * 	face_user.c  all of it here: MSR exits, our own hypercall page, MSI routes; for kernels that
 * 	             were built without it
 *
 * What both share: the message slot and the event flags of a processor (synic.c), CPUID
 * (cpuid_hv.c), crash text.
 *
 * Threads: '_vp_*' and 'exit' on the processor's thread; the others on the owner's.
 *
 * Source: [TLFS]; docs/hypervisor.md.
 */
#ifndef HV_FACE_H
#define HV_FACE_H

#include "ctl/base/err.h"
#include "hv/partition.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hv_kvm;
struct hv_vp;
struct kvm_cpuid_entry2;

/* Where a channel's event goes without this process: who has it sets the bit (little endian, atomic
 * OR on the byte that holds it), and writes 'irq_fd' if it was clear. */
struct hv_event_target {
	uint64_t gpa; /* of the processor's 256 bytes of flags of SINT 2 */
	int irq_fd;   /* eventfd, the face's; raises SINT 2 of that processor */
};

struct hv_face_ops {
	const char *name;
	bool (*usable)(const struct hv_kvm *kvm);
	/* Once; after the interrupt controllers, before processors. */
	int (*init)(struct hv_partition *partition, struct err *err);
	void (*fini)(struct hv_partition *partition);
	/* For each processor, before it runs. */
	int (*vp_init)(struct hv_vp *vp, struct err *err);
	void (*vp_fini)(struct hv_vp *vp);
	/* Adds leaves 0x40000000.. to 'entries', which has room for HV_FACE_MAX_LEAVES.  How many,
	 * or negative errno. */
	int (*cpuid)(struct hv_partition *partition, struct kvm_cpuid_entry2 *entries);
	/* KVM_RUN came back (vp->run).  True: it was the face's, and is done.  Who calls counts it
	 * (vp_exit.c). */
	bool (*exit)(struct hv_vp *vp);
	/* Back to power-on; processors are paused. */
	void (*reset)(struct hv_partition *partition);
	/* Reference time as the guest has it, in 100 ns.  Any thread. */
	uint64_t (*time)(const struct hv_partition *partition);

	/* As the operations of the same name in vmbus/host.h. */
	int (*post)(struct hv_partition *partition, uint32_t vp, const void *msg, size_t size);
	int (*listen)(struct hv_partition *partition, uint32_t connection_id, int kick_fd);
	/* Sets event flag 'flag' of SINT 2 of 'vp' and interrupts, from this process. */
	int (*signal)(struct hv_partition *partition, uint32_t vp, uint16_t flag);
	/* 0; -ENOENT: its event page is switched off now (HV_MAIL_SYNIC says when that changes). */
	int (*event_target)(struct hv_partition *partition, uint32_t vp,
			    struct hv_event_target *ret_target);
};

#define HV_FACE_MAX_LEAVES 16

extern const struct hv_face_ops hv_face_kvm, hv_face_user;

/* The table of a partition's face, for its owner. */
const struct hv_face_ops *hv_partition_face_ops(const struct hv_partition *partition);

#endif

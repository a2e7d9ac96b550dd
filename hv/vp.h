/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A virtual processor and its thread; and the inside of a partition.  For hv only.
 *
 * A processor's thread is in KVM_RUN, or answers an exit, or waits (paused).  To get it out of
 * KVM_RUN: run->immediate_exit and a signal (SIGUSR1, blocked but in KVM_RUN: KVM_SET_SIGNAL_MASK),
 * so that no kick is lost between the check and the call.
 */
#ifndef HV_VP_H
#define HV_VP_H

#include "hv/face.h"
#include "hv/kvm.h"
#include "hv/partition.h"
#include "hv/pio.h"

#include <pthread.h>
#include <stdatomic.h>

#include <linux/kvm.h>

struct hv_vp {
	struct hv_partition *partition;
	uint32_t index; /* VP index, APIC id, KVM's vcpu id: all the same */
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	_Atomic int tid;
	/* Counted by its thread, read by the owner. */
	_Atomic uint64_t exits, exits_pio, exits_mmio, exits_msr, exits_hypercall, exits_halt,
		exits_signal;
	_Atomic uint64_t messages, message_retries; /* posted by the guest; refused: box full */
	void *face;				    /* the face's own */
};

enum hv_state { HV_STOPPED, HV_RUNNING, HV_PAUSED };

struct hv_partition {
	struct hv_kvm kvm;
	int fd; /* the VM's */
	struct hv_memory memory;
	struct hv_mailbox *mailbox;
	struct hv_pio pio;
	pthread_mutex_t devices;
	const struct hv_face_ops *face_ops;
	void *face; /* the face's own */
	char cpu[32];
	bool nested;
	uint32_t tsc_khz;
	uint64_t made_ns;	     /* CLOCK_MONOTONIC when reference time was 0 */
	struct kvm_irq_routing *irq; /* as KVM has it */
	pthread_mutex_t irq_lock;
	struct hv_start start;

	pthread_mutex_t lock; /* of what is below; processors wait on 'changed' */
	pthread_cond_t changed;
	enum hv_state state;
	unsigned n_in; /* processors that are in the guest or answer it */
	bool ending;

	pthread_mutex_t crash_lock;
	struct hv_crash crash;

	unsigned n_vps;
	struct hv_vp vp[HV_MAX_VPS];
};

/* ---- vp.c ---- */

int hv_vp_create(struct hv_partition *partition, uint32_t index, struct hv_vp *vp, struct err *err);
void hv_vp_destroy(struct hv_vp *vp);
/* Sets registers, LAPIC and MSRs as at power-on; the first processor as 'start' says. */
int hv_vp_reset(struct hv_vp *vp, const struct hv_start *start, struct err *err);
/* The thread's body, and its way out of the guest. */
void *hv_vp_thread(void *vp);
void hv_vp_kick(struct hv_vp *vp);

/* ---- irq.c ---- */

/* The default lines to both controllers. */
int hv_irq_init(struct hv_partition *partition, struct err *err);
void hv_irq_fini(struct hv_partition *partition);
/* Says where 'gsi' goes, in place of what was said before; 'entry' NULL: nowhere.  Any thread. */
int hv_irq_route(struct hv_partition *partition, unsigned gsi,
		 const struct kvm_irq_routing_entry *entry);

/* ---- cpuid.c ---- */

/* All leaves of a processor: KVM's, cut to the model, the topology, the face's. */
int hv_cpuid_set(struct hv_vp *vp, struct err *err);

/* ---- mail, from a processor ---- */

static inline int hv_vp_mail(struct hv_vp *vp, enum hv_mail_type type)
{
	struct hv_mail mail = {.type = type, .vp = vp->index};

	return hv_mailbox_put(vp->partition->mailbox, &mail);
}

#endif

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
	bool has_thread; /* the owner's to know */
	bool has_face;
	bool dead;			   /* it cannot go on before a reset; partition's lock */
	int stats_fd;			   /* KVM's counters (vp_stats.c) */
	uint64_t stats_exits, stats_halts; /* where those are; 0: KVM has none */
	struct hv_vp_state *power_on;	   /* as it was made (vp_state.c) */
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
	bool has_face;
	char cpu[32];
	bool nested;
	uint32_t tsc_khz;
	uint64_t made_ns;	     /* CLOCK_MONOTONIC when reference time was 0 */
	struct kvm_irq_routing *irq; /* as KVM has it */
	pthread_mutex_t irq_lock;
	struct hv_devices *own_devices; /* regions and interrupts (device.h) */
	struct hv_chips *chips;		/* the interrupt controllers as they were made (irq.c) */
	struct hv_start start;
	bool start_set; /* since the last run: the first processor is to be put there */

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

/* ---- vp.c: a processor, its thread, and ways out of the guest ---- */

/* 'vp' is one of the partition's, its face is not there yet: hv_vp_create() makes it too. */
int hv_vp_create(struct hv_partition *partition, uint32_t index, struct hv_vp *vp, struct err *err);
/* Its thread has ended. */
void hv_vp_destroy(struct hv_vp *vp);
/* Starts its thread, which waits for the partition to run. */
int hv_vp_start_thread(struct hv_vp *vp, struct err *err);
/* Makes KVM_RUN return, now or when it is called next.  Any thread. */
void hv_vp_kick(struct hv_vp *vp);

/* ---- vp_exit.c: what came out of the guest ---- */

/* Answers the exit in vp->run.  False: the processor cannot go on (mail was sent). */
bool hv_vp_exit(struct hv_vp *vp);
/* Says that it cannot go on, with its registers; 'code' is an errno of KVM_RUN. */
void hv_vp_failed(struct hv_vp *vp, int code);

/* ---- vp_state.c: registers.  The processor is not in the guest. ---- */

/* Keeps its state, as at power-on, for hv_vp_reset(). */
int hv_vp_keep(struct hv_vp *vp, struct err *err);
void hv_vp_forget(struct hv_vp *vp);
/* Registers, LAPIC, MSRs and what is pending, all as at power-on. */
int hv_vp_reset(struct hv_vp *vp, struct err *err);
/* Puts it where a kernel wants to start. */
int hv_vp_start(struct hv_vp *vp, const struct hv_start *start, struct err *err);

/* ---- vp_stats.c ---- */

/* Older kernels have none: then all counts are 0. */
void hv_vp_stats_open(struct hv_vp *vp);
void hv_vp_stats_close(struct hv_vp *vp);
/* All exits of the processor so far, those that KVM answered itself too; halts among them.  Any
 * thread. */
void hv_vp_stats(const struct hv_vp *vp, uint64_t *ret_exits, uint64_t *ret_halts);

/* ---- irq.c ---- */

/* The default lines to both controllers. */
int hv_irq_init(struct hv_partition *partition, struct err *err);
void hv_irq_fini(struct hv_partition *partition);
/* Both controllers and the timer, as at power-on. */
int hv_irq_reset(struct hv_partition *partition, struct err *err);
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

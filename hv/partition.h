/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine: its memory, its processors and what they talk to, on KVM.  Hyper-V calls it a
 * partition.
 *
 * Threads: the owner's (who creates it, takes its mail, and is the only one to call what stands
 * here), and one for each virtual processor (vp.h).  Processors answer what must be answered at
 * once (ports, MSRs, hypercalls) and post the rest (mail.h).
 *
 * 	STOPPED ── hv_partition_run() ──► RUNNING ── hv_partition_pause() ──► PAUSED ── run ──► ..
 * 	   ▲                                 │
 * 	   └────── hv_partition_reset() ─────┴── mail: RESET, POWEROFF, CRASH, FAULT (the owner
 * decides)
 */
#ifndef HV_PARTITION_H
#define HV_PARTITION_H

#include "ctl/base/err.h"
#include "hv/layout.h"
#include "hv/mail.h"
#include "hv/memory.h"

#include <stdbool.h>
#include <stdint.h>

struct hv_partition;
struct hv_pio;

/* Who plays Hyper-V: KVM, where it was built with that, or this process (face.h). */
enum hv_face { HV_FACE_AUTO, HV_FACE_KVM, HV_FACE_USER };

struct hv_partition_opts {
	const char *kvm_path; /* NULL: /dev/kvm */
	unsigned n_vps;	      /* 1 to HV_MAX_VPS */
	uint64_t memory_size; /* hv_memory_create() */
	enum hv_memory_pages pages;
	enum hv_face face;
	const char *cpu; /* "host", or a model (cpuid.h); NULL: "host" */
	bool nested;	 /* the guest may run guests */
};

/* What a guest said of its crash, by MSR ([TLFS] 2.5). */
struct hv_crash {
	bool crashed;
	uint64_t parameter[5];
	char text[4096]; /* its log's end if it gave one; not trusted, made printable */
};

/* Where a processor starts: set for the first one by the boot loader (boot.h).  Segments: HV_BOOT_*
 * (layout.h).  Interrupts are off. */
struct hv_start {
	uint64_t rip, rsp, rsi, rbx;
	uint64_t cr3; /* long mode when not 0 (page tables are there); else 32-bit protected mode */
	uint64_t gdt; /* where the descriptors of boot.c are */
	uint16_t gdt_size;
};

struct hv_partition_stats {
	uint64_t exits; /* of all processors, that came to this process, by what they were for: */
	uint64_t exits_pio, exits_mmio, exits_msr, exits_hypercall, exits_halt, exits_signal,
		exits_other;
	uint64_t exits_in_kernel;	    /* that KVM answered, but for halts */
	uint64_t messages, message_retries; /* posted by the guest */
	uint64_t cpu_ns;		    /* used by processors' threads */
};

/* Makes memory, processors (none runs) and the interrupt controllers.  Errors say what the host
 * lacks.  -EOPNOTSUPP: the face asked for is not to be had here. */
int hv_partition_create(const struct hv_partition_opts *opts, struct hv_partition **ret_partition,
			struct err *err);
/* Stops and frees.  Takes NULL. */
void hv_partition_destroy(struct hv_partition *partition);

struct hv_memory *hv_partition_memory(struct hv_partition *partition);
struct hv_mailbox *hv_partition_mailbox(struct hv_partition *partition);
struct hv_pio *hv_partition_pio(struct hv_partition *partition);
const char *hv_partition_face(const struct hv_partition *partition); /* "kvm" or "user" */
unsigned hv_partition_n_vps(const struct hv_partition *partition);
/* Kernel thread of a processor, to be given a core; 0: not running yet. */
int hv_partition_vp_tid(const struct hv_partition *partition, unsigned vp);

/* The first processor starts there when it runs next; others wait for the guest to start them. */
void hv_partition_set_start(struct hv_partition *partition, const struct hv_start *start);
int hv_partition_run(struct hv_partition *partition, struct err *err);
/* Returns when no processor is in the guest any more. */
void hv_partition_pause(struct hv_partition *partition);
/* Pauses, and puts processors, interrupt controllers and Hyper-V's interface back to power-on.
 * Memory stays: who boots anew writes it.  Nobody may hold VMBus channels (vmbus_server_reset()).
 */
int hv_partition_reset(struct hv_partition *partition, struct err *err);
bool hv_partition_running(const struct hv_partition *partition);

/* Sets an interrupt line.  Any thread. */
void hv_partition_irq(struct hv_partition *partition, unsigned gsi, bool level);
/* Pulses a line when 'fd' is written (KVM_IRQFD); 'on' false ends it.  0 or negative errno. */
int hv_partition_irqfd(struct hv_partition *partition, unsigned gsi, int fd, bool on);
/* Device lock (pio.h). */
void hv_devices_lock(struct hv_partition *partition);
void hv_devices_unlock(struct hv_partition *partition);

/* 100 ns since the partition was made, as the guest's reference counter says. */
uint64_t hv_partition_time(const struct hv_partition *partition);
void hv_partition_crash(const struct hv_partition *partition, struct hv_crash *ret_crash);
void hv_partition_stats(const struct hv_partition *partition, struct hv_partition_stats *ret_stats);

#endif

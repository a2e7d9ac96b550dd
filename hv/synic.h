/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One processor's synthetic interrupt controller, as far as it is memory: a page of message slots
 * and a page of event flags, one of each for every synthetic interrupt (SINT).  VMBus uses SINT 2,
 * and so do we.
 *
 * 	post:   slot empty ──► payload, then type ──► interrupt
 * 	        slot taken ──► "pending" set in it, -EAGAIN; the guest empties it, sees "pending",
 * 	                       writes EOM ──► hv_synic_wake() says so, and the owner posts again
 * 	signal: flag was clear ──► set ──► interrupt
 *
 * The pages are the guest's memory, and it may name any page, both the same, move them at any time,
 * and scribble on them.  Every access looks up where they are now; what then happens to the bytes
 * is the guest's affair.
 *
 * Threads: MSRs on the processor's; post on the owner's; signal on any.  No locks.
 *
 * Source: [TLFS] 11 "Inter-partition communication", docs/hypervisor.md.
 */
#ifndef HV_SYNIC_H
#define HV_SYNIC_H

#include "hv/tlfs.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gpa_map;

struct hv_synic {
	/* As the MSRs are; written by the processor's thread. */
	_Atomic uint64_t control, siefp, simp;
	_Atomic uint64_t sint[HV_N_SINTS];
	_Atomic bool
		waiting; /* hv_synic_post() said -EAGAIN, and nobody has said otherwise since */
	int irq_fd;	 /* eventfd, borrowed: writing it raises SINT 2 */
};

/* As at power-on. */
void hv_synic_init(struct hv_synic *synic, int irq_fd);
void hv_synic_reset(struct hv_synic *synic);

/* What a guest reads from, or writes to, one of its MSRs.  0; -ENOENT: not an MSR of the SynIC;
 * -EINVAL: #GP, and nothing changed (a page that is not memory, a vector below 16). */
int hv_synic_read(const struct hv_synic *synic, uint32_t msr, uint64_t *ret_value);
int hv_synic_write(struct hv_synic *synic, const struct gpa_map *memory, uint32_t msr,
		   uint64_t value);
/* The same, told by KVM after the fact, and so not checked: a page that is not memory is none. */
void hv_synic_set(struct hv_synic *synic, uint64_t control, uint64_t siefp, uint64_t simp);

/* Puts a message of VMBus into the slot of SINT 2, and interrupts.  0; -EAGAIN: there is one that
 * the guest has not taken yet, or its SynIC is off: hv_synic_wake() will say when to try again;
 * -EMSGSIZE. */
int hv_synic_post(struct hv_synic *synic, const struct gpa_map *memory, const void *msg,
		  size_t size);
/* To be asked after EOM, and after an MSR changed: true, once, if a post() waits for that. */
bool hv_synic_wake(struct hv_synic *synic);

/* Sets event flag 'flag' of SINT 2, and interrupts if it was clear.  0; -ENOENT: the page is off;
 * -EINVAL: no such flag. */
int hv_synic_signal(struct hv_synic *synic, const struct gpa_map *memory, unsigned flag);
/* The guest's address of the 256 bytes of flags of SINT 2.  0, or -ENOENT. */
int hv_synic_flags(const struct hv_synic *synic, const struct gpa_map *memory, uint64_t *ret_gpa);

/* True if a message or a flag stands there: one that was put while SINT 2 was masked. */
bool hv_synic_stands(const struct hv_synic *synic, const struct gpa_map *memory);
/* Raises SINT 2, unless the guest masks it or polls. */
void hv_synic_interrupt(const struct hv_synic *synic);

#endif

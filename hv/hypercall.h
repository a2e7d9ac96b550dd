/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hypercalls: what a guest's registers say, the two that VMBus is made of, and that of PCI. Whoever
 * took the trap (KVM, or our page) gives the registers and carries the status back.
 *
 * Thread: the processor's.  Source: [TLFS] 3 "Hypercall interface", HvCallPostMessage,
 * HvCallSignalEvent, HvCallRetargetDeviceInterrupt.
 */
#ifndef HV_HYPERCALL_H
#define HV_HYPERCALL_H

#include "hv/tlfs.h"

#include <stdbool.h>
#include <stdint.h>

struct gpa_map;
struct hv_mail;
struct hv_retarget;

struct hv_hypercall {
	uint16_t code;
	bool fast; /* input in registers: the two words, not an address and another */
	uint16_t header_words;
	uint16_t reps, first_rep;
	uint64_t input, output;
};

/* Reads the control word (RCX) and the two others (RDX, R8).  HV_STATUS_SUCCESS, or
 * HV_STATUS_INVALID_INPUT: bits are set that must not be. */
uint16_t hv_hypercall_decode(uint64_t control, uint64_t input, uint64_t output,
			     struct hv_hypercall *ret_call);

/* PostMessage: copies the guest's message into a letter to the owner.  A status; on success 'mail'
 * is filled, but for its 'vp'.  Only VMBus's connections are known. */
uint16_t hv_hypercall_message(const struct hv_hypercall *call, const struct gpa_map *memory,
			      struct hv_mail *ret_mail);
/* SignalEvent: the connection id that is meant.  A status. */
uint16_t hv_hypercall_signal(const struct hv_hypercall *call, const struct gpa_map *memory,
			     uint32_t *ret_connection_id);
/* RetargetDeviceInterrupt (device.h): of several processors the first is taken.  A status. */
uint16_t hv_hypercall_retarget(const struct hv_hypercall *call, const struct gpa_map *memory,
			       struct hv_retarget *ret_retarget);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hypercall page where KVM does not do hypercalls, or not all of them: code that a 64-bit guest
 * calls, and that traps by I/O ports, for KVM keeps VMCALL to itself.
 *
 * 	fast SignalEvent of an id below 2^32   'out HV_PORT_SIGNAL, id': KVM_IOEVENTFD takes it
 * 	                                       without leaving the kernel, RAX is 0; or we set RCX
 * 	anything else                          'out HV_PORT_HYPERCALL': we read the registers and
 * 	                                       set RAX
 *
 * It changes RAX, RCX and the flags.  Who writes the ports from elsewhere gets nothing for it: a
 * string instruction there, say, counts in RCX.
 *
 * Source: [TLFS] 3.7, what guests may expect to be clobbered.
 */
#ifndef HV_TRAMPOLINE_H
#define HV_TRAMPOLINE_H

#include <stdbool.h>
#include <stdint.h>

void hv_trampoline_write(uint8_t page[4096]);
/* The page where KVM does hypercalls, but RetargetDeviceInterrupt, which it refuses: that one traps
 * by 'out HV_PORT_HYPERCALL', all others by 'trap', the three bytes of KVM's own (VMCALL or
 * VMMCALL). For 64-bit guests: others have the call's code in another register. */
void hv_trampoline_write_beside(uint8_t page[4096], const uint8_t trap[3]);
/* As hv_trampoline_is_at(), of that page. */
bool hv_trampoline_is_beside(uint64_t rip);
/* True if a processor that trapped by 'port' is in the page, by its RIP: at the instruction, or
 * behind it, which depends on how KVM stepped over it. */
bool hv_trampoline_is_at(uint16_t port, uint64_t rip);

#endif

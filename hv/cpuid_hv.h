/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The CPUID leaves by which a guest finds Hyper-V: what we offer is decided here, bit by bit, and
 * nothing is passed on that this file does not name.
 *
 * Thread: any.  Source: [TLFS] 2 "Feature and interface discovery".
 */
#ifndef HV_CPUID_HV_H
#define HV_CPUID_HV_H

#include <stdint.h>

struct kvm_cpuid_entry2;

/* Leaves 0x40000000 to 0x40000006 where all of it is played here.  'entries' has room for
 * HV_FACE_MAX_LEAVES.  How many were written. */
unsigned hv_cpuid_user(struct kvm_cpuid_entry2 *entries);
/* The same where KVM plays it: of what KVM says it can do (KVM_GET_SUPPORTED_HV_CPUID), what we
 * want. */
unsigned hv_cpuid_kvm(const struct kvm_cpuid_entry2 *supported, unsigned n,
		      struct kvm_cpuid_entry2 *entries);

#endif

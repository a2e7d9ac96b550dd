/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See cpuid_hv.h.
 *
 * Left out on purpose: "create partitions" and "CPU management" make Linux believe that it is the
 * root; "access partition id" makes it call what we do not have; TSC invariance makes it prefer the
 * bare TSC to the reference page, whose offset a move to another host can change.
 */
#include "hv/cpuid_hv.h"

#include "hv/layout.h"
#include "hv/tlfs.h"

#include <string.h>

#include <linux/kvm.h>

/* A version that guests know: that of Windows Server 2022. */
#define BUILD	     20348u
#define MAJOR	     10u
#define SERVICE_PACK 0u

#define NEVER 0xffffffffu /* spin retries before "notify long spin wait" */

/* What we want of KVM. */
#define KVM_MSRS                                                                                   \
	(HV_MAY_VP_RUNTIME | HV_MAY_TIME_REF | HV_MAY_SYNIC | HV_MAY_STIMER | HV_MAY_APIC |        \
	 HV_MAY_HYPERCALL | HV_MAY_VP_INDEX | HV_MAY_RESET | HV_MAY_REFERENCE_TSC |                \
	 HV_MAY_FREQUENCY)
#define KVM_MISC (HV_HAS_XMM_INPUT | HV_HAS_FREQUENCY | HV_HAS_CRASH | HV_HAS_STIMER_DIRECT)
/* Not the MSRs of the APIC: with them a Linux guest in the test host, on KVM without AVIC, lost its
 * timer and its serial port as soon as interrupts came in numbers, an interrupt never being ended.
 */
#define KVM_HINTS                                                                                  \
	(HV_USE_REMOTE_FLUSH | HV_USE_RELAXED_TIMING | HV_USE_CLUSTER_IPI |                        \
	 HV_USE_EX_PROCESSOR_MASKS | HV_USE_NO_CORE_SHARING)

#define USER_MSRS                                                                                  \
	(HV_MAY_TIME_REF | HV_MAY_SYNIC | HV_MAY_HYPERCALL | HV_MAY_VP_INDEX | HV_MAY_RESET |      \
	 HV_MAY_REFERENCE_TSC | HV_MAY_FREQUENCY)
#define USER_MISC (HV_HAS_FREQUENCY | HV_HAS_CRASH)

#define CALLS (HV_MAY_POST_MESSAGES | HV_MAY_SIGNAL_EVENTS)
#define HINTS (HV_USE_RELAXED_TIMING | HV_USE_NO_AUTOEOI)

static void add(struct kvm_cpuid_entry2 *entries, unsigned *n, uint32_t leaf,
		const uint32_t registers[4])
{
	struct kvm_cpuid_entry2 entry = {
		.function = leaf,
		.eax = registers[0],
		.ebx = registers[1],
		.ecx = registers[2],
		.edx = registers[3],
	};

	entries[(*n)++] = entry;
}

#define ADD(leaf, ...) add(entries, &n, leaf, (const uint32_t[4]){__VA_ARGS__})

static unsigned leaves(struct kvm_cpuid_entry2 *entries, uint32_t msrs, uint32_t misc,
		       uint32_t hints, uint32_t spins)
{
	unsigned n = 0;

	ADD(HV_CPUID_VENDOR, HV_CPUID_HARDWARE, 0x7263694du, 0x666f736fu, 0x76482074u);
	ADD(HV_CPUID_INTERFACE, 0x31237648u);
	ADD(HV_CPUID_VERSION, BUILD, MAJOR << 16, SERVICE_PACK);
	ADD(HV_CPUID_FEATURES, msrs, CALLS, 0, misc);
	ADD(HV_CPUID_RECOMMENDATIONS, hints, spins);
	ADD(HV_CPUID_LIMITS, HV_MAX_VPS, HV_MAX_VPS);
	ADD(HV_CPUID_HARDWARE, 0);
	return n;
}

unsigned hv_cpuid_user(struct kvm_cpuid_entry2 *entries)
{
	return leaves(entries, USER_MSRS, USER_MISC, HINTS, NEVER);
}

static struct kvm_cpuid_entry2 find(const struct kvm_cpuid_entry2 *entries, unsigned n,
				    uint32_t leaf)
{
	for (unsigned i = 0; i < n; i++)
		if (entries[i].function == leaf)
			return entries[i];
	return (struct kvm_cpuid_entry2){0};
}

unsigned hv_cpuid_kvm(const struct kvm_cpuid_entry2 *supported, unsigned n,
		      struct kvm_cpuid_entry2 *entries)
{
	struct kvm_cpuid_entry2 has = find(supported, n, HV_CPUID_FEATURES);
	struct kvm_cpuid_entry2 hint = find(supported, n, HV_CPUID_RECOMMENDATIONS);
	uint32_t msrs = has.eax & KVM_MSRS, hints = (hint.eax & KVM_HINTS) | HINTS;

	/* Timers that write messages would race with ours for the slots (docs/limits.md). */
	if ((has.edx & HV_HAS_STIMER_DIRECT) == 0)
		msrs &= ~HV_MAY_STIMER;
	return leaves(entries, msrs, has.edx & KVM_MISC, hints, hint.ebx == 0 ? NEVER : hint.ebx);
}

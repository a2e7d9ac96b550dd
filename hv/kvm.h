/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /dev/kvm, and what this kernel's KVM can do: probed, never told by a version.
 *
 * Thread: any; immutable once opened.  Source: Linux Documentation/virt/kvm/api.rst.
 */
#ifndef HV_KVM_H
#define HV_KVM_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct hv_kvm {
	int fd;
	uint32_t run_size; /* of a processor's shared area */
	unsigned max_vps;
	bool hyperv;	     /* emulates Hyper-V's interface: SynIC, VP index, event descriptors */
	bool stimer_direct;  /* ... and synthetic timers that need no message */
	bool hyperv_tlb_ipi; /* ... and hypercalls for flushes and interrupts between processors */
	bool user_msr;	     /* gives us MSRs that it does not know, and those that we filter */
	bool x2apic_ids;     /* processors beyond 254 */
	bool nested;	     /* guests may run guests */
	bool tsc_stable;     /* invariant, or KVM trusts it for its own clock (partition.c) */
};

/* Opens and probes.  Errors: no such device, not permitted (and what to do), an API that is not 12,
 * a KVM that can do neither Hyper-V's interface nor MSRs in user space. */
int hv_kvm_open(const char *path, struct hv_kvm *ret_kvm, struct err *err);
void hv_kvm_close(struct hv_kvm *kvm);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a processor says it can do: KVM's table, cut to a model, then placed among its siblings.
 * Tables in, tables out; hv_cpuid_set() (vp.h) is the only one that asks KVM.
 *
 * Models: "host" is all that KVM offers; "x86-64-v1" to "-v4" are the levels of the x86-64 psABI,
 * with what makes a guest run well or safely (x2APIC, PCID, SMEP, the answers to speculation ..)
 * where the host has it.  No model has performance counters: nobody virtualizes them here.
 *
 * Thread: any.  Source: Intel SDM volume 2 CPUID; AMD APM volume 3 appendix E; x86-64 psABI 3.1.1.
 */
#ifndef HV_CPUID_H
#define HV_CPUID_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <linux/kvm.h>

#define HV_CPUID_MAX 256 /* KVM's */

/* As KVM_SET_CPUID2 takes it. */
struct hv_cpuid {
	uint32_t n, zero;
	struct kvm_cpuid_entry2 entry[HV_CPUID_MAX];
};

struct hv_cpu_place {
	uint32_t apic_id;
	unsigned n_vps;	  /* processors of the machine, all cores of one socket */
	uint32_t tsc_khz; /* 0: not known */
	bool tsc_deadline;
};

/* The i-th model's name, NULL behind the last. */
const char *hv_cpuid_model(unsigned i);
/* Cuts KVM's table to 'model', in place; KVM's own signature goes too.  'nested': keeps what makes
 * guests of guests.  -EINVAL: no such model; -EOPNOTSUPP: the host lacks what it needs, by name. */
int hv_cpuid_cut(struct hv_cpuid *cpuid, const char *model, bool nested, struct err *err);
/* Writes topology, timer and clock leaves of one processor.  0; -E2BIG: the table is full. */
int hv_cpuid_place(struct hv_cpuid *cpuid, const struct hv_cpu_place *place);
/* The entry, or NULL. */
struct kvm_cpuid_entry2 *hv_cpuid_find(struct hv_cpuid *cpuid, uint32_t function, uint32_t index);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Cuts a table of CPUID leaves to a model; see cpuid.h.
 */
#include "hv/cpuid_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SLUG "vm-cpu"

enum reg { EAX, EBX, ECX, EDX };

static const char *const models[] = {"host", "x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4"};
#define N_MODELS (sizeof(models) / sizeof(models[0]))

/* What a level must have: 'level' is the first that does. */
static const struct feature {
	uint32_t function;
	enum reg reg;
	unsigned bit, level;
	const char *name;
} features[] = {
	{1, EDX, 0, 1, "fpu"},
	{1, EDX, 4, 1, "tsc"},
	{1, EDX, 5, 1, "msr"},
	{1, EDX, 6, 1, "pae"},
	{1, EDX, 8, 1, "cx8"},
	{1, EDX, 15, 1, "cmov"},
	{1, EDX, 23, 1, "mmx"},
	{1, EDX, 24, 1, "fxsr"},
	{1, EDX, 25, 1, "sse"},
	{1, EDX, 26, 1, "sse2"},
	{0x80000001, EDX, 11, 1, "syscall"},
	{0x80000001, EDX, 29, 1, "lm"},
	{1, ECX, 0, 2, "sse3"},
	{1, ECX, 9, 2, "ssse3"},
	{1, ECX, 13, 2, "cx16"},
	{1, ECX, 19, 2, "sse4.1"},
	{1, ECX, 20, 2, "sse4.2"},
	{1, ECX, 23, 2, "popcnt"},
	{0x80000001, ECX, 0, 2, "lahf"},
	{1, ECX, 12, 3, "fma"},
	{1, ECX, 22, 3, "movbe"},
	{1, ECX, 26, 3, "xsave"},
	{1, ECX, 28, 3, "avx"},
	{1, ECX, 29, 3, "f16c"},
	{7, EBX, 3, 3, "bmi1"},
	{7, EBX, 5, 3, "avx2"},
	{7, EBX, 8, 3, "bmi2"},
	{0x80000001, ECX, 5, 3, "lzcnt"},
	{7, EBX, 16, 4, "avx512f"},
	{7, EBX, 17, 4, "avx512dq"},
	{7, EBX, 28, 4, "avx512cd"},
	{7, EBX, 30, 4, "avx512bw"},
	{7, EBX, 31, 4, "avx512vl"},
};
#define N_FEATURES (sizeof(features) / sizeof(features[0]))

/* The words that list features, with those bits that each level has if the host does: how
 * processors are run, timed and kept apart, nothing that programs compute with. */
static const struct word {
	uint32_t function, index;
	enum reg reg;
	uint32_t optional;
} words[] = {
	/* VMX, PCID, x2APIC, TSC deadline, RDRAND, hypervisor */
	{1, 0, ECX, BIT(5) | BIT(17) | BIT(21) | BIT(24) | BIT(30) | BIT(31)},
	/* All up to SSE2 but the debug store, thermal ones and PBE; HTT */
	{1, 0, EDX, 0x078bfbff | BIT(28)},
	{6, 0, EAX, BIT(2)}, /* a LAPIC timer that always runs */
	/* FSGSBASE, TSC_ADJUST, SMEP, ERMS, INVPCID, RDSEED, SMAP, CLFLUSHOPT, CLWB */
	{7, 0, EBX,
	 BIT(0) | BIT(1) | BIT(7) | BIT(9) | BIT(10) | BIT(18) | BIT(20) | BIT(23) | BIT(24)},
	{7, 0, ECX, BIT(2) | BIT(22)}, /* UMIP, RDPID */
	/* FSRM, MD_CLEAR, IBRS, STIBP, L1D flush, ARCH_CAPABILITIES, SSBD */
	{7, 0, EDX, BIT(4) | BIT(10) | BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(31)},
	{7, 2, EDX, 0x3f}, /* speculation controls */
	{0xd, 1, EAX, 7},  /* XSAVEOPT, XSAVEC, XGETBV with 1 */
	/* CMP_LEGACY, SVM, CR8 in 32 bits, misaligned SSE, PREFETCH, TOPOEXT */
	{0x80000001, 0, ECX, BIT(1) | BIT(2) | BIT(4) | BIT(7) | BIT(8) | BIT(22)},
	/* AMD's copy of leaf 1, NX, FXSR_OPT, 1 GB pages, RDTSCP */
	{0x80000001, 0, EDX, 0x0183f3ff | BIT(20) | BIT(22) | BIT(25) | BIT(26) | BIT(27)},
	{0x80000007, 0, EDX, BIT(8)}, /* invariant TSC */
	/* CLZERO, XSAVEERPTR, WBNOINVD, IBPB, IBRS, STIBP .., SSBD .., BTC_NO */
	{0x80000008, 0, EBX, BIT(0) | BIT(2) | BIT(9) | BIT(12) | 0xfu << 14 | 7u << 24 | BIT(29)},
	/* LFENCE serializes, null selectors clear bases, automatic IBRS, what SRSO and TSA need */
	{0x80000021, 0, EAX, BIT(2) | BIT(5) | BIT(6) | BIT(8) | 0x1fu << 27},
	{0x80000021, 0, ECX, BIT(1) | BIT(2)},
};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

/* The leaves that levels have; all others are cut. */
static const uint32_t leaves[] = {
	0,	    1,		2,	    4,		5,	    6,
	7,	    0xb,	0xd,	    0x15,	0x80000000, 0x80000001,
	0x80000002, 0x80000003, 0x80000004, 0x80000005, 0x80000006, 0x80000007,
	0x80000008, 0x8000000a, 0x8000001d, 0x8000001e, 0x80000021,
};
#define N_LEAVES (sizeof(leaves) / sizeof(leaves[0]))

/* State that XSAVE keeps at each level: x87 and SSE, AVX; masks and the upper halves of AVX-512. */
static const uint32_t xcr0[N_MODELS] = {0, 0, 0, 0x7, 0xe7};
#define XSAVE_HEAD 576 /* the area's part that is always there */

const char *hv_cpuid_model(unsigned i)
{
	return i < N_MODELS ? models[i] : NULL;
}

static uint32_t *reg_of(struct kvm_cpuid_entry2 *e, enum reg reg)
{
	switch (reg) {
	case EAX:
		return &e->eax;
	case EBX:
		return &e->ebx;
	case ECX:
		return &e->ecx;
	case EDX:
		break;
	}
	return &e->edx;
}

static uint32_t feature_bit(struct hv_cpuid *cpuid, const struct feature *f)
{
	struct kvm_cpuid_entry2 *e = hv_cpuid_find(cpuid, f->function, 0);

	return e != NULL ? *reg_of(e, f->reg) & BIT(f->bit) : 0;
}

static int check_level(struct hv_cpuid *cpuid, unsigned level, struct err *err)
{
	char lacks[200] = "";
	size_t at = 0;

	for (size_t i = 0; i < N_FEATURES; i++) {
		if (features[i].level > level || feature_bit(cpuid, &features[i]) != 0)
			continue;
		if (at < sizeof(lacks))
			at += (size_t)snprintf(lacks + at, sizeof(lacks) - at, "%s%s",
					       at > 0 ? ", " : "", features[i].name);
	}
	if (at == 0)
		return 0;
	err_set(err, -EOPNOTSUPP, SLUG, "CPU model %s cannot be had here", models[level]);
	err_why(err, "this host lacks %s", lacks);
	return -EOPNOTSUPP;
}

static uint32_t word_mask(const struct word *w, unsigned level)
{
	uint32_t mask = w->optional;

	for (size_t i = 0; i < N_FEATURES; i++)
		if (features[i].level <= level && features[i].function == w->function &&
		    features[i].reg == w->reg && w->index == 0)
			mask |= BIT(features[i].bit);
	return mask;
}

static bool level_has_leaf(uint32_t function, unsigned level)
{
	if (function == 0xd && xcr0[level] == 0)
		return false;
	for (size_t i = 0; i < N_LEAVES; i++)
		if (leaves[i] == function)
			return true;
	return false;
}

/* In words that list features the rest goes; leaves whose words nobody lists go whole. */
static void cut_words(struct hv_cpuid *cpuid, unsigned level)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < cpuid->n; i++) {
		if (!level_has_leaf(cpuid->entry[i].function, level) ||
		    (cpuid->entry[i].function == 7 && cpuid->entry[i].index == 1))
			continue;
		cpuid->entry[kept++] = cpuid->entry[i];
	}
	cpuid->n = kept;
	for (size_t i = 0; i < N_WORDS; i++) {
		struct kvm_cpuid_entry2 *e =
			hv_cpuid_find(cpuid, words[i].function, words[i].index);

		if (e != NULL)
			*reg_of(e, words[i].reg) &= word_mask(&words[i], level);
	}
}

/* Keeps the parts of the XSAVE area that 'mask' names, and says how large that makes it. */
static void cut_xsave(struct hv_cpuid *cpuid, uint32_t mask)
{
	struct kvm_cpuid_entry2 *head = hv_cpuid_find(cpuid, 0xd, 0);
	struct kvm_cpuid_entry2 *more = hv_cpuid_find(cpuid, 0xd, 1);
	uint32_t size = XSAVE_HEAD;
	unsigned kept = 0;

	if (head == NULL)
		return;
	head->eax &= mask;
	head->edx = 0;
	if (more != NULL)
		more->ecx = more->edx = 0;
	for (unsigned i = 0; i < cpuid->n; i++) {
		const struct kvm_cpuid_entry2 *e = &cpuid->entry[i];

		if (e->function == 0xd && e->index >= 2) {
			if (e->index >= 32 || (mask & BIT(e->index)) == 0)
				continue;
			if (e->ebx + e->eax > size)
				size = e->ebx + e->eax;
		}
		cpuid->entry[kept++] = *e;
	}
	cpuid->n = kept;
	head = hv_cpuid_find(cpuid, 0xd, 0);
	head->ebx = head->ecx = size;
}

static void clear(struct hv_cpuid *cpuid, uint32_t function, enum reg reg, uint32_t bits)
{
	struct kvm_cpuid_entry2 *e = hv_cpuid_find(cpuid, function, 0);

	if (e != NULL)
		*reg_of(e, reg) &= ~bits;
}

/* Performance counters and what samples with them. */
static void cut_pmu(struct hv_cpuid *cpuid)
{
	hv_cpuid_drop(cpuid, 0xa, 0xa);
	hv_cpuid_drop(cpuid, 0x14, 0x14);
	hv_cpuid_drop(cpuid, 0x1c, 0x1c);
	hv_cpuid_drop(cpuid, 0x23, 0x23);
	hv_cpuid_drop(cpuid, 0x8000001b, 0x8000001c);
	hv_cpuid_drop(cpuid, 0x80000022, 0x80000022);
	clear(cpuid, 1, ECX, BIT(15) | BIT(2)); /* PDCM, 64-bit debug store */
	clear(cpuid, 1, EDX, BIT(21));		/* debug store */
	clear(cpuid, 7, EBX, BIT(25));		/* processor trace */
	clear(cpuid, 7, EDX, BIT(19));		/* last branches */
	clear(cpuid, 0x80000001, ECX, BIT(10) | BIT(15) | BIT(23) | BIT(24) | BIT(28));
}

static void cut_nested(struct hv_cpuid *cpuid)
{
	hv_cpuid_drop(cpuid, 0x8000000a, 0x8000000a);
	clear(cpuid, 1, ECX, BIT(5));
	clear(cpuid, 0x80000001, ECX, BIT(2));
}

static int check_nested(struct hv_cpuid *cpuid, struct err *err)
{
	struct kvm_cpuid_entry2 *intel = hv_cpuid_find(cpuid, 1, 0);
	struct kvm_cpuid_entry2 *amd = hv_cpuid_find(cpuid, 0x80000001, 0);

	if ((intel != NULL && (intel->ecx & BIT(5)) != 0) ||
	    (amd != NULL && (amd->ecx & BIT(2)) != 0))
		return 0;
	err_set(err, -EOPNOTSUPP, SLUG, "nested virtualization cannot be had here");
	err_why(err, "this host's KVM does not give it to guests");
	err_fix(err, "load kvm_intel or kvm_amd with nested=1");
	return -EOPNOTSUPP;
}

int hv_cpuid_cut(struct hv_cpuid *cpuid, const char *model, bool nested, struct err *err)
{
	unsigned level = 0;
	int rc;

	while (level < N_MODELS && strcmp(model, models[level]) != 0)
		level++;
	if (level == N_MODELS)
		return err_set(err, -EINVAL, SLUG,
			       "no CPU model '%s': host, or x86-64-v1 to x86-64-v4", model);
	rc = nested ? check_nested(cpuid, err) : 0;
	if (rc == 0)
		rc = check_level(cpuid, level, err);
	if (rc != 0)
		return rc;
	hv_cpuid_drop(cpuid, 0x40000000, 0x4fffffff);
	cut_pmu(cpuid);
	if (!nested)
		cut_nested(cpuid);
	if (level == 0)
		return 0;
	cut_words(cpuid, level);
	cut_xsave(cpuid, xcr0[level]);
	return 0;
}

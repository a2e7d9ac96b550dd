/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A processor's place in CPUID, and handing the table to KVM; see cpuid.h.
 */
#include "hv/cpuid_priv.h"
#include "hv/vp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define SLUG		"vm-cpu"
#define AUTHENTIC_AMD	0x68747541u /* leaf 0 EBX: "Auth" */
#define HYGON_GENUINE	0x6f677948u /* "Hygo" */
#define GENUINE_INTEL	0x756e6547u /* "Genu" */
#define KVM_APIC_BUS_HZ 1000000000u /* a LAPIC timer's clock in KVM */
#define LEVEL_THREAD	1u
#define LEVEL_CORE	2u

struct kvm_cpuid_entry2 *hv_cpuid_find(struct hv_cpuid *cpuid, uint32_t function, uint32_t index)
{
	for (unsigned i = 0; i < cpuid->n; i++)
		if (cpuid->entry[i].function == function && cpuid->entry[i].index == index)
			return &cpuid->entry[i];
	return NULL;
}

void hv_cpuid_drop(struct hv_cpuid *cpuid, uint32_t first, uint32_t last)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < cpuid->n; i++)
		if (cpuid->entry[i].function < first || cpuid->entry[i].function > last)
			cpuid->entry[kept++] = cpuid->entry[i];
	cpuid->n = kept;
}

static int add(struct hv_cpuid *cpuid, const struct kvm_cpuid_entry2 *entry)
{
	if (cpuid->n == HV_CPUID_MAX)
		return -E2BIG;
	cpuid->entry[cpuid->n++] = *entry;
	return 0;
}

static uint32_t vendor(struct hv_cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *e = hv_cpuid_find(cpuid, 0, 0);

	return e != NULL ? e->ebx : 0;
}

static bool is_amd(struct hv_cpuid *cpuid)
{
	return vendor(cpuid) == AUTHENTIC_AMD || vendor(cpuid) == HYGON_GENUINE;
}

/* Bits of an APIC id that tell 'n' processors apart. */
static unsigned id_bits(unsigned n)
{
	unsigned bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

static void place_leaf1(struct hv_cpuid *cpuid, const struct hv_cpu_place *place)
{
	struct kvm_cpuid_entry2 *e = hv_cpuid_find(cpuid, 1, 0);

	if (e == NULL)
		return;
	e->ebx = (e->ebx & 0xffff) | 1u << id_bits(place->n_vps) << 16 | place->apic_id << 24;
	e->ecx |= BIT(31) | BIT(21);	/* a hypervisor; x2APIC, which KVM's LAPIC always has */
	e->ecx &= ~(BIT(27) | BIT(24)); /* OSXSAVE: KVM follows CR4 */
	e->ecx |= place->tsc_deadline ? BIT(24) : 0;
	e->edx = place->n_vps > 1 ? e->edx | BIT(28) : e->edx & ~BIT(28);
}

/* Who shares the caches: those of level 3 all, others nobody.  Leaf 4 is Intel's; AMD's has the
 * same fields. */
static void place_caches(struct hv_cpuid *cpuid, const struct hv_cpu_place *place)
{
	uint32_t all = (1u << id_bits(place->n_vps)) - 1;

	for (unsigned i = 0; i < cpuid->n; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entry[i];
		uint32_t level = e->eax >> 5 & 7, sharing = level >= 3 ? all : 0;

		if ((e->function != 4 && e->function != 0x8000001d) || (e->eax & 0x1f) == 0)
			continue;
		e->eax = (e->eax & 0x3fff) | sharing << 14;
		if (e->function == 4)
			e->eax |= all << 26;
	}
}

/* The extended topology: one thread a core, all cores in one package. */
static int place_topology(struct hv_cpuid *cpuid, const struct hv_cpu_place *place)
{
	struct kvm_cpuid_entry2 e = {.function = 0xb,
				     .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
				     .edx = place->apic_id};
	struct kvm_cpuid_entry2 *max = hv_cpuid_find(cpuid, 0, 0);
	int rc;

	hv_cpuid_drop(cpuid, 0xb, 0xb);
	hv_cpuid_drop(cpuid, 0x1f, 0x1f);
	hv_cpuid_drop(cpuid, 0x80000026, 0x80000026);
	max = hv_cpuid_find(cpuid, 0, 0);
	if (max != NULL && max->eax < 0xb)
		max->eax = 0xb;
	e.ebx = 1;
	e.ecx = LEVEL_THREAD << 8;
	rc = add(cpuid, &e);
	e.index = 1;
	e.eax = id_bits(place->n_vps);
	e.ebx = place->n_vps;
	e.ecx = LEVEL_CORE << 8 | 1;
	return rc == 0 ? add(cpuid, &e) : rc;
}

static void place_amd(struct hv_cpuid *cpuid, const struct hv_cpu_place *place)
{
	struct kvm_cpuid_entry2 *sizes = hv_cpuid_find(cpuid, 0x80000008, 0);
	struct kvm_cpuid_entry2 *features = hv_cpuid_find(cpuid, 0x80000001, 0);
	struct kvm_cpuid_entry2 *ids = hv_cpuid_find(cpuid, 0x8000001e, 0);

	if (sizes != NULL)
		sizes->ecx = id_bits(place->n_vps) << 12 | (place->n_vps - 1);
	if (features != NULL)
		features->ecx = place->n_vps > 1 ? features->ecx | BIT(1) : features->ecx & ~BIT(1);
	if (ids != NULL && features != NULL && (features->ecx & BIT(22)) != 0) {
		ids->eax = place->apic_id;
		ids->ebx = place->apic_id & 0xff; /* the core; one thread each */
		ids->ecx = ids->edx = 0;	  /* node 0 of one */
	}
}

/* So that Intel guests need not measure it.  The crystal is KVM's APIC clock, which they take the
 * timer's from. */
static int place_tsc(struct hv_cpuid *cpuid, const struct hv_cpu_place *place)
{
	const struct kvm_cpuid_entry2 *max = hv_cpuid_find(cpuid, 0, 0);
	struct kvm_cpuid_entry2 e = {.function = 0x15,
				     .eax = KVM_APIC_BUS_HZ / 1000,
				     .ebx = place->tsc_khz,
				     .ecx = KVM_APIC_BUS_HZ};

	hv_cpuid_drop(cpuid, 0x15, 0x16);
	if (max == NULL || max->ebx != GENUINE_INTEL || max->eax < 0x15 || place->tsc_khz == 0)
		return 0;
	return add(cpuid, &e);
}

int hv_cpuid_place(struct hv_cpuid *cpuid, const struct hv_cpu_place *place)
{
	int rc;

	place_leaf1(cpuid, place);
	place_caches(cpuid, place);
	if (is_amd(cpuid))
		place_amd(cpuid, place);
	rc = place_topology(cpuid, place);
	return rc == 0 ? place_tsc(cpuid, place) : rc;
}

/* All of it for one processor, into 'cpuid'. */
static int build(struct hv_vp *vp, struct hv_cpuid *cpuid, struct err *err)
{
	struct hv_partition *partition = vp->partition;
	struct hv_cpu_place place = {
		.apic_id = vp->index,
		.n_vps = partition->n_vps,
		.tsc_khz = partition->tsc_khz,
		.tsc_deadline = ioctl(partition->kvm.fd, KVM_CHECK_EXTENSION,
				      KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};
	int rc;

	cpuid->n = HV_CPUID_MAX;
	if (ioctl(partition->kvm.fd, KVM_GET_SUPPORTED_CPUID, cpuid) != 0)
		return err_set(err, -errno, SLUG, "KVM does not say what processors can: %s",
			       strerror(errno));
	rc = hv_cpuid_cut(cpuid, partition->cpu, partition->nested, err);
	if (rc != 0)
		return rc;
	rc = hv_cpuid_place(cpuid, &place);
	if (rc == 0 && cpuid->n > HV_CPUID_MAX - HV_FACE_MAX_LEAVES)
		rc = -E2BIG;
	if (rc == 0)
		rc = partition->face_ops->cpuid(partition, &cpuid->entry[cpuid->n]);
	if (rc < 0)
		return err_set(err, rc, SLUG, "cannot say what processors can: %s", strerror(-rc));
	cpuid->n += (unsigned)rc;
	return 0;
}

int hv_cpuid_set(struct hv_vp *vp, struct err *err)
{
	struct hv_cpuid *cpuid = calloc(1, sizeof(*cpuid));
	int rc;

	if (cpuid == NULL)
		return err_set(err, -ENOMEM, SLUG, "out of memory");
	rc = build(vp, cpuid, err);
	if (rc == 0 && ioctl(vp->fd, KVM_SET_CPUID2, cpuid) != 0)
		rc = err_set(err, -errno, SLUG, "KVM refuses the processor: %s", strerror(errno));
	free(cpuid);
	return rc;
}

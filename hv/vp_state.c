/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A processor's registers: kept as KVM made them, and put back for a reset.  KVM knows what
 * power-on looks like on each kind of processor; so nothing of that is written down here, but where
 * a kernel starts.
 */
#include "hv/tlfs.h"
#include "hv/vp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define SLUG	   "vm-processor"
#define MSR_TSC	   0x10u /* kept by its offset, so that processors agree */
#define MSR_MTRR   0x2ffu
#define MTRR_WB	   0x806ull /* on; all memory is cached */
#define CR0_PE	   0x1ull
#define CR0_ET	   0x10ull
#define CR0_NE	   0x20ull
#define CR0_PG	   0x80000000ull
#define CR4_PAE	   0x20ull
#define EFER_LME   0x100ull
#define EFER_LMA   0x400ull
#define RFLAGS_1   0x2ull
#define SEL_CODE   0x10u /* Linux' boot selectors */
#define SEL_DATA   0x18u
#define SEL_TSS	   0x20u
#define NESTED_MAX 16384u

struct hv_vp_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	bool has_xcrs, has_tsc_offset, has_nested;
	uint64_t tsc_offset;
	void *xsave;
	struct kvm_nested_state *nested;
	struct kvm_msrs *msrs;
};

static int fail(struct err *err, const char *what)
{
	int code = errno;

	return err_set(err, -code, SLUG, "KVM refuses a processor's %s: %s", what, strerror(code));
}

static int has(struct hv_vp *vp, int cap)
{
	int rc = ioctl(vp->partition->fd, KVM_CHECK_EXTENSION, cap);

	return rc < 0 ? 0 : rc;
}

/* ---- keeping ---- */

/* Hyper-V's are the face's, for they depend on each other. */
static bool is_kept(uint32_t msr)
{
	return msr != MSR_TSC && (msr < HV_MSR_FIRST || msr - HV_MSR_FIRST >= HV_MSR_N);
}

/* The MSRs that KVM says make up a processor's state. */
static struct kvm_msrs *list_msrs(struct hv_vp *vp)
{
	struct kvm_msr_list none = {0}, *list;
	struct kvm_msrs *msrs;

	(void)ioctl(vp->partition->kvm.fd, KVM_GET_MSR_INDEX_LIST, &none);
	list = calloc(1, sizeof(*list) + none.nmsrs * sizeof(list->indices[0]));
	msrs = calloc(1, sizeof(*msrs) + none.nmsrs * sizeof(msrs->entries[0]));
	if (list != NULL && msrs != NULL) {
		list->nmsrs = none.nmsrs;
		if (ioctl(vp->partition->kvm.fd, KVM_GET_MSR_INDEX_LIST, list) != 0)
			list->nmsrs = 0;
		for (uint32_t i = 0; i < list->nmsrs; i++)
			if (is_kept(list->indices[i]))
				msrs->entries[msrs->nmsrs++].index = list->indices[i];
	}
	if (list == NULL) {
		free(msrs);
		msrs = NULL;
	}
	free(list);
	return msrs;
}

static void drop_msr(struct kvm_msrs *msrs, uint32_t i)
{
	memmove(&msrs->entries[i], &msrs->entries[i + 1],
		(msrs->nmsrs - i - 1) * sizeof(msrs->entries[0]));
	msrs->nmsrs--;
}

/* Reads or writes them all; KVM stops at the first that it does not have (or does not let be
 * written), which is dropped. */
static int all_msrs(struct hv_vp *vp, unsigned long request, struct kvm_msrs *msrs)
{
	while (msrs->nmsrs > 0) {
		int n = ioctl(vp->fd, request, msrs);

		if (n < 0)
			return -errno;
		if ((uint32_t)n >= msrs->nmsrs)
			return 0;
		drop_msr(msrs, (uint32_t)n);
	}
	return 0;
}

static int tsc_offset(struct hv_vp *vp, unsigned long request, uint64_t *offset)
{
#ifdef KVM_VCPU_TSC_CTRL
	struct kvm_device_attr attr = {.group = KVM_VCPU_TSC_CTRL,
				       .attr = KVM_VCPU_TSC_OFFSET,
				       .addr = (uint64_t)(uintptr_t)offset};

	return ioctl(vp->fd, request, &attr);
#else
	return -1;
#endif
}

static void keep_nested(struct hv_vp *vp, struct hv_vp_state *s)
{
	int size = has(vp, KVM_CAP_NESTED_STATE);

	if (size < (int)sizeof(*s->nested) || size > (int)NESTED_MAX)
		return;
	s->nested = calloc(1, (size_t)size);
	if (s->nested == NULL)
		return;
	s->nested->size = (uint32_t)size;
	s->has_nested = ioctl(vp->fd, KVM_GET_NESTED_STATE, s->nested) == 0;
}

static int keep_all(struct hv_vp *vp, struct hv_vp_state *s, struct err *err)
{
	int xsave_size = has(vp, KVM_CAP_XSAVE2);
	bool large = xsave_size > (int)sizeof(struct kvm_xsave);

	s->xsave = calloc(1, large ? (size_t)xsave_size : sizeof(struct kvm_xsave));
	s->msrs = list_msrs(vp);
	if (s->xsave == NULL || s->msrs == NULL)
		return err_set(err, -ENOMEM, SLUG, "out of memory");
	if (ioctl(vp->fd, KVM_GET_REGS, &s->regs) != 0 ||
	    ioctl(vp->fd, KVM_GET_SREGS, &s->sregs) != 0 ||
	    ioctl(vp->fd, KVM_GET_LAPIC, &s->lapic) != 0 ||
	    ioctl(vp->fd, KVM_GET_VCPU_EVENTS, &s->events) != 0 ||
	    ioctl(vp->fd, KVM_GET_DEBUGREGS, &s->debugregs) != 0 ||
	    ioctl(vp->fd, KVM_GET_MP_STATE, &s->mp_state) != 0 ||
	    ioctl(vp->fd, large ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, s->xsave) != 0)
		return fail(err, "registers");
	s->has_xcrs = has(vp, KVM_CAP_XCRS) > 0 && ioctl(vp->fd, KVM_GET_XCRS, &s->xcrs) == 0;
	s->has_tsc_offset = tsc_offset(vp, KVM_GET_DEVICE_ATTR, &s->tsc_offset) == 0;
	keep_nested(vp, s);
	return all_msrs(vp, KVM_GET_MSRS, s->msrs) == 0 ? 0 : fail(err, "MSRs");
}

/* As firmware leaves it: else all memory is uncached by the letter, and Linux does without
 * write-combining.  KVM does not list these among its MSRs; where it has none, none is needed. */
static void set_memory_types(struct hv_vp *vp)
{
	union {
		struct kvm_msrs msrs;
		uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} mtrr = {.bytes = {0}};

	mtrr.msrs.nmsrs = 1;
	mtrr.msrs.entries[0] = (struct kvm_msr_entry){.index = MSR_MTRR, .data = MTRR_WB};
	(void)ioctl(vp->fd, KVM_SET_MSRS, &mtrr.msrs);
}

int hv_vp_keep(struct hv_vp *vp, struct err *err)
{
	set_memory_types(vp);
	vp->power_on = calloc(1, sizeof(*vp->power_on));
	if (vp->power_on == NULL)
		return err_set(err, -ENOMEM, SLUG, "out of memory");
	return keep_all(vp, vp->power_on, err);
}

void hv_vp_forget(struct hv_vp *vp)
{
	if (vp->power_on == NULL)
		return;
	free(vp->power_on->xsave);
	free(vp->power_on->nested);
	free(vp->power_on->msrs);
	free(vp->power_on);
	vp->power_on = NULL;
}

/* ---- putting back ---- */

/* The order matters: out of a nested guest first, the APIC's base before its registers, what is
 * pending last. */
int hv_vp_reset(struct hv_vp *vp, struct err *err)
{
	struct hv_vp_state *s = vp->power_on;

	vp->run->kvm_dirty_regs = 0;
	if (s->has_nested && ioctl(vp->fd, KVM_SET_NESTED_STATE, s->nested) != 0)
		return fail(err, "nested state");
	if (ioctl(vp->fd, KVM_SET_MP_STATE, &s->mp_state) != 0 ||
	    ioctl(vp->fd, KVM_SET_SREGS, &s->sregs) != 0 ||
	    ioctl(vp->fd, KVM_SET_REGS, &s->regs) != 0)
		return fail(err, "registers");
	if ((s->has_xcrs && ioctl(vp->fd, KVM_SET_XCRS, &s->xcrs) != 0) ||
	    ioctl(vp->fd, KVM_SET_XSAVE, s->xsave) != 0 ||
	    ioctl(vp->fd, KVM_SET_DEBUGREGS, &s->debugregs) != 0)
		return fail(err, "extended registers");
	if (all_msrs(vp, KVM_SET_MSRS, s->msrs) != 0)
		return fail(err, "MSRs");
	set_memory_types(vp);
	if (s->has_tsc_offset)
		(void)tsc_offset(vp, KVM_SET_DEVICE_ATTR, &s->tsc_offset);
	if (ioctl(vp->fd, KVM_SET_LAPIC, &s->lapic) != 0)
		return fail(err, "LAPIC");
	if (ioctl(vp->fd, KVM_SET_VCPU_EVENTS, &s->events) != 0 ||
	    ioctl(vp->fd, KVM_SET_MP_STATE, &s->mp_state) != 0)
		return fail(err, "pending events");
	return 0;
}

/* ---- where a kernel starts ---- */

static struct kvm_segment code_segment(bool long_mode)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = SEL_CODE,
		.type = 11, /* execute, read, accessed */
		.present = 1,
		.s = 1,
		.g = 1,
		.l = long_mode,
		.db = !long_mode,
	};
}

static struct kvm_segment data_segment(void)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = SEL_DATA,
		.type = 3, /* read, write, accessed */
		.present = 1,
		.s = 1,
		.g = 1,
		.db = 1,
	};
}

static void start_sregs(struct kvm_sregs *s, const struct hv_start *start)
{
	bool long_mode = start->cr3 != 0;

	s->cs = code_segment(long_mode);
	s->ds = s->es = s->fs = s->gs = s->ss = data_segment();
	s->tr = (struct kvm_segment){.limit = 0x67, .selector = SEL_TSS, .type = 11, .present = 1};
	s->ldt = (struct kvm_segment){.unusable = 1};
	s->gdt = (struct kvm_dtable){.base = start->gdt,
				     .limit = start->gdt_size > 0 ? (uint16_t)(start->gdt_size - 1)
								  : 0};
	s->idt = (struct kvm_dtable){0};
	s->cr0 = CR0_PE | CR0_ET | (long_mode ? CR0_PG | CR0_NE : 0);
	s->cr3 = start->cr3;
	s->cr4 = long_mode ? CR4_PAE : 0;
	s->efer = long_mode ? EFER_LME | EFER_LMA : 0;
}

int hv_vp_start(struct hv_vp *vp, const struct hv_start *start, struct err *err)
{
	struct kvm_sregs sregs = vp->power_on->sregs;
	struct kvm_regs regs = {
		.rip = start->rip,
		.rsp = start->rsp,
		.rsi = start->rsi,
		.rbx = start->rbx,
		.rflags = RFLAGS_1,
	};

	start_sregs(&sregs, start);
	if (ioctl(vp->fd, KVM_SET_SREGS, &sregs) != 0 || ioctl(vp->fd, KVM_SET_REGS, &regs) != 0)
		return fail(err, "start registers");
	return 0;
}

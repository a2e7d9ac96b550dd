/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hyper-V as KVM plays it: SynIC, MSRs, clock, timers, hypercalls for flushes and interrupts
 * between processors are in the kernel.  We are told where the SynIC's pages are (KVM_EXIT_HYPERV
 * SYNIC) and fill them; we get PostMessage (HCALL); signals are event descriptors that KVM looks up
 * by connection id, and our interrupts are descriptors on a route to a SINT.
 *
 * Three MSRs are taken from KVM, for it keeps to itself what we must know:
 *
 * 	EOM        written: there may be room for a message again.  Handed on to KVM afterwards.
 * 	CRASH_CTL  KVM drops the bit that says that there is a text.
 * 	HYPERCALL  written: KVM fills the page, and we give it a way past KVM for the one call that
 * 	           KVM refuses and PCI functions want (trampoline.h).
 *
 * Threads: face.h.  Source: Linux Documentation/virt/kvm/api.rst, arch/x86/kvm/hyperv.c.
 */
#include "hv/face_priv.h"

#include "hv/cpuid_hv.h"
#include "hv/crash.h"
#include "hv/trampoline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define SLUG	   "hyper-v"
#define MAX_LEAVES 32

static bool usable(const struct hv_kvm *kvm)
{
	return kvm->hyperv && kvm->user_msr;
}

static int init(struct hv_partition *partition, struct err *err)
{
	static const struct hv_face_filter taken[] = {
		{HV_MSR_HYPERCALL, 1, KVM_MSR_FILTER_WRITE},
		{HV_MSR_EOM, 1, KVM_MSR_FILTER_WRITE},
		{HV_MSR_CRASH_CTL, 1, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE},
	};

	return hv_face_take_msrs(partition, taken, sizeof(taken) / sizeof(taken[0]), err);
}

static void fini(struct hv_partition *partition)
{
}

static int enable(const struct hv_vp *vp, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap enable_cap = {.cap = cap, .args = {arg}};

	return ioctl(vp->fd, KVM_ENABLE_CAP, &enable_cap) < 0 ? -errno : 0;
}

/* KVM knows which SINT is masked; our copy must not say so. */
static void unmask(struct hv_vp *vp)
{
	hv_face_vp(vp)->synic.sint[HV_VMBUS_SINT] = 0;
}

static int vp_init(struct hv_vp *vp, struct err *err)
{
	struct kvm_irq_routing_entry route = {
		.gsi = HV_GSI_SINT(vp->index),
		.type = KVM_IRQ_ROUTING_HV_SINT,
		.u.hv_sint = {.vcpu = vp->index, .sint = HV_VMBUS_SINT},
	};
	int rc = enable(vp, KVM_CAP_HYPERV_SYNIC2, 0);

	if (rc == 0)
		rc = hv_face_set_msr(vp, HV_MSR_VP_INDEX, vp->index);
	if (rc == 0) /* KVM makes a SynIC that is switched on. */
		rc = hv_face_set_msr(vp, HV_MSR_SCONTROL, 0);
	if (rc == 0)
		rc = hv_irq_route(vp->partition, route.gsi, &route);
	if (rc < 0)
		return err_set(err, rc, SLUG, "KVM gives processor %u no SynIC: %s", vp->index,
			       strerror(-rc));
	/* Newer kernels hold the guest to what CPUID says. */
	(void)enable(vp, KVM_CAP_HYPERV_ENFORCE_CPUID, 1);
	rc = hv_face_vp_init(vp, err);
	if (rc == 0)
		unmask(vp);
	return rc;
}

static int cpuid(struct hv_partition *partition, struct kvm_cpuid_entry2 *entries)
{
	struct kvm_cpuid2 *all = calloc(1, sizeof(*all) + MAX_LEAVES * sizeof(all->entries[0]));
	int rc;

	if (all == NULL)
		return -ENOMEM;
	all->nent = MAX_LEAVES;
	rc = ioctl(partition->kvm.fd, KVM_GET_SUPPORTED_HV_CPUID, all);
	if (rc < 0) { /* Before Linux 5.11 a processor has to be asked. */
		all->nent = MAX_LEAVES;
		rc = ioctl(partition->vp[0].fd, KVM_GET_SUPPORTED_HV_CPUID, all);
	}
	rc = rc < 0 ? -errno : (int)hv_cpuid_kvm(all->entries, all->nent, entries);
	free(all);
	return rc;
}

static void hypercall(struct hv_vp *vp, struct kvm_hyperv_exit *hyperv)
{
	struct hv_hypercall call;
	uint16_t status = hv_hypercall_decode(hyperv->u.hcall.input, hyperv->u.hcall.params[0],
					      hyperv->u.hcall.params[1], &call);

	if (status != HV_STATUS_SUCCESS)
		;
	else if (call.code == HV_CALL_POST_MESSAGE)
		status = hv_face_message(vp, &call);
	else if (call.code == HV_CALL_SIGNAL_EVENT) /* KVM has looked: nobody listens. */
		status = HV_STATUS_INVALID_CONNECTION_ID;
	else
		status = HV_STATUS_INVALID_CODE;
	hyperv->u.hcall.result = status;
}

static bool hyperv_exit(struct hv_vp *vp, struct kvm_hyperv_exit *hyperv)
{
	if (hyperv->type == KVM_EXIT_HYPERV_SYNIC) {
		hv_synic_set(&hv_face_vp(vp)->synic, hyperv->u.synic.control,
			     hyperv->u.synic.evt_page, hyperv->u.synic.msg_page);
		hv_face_moved(vp);
	} else if (hyperv->type == KVM_EXIT_HYPERV_HCALL) {
		hypercall(vp, hyperv);
	}
	return true;
}

static void crash(struct hv_vp *vp, uint64_t control)
{
	uint64_t parameters[5] = {0};

	for (unsigned i = 0; i < 5; i++)
		(void)hv_face_get_msr(vp, HV_MSR_CRASH_P0 + i, &parameters[i]);
	hv_crash_report(vp, parameters, control);
}

static bool is_64_bit(const struct hv_vp *vp)
{
	struct kvm_sregs sregs;

	return ioctl(vp->fd, KVM_GET_SREGS, &sregs) == 0 && sregs.cs.l != 0;
}

/* VMCALL or VMMCALL, as KVM puts it first. */
static bool is_trap(const uint8_t *code)
{
	return code[0] == 0x0f && code[1] == 0x01 && (code[2] == 0xc1 || code[2] == 0xd9);
}

/* 0; negative: #GP. */
static int write_hypercall(const struct hv_vp *vp, uint64_t value)
{
	int rc = hv_face_set_msr(vp, HV_MSR_HYPERCALL, value);
	uint64_t has = 0;
	uint8_t *page;

	/* Without an identity KVM does not switch it on. */
	if (rc == 0)
		rc = hv_face_get_msr(vp, HV_MSR_HYPERCALL, &has);
	if (rc != 0 || has != value || (value & HV_HYPERCALL_ENABLE) == 0)
		return rc;
	page = gpa_page(&vp->partition->memory.map, value >> HV_MSR_PAGE_SHIFT);
	if (page != NULL && is_trap(page) && is_64_bit(vp))
		hv_trampoline_write_beside(page, page);
	return 0;
}

static bool wrmsr_exit(struct hv_vp *vp, struct kvm_run *run)
{
	run->msr.error = 0;
	if (run->msr.index == HV_MSR_EOM) {
		hv_face_wake(vp);
		(void)hv_face_set_msr(vp, HV_MSR_EOM, run->msr.data);
	} else if (run->msr.index == HV_MSR_CRASH_CTL) {
		crash(vp, run->msr.data);
	} else if (run->msr.index == HV_MSR_HYPERCALL) {
		run->msr.error = write_hypercall(vp, run->msr.data) != 0;
	} else {
		run->msr.error = 1;
	}
	return true;
}

static bool rdmsr_exit(struct kvm_run *run)
{
	run->msr.error = run->msr.index != HV_MSR_CRASH_CTL;
	run->msr.data = HV_CRASH_NOTIFY | HV_CRASH_TEXT;
	return true;
}

static uint16_t call_beside(struct hv_vp *vp, const struct kvm_regs *regs)
{
	struct hv_hypercall call;
	uint16_t status = hv_hypercall_decode(regs->rcx, regs->rdx, regs->r8, &call);

	if (status != HV_STATUS_SUCCESS)
		return status;
	return call.code == HV_CALL_RETARGET ? hv_face_retarget(vp, &call) : HV_STATUS_INVALID_CODE;
}

/* A call that does not go by KVM.  As with face_user.c, RIP must be written back as it is. */
static bool port_exit(struct hv_vp *vp, const struct kvm_run *run)
{
	struct kvm_regs regs;

	if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 || run->io.count != 1 ||
	    run->io.port != HV_PORT_HYPERCALL)
		return false;
	if (ioctl(vp->fd, KVM_GET_REGS, &regs) < 0 || !hv_trampoline_is_beside(regs.rip))
		return false;
	regs.rax = call_beside(vp, &regs);
	(void)ioctl(vp->fd, KVM_SET_REGS, &regs);
	return true;
}

/* What the guest asked KVM for, by MSR. */
static bool system_exit(struct hv_vp *vp, struct kvm_run *run)
{
	if (run->system_event.type == KVM_SYSTEM_EVENT_RESET)
		(void)hv_vp_mail(vp, HV_MAIL_RESET);
	else if (run->system_event.type == KVM_SYSTEM_EVENT_CRASH)
		crash(vp, HV_CRASH_NOTIFY);
	else
		return false;
	return true;
}

static bool take_exit(struct hv_vp *vp)
{
	switch (vp->run->exit_reason) {
	case KVM_EXIT_HYPERV:
		return hyperv_exit(vp, &vp->run->hyperv);
	case KVM_EXIT_X86_WRMSR:
		return wrmsr_exit(vp, vp->run);
	case KVM_EXIT_X86_RDMSR:
		return rdmsr_exit(vp->run);
	case KVM_EXIT_SYSTEM_EVENT:
		return system_exit(vp, vp->run);
	case KVM_EXIT_IO:
		return port_exit(vp, vp->run);
	default:
		return false;
	}
}

static void reset_vp(struct hv_vp *vp)
{
	for (unsigned i = 0; i < 4; i++) {
		(void)hv_face_set_msr(vp, HV_MSR_STIMER0_CONFIG + 2 * i, 0);
		(void)hv_face_set_msr(vp, HV_MSR_STIMER0_CONFIG + 2 * i + 1, 0);
	}
	(void)hv_face_set_msr(vp, HV_MSR_SCONTROL, 0);
	(void)hv_face_set_msr(vp, HV_MSR_SIEFP, 0);
	(void)hv_face_set_msr(vp, HV_MSR_SIMP, 0);
	for (unsigned i = 0; i < HV_N_SINTS; i++)
		(void)hv_face_set_msr(vp, HV_MSR_SINT0 + i, HV_SINT_MASKED);
	(void)hv_face_set_msr(vp, HV_MSR_VP_ASSIST_PAGE, 0);
	hv_synic_reset(&hv_face_vp(vp)->synic);
	unmask(vp);
}

static void reset(struct hv_partition *partition)
{
	const struct hv_vp *first = &partition->vp[0];

	for (unsigned i = 0; i < partition->n_vps; i++)
		reset_vp(&partition->vp[i]);
	(void)hv_face_set_msr(first, HV_MSR_REFERENCE_TSC, 0);
	(void)hv_face_set_msr(first, HV_MSR_HYPERCALL, 0);
	(void)hv_face_set_msr(first, HV_MSR_GUEST_OS_ID, 0);
	for (uint32_t msr = HV_MSR_CRASH_P0; msr <= HV_MSR_CRASH_P4; msr++)
		(void)hv_face_set_msr(first, msr, 0);
}

static int listen(struct hv_partition *partition, uint32_t connection_id, int kick_fd)
{
	struct kvm_hyperv_eventfd event = {.conn_id = connection_id,
					   .fd = kick_fd,
					   .flags = KVM_HYPERV_EVENTFD_DEASSIGN};

	if (ioctl(partition->fd, KVM_HYPERV_EVENTFD, &event) < 0 && errno != ENOENT)
		return -errno;
	event.flags = 0;
	if (kick_fd >= 0 && ioctl(partition->fd, KVM_HYPERV_EVENTFD, &event) < 0)
		return -errno;
	return 0;
}

/* KVM's reference counter is its clock, and so is the reference page. */
static uint64_t time_100ns(const struct hv_partition *partition)
{
	struct kvm_clock_data clock = {0};

	return ioctl(partition->fd, KVM_GET_CLOCK, &clock) < 0 ? 0 : clock.clock / 100;
}

const struct hv_face_ops hv_face_kvm = {
	.name = "kvm",
	.usable = usable,
	.init = init,
	.fini = fini,
	.vp_init = vp_init,
	.vp_fini = hv_face_vp_fini,
	.cpuid = cpuid,
	.exit = take_exit,
	.reset = reset,
	.time = time_100ns,
	.post = hv_face_post,
	.listen = listen,
	.signal = hv_face_signal,
	.event_target = hv_face_event_target,
};

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a processor left the guest for, on its thread.  A guest makes exits as fast as it can: each
 * is answered and counted, none logged.
 *
 * A triple fault is a fault, not a reset as on a PC: kernels reset by ACPI's register, and one that
 * faults at boot would do so for ever.
 */
#include "hv/ask.h"
#include "hv/vp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* ---- the end of a processor ---- */

static void fault(struct hv_vp *vp, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Mails what happened, and where; the reader is a person. */
static void fault(struct hv_vp *vp, const char *fmt, ...)
{
	struct hv_mail mail = {.type = HV_MAIL_FAULT, .vp = vp->index};
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	va_list args;
	int at;

	va_start(args, fmt);
	at = vsnprintf(mail.text, sizeof(mail.text), fmt, args);
	va_end(args);
	if (at >= 0 && (size_t)at < sizeof(mail.text) && ioctl(vp->fd, KVM_GET_REGS, &regs) == 0 &&
	    ioctl(vp->fd, KVM_GET_SREGS, &sregs) == 0)
		snprintf(mail.text + at, sizeof(mail.text) - (size_t)at,
			 " (rip %#llx rsp %#llx cs %#x cr0 %#llx cr3 %#llx cr4 %#llx)",
			 (unsigned long long)regs.rip, (unsigned long long)regs.rsp,
			 sregs.cs.selector, (unsigned long long)sregs.cr0,
			 (unsigned long long)sregs.cr3, (unsigned long long)sregs.cr4);
	(void)hv_mailbox_put(vp->partition->mailbox, &mail);
}

void hv_vp_failed(struct hv_vp *vp, int code)
{
	fault(vp, "KVM cannot run processor %u: %s%s", vp->index, strerror(code),
	      code == EFAULT ? ": the host has no memory for the guest's" : "");
}

static const char *internal_error(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "an instruction that KVM cannot emulate";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "faults upon faults";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "an interrupt that cannot be delivered";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "an exit that KVM does not know";
	default:
		return "an internal error of KVM";
	}
}

/* The bytes of the instruction, where KVM says them. */
static void internal(struct hv_vp *vp)
{
	const struct kvm_run *run = vp->run;
	char bytes[48] = "";
	bool has = run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
		   run->internal.ndata > 0 &&
		   (run->emulation_failure.flags &
		    KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0;
	unsigned n = has ? run->emulation_failure.insn_size : 0;

	for (unsigned i = 0; i < n && i < sizeof(run->emulation_failure.insn_bytes); i++)
		snprintf(bytes + 3 * i, sizeof(bytes) - 3 * i, " %02x",
			 run->emulation_failure.insn_bytes[i]);
	fault(vp, "processor %u: %s (suberror %u)%s%s", vp->index,
	      internal_error(run->internal.suberror), run->internal.suberror,
	      bytes[0] != '\0' ? ":" : "", bytes);
}

/* ---- answers ---- */

static uint32_t load(const uint8_t *data, unsigned size)
{
	uint32_t value = 0;

	memcpy(&value, data, size < sizeof(value) ? size : sizeof(value));
	return value;
}

/* One instruction, 'count' accesses if it is a string instruction. */
static void port_io(struct hv_vp *vp)
{
	struct hv_partition *p = vp->partition;
	const struct kvm_run *run = vp->run;
	uint8_t *data = (uint8_t *)vp->run + run->io.data_offset;
	unsigned size = run->io.size;

	count(&vp->exits_pio);
	pthread_mutex_lock(&p->devices);
	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			hv_pio_write(&p->pio, run->io.port, size, load(data, size));
		} else {
			uint32_t value = hv_pio_read(&p->pio, run->io.port, size);

			memcpy(data, &value, size < sizeof(value) ? size : sizeof(value));
		}
	}
	pthread_mutex_unlock(&p->devices);
}

static bool io(struct hv_vp *vp)
{
	uint16_t port = vp->run->io.port;

	if ((port == HV_PORT_HYPERCALL || port == HV_PORT_SIGNAL) &&
	    vp->partition->face_ops->exit(vp)) {
		count(&vp->exits_hypercall);
		return true;
	}
	port_io(vp);
	return true;
}

/* Registers in memory are those of PCI functions: the owner answers.  Elsewhere is nothing. */
static bool mmio(struct hv_vp *vp)
{
	struct kvm_run *run = vp->run;
	struct hv_ask ask = {.what = run->mmio.is_write ? HV_ASK_WRITE : HV_ASK_READ,
			     .gpa = run->mmio.phys_addr,
			     .size = run->mmio.len <= 8 ? run->mmio.len : 8,
			     .value = run->mmio.is_write ? 0 : UINT64_MAX};

	count(&vp->exits_mmio);
	if (run->mmio.is_write) /* what is behind is of others */
		memcpy(&ask.value, run->mmio.data, ask.size);
	if (hv_traps(vp->partition, ask.gpa) && !hv_ask(vp, &ask))
		ask.value = UINT64_MAX;
	if (!run->mmio.is_write)
		memcpy(run->mmio.data, &ask.value, sizeof(run->mmio.data));
	return true;
}

static bool msr(struct hv_vp *vp)
{
	count(&vp->exits_msr);
	if (!vp->partition->face_ops->exit(vp))
		vp->run->msr.error = 1; /* #GP, as for any MSR that is not there */
	return true;
}

static bool hypercall(struct hv_vp *vp)
{
	count(&vp->exits_hypercall);
	if (!vp->partition->face_ops->exit(vp) && vp->run->hyperv.type == KVM_EXIT_HYPERV_HCALL)
		vp->run->hyperv.u.hcall.result = 2; /* HV_STATUS_INVALID_HYPERCALL_CODE */
	return true;
}

static bool system_event(struct hv_vp *vp)
{
	struct hv_partition *p = vp->partition;

	if (p->face_ops->exit(vp))
		return true;
	switch (vp->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		(void)hv_vp_mail(vp, HV_MAIL_POWEROFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		(void)hv_vp_mail(vp, HV_MAIL_RESET);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		pthread_mutex_lock(&p->crash_lock);
		p->crash.crashed = true;
		pthread_mutex_unlock(&p->crash_lock);
		(void)hv_vp_mail(vp, HV_MAIL_CRASH);
		break;
	default:
		break;
	}
	return true;
}

bool hv_vp_exit(struct hv_vp *vp)
{
	const struct kvm_run *run = vp->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return io(vp);
	case KVM_EXIT_MMIO:
		return mmio(vp);
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		return msr(vp);
	case KVM_EXIT_HYPERV:
		return hypercall(vp);
	case KVM_EXIT_SYSTEM_EVENT:
		return system_event(vp);
	case KVM_EXIT_HLT:
		count(&vp->exits_halt);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_SET_TPR:
	case KVM_EXIT_IOAPIC_EOI:
		return true;
	case KVM_EXIT_SHUTDOWN:
		fault(vp, "processor %u: triple fault", vp->index);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		internal(vp);
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		fault(vp, "processor %u cannot enter the guest: hardware says %#llx", vp->index,
		      (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		return false;
	default:
		fault(vp, "processor %u: KVM's exit %u (%#llx)", vp->index, run->exit_reason,
		      (unsigned long long)run->hw.hardware_exit_reason);
		return false;
	}
}

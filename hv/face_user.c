/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hyper-V played by this process alone, on a KVM that knows nothing of it: MSRs come as exits, the
 * hypercall page is ours (trampoline.h), signals are KVM_IOEVENTFD with the connection id as data,
 * and SINT 2 of a processor is an MSI route to its APIC that follows the SINT's MSR.
 *
 * What it cannot do: AutoEOI (a SINT that needs no EOI from the guest).  CPUID says not to use it;
 * a guest that does all the same gets its first interrupt, and no other: counted, and logged once.
 * Synthetic timers are not offered: guests use the APIC's.
 *
 * Threads: face.h; 'lock' for what processors share.  Its order: before the routes' lock (irq.c).
 *
 * Source: [TLFS]; docs/hypervisor.md.
 */
#include "hv/face_priv.h"

#include "ctl/base/clock.h"
#include "ctl/base/log.h"
#include "hv/cpuid_hv.h"
#include "hv/crash.h"
#include "hv/ports.h"
#include "hv/refclock.h"
#include "hv/trampoline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#define LOG_MODULE "hyper-v"
#define SLUG	   "hyper-v"

#define MSR_TSC	     0x10u
#define APIC_HZ	     1000000000u /* of KVM's APIC */
#define MSI_ADDRESS  0xfee00000u
#define APIC_SHIFT   12
#define SCRATCH_MSRS 5

/* A partition's (partition->face). */
struct user {
	struct hv_ports ports;
	_Atomic uint64_t autoeoi; /* times that a guest asked for it */
	pthread_mutex_t lock;	  /* of all below */
	uint64_t os_id, hypercall, reference_tsc;
	uint64_t crash[SCRATCH_MSRS];
	uint32_t sequence; /* of the reference page */
	bool set;	   /* 'clock' is */
	struct hv_refclock clock;
	uint64_t tsc_ahead; /* guest's TSC less ours */
};

static struct user *user_of(const struct hv_partition *partition)
{
	return partition->face;
}

static bool usable(const struct hv_kvm *kvm)
{
	return kvm->user_msr;
}

static int init(struct hv_partition *partition, struct err *err)
{
	static const struct hv_face_filter taken[] = {
		{HV_MSR_FIRST, HV_MSR_N, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE},
	};
	int rc = hv_face_take_msrs(partition, taken, 1, err);
	struct user *user;

	if (rc < 0)
		return rc;
	user = calloc(1, sizeof(*user));
	if (user == NULL)
		return err_set(err, -ENOMEM, SLUG, "no memory for Hyper-V's interface");
	hv_ports_init(&user->ports);
	pthread_mutex_init(&user->lock, NULL);
	partition->face = user;
	return 0;
}

static void fini(struct hv_partition *partition)
{
	struct user *user = user_of(partition);

	if (user == NULL)
		return;
	hv_ports_fini(&user->ports);
	pthread_mutex_destroy(&user->lock);
	free(user);
	partition->face = NULL;
}

static int cpuid(struct hv_partition *partition, struct kvm_cpuid_entry2 *entries)
{
	return (int)hv_cpuid_user(entries);
}

/* ---- time ---- */

static uint64_t host_time(const struct hv_partition *partition)
{
	return (clock_mono_ns() - partition->made_ns) / 100;
}

/* The TSC counts evenly and alike on all processors: by CPUID, or because KVM's own clock rests on
 * that. */
static bool tsc_is_stable(const struct hv_partition *partition)
{
	struct kvm_clock_data clock = {0};

	return partition->kvm.tsc_stable || (ioctl(partition->fd, KVM_GET_CLOCK, &clock) == 0 &&
					     (clock.flags & KVM_CLOCK_TSC_STABLE) != 0);
}

/* Draws the line that page and counter follow from now on, through this moment.  Once for each
 * start, on a processor's thread, because only there KVM can be asked for its TSC. */
static void set_clock(struct user *user, const struct hv_vp *vp)
{
	const struct hv_partition *partition = vp->partition;
	uint64_t tsc;

	if (user->set || !tsc_is_stable(partition) || hv_face_get_msr(vp, MSR_TSC, &tsc) < 0)
		return;
	user->tsc_ahead = tsc - __rdtsc();
	user->clock = hv_refclock_make(partition->tsc_khz, tsc, host_time(partition));
	user->set = user->clock.scale != 0;
}

static uint64_t vp_time(struct user *user, const struct hv_vp *vp)
{
	uint64_t tsc;

	set_clock(user, vp);
	if (!user->set || hv_face_get_msr(vp, MSR_TSC, &tsc) < 0)
		return host_time(vp->partition);
	return hv_refclock_time(&user->clock, tsc);
}

static uint64_t time_100ns(const struct hv_partition *partition)
{
	struct user *user = user_of(partition);
	uint64_t time;

	pthread_mutex_lock(&user->lock);
	time = user->set ? hv_refclock_time(&user->clock, __rdtsc() + user->tsc_ahead)
			 : host_time(partition);
	pthread_mutex_unlock(&user->lock);
	return time;
}

/* ---- MSRs; 0, or -EINVAL for #GP ---- */

/* The page that an MSR names; NULL: it is not memory. */
static uint8_t *named_page(const struct hv_vp *vp, uint64_t value)
{
	return gpa_page(&vp->partition->memory.map, value >> HV_MSR_PAGE_SHIFT);
}

static int write_os_id(struct user *user, uint64_t value)
{
	user->os_id = value;
	if (value == 0)
		user->hypercall &= ~HV_HYPERCALL_ENABLE;
	return 0;
}

static int write_hypercall(struct user *user, const struct hv_vp *vp, uint64_t value)
{
	uint8_t *page;

	if ((user->hypercall & HV_HYPERCALL_LOCKED) != 0)
		return 0;
	if (user->os_id == 0)
		value &= ~HV_HYPERCALL_ENABLE;
	if ((value & HV_HYPERCALL_ENABLE) != 0) {
		page = named_page(vp, value);
		if (page == NULL)
			return -EINVAL;
		hv_trampoline_write(page);
	}
	user->hypercall = value;
	return 0;
}

static int write_reference_tsc(struct user *user, const struct hv_vp *vp, uint64_t value)
{
	uint8_t *page;

	if ((value & HV_MSR_ENABLE) != 0) {
		page = named_page(vp, value);
		if (page == NULL)
			return -EINVAL;
		set_clock(user, vp);
		hv_refclock_write(&user->clock, ++user->sequence, page);
	}
	user->reference_tsc = value;
	return 0;
}

static int write_crash_ctl(struct user *user, struct hv_vp *vp, uint64_t value)
{
	hv_crash_report(vp, user->crash, value);
	return 0;
}

static int write_reset(struct hv_vp *vp, uint64_t value)
{
	if ((value & 1) != 0)
		(void)hv_vp_mail(vp, HV_MAIL_RESET);
	return 0;
}

static int write_shared(struct user *user, struct hv_vp *vp, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case HV_MSR_GUEST_OS_ID:
		return write_os_id(user, value);
	case HV_MSR_HYPERCALL:
		return write_hypercall(user, vp, value);
	case HV_MSR_RESET:
		return write_reset(vp, value);
	case HV_MSR_REFERENCE_TSC:
		return write_reference_tsc(user, vp, value);
	case HV_MSR_VP_ASSIST_PAGE:
		hv_face_vp(vp)->assist_page = value;
		return 0;
	case HV_MSR_CRASH_CTL:
		return write_crash_ctl(user, vp, value);
	default:
		if (msr < HV_MSR_CRASH_P0 || msr > HV_MSR_CRASH_P4)
			return -EINVAL;
		user->crash[msr - HV_MSR_CRASH_P0] = value;
		return 0;
	}
}

static int read_shared(struct user *user, const struct hv_vp *vp, uint32_t msr, uint64_t *ret_value)
{
	switch (msr) {
	case HV_MSR_GUEST_OS_ID:
		*ret_value = user->os_id;
		return 0;
	case HV_MSR_HYPERCALL:
		*ret_value = user->hypercall;
		return 0;
	case HV_MSR_VP_INDEX:
		*ret_value = vp->index;
		return 0;
	case HV_MSR_TIME_REF_COUNT:
		*ret_value = vp_time(user, vp);
		return 0;
	case HV_MSR_REFERENCE_TSC:
		*ret_value = user->reference_tsc;
		return 0;
	case HV_MSR_TSC_FREQUENCY:
		*ret_value = (uint64_t)vp->partition->tsc_khz * 1000;
		return 0;
	case HV_MSR_APIC_FREQUENCY:
		*ret_value = APIC_HZ;
		return 0;
	case HV_MSR_VP_ASSIST_PAGE:
		*ret_value = hv_face_vp(vp)->assist_page;
		return 0;
	case HV_MSR_CRASH_CTL:
		*ret_value = HV_CRASH_NOTIFY | HV_CRASH_TEXT;
		return 0;
	case HV_MSR_RESET:
		*ret_value = 0;
		return 0;
	default:
		if (msr >= HV_MSR_REENLIGHTENMENT && msr <= HV_MSR_TSC_EMULATION) {
			*ret_value = 0;
			return 0;
		}
		if (msr < HV_MSR_CRASH_P0 || msr > HV_MSR_CRASH_P4)
			return -EINVAL;
		*ret_value = user->crash[msr - HV_MSR_CRASH_P0];
		return 0;
	}
}

/* SINT 2 goes to this processor's APIC, or nowhere. */
static void route(const struct hv_vp *vp, uint64_t sint)
{
	struct kvm_irq_routing_entry entry = {
		.gsi = HV_GSI_SINT(vp->index),
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {.address_lo = MSI_ADDRESS | vp->index << APIC_SHIFT,
			  .data = (uint32_t)(sint & HV_SINT_VECTOR)},
	};
	bool silent = (sint & (HV_SINT_MASKED | HV_SINT_POLLING)) != 0;

	(void)hv_irq_route(vp->partition, entry.gsi, silent ? NULL : &entry);
}

static void note_autoeoi(struct user *user, const struct hv_vp *vp)
{
	if (atomic_fetch_add_explicit(&user->autoeoi, 1, memory_order_relaxed) == 0)
		log_warn("processor %u wants interrupts without EOI, which this host's KVM cannot "
			 "give: its VMBus will not work",
			 vp->index);
}

static void sint_changed(struct user *user, struct hv_vp *vp)
{
	struct hv_synic *synic = &hv_face_vp(vp)->synic;
	uint64_t sint = synic->sint[HV_VMBUS_SINT];

	if ((sint & HV_SINT_AUTOEOI) != 0 && (sint & HV_SINT_MASKED) == 0)
		note_autoeoi(user, vp);
	route(vp, sint);
	/* What came while it was masked has not been said. */
	if (hv_synic_stands(synic, &vp->partition->memory.map))
		hv_synic_interrupt(synic);
	hv_face_moved(vp);
}

/* The SynIC's MSRs.  0; -EINVAL: #GP; -ENOENT: not one of them. */
static int write_synic(struct user *user, struct hv_vp *vp, uint32_t msr, uint64_t value)
{
	int rc = hv_synic_write(&hv_face_vp(vp)->synic, &vp->partition->memory.map, msr, value);

	if (rc < 0)
		return rc;
	if (msr == HV_MSR_EOM)
		hv_face_wake(vp);
	else if (msr == HV_MSR_SINT0 + HV_VMBUS_SINT)
		sint_changed(user, vp);
	else if (msr < HV_MSR_SINT0)
		hv_face_moved(vp);
	return 0;
}

static void write_msr(struct hv_vp *vp, struct kvm_run *run)
{
	struct user *user = user_of(vp->partition);
	int rc = write_synic(user, vp, run->msr.index, run->msr.data);

	if (rc == -ENOENT) {
		pthread_mutex_lock(&user->lock);
		rc = write_shared(user, vp, run->msr.index, run->msr.data);
		pthread_mutex_unlock(&user->lock);
	}
	run->msr.error = rc < 0;
}

static void read_msr(struct hv_vp *vp, struct kvm_run *run)
{
	struct user *user = user_of(vp->partition);
	uint64_t value = 0;
	int rc = hv_synic_read(&hv_face_vp(vp)->synic, run->msr.index, &value);

	if (run->msr.index == HV_MSR_TIME_REF_COUNT && !vp->partition->kvm.tsc_stable) {
		/* Without a page guests read it all the time, on all processors: without a lock. */
		value = host_time(vp->partition);
		rc = 0;
	} else if (rc == -ENOENT) {
		pthread_mutex_lock(&user->lock);
		rc = read_shared(user, vp, run->msr.index, &value);
		pthread_mutex_unlock(&user->lock);
	}
	run->msr.data = value;
	run->msr.error = rc < 0;
}

/* ---- hypercalls ---- */

static uint16_t signal_event(struct hv_vp *vp, const struct hv_hypercall *call)
{
	uint32_t id = 0;
	uint16_t status = hv_hypercall_signal(call, &vp->partition->memory.map, &id);

	if (status != HV_STATUS_SUCCESS)
		return status;
	return hv_ports_signal(&user_of(vp->partition)->ports, id) < 0
		       ? HV_STATUS_INVALID_CONNECTION_ID
		       : HV_STATUS_SUCCESS;
}

static uint16_t hypercall(struct hv_vp *vp, const struct kvm_regs *regs)
{
	struct hv_hypercall call;
	uint16_t status = hv_hypercall_decode(regs->rcx, regs->rdx, regs->r8, &call);

	if (status != HV_STATUS_SUCCESS)
		return status;
	if (call.code == HV_CALL_POST_MESSAGE)
		return hv_face_message(vp, &call);
	if (call.code == HV_CALL_SIGNAL_EVENT)
		return signal_event(vp, &call);
	if (call.code == HV_CALL_RETARGET)
		return hv_face_retarget(vp, &call);
	return HV_STATUS_INVALID_CODE;
}

/* A port of our page was written.  KVM steps over the instruction when the processor runs again, so
 * that registers written back now must have RIP as it is. */
static bool port_exit(struct hv_vp *vp, const struct kvm_run *run)
{
	uint16_t port = run->io.port;
	struct kvm_regs regs;

	if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 || run->io.count != 1 ||
	    (port != HV_PORT_HYPERCALL && port != HV_PORT_SIGNAL))
		return false;
	if (ioctl(vp->fd, KVM_GET_REGS, &regs) < 0 || !hv_trampoline_is_at(port, regs.rip))
		return false;
	if (port == HV_PORT_HYPERCALL)
		regs.rax = hypercall(vp, &regs);
	else /* An id that no KVM_IOEVENTFD has: there were too many, or nobody listens. */
		regs.rcx = hv_ports_signal(&user_of(vp->partition)->ports, (uint32_t)regs.rax) < 0
				   ? HV_STATUS_INVALID_CONNECTION_ID
				   : HV_STATUS_SUCCESS;
	(void)ioctl(vp->fd, KVM_SET_REGS, &regs);
	return true;
}

static bool take_exit(struct hv_vp *vp)
{
	switch (vp->run->exit_reason) {
	case KVM_EXIT_X86_WRMSR:
		write_msr(vp, vp->run);
		return true;
	case KVM_EXIT_X86_RDMSR:
		read_msr(vp, vp->run);
		return true;
	case KVM_EXIT_IO:
		return port_exit(vp, vp->run);
	default:
		return false;
	}
}

/* ---- operations ---- */

static void reset(struct hv_partition *partition)
{
	struct user *user = user_of(partition);

	for (unsigned i = 0; i < partition->n_vps; i++) {
		struct hv_face_vp *face = hv_face_vp(&partition->vp[i]);

		hv_synic_reset(&face->synic);
		face->assist_page = 0;
		(void)hv_irq_route(partition, HV_GSI_SINT(i), NULL);
	}
	pthread_mutex_lock(&user->lock);
	user->os_id = 0;
	user->hypercall = 0;
	user->reference_tsc = 0;
	user->set = false; /* Its TSC may have started anew. */
	memset(user->crash, 0, sizeof(user->crash));
	pthread_mutex_unlock(&user->lock);
}

static int ioeventfd(const struct hv_partition *partition, uint32_t id, int fd, uint32_t flags)
{
	struct kvm_ioeventfd event = {
		.datamatch = id,
		.addr = HV_PORT_SIGNAL,
		.len = 4,
		.fd = fd,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH | flags,
	};

	return ioctl(partition->fd, KVM_IOEVENTFD, &event) < 0 ? -errno : 0;
}

static int listen(struct hv_partition *partition, uint32_t connection_id, int kick_fd)
{
	int old, rc;

	rc = hv_ports_set(&user_of(partition)->ports, connection_id, kick_fd, &old);
	if (rc < 0)
		return rc;
	if (old >= 0)
		(void)ioeventfd(partition, connection_id, old, KVM_IOEVENTFD_FLAG_DEASSIGN);
	/* KVM has room for a thousand; the rest are looked up by port_exit(). */
	if (kick_fd >= 0)
		(void)ioeventfd(partition, connection_id, kick_fd, 0);
	return 0;
}

const struct hv_face_ops hv_face_user = {
	.name = "user",
	.usable = usable,
	.init = init,
	.fini = fini,
	.vp_init = hv_face_vp_init,
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

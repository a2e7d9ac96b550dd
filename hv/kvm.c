/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See kvm.h.
 */
#include "hv/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm.h>

#define SLUG	    "kvm"
#define API_VERSION 12

/* What no machine here runs without. */
static const struct {
	int cap;
	const char *name;
} needed[] = {
	{KVM_CAP_USER_MEMORY, "user memory"},	  {KVM_CAP_IRQCHIP, "interrupt controllers"},
	{KVM_CAP_IRQ_ROUTING, "irq routing"},	  {KVM_CAP_IRQFD, "irqfd"},
	{KVM_CAP_IOEVENTFD, "ioeventfd"},	  {KVM_CAP_PIT2, "the interval timer"},
	{KVM_CAP_IMMEDIATE_EXIT, "quick exits"},  {KVM_CAP_EXT_CPUID, "CPUID"},
	{KVM_CAP_GET_TSC_KHZ, "TSC frequencies"},
};

static int has(const struct hv_kvm *kvm, int cap)
{
	int rc = ioctl(kvm->fd, KVM_CHECK_EXTENSION, cap);

	return rc < 0 ? 0 : rc;
}

static int open_device(const char *path, struct hv_kvm *kvm, struct err *err)
{
	int code;

	kvm->fd = open(path, O_RDWR | O_CLOEXEC);
	if (kvm->fd >= 0)
		return 0;
	code = errno;
	err_set(err, -code, SLUG, "cannot open %s: %s", path, strerror(code));
	if (code == ENOENT || code == ENODEV || code == ENXIO) {
		err_why(err, "KVM is not loaded, or the processor's virtualization is switched off "
			     "in the firmware");
		err_fix(err, "modprobe kvm_intel || modprobe kvm_amd");
	} else if (code == EACCES || code == EPERM) {
		err_why(err, "this user may not use KVM");
		err_fix(err, "run as root, or usermod -aG kvm USER");
	}
	return -code;
}

static int check_api(const char *path, struct hv_kvm *kvm, struct err *err)
{
	int version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0), size;

	if (version < 0)
		return err_set(err, -ENODEV, SLUG, "%s is not KVM: %s", path, strerror(errno));
	if (version != API_VERSION)
		return err_set(err, -ENOTSUP, SLUG, "%s speaks version %d, not %d", path, version,
			       API_VERSION);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (has(kvm, needed[i].cap) == 0)
			return err_set(err, -ENOTSUP, SLUG, "this kernel's KVM lacks %s",
				       needed[i].name);
	size = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return err_set(err, -ENOTSUP, SLUG, "KVM's processors share only %d bytes", size);
	kvm->run_size = (uint32_t)size;
	return 0;
}

/* Fills 'cpuid' by 'request'; how many, or -1. */
static int get_leaves(const struct hv_kvm *kvm, unsigned long request, struct kvm_cpuid2 *cpuid,
		      unsigned n)
{
	cpuid->nent = n;
	return ioctl(kvm->fd, request, cpuid) == 0 ? (int)cpuid->nent : -1;
}

static const struct kvm_cpuid_entry2 *leaf(const struct kvm_cpuid2 *cpuid, int n, uint32_t function)
{
	for (int i = 0; i < n; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return NULL;
}

#define N_LEAVES 256

/* What only CPUID says. */
static int probe_cpuid(struct hv_kvm *kvm)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + N_LEAVES * sizeof(struct kvm_cpuid_entry2));
	const struct kvm_cpuid_entry2 *e;
	int n;

	if (cpuid == NULL)
		return -ENOMEM;
	n = get_leaves(kvm, KVM_GET_SUPPORTED_CPUID, cpuid, N_LEAVES);
	e = leaf(cpuid, n, 0x80000007);
	kvm->tsc_stable = e != NULL && (e->edx & 1u << 8) != 0;
	e = leaf(cpuid, n, 1);
	kvm->nested = e != NULL && (e->ecx & 1u << 5) != 0; /* VMX */
	e = leaf(cpuid, n, 0x80000001);
	kvm->nested |= e != NULL && (e->ecx & 1u << 2) != 0; /* SVM */
	n = has(kvm, KVM_CAP_SYS_HYPERV_CPUID) == 0
		    ? -1
		    : get_leaves(kvm, KVM_GET_SUPPORTED_HV_CPUID, cpuid, N_LEAVES);
	e = leaf(cpuid, n, 0x40000003);
	kvm->stimer_direct = kvm->hyperv && e != NULL && (e->edx & 1u << 19) != 0;
	free(cpuid);
	return 0;
}

static int probe(struct hv_kvm *kvm, struct err *err)
{
	int max = has(kvm, KVM_CAP_MAX_VCPUS);

	kvm->max_vps = max > 0 ? (unsigned)max : 4;
	kvm->hyperv = has(kvm, KVM_CAP_HYPERV_SYNIC2) > 0 &&
		      has(kvm, KVM_CAP_HYPERV_VP_INDEX) > 0 && has(kvm, KVM_CAP_HYPERV_EVENTFD) > 0;
	kvm->hyperv_tlb_ipi = kvm->hyperv && has(kvm, KVM_CAP_HYPERV_TLBFLUSH) > 0 &&
			      has(kvm, KVM_CAP_HYPERV_SEND_IPI) > 0;
	kvm->user_msr =
		has(kvm, KVM_CAP_X86_USER_SPACE_MSR) > 0 && has(kvm, KVM_CAP_X86_MSR_FILTER) > 0;
	kvm->x2apic_ids = has(kvm, KVM_CAP_X2APIC_API) > 0;
	if (!kvm->hyperv && !kvm->user_msr)
		return err_set(err, -ENOTSUP, SLUG,
			       "this kernel's KVM has neither Hyper-V's interface "
			       "(CONFIG_KVM_HYPERV) nor MSRs in user space (Linux 5.10)");
	if (probe_cpuid(kvm) != 0)
		return err_set(err, -ENOMEM, SLUG, "out of memory");
	return 0;
}

int hv_kvm_open(const char *path, struct hv_kvm *ret_kvm, struct err *err)
{
	struct hv_kvm kvm = {.fd = -1};
	int rc = open_device(path, &kvm, err);

	if (rc == 0)
		rc = check_api(path, &kvm, err);
	if (rc == 0)
		rc = probe(&kvm, err);
	if (rc != 0) {
		hv_kvm_close(&kvm);
		return rc;
	}
	*ret_kvm = kvm;
	return 0;
}

void hv_kvm_close(struct hv_kvm *kvm)
{
	if (kvm->fd >= 0)
		close(kvm->fd);
	kvm->fd = -1;
}

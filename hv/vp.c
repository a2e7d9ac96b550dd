/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vp.h.  How a processor leaves the guest and no kick gets lost:
 *
 * 	kicker                          processor's thread
 * 	changes what it is kicked for
 * 	immediate_exit = 1              KVM_RUN: first ends the exit before (its answer goes into
 * 	SIGUSR1 to the thread             registers), then returns EINTR at once, or when the
 * 	                                  signal comes
 * 	                                takes the signal, immediate_exit = 0
 * 	                                looks at what may have changed
 *
 * It stops nowhere but behind EINTR: so a processor that waits has no exit half answered, and its
 * registers are whole.
 */
#include "hv/vp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLUG	     "vm-processor"
#define KICK	     SIGUSR1
#define STACK_SIZE   (512u << 10) /* of address space: little of it is touched */
#define KERNEL_NSIG8 8u		  /* bytes of the kernel's signal set */
/* The C library's own, for setuid() and thread cancellation: never masked. */
#define SIG_LIBC_1 32
#define SIG_LIBC_2 33

/* ---- making ---- */

/* In the guest, only a kick comes through. */
static int set_mask(struct hv_vp *vp)
{
	const uint64_t set =
		~(1ull << (KICK - 1) | 1ull << (SIG_LIBC_1 - 1) | 1ull << (SIG_LIBC_2 - 1));
	union {
		struct kvm_signal_mask kvm;
		uint8_t bytes[sizeof(struct kvm_signal_mask) + KERNEL_NSIG8];
	} mask = {.kvm.len = KERNEL_NSIG8};

	_Static_assert(sizeof(set) == KERNEL_NSIG8, "as the kernel has it");
	memcpy(mask.kvm.sigset, &set, sizeof(set));
	return ioctl(vp->fd, KVM_SET_SIGNAL_MASK, &mask.kvm) == 0 ? 0 : -errno;
}

static int make(struct hv_partition *partition, struct hv_vp *vp, struct err *err)
{
	uint32_t size = partition->kvm.run_size;

	vp->fd = ioctl(partition->fd, KVM_CREATE_VCPU, vp->index);
	if (vp->fd < 0)
		return err_set(err, -errno, SLUG, "KVM makes no processor %u: %s", vp->index,
			       strerror(errno));
	vp->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vp->fd, 0);
	if (vp->run == MAP_FAILED) {
		vp->run = NULL;
		return err_set(err, -errno, SLUG, "cannot map processor %u: %s", vp->index,
			       strerror(errno));
	}
	if (set_mask(vp) != 0)
		return err_set(err, -errno, SLUG, "KVM takes no signal mask: %s", strerror(errno));
	return 0;
}

int hv_vp_create(struct hv_partition *partition, uint32_t index, struct hv_vp *vp, struct err *err)
{
	int rc;

	vp->partition = partition;
	vp->index = index;
	rc = make(partition, vp, err);
	if (rc != 0)
		return rc;
	if (partition->tsc_khz == 0) {
		int khz = ioctl(vp->fd, KVM_GET_TSC_KHZ, 0);

		partition->tsc_khz = khz > 0 ? (uint32_t)khz : 0;
	}
	hv_vp_stats_open(vp);
	rc = hv_cpuid_set(vp, err);
	if (rc == 0) {
		vp->has_face = true;
		rc = partition->face_ops->vp_init(vp, err);
	}
	return rc == 0 ? hv_vp_keep(vp, err) : rc;
}

void hv_vp_destroy(struct hv_vp *vp)
{
	if (vp->has_face)
		vp->partition->face_ops->vp_fini(vp);
	hv_vp_forget(vp);
	hv_vp_stats_close(vp);
	if (vp->run != NULL)
		munmap(vp->run, vp->partition->kvm.run_size);
	if (vp->fd >= 0)
		close(vp->fd);
	vp->fd = -1;
	vp->run = NULL;
}

/* ---- running ---- */

/* Waits until the partition runs and this processor can.  False: the partition ends. */
static bool come_in(struct hv_vp *vp)
{
	struct hv_partition *p = vp->partition;
	bool in;

	pthread_mutex_lock(&p->lock);
	while (!p->ending && (p->state != HV_RUNNING || vp->dead))
		pthread_cond_wait(&p->changed, &p->lock);
	in = !p->ending;
	if (in)
		p->n_in++;
	pthread_mutex_unlock(&p->lock);
	return in;
}

static void go_out(struct hv_vp *vp, bool dead)
{
	struct hv_partition *p = vp->partition;

	pthread_mutex_lock(&p->lock);
	vp->dead |= dead;
	p->n_in--;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void take_kick(struct hv_vp *vp)
{
	const struct timespec now = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, KICK);
	while (sigtimedwait(&set, NULL, &now) == KICK)
		;
	__atomic_store_n(&vp->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* Until it is kicked; false: it cannot go on. */
static bool run(struct hv_vp *vp)
{
	for (;;) {
		int rc = ioctl(vp->fd, KVM_RUN, 0), code = errno;

		count(&vp->exits);
		if (rc == 0) {
			if (!hv_vp_exit(vp))
				return false;
		} else if (code == EINTR) {
			count(&vp->exits_signal);
			take_kick(vp);
			return true;
		} else if (code != EAGAIN) { /* Which is a processor that the guest woke up. */
			hv_vp_failed(vp, code);
			return false;
		}
	}
}

static void *thread(void *arg)
{
	struct hv_vp *vp = arg;
	char name[16];

	snprintf(name, sizeof(name), "vp%u", vp->index);
	pthread_setname_np(pthread_self(), name);
	atomic_store(&vp->tid, gettid());
	while (come_in(vp))
		go_out(vp, !run(vp));
	return NULL;
}

int hv_vp_start_thread(struct hv_vp *vp, struct err *err)
{
	sigset_t all, old;
	pthread_attr_t attr;
	int rc;

	/* Signals are the owner's to take. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	rc = pthread_create(&vp->thread, &attr, thread, vp);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return err_set(err, -rc, SLUG, "cannot start a thread for processor %u: %s",
			       vp->index, strerror(rc));
	vp->has_thread = true;
	return 0;
}

void hv_vp_kick(struct hv_vp *vp)
{
	__atomic_store_n(&vp->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vp->thread, KICK);
}

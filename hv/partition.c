/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See partition.h.  Lock order: 1 'devices', 2 'irq_lock', 3 'crash_lock', 4 'lock', 5 the
 * mailbox's; none is held while a processor is in the guest.
 */
#include "hv/partition.h"
#include "ctl/base/clock.h"
#include "hv/ask.h"
#include "hv/vp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SLUG "vm-partition"

/* ---- making ---- */

static int check(const struct hv_partition_opts *opts, const struct hv_kvm *kvm, struct err *err)
{
	unsigned max = kvm->max_vps < HV_MAX_VPS ? kvm->max_vps : HV_MAX_VPS;

	if (opts->n_vps < 1 || opts->n_vps > max)
		return err_set(err, -EINVAL, SLUG, "%u processors: must be 1 to %u", opts->n_vps,
			       max);
	if (opts->cpu != NULL && strlen(opts->cpu) >= sizeof(((struct hv_partition *)NULL)->cpu))
		return err_set(err, -EINVAL, SLUG, "no CPU model has so long a name");
	return 0;
}

static int no_face(const char *name, const char *why, struct err *err)
{
	err_set(err, -EOPNOTSUPP, SLUG, "Hyper-V's interface by '%s' cannot be had here", name);
	err_why(err, "%s", why);
	err_fix(err, "choose 'auto'");
	return -EOPNOTSUPP;
}

static int choose_face(struct hv_partition *partition, enum hv_face face, struct err *err)
{
	bool kvm = hv_face_kvm.usable(&partition->kvm);
	bool user = hv_face_user.usable(&partition->kvm);

	if (face == HV_FACE_KVM && !kvm)
		return no_face("kvm", "this kernel's KVM was built without it (CONFIG_KVM_HYPERV)",
			       err);
	if (face == HV_FACE_USER && !user)
		return no_face("user", "this kernel's KVM does not give MSRs to user space", err);
	if (!kvm && !user)
		return err_set(err, -EOPNOTSUPP, SLUG,
			       "this kernel's KVM lets nobody be Hyper-V: it was built without "
			       "CONFIG_KVM_HYPERV and gives no MSRs to user space");
	partition->face_ops = face != HV_FACE_USER && kvm ? &hv_face_kvm : &hv_face_user;
	return 0;
}

/* One step of making the VM in KVM; 'what' failed if it did. */
static int step(int rc, const char *what, struct err *err)
{
	int code = errno;

	return rc >= 0 ? 0 : err_set(err, -code, SLUG, "KVM makes no %s: %s", what, strerror(code));
}

static int make_vm(struct hv_partition *partition, struct err *err)
{
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	uint64_t identity_map = HV_IDENTITY_MAP;
	int rc;

	partition->fd = ioctl(partition->kvm.fd, KVM_CREATE_VM, 0);
	rc = step(partition->fd, "virtual machine", err);
	/* Intel's, for real mode; others ignore it. */
	if (rc == 0)
		rc = step(ioctl(partition->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map),
			  "identity map", err);
	if (rc == 0)
		rc = step(ioctl(partition->fd, KVM_SET_TSS_ADDR, HV_TSS), "task state", err);
	if (rc == 0)
		rc = step(ioctl(partition->fd, KVM_CREATE_IRQCHIP, 0), "interrupt controllers",
			  err);
	if (rc == 0)
		rc = step(ioctl(partition->fd, KVM_CREATE_PIT2, &pit), "interval timer", err);
	return rc;
}

/* No guest gets performance counters (cpuid.h), so that KVM need not switch them. */
static void drop_pmu(struct hv_partition *partition)
{
#ifdef KVM_CAP_PMU_CAPABILITY
	struct kvm_enable_cap cap = {.cap = KVM_CAP_PMU_CAPABILITY, .args = {KVM_PMU_CAP_DISABLE}};

	(void)ioctl(partition->fd, KVM_ENABLE_CAP, &cap);
#endif
}

static int set_memory(struct hv_partition *partition, struct err *err)
{
	const struct gpa_map *map = &partition->memory.map;

	for (unsigned i = 0; i < map->n; i++) {
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = map->range[i].gpa,
			.memory_size = map->range[i].size,
			.userspace_addr = (uint64_t)(uintptr_t)map->range[i].va,
		};

		if (ioctl(partition->fd, KVM_SET_USER_MEMORY_REGION, &slot) != 0)
			return err_set(err, -errno, SLUG, "KVM refuses the memory: %s",
				       strerror(errno));
	}
	return 0;
}

static int make_vps(struct hv_partition *partition, unsigned n, struct err *err)
{
	int rc = 0;

	/* Before the first: CPUID says how many there are. */
	partition->n_vps = n;
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = hv_vp_create(partition, i, &partition->vp[i], err);
	/* Also tells KVM's table of APICs, made while a processor is, of the last ones: without it
	 * no interrupt of another processor reaches them. */
	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = hv_vp_reset(&partition->vp[i], err);
	return rc;
}

/* The guest's clocks start now.  Setting KVM's also has it look whether all processors and its own
 * kernel's clock go by one TSC: then the guest's reference time may, too. */
static void start_clock(struct hv_partition *partition)
{
	struct kvm_clock_data clock = {0};

	partition->made_ns = clock_mono_ns();
	if (ioctl(partition->fd, KVM_SET_CLOCK, &clock) == 0 &&
	    ioctl(partition->fd, KVM_GET_CLOCK, &clock) == 0 &&
	    (clock.flags & KVM_CLOCK_TSC_STABLE) != 0)
		partition->kvm.tsc_stable = true;
}

static int make(struct hv_partition *partition, const struct hv_partition_opts *opts,
		struct err *err)
{
	const char *path = opts->kvm_path != NULL ? opts->kvm_path : "/dev/kvm";
	int rc = hv_kvm_open(path, &partition->kvm, err);

	if (rc == 0)
		rc = check(opts, &partition->kvm, err);
	if (rc == 0)
		rc = choose_face(partition, opts->face, err);
	if (rc == 0)
		rc = hv_memory_create(opts->memory_size, opts->pages, &partition->memory, err);
	if (rc == 0 && hv_mailbox_create(&partition->mailbox) != 0)
		rc = err_set(err, -ENOMEM, SLUG, "out of memory");
	if (rc == 0 && hv_devices_create(partition, &partition->own_devices) != 0)
		rc = err_set(err, -ENOMEM, SLUG, "out of memory");
	if (rc == 0)
		rc = make_vm(partition, err);
	if (rc != 0)
		return rc;
	drop_pmu(partition);
	rc = set_memory(partition, err);
	if (rc == 0)
		rc = hv_irq_init(partition, err);
	if (rc == 0) {
		partition->has_face = true;
		rc = partition->face_ops->init(partition, err);
	}
	if (rc == 0)
		rc = make_vps(partition, opts->n_vps, err);
	if (rc == 0)
		start_clock(partition);
	return rc;
}

int hv_partition_create(const struct hv_partition_opts *opts, struct hv_partition **ret_partition,
			struct err *err)
{
	struct hv_partition *partition = calloc(1, sizeof(*partition));
	int rc;

	if (partition == NULL)
		return err_set(err, -ENOMEM, SLUG, "out of memory");
	partition->kvm.fd = partition->fd = partition->memory.fd = -1;
	for (unsigned i = 0; i < HV_MAX_VPS; i++)
		partition->vp[i].fd = partition->vp[i].stats_fd = -1;
	pthread_mutex_init(&partition->devices, NULL);
	pthread_mutex_init(&partition->irq_lock, NULL);
	pthread_mutex_init(&partition->crash_lock, NULL);
	pthread_mutex_init(&partition->lock, NULL);
	pthread_cond_init(&partition->changed, NULL);
	partition->nested = opts->nested;
	snprintf(partition->cpu, sizeof(partition->cpu), "%s",
		 opts->cpu != NULL ? opts->cpu : "host");
	rc = make(partition, opts, err);
	if (rc != 0) {
		hv_partition_destroy(partition);
		return rc;
	}
	*ret_partition = partition;
	return 0;
}

/* ---- the end ---- */

static void kick_all(struct hv_partition *partition)
{
	for (unsigned i = 0; i < partition->n_vps; i++)
		if (partition->vp[i].has_thread)
			hv_vp_kick(&partition->vp[i]);
}

static void end_threads(struct hv_partition *partition)
{
	pthread_mutex_lock(&partition->lock);
	partition->ending = true;
	pthread_cond_broadcast(&partition->changed);
	pthread_mutex_unlock(&partition->lock);
	kick_all(partition);
	for (unsigned i = 0; i < partition->n_vps; i++)
		if (partition->vp[i].has_thread)
			pthread_join(partition->vp[i].thread, NULL);
}

void hv_partition_destroy(struct hv_partition *partition)
{
	if (partition == NULL)
		return;
	end_threads(partition);
	for (unsigned i = 0; i < partition->n_vps; i++)
		hv_vp_destroy(&partition->vp[i]);
	if (partition->has_face)
		partition->face_ops->fini(partition);
	hv_irq_fini(partition);
	if (partition->fd >= 0)
		close(partition->fd);
	hv_memory_destroy(&partition->memory);
	hv_mailbox_destroy(partition->mailbox);
	hv_devices_destroy(partition->own_devices);
	hv_kvm_close(&partition->kvm);
	pthread_cond_destroy(&partition->changed);
	pthread_mutex_destroy(&partition->lock);
	pthread_mutex_destroy(&partition->crash_lock);
	pthread_mutex_destroy(&partition->irq_lock);
	pthread_mutex_destroy(&partition->devices);
	free(partition);
}

/* ---- running ---- */

void hv_partition_set_start(struct hv_partition *partition, const struct hv_start *start)
{
	partition->start = *start;
	partition->start_set = true;
}

static int start_threads(struct hv_partition *partition, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < partition->n_vps; i++)
		if (!partition->vp[i].has_thread)
			rc = hv_vp_start_thread(&partition->vp[i], err);
	return rc;
}

static void set_state(struct hv_partition *partition, enum hv_state state)
{
	pthread_mutex_lock(&partition->lock);
	partition->state = state;
	pthread_cond_broadcast(&partition->changed);
	pthread_mutex_unlock(&partition->lock);
}

int hv_partition_run(struct hv_partition *partition, struct err *err)
{
	int rc;

	if (hv_partition_running(partition))
		return 0;
	if (partition->start_set) {
		rc = hv_vp_start(&partition->vp[0], &partition->start, err);
		if (rc != 0)
			return rc;
		partition->start_set = false;
	}
	/* Only now: threads inherit the owner's sandbox. */
	rc = start_threads(partition, err);
	if (rc == 0)
		set_state(partition, HV_RUNNING);
	return rc;
}

void hv_partition_pause(struct hv_partition *partition)
{
	if (!hv_partition_running(partition))
		return;
	set_state(partition, HV_PAUSED);
	kick_all(partition);
	pthread_mutex_lock(&partition->lock);
	/* Some may wait for the owner meanwhile, which is us. */
	while (partition->n_in > 0)
		if (!hv_asks_answer_locked(partition))
			pthread_cond_wait(&partition->changed, &partition->lock);
	pthread_mutex_unlock(&partition->lock);
}

static int reset_vps(struct hv_partition *partition, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < partition->n_vps; i++)
		rc = hv_vp_reset(&partition->vp[i], err);
	pthread_mutex_lock(&partition->lock);
	for (unsigned i = 0; rc == 0 && i < partition->n_vps; i++)
		partition->vp[i].dead = false;
	pthread_mutex_unlock(&partition->lock);
	return rc;
}

int hv_partition_reset(struct hv_partition *partition, struct err *err)
{
	int rc;

	hv_partition_pause(partition);
	set_state(partition, HV_STOPPED);
	partition->start_set = false;
	rc = reset_vps(partition, err);
	if (rc == 0)
		rc = hv_irq_reset(partition, err);
	partition->face_ops->reset(partition);
	hv_mailbox_clear(partition->mailbox);
	pthread_mutex_lock(&partition->crash_lock);
	memset(&partition->crash, 0, sizeof(partition->crash));
	pthread_mutex_unlock(&partition->crash_lock);
	return rc;
}

bool hv_partition_running(const struct hv_partition *partition)
{
	return partition->state == HV_RUNNING; /* Only the owner writes it. */
}

/* ---- what others ask ---- */

struct hv_memory *hv_partition_memory(struct hv_partition *partition)
{
	return &partition->memory;
}

struct hv_mailbox *hv_partition_mailbox(struct hv_partition *partition)
{
	return partition->mailbox;
}

struct hv_pio *hv_partition_pio(struct hv_partition *partition)
{
	return &partition->pio;
}

const char *hv_partition_face(const struct hv_partition *partition)
{
	return partition->face_ops->name;
}

const struct hv_face_ops *hv_partition_face_ops(const struct hv_partition *partition)
{
	return partition->face_ops;
}

unsigned hv_partition_n_vps(const struct hv_partition *partition)
{
	return partition->n_vps;
}

int hv_partition_vp_tid(const struct hv_partition *partition, unsigned vp)
{
	return vp < partition->n_vps ? atomic_load(&partition->vp[vp].tid) : 0;
}

void hv_devices_lock(struct hv_partition *partition)
{
	pthread_mutex_lock(&partition->devices);
}

void hv_devices_unlock(struct hv_partition *partition)
{
	pthread_mutex_unlock(&partition->devices);
}

uint64_t hv_partition_time(const struct hv_partition *partition)
{
	return partition->face_ops->time(partition);
}

void hv_partition_crash(const struct hv_partition *partition, struct hv_crash *ret_crash)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&partition->crash_lock;

	pthread_mutex_lock(lock);
	*ret_crash = partition->crash;
	pthread_mutex_unlock(lock);
}

static uint64_t cpu_ns(const struct hv_vp *vp)
{
	struct timespec ts;
	clockid_t clock;

	if (!vp->has_thread || pthread_getcpuclockid(vp->thread, &clock) != 0 ||
	    clock_gettime(clock, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void hv_partition_stats(const struct hv_partition *partition, struct hv_partition_stats *ret_stats)
{
	uint64_t exits, halts, kvm_exits = 0, kvm_halts = 0;
	struct hv_partition_stats s = {0};

	for (unsigned i = 0; i < partition->n_vps; i++) {
		const struct hv_vp *vp = &partition->vp[i];

		s.exits_pio += get(&vp->exits_pio);
		s.exits_mmio += get(&vp->exits_mmio);
		s.exits_msr += get(&vp->exits_msr);
		s.exits_hypercall += get(&vp->exits_hypercall);
		s.exits_halt += get(&vp->exits_halt);
		s.exits_signal += get(&vp->exits_signal);
		s.exits += get(&vp->exits);
		hv_vp_stats(vp, &exits, &halts);
		kvm_exits += exits;
		kvm_halts += halts;
		s.messages += get(&vp->messages);
		s.message_retries += get(&vp->message_retries);
		s.cpu_ns += cpu_ns(vp);
	}
	s.exits_other = s.exits_pio + s.exits_mmio + s.exits_msr + s.exits_hypercall +
			s.exits_halt + s.exits_signal;
	/* Read one by one while they grow: never less than nothing. */
	s.exits_other = s.exits > s.exits_other ? s.exits - s.exits_other : 0;
	s.exits_in_kernel = kvm_exits > s.exits + kvm_halts ? kvm_exits - s.exits - kvm_halts : 0;
	s.exits_halt += kvm_halts;
	*ret_stats = s;
}

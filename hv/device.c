/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See device.h: regions of a guest's memory that are devices', and questions of processors (ask.h).
 *
 * Regions are added and removed by the owner; processors only look whether one traps.  Both under
 * 'lock', which nothing is called with but KVM.
 */
#include "hv/device.h"

#include "hv/acpi.h"
#include "hv/ask.h"
#include "hv/device_priv.h"
#include "hv/vp.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- Regions ---- */

/* Where devices may be: a guest that says otherwise means its own memory, or its APIC. */
static bool in_windows(const struct hv_partition *partition, uint64_t gpa, uint64_t size)
{
	uint64_t high = hv_acpi_high_window(&partition->memory);

	if (gpa >= HV_LOW_WINDOW && gpa - HV_LOW_WINDOW < HV_LOW_WINDOW_SIZE)
		return size <= HV_LOW_WINDOW_SIZE - (gpa - HV_LOW_WINDOW);
	return high != 0 && gpa >= high && gpa - high < HV_HIGH_WINDOW_SIZE &&
	       size <= HV_HIGH_WINDOW_SIZE - (gpa - high);
}

static bool overlaps(const struct hv_range *r, uint64_t gpa, uint64_t size)
{
	return r->size != 0 && r->gpa < gpa + size && gpa < r->gpa + r->size;
}

static bool holds(const struct hv_range *r, uint64_t gpa, uint64_t size)
{
	return gpa >= r->gpa && gpa - r->gpa < r->size && size <= r->size - (gpa - r->gpa);
}

static struct hv_region *find(struct hv_devices *d, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < HV_MAX_REGIONS; i++)
		if (holds(&d->regions[i].range, gpa, size))
			return &d->regions[i];
	return NULL;
}

static bool aligned(uint64_t gpa, uint64_t size)
{
	return size != 0 && (gpa | size) % GPA_PAGE_SIZE == 0;
}

/* A place for a region. */
static int place(struct hv_devices *d, uint64_t gpa, uint64_t size, struct hv_region **ret_region)
{
	struct hv_region *at = NULL;

	for (unsigned i = HV_MAX_REGIONS; i-- > 0;) {
		if (overlaps(&d->regions[i].range, gpa, size))
			return -EBUSY;
		if (d->regions[i].range.size == 0)
			at = &d->regions[i];
	}
	if (at == NULL)
		return -ENOSPC;
	*ret_region = at;
	return 0;
}

static void set(struct hv_region *at, const struct hv_region *region)
{
	struct hv_devices *d = region->partition->own_devices;

	pthread_mutex_lock(&d->lock);
	*at = *region;
	pthread_mutex_unlock(&d->lock);
}

int hv_region_add(struct hv_partition *partition, uint64_t gpa, uint64_t size,
		  const struct hv_region_ops *ops, void *ctx, struct hv_region **ret_region)
{
	const struct hv_region region = {.partition = partition,
					 .range = {.gpa = gpa, .size = size},
					 .ops = ops,
					 .ctx = ctx};
	int rc;

	if (!aligned(gpa, size) || !in_windows(partition, gpa, size))
		return -EINVAL;
	rc = place(partition->own_devices, gpa, size, ret_region);
	if (rc == 0)
		set(*ret_region, &region);
	return rc;
}

void hv_region_remove(struct hv_region *region)
{
	struct hv_region none = {0};

	if (region == NULL)
		return;
	for (unsigned i = 0; i < HV_MAX_REGIONS; i++) {
		const struct hv_range *m = &region->partition->own_devices->mappings[i];

		if (overlaps(m, region->range.gpa, region->range.size))
			(void)hv_region_unmap(region->partition, m->gpa, m->size);
	}
	none.partition = region->partition;
	set(region, &none);
}

bool hv_traps(struct hv_partition *partition, uint64_t gpa)
{
	struct hv_devices *d = partition->own_devices;
	bool traps;

	pthread_mutex_lock(&d->lock);
	traps = find(d, gpa, 1) != NULL;
	pthread_mutex_unlock(&d->lock);
	return traps;
}

/* ---- Mappings: memory slots of KVM's, whose first numbers are those of RAM ---- */

static int set_slot(const struct hv_partition *partition, unsigned i, uint64_t gpa, uint64_t size,
		    void *va)
{
	struct kvm_userspace_memory_region slot = {
		.slot = GPA_MAX_RANGES + i,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uint64_t)(uintptr_t)va,
	};

	return ioctl(partition->fd, KVM_SET_USER_MEMORY_REGION, &slot) == 0 ? 0 : -errno;
}

int hv_region_map(struct hv_partition *partition, uint64_t gpa, uint64_t size, void *va)
{
	struct hv_devices *d = partition->own_devices;
	unsigned at = HV_MAX_REGIONS;
	int rc;

	if (!aligned(gpa, size) || find(d, gpa, size) == NULL)
		return -EINVAL;
	for (unsigned i = HV_MAX_REGIONS; i-- > 0;) {
		if (overlaps(&d->mappings[i], gpa, size))
			return -EBUSY;
		if (d->mappings[i].size == 0)
			at = i;
	}
	if (at == HV_MAX_REGIONS)
		return -ENOSPC;
	rc = set_slot(partition, at, gpa, size, va);
	if (rc == 0)
		d->mappings[at] = (struct hv_range){.gpa = gpa, .size = size};
	return rc;
}

int hv_region_unmap(struct hv_partition *partition, uint64_t gpa, uint64_t size)
{
	struct hv_devices *d = partition->own_devices;

	for (unsigned i = 0; i < HV_MAX_REGIONS; i++) {
		struct hv_range *m = &d->mappings[i];

		if (size == 0 || m->gpa != gpa || m->size != size)
			continue;
		*m = (struct hv_range){0};
		return set_slot(partition, i, gpa, 0, NULL);
	}
	return -ENOENT;
}

/* ---- Questions ---- */

void hv_partition_set_retarget(struct hv_partition *partition, hv_retarget_fn fn, void *ctx)
{
	partition->own_devices->retarget = fn;
	partition->own_devices->retarget_ctx = ctx;
}

int hv_asks_fd(const struct hv_partition *partition)
{
	return partition->own_devices->asks_fd;
}

static void answer_access(struct hv_devices *d, struct hv_ask *ask)
{
	const struct hv_region *r = find(d, ask->gpa, ask->size);

	if (r == NULL)
		ask->value = UINT64_MAX;
	else if (ask->what == HV_ASK_WRITE)
		r->ops->write(r->ctx, ask->gpa - r->range.gpa, ask->size, ask->value);
	else
		ask->value = r->ops->read(r->ctx, ask->gpa - r->range.gpa, ask->size);
}

static void answer(struct hv_devices *d, struct hv_ask *ask)
{
	if (ask->what != HV_ASK_RETARGET)
		answer_access(d, ask);
	else if (d->retarget != NULL)
		ask->rc = d->retarget(d->retarget_ctx, &ask->retarget);
	else
		ask->rc = -ENOENT;
}

bool hv_asks_answer_locked(struct hv_partition *partition)
{
	struct hv_devices *d = partition->own_devices;
	bool any = false;

	for (unsigned i = 0; i < partition->n_vps; i++) {
		struct hv_ask *ask = d->asks[i];

		if (ask == NULL)
			continue;
		/* It waits: nobody else touches its question. */
		pthread_mutex_unlock(&partition->lock);
		answer(d, ask);
		pthread_mutex_lock(&partition->lock);
		d->asks[i] = NULL;
		any = true;
	}
	if (any)
		pthread_cond_broadcast(&partition->changed);
	return any;
}

void hv_asks_answer(struct hv_partition *partition)
{
	eventfd_t n;

	(void)eventfd_read(partition->own_devices->asks_fd, &n);
	pthread_mutex_lock(&partition->lock);
	(void)hv_asks_answer_locked(partition);
	pthread_mutex_unlock(&partition->lock);
}

bool hv_ask(struct hv_vp *vp, struct hv_ask *ask)
{
	struct hv_partition *p = vp->partition;
	struct hv_ask **slot = &p->own_devices->asks[vp->index];
	bool answered;

	pthread_mutex_lock(&p->lock);
	*slot = ask;
	/* The owner looks at its descriptors, or waits for this very processor. */
	(void)eventfd_write(p->own_devices->asks_fd, 1);
	pthread_cond_broadcast(&p->changed);
	while (*slot != NULL && !p->ending)
		pthread_cond_wait(&p->changed, &p->lock);
	answered = *slot == NULL;
	*slot = NULL;
	pthread_mutex_unlock(&p->lock);
	return answered;
}

/* ---- Life ---- */

int hv_devices_create(struct hv_partition *partition, struct hv_devices **ret_devices)
{
	struct hv_devices *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return -ENOMEM;
	d->asks_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (d->asks_fd < 0) {
		rc = -errno;
		free(d);
		return rc;
	}
	pthread_mutex_init(&d->lock, NULL);
	*ret_devices = d;
	return 0;
}

void hv_devices_destroy(struct hv_devices *d)
{
	if (d == NULL)
		return;
	pthread_mutex_destroy(&d->lock);
	close(d->asks_fd);
	free(d);
}

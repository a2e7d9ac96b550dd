/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Interrupts of a VFIO device, and what the host says of it.  See vfio.h.
 *
 * Each vector has an eventfd from its first use on.  The device raises it whether the guest wants
 * it or not; while no processor is named, it stays in there: pending.  The device's own MSI-X is
 * turned on with the first vector, for as many as it has, since not every kernel lets it grow.
 */
#include "sriov/vfio_priv.h"

#include <errno.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmbus/local.h"

#define SLUG	     "vfio"
#define REG_STATUS   0x06u
#define REG_CAPS     0x34u
#define HAS_CAPS     0x0010u
#define FIRST_CAP    0x40u
#define LAST_CAP     0xf4u
#define MAX_CAPS     48u
#define CAP_MSIX     0x11u
#define CONTROL_SIZE 0x07ffu

/* ---- The capability ---- */

/* The list is the device's: it may be endless, or lead anywhere. */
static uint32_t find_msix(struct sriov_vfio *v)
{
	uint32_t at;

	if ((vfio_config_read(v, REG_STATUS, 2) & HAS_CAPS) == 0)
		return 0;
	at = vfio_config_read(v, REG_CAPS, 1) & ~3u;
	for (unsigned n = 0; n < MAX_CAPS && at >= FIRST_CAP && at <= LAST_CAP; n++) {
		if (vfio_config_read(v, at, 1) == CAP_MSIX)
			return at;
		at = vfio_config_read(v, at + 1, 1) & ~3u;
	}
	return 0;
}

static unsigned n_vectors(const struct sriov_vfio *v)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX};

	if (vfio_ioctl(v, v->opts.fds.device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 ||
	    (info.flags & VFIO_IRQ_INFO_EVENTFD) == 0)
		return 0;
	return info.count;
}

int vfio_msix_init(struct sriov_vfio *v, struct err *err)
{
	struct vfio_msix *x = &v->msix;
	uint32_t table, pba;

	x->cap = find_msix(v);
	if (x->cap == 0)
		return 0; /* it has no interrupts */
	table = vfio_config_read(v, x->cap + 4, 4);
	pba = vfio_config_read(v, x->cap + 8, 4);
	x->n = (vfio_config_read(v, x->cap + 2, 2) & CONTROL_SIZE) + 1;
	x->table_bar = table & 7;
	x->table_offset = table & ~7u;
	x->pba_bar = pba & 7;
	x->pba_offset = pba & ~7u;
	if (n_vectors(v) != x->n)
		return err_set(err, -EINVAL, SLUG,
			       "%s has %u interrupts, of which the host gives %u", v->name, x->n,
			       n_vectors(v));
	x->vectors = calloc(x->n, sizeof(x->vectors[0]));
	if (x->vectors == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	for (unsigned i = 0; i < x->n; i++)
		x->vectors[i] = (struct vfio_vector){.fd = -1, .vp = VPCI_NO_VP};
	return 0;
}

/* ---- At the device ---- */

/* Vectors [from, from + n) raise their descriptors.  What VFIO says: 0; more than 0: so many are
 * there; negative errno. */
static int set_eventfds(const struct sriov_vfio *v, unsigned irq, unsigned from, unsigned n,
			const int *fds)
{
	size_t size = sizeof(struct vfio_irq_set) + n * sizeof(fds[0]);
	struct vfio_irq_set *set = calloc(1, size);
	int rc;

	if (set == NULL)
		return -ENOMEM;
	*set = (struct vfio_irq_set){.argsz = (uint32_t)size,
				     .flags = VFIO_IRQ_SET_ACTION_TRIGGER |
					      (n != 0 ? VFIO_IRQ_SET_DATA_EVENTFD
						      : VFIO_IRQ_SET_DATA_NONE),
				     .index = irq,
				     .start = from,
				     .count = n};
	if (n != 0)
		memcpy(set->data, fds, n * sizeof(fds[0]));
	rc = vfio_ioctl(v, v->opts.fds.device, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return rc;
}

/* Turns MSI-X on for 'n' vectors. */
static int enable(struct sriov_vfio *v, unsigned n)
{
	int *fds = calloc(n, sizeof(*fds));
	int rc;

	if (fds == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		fds[i] = v->msix.vectors[i].fd;
	rc = set_eventfds(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, n, fds);
	free(fds);
	if (rc != 0)
		return rc;
	v->msix.enabled = true;
	v->msix.n_enabled = n;
	for (unsigned i = 0; i < n; i++)
		v->msix.vectors[i].armed = v->msix.vectors[i].fd >= 0;
	return 0;
}

/* The device raises the descriptor of 'index'. */
static int arm(struct sriov_vfio *v, unsigned index)
{
	struct vfio_msix *x = &v->msix;
	int rc;

	if (x->enabled)
		return index < x->n_enabled ? set_eventfds(v, VFIO_PCI_MSIX_IRQ_INDEX, index, 1,
							   &x->vectors[index].fd)
					    : -ENOSPC;
	rc = enable(v, x->n);
	if (rc > 0)
		rc = (unsigned)rc > index && (unsigned)rc < x->n ? enable(v, (unsigned)rc)
								 : -ENOSPC;
	return rc > 0 ? -ENOSPC : rc;
}

static int vector_open(struct sriov_vfio *v, unsigned index)
{
	struct vfio_vector *vector = &v->msix.vectors[index];
	int rc;

	if (vector->armed)
		return 0;
	if (vector->fd < 0)
		vector->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vector->fd < 0)
		return -errno;
	rc = arm(v, index);
	vector->armed = rc == 0;
	return rc;
}

/* ---- In the guest ---- */

static void unroute(struct sriov_vfio *v, unsigned index)
{
	struct vfio_vector *vector = &v->msix.vectors[index];

	if (vector->vp != VPCI_NO_VP)
		(void)v->opts.host->route(v->opts.ctx, index, vector->fd, VPCI_NO_VP, 0);
	vector->vp = VPCI_NO_VP;
}

void vfio_msix_route(struct sriov_vfio *v, unsigned index, uint32_t vp, uint32_t vector)
{
	struct vfio_vector *e;

	if (index >= v->msix.n)
		return;
	e = &v->msix.vectors[index];
	if (vp == VPCI_NO_VP) {
		unroute(v, index);
		return;
	}
	if (e->vp == vp && e->vector == vector)
		return;
	if (vector_open(v, index) != 0 ||
	    v->opts.host->route(v->opts.ctx, index, e->fd, vp, vector) != 0) {
		v->info.failed_routes++;
		unroute(v, index);
		return;
	}
	e->vp = vp;
	e->vector = vector;
}

bool vfio_msix_pending(const struct sriov_vfio *v, unsigned index)
{
	struct pollfd fd = {.events = POLLIN};

	if (index >= v->msix.n || v->msix.vectors[index].fd < 0 ||
	    v->msix.vectors[index].vp != VPCI_NO_VP)
		return false;
	fd.fd = v->msix.vectors[index].fd;
	return poll(&fd, 1, 0) == 1;
}

void vfio_msix_reset(struct sriov_vfio *v)
{
	struct vfio_msix *x = &v->msix;
	eventfd_t n;

	if (x->vectors == NULL)
		return;
	for (unsigned i = 0; i < x->n; i++)
		unroute(v, i);
	/* When that fails it is tried again, at the latest in the end. */
	if (x->enabled)
		x->enabled = set_eventfds(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, NULL) < 0;
	for (unsigned i = 0; i < x->n; i++) {
		x->vectors[i].armed = x->vectors[i].armed && x->enabled;
		if (x->vectors[i].fd >= 0)
			(void)eventfd_read(x->vectors[i].fd, &n);
	}
}

void vfio_msix_fini(struct sriov_vfio *v)
{
	vfio_msix_reset(v);
	for (unsigned i = 0; v->msix.vectors != NULL && i < v->msix.n; i++)
		if (v->msix.vectors[i].fd >= 0)
			close(v->msix.vectors[i].fd);
	free(v->msix.vectors);
	v->msix.vectors = NULL;
	v->msix.n = 0;
}

/* ---- What the host says ---- */

static void on_notice(void *arg)
{
	struct vfio_notice *notice = arg;
	eventfd_t n;

	if (eventfd_read(notice->fd, &n) == 0)
		vfio_gone(notice->vfio, notice->end);
}

static void notice_init(struct sriov_vfio *v, struct vfio_notice *notice, unsigned irq,
			enum sriov_vfio_end end)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = irq};

	*notice = (struct vfio_notice){.vfio = v, .end = end, .fd = -1};
	if (v->opts.loop == NULL ||
	    vfio_ioctl(v, v->opts.fds.device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0 ||
	    info.count != 1)
		return;
	notice->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (notice->fd < 0)
		return;
	notice->handle = v->opts.loop->add(v->opts.loop->ctx, notice->fd, on_notice, notice);
	if (notice->handle != NULL)
		(void)set_eventfds(v, irq, 0, 1, &notice->fd);
}

void vfio_notices_init(struct sriov_vfio *v)
{
	notice_init(v, &v->notices[0], VFIO_PCI_REQ_IRQ_INDEX, SRIOV_VFIO_WANTED);
	notice_init(v, &v->notices[1], VFIO_PCI_ERR_IRQ_INDEX, SRIOV_VFIO_ERROR);
}

void vfio_notices_fini(struct sriov_vfio *v)
{
	for (unsigned i = 0; i < sizeof(v->notices) / sizeof(v->notices[0]); i++) {
		struct vfio_notice *notice = &v->notices[i];

		if (notice->handle != NULL)
			v->opts.loop->remove(v->opts.loop->ctx, notice->handle);
		notice->handle = NULL;
		if (notice->fd >= 0)
			close(notice->fd);
		notice->fd = -1;
	}
}

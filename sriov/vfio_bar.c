/* SPDX-License-Identifier: BSD-2-Clause
 *
 * BARs of a VFIO device.  See vfio.h.
 *
 * A BAR is cut into pieces that are mapped into the guest: what the driver of the device lets be
 * mapped, without the pages that hold the MSI-X table and its pending bits.  All else traps, and is
 * read and written through the descriptor.
 */
#include "sriov/vfio_priv.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>

#define SLUG	     "vfio"
#define REG_BARS     0x10u
#define BAR_IO	     0x1u
#define BAR_WIDE     0x4u
#define BAR_PREFETCH 0x8u
#define INFO_MAX     65536u /* of a region's description */
#define MSIX_ENTRY   16u

/* ---- Pieces ---- */

struct range {
	uint64_t from, to;
};

/* The pages of 'size' bytes at 'offset'. */
static struct range pages(uint64_t offset, uint64_t size)
{
	return (struct range){offset & ~(uint64_t)(VFIO_PAGE - 1),
			      (offset + size + VFIO_PAGE - 1) & ~(uint64_t)(VFIO_PAGE - 1)};
}

/* The first page from 'from' on that must trap, and where such pages end; 'to': none before. */
static struct range next_hole(const struct vfio_msix *x, unsigned bar, uint64_t from, uint64_t to)
{
	const struct range holes[] = {
		pages(x->table_offset, (uint64_t)x->n * MSIX_ENTRY),
		pages(x->pba_offset, ((uint64_t)x->n + 63) / 64 * 8),
	};
	const bool here[] = {x->n != 0 && x->table_bar == bar, x->n != 0 && x->pba_bar == bar};
	struct range next = {to, to};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t start = holes[i].from > from ? holes[i].from : from;

		if (here[i] && holes[i].to > from && start < next.from)
			next = (struct range){start, holes[i].to};
	}
	return next;
}

/* What cannot be mapped traps. */
static void add_piece(struct sriov_vfio *v, struct vfio_bar *b, uint64_t from, uint64_t to)
{
	const struct sriov_vfio_sys *sys = v->opts.sys;
	struct vfio_piece p = {.offset = from, .size = to - from};

	if (from >= to || b->n_pieces == VFIO_MAX_PIECES)
		return;
	p.va = sys->map(sys->ctx, v->opts.fds.device, p.size, b->at + from);
	if (p.va != NULL)
		b->pieces[b->n_pieces++] = p;
}

/* [from, to) may be mapped, but for holes. */
static void add_range(struct sriov_vfio *v, unsigned bar, uint64_t from, uint64_t to)
{
	from = (from + VFIO_PAGE - 1) & ~(uint64_t)(VFIO_PAGE - 1);
	to &= ~(uint64_t)(VFIO_PAGE - 1);
	while (from < to) {
		struct range hole = next_hole(&v->msix, bar, from, to);

		add_piece(v, &v->bars[bar], from, hole.from);
		from = hole.to;
	}
}

/* ---- What the driver says ---- */

/* A capability of a region, of 'size' bytes at least, or NULL. */
static const void *find_cap(const struct vfio_region_info *info, uint16_t id, size_t size)
{
	uint32_t at = info->cap_offset;

	if ((info->flags & VFIO_REGION_INFO_FLAG_CAPS) == 0)
		return NULL;
	for (unsigned n = 0; n < 16 && at >= sizeof(*info) && at <= info->argsz - size; n++) {
		const struct vfio_info_cap_header *cap = (const void *)((const uint8_t *)info + at);

		if (at % 8 != 0)
			return NULL;
		if (cap->id == id)
			return cap;
		at = cap->next;
	}
	return NULL;
}

/* With all its capabilities.  free() it.  -ENOMEM, -EINVAL: it is longer than makes sense, or what
 * the kernel says. */
static int region_info(const struct sriov_vfio *v, unsigned index,
		       struct vfio_region_info **ret_info)
{
	struct vfio_region_info *info;
	uint32_t size = sizeof(*info);
	int rc = 0;

	for (unsigned n = 0; rc == 0 && n < 2 && size <= INFO_MAX; n++) {
		info = calloc(1, size);
		if (info == NULL)
			return -ENOMEM;
		info->argsz = size;
		info->index = index;
		rc = vfio_ioctl(v, v->opts.fds.device, VFIO_DEVICE_GET_REGION_INFO, info);
		if (rc >= 0 && info->argsz <= size) {
			info->argsz = size;
			*ret_info = info;
			return 0;
		}
		size = info->argsz;
		free(info);
	}
	return rc < 0 ? rc : -EINVAL;
}

static void add_pieces(struct sriov_vfio *v, unsigned bar, const struct vfio_region_info *info)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse =
		find_cap(info, VFIO_REGION_INFO_CAP_SPARSE_MMAP, sizeof(*sparse));
	size_t room;

	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0)
		return;
	if (sparse == NULL) {
		add_range(v, bar, 0, info->size);
		return;
	}
	room = (info->argsz - (size_t)((const uint8_t *)sparse->areas - (const uint8_t *)info)) /
	       sizeof(sparse->areas[0]);
	for (uint32_t i = 0; i < sparse->nr_areas && i < room; i++) {
		uint64_t from = sparse->areas[i].offset, size = sparse->areas[i].size;

		if (from < info->size && size <= info->size - from)
			add_range(v, bar, from, from + size);
	}
}

/* Memory as the device says it; ports of I/O are left out: no function needs them any more. */
static int bar_init(struct sriov_vfio *v, unsigned bar)
{
	uint32_t reg = vfio_config_read(v, REG_BARS + 4 * bar, 4);
	struct vfio_bar *b = &v->bars[bar];
	struct vfio_region_info *info;
	int rc = region_info(v, VFIO_PCI_BAR0_REGION_INDEX + bar, &info);

	if (rc != 0)
		return rc;
	if (info->size != 0 && (reg & BAR_IO) == 0) {
		b->region_size = info->size;
		b->at = info->offset;
		b->size = info->size < VFIO_PAGE ? VFIO_PAGE : info->size;
		b->wide = (reg & BAR_WIDE) != 0;
		b->prefetch = (reg & BAR_PREFETCH) != 0;
		add_pieces(v, bar, info);
	}
	free(info);
	return 0;
}

static bool within(const struct sriov_vfio *v, unsigned bar, uint64_t offset, uint64_t size)
{
	return bar < VPCI_N_BARS && offset <= v->bars[bar].region_size &&
	       size <= v->bars[bar].region_size - offset;
}

int vfio_bars_init(struct sriov_vfio *v, struct err *err)
{
	const struct vfio_msix *x = &v->msix;

	for (unsigned i = 0; i < VPCI_N_BARS; i++) {
		int rc = bar_init(v, i);

		if (rc != 0)
			return err_set(err, rc, SLUG, "BAR %u of %s cannot be had: %s", i, v->name,
				       strerror(-rc));
		if (v->bars[i].wide)
			i++; /* its upper half */
	}
	if (x->n != 0 && (!within(v, x->table_bar, x->table_offset, (uint64_t)x->n * MSIX_ENTRY) ||
			  !within(v, x->pba_bar, x->pba_offset, ((uint64_t)x->n + 63) / 64 * 8)))
		return err_set(err, -EINVAL, SLUG,
			       "%s has its MSI-X table where it has no memory (BAR %u, 0x%llx)",
			       v->name, x->table_bar, (unsigned long long)x->table_offset);
	return 0;
}

/* ---- In the guest ---- */

static void displace(struct sriov_vfio *v, unsigned bar)
{
	struct vfio_bar *b = &v->bars[bar];

	if (b->gpa == VPCI_NOWHERE)
		return;
	for (unsigned i = 0; i < b->n_pieces; i++) {
		struct vfio_piece *p = &b->pieces[i];

		if (p->mapped)
			v->opts.host->unmap(v->opts.ctx, b->gpa + p->offset, p->size);
		p->mapped = false;
	}
	(void)v->opts.host->place(v->opts.ctx, bar, VPCI_NOWHERE, b->size);
	b->gpa = VPCI_NOWHERE;
}

int vfio_bar_map(struct sriov_vfio *v, unsigned bar, uint64_t gpa)
{
	struct vfio_bar *b;
	int rc;

	if (bar >= VPCI_N_BARS || v->bars[bar].size == 0)
		return -EINVAL;
	b = &v->bars[bar];
	if (b->gpa == gpa)
		return 0;
	displace(v, bar);
	if (gpa == VPCI_NOWHERE)
		return 0;
	rc = v->opts.host->place(v->opts.ctx, bar, gpa, b->size);
	if (rc != 0)
		return rc;
	b->gpa = gpa;
	for (unsigned i = 0; i < b->n_pieces; i++) {
		struct vfio_piece *p = &b->pieces[i];

		rc = v->opts.host->map(v->opts.ctx, gpa + p->offset, p->va, p->size);
		if (rc != 0) {
			displace(v, bar);
			return rc;
		}
		p->mapped = true;
	}
	return 0;
}

static bool access_ok(const struct sriov_vfio *v, unsigned bar, uint64_t offset, unsigned size)
{
	return (size == 1 || size == 2 || size == 4 || size == 8) && offset % size == 0 &&
	       within(v, bar, offset, size);
}

uint64_t vfio_bar_read(struct sriov_vfio *v, unsigned bar, uint64_t offset, unsigned size)
{
	const struct sriov_vfio_sys *sys = v->opts.sys;
	uint64_t value = 0;

	if (access_ok(v, bar, offset, size) && sys->read(sys->ctx, v->opts.fds.device, &value, size,
							 v->bars[bar].at + offset) == (ssize_t)size)
		return value;
	v->info.failed_accesses++;
	return UINT64_MAX;
}

void vfio_bar_write(struct sriov_vfio *v, unsigned bar, uint64_t offset, unsigned size,
		    uint64_t value)
{
	const struct sriov_vfio_sys *sys = v->opts.sys;

	if (!access_ok(v, bar, offset, size) ||
	    sys->write(sys->ctx, v->opts.fds.device, &value, size, v->bars[bar].at + offset) !=
		    (ssize_t)size)
		v->info.failed_accesses++;
}

void vfio_bars_fini(struct sriov_vfio *v)
{
	const struct sriov_vfio_sys *sys = v->opts.sys;

	for (unsigned i = 0; i < VPCI_N_BARS; i++) {
		struct vfio_bar *b = &v->bars[i];

		displace(v, i);
		while (b->n_pieces > 0) {
			const struct vfio_piece *p = &b->pieces[--b->n_pieces];

			sys->unmap(sys->ctx, p->va, p->size);
		}
	}
}

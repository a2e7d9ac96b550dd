/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a device asks of the machine (struct sriov_vfio_host_ops), done with hv/device.h.
 */
#include "hv/worker/function_priv.h"

#include <errno.h>

/* ---- What traps ---- */

static uint64_t window_read(void *ctx, uint64_t offset, unsigned size)
{
	struct function *f = ctx;

	f->n_reads++;
	return vpci_window_read(f->vpci, (uint32_t)offset, size);
}

static void window_write(void *ctx, uint64_t offset, unsigned size, uint64_t value)
{
	struct function *f = ctx;

	f->n_writes++;
	vpci_window_write(f->vpci, (uint32_t)offset, size, value);
}

static const struct hv_region_ops window_ops = {.read = window_read, .write = window_write};

static uint64_t bar_read(void *ctx, uint64_t offset, unsigned size)
{
	const struct function_bar *bar = ctx;

	bar->function->n_reads++;
	return vpci_bar_read(bar->function->vpci, bar->index, offset, size);
}

static void bar_write(void *ctx, uint64_t offset, unsigned size, uint64_t value)
{
	const struct function_bar *bar = ctx;

	bar->function->n_writes++;
	vpci_bar_write(bar->function->vpci, bar->index, offset, size, value);
}

static const struct hv_region_ops bar_ops = {.read = bar_read, .write = bar_write};

/* ---- Where it is ---- */

/* A region moves: 'at' is where it was and is. */
static int move(struct function *f, uint64_t gpa, uint64_t size, const struct hv_region_ops *ops,
		void *ctx, struct hv_region **at)
{
	hv_region_remove(*at);
	*at = NULL;
	if (gpa == VPCI_NOWHERE)
		return 0;
	return hv_region_add(f->all->opts.partition, gpa, size, ops, ctx, at);
}

static int place(void *ctx, unsigned bar, uint64_t gpa, uint64_t size)
{
	struct function *f = ctx;
	struct function_bar *b;

	if (bar >= VPCI_N_BARS)
		return -EINVAL;
	b = &f->bars[bar];
	b->function = f;
	b->index = bar;
	return move(f, gpa, size, &bar_ops, b, &b->region);
}

static int window(void *ctx, uint64_t gpa)
{
	struct function *f = ctx;

	return move(f, gpa, VPCI_WINDOW_SIZE, &window_ops, f, &f->window);
}

static int map(void *ctx, uint64_t gpa, void *va, uint64_t size)
{
	const struct function *f = ctx;

	return hv_region_map(f->all->opts.partition, gpa, size, va);
}

static void unmap(void *ctx, uint64_t gpa, uint64_t size)
{
	const struct function *f = ctx;

	(void)hv_region_unmap(f->all->opts.partition, gpa, size);
}

/* ---- Interrupts ---- */

static int route(void *ctx, unsigned index, int fd, uint32_t vp, uint32_t vector)
{
	struct function *f = ctx;
	int rc = 0;

	if (index >= VPCI_MAX_VECTORS)
		return -EINVAL;
	if (vp == VPCI_NO_VP) {
		if (f->msis[index] != NULL)
			hv_msi_mask(f->msis[index]);
		return 0;
	}
	if (f->msis[index] == NULL)
		rc = hv_msi_create(f->all->opts.partition, fd, &f->msis[index]);
	return rc == 0 ? hv_msi_route(f->msis[index], vp, vector) : rc;
}

/* ---- What it says ---- */

static void ejected(void *ctx)
{
	function_ejected(ctx);
}

static void gone(void *ctx, enum sriov_vfio_end why)
{
	function_gone(ctx, why);
}

const struct sriov_vfio_host_ops function_host_ops = {
	.place = place,
	.map = map,
	.unmap = unmap,
	.route = route,
	.window = window,
	.ejected = ejected,
	.gone = gone,
};

void function_host_fini(struct function *f)
{
	hv_region_remove(f->window);
	f->window = NULL;
	for (unsigned i = 0; i < VPCI_N_BARS; i++) {
		hv_region_remove(f->bars[i].region);
		f->bars[i].region = NULL;
	}
	for (unsigned i = 0; i < VPCI_MAX_VECTORS; i++) {
		hv_msi_destroy(f->msis[i]);
		f->msis[i] = NULL;
	}
}

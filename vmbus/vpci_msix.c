/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Interrupts of a function: cookies that the guest was given, the MSI-X table in which it puts
 * them, and where each entry therefore leads.  See vpci.h.
 *
 * A cookie is an address that all share and a word that says which it is and how often that place
 * was used, so that one that was deleted leads nowhere when the place is used again.
 *
 * Source: PCI Express base specification 5.0, 7.7.2.
 */
#include "vmbus/vpci_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE_ADDRESS	0xfee00000u
#define FIRST_VECTOR	16u
#define LAST_VECTOR	255u
#define MAX_MESSAGES	32u
#define CONTROL_ENABLE	0x8000u
#define CONTROL_MASKALL 0x4000u
#define CONTROL_SIZE	0x07ffu

/* ---- Cookies ---- */

static uint32_t data_of(const struct vpci_msix *x, uint32_t i)
{
	return (uint32_t)x->interrupts[i].serial << 16 | i;
}

static struct vpci_interrupt *find(struct vpci_msix *x, uint64_t address, uint32_t data)
{
	struct vpci_interrupt *in = &x->interrupts[data % VPCI_MAX_INTERRUPTS];

	if (address != COOKIE_ADDRESS || !in->used ||
	    data != data_of(x, data % VPCI_MAX_INTERRUPTS))
		return NULL;
	return in;
}

static bool target_ok(const struct vpci *v, uint32_t vector, uint32_t vp)
{
	return vector >= FIRST_VECTOR && vector <= LAST_VECTOR && vp < v->opts.n_vps;
}

/* A place that is free, or VPCI_MAX_INTERRUPTS. */
static uint32_t find_free(const struct vpci_msix *x)
{
	for (uint32_t n = 0; n < VPCI_MAX_INTERRUPTS; n++) {
		uint32_t i = (x->next + n) % VPCI_MAX_INTERRUPTS;

		if (!x->interrupts[i].used)
			return i;
	}
	return VPCI_MAX_INTERRUPTS;
}

/* ---- Where entries lead ---- */

static void route(struct vpci *v, unsigned index)
{
	struct vpci_msix *x = &v->msix;
	const struct vpci_entry *e = &x->entries[index];
	const struct vpci_interrupt *in = find(x, (uint64_t)e->upper << 32 | e->address, e->data);

	if (in == NULL || (x->control & (CONTROL_ENABLE | CONTROL_MASKALL)) != CONTROL_ENABLE ||
	    (e->control & VPCI_ENTRY_MASKED) != 0)
		v->opts.ops->route(v->opts.ctx, index, VPCI_NO_VP, 0);
	else
		v->opts.ops->route(v->opts.ctx, index, in->vp, in->vector);
}

static void route_all(struct vpci *v)
{
	for (unsigned i = 0; i < v->msix.n; i++)
		route(v, i);
}

/* Entries that hold this cookie. */
static void route_cookie(struct vpci *v, uint32_t data)
{
	for (unsigned i = 0; i < v->msix.n; i++)
		if (v->msix.entries[i].data == data)
			route(v, i);
}

uint32_t vpci_msix_create(struct vpci *v, const struct vpci_target *target,
			  struct vpci_cookie *ret_cookie)
{
	struct vpci_msix *x = &v->msix;
	uint32_t i = find_free(x);
	struct vpci_interrupt *in;

	/* Several messages of one interrupt are MSI's, which no function has here. */
	if (target->count != 1 || target->n_vps == 0 ||
	    !target_ok(v, target->vector, target->vps[0])) {
		vpci_count(v, VPCI_FAULT_TARGET);
		return VPCI_STATUS_PARAMETER;
	}
	if (i == VPCI_MAX_INTERRUPTS) {
		vpci_count(v, VPCI_FAULT_INTERRUPTS);
		return VPCI_STATUS_RESOURCES;
	}
	in = &x->interrupts[i];
	*in = (struct vpci_interrupt){.used = true,
				      .serial = (uint16_t)(in->serial + 1),
				      .vector = target->vector,
				      .vp = target->vps[0]};
	x->n_interrupts++;
	x->next = (i + 1) % VPCI_MAX_INTERRUPTS;
	*ret_cookie =
		(struct vpci_cookie){.count = 1, .data = data_of(x, i), .address = COOKIE_ADDRESS};
	return VPCI_OK;
}

bool vpci_msix_delete(struct vpci *v, const struct vpci_cookie *cookie)
{
	struct vpci_interrupt *in = find(&v->msix, cookie->address, cookie->data);

	if (in == NULL)
		return false;
	in->used = false;
	v->msix.n_interrupts--;
	route_cookie(v, cookie->data);
	return true;
}

int vpci_retarget(struct vpci *v, uint64_t address, uint32_t data, uint32_t vector, uint32_t vp)
{
	struct vpci_interrupt *in = find(&v->msix, address, data);

	if (in == NULL) {
		vpci_count(v, VPCI_FAULT_COOKIE);
		return -ENOENT;
	}
	if (!target_ok(v, vector, vp)) {
		vpci_count(v, VPCI_FAULT_TARGET);
		return -EINVAL;
	}
	in->vector = vector;
	in->vp = vp;
	route_cookie(v, data);
	return 0;
}

/* ---- The table ---- */

/* Part of the table, or of the pending bits? */
static bool within(uint32_t from, uint64_t size, uint64_t offset, unsigned access)
{
	return offset >= from && offset - from < size && access <= size - (offset - from);
}

static uint64_t table_size(const struct vpci_msix *x)
{
	return (uint64_t)x->n * VPCI_ENTRY_SIZE;
}

static uint64_t pba_size(const struct vpci_msix *x)
{
	return (uint64_t)(x->n + 63) / 64 * 8;
}

/* Dwords and aligned qwords only, as the specification has it. */
static bool access_ok(uint64_t offset, unsigned size)
{
	return (size == 4 || size == 8) && offset % size == 0;
}

static uint32_t *word_at(struct vpci_msix *x, uint64_t at)
{
	struct vpci_entry *e = &x->entries[at / VPCI_ENTRY_SIZE];

	switch (at % VPCI_ENTRY_SIZE / 4) {
	case 0:
		return &e->address;
	case 1:
		return &e->upper;
	case 2:
		return &e->data;
	default:
		return &e->control;
	}
}

static void table_write(struct vpci *v, uint64_t at, uint32_t value)
{
	struct vpci_msix *x = &v->msix;

	*word_at(x, at) = at % VPCI_ENTRY_SIZE == 12 ? value & VPCI_ENTRY_MASKED : value;
	route(v, (unsigned)(at / VPCI_ENTRY_SIZE));
}

static uint32_t pending_word(const struct vpci *v, uint64_t at)
{
	uint32_t word = 0;

	for (unsigned i = 0; i < 32; i++) {
		unsigned index = (unsigned)at * 8 + i;

		if (index < v->msix.n && v->opts.ops->pending(v->opts.ctx, index))
			word |= 1u << i;
	}
	return word;
}

static bool is_table(const struct vpci *v, unsigned bar, uint64_t offset, unsigned size)
{
	const struct vpci_msix *x = &v->msix;

	return x->n != 0 && bar == x->table_bar &&
	       within(x->table_offset, table_size(x), offset, size);
}

static bool is_pba(const struct vpci *v, unsigned bar, uint64_t offset, unsigned size)
{
	const struct vpci_msix *x = &v->msix;

	return x->n != 0 && bar == x->pba_bar && within(x->pba_offset, pba_size(x), offset, size);
}

static uint32_t read_word(struct vpci *v, bool table, uint64_t offset)
{
	return table ? *word_at(&v->msix, offset - v->msix.table_offset)
		     : pending_word(v, offset - v->msix.pba_offset);
}

uint64_t vpci_bar_read(struct vpci *v, unsigned bar, uint64_t offset, unsigned size)
{
	bool table = is_table(v, bar, offset, size);
	uint64_t value;

	if (bar >= VPCI_N_BARS || size == 0 || size > 8)
		return UINT64_MAX;
	if (!table && !is_pba(v, bar, offset, size))
		return v->opts.ops->bar_read(v->opts.ctx, bar, offset, size);
	if (!access_ok(offset, size))
		return UINT64_MAX;
	value = read_word(v, table, offset);
	if (size == 8)
		value |= (uint64_t)read_word(v, table, offset + 4) << 32;
	return value;
}

void vpci_bar_write(struct vpci *v, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	uint64_t at = offset - v->msix.table_offset;

	if (bar >= VPCI_N_BARS || size == 0 || size > 8)
		return;
	if (!is_table(v, bar, offset, size)) {
		if (!is_pba(v, bar, offset, size))
			v->opts.ops->bar_write(v->opts.ctx, bar, offset, size, value);
		return;
	}
	if (!access_ok(offset, size))
		return;
	table_write(v, at, (uint32_t)value);
	if (size == 8)
		table_write(v, at + 4, (uint32_t)(value >> 32));
}

/* ---- Life ---- */

void vpci_msix_control(struct vpci *v, uint16_t control)
{
	control &= CONTROL_ENABLE | CONTROL_MASKALL;
	if (control == v->msix.control)
		return;
	v->msix.control = control;
	route_all(v);
}

void vpci_msix_reset(struct vpci *v)
{
	struct vpci_msix *x = &v->msix;

	x->control = 0;
	for (unsigned i = 0; i < x->n; i++)
		x->entries[i] = (struct vpci_entry){.control = VPCI_ENTRY_MASKED};
	for (unsigned i = 0; i < VPCI_MAX_INTERRUPTS; i++)
		x->interrupts[i].used = false;
	x->n_interrupts = 0;
	route_all(v);
}

/* Is there room for it in that BAR? */
static bool fits(const struct vpci *v, unsigned bar, uint32_t offset, uint64_t size)
{
	return bar < VPCI_N_BARS && v->opts.function.bars[bar].size != 0 &&
	       offset < v->opts.function.bars[bar].size &&
	       size <= v->opts.function.bars[bar].size - offset;
}

int vpci_msix_init(struct vpci *v, uint32_t cap)
{
	const struct vpci_backend_ops *ops = v->opts.ops;
	uint32_t table = ops->config_read(v->opts.ctx, cap + 4, 4),
		 pba = ops->config_read(v->opts.ctx, cap + 8, 4);
	struct vpci_msix *x = &v->msix;

	x->cap = cap;
	x->n = (ops->config_read(v->opts.ctx, cap + 2, 2) & CONTROL_SIZE) + 1;
	x->table_bar = table & 7;
	x->table_offset = table & ~7u;
	x->pba_bar = pba & 7;
	x->pba_offset = pba & ~7u;
	if (!fits(v, x->table_bar, x->table_offset, table_size(x)) ||
	    !fits(v, x->pba_bar, x->pba_offset, pba_size(x)))
		return -EINVAL;
	x->entries = calloc(x->n, sizeof(x->entries[0]));
	return x->entries != NULL ? 0 : -ENOMEM;
}

void vpci_msix_fini(struct vpci *v)
{
	free(v->msix.entries);
	v->msix.entries = NULL;
	v->msix.n = 0;
}

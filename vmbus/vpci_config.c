/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration space that a guest sees, and where it puts BARs.  See vpci.h.
 *
 * Nothing is shown that was not looked at: the header is ours, of capabilities the guest finds
 * MSI-X and PCI Express, and of the extended ones none (ARI, SR-IOV, ATS are the host's business).
 * MSI is hidden: a function that has no MSI-X has no interrupts.  By each dword, 'shown' are bits
 * that are read from the function, 'writable' those that are written to it; the rest is 'fixed'.
 *
 * BARs move only while decoding is off, as Hyper-V has it.
 *
 * Source: PCI Express base specification 5.0, 7.5.
 */
#include "vmbus/vpci_priv.h"

#include <errno.h>
#include <string.h>

#define REG_COMMAND   0x04u
#define REG_BARS      0x10u
#define REG_CAPS      0x34u
#define CAP_EXPRESS   0x10u
#define CAP_MSIX      0x11u
#define FIRST_CAP     0x40u
#define CAPS_END      0x100u
#define MAX_CAPS      48u
#define HAS_CAPS      0x0010u /* of the status register */
#define MSIX_SIZE     12u
#define EXPRESS_SIZE  0x14u	 /* to the link's capabilities: the rest is the slot's and root's */
#define FLR_CAPABLE   (1u << 28) /* of the device capabilities */
#define DEVICE_WRITES 0x000f7fffu /* of control and status: all but a reset; errors are cleared */
#define MIN_BAR	      4096u

#define COMMAND_MEMORY	 0x0002u
#define COMMAND_MASTER	 0x0004u
#define COMMAND_INTX_OFF 0x0400u
#define COMMAND_WRITABLE (COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_OFF)
#define BAR_WIDE	 0x4u
#define BAR_PREFETCH	 0x8u

/* ---- What is shown ---- */

static void fix(struct vpci_config *c, uint32_t at, uint32_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		c->fixed[at + i] = (uint8_t)(value >> 8 * i);
}

static void show(struct vpci_config *c, uint32_t at, uint32_t shown, uint32_t writable)
{
	c->shown[at / 4] = shown;
	c->writable[at / 4] = writable;
}

static void header_init(struct vpci *v)
{
	const struct vpci_description *d = &v->opts.function.description;
	struct vpci_config *c = &v->config;

	fix(c, 0x00, d->vendor, 2);
	fix(c, 0x02, d->device, 2);
	fix(c, 0x08, d->revision, 1);
	fix(c, 0x09, d->prog_if, 1);
	fix(c, 0x0a, d->subclass, 1);
	fix(c, 0x0b, d->base_class, 1);
	fix(c, 0x2c, d->subsystem_vendor, 2);
	fix(c, 0x2e, d->subsystem_device, 2);
}

/* Shows a capability of 'size' bytes behind the one whose link is at 'link'; returns its own link.
 */
static uint32_t cap_show(struct vpci_config *c, uint32_t link, uint32_t at, uint32_t size,
			 uint8_t id)
{
	fix(c, link, at, 1);
	fix(c, at, id, 1);
	show(c, at, 0xffff0000u, 0);
	for (uint32_t i = 4; i < size; i += 4)
		show(c, at + i, UINT32_MAX, 0);
	return at + 1;
}

/* One capability of the function; returns the link for the next. */
static int cap_take(struct vpci *v, uint32_t at, uint8_t id, uint32_t *link)
{
	struct vpci_config *c = &v->config;

	if (id == CAP_MSIX && v->msix.cap == 0 && at + MSIX_SIZE <= CAPS_END) {
		*link = cap_show(c, *link, at, MSIX_SIZE, id);
		return vpci_msix_init(v, at);
	}
	if (id == CAP_EXPRESS && c->express == 0 && at + EXPRESS_SIZE <= CAPS_END) {
		*link = cap_show(c, *link, at, EXPRESS_SIZE, id);
		c->express = at;
		show(c, at + 4, ~FLR_CAPABLE, 0);
		show(c, at + 8, UINT32_MAX, DEVICE_WRITES);
	}
	return 0;
}

/* The list is the function's: it may be endless, or lead anywhere. */
static int caps_init(struct vpci *v)
{
	const struct vpci_backend_ops *ops = v->opts.ops;
	uint32_t link = REG_CAPS, at;
	int rc = 0;

	if ((ops->config_read(v->opts.ctx, REG_COMMAND + 2, 2) & HAS_CAPS) == 0)
		return 0;
	at = ops->config_read(v->opts.ctx, REG_CAPS, 1) & ~3u;
	for (unsigned n = 0; rc == 0 && n < MAX_CAPS && at >= FIRST_CAP && at < CAPS_END; n++) {
		rc = cap_take(v, at, (uint8_t)ops->config_read(v->opts.ctx, at, 1), &link);
		at = ops->config_read(v->opts.ctx, at + 1, 1) & ~3u;
	}
	if (link != REG_CAPS)
		fix(&v->config, REG_COMMAND + 2, HAS_CAPS, 2);
	return rc;
}

static bool bars_ok(const struct vpci_bar bars[VPCI_N_BARS])
{
	for (unsigned i = 0; i < VPCI_N_BARS; i++) {
		uint64_t size = bars[i].size;

		if (size == 0)
			continue;
		if (size < MIN_BAR || (size & (size - 1)) != 0)
			return false;
		if (bars[i].wide && (i + 1 == VPCI_N_BARS || bars[i + 1].size != 0))
			return false;
		if (!bars[i].wide && size > UINT64_C(1) << 31)
			return false;
	}
	return true;
}

int vpci_config_init(struct vpci *v)
{
	if (!bars_ok(v->opts.function.bars))
		return -EINVAL;
	header_init(v);
	return caps_init(v);
}

/* ---- BARs ---- */

/* The upper half of the one before? */
static bool is_upper(const struct vpci *v, unsigned i)
{
	return i > 0 && v->opts.function.bars[i - 1].size != 0 && v->opts.function.bars[i - 1].wide;
}

static uint32_t bar_bits(const struct vpci *v, unsigned i)
{
	if (is_upper(v, i))
		return (uint32_t)(-v->opts.function.bars[i - 1].size >> 32);
	return v->opts.function.bars[i].size != 0 ? (uint32_t)-v->opts.function.bars[i].size : 0;
}

static uint32_t bar_type(const struct vpci *v, unsigned i)
{
	const struct vpci_bar *bar = &v->opts.function.bars[i];

	if (bar->size == 0)
		return 0;
	return (bar->wide ? BAR_WIDE : 0) | (bar->prefetch ? BAR_PREFETCH : 0);
}

void vpci_config_masks(const struct vpci *v, uint32_t ret_bars[VPCI_N_BARS])
{
	for (unsigned i = 0; i < VPCI_N_BARS; i++)
		ret_bars[i] = bar_bits(v, i) | bar_type(v, i);
}

static uint64_t bar_address(const struct vpci *v, unsigned i)
{
	uint64_t address = v->config.bars[i];

	if (v->opts.function.bars[i].wide)
		address |= (uint64_t)v->config.bars[i + 1] << 32;
	return address;
}

static void unmap_all(struct vpci *v)
{
	v->config.decoding = false;
	for (unsigned i = 0; i < VPCI_N_BARS; i++)
		if (v->opts.function.bars[i].size != 0)
			(void)v->opts.ops->map(v->opts.ctx, i, VPCI_NOWHERE);
}

static void map_all(struct vpci *v)
{
	for (unsigned i = 0; i < VPCI_N_BARS; i++) {
		uint64_t size = v->opts.function.bars[i].size, address = bar_address(v, i);

		if (size == 0)
			continue;
		if (address == 0 || size - 1 > UINT64_MAX - address ||
		    v->opts.ops->map(v->opts.ctx, i, address) != 0) {
			vpci_count(v, VPCI_FAULT_BAR);
			unmap_all(v);
			return;
		}
	}
	v->config.decoding = true;
}

void vpci_config_assign(struct vpci *v, const struct vpci_memory bars[VPCI_N_BARS])
{
	for (unsigned i = 0; i < VPCI_N_BARS && !v->config.decoding; i++) {
		if (bars[i].size == 0 || v->opts.function.bars[i].size == 0)
			continue;
		v->config.bars[i] = (uint32_t)bars[i].gpa & bar_bits(v, i);
		if (v->opts.function.bars[i].wide)
			v->config.bars[i + 1] = (uint32_t)(bars[i].gpa >> 32) & bar_bits(v, i + 1);
	}
}

static void command_write(struct vpci *v, uint16_t command)
{
	uint16_t was = v->config.command;

	command &= COMMAND_WRITABLE;
	v->config.command = command;
	if (((was ^ command) & COMMAND_MASTER) != 0)
		v->opts.ops->bus_master(v->opts.ctx, (command & COMMAND_MASTER) != 0);
	if (((was ^ command) & COMMAND_MEMORY) == 0)
		return;
	if ((command & COMMAND_MEMORY) != 0)
		map_all(v);
	else
		unmap_all(v);
}

void vpci_config_reset(struct vpci *v)
{
	command_write(v, 0);
	unmap_all(v);
	memset(v->config.bars, 0, sizeof(v->config.bars));
}

/* ---- Accesses ---- */

static bool is_bar(uint32_t at)
{
	return at >= REG_BARS && at < REG_BARS + 4 * VPCI_N_BARS;
}

static uint32_t dword_read(struct vpci *v, uint32_t at)
{
	const struct vpci_config *c = &v->config;
	uint32_t shown = c->shown[at / 4], value = 0;

	if (is_bar(at))
		return c->bars[(at - REG_BARS) / 4] | bar_type(v, (at - REG_BARS) / 4);
	for (unsigned i = 0; i < 4; i++)
		value |= (uint32_t)c->fixed[at + i] << 8 * i;
	if (shown != 0)
		value = (value & ~shown) | (v->opts.ops->config_read(v->opts.ctx, at, 4) & shown);
	if (at == REG_COMMAND)
		value |= c->command;
	if (v->msix.cap != 0 && at == v->msix.cap)
		value = (value & 0x07ffffffu) | (uint32_t)v->msix.control << 16;
	return value;
}

/* Bits of 'mask' are written. */
static void dword_write(struct vpci *v, uint32_t at, uint32_t value, uint32_t mask)
{
	struct vpci_config *c = &v->config;
	uint32_t writable = c->writable[at / 4] & mask, now;

	if (at == REG_COMMAND) {
		command_write(v, (uint16_t)((c->command & ~mask) | (value & mask)));
	} else if (is_bar(at)) {
		unsigned i = (at - REG_BARS) / 4;

		if (!c->decoding)
			c->bars[i] = ((c->bars[i] & ~mask) | (value & mask)) & bar_bits(v, i);
	} else if (v->msix.cap != 0 && at == v->msix.cap) {
		now = (uint32_t)v->msix.control << 16;
		vpci_msix_control(v, (uint16_t)(((now & ~mask) | (value & mask)) >> 16));
	} else if (writable != 0) {
		now = v->opts.ops->config_read(v->opts.ctx, at, 4);
		/* Errors are cleared by ones: those that were not written stay. */
		if (c->express != 0 && at == c->express + 8)
			now &= 0xffffu;
		v->opts.ops->config_write(v->opts.ctx, at, 4,
					  (now & ~writable) | (value & writable));
	}
}

static bool access_ok(uint32_t offset, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && offset % size == 0 &&
	       offset < VPCI_WINDOW_SIZE;
}

static uint32_t ones(unsigned size)
{
	return size == 4 ? UINT32_MAX : (1u << 8 * size) - 1;
}

uint64_t vpci_window_read(struct vpci *v, uint32_t offset, unsigned size)
{
	uint32_t at = offset % VPCI_CONFIG_SIZE;

	if (!access_ok(offset, size))
		return UINT64_MAX;
	if (offset < VPCI_CONFIG_SIZE)
		return offset == 0 ? v->slot & ones(size) : 0;
	if (v->slot != 0 || v->told_ejected)
		return ones(size); /* nothing is there */
	return dword_read(v, at & ~3u) >> 8 * (at % 4) & ones(size);
}

void vpci_window_write(struct vpci *v, uint32_t offset, unsigned size, uint64_t value)
{
	uint32_t at = offset % VPCI_CONFIG_SIZE, shift = 8 * (at % 4);

	if (!access_ok(offset, size))
		return;
	if (offset < VPCI_CONFIG_SIZE) {
		if (offset == 0 && size == 4)
			v->slot = (uint32_t)value;
		return;
	}
	if (v->slot == 0 && !v->told_ejected)
		dword_write(v, at & ~3u, (uint32_t)value << shift, ones(size) << shift);
}

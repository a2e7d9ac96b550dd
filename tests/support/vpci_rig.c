/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vpci_rig.h.
 */
#include "tests/support/vpci_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"

#define TRANSACTION 77u

/* ---- The function ---- */

static void put(struct vpci_rig *rig, uint32_t at, uint32_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		rig->config[at + i] = (uint8_t)(value >> 8 * i);
}

static void model_init(struct vpci_rig *rig)
{
	memset(rig->config, 0xee, sizeof(rig->config)); /* nobody may see that */
	put(rig, 0x00, 0xffffffff, 4);			/* as VFs do */
	put(rig, 0x04, 0, 2);
	put(rig, 0x06, 0x0010, 2);
	put(rig, 0x34, VPCI_RIG_PM, 1);
	put(rig, VPCI_RIG_PM, VPCI_RIG_MSI << 8 | 0x01, 2);
	put(rig, VPCI_RIG_MSI, VPCI_RIG_MSIX << 8 | 0x05, 2);
	put(rig, VPCI_RIG_MSIX, VPCI_RIG_EXPRESS << 8 | 0x11, 2);
	put(rig, VPCI_RIG_MSIX + 2, VPCI_RIG_VECTORS - 1, 2);
	put(rig, VPCI_RIG_MSIX + 4, VPCI_RIG_TABLE | 4, 4);
	put(rig, VPCI_RIG_MSIX + 8, VPCI_RIG_PBA | 4, 4);
	put(rig, VPCI_RIG_EXPRESS, 0x10, 2);
	put(rig, VPCI_RIG_EXPRESS + 2, 0x0002, 2);
	put(rig, VPCI_RIG_EXPRESS + 4, 0x10008fc2, 4);
	put(rig, VPCI_RIG_EXPRESS + 8, 0x000f0000, 4);
}

static uint32_t config_read(void *ctx, uint32_t offset, unsigned size)
{
	const struct vpci_rig *rig = ctx;
	uint32_t value = 0;

	assert_true((size == 1 || size == 2 || size == 4) && offset % size == 0 &&
		    offset < VPCI_CONFIG_SIZE);
	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)rig->config[offset + i] << 8 * i;
	return value;
}

static void config_write(void *ctx, uint32_t offset, unsigned size, uint32_t value)
{
	struct vpci_rig *rig = ctx;

	assert_true((size == 1 || size == 2 || size == 4) && offset % size == 0 &&
		    offset < VPCI_CONFIG_SIZE);
	put(rig, offset, value, size);
	rig->n_config_writes++;
}

static int map(void *ctx, unsigned bar, uint64_t gpa)
{
	struct vpci_rig *rig = ctx;

	assert_true(bar == 0 || bar == 4);
	if (gpa != VPCI_NOWHERE && rig->map_rc != 0)
		return rig->map_rc;
	rig->mapped[bar] = gpa;
	return 0;
}

static uint64_t bar_read(void *ctx, unsigned bar, uint64_t offset, unsigned size)
{
	return 0x1122334455667788u;
}

static void bar_write(void *ctx, unsigned bar, uint64_t offset, unsigned size, uint64_t value)
{
	((struct vpci_rig *)ctx)->bar_written = value;
}

static void route(void *ctx, unsigned index, uint32_t vp, uint32_t vector)
{
	struct vpci_rig *rig = ctx;

	assert_true(index < VPCI_RIG_VECTORS);
	assert_true(vp == VPCI_NO_VP || (vp < VPCI_RIG_VPS && vector >= 16 && vector < 256));
	rig->routes[index] =
		(struct vpci_rig_route){.vp = vp, .vector = vector, .n = rig->routes[index].n + 1};
}

static bool pending(void *ctx, unsigned index)
{
	return (((const struct vpci_rig *)ctx)->pending & 1u << index) != 0;
}

static void bus_master(void *ctx, bool on)
{
	((struct vpci_rig *)ctx)->master = on;
}

static void reset(void *ctx)
{
	((struct vpci_rig *)ctx)->n_resets++;
}

static int window(void *ctx, uint64_t gpa)
{
	struct vpci_rig *rig = ctx;

	if (gpa != VPCI_NOWHERE && rig->window_rc != 0)
		return rig->window_rc;
	rig->window = gpa;
	return 0;
}

static void ejected(void *ctx)
{
	struct vpci_rig *rig = ctx;

	assert_false(rig->ejected);
	rig->ejected = true;
}

static const struct vpci_backend_ops backend = {
	.config_read = config_read,
	.config_write = config_write,
	.map = map,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.route = route,
	.pending = pending,
	.bus_master = bus_master,
	.reset = reset,
	.window = window,
	.ejected = ejected,
};

/* ---- Life ---- */

void vpci_rig_init(struct vpci_rig *rig)
{
	struct vpci_opts opts = {
		.instance = vpci_instance("vm1/lan0", 0x1234),
		.n_vps = VPCI_RIG_VPS,
		.function = {.description = {.vendor = 0x8086,
					     .device = 0x10ca,
					     .revision = 1,
					     .base_class = 2,
					     .subsystem_vendor = 0x8086,
					     .subsystem_device = 0xa03c,
					     .serial = 5,
					     .numa_node = -1},
			     .bars = {[0] = {.size = 16384, .wide = true, .prefetch = true},
				      [4] = {.size = 65536, .wide = true, .prefetch = true}}},
		.ops = &backend,
		.ctx = rig,
	};

	memset(rig, 0, sizeof(*rig));
	rig->backend = &backend;
	rig->window = VPCI_NOWHERE;
	model_init(rig);
	ic_rig_init(&rig->bus);
	opts.server = rig->bus.env.server;
	opts.loop = rig->bus.env.loop;
	assert_int_equal(vpci_create(&opts, &rig->vpci), 0);
	ic_rig_connect(&rig->bus);
}

void vpci_rig_fini(struct vpci_rig *rig)
{
	if (rig->open)
		vpci_rig_close(rig);
	ic_rig_unload(&rig->bus);
	vpci_destroy(rig->vpci);
	assert_int_equal(rig->window, VPCI_NOWHERE);
	ic_rig_fini(&rig->bus);
}

void vpci_rig_open(struct vpci_rig *rig)
{
	ic_guest_open(&rig->guest, &rig->bus, &VMBUS_GUID_VPCI, 0);
	rig->open = true;
}

void vpci_rig_close(struct vpci_rig *rig)
{
	ic_guest_close(&rig->guest);
	rig->open = false;
}

/* ---- The guest ---- */

void vpci_rig_send(struct vpci_rig *rig, const void *bytes, size_t size, bool answer)
{
	struct guest_channel *c = rig->guest.channel;

	guest_channel_fill(c);
	assert_int_equal(vmbus_out_put(&c->out, VMBUS_PKT_INBAND,
				       answer ? VMBUS_PKT_COMPLETION_REQUESTED : 0, TRANSACTION,
				       NULL, 0, bytes, size),
			 0);
	guest_channel_flush(c);
	ic_rig_work(&rig->bus);
}

uint32_t vpci_rig_word(const struct vpci_rig *rig, unsigned offset)
{
	uint32_t word;

	assert_true(offset + 4 <= rig->guest.size);
	memcpy(&word, rig->guest.bytes + offset, sizeof(word));
	return word;
}

uint32_t vpci_rig_ask(struct vpci_rig *rig, const void *bytes, size_t size)
{
	vpci_rig_send(rig, bytes, size, true);
	assert_true(ic_guest_take(&rig->guest));
	assert_int_equal(rig->guest.desc.type, VMBUS_PKT_COMPLETION);
	assert_int_equal(rig->guest.desc.transaction_id, TRANSACTION);
	/* Linux drops packets of 20 bytes and less. */
	assert_true(rig->guest.size > 4);
	return vpci_rig_word(rig, 0);
}

static void relations(struct vpci_rig *rig, uint32_t version)
{
	const uint32_t query[] = {VPCI_QUERY_RELATIONS};

	vpci_rig_send(rig, query, sizeof(query), false);
	assert_true(ic_guest_take(&rig->guest));
	assert_int_equal(rig->guest.desc.type, VMBUS_PKT_INBAND);
	assert_int_equal(vpci_rig_word(rig, 0),
			 version >= VPCI_V1_3 ? VPCI_BUS_RELATIONS2 : VPCI_BUS_RELATIONS);
}

void vpci_rig_start(struct vpci_rig *rig, uint32_t version)
{
	const uint32_t query[] = {VPCI_QUERY_VERSION, version};
	const uint32_t requirements[] = {VPCI_QUERY_REQUIREMENTS, 0};
	const uint32_t d0[] = {VPCI_D0_ENTRY, 0, (uint32_t)VPCI_RIG_WINDOW, 0};
	const uint32_t assigned[202 / 4 + 1] = {version >= VPCI_V1_4   ? VPCI_ASSIGNED3
						: version >= VPCI_V1_2 ? VPCI_ASSIGNED2
								       : VPCI_ASSIGNED};

	assert_int_equal(vpci_rig_ask(rig, query, sizeof(query)), VPCI_OK);
	assert_int_equal(vpci_rig_word(rig, 4), version);
	relations(rig, version);
	assert_int_equal(vpci_rig_ask(rig, requirements, sizeof(requirements)), VPCI_OK);
	assert_int_equal(vpci_rig_ask(rig, d0, sizeof(d0)), VPCI_OK);
	assert_int_equal(vpci_rig_ask(rig, assigned, version >= VPCI_V1_2 ? sizeof(assigned) : 148),
			 VPCI_OK);
}

uint32_t vpci_rig_create(struct vpci_rig *rig, uint32_t version, uint32_t vector, uint16_t vp,
			 struct vpci_cookie *ret_cookie)
{
	uint8_t bytes[84];
	struct wr wr = wr_over(bytes, sizeof(bytes));
	uint32_t status;

	memset(bytes, 0, sizeof(bytes));
	wr_le32(&wr, version >= VPCI_V1_4   ? VPCI_CREATE_INTERRUPT3
		     : version >= VPCI_V1_2 ? VPCI_CREATE_INTERRUPT2
					    : VPCI_CREATE_INTERRUPT);
	wr_le32(&wr, 0);
	if (version >= VPCI_V1_4)
		wr_le32(&wr, vector);
	else
		wr_u8(&wr, (uint8_t)vector);
	wr_u8(&wr, 0);
	if (version >= VPCI_V1_4)
		wr_u8(&wr, 0);
	wr_le16(&wr, 1);
	if (version >= VPCI_V1_2) {
		wr_le16(&wr, 1);
		wr_le16(&wr, vp);
	} else {
		wr_le32(&wr, 0);
		wr_le64(&wr, UINT64_C(1) << vp);
	}
	status = vpci_rig_ask(rig, bytes,
			      version >= VPCI_V1_4   ? 82
			      : version >= VPCI_V1_2 ? 78
						     : 24);
	*ret_cookie = (struct vpci_cookie){.count = (uint16_t)(vpci_rig_word(rig, 8) >> 16),
					   .data = vpci_rig_word(rig, 12),
					   .address = vpci_rig_word(rig, 16) |
						      (uint64_t)vpci_rig_word(rig, 20) << 32};
	return status;
}

uint32_t vpci_rig_config(struct vpci_rig *rig, uint32_t offset, unsigned size)
{
	return (uint32_t)vpci_window_read(rig->vpci, 4096 + offset, size);
}

void vpci_rig_config_set(struct vpci_rig *rig, uint32_t offset, unsigned size, uint32_t value)
{
	vpci_window_write(rig->vpci, 4096 + offset, size, value);
}

void vpci_rig_place(struct vpci_rig *rig, uint64_t gpa)
{
	vpci_rig_config_set(rig, 0x04, 2, 0);
	vpci_rig_config_set(rig, 0x10, 4, (uint32_t)gpa);
	vpci_rig_config_set(rig, 0x14, 4, (uint32_t)(gpa >> 32));
	vpci_rig_config_set(rig, 0x20, 4, (uint32_t)(gpa + 65536));
	vpci_rig_config_set(rig, 0x24, 4, (uint32_t)((gpa + 65536) >> 32));
	vpci_rig_config_set(rig, 0x04, 2, 2);
}

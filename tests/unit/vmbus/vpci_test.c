/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that brings a PCI function up as Linux does, by every version of the protocol; what it
 * sees of it; where its interrupts go; how it lets go; and what it is told when it is wrong.
 */
#include "tests/support/vpci_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"

#define BARS_AT		    0x1000000000ull
#define TABLE(index, field) (VPCI_RIG_TABLE + (index)*16u + (field))

static const uint32_t versions[] = {VPCI_V1_1, VPCI_V1_2, VPCI_V1_3, VPCI_V1_4};

static int setup(void **state)
{
	struct vpci_rig *rig = malloc(sizeof(*rig));

	assert_non_null(rig);
	vpci_rig_init(rig);
	*state = rig;
	return 0;
}

static int setup_started(void **state)
{
	struct vpci_rig *rig;

	(void)setup(state);
	rig = *state;
	vpci_rig_open(rig);
	vpci_rig_start(rig, VPCI_V1_4);
	return 0;
}

static int teardown(void **state)
{
	vpci_rig_fini(*state);
	free(*state);
	return 0;
}

static struct vpci_info info(const struct vpci_rig *rig)
{
	struct vpci_info i;

	vpci_info(rig->vpci, &i);
	return i;
}

static uint64_t faults(const struct vpci_rig *rig)
{
	struct vpci_info i = info(rig);
	uint64_t n = 0;

	for (unsigned f = 0; f < VPCI_N_FAULTS; f++)
		n += i.faults[f];
	return n;
}

static uint32_t ask(struct vpci_rig *rig, uint32_t type, uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t words[] = {type, a, b, c};

	return vpci_rig_ask(rig, words, sizeof(words));
}

/* ---- Coming up ---- */

static void every_version_comes_up(void **state)
{
	struct vpci_rig *rig = *state;

	for (unsigned i = 0; i < 4; i++) {
		struct vpci_cookie cookie;

		vpci_rig_open(rig);
		vpci_rig_start(rig, versions[i]);
		assert_int_equal(info(rig).state, VPCI_ON);
		assert_int_equal(info(rig).version, versions[i]);
		assert_int_equal(rig->window, VPCI_RIG_WINDOW);
		assert_int_equal(vpci_rig_create(rig, versions[i], 0x31, 2, &cookie), VPCI_OK);
		assert_int_equal(cookie.count, 1);
		vpci_rig_close(rig);
		assert_int_equal(info(rig).state, VPCI_CLOSED);
		assert_int_equal(rig->window, VPCI_NOWHERE);
	}
	assert_int_equal(faults(rig), 0);
}

static void relations_say_what_the_function_is(void **state)
{
	struct vpci_rig *rig = *state;
	const uint32_t query[] = {VPCI_QUERY_RELATIONS};

	for (unsigned i = 0; i < 4; i++) {
		vpci_rig_open(rig);
		vpci_rig_start(rig, versions[i]);
		vpci_rig_send(rig, query, sizeof(query), false);
		assert_true(ic_guest_take(&rig->guest));
		assert_int_equal(vpci_rig_word(rig, 4), 1);
		assert_int_equal(vpci_rig_word(rig, 8), 0x10ca8086);
		assert_int_equal(vpci_rig_word(rig, 12), 0x02000001);
		assert_int_equal(vpci_rig_word(rig, 16), 0xa03c8086);
		assert_int_equal(vpci_rig_word(rig, 20), 0);
		assert_int_equal(vpci_rig_word(rig, 24), 5);
		assert_int_equal(rig->guest.size, versions[i] >= VPCI_V1_3 ? 40 : 32);
		vpci_rig_close(rig);
	}
}

static void a_version_that_is_not_known_is_refused_so_that_the_next_is_tried(void **state)
{
	struct vpci_rig *rig = *state;

	vpci_rig_open(rig);
	assert_int_equal(ask(rig, VPCI_QUERY_VERSION, 0x00010005, 0, 0), VPCI_STATUS_REVISION);
	assert_int_equal(ask(rig, VPCI_QUERY_VERSION, 0x00010000, 0, 0), VPCI_STATUS_REVISION);
	assert_int_equal(info(rig).faults[VPCI_FAULT_VERSION], 2);
	vpci_rig_start(rig, VPCI_V1_2);
}

static void requirements_are_what_bars_show(void **state)
{
	struct vpci_rig *rig = *state;
	static const uint32_t expected[] = {0xffffc00c, 0xffffffff, 0, 0, 0xffff000c, 0xffffffff};

	assert_int_equal(ask(rig, VPCI_QUERY_REQUIREMENTS, 0, 0, 0), VPCI_OK);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(vpci_rig_word(rig, 4 + 4 * i), expected[i]);
		vpci_rig_config_set(rig, 0x10 + 4 * i, 4, UINT32_MAX);
		assert_int_equal(vpci_rig_config(rig, 0x10 + 4 * i, 4), expected[i]);
	}
}

static void the_instance_makes_linux_domain_and_the_hypercall_device(void **state)
{
	struct vmbus_guid a = vpci_instance("vm1/lan0", 0x0102);
	struct vmbus_guid b = vpci_instance("vm1/lan0", 0x0102);

	assert_true(vmbus_guid_equal(&a, &b));
	assert_int_equal(a.bytes[5] << 8 | a.bytes[4], 0x0102);
	assert_int_equal(vpci_device_id(&a),
			 (uint64_t)a.bytes[5] << 24 | (uint64_t)a.bytes[4] << 16 |
				 (uint64_t)a.bytes[7] << 8 | (a.bytes[6] & 0xf8));
}

/* ---- What is seen ---- */

static void the_header_is_ours(void **state)
{
	struct vpci_rig *rig = *state;

	assert_int_equal(vpci_rig_config(rig, 0x00, 4), 0x10ca8086);
	assert_int_equal(vpci_rig_config(rig, 0x08, 4), 0x02000001);
	assert_int_equal(vpci_rig_config(rig, 0x2c, 4), 0xa03c8086);
	assert_int_equal(vpci_rig_config(rig, 0x06, 2), 0x0010);
	assert_int_equal(vpci_rig_config(rig, 0x0b, 1), 2);
	assert_int_equal(vpci_rig_config(rig, 0x30, 4), 0);
	assert_int_equal(vpci_rig_config(rig, 0x3c, 4), 0);
	vpci_rig_config_set(rig, 0x00, 4, 0);
	assert_int_equal(vpci_rig_config(rig, 0x00, 4), 0x10ca8086);
	assert_int_equal(rig->n_config_writes, 0);
}

static void only_two_capabilities_are_shown(void **state)
{
	struct vpci_rig *rig = *state;

	assert_int_equal(vpci_rig_config(rig, 0x34, 1), VPCI_RIG_MSIX);
	assert_int_equal(vpci_rig_config(rig, VPCI_RIG_MSIX, 2), VPCI_RIG_EXPRESS << 8 | 0x11);
	assert_int_equal(vpci_rig_config(rig, VPCI_RIG_EXPRESS, 2), 0x10);
	assert_int_equal(vpci_rig_config(rig, VPCI_RIG_MSIX + 2, 2), VPCI_RIG_VECTORS - 1);
	assert_int_equal(vpci_rig_config(rig, VPCI_RIG_MSIX + 4, 4), 4);
	for (uint32_t at = VPCI_RIG_PM; at < VPCI_RIG_MSIX; at += 4)
		assert_int_equal(vpci_rig_config(rig, at, 4), 0);
	for (uint32_t at = 0x100; at < 0x1000; at += 4)
		assert_int_equal(vpci_rig_config(rig, at, 4), 0);
	/* No reset by the guest's hand. */
	assert_int_equal(vpci_rig_config(rig, VPCI_RIG_EXPRESS + 4, 4), 0x00008fc2);
	vpci_rig_config_set(rig, VPCI_RIG_EXPRESS + 8, 2, 0x8010);
	assert_int_equal(rig->config[VPCI_RIG_EXPRESS + 9], 0);
	assert_int_equal(rig->config[VPCI_RIG_EXPRESS + 8], 0x10);
	/* Errors that nobody cleared stay: none was written as one. */
	assert_int_equal(rig->config[VPCI_RIG_EXPRESS + 10], 0);
}

static void lists_of_capabilities_that_lie_come_to_an_end(void **state)
{
	struct vpci_rig *rig = *state;
	struct vpci_opts opts = {.server = rig->bus.env.server,
				 .loop = rig->bus.env.loop,
				 .instance = vpci_instance("other", 7),
				 .n_vps = 1};
	struct vpci *other = NULL;

	/* The rig's own backend, with another list behind it. */
	opts.ops = rig->backend;
	opts.ctx = rig;
	rig->config[VPCI_RIG_MSI + 1] = VPCI_RIG_PM; /* round and round */
	assert_int_equal(vpci_create(&opts, &other), 0);
	vpci_destroy(other);
	/* A table in a BAR that is not there. */
	rig->config[VPCI_RIG_MSI + 1] = VPCI_RIG_MSIX;
	other = NULL;
	assert_int_equal(vpci_create(&opts, &other), -EINVAL);
	assert_null(other);
}

static void a_slot_with_nothing_in_it_reads_as_ones(void **state)
{
	struct vpci_rig *rig = *state;

	vpci_window_write(rig->vpci, 0, 4, 1);
	assert_int_equal(vpci_window_read(rig->vpci, 0, 4), 1);
	assert_int_equal(vpci_rig_config(rig, 0, 4), UINT32_MAX);
	assert_int_equal(vpci_rig_config(rig, 0, 2), UINT16_MAX);
	vpci_rig_config_set(rig, 4, 2, 6);
	assert_false(rig->master);
	vpci_window_write(rig->vpci, 0, 4, 0);
	assert_int_equal(vpci_rig_config(rig, 0, 4), 0x10ca8086);
}

static void bars_move_only_while_nothing_is_decoded(void **state)
{
	struct vpci_rig *rig = *state;

	vpci_rig_place(rig, BARS_AT);
	assert_true(info(rig).decoding);
	assert_int_equal(rig->mapped[0], BARS_AT);
	assert_int_equal(rig->mapped[4], BARS_AT + 65536);
	vpci_rig_config_set(rig, 0x10, 4, 0x12340000);
	assert_int_equal(vpci_rig_config(rig, 0x10, 4), (uint32_t)BARS_AT | 0xc);
	vpci_rig_config_set(rig, 0x04, 2, 6);
	assert_true(rig->master);
	vpci_rig_config_set(rig, 0x04, 2, 4);
	assert_int_equal(rig->mapped[0], VPCI_NOWHERE);
	assert_int_equal(rig->mapped[4], VPCI_NOWHERE);
	assert_true(rig->master);
	assert_int_equal(vpci_rig_config(rig, 0x04, 2), 4);
}

static void bars_that_cannot_be_there_are_nowhere(void **state)
{
	struct vpci_rig *rig = *state;

	vpci_rig_config_set(rig, 0x04, 2, 2); /* all at 0 */
	assert_false(info(rig).decoding);
	rig->map_rc = -EBUSY;
	vpci_rig_place(rig, BARS_AT);
	assert_false(info(rig).decoding);
	assert_int_equal(info(rig).faults[VPCI_FAULT_BAR], 2);
	rig->map_rc = 0;
	vpci_rig_place(rig, UINT64_MAX - 65536 - 32767); /* BAR 4 ends with the address space */
	assert_true(info(rig).decoding);
	vpci_rig_place(rig, BARS_AT);
	assert_true(info(rig).decoding);
}

static void a_guest_may_say_where_bars_are(void **state)
{
	struct vpci_rig *rig = *state;
	uint8_t bytes[204] = {0};
	struct wr wr = wr_over(bytes, sizeof(bytes));

	wr_le32(&wr, VPCI_ASSIGNED3);
	wr_le32(&wr, 0);
	for (unsigned i = 0; i < 6; i++) {
		wr_le32(&wr, 0);
		wr_le64(&wr, i == 0 ? BARS_AT : i == 4 ? BARS_AT + 65536 : 0);
		wr_le64(&wr, i == 0 ? 16384 : i == 4 ? 65536 : 0);
	}
	assert_int_equal(vpci_rig_ask(rig, bytes, sizeof(bytes)), VPCI_OK);
	vpci_rig_config_set(rig, 0x04, 2, 2);
	assert_int_equal(rig->mapped[0], BARS_AT);
	assert_int_equal(rig->mapped[4], BARS_AT + 65536);
}

/* ---- Interrupts ---- */

static void set_entry(struct vpci_rig *rig, unsigned index, const struct vpci_cookie *cookie,
		      uint32_t control)
{
	vpci_bar_write(rig->vpci, 4, TABLE(index, 0), 8, cookie->address);
	vpci_bar_write(rig->vpci, 4, TABLE(index, 8), 4, cookie->data);
	vpci_bar_write(rig->vpci, 4, TABLE(index, 12), 4, control);
}

static void enable(struct vpci_rig *rig, uint16_t control)
{
	vpci_rig_config_set(rig, VPCI_RIG_MSIX + 2, 2, control);
}

static void expect_route(const struct vpci_rig *rig, unsigned index, uint32_t vp, uint32_t vector)
{
	assert_int_equal(rig->routes[index].vp, vp);
	if (vp != VPCI_NO_VP)
		assert_int_equal(rig->routes[index].vector, vector);
}

static void cookies_in_the_table_lead_to_their_processors(void **state)
{
	struct vpci_rig *rig = *state;
	struct vpci_cookie a, b;

	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x31, 0, &a), VPCI_OK);
	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x32, 3, &b), VPCI_OK);
	assert_true(a.data != b.data);
	set_entry(rig, 0, &a, 1);
	set_entry(rig, 9, &b, 0);
	expect_route(rig, 9, VPCI_NO_VP, 0); /* MSI-X is off */
	enable(rig, 0x8000);
	assert_int_equal(vpci_rig_config(rig, VPCI_RIG_MSIX + 2, 2), 0x8000 | 9);
	expect_route(rig, 0, VPCI_NO_VP, 0); /* masked */
	expect_route(rig, 9, 3, 0x32);
	vpci_bar_write(rig->vpci, 4, TABLE(0, 12), 4, 0);
	expect_route(rig, 0, 0, 0x31);
	enable(rig, 0xc000);
	expect_route(rig, 0, VPCI_NO_VP, 0);
	expect_route(rig, 9, VPCI_NO_VP, 0);
	enable(rig, 0x8000);
	expect_route(rig, 9, 3, 0x32);
	assert_int_equal(vpci_bar_read(rig->vpci, 4, TABLE(9, 8), 4), b.data);
}

static void an_interrupt_moves_by_a_new_cookie_and_by_the_hypercall(void **state)
{
	struct vpci_rig *rig = *state;
	struct vpci_cookie old, new;
	uint32_t remove[6] = {VPCI_DELETE_INTERRUPT, 0};

	enable(rig, 0x8000);
	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x31, 0, &old), VPCI_OK);
	set_entry(rig, 2, &old, 0);
	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x41, 1, &new), VPCI_OK);
	set_entry(rig, 2, &new, 0);
	expect_route(rig, 2, 1, 0x41);
	remove[2] = 1u << 16;
	remove[3] = old.data;
	remove[4] = (uint32_t)old.address;
	vpci_rig_send(rig, remove, sizeof(remove), false);
	expect_route(rig, 2, 1, 0x41);
	assert_int_equal(info(rig).n_interrupts, 1);
	assert_int_equal(vpci_retarget(rig->vpci, new.address, new.data, 0x51, 2), 0);
	expect_route(rig, 2, 2, 0x51);
	assert_int_equal(vpci_retarget(rig->vpci, old.address, old.data, 0x51, 2), -ENOENT);
	assert_int_equal(vpci_retarget(rig->vpci, new.address, new.data, 15, 2), -EINVAL);
	assert_int_equal(vpci_retarget(rig->vpci, new.address, new.data, 0x51, VPCI_RIG_VPS),
			 -EINVAL);
	expect_route(rig, 2, 2, 0x51);
	remove[3] = new.data;
	vpci_rig_send(rig, remove, sizeof(remove), false);
	expect_route(rig, 2, VPCI_NO_VP, 0);
}

/* The place is used again; the old cookie in the table must not lead to the new target. */
static void a_cookie_that_was_deleted_leads_nowhere_for_ever(void **state)
{
	struct vpci_rig *rig = *state;
	struct vpci_cookie first, c;

	enable(rig, 0x8000);
	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x31, 0, &first), VPCI_OK);
	set_entry(rig, 0, &first, 0);
	c = first;
	for (unsigned i = 0; i < VPCI_MAX_INTERRUPTS + 10; i++) {
		const uint32_t remove[6] = {VPCI_DELETE_INTERRUPT, 0, 1u << 16, c.data,
					    (uint32_t)c.address};

		vpci_rig_send(rig, remove, sizeof(remove), false);
		assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x60, 1, &c), VPCI_OK);
		assert_true(c.data != first.data);
		expect_route(rig, 0, VPCI_NO_VP, 0);
	}
	assert_int_equal(info(rig).n_interrupts, 1);
}

static void targets_that_are_none_are_refused(void **state)
{
	struct vpci_rig *rig = *state;
	struct vpci_cookie cookie;

	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 15, 0, &cookie), VPCI_STATUS_PARAMETER);
	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 256, 0, &cookie), VPCI_STATUS_PARAMETER);
	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x31, VPCI_RIG_VPS, &cookie),
			 VPCI_STATUS_PARAMETER);
	assert_int_equal(cookie.count, 0);
	assert_int_equal(info(rig).faults[VPCI_FAULT_TARGET], 3);
	assert_int_equal(info(rig).n_interrupts, 0);
}

static void there_is_an_end_to_interrupts(void **state)
{
	struct vpci_rig *rig = *state;
	struct vpci_cookie cookie;

	for (unsigned i = 0; i < VPCI_MAX_INTERRUPTS; i++)
		assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x31, 0, &cookie), VPCI_OK);
	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x31, 0, &cookie), VPCI_STATUS_RESOURCES);
	vpci_rig_close(rig);
	assert_int_equal(info(rig).n_interrupts, 0);
}

static void pending_bits_are_the_functions(void **state)
{
	struct vpci_rig *rig = *state;

	rig->pending = 0x201;
	assert_int_equal(vpci_bar_read(rig->vpci, 4, VPCI_RIG_PBA, 8), 0x201);
	assert_int_equal(vpci_bar_read(rig->vpci, 4, VPCI_RIG_PBA, 4), 0x201);
	assert_int_equal(vpci_bar_read(rig->vpci, 4, VPCI_RIG_PBA + 4, 4), 0);
	vpci_bar_write(rig->vpci, 4, VPCI_RIG_PBA, 8, UINT64_MAX);
	assert_int_equal(vpci_bar_read(rig->vpci, 4, VPCI_RIG_PBA, 8), 0x201);
}

static void what_is_beside_the_table_is_the_functions(void **state)
{
	struct vpci_rig *rig = *state;

	assert_int_equal(vpci_bar_read(rig->vpci, 4, TABLE(VPCI_RIG_VECTORS, 0), 8),
			 0x1122334455667788u);
	vpci_bar_write(rig->vpci, 0, 0, 4, 99);
	assert_int_equal(rig->bar_written, 99);
	/* Bytes of the table, and accesses that are not aligned, are nobody's. */
	assert_int_equal(vpci_bar_read(rig->vpci, 4, TABLE(0, 0), 1), UINT64_MAX);
	assert_int_equal(vpci_bar_read(rig->vpci, 4, TABLE(0, 4), 8), UINT64_MAX);
	assert_int_equal(vpci_bar_read(rig->vpci, 6, 0, 4), UINT64_MAX);
	vpci_bar_write(rig->vpci, 6, 0, 4, 1);
	vpci_bar_write(rig->vpci, 4, TABLE(0, 4), 8, 1);
	assert_int_equal(vpci_bar_read(rig->vpci, 4, TABLE(0, 4), 4), 0);
}

/* ---- Letting go ---- */

static void an_ejected_function_is_let_go(void **state)
{
	struct vpci_rig *rig = *state;
	const uint32_t done[] = {VPCI_EJECTION_COMPLETE, 0, 0};
	unsigned resets = rig->n_resets;

	vpci_rig_place(rig, BARS_AT);
	vpci_eject(rig->vpci);
	assert_true(ic_guest_take(&rig->guest));
	assert_int_equal(rig->guest.desc.type, VMBUS_PKT_INBAND);
	assert_int_equal(vpci_rig_word(rig, 0), VPCI_EJECT);
	assert_false(rig->ejected);
	vpci_rig_send(rig, done, sizeof(done), false);
	assert_true(rig->ejected);
	assert_int_equal(rig->mapped[0], VPCI_NOWHERE);
	assert_true(rig->n_resets > resets);
	assert_int_equal(vpci_rig_config(rig, 0, 4), UINT32_MAX);
	/* Once more changes nothing. */
	vpci_eject(rig->vpci);
	vpci_rig_send(rig, done, sizeof(done), false);
}

static void a_guest_that_has_nothing_lets_go_at_once(void **state)
{
	struct vpci_rig *rig = *state;

	vpci_eject(rig->vpci);
	assert_true(rig->ejected);
}

static void a_guest_that_closes_has_let_go(void **state)
{
	struct vpci_rig *rig = *state;

	vpci_rig_place(rig, BARS_AT);
	vpci_eject(rig->vpci);
	vpci_rig_close(rig);
	assert_true(rig->ejected);
	assert_int_equal(rig->mapped[0], VPCI_NOWHERE);
	assert_int_equal(rig->window, VPCI_NOWHERE);
}

/* kdump: the new kernel finds a bus that is on. */
static void d0_is_entered_anew(void **state)
{
	struct vpci_rig *rig = *state;

	vpci_rig_place(rig, BARS_AT);
	assert_int_equal(ask(rig, VPCI_D0_ENTRY, 0, 0xf0000000, 0), VPCI_OK);
	assert_int_equal(rig->window, 0xf0000000);
	assert_int_equal(rig->mapped[0], VPCI_NOWHERE);
	assert_int_equal(ask(rig, VPCI_D0_EXIT, 0, 0, 0), VPCI_OK);
	assert_int_equal(rig->window, VPCI_NOWHERE);
	assert_int_equal(info(rig).state, VPCI_KNOWN);
	assert_int_equal(faults(rig), 0);
}

/* ---- Wrong ---- */

static void windows_that_cannot_be_are_refused(void **state)
{
	struct vpci_rig *rig = *state;

	assert_int_equal(ask(rig, VPCI_D0_ENTRY, 0, 0xf0000800, 0), VPCI_STATUS_PARAMETER);
	assert_int_equal(info(rig).state, VPCI_KNOWN);
	assert_int_equal(ask(rig, VPCI_D0_ENTRY, 0, 0xfffff000, UINT32_MAX), VPCI_STATUS_PARAMETER);
	rig->window_rc = -EBUSY;
	assert_int_equal(ask(rig, VPCI_D0_ENTRY, 0, 0xf0000000, 0), VPCI_STATUS_PARAMETER);
	assert_int_equal(info(rig).faults[VPCI_FAULT_WINDOW], 3);
	assert_int_equal(rig->window, VPCI_NOWHERE);
}

static void order_is_asked_for(void **state)
{
	struct vpci_rig *rig = *state;
	struct vpci_cookie cookie;

	vpci_rig_open(rig);
	assert_int_equal(ask(rig, VPCI_D0_ENTRY, 0, 0xf0000000, 0), VPCI_STATUS_STATE);
	assert_int_equal(ask(rig, VPCI_QUERY_REQUIREMENTS, 0, 0, 0), VPCI_STATUS_STATE);
	assert_int_equal(ask(rig, VPCI_QUERY_VERSION, VPCI_V1_4, 0, 0), VPCI_OK);
	assert_int_equal(vpci_rig_create(rig, VPCI_V1_4, 0x31, 0, &cookie), VPCI_STATUS_STATE);
	assert_int_equal(ask(rig, VPCI_QUERY_REQUIREMENTS, 1, 0, 0), VPCI_STATUS_PARAMETER);
	assert_int_equal(ask(rig, VPCI_EJECTION_COMPLETE, 0, 0, 0), VPCI_STATUS_STATE);
	assert_int_equal(info(rig).faults[VPCI_FAULT_ORDER], 3);
	assert_int_equal(info(rig).faults[VPCI_FAULT_SLOT], 1);
}

static void messages_that_are_cut_off_are_refused(void **state)
{
	struct vpci_rig *rig = *state;
	/* Types, and how long they are at least. */
	static const uint32_t types[][2] = {
		{VPCI_QUERY_VERSION, 8},      {VPCI_D0_ENTRY, 16},
		{VPCI_QUERY_REQUIREMENTS, 8}, {VPCI_ASSIGNED, 128},
		{VPCI_ASSIGNED2, 128},	      {VPCI_ASSIGNED3, 128},
		{VPCI_CREATE_INTERRUPT, 24},  {VPCI_CREATE_INTERRUPT2, 14},
		{VPCI_CREATE_INTERRUPT3, 18}, {VPCI_DELETE_INTERRUPT, 24},
		{VPCI_DELETE_INTERRUPT2, 24}, {VPCI_POWER, 12},
		{VPCI_RELEASED, 8},	      {VPCI_RESET, 8},
		{VPCI_EJECTION_COMPLETE, 12}, {VPCI_READ_BLOCK, 8},
	};
	struct vpci_message m;
	uint8_t bytes[VPCI_MESSAGE_MAX] = {0};

	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		memcpy(bytes, &types[i][0], 4);
		for (uint32_t size = 0; size < types[i][1]; size++)
			assert_int_equal(vpci_read(bytes, size, &m), -EBADMSG);
		assert_int_equal(vpci_read(bytes, types[i][1], &m),
				 types[i][0] == VPCI_READ_BLOCK ? -EOPNOTSUPP : 0);
		assert_int_equal(vpci_read(bytes, types[i][1] + 1, &m),
				 types[i][0] == VPCI_READ_BLOCK ? -EOPNOTSUPP : 0);
	}
	/* On the ring they are padded: 4 bytes of a type whose size is 24. */
	assert_int_equal(vpci_rig_ask(rig, &types[6][0], 4), VPCI_STATUS_MALFORMED);
	assert_int_equal(info(rig).faults[VPCI_FAULT_MESSAGE], 1);
	assert_int_equal(ask(rig, VPCI_READ_BLOCK, 1, 0, 8), VPCI_STATUS_SUPPORT);
	assert_int_equal(ask(rig, 0x42490077, 1, 0, 8), VPCI_STATUS_SUPPORT);
	assert_int_equal(info(rig).faults[VPCI_FAULT_TYPE], 2);
}

static void a_list_of_processors_that_is_too_long_is_refused(void **state)
{
	struct vpci_rig *rig = *state;
	uint8_t bytes[84] = {0};
	struct wr wr = wr_over(bytes, sizeof(bytes));

	wr_le32(&wr, VPCI_CREATE_INTERRUPT2);
	wr_le32(&wr, 0);
	wr_u8(&wr, 0x31);
	wr_u8(&wr, 0);
	wr_le16(&wr, 1);
	wr_le16(&wr, 33);
	assert_int_equal(vpci_rig_ask(rig, bytes, 80), VPCI_STATUS_MALFORMED);
	bytes[12] = 0xff;
	bytes[13] = 0xff;
	assert_int_equal(vpci_rig_ask(rig, bytes, 80), VPCI_STATUS_MALFORMED);
}

static void a_guest_that_does_not_read_loses_answers_and_no_more(void **state)
{
	struct vpci_rig *rig = *state;
	const uint32_t query[] = {VPCI_QUERY_REQUIREMENTS, 0};
	unsigned n = 0;

	for (unsigned i = 0; i < 2000; i++)
		vpci_rig_send(rig, query, sizeof(query), true);
	assert_true(info(rig).faults[VPCI_FAULT_FLOOD] > 0);
	while (ic_guest_take(&rig->guest))
		n++;
	assert_int_equal(n + info(rig).faults[VPCI_FAULT_FLOOD], 2000);
	assert_int_equal(vpci_rig_ask(rig, query, sizeof(query)), VPCI_OK);
}

static void packets_of_other_types_are_left_alone(void **state)
{
	struct vpci_rig *rig = *state;
	const uint32_t query[] = {VPCI_QUERY_REQUIREMENTS, 0};

	ic_guest_send(&rig->guest, VMBUS_PKT_COMPLETION, 1, query, sizeof(query));
	assert_false(ic_guest_take(&rig->guest));
	assert_int_equal(info(rig).faults[VPCI_FAULT_PACKET], 1);
}

static void bars_that_make_no_sense_are_refused(void **state)
{
	struct vpci_rig *rig = *state;
	static const struct vpci_bar wrong[] = {{.size = 2048},
						{.size = 12288},
						{.size = UINT64_C(1) << 32},
						{.size = 4096, .wide = true}};
	struct vpci *other = NULL;

	for (unsigned i = 0; i < 4; i++) {
		struct vpci_opts opts = {.server = rig->bus.env.server,
					 .loop = rig->bus.env.loop,
					 .instance = vpci_instance("other", 7),
					 .n_vps = 1,
					 .ops = rig->backend,
					 .ctx = rig};

		opts.function.bars[i == 3 ? 5 : 0] = wrong[i];
		assert_int_equal(vpci_create(&opts, &other), -EINVAL);
	}
}

#define FRESH(test)   cmocka_unit_test_setup_teardown(test, setup, teardown)
#define STARTED(test) cmocka_unit_test_setup_teardown(test, setup_started, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		FRESH(every_version_comes_up),
		FRESH(relations_say_what_the_function_is),
		FRESH(a_version_that_is_not_known_is_refused_so_that_the_next_is_tried),
		STARTED(requirements_are_what_bars_show),
		cmocka_unit_test(the_instance_makes_linux_domain_and_the_hypercall_device),
		STARTED(the_header_is_ours),
		STARTED(only_two_capabilities_are_shown),
		FRESH(lists_of_capabilities_that_lie_come_to_an_end),
		STARTED(a_slot_with_nothing_in_it_reads_as_ones),
		STARTED(bars_move_only_while_nothing_is_decoded),
		STARTED(bars_that_cannot_be_there_are_nowhere),
		STARTED(a_guest_may_say_where_bars_are),
		STARTED(cookies_in_the_table_lead_to_their_processors),
		STARTED(an_interrupt_moves_by_a_new_cookie_and_by_the_hypercall),
		STARTED(a_cookie_that_was_deleted_leads_nowhere_for_ever),
		STARTED(targets_that_are_none_are_refused),
		STARTED(there_is_an_end_to_interrupts),
		STARTED(pending_bits_are_the_functions),
		STARTED(what_is_beside_the_table_is_the_functions),
		STARTED(an_ejected_function_is_let_go),
		FRESH(a_guest_that_has_nothing_lets_go_at_once),
		STARTED(a_guest_that_closes_has_let_go),
		STARTED(d0_is_entered_anew),
		STARTED(windows_that_cannot_be_are_refused),
		FRESH(order_is_asked_for),
		STARTED(messages_that_are_cut_off_are_refused),
		STARTED(a_list_of_processors_that_is_too_long_is_refused),
		STARTED(a_guest_that_does_not_read_loses_answers_and_no_more),
		STARTED(packets_of_other_types_are_left_alone),
		FRESH(bars_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

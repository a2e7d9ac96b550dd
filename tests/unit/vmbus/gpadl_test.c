/* SPDX-License-Identifier: BSD-2-Clause
 *
 * GPADLs as good and bad guests make them.
 */
#include "vmbus/gpadl.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/bus_rig.h"

#define PFN BUS_RIG_HIGH_PFN

struct state {
	struct bus_rig *rig;
	struct bus_rig_device *nic, *other;
	uint32_t relid, other_relid;
};

static int start(void **state, const struct vmbus_server_opts *opts)
{
	static struct state s;

	s.rig = bus_rig_create(opts);
	s.nic = bus_rig_device(s.rig);
	s.other = bus_rig_device(s.rig);
	bus_rig_offer(s.nic, "nic", false);
	bus_rig_offer(s.other, "other", false);
	bus_rig_connect(s.rig, VMBUS_V5_3);
	s.relid = bus_rig_expect(s.rig, VMBUS_MSG_OFFER)->offer.relid;
	s.other_relid = bus_rig_expect(s.rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_expect(s.rig, VMBUS_MSG_ALL_OFFERS);
	*state = &s;
	return 0;
}

static int setup(void **state)
{
	return start(state, NULL);
}

static int setup_small(void **state)
{
	return start(state, &(struct vmbus_server_opts){.max_gpadls = 3, .max_gpadl_pages = 100});
}

static int teardown(void **state)
{
	struct state *s = *state;

	bus_rig_destroy(s->rig);
	return 0;
}

static uint64_t faults(const struct state *s, enum vmbus_fault fault)
{
	return bus_rig_info(s->rig).faults[fault];
}

static void expect_created(struct state *s, uint32_t relid, uint32_t id, bool ok)
{
	const union vmbus_msg *msg = bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);

	assert_int_equal(msg->result.relid, relid);
	assert_int_equal(msg->result.id, id);
	assert_int_equal(msg->result.status == 0, ok);
}

static void expect_torndown(struct state *s, uint32_t id)
{
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN)->gpadl_torndown.gpadl,
			 id);
}

/* A header with these words, which says that there are 'n_words' in all. */
static void send_header(struct state *s, uint32_t id, unsigned n_ranges, uint32_t range_bytes,
			const uint64_t *words, unsigned n)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_HEADER);

	msg.gpadl_header.relid = s->relid;
	msg.gpadl_header.gpadl = id;
	msg.gpadl_header.n_ranges = (uint16_t)n_ranges;
	msg.gpadl_header.range_bytes = (uint16_t)range_bytes;
	memcpy(msg.bytes + size, words, n * 8);
	assert_int_equal(bus_rig_send(s->rig, &msg, size + n * 8), 0);
}

static void send_body(struct state *s, uint32_t id, const uint64_t *words, unsigned n)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_BODY);

	msg.gpadl_body.gpadl = id;
	memcpy(msg.bytes + size, words, n * 8);
	assert_int_equal(bus_rig_send(s->rig, &msg, size + n * 8), 0);
}

static void the_device_gets_what_the_guest_listed(void **state)
{
	static const uint32_t sizes[] = {1, 26, 27, 54, 55, 5000, VMBUS_GPADL_MAX_PFNS};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct vmbus_gpadl *g;

		bus_rig_gpadl(s->rig, s->relid, 0xe1e10, PFN + i, sizes[i]);
		expect_created(s, s->relid, 0xe1e10, true);
		g = vmbus_device_gpadl(s->nic->device, 0xe1e10);
		assert_non_null(g);
		assert_int_equal(g->id, 0xe1e10);
		assert_int_equal(g->relid, s->relid);
		assert_int_equal(g->n_pfns, sizes[i]);
		assert_int_equal(g->byte_count, sizes[i] * 4096);
		for (uint32_t p = 0; p < sizes[i]; p++)
			assert_int_equal(g->pfns[p], PFN + i + p);
		assert_null(vmbus_device_gpadl(s->other->device, 0xe1e10));
		assert_int_equal(bus_rig_info(s->rig).n_gpadl_pages, sizes[i]);
		bus_rig_teardown(s->rig, s->relid, 0xe1e10);
		expect_torndown(s, 0xe1e10);
		assert_null(vmbus_device_gpadl(s->nic->device, 0xe1e10));
		assert_int_equal(bus_rig_info(s->rig).n_gpadls, 0);
	}
}

static void several_are_put_together_at_once(void **state)
{
	struct state *s = *state;
	const uint64_t range = 60 * 4096;
	uint64_t pfns[3][60];

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned p = 0; p < 60; p++)
			pfns[i][p] = PFN + 100 * i + p;
		send_header(s, i + 1, 1, 61 * 8, &range, 1);
	}
	for (unsigned p = 0; p < 60; p += 20)
		for (unsigned i = 0; i < 3; i++) {
			bus_rig_expect_nothing(s->rig);
			send_body(s, 3 - i, &pfns[2 - i][p], 20);
			if (p == 40)
				expect_created(s, s->relid, 3 - i, true);
		}
	for (unsigned i = 0; i < 3; i++)
		assert_memory_equal(vmbus_device_gpadl(s->nic->device, i + 1)->pfns, pfns[i],
				    sizeof(pfns[i]));
}

static void messages_padded_to_the_longest_are_taken(void **state)
{
	struct state *s = *state;
	const uint64_t words[27] = {28 * 4096, PFN, PFN, PFN};
	const uint64_t more[28] = {PFN + 1, PFN + 2};
	uint64_t first[27];

	memcpy(first, words, sizeof(first));
	for (unsigned i = 1; i < 27; i++)
		first[i] = PFN + 7;
	send_header(s, 5, 1, 29 * 8, first, 27);
	bus_rig_expect_nothing(s->rig);
	send_body(s, 5, more, 28); /* 26 of them are padding */
	expect_created(s, s->relid, 5, true);
	assert_int_equal(vmbus_device_gpadl(s->nic->device, 5)->n_pfns, 28);
	assert_int_equal(vmbus_device_gpadl(s->nic->device, 5)->pfns[27], PFN + 2);
}

static void pages_outside_memory_are_refused(void **state)
{
	static const uint64_t outside[] = {BUS_RIG_LOW_PAGES,	     PFN - 1,
					   PFN + BUS_RIG_HIGH_PAGES, UINT64_MAX,
					   UINT64_MAX >> 12,	     1ull << 52};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		const uint64_t words[] = {3 * 4096, PFN, outside[i], PFN};

		send_header(s, 9, 1, sizeof(words), words, 4);
		expect_created(s, s->relid, 9, false);
		assert_int_equal(faults(s, VMBUS_FAULT_GPADL_RANGE), i + 1);
	}
	assert_int_equal(s->nic->n_created, 0);
	assert_int_equal(bus_rig_info(s->rig).n_gpadls, 0);
}

static void pages_may_be_listed_twice(void **state)
{
	struct state *s = *state;
	const uint64_t words[] = {3 * 4096, PFN, 0, PFN};

	send_header(s, 9, 1, sizeof(words), words, 4);
	expect_created(s, s->relid, 9, true);
	bus_rig_gpadl(s->rig, s->relid, 10, PFN, 3); /* overlaps it */
	expect_created(s, s->relid, 10, true);
}

static void counts_that_do_not_fit_are_refused(void **state)
{
	static const struct {
		unsigned n_ranges;
		uint32_t range_bytes;
		uint64_t first;
	} wrong[] = {
		{0, 16, 4096}, {1, 0, 4096},  {1, 8, 4096},	   {1, 15, 4096},
		{1, 17, 4096}, {2, 16, 4096}, {0xffff, 16, 1},	   {1, 0xffff, 4096},
		{1, 16, 0},    {1, 16, 4097}, {1, 16, UINT64_MAX}, {1, 24, 4096},
		{2, 24, 4096}, {3, 24, 4096}, {0xffff, 0xffff, 1}, {1, 16, 4096ull << 32 | 1},
	};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const uint64_t words[] = {wrong[i].first, PFN, PFN};

		send_header(s, 9, wrong[i].n_ranges, wrong[i].range_bytes, words, 3);
		expect_created(s, s->relid, 9, false);
		assert_int_equal(faults(s, VMBUS_FAULT_GPADL_RANGE), i + 1);
	}
	assert_int_equal(bus_rig_info(s->rig).n_gpadls, 0);
}

static void several_ranges_are_understood_and_refused(void **state)
{
	struct state *s = *state;
	const uint64_t words[] = {4096, PFN, 4096, PFN + 1};

	send_header(s, 9, 2, sizeof(words), words, 4);
	expect_created(s, s->relid, 9, false);
	assert_int_equal(s->nic->n_created, 0);
}

static void a_number_is_used_once(void **state)
{
	struct state *s = *state;
	const uint64_t range = 2 * 4096, pfns[] = {PFN, PFN + 1};

	bus_rig_gpadl(s->rig, s->relid, 1, PFN, 4);
	expect_created(s, s->relid, 1, true);
	bus_rig_gpadl(s->rig, s->relid, 1, PFN, 4);
	expect_created(s, s->relid, 1, false);
	assert_int_equal(faults(s, VMBUS_FAULT_GPADL_ID), 1);
	/* Another channel has numbers of its own. */
	bus_rig_gpadl(s->rig, s->other_relid, 1, PFN, 4);
	expect_created(s, s->other_relid, 1, true);
	/* But bodies do not say the channel. */
	send_header(s, 2, 1, 24, &range, 1);
	bus_rig_gpadl(s->rig, s->other_relid, 2, PFN, 4);
	expect_created(s, s->other_relid, 2, false);
	send_body(s, 2, pfns, 2);
	expect_created(s, s->relid, 2, true);
	bus_rig_gpadl(s->rig, s->relid, 0, PFN, 4);
	expect_created(s, s->relid, 0, false);
	assert_int_equal(faults(s, VMBUS_FAULT_GPADL_ID), 3);
}

static void a_body_without_a_header_is_ignored(void **state)
{
	struct state *s = *state;
	const uint64_t pfn = PFN;

	send_body(s, 77, &pfn, 1);
	bus_rig_gpadl(s->rig, s->relid, 77, PFN, 4);
	expect_created(s, s->relid, 77, true);
	send_body(s, 77, &pfn, 1);
	bus_rig_expect_nothing(s->rig);
	assert_int_equal(faults(s, VMBUS_FAULT_GPADL_ID), 2);
}

static void teardown_is_always_answered(void **state)
{
	struct state *s = *state;
	const uint64_t range = 2 * 4096;

	bus_rig_teardown(s->rig, s->relid, 5); /* unknown */
	expect_torndown(s, 5);
	bus_rig_teardown(s->rig, UINT32_MAX, 5); /* no such channel */
	expect_torndown(s, 5);
	bus_rig_gpadl(s->rig, s->relid, 5, PFN, 4);
	expect_created(s, s->relid, 5, true);
	bus_rig_teardown(s->rig, s->other_relid, 5); /* another channel's */
	expect_torndown(s, 5);
	assert_non_null(vmbus_device_gpadl(s->nic->device, 5));
	send_header(s, 6, 1, 24, &range, 1);
	bus_rig_teardown(s->rig, s->relid, 6); /* not whole yet */
	expect_torndown(s, 6);
	assert_int_equal(faults(s, VMBUS_FAULT_GPADL_ID), 3);
	assert_int_equal(bus_rig_info(s->rig).n_gpadls, 1);
}

static void teardown_waits_for_the_device_and_is_answered_once(void **state)
{
	struct state *s = *state;

	s->nic->later = true;
	bus_rig_gpadl(s->rig, s->relid, 5, PFN, 4);
	expect_created(s, s->relid, 5, true);
	bus_rig_teardown(s->rig, s->relid, 5);
	bus_rig_teardown(s->rig, s->relid, 5);
	bus_rig_expect_nothing(s->rig);
	assert_null(vmbus_device_gpadl(s->nic->device, 5));
	bus_rig_gpadl(s->rig, s->relid, 5, PFN, 4); /* the number is not free yet */
	expect_created(s, s->relid, 5, false);
	bus_rig_answer(s->nic);
	expect_torndown(s, 5);
	bus_rig_expect_nothing(s->rig);
	assert_int_equal(s->nic->n_released, 1);
	bus_rig_gpadl(s->rig, s->relid, 5, PFN, 4);
	expect_created(s, s->relid, 5, true);
}

static void a_guest_has_no_more_than_its_limits(void **state)
{
	struct state *s = *state;
	const uint64_t range = 50 * 4096;

	bus_rig_gpadl(s->rig, s->relid, 1, PFN, 50);
	expect_created(s, s->relid, 1, true);
	bus_rig_gpadl(s->rig, s->relid, 2, PFN, 51); /* and one body too many */
	expect_created(s, s->relid, 2, false);
	send_header(s, 3, 1, 51 * 8, &range, 1); /* those in the making count */
	bus_rig_gpadl(s->rig, s->relid, 4, PFN, 1);
	expect_created(s, s->relid, 4, false);
	assert_int_equal(faults(s, VMBUS_FAULT_GPADL_LIMIT), 2);
	bus_rig_teardown(s->rig, s->relid, 1);
	expect_torndown(s, 1);
	for (uint32_t id = 10; id < 14; id++) {
		bus_rig_gpadl(s->rig, s->relid, id, PFN, 1);
		expect_created(s, s->relid, id, id < 12);
	}
	assert_int_equal(faults(s, VMBUS_FAULT_GPADL_LIMIT), 4);
	assert_int_equal(bus_rig_info(s->rig).n_gpadls, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_device_gets_what_the_guest_listed),
		TEST(several_are_put_together_at_once),
		TEST(messages_padded_to_the_longest_are_taken),
		TEST(pages_outside_memory_are_refused),
		TEST(pages_may_be_listed_twice),
		TEST(counts_that_do_not_fit_are_refused),
		TEST(several_ranges_are_understood_and_refused),
		TEST(a_number_is_used_once),
		TEST(a_body_without_a_header_is_ignored),
		TEST(teardown_is_always_answered),
		TEST(teardown_waits_for_the_device_and_is_answered_once),
		cmocka_unit_test_setup_teardown(a_guest_has_no_more_than_its_limits, setup_small,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

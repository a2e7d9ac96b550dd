/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pace of a port: how many frames may be taken when, over minutes of a clock of paper.
 */
#include "dataplane/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/wire_size.h"

#define HZ    UINT64_C(2000000000)
#define MS    (HZ / 1000)
#define START (100 * HZ)
#define BURST 32
#define MBPS  UINT64_C(1000000)
#define WIRE  (1514 + DP_WIRE_OVERHEAD)

static struct rte_mbuf plain, super;
static struct rte_mbuf *frames[BURST];

static int setup(void **state)
{
	plain = (struct rte_mbuf){.pkt_len = 1514};
	super = (struct rte_mbuf){.pkt_len = 54 + 10 * 1460,
				  .ol_flags = RTE_MBUF_F_TX_TCP_SEG,
				  .l2_len = 14,
				  .l3_len = 20,
				  .l4_len = 20,
				  .tso_segsz = 1460};
	for (int i = 0; i < BURST; i++)
		frames[i] = &plain;
	return 0;
}

static struct dp_pace *pace_of(uint64_t bps, uint32_t burst)
{
	const struct dp_pace_spec spec = {.bps = bps, .burst = burst};
	struct dp_pace *p = dp_pace_create(&spec, NULL, HZ);

	assert_non_null(p);
	return p;
}

/* A worker that never runs out of frames, looks every 'step', and is away for 'away' now and then;
 * returns bytes on the wire. */
static uint64_t run(struct dp_pace *p, uint64_t for_tsc, uint64_t step, uint64_t away)
{
	uint64_t before, n = 0;
	struct dp_pace_counts c;

	dp_pace_read(p, &c);
	before = c.bytes;
	for (uint64_t now = START; now < START + for_tsc; now += ++n % 1000 == 0 ? away : step) {
		uint16_t may = dp_pace_allows(p, 0, now);

		assert_true(may <= BURST);
		if (may != 0)
			dp_pace_took(p, frames, may, now);
	}
	dp_pace_read(p, &c);
	return c.bytes - before;
}

static void near(uint64_t got, uint64_t want, uint64_t percent)
{
	if (got * 100 < want * (100 - percent) || got * 100 > want * (100 + percent))
		fail_msg("%lu is not within %lu %% of %lu", (unsigned long)got,
			 (unsigned long)percent, (unsigned long)want);
}

static void rate_is_what_was_asked_for_at_all_rates(void **state)
{
	static const uint64_t rates[] = {MBPS, 10 * MBPS, 100 * MBPS, 1000 * MBPS, 9000 * MBPS};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct dp_pace *p = pace_of(rates[i], 0);

		near(run(p, 10 * HZ, MS / 1000, MS / 2), 10 * rates[i] / 8, 1);
		dp_pace_unref(p);
	}
}

static void rate_of_super_frames_counts_what_the_wire_carries(void **state)
{
	struct dp_pace *p = pace_of(100 * MBPS, 0);
	struct dp_pace_counts c;
	uint32_t segs;

	for (int i = 0; i < BURST; i++)
		frames[i] = &super;
	assert_int_equal(dp_wire_size(&super, &segs), 10 * (54 + 1460 + DP_WIRE_OVERHEAD));
	assert_int_equal(segs, 10);
	near(run(p, 10 * HZ, MS / 100, MS / 100), 1000 * MBPS / 8, 1);
	dp_pace_read(p, &c);
	assert_int_equal(c.bytes, c.packets * WIRE);
	dp_pace_unref(p);
}

/* What a sender says of a super-frame is not believed where it cannot be. */
static void nonsense_of_a_super_frame_is_a_frame(void **state)
{
	uint32_t segs;

	super.tso_segsz = 0;
	assert_int_equal(dp_wire_size(&super, &segs), super.pkt_len + DP_WIRE_OVERHEAD);
	super.tso_segsz = 1460;
	super.pkt_len = 54;
	assert_int_equal(dp_wire_size(&super, &segs), 54 + DP_WIRE_OVERHEAD);
	assert_int_equal(segs, 1);
	super.pkt_len = UINT32_MAX / 2;
	super.tso_segsz = 1;
	(void)dp_wire_size(&super, &segs);
}

static void port_in_debt_is_not_polled_until_it_is_due(void **state)
{
	struct dp_pace *p = pace_of(MBPS, 0);
	uint64_t due;

	assert_true(dp_pace_allows(p, 0, START) > 0);
	dp_pace_took(p, frames, 1, START);
	dp_pace_took(p, frames, 4, START);
	assert_int_equal(dp_pace_allows(p, 0, START), 0);
	due = dp_pace_due(p, START);
	assert_true(due > START);
	assert_int_equal(dp_pace_allows(p, 0, due - 1), 0);
	assert_int_equal(dp_pace_allows(p, 0, due), 1);
	dp_pace_unref(p);
}

static void burst_is_what_a_quiet_port_may_send_at_once(void **state)
{
	struct dp_pace *p = pace_of(100 * MBPS, 20 * WIRE);
	unsigned n = 0;

	for (uint16_t may; (may = dp_pace_allows(p, 0, START)) != 0; n += may)
		dp_pace_took(p, frames, may, START);
	assert_in_range(n, 20, 21);
	dp_pace_unref(p);
}

/* The first queue of the list is asked first each time. */
static void queues_of_a_port_share_its_pace(void **state)
{
	struct dp_pace *p = pace_of(100 * MBPS, 0);
	unsigned n[3] = {0};

	for (uint64_t now = START; now < START + HZ; now += MS / 1000)
		for (uint16_t q = 0; q < 3; q++) {
			uint16_t may = dp_pace_allows(p, q, now);

			if (may != 0)
				dp_pace_took(p, frames, may, now);
			n[q] += may;
		}
	near((uint64_t)(n[0] + n[1] + n[2]) * WIRE, 100 * MBPS / 8, 1);
	for (int q = 0; q < 3; q++)
		near(n[q], (n[0] + n[1] + n[2]) / 3, 5);
	dp_pace_unref(p);
}

/* One that was put off and is never seen again, on a worker that left, holds nobody up. */
static void queue_that_is_gone_costs_no_turn_for_long(void **state)
{
	struct dp_pace *p = pace_of(100 * MBPS, 0);

	dp_pace_took(p, frames, BURST, START);
	dp_pace_took(p, frames, BURST, START);
	assert_int_equal(dp_pace_allows(p, 5, START), 0);
	near(run(p, 4 * HZ, MS / 1000, MS / 1000), 4 * 100 * MBPS / 8, 2);
	dp_pace_unref(p);
}

static void counters_go_on_when_the_rate_changes(void **state)
{
	struct dp_pace *was = pace_of(MBPS, 0), *is;
	const struct dp_pace_spec spec = {.bps = 10 * MBPS};
	struct dp_pace_counts c;

	dp_pace_took(was, frames, 3, START);
	is = dp_pace_create(&spec, was, HZ);
	assert_non_null(is);
	dp_pace_took(was, frames, 1, START); /* A worker still has the old one. */
	dp_pace_unref(was);
	dp_pace_read(is, &c);
	assert_int_equal(c.packets, 4);
	assert_int_equal(c.bytes, 4 * WIRE);
	assert_int_equal(dp_pace_spec(is)->bps, 10 * MBPS);
	dp_pace_unref(dp_pace_ref(is));
	dp_pace_unref(is);
	dp_pace_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rate_is_what_was_asked_for_at_all_rates, setup),
		cmocka_unit_test_setup(rate_of_super_frames_counts_what_the_wire_carries, setup),
		cmocka_unit_test_setup(nonsense_of_a_super_frame_is_a_frame, setup),
		cmocka_unit_test_setup(port_in_debt_is_not_polled_until_it_is_due, setup),
		cmocka_unit_test_setup(burst_is_what_a_quiet_port_may_send_at_once, setup),
		cmocka_unit_test_setup(queues_of_a_port_share_its_pace, setup),
		cmocka_unit_test_setup(queue_that_is_gone_costs_no_turn_for_long, setup),
		cmocka_unit_test_setup(counters_go_on_when_the_rate_changes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

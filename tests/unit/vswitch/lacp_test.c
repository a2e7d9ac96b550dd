/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LACP (vswitch/lacp.h): two systems talk to each other over links that a test cuts, with a clock
 * of its own; and partners that lie.
 */
#include "vswitch/lacp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N    3
#define STEP 100

/* Two systems of N ports each; ports of the same number are connected. */
struct pair {
	struct lacp_port v[2][N];
	bool cut[N];
	uint64_t now;
	unsigned n_sent;
};

static void begin(struct pair *p, unsigned n_up)
{
	memset(p, 0, sizeof(*p));
	p->now = 1000000;
	for (unsigned s = 0; s < 2; s++)
		for (unsigned i = 0; i < N; i++) {
			struct lacp_info actor = {.system_priority = 0x8000,
						  .port_priority = 0x8000,
						  .port = (uint16_t)(i + 1),
						  .system = {2, 0, 0, 0, 0, (uint8_t)(s + 1)},
						  .state = LACP_ACTIVE | LACP_FAST};

			lacp_port_init(&p->v[s][i], &actor);
			lacp_port_link(&p->v[s][i], i < n_up, 10000, p->now);
		}
}

static void step_system(struct pair *p, unsigned s)
{
	struct lacp_port *all[N];
	uint8_t frame[LACP_FRAME_SIZE];
	const uint8_t mac[6] = {2};
	struct lacp_pdu pdu, read;

	for (unsigned i = 0; i < N; i++)
		all[i] = &p->v[s][i];
	lacp_select(all, N);
	for (unsigned i = 0; i < N; i++) {
		lacp_port_run(all[i], p->now);
		if (!lacp_port_tx(all[i], p->now, &pdu))
			continue;
		p->n_sent++;
		lacp_write(&pdu, mac, frame);
		assert_int_equal(lacp_parse(frame, sizeof(frame), &read), 0);
		if (!p->cut[i])
			lacp_port_rx(&p->v[!s][i], &read, p->now);
	}
}

static void run(struct pair *p, unsigned ms)
{
	for (unsigned t = 0; t < ms; t += STEP) {
		p->now += STEP;
		step_system(p, 0);
		step_system(p, 1);
	}
}

static unsigned n_distributing(const struct pair *p, unsigned s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < N; i++)
		n += p->v[s][i].mux == LACP_MUX_DISTRIBUTING;
	return n;
}

static void two_systems_agree_on_all_links(void **state)
{
	struct pair p;

	begin(&p, N);
	run(&p, 5000);
	assert_int_equal(n_distributing(&p, 0), N);
	assert_int_equal(n_distributing(&p, 1), N);
	assert_string_equal(lacp_reason(&p.v[0][0]), "");
	assert_int_equal(p.v[0][0].partner.system[5], 2);
}

static void a_member_whose_link_goes_stops_at_once(void **state)
{
	struct pair p;

	begin(&p, N);
	run(&p, 5000);
	lacp_port_link(&p.v[0][1], false, 0, p.now);
	assert_int_equal(n_distributing(&p, 0), N - 1);
	assert_string_equal(lacp_reason(&p.v[0][1]), "no link");
	lacp_port_link(&p.v[0][1], true, 10000, p.now);
	run(&p, 8000);
	assert_int_equal(n_distributing(&p, 0), N);
}

static void a_partner_that_falls_silent_is_left_after_three_seconds(void **state)
{
	struct pair p;

	begin(&p, N);
	run(&p, 5000);
	p.cut[2] = true;
	run(&p, 4500);
	assert_int_equal(n_distributing(&p, 0), N - 1);
	assert_int_equal(n_distributing(&p, 1), N - 1);
	run(&p, 4000);
	assert_string_equal(lacp_reason(&p.v[0][2]), "no LACP partner answers");
	p.cut[2] = false;
	run(&p, 8000);
	assert_int_equal(n_distributing(&p, 0), N);
}

static void links_of_two_speeds_are_not_used_together(void **state)
{
	struct pair p;

	begin(&p, N);
	for (unsigned s = 0; s < 2; s++)
		lacp_port_link(&p.v[s][0], true, 40000, p.now);
	run(&p, 5000);
	assert_int_equal(n_distributing(&p, 0), 1);
	assert_int_equal(p.v[0][0].mux, LACP_MUX_DISTRIBUTING);
	/* The fast one goes: the other two, which have less, carry on. */
	for (unsigned s = 0; s < 2; s++)
		lacp_port_link(&p.v[s][0], false, 0, p.now);
	run(&p, 5000);
	assert_int_equal(n_distributing(&p, 0), 2);
}

static void two_passive_systems_say_nothing(void **state)
{
	struct pair p;

	begin(&p, N);
	for (unsigned s = 0; s < 2; s++)
		for (unsigned i = 0; i < N; i++)
			p.v[s][i].actor.state &= (uint8_t)~LACP_ACTIVE;
	run(&p, 10000);
	assert_int_equal(p.n_sent, 0);
	p.v[1][0].actor.state |= LACP_ACTIVE;
	run(&p, 8000);
	assert_int_equal(n_distributing(&p, 0), 1);
}

/* One port of ours, and PDUs that a test makes. */
static struct lacp_port alone(uint64_t now)
{
	struct lacp_info actor = {.port = 1,
				  .system = {2, 0, 0, 0, 0, 1},
				  .state = LACP_ACTIVE | LACP_FAST};
	struct lacp_port p;

	lacp_port_init(&p, &actor);
	lacp_port_link(&p, true, 1000, now);
	return p;
}

static void turn(struct lacp_port *p, const struct lacp_pdu *pdu, uint64_t *now, unsigned ms)
{
	struct lacp_port *all[1] = {p};
	struct lacp_pdu out;

	for (unsigned t = 0; t < ms; t += STEP) {
		*now += STEP;
		if (t % 1000 == 0 && pdu != NULL)
			lacp_port_rx(p, pdu, *now);
		lacp_select(all, 1);
		lacp_port_run(p, *now);
		while (lacp_port_tx(p, *now, &out))
			;
	}
}

static struct lacp_pdu partner_of(const struct lacp_port *p)
{
	return (struct lacp_pdu){
		.actor = {.system = {2, 9},
			  .port = 4,
			  .key = 5,
			  .state = LACP_ACTIVE | LACP_FAST | LACP_AGGREGATABLE | LACP_SYNC |
				   LACP_COLLECTING | LACP_DISTRIBUTING},
		.partner = p->actor,
	};
}

static void a_partner_that_means_another_gets_nothing(void **state)
{
	uint64_t now = 1000;
	struct lacp_port p = alone(now);
	struct lacp_pdu pdu = partner_of(&p);

	pdu.partner.port++;
	turn(&p, &pdu, &now, 5000);
	assert_int_equal(p.mux, LACP_MUX_ATTACHED);
	pdu.partner.port--;
	turn(&p, &pdu, &now, 2000);
	assert_int_equal(p.mux, LACP_MUX_DISTRIBUTING);
}

static void our_own_voice_is_no_partner(void **state)
{
	uint64_t now = 1000;
	struct lacp_port p = alone(now);
	struct lacp_pdu pdu = partner_of(&p);

	pdu.actor = p.actor;
	pdu.actor.state |= LACP_SYNC | LACP_COLLECTING | LACP_DISTRIBUTING;
	turn(&p, &pdu, &now, 5000);
	assert_int_equal(p.mux, LACP_MUX_DETACHED);
	assert_string_equal(lacp_reason(&p), "hears this switch itself: a loop");
}

static void a_partner_that_is_always_another_never_carries_frames(void **state)
{
	uint64_t now = 1000;
	struct lacp_port p = alone(now);
	struct lacp_pdu pdu = partner_of(&p);

	for (unsigned i = 0; i < 50; i++) {
		pdu.actor.key++;
		turn(&p, &pdu, &now, 500);
		assert_true(p.mux <= LACP_MUX_WAITING);
	}
	assert_true(p.n_changes >= 49);
}

static void a_flood_of_pdus_is_answered_three_times_a_second(void **state)
{
	uint64_t now = 1000;
	struct lacp_port p = alone(now);
	struct lacp_pdu pdu = partner_of(&p), out;
	unsigned n = 0;

	pdu.partner.port = 77;
	for (unsigned i = 0; i < 10000; i++) {
		now += i % 10 == 0;
		lacp_port_rx(&p, &pdu, now);
		n += lacp_port_tx(&p, now, &out);
	}
	assert_in_range(n, 1, 6);
}

static void frames_are_read_with_every_length(void **state)
{
	const uint8_t mac[6] = {2};
	uint8_t frame[LACP_FRAME_SIZE];
	struct lacp_pdu pdu = {.actor = {.key = 0x1234, .port = 7, .state = 0x3d}, .max_delay = 9},
			read;

	lacp_write(&pdu, mac, frame);
	for (size_t size = 0; size <= sizeof(frame); size++)
		assert_int_equal(lacp_parse(frame, size, &read), size < 72 ? -EBADMSG : 0);
	assert_int_equal(read.actor.key, 0x1234);
	assert_int_equal(read.actor.state, 0x3d);
	assert_int_equal(read.max_delay, 9);
	frame[14] = 2;
	assert_int_equal(lacp_parse(frame, sizeof(frame), &read), -EPROTONOSUPPORT);
	frame[14] = 1;
	for (unsigned v = 0; v < 256; v++) {
		frame[17] = (uint8_t)v;
		assert_int_equal(lacp_parse(frame, sizeof(frame), &read), v == 20 ? 0 : -EBADMSG);
	}
}

static void a_marker_is_answered(void **state)
{
	static const uint8_t marker[] = {0x01, 0x80, 0xc2, 0, 0,    2,	  2,	9,    9, 9, 9,
					 9,    0x88, 0x09, 2, 1,    1,	  16,	0,    7, 2, 8,
					 8,    8,    8,	   8, 0xde, 0xad, 0xbe, 0xef, 0, 0};
	static const uint8_t mac[6] = {2, 1, 1, 1, 1, 1};
	uint8_t frame[LACP_FRAME_SIZE] = {0}, answer[LACP_FRAME_SIZE], again[LACP_FRAME_SIZE];
	struct lacp_pdu pdu;

	memcpy(frame, marker, sizeof(marker));
	assert_int_equal(lacp_parse(frame, sizeof(frame), &pdu), -EPROTONOSUPPORT);
	for (size_t size = 0; size <= sizeof(frame); size++) {
		memset(answer, 0xff, sizeof(answer));
		assert_int_equal(lacp_marker_answer(frame, size, mac, answer),
				 size < sizeof(marker) ? -EBADMSG : 0);
	}
	memcpy(frame + 6, mac, 6);
	frame[16] = 2;
	assert_memory_equal(answer, frame, sizeof(frame));
	/* Or two systems would answer each other for ever. */
	assert_int_equal(lacp_marker_answer(answer, sizeof(answer), mac, again), -EPROTONOSUPPORT);
	frame[14] = 1;
	assert_int_equal(lacp_marker_answer(frame, sizeof(frame), mac, again), -EPROTONOSUPPORT);
	frame[14] = 2;
	frame[16] = 1;
	frame[17] = 15;
	assert_int_equal(lacp_marker_answer(frame, sizeof(frame), mac, again), -EBADMSG);
	frame[17] = 16;
	frame[15] = 0;
	assert_int_equal(lacp_marker_answer(frame, sizeof(frame), mac, again), -EBADMSG);
}

static void a_flood_of_markers_is_answered_five_times_a_second(void **state)
{
	struct lacp_port p = {0};
	unsigned n = 0;

	for (uint64_t now = 10000; now < 20000; now++)
		n += lacp_port_marker(&p, now);
	assert_int_equal(n, 50);
	assert_int_equal(p.rx_markers, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_systems_agree_on_all_links),
		cmocka_unit_test(a_member_whose_link_goes_stops_at_once),
		cmocka_unit_test(a_partner_that_falls_silent_is_left_after_three_seconds),
		cmocka_unit_test(links_of_two_speeds_are_not_used_together),
		cmocka_unit_test(two_passive_systems_say_nothing),
		cmocka_unit_test(a_partner_that_means_another_gets_nothing),
		cmocka_unit_test(our_own_voice_is_no_partner),
		cmocka_unit_test(a_partner_that_is_always_another_never_carries_frames),
		cmocka_unit_test(a_flood_of_pdus_is_answered_three_times_a_second),
		cmocka_unit_test(frames_are_read_with_every_length),
		cmocka_unit_test(a_marker_is_answered),
		cmocka_unit_test(a_flood_of_markers_is_answered_five_times_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

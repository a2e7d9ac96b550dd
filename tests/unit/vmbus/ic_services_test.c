/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Heartbeat and shutdown, with a guest that answers as Linux does, late, wrongly, or not at all.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "tests/support/ic_rig.h"
#include "vmbus/ic_heartbeat.h"
#include "vmbus/ic_shutdown.h"

struct state {
	struct ic_rig rig;
	struct ic_heartbeat *heartbeat;
	struct ic_shutdown *shutdown;
	struct ic_guest guest;
	unsigned n_changed, n_done;
	enum heartbeat_state last;
	int error;
};

static void on_changed(void *ctx, enum heartbeat_state last)
{
	struct state *s = ctx;

	s->n_changed++;
	s->last = last;
}

static void on_done(void *ctx, int error)
{
	struct state *s = ctx;

	s->n_done++;
	s->error = error;
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct ic_heartbeat_opts heartbeat = {.changed = on_changed, .ctx = s};
	struct ic_shutdown_opts shutdown = {.done = on_done, .ctx = s};

	assert_non_null(s);
	ic_rig_init(&s->rig);
	assert_int_equal(ic_heartbeat_create(&s->rig.env, &heartbeat, &s->heartbeat), 0);
	assert_int_equal(ic_shutdown_create(&s->rig.env, &shutdown, &s->shutdown), 0);
	ic_rig_connect(&s->rig);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	if (s->guest.channel != NULL)
		ic_guest_close(&s->guest);
	ic_rig_unload(&s->rig);
	ic_heartbeat_destroy(s->heartbeat);
	ic_shutdown_destroy(s->shutdown);
	ic_rig_fini(&s->rig);
	free(s);
	return 0;
}

static void tick(struct state *s, uint64_t ns)
{
	s->rig.now_ns += ns;
	ic_heartbeat_tick(s->heartbeat, s->rig.now_ns);
	ic_shutdown_tick(s->shutdown, s->rig.now_ns);
}

/* ---- Heartbeat ---- */

static void beat_start(struct state *s)
{
	tick(s, 0);
	ic_guest_start(&s->guest, &s->rig, &ic_guest_heartbeat, (struct ic_version){3, 0});
}

/* Answers with the number asked for and 'more'. */
static void beat(struct state *s, uint64_t more)
{
	struct rd rd = rd_init(s->guest.m.data, s->guest.m.data_size);
	uint8_t data[8];
	struct wr wr = wr_over(data, sizeof(data));

	wr_le64(&wr, rd_le64(&rd) + more);
	ic_guest_answer(&s->guest, 0, data, sizeof(data));
}

static void heartbeat_is_asked_for_every_two_seconds(void **state)
{
	struct state *s = *state;

	beat_start(s);
	assert_int_equal(s->last, HEARTBEAT_OK);
	for (unsigned i = 0; i < 10; i++) {
		tick(s, 0);
		ic_guest_expect(&s->guest, IC_HEARTBEAT);
		assert_int_equal(s->guest.m.data_size, 40);
		assert_int_equal(s->guest.m.data[0], i);
		beat(s, 1);
		tick(s, 2 * IC_RIG_S - 1);
		assert_false(ic_guest_take(&s->guest));
		s->rig.now_ns++;
	}
	assert_int_equal(s->n_changed, 1);
}

static void silent_guest_is_lost_and_found(void **state)
{
	struct state *s = *state;
	struct ic_heartbeat_info info;

	beat_start(s);
	tick(s, 0);
	ic_guest_expect(&s->guest, IC_HEARTBEAT);
	beat(s, 1);
	for (unsigned i = 0; i < 99; i++)
		tick(s, IC_RIG_S / 10);
	assert_int_equal(s->last, HEARTBEAT_OK);
	tick(s, IC_RIG_S / 10);
	assert_int_equal(s->last, HEARTBEAT_LOST);
	tick(s, 1000 * IC_RIG_S);
	assert_int_equal(s->n_changed, 2);
	ic_guest_expect(&s->guest, IC_HEARTBEAT);
	assert_false(ic_guest_take(&s->guest)); /* nor is the ring full of them */
	beat(s, 1);
	assert_int_equal(s->last, HEARTBEAT_OK);
	ic_heartbeat_info(s->heartbeat, &info);
	assert_int_equal(info.sequence, 2);
}

static void wrong_number_is_no_life(void **state)
{
	struct state *s = *state;
	struct ic_heartbeat_info info;

	beat_start(s);
	for (unsigned i = 0; i < 6; i++) {
		tick(s, 2 * IC_RIG_S);
		ic_guest_expect(&s->guest, IC_HEARTBEAT);
		beat(s, i);
		if (i == 1)
			tick(s, 0);
	}
	ic_heartbeat_info(s->heartbeat, &info);
	assert_int_equal(info.ic.faults[IC_FAULT_DATA], 5);
	tick(s, 0);
	assert_int_equal(s->last, HEARTBEAT_OK); /* one of them was right, 8 s ago */
	tick(s, 2 * IC_RIG_S);
	assert_int_equal(s->last, HEARTBEAT_LOST);
}

static void pause_is_no_silence(void **state)
{
	struct state *s = *state;

	beat_start(s);
	tick(s, 0);
	ic_heartbeat_resumed(s->heartbeat, s->rig.now_ns += 3600 * IC_RIG_S);
	tick(s, IC_RIG_S);
	assert_int_equal(s->last, HEARTBEAT_OK);
	tick(s, 9 * IC_RIG_S);
	assert_int_equal(s->last, HEARTBEAT_LOST);
}

static void guest_that_closes_has_no_heartbeat(void **state)
{
	struct state *s = *state;

	beat_start(s);
	tick(s, 0);
	ic_guest_close(&s->guest);
	assert_int_equal(s->last, HEARTBEAT_NONE);
	tick(s, 100 * IC_RIG_S);
	assert_int_equal(s->last, HEARTBEAT_NONE);
	beat_start(s);
	assert_int_equal(s->last, HEARTBEAT_OK);
	assert_int_equal(s->n_changed, 3);
}

/* ---- Shutdown ---- */

static void shutdown_start(struct state *s)
{
	tick(s, 0);
	ic_guest_start(&s->guest, &s->rig, &ic_guest_shutdown, (struct ic_version){3, 2});
}

static void shutdown_needs_a_driver(void **state)
{
	struct state *s = *state;

	assert_false(ic_shutdown_ready(s->shutdown));
	assert_int_equal(ic_shutdown_request(s->shutdown, SHUTDOWN_POWER_OFF, false, ""),
			 -ENOTCONN);
	shutdown_start(s);
	assert_true(ic_shutdown_ready(s->shutdown));
}

static void guest_is_asked_to_power_off(void **state)
{
	struct state *s = *state;

	shutdown_start(s);
	assert_int_equal(ic_shutdown_request(s->shutdown, SHUTDOWN_POWER_OFF, false, "vm stop"), 0);
	assert_int_equal(ic_shutdown_request(s->shutdown, SHUTDOWN_POWER_OFF, false, ""), -EBUSY);
	ic_guest_expect(&s->guest, IC_SHUTDOWN);
	assert_int_equal(s->guest.m.data_size, 2060);
	assert_int_equal(s->guest.m.data[8], 0);
	assert_memory_equal(s->guest.m.data + 12, "v\0m\0 \0s\0t\0o\0p\0\0", 16);
	ic_guest_answer(&s->guest, 0, NULL, 0);
	assert_int_equal(s->n_done, 1);
	assert_int_equal(s->error, 0);
}

static void guest_is_asked_to_reboot_at_once(void **state)
{
	struct state *s = *state;
	char why[3000];

	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	shutdown_start(s);
	assert_int_equal(ic_shutdown_request(s->shutdown, SHUTDOWN_REBOOT, true, why), 0);
	ic_guest_expect(&s->guest, IC_SHUTDOWN);
	assert_int_equal(s->guest.m.data[8], 3);
	assert_int_equal(s->guest.m.data[2060 - 4], 'x');
	assert_int_equal(s->guest.m.data[2060 - 2], 0); /* cut, with an end */
	ic_guest_answer(&s->guest, IC_E_FAIL, NULL, 0);
	assert_int_equal(s->error, -EIO);
}

static void silent_shutdown_is_told(void **state)
{
	struct state *s = *state;

	shutdown_start(s);
	assert_int_equal(ic_shutdown_request(s->shutdown, SHUTDOWN_POWER_OFF, false, ""), 0);
	tick(s, 30 * IC_RIG_S);
	assert_int_equal(s->n_done, 1);
	assert_int_equal(s->error, -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(heartbeat_is_asked_for_every_two_seconds),
		T(silent_guest_is_lost_and_found),
		T(wrong_number_is_no_life),
		T(pause_is_no_silence),
		T(guest_that_closes_has_no_heartbeat),
		T(shutdown_needs_a_driver),
		T(guest_is_asked_to_power_off),
		T(guest_is_asked_to_reboot_at_once),
		T(silent_shutdown_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

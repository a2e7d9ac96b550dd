/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Time synchronisation: when a guest's clock is set, and when it is only told the time.
 */
#include "vmbus/ic_timesync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "tests/support/ic_rig.h"

#define SYNC   1
#define SAMPLE 2
#define START  133000000000000000ull /* 100 ns since 1601 */

struct state {
	struct ic_rig rig;
	struct ic_timesync *timesync;
	struct ic_guest guest;
	uint64_t wall; /* what the host's clock is ahead */
};

static void now(void *ctx, uint64_t *ret_host, uint64_t *ret_reference)
{
	const struct state *s = ctx;

	*ret_reference = s->rig.now_ns / 100;
	*ret_host = START + *ret_reference + s->wall;
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct ic_timesync_opts opts = {.now = now, .ctx = s};

	assert_non_null(s);
	ic_rig_init(&s->rig);
	assert_int_equal(ic_timesync_create(&s->rig.env, &opts, &s->timesync), 0);
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
	ic_timesync_destroy(s->timesync);
	ic_rig_fini(&s->rig);
	free(s);
	return 0;
}

static void tick(struct state *s, uint64_t ns)
{
	ic_timesync_tick(s->timesync, s->rig.now_ns += ns);
}

static void start(struct state *s, uint16_t major)
{
	tick(s, 0);
	ic_guest_start(&s->guest, &s->rig, &ic_guest_timesync, (struct ic_version){major, 0});
	tick(s, 0);
}

static void expect(struct state *s, unsigned flag)
{
	struct rd rd;

	ic_guest_expect(&s->guest, IC_TIMESYNC);
	rd = rd_init(s->guest.m.data, s->guest.m.data_size);
	assert_int_equal(s->guest.m.data_size, 22);
	assert_int_equal(rd_le64(&rd), START + s->rig.now_ns / 100 + s->wall);
	assert_int_equal(rd_le64(&rd), s->rig.now_ns / 100);
	assert_int_equal(rd_u8(&rd), flag);
	ic_guest_answer(&s->guest, 0, NULL, 0);
}

static void clock_is_set_first_and_told_after(void **state)
{
	struct state *s = *state;
	struct ic_timesync_info info;

	start(s, 4);
	expect(s, SYNC);
	for (unsigned i = 0; i < 5; i++) {
		tick(s, 5 * IC_RIG_S - 1);
		assert_false(ic_guest_take(&s->guest));
		tick(s, 1);
		expect(s, SAMPLE);
	}
	ic_timesync_info(s->timesync, &info);
	assert_int_equal(info.syncs, 1);
	assert_int_equal(info.samples, 5);
}

static void old_guests_get_the_old_form(void **state)
{
	struct state *s = *state;

	start(s, 3);
	ic_guest_expect(&s->guest, IC_TIMESYNC);
	assert_int_equal(s->guest.m.data_size, 25);
	assert_int_equal(s->guest.m.data[24], SYNC);
}

static void clock_is_set_when_asked_and_after_a_pause(void **state)
{
	struct state *s = *state;

	start(s, 4);
	expect(s, SYNC);
	ic_timesync_sync(s->timesync);
	tick(s, IC_RIG_S);
	expect(s, SYNC);
	ic_timesync_resumed(s->timesync, s->rig.now_ns += 7200 * IC_RIG_S);
	tick(s, 0);
	expect(s, SYNC);
	tick(s, 5 * IC_RIG_S);
	expect(s, SAMPLE);
}

static void clock_is_set_when_the_hosts_was(void **state)
{
	struct state *s = *state;

	start(s, 4);
	expect(s, SYNC);
	s->wall += 9000000; /* 0.9 s: that is drift */
	tick(s, 5 * IC_RIG_S);
	expect(s, SAMPLE);
	s->wall += 20000000;
	tick(s, 5 * IC_RIG_S);
	expect(s, SYNC);
	s->wall -= 36000000000;
	tick(s, 5 * IC_RIG_S);
	expect(s, SYNC);
	tick(s, 5 * IC_RIG_S);
	expect(s, SAMPLE);
}

static void setting_is_not_forgotten_when_the_guest_is_slow(void **state)
{
	struct state *s = *state;

	start(s, 4);
	ic_guest_expect(&s->guest, IC_TIMESYNC);
	for (unsigned i = 0; i < 29; i++)
		tick(s, IC_RIG_S);
	assert_false(ic_guest_take(&s->guest)); /* one at a time */
	tick(s, IC_RIG_S);			/* given up, and asked anew */
	expect(s, SYNC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(clock_is_set_first_and_told_after),
		T(old_guests_get_the_old_form),
		T(clock_is_set_when_asked_and_after_a_pause),
		T(clock_is_set_when_the_hosts_was),
		T(setting_is_not_forgotten_when_the_guest_is_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

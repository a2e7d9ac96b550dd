/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Backup: a guest that was asked to freeze is asked to thaw, whatever happens in between.
 */
#include "vmbus/ic_vss.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ic_rig.h"

enum { HOT_BACKUP = 2, FREEZE = 5, THAW = 6 };

struct state {
	struct ic_rig rig;
	struct ic_vss *vss;
	struct ic_guest guest;
	unsigned n_frozen, n_thawed;
	int frozen, thawed;
};

static void on_frozen(void *ctx, int error)
{
	struct state *s = ctx;

	s->n_frozen++;
	s->frozen = error;
}

static void on_thawed(void *ctx, int error)
{
	struct state *s = ctx;

	s->n_thawed++;
	s->thawed = error;
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));
	struct ic_vss_opts opts = {.frozen = on_frozen, .thawed = on_thawed, .ctx = s};

	assert_non_null(s);
	ic_rig_init(&s->rig);
	assert_int_equal(ic_vss_create(&s->rig.env, &opts, &s->vss), 0);
	ic_vss_tick(s->vss, s->rig.now_ns);
	ic_rig_connect(&s->rig);
	ic_guest_start(&s->guest, &s->rig, &ic_guest_vss, (struct ic_version){5, 0});
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	ic_guest_close(&s->guest);
	ic_rig_unload(&s->rig);
	ic_vss_destroy(s->vss);
	ic_rig_fini(&s->rig);
	free(s);
	return 0;
}

static void tick(struct state *s, uint64_t ns)
{
	ic_vss_tick(s->vss, s->rig.now_ns += ns);
}

static void expect(struct state *s, unsigned op)
{
	ic_guest_expect(&s->guest, IC_VSS);
	assert_int_equal(s->guest.m.data_size, 12);
	assert_int_equal(s->guest.m.data[0], op);
}

static void answer(struct state *s, uint32_t status)
{
	ic_guest_answer(&s->guest, status, NULL, 0);
}

/* Up to the question whether it freezes. */
static void start(struct state *s)
{
	assert_int_equal(ic_vss_freeze(s->vss), 0);
	expect(s, HOT_BACKUP);
	answer(s, 0);
	expect(s, FREEZE);
}

static void guest_is_frozen_and_thawed(void **state)
{
	struct state *s = *state;

	start(s);
	assert_int_equal(s->n_frozen, 0);
	assert_int_equal(ic_vss_freeze(s->vss), -EBUSY);
	answer(s, 0);
	assert_int_equal(s->n_frozen, 1);
	assert_int_equal(s->frozen, 0);
	assert_int_equal(ic_vss_state(s->vss), VSS_FROZEN);
	assert_int_equal(ic_vss_thaw(s->vss), 0);
	assert_int_equal(ic_vss_thaw(s->vss), -EALREADY);
	expect(s, THAW);
	answer(s, 0);
	assert_int_equal(s->n_thawed, 1);
	assert_int_equal(s->thawed, 0);
	assert_int_equal(ic_vss_state(s->vss), VSS_IDLE);
	start(s);
}

static void guest_that_cannot_is_not_frozen(void **state)
{
	struct state *s = *state;

	assert_int_equal(ic_vss_freeze(s->vss), 0);
	expect(s, HOT_BACKUP);
	answer(s, IC_E_NOT_SUPPORTED);
	assert_int_equal(s->frozen, -EIO);
	assert_int_equal(ic_vss_state(s->vss), VSS_IDLE);
	assert_false(ic_guest_take(&s->guest));
	assert_int_equal(s->n_thawed, 0);
}

static void refused_freeze_is_thawed(void **state)
{
	struct state *s = *state;

	start(s);
	answer(s, IC_E_FAIL);
	assert_int_equal(s->n_frozen, 1);
	assert_int_equal(s->frozen, -EIO);
	assert_int_equal(ic_vss_freeze(s->vss), -EBUSY);
	expect(s, THAW);
	answer(s, 0);
	assert_int_equal(s->n_thawed, 0); /* the owner never heard that it was frozen */
	assert_int_equal(ic_vss_state(s->vss), VSS_IDLE);
}

static void late_freeze_is_thawed(void **state)
{
	struct state *s = *state;
	struct ic_guest late;

	start(s);
	late = s->guest;
	tick(s, 60 * IC_RIG_S);
	assert_int_equal(s->frozen, -ETIMEDOUT);
	expect(s, THAW);
	ic_guest_answer(&late, 0, NULL, 0); /* it froze after all */
	assert_int_equal(s->n_frozen, 1);
	answer(s, 0);
	assert_int_equal(ic_vss_state(s->vss), VSS_IDLE);
}

static void forgotten_freeze_is_thawed(void **state)
{
	struct state *s = *state;

	start(s);
	answer(s, 0);
	tick(s, 30 * IC_RIG_S - 1);
	assert_false(ic_guest_take(&s->guest));
	tick(s, 1);
	expect(s, THAW);
	answer(s, 0);
	assert_int_equal(s->n_thawed, 1);
	assert_int_equal(s->thawed, -ETIMEDOUT);
}

static void pause_does_not_end_a_freeze(void **state)
{
	struct state *s = *state;

	start(s);
	answer(s, 0);
	ic_vss_resumed(s->vss, s->rig.now_ns += 1000 * IC_RIG_S);
	tick(s, 29 * IC_RIG_S);
	assert_int_equal(ic_vss_state(s->vss), VSS_FROZEN);
}

static void thaw_is_asked_for_until_answered(void **state)
{
	struct state *s = *state;

	start(s);
	answer(s, 0);
	assert_int_equal(ic_vss_thaw(s->vss), 0);
	expect(s, THAW);
	tick(s, 30 * IC_RIG_S);
	expect(s, THAW);
	tick(s, 30 * IC_RIG_S);
	expect(s, THAW);
	answer(s, 0);
	assert_int_equal(s->n_thawed, 1);
	assert_int_equal(s->thawed, 0);
}

static void guest_that_never_thaws_is_reported(void **state)
{
	struct state *s = *state;

	start(s);
	answer(s, 0);
	assert_int_equal(ic_vss_thaw(s->vss), 0);
	for (unsigned i = 0; i < 4; i++) {
		expect(s, THAW);
		tick(s, 30 * IC_RIG_S);
	}
	assert_int_equal(s->n_thawed, 1);
	assert_int_equal(s->thawed, -ETIMEDOUT);
	assert_int_equal(ic_vss_state(s->vss), VSS_IDLE);
}

static void early_thaw_cancels(void **state)
{
	struct state *s = *state;

	start(s);
	assert_int_equal(ic_vss_thaw(s->vss), 0);
	answer(s, 0);
	assert_int_equal(s->frozen, -ECANCELED);
	expect(s, THAW);
	answer(s, 0);
	assert_int_equal(ic_vss_freeze(s->vss), 0);
	expect(s, HOT_BACKUP);
	assert_int_equal(ic_vss_thaw(s->vss), 0);
	answer(s, 0);
	assert_int_equal(s->n_frozen, 2);
	assert_int_equal(s->frozen, -ECANCELED);
	assert_false(ic_guest_take(&s->guest));
}

static void driver_that_goes_away_ends_all(void **state)
{
	struct state *s = *state;

	start(s);
	ic_guest_close(&s->guest);
	assert_int_equal(s->n_frozen, 1);
	assert_int_equal(s->frozen, -ECONNRESET);
	assert_int_equal(ic_vss_freeze(s->vss), -ENOTCONN);
	ic_guest_start(&s->guest, &s->rig, &ic_guest_vss, (struct ic_version){5, 0});
	start(s);
	answer(s, 0);
	ic_guest_close(&s->guest);
	assert_int_equal(s->n_thawed, 1);
	assert_int_equal(s->thawed, -ECONNRESET);
	ic_guest_start(&s->guest, &s->rig, &ic_guest_vss, (struct ic_version){5, 0});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(guest_is_frozen_and_thawed),
		T(guest_that_cannot_is_not_frozen),
		T(refused_freeze_is_thawed),
		T(late_freeze_is_thawed),
		T(forgotten_freeze_is_thawed),
		T(pause_does_not_end_a_freeze),
		T(thaw_is_asked_for_until_answered),
		T(guest_that_never_thaws_is_reported),
		T(early_thaw_cancels),
		T(driver_that_goes_away_ends_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

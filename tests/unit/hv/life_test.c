/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The states of a machine, on a machine of paper.
 */
#include "hv/worker/life.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

struct state {
	struct event_base *base;
	struct life *life;
	bool running, hears;
	int run_rc;
	unsigned n_resets, n_buttons, n_shutdowns, n_ended;
	char events[512]; /* "state:running crash .." */
};

static int do_run(void *ctx, struct err *err)
{
	struct state *s = ctx;

	if (s->run_rc != 0)
		return err_set(err, s->run_rc, "x", "it does not run");
	s->running = true;
	return 0;
}

static void do_pause(void *ctx)
{
	((struct state *)ctx)->running = false;
}

static void do_reset(void *ctx)
{
	struct state *s = ctx;

	s->running = false;
	s->n_resets++;
}

static bool do_shutdown(void *ctx)
{
	struct state *s = ctx;

	s->n_shutdowns++;
	return s->hears;
}

static void do_button(void *ctx)
{
	((struct state *)ctx)->n_buttons++;
}

static void do_event(void *ctx, const char *name, json_t *event)
{
	struct state *s = ctx;
	const char *what = json_string_value(json_object_get(event, "state"));
	size_t at = strlen(s->events);

	if (what == NULL)
		what = json_string_value(json_object_get(event, "why"));
	assert_non_null(event);
	snprintf(s->events + at, sizeof(s->events) - at, "%s%s%s ", name, what != NULL ? ":" : "",
		 what != NULL ? what : "");
	json_decref(event);
}

static void do_end(void *ctx)
{
	((struct state *)ctx)->n_ended++;
}

static const struct life_ops ops = {
	.run = do_run,
	.pause = do_pause,
	.reset = do_reset,
	.shutdown = do_shutdown,
	.button = do_button,
	.event = do_event,
	.ended = do_end,
};

static struct state *start(enum worker_on_crash on_crash)
{
	static struct state s;
	struct life_opts opts = {.on_crash = on_crash, .ops = &ops, .ctx = &s, .button_s = 1};

	s = (struct state){.base = event_base_new()};
	opts.base = s.base;
	assert_int_equal(life_create(&opts, &s.life, NULL), 0);
	assert_int_equal(life_state(s.life), LIFE_STARTING);
	assert_int_equal(life_start(s.life, NULL), 0);
	return &s;
}

static void finish(struct state *s)
{
	life_destroy(s->life);
	event_base_free(s->base);
}

static void expect(struct state *s, enum life_state state, const char *events)
{
	assert_int_equal(life_state(s->life), state);
	assert_string_equal(s->events, events);
	assert_int_equal(s->running, state == LIFE_RUNNING || state == LIFE_STOPPING);
	s->events[0] = '\0';
}

static void it_runs_pauses_and_goes_on(void **state)
{
	struct state *s = start(WORKER_CRASH_STOP);

	expect(s, LIFE_RUNNING, "state:running ");
	assert_int_equal(life_resume(s->life, NULL), 0); /* it does */
	assert_int_equal(life_pause(s->life, NULL), 0);
	expect(s, LIFE_PAUSED, "state:paused ");
	assert_int_equal(life_pause(s->life, NULL), 0);
	expect(s, LIFE_PAUSED, "");
	assert_int_equal(life_resume(s->life, NULL), 0);
	expect(s, LIFE_RUNNING, "state:running ");
	finish(s);
}

static void a_guest_powers_off(void **state)
{
	struct state *s = start(WORKER_CRASH_STOP);
	struct err err = {0};
	json_t *outcome;

	life_powered_off(s->life);
	expect(s, LIFE_STOPPED, "state:running state:stopped stopped:power-off ");
	assert_int_equal(life_exit(s->life), LIFE_EXIT_OFF);
	assert_int_equal(s->n_ended, 1);
	life_powered_off(s->life);
	life_wants_reset(s->life);
	life_fault(s->life, "late");
	assert_int_equal(life_stop(s->life, true, &err), -EBUSY);
	assert_string_equal(err.slug, "wrong-state");
	assert_int_equal(life_reset(s->life, &err), -EBUSY);
	expect(s, LIFE_STOPPED, "");
	assert_int_equal(s->n_ended, 1);
	outcome = life_outcome(s->life);
	assert_string_equal(json_string_value(json_object_get(outcome, "why")), "power-off");
	assert_int_equal(json_integer_value(json_object_get(outcome, "status")), 0);
	json_decref(outcome);
	finish(s);
}

static void it_is_asked_to_stop_and_then_its_button_is_pressed(void **state)
{
	struct state *s = start(WORKER_CRASH_STOP);

	s->hears = true;
	assert_int_equal(life_stop(s->life, false, NULL), 0);
	expect(s, LIFE_STOPPING, "state:running state:stopping ");
	assert_int_equal(s->n_shutdowns, 1);
	assert_int_equal(s->n_buttons, 0);
	event_base_loop(s->base, EVLOOP_ONCE); /* a second without an answer */
	assert_int_equal(s->n_buttons, 1);
	life_powered_off(s->life);
	expect(s, LIFE_STOPPED, "state:stopped stopped:asked ");
	finish(s);
	s = start(WORKER_CRASH_STOP); /* nobody hears: the button at once */
	assert_int_equal(life_stop(s->life, false, NULL), 0);
	assert_int_equal(s->n_buttons, 1);
	life_wants_reset(s->life); /* a guest that reboots when it is to go has gone */
	assert_int_equal(life_state(s->life), LIFE_STOPPED);
	assert_int_equal(life_exit(s->life), LIFE_EXIT_OFF);
	finish(s);
}

static void a_paused_guest_that_is_to_stop_runs_to_hear_of_it(void **state)
{
	struct state *s = start(WORKER_CRASH_STOP);

	assert_int_equal(life_pause(s->life, NULL), 0);
	assert_int_equal(life_stop(s->life, false, NULL), 0);
	expect(s, LIFE_STOPPING, "state:running state:paused state:stopping ");
	assert_int_equal(life_stop(s->life, true, NULL), 0); /* off is off */
	expect(s, LIFE_STOPPED, "state:stopped stopped:asked ");
	finish(s);
}

static void a_reset_ends_running(void **state)
{
	struct state *s = start(WORKER_CRASH_STOP);
	struct err err = {0};

	life_wants_reset(s->life);
	life_wants_reset(s->life);
	assert_int_equal(s->n_resets, 1);
	assert_int_equal(life_reset(s->life, &err), -EBUSY); /* it is being done */
	assert_int_equal(life_pause(s->life, &err), -EBUSY);
	life_powered_off(s->life); /* of the time before: mail that was on its way */
	life_reset_done(s->life, 0, &err);
	expect(s, LIFE_RUNNING, "state:running ");
	/* The next not before a second has passed: a guest that does nothing else costs little. */
	s->running = true;
	life_wants_reset(s->life);
	assert_false(s->running);
	assert_int_equal(s->n_resets, 1);
	event_base_loop(s->base, EVLOOP_ONCE);
	assert_int_equal(s->n_resets, 2);
	life_reset_done(s->life, 0, &err);
	life_reset_done(s->life, 0, &err); /* nobody asked */
	err_set(&err, -EIO, "x", "the kernel file is gone");
	assert_int_equal(life_reset(s->life, NULL), 0);
	life_reset_done(s->life, -EIO, &err);
	expect(s, LIFE_STOPPED, "state:stopped stopped:fault ");
	assert_int_equal(life_exit(s->life), LIFE_EXIT_FAILED);
	finish(s);

	s = start(WORKER_CRASH_STOP); /* off while it waits is off */
	life_wants_reset(s->life);
	life_reset_done(s->life, 0, &err);
	life_wants_reset(s->life);
	assert_int_equal(life_stop(s->life, true, NULL), 0);
	event_base_loop(s->base, EVLOOP_ONCE);
	assert_int_equal(s->n_resets, 1);
	finish(s);
}

static void a_reset_of_a_paused_guest_by_itself_leaves_it_paused(void **state)
{
	struct state *s = start(WORKER_CRASH_STOP);
	struct err err = {0};

	assert_int_equal(life_pause(s->life, NULL), 0);
	life_wants_reset(s->life);
	life_reset_done(s->life, 0, &err);
	expect(s, LIFE_PAUSED, "state:running state:paused ");
	finish(s);
}

static void off_during_a_reset_is_off(void **state)
{
	struct state *s = start(WORKER_CRASH_STOP);
	struct err err = {0};

	assert_int_equal(life_reset(s->life, NULL), 0);
	assert_int_equal(life_stop(s->life, true, NULL), 0);
	life_reset_done(s->life, 0, &err);
	expect(s, LIFE_STOPPED, "state:running state:stopped stopped:asked ");
	finish(s);
}

static struct hv_crash crash(void)
{
	struct hv_crash c = {.crashed = true, .parameter = {1, 2, 3, 4, 5}};

	snprintf(c.text, sizeof(c.text), "Kernel \xff panic\n");
	return c;
}

static void a_crash_does_as_configured(void **state)
{
	struct hv_crash c = crash();
	struct err err = {0};
	struct state *s = start(WORKER_CRASH_STOP);
	json_t *json;

	life_crashed(s->life, &c);
	expect(s, LIFE_STOPPED, "state:running crash state:stopped stopped:crash ");
	assert_int_equal(life_exit(s->life), LIFE_EXIT_CRASHED);
	json = life_crash(s->life);
	assert_string_equal(json_string_value(json_object_get(json, "text")), "Kernel . panic\n");
	json_decref(json);
	finish(s);

	s = start(WORKER_CRASH_KEEP);
	life_crashed(s->life, &c);
	expect(s, LIFE_CRASHED, "state:running crash state:crashed ");
	life_crashed(s->life, &c);
	expect(s, LIFE_CRASHED, "");
	assert_int_equal(life_resume(s->life, &err), -EBUSY);
	assert_int_equal(life_stop(s->life, false, &err), -EBUSY);
	assert_int_equal(life_reset(s->life, &err), 0);
	life_reset_done(s->life, 0, &err);
	expect(s, LIFE_RUNNING, "state:running ");
	finish(s);

	s = start(WORKER_CRASH_RESET);
	life_crashed(s->life, &c);
	life_crashed(s->life, &c);
	assert_int_equal(s->n_resets, 1);
	life_reset_done(s->life, 0, &err);
	expect(s, LIFE_RUNNING, "state:running crash state:crashed state:running ");
	finish(s);
}

static void a_fault_is_told_apart(void **state)
{
	struct state *s = start(WORKER_CRASH_STOP);

	life_fault(s->life, "processor 1: triple fault");
	expect(s, LIFE_STOPPED, "state:running fault state:stopped stopped:fault ");
	assert_int_equal(life_exit(s->life), LIFE_EXIT_FAULT);
	finish(s);
}

static void what_does_not_run_does_not_start(void **state)
{
	struct state s = {.base = event_base_new(), .run_rc = -ENOMEM};
	struct life_opts opts = {.base = s.base, .ops = &ops, .ctx = &s};
	struct err err = {0};

	assert_int_equal(life_create(&opts, &s.life, NULL), 0);
	assert_int_equal(life_start(s.life, &err), -ENOMEM);
	assert_int_equal(life_state(s.life), LIFE_STARTING);
	assert_int_equal(life_stop(s.life, false, &err), -EBUSY);
	assert_int_equal(life_reset(s.life, &err), -EBUSY);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_runs_pauses_and_goes_on),
		cmocka_unit_test(a_guest_powers_off),
		cmocka_unit_test(it_is_asked_to_stop_and_then_its_button_is_pressed),
		cmocka_unit_test(a_paused_guest_that_is_to_stop_runs_to_hear_of_it),
		cmocka_unit_test(a_reset_ends_running),
		cmocka_unit_test(a_reset_of_a_paused_guest_by_itself_leaves_it_paused),
		cmocka_unit_test(off_during_a_reset_is_off),
		cmocka_unit_test(a_crash_does_as_configured),
		cmocka_unit_test(a_fault_is_told_apart),
		cmocka_unit_test(what_does_not_run_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

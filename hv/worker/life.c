/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See life.h.
 */
#include "hv/worker/life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "ctl/base/log.h"

#define LOG_MODULE    "life"
#define SLUG	      "wrong-state"
#define BUTTON_S      30
#define NS	      1000000000u
#define RESET_NS      1000000000u /* between two resets: a kernel is read for each */
#define LINES_AT_ONCE 20
#define LINES_S	      60

struct life {
	struct life_opts opts;
	enum life_state state;
	bool resetting; /* life_reset_done() is awaited */
	bool stay;	/* paused, when it comes */
	enum life_exit exit;
	const char *why; /* of its end */
	char text[320];
	struct event *button, *later;
	uint64_t last_reset_ns;
	uint64_t started_ns, booted_ns, ended_ns; /* wall; monotonic; wall */
	struct hv_crash crash;
	struct log_limit limit, state_limit;
};

const char *life_state_name(enum life_state state)
{
	static const char *const names[] = {"starting", "running", "paused",
					    "stopping", "stopped", "crashed"};

	return names[state];
}

static void say(struct life *life, const char *name, json_t *event)
{
	life->opts.ops->event(life->opts.ctx, name, event);
}

static void enter(struct life *life, enum life_state state)
{
	if (life->state == state)
		return;
	life->state = state;
	/* A guest that crashes again and again says so no more often than this. */
	if (log_allow(&life->state_limit, LINES_AT_ONCE, LINES_S))
		log_info("the machine is %s", life_state_name(state));
	say(life, "state", json_pack("{ss}", "state", life_state_name(state)));
}

/* The end: no way back. */
static void end(struct life *life, enum life_exit status, const char *why, const char *text)
{
	if (life->state == LIFE_STOPPED)
		return;
	life->opts.ops->pause(life->opts.ctx);
	event_del(life->button);
	life->exit = status;
	life->why = why;
	life->ended_ns = clock_wall_ns();
	snprintf(life->text, sizeof(life->text), "%s", text);
	enter(life, LIFE_STOPPED);
	say(life, "stopped", json_pack("{ss, ss}", "why", why, "text", life->text));
	life->opts.ops->ended(life->opts.ctx);
}

static int wrong_state(const struct life *life, const char *wish, struct err *err)
{
	if (life->resetting)
		return err_set(err, -EBUSY, SLUG, "cannot %s: the machine is being reset", wish);
	return err_set(err, -EBUSY, SLUG, "cannot %s: the machine is %s", wish,
		       life_state_name(life->state));
}

/* ---- What people ask ---- */

static int run(struct life *life, struct err *err)
{
	int rc = life->opts.ops->run(life->opts.ctx, err);

	if (rc == 0)
		enter(life, LIFE_RUNNING);
	return rc;
}

int life_start(struct life *life, struct err *err)
{
	life->started_ns = clock_wall_ns();
	life->booted_ns = clock_mono_ns();
	return run(life, err);
}

int life_pause(struct life *life, struct err *err)
{
	if (life->resetting || (life->state != LIFE_RUNNING && life->state != LIFE_PAUSED))
		return wrong_state(life, "pause", err);
	life->opts.ops->pause(life->opts.ctx);
	enter(life, LIFE_PAUSED);
	return 0;
}

int life_resume(struct life *life, struct err *err)
{
	if (life->resetting || (life->state != LIFE_RUNNING && life->state != LIFE_PAUSED))
		return wrong_state(life, "resume", err);
	return life->state == LIFE_RUNNING ? 0 : run(life, err);
}

static void reset_now(struct life *life)
{
	life->last_reset_ns = clock_mono_ns();
	life->opts.ops->reset(life->opts.ctx);
}

static void on_later(evutil_socket_t fd, short what, void *ctx)
{
	struct life *life = ctx;

	if (life->resetting && life->state != LIFE_STOPPED)
		reset_now(life);
}

/* A guest that does nothing but reset itself costs its host little. */
static void begin_reset(struct life *life, bool stay)
{
	uint64_t since_ns = clock_mono_ns() - life->last_reset_ns;
	struct timeval wait = {.tv_usec = (long)((RESET_NS - since_ns) / 1000)};

	life->stay = stay;
	event_del(life->button);
	life->resetting = true;
	if (life->last_reset_ns == 0 || since_ns >= RESET_NS) {
		reset_now(life);
		return;
	}
	life->opts.ops->pause(life->opts.ctx);
	event_add(life->later, &wait);
}

int life_reset(struct life *life, struct err *err)
{
	if (life->resetting || life->state == LIFE_STOPPED || life->state == LIFE_STARTING)
		return wrong_state(life, "reset", err);
	begin_reset(life, false);
	return 0;
}

void life_reset_done(struct life *life, int rc, const struct err *err)
{
	struct err failed = {0};

	if (!life->resetting)
		return;
	life->resetting = false;
	if (life->state == LIFE_STOPPED)
		return;
	life->booted_ns = clock_mono_ns();
	if (rc == 0 && life->stay)
		enter(life, LIFE_PAUSED);
	else if (rc == 0)
		rc = run(life, &failed);
	else
		failed = *err;
	if (rc != 0)
		end(life, LIFE_EXIT_FAILED, "fault", failed.what);
}

static void on_button(evutil_socket_t fd, short what, void *ctx)
{
	struct life *life = ctx;

	if (life->state == LIFE_STOPPING)
		life->opts.ops->button(life->opts.ctx);
}

int life_stop(struct life *life, bool off, struct err *err)
{
	const struct timeval later = {.tv_sec = life->opts.button_s != 0 ? life->opts.button_s
									 : BUTTON_S};

	if (life->state == LIFE_STOPPED)
		return wrong_state(life, "stop", err);
	if (off) {
		end(life, LIFE_EXIT_OFF, "asked", "");
		return 0;
	}
	if (life->state == LIFE_CRASHED || life->state == LIFE_STARTING || life->resetting)
		return wrong_state(life, "shut down", err);
	/* A paused guest would never hear of it. */
	if (life->state == LIFE_PAUSED && life->opts.ops->run(life->opts.ctx, err) != 0)
		return -EIO;
	enter(life, LIFE_STOPPING);
	if (life->opts.ops->shutdown(life->opts.ctx))
		event_add(life->button, &later);
	else
		life->opts.ops->button(life->opts.ctx);
	return 0;
}

/* ---- What happens ---- */

void life_powered_off(struct life *life)
{
	if (!life->resetting)
		end(life, LIFE_EXIT_OFF, life->state == LIFE_STOPPING ? "asked" : "power-off", "");
}

/* A guest that was asked to power off and reboots is told once more: it comes back to life
 * otherwise. */
void life_wants_reset(struct life *life)
{
	if (life->resetting || life->state == LIFE_STOPPED || life->state == LIFE_CRASHED)
		return;
	if (life->state == LIFE_STOPPING)
		end(life, LIFE_EXIT_OFF, "asked", "");
	else
		begin_reset(life, life->state == LIFE_PAUSED);
}

static void perish(struct life *life, enum life_exit status, const char *why, const char *text)
{
	switch (life->opts.on_crash) {
	case WORKER_CRASH_KEEP:
		life->opts.ops->pause(life->opts.ctx);
		event_del(life->button);
		enter(life, LIFE_CRASHED);
		break;
	case WORKER_CRASH_RESET:
		enter(life, LIFE_CRASHED);
		begin_reset(life, false);
		break;
	case WORKER_CRASH_STOP:
		end(life, status, why, text);
		break;
	}
}

static json_t *crash_json(const struct hv_crash *crash)
{
	char text[256];
	json_t *parameters = json_array();

	for (unsigned i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "0x%llx", (unsigned long long)crash->parameter[i]);
		json_array_append_new(parameters, json_string(text));
	}
	return json_pack("{so, ss}", "parameters", parameters, "text", crash->text);
}

/* What a guest said is anything: JSON takes text only. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if ((*text < ' ' && *text != '\n' && *text != '\t') || *text > '~')
			*text = '.';
	}
}

/* A guest may say it again and again: the first time counts. */
void life_crashed(struct life *life, const struct hv_crash *crash)
{
	if (life->resetting || life->state == LIFE_STOPPED || life->state == LIFE_CRASHED)
		return;
	life->crash = *crash;
	make_printable(life->crash.text);
	if (log_allow(&life->limit, 10, 60))
		log_warn("the guest crashed: %llx %llx %llx %llx %llx",
			 (unsigned long long)crash->parameter[0],
			 (unsigned long long)crash->parameter[1],
			 (unsigned long long)crash->parameter[2],
			 (unsigned long long)crash->parameter[3],
			 (unsigned long long)crash->parameter[4]);
	say(life, "crash", crash_json(&life->crash));
	perish(life, LIFE_EXIT_CRASHED, "crash", "the guest said that it crashed");
}

void life_fault(struct life *life, const char *text)
{
	if (life->resetting || life->state == LIFE_STOPPED || life->state == LIFE_CRASHED)
		return;
	if (log_allow(&life->limit, 10, 60))
		log_error("%s", text);
	say(life, "fault", json_pack("{ss}", "text", text));
	perish(life, LIFE_EXIT_FAULT, "fault", text);
}

/* ---- What there is to know ---- */

enum life_state life_state(const struct life *life)
{
	return life->state;
}

enum life_exit life_exit(const struct life *life)
{
	return life->exit;
}

uint64_t life_started_ns(const struct life *life)
{
	return life->started_ns;
}

double life_uptime_s(const struct life *life)
{
	if (life->booted_ns == 0)
		return 0;
	return (double)(clock_mono_ns() - life->booted_ns) / NS;
}

json_t *life_crash(const struct life *life)
{
	return life->crash.crashed ? crash_json(&life->crash) : json_object();
}

json_t *life_outcome(const struct life *life)
{
	return json_pack("{si, ss, ss, so, sI}", "status", (int)life->exit, "why",
			 life->why != NULL ? life->why : "fault", "text", life->text, "crash",
			 life_crash(life), "time", (json_int_t)(life->ended_ns / NS));
}

/* ---- Making it ---- */

int life_create(const struct life_opts *opts, struct life **ret_life, struct err *err)
{
	struct life *life = calloc(1, sizeof(*life));

	if (life == NULL)
		return err_set(err, -ENOMEM, "life", "not enough memory");
	life->opts = *opts;
	life->exit = LIFE_EXIT_FAILED;
	life->button = event_new(opts->base, -1, 0, on_button, life);
	life->later = event_new(opts->base, -1, 0, on_later, life);
	if (life->button == NULL || life->later == NULL) {
		life_destroy(life);
		return err_set(err, -ENOMEM, "life", "not enough memory");
	}
	*ret_life = life;
	return 0;
}

void life_destroy(struct life *life)
{
	if (life == NULL)
		return;
	if (life->button != NULL)
		event_free(life->button);
	if (life->later != NULL)
		event_free(life->later);
	free(life);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration's state and the one way to change it; see conf.h.
 */
#include "ctl/conf.h"
#include "ctl/conf_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "ctl/base/log.h"
#include "ctl/state.h"
#include "ctl/store.h"

#define LOG_MODULE "conf"

/* How long after a commit the store's good copy follows: a burst of changes costs one copy. */
#define COPY_AFTER_S 1
#define COPY_RETRY_S 30

static void step(const struct conf *conf, enum conf_step at)
{
	if (conf->on_step != NULL)
		conf->on_step(conf->on_step_ctx, at);
}

static void copy_later(struct conf *conf, long seconds)
{
	if (conf->copy_timer != NULL && conf->store != NULL && store_copy_due(conf->store))
		evtimer_add(conf->copy_timer, &(struct timeval){.tv_sec = seconds});
}

static void copy_now(evutil_socket_t fd, short what, void *arg)
{
	struct conf *conf = arg;
	struct err err = {0};

	if (store_copy(conf->store, &err) == 0) {
		conf->copy_failed = false;
		return;
	}
	if (!conf->copy_failed)
		log_warn("%s: %s", err.what, err.why);
	conf->copy_failed = true;
	copy_later(conf, COPY_RETRY_S);
}

int conf_create(struct event_base *base, struct store *store, const struct conf_ops *ops, void *ctx,
		struct conf **ret_conf, struct err *err)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	int rc;

	if (conf == NULL)
		return err_set(err, -ENOMEM, "no-memory",
			       "cannot keep a configuration: out of memory");
	conf->base = base;
	conf->store = store;
	conf->ops = ops;
	conf->ctx = ctx;
	conf->state = json_object();
	rc = conf_confirm_init(conf, err);
	if (base != NULL && store != NULL)
		conf->copy_timer = evtimer_new(base, copy_now, conf);
	if (rc != 0) {
		conf_destroy(conf);
		return rc;
	}
	*ret_conf = conf;
	return 0;
}

void conf_destroy(struct conf *conf)
{
	if (conf == NULL)
		return;
	conf_confirm_fini(conf);
	if (conf->copy_timer != NULL)
		event_free(conf->copy_timer);
	json_decref(conf->state);
	free(conf->calls);
	free(conf);
}

const json_t *conf_state(const struct conf *conf)
{
	return conf->state;
}

const json_t *conf_object(const struct conf *conf, const char *kind, const char *name)
{
	return state_get(conf->state, kind, name);
}

uint64_t conf_revision(const struct conf *conf)
{
	return conf->revision;
}

void conf_on_change(struct conf *conf, void (*fn)(void *ctx, uint64_t revision, const char *text),
		    void *ctx)
{
	conf->on_change = fn;
	conf->on_change_ctx = ctx;
}

void conf_on_step(struct conf *conf, void (*fn)(void *ctx, enum conf_step step), void *ctx)
{
	conf->on_step = fn;
	conf->on_step_ctx = ctx;
}

void conf_tell(struct conf *conf, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (conf->on_change != NULL)
		conf->on_change(conf->on_change_ctx, conf->revision, text);
	else
		log_info("%s", text);
}

static int write_change(struct conf *conf, const struct conf_change *change, struct err *err)
{
	int rc;

	if (conf->store == NULL)
		return 0;
	step(conf, CONF_STEP_BEGIN);
	rc = store_begin(conf->store, err);
	if (rc != 0)
		return rc;
	step(conf, CONF_STEP_WRITE);
	rc = store_replace(conf->store, conf->state, change->next, change->who, change->command,
			   err);
	if (rc == 0 && change->note != NULL)
		rc = store_note_set(conf->store, CONF_NOTE,
				    json_is_null(change->note) ? NULL : change->note, err);
	if (rc != 0)
		store_abort(conf->store);
	return rc;
}

/* The switch runs 'next' already, but it cannot be kept. */
static void unapply(struct conf *conf, const json_t *next, struct err *err)
{
	struct err again = {0};

	if (conf->ops->apply(conf->ctx, next, conf->state, false, &again) == 0)
		return;
	log_error("the switch could not be put back: %s: %s", again.what, again.why);
	err_why(err,
		"and the switch could not be put back: %.200s; it now differs from the "
		"configuration",
		again.what);
	err_fix(err, "systemctl restart vswitchd");
}

int conf_make(struct conf *conf, const struct conf_change *change, struct err *err)
{
	uint64_t revision = conf->revision + 1;
	json_t *next = json_deep_copy(change->next);
	json_t *before = change->starting ? json_object() : json_incref(conf->state);
	int rc = next == NULL || before == NULL ? -ENOMEM : 0;

	if (rc != 0)
		err_set(err, rc, "no-memory", "cannot change the configuration: out of memory");
	else
		rc = write_change(conf, change, err);
	if (rc == 0) {
		step(conf, CONF_STEP_APPLY);
		rc = conf->ops->apply(conf->ctx, before, next, change->starting, err);
		if (rc == 0 && conf->store != NULL) {
			step(conf, CONF_STEP_COMMIT);
			rc = store_commit(conf->store, &revision, err);
			if (rc != 0)
				unapply(conf, next, err);
		} else if (rc != 0 && conf->store != NULL) {
			store_abort(conf->store);
		}
	}
	json_decref(before);
	if (rc != 0) {
		json_decref(next);
		return rc;
	}
	step(conf, CONF_STEP_DONE);
	json_decref(conf->state);
	conf->state = next;
	conf->revision = revision;
	copy_later(conf, COPY_AFTER_S);
	return 0;
}

static json_t *pending_note(const struct conf *conf, uint64_t confirm_ms)
{
	return json_pack("{s:I, s:I}", "revision", (json_int_t)conf->revision, "wait_ms",
			 (json_int_t)confirm_ms);
}

static void set_result(json_t **ret_result, const struct conf *conf, bool changed, json_t *changes)
{
	json_t *result = *ret_result;

	if (result == NULL)
		result = json_object();
	json_object_set_new(result, "changed", json_boolean(changed));
	json_object_set_new(result, "revision", json_integer((json_int_t)conf->revision));
	json_object_set(result, "changes", changes);
	if (changed && conf->pending.on)
		json_object_set_new(result, "confirm_ms",
				    json_integer((json_int_t)conf->pending.wait_ms));
	*ret_result = result;
}

static int commit_changes(struct conf *conf, const struct conf_change *change, uint64_t confirm_ms,
			  struct err *err)
{
	struct conf_change with_note = *change;
	uint64_t base = conf->revision;
	json_t *before = json_incref(conf->state), *note = NULL;
	int rc;

	if (confirm_ms > 0)
		with_note.note = note = pending_note(conf, confirm_ms);
	rc = conf_make(conf, &with_note, err);
	json_decref(note);
	if (rc == 0 && confirm_ms > 0)
		conf_confirm_wait(conf, base, before, confirm_ms);
	json_decref(before);
	if (rc != 0)
		return rc;
	if (confirm_ms > 0)
		conf_tell(conf,
			  "revision %" PRIu64 " by %s, to be confirmed within %" PRIu64 " s: %s",
			  conf->revision, change->who, (confirm_ms + 999) / 1000, change->command);
	else
		conf_tell(conf, "revision %" PRIu64 " by %s: %s", conf->revision, change->who,
			  change->command);
	return 0;
}

/* 'next' is tidy. */
static int commit_tidy(struct conf *conf, const struct conf_change *change, bool check,
		       uint64_t confirm_ms, json_t **ret_result, struct err *err)
{
	json_t *changes = conf_diff(conf->state, change->next);
	bool differs;
	int rc = 0;

	if (changes == NULL)
		return err_set(err, -ENOMEM, "no-memory",
			       "cannot change the configuration: out of memory");
	differs = json_array_size(changes) > 0;
	step(conf, CONF_STEP_CHECK);
	if (differs)
		rc = conf->ops->check(conf->ctx, change->next, err);
	if (rc == 0 && check && differs && conf->ops->probe != NULL)
		rc = conf->ops->probe(conf->ctx, change->next, err);
	if (rc == 0 && !check)
		rc = conf_confirm_refuse(conf, err);
	if (rc == 0 && !check && differs)
		rc = commit_changes(conf, change, confirm_ms, err);
	if (rc == 0) {
		set_result(ret_result, conf, differs && !check, changes);
		if (check)
			json_object_set_new(*ret_result, "would_change", json_boolean(differs));
	}
	json_decref(changes);
	return rc;
}

int conf_commit(struct conf *conf, const json_t *next, const char *who, const char *command,
		bool check, uint64_t confirm_ms, json_t **ret_result, struct err *err)
{
	json_t *tidy = json_deep_copy(next), *ignored = NULL;
	struct conf_change change = {.next = tidy, .who = who, .command = command};
	int rc;

	if (tidy == NULL)
		return err_set(err, -ENOMEM, "no-memory",
			       "cannot change the configuration: out of memory");
	/* A change that takes the last object of a kind may leave the kind behind. */
	state_tidy(tidy);
	if (state_check_form(tidy) != 0)
		rc = err_set(err, -EINVAL, "bad-state",
			     "a configuration is {\"kind\": {\"name\": {..}}}");
	else
		rc = commit_tidy(conf, &change, check, confirm_ms,
				 ret_result != NULL ? ret_result : &ignored, err);
	json_decref(ignored);
	json_decref(tidy);
	return rc;
}

/* The first configuration of a store that has none. */
static int start_initial(struct conf *conf, const char *initial, struct err *err)
{
	struct conf_change change = {.who = CONF_SELF,
				     .command = "initial configuration",
				     .starting = true};
	json_t *next = NULL, *places = json_object();
	int rc = conf_text_read(conf, initial, NULL, places, &next, err);

	if (rc == 0) {
		rc = conf->ops->check(conf->ctx, next, err);
		change.next = next;
		if (rc == 0)
			rc = conf_make(conf, &change, err);
		if (rc != 0 && err != NULL)
			conf_text_blame(places, err);
	}
	json_decref(places);
	json_decref(next);
	if (rc == 0)
		conf_tell(conf, "revision %" PRIu64 ": initial configuration", conf->revision);
	return rc;
}

static int start_stored(struct conf *conf, struct err *err)
{
	json_t *state = NULL, *empty = json_object();
	int rc = store_load(conf->store, &state, err);

	if (rc == 0)
		rc = conf_confirm_recover(conf, &state, err);
	if (rc == 0)
		rc = conf_edit_check_state(state, err);
	if (rc == 0)
		rc = conf->ops->check(conf->ctx, state, err);
	if (rc == 0)
		rc = conf->ops->apply(conf->ctx, empty, state, true, err);
	json_decref(empty);
	if (rc != 0) {
		json_decref(state);
		return rc;
	}
	json_decref(conf->state);
	conf->state = state;
	conf->revision = store_revision(conf->store);
	copy_later(conf, COPY_AFTER_S);
	return 0;
}

int conf_start(struct conf *conf, const char *initial, struct err *err)
{
	if (conf->store != NULL && store_revision(conf->store) > 0)
		return start_stored(conf, err);
	return initial != NULL ? start_initial(conf, initial, err) : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes that are taken back unless somebody confirms them: the guard against cutting oneself off.
 *
 * 	       commit with --confirm
 * 	  idle ----------------------> waiting --- config confirm --------------------> idle
 * 	                                  |
 * 	                                  +--- time is up, config rollback ---> before, idle
 * 	                                  +--- the daemon dies; next start ---> before, idle
 *
 * The note in the store is written with the change and deleted with its confirmation or with the
 * roll back, each in one transaction, so that no crash leaves an unconfirmed change behind.
 */
#include "ctl/conf_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "ctl/base/log.h"
#include "ctl/state.h"
#include "ctl/store.h"

#define LOG_MODULE "conf"

/* When a roll back fails (a full disk, a device that is gone) it is tried again. */
#define RETRY_MS 5000

static void arm(struct conf *conf, uint64_t wait_ms)
{
	struct timeval tv = {.tv_sec = (time_t)(wait_ms / 1000),
			     .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};

	if (conf->confirm_timer != NULL)
		evtimer_add(conf->confirm_timer, &tv);
}

static void time_is_up(evutil_socket_t fd, short what, void *arg)
{
	struct conf *conf = arg;
	struct err err = {0};
	char command[128];

	if (!conf->pending.on)
		return;
	snprintf(command, sizeof(command),
		 "config rollback %" PRIu64 " (not confirmed within %" PRIu64 " s)",
		 conf->pending.base, (conf->pending.wait_ms + 999) / 1000);
	if (conf_confirm_undo(conf, CONF_SELF, command, &err) == 0)
		return;
	log_error("an unconfirmed change could not be rolled back: %s: %s", err.what, err.why);
	arm(conf, RETRY_MS);
}

int conf_confirm_init(struct conf *conf, struct err *err)
{
	if (conf->base == NULL)
		return 0;
	conf->confirm_timer = evtimer_new(conf->base, time_is_up, conf);
	if (conf->confirm_timer == NULL)
		return err_set(err, -ENOMEM, "no-memory",
			       "cannot keep a configuration: out of memory");
	return 0;
}

static void forget(struct conf *conf)
{
	if (conf->confirm_timer != NULL)
		evtimer_del(conf->confirm_timer);
	json_decref(conf->pending.before);
	conf->pending = (struct conf_pending){0};
}

void conf_confirm_fini(struct conf *conf)
{
	forget(conf);
	if (conf->confirm_timer != NULL)
		event_free(conf->confirm_timer);
}

void conf_confirm_wait(struct conf *conf, uint64_t base, const json_t *before, uint64_t wait_ms)
{
	conf->pending = (struct conf_pending){
		.on = true,
		.base = base,
		.before = json_incref(state_unconst(before)),
		.wait_ms = wait_ms,
		.until_ns = clock_mono_ns() + wait_ms * 1000000u,
	};
	arm(conf, wait_ms);
}

uint64_t conf_confirm_left_ms(const struct conf *conf)
{
	uint64_t now = clock_mono_ns(), until = conf->pending.until_ns;

	return until > now ? (until - now + 999999u) / 1000000u : 0;
}

int conf_confirm_refuse(const struct conf *conf, struct err *err)
{
	if (!conf->pending.on)
		return 0;
	err_set(err, -EBUSY, "confirm-pending", "revision %" PRIu64 " waits to be confirmed",
		conf->revision);
	err_why(err,
		"it rolls back to revision %" PRIu64 " in %" PRIu64
		" s; another change now would be lost with it",
		conf->pending.base, (conf_confirm_left_ms(conf) + 999) / 1000);
	err_fix(err, "vswitchctl config confirm, or vswitchctl config rollback %" PRIu64,
		conf->pending.base);
	return -EBUSY;
}

int conf_confirm(struct conf *conf, struct err *err)
{
	int rc;

	if (!conf->pending.on) {
		err_set(err, -ENOENT, "nothing-pending", "no change waits to be confirmed");
		err_why(err, "it was confirmed or rolled back already, or no change was made with "
			     "--confirm");
		err_fix(err, "vswitchctl config history");
		return -ENOENT;
	}
	if (conf->store != NULL) {
		rc = store_note_set(conf->store, CONF_NOTE, NULL, err);
		if (rc != 0)
			return rc;
	}
	forget(conf);
	conf_tell(conf, "revision %" PRIu64 " is confirmed", conf->revision);
	return 0;
}

int conf_confirm_undo(struct conf *conf, const char *who, const char *command, struct err *err)
{
	struct conf_change change = {.next = conf->pending.before,
				     .who = who,
				     .command = command,
				     .note = json_null()};
	uint64_t base = conf->pending.base;
	int rc = conf_make(conf, &change, err);

	if (rc != 0)
		return rc;
	forget(conf);
	conf_tell(conf,
		  "revision %" PRIu64 " by %s: %s: the configuration is that of revision %" PRIu64
		  " again",
		  conf->revision, who, command, base);
	return 0;
}

static int rewrite(struct conf *conf, const json_t *state, const json_t *before, uint64_t base,
		   struct err *err)
{
	char command[96];
	int rc = store_begin(conf->store, err);

	snprintf(command, sizeof(command),
		 "config rollback %" PRIu64 " (restarted before it was confirmed)", base);
	if (rc != 0)
		return rc;
	rc = store_replace(conf->store, state, before, CONF_SELF, command, err);
	if (rc == 0)
		rc = store_note_set(conf->store, CONF_NOTE, NULL, err);
	if (rc != 0) {
		store_abort(conf->store);
		return rc;
	}
	return store_commit(conf->store, NULL, err);
}

int conf_confirm_recover(struct conf *conf, json_t **state, struct err *err)
{
	json_t *note = store_note_get(conf->store, CONF_NOTE), *before = NULL;
	uint64_t base = (uint64_t)json_integer_value(json_object_get(note, "revision"));
	int rc;

	if (note == NULL)
		return 0;
	json_decref(note);
	rc = store_state_at(conf->store, base, &before, err);
	if (rc == 0)
		rc = rewrite(conf, *state, before, base, err);
	/* What cannot be written cannot be changed later either: run what would have been
	 * written. */
	if (rc == -EROFS)
		rc = 0;
	if (rc != 0) {
		json_decref(before);
		return rc;
	}
	log_warn("a change that was not confirmed before the restart is rolled back to revision "
		 "%" PRIu64,
		 base);
	json_decref(*state);
	*state = before;
	return 0;
}

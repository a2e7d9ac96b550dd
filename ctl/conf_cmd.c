/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The configuration on the control socket: every command that changes it, and the 'config' noun.  A
 * handler finds what the state should be; conf_commit() does the rest.
 */
#include "ctl/conf_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/state.h"
#include "ctl/store.h"

#define MAX_COMMAND 1000 /* bytes of a command that go to the history */

/* The caller's name, for the history. */
static void name_caller(const struct ctl_call *call, char *who, size_t size)
{
	uid_t uid = ctl_call_uid(call);
	struct passwd entry, *found = NULL;
	char buf[1024];

	/* No look-up for the usual one: a directory service that hangs must not hold the daemon. */
	if (uid == 0)
		snprintf(who, size, "root");
	else if (getpwuid_r(uid, &entry, buf, sizeof(buf), &found) == 0 && found != NULL)
		snprintf(who, size, "%s", found->pw_name);
	else
		snprintf(who, size, "uid %u", (unsigned)uid);
}

/* The command as it could be typed; a file's text stands in for its name and is left out. */
static char *name_command(const struct ctl_spec *spec, const json_t *params)
{
	json_t *shown = json_copy(state_unconst(params));
	char *command;

	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		char key[CTL_KEY_SIZE];

		if (arg->type == CTL_FILE)
			json_object_del(shown, ctl_arg_key(arg, key));
	}
	command = ctl_args_format(spec, shown);
	json_decref(shown);
	if (command != NULL && strlen(command) > MAX_COMMAND) {
		/* Not in the middle of a character: the store keeps UTF-8. */
		size_t n = MAX_COMMAND;

		while (n > 0 && ((unsigned char)command[n] & 0xc0) == 0x80)
			n--;
		snprintf(command + n, 4, "...");
	}
	return command;
}

static int commit_call(struct conf *conf, struct ctl_call *call, const json_t *params,
		       const json_t *next, json_t **ret_result, struct err *err)
{
	char *command = name_command(ctl_call_spec(call), params), who[64];
	int rc;

	name_caller(call, who, sizeof(who));
	rc = conf_commit(conf, next, who, command != NULL ? command : "", ctl_call_check(call),
			 ctl_call_confirm_ms(call), ret_result, err);
	free(command);
	return rc;
}

static int on_change_call(void *ctx, struct ctl_call *call, const json_t *given,
			  json_t **ret_result, struct err *err)
{
	struct conf *conf = ctx;
	json_t *next = json_deep_copy(conf->state), *params = json_copy(state_unconst(given)),
	       *result = NULL;
	int rc = conf->ops->take != NULL ? conf->ops->take(conf->ctx, call, params, err) : 0;

	if (rc == 0)
		rc = conf_change(conf, ctl_call_spec(call), next, params, &result, err);
	if (rc == 0)
		rc = commit_call(conf, call, params, next, &result, err);
	json_decref(next);
	json_decref(params);
	if (rc != 0)
		json_decref(result);
	else
		*ret_result = result;
	return rc;
}

/* The state of a revision; a copy of the newest needs no store. */
static int state_of(struct conf *conf, uint64_t revision, json_t **ret_state, struct err *err)
{
	if (revision == conf->revision) {
		*ret_state = json_incref(conf->state);
		return 0;
	}
	if (conf->store == NULL) {
		err_set(err, -ENOENT, "no-revision", "revision %" PRIu64 " is not known", revision);
		err_why(err, "this daemon keeps no configuration");
		return -ENOENT;
	}
	return store_state_at(conf->store, revision, ret_state, err);
}

static bool get_revision(const json_t *params, uint64_t *ret_revision)
{
	const json_t *value = json_object_get(params, "revision");

	if (value == NULL)
		return false;
	*ret_revision = (uint64_t)json_integer_value(value);
	return true;
}

/* What 'the one before' is to a command that is given no revision. */
static uint64_t revision_before(const struct conf *conf)
{
	return conf->revision > 0 ? conf->revision - 1 : 0;
}

/* What runs, or what ran at an earlier revision. */
static int on_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret_result,
		   struct err *err)
{
	struct conf *conf = ctx;
	uint64_t revision = conf->revision;
	json_t *state = NULL;
	char *text;
	int rc;

	get_revision(params, &revision);
	rc = state_of(conf, revision, &state, err);
	if (rc != 0)
		return rc;
	text = conf_text_format(state);
	if (text == NULL) {
		json_decref(state);
		return err_set(err, -ENOMEM, "no-memory",
			       "cannot show the configuration: out of memory");
	}
	*ret_result = json_pack("{s:I, s:s, s:o}", "revision", (json_int_t)revision, "text", text,
				"state", state);
	free(text);
	if (conf->pending.on)
		json_object_set_new(*ret_result, "confirm_left",
				    json_integer((json_int_t)conf_confirm_left_ms(conf)));
	return 0;
}

/* Anything but blanks and comments? */
static bool has_words(const char *text)
{
	for (const char *p = text; *p != '\0'; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *word = p + strspn(p, " \t\r\f\v");

		if (*word != '\0' && *word != '\n' && *word != '#')
			return true;
	}
	return false;
}

/* The state that a file's text describes. */
static int parse_file(struct conf *conf, const json_t *params, bool merge, json_t *places,
		      json_t **ret_state, struct err *err)
{
	const char *text = json_string_value(json_object_get(params, "file"));

	if (text == NULL)
		return err_set(err, -EINVAL, "usage", "no text to load");
	if (!merge && json_object_size(conf->state) > 0 && !has_words(text)) {
		err_set(err, -EINVAL, "empty-file", "the file has no commands");
		err_why(err, "loading it would remove everything; more likely what should have "
			     "written it failed");
		err_fix(err, "to remove everything: vswitchctl config rollback 0");
		return -EINVAL;
	}
	return conf_text_read(conf, text, merge ? conf->state : NULL, places, ret_state, err);
}

static int on_load(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret_result,
		   struct err *err)
{
	struct conf *conf = ctx;
	json_t *next = NULL, *places = json_object();
	struct err local = {0};
	int rc = parse_file(conf, params, json_is_true(json_object_get(params, "merge")), places,
			    &next, &local);

	if (rc == 0) {
		rc = commit_call(conf, call, params, next, ret_result, &local);
		if (rc != 0)
			conf_text_blame(places, &local);
	}
	if (rc != 0 && err != NULL)
		*err = local;
	json_decref(places);
	json_decref(next);
	return rc;
}

static int on_check(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret_result,
		    struct err *err)
{
	struct conf *conf = ctx;
	json_t *next = NULL, *places = json_object();
	struct err local = {0};
	int rc = parse_file(conf, params, json_is_true(json_object_get(params, "merge")), places,
			    &next, &local);

	if (rc == 0) {
		rc = conf_commit(conf, next, CONF_SELF, "config check", true, 0, ret_result,
				 &local);
		if (rc != 0)
			conf_text_blame(places, &local);
	}
	if (rc != 0 && err != NULL)
		*err = local;
	json_decref(places);
	json_decref(next);
	/* Not a change that was only tried: a file that can be loaded is what was asked for. */
	if (rc == 0)
		json_object_del(*ret_result, "would_change");
	return rc;
}

static void put_diff_text(json_t *result, const json_t *changes)
{
	char *text = NULL;
	size_t size, i;
	json_t *change;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return;
	json_array_foreach(changes, i, change) {
		const char *command = json_string_value(json_object_get(change, "command"));

		fprintf(f, "%s\n",
			command != NULL ? command : "# a kind that is not known to this version");
	}
	if (fclose(f) == 0)
		json_object_set_new(result, "text", json_string(text));
	free(text);
}

/* From what runs to a file, or from a revision to what runs. */
static int on_diff(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret_result,
		   struct err *err)
{
	struct conf *conf = ctx;
	json_t *before = NULL, *after = NULL, *changes;
	uint64_t revision = revision_before(conf);
	int rc = 0;

	if (json_object_get(params, "file") != NULL) {
		before = json_incref(conf->state);
		rc = parse_file(conf, params, false, NULL, &after, err);
	} else {
		get_revision(params, &revision);
		after = json_incref(conf->state);
		rc = state_of(conf, revision, &before, err);
	}
	if (rc == 0) {
		changes = conf_diff(before, after);
		*ret_result = json_pack("{s:b, s:o}", "differs", json_array_size(changes) > 0,
					"changes", changes);
		put_diff_text(*ret_result, changes);
	}
	json_decref(before);
	json_decref(after);
	return rc;
}

static int on_history(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret_result,
		      struct err *err)
{
	struct conf *conf = ctx;
	json_t *limit = json_object_get(params, "limit"), *history = json_array();
	int rc;

	if (conf->store != NULL) {
		json_decref(history);
		rc = store_history(conf->store,
				   limit != NULL ? (unsigned)json_integer_value(limit) : 20,
				   &history, err);
		if (rc != 0)
			return rc;
	}
	*ret_result = json_pack("{s:I, s:b, s:o}", "revision", (json_int_t)conf->revision,
				"unconfirmed", conf->pending.on, "history", history);
	return 0;
}

/* While a change waits, this is the way back from it; no other change can have come after it. */
static int rollback_pending(struct conf *conf, struct ctl_call *call, uint64_t revision,
			    const json_t *params, json_t **ret_result, struct err *err)
{
	char *command, who[64];
	int rc;

	if (revision != conf->pending.base)
		return conf_confirm_refuse(conf, err);
	if (ctl_call_check(call))
		return conf_commit(conf, conf->pending.before, CONF_SELF, "", true, 0, ret_result,
				   err);
	command = name_command(ctl_call_spec(call), params);
	name_caller(call, who, sizeof(who));
	rc = conf_confirm_undo(conf, who, command != NULL ? command : "config rollback", err);
	free(command);
	if (rc == 0)
		*ret_result = json_pack("{s:b, s:I}", "changed", 1, "revision",
					(json_int_t)conf->revision);
	return rc;
}

static int on_rollback(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret_result,
		       struct err *err)
{
	struct conf *conf = ctx;
	json_t *state = NULL, *next;
	uint64_t revision = 0;
	int rc;

	if (!get_revision(params, &revision))
		revision = conf->pending.on ? conf->pending.base : revision_before(conf);
	if (conf->pending.on)
		return rollback_pending(conf, call, revision, params, ret_result, err);
	rc = state_of(conf, revision, &state, err);
	if (rc != 0)
		return rc;
	/* What an older version wrote must still be what this one takes. */
	next = json_deep_copy(state);
	json_decref(state);
	rc = conf_edit_check_state(next, err);
	if (rc == 0)
		rc = commit_call(conf, call, params, next, ret_result, err);
	json_decref(next);
	return rc;
}

static int on_confirm(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret_result,
		      struct err *err)
{
	struct conf *conf = ctx;
	int rc = conf_confirm(conf, err);

	if (rc == 0)
		*ret_result = json_pack("{s:I}", "revision", (json_int_t)conf->revision);
	return rc;
}

static const struct ctl_binding commands[] = {
	{"config", "show", on_show},	   {"config", "load", on_load},
	{"config", "check", on_check},	   {"config", "diff", on_diff},
	{"config", "history", on_history}, {"config", "rollback", on_rollback},
	{"config", "confirm", on_confirm}, {NULL, NULL, NULL},
};

int conf_bind_commands(struct conf *conf, struct ctl_server *server, struct err *err)
{
	return ctl_server_bind(server, commands, conf, err);
}

int conf_bind(struct conf *conf, struct ctl_server *server, const struct conf_binding *bindings,
	      struct err *err)
{
	size_t n = 0;
	int rc;

	while (bindings[n].noun != NULL)
		n++;
	for (size_t i = 0; i < n; i++) {
		const struct ctl_spec *spec = ctl_spec_find(bindings[i].noun, bindings[i].verb);

		if (spec == NULL || (bindings[i].fn == NULL && !conf_edit_knows(spec)))
			return err_set(err, -ENOENT, "no-command", "no command '%s %s' to bind",
				       bindings[i].noun, bindings[i].verb);
	}
	conf->bindings = bindings;
	if (server == NULL)
		return 0;
	free(conf->calls);
	conf->calls = calloc(n + 1, sizeof(*conf->calls));
	if (conf->calls == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	for (size_t i = 0; i < n; i++)
		conf->calls[i] =
			(struct ctl_binding){bindings[i].noun, bindings[i].verb, on_change_call};
	rc = ctl_server_bind(server, conf->calls, conf, err);
	return rc == 0 ? conf_bind_commands(conf, server, err) : rc;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A switch and a control socket that are not there: what the configuration's tests put in their
 * place.  The switch remembers what it runs and insists on being told the truth about it; the
 * socket calls handlers directly.
 */
#ifndef TESTS_UNIT_CTL_CONF_SUPPORT_H
#define TESTS_UNIT_CTL_CONF_SUPPORT_H

#include "tests/unit/ctl/store_support.h"

#include <errno.h>

#include "ctl/conf.h"
#include "ctl/server.h"

struct fake_switch {
	json_t *running;
	unsigned n_checks, n_applies;
	unsigned fail_at;	/* the n-th object that an apply touches fails; 0: none */
	unsigned n_fails;	/* so many applies fail; 0 with 'fail_at': all of them */
	bool starting;		/* of the last apply */
	void (*on_apply)(void); /* after the switch runs it */
	const char *comes;	/* with calls; NULL: nothing */
};

static inline void fake_switch_reset(struct fake_switch *sw)
{
	json_decref(sw->running);
	*sw = (struct fake_switch){.running = json_object()};
}

/* A port needs its switch. */
static inline int fake_check(void *ctx, const json_t *after, struct err *err)
{
	struct fake_switch *sw = ctx;
	json_t *ports = json_object_get(after, "port"), *body;
	const char *name;

	sw->n_checks++;
	json_object_foreach(ports, name, body) {
		const char *of = json_string_value(json_object_get(body, "switch"));

		if (of != NULL && state_get(after, "switch", of) == NULL)
			return err_set(err, -ENOENT, "no-switch", "port %s: no switch '%s'", name,
				       of);
	}
	return 0;
}

static inline int fake_touch(void *arg, const char *kind, const char *name, const json_t *before,
			     const json_t *after)
{
	unsigned *countdown = arg;

	return *countdown > 0 && --*countdown == 0 ? -EIO : 0;
}

static inline int fake_apply(void *ctx, const json_t *before, const json_t *after, bool starting,
			     struct err *err)
{
	struct fake_switch *sw = ctx;
	unsigned countdown = sw->fail_at;

	sw->n_applies++;
	sw->starting = starting;
	if (!json_equal(before, sw->running))
		fail_msg("the switch does not run what it is said to run before");
	if (sw->fail_at > 0 && state_each_change(before, after, fake_touch, &countdown) != 0) {
		if (sw->n_fails > 0 && --sw->n_fails == 0)
			sw->fail_at = 0;
		err_set(err, -EIO, "device-failed", "the device failed");
		err_why(err, "it was told to");
		return -EIO;
	}
	json_decref(sw->running);
	sw->running = json_deep_copy(after);
	if (sw->on_apply != NULL)
		sw->on_apply();
	return 0;
}

/* What "came" with a call is a MAC, or a refusal. */
static int fake_take(void *ctx, struct ctl_call *call, json_t *params, struct err *err)
{
	const struct fake_switch *sw = ctx;

	if (sw->comes == NULL)
		return 0;
	if (sw->comes[0] == '\0')
		return err_set(err, -EBADMSG, "bad-file", "what came is nothing");
	json_object_set_new(params, "mac", json_string(sw->comes));
	return 0;
}

static const struct conf_ops fake_ops = {.check = fake_check,
					 .take = fake_take,
					 .apply = fake_apply};

/* The socket. */

struct ctl_call {
	const struct ctl_spec *spec;
	uid_t uid;
	bool check;
	uint64_t confirm_ms;
};

struct ctl_server {
	struct {
		struct ctl_binding binding;
		void *ctx;
	} bound[128];
	size_t n;
};

int ctl_server_bind(struct ctl_server *server, const struct ctl_binding *bindings, void *ctx,
		    struct err *err)
{
	for (; bindings->noun != NULL; bindings++) {
		if (ctl_spec_find(bindings->noun, bindings->verb) == NULL)
			return err_set(err, -ENOENT, "no-command", "%s %s", bindings->noun,
				       bindings->verb);
		server->bound[server->n].binding = *bindings;
		server->bound[server->n++].ctx = ctx;
	}
	return 0;
}

const struct ctl_spec *ctl_call_spec(const struct ctl_call *call)
{
	return call->spec;
}

uid_t ctl_call_uid(const struct ctl_call *call)
{
	return call->uid;
}

bool ctl_call_check(const struct ctl_call *call)
{
	return call->check;
}

uint64_t ctl_call_confirm_ms(const struct ctl_call *call)
{
	return call->confirm_ms;
}

/* Runs a command line as the tool would; 'text' (may be NULL) goes where the line names a file.
 * Takes call's options. */
static inline int run_line(struct ctl_server *server, struct ctl_call call, const char *line,
			   const char *text, json_t **ret_result, struct err *err)
{
	json_t *params = NULL, *result = NULL;
	char **words;
	int n = ctl_words_split(line, &words, err), rc = -ENOENT;

	assert_true(n >= 2);
	call.spec = ctl_spec_find(words[0], words[1]);
	if (call.spec == NULL)
		fail_msg("no command '%s'", line);
	rc = ctl_args_parse(call.spec, n - 2, words + 2, &params, err);
	ctl_words_free(words);
	if (rc != 0)
		return rc;
	if (text != NULL)
		json_object_set_new(params, "file", json_string(text));
	rc = -ENOSYS;
	for (size_t i = 0; i < server->n; i++) {
		const struct ctl_binding *b = &server->bound[i].binding;

		if (strcmp(b->noun, call.spec->noun) == 0 && strcmp(b->verb, call.spec->verb) == 0)
			rc = b->fn(server->bound[i].ctx, &call, params, &result, err);
	}
	json_decref(params);
	if (ret_result != NULL)
		*ret_result = result;
	else
		json_decref(result);
	return rc;
}

#endif

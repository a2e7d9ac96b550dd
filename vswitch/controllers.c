/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Targets and connections of each switch; see controllers.h.
 */
#include "vswitch/controllers_priv.h"

#include "ctl/base/clock.h"
#include "ctl/base/log.h"
#include "vswitch/agent.h"
#include "vswitch/switch_flows.h"
#include "vswitch/tls.h"
#include "ctl/base/unix_socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vs_controllers *find(const struct vs *vs, const char *sw)
{
	for (unsigned i = 0; i < VS_MAX_SWITCHES; i++)
		if (vs->controllers[i] != NULL && strcmp(vs->controllers[i]->sw, sw) == 0)
			return vs->controllers[i];
	return NULL;
}

unsigned vs_controllers_n_up(const struct vs *vs, const char *sw)
{
	const struct vs_controllers *c = find(vs, sw);

	return c != NULL ? c->n_up : 0;
}

struct vs_controller_live *vs_controllers_of(const struct vs_controllers *c,
					     const struct vs_channel *ch)
{
	struct vs_controller_live *live = c->list;

	while (live != NULL && live->remote != ch->remote)
		live = live->next;
	return live;
}

/* Connections that come and go can be anybody's: no flood of lines from them. */
__attribute__((format(printf, 3, 4))) static void tell(struct vs *vs, const char *type,
						       const char *fmt, ...)
{
	static struct log_limit limit;
	char text[400];
	va_list ap;

	if (!log_allow(&limit, 20, 10))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vs_event(vs, type, NULL, "%s", text);
}

/* ---- Connections ---- */

static void append(struct vs_channel **list, struct vs_channel *ch)
{
	while (*list != NULL)
		list = &(*list)->next;
	ch->next = NULL;
	*list = ch;
}

static bool unlink_channel(struct vs_channel **list, const struct vs_channel *ch)
{
	for (; *list != NULL; list = &(*list)->next) {
		if (*list != ch)
			continue;
		*list = ch->next;
		return true;
	}
	return false;
}

static void opened(void *ctx, struct vs_remote *remote, struct vs_channel *ch)
{
	struct vs_controller_live *live = ctx;

	ch->management = live->management;
	append(&live->of->opening, ch);
}

static void up(void *ctx, struct vs_channel *ch)
{
	struct vs_controller_live *live = ctx;
	struct vs_controllers *c = live->of;
	struct vs_flows *flows;
	struct err err = {0};

	if (vs_switch_flows_need(c->vs, c->sw, &flows, &err) != 0) {
		vs_channel_end(ch, err.what);
		return;
	}
	(void)unlink_channel(&c->opening, ch);
	ch->agent = vs_switch_agent(c->vs, c->sw);
	vs_wishes_default(live->management, ch);
	append(&ch->agent->channels, ch);
	ch->agent->n_channels++;
	vs_agent_wishes_changed(ch->agent);
	if (live->management)
		return;
	if (!vs_remote_target(live->remote)->listens) {
		live->main = ch;
		vs_aux_open(live);
	}
	c->n_up++;
	vs_fail_mode_changed(c);
	tell(c->vs, "controller-up", "switch %s: controller %s is connected", c->sw, ch->peer);
}

/* Tools of the management socket hear of packets when they say how much of them they want, as
 * 'ovs-ofctl monitor' does. */
static void wake_management(struct vs_channel *ch, const struct of_header *header,
			    const uint8_t *msg)
{
	struct rd rd = rd_init(msg + OF_HEADER_SIZE, header->size - OF_HEADER_SIZE);
	struct of_config config;

	if (header->type == OFPT_SET_CONFIG && of_config_decode(&rd, &config) == OF_OK &&
	    config.miss_send_len != 0) {
		vs_wishes_default(false, ch);
		vs_agent_wishes_changed(ch->agent);
	}
}

static void message(void *ctx, struct vs_channel *ch, const struct of_header *header,
		    const uint8_t *msg)
{
	if (ch->management)
		wake_management(ch, header, msg);
	vs_agent_message(ch->agent, ch, header, msg);
}

static void drained(void *ctx, struct vs_channel *ch)
{
	vs_agent_drained(ch->agent, ch);
}

/* Takes it out of every list; returns whether it had said hello. */
static bool forget(struct vs_controller_live *live, struct vs_channel *ch)
{
	struct vs_controllers *c = live->of;

	vs_channel_counts_add(&live->past, &ch->counts);
	if (live->main == ch) {
		vs_aux_close(live, 0);
		live->main = NULL;
	}
	if (!vs_remote_target(live->remote)->listens)
		live->since_ns = clock_mono_ns();
	if (unlink_channel(&c->opening, ch) || ch->agent == NULL)
		return false;
	(void)unlink_channel(&ch->agent->channels, ch);
	ch->agent->n_channels--;
	vs_agent_channel_gone(ch->agent, ch);
	if (!live->management) {
		c->n_up--;
		if (c->n_up == 0)
			vs_fail_mode_changed(c);
	}
	return true;
}

static void gone(void *ctx, struct vs_channel *ch, const char *reason)
{
	struct vs_controller_live *live = ctx;
	bool was_up = forget(live, ch);

	vs_remote_lost(live->remote, was_up, reason);
	if (was_up && !live->management)
		tell(live->of->vs, "controller-down", "switch %s: controller %s is gone: %s",
		     live->of->sw, ch->peer, reason);
}

static const struct vs_channel_ops channel_ops = {.up = up,
						  .message = message,
						  .drained = drained,
						  .gone = gone};

/* ---- Targets ---- */

static void close_channels(struct vs_controller_live *live, struct vs_channel **list)
{
	struct vs_channel *ch = *list, *next;

	for (; ch != NULL; ch = next) {
		next = ch->next;
		if (ch->remote != live->remote)
			continue;
		(void)forget(live, ch);
		vs_channel_destroy(ch);
	}
}

static void live_destroy(struct vs_controller_live *live)
{
	struct vs_agent *agent = vs_switch_agent(live->of->vs, live->of->sw);

	vs_aux_close(live, 0);
	close_channels(live, &live->of->opening);
	if (agent != NULL)
		close_channels(live, &agent->channels);
	vs_remote_destroy(live->remote);
	vs_tls_destroy(live->tls);
	free(live);
}

/* 'm': NULL for the management socket. */
static int live_create(struct vs_controllers *c, const struct vs_target *target, struct vs_tls *tls,
		       const struct vs_controller *m, bool patient, struct err *err)
{
	struct vs_controller_live *live = calloc(1, sizeof(*live));
	const struct vs_remote_opts opts = {
		.base = c->vs->opts.base,
		.target = *target,
		.channel = {.ops = &channel_ops,
			    .ctx = live,
			    .probe_ms = m != NULL ? m->probe_ms : 0},
		.tls = tls,
		.opened = opened,
		.ctx = live,
		.group = c->vs->opts.has_group ? c->vs->opts.group : UNIX_NO_GROUP,
	};
	int rc = live != NULL ? vs_remote_create(&opts, patient, &live->remote, err)
			      : err_set(err, -ENOMEM, "no-memory", "no memory for a controller");

	if (rc != 0) {
		free(live);
		return rc;
	}
	live->of = c;
	live->tls = tls;
	live->management = m == NULL;
	live->fresh = true;
	live->probe_ms = m != NULL ? m->probe_ms : 0;
	live->n_aux = m != NULL ? m->n_aux : 0;
	live->since_ns = clock_mono_ns();
	live->next = c->list;
	c->list = live;
	return 0;
}

/* Names of switches may have a '/' in them, paths of files not. */
static bool management_target(const struct vs_controllers *c, struct vs_target *ret_target)
{
	char path[VS_TARGET_TEXT_SIZE], name[200];
	size_t n = 0;

	for (const char *p = c->sw; *p != '\0' && n < sizeof(name) - 4; p++)
		n += (size_t)snprintf(name + n, sizeof(name) - n, *p == '/' ? "%%2f" : "%c", *p);
	if ((size_t)snprintf(path, sizeof(path), "punix:%s/%s.mgmt", c->vs->opts.run_dir, name) >=
	    sizeof(path))
		return false;
	return vs_target_parse(path, ret_target, NULL) == 0;
}

static void need_management(struct vs_controllers *c)
{
	struct vs_target target;
	struct err err = {0};

	if (c->vs->opts.run_dir == NULL)
		return;
	for (const struct vs_controller_live *live = c->list; live != NULL; live = live->next)
		if (live->management)
			return;
	if (!management_target(c, &target))
		vs_event(c->vs, "controller", NULL,
			 "switch %s has no management socket: its path would be too long", c->sw);
	else if (live_create(c, &target, NULL, NULL, true, &err) != 0)
		vs_event(c->vs, "controller", NULL, "switch %s has no management socket: %s", c->sw,
			 err.what);
}

static struct vs_controllers *need_switch(struct vs *vs, const char *sw)
{
	struct vs_controllers *c = find(vs, sw);

	for (unsigned i = 0; c == NULL && i < VS_MAX_SWITCHES; i++) {
		if (vs->controllers[i] != NULL)
			continue;
		c = calloc(1, sizeof(*c));
		if (c == NULL)
			return NULL;
		vs->controllers[i] = c;
		c->vs = vs;
		c->fresh = true;
		c->lost_ns = clock_mono_ns();
		snprintf(c->sw, sizeof(c->sw), "%s", sw);
	}
	return c;
}

static struct vs_controller_live *find_live(const struct vs_controllers *c, const char *target)
{
	for (struct vs_controller_live *live = c->list; live != NULL; live = live->next)
		if (!live->management && strcmp(vs_remote_target(live->remote)->text, target) == 0)
			return live;
	return NULL;
}

static int need_controller(struct vs *vs, const struct vs_controller *m, bool starting,
			   struct err *err)
{
	const struct vs_tls_files files = {m->ca, m->cert, m->key};
	struct vs_controllers *c = need_switch(vs, m->sw->name);
	struct vs_tls *tls = NULL;
	struct vs_target target;
	int rc = vs_target_parse(m->target, &target, err);

	if (c == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a controller");
	if (find_live(c, m->target) != NULL)
		return 0;
	if (rc == 0 && target.tls)
		rc = vs_tls_create(&files, starting, &tls, err);
	if (rc == 0)
		rc = live_create(c, &target, tls, m, starting, err);
	if (rc != 0)
		vs_tls_destroy(tls);
	return rc;
}

/* ---- From one model to the next ---- */

static void switch_destroy(struct vs_controllers **place)
{
	struct vs_controllers *c = *place;
	struct vs_controller_live *live;

	while ((live = c->list) != NULL) {
		c->list = live->next;
		live_destroy(live);
	}
	*place = NULL;
	free(c);
}

int vs_controllers_prepare(struct vs *vs, const struct vs_model *after, bool starting,
			   struct err *err)
{
	for (unsigned i = 0; i < after->n_switches; i++) {
		struct vs_controllers *c = need_switch(vs, after->switches[i].name);

		if (c != NULL)
			need_management(c);
	}
	for (unsigned i = 0; i < after->n_controllers; i++) {
		const struct vs_controller *m = &after->controllers[i];
		struct err local = {0};
		int rc = need_controller(vs, m, starting, &local);

		if (rc != 0 && starting) {
			vs_event(vs, "controller", NULL, "switch %s: controller %s: %s",
				 m->sw->name, m->target, local.what);
			continue;
		}
		if (rc != 0) {
			err_about(&local, "controller", m->name);
			if (err != NULL)
				*err = local;
			return rc;
		}
	}
	return 0;
}

void vs_controllers_abort(struct vs *vs)
{
	for (unsigned i = 0; i < VS_MAX_SWITCHES; i++) {
		struct vs_controllers *c = vs->controllers[i];

		for (struct vs_controller_live **at = c != NULL ? &c->list : NULL;
		     at != NULL && *at != NULL;) {
			struct vs_controller_live *live = *at;

			if (!live->fresh) {
				at = &live->next;
				continue;
			}
			*at = live->next;
			live_destroy(live);
		}
		if (c != NULL && c->fresh)
			switch_destroy(&vs->controllers[i]);
	}
}

static const struct vs_controller *model_of(const struct vs_controllers *c,
					    const struct vs_controller_live *live)
{
	const struct vs_model *m = c->vs->model;

	for (unsigned i = 0; i < m->n_controllers; i++)
		if (strcmp(m->controllers[i].sw->name, c->sw) == 0 &&
		    strcmp(m->controllers[i].target, vs_remote_target(live->remote)->text) == 0)
			return &m->controllers[i];
	return NULL;
}

/* Options that differ hold for connections from now on. */
static void adjust(struct vs_controller_live *live, const struct vs_controller *m)
{
	const struct vs_tls_files files = {m->ca, m->cert, m->key};
	struct vs_tls *tls = NULL, *old = NULL;

	if (live->tls != NULL && vs_tls_create(&files, false, &tls, NULL) == 0) {
		old = live->tls;
		live->tls = tls;
	}
	live->probe_ms = m->probe_ms;
	live->n_aux = m->n_aux;
	vs_remote_set(live->remote, m->probe_ms, live->tls);
	vs_aux_open(live);
	vs_tls_destroy(old);
}

static void settle_targets(struct vs_controllers *c)
{
	for (struct vs_controller_live **at = &c->list; *at != NULL;) {
		struct vs_controller_live *live = *at;
		const struct vs_controller *m = live->management ? NULL : model_of(c, live);

		if (m != NULL && !live->fresh)
			adjust(live, m);
		live->fresh = false;
		if (m != NULL || live->management) {
			at = &live->next;
			continue;
		}
		*at = live->next;
		live_destroy(live);
	}
}

static void settle_switch(struct vs_controllers *c, const struct vs_switch *sw)
{
	bool has_targets = vs_controllers_start_empty(c->vs, c->sw);
	struct vs_agent *agent;

	settle_targets(c);
	c->fresh = false;
	c->probe_ms = VS_CHANNEL_PROBE_MS;
	for (const struct vs_controller_live *live = c->list; live != NULL; live = live->next)
		if (live->probe_ms > c->probe_ms)
			c->probe_ms = live->probe_ms;
	vs_fail_mode_configure(c, has_targets, sw->secure);
	agent = vs_switch_agent(c->vs, c->sw);
	if (agent != NULL)
		agent->datapath_id = vs_datapath_id(sw);
}

void vs_controllers_commit(struct vs *vs)
{
	for (unsigned i = 0; i < VS_MAX_SWITCHES; i++)
		if (vs->controllers[i] != NULL &&
		    vs_model_switch(vs->model, vs->controllers[i]->sw) == NULL)
			switch_destroy(&vs->controllers[i]);
	for (unsigned i = 0; i < VS_MAX_SWITCHES; i++)
		if (vs->controllers[i] != NULL)
			settle_switch(vs->controllers[i],
				      vs_model_switch(vs->model, vs->controllers[i]->sw));
}

void vs_controllers_fini(struct vs *vs)
{
	for (unsigned i = 0; i < VS_MAX_SWITCHES; i++)
		if (vs->controllers[i] != NULL)
			switch_destroy(&vs->controllers[i]);
}

void vs_controllers_tick(struct vs *vs)
{
	for (unsigned i = 0; i < VS_MAX_SWITCHES; i++)
		if (vs->controllers[i] != NULL)
			vs_fail_mode_tick(vs->controllers[i]);
}

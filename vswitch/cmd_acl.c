/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at access lists; see cmd.h.
 */
#include "vswitch/cmd_acl.h"

#include "ctl/conf.h"
#include "dataplane/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

const struct vs_acl *vs_cmd_acl(const struct vs_daemon *d, const json_t *params, struct err *err)
{
	const char *name = param(params, "name");
	const struct vs_acl *acl = vs_acl_find(vs_acl_conf(d->vs->model), name);

	if (acl == NULL)
		(void)conf_refuse_missing(conf_state(d->conf), "acl", name, "", err);
	return acl;
}

json_t *vs_acl_entry_json(const struct vs_acl_entry *e)
{
	char *text = vs_acl_entry_format(e);
	json_t *json = json_string(text != NULL ? text : "");

	free(text);
	return json;
}

static const char *action_name(enum vs_acl_action action)
{
	return action == VS_ACL_ALLOW ? "allow" : "deny";
}

static const char *description_of(const struct vs_daemon *d, const char *kind, const char *name)
{
	const char *text = param(conf_object(d->conf, kind, name), "description");

	return text != NULL ? text : "";
}

/* ---- Hits ---- */

struct sums {
	struct vs_acl_hits by[2]; /* by action */
	uint32_t met;
};

static struct sums sums_of(const struct vs_daemon *d, const struct vs_acl *acl)
{
	struct sums sums = {0};

	for (uint32_t i = 0; i < acl->n; i++) {
		const struct vs_acl_entry *e = &acl->entries[i];
		struct vs_acl_hits hits = {0};

		if (!vs_acl_entry_hits(d->vs, acl->name, e->order, &hits))
			continue;
		sums.by[e->action].packets += hits.packets;
		sums.by[e->action].bytes += hits.bytes;
		sums.met += hits.packets != 0;
	}
	return sums;
}

static json_t *ago(const struct vs_daemon *d, uint64_t used_ms)
{
	uint64_t now = dp_flow_now_ms(d->vs->dp);

	if (used_ms == 0)
		return json_null();
	return json_real((double)(now > used_ms ? now - used_ms : 0) / 1000.0);
}

/* ---- list ---- */

static json_t *where_json(const struct vs_acl_binding *b)
{
	return json_sprintf("%s %s", b->port != NULL ? "port" : "tenant",
			    b->port != NULL ? b->port->name : b->tenant->name);
}

/* 'b' may be NULL: it hangs nowhere. */
static json_t *list_row(const struct vs_daemon *d, const struct vs_acl *acl,
			const struct vs_acl_binding *b)
{
	struct sums sums = sums_of(d, acl);
	uint64_t packets = sums.by[0].packets + sums.by[1].packets;

	return json_pack("{ss so ss so sI ss sI ss}", "acl", acl->name, "where",
			 b != NULL ? where_json(b) : json_string(""), "direction",
			 b != NULL ? vs_filter_side_name(b->side) : "", "order",
			 b != NULL ? json_integer(b->order) : json_null(), "entries",
			 (json_int_t)acl->n, "otherwise", action_name(acl->other), "packets",
			 (json_int_t)packets, "description", description_of(d, "acl", acl->name));
}

static json_t *list_port(const struct vs_daemon *d, const struct vs_port *p)
{
	json_t *rows = json_array();

	for (int side = 0; side < DP_N_FILTER_SIDES; side++) {
		const struct vs_acl_binding *of[VS_MAX_PORT_ACLS];
		unsigned n =
			vs_acls_of(vs_acl_conf(d->vs->model), p, (enum dp_filter_side)side, of);

		for (unsigned i = 0; i < n; i++)
			json_array_append_new(rows, list_row(d, of[i]->acl, of[i]));
	}
	return rows;
}

static json_t *list_all(const struct vs_daemon *d, const char *tenant)
{
	const struct vs_acl_conf *conf = vs_acl_conf(d->vs->model);
	bool *hangs = conf != NULL ? calloc(conf->n_acls + 1, sizeof(*hangs)) : NULL;
	json_t *rows = json_array();

	for (unsigned i = 0; hangs != NULL && i < conf->n_bindings; i++) {
		const struct vs_acl_binding *b = &conf->bindings[i];
		const struct vs_tenant *of = b->port != NULL ? b->port->tenant : b->tenant;

		hangs[b->acl - conf->acls] = true;
		if (tenant == NULL || (of != NULL && strcmp(of->name, tenant) == 0))
			json_array_append_new(rows, list_row(d, b->acl, b));
	}
	for (unsigned i = 0; hangs != NULL && tenant == NULL && i < conf->n_acls; i++)
		if (!hangs[i])
			json_array_append_new(rows, list_row(d, &conf->acls[i], NULL));
	free(hangs);
	return rows;
}

static int acl_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_port *p = vs_model_port(d->vs->model, param(params, "port"));

	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	*ret = json_pack("{so}", "acls",
			 p != NULL ? list_port(d, p) : list_all(d, param(params, "tenant")));
	return 0;
}

/* ---- show ---- */

static json_t *entry_row(const struct vs_daemon *d, const struct vs_acl *acl,
			 const struct vs_acl_entry *e)
{
	struct vs_acl_hits hits = {0};

	(void)vs_acl_entry_hits(d->vs, acl->name, e->order, &hits);
	return json_pack("{sI sI sI so so}", "order", (json_int_t)e->order, "packets",
			 (json_int_t)hits.packets, "bytes", (json_int_t)hits.bytes, "used",
			 ago(d, hits.used_ms), "text", vs_acl_entry_json(e));
}

static json_t *attached_json(const struct vs_daemon *d, const struct vs_acl *acl)
{
	const struct vs_acl_conf *conf = vs_acl_conf(d->vs->model);
	json_t *rows = json_array();

	for (unsigned i = 0; i < conf->n_bindings; i++) {
		const struct vs_acl_binding *b = &conf->bindings[i];

		if (b->acl == acl)
			json_array_append_new(rows,
					      json_pack("{so ss sI}", "where", where_json(b),
							"direction", vs_filter_side_name(b->side),
							"order", (json_int_t)b->order));
	}
	return rows;
}

static int acl_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_acl *acl = vs_cmd_acl(d, params, err);
	json_t *rows;

	if (acl == NULL)
		return -ENOENT;
	rows = json_array();
	for (uint32_t i = 0; i < acl->n; i++)
		json_array_append_new(rows, entry_row(d, acl, &acl->entries[i]));
	*ret = json_pack("{ss ss ss sI so so}", "acl", acl->name, "description",
			 description_of(d, "acl", acl->name), "otherwise", action_name(acl->other),
			 "n_entries", (json_int_t)acl->n, "attached", attached_json(d, acl),
			 "entries", rows);
	return 0;
}

static int acl_export(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_acl *acl = vs_cmd_acl(ctx, params, err);
	char *text;

	if (acl == NULL)
		return -ENOENT;
	text = vs_acl_lines_format(acl->entries, acl->n);
	if (text == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	*ret = json_pack("{so}", "text", json_sprintf("%s%s", text, acl->n != 0 ? "\n" : ""));
	free(text);
	return 0;
}

/* ---- stats ---- */

static json_t *stats_row(const struct vs_daemon *d, const struct vs_acl *acl)
{
	struct sums s = sums_of(d, acl);

	return json_pack("{ss sI sI sI sI sI sI}", "acl", acl->name, "entries", (json_int_t)acl->n,
			 "met", (json_int_t)s.met, "allowed_packets",
			 (json_int_t)s.by[VS_ACL_ALLOW].packets, "allowed_bytes",
			 (json_int_t)s.by[VS_ACL_ALLOW].bytes, "denied_packets",
			 (json_int_t)s.by[VS_ACL_DENY].packets, "denied_bytes",
			 (json_int_t)s.by[VS_ACL_DENY].bytes);
}

static int acl_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_acl_conf *conf = vs_acl_conf(d->vs->model);
	const struct vs_acl *one = NULL;
	json_t *rows;

	if (param(params, "name") != NULL) {
		one = vs_cmd_acl(d, params, err);
		if (one == NULL)
			return -ENOENT;
	}
	rows = json_array();
	for (unsigned i = 0; conf != NULL && i < conf->n_acls; i++)
		if (one == NULL || one == &conf->acls[i])
			json_array_append_new(rows, stats_row(d, &conf->acls[i]));
	*ret = json_pack("{so}", "acls", rows);
	return 0;
}

const struct ctl_binding vs_cmd_acls[] = {
	{"acl", "list", acl_list},
	{"acl", "show", acl_show},
	{"acl", "export", acl_export},
	{"acl", "stats", acl_stats},
	{"acl", "check", vs_acl_check_command},
	{"acl", "test", vs_acl_test_command},
	{"acl", "session list", vs_acl_session_list},
	{"acl", "session kill", vs_acl_session_kill},
	{NULL, NULL, NULL},
};

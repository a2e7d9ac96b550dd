/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at bandwidth; see cmd.h.
 */
#include "vswitch/cmd.h"
#include "vswitch/qos.h"
#include "vswitch/qos_live.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static void put(json_t *row, const char *key, uint64_t n)
{
	json_object_set_new(row, key, n != 0 ? json_integer((json_int_t)n) : json_null());
}

/* ---- What is set ---- */

static json_t *mark_json(const struct vs_qos_mark *mark, const char *other)
{
	if (mark->kind == VS_MARK_VALUE)
		return json_sprintf("%u", mark->value);
	return json_string(mark->kind == VS_MARK_OTHER ? other : "");
}

/* "dscp 46, pcp 5-7" */
static json_t *priority_json(const struct vs_qos *q)
{
	char dscp[200], pcp[32];

	vs_qos_list_format(q->priority_dscp, dscp, sizeof(dscp));
	vs_qos_list_format(q->priority_pcp, pcp, sizeof(pcp));
	return json_sprintf("%s%s%s%s%s", dscp[0] != '\0' ? "dscp " : "", dscp,
			    dscp[0] != '\0' && pcp[0] != '\0' ? ", " : "",
			    pcp[0] != '\0' ? "pcp " : "", pcp);
}

static json_t *row_of(const struct vs_daemon *d, const struct vs_qos *q)
{
	char note[200] = "";
	json_t *row =
		json_pack("{ss ss ss}", "port", q->port->name, "tenant",
			  q->tenant != NULL ? q->tenant->name : "", "switch", q->port->sw->name);

	vs_qos_note(d->vs, q, note, sizeof(note));
	json_object_set_new(row, "note", json_string(note));
	if (q->tenant != NULL) {
		put(row, "max", q->max);
		put(row, "min", q->min);
		put(row, "weight", q->weight);
		put(row, "burst", q->burst);
		put(row, "to_max", q->to_max);
		put(row, "to_burst", q->to_burst);
		return row;
	}
	put(row, "to_max", q->to_max);
	put(row, "to_burst", q->to_burst);
	put(row, "from_max", q->from_max);
	put(row, "from_burst", q->from_burst);
	put(row, "from_min", q->from_min);
	put(row, "from_weight", q->from_weight);
	put(row, "to_min", q->to_min);
	put(row, "to_weight", q->to_weight);
	put(row, "delay_us", q->delay_us);
	put(row, "limit", q->limit);
	put(row, "priority_max", q->priority_max);
	json_object_set_new(row, "ecn", json_boolean(q->ecn));
	json_object_set_new(row, "priority", priority_json(q));
	json_object_set_new(row, "trust", json_string(vs_qos_trust_name(q->trust)));
	json_object_set_new(row, "mark_dscp", mark_json(&q->mark_dscp, "pcp"));
	json_object_set_new(row, "mark_pcp", mark_json(&q->mark_pcp, "dscp"));
	return row;
}

static bool is_asked(const struct vs_qos *q, const json_t *params)
{
	const char *port = param(params, "port"), *sw = param(params, "switch"),
		   *tenant = param(params, "tenant");
	const struct vs_tenant *its = q->tenant != NULL ? q->tenant : q->port->tenant;

	return (port == NULL || strcmp(port, q->port->name) == 0) &&
	       (sw == NULL || strcmp(sw, q->port->sw->name) == 0) &&
	       (tenant == NULL || (its != NULL && strcmp(tenant, its->name) == 0));
}

static int qos_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_qos_conf *conf = vs_qos_conf(d->vs->model);
	json_t *rows;

	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	rows = json_array();
	for (unsigned i = 0; conf != NULL && i < conf->n; i++)
		if (is_asked(&conf->v[i], params))
			json_array_append_new(rows, row_of(d, &conf->v[i]));
	*ret = json_pack("{so}", "qos", rows);
	return 0;
}

/* ---- What it does ---- */

static void append_class(void *arg, const struct vs_qos_class *c)
{
	json_t *row =
		json_pack("{ss ss sI sI sI sI sI sf sf sI}", "port", c->port, "class", c->name,
			  "rate_now", (json_int_t)c->rate_now, "packets", (json_int_t)c->packets,
			  "bytes", (json_int_t)c->bytes, "drops", (json_int_t)c->drops, "marks",
			  (json_int_t)c->marks, "delay_mean_us", c->delay_mean_us, "delay_max_us",
			  c->delay_max_us, "waiting", (json_int_t)c->waiting);

	put(row, "max", c->max);
	put(row, "min", c->min);
	json_array_append_new(arg, row);
}

static int qos_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const struct vs_daemon *d = ctx;
	int only = -1;
	json_t *rows;

	if (param(params, "port") != NULL) {
		only = vs_cmd_port(d, params, "port", err);
		if (only < 0)
			return only;
	}
	rows = json_array();
	vs_qos_classes(d->vs, only, append_class, rows);
	*ret = json_pack("{so}", "classes", rows);
	return 0;
}

static json_t *tenants_of(const struct vs_daemon *d, const struct vs_port *p)
{
	const struct vs_qos_conf *conf = vs_qos_conf(d->vs->model);
	json_t *rows = json_array();

	for (unsigned i = 0; conf != NULL && i < conf->n; i++)
		if (conf->v[i].port == p && conf->v[i].tenant != NULL)
			json_array_append_new(rows, row_of(d, &conf->v[i]));
	return rows;
}

static int qos_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const struct vs_daemon *d = ctx;
	int id = vs_cmd_port(d, params, "port", err);
	const struct vs_port *p;
	const struct vs_qos *q;
	json_t *row, *classes;

	if (id < 0)
		return id;
	p = vs_model_port(d->vs->model, param(params, "port"));
	q = vs_qos_of_port(d->vs->model, p);
	row = q != NULL ? row_of(d, q)
			: json_pack("{ss ss ss ss}", "port", p->name, "tenant", "", "switch",
				    p->sw->name, "note", "");
	classes = json_array();
	vs_qos_classes(d->vs, id, append_class, classes);
	json_object_set_new(row, "kind", json_string(vs_port_kind_name(p->kind)));
	json_object_set_new(row, "over", json_string(vs_qos_over(d->vs, (uint16_t)id)));
	json_object_set_new(row, "tenants", tenants_of(d, p));
	json_object_set_new(row, "classes", classes);
	*ret = row;
	return 0;
}

const struct ctl_binding vs_cmd_qoses[] = {
	{"qos", "list", qos_list},
	{"qos", "show", qos_show},
	{"qos", "stats", qos_stats},
	{NULL, NULL, NULL},
};

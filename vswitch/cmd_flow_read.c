/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading rules: 'flow list', 'flow unused', 'flow shadowed'; see cmd.h.  Control thread.
 */
#include "vswitch/cmd.h"
#include "vswitch/flow_names.h"
#include "vswitch/flows_shadow.h"
#include "vswitch/switch_flows.h"

#include "ctl/base/clock.h"
#include "ctl/base/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT (1u << 20)
#define RAW_LIMIT  (256u << 20)
#define UNUSED_MS  86400000
#define SHADOW_MS  200u /* the control thread has other things to do */

/* What is asked and where the answer goes. */
struct listing {
	struct vs_daemon *d;
	struct vs_flows *flows; /* NULL: the switch has no rules of its own */
	struct vs_flow_names names;
	struct of_text_ports ports;
	struct of_flow_filter filter;
	json_t *rows;
	uint64_t unused_ms; /* 'unused': for so long */
	struct wr raw;
};

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static json_t *text_of(struct wr *wr)
{
	bool any = wr_ok(wr) && wr->size != 0;
	json_t *text = any ? json_stringn((const char *)wr->bytes, wr->size) : json_string("");

	wr_fini(wr);
	return text;
}

static json_t *row_of(const struct listing *l, const struct vs_rule *rule,
		      const struct dp_flow_counts *counts)
{
	struct wr match_text = wr_init(TEXT_LIMIT), instrs_text = wr_init(TEXT_LIMIT);
	struct rd rd = rd_init(rule->match, rule->match_size);
	struct of_match match;
	json_t *row;

	if (of_match_decode(&rd, &match) == OF_OK)
		of_text_match_print(&match_text, &match, &l->ports);
	of_text_instrs_print(&instrs_text, &rule->instrs, &l->ports);
	row = json_pack("{si si so so sI sI sI si si sf}", "table", rule->table, "priority",
			rule->priority, "match", text_of(&match_text), "actions",
			text_of(&instrs_text), "cookie", (json_int_t)rule->cookie, "packets",
			(json_int_t)counts->packets, "bytes", (json_int_t)counts->bytes,
			"idle_timeout", rule->idle_timeout, "hard_timeout", rule->hard_timeout,
			"age", (double)vs_rule_age_ms(l->flows, rule) / 1000);
	if (counts->used_ms != 0)
		json_object_set_new(row, "idle",
				    json_real((double)(dp_flow_now_ms(l->d->vs->dp) -
						       counts->used_ms + 100) /
					      1000));
	return row;
}

/* Which switch and which rules; 'table' counts where the text names none. */
static int ask(void *ctx, const json_t *params, struct listing *l, struct err *err)
{
	const char *text = param(params, "flow");
	json_t *table = json_object_get(params, "table");
	struct of_text_error text_err = {0};
	struct of_flow_mod mod;
	int rc;

	*l = (struct listing){.d = ctx};
	l->names =
		(struct vs_flow_names){.d = ctx, .sw = vs_cmd_switch(ctx, params, "switch", err)};
	l->ports = vs_flow_text_ports(&l->names);
	if (l->names.sw == NULL)
		return err->code;
	rc = of_text_flow_parse(text != NULL ? text : "", 1, OFPFC_DELETE, &l->ports, &mod,
				&text_err);
	if (rc != 0)
		return rc == -EINVAL ? vs_flow_bad_text(err, &text_err, NULL)
				     : err_set(err, rc, "no-memory", "no memory for the filter");
	l->filter = (struct of_flow_filter){.table = mod.table,
					    .out_port = mod.out_port,
					    .out_group = mod.out_group,
					    .cookie = mod.cookie,
					    .cookie_mask = mod.cookie_mask,
					    .match = mod.match};
	if (table != NULL && mod.table == OF_TABLE_ALL)
		l->filter.table = (uint8_t)json_integer_value(table);
	of_flow_mod_fini(&mod);
	l->flows = vs_switch_flows(l->d->vs, l->names.sw->name);
	l->rows = json_array();
	return 0;
}

/* ---- Order ---- */

struct sorted {
	json_t *row;
	double by; /* more comes first */
	json_int_t table, priority;
};

static int compare(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	if (x->by != y->by)
		return x->by > y->by ? -1 : 1;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return x->priority > y->priority ? -1 : x->priority < y->priority;
}

/* Most first; without a key as they are looked at: by table and priority.  Takes 'rows'. */
static json_t *sort(json_t *rows, const char *key)
{
	size_t n = json_array_size(rows);
	struct sorted *v = calloc(n + 1, sizeof(*v));
	json_t *out = v != NULL ? json_array() : NULL;

	if (out == NULL) {
		free(v);
		return rows;
	}
	for (size_t i = 0; i < n; i++) {
		json_t *row = json_array_get(rows, i);

		v[i].row = row;
		v[i].table = json_integer_value(json_object_get(row, "table"));
		v[i].priority = json_integer_value(json_object_get(row, "priority"));
		if (key == NULL || strcmp(key, "table") == 0)
			continue;
		v[i].by = json_number_value(json_object_get(row, key));
		/* What was never used is idle for longest. */
		if (json_object_get(row, key) == NULL)
			v[i].by = 1e18;
	}
	qsort(v, n, sizeof(v[0]), compare);
	for (size_t i = 0; i < n; i++)
		json_array_append(out, v[i].row);
	free(v);
	json_decref(rows);
	return out;
}

/* ---- flow list ---- */

static void list_one(const struct vs_rule *rule, void *arg)
{
	const struct listing *l = arg;
	struct dp_flow_counts counts;

	vs_rule_counts(l->flows, rule, &counts);
	json_array_append_new(l->rows, row_of(l, rule, &counts));
}

/* As 'flow load' and 'flow replace' read it. */
static void raw_one(const struct vs_rule *rule, void *arg)
{
	struct listing *l = arg;
	struct rd rd = rd_init(rule->match, rule->match_size);
	struct of_flow_mod mod = {.command = OFPFC_ADD,
				  .table = rule->table,
				  .priority = rule->priority,
				  .cookie = rule->cookie,
				  .idle_timeout = rule->idle_timeout,
				  .hard_timeout = rule->hard_timeout,
				  .flags = rule->flags,
				  .out_port = OFPP_ANY,
				  .out_group = OF_GROUP_ANY,
				  .instrs = rule->instrs};

	if (of_match_decode(&rd, &mod.match) != OF_OK)
		return;
	of_text_flow_print(&l->raw, &mod, &l->ports);
	wr_u8(&l->raw, '\n');
}

static int flow_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	bool raw = json_is_true(json_object_get(params, "raw"));
	struct listing l;
	int rc = ask(ctx, params, &l, err);

	if (rc != 0)
		return rc;
	l.raw = wr_init(RAW_LIMIT);
	if (l.flows != NULL)
		vs_flows_each(l.flows, &l.filter, raw ? raw_one : list_one, &l);
	else if (raw)
		wr_bytes(&l.raw, "actions=NORMAL\n", 15); /* what it starts with */
	*ret = json_pack("{so}", "flows", sort(l.rows, param(params, "sort")));
	if (raw)
		json_object_set_new(*ret, "text", text_of(&l.raw));
	return 0;
}

/* ---- flow unused ---- */

static void unused_one(const struct vs_rule *rule, void *arg)
{
	const struct listing *l = arg;
	struct dp_flow_counts counts;
	uint64_t now_ms = dp_flow_now_ms(l->d->vs->dp);

	if (vs_rule_age_ms(l->flows, rule) < l->unused_ms)
		return;
	vs_rule_counts(l->flows, rule, &counts);
	if (counts.used_ms != 0 && counts.used_ms + l->unused_ms > now_ms)
		return;
	json_array_append_new(l->rows, row_of(l, rule, &counts));
}

static int flow_unused(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	json_t *since = json_object_get(params, "since");
	struct listing l;
	int rc = ask(ctx, params, &l, err);

	if (rc != 0)
		return rc;
	l.unused_ms = since != NULL ? (uint64_t)json_integer_value(since) : UNUSED_MS;
	if (l.flows != NULL)
		vs_flows_each(l.flows, &l.filter, unused_one, &l);
	*ret = json_pack("{so}", "flows", sort(l.rows, "idle"));
	return 0;
}

/* ---- flow shadowed ---- */

static void shadowed_row(const struct listing *l, const struct vs_rule *rule, const char *why)
{
	struct dp_flow_counts counts;
	json_t *row;

	vs_rule_counts(l->flows, rule, &counts);
	row = row_of(l, rule, &counts);
	json_object_set_new(row, "why", json_string(why));
	json_array_append_new(l->rows, row);
}

static void say_by(const struct listing *l, const struct vs_rule *by, bool alone, char *text,
		   size_t size)
{
	struct wr wr = wr_init(TEXT_LIMIT);
	struct rd rd = rd_init(by->match, by->match_size);
	struct of_match match;

	if (of_match_decode(&rd, &match) == OF_OK)
		of_text_match_print(&wr, &match, &l->ports);
	snprintf(text, size, "%spriority=%u %.*s", alone ? "under " : "under several, one is ",
		 by->priority, wr_ok(&wr) ? (int)wr.size : 0, (const char *)wr.bytes);
	wr_fini(&wr);
}

static void look_at(const struct listing *l, const bool *reached, const struct vs_rule *rule)
{
	const struct vs_rule *by = NULL;
	char text[400];
	bool alone;

	if (!reached[rule->table]) {
		snprintf(text, sizeof(text), "no goto_table leads to table %u", rule->table);
		shadowed_row(l, rule, text);
	} else if (vs_rule_is_shadowed(l->flows, rule, &by, &alone)) {
		say_by(l, by, alone, text, sizeof(text));
		shadowed_row(l, rule, text);
	}
}

/* As many as the time allows.  Returns how many rules it has come to, from the first on. */
static unsigned look_at_all(struct listing *l, unsigned from, bool *ret_over)
{
	uint64_t end_ns = clock_mono_ns() + SHADOW_MS * UINT64_C(1000000);
	struct vs_flow_walk *walk = NULL;
	bool reached[VS_FLOW_TABLES];
	unsigned n = 0;

	vs_flows_reachable(l->flows, reached);
	*ret_over = true;
	if (vs_flow_walk_create(l->flows, &l->filter, &walk) != 0)
		return 0;
	while (!vs_flow_walk_over(walk)) {
		unsigned looks = 1024;
		const struct vs_rule *rule = vs_flow_walk_next(walk, &looks);

		if (rule != NULL && n++ >= from)
			look_at(l, reached, rule);
		if (n > from && clock_mono_ns() > end_ns)
			break;
	}
	*ret_over = vs_flow_walk_over(walk);
	vs_flow_walk_destroy(walk);
	return n;
}

static int flow_shadowed(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			 struct err *err)
{
	unsigned from = (unsigned)json_integer_value(json_object_get(params, "from")), n = 0;
	struct listing l;
	bool over = true;
	int rc = ask(ctx, params, &l, err);

	if (rc != 0)
		return rc;
	if (l.flows != NULL)
		n = look_at_all(&l, from, &over);
	*ret = json_pack("{so si sb}", "flows", sort(l.rows, "table"), "looked_at", (int)n, "all",
			 over);
	return 0;
}

const struct ctl_binding vs_cmd_flow_reads[] = {
	{"flow", "list", flow_list},
	{"flow", "unused", flow_unused},
	{"flow", "shadowed", flow_shadowed},
	{NULL, NULL, NULL},
};

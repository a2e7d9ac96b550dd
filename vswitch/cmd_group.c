/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups and meters by hand: 'group ...', 'meter ...'; see cmd.h.  They are written as ovs-ofctl
 * writes them (of/text.h).
 */
#include "vswitch/cmd.h"
#include "vswitch/flow_names.h"
#include "vswitch/groups.h"
#include "vswitch/meters.h"
#include "vswitch/switch_flows.h"

#include "ctl/base/wire.h"

#include <errno.h>

#define TEXT_LIMIT (1u << 20)

static const char *param(const json_t *params, const char *key)
{
	const char *text = json_string_value(json_object_get(params, key));

	return text != NULL ? text : "";
}

static int bad_text(struct err *err, int rc, const struct of_text_error *e, const char *noun)
{
	if (rc != -EINVAL)
		return err_set(err, rc, "no-memory", "no memory for the %s", noun);
	err_set(err, rc, "flow-syntax", "column %u: %s", e->column, e->what);
	err_why(err, "a %s is written as for ovs-ofctl", noun);
	err_fix(err, "vswitchctl %s add --help shows examples; docs/flows.md says all", noun);
	return rc;
}

static int refused(struct err *err, enum of_error error, const char *noun)
{
	int rc = -EINVAL;

	if (error == OF_ERROR_NO_MEMORY)
		rc = -ENOMEM;
	else if (error == OFPGMFC_GROUP_EXISTS || error == OFPMMFC_METER_EXISTS)
		rc = -EEXIST;
	else if (error == OFPGMFC_UNKNOWN_GROUP || error == OFPMMFC_UNKNOWN_METER)
		rc = -ENOENT;
	else if (error == OFPGMFC_OUT_OF_GROUPS || error == OFPMMFC_OUT_OF_METERS)
		rc = -ENOSPC;
	err_set(err, rc, "flow-refused", "the %s is refused: %s", noun, of_error_text(error));
	err_why(err, "OpenFlow's error %s; nothing was changed", of_error_name(error));
	return rc;
}

/* When the command returns, packets follow it. */
static int end(struct vs_flows *flows, enum of_error error, const char *noun, json_t **ret,
	       struct err *err)
{
	if (error != OF_OK) {
		vs_flows_abort(flows);
		return refused(err, error, noun);
	}
	vs_flows_commit(flows);
	vs_flows_barrier(flows);
	*ret = json_object();
	return 0;
}

static json_t *text_of(struct wr *wr)
{
	bool any = wr_ok(wr) && wr->size != 0;
	json_t *text = any ? json_stringn((const char *)wr->bytes, wr->size) : json_string("");

	wr_fini(wr);
	return text;
}

/* ---- Groups ---- */

static int group_change(struct vs_daemon *d, const json_t *params, uint16_t command, json_t **ret,
			struct err *err)
{
	struct vs_flow_names names = {.d = d, .sw = vs_cmd_switch(d, params, "switch", err)};
	struct of_text_ports ports = vs_flow_text_ports(&names);
	struct of_text_error text_err = {0};
	struct of_group_mod mod;
	struct vs_flows *flows;
	int rc;

	if (names.sw == NULL)
		return err->code;
	rc = of_text_group_parse(param(params, "group"), 1, command, &ports, &mod, &text_err);
	if (rc != 0)
		return bad_text(err, rc, &text_err, "group");
	rc = vs_switch_flows_need(d->vs, names.sw->name, &flows, err);
	if (rc == 0) {
		vs_flows_begin(flows);
		rc = end(flows, vs_flows_group_mod(flows, &mod), "group", ret, err);
	}
	of_group_fini(&mod.group);
	return rc;
}

static int group_add(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	return group_change(ctx, params, OFPGC_ADD, ret, err);
}

static int group_mod(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	return group_change(ctx, params, OFPGC_MODIFY, ret, err);
}

static int group_del(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	return group_change(ctx, params, OFPGC_DELETE, ret, err);
}

struct listing {
	const struct vs_flows *flows;
	const struct of_text_ports *ports;
	json_t *rows;
};

static void list_group(struct vs_group *group, void *arg)
{
	const struct listing *l = arg;
	struct wr text = wr_init(TEXT_LIMIT);
	struct dp_flow_counts counts;
	uint64_t age_ms = vs_group_counts(l->flows, group, &counts, NULL);

	of_text_group_print(&text, &group->of, l->ports);
	json_array_append_new(l->rows,
			      json_pack("{sI sI sI sI sf so}", "id", (json_int_t)group->of.id,
					"used_by", (json_int_t)group->n_refs, "packets",
					(json_int_t)counts.packets, "bytes",
					(json_int_t)counts.bytes, "age", (double)age_ms / 1000,
					"group", text_of(&text)));
}

static void list_buckets(struct vs_group *group, void *arg)
{
	static struct of_bucket_counter buckets[VS_MAX_BUCKETS]; /* one thread */
	const struct listing *l = arg;
	struct dp_flow_counts counts;

	(void)vs_group_counts(l->flows, group, &counts, buckets);
	for (size_t i = 0; i < group->of.n_buckets; i++) {
		struct wr text = wr_init(TEXT_LIMIT);

		of_text_actions_print(&text, &group->of.buckets[i].actions, l->ports);
		json_array_append_new(l->rows,
				      json_pack("{sI sI sI sI so}", "id", (json_int_t)group->of.id,
						"bucket", (json_int_t)i, "packets",
						(json_int_t)buckets[i].n_packets, "bytes",
						(json_int_t)buckets[i].n_bytes, "actions",
						text_of(&text)));
	}
}

/* Rows of the groups of a switch: 'fn' adds them. */
static int group_rows(struct vs_daemon *d, const json_t *params, const char *key, vs_group_fn fn,
		      json_t **ret, struct err *err)
{
	struct vs_flow_names names = {.d = d, .sw = vs_cmd_switch(d, params, "switch", err)};
	struct of_text_ports ports = vs_flow_text_ports(&names);
	struct listing l = {.ports = &ports};
	struct vs_flows *flows;

	if (names.sw == NULL)
		return err->code;
	flows = vs_switch_flows(d->vs, names.sw->name);
	l.rows = json_array();
	l.flows = flows;
	if (flows != NULL) {
		vs_flows_count_refs(flows);
		(void)vs_groups_each(vs_flows_groups(flows), fn, &l);
	}
	*ret = json_pack("{so}", key, l.rows);
	return 0;
}

static int group_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	return group_rows(ctx, params, "groups", list_group, ret, err);
}

static int group_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	return group_rows(ctx, params, "buckets", list_buckets, ret, err);
}

/* ---- Meters ---- */

static int meter_change(struct vs_daemon *d, const json_t *params, uint16_t command, json_t **ret,
			struct err *err)
{
	const struct vs_switch *sw = vs_cmd_switch(d, params, "switch", err);
	struct of_text_error text_err = {0};
	struct of_meter_mod mod;
	struct vs_flows *flows;
	int rc;

	if (sw == NULL)
		return err->code;
	rc = of_text_meter_parse(param(params, "meter"), 1, command, &mod, &text_err);
	if (rc != 0)
		return bad_text(err, rc, &text_err, "meter");
	rc = vs_switch_flows_need(d->vs, sw->name, &flows, err);
	if (rc == 0) {
		vs_flows_begin(flows);
		rc = end(flows, vs_flows_meter_mod(flows, &mod), "meter", ret, err);
	}
	of_meter_fini(&mod.meter);
	return rc;
}

static int meter_add(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	return meter_change(ctx, params, OFPMC_ADD, ret, err);
}

static int meter_mod(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	return meter_change(ctx, params, OFPMC_MODIFY, ret, err);
}

static int meter_del(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	return meter_change(ctx, params, OFPMC_DELETE, ret, err);
}

static void list_meter(struct vs_meter *meter, void *arg)
{
	const struct listing *l = arg;
	struct wr text = wr_init(TEXT_LIMIT);
	struct dp_flow_counts counts;
	uint64_t age_ms = vs_meter_counts(l->flows, meter, &counts, NULL);

	of_text_meter_print(&text, &meter->of);
	json_array_append_new(l->rows,
			      json_pack("{sI sI sI sI sf so}", "id", (json_int_t)meter->of.id,
					"flows", (json_int_t)meter->n_flows, "packets",
					(json_int_t)counts.packets, "bytes",
					(json_int_t)counts.bytes, "age", (double)age_ms / 1000,
					"meter", text_of(&text)));
}

static void list_bands(struct vs_meter *meter, void *arg)
{
	struct of_band_counter bands[DP_METER_BANDS];
	const struct listing *l = arg;
	struct dp_flow_counts counts;

	(void)vs_meter_counts(l->flows, meter, &counts, bands);
	for (size_t i = 0; i < meter->of.n_bands; i++) {
		const struct of_band *b = &meter->of.bands[i];

		json_array_append_new(
			l->rows, json_pack("{sI sI ss sI ss sI sI}", "id", (json_int_t)meter->of.id,
					   "band", (json_int_t)i, "type",
					   b->type == OFPMBT_DROP ? "drop" : "dscp_remark", "rate",
					   (json_int_t)b->rate, "unit",
					   (meter->of.flags & OFPMF_PKTPS) != 0 ? "pktps" : "kbps",
					   "packets", (json_int_t)bands[i].n_packets, "bytes",
					   (json_int_t)bands[i].n_bytes));
	}
}

static int meter_rows(struct vs_daemon *d, const json_t *params, const char *key, vs_meter_fn fn,
		      json_t **ret, struct err *err)
{
	const struct vs_switch *sw = vs_cmd_switch(d, params, "switch", err);
	struct listing l = {0};
	struct vs_flows *flows;

	if (sw == NULL)
		return err->code;
	flows = vs_switch_flows(d->vs, sw->name);
	l.rows = json_array();
	l.flows = flows;
	if (flows != NULL) {
		vs_flows_count_refs(flows);
		(void)vs_meters_each(vs_flows_meters(flows), fn, &l);
	}
	*ret = json_pack("{so}", key, l.rows);
	return 0;
}

static int meter_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	return meter_rows(ctx, params, "meters", list_meter, ret, err);
}

static int meter_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	return meter_rows(ctx, params, "bands", list_bands, ret, err);
}

const struct ctl_binding vs_cmd_groups[] = {
	{"group", "add", group_add},
	{"group", "mod", group_mod},
	{"group", "del", group_del},
	{"group", "list", group_list},
	{"group", "stats", group_stats},
	{"meter", "add", meter_add},
	{"meter", "mod", meter_mod},
	{"meter", "del", meter_del},
	{"meter", "list", meter_list},
	{"meter", "stats", meter_stats},
	{NULL, NULL, NULL},
};

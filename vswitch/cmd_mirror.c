/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at mirrors; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/conf.h"
#include "vswitch/mirrors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static void put_count(json_t *row, const char *key, uint64_t n)
{
	json_object_set_new(row, key, json_integer((json_int_t)n));
}

static json_t *of_json(const struct vs_mirror *mirror)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < mirror->n_ports; i++)
		json_array_append_new(list, json_sprintf("port %s", mirror->ports[i]->name));
	for (unsigned i = 0; i < mirror->n_tenants; i++)
		json_array_append_new(list, json_sprintf("tenant %s", mirror->tenants[i]->name));
	for (unsigned i = 0; i < mirror->n_switches; i++)
		json_array_append_new(list, json_sprintf("switch %s", mirror->switches[i]->name));
	return list;
}

static const char *direction_of(const struct vs_mirror *mirror)
{
	if (mirror->sides[DP_FILTER_INGRESS] && mirror->sides[DP_FILTER_EGRESS])
		return "both";
	return mirror->sides[DP_FILTER_INGRESS] ? "ingress" : "egress";
}

static void put_stats(json_t *row, const struct vs_mirror_stats *s)
{
	uint64_t lost = 0;

	for (int i = 0; i < DP_MIRROR_N_LOSSES; i++)
		lost += s->count.lost[i];
	put_count(row, "seen", s->count.seen);
	put_count(row, "filtered", s->count.filtered);
	put_count(row, "sampled_out", s->count.skipped);
	put_count(row, "duplicates", s->count.again);
	put_count(row, "copied", s->count.copied);
	put_count(row, "bytes", s->count.bytes);
	put_count(row, "truncated", s->count.truncated);
	put_count(row, "lost", lost);
	put_count(row, "target_drops", s->target_drops);
}

static json_t *mirror_row(const struct vs_daemon *d, const struct vs_mirror *mirror,
			  struct vs_mirror_stats *ret_stats)
{
	char to[200];
	json_t *row;

	(void)vs_mirror_stats(d->vs, mirror, ret_stats);
	vs_mirror_target_text(mirror, to, sizeof(to));
	row = json_pack("{ss so ss ss ss ss si}", "name", mirror->name, "of", of_json(mirror),
			"direction", direction_of(mirror), "to", to, "state",
			ret_stats->waits ? "waits" : "copies", "note", ret_stats->reason, "ports",
			(int)ret_stats->n_ports);
	put_stats(row, ret_stats);
	return row;
}

static int mirror_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_mirrors_conf *conf = vs_mirrors_of(d->vs->model);
	const char *name = param(params, "name");
	json_t *rows;

	if (name != NULL && vs_model_mirror(d->vs->model, name) == NULL)
		return conf_refuse_missing(conf_state(d->conf), "mirror", name, "", err);
	dp_count_refresh(d->vs->dp);
	rows = json_array();
	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		struct vs_mirror_stats stats;

		if (name == NULL || strcmp(name, conf->v[i].name) == 0)
			json_array_append_new(rows, mirror_row(d, &conf->v[i], &stats));
	}
	*ret = json_pack("{so}", "mirrors", rows);
	return 0;
}

/* Every port that it looks at. */
static json_t *sources_json(const struct vs_daemon *d, const struct vs_mirror *mirror)
{
	const struct vs_model *m = d->vs->model;
	json_t *list = json_array();

	for (unsigned i = 0; i < m->n_ports; i++)
		if (vs_mirror_covers(m, mirror, &m->ports[i]))
			json_array_append_new(list, json_string(m->ports[i].name));
	return list;
}

static json_t *targets_json(const struct vs_daemon *d, const struct vs_mirror *mirror)
{
	const struct vs_model *m = d->vs->model;
	json_t *list = json_array();

	if (mirror->target != NULL)
		json_array_append_new(list, json_string(mirror->target->name));
	for (unsigned i = 0; i < m->n_ports; i++)
		if (vs_mirror_carries(mirror, &m->ports[i]))
			json_array_append_new(list, json_string(m->ports[i].name));
	return list;
}

static json_t *losses_json(const struct dp_mirror_count *count)
{
	json_t *rows = json_array();

	for (int i = 0; i < DP_MIRROR_N_LOSSES; i++) {
		enum dp_mirror_loss loss = (enum dp_mirror_loss)i;

		json_array_append_new(rows,
				      json_pack("{ss sI ss}", "reason", dp_mirror_loss_slug(loss),
						"lost", (json_int_t)count->lost[i], "text",
						dp_mirror_loss_text(loss)));
	}
	return rows;
}

static int mirror_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	const struct vs_daemon *d = ctx;
	const char *name = param(params, "name"), *key;
	const struct vs_mirror *mirror = vs_model_mirror(d->vs->model, name);
	struct vs_mirror_stats stats;
	json_t *row, *value;

	if (mirror == NULL)
		return conf_refuse_missing(conf_state(d->conf), "mirror", name, "", err);
	dp_count_refresh(d->vs->dp);
	row = mirror_row(d, mirror, &stats);
	json_object_foreach((json_t *)(uintptr_t)mirror->body, key, value) {
		if (json_object_get(row, key) == NULL)
			json_object_set(row, key, value);
	}
	json_object_set_new(row, "source_ports", sources_json(d, mirror));
	json_object_set_new(row, "target_ports", targets_json(d, mirror));
	json_object_set_new(row, "losses", losses_json(&stats.count));
	*ret = row;
	return 0;
}

const struct ctl_binding vs_cmd_mirrors[] = {
	{"mirror", "list", mirror_list},
	{"mirror", "stats", mirror_list},
	{"mirror", "show", mirror_show},
	{NULL, NULL, NULL},
};

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What captures say about themselves; see capture.h.  Control thread.
 */
#include "filters/capture_priv.h"

#include <stdlib.h>
#include <string.h>

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void filter_iface_sum(const struct filter_iface *iface, struct filter_capture_stats *sum)
{
	for (unsigned i = 0; i < FILTER_MAX_WORKERS; i++) {
		const struct filter_count *count = &iface->counts[i];

		sum->seen += load(&count->seen);
		sum->filtered += load(&count->filtered);
		sum->kept += load(&count->kept);
		sum->lost_ring += load(&count->lost_ring);
		sum->lost_budget += load(&count->lost_budget);
	}
}

void filter_capture_sum(const struct filter_capture *c, struct filter_capture_stats *ret)
{
	unsigned n = atomic_load_explicit(&c->n_ifaces, memory_order_relaxed);

	memset(ret, 0, sizeof(*ret));
	ret->captured = load(&c->captured);
	ret->bytes = load(&c->bytes);
	ret->files = atomic_load_explicit(&c->files, memory_order_relaxed);
	for (unsigned i = 0; i < n; i++)
		filter_iface_sum(c->ifaces[i], ret);
}

struct filter_capture *filter_capture_find(struct filter_captures *set, const char *name)
{
	for (unsigned i = 0; i < set->n_running; i++)
		if (strcmp(set->running[i]->name, name) == 0)
			return set->running[i];
	for (unsigned i = 0; i < FILTER_KEPT_ENDED; i++)
		if (set->ended[i] != NULL && strcmp(set->ended[i]->name, name) == 0)
			return set->ended[i];
	return NULL;
}

void filter_capture_info(const struct filter_capture *c, struct filter_capture_info *ret_info)
{
	int state = atomic_load_explicit(&c->state, memory_order_acquire);

	*ret_info = (struct filter_capture_info){
		.name = c->name,
		.state = (enum filter_capture_state)state,
		.reason = state == FILTER_CAPTURE_ENDED ? c->reason : "",
		.error = state == FILTER_CAPTURE_ENDED ? c->error : 0,
	};
	if (c->reaped)
		ret_info->stats = c->final;
	else
		filter_capture_sum(c, &ret_info->stats);
}

static json_t *stages_json(unsigned stages)
{
	json_t *list = json_array();

	if ((stages & FILTER_CAPTURE_INGRESS) != 0)
		json_array_append_new(list, json_string("ingress"));
	if ((stages & FILTER_CAPTURE_EGRESS) != 0)
		json_array_append_new(list, json_string("egress"));
	if ((stages & FILTER_CAPTURE_DROP) != 0)
		json_array_append_new(list, json_string("drop"));
	return list;
}

static json_t *ports_json(const struct filter_capture *c)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < DP_MAX_PORTS; i++)
		if (c->iface_of_port[i] != FILTER_NO_IFACE)
			json_array_append_new(list,
					      json_string(c->ifaces[c->iface_of_port[i]]->name));
	return list;
}

static json_t *capture_json(const struct filter_capture *c)
{
	static const char *const states[] = {"running", "stopping", "ended"};
	struct filter_capture_info info;
	const struct filter_capture_stats *s = &info.stats;
	json_t *json = json_object();

	filter_capture_info(c, &info);
	json_object_set_new(json, "name", json_string(info.name));
	json_object_set_new(json, "state", json_string(states[info.state]));
	json_object_set_new(json, "reason", json_string(info.reason));
	json_object_set_new(json, "filter", json_string(c->expr));
	json_object_set_new(json, "engine",
			    json_string(filter_engine_name(filter_match_engine(c->match))));
	json_object_set_new(json, "stages", stages_json(c->stages));
	json_object_set_new(json, "ports", ports_json(c));
	json_object_set_new(json, "snaplen", json_integer(c->snaplen));
	json_object_set_new(json, "share", json_integer(c->share));
	json_object_set_new(json, "seen", json_integer((json_int_t)s->seen));
	json_object_set_new(json, "filtered", json_integer((json_int_t)s->filtered));
	json_object_set_new(json, "captured", json_integer((json_int_t)s->captured));
	json_object_set_new(json, "lost",
			    json_integer(
				    (json_int_t)(s->lost_ring + s->lost_budget + s->lost_output)));
	json_object_set_new(json, "lost_ring", json_integer((json_int_t)s->lost_ring));
	json_object_set_new(json, "lost_budget", json_integer((json_int_t)s->lost_budget));
	json_object_set_new(json, "lost_output", json_integer((json_int_t)s->lost_output));
	json_object_set_new(json, "bytes", json_integer((json_int_t)s->bytes));
	json_object_set_new(json, "files", json_integer(s->files));
	return json;
}

static int by_number(const void *a, const void *b)
{
	const struct filter_capture *const *x = a, *const *y = b;

	return (*x)->number < (*y)->number ? -1 : (*x)->number > (*y)->number;
}

json_t *filter_captures_list(const struct filter_captures *set)
{
	const struct filter_capture *all[FILTER_MAX_CAPTURES + FILTER_KEPT_ENDED];
	json_t *list = json_array();
	unsigned n = 0;

	for (unsigned i = 0; i < set->n_running; i++)
		all[n++] = set->running[i];
	for (unsigned i = 0; i < FILTER_KEPT_ENDED; i++)
		if (set->ended[i] != NULL)
			all[n++] = set->ended[i];
	qsort(all, n, sizeof(all[0]), by_number);
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(list, capture_json(all[i]));
	return list;
}

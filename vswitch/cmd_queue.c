/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at ports' queues; see cmd.h.
 */
#include "vswitch/cmd.h"
#include "vswitch/queues.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <string.h>

static json_t *rate(uint64_t bps)
{
	return bps != 0 ? json_integer((json_int_t)bps) : json_null();
}

static json_t *row_of(const struct vs_daemon *d, const struct vs_queue *q)
{
	const struct vs_queue_live *live = vs_queue_find(d->vs, q->port->name, q->spec.id);
	struct vs_queue_counts counts = {0};
	double age = 0;

	if (live != NULL) {
		vs_queue_read(d->vs, live, &counts);
		age = (double)(clock_mono_ns() - live->since_ns) / 1e9;
	}
	return json_pack("{ss sI ss so so sf sI sI sI sI sI sf sf}", "port", q->port->name, "id",
			 (json_int_t)q->spec.id, "switch", q->port->sw->name, "max_rate",
			 rate(q->spec.max_bps), "min_rate", rate(q->spec.min_bps), "age", age,
			 "packets", (json_int_t)counts.packets, "bytes", (json_int_t)counts.bytes,
			 "drops", (json_int_t)counts.drops, "marks", (json_int_t)counts.marks,
			 "waiting", (json_int_t)counts.waiting, "delay_mean_us",
			 counts.delay_mean_us, "delay_max_us", counts.delay_max_us);
}

static int no_queue(const char *port, json_int_t id, struct err *err)
{
	err_set(err, -ENOENT, "not-found", "port %s has no queue %lld", port, (long long)id);
	err_why(err, "frames that rules give this number leave as any other");
	err_fix(err, "vswitchctl queue list %s", port);
	return -ENOENT;
}

static int queue_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_model *m = d->vs->model;
	const char *port = json_string_value(json_object_get(params, "port"));
	const json_t *id = json_object_get(params, "id");
	json_t *rows;

	if (port != NULL && vs_cmd_port(d, params, "port", err) < 0)
		return -ENOENT;
	rows = json_array();
	for (unsigned i = 0; i < m->n_queues; i++) {
		const struct vs_queue *q = &m->queues[i];

		if ((port == NULL || strcmp(port, q->port->name) == 0) &&
		    (id == NULL || json_integer_value(id) == (json_int_t)q->spec.id))
			json_array_append_new(rows, row_of(d, q));
	}
	if (port != NULL && id != NULL && json_array_size(rows) == 0) {
		json_decref(rows);
		return no_queue(port, json_integer_value(id), err);
	}
	*ret = json_pack("{so}", "queues", rows);
	return 0;
}

const struct ctl_binding vs_cmd_queues[] = {
	{"queue", "list", queue_list},
	{"queue", "stats", queue_list},
	{NULL, NULL, NULL},
};

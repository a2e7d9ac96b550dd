/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See queues.h.
 */
#include "vswitch/queues.h"

#include "ctl/base/clock.h"
#include "vswitch/qos_live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By port and number. */
static int compare(const void *a, const void *b)
{
	const struct vs_queue_live *x = a, *y = b;
	int rc = strcmp(x->port, y->port);

	return rc != 0 ? rc : x->id < y->id ? -1 : x->id > y->id;
}

/* Among the first 'n', which are sorted. */
static struct vs_queue_live *find(const struct vs *vs, unsigned n, const char *port, uint32_t id)
{
	struct vs_queue_live key = {.id = id};

	snprintf(key.port, sizeof(key.port), "%s", port);
	return n != 0 ? bsearch(&key, vs->queues, n, sizeof(key), compare) : NULL;
}

const struct vs_queue_live *vs_queue_find(const struct vs *vs, const char *port, uint32_t id)
{
	return find(vs, vs->n_queues, port, id);
}

void vs_queue_read(const struct vs *vs, const struct vs_queue_live *live,
		   struct vs_queue_counts *ret_counts)
{
	struct vs_qos_class c = {0};
	struct dp_queue_counts n;

	dp_queue_read(live->queue, &n);
	if (live->port_id != DP_NO_PORT)
		(void)vs_qos_queue(vs, live->port_id, live->id, &c);
	*ret_counts = (struct vs_queue_counts){
		.packets = n.packets,
		.bytes = n.bytes,
		.drops = c.drops,
		.marks = c.marks,
		.waiting = c.waiting,
		.delay_mean_us = c.delay_mean_us,
		.delay_max_us = c.delay_max_us,
	};
}

/* ---- Those that there are ---- */

static bool same(const struct dp_queue_spec *a, const struct dp_queue_spec *b)
{
	return a->id == b->id && a->max_bps == b->max_bps && a->min_bps == b->min_bps;
}

/* It runs as 'spec' says; what it was stays with the views that have it. */
static int renew(struct vs *vs, struct vs_queue_live *live, const struct dp_queue_spec *spec)
{
	struct dp_queue *q;

	if (live->queue != NULL && same(dp_queue_spec(live->queue), spec))
		return 0;
	q = dp_queue_create(spec, live->queue);
	if (q == NULL)
		return -ENOMEM;
	dp_queue_unref(live->queue);
	live->queue = q;
	return 0;
}

static int add(struct vs *vs, const struct vs_queue *want)
{
	struct vs_queue_live *live = &vs->queues[vs->n_queues];

	*live = (struct vs_queue_live){.id = want->spec.id,
				       .port_id = DP_NO_PORT,
				       .since_ns = clock_mono_ns()};
	snprintf(live->port, sizeof(live->port), "%s", want->port->name);
	if (renew(vs, live, &want->spec) != 0)
		return -ENOMEM;
	vs->n_queues++;
	return 0;
}

/* Those of the model are there. */
static int need(struct vs *vs, const struct vs_model *m)
{
	unsigned n = vs->n_queues;
	struct vs_queue_live *v;
	int rc = 0;

	if (m->n_queues == 0)
		return 0;
	v = realloc(vs->queues, (n + m->n_queues) * sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	vs->queues = v;
	for (unsigned i = 0; rc == 0 && i < m->n_queues; i++) {
		const struct vs_queue *q = &m->queues[i];
		struct vs_queue_live *live = find(vs, n, q->port->name, q->spec.id);

		rc = live != NULL ? renew(vs, live, &q->spec) : add(vs, q);
	}
	qsort(vs->queues, vs->n_queues, sizeof(*v), compare);
	return rc;
}

/* ---- Views ---- */

/* 'n' queues of one port, from 'q' on. */
static int give(struct vs *vs, struct dp_vport *vport, const struct vs_queue *q, unsigned n)
{
	struct dp_port_queues *queues = calloc(1, sizeof(*queues) + n * sizeof(queues->v[0]));

	if (queues == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct vs_queue_live *live = find(vs, vs->n_queues, q[i].port->name, q[i].spec.id);

		if (live == NULL)
			continue;
		live->port_id = vport->id;
		queues->v[queues->n++] = dp_queue_ref(live->queue);
	}
	vport->queues = queues;
	return 0;
}

int vs_queues_compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		      struct dp_view *view)
{
	int rc = need(vs, m);

	for (unsigned i = 0, n; rc == 0 && i < m->n_queues; i += n) {
		uint16_t id = ids[m->queues[i].port - m->ports];

		for (n = 1; i + n < m->n_queues && m->queues[i + n].port == m->queues[i].port; n++)
			;
		if (id != DP_NO_PORT)
			rc = give(vs, view->vports[id], &m->queues[i], n);
	}
	return rc;
}

void vs_queues_release(struct dp_vport *vport)
{
	struct dp_port_queues *queues = (struct dp_port_queues *)(uintptr_t)vport->queues;

	for (uint16_t i = 0; queues != NULL && i < queues->n; i++)
		dp_queue_unref(queues->v[i]);
	free(queues);
}

void vs_queues_drop(struct vs *vs, const struct vs_model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < vs->n_queues; i++)
		vs->queues[i].wanted = false;
	for (unsigned i = 0; i < m->n_queues; i++) {
		const struct vs_queue *q = &m->queues[i];
		struct vs_queue_live *live = find(vs, vs->n_queues, q->port->name, q->spec.id);

		if (live != NULL)
			live->wanted = true;
	}
	for (unsigned i = 0; i < vs->n_queues; i++) {
		if (vs->queues[i].wanted)
			vs->queues[n++] = vs->queues[i];
		else
			dp_queue_unref(vs->queues[i].queue);
	}
	vs->n_queues = n;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Queues of ports in the model.
 */
#include "vswitch/model_priv.h"

#include "ctl/conf.h"

#include <errno.h>
#include <stdlib.h>

#define RATE_LEAST 1000u
#define RATE_MOST  UINT64_C(10000000000000) /* 10 Tb/s */

static int check_rate(const struct vs_queue *q, const char *option, uint64_t bps, struct err *err)
{
	if (bps == 0 || (bps >= RATE_LEAST && bps <= RATE_MOST))
		return 0;
	err_set(err, -EINVAL, "bad-rate", "queue %s: --%s must be 1k to 10000G bits a second",
		q->name, option);
	err_fix(err, "leave it out for none");
	return -EINVAL;
}

static int check_rates(const struct vs_queue *q, struct err *err)
{
	int rc = check_rate(q, "max-rate", q->spec.max_bps, err);

	if (rc == 0)
		rc = check_rate(q, "min-rate", q->spec.min_bps, err);
	if (rc != 0 || q->spec.max_bps == 0 || q->spec.min_bps <= q->spec.max_bps)
		return rc;
	err_set(err, -EINVAL, "bad-rate", "queue %s: its --min-rate is above its --max-rate",
		q->name);
	err_why(err, "it can never have what it is not allowed to have");
	err_fix(err, "lower --min-rate, or raise --max-rate");
	return -EINVAL;
}

/* Frames for these become other frames, which leave by another port. */
static int check_kind(const struct vs_queue *q, struct err *err)
{
	const struct vs_port *p = q->port;

	if (!vs_is_tunnel(p) && p->kind != VS_VTEP)
		return 0;
	err_set(err, -EINVAL, "no-queues", "port %s is a %s port, which has no queues", p->name,
		vs_port_kind_name(p->kind));
	err_why(err, "its frames leave by a port of the underlay, and keep their queue's number");
	err_fix(err, "add the queue to that port");
	return -EINVAL;
}

int vs_model_queue_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	struct vs_queue *q = &m->queues[m->n_queues++];
	const char *port = vs_body_str(body, "port");
	int rc;

	*q = (struct vs_queue){
		.name = name,
		.port = vs_model_port(m, port),
		.spec = {.id = (uint32_t)vs_body_number(body, "id", 0),
			 .max_bps = vs_body_number(body, "max_rate", 0),
			 .min_bps = vs_body_number(body, "min_rate", 0)},
	};
	if (q->port == NULL)
		return conf_refuse_missing(m->state, "port", port, "queue", err);
	rc = check_kind(q, err);
	return rc == 0 ? check_rates(q, err) : rc;
}

static int compare(const void *a, const void *b)
{
	const struct vs_queue *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return x->spec.id < y->spec.id ? -1 : x->spec.id > y->spec.id;
}

int vs_model_queues_check(struct vs_model *m, struct err *err)
{
	unsigned n = 0;

	qsort(m->queues, m->n_queues, sizeof(m->queues[0]), compare);
	for (unsigned i = 0; i < m->n_queues; i++) {
		const struct vs_queue *q = &m->queues[i];

		n = i > 0 && q->port == m->queues[i - 1].port ? n + 1 : 1;
		if (n <= DP_MAX_PORT_QUEUES)
			continue;
		err_set(err, -ENOSPC, "limit", "port %s: a port has %d queues at most",
			q->port->name, DP_MAX_PORT_QUEUES);
		err_fix(err, "vswitchctl queue list %s; queue remove %s ID", q->port->name,
			q->port->name);
		err_about(err, "queue", q->name);
		return -ENOSPC;
	}
	return 0;
}

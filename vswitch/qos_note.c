/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What keeps bandwidth from being what was asked for; see qos_live.h.
 */
#include "vswitch/qos_live.h"

#include <stdio.h>

static const struct vs_port *uplink_of(const struct vs_model *m, const struct vs_port *p)
{
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].kind == VS_PHYS && vs_qos_meets(m, &m->ports[i], p))
			return &m->ports[i];
	return NULL;
}

static bool has_port_at(const struct vs_model *m, const struct vs_port *uplink,
			const struct vs_tenant *t)
{
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].tenant == t && vs_qos_meets(m, uplink, &m->ports[i]))
			return true;
	return false;
}

/* Where the sender's ring is the device's, and not the machine's. */
static bool device_drops(const struct vs_port *p)
{
	return p->kind == VS_PHYS || p->kind == VS_TAP || p->kind == VS_HOST;
}

void vs_qos_note(const struct vs *vs, const struct vs_qos *q, char *text, size_t size)
{
	const struct vs_model *m = vs->model;

	text[0] = '\0';
	if (q->tenant != NULL && !has_port_at(m, q->port, q->tenant))
		snprintf(text, size, "tenant %s has no port that sends by %s", q->tenant->name,
			 q->port->name);
	else if (q->tenant == NULL && (q->from_min != 0 || q->from_weight != 1) &&
		 uplink_of(m, q->port) == NULL)
		snprintf(text, size, "switch %s has no uplink to share", q->port->sw->name);
	else if (q->tenant == NULL && q->from_max != 0 && device_drops(q->port))
		snprintf(text, size, "its device drops what comes above --from-max");
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What keeps bandwidth from being what was asked for; see qos_live.h.
 */
#include "vswitch/doctor_priv.h"
#include "vswitch/qos_live.h"
#include "vswitch/qos_tree.h"

#include <stdio.h>

static const struct vs_port *uplink_of(const struct vs_model *m, const struct vs_port *p)
{
	for (unsigned i = 0; i < m->n_ports; i++)
		if (vs_is_uplink(&m->ports[i]) && vs_qos_meets(m, &m->ports[i], p))
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
	return vs_is_uplink(p) || p->kind == VS_TAP || p->kind == VS_HOST;
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
	else if (q->tenant == NULL && (q->to_min != 0 || q->to_weight != 1) &&
		 vs_qos_share(m, q->port) == NULL)
		snprintf(text, size, "its tenant has no --to-max of which it could have part");
	else if (q->tenant == NULL && q->from_max != 0 && device_drops(q->port))
		snprintf(text, size, "its device drops what comes above --from-max");
}

/* ---- doctor ---- */

#define LONG_S 60u

static void add(json_t *rows, const struct vs_port *p, const char *found, const char *why,
		const char *fix)
{
	char check[100];

	snprintf(check, sizeof(check), "bandwidth of %s", p->name);
	vs_doctor_add(rows, check, "warn", found, why, fix);
}

static bool look_at(struct vs *vs, const struct vs_port *p, json_t *rows)
{
	uint16_t id = vs_port_id(vs, p->name);
	char found[160], fix[160];
	uint64_t bps;
	double scaled;
	bool any = false;

	if (id == DP_NO_PORT || !vs_qos_is_shaped(vs->model, p))
		return false;
	scaled = vs_qos_scaled(vs, id, &bps);
	if (vs_qos_over_s(vs, id) >= LONG_S) {
		snprintf(found, sizeof(found), "drops frames for %u seconds now",
			 vs_qos_over_s(vs, id));
		snprintf(fix, sizeof(fix), "vswitchctl qos stats %s; qos set %s --to-max MORE",
			 p->name, p->name);
		add(rows, p, found, "more is to leave by it than it may send", fix);
		any = true;
	}
	snprintf(fix, sizeof(fix), "vswitchctl qos list; qos set %s --to-max RATE", p->name);
	if (scaled < 1) {
		snprintf(found, sizeof(found),
			 "its link has %.0f Mbit/s, of which guarantees get %.0f %% of what was "
			 "asked for",
			 (double)bps / 1e6, scaled * 100);
		add(rows, p, found, "all that is guaranteed there is more than the link carries",
		    fix);
		any = true;
	}
	if (vs_is_uplink(p) && bps == 0) {
		add(rows, p, "nobody knows how fast it is",
		    "without a rate nothing waits there, so guarantees, weights and priority do "
		    "nothing",
		    fix);
		any = true;
	}
	return any;
}

void vs_doctor_qos(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;
	bool any = false;

	for (unsigned i = 0; i < m->n_ports; i++)
		any |= look_at(d->vs, &m->ports[i], rows);
	if (!any)
		vs_doctor_add(rows, "bandwidth", "ok", "nothing is asked for that cannot be", "",
			      "");
}

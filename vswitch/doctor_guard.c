/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'doctor', what it says of ports' guards; see doctor.c.  Control thread.
 */
#include "vswitch/doctor_priv.h"
#include "vswitch/guards_priv.h"

#include <inttypes.h>
#include <stdio.h>

/* So many violations are no machine's mishap. */
#define MANY_VIOLATIONS 1000u

static void violations(const struct vs_daemon *d, const struct vs_guard *g, json_t *rows)
{
	struct dp_guard_counts counts;
	uint64_t n = vs_guard_counts(d->vs, vs_port_id(d->vs, g->port->name), &counts);
	char check[100], found[120], fix[200];

	if (n < MANY_VIOLATIONS)
		return;
	snprintf(check, sizeof(check), "guards of %s", g->port->name);
	snprintf(found, sizeof(found), "%" PRIu64 " violations", n);
	snprintf(fix, sizeof(fix),
		 "vswitchctl guard show %s; vswitchctl events %s. Cut the machine off, or allow "
		 "what it must do",
		 g->port->name, g->port->name);
	vs_doctor_add(rows, check, "warn", found,
		      "the machine behind it attacks, or does what its guards do not know of", fix);
}

/* Frames of all the rest of the network come in by it. */
static void uplink(const struct vs_guard *g, json_t *rows)
{
	char check[100], fix[120];

	if (g->port->kind != VS_PHYS || g->profile != VS_GUARD_VM)
		return;
	snprintf(check, sizeof(check), "guards of %s", g->port->name);
	snprintf(fix, sizeof(fix), "vswitchctl guard set %s --profile uplink", g->port->name);
	vs_doctor_add(
		rows, check, "warn", "an uplink has the guards of a VM",
		"behind it there are many machines, the DHCP server and the router among them",
		fix);
}

/* Has a port that learns addresses nobody to learn them from? */
static void trust(const struct vs_guard_conf *conf, const struct vs_switch *sw, json_t *rows)
{
	const struct vs_guard *learns = NULL;
	char check[100], found[160], fix[160];

	for (unsigned i = 0; i < conf->n; i++) {
		const struct vs_guard *g = &conf->guards[i];

		if (g->port->sw != sw)
			continue;
		if (g->value[VS_GUARD_TRUSTED] == VS_GUARD_ON)
			return;
		if (g->value[VS_GUARD_IP] == VS_GUARD_LEARNED)
			learns = g;
	}
	if (learns == NULL)
		return;
	snprintf(check, sizeof(check), "addresses on %s", sw->name);
	snprintf(found, sizeof(found), "port %s learns its address, and no port of %s is trusted",
		 learns->port->name, sw->name);
	snprintf(fix, sizeof(fix),
		 "vswitchctl guard set PORT --trusted on, for the port of the "
		 "DHCP server");
	vs_doctor_add(rows, check, "fail", found,
		      "nobody's lease is believed, so the machine cannot send an IPv4 packet", fix);
}

static void held(const struct vs_daemon *d, const struct vs_port *p, json_t *rows)
{
	char check[100], fix[160];

	if ((d->vs->held[vs_port_id(d->vs, p->name)] & VS_HELD_BPDU) == 0)
		return;
	snprintf(check, sizeof(check), "port %s", p->name);
	snprintf(fix, sizeof(fix), "end the bridge behind it, then: vswitchctl guard reset %s",
		 p->name);
	vs_doctor_add(rows, check, "fail", "its BPDU guard holds it",
		      "a bridge protocol frame came in by it, so there is a bridge behind it", fix);
}

void vs_doctor_guards(struct vs_daemon *d, json_t *rows)
{
	const struct vs_model *m = d->vs->model;
	const struct vs_guard_conf *conf = m->policy[VS_POLICY_GUARD];

	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		violations(d, &conf->guards[i], rows);
		uplink(&conf->guards[i], rows);
		held(d, conf->guards[i].port, rows);
	}
	for (unsigned i = 0; conf != NULL && i < m->n_switches; i++)
		trust(conf, &m->switches[i], rows);
}

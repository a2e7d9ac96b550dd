/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'switch verify'.  What a frame may do is decided by two things alone when it leaves (l2.c
 * may_leave, flood.c receives): the domain and the VLAN that carries it.  Both are fixed at ingress
 * from the port and the tag, and so is what a private port asks besides (dp_private_takes): that
 * the two ports accept each other; and protected ports (dp_protected_takes) never do.  So the set
 * of (domain, VLAN) that a port can produce, met with the set that another accepts, is every path
 * there can be: if the meeting is empty, no address table, whatever is in it, leads from one to the
 * other.  The proof reads the view that workers are running, not the configuration it was compiled
 * from.
 */
#include "vswitch/verify.h"

#include "vswitch/mirrors.h"

#include "vswitch/guards.h"

#include <stdio.h>
#include <string.h>

/* VLANs that frames from 'in' can be carried on. */
static void produces(const struct dp_vport *in, uint64_t *ret_set)
{
	memset(ret_set, 0, DP_VLAN_WORDS * sizeof(*ret_set));
	if ((in->flags & DP_VP_TAGGED_IN) != 0)
		memcpy(ret_set, in->vlan_in, DP_VLAN_WORDS * sizeof(*ret_set));
	if ((in->flags & DP_VP_UNTAGGED_IN) != 0)
		dp_vlan_add(ret_set, in->pvid);
}

static bool meet(const uint64_t *a, const uint64_t *b)
{
	for (unsigned i = 0; i < DP_VLAN_WORDS; i++)
		if ((a[i] & b[i]) != 0)
			return true;
	return false;
}

static bool accepts_domain(const struct dp_vport *out, uint16_t domain)
{
	if (domain == DP_NO_DOMAIN)
		return false;
	return out->domain == domain ||
	       (out->wire != NULL && out->wire->vlan_of_domain[domain] != DP_NO_VLAN);
}

/* Is there a domain that 'in' can put a frame into and 'out' takes frames from? */
static bool domains_meet(const struct dp_vport *in, const struct dp_vport *out)
{
	if (accepts_domain(out, in->domain))
		return true;
	for (unsigned v = 1; in->wire != NULL && v < DP_VLANS; v++)
		if (in->wire->domain_of_vlan[v] != DP_NO_DOMAIN &&
		    accepts_domain(out, in->wire->domain_of_vlan[v]))
			return true;
	return false;
}

bool vs_can_reach(const struct dp_view *view, const struct dp_vport *in, const struct dp_vport *out)
{
	uint64_t set[DP_VLAN_WORDS];

	/* What goes to a mirror's target is not what goes by the switch: see exceptions(). */
	if (in == out || ((in->flags | out->flags) & DP_VP_MIRROR_ONLY) != 0 ||
	    !domains_meet(in, out))
		return false;
	produces(in, set);
	return meet(set, out->vlan_out) && dp_private_takes(out, in) && dp_protected_takes(out, in);
}

/* Do the ports have a tenant in common, an uplink's shared tenants included? */
static bool share_tenant(const struct vs_port *a, const struct vs_port *b)
{
	if (a->tenant == b->tenant)
		return true;
	for (unsigned i = 0; i < a->n_shared; i++) {
		if (a->shared[i].tenant == b->tenant)
			return true;
		for (unsigned k = 0; k < b->n_shared; k++)
			if (a->shared[i].tenant == b->shared[k].tenant)
				return true;
	}
	for (unsigned k = 0; k < b->n_shared; k++)
		if (b->shared[k].tenant == a->tenant)
			return true;
	return false;
}

/* The checks, each proved for each switch. */
enum check { CHECK_TENANTS, CHECK_SWITCHES, CHECK_HOST, CHECK_WIRE, CHECK_PROTECTED, N_CHECKS };

static const char *const check_names[N_CHECKS] = {
	[CHECK_TENANTS] = "no two tenants meet",
	[CHECK_SWITCHES] = "no other switch is reached",
	[CHECK_HOST] = "the host is not reached",
	[CHECK_WIRE] = "no wire is reached",
	[CHECK_PROTECTED] = "no two protected ports meet",
};

struct proof {
	const struct vs *vs;
	unsigned pairs, reachable;
	unsigned broken[N_CHECKS];
	char example[N_CHECKS][160];
};

static void broken(struct proof *proof, enum check check, const struct vs_port *a,
		   const struct vs_port *b)
{
	if (proof->broken[check]++ == 0)
		snprintf(proof->example[check], sizeof(proof->example[check]), "%s can send to %s",
			 a->name, b->name);
}

static bool is_protected(const struct vs_model *m, const struct vs_port *p)
{
	const struct vs_guard *g = vs_guard_of(m, p);

	return g != NULL && g->value[VS_GUARD_PROTECTED] == VS_GUARD_ON;
}

static bool has_protected(const struct vs_model *m, const struct vs_switch *sw)
{
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].sw == sw && is_protected(m, &m->ports[i]))
			return true;
	return false;
}

static void prove_pair(struct proof *proof, const struct vs_port *a, const struct vs_port *b)
{
	const struct dp_view *view = dp_view(proof->vs->dp);
	const struct dp_vport *in = view->vports[vs_port_id(proof->vs, a->name)];
	const struct dp_vport *out = view->vports[vs_port_id(proof->vs, b->name)];

	proof->pairs++;
	if (in == NULL || out == NULL || !vs_can_reach(view, in, out))
		return;
	proof->reachable++;
	if (a->sw != b->sw)
		broken(proof, CHECK_SWITCHES, a, b);
	if (!share_tenant(a, b))
		broken(proof, CHECK_TENANTS, a, b);
	if ((out->flags & DP_VP_REACHES_HOST) != 0)
		broken(proof, CHECK_HOST, a, b);
	if ((out->flags & DP_VP_REACHES_WIRE) != 0)
		broken(proof, CHECK_WIRE, a, b);
	if (is_protected(proof->vs->model, a) && is_protected(proof->vs->model, b))
		broken(proof, CHECK_PROTECTED, a, b);
}

/* What a switch promises. */
static bool promised(const struct vs_model *m, const struct vs_switch *sw, enum check check)
{
	enum vs_switch_type type = sw->type;

	return (check == CHECK_PROTECTED && has_protected(m, sw)) || check == CHECK_TENANTS ||
	       check == CHECK_SWITCHES || (check == CHECK_HOST && type == VS_PRIVATE) ||
	       (check == CHECK_WIRE && type != VS_EXTERNAL);
}

static bool prove_switch(const struct vs *vs, const struct vs_switch *sw, json_t *rows)
{
	struct proof proof = {.vs = vs};
	const struct vs_model *m = vs->model;
	bool ok = true;

	for (unsigned i = 0; i < m->n_ports; i++)
		for (unsigned j = 0; m->ports[i].sw == sw && j < m->n_ports; j++)
			if (i != j)
				prove_pair(&proof, &m->ports[i], &m->ports[j]);
	for (int c = 0; c < N_CHECKS; c++) {
		char detail[256];

		if (!promised(m, sw, (enum check)c))
			continue;
		snprintf(detail, sizeof(detail), "%u pairs of ports, %u can talk%s%s", proof.pairs,
			 proof.reachable, proof.broken[c] != 0 ? "; " : "", proof.example[c]);
		json_array_append_new(rows, json_pack("{ss ss sb ss}", "switch", sw->name, "check",
						      check_names[c], "ok", proof.broken[c] == 0,
						      "detail", detail));
		ok &= proof.broken[c] == 0;
	}
	return ok;
}

/* ---- Mirrors: who sees frames that are not its own, because somebody said so ---- */

/* Names, with commas, as many as there is room for. */
static void put_port(char *text, size_t size, const struct vs_port *p)
{
	size_t n = strlen(text);
	char name[160];

	snprintf(name, sizeof(name), "%s%s%s%s", p->name, p->tenant != NULL ? " (tenant " : "",
		 p->tenant != NULL ? p->tenant->name : "", p->tenant != NULL ? ")" : "");

	if (n + strlen(name) + 8 < size)
		snprintf(text + n, size - n, "%s%s", n == 0 ? "" : ", ", name);
	else if (n + 5 < size && strcmp(text + n - 2, "..") != 0)
		snprintf(text + n, size - n, ", ..");
}

static const char *place_of(const struct vs_mirror *mirror, char *text, size_t size)
{
	const struct vs_tenant *tenant = vs_mirror_target_tenant(mirror);
	const struct vs_port *p = mirror->target;
	char to[200];

	vs_mirror_target_text(mirror, to, sizeof(to));
	if (mirror->kind == DP_MIRROR_TO_VLAN)
		snprintf(text, size, "%s", to);
	else
		snprintf(text, size, "%s%s%s (%s%s%s%s)", to,
			 mirror->kind == DP_MIRROR_TO_IP ? " by port " : "",
			 mirror->kind == DP_MIRROR_TO_IP ? mirror->to : "",
			 p != NULL ? "switch " : "not there", p != NULL ? p->sw->name : "",
			 p == NULL	  ? ""
			 : tenant != NULL ? ", tenant "
					  : ", no tenant",
			 p != NULL && tenant != NULL ? tenant->name : "");
	return text;
}

/* Every mirror that copies frames of the switch is a named exception to what was proved. */
static void exceptions(const struct vs *vs, const struct vs_switch *sw, json_t *rows)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(vs->model);

	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		const struct vs_mirror *mirror = &conf->v[i];
		char check[80], ports[200] = "", place[320], detail[640];

		for (unsigned k = 0; k < vs->model->n_ports; k++)
			if (vs->model->ports[k].sw == sw &&
			    vs_mirror_covers(vs->model, mirror, &vs->model->ports[k]))
				put_port(ports, sizeof(ports), &vs->model->ports[k]);
		if (ports[0] == '\0')
			continue;
		snprintf(check, sizeof(check), "but for mirror %.60s", mirror->name);
		snprintf(detail, sizeof(detail), "frames of %s are copied to %s", ports,
			 place_of(mirror, place, sizeof(place)));
		json_array_append_new(rows, json_pack("{ss ss sb ss}", "switch", sw->name, "check",
						      check, "ok", 1, "detail", detail));
	}
}

static bool verify_switch(const struct vs *vs, const struct vs_switch *sw, json_t *rows)
{
	bool ok = prove_switch(vs, sw, rows);

	exceptions(vs, sw, rows);
	return ok;
}

int vs_verify(const struct vs *vs, const struct vs_switch *sw, json_t **ret, struct err *err)
{
	const struct vs_model *m = vs->model;
	json_t *rows = json_array();
	bool ok = true;

	for (unsigned i = 0; i < m->n_switches; i++)
		if (sw == NULL || sw == &m->switches[i])
			ok &= verify_switch(vs, &m->switches[i], rows);
	*ret = json_pack("{sb so}", "ok", ok, "checks", rows);
	return 0;
}

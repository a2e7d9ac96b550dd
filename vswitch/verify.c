/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'switch verify'.  What a frame may do is decided by two things alone when it leaves (l2.c may_leave, flood.c receives): the
 * domain and the VLAN that carries it.  Both are fixed at ingress from the port and the tag.  So the set of (domain, VLAN) that
 * a port can produce, met with the set that another accepts, is every path there can be: if the meeting is empty, no
 * address table, whatever is in it, leads from one to the other.  The proof reads the view that workers are running, not
 * the configuration it was compiled from.
 */
#include "vswitch/verify.h"

#include <errno.h>
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

	if (in == out || !domains_meet(in, out))
		return false;
	produces(in, set);
	return meet(set, out->vlan_out);
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

struct proof {
	const struct vs *vs;
	json_t *violations;
	json_int_t pairs, reachable;
};

static void violated(struct proof *proof, const struct vs_port *a, const struct vs_port *b,
		     const char *what)
{
	json_array_append_new(proof->violations, json_pack("{ss ss ss}", "from", a->name, "to",
							   b != NULL ? b->name : "", "what", what));
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
		violated(proof, a, b, "two switches meet");
	if (!share_tenant(a, b))
		violated(proof, a, b, "two tenants meet");
	if (a->sw->type == VS_PRIVATE && (out->flags & DP_VP_REACHES_HOST) != 0)
		violated(proof, a, b, "a private switch reaches the host");
	if (a->sw->type == VS_PRIVATE && (out->flags & DP_VP_REACHES_WIRE) != 0)
		violated(proof, a, b, "a private switch reaches a wire");
	if (a->sw->type == VS_INTERNAL && (out->flags & DP_VP_REACHES_WIRE) != 0)
		violated(proof, a, b, "an internal switch reaches a wire");
}

int vs_verify(const struct vs *vs, const struct vs_switch *sw, json_t **ret, struct err *err)
{
	struct proof proof = {.vs = vs, .violations = json_array()};
	const struct vs_model *m = vs->model;
	const json_t *first;

	for (unsigned i = 0; i < m->n_ports; i++)
		for (unsigned j = 0; j < m->n_ports; j++)
			if (i != j && (sw == NULL || m->ports[i].sw == sw || m->ports[j].sw == sw))
				prove_pair(&proof, &m->ports[i], &m->ports[j]);
	if (json_array_size(proof.violations) == 0) {
		*ret = json_pack("{sb sI sI so}", "proved", true, "pairs", proof.pairs, "reachable",
				 proof.reachable, "violations", proof.violations);
		return 0;
	}
	first = json_array_get(proof.violations, 0);
	err_set(err, -EPROTO, "not-isolated", "isolation does not hold: %s can send to %s: %s",
		json_string_value(json_object_get(first, "from")),
		json_string_value(json_object_get(first, "to")),
		json_string_value(json_object_get(first, "what")));
	err_why(err, "the running tables let it; this is a defect of the switch, not of the "
		     "configuration");
	err_fix(err, "vswitchctl port set %s --admin down, and report it",
		json_string_value(json_object_get(first, "from")));
	json_decref(proof.violations);
	return -EPROTO;
}

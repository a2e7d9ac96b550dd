/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a VF can do of what the switch does for a NIC; see sriov.h.  A row of the table below is
 * something that the switch does to frames and an adapter does not.  Frames of a VF pass neither
 * the NIC's port nor the uplink's, so what stands at either counts.
 */
#include "vswitch/sriov.h"

#include "dataplane/fdb.h"
#include "vmq/nic.h"
#include "vswitch/acl.h"
#include "vswitch/filters.h"
#include "vswitch/flowrecs.h"
#include "vswitch/guards.h"
#include "vswitch/mirrors.h"
#include "vswitch/nic_macs.h"
#include "vswitch/qos.h"
#include "vswitch/switch_flows.h"
#include "vswitch/vs.h"

#include <stdio.h>
#include <string.h>

/* One question about one NIC. */
struct look {
	const struct vs *vs;
	const struct vs_model *m;
	const struct vs_port *p;
	struct vs_sriov_want *want;
	char *why;
	size_t size;
};

#define NO(l, ...) (snprintf((l)->why, (l)->size, __VA_ARGS__), false)

static const char *text_of(const struct vs_port *p, const char *key)
{
	return json_string_value(json_object_get(p->body, key));
}

/* ---- Where it is ---- */

static bool is_ours(const struct look *l)
{
	return l->p->vm != NULL || NO(l, "it is the NIC of no VM that this switch runs");
}

static bool find_uplink(const struct look *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->m->n_ports; i++) {
		const struct vs_port *p = &l->m->ports[i];

		if (p->sw != l->p->sw || p->kind != VS_PHYS)
			continue;
		if (p->team != NULL)
			return NO(l,
				  "the uplink is team %s, whose members take turns, and a VF is of "
				  "one adapter",
				  p->team->name);
		l->want->uplink = p;
		n++;
	}
	if (n == 0)
		return NO(l, "switch %s has no uplink", l->p->sw->name);
	if (n > 1)
		return NO(l, "switch %s has %u uplinks, and a VF is of one adapter", l->p->sw->name,
			  n);
	l->want->pf = text_of(l->want->uplink, "device");
	if (l->want->pf == NULL)
		l->want->pf = l->want->uplink->name;
	return true;
}

static bool is_up(const struct look *l)
{
	const char *link = text_of(l->p, "link");
	uint16_t id = vs_port_id(l->vs, l->p->name);

	if (!l->p->up)
		return NO(l, "the port is set down (--admin)");
	if (link != NULL && strcmp(link, "down") == 0)
		return NO(l, "the link is set down (--link)");
	if (!l->want->uplink->up)
		return NO(l, "uplink %s is set down (--admin)", l->want->uplink->name);
	if (id != DP_NO_PORT && l->vs->held[id] != 0)
		return NO(l, "the port is held by a guard");
	return true;
}

/* The tag that the domain's frames wear on the wire of an uplink that tenants share. */
static bool find_tenant_vlan(const struct look *l)
{
	const struct vs_port *up = l->want->uplink;

	for (unsigned i = 0; i < up->n_shared; i++) {
		if (up->shared[i].tenant != l->p->tenant)
			continue;
		if (l->p->vlan.vlan != 0)
			return NO(l, "VLAN %u inside that of its tenant", l->p->vlan.vlan);
		l->want->conf.vlan = up->shared[i].vlan;
		return true;
	}
	return NO(l, "tenant %s has no VLAN on uplink %s",
		  l->p->tenant != NULL ? l->p->tenant->name : "(none)", up->name);
}

static bool find_vlan(const struct look *l)
{
	const struct vs_vlan *mine = &l->p->vlan, *up = &l->want->uplink->vlan;

	if (mine->mode != VS_ACCESS)
		return NO(l, "VLAN mode %s: a VF has one VLAN", vs_vlan_mode_name(mine->mode));
	l->want->vlan = mine->vlan;
	if (l->want->uplink->n_shared != 0)
		return find_tenant_vlan(l);
	if (l->p->tenant != l->want->uplink->tenant)
		return NO(l, "tenant %s has no VLAN on uplink %s",
			  l->p->tenant != NULL ? l->p->tenant->name : "(none)",
			  l->want->uplink->name);
	if (up->mode == VS_ACCESS && up->vlan == mine->vlan)
		return true;
	if (up->mode == VS_TRUNK && up->native == mine->vlan)
		return true;
	if (up->mode != VS_TRUNK || up->tpid != 0x8100 || !dp_vlan_test(up->allowed, mine->vlan))
		return NO(l, "VLAN %u does not leave by uplink %s as one tag", mine->vlan,
			  l->want->uplink->name);
	l->want->conf.vlan = mine->vlan;
	return true;
}

static bool fits_mtu(const struct look *l)
{
	return l->p->mtu <= l->want->uplink->mtu ||
	       NO(l, "MTU %u is more than uplink %s has", l->p->mtu, l->want->uplink->name);
}

/* ---- What is done to frames ---- */

static bool no_rules(const struct look *l)
{
	struct vs_flows *flows = vs_switch_flows(l->vs, l->p->sw->name);
	unsigned n = 0;

	for (unsigned i = 0; i < l->m->n_controllers; i++)
		if (l->m->controllers[i].sw == l->p->sw)
			return NO(l, "switch %s has a controller", l->p->sw->name);
	for (unsigned table = 0; flows != NULL && table < 255; table++)
		n += vs_flows_n(flows, (uint8_t)table);
	/* The one with which every switch starts: it learns. */
	return n <= 1 || NO(l, "switch %s has %u rules", l->p->sw->name, n);
}

static bool no_filters_at(const struct look *l, const struct vs_port *p)
{
	const struct vs_attachment *on[FILTER_MAX_SLOTS];

	for (unsigned side = 0; side < DP_N_FILTER_SIDES; side++)
		if (vs_model_filters_of(l->m, p, (enum dp_filter_side)side, on) > 0)
			return NO(l, "filter %s runs at port %s", on[0]->filter->name, p->name);
	return true;
}

static bool no_acls_at(const struct look *l, const struct vs_port *p)
{
	const struct vs_acl_binding *on[VS_MAX_PORT_ACLS];

	if (vs_acl_conf(l->m) == NULL)
		return true;
	for (unsigned side = 0; side < DP_N_FILTER_SIDES; side++)
		if (vs_acls_of(vs_acl_conf(l->m), p, (enum dp_filter_side)side, on) > 0)
			return NO(l, "access list %s holds at port %s", on[0]->acl->name, p->name);
	return true;
}

static bool no_mirrors_at(const struct look *l, const struct vs_port *p)
{
	const struct vs_mirrors_conf *c = vs_mirrors_of(l->m);

	for (unsigned i = 0; c != NULL && i < c->n; i++)
		if (vs_mirror_covers(l->m, &c->v[i], p))
			return NO(l, "mirror %s copies frames of port %s", c->v[i].name, p->name);
	return true;
}

static bool no_records_at(const struct look *l, const struct vs_port *p)
{
	const struct vs_flowrec_conf *c = vs_flowrec_conf(l->m);
	uint16_t domain;

	for (unsigned i = 0; c != NULL && i < c->n_exporters + c->n_samplers; i++) {
		const struct vs_exporter *e =
			i < c->n_exporters ? &c->exporters[i] : &c->samplers[i - c->n_exporters];

		if (vs_flowrec_sees(l->vs, e, p, &domain))
			return NO(l, "exporter %s counts flows of port %s", e->name, p->name);
	}
	return true;
}

static bool no_stages(const struct look *l)
{
	const struct vs_port *at[] = {l->p, l->want->uplink};

	for (unsigned i = 0; i < 2; i++)
		if (!no_filters_at(l, at[i]) || !no_acls_at(l, at[i]) || !no_mirrors_at(l, at[i]) ||
		    !no_records_at(l, at[i]))
			return false;
	return true;
}

static bool no_capture(const struct look *l)
{
	uint16_t id = vs_port_id(l->vs, l->p->name);
	const struct dp_port *port = id != DP_NO_PORT ? l->vs->live[id].port : NULL;

	return port == NULL || atomic_load(&port->capture) == NULL ||
	       NO(l, "a capture looks at its frames");
}

/* Of guards an adapter has one: that a VF sends from its own address. */
static bool guards_fit(const struct look *l)
{
	const struct vs_guard *g = vs_guard_of(l->m, l->p);
	char value[32];

	if (g == NULL)
		return true;
	for (unsigned i = 0; i < VS_N_GUARD_OPTIONS; i++) {
		if (i == VS_GUARD_MODE || i == VS_GUARD_MAC || i == VS_GUARD_TRUSTED ||
		    g->value[i] == 0)
			continue;
		vs_guard_value_format((enum vs_guard_option)i, g->value[i], value, sizeof(value));
		return NO(l,
			  "guard %s is %s (guard set %s --profile open --mac on has what a VF can)",
			  vs_guard_rows[i].option, value, l->p->name);
	}
	if (g->value[VS_GUARD_MAC] == VS_GUARD_ON_WATCH ||
	    (g->value[VS_GUARD_MAC] != 0 && g->value[VS_GUARD_MODE] == VS_GUARD_WATCH))
		return NO(l, "guard mac watches, and an adapter drops");
	if (g->value[VS_GUARD_MAC] != 0 && g->n_macs > 0)
		return NO(l, "guard mac has %u addresses more, and a VF one", g->n_macs);
	l->want->conf.spoof_check = g->value[VS_GUARD_MAC] == VS_GUARD_ON;
	return true;
}

/* Of bandwidth: how much the VM sends at most. */
static bool qos_fits(const struct look *l)
{
	const struct vs_qos *q = vs_qos_of_port(l->m, l->p);
	const struct vs_qos *up = vs_qos_of_port(l->m, l->want->uplink);

	if (up != NULL)
		return NO(l, "uplink %s has bandwidth to share (qos)", up->port->name);
	if (vs_qos_of_tenant(l->m, l->want->uplink, l->p->tenant) != NULL)
		return NO(l, "tenant %s has a part of uplink %s (qos)", l->p->tenant->name,
			  l->want->uplink->name);
	if (q == NULL)
		return true;
	if (q->to_max != 0 || q->priority_max != 0)
		return NO(l, "what is sent to it is shaped (qos)");
	if (q->from_min != 0 || q->from_weight > 1)
		return NO(l, "it has a guarantee or a weight (qos)");
	if (q->trust != VS_TRUST_BOTH || q->mark_dscp.kind != VS_MARK_KEEP ||
	    q->mark_pcp.kind != VS_MARK_KEEP)
		return NO(l, "its frames are marked (qos)");
	if (q->from_max != 0 && q->from_max < 1000000)
		return NO(l, "its rate is below 1 Mbit/s, the least of a VF (qos)");
	l->want->conf.rate_mbps = (uint32_t)(q->from_max / 1000000);
	return true;
}

static bool tenant_fits(const struct look *l)
{
	const struct vs_tenant *t = l->p->tenant;

	return t == NULL || t->flood_rate_bps == 0 ||
	       NO(l, "tenant %s has a rate of floods", t->name);
}

/* Does somebody else send from it?  A guest may choose any address, but none away from its owner.
 */
static bool is_anothers(const struct look *l, uint16_t id, const uint8_t *mac)
{
	const struct vs_tenant *t = l->p->tenant;
	struct dp_fdb_entry e = {
		.vlan = l->want->vlan,
		.domain = vs_domain_id(l->vs, l->p->sw->name, t != NULL ? t->name : NULL),
	};
	uint16_t at;

	memcpy(e.mac.addr_bytes, mac, sizeof(e.mac.addr_bytes));
	at = dp_fdb_port_of(dp_fdb(l->vs->dp), &e);
	return at != DP_NO_PORT && at != id && !vs_sriov_has_mac(l->vs, l->p->name, &e);
}

/* The address that the guest uses; its own choice where the switch lets that pass, too. */
static bool set_mac(const struct look *l)
{
	uint16_t id = vs_port_id(l->vs, l->p->name);
	const struct dp_port *port = id != DP_NO_PORT ? l->vs->live[id].port : NULL;
	const struct vs_guard *g = vs_guard_of(l->m, l->p);
	struct vmq_nic_guest guest = {0};
	uint8_t *mac = l->want->conf.mac;

	if (port == NULL || strcmp(port->ops->kind, vmq_port_ops.kind) != 0)
		return true;
	memcpy(mac, port->mac.addr_bytes, sizeof(l->want->conf.mac));
	vmq_nic_guest(port, &guest);
	if (!guest.up || memcmp(guest.mac, mac, sizeof(guest.mac)) == 0)
		return true;
	memcpy(mac, guest.mac, sizeof(guest.mac));
#define USES "the guest uses address %02x:%02x:%02x:%02x:%02x:%02x, "
#define MAC  mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]
	if (g != NULL && g->value[VS_GUARD_MAC] != VS_GUARD_OFF &&
	    !vs_nic_mac_allowed(l->m, l->p, mac))
		return NO(l, USES "which guard mac does not allow (nic set %s --mac)", MAC,
			  l->p->name);
	return !is_anothers(l, id, mac) || NO(l, USES "which another port sends from", MAC);
#undef USES
#undef MAC
}

static bool (*const rows[])(const struct look *l) = {
	is_ours,   find_uplink, is_up,	  find_vlan,   fits_mtu,   no_rules,
	no_stages, guards_fit,	qos_fits, tenant_fits, no_capture, set_mac,
};

bool vs_sriov_carries(const struct vs *vs, const struct vs_model *m, const struct vs_port *p,
		      struct vs_sriov_want *ret_want, char *why, size_t size)
{
	const struct look l = {
		.vs = vs, .m = m, .p = p, .want = ret_want, .why = why, .size = size};

	*ret_want = (struct vs_sriov_want){.uplink = NULL};
	why[0] = '\0';
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!rows[i](&l))
			return false;
	return true;
}

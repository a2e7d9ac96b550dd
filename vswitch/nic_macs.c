/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See nic_macs.h.  A record is what was put into the forwarding database for a NIC.  Each tick
 * compares records with what should be; a record whose address a VF has (sriov_nic.c put it at the
 * uplink) is left alone, and so is what an administrator wrote down ('mac add').
 */
#include "vswitch/nic_macs.h"

#include "dataplane/fdb.h"
#include "vmq/nic.h"
#include "vswitch/guards.h"
#include "vswitch/policy.h"
#include "vswitch/sriov.h"
#include "vswitch/vs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct nic_macs {
	/* By id of the port; .port is DP_NO_PORT where nothing was put. */
	struct dp_fdb_entry at[DP_MAX_PORTS];
	bool alone[DP_MAX_PORTS]; /* nobody else may send from it */
};

static struct nic_macs *macs_of(const struct vs *vs)
{
	return vs->policy[VS_POLICY_NIC_MACS];
}

static bool same_place(const struct dp_fdb_entry *a, const struct dp_fdb_entry *b)
{
	return a->domain == b->domain && a->vlan == b->vlan &&
	       rte_is_same_ether_addr(&a->mac, &b->mac);
}

bool vs_nic_macs_keep(const struct vs *vs, const struct dp_fdb_entry *entry)
{
	const struct nic_macs *macs = macs_of(vs);

	for (unsigned i = 0; macs != NULL && i < DP_MAX_PORTS; i++)
		if (macs->at[i].port != DP_NO_PORT && same_place(&macs->at[i], entry))
			return true;
	return false;
}

/* ---- What should be ---- */

bool vs_nic_mac_allowed(const struct vs_model *m, const struct vs_port *p, const void *mac)
{
	const struct vs_guard *g = vs_guard_of(m, p);

	for (unsigned i = 0; g != NULL && i < g->n_macs; i++)
		if (memcmp(g->macs[i].addr_bytes, mac, sizeof(g->macs[i].addr_bytes)) == 0)
			return true;
	return false;
}

static bool guards_mac(const struct vs_model *m, const struct vs_port *p)
{
	const struct vs_guard *g = vs_guard_of(m, p);

	return g != NULL && g->value[VS_GUARD_MAC] == VS_GUARD_ON &&
	       g->value[VS_GUARD_MODE] == VS_GUARD_ENFORCE;
}

/* Has a guest two NICs that take turns with one address, or may another port have it? */
static bool is_alone(const struct vs_model *m, const struct vs_port *p, const void *mac)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *o = &m->ports[i];

		if (o == p || o->sw != p->sw || vs_is_uplink(o))
			continue;
		if (vs_nic_mac_allowed(m, o, mac) ||
		    (p->vm != NULL && o->vm == p->vm && !guards_mac(m, o)))
			return false;
	}
	return true;
}

static bool is_written_down(const struct vs *vs, const struct vs_model *m,
			    const struct dp_fdb_entry *e)
{
	for (unsigned i = 0; i < m->n_macs; i++) {
		const struct vs_static_mac *s = &m->macs[i];
		const struct vs_tenant *t = s->port->tenant;

		if (s->vlan == e->vlan && rte_is_same_ether_addr(&s->mac, &e->mac) &&
		    vs_domain_id(vs, s->sw->name, t != NULL ? t->name : NULL) == e->domain)
			return true;
	}
	return false;
}

/* What the guest of a NIC sends from, and where; false: that is to be learned. */
static bool wanted(const struct vs *vs, const struct vs_model *m, const struct vs_port *p,
		   uint16_t id, struct dp_fdb_entry *ret)
{
	const struct dp_port *port = vs->live[id].port;
	struct vmq_nic_guest guest = {0};

	if (p->kind != VS_VMBUS || port == NULL ||
	    strcmp(port->ops->kind, vmq_port_ops.kind) != 0 ||
	    (p->vlan.mode != VS_ACCESS && p->vlan.mode != VS_TRUNK))
		return false;
	vmq_nic_guest(port, &guest);
	*ret = (struct dp_fdb_entry){
		.vlan = p->vlan.mode == VS_ACCESS ? p->vlan.vlan : p->vlan.native,
		.domain = vs_domain_id(vs, p->sw->name, p->tenant != NULL ? p->tenant->name : NULL),
		.port = id,
		.is_static = true,
	};
	memcpy(ret->mac.addr_bytes, guest.mac, sizeof(guest.mac));
	return guest.up && ret->domain != DP_NO_DOMAIN &&
	       (rte_is_same_ether_addr(&ret->mac, &port->mac) ||
		(guards_mac(m, p) && vs_nic_mac_allowed(m, p, guest.mac)));
}

/* ---- What is ---- */

static void take_away(struct vs *vs, const struct vs_model *m, uint16_t id)
{
	struct dp_fdb_entry *have = &macs_of(vs)->at[id];

	if (dp_fdb_port_of(dp_fdb(vs->dp), have) == id && !is_written_down(vs, m, have))
		(void)dp_fdb_remove(dp_fdb(vs->dp), have);
	have->port = DP_NO_PORT;
}

/* The first NIC that has an address keeps it; a full table is asked again at the next tick. */
static void put(struct vs *vs, uint16_t id, const struct dp_fdb_entry *want)
{
	struct nic_macs *macs = macs_of(vs);
	int rc;

	if (macs->at[id].port == DP_NO_PORT && vs_nic_macs_keep(vs, want))
		return;
	rc = dp_fdb_port_of(dp_fdb(vs->dp), want) != id || macs->at[id].port == DP_NO_PORT
		     ? dp_fdb_move_static(dp_fdb(vs->dp), want, NULL)
		     : 0;
	if (rc == 0)
		macs->at[id] = *want;
}

static bool has_uplink(const struct vs_model *m, const struct vs_switch *sw)
{
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].sw == sw && vs_is_uplink(&m->ports[i]))
			return true;
	return false;
}

/* 'anew': the configuration may be another. */
static void look(struct vs *vs, const struct vs_model *m, const struct vs_port *p, uint16_t id,
		 bool anew)
{
	struct nic_macs *macs = macs_of(vs);
	struct dp_fdb_entry want, *have;
	bool is_wanted;

	if (id == DP_NO_PORT)
		return;
	have = &macs->at[id];
	is_wanted = wanted(vs, m, p, id, &want);
	if (have->port != DP_NO_PORT && (!is_wanted || !same_place(have, &want)))
		take_away(vs, m, id);
	if (!is_wanted || vs_sriov_has_mac(vs, p->name, &want))
		return;
	if (anew || have->port == DP_NO_PORT)
		macs->alone[id] = has_uplink(m, p->sw) && is_alone(m, p, &want.mac) &&
				  !is_written_down(vs, m, &want);
	if (macs->alone[id])
		put(vs, id, &want);
	else if (have->port != DP_NO_PORT)
		take_away(vs, m, id);
}

static void settle(struct vs *vs, const struct vs_model *m)
{
	for (unsigned i = 0; macs_of(vs) != NULL && i < m->n_ports; i++)
		if (m->ports[i].kind == VS_VMBUS)
			look(vs, m, &m->ports[i], vs_port_id(vs, m->ports[i].name), true);
}

static void tick(struct vs *vs)
{
	const struct vs_model *m = vs->model;

	for (unsigned i = 0; macs_of(vs) != NULL && vs->port_ids != NULL && i < m->n_ports; i++)
		if (m->ports[i].kind == VS_VMBUS)
			look(vs, m, &m->ports[i], vs->port_ids[i], false);
}

/* Its addresses are forgotten with it. */
static void port_gone(struct vs *vs, uint16_t id)
{
	if (macs_of(vs) != NULL)
		macs_of(vs)->at[id].port = DP_NO_PORT;
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	struct nic_macs *macs = calloc(1, sizeof(*macs));

	if (macs == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for addresses of NICs");
	for (unsigned i = 0; i < DP_MAX_PORTS; i++)
		macs->at[i].port = DP_NO_PORT;
	*ret = macs;
	return 0;
}

static void destroy(struct vs *vs, void *live)
{
	free(live);
}

const struct vs_policy vs_policy_nic_macs = {
	.create = create,
	.destroy = destroy,
	.settle = settle,
	.tick = tick,
	.port_gone = port_gone,
};

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses that follow the configuration: the static ones, and the learned ones that a change made
 * meaningless.  Control thread, from apply.c.
 */
#include "vswitch/apply_priv.h"

#include "dataplane/fdb.h"
#include "vswitch/nic_macs.h"

#include <errno.h>
#include <string.h>

#define GROW_TRIES 4

static bool same_static(const struct vs_static_mac *a, const struct vs_static_mac *b)
{
	return strcmp(a->sw->name, b->sw->name) == 0 && strcmp(a->port->name, b->port->name) == 0 &&
	       a->vlan == b->vlan && rte_is_same_ether_addr(&a->mac, &b->mac) &&
	       strcmp(a->port->tenant != NULL ? a->port->tenant->name : "",
		      b->port->tenant != NULL ? b->port->tenant->name : "") == 0;
}

static bool has_static(const struct vs_model *m, const struct vs_static_mac *s)
{
	for (unsigned i = 0; i < m->n_macs; i++)
		if (same_static(&m->macs[i], s))
			return true;
	return false;
}

static struct dp_fdb_entry static_entry(const struct vs *vs, const struct vs_static_mac *s)
{
	return (struct dp_fdb_entry){
		.mac = s->mac,
		.vlan = s->vlan,
		.port = vs_port_id(vs, s->port->name),
		.domain = vs_domain_id(vs, s->sw->name,
				       s->port->tenant != NULL ? s->port->tenant->name : NULL),
		.is_static = true,
	};
}

/* Those that 'have' has and 'lack' has not. */
static void remove_gone(struct vs *vs, const struct vs_model *have, const struct vs_model *lack)
{
	for (unsigned i = 0; i < have->n_macs; i++) {
		struct dp_fdb_entry e = static_entry(vs, &have->macs[i]);

		if (!has_static(lack, &have->macs[i]) && e.domain != DP_NO_DOMAIN)
			(void)dp_fdb_remove(dp_fdb(vs->dp), &e);
	}
}

/* Somebody sent from it there, maybe just now: it gets no frames any more. */
static void tell_taken(struct vs *vs, const struct dp_fdb_entry *e, uint16_t was)
{
	const char *from = vs_port_name(vs, was), *to = vs_port_name(vs, e->port);
	char mac[RTE_ETHER_ADDR_FMT_SIZE];

	rte_ether_format_addr(mac, sizeof(mac), &e->mac);
	vs_event(vs, "mac-taken", from,
		 "static address %s is port %s's now; port %s had been sending from it", mac,
		 to != NULL ? to : "?", from != NULL ? from : "?");
}

/* The table grows at the dataplane's tick; here is the thread that ticks. */
static int add_one(struct vs *vs, const struct dp_fdb_entry *e, struct err *err)
{
	uint16_t was = dp_fdb_port_of(dp_fdb(vs->dp), e);
	/* What is written down counts more than where a NIC is. */
	int rc = vs_nic_macs_keep(vs, e) ? dp_fdb_move_static(dp_fdb(vs->dp), e, err)
					 : dp_fdb_add_static(dp_fdb(vs->dp), e, err);

	for (int i = 0; rc == -ENOSPC && i < GROW_TRIES; i++) {
		dp_tick(vs->dp);
		rc = dp_fdb_add_static(dp_fdb(vs->dp), e, err);
	}
	if (rc == 0 && was != DP_NO_PORT && was != e->port)
		tell_taken(vs, e, was);
	return rc;
}

static int add_new(struct vs *vs, const struct vs_model *before, const struct vs_model *after,
		   struct err *err)
{
	for (unsigned i = 0; i < after->n_macs; i++) {
		struct dp_fdb_entry e = static_entry(vs, &after->macs[i]);
		int rc = has_static(before, &after->macs[i]) ? 0 : add_one(vs, &e, err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* What goes, goes first: an address may move from one port to another in one change. */
int vs_macs_change(struct vs *vs, const struct vs_model *before, const struct vs_model *after,
		   struct err *err)
{
	struct err ignored;
	int rc;

	remove_gone(vs, before, after);
	rc = add_new(vs, before, after, err);
	if (rc == 0)
		return 0;
	remove_gone(vs, after, before);
	(void)add_new(vs, after, before, &ignored);
	return rc;
}

void vs_macs_forget_moved(struct vs *vs, const struct vs_model *before,
			  const struct vs_model *after)
{
	for (unsigned i = 0; i < after->n_ports; i++) {
		const struct vs_port *new = &after->ports[i],
				     *old = vs_model_port(before, new->name);

		if (old == NULL)
			continue;
		if (strcmp(old->sw->name, new->sw->name) != 0 ||
		    strcmp(old->tenant != NULL ? old->tenant->name : "",
			   new->tenant != NULL ? new->tenant->name : "") != 0 ||
		    memcmp(&old->vlan, &new->vlan, sizeof(old->vlan)) != 0)
			dp_fdb_flush(dp_fdb(vs->dp), DP_NO_DOMAIN, DP_NO_VLAN,
				     vs_port_id(vs, new->name), false);
	}
}

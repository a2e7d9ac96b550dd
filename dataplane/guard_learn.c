/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What guards do with DHCP: nobody but trusted ports serves, clients speak for themselves, and what
 * a trusted port acknowledges is bound to the port that asked, before the acknowledgement goes on
 * to it.  See guard_slow.h.
 *
 * 	guarded port   request ─► remembered: MAC and transaction, at which port
 * 	trusted port   acknowledgement ─► bound there, for the lease
 * 	guarded port   release, decline ─► unbound
 *
 * Who asked before this process ran is found where its MAC was learned.  Workers.
 */
#include "dataplane/guard_slow.h"

#include "dataplane/guard_dhcp.h"

#include <string.h>

#define PASS	 DP_N_GUARD_RULES
#define FOR_EVER UINT32_MAX

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static struct dp_ip ip4_of(uint32_t v4)
{
	return (struct dp_ip){.v4 = v4};
}

/* ---- Bindings ---- */

/* Where the client lives that is told 'xid'. */
static uint16_t port_of_client(const struct dp_guard_frame *f, const uint8_t mac[6], uint32_t xid)
{
	uint16_t port = dp_guard_book_asker(f->g->book, f->where, mac, xid, f->now_ms);

	return port != DP_NO_PORT ? port : f->around->port_of(f->around->arg, f->where, mac);
}

/* The guard there, if it learns. */
static const struct dp_guard *learner(const struct dp_guard_frame *f, const uint8_t mac[6],
				      uint32_t xid)
{
	uint16_t port = port_of_client(f, mac, xid);
	const struct dp_guard *g =
		port != DP_NO_PORT ? f->around->guard_of(f->around->arg, port) : NULL;

	return g != NULL && (g->on & DP_GUARD_LEARN_DHCP) != 0 ? g : NULL;
}

static void unbind(const struct dp_guard_frame *f, const struct dp_guard *g, const struct dp_ip *ip)
{
	dp_guard_book_unbind(f->g->book, f->where, ip, g->port);
	/* Workers write that part of it. */
	dp_guard_forget_usual((struct dp_guard *)(uintptr_t)g);
}

static void bind(const struct dp_guard_frame *f, const struct dp_guard *g, const struct dp_ip *ip,
		 const uint8_t mac[6], uint32_t lease_s)
{
	struct dp_guard_binding b = {.ip = *ip,
				     .port = g->port,
				     .domain = (uint16_t)(f->where >> 16),
				     .vlan = (uint16_t)f->where,
				     .how = ip->v6 ? DP_GUARD_DHCP6 : DP_GUARD_DHCP4};

	if (dp_guard_gives(g, ip, dp_guard_mac_word(mac)))
		return;
	if (lease_s != FOR_EVER)
		b.until_ms = f->now_ms + lease_s * UINT64_C(1000);
	memcpy(b.mac, mac, 6);
	if (dp_guard_book_bind(f->g->book, &b, g->max_learned, f->now_ms) == 0)
		count(&g->state->learned);
	else
		count(&g->state->not_learned);
}

/* ---- DHCPv4 ---- */

static void learn4(const struct dp_guard_frame *f, const struct dp_dhcp4 *d)
{
	const struct dp_ip ip = ip4_of(d->yiaddr);
	const struct dp_guard *g;

	if (d->op != 2 || d->type != DP_DHCP4_ACK || !d->ether || d->yiaddr == 0 || f->dry)
		return;
	g = learner(f, d->chaddr, d->xid);
	if (g == NULL)
		return;
	if (d->has_lease && d->lease_s == 0)
		unbind(f, g, &ip);
	else
		bind(f, g, &ip, d->chaddr, d->has_lease ? d->lease_s : FOR_EVER);
}

/* May the client give back what it names? */
static bool may_give_back(const struct dp_guard_frame *f, const struct dp_ip *ip)
{
	if (ip->v4 == 0 && ip->w[1] == 0)
		return true;
	if ((f->on & DP_GUARD_IP) != 0)
		return dp_guard_owns(f, ip);
	return !dp_guard_is_others(f, ip);
}

static enum dp_guard_rule client4(const struct dp_guard_frame *f, const struct dp_dhcp4 *d)
{
	const bool guarded = (f->on & DP_GUARD_DHCP) != 0;
	const struct dp_ip ip = ip4_of(d->type == DP_DHCP4_DECLINE ? d->requested : d->ciaddr);
	const bool gives_back = d->type == DP_DHCP4_RELEASE || d->type == DP_DHCP4_DECLINE;

	if (guarded && (d->op != 1 || !d->ether || d->giaddr != 0 ||
			dp_guard_mac_word(d->chaddr) != dp_guard_src(f)))
		return DP_GUARD_RULE_DHCP;
	/* A client that declines has not used the address: the server's word is enough. */
	if (guarded && gives_back && !may_give_back(f, &ip))
		return DP_GUARD_RULE_DHCP;
	if ((f->on & DP_GUARD_LEARN_DHCP) == 0 || f->dry)
		return PASS;
	if (gives_back && ip.v4 != 0)
		unbind(f, f->g, &ip);
	else if (dp_guard_mac_word(d->chaddr) == dp_guard_src(f))
		dp_guard_book_ask(f->g->book, f->where, d->chaddr, d->xid, f->g->port, f->now_ms);
	return PASS;
}

static enum dp_guard_rule message4(const struct dp_guard_frame *f, const uint8_t *p, uint32_t size,
				   bool from_server)
{
	struct dp_dhcp4 d;
	bool is_one = dp_dhcp4_parse(p, size, &d);

	if (from_server) {
		if (is_one)
			learn4(f, &d);
		return PASS;
	}
	if (!is_one)
		return (f->on & DP_GUARD_DHCP) != 0 ? DP_GUARD_RULE_DHCP : PASS;
	return client4(f, &d);
}

/* ---- DHCPv6 ---- */

static void learn6(const struct dp_guard_frame *f, const struct dp_dhcp6 *d)
{
	const struct dp_guard *g;

	if (d->type != DP_DHCP6_REPLY || d->n == 0 || f->dry)
		return;
	g = learner(f, f->d, d->xid);
	for (unsigned i = 0; g != NULL && i < d->n; i++) {
		if (d->addresses[i].valid_s == 0)
			unbind(f, g, &d->addresses[i].ip);
		else
			bind(f, g, &d->addresses[i].ip, f->d, d->addresses[i].valid_s);
	}
}

static enum dp_guard_rule client6(const struct dp_guard_frame *f, const struct dp_dhcp6 *d)
{
	const bool guarded = (f->on & DP_GUARD_DHCP) != 0;
	const bool gives_back = d->type == DP_DHCP6_RELEASE || d->type == DP_DHCP6_DECLINE;

	if (guarded &&
	    (d->type == DP_DHCP6_REPLY || d->type >= DP_DHCP6_RELAY_FORW || d->type == 0))
		return DP_GUARD_RULE_DHCP;
	for (unsigned i = 0; guarded && gives_back && i < d->n; i++)
		if (!may_give_back(f, &d->addresses[i].ip))
			return DP_GUARD_RULE_DHCP;
	if ((f->on & DP_GUARD_LEARN_DHCP) == 0 || f->dry)
		return PASS;
	if (!gives_back)
		dp_guard_book_ask(f->g->book, f->where, f->d + 6, d->xid, f->g->port, f->now_ms);
	for (unsigned i = 0; gives_back && i < d->n; i++)
		unbind(f, f->g, &d->addresses[i].ip);
	return PASS;
}

static enum dp_guard_rule message6(const struct dp_guard_frame *f, const uint8_t *p, uint32_t size,
				   bool from_server)
{
	struct dp_dhcp6 d;
	bool is_one = dp_dhcp6_parse(p, size, &d);

	if (from_server) {
		if (is_one)
			learn6(f, &d);
		return PASS;
	}
	if (!is_one)
		return (f->on & DP_GUARD_DHCP) != 0 ? DP_GUARD_RULE_DHCP : PASS;
	return client6(f, &d);
}

/* ---- Both ---- */

enum dp_guard_rule dp_guard_dhcp(const struct dp_guard_frame *f)
{
	const struct dp_headers *h = f->h;
	const bool v6 = h->l3 == DP_L3_IPV6;
	const uint16_t server = v6 ? DP_DHCP6_SERVER_PORT : DP_DHCP_SERVER_PORT;
	const uint16_t client = v6 ? DP_DHCP6_CLIENT_PORT : DP_DHCP_CLIENT_PORT;
	/* Clients take an answer from any port. */
	const bool from_server = h->sport == server || h->dport == client;
	const uint32_t at = (uint32_t)h->l2_size + h->l3_size + h->l4_size;
	uint32_t end = h->l2_size + h->ip_size;

	if (from_server && (f->on & DP_GUARD_TRUSTED) == 0)
		return (f->on & DP_GUARD_DHCP) != 0 ? DP_GUARD_RULE_DHCP : PASS;
	/* What is sent from the client's port to any other than the server's is no DHCP. */
	if (!from_server && h->dport != server)
		return PASS;
	if (h->frag != 0)
		return !from_server && (f->on & DP_GUARD_DHCP) != 0 ? DP_GUARD_RULE_DHCP : PASS;
	if (end > f->size)
		end = f->size;
	if (at > end)
		return PASS;
	return v6 ? message6(f, f->d + at, end - at, from_server)
		  : message4(f, f->d + at, end - at, from_server);
}

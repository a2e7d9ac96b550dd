/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards of ports as they run: the part of policy.h.  See guards.h.
 *
 * Each view that is made gets guards of its own; counters and tokens go from one to the next, and
 * learned addresses are in a book that knows ports, not views.
 *
 * A port with '--bpdu shutdown' that sends a bridge protocol frame is held, as by the loop guard
 * (its frames are dropped in both directions), until 'guard reset' or for HOLD_NS.
 */
#include "vswitch/guards_priv.h"

#include "ctl/base/clock.h"
#include "ctl/spec_guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_NS (300 * UINT64_C(1000000000))

static void destroy(struct vs *vs, void *live)
{
	struct vs_guards *guards = live;

	vs_bindings_destroy(guards->bindings);
	vs_notices_destroy(guards->notices);
	for (unsigned i = 0; i < DP_MAX_PORTS; i++)
		dp_guard_unref(guards->guards[i]);
	free(guards);
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	struct vs_guards *guards = calloc(1, sizeof(*guards));

	if (guards == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for guards");
	guards->bindings = vs_bindings_create(vs->opts.bindings_path);
	guards->notices = vs_notices_create();
	if (guards->bindings == NULL || guards->notices == NULL) {
		destroy(vs, guards);
		return err_set(err, -ENOMEM, "no-memory", "no memory for guards");
	}
	*ret = guards;
	return 0;
}

/* ---- From the model to the packet path ---- */

static uint32_t bits_of(const struct vs_guard *g)
{
	static const struct {
		enum vs_guard_option option;
		uint32_t bits;
	} of[] = {
		{VS_GUARD_MODE, DP_GUARD_WATCH},      {VS_GUARD_MAC, DP_GUARD_MAC},
		{VS_GUARD_IP, DP_GUARD_IP},	      {VS_GUARD_DHCP_SERVER, DP_GUARD_DHCP},
		{VS_GUARD_ROUTER, DP_GUARD_ROUTER},   {VS_GUARD_ARP, DP_GUARD_ARP},
		{VS_GUARD_BPDU, DP_GUARD_BPDU},	      {VS_GUARD_PROXY, DP_GUARD_ANSWER},
		{VS_GUARD_TRUSTED, DP_GUARD_TRUSTED},
	};
	uint32_t bits = 0;

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		bits |= g->value[of[i].option] != 0 ? of[i].bits : 0;
	if (g->value[VS_GUARD_IP] == VS_GUARD_LEARNED)
		bits |= DP_GUARD_LEARN_DHCP | DP_GUARD_LEARN_ND;
	return bits;
}

static struct dp_guard_rate rate_of(const struct vs_guard *g, enum vs_guard_option option)
{
	return (struct dp_guard_rate){.rate = g->value[option]};
}

/* The port's own address, and those that it may use besides.  Returns how many. */
static uint32_t macs_of(const struct vs *vs, const struct vs_guard *g, uint16_t id,
			uint8_t macs[DP_GUARD_MAX_MACS][6])
{
	const struct dp_port *port = vs->live[id].port;
	uint32_t n = 0;

	if (port != NULL && g->port->kind != VS_PHYS && !rte_is_zero_ether_addr(&port->mac))
		memcpy(macs[n++], port->mac.addr_bytes, 6);
	for (unsigned i = 0; i < g->n_macs && n < DP_GUARD_MAX_MACS; i++)
		memcpy(macs[n++], g->macs[i].addr_bytes, 6);
	return n;
}

static int guard_make(struct vs *vs, const struct vs_guard *g, uint16_t id,
		      struct dp_guard **ret_guard)
{
	uint8_t macs[DP_GUARD_MAX_MACS][6];
	struct dp_guard_address addresses[CTL_MAX_GUARD_ADDRESSES] = {0};
	struct dp_guard_spec spec = {
		.port = id,
		.on = bits_of(g),
		.watch = g->value[VS_GUARD_MAC] == VS_GUARD_ON_WATCH ? 1u << DP_GUARD_RULE_MAC : 0,
		.n_macs = macs_of(vs, g, id, macs),
		.macs = (const uint8_t(*)[6])macs,
		.n_addresses = g->n_addresses,
		.addresses = addresses,
		.arp = rate_of(g, VS_GUARD_ARP_RATE),
		.broadcast = rate_of(g, VS_GUARD_BROADCAST_RATE),
		.multicast = rate_of(g, VS_GUARD_MULTICAST_RATE),
		.unknown = rate_of(g, VS_GUARD_UNKNOWN_RATE),
	};

	for (unsigned i = 0; i < g->n_addresses; i++) {
		addresses[i] = (struct dp_guard_address){.ip = g->addresses[i].ip,
							 .prefix = g->addresses[i].len};
		/* Who asks for it can be answered where it is clear who has it. */
		if (g->value[VS_GUARD_MAC] == VS_GUARD_ON && spec.n_macs == 1)
			memcpy(addresses[i].mac, macs[0], 6);
	}
	return dp_guard_create(vs->dp, &spec, vs_guards(vs)->guards[id], ret_guard);
}

static int compile_port(struct vs *vs, const struct vs_guard *g, const struct dp_view *view,
			struct dp_vport *vp)
{
	struct vs_guards *guards = vs_guards(vs);
	struct dp_guard *next;
	int rc;

	if (g->value[VS_GUARD_PROTECTED] == VS_GUARD_ON)
		vp->flags |= DP_VP_PROTECTED;
	/* One that guards nothing any more keeps its counters until the port goes. */
	if (!vs_guard_is_active(g))
		return 0;
	rc = guard_make(vs, g, vp->id, &next);
	if (rc != 0)
		return rc;
	dp_guard_unref(guards->guards[vp->id]);
	guards->guards[vp->id] = next;
	return dp_guard_hang(next, view, vp);
}

static int compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		   struct dp_view *view)
{
	const struct vs_guard_conf *conf = m->policy[VS_POLICY_GUARD];
	int rc = 0;

	for (unsigned i = 0; rc == 0 && conf != NULL && i < conf->n; i++) {
		struct dp_vport *vp = ids[i] != DP_NO_PORT ? view->vports[ids[i]] : NULL;

		if (vp != NULL)
			rc = compile_port(vs, &conf->guards[i], view, vp);
	}
	return rc;
}

static int need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	vs_bindings_restore(vs, m);
	return 0;
}

static void port_gone(struct vs *vs, uint16_t id)
{
	struct vs_guards *guards = vs_guards(vs);

	dp_guard_port_gone(vs->dp, id);
	dp_guard_unref(guards->guards[id]);
	guards->guards[id] = NULL;
	vs_notices_port_gone(vs, id);
}

uint64_t vs_guard_counts(const struct vs *vs, uint16_t id, struct dp_guard_counts *ret_counts)
{
	const struct dp_guard *guard = id < DP_MAX_PORTS ? vs_guards(vs)->guards[id] : NULL;
	uint64_t sum = 0;

	*ret_counts = (struct dp_guard_counts){0};
	if (guard != NULL)
		dp_guard_read(guard, ret_counts);
	for (int i = 0; i < DP_N_GUARD_RULES; i++)
		sum += ret_counts->violations[i];
	return sum;
}

/* ---- Ports that are held ---- */

static const struct vs_guard *guard_of_id(const struct vs *vs, uint16_t id)
{
	return vs_guard_of(vs->model, vs_model_port(vs->model, vs_port_name(vs, id)));
}

void vs_guard_hold(struct vs *vs, uint16_t id)
{
	const struct vs_guard *g = guard_of_id(vs, id);

	if (g == NULL || g->value[VS_GUARD_BPDU] != VS_GUARD_BPDU_SHUTDOWN ||
	    g->value[VS_GUARD_MODE] == VS_GUARD_WATCH || (vs->held[id] & VS_HELD_BPDU) != 0)
		return;
	vs->held[id] |= VS_HELD_BPDU;
	vs_guards(vs)->held_until_ns[id] = clock_mono_ns() + HOLD_NS;
	(void)vs_republish(vs);
	vs_event(vs, "guard-shutdown", g->port->name,
		 "guard: port %s is held: a bridge protocol frame came in by it; it forwards again "
		 "in 5 minutes, or after: vswitchctl guard reset %s",
		 g->port->name, g->port->name);
}

bool vs_guard_let_go(struct vs *vs, uint16_t id, const char *why)
{
	if ((vs->held[id] & VS_HELD_BPDU) == 0)
		return false;
	vs->held[id] &= (uint8_t)~VS_HELD_BPDU;
	(void)vs_republish(vs);
	vs_event(vs, "guard-release", vs_port_name(vs, id), "guard: port %s forwards again: %s",
		 vs_port_name(vs, id), why);
	return true;
}

/* Those whose time is over, or whose guard holds no port any more. */
static void review_held(struct vs *vs)
{
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		const struct vs_guard *g;

		if ((vs->held[id] & VS_HELD_BPDU) == 0)
			continue;
		g = guard_of_id(vs, id);
		if (g == NULL || g->value[VS_GUARD_BPDU] != VS_GUARD_BPDU_SHUTDOWN)
			(void)vs_guard_let_go(vs, id, "its BPDU guard holds no port any more");
		else if (clock_mono_ns() >= vs_guards(vs)->held_until_ns[id])
			(void)vs_guard_let_go(vs, id, "5 minutes are over");
	}
}

static void tick(struct vs *vs)
{
	dp_guard_tick(vs->dp);
	vs_notices_tick(vs);
	if (vs->ticks % 10 != 0)
		return;
	review_held(vs);
	vs_bindings_tick(vs);
}

const struct vs_policy vs_policy_guard = {
	.read = vs_guards_read,
	.forget = vs_guards_forget,
	.create = create,
	.destroy = destroy,
	.need = need,
	.compile = compile,
	.release = dp_guard_release,
	.settle = vs_bindings_settle,
	.port_gone = port_gone,
	.tick = tick,
};

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards of ports as they run: the part of policy.h.  See guards.h.
 *
 * A port with '--bpdu shutdown' that sends a bridge protocol frame is held, as by the loop guard
 * (its frames are dropped in both directions), until 'guard reset' or for HOLD_NS.
 */
#include "vswitch/guards_priv.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_NS (300 * UINT64_C(1000000000))

static int create(struct vs *vs, void **ret, struct err *err)
{
	*ret = calloc(1, sizeof(struct vs_guards));
	return *ret != NULL ? 0 : err_set(err, -ENOMEM, "no-memory", "no memory");
}

static void destroy(struct vs *vs, void *live)
{
	free(live);
}

static int compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		   struct dp_view *view)
{
	const struct vs_guard_conf *conf = m->policy[VS_POLICY_GUARD];

	for (unsigned i = 0; conf != NULL && i < conf->n; i++) {
		struct dp_vport *vp = ids[i] != DP_NO_PORT ? view->vports[ids[i]] : NULL;

		if (vp != NULL && conf->guards[i].value[VS_GUARD_PROTECTED] == VS_GUARD_ON)
			vp->flags |= DP_VP_PROTECTED;
	}
	return 0;
}

/* ---- Ports that are held ---- */

void vs_guard_hold(struct vs *vs, uint16_t id)
{
	struct vs_guards *guards = vs->policy[VS_POLICY_GUARD];

	if ((vs->held[id] & VS_HELD_BPDU) != 0)
		return;
	vs->held[id] |= VS_HELD_BPDU;
	guards->held_until_ns[id] = clock_mono_ns() + HOLD_NS;
	(void)vs_republish(vs);
	vs_event(vs, "guard-bpdu", vs_port_name(vs, id),
		 "port %s is held: a bridge protocol frame came in by it; it forwards again in 5 "
		 "minutes, or after: vswitchctl guard reset %s",
		 vs_port_name(vs, id), vs_port_name(vs, id));
}

bool vs_guard_let_go(struct vs *vs, uint16_t id, const char *why)
{
	if ((vs->held[id] & VS_HELD_BPDU) == 0)
		return false;
	vs->held[id] &= (uint8_t)~VS_HELD_BPDU;
	(void)vs_republish(vs);
	vs_event(vs, "guard-bpdu-end", vs_port_name(vs, id), "port %s forwards again: %s",
		 vs_port_name(vs, id), why);
	return true;
}

/* Those whose time is over, or whose guard holds no port any more. */
static void review_held(struct vs *vs)
{
	struct vs_guards *guards = vs->policy[VS_POLICY_GUARD];

	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		const struct vs_guard *g;

		if ((vs->held[id] & VS_HELD_BPDU) == 0)
			continue;
		g = vs_guard_of(vs->model, vs_model_port(vs->model, vs_port_name(vs, id)));
		if (g == NULL || g->value[VS_GUARD_BPDU] != VS_GUARD_BPDU_SHUTDOWN)
			(void)vs_guard_let_go(vs, id, "its BPDU guard holds no port any more");
		else if (clock_mono_ns() >= guards->held_until_ns[id])
			(void)vs_guard_let_go(vs, id, "5 minutes are over");
	}
}

static void tick(struct vs *vs)
{
	if (vs->ticks % 10 == 0)
		review_held(vs);
}

const struct vs_policy vs_policy_guard = {
	.read = vs_guards_read,
	.forget = vs_guards_forget,
	.create = create,
	.destroy = destroy,
	.compile = compile,
	.tick = tick,
};

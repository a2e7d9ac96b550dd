/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The loop guard: a guest that bridges two of its ports, or two cables between the same two
 * switches, send every broadcast round for ever.
 *
 * Once a second:
 *
 * - Suspect: a port with 200 group or flooded frames, or 8 addresses that came and went.  An idle
 *   switch asks nobody anything.
 * - Probe: a frame of ours goes out by each suspect (dataplane/probe.h).
 * - Proof: it came in by a port from which the sender can be reached: a loop.
 * - Hold one of the two: a machine's port rather than the host's, that rather than the wire; of two
 *   alike the one added later.  Everything to and from it is dropped (loop).
 * - Release after ten seconds at the earliest, when for three seconds no probe came back: a held
 *   port is probed on, so a loop that stays costs no second storm.
 *
 * Probes are untagged.  A loop that only a tag can go round, between two trunks, shows as addresses
 * that move: a phys port where that goes on for three seconds is held for ten, without proof.
 *
 * Control thread, from the tick.
 */
#include "vswitch/vs.h"

#include "dataplane/fdb.h"
#include "dataplane/probe.h"
#include "vswitch/verify.h"

#include <string.h>

#define WINDOW_TICKS 10 /* a second */

#define SUSPECT_FRAMES 200u
#define SUSPECT_MOVES  8u
#define FLAP_MOVES     32u
#define FLAP_WINDOWS   3
#define HOLD_WINDOWS   10
#define CLEAR_WINDOWS  3

static const struct vs_port *port_of(const struct vs *vs, uint16_t id)
{
	for (unsigned i = 0; id < DP_MAX_PORTS && i < vs->model->n_ports; i++)
		if (vs->port_ids[i] == id)
			return &vs->model->ports[i];
	return NULL;
}

static void hold(struct vs *vs, uint16_t id, uint16_t partner)
{
	vs->loops[id].partner = partner;
	vs->loops[id].held_windows = 0;
	vs->loops[id].clear_windows = 0;
	vs->loops[id].n_flaps = 0;
	vs->held[id] |= VS_HELD_LOOP;
}

static void release(struct vs *vs, uint16_t id)
{
	vs_event(vs, "loop-end", vs_port_name(vs, id), "port %s forwards again after %u seconds",
		 vs_port_name(vs, id), vs->loops[id].held_windows);
	vs->held[id] &= (uint8_t)~VS_HELD_LOOP;
}

/* Whose holding harms least?  0 first. */
static int cost_of(const struct vs_port *p)
{
	return vs_is_uplink(p) ? 2 : p->kind == VS_HOST ? 1 : 0;
}

static bool is_loop(const struct vs *vs, uint16_t in, uint16_t from)
{
	const struct dp_view *view = dp_view(vs->dp);

	if (view->vports[in] == NULL || view->vports[from] == NULL)
		return false;
	/* Two VLANs, or two switches, that a guest joins are none. */
	return in == from || vs_can_reach(view, view->vports[in], view->vports[from]);
}

/* A probe of 'from' came in by 'in'.  True when a port is held for it. */
static bool prove(struct vs *vs, uint16_t in, uint16_t from)
{
	const struct vs_port *p = port_of(vs, in), *q = port_of(vs, from), *held;

	if (p == NULL || q == NULL)
		return false;
	vs->loops[in].clear_windows = vs->loops[from].clear_windows = 0;
	if (vs->held[in] != 0 || vs->held[from] != 0 || !p->sw->loop_guard ||
	    !is_loop(vs, in, from))
		return false;
	held = cost_of(p) != cost_of(q) ? (cost_of(p) < cost_of(q) ? p : q) : in > from ? p : q;
	hold(vs, held == p ? in : from, held == p ? from : in);
	if (p == q)
		vs_event(vs, "loop", held->name,
			 "port %s is held: what the switch sends by it comes in by it again, a "
			 "loop behind it; it forwards again when that has ended",
			 held->name);
	else
		vs_event(vs, "loop", held->name,
			 "port %s is held: what the switch sends by port %s comes in by port %s, a "
			 "loop; it forwards again when that has ended",
			 held->name, q->name, p->name);
	return true;
}

static bool look_for_proof(struct vs *vs)
{
	bool changed = false;

	for (unsigned i = 0; i < vs->model->n_ports; i++) {
		uint16_t id = vs->port_ids[i], from;

		if (id != DP_NO_PORT && dp_probe_came(vs->dp, id, &from))
			changed |= prove(vs, id, from);
	}
	return changed;
}

/* Did so much come in that it is worth asking the workers what it was? */
static bool is_busy(struct vs *vs, uint16_t id)
{
	uint64_t now = dp_probe_rx_packets(vs->dp, id), before = vs->loops[id].rx_packets;

	vs->loops[id].rx_packets = now;
	return now - before >= SUSPECT_FRAMES;
}

static bool floods(struct vs *vs, uint16_t id)
{
	const struct dp_count *c = dp_port_count(vs->dp, id);
	uint64_t now = c->rx_multicast + c->flooded, before = vs->loops[id].group_frames;

	vs->loops[id].group_frames = now;
	return now - before >= SUSPECT_FRAMES;
}

/* The fallback without proof; see above. */
static bool flaps(struct vs *vs, const struct vs_port *p, uint16_t id, uint32_t gained,
		  uint32_t lost)
{
	struct vs_loop *loop = &vs->loops[id];

	loop->n_flaps = gained >= FLAP_MOVES && lost >= FLAP_MOVES ? loop->n_flaps + 1 : 0;
	if (!vs_is_uplink(p) || loop->n_flaps < FLAP_WINDOWS || vs->held[id] != 0)
		return false;
	hold(vs, id, id);
	vs_event(vs, "loop", p->name,
		 "port %s is held for ten seconds: %u addresses moved to it and %u away in a "
		 "second, as in a loop",
		 p->name, gained, lost);
	return true;
}

static bool suspect_one(struct vs *vs, const struct vs_port *p, uint16_t id, bool busy)
{
	uint32_t gained, lost;

	dp_fdb_moves(dp_fdb(vs->dp), id, &gained, &lost);
	if (!p->sw->loop_guard || vs->live[id].port == NULL || !p->up)
		return false;
	if ((busy && floods(vs, id)) || (gained >= SUSPECT_MOVES && lost >= SUSPECT_MOVES))
		(void)dp_probe_send(vs->dp, id);
	return flaps(vs, p, id, gained, lost);
}

static bool suspect(struct vs *vs)
{
	bool changed = false, any = false;

	for (unsigned i = 0; i < vs->model->n_ports; i++) {
		uint16_t id = vs->port_ids[i];

		if (id == DP_NO_PORT)
			continue;
		vs->loops[id].busy = is_busy(vs, id);
		any |= vs->loops[id].busy;
	}
	if (any)
		dp_count_refresh(vs->dp);
	for (unsigned i = 0; i < vs->model->n_ports; i++) {
		uint16_t id = vs->port_ids[i];

		if (id != DP_NO_PORT)
			changed |= suspect_one(vs, &vs->model->ports[i], id, vs->loops[id].busy);
	}
	return changed;
}

/* Held ports: still a loop? */
static bool review(struct vs *vs)
{
	bool changed = false;

	for (unsigned i = 0; i < vs->model->n_ports; i++) {
		const struct vs_port *p = &vs->model->ports[i];
		uint16_t id = vs->port_ids[i];
		struct vs_loop *loop;

		if (id == DP_NO_PORT || (vs->held[id] & VS_HELD_LOOP) == 0)
			continue;
		loop = &vs->loops[id];
		loop->held_windows++;
		loop->clear_windows++;
		if (!p->sw->loop_guard || !p->up ||
		    (loop->held_windows >= HOLD_WINDOWS && loop->clear_windows > CLEAR_WINDOWS)) {
			release(vs, id);
			changed = true;
			continue;
		}
		(void)dp_probe_send(vs->dp, id);
		if (loop->partner != id && vs_port_name(vs, loop->partner) != NULL)
			(void)dp_probe_send(vs->dp, loop->partner);
	}
	return changed;
}

bool vs_loop_guard_tick(struct vs *vs)
{
	bool changed;

	if (vs->port_ids == NULL)
		return false;
	changed = look_for_proof(vs);
	if (vs->ticks % WINDOW_TICKS == 0) {
		dp_probe_age(vs->dp);
		changed |= review(vs);
		changed |= suspect(vs);
	}
	return changed;
}

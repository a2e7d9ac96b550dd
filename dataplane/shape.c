/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What workers do for shapers: the wheel, queueing, sending.  See shape.h and shape_priv.h.
 */
#include "dataplane/shape.h"

#include "dataplane/drop.h"
#include "dataplane/gso.h"
#include "dataplane/shape_priv.h"
#include "dataplane/trace_priv.h"

#include <rte_cycles.h>

#define A_VISIT	   512u /* frames that a shaper sends before others have their turn */
#define MAX_PIECES 64	/* of a super-frame; one of more goes whole */

struct dp_worker *dp_shape_owner(const struct dp_shaper *shaper)
{
	return atomic_load_explicit(&shaper->owner, memory_order_relaxed);
}

/* ---- The wheel ---- */

/* The first slot with somebody in it, from wheel->at on and before 'end'; 'end': there is none. */
static uint64_t first_slot(const struct dp_shape_wheel *wheel, uint64_t end)
{
	uint64_t slot = wheel->at;

	if (end - slot > SHAPE_SLOTS)
		end = slot + SHAPE_SLOTS;
	while (slot < end) {
		uint64_t word = wheel->filled[slot % SHAPE_SLOTS / 64] >> slot % 64;

		if (word != 0) {
			slot += (unsigned)__builtin_ctzll(word);
			return slot < end ? slot : end;
		}
		slot += 64 - slot % 64;
	}
	return end;
}

uint64_t dp_shape_due(const struct dp_worker *w)
{
	return w->shape_due;
}

/* When the worker must look at its wheel again. */
static void set_due(struct dp_worker *w)
{
	const struct dp_shape_wheel *wheel = w->shape;
	uint64_t end = wheel->at + SHAPE_SLOTS;

	w->shape_due =
		wheel->n == 0 ? DP_SCHED_NEVER : (first_slot(wheel, end) + 1) << wheel->shift;
}

void shape_disarm(struct dp_worker *w, struct dp_shaper *s)
{
	struct dp_shape_wheel *wheel = w->shape;

	if (s->due_link == NULL)
		return;
	*s->due_link = s->next_due;
	if (s->next_due != NULL)
		s->next_due->due_link = s->due_link;
	s->due_link = NULL;
	if (wheel->slots[s->slot] == NULL)
		wheel->filled[s->slot / 64] &= ~(UINT64_C(1) << s->slot % 64);
	wheel->n--;
}

/* Before its time it would only be looked at in vain; after it, frames would wait for no reason. */
void shape_arm(struct dp_worker *w, struct dp_shaper *s, uint64_t now)
{
	struct dp_shape_wheel *wheel = w->shape;
	uint64_t next = dp_sched_next(s->conf->sched, now), slot = next >> wheel->shift, due;
	uint16_t i;

	if (next == DP_SCHED_NEVER) {
		shape_disarm(w, s);
		return;
	}
	if (wheel->n == 0)
		wheel->at = now >> wheel->shift;
	if (slot < wheel->at)
		slot = wheel->at;
	if (slot >= wheel->at + SHAPE_SLOTS)
		slot = wheel->at + SHAPE_SLOTS - 1;
	i = (uint16_t)(slot % SHAPE_SLOTS);
	if (s->due_link != NULL && s->slot == i)
		return;
	shape_disarm(w, s);
	s->slot = i;
	s->next_due = wheel->slots[i];
	s->due_link = &wheel->slots[i];
	if (s->next_due != NULL)
		s->next_due->due_link = &s->next_due;
	wheel->slots[i] = s;
	wheel->filled[i / 64] |= UINT64_C(1) << i % 64;
	wheel->n++;
	due = (slot + 1) << wheel->shift;
	if (due < w->shape_due)
		w->shape_due = due;
}

/* ---- Out of the queue ---- */

void shape_let_go(struct dp_worker *w, struct dp_shaper *s, struct rte_mbuf *const *pkts,
		  uint16_t n)
{
	uint32_t units = 0;

	for (uint16_t i = 0; i < n; i++) {
		units += shape_units(pkts[i]);
		w->count->ports[shape_port_of(s, pkts[i])]->held_tx--;
	}
	s->held -= units;
	w->shape->held -= units;
}

static void drop_all(struct dp_worker *w, const struct dp_shaper *s, struct rte_mbuf **pkts,
		     uint16_t n, enum dp_drop reason)
{
	for (uint16_t i = 0; i < n; i++)
		dp_drop_tx(w, shape_port_of(s, pkts[i]), pkts[i], reason);
}

static void send(struct dp_worker *w, struct dp_shaper *s, const struct dp_vport *vp,
		 struct rte_mbuf **pkts, uint16_t n)
{
	if (unlikely(s->devs != NULL))
		shape_share_send(w, s, pkts, n);
	else
		dp_tx_send(w, vp, pkts, n);
}

/* Sends what may go now; returns how many frames.  'vp': of ports that share, any. */
static unsigned pump(struct dp_worker *w, struct dp_shaper *s, const struct dp_vport *vp,
		     uint64_t now)
{
	struct rte_mbuf *pkts[DP_TX_GATHER], *late[DP_TX_GATHER];
	unsigned total = 0;
	uint16_t n, n_late;

	s->busy = true;
	do {
		n = dp_sched_get(s->conf->sched, now, pkts, DP_TX_GATHER, late, &n_late);
		shape_let_go(w, s, pkts, n);
		shape_let_go(w, s, late, n_late);
		drop_all(w, s, late, n_late, DP_DROP_SHAPER_DELAY);
		if (n != 0)
			send(w, s, vp, pkts, n);
		total += n;
	} while ((n == DP_TX_GATHER || n_late == DP_TX_GATHER) && total < A_VISIT);
	s->busy = false;
	shape_arm(w, s, now);
	return total;
}

/* All that waits goes: by 'vp', or, where that is NULL, it is dropped. */
static void flush(struct dp_worker *w, struct dp_shaper *s, const struct dp_vport *vp,
		  enum dp_drop reason)
{
	struct rte_mbuf *pkts[DP_TX_GATHER];
	uint16_t n;

	while ((n = dp_sched_empty(s->conf->sched, pkts, DP_TX_GATHER)) != 0) {
		shape_let_go(w, s, pkts, n);
		if (vp != NULL)
			dp_tx_send(w, vp, pkts, n);
		else
			drop_all(w, s, pkts, n, reason);
	}
	shape_disarm(w, s);
}

/* Is it still the shaper of the port by which it sent, and is that there?  Ends it if not. */
static const struct dp_vport *still(struct dp_worker *w, struct dp_shaper *s)
{
	const struct dp_vport *vp = w->view->vports[s->port];

	if (unlikely(vp == NULL || (vp->port != s->dev && vp->port != NULL))) {
		flush(w, s, NULL, DP_DROP_PORT_REMOVED);
		return NULL;
	}
	if (unlikely(vp->port == NULL || (vp->flags & DP_VP_UP) == 0)) {
		flush(w, s, NULL, DP_DROP_TX_DOWN);
		return NULL;
	}
	if (unlikely(vp->shaper != s)) {
		flush(w, s, vp, DP_N_DROPS);
		return NULL;
	}
	return vp;
}

static unsigned run_slot(struct dp_worker *w, uint16_t i, uint64_t now)
{
	struct dp_shape_wheel *wheel = w->shape;
	struct dp_shaper *due = wheel->slots[i];
	unsigned total = 0;

	if (due == NULL)
		return 0;
	/* Off the wheel: one that has to wait again may come into the same slot. */
	due->due_link = &due;
	wheel->slots[i] = NULL;
	wheel->filled[i / 64] &= ~(UINT64_C(1) << i % 64);
	while (due != NULL) {
		struct dp_shaper *s = due;
		const struct dp_vport *vp;

		shape_disarm(w, s);
		vp = s->devs == NULL ? still(w, s) : NULL;
		if (vp != NULL || s->devs != NULL)
			total += pump(w, s, vp, now);
	}
	return total;
}

/* There is another view: what waits for ports that changed does not wait for its turn. */
static void look_at_all(struct dp_worker *w)
{
	struct dp_shape_wheel *wheel = w->shape;

	wheel->view = w->view;
	for (unsigned i = 0; i < SHAPE_SLOTS && wheel->n != 0; i++)
		for (struct dp_shaper *s = wheel->slots[i], *next; s != NULL; s = next) {
			next = s->next_due;
			if (s->devs != NULL)
				shape_share_look(w, s);
			else
				(void)still(w, s);
		}
}

unsigned dp_shape_run(struct dp_worker *w, uint64_t now)
{
	struct dp_shape_wheel *wheel = w->shape;
	uint64_t end = now >> wheel->shift, slot;
	unsigned total = 0;

	w->burst_tsc = now;
	if (unlikely(wheel->view != w->view))
		look_at_all(w);
	while (wheel->n != 0 && wheel->at < end && (slot = first_slot(wheel, end)) < end) {
		wheel->at = slot + 1;
		total += run_slot(w, (uint16_t)(slot % SHAPE_SLOTS), now);
	}
	if (wheel->at < end)
		wheel->at = end;
	set_due(w);
	dp_tx_flush_all(w);
	return total;
}

/* ---- Into the queue ---- */

/* A port may hold as much as all of this worker's leave free. */
static bool has_room(const struct dp_shape_wheel *wheel, const struct dp_shaper *s, uint32_t units)
{
	return (uint64_t)wheel->held + s->held + units <= wheel->budget;
}

static void queue_one(struct dp_worker *w, struct dp_shaper *s, uint16_t leaf, struct rte_mbuf *m,
		      uint64_t now)
{
	uint32_t units = shape_units(m);

	if (unlikely(!has_room(w->shape, s, units)) ||
	    !dp_sched_put(s->conf->sched, leaf, m, now)) {
		dp_drop_tx(w, shape_port_of(s, m), m, DP_DROP_SHAPER_FULL);
		return;
	}
	s->held += units;
	w->shape->held += units;
	w->count->ports[shape_port_of(s, m)]->held_tx++;
}

/* A super-frame that would hold up others goes in its pieces, whatever the port could do with it.
 * Takes 'm'. */
static void queue_cut(struct dp_worker *w, struct dp_shaper *s, uint16_t leaf, struct rte_mbuf *m,
		      uint64_t now)
{
	struct rte_mbuf *pieces[MAX_PIECES];
	int n = dp_gso(m, dp_pool(w->dp, 0, false), pieces, MAX_PIECES);

	if (n <= 0) {
		queue_one(w, s, leaf, m, now);
		return;
	}
	w->count->ports[shape_port_of(s, m)]->segments += (uint64_t)n - 1;
	for (int i = 0; i < n; i++)
		queue_one(w, s, leaf, pieces[i], now);
	rte_pktmbuf_free(m);
}

static void queue_any(struct dp_worker *w, struct dp_shaper *s, struct rte_mbuf *m, uint64_t now)
{
	uint16_t leaf = shape_classify(&s->conf->spec, m, shape_port_of(s, m));

	if (unlikely((m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0) &&
	    m->pkt_len > dp_sched_whole(s->conf->sched, leaf) &&
	    !dp_sched_is_full(s->conf->sched, leaf))
		queue_cut(w, s, leaf, m, now);
	else
		queue_one(w, s, leaf, m, now);
}

void dp_shape_send(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		   uint16_t n)
{
	struct dp_shaper *s = out->shaper;
	uint64_t now;

	if (unlikely(w->trace != NULL)) {
		for (uint16_t i = 0; i < n; i++)
			dp_trace_shaped(w->trace, out,
					shape_classify(&s->conf->spec, pkts[i], out->id));
		dp_tx_send(w, out, pkts, n);
		return;
	}
	if (unlikely(s->devs != NULL)) {
		if (!shape_share_take(w, s, out, pkts, n)) {
			dp_tx_send(w, out, pkts, n);
			return;
		}
	} else {
		/* What waits for a port that was replaced goes before. */
		if (unlikely(s->dev != out->port && s->due_link != NULL))
			(void)still(w, s);
		s->port = out->id;
		s->dev = out->port;
	}
	now = rte_rdtsc();
	for (uint16_t i = 0; i < n; i++)
		queue_any(w, s, pkts[i], now);
	if (unlikely(s->busy))
		return;
	if (!((int64_t)(now - dp_sched_next(s->conf->sched, now)) < 0))
		pump(w, s, out, now);
	else
		shape_arm(w, s, now);
}

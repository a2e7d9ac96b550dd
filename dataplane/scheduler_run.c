/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets in and out: see scheduler_priv.h for the states and clocks.
 */
#include "dataplane/scheduler_priv.h"

/* Bytes that no packet exceeds on the wire, not even of a sender who wants segments of one byte. */
#define MOST_WIRE (UINT64_C(1) << 26)
/* With each smaller packet the largest one seen counts for so much less. */
#define FORGET_LARGEST 1024

/* ---- Clocks ---- */

/* Moves a clock by 'wire' bytes.  It stood no further back than 'floor'. */
static void advance(struct sched_clock *c, uint64_t floor, uint32_t wire)
{
	unsigned __int128 by;

	if (sched_before(c->at, floor)) {
		c->at = floor;
		c->frac = 0;
	}
	by = (unsigned __int128)wire * c->cost + c->frac;
	c->at += (uint64_t)(by >> SCHED_FP);
	c->frac = (uint32_t)by & ((1u << SCHED_FP) - 1);
}

static bool is_over(const struct sched_class *c, uint64_t now)
{
	return c->max.cost != 0 && sched_before(now, c->max.at);
}

/* A class that comes back has no claim to what others sent meanwhile. */
static uint64_t catch_up(const struct sched_class *c, uint64_t v_now)
{
	return c->v - v_now > MOST_WIRE * c->v_per_byte ? v_now : c->v;
}

/* ---- States ---- */

static void enter_heaps(struct dp_sched *s, struct sched_class *parent, uint16_t cls)
{
	struct sched_class *c = &s->classes[cls];

	if (c->strict) {
		c->v = catch_up(c, parent->v_strict);
		sched_heap_push(s, &parent->heaps[SCHED_STRICT], cls, c->v);
		return;
	}
	c->v = catch_up(c, parent->v_now);
	sched_heap_push(s, &parent->heaps[SCHED_SHARE], cls, c->v);
	if (c->min.cost != 0)
		sched_heap_push(s, &parent->heaps[SCHED_GUARANTEE], cls, c->min.at);
}

static void leave_heaps(struct dp_sched *s, struct sched_class *parent, uint16_t cls)
{
	for (unsigned by = 0; by < SCHED_TIMER; by++)
		if (s->classes[cls].at[by] != SCHED_NOWHERE)
			sched_heap_remove(s, &parent->heaps[by], cls);
}

static bool has_ready(const struct sched_class *c)
{
	return c->heaps[SCHED_STRICT].n + c->heaps[SCHED_SHARE].n != 0;
}

/* It has something to send, and stands nowhere; so may those above it. */
static void make_ready(struct dp_sched *s, uint16_t cls, uint64_t now)
{
	for (;;) {
		struct sched_class *c = &s->classes[cls];

		if (is_over(c, now)) {
			c->state = SCHED_IS_WAITING;
			sched_heap_push(s, &s->timer, cls, c->max.at);
			return;
		}
		c->state = SCHED_IS_READY;
		if (cls == s->root)
			return;
		enter_heaps(s, &s->classes[c->parent], cls);
		cls = c->parent;
		if (s->classes[cls].state != SCHED_IS_IDLE)
			return;
		if (sched_before(s->classes[cls].min.at, now))
			s->classes[cls].min.at = now;
	}
}

void sched_activate(struct dp_sched *s, uint16_t leaf, uint64_t now)
{
	struct sched_class *c = &s->classes[leaf];
	uint64_t next;

	/* Guarantees are not saved up. */
	if (sched_before(c->min.at, now))
		c->min.at = now;
	make_ready(s, leaf, now);
	next = dp_sched_next(s, now);
	if (s->due == DP_SCHED_NEVER || sched_before(next, s->due))
		s->due = next;
}

/* A class has nothing to send, or must wait; so may those above it.  Ends where a class stays what
 * it is. */
static void make_unready(struct dp_sched *s, uint16_t cls, enum sched_state state)
{
	for (;;) {
		struct sched_class *c = &s->classes[cls];
		uint8_t was = c->state;

		c->state = (uint8_t)state;
		if (was == SCHED_IS_WAITING)
			sched_heap_remove(s, &s->timer, cls);
		if (state == SCHED_IS_WAITING)
			sched_heap_push(s, &s->timer, cls, c->max.at);
		if (cls == s->root || was != SCHED_IS_READY)
			return;
		leave_heaps(s, &s->classes[c->parent], cls);
		cls = c->parent;
		if (has_ready(&s->classes[cls]))
			return;
		state = SCHED_IS_IDLE;
	}
}

static void release_timers(struct dp_sched *s, uint64_t now)
{
	while (s->timer.n != 0 && !sched_before(now, s->timer.v[0].key)) {
		uint16_t cls = s->timer.v[0].cls;

		sched_heap_remove(s, &s->timer, cls);
		s->classes[cls].state = SCHED_IS_IDLE;
		make_ready(s, cls, now);
	}
}

/* ---- Packets ---- */

bool dp_sched_is_full(const struct dp_sched *s, uint16_t leaf)
{
	const struct sched_class *c = &s->classes[leaf];

	return c->n.waiting >= c->limit || c->n.waiting_bytes >= c->limit_bytes;
}

bool dp_sched_put(struct dp_sched *s, uint16_t leaf, struct rte_mbuf *m, uint64_t now)
{
	struct sched_class *c = &s->classes[leaf];

	if (unlikely(dp_sched_is_full(s, leaf))) {
		sched_add(&c->n.overflow, 1);
		return false;
	}
	*sched_link(s, m) = (struct sched_link){.since = now};
	if (c->head != NULL)
		sched_link(s, c->tail)->next = m;
	else
		c->head = m;
	c->tail = m;
	s->waiting++;
	sched_add32(&c->n.waiting_bytes, m->pkt_len);
	sched_add32(&c->n.waiting, 1);
	if (c->n.waiting == 1)
		sched_activate(s, leaf, now);
	return true;
}

/* One step of the way from the root to a leaf, and for what it was taken. */
struct step {
	uint16_t cls;
	uint8_t by;
};

static struct step choose(const struct sched_class *c, uint64_t now)
{
	const struct sched_heap *h = c->heaps;

	if (h[SCHED_STRICT].n != 0)
		return (struct step){h[SCHED_STRICT].v[0].cls, SCHED_STRICT};
	if (h[SCHED_GUARANTEE].n != 0 && !sched_before(now, h[SCHED_GUARANTEE].v[0].key))
		return (struct step){h[SCHED_GUARANTEE].v[0].cls, SCHED_GUARANTEE};
	return (struct step){h[SCHED_SHARE].v[0].cls, SCHED_SHARE};
}

static uint64_t time_of(const struct sched_class *c, uint64_t bytes)
{
	return (uint64_t)((unsigned __int128)bytes * c->max.cost >> SCHED_FP);
}

/* How far back it may have stood: a burst, and what it was kept from using: by the caller's being
 * late, by its own packet's being whole, by one packet of each of its siblings. */
static uint64_t floor_of(const struct dp_sched *s, const struct sched_class *c, uint32_t wire,
			 uint64_t now)
{
	const struct sched_class *parent = &s->classes[c->parent];
	uint64_t others = c == parent ? 0 : (uint64_t)s->largest * parent->heaps[SCHED_SHARE].n;

	return now - c->burst - s->late - time_of(c, wire) -
	       RTE_MIN(time_of(&s->classes[s->root], others), s->late_max);
}

static void charge_maximum(const struct dp_sched *s, struct sched_class *c, uint32_t wire,
			   uint64_t now)
{
	if (c->max.cost == 0)
		return;
	if (sched_before(c->max.at, now - c->burst))
		advance(&c->max, floor_of(s, c, wire, now), wire);
	else
		advance(&c->max, c->max.at, wire);
}

/* What it sent counts for what it was taken for. */
static void charge_turn(struct dp_sched *s, struct sched_class *parent, struct step at,
			uint32_t wire, uint64_t now)
{
	struct sched_class *c = &s->classes[at.cls];

	if (at.by == SCHED_GUARANTEE) {
		advance(&c->min, now - s->lag_max, wire);
		return;
	}
	*(at.by == SCHED_STRICT ? &parent->v_strict : &parent->v_now) = c->v;
	c->v += wire * c->v_per_byte;
}

static void move_in_heap(struct dp_sched *s, struct sched_class *parent, struct step at)
{
	const struct sched_class *c = &s->classes[at.cls];

	sched_heap_move(s, &parent->heaps[at.by], at.cls,
			at.by == SCHED_GUARANTEE ? c->min.at : c->v);
}

static void count_sent(struct sched_class *c, uint32_t bytes)
{
	sched_add(&c->n.packets, 1);
	sched_add(&c->n.bytes, bytes);
}

static void count_delay(struct sched_class *c, uint64_t delay)
{
	sched_add(&c->n.delay_ns, delay);
	if (delay > c->n.delay_max_ns)
		__atomic_store_n(&c->n.delay_max_ns, delay, __ATOMIC_RELAXED);
}

/* A packet of the leaf at the end of 'path' goes: moves the clocks of all above it, and each to
 * where it stands now. */
static void charge(struct dp_sched *s, const struct step *path, unsigned n,
		   const struct rte_mbuf *m, uint64_t now)
{
	uint32_t wire = sched_wire_size(m, s->classes[path[n - 1].cls].overhead);

	s->largest = wire > s->largest ? wire : s->largest - s->largest / FORGET_LARGEST;
	while (n-- != 0) {
		struct sched_class *c = &s->classes[path[n].cls];
		struct sched_class *parent = &s->classes[c->parent];

		count_sent(c, m->pkt_len);
		charge_maximum(s, c, wire, now);
		charge_turn(s, parent, path[n], wire, now);
		/* An inner class may have become idle below. */
		if (c->state != SCHED_IS_READY)
			continue;
		if (c->leaf && c->head == NULL)
			make_unready(s, path[n].cls, SCHED_IS_IDLE);
		else if (is_over(c, now))
			make_unready(s, path[n].cls, SCHED_IS_WAITING);
		else
			move_in_heap(s, parent, path[n]);
	}
	count_sent(&s->classes[s->root], m->pkt_len);
	charge_maximum(s, &s->classes[s->root], wire, now);
	if (s->classes[s->root].state == SCHED_IS_READY && is_over(&s->classes[s->root], now))
		make_unready(s, s->root, SCHED_IS_WAITING);
}

/* The next packet, from the leaf whose turn it is; NULL: CoDel gave all of its packets up. */
static struct rte_mbuf *next_packet(struct dp_sched *s, uint64_t now, struct rte_mbuf **ret_dropped,
				    uint16_t room, uint16_t *ret_n_dropped)
{
	struct step path[DP_SCHED_DEPTH];
	struct sched_class *c = &s->classes[s->root];
	struct rte_mbuf *m;
	unsigned n = 0;

	while (!c->leaf) {
		path[n] = choose(c, now);
		c = &s->classes[path[n++].cls];
	}
	m = sched_codel_pop(s, c, now, ret_dropped, room, ret_n_dropped);
	if (unlikely(m == NULL)) {
		make_unready(s, path[n - 1].cls, SCHED_IS_IDLE);
		return NULL;
	}
	count_delay(c, now - sched_link(s, m)->since);
	charge(s, path, n, m, now);
	return m;
}

/* What the caller is late by is not lost to those who waited for this moment. */
static void begin(struct dp_sched *s, uint64_t now)
{
	if (!s->more)
		s->late = s->due != DP_SCHED_NEVER && sched_before(s->due, now)
				  ? RTE_MIN(now - s->due, s->late_max)
				  : 0;
	release_timers(s, now);
}

uint16_t dp_sched_get(struct dp_sched *s, uint64_t now, struct rte_mbuf **ret_pkts, uint16_t max,
		      struct rte_mbuf **ret_dropped, uint16_t *ret_n_dropped)
{
	uint16_t n = 0, n_dropped = 0;

	begin(s, now);
	while (n < max && n_dropped < max && s->classes[s->root].state == SCHED_IS_READY) {
		uint16_t dropped = 0;
		struct rte_mbuf *m = next_packet(s, now, ret_dropped + n_dropped,
						 (uint16_t)(max - n_dropped), &dropped);

		n_dropped = (uint16_t)(n_dropped + dropped);
		if (likely(m != NULL))
			ret_pkts[n++] = m;
	}
	s->more = s->classes[s->root].state == SCHED_IS_READY;
	s->due = dp_sched_next(s, now);
	*ret_n_dropped = n_dropped;
	return n;
}

uint64_t dp_sched_next(const struct dp_sched *s, uint64_t now)
{
	const struct sched_class *root = &s->classes[s->root];
	uint64_t first;

	if (root->state == SCHED_IS_READY)
		return now;
	if (s->timer.n == 0)
		return DP_SCHED_NEVER;
	first = s->timer.v[0].key;
	return root->max.cost != 0 && sched_before(first, root->max.at) ? root->max.at : first;
}

uint32_t dp_sched_whole(const struct dp_sched *s, uint16_t leaf)
{
	return s->classes[leaf].whole;
}

uint32_t dp_sched_waiting(const struct dp_sched *s)
{
	return s->waiting;
}

uint16_t dp_sched_empty_leaf(struct dp_sched *s, uint16_t leaf, struct rte_mbuf **ret_pkts,
			     uint16_t max)
{
	struct sched_class *c = &s->classes[leaf];
	uint16_t n = 0;
	uint64_t since;

	if (!c->leaf || c->head == NULL)
		return 0;
	while (c->head != NULL && n < max)
		ret_pkts[n++] = sched_pop(s, c, &since);
	if (c->head == NULL)
		make_unready(s, leaf, SCHED_IS_IDLE);
	if (s->waiting == 0)
		s->due = DP_SCHED_NEVER;
	return n;
}

uint16_t dp_sched_empty(struct dp_sched *s, struct rte_mbuf **ret_pkts, uint16_t max)
{
	uint16_t n = 0;

	for (; s->empty_from < s->root; s->empty_from++) {
		uint16_t leaf = s->empty_from;

		n = (uint16_t)(n + dp_sched_empty_leaf(s, leaf, ret_pkts + n, (uint16_t)(max - n)));
		if (s->classes[leaf].leaf && s->classes[leaf].head != NULL)
			return n;
	}
	s->empty_from = 0;
	return n;
}

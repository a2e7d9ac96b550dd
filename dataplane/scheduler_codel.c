/* SPDX-License-Identifier: BSD-2-Clause
 *
 * CoDel, RFC 8289: a queue in which every packet of an interval waited longer than the target is
 * too long; from then on one packet is dropped after the other, each sooner than the last, until
 * one waited less.  Who can be told by ECN is told instead.
 */
#include "dataplane/scheduler_priv.h"

#define ONE_PACKET 1538u /* so much may wait however long (4.3: one MTU) */
#define FORGET	   16u	 /* intervals after which dropping starts anew (5.6) */
#define MOST	   65535u

struct rte_mbuf *sched_pop(struct dp_sched *s, struct sched_class *c, uint64_t *ret_since)
{
	struct rte_mbuf *m = c->head;
	const struct sched_link *link = sched_link(s, m);

	c->head = link->next;
	*ret_since = link->since;
	if (c->head != NULL)
		rte_prefetch0(c->head);
	sched_add32(&c->n.waiting, (uint32_t)-1);
	sched_add32(&c->n.waiting_bytes, -m->pkt_len);
	s->waiting--;
	return m;
}

static uint32_t root_of(uint32_t x)
{
	uint32_t r = 0;

	for (uint32_t bit = 1u << 15; bit != 0; bit >>= 1)
		if ((r + bit) * (r + bit) <= x)
			r += bit;
	return r;
}

/* The next drop: interval / sqrt(count) later (3.3); the root with eight bits of fraction, and of
 * at least 1. */
static uint64_t control_law(const struct sched_codel *q, uint64_t t)
{
	return t + (q->interval << 8) / root_of(q->count << 16);
}

/* Has the queue been too long for an interval?  (should_drop of 5.5.) */
static bool too_long(struct sched_class *c, const struct rte_mbuf *m, uint64_t since, uint64_t now)
{
	struct sched_codel *q = &c->codel;

	if (m == NULL || now - since < q->target ||
	    c->n.waiting_bytes <= RTE_MAX(ONE_PACKET, m->pkt_len)) {
		q->first_above = 0;
		return false;
	}
	if (q->first_above == 0) {
		q->first_above = now + q->interval;
		return false;
	}
	return !sched_before(now, q->first_above);
}

struct popped {
	struct rte_mbuf *m;
	bool late;
};

static struct popped pop(struct dp_sched *s, struct sched_class *c, uint64_t now)
{
	struct popped p = {0};
	uint64_t since = now;

	if (c->head != NULL)
		p.m = sched_pop(s, c, &since);
	p.late = too_long(c, p.m, since, now);
	if (p.m != NULL)
		sched_link(s, p.m)->since = since; /* For who counts its delay. */
	return p;
}

static void next_count(struct sched_codel *q)
{
	if (q->count < MOST)
		q->count++;
}

/* It is time to drop 'p->m', and then what follows it may be late, too.  True: it was marked, and
 * goes. */
static bool give_up(struct dp_sched *s, struct sched_class *c, struct popped *p, uint64_t now,
		    struct rte_mbuf **ret_dropped, uint16_t *n)
{
	if (!c->drops_ecn && sched_ecn_mark(&p->m)) {
		sched_add(&c->n.marked, 1);
		return true;
	}
	sched_add(&c->n.dropped, 1);
	ret_dropped[(*n)++] = p->m;
	*p = pop(s, c, now);
	return false;
}

static void start(struct sched_codel *q, uint64_t now)
{
	uint32_t delta = q->count - q->last_count;

	/* Where it went on dropping not long ago, it starts near that pace. */
	q->dropping = true;
	q->count = delta > 1 && now - q->drop_next < FORGET * q->interval ? delta : 1;
	q->drop_next = control_law(q, now);
	q->last_count = q->count;
}

struct rte_mbuf *sched_codel_pop(struct dp_sched *s, struct sched_class *c, uint64_t now,
				 struct rte_mbuf **ret_dropped, uint16_t room,
				 uint16_t *ret_n_dropped)
{
	struct sched_codel *q = &c->codel;
	struct popped p = pop(s, c, now);
	uint16_t n = 0;

	if (likely(!p.late)) {
		q->dropping = false;
	} else if (!q->dropping) {
		if (room != 0) {
			give_up(s, c, &p, now, ret_dropped, &n);
			start(q, now);
		}
	} else {
		while (q->dropping && n < room && !sched_before(now, q->drop_next)) {
			bool marked = give_up(s, c, &p, now, ret_dropped, &n);

			next_count(q);
			if (marked || p.late)
				q->drop_next = control_law(q, q->drop_next);
			else
				q->dropping = false;
			if (marked)
				break;
		}
	}
	*ret_n_dropped = n;
	return p.m;
}

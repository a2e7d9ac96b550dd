/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The scheduler's insides.
 *
 * A class with something to send is READY when it is below its maximum: it stands in its parent's
 * heaps then, by guarantee and by share (or by strict priority).  Above it, it is WAITING: it
 * stands in the tree's timer.  An inner class has something to send when a child is READY.
 *
 * 	       put, or a child is READY              free_at > now
 * 	IDLE ────────────────────────────► READY ────────────────────► WAITING
 * 	  ▲  nothing left, or no child      │  ▲        free_at ≤ now     │
 * 	  └─────────────────────────────────┘  └──────────────────────────┘
 *
 * Three clocks of a class, all moved by what it sends:
 *
 * 	free_at  when it is below its maximum again (GCRA): at most 'burst' in the past
 * 	min_at   until when its guarantee is met
 * 	v        its place in the parent's virtual time (start-time fair queueing)
 *
 * Times and places are compared by the sign of their difference.
 */
#ifndef DATAPLANE_SCHEDULER_PRIV_H
#define DATAPLANE_SCHEDULER_PRIV_H

#include "dataplane/scheduler.h"

#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#define SCHED_NOWHERE UINT16_MAX
#define SCHED_FP      20u /* fraction bits of a cost in cycles a byte */
#define SCHED_V_FP    24u /* of virtual time, in bytes by weight */

/* The heaps of an inner class, then the tree's timer. */
enum sched_by { SCHED_STRICT, SCHED_GUARANTEE, SCHED_SHARE, SCHED_TIMER, SCHED_N_HEAPS };

struct sched_entry {
	uint64_t key;
	uint16_t cls;
};

/* Four children a node: with sixteen bytes an entry, one cache line. */
struct sched_heap {
	struct sched_entry *v;
	uint16_t n;
	uint16_t by; /* which of a class' places is about it */
};

enum sched_state { SCHED_IS_IDLE, SCHED_IS_WAITING, SCHED_IS_READY };

/* A clock that bytes move. */
struct sched_clock {
	uint64_t at;
	uint64_t cost; /* cycles a byte, with SCHED_FP bits of fraction; 0: it stands still */
	uint32_t frac;
};

struct sched_codel {
	uint64_t target, interval;
	uint64_t first_above, drop_next;
	uint32_t count, last_count;
	bool dropping;
};

struct sched_class {
	struct sched_clock max, min;
	uint64_t burst; /* cycles */
	uint64_t v, v_per_byte;
	uint16_t parent;
	uint16_t at[SCHED_N_HEAPS]; /* its places; SCHED_NOWHERE */
	uint8_t state;		    /* enum sched_state */
	bool leaf, strict, drops_ecn;
	/* Of inner classes. */
	uint64_t v_now, v_strict;
	struct sched_heap heaps[SCHED_TIMER];
	/* Of leaves. */
	struct rte_mbuf *head, *tail;
	uint32_t limit, limit_bytes, overhead, whole;
	struct sched_codel codel;
	/* One thread writes, others may read: sched_add(). */
	struct dp_sched_counts n; /* delays in cycles */
};

struct dp_sched {
	uint16_t root; /* classes[root]; those below are numbered as they were given */
	int link;      /* offset of struct sched_link in an mbuf */
	uint64_t tsc_hz, late_max, lag_max;
	uint64_t due;	  /* since when, or when, something may go */
	uint64_t late;	  /* by so much the caller came late */
	uint32_t largest; /* about: of the packets that went lately, on the wire */
	bool more;	  /* the last get() ended at its 'max' */
	struct sched_heap timer;
	struct sched_entry *entries; /* of all heaps */
	uint16_t empty_from;	     /* leaves below are empty: dp_sched_empty() */
	uint32_t waiting;
	struct sched_class classes[];
};

/* In the buffer of a packet that waits. */
struct sched_link {
	struct rte_mbuf *next;
	uint64_t since;
};

static inline struct sched_link *sched_link(const struct dp_sched *s, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, s->link, struct sched_link *);
}

static inline bool sched_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static inline void sched_add(uint64_t *word, uint64_t n)
{
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}

static inline void sched_add32(uint32_t *word, uint32_t n)
{
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}

/* What 'm' takes on the wire. */
static inline uint32_t sched_wire_size(const struct rte_mbuf *m, uint32_t overhead)
{
	uint32_t head, n = 1;

	if (likely((m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) == 0) ||
	    m->tso_segsz == 0)
		return m->pkt_len + overhead;
	head = (uint32_t)m->l2_len + m->l3_len + m->l4_len;
	if (m->pkt_len > head + m->tso_segsz)
		n = (m->pkt_len - head + m->tso_segsz - 1) / m->tso_segsz;
	return m->pkt_len + (n - 1) * head + n * overhead;
}

/* scheduler_heap.c */
void sched_heap_push(struct dp_sched *s, struct sched_heap *h, uint16_t cls, uint64_t key);
void sched_heap_remove(struct dp_sched *s, struct sched_heap *h, uint16_t cls);
/* Its key is another one. */
void sched_heap_move(struct dp_sched *s, struct sched_heap *h, uint16_t cls, uint64_t key);

/* scheduler_run.c: a leaf got its first packets. */
void sched_activate(struct dp_sched *s, uint16_t leaf, uint64_t now);

/* scheduler_codel.c */
/* The next packet of a leaf that has some, after those that waited too long: these are put into
 * 'ret_dropped', which has room for 'room' more.  NULL: it has none left. */
struct rte_mbuf *sched_codel_pop(struct dp_sched *s, struct sched_class *c, uint64_t now,
				 struct rte_mbuf **ret_dropped, uint16_t room,
				 uint16_t *ret_n_dropped);
/* Takes the first packet off a leaf that has some. */
struct rte_mbuf *sched_pop(struct dp_sched *s, struct sched_class *c, uint64_t *ret_since);

/* scheduler_ecn.c: sets "congestion experienced" where the sender knows the word.  False: it does
 * not, or no buffer could be had for a copy of bytes that others have too.  May be another buffer
 * afterwards. */
bool sched_ecn_mark(struct rte_mbuf **m);

#endif

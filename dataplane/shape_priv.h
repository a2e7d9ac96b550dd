/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shapers' insides.  A shaper's owner works on all of it; the control thread does while all workers
 * stand still (dp_pause()), and on what is marked as its own.
 *
 * The wheel of a worker has a slot for each few microseconds to come.  A shaper that has to wait is
 * in the slot in which it may send again, and its turn is when that slot is over: so what became
 * due in one slot goes in one burst, a slot late at most, and the scheduler makes up for it.
 */
#ifndef DATAPLANE_SHAPE_PRIV_H
#define DATAPLANE_SHAPE_PRIV_H

#include "dataplane/dp_priv.h"
#include "dataplane/shape.h"

#define SHAPE_SLOTS 2048u
#define SHAPE_UNIT  2048u /* bytes of a buffer, about */

/* What a shaper does; another one takes its place. */
struct shape_conf {
	struct dp_sched *sched;
	struct dp_shape_spec spec; /* its tables are ours; classes and keys are gone */
	uint64_t *keys;		   /* [n_classes] */
	uint16_t *from;		   /* [n_classes]: who they are in what runs; DP_SCHED_NO_CLASS */
	void *tables;
};

struct dp_shaper {
	/* Any worker. */
	_Atomic(struct dp_worker *) owner; /* NULL: there is none yet.  Changed in a pause */
	/* The owner's. */
	struct shape_conf *conf;
	struct dp_shaper *next_due, **due_link; /* in a slot of the wheel; due_link NULL: in none */
	uint16_t slot;
	uint16_t port;		   /* by which it sends; DP_NO_PORT: it never did */
	const struct dp_port *dev; /* that it had then; not to be looked into */
	/* Of several ports (shape_share.c): [DP_MAX_PORTS], the same of each; NULL: it is one's.
	 * What waits has its port in vlan_tci_outer then. */
	const struct dp_port **devs;
	uint32_t held; /* units of what waits */
	bool busy;     /* it is sending: who comes by it again only queues */
	/* The control thread's. */
	struct dp *dp;
	struct dp_shaper *next; /* of dp->shapers */
	struct shape_conf *prepared;
	uint32_t serial;
	uint16_t n_txq; /* of its port */
};

struct dp_shape_wheel {
	const struct dp_view *view; /* for which all that wait were looked at */
	uint64_t at;		    /* the first slot that is not over, in slots of all time */
	unsigned shift;		    /* of cycles to slots */
	uint32_t n;		    /* shapers in slots */
	uint32_t held, budget;	    /* units */
	uint64_t filled[SHAPE_SLOTS / 64];
	struct dp_shaper *slots[SHAPE_SLOTS];
};

/* So much of the buffers does it hold.  Of a frame's length alone: marking may change segments. */
static inline uint32_t shape_units(const struct rte_mbuf *m)
{
	return 1 + m->pkt_len / SHAPE_UNIT;
}

/* shape_class.c: the leaf that takes 'm', which leaves by 'out'; DP_SCHED_NO_CLASS: of ports that
 * share, 'out' is none. */
uint16_t shape_classify(const struct dp_shape_spec *spec, const struct rte_mbuf *m, uint16_t out);

/* By which port a frame that waits will leave. */
static inline uint16_t shape_port_of(const struct dp_shaper *s, const struct rte_mbuf *m)
{
	return unlikely(s->devs != NULL) ? m->vlan_tci_outer : s->port;
}

/* shape.c: these wait no longer. */
void shape_let_go(struct dp_worker *w, struct dp_shaper *s, struct rte_mbuf *const *pkts,
		  uint16_t n);

/* shape_share.c: of shapers of several ports.  Sends what was taken out of the queue. */
void shape_share_send(struct dp_worker *w, struct dp_shaper *s, struct rte_mbuf **pkts, uint16_t n);
/* There is another view: what waits for ports that are theirs no more goes now, or is dropped. */
void shape_share_look(struct dp_worker *w, struct dp_shaper *s);
/* Frames leave by 'out': says so in each.  False: the shaper does not know that port (yet). */
bool shape_share_take(struct dp_worker *w, struct dp_shaper *s, const struct dp_vport *out,
		      struct rte_mbuf **pkts, uint16_t n);

/* shape.c: takes it out of the wheel, and back into it as its queue says. */
void shape_disarm(struct dp_worker *w, struct dp_shaper *s);
void shape_arm(struct dp_worker *w, struct dp_shaper *s, uint64_t now);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker: one thread on one core that polls its receive queues and carries each burst to the
 * transmit call.
 *
 * 	queue list ─► rx ─► l2.c (classify, learn, look up) ─► tx.c (gather per port) ─► driver
 * 	inbox (frames from workers that own no queue of the egress port) ───────────────┘
 *
 * Once per loop it reports quiescence: it holds no pointer to a view, a queue list, a counter set
 * or a port then. Everything here belongs to the worker, but for the fields marked otherwise.
 * dataplane/ only.
 */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include "dataplane/again.h"
#include "dataplane/counter.h"
#include "dataplane/dp.h"
#include "dataplane/tunnel_wire.h"
#include "dataplane/view.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DP_MAX_WORKERS 64
#define DP_TX_GATHER   64
#define DP_INBOX_SIZE  4096
#define DP_MIRROR_WAIT 512

struct dp_flow;
struct dp_frags;
struct dp_notice_queue;
struct dp_records;
struct dp_shape_wheel;
struct dp_trace;
struct rte_ring;
struct rte_rcu_qsbr;

/* Queues of one worker.  Immutable; replaced by RCU. */
struct dp_rxq_list {
	uint64_t serial; /* tells lists apart: an address is used again */
	uint16_t n;
	bool polled; /* some queue has no wake_fd */
	bool armed;  /* some queue wants to hear of sleep */
	bool soft;   /* some queue is a ring (vmq.h) */
	struct dp_rxq *q[];
};

/* Frames gathered for one port during a burst. */
struct dp_txbuf {
	uint16_t n;
	bool touched;	 /* in the worker's list of ports to flush */
	uint16_t n_meta; /* of a tunnel port: the first so many go where 'meta' says */
	struct dp_tunnel_meta meta;
	struct rte_mbuf *pkts[DP_TX_GATHER];
};

/* One set of counters; the worker writes one while the control thread may read the other. */
struct dp_count_set {
	struct dp_count *ports[DP_MAX_PORTS];
	struct dp_domain_count *domains; /* DP_MAX_DOMAINS */
	uint64_t handed, taken;		 /* frames put into and taken from inboxes */
};

/* A port whose queue stays full: who takes the worker's time takes it from that port (police.h). */
struct dp_behind {
	uint64_t at; /* clock; 0: never */
	uint16_t port;
};
#define DP_N_BEHIND 2

/* Copies of frames that left, to be sent (mirror.h). */
struct dp_mirror;
struct dp_mirror_wait {
	uint16_t n;
	struct {
		const struct dp_mirror *mirror;
		struct rte_mbuf *m;
		uint16_t port; /* by which the frame left */
	} v[DP_MIRROR_WAIT];
};

struct dp_worker {
	/* Read on every burst. */
	struct dp *dp;
	struct dp_count_set *count;	    /* the set being written */
	const struct dp_view *view;	    /* of this burst */
	_Atomic(struct dp_rxq_list *) rxqs; /* control thread replaces */
	struct rte_ring *inbox;
	struct rte_rcu_qsbr *rcu;
	uint16_t index; /* slot, 0..63: stable while the worker lives */
	_Atomic uint16_t
		rank; /* which transmit queue is mine; changed only while all workers are paused */
	unsigned cpu;
	uint64_t burst_tsc;		      /* clock of this burst */
	uint64_t lent_cycles;		      /* of it: those of other queues (vmq.h) */
	struct dp_behind behind[DP_N_BEHIND]; /* the latest first */
	struct dp_flow *flow;		      /* NULL until a switch has rules */
	/* Not NULL: no worker, but a frame being traced (trace.h).  Nothing outside this structure
	 * may change then: no learning, no tokens taken, nothing sent or told. */
	struct dp_trace *trace;
	struct dp_frags *frags;		  /* fragments that wait; NULL: traces */
	const struct dp_view *frags_view; /* of which their ports are */
	struct dp_notice_queue *notices;  /* NULL: traces */
	uint16_t n_touched;
	/* Ports with frames gathered; once more through a tunnel, by a mirror, and by one through a
	 * tunnel. */
	uint16_t touched[4 * DP_MAX_PORTS];
	struct dp_txbuf *tx[DP_MAX_PORTS]; /* control thread fills in when a port is attached */
	struct dp_mirror_wait mirrored;
	uint16_t tunnel_ip_id;
	uint16_t n_tell; /* how often senders may be told now (tunnel_pmtu.c), as of ... */
	uint64_t tell_ms;
	struct dp_again again;
	/* Where a burst goes on behind the stages of its port (stages.c). */
	void (*past_stages)(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			    uint16_t n);
	bool alike; /* all that is past them has the same addresses and EtherType, untagged or with
		       the same tag, and a stage has seen it; false: nobody looked */
	struct dp_shape_wheel *shape; /* shapers of which it sends (shape.h) */
	uint64_t shape_due;	      /* when to look at them; UINT64_MAX: nothing waits */

	/* Shared with the control thread. */
	_Atomic bool stop __attribute__((aligned(64)));
	_Atomic bool asleep;	      /* in epoll: needs a kick */
	_Atomic uint32_t flip_wanted; /* control: change counter sets, up to this number */
	_Atomic uint32_t flip_done;   /* worker */
	_Atomic uint32_t pause_wanted;
	_Atomic uint32_t pause_done;
	_Atomic uint32_t inject_wanted; /* control: frames given to this worker (inject.h) */
	_Atomic uint32_t inject_done;	/* worker: of them */
	_Atomic uint64_t busy_cycles, sleep_cycles, packets, wakeups, loops;
	_Atomic uint64_t sleep_start; /* of the sleep that goes on, in cycles; 0: awake */

	/* Control thread's. */
	struct dp_records *injects; /* what inject_wanted counts; NULL: never any */
	struct dp_rxq_list *spare;  /* an empty list, for when there is no memory; NULL: in use */
	struct dp_count_set sets[2];
	pthread_t thread;
	int epoll_fd;
	int kick_fd;
	_Atomic int start_error;
	uint64_t seen_busy, seen_sleep, seen_tsc, seen_packets;
	double busy, sleeping, cycles_per_packet;
};

/* Runs until 'stop'.  The thread's body. */
void *dp_worker_main(void *arg);
/* Wakes a worker that sleeps.  Any thread. */
void dp_worker_kick(struct dp_worker *w);
/* For who has put something where the worker looks before it sleeps.  The fence: it says that it
 * sleeps and then looks, so whoever puts must have put before asking whether it sleeps, and a store
 * may otherwise wait behind a load. */
static inline void dp_worker_wake(struct dp_worker *w)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w->asleep, memory_order_relaxed))
		dp_worker_kick(w);
}

static inline void dp_worker_behind(struct dp_worker *w, uint16_t port, uint64_t now)
{
	if (w->behind[0].port != port)
		w->behind[1] = w->behind[0];
	w->behind[0] = (struct dp_behind){now, port};
}

/* l2.c: carries a burst that came in by 'in'.  Takes the frames. */
void dp_l2_burst(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		 uint16_t n);

/* flood.c: to every port of the domain that accepts 'cvlan', but the ingress port.  Takes 'm'.
 * 'tagged': the frame wears an outer tag that carries 'cvlan'. */
void dp_flood(struct dp_worker *w, const struct dp_vport *in, const struct dp_domain *domain,
	      struct rte_mbuf *m, uint16_t cvlan, bool tagged, bool group);

/* tx.c: sends past all stages (stages.h) what leaves by 'out', where this worker has a transmit
 * queue.  Takes the frames. */
void dp_tx_send(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		uint16_t n);
/* tx.c: sends what was gathered for one port. */
void dp_tx_flush(struct dp_worker *w, uint16_t port);

/* tx.c: for who has a whole burst for 'out', at most DP_BURST, and knows what is in it.  First the
 * queue to send it by: NULL when stages, a capture, gathered frames or another worker's queue stand
 * in the way. */
struct dp_tx_sum {
	uint64_t flags, bytes; /* all offload flags; all bytes */
	uint32_t longest;
	uint32_t more; /* not 0: some frame has several segments */
};
struct dp_txq *dp_tx_straight(const struct dp_worker *w, const struct dp_vport *out);
/* Does none of them want anything done to it? */
bool dp_tx_is_plain(const struct dp_vport *out, const struct dp_tx_sum *sum);
/* Then: sends them, and counts.  Takes the frames. */
void dp_tx_plain(struct dp_worker *w, struct dp_txq *txq, const struct dp_vport *out,
		 struct rte_mbuf **pkts, uint16_t n, uint64_t bytes);

/* Where frames for 'out' are gathered; good until dp_tx_flush_all(). */
static inline struct dp_txbuf *dp_tx_open(struct dp_worker *w, const struct dp_vport *out)
{
	struct dp_txbuf *buf = w->tx[out->id];

	if (!buf->touched) {
		buf->touched = true;
		w->touched[w->n_touched++] = out->id;
	}
	return buf;
}

/* Gathers 'm' in 'buf', which is 'port''s; takes it. */
static inline void dp_tx_gather(struct dp_worker *w, struct dp_txbuf *buf, uint16_t port,
				struct rte_mbuf *m)
{
	buf->pkts[buf->n++] = m;
	if (unlikely(buf->n == DP_TX_GATHER))
		dp_tx_flush(w, port);
}

/* The same with all of 'pkts', at less than one by one.  Pointer by pointer, which "atomic" keeps
 * it at: loads that come soon after do not wait for them as for wide stores (5 cycles a packet). */
static inline void dp_tx_gather_all(struct dp_worker *w, struct dp_txbuf *buf, uint16_t port,
				    struct rte_mbuf *const *pkts, uint16_t n)
{
	while (n != 0) {
		uint16_t room = (uint16_t)(DP_TX_GATHER - buf->n), take = n < room ? n : room;
		struct rte_mbuf **to = buf->pkts + buf->n;

		for (uint16_t i = 0; i < take; i++)
			__atomic_store_n(&to[i], pkts[i], __ATOMIC_RELAXED);
		buf->n = (uint16_t)(buf->n + take);
		pkts += take;
		n = (uint16_t)(n - take);
		if (unlikely(buf->n == DP_TX_GATHER))
			dp_tx_flush(w, port);
	}
}

/* Gathers 'm' for 'out'; takes it. */
static inline void dp_tx(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf *m)
{
	dp_tx_gather(w, dp_tx_open(w, out), out->id, m);
}

/* Sends what was gathered. */
void dp_tx_flush_all(struct dp_worker *w);
/* Takes frames that other workers handed to this one.  Returns how many. */
unsigned dp_handoff_drain(struct dp_worker *w);

/* vlan.c: makes the outer tag as 'out' wants it for a frame carried on 'cvlan'.  Returns the frame
 * (perhaps another one, when the given one shares its bytes) or NULL after freeing it when no
 * buffer could be had. */
struct rte_mbuf *dp_vlan_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf *m,
				uint16_t domain, uint16_t cvlan, bool tagged);
/* A tag came or went ('by' bytes): the length of layer 2 is part of an offload request. */
void dp_vlan_l2_len_changed(struct rte_mbuf *m, int by);

/* Ends a frame on the ingress side of 'port': counts and frees. */
void dp_drop(struct dp_worker *w, uint16_t port, struct rte_mbuf *m, enum dp_drop reason);
/* The same with all of 'pkts'. */
void dp_drop_all(struct dp_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n,
		 enum dp_drop reason);
/* As dp_drop() on the egress side; the frame was counted as offered. */
void dp_drop_tx(struct dp_worker *w, uint16_t port, struct rte_mbuf *m, enum dp_drop reason);

#endif

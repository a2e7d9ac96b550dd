/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See team.h: the team as a port, and what workers do for it.
 *
 * Reflections: where the members' switch does not know of the team, what one member sends and that
 * switch floods comes back by the others, with a source address that lives here.  The switch would
 * learn it behind the team.  So whoever sends notes the source in a small table, and what comes in
 * from an address that was noted a moment ago is dropped.  A station that has moved away from here
 * sends nothing here, so it is heard after that moment.
 */
#include "dataplane/team.h"

#include "dataplane/acl.h"
#include "dataplane/dp_priv.h"
#include "dataplane/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ring.h>

#define PDU_RING     64u
#define MAC_MASK     UINT64_C(0xffffffffffff)
#define GROUP_BIT    UINT64_C(1)
#define SLOW_DST     UINT64_C(0x020000c28001) /* 01-80-C2-00-00-02 */
#define SLOW_TYPE    0x0988u		      /* 0x8809 */
#define SENT_SLOTS   1024u
#define SENT_TICK_MS 64u
#define SENT_TICKS   16u
#define LEAST_FRAME  60u

struct dp_team {
	_Atomic(struct dp_team_set *) set;
	struct rte_ring *pdus;
	struct dp *dp;
	struct dp_port *port;
	struct dp_link link;
	/* Source address in the lower 48 bits, when it was sent in the others; workers share it,
	 * and write only what is new. */
	_Atomic uint64_t sent[SENT_SLOTS];
};

static uint64_t source_of(const struct rte_mbuf *m)
{
	uint64_t word;

	memcpy(&word, rte_pktmbuf_mtod_offset(m, const char *, 6), sizeof(word));
	return word & MAC_MASK;
}

static uint64_t destination_of(const struct rte_mbuf *m)
{
	uint64_t word;

	memcpy(&word, rte_pktmbuf_mtod(m, const char *), sizeof(word));
	return word & MAC_MASK;
}

static uint16_t tick_of(const struct dp_worker *w)
{
	return (uint16_t)(w->burst_tsc / (w->dp->tsc_hz / 1000 * SENT_TICK_MS));
}

static _Atomic uint64_t *slot_of(struct dp_team *t, uint64_t mac)
{
	return &t->sent[(mac * UINT64_C(0x9e3779b97f4a7c15) >> 48) % SENT_SLOTS];
}

static void note_source(struct dp_team *t, uint16_t tick, const struct rte_mbuf *m)
{
	uint64_t mac, value;
	_Atomic uint64_t *slot;

	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return;
	mac = source_of(m);
	value = mac | (uint64_t)tick << 48;
	slot = slot_of(t, mac);
	if (atomic_load_explicit(slot, memory_order_relaxed) != value)
		atomic_store_explicit(slot, value, memory_order_relaxed);
}

static bool was_sent(struct dp_team *t, uint16_t tick, uint64_t mac)
{
	uint64_t seen = atomic_load_explicit(slot_of(t, mac), memory_order_relaxed);

	return (seen & MAC_MASK) == mac && (uint16_t)(tick - (uint16_t)(seen >> 48)) <= SENT_TICKS;
}

/* ---- From the members ---- */

static bool is_slow(const struct rte_mbuf *m)
{
	uint16_t type;

	memcpy(&type, rte_pktmbuf_mtod_offset(m, const char *, 12), sizeof(type));
	return destination_of(m) == SLOW_DST && type == SLOW_TYPE;
}

/* Received by the member, not by the team. */
static void count_one(struct dp_worker *w, const struct dp_vport *in, const struct rte_mbuf *m)
{
	w->count->ports[in->id]->rx_packets++;
	w->count->ports[in->id]->rx_bytes += m->pkt_len;
}

static void hand_up(struct dp_worker *w, struct dp_team *t, const struct dp_vport *in,
		    struct rte_mbuf *m)
{
	count_one(w, in, m);
	m->port = in->id;
	if (rte_ring_mp_enqueue(t->pdus, m) != 0)
		dp_drop(w, in->id, m, DP_DROP_TEAM_PDU);
	else
		w->count->ports[in->id]->punted++;
}

/* May the team hear it?  DP_N_DROPS: yes. */
static enum dp_drop judge(struct dp_team *t, const struct dp_team_set *set,
			  const struct dp_team_member *member, uint16_t tick,
			  const struct rte_mbuf *m)
{
	if (!member->takes)
		return DP_DROP_TEAM_STANDBY;
	if (!set->reflects)
		return DP_N_DROPS;
	if (!member->takes_group && (destination_of(m) & GROUP_BIT) != 0)
		return DP_DROP_TEAM_COPY;
	return was_sent(t, tick, source_of(m)) ? DP_DROP_TEAM_REFLECTED : DP_N_DROPS;
}

static const struct dp_team_member *member_of(const struct dp_team_set *set,
					      const struct dp_port *port)
{
	static const struct dp_team_member none = {.takes = false};

	for (uint8_t i = 0; i < set->n_members; i++)
		if (set->members[i].port == port)
			return &set->members[i];
	return &none;
}

static void show_to_capture(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			    uint16_t n)
{
	struct dp_capture_point *point =
		atomic_load_explicit(&in->port->capture, memory_order_acquire);

	if (unlikely(point != NULL))
		w->dp->capture(point, w->index, DP_STAGE_INGRESS, DP_N_DROPS, pkts, n);
}

uint16_t dp_team_receive(struct dp_worker *w, const struct dp_vport **in, struct rte_mbuf **pkts,
			 uint16_t n)
{
	const struct dp_vport *from = *in, *to = w->view->vports[from->team_port];
	struct dp_team *t = from->team;
	const struct dp_team_set *set = atomic_load_explicit(&t->set, memory_order_acquire);
	const struct dp_team_member *member = member_of(set, from->port);
	uint16_t tick = tick_of(w), left = 0;

	show_to_capture(w, from, pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		bool whole = m->data_len >= RTE_ETHER_HDR_LEN;
		enum dp_drop reason = DP_N_DROPS;

		if (whole && set->lacp && is_slow(m)) {
			hand_up(w, t, from, m);
			continue;
		}
		if (to == NULL || !whole)
			reason = whole ? DP_DROP_TEAM_STANDBY : DP_DROP_RUNT;
		else
			reason = judge(t, set, member, tick, m);
		if (likely(reason == DP_N_DROPS)) {
			pkts[left++] = m;
			continue;
		}
		count_one(w, from, m);
		dp_drop(w, from->id, m, reason);
	}
	*in = to;
	return left;
}

/* ---- To the members ---- */

static bool can_send(const struct dp_team_set *set, uint8_t i)
{
	return i < set->n_members &&
	       atomic_load_explicit(&set->members[i].port->link_up, memory_order_relaxed);
}

/* The member for a frame; DP_TEAM_NONE. */
static uint8_t choose(const struct dp_team_set *set, const struct rte_mbuf *m)
{
	uint8_t i = set->n_active == 1
			    ? set->active[0]
			    : set->bucket[dp_team_hash(m, set->spread) % DP_TEAM_BUCKETS];

	if (likely(can_send(set, i)))
		return i;
	for (uint8_t k = 0; k < set->n_active; k++)
		if (can_send(set, set->active[k]))
			return set->active[k];
	return DP_TEAM_NONE;
}

/* To the worker that has a transmit queue there.  Returns how many it took. */
static uint16_t hand_off(struct dp_worker *w, const struct dp_port *port, struct rte_mbuf **pkts,
			 uint16_t n)
{
	uint16_t rank =
		(uint16_t)(atomic_load_explicit(&w->rank, memory_order_relaxed) % port->n_txq);
	struct dp_worker *owner = atomic_load_explicit(&w->dp->by_rank[rank], memory_order_acquire);
	struct dp_count *count = w->count->ports[port->id];
	unsigned taken = 0;

	for (uint16_t i = 0; i < n; i++) {
		pkts[i]->vlan_tci_outer = port->id;
		pkts[i]->ol_flags |= DP_ACL_ASKED;
	}
	if (owner != NULL)
		taken = rte_ring_mp_enqueue_burst(owner->inbox, (void **)pkts, n, NULL);
	w->count->handed += taken;
	count->copies += taken;
	count->forwarded += taken;
	if (taken != 0)
		dp_worker_wake(owner);
	return (uint16_t)taken;
}

/* Sends by one member; returns how many it took. */
static uint16_t send_by(struct dp_worker *w, struct dp_txq *q, struct dp_port *port,
			struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t bytes = 0, rest = 0;
	struct dp_txq *txq;
	uint16_t sent;

	if (unlikely(q->index >= port->n_txq)) {
		sent = port->n_txq != 0 ? hand_off(w, port, pkts, n) : 0;
		if (sent < n)
			q->refused = port->n_txq != 0 ? DP_DROP_HANDOFF_FULL : DP_DROP_TX_DOWN;
		return sent;
	}
	txq = &port->txq[q->index];
	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	txq->refused = DP_N_DROPS;
	sent = port->tx(txq, pkts, n);
	if (unlikely(sent < n))
		q->refused = txq->refused != DP_N_DROPS ? txq->refused : DP_DROP_TX_FULL;
	for (uint16_t i = sent; i < n; i++)
		rest += pkts[i]->pkt_len;
	atomic_store_explicit(&txq->packets, txq->packets + sent, memory_order_relaxed);
	atomic_store_explicit(&txq->bytes, txq->bytes + bytes - rest, memory_order_relaxed);
	return sent;
}

/* A burst, by as many members as it takes; those of a member stay in order.  What was not taken
 * is left in 'pkts', at its beginning; returns how many that are. */
static uint16_t send_chunk(struct dp_worker *w, struct dp_txq *q, const struct dp_team_set *set,
			   struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *group[DP_BURST], *left[DP_BURST];
	uint8_t member[DP_BURST];
	uint16_t n_left = 0;
	uint32_t used = 0;

	for (uint16_t i = 0; i < n; i++) {
		member[i] = choose(set, pkts[i]);
		used |= member[i] != DP_TEAM_NONE ? 1u << member[i] : 0;
		if (unlikely(member[i] == DP_TEAM_NONE)) {
			left[n_left++] = pkts[i];
			q->refused = DP_DROP_TEAM_NO_MEMBER;
		}
	}
	for (uint8_t k = 0; used >> k != 0; k++) {
		uint16_t n_group = 0, sent;

		for (uint16_t i = 0; i < n; i++)
			if (member[i] == k)
				group[n_group++] = pkts[i];
		sent = n_group != 0 ? send_by(w, q, set->members[k].port, group, n_group) : 0;
		for (uint16_t i = sent; i < n_group; i++)
			left[n_left++] = group[i];
	}
	memcpy(pkts, left, n_left * sizeof(left[0]));
	return n_left;
}

/* Only workers send, each by the queue of its rank. */
static uint16_t team_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_team *t = q->priv;
	struct dp_worker *w = atomic_load_explicit(&t->dp->by_rank[q->index], memory_order_acquire);
	const struct dp_team_set *set = atomic_load_explicit(&t->set, memory_order_acquire);
	uint16_t sent = 0;

	if (set->reflects) {
		uint16_t tick = tick_of(w);

		for (uint16_t i = 0; i < n; i++)
			note_source(t, tick, pkts[i]);
	}
	/* Before 'at' lie what was sent and then what was not. */
	for (uint16_t at = 0; at < n;) {
		uint16_t size = (uint16_t)RTE_MIN(n - at, DP_BURST);
		uint16_t left = send_chunk(w, q, set, pkts + at, size);

		if (unlikely(left != 0)) {
			struct rte_mbuf *late[DP_BURST];

			memcpy(late, pkts + at, left * sizeof(late[0]));
			memmove(pkts + sent + size - left, pkts + sent,
				(size_t)(at - sent) * sizeof(pkts[0]));
			memcpy(pkts + at + size - left, late, left * sizeof(late[0]));
		} else {
			memmove(pkts + sent + size, pkts + sent,
				(size_t)(at - sent) * sizeof(pkts[0]));
		}
		sent = (uint16_t)(sent + size - left);
		at = (uint16_t)(at + size);
	}
	return sent;
}

/* ---- Control thread ---- */

struct dp_team *dp_port_team(const struct dp_port *port)
{
	return port != NULL && port->ops == &dp_port_team_ops ? port->priv : NULL;
}

const struct dp_team_set *dp_team_set(const struct dp_team *team)
{
	return atomic_load_explicit(&team->set, memory_order_relaxed);
}

/* What all members can do: a frame may leave by any of them. */
static uint32_t caps_of(const struct dp_team_set *set)
{
	uint32_t caps = set->n_members != 0 ? UINT32_MAX : 0;

	for (uint8_t i = 0; i < set->n_members; i++)
		caps &= set->members[i].port->tx_caps;
	return caps;
}

int dp_team_publish(struct dp_team *team, const struct dp_team_set *set)
{
	struct dp_team_set *next = malloc(sizeof(*next)), *old;
	uint32_t caps = caps_of(set);

	if (next == NULL)
		return -ENOMEM;
	*next = *set;
	/* A frame that was made ready for the old members must not meet one that can do less. */
	if ((team->port->tx_caps & ~caps) != 0) {
		team->port->tx_caps &= caps;
		dp_synchronize(team->dp);
	}
	old = atomic_exchange_explicit(&team->set, next, memory_order_acq_rel);
	dp_synchronize(team->dp);
	team->port->tx_caps = caps;
	free(old);
	return 0;
}

void dp_team_set_link(struct dp_team *team, const struct dp_link *link)
{
	team->link = *link;
}

void dp_team_take_pdus(struct dp_team *team, dp_team_pdu_fn fn, void *arg)
{
	struct rte_mbuf *m;

	for (unsigned n = rte_ring_count(team->pdus);
	     n != 0 && rte_ring_sc_dequeue(team->pdus, (void **)&m) == 0; n--) {
		uint8_t frame[DP_TEAM_MAX_PDU];
		uint32_t size = RTE_MIN(m->pkt_len, (uint32_t)sizeof(frame));
		const void *data = rte_pktmbuf_read(m, 0, size, frame);

		if (data != NULL)
			fn(arg, m->port, data, size);
		rte_pktmbuf_free(m);
	}
}

int dp_team_send(struct dp *dp, uint16_t member, const void *frame, size_t size)
{
	struct dp_worker *w = atomic_load(&dp->by_rank[0]);
	const struct dp_view *view = atomic_load(&dp->view);
	size_t whole = RTE_MAX(size, (size_t)LEAST_FRAME);
	struct rte_mbuf *m;
	char *data;

	if (w == NULL || whole > DP_TEAM_MAX_PDU || dp->totals[member] == NULL ||
	    view->vports[member] == NULL || view->vports[member]->port == NULL)
		return -EAGAIN;
	m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	data = m != NULL ? rte_pktmbuf_append(m, (uint16_t)whole) : NULL;
	if (data == NULL) {
		rte_pktmbuf_free(m);
		return -EAGAIN;
	}
	memset(data, 0, whole);
	memcpy(data, frame, size);
	m->port = member;
	m->vlan_tci_outer = member; /* where dp_handoff_drain() looks */
	if (rte_ring_mp_enqueue(w->inbox, m) != 0) {
		rte_pktmbuf_free(m);
		return -EAGAIN;
	}
	dp->handed++;
	dp->totals[member]->copies++;
	dp->totals[member]->forwarded++;
	dp->total.copies++;
	dp->total.forwarded++;
	dp_worker_wake(w);
	return 0;
}

void dp_team_traffic(const struct dp_port *member, struct dp_team_traffic *ret_traffic)
{
	struct dp_team_traffic t = {0};

	for (uint16_t i = 0; i < member->n_rxq; i++) {
		t.rx_packets += atomic_load_explicit(&member->rxq[i].packets, memory_order_relaxed);
		t.rx_bytes += atomic_load_explicit(&member->rxq[i].bytes, memory_order_relaxed);
	}
	for (uint16_t i = 0; i < member->n_txq; i++) {
		t.tx_packets += atomic_load_explicit(&member->txq[i].packets, memory_order_relaxed);
		t.tx_bytes += atomic_load_explicit(&member->txq[i].bytes, memory_order_relaxed);
	}
	*ret_traffic = t;
}

/* ---- The port ---- */

static void team_close(struct dp_port *port)
{
	struct dp_team *t = port->priv;
	struct rte_mbuf *m;

	if (t == NULL)
		return;
	while (t->pdus != NULL && rte_ring_sc_dequeue(t->pdus, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(t->pdus);
	free(atomic_load(&t->set));
	free(t);
	port->priv = NULL;
}

static int team_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	struct dp_team *t = calloc(1, sizeof(*t));
	struct dp_team_set *set = calloc(1, sizeof(*set));
	char name[RTE_RING_NAMESIZE];

	port->priv = t;
	if (t != NULL) {
		t->dp = port->dp;
		t->port = port;
		atomic_store(&t->set, set);
		snprintf(name, sizeof(name), "team-%u", port->serial);
		t->pdus = rte_ring_create(name, PDU_RING, SOCKET_ID_ANY, RING_F_SC_DEQ);
	} else {
		free(set);
	}
	if (t == NULL || set == NULL || t->pdus == NULL ||
	    dp_port_alloc_queues(port, 0, DP_MAX_QUEUES) != 0) {
		team_close(port);
		return err_set(err, -ENOMEM, "no-memory", "no memory for port '%s'", port->name);
	}
	memset(set->bucket, DP_TEAM_NONE, sizeof(set->bucket));
	for (uint16_t i = 0; i < port->n_txq; i++)
		port->txq[i].priv = t;
	snprintf(t->link.reason, sizeof(t->link.reason), "no member can send");
	if (opts->has_mac)
		port->mac = opts->mac;
	else
		rte_eth_random_addr(port->mac.addr_bytes);
	port->own_mac = port->mac;
	snprintf(port->driver, sizeof(port->driver), "team");
	return 0;
}

static int set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	port->mtu = mtu;
	atomic_store(&port->max_frame, (uint16_t)RTE_MIN(mtu + 14, UINT16_MAX));
	return 0;
}

static int set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	port->mac = *mac;
	return 0;
}

static void link_state(struct dp_port *port, struct dp_link *ret_link)
{
	const struct dp_team *t = port->priv;

	*ret_link = t->link;
}

const struct dp_port_ops dp_port_team_ops = {
	.kind = "team",
	.open = team_open,
	.close = team_close,
	.set_mtu = set_mtu,
	.set_mac = set_mac,
	.link = link_state,
	.tx = team_tx,
};

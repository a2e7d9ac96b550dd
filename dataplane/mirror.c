/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See mirror.h: which frames are copied, the copies, and what is counted.  Where copies go is in
 * mirror_send.c.
 */
#include "dataplane/mirror_priv.h"

#include "dataplane/edge.h"
#include "dataplane/queue.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_mbuf_dyn.h>

#define SEEN_AT (offsetof(struct rte_mbuf, dynfield1))
/* A frame so small is copied: that costs no more than to share it, and leaves its bytes to whoever
 * wants to write them. */
#define SMALL 512u
#define HEAD  18u /* addresses, one tag, a type */

static_assert(sizeof(struct dp_mirror_count) % sizeof(uint64_t) == 0, "only uint64_t");

static const char *const slugs[] = {
#define X(name, slug, text) slug,
	DP_MIRROR_LOSSES(X)
#undef X
};
static const char *const texts[] = {
#define X(name, slug, text) text,
	DP_MIRROR_LOSSES(X)
#undef X
};

const char *dp_mirror_loss_slug(enum dp_mirror_loss loss)
{
	return slugs[loss];
}

const char *dp_mirror_loss_text(enum dp_mirror_loss loss)
{
	return texts[loss];
}

int dp_mirror_init(void)
{
	static const struct rte_mbuf_dynflag copy = {.name = "vswitch_mirror_copy"},
					     seen = {.name = "vswitch_mirror_seen"};
	static const struct rte_mbuf_dynfield field = {.name = "vswitch_mirror_seen",
						       .size = sizeof(struct dp_mirror_seen),
						       .align = 4};

	if (rte_mbuf_dynflag_register_bitnum(&copy, DP_MIRROR_COPY_BIT) != DP_MIRROR_COPY_BIT ||
	    rte_mbuf_dynflag_register_bitnum(&seen, DP_MIRROR_SEEN_BIT) != DP_MIRROR_SEEN_BIT ||
	    rte_mbuf_dynfield_register_offset(&field, SEEN_AT) != (int)SEEN_AT)
		return -EBUSY;
	return 0;
}

/* ---- What lasts ---- */

struct dp_mirror_live *dp_mirror_live_create(void)
{
	struct dp_mirror_live *live = aligned_alloc(64, sizeof(*live));

	if (live != NULL)
		memset(live, 0, sizeof(*live));
	return live;
}

void dp_mirror_live_destroy(struct dp_mirror_live *live)
{
	free(live);
}

void dp_mirror_read(const struct dp_mirror_live *live, struct dp_mirror_count *ret)
{
	uint64_t *sum = (uint64_t *)ret;

	*ret = (struct dp_mirror_count){0};
	for (size_t w = 0; w < sizeof(live->counts) / sizeof(live->counts[0]); w++)
		for (size_t i = 0; i < sizeof(*ret) / sizeof(*sum); i++)
			sum[i] += atomic_load_explicit(&live->counts[w].v[i], memory_order_relaxed);
}

void dp_mirror_add(struct dp_worker *w, const struct dp_mirror *mirror, size_t at, uint64_t n)
{
	_Atomic uint64_t *v = &mirror->live->counts[w->index].v[at];

	if (n != 0)
		atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + n,
				      memory_order_relaxed);
}

static void add_all(struct dp_worker *w, const struct dp_mirror *mirror,
		    const struct dp_mirror_count *tally)
{
	const uint64_t *v = (const uint64_t *)tally;

	for (size_t i = 0; i < sizeof(*tally) / sizeof(*v); i++)
		dp_mirror_add(w, mirror, i, v[i]);
}

/* ---- Limits ---- */

void dp_mirror_limit_init(struct dp_mirror_limit *limit, uint64_t bps, uint64_t pps,
			  uint64_t tsc_hz)
{
	*limit = (struct dp_mirror_limit){
		.tsc_per_byte = bps != 0 ? (double)tsc_hz * 8 / (double)bps : 0,
		.tsc_per_packet = pps != 0 ? (double)tsc_hz / (double)pps : 0,
		.depth = tsc_hz / 100, /* a hundredth of a second's worth at once */
	};
}

/* How far ahead of the clock is paid for already, while a burst passes. */
struct gate {
	uint64_t now, was[2];
	double due[2];
};

static void gate_open(struct gate *g, const struct dp_mirror *mirror, uint64_t now)
{
	g->now = now;
	for (int i = 0; i < 2; i++) {
		g->was[i] = atomic_load_explicit(&mirror->live->paid[i], memory_order_relaxed);
		g->due[i] = g->was[i] > now ? (double)(g->was[i] - now) : 0;
	}
}

static bool gate_pass(struct gate *g, const struct dp_mirror_limit *limit, uint32_t size)
{
	if (g->due[0] > (double)limit->depth || g->due[1] > (double)limit->depth)
		return false;
	g->due[0] += limit->tsc_per_byte * size;
	g->due[1] += limit->tsc_per_packet;
	return true;
}

/* What another worker paid meanwhile is added to. */
static void gate_close(const struct gate *g, const struct dp_mirror *mirror)
{
	for (int i = 0; i < 2; i++) {
		uint64_t was = g->was[i], now_paid = g->now + (uint64_t)(g->due[i] + 0.5);
		uint64_t from = was > g->now ? was : g->now;

		if (now_paid == from)
			continue;
		if (!atomic_compare_exchange_strong_explicit(&mirror->live->paid[i], &was, now_paid,
							     memory_order_relaxed,
							     memory_order_relaxed))
			atomic_fetch_add_explicit(&mirror->live->paid[i], now_paid - from,
						  memory_order_relaxed);
	}
}

static inline bool has_limit(const struct dp_mirror *mirror)
{
	return mirror->limit.tsc_per_byte != 0 || mirror->limit.tsc_per_packet != 0;
}

/* ---- Which frames ---- */

static inline struct dp_mirror_seen *seen_of(const struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD((struct rte_mbuf *)(uintptr_t)m, SEEN_AT, struct dp_mirror_seen *);
}

/* What came in by another port since is another frame: in a tunnel, or out of one. */
static inline bool was_copied(const struct rte_mbuf *m, unsigned slot)
{
	const struct dp_mirror_seen *seen = seen_of(m);

	return (m->ol_flags & DP_MIRROR_SEEN) != 0 && seen->port == m->port &&
	       (seen->mirrors[slot / 32] >> slot % 32 & 1) != 0;
}

static inline void set_copied(struct rte_mbuf *m, unsigned slot)
{
	struct dp_mirror_seen *seen = seen_of(m);

	if ((m->ol_flags & DP_MIRROR_SEEN) == 0 || seen->port != m->port)
		*seen = (struct dp_mirror_seen){.port = m->port};
	m->ol_flags |= DP_MIRROR_SEEN;
	seen->mirrors[slot / 32] |= UINT32_C(1) << slot % 32;
}

static uint16_t untagged_vlan(const struct dp_vport *vp, enum dp_filter_side side)
{
	if (side == DP_FILTER_EGRESS && (vp->flags & DP_VP_TAG_OUT) != 0 &&
	    vp->native_out != DP_NO_VLAN)
		return vp->native_out;
	return vp->pvid;
}

void dp_mirror_tags(const struct dp_vport *vp, enum dp_filter_side side, const struct rte_mbuf *m,
		    struct dp_mirror_tags *ret)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = 12;
	uint16_t tci;

	*ret = (struct dp_mirror_tags){.wire = DP_NO_VLAN, .vlan = untagged_vlan(vp, side)};
	if (m->data_len < HEAD || !dp_edge_is_tpid(dp_edge_eth_type_le(m)))
		return;
	tci = dp_edge_load_be16(d + at + 2);
	if (vp->wire != NULL && vp->wire->domain_of_vlan[tci & 0xfff] != DP_NO_DOMAIN) {
		uint16_t type;

		ret->wire = tci & 0xfff;
		at += 4;
		memcpy(&type, d + at, sizeof(type));
		if (m->data_len < HEAD + 4 || !dp_edge_is_tpid(type))
			return;
		tci = dp_edge_load_be16(d + at + 2);
	}
	ret->tagged = true;
	ret->cos = (uint8_t)(tci >> 13);
	if ((vp->flags & DP_VP_TUNNEL) == 0 && (tci & 0xfff) != 0)
		ret->vlan = tci & 0xfff;
}

static bool is_selected(const struct dp_mirror_source *s, const struct dp_vport *vp,
			enum dp_filter_side side, const struct rte_mbuf *m)
{
	struct dp_mirror_tags tags;

	if (likely(s->vlans == NULL && s->wires == NULL))
		return true;
	dp_mirror_tags(vp, side, m, &tags);
	if (s->wires != NULL && (tags.wire == DP_NO_VLAN || !dp_vlan_test(s->wires, tags.wire)))
		return false;
	return s->vlans == NULL || dp_vlan_test(s->vlans, tags.vlan);
}

bool dp_mirror_would(const struct dp_mirror_source *s, const struct dp_vport *vp,
		     enum dp_filter_side side, const struct rte_mbuf *m)
{
	const struct dp_mirror *mirror = s->mirror;

	return (m->ol_flags & DP_MIRROR_COPY) == 0 && is_selected(s, vp, side, m) &&
	       (side == DP_FILTER_INGRESS || mirror->twice || !was_copied(m, mirror->slot)) &&
	       (mirror->match == NULL || mirror->match(mirror->program, m));
}

/* ---- Copies ---- */

/* What of the frame is copied: a super-frame whose pieces are short enough is, as a whole. */
static uint32_t size_of_copy(const struct dp_mirror *mirror, const struct rte_mbuf *m)
{
	if (mirror->snaplen == 0 || m->pkt_len <= mirror->snaplen ||
	    ((m->ol_flags & DP_MIRROR_SUPER) != 0 && dp_mirror_piece(m) <= mirror->snaplen))
		return m->pkt_len;
	return mirror->snaplen;
}

/* On a shared uplink the tenant's tag is going to be taken off in place. */
static struct rte_mbuf *copy_of(struct dp_worker *w, const struct dp_mirror *mirror,
				const struct dp_vport *vp, struct rte_mbuf *m, uint32_t size)
{
	bool own = size < m->pkt_len || size <= SMALL || vp->wire != NULL ||
		   (mirror->kind == DP_MIRROR_TO_IP && (m->ol_flags & DP_MIRROR_SUPER) == 0);
	struct rte_mempool *pool = dp_pool(w->dp, 0, false);
	struct rte_mbuf *copy =
		own ? rte_pktmbuf_copy(m, pool, 0, size) : rte_pktmbuf_clone(m, pool);

	if (copy == NULL)
		return NULL;
	copy->ol_flags &= ~(DP_MIRROR_SEEN | DP_QUEUE_MARK);
	copy->ol_flags |= DP_MIRROR_COPY;
	if (size < m->pkt_len)
		copy->ol_flags &= ~(uint64_t)DP_MIRROR_REQUESTS;
	copy->vlan_tci_outer = size < m->pkt_len;
	copy->port = vp->id;
	return copy;
}

/* One burst at one source. */
struct watch {
	struct dp_worker *w;
	const struct dp_mirror_source *source;
	const struct dp_vport *vp;
	enum dp_filter_side side;
	enum dp_mirror_loss why_not;
	struct gate gate;
	struct dp_mirror_count tally;
	uint16_t n;
	struct rte_mbuf *copies[DP_TX_GATHER];
};

static bool is_sampled(struct watch *k)
{
	const struct dp_mirror *mirror = k->source->mirror;
	uint32_t *since = &mirror->live->counts[k->w->index].sample;

	if (mirror->sample <= 1)
		return true;
	if (++*since < mirror->sample)
		return false;
	*since = 0;
	return true;
}

static void take(struct watch *k, struct rte_mbuf *m)
{
	const struct dp_mirror *mirror = k->source->mirror;
	uint32_t size = size_of_copy(mirror, m);
	struct rte_mbuf *copy;

	if (unlikely(k->why_not != DP_MIRROR_N_LOSSES)) {
		k->tally.lost[k->why_not]++;
		return;
	}
	if (unlikely(has_limit(mirror) && !gate_pass(&k->gate, &mirror->limit, size))) {
		k->tally.lost[DP_MIRROR_LOST_LIMIT]++;
		return;
	}
	copy = copy_of(k->w, mirror, k->vp, m, size);
	if (unlikely(copy == NULL)) {
		k->tally.lost[DP_MIRROR_LOST_BUFFER]++;
		return;
	}
	k->tally.copied++;
	k->tally.bytes += size;
	k->tally.truncated += size < m->pkt_len;
	k->copies[k->n++] = copy;
	if (k->side == DP_FILTER_INGRESS && !mirror->twice)
		set_copied(m, mirror->slot);
}

static void look(struct watch *k, struct rte_mbuf *m)
{
	const struct dp_mirror *mirror = k->source->mirror;

	if (unlikely((m->ol_flags & DP_MIRROR_COPY) != 0) ||
	    !is_selected(k->source, k->vp, k->side, m))
		return;
	k->tally.seen++;
	if (k->side == DP_FILTER_EGRESS && !mirror->twice && was_copied(m, mirror->slot))
		k->tally.again++;
	else if (mirror->match != NULL && !mirror->match(mirror->program, m))
		k->tally.filtered++;
	else if (!is_sampled(k))
		k->tally.skipped++;
	else
		take(k, m);
}

static void wait_for_send(struct watch *k)
{
	struct dp_mirror_wait *wait = &k->w->mirrored;

	for (uint16_t i = 0; i < k->n; i++) {
		wait->v[wait->n].mirror = k->source->mirror;
		wait->v[wait->n].port = k->vp->id;
		wait->v[wait->n++].m = k->copies[i];
	}
}

/* Without memory to look at twice: 'pkts' are at most DP_TX_GATHER. */
static void watch(struct watch *k, struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_mirror *mirror = k->source->mirror;
	const struct dp_mirror_from from = {mirror, k->vp->id, (uint8_t)k->side};

	k->tally = (struct dp_mirror_count){0};
	k->n = 0;
	k->why_not = dp_mirror_ready(k->w, mirror);
	if (k->side == DP_FILTER_EGRESS && k->w->mirrored.n + n > DP_MIRROR_WAIT)
		k->why_not = DP_MIRROR_LOST_BUSY;
	if (has_limit(mirror))
		gate_open(&k->gate, mirror, k->w->burst_tsc);
	for (uint16_t i = 0; i < n; i++)
		look(k, pkts[i]);
	if (has_limit(mirror))
		gate_close(&k->gate, mirror);
	add_all(k->w, mirror, &k->tally);
	if (k->n == 0)
		return;
	if (k->side == DP_FILTER_INGRESS)
		dp_mirror_carry(k->w, &from, k->copies, k->n);
	else
		wait_for_send(k);
}

static void mirror_burst(struct dp_worker *w, const struct dp_vport *vp, enum dp_filter_side side,
			 struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_mirrors *mirrors = vp->mirrors[side];
	struct watch k;

	if (unlikely(w->trace != NULL)) {
		for (uint16_t i = 0; i < n; i++)
			dp_trace_mirrors(w->trace, vp, side, pkts[i]);
		return;
	}
	k.w = w;
	k.vp = vp;
	k.side = side;
	for (uint16_t s = 0; s < mirrors->n; s++) {
		k.source = &mirrors->v[s];
		for (uint16_t i = 0; i < n; i += DP_TX_GATHER)
			watch(&k, pkts + i, RTE_MIN((uint16_t)(n - i), (uint16_t)DP_TX_GATHER));
	}
}

void dp_mirror_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n)
{
	mirror_burst(w, in, DP_FILTER_INGRESS, pkts, n);
}

void dp_mirror_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		      uint16_t n)
{
	mirror_burst(w, out, DP_FILTER_EGRESS, pkts, n);
}

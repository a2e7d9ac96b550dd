/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flow records on the packet path: a burst's frames are counted in the entries of their flows.
 * Workers; see flowrec.h.
 *
 * Three passes over a burst, so that its memory accesses overlap: keys, and their buckets asked
 * for; tags, and the entries asked for; entries.  Frames of one flow that follow each other look it
 * up once.
 */
#include "dataplane/flowrec.h"

#include <string.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/dp_priv.h"
#include "dataplane/flowrec_priv.h"

/* Only this worker writes: no locked instruction. */
static inline void add64(_Atomic uint64_t *at, uint64_t n)
{
	atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static struct flowrec_entry *find_in(struct flowrec_table *t, uint32_t bucket, uint16_t tag,
				     const struct flowrec_key *key)
{
	unsigned bits = flowrec_tags(&t->buckets[bucket], tag);

	for (; bits != 0; bits &= bits - 1) {
		struct flowrec_entry *e =
			&t->entries[bucket * FLOWREC_SLOTS + (unsigned)__builtin_ctz(bits)];

		if (flowrec_same(e, key) &&
		    atomic_load_explicit(&e->state, memory_order_relaxed) == FLOWREC_LIVE)
			return e;
	}
	return NULL;
}

static inline struct flowrec_entry *find(struct flowrec_table *t, const struct flowrec_frame *f)
{
	uint16_t tag = flowrec_tag(f->hash);
	struct flowrec_entry *e = find_in(t, flowrec_bucket_of(t, f->hash, 0), tag, &f->key);

	if (likely(e != NULL))
		return e;
	return find_in(t, flowrec_bucket_of(t, f->hash, 1), tag, &f->key);
}

static void fill(struct flowrec_entry *e, const struct flowrec_frame *f, const struct rte_mbuf *m,
		 uint64_t now)
{
	memcpy(e->key, f->key.w, sizeof(e->key));
	if (flowrec_family(f->key.w) != 4)
		memcpy(e->key_rest, f->key.w + FLOWREC_V4_WORDS, sizeof(e->key_rest));
	e->first_tsc = now;
	atomic_store_explicit(&e->last_tsc, now, memory_order_relaxed);
	atomic_store_explicit(&e->packets, 0, memory_order_relaxed);
	atomic_store_explicit(&e->bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&e->dropped_packets, 0, memory_order_relaxed);
	atomic_store_explicit(&e->dropped_bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&e->tcp_flags, 0, memory_order_relaxed);
	atomic_store_explicit(&e->drop, DP_N_DROPS, memory_order_relaxed);
	memset(e->src_mac, 0, sizeof(e->src_mac));
	memset(e->dst_mac, 0, sizeof(e->dst_mac));
	if (m->data_len >= 12) {
		memcpy(e->dst_mac, rte_pktmbuf_mtod(m, const char *), sizeof(e->dst_mac));
		memcpy(e->src_mac, rte_pktmbuf_mtod_offset(m, const char *, 6), sizeof(e->src_mac));
	}
}

/* A new entry for a flow; NULL: there is no room. */
static struct flowrec_entry *make(struct flowrec_table *t, const struct flowrec_frame *f,
				  const struct rte_mbuf *m, uint64_t now)
{
	for (unsigned i = 0; i < 2; i++) {
		uint32_t bucket = flowrec_bucket_of(t, f->hash, i);
		unsigned free = flowrec_tags(&t->buckets[bucket], 0);
		unsigned k = (unsigned)__builtin_ctz(free | 1u << FLOWREC_SLOTS);
		struct flowrec_entry *e = &t->entries[bucket * FLOWREC_SLOTS + k];

		if (free == 0)
			continue;
		fill(e, f, m, now);
		atomic_store_explicit(&e->state, FLOWREC_LIVE, memory_order_release);
		atomic_store_explicit(&t->buckets[bucket].tags[k], flowrec_tag(f->hash),
				      memory_order_release);
		add64(&t->made, 1);
		return e;
	}
	return NULL;
}

static inline void count(struct flowrec_entry *e, const struct flowrec_frame *f, uint64_t now)
{
	uint16_t flags = atomic_load_explicit(&e->tcp_flags, memory_order_relaxed);

	add64(&e->packets, 1);
	add64(&e->bytes, f->bytes);
	atomic_store_explicit(&e->last_tsc, now, memory_order_relaxed);
	if ((f->tcp_flags & ~flags) != 0)
		atomic_store_explicit(&e->tcp_flags, flags | f->tcp_flags, memory_order_relaxed);
}

static inline void miss(struct flowrec_table *t, const struct flowrec_frame *f)
{
	add64(&t->missed_packets, 1);
	add64(&t->missed_bytes, f->bytes);
}

/* Where an entry would be, if the first bucket has it; else any place. */
static inline uint32_t guess(const struct flowrec_table *t, uint64_t hash)
{
	uint32_t bucket = flowrec_bucket_of(t, hash, 0);
	unsigned bits = flowrec_tags(&t->buckets[bucket], flowrec_tag(hash));
	uint32_t slot = bucket * FLOWREC_SLOTS + (unsigned)__builtin_ctz(bits | 1u << 7);

	rte_prefetch0_write(&t->entries[slot]);
	return slot;
}

static inline bool is_same_flow(const struct flowrec_frame *a, const struct flowrec_frame *b)
{
	return a->hash == b->hash && a->key.w[0] == b->key.w[0] && a->key.w[1] == b->key.w[1] &&
	       a->key.w[2] == b->key.w[2] &&
	       (flowrec_family(a->key.w) == 4 ||
		memcmp(a->key.w + FLOWREC_V4_WORDS, b->key.w + FLOWREC_V4_WORDS,
		       sizeof(a->key) - FLOWREC_V4_WORDS * sizeof(a->key.w[0])) == 0);
}

static struct flowrec_entry *find_or_make(struct flowrec_table *t, const struct flowrec_frame *f,
					  const struct rte_mbuf *m, uint64_t now)
{
	struct flowrec_entry *e = find(t, f);

	return e != NULL ? e : make(t, f, m, now);
}

/* Bit i of 'want': frame i counts. */
static void meter(struct dp_worker *w, struct flowrec_table *t, const struct flowrec_frame *frames,
		  struct rte_mbuf **pkts, uint32_t want)
{
	const struct flowrec_frame *before = NULL;
	struct flowrec_entry *e = NULL;
	uint64_t now = w->burst_tsc;
	uint32_t slots[DP_BURST];

	for (uint32_t bits = want; bits != 0; bits &= bits - 1)
		rte_prefetch0(
			&t->buckets[flowrec_bucket_of(t, frames[__builtin_ctz(bits)].hash, 0)]);
	for (uint32_t bits = want; bits != 0; bits &= bits - 1) {
		unsigned i = (unsigned)__builtin_ctz(bits);

		slots[i] = guess(t, frames[i].hash);
	}
	add64(&t->packets, (unsigned)__builtin_popcount(want));
	for (; want != 0; want &= want - 1) {
		unsigned i = (unsigned)__builtin_ctz(want);
		const struct flowrec_frame *f = &frames[i];

		if (before == NULL || e == NULL || !is_same_flow(before, f)) {
			e = &t->entries[slots[i]];
			if (unlikely(!flowrec_same(e, &f->key) ||
				     atomic_load_explicit(&e->state, memory_order_relaxed) !=
					     FLOWREC_LIVE))
				e = find_or_make(t, f, pkts[i], now);
		}
		before = f;
		if (likely(e != NULL))
			count(e, f, now);
		else
			miss(t, f);
	}
}

static uint32_t of_domain(const struct flowrec_frame *frames, uint16_t n, uint16_t domain)
{
	uint32_t want = 0;

	for (uint16_t i = 0; i < n; i++)
		want |= (uint32_t)(domain == DP_NO_DOMAIN || frames[i].domain == domain) << i;
	return want;
}

static void meter_all(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		      uint16_t n)
{
	const struct dp_flowrec *rec = in->flowrec;
	struct flowrec_frame frames[DP_BURST];

	static_assert(DP_BURST <= 32, "a bit for each frame");
	for (uint16_t i = 0; i < n; i++)
		if (unlikely(!flowrec_frame_plain(w, in, pkts[i], &frames[i])))
			flowrec_frame_read(w, in, pkts[i], &frames[i]);
	for (unsigned i = 0; i < rec->n_sets; i++) {
		struct dp_flowrec_set *set = rec->sets[i].set;
		struct flowrec_table *t =
			atomic_load_explicit(&set->tables[w->index], memory_order_relaxed);
		uint32_t rate = atomic_load_explicit(&set->sample, memory_order_relaxed);
		uint32_t want = of_domain(frames, n, rec->sets[i].domain);

		if (unlikely(t == NULL))
			continue;
		if (unlikely(rate != 0))
			want &= flowrec_choose(&t->chooser, rate, n);
		meter(w, t, frames, pkts, want);
	}
}

void dp_flowrec_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n)
{
	const struct dp_flowrec *rec = in->flowrec;

	if (unlikely(w->trace != NULL))
		return;
	if (rec->n_sets != 0)
		meter_all(w, in, pkts, n);
	for (unsigned i = 0; i < rec->n_samplers; i++)
		flowrec_samples(w, in, rec->samplers[i].sampler, rec->samplers[i].domain, pkts, n);
}

static void dropped_one(struct dp_worker *w, struct flowrec_table *t, const struct flowrec_frame *f,
			const struct rte_mbuf *m, enum dp_drop reason)
{
	struct flowrec_entry *e = find_or_make(t, f, m, w->burst_tsc);

	if (e == NULL)
		return;
	add64(&e->dropped_packets, 1);
	add64(&e->dropped_bytes, f->bytes);
	atomic_store_explicit(&e->last_tsc, w->burst_tsc, memory_order_relaxed);
	atomic_store_explicit(&e->drop, (uint16_t)reason, memory_order_relaxed);
}

void dp_flowrec_dropped(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n, enum dp_drop reason)
{
	const struct dp_flowrec *rec = in->flowrec;

	if (w->trace != NULL)
		return;
	for (unsigned i = 0; i < rec->n_sets; i++) {
		struct dp_flowrec_set *set = rec->sets[i].set;
		struct flowrec_table *t =
			atomic_load_explicit(&set->tables[w->index], memory_order_relaxed);

		if (t == NULL)
			continue;
		/* The tag that named the tenant may be gone, and what a tag says is the tenant's.
		 */
		if (in->wire != NULL) {
			add64(&t->unknown_drops, n);
			continue;
		}
		for (uint16_t k = 0; k < n; k++) {
			struct flowrec_frame f;

			flowrec_frame_read(w, in, pkts[k], &f);
			dropped_one(w, t, &f, pkts[k], reason);
		}
	}
}

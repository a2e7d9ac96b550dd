/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow cache's search; see mf.h.  Passes over a burst, so that one packet's memory accesses
 * wait while the next one's are under way.
 */
#include "dataplane/mf_priv.h"

#include <rte_prefetch.h>

#define BEYOND (DP_KEY_WORDS - DP_KEY_SHORT)

/* What one group's passes hand on.  A packet whose masked key is that of one before it is its twin,
 * and gets its answer: where rules are coarse, most are. */
struct probe {
	uint32_t twins; /* bit per packet */
	uint8_t twin_of[DP_BURST];
	uint64_t masked[DP_BURST][DP_KEY_SHORT] __attribute__((aligned(64)));
	uint32_t hash[DP_BURST];
	uint32_t tags[DP_BURST];
	uint64_t beyond[DP_BURST][BEYOND];
};

static inline void mask_short(const struct dp_mf_group *g, const uint64_t *key, uint64_t *ret)
{
#ifdef __AVX2__
	__m256i k = _mm256_load_si256((const __m256i *)key);

	_mm256_store_si256((__m256i *)ret,
			   _mm256_and_si256(k, _mm256_loadu_si256((const __m256i_u *)g->mask)));
#else
	for (unsigned i = 0; i < DP_KEY_SHORT; i++)
		ret[i] = key[i] & g->mask[i];
#endif
}

static inline uint64_t hash_short(const struct dp_mf_group *g, const uint64_t *masked)
{
#ifdef __AVX2__
	return dp_nh4(_mm256_load_si256((const __m256i *)masked), g->secret);
#else
	return dp_nh(masked, DP_KEY_SHORT, g->secret);
#endif
}

static inline bool same_short(const uint64_t *a, const uint64_t *b)
{
#ifdef __AVX2__
	__m256i diff = _mm256_xor_si256(_mm256_load_si256((const __m256i *)a),
					_mm256_load_si256((const __m256i *)b));

	return _mm256_testz_si256(diff, diff);
#else
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
#endif
}

static uint64_t mask_beyond(const struct dp_mf_group *g, struct dp_mf_burst *b, unsigned i,
			    uint64_t *ret)
{
	const struct dp_key *key = &b->long_key[i];

	if (g->beyond_ct && b->make_ct != NULL) {
		if (((b->has_long | b->has_ct) >> i & 1) == 0)
			b->make_ct(b, i);
		b->has_ct |= 1u << i;
	} else if ((b->has_long >> i & 1) == 0) {
		b->make_long(b, i);
		b->has_long |= 1u << i;
	}
	for (unsigned k = 0; k < g->n_beyond; k++)
		ret[k] = key->w[g->beyond[k]] & g->beyond_mask[k];
	return dp_nh(ret, g->n_beyond, g->beyond_secret);
}

static inline bool same_beyond(const struct dp_mf_group *g, const uint64_t *x, const uint64_t *y)
{
	uint64_t diff = 0;

	for (unsigned k = 0; k < g->n_beyond; k++)
		diff |= x[k] ^ y[k];
	return diff == 0;
}

/* An entry that answers for packet i, or 0. */
static inline uint16_t context_of(const struct dp_mf_burst *b, unsigned i)
{
	return b->context != NULL ? b->context[i] : 0;
}

static inline uint32_t resolve(struct dp_mf *mf, const struct dp_mf_group *g, const struct probe *p,
			       unsigned i, uint16_t context)
{
	struct dp_mf_bucket *bucket = dp_mf_first(mf->cur, p->hash[i]);
	uint32_t e = dp_mf_find_in(mf, bucket, p->tags[i], g, p->masked[i], p->beyond[i], context);

	if (likely(e != 0))
		return e;
	if (unlikely(bucket->spilled != 0)) {
		bucket = dp_mf_second(mf->cur, p->hash[i]);
		e = dp_mf_find_in(mf, bucket, dp_mf_tags(bucket, dp_mf_tag(p->hash[i])), g,
				  p->masked[i], p->beyond[i], context);
	}
	if (unlikely(e == 0 && mf->old != NULL))
		e = dp_mf_find(mf, mf->old, g, p->masked[i], p->beyond[i], context, p->hash[i]);
	return e;
}

/* Masked keys, hashes, and a prefetch of the bucket for each packet that is no twin. */
static inline void hash_all(struct dp_mf *mf, const struct dp_mf_group *g, struct dp_mf_burst *b,
			    struct probe *p, uint32_t left)
{
	unsigned last = DP_BURST;

	p->twins = 0;
	for (uint32_t todo = left; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		uint64_t sum, beyond = 0;

		mask_short(g, b->key[i], p->masked[i]);
		if (unlikely(g->n_beyond != 0))
			beyond = mask_beyond(g, b, i, p->beyond[i]);
		if (last != DP_BURST && same_short(p->masked[i], p->masked[last]) &&
		    (g->n_beyond == 0 || same_beyond(g, p->beyond[i], p->beyond[last])) &&
		    context_of(b, i) == context_of(b, last)) {
			p->twins |= 1u << i;
			p->twin_of[i] = (uint8_t)last;
			continue;
		}
		last = i;
		sum = hash_short(g, p->masked[i]) + beyond;
		if (unlikely(b->context != NULL))
			sum += dp_mf_context_sum(b->context[i]);
		p->hash[i] = (uint32_t)dp_nh_finish(sum);
		rte_prefetch0(dp_mf_first(mf->cur, p->hash[i]));
	}
}

static inline void find_tags(const struct dp_mf *mf, struct probe *p, uint32_t todo)
{
	for (; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		const struct dp_mf_bucket *bucket = dp_mf_first(mf->cur, p->hash[i]);

		p->tags[i] = dp_mf_tags(bucket, dp_mf_tag(p->hash[i]));
		if (p->tags[i] != 0)
			rte_prefetch0(&mf->entries[bucket->entry[__builtin_ctz(p->tags[i])]]);
	}
}

/* Searches one group for the packets of 'left'; returns those it knows nothing of. */
static uint32_t search(struct dp_mf *mf, struct dp_mf_group *g, struct dp_mf_burst *b,
		       uint32_t left)
{
	uint32_t still = 0, hits = 0;
	struct probe p;

	hash_all(mf, g, b, &p, left);
	find_tags(mf, &p, left & ~p.twins);
	for (uint32_t todo = left & ~p.twins; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		uint32_t at = resolve(mf, g, &p, i, context_of(b, i));
		struct dp_mf_entry *e = &mf->entries[at];

		/* A stale entry is none: what it was made from may lead to another mask now. */
		if (at == 0 || unlikely(e->epoch != g->epoch)) {
			still |= 1u << i;
			continue;
		}
		if (unlikely(e->used != mf->now))
			e->used = mf->now;
		b->hit[i] = e;
		rte_prefetch0(e->program);
		hits++;
	}
	for (uint32_t todo = p.twins; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo), of = p.twin_of[i];

		b->hit[i] = b->hit[of];
		still |= (still >> of & 1) << i;
		hits += b->hit[i] != NULL;
	}
	g->hits += hits;
	return still;
}

/* Would packets of this group be found sooner in the exact one, at no more memory touched?  Where
 * there are many groups, and many entries in this one, each packet has a line of its own anyway. */
static inline bool is_deep(const struct dp_mf_switch *s, uint16_t k)
{
	return k >= DP_MF_DEEP ||
	       (k != 0 && s->n > DP_MF_DEEP && s->groups[k]->n_entries > DP_MF_FINE);
}

/* Searches groups 'from' to 'end' for 'left'; returns what they do not know. */
static uint32_t search_groups(struct dp_mf *mf, const struct dp_mf_switch *s, struct dp_mf_burst *b,
			      uint16_t from, uint16_t end, uint32_t left)
{
	uint64_t probes = 0;
	uint32_t all = left;

	for (uint16_t k = from; k < end && left != 0; k++) {
		uint32_t before = left;

		probes += (unsigned)__builtin_popcount(left);
		left = search(mf, s->groups[k], b, left);
		if (is_deep(s, k))
			b->deep |= before & ~left;
	}
	DP_MF_COUNT(mf, probes, probes);
	DP_MF_COUNT(mf, hits, (unsigned)__builtin_popcount(all & ~left));
	return left;
}

uint32_t dp_mf_lookup_usual(struct dp_mf *mf, uint16_t sw, struct dp_mf_burst *b)
{
	const struct dp_mf_switch *s = &mf->switches[sw];
	uint32_t left = b->n == 32 ? UINT32_MAX : (1u << b->n) - 1;

	for (unsigned i = 0; i < b->n; i++)
		b->hit[i] = NULL;
	b->deep = b->refused = 0;
	return search_groups(mf, s, b, 0, s->n_usual, left);
}

void dp_mf_lookup_rest(struct dp_mf *mf, uint16_t sw, struct dp_mf_burst *b, uint32_t left)
{
	const struct dp_mf_switch *s = &mf->switches[sw];

	left = search_groups(mf, s, b, s->n_usual, s->n, left & ~b->refused) | b->refused;
	DP_MF_COUNT(mf, misses, (unsigned)__builtin_popcount(left));
}

void dp_mf_lookup(struct dp_mf *mf, uint16_t sw, struct dp_mf_burst *b)
{
	dp_mf_lookup_rest(mf, sw, b, dp_mf_lookup_usual(mf, sw, b));
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow cache's table as both its files read it: mf.c changes it, mf_lookup.c searches.
 */
#ifndef DATAPLANE_MF_PRIV_H
#define DATAPLANE_MF_PRIV_H

#include "dataplane/hash.h"
#include "dataplane/mf.h"

#include <rte_branch_prediction.h>

#define DP_MF_COUNT(mf, what, n)                                                                   \
	atomic_store_explicit(&(mf)->what,                                                         \
			      atomic_load_explicit(&(mf)->what, memory_order_relaxed) + (n),       \
			      memory_order_relaxed)

static inline uint16_t dp_mf_tag(uint32_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 16);

	return tag != 0 ? tag : 1;
}

static inline struct dp_mf_bucket *dp_mf_first(struct dp_mf_buckets *t, uint32_t hash)
{
	return &t->b[hash & t->mask];
}

/* Follows from the first and the tag, and the first from it. */
static inline struct dp_mf_bucket *dp_mf_second(struct dp_mf_buckets *t, uint32_t hash)
{
	return &t->b[(hash ^ dp_mf_tag(hash) * 0x9e3779b1u) & t->mask];
}

/* Bit i: slot i has this tag. */
static inline uint32_t dp_mf_tags(const struct dp_mf_bucket *b, uint16_t tag)
{
#if defined(__AVX512BW__) && defined(__AVX512VL__)
	__m256i line = _mm256_load_si256((const __m256i *)b);

	return _mm256_cmpeq_epi16_mask(line, _mm256_set1_epi16((short)tag)) &
	       ((1u << DP_MF_SLOTS) - 1);
#else
	uint32_t hits = 0;

#pragma GCC unroll 10
	for (unsigned i = 0; i < DP_MF_SLOTS; i++)
		hits |= (uint32_t)(b->tag[i] == tag) << i;
	return hits;
#endif
}

/* What a context adds to the sum.  Contexts are numbered here, not outside: no secret is needed. */
static inline uint64_t dp_mf_context_sum(uint16_t context)
{
	return context * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint32_t dp_mf_hash(const struct dp_mf_group *g, const uint64_t masked[DP_KEY_SHORT],
				  const uint64_t *beyond, uint16_t context)
{
	return (uint32_t)dp_nh_finish(dp_nh(masked, DP_KEY_SHORT, g->secret) +
				      dp_nh(beyond, g->n_beyond, g->beyond_secret) +
				      dp_mf_context_sum(context));
}

static inline bool dp_mf_is(const struct dp_mf *mf, uint32_t i, const struct dp_mf_group *g,
			    const uint64_t masked[DP_KEY_SHORT], const uint64_t *beyond,
			    uint16_t context)
{
	const struct dp_mf_entry *e = &mf->entries[i];
	uint64_t diff = (e->group ^ g->index) | (e->context ^ context);

	for (unsigned k = 0; k < DP_KEY_SHORT; k++)
		diff |= e->key[k] ^ masked[k];
	if (unlikely(g->n_beyond != 0) && diff == 0) {
		const uint64_t *own = mf->beyond + (size_t)i * (DP_KEY_WORDS - DP_KEY_SHORT);

		for (unsigned k = 0; k < g->n_beyond; k++)
			diff |= own[k] ^ beyond[k];
	}
	return diff == 0;
}

static inline uint32_t dp_mf_find_in(const struct dp_mf *mf, const struct dp_mf_bucket *b,
				     uint32_t tags, const struct dp_mf_group *g,
				     const uint64_t masked[DP_KEY_SHORT], const uint64_t *beyond,
				     uint16_t context)
{
	for (; tags != 0; tags &= tags - 1) {
		uint32_t i = b->entry[__builtin_ctz(tags)];

		if (likely(dp_mf_is(mf, i, g, masked, beyond, context)))
			return i;
	}
	return 0;
}

/* mf_sieve.c.  Create, destroy and tick: control thread. */
int dp_mf_sieves_create(struct dp_mf *mf);
void dp_mf_sieves_destroy(struct dp_mf *mf);
void dp_mf_sieves_tick(struct dp_mf *mf);
/* An entry came into its group; a group goes. */
void dp_mf_sieves_add(struct dp_mf *mf, const struct dp_mf_group *g, const struct dp_mf_entry *e);
void dp_mf_sieves_drop(struct dp_mf *mf, const struct dp_mf_group *g);
/* Has the group entries that agree with 'key' in 'bits', which are of its mask? */
enum dp_mf_sieved { DP_MF_NONE, DP_MF_SOME, DP_MF_UNKNOWN };
enum dp_mf_sieved dp_mf_sieve(struct dp_mf *mf, const struct dp_mf_group *g,
			      const struct dp_key *key, const struct dp_key *bits);

/* The entry of these masked words in 't', or 0. */
static inline uint32_t dp_mf_find(const struct dp_mf *mf, struct dp_mf_buckets *t,
				  const struct dp_mf_group *g, const uint64_t masked[DP_KEY_SHORT],
				  const uint64_t *beyond, uint16_t context, uint32_t hash)
{
	struct dp_mf_bucket *b = dp_mf_first(t, hash);
	uint16_t tag = dp_mf_tag(hash);
	uint32_t i = dp_mf_find_in(mf, b, dp_mf_tags(b, tag), g, masked, beyond, context);

	if (i != 0 || likely(b->spilled == 0))
		return i;
	b = dp_mf_second(t, hash);
	return dp_mf_find_in(mf, b, dp_mf_tags(b, tag), g, masked, beyond, context);
}

#endif

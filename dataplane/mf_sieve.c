/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sieves: which values the entries of a group have in some of its bits.  A rule that comes or goes
 * says something of a few bits; mostly no entry agrees with it there, and a sieve says so without a
 * look at the entries.  A Bloom filter of four places for each entry, made when a group first asks
 * about these bits, and kept while entries come.  Entries that go leave their places behind; a
 * sieve that holds too much of what is gone is made anew.
 *
 * There are a few, the least recently asked is given up, and not many are made a second: a change
 * that finds none is dealt with as if there were no sieves.
 */
#include "dataplane/mf_priv.h"
#include "dataplane/region.h"

#include <errno.h>
#include <string.h>

#define BITS	   (1u << 20)
#define BYTES	   (BITS / 8)
#define MOST	   (BITS / 8) /* entries: then one of 40 would be let through by chance */
#define MAKE_TICKS 1u	      /* entries may be looked through so often ... */
#define MAKE_MOST  65536u     /* ... and so many in that time */
#define BEYOND	   (DP_KEY_WORDS - DP_KEY_SHORT)

int dp_mf_sieves_create(struct dp_mf *mf)
{
	mf->sieve_bits = dp_region_reserve((size_t)DP_MF_SIEVES * BYTES);
	mf->sieves_left = MAKE_MOST;
	return mf->sieve_bits != NULL ? 0 : -ENOMEM;
}

void dp_mf_sieves_destroy(struct dp_mf *mf)
{
	dp_region_free(mf->sieve_bits, (size_t)DP_MF_SIEVES * BYTES);
}

void dp_mf_sieves_tick(struct dp_mf *mf)
{
	if (mf->sieves_ready)
		return;
	dp_region_populate(mf->sieve_bits, (size_t)DP_MF_SIEVES * BYTES);
	mf->sieves_ready = true;
}

static inline uint8_t *bits_of(const struct dp_mf *mf, const struct dp_mf_sieve *s)
{
	return mf->sieve_bits + (size_t)(s - mf->sieves) * BYTES;
}

/* Of a key's words, in the sieve's bits. */
static uint64_t hash_of(const struct dp_mf_group *g, const struct dp_mf_sieve *s,
			const uint64_t *words, const uint64_t *beyond)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < DP_KEY_SHORT; k++)
		sum += dp_nh_word(words[k] & s->bits.w[k], g->secret[k]);
	for (unsigned k = 0; k < g->n_beyond; k++)
		sum += dp_nh_word(beyond[k] & s->bits.w[g->beyond[k]], g->beyond_secret[k]);
	return dp_nh_finish(sum);
}

/* The places follow from two halves of the hash (Kirsch and Mitzenmacher, 2006). */
static inline uint32_t place(uint64_t hash, unsigned i)
{
	return ((uint32_t)hash + i * ((uint32_t)(hash >> 32) | 1)) % BITS;
}

static void put(const struct dp_mf *mf, struct dp_mf_sieve *s, uint64_t hash)
{
	uint8_t *bits = bits_of(mf, s);

	for (unsigned i = 0; i < 4; i++)
		bits[place(hash, i) / 8] |= (uint8_t)(1u << place(hash, i) % 8);
	s->n++;
}

static bool has(const struct dp_mf *mf, const struct dp_mf_sieve *s, uint64_t hash)
{
	const uint8_t *bits = bits_of(mf, s);

	for (unsigned i = 0; i < 4; i++)
		if ((bits[place(hash, i) / 8] >> place(hash, i) % 8 & 1) == 0)
			return false;
	return true;
}

void dp_mf_sieves_add(struct dp_mf *mf, const struct dp_mf_group *g, const struct dp_mf_entry *e)
{
	const uint64_t *beyond = mf->beyond + (size_t)(e - mf->entries) * BEYOND;

	for (unsigned i = 0; i < DP_MF_SIEVES; i++) {
		struct dp_mf_sieve *s = &mf->sieves[i];

		if (s->group != g->index)
			continue;
		if (s->n >= MOST)
			s->group = 0;
		else
			put(mf, s, hash_of(g, s, e->key, beyond));
	}
}

void dp_mf_sieves_drop(struct dp_mf *mf, const struct dp_mf_group *g)
{
	for (unsigned i = 0; i < DP_MF_SIEVES; i++)
		if (mf->sieves[i].group == g->index)
			mf->sieves[i].group = 0;
}

/* Is there time to look through a group's entries? */
static bool may_make(struct dp_mf *mf, const struct dp_mf_group *g)
{
	if (mf->now - mf->sieves_at >= MAKE_TICKS) {
		mf->sieves_at = mf->now;
		mf->sieves_left = MAKE_MOST;
	}
	if (!mf->sieves_ready || g->n_entries > mf->sieves_left)
		return false;
	mf->sieves_left -= g->n_entries;
	return true;
}

static struct dp_mf_sieve *make(struct dp_mf *mf, const struct dp_mf_group *g,
				struct dp_mf_sieve *s, const struct dp_key *bits)
{
	if (!may_make(mf, g))
		return NULL;
	s->group = g->index;
	s->bits = *bits;
	s->n = 0;
	memset(bits_of(mf, s), 0, BYTES);
	for (uint32_t i = g->first, left = g->n_entries; left != 0; left--) {
		const struct dp_mf_entry *e = &mf->entries[i];

		put(mf, s, hash_of(g, s, e->key, mf->beyond + (size_t)i * BEYOND));
		i = e->next;
	}
	return s;
}

/* The sieve of these bits; made if need be and may be. */
static struct dp_mf_sieve *find(struct dp_mf *mf, const struct dp_mf_group *g,
				const struct dp_key *bits)
{
	struct dp_mf_sieve *oldest = &mf->sieves[0];

	for (unsigned i = 0; i < DP_MF_SIEVES; i++) {
		struct dp_mf_sieve *s = &mf->sieves[i];

		if (s->group == g->index && memcmp(&s->bits, bits, sizeof(*bits)) == 0)
			return s->n > 2 * g->n_entries + 1024 ? make(mf, g, s, bits) : s;
		if (s->group == 0 || (oldest->group != 0 && s->asked < oldest->asked))
			oldest = s;
	}
	return make(mf, g, oldest, bits);
}

enum dp_mf_sieved dp_mf_sieve(struct dp_mf *mf, const struct dp_mf_group *g,
			      const struct dp_key *key, const struct dp_key *bits)
{
	uint64_t beyond[BEYOND];
	struct dp_mf_sieve *s;

	if (g->n_entries > MOST)
		return DP_MF_UNKNOWN;
	s = find(mf, g, bits);
	if (s == NULL)
		return DP_MF_UNKNOWN;
	s->asked = ++mf->sieves_asked;
	for (unsigned k = 0; k < g->n_beyond; k++)
		beyond[k] = key->w[g->beyond[k]];
	return has(mf, s, hash_of(g, s, key->w, beyond)) ? DP_MF_SOME : DP_MF_NONE;
}

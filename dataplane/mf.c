/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See mf.h.  The hash table is of the kind that has two buckets for a key: the second follows from
 * the first and the tag.  Entry 0 is never used, so that 0 means none.
 */
#include "dataplane/mf_priv.h"
#include "dataplane/region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_BUCKETS 8192u /* 512 KiB */
#define READY_STEP    32768u
#define MOVE_BUCKETS  16
#define SWEEP_ENTRIES 64
#define SCAN_ALWAYS   64    /* entries of a group that are looked through for any change */
#define SCAN_LIMIT    32768 /* and for one that a sieve lets through */
#define USUAL_PART    64    /* a group is in use when it has one in so many of the hits */
#define BEYOND	      (DP_KEY_WORDS - DP_KEY_SHORT)

/* ---- Memory (control thread) ---- */

static struct dp_mf_buckets *buckets_make(uint32_t n)
{
	size_t size = sizeof(struct dp_mf_buckets) + 64 + n * sizeof(struct dp_mf_bucket);
	struct dp_mf_buckets *b = dp_region_reserve(size);

	if (b == NULL)
		return NULL;
	dp_region_populate(b, size);
	b->mask = n - 1;
	b->size = size;
	return b;
}

static void buckets_free(struct dp_mf_buckets *b)
{
	if (b != NULL)
		dp_region_free(b, b->size);
}

static void ready_more(struct dp_mf *mf, uint32_t n)
{
	uint32_t ready = atomic_load_explicit(&mf->n_ready, memory_order_relaxed);

	if (n > mf->limit)
		n = mf->limit;
	if (n <= ready)
		return;
	dp_region_populate(mf->entries + ready, (n - ready) * sizeof(mf->entries[0]));
	dp_region_populate(mf->owners + ready, (n - ready) * sizeof(mf->owners[0]));
	atomic_store_explicit(&mf->n_ready, n, memory_order_release);
}

static struct dp_mf_group *groups_make(void)
{
	struct dp_mf_group *pool = aligned_alloc(64, DP_MF_MAX_GROUPS * sizeof(*pool));

	for (unsigned i = 0; pool != NULL && i < DP_MF_MAX_GROUPS; i++) {
		struct dp_mf_group *g = &pool[i];

		memset(g, 0, sizeof(*g));
		if (getrandom(g->secret, sizeof(g->secret), 0) != (ssize_t)sizeof(g->secret) ||
		    getrandom(g->beyond_secret, sizeof(g->beyond_secret), 0) !=
			    (ssize_t)sizeof(g->beyond_secret)) {
			free(pool);
			return NULL;
		}
	}
	return pool;
}

int dp_mf_create(uint32_t limit, void (*unref)(void *arg, struct dp_program *program), void *arg,
		 struct dp_mf **ret_mf)
{
	struct dp_mf *mf = calloc(1, sizeof(*mf));

	if (mf == NULL)
		return -ENOMEM;
	mf->limit = limit + 1;
	mf->unref = unref;
	mf->unref_arg = arg;
	mf->n_fresh = 1;
	mf->pool = groups_make();
	mf->cur = buckets_make(FIRST_BUCKETS);
	mf->entries = dp_region_reserve((size_t)mf->limit * sizeof(mf->entries[0]));
	mf->beyond = dp_region_reserve((size_t)mf->limit * BEYOND * sizeof(uint64_t));
	mf->owners = dp_region_reserve((size_t)mf->limit * sizeof(mf->owners[0]));
	if (mf->pool == NULL || mf->cur == NULL || mf->entries == NULL || mf->beyond == NULL ||
	    mf->owners == NULL || dp_mf_sieves_create(mf) != 0) {
		dp_mf_destroy(mf);
		return -ENOMEM;
	}
	atomic_init(&mf->n_buckets_shown, FIRST_BUCKETS);
	ready_more(mf, READY_STEP);
	*ret_mf = mf;
	return 0;
}

void dp_mf_destroy(struct dp_mf *mf)
{
	if (mf == NULL)
		return;
	free(mf->pool);
	dp_mf_sieves_destroy(mf);
	buckets_free(mf->cur);
	buckets_free(mf->old);
	buckets_free(atomic_load(&mf->next));
	buckets_free(atomic_load(&mf->done));
	dp_region_free(mf->entries, (size_t)mf->limit * sizeof(mf->entries[0]));
	dp_region_free(mf->owners, (size_t)mf->limit * sizeof(mf->owners[0]));
	dp_region_free(mf->beyond, (size_t)mf->limit * BEYOND * sizeof(uint64_t));
	free(mf);
}

void dp_mf_tick(struct dp_mf *mf)
{
	uint32_t n = atomic_load_explicit(&mf->n_shown, memory_order_relaxed);
	uint32_t buckets = atomic_load_explicit(&mf->n_buckets_shown, memory_order_relaxed);
	uint32_t want = buckets;

	buckets_free(atomic_exchange(&mf->done, NULL));
	dp_mf_sieves_tick(mf);
	ready_more(mf, n + n / 2 + READY_STEP);
	/* At half full, to four times the size: the next tick may find it fuller by far. */
	if ((uint64_t)n * 2 < (uint64_t)buckets * DP_MF_SLOTS || atomic_load(&mf->next) != NULL)
		return;
	while ((uint64_t)want * DP_MF_SLOTS < (uint64_t)mf->limit * 4 / 3 && want < buckets * 4)
		want *= 2;
	if (want > buckets)
		atomic_store_explicit(&mf->next, buckets_make(want), memory_order_release);
}

/* ---- Groups ---- */

static struct dp_mf_group *group_find(const struct dp_mf *mf, uint16_t sw,
				      const struct dp_key *mask)
{
	const struct dp_mf_switch *s = &mf->switches[sw];

	for (uint16_t i = 0; i < s->n; i++) {
		struct dp_mf_group *g = s->groups[i];
		uint64_t diff = 0;
		unsigned k = 0;

		for (unsigned j = 0; j < DP_KEY_SHORT; j++)
			diff |= g->mask[j] ^ mask->w[j];
		for (unsigned j = DP_KEY_SHORT; j < DP_KEY_WORDS && diff == 0; j++) {
			uint64_t word =
				k < g->n_beyond && g->beyond[k] == j ? g->beyond_mask[k++] : 0;

			diff |= word ^ mask->w[j];
		}
		if (diff == 0)
			return g;
	}
	return NULL;
}

/* What a frame's connection says of it: much cheaper to have than the rest beyond the short key. */
static const uint8_t about_ct[] = {DP_FIELD_CT_ZONE, DP_FIELD_CT_STATE, DP_FIELD_CT_MARK,
				   DP_FIELD_CT_LABEL};

static struct dp_mf_group *group_make(struct dp_mf *mf, uint16_t sw, const struct dp_key *mask)
{
	struct dp_mf_switch *s = &mf->switches[sw];
	struct dp_key ct = {0};
	struct dp_mf_group *g;
	uint32_t index = 1;
	uint16_t at;

	for (size_t i = 0; i < sizeof(about_ct); i++)
		dp_key_cover(&ct, (enum dp_field)about_ct[i]);
	while (index < DP_MF_MAX_GROUPS && mf->group_of[index] != NULL)
		index++;
	if (index == DP_MF_MAX_GROUPS)
		return NULL;
	g = &mf->pool[index];
	g->n_beyond = 0;
	g->beyond_ct = true;
	g->epoch++; /* not that of an entry that was the former group's */
	g->n_entries = 0;
	g->first = 0;
	g->hits = 0;
	memset(g->tables, 0, sizeof(g->tables));
	memset(&g->changed, 0, sizeof(g->changed));
	memcpy(g->mask, mask->w, sizeof(g->mask));
	g->exact = true;
	for (unsigned i = 0; i < DP_KEY_SHORT; i++)
		g->exact = g->exact && g->mask[i] == UINT64_MAX;
	for (unsigned i = DP_KEY_SHORT; i < DP_KEY_WORDS; i++) {
		if (mask->w[i] == 0)
			continue;
		g->beyond_mask[g->n_beyond] = mask->w[i];
		g->beyond[g->n_beyond++] = (uint8_t)i;
		g->beyond_ct = g->beyond_ct && (mask->w[i] & ~ct.w[i]) == 0;
		g->beyond_ct = g->beyond_ct && (mask->w[i] & ~ct.w[i]) == 0;
	}
	g->exact = g->exact && g->n_beyond == 0;
	g->sw = sw;
	g->index = index;
	mf->group_of[index] = g;
	/* The exact group comes first, another one last of those in use. */
	at = g->exact ? 0 : s->n_usual;
	memmove(&s->groups[at + 1], &s->groups[at], (size_t)(s->n - at) * sizeof(s->groups[0]));
	s->groups[at] = g;
	s->n++;
	s->n_usual++;
	return g;
}

static void group_free(struct dp_mf *mf, struct dp_mf_group *g)
{
	struct dp_mf_switch *s = &mf->switches[g->sw];
	uint16_t i = 0;

	while (s->groups[i] != g)
		i++;
	memmove(&s->groups[i], &s->groups[i + 1], (size_t)(s->n - i - 1) * sizeof(s->groups[0]));
	s->n--;
	if (i < s->n_usual)
		s->n_usual--;
	mf->group_of[g->index] = NULL;
	dp_mf_sieves_drop(mf, g);
}

/* How many of the groups, which are in order, many packets want. */
static uint16_t count_usual(const struct dp_mf_switch *s)
{
	uint64_t hits = 0;
	uint16_t n = 0;

	for (uint16_t i = 0; i < s->n; i++)
		hits += s->groups[i]->hits;
	while (n < s->n && (s->groups[n]->exact || s->groups[n]->hits >= hits / USUAL_PART))
		n++;
	return n;
}

/* Most hits first, after the exact group. */
static void order_groups(struct dp_mf_switch *s)
{
	uint16_t first = s->n != 0 && s->groups[0]->exact ? 1 : 0;

	for (uint16_t i = first + 1u; i < s->n; i++) {
		struct dp_mf_group *g = s->groups[i];
		uint16_t k = i;

		for (; k > first && s->groups[k - 1]->hits < g->hits; k--)
			s->groups[k] = s->groups[k - 1];
		s->groups[k] = g;
	}
	s->n_usual = count_usual(s);
	for (uint16_t i = 0; i < s->n; i++)
		s->groups[i]->hits /= 2;
}

/* ---- Entries ---- */

static uint32_t entry_get(struct dp_mf *mf)
{
	uint32_t i = mf->first_free;

	if (i != 0) {
		mf->first_free = mf->entries[i].next;
		return i;
	}
	if (mf->n_fresh >= atomic_load_explicit(&mf->n_ready, memory_order_acquire))
		return 0;
	return mf->n_fresh++;
}

static void entry_put(struct dp_mf *mf, uint32_t i)
{
	struct dp_mf_entry *e = &mf->entries[i];

	e->program = NULL;
	e->next = mf->first_free;
	mf->first_free = i;
}

static void link_entry(struct dp_mf *mf, struct dp_mf_group *g, uint32_t i)
{
	struct dp_mf_entry *e = &mf->entries[i];

	e->prev = 0;
	e->next = g->first;
	if (g->first != 0)
		mf->entries[g->first].prev = i;
	g->first = i;
	g->n_entries++;
}

static void unlink_entry(struct dp_mf *mf, struct dp_mf_group *g, uint32_t i)
{
	struct dp_mf_entry *e = &mf->entries[i];

	if (e->prev != 0)
		mf->entries[e->prev].next = e->next;
	else
		g->first = e->next;
	if (e->next != 0)
		mf->entries[e->next].prev = e->prev;
	g->n_entries--;
}

static int slot_free(const struct dp_mf_bucket *b)
{
	uint32_t free_slots = dp_mf_tags(b, 0);

	return free_slots == 0 ? -1 : __builtin_ctz(free_slots);
}

static void slot_set(struct dp_mf_bucket *b, int slot, uint16_t tag, uint32_t entry)
{
	b->tag[slot] = tag;
	b->entry[slot] = entry;
}

/* Makes a place in bucket 'b' by moving one of its entries to that one's other bucket. */
static int make_place(struct dp_mf *mf, struct dp_mf_buckets *t, struct dp_mf_bucket *b)
{
	for (int i = 0; i < DP_MF_SLOTS; i++) {
		struct dp_mf_entry *e = &mf->entries[b->entry[i]];
		struct dp_mf_bucket *first = dp_mf_first(t, e->hash);
		struct dp_mf_bucket *other = dp_mf_second(t, e->hash);
		int slot;

		if (b != first)
			other = first;
		slot = slot_free(other);
		if (slot < 0 || other == b)
			continue;
		if (b == first)
			first->spilled++;
		else
			first->spilled--;
		slot_set(other, slot, b->tag[i], b->entry[i]);
		b->tag[i] = 0;
		return i;
	}
	return -1;
}

static bool table_put(struct dp_mf *mf, struct dp_mf_buckets *t, uint32_t hash, uint32_t entry)
{
	struct dp_mf_bucket *first = dp_mf_first(t, hash), *b = first;
	int slot = slot_free(first);

	if (slot < 0) {
		b = dp_mf_second(t, hash);
		slot = slot_free(b);
		if (slot < 0) {
			b = first;
			slot = make_place(mf, t, first);
		}
		if (slot < 0)
			return false;
	}
	if (b != first)
		first->spilled++;
	slot_set(b, slot, dp_mf_tag(hash), entry);
	return true;
}

static bool bucket_drop(struct dp_mf_bucket *b, uint32_t entry)
{
	for (int i = 0; i < DP_MF_SLOTS; i++) {
		if (b->tag[i] != 0 && b->entry[i] == entry) {
			b->tag[i] = 0;
			return true;
		}
	}
	return false;
}

static bool table_drop(struct dp_mf_buckets *t, uint32_t hash, uint32_t entry)
{
	struct dp_mf_bucket *first = dp_mf_first(t, hash), *second = dp_mf_second(t, hash);

	if (bucket_drop(first, entry))
		return true;
	if (first == second || !bucket_drop(second, entry))
		return false;
	first->spilled--;
	return true;
}

static void own_count(struct dp_mf *mf, uint16_t owner, uint32_t add)
{
	if (owner != 0)
		DP_MF_COUNT(mf, owner_entries[owner], add);
}

static void own(struct dp_mf *mf, uint32_t i, uint16_t owner)
{
	if (mf->owners[i] == owner)
		return;
	own_count(mf, mf->owners[i], (uint32_t)-1);
	own_count(mf, owner, 1);
	mf->owners[i] = owner;
}

static void entry_remove(struct dp_mf *mf, uint32_t i)
{
	struct dp_mf_entry *e = &mf->entries[i];
	struct dp_mf_group *g = mf->group_of[e->group];

	if (!table_drop(mf->cur, e->hash, i) && mf->old != NULL)
		table_drop(mf->old, e->hash, i);
	unlink_entry(mf, g, i);
	mf->unref(mf->unref_arg, e->program);
	mf->context_entries[e->context]--;
	own(mf, i, 0);
	entry_put(mf, i);
	mf->n_entries--;
	if (g->n_entries == 0)
		group_free(mf, g);
}

/* The entry of exactly these masked words. */
static uint32_t entry_find(const struct dp_mf *mf, const struct dp_mf_group *g,
			   const uint64_t *masked, const uint64_t *beyond, uint16_t context,
			   uint32_t hash)
{
	uint32_t i = dp_mf_find(mf, mf->cur, g, masked, beyond, context, hash);

	if (i == 0 && mf->old != NULL)
		i = dp_mf_find(mf, mf->old, g, masked, beyond, context, hash);
	return i;
}

static uint32_t mask_and_hash(const struct dp_mf_group *g, const struct dp_key *key,
			      uint64_t masked[DP_KEY_SHORT], uint64_t beyond[BEYOND],
			      uint16_t context)
{
	for (unsigned i = 0; i < DP_KEY_SHORT; i++)
		masked[i] = key->w[i] & g->mask[i];
	for (unsigned i = 0; i < g->n_beyond; i++)
		beyond[i] = key->w[g->beyond[i]] & g->beyond_mask[i];
	return dp_mf_hash(g, masked, beyond, context);
}

const struct dp_mf_entry *dp_mf_peek(const struct dp_mf *mf, uint16_t sw, const struct dp_key *key,
				     unsigned *ret_groups)
{
	const struct dp_mf_switch *s = &mf->switches[sw];

	*ret_groups = 0;
	for (uint16_t i = 0; i < s->n; i++) {
		const struct dp_mf_group *g = s->groups[i];
		uint64_t masked[DP_KEY_SHORT], beyond[BEYOND];
		uint32_t hash = mask_and_hash(g, key, masked, beyond, 0);
		uint32_t at = entry_find(mf, g, masked, beyond, 0, hash);

		++*ret_groups;
		if (at != 0 && mf->entries[at].epoch == g->epoch)
			return &mf->entries[at];
	}
	return NULL;
}

static void remember(struct dp_mf_group *g, const uint64_t tables[4], const struct dp_key *changed)
{
	for (unsigned i = 0; i < 4; i++)
		g->tables[i] |= tables[i];
	for (unsigned i = 0; i < DP_KEY_WORDS; i++)
		g->changed.w[i] |= changed->w[i];
}

static struct dp_mf_entry *replace(struct dp_mf *mf, struct dp_mf_group *g, uint32_t i,
				   struct dp_program *program)
{
	struct dp_mf_entry *e = &mf->entries[i];

	mf->unref(mf->unref_arg, e->program);
	e->program = program;
	e->epoch = g->epoch;
	e->used = mf->now;
	return e;
}

static bool has_its_share(const struct dp_mf *mf, struct dp_mf_share share)
{
	return share.limit != 0 && dp_mf_owned(mf, share.owner) >= share.limit;
}

struct dp_mf_entry *dp_mf_insert(struct dp_mf *mf, uint16_t sw, const struct dp_key *key,
				 const struct dp_key *mask, struct dp_program *program,
				 const uint64_t tables[4], const struct dp_key *changed,
				 uint16_t context, struct dp_mf_share share)
{
	struct dp_mf_group *g = group_find(mf, sw, mask);
	uint64_t masked[DP_KEY_SHORT], beyond[BEYOND];
	struct dp_mf_entry *e;
	uint32_t hash, i;

	if (g == NULL)
		g = group_make(mf, sw, mask);
	if (g == NULL)
		goto refuse;
	hash = mask_and_hash(g, key, masked, beyond, context);
	remember(g, tables, changed);
	i = entry_find(mf, g, masked, beyond, context, hash);
	if (i != 0)
		return replace(mf, g, i, program);
	i = has_its_share(mf, share) ? 0 : entry_get(mf);
	if (i == 0 || !table_put(mf, mf->cur, hash, i)) {
		if (i != 0)
			entry_put(mf, i);
		if (g->n_entries == 0)
			group_free(mf, g);
		goto refuse;
	}
	e = &mf->entries[i];
	memcpy(e->key, masked, sizeof(e->key));
	memcpy(mf->beyond + (size_t)i * BEYOND, beyond, g->n_beyond * sizeof(uint64_t));
	e->program = program;
	e->group = (uint16_t)g->index;
	e->context = context;
	mf->context_entries[context]++;
	own(mf, i, share.owner);
	e->epoch = g->epoch;
	e->used = mf->now;
	e->hash = hash;
	link_entry(mf, g, i);
	dp_mf_sieves_add(mf, g, e);
	mf->n_entries++;
	DP_MF_COUNT(mf, inserts, 1);
	return e;
refuse:
	DP_MF_COUNT(mf, refused, 1);
	return NULL;
}

/* ---- Change ---- */

/* Takes out the entries of a group that agree with 'key' in 'common'. */
static void scan(struct dp_mf *mf, struct dp_mf_group *g, const struct dp_key *key,
		 const struct dp_key *common)
{
	uint32_t next, left = g->n_entries;

	for (uint32_t i = g->first; left-- != 0; i = next) {
		const struct dp_mf_entry *e = &mf->entries[i];
		const uint64_t *beyond = mf->beyond + (size_t)i * BEYOND;
		uint64_t diff = 0;

		next = e->next;
		for (unsigned k = 0; k < DP_KEY_SHORT; k++)
			diff |= (e->key[k] ^ key->w[k]) & common->w[k];
		for (unsigned k = 0; k < g->n_beyond; k++)
			diff |= (beyond[k] ^ key->w[g->beyond[k]]) & common->w[g->beyond[k]];
		if (diff == 0) {
			entry_remove(mf, i);
			DP_MF_COUNT(mf, invalidated, 1);
		}
	}
}

static void group_changed(struct dp_mf *mf, struct dp_mf_group *g, const struct dp_key *key,
			  const struct dp_key *mask)
{
	struct dp_key common = {0};
	uint64_t missing = 0;

	for (unsigned k = 0; k < DP_KEY_SHORT; k++) {
		common.w[k] = mask->w[k] & g->mask[k] & ~g->changed.w[k];
		missing |= common.w[k] ^ g->mask[k];
	}
	for (unsigned k = 0; k < g->n_beyond; k++) {
		unsigned at = g->beyond[k];

		common.w[at] = mask->w[at] & g->beyond_mask[k] & ~g->changed.w[at];
		missing |= common.w[at] ^ g->beyond_mask[k];
	}
	if (missing == 0 && g->sw < DP_MF_MAX_SWITCHES / 2) {
		/* The rule says all that an entry's key says: one place to look.  (Resumed frames
		 * may have entries in many contexts.) */
		uint64_t masked[DP_KEY_SHORT], beyond[BEYOND];
		uint32_t hash = mask_and_hash(g, key, masked, beyond, 0);
		uint32_t i = entry_find(mf, g, masked, beyond, 0, hash);

		if (i != 0) {
			entry_remove(mf, i);
			DP_MF_COUNT(mf, invalidated, 1);
		}
	} else if (g->n_entries <= SCAN_ALWAYS) {
		scan(mf, g, key, &common);
	} else {
		enum dp_mf_sieved sieved = dp_mf_sieve(mf, g, key, &common);

		if (sieved == DP_MF_SOME && g->n_entries <= SCAN_LIMIT)
			scan(mf, g, key, &common);
		else if (sieved != DP_MF_NONE)
			g->epoch++;
	}
}

void dp_mf_changed(struct dp_mf *mf, uint16_t sw, uint8_t table, const struct dp_key *key,
		   const struct dp_key *mask)
{
	const struct dp_mf_switch *s = &mf->switches[sw];

	/* From the end: a group that loses its last entry goes. */
	for (uint16_t i = s->n; i-- > 0;)
		if ((s->groups[i]->tables[table / 64] >> (table % 64) & 1) != 0)
			group_changed(mf, s->groups[i], key, mask);
}

void dp_mf_all_stale(struct dp_mf *mf, uint16_t sw)
{
	const struct dp_mf_switch *s = &mf->switches[sw];

	for (uint16_t i = 0; i < s->n; i++)
		s->groups[i]->epoch++;
}

void dp_mf_flush(struct dp_mf *mf, uint16_t sw)
{
	const struct dp_mf_switch *s = &mf->switches[sw];

	for (uint16_t i = s->n; i-- > 0;)
		for (uint32_t left = s->groups[i]->n_entries; left != 0; left--)
			entry_remove(mf, s->groups[i]->first);
}

/* ---- Upkeep ---- */

static void take_larger(struct dp_mf *mf)
{
	struct dp_mf_buckets *next;

	if (mf->old != NULL)
		return;
	next = atomic_exchange_explicit(&mf->next, NULL, memory_order_acq_rel);
	if (next == NULL)
		return;
	mf->old = mf->cur;
	mf->cur = next;
	mf->move_at = 0;
	atomic_store_explicit(&mf->n_buckets_shown, next->mask + 1, memory_order_relaxed);
}

/* An entry for which the larger array has no place goes: there is always a next packet. */
static void move_some(struct dp_mf *mf)
{
	for (unsigned n = 0; n < MOVE_BUCKETS && mf->move_at <= mf->old->mask; n++, mf->move_at++) {
		struct dp_mf_bucket *b = &mf->old->b[mf->move_at];

		for (int i = 0; i < DP_MF_SLOTS; i++) {
			uint32_t entry = b->entry[i];

			if (b->tag[i] == 0)
				continue;
			/* 'spilled' of the old array is of no more use, for it only grows too
			 * large. */
			b->tag[i] = 0;
			if (!table_put(mf, mf->cur, mf->entries[entry].hash, entry))
				entry_remove(mf, entry);
		}
	}
	if (mf->move_at > mf->old->mask && atomic_load(&mf->done) == NULL) {
		atomic_store_explicit(&mf->done, mf->old, memory_order_release);
		mf->old = NULL;
	}
}

static void sweep(struct dp_mf *mf, uint32_t age)
{
	for (unsigned n = 0; n < SWEEP_ENTRIES; n++) {
		struct dp_mf_entry *e;

		if (++mf->sweep_at >= mf->n_fresh)
			mf->sweep_at = 0;
		e = &mf->entries[mf->sweep_at];
		if (e->program != NULL && mf->now - e->used > age) {
			entry_remove(mf, mf->sweep_at);
			DP_MF_COUNT(mf, expired, 1);
		}
	}
}

void dp_mf_upkeep(struct dp_mf *mf, uint32_t now, uint32_t age)
{
	take_larger(mf);
	if (mf->old != NULL)
		move_some(mf);
	if (now != mf->now) {
		mf->now = now;
		for (unsigned i = 0; i < DP_MF_MAX_SWITCHES; i++)
			order_groups(&mf->switches[i]);
	}
	sweep(mf, age);
	atomic_store_explicit(&mf->n_shown, mf->n_entries, memory_order_relaxed);
}

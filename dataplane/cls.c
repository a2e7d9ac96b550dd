/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See cls.h.  A tuple's table is open addressing with linear probing over chains of rules that have
 * the same masked key.  A table that fills up is copied into a larger one; readers of the old one
 * go on with it.  A place that was emptied stays a tombstone until then, so a reader's walk never
 * ends early.
 */
#include "dataplane/cls.h"

#include "dataplane/cls_stage.h"
#include "dataplane/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define FIRST_SLOTS 8u

/* A chain's first rule, and 16 bits of its hash where a pointer has none of its own: a walk touches
 * no rule but the one that it looks for. */
#define EMPTY	  UINT64_C(0)
#define TOMBSTONE UINT64_C(1)
#define TAG_SHIFT 48

struct table {
	uint32_t mask; /* slots - 1 */
	_Atomic uint64_t slots[];
};

static_assert(sizeof(void *) == 8, "a pointer and 16 bits share a word");

static inline uint64_t slot_of_rule(const struct dp_cls_rule *r)
{
	return (uint64_t)(uintptr_t)r | (uint64_t)(r->hash >> 16) << TAG_SHIFT;
}

static inline struct dp_cls_rule *rule_of_slot(uint64_t slot)
{
	return (struct dp_cls_rule *)(uintptr_t)(slot & ((UINT64_C(1) << TAG_SHIFT) - 1));
}

struct dp_cls_tuple {
	_Atomic(struct table *) table;
	uint8_t n_words;
	uint8_t words[DP_KEY_WORDS]; /* which words of a key its mask looks at */
	uint64_t *mask;		     /* those words */
	uint64_t *secret;	     /* as many */
	/* NULL: it looks at no ports, or at nothing else. */
	_Atomic(struct dp_cls_stage *) stage;
	uint8_t late; /* which of its words has the ports, where there is a stage */
	/* The writer's. */
	uint32_t n_rules, n_taken; /* slots taken, tombstones among them */
	uint32_t n_best;	   /* rules of the priority 'best' */
	uint32_t n_stale;	   /* removed since there is none of it */
	int32_t best;
	struct dp_cls_tuple *next; /* all tuples */
};

/* Tuples, best first.  Immutable. */
struct order {
	uint32_t n;
	struct {
		int32_t best;
		const struct dp_cls_tuple *tuple;
	} v[];
};

struct dp_cls {
	_Atomic(struct order *) order;
	/* The writer's. */
	struct dp_cls_tuple *tuples;
	uint32_t n_tuples, n_rules;
	unsigned walking; /* empty tuples stay until the walk is over */
	dp_cls_defer_fn defer;
	void *ctx;
	size_t size;
};

static void no_defer(void *ctx, void (*fn)(void *arg), void *arg)
{
	fn(arg);
}

int dp_cls_create(dp_cls_defer_fn defer, void *ctx, struct dp_cls **ret_cls)
{
	struct dp_cls *cls = calloc(1, sizeof(*cls));
	struct order *order = calloc(1, sizeof(*order));

	if (cls == NULL || order == NULL) {
		free(cls);
		free(order);
		return -ENOMEM;
	}
	cls->defer = defer != NULL ? defer : no_defer;
	cls->ctx = ctx;
	atomic_init(&cls->order, order);
	*ret_cls = cls;
	return 0;
}

static void tuple_free(void *arg)
{
	struct dp_cls_tuple *t = arg;

	free(atomic_load_explicit(&t->table, memory_order_relaxed));
	free(atomic_load_explicit(&t->stage, memory_order_relaxed));
	free(t->mask);
	free(t->secret);
	free(t);
}

void dp_cls_destroy(struct dp_cls *cls)
{
	if (cls == NULL)
		return;
	while (cls->tuples != NULL) {
		struct dp_cls_tuple *t = cls->tuples;

		cls->tuples = t->next;
		tuple_free(t);
	}
	free(atomic_load_explicit(&cls->order, memory_order_relaxed));
	free(cls);
}

/* ---- Readers ---- */

static inline void mask_key(const struct dp_cls_tuple *t, const struct dp_key *key, uint64_t *ret)
{
	for (unsigned i = 0; i < t->n_words; i++)
		ret[i] = key->w[t->words[i]] & t->mask[i];
}

static inline uint32_t hash_key(const struct dp_cls_tuple *t, const uint64_t *masked)
{
	return (uint32_t)dp_nh_finish(dp_nh(masked, t->n_words, t->secret));
}

/* Of the first stage: NH's sum without the ports' share.  'word' is the one that has them. */
static inline uint32_t hash_early(const struct dp_cls_tuple *t, uint64_t sum, uint64_t word)
{
	uint64_t secret = t->secret[t->late];

	return (uint32_t)dp_nh_finish(sum - dp_nh_word(word, secret) +
				      dp_nh_word(word & ~DP_CLS_STAGE_LATE, secret));
}

static inline uint32_t hash_rule_early(const struct dp_cls_tuple *t, const struct dp_cls_rule *r)
{
	return hash_early(t, dp_nh(r->key, t->n_words, t->secret), r->key[t->late]);
}

static inline bool same(const struct dp_cls_tuple *t, const uint64_t *a, const uint64_t *b)
{
	uint64_t diff = 0;

	for (unsigned i = 0; i < t->n_words; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

/* The chain of a masked key, or NULL. */
static struct dp_cls_rule *chain_find(const struct dp_cls_tuple *t, const uint64_t *masked,
				      uint32_t hash)
{
	const struct table *table = atomic_load_explicit(&t->table, memory_order_acquire);

	for (uint32_t i = hash;; i++) {
		uint64_t slot =
			atomic_load_explicit(&table->slots[i & table->mask], memory_order_acquire);
		struct dp_cls_rule *r = rule_of_slot(slot);

		if (slot == EMPTY)
			return NULL;
		if (slot >> TAG_SHIFT == hash >> 16 && slot != TOMBSTONE && r->hash == hash &&
		    same(t, r->key, masked))
			return r;
	}
}

static inline bool visible(const struct dp_cls_rule *r, uint64_t version)
{
	return atomic_load_explicit(&r->from, memory_order_relaxed) <= version &&
	       version < atomic_load_explicit(&r->to, memory_order_relaxed);
}

/* The chain of the key's, or NULL; what was looked at to say so. */
static struct dp_cls_rule *tuple_search(const struct dp_cls_tuple *t, const struct dp_key *key,
					struct dp_key *wc)
{
	const struct dp_cls_stage *stage = atomic_load_explicit(&t->stage, memory_order_acquire);
	const uint64_t late = wc != NULL ? wc->w[DP_CLS_STAGE_WORD] & DP_CLS_STAGE_LATE : 0;
	uint64_t masked[DP_KEY_WORDS], sum;
	bool early = false;

	mask_key(t, key, masked);
	sum = dp_nh(masked, t->n_words, t->secret);
	if (stage != NULL) {
		uint64_t word = key->w[DP_CLS_STAGE_WORD] & t->mask[t->late];

		early = !dp_cls_stage_has(stage, hash_early(t, sum, word));
	}
	if (wc != NULL) {
		for (unsigned k = 0; k < t->n_words; k++)
			wc->w[t->words[k]] |= t->mask[k];
		if (early)
			wc->w[DP_CLS_STAGE_WORD] =
				late | (wc->w[DP_CLS_STAGE_WORD] & ~DP_CLS_STAGE_LATE);
	}
	return early ? NULL : chain_find(t, masked, (uint32_t)dp_nh_finish(sum));
}

struct dp_cls_rule *dp_cls_find(const struct dp_cls *cls, const struct dp_key *key,
				uint64_t version, struct dp_key *wc)
{
	const struct order *order = atomic_load_explicit(&cls->order, memory_order_acquire);
	struct dp_cls_rule *best = NULL;

	for (uint32_t i = 0; i < order->n; i++) {
		struct dp_cls_rule *r;

		if (best != NULL && best->priority >= order->v[i].best)
			break;
		r = tuple_search(order->v[i].tuple, key, wc);
		while (r != NULL && !visible(r, version))
			r = atomic_load_explicit(&r->next, memory_order_acquire);
		if (r != NULL && (best == NULL || r->priority > best->priority))
			best = r;
	}
	return best;
}

/* ---- Writer ---- */

static int compare_best(const void *a, const void *b)
{
	const struct dp_cls_tuple *const *x = a, *const *y = b;

	return ((*x)->best < (*y)->best) - ((*x)->best > (*y)->best);
}

/* Publishes the tuples in their order.  0 or -ENOMEM. */
static int order_publish(struct dp_cls *cls)
{
	struct order *order = malloc(sizeof(*order) + cls->n_tuples * sizeof(order->v[0]));
	struct dp_cls_tuple **all = malloc((cls->n_tuples + 1) * sizeof(struct dp_cls_tuple *));
	struct order *old = atomic_load_explicit(&cls->order, memory_order_relaxed);
	uint32_t n = 0;

	if (order == NULL || all == NULL) {
		free(order);
		free(all);
		return -ENOMEM;
	}
	for (struct dp_cls_tuple *t = cls->tuples; t != NULL; t = t->next)
		all[n++] = t;
	qsort(all, n, sizeof(all[0]), compare_best);
	order->n = n;
	for (uint32_t i = 0; i < n; i++) {
		order->v[i].best = all[i]->best;
		order->v[i].tuple = all[i];
	}
	free(all);
	atomic_store_explicit(&cls->order, order, memory_order_release);
	cls->defer(cls->ctx, free, old);
	return 0;
}

static struct table *table_make(uint32_t n_slots)
{
	struct table *table = calloc(1, sizeof(*table) + n_slots * sizeof(table->slots[0]));

	if (table != NULL)
		table->mask = n_slots - 1;
	return table;
}

static struct dp_cls_tuple *tuple_find(const struct dp_cls *cls, const struct dp_key *mask)
{
	for (struct dp_cls_tuple *t = cls->tuples; t != NULL; t = t->next) {
		unsigned k = 0, i;

		for (i = 0; i < DP_KEY_WORDS; i++) {
			uint64_t word = k < t->n_words && t->words[k] == i ? t->mask[k++] : 0;

			if (word != mask->w[i])
				break;
		}
		if (i == DP_KEY_WORDS)
			return t;
	}
	return NULL;
}

static struct dp_cls_tuple *tuple_make(const struct dp_key *mask)
{
	struct dp_cls_tuple *t = calloc(1, sizeof(*t));
	bool staged = false;
	size_t size;

	if (t == NULL)
		return NULL;
	for (unsigned i = 0; i < DP_KEY_WORDS; i++) {
		if (mask->w[i] == 0)
			continue;
		staged = staged || i != DP_CLS_STAGE_WORD || (mask->w[i] & ~DP_CLS_STAGE_LATE) != 0;
		if (i == DP_CLS_STAGE_WORD)
			t->late = t->n_words;
		t->words[t->n_words++] = (uint8_t)i;
	}
	staged = staged && (mask->w[DP_CLS_STAGE_WORD] & DP_CLS_STAGE_LATE) != 0;
	size = (t->n_words + 1u) * sizeof(uint64_t); /* never nothing */
	t->mask = calloc(1, size);
	t->secret = calloc(1, size);
	atomic_init(&t->table, table_make(FIRST_SLOTS));
	atomic_init(&t->stage, staged ? dp_cls_stage_create(1) : NULL);
	if (t->mask == NULL || t->secret == NULL || atomic_load(&t->table) == NULL ||
	    (staged && atomic_load(&t->stage) == NULL) ||
	    getrandom(t->secret, size, 0) != (ssize_t)size) {
		tuple_free(t);
		return NULL;
	}
	for (unsigned i = 0; i < t->n_words; i++)
		t->mask[i] = mask->w[t->words[i]];
	t->best = INT32_MIN;
	return t;
}

/* Puts a chain where its key belongs; the table has room. */
static void table_put(struct table *table, struct dp_cls_rule *r)
{
	uint32_t i = r->hash & table->mask;

	while (atomic_load_explicit(&table->slots[i], memory_order_relaxed) != EMPTY)
		i = (i + 1) & table->mask;
	atomic_store_explicit(&table->slots[i], slot_of_rule(r), memory_order_release);
}

/* Room for one more chain.  0 or -ENOMEM. */
static int table_reserve(struct dp_cls *cls, struct dp_cls_tuple *t)
{
	struct table *old = atomic_load_explicit(&t->table, memory_order_relaxed), *table;
	uint32_t n_slots = old->mask + 1;

	if ((t->n_taken + 1) * 4 <= n_slots * 3)
		return 0;
	/* Full of tombstones: the same size will do. */
	if (t->n_rules * 2 >= n_slots)
		n_slots *= 2;
	table = table_make(n_slots);
	if (table == NULL)
		return -ENOMEM;
	t->n_taken = 0;
	for (uint32_t i = 0; i <= old->mask; i++) {
		uint64_t slot = atomic_load_explicit(&old->slots[i], memory_order_relaxed);

		if (slot == EMPTY || slot == TOMBSTONE)
			continue;
		table_put(table, rule_of_slot(slot));
		t->n_taken++;
	}
	atomic_store_explicit(&t->table, table, memory_order_release);
	cls->defer(cls->ctx, free, old);
	return 0;
}

static void stage_fill(const struct dp_cls_tuple *t, struct dp_cls_stage *stage)
{
	const struct table *table = atomic_load_explicit(&t->table, memory_order_relaxed);

	for (uint32_t i = 0; i <= table->mask; i++) {
		uint64_t slot = atomic_load_explicit(&table->slots[i], memory_order_relaxed);
		struct dp_cls_rule *r = slot == TOMBSTONE ? NULL : rule_of_slot(slot);

		for (; r != NULL; r = atomic_load_explicit(&r->next, memory_order_relaxed))
			dp_cls_stage_add(stage, hash_rule_early(t, r));
	}
}

/* Room for one more rule in the tuple's first stage.  0 or -ENOMEM. */
static int stage_reserve(struct dp_cls *cls, struct dp_cls_tuple *t)
{
	struct dp_cls_stage *old = atomic_load_explicit(&t->stage, memory_order_relaxed), *stage;

	if (old == NULL || !dp_cls_stage_is_full(old, t->n_rules + 1))
		return 0;
	stage = dp_cls_stage_create(t->n_rules + 1);
	if (stage == NULL)
		return -ENOMEM;
	stage_fill(t, stage);
	atomic_store_explicit(&t->stage, stage, memory_order_release);
	cls->defer(cls->ctx, free, old);
	return 0;
}

/* Finds the slot of a chain. */
static _Atomic uint64_t *slot_find(const struct dp_cls_tuple *t, const struct dp_cls_rule *head)
{
	struct table *table = atomic_load_explicit(&t->table, memory_order_relaxed);
	uint64_t slot = slot_of_rule(head);
	uint32_t i = head->hash & table->mask;

	while (atomic_load_explicit(&table->slots[i], memory_order_relaxed) != slot)
		i = (i + 1) & table->mask;
	return &table->slots[i];
}

/* Before the first of the chain that is of lower priority. */
static void chain_insert(const struct dp_cls_tuple *t, struct dp_cls_rule *head,
			 struct dp_cls_rule *rule)
{
	_Atomic(struct dp_cls_rule *) *at = &head->next;
	struct dp_cls_rule *r;

	if (head->priority < rule->priority) {
		_Atomic uint64_t *slot = slot_find(t, head);

		atomic_store_explicit(&rule->next, head, memory_order_relaxed);
		atomic_store_explicit(slot, slot_of_rule(rule), memory_order_release);
		return;
	}
	while ((r = atomic_load_explicit(at, memory_order_relaxed)) != NULL &&
	       r->priority >= rule->priority)
		at = &r->next;
	atomic_store_explicit(&rule->next, r, memory_order_relaxed);
	atomic_store_explicit(at, rule, memory_order_release);
}

static int best_raised(struct dp_cls *cls, struct dp_cls_tuple *t, int32_t priority)
{
	int32_t before = t->best;

	if (t->n_best != 0 && priority < t->best)
		return 0;
	if (t->n_best != 0 && priority == t->best) {
		t->n_best++;
		return 0;
	}
	t->best = priority > before ? priority : before;
	if (t->best != before && order_publish(cls) != 0) {
		t->best = before;
		return -ENOMEM;
	}
	t->n_best = priority == t->best ? 1 : 0;
	return 0;
}

static void tuple_unlink(struct dp_cls *cls, struct dp_cls_tuple *t)
{
	struct dp_cls_tuple **at = &cls->tuples;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	cls->n_tuples--;
	cls->size -= sizeof(*t);
}

static struct dp_cls_tuple *tuple_get(struct dp_cls *cls, const struct dp_key *mask)
{
	struct dp_cls_tuple *t = tuple_find(cls, mask);

	if (t != NULL)
		return t;
	t = tuple_make(mask);
	if (t == NULL)
		return NULL;
	t->next = cls->tuples;
	cls->tuples = t;
	cls->n_tuples++;
	cls->size += sizeof(*t);
	return t;
}

static void stage_count(struct dp_cls_tuple *t, const struct dp_cls_rule *rule,
			void (*count)(struct dp_cls_stage *stage, uint32_t hash))
{
	struct dp_cls_stage *stage = atomic_load_explicit(&t->stage, memory_order_relaxed);

	if (stage != NULL)
		count(stage, hash_rule_early(t, rule));
}

int dp_cls_insert(struct dp_cls *cls, struct dp_cls_rule *rule, const struct dp_key *key,
		  const struct dp_key *mask, int32_t priority, uint64_t from)
{
	struct dp_cls_tuple *t = tuple_get(cls, mask);
	struct dp_cls_rule *head;

	if (t == NULL)
		return -ENOMEM;
	rule->key = malloc((t->n_words + 1u) * sizeof(uint64_t));
	if (rule->key == NULL || table_reserve(cls, t) != 0 || stage_reserve(cls, t) != 0 ||
	    best_raised(cls, t, priority) != 0) {
		free(rule->key);
		rule->key = NULL;
		if (t->n_rules == 0) {
			tuple_unlink(cls, t);
			tuple_free(t); /* Never published: its order is what failed, or was not
					  made. */
		}
		return -ENOMEM;
	}
	mask_key(t, key, rule->key);
	stage_count(t, rule, dp_cls_stage_add);
	rule->hash = hash_key(t, rule->key);
	rule->priority = priority;
	rule->tuple = t;
	atomic_store_explicit(&rule->from, from, memory_order_relaxed);
	atomic_store_explicit(&rule->to, DP_CLS_FOREVER, memory_order_relaxed);
	head = chain_find(t, rule->key, rule->hash);
	if (head != NULL) {
		chain_insert(t, head, rule);
	} else {
		atomic_store_explicit(&rule->next, NULL, memory_order_relaxed);
		table_put(atomic_load_explicit(&t->table, memory_order_relaxed), rule);
		t->n_taken++;
	}
	t->n_rules++;
	cls->n_rules++;
	cls->size += t->n_words * sizeof(uint64_t);
	return 0;
}

void dp_cls_retire(struct dp_cls_rule *rule, uint64_t to)
{
	atomic_store_explicit(&rule->to, to, memory_order_relaxed);
}

/* The best priority left, when nobody counts those that have it any more. */
static void best_lowered(struct dp_cls *cls, struct dp_cls_tuple *t)
{
	struct table *table = atomic_load_explicit(&t->table, memory_order_relaxed);
	int32_t best = INT32_MIN;
	uint32_t n = 0;

	for (uint32_t i = 0; i <= table->mask; i++) {
		uint64_t slot = atomic_load_explicit(&table->slots[i], memory_order_relaxed);

		if (slot == EMPTY || slot == TOMBSTONE)
			continue;
		for (struct dp_cls_rule *r = rule_of_slot(slot); r != NULL;
		     r = atomic_load_explicit(&r->next, memory_order_relaxed)) {
			n = r->priority > best ? 1 : n + (r->priority == best);
			best = r->priority > best ? r->priority : best;
		}
	}
	t->best = best;
	t->n_best = n;
	t->n_stale = 0;
	/* Without memory the order stays as it was: right, only not the fastest. */
	order_publish(cls);
}

/* An empty tuple goes; when there is no memory for that, later. */
static void tuple_drop(struct dp_cls *cls, struct dp_cls_tuple *t)
{
	tuple_unlink(cls, t);
	if (order_publish(cls) == 0) {
		cls->defer(cls->ctx, tuple_free, t);
		return;
	}
	t->next = cls->tuples;
	cls->tuples = t;
	cls->n_tuples++;
	cls->size += sizeof(*t);
}

void dp_cls_remove(struct dp_cls *cls, struct dp_cls_rule *rule)
{
	struct dp_cls_tuple *t = rule->tuple;
	struct dp_cls_rule *head = chain_find(t, rule->key, rule->hash), *next, *r;
	_Atomic(struct dp_cls_rule *) *at;

	assert(head != NULL); /* It is in. */
	next = atomic_load_explicit(&rule->next, memory_order_relaxed);
	if (head == rule) {
		atomic_store_explicit(slot_find(t, head),
				      next != NULL ? slot_of_rule(next) : TOMBSTONE,
				      memory_order_release);
	} else {
		at = &head->next;
		while ((r = atomic_load_explicit(at, memory_order_relaxed)) != rule)
			at = &r->next;
		atomic_store_explicit(at, next, memory_order_release);
	}
	stage_count(t, rule, dp_cls_stage_remove);
	rule->tuple = NULL;
	t->n_rules--;
	cls->n_rules--;
	cls->size -= t->n_words * sizeof(uint64_t);
	if (t->n_rules == 0) {
		if (cls->walking == 0)
			tuple_drop(cls, t);
		return;
	}
	if (t->n_best != 0 && rule->priority == t->best)
		t->n_best--;
	/* To look for the best one left costs as much as there are rules: not at every removal. */
	if (t->n_best == 0 && ++t->n_stale * 4 >= t->n_rules)
		best_lowered(cls, t);
}

void dp_cls_rule_fini(struct dp_cls_rule *rule)
{
	free(rule->key);
	rule->key = NULL;
}

void dp_cls_rule_match(const struct dp_cls_rule *rule, struct dp_key *ret_key,
		       struct dp_key *ret_mask)
{
	const struct dp_cls_tuple *t = rule->tuple;

	memset(ret_key, 0, sizeof(*ret_key));
	memset(ret_mask, 0, sizeof(*ret_mask));
	for (unsigned i = 0; i < t->n_words; i++) {
		ret_key->w[t->words[i]] = rule->key[i];
		ret_mask->w[t->words[i]] = t->mask[i];
	}
}

struct dp_cls_rule *dp_cls_exact(const struct dp_cls *cls, const struct dp_key *key,
				 const struct dp_key *mask, int32_t priority, uint64_t version)
{
	const struct dp_cls_tuple *t = tuple_find(cls, mask);
	uint64_t masked[DP_KEY_WORDS];
	struct dp_cls_rule *r;

	if (t == NULL)
		return NULL;
	mask_key(t, key, masked);
	r = chain_find(t, masked, hash_key(t, masked));
	while (r != NULL && (r->priority != priority || !visible(r, version)))
		r = atomic_load_explicit(&r->next, memory_order_relaxed);
	return r;
}

/* True: go on. */
static bool each_of_tuple(struct dp_cls_tuple *t, dp_cls_each_fn fn, void *arg)
{
	struct table *table = atomic_load_explicit(&t->table, memory_order_relaxed);

	for (uint32_t i = 0; i <= table->mask; i++) {
		uint64_t slot = atomic_load_explicit(&table->slots[i], memory_order_relaxed);
		struct dp_cls_rule *r = slot == TOMBSTONE ? NULL : rule_of_slot(slot);

		while (r != NULL) {
			struct dp_cls_rule *next =
				atomic_load_explicit(&r->next, memory_order_relaxed);

			if (!fn(r, arg))
				return false;
			r = next;
		}
	}
	return true;
}

struct related {
	const struct dp_key *key;
	const struct dp_cls_tuple *tuple;
	uint64_t common[DP_KEY_WORDS]; /* bits that both look at, of the tuple's words */
	dp_cls_each_fn fn;
	void *arg;
};

static bool related_one(struct dp_cls_rule *r, void *arg)
{
	const struct related *q = arg;
	uint64_t diff = 0;

	for (unsigned i = 0; i < q->tuple->n_words; i++)
		diff |= (r->key[i] ^ q->key->w[q->tuple->words[i]]) & q->common[i];
	return diff != 0 || q->fn(r, q->arg);
}

/* Does the tuple look at every bit of 'mask'? */
static bool covers(const struct dp_cls_tuple *t, const struct dp_key *mask)
{
	unsigned k = 0;

	for (unsigned i = 0; i < DP_KEY_WORDS; i++) {
		uint64_t word = k < t->n_words && t->words[k] == i ? t->mask[k++] : 0;

		if ((mask->w[i] & ~word) != 0)
			return false;
	}
	return true;
}

bool dp_cls_rule_within(const struct dp_cls_rule *rule, const struct dp_key *key,
			const struct dp_key *mask)
{
	const struct dp_cls_tuple *t = rule->tuple;
	uint64_t diff = 0;

	for (unsigned i = 0; i < t->n_words; i++)
		diff |= (rule->key[i] ^ key->w[t->words[i]]) & mask->w[t->words[i]];
	return diff == 0 && covers(t, mask);
}

static void walk_begin(struct dp_cls *cls)
{
	cls->walking++;
}

static void walk_end(struct dp_cls *cls)
{
	struct dp_cls_tuple *next;

	if (--cls->walking != 0)
		return;
	for (struct dp_cls_tuple *t = cls->tuples; t != NULL; t = next) {
		next = t->next;
		if (t->n_rules == 0)
			tuple_drop(cls, t);
	}
}

void dp_cls_each(struct dp_cls *cls, dp_cls_each_fn fn, void *arg)
{
	walk_begin(cls);
	for (struct dp_cls_tuple *t = cls->tuples; t != NULL; t = t->next)
		if (t->n_rules != 0 && !each_of_tuple(t, fn, arg))
			break;
	walk_end(cls);
}

void dp_cls_each_related(struct dp_cls *cls, const struct dp_key *key, const struct dp_key *mask,
			 enum dp_cls_relation relation, dp_cls_each_fn fn, void *arg)
{
	struct related q = {.key = key, .fn = fn, .arg = arg};

	walk_begin(cls);
	for (struct dp_cls_tuple *t = cls->tuples; t != NULL; t = t->next) {
		if (t->n_rules == 0 || (relation == DP_CLS_WITHIN && !covers(t, mask)))
			continue;
		q.tuple = t;
		for (unsigned i = 0; i < t->n_words; i++)
			q.common[i] = t->mask[i] & mask->w[t->words[i]];
		if (!each_of_tuple(t, related_one, &q))
			break;
	}
	walk_end(cls);
}

unsigned dp_cls_n_rules(const struct dp_cls *cls)
{
	return cls->n_rules;
}

unsigned dp_cls_n_tuples(const struct dp_cls *cls)
{
	return cls->n_tuples;
}

size_t dp_cls_size(const struct dp_cls *cls)
{
	return cls->size;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The classifier: of all rules that match a key, the one of highest priority.  Tuple space search:
 * rules with the same mask form a tuple, a hash table of their masked keys; tuples are searched
 * from the highest priority on, until none can hold a better rule.  A search also says which bits
 * of the key it has looked at, so that its answer can be kept for every key that agrees in them
 * (mf.h).
 *
 * Versions: a rule is seen by searches for version v with from <= v < to.  A change of any number
 * of rules is made under the next version, which nobody asks for yet, and is there all at once when
 * that is published.
 *
 * Threads: one writer (control thread); readers search without a lock while the writer works, and
 * hold what they found until they are next quiescent.  What the writer takes out it hands to
 * 'defer'.
 *
 * Cost: a search probes each tuple that may still hold a better rule, a cache line or two in each.
 */
#ifndef DATAPLANE_CLS_H
#define DATAPLANE_CLS_H

#include "dataplane/key.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DP_CLS_FOREVER UINT64_MAX

struct dp_cls;
struct dp_cls_tuple;

/* Part of whatever a rule is.  The writer's, but for what is marked. */
struct dp_cls_rule {
	_Atomic(struct dp_cls_rule *) next; /* same tuple, same key, lower or equal priority */
	_Atomic uint64_t from, to;	    /* versions that see it; readers look */
	struct dp_cls_tuple *tuple;	    /* NULL: in no classifier */
	uint64_t *key;			    /* masked, the tuple's words only; owned */
	uint32_t hash;
	int32_t priority;
};

/* Calls 'fn(arg)' when no reader can hold 'arg' any more. */
typedef void (*dp_cls_defer_fn)(void *ctx, void (*fn)(void *arg), void *arg);

/* 0 or -ENOMEM. */
int dp_cls_create(dp_cls_defer_fn defer, void *ctx, struct dp_cls **ret_cls);
/* Rules are the caller's and must be out.  Takes NULL. */
void dp_cls_destroy(struct dp_cls *cls);

/* Puts 'rule' in, to be seen from version 'from' on.  Several rules may be equal in match and
 * priority when no version sees two of them.  'rule' is the caller's and stays where it is until
 * removed. 0, or -ENOMEM and nothing is changed. */
int dp_cls_insert(struct dp_cls *cls, struct dp_cls_rule *rule, const struct dp_key *key,
		  const struct dp_key *mask, int32_t priority, uint64_t from);
/* Searches for 'to' and later do not see it any more. */
void dp_cls_retire(struct dp_cls_rule *rule, uint64_t to);
/* Takes it out.  The caller frees it when no reader can hold it, and dp_cls_rule_fini() before. */
void dp_cls_remove(struct dp_cls *cls, struct dp_cls_rule *rule);
void dp_cls_rule_fini(struct dp_cls_rule *rule);

/* The match of a rule that is in. */
void dp_cls_rule_match(const struct dp_cls_rule *rule, struct dp_key *ret_key,
		       struct dp_key *ret_mask);

/* Every key that it matches is one that 'key' matches in the bits of 'mask'.  It is in. */
bool dp_cls_rule_within(const struct dp_cls_rule *rule, const struct dp_key *key,
			const struct dp_key *mask);

/* The best rule for 'key' in 'version', or NULL.  Bits looked at are added to 'wc' (may be NULL).
 * Any thread between two quiescent points. */
struct dp_cls_rule *dp_cls_find(const struct dp_cls *cls, const struct dp_key *key,
				uint64_t version, struct dp_key *wc);

/* The rule with exactly this match and priority that 'version' sees, or NULL.  Writer. */
struct dp_cls_rule *dp_cls_exact(const struct dp_cls *cls, const struct dp_key *key,
				 const struct dp_key *mask, int32_t priority, uint64_t version);

/* Every rule of the writer's, in no order; 'fn' may remove the one it is given.  False from 'fn'
 * ends it.  Writer. */
typedef bool (*dp_cls_each_fn)(struct dp_cls_rule *rule, void *arg);
void dp_cls_each(struct dp_cls *cls, dp_cls_each_fn fn, void *arg);

/* Those that can match where 'key' and 'mask' do: a rule whose match is the same in all bits that
 * both look at ('overlap'), or more special ('within').  Writer. */
enum dp_cls_relation { DP_CLS_OVERLAP, DP_CLS_WITHIN };
void dp_cls_each_related(struct dp_cls *cls, const struct dp_key *key, const struct dp_key *mask,
			 enum dp_cls_relation relation, dp_cls_each_fn fn, void *arg);

unsigned dp_cls_n_rules(const struct dp_cls *cls);
unsigned dp_cls_n_tuples(const struct dp_cls *cls);
/* Bytes held for tuples and keys; rules themselves are the caller's. */
size_t dp_cls_size(const struct dp_cls *cls);

#endif

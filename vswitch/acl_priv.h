/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists as the packet path asks them.  A list is compiled once, however many ports it is
 * attached to, into an index that answers "the first entry that matches" with a few look-ups:
 *
 * 	each entry stands in one place, the one that tells it best from the others: its source or
 * 	destination address, port or MAC, or, where it names none of these, a short list that is
 * 	looked through.  A place is a segment tree over the intervals that its entries' ranges
 * 	make: a packet's value lies in one interval, and the entries whose range has it stand on
 * 	the way from there to the root.  What stands there is compared as a whole.
 *
 * So the cost is that of the entries that are alike in their best part, not of all; ranges of ports
 * cost two boundaries, and a set of addresses one binary search for a packet and side, whoever
 * names it.
 *
 * What was looked at is said in bits of the key (docs/flow-engine.md, "a mask is a promise"): of a
 * place the bits that keep a value inside its interval, of an entry that does not match the first
 * thing that differs.
 *
 * 	acl_build.c  lists, sets, counters: made, compared, shared	acl_walk.c  asked
 * 	acls.c       which ports have which, life		xlate_acl.c their part of a program
 *
 * Compiled lists and sets are immutable, and counted references: of those that are configured, and
 * of ports of views.
 */
#ifndef VSWITCH_ACL_PRIV_H
#define VSWITCH_ACL_PRIV_H

#include "dataplane/acl.h"
#include "vswitch/acl.h"

typedef unsigned __int128 vs_wide; /* values stand at its upper end, whatever their width */

enum vs_acl_dim {
	VS_ACL_SRC4,
	VS_ACL_DST4,
	VS_ACL_SRC6,
	VS_ACL_DST6,
	VS_ACL_SPORT,
	VS_ACL_DPORT,
	VS_ACL_SMAC,
	VS_ACL_DMAC,
	VS_ACL_N_DIMS,
};

/* One place.  Interval i goes from at[i] to at[i + 1], is leaf n_leaves + i of the tree, and the
 * parent of node k is k / 2. */
struct vs_acl_tree {
	uint32_t n, n_leaves; /* 0: nothing stands here */
	vs_wide *at;
	uint32_t *first; /* [node]: its entries are items[first[k]] to items[first[k + 1]] */
	uint32_t *up;	 /* [node]: the next above it that has entries; 0: none */
	uint32_t *items; /* ascending in each node */
};

struct vs_acl_counter {
	unsigned refs;
	uint32_t number;
};

struct vs_acl_ranges { /* of one family */
	uint32_t n;
	vs_wide *from, *to; /* both in it */
};

struct vs_acl_made_set {
	unsigned refs;
	struct vs_acl_set set; /* a copy */
	struct vs_acl_ranges v4, v6;
};

struct vs_acl_item {
	struct dp_acl_rule rule;
	struct vs_acl_entry e; /* a copy, without a note; its sets are 'set' of vs_acl_made_set */
	struct vs_acl_counter *counter;
};

struct vs_acl_list {
	unsigned refs;
	char *name;
	uint64_t number; /* never of another; the upper half of a notice's id */
	enum vs_acl_action other;
	uint32_t n;
	struct vs_acl_item *items;
	bool is_stateful, asks_flags;
	uint64_t gone[2][2]; /* packets, bytes of entries that it had, by enum vs_acl_action */
	struct vs_acl_tree trees[VS_ACL_N_DIMS];
	uint32_t n_rest;
	uint32_t *rest; /* ascending: entries that stand in no tree */
};

/* The lists of a port in a direction. */
struct vs_acl_port {
	struct dp_acl dp; /* first */
	unsigned refs;
	struct dp *owner;
	struct dp_acl_rule last; /* when no entry matches */
	struct vs_acl_counter *counter;
	unsigned n;
	struct vs_acl_list *lists[VS_MAX_PORT_ACLS];
};

/* acl_build.c.  Control thread; NULL: no memory. */
struct vs_acl_made_set *vs_acl_set_make(const struct vs_acl_set *set);
struct vs_acl_made_set *vs_acl_set_ref(struct vs_acl_made_set *set);
void vs_acl_set_unref(struct vs_acl_made_set *set);
bool vs_acl_set_same(const struct vs_acl_set *a, const struct vs_acl_set *b);

/* 'before' (or NULL): the list that it takes the place of, whose entries that are the same keep
 * their counters.  'set_of' finds the compiled set of a configured one. */
typedef struct vs_acl_made_set *(*vs_acl_set_fn)(void *arg, const struct vs_acl_set *set);
struct vs_acl_list *vs_acl_list_make(struct dp *dp, const struct vs_acl *acl, uint64_t number,
				     const struct vs_acl_list *before, vs_acl_set_fn set_of,
				     void *arg);
struct vs_acl_list *vs_acl_list_ref(struct vs_acl_list *list);
void vs_acl_list_unref(struct dp *dp, struct vs_acl_list *list);
/* Would it be the same? */
bool vs_acl_list_same(const struct vs_acl_list *list, const struct vs_acl *acl);
bool vs_acl_entry_same(const struct vs_acl_entry *a, const struct vs_acl_entry *b);
/* The entry of this order, or NULL. */
const struct vs_acl_item *vs_acl_list_item(const struct vs_acl_list *list, uint32_t order);

struct vs_acl_counter *vs_acl_counter_make(struct dp *dp);
struct vs_acl_counter *vs_acl_counter_ref(struct vs_acl_counter *counter);
void vs_acl_counter_unref(struct dp *dp, struct vs_acl_counter *counter); /* takes NULL */

/* A value in its place. */
static inline vs_wide vs_acl_wide_ip(const struct dp_ip *ip)
{
	vs_wide v = 0;

	for (unsigned i = 0; i < 16; i++)
		v = v << 8 | ip->b[i];
	return v;
}
/* The lowest bits, below the first 'n'. */
static inline vs_wide vs_acl_below(unsigned n)
{
	return n == 0 ? ~(vs_wide)0 : n >= 128 ? 0 : ((vs_wide)1 << (128 - n)) - 1;
}

/* acl_walk.c.  Any thread that may hold the list.  The first entry that matches, or NULL; bits
 * looked at are added to 'wc' (may be NULL). */
const struct vs_acl_item *vs_acl_list_find(const struct vs_acl_list *list, const struct dp_key *key,
					   struct dp_key *wc);
/* struct dp_acl's, of a struct vs_acl_port. */
const struct dp_acl_rule *vs_acl_port_find(const struct dp_acl *acl, const struct dp_key *key,
					   struct dp_key *wc);

#endif

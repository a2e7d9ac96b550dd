/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow cache of one worker: from a key to the program that was composed for it.  An entry says
 * which bits of a key were looked at when the program was made (its mask) and what they were, so it
 * answers for every packet that agrees in them.  Entries of one mask form a group; all live in one
 * hash table.  No two entries of different programs answer for one packet, so the first hit is
 * right and groups are searched in the order of their hits.
 *
 * When more groups must be searched than pays (DP_MF_DEEP of them, or fewer where each packet has
 * an entry of its own in any case: DP_MF_FINE), a packet's whole short key is entered as well, with
 * the same program: the exact group, searched first.  That, too, is an entry like others.
 *
 * 	burst of keys ─► exact group ─► group 1 ─► group 2 ... ─► miss
 *
 * Memory accesses of a burst overlap: in each group first all hashes and bucket prefetches, then
 * all tags and entry prefetches, then all comparisons.
 *
 * Change: rules that came or went are told to dp_mf_changed(), which takes out what they touch and
 * nothing else where it can say so at once, and else marks a group 'stale': its entries are asked
 * for again, one by one, when packets come to them.
 *
 * Threads: the worker's alone, but for dp_mf_create(), _destroy() and dp_mf_tick(), the control
 * thread's: it maps memory ahead of need, for a worker does not wait for the kernel.
 */
#ifndef DATAPLANE_MF_H
#define DATAPLANE_MF_H

#include "dataplane/key.h"
#include "dataplane/port.h"
#include "dataplane/program.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DP_MF_MAX_SWITCHES 512 /* those of resumed frames in the upper half (resume.h) */
#define DP_MF_MAX_CONTEXTS 16384
#define DP_MF_MAX_GROUPS   1024 /* of a worker */
#define DP_MF_MAX_OWNERS   8192
#define DP_MF_DEEP	   4
#define DP_MF_FINE	   16
#define DP_MF_SLOTS	   10

/* A cache line.  A slot whose tag is 0 is empty. */
struct dp_mf_bucket {
	uint16_t tag[DP_MF_SLOTS];
	uint32_t entry[DP_MF_SLOTS];
	uint32_t spilled; /* how many entries, whose first bucket this is, live in their second */
} __attribute__((aligned(64)));
static_assert(sizeof(struct dp_mf_bucket) == 64, "a bucket is a cache line");

/* A cache line.  Groups whose mask goes beyond the short key keep those words in 'dp_mf.beyond'. */
struct dp_mf_entry {
	uint64_t key[DP_KEY_SHORT];
	struct dp_program *program; /* NULL: free */
	uint16_t group;
	uint16_t context; /* what was known beside the key (resume.h); 0: nothing */
	uint32_t epoch;	  /* of the group, when it was made or confirmed */
	uint32_t used;	  /* tick of the last packet */
	uint32_t hash;
	uint32_t next, prev; /* in its group, or among the free ones */
} __attribute__((aligned(64)));
static_assert(sizeof(struct dp_mf_entry) == 64, "an entry is a cache line");

/* All entries of one mask on one switch. */
struct dp_mf_group {
	uint64_t mask[DP_KEY_SHORT];
	uint64_t secret[DP_KEY_SHORT];
	uint8_t n_beyond;	      /* words after the short key */
	uint8_t beyond[DP_KEY_WORDS]; /* which */
	uint64_t beyond_mask[DP_KEY_WORDS - DP_KEY_SHORT];
	uint64_t beyond_secret[DP_KEY_WORDS - DP_KEY_SHORT];
	uint16_t sw;
	bool exact;
	bool beyond_ct; /* those words are about the connection only: make_ct() does */
	uint32_t index, epoch;
	uint32_t n_entries, first;
	uint64_t hits; /* since the order was last looked at */
	/* Union over its entries: OpenFlow tables passed, and fields that rules had changed before
	 * one of them was searched (rules then looked at something else than the key). */
	uint64_t tables[4];
	struct dp_key changed;
};

/* Which values a group's entries have in some bits (mf_sieve.c). */
#define DP_MF_SIEVES 32
struct dp_mf_sieve {
	struct dp_key bits;
	uint32_t group; /* 0: free */
	uint32_t n;	/* entries put in */
	uint64_t asked; /* when it was last asked, by a count of questions */
};

/* Groups that many packets found something in lately come first: a packet that none of these
 * 'n_usual' knows is of an unusual flow.  New ones are of them until they are ordered. */
struct dp_mf_switch {
	uint16_t n, n_usual;
	struct dp_mf_group *groups[DP_MF_MAX_GROUPS];
};

/* Bucket arrays come from the control thread. */
struct dp_mf_buckets {
	uint32_t mask; /* buckets - 1 */
	size_t size;
	struct dp_mf_bucket b[];
};

struct dp_mf {
	struct dp_mf_buckets *cur, *old; /* 'old': being moved into 'cur', NULL mostly */
	uint32_t move_at;
	struct dp_mf_entry *entries;
	uint64_t *beyond;			 /* [entry][DP_KEY_WORDS - DP_KEY_SHORT] */
	uint32_t n_entries, first_free, n_fresh; /* in use; freed ones; never used from here on */
	uint32_t limit;
	uint32_t sweep_at;
	void (*unref)(void *arg, struct dp_program *program); /* an entry that led there is gone */
	void *unref_arg;
	struct dp_mf_group *pool;			/* [DP_MF_MAX_GROUPS] */
	struct dp_mf_group *group_of[DP_MF_MAX_GROUPS]; /* NULL: free */
	uint32_t now;					/* tick */
	uint32_t context_entries[DP_MF_MAX_CONTEXTS];
	uint16_t *owners;				  /* of entries */
	_Atomic uint32_t owner_entries[DP_MF_MAX_OWNERS]; /* others read */
	struct dp_mf_sieve sieves[DP_MF_SIEVES];
	uint8_t *sieve_bits;
	uint64_t sieves_asked;
	uint32_t sieves_at, sieves_left; /* tick; entries that may still be looked through in it */
	_Atomic bool sieves_ready;	 /* control thread: their memory is there */

	/* Between worker and control thread. */
	_Atomic uint32_t n_ready;		    /* entries whose memory is there */
	_Atomic(struct dp_mf_buckets *) next, done; /* larger array, given; old array, given back */
	_Atomic uint32_t n_shown, n_buckets_shown;
	_Atomic uint64_t hits, misses, probes, inserts, refused, expired, invalidated;

	struct dp_mf_switch switches[DP_MF_MAX_SWITCHES];
};

/* A burst to look up. */
struct dp_mf_burst {
	uint64_t key[DP_BURST][DP_KEY_SHORT] __attribute__((aligned(64)));
	struct rte_mbuf *pkts[DP_BURST];
	struct dp_mf_entry *hit[DP_BURST]; /* NULL: nothing known */
	uint32_t has_long;		   /* bit i: long_key[i] is filled */
	uint32_t has_ct;		   /* bit i: what it says of the connection is */
	uint32_t plain;			   /* bit i: a plain frame (key.h) */
	uint16_t n, in_port;
	bool resumed_tunnel; /* the same of frames that are looked up again */
	bool tunnel;	  /* they came by a tunnel port: tunnel.h knows what the key says of that */
	uint32_t deep;	  /* bit i: the exact group would have found it sooner */
	uint32_t refused; /* bit i: nothing known, and it is not to be looked up (police.h) */
	/* NULL, or the packets' contexts: entries of others do not answer for them. */
	const uint16_t *context;
	void *owner;
	struct dp_key
		*long_key; /* [DP_BURST], made when a group asks for more than the short key */
	void (*make_long)(struct dp_mf_burst *b, unsigned i);
	/* Fills in connection's zone, state, mark and label only; NULL: make_long() for these. */
	void (*make_ct)(struct dp_mf_burst *b, unsigned i);
};

/* 'limit': entries at most; 'unref' hears of each entry that goes.  0 or -ENOMEM. */
int dp_mf_create(uint32_t limit, void (*unref)(void *arg, struct dp_program *program), void *arg,
		 struct dp_mf **ret_mf);
/* No worker inside.  Takes NULL. */
void dp_mf_destroy(struct dp_mf *mf);
/* Control thread, ten times a second or when a worker asked: memory ahead of need. */
void dp_mf_tick(struct dp_mf *mf);

/* The entry that answers for 'key', or NULL, and how many groups are searched until then; changes
 * nothing, and counts nothing.  While the worker stands still (dp_pause()). */
const struct dp_mf_entry *dp_mf_peek(const struct dp_mf *mf, uint16_t sw, const struct dp_key *key,
				     unsigned *ret_groups);

/* Fills b->hit. */
void dp_mf_lookup(struct dp_mf *mf, uint16_t sw, struct dp_mf_burst *b);
/* The same in two parts: the usual groups, returning those that they do not know (bit i), and the
 * others, for those of 'left' that are not refused. */
uint32_t dp_mf_lookup_usual(struct dp_mf *mf, uint16_t sw, struct dp_mf_burst *b);
void dp_mf_lookup_rest(struct dp_mf *mf, uint16_t sw, struct dp_mf_burst *b, uint32_t left);

/* Whose an entry is that is made, and how many its owner may have at once.  Kept beside the
 * entries, so that a hit does not pay. */
struct dp_mf_share {
	uint16_t owner; /* below DP_MF_MAX_OWNERS; 0: nobody's */
	uint32_t limit; /* 0: none */
};

/* Enters 'program' for keys equal to 'key' in 'mask'; takes the caller's reference to it.  An entry
 * for the same keys is replaced.  Returns it, or NULL when there is no room, of its owner's or at
 * all (the reference stays).  'tables', 'changed': see struct dp_mf_group; 'context': for packets
 * of this one only. */
struct dp_mf_entry *dp_mf_insert(struct dp_mf *mf, uint16_t sw, const struct dp_key *key,
				 const struct dp_key *mask, struct dp_program *program,
				 const uint64_t tables[4], const struct dp_key *changed,
				 uint16_t context, struct dp_mf_share share);
/* How many entries are the owner's.  Any thread. */
static inline uint32_t dp_mf_owned(const struct dp_mf *mf, uint16_t owner)
{
	return atomic_load_explicit(&mf->owner_entries[owner], memory_order_relaxed);
}

/* A rule of 'table' with this match came or went. */
void dp_mf_changed(struct dp_mf *mf, uint16_t sw, uint8_t table, const struct dp_key *key,
		   const struct dp_key *mask);
/* Anything may be different on this switch. */
void dp_mf_all_stale(struct dp_mf *mf, uint16_t sw);
/* Nothing of this switch is left. */
void dp_mf_flush(struct dp_mf *mf, uint16_t sw);

/* A little upkeep: moves buckets, takes out entries unused for 'age' ticks, orders groups.  Called
 * once in some bursts.  'now' is the tick. */
void dp_mf_upkeep(struct dp_mf *mf, uint32_t now, uint32_t age);

#endif

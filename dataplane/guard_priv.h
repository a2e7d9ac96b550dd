/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guard's insides, shared by guard*.c.
 */
#ifndef DATAPLANE_GUARD_PRIV_H
#define DATAPLANE_GUARD_PRIV_H

#include "dataplane/guard.h"
#include "dataplane/guard_book.h"
#include "dataplane/parse.h"
#include "dataplane/view.h"

#include <stdatomic.h>

#define DP_GUARD_MAC_MASK UINT64_C(0xffffffffffff)

enum dp_guard_bucket {
	DP_GUARD_BUCKET_ARP,
	DP_GUARD_BUCKET_BROADCAST,
	DP_GUARD_BUCKET_MULTICAST,
	DP_GUARD_BUCKET_UNKNOWN,
	DP_GUARD_BUCKET_ANSWER,
	DP_N_GUARD_BUCKETS,
};

/* What lives on when a port gets another guard. */
struct dp_guard_state {
	uint32_t refs; /* control thread's */
	_Atomic uint64_t violations[DP_N_GUARD_RULES];
	_Atomic uint64_t answered, learned, not_learned;
	/* When each bucket is full again, in sixteenths of cycles. */
	_Atomic uint64_t rest_at[DP_N_GUARD_BUCKETS];
};

struct dp_guard_bucket_rate {
	uint64_t interval, burst; /* sixteenths of cycles; interval 0: no limit */
};

/* What frames of the source that was checked last look like: four words from their start, and a
 * fifth: of IPv6 that at 30, of IPv4 behind a tag, which the four leave out, the tag.  Masks are
 * made with the guard. */
#define DP_GUARD_USUAL_WORDS 5u
struct dp_guard_usual {
	/* Two registers of the machine. */
	uint64_t mask[DP_GUARD_USUAL_WORDS - 1];
	_Atomic uint64_t want[DP_GUARD_USUAL_WORDS - 1];
	_Atomic uint32_t seq;	/* odd: being written */
	_Atomic uint64_t until; /* cycles; 0: nobody yet */
	uint64_t tail_mask;
	_Atomic uint64_t tail_want;
} __attribute__((aligned(64)));

/* An address of the spec; a slot without one has prefix 0 and 'used' false. */
struct dp_guard_fixed {
	struct dp_guard_address a;
	bool used;
};

/* A port of a view on which it hangs, and where in the book that has the fixed addresses. */
struct dp_guard_place {
	struct dp_guard_place *next;
	const struct dp_vport *vp;
	uint32_t where;
};

struct dp_guard {
	uint32_t on;
	uint32_t watch; /* bits of rules */
	uint16_t port, max_learned;
	uint32_t n_macs;
	uint32_t fixed_mask; /* of 'fixed', which is a hash of single addresses */
	uint32_t n_prefixes;
	uint64_t *macs; /* low 48 bits, as in the frame */
	struct dp_guard_fixed *fixed;
	struct dp_guard_address *prefixes;
	struct dp_guard_state *state;
	struct dp_guard_book *book;
	struct dp_guard_bucket_rate rates[DP_N_GUARD_BUCKETS];
	/* Control thread's. */
	uint32_t refs;
	struct dp_guard_place *places;
	/* Workers write it. */
	struct dp_guard_usual usual4, usual6, usual_tagged;
};

/* Where addresses of a domain's VLAN are learned; 'domain' may be NULL. */
static inline uint32_t dp_guard_where_of(const struct dp_domain *domain, uint16_t id, uint16_t vlan)
{
	if (domain != NULL && domain->fdb_vlan != NULL)
		vlan = domain->fdb_vlan[vlan];
	return dp_guard_where(id, vlan);
}

static inline uint64_t dp_guard_mac_word(const uint8_t mac[6])
{
	uint64_t word = 0;

	__builtin_memcpy(&word, mac, 6);
	return word;
}

/* The next frame of each source is checked.  Any thread. */
static inline void dp_guard_forget_usual(struct dp_guard *g)
{
	atomic_store(&g->usual4.until, 0);
	atomic_store(&g->usual6.until, 0);
	atomic_store(&g->usual_tagged.until, 0);
}

/* Is it one of the fixed addresses, or in a prefix; of this MAC? */
bool dp_guard_gives(const struct dp_guard *g, const struct dp_ip *ip, uint64_t mac);

#endif

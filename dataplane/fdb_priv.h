/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The forwarding database as workers read it: see fdb.h for the idea, fdb.c for who writes.
 */
#ifndef DATAPLANE_FDB_PRIV_H
#define DATAPLANE_FDB_PRIV_H

#include "dataplane/fdb.h"
#include "dataplane/view.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define DP_FDB_SLOTS 5

/* Bits of dp_fdb_bucket.bits: slot i used since the last sweep, slot i static, and one for the
 * bucket. */
#define DP_FDB_USED(i)	 (1u << (i))
#define DP_FDB_STATIC(i) (1u << (8 + (i)))
#define DP_FDB_SPILLED	 (1u << 31) /* an address whose first bucket this is lives in its second */

/* One cache line.  An empty slot has mac_port 0.  A writer empties mac_port before it changes
 * 'where', and fills it last. */
struct dp_fdb_bucket {
	_Atomic uint64_t
		mac_port[DP_FDB_SLOTS];	      /* MAC in the upper 48 bits, port in the lower 16 */
	_Atomic uint32_t where[DP_FDB_SLOTS]; /* domain in the upper 16 bits, VLAN in the lower */
	_Atomic uint32_t bits;
} __attribute__((aligned(64)));

static_assert(sizeof(struct dp_fdb_bucket) == 64, "a bucket is a cache line");

struct dp_fdb_table {
	struct dp_fdb_bucket *buckets;
	uint32_t mask;	  /* number of buckets - 1 */
	uint32_t *seen_s; /* [slot]: control thread's clock when last seen in use */
	size_t size;	  /* bytes mapped */
};

struct dp_fdb_event {
	uint64_t mac;
	uint16_t domain, vlan, from, to;
	bool limit; /* refused for a limit; else moved */
};

#define DP_FDB_EVENTS 64

struct dp_fdb {
	_Atomic(struct dp_fdb_table *) table;
	uint64_t seed[2]; /* secret: nobody outside can choose addresses that collide */
	atomic_flag writing;
	_Atomic bool want_grow;
	/* Written by who holds 'writing'. */
	uint32_t limit, n_entries, n_static;
	uint32_t age_s;
	uint32_t shortest_age_s;
	uint32_t domain_age_s[DP_MAX_DOMAINS]; /* 0: age_s */
	uint32_t now_s;
	_Atomic uint32_t port_entries[DP_MAX_PORTS];
	_Atomic uint32_t domain_entries[DP_MAX_DOMAINS];
	_Atomic uint32_t port_gained[DP_MAX_PORTS],
		port_lost[DP_MAX_PORTS]; /* moves, for the loop guard */
	_Atomic uint64_t learned, moved, aged, refused_port, refused_domain, refused_full,
		contended;
	struct dp_fdb_event events[DP_FDB_EVENTS];
	_Atomic uint32_t events_head, events_tail;
	uint32_t sweep_at; /* next bucket */
	uint64_t last_sweep_ns;
};

/* Keyed and non-linear (multiply and fold), so that a guest who knows the code still cannot aim at
 * a bucket.  Twice, because one multiplication leaves runs of consecutive addresses a lattice, and
 * under some seeds that lattice falls on few buckets. */
static inline uint64_t dp_fdb_hash(const struct dp_fdb *fdb, uint64_t mac, uint32_t where)
{
	__uint128_t p = (__uint128_t)(mac ^ fdb->seed[0]) * ((uint64_t)where ^ fdb->seed[1]);

	p = (__uint128_t)((uint64_t)p ^ fdb->seed[1]) * ((uint64_t)(p >> 64) ^ fdb->seed[0]);
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline struct dp_fdb_bucket *dp_fdb_first(const struct dp_fdb_table *t, uint64_t hash)
{
	return &t->buckets[(uint32_t)hash & t->mask];
}

static inline struct dp_fdb_bucket *dp_fdb_second(const struct dp_fdb_table *t, uint64_t hash)
{
	return &t->buckets[(uint32_t)(hash >> 32) & t->mask];
}

#if defined(__AVX512F__) && defined(__AVX512BW__)

/* One load of the line answers for all slots.  'mac_port' is compared after a shift by 'shift': 16
 * for any port. */
static inline uint32_t dp_fdb_hits(const struct dp_fdb_bucket *b, uint64_t mac_port, unsigned shift,
				   uint32_t where)
{
	__m512i line = _mm512_load_si512(b);
	uint32_t macs =
		_mm512_cmpeq_epi64_mask(_mm512_srl_epi64(line, _mm_cvtsi32_si128((int)shift)),
					_mm512_set1_epi64((int64_t)mac_port));
	uint32_t wheres = _mm512_cmpeq_epi32_mask(line, _mm512_set1_epi32((int)where));

	return macs & (wheres >> (2 * DP_FDB_SLOTS)) & ((1u << DP_FDB_SLOTS) - 1);
}

#else

static inline uint32_t dp_fdb_hits(const struct dp_fdb_bucket *b, uint64_t mac_port, unsigned shift,
				   uint32_t where)
{
	uint32_t hits = 0;

	/* Without branches on data: which slot it is, is luck to the predictor. */
#pragma GCC unroll 5
	for (unsigned i = 0; i < DP_FDB_SLOTS; i++) {
		uint64_t mp = atomic_load_explicit(&b->mac_port[i], memory_order_acquire);
		uint32_t wh = atomic_load_explicit(&b->where[i], memory_order_relaxed);

		hits |= (uint32_t)((mp >> shift == mac_port) & (wh == where)) << i;
	}
	return hits;
}

#endif

/* The slot of (mac, where) in a bucket, or -1. */
static inline int dp_fdb_slot(const struct dp_fdb_bucket *b, uint64_t mac, uint32_t where)
{
	uint32_t hits = dp_fdb_hits(b, mac, 16, where);

	return hits == 0 ? -1 : __builtin_ctz(hits);
}

/* Finds (mac, where) given its first bucket: its port, and where it is; DP_NO_PORT when unknown. */
static inline uint16_t dp_fdb_find(const struct dp_fdb *fdb, const struct dp_fdb_table *t,
				   struct dp_fdb_bucket *first, uint64_t mac, uint32_t where,
				   struct dp_fdb_bucket **ret_bucket, int *ret_slot)
{
	struct dp_fdb_bucket *b = first;
	int slot = dp_fdb_slot(b, mac, where);

	if (slot < 0 &&
	    (atomic_load_explicit(&b->bits, memory_order_relaxed) & DP_FDB_SPILLED) != 0) {
		b = dp_fdb_second(t, dp_fdb_hash(fdb, mac, where));
		slot = dp_fdb_slot(b, mac, where);
	}
	*ret_bucket = b;
	*ret_slot = slot;
	if (slot < 0)
		return DP_NO_PORT;
	return (uint16_t)atomic_load_explicit(&b->mac_port[slot], memory_order_relaxed);
}

/* Is (mac, where) known to live behind 'port'?  Marks it as in use: a shared write only when it was
 * not marked since the last sweep.  False sends the caller to dp_fdb_learn(), which looks again
 * with care. */
static inline bool dp_fdb_confirm(const struct dp_fdb *fdb, const struct dp_fdb_table *t,
				  struct dp_fdb_bucket *first, uint64_t mac, uint32_t where,
				  uint16_t port)
{
	struct dp_fdb_bucket *b = first;
	uint64_t want = mac << 16 | port;
	uint32_t hits = dp_fdb_hits(b, want, 0, where);
	uint32_t bits = atomic_load_explicit(&b->bits, memory_order_relaxed);

	if (hits == 0 && (bits & DP_FDB_SPILLED) != 0) {
		b = dp_fdb_second(t, dp_fdb_hash(fdb, mac, where));
		hits = dp_fdb_hits(b, want, 0, where);
		bits = atomic_load_explicit(&b->bits, memory_order_relaxed);
	}
	if ((bits & hits) == 0 && hits != 0)
		atomic_fetch_or_explicit(&b->bits, hits, memory_order_relaxed);
	return hits != 0;
}

/* A worker's request to learn; limits 0: none.  Does nothing when another writes.  'mac' as in the
 * table: the six bytes as the low 48 bits of a little-endian word. */
void dp_fdb_learn(struct dp_fdb *fdb, uint64_t mac, uint16_t domain, uint16_t vlan, uint16_t port,
		  uint32_t port_limit, uint32_t domain_limit);
bool dp_fdb_writer_try(struct dp_fdb *fdb);
void dp_fdb_writer_end(struct dp_fdb *fdb);

#endif

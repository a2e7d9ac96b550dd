/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside flow records: the tables of an exporter, shared by the files flowrec*.c.
 *
 * A table is an array of buckets of eight tags, and an entry for each tag.  An entry may be in two
 * buckets, that of its hash's low bits and another, which is looked at when the first has it not.
 * The hash leaves out the ingress port and DSCP, so that whoever has the one direction of a
 * conversation finds the other.
 */
#ifndef DATAPLANE_FLOWREC_PRIV_H
#define DATAPLANE_FLOWREC_PRIV_H

#include "dataplane/dp_priv.h"
#include "dataplane/flowrec.h"
#include "dataplane/hash.h"
#include "dataplane/key.h"
#include "dataplane/worker.h"

#include <assert.h>
#include <stdatomic.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#define FLOWREC_SLOTS	  8u
#define FLOWREC_BURIALS	  2048u /* entries that end at once: what a collector's socket may hold */
#define FLOWREC_KEY_WORDS 6u
#define FLOWREC_V4_WORDS  3u /* of them, of IPv4: the rest is zero */

/* 0: port 2, protocol 1, DSCP 1, ports 4 (as the flow key has them);  1: domain 2, VLAN 2,
 * EtherType 2, family 1, 0;  2..5: addresses: IPv4 both in 2; IPv6 two each; MACs in 2 and 4. */
struct flowrec_key {
	uint64_t w[FLOWREC_KEY_WORDS];
};
#define FLOWREC_NOT_HASHED UINT64_C(0x00000000ff00ffff) /* of word 0 */

enum flowrec_state { FLOWREC_FREE, FLOWREC_LIVE, FLOWREC_DYING };

/* One direction of a flow.  An IPv4 flow that is known touches the first line only. */
struct flowrec_entry {
	uint64_t key[FLOWREC_V4_WORDS];
	_Atomic uint64_t packets, bytes;
	_Atomic uint64_t last_tsc;
	uint64_t first_tsc;
	_Atomic uint16_t tcp_flags;
	_Atomic uint8_t state; /* LIVE: worker; DYING, FREE: control thread */
	uint8_t unused[5];
	/* ---- */
	uint64_t key_rest[FLOWREC_KEY_WORDS - FLOWREC_V4_WORDS];
	_Atomic uint64_t dropped_packets, dropped_bytes;
	_Atomic uint16_t drop;
	uint8_t src_mac[6], dst_mac[6];
	uint8_t unused2[10];
} __attribute__((aligned(64)));
static_assert(sizeof(struct flowrec_entry) == 128, "two lines");

/* What of an entry was reported; the control thread's. */
struct flowrec_told {
	uint64_t packets, bytes, dropped_packets, dropped_bytes;
	uint64_t tsc; /* when; 0: never */
};

struct flowrec_bucket {
	union {
		_Atomic uint16_t tags[FLOWREC_SLOTS]; /* 0: free */
		_Atomic uint64_t words[FLOWREC_SLOTS / 4];
	};
} __attribute__((aligned(16)));
static_assert(sizeof(struct flowrec_bucket) == 16, "no padding");

/* Which frames are taken: of each 'rate' that follow each other exactly one. */
struct flowrec_chooser {
	uint64_t random;
	uint32_t rate;	/* of the window that runs; 0: none does */
	uint32_t left;	/* frames until the one that is taken */
	uint32_t after; /* that are of its window behind it */
};

/* One worker's. */
struct flowrec_table {
	uint32_t mask; /* buckets - 1 */
	struct flowrec_bucket *buckets;
	struct flowrec_entry *entries; /* FLOWREC_SLOTS of each bucket */
	/* Worker's. */
	_Atomic uint64_t made, packets, missed_packets, missed_bytes, unknown_drops;
	struct flowrec_chooser chooser;
	/* Control thread's. */
	struct flowrec_told *told;
	uint64_t freed;
} __attribute__((aligned(64)));

struct flowrec_dying {
	uint32_t slot;
	uint8_t worker;
	uint8_t end; /* enum dp_flowrec_end */
};

struct dp_flowrec_set {
	struct flowrec_table *_Atomic tables[DP_MAX_WORKERS];
	_Atomic uint32_t sample;
	/* Control thread's. */
	struct dp *dp;
	struct dp_flowrec_set *next;
	struct dp_flowrec_opts opts;
	uint32_t n_buckets;
	unsigned at_worker; /* where the next look begins */
	uint32_t at_slot;
	uint64_t token; /* of the grace period for which the dying wait */
	unsigned n_dying;
	struct flowrec_dying *dying;
};

/* flowrec_key.c: keys of frames; workers. */
struct flowrec_frame {
	struct flowrec_key key;
	uint64_t hash;
	uint32_t bytes;
	uint16_t tcp_flags;
	uint16_t domain;
};
void flowrec_frame_read(const struct dp_worker *w, const struct dp_vport *in,
			const struct rte_mbuf *m, struct flowrec_frame *ret);
/* That of answers.  False: there can be none. */
bool flowrec_key_back(const struct flowrec_key *key, struct flowrec_key *ret_back);

static inline unsigned flowrec_family(const uint64_t *w)
{
	return (unsigned)(w[1] >> 48) & 0xff;
}

static inline uint64_t flowrec_word1(uint16_t domain, uint16_t vlan, uint16_t eth_type,
				     unsigned family)
{
	return domain | (uint64_t)vlan << 16 | (uint64_t)eth_type << 32 | (uint64_t)family << 48;
}

static inline uint64_t flowrec_hash(const uint64_t *secret, const struct flowrec_key *key)
{
	uint64_t sum = dp_nh_word(key->w[0] & ~FLOWREC_NOT_HASHED, secret[0]);

	sum += dp_nh(key->w + 1, FLOWREC_V4_WORDS - 1, secret + 1);
	if (flowrec_family(key->w) != 4)
		sum += dp_nh(key->w + FLOWREC_V4_WORDS, FLOWREC_KEY_WORDS - FLOWREC_V4_WORDS,
			     secret + FLOWREC_V4_WORDS);
	return dp_nh_finish(sum);
}

/* The same as flowrec_frame_read() for what most frames are (key_plain.h), by a port of one tenant;
 * false: it is another. */
static inline bool flowrec_frame_plain(const struct dp_worker *w, const struct dp_vport *in,
				       const struct rte_mbuf *m, struct flowrec_frame *ret)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *), *ip = d + 14;
	uint32_t size = m->nb_segs == 1 || m->data_len >= DP_KEY_PLAIN_HEAD ? m->pkt_len : 0;
	uint16_t vlan = in->pvid, tci;
	uint64_t plain[DP_KEY_SHORT];

	if (unlikely(in->wire != NULL || size == 0 || !dp_key_plain(d, size, in->id, plain)))
		return false;
	tci = (uint16_t)(plain[1] >> 48);
	if (tci != 0) {
		uint16_t vid = rte_be_to_cpu_16(tci) & 0xfff;

		ip += 4;
		if (vid != 0 && (in->flags & DP_VP_TUNNEL) == 0)
			vlan = vid;
	}
	ret->key.w[0] = plain[2] & ~(UINT64_C(3) << 24); /* not ECN */
	ret->key.w[1] = flowrec_word1(in->domain, vlan, 0x0800, 4);
	ret->key.w[2] = plain[3];
	ret->bytes = DP_KEY_BE16(dp_key_load16(ip + 2));
	ret->tcp_flags = ip[9] == 6 ? ip[33] : 0;
	ret->domain = in->domain;
	ret->hash = flowrec_hash(w->dp->flowrec_secret, &ret->key);
	return true;
}

static inline uint16_t flowrec_tag(uint64_t hash)
{
	return (uint16_t)((hash >> 48) | 1);
}

/* The buckets of a hash: the first, the second. */
static inline uint32_t flowrec_bucket_of(const struct flowrec_table *t, uint64_t hash, unsigned i)
{
	return (uint32_t)(hash >> (i * 22)) & t->mask;
}

/* Bit k: tag k of the bucket is 'tag'.  All eight at once where the machine can. */
static inline unsigned flowrec_tags(const struct flowrec_bucket *b, uint16_t tag)
{
#ifdef __SSE2__
	__m128i low = _mm_cvtsi64_si128(
		(int64_t)atomic_load_explicit(&b->words[0], memory_order_acquire));
	__m128i high = _mm_cvtsi64_si128(
		(int64_t)atomic_load_explicit(&b->words[1], memory_order_acquire));
	__m128i same = _mm_cmpeq_epi16(_mm_unpacklo_epi64(low, high), _mm_set1_epi16((int16_t)tag));

	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(same, _mm_setzero_si128()));
#else
	unsigned bits = 0;

	for (unsigned k = 0; k < FLOWREC_SLOTS; k++)
		bits |= (unsigned)(atomic_load_explicit(&b->tags[k], memory_order_acquire) == tag)
			<< k;
	return bits;
#endif
}

static inline bool flowrec_same(const struct flowrec_entry *e, const struct flowrec_key *key)
{
	uint64_t diff = (e->key[0] ^ key->w[0]) | (e->key[1] ^ key->w[1]) | (e->key[2] ^ key->w[2]);

	if (diff != 0)
		return false;
	if (flowrec_family(key->w) == 4)
		return true;
	return ((e->key_rest[0] ^ key->w[3]) | (e->key_rest[1] ^ key->w[4]) |
		(e->key_rest[2] ^ key->w[5])) == 0;
}

/* flowrec_table.c: a worker begins, with 'index'.  0 or -ENOMEM. */
int dp_flowrec_worker_comes(struct dp *dp, unsigned index);
int dp_samplers_worker_comes(struct dp *dp, unsigned index);
uint64_t flowrec_random_seed(void);

/* Numbers for choosing frames (xorshift64*). */
static inline uint64_t flowrec_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* One of 'n', each as likely. */
static inline uint32_t flowrec_random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(((flowrec_random(state) >> 32) * n) >> 32);
}

/* Bit i: frame i of a burst is taken. */
static inline uint32_t flowrec_choose(struct flowrec_chooser *c, uint32_t rate, uint16_t n)
{
	uint32_t bits = 0, at = 0;

	if (unlikely(c->rate != rate)) {
		c->rate = rate;
		c->left = flowrec_random_below(&c->random, rate);
		c->after = rate - 1 - c->left;
	}
	while (unlikely(n - at > c->left)) {
		uint32_t next = flowrec_random_below(&c->random, rate);

		at += c->left;
		bits |= 1u << at++;
		c->left = c->after + next;
		c->after = rate - 1 - next;
	}
	c->left -= n - at;
	return bits;
}

/* flowrec_sample.c */
void flowrec_samples(struct dp_worker *w, const struct dp_vport *in, struct dp_sampler *sampler,
		     uint16_t domain, struct rte_mbuf **pkts, uint16_t n);

#endif

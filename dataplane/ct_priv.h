/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The connection table's insides; see ct.h for how threads share it.
 *
 * 	ct.c        memory, threads' shares, sweep, what people ask
 * 	ct_index.c  find, insert, kill
 * 	ct_evict.c  limits, and who gives way
 * 	ct_help.c   connections that others announce
 * 	ct_nat.c    addresses translated
 * 	ct_packet.c from a frame to a key
 * 	ct_text.c   what a translation changes in the bytes of a stream
 * 	ct_track.c  what a packet is and does to its connection
 * 	ct_lane.c   the same for many packets that do little to theirs
 * 	ct_tcp.c    TCP's part of that
 */
#ifndef DATAPLANE_CT_PRIV_H
#define DATAPLANE_CT_PRIV_H

#include "dataplane/ct.h"
#include "dataplane/hash.h"
#include "dataplane/view.h"

#include <assert.h>
#include <stdatomic.h>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#define DP_CT_SLOTS	 7
#define DP_CT_CHUNK	 64u	/* entries that go between threads at once */
#define DP_CT_ZONES	 16384u /* places for (tenant, zone) */
#define DP_CT_NO_ZONE	 UINT32_MAX
#define DP_CT_MAX_LOCALS 65u
#define DP_CT_KEY_V6	 (UINT64_C(1) << 56)
#define DP_CT_KEY_EXPECT (UINT64_C(1) << 57) /* from any port */
#define DP_CT_PROTO(k)	 ((uint8_t)((k)[0] >> 48))

/* Life of an entry: the low bits of 'state'.  FREE ─► TENTATIVE ─► LIVE ─► DEAD ─► FREE; a
 * tentative one that gives way to its twin is DEAD too. */
#define DP_CT_LIFE	0x3u
#define DP_CT_FREE	0x0u
#define DP_CT_TENTATIVE 0x1u
#define DP_CT_LIVE	0x2u
#define DP_CT_DEAD	0x3u
#define DP_CT_F_SWAPPED 0x04u /* the first packet's sender is the second end of the key */
#define DP_CT_F_REPLIED 0x08u
#define DP_CT_F_ASSURED 0x10u
#define DP_CT_F_ALIAS	0x20u /* the other side of a translated connection, which is 'other' */
#define DP_CT_F_SRC_NAT 0x40u
#define DP_CT_F_DST_NAT 0x80u
#define DP_CT_F_LABEL	0x100u /* has a label, which is on the second line */
#define DP_CT_F_RELATED 0x200u /* was expected */
#define DP_CT_F_EXPECT	0x400u /* no connection, but what 'other' announced (ct_help.c) */
#define DP_CT_F_BACK	0x800u /* of these: it will come against the direction of 'other' */
#define DP_CT_F_FTP	0x1000u
#define DP_CT_F_TFTP	0x2000u
#define DP_CT_F_IDLE	0x4000u /* has a time of its own, in place of a label */
#define DP_CT_F_MOVED	0x8000u /* its stream is longer or shorter on the other side (ct_text.c) */
#define DP_CT_F_ALG	(DP_CT_F_FTP | DP_CT_F_TFTP)

/* Bits of dp_ct_dir.ctl: what one direction has sent. */
#define DP_CT_D_SEEN   0x01u
#define DP_CT_D_SYN    0x02u
#define DP_CT_D_ACKED  0x04u /* something of the other direction */
#define DP_CT_D_FIN    0x08u
#define DP_CT_D_FINACK 0x10u /* acknowledged the other's FIN */
#define DP_CT_D_RST    0x20u
#define DP_CT_D_LOOSE  0x40u /* first seen in its middle: its window's scale is not known */
#define DP_CT_D_FLAGS  0xffu

/* One direction of a TCP connection, written by its own packets. */
struct dp_ct_dir {
	_Atomic uint64_t seq; /* upper half: end of what it sent; lower: what it lets the other send
				 up to */
	_Atomic uint64_t ctl; /* upper half: largest window it offered; then scale + 1, flags */
};

struct dp_ct_conn {
	/* What every packet reads. */
	uint64_t key[DP_CT_KEY_WORDS];
	_Atomic uint32_t expires; /* tick */
	_Atomic uint32_t state;	  /* DP_CT_LIFE, DP_CT_F_* */
	_Atomic uint32_t mark;
	_Atomic uint32_t other; /* translated: the other entry; free: the next chunk */
	/* TCP, and what is rarely there.  [0]: the first packet's; of an alias: how far each stream
	 * has moved (ct_text.c); of what is expected [0].seq is the port that it goes to. */
	struct dp_ct_dir dir[2];
	_Atomic uint64_t label[2];
	uint32_t zone; /* place in 'zones', DP_CT_NO_ZONE */
	uint32_t next; /* free or dead: the next */
	/* DP_CT_F_ALG: the entry that stands for what it announced last, or 0; and where the next
	 * line of each direction begins, in the low half of its sequence number. */
	_Atomic uint32_t expects;
	_Atomic uint16_t line[2];
} __attribute__((aligned(64)));
static_assert(sizeof(struct dp_ct_conn) == 128, "two cache lines");

struct dp_ct_bucket {
	_Atomic uint64_t slot[DP_CT_SLOTS]; /* tag << 32 | entry; 0: empty */
	_Atomic uint32_t spilled;	    /* entries of this first bucket in their second */
	uint32_t unused;
} __attribute__((aligned(64)));
static_assert(sizeof(struct dp_ct_bucket) == 64, "one cache line");

struct dp_ct_zone {
	_Atomic uint32_t key; /* domain << 16 | zone, plus one; 0: free */
	_Atomic uint32_t n, limit;
};

struct dp_ct {
	struct dp_ct_bucket *buckets;
	struct dp_ct_conn *conns;
	_Atomic uint32_t *due; /* [entry]: tick before which it is not over; 0: free */
	uint32_t mask, limit;
	uint64_t secret[DP_CT_KEY_WORDS];
	struct rte_rcu_qsbr *rcu;
	_Atomic bool strict;			    /* not loose */
	_Atomic bool listens;			    /* something may be expected */
	_Atomic uint32_t timeout[DP_CT_N_TIMEOUTS]; /* ticks */
	struct dp_ct_zone *zones;
	_Atomic uint32_t domain_n[DP_MAX_DOMAINS], domain_limit[DP_MAX_DOMAINS];

	_Atomic uint64_t free_chunks __attribute__((aligned(64))); /* turn << 32 | first entry */
	_Atomic uint32_t n_fresh __attribute__((aligned(64)));	   /* never used from here on */
	_Atomic uint32_t n_ready;				   /* whose memory is there */

	/* The control thread's. */
	struct dp_ct_local own;
	struct dp_ct_local *locals[DP_CT_MAX_LOCALS];
	uint64_t gone[DP_CT_N_COUNTERS]; /* of locals that ended */
	uint32_t sweep_at;
};

#define DP_CT_COUNT(local, what)                                                                   \
	atomic_store_explicit(&(local)->counters[DP_CT_C_##what],                                  \
			      atomic_load_explicit(&(local)->counters[DP_CT_C_##what],             \
						   memory_order_relaxed) +                         \
				      1,                                                           \
			      memory_order_relaxed)

static inline uint64_t dp_ct_hash(const struct dp_ct *ct, const uint64_t *key)
{
	uint64_t sum = dp_nh_word(key[0], ct->secret[0]) + dp_nh_word(key[1], ct->secret[1]) +
		       dp_nh_word(key[2], ct->secret[2]);

	if ((key[0] & DP_CT_KEY_V6) != 0)
		sum += dp_nh(key + 3, 3, ct->secret + 3);
	return dp_nh_finish(sum);
}

static inline uint32_t dp_ct_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

static inline struct dp_ct_bucket *dp_ct_first(const struct dp_ct *ct, uint64_t hash)
{
	return &ct->buckets[(uint32_t)hash & ct->mask];
}

static inline struct dp_ct_bucket *dp_ct_second(const struct dp_ct *ct, uint64_t hash)
{
	return &ct->buckets[((uint32_t)hash ^ (dp_ct_tag(hash) * 0x9e3779b1u >> 7)) & ct->mask];
}

static inline bool dp_ct_key_equal(const uint64_t *a, const uint64_t *b)
{
	uint64_t diff = 0;

	for (unsigned i = 0; i < DP_CT_KEY_WORDS; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

static inline uint32_t dp_ct_life(const struct dp_ct_conn *c)
{
	return atomic_load_explicit(&c->state, memory_order_acquire) & DP_CT_LIFE;
}

/* Bit i: slot i had this tag.  It may have changed hands since. */
static inline uint32_t dp_ct_tags(const struct dp_ct_bucket *b, uint32_t tag)
{
#if defined(__AVX512F__) && defined(__BMI2__)
	/* Every slot is loaded whole, for it is aligned. */
	__m512i line = _mm512_load_si512(b);
	uint32_t odd = _mm512_mask_cmpeq_epi32_mask(0x2aaa, line, _mm512_set1_epi32((int)tag));

	atomic_thread_fence(memory_order_acquire);
	return _pext_u32(odd, 0x2aaa);
#else
	uint32_t hits = 0;

#pragma GCC unroll 7
	for (unsigned i = 0; i < DP_CT_SLOTS; i++) {
		uint64_t slot = atomic_load_explicit(&b->slot[i], memory_order_acquire);

		hits |= (uint32_t)((uint32_t)(slot >> 32) == tag) << i;
	}
	return hits;
#endif
}

/* Where zone and tenant stand in a key. */
static inline void dp_ct_key_place(uint64_t *key, uint16_t domain, uint16_t zone)
{
	if ((key[0] & DP_CT_KEY_V6) != 0) {
		key[0] = (key[0] & ~(UINT64_C(0xffff) << 32)) | (uint64_t)domain << 32;
		key[1] = (uint64_t)zone << 48;
	} else {
		key[1] = (key[1] & UINT64_C(0xffffffffffff)) | (uint64_t)zone << 48;
		key[2] = domain;
	}
}

static inline uint16_t dp_ct_key_domain(const uint64_t *key)
{
	return (uint16_t)((key[0] & DP_CT_KEY_V6) != 0 ? key[0] >> 32 : key[2]);
}

/* Whose limits count. */
static inline uint16_t dp_ct_key_tenant(const uint64_t *key)
{
	return (uint16_t)(dp_ct_key_domain(key) & ~DP_CT_POLICY);
}

static inline uint16_t dp_ct_key_zone(const uint64_t *key)
{
	return (uint16_t)(key[1] >> 48);
}

/* ct_packet.c: the packet that an error quotes; offsets from its IP header. */
struct dp_ct_quote {
	uint16_t src, dst, l4;
	uint16_t sport, dport; /* as in memory; an ICMP query's as ct_packet.c makes them */
	uint8_t proto;
};
bool dp_ct_quoted(const uint8_t *ip, uint32_t size, bool v6, struct dp_ct_quote *ret);

/* Both ends of an entry's packets, or of a packet, sender first; ports as in memory. */
struct dp_ct_tuple {
	uint8_t ip[2][16];
	uint16_t port[2];
	uint8_t proto;
	bool v6;
};
/* ct_nat.c: those of a key, whose sender is the second end if 'swapped'. */
void dp_ct_tuple_of(const uint64_t *key, bool swapped, struct dp_ct_tuple *ret);
/* What the first packet of main entry 'i' looked like as it came, and answers do as they come. */
void dp_ct_sides(const struct dp_ct *ct, uint32_t i, struct dp_ct_tuple *ret_main,
		 struct dp_ct_tuple *ret_answer);

/* The key of a packet between these ends; fills in p->swapped, p->v6. */
void dp_ct_key_of(const uint8_t *src, const uint8_t *dst, uint16_t sport, uint16_t dport,
		  uint8_t proto, bool v6, struct dp_ct_packet *p);

/* ct_nat.c: gives main entry 'main', of which nobody knows yet, its other side.  0, -EINVAL or
 * -ENOSPC. */
int dp_ct_nat_bind(struct dp_ct *ct, struct dp_ct_local *local, uint32_t main,
		   const struct dp_ct_packet *p, const struct dp_ct_nat *nat);
/* ct_track.c */
void dp_ct_fill_alias(struct dp_ct *ct, uint32_t i, const struct dp_ct_packet *p, uint32_t main);

/* ct_help.c: who expects this first packet, whose key has its place; 0: nobody. */
uint32_t dp_ct_expected(const struct dp_ct *ct, const struct dp_ct_packet *p);
static inline bool dp_ct_expects(const struct dp_ct *ct, uint32_t i)
{
	return (atomic_load_explicit(&ct->conns[i].state, memory_order_relaxed) & DP_CT_F_EXPECT) !=
	       0;
}
/* How its packets are translated, as those of who announced it; false: not at all. */
bool dp_ct_follow(const struct dp_ct *ct, uint32_t i, struct dp_ct_nat *ret);
/* A connection that is over expects nothing. */
void dp_ct_unexpect(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i);

/* ct_text.c: did this segment, sent in direction 'reply', say something else to the other side? */
bool dp_ct_was_retold(const struct dp_ct *ct, uint32_t i, bool reply, uint32_t seq);
/* The acknowledgement of a packet in direction 'reply', which comes in numbers that its sender
 * knows, in those of who is acknowledged. */
uint32_t dp_ct_moved_ack(const struct dp_ct *ct, uint32_t i, bool reply, uint32_t ack);

/* ct_index.c */
/* The live entry of a key, or 0. */
uint32_t dp_ct_find(const struct dp_ct *ct, const uint64_t *key, uint64_t hash);
/* Puts a filled entry in, TENTATIVE until it is known to be alone.  False when a twin stays or
 * there is no slot; the entry is the caller's again then. */
bool dp_ct_insert(struct dp_ct *ct, uint32_t i, uint64_t hash, uint32_t *ret_twin);
/* Takes out a live entry that only the caller knows of. */
void dp_ct_withdraw(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i);
/* Takes a live entry, and its other side, out.  False when somebody else did. */
bool dp_ct_kill(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i, enum dp_ct_counter why);

/* ct.c: entries of this thread's.  0: none. */
uint32_t dp_ct_entry_get(struct dp_ct *ct, struct dp_ct_local *local);
/* Never shown to anyone. */
void dp_ct_entry_put(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i);
/* Readers may hold it. */
void dp_ct_entry_retire(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i);
void dp_ct_retime(struct dp_ct *ct, uint32_t i, uint32_t expires);

/* ct_evict.c */
/* Counts a connection in; false, counted, when a limit forbids it. */
bool dp_ct_admit(struct dp_ct *ct, struct dp_ct_local *local, const uint64_t *key,
		 uint32_t *ret_zone);
void dp_ct_discharge(struct dp_ct *ct, const struct dp_ct_conn *c);
/* Ends one unanswered connection; 'zone', 'domain': of these only, unless DP_CT_NO_ZONE,
 * DP_NO_DOMAIN.  False when it saw none. */
bool dp_ct_evict(struct dp_ct *ct, struct dp_ct_local *local, uint32_t zone, uint16_t domain);
struct dp_ct_zone *dp_ct_zone_get(struct dp_ct *ct, uint16_t domain, uint16_t zone, bool make);

/* ct_tcp.c */
/* May this packet open a connection? */
bool dp_ct_tcp_opens(const struct dp_ct *ct, const struct dp_ct_packet *p);
void dp_ct_tcp_begin(struct dp_ct_conn *c, const struct dp_ct_packet *p);
enum dp_ct_verdict { DP_CT_V_OK, DP_CT_V_WINDOW, DP_CT_V_BAD, DP_CT_V_REOPEN };
enum dp_ct_verdict dp_ct_tcp_move(struct dp_ct_conn *c, const struct dp_ct_packet *p, bool reply);
/* What most packets are, of a connection on which both sides agreed: data or an acknowledgement.
 * Moves it on; false, and nothing was changed, when there is more to be said about the packet.
 * 'size': its TCP header and payload. */
bool dp_ct_tcp_goes_on(struct dp_ct_conn *c, const uint8_t *tcp, uint32_t size, bool reply);
enum dp_ct_timeout dp_ct_tcp_timeout(const struct dp_ct_conn *c, bool *ret_agreed);
const char *dp_ct_tcp_state(const struct dp_ct_conn *c);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connection tracking: which packets belong to one connection, how far it has come, and what is
 * noted on it (mark, label).  Knows nothing of OpenFlow: exec_ct.c calls it for ct(), whoever wants
 * stateful filters calls it as well.
 *
 * One table for all workers, because the two directions of a connection come in by two ports, and
 * ports' queues belong to different workers.  Nobody locks:
 *
 * - Index: buckets of one cache line, seven slots of (tag, connection) each, two candidate buckets
 *   a key.  A search is loads.  A slot is claimed by compare-exchange with an empty one and given
 *   up by a store.
 * - Two workers that see the first packets of one connection at once both insert; each then looks
 *   for a twin.  An entry is TENTATIVE until that was done; of two tentative ones the lower number
 *   stays, one that is LIVE always stays (ct_index.c).
 * - What packets change is kept per direction (struct dp_ct_dir), so a word has one writer unless a
 *   sender spreads one direction over several workers; then the last one wins, and what is lost is
 *   an advance of the window that the next packet makes good.  What both write are bits that are
 *   only ever added.  State is not stored: it follows from both directions' bits.
 * - An entry that goes becomes DEAD by compare-exchange: one wins, takes it out of the index and
 *   frees it after a grace period, so what a worker has found stays what it was until its burst is
 *   over.
 *
 * Each connection has a key in which the two ends are ordered, so both directions find it with one
 * look.  A connection whose addresses are translated has a second entry for the other side.
 *
 * Time is in ticks of DP_CT_TICK_MS, given by the caller.  A connection carries the tick at which
 * it ends; the control thread sweeps a dense array of "not before" ticks, and looks at the
 * connections of those that have passed only.
 *
 * Full: a new connection takes the place of one that was never answered, from the tenant that holds
 * most among those it looked at (ct_evict.c).  One that both sides agreed on is never evicted, so a
 * flood of first packets takes nothing but other first packets.
 *
 * Sources: RFC 9293 3.3 (TCP state), 5961 (blind resets), 7857 and 4787 (what translators do); Open
 * vSwitch's ovs-fields(7) and ovs-actions(7) for the meaning of states.
 */
#ifndef DATAPLANE_CT_H
#define DATAPLANE_CT_H

#include "dataplane/parse.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_CT_TICK_MS	  100u
#define DP_CT_MAX_ENTRIES 1048576u
#define DP_CT_KEY_WORDS	  6

/* Beside the tenant ('domain') in a connection's place: it is a session of a port's access lists
 * (acl.h), and the zone is the port.  So no zone of rules can meet it. */
#define DP_CT_POLICY 0x8000u

struct dp_ct;
struct rte_rcu_qsbr;

/* ct_state, as in the key and in OpenFlow. */
#define DP_CT_NEW     0x01u /* no answer yet */
#define DP_CT_EST     0x02u /* both sides have sent */
#define DP_CT_REL     0x04u /* an error about a connection, or one that another announced (alg) */
#define DP_CT_REPLY   0x08u /* against the first packet's direction */
#define DP_CT_INV     0x10u
#define DP_CT_TRACKED 0x20u
#define DP_CT_SNAT    0x40u
#define DP_CT_DNAT    0x80u

/* X(name, text, default in seconds) */
/* clang-format off */
#define DP_CT_TIMEOUTS(X)                     \
	X(TCP_OPENING, "tcp-opening", 30)     \
	X(TCP_EST, "tcp-established", 86400)  \
	X(TCP_CLOSING, "tcp-closing", 900)    \
	X(TCP_FIN_WAIT, "tcp-fin-wait", 45)   \
	X(TCP_CLOSED, "tcp-closed", 30)       \
	X(UDP_FIRST, "udp-first", 60)         \
	X(UDP_BOTH, "udp-established", 120)   \
	X(ICMP_FIRST, "icmp-first", 60)       \
	X(ICMP_BOTH, "icmp-established", 30)  \
	X(OTHER_FIRST, "other-first", 60)     \
	X(OTHER_BOTH, "other-established", 300) \
	X(EXPECTED, "expected", 60)
enum dp_ct_timeout {
#define X(name, text, seconds) DP_CT_T_##name,
	DP_CT_TIMEOUTS(X)
#undef X
	DP_CT_N_TIMEOUTS,
};
#define DP_CT_COUNTERS(X)                                                           \
	X(CREATED, "created", "connections committed")                              \
	X(ENDED, "ended", "taken out: over, evicted or flushed")                    \
	X(EXPIRED, "expired", "of these: no packet for too long, or closed")        \
	X(EVICTED, "evicted", "of these: unanswered, gave way to another")          \
	X(REUSED, "reused", "of these: closed, and its addresses opened again")     \
	X(FLUSHED, "flushed", "of these: by command")                               \
	X(REFUSED_FULL, "refused-full", "not committed: no entry left")             \
	X(REFUSED_ZONE, "refused-zone", "not committed: the zone's limit")          \
	X(REFUSED_TENANT, "refused-tenant", "not committed: the tenant's limit")    \
	X(REFUSED_NAT, "refused-nat", "not committed: no address or port left")     \
	X(INVALID, "invalid", "packets that belong to no connection and open none") \
	X(WINDOW, "window", "of these: outside of the TCP window")                  \
	X(RELATED, "related", "errors about connections")                           \
	X(EXPECTED, "expected", "connections that others announced")                \
	X(CAME, "expected-came", "of these: opened")                                \
	X(NOT_EXPECTED, "expected-refused", "announcements not followed")
enum dp_ct_counter {
#define X(name, slug, text) DP_CT_C_##name,
	DP_CT_COUNTERS(X)
#undef X
	DP_CT_N_COUNTERS,
};
/* clang-format on */

/* What one thread holds for itself: free entries, entries that wait for their grace period, its
 * share of the counters.  A worker has one, the control thread has one. */
struct dp_ct_local {
	uint32_t free_first, n_free;
	uint32_t limbo_first, n_limbo;	   /* dead since the last token */
	uint32_t waiting_first, n_waiting; /* dead before it */
	uint64_t token;
	uint64_t random;
	_Atomic uint64_t counters[DP_CT_N_COUNTERS]; /* written by the owner */
};

/* What the tracker wants to know of a packet. */
enum dp_ct_kind {
	DP_CT_K_INVALID, /* nothing that can be tracked, or malformed */
	DP_CT_K_TCP,
	DP_CT_K_UDP,
	DP_CT_K_ICMP_QUERY,
	DP_CT_K_ICMP_REPLY, /* opens nothing */
	DP_CT_K_OTHER,
	DP_CT_K_ERROR, /* the key is that of the packet inside, as that was sent */
};
struct dp_ct_packet {
	/* Both ends in order, protocol; zone and tenant are added when it is looked up. */
	uint64_t key[DP_CT_KEY_WORDS];
	uint8_t kind;
	bool swapped; /* the sender is the second end of the key */
	bool v6;
	uint8_t tcp_flags;
	uint8_t tcp_scale; /* window scale option plus one; 0: none */
	uint16_t tcp_window;
	uint32_t tcp_seq, tcp_ack;
	uint32_t tcp_size; /* payload bytes, SYN and FIN counted */
};

/* What a packet knows of its connection after dp_ct_track(). */
struct dp_ct_mark {
	/* 0: none; of NEW and REL packets who expects them.  Good until the worker's next quiescent
	 * point. */
	uint32_t conn;
	uint16_t zone;
	uint8_t state; /* DP_CT_* */
	bool unread;   /* mark and label are not filled in: dp_ct_read() */
	uint32_t mark;
	uint16_t path;	   /* of a fragment: what was done to its packet before (flow.h) */
	uint64_t label[2]; /* bytes as in the key */
};

/* Plain frames of one tenant that are tracked together. */
#define DP_CT_LANE 32u
struct rte_mbuf;
struct dp_ct_lane {
	uint16_t domain, zone;
	uint32_t now;
	uint32_t which; /* bit i: packet i is one of them */
	/* Only those of connections that are not translated and on which both sides agreed; others,
	 * and what comes behind them on their connections, are taken out of 'which', and nothing
	 * was done to them. */
	bool settled;
	const uint64_t (*key)[4];
	struct rte_mbuf *const *pkts;
	/* What dp_ct_track() would say of each. */
	uint32_t conn[DP_CT_LANE];
	uint8_t state[DP_CT_LANE];
};

/* What a new connection's addresses become. */
#define DP_CT_NAT_SRC	     1u /* its sender; else whom it is for */
#define DP_CT_NAT_ADDRESS    2u /* the range of addresses counts */
#define DP_CT_NAT_PORTS	     4u /* the range of ports does */
#define DP_CT_NAT_RANDOM     8u
#define DP_CT_NAT_HASH	     16u
#define DP_CT_NAT_PERSISTENT 32u
struct dp_ct_nat {
	uint8_t flags;
	bool v6;
	uint16_t port_min, port_max;	/* host order */
	uint8_t ip_min[16], ip_max[16]; /* IPv4 has the first four bytes */
};

/* Protocols that announce connections to come (alg.h). */
#define DP_CT_ALG_FTP  1u
#define DP_CT_ALG_TFTP 2u

struct dp_ct_commit {
	bool force;		     /* in the other direction if need be */
	bool follow;		     /* what was expected: is translated as who announced it */
	const struct dp_ct_nat *nat; /* for a new one; NULL: none */
	uint32_t mark, mark_mask;
	uint64_t label[2], label_mask[2];
	uint32_t idle_s; /* of a new one without a label; 0: as its protocol says */
};

/* Control thread.  'limit': connections at most; 'rcu': where workers report quiescence, NULL when
 * one thread does everything.  0 or -ENOMEM. */
int dp_ct_create(uint32_t limit, struct rte_rcu_qsbr *rcu, struct dp_ct **ret_ct);
/* No worker uses it any more.  Takes NULL. */
void dp_ct_destroy(struct dp_ct *ct);
/* Control thread, ten times a second: memory ahead of need; ends what is over. */
void dp_ct_tick(struct dp_ct *ct, uint32_t now);

/* Fills in 'ret'; the frame's first 'size' bytes lie at 'frame', 'h' is what dp_parse() says. */
void dp_ct_packet(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		  struct dp_ct_packet *ret);
/* The same for the first fragment of a packet that is whole, whose transport header and payload
 * have 'l4_size' bytes. */
void dp_ct_packet_first(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
			uint32_t l4_size, struct dp_ct_packet *ret);
/* The same for another of it, which has addresses only. */
void dp_ct_packet_later(const uint8_t *frame, const struct dp_headers *h,
			const struct dp_ct_packet *whole, const uint16_t ports[2],
			struct dp_ct_packet *ret);
/* Its ports as in memory, the sender's first; of ICMP queries as the key has them. */
void dp_ct_packet_ports(const struct dp_ct_packet *packet, uint16_t ret_ports[2]);
/* The same for a frame that has a short key (key.h). */
void dp_ct_packet_plain(const uint64_t key[4], const uint8_t *frame, struct dp_ct_packet *ret);

/* Looks a packet up in a zone of a tenant on a switch ('domain'), moves its connection on, and says
 * what it is.  A packet that was looked up in this zone before keeps its answer. */
void dp_ct_track(struct dp_ct *ct, struct dp_ct_local *local, uint16_t domain, uint16_t zone,
		 struct dp_ct_packet *packet, uint32_t now, struct dp_ct_mark *mark);
/* The same for a number of frames, whose accesses to memory overlap; none was looked up in this
 * zone before. */
void dp_ct_track_lane(struct dp_ct *ct, struct dp_ct_local *local, struct dp_ct_lane *lane);
/* Fills in what is 'unread'. */
void dp_ct_read(const struct dp_ct *ct, struct dp_ct_mark *mark);
/* The same, and nothing is changed by it: for who asks what would be. */
void dp_ct_peek(const struct dp_ct *ct, uint16_t domain, uint16_t zone, struct dp_ct_packet *packet,
		struct dp_ct_mark *mark);
/* After dp_ct_track(): keeps a new connection, and sets mark and label.  0, also when a limit
 * forbids it; -ENOSPC, -EINVAL when there is no address for it, so that it must not go on. */
int dp_ct_commit(struct dp_ct *ct, struct dp_ct_local *local, uint16_t domain,
		 struct dp_ct_packet *packet, const struct dp_ct_commit *commit, uint32_t now,
		 struct dp_ct_mark *mark);

/* Is the frame an error about a connection?  (Not: of one that was expected.) */
static inline bool dp_ct_is_error(const struct dp_ct_mark *mark)
{
	return (mark->state & (DP_CT_REL | DP_CT_NEW | DP_CT_EST)) == DP_CT_REL;
}

/* ct_help.c.  The connection of 'mark', if it is one of that protocol, is listened to from now on:
 * DP_CT_ALG_*. */
void dp_ct_set_alg(struct dp_ct *ct, const struct dp_ct_mark *mark, unsigned alg);
/* Is it? */
bool dp_ct_has_alg(const struct dp_ct *ct, const struct dp_ct_mark *mark);
/* Bytes of a packet's payload that say other ones when it goes on. */
#define DP_CT_TEXT 64
struct dp_ct_text {
	bool there;
	uint16_t at, size; /* these of the payload */
	uint16_t n;	   /* are these then */
	char bytes[DP_CT_TEXT];
};
/* What a tracked packet of such a connection, 'm' as it came, announces is expected: one connection
 * at a time, in the same zone.  'text' (->there false): the packet is about to be translated, and
 * what has to change in it for that is put there; NULL: it goes on as it is. */
void dp_ct_listen(struct dp_ct *ct, struct dp_ct_local *local, const struct rte_mbuf *m,
		  const struct dp_ct_packet *packet, const struct dp_ct_mark *mark, uint32_t now,
		  struct dp_ct_text *text);
/* ct_text.c, behind dp_ct_translate(): the packet says 'text' (->there false: what it said), and
 * its sequence numbers are those that the other side knows.  0, -ENOMEM, or -EBADMSG: it must not
 * go on. */
int dp_ct_retell(struct dp_ct *ct, struct rte_mbuf *m, struct dp_headers *h,
		 const struct dp_ct_mark *mark, const struct dp_ct_text *text);
/* Have sequence numbers of its connection moved? */
bool dp_ct_is_moved(const struct dp_ct *ct, const struct dp_ct_mark *mark);

/* A packet of a translated connection, which must be writable, gets the addresses that the other
 * side knows.  0 or a negative errno as dp_rw_set_field(). */
int dp_ct_translate(const struct dp_ct *ct, struct rte_mbuf *m, struct dp_headers *h,
		    struct dp_ct_mark *mark);
/* The ports that it gives such a packet. */
void dp_ct_translated_ports(const struct dp_ct *ct, const struct dp_ct_mark *mark,
			    uint16_t ret_ports[2]);
bool dp_ct_is_translated(const struct dp_ct *ct, const struct dp_ct_mark *mark);

/* A thread begins and ends to use 'local', which is the caller's memory.  Control thread; the owner
 * is not running. */
void dp_ct_local_init(struct dp_ct *ct, struct dp_ct_local *local);
void dp_ct_local_fini(struct dp_ct *ct, struct dp_ct_local *local);

/* Control thread: limits.  0: none. */
void dp_ct_set_timeout(struct dp_ct *ct, enum dp_ct_timeout which, uint32_t seconds);
uint32_t dp_ct_timeout(const struct dp_ct *ct, enum dp_ct_timeout which);
void dp_ct_set_domain_limit(struct dp_ct *ct, uint16_t domain, uint32_t limit);
/* -ENOSPC when too many zones have connections or limits. */
int dp_ct_set_zone_limit(struct dp_ct *ct, uint16_t domain, uint16_t zone, uint32_t limit);
/* New TCP connections from their middle; on unless switched off. */
void dp_ct_set_loose(struct dp_ct *ct, bool loose);

/* One connection, for people. */
struct dp_ct_info {
	uint16_t domain, zone;
	bool policy; /* a session of access lists: the zone is a port's id (DP_CT_POLICY) */
	uint8_t proto;
	bool v6, replied, assured;
	uint8_t src[16], dst[16];	      /* of the first packet; IPv4 in the first four */
	uint16_t sport, dport;		      /* ICMP: identifier in both */
	uint8_t reply_src[16], reply_dst[16]; /* what answers look like */
	uint16_t reply_sport, reply_dport;
	uint32_t mark;
	uint64_t label[2];
	uint32_t expires_s;
	const char *tcp_state; /* "ESTABLISHED"; NULL: not TCP */
};
/* Calls 'fn' for each until it returns false.  Not a snapshot.  Control thread. */
void dp_ct_each(struct dp_ct *ct, uint32_t now,
		bool (*fn)(void *arg, const struct dp_ct_info *info), void *arg);
/* Ends those that 'fn' says true to; returns how many.  Control thread. */
uint32_t dp_ct_flush(struct dp_ct *ct, uint32_t now,
		     bool (*fn)(void *arg, const struct dp_ct_info *info), void *arg);

struct dp_ct_stats {
	uint32_t limit, n_entries, n_zones;
	uint64_t memory; /* bytes there */
	uint64_t counters[DP_CT_N_COUNTERS];
};
/* Locals that ended are counted. */
void dp_ct_stats(struct dp_ct *ct, struct dp_ct_stats *ret_stats);
/* Calls 'fn' for each zone of rules that has connections or a limit (0: none).  Control thread. */
void dp_ct_each_zone(const struct dp_ct *ct,
		     void (*fn)(void *arg, uint16_t domain, uint16_t zone, uint32_t n,
				uint32_t limit),
		     void *arg);
uint32_t dp_ct_domain_count(const struct dp_ct *ct, uint16_t domain);

const char *dp_ct_timeout_text(enum dp_ct_timeout which);
/* Seconds, unless somebody says otherwise. */
uint32_t dp_ct_timeout_usual(enum dp_ct_timeout which);
const char *dp_ct_counter_slug(enum dp_ct_counter which);
const char *dp_ct_counter_text(enum dp_ct_counter which);

#endif

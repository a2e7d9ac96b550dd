/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fragments that wait for the rest of their packet.  What to do with a whole packet is its owner's
 * business: connection tracking (flow_frag.c) goes on with the fragments as they came, a VTEP
 * (tunnel_frag.c) puts them together.
 *
 * A table is one worker's, and nobody else reads or writes it: no locks, no shared lines.  The
 * fragments of a packet may come to several workers, for a NIC that spreads by ports finds them in
 * the first fragment only; so whoever receives one gives it to the worker that the packet's own
 * hash chooses, by the way that frames go between workers anyhow (the inbox of worker.h).  Most
 * fragments need no such trip, and a table that all workers share would need a lock or an order of
 * stores that no test would ever cover.
 *
 * Everything is there from the start, and bounded: packets, fragments, fragments of one packet, and
 * the packet buffers that those hold, in all and of a tenant.  Who is over the bound loses its
 * oldest packet, so that a flood of fragments that never become whole pushes out itself.
 *
 * Fragments that overlap end their packet and all that still comes of it (RFC 5722, and IPv4
 * alike): what a filter saw must be what the receiver sees.  An exact copy of one that is there is
 * dropped alone.
 *
 * Sources: RFC 791 3.2, 8200 4.5, 5722, 6946 (an atomic fragment is none), 8900.
 */
#ifndef DATAPLANE_FRAG_H
#define DATAPLANE_FRAG_H

#include "dataplane/drop.h"
#include "dataplane/parse.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_FRAG_PACKETS 512u  /* of a worker */
#define DP_FRAG_PIECES	2048u /* of a worker */
#define DP_FRAG_MOST	64u   /* of one packet: 65535 bytes take 45 of 1500 */

/* Unless somebody says otherwise: buffers that may wait, in all and of a tenant on a switch. */
#define DP_FRAG_LIMIT	     2048u
#define DP_FRAG_TENANT_LIMIT 512u
#define DP_FRAG_TIMEOUT_S    30u
#define DP_FRAG_TICK_MS	     100u

struct dp_frags;
struct rte_mbuf;

/* Which packet a fragment is of. */
#define DP_FRAG_V6    1u
#define DP_FRAG_OUTER 2u /* of a packet around another, which is put together */
struct dp_frag_key {
	uint16_t domain; /* the tenant's on its switch */
	uint8_t flags;
	uint8_t proto; /* IPv4's; IPv6 goes without (RFC 8200 4.5) */
	uint32_t id;
	uint8_t src[16], dst[16]; /* IPv4: the first four */
};
static_assert(sizeof(struct dp_frag_key) == 40, "hashed as words");

/* What a fragment says. */
struct dp_frag {
	struct dp_frag_key key;
	uint16_t head;	 /* bytes of the frame before its part */
	uint16_t offset; /* of its part in the packet, of 8 bytes */
	uint32_t size;	 /* of its part */
	bool more;
};

/* One that waits: its frame, and what its owner wants to know later. */
struct dp_frag_piece {
	struct rte_mbuf *m;
	uint64_t carried; /* edge.h */
	uint32_t serial;  /* of the port: ids are used again */
	uint16_t port;
	uint16_t n_bufs; /* packet buffers it holds */
	/* The table's. */
	uint16_t offset, size;
	uint16_t next;
	uint16_t head;
};

/* This worker's share of what may wait. */
struct dp_frag_bounds {
	uint32_t bufs, domain_bufs;
	uint32_t ticks; /* how long */
};

struct dp_frag_packet {
	struct dp_frag_key key;
	uint32_t size; /* all parts */
	uint16_t n;
	struct dp_frag_piece pieces[DP_FRAG_MOST]; /* in their order */
};

/* Control thread.  'secret' are 5 random words.  'drop' is told of each fragment that ends here,
 * which is its from then on.  0 or -ENOMEM. */
typedef void (*dp_frag_drop_fn)(void *arg, const struct dp_frag_piece *piece,
				const struct dp_frag_key *key, enum dp_drop reason);
int dp_frags_create(const uint64_t secret[5], dp_frag_drop_fn drop, void *arg,
		    struct dp_frags **ret_frags);
/* Drops all of them as PORT_REMOVED.  Takes NULL. */
void dp_frags_destroy(struct dp_frags *f);

/* Reads the frame's first 'size' bytes; 'h' is what dp_parse() says.  False when it is no fragment
 * or its headers are broken; key.domain and the flag OUTER are the caller's to fill in. */
bool dp_frag_read(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		  struct dp_frag *ret);
uint64_t dp_frag_hash(const struct dp_frag_key *key, const uint64_t secret[5]);

/* Keeps a fragment; what 'piece' says beyond the first line is the caller's to fill in.
 * DP_N_DROPS: it was taken, and may have been the last (dp_frags_take()).  Else the reason for
 * which the caller drops it. */
enum dp_drop dp_frags_add(struct dp_frags *f, const struct dp_frag *frag,
			  const struct dp_frag_piece *piece, const struct dp_frag_bounds *bounds,
			  uint32_t now);
/* The packet that is whole for the longest, of those that are 'outer' or are not; its fragments are
 * the caller's.  False: none. */
bool dp_frags_take(struct dp_frags *f, bool outer, struct dp_frag_packet *ret);
/* Drops what waited for 'ticks'. */
void dp_frags_expire(struct dp_frags *f, uint32_t now, uint32_t ticks);
/* Drops packets with a fragment that 'gone' says true to. */
void dp_frags_purge(struct dp_frags *f, bool (*gone)(void *arg, const struct dp_frag_piece *piece),
		    void *arg);

/* Worker: is there anything? */
bool dp_frags_idle(const struct dp_frags *f);
bool dp_frags_has_whole(const struct dp_frags *f, bool outer);
/* Any thread. */
struct dp_frags_stats {
	uint64_t packets, pieces; /* waiting */
	uint64_t whole;		  /* packets that became whole */
};
void dp_frags_stats(const struct dp_frags *f, struct dp_frags_stats *ret);
/* Of all workers there are.  Control thread. */
struct dp;
void dp_fragments_stats(const struct dp *dp, struct dp_frags_stats *ret);

#endif

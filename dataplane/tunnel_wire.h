/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tunnels on the wire: VXLAN, Geneve and NVGRE over IPv4 and IPv6.  Bytes only, no state; any
 * thread.  Reader and writer of a header stand side by side.
 *
 * 	VXLAN   Ethernet 14, IP 20/40, UDP 8, VXLAN 8     flags 0x08, VNI in bytes 4 to 6
 * 	Geneve  Ethernet 14, IP 20/40, UDP 8, Geneve 8    no options are sent
 * 	NVGRE   Ethernet 14, IP 20/40, GRE 8              key: VSID in 24 bits, FlowID 0
 *
 * Sources: RFC 7348 section 5, 8926 section 3, 7637 section 3.2, 2890, 791, 8200.
 */
#ifndef DATAPLANE_TUNNEL_WIRE_H
#define DATAPLANE_TUNNEL_WIRE_H

#include "dataplane/drop.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum dp_tunnel_type { DP_TUN_VXLAN, DP_TUN_GENEVE, DP_TUN_NVGRE, DP_TUN_NONE };

#define DP_VXLAN_PORT  4789
#define DP_GENEVE_PORT 6081

/* An address.  IPv4's four bytes lie first and the rest is zero, so that words compare. */
struct dp_ip {
	union {
		uint8_t b[16];
		uint32_t v4; /* network order */
		uint64_t w[2];
	};
	bool v6;
};

static inline bool dp_ip_equal(const struct dp_ip *a, const struct dp_ip *b)
{
	return a->w[0] == b->w[0] && a->w[1] == b->w[1] && a->v6 == b->v6;
}

/* Where a rule sends to, and what a rule sees of where a frame came from: as it lies in the key. */
struct dp_tunnel_meta {
	uint64_t id; /* network order */
	uint32_t src, dst;
	uint8_t src6[16], dst6[16];
};
static_assert(sizeof(struct dp_tunnel_meta) == 48, "without holes");

/* A UDP port behind which a tunnel's header lies. */
struct dp_tunnel_udp {
	uint16_t port; /* host order */
	uint8_t type;
};

/* What lies around an inner frame. */
struct dp_tunnel_outer {
	uint8_t type; /* DP_TUN_NONE: the frame is no tunnel's */
	uint8_t tos;
	bool v6;
	bool zero_csum;	  /* UDP without checksum */
	uint16_t size;	  /* bytes before the inner frame */
	uint16_t l4;	  /* where UDP or GRE starts */
	uint32_t l4_size; /* from there to the end of the inner frame */
	uint32_t vni;
	struct dp_ip src, dst;
};

/* Reads the headers of an untagged frame of 'frame_size' bytes, of which the first 'size' lie at
 * 'd'.  DP_N_DROPS: it is a tunnel's and sound but for UDP's checksum, which nobody looked at, or
 * ret->type says that it is none.  Else why it must be dropped. */
enum dp_drop dp_tunnel_parse(const uint8_t *d, uint32_t size, uint32_t frame_size,
			     const struct dp_tunnel_udp *udp, unsigned n_udp,
			     struct dp_tunnel_outer *ret);

/* What frames look like that go the way of one that was read: IPv4, UDP without checksum, no
 * options, nothing behind the inner frame, and no word of congestion. */
#define DP_TUNNEL_ALIKE_HEAD 50u /* bytes before the inner frame */
#define DP_TUNNEL_ALIKE_LOOK 64u /* bytes that are looked at */
struct dp_tunnel_alike {
	uint8_t want[DP_TUNNEL_ALIKE_LOOK], mask[DP_TUNNEL_ALIKE_LOOK];
};
/* 'd' begins a frame, DP_TUNNEL_ALIKE_LOOK bytes long at least, that dp_tunnel_parse() took and
 * found 'o' in.  False: it has no such looks. */
bool dp_tunnel_alike_make(const uint8_t *d, const struct dp_tunnel_outer *o,
			  struct dp_tunnel_alike *ret);
/* Would dp_tunnel_parse() say of the frame at 'd', in one piece and of 'size' bytes,
 * DP_TUNNEL_ALIKE_LOOK at least, what it said of the other, but for DSCP and length?  Then it ends
 * where the inner frame does. */
static inline bool dp_tunnel_is_alike(const struct dp_tunnel_alike *a, const uint8_t *d,
				      uint32_t size);

/* The longest header that is sent, and that of VXLAN and Geneve over IPv4. */
#define DP_TUNNEL_HEAD	  80
#define DP_TUNNEL_IP4_UDP 50

/* A header before lengths, source port and traffic class are known.  It ends at the end of 'b', so
 * that all of 'b' can be copied to before the inner frame, whatever its size. */
struct dp_tunnel_head {
	uint8_t b[DP_TUNNEL_HEAD] __attribute__((aligned(16)));
	uint16_t size;
	uint16_t ip; /* offset in 'b' */
	uint16_t l4; /* offset in 'b' */
	uint8_t proto;
	bool v6, udp, csum;
	uint64_t ip_word, udp_word; /* IPv4's first eight bytes, UDP's */
	uint32_t ip_sum; /* IPv4: sum of the header without what changes from frame to frame */
	uint64_t l4_sum; /* UDP: sum of the addresses and the protocol */
};

struct dp_tunnel_head_spec {
	enum dp_tunnel_type type;
	uint8_t dst_mac[6], src_mac[6];
	struct dp_ip src, dst; /* of one version */
	uint16_t udp_port;     /* host order */
	uint32_t vni;
	bool csum, df;
};
void dp_tunnel_head_make(const struct dp_tunnel_head_spec *spec, struct dp_tunnel_head *ret);

/* Copies the header to before 'inner', which has DP_TUNNEL_HEAD bytes of room there, and fills in
 * what is this frame's: 'inner_size', the inner flow's 'hash', 'tos', 'ttl' and, for IPv4 that may
 * be fragmented, 'id'.  UDP's checksum is left 0: see dp_tunnel_udp_checksum(). */
static inline void dp_tunnel_head_put(const struct dp_tunnel_head *h, uint8_t *inner,
				      uint32_t inner_size, uint32_t hash, uint8_t tos, uint8_t ttl,
				      uint16_t id);

/* ECN, RFC 6040.  Of the outer header when the inner one says 'inner' (4.1, normal mode: as it
 * is). */
/* Of the inner header after the outer one said 'outer' (4.2): the two bits, or -1 for a packet that
 * must be dropped. */
static inline int dp_tunnel_ecn_out(uint8_t outer, uint8_t inner)
{
	outer &= 3;
	inner &= 3;
	if (outer == 3)
		return inner == 0 ? -1 : 3;
	return inner == 2 && outer == 1 ? 1 : inner;
}

/* A hash of the inner flow, from its bytes: 64 of them can be read.  Not keyed: what it spreads is
 * the underlay's load. */
static inline uint32_t dp_tunnel_hash(const uint8_t *inner, uint32_t size);

#include "dataplane/tunnel_inline.h"

#endif

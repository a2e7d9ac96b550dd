/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parser: one pass over a frame's headers gives where each layer starts and what it is.  Reads
 * bytes that are contiguous in memory (the first segment); never past them; a header that does not
 * fit, or lies about its length, ends the walk and says at which layer.  No state; any thread.
 *
 * 	Ethernet ─► 0..2 tags ─► [SNAP] ─┬► ARP
 * 	                                 ├► IPv4 ──────────────────────┬► transport ─► tunnel
 * 	                                 └► IPv6 ─► extension headers ─┘
 *
 * What is malformed stays recognisable: a layer that is announced but broken sets its kind (l3, l4)
 * and 'bad', and leaves its size and fields zero.  So whoever guards a protocol can tell "not ARP"
 * from "ARP, but broken", and refuse the second.
 *
 * Headers count as present only inside what the layer below says is its payload: a TCP header in
 * the padding behind a short IPv4 total length is not one.
 *
 * Sources: IEEE 802.3, 802.1Q-2018 clause 9, RFC 1042 (SNAP), 826, 791, 8200 (extension headers
 * section 4), 2675 (jumbograms), 6946 (atomic fragments), 7112 (first fragment has the whole header
 * chain), 9293, 768, 9260, 792, 4443, 3376, 7348 (VXLAN), 8926 (Geneve), 7637 (NVGRE).
 */
#ifndef DATAPLANE_PARSE_H
#define DATAPLANE_PARSE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;

/* NONE: the frame ends, or an 802.3 length and no SNAP header follow the tags. */
enum dp_l3 { DP_L3_NONE, DP_L3_ARP, DP_L3_IPV4, DP_L3_IPV6, DP_L3_OTHER };
/* NONE: no IP, a later fragment, or IPv6 "no next header". */
enum dp_l4 {
	DP_L4_NONE,
	DP_L4_TCP,
	DP_L4_UDP,
	DP_L4_SCTP,
	DP_L4_ICMP,
	DP_L4_ICMPV6,
	DP_L4_IGMP,
	DP_L4_OTHER
};
enum dp_tunnel { DP_TUNNEL_NONE, DP_TUNNEL_VXLAN, DP_TUNNEL_GENEVE, DP_TUNNEL_NVGRE };

/* The first layer that is malformed; headers before it are valid. */
enum dp_bad {
	DP_BAD_NONE,
	DP_BAD_ETH,	  /* shorter than an Ethernet header */
	DP_BAD_VLAN,	  /* ends inside a tag; the tags before it count */
	DP_BAD_ARP,	  /* shorter than its own address lengths say */
	DP_BAD_IP,	  /* the fixed header: version, header length, total length */
	DP_BAD_IP_OPTION, /* IPv4 options, IPv6 extension headers; addresses are valid */
	DP_BAD_L4,     /* transport header missing, cut off, or with a length that does not fit */
	DP_BAD_TUNNEL, /* the UDP port or GRE protocol says tunnel, its header is cut off */
};

#define DP_FRAG_FIRST 1u /* has a transport header */
#define DP_FRAG_LATER 2u /* has none */

/* Bits of ip_ext.  For IPv6 those of OpenFlow's OXM_OF_IPV6_EXTHDR (1.3.5, 7.2.3.8), one more. */
#define DP_EXT_OPTIONS 0x001u /* IPv4: has options */
#define DP_EXT_NONEXT  0x001u /* IPv6: "no next header" */
#define DP_EXT_ESP     0x002u
#define DP_EXT_AUTH    0x004u
#define DP_EXT_DEST    0x008u
#define DP_EXT_FRAG    0x010u /* also set for an atomic fragment, which is none: frag is 0 then */
#define DP_EXT_ROUTER  0x020u
#define DP_EXT_HOP     0x040u
#define DP_EXT_UNREP   0x080u /* one of them repeats that should not */
#define DP_EXT_UNSEQ   0x100u /* not in the order of RFC 8200 4.1 */
#define DP_EXT_OTHER   0x200u /* mobility, HIP, shim6 */

/* What bounds the walk, so that no frame costs more than a few hundred steps: RFC 8504 5.3 allows
 * both.  What exceeds them is DP_BAD_IP_OPTION. */
#define DP_MAX_EXT_HEADERS 8
#define DP_MAX_IP_OPTIONS  40 /* in one header, padding counted; what fits into IPv4's largest */

/* eth_type of an 802.3 frame without SNAP, as in OpenFlow 1.0 (3.4); no EtherType is so small. */
#define DP_ETH_TYPE_LLC 0x05ff

/* One cache line.  Sizes are of valid headers only: 0 when the layer is absent or malformed. */
struct dp_headers {
	uint16_t eth_type; /* host order, of what follows tags and SNAP; a third tag is payload */
	uint8_t n_tags;	   /* VLAN tags (TPID 0x8100, 0x88a8) before eth_type, at most 2 */
	uint8_t bad;	   /* enum dp_bad */
	uint16_t tci[2];   /* host order, outermost first */
	uint16_t tpid[2];  /* host order */
	uint8_t l3;	   /* enum dp_l3 */
	uint8_t l4;	   /* enum dp_l4 */
	uint8_t ip_proto;  /* the final one after extension headers */
	uint8_t ip_tos;
	uint8_t ip_ttl;
	uint8_t frag; /* DP_FRAG_* or 0 */
	uint8_t tcp_flags;
	uint8_t tunnel; /* enum dp_tunnel */
	uint8_t icmp_type, icmp_code;
	uint8_t ip_version;
	uint8_t reserved;
	uint16_t ip_ext;  /* DP_EXT_* */
	uint16_t arp_op;  /* host order; 0: no ARP */
	uint16_t l2_size; /* bytes before layer 3: Ethernet, tags, SNAP */
	uint16_t l3_size; /* IP header with its valid options or extension headers; whole ARP */
	uint16_t l4_size; /* TCP with options, UDP 8, SCTP 12, ICMP and IGMP 8, ICMPv6 4; else 0 */
	uint16_t sport, dport;	/* host order; TCP, UDP, SCTP */
	uint16_t tunnel_offset; /* where the inner Ethernet frame starts; 0: there is none */
	uint32_t tunnel_id;	/* VNI or VSID, 24 bits */
	/* Layer 3 as the header says: IPv4 total length, IPv6 40 + (jumbo) payload length. */
	uint32_t ip_size;
	/* Addresses: offsets into the frame, 0 when there are none (bytes are not copied). */
	uint16_t ip_src, ip_dst; /* 4 or 16 bytes there; ARP: protocol addresses */
};
static_assert(sizeof(struct dp_headers) <= 64, "one cache line");

/* Parses a frame of 'size' bytes; returns ret->bad.  'ret' is always filled completely. */
enum dp_bad dp_parse(const uint8_t *frame, uint32_t size, struct dp_headers *ret);

/* The same for a frame of 'frame_size' bytes, of which the first 'size' lie at 'frame'.  Headers
 * must lie in these; the lengths that they announce are checked against 'frame_size'. */
enum dp_bad dp_parse_head(const uint8_t *frame, uint32_t size, uint32_t frame_size,
			  struct dp_headers *ret);

/* The same for an mbuf: headers in the first segment, lengths checked against all of them. */
enum dp_bad dp_parse_mbuf(const struct rte_mbuf *m, struct dp_headers *ret);

/* Starts at the IP header 'l3_offset' bytes into the frame: for who was told where it is.  The
 * version nibble decides between IPv4 and IPv6.  ret->l2_size is 'l3_offset', eth_type what goes
 * with the version. */
enum dp_bad dp_parse_ip(const uint8_t *frame, uint32_t l3_offset, uint32_t size,
			uint32_t frame_size, struct dp_headers *ret);

/* A hash of the flow (addresses, protocol, ports; MACs and ARP addresses when there is no IP):
 * equal for both halves of no connection in particular; same flow, same value.  All fragments of a
 * datagram are the same flow, the one without ports.  'seed' keeps senders from choosing
 * collisions. */
uint32_t dp_flow_hash(const uint8_t *frame, const struct dp_headers *h, uint32_t seed);

#endif

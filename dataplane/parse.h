/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parser: one pass over a frame's headers gives where each layer starts and what it is.  Reads 'size' bytes that
 * are contiguous in memory (the first segment); never past them; a header that does not fit, or lies about its
 * length, ends the walk and says at which layer.  No state; any thread.
 *
 * Sources: IEEE 802.3, 802.1Q-2018 clause 9, RFC 826, 791, 8200 (extension headers section 4), 9293, 768, 9260, 792,
 * 4443, 7348 (VXLAN), 8926 (Geneve), 7637 (NVGRE).
 */
#ifndef DATAPLANE_PARSE_H
#define DATAPLANE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

enum dp_l3 { DP_L3_NONE, DP_L3_ARP, DP_L3_IPV4, DP_L3_IPV6, DP_L3_OTHER };
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
	DP_BAD_ETH,
	DP_BAD_VLAN,
	DP_BAD_ARP,
	DP_BAD_IP,
	DP_BAD_IP_OPTION,
	DP_BAD_L4,
	DP_BAD_TUNNEL
};

#define DP_FRAG_FIRST 1u /* has a transport header */
#define DP_FRAG_LATER 2u /* has none */

struct dp_headers {
	uint16_t eth_type; /* host order, of what follows the tags */
	uint8_t n_tags; /* VLAN tags seen, at most 2 are looked into; more stay payload with eth_type = TPID */
	uint8_t bad;	  /* enum dp_bad */
	uint16_t tci[2];  /* host order, outermost first */
	uint16_t tpid[2]; /* host order */
	uint8_t l3;	  /* enum dp_l3 */
	uint8_t l4;	  /* enum dp_l4 */
	uint8_t ip_proto; /* the final one after extension headers */
	uint8_t ip_tos;
	uint8_t ip_ttl;
	uint8_t frag; /* DP_FRAG_* or 0 */
	uint8_t tcp_flags;
	uint8_t tunnel; /* enum dp_tunnel */
	uint8_t icmp_type, icmp_code;
	uint8_t ip_ext; /* IPv6: bit per extension header kind seen, IPv4: 1 when options */
	uint8_t ip_version;
	uint16_t l2_size; /* bytes before layer 3 */
	uint16_t l3_size; /* IP header with options or extension headers */
	uint16_t l4_size; /* transport header; 0 for later fragments */
	uint16_t
		ip_size; /* layer 3 total as the header says: IPv4 total length, IPv6 40 + payload length */
	uint16_t sport, dport;	/* host order; TCP, UDP, SCTP */
	uint32_t tunnel_id;	/* VNI or VSID, 24 bits */
	uint16_t tunnel_offset; /* where the inner frame starts */
	/* Addresses: offsets into the frame, 0 when there are none (bytes are not copied). */
	uint16_t ip_src, ip_dst; /* 4 or 16 bytes there; ARP: sender and target protocol address */
};

/* Parses; returns ret->bad.  'ret' is always filled completely. */
enum dp_bad dp_parse(const uint8_t *frame, uint32_t size, struct dp_headers *ret);

/* A hash of the flow (addresses, protocol, ports; MACs and ARP addresses when there is no IP): equal for both halves of
 * no connection in particular; same flow, same value.  'seed' keeps senders from choosing collisions. */
uint32_t dp_flow_hash(const uint8_t *frame, const struct dp_headers *h, uint32_t seed);

#endif

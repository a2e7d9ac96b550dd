/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow key: what rules can match and what a flow is told apart by.  An array of 64-bit words in
 * which each field has its place, in network byte order as in the frame, so that extraction is a
 * few loads, a mask is a key, and to compare is to compare words.
 *
 * The first four words (the short key) say all there is to know of a plain IPv4 frame outside of
 * any pipeline; whatever is in the others is zero for such a frame, but
 * for TCP's flags.  Fields that no frame has both
 * share a place (ARP's addresses with IPv4's): rules name the EtherType with them.
 *
 * 	 0 eth_dst 6, eth_type 2       8 eth_src 6, vlan_tci 2
 * 	16 in_port 2, ip_proto 1, ip_tos 1, tp_src 2, tp_dst 2
 * 	24 ip4_src 4, ip4_dst 4       ---- the rest is zero in a plain frame
 * 	32 metadata 8                 40 tun_id 8
 * 	48 mpls_lse 4, ip_frag 1, -, ipv6_exthdr 2
 * 	56 pbb_uca 1, pbb_isid 3, ipv6_flabel 4
 * 	64 ip6_src 16                 80 ip6_dst 16
 * 	96 arp_sha 6, tcp_flags 2     104 arp_tha 6, ct_zone 2
 * 	112 nd_target 16              128 ct_state 4, ct_mark 4
 * 	136 ct_label 16               152 tun_src 4, tun_dst 4
 * 	160 tun_src6 16               176 tun_dst6 16
 * 	192 in_phy_port 4, pkt_mark 4 200 reg0..reg15 4 each
 * 	264 inner_tci 2, mpls_type 2, inner_lse 4
 * 	272 pbb_dst 6, pbb_type 2     280 pbb_src 6, pbb_tci 2
 *
 * vlan_tci is priority, 0x1000 for "has a tag", and VID, as OpenFlow's OFPVID_PRESENT wants it.
 * tp_src holds ICMP's type and ARP's operation as well, tp_dst ICMP's code.  The MPLS entry is kept
 * without its TTL.
 *
 * The last three words are what lies below a header that an action may pop: the second tag, the
 * second MPLS entry and what is behind the stack's bottom if that is one of these two (IP by its
 * version nibble; 0: none), and the Ethernet header behind an I-TAG with its first tag (pbb_type as
 * eth_type, 0: there is none).  No rule can name them.  What comes behind them (IP, ARP, and MPLS
 * behind an I-TAG) is in its usual place at once: as long as the frame is MPLS or PBB its EtherType
 * keeps rules from looking there.
 *
 * Source: OpenFlow Switch Specification 1.3.5, 7.2.3.7 and 7.2.3.8 (fields and what they need).
 */
#ifndef DATAPLANE_KEY_H
#define DATAPLANE_KEY_H

#include "dataplane/parse.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DP_KEY_SIZE  288
#define DP_KEY_WORDS (DP_KEY_SIZE / 8)
#define DP_KEY_SHORT 4 /* words of the short key */

/* The longest headers of a plain frame: a tag and all the options that TCP has room for. */
#define DP_KEY_PLAIN_HEAD (14 + 4 + 20 + 60)

struct dp_key {
	union {
		uint64_t w[DP_KEY_WORDS];
		uint8_t b[DP_KEY_SIZE];
	};
};

/* X(name, offset in bytes, bytes there, bits, shift of the lowest bit) */
/* clang-format off */
#define DP_FIELDS(X)                    \
	X(ETH_DST, 0, 6, 48, 0)         \
	X(ETH_TYPE, 6, 2, 16, 0)        \
	X(ETH_SRC, 8, 6, 48, 0)         \
	X(VLAN_VID, 14, 2, 13, 0)       \
	X(VLAN_PCP, 14, 2, 3, 13)       \
	X(IN_PORT, 16, 2, 16, 0)        \
	X(IP_PROTO, 18, 1, 8, 0)        \
	X(IP_DSCP, 19, 1, 6, 2)         \
	X(IP_ECN, 19, 1, 2, 0)          \
	X(TP_SRC, 20, 2, 16, 0)         \
	X(TP_DST, 22, 2, 16, 0)         \
	X(IP4_SRC, 24, 4, 32, 0)        \
	X(IP4_DST, 28, 4, 32, 0)        \
	X(METADATA, 32, 8, 64, 0)       \
	X(TUN_ID, 40, 8, 64, 0)         \
	X(MPLS_LABEL, 48, 4, 20, 12)    \
	X(MPLS_TC, 48, 4, 3, 9)         \
	X(MPLS_BOS, 48, 4, 1, 8)        \
	X(IP_FRAG, 52, 1, 2, 0)         \
	X(IPV6_EXTHDR, 54, 2, 9, 0)     \
	X(PBB_UCA, 56, 1, 1, 0)         \
	X(PBB_ISID, 57, 3, 24, 0)       \
	X(IPV6_FLABEL, 60, 4, 20, 0)    \
	X(IP6_SRC, 64, 16, 128, 0)      \
	X(IP6_DST, 80, 16, 128, 0)      \
	X(ARP_SHA, 96, 6, 48, 0)        \
	X(TCP_FLAGS, 102, 2, 12, 0)     \
	X(ARP_THA, 104, 6, 48, 0)       \
	X(CT_ZONE, 110, 2, 16, 0)       \
	X(ND_TARGET, 112, 16, 128, 0)   \
	X(CT_STATE, 128, 4, 32, 0)      \
	X(CT_MARK, 132, 4, 32, 0)       \
	X(CT_LABEL, 136, 16, 128, 0)    \
	X(TUN_SRC, 152, 4, 32, 0)       \
	X(TUN_DST, 156, 4, 32, 0)       \
	X(TUN_SRC6, 160, 16, 128, 0)    \
	X(TUN_DST6, 176, 16, 128, 0)    \
	X(IN_PHY_PORT, 192, 4, 32, 0)   \
	X(PKT_MARK, 196, 4, 32, 0)      \
	X(REG0, 200, 4, 32, 0)          \
	X(REG1, 204, 4, 32, 0)          \
	X(REG2, 208, 4, 32, 0)          \
	X(REG3, 212, 4, 32, 0)          \
	X(REG4, 216, 4, 32, 0)          \
	X(REG5, 220, 4, 32, 0)          \
	X(REG6, 224, 4, 32, 0)          \
	X(REG7, 228, 4, 32, 0)          \
	X(REG8, 232, 4, 32, 0)          \
	X(REG9, 236, 4, 32, 0)          \
	X(REG10, 240, 4, 32, 0)         \
	X(REG11, 244, 4, 32, 0)         \
	X(REG12, 248, 4, 32, 0)         \
	X(REG13, 252, 4, 32, 0)         \
	X(REG14, 256, 4, 32, 0)         \
	X(REG15, 260, 4, 32, 0)         \
	X(INNER_TCI, 264, 2, 16, 0)     \
	X(MPLS_TYPE, 266, 2, 16, 0)     \
	X(INNER_LSE, 268, 4, 24, 8)     \
	X(PBB_DST, 272, 6, 48, 0)       \
	X(PBB_TYPE, 278, 2, 16, 0)      \
	X(PBB_SRC, 280, 6, 48, 0)       \
	X(PBB_TCI, 286, 2, 16, 0)

enum dp_field {
#define X(name, offset, size, bits, shift) DP_FIELD_##name,
	DP_FIELDS(X)
#undef X
	DP_N_FIELDS,
};
/* clang-format on */

#define DP_VLAN_PRESENT 0x1000u

/* IP_FRAG, as Open vSwitch's nw_frag: bit 0 any fragment, bit 1 not the first. */
#define DP_KEY_FRAG_ANY	  1u
#define DP_KEY_FRAG_LATER 2u

struct dp_field_desc {
	const char *name; /* "ETH_DST" */
	uint16_t offset;
	uint8_t size;  /* bytes that hold it */
	uint8_t bits;  /* its width */
	uint8_t shift; /* of its lowest bit in those bytes, taken as one big-endian number */
};
extern const struct dp_field_desc dp_fields[DP_N_FIELDS];

/* The value of a field of at most 64 bits, in host order. */
uint64_t dp_key_get(const struct dp_key *key, enum dp_field field);
/* Stores it; higher bits of 'value' are ignored. */
void dp_key_set(struct dp_key *key, enum dp_field field, uint64_t value);
/* The same for any field as bytes in network order, right-aligned in (bits + 7) / 8 bytes. */
void dp_key_get_bytes(const struct dp_key *key, enum dp_field field, uint8_t *ret);
void dp_key_set_bytes(struct dp_key *key, enum dp_field field, const uint8_t *value);
/* All ones in a field of a mask. */
void dp_key_cover(struct dp_key *mask, enum dp_field field);

/* The whole key of a frame of which 'size' bytes lie at 'frame'; 'h' is what dp_parse_head() says
 * of it.  'in_port' is the OpenFlow port number.  What is not in the frame (metadata, tunnel,
 * connection, registers) is zero.  Neighbour discovery fills ARP's hardware addresses: a
 * solicitation's source link-layer address is ARP_SHA, an advertisement's target link-layer address
 * is ARP_THA.  Any thread. */
void dp_key_extract(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		    uint16_t in_port, struct dp_key *ret_key);

/* The same for a frame of 'frame_size' bytes, of which the first 'size' lie at 'frame'. */
void dp_key_extract_head(const uint8_t *frame, uint32_t size, uint32_t frame_size,
			 const struct dp_headers *h, uint16_t in_port, struct dp_key *ret_key);

/* The short key of a plain frame: IPv4 without options or fragmentation, TCP or UDP with lengths
 * that fit, at most one tag of 0x8100.  False for any other: it needs dp_parse().  'size' is the
 * frame's, of which all bytes, or DP_KEY_PLAIN_HEAD, are contiguous.  Reads 64 bytes, which the
 * buffer must have, whatever 'size'.  VXLAN and Geneve are plain as UDP if the tunnel's header is
 * sound (Geneve: and has no options): whoever looks inside parses. */
static inline bool dp_key_plain(const uint8_t *d, uint32_t size, uint16_t in_port_be,
				uint64_t w[4]);
/* The same for what most frames are: plain, untagged, from one station to another (not from or to a
 * group or the zero address). */
static inline bool dp_key_usual(const uint8_t *d, uint32_t size, uint16_t in_port_be,
				uint64_t w[4]);

/* The whole key of a frame that is plain, whose short key is 'w'. */
void dp_key_plain_whole(const uint8_t *frame, const uint64_t w[4], struct dp_key *ret_key);

/* Same in all bits of 'mask'? */
static inline bool dp_key_equal(const struct dp_key *a, const struct dp_key *b,
				const struct dp_key *mask)
{
	uint64_t diff = 0;

	for (unsigned i = 0; i < DP_KEY_WORDS; i++)
		diff |= (a->w[i] ^ b->w[i]) & mask->w[i];
	return diff == 0;
}

#include "dataplane/key_plain.h"

#endif

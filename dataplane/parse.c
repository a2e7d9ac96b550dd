/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parser; see parse.h.  It runs once for every packet, so the straight path (untagged IPv4 or
 * IPv6 without options, TCP or UDP) is a handful of compares with no loop and no call; loops,
 * options and tunnels are out of line.
 *
 * How it reads: 'end' is the first byte that may not be read.  It starts as the end of the
 * contiguous bytes and shrinks to the end of the IP payload.  Every read is preceded by a compare
 * of 'end - off' (off <= end always holds, so nothing wraps), and every function returns how it
 * ended.
 */
#include "dataplane/parse.h"

#include <endian.h>
#include <string.h>

#include <rte_mbuf.h>

#define ETH_SIZE     14
#define TAG_SIZE     4
#define SNAP_SIZE    8
#define IPV4_SIZE    20
#define IPV6_SIZE    40
#define TCP_SIZE     20
#define UDP_SIZE     8
#define SCTP_SIZE    12
#define ICMP_SIZE    8
#define ICMPV6_SIZE  4
#define GRE_SIZE     4
#define GRE_KEY_SIZE 8
#define VXLAN_SIZE   8
#define GENEVE_SIZE  8

#define TYPE_IPV4     0x0800
#define TYPE_ARP      0x0806
#define TYPE_TEB      0x6558 /* Transparent Ethernet Bridging: a frame inside GRE or Geneve */
#define TYPE_CVLAN    0x8100
#define TYPE_IPV6     0x86dd
#define TYPE_SVLAN    0x88a8
#define TYPE_SMALLEST 0x0600 /* below it is an 802.3 length */

#define PROTO_HOP      0
#define PROTO_ICMP     1
#define PROTO_IGMP     2
#define PROTO_TCP      6
#define PROTO_UDP      17
#define PROTO_ROUTING  43
#define PROTO_FRAGMENT 44
#define PROTO_GRE      47
#define PROTO_ESP      50
#define PROTO_AH       51
#define PROTO_ICMPV6   58
#define PROTO_NONE     59
#define PROTO_DEST     60
#define PROTO_MOBILITY 135
#define PROTO_SCTP     132
#define PROTO_HIP      139
#define PROTO_SHIM6    140

#define PORT_VXLAN  4789
#define PORT_GENEVE 6081

#define OPT_PAD1       0
#define OPT_JUMBO      0xc2
#define JUMBO_SMALLEST 65536

static inline uint16_t be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

/* Tunnels.  A header that is cut off is malformed; one whose flags are not the tunnel's is
 * somebody's payload that happens to use the port, and no tunnel. */

/* RFC 7348 section 5: the I flag says that there is a VNI; reserved bits are ignored on receipt. */
static enum dp_bad parse_vxlan(const uint8_t *frame, uint32_t off, uint32_t end,
			       struct dp_headers *h)
{
	if (end - off < VXLAN_SIZE)
		return DP_BAD_TUNNEL;
	if ((frame[off] & 0x08) == 0)
		return DP_BAD_NONE;
	h->tunnel = DP_TUNNEL_VXLAN;
	h->tunnel_id = be32(frame + off + 4) >> 8;
	h->tunnel_offset = off + VXLAN_SIZE;
	return DP_BAD_NONE;
}

/* RFC 8926 3.4, 3.5: options are TLVs in words of four bytes that fill the option area exactly. */
static enum dp_bad parse_geneve(const uint8_t *frame, uint32_t off, uint32_t end,
				struct dp_headers *h)
{
	uint32_t inner, opt;

	if (end - off < GENEVE_SIZE)
		return DP_BAD_TUNNEL;
	if (frame[off] >> 6 != 0)
		return DP_BAD_NONE;
	inner = off + GENEVE_SIZE + (frame[off] & 0x3f) * 4;
	if (inner > end)
		return DP_BAD_TUNNEL;
	for (opt = off + GENEVE_SIZE; opt < inner; opt += 4 + (frame[opt + 3] & 0x1f) * 4)
		;
	if (opt != inner)
		return DP_BAD_TUNNEL;
	h->tunnel = DP_TUNNEL_GENEVE;
	h->tunnel_id = be32(frame + off + 4) >> 8;
	h->tunnel_offset = be16(frame + off + 2) == TYPE_TEB ? inner : 0;
	return DP_BAD_NONE;
}

/* RFC 7637 3.2: GRE version 0 with a key, without checksum and sequence number, an Ethernet frame
 * inside. */
static enum dp_bad parse_gre(const uint8_t *frame, uint32_t off, uint32_t end, struct dp_headers *h)
{
	if (end - off < GRE_SIZE)
		return DP_BAD_TUNNEL;
	if (be16(frame + off) != 0x2000 || be16(frame + off + 2) != TYPE_TEB)
		return DP_BAD_NONE;
	if (end - off < GRE_KEY_SIZE)
		return DP_BAD_TUNNEL;
	h->tunnel = DP_TUNNEL_NVGRE;
	h->tunnel_id = be32(frame + off + 4) >> 8;
	h->tunnel_offset = off + GRE_KEY_SIZE;
	return DP_BAD_NONE;
}

/* 'room' bytes of IP payload start at 'off', of which those before 'end' can be read. */
static inline enum dp_bad parse_udp(const uint8_t *frame, uint32_t off, uint32_t end, uint32_t room,
				    struct dp_headers *h)
{
	uint32_t length;

	h->l4 = DP_L4_UDP;
	if (end - off < UDP_SIZE)
		return DP_BAD_L4;
	length = be16(frame + off + 4);
	if (length == 0 && room > UINT16_MAX)
		length = room; /* RFC 2675 section 4 */
	/* The length of a first fragment is that of the whole datagram. */
	if (length < UDP_SIZE || (length > room && h->frag == 0))
		return DP_BAD_L4;
	h->sport = be16(frame + off);
	h->dport = be16(frame + off + 2);
	h->l4_size = UDP_SIZE;
	if ((h->dport != PORT_VXLAN && h->dport != PORT_GENEVE) || h->frag != 0)
		return DP_BAD_NONE;
	if (length < end - off)
		end = off + length;
	off += UDP_SIZE;
	return h->dport == PORT_VXLAN ? parse_vxlan(frame, off, end, h)
				      : parse_geneve(frame, off, end, h);
}

static inline enum dp_bad parse_tcp(const uint8_t *frame, uint32_t off, uint32_t end,
				    struct dp_headers *h)
{
	uint32_t size;

	h->l4 = DP_L4_TCP;
	if (end - off < TCP_SIZE)
		return DP_BAD_L4;
	size = (frame[off + 12] >> 4) * 4;
	if (size < TCP_SIZE || size > end - off)
		return DP_BAD_L4;
	h->sport = be16(frame + off);
	h->dport = be16(frame + off + 2);
	h->tcp_flags = frame[off + 13];
	h->l4_size = size;
	return DP_BAD_NONE;
}

/* ICMP, ICMPv6, IGMP: all begin with a type and (but IGMP) a code. */
static enum dp_bad parse_icmp(const uint8_t *frame, uint32_t off, uint32_t end, enum dp_l4 kind,
			      uint32_t size, struct dp_headers *h)
{
	h->l4 = kind;
	if (end - off < size)
		return DP_BAD_L4;
	h->icmp_type = frame[off];
	h->icmp_code = kind == DP_L4_IGMP ? 0 : frame[off + 1];
	h->l4_size = size;
	return DP_BAD_NONE;
}

static enum dp_bad parse_l4_other(const uint8_t *frame, uint32_t off, uint32_t end,
				  struct dp_headers *h)
{
	if (h->ip_proto == PROTO_ICMP && h->l3 == DP_L3_IPV4)
		return parse_icmp(frame, off, end, DP_L4_ICMP, ICMP_SIZE, h);
	if (h->ip_proto == PROTO_ICMPV6 && h->l3 == DP_L3_IPV6)
		return parse_icmp(frame, off, end, DP_L4_ICMPV6, ICMPV6_SIZE, h);
	if (h->ip_proto == PROTO_IGMP && h->l3 == DP_L3_IPV4)
		return parse_icmp(frame, off, end, DP_L4_IGMP, ICMP_SIZE, h);
	if (h->ip_proto == PROTO_SCTP) {
		h->l4 = DP_L4_SCTP;
		if (end - off < SCTP_SIZE)
			return DP_BAD_L4;
		h->sport = be16(frame + off);
		h->dport = be16(frame + off + 2);
		h->l4_size = SCTP_SIZE;
		return DP_BAD_NONE;
	}
	h->l4 = DP_L4_OTHER;
	if (h->ip_proto == PROTO_GRE && h->frag == 0)
		return parse_gre(frame, off, end, h);
	return DP_BAD_NONE;
}

static inline enum dp_bad parse_l4(const uint8_t *frame, uint32_t off, uint32_t end, uint32_t room,
				   struct dp_headers *h)
{
	if (h->ip_proto == PROTO_TCP)
		return parse_tcp(frame, off, end, h);
	if (h->ip_proto == PROTO_UDP)
		return parse_udp(frame, off, end, room, h);
	return parse_l4_other(frame, off, end, h);
}

/* RFC 791 3.1: end of list, no operation, or a TLV whose length counts itself and its type. */
static bool ipv4_options_ok(const uint8_t *opt, uint32_t size)
{
	uint32_t off = 0;

	while (off < size && opt[off] != 0) {
		if (opt[off] == 1) {
			off++;
			continue;
		}
		if (size - off < 2 || opt[off + 1] < 2 || opt[off + 1] > size - off)
			return false;
		off += opt[off + 1];
	}
	return true;
}

static inline enum dp_bad parse_ipv4(const uint8_t *frame, uint32_t off, uint32_t end,
				     uint32_t frame_size, struct dp_headers *h)
{
	const uint8_t *ip = frame + off;
	uint32_t size, total, frag;

	h->l3 = DP_L3_IPV4;
	if (end - off < IPV4_SIZE)
		return DP_BAD_IP;
	size = (ip[0] & 15) * 4;
	total = be16(ip + 2);
	if (ip[0] >> 4 != 4 || size < IPV4_SIZE || size > end - off || total < size ||
	    total > frame_size - off)
		return DP_BAD_IP;
	h->ip_version = 4;
	h->ip_size = total;
	h->ip_tos = ip[1];
	h->ip_ttl = ip[8];
	h->ip_proto = ip[9];
	h->ip_src = off + 12;
	h->ip_dst = off + 16;
	h->l3_size = size;
	if (size > IPV4_SIZE) {
		h->ip_ext = DP_EXT_OPTIONS;
		if (!ipv4_options_ok(ip + IPV4_SIZE, size - IPV4_SIZE)) {
			h->l3_size = IPV4_SIZE;
			return DP_BAD_IP_OPTION;
		}
	}
	frag = be16(ip + 6) & 0x3fff; /* more fragments, offset */
	if (frag != 0) {
		h->frag = frag & 0x1fff ? DP_FRAG_LATER : DP_FRAG_FIRST;
		if (h->frag == DP_FRAG_LATER)
			return DP_BAD_NONE;
	}
	if (total < end - off)
		end = off + total;
	return parse_l4(frame, off + size, end, total - size, h);
}

/* The options of a hop-by-hop or destination header (RFC 8200 4.2); '*ret_jumbo' is the jumbo
 * payload length if there is one and a pointer for it, which only hop-by-hop has (RFC 2675 section
 * 2). */
static bool ipv6_options_ok(const uint8_t *opt, uint32_t size, uint32_t *ret_jumbo)
{
	uint32_t off = 0;

	for (unsigned n = 0; off < size; n++) {
		if (n == DP_MAX_IP_OPTIONS)
			return false;
		if (opt[off] == OPT_PAD1) {
			off++;
			continue;
		}
		if (size - off < 2 || opt[off + 1] > size - off - 2)
			return false;
		if (opt[off] == OPT_JUMBO && ret_jumbo != NULL) {
			/* Aligned 4n + 2 from the header, whose first two bytes are not in 'opt'.
			 */
			if (opt[off + 1] != 4 || off % 4 != 0 || *ret_jumbo != 0)
				return false;
			*ret_jumbo = be32(opt + off + 2);
			if (*ret_jumbo < JUMBO_SMALLEST)
				return false;
		}
		off += 2 + opt[off + 1];
	}
	return true;
}

static unsigned ext_bit(uint8_t proto)
{
	switch (proto) {
	case PROTO_HOP:
		return DP_EXT_HOP;
	case PROTO_DEST:
		return DP_EXT_DEST;
	case PROTO_ROUTING:
		return DP_EXT_ROUTER;
	case PROTO_FRAGMENT:
		return DP_EXT_FRAG;
	case PROTO_AH:
		return DP_EXT_AUTH;
	case PROTO_ESP:
		return DP_EXT_ESP;
	case PROTO_NONE:
		return DP_EXT_NONEXT;
	case PROTO_MOBILITY:
	case PROTO_HIP:
	case PROTO_SHIM6:
		return DP_EXT_OTHER;
	default:
		return 0;
	}
}

/* Adds 'bit' to the headers seen before, with what is unusual about it here: destination options
 * come once before a routing header and once at the end, the others once and in the order of RFC
 * 8200 4.1. */
static unsigned ext_note(unsigned seen, unsigned bit)
{
	static const struct {
		uint16_t bit, after; /* of these none may have come before */
	} order[] = {
		{DP_EXT_HOP, 0xffff},
		{DP_EXT_ROUTER, DP_EXT_FRAG | DP_EXT_AUTH | DP_EXT_ESP},
		{DP_EXT_FRAG, DP_EXT_AUTH | DP_EXT_ESP},
		{DP_EXT_AUTH, DP_EXT_ESP},
	};
	unsigned noted = seen | bit;

	if ((seen & bit) != 0 && (bit != DP_EXT_DEST || (seen & DP_EXT_ROUTER) == 0))
		noted |= DP_EXT_UNREP;
	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (order[i].bit == bit && (seen & order[i].after & ~bit) != 0)
			noted |= DP_EXT_UNSEQ;
	return noted;
}

/* Where the walk through the extension headers stands. */
struct ext_walk {
	uint32_t off;	/* of the next header */
	uint32_t end;	/* first byte that may not be read */
	uint32_t jumbo; /* jumbo payload length; 0: none */
	uint8_t proto;	/* kind of the next header */
};

/* Steps over one extension header of kind w->proto.  False when it is malformed. */
static bool ext_step(const uint8_t *frame, struct ext_walk *w, struct dp_headers *h)
{
	const uint8_t *ext = frame + w->off;
	uint32_t size, frag;

	if (w->end - w->off < 8)
		return false;
	size = w->proto == PROTO_AH ? (ext[1] + 2) * 4 : (ext[1] + 1) * 8;
	if (w->proto == PROTO_FRAGMENT) {
		if (w->jumbo != 0)
			return false; /* RFC 2675 section 3 */
		size = 8;	      /* That byte is reserved here. */
		frag = be16(ext + 2) & 0xfff9;
		if (frag != 0)
			h->frag = frag & 0xfff8 ? DP_FRAG_LATER : DP_FRAG_FIRST;
	}
	if (size > w->end - w->off)
		return false;
	if (w->proto == PROTO_HOP && !ipv6_options_ok(ext + 2, size - 2, &w->jumbo))
		return false;
	if (w->proto == PROTO_DEST && !ipv6_options_ok(ext + 2, size - 2, NULL))
		return false;
	w->proto = ext[0];
	w->off += size;
	return true;
}

/* The chain behind the IPv6 header at 'off', up to the transport header or what stands in its
 * place. */
static enum dp_bad parse_ipv6_ext(const uint8_t *frame, uint32_t off, uint32_t end,
				  uint32_t frame_size, struct dp_headers *h)
{
	struct ext_walk w = {.off = off + IPV6_SIZE, .end = end, .proto = h->ip_proto};
	const uint32_t payload = h->ip_size - IPV6_SIZE;
	unsigned bit;

	if (payload != 0 && payload < end - w.off)
		w.end = w.off + payload;
	else if (payload == 0 && w.proto != PROTO_HOP)
		w.end = w.off; /* Nothing, or the hop-by-hop header of a jumbogram. */
	for (unsigned n = 0; (bit = ext_bit(w.proto)) != 0; n++) {
		if ((w.proto == PROTO_HOP && n != 0) || n == DP_MAX_EXT_HEADERS)
			return DP_BAD_IP_OPTION;
		if (w.proto == PROTO_ESP || w.proto == PROTO_NONE) {
			h->ip_ext = ext_note(h->ip_ext, bit);
			break;
		}
		if (!ext_step(frame, &w, h))
			return DP_BAD_IP_OPTION;
		/* The jumbo option and a payload length exclude each other, and one must be there.
		 */
		if (n == 0 && (payload == 0) != (w.jumbo != 0))
			return DP_BAD_IP_OPTION;
		if (n == 0 && w.jumbo != 0) {
			if (w.jumbo > frame_size - off - IPV6_SIZE)
				return DP_BAD_IP_OPTION;
			/* 'w.end' stays: headers are far shorter than any jumbo payload. */
			h->ip_size = IPV6_SIZE + w.jumbo;
		}
		h->ip_ext = ext_note(h->ip_ext, bit);
		h->ip_proto = w.proto;
		h->l3_size = w.off - off;
		if (h->frag == DP_FRAG_LATER)
			return DP_BAD_NONE; /* What follows is the middle of something. */
	}
	if (w.proto == PROTO_NONE)
		return DP_BAD_NONE;
	return parse_l4(frame, w.off, w.end, h->ip_size - h->l3_size, h);
}

static inline enum dp_bad parse_ipv6(const uint8_t *frame, uint32_t off, uint32_t end,
				     uint32_t frame_size, struct dp_headers *h)
{
	const uint8_t *ip = frame + off;
	uint32_t payload;

	h->l3 = DP_L3_IPV6;
	if (end - off < IPV6_SIZE)
		return DP_BAD_IP;
	payload = be16(ip + 4);
	if (ip[0] >> 4 != 6 || payload > frame_size - off - IPV6_SIZE)
		return DP_BAD_IP;
	h->ip_version = 6;
	h->ip_size = IPV6_SIZE + payload;
	h->ip_tos = be16(ip) >> 4 & 0xff;
	h->ip_proto = ip[6];
	h->ip_ttl = ip[7];
	h->ip_src = off + 8;
	h->ip_dst = off + 24;
	h->l3_size = IPV6_SIZE;
	if (h->ip_proto != PROTO_TCP && h->ip_proto != PROTO_UDP && h->ip_proto != PROTO_ICMPV6)
		return parse_ipv6_ext(frame, off, end, frame_size, h);
	off += IPV6_SIZE;
	if (payload < end - off)
		end = off + payload;
	return parse_l4(frame, off, end, payload, h);
}

/* RFC 826.  Addresses are told only for IPv4 over Ethernet; any other kind must be as long as it
 * says. */
static enum dp_bad parse_arp(const uint8_t *frame, uint32_t off, uint32_t end, struct dp_headers *h)
{
	const uint8_t *arp = frame + off;
	uint32_t size;

	h->l3 = DP_L3_ARP;
	if (end - off < 8)
		return DP_BAD_ARP;
	size = 8 + 2 * (arp[4] + arp[5]);
	if (size > end - off)
		return DP_BAD_ARP;
	h->arp_op = be16(arp + 6);
	h->l3_size = size;
	if (be16(arp) == 1 && be16(arp + 2) == TYPE_IPV4 && arp[4] == 6 && arp[5] == 4) {
		h->ip_src = off + 14;
		h->ip_dst = off + 24;
	}
	return DP_BAD_NONE;
}

static bool is_tag(uint32_t type)
{
	return type == TYPE_CVLAN || type == TYPE_SVLAN;
}

/* RFC 1042: an EtherType behind an LLC header.  Receivers take ARP and IP this way whatever the
 * length field says (CVE-2021-27853, -27862), so a guard must see through it. */
static bool is_snap(const uint8_t *frame, uint32_t off, uint32_t end)
{
	static const uint8_t snap[6] = {0xaa, 0xaa, 0x03, 0, 0, 0};

	return end - off >= SNAP_SIZE && memcmp(frame + off, snap, sizeof(snap)) == 0;
}

/* Whatever comes before layer 3 in a frame that does not start with its EtherType: tags, LLC.
 * h->l2_size is behind the Ethernet header and moves on. */
static enum dp_bad parse_l2(const uint8_t *frame, uint32_t end, struct dp_headers *h)
{
	uint32_t off = h->l2_size;

	while (is_tag(h->eth_type) && h->n_tags < 2) {
		if (end - off < TAG_SIZE)
			return DP_BAD_VLAN;
		h->tpid[h->n_tags] = h->eth_type;
		h->tci[h->n_tags++] = be16(frame + off);
		h->eth_type = be16(frame + off + 2);
		off += TAG_SIZE;
		h->l2_size = off;
	}
	if (h->eth_type >= TYPE_SMALLEST)
		return DP_BAD_NONE;
	h->eth_type = DP_ETH_TYPE_LLC;
	if (is_snap(frame, off, end) && be16(frame + off + 6) >= TYPE_SMALLEST) {
		h->eth_type = be16(frame + off + 6);
		h->l2_size = off + SNAP_SIZE;
	}
	return DP_BAD_NONE;
}

static inline enum dp_bad parse_l3(const uint8_t *frame, uint32_t end, uint32_t frame_size,
				   struct dp_headers *h)
{
	switch (h->eth_type) {
	case TYPE_IPV4:
		return parse_ipv4(frame, h->l2_size, end, frame_size, h);
	case TYPE_IPV6:
		return parse_ipv6(frame, h->l2_size, end, frame_size, h);
	case TYPE_ARP:
		return parse_arp(frame, h->l2_size, end, h);
	default:
		h->l3 = h->eth_type < TYPE_SMALLEST ? DP_L3_NONE : DP_L3_OTHER;
		return DP_BAD_NONE;
	}
}

enum dp_bad dp_parse_head(const uint8_t *frame, uint32_t size, uint32_t frame_size,
			  struct dp_headers *ret)
{
	*ret = (struct dp_headers){0};
	if (size < ETH_SIZE)
		return ret->bad = DP_BAD_ETH;
	ret->eth_type = be16(frame + 12);
	ret->l2_size = ETH_SIZE;
	if (is_tag(ret->eth_type) || ret->eth_type < TYPE_SMALLEST) {
		ret->bad = parse_l2(frame, size, ret);
		if (ret->bad != DP_BAD_NONE)
			return ret->bad;
	}
	return ret->bad = parse_l3(frame, size, frame_size, ret);
}

enum dp_bad dp_parse(const uint8_t *frame, uint32_t size, struct dp_headers *ret)
{
	return dp_parse_head(frame, size, size, ret);
}

enum dp_bad dp_parse_mbuf(const struct rte_mbuf *m, struct dp_headers *ret)
{
	return dp_parse_head(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, ret);
}

enum dp_bad dp_parse_ip(const uint8_t *frame, uint32_t l3_offset, uint32_t size,
			uint32_t frame_size, struct dp_headers *ret)
{
	*ret = (struct dp_headers){0};
	if (l3_offset >= size || l3_offset > UINT16_MAX / 2)
		return ret->bad = DP_BAD_IP;
	ret->l2_size = l3_offset;
	ret->eth_type = frame[l3_offset] >> 4 == 6 ? TYPE_IPV6 : TYPE_IPV4;
	return ret->bad = parse_l3(frame, size, frame_size, ret);
}

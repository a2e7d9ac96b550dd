/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The slow parser; see oracle.h.
 */
#include "tests/support/oracle.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/packet.h"

/* A part of the frame: 'size' bytes from 'base' on, of which 'there' can be read.  Reading beyond
 * is the end of the walk with the reason of the layer that did. */
struct part {
	const uint8_t *frame;
	uint32_t base;
	int64_t size, there;
	jmp_buf *stop;
	enum dp_bad bad;
};

static void stop_if(bool condition, const struct part *p)
{
	if (condition)
		longjmp(*p->stop, p->bad);
}

static unsigned at(const struct part *p, int64_t i)
{
	stop_if(i >= p->there || i >= p->size, p);
	return p->frame[p->base + i];
}

static unsigned at16(const struct part *p, int64_t i)
{
	return at(p, i) * 256 + at(p, i + 1);
}

static uint64_t at32(const struct part *p, int64_t i)
{
	return (uint64_t)at16(p, i) * 65536 + at16(p, i + 2);
}

/* 'from' bytes further in, and at most 'size' bytes long. */
static struct part inside(struct part p, int64_t from, int64_t size, enum dp_bad bad)
{
	p.base += from;
	p.there -= from;
	p.size = p.size - from < size ? p.size - from : size;
	p.bad = bad;
	return p;
}

/* All 'size' bytes of a header can be read. */
static void need(const struct part *p, int64_t size)
{
	stop_if(size > p->there || size > p->size, p);
}

static void tunnel_vxlan(struct part p, struct dp_headers *h)
{
	need(&p, 8);
	if ((at(&p, 0) >> 3) % 2 == 0)
		return;
	h->tunnel = DP_TUNNEL_VXLAN;
	h->tunnel_id = at32(&p, 4) / 256;
	h->tunnel_offset = p.base + 8;
}

static void tunnel_geneve(struct part p, struct dp_headers *h)
{
	int64_t options, done = 0;

	need(&p, 8);
	if (at(&p, 0) / 64 != 0)
		return;
	options = at(&p, 0) % 64 * 4;
	need(&p, 8 + options);
	while (done < options)
		done += 4 + at(&p, 8 + done + 3) % 32 * 4;
	stop_if(done != options, &p);
	h->tunnel = DP_TUNNEL_GENEVE;
	h->tunnel_id = at32(&p, 4) / 256;
	if (at16(&p, 2) == 0x6558)
		h->tunnel_offset = p.base + 8 + options;
}

static void tunnel_gre(struct part p, struct dp_headers *h)
{
	need(&p, 4);
	/* 0010 0000 0000 0000: only the key bit, no reserved bit, version 0 */
	if (at(&p, 0) != 32 || at(&p, 1) != 0 || at16(&p, 2) != 0x6558)
		return;
	need(&p, 8);
	h->tunnel = DP_TUNNEL_NVGRE;
	h->tunnel_id = at32(&p, 4) / 256;
	h->tunnel_offset = p.base + 8;
}

static void transport_tcp(struct part p, struct dp_headers *h)
{
	int64_t size;

	h->l4 = DP_L4_TCP;
	need(&p, 20);
	size = at(&p, 12) / 16 * 4;
	stop_if(size < 20, &p);
	need(&p, size);
	h->sport = at16(&p, 0);
	h->dport = at16(&p, 2);
	h->tcp_flags = at(&p, 13);
	h->l4_size = size;
}

static void transport_udp(struct part p, struct dp_headers *h)
{
	int64_t length;

	h->l4 = DP_L4_UDP;
	need(&p, 8);
	length = at16(&p, 4);
	if (length == 0 && p.size >= 65536)
		length = p.size;
	stop_if(length < 8, &p);
	if (h->frag == 0)
		stop_if(length > p.size, &p);
	h->sport = at16(&p, 0);
	h->dport = at16(&p, 2);
	h->l4_size = 8;
	if (h->frag == 0 && h->dport == 4789)
		tunnel_vxlan(inside(p, 8, length - 8, DP_BAD_TUNNEL), h);
	if (h->frag == 0 && h->dport == 6081)
		tunnel_geneve(inside(p, 8, length - 8, DP_BAD_TUNNEL), h);
}

static void transport_typed(struct part p, struct dp_headers *h, enum dp_l4 kind, int64_t size)
{
	h->l4 = kind;
	need(&p, size);
	h->icmp_type = at(&p, 0);
	if (kind != DP_L4_IGMP)
		h->icmp_code = at(&p, 1);
	h->l4_size = size;
}

static void transport_sctp(struct part p, struct dp_headers *h)
{
	h->l4 = DP_L4_SCTP;
	need(&p, 12);
	h->sport = at16(&p, 0);
	h->dport = at16(&p, 2);
	h->l4_size = 12;
}

static void transport(struct part p, struct dp_headers *h)
{
	p.bad = DP_BAD_L4;
	if (h->ip_proto == 6)
		return transport_tcp(p, h);
	if (h->ip_proto == 17)
		return transport_udp(p, h);
	if (h->ip_proto == 132)
		return transport_sctp(p, h);
	if (h->ip_proto == 1 && h->ip_version == 4)
		return transport_typed(p, h, DP_L4_ICMP, 8);
	if (h->ip_proto == 2 && h->ip_version == 4)
		return transport_typed(p, h, DP_L4_IGMP, 8);
	if (h->ip_proto == 58 && h->ip_version == 6)
		return transport_typed(p, h, DP_L4_ICMPV6, 4);
	h->l4 = DP_L4_OTHER;
	if (h->ip_proto == 47 && h->frag == 0)
		tunnel_gre(inside(p, 0, p.size, DP_BAD_TUNNEL), h);
}

static void ipv4(struct part p, struct dp_headers *h)
{
	int64_t size, total, i;

	h->l3 = DP_L3_IPV4;
	p.bad = DP_BAD_IP;
	need(&p, 20);
	size = at(&p, 0) % 16 * 4;
	total = at16(&p, 2);
	stop_if(at(&p, 0) / 16 != 4 || size < 20 || total < size || total > p.size, &p);
	need(&p, size);
	p.size = total;
	h->ip_version = 4;
	h->ip_tos = at(&p, 1);
	h->ip_size = total;
	h->ip_ttl = at(&p, 8);
	h->ip_proto = at(&p, 9);
	h->ip_src = p.base + 12;
	h->ip_dst = p.base + 16;
	h->l3_size = 20;
	h->ip_ext = size > 20 ? 1 : 0;
	p.bad = DP_BAD_IP_OPTION;
	for (i = 20; i < size && at(&p, i) != 0;) {
		int64_t length = 1;

		if (at(&p, i) != 1) {
			stop_if(i + 1 >= size, &p);
			length = at(&p, i + 1);
			stop_if(length < 2 || i + length > size, &p);
		}
		i += length;
	}
	h->l3_size = size;
	if (at16(&p, 6) % 0x2000 != 0)
		h->frag = DP_FRAG_LATER;
	else if (at(&p, 6) & 0x20)
		h->frag = DP_FRAG_FIRST;
	if (h->frag != DP_FRAG_LATER)
		transport(inside(p, size, total - size, DP_BAD_L4), h);
}

/* Checks the TLVs in ext[2..size); the value of a jumbo option, or 0. */
static int64_t options(const struct part *p, int64_t size, bool jumbo_allowed)
{
	int64_t i = 2, n = 0, jumbo = 0;

	while (i < size) {
		stop_if(++n > 40, p);
		if (at(p, i) == 0) {
			i++;
			continue;
		}
		stop_if(i + 2 > size, p);
		stop_if(i + 2 + at(p, i + 1) > size, p);
		if (at(p, i) == 194 && jumbo_allowed) {
			stop_if(jumbo != 0 || i % 4 != 2 || at(p, i + 1) != 4, p);
			jumbo = at32(p, i + 2);
			stop_if(jumbo <= 65535, p);
		}
		i += 2 + at(p, i + 1);
	}
	return jumbo;
}

/* The order of RFC 8200 4.1 as a number; destination options apart. */
static int rank(unsigned bit)
{
	static const unsigned order[] = {DP_EXT_HOP, DP_EXT_ROUTER, DP_EXT_FRAG, DP_EXT_AUTH,
					 DP_EXT_ESP};

	for (int i = 0; i < 5; i++)
		if (order[i] == bit)
			return i;
	return -1;
}

static void saw(unsigned bit, struct dp_headers *h)
{
	unsigned before = h->ip_ext;

	if (before & bit && !(bit == DP_EXT_DEST && before & DP_EXT_ROUTER))
		h->ip_ext |= DP_EXT_UNREP;
	for (unsigned b = 1; b <= DP_EXT_HOP; b <<= 1)
		if (before & b && rank(bit) >= 0 && rank(b) > rank(bit))
			h->ip_ext |= DP_EXT_UNSEQ;
	h->ip_ext |= bit;
}

static unsigned kind_bit(unsigned proto)
{
	static const struct {
		unsigned proto, bit;
	} kinds[] = {{0, DP_EXT_HOP},	 {43, DP_EXT_ROUTER}, {44, DP_EXT_FRAG},
		     {50, DP_EXT_ESP},	 {51, DP_EXT_AUTH},   {59, DP_EXT_NONEXT},
		     {60, DP_EXT_DEST},	 {135, DP_EXT_OTHER}, {139, DP_EXT_OTHER},
		     {140, DP_EXT_OTHER}};

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].proto == proto)
			return kinds[i].bit;
	return 0;
}

/* One extension header at the start of 'p' (the rest of the payload).  Returns its size. */
static int64_t extension(const struct part *p, struct dp_headers *h, bool jumbogram)
{
	int64_t size = at(p, 1) * 8 + 8;

	if (h->ip_proto == 51)
		size = at(p, 1) * 4 + 8;
	if (h->ip_proto == 44)
		size = 8;
	need(p, 8);
	need(p, size);
	if (h->ip_proto == 60)
		options(p, size, false);
	if (h->ip_proto != 44)
		return size;
	stop_if(jumbogram, p);
	if (at16(p, 2) / 8 != 0)
		h->frag = DP_FRAG_LATER;
	else if (at16(p, 2) % 2 != 0)
		h->frag = DP_FRAG_FIRST;
	return size;
}

/* A packet of payload length 0: nothing follows, or a jumbogram's hop-by-hop header.  Returns the
 * true payload length; 'p' is everything behind the fixed header. */
static int64_t jumbo_payload(struct part p, const struct dp_headers *h)
{
	int64_t size, jumbo;

	if (h->ip_proto != 0)
		return 0;
	p.bad = DP_BAD_IP_OPTION;
	need(&p, 8);
	size = at(&p, 1) * 8 + 8;
	need(&p, size);
	jumbo = options(&p, size, true);
	stop_if(jumbo == 0 || jumbo > p.size, &p);
	return jumbo;
}

static void ipv6(struct part p, struct dp_headers *h)
{
	int64_t payload;
	bool jumbogram = false;

	h->l3 = DP_L3_IPV6;
	p.bad = DP_BAD_IP;
	need(&p, 40);
	payload = at16(&p, 4);
	stop_if(at(&p, 0) / 16 != 6 || 40 + payload > p.size, &p);
	h->ip_version = 6;
	h->ip_tos = at16(&p, 0) / 16 % 256;
	h->ip_size = 40 + payload;
	h->ip_ttl = at(&p, 7);
	h->ip_proto = at(&p, 6);
	h->ip_src = p.base + 8;
	h->ip_dst = p.base + 24;
	h->l3_size = 40;
	if (payload == 0) {
		payload = jumbo_payload(inside(p, 40, p.size, DP_BAD_IP_OPTION), h);
		jumbogram = payload != 0;
		h->ip_size = 40 + payload;
	}
	p = inside(p, 40, payload, DP_BAD_IP_OPTION);
	for (int n = 0; kind_bit(h->ip_proto) != 0; n++) {
		unsigned proto = h->ip_proto;
		int64_t size;

		stop_if((proto == 0 && n > 0) || n == 8, &p);
		if (proto == 50 || proto == 59) {
			saw(kind_bit(proto), h);
			break;
		}
		size = extension(&p, h, jumbogram);
		if (proto == 0)
			stop_if(options(&p, size, true) != 0 && !jumbogram, &p);
		saw(kind_bit(proto), h);
		h->ip_proto = at(&p, 0);
		h->l3_size += size;
		p = inside(p, size, p.size, DP_BAD_IP_OPTION);
		if (h->frag == DP_FRAG_LATER)
			return;
	}
	if (h->ip_proto != 59)
		transport(p, h);
}

static void arp(struct part p, struct dp_headers *h)
{
	int64_t size;

	h->l3 = DP_L3_ARP;
	p.bad = DP_BAD_ARP;
	need(&p, 8);
	size = 8 + 2 * at(&p, 4) + 2 * at(&p, 5);
	need(&p, size);
	h->arp_op = at16(&p, 6);
	h->l3_size = size;
	if (at32(&p, 0) == 0x10800 && at16(&p, 4) == 0x604) {
		h->ip_src = p.base + 14;
		h->ip_dst = p.base + 24;
	}
}

static void ethernet(struct part p, struct dp_headers *h)
{
	unsigned type;
	int64_t off = 14;

	p.bad = DP_BAD_ETH;
	need(&p, 14);
	type = at16(&p, 12);
	h->l2_size = 14;
	h->eth_type = type;
	p.bad = DP_BAD_VLAN;
	while ((type == 0x8100 || type == 0x88a8) && h->n_tags != 2) {
		need(&p, off + 4);
		h->tpid[h->n_tags] = type;
		h->tci[h->n_tags] = at16(&p, off);
		h->n_tags++;
		type = at16(&p, off + 2);
		off += 4;
		h->l2_size = off;
		h->eth_type = type;
	}
	if (type < 1536) {
		type = 0x5ff;
		if (p.there >= off + 8 && at32(&p, off) == 0xaaaa0300 && at16(&p, off + 4) == 0 &&
		    at16(&p, off + 6) >= 1536) {
			type = at16(&p, off + 6);
			off += 8;
		}
		h->l2_size = off;
		h->eth_type = type;
	}
	if (type == 0x800)
		ipv4(inside(p, off, p.size, DP_BAD_IP), h);
	else if (type == 0x86dd)
		ipv6(inside(p, off, p.size, DP_BAD_IP), h);
	else if (type == 0x806)
		arp(inside(p, off, p.size, DP_BAD_ARP), h);
	else
		h->l3 = type == 0x5ff ? DP_L3_NONE : DP_L3_OTHER;
}

void oracle_parse(const uint8_t *frame, uint32_t size, uint32_t frame_size, struct dp_headers *ret)
{
	jmp_buf stop;
	struct part p = {frame, 0, frame_size, size, &stop, DP_BAD_NONE};
	int bad;

	memset(ret, 0, sizeof(*ret));
	bad = setjmp(stop);
	if (bad == 0)
		ethernet(p, ret);
	ret->bad = bad;
}

int oracle_differs(const struct dp_headers *a, const struct dp_headers *b, char *text, size_t size)
{
	int n = 0;

	text[0] = '\0';
#define FIELD(f)                                                                                   \
	if (a->f != b->f && (size_t)n < size)                                                      \
		n += snprintf(text + n, size - n, #f " %u|%u ", (unsigned)a->f, (unsigned)b->f);
	FIELD(eth_type)
	FIELD(n_tags)
	FIELD(bad)
	FIELD(tci[0])
	FIELD(tci[1])
	FIELD(tpid[0])
	FIELD(tpid[1])
	FIELD(l3)
	FIELD(l4)
	FIELD(ip_proto)
	FIELD(ip_tos)
	FIELD(ip_ttl)
	FIELD(frag)
	FIELD(tcp_flags)
	FIELD(tunnel)
	FIELD(icmp_type)
	FIELD(icmp_code)
	FIELD(ip_version)
	FIELD(ip_ext)
	FIELD(arp_op)
	FIELD(l2_size)
	FIELD(l3_size)
	FIELD(l4_size)
	FIELD(sport)
	FIELD(dport)
	FIELD(tunnel_offset)
	FIELD(tunnel_id)
	FIELD(ip_size)
	FIELD(ip_src)
	FIELD(ip_dst)
#undef FIELD
	return n;
}

/* A receiver */

static uint64_t pseudo(const uint8_t *frame, const struct dp_headers *h, uint32_t size)
{
	uint64_t sum = (uint64_t)h->ip_proto + (size >> 16) + (size & 0xffff);

	return pkt_sum(frame + h->ip_src, h->ip_version == 4 ? 8 : 32, sum);
}

static const char *receive_transport(const uint8_t *frame, const struct dp_headers *h)
{
	const uint8_t *l4 = frame + h->l2_size + h->l3_size;
	uint32_t size = h->ip_size - h->l3_size, crc;

	switch (h->l4) {
	case DP_L4_UDP:
		if (pkt_get16(l4, 4) != size)
			return "UDP length is not the payload's";
		if (pkt_get16(l4, 6) == 0)
			return h->ip_version == 4 ? NULL : "UDP over IPv6 without checksum";
		return pkt_fold(pkt_sum(l4, size, pseudo(frame, h, size))) == 0xffff
			       ? NULL
			       : "UDP checksum";
	case DP_L4_TCP:
		return pkt_fold(pkt_sum(l4, size, pseudo(frame, h, size))) == 0xffff
			       ? NULL
			       : "TCP checksum";
	case DP_L4_ICMPV6:
		return pkt_fold(pkt_sum(l4, size, pseudo(frame, h, size))) == 0xffff
			       ? NULL
			       : "ICMPv6 checksum";
	case DP_L4_ICMP:
	case DP_L4_IGMP:
		return pkt_fold(pkt_sum(l4, size, 0)) == 0xffff ? NULL : "ICMP or IGMP checksum";
	case DP_L4_SCTP: {
		uint8_t copy[12];
		static uint8_t whole[PKT_MAX];

		memcpy(copy, l4, 12);
		memset(copy + 8, 0, 4);
		memcpy(whole, copy, 12);
		memcpy(whole + 12, l4 + 12, size - 12);
		crc = pkt_crc32c(whole, size);
		return __builtin_bswap32(crc) == pkt_get32(l4, 8) ? NULL : "SCTP checksum";
	}
	default:
		return NULL;
	}
}

const char *oracle_receive(const uint8_t *frame, uint32_t size)
{
	struct dp_headers h;

	oracle_parse(frame, size, size, &h);
	if (h.bad != DP_BAD_NONE)
		return "malformed headers";
	if (h.ip_version == 0)
		return NULL;
	if (h.l2_size + h.ip_size != size && (size > 60 || h.l2_size + h.ip_size > size))
		return "IP length is not the frame's";
	if (h.ip_version == 4 && pkt_fold(pkt_sum(frame + h.l2_size, h.l3_size, 0)) != 0xffff)
		return "IPv4 header checksum";
	if (h.frag != 0)
		return NULL;
	return receive_transport(frame, &h);
}

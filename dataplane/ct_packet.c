/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a frame to what the tracker wants to know of it; see ct_priv.h.
 *
 * An end of a connection is its address and port; ends are ordered as numbers, in the byte order
 * they have in memory.  ICMP queries have ports of their own making: who asks has the identifier,
 * who answers the type of the question, so that two hosts that ping each other under one identifier
 * have two connections.
 *
 * Errors (RFC 792, 4443) are known by the packet they quote, of which 8 bytes behind the IP header
 * are there at least, and must be sent to its sender.
 */
#include "dataplane/ct_priv.h"
#include "dataplane/key_priv.h"

#include <string.h>

#include "dataplane/key.h"

#define PROTO_ICMP     1
#define PROTO_TCP      6
#define PROTO_UDP      17
#define PROTO_ICMPV6   58
#define PROTO_SCTP     132
#define PROTO_UDPLITE  136
#define TCP_OPT_SCALE  3
#define MAX_SCALE      14
#define MAX_QUOTED_EXT 6

/* Two ends as they came, to be put in order. */
struct ends {
	const uint8_t *src, *dst;
	uint16_t sport, dport; /* as in memory */
	uint8_t proto;
	bool v6;
};

static void key_v4(const struct ends *e, struct dp_ct_packet *p)
{
	uint64_t from, to;
	uint32_t src, dst;

	memcpy(&src, e->src, sizeof(src));
	memcpy(&dst, e->dst, sizeof(dst));
	from = (uint64_t)src << 16 | e->sport;
	to = (uint64_t)dst << 16 | e->dport;
	p->swapped = from > to;
	p->key[0] = (p->swapped ? to : from) | (uint64_t)e->proto << 48;
	p->key[1] = p->swapped ? from : to;
}

static void key_v6(const struct ends *e, struct dp_ct_packet *p)
{
	int order = memcmp(e->src, e->dst, 16);

	p->swapped = order > 0 || (order == 0 && e->sport > e->dport);
	p->key[0] = (uint64_t)(p->swapped ? e->dport : e->sport) |
		    (uint64_t)(p->swapped ? e->sport : e->dport) << 16 | (uint64_t)e->proto << 48 |
		    DP_CT_KEY_V6;
	memcpy(&p->key[2], p->swapped ? e->dst : e->src, 16);
	memcpy(&p->key[4], p->swapped ? e->src : e->dst, 16);
}

static void key_of(const struct ends *e, struct dp_ct_packet *p)
{
	memset(p->key, 0, sizeof(p->key));
	p->v6 = e->v6;
	if (e->v6)
		key_v6(e, p);
	else
		key_v4(e, p);
}

void dp_ct_key_of(const uint8_t *src, const uint8_t *dst, uint16_t sport, uint16_t dport,
		  uint8_t proto, bool v6, struct dp_ct_packet *p)
{
	const struct ends e = {src, dst, sport, dport, proto, v6};

	key_of(&e, p);
}

/* ---- ICMP ---- */

/* The type of the question that 'type' is or answers; 0: neither. */
static uint8_t query_of(bool v6, uint8_t type, bool *ret_reply)
{
	static const uint8_t v4[][2] = {{8, 0}, {13, 14}, {15, 16}, {17, 18}};

	if (v6) {
		*ret_reply = type == 129;
		return type == 128 || type == 129 ? 128 : 0;
	}
	for (size_t i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		if (type != v4[i][0] && type != v4[i][1])
			continue;
		*ret_reply = type == v4[i][1];
		return v4[i][0];
	}
	return 0;
}

static bool is_error(bool v6, uint8_t type)
{
	if (v6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Ports of an ICMP query; false when it is none. */
static bool query_ports(const uint8_t *icmp, struct ends *e, bool *ret_reply)
{
	uint8_t query = query_of(e->v6, icmp[0], ret_reply);
	uint16_t id = dp_key_load16(icmp + 4);

	if (query == 0)
		return false;
	e->sport = *ret_reply ? query : id;
	e->dport = *ret_reply ? id : query;
	return true;
}

/* ---- What an error quotes ---- */

static bool quoted_v4(const uint8_t *ip, uint32_t size, struct ends *e, uint32_t *ret_l4)
{
	uint32_t head;

	if (size < 20 || ip[0] >> 4 != 4)
		return false;
	head = (ip[0] & 0xfu) * 4;
	if (head < 20 || (dp_load_be16(ip + 6) & 0x1fff) != 0)
		return false;
	*e = (struct ends){.src = ip + 12, .dst = ip + 16, .proto = ip[9]};
	*ret_l4 = head;
	return true;
}

static bool quoted_v6(const uint8_t *ip, uint32_t size, struct ends *e, uint32_t *ret_l4)
{
	uint32_t at = 40;
	uint8_t next;

	if (size < 40 || ip[0] >> 4 != 6)
		return false;
	next = ip[6];
	for (unsigned n = 0;
	     n < MAX_QUOTED_EXT && (next == 0 || next == 43 || next == 44 || next == 60); n++) {
		if (size - at < 8)
			return false;
		if (next == 44 && (dp_load_be16(ip + at + 2) & 0xfff8) != 0)
			return false;
		next = ip[at];
		at += next == 44 ? 8 : (ip[at + 1] + 1u) * 8;
		if (at > size)
			return false;
	}
	*e = (struct ends){.src = ip + 8, .dst = ip + 24, .proto = next, .v6 = true};
	*ret_l4 = at;
	return true;
}

bool dp_ct_quoted(const uint8_t *ip, uint32_t size, bool v6, struct dp_ct_quote *ret)
{
	struct ends e;
	uint32_t l4;
	bool reply;

	if (!(v6 ? quoted_v6(ip, size, &e, &l4) : quoted_v4(ip, size, &e, &l4)))
		return false;
	if (l4 > size || size - l4 < 8)
		return false;
	if (e.proto == (v6 ? PROTO_ICMPV6 : PROTO_ICMP)) {
		if (!query_ports(ip + l4, &e, &reply))
			return false;
	} else if (e.proto == PROTO_TCP || e.proto == PROTO_UDP || e.proto == PROTO_SCTP ||
		   e.proto == PROTO_UDPLITE) {
		e.sport = dp_key_load16(ip + l4);
		e.dport = dp_key_load16(ip + l4 + 2);
	}
	ret->src = (uint16_t)(e.src - ip);
	ret->dst = (uint16_t)(e.dst - ip);
	ret->l4 = (uint16_t)l4;
	ret->sport = e.sport;
	ret->dport = e.dport;
	ret->proto = e.proto;
	return true;
}

static void from_error(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		       struct dp_ct_packet *p)
{
	uint32_t at = (uint32_t)h->l2_size + h->l3_size + 8;
	uint32_t end = h->l2_size + h->ip_size;
	bool v6 = h->ip_version == 6;
	struct dp_ct_quote q;
	struct ends e;

	if (end > size)
		end = size;
	if (at > end || !dp_ct_quoted(frame + at, end - at, v6, &q))
		return;
	/* The quoted sender is whom it is sent to. */
	if (memcmp(frame + at + q.src, frame + h->ip_dst, v6 ? 16 : 4) != 0)
		return;
	e = (struct ends){frame + at + q.src, frame + at + q.dst, q.sport, q.dport, q.proto, v6};
	key_of(&e, p);
	p->kind = DP_CT_K_ERROR;
}

/* ---- Transports ---- */

static uint8_t scale_option(const uint8_t *tcp, uint32_t size)
{
	for (uint32_t at = 20; at < size && tcp[at] != 0;) {
		if (tcp[at] == 1) {
			at++;
			continue;
		}
		if (size - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > size - at)
			return 0;
		if (tcp[at] == TCP_OPT_SCALE && tcp[at + 1] == 3)
			return (uint8_t)((tcp[at + 2] < MAX_SCALE ? tcp[at + 2] : MAX_SCALE) + 1);
		at += tcp[at + 1];
	}
	return 0;
}

static inline void from_tcp(const uint8_t *tcp, uint32_t head, uint32_t l4_size,
			    struct dp_ct_packet *p)
{
	p->kind = DP_CT_K_TCP;
	p->tcp_flags = tcp[13] & 0x3f;
	p->tcp_seq = dp_load_be32(tcp + 4);
	p->tcp_ack = dp_load_be32(tcp + 8);
	p->tcp_window = dp_load_be16(tcp + 14);
	p->tcp_size = l4_size - head + (p->tcp_flags >> 1 & 1) + (p->tcp_flags & 1);
	p->tcp_scale = unlikely((p->tcp_flags & 2) != 0) ? scale_option(tcp, head) : 0;
}

static void from_icmp(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		      struct ends *e, struct dp_ct_packet *p)
{
	const uint8_t *icmp = frame + h->l2_size + h->l3_size;
	bool reply = false;

	if (is_error(e->v6, h->icmp_type)) {
		from_error(frame, size, h, p);
		return;
	}
	/* The parser's four bytes of ICMPv6 are not enough for an identifier. */
	if (h->ip_size < h->l3_size + 8u || size < h->l2_size + h->l3_size + 8u ||
	    !query_ports(icmp, e, &reply))
		return;
	key_of(e, p);
	p->kind = reply ? DP_CT_K_ICMP_REPLY : DP_CT_K_ICMP_QUERY;
}

/* 'l4_size': bytes of transport header and payload. */
static void describe(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		     uint32_t l4_size, struct dp_ct_packet *p)
{
	uint32_t l4 = (uint32_t)h->l2_size + h->l3_size;
	struct ends e = {.proto = h->ip_proto, .v6 = h->ip_version == 6};

	if (h->ip_src == 0 || h->ip_version == 0 || l4_size < h->l4_size ||
	    (h->bad != DP_BAD_NONE && h->bad != DP_BAD_TUNNEL))
		return;
	e.src = frame + h->ip_src;
	e.dst = frame + h->ip_dst;
	if (h->l4 == DP_L4_ICMP || h->l4 == DP_L4_ICMPV6) {
		from_icmp(frame, size, h, &e, p);
		return;
	}
	if (h->l4 == DP_L4_TCP || h->l4 == DP_L4_UDP || h->l4 == DP_L4_SCTP) {
		e.sport = dp_key_load16(frame + l4);
		e.dport = dp_key_load16(frame + l4 + 2);
	}
	key_of(&e, p);
	if (h->l4 == DP_L4_TCP)
		from_tcp(frame + l4, h->l4_size, l4_size, p);
	else
		p->kind = h->l4 == DP_L4_UDP ? DP_CT_K_UDP : DP_CT_K_OTHER;
}

void dp_ct_packet(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		  struct dp_ct_packet *p)
{
	memset(p, 0, sizeof(*p));
	p->kind = DP_CT_K_INVALID;
	if (h->frag == 0)
		describe(frame, size, h, h->ip_size - h->l3_size, p);
}

void dp_ct_packet_first(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
			uint32_t l4_size, struct dp_ct_packet *p)
{
	memset(p, 0, sizeof(*p));
	p->kind = DP_CT_K_INVALID;
	if (h->frag == DP_FRAG_FIRST)
		describe(frame, size, h, l4_size, p);
}

void dp_ct_packet_later(const uint8_t *frame, const struct dp_headers *h,
			const struct dp_ct_packet *whole, const uint16_t ports[2],
			struct dp_ct_packet *p)
{
	struct ends e = {.sport = ports[0],
			 .dport = ports[1],
			 .proto = DP_CT_PROTO(whole->key),
			 .v6 = whole->v6};

	*p = *whole;
	if (h->ip_src == 0 || (h->ip_version == 6) != whole->v6) {
		p->kind = DP_CT_K_INVALID;
		return;
	}
	/* What an error is about stays. */
	if (p->kind == DP_CT_K_INVALID || p->kind == DP_CT_K_ERROR)
		return;
	e.src = frame + h->ip_src;
	e.dst = frame + h->ip_dst;
	key_of(&e, p);
}

void dp_ct_packet_plain(const uint64_t key[4], const uint8_t *frame, struct dp_ct_packet *p)
{
	uint64_t from = (key[3] & UINT32_MAX) << 16 | (key[2] >> 32 & 0xffff);
	uint64_t to = key[3] >> 32 << 16 | key[2] >> 48;
	uint8_t proto = (uint8_t)(key[2] >> 16);

	p->swapped = from > to;
	p->v6 = false;
	p->key[0] = (p->swapped ? to : from) | (uint64_t)proto << 48;
	p->key[1] = p->swapped ? from : to;
	p->key[2] = p->key[3] = p->key[4] = p->key[5] = 0;
	if (proto == PROTO_TCP) {
		const uint8_t *ip = frame + (key[1] >> 48 != 0 ? 18 : 14);

		from_tcp(ip + 20, (ip[32] >> 4) * 4u, dp_load_be16(ip + 2) - 20u, p);
	} else {
		p->kind = DP_CT_K_UDP;
	}
}

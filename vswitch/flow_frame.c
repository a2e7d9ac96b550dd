/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flow_frame.h.
 *
 * Sources: IEEE 802.1Q-2018, 802.1ah (I-TAG), RFC 826, 791, 8200, 4861 (4.3, 4.4), 9293, 768, 3032.
 */
#include "vswitch/flow_frame.h"

#include <string.h>

#define LEAST	   60u
#define EXPERIMENT 0x88b5u /* IEEE 802: local experiments */
#define PROTO_TEST 253u	   /* RFC 3692 */

struct want {
	struct dp_key key; /* all of it, filled up with defaults */
	struct dp_key mask;
	uint8_t ttl;
	struct wr *wr;
};

/* What is asked where it is asked, else 'other'. */
static uint64_t get(const struct want *w, enum dp_field field, uint64_t other)
{
	uint64_t mask = dp_key_get(&w->mask, field);

	return (dp_key_get(&w->key, field) & mask) | (other & ~mask);
}

static bool asked(const struct want *w, enum dp_field field)
{
	return dp_key_get(&w->mask, field) != 0;
}

static void put_wide(struct want *w, enum dp_field field, const uint8_t *other)
{
	uint8_t value[16], mask[16];
	size_t size = (dp_fields[field].bits + 7u) / 8;

	dp_key_get_bytes(&w->key, field, value);
	dp_key_get_bytes(&w->mask, field, mask);
	for (size_t i = 0; i < size; i++)
		value[i] = (uint8_t)((value[i] & mask[i]) | (other[i] & ~mask[i]));
	wr_bytes(w->wr, value, size);
}

static uint64_t ones_sum(const uint8_t *b, size_t size, uint64_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 == 0 ? (uint64_t)b[i] << 8 : b[i];
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* ---- Layer 4 ---- */

static void put_tcp(struct want *w)
{
	wr_be16(w->wr, (uint16_t)get(w, DP_FIELD_TP_SRC, 49152));
	wr_be16(w->wr, (uint16_t)get(w, DP_FIELD_TP_DST, 49153));
	wr_zeros(w->wr, 8);
	wr_be16(w->wr, (uint16_t)(5u << 12 | get(w, DP_FIELD_TCP_FLAGS, 0x002)));
	wr_be16(w->wr, 65535);
	wr_zeros(w->wr, 4);
}

static void put_udp(struct want *w)
{
	wr_be16(w->wr, (uint16_t)get(w, DP_FIELD_TP_SRC, 49152));
	wr_be16(w->wr, (uint16_t)get(w, DP_FIELD_TP_DST, 49153));
	wr_be16(w->wr, 8 + 8);
	wr_zeros(w->wr, 2 + 8);
}

static void put_sctp(struct want *w)
{
	wr_be16(w->wr, (uint16_t)get(w, DP_FIELD_TP_SRC, 49152));
	wr_be16(w->wr, (uint16_t)get(w, DP_FIELD_TP_DST, 49153));
	wr_zeros(w->wr, 8);
}

static void put_icmp(struct want *w, uint8_t request)
{
	uint8_t type = (uint8_t)get(w, DP_FIELD_TP_SRC, request);
	static const uint8_t target[16] = {0xfd, [15] = 2}, sll[6] = {2, [5] = 1},
			     tll[6] = {2, [5] = 2};

	wr_u8(w->wr, type);
	wr_u8(w->wr, (uint8_t)get(w, DP_FIELD_TP_DST, 0));
	wr_zeros(w->wr, 6);
	if (request != 128 || (type != 135 && type != 136)) {
		wr_zeros(w->wr, 8);
		return;
	}
	/* Neighbour discovery: the target, and one option. */
	put_wide(w, DP_FIELD_ND_TARGET, target);
	wr_u8(w->wr, type == 135 ? 1 : 2);
	wr_u8(w->wr, 1);
	put_wide(w, type == 135 ? DP_FIELD_ARP_SHA : DP_FIELD_ARP_THA, type == 135 ? sll : tll);
}

static void put_l4(struct want *w, uint8_t proto)
{
	switch (proto) {
	case 6:
		put_tcp(w);
		break;
	case 17:
		put_udp(w);
		break;
	case 132:
		put_sctp(w);
		break;
	case 1:
		put_icmp(w, 8);
		break;
	case 58:
		put_icmp(w, 128);
		break;
	default:
		wr_zeros(w->wr, 8);
		break;
	}
}

/* Checksum of what lies from 'l4' on; 'pseudo' is the sum over addresses. */
static void sum_l4(struct want *w, size_t l4, uint8_t proto, uint64_t pseudo)
{
	size_t size = w->wr->size - l4, at = proto == 6			 ? 16
					     : proto == 17		 ? 6
					     : proto == 1 || proto == 58 ? 2
									 : 0;
	uint16_t sum;

	if (at == 0 || !wr_ok(w->wr))
		return;
	pseudo = proto == 1 ? 0 : pseudo + proto + size;
	sum = fold(ones_sum(w->wr->bytes + l4, size, pseudo));
	wr_set_be16(w->wr, l4 + at, proto == 17 && sum == 0 ? 0xffff : sum);
}

/* ---- Layer 3 ---- */

static uint8_t tos(const struct want *w)
{
	return (uint8_t)(get(w, DP_FIELD_IP_DSCP, 0) << 2 | get(w, DP_FIELD_IP_ECN, 0));
}

static uint64_t frag(const struct want *w)
{
	uint64_t frag = get(w, DP_FIELD_IP_FRAG, 0);

	return (frag & DP_KEY_FRAG_LATER) != 0 ? 3 : frag & DP_KEY_FRAG_ANY;
}

static void put_ipv4(struct want *w)
{
	uint8_t proto = (uint8_t)get(w, DP_FIELD_IP_PROTO, PROTO_TEST);
	size_t from = w->wr->size;

	wr_u8(w->wr, 0x45);
	wr_u8(w->wr, tos(w));
	wr_be16(w->wr, 0);
	wr_be16(w->wr, 1);
	/* The first of several, or one that starts at byte 1480. */
	wr_be16(w->wr, frag(w) == 3 ? 185 : frag(w) == 1 ? 0x2000 : 0);
	wr_u8(w->wr, w->ttl);
	wr_u8(w->wr, proto);
	wr_be16(w->wr, 0);
	wr_be32(w->wr, (uint32_t)get(w, DP_FIELD_IP4_SRC, 0x0a000001));
	wr_be32(w->wr, (uint32_t)get(w, DP_FIELD_IP4_DST, 0x0a000002));
	put_l4(w, frag(w) == 3 ? 0 : proto);
	if (!wr_ok(w->wr))
		return;
	wr_set_be16(w->wr, from + 2, (uint16_t)(w->wr->size - from));
	wr_set_be16(w->wr, from + 10, fold(ones_sum(w->wr->bytes + from, 20, 0)));
	if (frag(w) == 0)
		sum_l4(w, from + 20, proto, ones_sum(w->wr->bytes + from + 12, 8, 0));
}

/* Extension headers in the order of RFC 8200, 4.1. */
static const struct {
	uint16_t bit;
	uint8_t number, size;
} extensions[] = {
	{DP_EXT_HOP, 0, 8},    {DP_EXT_ROUTER, 43, 8}, {DP_EXT_FRAG, 44, 8},
	{DP_EXT_AUTH, 51, 16}, {DP_EXT_DEST, 60, 8},
};
#define N_EXTENSIONS (sizeof(extensions) / sizeof(extensions[0]))

static void put_extension(struct want *w, unsigned i, uint8_t next)
{
	wr_u8(w->wr, next);
	switch (extensions[i].number) {
	case 44:
		wr_u8(w->wr, 0);
		wr_be16(w->wr, frag(w) == 3 ? 1480 : frag(w) == 1 ? 1 : 0);
		wr_be32(w->wr, 1);
		break;
	case 51:
		wr_u8(w->wr, 2); /* words, less two */
		wr_zeros(w->wr, 14);
		break;
	case 43:
		wr_zeros(w->wr, 7);
		break;
	default:
		wr_u8(w->wr, 0);
		wr_u8(w->wr, 1); /* PadN over the rest */
		wr_u8(w->wr, 4);
		wr_zeros(w->wr, 4);
		break;
	}
}

static void put_ipv6(struct want *w)
{
	static const uint8_t src[16] = {0xfd, [15] = 1}, dst[16] = {0xfd, [15] = 2};
	uint64_t ext = get(w, DP_FIELD_IPV6_EXTHDR, 0);
	uint8_t proto, next[N_EXTENSIONS + 1];
	size_t from = w->wr->size, l4;

	if (frag(w) != 0)
		ext |= DP_EXT_FRAG;
	proto = (uint8_t)get(w, DP_FIELD_IP_PROTO,
			     (ext & DP_EXT_NONEXT) != 0 ? 59
			     : (ext & DP_EXT_ESP) != 0	? 50
							: PROTO_TEST);
	next[N_EXTENSIONS] = proto;
	for (unsigned i = N_EXTENSIONS; i-- > 0;)
		next[i] = (ext & extensions[i].bit) != 0 ? extensions[i].number : next[i + 1];
	wr_be32(w->wr,
		6u << 28 | (uint32_t)tos(w) << 20 | (uint32_t)get(w, DP_FIELD_IPV6_FLABEL, 0));
	wr_be16(w->wr, 0);
	wr_u8(w->wr, next[0]);
	wr_u8(w->wr, w->ttl);
	put_wide(w, DP_FIELD_IP6_SRC, src);
	put_wide(w, DP_FIELD_IP6_DST, dst);
	for (unsigned i = 0; i < N_EXTENSIONS; i++)
		if ((ext & extensions[i].bit) != 0)
			put_extension(w, i, next[i + 1]);
	l4 = w->wr->size;
	put_l4(w, frag(w) == 3 ? 0 : proto);
	if (!wr_ok(w->wr))
		return;
	wr_set_be16(w->wr, from + 4, (uint16_t)(w->wr->size - from - 40));
	if (frag(w) == 0)
		sum_l4(w, l4, proto, ones_sum(w->wr->bytes + from + 8, 32, 0));
}

static void put_arp(struct want *w)
{
	static const uint8_t sha[6] = {2, [5] = 1}, tha[6] = {0};

	wr_be16(w->wr, 1);
	wr_be16(w->wr, 0x0800);
	wr_u8(w->wr, 6);
	wr_u8(w->wr, 4);
	wr_be16(w->wr, (uint16_t)get(w, DP_FIELD_TP_SRC, 1));
	put_wide(w, DP_FIELD_ARP_SHA, sha);
	wr_be32(w->wr, (uint32_t)get(w, DP_FIELD_IP4_SRC, 0x0a000001));
	put_wide(w, DP_FIELD_ARP_THA, tha);
	wr_be32(w->wr, (uint32_t)get(w, DP_FIELD_IP4_DST, 0x0a000002));
}

static void put_mpls(struct want *w)
{
	uint64_t bos = get(w, DP_FIELD_MPLS_BOS, 1);

	wr_be32(w->wr, (uint32_t)(get(w, DP_FIELD_MPLS_LABEL, 16) << 12 |
				  get(w, DP_FIELD_MPLS_TC, 0) << 9 | bos << 8 | w->ttl));
	if (bos == 0)
		wr_be32(w->wr, 16u << 12 | 1u << 8 | w->ttl);
	put_ipv4(w);
}

static void put_pbb(struct want *w)
{
	static const uint8_t dst[6] = {2, [5] = 4}, src[6] = {2, [5] = 3};

	wr_be32(w->wr,
		(uint32_t)(get(w, DP_FIELD_PBB_UCA, 0) << 27 | get(w, DP_FIELD_PBB_ISID, 1)));
	wr_bytes(w->wr, dst, 6);
	wr_bytes(w->wr, src, 6);
	wr_be16(w->wr, EXPERIMENT);
}

/* ---- Layer 2 ---- */

static void put_l3(struct want *w, uint16_t type)
{
	switch (type) {
	case 0x0800:
		put_ipv4(w);
		break;
	case 0x86dd:
		put_ipv6(w);
		break;
	case 0x0806:
		put_arp(w);
		break;
	case 0x8847:
	case 0x8848:
		put_mpls(w);
		break;
	case 0x88e7:
		put_pbb(w);
		break;
	default:
		break;
	}
}

static void put_frame(struct want *w)
{
	static const uint8_t dst[6] = {2, [5] = 2}, src[6] = {2, [5] = 1};
	uint16_t type = (uint16_t)get(w, DP_FIELD_ETH_TYPE, EXPERIMENT);
	uint16_t vid = (uint16_t)get(w, DP_FIELD_VLAN_VID, 0);
	bool tagged = asked(w, DP_FIELD_VLAN_PCP) || (vid & DP_VLAN_PRESENT) != 0;

	put_wide(w, DP_FIELD_ETH_DST, dst);
	put_wide(w, DP_FIELD_ETH_SRC, src);
	if (tagged) {
		wr_be16(w->wr, 0x8100);
		wr_be16(w->wr, (uint16_t)(get(w, DP_FIELD_VLAN_PCP, 0) << 13 | (vid & 0xfff)));
	}
	/* Without an EtherType there is a length in its place. */
	wr_be16(w->wr, type == DP_ETH_TYPE_LLC ? 46 : type);
	put_l3(w, type);
	if (w->wr->size < LEAST + (tagged ? 4 : 0))
		wr_zeros(w->wr, LEAST + (tagged ? 4 : 0) - w->wr->size);
}

/* The first field of which the frame has not what was asked. */
static enum dp_field unmet(const struct want *w)
{
	struct dp_headers h;
	struct dp_key got, cover;

	if (!wr_ok(w->wr))
		return DP_N_FIELDS;
	dp_parse(w->wr->bytes, (uint32_t)w->wr->size, &h);
	dp_key_extract(w->wr->bytes, (uint32_t)w->wr->size, &h, 0, &got);
	for (unsigned f = 0; f < DP_N_FIELDS; f++) {
		if (f == DP_FIELD_IN_PORT)
			continue;
		memset(&cover, 0, sizeof(cover));
		dp_key_cover(&cover, (enum dp_field)f);
		for (unsigned i = 0; i < DP_KEY_WORDS; i++)
			if (((got.w[i] ^ w->key.w[i]) & w->mask.w[i] & cover.w[i]) != 0)
				return (enum dp_field)f;
	}
	return DP_N_FIELDS;
}

enum dp_field vs_flow_frame(const struct dp_key *key, const struct dp_key *mask, uint8_t ttl,
			    struct wr *wr)
{
	struct want w = {.key = *key, .mask = *mask, .ttl = ttl, .wr = wr};

	put_frame(&w);
	return unmet(&w);
}

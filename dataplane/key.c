/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow key; see key.h.
 */
#include "dataplane/key.h"

#include <string.h>

#include "dataplane/key_priv.h"

#define ICMPV6_SOLICIT	 135
#define ICMPV6_ADVERTISE 136
#define ND_TARGET_OFFSET 8u
#define ND_OPT_OFFSET	 24u
#define ND_OPT_SLL	 1
#define ND_OPT_TLL	 2
#define ND_OPT_SIZE	 8u /* of a link-layer address that is Ethernet's */
#define TCI_DEI		 0x1000u

static_assert(sizeof(struct dp_key) == DP_KEY_SIZE, "no padding");

/* clang-format off */
const struct dp_field_desc dp_fields[DP_N_FIELDS] = {
#define X(name, offset, size, bits, shift) \
	[DP_FIELD_##name] = {#name, offset, size, bits, shift},
	DP_FIELDS(X)
#undef X
};
/* clang-format on */

static uint64_t load_be(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v = v << 8 | p[i];
	return v;
}

static void store_be(uint8_t *p, unsigned size, uint64_t v)
{
	for (unsigned i = size; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
}

static uint64_t ones(unsigned bits)
{
	return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

uint64_t dp_key_get(const struct dp_key *key, enum dp_field field)
{
	const struct dp_field_desc *f = &dp_fields[field];

	assert(f->bits <= 64);
	return load_be(key->b + f->offset, f->size) >> f->shift & ones(f->bits);
}

void dp_key_set(struct dp_key *key, enum dp_field field, uint64_t value)
{
	const struct dp_field_desc *f = &dp_fields[field];
	uint64_t mask, old;

	assert(f->bits <= 64);
	mask = ones(f->bits) << f->shift;
	old = load_be(key->b + f->offset, f->size);
	store_be(key->b + f->offset, f->size, (old & ~mask) | (value << f->shift & mask));
}

void dp_key_get_bytes(const struct dp_key *key, enum dp_field field, uint8_t *ret)
{
	const struct dp_field_desc *f = &dp_fields[field];

	if (f->bits > 64)
		memcpy(ret, key->b + f->offset, f->size);
	else
		store_be(ret, (f->bits + 7u) / 8, dp_key_get(key, field));
}

void dp_key_set_bytes(struct dp_key *key, enum dp_field field, const uint8_t *value)
{
	const struct dp_field_desc *f = &dp_fields[field];

	if (f->bits > 64)
		memcpy(key->b + f->offset, value, f->size);
	else
		dp_key_set(key, field, load_be(value, (f->bits + 7u) / 8));
}

void dp_key_cover(struct dp_key *mask, enum dp_field field)
{
	const struct dp_field_desc *f = &dp_fields[field];

	if (f->bits > 64)
		memset(mask->b + f->offset, 0xff, f->size);
	else
		dp_key_set(mask, field, UINT64_MAX);
}

/* Options of both kinds are looked for at most DP_MAX_IP_OPTIONS steps far; a length of 0 is
 * malformed (RFC 4861 4.6) and ends the walk. */
static uint32_t nd_option(const uint8_t *frame, uint32_t off, uint32_t end, uint8_t type)
{
	for (unsigned n = 0; n < DP_MAX_IP_OPTIONS && off < end && end - off >= ND_OPT_SIZE; n++) {
		uint32_t size = frame[off + 1] * ND_OPT_SIZE;

		if (size == 0 || size > end - off)
			return 0;
		if (frame[off] == type)
			return size == ND_OPT_SIZE ? off + 2 : 0;
		off += size;
	}
	return 0;
}

void dp_nd_find(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		struct dp_nd *ret_nd)
{
	uint32_t l4 = (uint32_t)h->l2_size + h->l3_size, end = h->l2_size + h->ip_size;

	*ret_nd = (struct dp_nd){0};
	if (h->l4 != DP_L4_ICMPV6 || h->l4_size == 0 ||
	    (h->icmp_type != ICMPV6_SOLICIT && h->icmp_type != ICMPV6_ADVERTISE))
		return;
	if (end > size)
		end = size;
	if (end - l4 < ND_OPT_OFFSET)
		return;
	ret_nd->target = l4 + ND_TARGET_OFFSET;
	if (h->icmp_type == ICMPV6_SOLICIT)
		ret_nd->sll = nd_option(frame, l4 + ND_OPT_OFFSET, end, ND_OPT_SLL);
	else
		ret_nd->tll = nd_option(frame, l4 + ND_OPT_OFFSET, end, ND_OPT_TLL);
}

static void put16(struct dp_key *key, enum dp_field field, uint16_t value)
{
	dp_store_be16(key->b + dp_fields[field].offset, value);
}

/* As many bytes of the frame as the field's place has. */
static void put(struct dp_key *key, enum dp_field field, const uint8_t *from)
{
	memcpy(key->b + dp_fields[field].offset, from, dp_fields[field].size);
}

static void extract_l2(const uint8_t *frame, const struct dp_headers *h, struct dp_key *key)
{
	put(key, DP_FIELD_ETH_DST, frame);
	put(key, DP_FIELD_ETH_SRC, frame + 6);
	put16(key, DP_FIELD_ETH_TYPE, h->eth_type);
	if (h->n_tags > 0)
		put16(key, DP_FIELD_VLAN_VID, (h->tci[0] & ~TCI_DEI) | DP_VLAN_PRESENT);
	if (h->n_tags > 1)
		put16(key, DP_FIELD_INNER_TCI, (h->tci[1] & ~TCI_DEI) | DP_VLAN_PRESENT);
}

static void extract_arp(const uint8_t *frame, const struct dp_headers *h, struct dp_key *key)
{
	put16(key, DP_FIELD_TP_SRC, h->arp_op);
	if (h->ip_src == 0)
		return;
	put(key, DP_FIELD_IP4_SRC, frame + h->ip_src);
	put(key, DP_FIELD_IP4_DST, frame + h->ip_dst);
	put(key, DP_FIELD_ARP_SHA, frame + h->l2_size + DP_ARP_SHA_OFFSET);
	put(key, DP_FIELD_ARP_THA, frame + h->l2_size + DP_ARP_THA_OFFSET);
}

static void extract_nd(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		       struct dp_key *key)
{
	struct dp_nd nd;

	dp_nd_find(frame, size, h, &nd);
	if (nd.target != 0)
		put(key, DP_FIELD_ND_TARGET, frame + nd.target);
	if (nd.sll != 0)
		put(key, DP_FIELD_ARP_SHA, frame + nd.sll);
	if (nd.tll != 0)
		put(key, DP_FIELD_ARP_THA, frame + nd.tll);
}

static void extract_l4(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		       struct dp_key *key)
{
	const uint8_t *l4 = frame + h->l2_size + h->l3_size;

	if (h->l4_size == 0)
		return;
	if (h->l4 == DP_L4_ICMP || h->l4 == DP_L4_ICMPV6) {
		put16(key, DP_FIELD_TP_SRC, h->icmp_type);
		put16(key, DP_FIELD_TP_DST, h->icmp_code);
		extract_nd(frame, size, h, key);
		return;
	}
	put16(key, DP_FIELD_TP_SRC, h->sport);
	put16(key, DP_FIELD_TP_DST, h->dport);
	if (h->l4 == DP_L4_TCP)
		put16(key, DP_FIELD_TCP_FLAGS, dp_load_be16(l4 + 12) & 0xfff);
}

static void extract_ip(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		       struct dp_key *key)
{
	key->b[dp_fields[DP_FIELD_IP_PROTO].offset] = h->ip_proto;
	key->b[dp_fields[DP_FIELD_IP_DSCP].offset] = h->ip_tos;
	if (h->frag != 0)
		key->b[dp_fields[DP_FIELD_IP_FRAG].offset] =
			h->frag == DP_FRAG_LATER ? DP_KEY_FRAG_ANY | DP_KEY_FRAG_LATER
						 : DP_KEY_FRAG_ANY;
	if (h->ip_version == 4) {
		put(key, DP_FIELD_IP4_SRC, frame + h->ip_src);
		put(key, DP_FIELD_IP4_DST, frame + h->ip_dst);
	} else {
		put(key, DP_FIELD_IP6_SRC, frame + h->ip_src);
		put(key, DP_FIELD_IP6_DST, frame + h->ip_dst);
		dp_key_set(key, DP_FIELD_IPV6_FLABEL, dp_load_be32(frame + h->l2_size));
		dp_key_set(key, DP_FIELD_IPV6_EXTHDR, h->ip_ext);
	}
	extract_l4(frame, size, h, key);
}

static void extract_above(const uint8_t *frame, uint32_t size, uint32_t frame_size,
			  const struct dp_headers *h, struct dp_key *key);

/* The first entry, the second, and the IP packet behind them.  It is IP if its version nibble says
 * so: all that an MPLS stack has to say about it (RFC 3032 2.2). */
static void extract_mpls(const uint8_t *frame, uint32_t size, uint32_t frame_size,
			 const struct dp_headers *h, struct dp_key *key)
{
	uint32_t off = h->l2_size;
	struct dp_headers ip;

	memcpy(key->b + dp_fields[DP_FIELD_MPLS_LABEL].offset, frame + off, 3); /* not the TTL */
	off += DP_MPLS_SIZE;
	if ((frame[off - 2] & 1) == 0) {
		if (size < off + DP_MPLS_SIZE)
			return;
		memcpy(key->b + dp_fields[DP_FIELD_INNER_LSE].offset, frame + off, 3);
		off += DP_MPLS_SIZE;
		if ((frame[off - 2] & 1) == 0)
			return;
	}
	dp_parse_ip(frame, off, size, frame_size, &ip);
	if (ip.ip_version == 0)
		return;
	put16(key, DP_FIELD_MPLS_TYPE, ip.eth_type);
	extract_ip(frame, size, &ip, key);
}

/* The I-TAG, and the customer's frame behind its first four bytes. */
static void extract_pbb(const uint8_t *frame, uint32_t size, uint32_t frame_size,
			const struct dp_headers *h, struct dp_key *key)
{
	const uint32_t off = h->l2_size + 4u;
	const uint8_t *itag = frame + h->l2_size, *inner = frame + off;
	struct dp_headers ih;

	dp_key_set(key, DP_FIELD_PBB_UCA, itag[0] >> 3);
	put(key, DP_FIELD_PBB_ISID, itag + 1);
	if (dp_parse_head(inner, size - off, frame_size - off, &ih) == DP_BAD_ETH)
		return;
	put(key, DP_FIELD_PBB_DST, inner);
	put(key, DP_FIELD_PBB_SRC, inner + 6);
	if (ih.n_tags > 0)
		put16(key, DP_FIELD_PBB_TCI, (ih.tci[0] & ~TCI_DEI) | DP_VLAN_PRESENT);
	/* Two tags behind an I-TAG are more than the key has room for. */
	put16(key, DP_FIELD_PBB_TYPE, ih.n_tags > 1 ? ih.tpid[1] : ih.eth_type);
	if (ih.eth_type != DP_TYPE_PBB)
		extract_above(inner, size - off, frame_size - off, &ih, key);
}

/* What follows the EtherType. */
static void extract_above(const uint8_t *frame, uint32_t size, uint32_t frame_size,
			  const struct dp_headers *h, struct dp_key *key)
{
	if (h->l3 == DP_L3_ARP)
		extract_arp(frame, h, key);
	else if (h->ip_version != 0)
		extract_ip(frame, size, h, key);
	else if (dp_has_mpls(h, size))
		extract_mpls(frame, size, frame_size, h, key);
	else if (dp_has_pbb(h, size))
		extract_pbb(frame, size, frame_size, h, key);
}

void dp_key_extract_head(const uint8_t *frame, uint32_t size, uint32_t frame_size,
			 const struct dp_headers *h, uint16_t in_port, struct dp_key *ret_key)
{
	*ret_key = (struct dp_key){0};
	put16(ret_key, DP_FIELD_IN_PORT, in_port);
	if (h->bad == DP_BAD_ETH)
		return;
	extract_l2(frame, h, ret_key);
	extract_above(frame, size, frame_size, h, ret_key);
}

void dp_key_extract(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		    uint16_t in_port, struct dp_key *ret_key)
{
	dp_key_extract_head(frame, size, size, h, in_port, ret_key);
}

void dp_key_plain_whole(const uint8_t *frame, const uint64_t w[4], struct dp_key *ret_key)
{
	const uint8_t *ip = frame + (dp_load_be16(frame + 12) == 0x8100 ? 18 : 14);

	memset(ret_key, 0, sizeof(*ret_key));
	memcpy(ret_key->w, w, DP_KEY_SHORT * sizeof(w[0]));
	if (ip[9] == 6)
		put16(ret_key, DP_FIELD_TCP_FLAGS, dp_load_be16(ip + 20 + 12) & 0xfff);
}

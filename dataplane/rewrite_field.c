/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One field of a frame set; see rewrite.h.  A field is found first (where, how wide, which
 * checksums count it), then its bits are exchanged, then each of these checksums is moved by the
 * difference.
 *
 * Source: RFC 1624 (checksums), 9260 appendix A (SCTP's CRC32c), 8200 8.1 and 6275 6.3 (whose
 * address the pseudo-header has).
 */
#include "dataplane/rewrite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_hash_crc.h>
#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/csum_priv.h"
#include "dataplane/key_priv.h"

#define TYPE_SMALLEST	 0x0600
#define PROTO_ROUTING	 43
#define PROTO_FRAGMENT	 44
#define PROTO_AH	 51
#define PROTO_DEST	 60
#define OPT_PAD1	 0
#define OPT_HOME_ADDRESS 0xc9
#define PORT_BITS	 16

/* Which checksums count the field. */
#define SUM_IP	   1u /* IPv4's of the header */
#define SUM_PSEUDO 2u /* the transport's, by its pseudo-header */
#define SUM_L4	   4u /* the transport's */

#define MAX_FIELD 16u

struct place {
	uint32_t off; /* of the bytes that have a part of it */
	uint8_t size; /* how many: at most 8, or 16 that are the field */
	uint8_t bits;
	uint8_t shift; /* of its lowest bit, the bytes taken as one big-endian number */
	uint8_t sums;  /* SUM_* */
};

/* Everything that 'set_field' hands around. */
struct frame {
	struct rte_mbuf *m;
	struct dp_headers *h;
	uint8_t *bytes;
};

/* A transport header, if any, is where it seems to be: IP's payload can be trusted. */
static bool ip_is_sound(const struct dp_headers *h)
{
	return h->ip_version != 0 && (h->bad == DP_BAD_NONE || h->bad == DP_BAD_TUNNEL);
}

static uint32_t l4_offset(const struct dp_headers *h)
{
	return (uint32_t)h->l2_size + h->l3_size;
}

/* An extension header of a well-formed chain. */
struct ext {
	uint32_t next_header; /* where the byte is that names what comes next */
	uint32_t off;	      /* of what comes next */
};

static struct ext ext_first(const struct dp_headers *h)
{
	return (struct ext){h->l2_size + 6u, h->l2_size + 40u};
}

/* To the next one; false at the end of the chain. */
static bool ext_next(const uint8_t *frame, const struct dp_headers *h, struct ext *e)
{
	const uint8_t *ext = frame + e->off;
	uint8_t proto = frame[e->next_header];

	if (e->off >= l4_offset(h))
		return false;
	e->next_header = e->off;
	if (proto == PROTO_FRAGMENT)
		e->off += 8;
	else
		e->off += proto == PROTO_AH ? (ext[1] + 2u) * 4 : (ext[1] + 1u) * 8;
	return true;
}

static bool has_home_address(const uint8_t *ext)
{
	uint32_t size = (ext[1] + 1u) * 8, off = 2;

	while (off < size && ext[off] != OPT_HOME_ADDRESS)
		off += ext[off] == OPT_PAD1 ? 1 : 2u + ext[off + 1];
	return off < size;
}

/* The checksum's pseudo-header has this address, not one that is elsewhere in the packet. */
static bool pseudo_has(const struct frame *f, bool is_src)
{
	struct ext e = ext_first(f->h);
	uint32_t at;

	if (!dp_csum_pseudo_is_elsewhere(f->h))
		return true;
	for (;;) {
		uint8_t proto = f->bytes[e.next_header];

		at = e.off;
		if (!ext_next(f->bytes, f->h, &e))
			return true;
		if (is_src && proto == PROTO_DEST && has_home_address(f->bytes + at))
			return false;
		if (!is_src && proto == PROTO_ROUTING && f->bytes[at + 3] != 0)
			return false;
	}
}

static int find_eth(const struct frame *f, enum dp_field field, struct place *ret)
{
	if (f->h->bad == DP_BAD_ETH)
		return -EBADMSG;
	*ret = (struct place){field == DP_FIELD_ETH_SRC ? 6 : 0, 6, 48, 0, 0};
	return 0;
}

static int find_eth_type(const struct frame *f, struct place *ret)
{
	const struct dp_headers *h = f->h;

	if (h->bad == DP_BAD_ETH || h->bad == DP_BAD_VLAN || h->eth_type < TYPE_SMALLEST)
		return -EBADMSG;
	*ret = (struct place){h->l2_size - 2u, 2, 16, 0, 0};
	return 0;
}

static int find_tos(const struct frame *f, enum dp_field field, struct place *ret)
{
	const struct dp_headers *h = f->h;
	bool dscp = field == DP_FIELD_IP_DSCP;

	if (h->ip_version == 0)
		return -EBADMSG;
	*ret = (struct place){h->l2_size + 1u, 1, dscp ? 6 : 2, dscp ? 2 : 0, SUM_IP};
	if (h->ip_version == 6) /* between version and flow label */
		*ret = (struct place){h->l2_size, 2, dscp ? 6 : 2, dscp ? 6 : 4, 0};
	return 0;
}

static int find_ip_proto(const struct frame *f, struct place *ret)
{
	const struct dp_headers *h = f->h;
	struct ext e = ext_first(h);

	if (h->ip_version == 0 || h->bad == DP_BAD_IP_OPTION)
		return -EBADMSG;
	*ret = (struct place){h->l2_size + 9u, 1, 8, 0, SUM_IP};
	if (h->ip_version == 4)
		return 0;
	while (ext_next(f->bytes, h, &e))
		;
	*ret = (struct place){e.next_header, 1, 8, 0, 0};
	return 0;
}

static int find_address(const struct frame *f, bool is_src, uint8_t version, struct place *ret)
{
	const struct dp_headers *h = f->h;
	uint32_t off = is_src ? h->ip_src : h->ip_dst;

	if (version == 4 && h->l3 == DP_L3_ARP && off != 0 && h->bad == DP_BAD_NONE) {
		*ret = (struct place){off, 4, 32, 0, 0};
		return 0;
	}
	if (h->ip_version != version || !ip_is_sound(h))
		return -EBADMSG;
	if (version == 4)
		*ret = (struct place){off, 4, 32, 0, SUM_IP | SUM_PSEUDO};
	else
		*ret = (struct place){off, 16, 128, 0, pseudo_has(f, is_src) ? SUM_PSEUDO : 0};
	return 0;
}

static int find_flow_label(const struct frame *f, struct place *ret)
{
	if (f->h->ip_version != 6)
		return -EBADMSG;
	*ret = (struct place){f->h->l2_size, 4, 20, 0, 0};
	return 0;
}

/* Ports, or what shares their place in the key. */
static int find_port(const struct frame *f, bool is_src, struct place *ret)
{
	const struct dp_headers *h = f->h;

	if (h->l3 == DP_L3_ARP && h->bad == DP_BAD_NONE && is_src) {
		*ret = (struct place){h->l2_size + 6u, 2, 16, 0, 0};
		return 0;
	}
	if (!ip_is_sound(h) || h->l4_size == 0)
		return -EBADMSG;
	if (h->l4 == DP_L4_SCTP && h->frag != 0)
		return -EBADMSG; /* Its CRC covers what is not here. */
	switch (h->l4) {
	case DP_L4_SCTP:
	case DP_L4_TCP:
	case DP_L4_UDP:
		*ret = (struct place){l4_offset(h) + (is_src ? 0 : 2), 2, PORT_BITS, 0, SUM_L4};
		return 0;
	case DP_L4_ICMP:
	case DP_L4_ICMPV6:
		*ret = (struct place){l4_offset(h) + (is_src ? 0 : 1), 1, 8, 0, SUM_L4};
		return 0;
	default:
		return -EBADMSG;
	}
}

static int find_hardware(const struct frame *f, bool is_sha, struct place *ret)
{
	const struct dp_headers *h = f->h;
	struct dp_nd nd;
	uint32_t off;

	if (h->l3 == DP_L3_ARP && h->ip_src != 0 && h->bad == DP_BAD_NONE) {
		off = h->l2_size + (is_sha ? DP_ARP_SHA_OFFSET : DP_ARP_THA_OFFSET);
		*ret = (struct place){off, 6, 48, 0, 0};
		return 0;
	}
	dp_nd_find(f->bytes, f->m->data_len, h, &nd);
	off = is_sha ? nd.sll : nd.tll;
	*ret = (struct place){off, 6, 48, 0, SUM_L4};
	return off != 0 ? 0 : -EBADMSG;
}

static int find_nd_target(const struct frame *f, struct place *ret)
{
	struct dp_nd nd;

	dp_nd_find(f->bytes, f->m->data_len, f->h, &nd);
	*ret = (struct place){nd.target, 16, 128, 0, SUM_L4};
	return nd.target != 0 ? 0 : -EBADMSG;
}

/* The label stack entry's and I-TAG's fields have the same shift there as here. */
static int find_word(const struct frame *f, enum dp_field field, struct place *ret)
{
	const struct dp_headers *h = f->h;
	uint8_t bits = dp_fields[field].bits, shift = dp_fields[field].shift;
	bool is_pbb = field == DP_FIELD_PBB_ISID || field == DP_FIELD_PBB_UCA;

	if (!(is_pbb ? dp_has_pbb(h, f->m->data_len) : dp_has_mpls(h, f->m->data_len)))
		return -EBADMSG;
	if (field == DP_FIELD_PBB_UCA)
		shift = 27;
	*ret = (struct place){h->l2_size, 4, bits, shift, 0};
	return 0;
}

static int find_tag(const struct frame *f, enum dp_field field, struct place *ret)
{
	bool vid = field == DP_FIELD_VLAN_VID;

	if (f->h->n_tags == 0)
		return -EBADMSG;
	*ret = (struct place){14, 2, vid ? 12 : 3, vid ? 0 : 13, 0};
	return 0;
}

/* 0, -EBADMSG, or -EINVAL. */
static int find(const struct frame *f, enum dp_field field, struct place *ret)
{
	switch ((int)field) {
	case DP_FIELD_ETH_DST:
	case DP_FIELD_ETH_SRC:
		return find_eth(f, field, ret);
	case DP_FIELD_ETH_TYPE:
		return find_eth_type(f, ret);
	case DP_FIELD_VLAN_VID:
	case DP_FIELD_VLAN_PCP:
		return find_tag(f, field, ret);
	case DP_FIELD_IP_PROTO:
		return find_ip_proto(f, ret);
	case DP_FIELD_IP_DSCP:
	case DP_FIELD_IP_ECN:
		return find_tos(f, field, ret);
	case DP_FIELD_TP_SRC:
	case DP_FIELD_TP_DST:
		return find_port(f, field == DP_FIELD_TP_SRC, ret);
	case DP_FIELD_IP4_SRC:
	case DP_FIELD_IP4_DST:
		return find_address(f, field == DP_FIELD_IP4_SRC, 4, ret);
	case DP_FIELD_IP6_SRC:
	case DP_FIELD_IP6_DST:
		return find_address(f, field == DP_FIELD_IP6_SRC, 6, ret);
	case DP_FIELD_IPV6_FLABEL:
		return find_flow_label(f, ret);
	case DP_FIELD_ARP_SHA:
	case DP_FIELD_ARP_THA:
		return find_hardware(f, field == DP_FIELD_ARP_SHA, ret);
	case DP_FIELD_ND_TARGET:
		return find_nd_target(f, ret);
	case DP_FIELD_MPLS_LABEL:
	case DP_FIELD_MPLS_TC:
	case DP_FIELD_MPLS_BOS:
	case DP_FIELD_PBB_ISID:
	case DP_FIELD_PBB_UCA:
		return find_word(f, field, ret);
	default:
		return -EINVAL;
	}
}

/* 'bytes', as wide as the field, brought to its place; bits beyond the place's are dropped. */
static void align(const struct place *at, unsigned field_bits, const uint8_t *bytes,
		  uint8_t ret[MAX_FIELD])
{
	uint64_t v = 0;

	if (at->bits > 64) {
		memcpy(ret, bytes, MAX_FIELD);
		return;
	}
	for (unsigned i = 0; i < (field_bits + 7) / 8; i++)
		v = v << 8 | bytes[i];
	v = (v & ((UINT64_C(1) << at->bits) - 1)) << at->shift;
	for (unsigned i = at->size; i-- > 0; v >>= 8)
		ret[i] = (uint8_t)v;
}

/* The frame asks for this transport header's checksum: the field has the pseudo-header's sum. */
static bool is_open(const struct frame *f)
{
	const uint64_t l4 = f->m->ol_flags & RTE_MBUF_F_TX_L4_MASK, flags = f->m->ol_flags;

	if (f->m->l2_len != f->h->l2_size)
		return false; /* No request, or one about a packet inside. */
	if (f->h->l4 == DP_L4_TCP)
		return l4 == RTE_MBUF_F_TX_TCP_CKSUM || (flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
	if (f->h->l4 == DP_L4_UDP)
		return l4 == RTE_MBUF_F_TX_UDP_CKSUM || (flags & RTE_MBUF_F_TX_UDP_SEG) != 0;
	return f->h->l4 == DP_L4_SCTP && l4 == RTE_MBUF_F_TX_SCTP_CKSUM;
}

/* A CRC is linear: that of the difference, which is zeros but for two bytes at 'at', is what to
 * add. The payload is not read. */
static void adjust_sctp(const struct frame *f, uint32_t at, const uint8_t *was)
{
	uint32_t left = f->h->ip_size - f->h->l3_size - (at - l4_offset(f->h)) - 2, crc = 0, field;
	uint8_t *csum = f->bytes + l4_offset(f->h) + DP_CSUM_OFFSET_SCTP;

	crc = rte_hash_crc_1byte(was[0] ^ f->bytes[at], crc);
	crc = rte_hash_crc_1byte(was[1] ^ f->bytes[at + 1], crc);
	for (; left >= 8; left -= 8)
		crc = rte_hash_crc_8byte(0, crc);
	for (; left > 0; left--)
		crc = rte_hash_crc_1byte(0, crc);
	memcpy(&field, csum, sizeof(field));
	field ^= rte_cpu_to_le_32(crc);
	memcpy(csum, &field, sizeof(field));
}

/* Where the Internet checksum is from the transport header on; 0: it has none. */
static uint32_t l4_csum_offset(const struct dp_headers *h, bool pseudo)
{
	switch (h->l4_size != 0 ? h->l4 : DP_L4_NONE) {
	case DP_L4_TCP:
		return DP_CSUM_OFFSET_TCP;
	case DP_L4_UDP:
		return DP_CSUM_OFFSET_UDP;
	case DP_L4_ICMP:
		return pseudo ? 0 : 2;
	case DP_L4_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

/* The folded sum 'was' became 'is', in the pseudo-header or behind it. */
static void adjust_l4(const struct frame *f, uint16_t was, uint16_t is, bool pseudo)
{
	uint32_t off = l4_csum_offset(f->h, pseudo);
	uint8_t *field = f->bytes + l4_offset(f->h) + off;
	uint16_t csum;

	if (off == 0)
		return;
	csum = dp_csum_load(field);
	if (is_open(f)) {
		if (pseudo)
			dp_csum_store(field,
				      (uint16_t)~dp_rw_csum_adjust((uint16_t)~csum, was, is));
		return;
	}
	if (f->h->l4 == DP_L4_UDP && csum == 0)
		return; /* RFC 768: the sender made none. */
	csum = dp_rw_csum_adjust(csum, was, is);
	if (f->h->l4 == DP_L4_UDP && csum == 0)
		csum = 0xffff;
	dp_csum_store(field, csum);
}

/* The checksums that count 'at', which was 'was' (from an even offset on, 'n' bytes at 'from'). */
static void adjust(const struct frame *f, const struct place *at, uint32_t from, const uint8_t *was,
		   uint32_t n)
{
	uint16_t sum_was = rte_raw_cksum(was, n), sum_is = rte_raw_cksum(f->bytes + from, n);
	uint8_t *ip_csum = f->bytes + f->h->l2_size + 10;

	if ((at->sums & SUM_IP) != 0)
		dp_csum_store(ip_csum, dp_rw_csum_adjust(dp_csum_load(ip_csum), sum_was, sum_is));
	if (f->h->l4 == DP_L4_SCTP) {
		if ((at->sums & SUM_L4) != 0 && !is_open(f))
			adjust_sctp(f, from, was);
	} else if ((at->sums & (SUM_L4 | SUM_PSEUDO)) != 0) {
		adjust_l4(f, sum_was, sum_is, (at->sums & SUM_PSEUDO) != 0);
	}
}

/* Exchanges the bits and moves the sums. */
static void write_bits(const struct frame *f, const struct place *at, const uint8_t *value,
		       const uint8_t *mask)
{
	uint32_t from = at->off & ~1u, n = ((at->off + at->size + 1) & ~1u) - from;
	uint8_t was[MAX_FIELD + 2], *p = f->bytes + at->off;

	if (at->sums != 0)
		memcpy(was, f->bytes + from, n);
	for (unsigned i = 0; i < at->size; i++)
		p[i] = (uint8_t)((p[i] & ~mask[i]) | (value[i] & mask[i]));
	if (at->sums != 0)
		adjust(f, at, from, was, n);
}

/* Makes 'h' true again. */
static void refresh(const struct frame *f, enum dp_field field, const struct place *at)
{
	struct dp_headers *h = f->h;
	const uint8_t *p = f->bytes + at->off;

	switch ((int)field) {
	case DP_FIELD_VLAN_VID:
	case DP_FIELD_VLAN_PCP:
		h->tci[0] = dp_load_be16(p);
		break;
	case DP_FIELD_IP_DSCP:
	case DP_FIELD_IP_ECN:
		h->ip_tos = h->ip_version == 4 ? *p : (uint8_t)(dp_load_be16(p) >> 4);
		break;
	case DP_FIELD_TP_SRC:
	case DP_FIELD_TP_DST:
		/* A UDP port may announce a tunnel, or a type mean something else. */
		if (field == DP_FIELD_TP_SRC && at->bits == PORT_BITS && h->l3 != DP_L3_ARP)
			h->sport = dp_load_be16(p);
		else if (h->l4 == DP_L4_TCP)
			h->dport = dp_load_be16(p);
		else
			dp_parse_mbuf(f->m, h);
		break;
	case DP_FIELD_ETH_TYPE:
	case DP_FIELD_IP_PROTO:
		dp_parse_mbuf(f->m, h);
		break;
	default:
		break; /* Addresses and what else is not in 'h'. */
	}
}

/* What must be right about the change before anything is written. */
static int prepare(const struct frame *f, enum dp_field field, const struct place *at,
		   const uint8_t *value, const uint8_t *mask)
{
	const uint8_t *p = f->bytes + at->off;

	/* It would no longer be an EtherType. */
	if (field == DP_FIELD_ETH_TYPE &&
	    ((p[0] & ~mask[0]) | (value[0] & mask[0])) < TYPE_SMALLEST >> 8)
		return -EBADMSG;
	/* Nobody finds the header afterwards that the request is about. */
	if (field == DP_FIELD_IP_PROTO && (f->m->ol_flags & DP_RW_REQUESTS) != 0 &&
	    f->m->l2_len == f->h->l2_size)
		return dp_csum_finish(f->m);
	return 0;
}

int dp_rw_set_field(struct rte_mbuf *m, struct dp_headers *h, enum dp_field field,
		    const uint8_t *value, const uint8_t *mask)
{
	struct frame f = {m, h, rte_pktmbuf_mtod(m, uint8_t *)};
	uint8_t bits[MAX_FIELD], bits_mask[MAX_FIELD], was;
	struct place at;
	int rc;

	rc = find(&f, field, &at);
	if (rc < 0)
		return rc;
	align(&at, dp_fields[field].bits, value, bits);
	align(&at, dp_fields[field].bits, mask, bits_mask);
	rc = prepare(&f, field, &at, bits, bits_mask);
	if (rc < 0)
		return rc;
	was = f.bytes[at.off];
	write_bits(&f, &at, bits, bits_mask);
	/* What the pseudo-header says of the protocol, wherever its byte is in IP's. */
	if (field == DP_FIELD_IP_PROTO && ip_is_sound(h))
		adjust_l4(&f, rte_cpu_to_be_16(was), rte_cpu_to_be_16(f.bytes[at.off]), true);
	refresh(&f, field, &at);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Checksums in software; see csum.h.
 *
 * Requests come from guests and are believed only as far as the headers confirm them: the parser
 * walks from m->l2_len and must find layer 3 as long as m->l3_len and the transport that was asked
 * for.
 *
 * rte_raw_cksum_mbuf() is not used: DPDK 22.11 cuts its sum of a segment to 16 bits before it swaps
 * it, and loses the carries of every segment that starts at an odd offset.
 */
#include "dataplane/csum.h"

#include <errno.h>
#include <stdbool.h>

#include <rte_hash_crc.h>
#include <rte_mbuf.h>

#include "dataplane/csum_priv.h"
#include "dataplane/parse.h"

#define REQUESTS                                                                                   \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6)
#define SEGMENTATION (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)
#define MAX_L2_LEN   ((1u << RTE_MBUF_L2_LEN_BITS) - 1)
#define MAX_L3_LEN   ((1u << RTE_MBUF_L3_LEN_BITS) - 1)

/* Calls per segment, so the loop over bytes is the same for sums and CRCs. */
struct span {
	const struct rte_mbuf *seg;
	uint32_t off;  /* into seg */
	uint32_t left; /* bytes of the span from there on */
};

static struct span span_init(const struct rte_mbuf *m, uint32_t off, uint32_t size)
{
	while (m != NULL && off >= m->data_len) {
		off -= m->data_len;
		m = m->next;
	}
	return (struct span){m, off, size};
}

/* The next contiguous piece; NULL at the end. */
static const uint8_t *span_next(struct span *s, uint32_t *ret_size)
{
	const uint8_t *piece;

	while (s->seg != NULL && s->off >= s->seg->data_len) {
		s->seg = s->seg->next;
		s->off = 0;
	}
	if (s->seg == NULL || s->left == 0)
		return NULL;
	piece = rte_pktmbuf_mtod_offset(s->seg, const uint8_t *, s->off);
	*ret_size = RTE_MIN(s->seg->data_len - s->off, s->left);
	s->off += *ret_size;
	s->left -= *ret_size;
	return piece;
}

/* The folded sum of 'size' bytes from 'off' on. */
static uint16_t sum_bytes(const struct rte_mbuf *m, uint32_t off, uint32_t size)
{
	struct span s = span_init(m, off, size);
	const uint8_t *piece;
	uint32_t sum = 0, done = 0, n;

	while ((piece = span_next(&s, &n)) != NULL) {
		uint16_t part = rte_raw_cksum(piece, n);

		/* At an odd offset every byte stands in the other half of its word. */
		sum += done & 1 ? rte_bswap16(part) : part;
		sum = dp_csum_fold(sum);
		done += n;
	}
	return sum;
}

/* rte_hash_crc() would do, but it reads words where none may stand: not aligned. */
static uint32_t crc_piece(const uint8_t *piece, uint32_t size, uint32_t crc)
{
	for (; size >= 8; piece += 8, size -= 8) {
		uint64_t word;

		memcpy(&word, piece, sizeof(word));
		crc = rte_hash_crc_8byte(word, crc);
	}
	for (; size > 0; piece++, size--)
		crc = rte_hash_crc_1byte(*piece, crc);
	return crc;
}

/* RFC 9260 appendix A: CRC32c over the packet with a zero in its place, stored little-endian. */
static uint32_t crc_bytes(const struct rte_mbuf *m, uint32_t off, uint32_t size)
{
	struct span s = span_init(m, off, size);
	const uint8_t *piece;
	uint32_t crc = UINT32_MAX, n;

	while ((piece = span_next(&s, &n)) != NULL)
		crc = crc_piece(piece, n, crc);
	return ~crc;
}

/* What m->ol_flags asks for, found in the frame. */
struct request {
	uint8_t *frame;
	bool ip;	  /* IPv4 header checksum */
	uint8_t l4;	  /* enum dp_l4; NONE: no transport checksum */
	uint32_t l4_off;  /* where the transport header is */
	uint32_t l4_size; /* bytes its checksum covers */
	struct dp_headers h;
};

static uint8_t wanted_l4(uint64_t ol_flags)
{
	switch (ol_flags & RTE_MBUF_F_TX_L4_MASK) {
	case RTE_MBUF_F_TX_TCP_CKSUM:
		return DP_L4_TCP;
	case RTE_MBUF_F_TX_UDP_CKSUM:
		return DP_L4_UDP;
	case RTE_MBUF_F_TX_SCTP_CKSUM:
		return DP_L4_SCTP;
	default:
		return DP_L4_NONE;
	}
}

/* Bytes from the transport header on that its checksum covers: UDP has a length of its own. */
static uint32_t covered(const uint8_t *frame, const struct dp_headers *h)
{
	uint32_t size = h->ip_size - h->l3_size, udp;

	if (h->l4 != DP_L4_UDP)
		return size;
	udp = rte_be_to_cpu_16(dp_csum_load(frame + h->l2_size + h->l3_size + 4));
	return udp == 0 ? size : udp; /* 0 passes the parser in a jumbogram only */
}

static bool ipv4_header_is_there(const struct rte_mbuf *m, const uint8_t *frame)
{
	return (m->ol_flags & RTE_MBUF_F_TX_IPV4) && m->l3_len >= 20 &&
	       (uint32_t)m->l2_len + m->l3_len <= m->data_len && frame[m->l2_len] >> 4 == 4 &&
	       (frame[m->l2_len] & 15) * 4 == m->l3_len;
}

/* Confirms the request, or -EBADMSG. */
static int request_find(struct rte_mbuf *m, struct request *r)
{
	const struct dp_headers *h = &r->h;
	const uint64_t version = m->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);

	r->frame = rte_pktmbuf_mtod(m, uint8_t *);
	r->ip = m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM;
	r->l4 = wanted_l4(m->ol_flags);
	if (m->ol_flags & SEGMENTATION)
		return -EBADMSG;
	if (r->ip && !ipv4_header_is_there(m, r->frame))
		return -EBADMSG;
	if (r->l4 == DP_L4_NONE)
		return 0;
	dp_parse_ip(r->frame, m->l2_len, m->data_len, m->pkt_len, &r->h);
	/* A transport checksum does not care whether the tunnel header behind it makes sense. */
	if (h->bad != DP_BAD_NONE && h->bad != DP_BAD_TUNNEL)
		return -EBADMSG;
	if (h->l3_size != m->l3_len || h->l4 != r->l4 || h->frag != 0)
		return -EBADMSG;
	if (version != (h->l3 == DP_L3_IPV6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4))
		return -EBADMSG;
	r->l4_off = m->l2_len + m->l3_len;
	r->l4_size = covered(r->frame, h);
	return 0;
}

static void fill_sctp(struct rte_mbuf *m, const struct request *r)
{
	uint8_t *field = r->frame + r->l4_off + DP_CSUM_OFFSET_SCTP;
	uint32_t crc = 0;

	memcpy(field, &crc, sizeof(crc));
	crc = rte_cpu_to_le_32(crc_bytes(m, r->l4_off, r->l4_size));
	memcpy(field, &crc, sizeof(crc));
}

static void fill_l4(struct rte_mbuf *m, const struct request *r)
{
	bool tcp = r->l4 == DP_L4_TCP;
	uint8_t *field = r->frame + r->l4_off + (tcp ? DP_CSUM_OFFSET_TCP : DP_CSUM_OFFSET_UDP);
	uint16_t pseudo, csum;

	/* The sender knows the addresses of such a packet; it left their sum here. */
	if (dp_csum_pseudo_is_elsewhere(&r->h))
		pseudo = dp_csum_load(field);
	else
		pseudo = dp_csum_pseudo(r->frame, &r->h, tcp ? DP_PROTO_TCP : DP_PROTO_UDP,
					r->l4_size);
	dp_csum_store(field, 0);
	csum = ~dp_csum_fold((uint32_t)pseudo + sum_bytes(m, r->l4_off, r->l4_size));
	if (csum == 0 && !tcp)
		csum = 0xffff; /* RFC 768: zero means that there is none. */
	dp_csum_store(field, csum);
}

int dp_csum_finish(struct rte_mbuf *m)
{
	struct request r;
	int rc;

	if ((m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | SEGMENTATION)) == 0)
		return 0;
	rc = request_find(m, &r);
	if (rc < 0)
		return rc;
	if (r.l4 == DP_L4_SCTP)
		fill_sctp(m, &r);
	else if (r.l4 != DP_L4_NONE)
		fill_l4(m, &r);
	if (r.ip) {
		dp_csum_store(r.frame + m->l2_len + 10, 0);
		dp_csum_store(r.frame + m->l2_len + 10,
			      dp_csum_ipv4(r.frame + m->l2_len, m->l3_len));
	}
	m->ol_flags &= ~REQUESTS;
	return 0;
}

/* Sets the request for the transport checksum of 'h', if mbuf fields can express it. */
static int request_set(struct rte_mbuf *m, const struct dp_headers *h)
{
	uint64_t flags = h->l3 == DP_L3_IPV6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4;

	if (h->l2_size > MAX_L2_LEN || h->l3_size > MAX_L3_LEN)
		return -EBADMSG;
	if (h->l4 == DP_L4_TCP)
		flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	else if (h->l4 == DP_L4_UDP)
		flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	else
		flags |= RTE_MBUF_F_TX_SCTP_CKSUM;
	m->ol_flags = (m->ol_flags & ~REQUESTS) | flags;
	m->l2_len = h->l2_size;
	m->l3_len = h->l3_size;
	m->l4_len = h->l4_size;
	return 0;
}

/* Parses the frame inside the tunnel that 'outer' found, into offsets from the outer frame. */
static bool parse_inner(const struct rte_mbuf *m, const struct dp_headers *outer,
			struct dp_headers *ret)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t off = outer->tunnel_offset;
	struct dp_headers inner;

	if (off == 0)
		return false;
	dp_parse_head(frame + off, m->data_len - off, m->pkt_len - off, &inner);
	if (inner.l3 != DP_L3_IPV4 && inner.l3 != DP_L3_IPV6)
		return false;
	dp_parse_ip(frame, off + inner.l2_size, m->data_len, m->pkt_len, ret);
	return true;
}

/* A transport header whose checksum a request can be about. */
static bool has_checksum(const struct dp_headers *h)
{
	return (h->bad == DP_BAD_NONE || h->bad == DP_BAD_TUNNEL) && h->frag == 0 &&
	       (h->l4 == DP_L4_TCP || h->l4 == DP_L4_UDP || h->l4 == DP_L4_SCTP);
}

static uint16_t offset_of_checksum(const struct dp_headers *h)
{
	if (h->l4 == DP_L4_TCP)
		return DP_CSUM_OFFSET_TCP;
	return h->l4 == DP_L4_UDP ? DP_CSUM_OFFSET_UDP : DP_CSUM_OFFSET_SCTP;
}

/* A right checksum that happens to equal the pseudo-header's sum (one frame in 65535) is taken for
 * an unfinished one; finishing it computes the same value again. */
static bool is_partial(const struct rte_mbuf *m, const struct dp_headers *h)
{
	static const uint8_t zero[4];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint8_t *field;

	if (!has_checksum(h))
		return false;
	field = frame + h->l2_size + h->l3_size + offset_of_checksum(h);
	if (h->l4 == DP_L4_SCTP)
		return memcmp(field, zero, sizeof(zero)) == 0;
	return dp_csum_load(field) == dp_csum_pseudo(frame, h, h->ip_proto, covered(frame, h));
}

void dp_csum_detect_partial(struct rte_mbuf *m)
{
	struct dp_headers outer, inner;

	if (m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | SEGMENTATION))
		return;
	dp_parse_mbuf(m, &outer);
	/* The inner one first: the outer checksum of such a frame is complete (computed as if the
	 * inner one were). */
	if (parse_inner(m, &outer, &inner) && is_partial(m, &inner)) {
		if (request_set(m, &inner) < 0)
			dp_csum_complete(m, inner.l2_size + inner.l3_size,
					 offset_of_checksum(&inner));
		return;
	}
	if (is_partial(m, &outer))
		request_set(m, &outer);
}

static bool matches(const struct dp_headers *h, uint32_t csum_start, uint32_t csum_offset)
{
	return has_checksum(h) && (uint32_t)h->l2_size + h->l3_size == csum_start &&
	       offset_of_checksum(h) == csum_offset;
}

int dp_csum_request(struct rte_mbuf *m, uint16_t csum_start, uint16_t csum_offset)
{
	struct dp_headers outer, inner;

	m->ol_flags &= ~REQUESTS;
	dp_parse_mbuf(m, &outer);
	if (matches(&outer, csum_start, csum_offset))
		return request_set(m, &outer);
	if (parse_inner(m, &outer, &inner) && matches(&inner, csum_start, csum_offset))
		return request_set(m, &inner);
	return -EBADMSG;
}

int dp_csum_complete(struct rte_mbuf *m, uint16_t csum_start, uint16_t csum_offset)
{
	uint32_t at = (uint32_t)csum_start + csum_offset;
	uint16_t csum;

	if (at + sizeof(csum) > m->data_len)
		return -EBADMSG;
	/* The field takes part: it holds the sum of the pseudo-header. */
	csum = ~sum_bytes(m, csum_start, m->pkt_len - csum_start);
	if (csum == 0)
		csum = 0xffff; /* Equal, but for UDP, where zero means none. */
	dp_csum_store(rte_pktmbuf_mtod_offset(m, uint8_t *, at), csum);
	return 0;
}

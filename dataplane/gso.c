/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Segmentation in software; see gso.h.
 *
 * The headers are copied once out of the super-frame into a template, checked there by the parser,
 * and from there into each segment, where only what differs is written: lengths, IPv4 id and
 * checksum, sequence number, flags, and the pseudo-header's sum for whoever finishes the transport
 * checksum (csum.h).
 */
#include "dataplane/gso.h"

#include <errno.h>
#include <stdbool.h>

#include <rte_mbuf.h>

#include "dataplane/csum_priv.h"
#include "dataplane/parse.h"

#define MAX_HEADERS                                                                                \
	((1u << RTE_MBUF_L2_LEN_BITS) + (1u << RTE_MBUF_L3_LEN_BITS) + (1u << RTE_MBUF_L4_LEN_BITS))

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

/* What belongs to the super-frame and is not inherited by its segments. */
#define NOT_INHERITED                                                                              \
	(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG | RTE_MBUF_F_TX_IP_CKSUM |                  \
	 RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)

/* How a super-frame is cut. */
struct plan {
	uint8_t headers[MAX_HEADERS]; /* the template */
	struct dp_headers h;	      /* of the template */
	uint32_t l4_off;
	uint32_t header_size;
	uint32_t payload; /* bytes in all */
	uint32_t mss;
	uint32_t n; /* segments */
	bool tcp;
};

/* Lengths in the template that agree with the template, so that the parser can judge everything
 * else.  Bytes are written where the fields would be; what is there is the parser's to say. */
static bool set_lengths(struct plan *p, const struct rte_mbuf *m, uint32_t l4_size)
{
	uint8_t *ip = p->headers + m->l2_len;
	uint32_t size = m->l3_len + l4_size;

	if (ip[0] >> 4 == 6) {
		if (m->l3_len < 40 || size - 40 > UINT16_MAX)
			return false;
		dp_csum_store(ip + 4, rte_cpu_to_be_16(size - 40));
	} else {
		if (m->l3_len < 20 || size > UINT16_MAX)
			return false;
		dp_csum_store(ip + 2, rte_cpu_to_be_16(size));
	}
	if (!p->tcp)
		dp_csum_store(ip + m->l3_len + 4, rte_cpu_to_be_16(l4_size));
	return true;
}

/* The headers are there, are what the request says, and can carry 'mss' bytes each. */
static bool headers_ok(struct plan *p, const struct rte_mbuf *m)
{
	const uint64_t version = m->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	const struct dp_headers *h = &p->h;

	if (m->l4_len < (p->tcp ? 20 : 8))
		return false;
	if (!set_lengths(p, m, m->l4_len + RTE_MIN(p->mss, p->payload)) ||
	    !set_lengths(p, m, m->l4_len))
		return false;
	dp_parse_ip(p->headers, m->l2_len, p->header_size, p->header_size, &p->h);
	/* DP_BAD_TUNNEL: the port of a tunnel, whose header is payload here. */
	if (h->bad != DP_BAD_NONE && h->bad != DP_BAD_TUNNEL)
		return false;
	return h->l4 == (p->tcp ? DP_L4_TCP : DP_L4_UDP) && h->frag == 0 &&
	       h->l3_size == m->l3_len && h->l4_size == m->l4_len &&
	       version == (h->l3 == DP_L3_IPV6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4);
}

/* Fills in 'p'; 0 or -EBADMSG. */
static int plan(const struct rte_mbuf *m, struct plan *p)
{
	const uint64_t request = m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG);
	const void *headers;

	p->tcp = request == RTE_MBUF_F_TX_TCP_SEG;
	if (!p->tcp && request != RTE_MBUF_F_TX_UDP_SEG)
		return -EBADMSG;
	p->mss = m->tso_segsz;
	p->l4_off = m->l2_len + m->l3_len;
	p->header_size = p->l4_off + m->l4_len;
	if (p->mss == 0 || p->header_size > m->pkt_len || m->l3_len == 0)
		return -EBADMSG;
	headers = rte_pktmbuf_read(m, 0, p->header_size, p->headers);
	if (headers == NULL)
		return -EBADMSG;
	if (headers != p->headers)
		memcpy(p->headers, headers, p->header_size);
	p->payload = m->pkt_len - p->header_size;
	if (!headers_ok(p, m))
		return -EBADMSG;
	p->n = p->payload == 0 ? 1 : (p->payload - 1) / p->mss + 1;
	return p->n <= UINT16_MAX ? 0 : -EBADMSG;
}

uint16_t dp_gso_count(const struct rte_mbuf *m)
{
	struct plan p;

	return plan(m, &p) == 0 ? p.n : 0;
}

/* Where copying out of the super-frame stands. */
struct cursor {
	const struct rte_mbuf *seg;
	uint32_t off;
};

/* Copies 'size' bytes.  There are as many: pkt_len said so; if it lied, zeros do. */
static void cursor_copy(struct cursor *c, uint8_t *to, uint32_t size)
{
	while (size > 0 && c->seg != NULL) {
		uint32_t n = RTE_MIN(c->seg->data_len - c->off, size);

		memcpy(to, rte_pktmbuf_mtod_offset(c->seg, const uint8_t *, c->off), n);
		to += n;
		size -= n;
		c->off += n;
		if (c->off == c->seg->data_len) {
			c->seg = c->seg->next;
			c->off = 0;
		}
	}
	memset(to, 0, size);
}

static struct cursor cursor_init(const struct rte_mbuf *m, uint32_t off)
{
	struct cursor c = {m, off};

	while (c.seg != NULL && c.off >= c.seg->data_len) {
		c.off -= c.seg->data_len;
		c.seg = c.seg->next;
	}
	return c;
}

/* Appends 'size' bytes of payload to 'head', chaining mbufs as needed.  0 or -ENOMEM. */
static int append(struct rte_mbuf *head, struct cursor *c, uint32_t size, struct rte_mempool *pool)
{
	struct rte_mbuf *last = head;

	for (;;) {
		uint32_t n = RTE_MIN(rte_pktmbuf_tailroom(last), size);

		cursor_copy(c, rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), n);
		last->data_len += n;
		head->pkt_len += n;
		size -= n;
		if (size == 0)
			return 0;
		last->next = rte_pktmbuf_alloc(pool);
		if (last->next == NULL)
			return -ENOMEM;
		last = last->next;
		head->nb_segs++;
		if (rte_pktmbuf_tailroom(last) == 0)
			return -ENOMEM; /* A pool without data room; never ours. */
	}
}

/* What describes the frame rather than its bytes goes with every segment. */
static void inherit(struct rte_mbuf *out, const struct rte_mbuf *m, const struct plan *p)
{
	out->port = m->port;
	out->packet_type = m->packet_type;
	out->vlan_tci = m->vlan_tci;
	out->vlan_tci_outer = m->vlan_tci_outer;
	out->hash = m->hash;
	rte_mbuf_dynfield_copy(out, m);
	out->ol_flags = (m->ol_flags & ~NOT_INHERITED) |
			(p->tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
	out->tx_offload = 0;
	out->l2_len = m->l2_len;
	out->l3_len = m->l3_len;
	out->l4_len = m->l4_len;
}

static void patch_ip(uint8_t *ip, const struct plan *p, uint32_t i, uint32_t size)
{
	uint16_t id;

	if (p->h.l3 == DP_L3_IPV6) {
		dp_csum_store(ip + 4, rte_cpu_to_be_16(p->h.l3_size - 40 + size));
		return;
	}
	id = rte_be_to_cpu_16(dp_csum_load(ip + 4)) + i;
	dp_csum_store(ip + 2, rte_cpu_to_be_16(p->h.l3_size + size));
	dp_csum_store(ip + 4, rte_cpu_to_be_16(id));
	dp_csum_store(ip + 10, 0);
	dp_csum_store(ip + 10, dp_csum_ipv4(ip, p->h.l3_size));
}

static void patch_tcp(uint8_t *tcp, const struct plan *p, uint32_t i)
{
	rte_be32_t seq;

	memcpy(&seq, tcp + 4, sizeof(seq));
	seq = rte_cpu_to_be_32(rte_be_to_cpu_32(seq) + i * p->mss);
	memcpy(tcp + 4, &seq, sizeof(seq));
	if (i != 0)
		tcp[13] &= ~TCP_CWR;
	if (i != p->n - 1)
		tcp[13] &= ~(TCP_FIN | TCP_PSH);
}

/* The sum that segment's transport checksum starts from; 'size' is header and payload. */
static uint16_t pseudo_sum(const uint8_t *frame, const struct plan *p, uint32_t field,
			   uint32_t size)
{
	uint32_t whole = p->payload + p->h.l4_size, sum;

	if (!dp_csum_pseudo_is_elsewhere(&p->h))
		return dp_csum_pseudo(frame, &p->h, p->tcp ? DP_PROTO_TCP : DP_PROTO_UDP, size);
	/* Only the sender knows these addresses: take its sum, exchange the length (RFC 1624). */
	sum = dp_csum_load(frame + field);
	sum += (uint16_t)~dp_csum_fold(rte_cpu_to_be_16(whole & 0xffff) +
				       rte_cpu_to_be_16(whole >> 16));
	sum += rte_cpu_to_be_16(size);
	return dp_csum_fold(sum);
}

/* Makes segment 'i' in 'out', fresh from 'pool'.  0 or -ENOMEM. */
static int write_segment(struct rte_mbuf *out, const struct rte_mbuf *m, const struct plan *p,
			 uint32_t i, struct cursor *c, struct rte_mempool *pool)
{
	uint8_t *frame = rte_pktmbuf_mtod(out, uint8_t *);
	uint32_t payload = RTE_MIN(p->payload - i * p->mss, p->mss);
	uint32_t size = p->h.l4_size + payload;
	uint32_t field = p->l4_off + (p->tcp ? DP_CSUM_OFFSET_TCP : DP_CSUM_OFFSET_UDP);

	if (rte_pktmbuf_tailroom(out) < p->header_size)
		return -ENOMEM;
	memcpy(frame, p->headers, p->header_size);
	out->data_len = p->header_size;
	out->pkt_len = p->header_size;
	inherit(out, m, p);
	patch_ip(frame + m->l2_len, p, i, size);
	if (p->tcp)
		patch_tcp(frame + p->l4_off, p, i);
	else
		dp_csum_store(frame + p->l4_off + 4, rte_cpu_to_be_16(size));
	dp_csum_store(frame + field, pseudo_sum(frame, p, field, size));
	return append(out, c, payload, pool);
}

int dp_gso(const struct rte_mbuf *m, struct rte_mempool *pool, struct rte_mbuf **out, uint16_t max)
{
	struct plan p;
	struct cursor c;
	int rc;

	rc = plan(m, &p);
	if (rc < 0)
		return rc;
	if (p.n > max)
		return -ENOSPC;
	if (rte_pktmbuf_alloc_bulk(pool, out, p.n) != 0)
		return -ENOMEM;
	c = cursor_init(m, p.header_size);
	for (uint32_t i = 0; i < p.n && rc == 0; i++)
		rc = write_segment(out[i], m, &p, i, &c, pool);
	if (rc < 0) {
		rte_pktmbuf_free_bulk(out, p.n);
		return rc;
	}
	return p.n;
}

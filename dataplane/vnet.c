/* SPDX-License-Identifier: BSD-2-Clause
 *
 * struct virtio_net_hdr and mbufs; see vnet.h.
 *
 * Segmentation is believed only for the outermost transport header: there are no mbuf fields for
 * the lengths of a tunnel's outer headers that a segment would need, and a virtio_net_hdr of this
 * size does not say "tunnel" either.
 */
#include "dataplane/vnet.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/csum_priv.h"
#include "dataplane/parse.h"

#define ETH_SIZE	 14u
#define TCP_SIZE	 20u
#define UDP_SIZE	 8u
#define TCP_FLAGS_OFFSET 13u
#define TCP_CWR		 0x80u
#define MAX_TAGS	 8u
/* No TCP cuts smaller (Linux: TCP_MIN_SND_MSS), and no UDP sender into more (UDP_MAX_SEGMENTS):
 * what is beyond both is a frame of 60 KB that costs its sender nothing and us as many segments. */
#define SMALL_SEGMENT	   48u
#define MAX_SMALL_SEGMENTS 128u

#define SEG_FLAGS (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)

static bool is_tpid(uint16_t type)
{
	return type == RTE_BE16(0x8100) || type == RTE_BE16(0x88a8) || type == RTE_BE16(0x9100);
}

/* Is layer 3 at 'l2_len' with nothing but VLAN tags before it? */
static bool is_outermost(const struct rte_mbuf *m, uint32_t l2_len)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = ETH_SIZE;

	for (unsigned i = 0; i < MAX_TAGS && at < l2_len; i++, at += 4)
		if (at > m->data_len || !is_tpid(dp_csum_load(frame + at - 2)))
			return false;
	return at == l2_len;
}

/* A super-frame whose checksum was complete already (a NIC merged it).  Segments cannot inherit
 * that: makes it a request, with the pseudo-header's sum in its place. */
static int request_for_complete(struct rte_mbuf *m)
{
	struct dp_headers h;
	uint32_t at, size;
	uint16_t field;
	int rc;

	dp_parse_mbuf(m, &h);
	if (h.bad != DP_BAD_NONE || (h.l4 != DP_L4_TCP && h.l4 != DP_L4_UDP))
		return -EBADMSG;
	at = (uint32_t)h.l2_size + h.l3_size;
	field = h.l4 == DP_L4_TCP ? DP_CSUM_OFFSET_TCP : DP_CSUM_OFFSET_UDP;
	size = (uint32_t)h.ip_size - h.l3_size;
	rc = dp_csum_request(m, (uint16_t)at, field);
	if (rc == 0)
		dp_csum_store(rte_pktmbuf_mtod_offset(m, uint8_t *, at + field),
			      dp_csum_pseudo(rte_pktmbuf_mtod(m, const uint8_t *), &h, h.ip_proto,
					     size));
	return rc;
}

/* The flag for gso_type if it agrees with the transport that the checksum request found; 0 if not.
 * */
static uint64_t seg_flag(uint8_t gso_type, uint64_t ol_flags)
{
	bool tcp = (ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM;
	bool udp = (ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;

	switch (gso_type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return tcp && (ol_flags & RTE_MBUF_F_TX_IPV4) ? RTE_MBUF_F_TX_TCP_SEG : 0;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return tcp && (ol_flags & RTE_MBUF_F_TX_IPV6) ? RTE_MBUF_F_TX_TCP_SEG : 0;
	case DP_VNET_GSO_UDP_L4:
		return udp ? RTE_MBUF_F_TX_UDP_SEG : 0;
	default: /* UFO: nobody is told that we take it. */
		return 0;
	}
}

/* After the checksum request is set. */
static int set_segmentation(const struct virtio_net_hdr *hdr, struct rte_mbuf *m)
{
	uint64_t flag = seg_flag(hdr->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN, m->ol_flags);
	uint32_t headers = (uint32_t)m->l2_len + m->l3_len + m->l4_len;

	if (flag == 0 || hdr->gso_size == 0 || !is_outermost(m, m->l2_len))
		return -EBADMSG;
	if (m->l4_len < (flag == RTE_MBUF_F_TX_TCP_SEG ? TCP_SIZE : UDP_SIZE) ||
	    headers > m->data_len)
		return -EBADMSG;
	if (m->pkt_len - headers <= hdr->gso_size)
		return 0; /* One segment: an ordinary frame. */
	if (hdr->gso_size < SMALL_SEGMENT &&
	    m->pkt_len - headers > MAX_SMALL_SEGMENTS * (uint32_t)hdr->gso_size)
		return -EBADMSG;
	m->tso_segsz = hdr->gso_size;
	m->ol_flags |= flag;
	return 0;
}

int dp_vnet_to_mbuf(const struct virtio_net_hdr *hdr, struct rte_mbuf *m)
{
	bool needs_csum = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	int rc;

	if (!needs_csum && hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return 0;
	if (m->data_len < ETH_SIZE)
		return -EBADMSG;
	if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		rc = dp_csum_request(m, hdr->csum_start, hdr->csum_offset);
		return rc == 0 ? 0 : dp_csum_complete(m, hdr->csum_start, hdr->csum_offset);
	}
	rc = needs_csum ? dp_csum_request(m, hdr->csum_start, hdr->csum_offset)
			: request_for_complete(m);
	if (rc == 0)
		rc = set_segmentation(hdr, m);
	return rc;
}

static bool has_cwr(const struct rte_mbuf *m, uint32_t l4_at)
{
	return (*rte_pktmbuf_mtod_offset(m, const uint8_t *, l4_at + TCP_FLAGS_OFFSET) & TCP_CWR) !=
	       0;
}

static int fill_segmentation(const struct rte_mbuf *m, struct virtio_net_hdr *hdr)
{
	uint32_t l4_at = (uint32_t)m->l2_len + m->l3_len;
	bool tcp = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;

	if (m->tso_segsz == 0 || m->l4_len < (tcp ? TCP_SIZE : UDP_SIZE) ||
	    l4_at + m->l4_len > m->data_len)
		return -EBADMSG;
	hdr->gso_size = m->tso_segsz;
	hdr->hdr_len = (uint16_t)(l4_at + m->l4_len);
	if (!tcp)
		hdr->gso_type = DP_VNET_GSO_UDP_L4;
	else if (m->ol_flags & RTE_MBUF_F_TX_IPV6)
		hdr->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	else
		hdr->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	if (tcp && has_cwr(m, l4_at))
		hdr->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	return 0;
}

int dp_vnet_from_mbuf(const struct rte_mbuf *m, struct virtio_net_hdr *ret_hdr)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	struct virtio_net_hdr hdr = {0};
	uint32_t start;

	/* Transmit flags only: receive flags of a NIC share the word. */
	if (likely((m->ol_flags & (RTE_MBUF_F_TX_L4_MASK | SEG_FLAGS | RTE_MBUF_F_TX_IP_CKSUM)) ==
		   0)) {
		*ret_hdr = hdr;
		return 0;
	}
	/* A TCP segmentation request implies the checksum. */
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 && l4 == 0)
		l4 = RTE_MBUF_F_TX_TCP_CKSUM;
	if ((m->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0 && l4 == 0)
		l4 = RTE_MBUF_F_TX_UDP_CKSUM;
	if ((l4 != RTE_MBUF_F_TX_TCP_CKSUM && l4 != RTE_MBUF_F_TX_UDP_CKSUM) ||
	    (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0)
		return -EBADMSG;
	start = (uint32_t)m->l2_len + m->l3_len;
	hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr.csum_start = (uint16_t)start;
	hdr.csum_offset = l4 == RTE_MBUF_F_TX_TCP_CKSUM ? DP_CSUM_OFFSET_TCP : DP_CSUM_OFFSET_UDP;
	if (start + hdr.csum_offset + 2 > m->data_len)
		return -EBADMSG;
	if ((m->ol_flags & SEG_FLAGS) != 0 && fill_segmentation(m, &hdr) != 0)
		return -EBADMSG;
	*ret_hdr = hdr;
	return 0;
}

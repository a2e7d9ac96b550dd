/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The virtio-net header: a guest's requests become requests on the mbuf (port.h says which), and
 * back.  The guest's header says where to sum (csum_start) and where to put it (csum_offset); DPDK
 * wants to know what headers these are.  A frame whose headers we do not know is summed at once.
 *
 * Source: VIRTIO 1.1, 5.1.6.2 (transmission), 5.1.6.4 (receipt).
 */
#include "dataplane/csum.h"
#include "dataplane/vring_priv.h"

#include <netinet/tcp.h>

#include <rte_mbuf.h>

static int request_tso(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	uint64_t version;

	switch (hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		version = RTE_MBUF_F_TX_IPV4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		version = RTE_MBUF_F_TX_IPV6;
		break;
	default: /* Not offered, so not allowed. */
		return -EBADMSG;
	}
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != RTE_MBUF_F_TX_TCP_CKSUM ||
	    (m->ol_flags & version) == 0 || hdr->gso_size == 0 ||
	    m->l4_len < sizeof(struct tcphdr) ||
	    (uint32_t)m->l2_len + m->l3_len + m->l4_len > m->data_len)
		return -EBADMSG;
	m->tso_segsz = hdr->gso_size;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	return 0;
}

int dp_vring_request(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	bool gso = hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE;

	if ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
		return gso ? -EBADMSG : 0; /* 5.1.6.2.1: gso_type needs NEEDS_CSUM. */
	m->tx_offload = 0;
	if (dp_csum_request(m, hdr->csum_start, hdr->csum_offset) == 0)
		return gso ? request_tso(m, hdr) : 0;
	return gso ? -EBADMSG : dp_csum_complete(m, hdr->csum_start, hdr->csum_offset);
}

static uint16_t csum_offset(uint64_t l4)
{
	if (l4 == RTE_MBUF_F_TX_TCP_CKSUM)
		return 16;
	return l4 == RTE_MBUF_F_TX_UDP_CKSUM ? 6 : 8; /* SCTP: 8 */
}

static uint8_t gso_type(const struct dp_vring *r, const struct rte_mbuf *m)
{
	uint32_t flags_at = (uint32_t)m->l2_len + m->l3_len + 13;
	uint8_t type = (m->ol_flags & RTE_MBUF_F_TX_IPV4) != 0 ? VIRTIO_NET_HDR_GSO_TCPV4
							       : VIRTIO_NET_HDR_GSO_TCPV6;

	if (r->ecn && flags_at < m->data_len &&
	    (*rte_pktmbuf_mtod_offset(m, const uint8_t *, flags_at) & 0x80) != 0) /* CWR */
		type |= VIRTIO_NET_HDR_GSO_ECN;
	return type;
}

void vring_hdr_fill(const struct dp_vring *r, const struct rte_mbuf *m,
		    struct virtio_net_hdr_mrg_rxbuf *hdr)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	*hdr = (struct virtio_net_hdr_mrg_rxbuf){.num_buffers = 1};
	if (l4 != 0) {
		hdr->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr->hdr.csum_start = (uint16_t)(m->l2_len + m->l3_len);
		hdr->hdr.csum_offset = csum_offset(l4);
	} else if (r->data_valid &&
		   (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD) {
		hdr->hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0) {
		hdr->hdr.gso_type = gso_type(r, m);
		hdr->hdr.gso_size = m->tso_segsz;
		hdr->hdr.hdr_len = (uint16_t)(m->l2_len + m->l3_len + m->l4_len);
	}
}

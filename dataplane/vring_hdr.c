/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The virtio-net header of a ring, where it differs from Linux's (vnet.h translates both): a guest
 * may ask only for what it was offered, and wants to hear of checksums that are known to be good.
 *
 * Source: VIRTIO 1.1, 5.1.6.2 (transmission), 5.1.6.4 (receipt).
 */
#include "dataplane/vnet.h"
#include "dataplane/vring_priv.h"

#include <errno.h>

#include <rte_mbuf.h>

int dp_vring_request(struct rte_mbuf *m, const struct virtio_net_hdr *hdr)
{
	uint8_t gso_type = hdr->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;

	/* 5.1.6.2.1: segmentation needs NEEDS_CSUM.  That of UDP is not offered. */
	if (hdr->gso_type != VIRTIO_NET_HDR_GSO_NONE &&
	    ((hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0 || gso_type == DP_VNET_GSO_UDP_L4))
		return -EBADMSG;
	m->tx_offload = 0;
	return dp_vnet_to_mbuf(hdr, m);
}

void vring_hdr_fill(const struct dp_vring *r, const struct rte_mbuf *m,
		    struct virtio_net_hdr_mrg_rxbuf *hdr)
{
	*hdr = (struct virtio_net_hdr_mrg_rxbuf){.num_buffers = 1};
	/* tx_caps keeps requests away that the header has no words for. */
	if (dp_vnet_from_mbuf(m, &hdr->hdr) != 0)
		return;
	if (!r->ecn)
		hdr->hdr.gso_type &= (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	if (hdr->hdr.flags == 0 && r->data_valid &&
	    (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		hdr->hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
}

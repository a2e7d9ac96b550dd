/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header with which Linux hands over frames that are not finished: struct virtio_net_hdr before
 * each frame of a tap (IFF_VNET_HDR) or packet socket (PACKET_VNET_HDR).  Translated to and from
 * the mbuf fields that port.h prescribes.
 *
 * 	NEEDS_CSUM, csum_start, csum_offset  <->  RTE_MBUF_F_TX_{TCP,UDP,SCTP}_CKSUM, l2_len, ...
 * 	gso_type, gso_size                   <->  RTE_MBUF_F_TX_{TCP,UDP}_SEG, tso_segsz
 *
 * Numbers are in the byte order of the host (legacy virtio).  Source: VIRTIO 1.2, 5.1.6;
 * linux/virtio_net.h.  Any thread; no state.
 */
#ifndef DATAPLANE_VNET_H
#define DATAPLANE_VNET_H

#include <linux/virtio_net.h>

struct rte_mbuf;

/* Not in the headers of Linux before 6.2. */
#define DP_VNET_GSO_UDP_L4 5

/* Believes nothing that the frame does not confirm.  A checksum that no mbuf field can ask for is
 * computed on the spot, so 'm' must be writable.  0, or -EBADMSG: the header and the frame do not
 * fit together, drop it. */
int dp_vnet_to_mbuf(const struct virtio_net_hdr *hdr, struct rte_mbuf *m);

/* -EBADMSG: the request cannot be said in this header (SCTP, IPv4 header checksum) or is not in the
 * first segment. */
int dp_vnet_from_mbuf(const struct rte_mbuf *m, struct virtio_net_hdr *ret_hdr);

#endif

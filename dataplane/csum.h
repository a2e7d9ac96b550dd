/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Checksums in software, for frames whose request (port.h, "rx") the egress port cannot meet.
 * Workers.
 *
 * A request may be about an inner packet: a Linux host that encapsulates leaves the inner transport
 * checksum open.  Then m->l2_len counts everything before the inner IP header.
 */
#ifndef DATAPLANE_CSUM_H
#define DATAPLANE_CSUM_H

#include <stdint.h>

struct rte_mbuf;

/* Fills in every checksum that m->ol_flags asks for (IPv4 header, TCP, UDP, SCTP CRC32c) over any
 * number of segments and clears the requests.  The frame must be writable (refcnt 1, direct).  0,
 * or -EBADMSG when l2_len and l3_len do not lead to such a header inside the first segment, for a
 * fragment, and for a frame that asks for segmentation; the frame is then unchanged. */
int dp_csum_finish(struct rte_mbuf *m);

/* Finds a checksum that was never filled in: a virtual interface hands over frames with the
 * pseudo-header sum where the checksum should be (zero for SCTP), and says so nowhere (AF_XDP on
 * veth).  Sets the request on such a frame, leaves others. */
void dp_csum_detect_partial(struct rte_mbuf *m);

/* Sets the request that a virtio_net_hdr makes with 'csum_start' and 'csum_offset': finds the
 * headers that end at 'csum_start', in the frame or in the one inside its tunnel, and sets
 * m->l2_len, l3_len, l4_len, the IP version flag and RTE_MBUF_F_TX_{TCP,UDP,SCTP}_CKSUM, whichever
 * 'csum_offset' is the checksum's offset in.  0, or -EBADMSG and the frame has no request. */
int dp_csum_request(struct rte_mbuf *m, uint16_t csum_start, uint16_t csum_offset);

/* Meets such a request at once, knowing nothing about the headers: sums the frame from 'csum_start'
 * on and stores the complement.  For what dp_csum_request() refuses (MPLS, IP in IP); not for SCTP.
 * The frame must be writable.  0, or -EBADMSG when the field is not inside the first segment. */
int dp_csum_complete(struct rte_mbuf *m, uint16_t csum_start, uint16_t csum_offset);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Checksums in software, for frames whose request (port.h, "rx") the egress port cannot meet.  Workers.
 */
#ifndef DATAPLANE_CSUM_H
#define DATAPLANE_CSUM_H

#include <stdint.h>

struct rte_mbuf;

/* Fills in every checksum that m->ol_flags asks for (IPv4 header, TCP, UDP, SCTP CRC32c) over any number of
 * segments and clears the requests.  The frame must be writable (refcnt 1, direct).  0, or -EBADMSG when l2_len and
 * l3_len do not lead to such a header inside the first segment; the frame is then unchanged. */
int dp_csum_finish(struct rte_mbuf *m);

/* Finds a checksum that was never filled in: a virtual interface hands over frames with the pseudo-header sum where
 * the checksum should be, and says so nowhere (AF_XDP on veth).  Sets the request on such a frame, leaves others. */
void dp_csum_detect_partial(struct rte_mbuf *m);

/* Finds the headers and sets m->l2_len, l3_len, l4_len and the IP version flags for the request 'l4_flag'
 * (RTE_MBUF_F_TX_TCP_CKSUM...) at 'csum_start' as virtio_net_hdr names it.  0 or -EBADMSG. */
int dp_csum_request(struct rte_mbuf *m, uint16_t csum_start, uint16_t csum_offset);

#endif

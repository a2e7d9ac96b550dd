/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Segmentation in software: one TCP (v4, v6) or UDP super-frame becomes frames of tso_segsz payload
 * each, with lengths, sequence numbers, IPv4 ids, flags and checksum requests right (RFC 9293; FIN
 * and PSH on the last, CWR on the first).  rte_gso does TCP over IPv4 only in 22.11 and asks for
 * indirect buffers, hence our own.  Workers.
 *
 * The request is RTE_MBUF_F_TX_TCP_SEG or _UDP_SEG, RTE_MBUF_F_TX_IPV4 or _IPV6, l2_len, l3_len,
 * l4_len and tso_segsz.  Guests make it, so it is believed as far as the headers confirm it.  What
 * the headers say about lengths is not looked at (some guests leave 0 there): the frame's length
 * counts.
 */
#ifndef DATAPLANE_GSO_H
#define DATAPLANE_GSO_H

#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

/* Number of frames that 'm' becomes, 1 to 65535; 0 when it asks for no segmentation, its headers
 * are malformed, tso_segsz is 0, or there would be more.  A sender chooses tso_segsz: who reserves
 * room for the segments decides how many he stands. */
uint16_t dp_gso_count(const struct rte_mbuf *m);

/* Writes the segments to out[0..max).  Each carries the transport checksum request of the original
 * (the field holds the pseudo-header's sum), not its segmentation request; the IPv4 header checksum
 * is filled in.  Headers lie in the first mbuf of a segment; more are chained when it is longer
 * than the pool's data room.  Payload is copied.  'm' stays the caller's, unchanged.  Returns their
 * number, -ENOSPC when 'max' is too small, -ENOMEM, or -EBADMSG where dp_gso_count() says 0; on
 * failure nothing is allocated. */
int dp_gso(const struct rte_mbuf *m, struct rte_mempool *pool, struct rte_mbuf **out, uint16_t max);

#endif

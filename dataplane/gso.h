/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Segmentation in software: one TCP (v4, v6) or UDP super-frame becomes frames of tso_segsz payload each, with
 * lengths, sequence numbers, IPv4 ids, flags and checksum requests right (RFC 9293; FIN and PSH on the last, CWR on the first).
 * rte_gso does TCP over IPv4 only in 22.11 and asks for indirect buffers, hence our own.  Workers.
 */
#ifndef DATAPLANE_GSO_H
#define DATAPLANE_GSO_H

#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

/* Number of frames that 'm' becomes; 0 when its headers are malformed or tso_segsz is 0. */
uint16_t dp_gso_count(const struct rte_mbuf *m);

/* Writes the segments to out[0..max).  Each carries the checksum request of the original (not its TSO request).
 * Payload is copied.  'm' stays the caller's, unchanged.  Returns their number, -ENOSPC when 'max' is too small,
 * -ENOMEM, or -EBADMSG; on failure nothing is allocated. */
int dp_gso(const struct rte_mbuf *m, struct rte_mempool *pool, struct rte_mbuf **out, uint16_t max);

#endif

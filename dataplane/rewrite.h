/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes to a frame's bytes: tags and labels pushed and popped, fields set, TTLs moved, with every
 * checksum that the change touches kept right by its difference (RFC 1624; a frame that came
 * damaged stays so), or left to the request that the frame carries (port.h).  What OpenFlow's
 * actions do, and nothing about when: what a pushed header copies is the caller's to say.
 *
 * The frame must be writable: one owner of its bytes (dp_rw_own()).  All that is changed lies in
 * the first segment; a frame whose headers do not is refused.  Each function returns 0, or -EBADMSG
 * when the frame has no such header, or -ENOMEM without head room; a frame that is refused is
 * unchanged.
 *
 * 'h' is what dp_parse_mbuf() says of the frame, before and after.
 *
 * A request for a transport checksum or segmentation moves with its header.  Where mbuf fields
 * cannot say any longer where that is (l2_len ends at 127), the checksum is filled in, and a
 * super-frame refused with -EBADMSG.
 *
 * Workers; no state.
 *
 * Source: OpenFlow Switch Specification 1.3.5, 5.12 (actions), 7.2.5; RFC 3032, 1624; IEEE 802.1ah.
 */
#ifndef DATAPLANE_REWRITE_H
#define DATAPLANE_REWRITE_H

#include "dataplane/key.h"
#include "dataplane/parse.h"

#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

/* 'm' itself, or a private copy of it when its bytes are shared ('m' is freed then); NULL, and 'm'
 * freed, when there is no buffer. */
struct rte_mbuf *dp_rw_own(struct rte_mbuf *m, struct rte_mempool *pool);

/* Outermost tag.  'tpid' 0x8100 or 0x88a8; 'tci' as it stands in the frame. */
static inline int dp_rw_push_vlan(struct rte_mbuf *m, struct dp_headers *h, uint16_t tpid,
				  uint16_t tci);
static inline int dp_rw_pop_vlan(struct rte_mbuf *m, struct dp_headers *h);
/* Replaces the bits of 'mask' in the outermost tag. */
static inline int dp_rw_set_vlan(struct rte_mbuf *m, struct dp_headers *h, uint16_t tci,
				 uint16_t mask);

/* Before the EtherType's payload, after the tags.  'type' 0x8847 or 0x8848; 'lse' in host order is
 * the whole entry (label, class, bottom of stack, TTL).  -EBADMSG for a frame with an 802.3 length:
 * it has no EtherType, or one behind SNAP, where nobody looks for MPLS. */
int dp_rw_push_mpls(struct rte_mbuf *m, struct dp_headers *h, uint16_t type, uint32_t lse);
/* The EtherType becomes 'type'. */
int dp_rw_pop_mpls(struct rte_mbuf *m, struct dp_headers *h, uint16_t type);
int dp_rw_set_mpls(struct rte_mbuf *m, const struct dp_headers *h, uint32_t lse, uint32_t mask);

/* An I-TAG in front (IEEE 802.1ah 9.7): backbone addresses are copied from the frame's own.
 * 'itag' in host order: priority, drop eligible, UCA, reserved, 24 bits of I-SID. */
int dp_rw_push_pbb(struct rte_mbuf *m, struct dp_headers *h, uint32_t itag);
/* The customer addresses become the frame's.  Tags before the I-TAG stay (1.3.5, 5.12: a backbone
 * tag is popped as a tag). */
int dp_rw_pop_pbb(struct rte_mbuf *m, struct dp_headers *h);
int dp_rw_set_pbb(struct rte_mbuf *m, const struct dp_headers *h, uint32_t itag, uint32_t mask);

/* Of the outermost layer 3 if that is IP; an MPLS frame has none. */
int dp_rw_set_nw_ttl(struct rte_mbuf *m, struct dp_headers *h, uint8_t ttl);
/* -ERANGE, and nothing changed, when the TTL is 0 or 1. */
static inline int dp_rw_dec_nw_ttl(struct rte_mbuf *m, struct dp_headers *h);
int dp_rw_set_mpls_ttl(struct rte_mbuf *m, const struct dp_headers *h, uint8_t ttl);
int dp_rw_dec_mpls_ttl(struct rte_mbuf *m, const struct dp_headers *h); /* -ERANGE as above */
/* From the next-to-outermost header with a TTL to the outermost (in: the reverse): MPLS in MPLS, IP
 * in MPLS, IP in IP. */
int dp_rw_copy_ttl_out(struct rte_mbuf *m, struct dp_headers *h);
int dp_rw_copy_ttl_in(struct rte_mbuf *m, const struct dp_headers *h);

/* Sets the bits of 'mask' of a packet header field to those of 'value'; both as in
 * dp_key_get_bytes(): network order, (bits + 7) / 8 bytes.  ETH_DST, ETH_SRC, ETH_TYPE, VLAN_VID
 * (the present bit is ignored), VLAN_PCP, IP_PROTO, IP_DSCP, IP_ECN, TP_SRC, TP_DST (also ARP
 * operation, ICMP type and code), IP4_SRC, IP4_DST (also ARP's), IP6_SRC, IP6_DST, IPV6_FLABEL,
 * ARP_SHA, ARP_THA (also ND link layer options), ND_TARGET, MPLS_*, PBB_*.  -EINVAL for any other.
 *
 * IP_PROTO names what follows otherwise and leaves its bytes, but for the checksum of what it was,
 * whose pseudo-header has the protocol: one that was open is filled in first.  An address that the
 * checksum's pseudo-header takes from elsewhere (a routing header with segments left, a home
 * address) does not change the checksum.  Checksums that follow are IPv4's, TCP's, UDP's (0 stays
 * 0), ICMP's, ICMPv6's, SCTP's (ports, not of a fragment). */
int dp_rw_set_field(struct rte_mbuf *m, struct dp_headers *h, enum dp_field field,
		    const uint8_t *value, const uint8_t *mask);
/* Both addresses at once: the way of most routed frames.  The frame has an Ethernet header: h->bad
 * is not DP_BAD_ETH. */
static inline void dp_rw_set_macs(struct rte_mbuf *m, const uint8_t dst[6], const uint8_t src[6]);

#include "dataplane/rewrite_inline.h"

#endif

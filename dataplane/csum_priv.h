/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Internet checksum arithmetic (RFC 1071) that csum.c and gso.c share.  Sums are of 16-bit words as
 * they lie in memory, so that no byte is ever swapped on the way.
 */
#ifndef DATAPLANE_CSUM_PRIV_H
#define DATAPLANE_CSUM_PRIV_H

#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>

#include "dataplane/parse.h"

#define DP_CSUM_OFFSET_TCP  16
#define DP_CSUM_OFFSET_UDP  6
#define DP_CSUM_OFFSET_SCTP 8

/* The transport of a request and its numbers. */
#define DP_PROTO_TCP 6
#define DP_PROTO_UDP 17

static inline uint16_t dp_csum_load(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void dp_csum_store(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Adds the carries back.  Never 0 unless 'sum' is. */
static inline uint16_t dp_csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* The checksum of an IPv4 header whose checksum field is zero. */
static inline uint16_t dp_csum_ipv4(const uint8_t *ip, uint32_t size)
{
	return (uint16_t)~rte_raw_cksum(ip, size);
}

/* The sum of the pseudo-header (RFC 9293 3.1, 8200 8.1) of 'size' bytes of transport, folded, not
 * complemented: what a sender leaves in the checksum field for others to complete.
 * rte_ipv6_phdr_cksum() is not for us: it takes protocol and length from the fixed header, wrong
 * with extension headers. */
static inline uint16_t dp_csum_pseudo(const uint8_t *frame, const struct dp_headers *h,
				      uint8_t proto, uint32_t size)
{
	uint32_t n = h->l3 == DP_L3_IPV6 ? 32 : 8;
	uint32_t sum = rte_raw_cksum(frame + h->ip_src, n);

	sum += rte_cpu_to_be_16(proto);
	sum += rte_cpu_to_be_16(size & 0xffff);
	sum += rte_cpu_to_be_16(size >> 16);
	return dp_csum_fold(sum);
}

/* The pseudo-header's addresses are not those of the header: the destination is where the routing
 * header ends (RFC 8200 8.1), the source may be a home address (RFC 6275 6.3). */
static inline int dp_csum_pseudo_is_elsewhere(const struct dp_headers *h)
{
	return h->l3 == DP_L3_IPV6 && (h->ip_ext & (DP_EXT_ROUTER | DP_EXT_DEST)) != 0;
}

#endif

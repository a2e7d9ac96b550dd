/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Explicit congestion notification, RFC 3168 5 and 23.1: ECT(0) and ECT(1) become CE, in IPv4 with
 * its checksum (RFC 1624), in IPv6.  Behind up to two VLAN tags; what is deeper counts as not
 * capable.
 */
#include "dataplane/scheduler_priv.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#define ECN_MASK 3u
#define ECN_CE	 3u
#define MAX_TAGS 2

/* Where layer 3 starts and what it is; false: the first segment does not say. */
static bool find_l3(const struct rte_mbuf *m, uint32_t *ret_offset, uint16_t *ret_type)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = 2 * RTE_ETHER_ADDR_LEN;
	uint16_t type;

	for (int tags = 0;; tags++) {
		if (m->data_len < at + 2)
			return false;
		type = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
		at += 2;
		if (tags == MAX_TAGS ||
		    (type != RTE_ETHER_TYPE_VLAN && type != RTE_ETHER_TYPE_QINQ))
			break;
		at += 2;
	}
	*ret_offset = at;
	*ret_type = type;
	return true;
}

/* What of its headers this sees must be its own to change. */
static bool own(struct rte_mbuf **m)
{
	struct rte_mbuf *copy;

	if (RTE_MBUF_DIRECT(*m) && rte_mbuf_refcnt_read(*m) == 1)
		return true;
	copy = rte_pktmbuf_copy(*m, (*m)->pool, 0, UINT32_MAX);
	if (copy == NULL)
		return false;
	copy->port = (*m)->port;
	rte_pktmbuf_free(*m);
	*m = copy;
	return true;
}

static bool mark4(struct rte_mbuf **m, uint32_t at)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(*m, struct rte_ipv4_hdr *, at);
	uint32_t sum;
	uint8_t ecn;

	if ((*m)->data_len < at + sizeof(*ip) || ip->version != 4)
		return false;
	ecn = ip->type_of_service & ECN_MASK;
	if (ecn == 0)
		return false;
	if (ecn == ECN_CE)
		return true;
	if (!own(m))
		return false;
	ip = rte_pktmbuf_mtod_offset(*m, struct rte_ipv4_hdr *, at);
	ip->type_of_service |= ECN_CE;
	/* HC' = ~(~HC + ~m + m'), and m' - m is CE less what it was. */
	sum = (uint16_t)~rte_be_to_cpu_16(ip->hdr_checksum) + (ECN_CE - ecn);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->hdr_checksum = rte_cpu_to_be_16((uint16_t)~sum);
	return true;
}

static bool mark6(struct rte_mbuf **m, uint32_t at)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(*m, const uint8_t *, at);
	uint8_t ecn;

	if ((*m)->data_len < at + sizeof(struct rte_ipv6_hdr) || ip[0] >> 4 != 6)
		return false;
	ecn = ip[1] >> 4 & ECN_MASK;
	if (ecn == 0)
		return false;
	if (ecn == ECN_CE)
		return true;
	if (!own(m))
		return false;
	*rte_pktmbuf_mtod_offset(*m, uint8_t *, at + 1) |= ECN_CE << 4;
	return true;
}

bool sched_ecn_mark(struct rte_mbuf **m)
{
	uint32_t at;
	uint16_t type;

	if (!find_l3(*m, &at, &type))
		return false;
	if (type == RTE_ETHER_TYPE_IPV4)
		return mark4(m, at);
	return type == RTE_ETHER_TYPE_IPV6 && mark6(m, at);
}

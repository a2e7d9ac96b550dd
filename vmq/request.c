/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See request.h.  The mbuf fields are set by dataplane/vnet.h, which virtio guests share; here is
 * how RNDIS says the same.
 *
 * 	checksum PPI   which transport, and where it starts (TCP; Windows does not say for UDP)
 * 	LSO PPI        segment size, where TCP starts; IPv4 length and checksum are zero in the
 * frame, and TCP's field holds the pseudo-header's sum without a length
 */
#include "vmq/request.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/parse.h"
#include "dataplane/vnet.h"
#include "vmbus/rndis.h"

#define ETH_SIZE	14u
#define IP4_SIZE	20u
#define IP6_SIZE	40u
#define TCP_SIZE	20u
#define MAX_TAGS	2u
#define PROTO_TCP	6
#define TCP_CSUM_OFFSET 16
#define UDP_CSUM_OFFSET 6

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void store16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Where layer 3 starts behind tags, and its type; 0 when the frame ends before. */
static uint32_t find_l3(const struct rte_mbuf *m, uint16_t *ret_type)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = ETH_SIZE;

	if (m->data_len < ETH_SIZE)
		return 0;
	*ret_type = load16(frame + 12);
	for (unsigned i = 0;
	     i < MAX_TAGS && (*ret_type == RTE_BE16(0x8100) || *ret_type == RTE_BE16(0x88a8));
	     i++, at += 4) {
		if (at + 4 > m->data_len)
			return 0;
		*ret_type = load16(frame + at + 2);
	}
	return at;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* ---- Checksums ---- */

static int fill_ip4_header(struct rte_mbuf *m)
{
	uint16_t type;
	uint32_t l3 = find_l3(m, &type), size;
	uint8_t *ip;

	if (l3 == 0 || type != RTE_BE16(0x0800) || l3 + IP4_SIZE > m->data_len)
		return -EBADMSG;
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, l3);
	size = (ip[0] & 15u) * 4;
	if (ip[0] >> 4 != 4 || size < IP4_SIZE || l3 + size > m->data_len)
		return -EBADMSG;
	store16(ip + 10, 0);
	store16(ip + 10, (uint16_t)~rte_raw_cksum(ip, size));
	return 0;
}

/* Where the guest says that the transport starts; if it does not, or the headers say otherwise,
 * where they do. */
static int transport_request(struct rte_mbuf *m, uint32_t start, uint16_t field)
{
	struct dp_headers h;

	if (start != 0 && start <= UINT16_MAX && dp_csum_request(m, (uint16_t)start, field) == 0)
		return 0;
	dp_parse_mbuf(m, &h);
	if (h.bad == DP_BAD_NONE &&
	    dp_csum_request(m, (uint16_t)(h.l2_size + h.l3_size), field) == 0)
		return 0;
	/* Headers that we do not know (MPLS): believe the guest, and do it here. */
	if (start == 0 || start > UINT16_MAX)
		return -EBADMSG;
	return dp_csum_complete(m, (uint16_t)start, field);
}

static int checksum_request(struct rte_mbuf *m, uint32_t csum, uint32_t shift)
{
	uint32_t start = RNDIS_CSUM_TX_OFFSET(csum);

	if ((csum & RNDIS_CSUM_TX_IP_HEADER) != 0 && (csum & RNDIS_CSUM_TX_IP4) != 0 &&
	    fill_ip4_header(m) != 0)
		return -EBADMSG;
	if (start != 0)
		start += shift;
	if ((csum & RNDIS_CSUM_TX_TCP) != 0)
		return transport_request(m, start, TCP_CSUM_OFFSET);
	if ((csum & RNDIS_CSUM_TX_UDP) != 0)
		return transport_request(m, start, UDP_CSUM_OFFSET);
	return 0;
}

/* ---- Super-frames ---- */

static int mend_ip4(uint8_t *ip, uint32_t header, uint32_t size)
{
	if (ip[0] >> 4 != 4 || (ip[0] & 15u) * 4 != header || header < IP4_SIZE ||
	    ip[9] != PROTO_TCP || size > UINT16_MAX)
		return -EBADMSG;
	store16(ip + 2, rte_cpu_to_be_16((uint16_t)size));
	store16(ip + 10, 0);
	store16(ip + 10, (uint16_t)~rte_raw_cksum(ip, header));
	return 0;
}

/* That extension headers lead to TCP is confirmed by the checksum request. */
static int mend_ip6(uint8_t *ip, uint32_t header, uint32_t size)
{
	if (ip[0] >> 4 != 6 || header < IP6_SIZE || size - IP6_SIZE > UINT16_MAX)
		return -EBADMSG;
	store16(ip + 4, rte_cpu_to_be_16((uint16_t)(size - IP6_SIZE)));
	return 0;
}

/* The sum of the pseudo-header, as Linux leaves it in TCP's field. */
static uint16_t pseudo(const uint8_t *ip, bool ip6, uint32_t size)
{
	uint32_t sum = ip6 ? rte_raw_cksum(ip + 8, 32) : rte_raw_cksum(ip + 12, 8);

	sum += RTE_BE16(PROTO_TCP);
	sum += rte_cpu_to_be_16((uint16_t)(size & 0xffff));
	sum += rte_cpu_to_be_16((uint16_t)(size >> 16));
	return fold(sum);
}

static int segmentation_request(struct rte_mbuf *m, uint32_t lso, uint32_t shift)
{
	bool ip6 = (lso & RNDIS_LSO_IP6) != 0;
	uint32_t tcp = RNDIS_LSO_OFFSET(lso) + shift, l3, size;
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = ip6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = (uint16_t)RNDIS_LSO_MSS(lso),
		.csum_offset = TCP_CSUM_OFFSET,
	};
	uint16_t type;
	uint8_t *ip;

	l3 = find_l3(m, &type);
	if (l3 == 0 || type != (ip6 ? RTE_BE16(0x86dd) : RTE_BE16(0x0800)) || tcp <= l3 ||
	    tcp - l3 < IP4_SIZE || tcp + TCP_SIZE > m->data_len || RNDIS_LSO_MSS(lso) > UINT16_MAX)
		return -EBADMSG;
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, l3);
	size = m->pkt_len - l3;
	if ((ip6 ? mend_ip6(ip, tcp - l3, size) : mend_ip4(ip, tcp - l3, size)) != 0)
		return -EBADMSG;
	store16(ip + (tcp - l3) + TCP_CSUM_OFFSET, pseudo(ip, ip6, m->pkt_len - tcp));
	hdr.csum_start = (uint16_t)tcp;
	return dp_vnet_to_mbuf(&hdr, m);
}

int vmq_request(struct rte_mbuf *m, const struct rndis_packet *packet, uint32_t shift)
{
	m->tx_offload = 0;
	if (packet->has_lso && RNDIS_LSO_MSS(packet->lso) != 0)
		return segmentation_request(m, packet->lso, shift);
	if (packet->has_csum)
		return checksum_request(m, packet->csum, shift);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest may ask of its NIC: a table of OIDs, each with a function that writes its value.
 *
 * Values are as long as guests' buffers, where they are of one length: Linux refuses an answer that
 * is longer than what it has.
 */
#include "vmbus/netvsp_priv.h"

#include <errno.h>
#include <string.h>

#include "ctl/base/wire.h"

#define BUFFER_SPACE   (256u << 10)
#define VENDOR_ID      0x00FFFFFFu /* none was assigned */
#define VENDOR_TEXT    "Virtual switch"
#define DRIVER_VERSION 0x0600u /* NDIS 6 */
#define MAX_MULTICAST  32u
/* Lookahead is copied, sends do not wait for transfers, no loopback, priorities and VLANs. */
#define MAC_OPTIONS 0x24Bu
#define ENCAP_TYPE  0xA8
#define ENCAP_SIZE  28u
#define ENCAP_ON    1u
#define ENCAP_802_3 2u

typedef uint32_t (*query_fn)(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr);

static uint32_t zero(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, 0);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t mtu(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, n->conf.mtu);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t frame(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, n->conf.mtu + NETVSP_ETH_HEADER);
	return RNDIS_STATUS_SUCCESS;
}

static uint64_t bps(const struct netvsp *n)
{
	return (uint64_t)n->conf.speed_mbps * 1000000;
}

static uint32_t link_speed(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	uint64_t hundreds = bps(n) / 100;

	wr_le32(wr, hundreds > UINT32_MAX ? UINT32_MAX : (uint32_t)hundreds);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t space(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, BUFFER_SPACE);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t vendor_id(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, VENDOR_ID);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t vendor_text(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_bytes(wr, VENDOR_TEXT, sizeof(VENDOR_TEXT));
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t filter(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, n->state.filter);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t driver_version(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le16(wr, DRIVER_VERSION);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t mac_options(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, MAC_OPTIONS);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t link_down(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, !n->conf.link_up);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t max_packets(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, NETVSP_MAX_PACKETS);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t max_multicast(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_le32(wr, MAX_MULTICAST);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t nothing(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	return RNDIS_STATUS_SUCCESS;
}

/* The address in use, for 'permanent' as well: a guest that starts anew (a reboot) takes it for its
 * own, and would else use one that the switch does not expect. */
static uint32_t mac(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	wr_bytes(wr, n->state.mac, sizeof(n->state.mac));
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t name(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	size_t size = 2 * strnlen(n->conf.name, sizeof(n->conf.name) - 1);
	uint8_t *room = wr_room(wr, size);

	if (room != NULL)
		oid_text_write(n->conf.name, room, size);
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t link_state(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	struct oid_link_state link = {.up = n->conf.link_up, .bps = bps(n)};
	uint8_t bytes[OID_LINK_STATE_SIZE];

	wr_bytes(wr, bytes, oid_link_state_write(&link, bytes));
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t max_link_speed(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	uint8_t bytes[OID_LINK_SPEED_SIZE];

	wr_bytes(wr, bytes, oid_link_speed_write(bps(n), bytes));
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t rss_caps(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	struct oid_rss_caps caps = {.flags = OID_RSS_MSIX | OID_RSS_TCP4 | OID_RSS_TCP6 |
					     OID_RSS_TOEPLITZ,
				    .n_messages = n->conf.max_queues,
				    .n_queues = n->conf.max_queues,
				    .n_entries = NETVSP_TABLE_SIZE};
	uint8_t bytes[OID_RSS_CAPS_MAX];

	wr_bytes(wr, bytes, oid_rss_caps_write(&caps, bytes));
	return RNDIS_STATUS_SUCCESS;
}

static uint64_t counter_of(const struct netvsp_stats *s, uint32_t oid)
{
	switch (oid) {
	case OID_GEN_XMIT_OK:
		return s->tx_packets;
	case OID_GEN_RCV_OK:
		return s->rx_packets;
	case OID_GEN_XMIT_ERROR:
		return s->tx_errors;
	case OID_GEN_RCV_ERROR:
		return s->rx_errors;
	default:
		return s->rx_no_buffer;
	}
}

/* 8 bytes, unless the guest has room for 4. */
static uint32_t counter(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	struct netvsp_stats stats = {0};
	uint64_t value;

	n->ops->stats(n->ctx, &stats);
	value = counter_of(&stats, q->oid);
	if (q->data_size >= 4 && q->data_size < 8)
		wr_le32(wr, (uint32_t)value);
	else
		wr_le64(wr, value);
	return RNDIS_STATUS_SUCCESS;
}

uint8_t netvsp_offload_revision(const struct netvsp *n)
{
	uint32_t major = n->state.ndis_major, minor = n->state.ndis_minor;

	if (major < 6 || (major == 6 && minor == 0))
		return 1;
	return major == 6 && minor < 30 ? 2 : 3;
}

bool netvsp_rsc_possible(const struct netvsp *n)
{
	return n->conf.offloads && n->conf.rsc && n->state.nvsp_version >= NVSP_V6_1 &&
	       n->state.capabilities & NVSP_CAP_RSC;
}

static void offload_full(const struct netvsp *n, uint8_t revision, struct oid_offload *ret)
{
	*ret = (struct oid_offload){.revision = revision};
	if (!n->conf.offloads)
		return;
	ret->tx_csum4 = ret->rx_csum4 = OID_CSUM4_ALL;
	ret->tx_csum6 = ret->rx_csum6 = OID_CSUM6_ALL;
	ret->lso4_max = ret->lso6_max = NETVSP_LSO_MAX;
	ret->lso4_min_segments = ret->lso6_min_segments = 2;
	ret->lso6_options = OID_LSO6_ALL;
	ret->rsc4 = ret->rsc6 = netvsp_rsc_possible(n);
}

void netvsp_offload_current(const struct netvsp *n, struct oid_offload *ret)
{
	offload_full(n, netvsp_offload_revision(n), ret);
	if (!n->state.csum_rx4)
		ret->rx_csum4 = 0;
	if (!n->state.csum_rx6)
		ret->rx_csum6 = 0;
	ret->rsc4 = n->state.lro4;
	ret->rsc6 = n->state.lro6;
}

/* The newest revision that the guest has room for; its input is the header that it wants to see. 0:
 * it has room for none. */
static uint8_t revision_wanted(const struct netvsp *n, const struct rndis_msg *q)
{
	struct oid_header h;

	if (q->data_size == 0)
		return netvsp_offload_revision(n);
	if (oid_header_read(q->data, q->data_size, &h) < 0 || h.type != OID_TYPE_OFFLOAD)
		return 0;
	if (h.revision >= 3 && h.size >= OID_OFFLOAD_SIZE_3)
		return 3;
	if (h.revision >= 2 && h.size >= OID_OFFLOAD_SIZE_2)
		return 2;
	return h.revision >= 1 && h.size >= OID_OFFLOAD_SIZE_1 ? 1 : 0;
}

static uint32_t put_offload(struct oid_offload *o, uint8_t revision, struct wr *wr)
{
	uint8_t bytes[OID_OFFLOAD_MAX];

	if (revision == 0)
		return RNDIS_STATUS_INVALID_DATA;
	o->revision = revision;
	wr_bytes(wr, bytes, oid_offload_write(o, bytes));
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t hardware(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	uint8_t revision = revision_wanted(n, q);
	struct oid_offload o;

	offload_full(n, revision, &o);
	return put_offload(&o, revision, wr);
}

static uint32_t current(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	struct oid_offload o;

	netvsp_offload_current(n, &o);
	return put_offload(&o, revision_wanted(n, q), wr);
}

static uint32_t encapsulation(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	struct oid_header h = {.type = ENCAP_TYPE, .revision = 1, .size = ENCAP_SIZE};
	uint8_t bytes[OID_HEADER_SIZE];

	wr_bytes(wr, bytes, oid_header_write(&h, bytes));
	for (unsigned family = 0; family < 2; family++) {
		wr_le32(wr, ENCAP_ON);
		wr_le32(wr, ENCAP_802_3);
		wr_le32(wr, NETVSP_ETH_HEADER);
	}
	return RNDIS_STATUS_SUCCESS;
}

static uint32_t supported(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr);

/* A function of NULL: an OID that can be set only. */
static const struct {
	uint32_t oid;
	query_fn query;
} oids[] = {
	{OID_GEN_SUPPORTED_LIST, supported},
	{OID_GEN_HARDWARE_STATUS, zero},
	{OID_GEN_MEDIA_SUPPORTED, zero},
	{OID_GEN_MEDIA_IN_USE, zero},
	{OID_GEN_MAXIMUM_LOOKAHEAD, mtu},
	{OID_GEN_MAXIMUM_FRAME_SIZE, mtu},
	{OID_GEN_LINK_SPEED, link_speed},
	{OID_GEN_TRANSMIT_BUFFER_SPACE, space},
	{OID_GEN_RECEIVE_BUFFER_SPACE, space},
	{OID_GEN_TRANSMIT_BLOCK_SIZE, frame},
	{OID_GEN_RECEIVE_BLOCK_SIZE, frame},
	{OID_GEN_VENDOR_ID, vendor_id},
	{OID_GEN_VENDOR_DESCRIPTION, vendor_text},
	{OID_GEN_CURRENT_PACKET_FILTER, filter},
	{OID_GEN_CURRENT_LOOKAHEAD, mtu},
	{OID_GEN_DRIVER_VERSION, driver_version},
	{OID_GEN_MAXIMUM_TOTAL_SIZE, frame},
	{OID_GEN_PROTOCOL_OPTIONS, NULL},
	{OID_GEN_MAC_OPTIONS, mac_options},
	{OID_GEN_MEDIA_CONNECT_STATUS, link_down},
	{OID_GEN_MAXIMUM_SEND_PACKETS, max_packets},
	{OID_GEN_VENDOR_DRIVER_VERSION, driver_version},
	{OID_GEN_NETWORK_LAYER_ADDRESSES, NULL},
	{OID_GEN_TRANSPORT_HEADER_OFFSET, NULL},
	{OID_GEN_RECEIVE_SCALE_CAPABILITIES, rss_caps},
	{OID_GEN_RECEIVE_SCALE_PARAMETERS, NULL},
	{OID_GEN_MAX_LINK_SPEED, max_link_speed},
	{OID_GEN_LINK_STATE, link_state},
	{OID_GEN_XMIT_OK, counter},
	{OID_GEN_RCV_OK, counter},
	{OID_GEN_XMIT_ERROR, counter},
	{OID_GEN_RCV_ERROR, counter},
	{OID_GEN_RCV_NO_BUFFER, counter},
	{OID_GEN_FRIENDLY_NAME, name},
	{OID_GEN_RNDIS_CONFIG_PARAMETER, NULL},
	{OID_802_3_PERMANENT_ADDRESS, mac},
	{OID_802_3_CURRENT_ADDRESS, mac},
	{OID_802_3_MULTICAST_LIST, nothing},
	{OID_802_3_MAXIMUM_LIST_SIZE, max_multicast},
	{OID_OFFLOAD_ENCAPSULATION, encapsulation},
	{(uint32_t)OID_TCP_OFFLOAD_CURRENT_CONFIG, current},
	{(uint32_t)OID_TCP_OFFLOAD_PARAMETERS, NULL},
	{(uint32_t)OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, hardware},
};
#define N_OIDS (sizeof(oids) / sizeof(oids[0]))
_Static_assert(N_OIDS * 4 <= NETVSP_VALUE_MAX, "list of OIDs in an answer");

static uint32_t supported(const struct netvsp *n, const struct rndis_msg *q, struct wr *wr)
{
	for (size_t i = 0; i < N_OIDS; i++)
		wr_le32(wr, oids[i].oid);
	return RNDIS_STATUS_SUCCESS;
}

uint32_t netvsp_query(struct netvsp *n, const struct rndis_msg *query, void *to, size_t *ret_size)
{
	struct wr wr = wr_over(to, NETVSP_VALUE_MAX);
	uint32_t status = RNDIS_STATUS_NOT_SUPPORTED;

	for (size_t i = 0; i < N_OIDS; i++)
		if (oids[i].oid == query->oid && oids[i].query != NULL)
			status = oids[i].query(n, query, &wr);
	if (status == RNDIS_STATUS_INVALID_DATA)
		netvsp_count(n, NETVSP_FAULT_OID);
	*ret_size = wr.size;
	return status;
}

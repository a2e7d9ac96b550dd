/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest asks its NIC by RNDIS while it sets it up, and later.
 */
#include "vmbus/guest/net_priv.h"

#include <errno.h>
#include <string.h>

#include "vmbus/netvsp.h"

#define MAX_TRANSFER 0x4000
#define HASH_TYPES   (NETVSP_HASH_IP4 | NETVSP_HASH_TCP4 | NETVSP_HASH_IP6 | NETVSP_HASH_TCP6)

/* The key that Microsoft publishes to verify implementations with. */
static const uint8_t default_key[GUEST_KEY_SIZE] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static int status_rc(uint32_t status)
{
	return status == RNDIS_STATUS_SUCCESS ? 0 : -EIO;
}

static int set(struct guest_net *net, uint32_t oid, const void *value, size_t size)
{
	uint32_t status;
	int rc = guest_net_set(net, oid, value, (uint32_t)size, &status);

	return rc != 0 ? rc : status_rc(status);
}

/* A value of exactly 'size' bytes, or more.  -EIO: the host has none. */
static int query(struct guest_net *net, uint32_t oid, void *to, uint32_t size)
{
	uint32_t got, status;
	int rc = guest_net_query(net, oid, NULL, 0, to, size, &got, &status);

	if (rc == 0)
		rc = status_rc(status);
	return rc == 0 && got < size ? -EIO : rc;
}

/* What a host need not have. */
static int optional(int rc)
{
	return rc == -EIO ? 0 : rc;
}

static int initialize(struct guest_net *net)
{
	struct rndis_msg msg = {.type = RNDIS_INITIALIZE,
				.major = 1,
				.minor = 0,
				.max_transfer = MAX_TRANSFER};
	const struct rndis_msg *reply = &net->answer.rndis;
	int rc = guest_net_rndis(net, &msg);

	if (rc == 0)
		rc = status_rc(reply->status);
	if (rc != 0)
		return rc;
	if (reply->type != (RNDIS_INITIALIZE | RNDIS_COMPLETION))
		return -EIO;
	net->rndis_up = true;
	net->info.max_packets = reply->max_packets != 0 ? reply->max_packets : 1;
	net->info.alignment = reply->alignment;
	if (reply->alignment == 0 || reply->alignment > 256 ||
	    (reply->alignment & (reply->alignment - 1)) != 0)
		net->info.alignment = 8;
	return 0;
}

static int frame_size(struct guest_net *net)
{
	uint32_t mtu = 0;
	int rc = optional(query(net, OID_GEN_MAXIMUM_FRAME_SIZE, &mtu, sizeof(mtu)));

	if (rc == 0 && mtu >= 68 && mtu <= UINT16_MAX &&
	    (net->info.mtu == 0 || mtu < net->info.mtu))
		net->info.mtu = (uint16_t)mtu;
	return rc;
}

static int friendly_name(struct guest_net *net)
{
	uint8_t text[128];
	uint32_t size, status;
	int rc = guest_net_query(net, OID_GEN_FRIENDLY_NAME, NULL, 0, text, sizeof(text), &size,
				 &status);

	if (rc == 0 && status == RNDIS_STATUS_SUCCESS)
		oid_text_read(text, size, net->info.name, sizeof(net->info.name));
	return rc;
}

static int capabilities(struct guest_net *net)
{
	const struct oid_header ask = {
		.type = OID_TYPE_OFFLOAD,
		.revision = net->info.nvsp_version > NVSP_V4 ? 3 : 1,
		.size = net->info.nvsp_version > NVSP_V4 ? OID_OFFLOAD_SIZE_3 : OID_OFFLOAD_SIZE_1,
	};
	uint8_t input[OID_OFFLOAD_MAX] = {0}, value[OID_OFFLOAD_MAX];
	struct oid_offload *o = &net->offloads;
	uint32_t size, status;
	int rc;

	(void)oid_header_write(&ask, input);
	rc = guest_net_query(net, OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, input, ask.size, value,
			     sizeof(value), &size, &status);
	if (rc == 0)
		rc = status_rc(status);
	if (rc == 0 && oid_offload_read(value, size, o) != 0)
		rc = -EIO;
	return rc;
}

/* As Linux derives it: options must be there too, or it is nothing. */
static void derive(struct guest_net *net, bool on, bool rsc)
{
	const struct oid_offload *o = &net->offloads;
	const uint32_t tcp4 = OID_CSUM4_TCP | OID_CSUM4_TCP_OPTIONS;
	const uint32_t tcp6 = OID_CSUM6_TCP | OID_CSUM6_TCP_OPTIONS | OID_CSUM6_EXTENSIONS;

	net->info.csum4 = on && (o->tx_csum4 & tcp4) == tcp4;
	net->info.csum6 = on && (o->tx_csum6 & tcp6) == tcp6;
	net->info.lso_max = net->info.csum4 ? o->lso4_max : 0;
	net->info.lso6 = net->info.csum6 && o->lso6_max != 0 &&
			 (o->lso6_options & OID_LSO6_ALL) == OID_LSO6_ALL;
	net->info.rsc = rsc && o->rsc4 && o->rsc6;
}

int guest_net_set_offloads(struct guest_net *net, bool on, bool rsc)
{
	struct oid_params p = {.revision = net->info.nvsp_version > NVSP_V4 ? 3 : 2};
	const struct oid_offload *o = &net->offloads;
	uint8_t value[OID_PARAMS_MAX];
	int rc;

	derive(net, on, rsc);
	p.ip4 = OID_PARAMS_OFF;
	p.tcp4 = net->info.csum4 ? OID_PARAMS_BOTH : OID_PARAMS_OFF;
	p.tcp6 = net->info.csum6 ? OID_PARAMS_BOTH : OID_PARAMS_OFF;
	p.udp4 = on && (o->tx_csum4 & OID_CSUM4_UDP) != 0 ? OID_PARAMS_BOTH : OID_PARAMS_OFF;
	p.udp6 = on && (o->tx_csum6 & OID_CSUM6_UDP) != 0 ? OID_PARAMS_BOTH : OID_PARAMS_OFF;
	p.lso4 = net->info.lso_max != 0 ? OID_PARAMS_ON : OID_PARAMS_OFF;
	p.lso6 = net->info.lso6 ? OID_PARAMS_ON : OID_PARAMS_OFF;
	p.rsc4 = p.rsc6 = net->info.rsc ? OID_PARAMS_ON : OID_PARAMS_OFF;
	rc = set(net, OID_TCP_OFFLOAD_PARAMETERS, value, oid_params_write(&p, value));
	if (rc != 0)
		derive(net, false, false);
	return rc;
}

static int link_state(struct guest_net *net)
{
	uint32_t disconnected = 0;
	int rc = optional(
		query(net, OID_GEN_MEDIA_CONNECT_STATUS, &disconnected, sizeof(disconnected)));

	atomic_store(&net->link_up, disconnected == 0);
	return rc;
}

static int rss_capabilities(struct guest_net *net)
{
	struct oid_header ask = {.type = OID_TYPE_RSS_CAPS, .revision = 2, .size = 20};
	uint8_t input[OID_RSS_CAPS_MAX] = {0}, value[OID_RSS_CAPS_MAX];
	uint32_t size, status;
	int rc;

	(void)oid_header_write(&ask, input);
	rc = guest_net_query(net, OID_GEN_RECEIVE_SCALE_CAPABILITIES, input, sizeof(input), value,
			     sizeof(value), &size, &status);
	if (rc != 0)
		return rc;
	if (status == RNDIS_STATUS_SUCCESS && oid_rss_caps_read(value, size, &net->rss) == 0)
		net->info.host_queues =
			(uint16_t)(net->rss.n_queues < GUEST_MAX_QUEUES ? net->rss.n_queues
									: GUEST_MAX_QUEUES);
	return 0;
}

int guest_net_set_rss(struct guest_net *net, bool on, uint32_t hash_types, const uint8_t *table,
		      const uint8_t *key)
{
	struct oid_rss_params p = {
		.flags = on ? 0 : OID_RSS_DISABLE,
		.hash_info = hash_types | OID_RSS_TOEPLITZ,
		.n_entries = GUEST_TABLE_SIZE,
		.key_size = GUEST_KEY_SIZE,
	};
	uint8_t value[OID_RSS_PARAMS_MAX];

	for (unsigned i = 0; i < GUEST_TABLE_SIZE; i++)
		p.table[i] = table != NULL ? table[i] : i % net->n_channels;
	memcpy(p.key, key != NULL ? key : default_key, sizeof(p.key));
	return set(net, OID_GEN_RECEIVE_SCALE_PARAMETERS, value, oid_rss_params_write(&p, value));
}

static int rss(struct guest_net *net, bool twice)
{
	int rc = 0;

	if (net->n_channels < 2)
		return 0;
	if (twice)
		rc = guest_net_set_rss(net, false, HASH_TYPES, NULL, NULL);
	return rc != 0 ? rc : guest_net_set_rss(net, true, HASH_TYPES, NULL, NULL);
}

int guest_net_set_filter(struct guest_net *net, uint32_t filter)
{
	return set(net, OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter));
}

int guest_net_set_mac(struct guest_net *net, const uint8_t mac[6])
{
	uint8_t value[OID_MAC_CHANGE_SIZE];
	int rc = set(net, OID_GEN_RNDIS_CONFIG_PARAMETER, value, oid_mac_change_write(mac, value));

	if (rc == 0)
		memcpy(net->info.mac, mac, sizeof(net->info.mac));
	return rc;
}

int guest_net_reset(struct guest_net *net)
{
	struct rndis_msg msg = {.type = RNDIS_RESET};
	int rc = guest_net_rndis(net, &msg);

	return rc != 0 ? rc : status_rc(net->answer.rndis.status);
}

int guest_net_halt(struct guest_net *net)
{
	struct rndis_msg msg = {.type = RNDIS_HALT};

	net->rndis_up = false;
	return guest_net_rndis(net, &msg);
}

static int filter(struct guest_net *net)
{
	return guest_net_set_filter(net, net->conf.filter != 0 ? net->conf.filter
							       : NETVSP_FILTER_PROMISCUOUS);
}

static int speed(struct guest_net *net)
{
	if (net->info.nvsp_version < NVSP_V5)
		return 0;
	return optional(query(net, OID_GEN_LINK_SPEED, &net->info.speed_100bps,
			      sizeof(net->info.speed_100bps)));
}

int guest_net_step(struct guest_net *net, enum guest_step step)
{
	switch (step) {
	case GUEST_STEP_INITIALIZE:
		return initialize(net);
	case GUEST_STEP_FRAME_SIZE:
		return frame_size(net);
	case GUEST_STEP_MAC:
		return query(net, OID_802_3_PERMANENT_ADDRESS, net->info.mac,
			     sizeof(net->info.mac));
	case GUEST_STEP_NAME:
		return friendly_name(net);
	case GUEST_STEP_CAPABILITIES:
		return capabilities(net);
	case GUEST_STEP_OFFLOADS:
		return guest_net_set_offloads(net, !net->conf.no_offloads, !net->conf.no_rsc);
	case GUEST_STEP_LINK:
		return link_state(net);
	case GUEST_STEP_SPEED:
		return speed(net);
	case GUEST_STEP_RSS_CAPABILITIES:
		return rss_capabilities(net);
	case GUEST_STEP_SUBCHANNELS:
		return guest_net_subchannels(net);
	case GUEST_STEP_RSS:
		return rss(net, false);
	case GUEST_STEP_RSS_TWICE:
		return rss(net, true);
	case GUEST_STEP_FILTER:
		return filter(net);
	case GUEST_STEP_END:
		break;
	}
	return 0;
}

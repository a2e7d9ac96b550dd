/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest may set of its NIC.  Everything is checked before anything changes.
 */
#include "vmbus/netvsp_priv.h"

#include <errno.h>
#include <string.h>

#include "ctl/base/wire.h"

#define MAX_MULTICAST 32u
#define MAC_SIZE      6u
/* Types of hashes that mean those of NETVSP_HASH_* with extension headers seen through. */
#define HASH_IP6_EX   0x0800u
#define HASH_TCP6_EX  0x2000u
#define HASH_FUNCTION 0x00ffu

static uint32_t bad(struct netvsp *n)
{
	netvsp_count(n, NETVSP_FAULT_OID);
	return RNDIS_STATUS_INVALID_DATA;
}

static uint32_t commit(struct netvsp *n, const struct netvsp_state *next)
{
	return netvsp_commit(n, next) < 0 ? RNDIS_STATUS_FAILURE : RNDIS_STATUS_SUCCESS;
}

static uint32_t set_filter(struct netvsp *n, const struct rndis_msg *m)
{
	struct rd rd = rd_init(m->data, m->data_size);
	struct netvsp_state next = n->state;

	next.filter = rd_le32(&rd) & NETVSP_FILTER_ALL;
	if (!rd_ok(&rd))
		return bad(n);
	return commit(n, &next);
}

/* What a checksum's parameter makes of "the guest takes such as are not filled in". */
static void apply_csum(uint8_t tcp, uint8_t udp, bool possible, bool *on)
{
	if (tcp == OID_PARAMS_OFF || tcp == OID_PARAMS_TX || udp == OID_PARAMS_OFF ||
	    udp == OID_PARAMS_TX)
		*on = false;
	else if (tcp == OID_PARAMS_RX || tcp == OID_PARAMS_BOTH || udp == OID_PARAMS_RX ||
		 udp == OID_PARAMS_BOTH)
		*on = possible;
}

static void apply_switch(uint8_t value, bool possible, bool *on)
{
	if (value == OID_PARAMS_OFF)
		*on = false;
	else if (value == OID_PARAMS_ON)
		*on = possible;
}

/* What cannot be switched on stays off without a word: a failure makes Linux give up its NIC. */
static uint32_t set_offload(struct netvsp *n, const struct rndis_msg *m)
{
	struct netvsp_state next = n->state;
	struct oid_params p;

	if (oid_params_read(m->data, m->data_size, &p) < 0)
		return bad(n);
	apply_csum(p.tcp4, p.udp4, n->conf.offloads, &next.csum_rx4);
	apply_csum(p.tcp6, p.udp6, n->conf.offloads, &next.csum_rx6);
	apply_switch(p.rsc4, netvsp_rsc_possible(n), &next.lro4);
	apply_switch(p.rsc6, netvsp_rsc_possible(n), &next.lro6);
	return commit(n, &next);
}

static uint32_t hash_types(uint32_t info)
{
	uint32_t types = info & NETVSP_HASH_ALL;

	if (info & HASH_IP6_EX)
		types |= NETVSP_HASH_IP6;
	if (info & HASH_TCP6_EX)
		types |= NETVSP_HASH_TCP6;
	return types;
}

/* Entries beyond the channels there are go round. */
static void take_table(const struct oid_rss_params *p, struct netvsp_state *next)
{
	memset(next->table, 0, sizeof(next->table));
	next->table_size = p->n_entries;
	for (unsigned i = 0; i < p->n_entries; i++)
		next->table[i] = (uint8_t)(p->table[i] % (next->n_subchannels + 1u));
}

static bool is_power_of_2(unsigned v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* What is not said stays as it was. */
static uint32_t rss_on(struct netvsp *n, const struct oid_rss_params *p)
{
	struct netvsp_state next = n->state;

	if (!(p->flags & OID_RSS_SAME_HASH)) {
		if ((p->hash_info & HASH_FUNCTION) != OID_RSS_TOEPLITZ)
			return bad(n);
		next.hash_types = hash_types(p->hash_info);
	}
	if (!(p->flags & OID_RSS_SAME_TABLE)) {
		if (!is_power_of_2(p->n_entries))
			return bad(n);
		take_table(p, &next);
	}
	if (!(p->flags & OID_RSS_SAME_KEY)) {
		if (p->key_size != NETVSP_KEY_SIZE)
			return bad(n);
		memcpy(next.key, p->key, sizeof(next.key));
	}
	if (next.table_size == 0)
		return bad(n); /* 'same' as nothing */
	next.rss = true;
	return commit(n, &next);
}

static uint32_t set_rss(struct netvsp *n, const struct rndis_msg *m)
{
	struct netvsp_state next = n->state;
	struct oid_rss_params p;

	if (oid_rss_params_read(m->data, m->data_size, &p) < 0)
		return bad(n);
	if (!(p.flags & OID_RSS_DISABLE) && (p.flags & OID_RSS_SAME_HASH || p.hash_info != 0))
		return rss_on(n, &p);
	next.rss = false;
	return commit(n, &next);
}

static uint32_t set_mac(struct netvsp *n, const struct rndis_msg *m)
{
	struct netvsp_state next = n->state;
	int ret = oid_mac_change_read(m->data, m->data_size, next.mac);

	if (ret == -EOPNOTSUPP)
		return RNDIS_STATUS_NOT_SUPPORTED;
	if (ret < 0 || !netvsp_mac_ok(next.mac))
		return bad(n);
	if (memcmp(next.mac, n->state.mac, sizeof(next.mac)) == 0)
		return RNDIS_STATUS_SUCCESS;
	if (!n->conf.mac_change || n->ops->set_mac(n->ctx, next.mac) < 0)
		return RNDIS_STATUS_FAILURE;
	if (netvsp_commit(n, &next) < 0) {
		(void)n->ops->set_mac(n->ctx, n->state.mac);
		return RNDIS_STATUS_FAILURE;
	}
	return RNDIS_STATUS_SUCCESS;
}

/* All multicast is delivered to those who ask for some. */
static uint32_t set_multicast(struct netvsp *n, const struct rndis_msg *m)
{
	if (m->data_size % MAC_SIZE != 0 || m->data_size / MAC_SIZE > MAX_MULTICAST)
		return bad(n);
	return RNDIS_STATUS_SUCCESS;
}

uint32_t netvsp_set(struct netvsp *n, const struct rndis_msg *m)
{
	switch (m->oid) {
	case OID_GEN_CURRENT_PACKET_FILTER:
		return set_filter(n, m);
	case (uint32_t)OID_TCP_OFFLOAD_PARAMETERS:
		return set_offload(n, m);
	case OID_GEN_RECEIVE_SCALE_PARAMETERS:
		return set_rss(n, m);
	case OID_GEN_RNDIS_CONFIG_PARAMETER:
		return set_mac(n, m);
	case OID_802_3_MULTICAST_LIST:
		return set_multicast(n, m);
	case OID_GEN_CURRENT_LOOKAHEAD: /* frames come whole; the rest describes protocols */
	case OID_GEN_PROTOCOL_OPTIONS:
	case OID_GEN_NETWORK_LAYER_ADDRESSES:
	case OID_GEN_TRANSPORT_HEADER_OFFSET:
	case OID_OFFLOAD_ENCAPSULATION:
		return RNDIS_STATUS_SUCCESS;
	default:
		return RNDIS_STATUS_NOT_SUPPORTED;
	}
}

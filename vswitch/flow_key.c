/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flow_key.h.
 */
#include "vswitch/flow_key.h"

#include "vswitch/of/action.h"

#include <string.h>

#define RESERVED_32 0xffffff00u
#define RESERVED_16 0xff00u

/* X(OpenFlow, key); registers follow by number. */
/* clang-format off */
#define SAME(X)                                                                               \
	X(IN_PORT, IN_PORT) X(IN_PHY_PORT, IN_PHY_PORT) X(METADATA, METADATA)                 \
	X(ETH_DST, ETH_DST) X(ETH_SRC, ETH_SRC) X(ETH_TYPE, ETH_TYPE)                         \
	X(VLAN_VID, VLAN_VID) X(VLAN_PCP, VLAN_PCP) X(IP_DSCP, IP_DSCP) X(IP_ECN, IP_ECN)     \
	X(IP_PROTO, IP_PROTO) X(IPV4_SRC, IP4_SRC) X(IPV4_DST, IP4_DST)                       \
	X(TCP_SRC, TP_SRC) X(TCP_DST, TP_DST) X(UDP_SRC, TP_SRC) X(UDP_DST, TP_DST)           \
	X(SCTP_SRC, TP_SRC) X(SCTP_DST, TP_DST)                                               \
	X(ICMPV4_TYPE, TP_SRC) X(ICMPV4_CODE, TP_DST)                                         \
	X(ICMPV6_TYPE, TP_SRC) X(ICMPV6_CODE, TP_DST)                                         \
	X(ARP_OP, TP_SRC) X(ARP_SPA, IP4_SRC) X(ARP_TPA, IP4_DST)                             \
	X(ARP_SHA, ARP_SHA) X(ARP_THA, ARP_THA)                                               \
	X(IPV6_SRC, IP6_SRC) X(IPV6_DST, IP6_DST) X(IPV6_FLABEL, IPV6_FLABEL)                 \
	X(IPV6_ND_TARGET, ND_TARGET) X(IPV6_ND_SLL, ARP_SHA) X(IPV6_ND_TLL, ARP_THA)          \
	X(MPLS_LABEL, MPLS_LABEL) X(MPLS_TC, MPLS_TC) X(MPLS_BOS, MPLS_BOS)                   \
	X(PBB_ISID, PBB_ISID) X(PBB_UCA, PBB_UCA) X(TUNNEL_ID, TUN_ID)                        \
	X(IPV6_EXTHDR, IPV6_EXTHDR) X(TCP_FLAGS, TCP_FLAGS) X(NXM_IN_PORT, IN_PORT)           \
	X(IP_FRAG, IP_FRAG) X(TUN_SRC, TUN_SRC) X(TUN_DST, TUN_DST)                           \
	X(TUN_IPV6_SRC, TUN_SRC6) X(TUN_IPV6_DST, TUN_DST6) X(PKT_MARK, PKT_MARK)             \
	X(CT_STATE, CT_STATE) X(CT_ZONE, CT_ZONE) X(CT_MARK, CT_MARK) X(CT_LABEL, CT_LABEL)
/* clang-format on */

/* One more than the key's field; 0: none. */
static const uint8_t fields[OF_N_FIELDS] = {
#define X(of, dp) [OF_F_##of] = DP_FIELD_##dp + 1,
	SAME(X)
#undef X
};

enum dp_field vs_flow_field(enum of_field field)
{
	if (field >= OF_F_REG0 && field <= OF_F_REG15)
		return (enum dp_field)(DP_FIELD_REG0 + (field - OF_F_REG0));
	if (field >= OF_N_FIELDS || fields[field] == 0)
		return DP_N_FIELDS;
	return (enum dp_field)(fields[field] - 1);
}

uint16_t vs_flow_port16(uint32_t port)
{
	return (uint16_t)(port >= RESERVED_32 ? port - RESERVED_32 + RESERVED_16 : port);
}

uint32_t vs_flow_port32(uint16_t port)
{
	return port >= RESERVED_16 ? port - RESERVED_16 + RESERVED_32 : port;
}

/* Extended registers are runs of registers. */
static bool set_registers(const struct of_oxm *oxm, struct dp_key *key, struct dp_key *mask)
{
	unsigned first, size;

	if (oxm->field >= OF_F_XREG0 && oxm->field <= OF_F_XREG7) {
		first = (oxm->field - OF_F_XREG0) * 2u;
		size = 8;
	} else if (oxm->field >= OF_F_XXREG0 && oxm->field <= OF_F_XXREG3) {
		first = (oxm->field - OF_F_XXREG0) * 4u;
		size = 16;
	} else {
		return false;
	}
	for (unsigned i = 0; i < size; i++) {
		unsigned at = dp_fields[DP_FIELD_REG0].offset + first * 4 + i;

		key->b[at] = (uint8_t)((key->b[at] & ~oxm->mask[i]) | oxm->value[i]);
		if (mask != NULL)
			mask->b[at] |= oxm->mask[i];
	}
	return true;
}

/* The whole TCI of a tag: what the key has, but in one field. */
static void set_tci(const struct of_oxm *oxm, struct dp_key *key, struct dp_key *mask)
{
	unsigned at = dp_fields[DP_FIELD_VLAN_VID].offset;

	for (unsigned i = 0; i < 2; i++) {
		key->b[at + i] = (uint8_t)((key->b[at + i] & ~oxm->mask[i]) | oxm->value[i]);
		if (mask != NULL)
			mask->b[at + i] |= oxm->mask[i];
	}
}

/* Values of other widths than the key's: ICMP types and codes, ports. */
static void widen(const struct of_oxm *oxm, enum dp_field field, uint8_t *value, uint8_t *bits)
{
	size_t own = of_field_info((enum of_field)oxm->field)->size;
	size_t size = (dp_fields[field].bits + 7u) / 8;

	memset(value, 0, OF_VALUE_MAX);
	memset(bits, 0xff, OF_VALUE_MAX);
	if (own <= size) {
		memcpy(value + size - own, oxm->value, own);
		memcpy(bits + size - own, oxm->mask, own);
	} else {
		memcpy(value, oxm->value + own - size, size);
		memcpy(bits, oxm->mask + own - size, size);
	}
}

static uint32_t value32(const struct of_oxm *oxm)
{
	return (uint32_t)oxm->value[0] << 24 | (uint32_t)oxm->value[1] << 16 |
	       (uint32_t)oxm->value[2] << 8 | oxm->value[3];
}

enum of_error vs_flow_key_set(const struct of_oxm *oxm, struct dp_key *key, struct dp_key *mask)
{
	enum dp_field field = vs_flow_field((enum of_field)oxm->field);
	uint8_t value[OF_VALUE_MAX], bits[OF_VALUE_MAX], old[OF_VALUE_MAX];
	size_t size;

	if (set_registers(oxm, key, mask))
		return OF_OK;
	if (oxm->field == OF_F_VLAN_TCI) {
		set_tci(oxm, key, mask);
		return OF_OK;
	}
	if (field == DP_N_FIELDS)
		return OFPBMC_BAD_FIELD;
	if (oxm->field == OF_F_IN_PORT) {
		uint32_t port = value32(oxm);

		if (port >= RESERVED_16 && port < RESERVED_32)
			return OFPBMC_BAD_VALUE;
		dp_key_set(key, field, vs_flow_port16(port));
		if (mask != NULL)
			dp_key_cover(mask, field);
		return OF_OK;
	}
	size = (dp_fields[field].bits + 7u) / 8;
	widen(oxm, field, value, bits);
	dp_key_get_bytes(key, field, old);
	for (size_t i = 0; i < size; i++)
		value[i] = (uint8_t)((old[i] & ~bits[i]) | (value[i] & bits[i]));
	dp_key_set_bytes(key, field, value);
	if (mask != NULL) {
		dp_key_get_bytes(mask, field, old);
		for (size_t i = 0; i < size; i++)
			bits[i] |= old[i];
		dp_key_set_bytes(mask, field, bits);
	}
	return OF_OK;
}

enum of_error vs_flow_key(const struct of_match *match, struct dp_key *ret_key,
			  struct dp_key *ret_mask)
{
	struct dp_key key = {0}, mask = {0};

	for (unsigned i = 0; i < match->n; i++) {
		enum of_error error = vs_flow_key_set(&match->v[i], &key, &mask);

		if (error != OF_OK)
			return error;
	}
	for (unsigned i = 0; i < DP_KEY_WORDS; i++)
		key.w[i] &= mask.w[i];
	*ret_key = key;
	*ret_mask = mask;
	return OF_OK;
}

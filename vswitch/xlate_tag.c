/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: headers pushed and popped.  The frame's bytes are the step's business
 * (dataplane/rewrite.h); here the key follows, so that later tables see what is outermost then.
 * Workers.
 */
#include "vswitch/xlate_priv.h"

#define TYPE_IPV4    0x0800
#define TYPE_CVLAN   0x8100
#define TYPE_IPV6    0x86dd
#define TYPE_MPLS    0x8847
#define TYPE_MPLS_MC 0x8848
#define TYPE_SVLAN   0x88a8
#define TYPE_PBB     0x88e7

static uint16_t tci_of(const struct dp_key *key)
{
	return (uint16_t)(dp_key_get(key, DP_FIELD_VLAN_PCP) << 13 |
			  (dp_key_get(key, DP_FIELD_VLAN_VID) & 0xfff));
}

static bool is_tag(uint64_t type)
{
	return type == TYPE_CVLAN || type == TYPE_SVLAN;
}

static bool is_mpls(uint64_t type)
{
	return type == TYPE_MPLS || type == TYPE_MPLS_MC;
}

static bool is_ip(uint64_t type)
{
	return type == TYPE_IPV4 || type == TYPE_IPV6;
}

/* The places of an outer tag and of a whole entry: their fields share them. */
#define OUTER_TCI DP_FIELD_VLAN_VID
#define OUTER_LSE DP_FIELD_MPLS_LABEL

/* Bits of a tag's place that is no field of OpenFlow's. */
static bool has_tag(struct xlate *x, enum dp_field tci)
{
	struct dp_key bits = {0};

	bits.b[dp_fields[tci].offset] = DP_VLAN_PRESENT >> 8;
	vs_xlate_look(x, &bits);
	return (x->key.b[dp_fields[tci].offset] & (DP_VLAN_PRESENT >> 8)) != 0;
}

bool vs_xlate_is_tagged(struct xlate *x)
{
	return has_tag(x, OUTER_TCI);
}

static void no_tag(struct xlate *x)
{
	vs_xlate_write(x, DP_FIELD_VLAN_VID, 0);
	vs_xlate_write(x, DP_FIELD_VLAN_PCP, 0);
}

/* Before a header comes or goes. */
static void begin(struct xlate *x)
{
	vs_xlate_macs(x);
	vs_xlate_fresh(x);
}

/* The new tag is a copy of the outermost one, or zero (5.12.1). */
void vs_xlate_push_vlan(struct xlate *x, uint16_t tpid)
{
	begin(x);
	vs_xlate_look_at(x, DP_FIELD_VLAN_VID);
	vs_xlate_look_at(x, DP_FIELD_VLAN_PCP);
	vs_xlate_step(x, DP_STEP_PUSH_VLAN, (uint32_t)tpid << 16 | tci_of(&x->key), 0);
	/* Of three tags the innermost counts as payload: its EtherType is what is seen then. */
	if (has_tag(x, OUTER_TCI) && has_tag(x, DP_FIELD_INNER_TCI))
		x->at.stale = true;
	vs_xlate_carry(x, DP_FIELD_INNER_TCI, OUTER_TCI);
	dp_key_set(&x->key, DP_FIELD_VLAN_VID,
		   dp_key_get(&x->key, DP_FIELD_VLAN_VID) | DP_VLAN_PRESENT);
	vs_xlate_changed(x, DP_FIELD_VLAN_VID);
	vs_xlate_changed(x, DP_FIELD_VLAN_PCP);
}

void vs_xlate_pop_vlan(struct xlate *x)
{
	begin(x);
	vs_xlate_step(x, DP_STEP_POP_VLAN, 0, 0);
	vs_xlate_carry(x, OUTER_TCI, DP_FIELD_INNER_TCI);
	vs_xlate_write(x, DP_FIELD_INNER_TCI, 0);
	/* A third tag counts now. */
	if (is_tag(vs_xlate_read(x, DP_FIELD_ETH_TYPE)))
		x->at.stale = true;
}

/* Label and class are those of the entry that it covers, or zero (5.12.1); so is the TTL, which the
 * step copies. */
void vs_xlate_push_mpls(struct xlate *x, uint16_t type)
{
	uint64_t was;

	begin(x);
	vs_xlate_step(x, DP_STEP_PUSH_MPLS, type, 0);
	was = vs_xlate_read(x, DP_FIELD_ETH_TYPE);
	if (is_mpls(was)) {
		vs_xlate_carry(x, DP_FIELD_INNER_LSE, OUTER_LSE);
		x->at.no_inner_lse = false;
	} else {
		vs_xlate_write(x, DP_FIELD_MPLS_LABEL, 0);
		vs_xlate_write(x, DP_FIELD_MPLS_TC, 0);
		vs_xlate_write(x, DP_FIELD_MPLS_TYPE, is_ip(was) ? was : 0);
		/* Something else may have filled the fields that a pop to IP would show. */
		x->at.no_bottom = !is_ip(was);
	}
	vs_xlate_write(x, DP_FIELD_MPLS_BOS, !is_mpls(was));
	vs_xlate_write(x, DP_FIELD_ETH_TYPE, type);
}

/* What the key knows of the stack agrees with what the action calls the rest: the next entry, or IP
 * of that version. */
static bool knows_below(struct xlate *x, uint16_t type)
{
	bool is_bottom = vs_xlate_read(x, DP_FIELD_MPLS_BOS) != 0;

	if (is_mpls(type))
		return !is_bottom && !x->at.no_inner_lse;
	if (x->at.no_bottom || !is_bottom || !is_ip(type))
		return false;
	/* Nothing that is IP: an action that writes to it would not find it. */
	return vs_xlate_read(x, DP_FIELD_MPLS_TYPE) == type;
}

void vs_xlate_pop_mpls(struct xlate *x, uint16_t type)
{
	begin(x);
	if (!is_mpls(vs_xlate_read(x, DP_FIELD_ETH_TYPE)))
		return;
	vs_xlate_step(x, DP_STEP_POP_MPLS, type, 0);
	if (!knows_below(x, type))
		x->at.stale = true;
	if (is_mpls(type)) {
		vs_xlate_carry(x, OUTER_LSE, DP_FIELD_INNER_LSE);
		x->at.no_inner_lse = true;
	} else {
		vs_xlate_write(x, DP_FIELD_MPLS_LABEL, 0);
		vs_xlate_write(x, DP_FIELD_MPLS_TC, 0);
		vs_xlate_write(x, DP_FIELD_MPLS_BOS, 0);
	}
	vs_xlate_write(x, DP_FIELD_ETH_TYPE, type);
}

/* The customer's addresses are copies of the frame's, which stay; its tags go behind them.  The
 * service id is that of the I-TAG that it covers, or zero (5.12.1). */
void vs_xlate_push_pbb(struct xlate *x)
{
	bool was_pbb;

	begin(x);
	vs_xlate_step(x, DP_STEP_PUSH_PBB, 0, 0);
	was_pbb = vs_xlate_read(x, DP_FIELD_ETH_TYPE) == TYPE_PBB;
	x->at.no_customer = was_pbb || (has_tag(x, OUTER_TCI) && has_tag(x, DP_FIELD_INNER_TCI));
	vs_xlate_carry(x, DP_FIELD_PBB_DST, DP_FIELD_ETH_DST);
	vs_xlate_carry(x, DP_FIELD_PBB_SRC, DP_FIELD_ETH_SRC);
	vs_xlate_carry(x, DP_FIELD_PBB_TYPE, DP_FIELD_ETH_TYPE);
	vs_xlate_carry(x, DP_FIELD_PBB_TCI, OUTER_TCI);
	no_tag(x);
	vs_xlate_write(x, DP_FIELD_INNER_TCI, 0);
	if (!was_pbb)
		vs_xlate_write(x, DP_FIELD_PBB_ISID, 0);
	vs_xlate_write(x, DP_FIELD_PBB_UCA, 0);
	vs_xlate_write(x, DP_FIELD_ETH_TYPE, TYPE_PBB);
}

/* Tags before the I-TAG stay, and those of the customer come behind them. */
void vs_xlate_pop_pbb(struct xlate *x)
{
	uint64_t below;

	begin(x);
	if (vs_xlate_read(x, DP_FIELD_ETH_TYPE) != TYPE_PBB)
		return;
	below = vs_xlate_read(x, DP_FIELD_PBB_TYPE);
	if (below == 0)
		return; /* cut off */
	vs_xlate_step(x, DP_STEP_POP_PBB, 0, 0);
	if (x->at.no_customer || is_tag(below) || below == TYPE_PBB)
		x->at.stale = true;
	vs_xlate_carry(x, DP_FIELD_ETH_DST, DP_FIELD_PBB_DST);
	vs_xlate_carry(x, DP_FIELD_ETH_SRC, DP_FIELD_PBB_SRC);
	vs_xlate_carry(x, DP_FIELD_ETH_TYPE, DP_FIELD_PBB_TYPE);
	if (!has_tag(x, OUTER_TCI)) {
		vs_xlate_carry(x, OUTER_TCI, DP_FIELD_PBB_TCI);
	} else if (has_tag(x, DP_FIELD_INNER_TCI)) {
		x->at.stale = true;
	} else {
		vs_xlate_carry(x, DP_FIELD_INNER_TCI, DP_FIELD_PBB_TCI);
	}
	vs_xlate_write(x, DP_FIELD_PBB_ISID, 0);
	vs_xlate_write(x, DP_FIELD_PBB_UCA, 0);
}

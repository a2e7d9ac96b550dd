/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: actions that write fields.  Workers.
 */
#include "vswitch/xlate_priv.h"

#include <string.h>

#define IPV4 0x0800
#define IPV6 0x86dd

/* ---- Headers that a field is in ---- */

static bool is_type(struct xlate *x, uint64_t a, uint64_t b)
{
	uint64_t type = vs_xlate_read(x, DP_FIELD_ETH_TYPE);

	return type == a || type == b;
}

static bool is_proto(struct xlate *x, uint64_t a, uint64_t b, uint64_t proto)
{
	return is_type(x, a, b) && vs_xlate_read(x, DP_FIELD_IP_PROTO) == proto;
}

static bool is_nd(struct xlate *x, uint64_t a, uint64_t b)
{
	uint64_t type;

	if (!is_proto(x, IPV6, IPV6, 58))
		return false;
	type = vs_xlate_read(x, DP_FIELD_TP_SRC);
	return type == a || type == b;
}

/* The packet, as it is now, has the header.  Rules are checked for it when they are made, but what
 * was known then may be another packet's: an action set gathers the writes of several tables, and
 * one place in the key holds fields of several protocols. */
static bool has_header(struct xlate *x, enum of_field field)
{
	switch ((enum of_prereq)of_field_info(field)->prereq) {
	case OF_PREREQ_VLAN:
		return vs_xlate_is_tagged(x);
	case OF_PREREQ_IP:
		return is_type(x, IPV4, IPV6);
	case OF_PREREQ_IPV4:
		return is_type(x, IPV4, IPV4);
	case OF_PREREQ_IPV6:
		return is_type(x, IPV6, IPV6);
	case OF_PREREQ_ARP:
		return is_type(x, 0x0806, 0x0806);
	case OF_PREREQ_MPLS:
		return is_type(x, 0x8847, 0x8848);
	case OF_PREREQ_PBB:
		return is_type(x, 0x88e7, 0x88e7);
	case OF_PREREQ_TCP:
		return is_proto(x, IPV4, IPV6, 6);
	case OF_PREREQ_UDP:
		return is_proto(x, IPV4, IPV6, 17);
	case OF_PREREQ_SCTP:
		return is_proto(x, IPV4, IPV6, 132);
	case OF_PREREQ_ICMPV4:
		return is_proto(x, IPV4, IPV4, 1);
	case OF_PREREQ_ICMPV6:
		return is_proto(x, IPV6, IPV6, 58);
	case OF_PREREQ_ND:
		return is_nd(x, 135, 136);
	case OF_PREREQ_ND_SOL:
		return is_nd(x, 135, 135);
	case OF_PREREQ_ND_ADV:
		return is_nd(x, 136, 136);
	case OF_PREREQ_NONE:
	case OF_PREREQ_IN_PORT:
		break;
	}
	return field != OF_F_VLAN_VID || vs_xlate_is_tagged(x);
}

/* ---- Set-field ---- */

static void set_metadata_field(struct xlate *x, const struct of_oxm *oxm, enum dp_field field)
{
	vs_flow_key_set(oxm, &x->key, NULL);
	vs_xlate_changed(x, field);
}

void vs_xlate_set_field(struct xlate *x, const struct of_oxm *oxm)
{
	enum dp_field field = vs_flow_field((enum of_field)oxm->field);
	uint8_t *data;
	uint16_t size;

	if (field == DP_N_FIELDS)
		return;
	vs_xlate_fresh(x);
	if (!has_header(x, (enum of_field)oxm->field))
		return;
	if (field == DP_FIELD_ETH_DST || field == DP_FIELD_ETH_SRC) {
		/* A masked write keeps bits of the packet's own. */
		if (oxm->masked)
			vs_xlate_look_at(x, field);
		vs_flow_key_set(oxm, &x->key, NULL);
		vs_xlate_changed(x, field);
		x->at.macs_wait = true;
		return;
	}
	if (field == DP_FIELD_METADATA || field == DP_FIELD_TUN_ID || field >= DP_FIELD_CT_STATE) {
		set_metadata_field(x, oxm, field);
		return;
	}
	vs_xlate_macs(x);
	if (oxm->masked)
		vs_xlate_look_at(x, field);
	vs_flow_key_set(oxm, &x->key, NULL);
	vs_xlate_changed(x, field);
	vs_xlate_renamed(x, field);
	size = (uint16_t)((dp_fields[field].bits + 7) / 8);
	data = vs_xlate_step(x, DP_STEP_SET_FIELD, field, (uint16_t)(2 * size));
	if (data == NULL)
		return;
	dp_key_get_bytes(&x->key, field, data);
	memset(data + size, 0xff, size);
}

/* ---- Bits of fields (Nicira's move and load) ---- */

/* A subfield's bits in the key's bytes: byte and bit of its bit 'i', counted from its lowest. */
static bool bit_of(const struct of_subfield *f, unsigned i, unsigned *ret_byte, uint8_t *ret_bit)
{
	enum dp_field field = vs_flow_field((enum of_field)f->field);
	const struct dp_field_desc *d;
	unsigned at;

	if (field == DP_N_FIELDS)
		return false;
	d = &dp_fields[field];
	at = d->shift + f->offset + i;
	*ret_byte = d->offset + d->size - 1u - at / 8;
	*ret_bit = (uint8_t)(1u << at % 8);
	return true;
}

bool vs_xlate_get_bit(struct xlate *x, const struct of_subfield *f, unsigned i)
{
	unsigned byte;
	uint8_t bit;

	if (!bit_of(f, i, &byte, &bit))
		return false;
	if ((x->at.known.b[byte] & bit) == 0)
		x->b->wc.b[x->at.moved ? x->at.from[byte] : byte] |= bit;
	return (x->key.b[byte] & bit) != 0;
}

void vs_xlate_put_bit_in(struct dp_key *value, struct dp_key *mask, const struct of_subfield *f,
			 unsigned i, bool set)
{
	unsigned byte;
	uint8_t bit;

	if (!bit_of(f, i, &byte, &bit))
		return;
	value->b[byte] = (uint8_t)(set ? value->b[byte] | bit : value->b[byte] & ~bit);
	mask->b[byte] |= bit;
}

static void put_bit(struct xlate *x, const struct of_subfield *f, unsigned i, bool value)
{
	unsigned byte;
	uint8_t bit;

	if (!bit_of(f, i, &byte, &bit))
		return;
	x->key.b[byte] = (uint8_t)(value ? x->key.b[byte] | bit : x->key.b[byte] & ~bit);
	x->at.known.b[byte] |= bit;
	x->b->changed.b[byte] |= bit;
}

/* The packet gets what the key now says of a field. */
static void write_field(struct xlate *x, enum dp_field field)
{
	uint16_t size = (uint16_t)((dp_fields[field].bits + 7) / 8);
	uint8_t *data;

	if (field == DP_FIELD_METADATA || field == DP_FIELD_TUN_ID || field >= DP_FIELD_CT_STATE)
		return; /* not in the packet */
	vs_xlate_look_at(x, field);
	data = vs_xlate_step(x, DP_STEP_SET_FIELD, field, (uint16_t)(2 * size));
	if (data == NULL)
		return;
	dp_key_get_bytes(&x->key, field, data);
	memset(data + size, 0xff, size);
	vs_xlate_changed(x, field);
	vs_xlate_renamed(x, field);
}

void vs_xlate_move(struct xlate *x, const struct of_action *a)
{
	vs_xlate_macs(x);
	vs_xlate_fresh(x);
	if (!has_header(x, (enum of_field)a->move.to.field))
		return;
	for (unsigned i = 0; i < a->move.from.n_bits; i++)
		put_bit(x, &a->move.to, i, vs_xlate_get_bit(x, &a->move.from, i));
	write_field(x, vs_flow_field((enum of_field)a->move.to.field));
}

void vs_xlate_load(struct xlate *x, const struct of_action *a)
{
	vs_xlate_macs(x);
	vs_xlate_fresh(x);
	if (!has_header(x, (enum of_field)a->load.to.field))
		return;
	for (unsigned i = 0; i < a->load.to.n_bits; i++)
		put_bit(x, &a->load.to, i, i < 64 && (a->load.value >> i & 1) != 0);
	write_field(x, vs_flow_field((enum of_field)a->load.to.field));
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a key to a program: OpenFlow's pipeline (1.3.5, 5.1), walked once for the first packet of a
 * flow.
 *
 * The key is walked as the packet would be: each action changes the key that later tables see and
 * adds a step that changes the packet.  What rules looked at goes into 'wc', but for bits that an
 * earlier action had set: those say nothing about the packet.
 *
 * Actions that write addresses are held back until something needs them, so that both go into one
 * step.  Workers: nothing here blocks or allocates.
 */
#include "dataplane/drop.h"
#include "dataplane/port.h"
#include "vswitch/flow_key.h"
#include "vswitch/flows.h"

#include <string.h>

/* The order of the action set (5.10); set-fields come after DEC_NW_TTL and SET_NW_TTL. */
static const uint8_t set_order[] = {
	OF_ACT_COPY_TTL_IN,  OF_ACT_POP_PBB,	  OF_ACT_POP_MPLS,   OF_ACT_POP_VLAN,
	OF_ACT_PUSH_MPLS,    OF_ACT_PUSH_PBB,	  OF_ACT_PUSH_VLAN,  OF_ACT_COPY_TTL_OUT,
	OF_ACT_DEC_MPLS_TTL, OF_ACT_SET_MPLS_TTL, OF_ACT_DEC_NW_TTL, OF_ACT_SET_NW_TTL,
};
#define N_SET_ORDER (sizeof(set_order) / sizeof(set_order[0]))

struct xlate {
	const struct vs_flows *flows;
	struct dp_build *b;
	struct dp_key key;
	uint64_t version;
	bool macs_wait; /* addresses in 'key' are not in the packet yet */
	/* The action set: what is executed at the end. */
	const struct of_action *by_order[N_SET_ORDER];
	const struct of_action *fields[OF_N_FIELDS];
	const struct of_action *queue, *output;
	bool has_fields;
};

/* ---- What is looked at and what is changed ---- */

/* The translation depends on these bits of the packet. */
static void look_at(struct xlate *x, enum dp_field field)
{
	struct dp_key mask = {0};

	dp_key_cover(&mask, field);
	for (unsigned i = 0; i < DP_KEY_WORDS; i++)
		x->b->wc.w[i] |= mask.w[i] & ~x->b->changed.w[i];
}

static void is_changed(struct xlate *x, enum dp_field field)
{
	dp_key_cover(&x->b->changed, field);
}

static void *step(struct xlate *x, enum dp_step_op op, uint32_t arg, uint16_t size)
{
	return dp_build_step(x->b, op, arg, size);
}

/* Addresses held back go into the packet. */
static void write_macs(struct xlate *x)
{
	uint8_t *data;

	if (!x->macs_wait)
		return;
	x->macs_wait = false;
	/* One of them may be the packet's own. */
	look_at(x, DP_FIELD_ETH_DST);
	look_at(x, DP_FIELD_ETH_SRC);
	data = step(x, DP_STEP_SET_MACS, 0, 12);
	if (data == NULL)
		return;
	memcpy(data, x->key.b + dp_fields[DP_FIELD_ETH_DST].offset, 6);
	memcpy(data + 6, x->key.b + dp_fields[DP_FIELD_ETH_SRC].offset, 6);
}

/* ---- Actions ---- */

static void output(struct xlate *x, const struct of_action *a)
{
	write_macs(x);
	switch (a->output.port) {
	case OFPP_IN_PORT:
		step(x, DP_STEP_IN_PORT, 0, 0);
		break;
	case OFPP_NORMAL:
		step(x, DP_STEP_NORMAL, 0, 0);
		break;
	case OFPP_FLOOD:
		step(x, DP_STEP_FLOOD, 0, 0);
		break;
	case OFPP_ALL:
		step(x, DP_STEP_ALL, 0, 0);
		break;
	default: {
		uint16_t id = vs_flows_port_id(x->flows, a->output.port);

		if (id != DP_NO_PORT)
			step(x, DP_STEP_OUTPUT, id, 0);
		break;
	}
	}
}

static void set_metadata_field(struct xlate *x, const struct of_oxm *oxm, enum dp_field field)
{
	vs_flow_key_set(oxm, &x->key, NULL);
	is_changed(x, field);
}

static void set_field(struct xlate *x, const struct of_oxm *oxm)
{
	enum dp_field field = vs_flow_field((enum of_field)oxm->field);
	uint8_t *data;
	uint16_t size;

	if (field == DP_N_FIELDS)
		return;
	if (field == DP_FIELD_ETH_DST || field == DP_FIELD_ETH_SRC) {
		/* A masked write keeps bits of the packet's own. */
		if (oxm->masked)
			look_at(x, field);
		vs_flow_key_set(oxm, &x->key, NULL);
		is_changed(x, field);
		x->macs_wait = true;
		return;
	}
	if (field == DP_FIELD_METADATA || field == DP_FIELD_TUN_ID || field >= DP_FIELD_CT_STATE) {
		set_metadata_field(x, oxm, field);
		return;
	}
	write_macs(x);
	if (oxm->masked)
		look_at(x, field);
	vs_flow_key_set(oxm, &x->key, NULL);
	is_changed(x, field);
	size = (uint16_t)((dp_fields[field].bits + 7) / 8);
	data = step(x, DP_STEP_SET_FIELD, field, (uint16_t)(2 * size));
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

static bool get_bit(struct xlate *x, const struct of_subfield *f, unsigned i)
{
	unsigned byte;
	uint8_t bit;

	if (!bit_of(f, i, &byte, &bit))
		return false;
	x->b->wc.b[byte] |= bit & (uint8_t)~x->b->changed.b[byte];
	return (x->key.b[byte] & bit) != 0;
}

static void put_bit(struct xlate *x, const struct of_subfield *f, unsigned i, bool value)
{
	unsigned byte;
	uint8_t bit;

	if (!bit_of(f, i, &byte, &bit))
		return;
	x->key.b[byte] = (uint8_t)(value ? x->key.b[byte] | bit : x->key.b[byte] & ~bit);
	x->b->changed.b[byte] |= bit;
}

/* The packet gets what the key now says of a field. */
static void write_field(struct xlate *x, enum dp_field field)
{
	uint16_t size = (uint16_t)((dp_fields[field].bits + 7) / 8);
	uint8_t *data;

	if (field == DP_FIELD_METADATA || field == DP_FIELD_TUN_ID || field >= DP_FIELD_CT_STATE)
		return; /* not in the packet */
	look_at(x, field);
	data = step(x, DP_STEP_SET_FIELD, field, (uint16_t)(2 * size));
	if (data == NULL)
		return;
	dp_key_get_bytes(&x->key, field, data);
	memset(data + size, 0xff, size);
	is_changed(x, field);
}

static void move(struct xlate *x, const struct of_action *a)
{
	write_macs(x);
	for (unsigned i = 0; i < a->move.from.n_bits; i++)
		put_bit(x, &a->move.to, i, get_bit(x, &a->move.from, i));
	write_field(x, vs_flow_field((enum of_field)a->move.to.field));
}

static void load(struct xlate *x, const struct of_action *a)
{
	write_macs(x);
	for (unsigned i = 0; i < a->load.to.n_bits; i++)
		put_bit(x, &a->load.to, i, i < 64 && (a->load.value >> i & 1) != 0);
	write_field(x, vs_flow_field((enum of_field)a->load.to.field));
}

static uint16_t tci_of(const struct dp_key *key)
{
	return (uint16_t)(dp_key_get(key, DP_FIELD_VLAN_PCP) << 13 |
			  (dp_key_get(key, DP_FIELD_VLAN_VID) & 0xfff));
}

/* The new tag is a copy of the outermost one, or zero (5.12.1). */
static void push_vlan(struct xlate *x, uint16_t tpid)
{
	write_macs(x);
	look_at(x, DP_FIELD_VLAN_VID);
	look_at(x, DP_FIELD_VLAN_PCP);
	step(x, DP_STEP_PUSH_VLAN, (uint32_t)tpid << 16 | tci_of(&x->key), 0);
	dp_key_set(&x->key, DP_FIELD_VLAN_VID,
		   dp_key_get(&x->key, DP_FIELD_VLAN_VID) | DP_VLAN_PRESENT);
	is_changed(x, DP_FIELD_VLAN_VID);
	is_changed(x, DP_FIELD_VLAN_PCP);
}

static void pop_vlan(struct xlate *x)
{
	write_macs(x);
	step(x, DP_STEP_POP_VLAN, 0, 0);
	dp_key_set(&x->key, DP_FIELD_VLAN_VID, 0);
	dp_key_set(&x->key, DP_FIELD_VLAN_PCP, 0);
	is_changed(x, DP_FIELD_VLAN_VID);
	is_changed(x, DP_FIELD_VLAN_PCP);
}

static void apply_one(struct xlate *x, const struct of_action *a)
{
	switch (a->type) {
	case OF_ACT_OUTPUT:
		output(x, a);
		break;
	case OF_ACT_SET_FIELD:
		set_field(x, &a->set);
		break;
	case OF_ACT_PUSH_VLAN:
		push_vlan(x, a->eth_type);
		break;
	case OF_ACT_POP_VLAN:
		pop_vlan(x);
		break;
	case OF_ACT_NX_REG_MOVE:
		move(x, a);
		break;
	case OF_ACT_NX_REG_LOAD:
		load(x, a);
		break;
	case OF_ACT_NX_REG_LOAD2:
		set_field(x, &a->set);
		break;
	case OF_ACT_SET_NW_TTL:
		write_macs(x);
		step(x, DP_STEP_SET_NW_TTL, a->ttl, 0);
		break;
	case OF_ACT_DEC_NW_TTL:
		write_macs(x);
		step(x, DP_STEP_DEC_NW_TTL, 0, 0);
		break;
	default:
		break; /* vs_xlate_check() let none in. */
	}
}

static void apply(struct xlate *x, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++)
		apply_one(x, &actions->v[i]);
}

/* ---- The action set ---- */

static void set_clear(struct xlate *x)
{
	memset(x->by_order, 0, sizeof(x->by_order));
	if (x->has_fields)
		memset(x->fields, 0, sizeof(x->fields));
	x->has_fields = false;
	x->queue = x->output = NULL;
}

static void set_write(struct xlate *x, const struct of_action *a)
{
	switch (a->type) {
	case OF_ACT_OUTPUT:
		x->output = a;
		return;
	case OF_ACT_SET_QUEUE:
		x->queue = a;
		return;
	case OF_ACT_SET_FIELD:
		x->fields[a->set.field] = a;
		x->has_fields = true;
		return;
	default:
		break;
	}
	for (size_t i = 0; i < N_SET_ORDER; i++)
		if (set_order[i] == a->type)
			x->by_order[i] = a;
}

static void set_execute(struct xlate *x)
{
	for (size_t i = 0; i < N_SET_ORDER; i++)
		if (x->by_order[i] != NULL)
			apply_one(x, x->by_order[i]);
	for (size_t i = 0; x->has_fields && i < OF_N_FIELDS; i++)
		if (x->fields[i] != NULL)
			apply_one(x, x->fields[i]);
	if (x->output != NULL)
		apply_one(x, x->output);
}

/* ---- Tables ---- */

static const struct vs_rule *search(struct xlate *x, uint8_t table)
{
	struct dp_build *b = x->b;
	struct dp_key wc = {0};
	struct dp_cls_rule *cr =
		dp_cls_find(vs_flows_table(x->flows, table), &x->key, x->version, &wc);

	for (unsigned i = 0; i < DP_KEY_WORDS; i++)
		b->wc.w[i] |= wc.w[i] & ~b->changed.w[i];
	b->tables[table / 64] |= UINT64_C(1) << (table % 64);
	return (const struct vs_rule *)cr;
}

static void write_metadata(struct xlate *x, const struct of_instrs *i)
{
	uint64_t now = dp_key_get(&x->key, DP_FIELD_METADATA);

	dp_key_set(&x->key, DP_FIELD_METADATA,
		   (now & ~i->metadata_mask) | (i->metadata & i->metadata_mask));
	/* It starts as zero for every packet, so all of it is known from here on. */
	is_changed(x, DP_FIELD_METADATA);
}

/* The table to go on in, or -1.  The order is that of 5.9. */
static int execute(struct xlate *x, const struct of_instrs *i)
{
	if (of_instrs_has(i, OFPIT_APPLY_ACTIONS))
		apply(x, &i->apply);
	if (of_instrs_has(i, OFPIT_CLEAR_ACTIONS))
		set_clear(x);
	if (of_instrs_has(i, OFPIT_WRITE_ACTIONS))
		for (size_t k = 0; k < i->write.n; k++)
			set_write(x, &i->write.v[k]);
	if (of_instrs_has(i, OFPIT_WRITE_METADATA))
		write_metadata(x, i);
	return of_instrs_has(i, OFPIT_GOTO_TABLE) ? i->goto_table : -1;
}

void vs_xlate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	struct xlate x = {.flows = arg, .b = b, .key = *key, .version = version};
	int table = 0;

	/* Goto goes forward only, so this ends. */
	while (table >= 0) {
		const struct vs_rule *rule = search(&x, (uint8_t)table);

		if (rule == NULL) {
			set_clear(&x);
			break;
		}
		dp_build_rule(b, rule->counter);
		table = execute(&x, &rule->instrs);
	}
	set_execute(&x);
}

/* ---- What there is ---- */

static enum of_error check_output(uint32_t port)
{
	switch (port) {
	case OFPP_IN_PORT:
	case OFPP_NORMAL:
	case OFPP_FLOOD:
	case OFPP_ALL:
		return OF_OK;
	default:
		return of_port_is_real(port) ? OF_OK : OFPBAC_BAD_OUT_PORT;
	}
}

static enum of_error check_actions(const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++) {
		const struct of_action *a = &actions->v[i];
		enum of_error error = OF_OK;

		switch (a->type) {
		case OF_ACT_OUTPUT:
			error = check_output(a->output.port);
			break;
		case OF_ACT_NX_REG_MOVE:
			if (vs_flow_field((enum of_field)a->move.from.field) == DP_N_FIELDS ||
			    vs_flow_field((enum of_field)a->move.to.field) == DP_N_FIELDS)
				error = OFPBAC_BAD_ARGUMENT;
			break;
		case OF_ACT_NX_REG_LOAD:
			if (vs_flow_field((enum of_field)a->load.to.field) == DP_N_FIELDS)
				error = OFPBAC_BAD_ARGUMENT;
			break;
		case OF_ACT_NX_REG_LOAD2:
		case OF_ACT_SET_FIELD:
			if (vs_flow_field((enum of_field)a->set.field) == DP_N_FIELDS)
				error = OFPBAC_BAD_SET_TYPE;
			break;
		case OF_ACT_PUSH_VLAN:
		case OF_ACT_POP_VLAN:
		case OF_ACT_SET_NW_TTL:
		case OF_ACT_DEC_NW_TTL:
			break;
		default:
			error = OFPBAC_BAD_TYPE;
			break;
		}
		if (error != OF_OK)
			return error;
	}
	return OF_OK;
}

enum of_error vs_xlate_check(const struct of_instrs *instrs)
{
	enum of_error error = check_actions(&instrs->apply);

	if (of_instrs_has(instrs, OFPIT_METER))
		return OFPBIC_UNSUP_INST;
	return error != OF_OK ? error : check_actions(&instrs->write);
}

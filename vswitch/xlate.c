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
#include "vswitch/xlate_priv.h"

#include "dataplane/drop.h"
#include "dataplane/meter.h"
#include "vswitch/flows_parts.h"

#include <stddef.h>
#include <string.h>

/* The order of the action set (5.10); set-fields come after DEC_NW_TTL and SET_NW_TTL. */
static const uint8_t set_order[VS_XLATE_N_ORDER] = {
	OF_ACT_COPY_TTL_IN,  OF_ACT_POP_PBB,	  OF_ACT_POP_MPLS,   OF_ACT_POP_VLAN,
	OF_ACT_PUSH_MPLS,    OF_ACT_PUSH_PBB,	  OF_ACT_PUSH_VLAN,  OF_ACT_COPY_TTL_OUT,
	OF_ACT_DEC_MPLS_TTL, OF_ACT_SET_MPLS_TTL, OF_ACT_DEC_NW_TTL, OF_ACT_SET_NW_TTL,
};

/* ---- Steps ---- */

void *vs_xlate_step(struct xlate *x, enum dp_step_op op, uint32_t arg, uint16_t size)
{
	return dp_build_step(x->b, op, arg, size);
}

/* Addresses held back go into the packet. */
void vs_xlate_macs(struct xlate *x)
{
	uint8_t *data;

	if (!x->at.macs_wait)
		return;
	x->at.macs_wait = false;
	/* One of them may be the packet's own. */
	vs_xlate_look_at(x, DP_FIELD_ETH_DST);
	vs_xlate_look_at(x, DP_FIELD_ETH_SRC);
	data = vs_xlate_step(x, DP_STEP_SET_MACS, 0, 12);
	if (data == NULL)
		return;
	memcpy(data, x->key.b + dp_fields[DP_FIELD_ETH_DST].offset, 6);
	memcpy(data + 6, x->key.b + dp_fields[DP_FIELD_ETH_SRC].offset, 6);
}

/* ---- The action set ---- */

static void set_clear(struct xlate *x)
{
	memset(x->by_order, 0, sizeof(x->by_order));
	if (x->has_fields)
		memset(x->fields, 0, sizeof(x->fields));
	x->has_fields = false;
	x->queue = x->output = x->group = x->ct = NULL;
}

/* Whatever writes a field is its set-field. */
static void set_write_field(struct xlate *x, uint8_t field, const struct of_action *a)
{
	x->fields[field] = a;
	x->has_fields = true;
}

void vs_xlate_set_write(struct xlate *x, const struct of_action *a)
{
	switch (a->type) {
	case OF_ACT_OUTPUT:
		x->output = a;
		return;
	case OF_ACT_SET_QUEUE:
		x->queue = a;
		return;
	case OF_ACT_GROUP:
		x->group = a;
		return;
	case OF_ACT_NX_CT:
		x->ct = a;
		return;
	case OF_ACT_SET_FIELD:
	case OF_ACT_NX_REG_LOAD2:
		set_write_field(x, a->set.field, a);
		return;
	case OF_ACT_NX_REG_LOAD:
		set_write_field(x, a->load.to.field, a);
		return;
	case OF_ACT_NX_REG_MOVE:
		set_write_field(x, a->move.to.field, a);
		return;
	default:
		break;
	}
	for (size_t i = 0; i < VS_XLATE_N_ORDER; i++)
		if (set_order[i] == a->type)
			x->by_order[i] = a;
}

static size_t list_add(const struct of_action *a, const struct of_action **ret, size_t n,
		       size_t max)
{
	if (a == NULL)
		return n;
	if (n < max)
		ret[n] = a;
	return n + 1;
}

size_t vs_xlate_set_list(const struct xlate *x, const struct of_action **ret, size_t max)
{
	size_t n = list_add(x->queue, ret, list_add(x->output, ret, 0, max), max);

	n = list_add(x->ct, ret, list_add(x->group, ret, n, max), max);
	for (size_t i = 0; i < VS_XLATE_N_ORDER; i++)
		n = list_add(x->by_order[i], ret, n, max);
	for (size_t i = 0; x->has_fields && i < OF_N_FIELDS; i++)
		n = list_add(x->fields[i], ret, n, max);
	return n;
}

static void set_execute(struct xlate *x)
{
	for (size_t i = 0; i < VS_XLATE_N_ORDER; i++)
		if (x->by_order[i] != NULL)
			vs_xlate_action(x, x->by_order[i]);
	for (size_t i = 0; x->has_fields && i < OF_N_FIELDS; i++)
		if (x->fields[i] != NULL)
			vs_xlate_action(x, x->fields[i]);
	if (x->queue != NULL)
		vs_xlate_action(x, x->queue);
	/* A group is instead of an output (5.10). */
	if (x->group != NULL)
		vs_xlate_action(x, x->group);
	else if (x->output != NULL)
		vs_xlate_action(x, x->output);
	/* The specification knows no ct: as in Open vSwitch it is instead of both. */
	else if (x->ct != NULL)
		vs_xlate_action(x, x->ct);
}

void vs_xlate_set(struct xlate *x, const struct of_actions *actions)
{
	set_clear(x);
	for (size_t i = 0; i < actions->n; i++)
		vs_xlate_set_write(x, &actions->v[i]);
	set_execute(x);
}

/* ---- Tables ---- */

static const struct vs_rule *search(struct xlate *x, uint8_t table)
{
	struct dp_build *b = x->b;
	struct dp_key wc = {0};
	struct dp_cls_rule *cr;

	vs_xlate_fresh(x);
	cr = dp_cls_find(vs_flows_table(x->flows, table), &x->key, x->version, &wc);
	vs_xlate_look(x, &wc);
	b->tables[table / 64] |= UINT64_C(1) << (table % 64);
	if (unlikely(x->remarked) && dp_key_get(&wc, DP_FIELD_IP_DSCP) != 0) {
		vs_xlate_macs(x);
		vs_xlate_resume(x, table);
		x->away = true;
		return NULL;
	}
	if (x->trace != NULL)
		x->trace->searched(x->trace, table, (const struct vs_rule *)cr, &x->key, &wc);
	if (cr == NULL)
		dp_build_rule(b, vs_flows_miss_counter(x->flows, table));
	return (const struct vs_rule *)cr;
}

static void write_metadata(struct xlate *x, const struct of_instrs *i)
{
	uint64_t now = dp_key_get(&x->key, DP_FIELD_METADATA);

	dp_key_set(&x->key, DP_FIELD_METADATA,
		   (now & ~i->metadata_mask) | (i->metadata & i->metadata_mask));
	/* It starts as zero for every packet, so all of it is known from here on. */
	vs_xlate_changed(x, DP_FIELD_METADATA);
}

/* The table to go on in, or -1.  The order is that of 5.9. */
static int execute(struct xlate *x, const struct of_instrs *i)
{
	if (of_instrs_has(i, OFPIT_APPLY_ACTIONS))
		vs_xlate_actions(x, &i->apply);
	if (of_instrs_has(i, OFPIT_CLEAR_ACTIONS))
		set_clear(x);
	if (of_instrs_has(i, OFPIT_WRITE_ACTIONS))
		for (size_t k = 0; k < i->write.n; k++)
			vs_xlate_set_write(x, &i->write.v[k]);
	if (of_instrs_has(i, OFPIT_WRITE_METADATA))
		write_metadata(x, i);
	return of_instrs_has(i, OFPIT_GOTO_TABLE) ? i->goto_table : -1;
}

void vs_xlate_packet_out(const struct vs_flows *flows, const struct of_actions *actions,
			 const struct dp_key *key, struct dp_build *b)
{
	struct xlate x;

	memset(&x, 0, offsetof(struct xlate, at.from));
	x.flows = flows;
	x.b = b;
	x.key = *key;
	x.version = dp_pipeline_next(vs_flows_pipeline(flows)) - 1; /* what workers see */
	vs_xlate_actions(&x, actions);
}

static void meter(struct xlate *x, uint32_t id)
{
	struct dp_step_end *end = vs_xlate_step(x, DP_STEP_METER, id, sizeof(*end));

	if (dp_meter_remarks(vs_flows_dp(x->flows), id)) {
		x->remarked = true;
		/* Rules to come that ask for it are not answered by what came. */
		dp_key_cover(&x->b->changed, DP_FIELD_IP_DSCP);
	}

	if (end != NULL)
		end->n_rules = dp_build_so_far(x->b);
}

static bool is_fragment(struct xlate *x)
{
	vs_xlate_look_at(x, DP_FIELD_IP_FRAG);
	return (dp_key_get(&x->key, DP_FIELD_IP_FRAG) & DP_KEY_FRAG_ANY) != 0;
}

void vs_xlate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	struct xlate x;
	int table;

	memset(&x, 0, offsetof(struct xlate, at.from));
	x.flows = arg;
	x.b = b;
	x.trace = b->trace;
	x.key = *key;
	x.version = version;
	table = vs_xlate_begin(&x);
	if (b->from == NULL && !vs_xlate_acl(&x))
		return;
	if (vs_flows_drops_fragments(x.flows) && is_fragment(&x)) {
		vs_xlate_step(&x, DP_STEP_DROP, DP_DROP_FRAGMENT, 0);
		return;
	}
	/* Goto goes forward only, so this ends. */
	while (table >= 0) {
		const struct vs_rule *rule = search(&x, (uint8_t)table);

		if (x.away)
			return;
		if (rule == NULL) {
			set_clear(&x);
			break;
		}
		dp_build_rule(b, rule->counter);
		x.rule = rule;
		if (of_instrs_has(&rule->instrs, OFPIT_METER))
			meter(&x, rule->meter);
		table = execute(&x, &rule->instrs);
	}
	if (x.trace != NULL)
		x.trace->set(x.trace);
	set_execute(&x);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flows_shadow.h.
 *
 * The classifier itself is asked which rule takes one packet that the rule fits.  If that is no
 * rule of higher priority, this packet is the proof that it is open: nearly all rules end here.  If
 * it is one that looks at no more than the rule, all packets go there.  Else the packets are halved
 * at a bit that it looks at besides, and both halves are asked in the same way.
 */
#include "vswitch/flows_shadow.h"

#include <string.h>

struct shadow {
	const struct dp_cls *cls;
	uint64_t version;
	int32_t priority;
	unsigned looks;
	const struct vs_rule *by;
	bool alone;
};

/* A bit that 'mask' has and 'known' has not, or -1. */
static int bit_beyond(const struct dp_key *mask, const struct dp_key *known)
{
	for (unsigned i = 0; i < DP_KEY_WORDS; i++)
		if ((mask->w[i] & ~known->w[i]) != 0)
			return (int)(i * 64) + __builtin_ctzll(mask->w[i] & ~known->w[i]);
	return -1;
}

/* Are all packets with 'key' in 'mask' taken?  As deep as the key has bits. */
static bool is_taken(struct shadow *s, struct dp_key *key, struct dp_key *mask)
{
	const struct vs_rule *by;
	struct dp_key its_key, its_mask;
	uint64_t bit;
	bool taken;
	int at;

	if (s->looks == 0)
		return false;
	s->looks--;
	by = (const struct vs_rule *)dp_cls_find(s->cls, key, s->version, NULL);
	if (by == NULL || by->priority <= s->priority)
		return false;
	dp_cls_rule_match(&by->cr, &its_key, &its_mask);
	s->alone = s->alone && (s->by == NULL || s->by == by);
	s->by = by;
	at = bit_beyond(&its_mask, mask);
	if (at < 0)
		return true;
	bit = UINT64_C(1) << at % 64;
	mask->w[at / 64] |= bit;
	taken = is_taken(s, key, mask);
	if (taken) {
		key->w[at / 64] |= bit;
		taken = is_taken(s, key, mask);
		key->w[at / 64] &= ~bit;
	}
	mask->w[at / 64] &= ~bit;
	return taken;
}

bool vs_rule_is_shadowed(struct vs_flows *flows, const struct vs_rule *rule,
			 const struct vs_rule **ret_by, bool *ret_alone)
{
	struct shadow s = {.cls = vs_flows_table(flows, rule->table),
			   .version = dp_pipeline_next(vs_flows_pipeline(flows)) - 1,
			   .priority = rule->priority,
			   .looks = VS_SHADOW_LOOKS,
			   .alone = true};
	struct dp_key key, mask;

	dp_cls_rule_match(&rule->cr, &key, &mask);
	if (!is_taken(&s, &key, &mask))
		return false;
	*ret_by = s.by;
	*ret_alone = s.alone;
	return true;
}

static void follow(const struct vs_rule *rule, void *arg)
{
	bool *tables = arg;

	if (of_instrs_has(&rule->instrs, OFPIT_GOTO_TABLE) &&
	    rule->instrs.goto_table < VS_FLOW_TABLES)
		tables[rule->instrs.goto_table] = true;
}

void vs_flows_reachable(struct vs_flows *flows, bool ret_tables[VS_FLOW_TABLES])
{
	struct of_flow_filter filter = {.out_port = OFPP_ANY, .out_group = OF_GROUP_ANY};

	memset(ret_tables, 0, VS_FLOW_TABLES * sizeof(ret_tables[0]));
	ret_tables[0] = true;
	/* Goto goes forward only. */
	for (unsigned i = 0; i < VS_FLOW_TABLES; i++) {
		filter.table = (uint8_t)i;
		if (ret_tables[i] && vs_flows_n(flows, (uint8_t)i) != 0)
			vs_flows_each(flows, &filter, follow, ret_tables);
	}
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: what controllers learn with a packet (OpenFlow 1.3.5, 7.4.1).  Workers.
 */
#include "vswitch/of/packet.h"
#include "vswitch/xlate_priv.h"

#include <string.h>

/* Bits of a field that are known without looking at the packet, or were looked at already: a
 * mention to controllers makes no entry narrower. */
static uint64_t known(const struct xlate *x, enum dp_field field)
{
	return dp_key_get(&x->key, field) &
	       (dp_key_get(&x->b->wc, field) | dp_key_get(&x->at.known, field));
}

static void describe(struct xlate *x, uint16_t max_len, uint8_t reason, void *data)
{
	const struct dp_step_controller what = {
		.cookie = x->rule != NULL ? x->rule->cookie : UINT64_MAX,
		.metadata = dp_key_get(&x->key, DP_FIELD_METADATA),
		.tun_id = known(x, DP_FIELD_TUN_ID),
		.max_size = max_len,
		.reason = reason,
		.table = x->rule != NULL ? x->rule->table : 0,
	};

	if (data != NULL)
		memcpy(data, &what, sizeof(what));
}

uint8_t vs_xlate_reason(const struct xlate *x, const struct of_action *output)
{
	const struct vs_rule *rule = x->rule;

	if (rule == NULL || !rule->is_miss)
		return OFPR_ACTION;
	/* The action set may have it from a rule before. */
	if (output == x->output && (output < rule->instrs.write.v ||
				    output >= rule->instrs.write.v + rule->instrs.write.n))
		return OFPR_ACTION;
	return OFPR_NO_MATCH;
}

void vs_xlate_controller(struct xlate *x, uint16_t max_len, uint8_t reason)
{
	describe(x, max_len, reason,
		 vs_xlate_step(x, DP_STEP_CONTROLLER, 0, sizeof(struct dp_step_controller)));
}

void vs_xlate_dec_ttl(struct xlate *x, enum dp_step_op op)
{
	vs_xlate_macs(x);
	describe(x, 0, OFPR_INVALID_TTL,
		 vs_xlate_step(x, op, dp_build_so_far(x->b), sizeof(struct dp_step_controller)));
}

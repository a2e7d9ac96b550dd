/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: connection tracking, and where a translation goes on when the packet comes back
 * (dataplane/resume.h).  Workers.
 *
 * ct(table=N) is a fork: a copy is tracked and looked up in table N, the packet goes on here as if
 * nothing had been.  Both have the action set.  What a rule passed before says is a constant of the
 * resume state: the action set is kept as the list of its actions, which are those of rules.  They
 * live as long as the program does that names the state: a rule that goes takes the entries of
 * resumed packets that passed it along (resume.h).
 *
 * Source: ovs-actions(7), "ct".
 */
#include "vswitch/xlate_priv.h"

#include <string.h>

/* ---- What is set on a connection ---- */

static void exec_move(struct xlate *x, const struct of_action *a, struct dp_key *value,
		      struct dp_key *mask)
{
	for (unsigned i = 0; i < a->move.from.n_bits; i++)
		vs_xlate_put_bit_in(value, mask, &a->move.to, i,
				    vs_xlate_get_bit(x, &a->move.from, i));
}

/* Values and masks of ct_mark and ct_label, in their places in a key. */
static void exec_actions(struct xlate *x, const struct of_actions *exec, struct dp_key *value,
			 struct dp_key *mask)
{
	for (size_t i = 0; i < exec->n; i++) {
		const struct of_action *a = &exec->v[i];

		if (a->type == OF_ACT_SET_FIELD || a->type == OF_ACT_NX_REG_LOAD2)
			vs_flow_key_set(&a->set, value, mask);
		else if (a->type == OF_ACT_NX_REG_MOVE)
			exec_move(x, a, value, mask);
		else if (a->type == OF_ACT_NX_REG_LOAD)
			for (unsigned k = 0; k < a->load.to.n_bits; k++)
				vs_xlate_put_bit_in(value, mask, &a->load.to, k,
						    k < 64 && (a->load.value >> k & 1) != 0);
	}
}

/* How a new connection is translated, and that its packets are. */
static void nat_action(struct xlate *x, const struct of_nat *nat, struct dp_step_ct *step)
{
	static const uint8_t written[] = {DP_FIELD_IP4_SRC, DP_FIELD_IP4_DST, DP_FIELD_IP6_SRC,
					  DP_FIELD_IP6_DST, DP_FIELD_TP_SRC,  DP_FIELD_TP_DST};
	struct dp_ct_nat *to = &step->nat;

	step->flags |= DP_STEP_CT_NAT;
	/* What later tables see of these is not what rules before have seen. */
	for (size_t i = 0; i < sizeof(written); i++)
		dp_key_cover(&x->b->changed, (enum dp_field)written[i]);
	if ((nat->flags & (OF_NAT_SRC | OF_NAT_DST)) == 0)
		return;
	step->flags |= DP_STEP_CT_BIND;
	to->flags = (uint8_t)(((nat->flags & OF_NAT_SRC) != 0 ? DP_CT_NAT_SRC : 0) |
			      ((nat->flags & OF_NAT_RANDOM) != 0 ? DP_CT_NAT_RANDOM : 0) |
			      ((nat->flags & OF_NAT_HASH) != 0 ? DP_CT_NAT_HASH : 0) |
			      ((nat->flags & OF_NAT_PERSISTENT) != 0 ? DP_CT_NAT_PERSISTENT : 0));
	if ((nat->range & (OF_NAT_IPV4_MIN | OF_NAT_IPV6_MIN)) != 0)
		to->flags |= DP_CT_NAT_ADDRESS;
	to->v6 = (nat->range & OF_NAT_IPV6_MIN) != 0;
	memcpy(to->ip_min, nat->ip_min, sizeof(to->ip_min));
	memcpy(to->ip_max,
	       (nat->range & (OF_NAT_IPV4_MAX | OF_NAT_IPV6_MAX)) != 0 ? nat->ip_max : nat->ip_min,
	       sizeof(to->ip_max));
	if ((nat->range & OF_NAT_PROTO_MIN) == 0)
		return;
	to->flags |= DP_CT_NAT_PORTS;
	to->port_min = nat->proto_min;
	to->port_max = (nat->range & OF_NAT_PROTO_MAX) != 0 ? nat->proto_max : nat->proto_min;
}

static uint16_t zone_of(struct xlate *x, const struct of_ct *ct)
{
	uint16_t zone = ct->zone;

	for (unsigned i = 0; i < ct->zone_from.n_bits; i++)
		zone = (uint16_t)(zone | (unsigned)vs_xlate_get_bit(x, &ct->zone_from, i) << i);
	return zone;
}

static void track(struct xlate *x, const struct of_ct *ct)
{
	struct dp_key value = {0}, mask = {0};
	struct dp_step_ct step = {.zone = zone_of(x, ct)}, *data;

	exec_actions(x, &ct->exec, &value, &mask);
	if ((ct->flags & OF_CT_COMMIT) != 0) {
		step.flags |= DP_STEP_CT_COMMIT;
		step.mark = (uint32_t)dp_key_get(&value, DP_FIELD_CT_MARK);
		step.mark_mask = (uint32_t)dp_key_get(&mask, DP_FIELD_CT_MARK);
		dp_key_get_bytes(&value, DP_FIELD_CT_LABEL, (uint8_t *)step.label);
		dp_key_get_bytes(&mask, DP_FIELD_CT_LABEL, (uint8_t *)step.label_mask);
	}
	for (size_t i = 0; i < ct->exec.n; i++)
		if (ct->exec.v[i].type == OF_ACT_NX_NAT)
			nat_action(x, &ct->exec.v[i].nat, &step);
	if ((ct->flags & OF_CT_FORCE) != 0)
		step.flags |= DP_STEP_CT_FORCE;
	if (ct->alg != 0)
		step.flags |= ct->alg == OF_CT_ALG_FTP ? DP_STEP_CT_FTP : DP_STEP_CT_TFTP;
	data = vs_xlate_step(x, DP_STEP_CT, 0, sizeof(step));
	if (data != NULL)
		*data = step;
}

/* ---- Coming back ---- */

static void keep_state(const struct xlate *x, struct dp_resume_what *what)
{
	const struct dp_build *b = x->b;

	what->changed = b->changed;
	memcpy(what->tables, b->tables, sizeof(what->tables));
	for (unsigned i = 0; i < DP_RESUME_WORDS; i++) {
		unsigned k = dp_resume_word(i);

		what->known[i] = x->at.known.w[k];
		what->value[i] = x->key.w[k] & x->at.known.w[k];
	}
}

void vs_xlate_resume(struct xlate *x, uint8_t table)
{
	struct dp_resume_what what = {.table = table};
	const struct of_action *set[DP_RESUME_KEPT / sizeof(void *)];
	size_t n = vs_xlate_set_list(x, set, sizeof(set) / sizeof(set[0]));

	if (n > sizeof(set) / sizeof(set[0])) {
		x->b->overflow = true;
		return;
	}
	keep_state(x, &what);
	what.kept_size = (uint16_t)(n * sizeof(set[0]));
	memcpy(what.kept, set, what.kept_size);
	dp_build_resume(x->b, &what);
}

int vs_xlate_begin(struct xlate *x)
{
	const struct dp_resume_what *from = x->b->from;

	dp_resume_known(&x->at.known);
	if (from == NULL)
		return 0;
	for (unsigned i = 0; i < DP_RESUME_WORDS; i++)
		x->at.known.w[dp_resume_word(i)] |= from->known[i];
	/* Not implied by where it comes from: these differ from packet to packet. */
	vs_xlate_unknown(x, DP_FIELD_CT_ZONE);
	vs_xlate_unknown(x, DP_FIELD_CT_MARK);
	vs_xlate_unknown(x, DP_FIELD_CT_LABEL);
	for (size_t i = 0; i < from->kept_size / sizeof(void *); i++) {
		const struct of_action *a;

		memcpy(&a, from->kept + i * sizeof(a), sizeof(a));
		vs_xlate_set_write(x, a);
	}
	return from->table;
}

/* ---- Actions ---- */

void vs_xlate_ct(struct xlate *x, const struct of_ct *ct)
{
	uint16_t mark;

	vs_xlate_macs(x);
	vs_xlate_fresh(x);
	if (ct->table == OF_NX_TABLE_ANY) {
		track(x, ct);
		return;
	}
	mark = dp_build_clone_begin(x->b);
	track(x, ct);
	vs_xlate_resume(x, ct->table);
	dp_build_clone_end(x->b, mark);
}

void vs_xlate_ct_clear(struct xlate *x)
{
	static const uint8_t fields[] = {DP_FIELD_CT_STATE, DP_FIELD_CT_MARK, DP_FIELD_CT_LABEL,
					 DP_FIELD_CT_ZONE};

	vs_xlate_macs(x);
	vs_xlate_step(x, DP_STEP_CT_CLEAR, 0, 0);
	for (size_t i = 0; i < sizeof(fields); i++) {
		const struct dp_field_desc *d = &dp_fields[fields[i]];

		memset(x->key.b + d->offset, 0, d->size);
		vs_xlate_changed(x, (enum dp_field)fields[i]);
	}
}

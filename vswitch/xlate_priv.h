/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A translation under way (xlate.c): what its parts share.
 *
 * 	xlate.c        tables, instructions, the action set
 * 	xlate_action.c one action: outputs, and who does the others
 * 	xlate_field.c  set-field, move, load
 * 	xlate_tag.c    tags pushed and popped, TTLs
 * 	xlate_controller.c  what controllers learn with a packet
 * 	xlate_check.c  what a rule may ask for
 *
 * Whatever reads from the packet's key says so with vs_xlate_look_at(), whatever writes to it with
 * vs_xlate_changed(): a cached entry's mask is made of that.
 */
#ifndef VSWITCH_XLATE_PRIV_H
#define VSWITCH_XLATE_PRIV_H

#include "vswitch/flow_key.h"
#include "vswitch/flows.h"

/* Actions of the action set that are no field, in the order in which they are executed (5.10). */
#define VS_XLATE_N_ORDER 12

struct xlate {
	const struct vs_flows *flows;
	struct dp_build *b;
	struct dp_key key; /* of the packet as it is now */
	uint64_t version;
	const struct vs_rule *rule; /* whose instructions are executed; NULL: a packet-out's */
	bool macs_wait;		    /* addresses in 'key' are not in the packet yet */
	/* The action set: what is executed at the end. */
	const struct of_action *by_order[VS_XLATE_N_ORDER];
	const struct of_action *fields[OF_N_FIELDS];
	const struct of_action *queue, *output;
	bool has_fields;
};

/* The translation depends on these bits of the packet. */
void vs_xlate_look_at(struct xlate *x, enum dp_field field);
/* An action wrote them: they say nothing about the packet any more. */
void vs_xlate_changed(struct xlate *x, enum dp_field field);
/* dp_build_step().  Addresses that were held back go first: vs_xlate_macs(). */
void *vs_xlate_step(struct xlate *x, enum dp_step_op op, uint32_t arg, uint16_t size);
void vs_xlate_macs(struct xlate *x);

void vs_xlate_action(struct xlate *x, const struct of_action *a);
void vs_xlate_actions(struct xlate *x, const struct of_actions *actions);

void vs_xlate_set_field(struct xlate *x, const struct of_oxm *oxm);
void vs_xlate_move(struct xlate *x, const struct of_action *a);
void vs_xlate_load(struct xlate *x, const struct of_action *a);
void vs_xlate_push_vlan(struct xlate *x, uint16_t tpid);
void vs_xlate_pop_vlan(struct xlate *x);
/* Output to CONTROLLER, 'max_len' bytes of it; 'reason' is an enum of_packet_in_reason. */
void vs_xlate_controller(struct xlate *x, uint16_t max_len, uint8_t reason);
/* OFPR_NO_MATCH for an output that the table-miss rule makes, else OFPR_ACTION. */
uint8_t vs_xlate_reason(const struct xlate *x, const struct of_action *output);
/* DEC_NW_TTL and DEC_MPLS_TTL, which controllers may want to hear of. */
void vs_xlate_dec_ttl(struct xlate *x, enum dp_step_op op);

#endif

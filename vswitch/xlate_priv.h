/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A translation under way (xlate.c): what its parts share.
 *
 * 	xlate.c        tables, instructions, the action set
 * 	xlate_acl.c    ingress access lists
 * 	xlate_action.c one action: outputs, and who does the others
 * 	xlate_field.c  set-field, move, load
 * 	xlate_group.c  groups
 * 	xlate_tag.c    tags, MPLS entries and I-TAGs pushed and popped
 * 	xlate_look.c   what the packet was asked, wherever its bytes are by now
 * 	xlate_ct.c     connection tracking, packets that come back
 * 	xlate_controller.c  what controllers learn with a packet
 * 	xlate_check.c  what a rule may ask for
 *
 * Whatever reads from the packet's key says so with vs_xlate_look_at(), whatever writes to it with
 * vs_xlate_changed(): a cached entry's mask is made of that.
 *
 * Headers that are pushed and popped move fields about: after pop_pbb ETH_DST is what was PBB_DST.
 * 'at.from' says for each byte of the key where in the packet's key it stood, so that a look at it
 * is a look there.  What a change leaves unknown (a third tag that comes up, another EtherType over
 * the same bytes) makes the key 'stale': before anybody looks again, the dataplane is asked for the
 * key of the packet as the steps so far leave it (vs_xlate_fresh()); a program that comes of that
 * is for this packet only.
 */
#ifndef VSWITCH_XLATE_PRIV_H
#define VSWITCH_XLATE_PRIV_H

#include "dataplane/resume.h"
#include "vswitch/flow_key.h"
#include "vswitch/flows.h"
#include "vswitch/xlate_trace.h"

/* Actions of the action set that are no field, in the order in which they are executed (5.10). */
#define VS_XLATE_N_ORDER 12

/* What is known of the packet but its key.  Whoever goes back to an earlier point of a walk (a
 * group that has done one bucket) puts this back with the key. */
struct xlate_at {
	struct dp_key known; /* bits that an action wrote: they say nothing about the packet */
	bool moved;	     /* 'from' counts */
	bool asked;	     /* the key is of this packet alone: it was stale before */
	bool stale;	     /* the key says too little of this packet: vs_xlate_fresh() */
	bool no_inner_lse;   /* INNER_LSE is used up */
	bool no_bottom;	     /* nor is it known what the stack's entries stand on */
	bool no_customer;    /* PBB_* say too little about what is behind the I-TAG */
	bool macs_wait;	     /* addresses in 'key' are not in the packet yet */
	uint16_t from[DP_KEY_SIZE]; /* last */
};

struct xlate {
	const struct vs_flows *flows;
	struct dp_build *b;
	struct vs_xlate_trace *trace; /* NULL on workers */
	struct dp_key key;	      /* of the packet as it is now */
	uint64_t version;
	const struct vs_rule *rule; /* whose instructions are executed; NULL: a packet-out's */
	/* The action set: what is executed at the end. */
	const struct of_action *by_order[VS_XLATE_N_ORDER];
	const struct of_action *fields[OF_N_FIELDS];
	const struct of_action *queue, *output, *group, *ct;
	bool has_fields;
	bool remarked; /* by a meter, perhaps: the DSCP is not known before the packet is there */
	bool away;     /* it comes back: nothing more is done here */
	uint8_t depth; /* groups of groups */
	struct xlate_at at; /* last: its end is long and need not be cleared */
};

/* The translation depends on these bits of the packet. */
void vs_xlate_look(struct xlate *x, const struct dp_key *bits);
void vs_xlate_look_at(struct xlate *x, enum dp_field field);
/* Its value, which the translation then depends on. */
uint64_t vs_xlate_read(struct xlate *x, enum dp_field field);
/* An action wrote this. */
void vs_xlate_write(struct xlate *x, enum dp_field field, uint64_t value);
/* The field's bytes (and those of fields it shares them with) now are those that stood at 'from',
 * which is as wide and keeps them too. */
void vs_xlate_carry(struct xlate *x, enum dp_field to, enum dp_field from);
/* The key is that of the packet as it is now: to be called before anything is read from it. */
void vs_xlate_fresh(struct xlate *x);
/* An action wrote a field that says what others mean. */
void vs_xlate_renamed(struct xlate *x, enum dp_field field);
bool vs_xlate_is_tagged(struct xlate *x);
/* An action wrote them: they say nothing about the packet any more. */
void vs_xlate_changed(struct xlate *x, enum dp_field field);
/* dp_build_step().  Addresses that were held back go first: vs_xlate_macs(). */
void *vs_xlate_step(struct xlate *x, enum dp_step_op op, uint32_t arg, uint16_t size);
void vs_xlate_macs(struct xlate *x);

/* xlate_tunnel.c: an output by a tunnel port that asks rules for its key or remote.  False: it is
 * none, or one that knows. */
bool vs_xlate_tunnel(struct xlate *x, uint32_t of_port, uint16_t id);

/* xlate_acl.c: the ingress port's access lists.  False: the packet ends there. */
bool vs_xlate_acl(struct xlate *x);

void vs_xlate_action(struct xlate *x, const struct of_action *a);
void vs_xlate_actions(struct xlate *x, const struct of_actions *actions);

/* Executes these as an action set of their own (5.10), instead of the packet's. */
void vs_xlate_set(struct xlate *x, const struct of_actions *actions);
void vs_xlate_group(struct xlate *x, uint32_t id);

void vs_xlate_set_field(struct xlate *x, const struct of_oxm *oxm);
void vs_xlate_move(struct xlate *x, const struct of_action *a);
void vs_xlate_load(struct xlate *x, const struct of_action *a);
void vs_xlate_push_vlan(struct xlate *x, uint16_t tpid);
void vs_xlate_pop_vlan(struct xlate *x);
void vs_xlate_push_mpls(struct xlate *x, uint16_t type);
void vs_xlate_pop_mpls(struct xlate *x, uint16_t type);
void vs_xlate_push_pbb(struct xlate *x);
void vs_xlate_pop_pbb(struct xlate *x);
void vs_xlate_ct(struct xlate *x, const struct of_ct *ct);
void vs_xlate_ct_clear(struct xlate *x);

/* A bit of a field, which the translation then depends on. */
bool vs_xlate_get_bit(struct xlate *x, const struct of_subfield *f, unsigned i);
/* Bit i of a field in a key of its own. */
void vs_xlate_put_bit_in(struct dp_key *value, struct dp_key *mask, const struct of_subfield *f,
			 unsigned i, bool bit);

/* The packet is looked up again in 'table', with what is known now: a RESUME step. */
void vs_xlate_resume(struct xlate *x, uint8_t table);
/* What is known at the start, of a packet that comes back too; the table to start in. */
int vs_xlate_begin(struct xlate *x);
/* The packet's own value again. */
void vs_xlate_unknown(struct xlate *x, enum dp_field field);

/* The action set: writes one, lists all; returns how many there are, of which 'ret' has the first
 * 'max'. */
void vs_xlate_set_write(struct xlate *x, const struct of_action *a);
size_t vs_xlate_set_list(const struct xlate *x, const struct of_action **ret, size_t max);
/* Output to CONTROLLER, 'max_len' bytes of it; 'reason' is an enum of_packet_in_reason. */
void vs_xlate_controller(struct xlate *x, uint16_t max_len, uint8_t reason);
/* OFPR_NO_MATCH for an output that the table-miss rule makes, else OFPR_ACTION. */
uint8_t vs_xlate_reason(const struct xlate *x, const struct of_action *output);
/* DEC_NW_TTL and DEC_MPLS_TTL, which controllers may want to hear of. */
void vs_xlate_dec_ttl(struct xlate *x, enum dp_step_op op);

#endif

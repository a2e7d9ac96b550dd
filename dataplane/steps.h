/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a program is made of.  Steps lie one behind the other, each a multiple of eight bytes; a
 * step that holds others (CLONE) has them as its data.  Who translates writes them
 * (dp_build_step()), and exec.c runs them.
 */
#ifndef DATAPLANE_STEPS_H
#define DATAPLANE_STEPS_H

#include "dataplane/ct.h"
#include "dataplane/key.h"
#include "dataplane/program.h"

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
#define DP_STEPS(X)                                                                              \
	X(OUTPUT, "output")                 /* arg: port id */                                   \
	X(TUNNEL, "tunnel")                 /* arg: port id; data: struct dp_tunnel_meta */       \
	X(IN_PORT, "in_port")               /* back where it came from */                        \
	X(FLOOD, "flood")                   /* all ports of the tenant that take floods */       \
	X(ALL, "all")                       /* all of them */                                    \
	X(NORMAL, "normal")                 /* as the learning switch does */                    \
	X(CONTROLLER, "controller")         /* data: struct dp_step_controller */                \
	X(TABLE, "table")                   /* as its rules say; injected frames only */         \
	X(DROP, "drop")                     /* arg: enum dp_drop; ends the program */            \
	X(DENY, "deny")                     /* arg: enum dp_drop; data: struct dp_step_deny */ \
	X(CLONE, "clone")                   /* arg: rules until its end; data: its steps */      \
	X(CT, "ct")                         /* data: struct dp_step_ct */                        \
	X(CT_CLEAR, "ct_clear")                                                                  \
	X(RESUME, "resume")                 /* arg: its state (resume.h); ends the program */    \
	X(METER, "meter")                   /* arg: index; data: struct dp_step_end */           \
	X(QUEUE, "set_queue")               /* arg: queue */                                     \
	X(PUSH_VLAN, "push_vlan")           /* arg: TPID in the upper half, TCI in the lower */  \
	X(POP_VLAN, "pop_vlan")                                                                  \
	X(SET_VLAN, "set_vlan")             /* arg: mask in the upper half, TCI in the lower */  \
	X(PUSH_MPLS, "push_mpls")           /* arg: EtherType; the entry copies the frame's */    \
	X(POP_MPLS, "pop_mpls")             /* arg: EtherType behind it */                       \
	X(SET_MPLS, "set_mpls")             /* arg: entry; data: mask, 4 bytes host order */     \
	X(PUSH_PBB, "push_pbb")             /* the I-TAG copies the frame's */                   \
	X(POP_PBB, "pop_pbb")                                                                    \
	X(SET_PBB, "set_pbb")               /* arg: I-TAG; data: mask, 4 bytes host order */     \
	X(SET_MACS, "set_macs")             /* data: destination, source */                      \
	X(SET_FIELD, "set_field")           /* arg: enum dp_field; data: value, then mask */     \
	X(SET_NW_TTL, "set_nw_ttl")         /* arg: TTL */                                       \
	X(DEC_NW_TTL, "dec_nw_ttl")         /* data: struct dp_step_controller, for TTL 0 */     \
	X(SET_MPLS_TTL, "set_mpls_ttl")                                                          \
	X(DEC_MPLS_TTL, "dec_mpls_ttl")     /* the same */                                       \
	X(COPY_TTL_OUT, "copy_ttl_out")                                                          \
	X(COPY_TTL_IN, "copy_ttl_in")

enum dp_step_op {
#define X(name, text) DP_STEP_##name,
	DP_STEPS(X)
#undef X
	DP_N_STEPS,
};
/* clang-format on */

#define DP_STEPS_DEPTH 8 /* clones in clones */

struct dp_step {
	uint16_t op;
	uint16_t size; /* with this head */
	uint32_t arg;
	uint8_t data[];
};
static_assert(sizeof(struct dp_step) == 8, "steps are multiples of eight bytes");

/* A step at which a frame may end: it did not come to the rules behind the first 'n_rules' of those
 * that count it. */
struct dp_step_end {
	uint32_t n_rules, unused;
};

/* An access list ends the frame; some of them are told (notice.h).  The entry lives as long as
 * programs that name it can run. */
struct dp_acl_rule;
struct dp_step_deny {
	const struct dp_acl_rule *rule;
};

/* What a controller learns with a frame. */
struct dp_step_controller {
	uint64_t cookie, metadata, tun_id;
	uint16_t max_size; /* bytes of the frame; 0xffff: all, unbuffered */
	uint8_t reason, table;
	uint32_t in_port;
};

/* What becomes of a frame's connection (ct.h). */
#define DP_STEP_CT_COMMIT 1u
#define DP_STEP_CT_FORCE  2u
#define DP_STEP_CT_NAT	  4u  /* translate as the connection says */
#define DP_STEP_CT_BIND	  8u  /* a new one gets 'nat' */
#define DP_STEP_CT_FTP	  16u /* what it announces is expected */
#define DP_STEP_CT_TFTP	  32u
struct dp_step_ct {
	uint16_t zone;
	uint16_t flags;
	uint32_t mark, mark_mask;
	uint32_t unused;
	uint64_t label[2], label_mask[2]; /* bytes as in the key */
	struct dp_ct_nat nat;
};

struct dp_acl;
struct dp_resume_what;

/* What a translation says: the program, and what of the key it depends on. */
struct dp_build {
	struct dp_key wc; /* bits looked at */
	/* Bits that rules had changed before a table was searched: what a rule of that table says
	 * about them says nothing about the key. */
	struct dp_key changed;
	uint64_t tables[4]; /* searched */
	bool keep;	    /* the program may be kept for other packets */
	/* The key of the packet as the steps so far leave it; NULL: there is no packet. */
	bool (*again)(struct dp_build *b, struct dp_key *ret_key);
	void *again_arg;
	/* Where it goes on; NULL: at the beginning. */
	const struct dp_resume_what *from;
	/* Ingress lists that the translation asks first (acl.h); NULL: none. */
	const struct dp_acl *acl;
	/* The number of a resume state, 0 when there is no room; NULL: there is no packet. */
	uint32_t (*resume)(struct dp_build *b, const struct dp_resume_what *what);
	void *resume_arg;
	bool overflow; /* it did not fit */
	bool lost;     /* a packet that had to be asked again could not be */
	void *trace;   /* who is told of each table and action; NULL on workers */
	uint16_t size, n_rules;
	uint32_t rules[DP_PROGRAM_MAX_RULES];
	uint8_t steps[DP_PROGRAM_MAX_STEPS] __attribute__((aligned(8)));
};

/* Makes it empty.  (Not the arrays: they are long.) */
void dp_build_init(struct dp_build *b);
/* Adds a step; returns its data of 'size' bytes, zeroed, or NULL and b->overflow when it does not
 * fit.  Borrowed until the next step. */
void *dp_build_step(struct dp_build *b, enum dp_step_op op, uint32_t arg, uint16_t size);
/* How many rules were passed so far; for steps at which frames end. */
static inline uint32_t dp_build_so_far(const struct dp_build *b)
{
	return b->n_rules;
}
/* The steps until 'end' are those of a CLONE; 'mark' is what 'begin' returned. */
uint16_t dp_build_clone_begin(struct dp_build *b);
void dp_build_clone_end(struct dp_build *b, uint16_t mark);
/* The same, but without a CLONE when there is nothing in it, or nothing that changes the frame. */
void dp_build_clone_close(struct dp_build *b, uint16_t mark);
void dp_build_rule(struct dp_build *b, uint32_t counter);
/* The key of the packet itself after the changes so far, for a translation that cannot tell it from
 * the key; the program is then not for other packets.  False when there is no packet (somebody
 * asks what would be) or no buffer. */
bool dp_build_again(struct dp_build *b, struct dp_key *ret_key);
/* The frame is looked up again, in what->table, with what is known in 'what' (resume.h).  Without a
 * packet: a step without a state. */
void dp_build_resume(struct dp_build *b, const struct dp_resume_what *what);
/* When all there is to do is one output: that port, else DP_NO_PORT. */
uint16_t dp_build_only_output(const struct dp_build *b);

const char *dp_step_text(enum dp_step_op op);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Actions (OpenFlow 1.3.5, 7.2.5), and those of Nicira's that users of Open vSwitch write for
 * connection tracking and registers.  A list of actions owns its memory, and that of the actions
 * inside a 'ct'.
 */
#ifndef VSWITCH_OF_ACTION_H
#define VSWITCH_OF_ACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vswitch/of/match.h"

/* Ports that are no ports (7.2.1). */
enum of_port_no {
	OFPP_MAX = 0xffffff00,
	OFPP_UNSET = 0xfffffff7,
	OFPP_IN_PORT = 0xfffffff8,
	OFPP_TABLE = 0xfffffff9,
	OFPP_NORMAL = 0xfffffffa,
	OFPP_FLOOD = 0xfffffffb,
	OFPP_ALL = 0xfffffffc,
	OFPP_CONTROLLER = 0xfffffffd,
	OFPP_LOCAL = 0xfffffffe,
	OFPP_ANY = 0xffffffff,
};
/* True for a number that a port can have: 1 to OFPP_MAX, or the local port. */
static inline bool of_port_is_real(uint32_t port)
{
	return (port > 0 && port <= OFPP_MAX) || port == OFPP_LOCAL;
}

#define OF_GROUP_MAX	0xffffff00U
#define OF_GROUP_ALL	0xfffffffcU
#define OF_GROUP_ANY	0xffffffffU
#define OF_QUEUE_ALL	0xffffffffU
#define OF_TABLE_MAX	254
#define OF_TABLE_ALL	255
#define OF_MAX_LEN_ALL	0xffff /* OFPCML_NO_BUFFER */
#define OF_NX_TABLE_ANY 255    /* 'resubmit' and 'ct' without a table */

/* X(name, number on the wire, bytes on the wire or 0, text) */
/* clang-format off */
#define OF_ACTIONS(X)                                     \
	X(OUTPUT, 0, 16, "output")                        \
	X(COPY_TTL_OUT, 11, 8, "copy_ttl_out")            \
	X(COPY_TTL_IN, 12, 8, "copy_ttl_in")              \
	X(SET_MPLS_TTL, 15, 8, "set_mpls_ttl")            \
	X(DEC_MPLS_TTL, 16, 8, "dec_mpls_ttl")            \
	X(PUSH_VLAN, 17, 8, "push_vlan")                  \
	X(POP_VLAN, 18, 8, "pop_vlan")                    \
	X(PUSH_MPLS, 19, 8, "push_mpls")                  \
	X(POP_MPLS, 20, 8, "pop_mpls")                    \
	X(SET_QUEUE, 21, 8, "set_queue")                  \
	X(GROUP, 22, 8, "group")                          \
	X(SET_NW_TTL, 23, 8, "mod_nw_ttl")                \
	X(DEC_NW_TTL, 24, 8, "dec_ttl")                   \
	X(SET_FIELD, 25, 0, "set_field")                  \
	X(PUSH_PBB, 26, 8, "push_pbb")                    \
	X(POP_PBB, 27, 8, "pop_pbb")
/* Nicira's: subtypes. */
#define OF_NX_ACTIONS(X)                                  \
	X(RESUBMIT, 1, 16, "resubmit") /* is read as RESUBMIT_TABLE */ \
	X(REG_MOVE, 6, 0, "move")                         \
	X(REG_LOAD, 7, 24, "load")                        \
	X(RESUBMIT_TABLE, 14, 16, "resubmit")             \
	X(OUTPUT_REG, 15, 24, "output")                   \
	X(CONTROLLER, 20, 16, "controller")               \
	X(REG_LOAD2, 33, 0, "set_field")                  \
	X(CT, 35, 0, "ct")                                \
	X(NAT, 36, 0, "nat")                              \
	X(CT_CLEAR, 43, 16, "ct_clear")                   \
	X(RESUBMIT_TABLE_CT, 44, 16, "resubmit")
/* clang-format on */

#define OF_ACT_NX_BIT 0x80
enum of_action_type {
#define X(name, number, size, text) OF_ACT_##name = number,
	OF_ACTIONS(X)
#undef X
#define X(name, number, size, text) OF_ACT_NX_##name = OF_ACT_NX_BIT | number,
		OF_NX_ACTIONS(X)
#undef X
};

/* A run of bits of a field; bit 0 is its least significant. */
struct of_subfield {
	uint8_t field;
	uint8_t offset;
	uint8_t n_bits;
};

struct of_actions {
	struct of_action *v;
	size_t n;
};

/* By the protocol's port. */
#define OF_CT_ALG_FTP  21
#define OF_CT_ALG_TFTP 69

enum of_ct_flags {
	OF_CT_COMMIT = 1 << 0,
	OF_CT_FORCE = 1 << 1,
};
struct of_ct {
	uint16_t flags;
	uint16_t zone; /* when 'zone_from' has no bits */
	uint16_t alg;  /* OF_CT_ALG_*; 0: none */
	struct of_subfield zone_from;
	uint8_t table;		/* OF_NX_TABLE_ANY: the packet goes on here only */
	struct of_actions exec; /* nat, and what sets ct_mark and ct_label */
};

enum of_nat_flags {
	OF_NAT_SRC = 1 << 0,
	OF_NAT_DST = 1 << 1,
	OF_NAT_PERSISTENT = 1 << 2,
	OF_NAT_HASH = 1 << 3,
	OF_NAT_RANDOM = 1 << 4,
};
enum of_nat_range {
	OF_NAT_IPV4_MIN = 1 << 0,
	OF_NAT_IPV4_MAX = 1 << 1,
	OF_NAT_IPV6_MIN = 1 << 2,
	OF_NAT_IPV6_MAX = 1 << 3,
	OF_NAT_PROTO_MIN = 1 << 4,
	OF_NAT_PROTO_MAX = 1 << 5,
};
struct of_nat {
	uint16_t flags;
	uint16_t range; /* which of the following are there; others are zero */
	uint16_t proto_min, proto_max;
	uint8_t ip_min[16], ip_max[16]; /* IPv4 has the first four bytes */
};

struct of_action {
	uint8_t type; /* enum of_action_type */
	union {
		struct {
			uint32_t port;
			uint16_t max_len;
		} output;
		uint32_t group;	   /* GROUP */
		uint32_t queue;	   /* SET_QUEUE */
		uint16_t eth_type; /* PUSH_*, POP_MPLS */
		uint8_t ttl;	   /* SET_MPLS_TTL, SET_NW_TTL */
		struct of_oxm set; /* SET_FIELD without mask, REG_LOAD2 */
		struct {
			struct of_subfield from, to;
		} move;
		struct {
			struct of_subfield to;
			uint64_t value;
		} load;
		struct {
			struct of_subfield from;
			uint16_t max_len;
		} output_reg;
		struct {
			uint16_t in_port;
			uint8_t table; /* OF_NX_TABLE_ANY: this one */
		} resubmit;
		struct {
			uint16_t max_len;
			uint16_t controller_id;
			uint8_t reason;
		} controller;
		struct of_ct ct;
		struct of_nat nat;
	};
};

/* "set_field"; NULL for a number that is no action. */
const char *of_action_name(uint8_t type);

void of_actions_fini(struct of_actions *actions);
/* Takes what 'action' owns, also when it fails; false when memory ran out. */
bool of_actions_add(struct of_actions *actions, const struct of_action *action);
/* 'ret_copy' need not be initialised. */
bool of_actions_copy(const struct of_actions *actions, struct of_actions *ret_copy);
/* The same on the wire. */
bool of_actions_equal(const struct of_actions *a, const struct of_actions *b);
/* Some output goes to 'port', or some group is 'group': what the filters of flow commands ask. */
bool of_actions_output_to(const struct of_actions *actions, uint32_t port);
bool of_actions_use_group(const struct of_actions *actions, uint32_t group);

/* All of 'rd'.  'ret_actions' need not be initialised; on failure it is empty. */
enum of_error of_actions_decode(struct rd *rd, struct of_actions *ret_actions);
void of_actions_encode(struct wr *wr, const struct of_actions *actions);

/* Whether the actions make sense for packets of 'match' (NULL: for any packet): fields whose
 * headers cannot be there are OFPBAC_MATCH_INCONSISTENT.  'as_set': in the order of an action set
 * (5.10). */
enum of_error of_actions_check(const struct of_actions *actions, const struct of_match *match,
			       bool as_set);
/* The same, and 'match' then says what is known of packets after the actions. */
enum of_error of_actions_apply(const struct of_actions *actions, struct of_match *match,
			       bool as_set);

#endif

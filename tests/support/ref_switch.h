/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A switch that is too simple to be wrong: a reading of the specification (OpenFlow 1.3.5, 5.1 to
 * 5.12) that looks at every rule for every packet and works on bytes.  Who compares another with it
 * makes the same rules there, of the text that ref_gen.h writes.
 *
 * There is one, 'ref'; whoever uses it fills in its rules and groups.  What goes wrong is a failed
 * assertion of cmocka's.
 */
#ifndef TESTS_SUPPORT_REF_SWITCH_H
#define TESTS_SUPPORT_REF_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/of/group.h"

#define N_PORTS	      4
#define OF_PORT(i)    (11u + (i)) /* not the dataplane's number */
#define CONTROLLER    N_PORTS	  /* frames for it are kept as those of one port more */
#define N_OUTS	      (N_PORTS + 1)
#define N_TABLES      4
#define MAX_RULES     120
#define MAX_ACTS      6
#define MAX_SET	      40 /* a set has one of each type and field */
#define FRAME_MAX     384
#define MAX_OUT	      1024
#define VLAN_IS_THERE 0x1000u

/* What rules look at and change. */
enum kind {
	IN_PORT,
	DST,
	SRC,
	TYPE,
	VID,
	PCP,
	PROTO,
	DSCP,
	IP_SRC,
	IP_DST,
	SPORT,
	DPORT,
	SRC6_HI,
	SRC6_LO,
	DST6_HI,
	DST6_LO,
	LABEL,
	TC,
	BOS,
	ISID,
	META,
	N_KINDS,
};

struct match {
	uint64_t v[N_KINDS], m[N_KINDS];
};

enum act_type {
	OUT,
	OUT_IN_PORT,
	OUT_CONTROLLER,
	OUT_FLOOD,
	SET,
	PUSH,
	POP,
	PUSH_MPLS,
	POP_MPLS,
	PUSH_PBB,
	POP_PBB,
	DEC_TTL,
	SET_TTL,
	DEC_MPLS_TTL,
	SET_MPLS_TTL,
	COPY_OUT,
	COPY_IN,
	MOVE_MAC,
	MOVE_IP,
	GROUP,
};

struct act {
	enum act_type type;
	enum kind kind;
	uint64_t v, m;
	uint64_t eth_type, proto; /* what is known where it stands: a field has several names */
};

struct acts {
	unsigned n;
	struct act v[MAX_SET];
};

#define N_GROUPS  6
#define N_LEAVES  3 /* the first; the others may lead to them */
#define N_BUCKETS 3

struct bucket {
	struct acts acts;
	unsigned weight;
	int watch_port, watch_group; /* -1: none */
	uint64_t packets;
};

struct group {
	bool live;
	enum of_group_type type;
	unsigned n;
	struct bucket v[N_BUCKETS];
	uint64_t packets, bytes;
};

struct rule {
	bool live;
	uint8_t table;
	uint16_t priority;
	uint64_t cookie;
	struct match match;
	struct acts apply, write;
	bool has_write, clear;
	uint64_t meta, meta_mask;
	int go_to; /* -1: ends */
	uint64_t packets, bytes;
};

struct frame {
	uint32_t size;
	uint8_t bytes[FRAME_MAX];
};

/* The switch, and what it did: frames by port, those for controllers last. */
struct ref_switch {
	struct rule rules[MAX_RULES];
	struct group groups[N_GROUPS];
	bool port_dead[N_PORTS];
	struct frame expected[N_OUTS][MAX_OUT];
	unsigned n_expected[N_OUTS];
};
extern struct ref_switch ref;

/* What becomes of a frame that comes by port 'in' (an index), by the rules as they are: they count,
 * and it is added to 'ref.expected'. */
void ref_run(unsigned in, const struct frame *f);
/* What controllers are told beside the frame, as bytes behind it. */
void ref_add_told(struct frame *f, unsigned in_port, uint64_t cookie);
/* 'n' bytes, in network order. */
void ref_put(uint8_t *b, unsigned n, uint64_t v);

static inline uint64_t ref_ones(unsigned bits)
{
	return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A frame on its way through a program's steps: what exec.c (the walk, outputs) shares with the
 * files that hold the other steps (exec_change.c: changes of bytes).  Workers.
 */
#ifndef DATAPLANE_EXEC_PRIV_H
#define DATAPLANE_EXEC_PRIV_H

#include "dataplane/flow.h"

#define DP_FRAME_LEAST 60u /* on a wire, without its check sequence */

struct dp_walk {
	struct dp_run *run;
	struct dp_edge_frame f; /* f.m is NULL when the frame is gone */
	struct dp_headers h;	/* when 'parsed' */
	bool parsed, own;
	bool tag_changed;  /* 'f' does not say yet what the frame is carried on */
	bool macs_changed; /* nor its addresses, which only the learning switch asks for */
	bool changed;	   /* the key it came with is not that of its bytes any more */
	bool ct_known;	   /* 'ct' is filled in */
	bool shrunk;	   /* a pop made it shorter than a frame on a wire may be; then 'own' */
	unsigned depth;
	uint32_t end; /* of the rules that are passed in these steps (struct dp_step_end) */
	struct dp_ct_mark ct;
};

/* Ends the frame, with a counter. */
void dp_walk_drop(struct dp_walk *k, enum dp_drop reason);
/* The same where rules end it: those behind the first 'n_rules' have not met it. */
void dp_walk_end(struct dp_walk *k, enum dp_drop reason, uint32_t n_rules);
/* A copy that shares the bytes, NULL (counted) when there is none; who writes next copies. */
struct rte_mbuf *dp_walk_clone(struct dp_walk *k);
/* The frame as it leaves by a step: itself when nothing comes after it ('last'), else a clone; its
 * mbuf is NULL when there is none. */
struct dp_edge_frame dp_walk_leaving(struct dp_walk *k, bool last);
/* k->f has its addresses as they are now. */
void dp_walk_look_at_macs(struct dp_walk *k);
/* Before it leaves: what a popped header left too short for a wire gets zeros. */
void dp_walk_pad(struct dp_walk *k);
/* The frame may be written to, and its headers are known.  False: it is gone, counted. */
bool dp_walk_writable(struct dp_walk *k);
/* Its tag says which VLAN carries it. */
void dp_walk_carried_on(struct dp_walk *k, bool tagged, uint16_t vid);

/* exec_ct.c: connections, and the way back into the tables. */
void dp_walk_ct(struct dp_walk *k, const struct dp_step *s, bool last);
void dp_walk_ct_clear(struct dp_walk *k, const struct dp_step *s, bool last);
void dp_walk_resume(struct dp_walk *k, const struct dp_step *s, bool last);

/* A step that does something to the frame.  'last': nothing comes after it. */
typedef void (*dp_walk_fn)(struct dp_walk *k, const struct dp_step *s, bool last);
/* exec_tunnel.c: an output by a tunnel port, to where the rules say. */
void dp_walk_tunnel(struct dp_walk *k, const struct dp_step *s, bool last);
/* exec_no_port.c: outputs of a frame that came by no port. */
void dp_walk_switch_output(struct dp_walk *k, const struct dp_vport *out, bool last);
void dp_walk_switch_flood(struct dp_walk *k, bool last);
void dp_walk_switch_normal(struct dp_walk *k, bool last);
/* exec_punt.c */
void dp_walk_controller(struct dp_walk *k, const struct dp_step *s, bool last);
/* The step that found no TTL left: controllers get a copy when they want such frames. */
void dp_walk_tell_ttl(struct dp_walk *k, const struct dp_step *s);
void dp_walk_change(struct dp_walk *k, const struct dp_step *s, bool last);
void dp_walk_meter(struct dp_walk *k, const struct dp_step *s, bool last);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside bandwidth as it runs: qos.c has its life and the pace, qos_shape.c the shapers,
 * qos_stats.c what is to be seen.  Control thread.
 */
#ifndef VSWITCH_QOS_PRIV_H
#define VSWITCH_QOS_PRIV_H

#include "vswitch/qos_live.h"
#include "vswitch/qos_tree.h"

struct dp_pace;

/* Bytes of a class, and how fast they were lately. */
struct vs_qos_sample {
	uint64_t bytes, at_ns;
	uint64_t rate;
	uint64_t dropped;
};

/* So long without drops, and the next is told of again. */
#define VS_QOS_CALM_S 60u

/* Of a port, by its id. */
struct vs_qos_port {
	struct dp_pace *pace;
	struct vs_qos_sample from;
	bool from_over;
	uint64_t from_holds;
	/* What runs; 'next' is prepared beside it while a change is made. */
	struct dp_shaper *shaper;
	struct vs_qos_tree *tree, *next;
	uint64_t link_bps;	  /* of which 'tree' was made */
	struct vs_qos_sample *to; /* of its classes; NULL: no memory */
	uint64_t dropped;
	unsigned over_s, calm_s; /* seconds in a row with drops, and without */
};

/* What is sent to a tenant's machines on a switch. */
struct vs_qos_share {
	struct vs_qos_share *next;
	char sw[DP_PORT_NAME_SIZE], tenant[DP_PORT_NAME_SIZE];
	char uplink[DP_PORT_NAME_SIZE]; /* of which it was said */
	struct vs_qos_port live;	/* its shaper */
};

struct vs_qos_state {
	struct vs_qos_share *shares;
	struct vs_qos_port *of[DP_MAX_PORTS]; /* NULL: nothing was ever said of it */
	unsigned ticks;
};

struct vs_qos_state *vs_qos_state(const struct vs *vs);
/* Makes it if there is none; NULL without memory. */
struct vs_qos_port *vs_qos_port_need(struct vs_qos_state *s, uint16_t id);

/* The one whose shaper 'id' has part of; NULL: none. */
const struct vs_qos_share *vs_qos_share_of(const struct vs_qos_state *s, uint16_t id);

/* qos_shape.c: see the functions of the same names in policy.h. */
int vs_qos_shape_need(struct vs *vs, const struct vs_model *m, struct err *err);
void vs_qos_shape_restore(struct vs *vs);
void vs_qos_shape_compile(struct vs *vs, const struct vs_model *m, unsigned port,
			  struct dp_vport *vp);
void vs_qos_shape_settle(struct vs *vs, const struct vs_model *m);
/* Its port is gone, or all end. */
void vs_qos_shape_free(struct vs_qos_port *live);
/* All end. */
void vs_qos_shares_free(struct vs_qos_state *s);
/* Uplinks whose link has another speed now share that. */
void vs_qos_shape_links(struct vs *vs);

/* qos_stats.c: once a second. */
void vs_qos_watch(struct vs *vs);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a port's shaper does, as the model says: classes, and which of them takes a frame.
 *
 * 	uplink (phys)	root ─┬─ priority			any other port	root ─┬─ priority
 * 			      ├─ queue 3 (OpenFlow)			      ├─ queue 3
 * 			      ├─ tenant blue ─┬─ from web1		      └─ to
 * 			      │               └─ from web2
 * 			      ├─ from web3 (a tenant's only port)
 * 			      └─ others (controllers, the switch itself)
 *
 * 	a tenant's --to-max	root ─┬─ to web1 ─┬─ to web1: priority
 * 	(all of its machines	      │           └─ to web1: others
 * 	on a switch)		      └─ to web2
 *
 * The root's rate is the port's --to-max; of an uplink without one its link's speed, to which
 * guarantees that are more together are scaled down.  Control thread.
 */
#ifndef VSWITCH_QOS_TREE_H
#define VSWITCH_QOS_TREE_H

#include "dataplane/shape.h"
#include "vswitch/qos.h"

/* Of a class, by its number; names are for people. */
struct vs_qos_node {
	char name[96]; /* "to", "to: tenant blue" */
	bool is_queue;
	uint32_t queue; /* OpenFlow's number */
	uint16_t port;	/* id of it, in a tenant's tree; else 0 */
};

struct vs_qos_tree {
	struct dp_shape_spec spec; /* its arrays are those below */
	struct dp_sched_class *classes;
	uint64_t *keys;
	struct vs_qos_node *nodes;
	struct dp_shape_group *groups;
	uint16_t *group_of_port;
	struct dp_shape_queue *queues;
	/* Of a tenant's. */
	struct dp_shape_out *outs;
	uint16_t *out_of_port, *port_of_class;
	double scaled; /* guarantees are this part of what was asked for; 1: all of it */
};

/* Does 'm' say anything that takes a shaper of its own?  With its tenant's it has none. */
bool vs_qos_is_shaped(const struct vs_model *m, const struct vs_port *p);

/* 'ids' are those of m's ports; 'link_bps' the speed of p's link, 0: unknown.  *ret NULL with 0:
 * nothing of 'p' is shaped.  -ENOMEM; -ENOSPC with the reason. */
int vs_qos_tree_create(const struct vs_model *m, const uint16_t *ids, const struct vs_port *p,
		       uint64_t link_bps, struct vs_qos_tree **ret_tree, struct err *err);
/* The same of what is sent to a tenant's machines, as 'q' says; NULL: it has none there. */
int vs_qos_share_tree_create(const struct vs_model *m, const uint16_t *ids, const struct vs_qos *q,
			     struct vs_qos_tree **ret_tree, struct err *err);
/* Takes NULL. */
void vs_qos_tree_destroy(struct vs_qos_tree *tree);
/* Would their shapers do the same? */
bool vs_qos_tree_same(const struct vs_qos_tree *a, const struct vs_qos_tree *b);

#endif

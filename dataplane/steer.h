/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a driver does so that a device puts frames for some addresses on queues of their own
 * (hardware VMQ).  One table of functions for each way: flow rules and VMDq pools of a DPDK device
 * (steer_flow.c, steer_vmdq.c), our XDP program (steer_xdp.c); in tests a device of paper.
 * vmq/steer.h is what the rest of the switch uses: it knows sets of rules, takes them back when one
 * is refused, and puts them on again when a device forgot them.
 *
 * A rule is a help, never a promise: a frame of any address may come by any queue (a device that
 * was reset, a multicast), and a steered queue may bring frames of others.  Who takes a short cut
 * on a steered queue looks at the address of each frame first.
 *
 * Threads: control thread, while workers poll.
 */
#ifndef DATAPLANE_STEER_H
#define DATAPLANE_STEER_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

struct dp_port;

/* A device that reports more than this has a driver that does not know: believed up to here. */
#define DP_STEER_MAX_RULES 1024

/* Rules for frames with any tag, or none. */
#define DP_STEER_ANY_VLAN UINT16_MAX

struct dp_steer_rule {
	struct rte_ether_addr mac; /* destination; never a group address */
	uint16_t vlan;		   /* 1..4094; 0: without a tag; DP_STEER_ANY_VLAN */
	uint16_t queue;		   /* of port->rxq[]; its first where there are several */
	uint16_t n_queues;	   /* spread over so many by the device's hash (RSS); 0 is 1 */
};

/* What the device can do, as found by 'open'.  Queues below 'first' are everybody's. */
struct dp_steer_caps {
	const char *kind;    /* of the functions that found it */
	uint16_t first;	     /* the first queue that can be somebody's own */
	uint16_t n_queues;   /* of them */
	uint16_t max_rules;  /* at once */
	uint16_t stride;     /* between the first queues of two rules; 0 is 1 */
	uint16_t max_spread; /* queues of one rule; 1: no RSS within a rule */
	bool by_vlan;	     /* false: the tag is not looked at, an address has one rule */
	bool group_copies;   /* the driver takes away a second copy of each group frame */
	char why[200];	     /* why it is not better; may be empty */
};

struct dp_steer_ops {
	const char *kind; /* "flow" "vmdq" "xdp" "model" */
	bool restarts;	  /* 'open' and 'close' restart the device, and its link goes */
	/* Prepares the device; 'n_shared' queues at least stay everybody's.  It may have to be
	 * restarted: frames that arrive meanwhile are lost.  0; -EOPNOTSUPP: it cannot, 'err' says
	 * why; or what the device says.  On failure it is as before. */
	int (*open)(struct dp_port *port, uint16_t n_shared, struct dp_steer_caps *ret_caps,
		    struct err *err);
	/* As before 'open'.  All rules were taken off. */
	void (*close)(struct dp_port *port);
	/* Puts a rule on.  'ret_handle' is the driver's, for 'del'. */
	int (*add)(struct dp_port *port, const struct dp_steer_rule *rule, void **ret_handle,
		   struct err *err);
	/* Takes it off.  'forgotten': the device lost it already; only free what is ours. */
	int (*del)(struct dp_port *port, const struct dp_steer_rule *rule, void *handle,
		   bool forgotten);
	/* Frames that the device put on the queue since it was opened, as the device counts (or
	 * its kernel driver).  -EOPNOTSUPP: it does not. */
	int (*count)(struct dp_port *port, uint16_t queue, uint64_t *ret_packets);
	/* Changes whenever the device lost its rules (restart, reset); 'ret_gone': it vanished. */
	uint32_t (*generation)(struct dp_port *port, bool *ret_gone);
};

#endif

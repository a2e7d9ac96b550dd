/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A device of paper that steers by address: for tests of whoever uses dataplane/steer.h.  It has
 * the vices of real ones: it refuses, forgets, vanishes, and says nonsense of itself.
 */
#ifndef TESTS_SUPPORT_STEER_MODEL_H
#define TESTS_SUPPORT_STEER_MODEL_H

#include "dataplane/port.h"
#include "dataplane/steer.h"

#define STEER_MODEL_RULES 64

struct steer_model {
	struct dp_port port; /* what is opened; its 'priv' is the model */
	struct dp_rxq rxq[DP_MAX_QUEUES];
	struct dp_steer_caps caps; /* what it says of itself */
	struct dp_steer_rule rules[STEER_MODEL_RULES];
	bool used[STEER_MODEL_RULES];
	unsigned n_handles; /* that its user has not given back */
	uint32_t generation;
	bool gone, opened;
	bool restarts;	     /* its 'open' would restart it */
	int refuse_open;     /* negative errno */
	unsigned refuse_add; /* this one from now (1: the next) is refused; 0: none */
	bool refuse_adds;    /* and all after it */
	bool refuse_del;
	unsigned n_adds, n_dels;
	uint64_t counts[DP_MAX_QUEUES];
	struct dp_port_ops ops; /* of the port that it is attached to */
};

/* A port of 'n_rxq' queues whose device has what 'caps' will say: set it before the open. */
void steer_model_init(struct steer_model *model, uint16_t n_rxq);
/* After that: it is the device of 'port' instead, which goes on as before otherwise.  One at a
 * time; the model outlives the port. */
void steer_model_attach(struct steer_model *model, struct dp_port *port);
/* Reset: the rules are forgotten. */
void steer_model_reset(struct steer_model *model);
/* The queue of a frame, as the device would choose it, and counts it there. */
uint16_t steer_model_receive(struct steer_model *model, const struct rte_ether_addr *to,
			     uint16_t vlan);
unsigned steer_model_n_rules(const struct steer_model *model);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Receive queues of VMs' NICs on the uplinks of external switches: what is configured, and who has
 * which now.  docs/vm-queues.md is for who sets them, dataplane/vmq.h says what a queue is.
 *
 * 	vmq_model.c  what is configured
 * 	vmq_live.c   the part of policy.h: twice a second, who gets queues
 * 	vmq_hw.c     whose are the device's
 * 	cmd_vmq.c    commands
 *
 * Control thread.
 */
#ifndef VSWITCH_VMQ_H
#define VSWITCH_VMQ_H

#include "vswitch/model.h"

#include <stdbool.h>
#include <stdint.h>

struct dp_port;
struct dp_vmq;
struct vs;

#define VS_VMQ_WHY    256
#define VS_VMQ_WEIGHT 100 /* unless another is given; also the greatest */
/* NICs that have queues without '--queues N' at the same time; the others share the uplink's. */
#define VS_VMQ_SHARES 64

enum vs_vmq_hw {
	VS_VMQ_HW_AUTO, /* where that does not restart the device */
	VS_VMQ_HW_ON,
	VS_VMQ_HW_OFF,
};
#define VS_VMQ_N_HW 3
extern const char *const vs_vmq_hw_words[VS_VMQ_N_HW];

struct vs_vmq {
	const struct vs_port *port;
	const json_t *body; /* as configured; NULL: nothing was said */
	uint16_t queues;    /* 0: as load asks */
	uint16_t weight;    /* 0: none of its own */
	enum vs_vmq_hw hw;  /* the device's queues */
};

/* What vs_model.policy[VS_POLICY_VMQ] is. */
struct vs_vmq_conf {
	unsigned n;
	struct vs_vmq *v; /* one of each port, in the order of the model's ports */
};

int vs_vmq_read(struct vs_model *m, void **ret_conf, struct err *err);
void vs_vmq_forget(void *conf);
const struct vs_vmq *vs_vmq_of(const struct vs_model *m, const struct vs_port *port);
/* Is it a VM's NIC on a switch with a wire? */
bool vs_vmq_concerns(const struct vs_port *port);

/* A NIC and its queues now. */
struct vs_vmq_nic {
	struct dp_vmq *vmq;   /* NULL: it shares the uplink's */
	uint64_t seen;	      /* frames sent to it, at the last look */
	double rate;	      /* of them a second */
	unsigned quiet;	      /* looks in a row with next to none */
	char why[VS_VMQ_WHY]; /* no queue of its own, or no better one */
	/* vmq_hw.c's. */
	char kind[16];	   /* of the device's queues: "rte_flow" "rss-context" "vmdq" "xdp" */
	unsigned hw_retry; /* looks until the device is tried again; 'hw_why': why not now */
	unsigned hw_waits; /* looks in a row that the device did not have its rule */
	char hw_why[VS_VMQ_WHY];
};
const struct vs_vmq_nic *vs_vmq_nic(const struct vs *vs, uint16_t port_id);
/* "shared", "software", or the device's kind. */
const char *vs_vmq_kind(const struct vs_vmq_nic *nic);

/* Its device is about to be closed: nobody steers it any more.  'port' may be NULL. */
void vs_vmq_closes(struct vs *vs, const struct dp_port *port);

#endif

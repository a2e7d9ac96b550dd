/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports of kind "mem": frames come from and go to queues in memory.  For tests: what is injected is
 * what the switch receives, what is collected is what it sent.
 *
 * One thread may inject and collect while workers poll.  Queue numbers wrap at the number of
 * queues.
 */
#ifndef DATAPLANE_PORT_MEM_H
#define DATAPLANE_PORT_MEM_H

#include <stdbool.h>
#include <stdint.h>

struct dp_port;
struct rte_mbuf;

/* Gives frames to receive queue 'queue'.  Takes the first 'return value' of them; the rest stay the
 * caller's. */
uint16_t dp_port_mem_inject(struct dp_port *port, uint16_t queue, struct rte_mbuf **pkts,
			    uint16_t n);

/* Takes up to 'n' frames that were sent on any queue.  The caller owns them. */
uint16_t dp_port_mem_collect(struct dp_port *port, struct rte_mbuf **pkts, uint16_t n);

/* From now on at most 'n' more frames fit before some are collected: the queue is full after them.
 * UINT32_MAX: as many as the rings hold. */
void dp_port_mem_limit(struct dp_port *port, uint32_t n);

/* What link() says. */
void dp_port_mem_set_link(struct dp_port *port, bool up);

/* What tx may be given (DP_TX_*); before the port is published. */
void dp_port_mem_set_caps(struct dp_port *port, uint32_t tx_caps);

#endif

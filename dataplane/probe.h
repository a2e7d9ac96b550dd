/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loop probes: a frame that the switch sends by one port and recognises when it comes in again, by
 * that port or another.  Nothing else proves a loop: addresses that move do so for other reasons,
 * and a frame that goes round in one direction moves none.
 *
 * Source: Configuration Test Protocol (Ethernet V2.0, chapter 8), whose EtherType and group address
 * bridges flood and stations pass over.  A key of this process makes it ours.
 */
#ifndef DATAPLANE_PROBE_H
#define DATAPLANE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct dp;

/* Sends one by a port, untagged.  0, or -EAGAIN when no worker, buffer or room took it.  Control
 * thread. */
int dp_probe_send(struct dp *dp, uint16_t port);
/* Once a second while probes are sent: those of five seconds ago prove nothing any more. */
void dp_probe_age(struct dp *dp);
/* Has a probe come in by 'port' since the last call?  By which port it was sent.  Control thread.
 */
bool dp_probe_came(struct dp *dp, uint16_t port, uint16_t *ret_sent_by);
/* Frames received by a port's queues so far, without asking the workers. */
uint64_t dp_probe_rx_packets(const struct dp *dp, uint16_t port);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards of a port: what a machine behind it may claim to be.  Ingress, before filters and rules,
 * so that nobody else ever sees a forged frame:
 *
 * 	MAC spoofing        source is one of the port's addresses
 * 	IP binding          IPv4 and IPv6 source, ARP sender, ND target belong to the port;
 * addresses are given, or learned from DHCP (and locked until the lease ends) DHCP server no
 * answers of DHCPv4 and DHCPv6 servers router              no router advertisements, no ICMP(v6)
 * redirects ARP and ND          senders agree with their frames; a rate; answers by the switch
 * where it knows storm               packets a second of broadcast, multicast, unknown unicast BPDU
 * no bridge protocol frames
 *
 * The usual frame (its source is the port's, IPv4 or IPv6 without anything odd, from a bound
 * address, no server's port) is let pass by a handful of compares on bytes that the flow key reads
 * anyway; all else takes the slow way.  What is dropped is counted under a reason of its own and
 * told as a notice (notice.h).
 *
 * Immutable but for counters, tokens and learned addresses; published with the view.
 */
#ifndef DATAPLANE_GUARD_H
#define DATAPLANE_GUARD_H

#include "dataplane/port.h"

#include <stdint.h>

struct dp_guard;
struct dp_vport;
struct dp_worker;
struct rte_mbuf;

/* Workers.  Drops what may not come in by 'in', whose guard is in->guard; the others are the first
 * 'return value' of 'pkts', in their order.  At most DP_BURST. */
uint16_t dp_guard_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			  uint16_t n);

#endif

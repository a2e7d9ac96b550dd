/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Keeps the kernel's own stack away from the frames of an interface that the switch has taken with
 * a packet socket.  The socket sees a frame before traffic control does, so a classifier that drops
 * everything at ingress leaves the frame to the socket alone; otherwise the host would answer,
 * forward and learn from frames that belong to the switch.
 *
 * 	wire ─► packet socket (a copy: ours) ─► tc ingress: drop ─x─ IP, ARP, bridge ... of the host
 *
 * Two ways.  A bpf_link on the interface (tcx, Linux 6.6) ends with our process, whatever happens
 * to it.  Before that, a filter on a clsact qdisc: it survives 'kill -9', and the next start takes
 * it over by its handle.
 *
 * In the network namespace of the calling thread.  Control thread.
 */
#ifndef DATAPLANE_INGRESS_BLOCK_H
#define DATAPLANE_INGRESS_BLOCK_H

#include "ctl/base/err.h"

#include <stdbool.h>

struct dp_ingress_block {
	int ifindex;
	int link_fd;	 /* tcx; -1: the classic filter */
	bool made_qdisc; /* clsact was not there before */
	bool attached;
};

/* 'classic' forbids tcx (for tests of the other way). */
int dp_ingress_block_attach(struct dp_ingress_block *block, int ifindex, bool classic,
			    struct err *err);

/* Leaves the interface as it was; a clsact qdisc that others use meanwhile stays.  Tells libbpf
 * nothing when the interface is gone. */
void dp_ingress_block_detach(struct dp_ingress_block *block);

#endif

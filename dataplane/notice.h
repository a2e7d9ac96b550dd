/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Notices: what a worker saw that a person should hear of, a spoofed address, a denied connection.
 * Workers put them into a queue of their own (records.h), the control thread takes them ten times a
 * second and makes events of them.  Whoever attacks cannot flood the log: a port tells at most
 * DP_NOTICE_RATE a second of each kind, and the next one says how many were left out.  A full queue
 * leaves out, too.
 */
#ifndef DATAPLANE_NOTICE_H
#define DATAPLANE_NOTICE_H

#include "dataplane/drop.h"
#include "dataplane/tunnel_wire.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_NOTICE_RATE 2u

struct dp;
struct dp_worker;
struct rte_mbuf;

/* What is told: who, where, what of the frame. */
struct dp_notice {
	uint64_t ms;	   /* dp_flow_now_ms() */
	uint16_t port;	   /* by which it came in, or would have left */
	uint16_t drop;	   /* enum dp_drop: the kind */
	uint32_t left_out; /* notices of this kind and port since the last */
	uint64_t id;	   /* what the kind says: an ACL entry's number */
	uint8_t src[6], dst[6];
	uint16_t vlan, eth_type;
	bool has_ip; /* the next two are there */
	struct dp_ip from, to;
	uint8_t proto;
	uint16_t sport, dport; /* host order; ICMP: type, code */
};

/* Worker: a frame of 'port' is dropped for 'drop'.  Borrows it. */
void dp_notice(struct dp_worker *w, uint16_t port, enum dp_drop drop, uint64_t id,
	       const struct rte_mbuf *m);

/* Control thread: hands all that waits to 'fn'. */
typedef void (*dp_notice_fn)(void *arg, const struct dp_notice *notice);
void dp_notices_take(struct dp *dp, dp_notice_fn fn, void *arg);

#endif

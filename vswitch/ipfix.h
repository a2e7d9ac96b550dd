/* SPDX-License-Identifier: BSD-2-Clause
 *
 * IPFIX on the wire (RFC 7011): messages of templates, flow records and what describes the
 * exporter. Bytes only, no state but the message that is being made, no I/O.
 *
 * 	ipfix_begin(); ipfix_flow() ... until one does not fit; ipfix_end(); send; again
 *
 * All elements are IANA's, but for answers (RFC 5103, enterprise 29305) and the switch's own reason
 * of a drop: element 1 of IPFIX_PEN, a number that an options record maps to a name.
 */
#ifndef VSWITCH_IPFIX_H
#define VSWITCH_IPFIX_H

#include "dataplane/flowrec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/base/wire.h"

#define IPFIX_PORT	  4739 /* RFC 7011 10 */
#define IPFIX_HEADER	  16u
#define IPFIX_MESSAGE	  1400u	 /* bytes of ours at most: RFC 7011 10.3.3 wants no fragments */
#define IPFIX_PEN	  32473u /* nobody's: RFC 5612; see docs/flow-records.md */
#define IPFIX_REVERSE_PEN 29305u /* RFC 5103 */
#define IPFIX_N_TEMPLATES 10u

/* Ids of templates. */
enum ipfix_template {
	IPFIX_FLOW4 = 256,
	IPFIX_FLOW4_BACK,
	IPFIX_FLOW6,
	IPFIX_FLOW6_BACK,
	IPFIX_FRAMES,
	IPFIX_FRAMES_BACK,
	IPFIX_SAMPLING,
	IPFIX_STATISTICS,
	IPFIX_INTERFACE,
	IPFIX_DROP_REASON,
};

/* A message that is being made. */
struct ipfix_message {
	struct wr wr;
	size_t set;	    /* where the set that grows begins; 0: none does */
	uint16_t set_id;    /* its id */
	uint32_t n_records; /* data records, those of options too */
	uint8_t bytes[IPFIX_MESSAGE];
};

void ipfix_begin(struct ipfix_message *m);
/* Ends it: returns its size; 0: it is empty.  'export_s': seconds since 1970; 'sequence': data
 * records sent before in this session. */
size_t ipfix_end(struct ipfix_message *m, uint32_t export_s, uint32_t sequence, uint32_t domain_id);
/* Writes another session's sequence number over that of an ended message. */
void ipfix_set_sequence(struct ipfix_message *m, uint32_t sequence);

/* These return false, and leave the message as it was, when it has no room.  An empty message has
 * room for any of them. */

/* Template 'i', 0 to IPFIX_N_TEMPLATES - 1. */
bool ipfix_template(struct ipfix_message *m, unsigned i);

struct ipfix_flow {
	const struct dp_flowrec_record *record;
	uint32_t vrf;		     /* the tenant's id; 0: none */
	uint32_t in, out;	     /* interfaces; 0: unknown */
	uint8_t status, back_status; /* ipfix_status() */
};
bool ipfix_flow(struct ipfix_message *m, const struct ipfix_flow *flow);

/* One of 'rate' frames is counted. */
bool ipfix_sampling(struct ipfix_message *m, uint32_t domain_id, uint32_t rate);

struct ipfix_statistics {
	uint64_t messages, records, bytes;	 /* exported */
	uint64_t lost_records;			 /* not sent */
	uint64_t ignored_packets, ignored_bytes; /* not counted in any flow */
};
bool ipfix_statistics(struct ipfix_message *m, uint32_t domain_id,
		      const struct ipfix_statistics *s);
/* Names are cut at 250 bytes. */
bool ipfix_interface(struct ipfix_message *m, uint32_t interface, const char *name,
		     const char *text);
bool ipfix_drop_reason(struct ipfix_message *m, uint16_t number, const char *name,
		       const char *text);

/* forwardingStatus (89, RFC 7270 4.12) of frames that were dropped for 'drop'; DP_N_DROPS: of those
 * that were not. */
uint8_t ipfix_status(unsigned drop);

#endif

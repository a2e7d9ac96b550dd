/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flow records: who spoke with whom, how much, and what was dropped why.  A worker adds up the
 * flows of ports whose switch or tenant exports them, in a table of its own; the control thread
 * reads the tables while they are written, takes what ended or lasted long, puts both directions of
 * a conversation together, and hands records on (IPFIX, RFC 7011; biflows, RFC 5103).  sFlow
 * (version 5) takes one frame of N, with its head.
 *
 * 	worker: frame ─► key ─► entry of its table += packet, bytes	(never waits, never frees)
 * 	control thread: entry is LIVE ─ idle ─► DYING ─ grace period ─► record, FREE
 *
 * An entry has one writer of each of its parts, so there is no lock: the worker makes it and
 * counts, the control thread says when it dies; a worker that meets a DYING entry makes a new one
 * beside it.  What was reported before is kept by the control thread beside the tables, so a record
 * is always the difference, and sums over records are exact.
 *
 * Nothing here may slow or drop a frame: what finds its table or queue full is counted as missed.
 */
#ifndef DATAPLANE_FLOWREC_H
#define DATAPLANE_FLOWREC_H

#include "dataplane/drop.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_FLOWREC_MAX 4 /* exporters, and samplers, that see one port */

struct dp;
struct dp_flowrec_set; /* the flows of one exporter: a table for each worker */
struct dp_sampler;     /* frames that one exporter takes as samples */
struct dp_vport;
struct dp_worker;
struct rte_mbuf;

/* Who sees a port: in->flowrec.  Immutable, published with the view; whoever hangs it there frees
 * it.  'domain': only frames of this one (a tenant's on a shared uplink); DP_NO_DOMAIN: all. */
struct dp_flowrec {
	unsigned n_sets, n_samplers;
	struct {
		struct dp_flowrec_set *set;
		uint16_t domain;
	} sets[DP_FLOWREC_MAX];
	struct {
		struct dp_sampler *sampler;
		uint16_t domain;
	} samplers[DP_FLOWREC_MAX];
};

/* Workers.  Borrow the frames, at most DP_BURST. */
void dp_flowrec_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n);
/* They came in by 'in' and are dropped; any number. */
void dp_flowrec_dropped(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n, enum dp_drop reason);

/* ---- Control thread ---- */

struct dp_flowrec_opts {
	uint32_t max_flows; /* of a worker; made a power of two, 64 at least */
	uint32_t active_ms, inactive_ms;
	uint32_t sample; /* of so many frames one is counted; 0, 1: all */
};

/* Tables for all workers, also those that come later.  -ENOMEM. */
int dp_flowrec_set_create(struct dp *dp, const struct dp_flowrec_opts *opts,
			  struct dp_flowrec_set **ret_set);
/* No view has it any more.  Takes NULL. */
void dp_flowrec_set_destroy(struct dp_flowrec_set *set);
/* Were these its tables if it was made for 'max_flows' anew? */
bool dp_flowrec_set_holds(const struct dp_flowrec_set *set, uint32_t max_flows);
/* All but max_flows, at once. */
void dp_flowrec_set_change(struct dp_flowrec_set *set, const struct dp_flowrec_opts *opts);

/* Why a record is made: flowEndReason (IPFIX 136). */
enum dp_flowrec_end {
	DP_FLOWREC_IDLE = 1,
	DP_FLOWREC_ACTIVE = 2, /* it goes on */
	DP_FLOWREC_CLOSED = 3, /* TCP said so */
	DP_FLOWREC_FORCED = 4,
	DP_FLOWREC_FULL = 5, /* its place was needed */
};

/* One direction of a record: what came since the record before. */
struct dp_flowrec_half {
	uint64_t packets, bytes; /* of IP, headers counted; frames where there is no IP */
	uint64_t dropped_packets, dropped_bytes;
	uint64_t start_ms, end_ms; /* since 1970 */
	uint16_t port;		   /* by which they came in */
	uint16_t tcp_flags;	   /* all that were seen in the entry's life */
	uint16_t drop;		   /* enum dp_drop of the last that was dropped; DP_N_DROPS: none */
	uint8_t tos;		   /* ECN is 0 */
};

/* Addresses in network order; ports in host order, ICMP's type and code in 'dport'.  Family 0: no
 * IP, the MACs and eth_type say it all. */
struct dp_flowrec_record {
	uint8_t family; /* 4, 6, 0 */
	uint8_t proto;
	uint16_t domain, vlan, eth_type, sport, dport;
	uint8_t src[16], dst[16];
	uint8_t src_mac[6], dst_mac[6]; /* of the first frame */
	enum dp_flowrec_end end;
	bool has_back;
	struct dp_flowrec_half there, back; /* from who spoke first; the answers */
};
/* Borrows the record. */
typedef void (*dp_flowrec_fn)(void *arg, const struct dp_flowrec_record *record);

/* Makes records of what is due: a part of the tables each time, so that ten calls a second look at
 * all of 262 144 places every second.  Never waits. */
void dp_flowrec_collect(struct dp_flowrec_set *set, dp_flowrec_fn fn, void *arg);
/* All that is left, as DP_FLOWREC_FORCED; the tables are empty then.  No port has the set any
 * more, and no worker holds it. */
void dp_flowrec_flush(struct dp_flowrec_set *set, dp_flowrec_fn fn, void *arg);
/* What is in the tables now, each conversation once, counted from its first frame on. */
void dp_flowrec_each(struct dp_flowrec_set *set, dp_flowrec_fn fn, void *arg);

struct dp_flowrec_stats {
	uint64_t flows, flows_max;	       /* entries now; places, of all workers */
	uint64_t made;			       /* entries since the start */
	uint64_t packets;		       /* that were counted */
	uint64_t missed_packets, missed_bytes; /* their table was full */
	uint64_t unknown_drops; /* of a shared uplink: nobody knows any more whose they were */
	uint64_t memory;	/* bytes */
};
void dp_flowrec_stats(const struct dp_flowrec_set *set, struct dp_flowrec_stats *ret_stats);

/* ---- Samples (sFlow); control thread ---- */

#define DP_SAMPLE_HEAD 512u /* bytes of a frame's head at most */

/* Of 'rate' frames one is taken, at random: exactly one of each 'rate' that follow each other. */
int dp_sampler_create(struct dp *dp, uint32_t rate, uint32_t head, struct dp_sampler **ret_sampler);
void dp_sampler_destroy(struct dp_sampler *sampler);
void dp_sampler_change(struct dp_sampler *sampler, uint32_t rate, uint32_t head);

struct dp_sample {
	uint16_t port, domain, vlan, priority;
	uint16_t size; /* of 'head' */
	uint16_t unused;
	uint32_t frame_size; /* without the checksum */
};
typedef void (*dp_sample_fn)(void *arg, const struct dp_sample *sample, const uint8_t *head);
/* Hands on what waits, at most 'max'; returns how many. */
unsigned dp_sampler_take(struct dp_sampler *sampler, unsigned max, dp_sample_fn fn, void *arg);
/* Samples that found their queue full. */
uint64_t dp_sampler_dropped(const struct dp_sampler *sampler);

#endif

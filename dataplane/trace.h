/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What becomes of one frame, without sending it.  This is no second switch that could come to
 * differ: dp_trace_run() has the workers' own code carry the frame, on the control thread, on a
 * 'struct dp_worker' that is none.  What that worker may touch is its own:
 *
 * 	view       a copy; its ports have a driver that keeps what is sent, no captures, no flood
 * 		   limits, and do not learn
 * 	counters   its own, thrown away; so is the flow cache
 * 	database   the switch's, only read: where the frame would have made it learn, the answer is
 * 		   that of a switch that has
 * 	w->trace   marks it: a step that takes tokens, keeps state or tells somebody asks first
 *
 * So nothing a trace does can be seen by anyone but who asked.  Control thread.
 */
#ifndef DATAPLANE_TRACE_H
#define DATAPLANE_TRACE_H

#include "dataplane/drop.h"
#include "dataplane/key.h"
#include "dataplane/tunnel_wire.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_TRACE_MAX_EVENTS  8192
#define DP_TRACE_MAX_WORKERS 64
#define DP_TRACE_MAX_FRAME   65535
#define DP_TRACE_MAX_STEPS   4096

struct dp;
struct dp_pipeline;

enum dp_trace_what {
	DP_TRACE_SENT,	  /* 'bytes' by 'port' */
	DP_TRACE_DROPPED, /* for 'reason', before it was given to a port; 'port': which refused it
			   */
	DP_TRACE_LOST,	  /* for 'reason', by the 'port' that was to send it */
	DP_TRACE_MIRRORS, /* those whose names are its bytes would copy it at 'port' ('egress') */
	DP_TRACE_FOUND,	  /* the learning switch: the address lives behind 'port' */
	DP_TRACE_FLOODED, /* the learning switch: it is not known, or is a group's */
	DP_TRACE_ASKED,	  /* the access lists of 'port'; the entry that decided is its bytes */
	DP_TRACE_FILTERS, /* passed by the filters of 'port', whose names are its bytes */
	DP_TRACE_SHAPED,  /* would wait in the shaper of 'port', in its leaf 'queue' */
};

struct dp_trace_event {
	enum dp_trace_what what;
	enum dp_drop reason;
	uint16_t port; /* DP_NO_PORT: none */
	uint16_t vlan; /* FOUND, FLOODED: what carries it */
	bool egress;   /* FILTERS, ASKED: on the way out */
	bool allowed;  /* ASKED */
	bool has_queue;
	uint32_t queue; /* SENT: that rules chose; DP_QUEUE_NONE: none.  The port 'has_queue' */
	uint32_t size;
	uint32_t at; /* its bytes in dp_trace.bytes; UINT32_MAX: not kept */
};

/* What a worker's cache knows of the frame. */
struct dp_trace_cache {
	unsigned cpu;
	bool hit, same;	 /* the program is the one that the rules say now */
	bool behind;	 /* rules changed, and the worker had no frame since */
	unsigned groups; /* searched */
	struct dp_key mask;
};

/* Cycles of this machine's time stamp counter: the median of some runs on this thread, with
 * everything in its caches.  A worker that does this for one frame after the other comes near
 * 'burst'; one that finds nothing in its caches takes longer. 0: not measured, or not done. */
struct dp_trace_cost {
	uint64_t edge, key, cache, translate;
	uint64_t first; /* the whole way of a flow's first frame */
	uint64_t next;	/* of one alone that the cache knows */
	uint64_t burst; /* of one among 32 of them */
};

struct dp_trace {
	/* Asked. */
	uint16_t port;
	const uint8_t *frame;
	uint32_t size;
	struct dp_tunnel_outer outer; /* of a tunnel port: what it came in; zeros: nothing */
	void *translation;	      /* dp_build.trace for the first run */
	bool peek;		      /* look into workers' caches */
	bool costs;		      /* measure */

	/* Found.  'drop' is DP_N_DROPS when the edge lets it in; the rest is as of then. */
	enum dp_drop drop;
	uint16_t domain, cvlan;
	bool tagged, captured;
	bool has_rules;
	struct dp_key key;
	struct dp_key wc; /* what the translation looked at */
	bool kept;	  /* its program may be kept */
	uint16_t steps_size;
	uint8_t steps[DP_TRACE_MAX_STEPS] __attribute__((aligned(8)));
	struct dp_trace_cache caches[DP_TRACE_MAX_WORKERS];
	unsigned n_caches;
	struct dp_trace_cost cost;
	struct dp_trace_event *events;
	unsigned n_events, room, n_more; /* more than were kept */
	uint8_t *bytes;
	uint32_t n_bytes, bytes_room;

	/* While it runs. */
	bool record;
	uint16_t refused_by;
};

/* Carries 'trace->frame' as if it came in by 'trace->port'.  0, -ENOENT (no such port in the
 * switch), -EINVAL (longer than a frame can be), -ENOMEM (no memory or no packet buffer).  On
 * success what was found is in 'trace'; dp_trace_fini() frees it. */
int dp_trace_run(struct dp *dp, struct dp_trace *trace);
void dp_trace_fini(struct dp_trace *trace);

#endif

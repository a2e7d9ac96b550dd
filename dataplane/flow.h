/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow engine on a worker: a burst of a port whose switch has rules.  dataplane/ only.
 *
 * 	admit, classify (edge.h) ─► key (key.h) ─► cache (mf.h) ─► program (exec.c) ─► tx
 * 	                                             └─ miss ─► translate (pipeline.h) ─► cache
 */
#ifndef DATAPLANE_FLOW_H
#define DATAPLANE_FLOW_H

#include "dataplane/ct.h"
#include "dataplane/edge.h"
#include "dataplane/mf.h"
#include "dataplane/pipeline.h"
#include "dataplane/police.h"
#include "dataplane/programs.h"
#include "dataplane/resume.h"

#include <stdatomic.h>

#define DP_FLOW_TICK_MS		 100
#define DP_FLOW_COUNTERS_A_CHUNK 4096u
#define DP_FLOW_MAX_CHUNKS	 512u /* two million rules */
#define DP_FLOW_LOG_SIZE	 1024u
#define DP_FLOW_SEEN		 16384u

/* One worker's share of a rule's counters. */
struct dp_flow_counter {
	_Atomic uint64_t packets, bytes;
	_Atomic uint32_t used; /* tick of the last packet, plus one */
	uint32_t unused[3];
};

/* Whose an entry is in the cache: the domain's of the frame that made it. */
#define DP_FLOW_OWNER(domain) ((uint16_t)((domain) + 1))
static_assert(DP_MAX_DOMAINS < DP_MF_MAX_OWNERS, "each domain owns entries");

struct dp_flow_tokens {
	uint64_t at; /* clock when they were last filled */
	uint32_t n;
};

/* What is known of a frame that is looked up again. */
struct dp_resumed {
	struct dp_ct_mark ct;
	uint32_t state; /* resume state */
	uint8_t rounds; /* how often it was */
	bool same;	/* its key is still that of its bytes */
};
/* One that waits for that. */
struct dp_waiting {
	struct rte_mbuf *m;
	uint64_t carried;
	uint64_t key[DP_KEY_SHORT]; /* when 'same' */
	struct dp_resumed what;
	uint16_t context;
	bool plain;
};

/* A packet whose fragments are on their way.  It is tracked once: what the first fragment that
 * comes to a CT step is told, the others are told there.  Where they are is said by the step that
 * they passed before ('path': 0 none, else one more than its place in 'seen') and by how many CT
 * steps the program that they are in has run. */
#define DP_WHOLE_SEEN 32u
struct dp_whole {
	struct dp_ct_packet packet;
	uint32_t l4_size;  /* its transport header and payload */
	uint16_t ports[2]; /* as it came; as in memory */
	unsigned n_seen;
	struct dp_whole_seen {
		uint16_t path, ordinal;
		uint16_t ports[2];	       /* as it goes on */
		bool failed;		       /* there is no address for it */
		uint64_t key[DP_CT_KEY_WORDS]; /* without its place */
		struct dp_ct_mark mark;	       /* before it was translated */
	} seen[DP_WHOLE_SEEN];
};

struct dp_flow {
	struct dp_mf *mf;
	struct dp_programs *programs;
	struct dp_resumes *resumes;
	struct dp_punt_queue *punts;
	uint64_t next_upkeep; /* clock */
	uint32_t tick;
	uint32_t n_unseen;
	uint16_t seen_keys[DP_FLOW_SEEN]; /* of packets that would have been found sooner (mf.h) */
	struct dp_flow_counter *_Atomic counters[DP_FLOW_MAX_CHUNKS]; /* control thread fills in */
	uint64_t seen[DP_MAX_PIPELINES];			      /* version */
	struct dp_flow_tokens tokens[DP_MAX_PORTS];		      /* entries a port may make */
	struct dp_police police;				      /* what they may look up */
	struct dp_build build;
	struct dp_mf_burst burst;
	struct dp_key long_keys[DP_BURST];
	uint64_t carried[DP_BURST]; /* dp_edge_carried() of burst.pkts */
	uint32_t sizes[DP_BURST];   /* theirs in bytes, where they can be summed up at once */
	/* Frames of this burst that are looked up again in their places, as soon as the others are
	 * through: bit i; contexts and what is known are of that look-up then, as are those of all
	 * frames in a burst that is one. */
	uint32_t again;
	uint16_t contexts[DP_BURST];
	struct dp_resumed resumed[DP_BURST];
	/* Others that wait for it, oldest at 'queue_at'. */
	struct dp_waiting queue[DP_RESUME_QUEUE];
	uint16_t queue_at, n_queued;
	struct dp_whole *whole;	  /* of which all frames of the burst are fragments; NULL: they are
				     frames as they come */
	struct dp_ct_local ct;	  /* when there is a tracker */
	struct dp_acl_cache *acl; /* acl.h; NULL until a port has lists */
};

enum dp_flow_log_kind { DP_FLOW_LOG_RULE, DP_FLOW_LOG_ALL };
struct dp_flow_log {
	enum dp_flow_log_kind kind;
	uint8_t table;
	struct dp_key key, mask;
};

struct dp_pipeline {
	uint16_t index;
	_Atomic bool tells_ttl; /* controllers want frames whose TTL ends */
	_Atomic uint32_t punt_meter;
	_Atomic uint32_t punt_burst; /* of each port; with the next */
	_Atomic uint64_t
		punt_interval; /* cycles from one of a port to the next; 0: the dataplane's */
	uint64_t id;
	dp_translate_fn translate;
	void *arg;
	_Atomic uint64_t version; /* published */
	_Atomic uint64_t logged;  /* written; at most a log's length of it can be read */
	struct dp_flow_log *log;
};

/* Carries a burst that came in by 'in', whose switch has a pipeline.  Takes the frames. */
void dp_flow_burst(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		   uint16_t n);

/* The same with frames that were counted, admitted and classified before, when they were held; the
 * caller sends what was gathered. */
void dp_flow_carry(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		   const uint64_t *carried, uint16_t n);

/* Counts by a counter that is no rule's. */
void dp_flow_count(struct dp_flow *flow, uint32_t counter, uint64_t packets, uint64_t bytes);

/* Before each burst; now and then it does something: the clock of the cache and of rules goes on,
 * and entries age. */
void dp_flow_upkeep(struct dp_worker *w, uint64_t now_tsc);

/* exec.c: runs steps on a frame.  Takes it.  Those that end in NORMAL are left in 'normal' for the
 * learning switch. */
struct dp_run {
	struct dp_worker *w;
	const struct dp_vport *in;
	struct dp_count *count;
	struct dp_edge_frame *normal; /* room for DP_BURST more */
	uint16_t n_normal;
	/* Of the frame that is run. */
	const struct dp_resumed *resumed; /* NULL: for the first time */
	const uint64_t *key;		  /* short key; NULL: not at hand */
	bool plain;
	uint16_t n_ct; /* CT steps that it ran */
	/* What has counted it, as 'size' bytes. */
	const uint32_t *rules;
	uint16_t n_rules;
	uint32_t size;
	bool no_port; /* the switch speaks: 'in' stands for no port (inject.h) */
};
/* The frame that is run did not come to these of the rules that have counted it. */
void dp_flow_uncount(struct dp_run *run, uint32_t from, uint32_t end);
void dp_exec(struct dp_run *run, const struct dp_edge_frame *frame, const uint8_t *steps,
	     uint16_t size);

/* What changed in the rules since this worker last looked is out of its cache. */
void dp_flow_follow(struct dp_flow *flow, const struct dp_vport *in);
/* Does with one frame what the rules say, without the cache.  Takes it. */
void dp_flow_submit(struct dp_run *run, const struct dp_edge_frame *frame);

/* inject.c: runs frames that the control thread gave to this worker; returns how many. */
unsigned dp_inject_drain(struct dp_worker *w);

/* exec_change.c: the key of the frame as the changes among the steps leave it; the frame itself
 * stays as it is.  False when there is no buffer.  A CLONE whose end is not written yet counts as
 * steps like others. */
bool dp_exec_key(const struct rte_mbuf *frame, struct rte_mempool *pool, const uint8_t *steps,
		 uint16_t size, uint16_t in_port, struct dp_key *ret_key);

/* For traces (trace.h): a translation's resume states are 'flow's; nothing of a pipeline is cached.
 */
uint32_t dp_flow_resume_state(struct dp_build *b, const struct dp_resume_what *what);
void dp_flow_forget(struct dp_flow *flow, const struct dp_pipeline *pl);
/* Gives a reference back. */
void dp_flow_program_put(struct dp_flow *flow, struct dp_program *program);
/* flow_track.c: tracks the plain frames among 'from' to 'end' of the burst, of a program that
 * 'tracks', for a look-up in their places.  Returns those it did not take: bit i. */
uint32_t dp_flow_track(struct dp_run *run, const struct dp_program *program, uint16_t from,
		       uint16_t end);
/* The burst is what dp_flow_track() took of it.  False: nothing. */
bool dp_flow_again(struct dp_flow *flow);
/* flow_track.c: the frame, which it takes, is looked up again. */
void dp_flow_resume(struct dp_run *run, const struct dp_edge_frame *f, uint32_t state,
		    const struct dp_ct_mark *ct, bool changed);

/* l2.c: learns from and forwards frames that were admitted and classified. */
void dp_l2_forward(struct dp_worker *w, const struct dp_vport *in, struct dp_edge_frame *frames,
		   uint16_t n);

/* Workers look up flows, or access lists. */
static inline bool dp_flow_wanted(const struct dp *dp)
{
	return dp->n_pipelines != 0 || dp->has_acls;
}

/* pipeline.c: control thread. */
int dp_flow_create(struct dp *dp, struct dp_flow **ret_flow);
void dp_flow_destroy(struct dp_flow *flow);
void dp_flow_tick(struct dp *dp);
void dp_flow_fini(struct dp *dp);
/* The worker of 'flow' is no more: its share of the tracker. */
void dp_flow_ct_gone(struct dp *dp, struct dp_flow *flow);
void dp_flow_counters_gone(struct dp *dp, const struct dp_flow *flow);

#endif

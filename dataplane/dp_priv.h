/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The dataplane's insides, shared by the files of this folder that run on the control thread.
 */
#ifndef DATAPLANE_DP_PRIV_H
#define DATAPLANE_DP_PRIV_H

#include "dataplane/dp.h"
#include "dataplane/pipeline.h"
#include "dataplane/worker.h"

#include <sys/queue.h>

#define DP_MAX_POOLS 8

struct dp_pool_entry {
	struct rte_mempool *pool;
	uint32_t data_room;
};

/* Where a receive queue is and how busy it was (place.c). */
struct dp_placed {
	struct dp_rxq *q;
	struct dp_worker *worker; /* NULL: no worker yet */
	uint64_t seen_cycles;
	double load; /* share of a core over the last interval */
	uint64_t moved_ns;
	uint32_t moves;
};

struct dp {
	/* Read by workers. */
	struct dp_ct *_Atomic ct; /* connections; NULL: nobody asked yet */
	_Atomic(struct dp_view *) view;
	struct dp_fdb *fdb;
	struct dp_worker
		*_Atomic by_rank[DP_MAX_WORKERS]; /* changed only while all workers are paused */
	_Atomic uint16_t n_ranks;
	_Atomic uint32_t max_sleep_us;
	dp_capture_fn capture;
	struct rte_rcu_qsbr *rcu;
	uint64_t tsc_hz;
	_Atomic(struct dp_meters *) meters; /* with the first; meter.c */
	/* Fragments that may wait (frag.h), in all and of a tenant, and how long. */
	_Atomic uint32_t frag_limit, frag_tenant_limit, frag_ticks;
	uint64_t frag_secret[5];
	uint64_t flowrec_secret[6];
	uint8_t probe_key[16 + 5]; /* random; the last five are the probes' address */
	_Atomic uint32_t probe_age;
	_Atomic uint32_t probe_from[DP_MAX_PORTS]; /* by whom what came in was sent, + 1; 0: none */

	/* The control thread's. */
	struct dp_opts opts;
	struct dp_worker *workers[DP_MAX_WORKERS];
	_Atomic unsigned n_workers; /* written by the control thread */
	struct dp_pool_entry pools[DP_MAX_POOLS];
	unsigned n_pools;
	struct dp_placed *placed;
	unsigned n_placed, max_placed;
	uint32_t last_port_serial;
	uint64_t list_serial; /* of the last dp_rxq_list made */
	bool rebalance;
	LIST_HEAD(, dp_vmq) vmqs;  /* vmq.c */
	struct dp_shaper *shapers; /* all there are (shape_conf.c) */
	uint32_t last_shaper;
	uint64_t last_balance_ns, last_age_ns;
	struct dp_count *totals[DP_MAX_PORTS];
	struct dp_domain_count *domain_totals;
	struct dp_count total;
	uint64_t handed, taken;
	uint32_t flips;

	/* The flow engine's (pipeline.c). */
	struct dp_pipeline *pipelines[DP_MAX_PIPELINES];
	uint64_t pipeline_version; /* above all that workers may have seen */
	uint64_t last_pipeline_id;
	unsigned n_pipelines, n_counter_chunks;
	bool has_acls; /* some port had access lists: workers can ask them */
	uint32_t *free_counters, n_free_counters;
	/* trace.c's own, kept from the first trace on: to make it takes milliseconds. */
	struct dp_flow *trace_flow;
	struct dp_flow_counter *trace_counters;
	struct dp_flow_counter **counters_gone; /* [chunk]: of workers that were removed */

	struct dp_notice_queue *notice_queues;
	_Atomic uint64_t *notice_limits; /* [port][drop]; with the first worker */

	/* Guards' bindings; with the first guard. */
	struct dp_guard_book *_Atomic guard_book;

	int watch_fd; /* epoll (watch.c) */
	bool watching;
	struct dp_watch *watches_gone;

	/* Frames for controllers (punt.c). */
	int punt_fd;
	_Atomic bool punt_bell;		/* the control thread wants to be told of the next one */
	_Atomic uint64_t punt_interval; /* cycles from one of a port to the next */
	_Atomic uint64_t punt_rest_at[DP_MAX_PORTS]; /* when a port has its whole burst again */
	struct dp_punt_queue *punt_queues;

	/* Flow records (flowrec.h). */
	struct dp_flowrec_set *flowrec_sets;
	struct dp_sampler *samplers;
};

/* worker.c */
int dp_worker_start(struct dp *dp, unsigned cpu, struct dp_worker **ret, struct err *err);
void dp_worker_stop(struct dp_worker *w);
/* All workers stand still between these two; frames stay where they are.  Tens of microseconds. */
void dp_pause(struct dp *dp);
void dp_resume(struct dp *dp);

/* inject.c */
void dp_inject_worker_gone(struct dp_worker *w);

/* dp.c */
uint32_t dp_port_next_serial(struct dp *dp);

/* count.c */
int dp_count_alloc_port(struct dp *dp, uint16_t port_id);
void dp_count_free_worker(struct dp *dp, struct dp_worker *w);
int dp_count_alloc_worker(struct dp *dp, struct dp_worker *w);
void dp_count_fini(struct dp *dp);

/* place.c */
int dp_place_add(struct dp *dp, struct dp_port *port);
void dp_place_remove(struct dp *dp, const struct dp_port *port);
/* Room for so many queues more.  0 or -ENOMEM. */
int dp_place_reserve(struct dp *dp, unsigned n);
/* One queue, for which there is room.  A ring begins with the worker that receives for it. */
void dp_place_queue(struct dp *dp, struct dp_rxq *q);
void dp_place_remove_queue(struct dp *dp, const struct dp_rxq *q);
/* To that worker, or to none (NULL). */
void dp_place_move(struct dp *dp, const struct dp_rxq *q, struct dp_worker *to);
/* NULL: it has no place. */
const struct dp_placed *dp_place_find(const struct dp *dp, const struct dp_rxq *q);
/* The worker that receives most for a port's rings; NULL: none. */
struct dp_worker *dp_place_home(const struct dp *dp, const struct dp_port *port);
void dp_place_worker_added(struct dp *dp);
void dp_place_worker_leaving(struct dp *dp, struct dp_worker *w);
void dp_place_tick(struct dp *dp, uint64_t now_ns);
void dp_place_fini(struct dp *dp);

/* fdb.c */
int dp_fdb_create(uint32_t limit, uint32_t age_s, struct dp_fdb **ret_fdb);
void dp_fdb_destroy(struct dp_fdb *fdb);
/* Grows the table if it asked for it, ages.  'synchronize' waits for readers of the old table. */
void dp_fdb_tick(struct dp_fdb *fdb, uint64_t now_ns, void (*synchronize)(void *arg), void *arg);

__attribute__((format(printf, 3, 4))) void dp_event_send(struct dp *dp, struct dp_event *event,
							 const char *fmt, ...);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The dataplane: workers, ports, the forwarding database, and the view that says how they fit.
 * Policy comes from above as a view (view.h) and by callback; nothing here knows a configuration.
 *
 * Threads: every function here belongs to the control thread, unless it says otherwise.
 */
#ifndef DATAPLANE_DP_H
#define DATAPLANE_DP_H

#include "ctl/base/err.h"
#include "dataplane/counter.h"
#include "dataplane/port.h"

#include <stdbool.h>
#include <stdint.h>

struct dp;
struct dp_fdb;
struct dp_view;
struct dp_worker;
struct dp_capture_point;

/* Where a capture sees a frame. */
enum dp_stage { DP_STAGE_INGRESS, DP_STAGE_EGRESS, DP_STAGE_DROP };

/* Called on the worker for a port whose capture point is set.  Frames are borrowed and must not be
 * changed.  'reason' is an enum dp_drop for DP_STAGE_DROP. */
typedef void (*dp_capture_fn)(struct dp_capture_point *point, unsigned worker, enum dp_stage stage,
			      enum dp_drop reason, struct rte_mbuf *const *pkts, uint16_t n);

/* Something that the dataplane noticed, for the event log. */
enum dp_event_type {
	DP_EVENT_LINK,	      /* port, text */
	DP_EVENT_QUEUE_MOVED, /* port, queue, from and to worker, text says why */
	DP_EVENT_MAC_MOVED,   /* mac, domain, vlan, from and to port */
	DP_EVENT_MAC_LIMIT,   /* a port, tenant or the table is full */
	DP_EVENT_LOOP,	      /* loop guard acted on a port */
	DP_EVENT_WORKER,      /* a worker started or stopped */
};
struct dp_event {
	enum dp_event_type type;
	uint16_t port, other_port, queue, domain, vlan;
	struct rte_ether_addr mac;
	char text[200];
};

struct dp_opts {
	uint32_t n_mbufs;      /* in the shared pool; 0: 32768 */
	uint32_t fdb_size;     /* learned and static addresses; 0: 1 Mi */
	uint32_t mac_age_s;    /* 0: 300 */
	uint32_t max_sleep_us; /* longest sleep of an idle worker on queues that must be polled; 0:
				  never sleep */
	dp_capture_fn capture; /* may be NULL */
	void (*event)(void *ctx, const struct dp_event *event); /* may be NULL */
	void *ctx;
};

/* EAL, once a process.  'argv' are extra EAL arguments.  Asks the kernel for huge pages ('huge_mb',
 * 0: what the pools need); when it does not grant them, runs with --no-huge and says so in
 * 'ret_note' (size bytes). */
int dp_eal_init(unsigned control_cpu, bool no_huge, unsigned huge_mb, int argc, char *const argv[],
		char *ret_note, size_t note_size, struct err *err);
void dp_eal_fini(void);

int dp_create(const struct dp_opts *opts, struct dp **ret_dp, struct err *err);
void dp_destroy(struct dp *dp);

/* The packet pool that drivers receive into: data room for 'frame' bytes in one segment if
 * 'single', else 2 KB segments to chain.  Shared, never freed before the dp; NULL when it cannot be
 * had.  Drivers, in open(). */
struct rte_mempool *dp_pool(struct dp *dp, uint32_t frame, bool single);
/* Buffers of all such pools, and how many of them somebody holds: frames on their way, and what
 * drivers keep ready.  Control thread. */
void dp_pool_usage(const struct dp *dp, uint64_t *ret_n, uint64_t *ret_in_use);

/* Workers, one per core, added and removed while traffic flows. */
int dp_worker_add(struct dp *dp, unsigned cpu, struct err *err);
int dp_worker_remove(struct dp *dp, unsigned cpu, struct err *err);
/* Would the kernel let a worker run there?  0 if so; nothing stays. */
int dp_worker_probe(unsigned cpu, struct err *err);
unsigned dp_n_workers(const struct dp *dp);
void dp_set_max_sleep(struct dp *dp, uint32_t us);
/* Fragments that wait for their packets (frag.h): buffers in all and of a tenant on a switch, and
 * seconds.  Each worker has its part of them, which is that of one packet at least. */
void dp_set_fragments(struct dp *dp, uint32_t limit, uint32_t tenant_limit, uint32_t timeout_s);
void dp_set_rebalance(struct dp *dp, bool on);

/* Publishes 'view' (takes it), moves queues of ports that came to workers and of ports that left
 * off them, waits for a grace period and destroys the old view.  After it, ports that left may be
 * closed. */
int dp_view_publish(struct dp *dp, struct dp_view *view, struct err *err);
const struct dp_view *dp_view(const struct dp *dp);

/* Waits until no worker can hold anything it read before.  Microseconds. */
void dp_synchronize(struct dp *dp);

/* About ten times a second: links, queue placement, ageing, loop guard, events. */
void dp_tick(struct dp *dp);

/* Asks ports whether they have a link, as dp_tick() does; for who knows that one changed. */
void dp_links_look(struct dp *dp);
void dp_link_look(struct dp *dp, uint16_t port_id);

/* Hangs a capture point on a port or takes it off (NULL); after it returns no worker uses the old
 * one. */
void dp_port_set_capture(struct dp *dp, uint16_t port_id, struct dp_capture_point *point);

/* Brings the totals up to date: an exact snapshot of every worker.  Then dp_port_count() and the
 * others read it. */
void dp_count_refresh(struct dp *dp);
/* Since the port was attached; zeros for no such port.  Borrowed until the next refresh. */
const struct dp_count *dp_port_count(const struct dp *dp, uint16_t port_id);
const struct dp_domain_count *dp_domain_count(const struct dp *dp, uint16_t domain);
/* Everything, ports gone included. */
const struct dp_count *dp_total_count(const struct dp *dp);
/* Frames handed from one worker to another and not yet taken. */
int64_t dp_in_flight(const struct dp *dp);
/* A port id that may be used again starts from zero; call when the port is gone. */
void dp_port_count_reset(struct dp *dp, uint16_t port_id);
void dp_domain_count_reset(struct dp *dp, uint16_t domain);

struct dp_worker_info {
	unsigned cpu, index;
	uint16_t n_queues;
	double busy;   /* share of the last second spent on frames, 0..1 */
	double asleep; /* share spent sleeping */
	uint64_t packets, wakeups, loops;
	double cycles_per_packet;
};
unsigned dp_worker_info(struct dp *dp, struct dp_worker_info *ret, unsigned max);

struct dp_queue_info {
	uint16_t port, queue;
	int cpu;     /* of its worker; -1: none yet */
	double load; /* share of its worker over the last second */
	uint64_t packets, bytes;
};
unsigned dp_queue_info(struct dp *dp, struct dp_queue_info *ret, unsigned max);

struct dp_fdb *dp_fdb(struct dp *dp);

#endif

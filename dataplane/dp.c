/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The dataplane as a whole: life, workers, publishing a view, the tick.  Control thread.
 */
#include "dataplane/dp_priv.h"

#include "dataplane/acl.h"
#include "dataplane/flow.h"
#include "dataplane/meter.h"
#include "dataplane/queue.h"

#include "ctl/base/clock.h"
#include "dataplane/fdb_priv.h"
#include "dataplane/frag.h"
#include "dataplane/guard_book.h"
#include "dataplane/inject.h"
#include "dataplane/mirror.h"
#include "dataplane/notice_priv.h"
#include "dataplane/punt_priv.h"
#include "dataplane/shape.h"
#include "dataplane/stages.h"
#include "dataplane/vmq.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>

#define DEFAULT_MBUFS 32768u
#define DEFAULT_FDB   (1u << 20)
#define DEFAULT_AGE_S 300u
#define POOL_CACHE    256u
#define JUMBO_MBUFS   4096u

void dp_event_send(struct dp *dp, struct dp_event *event, const char *fmt, ...)
{
	va_list ap;

	if (dp->opts.event == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(event->text, sizeof(event->text), fmt, ap);
	va_end(ap);
	dp->opts.event(dp->opts.ctx, event);
}

static struct rte_mempool *pool_create(struct dp *dp, uint32_t data_room, uint32_t n)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;

	if (dp->n_pools == DP_MAX_POOLS)
		return NULL;
	snprintf(name, sizeof(name), "pool-%p-%u", (void *)dp, dp->n_pools);
	pool = rte_pktmbuf_pool_create(name, n, POOL_CACHE, 0, (uint16_t)data_room, SOCKET_ID_ANY);
	if (pool != NULL)
		dp->pools[dp->n_pools++] = (struct dp_pool_entry){pool, data_room};
	return pool;
}

struct rte_mempool *dp_pool(struct dp *dp, uint32_t frame, bool single)
{
	/* Two tags and a CRC more than the frame; drivers want whole kilobytes. */
	uint32_t room = RTE_ALIGN_CEIL(frame + 16, 1024) + RTE_PKTMBUF_HEADROOM;

	if (!single || room <= dp->pools[0].data_room)
		return dp->pools[0].pool;
	for (unsigned i = 1; i < dp->n_pools; i++)
		if (dp->pools[i].data_room >= room)
			return dp->pools[i].pool;
	return room > UINT16_MAX ? NULL : pool_create(dp, room, JUMBO_MBUFS);
}

static int rcu_create(struct dp *dp)
{
	size_t size = rte_rcu_qsbr_get_memsize(DP_MAX_WORKERS);

	dp->rcu = aligned_alloc(64, (size + 63) / 64 * 64);
	if (dp->rcu == NULL)
		return -ENOMEM;
	return rte_rcu_qsbr_init(dp->rcu, DP_MAX_WORKERS) == 0 ? 0 : -EINVAL;
}

static void view_free(struct dp_view *view)
{
	free(view);
}

static int create(struct dp *dp, const struct dp_opts *opts)
{
	struct dp_view *empty = calloc(1, sizeof(*empty));

	dp->opts = *opts;
	dp->capture = opts->capture;
	dp->tsc_hz = rte_get_tsc_hz();
	dp->rebalance = true;
	atomic_store(&dp->max_sleep_us, opts->max_sleep_us);
	atomic_store(&dp->view, empty);
	dp->domain_totals = calloc(DP_MAX_DOMAINS, sizeof(*dp->domain_totals));
	dp->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (empty == NULL || dp->domain_totals == NULL || dp->watch_fd < 0 || rcu_create(dp) != 0 ||
	    dp_punt_init(dp) != 0)
		return -ENOMEM;
	empty->destroy = view_free;
	if (pool_create(dp, RTE_MBUF_DEFAULT_BUF_SIZE,
			opts->n_mbufs != 0 ? opts->n_mbufs : DEFAULT_MBUFS) == NULL)
		return -ENOBUFS;
	return dp_fdb_create(opts->fdb_size != 0 ? opts->fdb_size : DEFAULT_FDB,
			     opts->mac_age_s != 0 ? opts->mac_age_s : DEFAULT_AGE_S, &dp->fdb);
}

int dp_create(const struct dp_opts *opts, struct dp **ret_dp, struct err *err)
{
	struct dp *dp = aligned_alloc(64, (sizeof(*dp) + 63) / 64 * 64);
	int rc;

	if (dp == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for the dataplane");
	memset(dp, 0, sizeof(*dp));
	dp->punt_fd = -1;
	dp->watch_fd = -1;
	dp_set_fragments(dp, DP_FRAG_LIMIT, DP_FRAG_TENANT_LIMIT, DP_FRAG_TIMEOUT_S);
	if (getrandom(dp->frag_secret, sizeof(dp->frag_secret), 0) != sizeof(dp->frag_secret) ||
	    getrandom(dp->flowrec_secret, sizeof(dp->flowrec_secret), 0) !=
		    sizeof(dp->flowrec_secret) ||
	    getrandom(dp->probe_key, sizeof(dp->probe_key), 0) != sizeof(dp->probe_key)) {
		free(dp);
		return err_set(err, -EIO, "random", "the kernel gives no random numbers");
	}
	if (dp_queue_init() != 0 || dp_acl_init() != 0) {
		free(dp);
		return err_set(err, -EBUSY, "mbuf-flag",
			       "bit %u of packet buffers' flags is somebody else's", DP_QUEUE_BIT);
	}
	if (dp_mirror_init() != 0) {
		free(dp);
		return err_set(err, -EBUSY, "mbuf-flag",
			       "what mirrors use of packet buffers is somebody else's");
	}
	rc = create(dp, opts);
	if (rc != 0) {
		err_set(err, rc, "no-memory", "cannot make the packet buffers: %s",
			rte_strerror(rte_errno));
		err_why(err, "%u buffers of 2.4 KB each are wanted",
			opts->n_mbufs != 0 ? opts->n_mbufs : DEFAULT_MBUFS);
		err_fix(err, "start vswitchd with --mbufs N smaller, or with more huge pages");
		dp_destroy(dp);
		return rc;
	}
	*ret_dp = dp;
	return 0;
}

void dp_destroy(struct dp *dp)
{
	struct dp_view *view;

	if (dp == NULL)
		return;
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			dp_worker_stop(dp->workers[i]);
	dp_vmq_fini(dp);
	view = atomic_load(&dp->view);
	if (view != NULL)
		view->destroy(view);
	dp_place_fini(dp);
	dp_count_fini(dp);
	dp_fdb_destroy(dp->fdb);
	dp_flow_fini(dp);
	dp_punt_fini(dp);
	dp_notice_fini(dp);
	dp_guard_book_destroy(atomic_load(&dp->guard_book));
	dp_meters_fini(dp);
	if (dp->watch_fd >= 0)
		close(dp->watch_fd);
	for (unsigned i = 0; i < dp->n_pools; i++)
		rte_mempool_free(dp->pools[i].pool);
	free(dp->rcu);
	free(dp);
}

void dp_pool_usage(const struct dp *dp, uint64_t *ret_n, uint64_t *ret_in_use)
{
	*ret_n = *ret_in_use = 0;
	for (unsigned i = 0; i < dp->n_pools; i++) {
		*ret_n += dp->pools[i].pool->size;
		*ret_in_use += rte_mempool_in_use_count(dp->pools[i].pool);
	}
}

void dp_synchronize(struct dp *dp)
{
	uint64_t token = rte_rcu_qsbr_start(dp->rcu);

	/* A worker may share our core: yield rather than spin. */
	while (rte_rcu_qsbr_check(dp->rcu, token, false) == 0)
		sched_yield();
}

/* Numbers the workers 0..n-1: who has which transmit queue.  Nobody may be inside a burst
 * meanwhile. */
static void rank_all(struct dp *dp, const struct dp_worker *leaving)
{
	uint16_t rank = 0;

	dp_pause(dp);
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];

		if (w == NULL || w == leaving)
			continue;
		atomic_store(&w->rank, rank);
		atomic_store(&dp->by_rank[rank++], w);
	}
	/* Above: a rank that nobody has leads to the worker below it. */
	for (unsigned i = rank; i < DP_MAX_WORKERS; i++)
		atomic_store(&dp->by_rank[i],
			     rank != 0 ? atomic_load(&dp->by_rank[i % rank]) : NULL);
	if (leaving != NULL)
		atomic_store(&dp->workers[leaving->index]->rank, UINT16_MAX - 1);
	atomic_store(&dp->n_ranks, rank);
	dp_shapers_rank(dp);
	dp_resume(dp);
}

static struct dp_worker *worker_on(const struct dp *dp, unsigned cpu)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL && dp->workers[i]->cpu == cpu)
			return dp->workers[i];
	return NULL;
}

int dp_worker_add(struct dp *dp, unsigned cpu, struct err *err)
{
	struct dp_event event = {.type = DP_EVENT_WORKER, .port = DP_NO_PORT};
	struct dp_worker *w;
	int rc;

	if (worker_on(dp, cpu) != NULL)
		return err_set(err, -EEXIST, "core-exists", "core %u has a worker already", cpu);
	if (dp->n_workers == DP_MAX_WORKERS)
		return err_set(err, -ENOSPC, "core-limit", "there are %u workers already",
			       DP_MAX_WORKERS);
	rc = dp_worker_start(dp, cpu, &w, err);
	if (rc != 0)
		return rc;
	dp->workers[w->index] = w;
	dp->n_workers++;
	rank_all(dp, NULL);
	dp_place_worker_added(dp);
	dp_event_send(dp, &event, "worker started on core %u", cpu);
	return 0;
}

int dp_worker_remove(struct dp *dp, unsigned cpu, struct err *err)
{
	struct dp_event event = {.type = DP_EVENT_WORKER, .port = DP_NO_PORT};
	struct dp_worker *w = worker_on(dp, cpu);

	if (w == NULL)
		return err_set(err, -ENOENT, "core-unknown", "core %u has no worker", cpu);
	dp_inject_wait(dp);
	dp_place_worker_leaving(dp, w);
	rank_all(dp, w);
	dp->workers[w->index] = NULL;
	dp->n_workers--;
	dp_worker_stop(w);
	dp_event_send(dp, &event, "worker on core %u stopped", cpu);
	return 0;
}

unsigned dp_n_workers(const struct dp *dp)
{
	return atomic_load_explicit(&dp->n_workers, memory_order_relaxed);
}

void dp_set_max_sleep(struct dp *dp, uint32_t us)
{
	atomic_store(&dp->max_sleep_us, us);
}

void dp_set_fragments(struct dp *dp, uint32_t limit, uint32_t tenant_limit, uint32_t timeout_s)
{
	atomic_store(&dp->frag_limit, limit);
	atomic_store(&dp->frag_tenant_limit, tenant_limit);
	atomic_store(&dp->frag_ticks, timeout_s * (1000 / DP_FRAG_TICK_MS));
}

uint32_t dp_port_next_serial(struct dp *dp)
{
	return ++dp->last_port_serial;
}

void dp_set_rebalance(struct dp *dp, bool on)
{
	dp->rebalance = on;
}

static struct dp_port *port_in(const struct dp_view *view, uint16_t id)
{
	return id < DP_MAX_PORTS && view->vports[id] != NULL ? view->vports[id]->port : NULL;
}

static bool has_port(const struct dp_view *view, const struct dp_port *port)
{
	return port_in(view, port->id) == port;
}

int dp_view_publish(struct dp *dp, struct dp_view *view, struct err *err)
{
	struct dp_view *old = atomic_load(&dp->view);
	int rc = 0;

	/* The second bound always holds; GCC 14 wants to hear it. */
	for (uint16_t id = 0; id < view->n_vports && id < DP_MAX_PORTS; id++) {
		struct dp_port *port = port_in(view, id);

		if (view->vports[id] != NULL && dp_count_alloc_port(dp, id) != 0) {
			view->destroy(view);
			return err_set(err, -ENOMEM, "no-memory",
				       "no memory for the counters of port %u", id);
		}
		if (view->vports[id] != NULL)
			dp_stages_of(view->vports[id]);
		if (port != NULL)
			port->id = id;
	}
	for (uint16_t id = 0; id < old->n_vports; id++) {
		struct dp_port *port = port_in(old, id);

		if (port != NULL && !has_port(view, port)) {
			dp_place_remove(dp, port);
			dp_vmq_port_gone(dp, port);
		}
	}
	dp_shapers_place(dp, view);
	atomic_store_explicit(&dp->view, view, memory_order_release);
	dp_synchronize(dp);
	for (uint16_t id = 0; id < view->n_vports && rc == 0; id++) {
		struct dp_port *port = port_in(view, id);

		if (port != NULL && !has_port(old, port))
			rc = dp_place_add(dp, port);
	}
	old->destroy(old);
	return rc;
}

const struct dp_view *dp_view(const struct dp *dp)
{
	return atomic_load(&dp->view);
}

struct dp_fdb *dp_fdb(struct dp *dp)
{
	return dp->fdb;
}

void dp_port_set_capture(struct dp *dp, uint16_t port_id, struct dp_capture_point *point)
{
	struct dp_port *port = port_in(atomic_load(&dp->view), port_id);

	if (port == NULL)
		return;
	atomic_store_explicit(&port->capture, point, memory_order_release);
	dp_synchronize(dp);
}

void dp_link_look(struct dp *dp, uint16_t port_id)
{
	struct dp_port *port = port_in(atomic_load(&dp->view), port_id);
	struct dp_event event = {.type = DP_EVENT_LINK, .port = port_id};
	struct dp_link link = {0};

	if (port == NULL || port->ops->link == NULL)
		return;
	port->ops->link(port, &link);
	if (link.up == port->link_told)
		return;
	port->link_told = link.up;
	atomic_store(&port->link_up, link.up);
	dp_event_send(dp, &event, "%s link %s%s%s", port->name, link.up ? "up" : "down",
		      link.reason[0] != '\0' ? ": " : "", link.reason);
}

void dp_links_look(struct dp *dp)
{
	const struct dp_view *view = atomic_load(&dp->view);

	for (uint16_t id = 0; id < view->n_vports; id++)
		dp_link_look(dp, id);
}

static void tick_fdb_events(struct dp *dp)
{
	struct dp_fdb *fdb = dp->fdb;
	uint32_t tail = atomic_load(&fdb->events_tail);

	for (; tail != atomic_load_explicit(&fdb->events_head, memory_order_acquire); tail++) {
		const struct dp_fdb_event *e = &fdb->events[tail % DP_FDB_EVENTS];
		struct dp_event event = {.type = e->limit ? DP_EVENT_MAC_LIMIT : DP_EVENT_MAC_MOVED,
					 .port = e->to,
					 .other_port = e->from,
					 .domain = e->domain,
					 .vlan = e->vlan};

		memcpy(event.mac.addr_bytes, &e->mac, sizeof(event.mac.addr_bytes));
		dp_event_send(dp, &event, "%s",
			      e->limit ? "address not learned: a limit is reached"
				       : "address moved");
	}
	atomic_store_explicit(&fdb->events_tail, tail, memory_order_release);
}

static void synchronize_cb(void *arg)
{
	dp_synchronize(arg);
}

/* With the part of a sleep that goes on: an idle worker sleeps for longer than a measurement takes.
 */
static uint64_t slept(struct dp_worker *w, uint64_t now)
{
	uint64_t done = atomic_load(&w->sleep_cycles);
	uint64_t start = atomic_load(&w->sleep_start);

	return done + (start != 0 && start < now ? now - start : 0);
}

static void measure_workers(struct dp *dp)
{
	uint64_t now = rte_rdtsc();

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];
		uint64_t busy, sleep, packets, span;

		if (w == NULL || now - w->seen_tsc < dp->tsc_hz / 2)
			continue;
		busy = atomic_load(&w->busy_cycles);
		/* Never back: the worker may wake up between our two looks at it. */
		sleep = RTE_MAX(slept(w, now), w->seen_sleep);
		packets = atomic_load(&w->packets);
		span = now - w->seen_tsc;
		w->busy = (double)(busy - w->seen_busy) / (double)span;
		w->sleeping = (double)(sleep - w->seen_sleep) / (double)span;
		w->cycles_per_packet = packets == w->seen_packets
					       ? 0
					       : (double)(busy - w->seen_busy) /
							 (double)(packets - w->seen_packets);
		w->seen_busy = busy;
		w->seen_sleep = sleep;
		w->seen_packets = packets;
		w->seen_tsc = now;
	}
}

void dp_tick(struct dp *dp)
{
	uint64_t now_ns = clock_mono_ns();

	dp_links_look(dp);
	tick_fdb_events(dp);
	dp_fdb_tick(dp->fdb, now_ns, synchronize_cb, dp);
	dp_flow_tick(dp);
	dp_place_tick(dp, now_ns);
	measure_workers(dp);
}

unsigned dp_worker_info(struct dp *dp, struct dp_worker_info *ret, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DP_MAX_WORKERS && n < max; i++) {
		struct dp_worker *w = dp->workers[i];

		if (w == NULL)
			continue;
		ret[n++] = (struct dp_worker_info){
			.cpu = w->cpu,
			.index = w->index,
			.n_queues = atomic_load(&w->rxqs)->n,
			.busy = w->busy > 1 ? 1 : w->busy,
			.asleep = w->sleeping > 1 ? 1 : w->sleeping,
			.packets = atomic_load(&w->packets),
			.wakeups = atomic_load(&w->wakeups),
			.loops = atomic_load(&w->loops),
			.cycles_per_packet = w->cycles_per_packet,
		};
	}
	return n;
}

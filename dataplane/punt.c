/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See punt.h.
 *
 * The limit of a port is one word that its workers share: the time at which the port is back at
 * rest.  A frame moves it on by one interval, and is refused when it is further ahead than a burst.
 *
 * The doorbell: the control thread, having found all queues empty, asks to be told; the first
 * worker that then puts something into its queue rings.  Each looks at what the other wrote after
 * it wrote its own, so at least one of them sees it.
 */
#include "dataplane/punt_priv.h"

#include "dataplane/flow.h"
#include "dataplane/meter_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_SIZE  (1u << 20)
#define BURST_LEAST 8u
#define TURN	    8u /* frames of one worker before another has its turn */

struct record {
	struct dp_step_controller what;
	uint64_t pipeline;
	uint16_t port, unused[3];
};

/* ---- Workers ---- */

static bool within_limit(struct dp_worker *w, uint16_t port, const struct dp_pipeline *pl)
{
	_Atomic uint64_t *rest_at = &w->dp->punt_rest_at[port];
	uint64_t interval = atomic_load_explicit(&pl->punt_interval, memory_order_relaxed);
	uint64_t burst = atomic_load_explicit(&pl->punt_burst, memory_order_relaxed);
	uint64_t old = atomic_load_explicit(rest_at, memory_order_relaxed), next;

	if (interval == 0) {
		interval = atomic_load_explicit(&w->dp->punt_interval, memory_order_relaxed);
		burst = DP_PUNT_BURST;
	}
	do {
		uint64_t now = w->burst_tsc;

		if (old > now && old - now > interval * (burst - 1))
			return false;
		next = (old > now ? old : now) + interval;
	} while (!atomic_compare_exchange_weak_explicit(rest_at, &old, next, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

/* The switch's meter for what goes to controllers. */
static bool within_meter(struct dp_worker *w, const struct dp_pipeline *pl, uint32_t size)
{
	struct dp_meter *meter =
		dp_meter_at(w->dp, atomic_load_explicit(&pl->punt_meter, memory_order_relaxed));
	int over;

	if (meter == NULL)
		return true;
	dp_flow_count(w->flow, meter->spec.counter, 1, size);
	over = dp_meter_run(meter, w->index, w->burst_tsc, size);
	if (over >= 0)
		dp_flow_count(w->flow, meter->spec.bands[over].counter, 1, size);
	return over < 0;
}

static void ring(struct dp *dp)
{
	uint64_t one = 1;
	ssize_t n;

	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&dp->punt_bell, memory_order_relaxed) ||
	    !atomic_exchange(&dp->punt_bell, false))
		return;
	n = write(dp->punt_fd, &one, sizeof(one));
	(void)n; /* A full counter is readable already. */
}

static uint8_t *copy_bytes(uint8_t *to, const struct rte_mbuf *m, uint32_t from)
{
	for (; m != NULL; m = m->next) {
		if (from < m->data_len) {
			memcpy(to, rte_pktmbuf_mtod_offset(m, const char *, from),
			       m->data_len - from);
			to += m->data_len - from;
			from = 0;
		} else {
			from -= m->data_len;
		}
	}
	return to;
}

/* The tenant's tag on a shared uplink was taken off on the way in. */
static uint32_t wire_tag(const struct dp_vport *in, const struct dp_edge_frame *f, uint8_t tag[4])
{
	uint16_t vid;

	if (in->wire == NULL || f->domain == in->domain || f->m->data_len < 12)
		return 0;
	vid = in->wire->vlan_of_domain[f->domain];
	if (vid == DP_NO_VLAN)
		return 0;
	memcpy(tag, &in->tpid_out, 2); /* big-endian */
	tag[2] = (uint8_t)(vid >> 8);
	tag[3] = (uint8_t)vid;
	return 4;
}

enum dp_drop dp_punt_put(struct dp_worker *w, const struct dp_vport *in,
			 const struct dp_edge_frame *f, const struct dp_step_controller *what)
{
	struct dp_records *queue;
	uint32_t size = f->m->pkt_len;
	struct record *r;
	uint8_t tag[4], *to;
	uint32_t tag_size = wire_tag(in, f, tag);

	/* A trace tells nobody, and has no queue. */
	if (w->trace != NULL)
		return DP_N_DROPS;
	queue = &w->flow->punts->records;
	if (!within_limit(w, in->id, in->pipeline))
		return DP_DROP_CONTROLLER_LIMIT;
	if (!within_meter(w, in->pipeline, size))
		return DP_DROP_CONTROLLER_METER;
	r = dp_records_reserve(queue, (uint32_t)sizeof(*r) + tag_size + size);
	if (r == NULL)
		return DP_DROP_CONTROLLER_FULL;
	*r = (struct record){.what = *what,
			     .pipeline = dp_pipeline_id(in->pipeline),
			     .port = in->port != NULL ? in->id : DP_NO_PORT};
	r->what.in_port = in->of_port;
	to = (uint8_t *)(r + 1);
	if (tag_size != 0) {
		memcpy(to, rte_pktmbuf_mtod(f->m, const char *), 12);
		memcpy(to + 12, tag, tag_size);
		to += 12 + tag_size;
	}
	copy_bytes(to, f->m, tag_size != 0 ? 12 : 0);
	dp_records_commit(queue);
	ring(w->dp);
	return DP_N_DROPS;
}

/* ---- Control thread ---- */

struct dp_punt_queue *dp_punt_queue_create(struct dp *dp)
{
	size_t size = (sizeof(struct dp_punt_queue) + 63) / 64 * 64;
	struct dp_punt_queue *queue = aligned_alloc(64, size);

	if (queue == NULL || dp_records_init(&queue->records, QUEUE_SIZE) != 0) {
		free(queue);
		return NULL;
	}
	queue->gone = false;
	queue->next = dp->punt_queues;
	dp->punt_queues = queue;
	return queue;
}

void dp_punt_queue_leave(struct dp_punt_queue *queue)
{
	if (queue != NULL)
		queue->gone = true;
}

/* Those of workers that are gone and have nothing left. */
static void free_left(struct dp *dp, bool all)
{
	for (struct dp_punt_queue **at = &dp->punt_queues; *at != NULL;) {
		struct dp_punt_queue *queue = *at;

		if (!all && (!queue->gone || !dp_records_is_empty(&queue->records))) {
			at = &queue->next;
			continue;
		}
		*at = queue->next;
		dp_records_fini(&queue->records);
		free(queue);
	}
}

int dp_punt_init(struct dp *dp)
{
	dp->punt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	dp_punt_set_rate(dp, DP_PUNT_RATE);
	atomic_store(&dp->punt_bell, true);
	return dp->punt_fd < 0 ? -errno : 0;
}

void dp_punt_fini(struct dp *dp)
{
	free_left(dp, true);
	if (dp->punt_fd >= 0)
		close(dp->punt_fd);
}

int dp_punt_fd(const struct dp *dp)
{
	return dp->punt_fd;
}

/* What was used up at the old rate counts no more: at a low one that was minutes. */
static void forget_used(struct dp *dp)
{
	for (unsigned i = 0; i < DP_MAX_PORTS; i++)
		atomic_store_explicit(&dp->punt_rest_at[i], 0, memory_order_relaxed);
}

void dp_punt_set_rate(struct dp *dp, uint32_t pps)
{
	atomic_store(&dp->punt_interval, dp->tsc_hz / (pps != 0 ? pps : 1));
	forget_used(dp);
}

void dp_pipeline_limit_punts(struct dp *dp, struct dp_pipeline *pipeline, uint32_t pps)
{
	uint64_t interval = pps != 0 ? dp->tsc_hz / pps : 0;
	uint32_t burst = pps / 10 < BURST_LEAST ? BURST_LEAST : pps / 10;

	if (interval == atomic_load_explicit(&pipeline->punt_interval, memory_order_relaxed))
		return;
	atomic_store_explicit(&pipeline->punt_burst, burst < DP_PUNT_BURST ? burst : DP_PUNT_BURST,
			      memory_order_relaxed);
	atomic_store_explicit(&pipeline->punt_interval, interval, memory_order_relaxed);
	forget_used(dp);
}

static unsigned take_turn(struct dp_records *queue, unsigned max, dp_punt_fn fn, void *arg)
{
	const struct record *r;
	unsigned n = 0;
	uint32_t size;

	for (; n < max && (r = dp_records_front(queue, &size)) != NULL; n++) {
		const struct dp_punt punt = {.what = r->what,
					     .pipeline = r->pipeline,
					     .port = r->port,
					     .size = size - (uint32_t)sizeof(*r),
					     .data = (const uint8_t *)(r + 1)};

		fn(arg, &punt);
		dp_records_pop(queue);
	}
	return n;
}

static bool all_empty(const struct dp *dp)
{
	for (const struct dp_punt_queue *q = dp->punt_queues; q != NULL; q = q->next)
		if (!dp_records_is_empty(&q->records))
			return false;
	return true;
}

unsigned dp_punt_poll(struct dp *dp, unsigned max, dp_punt_fn fn, void *arg)
{
	unsigned total = 0, before;
	uint64_t count;
	ssize_t got = read(dp->punt_fd, &count, sizeof(count));

	(void)got; /* Nobody rang: then this finds nothing. */
	do {
		before = total;
		for (struct dp_punt_queue *q = dp->punt_queues; q != NULL; q = q->next)
			total += take_turn(&q->records, max - total < TURN ? max - total : TURN, fn,
					   arg);
	} while (total != before && total < max);
	free_left(dp, false);
	atomic_store(&dp->punt_bell, true);
	atomic_thread_fence(memory_order_seq_cst);
	if (!all_empty(dp))
		ring(dp);
	return total;
}

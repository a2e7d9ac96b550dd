/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See queue.h.
 */
#include "dataplane/queue.h"

#include "dataplane/dp_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf_dyn.h>

/* A worker's line of a queue's counters: it alone writes, readers may see it between two words. */
struct tally {
	_Atomic uint64_t packets, bytes;
} __attribute__((aligned(64)));

/* What a queue passes on to the one that takes its place. */
struct tallies {
	unsigned refs;
	struct tally of[DP_MAX_WORKERS];
};

struct dp_queue {
	struct dp_queue_spec spec;
	struct tallies *tallies;
	unsigned refs;
};

int dp_queue_init(void)
{
	static const struct rte_mbuf_dynflag flag = {.name = "vswitch_queue"};

	return rte_mbuf_dynflag_register_bitnum(&flag, DP_QUEUE_BIT) == DP_QUEUE_BIT ? 0 : -EBUSY;
}

/* ---- Life ---- */

static struct tallies *tallies_of(const struct dp_queue *before)
{
	struct tallies *t;

	if (before != NULL) {
		before->tallies->refs++;
		return before->tallies;
	}
	t = aligned_alloc(64, sizeof(*t));
	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->refs = 1;
	return t;
}

struct dp_queue *dp_queue_create(const struct dp_queue_spec *spec, const struct dp_queue *before)
{
	struct dp_queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->spec = *spec;
	q->refs = 1;
	q->tallies = tallies_of(before);
	if (q->tallies == NULL) {
		free(q);
		return NULL;
	}
	return q;
}

struct dp_queue *dp_queue_ref(struct dp_queue *queue)
{
	queue->refs++;
	return queue;
}

void dp_queue_unref(struct dp_queue *queue)
{
	if (queue == NULL || --queue->refs != 0)
		return;
	if (--queue->tallies->refs == 0)
		free(queue->tallies);
	free(queue);
}

const struct dp_queue_spec *dp_queue_spec(const struct dp_queue *queue)
{
	return &queue->spec;
}

void dp_queue_read(const struct dp_queue *queue, struct dp_queue_counts *ret_counts)
{
	struct dp_queue_counts sum = {0};

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		const struct tally *t = &queue->tallies->of[i];

		sum.packets += atomic_load_explicit(&t->packets, memory_order_relaxed);
		sum.bytes += atomic_load_explicit(&t->bytes, memory_order_relaxed);
	}
	*ret_counts = sum;
}

/* ---- Frames ---- */

struct dp_queue *dp_queue_find(const struct dp_port_queues *queues, uint32_t id)
{
	uint16_t low = 0, high = queues != NULL ? queues->n : 0;

	while (low < high) {
		uint16_t mid = (uint16_t)((low + high) / 2);

		if (queues->v[mid]->spec.id == id)
			return queues->v[mid];
		if (queues->v[mid]->spec.id < id)
			low = (uint16_t)(mid + 1);
		else
			high = mid;
	}
	return NULL;
}

static void add(_Atomic uint64_t *word, uint64_t n)
{
	atomic_store_explicit(word, atomic_load_explicit(word, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

void dp_queue_count(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		    uint16_t n)
{
	/* A trace is no packet, and keeps the mark for who looks at it. */
	if (unlikely(w->trace != NULL))
		return;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct dp_queue *q = NULL;

		if ((m->ol_flags & DP_QUEUE_MARK) != 0)
			q = dp_queue_find(vp->queues, m->hash.sched.queue_id);
		m->ol_flags &= ~DP_QUEUE_MARK;
		if (q == NULL)
			continue;
		add(&q->tallies->of[w->index].packets, 1);
		add(&q->tallies->of[w->index].bytes, m->pkt_len);
	}
}

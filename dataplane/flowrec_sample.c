/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Samples: of N frames one, with its head, copied into a queue of its worker (records.h), which the
 * control thread empties.  A frame that is none costs a subtraction for its burst.  See flowrec.h.
 */
#include "dataplane/dp_priv.h"
#include "dataplane/flowrec_priv.h"
#include "dataplane/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#define QUEUE_SIZE (1u << 17) /* some five hundred samples */

struct queue {
	struct dp_records records;
	struct flowrec_chooser chooser;
	_Atomic uint64_t dropped;
} __attribute__((aligned(64)));

struct dp_sampler {
	struct queue *_Atomic queues[DP_MAX_WORKERS];
	_Atomic uint32_t rate, head;
	struct dp *dp;
	struct dp_sampler *next;
	unsigned at_worker;
};

/* ---- Workers ---- */

static uint16_t copy_head(const struct rte_mbuf *m, uint32_t max, uint8_t *to)
{
	uint32_t n = 0;

	for (; m != NULL && n < max; m = m->next) {
		uint32_t part = m->data_len < max - n ? m->data_len : max - n;

		memcpy(to + n, rte_pktmbuf_mtod(m, const char *), part);
		n += part;
	}
	return (uint16_t)n;
}

static void take(struct dp_worker *w, const struct dp_vport *in, struct queue *q, uint32_t head,
		 uint16_t domain, const struct rte_mbuf *m)
{
	struct flowrec_frame f;
	struct dp_sample *s;
	uint32_t size = m->pkt_len < head ? m->pkt_len : head;

	flowrec_frame_read(w, in, m, &f);
	if (domain != DP_NO_DOMAIN && f.domain != domain)
		return;
	s = dp_records_reserve(&q->records, (uint32_t)sizeof(*s) + size);
	if (s == NULL) {
		atomic_store_explicit(&q->dropped, q->dropped + 1, memory_order_relaxed);
		return;
	}
	*s = (struct dp_sample){.port = in->id,
				.domain = f.domain,
				.vlan = (uint16_t)(f.key.w[1] >> 16),
				.frame_size = m->pkt_len};
	s->size = copy_head(m, size, (uint8_t *)(s + 1));
	dp_records_commit(&q->records);
}

void flowrec_samples(struct dp_worker *w, const struct dp_vport *in, struct dp_sampler *sampler,
		     uint16_t domain, struct rte_mbuf **pkts, uint16_t n)
{
	struct queue *q = atomic_load_explicit(&sampler->queues[w->index], memory_order_relaxed);
	uint32_t rate = atomic_load_explicit(&sampler->rate, memory_order_relaxed), bits, head;

	if (unlikely(q == NULL))
		return;
	bits = flowrec_choose(&q->chooser, rate, n);
	if (likely(bits == 0))
		return;
	head = atomic_load_explicit(&sampler->head, memory_order_relaxed);
	for (; bits != 0; bits &= bits - 1)
		take(w, in, q, head, domain, pkts[__builtin_ctz(bits)]);
}

/* ---- Control thread ---- */

static int queue_for(struct dp_sampler *s, unsigned index)
{
	struct queue *q;

	if (atomic_load(&s->queues[index]) != NULL)
		return 0;
	q = aligned_alloc(64, sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	q->chooser.random = flowrec_random_seed();
	if (dp_records_init(&q->records, QUEUE_SIZE) != 0) {
		free(q);
		return -ENOMEM;
	}
	atomic_store(&s->queues[index], q);
	return 0;
}

int dp_samplers_worker_comes(struct dp *dp, unsigned index)
{
	int rc = 0;

	for (struct dp_sampler *s = dp->samplers; rc == 0 && s != NULL; s = s->next)
		rc = queue_for(s, index);
	return rc;
}

static void sampler_free(struct dp_sampler *s)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct queue *q = atomic_load(&s->queues[i]);

		if (q != NULL)
			dp_records_fini(&q->records);
		free(q);
	}
	free(s);
}

int dp_sampler_create(struct dp *dp, uint32_t rate, uint32_t head, struct dp_sampler **ret)
{
	struct dp_sampler *s = calloc(1, sizeof(*s));
	int rc = s != NULL ? 0 : -ENOMEM;

	for (unsigned i = 0; rc == 0 && i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			rc = queue_for(s, i);
	if (rc != 0) {
		if (s != NULL)
			sampler_free(s);
		return rc;
	}
	s->dp = dp;
	dp_sampler_change(s, rate, head);
	s->next = dp->samplers;
	dp->samplers = s;
	*ret = s;
	return 0;
}

void dp_sampler_change(struct dp_sampler *s, uint32_t rate, uint32_t head)
{
	atomic_store(&s->rate, rate != 0 ? rate : 1);
	atomic_store(&s->head, head < DP_SAMPLE_HEAD ? head : DP_SAMPLE_HEAD);
}

void dp_sampler_destroy(struct dp_sampler *s)
{
	if (s == NULL)
		return;
	for (struct dp_sampler **at = &s->dp->samplers; *at != NULL;) {
		if (*at == s)
			*at = s->next;
		else
			at = &(*at)->next;
	}
	sampler_free(s);
}

unsigned dp_sampler_take(struct dp_sampler *s, unsigned max, dp_sample_fn fn, void *arg)
{
	const struct dp_sample *sample;
	unsigned total = 0;
	uint32_t size;

	/* Another worker goes first each time, so that none of them has all of 'max'. */
	s->at_worker++;
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct queue *q = atomic_load(&s->queues[(s->at_worker + i) % DP_MAX_WORKERS]);

		while (q != NULL && total < max &&
		       (sample = dp_records_front(&q->records, &size)) != NULL) {
			fn(arg, sample, (const uint8_t *)(sample + 1));
			dp_records_pop(&q->records);
			total++;
		}
	}
	return total;
}

uint64_t dp_sampler_dropped(const struct dp_sampler *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		const struct queue *q = atomic_load(&s->queues[i]);

		n += q != NULL ? atomic_load_explicit(&q->dropped, memory_order_relaxed) : 0;
	}
	return n;
}

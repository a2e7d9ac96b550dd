/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See notice.h.
 *
 * How much a port may tell of a kind is one word that all workers share: the second in which it
 * told last, how often in it, and what was left out since.  Queues outlive their workers until they
 * are empty.
 */
#include "dataplane/notice_priv.h"

#include "dataplane/dp_priv.h"
#include "dataplane/parse.h"
#include "dataplane/records.h"
#include "dataplane/tunnel_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE (64u << 10)

/* second << 32 | told << 24 | left out */
#define LEFT_MASK 0xffffffu
#define TOLD_ONE  (UINT64_C(1) << 24)
#define TOLD_MASK (UINT64_C(0xff) << 24)

struct dp_notice_queue {
	struct dp_records records;
	struct dp_notice_queue *next;
	bool gone; /* its worker */
};

/* ---- Workers ---- */

/* May it be told now?  Then how many were not before it. */
static bool within_rate(_Atomic uint64_t *limit, uint64_t second, uint32_t *ret_left_out)
{
	uint64_t old = atomic_load_explicit(limit, memory_order_relaxed), next;
	bool tell;

	do {
		uint64_t left = old & LEFT_MASK;
		bool same = old >> 32 == second;

		tell = !same || (old & TOLD_MASK) < DP_NOTICE_RATE * TOLD_ONE;
		if (tell)
			next = second << 32 | ((same ? old & TOLD_MASK : 0) + TOLD_ONE);
		else
			next = left == LEFT_MASK ? old : old + 1;
		*ret_left_out = (uint32_t)left;
	} while (!atomic_compare_exchange_weak_explicit(limit, &old, next, memory_order_relaxed,
							memory_order_relaxed));
	return tell;
}

/* No room in the queue: this one and those that it spoke of wait for the next. */
static void leave_out(_Atomic uint64_t *limit, uint32_t n)
{
	if ((atomic_load_explicit(limit, memory_order_relaxed) & LEFT_MASK) + n + 1 < LEFT_MASK)
		atomic_fetch_add_explicit(limit, n + 1, memory_order_relaxed);
}

static struct dp_ip address_at(const uint8_t *d, uint16_t at, const struct dp_headers *h)
{
	struct dp_ip ip = {.v6 = h->l3 == DP_L3_IPV6};

	memcpy(ip.b, d + at, ip.v6 ? 16 : 4);
	return ip;
}

static void describe(struct dp_notice *n, const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	struct dp_headers h;

	if (dp_parse_mbuf(m, &h) == DP_BAD_ETH)
		return;
	memcpy(n->dst, d, 6);
	memcpy(n->src, d + 6, 6);
	n->vlan = h.n_tags != 0 ? h.tci[0] & 0xfff : 0;
	n->eth_type = h.eth_type;
	n->has_ip = h.ip_src != 0;
	if (!n->has_ip)
		return;
	n->from = address_at(d, h.ip_src, &h);
	n->to = address_at(d, h.ip_dst, &h);
	n->proto = h.ip_proto;
	n->sport = h.sport;
	n->dport = h.dport;
	if (h.l4 == DP_L4_ICMP || h.l4 == DP_L4_ICMPV6) {
		n->sport = h.icmp_type;
		n->dport = h.icmp_code;
	}
}

void dp_notice(struct dp_worker *w, uint16_t port, enum dp_drop drop, uint64_t id,
	       const struct rte_mbuf *m)
{
	_Atomic uint64_t *limit;
	struct dp_notice *n;
	uint32_t left_out;

	/* A trace tells nobody. */
	if (w->trace != NULL || w->notices == NULL || port >= DP_MAX_PORTS ||
	    (unsigned)drop >= DP_N_DROPS)
		return;
	limit = &w->dp->notice_limits[port * (size_t)DP_N_DROPS + drop];
	/* The first second of a machine that just started is no second 0, which nobody told in. */
	if (!within_rate(limit, dp_worker_now_ms(w) / 1000 + 1, &left_out))
		return;
	n = dp_records_reserve(&w->notices->records, sizeof(*n));
	if (n == NULL) {
		leave_out(limit, left_out);
		return;
	}
	memset(n, 0, sizeof(*n));
	n->ms = dp_worker_now_ms(w);
	n->port = port;
	n->drop = (uint16_t)drop;
	n->left_out = left_out;
	n->id = id;
	describe(n, m);
	dp_records_commit(&w->notices->records);
}

/* ---- Control thread ---- */

int dp_notice_worker_create(struct dp *dp, struct dp_worker *w)
{
	struct dp_notice_queue *queue =
		aligned_alloc(64, (sizeof(struct dp_notice_queue) + 63) / 64 * 64);

	if (dp->notice_limits == NULL)
		dp->notice_limits =
			calloc((size_t)DP_MAX_PORTS * DP_N_DROPS, sizeof(*dp->notice_limits));
	if (dp->notice_limits == NULL || queue == NULL ||
	    dp_records_init(&queue->records, QUEUE_SIZE) != 0) {
		free(queue);
		return -ENOMEM;
	}
	queue->gone = false;
	queue->next = dp->notice_queues;
	dp->notice_queues = queue;
	w->notices = queue;
	return 0;
}

void dp_notice_worker_gone(struct dp_worker *w)
{
	if (w->notices != NULL)
		w->notices->gone = true;
	w->notices = NULL;
}

static void free_left(struct dp *dp, bool all)
{
	for (struct dp_notice_queue **at = &dp->notice_queues; *at != NULL;) {
		struct dp_notice_queue *queue = *at;

		if (!all && (!queue->gone || !dp_records_is_empty(&queue->records))) {
			at = &queue->next;
			continue;
		}
		*at = queue->next;
		dp_records_fini(&queue->records);
		free(queue);
	}
}

void dp_notices_take(struct dp *dp, dp_notice_fn fn, void *arg)
{
	for (struct dp_notice_queue *q = dp->notice_queues; q != NULL; q = q->next) {
		const struct dp_notice *n;
		uint32_t size, most = QUEUE_SIZE / sizeof(*n);

		/* No more than a queue holds, however fast its worker fills it again. */
		while (most-- > 0 && (n = dp_records_front(&q->records, &size)) != NULL) {
			fn(arg, n);
			dp_records_pop(&q->records);
		}
	}
	free_left(dp, false);
}

void dp_notice_fini(struct dp *dp)
{
	free_left(dp, true);
	free(dp->notice_limits);
	dp->notice_limits = NULL;
}

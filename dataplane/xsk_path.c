/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moving frames between an AF_XDP socket and mbufs; see xsk.h.  Workers.
 */
#include "dataplane/xsk_priv.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

/* In copy mode a call sends 32 frames at most, and ends at the first that the driver has no room
 * for. */
#define PUSHES 8

/* Puts 'size' bytes into 'm', which is empty, and more buffers behind it.  False when there are
 * none. */
static bool fill_chain(struct rte_mbuf *m, struct rte_mempool *pool, const uint8_t *data,
		       uint32_t size)
{
	struct rte_mbuf *last = m;

	m->pkt_len = size;
	for (;;) {
		uint16_t room = rte_pktmbuf_tailroom(last);
		uint16_t part = (uint16_t)RTE_MIN(size, room);

		memcpy(rte_pktmbuf_mtod(last, uint8_t *), data, part);
		last->data_len = part;
		data += part;
		size -= part;
		if (size == 0)
			return true;
		last->next = rte_pktmbuf_alloc(pool);
		if (last->next == NULL)
			return false;
		last = last->next;
		m->nb_segs++;
	}
}

static const uint8_t *frame_at(const struct dp_xsk *xsk, const struct dp_xsk_ring *rx,
			       uint32_t index)
{
	return xsk->umem + dp_xsk_ring_desc(rx, index)->addr;
}

/* Gives 'n' frames that were received back to the kernel. */
static void refill(struct dp_xsk *xsk, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		*dp_xsk_ring_addr(&xsk->fill, xsk->fill.mine + i) =
			dp_xsk_ring_desc(&xsk->rx, xsk->rx.mine + i)->addr;
	dp_xsk_ring_put(&xsk->fill, n);
}

/* Where several receivers share the fill ring: what is kept goes there, unless another is at it;
 * then the next call tries again.  The ring has room for every frame there is. */
static void give_back(struct dp_xsk *xsk, struct dp_xsk_back *back)
{
	if (back->n == 0 || atomic_exchange_explicit(&xsk->fill_busy, true, memory_order_acquire))
		return;
	for (uint32_t i = 0; i < back->n; i++)
		*dp_xsk_ring_addr(&xsk->fill, xsk->fill.mine + i) = back->addrs[i];
	dp_xsk_ring_put(&xsk->fill, back->n);
	back->n = 0;
	atomic_store_explicit(&xsk->fill_busy, false, memory_order_release);
}

static void keep(struct dp_xsk_back *back, const struct dp_xsk_ring *rx, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		back->addrs[back->n++] = dp_xsk_ring_desc(rx, rx->mine + i)->addr;
}

/* Copies up to 'n' frames of a receive ring; they stay in it. */
static uint16_t copy_in(const struct dp_xsk *xsk, struct dp_xsk_ring *rx, struct rte_mempool *pool,
			struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t ready = dp_xsk_ring_waiting(rx, n);
	uint16_t got;

	if (ready == 0)
		return 0;
	n = (uint16_t)RTE_MIN(ready, n);
	/* Without buffers the frames wait in the ring, and the kernel drops and counts when it is
	 * full. */
	if (rte_pktmbuf_alloc_bulk(pool, pkts, n) != 0)
		return 0;
	for (got = 0; got < n; got++) {
		uint32_t index = rx->mine + got;

		if (got + 1 < n)
			rte_prefetch0(frame_at(xsk, rx, index + 1));
		if (unlikely(!fill_chain(pkts[got], pool, frame_at(xsk, rx, index),
					 dp_xsk_ring_desc(rx, index)->len)))
			break;
	}
	if (unlikely(got < n))
		rte_pktmbuf_free_bulk(pkts + got, n - got);
	return got;
}

uint16_t dp_xsk_receive(struct dp_xsk *xsk, struct rte_mempool *pool, struct rte_mbuf **pkts,
			uint16_t n)
{
	uint16_t got;

	if (unlikely(dp_xsk_ring_wants_wakeup(&xsk->fill)))
		(void)recvfrom(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	got = copy_in(xsk, &xsk->rx, pool, pkts, n);
	if (unlikely(xsk->back.addrs != NULL)) {
		keep(&xsk->back, &xsk->rx, got);
		give_back(xsk, &xsk->back);
	} else {
		refill(xsk, got);
	}
	dp_xsk_ring_taken(&xsk->rx, got);
	return got;
}

uint16_t dp_xsk_side_receive(struct dp_xsk_side *side, struct rte_mempool *pool,
			     struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got;

	if (unlikely(dp_xsk_ring_wants_wakeup(&side->of->fill)))
		(void)recvfrom(side->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	got = copy_in(side->of, &side->rx, pool, pkts, n);
	keep(&side->back, &side->rx, got);
	give_back(side->of, &side->back);
	dp_xsk_ring_taken(&side->rx, got);
	return got;
}

/* Takes back the frames that were sent. */
static void reclaim(struct dp_xsk *xsk)
{
	uint32_t n = dp_xsk_ring_waiting(&xsk->completion, xsk->completion.size);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = *dp_xsk_ring_addr(&xsk->completion, xsk->completion.mine + i);

		xsk->free_frames[xsk->n_free++] = addr;
	}
	if (n != 0)
		dp_xsk_ring_taken(&xsk->completion, n);
}

void dp_xsk_push(const struct dp_xsk *xsk)
{
	for (int i = 0; i < PUSHES; i++) {
		if (!dp_xsk_ring_wants_wakeup(&xsk->tx) ||
		    __atomic_load_n(xsk->tx.consumer, __ATOMIC_RELAXED) ==
			    __atomic_load_n(xsk->tx.producer, __ATOMIC_RELAXED))
			return;
		if (sendto(xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
		    errno != EBUSY && errno != ENOBUFS && errno != EINTR)
			return;
	}
}

static void copy_out(uint8_t *to, const struct rte_mbuf *m)
{
	for (; m != NULL; m = m->next) {
		memcpy(to, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		to += m->data_len;
	}
}

uint16_t dp_xsk_send(struct dp_xsk *xsk, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t space;

	reclaim(xsk);
	space = RTE_MIN(dp_xsk_ring_space(&xsk->tx, n), xsk->n_free);
	n = (uint16_t)RTE_MIN(n, space);
	for (uint16_t i = 0; i < n; i++) {
		struct xdp_desc *desc = dp_xsk_ring_desc(&xsk->tx, xsk->tx.mine + i);

		/* Longer ones do not come: see max_frame in port.h. */
		if (unlikely(pkts[i]->pkt_len > xsk->frame_size)) {
			n = i;
			break;
		}
		desc->addr = xsk->free_frames[--xsk->n_free];
		desc->len = pkts[i]->pkt_len;
		desc->options = 0;
		copy_out(xsk->umem + desc->addr, pkts[i]);
	}
	if (n != 0) {
		dp_xsk_ring_put(&xsk->tx, n);
		rte_pktmbuf_free_bulk(pkts, n);
	}
	dp_xsk_push(xsk);
	return n;
}

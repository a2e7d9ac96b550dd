/* SPDX-License-Identifier: BSD-2-Clause
 *
 * In-memory ports; see port_mem.h.  Two rte_rings a queue; an event descriptor for each receive
 * queue, so that sleeping workers are tested too.
 */
#include "dataplane/port_mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_malloc.h>
#include <rte_ring.h>

#include "dataplane/dp.h"
#include "dataplane/drop.h"
#include "dataplane/port.h"

#define DEFAULT_SIZE 1024u

struct mem_queue {
	struct rte_ring *rx, *tx;
	int event_fd;
	_Atomic bool armed; /* the descriptor is readable */
};

struct mem {
	uint16_t n_queues;
	_Atomic uint32_t limit; /* frames that still fit */
	_Atomic bool up;
	struct mem_queue queues[DP_MAX_QUEUES];
};

static void drain_event(struct mem_queue *mq)
{
	uint64_t count;

	mq->armed = false;
	if (read(mq->event_fd, &count, sizeof(count)) < 0)
		return;
}

static uint16_t mem_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct mem_queue *mq = q->priv;
	unsigned got = rte_ring_dequeue_burst(mq->rx, (void **)pkts, n, NULL);

	if (got == 0 && mq->armed) {
		drain_event(mq);
		/* What came in between has no other to ring for it. */
		got = rte_ring_dequeue_burst(mq->rx, (void **)pkts, n, NULL);
	}
	for (unsigned i = 0; i < got; i++)
		pkts[i]->port = q->port->id;
	return (uint16_t)got;
}

/* Reserves room under the limit; several workers may send at once. */
static uint16_t reserve(struct mem *mem, uint16_t n)
{
	uint32_t left = mem->limit, take;

	do {
		take = left == UINT32_MAX ? n : RTE_MIN(left, (uint32_t)n);
	} while (left != UINT32_MAX &&
		 !atomic_compare_exchange_weak(&mem->limit, &left, left - take));
	return (uint16_t)take;
}

static void give_back(struct mem *mem, uint32_t n)
{
	uint32_t left = mem->limit;

	while (left != UINT32_MAX && !atomic_compare_exchange_weak(&mem->limit, &left, left + n))
		;
}

static uint16_t mem_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct mem_queue *mq = q->priv;
	struct mem *mem = q->port->priv;
	uint16_t room = mem->up ? reserve(mem, n) : 0;
	unsigned sent = rte_ring_enqueue_burst(mq->tx, (void **)pkts, room, NULL);

	if (sent < room)
		give_back(mem, room - sent);
	if (sent < n)
		q->refused = mem->up ? DP_DROP_TX_FULL : DP_DROP_TX_DOWN;
	return (uint16_t)sent;
}

static void ring_free(struct rte_ring *ring)
{
	void *m;

	while (ring != NULL && rte_ring_dequeue(ring, &m) == 0)
		rte_pktmbuf_free(m);
	rte_free(ring);
}

static struct rte_ring *ring_make(uint32_t size)
{
	struct rte_ring *ring = rte_zmalloc(NULL, (size_t)rte_ring_get_memsize(size), 0);

	if (ring != NULL && rte_ring_init(ring, "mem", size, 0) != 0) {
		rte_free(ring);
		return NULL;
	}
	return ring;
}

static void mem_close(struct dp_port *port)
{
	struct mem *mem = port->priv;

	for (uint16_t i = 0; i < mem->n_queues; i++) {
		struct mem_queue *mq = &mem->queues[i];

		ring_free(mq->rx);
		ring_free(mq->tx);
		if (mq->event_fd >= 0)
			close(mq->event_fd);
	}
	free(mem);
	port->priv = NULL;
}

static bool queue_open(struct mem_queue *mq, uint32_t size)
{
	mq->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	mq->rx = ring_make(size);
	mq->tx = ring_make(size);
	return mq->event_fd >= 0 && mq->rx != NULL && mq->tx != NULL;
}

static int mem_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	uint32_t size = rte_align32pow2(opts->n_desc != 0 ? opts->n_desc : DEFAULT_SIZE);
	uint16_t n = opts->n_queues != 0 ? opts->n_queues : 1;
	struct mem *mem = calloc(1, sizeof(*mem));
	bool ok;

	if (mem == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for port '%s'", port->name);
	mem->limit = UINT32_MAX;
	mem->up = true;
	port->priv = mem;
	ok = dp_port_alloc_queues(port, n, n) == 0;
	for (uint16_t i = 0; i < n && ok; i++) {
		mem->n_queues = i + 1;
		/* A ring of 'size' holds one less. */
		ok = queue_open(&mem->queues[i], size * 2);
		port->rxq[i].priv = &mem->queues[i];
		port->rxq[i].wake_fd = mem->queues[i].event_fd;
		port->txq[i].priv = &mem->queues[i];
	}
	if (!ok) {
		mem_close(port);
		return err_set(err, -ENOMEM, "no-memory", "no memory for port '%s'", port->name);
	}
	port->tx_caps = DP_TX_CHAIN;
	rte_eth_random_addr(port->own_mac.addr_bytes);
	port->mac = opts->has_mac ? opts->mac : port->own_mac;
	snprintf(port->driver, sizeof(port->driver), "mem");
	return 0;
}

static int mem_set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	port->mtu = mtu;
	port->max_frame = (uint16_t)RTE_MIN(mtu + RTE_ETHER_HDR_LEN, UINT16_MAX);
	return 0;
}

static int mem_set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	port->mac = *mac;
	return 0;
}

static void mem_link(struct dp_port *port, struct dp_link *ret_link)
{
	const struct mem *mem = port->priv;

	*ret_link = (struct dp_link){.up = mem->up, .full_duplex = true};
	if (!mem->up)
		snprintf(ret_link->reason, sizeof(ret_link->reason), "told to be down");
}

uint16_t dp_port_mem_inject(struct dp_port *port, uint16_t queue, struct rte_mbuf **pkts,
			    uint16_t n)
{
	struct mem *mem = port->priv;
	struct mem_queue *mq = &mem->queues[queue % mem->n_queues];
	unsigned sent = rte_ring_enqueue_burst(mq->rx, (void **)pkts, n, NULL);
	uint64_t one = 1;
	ssize_t rc = write(mq->event_fd, &one, sizeof(one));

	(void)rc; /* A full counter is readable as well. */
	/* After the write: who takes this back finds something to read. */
	mq->armed = true;
	return (uint16_t)sent;
}

uint16_t dp_port_mem_collect(struct dp_port *port, struct rte_mbuf **pkts, uint16_t n)
{
	struct mem *mem = port->priv;
	unsigned got = 0;

	for (uint16_t i = 0; i < mem->n_queues && got < n; i++)
		got += rte_ring_dequeue_burst(mem->queues[i].tx, (void **)(pkts + got), n - got,
					      NULL);
	give_back(mem, got);
	return (uint16_t)got;
}

void dp_port_mem_limit(struct dp_port *port, uint32_t n)
{
	struct mem *mem = port->priv;

	mem->limit = n;
}

void dp_port_mem_set_link(struct dp_port *port, bool up)
{
	struct mem *mem = port->priv;

	mem->up = up;
}

void dp_port_mem_set_caps(struct dp_port *port, uint32_t tx_caps)
{
	port->tx_caps = tx_caps;
}

const struct dp_port_ops dp_port_mem_ops = {
	.kind = "mem",
	.open = mem_open,
	.close = mem_close,
	.set_mtu = mem_set_mtu,
	.set_mac = mem_set_mac,
	.link = mem_link,
	.rx = mem_rx,
	.tx = mem_tx,
};

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loop probes; see probe.h.
 *
 * 	control thread ─► inbox of the first worker ─► transmit ─► out there ─► ingress (l2.c)
 * 	        ▲                                                                    │
 * 	        └───────────── one word per port: who sent what came in ◄────────────┘
 *
 * In the ledger a probe is a copy that its port's ingress made and forwarded; what comes in is
 * received and dropped.
 */
#include "dataplane/probe.h"

#include "dataplane/dp_priv.h"
#include "dataplane/probe_priv.h"

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ring.h>

#define PROBE_AGE_MAX 5

/* CTP's reply: nothing for a station to do. */
struct probe_frame {
	uint8_t dst[6], src[6];
	rte_be16_t ether_type;
	rte_le16_t skip_count, function, receipt;
	uint8_t key[16];
	rte_be32_t age;
	rte_be16_t port;
	uint8_t pad[18];
} __attribute__((packed));

static_assert(sizeof(struct probe_frame) == 60, "the shortest frame");

static void fill(const struct dp *dp, struct probe_frame *f, uint16_t port)
{
	*f = (struct probe_frame){
		.dst = {0xcf},
		.src = {0x02},
		.ether_type = RTE_BE16(PROBE_ETHER_TYPE),
		.function = rte_cpu_to_le_16(1),
		.age = rte_cpu_to_be_32(atomic_load(&dp->probe_age)),
		.port = rte_cpu_to_be_16(port),
	};
	/* Not the key's bytes that prove it: addresses are for everybody to see. */
	memcpy(f->src + 1, dp->probe_key + sizeof(f->key), 5);
	memcpy(f->key, dp->probe_key, sizeof(f->key));
}

int dp_probe_send(struct dp *dp, uint16_t port)
{
	struct dp_worker *w = atomic_load(&dp->by_rank[0]);
	const struct dp_view *view = atomic_load(&dp->view);
	struct probe_frame *frame;
	struct rte_mbuf *m;

	if (w == NULL || dp->totals[port] == NULL || view->vports[port] == NULL ||
	    view->vports[port]->port == NULL)
		return -EAGAIN;
	m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	frame = m != NULL ? (void *)rte_pktmbuf_append(m, sizeof(*frame)) : NULL;
	if (frame == NULL) {
		rte_pktmbuf_free(m);
		return -EAGAIN;
	}
	fill(dp, frame, port);
	m->port = port;
	m->vlan_tci_outer = port; /* where dp_handoff_drain() looks */
	if (rte_ring_mp_enqueue(w->inbox, m) != 0) {
		rte_pktmbuf_free(m);
		return -EAGAIN;
	}
	dp->handed++;
	dp->totals[port]->copies++;
	dp->totals[port]->forwarded++;
	dp->total.copies++;
	dp->total.forwarded++;
	dp_worker_wake(w);
	return 0;
}

void dp_probe_age(struct dp *dp)
{
	atomic_fetch_add(&dp->probe_age, 1);
}

bool dp_probe_came(struct dp *dp, uint16_t port, uint16_t *ret_sent_by)
{
	uint32_t from;

	if (atomic_load_explicit(&dp->probe_from[port], memory_order_relaxed) == 0)
		return false;
	from = atomic_exchange(&dp->probe_from[port], 0);
	*ret_sent_by = (uint16_t)(from - 1);
	return from != 0;
}

/* Reads one of this process; false: it is none. */
static bool read_probe(const struct dp *dp, const struct rte_mbuf *m, struct probe_frame *f)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	const size_t tag = rte_pktmbuf_data_len(m) > 13 && d[12] == 0x81 && d[13] == 0 ? 4 : 0;
	uint32_t age;

	if (rte_pktmbuf_data_len(m) < offsetof(struct probe_frame, pad) + tag)
		return false;
	memcpy(f, d, 12);
	memcpy(&f->ether_type, d + 12 + tag, offsetof(struct probe_frame, pad) - 12);
	age = atomic_load_explicit(&dp->probe_age, memory_order_relaxed) - rte_be_to_cpu_32(f->age);
	return f->ether_type == RTE_BE16(PROBE_ETHER_TYPE) && age <= PROBE_AGE_MAX &&
	       memcmp(f->key, dp->probe_key, sizeof(f->key)) == 0;
}

bool dp_probe_was_made(const struct dp *dp, const struct rte_mbuf *m)
{
	struct probe_frame f;

	return read_probe(dp, m, &f);
}

bool dp_probe_is_ours(struct dp_worker *w, uint16_t in, const struct rte_mbuf *m)
{
	struct probe_frame f;

	if (!read_probe(w->dp, m, &f))
		return false;
	if (w->trace == NULL)
		atomic_store(&w->dp->probe_from[in], (uint32_t)rte_be_to_cpu_16(f.port) + 1);
	return true;
}

uint64_t dp_probe_rx_packets(const struct dp *dp, uint16_t port)
{
	const struct dp_vport *vp = atomic_load(&dp->view)->vports[port];
	uint64_t n = 0;

	for (uint16_t i = 0; vp != NULL && vp->port != NULL && i < vp->port->n_rxq; i++)
		n += atomic_load_explicit(&vp->port->rxq[i].packets, memory_order_relaxed);
	return n;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that writes anything into its rings and memory, between any two looks at them.
 *
 * 	byte 0    bits: packed, mergeable, event index, checksums known, old header
 * 	then      records: offset (3 bytes, little-endian, into guest memory), length (1), bytes;
 * after each record both directions run once
 *
 * Whatever it does, frames are well formed, no buffer is lost, and nothing outside of its memory is
 * touched (ASan).
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/vguest.h"

#define RING 16

static struct rte_mempool *pool;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void receive(struct vguest *g)
{
	struct rte_mbuf *pkts[32];
	uint16_t bad = 0, n = dp_vring_dequeue(&g->ring, pool, pkts, 32, &bad);

	check(n + bad <= 32);
	for (uint16_t i = 0; i < n; i++) {
		const char *reason;

		check(rte_mbuf_check(pkts[i], 1, &reason) == 0);
		check(pkts[i]->pkt_len > 0 && pkts[i]->pkt_len <= DP_VRING_MAX_FRAME);
		if ((pkts[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0)
			check((uint32_t)pkts[i]->l2_len + pkts[i]->l3_len < pkts[i]->data_len);
		if ((pkts[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
			check(pkts[i]->tso_segsz > 0 && pkts[i]->l4_len >= 20);
		rte_pktmbuf_free(pkts[i]);
	}
}

static void send(struct vguest *g)
{
	static const uint16_t sizes[] = {60, 2000, 1514};
	struct rte_mbuf *pkts[3];
	uint16_t big = 0, n;

	for (unsigned i = 0; i < 3; i++) {
		pkts[i] = rte_pktmbuf_alloc(pool);
		if (pkts[i] == NULL)
			abort(); /* A buffer was lost. */
		pkts[i]->data_len = sizes[i];
		pkts[i]->pkt_len = sizes[i];
		memset(rte_pktmbuf_mtod(pkts[i], void *), 0x11 * (int)i, sizes[i]);
	}
	n = dp_vring_enqueue(&g->ring, pkts, 3, &big);
	check(n + big <= 3);
	rte_pktmbuf_free_bulk(pkts, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vguest *g;
	size_t at = 1;

	if (pool == NULL)
		pool = mbufs_pool("vring", 255, 2048);
	if (size < 1)
		return 0;
	g = aligned_alloc(64, sizeof(*g));
	vguest_init(g, (data[0] & 1) != 0, RING);
	g->ring.mergeable = (data[0] & 2) != 0;
	g->ring.event_idx = (data[0] & 4) != 0;
	g->ring.data_valid = (data[0] & 8) != 0;
	if ((data[0] & 17) == 16)
		g->ring.hdr_size = 10;
	while (size - at >= 4) {
		uint32_t to = data[at] | (uint32_t)data[at + 1] << 8 | (uint32_t)data[at + 2] << 16;
		uint32_t n = data[at + 3];

		at += 4;
		n = RTE_MIN(n, (uint32_t)(size - at));
		to %= VGUEST_SIZE - 256;
		memcpy(g->memory + to, data + at, n);
		at += n;
		receive(g);
		send(g);
	}
	check(rte_mempool_in_use_count(pool) == 0);
	vguest_fini(g);
	free(g);
	return 0;
}

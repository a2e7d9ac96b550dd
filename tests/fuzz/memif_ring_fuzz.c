/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A memif peer that writes anything into rings and buffers, between any two looks at them.
 *
 * 	byte 0    bits: we are the client, a client-to-server ring, buffers of 100 bytes
 * 	then      records: offset (2 bytes, little-endian, into the memory), length (1), bytes;
 * after each record the ring is used once
 *
 * Whatever it does, frames are well formed, no buffer is lost, and nothing outside of the memory is
 * touched (ASan).
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/memif_ring.h"
#include "tests/support/mbufs.h"

#define SLOTS  16u
#define MEMORY (64u * 1024)

static struct rte_mempool *pool;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void receive(struct dp_memif_ring *r)
{
	struct rte_mbuf *pkts[32];
	uint16_t bad = 0, n = dp_memif_rx(r, pool, pkts, 32, &bad);

	check(n + bad <= 32);
	for (uint16_t i = 0; i < n; i++) {
		const char *reason;

		check(rte_mbuf_check(pkts[i], 1, &reason) == 0);
		check(pkts[i]->pkt_len > 0 && pkts[i]->pkt_len <= DP_MEMIF_MAX_FRAME);
		rte_pktmbuf_free(pkts[i]);
	}
}

static void send(struct dp_memif_ring *r)
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
	n = dp_memif_tx(r, pkts, 3, &big);
	check(n + big <= 3);
	rte_pktmbuf_free_bulk(pkts, 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dp_memif_regions regions = {.n = 1};
	struct dp_memif_ring r = {.event_fd = -1, .mask = SLOTS - 1, .regions = &regions};
	uint8_t *memory;
	size_t at = 1;

	if (pool == NULL)
		pool = mbufs_pool("memif", 255, 2048);
	if (size < 1)
		return 0;
	memory = aligned_alloc(64, MEMORY);
	memset(memory, 0, MEMORY);
	regions.region[0] = (struct dp_memif_region){.va = memory, .size = MEMORY};
	r.shm = (struct memif_shm_ring *)(void *)memory;
	r.client = (data[0] & 1) != 0;
	r.c2s = (data[0] & 2) != 0;
	r.buffer_size = (data[0] & 4) != 0 ? 100 : 2048;
	r.buffer_offset = 4096;
	r.buffers = memory + r.buffer_offset;
	dp_memif_ring_reset(&r);
	dp_memif_ring_start(&r);
	while (size - at >= 3) {
		uint32_t to = data[at] | (uint32_t)data[at + 1] << 8, n = data[at + 2];

		at += 3;
		n = RTE_MIN(RTE_MIN(n, (uint32_t)(size - at)), MEMORY - to);
		memcpy(memory + to, data + at, n);
		at += n;
		if (r.client != r.c2s)
			receive(&r);
		else
			send(&r);
	}
	check(rte_mempool_in_use_count(pool) == 0);
	free(memory);
	return 0;
}

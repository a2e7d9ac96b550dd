/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes in mbufs; see mbufs.h.
 */
#include "tests/support/mbufs.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "tests/support/packet.h"

static void start_eal(void)
{
	static char args[][24] = {"test",	 "--no-huge", "--no-shconf",
				  "-m",		 "64",	      "-l",
				  "0",		 "--no-pci",  "--no-telemetry",
				  "--log-level", "error"};
	static bool started;
	char *argv[sizeof(args) / sizeof(args[0])];
	int argc = sizeof(args) / sizeof(args[0]);

	if (started)
		return;
	for (int i = 0; i < argc; i++)
		argv[i] = args[i];
	if (rte_eal_init(argc, argv) < 0) {
		fprintf(stderr, "EAL: %s\n", rte_strerror(rte_errno));
		abort();
	}
	started = true;
}

struct rte_mempool *mbufs_pool(const char *name, unsigned n, uint16_t room)
{
	struct rte_mempool *pool;

	start_eal();
	pool = rte_pktmbuf_pool_create(name, n, 0, 0, RTE_PKTMBUF_HEADROOM + room, SOCKET_ID_ANY);
	if (pool == NULL) {
		fprintf(stderr, "pool: %s\n", rte_strerror(rte_errno));
		abort();
	}
	return pool;
}

struct rte_mbuf *mbufs_make(struct rte_mempool *pool, const uint8_t *bytes, uint32_t size,
			    const uint32_t *cuts, unsigned n_cuts)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(pool), *last = head;
	uint32_t off = 0;
	unsigned cut = 0;

	while (last != NULL) {
		uint32_t end = cut < n_cuts ? cuts[cut] : size;
		uint32_t n = RTE_MIN(end - off, (uint32_t)rte_pktmbuf_tailroom(last));

		memcpy(rte_pktmbuf_mtod(last, void *), bytes + off, n);
		last->data_len = n;
		head->pkt_len += n;
		off += n;
		if (off == end && cut++ == n_cuts)
			return head;
		last->next = rte_pktmbuf_alloc(pool);
		last = last->next;
		head->nb_segs++;
	}
	rte_pktmbuf_free(head);
	return NULL;
}

struct rte_mbuf *mbufs_cut(struct rte_mempool *pool, const uint8_t *bytes, uint32_t size,
			   uint32_t keep, unsigned n_cuts, uint64_t *state)
{
	uint32_t cuts[16] = {0};

	for (unsigned i = 0; i < n_cuts && i < 16; i++) {
		cuts[i] = keep + (pkt_rand(state) >> 32) % (size - keep + 1);
		for (unsigned j = i; j > 0 && cuts[j] < cuts[j - 1]; j--) {
			uint32_t swap = cuts[j];

			cuts[j] = cuts[j - 1];
			cuts[j - 1] = swap;
		}
	}
	return mbufs_make(pool, bytes, size, cuts, n_cuts);
}

uint32_t mbufs_read(const struct rte_mbuf *m, uint8_t *bytes, uint32_t max)
{
	uint32_t size = 0;

	for (; m != NULL; m = m->next) {
		uint32_t n = RTE_MIN(m->data_len, max - size);

		memcpy(bytes + size, rte_pktmbuf_mtod(m, const void *), n);
		size += n;
	}
	return size;
}

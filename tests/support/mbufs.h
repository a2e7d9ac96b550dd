/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes in mbufs for tests: a pool without huge pages, frames cut into segments where the test
 * says, and back.
 */
#ifndef TESTS_SUPPORT_MBUFS_H
#define TESTS_SUPPORT_MBUFS_H

#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

/* A pool of 'n' mbufs with 'room' bytes of data behind 'headroom' (128).  The first call starts the
 * EAL, without huge pages, devices and files.  Aborts when it cannot. */
struct rte_mempool *mbufs_pool(const char *name, unsigned n, uint16_t room);

/* The frame as a chain: segment i ends at the offset cuts[i]; the last one at 'size'.  Cuts ascend;
 * a segment may be empty.  What is longer than the data room is cut further.  NULL when the pool is
 * empty. */
struct rte_mbuf *mbufs_make(struct rte_mempool *pool, const uint8_t *bytes, uint32_t size,
			    const uint32_t *cuts, unsigned n_cuts);

/* The same, cut at 'n_cuts' (at most 16) places that 'state' (pkt_rand()) chooses, none of them
 * before 'keep'. */
struct rte_mbuf *mbufs_cut(struct rte_mempool *pool, const uint8_t *bytes, uint32_t size,
			   uint32_t keep, unsigned n_cuts, uint64_t *state);

/* All bytes of the chain, at most 'max'; their number. */
uint32_t mbufs_read(const struct rte_mbuf *m, uint8_t *bytes, uint32_t max);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DPDK for unit tests: no huge pages, no devices, nothing on disk.
 */
#ifndef TESTS_SUPPORT_TEST_EAL_H
#define TESTS_SUPPORT_TEST_EAL_H

struct rte_mempool;

/* Starts EAL, once a process.  0 or -1. */
int test_eal_init(void);
/* 'n' packet buffers of 2 KB and headroom, or of 'room' bytes. */
struct rte_mempool *test_pool(const char *name, unsigned n, unsigned room);

#endif

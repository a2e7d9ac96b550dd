/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A dataplane without workers for tests of port drivers: its packet pool, and the test itself calls
 * rx and tx.
 */
#ifndef TESTS_SUPPORT_TEST_DP_H
#define TESTS_SUPPORT_TEST_DP_H

#include <stdint.h>

struct dp;

/* Starts EAL on the first call (no huge pages, no devices, nothing on disk).  Aborts when it
 * cannot. */
struct dp *test_dp_create(uint32_t n_mbufs);
void test_dp_destroy(struct dp *dp);

/* Buffers of the pool that somebody holds. */
uint32_t test_dp_in_use(struct dp *dp);

#endif

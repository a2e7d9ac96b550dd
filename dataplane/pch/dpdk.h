/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What most files that know frames read first, compiled once where the build has b_pch: DPDK's
 * rte_mbuf.h brings all of the compiler's intrinsics, half of what such a file takes to compile.
 * Every file still includes what it uses: without b_pch (the default) nobody reads this one.
 */
#ifndef DATAPLANE_PCH_DPDK_H
#define DATAPLANE_PCH_DPDK_H

#include <immintrin.h>
#include <rte_mbuf.h>

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See test_dp.h.
 */
#include "tests/support/test_dp.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#include "dataplane/dp.h"

static void eal_start(void)
{
	/* Not --in-memory: 22.11 refuses it together with --no-huge. */
	static char args[][24] = {"test",	 "--no-huge",	   "--no-pci",	    "-m", "128",
				  "--no-shconf", "--no-telemetry", "--log-level=3", "-l", "0"};
	static char *argv[sizeof(args) / sizeof(args[0]) + 1];
	static bool started;
	const size_t n = sizeof(args) / sizeof(args[0]);

	if (started)
		return;
	for (size_t i = 0; i < n; i++)
		argv[i] = args[i];
	if (rte_eal_init((int)n, argv) < 0)
		abort();
	started = true;
}

struct dp *test_dp_create(uint32_t n_mbufs)
{
	const struct dp_opts opts = {.n_mbufs = n_mbufs, .fdb_size = 1024};
	struct err err = {0};
	struct dp *dp = NULL;

	eal_start();
	if (dp_create(&opts, &dp, &err) != 0) {
		fprintf(stderr, "test_dp: %s\n", err.what);
		abort();
	}
	return dp;
}

void test_dp_destroy(struct dp *dp)
{
	dp_destroy(dp);
}

uint32_t test_dp_in_use(struct dp *dp)
{
	return rte_mempool_in_use_count(dp_pool(dp, 0, false));
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See test_eal.h.
 */
#include "tests/support/test_eal.h"

#include <rte_eal.h>
#include <rte_mbuf.h>

int test_eal_init(void)
{
	/* Not --in-memory: 22.11 refuses it together with --no-huge. */
	static char args[][24] = {"test",	 "--no-huge",	   "--no-pci",	    "-m", "64",
				  "--no-shconf", "--no-telemetry", "--log-level=3", "-l", "0"};
	static char *argv[sizeof(args) / sizeof(args[0]) + 1];

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		argv[i] = args[i];
	return rte_eal_init((int)(sizeof(args) / sizeof(args[0])), argv) < 0 ? -1 : 0;
}

struct rte_mempool *test_pool(const char *name, unsigned n, unsigned room)
{
	return rte_pktmbuf_pool_create(name, n, 0, 0,
				       (uint16_t)((room != 0 ? room : 2048) + RTE_PKTMBUF_HEADROOM),
				       SOCKET_ID_ANY);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See mirror.h.
 */
#include "dataplane/mirror.h"

void dp_mirror_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n)
{
}

void dp_mirror_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		      uint16_t n)
{
}

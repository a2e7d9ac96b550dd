/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flowrec.h.
 */
#include "dataplane/flowrec.h"

void dp_flowrec_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n)
{
}

void dp_flowrec_dropped(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n, enum dp_drop reason)
{
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See shape.h.
 */
#include "dataplane/shape.h"

#include "dataplane/worker.h"

void dp_shape_send(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		   uint16_t n)
{
	dp_tx_send(w, out, pkts, n);
}

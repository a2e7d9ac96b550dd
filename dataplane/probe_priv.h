/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loop probes as workers see them; see probe.h.
 */
#ifndef DATAPLANE_PROBE_PRIV_H
#define DATAPLANE_PROBE_PRIV_H

#include "dataplane/worker.h"

#include <stdbool.h>
#include <stdint.h>

#define PROBE_ETHER_TYPE 0x9000
/* CF-00-00-00-00-00 as the little-endian word that l2.c compares. */
#define PROBE_DST UINT64_C(0xcf)

/* Is a frame to PROBE_DST one of this process?  Then it is noted that it came in by 'in'. */
bool dp_probe_is_ours(struct dp_worker *w, uint16_t in, const struct rte_mbuf *m);

/* Was it made by this process, whoever sees it, tagged or not? */
bool dp_probe_was_made(const struct dp *dp, const struct rte_mbuf *m);

#endif

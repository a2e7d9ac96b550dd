/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The switch answers ARP requests and neighbour solicitations; see guard_answer.c.  Workers.
 */
#ifndef DATAPLANE_GUARD_ANSWER_H
#define DATAPLANE_GUARD_ANSWER_H

#include "dataplane/guard_priv.h"

struct dp_worker;
struct rte_mbuf;

/* 'm' came in by 'in' and asks for the address of 'owner'.  True: taken, as answer or drop; false:
 * nothing was done, for the owner may not be spoken for. */
bool dp_guard_answer(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf *m,
		     const struct dp_headers *h, const struct dp_guard_binding *owner);

#endif

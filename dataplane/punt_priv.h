/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames for controllers as workers see them; see punt.h.
 */
#ifndef DATAPLANE_PUNT_PRIV_H
#define DATAPLANE_PUNT_PRIV_H

#include "dataplane/edge.h"
#include "dataplane/punt.h"
#include "dataplane/records.h"

/* One worker's.  It outlives the worker until it is empty. */
struct dp_punt_queue {
	struct dp_records records;
	struct dp_punt_queue *next;
	bool gone; /* its worker */
};

/* Control thread.  NULL when there is no memory. */
struct dp_punt_queue *dp_punt_queue_create(struct dp *dp);
/* Takes NULL.  The worker does not run any more. */
void dp_punt_queue_leave(struct dp_punt_queue *queue);
int dp_punt_init(struct dp *dp);
void dp_punt_fini(struct dp *dp);

/* Copies the frame, which stays the caller's.  DP_N_DROPS, or why the controllers do not get it.
 * Its ledger is the caller's business.  Worker. */
enum dp_drop dp_punt_put(struct dp_worker *w, const struct dp_vport *in,
			 const struct dp_edge_frame *f, const struct dp_step_controller *what);

#endif

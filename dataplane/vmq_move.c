/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC's queues go from the switch's to the device's and back (vmq.h).  The device changes its
 * mind at once, and what it received before is in the old queue still; so whatever comes by the new
 * way waits until the old one is empty.
 *
 * 	to the device    its new queues are taken off their workers ─► program ─► the shared queues
 * 	                 are empty ─► so is the NIC's ring, if it had one ─► workers poll the new
 * 	back             a ring without a worker stands before the shared queues ─► program ─► the
 * 	                 device's queues are empty ─► a worker polls the ring
 *
 * Control thread.
 */
#include "dataplane/vmq_priv.h"

#include <poll.h>
#include <time.h>

#include "dataplane/worker.h"

/* Frames that the device chose a queue for as we programmed it. */
#define SETTLE_NS 1000000
#define TRIES	  500u
#define TRY_NS	  200000
/* No device's ring is as long: whatever was in it has been taken. */
#define LONGEST_RING 8192u

/* A queue that is to run empty. */
struct old_queue {
	const struct dp_rxq *q;
	struct dp_worker *worker;
	uint64_t loops, packets;
	bool empty;
};

struct old_queues {
	unsigned n;
	struct old_queue v[DP_MAX_QUEUES];
};

static void watch(struct old_queues *old, const struct dp_rxq *q)
{
	if (old->n < DP_MAX_QUEUES)
		old->v[old->n++] = (struct old_queue){.q = q};
}

static void pause_ns(long ns)
{
	nanosleep(&(struct timespec){0, ns}, NULL);
}

static bool waits_in_kernel(const struct dp_rxq *q)
{
	struct pollfd fd = {.fd = q->wake_fd, .events = POLLIN};

	return poll(&fd, 1, 0) > 0;
}

/* Its worker has looked at it since, and found it empty or took more than it can have held. */
static bool is_empty(struct old_queue *old)
{
	const struct dp_rxq *q = old->q;

	if (old->empty || old->worker == NULL)
		return true;
	if (atomic_load(&old->worker->loops) - old->loops < 2)
		return false;
	if (atomic_load(&q->packets) - old->packets >= LONGEST_RING)
		old->empty = true;
	else if (q->wake_fd >= 0 && q->arm == NULL)
		old->empty = !waits_in_kernel(q);
	else
		old->empty = __atomic_load_n(&q->n_full, __ATOMIC_RELAXED) == 0;
	return old->empty;
}

/* Only we give queues to workers. */
static void wait_empty(struct dp *dp, struct old_queues *old)
{
	bool all = false;

	pause_ns(SETTLE_NS);
	for (unsigned i = 0; i < old->n; i++) {
		struct old_queue *o = &old->v[i];

		o->worker = atomic_load(&o->q->worker);
		o->packets = atomic_load(&o->q->packets);
		o->loops = o->worker != NULL ? atomic_load(&o->worker->loops) : 0;
	}
	for (unsigned i = 0; i < TRIES && !all; i++) {
		all = true;
		for (unsigned k = 0; k < old->n; k++) {
			if (is_empty(&old->v[k]))
				continue;
			all = false;
			dp_worker_kick(old->v[k].worker);
		}
		if (!all)
			pause_ns(TRY_NS);
	}
	/* What was taken out of them is through. */
	dp_synchronize(dp);
}

/* Nobody polls them. */
static void hold_queues(struct dp_vmq *vmq)
{
	for (uint16_t i = 0; i < vmq->spec.n_queues; i++)
		dp_place_remove_queue(vmq->dp, vmq->queues[i]->rxq);
}

int dp_vmq_to_device(struct dp *dp, const struct dp_vmq_spec *to, dp_vmq_program_fn program,
		     void *ctx, struct dp_vmq **vmq, struct err *err)
{
	struct dp_vmq *hw = NULL, *before = *vmq;
	struct old_queues shared = {0};
	struct dp_port *port;
	int rc = dp_vmq_add_held(dp, to, &hw, err);

	if (rc != 0)
		return rc;
	port = hw->port;
	hold_queues(hw);
	rc = program(ctx, err);
	for (uint16_t i = 0; rc == 0 && i < port->n_rxq; i++)
		if (atomic_load(&port->rxq[i].vmq) == NULL)
			watch(&shared, &port->rxq[i]);
	if (rc == 0) {
		wait_empty(dp, &shared);
		dp_vmq_remove(dp, before);
		*vmq = hw;
	}
	dp_vmq_place(hw);
	if (rc != 0)
		dp_vmq_remove(dp, hw);
	return rc;
}

int dp_vmq_from_device(struct dp *dp, dp_vmq_program_fn program, void *ctx, struct dp_vmq **vmq,
		       struct err *err)
{
	struct dp_vmq *hw = *vmq, *rings = NULL;
	struct dp_vmq_spec spec = hw->spec;
	struct old_queues own = {0};
	int rc;

	spec.is_hw = false;
	if (hw->port != NULL)
		(void)dp_vmq_add_held(dp, &spec, &rings, NULL);
	rc = program(ctx, err);
	for (uint16_t i = 0; hw->port != NULL && i < spec.n_queues; i++)
		watch(&own, hw->queues[i]->rxq);
	wait_empty(dp, &own);
	dp_vmq_remove(dp, hw);
	if (rings != NULL)
		dp_vmq_place(rings);
	*vmq = rings;
	return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Placement: which worker polls which receive queue.  A new queue goes to the worker with the least
 * load; every quarter of a second the measured loads are compared, and queues move when that takes
 * a real share off the busiest worker.  A queue is taken off one worker, a grace period passes, and
 * it is given to another, so no frame is lost or overtakes another.
 *
 * A ring (vmq.h) begins with the worker that receives for it, its home, where it costs nothing; it
 * comes back there when both have little to do.
 *
 * Control thread.
 */
#include "dataplane/dp_priv.h"

#include "dataplane/vmq.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>

#define BALANCE_INTERVAL_NS 250000000u
#define WORTH_MOVING	    0.10 /* of a core */
#define BUSY_ENOUGH	    0.30 /* below this the busiest worker is left in peace */
#define QUIET_ENOUGH	    0.20 /* home with what it would have then */
#define STAYS_NS	    1000000000u
#define MOVES_A_TICK	    4

static double worker_load(const struct dp *dp, const struct dp_worker *w)
{
	double load = 0;

	for (unsigned i = 0; i < dp->n_placed; i++)
		if (dp->placed[i].worker == w)
			load += dp->placed[i].load;
	return load;
}

static unsigned worker_queues(const struct dp *dp, const struct dp_worker *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < dp->n_placed; i++)
		n += dp->placed[i].worker == w;
	return n;
}

static struct dp_worker *least_loaded(const struct dp *dp, const struct dp_worker *except)
{
	struct dp_worker *best = NULL;
	double best_load = 0;

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];
		double load;

		if (w == NULL || w == except)
			continue;
		/* Idle queues weigh a little, so that they spread too. */
		load = worker_load(dp, w) + 0.001 * worker_queues(dp, w);
		if (best == NULL || load < best_load) {
			best = w;
			best_load = load;
		}
	}
	return best;
}

/* The list that 'placed' says; NULL when there is no memory. */
static struct dp_rxq_list *make_list(const struct dp *dp, const struct dp_worker *w)
{
	struct dp_rxq_list *list =
		calloc(1, sizeof(*list) + worker_queues(dp, w) * sizeof(list->q[0]));

	for (unsigned i = 0; list != NULL && i < dp->n_placed; i++) {
		if (dp->placed[i].worker != w)
			continue;
		list->q[list->n++] = dp->placed[i].q;
		list->polled |= dp->placed[i].q->wake_fd < 0 && !dp->placed[i].q->soft;
		list->soft |= dp->placed[i].q->soft;
		list->armed |= dp->placed[i].q->arm != NULL;
	}
	return list;
}

/* Makes a worker's list what 'placed' says.  The old list goes after a grace period.
 *
 * A worker must never keep a queue that was taken off it: another polls it now, or its port is
 * about to be closed.  So when there is no memory for the new list the worker gets its spare one,
 * which is empty, and polls nothing until the tick could make the right one. */
static int publish_list(struct dp *dp, struct dp_worker *w)
{
	struct dp_rxq_list *list = make_list(dp, w), *old;
	int rc = list != NULL ? 0 : -ENOMEM;

	if (list == NULL) {
		list = w->spare;
		w->spare = NULL;
	}
	if (list == NULL)
		return rc; /* It has the empty one already. */
	list->serial = ++dp->list_serial;
	old = atomic_exchange(&w->rxqs, list);
	dp_worker_kick(w);
	dp_synchronize(dp);
	if (rc == 0 && w->spare == NULL) {
		old->n = 0;
		w->spare = old;
	} else {
		free(old);
	}
	return rc;
}

static void publish_all(struct dp *dp)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			(void)publish_list(dp, dp->workers[i]);
}

/* Workers that had no memory for their list. */
static void publish_owed(struct dp *dp)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL && dp->workers[i]->spare == NULL)
			(void)publish_list(dp, dp->workers[i]);
}

int dp_place_reserve(struct dp *dp, unsigned n)
{
	unsigned max = (dp->n_placed + n) * 2;
	struct dp_placed *placed;

	if (dp->n_placed + n <= dp->max_placed)
		return 0;
	placed = realloc(dp->placed, max * sizeof(*placed));
	if (placed == NULL)
		return -ENOMEM;
	dp->placed = placed;
	dp->max_placed = max;
	return 0;
}

/* Gives a queue that nobody polls to 'w'. */
static int give(struct dp *dp, struct dp_placed *p, struct dp_worker *w)
{
	int rc;

	p->worker = w;
	if (w == NULL)
		return 0;
	rc = publish_list(dp, w);
	atomic_store_explicit(&p->q->worker, w, memory_order_release);
	return rc;
}

static int place(struct dp *dp, struct dp_rxq *q, struct dp_worker *w)
{
	struct dp_placed *p = &dp->placed[dp->n_placed++];

	*p = (struct dp_placed){.q = q, .seen_cycles = atomic_load(&q->busy_cycles)};
	return give(dp, p, w);
}

int dp_place_add(struct dp *dp, struct dp_port *port)
{
	if (dp_place_reserve(dp, port->n_rxq) != 0)
		return -ENOMEM;
	for (uint16_t i = 0; i < port->n_rxq; i++)
		if (place(dp, &port->rxq[i], least_loaded(dp, NULL)) != 0)
			return -ENOMEM;
	return 0;
}

struct dp_worker *dp_place_home(const struct dp *dp, const struct dp_port *port)
{
	struct dp_worker *home = NULL;
	double most = -1;

	for (unsigned i = 0; i < dp->n_placed; i++) {
		const struct dp_placed *p = &dp->placed[i];

		if (p->q->port != port || p->q->soft || p->worker == NULL || p->load <= most ||
		    atomic_load(&p->q->vmq) != NULL)
			continue;
		home = p->worker;
		most = p->load;
	}
	return home;
}

void dp_place_queue(struct dp *dp, struct dp_rxq *q)
{
	struct dp_worker *w = q->soft ? dp_place_home(dp, q->port) : NULL;

	(void)place(dp, q, w != NULL ? w : least_loaded(dp, NULL));
}

const struct dp_placed *dp_place_find(const struct dp *dp, const struct dp_rxq *q)
{
	for (unsigned i = 0; i < dp->n_placed; i++)
		if (dp->placed[i].q == q)
			return &dp->placed[i];
	return NULL;
}

void dp_place_remove_queue(struct dp *dp, const struct dp_rxq *q)
{
	const struct dp_placed *p = dp_place_find(dp, q);
	struct dp_worker *w = p != NULL ? p->worker : NULL;

	if (p == NULL)
		return;
	atomic_store(&p->q->worker, NULL);
	dp->placed[p - dp->placed] = dp->placed[--dp->n_placed];
	if (w != NULL)
		(void)publish_list(dp, w);
}

void dp_place_remove(struct dp *dp, const struct dp_port *port)
{
	unsigned n = 0;

	for (unsigned i = 0; i < dp->n_placed; i++) {
		if (dp->placed[i].q->port != port)
			dp->placed[n++] = dp->placed[i];
		else
			atomic_store(&dp->placed[i].q->worker, NULL);
	}
	if (n == dp->n_placed)
		return;
	dp->n_placed = n;
	publish_all(dp);
}

static void move(struct dp *dp, struct dp_placed *p, struct dp_worker *to)
{
	struct dp_worker *from = p->worker;

	p->worker = NULL;
	atomic_store(&p->q->worker, NULL);
	if (from != NULL)
		(void)publish_list(dp, from);
	(void)give(dp, p, to);
	p->moves += to != NULL;
	p->moved_ns = dp->last_balance_ns;
}

void dp_place_move(struct dp *dp, const struct dp_rxq *q, struct dp_worker *to)
{
	const struct dp_placed *p = dp_place_find(dp, q);

	if (p != NULL)
		move(dp, &dp->placed[p - dp->placed], to);
}

void dp_place_worker_added(struct dp *dp)
{
	for (unsigned i = 0; i < dp->n_placed; i++)
		if (dp->placed[i].worker == NULL)
			move(dp, &dp->placed[i], least_loaded(dp, NULL));
}

static void tell_move(struct dp *dp, const struct dp_placed *p, const struct dp_worker *from,
		      const struct dp_worker *to, const char *why)
{
	struct dp_event event = {.type = DP_EVENT_QUEUE_MOVED,
				 .port = p->q->port->id,
				 .queue = p->q->index};

	if (to == NULL)
		dp_event_send(dp, &event, "%s queue %u has no worker: %s", p->q->port->name,
			      p->q->index, why);
	else
		dp_event_send(dp, &event, "%s queue %u moved from core %u to core %u: %s",
			      p->q->port->name, p->q->index, from->cpu, to->cpu, why);
}

void dp_place_worker_leaving(struct dp *dp, struct dp_worker *leaving)
{
	for (unsigned i = 0; i < dp->n_placed; i++) {
		struct dp_placed *p = &dp->placed[i];
		struct dp_worker *to;

		if (p->worker != leaving)
			continue;
		to = least_loaded(dp, leaving);
		move(dp, p, to);
		tell_move(dp, p, leaving, to, "its worker stops");
	}
}

static void measure(struct dp *dp, uint64_t elapsed_ns)
{
	double cycles = (double)dp->tsc_hz * (double)elapsed_ns / 1e9;

	for (unsigned i = 0; i < dp->n_placed; i++) {
		struct dp_placed *p = &dp->placed[i];
		uint64_t now = atomic_load_explicit(&p->q->busy_cycles, memory_order_relaxed);

		p->load = (double)(now - p->seen_cycles) / cycles;
		p->seen_cycles = now;
	}
}

static struct dp_worker *busiest(const struct dp *dp)
{
	struct dp_worker *most = NULL;

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL &&
		    (most == NULL || worker_load(dp, dp->workers[i]) > worker_load(dp, most)))
			most = dp->workers[i];
	return most;
}

/* The queue of 'from' whose move to 'to' leaves the busier of the two least busy; NULL when none is
 * worth it. */
static struct dp_placed *best_move(const struct dp *dp, const struct dp_worker *from,
				   const struct dp_worker *to)
{
	double load_from = worker_load(dp, from), load_to = worker_load(dp, to);
	double best = load_from - WORTH_MOVING;
	struct dp_placed *found = NULL;

	for (unsigned i = 0; i < dp->n_placed; i++) {
		struct dp_placed *p = &dp->placed[i];
		double left = load_from - p->load, right = load_to + p->load;
		double worse = left > right ? left : right;

		if (p->worker == from && p->load > 0 && worse < best) {
			best = worse;
			found = p;
		}
	}
	return found;
}

/* Takes a queue off the busiest worker, if that is worth it. */
static bool spread_one(struct dp *dp)
{
	struct dp_worker *from = busiest(dp), *to;
	struct dp_placed *p;
	char why[128];

	if (from == NULL || worker_load(dp, from) < BUSY_ENOUGH)
		return false;
	to = least_loaded(dp, from);
	p = to == NULL ? NULL : best_move(dp, from, to);
	if (p == NULL)
		return false;
	snprintf(why, sizeof(why),
		 "core %u was %.0f %% busy and core %u %.0f %%; the queue takes %.0f %%", from->cpu,
		 worker_load(dp, from) * 100, to->cpu, worker_load(dp, to) * 100, p->load * 100);
	move(dp, p, to);
	tell_move(dp, p, from, to, why);
	return true;
}

static bool may_go_home(const struct dp *dp, const struct dp_placed *p,
			const struct dp_worker *home)
{
	return p->q->soft && home != NULL && p->worker != NULL && p->worker != home &&
	       dp->last_balance_ns - p->moved_ns >= STAYS_NS &&
	       worker_load(dp, home) + p->load < QUIET_ENOUGH;
}

static void go_home(struct dp *dp)
{
	for (unsigned i = 0; i < dp->n_placed; i++) {
		struct dp_placed *p = &dp->placed[i];
		struct dp_worker *home, *from = p->worker;

		home = p->q->soft ? dp_place_home(dp, p->q->port) : NULL;
		if (!may_go_home(dp, p, home))
			continue;
		move(dp, p, home);
		tell_move(dp, p, from, home, "both have little to do");
	}
}

void dp_place_tick(struct dp *dp, uint64_t now_ns)
{
	bool moved = true;

	if (now_ns - dp->last_balance_ns < BALANCE_INTERVAL_NS)
		return;
	publish_owed(dp);
	measure(dp, now_ns - dp->last_balance_ns);
	dp->last_balance_ns = now_ns;
	if (!dp->rebalance || dp->n_workers < 2)
		return;
	for (unsigned i = 0; i < MOVES_A_TICK && moved; i++)
		moved = spread_one(dp);
	go_home(dp);
}

unsigned dp_queue_info(struct dp *dp, struct dp_queue_info *ret, unsigned max)
{
	unsigned n = dp->n_placed < max ? dp->n_placed : max;

	for (unsigned i = 0; i < n; i++) {
		const struct dp_placed *p = &dp->placed[i];

		ret[i] = (struct dp_queue_info){
			.port = p->q->port->id,
			.queue = p->q->index,
			.cpu = p->worker != NULL ? (int)p->worker->cpu : -1,
			.load = p->load,
			.packets = atomic_load(&p->q->packets),
			.bytes = atomic_load(&p->q->bytes),
		};
	}
	return n;
}

void dp_place_fini(struct dp *dp)
{
	free(dp->placed);
}

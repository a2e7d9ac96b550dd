/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's loop, its start and stop, and how it sleeps.
 *
 * Sleep: IDLE_US after its last frame a worker waits in epoll on its queues' descriptors and its
 * own kick.  Not sooner: a guest that is faster than its own core for a moment would find the
 * switch asleep at its next burst, again and again.  Queues that have no descriptor bound the wait:
 * it doubles from 20 us to 'max_sleep_us' (500 unless set), so that is the longest a frame waits
 * for an idle worker, plus the kernel's wake-up.  Where going to sleep, waking up and looking at
 * all queues costs c of n workers, each sleeps at least 50 n c (and at most 10 ms): idle costs 2 %
 * of a core however many ports and workers there are.
 */
#include "dataplane/worker.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "dataplane/dp_priv.h"
#include "dataplane/flow.h"
#include "dataplane/flowrec_priv.h"
#include "dataplane/frag_priv.h"
#include "dataplane/inject.h"
#include "dataplane/notice_priv.h"
#include "dataplane/pace.h"
#include "dataplane/shape_priv.h"
#include "dataplane/team.h"
#include "dataplane/vmq.h"

#define IDLE_US		 100u
#define FIRST_SLEEP_NS	 20000u
#define LEAST_SLEEP_NS	 10000u
#define LONG_SLEEP_NS	 1000000000u /* when every queue has a descriptor */
#define MOST_SLEEP_NS	 10000000u
#define IDLE_SHARE	 50u
#define EPOLL_EVENTS	 64
#define LOOK_INTERVAL_US 20u
#define BEHIND_BURSTS	 16u /* whole bursts in a row: its queue is not being emptied */

/* The loop's own state, on its stack. */
struct loop {
	struct dp_worker *w;
	const struct dp_rxq_list *list;
	uint64_t armed; /* serial of the list whose descriptors are in epoll */
	uint64_t now, last_look, last_frame;
	uint64_t sleep_ns;
	uint64_t due; /* when the first port in debt may be polled again; UINT64_MAX: none is */
	/* One sleep, wake-up and look at the queues: what it cost this thread, on average. */
	uint64_t cpu_ns, cost_ns;
};

void dp_worker_kick(struct dp_worker *w)
{
	uint64_t one = 1;
	ssize_t n = write(w->kick_fd, &one, sizeof(one));

	(void)n; /* A full counter is a kick already. */
}

/* Waits at most 'timeout_ns' for a descriptor to become readable; touches no queue. */
static int wait_readable(struct loop *l, struct epoll_event *events, uint64_t timeout_ns)
{
	struct timespec ts = {(time_t)(timeout_ns / 1000000000u), (long)(timeout_ns % 1000000000u)};

	return epoll_pwait2(l->w->epoll_fd, events, EPOLL_EVENTS, &ts, NULL);
}

/* Marks the queues that events tell of.  After a sleep the armed list may be gone, and its queues
 * with it; then the new list is armed next, which marks all of its queues. */
static void mark_ready(struct loop *l, const struct epoll_event *events, int n)
{
	const struct dp_rxq_list *list = atomic_load_explicit(&l->w->rxqs, memory_order_acquire);
	bool current = list->serial == l->armed;

	for (int i = 0; i < n; i++) {
		struct dp_rxq *q = events[i].data.ptr;
		uint64_t count;

		if (q == NULL) {
			if (read(l->w->kick_fd, &count, sizeof(count)) < 0)
				continue;
		} else if (current) {
			q->ready = true;
		}
	}
}

/* Puts the descriptors of a new list into epoll in place of the old ones. */
static void arm(struct loop *l)
{
	struct dp_worker *w = l->w;
	struct epoll_event event = {.events = EPOLLIN};

	close(w->epoll_fd);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->kick_fd, &event);
	for (uint16_t i = 0; i < l->list->n; i++) {
		struct dp_rxq *q = l->list->q[i];

		q->ready = true;
		q->muted = false;
		event.data.ptr = q;
		if (q->wake_fd >= 0)
			epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, q->wake_fd, &event);
	}
	l->armed = l->list->serial;
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t choose_sleep_ns(struct loop *l)
{
	struct dp *dp = l->w->dp;
	uint32_t max_us = atomic_load_explicit(&dp->max_sleep_us, memory_order_relaxed);
	uint64_t least_ns = l->cost_ns * IDLE_SHARE * dp_n_workers(dp);
	uint64_t cap_ns = (uint64_t)max_us * 1000;

	if (max_us == 0)
		return 0;
	if (!l->list->polled)
		return LONG_SLEEP_NS;
	if (least_ns > cap_ns)
		cap_ns = least_ns < MOST_SLEEP_NS ? least_ns : MOST_SLEEP_NS;
	l->sleep_ns = l->sleep_ns == 0 ? FIRST_SLEEP_NS : l->sleep_ns * 2;
	if (l->sleep_ns > cap_ns)
		l->sleep_ns = cap_ns;
	return l->sleep_ns;
}

static bool must_wake(const struct dp_worker *w)
{
	return rte_ring_count(w->inbox) != 0 || atomic_load(&w->stop) ||
	       atomic_load(&w->inject_wanted) != atomic_load(&w->inject_done) ||
	       atomic_load(&w->flip_wanted) != atomic_load(&w->flip_done) ||
	       atomic_load(&w->pause_wanted) != atomic_load(&w->pause_done);
}

/* Who puts a frame in wakes us only if it sees us asleep. */
static bool rings_wait(const struct dp_rxq_list *list)
{
	for (uint16_t i = 0; list->soft && i < list->n; i++)
		if (dp_vmq_waits(list->q[i]))
			return true;
	return false;
}

/* From one sleep to the next nothing but looking happened: that is what idling costs. */
static void idling_costs(struct loop *l)
{
	uint64_t now = thread_cpu_ns();

	if (l->cpu_ns != 0)
		l->cost_ns += (now - l->cpu_ns) / 16 - l->cost_ns / 16;
	l->cpu_ns = now;
}

/* Prepares queues that are polled only while their worker is awake.  Returns how long it may sleep
 * on their account: 0, frames wait. */
static uint64_t arm_queues(struct loop *l, uint64_t ns)
{
	for (uint16_t i = 0; i < l->list->n && ns != 0; i++) {
		struct dp_rxq *q = l->list->q[i];
		uint32_t us = q->arm != NULL && !q->held ? q->arm(q) : UINT32_MAX;

		if (us != UINT32_MAX && (uint64_t)us * 1000 < ns)
			ns = (uint64_t)us * 1000;
	}
	return ns;
}

/* So long until a shaper may send; a sleep that would hardly begin is none. */
static uint64_t until_due(const struct loop *l, uint64_t ns)
{
	uint64_t due = dp_shape_due(l->w), left;

	if (due == DP_SCHED_NEVER)
		return ns;
	left = due > l->now ? (due - l->now) * 1000 / (l->w->dp->tsc_hz / 1000000) : 0;
	if (left < ns)
		ns = left;
	return ns < LEAST_SLEEP_NS ? 0 : ns;
}

/* Ports in debt: their descriptors tell of frames that nobody takes yet, and the worker sleeps
 * until the first debt is paid.  Returns how long. */
static uint64_t mute_held(struct loop *l, uint64_t ns)
{
	double tsc_per_ns = (double)l->w->dp->tsc_hz / 1e9;
	uint64_t left = l->due > l->now ? (uint64_t)((double)(l->due - l->now) / tsc_per_ns) : 0;

	for (uint16_t i = 0; i < l->list->n; i++) {
		struct dp_rxq *q = l->list->q[i];

		if (!q->held || q->muted || q->wake_fd < 0)
			continue;
		epoll_ctl(l->w->epoll_fd, EPOLL_CTL_DEL, q->wake_fd, NULL);
		q->muted = true;
	}
	return left < ns ? left : ns;
}

static void unmute(struct loop *l, struct dp_rxq *q)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = q};

	q->muted = false;
	epoll_ctl(l->w->epoll_fd, EPOLL_CTL_ADD, q->wake_fd, &event);
}

/* Nothing to do: sleeps if it has been so for a while.  Holds nothing of the dataplane's meanwhile.
 */
static void rest(struct loop *l, uint64_t idle_cycles)
{
	struct dp_worker *w = l->w;
	struct epoll_event events[EPOLL_EVENTS];
	uint64_t before = l->now, ns;
	int n = 0;

	if (l->now - l->last_frame < idle_cycles) {
		rte_pause();
		return;
	}
	if (until_due(l, UINT64_MAX) == 0) {
		rte_pause();
		return;
	}
	idling_costs(l);
	ns = until_due(l, choose_sleep_ns(l));
	if (l->list->armed)
		ns = arm_queues(l, ns);
	if (l->due != UINT64_MAX)
		ns = mute_held(l, ns);
	if (ns == 0)
		return;
	rte_rcu_qsbr_thread_offline(w->rcu, w->index);
	atomic_store_explicit(&w->sleep_start, before, memory_order_relaxed);
	atomic_store_explicit(&w->asleep, true, memory_order_seq_cst);
	if (!must_wake(w) && !rings_wait(l->list))
		n = wait_readable(l, events, ns);
	atomic_store_explicit(&w->asleep, false, memory_order_relaxed);
	rte_rcu_qsbr_thread_online(w->rcu, w->index);
	mark_ready(l, events, n);
	l->now = rte_rdtsc();
	l->last_look = l->now;
	atomic_store_explicit(&w->sleep_start, 0, memory_order_relaxed);
	atomic_store_explicit(&w->sleep_cycles, w->sleep_cycles + (l->now - before),
			      memory_order_relaxed);
	atomic_store_explicit(&w->wakeups, w->wakeups + 1, memory_order_relaxed);
}

/* Requests of the control thread that need a worker that holds nothing.  True: it stood still, and
 * who sends for whom may have changed. */
static bool serve_control(struct dp_worker *w)
{
	uint32_t wanted = atomic_load_explicit(&w->flip_wanted, memory_order_acquire);

	if (unlikely(wanted != atomic_load_explicit(&w->flip_done, memory_order_relaxed))) {
		w->count = w->count == &w->sets[0] ? &w->sets[1] : &w->sets[0];
		atomic_store_explicit(&w->flip_done, wanted, memory_order_release);
	}
	wanted = atomic_load_explicit(&w->pause_wanted, memory_order_acquire);
	if (likely(wanted == atomic_load_explicit(&w->pause_done, memory_order_relaxed)))
		return false;
	atomic_store_explicit(&w->pause_done, wanted, memory_order_release);
	/* An odd number is "stand still", the next even one "go on". */
	while (atomic_load_explicit(&w->pause_wanted, memory_order_acquire) == wanted &&
	       (wanted & 1) != 0)
		rte_pause();
	return true;
}

static void queue_counted(struct dp_rxq *q, struct rte_mbuf *const *pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	atomic_store_explicit(&q->packets, q->packets + n, memory_order_relaxed);
	atomic_store_explicit(&q->bytes, q->bytes + bytes, memory_order_relaxed);
}

void dp_rx_malformed(struct dp_rxq *q, uint16_t n)
{
	q->malformed += n;
}

/* What the driver could not make a frame of was received and dropped. */
static void malformed_counted(struct dp_worker *w, struct dp_rxq *q)
{
	struct dp_count *count = w->count->ports[q->port->id];

	count->rx_packets += q->malformed;
	count->drops_rx[DP_DROP_RX_MALFORMED] += q->malformed;
	q->malformed = 0;
}

/* How many frames may be taken from a queue whose port has a pace; 0: it is in debt. */
static __attribute__((noinline)) uint16_t paced(struct loop *l, struct dp_rxq *q,
						struct dp_pace **ret_pace)
{
	const struct dp_vport *in = l->w->view->vports[q->port->id];
	struct dp_pace *pace = in != NULL ? in->pace : NULL;
	uint16_t n = pace != NULL ? dp_pace_allows(pace, q->index, l->now) : DP_BURST;
	uint64_t due;

	*ret_pace = pace;
	q->held = n == 0;
	if (n != 0) {
		if (q->muted)
			unmute(l, q);
		return n > q->port->rx_least ? n : q->port->rx_least;
	}
	due = dp_pace_due(pace, l->now);
	if (due < l->due)
		l->due = due;
	return 0;
}

/* Takes what a queue has, as its pace allows.  '*ret_held': it was not looked at. */
static inline uint16_t take(struct loop *l, struct dp_rxq *q, struct rte_mbuf **pkts,
			    bool *ret_held)
{
	struct dp_pace *pace = NULL;
	uint16_t max = DP_BURST, n;

	*ret_held = false;
	if (unlikely(atomic_load_explicit(&q->paced, memory_order_relaxed) || q->held)) {
		max = paced(l, q, &pace);
		*ret_held = max == 0;
		if (max == 0)
			return 0;
	}
	n = q->rx(q, pkts, max);
	if (unlikely(q->malformed != 0))
		malformed_counted(l->w, q);
	if (unlikely(pace != NULL) && n != 0)
		dp_pace_took(pace, pkts, n, l->now);
	/* A queue that is full because it is paced takes nobody's time. */
	q->n_full = n == DP_BURST && pace == NULL ? q->n_full + 1 : 0;
	return n;
}

/* What there is to sort for queues of NICs: a queue that gave a whole burst is asked for more. */
static __attribute__((noinline)) void spread(struct loop *l, struct dp_rxq *q,
					     const struct dp_vmq_table *table,
					     const struct dp_vport *in, struct rte_mbuf **first,
					     uint16_t n)
{
	struct rte_mbuf *pkts[DP_VMQ_SPREAD];
	uint16_t got = n;
	bool held;

	memcpy(pkts, first, n * sizeof(pkts[0]));
	/* What members of a team receive comes another way. */
	while (got == DP_BURST && n + DP_BURST <= DP_VMQ_SPREAD && in->pace == NULL &&
	       in == l->w->view->vports[q->port->id]) {
		got = take(l, q, pkts + n, &held);
		queue_counted(q, pkts + n, got);
		n += got;
	}
	n = dp_vmq_spread(l->w, table, in, pkts, n);
	for (uint16_t i = 0; i < n; i += got) {
		got = RTE_MIN((uint16_t)(n - i), (uint16_t)DP_BURST);
		if (in->pipeline != NULL)
			dp_flow_burst(l->w, in, pkts + i, got);
		else
			dp_l2_burst(l->w, in, pkts + i, got);
	}
}

/* A burst of a queue that is everybody's, but for what goes to queues of NICs. */
static inline void carry(struct loop *l, struct dp_rxq *q, const struct dp_vport *in,
			 struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_vmq_table *table =
		atomic_load_explicit(&q->port->vmq_table, memory_order_acquire);
	struct dp_worker *w = l->w;

	if (unlikely(table != NULL)) {
		spread(l, q, table, in, pkts, n);
		return;
	}
	if (in->pipeline != NULL)
		dp_flow_burst(w, in, pkts, n);
	else
		dp_l2_burst(w, in, pkts, n);
}

static uint16_t poll_queue(struct loop *l, struct dp_rxq *q, bool *ret_held)
{
	struct dp_worker *w = l->w;
	struct rte_mbuf *pkts[DP_BURST];
	uint16_t n = take(l, q, pkts, ret_held), left = n;
	struct dp_vmq_queue *vq = atomic_load_explicit(&q->vmq, memory_order_acquire);
	const struct dp_vport *in;
	uint64_t start = l->now;

	if (n == 0)
		return 0;
	w->burst_tsc = start;
	if (unlikely(q->n_full >= BEHIND_BURSTS))
		dp_worker_behind(w, q->port->id, start);
	queue_counted(q, pkts, n);
	in = w->view->vports[q->port->id];
	if (unlikely(in != NULL && in->team != NULL))
		left = dp_team_receive(w, &in, pkts, n);
	if (unlikely(left == 0))
		;
	else if (unlikely(in == NULL))
		rte_pktmbuf_free_bulk(pkts, n); /* Left the view; not in anyone's ledger yet. */
	else if (unlikely(vq != NULL))
		dp_vmq_burst(w, in, vq, pkts, left);
	else
		carry(l, q, in, pkts, left);
	if (unlikely(q->soft))
		dp_vmq_done(vq);
	l->now = rte_rdtsc();
	atomic_store_explicit(&q->busy_cycles, q->busy_cycles + (l->now - start - w->lent_cycles),
			      memory_order_relaxed);
	w->lent_cycles = 0;
	return n;
}

static uint32_t poll_all(struct loop *l)
{
	uint32_t total = 0;

	l->due = UINT64_MAX;
	for (uint16_t i = 0; i < l->list->n; i++) {
		struct dp_rxq *q = l->list->q[i];
		bool held;
		uint16_t n;

		if (q->wake_fd >= 0 && !q->ready && q->arm == NULL)
			continue;
		n = poll_queue(l, q, &held);
		if (n == 0 && !held && q->wake_fd >= 0 && q->arm == NULL)
			q->ready = false;
		total += n;
	}
	return total;
}

/* All that is in the inbox: what others handed over before they stopped doing so goes before what
 * comes by queues that are this worker's now. */
static uint32_t catch_up(struct dp_worker *w)
{
	unsigned n = rte_ring_count(w->inbox), total = 0, got = 1;

	for (; total < n && got != 0; total += got)
		got = dp_handoff_drain(w);
	return total;
}

static void run(struct dp_worker *w)
{
	struct loop l = {.w = w, .now = rte_rdtsc(), .armed = UINT64_MAX};
	struct epoll_event events[EPOLL_EVENTS];
	uint64_t look_cycles = w->dp->tsc_hz / 1000000 * LOOK_INTERVAL_US;
	uint64_t idle_cycles = w->dp->tsc_hz / 1000000 * IDLE_US;

	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		uint64_t start = l.now;
		uint32_t n = 0;
		bool others;

		rte_rcu_qsbr_quiescent(w->rcu, w->index);
		others = serve_control(w);
		l.list = atomic_load_explicit(&w->rxqs, memory_order_acquire);
		w->view = atomic_load_explicit(&w->dp->view, memory_order_acquire);
		others |= l.list->serial != l.armed;
		if (unlikely(l.list->serial != l.armed))
			arm(&l);
		else if (start - l.last_look > look_cycles) {
			mark_ready(&l, events, wait_readable(&l, events, 0));
			l.last_look = start;
		}
		/* First: what waited goes before what comes. */
		if (unlikely(start >= w->shape_due || w->shape->view != w->view))
			n += dp_shape_run(w, start);
		if (unlikely(others))
			n += catch_up(w);
		n += poll_all(&l);
		if (unlikely(rte_ring_count(w->inbox) != 0))
			n += dp_handoff_drain(w);
		if (unlikely(atomic_load_explicit(&w->inject_wanted, memory_order_acquire) !=
			     atomic_load_explicit(&w->inject_done, memory_order_relaxed)))
			n += dp_inject_drain(w);
		l.now = rte_rdtsc();
		if (unlikely(!dp_frags_idle(w->frags)))
			dp_frag_upkeep(w, l.now);
		atomic_store_explicit(&w->loops, w->loops + 1, memory_order_relaxed);
		if (n == 0) {
			rest(&l, idle_cycles);
			continue;
		}
		l.last_frame = l.now;
		l.sleep_ns = 0;
		l.cpu_ns = 0;
		atomic_store_explicit(&w->packets, w->packets + n, memory_order_relaxed);
		atomic_store_explicit(&w->busy_cycles, w->busy_cycles + (l.now - start),
				      memory_order_relaxed);
	}
}

void *dp_worker_main(void *arg)
{
	struct dp_worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "worker-%u", w->cpu);
	pthread_setname_np(pthread_self(), name);
	prctl(PR_SET_TIMERSLACK, 1000);
	if (rte_thread_register() != 0) {
		atomic_store(&w->start_error, rte_errno != 0 ? -rte_errno : -ENOMEM);
		return NULL;
	}
	rte_rcu_qsbr_thread_register(w->rcu, w->index);
	rte_rcu_qsbr_thread_online(w->rcu, w->index);
	atomic_store(&w->start_error, 0);
	run(w);
	rte_rcu_qsbr_thread_offline(w->rcu, w->index);
	rte_rcu_qsbr_thread_unregister(w->rcu, w->index);
	rte_thread_unregister();
	return NULL;
}

/* A thread on that core and no other. */
static int thread_on(unsigned cpu, pthread_t *thread, void *(*body)(void *arg), void *arg,
		     struct err *err)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int rc;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	rc = pthread_create(thread, &attr, body, arg);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return 0;
	err_set(err, -rc, "core-unusable", "cannot start a worker on core %u: %s", cpu,
		strerror(rc));
	err_why(err, "the kernel does not let this process run there");
	err_fix(err, "the cores there are: cat /sys/devices/system/cpu/online");
	return -rc;
}

static void *nothing(void *arg)
{
	return NULL;
}

int dp_worker_probe(unsigned cpu, struct err *err)
{
	pthread_t thread;
	int rc = thread_on(cpu, &thread, nothing, NULL, err);

	if (rc == 0)
		pthread_join(thread, NULL);
	return rc;
}

static int spawn(struct dp_worker *w, struct err *err)
{
	int rc;

	atomic_store(&w->start_error, 1);
	rc = thread_on(w->cpu, &w->thread, dp_worker_main, w, err);
	if (rc != 0)
		return rc;
	while (atomic_load(&w->start_error) == 1)
		sched_yield();
	rc = atomic_load(&w->start_error);
	if (rc != 0) {
		pthread_join(w->thread, NULL);
		return err_set(err, rc, "core-unusable",
			       "cannot start a worker on core %u: DPDK says %s", w->cpu,
			       strerror(-rc));
	}
	return 0;
}

static void worker_free(struct dp *dp, struct dp_worker *w)
{
	dp_frags_destroy(w->frags);
	dp_shape_worker_destroy(w);
	dp_count_free_worker(dp, w);
	dp_flow_counters_gone(dp, w->flow);
	dp_flow_ct_gone(dp, w->flow);
	dp_flow_destroy(w->flow);
	dp_inject_worker_gone(w);
	dp_notice_worker_gone(w);
	rte_ring_free(w->inbox);
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->kick_fd >= 0)
		close(w->kick_fd);
	free(atomic_load(&w->rxqs));
	free(w->spare);
	free(w);
}

static int worker_prepare(struct dp *dp, struct dp_worker *w)
{
	char name[RTE_RING_NAMESIZE];
	struct dp_rxq_list *empty = calloc(1, sizeof(*empty));

	w->dp = dp;
	w->rcu = dp->rcu;
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	atomic_store(&w->rxqs, empty);
	w->spare = calloc(1, sizeof(*w->spare));
	snprintf(name, sizeof(name), "inbox-%p-%u", (void *)dp, w->index);
	w->inbox = rte_ring_create(name, DP_INBOX_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	if (empty == NULL || w->spare == NULL || w->epoll_fd < 0 || w->kick_fd < 0 ||
	    w->inbox == NULL || dp_count_alloc_worker(dp, w) != 0)
		return -ENOMEM;
	if (dp_frag_worker_create(dp, w) != 0 || dp_shape_worker_create(dp, w) != 0 ||
	    dp_notice_worker_create(dp, w) != 0)
		return -ENOMEM;
	if (dp_flow_wanted(dp) && dp_flow_create(dp, &w->flow) != 0)
		return -ENOMEM;
	if (dp_flowrec_worker_comes(dp, w->index) != 0 ||
	    dp_samplers_worker_comes(dp, w->index) != 0)
		return -ENOMEM;
	return 0;
}

int dp_worker_start(struct dp *dp, unsigned cpu, struct dp_worker **ret, struct err *err)
{
	struct dp_worker *w = aligned_alloc(64, sizeof(*w));
	int rc;

	if (w == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a worker");
	memset(w, 0, sizeof(*w));
	while (dp->workers[w->index] != NULL)
		w->index++;
	w->cpu = cpu;
	rc = worker_prepare(dp, w);
	if (rc != 0)
		err_set(err, rc, "no-memory", "no memory for a worker on core %u", cpu);
	else
		rc = spawn(w, err);
	if (rc != 0) {
		worker_free(dp, w);
		return rc;
	}
	*ret = w;
	return 0;
}

void dp_worker_stop(struct dp_worker *w)
{
	struct dp *dp = w->dp;
	struct rte_mbuf *m;

	atomic_store(&w->stop, true);
	dp_worker_kick(w);
	pthread_join(w->thread, NULL);
	/* It may have slept since this changed. */
	w->view = atomic_load(&dp->view);
	/* Its last frames: what others handed over before they learned that it is gone. */
	while (rte_ring_sc_dequeue(w->inbox, (void **)&m) == 0) {
		uint16_t id = m->vlan_tci_outer;

		if ((id & DP_INBOX_COMES_IN) != 0) {
			id = (uint16_t)(id - DP_INBOX_COMES_IN);
			w->count->ports[id]->held_rx--;
			w->count->ports[id]->drops_rx[DP_DROP_PORT_REMOVED]++;
			rte_pktmbuf_free(m);
			continue;
		}
		w->count->taken++;
		if (w->count->ports[id] != NULL) {
			w->count->ports[id]->offered++;
			w->count->ports[id]->drops_tx[DP_DROP_PORT_REMOVED]++;
		}
		rte_pktmbuf_free(m);
	}
	worker_free(dp, w);
}

void dp_pause(struct dp *dp)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];

		if (w == NULL)
			continue;
		atomic_fetch_add(&w->pause_wanted, 1);
		dp_worker_kick(w);
	}
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];

		while (w != NULL && atomic_load(&w->pause_done) != atomic_load(&w->pause_wanted))
			sched_yield();
	}
}

void dp_resume(struct dp *dp)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			atomic_fetch_add(&dp->workers[i]->pause_wanted, 1);
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];

		while (w != NULL && atomic_load(&w->pause_done) != atomic_load(&w->pause_wanted))
			sched_yield();
	}
}

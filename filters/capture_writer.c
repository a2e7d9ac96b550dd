/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The writer thread: drains every capture's rings, oldest frame first, into pcapng blocks.
 *
 * One thread for all captures, asleep when there is none.  Each round reads both clocks, then
 * takes from the rings what is older than two milliseconds before that: so frames of several
 * workers come out in order, although each worker publishes its own at its own pace.  An output
 * that cannot take more is skipped and its rings fill up; the other captures do not notice.
 *
 * 	RUN --stopped and drained, count reached--> STATS --written--> FLUSH --> ENDED
 * 	any phase --output failed, reader gone or stuck--------------------------> ENDED
 */
#include "filters/capture_priv.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#define ROUND_MIN_NS 1000000u  /* sleep after a round that wrote something */
#define ROUND_MAX_NS 10000000u /* after many that did not */
#define READER_NS    100000000u
#define SETTLE_MS    2u /* a worker publishes a burst well within this */

struct head {
	struct filter_ring *ring;
	struct filter_rec *rec; /* the oldest; NULL: none that is due */
	uint64_t end;		/* of what was published when the round began */
};

static void look(struct head *head, uint64_t horizon)
{
	head->rec = filter_ring_peek(head->ring, head->end);
	if (head->rec != NULL && head->rec->tsc > horizon)
		head->rec = NULL;
}

static unsigned look_at_all(struct filter_capture *c, struct head *heads, uint64_t horizon)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FILTER_MAX_WORKERS; i++) {
		struct filter_lane *lane = atomic_load_explicit(&c->lanes[i], memory_order_acquire);

		if (lane == NULL)
			continue;
		heads[n].ring = lane->ring;
		heads[n].end = atomic_load_explicit(&lane->ring->head, memory_order_acquire);
		look(&heads[n++], horizon);
	}
	return n;
}

static enum filter_step drain(struct filter_capture *c, uint64_t horizon)
{
	struct head heads[FILTER_MAX_WORKERS];
	unsigned n = look_at_all(c, heads, horizon);

	for (;;) {
		struct head *oldest = NULL;
		enum filter_step step;

		for (unsigned i = 0; i < n; i++)
			if (heads[i].rec != NULL &&
			    (oldest == NULL || heads[i].rec->tsc < oldest->rec->tsc))
				oldest = &heads[i];
		if (oldest == NULL)
			return FILTER_STEP_DONE;
		if ((oldest->rec->flags & FILTER_REC_CSUM) != 0 &&
		    oldest->rec->cap_len == oldest->rec->pkt_len) {
			filter_csum_finish((uint8_t *)(oldest->rec + 1), oldest->rec->cap_len,
					   oldest->rec->l2_len, oldest->rec->l3_len,
					   oldest->rec->flags);
			oldest->rec->flags &=
				~FILTER_REC_CSUM; /* Done, should the output block here. */
		}
		step = filter_blocks_packet(c, oldest->rec);
		if (step != FILTER_STEP_DONE)
			return step;
		filter_ring_pop(oldest->ring, oldest->rec);
		look(oldest, horizon);
		if (c->max_packets != 0 && c->written == c->max_packets)
			return FILTER_STEP_LIMIT;
	}
}

static void end(struct filter_capture *c, int error, const char *reason)
{
	const uint64_t one = 1;
	ssize_t n;

	filter_file_discard(c->file);
	filter_file_close(c->file);
	c->file = NULL;
	c->error = error;
	snprintf(c->reason, sizeof(c->reason), "%s", reason);
	atomic_store_explicit(&c->active, false, memory_order_relaxed);
	atomic_store_explicit(&c->state, FILTER_CAPTURE_ENDED, memory_order_release);
	n = write(c->set->event_fd, &one,
		  sizeof(one)); /* Cannot fail but when it is readable already. */
	(void)n;
}

static void publish_counts(struct filter_capture *c)
{
	struct filter_file_counts counts = filter_file_counts(c->file);

	atomic_store_explicit(&c->captured, c->written - counts.unwritten, memory_order_relaxed);
	atomic_store_explicit(&c->bytes, counts.bytes, memory_order_relaxed);
	atomic_store_explicit(&c->files, counts.files, memory_order_relaxed);
}

static void end_failed(struct filter_capture *c)
{
	int error = filter_file_error(c->file);
	char text[FILTER_TEXT_SIZE];

	if (error == -EPIPE || error == -ECONNRESET)
		snprintf(text, sizeof(text), "the reader closed the pipe");
	else if (error == -ENOSPC || error == -EDQUOT)
		snprintf(text, sizeof(text), "the disk is full: %s", strerror(-error));
	else
		snprintf(text, sizeof(text), "writing failed: %s", strerror(-error));
	publish_counts(c);
	end(c, error, text);
}

static void end_as_asked(struct filter_capture *c, bool stopping)
{
	char text[FILTER_TEXT_SIZE];

	if (stopping)
		snprintf(text, sizeof(text), "%s", c->stop_reason);
	else
		snprintf(text, sizeof(text), "captured the %llu packets asked for",
			 (unsigned long long)c->max_packets);
	publish_counts(c);
	end(c, 0, text);
}

/* A stopped capture whose reader does not read is given up after a while. */
static bool give_up(struct filter_capture *c, uint64_t now_ns)
{
	uint64_t bytes = filter_file_counts(c->file).bytes;

	if (c->stuck_ns == 0 || c->stuck_bytes != bytes) {
		c->stuck_ns = now_ns;
		c->stuck_bytes = bytes;
	}
	if (now_ns - c->stuck_ns < FILTER_STUCK_NS)
		return false;
	filter_file_discard(c->file);
	publish_counts(c);
	end(c, -ETIMEDOUT, "stopped; the reader did not read the rest");
	return true;
}

static bool lost_reader(struct filter_capture *c, uint64_t now_ns)
{
	if (now_ns - c->poll_ns < READER_NS)
		return false;
	c->poll_ns = now_ns;
	return filter_file_reader_gone(c->file);
}

static void make_lanes(struct filter_capture *c)
{
	for (unsigned i = 0; i < FILTER_MAX_WORKERS; i++) {
		if (!atomic_load_explicit(&c->lane_wanted[i], memory_order_relaxed))
			continue;
		atomic_store_explicit(&c->lane_wanted[i], false, memory_order_relaxed);
		if (atomic_load_explicit(&c->lanes[i], memory_order_relaxed) == NULL)
			atomic_store_explicit(&c->lanes[i], filter_lane_create(c),
					      memory_order_release);
	}
}

/* Does what can be done now: one phase after the other until one must wait. */
static enum filter_step run_phases(struct filter_capture *c, bool stopping, uint64_t horizon)
{
	enum filter_step step;

	if (c->phase == FILTER_PHASE_RUN) {
		step = filter_blocks_head(c);
		if (step == FILTER_STEP_DONE)
			step = drain(c, stopping ? UINT64_MAX : horizon);
		if (step != FILTER_STEP_LIMIT && !(step == FILTER_STEP_DONE && stopping))
			return step;
		c->phase = FILTER_PHASE_STATS;
	}
	if (c->phase == FILTER_PHASE_STATS) {
		step = filter_blocks_stats(c);
		if (step != FILTER_STEP_DONE)
			return step;
		c->phase = FILTER_PHASE_FLUSH;
	}
	if (filter_file_flush(c->file) != 0)
		return filter_blocks_stopped(c);
	return FILTER_STEP_LIMIT;
}

/* True when something moved. */
static bool service(struct filter_capture *c, uint64_t horizon, uint64_t now_ns)
{
	bool stopping =
		atomic_load_explicit(&c->state, memory_order_acquire) == FILTER_CAPTURE_STOPPING;
	uint64_t before = c->written + filter_file_counts(c->file).bytes, oldest;
	enum filter_step step;

	make_lanes(c);
	step = run_phases(c, stopping, horizon);
	oldest = filter_file_oldest_ns(c->file);
	if (step == FILTER_STEP_DONE && oldest != 0 && now_ns > oldest &&
	    now_ns - oldest >= FILTER_FLUSH_NS)
		step = filter_file_flush(c->file) == 0 ? FILTER_STEP_DONE
						       : filter_blocks_stopped(c);
	if (step == FILTER_STEP_FAILED || filter_file_error(c->file) != 0) {
		end_failed(c);
	} else if (step == FILTER_STEP_LIMIT) {
		end_as_asked(c, stopping);
	} else if (step == FILTER_STEP_BLOCKED && stopping && give_up(c, now_ns)) {
		return false;
	} else if (lost_reader(c, now_ns)) {
		filter_file_discard(c->file);
		publish_counts(c);
		end(c, -EPIPE, "the reader closed the pipe");
	} else {
		publish_counts(c);
		return c->written + filter_file_counts(c->file).bytes != before;
	}
	return true;
}

static void read_clocks(struct filter_clock *clock)
{
	uint64_t before = rte_rdtsc_precise(), wall = clock_wall_ns(), after = rte_rdtsc_precise();

	filter_clock_sample(clock, before + (after - before) / 2, wall);
}

/* Copies the captures that still run.  False when the thread is to end. */
static bool next_round(struct filter_captures *set, uint64_t sleep_ns, struct filter_capture **ret,
		       unsigned *ret_n)
{
	uint64_t until_ns = clock_mono_ns() + sleep_ns;
	const struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
				       .tv_nsec = (long)(until_ns % 1000000000u)};
	unsigned n = 0;
	bool quit;

	pthread_mutex_lock(&set->lock);
	if (sleep_ns != 0 && !set->quit)
		pthread_cond_timedwait(&set->wake, &set->lock, &until);
	for (;;) {
		for (unsigned i = 0; i < set->n_running; i++)
			if (atomic_load_explicit(&set->running[i]->state, memory_order_acquire) !=
			    FILTER_CAPTURE_ENDED)
				ret[n++] = set->running[i];
		quit = set->quit;
		if (n != 0 || quit)
			break;
		pthread_cond_wait(&set->wake, &set->lock);
	}
	pthread_mutex_unlock(&set->lock);
	*ret_n = n;
	return n != 0 || !quit;
}

void *filter_writer_main(void *arg)
{
	struct filter_captures *set = arg;
	struct filter_capture *captures[FILTER_MAX_CAPTURES];
	const uint64_t settle = rte_get_tsc_hz() / 1000 * SETTLE_MS;
	uint64_t sleep_ns = 0;
	unsigned n;

	while (next_round(set, sleep_ns, captures, &n)) {
		uint64_t now_ns = clock_mono_ns();
		bool busy = false;

		read_clocks(&set->clock);
		for (unsigned i = 0; i < n; i++)
			busy |= service(captures[i], set->clock.tsc - settle, now_ns);
		sleep_ns = busy || sleep_ns == 0 ? ROUND_MIN_NS : sleep_ns * 2;
		if (sleep_ns > ROUND_MAX_NS)
			sleep_ns = ROUND_MAX_NS;
	}
	return NULL;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control thread's half of captures: the set, and how captures end.  See capture.h;
 * how they begin is in capture_make.c, how they get on ports in capture_point.c.
 */
#include "filters/capture_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/utsname.h>

#include <rte_cycles.h>

static void describe_host(struct filter_captures *set)
{
	struct utsname uts;
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	if (uname(&uts) == 0)
		snprintf(set->os, sizeof(set->os), "%.60s %.100s", uts.sysname, uts.release);
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "model name : %150[^\n]", set->hardware) == 1)
			break;
	fclose(f);
}

int filter_captures_create(const char *application, filter_set_point_fn set_point, void *ctx,
			   struct filter_captures **ret_set, struct err *err)
{
	struct filter_captures *set;
	pthread_condattr_t attr;

	if (rte_get_tsc_hz() == 0)
		return err_set(err, -EINVAL, "no-eal",
			       "captures need the dataplane's clock: EAL does not run");
	set = calloc(1, sizeof(*set));
	if (set == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for captures");
	set->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (set->event_fd < 0) {
		free(set);
		return err_set(err, -errno, "no-event", "cannot make an event descriptor: %s",
			       strerror(errno));
	}
	set->application = application;
	set->set_point = set_point;
	set->ctx = ctx;
	set->clock.hz = rte_get_tsc_hz();
	describe_host(set);
	pthread_mutex_init(&set->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&set->wake, &attr);
	pthread_condattr_destroy(&attr);
	*ret_set = set;
	return 0;
}

/* All signals blocked in it: others handle them, and a pipe without a reader is an error, not a
 * SIGPIPE. */
int filter_writer_start(struct filter_captures *set)
{
	sigset_t all, before;
	int rc;

	if (set->thread_started)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&set->thread, NULL, filter_writer_main, set);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return -rc;
	pthread_setname_np(set->thread, "capture");
	set->thread_started = true;
	return 0;
}

void filter_capture_stop(struct filter_capture *c, const char *reason)
{
	int running = FILTER_CAPTURE_RUNNING;

	if (c->reaped ||
	    atomic_load_explicit(&c->state, memory_order_acquire) != FILTER_CAPTURE_RUNNING)
		return;
	atomic_store_explicit(&c->active, false, memory_order_relaxed);
	filter_capture_detach(
		c); /* After this no worker writes to its rings: what is there is all. */
	snprintf(c->stop_reason, sizeof(c->stop_reason), "%s", reason);
	pthread_mutex_lock(&c->set->lock);
	atomic_compare_exchange_strong_explicit(&c->state, &running, FILTER_CAPTURE_STOPPING,
						memory_order_acq_rel, memory_order_acquire);
	pthread_cond_signal(&c->set->wake);
	pthread_mutex_unlock(&c->set->lock);
}

static struct filter_capture *take_ended(struct filter_captures *set)
{
	struct filter_capture *found = NULL;

	pthread_mutex_lock(&set->lock);
	for (unsigned i = 0; i < set->n_running; i++) {
		struct filter_capture *c = set->running[i];

		if (found != NULL)
			set->running[i - 1] = c;
		else if (atomic_load_explicit(&c->state, memory_order_acquire) ==
			 FILTER_CAPTURE_ENDED)
			found = c;
	}
	if (found != NULL)
		set->n_running--;
	pthread_mutex_unlock(&set->lock);
	return found;
}

/* Off its ports, its memory freed, its result kept. */
static void reap(struct filter_captures *set, struct filter_capture *c)
{
	unsigned slot = 0;

	filter_capture_detach(c);
	filter_capture_sum(c, &c->final);
	/* Beyond a packet count nobody asked for more; else what was kept and is not there was
	 * lost. */
	if (c->max_packets == 0 || c->final.captured < c->max_packets)
		c->final.lost_output = c->final.kept - c->final.captured;
	c->reaped = true;
	filter_capture_release(c);
	for (unsigned i = 0; i < FILTER_KEPT_ENDED; i++) {
		if (set->ended[i] == NULL ||
		    (set->ended[slot] != NULL && set->ended[i]->number < set->ended[slot]->number))
			slot = i;
	}
	filter_capture_free(set->ended[slot]);
	set->ended[slot] = c;
}

void filter_captures_poll(struct filter_captures *set)
{
	struct filter_capture *c;
	uint64_t count;
	ssize_t n = read(set->event_fd, &count, sizeof(count));

	(void)n; /* Not readable: nothing ended since, and nothing is found below. */
	while ((c = take_ended(set)) != NULL) {
		char name[sizeof(c->name)], reason[sizeof(c->reason)];
		struct filter_capture_info info;

		reap(set, c);
		filter_capture_info(c, &info);
		/* Copies: 'on_end' may start another of that name, which makes the set forget
		 * this one. */
		snprintf(name, sizeof(name), "%s", c->name);
		snprintf(reason, sizeof(reason), "%s", c->reason);
		info.name = name;
		info.reason = reason;
		if (c->on_end != NULL)
			c->on_end(c->ctx, &info);
	}
}

int filter_captures_fd(const struct filter_captures *set)
{
	return set->event_fd;
}

void filter_captures_destroy(struct filter_captures *set)
{
	if (set == NULL)
		return;
	for (unsigned i = 0; i < set->n_running; i++)
		filter_capture_stop(set->running[i], "the daemon ends");
	pthread_mutex_lock(&set->lock);
	set->quit = true;
	pthread_cond_signal(&set->wake);
	pthread_mutex_unlock(&set->lock);
	if (set->thread_started)
		pthread_join(set->thread, NULL); /* Ends when all captures have. */
	for (unsigned i = 0; i < set->n_running; i++)
		filter_capture_detach(set->running[i]);
	for (unsigned i = 0; i < set->n_running; i++)
		filter_capture_free(set->running[i]);
	for (unsigned i = 0; i < FILTER_KEPT_ENDED; i++)
		filter_capture_free(set->ended[i]);
	pthread_mutex_destroy(&set->lock);
	pthread_cond_destroy(&set->wake);
	close(set->event_fd);
	free(set);
}

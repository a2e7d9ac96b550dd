/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a capture begins: options checked, filter compiled, output opened, rings made; then the
 * writer sees it.  And how its memory is given back.  Control thread, but for lanes that the
 * writer makes for late workers.  See capture.h.
 */
#include "filters/capture_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#define DEFAULT_SHARE	  10
#define DEFAULT_RING_SIZE (4u * 1024 * 1024)
#define MAX_RING_SIZE	  (1024u * 1024 * 1024)
#define MIN_RING_SIZE	  (512u * 1024) /* more than the largest record */
#define DEFAULT_N_FILES	  10
#define DEFAULT_FILE_SIZE 100000000u
#define MIN_FILE_SIZE	  65536u

struct filter_lane *filter_lane_create(const struct filter_capture *capture)
{
	struct filter_lane *lane = calloc(1, sizeof(*lane));

	if (lane == NULL)
		return NULL;
	lane->ring = filter_ring_create(capture->ring_size);
	if (filter_match_needs_scratch(capture->match))
		lane->scratch = malloc(FILTER_SCRATCH_SIZE);
	if (lane->ring == NULL ||
	    (filter_match_needs_scratch(capture->match) && lane->scratch == NULL)) {
		filter_lane_destroy(lane);
		return NULL;
	}
	filter_budget_init(&lane->budget, rte_rdtsc(), capture->share, capture->window);
	return lane;
}

void filter_lane_destroy(struct filter_lane *lane)
{
	if (lane == NULL)
		return;
	filter_ring_destroy(lane->ring);
	free(lane->scratch);
	free(lane);
}

void filter_capture_release(struct filter_capture *c)
{
	for (unsigned i = 0; i < FILTER_MAX_WORKERS; i++) {
		filter_lane_destroy(c->lanes[i]);
		c->lanes[i] = NULL;
	}
	for (unsigned i = 0; c->ifaces != NULL && i < c->n_ifaces; i++)
		free(c->ifaces[i]);
	free(c->ifaces);
	c->ifaces = NULL;
	c->n_ifaces = 0;
	free(c->iface_ids);
	c->iface_ids = NULL;
	filter_file_close(c->file);
	c->file = NULL;
}

void filter_capture_free(struct filter_capture *c)
{
	if (c == NULL)
		return;
	filter_capture_release(c);
	filter_match_destroy(c->match);
	free(c->expr);
	free(c);
}

static int check_opts(struct filter_captures *set, const struct filter_capture_opts *o,
		      struct err *err)
{
	struct filter_capture *same = o->name == NULL ? NULL : filter_capture_find(set, o->name);

	if (o->name != NULL && (o->name[0] == '\0' || strlen(o->name) >= DP_PORT_NAME_SIZE))
		return err_set(err, -EINVAL, "bad-capture",
			       "a capture's name has 1 to %d characters", DP_PORT_NAME_SIZE - 1);
	if (same != NULL && !same->reaped) {
		err_set(err, -EEXIST, "capture-exists", "capture '%s' is running", o->name);
		err_fix(err, "vswitchctl capture stop %s", o->name);
		return -EEXIST;
	}
	if (set->n_running == FILTER_MAX_CAPTURES)
		return err_set(err, -ENOSPC, "too-many-captures", "%d captures are running already",
			       FILTER_MAX_CAPTURES);
	if (o->share > 100)
		return err_set(err, -EINVAL, "bad-capture", "share %u: must be 1 to 100 percent",
			       o->share);
	if (o->snaplen > FILTER_SNAPLEN_MAX)
		return err_set(err, -EINVAL, "bad-capture", "snaplen %u: at most %u", o->snaplen,
			       FILTER_SNAPLEN_MAX);
	if (o->ring_size > MAX_RING_SIZE)
		return err_set(err, -EINVAL, "bad-capture", "ring of %zu bytes: at most %u",
			       o->ring_size, MAX_RING_SIZE);
	if ((o->stages & ~(FILTER_CAPTURE_INGRESS | FILTER_CAPTURE_EGRESS | FILTER_CAPTURE_DROP)) !=
	    0)
		return err_set(err, -EINVAL, "bad-capture", "unknown capture stage");
	if (o->fd < 0 && (o->dir_fd < 0 || o->base == NULL))
		return err_set(err, -EINVAL, "bad-output", "a capture needs an output");
	if (o->fd < 0 && o->file_size != 0 && o->file_size < MIN_FILE_SIZE)
		return err_set(err, -EINVAL, "bad-output",
			       "capture files of %" PRIu64 " bytes: at least %u", o->file_size,
			       MIN_FILE_SIZE);
	return 0;
}

static size_t ring_size(size_t asked)
{
	size_t size = MIN_RING_SIZE;

	if (asked == 0)
		return DEFAULT_RING_SIZE;
	while (size < asked)
		size *= 2;
	return size;
}

static struct filter_capture *alloc(struct filter_captures *set,
				    const struct filter_capture_opts *o)
{
	struct filter_capture *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->set = set;
	c->active = true;
	c->stages = o->stages != 0 ? o->stages : FILTER_CAPTURE_INGRESS | FILTER_CAPTURE_EGRESS;
	c->share = o->share != 0 ? o->share : DEFAULT_SHARE;
	c->snaplen = o->snaplen != 0 ? o->snaplen : FILTER_SNAPLEN_MAX;
	c->window = rte_get_tsc_hz() / 100;
	c->ring_size = ring_size(o->ring_size);
	c->max_packets = o->max_packets;
	c->on_end = o->on_end;
	c->ctx = o->ctx;
	memset(c->iface_of_port, 0xff, sizeof(c->iface_of_port));
	c->ifaces = calloc(FILTER_MAX_IFACES, sizeof(c->ifaces[0]));
	c->iface_ids = calloc(FILTER_MAX_IFACES, sizeof(c->iface_ids[0]));
	c->expr = strdup(o->expr != NULL ? o->expr : "");
	if (c->ifaces == NULL || c->iface_ids == NULL || c->expr == NULL) {
		filter_capture_free(c);
		return NULL;
	}
	return c;
}

static int open_output(struct filter_capture *c, const struct filter_capture_opts *o,
		       struct err *err)
{
	const struct filter_file_ring ring = {
		.dir_fd = o->dir_fd,
		.base = o->base,
		.n_files = o->n_files != 0 ? o->n_files : DEFAULT_N_FILES,
		.file_size = o->file_size != 0 ? o->file_size : DEFAULT_FILE_SIZE,
		.uid = o->uid,
		.gid = o->gid,
	};

	if (o->fd < 0)
		return filter_file_open_ring(&ring, &c->file, err);
	if (o->dir_fd >= 0)
		close(o->dir_fd);
	return filter_file_open_fd(o->fd, &c->file, err);
}

static void close_fds(const struct filter_capture_opts *o)
{
	if (o->fd >= 0)
		close(o->fd);
	if (o->dir_fd >= 0)
		close(o->dir_fd);
}

static int make_lanes(struct filter_capture *c, unsigned n)
{
	for (unsigned i = 0; i < n && i < FILTER_MAX_WORKERS; i++) {
		c->lanes[i] = filter_lane_create(c);
		if (c->lanes[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void forget_ended(struct filter_captures *set, const char *name)
{
	for (unsigned i = 0; i < FILTER_KEPT_ENDED; i++) {
		if (set->ended[i] == NULL || strcmp(set->ended[i]->name, name) != 0)
			continue;
		filter_capture_free(set->ended[i]);
		set->ended[i] = NULL;
	}
}

/* Names the capture and shows it to the writer. */
static void start(struct filter_captures *set, struct filter_capture *c, const char *name)
{
	c->number = ++set->n_started;
	if (name != NULL)
		snprintf(c->name, sizeof(c->name), "%s", name);
	for (uint64_t k = c->number; name == NULL; k++) {
		snprintf(c->name, sizeof(c->name), "capture%" PRIu64, k);
		if (filter_capture_find(set, c->name) == NULL)
			break;
	}
	forget_ended(set, c->name);
	pthread_mutex_lock(&set->lock);
	set->running[set->n_running++] = c;
	pthread_cond_signal(&set->wake);
	pthread_mutex_unlock(&set->lock);
}

/* All that needs no descriptor. */
static int prepare(struct filter_captures *set, const struct filter_capture_opts *o,
		   struct filter_capture **ret_capture, struct err *err)
{
	struct filter_capture *c;
	int rc = check_opts(set, o, err);

	if (rc != 0)
		return rc;
	c = alloc(set, o);
	if (c == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a capture");
	rc = filter_match_create(c->expr, FILTER_ENGINE_JIT, &c->match, err);
	if (rc != 0)
		filter_capture_free(c);
	else
		*ret_capture = c;
	return rc;
}

int filter_capture_create(struct filter_captures *set, const struct filter_capture_opts *o,
			  struct filter_capture **ret_capture, struct err *err)
{
	struct filter_capture *c = NULL;
	int rc;

	filter_captures_poll(set); /* An ended one may hold the name. */
	rc = prepare(set, o, &c, err);
	if (rc != 0) {
		close_fds(o);
		return rc;
	}
	rc = open_output(c, o, err);
	if (rc == 0 && make_lanes(c, o->n_workers) != 0)
		rc = err_set(err, -ENOMEM, "no-memory",
			     "no memory for capture rings of %zu bytes for %u workers",
			     c->ring_size, o->n_workers);
	if (rc == 0 && filter_writer_start(set) != 0)
		rc = err_set(err, -EAGAIN, "no-thread", "cannot start the capture thread");
	if (rc != 0) {
		filter_capture_free(c);
		return rc;
	}
	start(set, c, o->name);
	*ret_capture = c;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which captures watch which ports.  Control thread.  A port's point is made anew for each change
 * and hung on the port in place of the old one, which is freed when no worker can see it any
 * more; see capture.h.
 */
#include "filters/capture_priv.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool watches(const struct filter_capture *c, uint16_t port_id)
{
	return c->iface_of_port[port_id] != FILTER_NO_IFACE;
}

/* Makes the port's point match the captures.  -ENOMEM leaves it as it was. */
static int rebuild(struct filter_captures *set, uint16_t port_id)
{
	struct dp_capture_point *old = set->points[port_id], *next = NULL;
	uint16_t n = 0;

	for (unsigned i = 0; i < set->n_running; i++)
		n += watches(set->running[i], port_id);
	if (n != 0) {
		next = calloc(1, sizeof(*next) + n * sizeof(next->watches[0]));
		if (next == NULL)
			return -ENOMEM;
		next->port_id = port_id;
	}
	for (unsigned i = 0; i < set->n_running && next != NULL; i++) {
		struct filter_capture *c = set->running[i];
		uint16_t id = c->iface_of_port[port_id];

		if (id != FILTER_NO_IFACE)
			next->watches[next->n++] = (struct filter_watch){c, c->ifaces[id], id};
	}
	set->points[port_id] = next;
	set->set_point(set->ctx, port_id, next);
	free(old);
	return 0;
}

/* Rebuilding without a capture must not fail: without memory the port loses its other captures as
 * well, which is better than a worker that follows a pointer to a capture that is gone. */
static void rebuild_or_clear(struct filter_captures *set, uint16_t port_id)
{
	struct dp_capture_point *old = set->points[port_id];

	if (rebuild(set, port_id) == 0)
		return;
	set->points[port_id] = NULL;
	set->set_point(set->ctx, port_id, NULL);
	free(old);
}

/* The same port may have been here before: then it keeps its place in the file. */
static int find_iface(const struct filter_capture *c, const char *name, const char *description)
{
	for (unsigned i = 0; i < c->n_ifaces; i++)
		if (atomic_load_explicit(&c->ifaces[i]->gone, memory_order_relaxed) &&
		    strcmp(c->ifaces[i]->name, name) == 0 &&
		    strcmp(c->ifaces[i]->description, description) == 0)
			return (int)i;
	return -ENOENT;
}

static int make_iface(struct filter_capture *c, const char *name, const char *description)
{
	unsigned n = c->n_ifaces;
	struct filter_iface *iface;

	if (n == FILTER_MAX_IFACES)
		return -ENOSPC;
	iface = aligned_alloc(alignof(struct filter_iface), sizeof(*iface));
	if (iface == NULL)
		return -ENOMEM;
	memset(iface, 0, sizeof(*iface));
	snprintf(iface->name, sizeof(iface->name), "%s", name);
	snprintf(iface->description, sizeof(iface->description), "%s", description);
	iface->start_ns = clock_wall_ns();
	c->ifaces[n] = iface;
	atomic_store_explicit(&c->n_ifaces, n + 1, memory_order_release);
	return (int)n;
}

static int refuse(int rc, const char *name, struct err *err)
{
	if (rc == -ENOSPC)
		return err_set(err, rc, "too-many-ports",
			       "cannot capture on %s: %d ports came and went already", name,
			       FILTER_MAX_IFACES);
	return err_set(err, rc, "no-memory", "no memory to capture on %s", name);
}

int filter_capture_port_add(struct filter_capture *c, uint16_t port_id, const char *name,
			    const char *description, struct err *err)
{
	char short_description[FILTER_TEXT_SIZE], short_name[DP_PORT_NAME_SIZE];
	int id;

	if (port_id >= DP_MAX_PORTS)
		return err_set(err, -EINVAL, "bad-capture", "no such port");
	if (c->reaped || watches(c, port_id) ||
	    atomic_load_explicit(&c->state, memory_order_acquire) != FILTER_CAPTURE_RUNNING)
		return 0;
	snprintf(short_name, sizeof(short_name), "%s", name);
	snprintf(short_description, sizeof(short_description), "%s",
		 description != NULL ? description : "");
	id = find_iface(c, short_name, short_description);
	if (id < 0)
		id = make_iface(c, short_name, short_description);
	if (id < 0)
		return refuse(id, name, err);
	atomic_store_explicit(&c->ifaces[id]->gone, false, memory_order_relaxed);
	c->iface_of_port[port_id] = (uint16_t)id;
	if (rebuild(c->set, port_id) != 0) {
		c->iface_of_port[port_id] = FILTER_NO_IFACE;
		atomic_store_explicit(&c->ifaces[id]->gone, true, memory_order_relaxed);
		return refuse(-ENOMEM, name, err);
	}
	return 0;
}

/* Returns the port's iface, or FILTER_NO_IFACE when it was not watched. */
static uint16_t unwatch(struct filter_capture *c, uint16_t port_id)
{
	uint16_t id = port_id < DP_MAX_PORTS ? c->iface_of_port[port_id] : FILTER_NO_IFACE;

	if (id != FILTER_NO_IFACE) {
		c->iface_of_port[port_id] = FILTER_NO_IFACE;
		rebuild_or_clear(c->set, port_id);
	}
	return id;
}

void filter_capture_port_remove(struct filter_capture *c, uint16_t port_id)
{
	uint16_t id = unwatch(c, port_id);

	if (id != FILTER_NO_IFACE)
		atomic_store_explicit(&c->ifaces[id]->gone, true, memory_order_relaxed);
}

void filter_captures_port_gone(struct filter_captures *set, uint16_t port_id)
{
	for (unsigned i = 0; i < set->n_running; i++)
		filter_capture_port_remove(set->running[i], port_id);
}

void filter_captures_port_renew(struct filter_captures *set, uint16_t port_id)
{
	if (port_id < DP_MAX_PORTS && set->points[port_id] != NULL)
		set->set_point(set->ctx, port_id, set->points[port_id]);
}

/* Its ports are not gone: the writer may yet have to name them. */
void filter_capture_detach(struct filter_capture *c)
{
	for (uint16_t port_id = 0; port_id < DP_MAX_PORTS; port_id++)
		unwatch(c, port_id);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See loop.h.
 */
#include "hv/worker/loop.h"

#include <stdlib.h>

#include <event2/event.h>

struct watch {
	struct event *event;
	void (*ready)(void *arg);
	void *arg;
};

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
	const struct watch *watch = ctx;

	watch->ready(watch->arg);
}

static void *loop_add(void *ctx, int fd, void (*ready)(void *arg), void *arg)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	*watch = (struct watch){.ready = ready, .arg = arg};
	watch->event = event_new(ctx, fd, EV_READ | EV_PERSIST, on_ready, watch);
	if (watch->event != NULL && event_add(watch->event, NULL) == 0)
		return watch;
	if (watch->event != NULL)
		event_free(watch->event);
	free(watch);
	return NULL;
}

static void loop_remove(void *ctx, void *handle)
{
	struct watch *watch = handle;

	event_free(watch->event);
	free(watch);
}

struct vmbus_loop worker_loop(struct event_base *base)
{
	return (struct vmbus_loop){.add = loop_add, .remove = loop_remove, .ctx = base};
}

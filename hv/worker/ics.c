/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ics.h.
 */
#include "hv/worker/ics.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "hv/worker/loop.h"
#include "vmbus/ic_heartbeat.h"
#include "vmbus/ic_shutdown.h"

#define SLUG   "services"
#define TICK_S 1

struct ics {
	struct ics_opts opts;
	struct vmbus_loop loop;
	struct ic_env env;
	struct event *tick;
	bool runs;
	struct ic_heartbeat *heartbeat;
	struct ic_shutdown *shutdown;
};

/* ---- Time ---- */

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct ics *ics = ctx;
	uint64_t now_ns = clock_mono_ns();

	ic_heartbeat_tick(ics->heartbeat, now_ns);
	ic_shutdown_tick(ics->shutdown, now_ns);
}

static void resumed(struct ics *ics)
{
	uint64_t now_ns = clock_mono_ns();

	ic_heartbeat_resumed(ics->heartbeat, now_ns);
	ic_shutdown_resumed(ics->shutdown, now_ns);
}

void ics_run(struct ics *ics, bool runs)
{
	const struct timeval second = {.tv_sec = TICK_S};

	if (ics->runs == runs)
		return;
	ics->runs = runs;
	if (!runs) {
		event_del(ics->tick);
		return;
	}
	resumed(ics);
	event_add(ics->tick, &second);
}

/* ---- Services ---- */

static void on_event(void *ctx, const char *text)
{
	const struct ics *ics = ctx;

	ics->opts.event(ics->opts.ctx, text);
}

static void on_heartbeat(void *ctx, enum heartbeat_state state)
{
	const struct ics *ics = ctx;

	if (state != HEARTBEAT_NONE)
		ics->opts.heartbeat(ics->opts.ctx, state == HEARTBEAT_OK);
}

static void on_shutdown(void *ctx, int error)
{
	const struct ics *ics = ctx;

	if (error == -EIO)
		ics->opts.shutdown_failed(ics->opts.ctx, "the guest refuses to shut down");
	else if (error == -ETIMEDOUT)
		ics->opts.shutdown_failed(ics->opts.ctx,
					  "the guest does not answer that it shuts down");
}

bool ics_shutdown(struct ics *ics)
{
	int rc = ic_shutdown_request(ics->shutdown, SHUTDOWN_POWER_OFF, true,
				     "the host asks this machine to stop");

	return rc == 0 || rc == -EBUSY;
}

const char *ics_heartbeat(const struct ics *ics)
{
	struct ic_heartbeat_info info;

	ic_heartbeat_info(ics->heartbeat, &info);
	return heartbeat_state_name(info.state);
}

/* ---- Life ---- */

static int make(struct ics *ics)
{
	const struct ic_heartbeat_opts heartbeat = {.changed = on_heartbeat, .ctx = ics};
	const struct ic_shutdown_opts shutdown = {.done = on_shutdown, .ctx = ics};
	int rc = ic_heartbeat_create(&ics->env, &heartbeat, &ics->heartbeat);

	if (rc == 0)
		rc = ic_shutdown_create(&ics->env, &shutdown, &ics->shutdown);
	return rc;
}

int ics_create(const struct ics_opts *opts, struct ics **ret_ics, struct err *err)
{
	struct ics *ics = calloc(1, sizeof(*ics));
	int rc = -ENOMEM;

	if (ics == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	ics->opts = *opts;
	ics->loop = worker_loop(opts->base);
	ics->env = (struct ic_env){.server = opts->server,
				   .loop = &ics->loop,
				   .event = on_event,
				   .ctx = ics};
	ics->tick = event_new(opts->base, -1, EV_PERSIST, on_tick, ics);
	if (ics->tick != NULL)
		rc = make(ics);
	if (rc != 0) {
		ics_destroy(ics);
		return err_set(err, rc, SLUG, "cannot make the integration services");
	}
	*ret_ics = ics;
	return 0;
}

void ics_destroy(struct ics *ics)
{
	if (ics == NULL)
		return;
	ic_shutdown_destroy(ics->shutdown);
	ic_heartbeat_destroy(ics->heartbeat);
	if (ics->tick != NULL)
		event_free(ics->tick);
	free(ics);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the switch does by itself: devices that went and came back, and the loop guard.  Control
 * thread, from the tick and from the interface monitor.
 */
#include "vswitch/vs.h"

#include "ctl/base/clock.h"
#include "dataplane/fdb.h"
#include "vswitch/takeover.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define RETRY_NS    1000000000u
#define HOLD_TICKS  100 /* ten seconds */
#define LOOP_WINDOW 10	/* ticks: a second */
#define LOOP_MOVES  32u /* addresses gained and lost again in a window */

static int republish(struct vs *vs)
{
	struct dp_view *view = vs_view_compile(vs, vs->model);

	return view == NULL ? -1 : dp_view_publish(vs->dp, view, NULL);
}

/* The interface under a port is gone: close the device, keep the port. */
static bool lost(struct vs *vs, const struct vs_port *p, struct vs_live *live)
{
	char name[IF_NAMESIZE];
	const char *device = json_string_value(json_object_get(p->body, "device"));

	if (live->port == NULL || live->ifindex <= 0)
		return false;
	if (if_indextoname((unsigned)live->ifindex, name) != NULL &&
	    strcmp(name, device != NULL ? device : p->name) == 0)
		return false;
	return true;
}

static void close_lost(struct vs *vs, const struct vs_port *p, struct vs_live *live)
{
	struct vs_live gone = *live;

	live->port = NULL;
	live->ifindex = -1;
	snprintf(live->reason, sizeof(live->reason), "its interface is gone");
	live->retry_ns = clock_mono_ns() + RETRY_NS;
	(void)republish(vs);
	vs_device_close(vs, &gone);
	vs_event(vs, "port-waits", p->name, "port %s waits: its interface is gone", p->name);
}

static bool try_again(struct vs *vs, const struct vs_port *p, struct vs_live *live)
{
	struct err err = {0};

	live->retry_ns = clock_mono_ns() + RETRY_NS;
	if (vs_device_open(vs, p, live, &err) != 0) {
		if (strcmp(live->reason, err.what) != 0)
			snprintf(live->reason, sizeof(live->reason), "%s", err.what);
		return false;
	}
	live->reason[0] = '\0';
	return true;
}

/* An uplink that came late carries the host's addresses still. */
static void take_addresses(struct vs *vs)
{
	struct err err = {0};

	if (vs_takeovers_engage(vs, vs->model, &err) != 0)
		vs_event(vs, "takeover", NULL, "%s", err.what);
}

static void look_at_devices(struct vs *vs, bool now)
{
	uint16_t back[DP_MAX_PORTS]; /* of the model, by index */
	unsigned n_back = 0;

	for (unsigned i = 0; vs->port_ids != NULL && i < vs->model->n_ports; i++) {
		const struct vs_port *p = &vs->model->ports[i];
		uint16_t id = vs->port_ids[i];
		struct vs_live *live;

		if (id == DP_NO_PORT)
			continue;
		live = &vs->live[id];
		if (lost(vs, p, live))
			close_lost(vs, p, live);
		else if (live->port == NULL && (now || clock_mono_ns() >= live->retry_ns) &&
			 try_again(vs, p, live))
			back[n_back++] = (uint16_t)i;
	}
	if (n_back != 0) {
		(void)republish(vs);
		take_addresses(vs);
	}
	/* Told when workers have it: captures hang themselves on then. */
	for (unsigned i = 0; i < n_back; i++)
		vs_event(vs, "port-back", vs->model->ports[back[i]].name, "port %s is back",
			 vs->model->ports[back[i]].name);
}

void vs_interface_changed(struct vs *vs, const char *ifname)
{
	look_at_devices(vs, true);
}

/* A port that keeps gaining addresses which another takes back is one end of a loop.  Of the two
 * the wire is held, not a machine; of two alike the one with the higher id. */
static void loop_guard(struct vs *vs)
{
	bool changed = false;

	for (unsigned i = 0; vs->port_ids != NULL && i < vs->model->n_ports; i++) {
		const struct vs_port *p = &vs->model->ports[i];
		uint16_t id = vs->port_ids[i];
		uint32_t gained, lost_macs;

		if (id == DP_NO_PORT)
			continue;
		if (vs->held[id] != 0) {
			vs->held[id] =
				(uint16_t)(vs->held[id] > LOOP_WINDOW ? vs->held[id] - LOOP_WINDOW
								      : 0);
			if (vs->held[id] == 0) {
				changed = true;
				vs_event(vs, "loop-end", p->name, "port %s forwards again",
					 p->name);
			}
		}
		dp_fdb_moves(dp_fdb(vs->dp), id, &gained, &lost_macs);
		if (!p->sw->loop_guard || p->kind != VS_PHYS || gained < LOOP_MOVES ||
		    lost_macs < LOOP_MOVES || vs->held[id] != 0)
			continue;
		vs->held[id] = HOLD_TICKS;
		changed = true;
		vs_event(vs, "loop", p->name,
			 "port %s is held for ten seconds: %u addresses moved to it and %u away in "
			 "a second, as in a loop",
			 p->name, gained, lost_macs);
	}
	if (changed)
		(void)republish(vs);
}

void vs_tick(struct vs *vs)
{
	vs->ticks++;
	if (vs->ticks % 5 == 0)
		look_at_devices(vs, false);
	if (vs->ticks % LOOP_WINDOW == 0)
		loop_guard(vs);
}

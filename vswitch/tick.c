/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the switch does by itself: devices that went and came back, and the loop guard
 * (loop_guard.c).  Control thread, from the tick and from the interface monitor.
 */
#include "vswitch/filters.h"
#include "vswitch/vs.h"

#include "ctl/base/clock.h"
#include "vswitch/controllers.h"
#include "vswitch/switch_flows.h"
#include "vswitch/takeover.h"
#include "vswitch/vm.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define RETRY_NS 1000000000u

int vs_republish(struct vs *vs)
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
	(void)vs_republish(vs);
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
		(void)vs_republish(vs);
		take_addresses(vs);
	}
	/* Told when workers have it: captures hang themselves on then. */
	for (unsigned i = 0; i < n_back; i++) {
		dp_link_look(vs->dp, vs->port_ids[back[i]]);
		vs_event(vs, "port-back", vs->model->ports[back[i]].name, "port %s is back",
			 vs->model->ports[back[i]].name);
	}
}

void vs_interface_changed(struct vs *vs, const char *ifname)
{
	look_at_devices(vs, true);
}

void vs_tick(struct vs *vs)
{
	vs->ticks++;
	if (vs->ticks % 5 == 0)
		look_at_devices(vs, false);
	if (vs_loop_guard_tick(vs))
		(void)vs_republish(vs);
	vs_switch_flows_tick(vs);
	vs_controllers_tick(vs);
	vs_filters_tick(vs);
	vs_policies_tick(vs);
	if (vs->vms != NULL)
		vs_vms_tick(vs->vms);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See guest_rig.h.
 */
#include "tests/support/guest_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t mac[6] = {0x02, 0x15, 0x5d, 1, 2, 3};

void guest_rig_init(struct guest_rig *rig)
{
	*rig = (struct guest_rig){
		.nic = {.mtu = 1500,
			.max_queues = 4,
			.link_up = true,
			.speed_mbps = 10000,
			.offloads = true,
			.rsc = true,
			.mac_change = true,
			.name = "nic0"},
		.timeout_ms = 5000,
	};
	memcpy(rig->nic.mac, mac, sizeof(mac));
}

void guest_rig_work(struct guest_rig *rig)
{
	if (rig->vsp != NULL)
		fake_vsp_work(rig->vsp);
}

static void work(void *ctx)
{
	guest_rig_work(ctx);
}

void guest_rig_connect(struct guest_rig *rig, const struct guest_net_conf *conf)
{
	const struct guest_profile *profile =
		conf->profile != NULL ? conf->profile : guest_profiles[0];
	struct guest_local_opts opts = {
		.memory_size = guest_net_memory_size(conf) + (4u << 20),
		.split = rig->split,
		.host_version = rig->host_version,
		.bus = {.versions = profile->bus_versions,
			.monitor = true,
			.timeout_ms = rig->timeout_ms},
		.work = work,
		.ctx = rig,
	};
	struct err err = {0};

	if (rig->split) /* no buffer may lie in both halves */
		opts.memory_size *= 2;
	assert_int_equal(guest_local_create(&opts, &rig->local, &err), 0);
	rig->vsp = malloc(sizeof(*rig->vsp));
	assert_non_null(rig->vsp);
	assert_int_equal(fake_vsp_init(rig->vsp, guest_local_server(rig->local),
				       &guest_local_memory(rig->local)->map, &rig->nic,
				       rig->monitored),
			 0);
	if (guest_bus_connect(guest_local_bus(rig->local), &err) != 0)
		fail_msg("%s", err.what);
}

void guest_rig_start(struct guest_rig *rig, const struct guest_net_conf *conf)
{
	struct guest_channel *channel;
	struct err err = {0};

	guest_rig_connect(rig, conf);
	channel = guest_local_nic(rig->local, 1000);
	assert_non_null(channel);
	if (guest_net_create(channel, conf, &rig->net, &err) != 0)
		fail_msg("%s", err.what);
}

void guest_rig_stop(struct guest_rig *rig)
{
	struct vmbus_server_info info;

	guest_net_destroy(rig->net);
	assert_int_equal(guest_bus_unload(guest_local_bus(rig->local)), 0);
	vmbus_server_info(guest_local_server(rig->local), &info);
	assert_int_equal(info.n_gpadls, 0);
	assert_int_equal(info.n_gpadl_pages, 0);
	assert_int_equal(info.n_open, 0);
	fake_vsp_fini(rig->vsp);
	guest_local_destroy(rig->local);
	free(rig->vsp);
}

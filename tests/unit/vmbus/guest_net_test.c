/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's half against the host's: whole set-ups in the orders of the guests that there are,
 * frames both ways byte by byte, and what a NIC is asked while it runs.
 */
#include "tests/support/guest_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmbus/oid.h"

#define SMALL (256u * 1024)

/* Buffers that fit a test: the default ones are of 17 to 47 MB. */
static struct guest_net_conf small(const struct guest_profile *profile)
{
	return (struct guest_net_conf){
		.profile = profile,
		.n_queues = 4,
		.recv_size = SMALL,
		.send_size = profile->send_size != 0 ? SMALL : 0,
		.ring_pages = 8,
		.n_slots = 4,
	};
}

static void fill(uint8_t *frame, uint32_t size, unsigned seed)
{
	for (uint32_t i = 0; i < size; i++)
		frame[i] = (uint8_t)(i * 7 + seed * 13 + (i >> 8));
}

static void check_frame(const uint8_t *frame, uint32_t size, unsigned seed)
{
	uint8_t *expected = malloc(size);

	assert_non_null(expected);
	fill(expected, size, seed);
	assert_memory_equal(frame, expected, size);
	free(expected);
}

/* Sends one frame of each size and looks at what the host got. */
static void send_sizes(struct guest_rig *rig, unsigned queue, const uint32_t *sizes, unsigned n)
{
	struct guest_queue *q = guest_net_queue(rig->net, queue);
	static uint8_t frame[GUEST_MAX_FRAME];
	struct guest_frame drain[GUEST_RX_BURST];

	for (unsigned i = 0; i < n; i++) {
		struct guest_frame f = {.data = frame, .size = sizes[i]};

		fill(frame, sizes[i], i);
		assert_int_equal(guest_queue_send(q, &f, 1), 1);
		guest_queue_flush(q);
		guest_rig_work(rig);
		assert_int_equal(rig->vsp->n_frames, 1);
		assert_int_equal(rig->vsp->frames[0].packet.frame_size, sizes[i]);
		assert_int_equal(rig->vsp->frames[0].channel, queue);
		check_frame(rig->vsp->frames[0].data, sizes[i], i);
		fake_vsp_forget(rig->vsp);
		assert_false(guest_queue_idle(q));
		assert_int_equal(guest_queue_receive(q, drain, GUEST_RX_BURST), 0);
		assert_true(guest_queue_idle(q));
	}
	assert_int_equal(rig->vsp->n_bad, 0);
}

static const uint32_t sizes[] = {14,   60,   64,   65,	 127,  128,  129,
				 1514, 4000, 5000, 6000, 9014, 65549};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Sends frames as one packet to the guest, and looks at what it gets. */
static void receive_batch(struct guest_rig *rig, unsigned queue, unsigned n, uint32_t size)
{
	struct guest_queue *q = guest_net_queue(rig->net, queue);
	struct rndis_packet packets[FAKE_MAX_RANGES] = {0};
	uint8_t *frames[FAKE_MAX_RANGES];
	struct guest_frame got[2 * GUEST_RX_BURST];
	uint32_t n_free;

	guest_rig_work(rig); /* answers to questions lie in sections too */
	n_free = rig->vsp->n_free;
	for (unsigned i = 0; i < n; i++) {
		frames[i] = malloc(size);
		fill(frames[i], size, i);
		packets[i] = (struct rndis_packet){.frame_size = size,
						   .has_hash = i % 2 == 0,
						   .hash = 0x1000 + i,
						   .has_vlan = i % 3 == 0,
						   .vlan_tci = (uint16_t)(0xa001 + i),
						   .has_csum = i % 5 == 0,
						   .csum = RNDIS_CSUM_RX_TCP_OK};
	}
	assert_true(fake_vsp_send(rig->vsp, queue, n, (const uint8_t *const *)frames, packets));
	assert_int_equal(rig->vsp->n_free, n_free - n);
	assert_int_equal(guest_queue_receive(q, got, 2 * GUEST_RX_BURST), n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(got[i].size, size);
		check_frame(got[i].data, size, i);
		assert_int_equal((got[i].flags & GUEST_HAS_HASH) != 0, i % 2 == 0);
		assert_int_equal((got[i].flags & GUEST_HAS_VLAN) != 0, i % 3 == 0);
		assert_int_equal((got[i].flags & GUEST_HAS_CSUM) != 0, i % 5 == 0);
		assert_int_equal(got[i].hash, i % 2 == 0 ? 0x1000 + i : 0);
		assert_int_equal(got[i].vlan_tci, i % 3 == 0 ? 0xa001 + i : 0);
		free(frames[i]);
	}
	/* The host has its sections back when the guest says so, and not before. */
	guest_rig_work(rig);
	assert_int_equal(rig->vsp->n_free, n_free - n);
	guest_queue_done(q);
	guest_queue_flush(q);
	guest_rig_work(rig);
	assert_int_equal(rig->vsp->n_free, n_free);
	assert_int_equal(rig->vsp->n_bad_completions, 0);
}

static void every_known_guest_sets_its_nic_up_and_talks(void **state)
{
	for (const struct guest_profile *const *p = guest_profiles; *p != NULL; p++) {
		struct guest_net_conf conf = small(*p);
		struct guest_net_info info;
		struct guest_rig rig;
		unsigned n = (*p)->max_queues < 4 ? (*p)->max_queues : 4;

		guest_rig_init(&rig);
		guest_rig_start(&rig, &conf);
		guest_net_info(rig.net, &info);
		assert_memory_equal(info.mac, rig.nic.mac, 6);
		assert_int_equal(info.mtu, 1500);
		assert_true(info.link_up);
		assert_int_equal(info.n_queues, n);
		assert_int_equal(info.nvsp_version, (*p)->nvsp_versions[0]);
		assert_int_equal(guest_bus_version(guest_local_bus(rig.local)),
				 (*p)->bus_versions[0]);
		for (unsigned q = 0; q < n; q++) {
			send_sizes(&rig, q, sizes, N_SIZES);
			receive_batch(&rig, q, 7, 1514);
		}
		assert_int_equal(netvsp_state(rig.vsp->netvsp)->filter, NETVSP_FILTER_PROMISCUOUS);
		assert_int_equal(netvsp_state(rig.vsp->netvsp)->rss, n > 1);
		for (unsigned f = 0; f < NETVSP_N_FAULTS; f++)
			assert_int_equal(netvsp_faults(rig.vsp->netvsp, f), 0);
		guest_rig_stop(&rig);
	}
}

static void linux_hears_name_speed_and_offloads(void **state)
{
	struct guest_net_conf conf = small(guest_profile_find("linux-6.12"));
	struct guest_net_info info;
	struct guest_rig rig;

	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	guest_net_info(rig.net, &info);
	assert_string_equal(info.name, "nic0");
	assert_int_equal(info.speed_100bps, 10000u * 10000u);
	assert_true(info.csum4 && info.csum6 && info.lso6 && info.rsc);
	assert_true(info.lso_max > 60000);
	assert_true(netvsp_state(rig.vsp->netvsp)->lro4);
	assert_int_equal(guest_net_set_offloads(rig.net, false, false), 0);
	guest_net_info(rig.net, &info);
	assert_false(info.csum4 || info.rsc);
	assert_false(netvsp_state(rig.vsp->netvsp)->lro4);
	guest_rig_stop(&rig);
}

static void every_version_of_nvsp_and_bus_carries_frames(void **state)
{
	static const uint32_t nvsp[] = {NVSP_V1, NVSP_V2, NVSP_V4, NVSP_V5, NVSP_V6, NVSP_V6_1};
	static const uint32_t bus[] = {VMBUS_V3_0, VMBUS_V4_0, VMBUS_V4_1, VMBUS_V5_0,
				       VMBUS_V5_1, VMBUS_V5_2, VMBUS_V5_3};

	for (unsigned b = 0; b < sizeof(bus) / sizeof(bus[0]); b++) {
		for (unsigned v = 0; v < sizeof(nvsp) / sizeof(nvsp[0]); v++) {
			struct guest_net_conf conf = small(guest_profiles[0]);
			struct guest_net_info info;
			struct guest_rig rig;

			conf.max_nvsp = nvsp[v];
			guest_rig_init(&rig);
			rig.host_version = bus[b];
			guest_rig_start(&rig, &conf);
			guest_net_info(rig.net, &info);
			assert_int_equal(info.nvsp_version, nvsp[v]);
			assert_int_equal(guest_bus_version(guest_local_bus(rig.local)), bus[b]);
			assert_int_equal(info.n_queues, nvsp[v] >= NVSP_V5 ? 4 : 1);
			send_sizes(&rig, 0, sizes, 4);
			receive_batch(&rig, info.n_queues - 1u, 3, 100);
			guest_rig_stop(&rig);
		}
	}
}

static void every_way_of_sending_carries_the_same_bytes(void **state)
{
	static const uint32_t heads[] = {0, 4095 - 256, 4096 - 20, 4096 - 300, 2048};

	for (unsigned form = 0; form < 2; form++) {
		for (unsigned mode = 0; mode < 3; mode++) {
			for (unsigned h = 0; h < sizeof(heads) / sizeof(heads[0]); h++) {
				struct guest_net_conf conf = small(guest_profiles[0]);
				struct guest_rig rig;

				conf.pages_form_set = true;
				conf.pages_in_range = form == 1;
				conf.mode = (enum guest_mode)mode;
				conf.head_offset = heads[h];
				conf.scattered = h % 2 == 1;
				guest_rig_init(&rig);
				rig.split = h == 2;
				guest_rig_start(&rig, &conf);
				send_sizes(&rig, 1, sizes, N_SIZES);
				receive_batch(&rig, 1, 33, 1514);
				guest_rig_stop(&rig);
			}
		}
	}
}

static void what_is_said_about_a_frame_goes_with_it(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	uint8_t bytes[9000];
	struct guest_frame frames[] = {
		{.data = bytes, .size = 1000, .flags = GUEST_HAS_CSUM, .csum = 0x220006},
		{.data = bytes, .size = 9000, .flags = GUEST_HAS_LSO, .lso = 0x42205b4},
		{.data = bytes,
		 .size = 60,
		 .flags = GUEST_HAS_VLAN | GUEST_HAS_HASH,
		 .vlan_tci = 0xe123,
		 .hash = 0xdeadbeef},
		{.data = bytes, .size = 61},
	};
	struct guest_rig rig;
	const struct fake_frame *got;

	fill(bytes, sizeof(bytes), 1);
	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	assert_int_equal(guest_queue_send(guest_net_queue(rig.net, 0), frames, 4), 4);
	guest_queue_flush(guest_net_queue(rig.net, 0));
	guest_rig_work(&rig);
	got = rig.vsp->frames;
	assert_int_equal(rig.vsp->n_frames, 4);
	assert_true(got[0].packet.has_csum && !got[0].packet.has_lso);
	assert_int_equal(got[0].packet.csum, 0x220006);
	assert_true(got[1].packet.has_lso && got[1].by_pages);
	assert_int_equal(got[1].packet.lso, 0x42205b4);
	assert_true(got[2].packet.has_vlan && got[2].packet.has_hash);
	assert_int_equal(got[2].packet.vlan_tci, 0xe123);
	assert_int_equal(got[2].packet.hash, 0xdeadbeef);
	assert_false(got[3].packet.has_vlan || got[3].packet.has_csum);
	/* In the order sent, the last two in one section. */
	assert_int_equal(got[2].n_in_packet, 1);
	assert_int_equal(got[3].n_in_packet, 2);
	check_frame(got[3].data, 61, 1);
	guest_rig_stop(&rig);
}

static void frames_of_a_burst_share_sections_as_far_as_the_host_allows(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	uint8_t bytes[64];
	struct guest_frame frames[40];
	struct guest_net_info info;
	struct guest_rig rig;
	unsigned most = 0;

	for (unsigned i = 0; i < 40; i++)
		frames[i] = (struct guest_frame){.data = bytes, .size = 57 + i % 8};
	fill(bytes, sizeof(bytes), 1);
	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	guest_net_info(rig.net, &info);
	assert_int_equal(guest_queue_send(guest_net_queue(rig.net, 0), frames, 40), 40);
	assert_int_equal(rig.vsp->n_frames, 0);
	guest_queue_flush(guest_net_queue(rig.net, 0));
	guest_rig_work(&rig);
	assert_int_equal(rig.vsp->n_frames, 40);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(rig.vsp->frames[i].packet.frame_size, 57 + i % 8);
		check_frame(rig.vsp->frames[i].data, 57 + i % 8, 1);
		if (rig.vsp->frames[i].n_in_packet > most)
			most = rig.vsp->frames[i].n_in_packet;
	}
	assert_int_equal(most, info.max_packets);
	guest_rig_stop(&rig);
}

static void a_large_frame_in_pieces_is_one_frame(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	uint8_t bytes[3][1400];
	const uint8_t *frames[3] = {bytes[0], bytes[1], bytes[2]};
	struct rndis_packet packets[3] = {0};
	struct guest_frame got[GUEST_RX_BURST];
	struct guest_rig rig;

	for (unsigned i = 0; i < 3; i++) {
		fill(bytes[i], 1400, i);
		packets[i] = (struct rndis_packet){.frame_size = 1400,
						   .has_id = true,
						   .id_flags = RNDIS_ID_PIECE};
	}
	packets[0].id_flags |= RNDIS_ID_FIRST;
	packets[2].id_flags |= RNDIS_ID_LAST;
	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	assert_true(fake_vsp_send(rig.vsp, 0, 3, frames, packets));
	assert_int_equal(guest_queue_receive(guest_net_queue(rig.net, 0), got, GUEST_RX_BURST), 3);
	assert_true((got[0].flags & GUEST_MORE) != 0 && (got[1].flags & GUEST_MORE) != 0);
	assert_false((got[2].flags & GUEST_MORE) != 0);
	/* A chain that its packet does not end, ends with it. */
	packets[2].id_flags = RNDIS_ID_PIECE;
	assert_true(fake_vsp_send(rig.vsp, 0, 3, frames, packets));
	assert_int_equal(guest_queue_receive(guest_net_queue(rig.net, 0), got, GUEST_RX_BURST), 3);
	assert_false((got[2].flags & GUEST_MORE) != 0);
	guest_rig_stop(&rig);
}

static void a_slow_host_makes_the_guest_wait_and_no_frame_is_lost(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	struct guest_frame drain[GUEST_RX_BURST];
	uint8_t bytes[1500];
	struct guest_frame f = {.data = bytes, .size = sizeof(bytes)};
	struct guest_queue *q;
	struct guest_rig rig;
	unsigned sent = 0;

	conf.n_queues = 1;
	conf.max_aggregate = 1;
	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	q = guest_net_queue(rig.net, 0);
	while (guest_queue_send(q, &f, 1) == 1)
		sent++;
	guest_queue_flush(q);
	assert_true(sent >= SMALL / 6144 - 1 && sent < 2000);
	assert_int_equal(guest_queue_send(q, &f, 1), 0);
	guest_rig_work(&rig);
	(void)guest_queue_receive(q, drain, GUEST_RX_BURST);
	assert_int_equal(guest_queue_send(q, &f, 1), 1);
	guest_queue_flush(q);
	guest_rig_work(&rig);
	assert_int_equal(rig.vsp->n_from_guest, sent + 1);
	(void)guest_queue_receive(q, drain, GUEST_RX_BURST);
	assert_true(guest_queue_idle(q));
	guest_rig_stop(&rig);
}

static void the_running_nic_takes_changes(void **state)
{
	static const uint8_t other[6] = {2, 2, 2, 2, 2, 2};
	struct guest_net_conf conf = small(guest_profiles[0]);
	uint8_t table[GUEST_TABLE_SIZE], key[GUEST_KEY_SIZE];
	const struct netvsp_state *host;
	struct guest_rig rig;
	bool up;

	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	host = netvsp_state(rig.vsp->netvsp);
	assert_int_equal(guest_net_set_mac(rig.net, other), 0);
	assert_memory_equal(host->mac, other, 6);
	assert_int_equal(guest_net_set_filter(rig.net, 0xb), 0);
	assert_int_equal(host->filter, 0xb);
	for (unsigned i = 0; i < GUEST_TABLE_SIZE; i++)
		table[i] = (uint8_t)(i % 3);
	memset(key, 0x5a, sizeof(key));
	assert_int_equal(guest_net_set_rss(rig.net, true, NETVSP_HASH_IP4, table, key), 0);
	assert_memory_equal(host->table, table, sizeof(table));
	assert_memory_equal(host->key, key, sizeof(key));
	assert_int_equal(guest_net_set_rss(rig.net, false, NETVSP_HASH_IP4, table, key), 0);
	assert_false(host->rss);
	fake_vsp_indicate(rig.vsp, RNDIS_STATUS_DISCONNECT);
	guest_net_poll(rig.net);
	assert_int_equal(guest_net_link(rig.net, &up), 1);
	assert_false(up);
	fake_vsp_indicate(rig.vsp, RNDIS_STATUS_CONNECT);
	guest_net_poll(rig.net);
	assert_int_equal(guest_net_link(rig.net, &up), 2);
	assert_true(up);
	assert_int_equal(guest_net_switch_path(rig.net, true), 0);
	assert_int_equal(guest_net_switch_path(rig.net, false), 0);
	assert_int_equal(guest_net_reset(rig.net), 0);
	guest_rig_stop(&rig);
}

static void the_mtu_is_the_hosts_unless_the_guest_wants_less(void **state)
{
	static const uint16_t mtus[][3] = {{9000, 0, 9000}, {9000, 1500, 1500}, {1400, 0, 1400}};

	for (unsigned i = 0; i < 3; i++) {
		struct guest_net_conf conf = small(guest_profiles[0]);
		const uint32_t longest = mtus[i][2] + 14u;
		struct guest_net_info info;
		struct guest_rig rig;

		conf.mtu = mtus[i][1];
		guest_rig_init(&rig);
		rig.nic.mtu = mtus[i][0];
		guest_rig_start(&rig, &conf);
		guest_net_info(rig.net, &info);
		assert_int_equal(info.mtu, mtus[i][2]);
		send_sizes(&rig, 0, &longest, 1);
		receive_batch(&rig, 0, 3, longest);
		guest_rig_stop(&rig);
	}
}

static void an_address_that_is_not_allowed_is_refused(void **state)
{
	static const uint8_t other[6] = {2, 2, 2, 2, 2, 2};
	struct guest_net_conf conf = small(guest_profiles[0]);
	struct guest_rig rig;

	guest_rig_init(&rig);
	rig.nic.mac_change = false;
	guest_rig_start(&rig, &conf);
	assert_int_equal(guest_net_set_mac(rig.net, other), -EIO);
	assert_memory_equal(netvsp_state(rig.vsp->netvsp)->mac, rig.nic.mac, 6);
	guest_rig_stop(&rig);
}

static void a_nic_is_set_up_anew_a_hundred_times(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	struct guest_rig rig;
	struct err err;

	guest_rig_init(&rig);
	rig.nic.mtu = 9000;
	guest_rig_start(&rig, &conf);
	for (unsigned i = 0; i < 100; i++) {
		struct guest_net_info info;

		guest_net_destroy(rig.net);
		rig.net = NULL;
		conf.mtu = i % 2 == 0 ? 1400 : 9000;
		conf.n_queues = (uint16_t)(1 + i % 4);
		assert_int_equal(guest_net_create(guest_local_nic(rig.local, 1000), &conf, &rig.net,
						  &err),
				 0);
		guest_net_info(rig.net, &info);
		assert_int_equal(info.mtu, conf.mtu);
		assert_int_equal(info.n_queues, conf.n_queues);
		receive_batch(&rig, conf.n_queues - 1u, 2, 500);
	}
	guest_rig_stop(&rig);
}

static void a_monitored_guest_sets_its_bit_and_writes_no_descriptor(void **state)
{
	struct guest_net_conf conf = small(guest_profile_find("dpdk"));
	uint8_t bytes[64];
	struct guest_frame f = {.data = bytes, .size = sizeof(bytes)};
	struct guest_rig rig;
	uint8_t id;

	guest_rig_init(&rig);
	rig.monitored = true;
	guest_rig_start(&rig, &conf);
	id = guest_net_channel(rig.net, 1)->monitor_id;
	assert_true(id < VMBUS_N_MONITORS);
	assert_non_null(guest_net_channel(rig.net, 1)->monitor);
	(void)vmbus_monitor_take_one(vmbus_server_monitor(guest_local_server(rig.local)), id);
	assert_int_equal(guest_queue_send(guest_net_queue(rig.net, 1), &f, 1), 1);
	guest_queue_flush(guest_net_queue(rig.net, 1));
	assert_true(
		vmbus_monitor_take_one(vmbus_server_monitor(guest_local_server(rig.local)), id));
	guest_rig_stop(&rig);
}

static void a_host_that_falls_silent_costs_time_and_nothing_else(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	struct guest_rig rig;

	conf.timeout_ms = 50;
	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	rig.vsp->silent = true;
	assert_int_equal(guest_net_set_filter(rig.net, 0), -ETIMEDOUT);
	guest_rig_stop(&rig);
}

static void a_nic_taken_away_ends_and_comes_again(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	struct guest_channel *channel;
	struct guest_rig rig;

	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	vmbus_device_withdraw(rig.vsp->device);
	guest_local_event(rig.local);
	assert_true(guest_net_gone(rig.net));
	assert_int_equal(guest_net_set_filter(rig.net, 0), -ENODEV);
	guest_net_destroy(rig.net);
	rig.net = NULL;
	while ((channel = guest_bus_channel(guest_local_bus(rig.local), 0)) != NULL) {
		assert_true(atomic_load(&channel->rescinded));
		guest_channel_release(channel);
	}
	assert_true(rig.vsp->gone);
	guest_rig_stop(&rig);
}

static void a_channel_moves_to_another_processor(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	struct guest_rig rig;

	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	assert_int_equal(guest_channel_modify(guest_net_channel(rig.net, 0), 3), 0);
	assert_int_equal(rig.vsp->channels[0].channel->target_vp, 3);
	receive_batch(&rig, 0, 4, 64);
	guest_rig_stop(&rig);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* One operation by chance; false: the NIC has to be set up anew. */
static bool operate(struct guest_rig *rig, uint32_t r)
{
	struct guest_queue *q = guest_net_queue(rig->net, r / 16 % 4);
	const uint8_t mac[6] = {2, (uint8_t)r, 3, 4, 5, 6};
	struct guest_frame got[2 * GUEST_RX_BURST];
	uint8_t bytes[2000] = {0}, value[64];
	struct guest_frame f = {.data = bytes, .size = 60 + r % 1900};
	uint32_t size, status;

	switch (r % 14) {
	case 0:
		return guest_net_set_filter(rig->net, r % 64) == 0;
	case 1:
		return guest_net_set_rss(rig->net, r % 3 != 0, NETVSP_HASH_IP4, NULL, NULL) == 0;
	case 2:
		return guest_net_set_mac(rig->net, mac) == 0;
	case 3:
		return guest_net_query(rig->net, r, NULL, 0, value, sizeof(value), &size,
				       &status) == 0;
	case 4:
		return guest_net_set_offloads(rig->net, r % 2 == 0, r % 3 == 0) == 0;
	case 5:
		return guest_net_switch_path(rig->net, r % 2 == 0) == 0;
	case 6:
		return guest_channel_modify(guest_net_channel(rig->net, 0), r % 8) == 0;
	case 7:
		return guest_net_reset(rig->net) == 0;
	case 8: /* what comes of it is another NIC's matter */
		(void)guest_net_halt(rig->net);
		return false;
	case 9:
		(void)guest_net_revoke(rig->net, r % 2 == 0, r % 3 != 0);
		return false;
	case 10:
		return false;
	default:
		while (q != NULL && r % 5 != 0 && guest_queue_send(q, &f, 1) == 1)
			r /= 2;
		if (q != NULL)
			guest_queue_flush(q);
		guest_rig_work(rig);
		if (q != NULL && guest_queue_receive(q, got, 2 * GUEST_RX_BURST) > 0)
			guest_queue_done(q);
		fake_vsp_forget(rig->vsp);
		return true;
	}
}

static void operations_by_chance_all_come_to_an_end(void **state)
{
	struct guest_net_conf conf = small(guest_profiles[0]);
	uint32_t seed = 20261123;
	struct guest_rig rig;
	struct err err;

	guest_rig_init(&rig);
	guest_rig_start(&rig, &conf);
	for (unsigned i = 0; i < 1500; i++) {
		if (operate(&rig, next_random(&seed)))
			continue;
		guest_net_destroy(rig.net);
		rig.net = NULL;
		conf.profile = guest_profiles[next_random(&seed) % 5];
		if (guest_net_create(guest_local_nic(rig.local, 1000), &conf, &rig.net, &err) != 0)
			fail_msg("operation %u: %s", i, err.what);
	}
	receive_batch(&rig, 0, 5, 200);
	guest_rig_stop(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_known_guest_sets_its_nic_up_and_talks),
		cmocka_unit_test(linux_hears_name_speed_and_offloads),
		cmocka_unit_test(every_version_of_nvsp_and_bus_carries_frames),
		cmocka_unit_test(every_way_of_sending_carries_the_same_bytes),
		cmocka_unit_test(what_is_said_about_a_frame_goes_with_it),
		cmocka_unit_test(frames_of_a_burst_share_sections_as_far_as_the_host_allows),
		cmocka_unit_test(a_large_frame_in_pieces_is_one_frame),
		cmocka_unit_test(a_slow_host_makes_the_guest_wait_and_no_frame_is_lost),
		cmocka_unit_test(the_running_nic_takes_changes),
		cmocka_unit_test(the_mtu_is_the_hosts_unless_the_guest_wants_less),
		cmocka_unit_test(an_address_that_is_not_allowed_is_refused),
		cmocka_unit_test(a_nic_is_set_up_anew_a_hundred_times),
		cmocka_unit_test(a_monitored_guest_sets_its_bit_and_writes_no_descriptor),
		cmocka_unit_test(a_host_that_falls_silent_costs_time_and_nothing_else),
		cmocka_unit_test(a_nic_taken_away_ends_and_comes_again),
		cmocka_unit_test(a_channel_moves_to_another_processor),
		cmocka_unit_test(operations_by_chance_all_come_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

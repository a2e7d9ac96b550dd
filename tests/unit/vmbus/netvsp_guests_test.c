/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How guests that we know set up their NIC, message by message in their order, each with every NVSP
 * version that it may talk, and what each of them checks in our answers.
 */
#include "tests/support/vsp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmbus/oid.h"

static struct vsp vsp;

static int set_up(void **state)
{
	struct netvsp_conf conf = vsp_conf();

	assert_true(vsp_init(&vsp, &conf));
	return 0;
}

static int tear_down(void **state)
{
	vsp_fini(&vsp);
	return 0;
}

/* A guest, as far as its messages differ. */
struct guest {
	const char *name;
	size_t msg_size; /* of its NVSP messages */
	bool one_id;	 /* for all its control packets */
	uint64_t id;
	uint32_t versions[8]; /* that it tries, in order */
	uint16_t send_id;
	uint32_t recv_size, send_size;
};

static const struct guest linux_5_10 = {
	.name = "Linux 5.10",
	.msg_size = 40,
	.versions = {NVSP_V6_1, NVSP_V6, NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1},
	.recv_size = 16u << 20,
	.send_size = 1u << 20,
};
static const struct guest linux_old = {
	.name = "Linux before NVSP 6",
	.msg_size = 28,
	.versions = {NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1},
	.recv_size = 16u << 20,
	.send_size = 15u << 20,
};
static const struct guest dpdk = {
	.name = "DPDK",
	.msg_size = 32,
	.one_id = true, /* 0 */
	.versions = {NVSP_V6_1, NVSP_V6, NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1},
	.send_id = 0,
	.recv_size = 31u << 20,
	.send_size = 16u << 20,
};
static const struct guest freebsd = {
	.name = "FreeBSD",
	.msg_size = 32,
	.one_id = true,
	.id = 0xffffffff00000001,
	.versions = {NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1},
	.send_id = 0xface,
	.recv_size = 16u << 20,
	.send_size = 15u << 20,
};

static void call(const struct nvsp_msg *m, enum nvsp_type answer, struct nvsp_msg *r)
{
	assert_true(vsp_call(&vsp, m, r));
	assert_int_equal(r->type, answer);
	assert_true(vsp.completed[0].size >= 0x1c);
}

static void open_channel(const struct guest *g)
{
	netvsp_reset(vsp.n);
	vsp.msg_size = g->msg_size;
	vsp.one_id = g->one_id;
	vsp.next_id = g->one_id ? g->id : 0x1000;
	vsp.recv_size = g->recv_size;
	vsp.send_size = g->send_size;
}

/* Tries versions from the i-th on, as the guest does.  The one that is agreed. */
static uint32_t negotiate(const struct guest *g, unsigned i)
{
	for (; g->versions[i] != 0; i++) {
		struct nvsp_msg m = {.type = NVSP_INIT, .init = {g->versions[i], g->versions[i]}},
				r;

		call(&m, NVSP_INIT_COMPLETE, &r);
		if (r.init_complete.status != NVSP_STATUS_SUCCESS)
			continue;
		assert_int_equal(r.init_complete.version, g->versions[i]);
		return r.init_complete.version;
	}
	fail_msg("%s: no version", g->name);
	return 0;
}

static void tell_ndis(uint32_t version, uint32_t frame, uint64_t capabilities)
{
	struct nvsp_msg m = {.type = NVSP_SEND_NDIS_CONFIG, .ndis_config = {frame, capabilities}};

	if (version >= NVSP_V2)
		assert_true(vsp_tell(&vsp, &m));
	m = (struct nvsp_msg){.type = NVSP_SEND_NDIS_VER,
			      .ndis_ver = {6, version <= NVSP_V4 ? 1 : 30}};
	assert_true(vsp_tell(&vsp, &m));
}

static void give_recv_buf(const struct guest *g)
{
	struct nvsp_msg m = {.type = NVSP_SEND_RECV_BUF, .buf = {VSP_RECV_GPADL, NVSP_RECV_BUF_ID}};
	struct nvsp_msg r;
	uint64_t end;

	call(&m, NVSP_SEND_RECV_BUF_COMPLETE, &r);
	assert_int_equal(r.recv_buf_complete.status, NVSP_STATUS_SUCCESS);
	/* netvsc_init_buf(), hn_nvs_conn_rxbuf() */
	assert_int_equal(r.recv_buf_complete.n_sections, 1);
	assert_int_equal(r.recv_buf_complete.offset, 0);
	assert_true(r.recv_buf_complete.section_size >= 68);
	end = (uint64_t)r.recv_buf_complete.section_size * r.recv_buf_complete.count;
	assert_true(end > 0 && end <= g->recv_size);
	assert_true(r.recv_buf_complete.end == end);
}

static void give_send_buf(const struct guest *g)
{
	struct nvsp_msg m = {.type = NVSP_SEND_SEND_BUF, .buf = {VSP_SEND_GPADL, g->send_id}}, r;

	call(&m, NVSP_SEND_SEND_BUF_COMPLETE, &r);
	assert_int_equal(r.send_buf_complete.status, NVSP_STATUS_SUCCESS);
	assert_true(r.send_buf_complete.section_size >= 68);
	assert_int_equal(r.send_buf_complete.section_size % 4, 0);
}

static void initialize(uint32_t max_transfer)
{
	struct rndis_msg m = {.type = RNDIS_INITIALIZE, .major = 1, .max_transfer = max_transfer};
	struct rndis_msg r;

	assert_true(vsp_ask(&vsp, &m, &r));
	assert_int_equal(r.status, RNDIS_STATUS_SUCCESS);
	assert_int_equal(r.major, 1);
	assert_true(r.max_packets >= 1);
	assert_true(r.alignment >= 1);
	assert_true(r.max_transfer >= 6144);
}

/* Asks for a value of at most 'size' bytes (more would be an error to Linux). */
static uint32_t ask32(uint32_t oid)
{
	struct rndis_msg r;
	uint32_t value;

	assert_int_equal(vsp_query(&vsp, oid, NULL, 0, &r), RNDIS_STATUS_SUCCESS);
	assert_int_equal(r.data_size, 4);
	memcpy(&value, r.data, 4);
	return value;
}

static void ask_mac(void)
{
	struct rndis_msg r;

	assert_int_equal(vsp_query(&vsp, OID_802_3_PERMANENT_ADDRESS, NULL, 0, &r),
			 RNDIS_STATUS_SUCCESS);
	assert_int_equal(r.data_size, 6);
	assert_memory_equal(r.data, vsp.conf.mac, 6);
}

static void ask_name(void)
{
	struct rndis_msg r;
	char text[64];

	assert_int_equal(vsp_query(&vsp, OID_GEN_FRIENDLY_NAME, NULL, 0, &r), RNDIS_STATUS_SUCCESS);
	assert_true(r.data_size <= 512);
	oid_text_read(r.data, r.data_size, text, sizeof(text));
	assert_string_equal(text, "web1");
}

static void ask_hardware(uint32_t version, struct oid_offload *ret)
{
	uint8_t revision = version >= NVSP_V5 ? 3 : version == NVSP_V4 ? 2 : 1;
	struct oid_offload wish = {.revision = revision};
	uint8_t in[OID_OFFLOAD_MAX];
	uint32_t size = (uint32_t)oid_offload_write(&wish, in);
	struct oid_header h;
	struct rndis_msg r;

	assert_int_equal(vsp_query(&vsp, (uint32_t)OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, in, size,
				   &r),
			 RNDIS_STATUS_SUCCESS);
	assert_true(r.data_size <= size);
	assert_int_equal(oid_header_read(r.data, r.data_size, &h), 0);
	assert_int_equal(h.type, OID_TYPE_OFFLOAD);
	assert_true(h.revision >= 1 && h.size >= 112 && h.size <= r.data_size);
	assert_int_equal(oid_offload_read(r.data, r.data_size, ret), 0);
	assert_int_equal(ret->revision, revision);
}

/* What Linux's rndis_netdev_set_hwcaps() and FreeBSD need to turn all on. */
static void check_hardware(const struct oid_offload *o)
{
	const uint32_t csum4 = OID_CSUM4_TCP | OID_CSUM4_TCP_OPTIONS;
	const uint32_t csum6 = OID_CSUM6_TCP | OID_CSUM6_TCP_OPTIONS | OID_CSUM6_EXTENSIONS;

	assert_int_equal(o->tx_csum4 & csum4, csum4);
	assert_int_equal(o->tx_csum6 & csum6, csum6);
	assert_true(o->tx_csum4 & OID_CSUM4_UDP && o->tx_csum6 & OID_CSUM6_UDP);
	assert_true(o->lso4_max >= o->lso4_min_segments * 1500);
	assert_true(o->lso6_max >= o->lso6_min_segments * 1500);
	assert_int_equal(o->lso6_options & OID_LSO6_ALL, OID_LSO6_ALL);
	assert_false(o->rsc4 || o->rsc6);
}

static void set_params(uint32_t version)
{
	struct oid_params p = {.revision = version >= NVSP_V5 ? 3 : 2,
			       .ip4 = OID_PARAMS_OFF,
			       .tcp4 = OID_PARAMS_BOTH,
			       .udp4 = OID_PARAMS_BOTH,
			       .tcp6 = OID_PARAMS_BOTH,
			       .udp6 = OID_PARAMS_BOTH,
			       .lso4 = OID_PARAMS_ON,
			       .lso6 = OID_PARAMS_ON};
	uint8_t bytes[OID_PARAMS_MAX];

	assert_int_equal(vsp_set(&vsp, (uint32_t)OID_TCP_OFFLOAD_PARAMETERS, bytes,
				 (uint32_t)oid_params_write(&p, bytes)),
			 RNDIS_STATUS_SUCCESS);
	assert_true(vsp.seen.csum_rx4 && vsp.seen.csum_rx6);
}

static uint32_t ask_rss(uint32_t in_size)
{
	struct oid_header h = {OID_TYPE_RSS_CAPS, 2, (uint16_t)in_size};
	uint8_t in[OID_RSS_CAPS_MAX] = {0};
	struct oid_rss_caps caps;
	struct rndis_msg r;

	oid_header_write(&h, in);
	assert_int_equal(vsp_query(&vsp, OID_GEN_RECEIVE_SCALE_CAPABILITIES, in, in_size, &r),
			 RNDIS_STATUS_SUCCESS);
	assert_true(r.data_size >= 18 && r.data_size <= in_size);
	assert_int_equal(oid_rss_caps_read(r.data, r.data_size, &caps), 0);
	/* hn_rndis_query_rsscaps() of DPDK and FreeBSD */
	assert_true(caps.flags & OID_RSS_TOEPLITZ);
	assert_int_equal(caps.n_entries, 128);
	assert_int_equal(caps.n_queues, vsp.conf.max_queues);
	return caps.n_queues;
}

static void ask_subchannels(uint32_t n)
{
	struct nvsp_msg m = {.type = NVSP_SUBCHANNEL, .subchannel = {1, n}}, r;

	vsp.offered = 0;
	call(&m, NVSP_SUBCHANNEL, &r);
	assert_int_equal(r.subchannel_complete.status, NVSP_STATUS_SUCCESS);
	assert_int_equal(r.subchannel_complete.count, n);
	assert_int_equal(vsp.offered, n);
	assert_true(vsp.offered_when > vsp.completed[0].when);
}

static void set_rss(uint16_t flags, unsigned n_channels)
{
	struct oid_rss_params p = {.flags = flags,
				   .hash_info = OID_RSS_TOEPLITZ | NETVSP_HASH_IP4 |
						NETVSP_HASH_IP6 | NETVSP_HASH_TCP4 |
						NETVSP_HASH_TCP6,
				   .n_entries = 128,
				   .key_size = 40,
				   .key = {0x6d, 0x5a, 0x56, 0xda}};
	uint8_t bytes[OID_RSS_PARAMS_MAX];

	for (unsigned i = 0; i < 128; i++)
		p.table[i] = i % n_channels;
	assert_int_equal(vsp_set(&vsp, OID_GEN_RECEIVE_SCALE_PARAMETERS, bytes,
				 (uint32_t)oid_rss_params_write(&p, bytes)),
			 RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp.seen.rss, !(flags & OID_RSS_DISABLE));
	if (vsp.seen.rss)
		assert_int_equal(vsp.seen.table[127], 127 % n_channels);
}

static void set_filter(uint32_t filter)
{
	assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4),
			 RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp.seen.filter, filter);
}

static void no_faults(void)
{
	for (unsigned i = 0; i < NETVSP_N_FAULTS; i++)
		assert_int_equal(netvsp_faults(vsp.n, (enum netvsp_fault)i), 0);
}

/* Subchannels and RSS, for those who know them. */
static void linux_queues(uint32_t version, uint32_t cpus)
{
	uint32_t n = version >= NVSP_V5 ? ask_rss(18) : 1;

	if (n > cpus)
		n = cpus;
	if (n < 2)
		return;
	ask_subchannels(n - 1);
	set_rss(OID_RSS_DISABLE, n);
	set_rss(0, n);
}

static uint64_t linux_capabilities(uint32_t version)
{
	uint64_t capabilities = NVSP_CAP_8021Q;

	if (version >= NVSP_V5)
		capabilities |= NVSP_CAP_SRIOV | 1u << 5; /* teaming: speeds */
	if (version >= NVSP_V6_1)
		capabilities |= NVSP_CAP_RSC;
	return capabilities;
}

/* netvsc_probe() with 'cpus', to the first frame. */
static void play_linux(const struct guest *g, unsigned first, uint32_t frame, uint32_t cpus)
{
	struct oid_offload o;
	uint32_t version;

	open_channel(g);
	version = negotiate(g, first);
	tell_ndis(version, frame, linux_capabilities(version));
	give_recv_buf(g);
	give_send_buf(g);
	initialize(0x4000);
	assert_int_equal(ask32(OID_GEN_MAXIMUM_FRAME_SIZE), vsp.conf.mtu);
	ask_mac();
	ask_name();
	ask_hardware(version, &o);
	check_hardware(&o);
	set_params(version);
	assert_int_equal(ask32(OID_GEN_MEDIA_CONNECT_STATUS), 0);
	if (version >= NVSP_V5)
		assert_int_equal(ask32(OID_GEN_LINK_SPEED), 100000000);
	linux_queues(version, cpus);
	set_filter(0x0d);
	no_faults();
}

static void linux_sets_up_with_every_version(void **state)
{
	for (unsigned i = 0; linux_5_10.versions[i] != 0; i++)
		play_linux(&linux_5_10, i, 1514, 4);
	for (unsigned i = 0; linux_old.versions[i] != 0; i++)
		play_linux(&linux_old, i, 1514, 4);
}

/* From 6.12 on it takes up to 16 channels unasked. */
static void linux_6_12_takes_more_queues(void **state)
{
	vsp.conf.max_queues = 64;
	netvsp_set_conf(vsp.n, &vsp.conf);
	play_linux(&linux_5_10, 0, 1514, 16);
	assert_int_equal(netvsp_state(vsp.n)->n_subchannels, 15);
	play_linux(&linux_5_10, 0, 1514, 64);
	assert_int_equal(netvsp_state(vsp.n)->n_subchannels, 63);
}

static void revoke(enum nvsp_type type, uint16_t id)
{
	struct nvsp_msg m = {.type = type, .buf.id = id};

	assert_true(vsp_tell(&vsp, &m));
}

/* As for an MTU, more queues, other rings, hibernation. */
static void detach_linux(void)
{
	struct rndis_msg halt = {.type = RNDIS_HALT}, r;

	set_filter(0);
	assert_false(vsp_ask(&vsp, &halt, &r));
	assert_int_equal(vsp.n_rndis, 0);
	revoke(NVSP_REVOKE_RECV_BUF, NVSP_RECV_BUF_ID);
	revoke(NVSP_REVOKE_SEND_BUF, 0);
	assert_int_equal(vsp.seen.n_recv_sections, 0);
	assert_int_equal(vsp.seen.n_send_sections, 0);
	netvsp_gpadl_gone(vsp.n, VSP_RECV_GPADL);
	netvsp_gpadl_gone(vsp.n, VSP_SEND_GPADL);
}

static void linux_changes_its_mtu_again_and_again(void **state)
{
	vsp.conf.mtu = 9000;
	netvsp_set_conf(vsp.n, &vsp.conf);
	for (unsigned i = 0; i < 100; i++) {
		play_linux(&linux_5_10, 0, i % 2 ? 9014 : 1514, 4);
		assert_int_equal(vsp.seen.guest_mtu, i % 2 ? 9000 : 1500);
		assert_int_equal(vsp.seen.recv_section_size, i % 2 ? 9280 : 1728);
		detach_linux();
	}
	no_faults();
}

static void linux_toggles_large_receive(void **state)
{
	struct oid_params p = {.revision = 3, .rsc4 = OID_PARAMS_ON, .rsc6 = OID_PARAMS_ON};
	uint8_t bytes[OID_PARAMS_MAX];
	struct oid_offload o;
	struct rndis_msg m;

	vsp.conf.rsc = true;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_true(vsp_start(&vsp, NVSP_V6_1));
	ask_hardware(NVSP_V6_1, &o);
	assert_true(o.rsc4 && o.rsc6);
	assert_int_equal(vsp_set(&vsp, (uint32_t)OID_TCP_OFFLOAD_PARAMETERS, bytes,
				 (uint32_t)oid_params_write(&p, bytes)),
			 RNDIS_STATUS_SUCCESS);
	assert_true(vsp.seen.lro4 && vsp.seen.lro6);
	/* Windows hears of what it did. */
	assert_int_equal(vsp.n_rndis, 2);
	assert_int_equal(rndis_read(vsp.rndis[1].bytes, vsp.rndis[1].size, &m), 0);
	assert_int_equal(m.status, RNDIS_STATUS_OFFLOAD_CURRENT);
	assert_int_equal(oid_offload_read(m.data, m.data_size, &o), 0);
	assert_true(o.rsc4 && o.rsc6);
	p.rsc4 = p.rsc6 = OID_PARAMS_OFF;
	assert_int_equal(vsp_set(&vsp, (uint32_t)OID_TCP_OFFLOAD_PARAMETERS, bytes,
				 (uint32_t)oid_params_write(&p, bytes)),
			 RNDIS_STATUS_SUCCESS);
	assert_false(vsp.seen.lro4 || vsp.seen.lro6);
}

static void large_receive_is_offered_to_nobody_else(void **state)
{
	struct oid_params p = {.revision = 3, .rsc4 = OID_PARAMS_ON, .rsc6 = OID_PARAMS_ON};
	static const struct {
		uint32_t version;
		uint64_t capabilities;
		bool rsc;
	} cases[] = {{NVSP_V6_1, NVSP_CAP_RSC, false},
		     {NVSP_V6_1, NVSP_CAP_8021Q, true},
		     {NVSP_V6, NVSP_CAP_RSC, true}};
	uint8_t bytes[OID_PARAMS_MAX];
	struct oid_offload o;

	for (unsigned i = 0; i < 3; i++) {
		vsp.conf.rsc = cases[i].rsc;
		netvsp_set_conf(vsp.n, &vsp.conf);
		netvsp_reset(vsp.n);
		vsp.capabilities = cases[i].capabilities;
		assert_true(vsp_start(&vsp, cases[i].version));
		ask_hardware(cases[i].version, &o);
		assert_false(o.rsc4 || o.rsc6);
		assert_int_equal(vsp_set(&vsp, (uint32_t)OID_TCP_OFFLOAD_PARAMETERS, bytes,
					 (uint32_t)oid_params_write(&p, bytes)),
				 RNDIS_STATUS_SUCCESS);
		assert_false(vsp.seen.lro4 || vsp.seen.lro6);
	}
}

static void a_nic_without_offloads_says_so_and_fails_nothing(void **state)
{
	struct oid_offload o, none = {.revision = 3};

	vsp.conf.offloads = false;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_true(vsp_start(&vsp, NVSP_V6_1));
	memset(&o, 0, sizeof(o));
	ask_hardware(NVSP_V6_1, &o);
	assert_memory_equal(&o, &none, sizeof(o));
	struct oid_params p = {.revision = 3, .tcp4 = OID_PARAMS_BOTH, .tcp6 = OID_PARAMS_BOTH};
	uint8_t bytes[OID_PARAMS_MAX];

	assert_int_equal(vsp_set(&vsp, (uint32_t)OID_TCP_OFFLOAD_PARAMETERS, bytes,
				 (uint32_t)oid_params_write(&p, bytes)),
			 RNDIS_STATUS_SUCCESS);
	assert_false(vsp.seen.csum_rx4 || vsp.seen.csum_rx6);
}

static void dpdk_sets_up_with_every_version(void **state)
{
	for (unsigned i = 0; dpdk.versions[i] != 0; i++) {
		struct oid_offload o;
		uint32_t version;

		open_channel(&dpdk);
		version = negotiate(&dpdk, i);
		tell_ndis(version, 1514,
			  NVSP_CAP_8021Q | (version >= NVSP_V5 ? NVSP_CAP_SRIOV : 0));
		give_recv_buf(&dpdk);
		give_send_buf(&dpdk);
		initialize(16384);
		ask_hardware(version, &o);
		check_hardware(&o);
		set_params(version);
		assert_int_equal(ask32(OID_GEN_MAXIMUM_FRAME_SIZE), 1500);
		ask_mac();
		ask_rss(20);
		assert_int_equal(ask32(OID_GEN_MEDIA_CONNECT_STATUS), 0);
		assert_int_equal(ask32(OID_GEN_LINK_SPEED), 100000000);
		if (version >= NVSP_V5) {
			ask_subchannels(3);
			set_rss(OID_RSS_DISABLE, 4);
			set_rss(0, 4);
		}
		set_filter(0x09);
		no_faults();
	}
}

/* Answers must fit its buffer for control commands. */
static void no_answer_is_longer_than_dpdks_buffer(void **state)
{
	assert_true(vsp_start(&vsp, NVSP_V6_1));
	for (uint32_t high = 0; high < 0x200; high++) {
		for (uint32_t low = 0; low < 0x300; low++) {
			struct rndis_msg r;

			vsp_query(&vsp, high << 16 | low, NULL, 0, &r);
			assert_int_equal(vsp.n_rndis, 1);
			assert_true(vsp.rndis[0].size <= RNDIS_REPLY_MAX);
		}
	}
}

static void freebsd_sets_up_with_every_version(void **state)
{
	for (unsigned i = 0; freebsd.versions[i] != 0; i++) {
		struct oid_offload o;
		uint32_t version;

		open_channel(&freebsd);
		version = negotiate(&freebsd, i);
		tell_ndis(version, 1514, NVSP_CAP_8021Q);
		give_recv_buf(&freebsd);
		give_send_buf(&freebsd);
		initialize(16384);
		ask_hardware(version, &o);
		check_hardware(&o);
		set_params(version);
		ask_rss(20);
		ask_mac();
		assert_int_equal(ask32(OID_GEN_MEDIA_CONNECT_STATUS), 0);
		if (version >= NVSP_V5) {
			ask_subchannels(3);
			set_rss(0, 4);
		}
		set_filter(0x09);
		/* It says that it takes no VFs. */
		vsp_clear(&vsp);
		netvsp_set_vf(vsp.n, true, 1);
		assert_int_equal(vsp.n_nvsp, 0);
		netvsp_set_vf(vsp.n, false, 1);
		no_faults();
	}
}

/* It waits for NDIS_CONFIG, has a small receive buffer and none for sending. */
static void uefi_sets_up(void **state)
{
	static const struct guest uefi = {.name = "UEFI",
					  .msg_size = 40,
					  .versions = {NVSP_V5},
					  .recv_size = 64u << 10};
	struct nvsp_msg m = {.type = NVSP_SEND_NDIS_CONFIG, .ndis_config = {1514, 0}};
	uint8_t bytes[NVSP_MSG_MAX];

	open_channel(&uefi);
	assert_int_equal(negotiate(&uefi, 0), NVSP_V5);
	vsp_clear(&vsp);
	netvsp_message(vsp.n, 0x99, true, bytes, nvsp_write(&m, true, 0, bytes));
	assert_int_equal(vsp.n_completed, 1);
	assert_true(vsp.completed[0].id == 0x99);
	assert_int_equal(vsp.completed[0].size, 0);
	m = (struct nvsp_msg){.type = NVSP_SEND_NDIS_VER, .ndis_ver = {6, 30}};
	assert_true(vsp_tell(&vsp, &m));
	give_recv_buf(&uefi);
	initialize(0x4000);
	ask_mac();
	set_filter(0x09);
	assert_int_equal(vsp.seen.n_send_sections, 0);
	no_faults();
}

static void windows_asks_for_all_that_is_said_to_be_there(void **state)
{
	uint32_t list[NVSP_MSG_MAX], n;
	struct oid_offload o;
	struct rndis_msg r;

	play_linux(&linux_5_10, 0, 1514, 8); /* the same so far */
	assert_int_equal(vsp_query(&vsp, OID_GEN_SUPPORTED_LIST, NULL, 0, &r), 0);
	assert_int_equal(r.data_size % 4, 0);
	n = r.data_size / 4;
	assert_true(n > 30 && n <= NVSP_MSG_MAX);
	memcpy(list, r.data, r.data_size);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t status = vsp_query(&vsp, list[i], NULL, 0, &r);
		uint8_t bytes[6] = {0};

		if (status == RNDIS_STATUS_NOT_SUPPORTED) /* then it can be set */
			status = vsp_set(&vsp, list[i], bytes, sizeof(bytes)) ==
						 RNDIS_STATUS_NOT_SUPPORTED
					 ? RNDIS_STATUS_NOT_SUPPORTED
					 : RNDIS_STATUS_SUCCESS;
		assert_int_equal(status, RNDIS_STATUS_SUCCESS);
	}
	assert_int_equal(vsp_query(&vsp, (uint32_t)OID_TCP_OFFLOAD_CURRENT_CONFIG, NULL, 0, &r), 0);
	assert_int_equal(oid_offload_read(r.data, r.data_size, &o), 0);
	assert_int_equal(o.rx_csum4, OID_CSUM4_ALL);
	assert_int_equal(vsp_query(&vsp, OID_GEN_LINK_STATE, NULL, 0, &r), 0);
	assert_int_equal(r.data_size, 40);
	assert_int_equal(vsp_set(&vsp, OID_802_3_MULTICAST_LIST, list, 12), RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp_set(&vsp, OID_802_3_MULTICAST_LIST, list, 11),
			 RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(vsp_set(&vsp, OID_802_3_MULTICAST_LIST, list, 33 * 6),
			 RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(vsp_set(&vsp, OID_OFFLOAD_ENCAPSULATION, list, 28), RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp_query(&vsp, 0x00010299, NULL, 0, &r), RNDIS_STATUS_NOT_SUPPORTED);
	assert_int_equal(r.data_size, 0);
	assert_int_equal(vsp_set(&vsp, OID_802_3_PERMANENT_ADDRESS, list, 6),
			 RNDIS_STATUS_NOT_SUPPORTED);
}

static uint64_t counter(uint32_t oid, uint32_t in_size, uint32_t size)
{
	static const uint8_t in[16];
	struct rndis_msg r;
	uint64_t value = 0;

	assert_int_equal(vsp_query(&vsp, oid, in, in_size, &r), RNDIS_STATUS_SUCCESS);
	assert_int_equal(r.data_size, size);
	memcpy(&value, r.data, size);
	return value;
}

static void counters_come_in_four_bytes_or_eight(void **state)
{
	assert_true(vsp_start(&vsp, NVSP_V6_1));
	vsp.stats = (struct netvsp_stats){0x100000001, 2, 3, 4, 5};
	assert_true(counter(OID_GEN_XMIT_OK, 0, 8) == 0x100000001);
	assert_true(counter(OID_GEN_XMIT_OK, 4, 4) == 1);
	assert_true(counter(OID_GEN_XMIT_OK, 8, 8) == 0x100000001);
	assert_true(counter(OID_GEN_RCV_OK, 4, 4) == 2);
	assert_true(counter(OID_GEN_XMIT_ERROR, 4, 4) == 3);
	assert_true(counter(OID_GEN_RCV_ERROR, 4, 4) == 4);
	assert_true(counter(OID_GEN_RCV_NO_BUFFER, 4, 4) == 5);
}

static uint32_t try_hardware(uint8_t type, uint8_t revision, uint16_t said, uint32_t size,
			     uint32_t *ret_size)
{
	struct oid_header h = {type, revision, said};
	uint8_t in[256] = {0};
	struct rndis_msg r;
	uint32_t status;

	oid_header_write(&h, in);
	status = vsp_query(&vsp, (uint32_t)OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, in, size, &r);
	*ret_size = r.data_size;
	return status;
}

static void offloads_come_in_the_revision_there_is_room_for(void **state)
{
	static const struct {
		uint8_t revision;
		uint16_t said;
		uint32_t expected;
	} cases[] = {{1, 112, 112}, {1, 156, 112}, {2, 143, 112}, {2, 144, 144},   {3, 155, 144},
		     {3, 156, 156}, {3, 157, 156}, {3, 112, 112}, {9, 0xffff, 156}};
	uint32_t size;

	assert_true(vsp_start(&vsp, NVSP_V6_1));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(try_hardware(0xa7, cases[i].revision, cases[i].said, 4, &size), 0);
		assert_int_equal(size, cases[i].expected);
	}
	assert_int_equal(try_hardware(0xa7, 1, 111, 4, &size), RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(try_hardware(0xa7, 0, 156, 4, &size), RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(try_hardware(0x80, 3, 156, 4, &size), RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(try_hardware(0xa7, 3, 156, 3, &size), RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(netvsp_faults(vsp.n, NETVSP_FAULT_OID), 4);
	assert_int_equal(try_hardware(0, 0, 0, 0, &size), 0); /* what its NDIS has */
	assert_int_equal(size, 156);
	netvsp_reset(vsp.n);
	assert_true(vsp_start(&vsp, NVSP_V4));
	assert_int_equal(try_hardware(0, 0, 0, 0, &size), 0);
	assert_int_equal(size, 144);
}

/* As if another process went on with the guest. */
static void restart(void)
{
	const struct vsp old = vsp;
	const struct netvsp_state state = *netvsp_state(vsp.n);

	assert_int_equal(netvsp_state_check(&state), 0);
	vsp_fini(&vsp);
	assert_true(vsp_init(&vsp, &old.conf));
	vsp.msg_size = old.msg_size;
	vsp.next_id = old.next_id;
	vsp.next_request = old.next_request;
	vsp.recv_size = old.recv_size;
	vsp.send_size = old.send_size;
	netvsp_restore(vsp.n, &state);
	assert_memory_equal(netvsp_state(vsp.n), &state, sizeof(state));
	assert_int_equal(vsp.n_changed, 0);
	vsp.seen = state;
}

static void a_guest_does_not_notice_a_restart_at_any_step(void **state)
{
	struct oid_offload o;
	struct rndis_msg m;

	open_channel(&linux_5_10);
	restart();
	negotiate(&linux_5_10, 0);
	restart();
	tell_ndis(NVSP_V6_1, 1514, linux_capabilities(NVSP_V6_1));
	restart();
	give_recv_buf(&linux_5_10);
	restart();
	give_send_buf(&linux_5_10);
	restart();
	initialize(0x4000);
	restart();
	/* Its link may have changed meanwhile. */
	assert_int_equal(vsp.n_rndis, 1);
	assert_int_equal(rndis_read(vsp.rndis[0].bytes, vsp.rndis[0].size, &m), 0);
	assert_int_equal(m.status, RNDIS_STATUS_CONNECT);
	ask_hardware(NVSP_V6_1, &o);
	set_params(NVSP_V6_1);
	restart();
	ask_subchannels(3);
	restart();
	set_rss(OID_RSS_DISABLE, 4);
	restart();
	set_rss(0, 4);
	restart();
	set_filter(0x0d);
	restart();
	ask_mac();
	detach_linux();
	no_faults();
}

/* The process died after it had dealt with the message, before the guest was answered. */
static void what_was_dealt_with_before_a_restart_is_answered_as_before(void **state)
{
	struct oid_offload o;

	open_channel(&linux_5_10);
	for (unsigned i = 0; i < 2; i++, restart())
		assert_int_equal(negotiate(&linux_5_10, 0), NVSP_V6_1);
	for (unsigned i = 0; i < 2; i++, restart())
		tell_ndis(NVSP_V6_1, 1514, linux_capabilities(NVSP_V6_1));
	for (unsigned i = 0; i < 2; i++, restart())
		give_recv_buf(&linux_5_10);
	for (unsigned i = 0; i < 2; i++, restart())
		give_send_buf(&linux_5_10);
	for (unsigned i = 0; i < 2; i++, restart())
		initialize(0x4000);
	for (unsigned i = 0; i < 2; i++, restart())
		ask_hardware(NVSP_V6_1, &o);
	for (unsigned i = 0; i < 2; i++, restart())
		set_params(NVSP_V6_1);
	for (unsigned i = 0; i < 2; i++, restart())
		ask_subchannels(3);
	for (unsigned i = 0; i < 2; i++, restart())
		set_rss(0, 4);
	for (unsigned i = 0; i < 2; i++, restart())
		set_filter(0x0d);
	no_faults();
}

static void a_vf_that_went_meanwhile_is_not_sent_by(void **state)
{
	struct nvsp_msg m = {.type = NVSP_SWITCH_DATA_PATH, .data_path.active = 1};

	netvsp_set_vf(vsp.n, true, 7);
	play_linux(&linux_5_10, 0, 1514, 4);
	assert_true(vsp_tell(&vsp, &m));
	assert_true(vsp.seen.vf_active);
	restart();
	assert_true(netvsp_state(vsp.n)->vf_active);
	netvsp_set_vf(vsp.n, true, 7);
	assert_true(netvsp_state(vsp.n)->vf_active);
	restart();
	netvsp_set_vf(vsp.n, false, 0);
	assert_false(vsp.seen.vf_active);
	assert_int_equal(vsp.n_nvsp, 1);
}

static void a_state_is_fitted_to_its_configuration(void **state)
{
	struct netvsp_state saved;

	play_linux(&linux_5_10, 0, 1514, 4);
	saved = *netvsp_state(vsp.n);
	saved.lro4 = saved.lro6 = true;
	saved.mac[5] = 0x77;
	assert_int_equal(netvsp_state_check(&saved), 0);
	vsp.conf.offloads = false;
	netvsp_set_conf(vsp.n, &vsp.conf);
	netvsp_restore(vsp.n, &saved);
	assert_false(netvsp_state(vsp.n)->csum_rx4 || netvsp_state(vsp.n)->csum_rx6);
	assert_false(netvsp_state(vsp.n)->lro4 || netvsp_state(vsp.n)->lro6);
	assert_memory_equal(netvsp_state(vsp.n)->mac, vsp.conf.mac, 6);
	vsp.conf.mac_change = true;
	netvsp_set_conf(vsp.n, &vsp.conf);
	netvsp_restore(vsp.n, &saved);
	assert_int_equal(netvsp_state(vsp.n)->mac[5], 0x77);
}

#define BAD(change)                                                                                \
	do {                                                                                       \
		struct netvsp_state s = *netvsp_state(vsp.n);                                      \
		change;                                                                            \
		assert_int_not_equal(netvsp_state_check(&s), 0);                                   \
	} while (0)

static void a_state_that_cannot_be_ours_is_refused(void **state)
{
	struct netvsp_state zero;

	memset(&zero, 0, sizeof(zero));
	assert_int_not_equal(netvsp_state_check(&zero), 0); /* no address */
	memcpy(zero.mac, vsp.conf.mac, 6);
	assert_int_equal(netvsp_state_check(&zero), 0);
	play_linux(&linux_5_10, 0, 1514, 4);
	assert_int_equal(netvsp_state_check(netvsp_state(vsp.n)), 0);
	BAD(s.nvsp_version = 0);
	BAD(s.nvsp_version = 0x60002);
	BAD(s.guest_mtu = 65536);
	BAD(s.recv_section_size = 0);
	BAD(s.recv_section_size += 4);
	BAD(s.recv_section_size = 64);
	BAD(s.n_recv_sections = 0);
	BAD(s.n_recv_sections = 65536);
	BAD(s.n_recv_sections = 0xffffffff);
	BAD(s.recv_section_size = 0xfffffff8);
	BAD(s.send_section_size = 0);
	BAD(s.send_section_size = 6145);
	BAD(s.n_send_sections = 0xffffffff);
	BAD(s.mac[0] = 1);
	BAD(s.filter = 0x10);
	BAD(s.n_subchannels = 64);
	BAD(s.n_subchannels = 2); /* the table says more */
	BAD(s.table_size = 127);
	BAD(s.table_size = 256);
	BAD(s.table_size = 0);
	BAD(s.table[127] = 4);
	BAD(s.hash_types = 1);
	BAD(s.rndis_up = false);
	BAD(memset(&s.rndis_up, 2, 1));
	BAD(memset(&s.vf_active, 2, 1));
	BAD(memset(&s.csum_rx4, 2, 1));
	BAD(memset(&s.csum_rx6, 0xff, 1));
	BAD(memset(&s.lro4, 2, 1));
	BAD(memset(&s.lro6, 2, 1));
	BAD(memset(&s.rss, 2, 1));
	BAD(memset(&s, 0xff, sizeof(s)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(linux_sets_up_with_every_version),
		TEST(linux_6_12_takes_more_queues),
		TEST(linux_changes_its_mtu_again_and_again),
		TEST(linux_toggles_large_receive),
		TEST(large_receive_is_offered_to_nobody_else),
		TEST(a_nic_without_offloads_says_so_and_fails_nothing),
		TEST(dpdk_sets_up_with_every_version),
		TEST(no_answer_is_longer_than_dpdks_buffer),
		TEST(freebsd_sets_up_with_every_version),
		TEST(uefi_sets_up),
		TEST(windows_asks_for_all_that_is_said_to_be_there),
		TEST(counters_come_in_four_bytes_or_eight),
		TEST(offloads_come_in_the_revision_there_is_room_for),
		TEST(a_guest_does_not_notice_a_restart_at_any_step),
		TEST(what_was_dealt_with_before_a_restart_is_answered_as_before),
		TEST(a_vf_that_went_meanwhile_is_not_sent_by),
		TEST(a_state_is_fitted_to_its_configuration),
		TEST(a_state_that_cannot_be_ours_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

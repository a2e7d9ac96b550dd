/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The network VSP's rules, one by one: orders, refusals, limits, what is answered and what not.
 */
#include "vmbus/netvsp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/vsp.h"
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

static uint64_t faults(enum netvsp_fault fault)
{
	return netvsp_faults(vsp.n, fault);
}

static const struct netvsp_state *now(void)
{
	return netvsp_state(vsp.n);
}

static void the_newest_version_both_know_is_taken(void **state)
{
	static const struct {
		uint32_t min, max, expected;
	} cases[] = {
		{NVSP_V1, NVSP_V6_1, NVSP_V6_1},
		{NVSP_V1, NVSP_V6, NVSP_V6},
		{NVSP_V5, NVSP_V5, NVSP_V5},
		{NVSP_V4, NVSP_V4, NVSP_V4},
		{NVSP_V2, NVSP_V2, NVSP_V2},
		{NVSP_V1, NVSP_V1, NVSP_V1},
		{NVSP_V1, 0xffffffff, NVSP_V6_1},
		{3, 0x30001, 0},
		{0x60002, 0xffffffff, 0},
		{NVSP_V5, NVSP_V4, 0},
		{0, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nvsp_msg m = {.type = NVSP_INIT, .init = {cases[i].min, cases[i].max}}, r;

		netvsp_reset(vsp.n);
		assert_true(vsp_call(&vsp, &m, &r));
		assert_int_equal(r.type, NVSP_INIT_COMPLETE);
		assert_int_equal(r.init_complete.version, cases[i].expected);
		assert_int_equal(r.init_complete.status, cases[i].expected != 0
								 ? NVSP_STATUS_SUCCESS
								 : NVSP_STATUS_UNSUPPORTED);
		assert_int_equal(now()->nvsp_version, cases[i].expected);
	}
}

static void a_second_init_is_refused_once_there_are_buffers(void **state)
{
	struct nvsp_msg m = {.type = NVSP_INIT, .init = {NVSP_V1, NVSP_V1}}, r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_not_equal(r.init_complete.status, NVSP_STATUS_SUCCESS);
	assert_int_equal(now()->nvsp_version, NVSP_V5);
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 1);
}

static const enum nvsp_type asked[] = {NVSP_SEND_RECV_BUF, NVSP_SEND_SEND_BUF, NVSP_SUBCHANNEL};
static const enum nvsp_type answers[] = {NVSP_SEND_RECV_BUF_COMPLETE, NVSP_SEND_SEND_BUF_COMPLETE,
					 NVSP_SUBCHANNEL};

static void nothing_goes_before_init(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		struct nvsp_msg m = {.type = asked[i], .buf = {VSP_RECV_GPADL, 1}}, r;

		assert_true(vsp_call(&vsp, &m, &r));
		assert_int_equal(r.type, answers[i]);
		assert_int_equal(r.subchannel_complete.status, NVSP_STATUS_FAILURE);
	}
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 3);
	assert_int_equal(vsp.n_changed, 0);
}

static void every_message_is_answered_at_every_length(void **state)
{
	for (unsigned type = 0; type < 140; type++) {
		uint8_t bytes[NVSP_MSG_MAX + 1] = {(uint8_t)type};

		for (size_t size = 0; size <= sizeof(bytes); size++) {
			uint8_t *exact = malloc(size == 0 ? 1 : size);

			assert_non_null(exact);
			memcpy(exact, bytes, size);
			vsp_clear(&vsp);
			netvsp_message(vsp.n, size, true, exact, size);
			assert_int_equal(vsp.n_completed, 1);
			assert_true(vsp.completed[0].id == size);
			netvsp_message(vsp.n, size, false, exact, size);
			assert_int_equal(vsp.n_completed, 1);
			free(exact);
		}
	}
	assert_true(faults(NETVSP_FAULT_NVSP_SHORT) > 0);
	assert_true(faults(NETVSP_FAULT_NVSP_TYPE) > 0);
}

static void messages_of_all_ones_change_nothing(void **state)
{
	uint8_t bytes[NVSP_MSG_MAX];
	struct netvsp_state before;

	assert_true(vsp_start(&vsp, NVSP_V6_1));
	before = *now();
	for (uint32_t type = 0; type < 140; type++) {
		if (type == NVSP_REVOKE_RECV_BUF || type == NVSP_REVOKE_SEND_BUF ||
		    type == NVSP_SEND_NDIS_VER || type == NVSP_SUBCHANNEL)
			continue;
		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes, &type, 4);
		netvsp_message(vsp.n, 1, true, bytes, 40);
		assert_memory_equal(now(), &before, sizeof(before));
	}
	memset(bytes, 0xff, sizeof(bytes));
	netvsp_message(vsp.n, 1, true, bytes, sizeof(bytes));
	assert_memory_equal(now(), &before, sizeof(before));
}

static void completions_have_the_size_of_their_version(void **state)
{
	assert_true(vsp_start(&vsp, NVSP_V5));
	struct nvsp_msg m = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 0}}, r;

	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(vsp.completed[0].size, 0x1c);
	netvsp_reset(vsp.n);
	assert_true(vsp_start(&vsp, NVSP_V6_1));
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(vsp.completed[0].size, 0x28);
}

static void the_guests_mtu_is_taken_if_it_can_be(void **state)
{
	static const uint32_t cases[][2] = {{0, 1500},	   {82, 1500},	       {1513, 1500},
					    {1514, 1500},  {1515, 1501},       {9014, 9000},
					    {9216, 9202},  {9217, 1500},       {65535, 1500},
					    {65536, 1500}, {0x7fffffff, 1500}, {0xffffffff, 1500}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nvsp_msg init = {.type = NVSP_INIT, .init = {NVSP_V5, NVSP_V5}}, r;
		struct nvsp_msg m = {.type = NVSP_SEND_NDIS_CONFIG,
				     .ndis_config = {cases[i][0], 0}};

		netvsp_reset(vsp.n);
		assert_true(vsp_call(&vsp, &init, &r));
		assert_true(vsp_tell(&vsp, &m));
		assert_int_equal(now()->guest_mtu, cases[i][1]);
	}
}

/* UEFI waits for it. */
static void a_completion_without_message_is_empty(void **state)
{
	struct nvsp_msg init = {.type = NVSP_INIT, .init = {NVSP_V5, NVSP_V5}}, r;
	uint8_t bytes[NVSP_MSG_MAX];
	static const enum nvsp_type types[] = {NVSP_SEND_NDIS_CONFIG, NVSP_SEND_NDIS_VER,
					       NVSP_REVOKE_RECV_BUF, NVSP_REVOKE_SEND_BUF,
					       NVSP_SWITCH_DATA_PATH};

	assert_true(vsp_call(&vsp, &init, &r));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct nvsp_msg m = {.type = types[i]};

		vsp_clear(&vsp);
		netvsp_message(vsp.n, 7, true, bytes, nvsp_write(&m, true, 0, bytes));
		assert_int_equal(vsp.n_completed, 1);
		assert_int_equal(vsp.completed[0].size, 0);
	}
}

static void a_receive_buffer_is_divided(void **state)
{
	static const struct {
		uint16_t mtu;
		uint32_t guest_frame, section;
	} cases[] = {{1500, 1514, 1728},
		     {1500, 9014, 1728},
		     {9000, 1514, 1728},
		     {9000, 9014, 9280},
		     {1280, 1514, 1728}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nvsp_msg m = {.type = NVSP_INIT, .init = {NVSP_V5, NVSP_V5}}, r;

		vsp.conf.mtu = cases[i].mtu;
		netvsp_set_conf(vsp.n, &vsp.conf);
		netvsp_reset(vsp.n);
		assert_true(vsp_call(&vsp, &m, &r));
		m = (struct nvsp_msg){.type = NVSP_SEND_NDIS_CONFIG,
				      .ndis_config = {cases[i].guest_frame, 0}};
		assert_true(vsp_tell(&vsp, &m));
		m = (struct nvsp_msg){.type = NVSP_SEND_RECV_BUF, .buf = {VSP_RECV_GPADL, 0xcafe}};
		assert_true(vsp_call(&vsp, &m, &r));
		assert_int_equal(r.recv_buf_complete.status, NVSP_STATUS_SUCCESS);
		assert_int_equal(r.recv_buf_complete.n_sections, 1);
		assert_int_equal(r.recv_buf_complete.offset, 0);
		assert_int_equal(r.recv_buf_complete.section_size, cases[i].section);
		assert_int_equal(r.recv_buf_complete.count, (16u << 20) / cases[i].section);
		assert_int_equal(r.recv_buf_complete.end,
				 r.recv_buf_complete.count * cases[i].section);
		assert_int_equal(now()->recv_id, 0xcafe);
	}
}

/* Sends a buffer of 'size' bytes after INIT; the status of the answer. */
static uint32_t try_buffer(enum nvsp_type type, uint64_t size)
{
	struct nvsp_msg m = {.type = NVSP_INIT, .init = {NVSP_V5, NVSP_V5}}, r;

	netvsp_reset(vsp.n);
	assert_true(vsp_call(&vsp, &m, &r));
	vsp.recv_size = vsp.send_size = size;
	m = (struct nvsp_msg){.type = type,
			      .buf = {type == NVSP_SEND_RECV_BUF ? VSP_RECV_GPADL : VSP_SEND_GPADL,
				      1}};
	assert_true(vsp_call(&vsp, &m, &r));
	return type == NVSP_SEND_RECV_BUF ? r.recv_buf_complete.status : r.send_buf_complete.status;
}

static void buffers_that_are_none_are_refused(void **state)
{
	static const struct {
		enum nvsp_type type;
		uint64_t size;
		uint32_t status;
	} cases[] = {
		{NVSP_SEND_RECV_BUF, 0, NVSP_STATUS_FAILURE},
		{NVSP_SEND_RECV_BUF, 2 * 1728 - 1, NVSP_STATUS_FAILURE},
		{NVSP_SEND_RECV_BUF, 2 * 1728, NVSP_STATUS_SUCCESS},
		{NVSP_SEND_RECV_BUF, 8190ull * 4096, NVSP_STATUS_SUCCESS},
		{NVSP_SEND_RECV_BUF, 8190ull * 4096 + 1, NVSP_STATUS_FAILURE},
		{NVSP_SEND_RECV_BUF, UINT64_MAX, NVSP_STATUS_FAILURE},
		{NVSP_SEND_SEND_BUF, 0, NVSP_STATUS_FAILURE},
		{NVSP_SEND_SEND_BUF, 6143, NVSP_STATUS_FAILURE},
		{NVSP_SEND_SEND_BUF, 6144, NVSP_STATUS_SUCCESS},
		{NVSP_SEND_SEND_BUF, 8190ull * 4096, NVSP_STATUS_SUCCESS},
		{NVSP_SEND_SEND_BUF, 8190ull * 4096 + 1, NVSP_STATUS_FAILURE},
		{NVSP_SEND_SEND_BUF, UINT64_MAX, NVSP_STATUS_FAILURE},
	};
	uint64_t refused = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(try_buffer(cases[i].type, cases[i].size), cases[i].status);
		refused += cases[i].status == NVSP_STATUS_FAILURE;
	}
	assert_true(faults(NETVSP_FAULT_BUFFER) == refused);
}

static void a_second_buffer_is_refused(void **state)
{
	struct nvsp_msg m = {.type = NVSP_SEND_RECV_BUF, .buf = {VSP_RECV_GPADL, 1}}, r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.recv_buf_complete.status, NVSP_STATUS_FAILURE);
	m.type = NVSP_SEND_SEND_BUF;
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.send_buf_complete.status, NVSP_STATUS_FAILURE);
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 2);
	assert_int_equal(now()->recv_id, NVSP_RECV_BUF_ID);
}

static void an_owner_that_refuses_leaves_all_as_it_was(void **state)
{
	struct nvsp_msg m = {.type = NVSP_INIT, .init = {NVSP_V5, NVSP_V5}}, r;

	assert_true(vsp_call(&vsp, &m, &r));
	vsp.changed_ret = -ENOMEM;
	m = (struct nvsp_msg){.type = NVSP_SEND_RECV_BUF, .buf = {VSP_RECV_GPADL, 1}};
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.recv_buf_complete.status, NVSP_STATUS_FAILURE);
	assert_int_equal(now()->n_recv_sections, 0);
	m = (struct nvsp_msg){.type = NVSP_SEND_SEND_BUF, .buf = {VSP_SEND_GPADL, 1}};
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.send_buf_complete.status, NVSP_STATUS_FAILURE);
	assert_int_equal(now()->n_send_sections, 0);
	netvsp_reset(vsp.n); /* all the same */
	assert_int_equal(now()->nvsp_version, 0);
	m = (struct nvsp_msg){.type = NVSP_INIT, .init = {NVSP_V5, NVSP_V5}};
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_not_equal(r.init_complete.status, NVSP_STATUS_SUCCESS);
}

static void an_owner_that_refuses_is_answered_for(void **state)
{
	uint32_t filter = NETVSP_FILTER_DIRECTED;
	struct nvsp_msg m = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 3}}, r;
	struct rndis_msg init = {.type = RNDIS_INITIALIZE, .major = 1}, a;

	assert_true(vsp_start(&vsp, NVSP_V5));
	vsp.changed_ret = -ENOMEM;
	assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4),
			 RNDIS_STATUS_FAILURE);
	assert_int_equal(now()->filter, 0);
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.subchannel_complete.status, NVSP_STATUS_FAILURE);
	assert_int_equal(vsp.n_offers, 0);
	vsp.changed_ret = 0;
	assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4),
			 RNDIS_STATUS_SUCCESS);
	vsp.changed_ret = -ENOMEM;
	assert_true(vsp_ask(&vsp, &init, &a));
	assert_int_equal(a.status, RNDIS_STATUS_FAILURE);
}

static void what_is_revoked_is_gone(void **state)
{
	struct nvsp_msg m = {.type = NVSP_REVOKE_RECV_BUF, .buf.id = NVSP_RECV_BUF_ID};

	assert_true(vsp_start(&vsp, NVSP_V5));
	vsp.changed_ret = -EIO; /* it has no say */
	assert_true(vsp_tell(&vsp, &m));
	assert_int_equal(now()->n_recv_sections, 0);
	assert_int_equal(vsp.seen.n_recv_sections, 0);
	assert_int_not_equal(now()->n_send_sections, 0);
	m = (struct nvsp_msg){.type = NVSP_REVOKE_SEND_BUF};
	assert_true(vsp_tell(&vsp, &m));
	assert_int_equal(vsp.seen.n_send_sections, 0);
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 0);
	assert_true(vsp_tell(&vsp, &m));
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 1);
}

static void what_is_revoked_under_another_number_is_gone_too(void **state)
{
	struct nvsp_msg m = {.type = NVSP_REVOKE_RECV_BUF, .buf.id = 1};

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_true(vsp_tell(&vsp, &m));
	assert_int_equal(vsp.seen.n_recv_sections, 0);
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 1);
}

static void a_gpadl_that_goes_takes_its_buffer_along(void **state)
{
	assert_true(vsp_start(&vsp, NVSP_V5));
	netvsp_gpadl_gone(vsp.n, 5);
	assert_int_not_equal(now()->n_recv_sections, 0);
	netvsp_gpadl_gone(vsp.n, VSP_SEND_GPADL);
	assert_int_equal(vsp.seen.n_send_sections, 0);
	assert_int_not_equal(now()->n_recv_sections, 0);
	netvsp_gpadl_gone(vsp.n, VSP_RECV_GPADL);
	assert_int_equal(vsp.seen.n_recv_sections, 0);
	netvsp_gpadl_gone(vsp.n, VSP_RECV_GPADL);
	netvsp_gpadl_gone(vsp.n, 0);
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 2);
}

static void nothing_is_sent_without_a_receive_buffer(void **state)
{
	struct rndis_msg init = {.type = RNDIS_INITIALIZE, .major = 1}, r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	netvsp_gpadl_gone(vsp.n, VSP_RECV_GPADL);
	assert_false(vsp_ask(&vsp, &init, &r));
	vsp.conf.link_up = false;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_int_equal(vsp.n_rndis, 0);
	assert_int_equal(faults(NETVSP_FAULT_RNDIS_ORDER), 1);
}

static void subchannels_are_answered_and_then_offered(void **state)
{
	static const uint32_t cases[][2] = {{1, 1}, {7, 7}, {8, 7}, {0xffffffff, 7}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nvsp_msg m = {.type = NVSP_SUBCHANNEL, .subchannel = {1, cases[i][0]}}, r;

		netvsp_reset(vsp.n);
		assert_true(vsp_start(&vsp, NVSP_V5));
		assert_true(vsp_call(&vsp, &m, &r));
		assert_int_equal(r.subchannel_complete.status, NVSP_STATUS_SUCCESS);
		assert_int_equal(r.subchannel_complete.count, cases[i][1]);
		assert_int_equal(vsp.offered, cases[i][1]);
		assert_int_equal(vsp.n_offers, i + 1);
		assert_true(vsp.offered_when > vsp.completed[0].when);
		assert_int_equal(now()->n_subchannels, cases[i][1]);
	}
}

static void subchannels_that_cannot_be_are_refused(void **state)
{
	struct nvsp_msg m = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 0}}, r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.subchannel_complete.status, NVSP_STATUS_SUCCESS);
	assert_int_equal(r.subchannel_complete.count, 0);
	m.subchannel.op = 2;
	m.subchannel.count = 1;
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.subchannel_complete.status, NVSP_STATUS_FAILURE);
	m.subchannel.op = 1;
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.subchannel_complete.count, 1);
	assert_true(vsp_call(&vsp, &m, &r)); /* again: the same */
	assert_int_equal(r.subchannel_complete.count, 1);
	assert_int_equal(vsp.offered, 1);
	assert_int_equal(vsp.n_offers, 2);
	m.subchannel.count = 0;
	assert_true(vsp_call(&vsp, &m, &r)); /* there are more */
	assert_int_equal(r.subchannel_complete.status, NVSP_STATUS_FAILURE);
	m.subchannel.count = 7;
	assert_true(vsp_call(&vsp, &m, &r)); /* it has got what it has got */
	assert_int_equal(r.subchannel_complete.count, 1);
	assert_int_equal(vsp.n_offers, 3);
	netvsp_reset(vsp.n);
	assert_true(vsp_start(&vsp, NVSP_V4)); /* does not know them */
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.subchannel_complete.status, NVSP_STATUS_FAILURE);
	assert_int_equal(vsp.n_offers, 3);
}

static void one_queue_grants_no_subchannels(void **state)
{
	struct nvsp_msg m = {.type = NVSP_SUBCHANNEL, .subchannel = {1, 7}}, r;

	vsp.conf.max_queues = 1;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.subchannel_complete.count, 0);
	assert_int_equal(vsp.n_offers, 0);
}

static struct oid_rss_params rss(void)
{
	struct oid_rss_params p = {.hash_info =
					   OID_RSS_TOEPLITZ | NETVSP_HASH_IP4 | NETVSP_HASH_TCP4,
				   .n_entries = 128,
				   .key_size = 40};

	for (unsigned i = 0; i < 128; i++)
		p.table[i] = i % 4;
	for (uint8_t i = 0; i < 40; i++)
		p.key[i] = i;
	return p;
}

static uint32_t set_rss(const struct oid_rss_params *p)
{
	uint8_t bytes[OID_RSS_PARAMS_MAX];

	return vsp_set(&vsp, OID_GEN_RECEIVE_SCALE_PARAMETERS, bytes,
		       (uint32_t)oid_rss_params_write(p, bytes));
}

static void start_with_subchannels(uint32_t n)
{
	struct nvsp_msg m = {.type = NVSP_SUBCHANNEL, .subchannel = {1, n}}, r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_true(vsp_call(&vsp, &m, &r));
	assert_int_equal(r.subchannel_complete.count, n);
}

static void rss_is_set_as_linux_sets_it(void **state)
{
	struct oid_rss_params p = rss();

	start_with_subchannels(3);
	p.flags = OID_RSS_DISABLE;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_SUCCESS);
	assert_false(now()->rss);
	p.flags = 0;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_SUCCESS);
	assert_true(vsp.seen.rss);
	assert_int_equal(vsp.seen.table_size, 128);
	assert_int_equal(vsp.seen.table[5], 1);
	assert_int_equal(vsp.seen.hash_types, NETVSP_HASH_IP4 | NETVSP_HASH_TCP4);
	assert_memory_equal(vsp.seen.key, p.key, 40);
}

static void rss_keeps_what_is_not_said(void **state)
{
	struct oid_rss_params p = rss();

	start_with_subchannels(3);
	p.flags = OID_RSS_SAME_TABLE;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_INVALID_DATA); /* as what? */
	p.flags = 0;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_SUCCESS);
	p.flags = OID_RSS_SAME_TABLE | OID_RSS_SAME_KEY;
	p.hash_info = OID_RSS_TOEPLITZ | 0x800 | 0x2000;
	memset(p.key, 0xff, sizeof(p.key));
	assert_int_equal(set_rss(&p), RNDIS_STATUS_SUCCESS);
	assert_int_equal(now()->hash_types, NETVSP_HASH_IP6 | NETVSP_HASH_TCP6);
	assert_int_equal(now()->key[1], 1);
	assert_int_equal(now()->table[5], 1);
	p.flags = OID_RSS_SAME_HASH | OID_RSS_SAME_TABLE;
	p.hash_info = 0;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_SUCCESS);
	assert_int_equal(now()->key[1], 0xff);
	assert_int_equal(now()->hash_types, NETVSP_HASH_IP6 | NETVSP_HASH_TCP6);
	assert_true(now()->rss);
	p.flags = 0; /* no hash: off */
	assert_int_equal(set_rss(&p), RNDIS_STATUS_SUCCESS);
	assert_false(now()->rss);
}

static void rss_entries_beyond_the_channels_go_round(void **state)
{
	struct oid_rss_params p = rss();

	start_with_subchannels(3);
	p.table[0] = 4;
	p.table[1] = 0xffffffff;
	p.table[2] = 7;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_SUCCESS);
	assert_int_equal(now()->table[0], 0);
	assert_true(now()->table[1] <= 3);
	assert_int_equal(now()->table[2], 3);
}

static void rss_that_cannot_be_changes_nothing(void **state)
{
	struct oid_rss_params good = rss(), p;
	struct netvsp_state before;

	start_with_subchannels(3);
	assert_int_equal(set_rss(&good), RNDIS_STATUS_SUCCESS);
	before = *now();
	p = good;
	p.n_entries = 127;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_INVALID_DATA);
	p.n_entries = 0;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_INVALID_DATA);
	p = good;
	p.key_size = 0;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_INVALID_DATA);
	p.key_size = 39;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_INVALID_DATA);
	p = good;
	p.hash_info = 2 | NETVSP_HASH_IP4;
	assert_int_equal(set_rss(&p), RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(vsp_set(&vsp, OID_GEN_RECEIVE_SCALE_PARAMETERS, "", 0),
			 RNDIS_STATUS_INVALID_DATA);
	assert_memory_equal(now(), &before, sizeof(before));
	assert_int_equal(faults(NETVSP_FAULT_OID), 6);
}

static void a_table_of_each_power_of_two_is_taken(void **state)
{
	struct oid_rss_params p = rss();

	start_with_subchannels(3);
	for (unsigned n = 1; n <= 128; n++) {
		p.n_entries = (uint16_t)n;
		assert_int_equal(set_rss(&p), (n & (n - 1)) == 0 ? RNDIS_STATUS_SUCCESS
								 : RNDIS_STATUS_INVALID_DATA);
	}
	assert_int_equal(now()->table_size, 128);
}

static void the_filter_opens_and_closes(void **state)
{
	uint32_t filter = 0x0d;

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4),
			 RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp.seen.filter, 0x0d);
	filter = 0xffffffff;
	assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4),
			 RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp.seen.filter, 0x2f);
	for (uint32_t size = 0; size < 4; size++)
		assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, size),
				 RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(now()->filter, 0x2f);
	filter = 0;
	assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4),
			 RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp.seen.filter, 0);
}

static void halt_stops_and_initialize_starts_anew(void **state)
{
	struct rndis_msg halt = {.type = RNDIS_HALT}, init = {.type = RNDIS_INITIALIZE, .major = 1},
			 r;
	struct oid_rss_params p = rss();
	uint32_t filter = 0x0d;

	start_with_subchannels(3);
	assert_int_equal(set_rss(&p), RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4),
			 RNDIS_STATUS_SUCCESS);
	vsp.changed_ret = -EIO; /* it has no say */
	assert_false(vsp_ask(&vsp, &halt, &r));
	assert_int_equal(vsp.n_rndis, 0);
	assert_false(vsp.seen.rndis_up || vsp.seen.rss);
	assert_int_equal(now()->filter, 0);
	vsp.changed_ret = 0;
	assert_int_equal(vsp_set(&vsp, OID_GEN_CURRENT_PACKET_FILTER, &filter, 4),
			 RNDIS_STATUS_FAILURE);
	assert_int_equal(vsp_query(&vsp, OID_802_3_PERMANENT_ADDRESS, NULL, 0, &r),
			 RNDIS_STATUS_FAILURE);
	assert_int_equal(faults(NETVSP_FAULT_RNDIS_ORDER), 2);
	assert_true(vsp_ask(&vsp, &init, &r));
	assert_true(now()->rndis_up);
	assert_int_equal(now()->filter, 0);
}

static void initialize_of_another_version_is_answered(void **state)
{
	struct rndis_msg init = {.type = RNDIS_INITIALIZE, .major = 2}, r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_true(vsp_ask(&vsp, &init, &r));
	assert_int_equal(r.status, RNDIS_STATUS_BAD_VERSION);
	init.major = 1;
	assert_true(vsp_ask(&vsp, &init, &r));
	assert_int_equal(r.status, RNDIS_STATUS_SUCCESS);
	assert_int_equal(r.major, 1);
	assert_int_equal(r.minor, 0);
	assert_int_equal(r.max_packets, 8);
	assert_int_equal(r.max_transfer, 0xefffffff);
	assert_int_equal(r.alignment, 8);
}

static void keepalive_and_reset_are_answered(void **state)
{
	struct rndis_msg m = {.type = RNDIS_KEEPALIVE}, r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_true(vsp_ask(&vsp, &m, &r));
	assert_int_equal(r.status, RNDIS_STATUS_SUCCESS);
	m.type = RNDIS_RESET;
	assert_true(vsp_ask(&vsp, &m, &r));
	assert_int_equal(r.status, RNDIS_STATUS_SUCCESS);
	assert_true(now()->rndis_up);
}

/* The guest waits for it with a lock that all of its network needs. */
static void a_control_message_that_cannot_be_read_is_answered(void **state)
{
	static const uint32_t types[] = {RNDIS_INITIALIZE, RNDIS_QUERY, RNDIS_SET, RNDIS_KEEPALIVE};
	uint8_t bytes[64];
	struct rndis_msg r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	for (unsigned i = 0; i < 4; i++) {
		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes, &types[i], 4);
		for (size_t size = 0; size <= sizeof(bytes); size++) {
			uint8_t *exact = malloc(size == 0 ? 1 : size);

			assert_non_null(exact);
			memcpy(exact, bytes, size);
			vsp_clear(&vsp);
			netvsp_rndis(vsp.n, exact, size);
			free(exact);
			assert_int_equal(vsp.n_rndis, size >= 12);
			if (size < 12)
				continue;
			assert_int_equal(rndis_read(vsp.rndis[0].bytes, vsp.rndis[0].size, &r), 0);
			assert_int_equal(r.type, types[i] | RNDIS_COMPLETION);
			assert_int_equal(r.request_id, 0xffffffff);
			assert_int_equal(r.status, RNDIS_STATUS_INVALID_DATA);
		}
	}
	assert_int_equal(faults(NETVSP_FAULT_RNDIS), 4 * 65);
}

static void control_messages_that_are_too_long_are_refused(void **state)
{
	static uint8_t bytes[RNDIS_CONTROL_MAX + 1];
	struct rndis_msg m = {.type = RNDIS_SET, .request_id = 9, .oid = 0x1010f};
	struct rndis_msg r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	rndis_write(&m, bytes, sizeof(bytes));
	vsp_clear(&vsp);
	netvsp_rndis(vsp.n, bytes, RNDIS_CONTROL_MAX);
	assert_int_equal(rndis_read(vsp.rndis[0].bytes, vsp.rndis[0].size, &r), 0);
	assert_int_equal(r.status, RNDIS_STATUS_SUCCESS);
	vsp_clear(&vsp);
	netvsp_rndis(vsp.n, bytes, RNDIS_CONTROL_MAX + 1);
	assert_int_equal(rndis_read(vsp.rndis[0].bytes, vsp.rndis[0].size, &r), 0);
	assert_int_equal(r.status, RNDIS_STATUS_INVALID_DATA);
}

static void messages_that_hosts_send_are_counted(void **state)
{
	static const uint32_t types[] = {RNDIS_INITIALIZE, RNDIS_QUERY, RNDIS_SET, RNDIS_RESET};
	uint8_t bytes[128];

	assert_true(vsp_start(&vsp, NVSP_V5));
	vsp_clear(&vsp);
	for (unsigned i = 0; i < 4; i++) {
		struct rndis_msg m = {.type = types[i] | RNDIS_COMPLETION};

		netvsp_rndis(vsp.n, bytes, rndis_write(&m, bytes, sizeof(bytes)));
		assert_int_equal(faults(NETVSP_FAULT_RNDIS), i + 1);
	}
	struct rndis_msg alive = {.type = RNDIS_KEEPALIVE | RNDIS_COMPLETION};

	netvsp_rndis(vsp.n, bytes, rndis_write(&alive, bytes, sizeof(bytes)));
	assert_int_equal(faults(NETVSP_FAULT_RNDIS), 4);
	assert_int_equal(vsp.n_rndis, 0);
}

static void the_link_is_told(void **state)
{
	struct rndis_msg m;
	uint32_t value;

	vsp.conf.link_up = false;
	netvsp_set_conf(vsp.n, &vsp.conf); /* nobody to tell */
	vsp.conf.link_up = true;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_true(vsp_start(&vsp, NVSP_V5));
	vsp_clear(&vsp);
	netvsp_set_conf(vsp.n, &vsp.conf); /* nothing changed */
	assert_int_equal(vsp.n_rndis, 0);
	vsp.conf.link_up = false;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_int_equal(vsp.n_rndis, 1);
	assert_int_equal(rndis_read(vsp.rndis[0].bytes, vsp.rndis[0].size, &m), 0);
	assert_int_equal(m.type, RNDIS_INDICATE_STATUS);
	assert_int_equal(m.status, RNDIS_STATUS_DISCONNECT);
	assert_int_equal(vsp.rndis[0].size, 20);
	vsp.conf.link_up = true;
	vsp.conf.speed_mbps = 25000;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_int_equal(vsp.n_rndis, 3);
	assert_int_equal(rndis_read(vsp.rndis[1].bytes, vsp.rndis[1].size, &m), 0);
	assert_int_equal(m.status, RNDIS_STATUS_CONNECT);
	assert_int_equal(rndis_read(vsp.rndis[2].bytes, vsp.rndis[2].size, &m), 0);
	assert_int_equal(m.status, RNDIS_STATUS_SPEED);
	assert_int_equal(m.data_size, 4);
	memcpy(&value, m.data, 4);
	assert_int_equal(value, 250000000);
	vsp.conf.speed_mbps = UINT32_MAX;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_int_equal(rndis_read(vsp.rndis[3].bytes, vsp.rndis[3].size, &m), 0);
	memcpy(&value, m.data, 4);
	assert_int_equal(value, UINT32_MAX);
}

static uint32_t ask_mac(const char *last)
{
	static const uint8_t some[6] = {0x02, 0, 0, 0, 0, 0x55};
	uint8_t bytes[OID_MAC_CHANGE_SIZE], mac[6];

	memcpy(mac, some, 6);
	if (last != NULL)
		memcpy(mac, last, 6);
	return vsp_set(&vsp, OID_GEN_RNDIS_CONFIG_PARAMETER, bytes,
		       (uint32_t)oid_mac_change_write(mac, bytes));
}

static void an_address_is_changed_by_policy_only(void **state)
{
	struct rndis_msg r;

	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_int_equal(ask_mac(NULL), RNDIS_STATUS_FAILURE);
	assert_memory_equal(now()->mac, vsp.conf.mac, 6);
	vsp.conf.mac_change = true;
	netvsp_set_conf(vsp.n, &vsp.conf);
	vsp.mac_ret = -EPERM;
	assert_int_equal(ask_mac(NULL), RNDIS_STATUS_FAILURE);
	assert_memory_equal(now()->mac, vsp.conf.mac, 6);
	vsp.mac_ret = 0;
	assert_int_equal(ask_mac(NULL), RNDIS_STATUS_SUCCESS);
	assert_int_equal(vsp.seen.mac[5], 0x55);
	assert_int_equal(vsp.mac[5], 0x55);
	assert_int_equal(vsp_query(&vsp, OID_802_3_CURRENT_ADDRESS, NULL, 0, &r), 0);
	assert_int_equal(r.data_size, 6);
	assert_memory_equal(r.data, now()->mac, 6);
	netvsp_reset(vsp.n); /* Linux closes and opens, and keeps its address */
	assert_int_equal(now()->mac[5], 0x55);
	vsp.conf.mac_change = false;
	netvsp_set_conf(vsp.n, &vsp.conf);
	netvsp_reset(vsp.n);
	assert_memory_equal(now()->mac, vsp.conf.mac, 6);
}

static void an_address_that_is_none_is_refused(void **state)
{
	vsp.conf.mac_change = true;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_true(vsp_start(&vsp, NVSP_V5));
	assert_int_equal(ask_mac("\0\0\0\0\0\0"), RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(ask_mac("\x03\0\0\0\0\1"), RNDIS_STATUS_INVALID_DATA);
	assert_int_equal(ask_mac("\xff\xff\xff\xff\xff\xff"), RNDIS_STATUS_INVALID_DATA);
	for (uint32_t size = 0; size < OID_MAC_CHANGE_SIZE; size++) {
		uint8_t bytes[OID_MAC_CHANGE_SIZE];

		oid_mac_change_write(vsp.conf.mac, bytes);
		assert_int_equal(vsp_set(&vsp, OID_GEN_RNDIS_CONFIG_PARAMETER, bytes, size),
				 RNDIS_STATUS_INVALID_DATA);
	}
	assert_memory_equal(now()->mac, vsp.conf.mac, 6);
}

static void an_address_that_the_path_refuses_is_taken_back(void **state)
{
	vsp.conf.mac_change = true;
	netvsp_set_conf(vsp.n, &vsp.conf);
	assert_true(vsp_start(&vsp, NVSP_V5));
	vsp.changed_ret = -ENOMEM;
	assert_int_equal(ask_mac(NULL), RNDIS_STATUS_FAILURE);
	assert_memory_equal(vsp.mac, vsp.conf.mac, 6);
	assert_memory_equal(now()->mac, vsp.conf.mac, 6);
}

static void a_vf_is_told_to_guests_that_take_them(void **state)
{
	struct nvsp_msg m;

	netvsp_set_vf(vsp.n, true, 77);
	assert_int_equal(vsp.n_nvsp, 0);
	assert_true(vsp_start(&vsp, NVSP_V5)); /* later, with INITIALIZE */
	assert_int_equal(vsp.n_nvsp, 1);
	assert_int_equal(nvsp_read(vsp.nvsp[0].bytes, vsp.nvsp[0].size, false, &m), 0);
	assert_int_equal(m.type, NVSP_VF_ASSOCIATION);
	assert_int_equal(m.vf.allocated, 1);
	assert_int_equal(m.vf.serial, 77);
	netvsp_set_vf(vsp.n, true, 77); /* nothing new */
	assert_int_equal(vsp.n_nvsp, 1);
	netvsp_set_vf(vsp.n, false, 77);
	assert_int_equal(nvsp_read(vsp.nvsp[1].bytes, vsp.nvsp[1].size, false, &m), 0);
	assert_int_equal(m.vf.allocated, 0);
	assert_int_equal(m.vf.serial, 77);
	netvsp_reset(vsp.n);
	vsp_clear(&vsp);
	assert_true(vsp_start(&vsp, NVSP_V2)); /* knows none */
	netvsp_set_vf(vsp.n, true, 78);
	assert_int_equal(vsp.n_nvsp, 0);
}

static void switch_path(uint32_t active, bool wanted)
{
	struct nvsp_msg m = {.type = NVSP_SWITCH_DATA_PATH, .data_path.active = active};
	uint8_t bytes[NVSP_MSG_MAX];
	size_t size = nvsp_write(&m, true, 0, bytes);

	vsp_clear(&vsp);
	netvsp_message(vsp.n, 5, wanted, bytes, size);
	assert_int_equal(vsp.n_completed, wanted);
	assert_int_equal(vsp.completed[0].size, 0);
}

static void the_data_path_is_switched_before_it_is_answered(void **state)
{
	assert_true(vsp_start(&vsp, NVSP_V5));
	switch_path(1, true); /* there is no VF */
	assert_false(now()->vf_active);
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 1);
	netvsp_set_vf(vsp.n, true, 77);
	switch_path(1, true);
	assert_true(vsp.seen.vf_active);
	switch_path(0xffffffff, true);
	assert_true(now()->vf_active);
	assert_int_equal(faults(NETVSP_FAULT_NVSP_ORDER), 2);
	switch_path(0, false); /* DPDK does not ask */
	assert_false(vsp.seen.vf_active);
	switch_path(1, false);
	assert_true(vsp.seen.vf_active);
	netvsp_set_vf(vsp.n, false, 77); /* without being asked */
	assert_false(vsp.seen.vf_active);
	netvsp_set_vf(vsp.n, true, 77);
	switch_path(1, true);
	netvsp_reset(vsp.n);
	assert_false(now()->vf_active);
}

static void every_fault_has_a_name(void **state)
{
	for (unsigned i = 0; i < NETVSP_N_FAULTS; i++) {
		assert_true(strlen(netvsp_fault_slug((enum netvsp_fault)i)) > 0);
		assert_true(strlen(netvsp_fault_text((enum netvsp_fault)i)) > 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_newest_version_both_know_is_taken),
		TEST(a_second_init_is_refused_once_there_are_buffers),
		TEST(nothing_goes_before_init),
		TEST(every_message_is_answered_at_every_length),
		TEST(messages_of_all_ones_change_nothing),
		TEST(completions_have_the_size_of_their_version),
		TEST(the_guests_mtu_is_taken_if_it_can_be),
		TEST(a_completion_without_message_is_empty),
		TEST(a_receive_buffer_is_divided),
		TEST(buffers_that_are_none_are_refused),
		TEST(a_second_buffer_is_refused),
		TEST(an_owner_that_refuses_leaves_all_as_it_was),
		TEST(an_owner_that_refuses_is_answered_for),
		TEST(what_is_revoked_is_gone),
		TEST(what_is_revoked_under_another_number_is_gone_too),
		TEST(a_gpadl_that_goes_takes_its_buffer_along),
		TEST(nothing_is_sent_without_a_receive_buffer),
		TEST(subchannels_are_answered_and_then_offered),
		TEST(subchannels_that_cannot_be_are_refused),
		TEST(one_queue_grants_no_subchannels),
		TEST(rss_is_set_as_linux_sets_it),
		TEST(rss_keeps_what_is_not_said),
		TEST(rss_entries_beyond_the_channels_go_round),
		TEST(rss_that_cannot_be_changes_nothing),
		TEST(a_table_of_each_power_of_two_is_taken),
		TEST(the_filter_opens_and_closes),
		TEST(halt_stops_and_initialize_starts_anew),
		TEST(initialize_of_another_version_is_answered),
		TEST(keepalive_and_reset_are_answered),
		TEST(a_control_message_that_cannot_be_read_is_answered),
		TEST(control_messages_that_are_too_long_are_refused),
		TEST(messages_that_hosts_send_are_counted),
		TEST(the_link_is_told),
		TEST(an_address_is_changed_by_policy_only),
		TEST(an_address_that_is_none_is_refused),
		TEST(an_address_that_the_path_refuses_is_taken_back),
		TEST(a_vf_is_told_to_guests_that_take_them),
		TEST(the_data_path_is_switched_before_it_is_answered),
		TEST(every_fault_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

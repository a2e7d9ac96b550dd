/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A head does to a plain frame what the steps that it sums up do, byte for byte; where it cannot it
 * says so and leaves the frame alone.
 */
#include "dataplane/head.h"

#include "dataplane/queue.h"
#include "tests/unit/dataplane/rewrite_case.h"

static struct dp_build b;

static void plain_frame(bool tagged)
{
	eth(&p);
	if (tagged)
		pkt_vlan(&p, 0x8100, (uint16_t)(below(8) << 13 | below(4096)));
	pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
	if (below(2))
		pkt_udp(&p, 5, 6);
	else
		pkt_tcp(&p, 5, 6, PKT_ACK);
	pkt_fill(&p, below(100), below(1000));
	pkt_finish(&p, 0);
	p.bytes[14 + (tagged ? 4 : 0) + 8] = (uint8_t)(1 + below(255));
}

static void field_step(enum dp_field field, const void *value, const void *mask, uint16_t size)
{
	uint8_t *data = dp_build_step(&b, DP_STEP_SET_FIELD, field, (uint16_t)(2 * size));

	memcpy(data, value, size);
	memcpy(data + size, mask, size);
}

static void random_step(void)
{
	uint8_t v[12];

	for (unsigned i = 0; i < sizeof(v); i++)
		v[i] = (uint8_t)below(256);
	switch (below(7)) {
	case 0:
		dp_build_step(&b, DP_STEP_PUSH_VLAN,
			      (below(2) ? 0x81000000 : 0x88a80000) | below(65536), 0);
		break;
	case 1:
		dp_build_step(&b, DP_STEP_POP_VLAN, 0, 0);
		break;
	case 2:
		memcpy(dp_build_step(&b, DP_STEP_SET_MACS, 0, 12), v, 12);
		break;
	case 3:
		dp_build_step(&b, DP_STEP_DEC_NW_TTL, 0, 0);
		break;
	case 4:
		dp_build_step(&b, DP_STEP_QUEUE, below(3), 0);
		break;
	case 5:
		field_step(DP_FIELD_VLAN_VID, v, below(2) ? ones : v + 4, 2);
		break;
	default:
		field_step(DP_FIELD_VLAN_PCP, v, below(2) ? ones : v + 4, 1);
		break;
	}
}

/* One by one, as exec.c does it; false when one is refused. */
static bool step_by_step(void)
{
	for (uint16_t at = 0; at < b.size;) {
		const struct dp_step *s = (const struct dp_step *)(b.steps + at);
		size_t size;
		int rc = 0;

		at = (uint16_t)(at + s->size);
		switch ((int)s->op) {
		case DP_STEP_PUSH_VLAN:
			rc = dp_rw_push_vlan(m, &h, (uint16_t)(s->arg >> 16), (uint16_t)s->arg);
			break;
		case DP_STEP_POP_VLAN:
			rc = dp_rw_pop_vlan(m, &h);
			break;
		case DP_STEP_SET_MACS:
			dp_rw_set_macs(m, s->data, s->data + 6);
			break;
		case DP_STEP_QUEUE:
			dp_queue_mark(m, s->arg);
			break;
		case DP_STEP_DEC_NW_TTL:
			rc = dp_rw_dec_nw_ttl(m, &h);
			break;
		case DP_STEP_SET_FIELD:
			size = (dp_fields[s->arg].bits + 7u) / 8;
			rc = dp_rw_set_field(m, &h, (enum dp_field)s->arg, s->data, s->data + size);
			break;
		default:
			break;
		}
		if (rc != 0)
			return false;
	}
	return true;
}

static void head_does_what_its_steps_do(void **state)
{
	unsigned n_done = 0, n_refused = 0, n_marked = 0;

	for (unsigned i = 0; i < 200000; i++) {
		bool tagged = below(2) != 0;
		struct dp_head head;
		uint32_t queue;
		uint64_t flags;

		plain_frame(tagged);
		dp_build_init(&b);
		for (unsigned k = below(5); k > 0; k--)
			random_step();
		dp_build_step(&b, DP_STEP_OUTPUT, 7, 0);
		if (!dp_head_compile(b.steps, b.size, &head))
			continue;
		assert_int_equal(head.out, 7);
		load_as_is();
		if (!dp_head_apply(&head, m, tagged)) {
			expect_bytes(p.bytes, p.size);
			done();
			n_refused++;
			continue;
		}
		want.size = mbufs_read(m, want.bytes, sizeof(want.bytes));
		flags = m->ol_flags;
		queue = m->hash.sched.queue_id;
		done();
		load_as_is();
		assert_true(step_by_step());
		assert_int_equal(m->ol_flags, flags);
		if ((flags & DP_QUEUE_MARK) != 0) {
			assert_int_equal(m->hash.sched.queue_id, queue);
			n_marked++;
		}
		expect_want();
		n_done++;
	}
	assert_true(n_done > 20000 && n_refused > 1000 && n_marked > 5000);
}

static void head_says_what_carries_the_frame(void **state)
{
	uint64_t untagged = dp_edge_carried(3, 9, false), tagged = dp_edge_carried(3, 77, true);
	struct dp_head head = {.pushes = 1, .queue = DP_QUEUE_NONE, .tag = {0x81, 0, 0xe0, 10}};

	assert_int_equal(dp_head_carried(&head, untagged, 9), dp_edge_carried(3, 10, true));
	head.tag[3] = 0; /* priority only: the port's VLAN */
	assert_int_equal(dp_head_carried(&head, untagged, 9), dp_edge_carried(3, 9, true));
	head = (struct dp_head){.queue = DP_QUEUE_NONE, .pops = 1};
	assert_int_equal(dp_head_carried(&head, tagged, 9), untagged);
	head = (struct dp_head){.queue = DP_QUEUE_NONE, .dec_ttl = 1};
	assert_int_equal(dp_head_carried(&head, tagged, 9), tagged);
}

static void frame_that_takes_care_is_left_alone(void **state)
{
	struct dp_head head = {.pushes = 1, .queue = DP_QUEUE_NONE, .tag = {0x81, 0, 0, 10}};
	struct rte_mbuf *clone;

	plain_frame(false);
	load_as_is();
	rte_mbuf_refcnt_update(m, 1);
	assert_false(dp_head_apply(&head, m, false));
	rte_mbuf_refcnt_update(m, -1);
	clone = rte_pktmbuf_clone(m, pool);
	assert_false(dp_head_apply(&head, m, false));
	assert_false(dp_head_apply(&head, clone, false));
	rte_pktmbuf_free(clone);
	m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
	assert_false(dp_head_apply(&head, m, false));
	m->ol_flags = 0;
	rte_pktmbuf_prepend(m, (uint16_t)(rte_pktmbuf_headroom(m) - 3));
	assert_false(dp_head_apply(&head, m, false));
	done();
}

static void more_than_a_head_can_is_not_summed_up(void **state)
{
	struct dp_head head;

	dp_build_init(&b);
	dp_build_step(&b, DP_STEP_OUTPUT, 1, 0);
	dp_build_step(&b, DP_STEP_OUTPUT, 2, 0);
	assert_false(dp_head_compile(b.steps, b.size, &head));
	dp_build_init(&b);
	dp_build_step(&b, DP_STEP_DEC_NW_TTL, 0, 0);
	assert_false(dp_head_compile(b.steps, b.size, &head));
	dp_build_step(&b, DP_STEP_DEC_NW_TTL, 0, 0);
	dp_build_step(&b, DP_STEP_OUTPUT, 1, 0);
	assert_false(dp_head_compile(b.steps, b.size, &head));
	dp_build_init(&b);
	dp_build_step(&b, DP_STEP_QUEUE, DP_QUEUE_NONE, 0);
	dp_build_step(&b, DP_STEP_OUTPUT, 1, 0);
	assert_false(dp_head_compile(b.steps, b.size, &head));
	dp_build_init(&b);
	dp_build_step(&b, DP_STEP_FLOOD, 0, 0);
	assert_false(dp_head_compile(b.steps, b.size, &head));
	dp_build_init(&b);
	dp_build_step(&b, DP_STEP_OUTPUT, DP_MAX_PORTS, 0);
	assert_false(dp_head_compile(b.steps, b.size, &head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_does_what_its_steps_do),
		cmocka_unit_test(head_says_what_carries_the_frame),
		cmocka_unit_test(frame_that_takes_care_is_left_alone),
		cmocka_unit_test(more_than_a_head_can_is_not_summed_up),
	};

	return cmocka_run_group_tests(tests, start_pool, stop_pool);
}

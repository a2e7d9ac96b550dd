/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow engine on a worker, with a translation made by hand: what is cached, for how long, how
 * it is counted, what a program does to frames, and what no program can do.
 */
#include "dataplane/flow.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/inject.h"
#include "dataplane/port_mem.h"
#include "dataplane/punt.h"
#include "dataplane/view.h"
#include "tests/support/test_dp.h"

#define N_PORTS	   4
#define FOREIGN	   3 /* a port of another tenant */
#define N_DOMAINS  2
#define STATION(i) (UINT64_C(0x020000000000) | (i))
#define SIZE	   64

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_pipeline *pipeline;
static unsigned cpu;
static uint64_t n_received;
static bool absent[N_PORTS];
static bool narrow; /* port 0 accepts untagged frames only on egress */

/* ---- The translation: what 'plan' says for packets with the destination STATION(i) ---- */

#define N_PLANS 300

enum shape {
	SEND,
	SEND_TWICE,
	NORMAL,
	FLOOD,
	ALL,
	BACK,
	NOTHING,
	ENDLESS,
	TAGGED,
	MACS,
	CLONED,
	BACK_TAGGED,
	TELL,
	TELL_AND_SEND,
	POP_NORMAL
};
struct plan {
	_Atomic int shape;
	_Atomic uint32_t arg, rule;
	_Atomic bool forget;
};
static struct plan plans[N_PLANS];
static _Atomic uint32_t n_translated;

static void compose(struct dp_build *b, enum shape shape, uint32_t arg)
{
	uint8_t *data;
	uint16_t mark;

	switch (shape) {
	case SEND_TWICE:
		dp_build_step(b, DP_STEP_OUTPUT, arg, 0);
		dp_build_step(b, DP_STEP_OUTPUT, arg + 1, 0);
		break;
	case SEND:
		dp_build_step(b, DP_STEP_OUTPUT, arg, 0);
		break;
	case NORMAL:
		dp_build_step(b, DP_STEP_NORMAL, 0, 0);
		break;
	case FLOOD:
	case ALL:
		dp_build_step(b, shape == ALL ? DP_STEP_ALL : DP_STEP_FLOOD, 0, 0);
		break;
	case BACK:
		dp_build_step(b, DP_STEP_IN_PORT, 0, 0);
		break;
	case BACK_TAGGED:
		dp_build_step(b, DP_STEP_PUSH_VLAN, 0x81000007, 0);
		dp_build_step(b, DP_STEP_IN_PORT, 0, 0);
		break;
	case TELL:
	case TELL_AND_SEND:
		data = dp_build_step(b, DP_STEP_CONTROLLER, 0, sizeof(struct dp_step_controller));
		memcpy(data, &(struct dp_step_controller){.cookie = 77, .max_size = 128},
		       sizeof(struct dp_step_controller));
		if (shape == TELL_AND_SEND)
			dp_build_step(b, DP_STEP_OUTPUT, arg, 0);
		break;
	case NOTHING:
		break;
	case ENDLESS:
		while (!b->overflow)
			dp_build_step(b, DP_STEP_OUTPUT, arg, 0);
		break;
	case TAGGED: /* as it came to one, tagged to the next */
		dp_build_step(b, DP_STEP_OUTPUT, arg, 0);
		dp_build_step(b, DP_STEP_PUSH_VLAN, 0x81000007, 0);
		dp_build_step(b, DP_STEP_OUTPUT, arg + 1, 0);
		break;
	case POP_NORMAL:
		dp_build_step(b, DP_STEP_POP_VLAN, 0, 0);
		dp_build_step(b, DP_STEP_NORMAL, 0, 0);
		break;
	case MACS:
		data = dp_build_step(b, DP_STEP_SET_MACS, 0, 12);
		memset(data, 0x0a, 12);
		dp_build_step(b, DP_STEP_OUTPUT, arg, 0);
		break;
	case CLONED: /* what is done to the copy is not done to the frame */
		mark = dp_build_clone_begin(b);
		data = dp_build_step(b, DP_STEP_SET_MACS, 0, 12);
		memset(data, 0x0a, 12);
		dp_build_step(b, DP_STEP_OUTPUT, arg, 0);
		dp_build_clone_end(b, mark);
		dp_build_step(b, DP_STEP_OUTPUT, arg + 1, 0);
		break;
	}
}

static void translate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	uint64_t dst = dp_key_get(key, DP_FIELD_ETH_DST) & 0xffff;
	const struct plan *plan = &plans[dst % N_PLANS];

	n_translated++;
	dp_key_cover(&b->wc, DP_FIELD_ETH_DST);
	b->tables[0] = 1;
	dp_build_rule(b, plan->rule);
	b->keep = !plan->forget;
	compose(b, (enum shape)plan->shape, plan->arg);
}

/* Frames for STATION(i) are of another fate from the next burst on. */
static void change(unsigned i, enum shape shape, uint32_t arg)
{
	struct dp_key key = {0}, mask = {0};

	dp_key_set(&key, DP_FIELD_ETH_DST, STATION(i));
	dp_key_cover(&mask, DP_FIELD_ETH_DST);
	plans[i].shape = (int)shape;
	plans[i].arg = arg;
	dp_pipeline_log(pipeline, 0, &key, &mask);
	dp_pipeline_publish(pipeline);
	dp_synchronize(dp);
}

/* ---- The switch ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	for (unsigned i = 0; i < N_DOMAINS; i++)
		free(view->domains[i]);
	free(view);
}

static uint32_t limits[N_DOMAINS]; /* flows that a tenant may have in the cache */

static void publish(void)
{
	static const uint16_t ours[] = {0, 1, 2}, theirs[] = {FOREIGN};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS,
				 .n_domains = N_DOMAINS,
				 .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_vport *v = absent[i] ? NULL : aligned_alloc(64, sizeof(*v));

		view->vports[i] = v;
		if (v == NULL)
			continue;
		*v = (struct dp_vport){.port = port[i],
				       .id = (uint16_t)i,
				       .domain = i == FOREIGN,
				       .flags = DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD |
						DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN |
						DP_VP_TAGGED_IN | DP_VP_TAG_OUT,
				       .tpid_out = rte_cpu_to_be_16(0x8100),
				       .max_frame = 1514,
				       .of_port = (uint16_t)(i + 1),
				       .pipeline = pipeline};
		memset(v->vlan_in, 0xff, sizeof(v->vlan_in));
		memset(v->vlan_out, 0xff, sizeof(v->vlan_out));
		if (narrow && i == 0) {
			memset(v->vlan_out, 0, sizeof(v->vlan_out));
			dp_vlan_add(v->vlan_out, 0);
		}
	}
	for (unsigned i = 0; i < N_DOMAINS; i++) {
		view->domains[i] = calloc(1, sizeof(*view->domains[i]));
		*view->domains[i] = (struct dp_domain){.id = (uint16_t)i,
						       .n_ports = i == 0 ? 3 : 1,
						       .flow_limit = limits[i],
						       .ports = i == 0 ? ours : theirs};
	}
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
	dp_synchronize(dp);
}

static uint64_t sum(const uint64_t *v)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += v[i];
	return n;
}

/* All that came in has its fate, and the ledger balances. */
static void settle(void)
{
	for (int i = 0; i < 50000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		if (t->rx_packets == n_received && t->forwarded == t->offered) {
			assert_int_equal(t->rx_packets + t->copies,
					 t->forwarded + t->punted + sum(t->drops_rx));
			return;
		}
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	fail_msg("the worker did not take the frames");
}

static void put_bytes(struct rte_mbuf *m, const uint8_t *d, uint16_t size)
{
	char *room = m != NULL ? rte_pktmbuf_append(m, size) : NULL;

	if (room == NULL)
		fail_msg("no buffer");
	else
		memcpy(room, d, size);
}

static void put_frame(struct rte_mbuf *m, const uint8_t *d)
{
	put_bytes(m, d, SIZE);
}

static void send(unsigned from, unsigned to, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
		uint8_t d[SIZE] = {2, 0, 0, 0, (uint8_t)(to >> 8), (uint8_t)to, 2,
				   0, 0, 1, 0, (uint8_t)from,	   0x88,	0xb5};

		put_frame(m, d);
		assert_int_equal(dp_port_mem_inject(port[from], 0, &m, 1), 1);
		n_received++;
		if (i % 64 == 63)
			settle();
	}
	settle();
}

static uint8_t last[256]; /* the last frame of collect() */
static uint32_t last_size;

static unsigned collect(unsigned from)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	for (; dp_port_mem_collect(port[from], &m, 1) == 1; n++) {
		last_size = m->pkt_len;
		memcpy(last, rte_pktmbuf_mtod(m, void *), last_size < 256 ? last_size : 256);
		rte_pktmbuf_free(m);
	}
	return n;
}

static uint64_t drops(enum dp_drop reason)
{
	dp_count_refresh(dp);
	return dp_total_count(dp)->drops_rx[reason] + dp_total_count(dp)->drops_tx[reason];
}

static void expect_counts(uint32_t rule, uint64_t n_packets)
{
	struct dp_flow_counts counts;

	dp_flow_counter_read(dp, rule, &counts);
	assert_int_equal(counts.packets, n_packets);
	assert_int_equal(counts.bytes, n_packets * SIZE);
}

/* ---- Tests ---- */

static void first_packet_is_translated_and_others_are_not(void **state)
{
	struct dp_flow_info before, after;

	change(1, SEND, 2);
	dp_flow_info(dp, &before);
	n_translated = 0;
	send(0, 1, 1);
	send(0, 1, 99);
	send(1, 1, 10); /* another port, which the translation did not look at */
	assert_int_equal(n_translated, 1);
	assert_int_equal(collect(2), 110);
	expect_counts(plans[1].rule, 110);
	dp_flow_info(dp, &after);
	assert_int_equal(after.misses - before.misses, 1);
	assert_int_equal(after.hits - before.hits, 109);
}

/* A worker that had nothing to do has not looked at the clock. */
static void packet_after_a_pause_is_of_now(void **state)
{
	struct dp_flow_counts counts;
	uint64_t before;

	change(1, SEND, 2);
	send(0, 1, 1);
	nanosleep(&(struct timespec){0, 500000000}, NULL);
	before = dp_flow_now_ms(dp);
	send(0, 1, 1);
	assert_int_equal(collect(2), 2);
	dp_flow_counter_read(dp, plans[1].rule, &counts);
	assert_true(counts.used_ms + DP_FLOW_TICK_MS >= before);
}

static void what_may_not_be_kept_is_translated_each_time(void **state)
{
	plans[1].forget = true;
	change(1, SEND, 2);
	n_translated = 0;
	send(0, 1, 5);
	assert_int_equal(n_translated, 5);
	assert_int_equal(collect(2), 5);
	expect_counts(plans[1].rule, 5);
}

static void change_touches_what_it_names_and_nothing_else(void **state)
{
	change(1, SEND, 1);
	change(2, SEND, 1);
	send(0, 1, 2);
	send(0, 2, 2);
	assert_int_equal(collect(1), 4);
	n_translated = 0;
	change(1, SEND, 2);
	send(0, 1, 3);
	send(0, 2, 3);
	assert_int_equal(collect(2), 3);
	assert_int_equal(collect(1), 3);
	assert_int_equal(n_translated, 1);
}

static void change_beyond_the_log_is_followed_too(void **state)
{
	struct dp_key key = {0}, mask = {0};

	for (unsigned n = DP_FLOW_LOG_SIZE / 2 - 1; n <= 3 * DP_FLOW_LOG_SIZE; n += 512) {
		change(1, SEND, 1);
		send(0, 1, 1);
		assert_int_equal(collect(1), 1);
		plans[1].arg = 2;
		dp_key_set(&key, DP_FIELD_ETH_DST, STATION(1));
		dp_key_cover(&mask, DP_FIELD_ETH_DST);
		dp_pipeline_log(pipeline, 0, &key, &mask);
		dp_key_set(&key, DP_FIELD_ETH_DST, STATION(2));
		for (unsigned i = 0; i < n; i++)
			dp_pipeline_log(pipeline, 0, &key, &mask);
		dp_pipeline_publish(pipeline);
		dp_synchronize(dp);
		send(0, 1, 1);
		assert_int_equal(collect(2), 1);
	}
}

/* After each barrier not one frame goes the old way, and none is lost. */
static void barrier_is_kept_under_traffic(void **state)
{
	for (unsigned i = 0; i < 300; i++) {
		unsigned out = 1 + i % 2;

		change(1, SEND, out);
		send(0, 1, 1 + i % 40);
		assert_int_equal(collect(out), 1 + i % 40);
		assert_int_equal(collect(3 - out), 0);
	}
}

static void each_flow_counts_for_its_own_rule(void **state)
{
	for (unsigned i = 0; i < N_PLANS; i++)
		change(i, SEND, 1);
	for (unsigned k = 0; k < 3; k++)
		for (unsigned i = 0; i < N_PLANS; i++)
			send(0, i, 1 + i % 3);
	collect(1);
	for (unsigned i = 0; i < N_PLANS; i++)
		expect_counts(plans[i].rule, 3 * (1 + i % 3));
}

static void tenant_has_its_share_of_the_cache_and_others_theirs(void **state)
{
	uint64_t refused = dp_domain_count(dp, 1)->flows_refused;
	uint64_t theirs = dp_flow_domain_entries(dp, 1), ours = dp_flow_domain_entries(dp, 0);

	limits[1] = (uint32_t)theirs + 3;
	publish();
	for (unsigned i = 1020; i < 1030; i++)
		send(FOREIGN, i, 1);
	assert_int_equal(dp_flow_domain_entries(dp, 1), theirs + 3);
	assert_int_equal(dp_domain_count(dp, 1)->flows_refused - refused, 7);
	for (unsigned i = 1040; i < 1050; i++)
		send(0, i, 1);
	assert_true(dp_flow_domain_entries(dp, 0) >= ours + 10);
	/* What has its entry keeps it when that is made anew. */
	dp_pipeline_log_all(pipeline);
	dp_pipeline_publish(pipeline);
	n_translated = 0;
	send(FOREIGN, 1020, 5);
	assert_int_equal(n_translated, 1);
	limits[1] = 0;
	publish();
	send(FOREIGN, 1029, 1);
	assert_int_equal(dp_flow_domain_entries(dp, 1), theirs + 4);
}

static void no_program_sends_to_another_tenant(void **state)
{
	uint64_t before = drops(DP_DROP_TENANT);
	static const enum shape shapes[] = {SEND, MACS, SEND_TWICE};

	for (unsigned k = 0; k < 3; k++) {
		change(1, shapes[k], shapes[k] == SEND_TWICE ? FOREIGN - 1 : FOREIGN);
		send(0, 1, 3); /* both from the miss and from the cache */
		assert_int_equal(collect(FOREIGN), 0);
		assert_int_equal(collect(2), k == 2 ? 3 : 0);
		assert_int_equal(drops(DP_DROP_TENANT) - before, 3 * (k + 1));
	}
	change(1, FLOOD, 0);
	send(0, 1, 2);
	change(1, ALL, 0);
	send(0, 1, 2);
	change(1, NORMAL, 0);
	send(0, 1, 2);
	assert_int_equal(collect(FOREIGN), 0);
	assert_int_equal(collect(1), 6);
	assert_int_equal(collect(2), 6);
}

static void frame_goes_back_only_when_told_so(void **state)
{
	uint64_t before = drops(DP_DROP_HAIRPIN);

	change(1, SEND, 0);
	send(0, 1, 2);
	assert_int_equal(collect(0), 0);
	assert_int_equal(drops(DP_DROP_HAIRPIN) - before, 2);
	change(1, BACK, 0);
	send(0, 1, 2);
	assert_int_equal(collect(0), 2);
}

static void frame_refused_on_its_way_back_is_counted_where_it_came_in(void **state)
{
	uint64_t before = drops(DP_DROP_EGRESS_VLAN);

	narrow = true;
	publish();
	change(1, BACK_TAGGED, 0);
	send(0, 1, 2);
	assert_int_equal(collect(0), 0);
	dp_count_refresh(dp);
	assert_int_equal(dp_port_count(dp, 0)->drops_rx[DP_DROP_EGRESS_VLAN] - before, 2);
	narrow = false;
	publish();
}

/* Nobody looks for a tag in what is left of it. */
static void frame_that_ends_behind_its_popped_tag_is_untagged(void **state)
{
	const uint8_t d[18] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 1, 0, 9, 0x81, 0, 0, 7, 0x88, 0xb5};
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	narrow = true;
	publish();
	change(1, POP_NORMAL, 0);
	/* What was in the buffer before looks like the tag that was there. */
	put_bytes(m, d, sizeof(d));
	put_bytes(m, d + 14, 4);
	assert_int_equal(rte_pktmbuf_trim(m, 4), 0);
	assert_int_equal(dp_port_mem_inject(port[1], 0, &m, 1), 1);
	n_received++;
	settle();
	assert_int_equal(collect(2), 1);
	assert_int_equal(last_size, 14);
	assert_int_equal(collect(0), 1);
	assert_int_equal(last_size, 14);
	assert_memory_equal(last, d, 12);
	assert_memory_equal(last + 12, d + 16, 2);
	narrow = false;
	publish();
}

static void program_without_output_and_one_too_long_drop_by_name(void **state)
{
	uint64_t before = drops(DP_DROP_NO_ACTION), long_before = drops(DP_DROP_PROGRAM_TOO_LONG);

	change(1, NOTHING, 0);
	send(0, 1, 3);
	assert_int_equal(drops(DP_DROP_NO_ACTION) - before, 3);
	expect_counts(plans[1].rule, 3);
	change(1, ENDLESS, 1);
	send(0, 1, 3);
	assert_int_equal(drops(DP_DROP_PROGRAM_TOO_LONG) - long_before, 3);
	assert_int_equal(collect(1), 0);
}

static void copies_do_not_share_what_is_changed_later(void **state)
{
	change(1, TAGGED, 1);
	send(0, 1, 2);
	assert_int_equal(collect(1), 2);
	assert_int_equal(last_size, SIZE);
	assert_int_equal(last[12], 0x88);
	assert_int_equal(collect(2), 2);
	assert_int_equal(last_size, SIZE + 4);
	assert_memory_equal(last + 12, ((const uint8_t[]){0x81, 0, 0, 7, 0x88, 0xb5}), 6);
	change(1, CLONED, 1);
	send(0, 1, 2);
	assert_int_equal(collect(1), 2);
	assert_int_equal(last[0], 0x0a);
	assert_int_equal(collect(2), 2);
	assert_int_equal(last[0], 0x02);
}

static void normal_follows_the_station_without_a_new_translation(void **state)
{
	change(5, NORMAL, 0);
	change(0, NORMAL, 0);
	send(0, 5, 1);
	assert_int_equal(collect(1) + collect(2), 2);
	n_translated = 0;
	/* Station 5 speaks at port 1, then at port 2. */
	for (unsigned at = 1; at <= 2; at++) {
		static const uint8_t d[SIZE] = {2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 5, 0x88, 0xb5};
		struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

		put_frame(m, d);
		assert_int_equal(dp_port_mem_inject(port[at], 0, &m, 1), 1);
		n_received++;
		settle();
		collect(0), collect(1), collect(2);
		send(0, 5, 1);
		assert_int_equal(collect(at), 1);
		assert_int_equal(collect(3 - at), 0);
	}
	assert_int_equal(n_translated, 1); /* of the frames for station 0 */
}

static void cached_program_of_a_port_that_is_gone_drops(void **state)
{
	uint64_t before;

	change(1, SEND, 2);
	send(0, 1, 2);
	assert_int_equal(collect(2), 2);
	before = drops(DP_DROP_NO_RECEIVER);
	absent[2] = true;
	publish();
	send(0, 1, 2);
	assert_int_equal(drops(DP_DROP_NO_RECEIVER) - before, 2);
	absent[2] = false;
	publish();
	send(0, 1, 2);
	assert_int_equal(collect(2), 2);
}

static void worker_that_goes_leaves_its_counts(void **state)
{
	struct err err = {0};

	change(1, SEND, 2);
	send(0, 1, 6);
	assert_int_equal(dp_worker_remove(dp, cpu, &err), 0);
	expect_counts(plans[1].rule, 6);
	assert_int_equal(dp_worker_add(dp, cpu, &err), 0);
	send(0, 1, 4);
	expect_counts(plans[1].rule, 10);
	assert_int_equal(collect(2), 10);
}

static void freed_counter_starts_again_at_nothing(void **state)
{
	uint32_t old = plans[1].rule, again;

	change(1, SEND, 2);
	send(0, 1, 6);
	collect(2);
	change(1, NOTHING, 0);
	dp_flow_counter_free(dp, old);
	assert_int_equal(dp_flow_counter_alloc(dp, &again), 0);
	assert_int_equal(again, old);
	expect_counts(plans[1].rule, 0);
}

/* ---- Controllers ---- */

static struct dp_punt told;
static uint8_t told_bytes[SIZE];

static void on_punt(void *arg, const struct dp_punt *punt)
{
	told = *punt;
	assert_int_equal(punt->size, SIZE);
	memcpy(told_bytes, punt->data, SIZE);
}

static void controllers_get_a_copy_and_know_whose(void **state)
{
	uint64_t before;

	dp_count_refresh(dp);
	before = dp_port_count(dp, 0)->punted;
	change(1, TELL, 0);
	send(0, 1, 2);
	change(1, TELL_AND_SEND, 2);
	send(0, 1, 1);
	assert_int_equal(collect(2), 1);
	assert_int_equal(dp_punt_poll(dp, 2, on_punt, NULL), 2);
	assert_int_equal(dp_punt_poll(dp, 64, on_punt, NULL), 1);
	assert_int_equal(told.what.cookie, 77);
	assert_int_equal(told.what.in_port, 1);
	assert_int_equal(told.port, 0);
	assert_int_equal(told.pipeline, dp_pipeline_id(pipeline));
	assert_int_equal(told_bytes[5], 1);
	assert_int_equal(dp_port_count(dp, 0)->punted - before, 3);
}

static void port_tells_controllers_no_more_than_it_may(void **state)
{
	uint64_t before = drops(DP_DROP_CONTROLLER_LIMIT);
	unsigned n;

	dp_punt_set_rate(dp, 1);
	change(1, TELL, 0);
	send(1, 1, DP_PUNT_BURST + 10);
	n = dp_punt_poll(dp, 2 * DP_PUNT_BURST, on_punt, NULL);
	assert_in_range(n, DP_PUNT_BURST - 2, DP_PUNT_BURST + 2);
	assert_int_equal(drops(DP_DROP_CONTROLLER_LIMIT) - before, DP_PUNT_BURST + 10 - n);
	send(2, 1, 1); /* another port still may */
	assert_int_equal(dp_punt_poll(dp, 64, on_punt, NULL), 1);
	dp_punt_set_rate(dp, DP_PUNT_RATE);
}

static void a_switch_has_a_limit_of_its_own_for_controllers(void **state)
{
	uint64_t before = drops(DP_DROP_CONTROLLER_LIMIT);
	unsigned n;

	change(1, TELL, 0);
	dp_pipeline_limit_punts(dp, pipeline, 1);
	send(1, 1, 40);
	n = dp_punt_poll(dp, 100, on_punt, NULL);
	assert_in_range(n, 8, 12); /* a second or more may have gone by */
	assert_int_equal(drops(DP_DROP_CONTROLLER_LIMIT) - before, 40 - n);
	dp_pipeline_limit_punts(dp, pipeline, 0);
	send(1, 1, 40);
	assert_int_equal(dp_punt_poll(dp, 100, on_punt, NULL), 40);
}

/* However many a port may send: what nobody takes is bounded. */
static void controllers_that_do_not_listen_cost_no_more_than_a_queue(void **state)
{
	const unsigned n_sent = 12000;
	uint64_t full = drops(DP_DROP_CONTROLLER_FULL), limit = drops(DP_DROP_CONTROLLER_LIMIT);
	unsigned n = 0, more;

	dp_punt_set_rate(dp, 100000000);
	change(1, TELL, 0);
	send(1, 1, n_sent);
	full = drops(DP_DROP_CONTROLLER_FULL) - full;
	limit = drops(DP_DROP_CONTROLLER_LIMIT) - limit;
	assert_int_not_equal(full, 0);
	while ((more = dp_punt_poll(dp, 64, on_punt, NULL)) != 0)
		n += more;
	assert_int_equal(n + full + limit, n_sent);
	send(1, 1, 1); /* and there is room again */
	assert_int_equal(dp_punt_poll(dp, 64, on_punt, NULL), 1);
	dp_punt_set_rate(dp, DP_PUNT_RATE);
}

/* A burst of frames that nobody knows, in the place of the worker, which stands still. */
static void burst_of_unknown(uint16_t from, unsigned first, uint16_t n, bool other_behind)
{
	struct dp_worker *w = dp->workers[0];
	struct rte_mbuf *m[DP_BURST];

	for (uint16_t i = 0; i < n; i++) {
		uint8_t d[SIZE] = {2,
				   0,
				   0,
				   0,
				   (uint8_t)((first + i) >> 8),
				   (uint8_t)(first + i),
				   2,
				   0,
				   0,
				   1,
				   0,
				   (uint8_t)from,
				   0x88,
				   0xb5};

		m[i] = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
		put_frame(m[i], d);
	}
	n_received += n;
	dp_pause(dp);
	w->view = atomic_load(&dp->view);
	w->burst_tsc = rte_rdtsc();
	memset(w->behind, 0, sizeof(w->behind));
	if (other_behind)
		dp_worker_behind(w, (uint16_t)(from + 1), w->burst_tsc);
	w->flow->police.ports[from] = (struct dp_police_port){.at = w->burst_tsc, .n = 2};
	dp_flow_burst(w, w->view->vports[from], m, n);
	dp_resume(dp);
	settle();
}

static void unknown_flows_give_way_where_another_port_is_behind(void **state)
{
	uint64_t before = drops(DP_DROP_FLOW_LIMIT);

	for (unsigned i = 100; i < 130; i++)
		change(i, SEND, 2);
	burst_of_unknown(0, 100, 10, false);
	assert_int_equal(drops(DP_DROP_FLOW_LIMIT) - before, 0);
	assert_int_equal(collect(2), 10);
	burst_of_unknown(0, 105, 10, true); /* five of them are known by now */
	assert_int_equal(drops(DP_DROP_FLOW_LIMIT) - before, 3);
	assert_int_equal(collect(2), 7);
}

static void inject(uint16_t from, enum dp_step_op op, uint32_t arg)
{
	static const uint8_t d[SIZE] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xb5};
	struct dp_build b;
	const struct dp_inject what = {
		.pipeline = pipeline, .port = from, .data = d, .size = SIZE, .build = &b};

	dp_build_init(&b);
	dp_build_step(&b, op, arg, 0);
	assert_int_equal(dp_inject(dp, &what), 0);
	dp_inject_wait(dp);
	settle();
}

static void injected_frame_goes_as_if_it_had_come_by_a_port(void **state)
{
	uint64_t before = drops(DP_DROP_TENANT);

	inject(0, DP_STEP_OUTPUT, 1);
	assert_int_equal(collect(1), 1);
	inject(0, DP_STEP_OUTPUT, FOREIGN);
	assert_int_equal(collect(FOREIGN), 0);
	assert_int_equal(drops(DP_DROP_TENANT) - before, 1);
	inject(0, DP_STEP_ALL, 0);
	assert_int_equal(collect(0), 0);
	assert_int_equal(collect(1) + collect(2), 2);
	change(1, SEND, 2);
	inject(0, DP_STEP_TABLE, 0);
	assert_int_equal(collect(2), 1);
}

static void switch_speaks_to_every_tenant(void **state)
{
	inject(DP_NO_PORT, DP_STEP_OUTPUT, FOREIGN);
	assert_int_equal(collect(FOREIGN), 1);
	inject(DP_NO_PORT, DP_STEP_FLOOD, 0);
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(collect(i), 1);
	change(1, SEND, 2);
	inject(DP_NO_PORT, DP_STEP_TABLE, 0);
	assert_int_equal(collect(2), 1);
}

/* A frame for the bridge that is next to 'from': an LLDP frame. */
static void send_reserved(unsigned from, enum shape shape, uint32_t arg)
{
	static const uint8_t d[SIZE] = {1, 0x80, 0xc2, 0, 0, 14, 2, 0, 0, 0, 0, 9, 0x88, 0xcc};
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	plans[14].shape = (int)shape;
	plans[14].arg = arg;
	dp_pipeline_log_all(pipeline);
	dp_pipeline_publish(pipeline);
	dp_synchronize(dp);
	put_frame(m, d);
	assert_int_equal(dp_port_mem_inject(port[from], 0, &m, 1), 1);
	n_received++;
	settle();
}

static void bridge_local_frames_reach_rules_and_are_not_bridged(void **state)
{
	uint64_t before = drops(DP_DROP_RESERVED_MAC);

	send_reserved(0, TELL, 0);
	assert_int_equal(dp_punt_poll(dp, 64, on_punt, NULL), 1);
	assert_int_equal(told_bytes[5], 14);
	send_reserved(0, SEND, 2);
	assert_int_equal(collect(2), 1);
	send_reserved(0, ALL, 0);
	assert_int_equal(collect(1) + collect(2), 2);
	assert_int_equal(drops(DP_DROP_RESERVED_MAC) - before, 0);
	send_reserved(0, NORMAL, 0);
	send_reserved(0, FLOOD, 0);
	assert_int_equal(drops(DP_DROP_RESERVED_MAC) - before, 2);
}

/* ---- */

static int setup(void **state)
{
	for (unsigned i = 0; i < N_PLANS; i++) {
		uint32_t rule;

		if (dp_flow_counter_alloc(dp, &rule) != 0)
			return -1;
		plans[i].shape = NOTHING;
		plans[i].arg = 0;
		plans[i].rule = rule;
		plans[i].forget = false;
	}
	dp_pipeline_log_all(pipeline);
	dp_pipeline_publish(pipeline);
	dp_synchronize(dp);
	for (unsigned i = 0; i < N_PORTS; i++)
		collect(i);
	return 0;
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < N_PLANS; i++)
		dp_flow_counter_free(dp, plans[i].rule);
	return 0;
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3"};
	struct err err = {0};
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
		cpu++;
	dp = test_dp_create(4095);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_port_opts opts = {.name = names[i],
					    .kind = "mem",
					    .netns_fd = -1,
					    .n_queues = 1};

		if (dp_port_open(dp, &opts, &port[i], &err) != 0)
			return -1;
	}
	dp_set_max_sleep(dp, 50);
	if (dp_worker_add(dp, cpu, &err) != 0 ||
	    dp_pipeline_create(dp, translate, NULL, &pipeline) != 0)
		return -1;
	publish();
	return 0;
}

static int finish(void **state)
{
	unsigned left;

	for (unsigned i = 0; i < N_PORTS; i++)
		absent[i] = true;
	publish();
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	dp_pipeline_destroy(dp, pipeline);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_packet_is_translated_and_others_are_not),
		TEST(packet_after_a_pause_is_of_now),
		TEST(what_may_not_be_kept_is_translated_each_time),
		TEST(change_touches_what_it_names_and_nothing_else),
		TEST(change_beyond_the_log_is_followed_too),
		TEST(barrier_is_kept_under_traffic),
		TEST(each_flow_counts_for_its_own_rule),
		TEST(tenant_has_its_share_of_the_cache_and_others_theirs),
		TEST(no_program_sends_to_another_tenant),
		TEST(frame_goes_back_only_when_told_so),
		TEST(frame_refused_on_its_way_back_is_counted_where_it_came_in),
		TEST(frame_that_ends_behind_its_popped_tag_is_untagged),
		TEST(program_without_output_and_one_too_long_drop_by_name),
		TEST(copies_do_not_share_what_is_changed_later),
		TEST(normal_follows_the_station_without_a_new_translation),
		TEST(cached_program_of_a_port_that_is_gone_drops),
		TEST(worker_that_goes_leaves_its_counts),
		TEST(controllers_get_a_copy_and_know_whose),
		TEST(port_tells_controllers_no_more_than_it_may),
		TEST(a_switch_has_a_limit_of_its_own_for_controllers),
		TEST(controllers_that_do_not_listen_cost_no_more_than_a_queue),
		TEST(unknown_flows_give_way_where_another_port_is_behind),
		TEST(injected_frame_goes_as_if_it_had_come_by_a_port),
		TEST(switch_speaks_to_every_tenant),
		TEST(bridge_local_frames_reach_rules_and_are_not_bridged),
		TEST(freed_counter_starts_again_at_nothing),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

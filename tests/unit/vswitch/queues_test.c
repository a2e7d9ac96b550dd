/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Queues of ports, from the configuration to the frame and to what controllers are told: a worker
 * forwards, the connection is of paper.
 */
#include "tests/support/of_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "tests/support/packet.h"
#include "vswitch/of/multipart.h"
#include "vswitch/of/port.h"
#include "vswitch/of/text.h"
#include "vswitch/queues.h"
#include "vswitch/trace.h"

#define XID   0x12345678u
#define LIMIT (1u << 20)
#define SIZE  200u

static struct of_rig rig;
static struct wr msg;
static struct pkt frame;
static json_t *config; /* what runs */

static int setup(void **state)
{
	of_rig_open(&rig, true);
	msg = wr_init(LIMIT);
	config = of_rig_state();
	pkt_init(&frame);
	pkt_eth(&frame, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(&frame, "10.0.0.1", "10.0.0.2");
	pkt_udp(&frame, 1000, 2000);
	pkt_fill(&frame, SIZE - 42, 1);
	pkt_finish(&frame, 0);
	return 0;
}

static int teardown(void **state)
{
	json_decref(config);
	wr_fini(&msg);
	of_rig_close(&rig);
	return 0;
}

/* ---- The configuration ---- */

static int apply(void)
{
	struct err err = {0};

	return vs_apply(rig.vs, NULL, config, false, &err);
}

/* Adds or changes one; a rate of 0 is none. */
static void queue(const char *port, unsigned id, uint64_t max_bps, uint64_t min_bps)
{
	json_t *body = json_pack("{ss si}", "port", port, "id", (int)id);
	json_t *queues = json_object_get(config, "queue");
	char name[32];

	if (queues == NULL) {
		queues = json_object();
		json_object_set_new(config, "queue", queues);
	}
	if (max_bps != 0)
		json_object_set_new(body, "max_rate", json_integer((json_int_t)max_bps));
	if (min_bps != 0)
		json_object_set_new(body, "min_rate", json_integer((json_int_t)min_bps));
	snprintf(name, sizeof(name), "%s %u", port, id);
	json_object_set_new(queues, name, body);
}

static struct vs_queue_counts counts_of(const char *port, uint32_t id)
{
	const struct vs_queue_live *live = vs_queue_find(rig.vs, port, id);
	struct vs_queue_counts counts;

	assert_non_null(live);
	vs_queue_read(rig.vs, live, &counts);
	return counts;
}

/* ---- Rules and frames ---- */

static void rule(const char *text)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;

	if (of_text_flow_parse(text, 1, OFPFC_ADD, NULL, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	of_flow_mod_encode(&msg, XID, &mod);
	of_flow_mod_fini(&mod);
	assert_int_equal(of_rig_try(&rig, &msg), OF_OK);
	dp_synchronize(rig.dp);
}

static struct dp_port *port_of(unsigned number)
{
	char name[8];

	snprintf(name, sizeof(name), "p%u", number);
	return rig.vs->live[vs_port_id(rig.vs, name)].port;
}

static struct dp_count count_of(unsigned number)
{
	dp_count_refresh(rig.dp);
	return *dp_port_count(rig.dp, port_of(number)->id);
}

/* How many frames left by a port since, and their bytes are the frame's. */
static unsigned collect(unsigned number)
{
	struct rte_mbuf *pkts[DP_BURST];
	unsigned n = 0, got;

	while ((got = dp_port_mem_collect(port_of(number), pkts, DP_BURST)) != 0) {
		for (unsigned i = 0; i < got; i++) {
			assert_int_equal(pkts[i]->pkt_len, SIZE);
			assert_int_equal(pkts[i]->ol_flags & DP_QUEUE_MARK, 0);
			assert_memory_equal(rte_pktmbuf_mtod(pkts[i], void *), frame.bytes, SIZE);
		}
		rte_pktmbuf_free_bulk(pkts, got);
		n += got;
	}
	return n;
}

/* The same; waits for 'n' frames, which may have to wait for their turn, or ten seconds. */
static unsigned collect_all(unsigned number, unsigned n)
{
	unsigned got = collect(number);

	for (unsigned i = 0; got < n && i < 10000; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		got += collect(number);
	}
	return got;
}

/* 'n' frames come in by port 1, and their fates are counted. */
static void receive(unsigned n)
{
	uint64_t before = count_of(1).rx_packets;

	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(rig.dp, 0, false));

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, SIZE), frame.bytes, SIZE);
		while (dp_port_mem_inject(port_of(1), 0, &m, 1) == 0)
			nanosleep(&(struct timespec){.tv_nsec = 10000}, NULL);
	}
	while (count_of(1).rx_packets != before + n)
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void a_queue_counts_the_frames_that_rules_send_by_it(void **state)
{
	struct vs_queue_counts c;

	queue("p2", 1, 0, 0);
	queue("p2", 7, 0, 0);
	queue("p3", 1, 0, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=set_queue:1,output:2,output:3,set_queue:7,output:4,output:2");
	receive(40);
	assert_int_equal(collect_all(2, 80), 80);
	assert_int_equal(collect_all(3, 40), 40);
	assert_int_equal(collect_all(4, 40), 40);
	c = counts_of("p2", 1);
	assert_int_equal(c.packets, 40);
	assert_int_equal(c.bytes, 40 * SIZE);
	assert_int_equal(c.drops, 0);
	assert_int_equal(counts_of("p2", 7).packets, 40);
	assert_int_equal(counts_of("p3", 1).packets, 40);
}

static void frames_of_a_queue_that_is_not_there_leave_as_any_other(void **state)
{
	queue("p2", 1, 1000, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=set_queue:2,output:2,output:3");
	receive(200);
	assert_int_equal(collect_all(2, 200), 200);
	assert_int_equal(collect_all(3, 200), 200);
	assert_int_equal(counts_of("p2", 1).packets, 0);
}

static void frames_without_a_queue_are_not_limited(void **state)
{
	queue("p2", 0, 1000, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=output:2");
	receive(300);
	assert_int_equal(collect_all(2, 300), 300);
}

static uint64_t shaper_drops(unsigned number)
{
	const struct dp_count c = count_of(number);

	return c.drops_tx[DP_DROP_SHAPER_FULL] + c.drops_tx[DP_DROP_SHAPER_DELAY];
}

static void what_is_over_the_rate_waits_and_the_rest_is_dropped(void **state)
{
	struct vs_queue_counts c;
	uint64_t left;

	/* 32 KB may wait: for half a minute at this rate. */
	queue("p2", 3, 8000, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=set_queue:3,output:2");
	receive(400);
	left = collect_all(2, 1);
	c = counts_of("p2", 3);
	assert_in_range(left, 1, 20);
	assert_in_range(c.packets, left, left + 5);
	assert_int_equal(c.bytes, c.packets * SIZE);
	assert_in_range(c.waiting, 100, 200);
	assert_in_range(c.drops + c.waiting + c.packets, 395, 405);
	assert_true(shaper_drops(2) >= 150);
	assert_int_equal(count_of(2).offered, 400);
	assert_in_range(count_of(2).held_tx, 100, 200);
}

static void a_minimum_is_kept_against_all_others(void **state)
{
	struct vs_queue_counts c;

	json_object_set_new(config, "qos",
			    json_pack("{s{ss sI}}", "p2 -", "port", "p2", "to_max",
				      (json_int_t)1000000));
	queue("p2", 1, 0, 900000);
	assert_int_equal(apply(), 0);
	rule("priority=9,in_port=1,actions=set_queue:1,output:2,set_queue:0,output:2");
	receive(150);
	assert_true(collect_all(2, 100) >= 100);
	c = counts_of("p2", 1);
	assert_true(c.packets >= 80);
	queue("p2", 1, 0, 1000001);
	assert_int_equal(apply(), -EINVAL);
}

static void buckets_of_groups_have_queues_of_their_own(void **state)
{
	struct of_text_error err = {0};
	struct of_group_mod mod;

	queue("p2", 1, 0, 0);
	queue("p3", 2, 0, 0);
	assert_int_equal(apply(), 0);
	assert_int_equal(of_text_group_parse("group_id=1,type=all,bucket=set_queue:1,output:2,"
					     "bucket=set_queue:2,output:3,bucket=output:4",
					     1, OFPGC_ADD, NULL, &mod, &err),
			 0);
	of_group_mod_encode(&msg, XID, &mod);
	of_group_fini(&mod.group);
	assert_int_equal(of_rig_try(&rig, &msg), OF_OK);
	rule("in_port=1,actions=write_actions(set_queue:9,group:1)");
	receive(10);
	assert_int_equal(collect_all(2, 10) + collect_all(3, 10) + collect_all(4, 10), 30);
	assert_int_equal(counts_of("p2", 1).packets, 10);
	assert_int_equal(counts_of("p3", 2).packets, 10);
}

/* ---- Changes ---- */

static void a_changed_rate_goes_on_with_the_counters(void **state)
{
	queue("p2", 1, 1000000, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=set_queue:1,output:2");
	receive(5);
	queue("p2", 1, 2000000, 0);
	assert_int_equal(apply(), 0);
	receive(5);
	assert_int_equal(collect_all(2, 10), 10);
	assert_int_equal(counts_of("p2", 1).packets, 10);
	json_object_del(config, "queue");
	assert_int_equal(apply(), 0);
	assert_null(vs_queue_find(rig.vs, "p2", 1));
	receive(5);
	assert_int_equal(collect_all(2, 5), 5);
	queue("p2", 1, 0, 0);
	assert_int_equal(apply(), 0);
	assert_int_equal(counts_of("p2", 1).packets, 0);
}

static void a_refused_change_leaves_queues_as_they_were(void **state)
{
	queue("p2", 1, 0, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=set_queue:1,output:2");
	receive(5);
	json_object_set_new(json_object_get(config, "port"), "x",
			    json_pack("{ss ss ss ss}", "name", "x", "switch", "s", "kind", "memif",
				      "socket", "/nowhere/at/all"));
	queue("p2", 2, 0, 0);
	json_object_del(json_object_get(config, "queue"), "p2 1");
	assert_int_not_equal(apply(), 0);
	assert_null(vs_queue_find(rig.vs, "p2", 2));
	receive(5);
	assert_int_equal(collect_all(2, 10), 10);
	assert_int_equal(counts_of("p2", 1).packets, 10);
}

static void a_port_has_sixty_four_queues_and_no_more(void **state)
{
	for (unsigned i = 0; i < DP_MAX_PORT_QUEUES; i++)
		queue("p2", 7 * (i + 1), 0, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=set_queue:448,output:2");
	receive(1);
	assert_int_equal(counts_of("p2", 448).packets, 1);
	queue("p2", 1, 0, 0);
	assert_int_equal(apply(), -ENOSPC);
	assert_null(vs_queue_find(rig.vs, "p2", 1));
}

/* ---- What controllers are told ---- */

static struct rd ask(uint8_t type)
{
	struct of_header header;
	struct rd body;

	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(header.type, type);
	return body;
}

static void ask_config(uint32_t port)
{
	size_t at = of_msg_begin(&msg, OFPT_QUEUE_GET_CONFIG_REQUEST, XID);

	of_port_request_encode(&msg, port);
	of_msg_end(&msg, at);
}

static void ask_stats(uint32_t port, uint32_t id)
{
	struct of_mp mp = {.type = OFPMP_QUEUE};
	size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);

	of_queue_request_encode(&msg, &(struct of_queue_request){port, id});
	of_msg_end(&msg, at);
}

static void controllers_learn_queues_and_their_rates(void **state)
{
	struct of_queue q;
	struct rd body;

	/* A port of no known speed is taken for one of 10 Gb/s. */
	queue("p2", 9, 2500000000, 1000);
	queue("p2", 1, UINT64_C(40000000000), 0);
	queue("p3", 4, 0, 0);
	assert_int_equal(apply(), 0);
	ask_config(2);
	body = ask(OFPT_QUEUE_GET_CONFIG_REPLY);
	assert_int_equal(rd_be32(&body), 2);
	rd_skip(&body, 4);
	assert_int_equal(of_queue_decode(&body, &q), OF_OK);
	assert_int_equal(q.id, 1);
	assert_int_equal(q.port, 2);
	assert_int_equal(q.max_rate, 1000);
	assert_int_equal(q.min_rate, OF_QUEUE_RATE_NONE);
	assert_int_equal(of_queue_decode(&body, &q), OF_OK);
	assert_int_equal(q.id, 9);
	assert_int_equal(q.max_rate, 250);
	assert_int_equal(q.min_rate, 1);
	assert_int_equal(body.left, 0);
	ask_config(OFPP_ANY);
	body = ask(OFPT_QUEUE_GET_CONFIG_REPLY);
	rd_skip(&body, 8);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(of_queue_decode(&body, &q), OF_OK);
	assert_int_equal(q.port, 3);
	assert_int_equal(q.id, 4);
	assert_int_equal(body.left, 0);
	ask_config(9);
	assert_int_equal(of_rig_try(&rig, &msg), OFPQOFC_BAD_PORT);
}

/* Entries of the reply; the last is left in 'ret_last'. */
static unsigned stats(uint32_t port, uint32_t id, struct of_queue_stats *ret_last)
{
	struct rd body;
	unsigned n = 0;

	ask_stats(port, id);
	body = ask(OFPT_MULTIPART_REPLY);
	rd_skip(&body, 8);
	for (; body.left != 0; n++)
		assert_int_equal(of_queue_stats_decode(&body, ret_last), OF_OK);
	return n;
}

static void controllers_read_the_counters(void **state)
{
	struct of_queue_stats s = {0};

	assert_int_equal(stats(OFPP_ANY, OF_QUEUE_ALL, &s), 0);
	queue("p2", 1, 8000, 0);
	queue("p2", 2, 0, 0);
	queue("p3", 1, 0, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=set_queue:1,output:2");
	receive(400);
	assert_int_equal(stats(OFPP_ANY, OF_QUEUE_ALL, &s), 3);
	assert_int_equal(stats(2, OF_QUEUE_ALL, &s), 2);
	assert_int_equal(stats(4, OF_QUEUE_ALL, &s), 0);
	assert_int_equal(stats(OFPP_ANY, 1, &s), 2);
	assert_int_equal(s.port, 3);
	assert_int_equal(stats(2, 1, &s), 1);
	assert_int_equal(s.port, 2);
	assert_int_equal(s.queue, 1);
	assert_true(s.tx_packets >= collect(2));
	assert_int_equal(s.tx_bytes, s.tx_packets * SIZE);
	assert_in_range(s.tx_errors, 150, 400 - s.tx_packets);
	assert_true(s.duration_s != 0 || s.duration_ns != 0);
	ask_stats(9, OF_QUEUE_ALL);
	assert_int_equal(of_rig_try(&rig, &msg), OFPQOFC_BAD_PORT);
	ask_stats(2, 5);
	assert_int_equal(of_rig_try(&rig, &msg), OFPQOFC_BAD_QUEUE);
	ask_stats(OFPP_ANY, 5);
	assert_int_equal(of_rig_try(&rig, &msg), OFPQOFC_BAD_QUEUE);
}

/* ---- A trace ---- */

static void a_trace_names_the_queue_and_takes_nothing_from_it(void **state)
{
	const struct dp_trace_event *sent[2] = {NULL, NULL};
	struct vs_trace *t = NULL;

	queue("p2", 5, 1000, 0);
	assert_int_equal(apply(), 0);
	rule("in_port=1,actions=set_queue:5,output:2,output:3");
	assert_int_equal(vs_trace_run(rig.dp, rig.flows, port_of(1)->id, frame.bytes, SIZE, false,
				      &t),
			 0);
	for (unsigned i = 0, n = 0; i < t->dp.n_events && n < 2; i++)
		if (t->dp.events[i].what == DP_TRACE_SENT)
			sent[n++] = &t->dp.events[i];
	assert_non_null(sent[1]);
	assert_int_equal(sent[0]->port, port_of(2)->id);
	assert_int_equal(sent[0]->queue, 5);
	assert_true(sent[0]->has_queue);
	assert_int_equal(sent[1]->queue, 5);
	assert_false(sent[1]->has_queue);
	assert_int_equal(counts_of("p2", 5).packets, 0);
	vs_trace_free(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_queue_counts_the_frames_that_rules_send_by_it),
		TEST(frames_of_a_queue_that_is_not_there_leave_as_any_other),
		TEST(frames_without_a_queue_are_not_limited),
		TEST(what_is_over_the_rate_waits_and_the_rest_is_dropped),
		TEST(a_minimum_is_kept_against_all_others),
		TEST(buckets_of_groups_have_queues_of_their_own),
		TEST(a_changed_rate_goes_on_with_the_counters),
		TEST(a_refused_change_leaves_queues_as_they_were),
		TEST(a_port_has_sixty_four_queues_and_no_more),
		TEST(controllers_learn_queues_and_their_rates),
		TEST(controllers_read_the_counters),
		TEST(a_trace_names_the_queue_and_takes_nothing_from_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shapers in a switch: ports in memory, real workers, a view made by hand.  What waits is in the
 * ledger at every read, flows keep their order, and whatever changes while frames wait (rates,
 * classes, ports, views, workers), each frame is sent or counted.
 */
#include "dataplane/shape_priv.h"

#include <errno.h>
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

#include "dataplane/fdb.h"
#include "dataplane/port_mem.h"
#include "dataplane/queue.h"
#include "dataplane/trace.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define N_PORTS	   4
#define N_FLOWS	   8
#define PLAIN	   (DP_VP_UP | DP_VP_UNTAGGED_IN)
#define STATION(i) (UINT64_C(0x020000000000) | (i))
#define NO	   DP_SCHED_NO_CLASS
#define OUT	   2 /* the port with a shaper; one transmit queue */
#define OTHER	   3
#define FOREVER	   4000000000u

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_vport conf[N_PORTS];
static bool away[N_PORTS]; /* from the view */
static struct dp_shaper *shaper;
static unsigned cpus[2], n_cpus;
static uint64_t n_injected, seed;
static uint32_t sent_seq[N_FLOWS];
static uint64_t next_seq[N_FLOWS], n_got[N_PORTS], bytes_got;

static const uint16_t all_ports[N_PORTS] = {0, 1, 2, 3};

/* ---- The switch ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static void publish(void)
{
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		if (away[i])
			continue;
		view->vports[i] = aligned_alloc(64, sizeof(*view->vports[i]));
		*view->vports[i] = conf[i];
	}
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = all_ports};
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static void pin(uint64_t station, uint16_t id)
{
	struct dp_fdb_entry e = {.port = id, .is_static = true};
	struct err err = {0};

	for (unsigned i = 0; i < 6; i++)
		e.mac.addr_bytes[i] = (uint8_t)(station >> (40 - 8 * i));
	assert_int_equal(dp_fdb_add_static(dp_fdb(dp), &e, &err), 0);
}

static int start_switch(unsigned n_workers)
{
	struct err err = {0};

	dp = test_dp_create(8191);
	n_injected = bytes_got = 0;
	memset(sent_seq, 0, sizeof(sent_seq));
	memset(next_seq, 0, sizeof(next_seq));
	memset(n_got, 0, sizeof(n_got));
	memset(away, 0, sizeof(away));
	shaper = NULL;
	seed = 1;
	for (uint16_t i = 0; i < N_PORTS; i++) {
		const struct dp_port_opts opts = {.name = "m",
						  .kind = "mem",
						  .netns_fd = -1,
						  .n_desc = 4096,
						  .n_queues = i < OUT ? 2 : 1};

		if (dp_port_open(dp, &opts, &port[i], &err) != 0)
			return -1;
		conf[i] = (struct dp_vport){.port = port[i],
					    .id = i,
					    .flags = PLAIN,
					    .native_out = DP_NO_VLAN,
					    .tpid_out = rte_cpu_to_be_16(0x8100),
					    .max_frame = 1514};
		dp_vlan_add(conf[i].vlan_out, 0);
	}
	publish();
	for (uint16_t i = 0; i < N_PORTS; i++)
		pin(STATION(i), i);
	for (unsigned i = 0; i < n_workers && i < n_cpus; i++)
		if (dp_worker_add(dp, cpus[i], &err) != 0)
			return -1;
	return 0;
}

static int start(void **state)
{
	return start_switch(1);
}

static int start_two(void **state)
{
	return start_switch(2);
}

static int finish(void **state)
{
	struct rte_mbuf *m;
	unsigned in_use;

	for (unsigned i = 0; i < N_PORTS; i++)
		away[i] = true;
	publish();
	dp_shaper_destroy(shaper);
	for (unsigned i = 0; i < N_PORTS; i++) {
		while (dp_port_mem_collect(port[i], &m, 1) != 0)
			rte_pktmbuf_free(m);
		dp_port_close(port[i]);
	}
	while (dp_n_workers(dp) != 0) {
		struct dp_worker_info info[2];

		assert_int_not_equal(dp_worker_info(dp, info, 2), 0);
		dp_worker_remove(dp, info[0].cpu, NULL);
	}
	in_use = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return in_use == 0 ? 0 : -1;
}

/* ---- Its ledger ---- */

static uint64_t sum(const uint64_t *v)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += v[i];
	return n;
}

static void look(void)
{
	const struct dp_count *t = dp_total_count(dp);

	dp_count_refresh(dp);
	for (uint16_t id = 0; id <= N_PORTS; id++) {
		const struct dp_count *c = id < N_PORTS ? dp_port_count(dp, id) : t;

		assert_int_equal(c->rx_packets + c->copies, c->forwarded + sum(c->drops_rx));
		assert_int_equal(c->offered + c->segments,
				 c->tx_packets + sum(c->drops_tx) + c->held_tx);
		assert_true(c->held_tx < 1u << 20);
	}
	assert_int_equal(t->forwarded, t->offered + (uint64_t)dp_in_flight(dp));
}

static uint64_t held(uint16_t id)
{
	look();
	return dp_port_count(dp, id)->held_tx;
}

static uint64_t drops(uint16_t id, enum dp_drop reason)
{
	look();
	return dp_port_count(dp, id)->drops_tx[reason];
}

static void nap(void)
{
	nanosleep(&(struct timespec){0, 200000}, NULL);
}

/* Everything injected was received, and what was handed over taken. */
static void settle(void)
{
	for (int i = 0; i < 50000; i++) {
		look();
		if (dp_total_count(dp)->rx_packets == n_injected && dp_in_flight(dp) == 0)
			return;
		nap();
	}
	fail_msg("the workers did not take the frames");
}

/* ---- Frames ---- */

static struct rte_mbuf *frame(uint64_t dst, unsigned flow, uint16_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	uint32_t words[2] = {flow, sent_seq[flow]};
	uint8_t *d;

	if (m == NULL)
		return NULL;
	sent_seq[flow]++;
	d = (uint8_t *)rte_pktmbuf_append(m, size);
	memset(d, 0, size);
	for (unsigned i = 0; i < 6; i++) {
		d[i] = (uint8_t)(dst >> (40 - 8 * i));
		d[6 + i] = (uint8_t)(STATION(100 + flow) >> (40 - 8 * i));
	}
	memcpy(d + 12, (const uint8_t[]){0x88, 0xb5}, 2);
	memcpy(d + 14, words, sizeof(words));
	return m;
}

/* Of one flow, which has a receive queue of its port to itself. */
static void inject(uint16_t to, unsigned flow, unsigned n, uint16_t size)
{
	while (n-- != 0) {
		struct rte_mbuf *m = frame(STATION(to), flow, size);

		if (m == NULL)
			return;
		if (dp_port_mem_inject(port[flow % 2], (uint16_t)(flow / 2), &m, 1) == 1) {
			n_injected++;
			continue;
		}
		rte_pktmbuf_free(m);
		return;
	}
}

static unsigned collect(uint16_t from)
{
	struct rte_mbuf *got[256];
	uint16_t n = dp_port_mem_collect(port[from], got, 256);

	for (uint16_t i = 0; i < n; i++) {
		uint32_t words[2];

		memcpy(words, rte_pktmbuf_mtod_offset(got[i], uint8_t *, 14), sizeof(words));
		assert_true(words[0] < N_FLOWS);
		assert_true(words[1] >= next_seq[words[0]]);
		next_seq[words[0]] = words[1] + 1;
		bytes_got += got[i]->pkt_len;
	}
	n_got[from] += n;
	rte_pktmbuf_free_bulk(got, n);
	return n;
}

/* ---- Shapers ---- */

static const struct dp_shape_group first_leaf[1] = {{{0}}};

/* One leaf. */
static struct dp_shape_spec plain_spec(const struct dp_sched_class *leaf, uint64_t rate)
{
	static const uint64_t key = 7;

	return (struct dp_shape_spec){.root.max_bps = rate,
				      .classes = leaf,
				      .keys = &key,
				      .n_classes = 1,
				      .groups = first_leaf,
				      .n_groups = 1};
}

static const struct dp_sched_class one_leaf = {.parent = NO,
					       .leaf = true,
					       .target_us = FOREVER,
					       .limit_bytes = 1u << 20};

static void shape(uint64_t rate)
{
	const struct dp_shape_spec spec = plain_spec(&one_leaf, rate);
	struct err err = {0};

	if (dp_shaper_create(dp, &spec, &shaper, &err) != 0)
		fail_msg("%s", err.what);
	conf[OUT].shaper = shaper;
	publish();
}

static void change(const struct dp_shape_spec *spec)
{
	struct err err = {0};

	if (dp_shaper_prepare(shaper, spec, &err) != 0)
		fail_msg("%s", err.what);
	dp_shapers_commit(dp);
}

static void change_rate(uint64_t rate)
{
	const struct dp_shape_spec spec = plain_spec(&one_leaf, rate);

	change(&spec);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void until_gone(uint16_t id)
{
	for (int i = 0; i < 50000 && held(id) != 0; i++) {
		collect(id);
		nap();
	}
	while (collect(id) != 0)
		;
	assert_int_equal(held(id), 0);
}

/* ---- Tests ---- */

static void frames_wait_and_leave_at_the_rate(void **state)
{
	double began = seconds(), took;

	shape(1600000);
	inject(OUT, 0, 100, 1000);
	settle();
	until_gone(OUT);
	took = seconds() - began;
	assert_int_equal(n_got[OUT], 100);
	/* Five milliseconds each, but for the burst; how much longer is the machine's affair. */
	if (took < 0.48)
		fail_msg("100 frames took %.4f s", took);
}

static void a_sleeping_worker_wakes_for_what_waits(void **state)
{
	double began = seconds();

	shape(80000); /* a frame each tenth of a second */
	inject(OUT, 0, 6, 1000);
	settle();
	until_gone(OUT);
	assert_int_equal(n_got[OUT], 6);
	assert_true(seconds() - began > 0.35);
}

static void a_port_without_a_shaper_does_not_wait(void **state)
{
	shape(100000);
	inject(OUT, 0, 100, 1000);
	inject(OTHER, 1, 100, 1000);
	settle();
	assert_int_equal(collect(OTHER), 100);
	assert_true(held(OUT) > 90);
}

static void another_rate_holds_at_once(void **state)
{
	struct dp_sched_counts n;

	shape(10000);
	inject(OUT, 0, 200, 1000);
	settle();
	assert_true(held(OUT) > 190);
	change_rate(100000000);
	until_gone(OUT);
	assert_int_equal(n_got[OUT], 200);
	dp_shaper_read(shaper, 0, &n);
	assert_int_equal(n.packets, 200);
	assert_true(n.delay_max_ns > 0);
}

static void a_change_that_is_given_up_leaves_no_trace(void **state)
{
	const struct dp_sched_class bad = {.parent = 5, .leaf = true};
	const struct dp_shape_spec good = plain_spec(&one_leaf, 1000000000),
				   none = plain_spec(&bad, 1000);
	struct err err = {0};

	shape(10000);
	inject(OUT, 0, 50, 1000);
	settle();
	assert_int_equal(dp_shaper_prepare(shaper, &none, &err), -EINVAL);
	assert_int_equal(dp_shaper_prepare(shaper, &good, &err), 0);
	dp_shaper_abort(shaper);
	dp_shapers_commit(dp);
	assert_true(held(OUT) > 40);
}

/* What waits in a leaf that is no more waits in the one where it belongs now. */
static void frames_of_a_class_that_goes_are_moved(void **state)
{
	const struct dp_sched_class two[] = {{.parent = NO, .max_bps = 50000000},
					     {.parent = 0, .leaf = true, .limit = 60}};
	const struct dp_shape_group group = {{1, 1, 1, 1, 1, 1, 1, 1}};
	const struct dp_shape_spec spec = {.classes = two,
					   .n_classes = 2,
					   .groups = &group,
					   .n_groups = 1};

	shape(10000);
	inject(OUT, 0, 100, 1000);
	settle();
	assert_true(held(OUT) > 90);
	change(&spec);
	until_gone(OUT);
	assert_in_range(n_got[OUT], 60, 66);
	assert_int_equal(n_got[OUT] + drops(OUT, DP_DROP_PORT_REMOVED) +
				 drops(OUT, DP_DROP_SHAPER_FULL),
			 100);
}

static void what_waits_for_a_port_that_goes_is_counted(void **state)
{
	shape(10000);
	inject(OUT, 0, 100, 1000);
	settle();
	assert_true(held(OUT) > 90);
	away[OUT] = true;
	publish();
	dp_shaper_destroy(shaper);
	shaper = NULL;
	look();
	assert_int_equal(held(OUT), 0);
	assert_int_equal(drops(OUT, DP_DROP_PORT_REMOVED) + collect(OUT), 100);
}

static void what_waits_for_a_device_that_is_away_is_counted(void **state)
{
	shape(10000);
	inject(OUT, 0, 100, 1000);
	settle();
	conf[OUT].port = NULL;
	publish();
	for (int i = 0; i < 20000 && held(OUT) != 0; i++)
		nap();
	assert_int_equal(drops(OUT, DP_DROP_TX_DOWN) + collect(OUT), 100);
}

static void without_its_shaper_what_waits_is_sent(void **state)
{
	struct dp_shaper *s;

	shape(10000);
	inject(OUT, 0, 100, 1000);
	settle();
	conf[OUT].shaper = NULL;
	publish();
	s = shaper;
	shaper = NULL;
	dp_shaper_destroy(s);
	look();
	assert_int_equal(held(OUT), 0);
	while (collect(OUT) != 0)
		;
	assert_int_equal(n_got[OUT], 100);
}

static void more_than_fits_is_counted(void **state)
{
	const struct dp_sched_class small = {.parent = NO,
					     .leaf = true,
					     .limit = 20,
					     .target_us = FOREVER};
	const struct dp_shape_spec spec = plain_spec(&small, 10000);
	const struct dp_count *count;

	shape(10000);
	change(&spec);
	inject(OUT, 0, 100, 1000);
	settle();
	look();
	count = dp_port_count(dp, OUT);
	assert_in_range(count->held_tx, 10, 20);
	assert_true(count->drops_tx[DP_DROP_SHAPER_FULL] > 60);
	assert_int_equal(count->held_tx + count->tx_packets + count->drops_tx[DP_DROP_SHAPER_FULL],
			 100);
}

/* However deep its queue may be, a port leaves buffers for the others. */
static void a_port_that_is_not_emptied_takes_a_part_of_the_buffers(void **state)
{
	const struct dp_sched_class deep = {.parent = NO,
					    .leaf = true,
					    .limit = 1000000,
					    .limit_bytes = 1u << 30,
					    .target_us = FOREVER};
	const struct dp_shape_spec spec = plain_spec(&deep, 10000);
	const struct dp_count *count;

	shape(10000);
	change(&spec);
	for (unsigned i = 0; i < 60; i++) {
		inject(OUT, 0, 100, 100);
		settle();
	}
	look();
	count = dp_port_count(dp, OUT);
	assert_in_range(count->held_tx, 1900, 2100);
	assert_int_equal(count->drops_tx[DP_DROP_SHAPER_FULL] + count->held_tx + count->tx_packets,
			 6000);
	inject(OTHER, 1, 10, 100);
	settle();
	assert_int_equal(collect(OTHER), 10);
}

static void a_dead_receiver_holds_up_nobody_else(void **state)
{
	const struct dp_sched_class c = {.parent = NO, .leaf = true, .limit = 50};
	const struct dp_shape_spec spec = plain_spec(&c, 1000000);
	const struct dp_count *count;
	struct dp_shaper *dead;
	struct err err = {0};

	shape(1000000000);
	assert_int_equal(dp_shaper_create(dp, &spec, &dead, &err), 0);
	conf[OTHER].shaper = dead;
	publish();
	dp_port_mem_limit(port[OTHER], 0);
	for (unsigned i = 0; i < 20; i++) {
		inject(OTHER, 1, 50, 1000);
		inject(OUT, 0, 50, 1000);
		settle();
		until_gone(OUT);
	}
	assert_int_equal(n_got[OUT], 1000);
	assert_true(drops(OTHER, DP_DROP_SHAPER_FULL) != 0);
	look();
	count = dp_port_count(dp, OTHER);
	assert_int_equal(count->drops_tx[DP_DROP_SHAPER_FULL] +
				 count->drops_tx[DP_DROP_SHAPER_DELAY] +
				 count->drops_tx[DP_DROP_TX_FULL] + count->held_tx,
			 1000);
	conf[OTHER].shaper = NULL;
	publish();
	dp_shaper_destroy(dead);
}

/* 6000 bytes of TCP, to be cut at 1000. */
static void inject_super_frame(void)
{
	struct rte_mbuf *m = NULL;
	struct pkt p;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:64");
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_tcp(&p, 1000, 80, PKT_ACK);
	pkt_fill(&p, 6000, 1);
	pkt_finish(&p, 0);
	for (uint32_t at = 0; at < p.size; at += 1000) {
		struct rte_mbuf *seg = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
		uint16_t size = (uint16_t)RTE_MIN(1000u, p.size - at);

		if (seg == NULL)
			abort();
		memcpy(rte_pktmbuf_append(seg, size), p.bytes + at, size);
		if (m == NULL)
			m = seg;
		else
			rte_pktmbuf_chain(m, seg);
	}
	if (m == NULL)
		abort();
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = 1000;
	assert_int_equal(dp_port_mem_inject(port[0], 0, &m, 1), 1);
	n_injected++;
}

/* How many frames left, and the longest. */
static unsigned collect_any(uint32_t *ret_longest)
{
	struct rte_mbuf *got[64];
	unsigned n = dp_port_mem_collect(port[OUT], got, 64);

	*ret_longest = 0;
	for (unsigned i = 0; i < n; i++)
		*ret_longest = RTE_MAX(*ret_longest, got[i]->pkt_len);
	rte_pktmbuf_free_bulk(got, n);
	return n;
}

static void a_super_frame_holds_nobody_up_on_a_slow_line(void **state)
{
	const struct dp_count *count;
	uint32_t longest;
	unsigned n;

	dp_port_mem_set_caps(port[OUT], DP_TX_CHAIN | DP_TX_CSUM_TCP | DP_TX_TSO4);
	shape(10000);
	inject_super_frame();
	settle();
	look();
	count = dp_port_count(dp, OUT);
	assert_int_equal(count->segments, 5);
	assert_int_equal(count->held_tx + count->tx_packets, 6);
	n = collect_any(&longest);
	assert_int_equal(longest, 1054);
	change_rate(10000000000);
	for (int i = 0; i < 20000 && held(OUT) != 0; i++)
		nap();
	assert_int_equal(collect_any(&longest), 6 - n);
	/* A fast one sends it whole. */
	inject_super_frame();
	settle();
	assert_int_equal(collect_any(&longest), 1);
	assert_int_equal(longest, 6054);
}

static void a_trace_says_which_class_and_queues_nothing(void **state)
{
	uint8_t bytes[64] = {2, 0, 0, 0, 0, OUT, 2, 0, 0, 0, 0, 9, 0x88, 0xb5};
	struct dp_trace t = {.port = 0, .frame = bytes, .size = sizeof(bytes), .record = true};
	bool shaped = false, sent = false;

	shape(10000);
	assert_int_equal(dp_trace_run(dp, &t), 0);
	for (unsigned i = 0; i < t.n_events; i++) {
		shaped |= t.events[i].what == DP_TRACE_SHAPED && t.events[i].port == OUT &&
			  t.events[i].queue == 0;
		sent |= t.events[i].what == DP_TRACE_SENT && t.events[i].port == OUT;
	}
	assert_true(shaped && sent);
	dp_trace_fini(&t);
	assert_int_equal(held(OUT), 0);
	assert_int_equal(collect(OUT), 0);
}

static void frames_are_classified_by_mark_dscp_tag_and_port(void **state)
{
	const struct dp_shape_group groups[2] = {{{0, 1, 2, 3, 4, 5, 6, 7}},
						 {{10, 11, 12, 13, 14, 15, 16, 17}}};
	const struct dp_shape_queue queues[] = {{3, 30, 0}, {9, 31, 0}, {4000000000u, 32, 0}};
	struct dp_shape_spec spec = {.groups = groups,
				     .n_groups = 2,
				     .queues = queues,
				     .n_queues = 3,
				     .trust = DP_SHAPE_DSCP | DP_SHAPE_PCP,
				     .tc = 6};
	static uint16_t group_of_port[DP_MAX_PORTS];
	struct rte_mbuf *m = frame(STATION(OUT), 0, 64);
	uint8_t *d;
	static const uint8_t v4[] = {0x08, 0, 0x45, 46 << 2}, v6[] = {0x86, 0xdd, 0x6b, 0x80};

	if (m == NULL)
		abort();
	d = rte_pktmbuf_mtod(m, uint8_t *);
	group_of_port[5] = 1;
	spec.group_of_port = group_of_port;
	spec.tc_of_dscp[46] = 2;
	spec.tc_of_pcp[5] = 3;
	memset(d, 0, 64);
	m->port = 0;
	assert_int_equal(shape_classify(&spec, m, 0), 6);
	m->port = 5;
	assert_int_equal(shape_classify(&spec, m, 0), 16);
	m->port = UINT16_MAX;
	memcpy(d + 12, v4, sizeof(v4));
	assert_int_equal(shape_classify(&spec, m, 0), 2);
	/* 0xb8 is DSCP 46 in IPv6's class, spread over two bytes. */
	memcpy(d + 12, v6, sizeof(v6));
	assert_int_equal(shape_classify(&spec, m, 0), 2);
	memcpy(d + 12, "\x81\x00\xa0\x01", 4);
	memcpy(d + 16, v4, sizeof(v4));
	assert_int_equal(shape_classify(&spec, m, 0), 2);
	spec.trust = DP_SHAPE_PCP;
	assert_int_equal(shape_classify(&spec, m, 0), 3);
	spec.trust |= DP_SHAPE_DSCP;
	memcpy(d + 16, "\x88\xb5", 2);
	assert_int_equal(shape_classify(&spec, m, 0), 3);
	for (uint16_t size = 0; size < 20; size++) {
		m->data_len = size;
		assert_int_equal(shape_classify(&spec, m, 0), size < 18 ? 6 : 3);
	}
	m->port = 5;
	for (unsigned i = 0; i < 3; i++) {
		dp_queue_mark(m, queues[i].id);
		assert_int_equal(shape_classify(&spec, m, 0), queues[i].leaf);
	}
	dp_queue_mark(m, 10);
	assert_int_equal(shape_classify(&spec, m, 0), 13);
	rte_pktmbuf_free(m);
}

/* ---- Ports that share ---- */

/* OUT and OTHER, a leaf each; 'w_other' 0: OUT alone. */
static void share_spec(uint64_t rate, uint64_t min_out, uint32_t w_other,
		       struct dp_shape_spec *ret_spec)
{
	static struct dp_sched_class leaves[2];
	static const uint64_t keys[2] = {8, 9};
	static const struct dp_shape_group groups[2] = {{{0}}, {{1, 1, 1, 1, 1, 1, 1, 1}}};
	static const struct dp_shape_out outs[2] = {{.port = OUT},
						    {.port = OTHER, .first_group = 1}};
	static const uint16_t ports[2] = {OUT, OTHER};
	static uint16_t index[2][DP_MAX_PORTS];
	uint16_t n = w_other != 0 ? 2 : 1;

	leaves[0] = leaves[1] = one_leaf;
	leaves[0].min_bps = min_out;
	leaves[1].weight = w_other;
	index[0][OUT] = index[1][OUT] = 1;
	index[1][OTHER] = 2;
	*ret_spec = (struct dp_shape_spec){.root.max_bps = rate,
					   .classes = leaves,
					   .keys = keys,
					   .n_classes = n,
					   .groups = groups,
					   .n_groups = n,
					   .outs = outs,
					   .n_outs = n,
					   .out_of_port = index[n - 1],
					   .port_of_class = ports};
}

static void share(uint64_t rate, uint64_t min_out, uint32_t w_other)
{
	struct dp_shape_spec spec;
	struct err err = {0};

	share_spec(rate, min_out, w_other, &spec);
	if (dp_shaper_create(dp, &spec, &shaper, &err) != 0)
		fail_msg("%s", err.what);
	conf[OUT].shaper = conf[OTHER].shaper = shaper;
	publish();
}

/* Both have more than enough to send all the time, long enough for a test that is not scheduled for
 * half a second; until both together got 'n' frames, counted from when both waited. */
static void both_want_all(unsigned n)
{
	inject(OUT, 0, 400, 1000);
	inject(OTHER, 1, 400, 1000);
	settle();
	while (collect(OUT) + collect(OTHER) != 0)
		;
	n_got[OUT] = n_got[OTHER] = 0;
	for (int i = 0; i < 100000 && n_got[OUT] + n_got[OTHER] < n; i++) {
		if (held(OUT) < 300)
			inject(OUT, 0, 100, 1000);
		if (held(OTHER) < 300)
			inject(OTHER, 1, 100, 1000);
		collect(OUT);
		collect(OTHER);
		nap();
	}
}

static void holds_share(double part)
{
	double got = (double)n_got[OUT] / (double)(n_got[OUT] + n_got[OTHER]);

	if (got < part * 0.95 || got > part * 1.05)
		fail_msg("%.3f instead of %.3f", got, part);
}

static void ports_share_a_rate_by_weight(void **state)
{
	double began = seconds(), took;

	share(4000000, 0, 3);
	both_want_all(600);
	took = seconds() - began;
	holds_share(0.25);
	/* 600 frames of 1000 bytes are 1.2 s; some may have come at the end of it. */
	if (took < 1.2 * 0.98)
		fail_msg("600 frames took %.4f s", took);
}

static void a_port_that_shares_gets_what_is_guaranteed(void **state)
{
	share(4000000, 3000000, 5);
	both_want_all(600);
	/* Three quarters, and a sixth of the rest. */
	holds_share(0.75 + 0.25 / 6);
}

static void what_one_port_leaves_the_others_have(void **state)
{
	double began = seconds();

	share(16000000, 0, 9);
	inject(OUT, 0, 200, 1000);
	settle();
	until_gone(OUT);
	assert_int_equal(n_got[OUT], 200);
	/* A tenth of a second; at its share alone it were a whole one. */
	if (seconds() - began > 0.7)
		fail_msg("200 frames took %.4f s", seconds() - began);
}

static void a_port_that_shares_no_more_loses_nothing(void **state)
{
	struct dp_shape_spec spec;

	share(100000, 0, 1);
	inject(OUT, 0, 100, 1000);
	inject(OTHER, 1, 100, 1000);
	settle();
	assert_true(held(OTHER) > 90);
	conf[OTHER].shaper = NULL;
	publish();
	for (int i = 0; i < 20000 && held(OTHER) != 0; i++)
		nap();
	share_spec(100000, 0, 0, &spec);
	change(&spec);
	while (collect(OTHER) != 0)
		;
	assert_int_equal(n_got[OTHER], 100);
	assert_true(held(OUT) > 90);
	conf[OTHER].shaper = shaper; /* which does not know it: it does not wait */
	publish();
	inject(OTHER, 1, 50, 1000);
	settle();
	while (collect(OTHER) != 0)
		;
	assert_int_equal(n_got[OTHER], 150);
}

static void what_waits_for_a_port_that_goes_ends_there_alone(void **state)
{
	share(100000, 0, 1);
	inject(OUT, 0, 100, 1000);
	inject(OTHER, 1, 100, 1000);
	settle();
	assert_true(held(OTHER) > 90);
	away[OTHER] = true;
	publish();
	dp_shapers_port_gone(dp, OTHER);
	assert_int_equal(held(OTHER), 0);
	assert_true(drops(OTHER, DP_DROP_PORT_REMOVED) > 90);
	assert_true(held(OUT) > 90);
	assert_int_equal(drops(OUT, DP_DROP_PORT_REMOVED), 0);
}

static void a_port_that_is_down_holds_up_no_one_that_shares(void **state)
{
	share(1600000, 0, 1);
	inject(OTHER, 1, 100, 1000);
	inject(OUT, 0, 50, 1000);
	settle();
	assert_true(held(OTHER) > 50);
	conf[OTHER].flags &= ~DP_VP_UP;
	publish();
	until_gone(OUT);
	assert_int_equal(n_got[OUT], 50);
	assert_int_equal(held(OTHER), 0);
	assert_true(drops(OTHER, DP_DROP_TX_DOWN) > 20);
}

static void creation_refuses_maps_that_lead_nowhere(void **state)
{
	const struct dp_sched_class classes[] = {{.parent = NO}, {.parent = 0, .leaf = true}};
	const struct dp_shape_group good = {{1, 1, 1, 1, 1, 1, 1, 1}}, inner = {{1, 1, 0, 1}};
	const struct dp_shape_queue twice[] = {{1, 1, 0}, {1, 1, 0}}, nowhere[] = {{1, 2, 0}};
	const struct dp_shape_spec ok = {.classes = classes,
					 .n_classes = 2,
					 .groups = &good,
					 .n_groups = 1};
	static uint16_t ports[DP_MAX_PORTS];
	struct dp_shape_spec bad[7];
	static const char *const slugs[] = {"class-unknown", "class-limit",   "queue-order",
					    "class-unknown", "traffic-class", "traffic-class",
					    "group-unknown"};

	for (unsigned i = 0; i < 7; i++)
		bad[i] = ok;
	bad[0].groups = &inner;
	bad[1].n_groups = 0;
	bad[2].queues = twice;
	bad[2].n_queues = 2;
	bad[3].queues = nowhere;
	bad[3].n_queues = 1;
	bad[4].tc = 8;
	bad[5].tc_of_dscp[63] = 255;
	ports[DP_MAX_PORTS - 1] = 1;
	bad[6].group_of_port = ports;
	for (unsigned i = 0; i < 7; i++) {
		struct err err = {0};

		assert_int_equal(dp_shaper_create(dp, &bad[i], &shaper, &err), -EINVAL);
		assert_string_equal(err.slug, slugs[i]);
		assert_null(shaper);
	}
}

static void shapers_spread_over_workers_and_stay(void **state)
{
	struct dp_shaper *s[2];
	const struct dp_shape_spec spec = plain_spec(&one_leaf, 1000000);
	struct err err = {0};
	int before[2];

	if (n_cpus < 2)
		skip();
	/* Both ports that have a queue for each worker. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(dp_shaper_create(dp, &spec, &s[i], &err), 0);
		assert_int_equal(dp_shaper_cpu(s[i]), -1);
		conf[i].shaper = s[i];
	}
	publish();
	for (unsigned i = 0; i < 2; i++)
		before[i] = dp_shaper_cpu(s[i]);
	assert_int_not_equal(before[0], before[1]);
	publish();
	assert_int_equal(dp_shaper_cpu(s[0]), before[0]);
	assert_int_equal(dp_worker_remove(dp, (unsigned)before[0], &err), 0);
	assert_int_equal(dp_shaper_cpu(s[0]), before[1]);
	assert_int_equal(dp_shaper_cpu(s[1]), before[1]);
	assert_int_equal(dp_worker_add(dp, (unsigned)before[0], &err), 0);
	assert_int_not_equal(dp_shaper_cpu(s[0]), dp_shaper_cpu(s[1]));
	conf[0].shaper = conf[1].shaper = NULL;
	publish();
	dp_shaper_destroy(s[0]);
	dp_shaper_destroy(s[1]);
}

/* ---- All at once ---- */

static void random_classes(void)
{
	enum { MOST = 12 };
	struct dp_sched_class c[MOST];
	struct dp_shape_group groups[4];
	uint64_t keys[MOST];
	static uint16_t group_of_port[DP_MAX_PORTS];
	uint16_t n = (uint16_t)(4 + pkt_rand(&seed) % (MOST - 4));
	struct dp_shape_spec spec = {.root.max_bps = 1000000 + pkt_rand(&seed) % 400000000,
				     .classes = c,
				     .keys = keys,
				     .n_classes = n,
				     .groups = groups,
				     .n_groups = 4,
				     .group_of_port = group_of_port};

	for (uint16_t i = 0; i < n; i++) {
		c[i] = (struct dp_sched_class){.parent = i >= 2 ? (uint16_t)(i % 2) : NO,
					       .leaf = i >= 2,
					       .weight = (uint32_t)(1 + pkt_rand(&seed) % 9),
					       .max_bps = pkt_rand(&seed) % 3 == 0
								  ? 5000000 + pkt_rand(&seed) %
										      100000000
								  : 0,
					       .target_us = (uint32_t)(pkt_rand(&seed) % 3000)};
		keys[i] = pkt_rand(&seed) % 4 == 0 ? 0 : 100 + i;
	}
	/* A flow that is of another class than before overtakes what waits in that one: here each
	 * port has a class of its own. */
	for (unsigned g = 0; g < 4; g++)
		for (unsigned tc = 0; tc < DP_SHAPE_TCS; tc++)
			groups[g].leaf[tc] = (uint16_t)(2 + g % (n - 2u));
	for (uint16_t i = 0; i < 2; i++)
		group_of_port[i] = i;
	change(&spec);
}

static void toggle_worker(void)
{
	struct err err = {0};
	unsigned cpu = cpus[pkt_rand(&seed) % n_cpus];

	if (dp_n_workers(dp) > 1)
		assert_int_equal(dp_worker_remove(dp, cpu, &err), 0);
	else if (dp_worker_add(dp, cpu, &err) != 0)
		assert_int_equal(dp_worker_add(dp, cpus[cpu == cpus[0]], &err), 0);
}

/* Frames are never sent past what waits, so each flow's numbers rise. */
static void any_change_under_traffic_keeps_order_and_ledger(void **state)
{
	uint64_t gone = 0;

	if (n_cpus < 2)
		skip();
	dp_set_rebalance(dp, false);
	shape(50000000);
	for (unsigned step = 0; step < 1500; step++) {
		for (unsigned flow = 0; flow < 4; flow++)
			inject(OUT, flow, (unsigned)(pkt_rand(&seed) % 16),
			       (uint16_t)(60 + pkt_rand(&seed) % 1400));
		switch (pkt_rand(&seed) % 12) {
		case 0:
			change_rate(1000000 + pkt_rand(&seed) % 1000000000);
			break;
		case 1:
			random_classes();
			break;
		case 2:
			toggle_worker();
			break;
		case 3:
			publish();
			break;
		case 4:
			look();
			break;
		default:
			break;
		}
		collect(OUT);
	}
	change_rate(1000000000);
	settle();
	until_gone(OUT);
	look();
	gone = sum(dp_total_count(dp)->drops_tx) + sum(dp_total_count(dp)->drops_rx);
	assert_int_equal(n_got[OUT] + gone, n_injected);
	assert_true(n_got[OUT] > n_injected / 20);
}

static void ports_and_shapers_come_and_go_under_traffic(void **state)
{
	const struct dp_shape_spec spec = plain_spec(&one_leaf, 20000000);
	struct err err = {0};
	uint64_t gone;

	shape(20000000);
	for (unsigned step = 0; step < 400; step++) {
		struct dp_shaper *old = NULL;

		for (unsigned flow = 0; flow < 4; flow++)
			inject(OUT, flow, 8, (uint16_t)(60 + pkt_rand(&seed) % 1400));
		switch (pkt_rand(&seed) % 6) {
		case 0:
			away[OUT] = !away[OUT];
			break;
		case 1:
			conf[OUT].port = conf[OUT].port == NULL ? port[OUT] : NULL;
			break;
		case 2:
			old = shaper;
			shaper = NULL;
			if (old == NULL)
				assert_int_equal(dp_shaper_create(dp, &spec, &shaper, &err), 0);
			conf[OUT].shaper = shaper;
			break;
		case 3:
			if (dp_n_workers(dp) < n_cpus || n_cpus > 1)
				toggle_worker();
			break;
		default:
			break;
		}
		publish();
		dp_shaper_destroy(old);
		look();
		/* Frames sent past a shaper that goes may overtake those that are flushed. */
		memset(next_seq, 0, sizeof(next_seq));
		for (struct rte_mbuf *m; dp_port_mem_collect(port[OUT], &m, 1) != 0;) {
			rte_pktmbuf_free(m);
			n_got[OUT]++;
		}
	}
	away[OUT] = false;
	conf[OUT].port = port[OUT];
	publish();
	settle();
	until_gone(OUT);
	gone = sum(dp_total_count(dp)->drops_tx) + sum(dp_total_count(dp)->drops_rx);
	assert_int_equal(n_got[OUT] + gone, n_injected);
}

#define TEST(name)     cmocka_unit_test_setup_teardown(name, start, finish)
#define TEST_TWO(name) cmocka_unit_test_setup_teardown(name, start_two, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_wait_and_leave_at_the_rate),
		TEST(a_sleeping_worker_wakes_for_what_waits),
		TEST_TWO(a_port_without_a_shaper_does_not_wait),
		TEST_TWO(another_rate_holds_at_once),
		TEST(a_change_that_is_given_up_leaves_no_trace),
		TEST(frames_of_a_class_that_goes_are_moved),
		TEST(what_waits_for_a_port_that_goes_is_counted),
		TEST(what_waits_for_a_device_that_is_away_is_counted),
		TEST(without_its_shaper_what_waits_is_sent),
		TEST(more_than_fits_is_counted),
		TEST(a_port_that_is_not_emptied_takes_a_part_of_the_buffers),
		TEST(a_dead_receiver_holds_up_nobody_else),
		TEST(a_super_frame_holds_nobody_up_on_a_slow_line),
		TEST(a_trace_says_which_class_and_queues_nothing),
		TEST(frames_are_classified_by_mark_dscp_tag_and_port),
		TEST(ports_share_a_rate_by_weight),
		TEST(a_port_that_shares_gets_what_is_guaranteed),
		TEST(what_one_port_leaves_the_others_have),
		TEST(a_port_that_shares_no_more_loses_nothing),
		TEST(what_waits_for_a_port_that_goes_ends_there_alone),
		TEST(a_port_that_is_down_holds_up_no_one_that_shares),
		TEST(creation_refuses_maps_that_lead_nowhere),
		TEST_TWO(shapers_spread_over_workers_and_stay),
		TEST_TWO(any_change_under_traffic_keeps_order_and_ledger),
		TEST_TWO(ports_and_shapers_come_and_go_under_traffic),
	};
	cpu_set_t set;

	/* The EAL will keep this thread on one. */
	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned i = 0; i < CPU_SETSIZE && n_cpus < 2; i++)
		if (CPU_ISSET(i, &set))
			cpus[n_cpus++] = i;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

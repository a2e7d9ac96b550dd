/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The whole way of a frame: ports in memory, a real worker, a view made by hand.  Every frame that
 * dies is counted under the right name, on the right port and side, and nowhere else; what a port
 * cannot finish itself arrives finished; the ledger balances after each.
 */
#include "dataplane/dp.h"

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
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/fdb.h"
#include "dataplane/flood.h"
#include "dataplane/port_mem.h"
#include "dataplane/probe.h"
#include "dataplane/view.h"
#include "tests/support/mbufs.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define N_PORTS	   3
#define N_DOMAINS  2
#define PLAIN	   (DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD | DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN)
#define BROADCAST  UINT64_C(0xffffffffffff)
#define STATION(i) (UINT64_C(0x020000000000) | (i))

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static uint64_t n_received;
static struct dp_count before; /* totals at mark() */
static struct dp_count port_before[N_PORTS];

/* What the next view says. */
static struct dp_vport conf[N_PORTS];
static struct dp_flood_limit *flood_limit;

static const uint16_t all_ports[N_PORTS] = {0, 1, 2};

/* Views. */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	for (unsigned i = 0; i < N_DOMAINS; i++)
		free(view->domains[i]);
	free(view);
}

static void publish(void)
{
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS,
				 .n_domains = N_DOMAINS,
				 .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		view->vports[i] = aligned_alloc(64, sizeof(*view->vports[i]));
		*view->vports[i] = conf[i];
	}
	for (unsigned i = 0; i < N_DOMAINS; i++) {
		view->domains[i] = calloc(1, sizeof(*view->domains[i]));
		*view->domains[i] = (struct dp_domain){.id = (uint16_t)i,
						       .flood_limit = flood_limit,
						       .n_ports = N_PORTS,
						       .ports = all_ports};
	}
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

/* Plain ports of one domain, nothing known about stations. */
static int plain(void **state)
{
	for (unsigned i = 0; i < N_PORTS; i++) {
		conf[i] = (struct dp_vport){.port = port[i],
					    .id = (uint16_t)i,
					    .flags = PLAIN,
					    .native_out = DP_NO_VLAN,
					    .tpid_out = rte_cpu_to_be_16(0x8100),
					    .max_frame = 1514};
		dp_vlan_add(conf[i].vlan_out, 0);
		dp_port_mem_limit(port[i], UINT32_MAX);
		dp_port_mem_set_link(port[i], true);
	}
	flood_limit = NULL;
	publish();
	dp_fdb_flush(dp_fdb(dp), DP_NO_DOMAIN, DP_NO_VLAN, DP_NO_PORT, true);
	return 0;
}

/* The ledger. */

static uint64_t sum(const uint64_t *v)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += v[i];
	return n;
}

static void check_balance(const struct dp_count *c)
{
	assert_int_equal(c->rx_packets + c->copies, c->forwarded + sum(c->drops_rx));
	assert_int_equal(c->offered + c->segments, c->tx_packets + sum(c->drops_tx));
}

/* Waits until all that was received has its fate, and holds the ledger against itself. */
static void settle(void)
{
	for (int i = 0; i < 20000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		check_balance(t);
		assert_int_equal(t->forwarded, t->offered + (uint64_t)dp_in_flight(dp));
		if (t->rx_packets == n_received) {
			for (uint16_t id = 0; id < N_PORTS; id++)
				check_balance(dp_port_count(dp, id));
			return;
		}
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	fail_msg("the worker did not take the frame");
}

static void mark(void)
{
	settle();
	before = *dp_total_count(dp);
	for (uint16_t id = 0; id < N_PORTS; id++)
		port_before[id] = *dp_port_count(dp, id);
}

/* Since mark(): 'n' frames died of 'reason' in this half of this port's ledger, and no others. */
static void expect_drops(uint16_t id, bool tx, enum dp_drop reason, uint64_t n)
{
	const struct dp_count *t, *c;

	settle();
	t = dp_total_count(dp);
	c = dp_port_count(dp, id);
	if (tx)
		assert_int_equal(c->drops_tx[reason] - port_before[id].drops_tx[reason], n);
	else
		assert_int_equal(c->drops_rx[reason] - port_before[id].drops_rx[reason], n);
	assert_int_equal(sum(t->drops_rx) - sum(before.drops_rx), tx ? 0 : n);
	assert_int_equal(sum(t->drops_tx) - sum(before.drops_tx), tx ? n : 0);
}

/* Frames. */

static void inject_bytes(unsigned from, const uint8_t *bytes, uint16_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, size), bytes, size);
	assert_int_equal(dp_port_mem_inject(port[from], 0, &m, 1), 1);
	n_received++;
}

/* 'size' bytes; 'vid' 0: no tag. */
static void inject(unsigned from, uint64_t dst, uint64_t src, unsigned vid, uint16_t size)
{
	uint8_t d[2000] = {0};

	for (unsigned i = 0; i < 6; i++) {
		d[i] = (uint8_t)(dst >> (40 - 8 * i));
		d[6 + i] = (uint8_t)(src >> (40 - 8 * i));
	}
	if (vid != 0)
		memcpy(d + 12, (const uint8_t[]){0x81, 0, (uint8_t)(vid >> 8), (uint8_t)vid}, 4);
	else
		memcpy(d + 12, (const uint8_t[]){0x88, 0xb5}, 2);
	inject_bytes(from, d, size);
}

static unsigned collect(unsigned from)
{
	struct rte_mbuf *got[256];
	uint16_t n = dp_port_mem_collect(port[from], got, 256);

	rte_pktmbuf_free_bulk(got, n);
	return n;
}

/* Nobody got anything. */
static void expect_nothing(void)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(collect(i), 0);
}

/* One frame from port 0, dead on arrival. */
static void dies(uint64_t dst, uint64_t src, unsigned vid, uint16_t size, enum dp_drop reason)
{
	mark();
	inject(0, dst, src, vid, size);
	expect_drops(0, false, reason, 1);
	expect_nothing();
}

static void pin(uint64_t station, uint16_t id)
{
	struct dp_fdb_entry e = {.port = id, .is_static = true};
	struct err err = {0};

	for (unsigned i = 0; i < 6; i++)
		e.mac.addr_bytes[i] = (uint8_t)(station >> (40 - 8 * i));
	assert_int_equal(dp_fdb_add_static(dp_fdb(dp), &e, &err), 0);
}

static void frame_that_is_none_is_dropped_by_its_fault(void **state)
{
	dies(BROADCAST, STATION(1), 0, 13, DP_DROP_RUNT);
	dies(BROADCAST, STATION(1), 5, 17, DP_DROP_TRUNCATED_TAG);
	dies(BROADCAST, BROADCAST, 0, 64, DP_DROP_BAD_SOURCE);
	dies(BROADCAST, UINT64_C(0x010000000001), 0, 64, DP_DROP_BAD_SOURCE);
	dies(BROADCAST, 0, 0, 64, DP_DROP_BAD_SOURCE);
	/* One byte more, and it is a frame. */
	mark();
	inject(0, BROADCAST, STATION(1), 0, 14);
	settle();
	assert_int_equal(collect(1) + collect(2), 2);
}

static void link_local_group_addresses_stay_unless_the_port_forwards_them(void **state)
{
	dies(UINT64_C(0x0180c2000000), STATION(1), 0, 64, DP_DROP_RESERVED_MAC);
	dies(UINT64_C(0x0180c200000f), STATION(1), 0, 64, DP_DROP_RESERVED_MAC);
	inject(0, UINT64_C(0x0180c2000010), STATION(1), 0, 64);
	conf[0].flags |= DP_VP_BPDU;
	settle();
	publish();
	inject(0, UINT64_C(0x0180c2000000), STATION(1), 0, 64);
	settle();
	assert_int_equal(collect(1), 2);
	assert_int_equal(collect(2), 2);
}

static void tag_that_the_port_does_not_take_is_dropped(void **state)
{
	dies(BROADCAST, STATION(1), 5, 64, DP_DROP_VLAN_NOT_MEMBER);
	conf[0].flags = (uint16_t)((conf[0].flags | DP_VP_TAGGED_IN) & ~DP_VP_UNTAGGED_IN);
	publish();
	dies(BROADCAST, STATION(1), 5, 64, DP_DROP_VLAN_NOT_MEMBER);
	dies(BROADCAST, STATION(1), 0, 64, DP_DROP_UNTAGGED);
}

static void frame_for_its_own_port_is_dropped(void **state)
{
	inject(0, BROADCAST, STATION(1), 0, 64);
	settle();
	assert_int_equal(collect(1) + collect(2), 2);
	dies(STATION(1), STATION(9), 0, 64, DP_DROP_HAIRPIN);
}

static void frame_that_nobody_takes_is_dropped(void **state)
{
	conf[1].flags &= ~DP_VP_FLOOD;
	conf[2].flags &= ~DP_VP_FLOOD;
	publish();
	dies(STATION(7), STATION(1), 0, 64, DP_DROP_NO_RECEIVER);
	mark();
	inject(0, BROADCAST, STATION(1), 0, 64);
	settle();
	assert_int_equal(collect(1) + collect(2), 2);
	/* The table knows a port that is not there. */
	pin(STATION(8), 77);
	dies(STATION(8), STATION(1), 0, 64, DP_DROP_NO_RECEIVER);
}

static void table_is_not_trusted_with_tenant_or_vlan(void **state)
{
	conf[1].domain = 1;
	memset(conf[2].vlan_out, 0, sizeof(conf[2].vlan_out));
	publish();
	pin(STATION(1), 1);
	pin(STATION(2), 2);
	dies(STATION(1), STATION(9), 0, 64, DP_DROP_TENANT);
	dies(STATION(2), STATION(9), 0, 64, DP_DROP_EGRESS_VLAN);
}

/* A probe that port 0 sent, as it is on the wire. */
static struct rte_mbuf *probe_of_port_0(void)
{
	struct rte_mbuf *m = NULL;

	assert_int_equal(dp_probe_send(dp, 0), 0);
	for (int i = 0; i < 20000 && dp_port_mem_collect(port[0], &m, 1) == 0; i++)
		nanosleep(&(struct timespec){0, 100000}, NULL);
	assert_non_null(m);
	settle();
	return m;
}

static void comes_in(uint16_t by, struct rte_mbuf *m)
{
	mark();
	assert_int_equal(dp_port_mem_inject(port[by], 0, &m, 1), 1);
	n_received++;
	settle();
}

static uint64_t probes_taken(uint16_t by)
{
	return dp_port_count(dp, by)->drops_rx[DP_DROP_LOOP_PROBE];
}

static void probe_that_comes_in_is_told_and_goes_no_further(void **state)
{
	uint64_t had = probes_taken(1);
	struct dp_fdb_stats stats;
	uint16_t from = 77;

	comes_in(1, probe_of_port_0());
	assert_true(dp_probe_came(dp, 1, &from));
	assert_int_equal(from, 0);
	assert_false(dp_probe_came(dp, 1, &from));
	assert_int_equal(probes_taken(1), had + 1);
	assert_int_equal(collect(0) + collect(1) + collect(2), 0);
	dp_fdb_stats(dp_fdb(dp), &stats);
	assert_int_equal(stats.n_entries, 0);
	/* By its own port, and by one that is held. */
	conf[0].flags = PLAIN | DP_VP_HELD;
	publish();
	comes_in(0, probe_of_port_0());
	assert_true(dp_probe_came(dp, 0, &from));
	assert_int_equal(from, 0);
}

static void probe_of_another_or_of_long_ago_is_a_frame_like_others(void **state)
{
	struct rte_mbuf *m = probe_of_port_0();
	uint16_t from;

	rte_pktmbuf_mtod(m, uint8_t *)[25] ^= 1; /* in the key */
	comes_in(1, m);
	assert_false(dp_probe_came(dp, 1, &from));
	assert_int_equal(collect(0) + collect(2), 2);
	m = probe_of_port_0();
	for (int i = 0; i < 6; i++)
		dp_probe_age(dp);
	comes_in(1, m);
	assert_false(dp_probe_came(dp, 1, &from));
	assert_int_equal(collect(0) + collect(2), 2);
	/* Shorter than one. */
	m = probe_of_port_0();
	rte_pktmbuf_trim(m, 20);
	comes_in(1, m);
	assert_false(dp_probe_came(dp, 1, &from));
	assert_int_equal(collect(0) + collect(2), 2);
}

static void port_that_is_down_or_held_neither_receives_nor_sends(void **state)
{
	pin(STATION(1), 1);
	conf[0].flags &= ~DP_VP_UP;
	publish();
	dies(STATION(1), STATION(9), 0, 64, DP_DROP_PORT_DISABLED);
	conf[0].flags = PLAIN | DP_VP_HELD;
	publish();
	dies(STATION(1), STATION(9), 0, 64, DP_DROP_LOOP);
	conf[0].flags = PLAIN;
	conf[1].flags = PLAIN | DP_VP_HELD;
	publish();
	dies(STATION(1), STATION(9), 0, 64, DP_DROP_LOOP);
	conf[1].flags = PLAIN & ~DP_VP_UP;
	publish();
	dies(STATION(1), STATION(9), 0, 64, DP_DROP_TX_DOWN);
}

static void full_queue_drops_what_does_not_fit(void **state)
{
	pin(STATION(1), 1);
	dp_port_mem_limit(port[1], 2);
	mark();
	for (int i = 0; i < 5; i++)
		inject(0, STATION(1), STATION(9), 0, 64);
	expect_drops(1, true, DP_DROP_TX_FULL, 3);
	assert_int_equal(collect(1), 2);
}

static void port_without_link_drops_on_its_own_side(void **state)
{
	pin(STATION(1), 1);
	dp_port_mem_set_link(port[1], false);
	mark();
	inject(0, STATION(1), STATION(9), 0, 64);
	expect_drops(1, true, DP_DROP_TX_DOWN, 1);
	expect_nothing();
}

/* MTU 1500: 1514 bytes, and two tags. */
static void frame_beyond_the_mtu_is_dropped(void **state)
{
	pin(STATION(1), 1);
	mark();
	inject(0, STATION(1), STATION(9), 0, 1523);
	expect_drops(1, true, DP_DROP_TX_TOO_BIG, 1);
	expect_nothing();
	mark();
	inject(0, STATION(1), STATION(9), 0, 1522);
	expect_drops(1, true, DP_DROP_TX_TOO_BIG, 0);
	assert_int_equal(collect(1), 1);
}

/* The slowest limit lends 64 KB at once: 64 frames of 1 KB, and hours go by until the next. */
static void flooding_beyond_the_limit_is_dropped_and_known_stations_are_not(void **state)
{
	struct dp_flood_limit *limit = aligned_alloc(64, sizeof(*limit));

	dp_flood_limit_init(limit, 8, rte_get_tsc_hz());
	flood_limit = limit;
	publish();
	pin(STATION(1), 1);
	mark();
	for (int i = 0; i < 70; i++)
		inject(0, BROADCAST, STATION(9), 0, 1024);
	expect_drops(0, false, DP_DROP_FLOOD_LIMIT, 6);
	assert_int_equal(collect(1), 64);
	assert_int_equal(collect(2), 64);
	inject(0, STATION(1), STATION(9), 0, 1024);
	settle();
	assert_int_equal(collect(1), 1);
	plain(NULL);
	free(limit);
}

/* Offloads: port 1 can chain and nothing else. */

static struct pkt p;

static void tcp_frame(uint16_t vid, uint32_t payload)
{
	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:01", "02:00:00:00:00:09");
	if (vid != 0)
		pkt_vlan(&p, 0x8100, vid);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_tcp(&p, 1000, 80, PKT_ACK);
	pkt_fill(&p, payload, 1);
	pkt_finish(&p, PKT_PARTIAL);
}

static void inject_request(unsigned from, uint16_t l2_size, uint16_t mss)
{
	struct rte_mbuf *m = mbufs_make(dp_pool(dp, 0, false), p.bytes, p.size, NULL, 0);

	assert_non_null(m);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM |
		      (mss != 0 ? RTE_MBUF_F_TX_TCP_SEG : 0);
	m->l2_len = l2_size;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = mss;
	assert_int_equal(dp_port_mem_inject(port[from], 0, &m, 1), 1);
	n_received++;
}

/* Port 1 got right frames, the payload of 'p' in order, at most 'mss' each. */
static void expect_segments(uint32_t payload, uint32_t mss)
{
	static uint8_t bytes[2000];
	const uint8_t *want = p.bytes + p.size - payload;
	struct rte_mbuf *got[256];
	uint32_t at = 0, seq = 0;
	uint16_t n;

	settle();
	n = dp_port_mem_collect(port[1], got, 256);
	assert_int_equal(n, (payload + mss - 1) / mss);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t size = mbufs_read(got[i], bytes, sizeof(bytes));
		const char *wrong = oracle_receive(bytes, size);

		if (wrong != NULL)
			fail_msg("segment %u: %s", i, wrong);
		assert_int_equal(got[i]->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK, 0);
		assert_int_equal(size - 54, RTE_MIN(mss, payload - at));
		assert_memory_equal(bytes + 54, want + at, size - 54);
		if (i == 0)
			seq = pkt_get32(bytes, 38);
		assert_int_equal(pkt_get32(bytes, 38), seq + at);
		at += size - 54;
		rte_pktmbuf_free(got[i]);
	}
	assert_int_equal(at, payload);
}

static void super_frame_arrives_as_right_segments(void **state)
{
	pin(STATION(1), 1);
	mark();
	tcp_frame(0, 30001);
	inject_request(0, 14, 1460);
	expect_segments(30001, 1460);
	expect_drops(1, true, DP_DROP_TX_OFFLOAD, 0);
	assert_int_equal(dp_port_count(dp, 1)->segments - port_before[1].segments, 20);
}

static void open_checksum_is_filled_in(void **state)
{
	pin(STATION(1), 1);
	tcp_frame(0, 501);
	inject_request(0, 14, 0);
	expect_segments(501, 1460);
}

/* A flood's receivers share the bytes; each gets them finished all the same. */
static void flooded_request_is_met_for_every_receiver(void **state)
{
	tcp_frame(0, 501);
	inject_request(0, 14, 0);
	expect_segments(501, 1460);
	assert_int_equal(collect(2), 1);
}

/* The tag that names the tenant goes, and the request stays right. */
static void super_frame_from_a_shared_uplink_arrives_as_right_segments(void **state)
{
	struct dp_wire_map *wire = malloc(sizeof(*wire));

	memset(wire, 0xff, sizeof(*wire));
	wire->domain_of_vlan[100] = 0;
	wire->vlan_of_domain[0] = 100;
	conf[0].wire = wire;
	publish();
	pin(STATION(1), 1);
	mark();
	tcp_frame(100, 501);
	inject_request(0, 18, 0);
	expect_segments(501, 1460);
	tcp_frame(100, 10000);
	inject_request(0, 18, 1460);
	expect_segments(10000, 1460);
	expect_drops(1, true, DP_DROP_TX_OFFLOAD, 0);
	plain(NULL);
	free(wire);
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2"};
	struct err err = {0};
	cpu_set_t set;
	unsigned cpu = 0;

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
	return dp_worker_add(dp, cpu, &err);
}

static int finish(void **state)
{
	unsigned left;

	for (unsigned i = 0; i < N_PORTS; i++)
		conf[i].port = NULL;
	publish();
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

#define PLAINLY(name) cmocka_unit_test_setup(name, plain)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAINLY(frame_that_is_none_is_dropped_by_its_fault),
		PLAINLY(link_local_group_addresses_stay_unless_the_port_forwards_them),
		PLAINLY(tag_that_the_port_does_not_take_is_dropped),
		PLAINLY(frame_for_its_own_port_is_dropped),
		PLAINLY(frame_that_nobody_takes_is_dropped),
		PLAINLY(table_is_not_trusted_with_tenant_or_vlan),
		PLAINLY(probe_that_comes_in_is_told_and_goes_no_further),
		PLAINLY(probe_of_another_or_of_long_ago_is_a_frame_like_others),
		PLAINLY(port_that_is_down_or_held_neither_receives_nor_sends),
		PLAINLY(full_queue_drops_what_does_not_fit),
		PLAINLY(port_without_link_drops_on_its_own_side),
		PLAINLY(frame_beyond_the_mtu_is_dropped),
		PLAINLY(flooding_beyond_the_limit_is_dropped_and_known_stations_are_not),
		PLAINLY(super_frame_arrives_as_right_segments),
		PLAINLY(open_checksum_is_filled_in),
		PLAINLY(flooded_request_is_met_for_every_receiver),
		PLAINLY(super_frame_from_a_shared_uplink_arrives_as_right_segments),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Trace and dataplane against each other: for each of many random packets, first a trace says what
 * will become of it, then a real worker carries it.  The same bytes must leave by the same ports,
 * the same reasons must have counted a drop, and the same rules a packet; and the trace itself must
 * have changed nothing.
 *
 * 	TRACE_SEED=N      repeats a run (the seed is printed)
 * 	TRACE_PACKETS=N   as many packets
 */
#include "vswitch/trace.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/fdb.h"
#include "dataplane/port_mem.h"
#include "dataplane/view.h"
#include "tests/support/packet.h"
#include "tests/support/sanitized.h"
#include "tests/support/test_dp.h"
#include "vswitch/of/text.h"

#define N_PORTS	  6
#define N_PACKETS (SANITIZED ? 10000u : 100000u)
#define N_RULES	  30u
#define WORLD	  1000u /* packets between changes of ports, VLANs and rules */
#define BATCH	  50u	/* carried at once where nothing learns */
#define MAX_SEEN  1024u

struct seen {
	uint16_t port;
	uint32_t size;
	uint8_t bytes[256];
};

/* What became of one packet. */
struct fate {
	unsigned n;
	struct seen out[MAX_SEEN];
	uint64_t drops[DP_N_DROPS];
};

static uint64_t seed, rng;
static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct vs_flows *flows;
static uint64_t n_received;
static bool with_rules, learns;

static uint64_t r(uint64_t n)
{
	return (pkt_rand(&rng) >> 16) % n;
}

/* ---- Worlds ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	for (unsigned i = 0; i < 2; i++)
		free(view->domains[i]);
	free(view);
}

static void some_vlans(uint64_t *set)
{
	memset(set, 0, DP_VLAN_WORDS * sizeof(*set));
	for (uint16_t vlan = 0; vlan < 9; vlan++)
		if (r(4) != 0)
			dp_vlan_add(set, vlan);
}

static struct dp_vport *some_vport(uint16_t id)
{
	struct dp_vport *v = aligned_alloc(64, sizeof(*v));

	*v = (struct dp_vport){.port = port[id],
			       .id = id,
			       .domain = id == N_PORTS - 1,
			       .tpid_out = rte_cpu_to_be_16(r(4) != 0 ? 0x8100 : 0x88a8),
			       .native_out = r(2) == 0 ? DP_NO_VLAN : (uint16_t)r(8),
			       .pvid = (uint16_t)r(8),
			       .max_frame = 1514,
			       .of_port = (uint16_t)(id + 1),
			       .pipeline = with_rules ? vs_flows_pipeline(flows) : NULL};
	v->flags = DP_VP_UP | DP_VP_FLOOD | DP_VP_FLOOD_GROUP;
	v->flags |= learns && r(4) != 0 ? DP_VP_LEARN : 0;
	v->flags |= r(4) != 0 ? DP_VP_TAGGED_IN : 0;
	v->flags |= r(6) != 0 ? DP_VP_UNTAGGED_IN : 0;
	v->flags |= r(2) != 0 ? DP_VP_TAG_OUT : 0;
	v->flags |= r(20) == 0 ? DP_VP_TUNNEL : 0;
	v->flags |= r(12) == 0 ? DP_VP_HELD : 0;
	v->flags |= r(8) == 0 ? DP_VP_PRIVATE : 0;
	v->flags |= r(8) == 0 ? DP_VP_BPDU : 0;
	v->flags |= r(5) == 0 ? DP_VP_PROTECTED : 0;
	if (r(12) == 0)
		v->flags &= ~DP_VP_UP;
	some_vlans(v->vlan_in);
	some_vlans(v->vlan_out);
	dp_vlan_add(v->vlan_out, v->pvid);
	return v;
}

static void publish(void)
{
	static const uint16_t all_ports[] = {0, 1, 2, 3, 4}, other[] = {5};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 2, .destroy = view_destroy};
	for (uint16_t i = 0; i < N_PORTS; i++)
		view->vports[i] = some_vport(i);
	for (uint16_t i = 0; i < 2; i++)
		view->domains[i] = calloc(1, sizeof(*view->domains[i]));
	*view->domains[0] = (struct dp_domain){.id = 0, .n_ports = 5, .ports = all_ports};
	*view->domains[1] = (struct dp_domain){.id = 1, .n_ports = 1, .ports = other};
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static void some_rule(char *text, size_t size)
{
	static const char *const matches[] = {
		"",
		"ip,",
		"tcp,",
		"udp,tp_dst=81,",
		"arp,",
		"ip,nw_dst=10.0.0.0/30,",
		"ip,nw_src=10.0.0.1,nw_dst=10.0.0.2,",
		"dl_dst=02:00:00:00:00:02,",
		"dl_src=02:00:00:00:00:01/00:00:00:00:00:03,",
		"vlan_tci=0x1000/0x1000,",
		"dl_vlan=5,",
		"vlan_tci=0,",
		"icmp,",
		"ipv6,",
		"tcp,tp_dst=80,",
		"in_port=1,",
		"in_port=2,udp,",
	};
	static const char *const actions[] = {
		"NORMAL",
		"NORMAL",
		"drop",
		"1",
		"2",
		"6",
		"IN_PORT",
		"FLOOD",
		"ALL",
		"1,2,3",
		"NORMAL,2",
		"mod_dl_dst:02:00:00:00:00:03,NORMAL",
		"push_vlan:0x8100,mod_vlan_vid:5,1,2",
		"push_vlan:0x8100,mod_vlan_vid:6,NORMAL",
		"pop_vlan,NORMAL",
		"mod_dl_src:02:00:00:00:00:02,NORMAL,mod_dl_dst:02:00:00:00:00:02,NORMAL",
		"write_actions(output:3)",
		"write_actions(mod_dl_src:02:00:00:00:00:07,output:NORMAL)",
		"write_metadata:5",
	};
	unsigned table = (unsigned)r(3);
	int n = snprintf(text, size, "table=%u,priority=%u,%sactions=%s", table, (unsigned)r(1000),
			 matches[r(sizeof(matches) / sizeof(matches[0]))],
			 actions[r(sizeof(actions) / sizeof(actions[0]))]);

	if (table < 2 && r(3) == 0 && strstr(text, "drop") == NULL)
		snprintf(text + n, size - (size_t)n, ",goto_table:2");
}

static void some_rules(void)
{
	const struct of_flow_mod all = {.command = OFPFC_DELETE,
					.table = OF_TABLE_ALL,
					.out_port = OFPP_ANY,
					.out_group = OF_GROUP_ANY};

	vs_flows_begin(flows);
	assert_int_equal(vs_flows_mod(flows, &all), OF_OK);
	for (unsigned i = 0; i < N_RULES; i++) {
		struct of_text_error err = {0};
		struct of_flow_mod mod;
		char text[400];

		some_rule(text, sizeof(text));
		if (of_text_flow_parse(text, 1, OFPFC_ADD, NULL, &mod, &err) != 0)
			fail_msg("%s: column %u: %s", text, err.column, err.what);
		if (vs_flows_mod(flows, &mod) != OF_OK)
			fail_msg("%s: refused", text);
		of_flow_mod_fini(&mod);
	}
	vs_flows_commit(flows);
	vs_flows_barrier(flows);
	vs_flows_reap(flows);
}

/* ---- Packets ---- */

static void some_packet(struct pkt *p)
{
	static const char *const macs[] = {"02:00:00:00:00:01", "02:00:00:00:00:02",
					   "02:00:00:00:00:03", "02:00:00:00:00:04",
					   "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:00"};
	unsigned layer = (unsigned)r(6);
	char src[32], dst[32];

	pkt_init(p);
	pkt_eth(p, macs[r(5) != 0 ? r(4) : r(6)], macs[r(60) != 0 ? r(4) : r(6)]);
	if (r(2) == 0)
		pkt_vlan(p, r(6) != 0 ? 0x8100 : 0x88a8, (uint16_t)(r(8) << 13 | r(9)));
	if (r(10) == 0)
		pkt_vlan(p, 0x8100, (uint16_t)(r(8) << 13 | r(9)));
	if (layer == 5) {
		snprintf(src, sizeof(src), "fd00::%u", 1 + (unsigned)r(3));
		snprintf(dst, sizeof(dst), "fd00::%u", 1 + (unsigned)r(3));
		pkt_ipv6(p, src, dst);
	} else {
		snprintf(src, sizeof(src), "10.0.0.%u", (unsigned)r(6));
		snprintf(dst, sizeof(dst), "10.0.0.%u", (unsigned)r(6));
		if (layer == 0)
			pkt_arp(p, 1, src, dst);
		else
			pkt_ipv4(p, src, dst);
	}
	if (layer != 0 && r(2) == 0)
		pkt_tcp(p, (uint16_t)(1000 + r(3)), (uint16_t)(80 + r(2)), PKT_ACK);
	else if (layer != 0)
		pkt_udp(p, (uint16_t)(1000 + r(3)), (uint16_t)(80 + r(2)));
	pkt_fill(p, 10, 1);
	pkt_finish(p, 0);
	if (r(50) == 0)
		p->size = (uint32_t)r(p->size);
	if (p->size == 0)
		p->size = 1;
}

/* ---- The two ---- */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct seen));
}

static struct seen *more(struct fate *f)
{
	struct seen *s;

	assert_true(f->n < MAX_SEEN);
	s = &f->out[f->n++];
	memset(s, 0, sizeof(*s));
	return s;
}

static struct vs_trace *foretold(uint16_t in, const struct pkt *p, struct fate *f)
{
	struct vs_trace *t = NULL;

	assert_int_equal(vs_trace_run(dp, with_rules ? flows : NULL, in, p->bytes, p->size, false,
				      &t),
			 0);
	for (unsigned i = 0; i < t->dp.n_events; i++) {
		const struct dp_trace_event *e = &t->dp.events[i];

		if (e->what == DP_TRACE_DROPPED || e->what == DP_TRACE_LOST)
			f->drops[e->reason]++;
		if (e->what == DP_TRACE_SENT) {
			struct seen *s = more(f);

			assert_true(e->size <= sizeof(s->bytes) && e->at != UINT32_MAX);
			s->port = e->port;
			s->size = e->size;
			memcpy(s->bytes, t->dp.bytes + e->at, e->size);
		}
	}
	return t;
}

static void settle(void)
{
	const struct dp_count *t = dp_total_count(dp);

	for (int i = 0; i < 1000000; i++) {
		dp_count_refresh(dp);
		if (t->rx_packets == n_received && t->forwarded == t->offered)
			return;
		sched_yield();
	}
	fail_msg("the worker did not take the frame");
}

static void count_drops(uint64_t *drops)
{
	const struct dp_count *t = dp_total_count(dp);

	for (unsigned i = 0; i < DP_N_DROPS; i++)
		drops[i] = t->drops_rx[i] + t->drops_tx[i];
}

static void inject(uint16_t in, const struct pkt *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)p->size), p->bytes, p->size);
	assert_int_equal(dp_port_mem_inject(port[in], 0, &m, 1), 1);
	n_received++;
}

/* What became of all that was injected; in no order, for a burst may be carried in another. */
static void real(struct fate *f, const uint64_t *before)
{
	struct rte_mbuf *m;

	settle();
	count_drops(f->drops);
	for (unsigned i = 0; i < DP_N_DROPS; i++)
		f->drops[i] -= before[i];
	for (uint16_t i = 0; i < N_PORTS; i++) {
		while (dp_port_mem_collect(port[i], &m, 1) == 1) {
			struct seen *s = more(f);
			const void *from;

			s->port = i;
			s->size = m->pkt_len;
			assert_true(s->size <= sizeof(s->bytes));
			from = rte_pktmbuf_read(m, 0, s->size, s->bytes);
			if (from != s->bytes)
				memcpy(s->bytes, from, s->size);
			rte_pktmbuf_free(m);
		}
	}
	qsort(f->out, f->n, sizeof(f->out[0]), compare);
}

/* ---- Rules ---- */

struct tally {
	unsigned n;
	uint64_t packets[N_RULES];
	const struct vs_rule *rule[N_RULES];
};

static void tally_one(const struct vs_rule *rule, void *arg)
{
	struct tally *tally = arg;
	struct dp_flow_counts counts;

	vs_rule_counts(flows, rule, &counts);
	tally->rule[tally->n] = rule;
	tally->packets[tally->n++] = counts.packets;
}

static struct tally tally_now(void)
{
	const struct of_flow_filter all = {.table = OF_TABLE_ALL,
					   .out_port = OFPP_ANY,
					   .out_group = OF_GROUP_ANY};
	struct tally tally = {0};

	vs_flows_each(flows, &all, tally_one, &tally);
	return tally;
}

/* Each rule that it passed counts it. */
static void add_passed(const struct vs_trace *t, struct tally *tally)
{
	for (unsigned i = 0; i < t->n_tables; i++)
		for (unsigned k = 0; k < tally->n; k++)
			tally->packets[k] += t->tables[i].rule == tally->rule[k];
}

static void show(const char *what, const struct fate *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		print_error("%s: port %u: ", what, f->out[i].port);
		for (unsigned k = 0; k < f->out[i].size; k++)
			print_error("%02x", f->out[i].bytes[k]);
		print_error("\n");
	}
	for (unsigned i = 0; i < DP_N_DROPS; i++)
		if (f->drops[i] != 0)
			print_error("%s: %s %llu\n", what, dp_drop_slug((enum dp_drop)i),
				    (unsigned long long)f->drops[i]);
}

/* So many packets foretold, then carried. */
static void batch(unsigned n, unsigned at)
{
	static struct fate told, was;
	struct tally want = {0}, now = {0};
	uint64_t drops[DP_N_DROPS];
	static struct pkt p[BATCH];
	uint16_t in[BATCH];

	memset(&told, 0, sizeof(told));
	memset(&was, 0, sizeof(was));
	dp_count_refresh(dp);
	count_drops(drops);
	if (with_rules)
		want = tally_now();
	for (unsigned i = 0; i < n; i++) {
		struct vs_trace *t;

		some_packet(&p[i]);
		in[i] = (uint16_t)r(N_PORTS);
		t = foretold(in[i], &p[i], &told);
		add_passed(t, &want);
		vs_trace_free(t);
	}
	for (unsigned i = 0; i < n; i++)
		inject(in[i], &p[i]);
	real(&was, drops);
	if (with_rules)
		now = tally_now();
	qsort(told.out, told.n, sizeof(told.out[0]), compare);
	if (memcmp(&told, &was, sizeof(told)) != 0) {
		show("told", &told);
		show("was", &was);
		fail_msg("TRACE_SEED=%llu, packet %u", (unsigned long long)seed, at);
	}
	if (memcmp(&want, &now, sizeof(want)) != 0)
		fail_msg("TRACE_SEED=%llu, packet %u: other rules", (unsigned long long)seed, at);
}

/* Where the switch learns, one packet changes what becomes of the next. */
static void world(unsigned from, unsigned to)
{
	some_rules();
	publish();
	dp_fdb_flush(dp_fdb(dp), DP_NO_DOMAIN, DP_NO_VLAN, DP_NO_PORT, true);
	while (from < to) {
		unsigned n = learns ? 1 : to - from < BATCH ? to - from : BATCH;

		batch(n, from);
		from += n;
	}
}

static void trace_says_what_the_dataplane_then_does(void **state)
{
	const char *given = getenv("TRACE_PACKETS");
	unsigned packets = given != NULL ? (unsigned)strtoul(given, NULL, 0) : N_PACKETS;

	print_message("TRACE_SEED=%llu\n", (unsigned long long)seed);
	for (unsigned at = 0, n; at < packets; at += n) {
		with_rules = r(4) != 0;
		learns = r(2) == 0;
		n = learns ? WORLD / 40 : WORLD;
		if (n > packets - at)
			n = packets - at;
		world(at, at + n);
	}
}

static void trace_learns_nothing_and_drops_nothing(void **state)
{
	const struct dp_count before = *dp_total_count(dp);
	struct dp_fdb_stats fdb_before, fdb_after;
	static struct pkt p;

	dp_fdb_stats(dp_fdb(dp), &fdb_before);
	for (unsigned i = 0; i < 200; i++) {
		struct vs_trace *t = NULL;

		some_packet(&p);
		assert_int_equal(vs_trace_run(dp, with_rules ? flows : NULL, (uint16_t)r(N_PORTS),
					      p.bytes, p.size, i % 50 == 0, &t),
				 0);
		vs_trace_free(t);
	}
	dp_count_refresh(dp);
	dp_fdb_stats(dp_fdb(dp), &fdb_after);
	assert_memory_equal(&before, dp_total_count(dp), sizeof(before));
	assert_int_equal(fdb_before.n_entries, fdb_after.n_entries);
	assert_int_equal(fdb_before.learned, fdb_after.learned);
	assert_int_equal(fdb_before.moved, fdb_after.moved);
}

static void no_such_port_is_refused(void **state)
{
	uint8_t frame[60] = {2};
	struct vs_trace *t = NULL;

	assert_int_equal(vs_trace_run(dp, flows, N_PORTS, frame, 60, false, &t), -ENOENT);
	assert_int_equal(vs_trace_run(dp, flows, UINT16_MAX, frame, 60, false, &t), -ENOENT);
	assert_int_equal(vs_trace_run(dp, flows, 0, frame, 65536, false, &t), -EINVAL);
	assert_null(t);
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3", "p4", "p5"};
	const char *given = getenv("TRACE_SEED");
	struct timespec now;
	struct err err = {0};
	cpu_set_t cpus;
	unsigned cpu = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given != NULL ? strtoull(given, NULL, 0)
			     : (uint64_t)now.tv_nsec + (uint64_t)now.tv_sec;
	rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus))
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
	if (dp_worker_add(dp, cpu, &err) != 0 || vs_flows_create(dp, NULL, NULL, &flows) != 0)
		return -1;
	for (unsigned i = 0; i < N_PORTS; i++)
		vs_flows_port(flows, i + 1, (uint16_t)i);
	publish();
	return 0;
}

static int finish(void **state)
{
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};
	unsigned left;

	view->destroy = view_destroy;
	if (dp_view_publish(dp, view, &err) != 0)
		return -1;
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	vs_flows_destroy(flows);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trace_says_what_the_dataplane_then_does),
		cmocka_unit_test(trace_learns_nothing_and_drops_nothing),
		cmocka_unit_test(no_such_port_is_refused),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

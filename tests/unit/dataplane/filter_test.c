/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Filters on a frame's way, with a chain that does what each frame's source address tells it: kinds
 * of fate, ports that may and may not be, several receivers, super-frames, chained and shared
 * buffers, tags, at random.  A naive model says beforehand where each frame comes out and what each
 * dead one died of; the ledger balances at every read; and nothing comes out at another tenant's.
 */
#include "dataplane/dp.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/filter.h"
#include "dataplane/port_mem.h"
#include "dataplane/trace.h"
#include "dataplane/view.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define N_PORTS	  6
#define N_DOMAINS 2
#define NO_PORT	  99u /* a number that no port has */
#define FLAGS	  (DP_VP_UP | DP_VP_FLOOD | DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN)
#define VLAN	  10

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_vport conf[N_PORTS];
static uint64_t n_received;
static uint64_t rnd = 1;

static const uint16_t domain_ports[N_DOMAINS][3] = {{0, 1, 4}, {2, 3, 5}};

/* ---- A chain that does what frames say ---- */

/* Bytes of the source address: 02, what, where, on egress, number. */
enum what { PASS, DROP, TO_PORT, TO_PORTS, TO_WAY, TO_WAY_DROP, N_WHATS };

struct chain {
	struct dp_filter_chain_head head;
	bool writes;
	_Atomic uint64_t n_runs;
};

static const uint8_t *bytes_of(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, const uint8_t *);
}

static void decide(struct dp_filter_burst *b, uint16_t i)
{
	static const char way_pass, way_drop;
	const uint8_t *d = bytes_of(b->pkts[i]);
	struct dp_filter_fate *f = &b->fates[i];

	*f = (struct dp_filter_fate){.kind = DP_FATE_PASS};
	if (b->side == DP_FILTER_EGRESS) {
		if ((d[9] & 1) != 0)
			*f = (struct dp_filter_fate){.kind = DP_FATE_DROP,
						     .reason = DP_DROP_FILTER_DROP};
		return;
	}
	switch ((enum what)d[7]) {
	case DROP:
		*f = (struct dp_filter_fate){.kind = DP_FATE_DROP,
					     .reason = DP_DROP_FILTER_ABORTED};
		break;
	case TO_PORT:
		*f = (struct dp_filter_fate){.kind = DP_FATE_PORT, .port = d[8]};
		break;
	case TO_PORTS:
		*f = (struct dp_filter_fate){.kind = DP_FATE_PORTS, .flags = d[8]};
		break;
	case TO_WAY:
	case TO_WAY_DROP:
		*f = (struct dp_filter_fate){.kind = DP_FATE_PORT,
					     .port = d[8],
					     .way = d[7] == TO_WAY ? &way_pass : &way_drop};
		break;
	case PASS:
	case N_WHATS:
	default:
		break;
	}
	if (f->way == &way_drop)
		f->flags = 1;
}

static enum dp_filter_result run(struct dp_filter_chain *chain, struct dp_filter_burst *b)
{
	struct chain *c = (struct chain *)chain;
	bool any = false;

	c->n_runs++;
	for (uint16_t i = 0; i < b->n; i++) {
		bool asks = (b->pkts[i]->ol_flags &
			     (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_L4_MASK)) != 0;

		if (c->writes && asks) {
			assert_false(b->finished);
			return DP_FILTER_FINISH;
		}
		decide(b, i);
		any |= b->fates[i].kind != DP_FATE_PASS;
	}
	return any ? DP_FILTER_DECIDED : DP_FILTER_ALL_PASS;
}

/* The ports of a mask; bit 7 is one that is not there. */
static uint32_t targets(struct dp_filter_chain *chain, const struct dp_filter_burst *b,
			const struct dp_filter_fate *fate, struct dp_filter_target *ret)
{
	uint32_t n = 0;

	for (uint32_t id = 0; id < 8; id++)
		if ((fate->flags >> id & 1) != 0)
			ret[n++] = (struct dp_filter_target){id == 7 ? NO_PORT : id, NULL};
	return n;
}

static enum dp_drop leave(struct dp_filter_chain *chain, struct dp_filter_burst *b,
			  struct rte_mbuf **m, uint16_t id, const void *way)
{
	return bytes_of(*m)[7] == TO_WAY_DROP ? DP_DROP_FILTER_DROP : DP_N_DROPS;
}

static const char *name(const struct dp_filter_chain *chain, unsigned i)
{
	return i == 0 ? "one" : i == 1 ? "two" : NULL;
}

static const struct dp_filter_ops ops = {.run = run,
					 .targets = targets,
					 .leave = leave,
					 .name = name};
static struct chain reads = {.head = {&ops}}, writes = {.head = {&ops}, .writes = true};

/* ---- The model ---- */

static uint64_t want_out[N_PORTS];
static uint64_t want_rx[DP_N_DROPS], want_tx[DP_N_DROPS];

/* What a frame is, as the test made it. */
struct frame {
	uint8_t in, what, where, egress;
	bool tagged;
	uint16_t pieces; /* 1: no super-frame */
};

static bool has_vlan(const uint64_t *set, uint16_t vlan)
{
	return (set[vlan / 64] >> (vlan % 64) & 1) != 0;
}

/* Arrives at the exit 'to', 'n' frames that are 'pieces' in the end. */
static void model_exit(const struct frame *f, unsigned to, uint64_t n, uint64_t pieces)
{
	const struct chain *c = (const struct chain *)conf[to].filters[DP_FILTER_EGRESS];

	if (c != NULL && (f->egress & 1) != 0)
		want_tx[DP_DROP_FILTER_DROP] += c->writes ? pieces : n;
	else
		want_out[to] += pieces;
}

/* Why the edge does not let it in; DP_N_DROPS: it does. */
static enum dp_drop model_edge(const struct frame *f)
{
	const struct dp_vport *in = &conf[f->in];

	if (!f->tagged)
		return DP_N_DROPS;
	return (in->flags & DP_VP_TAGGED_IN) != 0 && has_vlan(in->vlan_in, VLAN)
		       ? DP_N_DROPS
		       : DP_DROP_VLAN_NOT_MEMBER;
}

static enum dp_drop model_leave(const struct frame *f, unsigned to)
{
	if (conf[to].domain != conf[f->in].domain)
		return DP_DROP_FILTER_TENANT;
	if (!has_vlan(conf[to].vlan_out, f->tagged ? VLAN : 0))
		return DP_DROP_EGRESS_VLAN;
	return (conf[to].flags & DP_VP_UP) != 0 ? DP_N_DROPS : DP_DROP_TX_DOWN;
}

static void model_to(const struct frame *f, unsigned to, bool way_drops, uint64_t n,
		     uint64_t pieces)
{
	enum dp_drop reason = to >= N_PORTS		    ? DP_DROP_FILTER_REFUSED
			      : way_drops		    ? DP_DROP_FILTER_DROP
			      : model_edge(f) != DP_N_DROPS ? model_edge(f)
							    : model_leave(f, to);

	if (reason != DP_N_DROPS)
		want_rx[reason] += n;
	else
		model_exit(f, to, n, pieces);
}

static void model_flood(const struct frame *f, uint64_t n, uint64_t pieces)
{
	unsigned receivers = 0;

	if (model_edge(f) != DP_N_DROPS) {
		want_rx[model_edge(f)] += n;
		return;
	}
	for (unsigned to = 0; to < N_PORTS; to++) {
		if (to == f->in || model_leave(f, to) != DP_N_DROPS)
			continue;
		model_exit(f, to, n, pieces);
		receivers++;
	}
	if (receivers == 0)
		want_rx[DP_DROP_NO_RECEIVER] += n;
}

static void model(const struct frame *f)
{
	const struct chain *c = (const struct chain *)conf[f->in].filters[DP_FILTER_INGRESS];
	uint64_t n = c != NULL && c->writes ? f->pieces : 1;
	enum what what = c != NULL ? f->what : PASS;

	if (what == PASS)
		model_flood(f, n, f->pieces);
	else if (what == DROP)
		want_rx[DP_DROP_FILTER_ABORTED] += n;
	else if (what == TO_PORTS && f->where == 0)
		want_rx[DP_DROP_FILTER_REFUSED] += n;
	else if (what == TO_PORTS)
		for (unsigned id = 0; id < 8; id++) {
			if ((f->where >> id & 1) != 0)
				model_to(f, id == 7 ? NO_PORT : id, false, n, f->pieces);
		}
	else
		model_to(f, f->where, what == TO_WAY_DROP, n, f->pieces);
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
						       .n_ports = 3,
						       .ports = domain_ports[i]};
	}
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

/* Ports 0, 1, 4 of one tenant and 2, 3, 5 of another; 1 and 3 take the VLAN tagged as well, 4 does
 * not take it out, 5 is down. */
static int plain(void **state)
{
	for (unsigned i = 0; i < N_PORTS; i++) {
		conf[i] = (struct dp_vport){.port = port[i],
					    .id = (uint16_t)i,
					    .domain = i == 2 || i == 3 || i == 5,
					    .flags = FLAGS,
					    .native_out = DP_NO_VLAN,
					    .tpid_out = rte_cpu_to_be_16(0x8100),
					    .max_frame = 1514};
		dp_vlan_add(conf[i].vlan_out, 0);
		if (i != 4)
			dp_vlan_add(conf[i].vlan_out, VLAN);
		if (i == 1 || i == 3) {
			conf[i].flags |= DP_VP_TAGGED_IN | DP_VP_TAG_OUT;
			conf[i].native_out = 0;
			dp_vlan_add(conf[i].vlan_in, VLAN);
		}
	}
	conf[5].flags &= ~DP_VP_UP;
	return 0;
}

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

static void settle(void)
{
	for (int i = 0; i < 20000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		check_balance(t);
		assert_int_equal(t->forwarded, t->offered + (uint64_t)dp_in_flight(dp));
		for (uint16_t id = 0; id < N_PORTS; id++)
			check_balance(dp_port_count(dp, id));
		if (t->rx_packets == n_received)
			return;
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	fail_msg("the worker did not take the frames");
}

/* ---- Frames ---- */

static struct pkt p;

static struct rte_mbuf *make(const struct frame *f, uint8_t number)
{
	const uint32_t mss = 100, keep = f->tagged ? 58 : 54;
	char src[32];
	struct rte_mbuf *m;

	pkt_init(&p);
	snprintf(src, sizeof(src), "02:%02x:%02x:%02x:%02x:%02x", f->what, f->where, f->egress,
		 f->in, number);
	pkt_eth(&p, "02:ff:ff:ff:ff:01", src);
	if (f->tagged)
		pkt_vlan(&p, 0x8100, VLAN);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_tcp(&p, 1000, 80, PKT_ACK);
	pkt_fill(&p, f->pieces == 1 ? 20 : f->pieces * mss, number);
	pkt_finish(&p, f->pieces == 1 ? 0 : PKT_PARTIAL);
	if (pkt_rand(&rnd) % 3 == 0)
		m = mbufs_cut(dp_pool(dp, 0, false), p.bytes, p.size, keep, 2, &rnd);
	else
		m = mbufs_make(dp_pool(dp, 0, false), p.bytes, p.size, NULL, 0);
	assert_non_null(m);
	if (f->pieces > 1) {
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG;
		m->l2_len = f->tagged ? 18 : 14;
		m->l3_len = 20;
		m->l4_len = 20;
		m->tso_segsz = mss;
	}
	return m;
}

/* Some frames share their bytes with another that the test keeps till the end of the round. */
static struct rte_mbuf *shared[64];
static unsigned n_shared;

static void inject(const struct frame *f, uint8_t number)
{
	struct rte_mbuf *m = make(f, number);

	if (pkt_rand(&rnd) % 4 == 0 && n_shared < 64) {
		struct rte_mbuf *clone = rte_pktmbuf_clone(m, dp_pool(dp, 0, false));

		assert_non_null(clone);
		shared[n_shared++] = m;
		m = clone;
	}
	assert_int_equal(dp_port_mem_inject(port[f->in], 0, &m, 1), 1);
	n_received++;
	model(f);
}

/* What came out at port 'id': nothing of another tenant, nothing unfinished. */
static uint64_t collect(unsigned id)
{
	struct rte_mbuf *got[512];
	uint16_t n = dp_port_mem_collect(port[id], got, 512);

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *d = bytes_of(got[i]);

		assert_int_equal(conf[d[10]].domain, conf[id].domain);
		assert_int_equal(got[i]->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK, 0);
		rte_pktmbuf_free(got[i]);
	}
	return n;
}

static struct dp_count before;

static void mark(void)
{
	settle();
	before = *dp_total_count(dp);
	memset(want_out, 0, sizeof(want_out));
	memset(want_rx, 0, sizeof(want_rx));
	memset(want_tx, 0, sizeof(want_tx));
}

static void check(void)
{
	const struct dp_count *t;

	settle();
	t = dp_total_count(dp);
	for (unsigned id = 0; id < N_PORTS; id++)
		assert_int_equal(collect(id), want_out[id]);
	for (unsigned r = 0; r < DP_N_DROPS; r++) {
		assert_int_equal(t->drops_rx[r] - before.drops_rx[r], want_rx[r]);
		assert_int_equal(t->drops_tx[r] - before.drops_tx[r], want_tx[r]);
	}
	rte_pktmbuf_free_bulk(shared, n_shared);
	n_shared = 0;
}

static void one(struct frame f)
{
	mark();
	inject(&f, 0);
	check();
}

/* ---- Tests ---- */

static void hang(unsigned id, enum dp_filter_side side, struct chain *chain)
{
	conf[id].filters[side] = (struct dp_filter_chain *)chain;
}

static void frame_that_a_filter_sends_back_leaves_by_its_port(void **state)
{
	hang(0, DP_FILTER_INGRESS, &reads);
	publish();
	one((struct frame){.in = 0, .what = TO_PORT, .where = 0, .pieces = 1});
	assert_int_equal(want_out[0], 1);
}

static void frame_goes_where_a_filter_sends_it(void **state)
{
	hang(0, DP_FILTER_INGRESS, &reads);
	publish();
	one((struct frame){.in = 0, .what = TO_PORT, .where = 1, .pieces = 1});
	assert_int_equal(want_out[1], 1);
	one((struct frame){.in = 0, .what = TO_WAY, .where = 1, .pieces = 1});
	assert_int_equal(want_out[1], 1);
	one((struct frame){.in = 0, .what = TO_WAY_DROP, .where = 1, .pieces = 1});
	assert_int_equal(want_rx[DP_DROP_FILTER_DROP], 1);
}

static void tenants_stay_apart_whatever_filters_say(void **state)
{
	hang(0, DP_FILTER_INGRESS, &reads);
	publish();
	one((struct frame){.in = 0, .what = TO_PORT, .where = 2, .pieces = 1});
	assert_int_equal(want_rx[DP_DROP_FILTER_TENANT], 1);
	one((struct frame){.in = 0, .what = TO_WAY, .where = 3, .pieces = 1});
	assert_int_equal(want_rx[DP_DROP_FILTER_TENANT], 1);
	one((struct frame){.in = 0, .what = TO_PORTS, .where = 0x2f, .pieces = 1});
	assert_int_equal(want_rx[DP_DROP_FILTER_TENANT], 3);
}

static void port_that_is_not_there_is_refused(void **state)
{
	hang(0, DP_FILTER_INGRESS, &reads);
	publish();
	one((struct frame){.in = 0, .what = TO_PORT, .where = NO_PORT, .pieces = 1});
	one((struct frame){.in = 0, .what = TO_PORTS, .where = 0x80, .pieces = 1});
	one((struct frame){.in = 0, .what = TO_PORTS, .where = 0, .pieces = 1});
	assert_int_equal(want_rx[DP_DROP_FILTER_REFUSED], 1);
}

static void super_frame_is_whole_for_who_reads_and_cut_for_who_writes(void **state)
{
	const struct frame f = {.in = 0, .what = TO_PORT, .where = 1, .pieces = 40};
	struct dp_count c;

	hang(0, DP_FILTER_INGRESS, &reads);
	publish();
	one(f);
	c = *dp_port_count(dp, 0);
	hang(0, DP_FILTER_INGRESS, &writes);
	publish();
	one(f);
	assert_int_equal(dp_port_count(dp, 0)->copies - c.copies, 39);
	hang(0, DP_FILTER_INGRESS, NULL);
	hang(1, DP_FILTER_EGRESS, &writes);
	publish();
	c = *dp_port_count(dp, 1);
	one(f);
	assert_int_equal(dp_port_count(dp, 1)->segments - c.segments, 39);
}

/* Pieces are bursts of their own, in the order of the stream. */
static void pieces_of_a_super_frame_keep_their_order(void **state)
{
	const struct frame f = {.in = 0, .what = PASS, .pieces = 150};
	struct rte_mbuf *m, *got[256];
	uint16_t n;

	hang(0, DP_FILTER_INGRESS, &writes);
	hang(1, DP_FILTER_EGRESS, &writes);
	conf[4].flags = 0;
	publish();
	mark();
	m = make(&f, 0);
	assert_int_equal(dp_port_mem_inject(port[0], 0, &m, 1), 1);
	n_received++;
	settle();
	n = dp_port_mem_collect(port[1], got, 256);
	assert_int_equal(n, 150);
	for (uint16_t i = 0; i < n; i++) {
		uint8_t bytes[2000];

		mbufs_read(got[i], bytes, sizeof(bytes));
		if (i > 0)
			assert_int_equal(pkt_get32(bytes, 38), pkt_get32(p.bytes, 38) + 100u * i);
		rte_pktmbuf_free(got[i]);
	}
}

static void broken_super_frame_dies_before_a_filter_that_writes(void **state)
{
	const struct frame f = {.in = 0, .what = PASS, .pieces = 3};
	struct rte_mbuf *m;

	hang(0, DP_FILTER_INGRESS, &writes);
	publish();
	mark();
	m = make(&f, 0);
	m->l4_len = 4;
	assert_int_equal(dp_port_mem_inject(port[0], 0, &m, 1), 1);
	n_received++;
	want_rx[DP_DROP_TX_OFFLOAD] = 1;
	check();
}

static struct frame random_frame(void)
{
	struct frame f = {.in = (uint8_t)(pkt_rand(&rnd) % N_PORTS),
			  .what = (uint8_t)(pkt_rand(&rnd) % N_WHATS),
			  .egress = pkt_rand(&rnd) % 4 == 0,
			  .tagged = pkt_rand(&rnd) % 3 == 0,
			  .pieces = pkt_rand(&rnd) % 10 == 0 ? 5 : 1};

	/* The port that is down takes nothing in either. */
	if (f.in == 5)
		f.in = 2;
	f.where = (uint8_t)(pkt_rand(&rnd) % (N_PORTS + 1));
	if (f.where == N_PORTS)
		f.where = NO_PORT;
	if (f.what == TO_PORTS)
		f.where = (uint8_t)(pkt_rand(&rnd) & 0xbf);
	return f;
}

static void random_fates_balance_and_stay_with_their_tenant(void **state)
{
	static struct chain *const kinds[] = {NULL, &reads, &writes};

	for (unsigned round = 0; round < 60; round++) {
		for (unsigned id = 0; id < N_PORTS; id++)
			for (unsigned side = 0; side < DP_N_FILTER_SIDES; side++)
				hang(id, side, kinds[pkt_rand(&rnd) % 3]);
		publish();
		mark();
		for (uint8_t i = 0; i < 48; i++) {
			struct frame f = random_frame();

			inject(&f, i);
		}
		check();
	}
}

static void trace_names_filters_and_runs_none(void **state)
{
	struct dp_trace trace = {.port = 0};
	const struct frame f = {.in = 0, .what = DROP, .pieces = 1};
	bool in = false, out = false;
	uint64_t runs = reads.n_runs;

	hang(0, DP_FILTER_INGRESS, &reads);
	hang(1, DP_FILTER_EGRESS, &reads);
	publish();
	rte_pktmbuf_free(make(&f, 0));
	trace.frame = p.bytes;
	trace.size = p.size;
	assert_int_equal(dp_trace_run(dp, &trace), 0);
	for (unsigned i = 0; i < trace.n_events; i++) {
		const struct dp_trace_event *e = &trace.events[i];

		if (e->what != DP_TRACE_FILTERS)
			continue;
		assert_int_equal(e->size, 8);
		assert_memory_equal(trace.bytes + e->at, "one, two", 8);
		in |= e->port == 0 && !e->egress;
		out |= e->port == 1 && e->egress;
	}
	assert_true(in && out);
	assert_int_equal(reads.n_runs, runs);
	dp_trace_fini(&trace);
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3", "p4", "p5"};
	struct err err = {0};
	cpu_set_t set;
	unsigned cpu = 0;

	sched_getaffinity(0, sizeof(set), &set);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
		cpu++;
	dp = test_dp_create(8191);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_port_opts opts = {.name = names[i],
					    .kind = "mem",
					    .netns_fd = -1,
					    .n_queues = 1};

		if (dp_port_open(dp, &opts, &port[i], &err) != 0)
			return -1;
		dp_port_mem_set_link(port[i], true);
	}
	plain(NULL);
	publish();
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

#define PLAINLY(test) cmocka_unit_test_setup(test, plain)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLAINLY(frame_that_a_filter_sends_back_leaves_by_its_port),
		PLAINLY(frame_goes_where_a_filter_sends_it),
		PLAINLY(tenants_stay_apart_whatever_filters_say),
		PLAINLY(port_that_is_not_there_is_refused),
		PLAINLY(super_frame_is_whole_for_who_reads_and_cut_for_who_writes),
		PLAINLY(pieces_of_a_super_frame_keep_their_order),
		PLAINLY(broken_super_frame_dies_before_a_filter_that_writes),
		PLAINLY(random_fates_balance_and_stay_with_their_tenant),
		PLAINLY(trace_names_filters_and_runs_none),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

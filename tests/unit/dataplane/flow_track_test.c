/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames that are tracked together and looked up again in their places have the fate of frames that
 * go one by one through the queue: random bursts go through the same rules twice, the second time
 * with a step before each CT that does nothing but keep programs from being nothing but tracking.
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

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/port_mem.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define N_PORTS	 3
#define N_RULES	 9
#define N_BURSTS 3000u
#define N_CONNS	 12
#define ZONE	 1
#define OTHER	 5

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_pipeline *pipeline;
static struct dp_worker *worker;
static uint32_t rule[N_RULES];
static bool queued; /* the slow way */

/* ---- Rules ---- */

static void track(struct dp_build *b, uint16_t zone, uint16_t flags, uint8_t table)
{
	struct dp_resume_what what = {.table = table, .changed = b->changed};
	uint16_t mark = dp_build_clone_begin(b);
	struct dp_step_ct *ct;

	if (queued && b->from == NULL)
		dp_build_step(b, DP_STEP_CT_CLEAR, 0, 0);
	if (queued && b->from != NULL)
		dp_build_step(b, DP_STEP_QUEUE, 0, 0);
	ct = dp_build_step(b, DP_STEP_CT, 0, sizeof(*ct));
	ct->zone = zone;
	ct->flags = flags;
	memcpy(what.tables, b->tables, sizeof(what.tables));
	dp_build_resume(b, &what);
	dp_build_clone_end(b, mark);
}

static void commit(struct dp_build *b, uint16_t zone, uint32_t mark)
{
	struct dp_step_ct *ct = dp_build_step(b, DP_STEP_CT, 0, sizeof(*ct));

	ct->zone = zone;
	ct->flags = DP_STEP_CT_COMMIT;
	ct->mark = mark;
	ct->mark_mask = UINT32_MAX;
}

/* Under a port of its own from here on. */
static void commit_translated(struct dp_build *b, uint16_t own)
{
	struct dp_step_ct *ct = dp_build_step(b, DP_STEP_CT, 0, sizeof(*ct));

	ct->zone = ZONE;
	ct->flags = DP_STEP_CT_COMMIT | DP_STEP_CT_NAT | DP_STEP_CT_BIND;
	ct->nat = (struct dp_ct_nat){.flags = DP_CT_NAT_SRC | DP_CT_NAT_PORTS,
				     .port_min = own,
				     .port_max = own};
}

/* By the last bits of the address: at once, tracked and kept, tracked, tracked and translated. */
static void first_table(const struct dp_key *key, struct dp_build *b)
{
	dp_key_cover(&b->wc, DP_FIELD_ETH_DST);
	switch (dp_key_get(key, DP_FIELD_ETH_DST) & 3) {
	case 0:
		dp_build_rule(b, rule[0]);
		dp_build_step(b, DP_STEP_OUTPUT, 2, 0);
		break;
	case 1:
		dp_build_rule(b, rule[1]);
		track(b, ZONE, DP_STEP_CT_COMMIT, 1);
		break;
	case 2:
		dp_build_rule(b, rule[2]);
		track(b, ZONE, 0, 1);
		break;
	default:
		dp_build_rule(b, rule[8]);
		track(b, ZONE, DP_STEP_CT_NAT, 1);
		break;
	}
}

/* New ones are kept when a bit of the key says so; others go on into the next zone. */
static void second_table(const struct dp_key *key, uint64_t ct_state, struct dp_build *b)
{
	uint32_t sport = (uint32_t)dp_key_get(key, DP_FIELD_TP_SRC);

	if ((ct_state & DP_CT_NEW) != 0) {
		dp_key_cover(&b->wc, DP_FIELD_TP_SRC);
		dp_key_cover(&b->wc, DP_FIELD_ETH_DST);
		dp_build_rule(b, rule[3]);
		if ((dp_key_get(key, DP_FIELD_ETH_DST) & 3) == 3 && sport >= 1000)
			commit_translated(b, (uint16_t)(sport + 2000));
		else if ((dp_key_get(key, DP_FIELD_ETH_DST) & 3) != 3 && (sport & 1) == 0)
			commit(b, ZONE, sport & 3);
		dp_build_step(b, DP_STEP_OUTPUT, 1, 0);
	} else if ((ct_state & DP_CT_REPLY) != 0) {
		dp_build_rule(b, rule[4]);
		dp_build_step(b, DP_STEP_OUTPUT, 0, 0);
	} else if ((ct_state & DP_CT_EST) != 0) {
		dp_build_rule(b, rule[5]);
		track(b, OTHER, 0, 2);
	} else {
		dp_build_step(b, DP_STEP_DROP, DP_DROP_NO_ACTION, 0);
	}
}

/* What was noted in this zone, if anything, says which port. */
static void third_table(const struct dp_key *key, uint64_t ct_state, struct dp_build *b)
{
	dp_key_cover(&b->wc, DP_FIELD_CT_MARK);
	if ((ct_state & DP_CT_NEW) != 0) {
		dp_build_rule(b, rule[6]);
		commit(b, OTHER, 1);
		dp_build_step(b, DP_STEP_OUTPUT, 1, 0);
		return;
	}
	dp_build_rule(b, rule[7]);
	dp_build_step(b, DP_STEP_OUTPUT, 1 + (uint32_t)dp_key_get(key, DP_FIELD_CT_MARK) % 2, 0);
}

static void translate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	uint8_t table = b->from != NULL ? b->from->table : 0;
	uint64_t ct_state = dp_key_get(key, DP_FIELD_CT_STATE);

	b->keep = true;
	b->tables[0] |= 1u << table;
	if (table == 0)
		first_table(key, b);
	else if (table == 1)
		second_table(key, ct_state, b);
	else
		third_table(key, ct_state, b);
}

/* ---- Traffic ---- */

static uint32_t drawn;

static uint32_t draw(uint32_t n)
{
	drawn = drawn * 1103515245 + 12345;
	return (drawn >> 8) % n;
}

static struct rte_mbuf *mbuf_of(const struct pkt *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	char *room = m != NULL ? rte_pktmbuf_append(m, (uint16_t)p->size) : NULL;

	if (room == NULL)
		fail_msg("no buffer");
	else
		memcpy(room, p->bytes, p->size);
	return m;
}

/* One of a few connections, from the side of port 'from'. */
static struct rte_mbuf *some_frame(unsigned from)
{
	static const char *const to[] = {"02:00:00:00:01:00", "02:00:00:00:01:01",
					 "02:00:00:00:01:02", "02:00:00:00:01:03"};
	static const uint8_t flags[] = {PKT_ACK, PKT_SYN, PKT_SYN | PKT_ACK, PKT_ACK | PKT_FIN};
	uint16_t of = (uint16_t)(1000 + draw(N_CONNS)), kind = of % 6;
	uint16_t answer = kind == 3 ? (uint16_t)(of + 2000) : of;
	struct pkt p;

	pkt_init(&p);
	/* One way for all of a connection: the two ways do not wait for each other. */
	pkt_eth(&p, to[kind < 4 ? kind : 2], "02:00:00:00:02:00");
	if (draw(10) == 0)
		pkt_vlan(&p, 0x8100, 7);
	pkt_ipv4(&p, from == 0 ? "10.0.0.1" : "10.0.0.2", from == 0 ? "10.0.0.2" : "10.0.0.1");
	if (draw(2) != 0) {
		/* No order within a burst matters for these. */
		if (draw(5) == 0)
			pkt_ipv4_options(&p, "\1\1\1\1", 4);
		pkt_udp(&p, from == 0 ? of : 53, from == 0 ? 53 : answer);
	} else {
		pkt_tcp(&p, from == 0 ? of : 80, from == 0 ? 80 : answer,
			flags[draw(3) == 0 ? draw(4) : 0]);
	}
	pkt_fill(&p, draw(100), draw(1000));
	pkt_finish(&p, 0);
	return mbuf_of(&p);
}

static uint64_t hash(uint64_t h, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* What came out, and where, in any order. */
static uint64_t came_out(void)
{
	struct rte_mbuf *m;
	uint64_t all = 0;

	for (uint8_t i = 0; i < N_PORTS; i++) {
		while (dp_port_mem_collect(port[i], &m, 1) == 1) {
			all += hash(hash(i + 1, &i, 1), rte_pktmbuf_mtod(m, const uint8_t *),
				    m->data_len);
			rte_pktmbuf_free(m);
		}
	}
	return all;
}

static bool every(void *arg, const struct dp_ct_info *info)
{
	return true;
}

static void run(uint64_t *fates)
{
	uint64_t tick = dp->tsc_hz / 1000 * DP_FLOW_TICK_MS;

	drawn = 1;
	dp_ct_flush(dp->ct, worker->flow->tick, every, NULL);
	dp_pipeline_log_all(pipeline);
	dp_pipeline_publish(pipeline);
	for (unsigned k = 0; k < N_BURSTS; k++) {
		struct rte_mbuf *m[DP_BURST];
		uint16_t n = (uint16_t)(1 + draw(DP_BURST));
		unsigned from = draw(2);

		for (uint16_t i = 0; i < n; i++)
			m[i] = some_frame(from);
		worker->burst_tsc += tick * draw(20);
		dp_flow_burst(worker, worker->view->vports[from], m, n);
		dp_ct_tick(dp->ct, worker->flow->tick);
		fates[k] = came_out();
	}
}

static void fate_is_the_same_in_place_and_queued(void **state)
{
	static uint64_t fates[2][N_BURSTS];
	struct dp_ct_stats stats[2];
	struct dp_flow_counts counts[2][N_RULES];

	for (unsigned way = 0; way < 2; way++) {
		queued = way != 0;
		run(fates[way]);
		dp_ct_stats(dp->ct, &stats[way]);
		for (unsigned i = 0; i < N_RULES; i++)
			dp_flow_counter_read(dp, rule[i], &counts[way][i]);
	}
	for (unsigned k = 0; k < N_BURSTS; k++)
		if (fates[0][k] != fates[1][k])
			fail_msg("burst %u", k);
	for (unsigned i = 0; i < N_RULES; i++) {
		assert_true(counts[0][i].packets > 100);
		assert_int_equal(counts[1][i].packets, 2 * counts[0][i].packets);
		assert_int_equal(counts[1][i].bytes, 2 * counts[0][i].bytes);
	}
	assert_true(stats[0].counters[DP_CT_C_CREATED] > 20);
	assert_int_equal(stats[1].counters[DP_CT_C_CREATED],
			 2 * stats[0].counters[DP_CT_C_CREATED]);
	assert_int_equal(stats[1].counters[DP_CT_C_INVALID],
			 2 * stats[0].counters[DP_CT_C_INVALID]);
}

/* ---- The switch ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static int publish(bool ports)
{
	static const uint16_t ids[] = {0, 1, 2};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; ports && i < N_PORTS; i++) {
		struct dp_vport *v = aligned_alloc(64, sizeof(*v));

		*v = (struct dp_vport){.port = port[i],
				       .id = (uint16_t)i,
				       .flags = DP_VP_UP | DP_VP_UNTAGGED_IN | DP_VP_TAGGED_IN |
						DP_VP_TAG_OUT,
				       .tpid_out = rte_cpu_to_be_16(0x8100),
				       .max_frame = 1514,
				       .of_port = (uint16_t)(i + 1),
				       .pipeline = pipeline};
		memset(v->vlan_in, 0xff, sizeof(v->vlan_in));
		memset(v->vlan_out, 0xff, sizeof(v->vlan_out));
		view->vports[i] = v;
	}
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = ids};
	if (dp_view_publish(dp, view, &err) != 0)
		return -1;
	dp_synchronize(dp);
	return 0;
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2"};
	struct err err = {0};
	int rc = 0;

	dp = test_dp_create(4095);
	for (unsigned i = 0; rc == 0 && i < N_PORTS; i++) {
		const struct dp_port_opts opts = {.name = names[i],
						  .kind = "mem",
						  .netns_fd = -1,
						  .n_queues = 1};

		rc = dp_port_open(dp, &opts, &port[i], &err);
	}
	if (rc != 0 || dp_worker_add(dp, (unsigned)sched_getcpu(), &err) != 0 ||
	    dp_pipeline_create(dp, translate, NULL, &pipeline) != 0 || dp_conntrack_need(dp) != 0)
		return -1;
	for (unsigned i = 0; i < N_RULES; i++)
		rc |= dp_flow_counter_alloc(dp, &rule[i]);
	rc |= publish(true);
	/* The test runs bursts in the worker's place. */
	dp_pause(dp);
	worker = dp->workers[0];
	worker->view = atomic_load(&dp->view);
	worker->burst_tsc = rte_rdtsc();
	return rc;
}

static int finish(void **state)
{
	unsigned left;

	dp_resume(dp);
	publish(false);
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	dp_pipeline_destroy(dp, pipeline);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fate_is_the_same_in_place_and_queued),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

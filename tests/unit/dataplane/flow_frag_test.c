/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fragments in connection tracking: held until their packet is whole, tracked as one, translated
 * each; and what becomes of those whose packet never is.  A firewall between port 0 (inside) and
 * port 1; what is not IP goes through at once.
 */
#include "dataplane/flow.h"
#include "dataplane/frag_priv.h"

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
#define N_RULES	 4
#define ZONE	 7
#define MOST	 64
#define NAT_PORT 5555

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_pipeline *pipeline;
static struct dp_worker *worker;
static uint32_t rule[N_RULES];
static bool tracks = true, translates;

/* ---- Rules ---- */

static void step_ct(struct dp_build *b, uint16_t flags)
{
	struct dp_step_ct *ct = dp_build_step(b, DP_STEP_CT, 0, sizeof(*ct));

	ct->zone = ZONE;
	ct->flags = flags;
	if ((flags & DP_STEP_CT_BIND) != 0)
		ct->nat = (struct dp_ct_nat){.flags = DP_CT_NAT_SRC | DP_CT_NAT_ADDRESS |
						      DP_CT_NAT_PORTS,
					     .port_min = NAT_PORT,
					     .port_max = NAT_PORT,
					     .ip_min = {10, 0, 0, 99},
					     .ip_max = {10, 0, 0, 99}};
}

static void first_table(struct dp_build *b)
{
	struct dp_resume_what what = {.table = 1, .changed = b->changed};
	uint16_t mark;

	dp_build_rule(b, rule[0]);
	if (!tracks) {
		dp_build_step(b, DP_STEP_OUTPUT, 1, 0);
		return;
	}
	mark = dp_build_clone_begin(b);
	step_ct(b, translates ? DP_STEP_CT_NAT : 0);
	memcpy(what.tables, b->tables, sizeof(what.tables));
	dp_build_resume(b, &what);
	dp_build_clone_end(b, mark);
}

static void translate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	uint64_t ct_state = dp_key_get(key, DP_FIELD_CT_STATE);
	uint8_t table = b->from != NULL ? b->from->table : 0;

	b->keep = true;
	b->tables[0] |= 1u << table;
	if (table == 0) {
		first_table(b);
		return;
	}
	dp_key_cover(&b->wc, DP_FIELD_IN_PORT);
	if ((ct_state & DP_CT_INV) != 0) {
		dp_build_rule(b, rule[1]);
		dp_build_step(b, DP_STEP_OUTPUT, 2, 0);
	} else if ((ct_state & DP_CT_NEW) != 0 && dp_key_get(key, DP_FIELD_IN_PORT) == 1) {
		dp_build_rule(b, rule[2]);
		step_ct(b, translates ? DP_STEP_CT_COMMIT | DP_STEP_CT_NAT | DP_STEP_CT_BIND
				      : DP_STEP_CT_COMMIT);
		dp_build_step(b, DP_STEP_OUTPUT, 1, 0);
	} else if ((ct_state & DP_CT_EST) != 0) {
		dp_build_rule(b, rule[3]);
		dp_build_step(b, DP_STEP_OUTPUT, (ct_state & DP_CT_REPLY) != 0 ? 0 : 1, 0);
	} else {
		dp_build_step(b, DP_STEP_DROP, DP_DROP_NO_ACTION, 0);
	}
}

/* ---- Traffic ---- */

static struct rte_mbuf *mbuf_of(const uint8_t *bytes, uint32_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	char *room = m != NULL ? rte_pktmbuf_append(m, (uint16_t)size) : NULL;

	if (room == NULL)
		fail_msg("no buffer");
	else
		memcpy(room, bytes, size);
	return m;
}

static void ip_sum(uint8_t *ip)
{
	uint16_t sum;

	ip[10] = ip[11] = 0;
	sum = (uint16_t)~pkt_fold(pkt_sum(ip, 20, 0));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

/* Bytes 'from' to 'end' of the packet's content. */
static struct rte_mbuf *part4(const struct pkt *p, uint32_t from, uint32_t end, uint16_t id)
{
	uint32_t all = p->size - 34;
	uint8_t frame[2048], *ip = frame + 14;
	uint16_t field;

	end = end < all ? end : all;
	memcpy(frame, p->bytes, 34);
	memcpy(frame + 34, p->bytes + 34 + from, end - from);
	field = (uint16_t)(from / 8 | (end < all ? 0x2000 : 0));
	ip[2] = (uint8_t)((20 + end - from) >> 8);
	ip[3] = (uint8_t)(20 + end - from);
	ip[4] = (uint8_t)(id >> 8);
	ip[5] = (uint8_t)id;
	ip[6] = (uint8_t)(field >> 8);
	ip[7] = (uint8_t)field;
	ip_sum(ip);
	return mbuf_of(frame, 34 + end - from);
}

static struct rte_mbuf *part6(const struct pkt *p, uint32_t from, uint32_t end, uint16_t id)
{
	uint32_t all = p->size - 54;
	uint8_t frame[2048], *ip = frame + 14, *frag = frame + 54;
	uint16_t field;

	end = end < all ? end : all;
	memcpy(frame, p->bytes, 54);
	memcpy(frame + 62, p->bytes + 54 + from, end - from);
	field = (uint16_t)(from | (end < all));
	memset(frag, 0, 8);
	frag[0] = ip[6];
	frag[2] = (uint8_t)(field >> 8);
	frag[3] = (uint8_t)field;
	frag[7] = (uint8_t)id;
	ip[6] = 44;
	ip[4] = (uint8_t)((8 + end - from) >> 8);
	ip[5] = (uint8_t)(8 + end - from);
	return mbuf_of(frame, 62 + end - from);
}

static struct pkt packet4(unsigned from, uint16_t sport, uint16_t dport, uint32_t size)
{
	struct pkt p;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:09", "02:00:00:00:00:01");
	pkt_ipv4(&p, from == 0 ? "10.0.0.1" : "10.0.0.2", from != 0 ? "10.0.0.1" : "10.0.0.2");
	pkt_udp(&p, sport, dport);
	pkt_fill(&p, size, 1);
	pkt_finish(&p, 0);
	return p;
}

static void carry(unsigned from, struct rte_mbuf **m, uint16_t n)
{
	dp_flow_burst(worker, worker->view->vports[from], m, n);
}

static void carry_one(unsigned from, struct rte_mbuf *m)
{
	carry(from, &m, 1);
}

/* What came out of a port; the frames are freed by come_free(). */
static struct rte_mbuf *came[MOST];
static unsigned n_came;

static unsigned comes(unsigned at)
{
	for (unsigned i = 0; i < n_came; i++)
		rte_pktmbuf_free(came[i]);
	n_came = 0;
	while (n_came < MOST && dp_port_mem_collect(port[at], &came[n_came], 1) == 1)
		n_came++;
	return n_came;
}

static const uint8_t *bytes(unsigned i)
{
	return rte_pktmbuf_mtod(came[i], const uint8_t *);
}

static void nothing_comes(void)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		assert_int_equal(comes(i), 0);
}

static uint64_t sum(const uint64_t *drops)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DP_N_DROPS; i++)
		n += drops[i];
	return n;
}

/* Counters as the worker has them: it stands still. */
static struct dp_count counts(unsigned i)
{
	return *worker->count->ports[i];
}

static void ledger_balances(uint64_t held)
{
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_count c = counts(i);

		assert_int_equal(c.rx_packets + c.copies,
				 c.forwarded + c.punted + sum(c.drops_rx) + c.held_rx);
		held -= c.held_rx;
	}
	assert_int_equal(held, 0);
}

static uint64_t n_created(void)
{
	struct dp_ct_stats stats;

	dp_ct_stats(dp->ct, &stats);
	return stats.counters[DP_CT_C_CREATED];
}

static void pass_s(unsigned seconds)
{
	worker->burst_tsc += dp->tsc_hz * seconds;
}

static bool every(void *arg, const struct dp_ct_info *info)
{
	return true;
}

static int begin(void **state)
{
	tracks = true;
	translates = false;
	dp_set_fragments(dp, DP_FRAG_LIMIT, DP_FRAG_TENANT_LIMIT, DP_FRAG_TIMEOUT_S);
	dp_ct_flush(dp->ct, worker->flow->tick, every, NULL);
	dp_pipeline_log_all(pipeline);
	dp_pipeline_publish(pipeline);
	return 0;
}

static int nothing_is_left(void **state)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		comes(i);
	comes(0);
	return dp_frags_idle(worker->frags) ? 0 : -1;
}

/* ---- Tests ---- */

static void fragments_wait_and_are_tracked_as_one(void **state)
{
	struct pkt p = packet4(0, 1000, 53, 3000), q = packet4(1, 53, 1000, 2000);
	uint64_t created = n_created();
	struct rte_mbuf *m[2];

	/* Last, middle, first. */
	carry_one(0, part4(&p, 2400, 9999, 1));
	carry_one(0, part4(&p, 1200, 2400, 1));
	nothing_comes();
	ledger_balances(2);
	carry_one(0, part4(&p, 0, 1200, 1));
	assert_int_equal(comes(1), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pkt_get16(bytes(i), 20) & 0x1fff, i * 150);
	assert_memory_equal(bytes(0) + 34, p.bytes + 34, 1200);
	assert_int_equal(n_created(), created + 1);
	ledger_balances(0);
	/* The answer is one of its connection. */
	m[0] = part4(&q, 0, 1480, 9);
	m[1] = part4(&q, 1480, 9999, 9);
	carry(1, m, 2);
	assert_int_equal(comes(0), 2);
	assert_int_equal(n_created(), created + 1);
}

static void ipv6_is_no_different(void **state)
{
	uint64_t created = n_created();
	struct pkt p;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:09", "02:00:00:00:00:01");
	pkt_ipv6(&p, "fd00::1", "fd00::2");
	pkt_udp(&p, 1000, 53);
	pkt_fill(&p, 2000, 1);
	pkt_finish(&p, 0);
	carry_one(0, part6(&p, 1232, 9999, 3));
	nothing_comes();
	carry_one(0, part6(&p, 0, 1232, 3));
	assert_int_equal(comes(1), 2);
	assert_int_equal(n_created(), created + 1);
}

static void a_ping_in_fragments_is_tracked(void **state)
{
	uint64_t created = n_created();
	struct pkt p;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:09", "02:00:00:00:00:01");
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_icmp(&p, 8, 0);
	pkt_fill(&p, 2000, 1);
	pkt_finish(&p, 0);
	carry_one(0, part4(&p, 0, 1480, 3));
	carry_one(0, part4(&p, 1480, 9999, 3));
	assert_int_equal(comes(1), 2);
	assert_int_equal(n_created(), created + 1);
}

/* Rules count each fragment once, whether the cache knew it or not. */
static void rules_count_each_fragment_once(void **state)
{
	struct pkt p = packet4(0, 1001, 53, 3000);
	struct dp_flow_counts before[N_RULES], after;

	for (unsigned i = 0; i < N_RULES; i++)
		dp_flow_counter_read(dp, rule[i], &before[i]);
	for (uint16_t id = 0; id < 3; id++) {
		carry_one(0, part4(&p, 0, 1200, id));
		carry_one(0, part4(&p, 1200, 2400, id));
		carry_one(0, part4(&p, 2400, 9999, id));
	}
	assert_int_equal(comes(1), 9);
	dp_flow_counter_read(dp, rule[0], &after);
	assert_int_equal(after.packets - before[0].packets, 9);
	assert_int_equal(after.bytes - before[0].bytes, 3 * (3008 + 3 * 34));
	dp_flow_counter_read(dp, rule[2], &after);
	assert_int_equal(after.packets - before[2].packets, 9);
}

/* RFC 1071 over the content that the fragments carry together, and the pseudo-header. */
static void udp_sum_is_right(unsigned n)
{
	uint64_t all = pkt_sum(bytes(0) + 26, 8, 17);
	uint32_t size = 0;

	for (unsigned i = 0; i < n; i++) {
		uint32_t part = came[i]->data_len - 34u;

		all = pkt_sum(bytes(i) + 34, part, all);
		size += part;
	}
	assert_int_equal(pkt_fold(all + size), 0xffff);
}

static void each_fragment_is_translated(void **state)
{
	struct pkt p = packet4(0, 1002, 53, 3000), q = packet4(1, 53, NAT_PORT, 2000);

	translates = true;
	begin(state);
	translates = true;
	carry_one(0, part4(&p, 1200, 2400, 1));
	carry_one(0, part4(&p, 0, 1200, 1));
	carry_one(0, part4(&p, 2400, 9999, 1));
	assert_int_equal(comes(1), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pkt_get32(bytes(i), 26), 0x0a000063);
		assert_int_equal(pkt_fold(pkt_sum(bytes(i) + 14, 20, 0)), 0xffff);
	}
	assert_int_equal(pkt_get16(bytes(0), 34), NAT_PORT);
	assert_memory_equal(bytes(1) + 34, p.bytes + 34 + 1200, 1200);
	udp_sum_is_right(3);
	/* The way back. */
	pkt_set32(&q, 30, 0x0a000063);
	carry_one(1, part4(&q, 0, 1200, 2));
	carry_one(1, part4(&q, 1200, 9999, 2));
	assert_int_equal(comes(0), 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pkt_get32(bytes(i), 30), 0x0a000001);
	assert_int_equal(pkt_get16(bytes(0), 36), 1002);
	assert_memory_equal(bytes(1) + 34, q.bytes + 34 + 1200, 800 + 8);
}

static void what_is_not_whole_in_time_is_dropped(void **state)
{
	struct pkt p = packet4(0, 1003, 53, 3000);
	struct dp_count before = counts(0);

	carry_one(0, part4(&p, 0, 1200, 1));
	carry_one(0, part4(&p, 1200, 2400, 1));
	pass_s(29);
	dp_frag_upkeep(worker, worker->burst_tsc);
	ledger_balances(2);
	pass_s(2);
	dp_frag_upkeep(worker, worker->burst_tsc);
	assert_int_equal(counts(0).drops_rx[DP_DROP_FRAG_TIMEOUT] -
				 before.drops_rx[DP_DROP_FRAG_TIMEOUT],
			 2);
	ledger_balances(0);
	/* Its end alone is the beginning of another. */
	carry_one(0, part4(&p, 2400, 9999, 1));
	nothing_comes();
	pass_s(31);
	dp_frag_upkeep(worker, worker->burst_tsc);
}

static void fragments_that_overlap_end_their_packet(void **state)
{
	struct pkt p = packet4(0, 1004, 53, 3000);
	struct dp_count before = counts(0);

	carry_one(0, part4(&p, 0, 1200, 1));
	carry_one(0, part4(&p, 1192, 2400, 1));
	carry_one(0, part4(&p, 1200, 2400, 1));
	carry_one(0, part4(&p, 2400, 9999, 1));
	nothing_comes();
	ledger_balances(0);
	assert_int_equal(counts(0).drops_rx[DP_DROP_FRAG_OVERLAP] -
				 before.drops_rx[DP_DROP_FRAG_OVERLAP],
			 4);
	/* A copy of one ends itself only. */
	carry_one(0, part4(&p, 0, 1200, 2));
	carry_one(0, part4(&p, 0, 1200, 2));
	carry_one(0, part4(&p, 1200, 2400, 2));
	carry_one(0, part4(&p, 2400, 9999, 2));
	assert_int_equal(comes(1), 3);
	pass_s(31);
	dp_frag_upkeep(worker, worker->burst_tsc);
}

static void a_first_fragment_without_all_of_its_header_is_invalid(void **state)
{
	struct pkt p;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:09", "02:00:00:00:00:01");
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_tcp(&p, 1, 2, PKT_SYN);
	pkt_finish(&p, 0);
	carry_one(0, part4(&p, 0, 8, 1));
	carry_one(0, part4(&p, 8, 99, 1));
	assert_int_equal(comes(2), 2);
}

static void without_tracking_rules_fragments_do_not_wait(void **state)
{
	struct pkt p = packet4(0, 1005, 53, 3000);

	tracks = false;
	dp_pipeline_log_all(pipeline);
	dp_pipeline_publish(pipeline);
	carry_one(0, part4(&p, 1200, 2400, 1));
	assert_int_equal(comes(1), 1);
	ledger_balances(0);
}

static void a_flood_of_first_fragments_pushes_out_itself(void **state)
{
	struct pkt p = packet4(0, 1006, 53, 2400);
	struct dp_frags_stats stats;

	dp_set_fragments(dp, 200, 100, 30);
	for (uint16_t id = 0; id < 1000; id++)
		carry_one(0, part4(&p, 0, 1200, id));
	dp_frags_stats(worker->frags, &stats);
	assert_int_equal(stats.pieces, 100);
	ledger_balances(100);
	/* One that is quick enough passes all the same. */
	carry_one(0, part4(&p, 0, 1200, 2000));
	carry_one(0, part4(&p, 1200, 9999, 2000));
	assert_int_equal(comes(1), 2);
	/* One of more fragments than may wait does not. */
	for (unsigned i = 0; i < 150; i++)
		carry_one(0, part4(&p, i * 16, i * 16 + 16, 3000));
	assert_int_equal(comes(1), 0);
	pass_s(31);
	dp_frag_upkeep(worker, worker->burst_tsc);
	ledger_balances(0);
}

/* Rules that no longer track, a port that was closed: what waited finds what is now. */
static void fragments_find_the_rules_of_when_they_go_on(void **state)
{
	struct pkt p = packet4(0, 1007, 53, 2400);
	uint64_t created = n_created();

	carry_one(0, part4(&p, 0, 1200, 1));
	translates = true;
	dp_pipeline_log_all(pipeline);
	dp_pipeline_publish(pipeline);
	carry_one(0, part4(&p, 1200, 9999, 1));
	assert_int_equal(comes(1), 2);
	assert_int_equal(pkt_get32(bytes(0), 26), 0x0a000063);
	assert_int_equal(n_created(), created + 1);
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
				       .flags = DP_VP_UP | DP_VP_UNTAGGED_IN,
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
	struct pkt p = packet4(0, 1, 2, 3000);
	unsigned left;

	/* One that waits when all ends. */
	tracks = true;
	carry_one(0, part4(&p, 0, 1200, 1));
	dp_resume(dp);
	publish(false);
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	dp_pipeline_destroy(dp, pipeline);
	if (dp_worker_remove(dp, worker->cpu, NULL) != 0)
		return -1;
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, nothing_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fragments_wait_and_are_tracked_as_one),
		TEST(ipv6_is_no_different),
		TEST(a_ping_in_fragments_is_tracked),
		TEST(rules_count_each_fragment_once),
		TEST(each_fragment_is_translated),
		TEST(what_is_not_whole_in_time_is_dropped),
		TEST(fragments_that_overlap_end_their_packet),
		TEST(a_first_fragment_without_all_of_its_header_is_invalid),
		TEST(without_tracking_rules_fragments_do_not_wait),
		TEST(a_flood_of_first_fragments_pushes_out_itself),
		TEST(fragments_find_the_rules_of_when_they_go_on),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Teams on a switch of ports in memory: which member a frame leaves by, what may be heard, and what
 * happens when links go under traffic.
 *
 * 	p0 (a machine) ── switch ── up (team) ─┬ m0
 * 	                                       ├ m1
 * 	                                       └ m2
 */
#include "vswitch/teams.h"

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

#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/fdb.h"
#include "dataplane/port_mem.h"
#include "tests/support/test_dp.h"
#include "vswitch/vs.h"

#define N_MEMBERS 3
#define N_FLOWS	  64
#define SIZE	  60

static struct dp *dp;
static struct vs *vs;
static unsigned first_cpu;
static cpu_set_t cpus; /* before one was ours */

/* ---- The switch ---- */

static json_t *port_json(const char *kind)
{
	return json_pack("{ss ss}", "switch", "s", "kind", kind);
}

/* 'mode' of the team, and how many members. */
static json_t *state_json(const char *mode, unsigned n_members)
{
	json_t *ports = json_object(), *team = port_json("team");

	json_object_set_new(ports, "p0", port_json("mem"));
	json_object_set_new(team, "team_mode", json_string(mode));
	json_object_set_new(ports, "up", team);
	for (unsigned i = 0; i < n_members; i++) {
		char name[8];
		json_t *body = port_json("mem");

		snprintf(name, sizeof(name), "m%u", i);
		json_object_set_new(body, "team", json_string("up"));
		json_object_set_new(ports, name, body);
	}
	return json_pack("{s{s{ss}} so}", "switch", "s", "type", "external", "port", ports);
}

static void apply(json_t *state)
{
	struct err err = {0};

	if (vs_apply(vs, NULL, state, false, &err) != 0)
		fail_msg("%s", err.what);
	json_decref(state);
	vs_teams_run(vs);
}

static struct dp_port *live(const char *name)
{
	return vs->live[vs_port_id(vs, name)].port;
}

static struct dp_port *member(unsigned i)
{
	char name[8];

	snprintf(name, sizeof(name), "m%u", i);
	return live(name);
}

static bool is_balanced(void)
{
	const struct dp_count *c;
	uint64_t in, out, drops = 0;

	dp_count_refresh(dp);
	c = dp_total_count(dp);
	for (unsigned i = 0; i < DP_N_DROPS; i++)
		drops += c->drops_rx[i];
	in = c->rx_packets + c->copies;
	out = c->forwarded + c->punted + drops + (uint64_t)c->held_rx;
	return in == out && (int64_t)c->forwarded == (int64_t)c->offered + dp_in_flight(dp);
}

/* Until all that was injected is through: the ledger says so. */
static void settle(uint64_t rx)
{
	const struct timespec wait = {0, 200000};

	for (unsigned i = 0; i < 50000; i++) {
		dp_count_refresh(dp);
		if (dp_total_count(dp)->rx_packets >= rx && dp_in_flight(dp) == 0)
			return;
		nanosleep(&wait, NULL);
	}
	fail_msg("the switch did not take %llu frames", (unsigned long long)rx);
}

static uint64_t rx_now(void)
{
	dp_count_refresh(dp);
	return dp_total_count(dp)->rx_packets;
}

/* A UDP packet of one of N_FLOWS flows, with a number that counts in its flow. */
static struct rte_mbuf *packet(unsigned flow, uint32_t seq)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	uint8_t d[SIZE] = {2, 0, 0, 0, 9, 9, 2, 0, 0, 0, 1, (uint8_t)flow, 8, 0, 0x45, [23] = 17};

	if (m == NULL)
		abort();
	d[29] = (uint8_t)flow;
	d[35] = (uint8_t)flow;
	memcpy(d + 48, &flow, 4);
	memcpy(d + 52, &seq, 4);
	m->data_len = SIZE;
	m->pkt_len = SIZE;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), d, SIZE);
	return m;
}

static void inject(struct dp_port *port, struct rte_mbuf **pkts, uint16_t n)
{
	const struct timespec wait = {0, 100000};
	uint16_t done = 0;

	for (unsigned i = 0; i < 100000 && done < n; i++) {
		done = (uint16_t)(done +
				  dp_port_mem_inject(port, 0, pkts + done, (uint16_t)(n - done)));
		if (done < n)
			nanosleep(&wait, NULL);
	}
	assert_int_equal(done, n);
}

/* What came out at a member: of which flow, and in order? */
struct seen {
	unsigned n, n_rarp, n_of[N_FLOWS];
	uint32_t last[N_FLOWS];
};

static void collect(struct dp_port *port, struct seen *seen, bool in_order)
{
	struct rte_mbuf *pkts[64];
	uint16_t n;

	while ((n = dp_port_mem_collect(port, pkts, 64)) != 0)
		for (uint16_t i = 0; i < n; i++) {
			const uint8_t *d = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
			uint32_t flow, seq;

			memcpy(&flow, d + 48, 4);
			memcpy(&seq, d + 52, 4);
			if (d[12] == 8 && flow < N_FLOWS) {
				if (in_order && seen->n_of[flow] != 0)
					assert_true(seq > seen->last[flow]);
				seen->last[flow] = seq;
				seen->n_of[flow]++;
				seen->n++;
			}
			seen->n_rarp += d[12] == 0x80 && d[13] == 0x35;
			rte_pktmbuf_free(pkts[i]);
		}
}

static void drain_all(void)
{
	struct seen seen = {0};

	for (unsigned i = 0; i < N_MEMBERS; i++)
		if (vs_port_id(vs, i == 0 ? "m0" : i == 1 ? "m1" : "m2") != DP_NO_PORT)
			collect(member(i), &seen, false);
	collect(live("p0"), &seen, false);
}

/* 'n' packets of each flow from the machine to the wire. */
static void send_flows(uint32_t first, uint32_t n)
{
	uint64_t rx = rx_now();

	for (uint32_t s = first; s < first + n; s++)
		for (unsigned f = 0; f < N_FLOWS; f += 16) {
			struct rte_mbuf *pkts[16];

			for (unsigned i = 0; i < 16; i++)
				pkts[i] = packet(f + i, s);
			inject(live("p0"), pkts, 16);
		}
	settle(rx + (uint64_t)n * N_FLOWS);
}

static void set_link(unsigned i, bool up)
{
	dp_port_mem_set_link(member(i), up);
	vs_teams_run(vs);
}

static uint64_t drops(const char *port, enum dp_drop reason)
{
	dp_count_refresh(dp);
	return dp_port_count(dp, vs_port_id(vs, port))->drops_rx[reason] +
	       dp_port_count(dp, vs_port_id(vs, port))->drops_tx[reason];
}

static void use(const char *mode, unsigned n_members)
{
	apply(state_json(mode, n_members));
	for (unsigned i = 0; i < n_members; i++)
		set_link(i, true);
	vs_teams_run(vs);
	drain_all();
}

/* ---- Tests ---- */

static void one_member_carries_all_and_the_next_takes_over(void **state)
{
	struct seen seen[N_MEMBERS] = {0};

	use("active-backup", 2);
	send_flows(0, 4);
	set_link(0, false);
	send_flows(4, 4);
	for (unsigned i = 0; i < 2; i++)
		collect(member(i), &seen[i], true);
	assert_int_equal(seen[0].n, 4 * N_FLOWS);
	assert_int_equal(seen[1].n, 4 * N_FLOWS);
	/* And says so to whoever is out there. */
	assert_in_range(seen[1].n_rarp, 1, N_FLOWS);
	set_link(1, false);
	send_flows(8, 1);
	assert_int_equal(drops("up", DP_DROP_TEAM_NO_MEMBER), N_FLOWS);
	assert_false(atomic_load(&live("up")->link_up));
	assert_true(is_balanced());
}

static void flows_are_spread_and_each_stays_in_order(void **state)
{
	struct seen seen[N_MEMBERS] = {0};
	unsigned n = 0;

	use("static", N_MEMBERS);
	send_flows(0, 20);
	for (unsigned i = 0; i < N_MEMBERS; i++) {
		collect(member(i), &seen[i], true);
		assert_in_range(seen[i].n, 20 * 5, 20 * (N_FLOWS - 10));
		n += seen[i].n;
		for (unsigned f = 0; f < N_FLOWS; f++)
			assert_true(seen[i].n_of[f] == 0 || seen[i].n_of[f] == 20);
	}
	assert_int_equal(n, 20 * N_FLOWS);
	assert_true(is_balanced());
}

/* A link that goes before the control thread looked: the worker takes another member by itself. */
static void worker_does_not_wait_for_the_control_thread(void **state)
{
	struct seen seen[N_MEMBERS] = {0};

	use("static", 2);
	atomic_store(&member(0)->link_up, false);
	send_flows(0, 2);
	collect(member(0), &seen[0], true);
	collect(member(1), &seen[1], true);
	assert_int_equal(seen[0].n, 0);
	assert_int_equal(seen[1].n, 2 * N_FLOWS);
	atomic_store(&member(0)->link_up, true);
}

static void members_come_and_go_under_traffic(void **state)
{
	struct seen seen = {0};

	use("static", N_MEMBERS);
	for (uint32_t round = 0; round < 12; round++) {
		unsigned n = 1 + round % N_MEMBERS;

		send_flows(round, 1);
		for (unsigned i = 0; i < N_MEMBERS; i++)
			if (i < 1 + (round + N_MEMBERS - 1) % N_MEMBERS || round == 0)
				collect(member(i), &seen, false);
		apply(state_json("static", n));
		for (unsigned i = 0; i < n; i++)
			set_link(i, true);
	}
	assert_int_equal(seen.n, 12 * N_FLOWS);
	assert_true(is_balanced());
}

/* Members have one queue to send by: of two workers one hands over what it has for them. */
static void frames_pass_from_worker_to_worker(void **state)
{
	struct seen seen[N_MEMBERS] = {0};
	struct err err = {0};
	unsigned cpu = 0, n = 0;
	uint64_t handed = 0;

	for (; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus) && cpu != first_cpu)
			break;
	if (cpu == CPU_SETSIZE)
		skip();
	use("static", N_MEMBERS);
	assert_int_equal(dp_worker_add(dp, cpu, &err), 0);
	/* The machine's queue goes to the second worker; members' are the first one's. */
	assert_int_equal(dp_worker_remove(dp, first_cpu, &err), 0);
	send_flows(0, 20);
	assert_int_equal(dp_worker_add(dp, first_cpu, &err), 0);
	send_flows(20, 20);
	dp_count_refresh(dp);
	for (unsigned i = 0; i < N_MEMBERS; i++)
		handed += dp_port_count(dp, member(i)->id)->copies;
	assert_int_equal(handed, 20 * N_FLOWS);
	assert_int_equal(dp_worker_remove(dp, cpu, &err), 0);
	for (unsigned i = 0; i < N_MEMBERS; i++) {
		collect(member(i), &seen[i], true);
		n += seen[i].n;
	}
	assert_int_equal(n, 40 * N_FLOWS);
	assert_true(is_balanced());
}

/* A frame from the wire, by one member. */
static void from_wire(unsigned by, const uint8_t dst[6], const uint8_t src[6])
{
	struct rte_mbuf *m = packet(0, 0);
	uint64_t rx = rx_now();

	memcpy(rte_pktmbuf_mtod(m, uint8_t *), dst, 6);
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 6), src, 6);
	inject(member(by), &m, 1);
	settle(rx + 1);
}

static unsigned came(void)
{
	struct seen seen = {0};

	collect(live("p0"), &seen, false);
	return seen.n;
}

static void what_the_wire_floods_comes_once(void **state)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255}, far[6] = {2, 0, 0, 0, 7, 7},
			     near[6] = {2, 0, 0, 0, 1, 5};

	use("address", 2);
	from_wire(0, all, far);
	from_wire(1, all, far);
	assert_int_equal(came(), 1);
	assert_int_equal(drops("m0", DP_DROP_TEAM_COPY) + drops("m1", DP_DROP_TEAM_COPY), 1);
	/* One of ours that is flooded back is not believed; a machine that is so busy that this
	 * takes longer than it is remembered tries again. */
	for (unsigned i = 0; i < 100 && drops("m1", DP_DROP_TEAM_REFLECTED) == 0; i++) {
		struct rte_mbuf *m = packet(5, 0);
		uint64_t rx = rx_now();

		inject(live("p0"), &m, 1);
		settle(rx + 1);
		from_wire(1, near, near);
	}
	assert_int_equal(drops("m1", DP_DROP_TEAM_REFLECTED), 1);
	assert_int_equal(came(), 0);
	/* A group frame by the member that waits. */
	use("active-backup", 2);
	from_wire(0, all, far);
	from_wire(1, all, far);
	assert_int_equal(came(), 1);
	assert_int_equal(drops("m0", DP_DROP_TEAM_STANDBY) + drops("m1", DP_DROP_TEAM_STANDBY), 1);
	assert_true(is_balanced());
}

static void nothing_but_the_team_goes_by_a_member(void **state)
{
	static const uint8_t far[6] = {2, 0, 0, 0, 7, 8}, p[6] = {2, 0, 0, 0, 1, 1};

	use("static", 2);
	from_wire(1, p, far);
	dp_fdb_flush(dp_fdb(dp), DP_NO_DOMAIN, DP_NO_VLAN, DP_NO_PORT, false);
	from_wire(1, p, far);
	assert_int_equal(dp_fdb_port_count(dp_fdb(dp), vs_port_id(vs, "m1")), 0);
	assert_int_equal(dp_fdb_port_count(dp_fdb(dp), vs_port_id(vs, "up")), 1);
	drain_all();
}

/* ---- What needs no switch ---- */

static void shares_follow_speed_and_few_buckets_move(void **state)
{
	struct vs_team_choice v[3] = {{1, 10000, true}, {2, 10000, true}, {3, 20000, true}};
	uint16_t ids[DP_TEAM_BUCKETS], before[DP_TEAM_BUCKETS];
	unsigned n[4] = {0}, moved = 0;

	for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++)
		ids[b] = DP_NO_PORT;
	vs_team_share(v, 3, ids);
	for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++)
		n[ids[b]]++;
	assert_int_equal(n[1], 64);
	assert_int_equal(n[2], 64);
	assert_int_equal(n[3], 128);
	/* One goes: only its buckets move. */
	memcpy(before, ids, sizeof(ids));
	v[1].sends = false;
	vs_team_share(v, 3, ids);
	for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++) {
		assert_int_not_equal(ids[b], 2);
		moved += ids[b] != before[b];
	}
	assert_in_range(moved, 64, 64 + 22);
	/* Nobody is left. */
	v[0].sends = v[2].sends = false;
	vs_team_share(v, 3, ids);
	for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++)
		assert_int_equal(ids[b], DP_NO_PORT);
}

static uint32_t hash_of(struct rte_mbuf *m)
{
	return dp_team_hash(m, DP_TEAM_BY_FLOW);
}

static void fragments_go_with_their_packet(void **state)
{
	struct rte_mbuf *whole = packet(3, 0), *first = packet(3, 0), *rest = packet(3, 1);
	uint8_t *f = rte_pktmbuf_mtod(first, uint8_t *), *r = rte_pktmbuf_mtod(rest, uint8_t *);

	f[20] = 0x20; /* more follow */
	r[21] = 5;
	r[35] = 77; /* no port, where the first has one */
	assert_int_equal(hash_of(first), hash_of(rest));
	/* Any length is read. */
	for (uint16_t size = 0; size <= SIZE; size++) {
		whole->data_len = size;
		(void)hash_of(whole);
	}
	rte_pktmbuf_free(whole);
	rte_pktmbuf_free(first);
	rte_pktmbuf_free(rest);
}

static int group_setup(void **state)
{
	struct vs_opts opts = {0};
	struct err err = {0};

	sched_getaffinity(0, sizeof(cpus), &cpus);
	while (!CPU_ISSET(first_cpu, &cpus))
		first_cpu++;
	dp = test_dp_create(8192);
	opts.dp = dp;
	if (vs_create(&opts, &vs, &err) != 0 || dp_worker_add(dp, first_cpu, &err) != 0)
		fail_msg("%s", err.what);
	return 0;
}

static int group_teardown(void **state)
{
	drain_all();
	vs_destroy(vs);
	assert_int_equal(test_dp_in_use(dp), 0);
	test_dp_destroy(dp);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_member_carries_all_and_the_next_takes_over),
		cmocka_unit_test(flows_are_spread_and_each_stays_in_order),
		cmocka_unit_test(worker_does_not_wait_for_the_control_thread),
		cmocka_unit_test(members_come_and_go_under_traffic),
		cmocka_unit_test(frames_pass_from_worker_to_worker),
		cmocka_unit_test(what_the_wire_floods_comes_once),
		cmocka_unit_test(nothing_but_the_team_goes_by_a_member),
		cmocka_unit_test(shares_follow_speed_and_few_buckets_move),
		cmocka_unit_test(fragments_go_with_their_packet),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

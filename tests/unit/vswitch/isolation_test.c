/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Isolation against brute force: random configurations of ports in memory, real frames through a
 * real worker from every port with every tag that means something, and who got what held against
 * three lines of plain rules (below) and against the proof of 'switch verify'.
 */
#include "vswitch/verify.h"

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
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"
#include "vswitch/vs.h"

#define N_PORTS	 8
#define N_ROUNDS 60
#define N_VLANS	 4 /* 1 .. 4, so that ports meet often */

enum mode { ACCESS, TRUNK, TUNNEL, ISOLATED, COMMUNITY, PROMISCUOUS, N_MODES };

struct conf_port {
	int sw, tenant; /* tenant -1: none */
	enum mode mode;
	unsigned vlan, secondary, native;
	unsigned serves;  /* promiscuous: bits of its secondaries */
	unsigned allowed; /* bits 1 .. N_VLANS */
};

static struct dp *dp;
static struct vs *vs;
static struct conf_port ports[N_PORTS];
static uint64_t rnd = 0x5eed;

/* The rules, in the words of the documentation. */

/* The VLAN that carries a frame, -1: dropped.  'vid' 0: untagged. */
static int carried(const struct conf_port *p, unsigned vid)
{
	switch (p->mode) {
	case TUNNEL:
		return (int)p->vlan;
	case TRUNK:
		if (vid == 0)
			return (int)p->native;
		return (p->allowed >> vid & 1) != 0 ? (int)vid : -1;
	case ISOLATED:
	case COMMUNITY:
		return vid == 0 ? (int)p->secondary : -1;
	case ACCESS:
	case PROMISCUOUS:
	case N_MODES:
		break;
	}
	return vid == 0 ? (int)p->vlan : -1;
}

static bool accepts(const struct conf_port *p, unsigned vlan)
{
	switch (p->mode) {
	case TRUNK:
		return vlan == p->native || (vlan != 0 && (p->allowed >> vlan & 1) != 0);
	case COMMUNITY:
		return vlan == p->vlan || vlan == p->secondary;
	case PROMISCUOUS:
		return vlan == p->vlan || (p->serves >> vlan & 1) != 0;
	case ACCESS:
	case TUNNEL:
	case ISOLATED:
	case N_MODES:
		break;
	}
	return vlan == p->vlan;
}

/* An isolated or community port hears nobody who would not hear it. */
static bool hears(const struct conf_port *to, const struct conf_port *from)
{
	return (to->mode != ISOLATED && to->mode != COMMUNITY) || accepts(from, to->secondary);
}

static bool same_world(const struct conf_port *a, const struct conf_port *b)
{
	return a->sw == b->sw && a->tenant == b->tenant;
}

/* Random configurations. */

static void choose(struct conf_port *p)
{
	*p = (struct conf_port){
		.sw = (int)(pkt_rand(&rnd) % 2),
		.tenant = (int)(pkt_rand(&rnd) % 3) - 1,
		.mode = (enum mode)(pkt_rand(&rnd) % N_MODES),
		.vlan = 1 + (unsigned)(pkt_rand(&rnd) % N_VLANS),
		.native = (unsigned)(pkt_rand(&rnd) % (N_VLANS + 1)),
		.allowed = (unsigned)(pkt_rand(&rnd) & 0x1e),
	};
	if (p->mode >= ISOLATED) {
		/* One primary, 1, and secondaries 2 and 3, so that no VLAN has two primaries. */
		p->vlan = 1;
		p->secondary = 2 + (unsigned)(pkt_rand(&rnd) % 2);
		p->serves = (1 + (unsigned)(pkt_rand(&rnd) % 3)) << 2;
	}
}

static json_t *port_json(unsigned i)
{
	static const char *const modes[] = {"access",	"trunk",     "tunnel",
					    "isolated", "community", "promiscuous"};
	const struct conf_port *p = &ports[i];
	char name[8], sw[8], tenant[8], set[32];
	json_t *body;

	snprintf(name, sizeof(name), "p%u", i);
	snprintf(sw, sizeof(sw), "s%d", p->sw);
	snprintf(tenant, sizeof(tenant), "t%d", p->tenant);
	body = json_pack("{ss ss ss ss}", "name", name, "switch", sw, "kind", "mem", "vlan_mode",
			 modes[p->mode]);
	if (p->tenant >= 0)
		json_object_set_new(body, "tenant", json_string(tenant));
	if (p->mode != TRUNK)
		json_object_set_new(body, "vlan", json_integer(p->vlan));
	if (p->mode >= ISOLATED) {
		if (p->mode == PROMISCUOUS)
			snprintf(set, sizeof(set), "%s",
				 p->serves == 0xc ? "2,3"
				 : p->serves == 4 ? "2"
						  : "3");
		else
			snprintf(set, sizeof(set), "%u", p->secondary);
		json_object_set_new(body, "secondary", json_string(set));
	}
	if (p->mode == TRUNK) {
		set[0] = '\0';
		for (unsigned v = 1; v <= N_VLANS; v++)
			if ((p->allowed >> v & 1) != 0)
				snprintf(set + strlen(set), sizeof(set) - strlen(set), "%s%u",
					 set[0] != '\0' ? "," : "", v);
		json_object_set_new(body, "allowed", json_string(set[0] != '\0' ? set : "none"));
		json_object_set_new(body, "native", json_integer(p->native));
	}
	return body;
}

static json_t *state_json(void)
{
	json_t *state =
		json_pack("{s{s{ss ss} s{ss ss}} s{s{ss si} s{ss si}} s{}}", "switch", "s0", "name",
			  "s0", "type", "private", "s1", "name", "s1", "type", "internal", "tenant",
			  "t0", "name", "t0", "id", 10, "t1", "name", "t1", "id", 11, "port");

	for (unsigned i = 0; i < N_PORTS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "p%u", i);
		json_object_set_new(json_object_get(state, "port"), name, port_json(i));
	}
	return state;
}

/* Frames. */

static struct dp_port *live(unsigned i)
{
	char name[8];

	snprintf(name, sizeof(name), "p%u", i);
	return vs->live[vs_port_id(vs, name)].port;
}

/* 64 bytes and the tag; the payload says where it came from. */
static size_t frame_bytes(uint8_t *d, unsigned from, uint64_t dst, unsigned vid)
{
	size_t at = 12;

	for (size_t i = 0; i < 6; i++)
		d[i] = (uint8_t)(dst >> (40 - 8 * i));
	memcpy(d + 6, (const uint8_t[]){2, 0, 0, 0, 1, (uint8_t)from}, 6);
	if (vid != 0) {
		d[at++] = 0x81;
		d[at++] = 0x00;
		d[at++] = (uint8_t)(0x60 | vid >> 8); /* a priority, which must survive */
		d[at++] = (uint8_t)vid;
	}
	d[at++] = 0x88;
	d[at++] = 0xb5;
	while (at < 64 + (vid != 0 ? 4u : 0u)) {
		d[at] = (uint8_t)(from + at);
		at++;
	}
	return at;
}

static void inject(unsigned from, uint64_t dst, unsigned vid)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	uint8_t bytes[80];
	size_t size = frame_bytes(bytes, from, dst, vid);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)size), bytes, size);
	assert_int_equal(dp_port_mem_inject(live(from), 0, &m, 1), 1);
}

static uint64_t sum(const uint64_t *v)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += v[i];
	return n;
}

/* Waits until all that was received has its fate, and holds the ledger against itself. */
static void settle(uint64_t n_received)
{
	for (int i = 0; i < 5000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		assert_int_equal(t->rx_packets + t->copies, t->forwarded + sum(t->drops_rx));
		assert_int_equal(t->offered + t->segments, t->tx_packets + sum(t->drops_tx));
		assert_int_equal(t->forwarded, t->offered + (uint64_t)dp_in_flight(dp));
		if (t->rx_packets == n_received)
			return;
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	fail_msg("the worker did not take the frame");
}

/* How the frame must look that came in with 'vid' and leaves carried on 'vlan'. */
static bool looks_right(const struct rte_mbuf *m, unsigned from, uint64_t dst, unsigned vid,
			unsigned to, unsigned vlan)
{
	bool payload_tag = ports[from].mode == TUNNEL && vid != 0;
	bool tag = ports[to].mode == TRUNK && vlan != ports[to].native;
	uint8_t want[84], plain[80];
	size_t size = frame_bytes(plain, from, dst, payload_tag ? vid : 0), at = 12;
	uint8_t pcp = !payload_tag && vid != 0 ? 0x60 : 0;

	memcpy(want, plain, 12);
	if (tag) {
		memcpy(want + at, (const uint8_t[]){0x81, 0, pcp, (uint8_t)vlan}, 4);
		at += 4;
	}
	memcpy(want + at, plain + 12, size - 12);
	/* The payload of an untagged frame was counted from another offset when it was tagged. */
	if (!payload_tag && vid != 0)
		for (size_t i = at + 2; i < at + size - 12; i++)
			want[i] = (uint8_t)(want[i] + 4);
	return m->data_len == at + size - 12 &&
	       memcmp(rte_pktmbuf_mtod(m, const uint8_t *), want, m->data_len) == 0;
}

static bool can_reach(unsigned a, unsigned b)
{
	const struct dp_view *view = dp_view(dp);
	char from[8], to[8];

	snprintf(from, sizeof(from), "p%u", a);
	snprintf(to, sizeof(to), "p%u", b);
	return vs_can_reach(view, view->vports[vs_port_id(vs, from)],
			    view->vports[vs_port_id(vs, to)]);
}

/* One frame: exactly those get it who must, looking as it must.  Marks whom it reached. */
static void try_frame(unsigned from, uint64_t dst, unsigned vid, int only,
		      bool reached[N_PORTS][N_PORTS], uint64_t *n_received)
{
	int vlan = carried(&ports[from], vid);

	inject(from, dst, vid);
	settle(++*n_received);
	for (unsigned to = 0; to < N_PORTS; to++) {
		struct rte_mbuf *got[2];
		uint16_t n = dp_port_mem_collect(live(to), got, 2);
		bool must = to != from && vlan >= 0 && same_world(&ports[from], &ports[to]) &&
			    accepts(&ports[to], (unsigned)vlan) &&
			    hears(&ports[to], &ports[from]) && (only < 0 || only == (int)to);

		if (n != must)
			print_error("from p%u vid %u carried %d to p%u: %u frames\n", from, vid,
				    vlan, to, n);
		assert_int_equal(n, must);
		if (n == 0)
			continue;
		assert_true(looks_right(got[0], from, dst, vid, to, (unsigned)vlan));
		assert_true(can_reach(from, to));
		reached[from][to] = true;
		rte_pktmbuf_free(got[0]);
	}
}

static void apply_random(void)
{
	struct err err = {0};
	json_t *state;

	for (unsigned i = 0; i < N_PORTS; i++)
		choose(&ports[i]);
	state = state_json();
	if (vs_apply(vs, NULL, state, false, &err) != 0)
		fail_msg("%s", err.what);
	json_decref(state);
	dp_fdb_flush(dp_fdb(dp), DP_NO_DOMAIN, DP_NO_VLAN, DP_NO_PORT, true);
}

static void broadcast_reaches_exactly_whom_the_rules_say(void **state)
{
	uint64_t n_received = 0;

	for (int round = 0; round < N_ROUNDS; round++) {
		bool reached[N_PORTS][N_PORTS] = {{false}};

		apply_random();
		for (unsigned from = 0; from < N_PORTS; from++)
			for (unsigned vid = 0; vid <= N_VLANS; vid++)
				try_frame(from, 0xffffffffffff, vid, -1, reached, &n_received);
		/* The proof is exact: where it says yes, some frame got there. */
		for (unsigned a = 0; a < N_PORTS; a++)
			for (unsigned b = 0; b < N_PORTS; b++)
				assert_int_equal(reached[a][b], a != b && can_reach(a, b));
	}
}

/* A station that was heard gets its frames alone, and only from its own world. */
static void known_address_is_reached_on_its_port_alone(void **state)
{
	dp_count_refresh(dp);
	uint64_t n_received = dp_total_count(dp)->rx_packets;

	for (int round = 0; round < N_ROUNDS; round++) {
		bool reached[N_PORTS][N_PORTS] = {{false}};
		unsigned to = (unsigned)(pkt_rand(&rnd) % N_PORTS), heard_vid, from_vid;

		apply_random();
		heard_vid = (unsigned)(pkt_rand(&rnd) % (N_VLANS + 1));
		try_frame(to, 0xffffffffffff, heard_vid, -1, reached, &n_received);
		for (unsigned from = 0; from < N_PORTS; from++) {
			const struct dp_domain *d;
			int heard = carried(&ports[to], heard_vid), vlan;
			bool pvlan, known;

			from_vid = (unsigned)(pkt_rand(&rnd) % (N_VLANS + 1));
			vlan = carried(&ports[from], from_vid);
			if (from == to || heard < 0 || vlan < 0 ||
			    !same_world(&ports[from], &ports[to]))
				continue;
			d = dp_view(dp)->domains[dp_view(dp)->vports[live(to)->id]->domain];
			pvlan = d->fdb_vlan != NULL;
			known = pvlan ? d->fdb_vlan[heard] == d->fdb_vlan[vlan] : heard == vlan;
			if (known)
				try_frame(from, 0x020000000100 | to, from_vid, (int)to, reached,
					  &n_received);
		}
	}
}

/* What the administrator paired is paired both ways: who serves a secondary, and nobody else. */
static void promiscuous_port_meets_only_the_secondaries_it_serves(void **state)
{
	for (int round = 0; round < N_ROUNDS; round++) {
		apply_random();
		for (unsigned a = 0; a < N_PORTS; a++) {
			for (unsigned b = 0; b < N_PORTS; b++) {
				const struct conf_port *p = &ports[a], *s = &ports[b];

				if (p->mode != PROMISCUOUS || s->mode < ISOLATED ||
				    s->mode == PROMISCUOUS || !same_world(p, s))
					continue;
				assert_int_equal(can_reach(a, b), p->serves >> s->secondary & 1);
				assert_int_equal(can_reach(b, a), can_reach(a, b));
			}
		}
	}
}

static int start(void **state)
{
	struct vs_opts opts = {0};
	struct err err = {0};
	cpu_set_t set;
	unsigned cpu = 0;

	sched_getaffinity(0, sizeof(set), &set);
	dp = test_dp_create(4095);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
		cpu++;
	opts.dp = dp;
	if (vs_create(&opts, &vs, &err) != 0 || dp_worker_add(dp, cpu, &err) != 0) {
		print_error("%s\n", err.what);
		return -1;
	}
	dp_set_max_sleep(dp, 50);
	return 0;
}

static int finish(void **state)
{
	unsigned left;

	vs_destroy(vs);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broadcast_reaches_exactly_whom_the_rules_say),
		cmocka_unit_test(known_address_is_reached_on_its_port_alone),
		cmocka_unit_test(promiscuous_port_meets_only_the_secondaries_it_serves),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mirrors on a switch of ports in memory: random mirrors, random frames, and what comes out at
 * their targets held against a model that is too simple to be wrong.  What came in is known; what
 * left is read at the ports themselves; a mirror's copies must be these, each once, as it says.
 *
 * 	p0..p5   machines: two VLANs, trunks, two tenants and none
 * 	m0, m1   targets; m1 keeps its traffic
 * 	tr, pr   a trunk and an access port of VLAN 900, which carries copies
 *
 * 	MIRROR_SEED=n repeats a run, MIRROR_FRAMES=n makes it longer.
 */
#include "vswitch/mirrors.h"

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
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"
#include "tests/support/sanitized.h"
#include "tests/support/test_dp.h"
#include "vswitch/verify.h"
#include "vswitch/vs.h"

int __real_vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live,
			  struct err *err);
int __wrap_vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live,
			  struct err *err);

enum { P0, P1, P2, P3, P4, P5, M0, M1, TR, PR, N_PORTS };
#define N_MACHINES 6
#define N_MIRRORS  3
#define RSPAN	   900
#define BURST	   8
#define MAX_FRAME  1500
#define MAX_EVENTS 512
#define SEQ_SIZE   4

static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3", "p4",
					   "p5", "m0", "m1", "tr", "pr"};
static const char *const port_words[N_PORTS] = {
	"{\"vlan\": 1}",
	"{\"vlan\": 1}",
	"{\"vlan\": 2}",
	"{\"vlan_mode\": \"trunk\", \"allowed\": \"1,2\", \"native\": 1}",
	"{\"vlan\": 1, \"tenant\": \"t0\"}",
	"{\"vlan_mode\": \"trunk\", \"allowed\": \"1,2\", \"native\": 2, \"tenant\": \"t0\"}",
	"{\"vlan\": 1}",
	"{\"vlan\": 1}",
	"{\"vlan_mode\": \"trunk\", \"allowed\": \"1,2,900\", \"native\": 2}",
	"{\"vlan\": 900}",
};
static const unsigned access_vlan[N_PORTS] = {1, 1, 2, 0, 1, 0, 1, 1, 0, RSPAN};
static const unsigned native_vlan[N_PORTS] = {0, 0, 0, 1, 0, 2, 0, 0, 2, 0};
static const bool is_trunk[N_PORTS] = {[P3] = true, [P5] = true, [TR] = true};

static struct dp *dp;
static struct vs *vs;
static uint64_t rnd, n_received;

static cpu_set_t cpus; /* before one was ours */

/* An uplink of paper. */
int __wrap_vs_device_open(struct vs *v, const struct vs_port *port, struct vs_live *l,
			  struct err *err)
{
	const struct dp_port_opts opts = {.name = port->name,
					  .kind = "mem",
					  .netns_fd = -1,
					  .mtu = port->mtu};

	if (port->kind != VS_PHYS)
		return __real_vs_device_open(v, port, l, err);
	json_decref(l->body);
	l->body = json_incref((json_t *)(uintptr_t)port->body);
	return dp_port_open(v->dp, &opts, &l->port, err);
}

/* ---- Mirrors of the model ---- */

struct model_mirror {
	bool there;
	unsigned ports; /* bits */
	bool all, tenant;
	bool sides[2];
	unsigned vlan; /* 0: all */
	bool filter;   /* those from ports with an odd number */
	unsigned snaplen;
	bool twice;
	int to; /* M0, M1, or TR: the VLAN */
};
static struct model_mirror mirrors[N_MIRRORS];

static bool covers(const struct model_mirror *m, unsigned port)
{
	if ((m->ports >> port & 1) != 0)
		return true;
	/* Targets of the mirrors that there are. */
	for (unsigned i = 0; i < N_MIRRORS; i++)
		if (mirrors[i].there && mirrors[i].to != TR && (unsigned)mirrors[i].to == port)
			return false;
	return m->all || (m->tenant && (port == P4 || port == P5));
}

static unsigned vlan_in(unsigned port, unsigned vid)
{
	return vid != 0 ? vid : is_trunk[port] ? native_vlan[port] : access_vlan[port];
}

static bool wants_vlan(const struct model_mirror *m, unsigned vlan)
{
	return (m->vlan == 0 || m->vlan == vlan) && (m->to != TR || vlan != RSPAN);
}

static json_t *mirror_json(const struct model_mirror *m, unsigned i)
{
	json_t *body = json_object(), *list = json_array();
	char name[8];

	snprintf(name, sizeof(name), "mirror%u", i);
	json_object_set_new(body, "name", json_string(name));
	for (unsigned p = 0; p < N_PORTS; p++)
		if ((m->ports >> p & 1) != 0)
			json_array_append_new(list, json_string(names[p]));
	json_object_set_new(body, "port", list);
	if (m->all)
		json_object_set_new(body, "switch", json_pack("[s]", "s0"));
	if (m->tenant)
		json_object_set_new(body, "tenant", json_pack("[s]", "t0"));
	if (!m->sides[0] || !m->sides[1])
		json_object_set_new(body, "direction",
				    json_string(m->sides[0] ? "ingress" : "egress"));
	if (m->vlan != 0)
		json_object_set_new(body, "vlan", json_string(m->vlan == 1 ? "1" : "2"));
	if (m->filter)
		json_object_set_new(body, "filter", json_string("ether[11] & 1 = 1"));
	if (m->snaplen != 0)
		json_object_set_new(body, "snaplen", json_integer(m->snaplen));
	json_object_set_new(body, "duplicates", json_boolean(m->twice));
	if (m->to == TR)
		json_object_set_new(body, "to_vlan", json_integer(RSPAN));
	else
		json_object_set_new(body, "to", json_string(names[m->to]));
	if (m->to == M1)
		json_object_set_new(body, "keep_traffic", json_true());
	if (m->to == TR)
		json_object_set_new(body, "to_switch", json_string("s0"));
	return body;
}

static json_t *port_json(unsigned i)
{
	json_t *body = json_loads(port_words[i], 0, NULL);

	json_object_set_new(body, "name", json_string(names[i]));
	json_object_set_new(body, "switch", json_string("s0"));
	json_object_set_new(body, "kind", json_string("mem"));
	return body;
}

/* Ports and nothing else; takes mirrors and more ports. */
static json_t *state_json(void)
{
	json_t *state =
		json_pack("{s{s{ss ss sb}} s{s{ss si} s{ss si}} s{} s{}}", "switch", "s0", "name",
			  "s0", "type", "external", "loop_guard", 0, "tenant", "t0", "name", "t0",
			  "id", 10, "t1", "name", "t1", "id", 11, "port", "mirror");

	for (unsigned i = 0; i < N_PORTS; i++)
		json_object_set_new(json_object_get(state, "port"), names[i], port_json(i));
	return state;
}

static void apply(json_t *state)
{
	struct err err = {0};

	if (vs_apply(vs, NULL, state, false, &err) != 0)
		fail_msg("%s %s", err.what, err.why);
	json_decref(state);
	dp_fdb_flush(dp_fdb(dp), DP_NO_DOMAIN, DP_NO_VLAN, DP_NO_PORT, true);
}

static void choose(struct model_mirror *m, int to)
{
	uint64_t r = pkt_rand(&rnd);

	*m = (struct model_mirror){
		.there = r % 4 != 0,
		.ports = (unsigned)(r >> 8 & 0x3f),
		.tenant = (r >> 20) % 4 == 0,
		.vlan = (unsigned)(r >> 24) % 3,
		.filter = (r >> 28) % 3 == 0,
		.snaplen = (r >> 32) % 3 == 0 ? 60 : 0,
		.twice = (r >> 36) % 2 == 0,
		.to = to,
	};
	m->sides[0] = (r >> 40) % 3 != 0;
	m->sides[1] = !m->sides[0] || (r >> 44) % 3 != 0;
	m->all = (r >> 48) % 4 == 0;
	if (m->ports == 0 && !m->all && !m->tenant)
		m->ports = 1;
}

static void apply_random(void)
{
	static const int to[N_MIRRORS] = {M0, M1, TR};
	json_t *state = state_json();

	for (unsigned i = 0; i < N_MIRRORS; i++) {
		char name[16];

		choose(&mirrors[i], to[i]);
		snprintf(name, sizeof(name), "mirror%u", i);
		if (mirrors[i].there)
			json_object_set_new(json_object_get(state, "mirror"), name,
					    mirror_json(&mirrors[i], i));
	}
	apply(state);
}

/* ---- Frames ---- */

struct bytes {
	uint32_t size;
	uint8_t d[MAX_FRAME + 8];
};
struct event {
	uint32_t seq;
	unsigned port, vlan;
	bool odd; /* its sender's number */
	struct bytes b;
};
struct events {
	unsigned n;
	struct event v[MAX_EVENTS];
};
static struct events came, left, got[N_MIRRORS];

static struct dp_port *live(unsigned i)
{
	return vs->live[vs_port_id(vs, names[i])].port;
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

/* All that was received has its fate, and the ledger balances all the while. */
static void settle(void)
{
	for (int i = 0; i < 50000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		check_balance(t);
		for (uint16_t id = 0; id < N_PORTS + 2; id++)
			check_balance(dp_port_count(dp, id));
		assert_int_equal(t->forwarded, t->offered + (uint64_t)dp_in_flight(dp));
		if (t->rx_packets == n_received && dp_in_flight(dp) == 0)
			return;
		nanosleep(&(struct timespec){0, 50000}, NULL);
	}
	fail_msg("the worker did not take the frames");
}

static void inject_bytes(struct dp_port *port, const uint8_t *d, uint32_t size)
{
	struct rte_mbuf *m;

	if (pkt_rand(&rnd) % 4 == 0)
		m = mbufs_cut(dp_pool(dp, 0, false), d, size, 60, 2, &rnd);
	else
		m = mbufs_make(dp_pool(dp, 0, false), d, size, NULL, 0);
	assert_non_null(m);
	assert_int_equal(dp_port_mem_inject(port, 0, &m, 1), 1);
	n_received++;
}

static uint32_t seq_of(const struct bytes *b)
{
	uint32_t at = 14, seq;

	while (b->d[at - 2] == 0x81 && b->d[at - 1] == 0)
		at += 4;
	memcpy(&seq, b->d + at, SEQ_SIZE);
	return seq;
}

/* From a machine, or from m1, to one of them or to all; with a tag or without. */
static void inject_random(uint32_t seq)
{
	unsigned from = (unsigned)(pkt_rand(&rnd) % (N_MACHINES + 2)), to;
	unsigned vid = (unsigned)(pkt_rand(&rnd) % 3);
	struct event *e = &came.v[came.n++];
	uint8_t *d = e->b.d;
	uint32_t at = 12;

	from = from >= N_MACHINES ? M0 + from - N_MACHINES : from;
	to = (unsigned)(pkt_rand(&rnd) % (N_MACHINES + 2));
	*e = (struct event){.seq = seq, .port = from, .vlan = vlan_in(from, vid)};
	memset(d, 0xff, 6);
	if (to < N_MACHINES)
		memcpy(d, (const uint8_t[]){2, 0, 0, 0, 1, (uint8_t)to}, 6);
	memcpy(d + 6, (const uint8_t[]){2, 0, 0, 0, 1, (uint8_t)from}, 6);
	e->odd = (from & 1) != 0;
	if (vid != 0) {
		memcpy(d + at, (const uint8_t[]){0x81, 0, 0x60, (uint8_t)vid}, 4);
		at += 4;
	}
	memcpy(d + at, (const uint8_t[]){0x88, 0xb5}, 2);
	memcpy(d + at + 2, &seq, SEQ_SIZE);
	at += 2 + SEQ_SIZE;
	e->b.size = (uint32_t)(pkt_rand(&rnd) % 3 == 0 ? 60 + pkt_rand(&rnd) % 1400
						       : 64 + pkt_rand(&rnd) % 100);
	for (; at < e->b.size; at++)
		d[at] = (uint8_t)(seq + at);
	inject_bytes(live(from), d, e->b.size);
}

static void put(struct events *list, unsigned port, const struct rte_mbuf *m, uint32_t skip)
{
	struct event *e = &list->v[list->n++];

	assert_true(list->n <= MAX_EVENTS);
	e->port = port;
	e->b.size = mbufs_read(m, e->b.d, sizeof(e->b.d));
	assert_int_equal(e->b.size, m->pkt_len);
	if (skip != 0) {
		memmove(e->b.d + 12, e->b.d + 12 + skip, e->b.size - 12 - skip);
		e->b.size -= skip;
	}
	e->seq = seq_of(&e->b);
	e->odd = (e->b.d[11] & 1) != 0;
	e->vlan = is_trunk[port] && e->b.d[12] == 0x81 ? e->b.d[15] : vlan_in(port, 0);
}

static bool wears_rspan(const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	return d[12] == 0x81 && d[13] == 0 && d[14] == RSPAN >> 8 && d[15] == (RSPAN & 255);
}

/* What a port sent was either forwarded to it or copied for it.  m1 gets both: what is no copy in
 * the end was forwarded. */
static void collect(unsigned port)
{
	struct rte_mbuf *pkts[MAX_EVENTS];
	uint16_t n = dp_port_mem_collect(live(port), pkts, MAX_EVENTS);

	for (uint16_t i = 0; i < n; i++) {
		if (port == M0 && mirrors[0].there)
			put(&got[0], port, pkts[i], 0);
		else if (port == M1 && mirrors[1].there)
			put(&got[1], port, pkts[i], 0);
		else if (port == PR)
			put(&got[2], port, pkts[i], 0);
		else if (port == TR && wears_rspan(pkts[i]))
			put(&got[2], port, pkts[i], 4);
		else
			put(&left, port, pkts[i], 0);
		rte_pktmbuf_free(pkts[i]);
	}
}

/* ---- The model ---- */

static bool same_bytes(const struct event *a, const struct bytes *b, unsigned snaplen)
{
	uint32_t size = snaplen != 0 && b->size > snaplen ? snaplen : b->size;

	return a->b.size == size && memcmp(a->b.d, b->d, size) == 0;
}

/* Takes one copy of 'e' out of 'list', at port 'at'. */
static void expect(struct events *list, unsigned at, const struct event *e, unsigned snaplen,
		   const char *what, unsigned mirror)
{
	for (unsigned i = 0; i < list->n; i++) {
		if (list->v[i].port != at || !same_bytes(&list->v[i], &e->b, snaplen))
			continue;
		list->v[i] = list->v[--list->n];
		return;
	}
	fail_msg("mirror%u: no copy of frame %u, %s %s, at %s", mirror, e->seq, what,
		 names[e->port], names[at]);
}

static void expect_copy(unsigned i, const struct event *e, const char *what)
{
	const struct model_mirror *m = &mirrors[i];

	if (m->to != TR) {
		expect(&got[i], (unsigned)m->to, e, m->snaplen, what, i);
		return;
	}
	expect(&got[i], TR, e, m->snaplen, what, i);
	expect(&got[i], PR, e, m->snaplen, what, i);
}

static bool wants(const struct model_mirror *m, const struct event *e, int side)
{
	if (!m->there || !m->sides[side] || !covers(m, e->port) || (m->filter && !e->odd))
		return false;
	return wants_vlan(m, e->vlan);
}

/* m0 sends nothing of its own while a mirror has it. */
static bool is_dumb(unsigned port)
{
	return port == M0 && mirrors[0].there;
}

static void check_mirror(unsigned i)
{
	const struct model_mirror *m = &mirrors[i];
	bool copied[BURST] = {false};

	for (unsigned k = 0; k < came.n; k++) {
		if (is_dumb(came.v[k].port) || !wants(m, &came.v[k], 0))
			continue;
		expect_copy(i, &came.v[k], "in by");
		copied[came.v[k].seq % BURST] = true;
	}
	for (unsigned k = 0; k < left.n; k++) {
		const struct event *e = &left.v[k];

		if (wants(m, e, 1) && (m->twice || !copied[e->seq % BURST]))
			expect_copy(i, e, "out by");
	}
}

/* All about a frame, for whoever has to find out. */
static void tell(const struct event *copy)
{
	for (unsigned i = 0; i < N_MIRRORS; i++)
		print_error(
			"mirror%u: there %d ports %x all %d tenant %d sides %d%d vlan %u filter "
			"%d snaplen %u twice %d\n",
			i, mirrors[i].there, mirrors[i].ports, mirrors[i].all, mirrors[i].tenant,
			mirrors[i].sides[0], mirrors[i].sides[1], mirrors[i].vlan,
			mirrors[i].filter, mirrors[i].snaplen, mirrors[i].twice);
	for (unsigned i = 0; i < came.n; i++)
		if (came.v[i].seq == copy->seq)
			print_error("in by %s, vlan %u, %u bytes\n", names[came.v[i].port],
				    came.v[i].vlan, came.v[i].b.size);
	for (unsigned i = 0; i < left.n; i++)
		if (left.v[i].seq == copy->seq)
			print_error("out by %s, vlan %u, %u bytes\n", names[left.v[i].port],
				    left.v[i].vlan, left.v[i].b.size);
	print_error("copy at %s, %u bytes\n", names[copy->port], copy->b.size);
}

/* What is left over at a port was forwarded to it: as many as came for it, and no more. */
static void check_rest(void)
{
	for (unsigned i = 0; i < N_MIRRORS; i++) {
		for (unsigned k = 0; k < got[i].n; k++) {
			const struct event *e = &got[i].v[k];

			if (e->port != M1)
				tell(e);
			if (e->port != M1)
				fail_msg("frame %u came out at %s once too often", e->seq,
					 names[e->port]);
			for (unsigned j = 0; j < k; j++)
				if (got[i].v[j].seq == e->seq)
					fail_msg("frame %u was forwarded twice to %s", e->seq,
						 names[e->port]);
		}
		got[i].n = 0;
	}
}

static void check_counts(void)
{
	for (unsigned i = 0; i < N_MIRRORS; i++) {
		const struct vs_mirrors_conf *conf = vs_mirrors_of(vs->model);
		struct vs_mirror_stats s;

		if (conf == NULL || i >= conf->n)
			return;
		assert_true(vs_mirror_stats(vs, &conf->v[i], &s));
		assert_int_equal(s.count.seen, s.count.filtered + s.count.skipped + s.count.again +
						       s.count.copied + s.count.lost[0] +
						       s.count.lost[1] + s.count.lost[2] +
						       s.count.lost[3] + s.count.lost[4] +
						       s.count.lost[5]);
	}
}

static void run_burst(uint32_t *seq)
{
	came.n = left.n = 0;
	for (unsigned i = 0; i < BURST; i++)
		inject_random((*seq)++);
	settle();
	for (unsigned i = 0; i < N_PORTS; i++)
		collect(i);
	for (unsigned i = 0; i < N_MIRRORS; i++)
		check_mirror(i);
	check_rest();
}

#define N_FRAMES (SANITIZED ? 20000u : 100000u)

static unsigned long setting(const char *name, unsigned long def)
{
	const char *text = getenv(name);

	return text != NULL ? strtoul(text, NULL, 0) : def;
}

static void run_frames(unsigned long n)
{
	uint32_t seq = 0;

	rnd = setting("MIRROR_SEED", 0x5eed);
	for (unsigned long i = 0; i < n / BURST; i++) {
		if (i % 100 == 0)
			apply_random();
		run_burst(&seq);
	}
	check_counts();
}

static void copies_are_what_a_naive_model_says(void **state)
{
	run_frames(setting("MIRROR_FRAMES", N_FRAMES));
}

/* Ports have one queue to send by: what goes to a target of the other worker is handed over. */
static void copies_pass_from_worker_to_worker(void **state)
{
	struct err err = {0};
	unsigned cpu = 0, n = 0;

	for (; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus) && n++ == 1)
			break;
	if (cpu == CPU_SETSIZE)
		skip();
	assert_int_equal(dp_worker_add(dp, cpu, &err), 0);
	run_frames(setting("MIRROR_FRAMES", N_FRAMES) / 10);
	assert_int_equal(dp_worker_remove(dp, cpu, &err), 0);
}

/* ---- One thing at a time ---- */

static void apply_with(const char *name, const char *words)
{
	json_t *state = state_json(), *body = json_loads(words, 0, NULL);

	assert_non_null(body);
	json_object_set_new(body, "name", json_string(name));
	json_object_set_new(json_object_get(state, "mirror"), name, body);
	apply(state);
	memset(mirrors, 0, sizeof(mirrors));
}

/* The same with counters that begin. */
static void apply_new(const char *name, const char *words)
{
	apply(state_json());
	apply_with(name, words);
}

static struct vs_mirror_stats stats_of(const char *name)
{
	struct vs_mirror_stats s;

	assert_true(vs_mirror_stats(vs, vs_model_mirror(vs->model, name), &s));
	return s;
}

static void send_from(unsigned from, unsigned n)
{
	uint8_t d[100] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, (uint8_t)from, 0x88};

	for (unsigned i = 0; i < n; i++)
		inject_bytes(live(from), d, sizeof(d));
	settle();
}

static unsigned drain(unsigned port)
{
	struct rte_mbuf *pkts[64];
	uint16_t n, all = 0;

	while ((n = dp_port_mem_collect(live(port), pkts, 64)) != 0) {
		rte_pktmbuf_free_bulk(pkts, n);
		all = (uint16_t)(all + n);
	}
	return all;
}

static void drain_all(void)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		(void)drain(i);
}

static void target_that_is_full_costs_its_source_nothing(void **state)
{
	apply_new("m", "{\"port\": [\"p0\"], \"to\": \"m0\", \"direction\": \"ingress\"}");
	dp_port_mem_limit(live(M0), 5);
	send_from(P0, 40);
	assert_int_equal(drain(M0), 5);
	assert_int_equal(drain(P1), 40);
	assert_int_equal(stats_of("m").count.copied, 40);
	assert_int_equal(stats_of("m").target_drops, 35);
	dp_port_mem_limit(live(M0), UINT32_MAX);
	drain_all();
}

static void target_that_is_down_is_counted_and_told(void **state)
{
	apply_new("m", "{\"port\": [\"p0\"], \"to\": \"m0\", \"direction\": \"ingress\"}");
	dp_port_mem_set_link(live(M0), false);
	dp_link_look(dp, vs_port_id(vs, "m0"));
	send_from(P0, 10);
	assert_int_equal(stats_of("m").count.lost[DP_MIRROR_LOST_TARGET], 10);
	assert_int_equal(drain(P1), 10);
	for (int i = 0; i < 12; i++)
		vs_tick(vs);
	assert_true(stats_of("m").waits);
	assert_non_null(strstr(stats_of("m").reason, "m0 is down"));
	dp_port_mem_set_link(live(M0), true);
	dp_link_look(dp, vs_port_id(vs, "m0"));
	for (int i = 0; i < 12; i++)
		vs_tick(vs);
	assert_false(stats_of("m").waits);
	drain_all();
}

static void one_frame_of_n_is_copied(void **state)
{
	apply_new("m", "{\"port\": [\"p0\"], \"to\": \"m0\", \"direction\": \"ingress\", "
		       "\"sample\": 7}");
	send_from(P0, 100);
	assert_int_equal(drain(M0), 14);
	assert_int_equal(stats_of("m").count.skipped, 86);
	drain_all();
}

static void limit_lets_a_hundredth_of_a_second_pass_at_once(void **state)
{
	apply_new("m", "{\"port\": [\"p0\"], \"to\": \"m0\", \"direction\": \"ingress\", "
		       "\"limit_packets\": 1000}");
	send_from(P0, 100);
	assert_in_range(drain(M0), 10, 60); /* and what comes by the clock */
	assert_int_equal(stats_of("m").count.copied +
				 stats_of("m").count.lost[DP_MIRROR_LOST_LIMIT],
			 100);
	drain_all();
}

static void counters_go_on_when_a_mirror_changes(void **state)
{
	apply_new("m", "{\"port\": [\"p0\"], \"to\": \"m0\", \"direction\": \"ingress\"}");
	send_from(P0, 3);
	apply_with("m", "{\"port\": [\"p0\"], \"to\": \"m1\", \"direction\": \"ingress\"}");
	send_from(P0, 3);
	assert_int_equal(stats_of("m").count.copied, 6);
	apply(state_json());
	apply_with("m", "{\"port\": [\"p0\"], \"to\": \"m1\", \"direction\": \"ingress\"}");
	assert_int_equal(stats_of("m").count.copied, 0);
	drain_all();
}

/* A shared uplink: the tenant's tag is taken off the frame, and stays on the copy. */
static void copy_from_a_shared_uplink_is_as_it_came(void **state)
{
	json_t *s = state_json();
	uint8_t d[64] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,	 0,   0,
			 0,    2,    1,	   0x81, 0,    0,    77, 0x88};
	struct rte_mbuf *pkts[8];
	struct dp_port *up;

	json_object_set_new(json_object_get(s, "port"), "up",
			    json_pack("{ss ss ss s[s s]}", "name", "up", "switch", "s0", "kind",
				      "phys", "tenant_vlan", "t0=77", "t1=78"));
	json_object_set_new(json_object_get(s, "mirror"), "m",
			    json_pack("{ss s[s] ss}", "name", "m", "tenant", "t0", "to", "m0"));
	apply(s);
	drain_all();
	up = vs->live[vs_port_id(vs, "up")].port;
	inject_bytes(up, d, sizeof(d));
	settle();
	assert_int_equal(dp_port_mem_collect(live(M0), pkts, 8), 1);
	assert_int_equal(mbufs_read(pkts[0], (uint8_t[64]){0}, 64), 64);
	assert_memory_equal(rte_pktmbuf_mtod(pkts[0], const void *), d, sizeof(d));
	rte_pktmbuf_free(pkts[0]);
	d[15] = 78;
	inject_bytes(up, d, sizeof(d));
	settle();
	assert_int_equal(dp_port_mem_collect(live(M0), pkts, 8), 0);
	assert_int_equal(drain(P4), 0); /* untagged inside, on no VLAN of its */
	drain_all();
}

static void super_frame_is_copied_whole_or_cut(void **state)
{
	static struct pkt p;
	struct rte_mbuf *m, *pkts[64];

	for (unsigned snaplen = 0; snaplen <= 100; snaplen += 100) {
		char words[120];

		snprintf(words, sizeof(words),
			 "{\"port\": [\"p0\"], \"to\": \"m0\", \"direction\": \"ingress\"%s}",
			 snaplen != 0 ? ", \"snaplen\": 100" : "");
		apply_new("m", words);
		pkt_init(&p);
		pkt_eth(&p, "ff:ff:ff:ff:ff:ff", "02:00:00:00:01:00");
		pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
		pkt_tcp(&p, 1000, 80, PKT_ACK);
		pkt_fill(&p, 4000, 1);
		pkt_finish(&p, PKT_PARTIAL);
		m = mbufs_make(dp_pool(dp, 0, false), p.bytes, p.size, NULL, 0);
		m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG;
		m->l2_len = 14;
		m->l3_len = m->l4_len = 20;
		m->tso_segsz = 1000;
		assert_int_equal(dp_port_mem_inject(live(P0), 0, &m, 1), 1);
		n_received++;
		settle();
		assert_int_equal(drain(P1), 4);
		assert_int_equal(dp_port_mem_collect(live(M0), pkts, 64), snaplen != 0 ? 1 : 4);
		assert_int_equal(pkts[0]->pkt_len, snaplen != 0 ? 100 : 1054);
		rte_pktmbuf_free_bulk(pkts, snaplen != 0 ? 1 : 4);
		drain_all();
	}
}

/* ---- ERSPAN ---- */

static json_t *erspan_state(const char *words)
{
	json_t *s = state_json(), *body = json_loads(words, 0, NULL);

	json_object_set_new(json_object_get(s, "port"), "vtep0",
			    json_pack("{ss ss ss s[s] s[s] si}", "name", "vtep0", "switch", "s0",
				      "kind", "vtep", "address", "192.0.2.1/24", "neighbor",
				      "192.0.2.9=02:00:00:00:01:01", "vlan", 1));
	json_object_set_new(body, "name", json_string("e"));
	json_object_set_new(body, "vtep", json_string("vtep0"));
	json_object_set_new(json_object_get(s, "mirror"), "e", body);
	return s;
}

/* One frame, and all that comes of it. */
static void send_from_and_wait(unsigned from)
{
	uint8_t d[100] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, (uint8_t)from, 0x88};

	inject_bytes(live(from), d, sizeof(d));
	for (int i = 0; i < 100; i++) {
		dp_count_refresh(dp);
		check_balance(dp_total_count(dp));
		nanosleep(&(struct timespec){0, 200000}, NULL);
	}
	n_received = dp_total_count(dp)->rx_packets;
	settle();
}

/* The far end is p1: tells the switch where it is. */
static void far_end_speaks(void)
{
	send_from_and_wait(P1);
	drain_all();
}

static void erspan_packet_has_its_headers(void **state)
{
	uint8_t d[200] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, 2, 0x88, 0xb5, 42};
	struct rte_mbuf *pkts[8];
	const uint8_t *o;

	apply(erspan_state("{\"port\": [\"p2\"], \"erspan\": \"192.0.2.9\", \"session\": 1023, "
			   "\"dscp\": 10, \"ttl\": 9}"));
	drain_all();
	far_end_speaks();
	for (uint32_t seq = 0; seq < 3; seq++) {
		inject_bytes(live(P2), d, sizeof(d));
		n_received++; /* what carries the copy comes in by the VTEP */
		settle();
		assert_int_equal(dp_port_mem_collect(live(P1), pkts, 8), 1);
		o = rte_pktmbuf_mtod(pkts[0], const uint8_t *);
		assert_int_equal(pkts[0]->pkt_len, 14 + 20 + 8 + 8 + sizeof(d));
		assert_memory_equal(o, ((const uint8_t[]){2, 0, 0, 0, 1, 1}), 6);
		assert_int_equal(o[12] << 8 | o[13], 0x0800);
		assert_int_equal(o[14], 0x45);
		assert_int_equal(o[15], 40);
		assert_int_equal(pkt_get16(o, 16), 20 + 8 + 8 + sizeof(d));
		assert_int_equal(o[22], 9);
		assert_int_equal(o[23], 47);
		assert_int_equal(pkt_fold(pkt_sum(o + 14, 20, 0)), 0xffff);
		assert_memory_equal(o + 26, ((const uint8_t[]){192, 0, 2, 1, 192, 0, 2, 9}), 8);
		assert_int_equal(pkt_get32(o, 34), 0x100088be);
		assert_int_equal(pkt_get32(o, 38), seq);
		assert_int_equal(pkt_get16(o, 42), 0x1002); /* version 1, VLAN 2 */
		assert_int_equal(pkt_get16(o, 44), 1023);   /* no tag, whole */
		assert_memory_equal(o + 50, d, sizeof(d));
		rte_pktmbuf_free(pkts[0]);
	}
	assert_int_equal(stats_of("e").count.copied, 3);
	drain_all();
}

/* Everything of the switch, the way of the copies included: what carries a copy is not copied. */
static void erspan_of_the_port_that_it_leaves_by_ends(void **state)
{
	uint64_t before, copied;

	apply(erspan_state("{\"switch\": [\"s0\"], \"erspan\": \"192.0.2.9\", \"session\": 1, "
			   "\"duplicates\": true}"));
	drain_all();
	far_end_speaks();
	dp_count_refresh(dp);
	before = dp_total_count(dp)->rx_packets;
	copied = stats_of("e").count.copied;
	send_from_and_wait(P0);
	/* In by p0, out by p1, p3, m0, m1, tr and the VTEP: each once, and each comes in by the
	 * VTEP. */
	assert_int_equal(stats_of("e").count.copied - copied, 7);
	assert_int_equal(dp_total_count(dp)->rx_packets - before, 1 + 7);
	drain_all();
}

static void erspan_without_a_way_says_which_is_missing(void **state)
{
	apply(erspan_state("{\"port\": [\"p2\"], \"erspan\": \"198.51.100.1\", \"session\": 1}"));
	send_from(P2, 5);
	for (int i = 0; i < 12; i++)
		vs_tick(vs);
	assert_int_equal(stats_of("e").count.lost[DP_MIRROR_LOST_ROUTE], 5);
	assert_non_null(strstr(stats_of("e").reason, "no route"));
	drain_all();
}

/* ---- What is refused ---- */

static void refuse(const char *words, const char *slug)
{
	json_t *state = state_json(), *body = json_loads(words, 0, NULL);
	struct vs_model *m = NULL;
	struct err err = {0};

	assert_non_null(body);
	json_object_set_new(body, "name", json_string("m"));
	json_object_set_new(json_object_get(state, "mirror"), "m", body);
	assert_true(vs_model_create(state, &m, &err) < 0);
	assert_string_equal(err.slug, slug);
	assert_true(err.what[0] != '\0' && err.fix[0] != '\0');
	json_decref(state);
}

static void mirror_that_cannot_be_is_refused(void **state)
{
	refuse("{\"port\": [\"p0\", \"m0\"], \"to\": \"m0\"}", "mirror-loop");
	refuse("{\"port\": [\"p9\"], \"to\": \"m0\"}", "not-found");
	refuse("{\"port\": [], \"to\": \"m0\"}", "usage");
	refuse("{\"vlan\": \"1\", \"to\": \"m0\"}", "usage");
	refuse("{\"port\": [\"p0\"]}", "usage");
	refuse("{\"port\": [\"p0\"], \"to\": \"m0\", \"to_vlan\": 3}", "usage");
	refuse("{\"tenant\": [\"t0\"], \"to_vlan\": 3}", "usage");
	refuse("{\"port\": [\"p0\"], \"erspan\": \"1.2.3\", \"session\": 1, \"vtep\": \"m0\"}",
	       "bad-address");
	refuse("{\"port\": [\"p0\"], \"erspan\": \"1.2.3.4\", \"session\": 1, \"vtep\": \"m0\"}",
	       "no-vtep");
	refuse("{\"port\": [\"p0\"], \"erspan\": \"1.2.3.4\", \"session\": 1}", "usage");
	refuse("{\"port\": [\"p0\"], \"to\": \"p4\"}", "mirror-tenant");
	refuse("{\"switch\": [\"s0\"], \"to_vlan\": 3, \"to_tenant\": \"t0\"}", "mirror-tenant");
}

static void bad_filter_changes_nothing(void **state)
{
	json_t *s = state_json();
	struct err err = {0};

	apply_new("m", "{\"port\": [\"p0\"], \"to\": \"m0\"}");
	json_object_set_new(json_object_get(s, "mirror"), "m",
			    json_pack("{ss s[s] ss ss}", "name", "m", "port", "p0", "to", "m0",
				      "filter", "tcp prot 80"));
	assert_true(vs_apply(vs, NULL, s, false, &err) < 0);
	assert_string_equal(err.slug, "bad-filter");
	assert_non_null(strstr(err.what, "column 5"));
	send_from(P0, 2);
	assert_int_equal(stats_of("m").count.copied, 2);
	json_decref(s);
	drain_all();
}

static void verify_names_every_mirror(void **state)
{
	json_t *got_json = NULL;
	char *text;

	apply_new("m", "{\"tenant\": [\"t0\"], \"to\": \"m0\"}");
	assert_int_equal(vs_verify(vs, NULL, &got_json, NULL), 0);
	assert_true(json_is_true(json_object_get(got_json, "ok")));
	text = json_dumps(got_json, 0);
	assert_non_null(strstr(text, "but for mirror m"));
	assert_non_null(strstr(text, "p4 (tenant t0)"));
	assert_non_null(strstr(text, "port m0 (switch s0, no tenant)"));
	free(text);
	json_decref(got_json);
}

static int start(void **state)
{
	struct vs_opts opts = {0};
	struct err err = {0};
	unsigned cpu = 0;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	dp = test_dp_create(8191);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus))
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
	unsigned left_over;

	vs_destroy(vs);
	left_over = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left_over == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_what_a_naive_model_says),
		cmocka_unit_test(copies_pass_from_worker_to_worker),
		cmocka_unit_test(target_that_is_full_costs_its_source_nothing),
		cmocka_unit_test(target_that_is_down_is_counted_and_told),
		cmocka_unit_test(one_frame_of_n_is_copied),
		cmocka_unit_test(limit_lets_a_hundredth_of_a_second_pass_at_once),
		cmocka_unit_test(counters_go_on_when_a_mirror_changes),
		cmocka_unit_test(copy_from_a_shared_uplink_is_as_it_came),
		cmocka_unit_test(super_frame_is_copied_whole_or_cut),
		cmocka_unit_test(erspan_packet_has_its_headers),
		cmocka_unit_test(erspan_of_the_port_that_it_leaves_by_ends),
		cmocka_unit_test(erspan_without_a_way_says_which_is_missing),
		cmocka_unit_test(mirror_that_cannot_be_is_refused),
		cmocka_unit_test(bad_filter_changes_nothing),
		cmocka_unit_test(verify_names_every_mirror),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

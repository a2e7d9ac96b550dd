/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connection tracking under random rules, held against a switch that is too simple to be wrong: a
 * list of connections, rules looked at one by one, and packets that go alone.  Half of the packets
 * that are long enough come in fragments, in any order, and must have the fate of the whole.
 *
 * 	CT_SEED=n repeats a run, CT_ROUNDS=n makes it longer, CT_SHOW=1 tells all.
 */
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

#include "dataplane/ct.h"
#include "dataplane/dp.h"
#include "dataplane/pipeline.h"
#include "dataplane/port_mem.h"
#include "dataplane/view.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"
#include "vswitch/flows.h"
#include "vswitch/of/text.h"

#define N_PORTS	  3
#define N_TABLES  4
#define N_RULES	  24
#define N_ACTS	  4
#define N_HOSTS	  3
#define N_ZONES	  3
#define MAX_CONNS 512
#define MAX_PATHS 256
#define MAX_OUT	  512
#define PACKETS	  12
#define OTHER	  253 /* a protocol without ports */

#define NEW DP_CT_NEW
#define EST DP_CT_EST
#define RPL DP_CT_REPLY
#define TRK DP_CT_TRACKED

/* ---- Rules ---- */

enum op { OUTPUT, CT, CT_COMMIT, CT_CLEAR };
struct act {
	enum op op;
	unsigned port; /* OUTPUT */
	unsigned zone; /* CT: and then in 'table'; CT_COMMIT */
	unsigned table;
	bool commit, force; /* CT */
	int mark;	    /* commit: it gets this; -1: nothing */
};

struct rule {
	bool live;
	unsigned table, priority;
	int in, host, proto, mark, zone; /* match; -1: any */
	uint8_t state, state_mask;
	unsigned n_acts;
	struct act acts[N_ACTS];
	int to; /* goes on in this table; -1: nowhere */
};

/* ---- The simple switch ---- */

struct conn {
	bool live, replied;
	bool gone; /* with this packet, of which another way may still hold it */
	unsigned zone, proto, ip[2], tp[2]; /* who began it, first */
	unsigned mark;
};

struct packet {
	unsigned in, proto, ip[2], tp[2], size;
};

/* What a packet knows of its connection. */
struct known {
	unsigned zone;
	uint8_t state;
	struct conn *conn;
	unsigned mark;
};

struct path {
	unsigned table;
	struct known k;
};

static uint64_t seed, rng;
static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct vs_flows *flows;
static struct rule rules[N_RULES];
static struct conn conns[MAX_CONNS];
static struct path paths[MAX_PATHS];
static unsigned n_paths, n_expected[N_PORTS];
static uint64_t n_received;

static unsigned r(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)((rng >> 11) % n);
}

static bool is_of(const struct conn *c, unsigned zone, const struct packet *p, bool turned)
{
	return c->live && c->zone == zone && c->proto == p->proto && c->ip[0] == p->ip[turned] &&
	       c->ip[1] == p->ip[!turned] && c->tp[0] == p->tp[turned] &&
	       c->tp[1] == p->tp[!turned];
}

static struct conn *find(unsigned zone, const struct packet *p, bool *ret_turned)
{
	for (unsigned i = 0; i < MAX_CONNS; i++)
		for (unsigned turned = 0; turned < 2; turned++)
			if (is_of(&conns[i], zone, p, turned != 0)) {
				*ret_turned = turned != 0;
				return &conns[i];
			}
	return NULL;
}

static void track(struct known *k, unsigned zone, const struct packet *p)
{
	bool turned = false;

	if ((k->state & TRK) != 0 && k->zone == zone)
		return;
	*k = (struct known){.zone = zone, .state = TRK | NEW, .conn = find(zone, p, &turned)};
	if (k->conn == NULL)
		return;
	k->conn->replied |= turned;
	k->state = (uint8_t)(TRK | (k->conn->replied ? EST : NEW) | (turned ? RPL : 0));
	k->mark = k->conn->mark;
}

static void commit(struct known *k, const struct act *a, const struct packet *p)
{
	bool turned;

	if (k->conn != NULL && a->force && (k->state & RPL) != 0) {
		k->conn->live = false;
		k->conn->gone = true;
		k->conn = NULL;
		k->state = TRK | NEW;
	}
	if (k->conn == NULL && (k->state & NEW) != 0)
		k->conn = find(k->zone, p, &turned);
	for (unsigned i = 0; k->conn == NULL && i < MAX_CONNS; i++) {
		if (conns[i].live || conns[i].gone)
			continue;
		conns[i] = (struct conn){.live = true,
					 .zone = k->zone,
					 .proto = p->proto,
					 .ip = {p->ip[0], p->ip[1]},
					 .tp = {p->tp[0], p->tp[1]}};
		k->conn = &conns[i];
	}
	if (k->conn == NULL)
		return;
	if (a->mark >= 0)
		k->conn->mark = (unsigned)a->mark;
	k->mark = k->conn->mark;
}

/* 'seen': what tables see, which is of the last time it came back. */
static bool fits(const struct rule *x, const struct packet *p, const struct known *seen)
{
	return x->live && (x->in < 0 || (unsigned)x->in == p->in) &&
	       (x->host < 0 || (unsigned)x->host == p->ip[0]) &&
	       (x->proto < 0 || (unsigned)x->proto == p->proto) &&
	       (x->mark < 0 || (unsigned)x->mark == seen->mark) &&
	       (x->zone < 0 || (unsigned)x->zone == seen->zone) &&
	       ((x->state ^ seen->state) & x->state_mask) == 0;
}

static const struct rule *best(unsigned table, const struct packet *p, const struct known *seen)
{
	const struct rule *found = NULL;

	for (unsigned i = 0; i < N_RULES; i++)
		if (rules[i].table == table && fits(&rules[i], p, seen) &&
		    (found == NULL || rules[i].priority > found->priority))
			found = &rules[i];
	return found;
}

static void act(const struct act *a, const struct packet *p, struct known *k, struct known *seen)
{
	struct known copy = *k;

	switch (a->op) {
	case OUTPUT:
		n_expected[a->port] += a->port != p->in;
		break;
	case CT:
		track(&copy, a->zone, p);
		if (a->commit)
			commit(&copy, a, p);
		assert_true(n_paths < MAX_PATHS);
		paths[n_paths++] = (struct path){a->table, copy};
		break;
	case CT_COMMIT:
		track(k, a->zone, p);
		commit(k, a, p);
		break;
	case CT_CLEAR:
		*k = *seen = (struct known){0};
		break;
	default:
		break;
	}
}

static void reference(const struct packet *p)
{
	for (unsigned i = 0; i < MAX_CONNS; i++)
		conns[i].gone = false;
	n_paths = 1;
	paths[0] = (struct path){0};
	for (unsigned i = 0; i < n_paths; i++) {
		struct known k = paths[i].k, seen = k;
		int table = (int)paths[i].table;

		while (table >= 0) {
			const struct rule *x = best((unsigned)table, p, &seen);

			for (unsigned n = 0; x != NULL && n < x->n_acts; n++)
				act(&x->acts[n], p, &k, &seen);
			table = x != NULL ? x->to : -1;
		}
	}
}

/* ---- Chance ---- */

static int maybe(unsigned one_in, int value)
{
	return r(one_in) == 0 ? value : -1;
}

static void some_state(struct rule *x)
{
	static const uint8_t bits[] = {NEW, EST, RPL, TRK};

	for (unsigned i = 0; i < 4; i++) {
		if (r(4) != 0)
			continue;
		x->state_mask |= bits[i];
		x->state |= r(2) != 0 ? bits[i] : 0;
	}
}

static struct act some_act(unsigned table)
{
	struct act a = {.op = (enum op)r(CT_CLEAR),
			.port = r(N_PORTS),
			.zone = r(N_ZONES),
			.mark = maybe(2, (int)r(3))};

	if (r(12) == 0)
		a.op = CT_CLEAR;
	if (a.op == CT && table == N_TABLES - 1)
		a.op = OUTPUT;
	if (a.op == CT)
		a.table = table + 1 + r(N_TABLES - 1 - table);
	a.commit = a.op == CT_COMMIT || r(3) == 0;
	a.force = a.commit && r(6) == 0;
	return a;
}

static void put_match(FILE *f, const struct rule *x)
{
	static const struct {
		uint8_t bit;
		const char *name;
	} states[] = {{NEW, "new"}, {EST, "est"}, {RPL, "rpl"}, {TRK, "trk"}};

	fprintf(f, "table=%u,priority=%u,ip", x->table, x->priority);
	if (x->in >= 0)
		fprintf(f, ",in_port=%d", x->in + 1);
	if (x->host >= 0)
		fprintf(f, ",nw_src=10.0.0.%d", x->host);
	if (x->proto >= 0)
		fprintf(f, ",nw_proto=%d", x->proto);
	if (x->mark >= 0)
		fprintf(f, ",ct_mark=%d", x->mark);
	if (x->zone >= 0)
		fprintf(f, ",ct_zone=%d", x->zone);
	if (x->state_mask != 0)
		fprintf(f, ",ct_state=");
	for (unsigned i = 0; i < 4; i++)
		if ((x->state_mask & states[i].bit) != 0)
			fprintf(f, "%c%s", (x->state & states[i].bit) != 0 ? '+' : '-',
				states[i].name);
}

static void put_act(FILE *f, const struct act *a)
{
	if (a->op == OUTPUT)
		fprintf(f, "output:%u", a->port + 1);
	if (a->op == CT_CLEAR)
		fprintf(f, "ct_clear");
	if (a->op != CT && a->op != CT_COMMIT)
		return;
	fprintf(f, "ct(zone=%u", a->zone);
	if (a->commit)
		fprintf(f, ",commit%s", a->force ? ",force" : "");
	if (a->op == CT)
		fprintf(f, ",table=%u", a->table);
	if (a->commit && a->mark >= 0)
		fprintf(f, ",exec(set_field:%d->ct_mark)", a->mark);
	fprintf(f, ")");
}

static void tell(const struct rule *x, uint8_t command)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;
	char text[600] = "";
	FILE *f = fmemopen(text, sizeof(text) - 1, "w");

	put_match(f, x);
	if (command == OFPFC_ADD) {
		fprintf(f, ",actions=");
		for (unsigned i = 0; i < x->n_acts; i++) {
			put_act(f, &x->acts[i]);
			fprintf(f, i + 1 < x->n_acts || x->to >= 0 ? "," : "");
		}
		if (x->to >= 0)
			fprintf(f, "goto_table:%d", x->to);
		else if (x->n_acts == 0)
			fprintf(f, "drop");
	}
	fclose(f);
	if (getenv("CT_SHOW") != NULL)
		print_message("%u %s\n", command, text);
	if (of_text_flow_parse(text, 1, command, NULL, &mod, &err) != 0)
		fail_msg("CT_SEED=%llu: %s: %u: %s", (unsigned long long)seed, text, err.column,
			 err.what);
	vs_flows_begin(flows);
	if (vs_flows_mod(flows, &mod) != OF_OK)
		fail_msg("CT_SEED=%llu: %s", (unsigned long long)seed, text);
	vs_flows_commit(flows);
	of_flow_mod_fini(&mod);
}

/* Of two ways that a packet goes after it came back nobody promises which is first. */
static bool only_one_way(struct rule *x)
{
	bool one = false;

	for (unsigned n = 0; n < x->n_acts; n++) {
		if (x->acts[n].op == CT && one)
			x->acts[n].op = OUTPUT;
		one = one || x->acts[n].op == CT;
	}
	return one;
}

/* Priorities are the rules' places, so no two are alike. */
static void change_rule(unsigned i)
{
	struct rule *x = &rules[i];

	if (x->live)
		tell(x, OFPFC_DELETE_STRICT);
	*x = (struct rule){.live = true,
			   .table = i % N_TABLES,
			   .priority = i + 1,
			   .in = maybe(3, (int)r(N_PORTS)),
			   .host = maybe(5, (int)r(N_HOSTS)),
			   .proto = maybe(6, r(2) != 0 ? 17 : OTHER),
			   .mark = maybe(4, (int)r(3)),
			   .zone = maybe(5, (int)r(N_ZONES)),
			   .n_acts = r(N_ACTS + 1),
			   .to = -1};
	some_state(x);
	for (unsigned n = 0; n < x->n_acts; n++)
		x->acts[n] = some_act(x->table);
	if (!only_one_way(x) && x->table < N_TABLES - 1 && r(3) == 0)
		x->to = (int)(x->table + 1 + r(N_TABLES - 1 - x->table));
	tell(x, OFPFC_ADD);
}

static struct packet some_packet(void)
{
	struct packet p = {.in = r(N_PORTS),
			   .proto = r(4) != 0 ? 17 : OTHER,
			   .ip = {r(N_HOSTS), r(N_HOSTS)},
			   .size = r(2) != 0 ? 8 : 400};

	if (p.proto == 17) {
		p.tp[0] = 1 + r(2);
		p.tp[1] = 1 + r(2);
	}
	/* Who talks to itself has no direction. */
	if (p.ip[0] == p.ip[1])
		p.ip[1] = (p.ip[0] + 1) % N_HOSTS;
	return p;
}

/* ---- Traffic ---- */

static void send(unsigned in, const uint8_t *bytes, uint32_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)size), bytes, size);
	assert_int_equal(dp_port_mem_inject(port[in], 0, &m, 1), 1);
	n_received++;
}

static void settle(void)
{
	for (int i = 0; i < 100000; i++) {
		const struct dp_count *t = dp_total_count(dp);
		uint64_t n_dropped = 0;

		dp_count_refresh(dp);
		for (unsigned k = 0; k < DP_N_DROPS; k++)
			n_dropped += t->drops_rx[k];
		if (t->rx_packets == n_received && t->forwarded == t->offered &&
		    t->rx_packets + t->copies == t->forwarded + t->punted + n_dropped + t->held_rx)
			return;
		nanosleep(&(struct timespec){0, 20000}, NULL);
	}
	fail_msg("CT_SEED=%llu: the worker did not take the frames", (unsigned long long)seed);
}

static void send_part(const struct packet *p, const struct pkt *whole, uint32_t from, uint32_t end,
		      uint16_t id)
{
	uint8_t frame[600], *ip = frame + 14;
	uint16_t field = (uint16_t)(from / 8 | (34 + end < whole->size ? 0x2000 : 0)), sum;

	memcpy(frame, whole->bytes, 34);
	memcpy(frame + 34, whole->bytes + 34 + from, end - from);
	ip[2] = (uint8_t)((20 + end - from) >> 8);
	ip[3] = (uint8_t)(20 + end - from);
	ip[4] = (uint8_t)(id >> 8);
	ip[5] = (uint8_t)id;
	ip[6] = (uint8_t)(field >> 8);
	ip[7] = (uint8_t)field;
	ip[10] = ip[11] = 0;
	sum = (uint16_t)~pkt_fold(pkt_sum(ip, 20, 0));
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	send(p->in, frame, 34 + end - from);
}

/* In how many frames it went. */
static unsigned inject(const struct packet *p)
{
	static uint16_t id;
	char from[16], to[16];
	struct pkt whole;
	uint32_t cut = 8 * (1 + r(40));

	snprintf(from, sizeof(from), "10.0.0.%u", p->ip[0]);
	snprintf(to, sizeof(to), "10.0.0.%u", p->ip[1]);
	pkt_init(&whole);
	pkt_eth(&whole, "02:00:00:00:00:09", "02:00:00:00:00:01");
	pkt_ipv4(&whole, from, to);
	if (p->proto == 17)
		pkt_udp(&whole, (uint16_t)p->tp[0], (uint16_t)p->tp[1]);
	else
		pkt_ip_proto(&whole, (uint8_t)p->proto);
	pkt_fill(&whole, p->size, 1);
	pkt_finish(&whole, 0);
	if (p->size < 400 || r(2) == 0) {
		send(p->in, whole.bytes, whole.size);
		return 1;
	}
	id++;
	if (r(2) != 0) {
		send_part(p, &whole, cut, whole.size - 34, id);
		settle();
		send_part(p, &whole, 0, cut, id);
	} else {
		send_part(p, &whole, 0, cut, id);
		send_part(p, &whole, cut, whole.size - 34, id);
	}
	return 2;
}

static unsigned collect(unsigned at)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	while (dp_port_mem_collect(port[at], &m, 1) == 1) {
		rte_pktmbuf_free(m);
		n++;
	}
	return n;
}

static unsigned n_conns(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MAX_CONNS; i++)
		n += conns[i].live;
	return n;
}

static bool every(void *arg, const struct dp_ct_info *info)
{
	return true;
}

static void forget_all(void)
{
	dp_ct_flush(dp_conntrack(dp), dp_conntrack_now(dp), every, NULL);
	memset(conns, 0, sizeof(conns));
}

/* What is noted on connections agrees as well. */
static bool same_marks(void *arg, const struct dp_ct_info *info)
{
	struct packet p = {.proto = info->proto,
			   .ip = {info->src[3], info->dst[3]},
			   .tp = {info->sport, info->dport}};
	const struct conn *c;
	bool turned = false;

	c = find(info->zone, &p, &turned);
	if (c == NULL || turned || c->mark != info->mark || c->replied != info->replied)
		*(bool *)arg = false;
	return true;
}

static void one_packet(unsigned round)
{
	struct packet p = some_packet();
	struct dp_ct_stats stats;
	unsigned n_frames, n_got[N_PORTS];
	bool same = true;

	memset(n_expected, 0, sizeof(n_expected));
	if (getenv("CT_SHOW") != NULL)
		print_message("in %u proto %u, %u:%u > %u:%u, %u bytes\n", p.in, p.proto, p.ip[0],
			      p.tp[0], p.ip[1], p.tp[1], p.size);
	reference(&p);
	n_frames = inject(&p);
	settle();
	dp_ct_stats(dp_conntrack(dp), &stats);
	dp_ct_each(dp_conntrack(dp), dp_conntrack_now(dp), same_marks, &same);
	for (unsigned i = 0; i < N_PORTS; i++) {
		n_got[i] = collect(i);
		same = same && n_got[i] == n_frames * n_expected[i];
	}
	if (same && stats.n_entries == n_conns())
		return;
	for (unsigned i = 0; i < N_PORTS; i++)
		print_message("port %u: %u frames, %u expected\n", i, n_got[i],
			      n_frames * n_expected[i]);
	for (unsigned i = 0; i < DP_N_DROPS; i++)
		if (dp_total_count(dp)->drops_rx[i] != 0)
			print_message("dropped as %s: %llu\n", dp_drop_slug((enum dp_drop)i),
				      (unsigned long long)dp_total_count(dp)->drops_rx[i]);
	fail_msg("CT_SEED=%llu, round %u: %u connections, %u expected", (unsigned long long)seed,
		 round, stats.n_entries, n_conns());
}

static void tracking_does_what_a_simple_switch_does(void **state)
{
	const char *text = getenv("CT_ROUNDS");
	unsigned rounds = text != NULL ? (unsigned)strtoul(text, NULL, 0) : 100;

	print_message("CT_SEED=%llu\n", (unsigned long long)seed);
	for (unsigned i = 0; i < N_RULES; i++)
		change_rule(i);
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned n = r(3); n != 0; n--)
			change_rule(r(N_RULES));
		if (r(8) == 0)
			forget_all();
		for (unsigned i = 0; i < PACKETS; i++)
			one_packet(round);
	}
}

/* ---- A switch ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static int publish(bool with_ports)
{
	static const uint16_t all[N_PORTS] = {0, 1, 2};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_vport *v = aligned_alloc(64, sizeof(*v));

		*v = (struct dp_vport){.port = with_ports ? port[i] : NULL,
				       .id = (uint16_t)i,
				       .flags = DP_VP_UP | DP_VP_UNTAGGED_IN,
				       .max_frame = 1514,
				       .of_port = (uint16_t)(i + 1),
				       .pipeline = with_ports ? vs_flows_pipeline(flows) : NULL};
		memset(v->vlan_in, 0xff, sizeof(v->vlan_in));
		memset(v->vlan_out, 0xff, sizeof(v->vlan_out));
		view->vports[i] = v;
	}
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = all};
	return dp_view_publish(dp, view, &err);
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2"};
	const char *given = getenv("CT_SEED");
	struct timespec now;
	struct err err = {0};

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given != NULL ? strtoull(given, NULL, 0)
			     : (uint64_t)now.tv_nsec + (uint64_t)now.tv_sec;
	rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
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
	if (dp_worker_add(dp, (unsigned)sched_getcpu(), &err) != 0 ||
	    vs_flows_create(dp, NULL, NULL, &flows) != 0 || dp_conntrack_need(dp) != 0)
		return -1;
	for (unsigned i = 0; i < N_PORTS; i++)
		vs_flows_port(flows, i + 1, (uint16_t)i);
	return publish(true);
}

static int finish(void **state)
{
	unsigned left;

	if (publish(false) != 0)
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
		cmocka_unit_test(tracking_does_what_a_simple_switch_does),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

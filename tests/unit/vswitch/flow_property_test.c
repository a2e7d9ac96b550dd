/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow engine against a switch that is too simple to be wrong: random rules, packets and
 * changes; a real worker on one side, on the other a reading of the specification (OpenFlow 1.3.5,
 * 5.1 to 5.12) that looks at every rule for every packet and works on bytes.  The same bytes must
 * come out of the same ports, and every rule must have counted the same.
 *
 * 	FLOW_SEED=N     repeats a run (the seed is printed)
 * 	FLOW_ROUNDS=N   goes on longer
 *
 * Where the specification leaves the choice to the switch, the rules do not ask: no two of a
 * table have one priority.
 */
#include "vswitch/flows.h"

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

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "dataplane/punt.h"
#include "dataplane/view.h"
#include "tests/support/ref_gen.h"
#include "tests/support/test_dp.h"
#include "vswitch/groups.h"
#include "vswitch/of/text.h"

#define N_PACKETS 64 /* that come again and again */
#define BATCH	  12

static uint64_t seed;
static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct vs_flows *flows;
static uint64_t n_received;
static struct rule saved[MAX_RULES];
static struct group saved_groups[N_GROUPS];
static struct frame packets[N_PACKETS];
static struct frame got[N_OUTS][MAX_OUT];
static unsigned n_got[N_OUTS];
static uint64_t last_cookie;

/* ---- Changes ---- */

static struct rule *free_place(void)
{
	for (unsigned i = 0; i < MAX_RULES; i++)
		if (!ref.rules[i].live)
			return &ref.rules[i];
	return NULL;
}

static struct rule *some_rule(void)
{
	unsigned from = (unsigned)ref_random(MAX_RULES);

	for (unsigned i = 0; i < MAX_RULES; i++)
		if (ref.rules[(from + i) % MAX_RULES].live)
			return &ref.rules[(from + i) % MAX_RULES];
	return NULL;
}

static void tell(const struct text *t, uint8_t command)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;
	enum of_error error;

	if (getenv("FLOW_SHOW") != NULL)
		print_message("%u %s\n", command, t->s);
	if (of_text_flow_parse(t->s, 1, command, NULL, &mod, &err) != 0)
		fail_msg("seed %llu: %s: %u: %s", (unsigned long long)seed, t->s, err.column,
			 err.what);
	error = vs_flows_mod(flows, &mod);
	of_flow_mod_fini(&mod);
	if (error != OF_OK)
		fail_msg("seed %llu: %s: %s", (unsigned long long)seed, t->s, of_error_text(error));
}

static bool priority_taken(unsigned table, uint16_t priority)
{
	for (unsigned i = 0; i < MAX_RULES; i++)
		if (ref.rules[i].live && ref.rules[i].table == table &&
		    ref.rules[i].priority == priority)
			return true;
	return false;
}

static void add_rule(void)
{
	struct rule *x = free_place(), new = {.live = true};
	struct text t = {0};

	if (x == NULL)
		return;
	new.table = (uint8_t)ref_random(N_TABLES);
	do
		new.priority = (uint16_t)ref_random(1000);
	while (priority_taken(new.table, new.priority));
	new.match = ref_some_match(new.table);
	new.cookie = ++last_cookie;
	ref_some_instrs(&new);
	*x = new;
	ref_say(&t, "table=%u,priority=%u,cookie=%llu,", new.table, new.priority,
		(unsigned long long)new.cookie);
	ref_say_match(&t, &new.match);
	ref_say_instrs(&t, &new);
	tell(&t, OFPFC_ADD);
}

/* The same match and priority again: other instructions, counters go on or start anew. */
static void replace_rule(void)
{
	struct rule *x = some_rule();
	struct text t = {0};
	bool reset = ref_random(3) == 0;

	if (x == NULL)
		return;
	ref_some_instrs(x);
	x->cookie = ++last_cookie;
	if (reset)
		x->packets = x->bytes = 0;
	ref_say(&t, "table=%u,priority=%u,cookie=%llu,%s", x->table, x->priority,
		(unsigned long long)x->cookie, reset ? "reset_counts," : "");
	ref_say_match(&t, &x->match);
	ref_say_instrs(&t, x);
	tell(&t, OFPFC_ADD);
}

static void modify_rule(void)
{
	struct rule *x = some_rule();
	struct text t = {0};

	if (x == NULL)
		return;
	ref_some_instrs(x);
	ref_say(&t, "table=%u,priority=%u,", x->table, x->priority);
	ref_say_match(&t, &x->match);
	ref_say_instrs(&t, x);
	tell(&t, OFPFC_MODIFY_STRICT);
}

static void delete_strict(void)
{
	struct rule *x = some_rule();
	struct text t = {0};

	if (x == NULL)
		return;
	ref_say(&t, "table=%u,priority=%u,", x->table, x->priority);
	ref_say_match(&t, &x->match);
	t.s[--t.n] = '\0';
	tell(&t, OFPFC_DELETE_STRICT);
	x->live = false;
}

/* Every rule that is as narrow as one that exists, or narrower. */
static void delete_loose(void)
{
	struct rule *x = some_rule();
	struct text t = {0};
	struct match m;
	unsigned table;

	if (x == NULL)
		return;
	m = x->match;
	table = x->table;
	ref_say(&t, "table=%u,", table);
	ref_say_match(&t, &m);
	t.s[--t.n] = '\0';
	tell(&t, OFPFC_DELETE);
	for (unsigned i = 0; i < MAX_RULES; i++) {
		bool within = ref.rules[i].live && ref.rules[i].table == table;

		for (unsigned k = 0; within && k < N_KINDS; k++)
			within = (m.m[k] & ~ref.rules[i].match.m[k]) == 0 &&
				 ((m.v[k] ^ ref.rules[i].match.v[k]) & m.m[k]) == 0;
		if (within)
			ref.rules[i].live = false;
	}
}

/* ---- Changes of groups ---- */

static bool is_chained(unsigned id)
{
	for (unsigned i = 0; i < N_GROUPS; i++)
		for (unsigned k = 0; ref.groups[i].live && k < ref.groups[i].n; k++)
			for (unsigned n = 0; n < ref.groups[i].v[k].acts.n; n++)
				if (ref.groups[i].v[k].acts.v[n].type == GROUP &&
				    ref.groups[i].v[k].acts.v[n].v == id)
					return true;
	return false;
}

/* What any packet can take. */
static void some_bucket(struct bucket *b, unsigned id)
{
	unsigned leaf = (unsigned)ref_random(N_LEAVES), n = (unsigned)ref_random(4);

	*b = (struct bucket){.weight = (unsigned)ref_random(4),
			     .watch_port = -1,
			     .watch_group = -1};
	if (ref_random(3) != 0)
		b->watch_port = (int)ref_random(N_PORTS);
	if (id >= N_LEAVES && ref_random(4) == 0 && ref.groups[leaf].live)
		b->watch_group = (int)leaf;
	for (unsigned i = 0; i < n; i++) {
		struct act a = {.type = SET, .kind = ref_random(2) == 0 ? DST : SRC};

		a.m = ref_random(2) == 0 ? ref_ones(48) : 3;
		a.v = ref_some(a.kind) & a.m;
		if (ref_random(4) == 0)
			a = (struct act){.type = ref_random(2) == 0 ? DEC_TTL : POP};
		ref_add_act(&b->acts, a);
	}
	if (id >= N_LEAVES && ref_random(3) == 0 && ref.groups[leaf].live)
		ref_add_act(&b->acts, (struct act){.type = GROUP, .v = leaf});
	if (ref_random(6) != 0) {
		struct act a = ref_some_out();

		if (a.type != GROUP)
			ref_add_act(&b->acts, a);
	}
}

static void some_group(struct group *g, unsigned id)
{
	*g = (struct group){.live = true, .type = (enum of_group_type)ref_random(OF_N_GROUP_TYPES)};
	g->n = g->type == OFPGT_INDIRECT ? 1 : 1 + (unsigned)ref_random(N_BUCKETS);
	for (unsigned i = 0; i < g->n; i++) {
		struct bucket *b = &g->v[i];

		some_bucket(b, id);
		if (g->type == OFPGT_FF && b->watch_port < 0 && b->watch_group < 0)
			b->watch_port = (int)ref_random(N_PORTS);
		if (g->type == OFPGT_SELECT)
			b->acts = g->v[0].acts;
	}
}

static void say_group(struct text *t, unsigned id, const struct group *g)
{
	static const char *const types[] = {[OFPGT_ALL] = "all",
					    [OFPGT_SELECT] = "select",
					    [OFPGT_INDIRECT] = "indirect",
					    [OFPGT_FF] = "ff"};

	ref_say(t, "group_id=%u,type=%s", id, types[g->type]);
	for (unsigned i = 0; i < g->n; i++) {
		const struct bucket *b = &g->v[i];

		ref_say(t, ",bucket=");
		if (g->type == OFPGT_SELECT)
			ref_say(t, "weight:%u,", b->weight);
		if (b->watch_port >= 0)
			ref_say(t, "watch_port:%u,", OF_PORT((unsigned)b->watch_port));
		if (b->watch_group >= 0)
			ref_say(t, "watch_group:%u,", (unsigned)b->watch_group);
		ref_say(t, "actions=");
		for (unsigned k = 0; k < b->acts.n; k++)
			ref_say_act(t, &b->acts.v[k]);
		if (b->acts.n == 0)
			ref_say(t, "drop,");
		t->s[--t->n] = '\0';
	}
}

static void tell_group(const struct text *t, uint16_t command)
{
	struct of_text_error err = {0};
	struct of_group_mod mod;
	enum of_error error;

	if (getenv("FLOW_SHOW") != NULL)
		print_message("group %u %s\n", command, t->s);
	if (of_text_group_parse(t->s, 1, command, NULL, &mod, &err) != 0)
		fail_msg("seed %llu: %s: %u: %s", (unsigned long long)seed, t->s, err.column,
			 err.what);
	error = vs_flows_group_mod(flows, &mod);
	of_group_fini(&mod.group);
	if (error != OF_OK)
		fail_msg("seed %llu: %s: %s", (unsigned long long)seed, t->s, of_error_text(error));
}

static bool names_group(const struct acts *acts, unsigned id)
{
	for (unsigned i = 0; i < acts->n; i++)
		if (acts->v[i].type == GROUP && acts->v[i].v == id)
			return true;
	return false;
}

static void delete_group(unsigned id)
{
	struct text t = {0};

	if (is_chained(id))
		return;
	ref_say(&t, "group_id=%u", id);
	tell_group(&t, OFPGC_DELETE);
	ref.groups[id].live = false;
	for (unsigned i = 0; i < MAX_RULES; i++)
		if (names_group(&ref.rules[i].apply, id) ||
		    (ref.rules[i].has_write && names_group(&ref.rules[i].write, id)))
			ref.rules[i].live = false;
}

static void change_group(void)
{
	unsigned id = (unsigned)ref_random(N_GROUPS);
	struct text t = {0};
	bool there = ref.groups[id].live;

	if (there && ref_random(4) == 0) {
		delete_group(id);
		return;
	}
	some_group(&ref.groups[id], id);
	say_group(&t, id, &ref.groups[id]);
	tell_group(&t, there ? OFPGC_MODIFY : OFPGC_ADD);
}

/* A link goes down or comes up: no transaction. */
static void change_link(void)
{
	unsigned i = (unsigned)ref_random(N_PORTS);

	ref.port_dead[i] = !ref.port_dead[i];
	if (getenv("FLOW_SHOW") != NULL)
		print_message("port %u %s\n", OF_PORT(i), ref.port_dead[i] ? "down" : "up");
	vs_flows_port_live(flows, OF_PORT(i), !ref.port_dead[i]);
}

static void change_one(void)
{
	if (ref_random(5) == 0) {
		change_group();
		return;
	}
	switch (ref_random(12)) {
	case 0:
		delete_strict();
		break;
	case 1:
		if (ref_random(3) == 0)
			delete_loose();
		break;
	case 2:
		replace_rule();
		break;
	case 3:
		modify_rule();
		break;
	default:
		add_rule();
	}
}

static void change(unsigned n)
{
	bool give_up = ref_random(6) == 0;

	memcpy(saved, ref.rules, sizeof(ref.rules));
	memcpy(saved_groups, ref.groups, sizeof(ref.groups));
	vs_flows_begin(flows);
	for (unsigned i = 0; i < n; i++)
		change_one();
	if (getenv("FLOW_SHOW") != NULL)
		print_message("%s\n", give_up ? "abort" : "commit");
	if (give_up) {
		vs_flows_abort(flows);
		memcpy(ref.rules, saved, sizeof(ref.rules));
		memcpy(ref.groups, saved_groups, sizeof(ref.groups));
	} else {
		vs_flows_commit(flows);
	}
	if (ref_random(2) == 0)
		vs_flows_reap(flows);
}

/* ---- Traffic ---- */

static void inject(unsigned from, const struct frame *f)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)f->size), f->bytes, f->size);
	assert_int_equal(dp_port_mem_inject(port[from], 0, &m, 1), 1);
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
		    t->rx_packets + t->copies == t->forwarded + t->punted + n_dropped)
			return;
		nanosleep(&(struct timespec){0, 20000}, NULL);
	}
	fail_msg("seed %llu: the worker did not take the frames", (unsigned long long)seed);
}

static int compare(const void *a, const void *b)
{
	const struct frame *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->bytes, y->bytes, x->size);
}

static void show(const char *what, unsigned at, const struct frame *f)
{
	char hex[2 * FRAME_MAX + 1];

	for (unsigned i = 0; i < f->size; i++)
		snprintf(hex + 2 * i, 3, "%02x", f->bytes[i]);
	print_error("%s, port %u: %s\n", what, OF_PORT(at), hex);
}

static void on_punt(void *arg, const struct dp_punt *punt)
{
	struct frame *f = &got[CONTROLLER][n_got[CONTROLLER]++];

	assert_true(n_got[CONTROLLER] < MAX_OUT && punt->size <= FRAME_MAX);
	f->size = punt->size;
	memcpy(f->bytes, punt->data, punt->size);
	ref_add_told(f, punt->what.in_port, punt->what.cookie);
}

static void collect(void)
{
	n_got[CONTROLLER] = 0;
	while (dp_punt_poll(dp, 64, on_punt, NULL) != 0)
		continue;

	for (unsigned i = 0; i < N_PORTS; i++) {
		struct rte_mbuf *m;

		n_got[i] = 0;
		while (dp_port_mem_collect(port[i], &m, 1) == 1) {
			struct frame *f = &got[i][n_got[i]++];
			const uint8_t *bytes;

			assert_true(n_got[i] < MAX_OUT && m->pkt_len <= FRAME_MAX);
			f->size = m->pkt_len;
			bytes = rte_pktmbuf_read(m, 0, f->size, f->bytes);
			if (bytes != f->bytes)
				memcpy(f->bytes, bytes, f->size);
			rte_pktmbuf_free(m);
		}
	}
}

/* Frames of one port are compared as a set: a burst may be carried in another order. */
static bool same_frames(void)
{
	bool same = true;

	for (unsigned i = 0; i < N_OUTS; i++) {
		unsigned a = 0, b = 0;

		qsort(ref.expected[i], ref.n_expected[i], sizeof(ref.expected[i][0]), compare);
		qsort(got[i], n_got[i], sizeof(got[i][0]), compare);
		while (a < ref.n_expected[i] || b < n_got[i]) {
			int order_is = a == ref.n_expected[i] ? 1
				       : b == n_got[i]	      ? -1
						       : compare(&ref.expected[i][a], &got[i][b]);

			if (order_is < 0)
				show("missing", i, &ref.expected[i][a]);
			if (order_is > 0)
				show("too much", i, &got[i][b]);
			same = same && order_is == 0;
			a += order_is <= 0;
			b += order_is >= 0;
		}
	}
	return same;
}

struct tally {
	unsigned n;
	bool same;
};

static void compare_rule(const struct vs_rule *rule, void *arg)
{
	struct tally *tally = arg;
	struct dp_flow_counts counts;

	vs_rule_counts(flows, rule, &counts);
	tally->n++;
	for (unsigned i = 0; i < MAX_RULES; i++) {
		const struct rule *x = &ref.rules[i];

		if (!x->live || x->table != rule->table || x->priority != rule->priority)
			continue;
		if (x->cookie == rule->cookie && x->packets == counts.packets &&
		    x->bytes == counts.bytes)
			return;
		print_error("table %u priority %u: %llu packets, %llu bytes; expected %llu, %llu\n",
			    x->table, x->priority, (unsigned long long)counts.packets,
			    (unsigned long long)counts.bytes, (unsigned long long)x->packets,
			    (unsigned long long)x->bytes);
		tally->same = false;
		return;
	}
	print_error("table %u priority %u should be gone\n", rule->table, rule->priority);
	tally->same = false;
}

static bool same_rules(void)
{
	const struct of_flow_filter all = {.table = OF_TABLE_ALL,
					   .out_port = OFPP_ANY,
					   .out_group = OF_GROUP_ANY};
	struct tally tally = {.same = true};
	unsigned n = 0;

	for (unsigned i = 0; i < MAX_RULES; i++)
		n += ref.rules[i].live;
	vs_flows_each(flows, &all, compare_rule, &tally);
	return tally.same && tally.n == n;
}

/* The choice of a select group is not known, but who was chosen from. */
static bool same_buckets(const struct group *g, const struct vs_group *group)
{
	struct of_bucket_counter counters[N_BUCKETS];
	struct dp_flow_counts counts;
	uint64_t want = 0, have = 0;
	bool same = true;

	(void)vs_group_counts(flows, group, &counts, counters);
	for (unsigned i = 0; i < g->n; i++) {
		want += g->v[i].packets;
		have += counters[i].n_packets;
		same = same &&
		       (g->type == OFPGT_SELECT ? g->v[i].weight != 0 || counters[i].n_packets == 0
						: g->v[i].packets == counters[i].n_packets);
	}
	return same && want == have && counts.packets == g->packets && counts.bytes == g->bytes;
}

static bool same_groups(void)
{
	bool same = true;

	for (unsigned i = 0; i < N_GROUPS; i++) {
		const struct vs_group *group = vs_groups_now(vs_flows_groups(flows), i);

		if ((group != NULL) == ref.groups[i].live &&
		    (group == NULL || same_buckets(&ref.groups[i], group)))
			continue;
		print_error("group %u is not as it should be\n", i);
		same = false;
	}
	return same;
}

static void batch(unsigned round)
{
	bool frames_are;

	memset(ref.n_expected, 0, sizeof(ref.n_expected));
	for (unsigned i = 0; i < BATCH; i++) {
		const struct frame *f = &packets[ref_random(N_PACKETS)];
		unsigned from = (unsigned)ref_random(N_PORTS);

		if (getenv("FLOW_SHOW") != NULL)
			show("in", from, f);
		ref_run(from, f);
		inject(from, f);
	}
	settle();
	collect();
	frames_are = same_frames();
	if (!same_rules() || !same_groups() || !frames_are)
		fail_msg("FLOW_SEED=%llu, round %u", (unsigned long long)seed, round);
}

static void engine_does_what_the_specification_says(void **state)
{
	const char *rounds_text = getenv("FLOW_ROUNDS");
	unsigned rounds = rounds_text != NULL ? (unsigned)strtoul(rounds_text, NULL, 0) : 600;

	print_message("FLOW_SEED=%llu\n", (unsigned long long)seed);
	for (unsigned round = 0; round < rounds; round++) {
		if (round % 200 == 0) { /* another world */
			for (unsigned i = 0; i < N_PACKETS; i++)
				ref_some_packet(&packets[i]);
			change(40);
		}
		if (ref_random(3) != 0)
			change(1 + (unsigned)ref_random(4));
		if (ref_random(4) == 0)
			change_link();
		batch(round);
		batch(round);
	}
}

/* ---- A switch of four trunks that carry everything ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static void publish(bool with_ports)
{
	static const uint16_t all_ports[N_PORTS] = {0, 1, 2, 3};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_vport *v = aligned_alloc(64, sizeof(*v));

		*v = (struct dp_vport){.port = with_ports ? port[i] : NULL,
				       .id = (uint16_t)i,
				       .flags = DP_VP_UP | DP_VP_FLOOD | DP_VP_FLOOD_GROUP |
						DP_VP_UNTAGGED_IN | DP_VP_TAGGED_IN | DP_VP_TAG_OUT,
				       .tpid_out = rte_cpu_to_be_16(0x8100),
				       .max_frame = 1514,
				       .of_port = (uint16_t)OF_PORT(i),
				       .pipeline = with_ports ? vs_flows_pipeline(flows) : NULL};
		memset(v->vlan_in, 0xff, sizeof(v->vlan_in));
		memset(v->vlan_out, 0xff, sizeof(v->vlan_out));
		view->vports[i] = v;
	}
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = all_ports};
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3"};
	const char *given = getenv("FLOW_SEED");
	struct timespec now;
	struct err err = {0};
	cpu_set_t cpus;
	unsigned cpu = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given != NULL ? strtoull(given, NULL, 0)
			     : (uint64_t)now.tv_nsec + (uint64_t)now.tv_sec;
	ref_seed(seed * UINT64_C(0x9e3779b97f4a7c15) | 1);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus))
		cpu++;
	dp = test_dp_create(4095);
	dp_punt_set_rate(dp, UINT32_MAX);
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
		vs_flows_port(flows, OF_PORT(i), (uint16_t)i);
	publish(true);
	return 0;
}

static int finish(void **state)
{
	unsigned left;

	publish(false);
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
		cmocka_unit_test(engine_does_what_the_specification_says),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

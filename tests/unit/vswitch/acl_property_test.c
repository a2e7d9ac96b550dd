/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists on the packet path against a port that is too simple to be wrong: random lists,
 * attached to ports in both directions, change all the time; random packets (fragments, IPv4
 * options, IPv6 extension headers, tags) are flooded by a real worker; the model reads the lists
 * from top to bottom, and keeps sessions in an array.  The same packets must leave by the same
 * ports, and every entry must have counted the same.
 *
 * 	ACL_SEED=N     repeats a run (the seed is printed)
 * 	ACL_PACKETS=N  goes on longer
 */
#include "vswitch/acl.h"

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

#include "dataplane/port_mem.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"
#include "tests/support/sanitized.h"
#include "vswitch/switch_flows.h"
#include "vswitch/vs.h"

#define N_PORTS	     4
#define N_LISTS	     4
#define N_SETS	     2
#define MAX_ENTRIES  12
#define MAX_SESSIONS 20000
#define N_STATIONS   5
#define N_PACKETS    (SANITIZED ? 20000u : 100000u)
#define WORLD	     120u /* packets between changes */
#define MAX_BATCH    12u

enum { INGRESS, EGRESS };
enum fragment { WHOLE, FIRST, LATER };

struct packet {
	uint32_t number;
	bool v6;
	uint8_t proto;
	unsigned src, dst;
	uint16_t sport, dport; /* ICMP: type, code */
	uint16_t id;	       /* of fragments */
	enum fragment fragment;
	uint8_t flags;
	bool tagged, options;
};

struct entry {
	bool live;
	char text[160], told[160]; /* 'told': as the switch has it; "": not */
	struct vs_acl_entry e;
	uint64_t hits;
	unsigned made; /* which one it is */
};

struct session {
	unsigned port, side, list, order, made;
	struct packet first;
};

static uint64_t seed, rng;
static struct dp *dp;
static struct vs *vs;
static json_t *state;
static uint64_t n_injected;
static uint32_t last_number;
static unsigned last_made;

/* The model. */
static char members[N_SETS][200];
static struct vs_acl_conf sets; /* for reading entries */
static struct entry entries[N_LISTS][MAX_ENTRIES];
static bool allows[N_LISTS];
static bool attached[N_PORTS][2][N_LISTS];
static struct session sessions[MAX_SESSIONS];
static unsigned n_sessions;
static bool first_passed[N_PORTS][2][65536];

static uint64_t r(uint64_t n)
{
	return (pkt_rand(&rng) >> 16) % n;
}

/* ---- Lists ---- */

static void put_end(char *text, size_t size, bool v6, bool ports)
{
	static const char *const ranges[] = {"80", "1000-1001", "53,443", "0-65535", "80-1000"};
	char ip[64];

	if (v6)
		snprintf(ip, sizeof(ip), "fd00::%x/%u", (unsigned)r(8), 125 + (unsigned)r(4));
	else
		snprintf(ip, sizeof(ip), "10.0.0.%u/%u", (unsigned)r(8), 29 + (unsigned)r(4));
	if (r(3) == 0)
		snprintf(ip, sizeof(ip), "any");
	else if (r(4) == 0)
		snprintf(ip, sizeof(ip), "@set%u", (unsigned)r(N_SETS));
	snprintf(text, size, "%s%s%s", ip, ports ? " port " : "", ports ? ranges[r(5)] : "");
}

static void some_entry(unsigned list, unsigned i)
{
	static const char *const protos[] = {"tcp",    "udp", "udp", "icmp",
					     "icmpv6", "gre", "",    "ip"};
	const char *proto = protos[r(8)];
	bool ports = (strcmp(proto, "tcp") == 0 || strcmp(proto, "udp") == 0) && r(2) == 0;
	bool v6 = strcmp(proto, "icmpv6") == 0 ||
		  (r(3) == 0 && strcmp(proto, "icmp") != 0 && strcmp(proto, "ip") != 0);
	char src[100], dst[100], text[320];
	struct entry *e = &entries[list][i];
	struct vs_acl_entry was = e->e;
	struct err err = {0};
	bool allow = r(2) == 0;
	char *normal;

	put_end(src, sizeof(src), v6, ports && r(2) == 0);
	put_end(dst, sizeof(dst), v6, ports);
	snprintf(text, sizeof(text), "%u %s%s %s from %s to %s%s%s", 10 * (i + 1),
		 allow ? "allow" : "deny", allow && r(2) == 0 ? " stateful" : "", proto, src, dst,
		 strcmp(proto, "icmp") == 0 && r(2) == 0 ? " icmp-type 8" : "",
		 strcmp(proto, "tcp") == 0 && r(3) == 0 ? " established" : "");
	if (vs_acl_entry_parse(text, &sets, &e->e, &err) != 0) {
		/* Ends of two families. */
		e->e = was;
		return;
	}
	normal = vs_acl_entry_format(&e->e);
	snprintf(e->text, sizeof(e->text), "%s", normal);
	free(normal);
	e->live = true;
}

static void change_lists(void)
{
	unsigned list = (unsigned)r(N_LISTS);

	for (unsigned n = 1 + (unsigned)r(3); n > 0; n--) {
		unsigned i = (unsigned)r(MAX_ENTRIES);

		if (r(3) == 0)
			entries[list][i].live = false;
		else
			some_entry(list, i);
	}
	if (r(6) == 0)
		allows[list] = !allows[list];
	for (unsigned n = (unsigned)r(3); n > 0; n--) {
		bool *at = &attached[r(N_PORTS)][r(2)][r(N_LISTS)];

		*at = !*at;
	}
}

/* One that is as it was told goes on counting, whatever happened to it meanwhile. */
static void make_entries(void)
{
	for (unsigned list = 0; list < N_LISTS; list++)
		for (unsigned i = 0; i < MAX_ENTRIES; i++) {
			struct entry *e = &entries[list][i];

			if (strcmp(e->told, e->live ? e->text : "") == 0)
				continue;
			snprintf(e->told, sizeof(e->told), "%s", e->live ? e->text : "");
			e->hits = 0;
			e->made = ++last_made;
		}
}

static void tell_lists(void)
{
	json_t *acls = json_object(), *bindings = json_object();
	char name[32], text[MAX_ENTRIES * 170];
	struct err err = {0};

	for (unsigned list = 0; list < N_LISTS; list++) {
		size_t n = 0;

		text[0] = '\0';
		for (unsigned i = 0; i < MAX_ENTRIES; i++)
			if (entries[list][i].live)
				n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n",
						      entries[list][i].text);
		snprintf(name, sizeof(name), "list%u", list);
		json_object_set_new(acls, name,
				    json_pack("{ss ss ss}", "name", name, "otherwise",
					      allows[list] ? "allow" : "deny", "entries", text));
	}
	for (unsigned p = 0; p < N_PORTS; p++)
		for (unsigned side = 0; side < 2; side++)
			for (unsigned list = 0; list < N_LISTS; list++) {
				char port[8], of[8];

				if (!attached[p][side][list])
					continue;
				snprintf(name, sizeof(name), "b%u%u%u", p, side, list);
				snprintf(port, sizeof(port), "p%u", p);
				snprintf(of, sizeof(of), "list%u", list);
				json_object_set_new(bindings, name,
						    json_pack("{ss ss ss si}", "name", of, "port",
							      port, "direction",
							      side == EGRESS ? "egress" : "ingress",
							      "order", (int)list));
			}
	json_object_set_new(state, "acl", acls);
	json_object_set_new(state, "acl-binding", bindings);
	if (vs_apply(vs, NULL, state, false, &err) != 0)
		fail_msg("ACL_SEED=%llu: %s", (unsigned long long)seed, err.what);
}

/* ---- Packets ---- */

static void address(const struct packet *p, unsigned station, char *text, size_t size)
{
	snprintf(text, size, p->v6 ? "fd00::%u" : "10.0.0.%u", station + 1);
}

static void some_packet(struct packet *p)
{
	static const uint8_t protos[] = {17, 17, 17, 6, 1, 1, 47};
	static const uint16_t ports[] = {1000, 1001, 80, 443, 53};

	*p = (struct packet){.number = ++last_number,
			     .v6 = r(3) == 0,
			     .proto = protos[r(7)],
			     .src = (unsigned)r(N_STATIONS),
			     .dst = (unsigned)r(N_STATIONS),
			     .tagged = r(4) == 0,
			     .options = r(4) == 0,
			     .flags = r(2) == 0 ? PKT_SYN : PKT_ACK};
	if (p->proto == 1) {
		p->sport = p->v6 ? (r(2) == 0 ? 128 : 129) : (r(2) == 0 ? 8 : 0);
		p->proto = p->v6 ? 58 : 1;
	} else if (p->proto != 47) {
		p->sport = ports[r(5)];
		p->dport = ports[r(5)];
	}
	if (p->proto == 17 && r(6) == 0)
		p->fragment = FIRST;
}

static void build(const struct packet *p, struct pkt *out)
{
	static const uint8_t options[4] = {1, 1, 1, 0};
	char src[32], dst[32];

	address(p, p->src, src, sizeof(src));
	address(p, p->dst, dst, sizeof(dst));
	pkt_init(out);
	pkt_eth(out, "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01");
	if (p->tagged)
		pkt_vlan(out, 0x8100, 5);
	if (p->v6) {
		pkt_ipv6(out, src, dst);
		if (p->options)
			pkt_ipv6_ext(out, PKT_EXT_DEST, NULL, 6);
	} else {
		pkt_ipv4(out, src, dst);
		if (p->options)
			pkt_ipv4_options(out, options, sizeof(options));
	}
	if (p->fragment != WHOLE)
		pkt_fragment(out, p->fragment == LATER ? 64 : 0, p->fragment == FIRST, p->id);
	if (p->fragment == LATER || p->proto == 47)
		pkt_ip_proto(out, p->proto);
	else if (p->proto == 17)
		pkt_udp(out, p->sport, p->dport);
	else if (p->proto == 6)
		pkt_tcp(out, p->sport, p->dport, p->flags);
	else if (p->proto == 1)
		pkt_icmp(out, (uint8_t)p->sport, 0);
	else
		pkt_icmpv6(out, (uint8_t)p->sport, 0);
	/* An empty GRE header, or eight bytes more; the number comes last. */
	pkt_fill(out, p->fragment != LATER && p->proto == 17 ? 52 : 12, 0);
	pkt_payload(out, &p->number, sizeof(p->number));
	pkt_finish(out, 0);
}

/* ---- The model ---- */

static bool has_prefix(const struct vs_acl_prefix *a, bool v6, unsigned station)
{
	uint8_t ip[16] = {10, 0, 0, (uint8_t)(station + 1)};

	if (v6) {
		memset(ip, 0, sizeof(ip));
		ip[0] = 0xfd;
		ip[15] = (uint8_t)(station + 1);
	}
	if (a->ip.v6 != v6)
		return false;
	for (unsigned bit = 0; bit < a->len; bit++)
		if (((ip[bit / 8] ^ a->ip.b[bit / 8]) & (0x80u >> bit % 8)) != 0)
			return false;
	return true;
}

static bool end_has(const struct vs_acl_end *end, const struct packet *p, unsigned station,
		    uint16_t port)
{
	bool in = end->kind == VS_ACL_ANY, in_range = end->n_ranges == 0;

	if (end->kind == VS_ACL_PREFIX)
		in = has_prefix(&end->prefix, p->v6, station) != end->except;
	if (end->kind == VS_ACL_SET) {
		for (uint32_t i = 0; i < end->set->n; i++)
			in |= has_prefix(&end->set->prefixes[i], p->v6, station);
		in = in != end->except;
	}
	for (unsigned i = 0; i < end->n_ranges; i++)
		in_range |= p->fragment != LATER && port >= end->ranges[i].from &&
			    port <= end->ranges[i].to;
	return in && in_range;
}

static bool entry_has(const struct vs_acl_entry *e, const struct packet *p)
{
	if ((e->eth_type != 0 && e->eth_type != (p->v6 ? 0x86dd : 0x0800)) ||
	    (e->proto >= 0 && e->proto != p->proto))
		return false;
	if (e->icmp_type >= 0 && (p->fragment == LATER || e->icmp_type != p->sport))
		return false;
	if (e->tcp_established >= 0 &&
	    (p->proto != 6 || (p->flags == PKT_ACK) != (e->tcp_established == 1)))
		return false;
	return end_has(&e->src, p, p->src, p->sport) && end_has(&e->dst, p, p->dst, p->dport);
}

struct verdict {
	bool allow, stateful;
	struct entry *entry; /* NULL: a default, or no list */
	unsigned list, order;
};

static struct verdict ask(unsigned port, unsigned side, const struct packet *p)
{
	struct verdict v = {.allow = true};

	for (unsigned list = 0; list < N_LISTS; list++) {
		if (!attached[port][side][list])
			continue;
		v.allow = allows[list];
		for (unsigned i = 0; i < MAX_ENTRIES; i++) {
			struct entry *e = &entries[list][i];

			if (e->live && entry_has(&e->e, p))
				return (struct verdict){e->e.action == VS_ACL_ALLOW, e->e.stateful,
							e, list, i};
		}
	}
	return v;
}

static bool tracks(unsigned port)
{
	for (unsigned side = 0; side < 2; side++)
		for (unsigned list = 0; list < N_LISTS; list++)
			for (unsigned i = 0; i < MAX_ENTRIES; i++)
				if (attached[port][side][list] && entries[list][i].live &&
				    entries[list][i].e.stateful)
					return true;
	return false;
}

static bool is_echo(const struct packet *p)
{
	return p->proto == 1 || p->proto == 58;
}

static struct session *find_session(unsigned port, const struct packet *p)
{
	for (unsigned i = 0; i < n_sessions; i++) {
		const struct packet *f = &sessions[i].first;
		bool echo = is_echo(p);

		if (sessions[i].port != port || f->v6 != p->v6 || f->proto != p->proto)
			continue;
		if (f->src == p->src && f->dst == p->dst &&
		    (echo ? f->sport == p->sport : f->sport == p->sport && f->dport == p->dport))
			return &sessions[i];
		if (f->src == p->dst && f->dst == p->src &&
		    (echo ? f->sport != p->sport : f->sport == p->dport && f->dport == p->sport))
			return &sessions[i];
	}
	return NULL;
}

static void begin_session(unsigned port, unsigned side, const struct packet *p,
			  const struct verdict *v)
{
	assert_true(n_sessions < MAX_SESSIONS);
	sessions[n_sessions++] =
		(struct session){port, side, v->list, v->order, v->entry->made, *p};
}

/* May it pass?  One that is no echo's answer, nor a fragment behind the first, may open. */
static bool may_pass(unsigned port, unsigned side, const struct packet *p)
{
	bool stateful = tracks(port), opens = !is_echo(p) || p->sport == 8 || p->sport == 128;
	const struct session *s = NULL;
	struct verdict v;

	if (stateful && p->fragment == LATER && first_passed[port][side][p->id])
		return true;
	if (stateful && p->fragment != LATER)
		s = find_session(port, p);
	if (s != NULL) {
		entries[s->list][s->order].hits++;
		if (p->fragment == FIRST)
			first_passed[port][side][p->id] = true;
		return true;
	}
	v = ask(port, side, p);
	if (v.entry != NULL)
		v.entry->hits++;
	if (v.allow && v.stateful && opens && p->fragment != LATER)
		begin_session(port, side, p, &v);
	if (stateful && v.allow && p->fragment == FIRST)
		first_passed[port][side][p->id] = true;
	return v.allow;
}

/* The lists changed: sessions go that the same entry would not make now. */
static void end_sessions(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_sessions; i++) {
		const struct session s = sessions[i];
		struct verdict v = ask(s.port, s.side, &s.first);

		if (v.entry != NULL && v.stateful && v.list == s.list && v.order == s.order &&
		    v.entry->made == s.made)
			sessions[n++] = s;
	}
	n_sessions = n;
}

/* ---- The test ---- */

static struct dp_port *live(unsigned i)
{
	char name[8];

	snprintf(name, sizeof(name), "p%u", i);
	return vs->live[vs_port_id(vs, name)].port;
}

static void inject(unsigned from, const struct packet *p)
{
	static struct pkt pkt;
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	build(p, &pkt);
	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)pkt.size), pkt.bytes, pkt.size);
	assert_int_equal(dp_port_mem_inject(live(from), 0, &m, 1), 1);
	n_injected++;
}

static void settle(void)
{
	for (int i = 0; i < 200000; i++) {
		const struct dp_count *t = dp_total_count(dp);
		uint64_t in = 0, out = 0;

		dp_count_refresh(dp);
		for (unsigned k = 0; k < DP_N_DROPS; k++) {
			in += t->drops_rx[k];
			out += t->drops_tx[k];
		}
		if (t->rx_packets == n_injected && t->rx_packets + t->copies == t->forwarded + in &&
		    t->forwarded == t->offered && t->offered == t->tx_packets + out)
			return;
		nanosleep(&(struct timespec){0, 20000}, NULL);
	}
	fail_msg("ACL_SEED=%llu: the ledger does not balance", (unsigned long long)seed);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static unsigned collect(unsigned port, uint32_t *ret)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	while (dp_port_mem_collect(live(port), &m, 1) == 1) {
		assert_true(n < MAX_BATCH && m->pkt_len >= 4);
		memcpy(&ret[n++], rte_pktmbuf_mtod_offset(m, const uint8_t *, m->pkt_len - 4), 4);
		rte_pktmbuf_free(m);
	}
	qsort(ret, n, sizeof(*ret), compare);
	return n;
}

static void show(const struct packet *p, unsigned from, unsigned to, bool expected)
{
	print_error("packet %u from p%u: v6 %d proto %u %u:%u > %u:%u fragment %d id %u tag %d "
		    "options %d flags %x: by p%u %s\n",
		    p->number, from, p->v6, p->proto, p->src, p->sport, p->dst, p->dport,
		    p->fragment, p->id, p->tagged, p->options, p->flags, to,
		    expected ? "missing" : "too much");
	for (unsigned list = 0; list < N_LISTS; list++)
		for (unsigned i = 0; i < MAX_ENTRIES; i++)
			if ((attached[from][INGRESS][list] || attached[to][EGRESS][list]) &&
			    entries[list][i].live)
				print_error("list%u (%d %d, else %d): %s\n", list,
					    attached[from][INGRESS][list],
					    attached[to][EGRESS][list], allows[list],
					    entries[list][i].text);
}

/* May they be of one session, from both ends?  The flow engine carries flows that its cache does
 * not know last, so of two that one port sends at once either may be the first. */
static bool answers_one_of(const struct packet *packets, unsigned n, const struct packet *p)
{
	for (unsigned i = 0; i < n; i++)
		if (packets[i].v6 == p->v6 && packets[i].src == p->dst && packets[i].dst == p->src)
			return true;
	return false;
}

static void batch(bool stateful)
{
	uint32_t expected[N_PORTS][MAX_BATCH], got[MAX_BATCH];
	unsigned from = (unsigned)r(N_PORTS), n = 1 + (unsigned)r(MAX_BATCH),
		 n_expected[N_PORTS] = {0};
	struct packet packets[MAX_BATCH];

	for (unsigned i = 0; i < n; i++) {
		struct packet *p = &packets[i];
		bool in;

		do
			some_packet(p);
		while (vs_switch_flows(vs, "s0") != NULL && answers_one_of(packets, i, p));
		if (i != 0 && packets[i - 1].fragment == FIRST) {
			*p = packets[i - 1];
			p->number = ++last_number;
			p->fragment = LATER;
			p->sport = p->dport = 0;
		} else if (p->fragment == FIRST) {
			p->id = (uint16_t)p->number;
			for (unsigned k = 0; k < N_PORTS; k++)
				first_passed[k][0][p->id] = first_passed[k][1][p->id] = false;
		}
		/* The tracker's idea of TCP is not the model's business. */
		if (stateful && p->proto == 6)
			p->proto = 17;
		in = may_pass(from, INGRESS, p);
		for (unsigned to = 0; in && to < N_PORTS; to++)
			if (to != from && may_pass(to, EGRESS, p))
				expected[to][n_expected[to]++] = p->number;
		inject(from, p);
	}
	settle();
	for (unsigned to = 0; to < N_PORTS; to++) {
		unsigned n_got = collect(to, got);

		if (n_got == n_expected[to] &&
		    memcmp(got, expected[to], n_got * sizeof(got[0])) == 0)
			continue;
		for (unsigned i = 0; i < n; i++) {
			bool is = bsearch(&packets[i].number, got, n_got, sizeof(got[0]),
					  compare) != NULL;
			bool want = bsearch(&packets[i].number, expected[to], n_expected[to],
					    sizeof(got[0]), compare) != NULL;

			if (is != want)
				show(&packets[i], from, to, want);
		}
		fail_msg("ACL_SEED=%llu", (unsigned long long)seed);
	}
}

static void same_hits(void)
{
	for (unsigned list = 0; list < N_LISTS; list++)
		for (unsigned i = 0; i < MAX_ENTRIES; i++) {
			const struct entry *e = &entries[list][i];
			struct vs_acl_hits hits = {0};
			char name[16];

			if (!e->live)
				continue;
			snprintf(name, sizeof(name), "list%u", list);
			assert_true(vs_acl_entry_hits(vs, name, e->e.order, &hits));
			if (hits.packets != e->hits)
				fail_msg("ACL_SEED=%llu: %s: %s: %llu packets, expected %llu",
					 (unsigned long long)seed, name, e->text,
					 (unsigned long long)hits.packets,
					 (unsigned long long)e->hits);
		}
}

static void lists_decide_as_they_read(void **unused)
{
	const char *given = getenv("ACL_PACKETS");
	uint32_t most = given != NULL ? (uint32_t)strtoul(given, NULL, 0) : N_PACKETS;
	struct vs_flows *flows;
	struct err err = {0};
	bool stateful = false;

	print_message("ACL_SEED=%llu\n", (unsigned long long)seed);
	while (last_number < most) {
		uint32_t until = last_number + WORLD;

		/* At first the switch only learns, then it has rules. */
		if (last_number > most / 2 && vs_switch_flows(vs, "s0") == NULL)
			assert_int_equal(vs_switch_flows_need(vs, "s0", &flows, &err), 0);
		change_lists();
		make_entries();
		end_sessions();
		tell_lists();
		stateful = false;
		for (unsigned p = 0; p < N_PORTS; p++)
			stateful |= tracks(p);
		while (last_number < until)
			batch(stateful);
		same_hits();
	}
}

/* Models go, entries that the test has read stay. */
static void keep_sets(void)
{
	const struct vs_acl_conf *conf = vs_acl_conf(vs->model);
	static const char *const names[N_SETS] = {"set0", "set1"};
	static struct vs_acl_prefix prefixes[N_SETS][8];
	static struct vs_acl_set kept[N_SETS];

	sets = (struct vs_acl_conf){.n_sets = N_SETS, .sets = kept};
	for (unsigned i = 0; i < N_SETS; i++) {
		kept[i] = (struct vs_acl_set){names[i], conf->sets[i].n, prefixes[i]};
		memcpy(prefixes[i], conf->sets[i].prefixes, kept[i].n * sizeof(prefixes[i][0]));
	}
}

static int start(void **unused)
{
	const char *given = getenv("ACL_SEED");
	struct vs_opts opts = {0};
	struct timespec now;
	struct err err = {0};
	cpu_set_t set;
	unsigned cpu = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given != NULL ? strtoull(given, NULL, 0)
			     : (uint64_t)now.tv_nsec + (uint64_t)now.tv_sec;
	rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	sched_getaffinity(0, sizeof(set), &set);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
		cpu++;
	dp = test_dp_create(4095);
	opts.dp = dp;
	if (vs_create(&opts, &vs, &err) != 0 || dp_worker_add(dp, cpu, &err) != 0)
		return -1;
	dp_set_max_sleep(dp, 50);
	snprintf(members[0], sizeof(members[0]), "10.0.0.1 10.0.0.4/31 fd00::2");
	snprintf(members[1], sizeof(members[1]), "10.0.0.2/31 fd00::1 fd00::4/127");
	state = json_pack("{s{s{ss ss}} s{s{ss} s{ss}} s{}}", "switch", "s0", "name", "s0", "type",
			  "private", "ipset", "set0", "members", members[0], "set1", "members",
			  members[1], "port");
	for (unsigned i = 0; i < N_PORTS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "p%u", i);
		json_object_set_new(json_object_get(state, "port"), name,
				    json_pack("{ss ss ss ss ss si}", "name", name, "switch", "s0",
					      "kind", "mem", "vlan_mode", "trunk", "allowed", "5",
					      "native", 0));
	}
	if (vs_apply(vs, NULL, state, false, &err) != 0) {
		print_error("%s\n", err.what);
		return -1;
	}
	keep_sets();
	return 0;
}

static int finish(void **unused)
{
	unsigned left;

	vs_destroy(vs);
	json_decref(state);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_decide_as_they_read),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists on the packet path, without drivers: a list of ENTRIES, each of which allows one
 * flow, and ENTRIES flows drawn by lot, 64 bytes; in the same run the same flows without a list.
 * Each burst is timed alone.
 *
 * 	list_bench ENTRIES [PROGRAM...]
 *
 * 	l2         a switch that only learns, no list
 * 	l2-list    the same, the list on its first port (a stage)
 * 	rule       one rule that sends all to the second port
 * 	exact      a rule for each flow
 * 	rule-list  the one rule, and the list on the first port (part of programs)
 * 	session    learning; what the first port sends makes sessions, what comes back is theirs:
 * 		   bursts of both directions in turn
 * 	miss       cycles for a packet that no cache knows
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>

#include "dataplane/stages.h"
#include "tests/bench/bench_switch.h"
#include "vswitch/acl_priv.h"
#include "vswitch/flows.h"
#include "vswitch/of/text.h"

#define SIZE	 60u
#define N_BURSTS 20000u

static struct bench_switch sw;
static struct vs_flows *flows;
static uint32_t n_entries;
static uint64_t took[N_BURSTS];
static uint64_t lot = 88172645463325252;

static uint32_t draw(uint32_t n)
{
	lot ^= lot << 13;
	lot ^= lot >> 7;
	lot ^= lot << 17;
	return (uint32_t)((lot >> 32) * n >> 32);
}

/* ---- Lists ---- */

static uint32_t source_of(uint32_t i)
{
	return 0x0a000000 | (i * 2654435761u >> 8);
}

/* A port's lists: one, whose entries are 'stateful' or not, or none. */
static struct vs_acl_port *lists_make(bool stateful, bool filled)
{
	struct vs_acl acl = {.name = "list", .n = filled ? n_entries : 0};
	struct vs_acl_port *p = calloc(1, sizeof(*p));
	static uint32_t last_id;

	acl.entries = calloc((size_t)n_entries + 1, sizeof(acl.entries[0]));
	for (uint32_t i = 0; i < acl.n; i++) {
		struct vs_acl_entry *e = &acl.entries[i];
		uint32_t ip = rte_cpu_to_be_32(source_of(i));

		*e = (struct vs_acl_entry){.order = i + 1,
					   .action = VS_ACL_ALLOW,
					   .stateful = stateful,
					   .eth_type = 0x0800,
					   .proto = 17,
					   .icmp_type = -1,
					   .icmp_code = -1,
					   .tcp_established = -1};
		e->src.kind = VS_ACL_PREFIX;
		e->src.prefix.len = 32;
		memcpy(e->src.prefix.ip.b, &ip, sizeof(ip));
		e->dst.n_ranges = 1;
		e->dst.ranges[0] = (struct vs_acl_range){400, 500};
	}
	p->n = 1;
	p->lists[0] = vs_acl_list_make(sw.dp, &acl, 1, NULL, NULL, NULL);
	p->counter = vs_acl_counter_make(sw.dp);
	p->last.counter = p->counter->number;
	p->dp = (struct dp_acl){.id = ++last_id, .tracks = stateful, .find = vs_acl_port_find};
	free(acl.entries);
	return p;
}

/* What a port of the view is, from now on. */
static void set_port(unsigned i, struct vs_acl_port *in, struct vs_acl_port *out, bool has_rules)
{
	struct dp_vport *vp = (struct dp_vport *)(uintptr_t)sw.worker->view->vports[i];

	vp->acl[DP_FILTER_INGRESS] = in != NULL ? &in->dp : NULL;
	vp->acl[DP_FILTER_EGRESS] = out != NULL ? &out->dp : NULL;
	vp->pipeline = has_rules ? sw.pipeline : NULL;
	dp_stages_of(vp);
}

static void set_ports(struct vs_acl_port *in, struct vs_acl_port *out, bool has_rules)
{
	set_port(0, in, out, has_rules);
	set_port(1, NULL, NULL, has_rules);
	dp_flow_forget(sw.worker->flow, sw.pipeline);
}

/* ---- Rules ---- */

static void flow_add(const char *text)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;

	if (of_text_flow_parse(text, 1, OFPFC_ADD, NULL, &mod, &err) != 0) {
		fprintf(stderr, "list_bench: %s: %s\n", text, err.what);
		exit(1);
	}
	vs_flows_mod(flows, &mod);
	of_flow_mod_fini(&mod);
}

static void exact_rules(void)
{
	vs_flows_begin(flows);
	for (uint32_t i = 0; i < n_entries; i++) {
		uint32_t ip = source_of(i);
		char text[128];

		snprintf(text, sizeof(text),
			 "priority=100,udp,nw_src=%u.%u.%u.%u,tp_dst=443,actions=output:2",
			 ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
		flow_add(text);
	}
	vs_flows_commit(flows);
}

/* ---- Frames ---- */

static void frame_make(uint8_t *f, uint32_t i, unsigned way)
{
	static const uint8_t heads[2][12] = {{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1},
					     {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}};
	static const uint8_t ip[] = {8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0};
	uint32_t end[2] = {rte_cpu_to_be_32(source_of(i)), rte_cpu_to_be_32(0x14000001)};
	uint16_t port[2] = {rte_cpu_to_be_16((uint16_t)(1024 + i % 50000)), rte_cpu_to_be_16(443)};

	memset(f, 0, SIZE);
	memcpy(f, heads[way], sizeof(heads[0]));
	memcpy(f + 12, ip, sizeof(ip));
	memcpy(f + 26, &end[way], 4);
	memcpy(f + 30, &end[!way], 4);
	memcpy(f + 34, &port[way], 2);
	memcpy(f + 36, &port[!way], 2);
	f[39] = 26;
}

static struct rte_mbuf *bufs[2][DP_BURST];

static void fill(unsigned way, unsigned k, uint32_t i)
{
	struct rte_mbuf *m = bufs[way][k];

	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = SIZE;
	m->pkt_len = SIZE;
	m->ol_flags = 0;
	frame_make(rte_pktmbuf_mtod(m, uint8_t *), i, way);
}

static uint64_t run(unsigned way)
{
	const struct dp_vport *in = sw.worker->view->vports[way];
	struct rte_mbuf *m[DP_BURST];
	uint64_t at;

	memcpy(m, bufs[way], sizeof(m));
	rte_mb();
	at = rte_rdtsc();
	sw.worker->burst_tsc = at;
	if (in->pipeline != NULL)
		dp_flow_burst(sw.worker, in, m, DP_BURST);
	else
		dp_l2_burst(sw.worker, in, m, DP_BURST);
	return rte_rdtsc() - at;
}

/* Each flow in turn. */
static void everyone(unsigned way)
{
	for (uint32_t i = 0; i < n_entries; i += DP_BURST) {
		for (unsigned k = 0; k < DP_BURST; k++)
			fill(way, k, (i + k) % n_entries);
		(void)run(way);
		dp_flow_tick(sw.dp);
	}
}

static void measure(const char *program, bool both)
{
	for (unsigned n = 0; n < 6; n++) {
		everyone(0);
		if (both)
			everyone(1);
	}
	for (uint32_t n = 0; n < N_BURSTS; n++) {
		unsigned way = both ? n % 2 : 0;

		for (unsigned k = 0; k < DP_BURST; k++)
			fill(way, k, draw(n_entries));
		took[n] = run(way);
	}
	bench_report(program, n_entries, "flows", took, N_BURSTS, DP_BURST);
}

/* What a look-up costs that no cache answers, in tens of them. */
static void measure_miss(const struct vs_acl_port *p)
{
	for (uint32_t n = 0; n < N_BURSTS; n++) {
		struct dp_key keys[10], wc;
		uint64_t at;

		for (unsigned k = 0; k < 10; k++) {
			uint8_t f[SIZE + 64];
			struct dp_headers h;

			frame_make(f, draw(n_entries), 0);
			dp_parse(f, SIZE, &h);
			dp_key_extract(f, SIZE, &h, 1, &keys[k]);
		}
		at = rte_rdtsc();
		for (unsigned k = 0; k < 10; k++) {
			memset(&wc, 0, sizeof(wc));
			if (!p->dp.find(&p->dp, &keys[k], &wc)->allow)
				exit(1);
		}
		took[n] = rte_rdtsc() - at;
	}
	bench_report("miss", n_entries, "entries", took, N_BURSTS, 10);
}

static bool wanted(int argc, char **argv, const char *program)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], program) == 0)
			return true;
	return argc == 2;
}

static int start(struct err *err)
{
	int rc = bench_switch_open(&sw, "list_bench", err);

	if (rc == 0)
		rc = vs_flows_create(sw.dp, NULL, NULL, &flows);
	if (rc != 0)
		return rc;
	for (uint16_t i = 0; i < BENCH_PORTS; i++)
		vs_flows_port(flows, i + 1u, i);
	vs_flows_begin(flows);
	flow_add("priority=1,in_port=1,ip,nw_dst=20.0.0.0/8,actions=output:2");
	vs_flows_commit(flows);
	rc = dp_acl_need(sw.dp);
	if (rc == 0)
		rc = dp_conntrack_need(sw.dp);
	return rc == 0 ? bench_switch_run(&sw, vs_flows_pipeline(flows), err) : rc;
}

int main(int argc, char **argv)
{
	struct vs_acl_port *list, *sessions, *none;
	struct err err = {0};

	n_entries = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 0;
	if (n_entries < DP_BURST || n_entries > VS_MAX_ACL_ENTRIES) {
		fprintf(stderr, "usage: list_bench ENTRIES [PROGRAM...]\n");
		return 2;
	}
	if (start(&err) != 0) {
		fprintf(stderr, "list_bench: %s\n", err.what);
		return 1;
	}
	list = lists_make(false, true);
	sessions = lists_make(true, true);
	none = lists_make(true, false);
	for (unsigned way = 0; way < 2; way++)
		if (rte_pktmbuf_alloc_bulk(dp_pool(sw.dp, 0, false), bufs[way], DP_BURST) != 0)
			return 1;
	/* Stations are known. */
	set_ports(NULL, NULL, false);
	everyone(1);
	if (wanted(argc, argv, "l2"))
		measure("l2", false);
	set_ports(list, NULL, false);
	if (wanted(argc, argv, "l2-list"))
		measure("l2-list", false);
	set_ports(sessions, none, false);
	if (wanted(argc, argv, "session"))
		measure("session", true);
	set_ports(NULL, NULL, true);
	if (wanted(argc, argv, "rule"))
		measure("rule", false);
	vs_flows_has_acls(flows);
	set_ports(list, NULL, true);
	if (wanted(argc, argv, "rule-list"))
		measure("rule-list", false);
	if (wanted(argc, argv, "miss"))
		measure_miss(list);
	set_ports(NULL, NULL, true);
	exact_rules();
	if (wanted(argc, argv, "exact"))
		measure("exact", false);
	fflush(stdout);
	_Exit(0);
}

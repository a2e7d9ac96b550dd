/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Overlays without drivers: cycles of the time stamp counter for a packet, from the burst to the
 * call of the driver's transmit.  Each burst is timed alone, and the median and the best of many
 * are told, so that other jobs of the machine do not show.
 *
 * 	tunnel_bench FLOWS [encap|decap]...
 *
 * 	port 0 (wire) ─ ext ─ port 1 (VTEP) ◄─ port 2 (VXLAN) ─ lan ─ port 3 (station)
 *
 * FLOWS random UDP flows, 64 bytes, one remote.  'ext' learns, 'lan' has a rule for each way.
 */
#include "dataplane/dp_priv.h"
#include "dataplane/fdb.h"
#include "dataplane/flow.h"
#include "dataplane/neigh.h"
#include "dataplane/port_mem.h"
#include "dataplane/tunnel.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_eal.h>

#include "tests/bench/bench_frame.h"

#define INNER	 BENCH_FRAME_SIZE
#define OUTER	 50u
#define SIZE	 (INNER + OUTER)
#define N_BURSTS 30000u
#define N_WARM	 2000u
#define N_AHEAD	 16u /* bursts of buffers: rooms before frames are not in the first cache */
#define VNI	 100u

enum { WIRE, VTEP, TUNNEL, STATION, N_PORTS };

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_pipeline *pipeline;
static struct dp_worker *worker;
static uint64_t n_sent;

static const uint8_t vtep_mac[6] = {2, 0x52, 0x50, 0, 0, 2}, peer_mac[6] = {2, 0x52, 0x54, 0, 0, 1};
static struct dp_ip us = {.b = {172, 31, 1, 1}}, peer = {.b = {172, 31, 1, 2}};

/* ---- Frames ---- */

/* As the remote sends it. */
static void frame_make(uint8_t *f, uint32_t flow)
{
	const struct dp_tunnel_head_spec spec = {.type = DP_TUN_VXLAN,
						 .src = peer,
						 .dst = us,
						 .udp_port = DP_VXLAN_PORT,
						 .vni = VNI,
						 .df = true};
	struct dp_tunnel_head_spec to_us = spec;
	struct dp_tunnel_head head;
	uint8_t room[DP_TUNNEL_HEAD + INNER];

	memcpy(to_us.dst_mac, vtep_mac, 6);
	memcpy(to_us.src_mac, peer_mac, 6);
	dp_tunnel_head_make(&to_us, &head);
	bench_frame_make(room + DP_TUNNEL_HEAD, flow);
	dp_tunnel_head_put(&head, room + DP_TUNNEL_HEAD, INNER, flow * 7, 0, 64, 0);
	memcpy(f, room + DP_TUNNEL_HEAD - OUTER, SIZE);
}

/* ---- The switches ---- */

static void translate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	dp_key_cover(&b->wc, DP_FIELD_IN_PORT);
	dp_key_cover(&b->wc, DP_FIELD_ETH_TYPE);
	b->tables[0] = 1;
	b->keep = true;
	dp_build_rule(b, 0);
	dp_build_step(b, DP_STEP_OUTPUT,
		      dp_key_get(key, DP_FIELD_IN_PORT) == TUNNEL + 1 ? STATION : TUNNEL, 0);
}

static uint16_t sink(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	n_sent += n;
	return n;
}

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view->domains[1]);
	free(view);
}

static void overlay(struct dp_vport *vtep, struct dp_vport *tunnel)
{
	static struct dp_tunnel_match matches[4];
	static struct dp_vtep v;
	static struct dp_overlay t;
	uint32_t key = dp_tunnel_match_key(DP_TUN_VXLAN, VNI);

	matches[dp_tunnel_match_slot(key, 3)] = (struct dp_tunnel_match){key, TUNNEL, DP_NO_VLAN};
	v = (struct dp_vtep){.port = VTEP,
			     .mtu = 1600,
			     .v4 = {.address = us, .prefix = 24, .there = true},
			     .neighs = dp_port_neighs(port[VTEP]),
			     .n_udp = 1,
			     .udp = {{DP_VXLAN_PORT, DP_TUN_VXLAN}},
			     .mask = 3,
			     .matches = matches};
	memcpy(v.mac.addr_bytes, vtep_mac, 6);
	t = (struct dp_overlay){.vtep = VTEP,
				.type = DP_TUN_VXLAN,
				.ttl = 64,
				.udp_port = DP_VXLAN_PORT,
				.key = VNI,
				.n_remotes = 1,
				.remotes = &peer};
	vtep->vtep = &v;
	tunnel->tunnel = &t;
}

static int publish(struct err *err)
{
	static const uint16_t ports[2][2] = {{WIRE, VTEP}, {TUNNEL, STATION}};
	struct dp_view *view = calloc(1, sizeof(*view));

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 2, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_vport *v = aligned_alloc(64, sizeof(*v));

		*v = (struct dp_vport){.port = port[i],
				       .id = (uint16_t)i,
				       .domain = i / 2,
				       .flags = DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD |
						DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN,
				       .native_out = DP_NO_VLAN,
				       .tpid_out = rte_cpu_to_be_16(0x8100),
				       .max_frame = 1514,
				       .of_port = (uint16_t)(i + 1),
				       .pipeline = i / 2 == 0 ? NULL : pipeline};
		dp_vlan_add(v->vlan_out, 0);
		view->vports[i] = v;
	}
	overlay(view->vports[VTEP], view->vports[TUNNEL]);
	for (unsigned i = 0; i < 2; i++) {
		view->domains[i] = calloc(1, sizeof(*view->domains[i]));
		*view->domains[i] =
			(struct dp_domain){.id = (uint16_t)i, .n_ports = 2, .ports = ports[i]};
	}
	return dp_view_publish(dp, view, err);
}

static int pin(const uint8_t *mac, uint16_t id, struct err *err)
{
	struct dp_fdb_entry e = {.port = id, .is_static = true};

	memcpy(e.mac.addr_bytes, mac, 6);
	return dp_fdb_add_static(dp_fdb(dp), &e, err);
}

static int open_ports(struct err *err)
{
	static const char *const kinds[] = {"mem", "vtep", "tunnel", "mem"};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < N_PORTS; i++) {
		char name[] = {(char)('a' + i), 0};
		const struct dp_port_opts po = {.name = name,
						.kind = kinds[i],
						.netns_fd = -1,
						.n_queues = 1};

		rc = dp_port_open(dp, &po, &port[i], err);
		if (rc == 0 && port[i]->n_txq != 0)
			port[i]->tx = sink;
	}
	return rc;
}

static int start(struct err *err)
{
	static char args[][16] = {"tunnel_bench", "--no-huge",	 "--no-pci",	   "-m",
				  "256",	  "--no-shconf", "--no-telemetry", "--log-level=3"};
	char *argv[sizeof(args) / sizeof(args[0]) + 1] = {NULL};
	const struct dp_opts opts = {.n_mbufs = 20000, .fdb_size = 1024};
	struct dp_neigh_static far = {.ip = peer};
	uint32_t counter;
	int rc;

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		argv[i] = args[i];
	if (rte_eal_init((int)(sizeof(args) / sizeof(args[0])), argv) < 0)
		return err_set(err, -EIO, "eal", "EAL does not start");
	rc = dp_create(&opts, &dp, err);
	if (rc == 0)
		rc = dp_worker_add(dp, (unsigned)sched_getcpu(), err);
	if (rc == 0)
		rc = open_ports(err);
	if (rc == 0)
		rc = dp_pipeline_create(dp, translate, NULL, &pipeline);
	if (rc == 0)
		rc = dp_flow_counter_alloc(dp, &counter);
	if (rc == 0)
		rc = publish(err);
	memcpy(far.mac, peer_mac, 6);
	if (rc == 0)
		rc = dp_neighs_set_static(dp_port_neighs(port[VTEP]), &far, 1);
	if (rc == 0)
		rc = pin(vtep_mac, VTEP, err);
	return rc != 0 ? rc : pin(peer_mac, WIRE, err);
}

/* ---- Measurement ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What is measured: which part of a frame comes in by which port. */
struct way {
	const char *name;
	unsigned skip, size;
	uint16_t in;
};

static void refill(struct rte_mbuf **m, const struct way *way, const uint8_t *frames,
		   uint32_t n_flows)
{
	for (unsigned i = 0; i < DP_BURST; i++) {
		const uint8_t *f = frames + (size_t)(bench_rnd() % n_flows) * SIZE;

		m[i]->data_off = RTE_PKTMBUF_HEADROOM;
		m[i]->data_len = (uint16_t)way->size;
		m[i]->pkt_len = way->size;
		m[i]->ol_flags = 0;
		memcpy(rte_pktmbuf_mtod(m[i], uint8_t *), f + way->skip, way->size);
	}
}

static void burst(const struct way *way, struct rte_mbuf **m)
{
	const struct dp_vport *in = worker->view->vports[way->in];

	if (in->pipeline != NULL)
		dp_flow_burst(worker, in, m, DP_BURST);
	else
		dp_l2_burst(worker, in, m, DP_BURST);
}

/* Bursts are written long before they are timed, as a driver does. */
static void measure(const struct way *way, uint32_t n_flows, const uint8_t *frames)
{
	static uint64_t took[N_BURSTS];
	static struct rte_mbuf *ring[N_AHEAD][DP_BURST];
	uint64_t before = n_sent;
	unsigned n = N_WARM + N_BURSTS;

	for (unsigned i = 0; i < N_AHEAD * DP_BURST; i++)
		ring[i / DP_BURST][i % DP_BURST] = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	for (unsigned i = 0; i < N_AHEAD; i++)
		refill(ring[i], way, frames, n_flows);
	for (unsigned k = 0; k < n; k++) {
		struct rte_mbuf *m[DP_BURST];
		uint64_t at;

		memcpy(m, ring[k % N_AHEAD], sizeof(m));
		rte_mb();
		at = rte_rdtsc();
		worker->burst_tsc = at;
		burst(way, m);
		took[k % N_BURSTS] = rte_rdtsc() - at;
		refill(ring[k % N_AHEAD], way, frames, n_flows);
	}
	qsort(took, N_BURSTS, sizeof(took[0]), by_value);
	printf("%-6s %7u flows: median %6.1f, best %6.1f cycles a packet%s\n", way->name, n_flows,
	       (double)took[N_BURSTS / 2] / DP_BURST, (double)took[0] / DP_BURST,
	       n_sent - before == (uint64_t)n * DP_BURST ? "" : ", and packets were lost");
	for (unsigned i = 0; i < N_AHEAD * DP_BURST; i++)
		rte_pktmbuf_free(ring[i / DP_BURST][i % DP_BURST]);
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {{"encap", OUTER, INNER, STATION},
					  {"decap", 0, SIZE, WIRE}};
	uint32_t n_flows = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000;
	uint8_t *frames = malloc((size_t)n_flows * SIZE + 64);
	struct err err = {0};

	if (n_flows == 0 || frames == NULL || start(&err) != 0) {
		fprintf(stderr, "tunnel_bench: %s\n", err.what);
		return 1;
	}
	for (uint32_t i = 0; i < n_flows; i++)
		frame_make(frames + (size_t)i * SIZE, i);
	dp_synchronize(dp);
	dp_pause(dp);
	worker = dp->workers[0];
	worker->view = atomic_load(&dp->view);
	for (int i = 2; i < argc; i++)
		for (unsigned k = 0; k < 2; k++)
			if (strcmp(argv[i], ways[k].name) == 0)
				measure(&ways[k], n_flows, frames);
	fflush(stdout);
	_Exit(0); /* the worker stands still */
}

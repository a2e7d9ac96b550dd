/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flow records against a naive model: random frames by several ports and workers, records taken at
 * random moments; what records say of a tuple, added up, is what was sent, to the byte.  The
 * workers are of paper: the test calls in their place, and never while it collects.
 */
#include "dataplane/flowrec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/dp_priv.h"
#include "dataplane/flowrec_priv.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define N_WORKERS 3u
#define N_PORTS	  4u
#define N_PAIRS	  60u
#define N_FLOWS	  (2 * N_PAIRS)
#define N_RANDOM  (N_PAIRS - 2) /* pairs that chance may choose */
#define ROUNDS	  3000u

static struct dp *dp;
static struct rte_mempool *pool;
static struct dp_worker *worker[N_WORKERS];
static struct dp_flowrec rec[N_PORTS];
static struct dp_vport port[N_PORTS];
static uint64_t rnd = 7;

/* One direction: flow 2i and 2i + 1 answer each other. */
struct flow {
	struct pkt pkt;
	uint8_t family, proto;
	uint16_t sport, dport, vlan, eth_type;
	uint8_t src[16], dst[16], mac[6];
	uint32_t bytes;		   /* as a record says */
	uint64_t packets, dropped; /* that were sent */
	uint64_t told, told_bytes, told_dropped;
};
static struct flow flows[N_FLOWS];
static uint64_t n_records, n_back, n_ends[6];

/* ---- Frames ---- */

static void addresses(struct flow *f, unsigned pair, bool back)
{
	uint8_t one[16] = {0xfd, [13] = 1, [15] = (uint8_t)pair},
		two[16] = {0xfd, [13] = 2, [15] = (uint8_t)(pair + 1)};

	if (f->family == 4) {
		memcpy(one, (uint8_t[]){10, 0, 1, (uint8_t)pair}, 4);
		memcpy(two, (uint8_t[]){10, 0, 2, (uint8_t)(pair + 1)}, 4);
		memset(one + 4, 0, 12);
		memset(two + 4, 0, 12);
	}
	memcpy(f->src, back ? two : one, 16);
	memcpy(f->dst, back ? one : two, 16);
}

static void build_ip(struct flow *f, unsigned pair, bool back)
{
	char src[50], dst[50];

	if (f->family == 4) {
		snprintf(src, sizeof(src), "10.0.%d.%u", back ? 2 : 1, back ? pair + 1 : pair);
		snprintf(dst, sizeof(dst), "10.0.%d.%u", back ? 1 : 2, back ? pair : pair + 1);
		pkt_ipv4(&f->pkt, src, dst);
	} else {
		snprintf(src, sizeof(src), "fd00::%d00:%x", back ? 2 : 1, back ? pair + 1 : pair);
		snprintf(dst, sizeof(dst), "fd00::%d00:%x", back ? 1 : 2, back ? pair : pair + 1);
		pkt_ipv6(&f->pkt, src, dst);
	}
	/* fd00::100:5 has its 1 in byte 12. */
	if (f->family == 6) {
		memset(f->src + 12, 0, 2);
		memset(f->dst + 12, 0, 2);
		f->src[12] = back ? 2 : 1;
		f->dst[12] = back ? 1 : 2;
	}
}

static void build(unsigned i)
{
	static const uint8_t protos[] = {6, 17, 1, 17, 6, 132};
	struct flow *f = &flows[i];
	unsigned pair = i / 2;
	bool back = i % 2 != 0;
	char a[20] = "02:00:00:00:00:01", b[20] = "02:00:00:00:00:02";

	f->family = pair % 7 == 6 ? 0 : pair % 3 == 2 ? 6 : 4;
	f->proto = protos[pair % 6];
	if (f->proto == 1 && f->family == 6)
		f->proto = 58;
	pkt_init(&f->pkt);
	snprintf(a + 12, 6, "%02x:01", pair);
	snprintf(b + 12, 6, "%02x:02", pair);
	pkt_eth(&f->pkt, back ? a : b, back ? b : a);
	f->mac[0] = 2;
	f->mac[4] = (uint8_t)pair;
	f->mac[5] = back ? 2 : 1;
	f->vlan = 1;
	if (pair % 5 == 1) {
		f->vlan = 50;
		pkt_vlan(&f->pkt, 0x8100, 50);
	}
	if (f->family == 0) {
		f->proto = 0;
		f->eth_type = 0x0806;
		pkt_arp(&f->pkt, back ? 2 : 1, "10.0.0.1", "10.0.0.2");
		pkt_finish(&f->pkt, 0);
		f->bytes = f->pkt.size;
		return;
	}
	f->eth_type = f->family == 4 ? 0x0800 : 0x86dd;
	addresses(f, pair, back);
	build_ip(f, pair, back);
	f->sport = back ? 80 : (uint16_t)(1000 + pair);
	f->dport = back ? (uint16_t)(1000 + pair) : 80;
	if (f->proto == 6)
		pkt_tcp(&f->pkt, f->sport, f->dport, PKT_ACK);
	else if (f->proto == 17)
		pkt_udp(&f->pkt, f->sport, f->dport);
	else if (f->proto == 132)
		pkt_sctp(&f->pkt, f->sport, f->dport);
	else if (f->proto == 1)
		pkt_icmp(&f->pkt, back ? 0 : 8, 0);
	else
		pkt_icmpv6(&f->pkt, back ? 129 : 128, 0);
	if (f->proto == 1 || f->proto == 58) {
		f->sport = 0;
		f->dport = (uint16_t)((f->proto == 1 ? (back ? 0 : 8) : (back ? 129 : 128)) << 8);
	}
	pkt_fill(&f->pkt, 20 + 3 * pair, pair);
	pkt_finish(&f->pkt, 0);
	f->bytes = f->pkt.size - 14 - (f->vlan == 50 ? 4 : 0);
}

static struct rte_mbuf *frame(const struct flow *f)
{
	struct rte_mbuf *m = mbufs_make(pool, f->pkt.bytes, f->pkt.size, NULL, 0);

	assert_non_null(m);
	return m;
}

/* ---- Records ---- */

static bool is_of(const struct flow *f, const struct dp_flowrec_record *r)
{
	if (f->family != r->family || f->vlan != r->vlan)
		return false;
	if (f->family == 0)
		return f->eth_type == r->eth_type && memcmp(f->mac, r->src_mac, 6) == 0;
	return f->proto == r->proto && f->sport == r->sport && f->dport == r->dport &&
	       memcmp(f->src, r->src, f->family == 4 ? 4 : 16) == 0 &&
	       memcmp(f->dst, r->dst, f->family == 4 ? 4 : 16) == 0;
}

static void tell(struct flow *f, const struct dp_flowrec_half *half)
{
	f->told += half->packets;
	f->told_bytes += half->bytes;
	f->told_dropped += half->dropped_packets;
	assert_int_equal(half->bytes, half->packets * f->bytes);
	assert_true(half->start_ms <= half->end_ms);
	assert_true((half->dropped_packets != 0) == (half->drop != DP_N_DROPS));
}

static void take(void *arg, const struct dp_flowrec_record *r)
{
	unsigned i = 0;

	while (i < N_FLOWS && !is_of(&flows[i], r))
		i++;
	if (i == N_FLOWS)
		fail_msg("a record of a flow that there is not: family %u proto %u %u > %u vlan %u",
			 r->family, r->proto, r->sport, r->dport, r->vlan);
	n_records++;
	n_ends[r->end]++;
	tell(&flows[i], &r->there);
	if (r->has_back) {
		n_back++;
		tell(&flows[i ^ 1], &r->back);
	}
}

static void ignore(void *arg, const struct dp_flowrec_record *r)
{
	(*(unsigned *)arg)++;
}

/* ---- Set up ---- */

static void hang(struct dp_flowrec_set *set)
{
	for (unsigned i = 0; i < N_PORTS; i++) {
		rec[i] = (struct dp_flowrec){.n_sets = set != NULL};
		rec[i].sets[0].set = set;
		rec[i].sets[0].domain = DP_NO_DOMAIN;
		port[i] = (struct dp_vport){.id = (uint16_t)i,
					    .pvid = 1,
					    .on_ingress = 2,
					    .flowrec = &rec[i]};
	}
}

static struct dp_flowrec_set *make_set(uint32_t max, uint32_t active, uint32_t inactive,
				       uint32_t sample)
{
	const struct dp_flowrec_opts opts = {.max_flows = max,
					     .active_ms = active,
					     .inactive_ms = inactive,
					     .sample = sample};
	struct dp_flowrec_set *set;

	assert_int_equal(dp_flowrec_set_create(dp, &opts, &set), 0);
	for (unsigned i = 0; i < N_WORKERS; i++)
		assert_int_equal(dp_flowrec_worker_comes(dp, i), 0);
	hang(set);
	for (unsigned i = 0; i < N_FLOWS; i++)
		flows[i].packets = flows[i].dropped = flows[i].told = flows[i].told_bytes =
			flows[i].told_dropped = 0;
	n_records = n_back = 0;
	memset(n_ends, 0, sizeof(n_ends));
	return set;
}

static int start(void **state)
{
	dp = test_dp_create(4096);
	pool = dp_pool(dp, 0, false);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		worker[i] = aligned_alloc(64, sizeof(*worker[i]));
		memset(worker[i], 0, sizeof(*worker[i]));
		worker[i]->dp = dp;
		worker[i]->index = (uint16_t)i;
	}
	for (unsigned i = 0; i < N_FLOWS; i++)
		build(i);
	return 0;
}

static int stop(void **state)
{
	for (unsigned i = 0; i < N_WORKERS; i++)
		free(worker[i]);
	test_dp_destroy(dp);
	return 0;
}

static unsigned below(unsigned n)
{
	return (unsigned)(pkt_rand(&rnd) % n);
}

/* A burst of flows of one side by one port: answers come by other ports. */
static void burst(unsigned n, unsigned most_ago_ms)
{
	unsigned side = below(2), p = side * 2 + below(2);
	struct dp_worker *w = worker[below(N_WORKERS)];
	struct rte_mbuf *pkts[32];
	unsigned of[32];

	w->burst_tsc = rte_rdtsc() - (uint64_t)below(most_ago_ms + 1) * (dp->tsc_hz / 1000);
	for (unsigned i = 0; i < n; i++) {
		of[i] = i > 0 && below(3) == 0 ? of[i - 1] : below(N_RANDOM) * 2 + side;
		pkts[i] = frame(&flows[of[i]]);
		flows[of[i]].packets++;
	}
	dp_flowrec_ingress(w, &port[p], pkts, (uint16_t)n);
	if (below(4) == 0) {
		unsigned first = below(n);

		for (unsigned i = first; i < n; i++)
			flows[of[i]].dropped++;
		dp_flowrec_dropped(w, &port[p], pkts + first, (uint16_t)(n - first),
				   DP_DROP_NO_ACTION);
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

/* One frame of a flow, so long ago. */
static void one(unsigned i, unsigned ago_ms)
{
	struct rte_mbuf *m = frame(&flows[i]);

	worker[0]->burst_tsc = rte_rdtsc() - ago_ms * (dp->tsc_hz / 1000);
	dp_flowrec_ingress(worker[0], &port[0], &m, 1);
	rte_pktmbuf_free(m);
	flows[i].packets++;
}

static void all_told(void)
{
	for (unsigned i = 0; i < N_FLOWS; i++) {
		assert_int_equal(flows[i].told, flows[i].packets);
		assert_int_equal(flows[i].told_bytes, flows[i].packets * flows[i].bytes);
		assert_int_equal(flows[i].told_dropped, flows[i].dropped);
	}
}

/* ---- Tests ---- */

static void records_add_up_to_what_was_sent(void **state)
{
	struct dp_flowrec_set *set = make_set(8192, 300, 1000, 1);
	struct dp_flowrec_stats s;

	for (unsigned i = 0; i < ROUNDS; i++) {
		burst(1 + below(32), below(10) == 0 ? 3000 : 200);
		if (below(3) == 0)
			dp_flowrec_collect(set, take, NULL);
	}
	one(2 * N_RANDOM, 5000);
	one(2 * N_RANDOM + 2, 5000);
	one(2 * N_RANDOM + 2, 0);
	for (unsigned i = 0; i < 3; i++)
		dp_flowrec_collect(set, take, NULL);
	dp_flowrec_flush(set, take, NULL);
	all_told();
	assert_true(n_back > n_records / 4);
	assert_true(n_ends[DP_FLOWREC_IDLE] != 0 && n_ends[DP_FLOWREC_ACTIVE] != 0);
	dp_flowrec_stats(set, &s);
	assert_int_equal(s.flows, 0);
	assert_int_equal(s.missed_packets, 0);
	dp_flowrec_set_destroy(set);
}

static void both_directions_by_two_workers_are_one_record(void **state)
{
	struct dp_flowrec_set *set = make_set(64, 60000, 1000, 1);
	struct rte_mbuf *there = frame(&flows[0]), *back = frame(&flows[1]);
	uint64_t ms = dp->tsc_hz / 1000;

	worker[0]->burst_tsc = rte_rdtsc() - 5000 * ms;
	worker[1]->burst_tsc = worker[0]->burst_tsc + ms;
	worker[2]->burst_tsc = worker[0]->burst_tsc + 2 * ms;
	dp_flowrec_ingress(worker[1], &port[2], &back, 1);
	dp_flowrec_ingress(worker[0], &port[0], &there, 1);
	dp_flowrec_ingress(worker[2], &port[0], &there, 1);
	flows[0].packets = 2;
	flows[1].packets = 1;
	dp_flowrec_collect(set, take, NULL);
	assert_int_equal(n_records, 0); /* the dying are read when no worker has them any more */
	dp_flowrec_collect(set, take, NULL);
	assert_int_equal(n_records, 1);
	assert_int_equal(n_back, 1);
	assert_int_equal(n_ends[DP_FLOWREC_IDLE], 1);
	all_told();
	rte_pktmbuf_free(there);
	rte_pktmbuf_free(back);
	dp_flowrec_set_destroy(set);
}

static void a_conversation_lives_as_long_as_one_side_speaks(void **state)
{
	struct dp_flowrec_set *set = make_set(64, 60000, 1000, 1);
	struct rte_mbuf *there = frame(&flows[2]), *back = frame(&flows[3]);

	worker[0]->burst_tsc = rte_rdtsc() - 5 * dp->tsc_hz;
	dp_flowrec_ingress(worker[0], &port[0], &there, 1);
	worker[0]->burst_tsc = rte_rdtsc();
	dp_flowrec_ingress(worker[0], &port[2], &back, 1);
	for (unsigned i = 0; i < 4; i++)
		dp_flowrec_collect(set, take, NULL);
	assert_int_equal(n_records, 0);
	dp_flowrec_flush(set, take, NULL);
	assert_int_equal(n_records, 1);
	assert_int_equal(n_ends[DP_FLOWREC_FORCED], 1);
	rte_pktmbuf_free(there);
	rte_pktmbuf_free(back);
	dp_flowrec_set_destroy(set);
}

/* A flood of UDP flows, each of one frame. */
static unsigned flood(unsigned n)
{
	struct pkt p;
	uint32_t udp;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(&p, "10.9.0.1", "10.9.0.2");
	udp = pkt_udp(&p, 1, 2);
	pkt_fill(&p, 30, 1);
	pkt_finish(&p, 0);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs_make(pool, p.bytes, p.size, NULL, 0);

		pkt_set16(&p, udp, (uint16_t)i);
		pkt_set16(&p, udp + 2, (uint16_t)(i >> 16 | 0x4000));
		dp_flowrec_ingress(worker[0], &port[0], &m, 1);
		rte_pktmbuf_free(m);
	}
	return n;
}

static void a_full_table_misses_counts_and_recovers(void **state)
{
	struct dp_flowrec_set *set = make_set(1024, 60000, 60000, 1);
	struct dp_flowrec_stats before, after;
	unsigned n = 0;

	worker[0]->burst_tsc = rte_rdtsc();
	flood(20000);
	dp_flowrec_stats(set, &before);
	assert_in_range(before.flows, 800, 1024);
	assert_int_equal(before.flows + before.missed_packets, 20000);
	/* Single frames are the first to go, when others need their places. */
	worker[0]->burst_tsc = rte_rdtsc();
	rte_delay_ms(250);
	for (unsigned i = 0; i < 4; i++)
		dp_flowrec_collect(set, ignore, &n);
	dp_flowrec_stats(set, &after);
	assert_true(after.flows <= before.flows * 4 / 5);
	assert_int_equal(n, before.flows - after.flows);
	assert_int_equal(after.memory, before.memory);
	flood(100);
	dp_flowrec_flush(set, ignore, &n);
	dp_flowrec_set_destroy(set);
}

static void another_domain_is_not_seen(void **state)
{
	struct dp_flowrec_set *set = make_set(64, 60000, 1000, 1);
	struct rte_mbuf *m = frame(&flows[0]);

	rec[0].sets[0].domain = 5;
	worker[0]->burst_tsc = rte_rdtsc();
	port[0].domain = 4;
	dp_flowrec_ingress(worker[0], &port[0], &m, 1);
	dp_flowrec_flush(set, take, NULL);
	assert_int_equal(n_records, 0);
	port[0].domain = 5;
	dp_flowrec_ingress(worker[0], &port[0], &m, 1);
	dp_flowrec_flush(set, take, NULL);
	assert_int_equal(n_records, 1);
	rte_pktmbuf_free(m);
	dp_flowrec_set_destroy(set);
}

static struct dp_wire_map wire;

/* A UDP frame with one or two tags. */
static struct rte_mbuf *tagged(uint16_t outer, uint16_t inner)
{
	static struct pkt p;

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_vlan(&p, 0x8100, outer);
	if (inner != 0)
		pkt_vlan(&p, 0x8100, inner);
	pkt_ipv4(&p, "10.9.0.1", "10.9.0.2");
	pkt_udp(&p, 1, 2);
	pkt_finish(&p, 0);
	return mbufs_make(pool, p.bytes, p.size, NULL, 0);
}

static void remember(void *arg, const struct dp_flowrec_record *r)
{
	*(struct dp_flowrec_record *)arg = *r;
	n_records++;
}

static void on_a_shared_uplink_the_tag_says_whose_a_frame_is(void **state)
{
	struct dp_flowrec_set *set = make_set(64, 60000, 60000, 1);
	struct dp_flowrec_record r = {0};
	struct dp_flowrec_stats s;
	struct rte_mbuf *pkts[3];

	for (unsigned i = 0; i < DP_VLANS; i++)
		wire.domain_of_vlan[i] = DP_NO_DOMAIN;
	wire.domain_of_vlan[100] = 5;
	wire.domain_of_vlan[200] = 6;
	port[0].wire = &wire;
	port[0].domain = 9;
	rec[0].sets[0].domain = 5;
	worker[0]->burst_tsc = rte_rdtsc();
	pkts[0] = tagged(100, 30);
	pkts[1] = tagged(200, 30);
	pkts[2] = tagged(300, 0);
	dp_flowrec_ingress(worker[0], &port[0], pkts, 3);
	dp_flowrec_dropped(worker[0], &port[0], pkts, 3, DP_DROP_NO_ACTION);
	dp_flowrec_stats(set, &s);
	assert_int_equal(s.packets, 1);
	assert_int_equal(s.unknown_drops, 3);
	dp_flowrec_flush(set, remember, &r);
	assert_int_equal(n_records, 1);
	assert_int_equal(r.domain, 5);
	assert_int_equal(r.vlan, 30);
	assert_int_equal(r.there.packets, 1);
	assert_int_equal(r.there.dropped_packets, 0);
	rte_pktmbuf_free_bulk(pkts, 3);
	dp_flowrec_set_destroy(set);
}

static void a_closed_conversation_ends_soon_and_says_so(void **state)
{
	static struct pkt p;
	struct dp_flowrec_set *set = make_set(64, 60000, 60000, 1);
	struct dp_flowrec_record r = {0};
	struct rte_mbuf *m;

	for (unsigned i = 0; i < 2; i++) {
		pkt_init(&p);
		pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
		pkt_ipv4(&p, i != 0 ? "10.9.0.2" : "10.9.0.1", i != 0 ? "10.9.0.1" : "10.9.0.2");
		pkt_tcp(&p, i != 0 ? 80 : 1000, i != 0 ? 1000 : 80, PKT_ACK | PKT_FIN);
		pkt_finish(&p, 0);
		m = mbufs_make(pool, p.bytes, p.size, NULL, 0);
		worker[i]->burst_tsc = rte_rdtsc() - 2 * dp->tsc_hz + i;
		dp_flowrec_ingress(worker[i], &port[2 * i], &m, 1);
		rte_pktmbuf_free(m);
	}
	dp_flowrec_collect(set, remember, &r);
	dp_flowrec_collect(set, remember, &r);
	assert_int_equal(n_records, 1);
	assert_int_equal(r.end, DP_FLOWREC_CLOSED);
	assert_true(r.has_back && r.sport == 1000);
	dp_flowrec_set_destroy(set);
}

static void of_each_n_packets_one_is_counted(void **state)
{
	struct dp_flowrec_set *set = make_set(1024, 60000, 60000, 50);
	struct dp_flowrec_stats s;
	struct rte_mbuf *pkts[32];
	uint64_t n = 0;

	for (unsigned i = 0; i < 32; i++)
		pkts[i] = frame(&flows[i]);
	worker[0]->burst_tsc = rte_rdtsc();
	for (unsigned i = 0; i < 1000; i++) {
		unsigned some = 1 + below(32);

		dp_flowrec_ingress(worker[0], &port[0], pkts, (uint16_t)some);
		n += some;
		dp_flowrec_stats(set, &s);
		assert_in_range(s.packets, n / 50, n / 50 + 1);
	}
	rte_pktmbuf_free_bulk(pkts, 32);
	dp_flowrec_set_destroy(set);
}

struct sampled {
	unsigned n, bytes;
};

static void sample(void *arg, const struct dp_sample *s, const uint8_t *head)
{
	struct sampled *got = arg;

	got->n++;
	got->bytes += s->size;
	assert_int_equal(s->port, 1);
	assert_true(s->size <= 100 && s->size <= s->frame_size);
	assert_memory_equal(head, "\x02\x00\x00\x00", 4);
}

static void samples_carry_heads_and_a_full_queue_drops_them(void **state)
{
	struct dp_sampler *sampler;
	struct sampled got = {0};
	struct rte_mbuf *pkts[32];

	assert_int_equal(dp_sampler_create(dp, 10, 100, &sampler), 0);
	assert_int_equal(dp_samplers_worker_comes(dp, 0), 0);
	hang(NULL);
	rec[1].n_samplers = 1;
	rec[1].samplers[0].sampler = sampler;
	rec[1].samplers[0].domain = DP_NO_DOMAIN;
	for (unsigned i = 0; i < 32; i++)
		pkts[i] = frame(&flows[i]);
	for (unsigned i = 0; i < 50; i++)
		dp_flowrec_ingress(worker[0], &port[1], pkts, 32);
	while (dp_sampler_take(sampler, 7, sample, &got) != 0)
		;
	assert_in_range(got.n, 160, 161);
	assert_int_equal(dp_sampler_dropped(sampler), 0);
	for (unsigned i = 0; i < 2000; i++)
		dp_flowrec_ingress(worker[0], &port[1], pkts, 32);
	got = (struct sampled){0};
	(void)dp_sampler_take(sampler, UINT32_MAX, sample, &got);
	assert_in_range(got.n + dp_sampler_dropped(sampler), 6399, 6401);
	assert_true(dp_sampler_dropped(sampler) != 0);
	rte_pktmbuf_free_bulk(pkts, 32);
	dp_sampler_destroy(sampler);
}

static void what_is_shown_is_not_taken(void **state)
{
	struct dp_flowrec_set *set = make_set(64, 60000, 60000, 1);
	struct rte_mbuf *there = frame(&flows[0]), *back = frame(&flows[1]);
	unsigned n = 0;

	worker[0]->burst_tsc = rte_rdtsc();
	worker[1]->burst_tsc = worker[0]->burst_tsc + 10;
	dp_flowrec_ingress(worker[0], &port[0], &there, 1);
	dp_flowrec_ingress(worker[1], &port[2], &back, 1);
	dp_flowrec_each(set, ignore, &n);
	assert_int_equal(n, 1);
	dp_flowrec_each(set, ignore, &n);
	assert_int_equal(n, 2);
	flows[0].packets = flows[1].packets = 1;
	dp_flowrec_flush(set, take, NULL);
	assert_int_equal(n_records, 1);
	all_told();
	rte_pktmbuf_free(there);
	rte_pktmbuf_free(back);
	dp_flowrec_set_destroy(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_add_up_to_what_was_sent),
		cmocka_unit_test(both_directions_by_two_workers_are_one_record),
		cmocka_unit_test(a_conversation_lives_as_long_as_one_side_speaks),
		cmocka_unit_test(a_full_table_misses_counts_and_recovers),
		cmocka_unit_test(another_domain_is_not_seen),
		cmocka_unit_test(on_a_shared_uplink_the_tag_says_whose_a_frame_is),
		cmocka_unit_test(a_closed_conversation_ends_soon_and_says_so),
		cmocka_unit_test(of_each_n_packets_one_is_counted),
		cmocka_unit_test(samples_carry_heads_and_a_full_queue_drops_them),
		cmocka_unit_test(what_is_shown_is_not_taken),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

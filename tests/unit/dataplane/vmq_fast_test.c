/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The short way of a queue of one NIC beside the general one: whatever comes, the same frames leave
 * by the same ports in the same order, and every counter says the same.  The worker stands still
 * and the test carries bursts in its place.
 */
#include "dataplane/vmq_priv.h"

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

#include "dataplane/fdb_priv.h"
#include "dataplane/port_mem.h"
#include "tests/support/test_dp.h"

#define N_PORTS	   4 /* an uplink and three NICs */
#define N_STATIONS 300
#define N_BURSTS   600
#define NIC	   1
#define SIZE	   60
#define PLAIN	   (DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD | DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN)

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_vport conf[N_PORTS];
static struct dp_worker *w;
static struct dp_vmq *vmq;
static uint64_t state;

static uint32_t rnd(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static void publish(void)
{
	static const uint16_t ids[N_PORTS] = {0, 1, 2, 3};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		if (conf[i].port == NULL)
			continue;
		view->vports[i] = aligned_alloc(64, sizeof(*view->vports[i]));
		*view->vports[i] = conf[i];
	}
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = ids};
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static void ports_open(void)
{
	struct err err = {0};

	for (unsigned i = 0; i < N_PORTS; i++) {
		const struct dp_port_opts opts = {.name = "m",
						  .kind = "mem",
						  .netns_fd = -1,
						  .n_queues = 1};

		assert_int_equal(dp_port_open(dp, &opts, &port[i], &err), 0);
		conf[i] = (struct dp_vport){.port = port[i],
					    .id = (uint16_t)i,
					    .flags = PLAIN,
					    .native_out = DP_NO_VLAN,
					    .tpid_out = rte_cpu_to_be_16(0x8100),
					    .max_frame = 1514};
		dp_vlan_add(conf[i].vlan_out, 0);
		dp_port_mem_set_link(port[i], true);
	}
}

static void mac_of(unsigned nic, uint8_t mac[6])
{
	memcpy(mac, (const uint8_t[]){2, 0, 0, 0, 1, (uint8_t)nic}, 6);
}

static void queue_give(void)
{
	struct dp_vmq_spec spec = {.nic = NIC, .n_queues = 1, .is_hw = true};
	struct err err = {0};

	mac_of(NIC, spec.mac.addr_bytes);
	assert_int_equal(dp_vmq_add(dp, &spec, &vmq, &err), 0);
}

/* 'change' says what is not as usual. */
static void open_switch(void (*change)(void))
{
	struct err err = {0};

	dp = test_dp_create(8191);
	dp_set_rebalance(dp, false);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && dp_n_workers(dp) == 0; cpu++)
		if (dp_worker_probe(cpu, &err) == 0)
			assert_int_equal(dp_worker_add(dp, cpu, &err), 0);
	ports_open();
	if (change != NULL)
		change();
	publish();
	for (unsigned nic = 1; nic < N_PORTS; nic++) {
		struct dp_fdb_entry e = {.port = (uint16_t)nic, .is_static = true};

		mac_of(nic, e.mac.addr_bytes);
		assert_int_equal(dp_fdb_add_static(dp_fdb(dp), &e, &err), 0);
	}
	queue_give();
	dp_synchronize(dp);
	dp_pause(dp);
	w = dp->workers[0];
	for (unsigned i = 1; w == NULL && i < DP_MAX_WORKERS; i++)
		w = dp->workers[i];
	w->view = atomic_load(&dp->view);
	state = 7;
}

static void close_switch(void)
{
	struct err err = {0};

	dp_vmq_remove(dp, vmq);
	memset(conf, 0, sizeof(conf));
	publish();
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	assert_int_equal(dp_worker_remove(dp, w->cpu, &err), 0);
	assert_int_equal(test_dp_in_use(dp), 0);
	test_dp_destroy(dp);
}

/* ---- Frames ---- */

enum odd {
	OTHER_NIC,
	UNKNOWN,
	BROADCAST,
	TAGGED,
	PRIORITY,
	RUNT,
	GROUP_SOURCE,
	NO_SOURCE,
	NEIGHBOUR,
	LONG,
	SEGMENTS,
	CHECKSUM,
	RESERVED,
	NEW_SOURCE,
	N_ODD,
};

static struct rte_mbuf *frame_to(unsigned nic, unsigned station)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	uint8_t *d;

	if (m == NULL)
		abort();
	m->data_len = m->pkt_len = SIZE;
	d = rte_pktmbuf_mtod(m, uint8_t *);
	memset(d, 0, SIZE);
	mac_of(nic, d);
	memcpy(d + 6, (const uint8_t[]){2, 0, 0, 9, (uint8_t)(station >> 8), (uint8_t)station}, 6);
	/* IPv4, UDP; and something of its own. */
	memcpy(d + 12, (const uint8_t[]){8, 0, 0x45, 0, 0, 46}, 6);
	d[22] = 64;
	d[23] = 17;
	d[39] = 26;
	memcpy(d + 42, &(uint32_t){rnd(UINT32_MAX)}, 4);
	return m;
}

static void make_chain(struct rte_mbuf *m)
{
	struct rte_mbuf *tail = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	if (tail == NULL)
		abort();
	tail->data_len = tail->pkt_len = 30;
	memset(rte_pktmbuf_mtod(tail, void *), 3, 30);
	assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
}

static void make_odd(struct rte_mbuf *m, enum odd odd)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);

	switch (odd) {
	case OTHER_NIC:
		mac_of(2, d);
		break;
	case UNKNOWN:
		d[3] = 77;
		break;
	case BROADCAST:
		memset(d, 0xff, 6);
		break;
	case TAGGED:
		memcpy(d + 12, (const uint8_t[]){0x81, 0, 0, 5}, 4);
		break;
	case PRIORITY:
		memcpy(d + 12, (const uint8_t[]){0x81, 0, 0x60, 0}, 4);
		break;
	case RUNT:
		rte_pktmbuf_trim(m, SIZE - 13);
		break;
	case GROUP_SOURCE:
		d[6] |= 1;
		break;
	case NO_SOURCE:
		memset(d + 6, 0, 6);
		break;
	case NEIGHBOUR:
		mac_of(3, d + 6);
		break;
	case LONG:
		m->data_len = m->pkt_len = 1523;
		memset(d + SIZE, 4, 1523 - SIZE);
		break;
	case SEGMENTS:
		make_chain(m);
		break;
	case CHECKSUM:
		m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
		m->l2_len = 14;
		m->l3_len = 20;
		break;
	case RESERVED:
		memcpy(d, (const uint8_t[]){1, 0x80, 0xc2, 0, 0, 2}, 6);
		break;
	case NEW_SOURCE:
		d[8] = 1;
		memcpy(d + 9, &(uint32_t){rnd(UINT32_MAX)}, 3);
		break;
	case N_ODD:
		break;
	}
}

/* Half of them have one frame, or some, that the short way is not for. */
static uint16_t burst_make(struct rte_mbuf **pkts)
{
	uint16_t n = (uint16_t)(1 + rnd(DP_BURST));

	for (uint16_t i = 0; i < n; i++)
		pkts[i] = frame_to(NIC, rnd(N_STATIONS));
	for (unsigned i = 0, n_odd = rnd(2) * (1 + rnd(3)); i < n_odd; i++) {
		uint16_t at = (uint16_t)rnd(n);

		rte_pktmbuf_free(pkts[at]);
		pkts[at] = frame_to(NIC, rnd(N_STATIONS));
		make_odd(pkts[at], (enum odd)rnd(N_ODD));
	}
	return n;
}

/* ---- Both ways ---- */

struct outcome {
	uint64_t sent[N_PORTS]; /* of all bytes, in order */
	uint64_t n[N_PORTS];
	struct dp_count count[N_PORTS];
	uint32_t n_learned;
	unsigned n_short; /* bursts that went the short way */
};

static void look_at(struct outcome *o, unsigned at, const struct rte_mbuf *m)
{
	uint8_t bytes[2048];
	const uint8_t *d = rte_pktmbuf_read(m, 0, m->pkt_len, bytes);

	for (uint32_t i = 0; i < m->pkt_len; i++)
		o->sent[at] = (o->sent[at] ^ d[i]) * UINT64_C(0x100000001b3);
	o->sent[at] = o->sent[at] * 31 + m->pkt_len;
	o->n[at]++;
}

static void collect(struct outcome *o)
{
	struct rte_mbuf *got[64];

	for (unsigned i = 0; i < N_PORTS; i++) {
		uint16_t n;

		while ((n = dp_port_mem_collect(port[i], got, 64)) != 0) {
			for (uint16_t k = 0; k < n; k++)
				look_at(o, i, got[k]);
			rte_pktmbuf_free_bulk(got, n);
		}
	}
}

static void carry(struct outcome *o, bool dedicated)
{
	struct rte_mbuf *pkts[DP_BURST];
	uint16_t n = burst_make(pkts);

	w->burst_tsc = rte_rdtsc();
	if (!dedicated)
		dp_l2_burst(w, w->view->vports[0], pkts, n);
	else if (rnd(2) == 0 && dp_vmq_fast(w, w->view->vports[0], &vmq->queues[0]->known, pkts, n))
		o->n_short++;
	else
		dp_vmq_burst(w, w->view->vports[0], vmq->queues[0], pkts, n);
	collect(o);
}

static struct outcome run(void (*change)(void), bool dedicated)
{
	struct outcome o = {0};

	open_switch(change);
	for (unsigned i = 0; i < N_BURSTS; i++) {
		state = i * 977 + 5; /* the same frames each time */
		carry(&o, dedicated);
	}
	dp_resume(dp);
	dp_count_refresh(dp);
	for (unsigned i = 0; i < N_PORTS; i++)
		o.count[i] = *dp_port_count(dp, (uint16_t)i);
	o.n_learned = dp_fdb(dp)->n_entries;
	close_switch();
	return o;
}

static struct outcome both(void (*change)(void))
{
	struct outcome general = run(change, false), dedicated = run(change, true);

	assert_int_equal(general.n_short, 0);
	for (unsigned i = 0; i < N_PORTS; i++) {
		assert_int_equal(dedicated.n[i], general.n[i]);
		assert_int_equal(dedicated.sent[i], general.sent[i]);
		assert_memory_equal(&dedicated.count[i], &general.count[i],
				    sizeof(general.count[i]));
	}
	assert_int_equal(dedicated.n_learned, general.n_learned);
	return dedicated;
}

static void same_frames_leave_and_all_counters_agree(void **s)
{
	struct outcome o = both(NULL);

	assert_true(o.n_short > N_BURSTS / 10);
	assert_true(o.n[NIC] > 1000 && o.n[2] > 0 && o.n_learned > N_STATIONS / 2);
}

static void nic_down(void)
{
	conf[NIC].flags &= ~DP_VP_UP;
}

static void nic_tags(void)
{
	conf[NIC].flags |= DP_VP_TAG_OUT;
}

static void nic_held(void)
{
	conf[NIC].flags |= DP_VP_HELD;
}

static void nic_in_another_vlan(void)
{
	memset(conf[NIC].vlan_out, 0, sizeof(conf[NIC].vlan_out));
}

static void both_protected(void)
{
	conf[NIC].flags |= DP_VP_PROTECTED;
	conf[0].flags |= DP_VP_PROTECTED;
}

static void uplink_down(void)
{
	conf[0].flags &= ~DP_VP_UP;
}

static void uplink_takes_tagged_only(void)
{
	conf[0].flags = (conf[0].flags & ~DP_VP_UNTAGGED_IN) | DP_VP_TAGGED_IN;
}

/* What is left to the short way: bursts of one frame, for another NIC. */
static void policy_holds_on_the_short_way_too(void **s)
{
	static void (*const changes[])(void) = {
		nic_down,
		nic_tags,
		nic_held,
		nic_in_another_vlan,
		both_protected,
		uplink_down,
		uplink_takes_tagged_only,
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_in_range(both(changes[i]).n_short, 0, N_BURSTS / 60);
}

static void uplink_learns_nothing(void)
{
	conf[0].flags &= ~DP_VP_LEARN;
}

static void nic_takes_five(void)
{
	dp_port_mem_limit(port[NIC], 5);
}

static void what_a_port_cannot_take_is_counted_the_same(void **s)
{
	both(uplink_learns_nothing);
	assert_true(both(nic_takes_five).n_short > 0);
}

/* Nothing was done with a burst that it refuses. */
static void burst_with_anything_odd_is_left_alone(void **s)
{
	struct rte_mbuf *pkts[DP_BURST];
	struct outcome o = {0};

	open_switch(NULL);
	for (unsigned station = 0; station < DP_BURST; station++)
		pkts[station] = frame_to(NIC, station);
	w->burst_tsc = rte_rdtsc();
	dp_l2_burst(w, w->view->vports[0], pkts, DP_BURST);
	collect(&o);
	assert_int_equal(o.n[NIC], DP_BURST);
	for (unsigned odd = 0; odd <= N_ODD; odd++) {
		for (unsigned at = 0; at < DP_BURST; at += DP_BURST - 1) {
			bool taken;

			for (unsigned station = 0; station < DP_BURST; station++)
				pkts[station] = frame_to(NIC, station);
			make_odd(pkts[at], (enum odd)odd);
			memset(&o, 0, sizeof(o));
			taken = dp_vmq_fast(w, w->view->vports[0], &vmq->queues[0]->known, pkts,
					    DP_BURST);
			collect(&o);
			assert_int_equal(taken, odd == N_ODD);
			assert_int_equal(o.n[NIC], taken ? DP_BURST : 0);
			if (!taken)
				rte_pktmbuf_free_bulk(pkts, DP_BURST);
		}
	}
	dp_resume(dp);
	dp_count_refresh(dp);
	assert_int_equal(dp_port_count(dp, 0)->rx_packets, 3 * DP_BURST);
	assert_int_equal(dp_port_count(dp, NIC)->tx_packets, 3 * DP_BURST);
	close_switch();
}

/* A source that goes to another port is missed for an eighth of a second at most. */
static void source_is_asked_for_again_after_a_while(void **s)
{
	struct dp_vmq_known *known;
	struct rte_mbuf *m;
	struct outcome o = {0};

	open_switch(NULL);
	known = &vmq->queues[0]->known;
	m = frame_to(NIC, 1);
	w->burst_tsc = rte_rdtsc();
	dp_l2_burst(w, w->view->vports[0], &m, 1);
	m = frame_to(NIC, 1);
	assert_true(dp_vmq_fast(w, w->view->vports[0], known, &m, 1));
	/* It speaks from behind another port. */
	m = frame_to(2, 1);
	dp_l2_burst(w, w->view->vports[3], &m, 1);
	m = frame_to(NIC, 1);
	w->burst_tsc += dp->tsc_hz / 8;
	assert_false(dp_vmq_fast(w, w->view->vports[0], known, &m, 1));
	dp_vmq_burst(w, w->view->vports[0], vmq->queues[0], &m, 1);
	collect(&o);
	assert_int_equal(o.n[NIC], 3);
	/* And all of that again when numbers of what is remembered begin anew. */
	known->generation = UINT16_MAX;
	known->until = 0;
	m = frame_to(NIC, 1);
	assert_true(dp_vmq_fast(w, w->view->vports[0], known, &m, 1));
	assert_int_equal(known->generation, 1);
	collect(&o);
	dp_resume(dp);
	close_switch();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_frames_leave_and_all_counters_agree),
		cmocka_unit_test(policy_holds_on_the_short_way_too),
		cmocka_unit_test(what_a_port_cannot_take_is_counted_the_same),
		cmocka_unit_test(burst_with_anything_odd_is_left_alone),
		cmocka_unit_test(source_is_asked_for_again_after_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

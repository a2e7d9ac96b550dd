/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Queues of NICs, with real workers: what an uplink receives for a machine comes to it, whole and
 * in order, whatever worker has its queue, while queues come, move and go; and everything is in the
 * ledger.
 *
 * 	uplink (port 0, three queues) ─► workers ─► NICs (ports 1 to 3, one transmit queue each)
 */
#include "dataplane/vmq.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/dp_priv.h"
#include "dataplane/fdb.h"
#include "dataplane/port_mem.h"
#include "dataplane/view.h"
#include "dataplane/vmq_priv.h"
#include "tests/support/test_dp.h"

#define N_PORTS	    4
#define N_NICS	    3
#define N_FLOWS	    4 /* of a NIC */
#define UPLINK	    0
#define N_FRAMES    6000u
#define MOST_ON_WAY 512 /* no ring gets full, however slow a worker is */
#define MAX_TRIES   200000
#define PLAIN	    (DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD | DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN)

struct frame {
	uint8_t dst[6], src[6];
	uint8_t type[2];
	uint16_t nic, flow;
	uint32_t seq;
	uint8_t rest[36];
} __attribute__((packed));

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_vport conf[N_PORTS];
static const uint16_t all_ports[N_PORTS] = {0, 1, 2, 3};
static unsigned n_workers;
static struct dp_worker *workers[2];
static uint32_t next_seq[N_PORTS][N_FLOWS], want_seq[N_PORTS][N_FLOWS];
static uint64_t n_sent, n_got;

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static void publish(void)
{
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
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = all_ports};
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static struct rte_ether_addr mac_of(unsigned nic)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 1, (uint8_t)nic}};
}

static void pin(unsigned nic, uint16_t vlan)
{
	struct dp_fdb_entry e = {.port = (uint16_t)nic,
				 .vlan = vlan,
				 .is_static = true,
				 .mac = mac_of(nic)};
	struct err err = {0};

	assert_int_equal(dp_fdb_add_static(dp_fdb(dp), &e, &err), 0);
}

static struct dp_port *open_port(unsigned i)
{
	const struct dp_port_opts opts = {.name = "m",
					  .kind = "mem",
					  .netns_fd = -1,
					  .n_queues = i == UPLINK ? 3 : 1};
	struct dp_port *p = NULL;
	struct err err = {0};

	if (dp_port_open(dp, &opts, &p, &err) != 0)
		fail_msg("%s", err.what);
	return p;
}

static void add_workers(void)
{
	struct err err = {0};

	/* EAL has pinned this thread to one of them. */
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && n_workers < 2; cpu++)
		if (dp_worker_probe(cpu, &err) == 0 && dp_worker_add(dp, cpu, &err) == 0)
			n_workers++;
	for (unsigned i = 0; i < n_workers; i++)
		workers[i] = dp->workers[i];
}

static int start(void **state)
{
	dp = test_dp_create(16383);
	dp_set_rebalance(dp, false);
	dp_set_max_sleep(dp, 500);
	n_workers = 0;
	add_workers();
	for (unsigned i = 0; i < N_PORTS; i++) {
		port[i] = open_port(i);
		conf[i] = (struct dp_vport){.port = port[i],
					    .id = (uint16_t)i,
					    .flags = PLAIN,
					    .native_out = DP_NO_VLAN,
					    .tpid_out = rte_cpu_to_be_16(0x8100),
					    .max_frame = 1514};
		dp_vlan_add(conf[i].vlan_out, 0);
		dp_port_mem_set_link(port[i], true);
	}
	publish();
	for (unsigned i = 1; i < N_PORTS; i++)
		pin(i, 0);
	memset(next_seq, 0, sizeof(next_seq));
	memset(want_seq, 0, sizeof(want_seq));
	n_sent = n_got = 0;
	return 0;
}

static int finish(void **state)
{
	memset(conf, 0, sizeof(conf));
	publish();
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	for (unsigned i = 0; i < n_workers; i++) {
		struct err err = {0};

		assert_int_equal(dp_worker_remove(dp, workers[i]->cpu, &err), 0);
	}
	assert_int_equal(test_dp_in_use(dp), 0);
	test_dp_destroy(dp);
	return 0;
}

/* ---- Frames ---- */

/* NICs whose frames the device brings by its third queue; the others' by the first two. */
static unsigned programmed;

static uint16_t queue_of(unsigned nic, unsigned flow)
{
	return nic == programmed ? 2 : (uint16_t)(flow % 2);
}

/* The next of a flow; a flow comes by one queue of the device. */
static bool send_one(unsigned nic, unsigned flow)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	struct frame *f;

	if (m == NULL)
		return false;
	rte_pktmbuf_append(m, sizeof(*f));
	f = rte_pktmbuf_mtod(m, struct frame *);
	*f = (struct frame){.type = {0x88, 0xb5}};
	memcpy(f->dst, mac_of(nic).addr_bytes, 6);
	memcpy(f->src, (const uint8_t[]){2, 0, 0, 0, (uint8_t)(2 + nic), (uint8_t)flow}, 6);
	f->nic = (uint16_t)nic;
	f->flow = (uint16_t)flow;
	f->seq = next_seq[nic][flow];
	if (dp_port_mem_inject(port[UPLINK], queue_of(nic, flow), &m, 1) != 1) {
		rte_pktmbuf_free(m);
		return false;
	}
	next_seq[nic][flow]++;
	n_sent++;
	return true;
}

/* In order, none twice; 'whole': none left out. */
static void look_at(const struct rte_mbuf *m, unsigned at, bool whole)
{
	const struct frame *f = rte_pktmbuf_mtod(m, const struct frame *);

	assert_int_equal(f->nic, at);
	if (whole)
		assert_int_equal(f->seq, want_seq[at][f->flow]);
	else
		assert_true(f->seq >= want_seq[at][f->flow]);
	want_seq[at][f->flow] = f->seq + 1;
}

static void collect(bool whole)
{
	struct rte_mbuf *got[64];

	for (unsigned i = 1; i < N_PORTS; i++) {
		uint16_t n = dp_port_mem_collect(port[i], got, 64);

		for (uint16_t k = 0; k < n; k++)
			look_at(got[k], i, whole);
		rte_pktmbuf_free_bulk(got, n);
		n_got += n;
	}
}

static void a_moment(void)
{
	nanosleep(&(struct timespec){0, 50000}, NULL);
}

static void collect_all(bool whole, uint64_t lost)
{
	for (int i = 0; i < MAX_TRIES && n_got + lost < n_sent; i++) {
		collect(whole);
		if (n_got + lost < n_sent)
			a_moment();
	}
	assert_int_equal(n_got + lost, n_sent);
}

static uint64_t drops(enum dp_drop reason)
{
	dp_count_refresh(dp);
	return dp_port_count(dp, UPLINK)->drops_rx[reason];
}

static void check_ledger(void)
{
	const struct dp_count *c = dp_port_count(dp, UPLINK);
	uint64_t dropped = 0;

	dp_count_refresh(dp);
	for (int i = 0; i < DP_N_DROPS; i++)
		dropped += c->drops_rx[i];
	assert_int_equal(c->rx_packets + c->copies, c->forwarded + dropped);
	assert_int_equal(c->rx_packets, n_sent);
}

/* So many frames of all NICs and flows; 'step' now and then meanwhile. */
static void traffic(unsigned n, void (*step)(unsigned i))
{
	unsigned i = 0;

	for (int tries = 0; i < n && tries < MAX_TRIES * 10; tries++) {
		if (n_sent - n_got > MOST_ON_WAY ||
		    !send_one(1 + i % N_NICS, i / N_NICS % N_FLOWS)) {
			collect(true);
			sched_yield();
			continue;
		}
		if (i % 64 == 63)
			collect(true);
		if (i % 128 == 127 && step != NULL)
			step(i / 128);
		i++;
	}
	assert_int_equal(i, n);
}

/* ---- Queues ---- */

static struct dp_vmq *vmqs[N_PORTS];

static struct dp_vmq_spec spec_of(unsigned nic, uint16_t n_queues)
{
	return (struct dp_vmq_spec){.uplink = UPLINK,
				    .nic = (uint16_t)nic,
				    .mac = mac_of(nic),
				    .n_queues = n_queues};
}

static void give_queues(unsigned nic, uint16_t n_queues)
{
	struct dp_vmq_spec spec = spec_of(nic, n_queues);
	struct err err = {0};

	if (dp_vmq_add(dp, &spec, &vmqs[nic], &err) != 0)
		fail_msg("%s", err.what);
}

static void take_queues(unsigned nic)
{
	dp_vmq_remove(dp, vmqs[nic]);
	vmqs[nic] = NULL;
}

static struct dp_vmq_info info_of(unsigned nic, uint16_t i)
{
	struct dp_vmq_info info;

	dp_vmq_queue_info(dp, vmqs[nic], i, &info);
	return info;
}

static void move_to(unsigned nic, uint16_t i, struct dp_worker *to)
{
	dp_place_move(dp, vmqs[nic]->queues[i]->rxq, to);
}

static void what_is_for_a_nic_takes_its_queue(void **state)
{
	give_queues(1, 1);
	traffic(300, NULL);
	collect_all(true, 0);
	assert_int_equal(info_of(1, 0).packets, 100);
	assert_true(info_of(1, 0).cpu >= 0);
	check_ledger();
	take_queues(1);
}

static void queue_with_the_worker_that_receives_needs_no_ring(void **state)
{
	if (n_workers > 1) {
		dp_place_move(dp, &port[UPLINK]->rxq[0], workers[0]);
		dp_place_move(dp, &port[UPLINK]->rxq[1], workers[0]);
	}
	give_queues(1, 1);
	assert_true(info_of(1, 0).at_home);
	traffic(300, NULL);
	collect_all(true, 0);
	assert_int_equal(info_of(1, 0).direct, 100);
	take_queues(1);
}

static void queue_of_another_worker_gets_it_by_its_ring(void **state)
{
	if (n_workers < 2)
		skip();
	dp_place_move(dp, &port[UPLINK]->rxq[0], workers[0]);
	dp_place_move(dp, &port[UPLINK]->rxq[1], workers[0]);
	give_queues(1, 1);
	move_to(1, 0, workers[1]);
	assert_false(info_of(1, 0).at_home);
	traffic(3000, NULL);
	collect_all(true, 0);
	assert_int_equal(info_of(1, 0).packets, 1000);
	assert_int_equal(info_of(1, 0).direct, 0);
	assert_int_equal(info_of(1, 0).cpu, workers[1]->cpu);
	check_ledger();
	take_queues(1);
}

/* A queue is with nobody first, so that frames wait in it when it goes to a worker. */
static void move_queues(unsigned i)
{
	unsigned nic = 1 + i / 2 % N_NICS;

	move_to(nic, 0, i % 2 == 0 ? NULL : workers[i / 2 / N_NICS % n_workers]);
	if (i % 5 == 0)
		dp_place_move(dp, &port[UPLINK]->rxq[i / 5 % 2], workers[i / 10 % n_workers]);
}

static void settle_queues(void)
{
	for (unsigned nic = 1; nic <= N_NICS; nic++)
		for (uint16_t i = 0; vmqs[nic] != NULL && i < vmqs[nic]->spec.n_queues; i++)
			if (info_of(nic, i).cpu < 0)
				move_to(nic, i, workers[i % n_workers]);
}

static void nothing_is_lost_or_overtaken_while_queues_move(void **state)
{
	for (unsigned nic = 1; nic <= N_NICS; nic++)
		give_queues(nic, 1);
	traffic(N_FRAMES, move_queues);
	settle_queues();
	collect_all(true, 0);
	assert_int_equal(drops(DP_DROP_VMQ_FULL), 0);
	check_ledger();
	if (n_workers > 1)
		assert_true(info_of(1, 0).moves > 0);
	for (unsigned nic = 1; nic <= N_NICS; nic++)
		take_queues(nic);
}

static void queues_come_and_go(unsigned i)
{
	unsigned nic = 1 + i / 4 % N_NICS;

	if (i % 4 == 0 && vmqs[nic] == NULL) {
		give_queues(nic, (uint16_t)(1 + i / 4 % 3));
	} else if (i % 4 == 1 && vmqs[nic] != NULL) {
		move_to(nic, 0, NULL);
	} else if (i % 4 == 2 && vmqs[nic] != NULL) {
		move_to(nic, 0, workers[i / 4 / N_NICS % n_workers]);
		if (i / 16 % 2 == 0)
			take_queues(nic);
	}
}

static void nothing_is_lost_or_overtaken_while_queues_come_and_go(void **state)
{
	traffic(N_FRAMES, queues_come_and_go);
	settle_queues();
	collect_all(true, 0);
	assert_int_equal(drops(DP_DROP_VMQ_FULL), 0);
	check_ledger();
	for (unsigned nic = 1; nic <= N_NICS; nic++)
		take_queues(nic);
}

static void flows_of_a_nic_share_its_queues(void **state)
{
	uint64_t sum = 0;

	give_queues(1, 4);
	for (uint16_t i = 0; i < 4; i++)
		move_to(1, i, workers[i % n_workers]);
	for (unsigned i = 0; i < 400; i++)
		while (!send_one(1, i % N_FLOWS))
			a_moment();
	collect_all(true, 0);
	for (uint16_t i = 0; i < 4; i++) {
		uint64_t n = info_of(1, i).packets;

		assert_int_equal(n % 100, 0); /* whole flows */
		sum += n;
	}
	assert_int_equal(sum, 400);
	take_queues(1);
}

static void ring_that_is_full_drops_and_says_so(void **state)
{
	struct dp_vmq_info info;
	uint64_t lost;

	give_queues(1, 1);
	move_to(1, 0, NULL);
	for (unsigned i = 0; i < 3 * DP_VMQ_RING; i++)
		while (!send_one(1, 0))
			a_moment();
	for (int i = 0; i < MAX_TRIES && info_of(1, 0).dropped + info_of(1, 0).waits < n_sent; i++)
		a_moment();
	info = info_of(1, 0);
	lost = info.dropped;
	assert_true(info.waits > 0 && info.waits < DP_VMQ_RING);
	assert_int_equal(info.cpu, -1);
	assert_int_equal(drops(DP_DROP_VMQ_FULL), lost);
	move_to(1, 0, workers[0]);
	collect_all(false, lost);
	check_ledger();
	take_queues(1);
}

static void rings_of_many_do_not_take_all_buffers(void **state)
{
	const uint32_t pool = 16383;

	give_queues(1, DP_VMQ_MAX_QUEUES);
	give_queues(2, DP_VMQ_MAX_QUEUES);
	give_queues(3, DP_VMQ_MAX_QUEUES);
	assert_int_equal(atomic_load(&vmqs[1]->queues[0]->limit),
			 pool / 4 / (3 * DP_VMQ_MAX_QUEUES));
	take_queues(3);
	take_queues(2);
	assert_int_equal(atomic_load(&vmqs[1]->queues[0]->limit), pool / 4 / DP_VMQ_MAX_QUEUES);
	take_queues(1);
}

/* What nobody comes for is dropped in the end: the queue goes all the same. */
static void queue_that_never_gets_empty_goes_all_the_same(void **state)
{
	give_queues(1, 1);
	move_to(1, 0, NULL);
	for (unsigned i = 0; i < 10; i++)
		assert_true(send_one(1, 0));
	for (int i = 0; i < MAX_TRIES && info_of(1, 0).waits < 10; i++)
		a_moment();
	take_queues(1);
	n_sent -= 10;
	memcpy(want_seq, next_seq, sizeof(want_seq));
	traffic(30, NULL);
	collect_all(true, 0);
}

static void uplink_that_leaves_takes_its_queues_along(void **state)
{
	give_queues(1, 2);
	give_queues(2, 1);
	move_to(1, 0, NULL);
	move_to(1, 1, NULL);
	for (unsigned i = 0; i < 50; i++)
		assert_true(send_one(1, 0));
	for (int i = 0; i < MAX_TRIES && info_of(1, 0).waits + info_of(1, 1).waits < 50; i++)
		a_moment();
	conf[UPLINK].port = NULL;
	publish();
	assert_true(dp_vmq_gone(vmqs[1]) && dp_vmq_gone(vmqs[2]));
	assert_int_equal(info_of(1, 0).cpu, -1);
	assert_int_equal(test_dp_in_use(dp), 0);
	take_queues(1);
	conf[UPLINK].port = port[UPLINK];
	publish();
	take_queues(2); /* of the port as it was */
	give_queues(1, 1);
	n_sent = 0;
	memcpy(want_seq, next_seq, sizeof(want_seq));
	traffic(30, NULL);
	collect_all(true, 0);
	take_queues(1);
}

static void tag_tells_nics_of_the_same_address_apart(void **state)
{
	struct dp_vmq_spec spec = spec_of(1, 1);
	struct err err = {0};

	spec.vid = 10;
	assert_int_equal(dp_vmq_add(dp, &spec, &vmqs[1], &err), 0);
	traffic(30, NULL);
	collect_all(true, 0);
	assert_int_equal(info_of(1, 0).packets, 0);
	take_queues(1);
}

/* What is not for the NIC goes where it goes; a source that was never seen is learned. */
static void queue_of_the_device_is_trusted_no_further(void **state)
{
	struct dp_vmq_spec spec = spec_of(1, 1);
	struct dp_fdb_entry e = {.mac = {{2, 0, 0, 0, 3, 0}}};
	struct err err = {0};

	spec.is_hw = true;
	spec.hw[0] = 0;
	assert_int_equal(dp_vmq_add(dp, &spec, &vmqs[1], &err), 0);
	for (unsigned i = 0; i < 200; i++)
		while (!send_one(1 + i % N_NICS, 0))
			a_moment();
	collect_all(true, 0);
	assert_int_equal(dp_fdb_port_of(dp_fdb(dp), &e), UPLINK);
	assert_int_equal(info_of(1, 0).packets, 200);
	check_ledger();
	/* Its neighbour in the device may be another's, itself not. */
	spec.mac = mac_of(2);
	assert_int_equal(dp_vmq_add(dp, &spec, &vmqs[2], &err), -EBUSY);
	take_queues(1);
	traffic(30, NULL);
	collect_all(true, 0);
}

/* ---- To the device's queues and back ---- */

#define MOVE_ROUNDS  30
#define MOVE_BACKLOG 128

static void backlog(void)
{
	for (unsigned i = 0; i < MOVE_BACKLOG; i++)
		while (!send_one(1, i % N_FLOWS)) {
			collect(true);
			a_moment();
		}
	collect(true);
}

/* The device does as it is told, and receives more at once. */
static int program(void *ctx, struct err *err)
{
	const unsigned *nic = ctx;

	if (nic == NULL)
		return err_set(err, -ENOSPC, "model", "its table is full");
	programmed = *nic;
	backlog();
	return 0;
}

static const unsigned to_first = 1, to_nobody;

static void *word(const unsigned *nic)
{
	return (void *)(uintptr_t)nic;
}

static struct dp_vmq_spec hw_spec(void)
{
	struct dp_vmq_spec spec = spec_of(1, 1);

	spec.is_hw = true;
	spec.hw[0] = 2;
	return spec;
}

static int go_to_device(const unsigned *nic, struct err *err)
{
	const struct dp_vmq_spec spec = hw_spec();

	return dp_vmq_to_device(dp, &spec, program, word(nic), &vmqs[1], err);
}

/* Old queue and new one are different workers': whoever is slow is overtaken, unless waited for. */
static void apart(unsigned round)
{
	for (uint16_t i = 0; i < 3 && n_workers == 2; i++)
		dp_place_move(dp, &port[UPLINK]->rxq[i], workers[(i / 2 + round) % 2]);
}

static void to_the_device_and_back_without_loss_or_overtaking(void **state)
{
	struct err err = {0};

	for (unsigned i = 0; i < MOVE_ROUNDS; i++) {
		apart(i);
		if (i % 2 == 0)
			give_queues(1, 1 + i / 2 % 2);
		backlog();
		if (go_to_device(&to_first, &err) != 0)
			fail_msg("%s", err.what);
		assert_true(dp_vmq_spec(vmqs[1])->is_hw);
		assert_true(info_of(1, 0).cpu >= 0);
		collect_all(true, 0);
		apart(i);
		backlog();
		assert_int_equal(dp_vmq_from_device(dp, program, word(&to_nobody), &vmqs[1], &err),
				 0);
		assert_false(dp_vmq_spec(vmqs[1])->is_hw);
		backlog();
		take_queues(1);
		backlog();
		collect_all(true, 0);
	}
	check_ledger();
}

static void device_that_refuses_leaves_queues_as_they_were(void **state)
{
	struct err err = {0};

	give_queues(1, 2);
	for (unsigned i = 0; i < 5; i++) {
		const struct dp_vmq *before = vmqs[1];

		backlog();
		assert_int_equal(go_to_device(NULL, &err), -ENOSPC);
		assert_string_equal(err.slug, "model");
		assert_ptr_equal(vmqs[1], before);
		assert_null(atomic_load(&port[UPLINK]->rxq[2].vmq));
		assert_non_null(dp_place_find(dp, &port[UPLINK]->rxq[2]));
		collect_all(true, 0);
	}
	take_queues(1);
	assert_int_equal(go_to_device(NULL, &err), -ENOSPC);
	assert_null(vmqs[1]);
}

/* What it brings by the queue all the same goes on in order, with the rest. */
static void device_that_keeps_its_rule_loses_the_queue(void **state)
{
	struct err err = {0};

	assert_int_equal(go_to_device(&to_first, &err), 0);
	backlog();
	assert_int_equal(dp_vmq_from_device(dp, program, NULL, &vmqs[1], &err), -ENOSPC);
	assert_false(dp_vmq_spec(vmqs[1])->is_hw);
	backlog();
	collect_all(true, 0);
	take_queues(1);
	backlog();
	collect_all(true, 0);
	programmed = 0;
	check_ledger();
}

static void expect_refusal(struct dp_vmq_spec spec, int rc, const char *slug)
{
	struct dp_vmq *vmq = NULL;
	struct err err = {0};

	assert_int_equal(dp_vmq_add(dp, &spec, &vmq, &err), rc);
	assert_string_equal(err.slug, slug);
	assert_null(vmq);
}

static void nonsense_is_refused(void **state)
{
	struct dp_vmq_spec spec = spec_of(1, 0);

	expect_refusal(spec, -EINVAL, "vmq-range");
	spec.n_queues = DP_VMQ_MAX_QUEUES + 1;
	expect_refusal(spec, -EINVAL, "vmq-range");
	spec.n_queues = 1;
	spec.vid = 4096;
	expect_refusal(spec, -EINVAL, "vmq-range");
	spec.vid = 0;
	spec.mac.addr_bytes[0] = 1;
	expect_refusal(spec, -EINVAL, "vmq-range");
	spec.mac = mac_of(1);
	spec.uplink = 77;
	expect_refusal(spec, -ENOENT, "vmq-uplink");
	spec.uplink = UINT16_MAX;
	expect_refusal(spec, -ENOENT, "vmq-uplink");
	spec.uplink = UPLINK;
	spec.is_hw = true;
	spec.hw[0] = 3;
	expect_refusal(spec, -EINVAL, "vmq-range");
	give_queues(1, 1);
	expect_refusal(spec_of(1, 1), -EEXIST, "vmq-exists");
	take_queues(1);
	dp_vmq_remove(dp, NULL);
}

static void load(struct dp_rxq *q, double share)
{
	struct dp_placed *p = &dp->placed[dp_place_find(dp, q) - dp->placed];

	p->seen_cycles = atomic_load(&q->busy_cycles) - (uint64_t)(share * (double)dp->tsc_hz / 4);
}

static void tick(void)
{
	dp_place_tick(dp, dp->last_balance_ns + 250000000);
}

static void queues_follow_load_and_come_home_when_there_is_none(void **state)
{
	bool away = false;

	if (n_workers < 2)
		skip();
	dp_place_move(dp, &port[UPLINK]->rxq[0], workers[0]);
	dp_place_move(dp, &port[UPLINK]->rxq[1], workers[0]);
	for (unsigned nic = 1; nic <= N_NICS; nic++)
		give_queues(nic, 1);
	dp->last_balance_ns = 1000000000u;
	dp_set_rebalance(dp, true);
	for (unsigned i = 0; i < 4; i++) {
		load(&port[UPLINK]->rxq[0], 0.3);
		for (unsigned nic = 1; nic <= N_NICS; nic++)
			load(vmqs[nic]->queues[0]->rxq, 0.2);
		tick();
	}
	for (unsigned nic = 1; nic <= N_NICS; nic++)
		away |= !info_of(nic, 0).at_home;
	assert_true(away);
	for (unsigned i = 0; i < 8; i++)
		tick();
	for (unsigned nic = 1; nic <= N_NICS; nic++) {
		assert_true(info_of(nic, 0).at_home);
		take_queues(nic);
	}
	dp_set_rebalance(dp, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_for_a_nic_takes_its_queue),
		TEST(queue_with_the_worker_that_receives_needs_no_ring),
		TEST(queue_of_another_worker_gets_it_by_its_ring),
		TEST(nothing_is_lost_or_overtaken_while_queues_move),
		TEST(nothing_is_lost_or_overtaken_while_queues_come_and_go),
		TEST(flows_of_a_nic_share_its_queues),
		TEST(ring_that_is_full_drops_and_says_so),
		TEST(rings_of_many_do_not_take_all_buffers),
		TEST(queue_that_never_gets_empty_goes_all_the_same),
		TEST(uplink_that_leaves_takes_its_queues_along),
		TEST(tag_tells_nics_of_the_same_address_apart),
		TEST(queue_of_the_device_is_trusted_no_further),
		TEST(to_the_device_and_back_without_loss_or_overtaking),
		TEST(device_that_refuses_leaves_queues_as_they_were),
		TEST(device_that_keeps_its_rule_loses_the_queue),
		TEST(nonsense_is_refused),
		TEST(queues_follow_load_and_come_home_when_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

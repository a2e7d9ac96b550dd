/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a receive queue of its own does for a machine's NIC (dataplane/vmq.h): an uplink of a
 * learning switch, eight NICs, sources that are 1000 stations or one router.
 *
 * 	rxq_bench		all there is
 * 	rxq_bench one		with one worker
 * 	rxq_bench CASE ROUNDS	one case's bursts, for callgrind
 *
 * One worker: cycles of the time stamp counter for a packet, from the uplink's driver to the NIC's,
 * both included.  Each burst of 32 is timed alone and all cases take turns in one run, so that what
 * disturbs one disturbs all; the worker stands still, and this thread does what its loop does.
 *
 * 	shared     the uplink's queue for everybody
 * 	dedicated  a queue of the device for each NIC, in turn
 *
 * NICs: 'sink' frees what it is given; 'guest' is a synthetic NIC, whose guest takes its frames
 * between bursts and whose completions are read by the worker.
 *
 * Two workers: frames that reach NICs, with real threads, beside one worker, software queues and as
 * the switch places them.  A guest's part is done where the frame is sent, so that two cores are
 * enough.  Rates are frames a second of the time that workers had a core, on average: where others
 * use the cores they are too low for two, since what one gives the other while that one waits for
 * its core is lost.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_eal.h>

#include "dataplane/dp_priv.h"
#include "dataplane/fdb.h"
#include "dataplane/vmq_priv.h"
#include "tests/bench/bench_frame.h"
#include "tests/support/nicguest.h"
#include "vmbus/nvsp.h"

#define N_NICS	  8u
#define N_PORTS	  (1 + N_NICS)
#define N_SOURCES 1000u
#define N_FRAMES  4096u /* a pattern; then again */
#define N_ROUNDS  2000u
#define N_WINDOWS 40u
#define WINDOW_NS 50000000

#define PLAIN (DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD | DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN)

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct nicguest *guests[N_PORTS];
static struct dp_vmq *vmqs[N_PORTS];
static _Atomic bool to_guests, flows;
static bool inline_guests;

static void must(int rc, const struct err *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "rxq_bench: %s\n", err->what);
	_Exit(1);
}

/* ---- The wire ---- */

/* Frames that a queue of the uplink receives, and the next of them. */
struct pattern {
	uint32_t next;
	uint8_t frames[N_FRAMES][64];
};

/* [one NIC, all mixed, each its own in turn][stations, router] */
enum { ONE, MIXED, OWN, N_PATTERNS = OWN + N_NICS };
static struct pattern *patterns[N_PATTERNS][2];
static struct pattern *_Atomic on_queue[1 + N_NICS];

static void mac_of(unsigned nic, uint8_t mac[6])
{
	memcpy(mac, (const uint8_t[]){2, 0, 0, 0, 1, (uint8_t)nic}, 6);
}

static void source_mac(unsigned i, uint8_t mac[6])
{
	memcpy(mac, (const uint8_t[]){2, 0, 0, 1, (uint8_t)(i >> 8), (uint8_t)i}, 6);
}

static struct pattern *pattern_make(unsigned kind, bool router)
{
	struct pattern *p = aligned_alloc(64, sizeof(*p));
	uint8_t bytes[BENCH_FRAME_SIZE];

	if (p == NULL)
		_Exit(1);
	memset(p, 0, sizeof(*p));
	for (uint32_t i = 0; i < N_FRAMES; i++) {
		uint32_t nic, source;

		bench_frame_make(bytes, i);
		nic = bench_rnd() >> 16;
		source = bench_rnd() >> 8;
		nic = kind == MIXED ? 1 + nic % N_NICS : kind == ONE ? 1 : 1 + kind - OWN;
		memcpy(p->frames[i], bytes, sizeof(bytes));
		mac_of(nic, p->frames[i]);
		source_mac(router ? 0 : source % N_SOURCES, p->frames[i] + 6);
	}
	return p;
}

static void patterns_make(void)
{
	for (unsigned kind = 0; kind < N_PATTERNS; kind++)
		for (unsigned router = 0; router < 2; router++)
			patterns[kind][router] = pattern_make(kind, router != 0);
}

/* A driver: buffers of the pool, into which the device has put frames. */
static uint16_t wire_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct pattern *p = atomic_load_explicit(&on_queue[q->index], memory_order_acquire);

	if (p == NULL || !atomic_load_explicit(&flows, memory_order_acquire) ||
	    rte_pktmbuf_alloc_bulk(dp_pool(dp, 0, false), pkts, n) != 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		pkts[i]->data_len = BENCH_FRAME_SIZE;
		pkts[i]->pkt_len = BENCH_FRAME_SIZE;
		memcpy(rte_pktmbuf_mtod(pkts[i], void *), p->frames[p->next], 64);
		p->next = (p->next + 1) % N_FRAMES;
	}
	return n;
}

/* ---- NICs ---- */

/* The guest's: reads all, and gives sections back. */
static void guest_takes(struct nicguest *g)
{
	const struct nvsp_rndis_complete msg = {NVSP_RNDIS_COMPLETE, NVSP_STATUS_SUCCESS};
	struct nicguest_channel *c = &g->channels[0];
	struct vmbus_packet p;

	vmbus_in_begin(&c->in);
	vmbus_out_begin(&c->out);
	while (vmbus_in_next(&c->in, &p))
		if (p.desc.type == VMBUS_PKT_TRANSFER_PAGES)
			vmbus_out_put(&c->out, VMBUS_PKT_COMPLETION, 0, p.desc.transaction_id, NULL,
				      0, &msg, sizeof(msg));
	vmbus_in_end(&c->in);
	vmbus_out_end(&c->out);
}

/* The worker's: it polls the NIC. */
static void read_completions(struct nicguest *g)
{
	struct rte_mbuf *pkts[DP_BURST];
	uint16_t bad = 0;

	vmq_queue_from_guest(g->channels[0].queue, dp_pool(dp, 0, false), pkts, DP_BURST, &bad);
}

static bool touched[N_PORTS];

static uint16_t nic_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct nicguest *g = guests[q->port->id];

	if (!atomic_load_explicit(&to_guests, memory_order_relaxed)) {
		rte_pktmbuf_free_bulk(pkts, n);
		return n;
	}
	n = vmq_path_to_guest(&g->path, pkts, n, &q->refused);
	if (inline_guests) {
		guest_takes(g);
		read_completions(g);
	} else {
		touched[q->port->id] = true;
	}
	return n;
}

/* ---- The switch ---- */

static void view_destroy(struct dp_view *view)
{
}

static void publish(void)
{
	static const uint16_t ids[N_PORTS] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_vport *v = aligned_alloc(64, sizeof(*v));

		*v = (struct dp_vport){.port = port[i],
				       .id = (uint16_t)i,
				       .flags = PLAIN,
				       .native_out = DP_NO_VLAN,
				       .tpid_out = rte_cpu_to_be_16(0x8100),
				       .max_frame = 1514};
		dp_vlan_add(v->vlan_out, 0);
		view->vports[i] = v;
	}
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = ids};
	must(dp_view_publish(dp, view, &err), &err);
}

/* Polled: this wire wakes nobody. */
static void wire_up(struct dp_rxq *q)
{
	q->rx = wire_rx;
	q->arm = NULL;
	q->wake_fd = -1;
}

static void ports_open(void)
{
	struct err err = {0};

	for (unsigned i = 0; i < N_PORTS; i++) {
		const struct dp_port_opts opts = {.name = "m",
						  .kind = "mem",
						  .netns_fd = -1,
						  .n_queues = i == 0 ? 1 + N_NICS : 2};

		must(dp_port_open(dp, &opts, &port[i], &err), &err);
		for (uint16_t k = 0; i == 0 && k < port[i]->n_rxq; k++)
			wire_up(&port[i]->rxq[k]);
		if (i == 0)
			continue;
		port[i]->tx = nic_tx;
		guests[i] =
			nicguest_create(&(struct nicguest_opts){.ring_pages = 129, .n_recv = 1024});
		atomic_store(&guests[i]->channels[0].to.hdr->mask, 1); /* it polls */
	}
}

static void pin_nics(void)
{
	struct err err = {0};

	for (unsigned nic = 1; nic <= N_NICS; nic++) {
		struct dp_fdb_entry e = {.port = (uint16_t)nic, .is_static = true};

		mac_of(nic, e.mac.addr_bytes);
		must(dp_fdb_add_static(dp_fdb(dp), &e, &err), &err);
	}
}

static void queues_give(bool hw)
{
	struct err err = {0};

	for (unsigned nic = 1; nic <= N_NICS; nic++) {
		struct dp_vmq_spec spec = {.nic = (uint16_t)nic,
					   .n_queues = 1,
					   .is_hw = hw,
					   .hw = {(uint16_t)nic}};

		mac_of(nic, spec.mac.addr_bytes);
		must(dp_vmq_add(dp, &spec, &vmqs[nic], &err), &err);
	}
}

static void queues_take(void)
{
	for (unsigned nic = 1; nic <= N_NICS; nic++)
		dp_vmq_remove(dp, vmqs[nic]);
}

static void start(void)
{
	static char args[][16] = {"rxq_bench", "--no-huge",   "--no-pci",	"-m",
				  "512",       "--no-shconf", "--no-telemetry", "--log-level=3"};
	const struct dp_opts opts = {.n_mbufs = 32767, .fdb_size = 4096};
	char *argv[sizeof(args) / sizeof(args[0]) + 1] = {NULL};
	struct err err = {0};

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		argv[i] = args[i];
	if (rte_eal_init((int)(sizeof(args) / sizeof(args[0])), argv) < 0)
		_Exit(1);
	must(dp_create(&opts, &dp, &err), &err);
	dp_set_rebalance(dp, false);
	patterns_make();
	ports_open();
}

/* ---- One worker ---- */

static struct bench_case {
	const char *name;
	bool dedicated, guest, router;
	unsigned n_nics;
	uint64_t took[N_ROUNDS];
} cases[] = {
#define PAIR(what, n, g, r)                                                                        \
	{.name = "shared    " what, .n_nics = n, .guest = g, .router = r},                         \
	{                                                                                          \
		.name = "dedicated " what, .n_nics = n, .guest = g, .router = r, .dedicated = true \
	}
	PAIR("1 sink,   1000 stations", 1, false, false),
	PAIR("1 sink,   a router", 1, false, true),
	PAIR("1 guest,  1000 stations", 1, true, false),
	PAIR("1 guest,  a router", 1, true, true),
	PAIR("8 sinks,  1000 stations", 8, false, false),
	PAIR("8 sinks,  a router", 8, false, true),
	PAIR("8 guests, 1000 stations", 8, true, false),
	PAIR("8 guests, a router", 8, true, true),
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static struct dp_worker *worker;

/* As the worker's loop does. */
static void poll_queue(struct dp_rxq *q)
{
	struct rte_mbuf *pkts[DP_BURST];
	const struct dp_vport *in = worker->view->vports[0];
	struct dp_vmq_queue *vq = atomic_load_explicit(&q->vmq, memory_order_acquire);
	uint16_t n = q->rx(q, pkts, DP_BURST);
	uint64_t bytes = 0;

	worker->burst_tsc = rte_rdtsc();
	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	atomic_store_explicit(&q->packets, q->packets + n, memory_order_relaxed);
	atomic_store_explicit(&q->bytes, q->bytes + bytes, memory_order_relaxed);
	if (vq != NULL)
		dp_vmq_burst(worker, in, vq, pkts, n);
	else
		dp_l2_burst(worker, in, pkts, n);
}

static uint64_t burst(const struct bench_case *c, unsigned r)
{
	uint16_t q = (uint16_t)(c->dedicated ? 1 + r % c->n_nics : 0);
	unsigned kind = c->dedicated ? OWN + q - 1u : c->n_nics == 1 ? ONE : MIXED;
	uint64_t at, took;

	on_queue[q] = patterns[kind][c->router];
	to_guests = c->guest;
	at = rte_rdtsc();
	poll_queue(&port[0]->rxq[q]);
	took = rte_rdtsc() - at;
	for (unsigned i = 1; i < N_PORTS; i++)
		if (touched[i])
			guest_takes(guests[i]);
	at = rte_rdtsc();
	for (unsigned i = 1; i < N_PORTS; i++)
		if (touched[i])
			read_completions(guests[i]);
	took += c->guest ? rte_rdtsc() - at : 0;
	memset(touched, 0, sizeof(touched));
	return took;
}

static void sleep_for_ever(int sig)
{
	for (;;)
		pause();
}

static void stand_still(void)
{
	dp_synchronize(dp);
	dp_pause(dp);
	worker = dp->workers[0] != NULL ? dp->workers[0] : dp->workers[1];
	signal(SIGUSR1, sleep_for_ever);
	pthread_kill(worker->thread, SIGUSR1);
	worker->view = atomic_load(&dp->view);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* All stations are known from the first rounds on. */
static void one_worker(void)
{
	for (unsigned i = 0; i < 1000; i++)
		burst(&cases[0], i);
	for (unsigned r = 0; r < N_ROUNDS; r++) {
		for (unsigned c = 0; c < N_CASES; c++) {
			/* The first bring code and tables back. */
			for (unsigned k = 0; k < N_NICS; k++)
				burst(&cases[c], r + 1 + k);
			cases[c].took[r] = burst(&cases[c], r);
		}
	}
	for (unsigned c = 0; c < N_CASES; c++) {
		uint64_t *took = cases[c].took;

		qsort(took, N_ROUNDS, sizeof(took[0]), by_value);
		printf("%-34s median %6.1f, best %6.1f cycles a packet", cases[c].name,
		       (double)took[N_ROUNDS / 2] / DP_BURST,
		       (double)took[N_ROUNDS / 100] / DP_BURST);
		if (cases[c].dedicated)
			printf("  %4.2f, %4.2f times the shared path",
			       (double)cases[c - 1].took[N_ROUNDS / 2] / (double)took[N_ROUNDS / 2],
			       (double)cases[c - 1].took[N_ROUNDS / 100] /
				       (double)took[N_ROUNDS / 100]);
		printf("\n");
	}
}

/* ---- Two workers ---- */

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t delivered(void)
{
	uint64_t n = 0;

	for (unsigned i = 1; i < N_PORTS; i++)
		for (uint16_t k = 0; k < port[i]->n_txq; k++)
			n += atomic_load(&port[i]->txq[k].packets);
	return n;
}

static uint64_t cpu_ns(unsigned i)
{
	clockid_t clock;

	if (dp->workers[i] == NULL || pthread_getcpuclockid(dp->workers[i]->thread, &clock) != 0)
		return 0;
	return now_ns(clock);
}

/* Frames a millisecond. */
static uint64_t window(void)
{
	uint64_t before = cpu_ns(0) + cpu_ns(1), n = delivered(), took;

	nanosleep(&(struct timespec){0, WINDOW_NS}, NULL);
	n = delivered() - n;
	took = (cpu_ns(0) + cpu_ns(1) - before) / dp_n_workers(dp);
	return took != 0 ? n * 1000000 / took : 0;
}

/* The median. */
static double rate(const char *what)
{
	uint64_t seen[N_WINDOWS];

	for (unsigned i = 0; i < N_WINDOWS; i++)
		seen[i] = window();
	qsort(seen, N_WINDOWS, sizeof(seen[0]), by_value);
	printf("%-34s median %6.2f, best %6.2f Mpps\n", what, (double)seen[N_WINDOWS / 2] / 1000,
	       (double)seen[N_WINDOWS - 1] / 1000);
	return (double)seen[N_WINDOWS / 2];
}

/* The switch looks at loads four times a second. */
static void balance(void)
{
	unsigned n = 0;

	dp_set_rebalance(dp, true);
	for (unsigned i = 0; i < 16; i++) {
		nanosleep(&(struct timespec){0, 260000000}, NULL);
		dp_place_tick(dp, now_ns(CLOCK_MONOTONIC));
	}
	dp_set_rebalance(dp, false);
	for (unsigned nic = 1; nic <= N_NICS; nic++) {
		struct dp_vmq_info info;

		dp_vmq_queue_info(dp, vmqs[nic], 0, &info);
		n += info.at_home;
	}
	printf("%-34s %u of %u queues are with the worker that receives\n", "", n, N_NICS);
}

static void two_workers(const unsigned *cpus, bool guest)
{
	const char *to = guest ? "to guests" : "to sinks";
	struct err err = {0};
	double one, two;

	to_guests = guest;
	on_queue[0] = patterns[MIXED][0];
	flows = true;
	printf("%s:\n", to);
	rate("  shared, one worker");
	queues_give(false);
	one = rate("  software queues, one worker");
	must(dp_worker_add(dp, cpus[1], &err), &err);
	balance();
	two = rate("  software queues, two workers");
	if (one > 0 && two > 0)
		printf("%-34s %.2f times one worker\n", "", two / one);
	flows = false;
	nanosleep(&(struct timespec){0, 50000000}, NULL);
	queues_take();
	must(dp_worker_remove(dp, cpus[1], &err), &err);
}

int main(int argc, char **argv)
{
	unsigned cpus[2], n_cpus = 0;
	struct err err = {0};

	setvbuf(stdout, NULL, _IOLBF, 0);
	start();
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && n_cpus < 2; cpu++)
		if (dp_worker_probe(cpu, &err) == 0)
			cpus[n_cpus++] = cpu;
	must(dp_worker_add(dp, cpus[0], &err), &err);
	publish();
	pin_nics();
	if (n_cpus < 2 || argc > 1) {
		printf("two workers: not measured\n");
	} else {
		inline_guests = true;
		two_workers(cpus, true);
		two_workers(cpus, false);
		inline_guests = false;
	}
	stand_still();
	flows = true;
	for (unsigned nic = 1; nic <= N_NICS; nic++)
		on_queue[nic] = NULL;
	queues_give(true);
	if (argc == 3 && (unsigned)atoi(argv[1]) < N_CASES)
		for (unsigned r = 0; r < (unsigned)atoi(argv[2]); r++)
			burst(&cases[atoi(argv[1])], r);
	else
		one_worker();
	fflush(stdout);
	_Exit(0);
}

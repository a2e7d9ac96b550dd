/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A module whose program is swapped while a real worker runs it at full rate: frames with sequence
 * numbers go through one port's chain into another port.  Each is treated once, by one program or
 * the other, and none is lost or out of order; the same while workers come and go.
 */
#include "filters/chain_priv.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "dataplane/view.h"
#include "tests/support/test_dp.h"

#define N_PORTS	  2
#define N_SWAPS	  300u
#define IN_FLIGHT 512u
#define TREATED	  20 /* offsets in a frame */
#define NUMBER	  24

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct filter_modules *set;
static struct dp_filter_chain *chain;
static struct filter_module *module;
static int cpus[2] = {-1, -1};

/* ---- The switch ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static void publish(bool with_ports)
{
	static const uint16_t ports[N_PORTS] = {0, 1};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		view->vports[i] = aligned_alloc(64, sizeof(*view->vports[i]));
		*view->vports[i] = (struct dp_vport){.port = with_ports ? port[i] : NULL,
						     .id = (uint16_t)i,
						     .flags = DP_VP_UP | DP_VP_FLOOD |
							      DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN,
						     .native_out = DP_NO_VLAN,
						     .max_frame = 1514};
		dp_vlan_add(view->vports[i]->vlan_out, 0);
	}
	view->vports[0]->filters[DP_FILTER_INGRESS] = chain;
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = ports};
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static void wait_for_workers(void *arg)
{
	dp_synchronize(arg);
}

/* ---- Two programs ---- */

static uint64_t treat(struct ebpf_ctx *ctx, uint8_t by)
{
	ctx->data[TREATED] = (uint8_t)(ctx->data[TREATED] + 1);
	ctx->data[TREATED + 1] = by;
	return EBPF_PASS;
}

static uint64_t first(struct ebpf_ctx *ctx)
{
	return treat(ctx, 1);
}

static uint64_t second(struct ebpf_ctx *ctx)
{
	return treat(ctx, 2);
}

#define DOES (EBPF_READS_CTX | EBPF_READS_BYTES | EBPF_WRITES_PACKET)

static struct ebpf_prog programs[] = {{.code = first, .does = DOES, .refs = 1},
				      {.code = second, .does = DOES, .refs = 1}};

static struct filter_current *current_of(unsigned i)
{
	return filter_current_create(&programs[i % 2], 0, FILTER_BYPASS);
}

/* ---- Traffic ---- */

static struct traffic {
	_Atomic bool stop;
	_Atomic uint32_t sent, got, wrong, by[3];
	bool in_order;
} traffic;

static void send_one(uint32_t number)
{
	static const uint8_t head[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
					 0,    0,    0,	   0,	 1,    0x88, 0xb5};
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	uint8_t *d;

	if (m == NULL)
		return;
	m->data_len = 60;
	m->pkt_len = 60;
	d = rte_pktmbuf_mtod(m, uint8_t *);
	memset(d, 0, 60);
	memcpy(d, head, sizeof(head));
	memcpy(d + NUMBER, &number, sizeof(number));
	if (dp_port_mem_inject(port[0], 0, &m, 1) == 1)
		traffic.sent++;
	else
		rte_pktmbuf_free(m);
}

static void take_all(void)
{
	struct rte_mbuf *m[64];
	uint16_t n = dp_port_mem_collect(port[1], m, 64);

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *d = rte_pktmbuf_mtod(m[i], const uint8_t *);
		uint32_t number;

		memcpy(&number, d + NUMBER, sizeof(number));
		if (d[TREATED] != 1 || (traffic.in_order && number != traffic.got))
			traffic.wrong++;
		if (d[TREATED + 1] < 3)
			traffic.by[d[TREATED + 1]]++;
		traffic.got++;
		rte_pktmbuf_free(m[i]);
	}
}

static void *traffic_main(void *arg)
{
	while (!traffic.stop) {
		for (unsigned i = 0; i < 32 && traffic.sent - traffic.got < IN_FLIGHT; i++)
			send_one(traffic.sent);
		take_all();
		if (traffic.sent - traffic.got >= IN_FLIGHT)
			sched_yield();
	}
	for (int i = 0; i < 50000 && traffic.got != traffic.sent; i++) {
		take_all();
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	return NULL;
}

static void with_traffic(bool in_order, void (*change)(void))
{
	struct filter_module_stats before, after;
	pthread_t thread;

	filter_module_stats(module, &before);
	memset(&traffic, 0, sizeof(traffic));
	traffic.in_order = in_order;
	assert_int_equal(pthread_create(&thread, NULL, traffic_main, NULL), 0);
	change();
	traffic.stop = true;
	pthread_join(thread, NULL);
	filter_module_stats(module, &after);
	assert_int_equal(traffic.got, traffic.sent);
	assert_int_equal(traffic.wrong, 0);
	assert_int_equal(after.packets - before.packets, traffic.sent);
}

/* ---- Tests ---- */

static void swap_often(void)
{
	for (unsigned i = 0; i < N_SWAPS; i++) {
		uint32_t at = traffic.got;

		filter_module_put_current(module, current_of(i + 1));
		/* Some frames under each. */
		for (unsigned k = 0; k < 200 && traffic.got == at; k++)
			nanosleep(&(struct timespec){0, 50000}, NULL);
	}
}

static void swap_under_traffic_loses_doubles_and_disorders_nothing(void **state)
{
	with_traffic(true, swap_often);
	assert_true(traffic.by[1] != 0 && traffic.by[2] != 0);
	assert_int_equal(traffic.by[0], 0);
}

static void add_and_remove_worker(void)
{
	struct err err = {0};

	for (unsigned i = 0; i < 10; i++) {
		if (dp_worker_add(dp, (unsigned)cpus[1], &err) != 0)
			fail_msg("%s", err.what);
		nanosleep(&(struct timespec){0, 5000000}, NULL);
		assert_int_equal(dp_worker_remove(dp, (unsigned)cpus[i % 2], &err), 0);
		if (i % 2 == 0)
			assert_int_equal(dp_worker_add(dp, (unsigned)cpus[0], &err), 0);
		if (i % 2 == 0)
			assert_int_equal(dp_worker_remove(dp, (unsigned)cpus[1], &err), 0);
		filter_modules_tick(set);
		nanosleep(&(struct timespec){0, 5000000}, NULL);
	}
}

static void workers_come_and_go_while_filters_run(void **state)
{
	if (cpus[1] < 0) {
		print_message("one processor only\n");
		skip();
	}
	with_traffic(false, add_and_remove_worker);
}

static void refused_program_changes_nothing(void **state)
{
	static const char garbage[] = "this is no object";
	const struct filter_module_opts opts = {.elf = garbage, .size = sizeof(garbage)};
	const struct ebpf_prog *before = filter_module_prog(module);
	struct err err = {0};

	assert_true(filter_module_swap(module, &opts, &err) < 0);
	assert_string_equal(err.slug, "bad-object");
	assert_ptr_equal(filter_module_prog(module), before);
}

/* ---- */

static void find_cpus(void)
{
	cpu_set_t mine;
	int n = 0;

	sched_getaffinity(0, sizeof(mine), &mine);
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &mine))
			cpus[n++] = cpu;
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1"};
	struct filter_slot slot = {.role = FILTER_ROLE_FILTER};
	struct filter_modules_opts opts = {.n_cpus = 64, .wait = wait_for_workers};
	struct err err = {0};

	find_cpus();
	dp = test_dp_create(4095);
	opts.arg = dp;
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_port_opts o = {.name = names[i],
					 .kind = "mem",
					 .netns_fd = -1,
					 .n_queues = 1};

		if (dp_port_open(dp, &o, &port[i], &err) != 0)
			return -1;
		dp_port_mem_set_link(port[i], true);
	}
	if (filter_modules_create(&opts, &set, &err) != 0 ||
	    filter_module_make(set, "one", current_of(0), NULL, &module, &err) != 0)
		return -1;
	slot.module = module;
	chain = filter_chain_create(&slot, 1);
	publish(true);
	dp_set_max_sleep(dp, 50);
	return dp_worker_add(dp, (unsigned)cpus[0], &err);
}

static int finish(void **state)
{
	unsigned left;

	publish(false);
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	filter_chain_destroy(chain);
	filter_modules_destroy(set);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(swap_under_traffic_loses_doubles_and_disorders_nothing),
		cmocka_unit_test(workers_come_and_go_while_filters_run),
		cmocka_unit_test(refused_program_changes_nothing),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

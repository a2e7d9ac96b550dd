/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames that a program sends by a device map, through a real switch: to one port and to all, past
 * programs on the way out, not to another tenant, and each receiver has its own copy of what such a
 * program changes.
 */
#include "filters/chain_priv.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "dataplane/view.h"
#include "filters/ebpf/helper.h"
#include "tests/support/test_dp.h"

#define N_PORTS	  4
#define KEY	  20 /* offsets in a frame: what the program is to ask of the map */
#define FLAGS	  21
#define BROADCAST 1
#define EXCLUDE	  2
#define MARK	  30

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct filter_modules *set;
static struct dp_filter_chain *chain;
static struct filter_module *module;
static struct ebpf_map *map;
static uint64_t n_received;

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view->domains[1]);
	free(view);
}

/* Port 2 is another tenant's. */
static void publish(bool with_ports)
{
	static const uint16_t ports[2][3] = {{0, 1, 3}, {2}};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 2, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++) {
		view->vports[i] = aligned_alloc(64, sizeof(*view->vports[i]));
		*view->vports[i] = (struct dp_vport){.port = with_ports ? port[i] : NULL,
						     .id = (uint16_t)i,
						     .domain = i == 2,
						     .flags = DP_VP_UP | DP_VP_FLOOD |
							      DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN,
						     .native_out = DP_NO_VLAN,
						     .max_frame = 1514};
		dp_vlan_add(view->vports[i]->vlan_out, 0);
	}
	view->vports[0]->filters[DP_FILTER_INGRESS] = chain;
	for (uint16_t i = 0; i < 2; i++) {
		view->domains[i] = calloc(1, sizeof(*view->domains[i]));
		*view->domains[i] = (struct dp_domain){.id = i,
						       .n_ports = (uint16_t)(i == 0 ? 3 : 1),
						       .ports = ports[i]};
	}
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

/* ---- Programs ---- */

static uint64_t send(struct ebpf_ctx *ctx)
{
	const uint64_t flags =
		((ctx->data[FLAGS] & BROADCAST) != 0 ? (uint64_t)BPF_F_BROADCAST : 0) |
		((ctx->data[FLAGS] & EXCLUDE) != 0 ? (uint64_t)BPF_F_EXCLUDE_INGRESS : 0);

	return ebpf_helper(BPF_FUNC_redirect_map)->fn((uintptr_t)map, ctx->data[KEY], flags, 0, 0);
}

static uint64_t mark(struct ebpf_ctx *ctx)
{
	ctx->data[MARK] += (uint8_t)ctx->egress_ifindex;
	ctx->data[MARK + 1] = (uint8_t)ctx->ingress_ifindex;
	return EBPF_PASS;
}

static uint64_t drop(struct ebpf_ctx *ctx)
{
	return EBPF_DROP;
}

#define READS (EBPF_READS_CTX | EBPF_READS_BYTES)

static struct ebpf_prog sender = {.code = send, .does = READS | EBPF_REDIRECTS, .refs = 1};
static struct ebpf_prog marker = {.code = mark, .does = READS | EBPF_WRITES_PACKET, .refs = 1};
static struct ebpf_prog dropper = {.code = drop, .does = 0, .refs = 1};

/* ---- Frames ---- */

static struct dp_count before;

static uint64_t sum(const uint64_t *v)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += v[i];
	return n;
}

static void settle(void)
{
	const struct dp_count *t = dp_total_count(dp);

	for (int i = 0; i < 20000; i++) {
		dp_count_refresh(dp);
		assert_int_equal(t->rx_packets + t->copies, t->forwarded + sum(t->drops_rx));
		assert_int_equal(t->offered + t->segments, t->tx_packets + sum(t->drops_tx));
		if (t->rx_packets == n_received)
			return;
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	fail_msg("the worker did not take the frame");
}

static void send_frame(uint8_t key, uint8_t flags)
{
	static const uint8_t head[14] = {2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
	uint8_t *d;

	assert_non_null(m);
	before = *dp_total_count(dp);
	m->data_len = 60;
	m->pkt_len = 60;
	d = rte_pktmbuf_mtod(m, uint8_t *);
	memset(d, 0, 60);
	memcpy(d, head, sizeof(head));
	d[KEY] = key;
	d[FLAGS] = flags;
	assert_int_equal(dp_port_mem_inject(port[0], 0, &m, 1), 1);
	n_received++;
	settle();
}

/* One frame came out there, with this mark; -1: none did. */
static void expect(unsigned id, int marked)
{
	struct rte_mbuf *m[4];
	uint16_t n = dp_port_mem_collect(port[id], m, 4);

	assert_int_equal(n, marked >= 0);
	if (n == 0)
		return;
	assert_int_equal(rte_pktmbuf_mtod(m[0], uint8_t *)[MARK], marked);
	assert_int_equal(rte_pktmbuf_mtod(m[0], uint8_t *)[MARK + 1], marked != 0);
	rte_pktmbuf_free(m[0]);
}

static void expect_drop(enum dp_drop reason, uint64_t n)
{
	assert_int_equal(dp_total_count(dp)->drops_rx[reason] - before.drops_rx[reason], n);
}

/* ---- Tests ---- */

static void frame_goes_to_the_port_of_its_entry(void **state)
{
	send_frame(0, 0);
	expect(1, 0);
	expect(0, -1);
	send_frame(3, 0);
	expect(0, 0);
}

static void entry_of_another_tenants_port_is_a_counted_drop(void **state)
{
	struct filter_module_stats s;
	uint64_t refused;

	filter_module_stats(module, &s);
	refused = s.refused;
	send_frame(1, 0);
	expect(2, -1);
	expect_drop(DP_DROP_FILTER_TENANT, 1);
	filter_module_stats(module, &s);
	assert_int_equal(s.refused, refused + 1);
}

static void program_of_an_entry_runs_on_the_way_out(void **state)
{
	send_frame(2, 0);
	expect(3, 4); /* the ifindex of port 3 */
	send_frame(4, 0);
	expect(1, -1);
	expect_drop(DP_DROP_FILTER_DROP, 1);
}

static void entry_that_names_no_port_is_refused_and_a_missing_one_is_the_flags(void **state)
{
	send_frame(5, 0);
	expect_drop(DP_DROP_FILTER_REFUSED, 1);
	/* Nothing at this key: the lowest bits of the flags are the verdict, here ABORTED. */
	send_frame(6, 0);
	expect_drop(DP_DROP_FILTER_ABORTED, 1);
}

static void broadcast_gives_each_receiver_its_own(void **state)
{
	send_frame(0, BROADCAST);
	expect(0, 0);
	expect(3, 4); /* marked; the others, made of the same frame, are not */
	expect(1, 0);
	expect(2, -1);
	expect_drop(DP_DROP_FILTER_TENANT, 1);
	expect_drop(DP_DROP_FILTER_DROP, 1);
	expect_drop(DP_DROP_FILTER_REFUSED, 1);
	assert_int_equal(dp_total_count(dp)->copies - before.copies, 5);
	send_frame(0, BROADCAST | EXCLUDE);
	expect(0, -1);
	expect(1, 0);
	expect(3, 4);
}

static void port_that_is_gone_is_no_target(void **state)
{
	ebpf_map_dev_gone(map, 2);
	send_frame(0, 0);
	expect(1, -1);
	expect_drop(DP_DROP_FILTER_ABORTED, 1);
}

/* ---- */

static void entry(uint32_t key, uint32_t ifindex, struct ebpf_prog *prog)
{
	const struct {
		uint32_t ifindex;
		int32_t fd;
	} value = {ifindex, 0};

	assert_int_equal(ebpf_map_write(map, &key, &value, BPF_ANY), 0);
	if (prog != NULL)
		assert_int_equal(ebpf_map_put_prog(map, &key, prog, NULL, NULL), 0);
}

static int make_map(void)
{
	const struct ebpf_map_def def = {.name = "ports",
					 .type = BPF_MAP_TYPE_DEVMAP,
					 .key_size = 4,
					 .value_size = 8,
					 .max_entries = 16};
	struct err err = {0};

	if (ebpf_map_create(&def, 2, &map, &err) != 0)
		return -1;
	entry(0, 2, NULL);
	entry(1, 3, NULL);
	entry(2, 4, &marker);
	entry(3, 1, NULL);
	entry(4, 2, &dropper);
	entry(5, 50, NULL);
	return 0;
}

static int make_chain(void)
{
	const struct filter_modules_opts opts = {.n_cpus = 64};
	struct filter_slot slot = {.role = FILTER_ROLE_FORWARD};
	struct filter_current *cur;
	struct err err = {0};

	if (make_map() != 0 || filter_modules_create(&opts, &set, &err) != 0)
		return -1;
	sender.maps = &map;
	sender.n_maps = 1;
	cur = filter_current_create(&sender, 0, FILTER_BYPASS);
	/* What runs on the way out may write. */
	if (!cur->writes || filter_module_make(set, "send", cur, NULL, &module, &err) != 0)
		return -1;
	slot.module = module;
	chain = filter_chain_create(&slot, 1);
	return 0;
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3"};
	struct err err = {0};
	unsigned cpu = 0;
	cpu_set_t mine;

	sched_getaffinity(0, sizeof(mine), &mine);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &mine))
		cpu++;
	dp = test_dp_create(4095);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_port_opts o = {.name = names[i],
					 .kind = "mem",
					 .netns_fd = -1,
					 .n_queues = 1};

		if (dp_port_open(dp, &o, &port[i], &err) != 0)
			return -1;
		dp_port_mem_set_link(port[i], true);
	}
	if (make_chain() != 0)
		return -1;
	publish(true);
	dp_set_max_sleep(dp, 50);
	return dp_worker_add(dp, cpu, &err);
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
	ebpf_map_unref(map);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_goes_to_the_port_of_its_entry),
		cmocka_unit_test(entry_of_another_tenants_port_is_a_counted_drop),
		cmocka_unit_test(program_of_an_entry_runs_on_the_way_out),
		cmocka_unit_test(
			entry_that_names_no_port_is_refused_and_a_missing_one_is_the_flags),
		cmocka_unit_test(broadcast_gives_each_receiver_its_own),
		cmocka_unit_test(port_that_is_gone_is_no_target),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

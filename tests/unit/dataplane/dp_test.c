/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The dataplane as a whole: workers that come and go, links and moved addresses that are told, and
 * what it says of itself.
 */
#include "dataplane/dp_priv.h"

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

#include "dataplane/fdb_priv.h"
#include "dataplane/port_mem.h"
#include "tests/support/test_dp.h"

#define MAX_TOLD 16

static struct dp *dp;
static struct dp_port *port;
static struct dp_event told[MAX_TOLD];
static unsigned n_told, cpu;
static struct err err;

static void on_event(void *ctx, const struct dp_event *event)
{
	if (n_told < MAX_TOLD)
		told[n_told] = *event;
	n_told++;
}

static void view_destroy(struct dp_view *view)
{
	free(view->vports[0]);
	free(view);
}

/* One port, or none. */
static int publish(bool with_port)
{
	struct dp_view *view = calloc(1, sizeof(*view));

	if (view == NULL)
		return -ENOMEM;
	view->destroy = view_destroy;
	if (with_port) {
		view->n_vports = 1;
		view->vports[0] = aligned_alloc(64, sizeof(*view->vports[0]));
		*view->vports[0] = (struct dp_vport){.port = port, .flags = DP_VP_UP};
	}
	return dp_view_publish(dp, view, &err);
}

static int start(void **state)
{
	const struct dp_port_opts opts = {.name = "m", .kind = "mem", .netns_fd = -1};
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	for (cpu = 0; !CPU_ISSET(cpu, &set);)
		cpu++;
	dp = test_dp_create(1023);
	dp->opts.event = on_event;
	if (dp_port_open(dp, &opts, &port, &err) != 0)
		return -1;
	n_told = 0;
	return publish(true);
}

static int finish(void **state)
{
	int rc = publish(false);

	dp_port_close(port);
	test_dp_destroy(dp);
	return rc;
}

static bool has_told(enum dp_event_type type, const char *text)
{
	for (unsigned i = 0; i < n_told && i < MAX_TOLD; i++)
		if (told[i].type == type && strstr(told[i].text, text) != NULL)
			return true;
	return false;
}

static void link_is_told_when_it_changes_and_only_then(void **state)
{
	dp_port_mem_set_link(port, true);
	dp_tick(dp);
	n_told = 0;
	dp_tick(dp);
	assert_int_equal(n_told, 0);
	dp_port_mem_set_link(port, false);
	dp_tick(dp);
	assert_int_equal(n_told, 1);
	assert_true(has_told(DP_EVENT_LINK, "m link down"));
	assert_false(atomic_load(&port->link_up));
	dp_port_mem_set_link(port, true);
	dp_tick(dp);
	assert_int_equal(n_told, 2);
	assert_true(has_told(DP_EVENT_LINK, "m link up"));
	assert_true(atomic_load(&port->link_up));
}

static void address_that_moves_is_told_with_both_ports(void **state)
{
	dp_tick(dp);
	n_told = 0;
	dp_fdb_learn(dp->fdb, UINT64_C(0x020000000002), 3, 7, 11, 0, 0);
	dp_fdb_learn(dp->fdb, UINT64_C(0x020000000002), 3, 7, 12, 0, 0);
	dp_tick(dp);
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].type, DP_EVENT_MAC_MOVED);
	assert_int_equal(told[0].port, 12);
	assert_int_equal(told[0].other_port, 11);
	assert_int_equal(told[0].domain, 3);
	assert_int_equal(told[0].vlan, 7);
	assert_int_equal(told[0].mac.addr_bytes[0], 2);
	dp_tick(dp);
	assert_int_equal(n_told, 1);
	/* The second address of a port that may have one. */
	dp_fdb_learn(dp->fdb, UINT64_C(0x020000000004), 3, 7, 12, 1, 0);
	dp_tick(dp);
	assert_true(has_told(DP_EVENT_MAC_LIMIT, "a limit is reached"));
}

static void worker_that_cannot_be_is_refused(void **state)
{
	assert_int_equal(dp_worker_remove(dp, cpu, &err), -ENOENT);
	assert_string_equal(err.slug, "core-unknown");
	assert_int_equal(dp_worker_add(dp, cpu, &err), 0);
	assert_int_equal(dp_worker_add(dp, cpu, &err), -EEXIST);
	assert_string_equal(err.slug, "core-exists");
	assert_true(dp_worker_add(dp, CPU_SETSIZE - 1, &err) < 0);
	assert_string_equal(err.slug, "core-unusable");
	assert_int_equal(dp_n_workers(dp), 1);
	assert_int_equal(dp_worker_remove(dp, cpu, &err), 0);
	assert_int_equal(dp_n_workers(dp), 0);
}

static void worker_says_what_it_did(void **state)
{
	struct dp_worker_info info[2];
	struct rte_mbuf *m[3];

	assert_int_equal(dp_worker_info(dp, info, 2), 0);
	assert_int_equal(dp_worker_add(dp, cpu, &err), 0);
	assert_true(has_told(DP_EVENT_WORKER, "worker started on core"));
	dp_set_max_sleep(dp, 50);
	assert_int_equal(rte_pktmbuf_alloc_bulk(dp_pool(dp, 0, false), m, 3), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(rte_pktmbuf_append(m[i], 8)); /* runts */
	assert_int_equal(dp_port_mem_inject(port, 0, m, 3), 3);
	for (unsigned i = 0; i < 5000; i++) {
		nanosleep(&(struct timespec){0, 1000000}, NULL);
		assert_int_equal(dp_worker_info(dp, info, 2), 1);
		if (info[0].packets == 3 && info[0].wakeups != 0)
			break;
	}
	assert_int_equal(info[0].packets, 3);
	assert_int_equal(info[0].n_queues, 1);
	assert_int_equal(info[0].cpu, cpu);
	assert_true(info[0].loops > 0 && info[0].wakeups > 0);
	dp->workers[0]->seen_tsc = 0; /* long ago */
	dp_tick(dp);
	assert_int_equal(dp_worker_info(dp, info, 1), 1);
	assert_true(info[0].busy >= 0 && info[0].busy <= 1);
	assert_true(info[0].asleep >= 0 && info[0].asleep <= 1);
	assert_true(info[0].cycles_per_packet > 0);
	/* A sleep that has not ended counts as far as it went.  Again if it ends just now. */
	for (unsigned i = 0; i < 100; i++) {
		dp->workers[0]->seen_sleep = atomic_load(&dp->workers[0]->sleep_cycles);
		dp->workers[0]->seen_tsc = rte_rdtsc() - dp->tsc_hz;
		atomic_store(&dp->workers[0]->sleep_start, dp->workers[0]->seen_tsc);
		dp_tick(dp);
		assert_int_equal(dp_worker_info(dp, info, 1), 1);
		if (info[0].asleep > 0.5)
			break;
	}
	assert_true(info[0].asleep > 0.5);
	assert_int_equal(dp_worker_remove(dp, cpu, &err), 0);
	assert_true(has_told(DP_EVENT_WORKER, "stopped"));
	assert_true(has_told(DP_EVENT_QUEUE_MOVED, "has no worker"));
	/* The ledger outlives its worker. */
	dp_count_refresh(dp);
	assert_int_equal(dp_port_count(dp, 0)->drops_rx[DP_DROP_RUNT], 3);
}

static void capture_point_hangs_on_a_port_that_is_there(void **state)
{
	struct dp_capture_point *point = (struct dp_capture_point *)(void *)&cpu;

	dp_port_set_capture(dp, 0, point);
	assert_ptr_equal(atomic_load(&port->capture), point);
	dp_port_set_capture(dp, 1, point);
	dp_port_set_capture(dp, DP_NO_PORT, point);
	dp_port_set_capture(dp, 0, NULL);
	assert_null(atomic_load(&port->capture));
}

static void pool_of_one_segment_is_made_once_for_a_size(void **state)
{
	struct rte_mempool *plain = dp_pool(dp, 1514, false), *jumbo;

	assert_ptr_equal(dp_pool(dp, 1514, true), plain);
	assert_ptr_equal(dp_pool(dp, 9014, false), plain); /* in a chain */
	jumbo = dp_pool(dp, 9014, true);
	assert_non_null(jumbo);
	assert_true(jumbo != plain);
	assert_ptr_equal(dp_pool(dp, 9014, true), jumbo);
	assert_ptr_equal(dp_pool(dp, 4000, true), jumbo);
	assert_true(rte_pktmbuf_data_room_size(jumbo) >= 9014 + RTE_PKTMBUF_HEADROOM);
	assert_null(dp_pool(dp, 65535, true)); /* more than a buffer can say it has */
	assert_int_equal(dp->n_pools, 2);
}

static void more_buffers_than_there_is_memory_are_refused_with_a_fix(void **state)
{
	const struct dp_opts opts = {.n_mbufs = 50000000, .fdb_size = 1024};
	struct dp *second = NULL;

	assert_true(dp_create(&opts, &second, &err) < 0);
	assert_null(second);
	assert_string_equal(err.slug, "no-memory");
	assert_non_null(strstr(err.why, "50000000 buffers"));
	assert_non_null(strstr(err.fix, "--mbufs"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(link_is_told_when_it_changes_and_only_then),
		TEST(address_that_moves_is_told_with_both_ports),
		TEST(worker_that_cannot_be_is_refused),
		TEST(worker_says_what_it_did),
		TEST(capture_point_hangs_on_a_port_that_is_there),
		TEST(pool_of_one_segment_is_made_once_for_a_size),
		TEST(more_buffers_than_there_is_memory_are_refused_with_a_fix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

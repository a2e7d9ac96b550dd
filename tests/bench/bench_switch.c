/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See bench_switch.h.
 */
#include "tests/bench/bench_switch.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_eal.h>

static uint16_t sink(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return n;
}

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < BENCH_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static int publish(struct bench_switch *sw, struct err *err)
{
	static const uint16_t ids[] = {0, 1, 2};
	struct dp_view *view = calloc(1, sizeof(*view));

	*view = (struct dp_view){.n_vports = BENCH_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < BENCH_PORTS; i++) {
		struct dp_vport *v = aligned_alloc(64, sizeof(*v));

		*v = (struct dp_vport){.port = sw->port[i],
				       .id = (uint16_t)i,
				       .flags = DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD |
						DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN |
						DP_VP_TAGGED_IN | DP_VP_TAG_OUT,
				       .tpid_out = rte_cpu_to_be_16(0x8100),
				       .max_frame = 1514,
				       .of_port = (uint16_t)(i + 1),
				       .pipeline = sw->pipeline};
		memset(v->vlan_in, 0xff, sizeof(v->vlan_in));
		memset(v->vlan_out, 0xff, sizeof(v->vlan_out));
		view->vports[i] = v;
	}
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = BENCH_PORTS, .ports = ids};
	return dp_view_publish(sw->dp, view, err);
}

static int eal(const char *name, struct err *err)
{
	static char args[][16] = {"",	 "--no-huge",	"--no-pci",	  "-m",
				  "256", "--no-shconf", "--no-telemetry", "--log-level=3"};
	char *argv[sizeof(args) / sizeof(args[0]) + 1] = {NULL};

	snprintf(args[0], sizeof(args[0]), "%s", name);
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		argv[i] = args[i];
	if (rte_eal_init((int)(sizeof(args) / sizeof(args[0])), argv) < 0)
		return err_set(err, -EIO, "eal", "EAL does not start");
	return 0;
}

static int ports(struct bench_switch *sw, struct err *err)
{
	static const char *const names[BENCH_PORTS] = {"a", "b", "c"};
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < BENCH_PORTS; i++) {
		const struct dp_port_opts po = {.name = names[i],
						.kind = "mem",
						.netns_fd = -1,
						.n_queues = 1};

		rc = dp_port_open(sw->dp, &po, &sw->port[i], err);
		if (rc == 0)
			sw->port[i]->tx = sink;
	}
	return rc;
}

int bench_switch_open(struct bench_switch *sw, const char *name, struct err *err)
{
	const struct dp_opts opts = {.n_mbufs = 20000, .fdb_size = 1024};
	int rc = eal(name, err);

	if (rc == 0)
		rc = dp_create(&opts, &sw->dp, err);
	if (rc == 0)
		rc = dp_worker_add(sw->dp, (unsigned)sched_getcpu(), err);
	if (rc == 0)
		rc = ports(sw, err);
	return rc;
}

static void sleep_for_ever(int sig)
{
	for (;;)
		pause();
}

int bench_switch_run(struct bench_switch *sw, struct dp_pipeline *pipeline, struct err *err)
{
	int rc;

	sw->pipeline = pipeline;
	rc = publish(sw, err);
	if (rc != 0)
		return rc;
	dp_synchronize(sw->dp);
	dp_pause(sw->dp);
	sw->worker = sw->dp->workers[0];
	/* It would stand still by running round and round, beside what is measured. */
	signal(SIGUSR1, sleep_for_ever);
	pthread_kill(sw->worker->thread, SIGUSR1);
	sw->worker->view = atomic_load(&sw->dp->view);
	return 0;
}

int bench_switch_start(struct bench_switch *sw, const char *name, dp_translate_fn translate,
		       struct err *err)
{
	uint32_t counter;
	int rc = bench_switch_open(sw, name, err);

	if (rc == 0)
		rc = dp_pipeline_create(sw->dp, translate, NULL, &sw->pipeline);
	if (rc == 0)
		rc = dp_flow_counter_alloc(sw->dp, &counter);
	return rc == 0 ? bench_switch_run(sw, sw->pipeline, err) : rc;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

void bench_report(const char *program, uint32_t n, const char *of, uint64_t *took, size_t n_took,
		  unsigned burst)
{
	qsort(took, n_took, sizeof(took[0]), by_value);
	printf("%-10s %7u %s: median %6.1f, best %6.1f cycles a packet\n", program, n, of,
	       (double)took[n_took / 2] / burst, (double)took[0] / burst);
}

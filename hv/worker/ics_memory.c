/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dynamic memory of a machine: how much its guest shall have; see ics.h.
 */
#include "hv/worker/ics_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/base/clock.h"
#include "hv/memory.h"
#include "hv/partition.h"
#include "hv/worker/config.h"

#define PRIORITY 50
/* Of the host's memory, in percent: with more than this available it is short of nothing, */
#define PLENTY 25
/* with less than this it has none left. */
#define NOTHING 5

/* A line of /proc/meminfo, in KB; 0: it is not there. */
static unsigned long line_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at != NULL ? strtoul(at + strlen(name), NULL, 10) : 0;
}

/* 0: the host has memory; 100: none. */
static unsigned host_shortage(const struct ics *ics)
{
	char text[512];
	ssize_t n = pread(ics->meminfo_fd, text, sizeof(text) - 1, 0);
	unsigned long total, available, percent;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	total = line_of(text, "MemTotal:");
	available = line_of(text, "MemAvailable:");
	percent = total != 0 ? available * 100 / total : 100;
	if (percent >= PLENTY)
		return 0;
	return percent <= NOTHING ? 100 : (unsigned)((PLENTY - percent) * 100 / (PLENTY - NOTHING));
}

static struct pressure_input input(const struct ics *ics, const struct balloon_report *report)
{
	struct balloon_info info;
	uint64_t assigned;

	balloon_info(ics->balloon, &info);
	assigned = info.size - info.ballooned;
	return (struct pressure_input){
		.now_ns = clock_mono_ns(),
		.assigned = assigned,
		.available = report->available < assigned ? report->available : assigned,
		/* What the balloon holds counts as promised. */
		.committed =
			report->committed > info.ballooned ? report->committed - info.ballooned : 0,
		.host = host_shortage(ics),
	};
}

static void on_report(void *ctx, const struct balloon_report *report)
{
	struct ics *ics = ctx;
	struct pressure_input in = input(ics, report);

	if (ics->automatic)
		balloon_set_target(ics->balloon, pressure_update(&ics->pressure, &in));
}

static int on_discard(void *ctx, uint64_t gpa, uint64_t size)
{
	const struct ics *ics = ctx;

	return hv_memory_discard(hv_partition_memory(ics->opts.partition), gpa, size);
}

int ics_memory_open(struct ics *ics)
{
	const struct worker_config *config = ics->opts.config;
	const struct balloon_opts opts = {.memory = &hv_partition_memory(ics->opts.partition)->map,
					  .discard = on_discard,
					  .reported = on_report,
					  .ctx = ics};
	const struct pressure_conf conf = {.minimum = config->memory_minimum,
					   .start = config->memory_size,
					   .maximum = config->memory_maximum,
					   .buffer = config->memory_buffer,
					   .priority = PRIORITY};
	int rc = balloon_create(&ics->env, &opts, &ics->balloon);

	if (rc != 0)
		return rc;
	pressure_init(&ics->pressure, &conf);
	ics->automatic = conf.minimum != conf.maximum;
	balloon_set_target(ics->balloon, conf.start);
	ics->meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	return 0;
}

void ics_memory_close(struct ics *ics)
{
	balloon_destroy(ics->balloon);
	if (ics->meminfo_fd >= 0)
		close(ics->meminfo_fd);
}

void ics_memory(const struct ics *ics, struct ics_memory *ret_memory)
{
	struct balloon_info info;
	struct pressure_input in;

	balloon_info(ics->balloon, &info);
	in = input(ics, &info.report);
	*ret_memory = (struct ics_memory){
		.balloon = info.state == BALLOON_READY,
		.automatic = ics->automatic,
		.assigned = info.size - info.ballooned,
		.target = info.target,
		.ballooned = info.ballooned,
		.pressure = info.report.at_ns != 0 ? pressure_percent(&in) : 0,
	};
}

int ics_set_memory(struct ics *ics, uint64_t target, struct err *err)
{
	const struct worker_config *config = ics->opts.config;

	if (target != 0 && (target < config->memory_minimum || target > config->memory_maximum)) {
		err_set(err, -ERANGE, "bad-memory", "%llu MB is not what this machine may have",
			(unsigned long long)(target >> 20));
		err_why(err, "its minimum is %llu MB, its maximum %llu MB",
			(unsigned long long)(config->memory_minimum >> 20),
			(unsigned long long)(config->memory_maximum >> 20));
		return -ERANGE;
	}
	ics->automatic = target == 0 && config->memory_minimum != config->memory_maximum;
	if (target != 0)
		balloon_set_target(ics->balloon, target);
	return 0;
}

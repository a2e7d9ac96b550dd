/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See dynmem.h.
 */
#include "hv/worker/dynmem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "hv/memory.h"
#include "vmbus/balloon.h"

#define SLUG   "dynamic-memory"
#define TICK_S 1
#define MB     ((uint64_t)1 << 20)
/* Of the host's memory, in percent: with so much available it is short of nothing, */
#define PLENTY 25
/* with so little it has none left. */
#define NOTHING 5

struct dynmem {
	struct dynmem_opts opts;
	struct balloon *balloon;
	struct event *tick;
	struct pressure pressure;
	struct pressure_input input; /* made of the last report */
	bool reported;		     /* since the last tick */
	bool manual, runs;
	unsigned host;	/* as the switch says */
	int meminfo_fd; /* of the host; -1: not to be had */
};

/* ---- How short of memory the host is ---- */

/* A line of /proc/meminfo, in KB; 0: it is not there. */
static unsigned long line_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at != NULL ? strtoul(at + strlen(name), NULL, 10) : 0;
}

unsigned dynmem_shortage(const char *meminfo)
{
	unsigned long total = line_of(meminfo, "MemTotal:");
	unsigned long available = line_of(meminfo, "MemAvailable:");
	unsigned long percent = total != 0 ? available * 100 / total : 100;

	if (percent >= PLENTY)
		return 0;
	return percent <= NOTHING ? 100 : (unsigned)((PLENTY - percent) * 100 / (PLENTY - NOTHING));
}

/* Each machine looks for itself; the switch may know better. */
static unsigned host_shortage(const struct dynmem *d)
{
	char text[512];
	ssize_t n = pread(d->meminfo_fd, text, sizeof(text) - 1, 0);
	unsigned seen;

	text[n > 0 ? n : 0] = '\0';
	seen = n > 0 ? dynmem_shortage(text) : 0;
	return seen > d->host ? seen : d->host;
}

static int on_discard(void *ctx, uint64_t gpa, uint64_t size)
{
	return hv_memory_discard(((struct dynmem *)ctx)->opts.memory, gpa, size);
}

static void on_reported(void *ctx, const struct balloon_report *report)
{
	((struct dynmem *)ctx)->reported = true;
}

/* What the guest says, without what it counts of the balloon. */
static struct pressure_input input_of(const struct dynmem *d, const struct balloon_info *info)
{
	const struct balloon_report *r = &info->report;

	return (struct pressure_input){
		.now_ns = r->at_ns,
		.assigned = info->size - info->ballooned,
		.available = r->available,
		.committed = r->committed > info->ballooned ? r->committed - info->ballooned : 0,
		.host = host_shortage(d),
	};
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct dynmem *d = ctx;
	struct balloon_info info;

	if (d->reported) {
		d->reported = false;
		balloon_info(d->balloon, &info);
		d->input = input_of(d, &info);
		if (!d->manual)
			balloon_set_target(d->balloon, pressure_update(&d->pressure, &d->input));
	}
	balloon_tick(d->balloon, clock_mono_ns());
}

void dynmem_run(struct dynmem *d, bool runs)
{
	const struct timeval second = {.tv_sec = TICK_S};

	if (d->runs == runs)
		return;
	d->runs = runs;
	if (runs)
		event_add(d->tick, &second);
	else
		event_del(d->tick);
}

int dynmem_set_target(struct dynmem *d, uint64_t bytes, struct err *err)
{
	const struct pressure_conf *conf = &d->opts.conf;

	if (bytes < conf->minimum || bytes > conf->maximum)
		return err_set(err, -EINVAL, "bad-target",
			       "memory of %" PRIu64 " MB: must be between %" PRIu64 " and %" PRIu64
			       " MB",
			       bytes / MB, conf->minimum / MB, conf->maximum / MB);
	d->manual = true;
	balloon_set_target(d->balloon, bytes);
	return 0;
}

void dynmem_set_auto(struct dynmem *d)
{
	d->manual = false;
	balloon_set_target(d->balloon, d->pressure.target);
}

void dynmem_set_host(struct dynmem *d, unsigned percent)
{
	d->host = percent;
}

json_t *dynmem_stats(const struct dynmem *d)
{
	struct balloon_info info;
	uint64_t demand;

	balloon_info(d->balloon, &info);
	demand = (uint64_t)pressure_percent(&d->input) * d->input.assigned / 100;
	return json_pack("{sI, sI, sI, sb, sI, sI, sI, sI, ss}", "assigned",
			 (json_int_t)(info.size - info.ballooned), "balloon",
			 (json_int_t)info.ballooned, "target", (json_int_t)info.target, "auto",
			 !d->manual, "demand", (json_int_t)demand, "pressure",
			 (json_int_t)pressure_percent(&d->input), "available",
			 (json_int_t)info.report.available, "committed",
			 (json_int_t)info.report.committed, "state",
			 balloon_state_name(info.state));
}

int dynmem_create(const struct dynmem_opts *opts, struct dynmem **ret_dynmem, struct err *err)
{
	struct dynmem *d = calloc(1, sizeof(*d));
	struct balloon_opts balloon = {.memory = &opts->memory->map,
				       .discard = on_discard,
				       .reported = on_reported,
				       .ctx = d};
	int rc = -ENOMEM;

	if (d == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	d->opts = *opts;
	d->meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	pressure_init(&d->pressure, &opts->conf);
	d->tick = event_new(opts->base, -1, EV_PERSIST, on_tick, d);
	if (d->tick != NULL)
		rc = balloon_create(opts->env, &balloon, &d->balloon);
	if (rc != 0) {
		dynmem_destroy(d);
		return err_set(err, rc, SLUG, "cannot make the balloon");
	}
	balloon_set_target(d->balloon, d->pressure.target);
	*ret_dynmem = d;
	return 0;
}

void dynmem_destroy(struct dynmem *d)
{
	if (d == NULL)
		return;
	balloon_destroy(d->balloon);
	if (d->meminfo_fd >= 0)
		close(d->meminfo_fd);
	if (d->tick != NULL)
		event_free(d->tick);
	free(d);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Dynamic memory of the machine: the balloon (vmbus/balloon.h), its policy (vmbus/pressure.h), and
 * who may overrule it.
 *
 * The machine is made with all that it may ever have; what it does not need goes back to the host
 * page by page, first down to what it shall start with, then as it reports.  Where minimum and
 * maximum are the same nothing is taken, and reports are only shown.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_DYNMEM_H
#define HV_WORKER_DYNMEM_H

#include "ctl/base/err.h"
#include "vmbus/pressure.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct dynmem;
struct event_base;
struct hv_memory;
struct ic_env;

struct dynmem_opts {
	struct event_base *base;
	const struct ic_env *env;  /* borrowed for life */
	struct hv_memory *memory;  /* borrowed for life */
	struct pressure_conf conf; /* the maximum is at most the memory */
};

/* Opens what it will read of the host: before the worker locks itself in. */
int dynmem_create(const struct dynmem_opts *opts, struct dynmem **ret_dynmem, struct err *err);
/* Takes NULL. */
void dynmem_destroy(struct dynmem *dynmem);
/* The machine runs, or is paused. */
void dynmem_run(struct dynmem *dynmem, bool runs);
/* So many bytes, whatever the guest reports.  -EINVAL (slug "bad-target"): not between minimum and
 * maximum. */
int dynmem_set_target(struct dynmem *dynmem, uint64_t bytes, struct err *err);
/* As the guest reports. */
void dynmem_set_auto(struct dynmem *dynmem);
/* How short of memory the host is, 0 to 100, if that is more than is seen from here. */
void dynmem_set_host(struct dynmem *dynmem, unsigned percent);
/* What /proc/meminfo says of that: 0 with a quarter of the memory available, 100 with a twentieth.
 */
unsigned dynmem_shortage(const char *meminfo);
/* {"assigned", "balloon", "target", "auto", "demand", "pressure", "available", "committed",
 * "state"}: bytes, pressure in percent; of what is not known yet, 0.  A new reference. */
json_t *dynmem_stats(const struct dynmem *dynmem);

#endif

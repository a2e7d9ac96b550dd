/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What measurements of the flow engine have in common: a switch of a few ports whose drivers throw
 * away what they are given, and a worker that stands still, so that the caller runs bursts in its
 * place and times each alone.
 */
#ifndef TESTS_BENCH_BENCH_SWITCH_H
#define TESTS_BENCH_BENCH_SWITCH_H

#include "dataplane/dp_priv.h"
#include "dataplane/flow.h"

#include <stddef.h>
#include <stdint.h>

#define BENCH_PORTS 3u /* OpenFlow numbers from 1 */

struct bench_switch {
	struct dp *dp;
	struct dp_port *port[BENCH_PORTS];
	struct dp_pipeline *pipeline;
	struct dp_worker *worker;
};

/* Once a process, which ends by _Exit() (the worker stands still).  0 or a negative errno. */
int bench_switch_start(struct bench_switch *sw, const char *name, dp_translate_fn translate,
		       struct err *err);
/* The same in two parts, for those whose pipeline is made from 'sw->dp'. */
int bench_switch_open(struct bench_switch *sw, const char *name, struct err *err);
int bench_switch_run(struct bench_switch *sw, struct dp_pipeline *pipeline, struct err *err);

/* Prints the median and the best of 'took', cycles of bursts of 'burst' packets; sorts it. */
void bench_report(const char *program, uint32_t n, const char *of, uint64_t *took, size_t n_took,
		  unsigned burst);

#endif

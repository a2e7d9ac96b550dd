/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Metrics as text, in the format of OpenMetrics 1.0, which Prometheus reads.
 *
 * Metrics may be given in any order ("for each port, all its counters"); the text has all of one
 * name together, as the format wants.  No threads: one sink at a time is filled and rendered.
 */
#ifndef VSWITCH_OPENMETRICS_H
#define VSWITCH_OPENMETRICS_H

#include <stddef.h>
#include <stdint.h>

struct vs_metric_sink;

struct vs_metric_label {
	const char *name, *value;
};

/* The labels of a metric, as two arguments: VS_LABELS({"port", "p1"}, {"queue", "0"}). */
#define VS_LABELS(...)                                                                             \
	(const struct vs_metric_label[]){__VA_ARGS__},                                             \
		sizeof((const struct vs_metric_label[]){__VA_ARGS__}) /                            \
			sizeof(struct vs_metric_label)
#define VS_NO_LABELS NULL, 0

/* NULL when there is no memory. */
struct vs_metric_sink *vs_metric_sink_create(void);
void vs_metric_sink_destroy(struct vs_metric_sink *sink);

/* One value.  'name' ("vswitch_port_rx_packets", without "_total", which counters get here) and
 * 'help' must be the same wherever a metric is given.  Strings are borrowed during the call; label
 * values may be any UTF-8.  What breaks the format (a bad name, a name used for counter and gauge,
 * no memory) is left out and counted. */
void vs_metric_counter(struct vs_metric_sink *sink, const char *name, const char *help,
		       const struct vs_metric_label *labels, size_t n_labels, uint64_t value);
void vs_metric_gauge(struct vs_metric_sink *sink, const char *name, const char *help,
		     const struct vs_metric_label *labels, size_t n_labels, double value);
/* Facts as labels; 'name' without "_info". */
void vs_metric_info(struct vs_metric_sink *sink, const char *name, const char *help,
		    const struct vs_metric_label *labels, size_t n_labels);

/* Values that were left out. */
unsigned vs_metric_sink_errors(const struct vs_metric_sink *sink);

/* The whole text, ended by "# EOF\n"; the caller frees.  NULL when there is no memory.  Sets
 * *ret_size. */
char *vs_metric_sink_render(const struct vs_metric_sink *sink, size_t *ret_size);

#endif

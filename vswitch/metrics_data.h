/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the metrics say; see metrics_data.c.
 */
#ifndef VSWITCH_METRICS_DATA_H
#define VSWITCH_METRICS_DATA_H

struct vs_daemon;
struct vs_metric_sink;

/* A vs_metrics_fn; 'ctx' is the struct vs_daemon.  Control thread. */
void vs_metrics_fill(void *ctx, struct vs_metric_sink *sink);

/* metrics_nic.c: VMs' NICs, a part of it. */
void vs_metrics_nics(const struct vs_daemon *d, struct vs_metric_sink *sink);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Metrics over HTTP: GET /metrics on one address, loopback unless told otherwise.  Control thread's
 * event loop.
 *
 * Anybody on the host may connect, so: at most 'max_clients' connections (others wait in the
 * kernel), each for at most 'timeout_ms' in all, small requests only; and the text is made at most
 * once in 'cache_ms', whoever asks how often.
 */
#ifndef VSWITCH_METRICS_H
#define VSWITCH_METRICS_H

#include "ctl/base/err.h"
#include "vswitch/openmetrics.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct event_base;
struct vs_metrics;

/* Gives all metrics to the sink. */
typedef void (*vs_metrics_fn)(void *ctx, struct vs_metric_sink *sink);

struct vs_metrics_opts {
	const char *address; /* "127.0.0.1:9464" "[::1]:9464"; port 0: any, see vs_metrics_port() */
	bool any_address;    /* allow one that is not loopback */
	unsigned max_clients; /* 0: 16 */
	unsigned timeout_ms;  /* 0: 10000 */
	unsigned cache_ms;    /* 0: 250 */
};

/* Listens.  'base' is borrowed until vs_metrics_destroy().  -EINVAL for a bad address (slug
 * "bad-address") or one that is not loopback ("not-loopback"), -EADDRINUSE ("port-busy"), -ENOMEM.
 */
int vs_metrics_create(struct event_base *base, const struct vs_metrics_opts *opts, vs_metrics_fn fn,
		      void *ctx, struct vs_metrics **ret_metrics, struct err *err);
/* Closes all connections.  Takes NULL. */
void vs_metrics_destroy(struct vs_metrics *metrics);

/* Could this address be listened on?  No side effect; for the configuration's check. */
int vs_metrics_check(const char *address, bool any_address, struct err *err);

uint16_t vs_metrics_port(const struct vs_metrics *metrics);

/* {"clients","requests","refused","timeouts"}, new reference. */
json_t *vs_metrics_stats(const struct vs_metrics *metrics);

#endif

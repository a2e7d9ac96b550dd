/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The event log: what happened lately, for people.  The last 4096 events in memory; the same one
 * over and over is one with a count.  Control thread.
 */
#ifndef VSWITCH_EVENTS_H
#define VSWITCH_EVENTS_H

#include "ctl/base/err.h"

#include <stdint.h>

#include <jansson.h>

struct vs_events;

int vs_events_create(struct vs_events **ret_events, struct err *err);
void vs_events_destroy(struct vs_events *events);

/* 'type' is a slug ("link"), 'port' may be NULL. */
void vs_events_add(struct vs_events *events, const char *type, const char *port, const char *text);

/* The newest 'limit', oldest first, of one port if 'port' is not NULL:
 * [{"seq","time","type","port","text","repeated"}]. */
json_t *vs_events_list(const struct vs_events *events, unsigned limit, const char *port);

/* Calls 'fn' for each event from now on (borrowed; {"seq", ..}) until the subscription ends. */
typedef void (*vs_event_fn)(void *ctx, const json_t *event);
struct vs_subscription;
struct vs_subscription *vs_events_subscribe(struct vs_events *events, vs_event_fn fn, void *ctx);
void vs_events_unsubscribe(struct vs_subscription *subscription);

#endif

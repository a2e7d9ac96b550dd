/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The event log: what happened lately, in memory, for 'vswitchctl events' and whoever watches.  The
 * last 4096 events stay; each has a number that only grows, so a reader knows what it missed.
 *
 * Something that happens again and again is told a few times, then counted:
 *
 * 	port p1: link down           seq 17
 * 	port p1: link down           counted
 * 	   ...                       counted
 * 	(a while later)              seq 18: "link down (repeated 37 times)"
 *
 * An event repeats another when severity, type, object and text are the same.  Events of one type
 * and object whose texts differ may be told 5 times in the while, then they are counted too.  The
 * while is 10 s and doubles, up to 320 s, as long as things go on.  A frame or a guest can make an
 * event, but never a flood of them.
 *
 * Control thread only.
 */
#ifndef VSWITCH_EVENTS_H
#define VSWITCH_EVENTS_H

#include "ctl/base/err.h"

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct vs_events;
struct vs_subscription;

enum vs_severity { VS_INFO, VS_NOTICE, VS_WARNING, VS_ERROR };

/* Clocks, for tests. */
struct vs_events_clock {
	uint64_t (*mono_ns)(void *ctx);
	uint64_t (*wall_ns)(void *ctx);
	void *ctx;
};

/* -ENOMEM. */
int vs_events_create(struct vs_events **ret_events, struct err *err);
/* The same with 'n' events (0: 4096) and other clocks (NULL: the real ones). */
int vs_events_create_with(unsigned n, const struct vs_events_clock *clock,
			  struct vs_events **ret_events, struct err *err);
/* Subscriptions end with it.  Takes NULL. */
void vs_events_destroy(struct vs_events *events);

/* Something happened to an object: 'kind' is "port", "switch", "tenant", "core", "capture",
 * "vm", "filter", and
 * 'object' its name; both may be NULL for the daemon itself.  Texts are cut to fit. */
void vs_events_log(struct vs_events *events, enum vs_severity severity, const char *type,
		   const char *kind, const char *object, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* Something happened to a port, or the daemon if 'port' is NULL.  Severity: info. */
void vs_events_add(struct vs_events *events, const char *type, const char *port, const char *text);

/* About once a second or more often: tells what was counted and has calmed down.  Without it, what
 * was counted is told when the next event comes. */
void vs_events_tick(struct vs_events *events);

/* The number of the youngest event; 0: there was none yet. */
uint64_t vs_events_last(const struct vs_events *events);

/* The youngest 'limit' events, oldest first, of one port if 'port' is not NULL; new reference.  An
 * event is
 *
 * 	{"seq", "time", "severity", "type", "port", "kind", "object", "text", "repeated"}
 *
 * 'time' in nanoseconds since 1970, of the last one where it is repeated; 'port' is "" where the
 * object is none; kind and object are absent for the daemon, 'repeated' where it is 0. */
json_t *vs_events_list(const struct vs_events *events, unsigned limit, const char *port);

/* The events after number 'seq' that are still there, oldest first, and how many are not. */
json_t *vs_events_since(const struct vs_events *events, uint64_t seq, uint64_t *ret_missed);

/* Calls 'fn' for each event from now on (borrowed) until the subscription ends.  'fn' may subscribe
 * and unsubscribe, also itself, but add no events.  NULL when there is no memory. */
typedef void (*vs_event_fn)(void *ctx, const json_t *event);
struct vs_subscription *vs_events_subscribe(struct vs_events *events, vs_event_fn fn, void *ctx);
/* Takes NULL. */
void vs_events_unsubscribe(struct vs_subscription *subscription);

#endif

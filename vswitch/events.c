/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The event log; see events.h.
 *
 * Events lie in a ring.  Beside it a table remembers what happened lately (a topic is a type and an
 * object) and how much of it was not told; the topic that was quiet longest gives way to a new one.
 */
#include "vswitch/events.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/queue.h>

#define DEFAULT_N   4096
#define N_TOPICS    256
#define MAX_TOLD    5 /* of one topic in its while */
#define WINDOW_NS   10000000000u
#define WINDOWS_MAX 32u /* the while grows up to so many windows */

struct vs_event {
	uint64_t seq;
	uint64_t time_ns;
	uint32_t repeated; /* so many were not told before this one */
	enum vs_severity severity;
	char type[32];
	char kind[16];
	char object[64];
	char text[400];
};

struct topic {
	struct vs_event last; /* told or counted */
	bool used;
	uint64_t begin_ns; /* of its while */
	uint64_t last_ns;
	unsigned windows; /* length of its while */
	unsigned n_told;
	uint32_t n_counted;
};

struct vs_subscription {
	LIST_ENTRY(vs_subscription) entry;
	struct vs_events *events;
	vs_event_fn fn; /* NULL: unsubscribed while events were told */
	void *ctx;
};

struct vs_events {
	struct vs_events_clock clock;
	unsigned n;
	uint64_t last_seq;
	unsigned telling; /* depth: subscriptions are freed when it is 0 */
	LIST_HEAD(, vs_subscription) subs;
	struct topic topics[N_TOPICS];
	struct vs_event ring[]; /* event 'seq' at seq % n */
};

static uint64_t real_mono(void *ctx)
{
	return clock_mono_ns();
}

static uint64_t real_wall(void *ctx)
{
	return clock_wall_ns();
}

int vs_events_create_with(unsigned n, const struct vs_events_clock *clock,
			  struct vs_events **ret_events, struct err *err)
{
	const struct vs_events_clock real = {real_mono, real_wall, NULL};
	struct vs_events *events;

	if (n == 0)
		n = DEFAULT_N;
	events = calloc(1, sizeof(*events) + n * sizeof(events->ring[0]));
	if (events == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for the event log");
	events->clock = clock != NULL ? *clock : real;
	events->n = n;
	LIST_INIT(&events->subs);
	*ret_events = events;
	return 0;
}

int vs_events_create(struct vs_events **ret_events, struct err *err)
{
	return vs_events_create_with(0, NULL, ret_events, err);
}

void vs_events_destroy(struct vs_events *events)
{
	struct vs_subscription *sub;

	if (events == NULL)
		return;
	while ((sub = LIST_FIRST(&events->subs)) != NULL) {
		LIST_REMOVE(sub, entry);
		free(sub);
	}
	free(events);
}

/* A text may have been cut in the middle of a UTF-8 character, or hold what a guest chose. */
static json_t *text_json(const char *text)
{
	char clean[sizeof(((struct vs_event *)NULL)->text)];
	json_t *json = json_string(text);
	size_t n = 0;

	if (json != NULL)
		return json;
	for (; text[n] != '\0' && n < sizeof(clean) - 1; n++)
		clean[n] = (signed char)text[n] < 0 ? '?' : text[n];
	clean[n] = '\0';
	return json_string(clean);
}

static json_t *event_json(const struct vs_event *e)
{
	static const char *const severities[] = {"info", "notice", "warning", "error"};
	json_t *json = json_object();

	json_object_set_new(json, "seq", json_integer((json_int_t)e->seq));
	json_object_set_new(json, "time", json_integer((json_int_t)e->time_ns));
	json_object_set_new(json, "severity", json_string(severities[e->severity]));
	json_object_set_new(json, "type", text_json(e->type));
	json_object_set_new(json, "port", text_json(strcmp(e->kind, "port") == 0 ? e->object : ""));
	if (e->kind[0] != '\0')
		json_object_set_new(json, "kind", text_json(e->kind));
	if (e->object[0] != '\0')
		json_object_set_new(json, "object", text_json(e->object));
	json_object_set_new(json, "text", text_json(e->text));
	if (e->repeated != 0)
		json_object_set_new(json, "repeated", json_integer(e->repeated));
	return json;
}

/* Frees what was unsubscribed while events were told. */
static void sweep(struct vs_events *events)
{
	struct vs_subscription *sub, *next;

	for (sub = LIST_FIRST(&events->subs); sub != NULL; sub = next) {
		next = LIST_NEXT(sub, entry);
		if (sub->fn != NULL)
			continue;
		LIST_REMOVE(sub, entry);
		free(sub);
	}
}

static void tell(struct vs_events *events, const struct vs_event *event)
{
	struct vs_event *place = &events->ring[++events->last_seq % events->n];
	struct vs_subscription *sub;
	json_t *json;

	*place = *event;
	place->seq = events->last_seq;
	if (LIST_EMPTY(&events->subs))
		return;
	json = event_json(place);
	events->telling++;
	LIST_FOREACH(sub, &events->subs, entry)
		if (sub->fn != NULL)
			sub->fn(sub->ctx, json);
	if (--events->telling == 0)
		sweep(events);
	json_decref(json);
}

static bool same_topic(const struct vs_event *a, const struct vs_event *b)
{
	return strcmp(a->object, b->object) == 0 && strcmp(a->type, b->type) == 0 &&
	       strcmp(a->kind, b->kind) == 0;
}

/* Tells what was counted. */
static void tell_counted(struct vs_events *events, struct topic *topic)
{
	struct vs_event event = topic->last;
	char suffix[40];
	size_t n;

	if (topic->n_counted == 0)
		return;
	event.repeated = topic->n_counted;
	topic->n_counted = 0;
	snprintf(suffix, sizeof(suffix), " (repeated %u times)", event.repeated);
	n = strlen(event.text);
	if (n > sizeof(event.text) - 1 - strlen(suffix))
		n = sizeof(event.text) - 1 - strlen(suffix);
	snprintf(event.text + n, sizeof(event.text) - n, "%s", suffix);
	tell(events, &event);
}

/* The topic's while is over: a new one begins, longer if things went on, or the place becomes free.
 */
static void lapse(struct vs_events *events, struct topic *topic, uint64_t now_ns)
{
	bool went_on = topic->n_counted != 0;

	tell_counted(events, topic);
	topic->n_told = 0;
	topic->used = went_on;
	topic->begin_ns = now_ns;
	if (topic->windows < WINDOWS_MAX)
		topic->windows *= 2;
}

static bool is_over(const struct topic *topic, uint64_t now_ns)
{
	return topic->used && now_ns - topic->begin_ns >= topic->windows * (uint64_t)WINDOW_NS;
}

void vs_events_tick(struct vs_events *events)
{
	uint64_t now_ns = events->clock.mono_ns(events->clock.ctx);

	for (unsigned i = 0; i < N_TOPICS; i++)
		if (is_over(&events->topics[i], now_ns))
			lapse(events, &events->topics[i], now_ns);
}

/* The event's topic, or a place for it. */
static struct topic *find_topic(struct vs_events *events, const struct vs_event *event)
{
	struct topic *oldest = &events->topics[0];

	for (unsigned i = 0; i < N_TOPICS; i++) {
		struct topic *topic = &events->topics[i];

		if (topic->used && same_topic(&topic->last, event))
			return topic;
		if ((!topic->used && oldest->used) ||
		    (topic->used == oldest->used && topic->last_ns < oldest->last_ns))
			oldest = topic;
	}
	tell_counted(events, oldest);
	*oldest = (struct topic){.windows = 1};
	return oldest;
}

static void happened(struct vs_events *events, const struct vs_event *event)
{
	uint64_t now_ns = events->clock.mono_ns(events->clock.ctx);
	struct topic *topic;
	bool repeats;

	vs_events_tick(events);
	topic = find_topic(events, event);
	repeats = topic->used && topic->last.severity == event->severity &&
		  strcmp(topic->last.text, event->text) == 0;
	topic->last = *event;
	topic->last_ns = now_ns;
	if (!topic->used) {
		topic->used = true;
		topic->begin_ns = now_ns;
	}
	if (repeats || topic->n_told == MAX_TOLD) {
		topic->n_counted++;
		return;
	}
	topic->n_told++;
	tell(events, event);
}

/* Fills an event in but for its text. */
static struct vs_event start_event(struct vs_events *events, enum vs_severity severity,
				   const char *type, const char *kind, const char *object)
{
	struct vs_event event = {.severity = severity,
				 .time_ns = events->clock.wall_ns(events->clock.ctx)};

	snprintf(event.type, sizeof(event.type), "%s", type);
	snprintf(event.kind, sizeof(event.kind), "%s", kind != NULL ? kind : "");
	snprintf(event.object, sizeof(event.object), "%s", object != NULL ? object : "");
	return event;
}

void vs_events_log(struct vs_events *events, enum vs_severity severity, const char *type,
		   const char *kind, const char *object, const char *fmt, ...)
{
	struct vs_event event = start_event(events, severity, type, kind, object);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(event.text, sizeof(event.text), fmt, ap);
	va_end(ap);
	happened(events, &event);
}

void vs_events_add(struct vs_events *events, const char *type, const char *port, const char *text)
{
	vs_events_log(events, VS_INFO, type, port != NULL ? "port" : NULL, port, "%s", text);
}

uint64_t vs_events_last(const struct vs_events *events)
{
	return events->last_seq;
}

static uint64_t first_seq(const struct vs_events *events)
{
	return events->last_seq > events->n ? events->last_seq - events->n + 1 : 1;
}

json_t *vs_events_since(const struct vs_events *events, uint64_t seq, uint64_t *ret_missed)
{
	uint64_t first = first_seq(events);
	json_t *list = json_array();

	*ret_missed = seq + 1 < first ? first - seq - 1 : 0;
	for (uint64_t s = seq + 1 < first ? first : seq + 1; s <= events->last_seq; s++)
		json_array_append_new(list, event_json(&events->ring[s % events->n]));
	return list;
}

json_t *vs_events_list(const struct vs_events *events, unsigned limit, const char *port)
{
	uint64_t first = first_seq(events), s = events->last_seq + 1;
	json_t *list = json_array();
	unsigned n = 0;

	/* Back to the oldest that is wanted, then forward. */
	while (s > first && n < limit) {
		const struct vs_event *e = &events->ring[--s % events->n];

		n += port == NULL || (strcmp(e->kind, "port") == 0 && strcmp(e->object, port) == 0);
	}
	for (; s <= events->last_seq; s++) {
		const struct vs_event *e = &events->ring[s % events->n];

		if (port == NULL || (strcmp(e->kind, "port") == 0 && strcmp(e->object, port) == 0))
			json_array_append_new(list, event_json(e));
	}
	return list;
}

struct vs_subscription *vs_events_subscribe(struct vs_events *events, vs_event_fn fn, void *ctx)
{
	struct vs_subscription *sub = calloc(1, sizeof(*sub));

	if (sub == NULL)
		return NULL;
	sub->events = events;
	sub->fn = fn;
	sub->ctx = ctx;
	LIST_INSERT_HEAD(&events->subs, sub, entry);
	return sub;
}

void vs_events_unsubscribe(struct vs_subscription *sub)
{
	if (sub == NULL)
		return;
	sub->fn = NULL;
	if (sub->events->telling == 0)
		sweep(sub->events);
}

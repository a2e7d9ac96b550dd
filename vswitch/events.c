/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The event log; see events.h.
 */
#include "vswitch/events.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define N_EVENTS 4096u
/* The same event within this time is a repetition. */
#define REPEAT_NS 10000000000u
/* An event is told to subscribers at most so often while it repeats. */
#define TELL_EVERY 1000u

struct event_entry {
	uint64_t seq, time_ns;
	uint32_t repeated;
	char type[32], port[64], text[400];
};

struct vs_subscription {
	LIST_ENTRY(vs_subscription) link;
	vs_event_fn fn;
	void *ctx;
};

struct vs_events {
	uint64_t next; /* sequence number of the next event, from 1 */
	LIST_HEAD(, vs_subscription) subscribers;
	struct event_entry entries[N_EVENTS];
};

int vs_events_create(struct vs_events **ret_events, struct err *err)
{
	struct vs_events *events = calloc(1, sizeof(*events));

	if (events == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for the event log");
	events->next = 1;
	LIST_INIT(&events->subscribers);
	*ret_events = events;
	return 0;
}

void vs_events_destroy(struct vs_events *events)
{
	struct vs_subscription *s;

	if (events == NULL)
		return;
	while ((s = LIST_FIRST(&events->subscribers)) != NULL)
		vs_events_unsubscribe(s);
	free(events);
}

static json_t *entry_json(const struct event_entry *e)
{
	json_t *event = json_pack("{sI sI ss ss ss}", "seq", (json_int_t)e->seq, "time",
				  (json_int_t)e->time_ns, "type", e->type, "port", e->port, "text",
				  e->text);

	if (event != NULL && e->repeated != 0)
		json_object_set_new(event, "repeated", json_integer(e->repeated));
	return event;
}

static void tell(struct vs_events *events, const struct event_entry *e)
{
	struct vs_subscription *s, *next;
	json_t *event;

	if (LIST_EMPTY(&events->subscribers))
		return;
	event = entry_json(e);
	for (s = LIST_FIRST(&events->subscribers); s != NULL; s = next) {
		next = LIST_NEXT(s, link); /* It may end its subscription. */
		s->fn(s->ctx, event);
	}
	json_decref(event);
}

/* The same event a moment ago, if it is among the last few. */
static struct event_entry *find_repeated(struct vs_events *events, const char *type,
					 const char *port, const char *text, uint64_t now_ns)
{
	for (uint64_t seq = events->next - 1; seq > 0 && seq + 8 > events->next; seq--) {
		struct event_entry *e = &events->entries[seq % N_EVENTS];

		if (now_ns - e->time_ns < REPEAT_NS && strcmp(e->type, type) == 0 &&
		    strcmp(e->port, port) == 0 && strncmp(e->text, text, sizeof(e->text) - 1) == 0)
			return e;
	}
	return NULL;
}

void vs_events_add(struct vs_events *events, const char *type, const char *port, const char *text)
{
	uint64_t now_ns = clock_wall_ns();
	struct event_entry *e = find_repeated(events, type, port != NULL ? port : "", text, now_ns);

	if (e != NULL) {
		e->repeated++;
		if (e->repeated % TELL_EVERY == 0)
			tell(events, e);
		return;
	}
	e = &events->entries[events->next % N_EVENTS];
	*e = (struct event_entry){.seq = events->next++, .time_ns = now_ns};
	snprintf(e->type, sizeof(e->type), "%s", type);
	snprintf(e->port, sizeof(e->port), "%s", port != NULL ? port : "");
	snprintf(e->text, sizeof(e->text), "%s", text);
	tell(events, e);
}

json_t *vs_events_list(const struct vs_events *events, unsigned limit, const char *port)
{
	uint64_t oldest = events->next > N_EVENTS ? events->next - N_EVENTS + 1 : 1;
	json_t *list = json_array();

	for (uint64_t seq = events->next - 1; seq >= oldest && json_array_size(list) < limit;
	     seq--) {
		const struct event_entry *e = &events->entries[seq % N_EVENTS];

		if (port == NULL || strcmp(port, e->port) == 0)
			json_array_insert_new(list, 0, entry_json(e));
	}
	return list;
}

struct vs_subscription *vs_events_subscribe(struct vs_events *events, vs_event_fn fn, void *ctx)
{
	struct vs_subscription *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->fn = fn;
	s->ctx = ctx;
	LIST_INSERT_HEAD(&events->subscribers, s, link);
	return s;
}

void vs_events_unsubscribe(struct vs_subscription *s)
{
	if (s == NULL)
		return;
	LIST_REMOVE(s, link);
	free(s);
}

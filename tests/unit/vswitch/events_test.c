/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The event log under a clock that stands where the test puts it.
 */
#include "vswitch/events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)

static uint64_t now_ns;

static uint64_t mono(void *ctx)
{
	return now_ns;
}

static uint64_t wall(void *ctx)
{
	return 1700000000 * S + now_ns;
}

static struct vs_events *make(unsigned n)
{
	static const struct vs_events_clock clock = {mono, wall, NULL};
	struct vs_events *events = NULL;

	now_ns = 0;
	if (vs_events_create_with(n, &clock, &events, NULL) != 0)
		abort();
	return events;
}

/* "17:text|18:text*3|": number, text and repetitions of all events. */
static const char *dump(const struct vs_events *events)
{
	static char out[8192];
	uint64_t missed;
	json_t *list = vs_events_since(events, 0, &missed);
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *event = json_array_get(list, i),
		       *repeated = json_object_get(event, "repeated");

		n += (size_t)snprintf(out + n, sizeof(out) - n, "%d:%s",
				      (int)json_integer_value(json_object_get(event, "seq")),
				      json_string_value(json_object_get(event, "text")));
		if (repeated != NULL)
			n += (size_t)snprintf(out + n, sizeof(out) - n, "*%d",
					      (int)json_integer_value(repeated));
		n += (size_t)snprintf(out + n, sizeof(out) - n, "|");
	}
	json_decref(list);
	return out;
}

static void event_says_what_happened_to_what_and_when(void **state)
{
	struct vs_events *events = make(0);
	uint64_t missed;
	json_t *list, *event;

	now_ns = 5 * S;
	vs_events_log(events, VS_WARNING, "link-down", "port", "p1", "no carrier for %d s", 3);
	vs_events_add(events, "store", NULL, "recovered");
	list = vs_events_since(events, 0, &missed);
	assert_int_equal(missed, 0);
	event = json_array_get(list, 0);
	assert_int_equal(json_integer_value(json_object_get(event, "seq")), 1);
	assert_int_equal(json_integer_value(json_object_get(event, "time")), 1700000005 * S);
	assert_string_equal(json_string_value(json_object_get(event, "severity")), "warning");
	assert_string_equal(json_string_value(json_object_get(event, "type")), "link-down");
	assert_string_equal(json_string_value(json_object_get(event, "kind")), "port");
	assert_string_equal(json_string_value(json_object_get(event, "object")), "p1");
	assert_string_equal(json_string_value(json_object_get(event, "port")), "p1");
	assert_string_equal(json_string_value(json_object_get(event, "text")),
			    "no carrier for 3 s");
	assert_null(json_object_get(event, "repeated"));
	event = json_array_get(list, 1);
	assert_null(json_object_get(event, "kind"));
	assert_null(json_object_get(event, "object"));
	assert_string_equal(json_string_value(json_object_get(event, "port")), "");
	json_decref(list);
	vs_events_destroy(events);
}

static void oldest_events_give_way_and_a_reader_learns_how_many_it_missed(void **state)
{
	struct vs_events *events = make(3);
	uint64_t missed;

	for (unsigned i = 1; i <= 5; i++)
		vs_events_log(events, VS_INFO, "t", "port", i % 2 != 0 ? "a" : "b", "%u", i);
	assert_string_equal(dump(events), "3:3|4:4|5:5|");
	json_decref(vs_events_since(events, 0, &missed));
	assert_int_equal(missed, 2);
	json_decref(vs_events_since(events, 1, &missed));
	assert_int_equal(missed, 1);
	json_decref(vs_events_since(events, 2, &missed));
	assert_int_equal(missed, 0);
	json_decref(vs_events_since(events, 5, &missed));
	assert_int_equal(missed, 0);
	assert_int_equal(vs_events_last(events), 5);
	vs_events_destroy(events);
}

static void list_gives_the_youngest_oldest_first_of_one_port(void **state)
{
	struct vs_events *events = make(100);
	json_t *list;

	for (unsigned i = 1; i <= 10; i++) {
		char text[10];

		now_ns += 100 * S; /* Else they would be counted. */
		snprintf(text, sizeof(text), "%u", i);
		vs_events_add(events, "t", i % 2 != 0 ? "odd" : "even", text);
	}
	vs_events_log(events, VS_INFO, "t", "switch", "odd", "not a port");
	list = vs_events_list(events, 2, "odd");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "text")),
			    "7");
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "text")),
			    "9");
	json_decref(list);
	list = vs_events_list(events, 1000, NULL);
	assert_int_equal(json_array_size(list), 11);
	json_decref(list);
	list = vs_events_list(events, 0, NULL);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	vs_events_destroy(events);
}

static void what_repeats_is_told_once_then_counted(void **state)
{
	struct vs_events *events = make(100);

	for (unsigned i = 0; i < 38; i++) {
		vs_events_add(events, "link", "p1", "down");
		now_ns += S / 10;
		vs_events_tick(events);
	}
	assert_string_equal(dump(events), "1:down|");
	now_ns += 10 * S;
	vs_events_tick(events);
	assert_string_equal(dump(events), "1:down|2:down (repeated 37 times)*37|");
	now_ns += 1000 * S;
	vs_events_tick(events);
	assert_int_equal(vs_events_last(events), 2); /* Nothing more to tell. */
	vs_events_add(events, "link", "p1", "down"); /* Calm in between: news again. */
	assert_string_equal(dump(events), "1:down|2:down (repeated 37 times)*37|3:down|");
	vs_events_destroy(events);
}

static void other_object_type_or_text_is_another_event(void **state)
{
	struct vs_events *events = make(100);

	vs_events_add(events, "link", "p1", "down");
	vs_events_add(events, "link", "p2", "down");
	vs_events_add(events, "queue", "p1", "down");
	vs_events_add(events, "link", "p1", "up");
	vs_events_add(events, "link", "p1", "down"); /* Not the same as the one before it. */
	vs_events_log(events, VS_ERROR, "link", "port", "p1", "down"); /* Worse is not the same. */
	assert_int_equal(vs_events_last(events), 6);
	vs_events_destroy(events);
}

static void texts_that_differ_are_counted_when_there_are_too_many(void **state)
{
	struct vs_events *events = make(100);

	for (unsigned i = 1; i <= 1000; i++)
		vs_events_log(events, VS_INFO, "mac-moved", "port", "p1", "address %u moved", i);
	assert_int_equal(vs_events_last(events), 5);
	now_ns += 11 * S;
	vs_events_tick(events);
	assert_int_equal(vs_events_last(events), 6);
	assert_non_null(strstr(dump(events), "6:address 1000 moved (repeated 995 times)*995|"));
	vs_events_destroy(events);
}

static void what_goes_on_for_an_hour_is_told_less_and_less(void **state)
{
	struct vs_events *events = make(1000);
	uint64_t told = 0;
	json_t *list;
	uint64_t missed;

	for (unsigned s = 0; s < 36000; s++) {
		now_ns += S / 10;
		vs_events_add(events, "loop", "p1", "held");
		vs_events_tick(events);
	}
	/* 10 + 20 + .. + 160 s, then one in 320 s. */
	assert_in_range(vs_events_last(events), 10, 20);
	now_ns += 1000 * S;
	vs_events_tick(events);
	list = vs_events_since(events, 0, &missed);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *repeated = json_object_get(json_array_get(list, i), "repeated");

		told += repeated != NULL ? (uint64_t)json_integer_value(repeated) : 1;
	}
	assert_int_equal(told, 36000); /* None is lost. */
	json_decref(list);
	vs_events_destroy(events);
}

static void more_topics_than_are_remembered_lose_no_count(void **state)
{
	struct vs_events *events = make(4000);

	vs_events_add(events, "t", "first", "x");
	vs_events_add(events, "t", "first", "x");
	for (unsigned i = 0; i < 600; i++) {
		char name[20];

		now_ns++;
		snprintf(name, sizeof(name), "p%u", i);
		vs_events_add(events, "t", name, "y");
	}
	assert_int_equal(vs_events_last(events), 602);
	assert_non_null(strstr(dump(events), ":x (repeated 1 times)*1|"));
	vs_events_destroy(events);
}

struct listener {
	struct vs_events *events;
	struct vs_subscription *self, *other;
	unsigned n;
	char last[64];
};

static void told(void *ctx, const json_t *event)
{
	struct listener *l = ctx;

	l->n++;
	snprintf(l->last, sizeof(l->last), "%s", json_string_value(json_object_get(event, "text")));
}

static void told_once(void *ctx, const json_t *event)
{
	struct listener *l = ctx;

	told(ctx, event);
	vs_events_unsubscribe(l->self);
	vs_events_unsubscribe(l->other);
	l->self = l->other = NULL;
}

static void subscriber_is_told_from_then_on_until_it_ends(void **state)
{
	struct vs_events *events = make(100);
	struct listener l = {0};

	vs_events_add(events, "t", "a", "before");
	l.self = vs_events_subscribe(events, told, &l);
	vs_events_add(events, "t", "b", "during");
	assert_int_equal(l.n, 1);
	assert_string_equal(l.last, "during");
	vs_events_add(events, "t", "b", "during"); /* Counted, so not told yet. */
	assert_int_equal(l.n, 1);
	now_ns += 20 * S;
	vs_events_tick(events);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.last, "during (repeated 1 times)");
	vs_events_unsubscribe(l.self);
	vs_events_add(events, "t", "c", "after");
	assert_int_equal(l.n, 2);
	vs_events_destroy(events);
}

static void subscriber_may_end_itself_and_others_while_it_is_told(void **state)
{
	struct vs_events *events = make(100);
	struct listener a = {0}, b = {0};

	/* Whoever of the two is told first ends both. */
	a.self = vs_events_subscribe(events, told_once, &a);
	b.self = a.other = vs_events_subscribe(events, told_once, &b);
	b.other = a.self;
	vs_events_add(events, "t", "a", "1");
	assert_int_equal(a.n + b.n, 1);
	vs_events_add(events, "t", "b", "2");
	assert_int_equal(a.n + b.n, 1);
	vs_events_subscribe(events, told, &a); /* Left for destroy. */
	vs_events_destroy(events);
}

static void long_and_odd_texts_are_cut_and_cleaned(void **state)
{
	struct vs_events *events = make(10);
	char text[1000], name[200];
	uint64_t missed;
	json_t *list;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	vs_events_log(events, VS_INFO, text, text, name, "%s", text);
	vs_events_log(events, VS_INFO, text, text, name, "%s", text);
	vs_events_add(events, "t", "a", "\xff\xfe caf\xc3");
	now_ns += 20 * S;
	vs_events_tick(events);
	list = vs_events_since(events, 0, &missed);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "text")),
			    "?? caf?");
	assert_non_null(strstr(json_string_value(json_object_get(json_array_get(list, 2), "text")),
			       "xx (repeated 1 times)"));
	json_decref(list);
	vs_events_destroy(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(event_says_what_happened_to_what_and_when),
		cmocka_unit_test(oldest_events_give_way_and_a_reader_learns_how_many_it_missed),
		cmocka_unit_test(list_gives_the_youngest_oldest_first_of_one_port),
		cmocka_unit_test(what_repeats_is_told_once_then_counted),
		cmocka_unit_test(other_object_type_or_text_is_another_event),
		cmocka_unit_test(texts_that_differ_are_counted_when_there_are_too_many),
		cmocka_unit_test(what_goes_on_for_an_hour_is_told_less_and_less),
		cmocka_unit_test(more_topics_than_are_remembered_lose_no_count),
		cmocka_unit_test(subscriber_is_told_from_then_on_until_it_ends),
		cmocka_unit_test(subscriber_may_end_itself_and_others_while_it_is_told),
		cmocka_unit_test(long_and_odd_texts_are_cut_and_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

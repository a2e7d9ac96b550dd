/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A connection over a socket pair, with the test as the controller: hello in every form, messages
 * at every split, garbage, floods, and peers that vanish or never read.
 */
#include "vswitch/channel.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#define PROBE_MS 100

struct fixture {
	struct event_base *base;
	struct vs_channel *ch;
	int fd; /* the controller's end */
	unsigned n_up, n_messages, n_gone;
	size_t n_bytes;
	uint8_t type;
	uint32_t xid;
	char reason[VS_CHANNEL_REASON_MAX];
	/* What the agent does with each message. */
	size_t answer; /* sends so many bytes of echo requests */
	bool may_drop, end;
	unsigned n_pieces; /* of a long answer */
};

static void told_up(void *ctx, struct vs_channel *ch)
{
	((struct fixture *)ctx)->n_up++;
}

static void fill(struct wr *wr, size_t size)
{
	static const uint8_t zeros[32768];

	while (wr->size < size)
		of_echo_encode(wr, OFPT_MULTIPART_REPLY, 7, zeros,
			       size - wr->size < sizeof(zeros) ? size - wr->size : sizeof(zeros));
}

static void told_message(void *ctx, struct vs_channel *ch, const struct of_header *header,
			 const uint8_t *msg)
{
	struct fixture *f = ctx;
	struct wr wr = wr_init(SIZE_MAX);

	f->n_messages++;
	f->n_bytes += header->size;
	f->type = header->type;
	f->xid = header->xid;
	assert_int_equal(msg[1], header->type);
	assert_int_equal(msg[header->size - 1], header->size > OF_HEADER_SIZE ? 0x5a : msg[7]);
	fill(&wr, f->answer);
	vs_channel_send(ch, wr.bytes, wr.size, f->may_drop);
	wr_fini(&wr);
	ch->busy = f->n_pieces != 0;
	if (f->end)
		vs_channel_end(ch, "told to");
}

static void told_drained(void *ctx, struct vs_channel *ch)
{
	struct fixture *f = ctx;
	struct wr wr = wr_init(SIZE_MAX);

	assert_true(ch->busy);
	assert_true(vs_channel_waiting(ch) <= VS_CHANNEL_PAUSE);
	fill(&wr, 30000);
	vs_channel_send(ch, wr.bytes, wr.size, false);
	wr_fini(&wr);
	f->n_pieces--;
	ch->busy = f->n_pieces != 0;
}

static void told_gone(void *ctx, struct vs_channel *ch, const char *reason)
{
	struct fixture *f = ctx;

	f->n_gone++;
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
	f->ch = NULL;
}

static const struct vs_channel_ops ops = {.up = told_up,
					  .message = told_message,
					  .drained = told_drained,
					  .gone = told_gone};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct vs_channel_opts opts = {.ops = &ops, .ctx = f, .probe_ms = PROBE_MS};
	int fds[2];

	f->base = event_base_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	f->fd = fds[1];
	assert_int_equal(vs_channel_create(bufferevent_socket_new(f->base, fds[0],
								  BEV_OPT_CLOSE_ON_FREE |
									  BEV_OPT_DEFER_CALLBACKS),
					   &opts, &f->ch),
			 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	vs_channel_destroy(f->ch);
	event_base_free(f->base);
	close(f->fd);
	free(f);
	return 0;
}

/* Until nothing more happens at once. */
static void run(struct fixture *f)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static bool run_until_gone(struct fixture *f, unsigned ms)
{
	uint64_t end = clock_mono_ns() + ms * 1000000ull;

	while (f->n_gone == 0 && clock_mono_ns() < end)
		event_base_loop(f->base, EVLOOP_ONCE);
	return f->n_gone != 0;
}

static void say(struct fixture *f, const void *bytes, size_t size)
{
	assert_int_equal(write(f->fd, bytes, size), (ssize_t)size);
	run(f);
}

static void say_wr(struct fixture *f, struct wr *wr)
{
	assert_true(wr_ok(wr));
	say(f, wr->bytes, wr->size);
	wr_fini(wr);
}

static void say_hello(struct fixture *f)
{
	const struct of_hello hello = {.versions = 1u << OF_VERSION_13};
	struct wr wr = wr_init(SIZE_MAX);

	of_hello_encode(&wr, 1, &hello);
	say_wr(f, &wr);
}

/* A message whose body is 0x5a. */
static void put_message(struct wr *wr, uint8_t type, uint32_t xid, size_t size)
{
	static uint8_t body[OF_MSG_MAX];

	memset(body, 0x5a, sizeof(body));
	of_echo_encode(wr, type, xid, body, size - OF_HEADER_SIZE);
}

/* The next message that the switch sent; false: none is there. */
static bool hear(struct fixture *f, struct of_header *ret_header, uint8_t *body, size_t size)
{
	uint8_t start[OF_HEADER_SIZE];
	ssize_t n;

	run(f);
	n = read(f->fd, start, sizeof(start));
	if (n != sizeof(start))
		return false;
	assert_int_equal(of_header_decode(start, sizeof(start), ret_header), OF_OK);
	for (size_t at = 0, left = ret_header->size - sizeof(start); left > 0; left -= (size_t)n) {
		uint8_t byte[4096];

		n = read(f->fd, byte, left < sizeof(byte) ? left : sizeof(byte));
		assert_true(n > 0);
		for (ssize_t i = 0; i < n && at < size; i++)
			body[at++] = byte[i];
		run(f);
	}
	return true;
}

static void hear_hello(struct fixture *f)
{
	struct of_header header;
	uint8_t body[8];
	static const uint8_t bitmap[8] = {0, 1, 0, 8, 0, 0, 0, 0x10};

	assert_true(hear(f, &header, body, sizeof(body)));
	assert_int_equal(header.type, OFPT_HELLO);
	assert_int_equal(header.version, OF_VERSION_13);
	assert_int_equal(header.size, 16);
	assert_memory_equal(body, bitmap, 8);
}

static void shake_hands(struct fixture *f)
{
	hear_hello(f);
	say_hello(f);
	assert_int_equal(f->n_up, 1);
	assert_true(f->ch->up);
}

/* hello */

static void says_hello_at_once_and_offers_one_version(void **state)
{
	struct fixture *f = *state;

	hear_hello(f);
	assert_false(f->ch->up);
	assert_int_equal(f->n_up, 0);
}

static void takes_every_hello_that_offers_1_3(void **state)
{
	struct fixture *f = *state;
	/* The header's version and no elements; an older header and a bitmap; an unknown element
	 * before the bitmap; a newer version, which offers all below. */
	static const struct {
		uint8_t size, bytes[32];
	} hellos[] = {
		{8, {4, 0, 0, 8, 0, 0, 0, 1}},
		{16, {1, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x12}},
		{32, {4, 0, 0, 32, 0, 0, 0, 1, 0, 9, 0, 13, 1, 2, 3, 4,
		      5, 6, 7, 8,  9, 0, 0, 0, 0, 1, 0, 8,  0, 0, 0, 0x10}},
		{8, {6, 0, 0, 8, 0, 0, 0, 1}},
		{8, {255, 0, 0, 8, 0, 0, 0, 1}},
	};

	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		say(f, hellos[i].bytes, hellos[i].size);
		if (f->n_up != 1 || f->n_gone != 0)
			fail_msg("hello %zu", i);
		teardown(state);
		setup(state);
		f = *state;
	}
}

static void refuses_a_hello_without_1_3_with_words(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint8_t size, bytes[16];
	} hellos[] = {
		{8, {1, 0, 0, 8, 0, 0, 0, 9}},
		{8, {3, 0, 0, 8, 0, 0, 0, 9}},
		{16, {4, 0, 0, 16, 0, 0, 0, 9, 0, 1, 0, 8, 0, 0, 0, 0x22}},
		{16, {6, 0, 0, 16, 0, 0, 0, 9, 0, 1, 0, 8, 0, 0, 0, 0}},
		{8, {4, OFPT_FEATURES_REQUEST, 0, 8, 0, 0, 0, 9}},
	};

	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++) {
		struct of_header header;
		uint8_t body[64] = {0};

		hear_hello(f);
		say(f, hellos[i].bytes, hellos[i].size);
		assert_true(hear(f, &header, body, sizeof(body)));
		assert_int_equal(header.type, OFPT_ERROR);
		assert_int_equal(header.xid, 9);
		assert_memory_equal(body, "\0\0\0\0", 4); /* HELLO_FAILED, INCOMPATIBLE */
		assert_true(body[4] >= 'a' && body[4] <= 'z');
		assert_true(run_until_gone(f, 3000));
		assert_int_equal(f->n_up, 0);
		assert_true(f->reason[0] != '\0');
		teardown(state);
		setup(state);
		f = *state;
	}
}

static void a_peer_that_refuses_us_is_quoted(void **state)
{
	struct fixture *f = *state;
	static const uint8_t error[] = {4, OFPT_ERROR, 0, 18,  0,   0,	  0,   1,   0,
					0, 0,	       0, 'n', 'o', '\n', 'w', 'a', 'y'};

	say(f, error, sizeof(error));
	assert_true(run_until_gone(f, 3000));
	assert_non_null(strstr(f->reason, "no.way"));
}

static void who_says_no_hello_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	assert_true(run_until_gone(f, 5000));
	assert_string_equal(f->reason, "no hello came");
}

/* bytes */

static void finds_messages_at_every_split(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);

	shake_hands(f);
	put_message(&wr, OFPT_FLOW_MOD, 1, 21);
	put_message(&wr, OFPT_BARRIER_REQUEST, 2, 8);
	put_message(&wr, OFPT_PACKET_OUT, 3, 40);
	for (size_t split = 0; split <= wr.size; split++) {
		if (split > 0)
			say(f, wr.bytes, split);
		if (split < wr.size)
			say(f, wr.bytes + split, wr.size - split);
		assert_int_equal(f->n_messages, 3 * (split + 1));
		assert_int_equal(f->xid, 3);
	}
	for (size_t i = 0; i < wr.size; i++)
		say(f, wr.bytes + i, 1);
	assert_int_equal(f->n_messages, 3 * (wr.size + 2));
	assert_int_equal(f->n_bytes, wr.size * (wr.size + 2));
	wr_fini(&wr);
}

static void takes_the_longest_message(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);

	shake_hands(f);
	for (int i = 0; i < 4; i++)
		put_message(&wr, OFPT_PACKET_OUT, 3, OF_MSG_MAX);
	for (size_t at = 0; at < wr.size;) {
		ssize_t n = write(f->fd, wr.bytes + at, wr.size - at);

		at += n > 0 ? (size_t)n : 0;
		run(f);
	}
	run(f);
	assert_int_equal(f->n_messages, 4);
	assert_int_equal(f->n_bytes, wr.size);
	wr_fini(&wr);
}

static void answers_echo_with_its_bytes(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);
	struct of_header header;
	uint8_t body[5];

	shake_hands(f);
	of_echo_encode(&wr, OFPT_ECHO_REQUEST, 77, "hello", 5);
	say_wr(f, &wr);
	assert_true(hear(f, &header, body, sizeof(body)));
	assert_int_equal(header.type, OFPT_ECHO_REPLY);
	assert_int_equal(header.xid, 77);
	assert_int_equal(header.size, 13);
	assert_memory_equal(body, "hello", 5);
	assert_int_equal(f->n_messages, 0);
}

static void another_version_is_an_error_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct of_header header;
	uint8_t body[12];
	static const uint8_t msg[] = {1, OFPT_FLOW_MOD, 0, 12, 0, 0, 0, 5, 1, 2, 3, 4};
	static const uint8_t want[] = {0, 1, 0, 0, 1, OFPT_FLOW_MOD, 0, 12, 0, 0, 0, 5};

	shake_hands(f);
	say(f, msg, sizeof(msg));
	assert_true(hear(f, &header, body, sizeof(body)));
	assert_int_equal(header.type, OFPT_ERROR);
	assert_int_equal(header.xid, 5);
	assert_memory_equal(body, want, sizeof(want));
	assert_int_equal(f->n_messages, 0);
	assert_int_equal(f->ch->counts.garbage, 1);
	assert_true(f->ch->up);
}

static void errors_about_garbage_are_few(void **state)
{
	struct fixture *f = *state;
	struct of_header header;
	unsigned n = 0;

	shake_hands(f);
	for (int i = 0; i < 1000; i++)
		say(f, "\x01\x0e\0\x08\0\0\0\x05", 8);
	while (hear(f, &header, NULL, 0))
		n += header.type == OFPT_ERROR;
	assert_in_range(n, 1, 500);
	assert_int_equal(f->ch->counts.garbage, 1000);
}

static void a_message_shorter_than_its_header_ends_it(void **state)
{
	for (uint8_t size = 0; size < OF_HEADER_SIZE; size++) {
		struct fixture *f = *state;
		const uint8_t msg[] = {4, OFPT_FLOW_MOD, 0, size, 0, 0, 0, 5, 4, 0, 0, 8, 0, 0, 0,
				       0};
		struct of_header header;
		uint8_t body[4];

		shake_hands(f);
		say(f, msg, sizeof(msg));
		assert_true(hear(f, &header, body, sizeof(body)));
		assert_int_equal(header.type, OFPT_ERROR);
		assert_memory_equal(body, "\0\x01\0\x06", 4); /* BAD_REQUEST, BAD_LEN */
		assert_true(run_until_gone(f, 3000));
		assert_int_equal(f->n_messages, 0);
		teardown(state);
		setup(state);
	}
}

/* life and its end */

static void asks_who_is_silent_and_takes_any_answer(void **state)
{
	struct fixture *f = *state;
	struct of_header header;
	uint64_t end;
	unsigned n = 0;

	shake_hands(f);
	end = clock_mono_ns() + 10 * PROBE_MS * 1000000ull;
	while (clock_mono_ns() < end) {
		event_base_loop(f->base, EVLOOP_ONCE);
		if (!hear(f, &header, NULL, 0))
			continue;
		assert_int_equal(header.type, OFPT_ECHO_REQUEST);
		say(f, "\x04\x03\0\x08\0\0\0\0", 8);
		n++;
	}
	assert_in_range(n, 2, 10);
	assert_int_equal(f->n_gone, 0);
	assert_int_equal(f->n_messages, 0);
}

static void who_never_answers_is_gone(void **state)
{
	struct fixture *f = *state;
	uint64_t start = clock_mono_ns();

	shake_hands(f);
	assert_true(run_until_gone(f, 5000));
	assert_true(clock_mono_ns() - start > 2 * PROBE_MS * 1000000ull);
	assert_non_null(strstr(f->reason, "no answer to echo requests"));
}

static void a_peer_that_closes_is_gone_after_what_it_said(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);

	shake_hands(f);
	/* More than one turn takes. */
	for (int i = 0; i < 1000; i++)
		put_message(&wr, OFPT_FLOW_MOD, 1, 56);
	assert_int_equal(write(f->fd, wr.bytes, wr.size), (ssize_t)wr.size);
	close(f->fd);
	f->fd = -1;
	assert_true(run_until_gone(f, 5000));
	assert_int_equal(f->n_messages, 1000);
	assert_non_null(strstr(f->reason, "closed"));
	wr_fini(&wr);
}

static void the_agent_may_end_it_from_a_message(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);
	struct of_header header;

	shake_hands(f);
	f->end = true;
	f->answer = 64;
	put_message(&wr, OFPT_FLOW_MOD, 1, 56);
	put_message(&wr, OFPT_FLOW_MOD, 1, 56);
	say_wr(f, &wr);
	assert_int_equal(f->n_messages, 1);
	assert_true(hear(f, &header, NULL, 0)); /* the answer goes out before */
	assert_int_equal(header.type, OFPT_MULTIPART_REPLY);
	assert_true(run_until_gone(f, 3000));
	assert_string_equal(f->reason, "told to");
}

/* floods */

static const struct timeval at_once;

struct other {
	struct event *event;
	unsigned n;
};

static void other_event(evutil_socket_t fd, short what, void *arg)
{
	struct other *other = arg;

	other->n++;
	evtimer_add(other->event, &at_once);
}

static void a_flood_leaves_turns_for_others(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);
	struct other other = {0};
	unsigned before;

	other.event = evtimer_new(f->base, other_event, &other);
	shake_hands(f);
	for (int i = 0; i < 1000; i++)
		put_message(&wr, OFPT_FLOW_MOD, 1, 56);
	assert_int_equal(write(f->fd, wr.bytes, wr.size), (ssize_t)wr.size);
	evtimer_add(other.event, &at_once);
	while (f->n_messages < 1000) {
		before = f->n_messages;
		event_base_loop(f->base, EVLOOP_ONCE);
		assert_true(f->n_messages - before <= 64);
	}
	assert_true(other.n >= 1000 / 64);
	event_free(other.event);
	wr_fini(&wr);
}

static void who_does_not_read_is_not_listened_to(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);
	unsigned n;

	shake_hands(f);
	f->answer = 60000;
	for (int i = 0; i < 400; i++)
		put_message(&wr, OFPT_MULTIPART_REQUEST, 1, 8);
	say_wr(f, &wr);
	for (int i = 0; i < 100; i++)
		run(f);
	n = f->n_messages;
	assert_in_range(n, 1, 50);
	assert_true(vs_channel_waiting(f->ch) < VS_CHANNEL_PAUSE + 2 * f->answer);
	/* It begins to read: all answers come, and the rest is heard. */
	for (int i = 0; i < 100000 && f->n_messages < 400; i++) {
		uint8_t bytes[65536];

		if (read(f->fd, bytes, sizeof(bytes)) < 0)
			assert_int_equal(errno, EAGAIN);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(f->n_messages, 400);
	assert_int_equal(f->n_gone, 0);
}

static void a_long_answer_goes_on_as_it_is_read(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);

	shake_hands(f);
	f->n_pieces = 300;
	put_message(&wr, OFPT_MULTIPART_REQUEST, 1, 8);
	put_message(&wr, OFPT_BARRIER_REQUEST, 2, 8);
	say_wr(f, &wr);
	for (int i = 0; i < 100; i++)
		run(f);
	assert_in_range(f->n_pieces, 200, 299);
	assert_int_equal(f->n_messages, 1);
	for (int i = 0; i < 100000 && f->n_messages < 2; i++) {
		uint8_t bytes[65536];

		if (read(f->fd, bytes, sizeof(bytes)) < 0)
			assert_int_equal(errno, EAGAIN);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(f->n_pieces, 0);
	assert_int_equal(f->n_messages, 2); /* the next message waited */
	assert_int_equal(f->n_gone, 0);
}

static void who_never_reads_is_gone(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);

	shake_hands(f);
	f->answer = 2000000;
	put_message(&wr, OFPT_MULTIPART_REQUEST, 1, 8);
	say_wr(f, &wr);
	assert_true(run_until_gone(f, 5000));
	assert_non_null(strstr(f->reason, "does not read"));
}

static void what_may_be_dropped_is_and_is_counted(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);

	shake_hands(f);
	fill(&wr, 1000);
	for (int i = 0; i < 4000; i++)
		vs_channel_send(f->ch, wr.bytes, wr.size, true);
	assert_true(vs_channel_waiting(f->ch) <= VS_CHANNEL_MAX_ASYNC);
	assert_in_range(f->ch->counts.dropped, 2000, 3999);
	assert_int_equal(f->ch->counts.dropped + f->ch->counts.tx_messages, 4001);
	wr_fini(&wr);
}

static void too_long_an_answer_ends_it(void **state)
{
	struct fixture *f = *state;
	struct wr wr = wr_init(SIZE_MAX);

	shake_hands(f);
	fill(&wr, 32u << 20);
	for (int i = 0; i < 17 && f->n_gone == 0; i++)
		vs_channel_send(f->ch, wr.bytes, wr.size, false);
	assert_true(run_until_gone(f, 5000));
	assert_non_null(strstr(f->reason, "does not read"));
	wr_fini(&wr);
}

static void nothing_is_sent_before_hello(void **state)
{
	struct fixture *f = *state;
	struct of_header header;

	vs_channel_send(f->ch, "\x04\x0a\0\x08\0\0\0\0", 8, false);
	hear_hello(f);
	assert_false(hear(f, &header, NULL, 0));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(says_hello_at_once_and_offers_one_version),
		T(takes_every_hello_that_offers_1_3),
		T(refuses_a_hello_without_1_3_with_words),
		T(a_peer_that_refuses_us_is_quoted),
		T(who_says_no_hello_is_not_waited_for),
		T(finds_messages_at_every_split),
		T(takes_the_longest_message),
		T(answers_echo_with_its_bytes),
		T(another_version_is_an_error_and_no_more),
		T(errors_about_garbage_are_few),
		T(a_message_shorter_than_its_header_ends_it),
		T(asks_who_is_silent_and_takes_any_answer),
		T(who_never_answers_is_gone),
		T(a_peer_that_closes_is_gone_after_what_it_said),
		T(the_agent_may_end_it_from_a_message),
		T(a_flood_leaves_turns_for_others),
		T(who_does_not_read_is_not_listened_to),
		T(a_long_answer_goes_on_as_it_is_read),
		T(who_never_reads_is_gone),
		T(what_may_be_dropped_is_and_is_counted),
		T(too_long_an_answer_ends_it),
		T(nothing_is_sent_before_hello),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

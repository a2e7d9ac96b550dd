/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frame and negotiation of integration services, on a device of the test's own: what a guest may
 * answer, what it may not, and when.
 */
#include "vmbus/ic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ic_rig.h"

#define TYPE	9
#define TIMEOUT (30 * IC_RIG_S)

static const struct ic_version frameworks[] = {{3, 0}, {1, 0}};
static const struct ic_version versions[] = {{4, 0}, {3, 0}, {1, 0}};
static const struct ic_kind kind = {
	.name = "test",
	.type = {{1, 2, 3, 4}},
	.message = TYPE,
	.frameworks = frameworks,
	.versions = versions,
	.n_frameworks = 2,
	.n_versions = 3,
};

struct state {
	struct ic_rig rig;
	struct ic *ic;
	struct ic_guest guest;
	unsigned n_ready, n_answers, n_failed, n_closed;
	struct ic_version version;
	uint32_t status;
	uint8_t data[IC_DATA_MAX];
	size_t size;
	int error;
};

static void on_ready(void *ctx, struct ic_version version)
{
	struct state *s = ctx;

	s->n_ready++;
	s->version = version;
}

static void on_answer(void *ctx, uint32_t status, const uint8_t *data, size_t size)
{
	struct state *s = ctx;

	s->n_answers++;
	s->status = status;
	s->size = size;
	if (size > 0)
		memcpy(s->data, data, size);
}

static void on_failed(void *ctx, int error)
{
	struct state *s = ctx;

	s->n_failed++;
	s->error = error;
}

static void on_closed(void *ctx)
{
	((struct state *)ctx)->n_closed++;
}

static const struct ic_ops ops = {
	.ready = on_ready,
	.answer = on_answer,
	.failed = on_failed,
	.closed = on_closed,
};

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	ic_rig_init(&s->rig);
	assert_int_equal(ic_create(&s->rig.env, &kind, &ops, s, &s->ic), 0);
	ic_tick(s->ic, s->rig.now_ns);
	ic_rig_connect(&s->rig);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	if (s->guest.channel != NULL)
		ic_guest_close(&s->guest);
	ic_rig_unload(&s->rig);
	ic_destroy(s->ic);
	ic_rig_fini(&s->rig);
	free(s);
	return 0;
}

static struct ic_info info(const struct state *s)
{
	struct ic_info i;

	ic_info(s->ic, &i);
	return i;
}

static void start(struct state *s)
{
	ic_guest_start(&s->guest, &s->rig, &kind.type, (struct ic_version){4, 0});
	assert_int_equal(s->n_ready, 1);
}

/* Asks with 8 bytes, which the guest takes. */
static void ask(struct state *s)
{
	assert_int_equal(ic_request(s->ic, "question", 8, TIMEOUT), 0);
	ic_guest_expect(&s->guest, TYPE);
	assert_int_equal(s->guest.m.data_size, 8);
	assert_memory_equal(s->guest.m.data, "question", 8);
}

/* ---- Frame ---- */

static void frame_is_read_as_it_was_written(void **state)
{
	const struct ic_message m = {.framework = {3, 0},
				     .version = {4, 1},
				     .type = 2,
				     .status = 0x80004005,
				     .transaction = 7,
				     .flags = 5,
				     .data = (const uint8_t *)"abcde",
				     .data_size = 5};
	uint8_t bytes[IC_HEADER_SIZE + 5];
	struct ic_message read;

	assert_int_equal(ic_write(bytes, &m), sizeof(bytes));
	assert_int_equal(bytes[0], 1);
	assert_int_equal(bytes[4], 25); /* what follows the pipe's header */
	assert_int_equal(bytes[12], 2);
	assert_int_equal(bytes[18], 5);
	assert_int_equal(bytes[24], 7);
	assert_int_equal(ic_read(bytes, sizeof(bytes), &read), 0);
	assert_int_equal(read.version.major, 4);
	assert_int_equal(read.version.minor, 1);
	assert_int_equal(read.status, 0x80004005);
	assert_int_equal(read.data_size, 5);
	assert_memory_equal(read.data, "abcde", 5);
}

static void frame_refuses_every_size_that_does_not_fit(void **state)
{
	const struct ic_message m = {.data = (const uint8_t *)"12345678", .data_size = 8};
	uint8_t bytes[IC_HEADER_SIZE + 8], bad[sizeof(bytes)];
	struct ic_message read;
	const size_t size = ic_write(bytes, &m);

	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(ic_read(bytes, cut, &read), -EBADMSG);
	for (unsigned at = 18; at < 20; at++) { /* data size: too much */
		memcpy(bad, bytes, size);
		bad[at] += 1;
		assert_int_equal(ic_read(bad, size, &read), -EBADMSG);
		bad[at] = 0xff;
		assert_int_equal(ic_read(bad, size, &read), -EBADMSG);
	}
	for (unsigned pipe = 0; pipe < 20; pipe++) { /* less than a header */
		memcpy(bad, bytes, size);
		bad[4] = (uint8_t)pipe;
		assert_int_equal(ic_read(bad, size, &read), -EBADMSG);
	}
	memcpy(bad, bytes, size);
	memset(bad + 4, 0xff, 4);
	assert_int_equal(ic_read(bad, size, &read), -EBADMSG);
	memcpy(bad, bytes, size);
	bad[0] = 2; /* not data of a pipe */
	assert_int_equal(ic_read(bad, size, &read), -EBADMSG);
	memcpy(bad, bytes, size);
	bad[18] = 0;
	assert_int_equal(ic_read(bad, size, &read), 0);
	assert_int_equal(read.data_size, 0);
}

/* ---- Negotiation ---- */

static void guest_is_offered_all_versions_when_it_opens(void **state)
{
	struct state *s = *state;
	const uint8_t list[] = {2, 0, 3, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 0,
				0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0};

	assert_int_equal(info(s).state, IC_CLOSED);
	assert_int_equal(ic_request(s->ic, "", 0, 0), -ENOTCONN);
	ic_guest_open(&s->guest, &s->rig, &kind.type, 0);
	ic_guest_expect(&s->guest, IC_NEGOTIATE);
	assert_int_equal(s->guest.m.data_size, sizeof(list));
	assert_memory_equal(s->guest.m.data, list, sizeof(list));
	assert_int_equal(info(s).state, IC_NEGOTIATING);
	assert_int_equal(ic_request(s->ic, "", 0, 0), -ENOTCONN);
}

static void the_guests_best_version_is_taken(void **state)
{
	struct state *s = *state;
	const struct ic_version old[] = {{3, 0}, {1, 0}};

	ic_guest_open(&s->guest, &s->rig, &kind.type, 0);
	ic_guest_expect(&s->guest, IC_NEGOTIATE);
	ic_guest_negotiate(&s->guest, frameworks, 2, old, 2);
	assert_int_equal(s->n_ready, 1);
	assert_int_equal(s->version.major, 3);
	assert_int_equal(info(s).framework.major, 3);
	assert_string_equal(s->rig.event, "test service: version 3.0");
	ask(s);
	assert_int_equal(s->guest.m.version.major, 3);
}

static void negotiation_waits_for_a_daemon_for_ever(void **state)
{
	struct state *s = *state;

	ic_guest_open(&s->guest, &s->rig, &kind.type, 0);
	for (unsigned i = 0; i < 1000; i++)
		ic_tick(s->ic, s->rig.now_ns += IC_RIG_S);
	ic_guest_expect(&s->guest, IC_NEGOTIATE);
	assert_false(ic_guest_take(&s->guest));
	ic_guest_negotiate(&s->guest, frameworks, 2, versions, 3);
	assert_int_equal(s->n_ready, 1);
}

static void guest_without_a_common_version_is_refused(void **state)
{
	struct state *s = *state;
	const struct ic_version other = {9, 9};

	ic_guest_open(&s->guest, &s->rig, &kind.type, 0);
	ic_guest_expect(&s->guest, IC_NEGOTIATE);
	ic_guest_negotiate(&s->guest, frameworks, 2, &other, 1);
	assert_int_equal(info(s).state, IC_REFUSED);
	assert_int_equal(s->n_ready, 0);
	assert_int_equal(ic_request(s->ic, "", 0, 0), -ENOTCONN);
}

static void version_that_was_not_offered_is_refused(void **state)
{
	struct state *s = *state;
	const uint8_t lie[] = {1, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7, 0, 7, 0};

	ic_guest_open(&s->guest, &s->rig, &kind.type, 0);
	ic_guest_expect(&s->guest, IC_NEGOTIATE);
	ic_guest_answer(&s->guest, 0, lie, sizeof(lie));
	assert_int_equal(info(s).state, IC_REFUSED);
	assert_int_equal(info(s).faults[IC_FAULT_VERSION], 1);
	assert_string_equal(s->rig.event, "test service: a version that was not offered");
}

static void counts_of_a_choice_are_one_and_one(void **state)
{
	const uint8_t good[] = {1, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0};
	struct ic_version f, v;
	uint8_t bad[sizeof(good)];

	assert_int_equal(ic_read_choice(good, sizeof(good), &f, &v), 0);
	assert_int_equal(v.major, 4);
	for (size_t cut = 0; cut < sizeof(good); cut++)
		assert_int_equal(ic_read_choice(good, cut, &f, &v), -EBADMSG);
	for (unsigned at = 0; at < 4; at++) {
		memcpy(bad, good, sizeof(bad));
		bad[at] = 0xff;
		assert_int_equal(ic_read_choice(bad, sizeof(bad), &f, &v), -EBADMSG);
	}
	memset(bad, 0, sizeof(bad));
	assert_int_equal(ic_read_choice(bad, sizeof(bad), &f, &v), -EPROTONOSUPPORT);
}

/* ---- Requests ---- */

static void request_is_answered(void **state)
{
	struct state *s = *state;

	start(s);
	ask(s);
	assert_int_equal(ic_request(s->ic, "", 0, 0), -EBUSY);
	ic_guest_answer(&s->guest, 5, "answer!!", 8);
	assert_int_equal(s->n_answers, 1);
	assert_int_equal(s->status, 5);
	assert_memory_equal(s->data, "answer!!", 8);
	assert_true(ic_ready(s->ic));
}

static void longest_request_passes_small_rings(void **state)
{
	static uint8_t data[IC_DATA_MAX];
	struct state *s = *state;

	start(s);
	assert_int_equal(ic_request(s->ic, data, sizeof(data) + 1, 0), -EMSGSIZE);
	assert_int_equal(ic_request(s->ic, data, sizeof(data), 0), 0);
	ic_guest_expect(&s->guest, TYPE);
	ic_guest_answer(&s->guest, 0, NULL, 0);
	assert_int_equal(s->n_answers, 1);
	assert_int_equal(s->size, sizeof(data));
}

static void answers_with_wrong_numbers_are_ignored(void **state)
{
	struct state *s = *state;
	uint64_t id;

	start(s);
	ask(s);
	id = s->guest.desc.transaction_id;
	s->guest.desc.transaction_id = id + 1;
	ic_guest_answer(&s->guest, 0, NULL, 0);
	s->guest.desc.transaction_id = UINT64_MAX;
	ic_guest_answer(&s->guest, 0, NULL, 0);
	s->guest.desc.transaction_id = id;
	s->guest.bytes[24]++; /* the message's own number */
	ic_guest_answer(&s->guest, 0, NULL, 0);
	s->guest.bytes[24]--;
	s->guest.bytes[12]++; /* its type */
	ic_guest_answer(&s->guest, 0, NULL, 0);
	s->guest.bytes[12]--;
	s->guest.bytes[25] = IC_FLAG_REQUEST; /* not an answer */
	ic_guest_send(&s->guest, VMBUS_PKT_INBAND, id, s->guest.bytes, s->guest.size);
	assert_int_equal(s->n_answers, 0);
	assert_int_equal(info(s).faults[IC_FAULT_UNASKED], 5);
	ic_guest_answer(&s->guest, 0, NULL, 0);
	assert_int_equal(s->n_answers, 1);
	ic_guest_answer(&s->guest, 0, NULL, 0); /* once more */
	assert_int_equal(s->n_answers, 1);
	assert_int_equal(info(s).faults[IC_FAULT_UNASKED], 6);
}

static void packets_that_are_no_messages_are_counted(void **state)
{
	struct state *s = *state;
	static uint8_t ones[8192];

	memset(ones, 0xff, sizeof(ones));
	start(s);
	ask(s);
	for (size_t size = 0; size <= 64; size += 8)
		ic_guest_send(&s->guest, VMBUS_PKT_INBAND, s->guest.desc.transaction_id, ones,
			      size);
	assert_int_equal(info(s).faults[IC_FAULT_FRAME], 9);
	ic_guest_send(&s->guest, VMBUS_PKT_COMPLETION, s->guest.desc.transaction_id, s->guest.bytes,
		      s->guest.size);
	assert_int_equal(info(s).faults[IC_FAULT_PACKET], 1);
	ic_guest_send(&s->guest, VMBUS_PKT_INBAND, 0, ones, sizeof(ones)); /* longer than any */
	assert_int_equal(info(s).faults[IC_FAULT_FRAME], 9);
	assert_int_equal(s->n_answers, 0);
	ic_guest_answer(&s->guest, 0, NULL, 0);
	assert_int_equal(s->n_answers, 1);
}

static void log_hears_of_each_fault_once(void **state)
{
	struct state *s = *state;

	start(s);
	s->rig.n_events = 0;
	for (unsigned i = 0; i < 1000; i++)
		ic_guest_send(&s->guest, VMBUS_PKT_INBAND, 0, "nonsense", 8);
	assert_int_equal(info(s).faults[IC_FAULT_FRAME], 1000);
	assert_int_equal(s->rig.n_events, 1);
}

/* ---- Time ---- */

static void late_answer_is_not_the_next_ones(void **state)
{
	struct state *s = *state;
	struct ic_guest late;

	start(s);
	ask(s);
	late = s->guest;
	ic_tick(s->ic, s->rig.now_ns += TIMEOUT - 1);
	assert_int_equal(s->n_failed, 0);
	ic_tick(s->ic, s->rig.now_ns += 1);
	assert_int_equal(s->n_failed, 1);
	assert_int_equal(s->error, -ETIMEDOUT);
	assert_int_equal(info(s).faults[IC_FAULT_TIMEOUT], 1);
	ic_guest_answer(&late, 0, NULL, 0);
	assert_int_equal(s->n_answers, 0);
	ask(s);
	ic_guest_answer(&late, 0, NULL, 0);
	assert_int_equal(s->n_answers, 0);
	ic_guest_answer(&s->guest, 0, NULL, 0);
	assert_int_equal(s->n_answers, 1);
	assert_int_equal(s->n_failed, 1);
}

static void paused_time_does_not_count(void **state)
{
	struct state *s = *state;

	start(s);
	ask(s);
	ic_tick(s->ic, s->rig.now_ns += TIMEOUT - 1);
	ic_resumed(s->ic, s->rig.now_ns += 1000 * IC_RIG_S);
	ic_tick(s->ic, s->rig.now_ns);
	assert_int_equal(s->n_failed, 0);
	ic_tick(s->ic, s->rig.now_ns += 1);
	assert_int_equal(s->n_failed, 1);
}

/* A guest that reads nothing: the request waits for room, and fails in time. */
static void full_ring_delays_a_request(void **state)
{
	static uint8_t data[IC_DATA_MAX];
	struct state *s = *state;

	start(s);
	assert_int_equal(ic_request(s->ic, data, sizeof(data), TIMEOUT), 0);
	ic_tick(s->ic, s->rig.now_ns += TIMEOUT);
	assert_int_equal(s->n_failed, 1);
	assert_int_equal(ic_request(s->ic, data, sizeof(data), TIMEOUT), 0); /* no room */
	ic_guest_expect(&s->guest, TYPE);
	ic_guest_answer(&s->guest, 0, NULL, 0); /* the first's */
	assert_int_equal(s->n_answers, 0);
	ic_guest_expect(&s->guest, TYPE); /* room came, and with it the second */
	ic_guest_answer(&s->guest, 0, NULL, 0);
	assert_int_equal(s->n_answers, 1);
}

/* ---- Close and open ---- */

static void closing_fails_the_request_and_opening_negotiates_anew(void **state)
{
	struct state *s = *state;

	start(s);
	ask(s);
	ic_guest_close(&s->guest);
	assert_int_equal(s->n_failed, 1);
	assert_int_equal(s->error, -ECONNRESET);
	assert_int_equal(s->n_closed, 1);
	assert_int_equal(ic_request(s->ic, "", 0, 0), -ENOTCONN);
	ic_guest_start(&s->guest, &s->rig, &kind.type, (struct ic_version){1, 0});
	assert_int_equal(s->n_ready, 2);
	assert_int_equal(s->version.major, 1);
	ask(s);
	ic_guest_answer(&s->guest, 0, NULL, 0);
	assert_int_equal(s->n_answers, 1);
}

static void bus_unload_closes(void **state)
{
	struct state *s = *state;

	start(s);
	ic_guest_close(&s->guest);
	ic_rig_unload(&s->rig);
	assert_int_equal(s->n_closed, 1);
	ic_rig_connect(&s->rig);
	ic_guest_start(&s->guest, &s->rig, &kind.type, (struct ic_version){4, 0});
	assert_int_equal(s->n_ready, 2);
}

static void ring_that_lies_closes_the_service_only(void **state)
{
	struct state *s = *state;
	struct vmbus_ring_hdr *hdr;

	start(s);
	ask(s);
	hdr = s->guest.channel->out.ring.hdr;
	atomic_store(&hdr->write, 13);
	guest_channel_signal(s->guest.channel);
	ic_rig_work(&s->rig);
	assert_int_equal(s->n_failed, 1);
	assert_int_equal(s->n_closed, 1);
	assert_int_equal(info(s).faults[IC_FAULT_RING], 1);
	assert_int_equal(ic_request(s->ic, "", 0, 0), -ENOTCONN);
	ic_guest_close(&s->guest);
	assert_int_equal(s->n_closed, 1);
	ic_guest_start(&s->guest, &s->rig, &kind.type, (struct ic_version){4, 0});
	assert_int_equal(s->n_ready, 2);
}

static void ring_to_the_guest_that_lies_too(void **state)
{
	struct state *s = *state;

	start(s);
	atomic_store(&s->guest.channel->in.ring.hdr->read, UINT32_MAX);
	assert_int_equal(ic_request(s->ic, "", 0, TIMEOUT), 0);
	assert_int_equal(s->n_closed, 1);
	assert_int_equal(s->n_failed, 1);
	assert_int_equal(info(s).faults[IC_FAULT_RING], 1);
	assert_int_equal(info(s).state, IC_CLOSED);
}

static void ring_that_lies_from_the_start(void **state)
{
	struct state *s = *state;
	struct vmbus_ring_hdr *hdr;

	s->rig.mute = true;
	ic_guest_open(&s->guest, &s->rig, &kind.type, 0);
	hdr = s->guest.channel->out.ring.hdr;
	atomic_store(&hdr->write, 0xfffffff8);
	s->rig.mute = false;
	guest_channel_signal(s->guest.channel);
	ic_rig_work(&s->rig);
	assert_int_equal(info(s).state, IC_CLOSED);
	assert_int_equal(info(s).faults[IC_FAULT_RING], 1);
	assert_int_equal(s->n_ready, 0);
	assert_int_equal(s->n_closed, 0);
}

static void service_may_end_while_the_guest_holds_it(void **state)
{
	struct state *s = *state;

	start(s);
	ask(s);
	ic_destroy(s->ic);
	s->ic = NULL;
	assert_int_equal(s->n_failed, 0);
	for (unsigned i = 0; i < 16; i++) /* its loop may end before the server does */
		assert_null(s->rig.watches[i]);
	ic_rig_work(&s->rig);
	guest_channel_signal(s->guest.channel); /* to nobody */
	ic_rig_work(&s->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_is_read_as_it_was_written),
		cmocka_unit_test(frame_refuses_every_size_that_does_not_fit),
		cmocka_unit_test(counts_of_a_choice_are_one_and_one),
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(guest_is_offered_all_versions_when_it_opens),
		T(the_guests_best_version_is_taken),
		T(negotiation_waits_for_a_daemon_for_ever),
		T(guest_without_a_common_version_is_refused),
		T(version_that_was_not_offered_is_refused),
		T(request_is_answered),
		T(longest_request_passes_small_rings),
		T(answers_with_wrong_numbers_are_ignored),
		T(packets_that_are_no_messages_are_counted),
		T(log_hears_of_each_fault_once),
		T(late_answer_is_not_the_next_ones),
		T(paused_time_does_not_count),
		T(full_ring_delays_a_request),
		T(closing_fails_the_request_and_opening_negotiates_anew),
		T(bus_unload_closes),
		T(ring_that_lies_closes_the_service_only),
		T(ring_to_the_guest_that_lies_too),
		T(ring_that_lies_from_the_start),
		T(service_may_end_while_the_guest_holds_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

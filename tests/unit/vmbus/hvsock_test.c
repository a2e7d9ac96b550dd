/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Streams between host and guest, with a guest that speaks them as Linux does, or wrongly.
 */
#include "vmbus/hvsock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "tests/support/ic_rig.h"
#include "vmbus/server.h"

#define GUEST_PORT 1024u
#define HOST_PORT  0x80000007u

struct state {
	struct ic_rig rig;
	struct ic_guest guest;
	struct hvsock *sock;
	unsigned n_opened, n_finished, n_closed, n_room, n_data;
	bool hold_at_data;
	uint8_t got[65536];
	size_t n_got;
};

static void on_opened(void *ctx)
{
	((struct state *)ctx)->n_opened++;
}

static void on_data(void *ctx, const uint8_t *bytes, size_t size)
{
	struct state *s = ctx;

	assert_in_range(size, 1, HVSOCK_MAX_DATA);
	assert_true(size <= sizeof(s->got) - s->n_got);
	memcpy(s->got + s->n_got, bytes, size);
	s->n_got += size;
	s->n_data++;
	if (s->hold_at_data)
		hvsock_hold(s->sock, true);
}

static void on_finished(void *ctx)
{
	((struct state *)ctx)->n_finished++;
}

static void on_closed(void *ctx)
{
	((struct state *)ctx)->n_closed++;
}

static void on_room(void *ctx)
{
	((struct state *)ctx)->n_room++;
}

static const struct hvsock_ops ops = {.opened = on_opened,
				      .data = on_data,
				      .finished = on_finished,
				      .closed = on_closed,
				      .room = on_room};

static int make(struct state *s, bool from_host)
{
	struct hvsock_opts opts = {.server = guest_local_server(s->rig.local),
				   .loop = &s->rig.loop,
				   .from_host = from_host,
				   .guest_port = GUEST_PORT,
				   .host_port = HOST_PORT,
				   .ops = &ops,
				   .ctx = s};

	return hvsock_create(&opts, &s->sock);
}

static void begin(struct state *s, bool from_host)
{
	struct vmbus_guid type = hvsock_guid(from_host ? GUEST_PORT : HOST_PORT);

	assert_int_equal(make(s, from_host), 0);
	guest_bus_pump(guest_local_bus(s->rig.local), -1, 0);
	ic_guest_open(&s->guest, &s->rig, &type, 0);
	assert_int_equal(s->n_opened, 1);
}

static int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	ic_rig_init(&s->rig);
	ic_rig_connect(&s->rig);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	hvsock_destroy(s->sock);
	ic_rig_work(&s->rig);
	if (s->guest.channel != NULL && s->guest.channel->open)
		ic_guest_close(&s->guest);
	ic_rig_unload(&s->rig);
	ic_rig_fini(&s->rig);
	free(s);
	return 0;
}

/* Bytes behind a header that says 'said'. */
static size_t packet(uint8_t *to, uint32_t type, uint32_t said, const void *bytes, size_t size)
{
	struct wr wr = wr_over(to, HVSOCK_HEADER_SIZE);

	wr_le32(&wr, type);
	wr_le32(&wr, said);
	if (size > 0)
		memcpy(to + HVSOCK_HEADER_SIZE, bytes, size);
	return HVSOCK_HEADER_SIZE + size;
}

static void guest_says(struct state *s, const void *bytes, size_t size)
{
	uint8_t p[8192];

	ic_guest_send(&s->guest, VMBUS_PKT_INBAND, 0, p, packet(p, 1, (uint32_t)size, bytes, size));
}

/* The next packet's bytes are these. */
static void guest_reads(struct state *s, const void *bytes, size_t size)
{
	const uint8_t *data;

	assert_true(ic_guest_take(&s->guest));
	assert_int_equal(s->guest.desc.type, VMBUS_PKT_INBAND);
	assert_int_equal(hvsock_read(s->guest.bytes, s->guest.size, &data), size);
	assert_memory_equal(data, bytes, size);
}

static void ports_are_guids(void **state)
{
	struct vmbus_guid guid, other;
	char text[VMBUS_GUID_TEXT_SIZE];
	uint32_t port = 0;

	guid = hvsock_guid(0x12345678);
	vmbus_guid_format(&guid, text);
	assert_string_equal(text, "12345678-facb-11e6-bd58-64006a7986d3");
	assert_true(hvsock_port(&guid, &port));
	assert_int_equal(port, 0x12345678);
	for (unsigned i = 4; i < 16; i++) {
		other = guid;
		other.bytes[i] ^= 1;
		assert_false(hvsock_port(&other, &port));
	}
}

static void header_must_fit_its_packet(void **state)
{
	static const uint32_t sizes[] = {0, 7, 8, 9, HVSOCK_MAX_DATA - 1, HVSOCK_MAX_DATA};
	uint8_t *p = malloc(HVSOCK_HEADER_SIZE + HVSOCK_MAX_DATA + 8);
	uint8_t *zeros = calloc(1, HVSOCK_MAX_DATA + 8);
	const uint8_t *data;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t all = packet(p, 1, sizes[i], zeros, sizes[i]);

		assert_int_equal(hvsock_read(p, all, &data), sizes[i]);
		assert_ptr_equal(data, p + HVSOCK_HEADER_SIZE);
		if (sizes[i] > 0)
			assert_int_equal(hvsock_read(p, all - 1, &data), -EBADMSG);
	}
	(void)packet(p, 1, HVSOCK_MAX_DATA + 1, zeros, HVSOCK_MAX_DATA + 8);
	assert_int_equal(hvsock_read(p, HVSOCK_HEADER_SIZE + HVSOCK_MAX_DATA + 8, &data), -EBADMSG);
	(void)packet(p, 1, UINT32_MAX, zeros, 8);
	assert_int_equal(hvsock_read(p, 16, &data), -EBADMSG);
	(void)packet(p, 2, 4, zeros, 8);
	assert_int_equal(hvsock_read(p, 16, &data), -EBADMSG);
	for (size_t size = 0; size < HVSOCK_HEADER_SIZE; size++)
		assert_int_equal(hvsock_read(p, size, &data), -EBADMSG);
	free(p);
	free(zeros);
}

static void offer_says_who_connects(void **state)
{
	struct state *s = *state;
	struct vmbus_guid guest = hvsock_guid(GUEST_PORT), host = hvsock_guid(HOST_PORT);

	begin(s, true);
	assert_true(vmbus_guid_equal(&s->guest.channel->type, &guest));
	assert_true(vmbus_guid_equal(&s->guest.channel->instance, &host));
	assert_int_equal(s->guest.channel->flags,
			 VMBUS_OFFER_ENUMERATE | VMBUS_OFFER_NAMED_PIPE | VMBUS_OFFER_TLNPI);
	assert_int_equal(make(s, true), -EEXIST);
}

static void bytes_go_both_ways_and_each_side_ends_for_itself(void **state)
{
	struct state *s = *state;

	begin(s, false);
	assert_int_equal(hvsock_send(s->sock, "hello", 5), 5);
	guest_reads(s, "hello", 5);
	guest_says(s, "how are you", 11);
	assert_int_equal(s->n_got, 11);
	assert_memory_equal(s->got, "how are you", 11);
	assert_int_equal(hvsock_finish(s->sock), 0);
	assert_int_equal(hvsock_finish(s->sock), 0);
	assert_int_equal(hvsock_send(s->sock, "x", 1), -EPIPE);
	guest_reads(s, "", 0);
	assert_false(ic_guest_take(&s->guest));
	guest_says(s, "fine", 4);
	assert_int_equal(s->n_got, 15);
	assert_int_equal(s->n_finished, 0);
	guest_says(s, "", 0);
	guest_says(s, "", 0);
	assert_int_equal(s->n_finished, 1);
	assert_int_equal(s->n_closed, 0);
}

static void full_ring_makes_the_host_wait(void **state)
{
	struct state *s = *state;
	uint8_t bytes[4096];
	size_t sent = 0, read = 0;
	const uint8_t *data;
	ssize_t n;

	memset(bytes, 7, sizeof(bytes));
	begin(s, true);
	while ((n = hvsock_send(s->sock, bytes, sizeof(bytes))) > 0)
		sent += (size_t)n;
	assert_int_equal(n, -EAGAIN);
	assert_in_range(sent, 4096, 3 * 4096);
	while (ic_guest_take(&s->guest)) {
		n = hvsock_read(s->guest.bytes, s->guest.size, &data);
		assert_true(n >= 0);
		read += (size_t)n;
	}
	assert_int_equal(read, sent);
	assert_true(s->n_room > 0);
}

static void held_guest_fills_its_ring_and_loses_nothing(void **state)
{
	struct state *s = *state;
	uint8_t bytes[1000], p[HVSOCK_HEADER_SIZE + sizeof(bytes)];
	struct guest_channel *c;
	unsigned n = 0;
	size_t size;

	begin(s, true);
	c = s->guest.channel;
	s->hold_at_data = true;
	for (;; n++) {
		memset(bytes, (int)n, sizeof(bytes));
		size = packet(p, 1, sizeof(bytes), bytes, sizeof(bytes));
		guest_channel_fill(c);
		if (vmbus_out_put(&c->out, VMBUS_PKT_INBAND, 0, 0, NULL, 0, p, size) != 0)
			break;
		guest_channel_flush(c);
		ic_rig_work(&s->rig);
	}
	guest_channel_flush(c);
	assert_true(n > 8);
	assert_int_equal(s->n_data, 1);
	/* Let go on, it takes one more; then all. */
	hvsock_hold(s->sock, false);
	ic_rig_work(&s->rig);
	assert_int_equal(s->n_data, 2);
	s->hold_at_data = false;
	hvsock_hold(s->sock, false);
	ic_rig_work(&s->rig);
	assert_int_equal(s->n_data, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(s->got[i * sizeof(bytes)], i);
	guest_says(s, "", 0);
	assert_int_equal(s->n_finished, 1);
}

static void packet_that_lies_ends_the_stream(void **state)
{
	struct state *s = *state;
	uint8_t p[64];

	begin(s, true);
	ic_guest_send(&s->guest, VMBUS_PKT_INBAND, 0, p, packet(p, 1, 100, "short", 5));
	assert_int_equal(s->n_closed, 1);
	guest_says(s, "more", 4);
	assert_int_equal(s->n_closed, 1);
	assert_int_equal(s->n_data, 0);
	assert_int_equal(hvsock_send(s->sock, "x", 1), -ENOTCONN);
	assert_int_equal(hvsock_finish(s->sock), -ENOTCONN);
}

static void bytes_after_the_end_end_the_stream(void **state)
{
	struct state *s = *state;

	begin(s, true);
	guest_says(s, "", 0);
	guest_says(s, "more", 4);
	assert_int_equal(s->n_data, 0);
	assert_int_equal(s->n_closed, 1);
}

static void other_kind_of_packet_ends_the_stream(void **state)
{
	struct state *s = *state;
	uint8_t p[64];

	begin(s, true);
	ic_guest_send(&s->guest, VMBUS_PKT_COMPLETION, 0, p, packet(p, 1, 5, "bytes", 5));
	assert_int_equal(s->n_closed, 1);
}

static void stream_is_not_opened_twice(void **state)
{
	struct state *s = *state;
	struct vmbus_guid type = hvsock_guid(GUEST_PORT);

	begin(s, true);
	ic_guest_close(&s->guest);
	assert_int_equal(s->n_closed, 1);
	ic_guest_open(&s->guest, &s->rig, &type, 0);
	assert_int_equal(s->n_opened, 1);
	assert_int_equal(hvsock_send(s->sock, "x", 1), -ENOTCONN);
}

static void guest_reads_what_was_sent_before_the_end(void **state)
{
	struct state *s = *state;

	begin(s, true);
	assert_int_equal(hvsock_send(s->sock, "last words", 10), 10);
	assert_int_equal(hvsock_finish(s->sock), 0);
	hvsock_destroy(s->sock);
	s->sock = NULL;
	guest_reads(s, "last words", 10);
	guest_reads(s, "", 0);
	assert_int_equal(s->n_closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_guids),
		cmocka_unit_test(header_must_fit_its_packet),
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(offer_says_who_connects),
		TEST(bytes_go_both_ways_and_each_side_ends_for_itself),
		TEST(full_ring_makes_the_host_wait),
		TEST(held_guest_fills_its_ring_and_loses_nothing),
		TEST(packet_that_lies_ends_the_stream),
		TEST(bytes_after_the_end_end_the_stream),
		TEST(other_kind_of_packet_ends_the_stream),
		TEST(stream_is_not_opened_twice),
		TEST(guest_reads_what_was_sent_before_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One direction of a channel, both ends in this thread: what it carries, what it refuses.  What
 * interleaving does is in ring_model_test.c, what a peer does at the same time in
 * ring_thread_test.c.
 */
#include "vmbus/ring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/gpa.h"
#include "vmbus/gpadl.h"

#define PAGES 2
#define SIZE  ((PAGES - 1) * 4096u)

struct state {
	_Alignas(4096) uint8_t pages[PAGES * 4096];
	struct vmbus_ring ring;
	struct vmbus_out out;
	struct vmbus_in in;
};

static struct state *start_at(struct state *s, uint32_t index)
{
	s->ring = (struct vmbus_ring){(void *)s->pages, s->pages + 4096, SIZE};
	memset(s->pages, 0, sizeof(s->pages));
	s->ring.hdr->write = index;
	s->ring.hdr->read = index;
	vmbus_out_init(&s->out, &s->ring);
	vmbus_in_init(&s->in, &s->ring);
	return s;
}

static int setup(void **state)
{
	static struct state s;

	*state = start_at(&s, 0);
	return 0;
}

static int put(struct state *s, uint64_t id, const void *payload, size_t size)
{
	return vmbus_out_put(&s->out, VMBUS_PKT_INBAND, 1, id, NULL, 0, payload, size);
}

static void send_one(struct state *s, uint64_t id, const void *payload, size_t size)
{
	vmbus_out_begin(&s->out);
	assert_int_equal(put(s, id, payload, size), 0);
	vmbus_out_end(&s->out);
}

static void packets_come_as_they_were_sent_wherever_they_wrap(void **state)
{
	struct state *s = *state;
	uint8_t header[16], payload[61], got[16 + 61 + 3];

	for (unsigned i = 0; i < sizeof(header); i++)
		header[i] = (uint8_t)(0x80 + i);
	for (unsigned i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)i;
	for (uint32_t index = SIZE - 128; index < SIZE; index += 8) {
		struct vmbus_packet p = {0};
		uint64_t trailer;

		start_at(s, index);
		memset(s->ring.data, 0xee, SIZE);
		assert_int_equal(vmbus_out_begin(&s->out), SIZE - 8);
		assert_int_equal(vmbus_out_put(&s->out, VMBUS_PKT_GPA_DIRECT, 1, index, header, 16,
					       payload, sizeof(payload)),
				 0);
		vmbus_out_end(&s->out);
		assert_int_equal(vmbus_in_begin(&s->in), 16 + 16 + 64 + 8);
		assert_true(vmbus_in_next(&s->in, &p));
		assert_int_equal(p.desc.type, VMBUS_PKT_GPA_DIRECT);
		assert_int_equal(p.desc.flags, 1);
		assert_int_equal(p.desc.transaction_id, index);
		assert_int_equal(p.at, index);
		assert_int_equal(p.header_size, 32);
		assert_int_equal(p.payload_size, 64);
		assert_true(vmbus_in_copy(&s->in, &p, 16, got, 16 + 64));
		assert_memory_equal(got, header, 16);
		assert_memory_equal(got + 16, payload, 61);
		assert_memory_equal(got + 77, "\0\0\0", 3);
		memcpy(&trailer, s->ring.data + (index + 96) % SIZE, 8);
		assert_int_equal(trailer, (uint64_t)index << 32);
		assert_false(vmbus_in_next(&s->in, &p));
		assert_false(vmbus_in_end(&s->in));
		assert_int_equal(s->ring.hdr->read, s->ring.hdr->write);
	}
}

static void nothing_is_seen_before_end(void **state)
{
	struct state *s = *state;
	struct vmbus_packet p = {0};

	vmbus_out_begin(&s->out);
	assert_int_equal(put(s, 1, "abc", 3), 0);
	assert_int_equal(vmbus_in_begin(&s->in), 0);
	assert_true(vmbus_out_end(&s->out));
	assert_int_equal(vmbus_in_begin(&s->in), 32);
	assert_true(vmbus_in_next(&s->in, &p));
	assert_int_equal(vmbus_out_begin(&s->out), SIZE - 8 - 32);
	vmbus_in_end(&s->in);
	assert_int_equal(vmbus_out_begin(&s->out), SIZE - 8);
}

static void ring_is_never_full(void **state)
{
	struct state *s = *state;
	uint8_t payload[SIZE];

	memset(payload, 1, sizeof(payload));
	vmbus_out_begin(&s->out);
	assert_int_equal(put(s, 1, payload, SIZE - 24), -EMSGSIZE);
	assert_int_equal(put(s, 1, payload, SIZE - 24 - 7), -EMSGSIZE);
	assert_int_equal(put(s, 1, payload, SIZE - 24 - 8), 0);
	assert_int_equal(put(s, 1, NULL, 0), -EAGAIN);
	assert_true(vmbus_out_end(&s->out));
	assert_int_equal(vmbus_out_begin(&s->out), 0);
	assert_int_equal(put(s, 1, NULL, 0), -EAGAIN);
	assert_int_equal(vmbus_in_begin(&s->in), SIZE - 8);
}

static void longer_than_a_length_field_can_say_is_refused(void **state)
{
	static _Alignas(4096) uint8_t pages[4096 + 256 * 4096];
	static uint8_t payload[256 * 4096];
	struct vmbus_ring ring = {(void *)pages, pages + 4096, 256 * 4096};
	struct vmbus_out out;

	vmbus_out_init(&out, &ring);
	vmbus_out_begin(&out);
	assert_int_equal(vmbus_out_put(&out, VMBUS_PKT_INBAND, 0, 0, NULL, 0, payload,
				       65535 * 8 - 16 + 1),
			 -EMSGSIZE);
	assert_int_equal(vmbus_out_put(&out, VMBUS_PKT_INBAND, 0, 0, NULL, 0, payload, SIZE_MAX),
			 -EMSGSIZE);
	assert_int_equal(vmbus_out_put(&out, VMBUS_PKT_INBAND, 0, 0, payload, SIZE_MAX - 7, payload,
				       8),
			 -EMSGSIZE);
	assert_int_equal(vmbus_out_put(&out, VMBUS_PKT_INBAND, 0, 0, NULL, 0, payload,
				       65535 * 8 - 16),
			 0);
}

static void a_packet_put_back_comes_again(void **state)
{
	struct state *s = *state;
	struct vmbus_packet p = {0}, again = {0};

	send_one(s, 1, "a", 1);
	send_one(s, 2, "b", 1);
	vmbus_in_begin(&s->in);
	assert_true(vmbus_in_next(&s->in, &p));
	assert_true(vmbus_in_next(&s->in, &p));
	vmbus_in_back(&s->in, &p);
	vmbus_in_end(&s->in);
	assert_false(vmbus_in_sleep(&s->in));
	assert_int_equal(vmbus_in_begin(&s->in), 32);
	assert_true(vmbus_in_next(&s->in, &again));
	assert_int_equal(again.desc.transaction_id, 2);
}

static void both_ends_go_on_where_the_header_says(void **state)
{
	struct state *s = *state;
	struct vmbus_packet p = {0};

	send_one(s, 1, "a", 1);
	vmbus_out_init(&s->out, &s->ring);
	send_one(s, 2, "b", 1);
	vmbus_in_begin(&s->in);
	assert_true(vmbus_in_next(&s->in, &p));
	vmbus_in_end(&s->in);
	vmbus_in_init(&s->in, &s->ring);
	vmbus_in_begin(&s->in);
	assert_true(vmbus_in_next(&s->in, &p));
	assert_int_equal(p.desc.transaction_id, 2);
	assert_int_equal(s->ring.hdr->features & VMBUS_RING_PENDING, VMBUS_RING_PENDING);
}

/* ---- Signals, one after the other ---- */

static void only_the_first_packet_of_an_empty_ring_signals(void **state)
{
	struct state *s = *state;
	struct vmbus_packet p = {0};

	vmbus_out_begin(&s->out);
	assert_false(vmbus_out_end(&s->out));
	assert_int_equal(put(s, 1, NULL, 0), 0);
	assert_int_equal(put(s, 2, NULL, 0), 0);
	assert_true(vmbus_out_end(&s->out));
	assert_false(vmbus_out_end(&s->out));
	assert_int_equal(put(s, 3, NULL, 0), 0);
	assert_false(vmbus_out_end(&s->out));
	vmbus_in_begin(&s->in);
	while (vmbus_in_next(&s->in, &p))
		;
	vmbus_in_end(&s->in);
	assert_int_equal(put(s, 4, NULL, 0), 0);
	assert_true(vmbus_out_end(&s->out));
}

static void a_masked_ring_does_not_signal(void **state)
{
	struct state *s = *state;

	vmbus_in_mask(&s->in, true);
	vmbus_out_begin(&s->out);
	put(s, 1, NULL, 0);
	assert_false(vmbus_out_end(&s->out));
	assert_false(vmbus_in_sleep(&s->in));
	assert_int_equal(s->ring.hdr->mask, 1);
}

static void an_empty_ring_may_sleep_and_is_unmasked(void **state)
{
	struct state *s = *state;

	vmbus_in_mask(&s->in, true);
	assert_true(vmbus_in_sleep(&s->in));
	assert_int_equal(s->ring.hdr->mask, 0);
}

static void room_signals_when_it_comes_to_be_more_than_awaited(void **state)
{
	struct state *s = *state;
	struct vmbus_packet p = {0};

	/* 170 packets of 24 bytes: 4080, and 8 that cannot be used. */
	vmbus_out_begin(&s->out);
	while (put(s, 1, NULL, 0) == 0)
		;
	vmbus_out_end(&s->out);
	assert_true(vmbus_out_wait(&s->out, 72));
	assert_int_equal(s->ring.hdr->pending, 72);
	for (unsigned i = 0; i < 170; i++) {
		vmbus_in_begin(&s->in);
		assert_true(vmbus_in_next(&s->in, &p));
		/* 16 were free; 40, 64 and 88 after the next three: only the last is more than 72.
		 */
		assert_int_equal(vmbus_in_end(&s->in), i == 2);
	}
	assert_false(vmbus_out_wait(&s->out, 72));
	assert_int_equal(s->ring.hdr->pending, 0);
}

static void room_that_can_never_be_is_not_awaited(void **state)
{
	struct state *s = *state;

	assert_false(vmbus_out_wait(&s->out, SIZE));
	assert_int_equal(s->ring.hdr->pending, 0);
	send_one(s, 1, NULL, 0);
	assert_true(vmbus_out_wait(&s->out, SIZE - 8));
	assert_false(vmbus_out_wait(&s->out, 0));
	assert_int_equal(s->ring.hdr->pending, 0);
}

/* ---- A peer that lies ---- */

static void a_write_index_that_lies_breaks_the_ring(void **state)
{
	static const uint32_t bad[] = {1,    4,	       7,	   SIZE,	  SIZE + 8,
				       8001, SIZE - 1, UINT32_MAX, UINT32_MAX - 7};
	struct state *s = *state;
	struct vmbus_packet p = {0};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start_at(s, 0);
		s->ring.hdr->write = bad[i];
		assert_int_equal(vmbus_in_begin(&s->in), 0);
		assert_int_equal(s->in.fault, VMBUS_RING_INDEX);
		s->ring.hdr->write = 32;
		assert_int_equal(vmbus_in_begin(&s->in), 0);
		assert_false(vmbus_in_next(&s->in, &p));
		assert_false(vmbus_in_end(&s->in));
		assert_true(vmbus_in_sleep(&s->in));
		start_at(s, 0);
		s->ring.hdr->write = bad[i];
		vmbus_out_init(&s->out, &s->ring);
		assert_int_equal(s->out.fault, VMBUS_RING_INDEX);
		assert_int_equal(vmbus_out_begin(&s->out), 0);
		assert_int_equal(put(s, 1, NULL, 0), -EAGAIN);
		assert_false(vmbus_out_wait(&s->out, 24));
	}
}

static void a_read_index_that_lies_breaks_the_ring(void **state)
{
	static const uint32_t bad[] = {1, 4, 7, SIZE, SIZE + 8, UINT32_MAX};
	struct state *s = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start_at(s, 0);
		s->ring.hdr->read = bad[i];
		assert_int_equal(vmbus_out_begin(&s->out), 0);
		assert_int_equal(s->out.fault, VMBUS_RING_INDEX);
		assert_int_equal(put(s, 1, NULL, 0), -EAGAIN);
		assert_false(vmbus_out_end(&s->out));
		start_at(s, 0);
		s->ring.hdr->read = bad[i];
		vmbus_in_init(&s->in, &s->ring);
		assert_int_equal(s->in.fault, VMBUS_RING_INDEX);
		assert_int_equal(vmbus_in_begin(&s->in), 0);
	}
}

/* A descriptor with these lengths, 'holds' bytes shown. */
static enum vmbus_ring_fault try_lengths(struct state *s, uint16_t offset8, uint16_t len8,
					 uint32_t holds)
{
	struct vmbus_desc desc = {VMBUS_PKT_INBAND, offset8, len8, 0, 1};
	struct vmbus_packet p = {0};
	bool taken;

	start_at(s, 0);
	memcpy(s->ring.data, &desc, sizeof(desc));
	s->ring.hdr->write = holds;
	assert_int_equal(vmbus_in_begin(&s->in), holds);
	taken = vmbus_in_next(&s->in, &p);
	assert_int_equal(taken, s->in.fault == VMBUS_RING_NONE);
	if (!taken) {
		assert_false(vmbus_in_end(&s->in));
		assert_int_equal(s->ring.hdr->read, 0);
	}
	return s->in.fault;
}

static void lengths_at_their_edges(void **state)
{
	struct state *s = *state;

	/* The whole packet: nothing, a word less than the header, the header, all, a word more. */
	assert_int_equal(try_lengths(s, 2, 0, 64), VMBUS_RING_DESCRIPTOR);
	assert_int_equal(try_lengths(s, 2, 1, 64), VMBUS_RING_DESCRIPTOR);
	assert_int_equal(try_lengths(s, 2, 2, 64), VMBUS_RING_NONE);
	assert_int_equal(try_lengths(s, 2, 7, 64), VMBUS_RING_NONE);
	assert_int_equal(try_lengths(s, 2, 8, 64), VMBUS_RING_LENGTH);
	assert_int_equal(try_lengths(s, 2, UINT16_MAX, 64), VMBUS_RING_LENGTH);
	assert_int_equal(try_lengths(s, 2, SIZE / 8, SIZE - 8), VMBUS_RING_LENGTH);
	assert_int_equal(try_lengths(s, 2, SIZE / 8 - 2, SIZE - 8), VMBUS_RING_NONE);
	/* The start of the payload. */
	assert_int_equal(try_lengths(s, 0, 7, 64), VMBUS_RING_DESCRIPTOR);
	assert_int_equal(try_lengths(s, 1, 7, 64), VMBUS_RING_DESCRIPTOR);
	assert_int_equal(try_lengths(s, 7, 7, 64), VMBUS_RING_NONE);
	assert_int_equal(try_lengths(s, 8, 7, 64), VMBUS_RING_DESCRIPTOR);
	assert_int_equal(try_lengths(s, UINT16_MAX, 7, 64), VMBUS_RING_DESCRIPTOR);
	assert_int_equal(try_lengths(s, UINT16_MAX, UINT16_MAX, 64), VMBUS_RING_LENGTH);
	/* Less than a descriptor is there. */
	assert_int_equal(try_lengths(s, 2, 2, 8), VMBUS_RING_LENGTH);
	assert_int_equal(try_lengths(s, 2, 2, 16), VMBUS_RING_LENGTH);
	assert_int_equal(try_lengths(s, 2, 2, 24), VMBUS_RING_NONE);
}

static void copies_stay_within_their_packet(void **state)
{
	struct state *s = *state;
	struct vmbus_packet p = {0};
	uint8_t to[64];

	send_one(s, 1, "12345678", 8);
	vmbus_in_begin(&s->in);
	assert_true(vmbus_in_next(&s->in, &p));
	assert_true(vmbus_in_copy(&s->in, &p, 16, to, 8));
	assert_true(vmbus_in_copy(&s->in, &p, 24, to, 0));
	assert_false(vmbus_in_copy(&s->in, &p, 24, to, 1));
	assert_false(vmbus_in_copy(&s->in, &p, 25, to, 0));
	assert_false(vmbus_in_copy(&s->in, &p, 16, to, 9));
	assert_false(vmbus_in_copy(&s->in, &p, UINT32_MAX, to, 8));
	assert_false(vmbus_in_copy(&s->in, &p, 16, to, UINT32_MAX));
}

static void a_broken_ring_takes_no_packet_back(void **state)
{
	struct state *s = *state;
	struct vmbus_packet p = {0}, q;

	send_one(s, 1, NULL, 0);
	send_one(s, 2, NULL, 0);
	memset(s->ring.data + 24, 0, 8);
	vmbus_in_begin(&s->in);
	assert_true(vmbus_in_next(&s->in, &p));
	assert_false(vmbus_in_next(&s->in, &q));
	vmbus_in_back(&s->in, &p);
	assert_false(vmbus_in_next(&s->in, &q));
	assert_string_not_equal(vmbus_ring_fault_text(s->in.fault), "");
}

/* ---- Finding the rings ---- */

static struct vmbus_gpadl *gpadl_make(uint32_t n, const uint64_t *pfns)
{
	struct vmbus_gpadl *g = calloc(1, sizeof(*g) + n * sizeof(g->pfns[0]));

	assert_non_null(g);
	g->n_pfns = n;
	g->byte_count = n * 4096;
	memcpy(g->pfns, pfns, n * sizeof(pfns[0]));
	return g;
}

static int find(const struct vmbus_gpadl *g, uint32_t offset, struct vmbus_ring ret[2])
{
	static _Alignas(4096) uint8_t memory[8 * 4096];
	struct gpa_map map = {.n = 1, .range = {{.gpa = 0, .size = sizeof(memory), .va = memory}}};
	int rc = vmbus_rings_find(&map, g, offset, &ret[0], &ret[1]);

	if (rc == 0) {
		assert_true((uint8_t *)ret[0].hdr >= memory);
		assert_true(ret[1].data + ret[1].size <= memory + sizeof(memory));
	}
	return rc;
}

static void rings_lie_where_the_gpadl_says(void **state)
{
	static const uint64_t pfns[] = {5, 6, 7, 1, 2};
	struct vmbus_gpadl *g = gpadl_make(5, pfns);
	struct vmbus_ring rings[2];

	assert_int_equal(find(g, 3, rings), 0);
	assert_int_equal(rings[0].size, 2 * 4096);
	assert_int_equal(rings[1].size, 4096);
	assert_ptr_equal(rings[0].data, (uint8_t *)rings[0].hdr + 4096);
	assert_ptr_equal((uint8_t *)rings[0].hdr - 4 * 4096, rings[1].hdr);
	assert_int_equal(find(g, 2, rings), -EOPNOTSUPP);
	free(g);
}

static void rings_that_are_none_are_refused(void **state)
{
	static const uint64_t pfns[] = {0, 1, 2, 3, 4, 5}, far[] = {0, 1, 2, 8, 9};
	struct vmbus_gpadl *g = gpadl_make(6, pfns);
	struct vmbus_ring rings[2];

	assert_int_equal(find(g, 0, rings), -EINVAL);
	assert_int_equal(find(g, 1, rings), -EINVAL);
	assert_int_equal(find(g, 2, rings), 0);
	assert_int_equal(find(g, 4, rings), 0);
	assert_int_equal(find(g, 5, rings), -EINVAL);
	assert_int_equal(find(g, 6, rings), -EINVAL);
	assert_int_equal(find(g, 7, rings), -EINVAL);
	assert_int_equal(find(g, UINT32_MAX, rings), -EINVAL);
	g->byte_offset = 8;
	assert_int_equal(find(g, 3, rings), -EINVAL);
	g->byte_offset = 0;
	g->byte_count -= 4096;
	assert_int_equal(find(g, 3, rings), -EINVAL);
	free(g);
	g = gpadl_make(5, far);
	assert_int_equal(find(g, 3, rings), -EFAULT);
	g->pfns[3] = UINT64_MAX;
	assert_int_equal(find(g, 3, rings), -EFAULT);
	free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(packets_come_as_they_were_sent_wherever_they_wrap, setup),
		cmocka_unit_test_setup(nothing_is_seen_before_end, setup),
		cmocka_unit_test_setup(ring_is_never_full, setup),
		cmocka_unit_test(longer_than_a_length_field_can_say_is_refused),
		cmocka_unit_test_setup(a_packet_put_back_comes_again, setup),
		cmocka_unit_test_setup(both_ends_go_on_where_the_header_says, setup),
		cmocka_unit_test_setup(only_the_first_packet_of_an_empty_ring_signals, setup),
		cmocka_unit_test_setup(a_masked_ring_does_not_signal, setup),
		cmocka_unit_test_setup(an_empty_ring_may_sleep_and_is_unmasked, setup),
		cmocka_unit_test_setup(room_signals_when_it_comes_to_be_more_than_awaited, setup),
		cmocka_unit_test_setup(room_that_can_never_be_is_not_awaited, setup),
		cmocka_unit_test_setup(a_write_index_that_lies_breaks_the_ring, setup),
		cmocka_unit_test_setup(a_read_index_that_lies_breaks_the_ring, setup),
		cmocka_unit_test_setup(lengths_at_their_edges, setup),
		cmocka_unit_test_setup(copies_stay_within_their_packet, setup),
		cmocka_unit_test_setup(a_broken_ring_takes_no_packet_back, setup),
		cmocka_unit_test(rings_lie_where_the_gpadl_says),
		cmocka_unit_test(rings_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * RNDIS: data packets and control messages, at every length, both ends.
 */
#include "vmbus/rndis.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_SIZE 60u

static const uint32_t odd_sizes[] = {0,		 1,	     43,	 44,	    45,
				     0x7fffffff, 0x80000000, 0xfffffff7, 0xffffffff};
#define N_ODD (sizeof(odd_sizes) / sizeof(odd_sizes[0]))

static int read_exactly(const uint8_t *bytes, size_t copied, size_t left, struct rndis_packet *p)
{
	uint8_t *exact = malloc(copied == 0 ? 1 : copied);
	int ret;

	assert_non_null(exact);
	if (copied > 0)
		memcpy(exact, bytes, copied);
	ret = rndis_packet_read(exact, copied, left, p);
	free(exact);
	return ret;
}

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, 4);
}

/* A packet with one PPI (VLAN), as a guest may send it. */
static size_t sample(uint8_t bytes[RNDIS_PACKET_MAX_HEADER])
{
	struct rndis_packet p = {.frame_size = FRAME_SIZE, .has_vlan = true, .vlan_tci = 0xb123};
	size_t size = rndis_packet_write(bytes, &p);

	assert_int_equal(size, 60);
	assert_int_equal(p.frame_offset, size);
	assert_int_equal(p.msg_size, size + FRAME_SIZE);
	return size;
}

static void what_is_written_is_read(void **state)
{
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];

	for (unsigned set = 0; set < 64; set++) {
		struct rndis_packet p = {.frame_size = 1514,
					 .has_csum = set & 1,
					 .has_lso = set & 2,
					 .has_vlan = set & 4,
					 .has_hash = set & 8,
					 .has_id = set & 16,
					 .has_hash_info = set & 32};
		struct rndis_packet back;
		size_t size;

		p.csum = p.has_csum ? 0x00220005 : 0;
		p.lso = p.has_lso ? 0x422005b4 : 0;
		p.vlan_tci = p.has_vlan ? 0xf005 : 0;
		p.hash = p.has_hash ? 0xdeadbeef : 0;
		p.hash_info = p.has_hash_info ? 0x201 : 0;
		p.id = p.has_id ? 0x1234 : 0;
		p.id_flags = p.has_id ? RNDIS_ID_PIECE | RNDIS_ID_FIRST : 0;
		memset(&back, 0, sizeof(back));
		size = rndis_packet_write(bytes, &p);
		assert_int_equal(size, 44 + 16 * (unsigned)__builtin_popcount(set));
		assert_int_equal(read_exactly(bytes, size, size + 1514, &back), 0);
		assert_memory_equal(&back, &p, sizeof(p));
	}
}

static void a_vlan_tag_is_turned_round(void **state)
{
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];
	uint32_t value;

	sample(bytes);
	memcpy(&value, bytes + 56, 4);
	/* TCI 0xb123: priority 5, CFI, VLAN 0x123. */
	assert_int_equal(value, 5 | 1 << 3 | 0x123 << 4);
	for (unsigned tci = 0; tci <= 0xffff; tci++)
		assert_int_equal(rndis_vlan_to_tci(rndis_vlan_from_tci((uint16_t)tci)), tci);
}

static void a_packet_is_read_from_enough_bytes_only(void **state)
{
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];
	struct rndis_packet p;
	size_t size = sample(bytes);

	for (size_t copied = 0; copied < size; copied++)
		assert_int_equal(read_exactly(bytes, copied, 4096, &p), -EBADMSG);
	for (size_t left = 0; left < size + FRAME_SIZE; left++)
		assert_int_equal(read_exactly(bytes, size, left, &p), -EBADMSG);
	assert_int_equal(read_exactly(bytes, size, size + FRAME_SIZE, &p), 0);
	assert_int_equal(read_exactly(bytes, size, size + FRAME_SIZE + 1, &p), 0);
}

static void every_word_of_the_header_is_tried_at_its_edges(void **state)
{
	static const unsigned words[] = {4, 8, 12, 28, 32};
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];
	struct rndis_packet p;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (size_t j = 0; j < N_ODD; j++) {
			size_t size = sample(bytes);

			put32(bytes + words[i], odd_sizes[j]);
			if (read_exactly(bytes, size, size + FRAME_SIZE, &p) < 0)
				continue;
			assert_true(p.msg_size <= size + FRAME_SIZE);
			assert_in_range(p.frame_offset, 44, p.msg_size);
			assert_true(p.frame_size <= p.msg_size - p.frame_offset);
		}
	}
}

static void a_frame_one_byte_longer_than_its_message_is_refused(void **state)
{
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];
	size_t size = sample(bytes);
	struct rndis_packet p;

	put32(bytes + 12, FRAME_SIZE + 1);
	assert_int_equal(read_exactly(bytes, size, 4096, &p), -EBADMSG);
	put32(bytes + 12, FRAME_SIZE - 1);
	assert_int_equal(read_exactly(bytes, size, 4096, &p), 0);
	put32(bytes + 8, 35); /* within the header */
	assert_int_equal(read_exactly(bytes, size, 4096, &p), -EBADMSG);
	put32(bytes + 8, (uint32_t)size + FRAME_SIZE - 8);
	put32(bytes + 12, 0);
	assert_int_equal(read_exactly(bytes, size, 4096, &p), 0);
	put32(bytes + 8, (uint32_t)size + FRAME_SIZE - 7);
	assert_int_equal(read_exactly(bytes, size, 4096, &p), -EBADMSG);
}

static void ppi_sizes_are_tried_at_their_edges(void **state)
{
	static const uint32_t bad[] = {0, 11, 15, 17, 0xffffffff};
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];
	struct rndis_packet p;
	size_t size;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size = sample(bytes);
		put32(bytes + 44, bad[i]);
		assert_int_equal(read_exactly(bytes, size, 4096, &p), -EBADMSG);
	}
	/* 12: a header alone, and then 4 bytes that are none. */
	size = sample(bytes);
	put32(bytes + 44, 12);
	assert_int_equal(read_exactly(bytes, size, 4096, &p), -EBADMSG);
	static const uint32_t bad_offsets[] = {0, 11, 13, 16, 17, 0xffffffff};
	for (size_t i = 0; i < sizeof(bad_offsets) / sizeof(bad_offsets[0]); i++) {
		size = sample(bytes);
		put32(bytes + 52, bad_offsets[i]);
		assert_int_equal(read_exactly(bytes, size, 4096, &p), -EBADMSG);
	}
}

static void unknown_ppis_are_skipped(void **state)
{
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];
	struct rndis_packet p;
	size_t size = sample(bytes);

	put32(bytes + 48, 0x80000007);
	put32(bytes + 52, 0xffffffff); /* nobody looks */
	assert_int_equal(read_exactly(bytes, size, 4096, &p), 0);
	assert_false(p.has_vlan);
	/* The same number, but NDIS's own: not a packet id. */
	put32(bytes + 48, RNDIS_PPI_PACKET_ID & ~RNDIS_PPI_INTERNAL);
	assert_int_equal(read_exactly(bytes, size, 4096, &p), 0);
	assert_false(p.has_id);
}

static void a_packet_without_ppis_may_point_anywhere(void **state)
{
	struct rndis_packet p = {.frame_size = FRAME_SIZE};
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];
	size_t size = rndis_packet_write(bytes, &p);

	assert_int_equal(size, 44);
	put32(bytes + 28, 0xffffffff);
	assert_int_equal(read_exactly(bytes, size, size + FRAME_SIZE, &p), 0);
}

static void another_message_is_no_data_packet(void **state)
{
	struct rndis_msg m = {.type = RNDIS_KEEPALIVE, .request_id = 1};
	struct rndis_packet p;
	uint8_t bytes[64];
	size_t size = rndis_write(&m, bytes, sizeof(bytes));

	assert_int_equal(size, 12);
	assert_int_equal(read_exactly(bytes, size, size, &p), -EOPNOTSUPP);
	assert_int_equal(read_exactly(bytes, 3, size, &p), -EBADMSG);
	assert_int_equal(read_exactly(bytes, 0, 0, &p), -EBADMSG);
}

static const uint8_t value[] = {1, 2, 3, 4, 5, 6};

struct control {
	struct rndis_msg msg;
	size_t size;
};

static const struct control controls[] = {
	{{.type = RNDIS_INITIALIZE, .request_id = 2, .major = 1, .max_transfer = 0x4000}, 24},
	{{.type = RNDIS_INITIALIZE | RNDIS_COMPLETION,
	  .request_id = 2,
	  .major = 1,
	  .max_transfer = 0xefffffff,
	  .max_packets = 8,
	  .alignment = 8},
	 52},
	{{.type = RNDIS_HALT, .request_id = 3}, 12},
	{{.type = RNDIS_QUERY, .request_id = 4, .oid = 0x01010101, .data = value, .data_size = 6},
	 34},
	{{.type = RNDIS_QUERY, .request_id = 4, .oid = 0x01010101}, 28},
	{{.type = RNDIS_QUERY | RNDIS_COMPLETION, .request_id = 4, .data = value, .data_size = 6},
	 30},
	{{.type = RNDIS_QUERY | RNDIS_COMPLETION,
	  .request_id = 4,
	  .status = RNDIS_STATUS_NOT_SUPPORTED},
	 24},
	{{.type = RNDIS_SET, .request_id = 5, .oid = 0x1010e, .data = value, .data_size = 4}, 32},
	{{.type = RNDIS_SET | RNDIS_COMPLETION, .request_id = 5, .status = 1}, 16},
	{{.type = RNDIS_RESET}, 12},
	{{.type = RNDIS_RESET | RNDIS_COMPLETION, .status = 1}, 16},
	{{.type = RNDIS_INDICATE_STATUS, .status = RNDIS_STATUS_CONNECT}, 20},
	{{.type = RNDIS_INDICATE_STATUS,
	  .status = RNDIS_STATUS_SPEED,
	  .data = value,
	  .data_size = 4},
	 24},
	{{.type = RNDIS_KEEPALIVE, .request_id = 6}, 12},
	{{.type = RNDIS_KEEPALIVE | RNDIS_COMPLETION, .request_id = 6, .status = 1}, 16},
};
#define N_CONTROLS (sizeof(controls) / sizeof(controls[0]))

static int control_exactly(const uint8_t *bytes, size_t size, struct rndis_msg *m)
{
	uint8_t *exact = malloc(size == 0 ? 1 : size);
	uint8_t sum = 0;
	int ret;

	assert_non_null(exact);
	if (size > 0)
		memcpy(exact, bytes, size);
	ret = rndis_read(exact, size, m);
	for (uint32_t i = 0; ret == 0 && i < m->data_size; i++)
		sum ^= ((const uint8_t *)m->data)[i];
	*(volatile uint8_t *)exact = sum;
	free(exact);
	return ret;
}

static void control_messages_that_are_written_are_read(void **state)
{
	uint8_t bytes[128];
	struct rndis_msg m;

	for (size_t i = 0; i < N_CONTROLS; i++) {
		const struct rndis_msg *c = &controls[i].msg;

		assert_int_equal(rndis_write(c, bytes, sizeof(bytes)), controls[i].size);
		assert_int_equal(rndis_read(bytes, controls[i].size, &m), 0);
		assert_int_equal(m.type, c->type);
		assert_int_equal(m.request_id, c->request_id);
		assert_int_equal(m.status, c->status);
		assert_int_equal(m.oid, c->oid);
		assert_int_equal(m.major, c->major);
		assert_int_equal(m.max_transfer, c->max_transfer);
		assert_int_equal(m.max_packets, c->max_packets);
		assert_int_equal(m.alignment, c->alignment);
		assert_int_equal(m.data_size, c->data_size);
		if (c->data_size > 0)
			assert_memory_equal(m.data, c->data, c->data_size);
	}
}

static void control_messages_are_tried_at_every_length(void **state)
{
	uint8_t bytes[128];
	struct rndis_msg m;

	for (size_t i = 0; i < N_CONTROLS; i++) {
		size_t size = rndis_write(&controls[i].msg, bytes, sizeof(bytes));

		for (size_t n = 0; n < size; n++)
			assert_int_equal(control_exactly(bytes, n, &m), -EBADMSG);
		assert_int_equal(control_exactly(bytes, size + 1, &m), 0);
		/* What it says of itself. */
		for (uint32_t n = 0; n < size; n++) {
			put32(bytes + 4, n);
			assert_int_equal(control_exactly(bytes, size, &m), -EBADMSG);
		}
		put32(bytes + 4, (uint32_t)size + 1);
		assert_int_equal(control_exactly(bytes, size, &m), -EBADMSG);
		put32(bytes + 4, 0xffffffff);
		assert_int_equal(control_exactly(bytes, size, &m), -EBADMSG);
	}
}

static void data_of_a_control_message_lie_within_it(void **state)
{
	struct rndis_msg set = {.type = RNDIS_SET,
				.oid = 0x1010e,
				.data = value,
				.data_size = sizeof(value)};
	uint8_t bytes[128];
	struct rndis_msg m;
	size_t size = rndis_write(&set, bytes, sizeof(bytes));

	assert_int_equal(size, 34);
	put32(bytes + 16, 7);
	assert_int_equal(control_exactly(bytes, size, &m), -EBADMSG);
	put32(bytes + 16, 0xffffffff);
	assert_int_equal(control_exactly(bytes, size, &m), -EBADMSG);
	put32(bytes + 16, 5);
	assert_int_equal(control_exactly(bytes, size, &m), 0);
	put32(bytes + 20, 22);
	assert_int_equal(control_exactly(bytes, size, &m), -EBADMSG);
	put32(bytes + 20, 0xffffffff);
	assert_int_equal(control_exactly(bytes, size, &m), -EBADMSG);
	put32(bytes + 16, 0); /* nothing, wherever */
	assert_int_equal(control_exactly(bytes, size, &m), 0);
	assert_int_equal(m.data_size, 0);
}

static void unknown_control_messages_are_told_from_bad_ones(void **state)
{
	uint8_t bytes[128] = {9};
	struct rndis_msg m;

	assert_int_equal(rndis_read(bytes, sizeof(bytes), &m), -EOPNOTSUPP);
	bytes[0] = RNDIS_PACKET;
	assert_int_equal(rndis_read(bytes, sizeof(bytes), &m), -EOPNOTSUPP);
	assert_int_equal(rndis_read(bytes, 7, &m), -EBADMSG);
}

static void nothing_is_written_that_does_not_fit(void **state)
{
	uint8_t bytes[128];

	for (size_t i = 0; i < N_CONTROLS; i++) {
		assert_int_equal(rndis_write(&controls[i].msg, bytes, controls[i].size - 1), 0);
		assert_int_equal(rndis_write(&controls[i].msg, bytes, controls[i].size),
				 controls[i].size);
	}
	assert_int_equal(rndis_write(&(struct rndis_msg){.type = 99}, bytes, 128), 0);
	assert_int_equal(rndis_write(&(struct rndis_msg){.type = RNDIS_SET,
							 .data_size = UINT32_MAX},
				     bytes, 128),
			 0);
}

static void bytes_lie_where_the_protocol_has_them(void **state)
{
	uint8_t bytes[128];

	rndis_write(&controls[1].msg, bytes, sizeof(bytes));
	assert_memory_equal(bytes, "\2\0\0\x80\x34\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0",
			    28);
	assert_memory_equal(bytes + 28, "\0\0\0\0\x8\0\0\0\xff\xff\xff\xef\3\0\0\0\0\0\0\0\0\0\0\0",
			    24);
	rndis_write(&controls[5].msg, bytes, sizeof(bytes));
	assert_memory_equal(bytes + 16, "\6\0\0\0\x10\0\0\0\1\2", 10);
	rndis_write(&controls[12].msg, bytes, sizeof(bytes));
	assert_memory_equal(bytes + 8, "\x13\0\1\x40\4\0\0\0\x0c\0\0\0\1\2", 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_vlan_tag_is_turned_round),
		cmocka_unit_test(a_packet_is_read_from_enough_bytes_only),
		cmocka_unit_test(every_word_of_the_header_is_tried_at_its_edges),
		cmocka_unit_test(a_frame_one_byte_longer_than_its_message_is_refused),
		cmocka_unit_test(ppi_sizes_are_tried_at_their_edges),
		cmocka_unit_test(unknown_ppis_are_skipped),
		cmocka_unit_test(a_packet_without_ppis_may_point_anywhere),
		cmocka_unit_test(another_message_is_no_data_packet),
		cmocka_unit_test(control_messages_that_are_written_are_read),
		cmocka_unit_test(control_messages_are_tried_at_every_length),
		cmocka_unit_test(data_of_a_control_message_lie_within_it),
		cmocka_unit_test(unknown_control_messages_are_told_from_bad_ones),
		cmocka_unit_test(nothing_is_written_that_does_not_fit),
		cmocka_unit_test(bytes_lie_where_the_protocol_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

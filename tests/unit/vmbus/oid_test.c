/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Values of OIDs: every revision, every length, every offset.
 */
#include "vmbus/oid.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A copy as long as it says; the caller frees it. */
static uint8_t *exact(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);

	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

static void put16(uint8_t *at, uint16_t v)
{
	memcpy(at, &v, 2);
}

static void put32(uint8_t *at, uint32_t v)
{
	memcpy(at, &v, 4);
}

static const struct oid_offload full = {
	.revision = 3,
	.tx_csum4 = OID_CSUM4_ALL,
	.rx_csum4 = OID_CSUM4_ALL,
	.tx_csum6 = OID_CSUM6_ALL,
	.rx_csum6 = OID_CSUM6_ALL,
	.lso4_max = 0xf53c,
	.lso4_min_segments = 2,
	.lso6_max = 0xf53d,
	.lso6_min_segments = 3,
	.lso6_options = OID_LSO6_ALL,
	.rsc4 = true,
};

static void offloads_are_written_and_read_in_every_revision(void **state)
{
	static const size_t sizes[] = {112, 144, 156};
	uint8_t bytes[OID_OFFLOAD_MAX];

	for (uint8_t revision = 1; revision <= 3; revision++) {
		struct oid_offload o = full, back;

		o.revision = revision;
		memset(&back, 0, sizeof(back));
		assert_int_equal(oid_offload_write(&o, bytes), sizes[revision - 1]);
		assert_int_equal(bytes[0], 0xa7);
		assert_int_equal(bytes[1], revision);
		assert_int_equal(bytes[2], sizes[revision - 1]);
		assert_int_equal(oid_offload_read(bytes, sizes[revision - 1], &back), 0);
		o.rsc4 = revision == 3;
		assert_memory_equal(&back, &o, sizeof(o));
	}
}

static void offloads_lie_where_ndis_has_them(void **state)
{
	static const struct {
		unsigned at;
		uint32_t value;
	} words[] = {
		{4, 2},	      {8, 0x155}, {12, 2},  {16, 0x155},  {20, 2}, {24, 0x55},
		{28, 2},      {32, 0x55}, {80, 2},  {84, 0xf53c}, {88, 2}, {92, 2},
		{96, 0xf53d}, {100, 3},	  {104, 5}, {144, 1},
	};
	uint8_t bytes[OID_OFFLOAD_MAX];
	uint32_t v;

	oid_offload_write(&full, bytes);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		memcpy(&v, bytes + words[i].at, 4);
		assert_int_equal(v, words[i].value);
		memset(bytes + words[i].at, 0, 4);
	}
	for (unsigned i = 4; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], 0);
}

static void what_is_not_offered_has_no_encapsulation(void **state)
{
	struct oid_offload none = {.revision = 1};
	uint8_t bytes[OID_OFFLOAD_MAX];

	assert_int_equal(oid_offload_write(&none, bytes), 112);
	for (unsigned i = 4; i < 112; i++)
		assert_int_equal(bytes[i], 0);
}

/* Reads 'size' of the bytes; 'read' is one of the readers. */
#define TRY(read, bytes, size, type)                                                               \
	({                                                                                         \
		uint8_t *copy_ = exact(bytes, size);                                               \
		type value_;                                                                       \
		int ret_ = read(copy_, size, &value_);                                             \
		free(copy_);                                                                       \
		ret_;                                                                              \
	})

static void offloads_are_tried_at_every_length(void **state)
{
	uint8_t bytes[OID_OFFLOAD_MAX + 1] = {0};

	oid_offload_write(&full, bytes);
	for (size_t size = 0; size < OID_OFFLOAD_MAX; size++)
		assert_int_equal(TRY(oid_offload_read, bytes, size, struct oid_offload), -EBADMSG);
	assert_int_equal(TRY(oid_offload_read, bytes, 157, struct oid_offload), 0);
	put16(bytes + 2, 111);
	assert_int_equal(TRY(oid_offload_read, bytes, 156, struct oid_offload), -EBADMSG);
	put16(bytes + 2, 112);
	assert_int_equal(TRY(oid_offload_read, bytes, 112, struct oid_offload), 0);
	put16(bytes + 2, 0xffff);
	assert_int_equal(TRY(oid_offload_read, bytes, 156, struct oid_offload), -EBADMSG);
	put16(bytes + 2, 156);
	bytes[1] = 0;
	assert_int_equal(TRY(oid_offload_read, bytes, 156, struct oid_offload), -EBADMSG);
	bytes[1] = 3;
	bytes[0] = 0x80;
	assert_int_equal(TRY(oid_offload_read, bytes, 156, struct oid_offload), -EBADMSG);
}

static void parameters_are_written_and_read_in_every_revision(void **state)
{
	static const size_t sizes[] = {20, 22, 28};
	uint8_t bytes[OID_PARAMS_MAX];

	for (uint8_t revision = 1; revision <= 3; revision++) {
		struct oid_params p = {revision, 1, 4, 3, 2, 4, 1, 2, 2, 2, 1}, back;
		size_t size = oid_params_write(&p, bytes);

		assert_int_equal(size, sizes[revision - 1]);
		assert_int_equal(TRY(oid_params_read, bytes, size - 1, struct oid_params),
				 -EBADMSG);
		assert_int_equal(TRY(oid_params_read, bytes, size, struct oid_params), 0);
		assert_int_equal(oid_params_read(bytes, size, &back), 0);
		if (revision < 3)
			p.rsc4 = p.rsc6 = 0;
		assert_memory_equal(&back, &p, sizeof(p));
	}
	assert_memory_equal(bytes, "\x80\3\x1c\0\1\4\3\2\4\1\0\2\2\0\0\0\0\0\0\0\0\0\2\1", 24);
}

static void parameters_are_tried_at_every_length(void **state)
{
	struct oid_params p = {.revision = 3};
	uint8_t bytes[OID_PARAMS_MAX + 1] = {0};

	oid_params_write(&p, bytes);
	for (size_t size = 0; size < OID_PARAMS_MAX; size++)
		assert_int_equal(TRY(oid_params_read, bytes, size, struct oid_params), -EBADMSG);
	assert_int_equal(TRY(oid_params_read, bytes, 29, struct oid_params), 0);
	for (uint16_t size = 0; size < OID_PARAMS_SIZE_1; size++) {
		put16(bytes + 2, size);
		assert_int_equal(TRY(oid_params_read, bytes, 28, struct oid_params), -EBADMSG);
	}
	put16(bytes + 2, 23); /* between two revisions */
	assert_int_equal(TRY(oid_params_read, bytes, 23, struct oid_params), 0);
	put16(bytes + 2, 0xffff);
	assert_int_equal(TRY(oid_params_read, bytes, 28, struct oid_params), -EBADMSG);
}

static void rss_capabilities_are_18_bytes(void **state)
{
	struct oid_rss_caps c = {0x01000301, 64, 64, 128}, back;
	uint8_t bytes[OID_RSS_CAPS_MAX] = {0};

	memset(&back, 0, sizeof(back));
	assert_int_equal(oid_rss_caps_write(&c, bytes), 18);
	assert_memory_equal(bytes, "\x88\2\x12\0\1\3\0\1\x40\0\0\0\x40\0\0\0\x80\0", 18);
	assert_int_equal(oid_rss_caps_read(bytes, 18, &back), 0);
	assert_memory_equal(&back, &c, 18 - 4);
	for (size_t size = 0; size < 18; size++)
		assert_int_equal(TRY(oid_rss_caps_read, bytes, size, struct oid_rss_caps),
				 -EBADMSG);
	put16(bytes + 2, 16);
	assert_int_equal(oid_rss_caps_read(bytes, 16, &back), 0);
	assert_int_equal(back.n_entries, 0);
}

static struct oid_rss_params some_rss(void)
{
	struct oid_rss_params p = {.hash_info = 0x1701,
				   .n_entries = 128,
				   .key_size = 40,
				   .base_cpu = 3};

	for (unsigned i = 0; i < 128; i++)
		p.table[i] = i % 5;
	for (uint8_t i = 0; i < 40; i++)
		p.key[i] = i;
	return p;
}

static void rss_parameters_are_written_and_read(void **state)
{
	struct oid_rss_params p = some_rss(), back;
	uint8_t bytes[OID_RSS_PARAMS_MAX];
	size_t size = oid_rss_params_write(&p, bytes);

	memset(&back, 0, sizeof(back));
	assert_int_equal(size, 40 + 512 + 40);
	assert_int_equal(oid_rss_params_read(bytes, size, &back), 0);
	assert_memory_equal(&back, &p, sizeof(p));
	for (size_t n = 0; n < size; n++)
		assert_int_equal(TRY(oid_rss_params_read, bytes, n, struct oid_rss_params),
				 -EBADMSG);
}

static void rss_offsets_are_tried_at_their_edges(void **state)
{
	/* Where the words are, how long each may be, where its part may start. */
	static const struct {
		unsigned size_at, offset_at;
		uint16_t size, last;
	} parts[] = {{12, 16, 512, 80}, {20, 24, 40, 552}};
	struct oid_rss_params p = some_rss();
	uint8_t bytes[OID_RSS_PARAMS_MAX];

	for (size_t i = 0; i < 2; i++) {
		oid_rss_params_write(&p, bytes);
		put32(bytes + parts[i].offset_at, parts[i].last);
		assert_int_equal(TRY(oid_rss_params_read, bytes, 592, struct oid_rss_params), 0);
		put32(bytes + parts[i].offset_at, parts[i].last + 1u);
		assert_int_equal(TRY(oid_rss_params_read, bytes, 592, struct oid_rss_params),
				 -EBADMSG);
		put32(bytes + parts[i].offset_at, 0xffffffff);
		assert_int_equal(TRY(oid_rss_params_read, bytes, 592, struct oid_rss_params),
				 -EBADMSG);
		put32(bytes + parts[i].offset_at, 40);
		put16(bytes + parts[i].size_at, parts[i].size + 4);
		assert_int_equal(TRY(oid_rss_params_read, bytes, 592, struct oid_rss_params),
				 -EBADMSG);
		put16(bytes + parts[i].size_at, parts[i].size - 1);
		assert_int_equal(TRY(oid_rss_params_read, bytes, 592, struct oid_rss_params),
				 -EBADMSG);
		put16(bytes + parts[i].size_at, 0xffff);
		assert_int_equal(TRY(oid_rss_params_read, bytes, 592, struct oid_rss_params),
				 -EBADMSG);
		put16(bytes + parts[i].size_at, 0);
		assert_int_equal(TRY(oid_rss_params_read, bytes, 592, struct oid_rss_params), 0);
	}
}

static void rss_parts_that_stay_are_not_looked_at(void **state)
{
	struct oid_rss_params p = some_rss(), back;
	uint8_t bytes[OID_RSS_PARAMS_MAX];

	oid_rss_params_write(&p, bytes);
	put32(bytes + 16, 0xffffffff);
	put32(bytes + 24, 0xffffffff);
	put16(bytes + 4, OID_RSS_SAME_TABLE | OID_RSS_SAME_KEY);
	assert_int_equal(oid_rss_params_read(bytes, 40, &back), 0);
	assert_int_equal(back.n_entries, 0);
	assert_int_equal(back.key_size, 0);
	put16(bytes + 4, OID_RSS_DISABLE);
	assert_int_equal(oid_rss_params_read(bytes, 40, &back), 0);
	put16(bytes + 4, OID_RSS_SAME_TABLE);
	assert_int_equal(oid_rss_params_read(bytes, 40, &back), -EBADMSG);
}

static const uint8_t mac[6] = {0x00, 0x15, 0x5d, 0xab, 0xcd, 0xef};

static void an_address_is_written_and_read(void **state)
{
	uint8_t bytes[OID_MAC_CHANGE_SIZE], back[6];

	assert_int_equal(oid_mac_change_write(mac, bytes), 72);
	assert_memory_equal(bytes, "\x14\0\0\0\x1c\0\0\0\2\0\0\0\x30\0\0\0\x18\0\0\0N\0e\0", 24);
	assert_memory_equal(bytes + 48, "0\0000\0001\0005\0005\0d\0a\0b\0", 16);
	assert_int_equal(oid_mac_change_read(bytes, 72, back), 0);
	assert_memory_equal(back, mac, 6);
	bytes[48 + 20] = 'E';
	assert_int_equal(oid_mac_change_read(bytes, 72, back), 0);
}

static int try_mac(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = exact(bytes, size), back[6] = {9, 9, 9, 9, 9, 9};
	int ret = oid_mac_change_read(copy, size, back);

	free(copy);
	if (ret < 0)
		assert_memory_equal(back, "\x9\x9\x9\x9\x9\x9", 6);
	return ret;
}

static void an_address_is_tried_at_every_length(void **state)
{
	uint8_t bytes[OID_MAC_CHANGE_SIZE + 1] = {0};

	oid_mac_change_write(mac, bytes);
	for (size_t size = 0; size < 72; size++)
		assert_int_equal(try_mac(bytes, size), -EBADMSG);
	assert_int_equal(try_mac(bytes, 73), 0);
	for (unsigned at = 0; at < 20; at += 4) {
		if (at == 8)
			continue;
		oid_mac_change_write(mac, bytes);
		put32(bytes + at, 0xffffffff);
		assert_int_equal(try_mac(bytes, 72), -EBADMSG);
	}
	oid_mac_change_write(mac, bytes);
	put32(bytes + 12, 49);
	assert_int_equal(try_mac(bytes, 72), -EBADMSG);
}

static void what_is_no_address_is_refused(void **state)
{
	uint8_t bytes[OID_MAC_CHANGE_SIZE];

	oid_mac_change_write(mac, bytes);
	bytes[48] = 'g';
	assert_int_equal(try_mac(bytes, 72), -EINVAL);
	oid_mac_change_write(mac, bytes);
	bytes[49] = 1; /* not ASCII */
	assert_int_equal(try_mac(bytes, 72), -EINVAL);
	oid_mac_change_write(mac, bytes);
	put32(bytes + 16, 22);
	assert_int_equal(try_mac(bytes, 72), -EINVAL);
	oid_mac_change_write(mac, bytes);
	put32(bytes + 8, 1); /* an integer */
	assert_int_equal(try_mac(bytes, 72), -EINVAL);
	oid_mac_change_write(mac, bytes);
	bytes[20] = 'M';
	assert_int_equal(try_mac(bytes, 72), -EOPNOTSUPP);
	oid_mac_change_write(mac, bytes);
	put32(bytes + 4, 26);
	assert_int_equal(try_mac(bytes, 72), -EOPNOTSUPP);
}

static void links_are_written_and_read(void **state)
{
	struct oid_link_state link = {true, 10000000000}, back;
	uint8_t bytes[OID_LINK_STATE_SIZE];

	memset(&back, 0, sizeof(back));
	assert_int_equal(oid_link_state_write(&link, bytes), 40);
	assert_int_equal(oid_link_state_read(bytes, 40, &back), 0);
	assert_true(back.up && back.bps == 10000000000);
	assert_int_equal(oid_link_state_read(bytes, 39, &back), -EBADMSG);
	assert_int_equal(oid_link_speed_write(0x0102030405060708, bytes), 16);
	assert_memory_equal(bytes, "\x8\7\6\5\4\3\2\1\x8\7\6\5\4\3\2\1", 16);
}

static void text_is_turned_to_utf_16_and_back(void **state)
{
	uint8_t bytes[8];
	char text[4];

	assert_int_equal(oid_text_write("ab\xc3", bytes, 8), 6);
	assert_memory_equal(bytes, "a\0b\0?", 6);
	assert_int_equal(oid_text_write("abcdef", bytes, 7), 6);
	oid_text_read("a\0\1\1c\0d\0e", 9, text, sizeof(text));
	assert_string_equal(text, "a?c");
	oid_text_read("a\0\0\0c\0", 6, text, sizeof(text));
	assert_string_equal(text, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offloads_are_written_and_read_in_every_revision),
		cmocka_unit_test(offloads_lie_where_ndis_has_them),
		cmocka_unit_test(what_is_not_offered_has_no_encapsulation),
		cmocka_unit_test(offloads_are_tried_at_every_length),
		cmocka_unit_test(parameters_are_written_and_read_in_every_revision),
		cmocka_unit_test(parameters_are_tried_at_every_length),
		cmocka_unit_test(rss_capabilities_are_18_bytes),
		cmocka_unit_test(rss_parameters_are_written_and_read),
		cmocka_unit_test(rss_offsets_are_tried_at_their_edges),
		cmocka_unit_test(rss_parts_that_stay_are_not_looked_at),
		cmocka_unit_test(an_address_is_written_and_read),
		cmocka_unit_test(an_address_is_tried_at_every_length),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(links_are_written_and_read),
		cmocka_unit_test(text_is_turned_to_utf_16_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

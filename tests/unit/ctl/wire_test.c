/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Byte cursors: bad at the first thing that does not fit, and from then on.
 */
#include "ctl/base/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static void a_reader_reads_big_endian_in_order(void **state)
{
	struct rd rd = rd_init(bytes, sizeof(bytes));

	assert_int_equal(rd_u8(&rd), 1);
	assert_int_equal(rd_be16(&rd), 0x0203);
	assert_int_equal(rd_be32(&rd), 0x04050607);
	assert_int_equal(rd.left, 3);
	rd = rd_init(bytes, sizeof(bytes));
	assert_true(rd_be64(&rd) == 0x0102030405060708);
	assert_true(rd_ok(&rd));
}

static void a_short_read_yields_zero_and_all_after_it_do(void **state)
{
	struct rd rd = rd_init(bytes, 3);
	uint8_t copy[2] = {9, 9};

	assert_int_equal(rd_be32(&rd), 0);
	assert_false(rd_ok(&rd));
	assert_int_equal(rd.left, 0);
	assert_int_equal(rd_u8(&rd), 0);
	rd_copy(&rd, copy, 2);
	assert_int_equal(copy[0], 0);
	assert_null(rd_bytes(&rd, 0));
}

static void a_part_cannot_be_read_past_its_end(void **state)
{
	struct rd rd = rd_init(bytes, sizeof(bytes)), part = rd_sub(&rd, 2), none;

	assert_int_equal(rd_be16(&part), 0x0102);
	assert_int_equal(rd_u8(&part), 0);
	assert_false(rd_ok(&part));
	assert_int_equal(rd_u8(&rd), 3);
	none = rd_sub(&rd, SIZE_MAX);
	assert_false(rd_ok(&none));
	assert_false(rd_ok(&rd));
}

static void a_writer_over_foreign_bytes_stays_within(void **state)
{
	uint8_t to[6] = {9, 9, 9, 9, 9, 9};
	struct wr wr = wr_over(to, 5);

	wr_le32(&wr, 0x04030201);
	assert_true(wr_ok(&wr));
	wr_le16(&wr, 0x0605);
	assert_false(wr_ok(&wr));
	assert_ptr_equal(wr.bytes, to);
	assert_memory_equal(to, "\1\2\3\4\11\11", 6);
}

static void a_writer_grows_and_pads(void **state)
{
	struct wr wr = wr_init(100000);

	for (int i = 0; i < 1000; i++)
		wr_be64(&wr, 0x0102030405060708);
	wr_u8(&wr, 1);
	wr_pad(&wr, 0, 8);
	wr_pad(&wr, 0, 8);
	wr_set_be16(&wr, 0, 0xaabb);
	wr_set_be32(&wr, 4, 0x11223344);
	assert_true(wr_ok(&wr));
	assert_int_equal(wr.size, 8008);
	assert_int_equal(wr.bytes[0], 0xaa);
	assert_int_equal(wr.bytes[7], 0x44);
	assert_int_equal(wr.bytes[8007], 0);
	wr_fini(&wr);
}

static void a_writer_stays_within_its_limit_and_is_bad_after(void **state)
{
	struct wr wr = wr_init(5);

	wr_be32(&wr, 1);
	wr_be16(&wr, 2);
	assert_false(wr_ok(&wr));
	assert_int_equal(wr.size, 4);
	wr_u8(&wr, 1);
	assert_int_equal(wr.size, 4);
	wr_set_be16(&wr, 3, 1); /* would end outside */
	assert_int_equal(wr.bytes[3], 1);
	wr_cut(&wr, 0);
	assert_false(wr_ok(&wr));
	wr_fini(&wr);
}

static void nothing_is_no_failure(void **state)
{
	struct wr wr = wr_init(0);
	struct rd rd = rd_init(NULL, 0), part;

	wr_bytes(&wr, NULL, 0);
	assert_true(wr_ok(&wr));
	wr_set_be16(&wr, 0, 1);
	rd_skip(&rd, 0);
	part = rd_sub(&rd, 0);
	assert_true(rd_ok(&rd) && rd_ok(&part));
	rd_skip(&rd, 1);
	assert_false(rd_ok(&rd));
	wr_fini(&wr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_reads_big_endian_in_order),
		cmocka_unit_test(a_short_read_yields_zero_and_all_after_it_do),
		cmocka_unit_test(a_part_cannot_be_read_past_its_end),
		cmocka_unit_test(a_writer_over_foreign_bytes_stays_within),
		cmocka_unit_test(a_writer_grows_and_pads),
		cmocka_unit_test(a_writer_stays_within_its_limit_and_is_bad_after),
		cmocka_unit_test(nothing_is_no_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

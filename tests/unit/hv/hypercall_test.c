/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/hypercall.h"

#include "hv/device.h"
#include "hv/gpa.h"
#include "hv/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/hv/test_memory.h"

#define FAST (1ull << 16)

static struct gpa_map memory;

static int setup(void **state)
{
	return test_memory_init(&memory);
}

static int teardown(void **state)
{
	gpa_map_fini(&memory);
	return 0;
}

static void put32(uint64_t gpa, uint32_t value)
{
	memcpy(test_at(&memory, gpa, 4), &value, 4);
}

/* A message as Linux posts it. */
static void put_message(uint64_t gpa, uint32_t id, uint32_t type, uint32_t size)
{
	put32(gpa, id);
	put32(gpa + 4, 0);
	put32(gpa + 8, type);
	put32(gpa + 12, size);
	memset(test_at(&memory, gpa + 16, 240), 0xa5, 240);
}

static uint16_t post(uint64_t control, uint64_t input, struct hv_mail *mail)
{
	struct hv_hypercall call;
	uint16_t status = hv_hypercall_decode(control, input, 0, &call);

	return status != 0 ? status : hv_hypercall_message(&call, &memory, mail);
}

static uint16_t signal(uint64_t control, uint64_t input, uint32_t *id)
{
	struct hv_hypercall call;
	uint16_t status = hv_hypercall_decode(control, input, 0, &call);

	return status != 0 ? status : hv_hypercall_signal(&call, &memory, id);
}

static void control_word_is_taken_apart(void **state)
{
	struct hv_hypercall call;

	assert_int_equal(hv_hypercall_decode(0x0abc0def07ff005dull, 1, 2, &call), 0);
	assert_int_equal(call.code, 0x5d);
	assert_true(call.fast);
	assert_int_equal(call.header_words, 0x3ff);
	assert_int_equal(call.reps, 0xdef);
	assert_int_equal(call.first_rep, 0xabc);
	assert_int_equal(call.input, 1);
	assert_int_equal(call.output, 2);
}

static void every_reserved_bit_is_refused(void **state)
{
	struct hv_hypercall call;
	unsigned refused = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		bool reserved = (bit >= 27 && bit <= 31) || (bit >= 44 && bit <= 47) || bit >= 60;
		uint16_t status = hv_hypercall_decode(1ull << bit, 0, 0, &call);

		assert_int_equal(status, reserved ? HV_STATUS_INVALID_INPUT : 0);
		refused += status != 0;
	}
	assert_int_equal(refused, 13);
}

static void message_is_copied(void **state)
{
	struct hv_mail mail;

	put_message(0x1000, 4, 1, 240);
	assert_int_equal(post(0x5c, 0x1000, &mail), 0);
	assert_int_equal(mail.type, HV_MAIL_MESSAGE);
	assert_int_equal(mail.message.connection_id, 4);
	assert_int_equal(mail.message.size, 240);
	assert_int_equal(mail.message.bytes[239], 0xa5);
	put_message(0x1000, 1, 1, 0);
	assert_int_equal(post(0x5c, 0x1000, &mail), 0);
	assert_int_equal(mail.message.size, 0);
	/* What is not the message's is not in the letter. */
	assert_int_equal(mail.message.bytes[0], 0);
}

static void message_lengths_are_bounded(void **state)
{
	static const uint32_t sizes[] = {241, 256, 0x7fffffff, 0x80000000u, UINT32_MAX};
	struct hv_mail mail;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		put_message(0x1000, 1, 1, sizes[i]);
		assert_int_equal(post(0x5c, 0x1000, &mail), HV_STATUS_INVALID_PARAMETER);
	}
}

static void message_to_nobody_is_final_at_once(void **state)
{
	static const uint32_t ids[] = {0, 2, 3, 5, 0x2001, UINT32_MAX};
	struct hv_mail mail;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		put_message(0x1000, ids[i], 1, 8);
		assert_int_equal(post(0x5c, 0x1000, &mail), HV_STATUS_INVALID_CONNECTION_ID);
	}
}

static void message_of_another_type_is_refused(void **state)
{
	struct hv_mail mail;

	put_message(0x1000, 1, 0, 8);
	assert_int_equal(post(0x5c, 0x1000, &mail), HV_STATUS_INVALID_PARAMETER);
	put_message(0x1000, 1, 0x80000010u, 8);
	assert_int_equal(post(0x5c, 0x1000, &mail), HV_STATUS_INVALID_PARAMETER);
	put_message(0x1000, 1, 1, 8);
	put32(0x1004, 1);
	assert_int_equal(post(0x5c, 0x1000, &mail), HV_STATUS_INVALID_PARAMETER);
}

static void block_must_be_aligned_in_one_page_and_memory(void **state)
{
	struct hv_mail mail;
	uint32_t id;

	put_message(0x1f00, 1, 1, 8);
	assert_int_equal(post(0x5c, 0x1f00, &mail), 0);
	assert_int_equal(post(0x5c, 0x1f08, &mail), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(post(0x5c, 0x1004, &mail), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(post(0x5c, 0x1001, &mail), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(post(0x5c, TEST_SIZE, &mail), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(post(0x5c, UINT64_MAX & ~0xfffull, &mail), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(post(0x5c, UINT64_MAX & ~7ull, &mail), HV_STATUS_INVALID_ALIGNMENT);
	put32(0x1ff8, 0x2001);
	put32(0x1ffc, 0);
	assert_int_equal(signal(0x5d, 0x1ff8, &id), 0);
	assert_int_equal(signal(0x5d, 0x1ffc, &id), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(signal(0x5d, TEST_ISLAND + 0x1000, &id), HV_STATUS_INVALID_PARAMETER);
}

static void calls_are_not_repeated_and_post_is_not_fast(void **state)
{
	struct hv_mail mail;
	uint32_t id;

	put_message(0x1000, 1, 1, 8);
	assert_int_equal(post(0x5c | FAST, 0x1000, &mail), HV_STATUS_INVALID_INPUT);
	assert_int_equal(post(0x5c | 1ull << 17, 0x1000, &mail), HV_STATUS_INVALID_INPUT);
	assert_int_equal(post(0x5c | 1ull << 32, 0x1000, &mail), HV_STATUS_INVALID_INPUT);
	assert_int_equal(post(0x5c | 1ull << 48, 0x1000, &mail), HV_STATUS_INVALID_INPUT);
	assert_int_equal(signal(0x5d | FAST | 1ull << 32, 1, &id), HV_STATUS_INVALID_INPUT);
	assert_int_equal(signal(0x5d | 1ull << 26, 0x1000, &id), HV_STATUS_INVALID_INPUT);
}

static void signal_names_a_connection(void **state)
{
	uint32_t id = 0;

	assert_int_equal(signal(0x5d | FAST, 0x2001, &id), 0);
	assert_int_equal(id, 0x2001);
	put32(0x1000, 0x2002);
	put32(0x1004, 0);
	assert_int_equal(signal(0x5d, 0x1000, &id), 0);
	assert_int_equal(id, 0x2002);
}

static void signal_with_flag_or_reserved_bits_is_refused(void **state)
{
	uint32_t id;

	assert_int_equal(signal(0x5d | FAST, 0x100000001ull, &id), HV_STATUS_INVALID_PORT_ID);
	assert_int_equal(signal(0x5d | FAST, 0x800000000001ull, &id), HV_STATUS_INVALID_PORT_ID);
	assert_int_equal(signal(0x5d | FAST, 1ull << 48 | 1, &id), HV_STATUS_INVALID_INPUT);
	assert_int_equal(signal(0x5d | FAST, 0x01000000, &id), HV_STATUS_INVALID_CONNECTION_ID);
	put32(0x1000, 1);
	put32(0x1004, 0x10000);
	assert_int_equal(signal(0x5d, 0x1000, &id), HV_STATUS_INVALID_INPUT);
}

/* ---- RetargetDeviceInterrupt ---- */

static void put64(uint64_t gpa, uint64_t value)
{
	memcpy(test_at(&memory, gpa, 8), &value, 8);
}

/* As Linux has it: its own partition, one message, vector 0x55. */
static void put_retarget(uint64_t gpa, uint32_t flags, uint64_t mask)
{
	put64(gpa, UINT64_MAX);
	put64(gpa + 8, 0x12345678);
	put64(gpa + 16, 1);
	put32(gpa + 24, 0xfee00000u);
	put32(gpa + 28, 0x70003);
	put64(gpa + 32, 0);
	put32(gpa + 40, 0x55);
	put32(gpa + 44, flags);
	put64(gpa + 48, mask);
}

static uint16_t retarget(uint64_t control, uint64_t input, struct hv_retarget *r)
{
	struct hv_hypercall call;
	uint16_t status = hv_hypercall_decode(control, input, 0, &call);

	return status != 0 ? status : hv_hypercall_retarget(&call, &memory, r);
}

#define HEADER(words) ((uint64_t)(words) << 17)

static void retarget_names_a_message_and_the_first_processor(void **state)
{
	struct hv_retarget r = {0};

	put_retarget(0x1000, 0, 0x18);
	assert_int_equal(retarget(0x7e, 0x1000, &r), 0);
	assert_int_equal(r.device, 0x12345678);
	assert_int_equal(r.address, 0xfee00000u);
	assert_int_equal(r.data, 0x70003);
	assert_int_equal(r.vector, 0x55);
	assert_int_equal(r.vp, 3);
	/* Banks 0 and 2; the first is empty. */
	put_retarget(0x1000, 2, 0);
	put64(0x1038, 5);
	put64(0x1040, 0);
	put64(0x1048, 1ull << 63);
	assert_int_equal(retarget(0x7e | HEADER(3), 0x1000, &r), 0);
	assert_int_equal(r.vp, 2 * 64 + 63);
	/* All of them. */
	put_retarget(0x1000, 2, 1);
	assert_int_equal(retarget(0x7e, 0x1000, &r), 0);
	assert_int_equal(r.vp, 0);
}

static void retarget_to_nobody_or_of_nothing_is_refused(void **state)
{
	struct hv_retarget r;

	put_retarget(0x1000, 0, 0);
	assert_int_equal(retarget(0x7e, 0x1000, &r), HV_STATUS_INVALID_PARAMETER);
	put_retarget(0x1000, 2, 0);
	put64(0x1038, 0);
	assert_int_equal(retarget(0x7e | HEADER(1), 0x1000, &r), HV_STATUS_INVALID_PARAMETER);
	put64(0x1038, 1); /* and its bank is empty */
	put64(0x1040, 0);
	assert_int_equal(retarget(0x7e | HEADER(2), 0x1000, &r), HV_STATUS_INVALID_PARAMETER);
	put_retarget(0x1000, 2, 7); /* no such format */
	put64(0x1038, 1);
	put64(0x1040, 1);
	assert_int_equal(retarget(0x7e | HEADER(2), 0x1000, &r), HV_STATUS_INVALID_PARAMETER);
	put_retarget(0x1000, 0, 1);
	put64(0x1000, 5); /* another's */
	assert_int_equal(retarget(0x7e, 0x1000, &r), HV_STATUS_INVALID_PARAMETER);
	put_retarget(0x1000, 0, 1);
	put32(0x1010, 2); /* no message */
	assert_int_equal(retarget(0x7e, 0x1000, &r), HV_STATUS_INVALID_PARAMETER);
}

static void retarget_reads_no_more_than_its_header_says(void **state)
{
	struct hv_retarget r;

	/* Banks that it claims and does not have; what is behind is not read. */
	put_retarget(0x1fc0, 2, 0);
	put64(0x1ff8, UINT64_MAX);
	assert_int_equal(retarget(0x7e | HEADER(1), 0x1fc0, &r), HV_STATUS_INVALID_PARAMETER);
	assert_int_equal(retarget(0x7e | HEADER(2), 0x1fc0, &r), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(retarget(0x7e | HEADER(66), 0x1000, &r), HV_STATUS_INVALID_INPUT);
	assert_int_equal(retarget(0x7e | HEADER(0x3ff), 0x1000, &r), HV_STATUS_INVALID_INPUT);
	assert_int_equal(retarget(0x7e | FAST, 0x1000, &r), HV_STATUS_INVALID_INPUT);
	assert_int_equal(retarget(0x7e | 1ull << 32, 0x1000, &r), HV_STATUS_INVALID_INPUT);
	assert_int_equal(retarget(0x7e, 0x1ff0, &r), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(retarget(0x7e, 0x1004, &r), HV_STATUS_INVALID_ALIGNMENT);
	assert_int_equal(retarget(0x7e, TEST_SIZE, &r), HV_STATUS_INVALID_PARAMETER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_word_is_taken_apart),
		cmocka_unit_test(every_reserved_bit_is_refused),
		cmocka_unit_test(message_is_copied),
		cmocka_unit_test(message_lengths_are_bounded),
		cmocka_unit_test(message_to_nobody_is_final_at_once),
		cmocka_unit_test(message_of_another_type_is_refused),
		cmocka_unit_test(block_must_be_aligned_in_one_page_and_memory),
		cmocka_unit_test(calls_are_not_repeated_and_post_is_not_fast),
		cmocka_unit_test(signal_names_a_connection),
		cmocka_unit_test(signal_with_flag_or_reserved_bits_is_refused),
		cmocka_unit_test(retarget_names_a_message_and_the_first_processor),
		cmocka_unit_test(retarget_to_nobody_or_of_nothing_is_refused),
		cmocka_unit_test(retarget_reads_no_more_than_its_header_says),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/crash.h"

#include "hv/tlfs.h"
#include "hv/vp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/hv/test_memory.h"

static struct hv_partition *partition;

static int setup(void **state)
{
	partition = calloc(1, sizeof(*partition));
	if (partition == NULL || hv_mailbox_create(&partition->mailbox) < 0)
		return -1;
	pthread_mutex_init(&partition->crash_lock, NULL);
	partition->vp[1] = (struct hv_vp){.partition = partition, .index = 1};
	return test_memory_init(&partition->memory.map);
}

static int teardown(void **state)
{
	gpa_map_fini(&partition->memory.map);
	hv_mailbox_destroy(partition->mailbox);
	pthread_mutex_destroy(&partition->crash_lock);
	free(partition);
	return 0;
}

static void put(uint64_t gpa, const void *bytes, size_t size)
{
	memcpy(test_at(&partition->memory.map, gpa, size), bytes, size);
}

static const char *text(uint64_t gpa, uint64_t size)
{
	static char to[4096];

	memset(to, 'x', sizeof(to));
	hv_crash_text(&partition->memory.map, gpa, size, to, sizeof(to));
	return to;
}

static void text_is_made_printable(void **state)
{
	static const char bytes[] = "<0>Kernel panic\n\tat \x1b[31mred\x07 \xc3\xa9\x7f\0end";

	put(0x1000, bytes, sizeof(bytes));
	assert_string_equal(text(0x1000, sizeof(bytes)), "<0>Kernel panic\n\tat ?[31mred? ???end");
}

static void text_that_is_not_memory_is_empty(void **state)
{
	assert_string_equal(text(TEST_SIZE, 10), "");
	assert_string_equal(text(TEST_SIZE - 5, 10), "");
	assert_string_equal(text(UINT64_MAX, 10), "");
	assert_string_equal(text(UINT64_MAX - 3, UINT64_MAX), "");
	assert_string_equal(text(0x1000, 0), "");
}

static void text_of_a_page_keeps_its_end(void **state)
{
	uint8_t bytes[4096];

	memset(bytes, 'a', sizeof(bytes));
	bytes[0] = '1';
	bytes[4095] = 'z';
	put(0x2000, bytes, sizeof(bytes));
	assert_int_equal(strlen(text(0x2000, 4096)), 4095);
	assert_int_equal(text(0x2000, 4096)[0], 'a');
	assert_int_equal(text(0x2000, 4096)[4094], 'z');
	assert_int_equal(strlen(text(0x2000, 4095)), 4095);
	assert_int_equal(text(0x2000, 4095)[0], '1');
	/* Longer than Hyper-V has it: a page of it. */
	assert_int_equal(strlen(text(0x2000, UINT64_MAX)), 4095);
}

static void report_is_kept_and_mailed(void **state)
{
	static const uint64_t numbers[5] = {0xdead, 2, 3, 4, 5};
	static const uint64_t with_text[5] = {0, 0, 0, 0x3000, 5};
	struct hv_vp *vp = &partition->vp[1];
	struct hv_mail mail;

	hv_crash_report(vp, numbers, HV_CRASH_TEXT); /* Not a crash. */
	assert_false(hv_mailbox_take(partition->mailbox, &mail));
	assert_false(partition->crash.crashed);
	put(0x3000, "oops!", 5);
	hv_crash_report(vp, with_text, HV_CRASH_NOTIFY | HV_CRASH_TEXT);
	assert_true(hv_mailbox_take(partition->mailbox, &mail));
	assert_int_equal(mail.type, HV_MAIL_CRASH);
	assert_int_equal(mail.vp, 1);
	assert_true(partition->crash.crashed);
	assert_string_equal(partition->crash.text, "oops!");
	hv_crash_report(vp, numbers, HV_CRASH_NOTIFY);
	assert_int_equal(partition->crash.parameter[0], 0xdead);
	assert_int_equal(partition->crash.parameter[4], 5);
	assert_string_equal(partition->crash.text, "oops!");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_made_printable),
		cmocka_unit_test(text_that_is_not_memory_is_empty),
		cmocka_unit_test(text_of_a_page_keeps_its_end),
		cmocka_unit_test(report_is_kept_and_mailed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

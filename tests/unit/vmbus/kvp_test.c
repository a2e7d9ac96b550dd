/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Key-value messages and their strings, as bytes.
 */
#include "vmbus/kvp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_text(const char *utf16, size_t size, const char *want)
{
	char text[64];

	assert_int_equal(vmbus_utf16_read(utf16, size, text, sizeof(text)), strlen(want));
	assert_string_equal(text, want);
}

static void utf16_becomes_printable_utf8(void **state)
{
	check_text("a\0b\0\0\0c\0", 8, "ab");
	check_text("a\0b\0", 4, "ab"); /* no end */
	check_text("a\0b", 3, "a");    /* half a unit */
	check_text("", 0, "");
	check_text("\xe9\0\xac\x20", 4, "é€");
	check_text("\x3d\xd8\x00\xde", 4, "😀");
	check_text("\x3d\xd8", 2, "\uFFFD"); /* half a pair, at the end */
	check_text("\x3d\xd8x\0", 4, "\uFFFDx");
	check_text("\x00\xde\x3d\xd8", 4, "\uFFFD\uFFFD");
	check_text("\x1b\0[\0", 4, "\uFFFD[");
	check_text("\x9b\0\x7f\0\n\0", 6, "\uFFFD\uFFFD\uFFFD");
	check_text("\x2e\x20\xff\xff", 4, "\uFFFD\uFFFD"); /* right to left; no character */
}

static void utf16_is_cut_between_characters(void **state)
{
	char text[8];

	assert_int_equal(vmbus_utf16_read("\xac\x20\xac\x20\xac\x20", 6, text, 1), 0);
	assert_int_equal(vmbus_utf16_read("\xac\x20\xac\x20\xac\x20", 6, text, 3), 0);
	assert_int_equal(vmbus_utf16_read("\xac\x20\xac\x20\xac\x20", 6, text, 4), 3);
	assert_int_equal(vmbus_utf16_read("\xac\x20\xac\x20\xac\x20", 6, text, 6), 3);
	assert_int_equal(vmbus_utf16_read("\xac\x20\xac\x20\xac\x20", 6, text, 7), 6);
	assert_string_equal(text, "€€");
}

static void utf8_becomes_utf16(void **state)
{
	uint8_t to[16];

	assert_int_equal(vmbus_utf16_write("a😀", to, sizeof(to)), 8);
	assert_memory_equal(to, "a\0\x3d\xd8\x00\xde\0\0", 8);
	assert_int_equal(vmbus_utf16_write("", to, 2), 2);
	assert_int_equal(vmbus_utf16_write("", to, 1), -E2BIG);
	assert_int_equal(vmbus_utf16_write("ab", to, 6), 6);
	assert_int_equal(vmbus_utf16_write("ab", to, 5), -E2BIG);
	assert_int_equal(vmbus_utf16_write("😀", to, 3), -E2BIG);
	assert_int_equal(vmbus_utf16_write("😀", to, 5), -E2BIG);
}

static void bytes_that_are_no_utf8_are_refused(void **state)
{
	static const char *const bad[] = {"\x80",	 "\xc0\x80",	     "\xc1\xbf",
					  "\xe2\x82",	 "\xe2\x28\xa1",     "\xed\xa0\x80",
					  "\xff",	 "\xf4\x90\x80\x80", "\xf0\x80\x80\x80",
					  "\xe0\x80\x80"};
	uint8_t to[32];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vmbus_utf16_write(bad[i], to, sizeof(to)), -EINVAL);
}

static void requests_are_as_long_as_their_answers(void **state)
{
	const uint8_t nic[6] = {0, 0x15, 0x5d, 1, 2, 0xab};
	uint8_t to[KVP_REQUEST_MAX];
	char text[64];

	assert_int_equal(kvp_write_enumerate(to, KVP_POOL_AUTO, 3), 4 + 2576);
	assert_memory_equal(to, "\3\2\0\0\3\0\0\0", 8);
	assert_int_equal(kvp_write_get(to, KVP_POOL_GUEST, "k"), 4 + 2572);
	assert_memory_equal(to, "\0\1\0\0\1\0\0\0\4\0\0\0\0\0\0\0k\0\0\0", 20);
	assert_int_equal(kvp_write_set(to, KVP_POOL_EXTERNAL, "k", "val"), 4 + 2572);
	assert_memory_equal(to, "\1\0\0\0\1\0\0\0\4\0\0\0\x8\0\0\0k\0\0\0", 20);
	assert_memory_equal(to + 16 + 512, "v\0a\0l\0\0\0", 8);
	assert_int_equal(kvp_write_delete(to, KVP_POOL_EXTERNAL, "k"), 4 + 516);
	assert_memory_equal(to, "\2\0\0\0\4\0\0\0k\0\0\0", 12);
	assert_int_equal(kvp_write_get_ip(to, nic), 7428);
	assert_int_equal(to[0], 4);
	vmbus_utf16_read(to + 2, 256, text, sizeof(text));
	assert_string_equal(text, "00:15:5D:01:02:AB");
}

static void keys_and_values_have_limits(void **state)
{
	uint8_t to[KVP_REQUEST_MAX];
	char text[2048];

	memset(text, 'x', sizeof(text));
	text[255] = '\0';
	assert_true(kvp_write_set(to, KVP_POOL_EXTERNAL, text, "") > 0);
	text[255] = 'x';
	text[256] = '\0';
	assert_int_equal(kvp_write_set(to, KVP_POOL_EXTERNAL, text, ""), -E2BIG);
	assert_int_equal(kvp_write_get(to, KVP_POOL_EXTERNAL, text), -E2BIG);
	assert_int_equal(kvp_write_delete(to, KVP_POOL_EXTERNAL, text), -E2BIG);
	text[256] = 'x';
	text[1023] = '\0';
	assert_true(kvp_write_set(to, KVP_POOL_EXTERNAL, "k", text) > 0);
	text[1023] = 'x';
	text[1024] = '\0';
	assert_int_equal(kvp_write_set(to, KVP_POOL_EXTERNAL, "k", text), -E2BIG);
	assert_int_equal(kvp_write_set(to, KVP_POOL_EXTERNAL, "k", "\xff"), -EINVAL);
}

static void item_is_read(void **state)
{
	uint8_t to[KVP_REQUEST_MAX];
	struct kvp_item item;
	int size = kvp_write_set(to, KVP_POOL_GUEST, "OSName", "Debian");

	assert_int_equal(kvp_read_item(to, (size_t)size, KVP_GET, &item), 0);
	assert_string_equal(item.key, "OSName");
	assert_string_equal(item.value, "Debian");
	memcpy(to + 16 + 512, "\xff\xff\xff\xff\1\0\0\0", 8);
	to[12] = 8;
	to[4] = 4;
	assert_int_equal(kvp_read_item(to, (size_t)size, KVP_GET, &item), 0);
	assert_string_equal(item.value, "4294967295");
	to[4] = 8;
	assert_int_equal(kvp_read_item(to, (size_t)size, KVP_GET, &item), 0);
	assert_string_equal(item.value, "8589934591");
	to[12] = 7; /* of a number with 8 */
	assert_int_equal(kvp_read_item(to, (size_t)size, KVP_GET, &item), -EBADMSG);
}

static void item_with_lengths_that_lie_is_refused(void **state)
{
	const uint8_t zero[4] = {0}, ones[4] = {0xff, 0xff, 0xff, 0xff};
	uint8_t good[KVP_REQUEST_MAX], bad[KVP_REQUEST_MAX];
	struct kvp_item item;
	size_t size = (size_t)kvp_write_set(good, KVP_POOL_GUEST, "OSName", "Debian");

	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(kvp_read_item(good, cut, KVP_GET, &item), -EBADMSG);
	for (unsigned at = 8; at <= 12; at += 4) {
		memcpy(bad, good, size);
		memcpy(bad + at, ones, 4);
		assert_int_equal(kvp_read_item(bad, size, KVP_GET, &item), -EBADMSG);
		memcpy(bad + at, at == 8 ? "\1\2\0\0" : "\1\x8\0\0",
		       4); /* one more than the room */
		assert_int_equal(kvp_read_item(bad, size, KVP_GET, &item), -EBADMSG);
	}
	memcpy(bad, good, size);
	memcpy(bad + 8, zero, 4); /* no key */
	assert_int_equal(kvp_read_item(bad, size, KVP_GET, &item), -EBADMSG);
	memcpy(bad, good, size);
	memcpy(bad + 12, zero, 4); /* no value: that is one */
	assert_int_equal(kvp_read_item(bad, size, KVP_GET, &item), 0);
	assert_string_equal(item.value, "");
	memcpy(bad, good, size);
	memcpy(bad + 4, ones, 4); /* its type */
	assert_int_equal(kvp_read_item(bad, size, KVP_GET, &item), -EBADMSG);
}

static void full_key_and_value_without_end_are_read(void **state)
{
	uint8_t data[4 + 2572] = {0};
	struct kvp_item item;

	data[4] = 1;
	data[9] = 2;  /* 512 */
	data[13] = 8; /* 2048 */
	for (size_t i = 16; i < sizeof(data); i += 2)
		memcpy(data + i, "\xac\x20", 2);
	assert_int_equal(kvp_read_item(data, sizeof(data), KVP_GET, &item), 0);
	assert_int_equal(strlen(item.key), 3 * 256);
	assert_int_equal(strlen(item.value), 3 * 1024);
}

/* An answer with these addresses. */
static size_t ip_answer(uint8_t to[KVP_REQUEST_MAX], const char *addresses)
{
	const uint8_t nic[6] = {0};
	int size = kvp_write_get_ip(to, nic);

	to[2 + 257] = 1;
	assert_true(vmbus_utf16_write(addresses, to + 2 + 258, 2048) > 0);
	return (size_t)size;
}

static void addresses_are_read(void **state)
{
	uint8_t to[KVP_REQUEST_MAX];
	struct kvp_addresses a;
	size_t size = ip_answer(to, "10.0.0.1;fe80::1%eth0;;2001:DB8:0::1");

	assert_int_equal(kvp_read_ip(to, size, &a), 0);
	assert_true(a.dhcp);
	assert_int_equal(a.n, 3);
	assert_string_equal(a.text[0], "10.0.0.1");
	assert_string_equal(a.text[1], "fe80::1");
	assert_string_equal(a.text[2], "2001:db8::1");
	for (size_t cut = 0; cut < 2 + 258 + 2048; cut++)
		assert_int_equal(kvp_read_ip(to, cut, &a), -EBADMSG);
}

static void words_that_are_no_addresses_are_left_out(void **state)
{
	uint8_t to[KVP_REQUEST_MAX];
	struct kvp_addresses a;
	char many[1000] = "";

	assert_int_equal(kvp_read_ip(to, ip_answer(to, "1.2.3;hello;1.2.3.4.5;:::;5.6.7.8"), &a),
			 0);
	assert_int_equal(a.n, 1);
	assert_string_equal(a.text[0], "5.6.7.8");
	for (unsigned i = 0; i < 100; i++)
		strcat(many, "1.1.1.1;");
	assert_int_equal(kvp_read_ip(to, ip_answer(to, many), &a), 0);
	assert_int_equal(a.n, KVP_MAX_ADDRESSES);
	memset(to, 0xff, sizeof(to));
	assert_int_equal(kvp_read_ip(to, sizeof(to), &a), 0);
	assert_int_equal(a.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf16_becomes_printable_utf8),
		cmocka_unit_test(utf16_is_cut_between_characters),
		cmocka_unit_test(utf8_becomes_utf16),
		cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
		cmocka_unit_test(requests_are_as_long_as_their_answers),
		cmocka_unit_test(keys_and_values_have_limits),
		cmocka_unit_test(item_is_read),
		cmocka_unit_test(item_with_lengths_that_lie_is_refused),
		cmocka_unit_test(full_key_and_value_without_end_are_read),
		cmocka_unit_test(addresses_are_read),
		cmocka_unit_test(words_that_are_no_addresses_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

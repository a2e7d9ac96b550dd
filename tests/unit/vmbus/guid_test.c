/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmbus/guid.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char net[] = "f8615163-df3e-46c5-913f-f2d2f965ed0e";

static void text_is_in_microsofts_order(void **state)
{
	struct vmbus_guid guid;
	char text[VMBUS_GUID_TEXT_SIZE];

	assert_int_equal(vmbus_guid_parse(net, &guid), 0);
	assert_true(vmbus_guid_equal(&guid, &VMBUS_GUID_NET));
	vmbus_guid_format(&VMBUS_GUID_NET, text);
	assert_string_equal(text, net);
}

static void what_is_no_guid_is_refused(void **state)
{
	static const char *const wrong[] = {"",
					    "f8615163",
					    "f8615163-df3e-46c5-913f-f2d2f965ed0",
					    "f8615163-df3e-46c5-913f-f2d2f965ed0e0",
					    "f8615163xdf3e-46c5-913f-f2d2f965ed0e",
					    "g8615163-df3e-46c5-913f-f2d2f965ed0e",
					    "f861516-3df3e-46c5-913f-f2d2f965ed0e"};
	struct vmbus_guid guid = {{1}}, before = guid;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(vmbus_guid_parse(wrong[i], &guid), -EINVAL);
		assert_true(vmbus_guid_equal(&guid, &before));
	}
}

static void names_have_guids_of_their_own(void **state)
{
	struct vmbus_guid a, b, again;
	char text[VMBUS_GUID_TEXT_SIZE];

	vmbus_guid_of_name("web1", &a);
	vmbus_guid_of_name("web2", &b);
	vmbus_guid_of_name("web1", &again);
	assert_true(vmbus_guid_equal(&a, &again));
	assert_false(vmbus_guid_equal(&a, &b));
	vmbus_guid_format(&a, text);
	assert_int_equal(text[14], '8');
	assert_non_null(strchr("89ab", text[19]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_in_microsofts_order),
		cmocka_unit_test(what_is_no_guid_is_refused),
		cmocka_unit_test(names_have_guids_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

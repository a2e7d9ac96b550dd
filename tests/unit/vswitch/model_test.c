/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the model refuses, and in which words.
 */
#include "vswitch/model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BASE                                                                                       \
	"\"tenant\":{\"red\":{\"name\":\"red\",\"id\":1}},"                                        \
	"\"switch\":{\"lan\":{\"name\":\"lan\",\"type\":\"private\"}},"                            \
	"\"port\":{\"a\":{\"switch\":\"lan\",\"name\":\"a\",\"kind\":\"mem\"},"                    \
	"\"b\":{\"switch\":\"lan\",\"name\":\"b\",\"kind\":\"mem\",\"vlan\":10},"                  \
	"\"c\":{\"switch\":\"lan\",\"name\":\"c\",\"kind\":\"mem\"},"                              \
	"\"r\":{\"switch\":\"lan\",\"name\":\"r\",\"kind\":\"mem\",\"tenant\":\"red\"}}"

static int make(const char *text, struct err *ret_err)
{
	json_t *state = json_loads(text, 0, NULL);
	struct vs_model *m = NULL;
	int rc;

	assert_non_null(state);
	rc = vs_model_create(state, &m, ret_err);
	json_decref(state);
	if (rc == 0)
		vs_model_destroy(m);
	return rc;
}

#define MAC(key, port)                                                                             \
	"\"" key "\":{\"switch\":\"lan\",\"mac\":\"02:00:00:00:00:01\",\"port\":\"" port "\"}"

static void address_is_static_on_one_port_of_a_vlan_and_tenant(void **state)
{
	struct err err = {0};

	assert_int_equal(make("{" BASE ",\"mac\":{" MAC("1", "a") "," MAC("2", "c") "}}", &err),
			 -EEXIST);
	assert_string_equal(err.slug, "mac-used");
	assert_non_null(strstr(err.what, "02:00:00:00:00:01"));
	assert_non_null(strstr(err.what, "port c"));
	assert_non_null(strstr(err.what, "port a's"));
	assert_string_equal(err.fix, "first: vswitchctl mac remove lan 02:00:00:00:00:01 --port a");
	assert_string_not_equal(err.why, "");
	assert_int_equal(make("{" BASE
			      ",\"mac\":{" MAC("1", "a") "," MAC("2", "b") "," MAC("3", "r") "}}",
			      &err),
			 0);
}

static void group_address_is_no_ports(void **state)
{
	static const char *const bad[] = {"01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff",
					  "00:00:00:00:00:00"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = {0};
		json_t *state_json =
			json_pack("{s{s{ss ss}} s{s{ss ss ss ss}}}", "switch", "lan", "name", "lan",
				  "type", "private", "port", "a", "switch", "lan", "name", "a",
				  "kind", "mem", "mac", bad[i]);
		struct vs_model *m;

		assert_int_equal(vs_model_create(state_json, &m, &err), -EINVAL);
		assert_string_equal(err.slug, "bad-mac");
		assert_non_null(strstr(err.what, "port a"));
		assert_non_null(strstr(err.what, bad[i]));
		assert_string_not_equal(err.why, "");
		assert_string_not_equal(err.fix, "");
		json_decref(state_json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_static_on_one_port_of_a_vlan_and_tenant),
		cmocka_unit_test(group_address_is_no_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest's NIC as configuration: where its socket is, and what 'nic set' makes of the port.
 */
#include "vswitch/nic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "vswitch/changes.h"
#include "vswitch/vs.h"

static struct vs vs;
static struct err err;

static void the_socket_is_named_after_the_port(void **state)
{
	char path[108];

	vs.opts.run_dir = "/run/vswitch";
	assert_int_equal(vs_nic_socket(&vs, "web1", path, sizeof(path), &err), 0);
	assert_string_equal(path, "/run/vswitch/nic/web1.sock");
	/* A name of a port may have what a name of a file has not. */
	assert_int_equal(vs_nic_socket(&vs, "../a/b", path, sizeof(path), &err), 0);
	assert_string_equal(path, "/run/vswitch/nic/..%2fa%2fb.sock");
}

static void a_path_that_no_socket_can_have_is_refused(void **state)
{
	char dir[100], path[108], name[64];

	memset(dir, 'd', sizeof(dir));
	dir[0] = '/';
	memset(name, 'n', sizeof(name));
	name[63] = '\0';
	/* 107 bytes are the most: "/nic/" and ".sock" are ten, the name 63. */
	dir[34] = '\0';
	vs.opts.run_dir = dir;
	assert_int_equal(vs_nic_socket(&vs, name, path, sizeof(path), &err), 0);
	assert_int_equal(strlen(path), 107);
	dir[34] = 'd';
	dir[35] = '\0';
	assert_int_equal(vs_nic_socket(&vs, name, path, sizeof(path), &err), -ENAMETOOLONG);
	memset(name, '/', 63);
	assert_int_equal(vs_nic_socket(&vs, name, path, sizeof(path), &err), -ENAMETOOLONG);
	vs.opts.run_dir = NULL;
	assert_int_equal(vs_nic_socket(&vs, "web1", path, sizeof(path), &err), -ENOENT);
}

static int nic_set(json_t *all, const char *params)
{
	const struct conf_binding *b = vs_changes;
	json_t *p = json_loads(params, 0, NULL), *result = NULL;
	int rc;

	while (strcmp(b->noun, "nic") != 0 || strcmp(b->verb, "set") != 0)
		b++;
	err = (struct err){0};
	rc = b->fn(NULL, all, p, &result, &err);
	json_decref(p);
	return rc;
}

static void a_nic_is_set_in_its_port(void **state)
{
	json_t *all = json_loads("{\"port\": {\"web1\": {\"switch\": \"lan\", \"name\": \"web1\", "
				 "\"kind\": \"vmbus\", \"queues\": 2, \"mac_change\": false}}}",
				 0, NULL);
	json_t *want = json_loads("{\"switch\": \"lan\", \"name\": \"web1\", \"kind\": \"vmbus\", "
				  "\"link\": \"down\", \"speed\": 1000000}",
				  0, NULL);

	assert_int_equal(nic_set(all, "{\"name\": \"web1\", \"link\": \"down\", \"speed\": "
				      "1000000, \"default\": [\"queues\", \"mac-change\"]}"),
			 0);
	assert_true(json_equal(json_object_get(json_object_get(all, "port"), "web1"), want));
	json_decref(all);
	json_decref(want);
}

static void what_is_no_nic_is_not_set(void **state)
{
	const char *text = "{\"port\": {\"t1\": {\"switch\": \"lan\", \"name\": \"t1\", "
			   "\"kind\": \"tap\"}}}";
	json_t *all = json_loads(text, 0, NULL), *before = json_deep_copy(all);

	assert_int_equal(nic_set(all, "{\"name\": \"t1\", \"link\": \"down\"}"), -EINVAL);
	assert_string_equal(err.slug, "not-a-nic");
	assert_true(err.why[0] != '\0' && err.fix[0] != '\0');
	assert_int_equal(nic_set(all, "{\"name\": \"t2\", \"link\": \"down\"}"), -ENOENT);
	assert_true(json_equal(all, before));
	json_decref(all);
	json_decref(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_socket_is_named_after_the_port),
		cmocka_unit_test(a_path_that_no_socket_can_have_is_refused),
		cmocka_unit_test(a_nic_is_set_in_its_port),
		cmocka_unit_test(what_is_no_nic_is_not_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

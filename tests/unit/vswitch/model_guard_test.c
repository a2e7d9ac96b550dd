/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards in the model: whose they are, what is refused, and that the table of defaults is the one
 * that people read.
 */
#include "vswitch/guards.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vswitch/changes.h"

#define BASE                                                                                       \
	"'switch':{'lan':{'name':'lan','type':'external'}},"                                       \
	"'vm':{'v':{'name':'v','id':1,'kernel':'/x'}},"                                            \
	"'port':{'a':{'switch':'lan','name':'a','kind':'mem'},"                                    \
	"'up':{'switch':'lan','name':'up','kind':'phys'},"                                         \
	"'vh':{'switch':'lan','name':'vh','kind':'vhost','socket':'/s'},"                          \
	"'vm0':{'switch':'lan','name':'vm0','kind':'vmbus'},"                                      \
	"'v/nic0':{'switch':'lan','name':'v/nic0','kind':'vmbus'},"                                \
	"'v/nic1':{'switch':'lan','name':'v/nic1','kind':'vmbus','bpdu':true}}"
#define WITH(port, words) "{" BASE ",'guard':{'" port "':{'port':'" port "'," words "}}}"

static json_t *load(const char *text)
{
	char *copy = strdup(text);
	json_t *json;

	for (char *p = copy; *p != '\0'; p++)
		*p = (char)(*p == '\'' ? '"' : *p);
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	free(copy);
	return json;
}

static struct vs_model *must(const char *text)
{
	json_t *state = load(text);
	struct vs_model *m = NULL;
	struct err err = {0};

	if (vs_model_create(state, &m, &err) != 0)
		fail_msg("%s", err.what);
	json_decref(state);
	return m;
}

static void refuses(const char *text, int code, const char *slug, const char *word)
{
	json_t *state = load(text);
	struct vs_model *m = NULL;
	struct err err = {0};

	assert_int_equal(vs_model_create(state, &m, &err), code);
	assert_string_equal(err.slug, slug);
	if (strstr(err.what, word) == NULL && strstr(err.why, word) == NULL)
		fail_msg("'%s' is not in: %s; %s", word, err.what, err.why);
	assert_true(err.why[0] != '\0' && err.fix[0] != '\0');
	json_decref(state);
}

static const struct vs_guard *of(const struct vs_model *m, const char *port)
{
	return vs_guard_of(m, vs_model_port(m, port));
}

static void nic_of_a_vm_has_the_profile_vm_and_others_have_open(void **state)
{
	struct vs_model *m = must("{" BASE "}");

	assert_int_equal(of(m, "v/nic0")->profile, VS_GUARD_VM);
	assert_true(vs_guard_is_active(of(m, "v/nic0")));
	assert_int_equal(of(m, "vm0")->profile, VS_GUARD_OPEN);
	assert_int_equal(of(m, "up")->profile, VS_GUARD_OPEN);
	assert_false(vs_guard_is_active(of(m, "a")));
	assert_null(of(m, "none"));
	vs_model_destroy(m);
}

static void what_is_said_goes_before_the_profile(void **state)
{
	struct vs_model *m = must(
		WITH("v/nic0",
		     "'mac':'off','arp_rate':7,'protected':true,'ip':'learned','profile':'vm'"));
	const struct vs_guard *g = of(m, "v/nic0");

	assert_int_equal(g->value[VS_GUARD_MAC], VS_GUARD_OFF);
	assert_int_equal(g->value[VS_GUARD_ARP_RATE], 7);
	assert_int_equal(g->value[VS_GUARD_PROTECTED], VS_GUARD_ON);
	assert_int_equal(g->value[VS_GUARD_IP], VS_GUARD_LEARNED);
	assert_int_equal(g->value[VS_GUARD_DHCP_SERVER], VS_GUARD_DENY);
	vs_model_destroy(m);
}

static void port_that_passes_bpdus_is_not_guarded_against_them(void **state)
{
	struct vs_model *m = must("{" BASE "}");

	assert_int_equal(of(m, "v/nic0")->value[VS_GUARD_BPDU], VS_GUARD_BPDU_DROP);
	assert_int_equal(of(m, "v/nic1")->value[VS_GUARD_BPDU], VS_GUARD_BPDU_ALLOW);
	vs_model_destroy(m);
	m = must(WITH("v/nic1", "'bpdu':'shutdown'"));
	assert_int_equal(of(m, "v/nic1")->value[VS_GUARD_BPDU], VS_GUARD_BPDU_SHUTDOWN);
	vs_model_destroy(m);
}

static void guards_that_would_cut_a_port_off_are_refused(void **state)
{
	refuses(WITH("a", "'ip':'fixed'"), -EINVAL, "no-address", "no packet at all");
	refuses(WITH("up", "'mac':'on'"), -EINVAL, "no-mac", "phys");
	refuses(WITH("vh", "'profile':'vm'"), -EINVAL, "no-mac", "without --mac");
	refuses(WITH("nix", "'mac':'off'"), -ENOENT, "not-found", "nix");
	refuses(WITH("a", "'allow_mac':['01:00:00:00:00:01']"), -EINVAL, "bad-mac", "group");
	refuses(WITH("a", "'allow_mac':['00:00:00:00:00:00']"), -EINVAL, "bad-mac", "zeros");
	vs_model_destroy(must(WITH("up", "'mac':'on','allow_mac':['02:00:00:00:00:01']")));
}

static void addresses_nobody_has_are_refused(void **state)
{
	refuses(WITH("a", "'address':['10.0.0.5/24']"), -EINVAL, "bad-address",
		"behind its prefix");
	refuses(WITH("a", "'address':['fd00::5/64']"), -EINVAL, "bad-address", "behind its prefix");
	refuses(WITH("a", "'address':['224.0.0.1']"), -EINVAL, "bad-address", "group");
	refuses(WITH("a", "'address':['255.255.255.255']"), -EINVAL, "bad-address", "group");
	refuses(WITH("a", "'address':['ff02::1']"), -EINVAL, "bad-address", "group");
	refuses(WITH("a", "'address':['127.0.0.1']"), -EINVAL, "bad-address", "loopback");
	refuses(WITH("a", "'address':['0.0.0.0']"), -EINVAL, "bad-address", "none");
	refuses(WITH("a", "'address':['::']"), -EINVAL, "bad-address", "none");
	refuses(WITH("a", "'address':['10.0.0.5/33']"), -EINVAL, "bad-address", "read");
	refuses(WITH("a", "'address':['10.0.0']"), -EINVAL, "bad-address", "read");
	refuses(WITH("a", "'address':['']"), -EINVAL, "bad-address", "read");
	refuses(WITH("a", "'address':['10.0.0.5','10.0.0.5/32']"), -EINVAL, "bad-address", "twice");
}

static void prefixes_are_written_as_they_are_read(void **state)
{
	static const char *const texts[] = {"10.0.0.5",	 "10.0.0.0/28", "fd00::5",
					    "fd00::/64", "0.0.0.0/0",	"::/0"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[VS_GUARD_PREFIX_SIZE];
		struct vs_guard_prefix p;

		assert_int_equal(vs_guard_prefix_parse("a", texts[i], &p, NULL), 0);
		vs_guard_prefix_format(&p, text);
		assert_string_equal(text, texts[i]);
	}
}

/* ---- Changes ---- */

static int change(json_t *config, const char *noun, const char *verb, const char *params,
		  struct err *err)
{
	json_t *json = load(params), *result = NULL;
	int rc = -ENOSYS;

	for (const struct conf_binding *b = vs_changes; b->noun != NULL; b++)
		if (strcmp(b->noun, noun) == 0 && strcmp(b->verb, verb) == 0)
			rc = b->fn(NULL, config, json, &result, err);
	json_decref(json);
	json_decref(result);
	return rc;
}

static void must_change(json_t *config, const char *noun, const char *verb, const char *params)
{
	struct err err = {0};

	if (change(config, noun, verb, params, &err) != 0)
		fail_msg("%s", err.what);
}

static void is_body(const json_t *config, const char *port, const char *text)
{
	json_t *want = load(text);
	const json_t *have = json_object_get(json_object_get(config, "guard"), port);

	if (!json_equal(want, have))
		fail_msg("guards of %s are %s", port, json_dumps(have, 0));
	json_decref(want);
}

static void nics_take_words_of_guards_with_a_prefix(void **state)
{
	json_t *config = load("{" BASE "}");

	must_change(config, "nic", "set", "{'name':'v/nic0','mtu':9000,'guard_mac':'off'}");
	is_body(config, "v/nic0", "{'port':'v/nic0','mac':'off'}");
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(json_object_get(config, "port"), "v/nic0"),
				 "mtu")),
			 9000);
	must_change(config, "nic", "set", "{'name':'v/nic0','default':['mtu','guard-mac']}");
	assert_null(json_object_get(json_object_get(config, "guard"), "v/nic0"));
	must_change(
		config, "nic", "add",
		"{'name':'v/nic2','switch':'lan','guard_ip':'fixed','guard_address':['10.0.0.5']}");
	is_body(config, "v/nic2", "{'port':'v/nic2','ip':'fixed','address':['10.0.0.5']}");
	must_change(config, "nic", "remove", "{'name':'v/nic2'}");
	assert_null(json_object_get(json_object_get(config, "guard"), "v/nic2"));
	json_decref(config);
}

static void addresses_are_bound_and_unbound_once(void **state)
{
	json_t *config = load("{" BASE "}");
	struct err err = {0};

	must_change(config, "guard", "bind", "{'port':'a','address':'10.0.0.5/32'}");
	is_body(config, "a", "{'port':'a','address':['10.0.0.5']}");
	assert_int_equal(change(config, "guard", "bind", "{'port':'a','address':'10.0.0.5'}", &err),
			 -EEXIST);
	assert_int_equal(change(config, "guard", "bind", "{'port':'b','address':'10.0.0.5'}", &err),
			 -ENOENT);
	assert_int_equal(change(config, "guard", "unbind", "{'port':'a','address':'10.0.0.6'}",
				&err),
			 -ENOENT);
	must_change(config, "guard", "unbind", "{'port':'a','address':'10.0.0.5'}");
	assert_null(json_object_get(json_object_get(config, "guard"), "a"));
	json_decref(config);
}

/* ---- docs/guards.md ---- */

/* "| mac | on | off | off | ..." */
static void expect_row(const char *text, int i)
{
	const struct vs_guard_row *row = &vs_guard_rows[i];
	char line[300];
	size_t n = (size_t)snprintf(line, sizeof(line), "\n| `%s` |", row->option);

	for (int p = 0; p < VS_N_GUARD_PROFILES; p++) {
		char value[40];

		vs_guard_value_format((enum vs_guard_option)i, row->value[p], value, sizeof(value));
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s |", value);
	}
	snprintf(line + n, sizeof(line) - n, " %s |\n", row->does);
	if (strstr(text, line) == NULL)
		fail_msg("docs/guards.md lacks this row:%s", line);
}

static void manual_shows_the_table_of_defaults(void **state)
{
	FILE *f = fopen(GUARDS_MD, "r");
	static char text[65536];

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (int i = 0; i < VS_N_GUARD_OPTIONS; i++)
		expect_row(text, i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nic_of_a_vm_has_the_profile_vm_and_others_have_open),
		cmocka_unit_test(what_is_said_goes_before_the_profile),
		cmocka_unit_test(port_that_passes_bpdus_is_not_guarded_against_them),
		cmocka_unit_test(guards_that_would_cut_a_port_off_are_refused),
		cmocka_unit_test(addresses_nobody_has_are_refused),
		cmocka_unit_test(prefixes_are_written_as_they_are_read),
		cmocka_unit_test(nics_take_words_of_guards_with_a_prefix),
		cmocka_unit_test(addresses_are_bound_and_unbound_once),
		cmocka_unit_test(manual_shows_the_table_of_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Exporters of flow records in the model: what is refused, and whose frames they see.
 */
#include "vswitch/flowrecs.h"

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

#define BASE                                                                                       \
	"'tenant':{'red':{'name':'red','id':1},'blue':{'name':'blue','id':2}},"                    \
	"'switch':{'lan':{'name':'lan','type':'external'},'two':{'name':'two','type':'private'}}," \
	"'port':{'a':{'switch':'lan','name':'a','kind':'mem'},"                                    \
	"'r':{'switch':'lan','name':'r','kind':'mem','tenant':'red'},"                             \
	"'z':{'switch':'two','name':'z','kind':'mem','tenant':'red'},"                             \
	"'u':{'switch':'lan','name':'u','kind':'phys','tenant_vlan':['red=100','blue=200']}}"
#define TO "'collector':['udp:10.0.0.9']"

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

static void refuses(const char *text, int code, const char *slug)
{
	json_t *state = load(text);
	struct vs_model *m = NULL;
	struct err err = {0};

	assert_int_equal(vs_model_create(state, &m, &err), code);
	assert_string_equal(err.slug, slug);
	assert_true(err.fix[0] != '\0');
	assert_string_equal(err.about[0].name, "x");
	json_decref(state);
}

static void what_cannot_be_is_refused_with_the_exporters_name(void **state)
{
	refuses("{" BASE ",'ipfix':{'x':{" TO "}}}", -EINVAL, "usage");
	refuses("{" BASE ",'ipfix':{'x':{'switch':'lan'}}}", -EINVAL, "usage");
	refuses("{" BASE ",'ipfix':{'x':{'switch':'lan','collector':[]}}}", -EINVAL, "usage");
	refuses("{" BASE ",'ipfix':{'x':{'switch':'no'," TO "}}}", -ENOENT, "not-found");
	refuses("{" BASE ",'ipfix':{'x':{'tenant':'no'," TO "}}}", -ENOENT, "not-found");
	refuses("{" BASE ",'sflow':{'x':{'switch':'lan','collector':['tcp:10.0.0.9']}}}", -EINVAL,
		"bad-collector");
	refuses("{" BASE ",'sflow':{'x':{'switch':'lan'," TO ",'agent':'me'}}}", -EINVAL,
		"bad-agent");
	refuses("{" BASE ",'ipfix':{'x':{'switch':'lan','collector':['udp:10.0.0.9',"
		"'udp:10.0.0.9:4739']}}}",
		-EEXIST, "collector-twice");
}

static void numbers_out_of_range_are_refused(void **state)
{
	static const char *const bad[] = {
		"'active':999",	    "'active':86400001",      "'inactive':0",
		"'max_flows':63",   "'max_flows':1048577",    "'sample':0",
		"'sample':1000001", "'template_refresh':999", "'max_flows':18446744073709551",
	};
	static const char *const bad_samples[] = {"'sample':0", "'sample':16777216", "'header':13",
						  "'header':513", "'counters':1"};
	char text[1000];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "{" BASE ",'ipfix':{'x':{'switch':'lan'," TO ",%s}}}",
			 bad[i]);
		refuses(text, -EINVAL, "bad-number");
	}
	for (size_t i = 0; i < sizeof(bad_samples) / sizeof(bad_samples[0]); i++) {
		snprintf(text, sizeof(text), "{" BASE ",'sflow':{'x':{'switch':'lan'," TO ",%s}}}",
			 bad_samples[i]);
		refuses(text, -EINVAL, "bad-number");
	}
}

static void a_port_is_seen_by_four_at_most(void **state)
{
	char text[2000] = "{" BASE ",'ipfix':{";
	size_t used = strlen(text);

	for (unsigned i = 0; i < 4; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "'%u':{'switch':'lan'," TO "},", i);
	snprintf(text + used, sizeof(text) - used, "'x':{'switch':'two'," TO "}}}");
	vs_model_destroy(must(text));
	snprintf(text + used, sizeof(text) - used, "'x':{'tenant':'red'," TO "}}}");
	refuses(text, -ENOSPC, "limit");
}

static bool sees(const struct vs_model *m, const char *exporter, const char *port)
{
	static struct vs vs;
	uint16_t domain;

	/* Domains of the uplink's tenants. */
	vs.domains[0].used = vs.domains[1].used = true;
	strcpy(vs.domains[0].sw, "lan");
	strcpy(vs.domains[0].tenant, "red");
	strcpy(vs.domains[1].sw, "lan");
	strcpy(vs.domains[1].tenant, "blue");
	return vs_flowrec_sees(&vs, vs_flowrec_exporter(m, exporter), vs_model_port(m, port),
			       &domain) &&
	       (strcmp(port, "u") != 0 || strcmp(exporter, "lan") == 0 ||
		domain == (strcmp(exporter, "blue") == 0 ? 1 : 0));
}

static void an_exporter_sees_its_switch_or_tenant(void **state)
{
	struct vs_model *m = must("{" BASE ",'ipfix':{'lan':{'switch':'lan'," TO "},"
				  "'red':{'tenant':'red'," TO "},'blue':{'tenant':'blue'," TO "},"
				  "'both':{'tenant':'red','switch':'two'," TO "}}}");

	assert_true(sees(m, "lan", "a") && sees(m, "lan", "r") && sees(m, "lan", "u"));
	assert_false(sees(m, "lan", "z"));
	assert_true(sees(m, "red", "r") && sees(m, "red", "z") && sees(m, "red", "u"));
	assert_false(sees(m, "red", "a"));
	assert_true(sees(m, "blue", "u"));
	assert_false(sees(m, "blue", "a") || sees(m, "blue", "r") || sees(m, "blue", "z"));
	assert_true(sees(m, "both", "z"));
	assert_false(sees(m, "both", "r") || sees(m, "both", "u"));
	assert_null(vs_flowrec_exporter(m, "none"));
	assert_null(vs_flowrec_sampler(m, "lan"));
	vs_model_destroy(m);
}

static void what_is_not_said_has_a_default(void **state)
{
	struct vs_model *m =
		must("{" BASE ",'ipfix':{'x':{'switch':'lan'," TO "},'y':{'switch':'lan'," TO
		     "}},'sflow':{'x':{'switch':'lan'," TO "}}}");
	const struct vs_exporter *e = vs_flowrec_exporter(m, "x"), *s = vs_flowrec_sampler(m, "x");

	assert_int_equal(e->flows.active_ms, 60000);
	assert_int_equal(e->flows.inactive_ms, 15000);
	assert_int_equal(e->flows.max_flows, 65536);
	assert_int_equal(e->flows.sample, 1);
	assert_string_equal(e->collectors[0].text, "udp:10.0.0.9:4739");
	assert_true(e->domain_id != 0 && e->domain_id != vs_flowrec_exporter(m, "y")->domain_id);
	assert_int_equal(s->rate, 1000);
	assert_int_equal(s->head, 128);
	assert_int_equal(s->counters_ms, 20000);
	assert_string_equal(s->collectors[0].text, "udp:10.0.0.9:6343");
	vs_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_is_refused_with_the_exporters_name),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(a_port_is_seen_by_four_at_most),
		cmocka_unit_test(an_exporter_sees_its_switch_or_tenant),
		cmocka_unit_test(what_is_not_said_has_a_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

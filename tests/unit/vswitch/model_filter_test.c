/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Filter modules in the model: what is refused, and what runs on a port.
 */
#include "vswitch/model.h"

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

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define MODULE(name) "'" name "':{'name':'" name "','file':'/x.o','sha256':'" DIGEST "'}"
#define BASE                                                                                       \
	"'tenant':{'red':{'name':'red','id':1}},"                                                  \
	"'switch':{'lan':{'name':'lan','type':'private'},'two':{'name':'two','type':'private'}},"  \
	"'port':{'a':{'switch':'lan','name':'a','kind':'mem'},"                                    \
	"'r':{'switch':'lan','name':'r','kind':'mem','tenant':'red'},"                             \
	"'z':{'switch':'two','name':'z','kind':'mem','tenant':'red'}},"                            \
	"'filter':{" MODULE("m") "," MODULE("n") "," MODULE("o") "}"

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
	if (strstr(err.what, word) == NULL)
		fail_msg("'%s' is not in '%s'", word, err.what);
	json_decref(state);
}

static void module_is_named_by_its_objects_digest(void **state)
{
	refuses("{'filter':{'m':{'name':'m','file':'/x.o'}}}", -EINVAL, "bad-digest", "m");
	refuses("{'filter':{'m':{'name':'m','file':'/x.o','sha256':'abc'}}}", -EINVAL, "bad-digest",
		"64");
	refuses("{'filter':{'m':{'name':'m','sha256':'" DIGEST "0'}}}", -EINVAL, "bad-digest", "m");
	refuses("{'filter':{'m':{'name':'m','sha256':'G123456789abcdef0123456789abcdef0123456789"
		"abcdef0123456789abcdef'}}}",
		-EINVAL, "bad-digest", "m");
	vs_model_destroy(must("{" BASE "}"));
}

static void attachment_is_to_one_thing_that_is_there(void **state)
{
	refuses("{" BASE ",'attachment':{'x':{'name':'m'}}}", -EINVAL, "usage", "one of");
	refuses("{" BASE ",'attachment':{'x':{'name':'m','port':'a','switch':'lan'}}}", -EINVAL,
		"usage", "one of");
	refuses("{" BASE ",'attachment':{'x':{'name':'q','port':'a'}}}", -ENOENT, "not-found",
		"filter 'q'");
	refuses("{" BASE ",'attachment':{'x':{'name':'m','port':'b'}}}", -ENOENT, "not-found",
		"port 'b'");
	refuses("{" BASE ",'attachment':{'x':{'name':'m','switch':'b'}}}", -ENOENT, "not-found",
		"switch 'b'");
	refuses("{" BASE ",'attachment':{'x':{'name':'m','tenant':'b'}}}", -ENOENT, "not-found",
		"tenant 'b'");
	refuses("{" BASE ",'attachment':{'x':{'name':'m','port':'a','role':'forward',"
		"'direction':'egress'}}}",
		-EINVAL, "filter-role", "forward");
}

/* "n o" */
static void runs(const struct vs_model *m, const char *port, enum dp_filter_side side,
		 const char *want)
{
	const struct vs_attachment *of[FILTER_MAX_SLOTS];
	unsigned n = vs_model_filters_of(m, vs_model_port(m, port), side, of);
	char text[200] = "";

	for (unsigned i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s/%u",
			 i > 0 ? " " : "", of[i]->filter->name, of[i]->order);
	assert_string_equal(text, want);
}

static void nearest_attachment_counts_and_roles_have_their_order(void **state)
{
	struct vs_model *m =
		must("{" BASE ",'attachment':{"
		     "'1':{'name':'m','switch':'lan','order':5},"
		     "'2':{'name':'m','tenant':'red','order':6},"
		     "'3':{'name':'m','port':'r','order':7},"
		     "'4':{'name':'n','switch':'lan','role':'capture','order':900},"
		     "'5':{'name':'o','switch':'lan','role':'forward','order':1},"
		     "'6':{'name':'n','port':'r','direction':'egress'},"
		     "'7':{'name':'o','tenant':'red','direction':'egress','order':3}}}");

	runs(m, "a", DP_FILTER_INGRESS, "n/900 m/5 o/1");
	runs(m, "r", DP_FILTER_INGRESS, "n/900 m/7 o/1");
	runs(m, "z", DP_FILTER_INGRESS, "m/6");
	runs(m, "a", DP_FILTER_EGRESS, "");
	runs(m, "r", DP_FILTER_EGRESS, "o/3 n/100");
	vs_model_destroy(m);
}

static void filters_are_closed_and_captures_open_unless_told(void **state)
{
	struct vs_model *m = must("{" BASE ",'attachment':{"
				  "'1':{'name':'m','port':'a'},"
				  "'2':{'name':'n','port':'a','role':'capture'},"
				  "'3':{'name':'m','port':'r','on_missing':'pass'},"
				  "'4':{'name':'n','port':'r','role':'capture',"
				  "'on_missing':'drop'}}}");

	for (unsigned i = 0; i < m->n_attachments; i++) {
		const struct vs_attachment *a = &m->attachments[i];

		assert_int_equal(a->closed, strcmp(a->name, "1") == 0 || strcmp(a->name, "4") == 0);
	}
	vs_model_destroy(m);
}

static void port_has_sixteen_filters_in_a_direction_at_most(void **state)
{
	for (unsigned n = FILTER_MAX_SLOTS; n <= FILTER_MAX_SLOTS + 1; n++) {
		json_t *s = load("{" BASE "}"), *filters = json_object_get(s, "filter"),
		       *attached = json_object();
		struct vs_model *m = NULL;
		struct err err = {0};

		for (unsigned i = 0; i < n; i++) {
			char name[16];

			snprintf(name, sizeof(name), "f%u", i);
			json_object_set_new(filters, name,
					    json_pack("{ss ss}", "name", name, "sha256", DIGEST));
			json_object_set_new(attached, name,
					    json_pack("{ss ss}", "name", name, "port", "a"));
		}
		json_object_set_new(s, "attachment", attached);
		assert_int_equal(vs_model_create(s, &m, &err), n <= FILTER_MAX_SLOTS ? 0 : -ENOSPC);
		vs_model_destroy(m);
		json_decref(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(module_is_named_by_its_objects_digest),
		cmocka_unit_test(attachment_is_to_one_thing_that_is_there),
		cmocka_unit_test(nearest_attachment_counts_and_roles_have_their_order),
		cmocka_unit_test(filters_are_closed_and_captures_open_unless_told),
		cmocka_unit_test(port_has_sixteen_filters_in_a_direction_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

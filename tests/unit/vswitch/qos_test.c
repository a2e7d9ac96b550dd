/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth in the model, what is refused of it, and the classes that a port's shaper gets.
 */
#include "vswitch/qos_tree.h"

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

#include "tests/support/mbufs.h"

#define M UINT64_C(1000000)
#define G UINT64_C(1000000000)

/* Ports have their places in the model as ids: in the order in which they stand here. */
#define BASE                                                                                       \
	"'tenant':{'red':{'name':'red','id':1},'blue':{'name':'blue','id':2}},"                    \
	"'switch':{'lan':{'name':'lan','type':'external'}},"                                       \
	"'port':{'up':{'switch':'lan','name':'up','kind':'phys','device':'net_null0'},"            \
	"'a':{'switch':'lan','name':'a','kind':'mem'},"                                            \
	"'r1':{'switch':'lan','name':'r1','kind':'mem','tenant':'red'},"                           \
	"'r2':{'switch':'lan','name':'r2','kind':'mem','tenant':'red'},"                           \
	"'b':{'switch':'lan','name':'b','kind':'mem','tenant':'blue'}}"
#define QOS(list)	    "{" BASE ",'qos':{" list "}}"
#define OF(port, rest)	    "'" port " -':{'port':'" port "'," rest "}"
#define OF_T(port, t, rest) "'" port " " t "':{'port':'" port "','tenant':'" t "'," rest "}"

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

static void refuses(const char *text, const char *slug, const char *word)
{
	json_t *state = load(text);
	struct vs_model *m = NULL;
	struct err err = {0};

	assert_true(vs_model_create(state, &m, &err) < 0);
	if (strcmp(err.slug, slug) != 0 || strstr(err.what, word) == NULL)
		fail_msg("%s: '%s' is not in '%s'", err.slug, word, err.what);
	json_decref(state);
}

static struct vs_qos_tree *tree_of(const struct vs_model *m, const char *port, uint64_t link_bps)
{
	uint16_t ids[16];
	struct vs_qos_tree *t = NULL;
	struct err err = {0};

	for (uint16_t i = 0; i < 16; i++)
		ids[i] = i;
	if (vs_qos_tree_create(m, ids, vs_model_port(m, port), link_bps, &t, &err) != 0)
		fail_msg("%s", err.what);
	return t;
}

static bool has(const struct vs_qos_tree *t, const char *name)
{
	for (uint16_t i = 0; i < t->spec.n_classes; i++)
		if (strcmp(t->nodes[i].name, name) == 0)
			return true;
	return false;
}

static struct dp_sched_class class_of(const struct vs_qos_tree *t, const char *name)
{
	for (uint16_t i = 0; i < t->spec.n_classes; i++)
		if (strcmp(t->nodes[i].name, name) == 0)
			return t->classes[i];
	fail_msg("no class '%s'", name);
	return (struct dp_sched_class){0};
}

static const char *parent_of(const struct vs_qos_tree *t, const char *name)
{
	uint16_t parent = class_of(t, name).parent;

	return parent == DP_SCHED_NO_CLASS ? "" : t->nodes[parent].name;
}

/* A shaper takes it. */
static void works(const struct vs_qos_tree *t)
{
	struct dp_sched *sched = NULL;
	struct err err = {0};

	if (dp_sched_create(&t->spec.root, t->spec.classes, t->spec.n_classes, 1000000000, &sched,
			    &err) != 0)
		fail_msg("%s", err.what);
	dp_sched_destroy(sched);
	for (uint16_t g = 0; g < t->spec.n_groups; g++)
		for (unsigned tc = 0; tc < DP_SHAPE_TCS; tc++)
			assert_true(t->classes[t->groups[g].leaf[tc]].leaf);
}

/* ---- Words ---- */

static void lists_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *normal;
	} good[] = {{"0", "0"},	      {"46", "46"},	     {"63", "63"},
		    {"1,2,3", "1-3"}, {"40-47,48", "40-48"}, {"0-63", "0-63"},
		    {"5,1", "1,5"},   {"7-7", "7"}};
	static const char *const bad[] = {"",	  ",",	 "64",	"1,",
					  "-1",	  "1-",	 "3-1", "1 ",
					  "1--2", "0x1", "1;2", "18446744073709551617"};
	uint64_t set;
	char text[200];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(vs_qos_list_parse(good[i].text, 63, &set), 0);
		vs_qos_list_format(set, text, sizeof(text));
		assert_string_equal(text, good[i].normal);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vs_qos_list_parse(bad[i], 63, &set), -EINVAL);
	vs_qos_list_format(0, text, sizeof(text));
	assert_string_equal(text, "");
	vs_qos_list_format(UINT64_C(0x5555555555555555), text, 8);
	assert_true(strlen(text) < 8);
}

static void marks_are_numbers_or_the_other_field(void **state)
{
	struct vs_qos_mark mark;

	assert_int_equal(vs_qos_mark_parse(NULL, 63, "pcp", &mark), 0);
	assert_int_equal(mark.kind, VS_MARK_KEEP);
	assert_int_equal(vs_qos_mark_parse("pcp", 63, "pcp", &mark), 0);
	assert_int_equal(mark.kind, VS_MARK_OTHER);
	assert_int_equal(vs_qos_mark_parse("63", 63, "pcp", &mark), 0);
	assert_int_equal(mark.value, 63);
	assert_int_equal(vs_qos_mark_parse("64", 63, "pcp", &mark), -EINVAL);
	assert_int_equal(vs_qos_mark_parse("dscp", 63, "pcp", &mark), -EINVAL);
	assert_int_equal(vs_qos_mark_parse("", 63, "pcp", &mark), -EINVAL);
}

/* ---- What is refused ---- */

static void what_cannot_be_is_refused(void **state)
{
	refuses(QOS(OF("nosuch", "'to_max':1000")), "not-found", "nosuch");
	refuses(QOS(OF_T("up", "green", "'max':1000")), "not-found", "green");
	refuses(QOS(OF_T("a", "red", "'max':1000")), "no-uplink", "a");
	refuses(QOS(OF("a", "'max':1000")), "usage", "--max");
	refuses(QOS(OF_T("up", "red", "'to_min':1000")), "usage", "--to-min");
	refuses(QOS(OF("a", "'from_min':2000,'from_max':1000")), "bad-rate", "from-min");
	refuses(QOS(OF_T("up", "red", "'min':2000,'max':1000")), "bad-rate", "min");
	refuses(QOS(OF("a", "'to_max':1000,'priority_max':2000,'priority_dscp':'46'")), "bad-rate",
		"priority-max");
	refuses(QOS(OF("a", "'to_max':1000,'priority_dscp':'46'")), "priority", "priority-max");
	refuses(QOS(OF("a", "'to_max':1000,'priority_max':1000")), "priority", "priority-dscp");
	refuses(QOS(OF("a", "'priority_max':1000,'priority_dscp':'46'")), "priority", "to-max");
	refuses(QOS(OF("a", "'priority_max':1000,'priority_pcp':'8'")), "usage", "priority-pcp");
	refuses(QOS(OF("a", "'mark_dscp':'64'")), "usage", "mark-dscp");
	refuses(QOS(OF("a", "'mark_pcp':'pcp'")), "usage", "mark-pcp");
}

static void guarantees_are_not_more_than_there_is(void **state)
{
	refuses(QOS(OF("up", "'to_max':5000000") "," OF("a", "'from_min':3000000") "," OF(
			"r1", "'from_min':2000001")),
		"over-committed", "a, r1");
	vs_model_destroy(must(QOS(OF("up", "'to_max':5000000") "," OF(
		"a", "'from_min':3000000") "," OF("r1", "'from_min':2000000"))));
	refuses(QOS(OF("up", "'to_max':5000000") "," OF_T("up", "red", "'min':4000000") "," OF(
			"a", "'from_min':2000000")),
		"over-committed", "red");
	refuses(QOS(OF_T("up", "red", "'max':1000000") "," OF("r1", "'from_min':600000") "," OF(
			"r2", "'from_min':600000")),
		"over-committed", "r1, r2");
	refuses(QOS(OF_T("up", "red", "'min':1000000") "," OF("r1", "'from_min':1200000")),
		"over-committed", "tenant red");
	refuses(QOS(OF("up", "'to_max':5000000,'priority_dscp':'46','priority_max':3000000") "," OF(
			"a", "'from_min':3000000")),
		"over-committed", "priority");
	refuses("{" BASE ",'queue':{'a 1':{'port':'a','id':1,'min_rate':2000000}},'qos':{" OF(
			"a", "'to_max':1000000") "}}",
		"over-committed", "queue 1");
}

/* ---- Trees ---- */

static void nothing_said_is_nothing_shaped(void **state)
{
	struct vs_model *m = must(QOS(OF("a", "'from_max':1000000")));

	assert_null(tree_of(m, "a", 0));
	assert_null(tree_of(m, "up", G));
	assert_null(tree_of(m, "b", 0));
	vs_model_destroy(m);
}

static void port_with_a_maximum_has_one_queue(void **state)
{
	struct vs_model *m =
		must(QOS(OF("a", "'to_max':1000000,'to_burst':5000,'delay':1000,'limit':7,"
				 "'ecn':false")));
	struct vs_qos_tree *t = tree_of(m, "a", G);

	assert_int_equal(t->spec.n_classes, 1);
	assert_int_equal(t->spec.root.max_bps, M);
	assert_int_equal(t->spec.root.burst, 5000);
	assert_int_equal(t->spec.root.overhead, 24);
	assert_int_equal(t->classes[0].target_us, 1000);
	assert_int_equal(t->classes[0].limit, 7);
	assert_true(t->classes[0].drops_ecn);
	assert_null(t->group_of_port);
	works(t);
	vs_qos_tree_destroy(t);
	vs_model_destroy(m);
}

static void uplink_has_tenants_and_their_ports(void **state)
{
	struct vs_model *m = must(QOS(OF("up", "'to_max':10000000") "," OF(
		"a", "'from_min':1000000,'from_weight':9") "," OF_T("up", "blue",
								    "'max':3000000,'weight':4")));
	struct vs_qos_tree *t = tree_of(m, "up", 0);

	works(t);
	assert_int_equal(class_of(t, "to: from a").min_bps, M);
	assert_int_equal(class_of(t, "to: from a").weight, 9);
	assert_string_equal(parent_of(t, "to: from a"), "");
	assert_string_equal(parent_of(t, "to: from r1"), "to: tenant red");
	assert_string_equal(parent_of(t, "to: from b"), "to: tenant blue");
	assert_int_equal(class_of(t, "to: tenant blue").max_bps, 3 * M);
	assert_int_equal(class_of(t, "to: tenant blue").weight, 4);
	assert_false(has(t, "to: from up"));
	/* Port 2, r1, goes by its own leaf; what nobody knows by the others'. */
	assert_string_equal(t->nodes[t->groups[t->group_of_port[2]].leaf[0]].name, "to: from r1");
	assert_string_equal(t->nodes[t->groups[t->group_of_port[99]].leaf[0]].name, "to: others");
	vs_qos_tree_destroy(t);
	vs_model_destroy(m);
}

/* Of what is sent to red's machines. */
static struct vs_qos_tree *share_tree_of(const struct vs_model *m, const char *port)
{
	const struct vs_qos *q = vs_qos_share(m, vs_model_port(m, port));
	uint16_t ids[16];
	struct vs_qos_tree *t = NULL;
	struct err err = {0};

	for (uint16_t i = 0; i < 16; i++)
		ids[i] = i;
	assert_non_null(q);
	if (vs_qos_share_tree_create(m, ids, q, &t, &err) != 0)
		fail_msg("%s", err.what);
	return t;
}

static uint16_t leaf_to(const struct vs_qos_tree *t, uint16_t port, uint8_t tc)
{
	const struct dp_shape_out *out = &t->spec.outs[t->spec.out_of_port[port] - 1];

	return t->groups[out->first_group].leaf[tc];
}

static void tenant_has_one_rate_to_its_machines(void **state)
{
	struct vs_model *m = must(QOS(OF_T("up", "red", "'to_max':500000000") "," OF(
		"r1",
		"'to_min':100000000,'to_"
		"weight':3") "," OF("r2",
				    "'to_max':200000000,'priority_dscp':'46',"
				    "'priority_max':10000000") "," OF("b", "'to_max':1000000")));
	struct vs_qos_tree *t = share_tree_of(m, "r1");
	const struct vs_port *r1 = vs_model_port(m, "r1"), *r2 = vs_model_port(m, "r2");
	uint16_t first = (uint16_t)(r1 - m->ports), second = (uint16_t)(r2 - m->ports), leaf;
	uint8_t tc;

	works(t);
	assert_int_equal(t->spec.root.max_bps, 500 * M);
	assert_int_equal(t->spec.n_outs, 2);
	assert_int_equal(t->spec.n_classes, 4);
	leaf = leaf_to(t, first, 0);
	assert_int_equal(t->classes[leaf].weight, 3);
	assert_int_equal(t->classes[leaf].min_bps, 100 * M);
	assert_int_equal(t->port_of_class[leaf], first);
	leaf = leaf_to(t, second, 0);
	assert_string_equal(t->nodes[leaf].name, "to: others");
	assert_int_equal(t->port_of_class[leaf], second);
	assert_int_equal(t->classes[t->classes[leaf].parent].max_bps, 200 * M);
	assert_int_equal(t->classes[t->classes[leaf].parent].min_bps, 10 * M);
	tc = t->spec.outs[t->spec.out_of_port[second] - 1].marks.tc_of_dscp[46];
	assert_true(t->classes[leaf_to(t, second, tc)].strict);
	/* No shaper of their own besides; another tenant's keeps its. */
	assert_false(vs_qos_is_shaped(m, r1));
	assert_false(vs_qos_is_shaped(m, r2));
	assert_true(vs_qos_is_shaped(m, vs_model_port(m, "b")));
	assert_null(vs_qos_share(m, vs_model_port(m, "b")));
	assert_null(vs_qos_share(m, vs_model_port(m, "up")));
	assert_true(vs_qos_tree_same(t, t));
	vs_qos_tree_destroy(t);
	vs_model_destroy(m);
	refuses(QOS(OF_T("up", "red", "'to_max':100000000") "," OF(
			"r1", "'to_min':60000000") "," OF("r2", "'to_min':50000000")),
		"over-committed", "r1, r2");
	refuses(QOS(OF("r1", "'to_min':60000000,'to_max':50000000")), "bad-rate", "--to-min");
}

static void slow_link_keeps_guarantees_in_proportion(void **state)
{
	struct vs_model *m = must(QOS(OF("a", "'from_min':3000000000") "," OF(
		"b", "'from_min':1000000000") "," OF("up", "'priority_dscp':'46',"
							   "'priority_max':1000000000")));
	struct vs_qos_tree *fast = tree_of(m, "up", 10 * G), *slow = tree_of(m, "up", G);
	struct vs_qos_tree *unknown = tree_of(m, "up", 0);

	assert_int_equal(class_of(fast, "to: from a").min_bps, 3 * G);
	assert_true(fast->scaled == 1);
	assert_true(slow->scaled < 0.21 && slow->scaled > 0.19);
	assert_in_range(class_of(slow, "to: from a").min_bps,
			3 * class_of(slow, "to: from b").min_bps - 5,
			3 * class_of(slow, "to: from b").min_bps + 5);
	works(fast);
	works(slow);
	works(unknown);
	assert_int_equal(unknown->spec.root.max_bps, 0);
	assert_false(vs_qos_tree_same(fast, slow));
	vs_qos_tree_destroy(fast);
	vs_qos_tree_destroy(slow);
	vs_qos_tree_destroy(unknown);
	vs_model_destroy(m);
}

static void marks_of_untrusted_ports_lead_nowhere(void **state)
{
	struct vs_model *m = must(
		QOS(OF("up",
		       "'to_max':10000000,'priority_dscp':'46','priority_pcp':'5-7','priority_max':"
		       "1000000") "," OF("a", "'trust':'none'") "," OF("r1", "'trust':'dscp'")));
	struct vs_qos_tree *t = tree_of(m, "up", 0);
	uint8_t dscp = t->spec.tc_of_dscp[46], pcp = t->spec.tc_of_pcp[5];

	works(t);
	assert_int_equal(t->spec.trust, DP_SHAPE_DSCP | DP_SHAPE_PCP);
	assert_int_equal(t->spec.tc_of_dscp[45], 0);
#define LEADS(port, tc, to)                                                                        \
	assert_string_equal(t->nodes[t->groups[t->group_of_port[port]].leaf[tc]].name, to)
	LEADS(1, dscp, "to: from a");
	LEADS(1, pcp, "to: from a");
	LEADS(2, dscp, "to: priority");
	LEADS(2, pcp, "to: from r1");
	LEADS(3, dscp, "to: priority");
	LEADS(3, pcp, "to: priority");
#undef LEADS
	vs_qos_tree_destroy(t);
	vs_model_destroy(m);
}

static void queues_of_rules_are_leaves(void **state)
{
	struct vs_model *m = must("{" BASE ",'queue':{'a 7':{'port':'a','id':7,'max_rate':2000000},"
				  "'a 3':{'port':'a','id':3,'min_rate':1000000},"
				  "'b 1':{'port':'b','id':1,'max_rate':10000000000000}}}");
	struct vs_qos_tree *t = tree_of(m, "a", 0), *b = tree_of(m, "b", 0);

	works(t);
	works(b);
	assert_int_equal(t->spec.n_queues, 2);
	assert_int_equal(t->queues[0].id, 3);
	assert_int_equal(t->queues[1].id, 7);
	assert_int_equal(class_of(t, "to: queue 7").max_bps, 2 * M);
	assert_int_equal(class_of(t, "to: queue 3").min_bps, M);
	assert_null(tree_of(m, "r1", 0));
	vs_qos_tree_destroy(t);
	vs_qos_tree_destroy(b);
	vs_model_destroy(m);
}

static void same_words_make_the_same_tree(void **state)
{
	struct vs_model *m =
		must(QOS(OF("up", "'to_max':10000000") "," OF("a", "'from_weight':2")));
	struct vs_model *n =
		must(QOS(OF("up", "'to_max':10000000") "," OF("a", "'from_weight':3")));
	struct vs_qos_tree *t = tree_of(m, "up", 0), *again = tree_of(m, "up", 0);
	struct vs_qos_tree *other = tree_of(n, "up", 0);

	assert_true(vs_qos_tree_same(t, again));
	assert_false(vs_qos_tree_same(t, other));
	vs_qos_tree_destroy(t);
	vs_qos_tree_destroy(again);
	vs_qos_tree_destroy(other);
	vs_model_destroy(m);
	vs_model_destroy(n);
}

/* A scheduler keeps something in packet buffers. */
static int start(void **state)
{
	return mbufs_pool("qos", 63, 2048) != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_read_and_written),
		cmocka_unit_test(marks_are_numbers_or_the_other_field),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(guarantees_are_not_more_than_there_is),
		cmocka_unit_test(nothing_said_is_nothing_shaped),
		cmocka_unit_test(port_with_a_maximum_has_one_queue),
		cmocka_unit_test(uplink_has_tenants_and_their_ports),
		cmocka_unit_test(tenant_has_one_rate_to_its_machines),
		cmocka_unit_test(slow_link_keeps_guarantees_in_proportion),
		cmocka_unit_test(marks_of_untrusted_ports_lead_nowhere),
		cmocka_unit_test(queues_of_rules_are_leaves),
		cmocka_unit_test(same_words_make_the_same_tree),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The view that a configuration compiles to, and the proof over it.  A proof that cannot fail
 * proves nothing: the view is broken by hand, one promise at a time, and the proof has to say
 * which.
 */
#include "vswitch/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_byteorder.h>

#include "tests/support/test_dp.h"

/* The linker puts it in place of the original (-Wl,--wrap): every device is in memory. */
int __wrap_vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live,
			  struct err *err);

static struct dp *dp;
static struct vs *vs;

int __wrap_vs_device_open(struct vs *v, const struct vs_port *p, struct vs_live *live,
			  struct err *err)
{
	const struct dp_port_opts opts = {.name = p->name,
					  .kind = "mem",
					  .netns_fd = -1,
					  .mtu = p->mtu};

	live->reaches_host = p->kind == VS_HOST;
	json_decref(live->body);
	live->body = json_incref((json_t *)(uintptr_t)p->body);
	return dp_port_open(v->dp, &opts, &live->port, err);
}

static const char config[] =
	"{'switch':{'ext':{'type':'external'},'int':{'type':'internal'},"
	"'priv':{'type':'private'}},'tenant':{'red':{'id':1,'mac_limit':9},'blue':{'id':2}},"
	"'port':{"
	"'up':{'switch':'ext','kind':'phys','tenant_vlan':['red=100','blue=200']},"
	"'r1':{'switch':'ext','kind':'mem','tenant':'red'},"
	"'r2':{'switch':'ext','kind':'mem','tenant':'red','vlan':7},"
	"'b1':{'switch':'ext','kind':'mem','tenant':'blue'},"
	"'host':{'switch':'int','kind':'host'},'i1':{'switch':'int','kind':'mem'},"
	"'p1':{'switch':'priv','kind':'mem'},'p2':{'switch':'priv','kind':'mem'},"
	"'iso':{'switch':'priv','kind':'mem','vlan_mode':'isolated','vlan':10,'secondary':'20'},"
	"'iso2':{'switch':'priv','kind':'mem','vlan_mode':'isolated','vlan':10,'secondary':'20'},"
	"'prom':{'switch':'priv','kind':'mem','vlan_mode':'promiscuous','vlan':10,"
	"'secondary':'20,30'},"
	"'trunk':{'switch':'int','kind':'mem','vlan_mode':'trunk','allowed':'5-6','native':9,"
	"'tpid':'0x88a8'},"
	"'down':{'switch':'int','kind':'mem','admin':'down','mtu':9000,'flood':false,'bpdu':true}"
	"}}";

static int start(void **state)
{
	const struct vs_opts opts = {.dp = dp};
	struct err err = {0};
	char *json = strdup(config);
	json_t *s;
	int rc;

	for (char *c = json; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	s = json_loads(json, 0, NULL);
	free(json);
	rc = vs_create(&opts, &vs, &err);
	if (rc == 0)
		rc = vs_apply(vs, NULL, s, false, &err);
	if (rc != 0)
		print_error("%s\n", err.what);
	json_decref(s);
	return rc;
}

static int finish(void **state)
{
	vs_destroy(vs);
	return 0;
}

/* Of the running view, for breaking. */
static struct dp_vport *vport(const char *name)
{
	return dp_view(dp)->vports[vs_port_id(vs, name)];
}

static bool reach(const char *a, const char *b)
{
	return vs_can_reach(dp_view(dp), vport(a), vport(b));
}

/* The checks that fail, as "switch: check, ..."; "" when all is proved. */
static const char *broken(const char *sw)
{
	static char text[500];
	const struct vs_switch *s = vs_model_switch(vs->model, sw);
	json_t *report = NULL, *rows;
	bool ok;

	assert_int_equal(vs_verify(vs, s, &report, NULL), 0);
	rows = json_object_get(report, "checks");
	ok = json_is_true(json_object_get(report, "ok"));
	text[0] = '\0';
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		size_t n = strlen(text);

		if (!json_is_true(json_object_get(row, "ok")))
			snprintf(text + n, sizeof(text) - n, "%s%s: %s", n != 0 ? ", " : "",
				 json_string_value(json_object_get(row, "switch")),
				 json_string_value(json_object_get(row, "check")));
	}
	assert_int_equal(ok, text[0] == '\0');
	json_decref(report);
	return text;
}

static void ports_are_compiled_as_they_are_configured(void **state)
{
	const struct dp_vport *t = vport("trunk"), *d = vport("down"), *up = vport("up");

	assert_int_equal(t->flags & (DP_VP_UNTAGGED_IN | DP_VP_TAGGED_IN | DP_VP_TAG_OUT),
			 DP_VP_UNTAGGED_IN | DP_VP_TAGGED_IN | DP_VP_TAG_OUT);
	assert_int_equal(t->pvid, 9);
	assert_int_equal(t->native_out, 9);
	assert_int_equal(t->tpid_out, rte_cpu_to_be_16(0x88a8));
	assert_true(dp_vlan_test(t->vlan_in, 5) && !dp_vlan_test(t->vlan_in, 7));
	assert_true(dp_vlan_test(t->vlan_out, 9) && !dp_vlan_test(t->vlan_in, 9));
	assert_int_equal(d->flags & (DP_VP_UP | DP_VP_FLOOD | DP_VP_BPDU), DP_VP_BPDU);
	assert_int_equal(d->max_frame, 9014);
	assert_true((up->flags & DP_VP_REACHES_WIRE) != 0);
	assert_true((vport("host")->flags & DP_VP_REACHES_HOST) != 0);
	assert_null(t->wire);
}

static void shared_uplink_maps_tags_and_tenants_one_to_one(void **state)
{
	const struct dp_wire_map *w = vport("up")->wire;
	uint16_t red = vs_domain_id(vs, "ext", "red"), blue = vs_domain_id(vs, "ext", "blue");
	unsigned n = 0;

	assert_non_null(w);
	assert_int_equal(w->domain_of_vlan[100], red);
	assert_int_equal(w->domain_of_vlan[200], blue);
	assert_int_equal(w->vlan_of_domain[red], 100);
	assert_int_equal(w->vlan_of_domain[blue], 200);
	for (unsigned v = 0; v < DP_VLANS; v++)
		n += w->domain_of_vlan[v] != DP_NO_DOMAIN;
	assert_int_equal(n, 2);
}

static void domain_lists_its_members_and_whom_the_uplink_brings(void **state)
{
	const struct dp_domain *red = dp_view(dp)->domains[vs_domain_id(vs, "ext", "red")];
	const struct dp_domain *blue = dp_view(dp)->domains[vs_domain_id(vs, "ext", "blue")];

	assert_int_equal(red->n_ports, 3);
	assert_int_equal(blue->n_ports, 2);
	for (unsigned i = 1; i < red->n_ports; i++)
		assert_true(red->ports[i - 1] < red->ports[i]);
	assert_int_equal(red->mac_limit, 9);
	assert_int_equal(blue->mac_limit, 0);
	assert_null(red->fdb_vlan);
}

static void secondary_vlans_learn_on_their_primary(void **state)
{
	const uint16_t *map = dp_view(dp)->domains[vs_domain_id(vs, "priv", NULL)]->fdb_vlan;

	assert_non_null(map);
	assert_int_equal(map[20], 10);
	assert_int_equal(map[30], 10);
	assert_int_equal(map[10], 10);
	assert_int_equal(map[21], 21);
}

static void reach_is_what_the_modes_promise(void **state)
{
	assert_true(reach("r1", "up") && reach("up", "r1") && reach("up", "b1"));
	assert_false(reach("r1", "b1") || reach("b1", "r1"));
	assert_true(reach("p1", "p2"));
	assert_false(reach("p1", "p1"));
	assert_true(reach("iso", "prom") && reach("prom", "iso"));
	assert_false(reach("iso", "iso2"));
	assert_false(reach("iso", "p1") || reach("p1", "iso"));
	assert_false(reach("i1", "trunk")); /* VLAN 0 and 9, 5, 6 */
}

static void what_was_compiled_is_proved(void **state)
{
	assert_string_equal(broken(NULL), "");
}

static void two_tenants_that_meet_are_found(void **state)
{
	vport("r1")->domain = vport("b1")->domain;
	assert_string_equal(broken(NULL), "ext: no two tenants meet");
	assert_string_equal(broken("int"), "");
	assert_string_equal(broken("ext"), "ext: no two tenants meet");
}

static void two_switches_that_meet_are_found(void **state)
{
	vport("i1")->domain = vport("p1")->domain;
	assert_string_equal(broken(NULL), "int: no other switch is reached, "
					  "priv: no other switch is reached");
}

static void host_behind_a_private_switch_is_found(void **state)
{
	vport("p2")->flags |= DP_VP_REACHES_HOST;
	assert_string_equal(broken(NULL), "priv: the host is not reached");
}

static void wire_behind_an_internal_switch_is_found(void **state)
{
	vport("i1")->flags |= DP_VP_REACHES_WIRE;
	assert_string_equal(broken(NULL), "int: no wire is reached");
}

/* By the map of an uplink alone: its own domain is another. */
static void wire_map_that_leads_astray_is_found(void **state)
{
	struct dp_wire_map *w = (struct dp_wire_map *)(uintptr_t)vport("up")->wire;

	w->domain_of_vlan[300] = vs_domain_id(vs, "priv", NULL);
	assert_true(strstr(broken(NULL), "ext: no other switch is reached") != NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ports_are_compiled_as_they_are_configured),
		TEST(shared_uplink_maps_tags_and_tenants_one_to_one),
		TEST(domain_lists_its_members_and_whom_the_uplink_brings),
		TEST(secondary_vlans_learn_on_their_primary),
		TEST(reach_is_what_the_modes_promise),
		TEST(what_was_compiled_is_proved),
		TEST(two_tenants_that_meet_are_found),
		TEST(two_switches_that_meet_are_found),
		TEST(host_behind_a_private_switch_is_found),
		TEST(wire_behind_an_internal_switch_is_found),
		TEST(wire_map_that_leads_astray_is_found),
	};
	int failed;

	dp = test_dp_create(1023);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_dp_destroy(dp);
	return failed;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The model: states that can run become objects that refer to each other, states that cannot are
 * refused by the name of what is wrong, whoever wrote them: the command table checks commands, but
 * a state also comes from a store.
 */
#include "vswitch/model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The linker puts it in place of the original (-Wl,--wrap). */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static int fail_at = -1; /* counts down; -1: never */

void *__wrap_calloc(size_t n, size_t size)
{
	if (fail_at >= 0 && fail_at-- == 0)
		return NULL;
	return __real_calloc(n, size);
}

static struct err err;

/* Two switches of each type, two tenants, and 'more' kinds of objects; single quotes for double. */
#define BASE                                                                                       \
	"'switch':{'ext':{'type':'external'},'int':{'type':'internal'},"                           \
	"'priv':{'type':'private'}},'tenant':{'red':{'id':1},'blue':{'id':16777215}}"
#define STATE(...) "{" BASE "," __VA_ARGS__ "}"
#define PORT(...)  STATE("'port':{'p':{" __VA_ARGS__ "}}")
#define PORTS(...) STATE("'port':{" __VA_ARGS__ "}")

static json_t *load(const char *text)
{
	char *json = strdup(text);
	json_t *state;

	for (char *c = json; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	state = json_loads(json, 0, NULL);
	if (state == NULL)
		fail_msg("%s", json);
	free(json);
	return state;
}

static struct vs_model *must(const char *text)
{
	struct vs_model *m = NULL;
	json_t *state = load(text);

	if (vs_model_create(state, &m, &err) != 0)
		fail_msg("%s: %s", text, err.what);
	json_decref(state); /* The model holds it. */
	return m;
}

static void refused(const char *text, int code, const char *slug)
{
	struct vs_model *m = NULL;
	json_t *state = load(text);

	memset(&err, 0, sizeof(err));
	if (vs_model_create(state, &m, &err) == 0)
		fail_msg("taken: %s", text);
	assert_null(m);
	if (err.code != code || strcmp(err.slug, slug) != 0)
		fail_msg("%s: %s: %s", text, err.slug, err.what);
	assert_int_equal(state->refcount, 1);
	json_decref(state);
}

static void empty_state_is_a_switch_less_model(void **state)
{
	struct vs_model *m = must("{}");

	assert_int_equal(m->n_switches + m->n_ports + m->n_tenants + m->n_macs + m->n_cores, 0);
	assert_int_equal(m->max_sleep_us, 500);
	assert_true(m->rebalance);
	assert_null(m->metrics);
	assert_null(vs_model_port(m, NULL));
	assert_null(vs_model_switch(m, "ext"));
	vs_model_destroy(m);
	vs_model_destroy(NULL);
}

static void objects_refer_to_each_other(void **state)
{
	struct vs_model *m =
		must(STATE("'port':{'p':{'switch':'int','kind':'mem','tenant':'blue',"
			   "'vlan':7,'mac_limit':3,'mtu':9000,'flood':false,"
			   "'bpdu':true,'admin':'down'}},"
			   "'mac':{'m':{'switch':'int','port':'p',"
			   "'mac':'02:00:00:00:00:01'}},'core':{'1':{'cpu':1}},"
			   "'cores':{'cores':{'max_sleep':0,'rebalance':false}},"
			   "'settings':{'settings':{'mac_age':60000,'metrics':'off'}}"));
	const struct vs_port *p = vs_model_port(m, "p");

	assert_ptr_equal(p->sw, vs_model_switch(m, "int"));
	assert_ptr_equal(p->tenant, vs_model_tenant(m, "blue"));
	assert_int_equal(p->vlan.mode, VS_ACCESS);
	assert_int_equal(p->vlan.vlan, 7);
	assert_int_equal(p->vlan.tpid, 0x8100);
	assert_int_equal(p->mtu, 9000);
	assert_int_equal(p->mac_limit, 3);
	assert_false(p->flood || p->up);
	assert_true(p->bpdu);
	assert_ptr_equal(m->macs[0].port, p);
	assert_int_equal(m->macs[0].vlan, 7); /* the port's, when none is said */
	assert_int_equal(m->cores[0], 1);
	assert_int_equal(m->max_sleep_us, 0);
	assert_int_equal(m->mac_age_s, 60);
	assert_false(m->rebalance);
	assert_null(m->metrics);
	vs_model_destroy(m);
}

static void uplink_is_a_trunk_unless_it_is_told_otherwise(void **state)
{
	struct vs_model *m = must(PORTS("'a':{'switch':'ext','kind':'phys'},"
					"'b':{'switch':'ext','kind':'phys','vlan':5},"
					"'c':{'switch':'int','kind':'mem'}"));

	assert_int_equal(vs_model_port(m, "a")->vlan.mode, VS_TRUNK);
	assert_true(dp_vlan_test(vs_model_port(m, "a")->vlan.allowed, 4094));
	assert_int_equal(vs_model_port(m, "b")->vlan.mode, VS_ACCESS);
	assert_int_equal(vs_model_port(m, "c")->vlan.mode, VS_ACCESS);
	vs_model_destroy(m);
}

static void what_is_not_there_is_named(void **state)
{
	refused(PORT("'kind':'mem'"), -ENOENT, "not-found");
	refused(PORT("'switch':'none','kind':'mem'"), -ENOENT, "not-found");
	assert_non_null(strstr(err.what, "'none'"));
	assert_string_equal(err.fix, "vswitchctl switch list");
	refused(PORT("'switch':'int','kind':'mem','tenant':'green'"), -ENOENT, "not-found");
	assert_string_equal(err.fix, "vswitchctl tenant list");
	refused(STATE("'mac':{'m':{'switch':'int','port':'p'}}"), -ENOENT, "not-found");
	refused(STATE("'mac':{'m':{'port':'p'}}"), -ENOENT, "not-found");
	refused(PORT("'switch':'ext','kind':'phys','tenant_vlan':['green=1']"), -ENOENT,
		"not-found");
}

static void words_that_mean_nothing_are_refused(void **state)
{
	refused("{'switch':{'s':{}}}", -EINVAL, "bad-type");
	refused("{'switch':{'s':{'type':'public'}}}", -EINVAL, "bad-type");
	refused("{'switch':{'s':{'type':1}}}", -EINVAL, "bad-type");
	refused(PORT("'switch':'int'"), -EINVAL, "bad-kind");
	refused(PORT("'switch':'int','kind':'Mem'"), -EINVAL, "bad-kind");
	refused(PORT("'switch':'int','kind':'mem','vlan_mode':'trunks'"), -EINVAL, "bad-vlan-mode");
	refused(PORT("'switch':'int','kind':'mem','vlan_mode':'trunk','allowed':'1-'"), -EINVAL,
		"bad-vlans");
}

/* At each edge, and with what would be legal again after a cut to 16 or 32 bits. */
static void numbers_out_of_range_are_refused_not_cut(void **state)
{
	static const struct {
		const char *key, *slug;
		json_int_t bad[5];
	} ports[] = {
		{"mtu", "bad-mtu", {0, 67, 65522, 65535, 65536 + 1500}},
		{"vlan", "bad-vlan", {4095, 65535, 65536 + 1, 4294967296 + 1, INT64_MAX}},
		{"native", "bad-vlan", {4095, 65535, 65536 + 1, 4294967296 + 1, INT64_MAX}},
	};
	static const json_int_t ids[] = {0, 16777216, UINT32_MAX, 4294967296 + 5, INT64_MAX};
	char text[400];

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		for (size_t k = 0; k < 5; k++) {
			snprintf(text, sizeof(text), PORT("'switch':'int','kind':'mem','%s':%lld"),
				 ports[i].key, (long long)ports[i].bad[k]);
			refused(text, -EINVAL, ports[i].slug);
		}
	for (size_t k = 0; k < 5; k++) {
		snprintf(text, sizeof(text), "{'tenant':{'t':{'id':%lld}}}", (long long)ids[k]);
		refused(text, -EINVAL, "bad-tenant-id");
	}
	refused("{'tenant':{'t':{'id':-1}}}", -EINVAL, "bad-tenant-id");
	refused(STATE("'port':{'p':{'switch':'int','kind':'mem'}},'mac':{'m':{'switch':'int',"
		      "'port':'p','mac':'02:00:00:00:00:01','vlan':4095}}"),
		-EINVAL, "bad-vlan");
}

static void limit_too_large_for_its_field_is_the_largest_not_none(void **state)
{
	struct vs_model *m = must(PORT("'switch':'int','kind':'mem','mac_limit':65536"));

	assert_int_equal(vs_model_port(m, "p")->mac_limit, 65535);
	vs_model_destroy(m);
	m = must("{'tenant':{'t':{'id':1,'mac_limit':4294967296}}}");
	assert_int_equal(m->tenants[0].mac_limit, UINT32_MAX);
	vs_model_destroy(m);
}

static void edges_of_numbers_are_taken(void **state)
{
	struct vs_model *m = must(PORTS("'a':{'switch':'int','kind':'mem','mtu':68,'vlan':4094},"
					"'b':{'switch':'int','kind':'mem','mtu':65521,'vlan':0}"));

	assert_int_equal(vs_model_port(m, "a")->vlan.vlan, 4094);
	assert_int_equal(vs_model_port(m, "b")->mtu, 65521);
	vs_model_destroy(m);
}

static void tenants_do_not_share_an_id(void **state)
{
	refused("{'tenant':{'a':{'id':9},'b':{'id':9}}}", -EEXIST, "tenant-id-used");
}

static void switch_reaches_only_what_its_type_may(void **state)
{
	refused(PORT("'switch':'int','kind':'phys'"), -EINVAL, "wrong-switch-type");
	refused(PORT("'switch':'priv','kind':'phys'"), -EINVAL, "wrong-switch-type");
	refused(PORT("'switch':'priv','kind':'host'"), -EINVAL, "wrong-switch-type");
	refused(PORT("'switch':'priv','kind':'tap'"), -EINVAL, "wrong-switch-type");
	vs_model_destroy(must(PORT("'switch':'priv','kind':'tap','netns':'m1'")));
	vs_model_destroy(must(PORT("'switch':'priv','kind':'tap','pid':77")));
	vs_model_destroy(must(PORT("'switch':'int','kind':'host'")));
	vs_model_destroy(must(PORT("'switch':'ext','kind':'host'")));
}

static void private_vlan_needs_the_numbers_of_its_mode(void **state)
{
#define PVLAN(mode, more) PORT("'switch':'int','kind':'mem','vlan_mode':'" mode "'" more)
	refused(PVLAN("isolated", ""), -EINVAL, "bad-pvlan");
	refused(PVLAN("isolated", ",'vlan':1"), -EINVAL, "bad-pvlan");
	refused(PVLAN("isolated", ",'secondary':'2'"), -EINVAL, "bad-pvlan");
	refused(PVLAN("isolated", ",'vlan':1,'secondary':'2,3'"), -EINVAL, "bad-pvlan");
	refused(PVLAN("community", ",'vlan':1,'secondary':'2-3'"), -EINVAL, "bad-pvlan");
	refused(PVLAN("promiscuous", ",'vlan':1,'secondary':'none'"), -EINVAL, "bad-pvlan");
	refused(PVLAN("promiscuous", ",'vlan':1,'secondary':'1-3'"), -EINVAL, "bad-pvlan");
	vs_model_destroy(must(PVLAN("promiscuous", ",'vlan':1,'secondary':'2-3'")));
#undef PVLAN
}

static void secondary_vlan_has_one_primary_on_a_switch_and_tenant(void **state)
{
#define ISO(port, more) "'" port "':{'kind':'mem','vlan_mode':'isolated','secondary':'9'," more "}"
	refused(PORTS(ISO("a", "'switch':'int','vlan':1") "," ISO("b", "'switch':'int','vlan':2")),
		-EINVAL, "bad-pvlan");
	vs_model_destroy(must(PORTS(
		ISO("a", "'switch':'int','vlan':1") "," ISO("b", "'switch':'ext','vlan':2"))));
	vs_model_destroy(must(PORTS(ISO("a", "'switch':'int','vlan':1") "," ISO(
		"b", "'switch':'int','vlan':2,'tenant':'red'"))));
#undef ISO
}

static void uplink_is_shared_by_tenants_each_with_a_vlan(void **state)
{
	struct vs_model *m = must(PORT("'switch':'ext','kind':'phys',"
				       "'tenant_vlan':['red=1','blue=4094']"));
	const struct vs_port *p = vs_model_port(m, "p");

	assert_int_equal(p->n_shared, 2);
	assert_ptr_equal(p->shared[1].tenant, vs_model_tenant(m, "blue"));
	assert_int_equal(p->shared[1].vlan, 4094);
	vs_model_destroy(m);
	refused(PORT("'switch':'int','kind':'mem','tenant_vlan':['red=1']"), -EINVAL,
		"bad-tenant-vlan");
	refused(PORT("'switch':'ext','kind':'phys','tenant_vlan':['red=1','red=2']"), -EINVAL,
		"bad-tenant-vlan");
	refused(PORT("'switch':'ext','kind':'phys','tenant_vlan':['red=1','blue=1']"), -EINVAL,
		"bad-tenant-vlan");
}

static void share_of_an_uplink_is_tenant_and_vlan_and_nothing_else(void **state)
{
	static const char *const bad[] = {"red",
					  "red=",
					  "red=0",
					  "red=4095",
					  "red=100x",
					  "red= 100",
					  "red=+1",
					  "red=-1",
					  "red=1,2",
					  "red=65537",
					  "red=1=2",
					  "=",
					  "red=99999999999999999999"};
	char text[400];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
			 PORT("'switch':'ext','kind':'phys','tenant_vlan':['%s']"), bad[i]);
		refused(text, -EINVAL, "bad-tenant-vlan");
	}
	refused(PORT("'switch':'ext','kind':'phys','tenant_vlan':[7]"), -EINVAL, "bad-tenant-vlan");
	for (unsigned n = 63; n <= 64; n++) { /* a name that fits, and one that does not */
		snprintf(text, sizeof(text),
			 PORT("'switch':'ext','kind':'phys','tenant_vlan':['%0*d=1']"), (int)n, 0);
		refused(text, n < 64 ? -ENOENT : -EINVAL, n < 64 ? "not-found" : "bad-tenant-vlan");
	}
}

static void static_address_is_unicast_and_on_its_ports_switch(void **state)
{
#define MAC(more)                                                                                  \
	STATE("'port':{'p':{'switch':'int','kind':'mem'}},'mac':{'m':{'port':'p'," more "}}")
	refused(MAC("'switch':'ext','mac':'02:00:00:00:00:01'"), -EINVAL, "wrong-switch");
	refused(MAC("'switch':'int','mac':'01:00:5e:00:00:01'"), -EINVAL, "bad-mac");
	refused(MAC("'switch':'int','mac':'ff:ff:ff:ff:ff:ff'"), -EINVAL, "bad-mac");
	refused(MAC("'switch':'int','mac':'00:00:00:00:00:00'"), -EINVAL, "bad-mac");
	refused(MAC("'switch':'int','mac':'02:00:00:00:00'"), -EINVAL, "bad-mac");
	vs_model_destroy(must(MAC("'switch':'int','mac':'02:00:00:00:00:01','vlan':4094")));
#undef MAC
}

static void one_device_is_one_ports(void **state)
{
#define TWO(a, b) PORTS("'a':{" a "},'b':{" b "}")
	refused(TWO("'switch':'int','kind':'vhost','socket':'/s'",
		    "'switch':'int','kind':'vhost','socket':'/s'"),
		-EEXIST, "device-used");
	assert_string_equal(err.what, "port b: socket /s is port a's");
	refused(TWO("'switch':'ext','kind':'phys','device':'eth1'",
		    "'switch':'ext','kind':'phys','device':'eth1'"),
		-EEXIST, "device-used");
	/* A port that names no device is on the one of its own name. */
	refused(TWO("'switch':'ext','kind':'phys'", "'switch':'ext','kind':'phys','device':'a'"),
		-EEXIST, "device-used");
	refused(TWO("'switch':'int','kind':'tap','ifname':'b'", "'switch':'int','kind':'tap'"),
		-EEXIST, "device-used");
	refused(TWO("'switch':'int','kind':'memif','socket':'/s'",
		    "'switch':'int','kind':'memif','socket':'/s','id':0"),
		-EEXIST, "device-used");
}

static void devices_that_only_look_alike_are_two(void **state)
{
	vs_model_destroy(must(TWO("'switch':'int','kind':'memif','socket':'/s','id':1",
				  "'switch':'int','kind':'memif','socket':'/s','id':2")));
	vs_model_destroy(must(TWO("'switch':'int','kind':'tap','ifname':'eth0','netns':'m1'",
				  "'switch':'int','kind':'tap','ifname':'eth0','netns':'m2'")));
	vs_model_destroy(must(TWO("'switch':'int','kind':'tap','ifname':'eth0','netns':'m1'",
				  "'switch':'int','kind':'tap','ifname':'eth0'")));
	/* Two containers, each with its eth0. */
	vs_model_destroy(must(TWO("'switch':'int','kind':'tap','ifname':'eth0','pid':100",
				  "'switch':'int','kind':'tap','ifname':'eth0','pid':200")));
	vs_model_destroy(must(TWO("'switch':'int','kind':'mem'", "'switch':'int','kind':'mem'")));
#undef TWO
}

static void metrics_are_served_on_loopback_only(void **state)
{
	struct vs_model *m = must("{'settings':{'settings':{'metrics':'127.0.0.1:9464'}}}");
	json_t *bad = load("{'settings':{'settings':{'metrics':'192.0.2.1:9464'}}}");

	assert_string_equal(m->metrics, "127.0.0.1:9464");
	vs_model_destroy(m);
	assert_true(vs_model_create(bad, &m, &err) < 0);
	json_decref(bad);
}

static json_t *many(const char *kind, unsigned n, const char *body)
{
	json_t *state = json_object(), *objects = json_object();

	for (unsigned i = 0; i < n; i++) {
		char name[16];
		json_t *object = load(body);

		snprintf(name, sizeof(name), "o%u", i);
		if (strcmp(kind, "tenant") == 0)
			json_object_set_new(object, "id", json_integer(i + 1));
		json_object_set_new(objects, name, object);
	}
	json_object_set_new(state, kind, objects);
	return state;
}

static void more_than_the_limit_is_refused_and_the_limit_is_taken(void **state)
{
	static const struct {
		const char *kind, *body;
		unsigned max;
	} kinds[] = {{"switch", "{'type':'private'}", VS_MAX_SWITCHES},
		     {"core", "{'cpu':0}", 64},
		     {"tenant", "{}", VS_MAX_TENANTS}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (unsigned over = 0; over <= 1; over++) {
			json_t *s = many(kinds[i].kind, kinds[i].max + over, kinds[i].body);
			struct vs_model *m = NULL;

			assert_int_equal(vs_model_create(s, &m, &err), over != 0 ? -ENOSPC : 0);
			if (over != 0)
				assert_string_equal(err.slug, "limit");
			vs_model_destroy(over != 0 ? NULL : m);
			json_decref(s);
		}
}

#define CONTROLLER(target, ...)                                                                    \
	STATE("'controller':{'int " target "':{'switch':'int','target':'" target "'" __VA_ARGS__   \
	      "}}")

#define QUEUES(...) STATE("'port':{'p':{'switch':'int','kind':'mem'}},'queue':{" __VA_ARGS__ "}")

static void queues_are_sorted_and_have_rates_that_can_be(void **state)
{
	struct vs_model *m =
		must(QUEUES("'p 9':{'port':'p','id':9,'max_rate':2000},"
			    "'p 0':{'port':'p','id':0,'min_rate':1000,'max_rate':1000}"));

	assert_int_equal(m->n_queues, 2);
	assert_int_equal(m->queues[0].spec.id, 0);
	assert_int_equal(m->queues[0].spec.min_bps, 1000);
	assert_int_equal(m->queues[1].spec.id, 9);
	assert_int_equal(m->queues[1].spec.max_bps, 2000);
	assert_ptr_equal(m->queues[1].port, &m->ports[0]);
	vs_model_destroy(m);
	refused(QUEUES("'x 1':{'port':'x','id':1}"), -ENOENT, "not-found");
	refused(QUEUES("'p 1':{'port':'p','id':1,'max_rate':999}"), -EINVAL, "bad-rate");
	refused(QUEUES("'p 1':{'port':'p','id':1,'max_rate':10000000000001}"), -EINVAL, "bad-rate");
	refused(QUEUES("'p 1':{'port':'p','id':1,'max_rate':1000,'min_rate':1001}"), -EINVAL,
		"bad-rate");
	refused(STATE("'port':{'v':{'switch':'ext','kind':'vtep','address':['10.0.0.1/24']}},"
		      "'queue':{'v 1':{'port':'v','id':1}}"),
		-EINVAL, "no-queues");
}

static void controllers_are_where_they_may_be(void **state)
{
	struct vs_model *m = must(CONTROLLER("tcp:10.0.0.1:6653", ",'probe':2000"));

	assert_int_equal(m->n_controllers, 1);
	assert_ptr_equal(m->controllers[0].sw, vs_model_switch(m, "int"));
	assert_int_equal(m->controllers[0].probe_ms, 2000);
	vs_model_destroy(m);
	vs_model_destroy(must(CONTROLLER("ptcp:6653")));
	vs_model_destroy(must(CONTROLLER("ptcp:6653:0.0.0.0", ",'insecure':true")));
	vs_model_destroy(
		must(CONTROLLER("ptls:6653:0.0.0.0", ",'ca':'/a','cert':'/b','key':'/c'")));
	refused(CONTROLLER("ptcp:6653:0.0.0.0"), -EINVAL, "not-loopback");
	refused(CONTROLLER("ptcp:6653:[::]"), -EINVAL, "not-loopback");
	refused(CONTROLLER("tcp:name"), -EINVAL, "bad-target");
	refused(CONTROLLER("tls:10.0.0.1", ",'ca':'/a','cert':'/b'"), -EINVAL, "tls-files");
	refused(CONTROLLER("tcp:10.0.0.1", ",'ca':'/a'"), -EINVAL, "tls-files");
	refused(CONTROLLER("ptcp:6653", ",'aux':1"), -EINVAL, "bad-aux");
	refused(CONTROLLER("tcp:10.0.0.1", ",'aux':9"), -EINVAL, "bad-aux");
	refused(STATE("'controller':{'c':{'switch':'none','target':'ptcp:1'}}"), -ENOENT,
		"not-found");
	refused(STATE("'controller':{'c':{'switch':'int'}}"), -EINVAL, "bad-target");
	refused(STATE("'controller':{'a':{'switch':'int','target':'ptcp:6653'},"
		      "'b':{'switch':'ext','target':'ptcp:6653:127.0.0.1'}}"),
		-EEXIST, "address-used");
}

static void datapath_ids_are_hexadecimal_and_not_0(void **state)
{
	static const char *const bad[] = {"", "0", "0x", "0000", "xyz", "12345678901234567", "-1"};
	struct vs_model *m =
		must("{'switch':{'s':{'type':'private','datapath_id':'0x00Ab','fail_mode':'secure',"
		     "'controller_limit':7}}}");

	assert_int_equal(m->switches[0].datapath_id, 0xab);
	assert_int_equal(m->switches[0].controller_limit, 7);
	assert_true(m->switches[0].secure);
	vs_model_destroy(m);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[120];

		snprintf(text, sizeof(text),
			 "{'switch':{'s':{'type':'private','datapath_id':'%s'}}}", bad[i]);
		refused(text, -EINVAL, "bad-datapath-id");
	}
}

static void model_that_has_no_memory_is_refused_whole(void **state)
{
	json_t *s = load(PORT("'switch':'ext','kind':'phys','tenant_vlan':['red=1']"));
	struct vs_model *m = NULL;
	int n = 0;

	for (;; n++) {
		int rc;

		memset(&err, 0, sizeof(err));
		fail_at = n;
		rc = vs_model_create(s, &m, &err);
		if (fail_at >= 0) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_null(m);
		assert_string_equal(err.slug, "no-memory");
		assert_int_equal(s->refcount, 1);
	}
	fail_at = -1;
	assert_in_range(n, 14, 64); /* the model, its tables, the tenants of the port, policies */
	vs_model_destroy(m);
	json_decref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_state_is_a_switch_less_model),
		cmocka_unit_test(objects_refer_to_each_other),
		cmocka_unit_test(uplink_is_a_trunk_unless_it_is_told_otherwise),
		cmocka_unit_test(what_is_not_there_is_named),
		cmocka_unit_test(words_that_mean_nothing_are_refused),
		cmocka_unit_test(numbers_out_of_range_are_refused_not_cut),
		cmocka_unit_test(limit_too_large_for_its_field_is_the_largest_not_none),
		cmocka_unit_test(edges_of_numbers_are_taken),
		cmocka_unit_test(tenants_do_not_share_an_id),
		cmocka_unit_test(switch_reaches_only_what_its_type_may),
		cmocka_unit_test(private_vlan_needs_the_numbers_of_its_mode),
		cmocka_unit_test(secondary_vlan_has_one_primary_on_a_switch_and_tenant),
		cmocka_unit_test(uplink_is_shared_by_tenants_each_with_a_vlan),
		cmocka_unit_test(share_of_an_uplink_is_tenant_and_vlan_and_nothing_else),
		cmocka_unit_test(static_address_is_unicast_and_on_its_ports_switch),
		cmocka_unit_test(one_device_is_one_ports),
		cmocka_unit_test(devices_that_only_look_alike_are_two),
		cmocka_unit_test(metrics_are_served_on_loopback_only),
		cmocka_unit_test(more_than_the_limit_is_refused_and_the_limit_is_taken),
		cmocka_unit_test(queues_are_sorted_and_have_rates_that_can_be),
		cmocka_unit_test(controllers_are_where_they_may_be),
		cmocka_unit_test(datapath_ids_are_hexadecimal_and_not_0),
		cmocka_unit_test(model_that_has_no_memory_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

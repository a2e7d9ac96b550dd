/* SPDX-License-Identifier: BSD-2-Clause
 *
 * OpenFlow numbers of ports: asked for or had by themselves, kept while ports come and go, and
 * followed by the view, by rules and by what controllers are told.
 */
#include "tests/support/of_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dp.h"
#include "vswitch/of/port.h"

static struct of_rig rig;
static struct err err;

static int setup(void **state)
{
	of_rig_open(&rig, false);
	vs_wishes_default(false, &rig.ch);
	rig.agent->channels = &rig.ch;
	return 0;
}

static int teardown(void **state)
{
	rig.agent->channels = NULL;
	of_rig_close(&rig);
	return 0;
}

/* "p1 p2=7 q:p1": ports of the switch "s", or "q", each with the number that it asks for. */
static json_t *load(const char *ports)
{
	json_t *state = json_pack("{s{s{ss} s{ss}} s{}}", "switch", "s", "type", "private", "q",
				  "type", "private", "port");
	char text[200], *save = NULL;

	snprintf(text, sizeof(text), "%s", ports);
	for (char *word = strtok_r(text, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		char *eq = strchr(word, '='), *colon = strchr(word, ':');
		const char *name = colon != NULL ? colon + 1 : word;
		json_t *body =
			json_pack("{ss ss}", "kind", "mem", "switch", colon != NULL ? "q" : "s");

		if (eq != NULL) {
			*eq = '\0';
			json_object_set_new(body, "of_port", json_integer(atoi(eq + 1)));
		}
		/* As of_rig has them, so that they are the same devices. */
		json_object_set_new(body, "name", json_string(name));
		json_object_set_new(json_object_get(state, "port"), name, body);
	}
	return state;
}

static int apply(const char *ports, bool starting)
{
	json_t *state = load(ports);
	int rc = vs_apply(rig.vs, NULL, state, starting, &err);

	json_decref(state);
	return rc;
}

/* As a command does: looked at, then done. */
static int command(const char *ports)
{
	json_t *state = load(ports);
	int rc = vs_check(rig.vs, state, &err);

	json_decref(state);
	return rc != 0 ? rc : apply(ports, false);
}

/* The number of a port, which all that know it agree on; 0: there is no such port. */
static unsigned number(const char *name)
{
	uint16_t id = vs_port_id(rig.vs, name);

	if (id == DP_NO_PORT)
		return 0;
	assert_int_equal(dp_view(rig.dp)->vports[id]->of_port, rig.vs->live[id].number);
	if (strcmp(rig.vs->live[id].sw, "s") == 0)
		assert_int_equal(vs_flows_port_id(rig.flows, rig.vs->live[id].number), id);
	return rig.vs->live[id].number;
}

static void numbers_asked_for_are_had_and_others_go_around_them(void **state)
{
	assert_int_equal(command("a b=1 c=3 d=65279 e"), 0);
	assert_int_equal(number("a"), 2);
	assert_int_equal(number("b"), 1);
	assert_int_equal(number("c"), 3);
	assert_int_equal(number("d"), 65279);
	assert_int_equal(number("e"), 4);
	assert_int_equal(vs_flows_port_id(rig.flows, 5), DP_NO_PORT);
}

static void number_stays_while_others_come_and_go(void **state)
{
	assert_int_equal(command("p2 p4"), 0);
	assert_int_equal(number("p2"), 2);
	assert_int_equal(number("p4"), 4);
	assert_int_equal(vs_flows_port_id(rig.flows, 1), DP_NO_PORT);
	assert_int_equal(command("a p2 p4 z"), 0);
	assert_int_equal(number("a"), 1);
	assert_int_equal(number("p2"), 2);
	assert_int_equal(number("z"), 3);
	assert_int_equal(command("p4"), 0);
	assert_int_equal(number("p4"), 4);
}

/* Whatever order the configuration names them in. */
static void a_start_numbers_ports_as_config_show_lists_them(void **state)
{
	assert_int_equal(command(""), 0);
	assert_int_equal(apply("p10 x p9 a p1=2", true), 0);
	assert_int_equal(number("a"), 1);
	assert_int_equal(number("p9"), 3);
	assert_int_equal(number("p10"), 4);
	assert_int_equal(number("x"), 5);
}

static void each_switch_counts_for_itself(void **state)
{
	assert_int_equal(command("p1 p2=9 q:x q:y=9 q:z"), 0);
	assert_int_equal(number("x"), 1);
	assert_int_equal(number("y"), 9);
	assert_int_equal(number("z"), 2);
}

/* Another switch is another port to OpenFlow. */
static void port_of_another_switch_is_numbered_anew(void **state)
{
	assert_int_equal(command("p1 p2 q:p3 q:p4=5"), 0);
	assert_int_equal(number("p3"), 1);
	assert_int_equal(number("p4"), 5);
	assert_int_equal(vs_flows_port_id(rig.flows, 3), DP_NO_PORT);
}

static void number_that_two_ask_for_is_refused(void **state)
{
	assert_int_equal(command("p1=4 p2=4"), -EEXIST);
	assert_string_equal(err.slug, "of-port-used");
	assert_non_null(strstr(err.what, "port p2: OpenFlow number 4 of switch s is port p1's"));
	assert_true(err.why[0] != '\0' && err.fix[0] != '\0');
	assert_int_equal(command("p1=65280"), -EINVAL);
	assert_string_equal(err.slug, "bad-of-port");
	assert_int_equal(number("p1"), 1);
}

static void number_that_another_has_by_itself_is_refused(void **state)
{
	assert_int_equal(command("p1=2 p2 p3 p4"), -EEXIST);
	assert_string_equal(err.slug, "of-port-used");
	assert_non_null(strstr(err.fix, "vswitchctl port set p2 --of-port"));
	assert_int_equal(number("p1"), 1);
	assert_int_equal(command("p1=2 p2=1 p3 p4"), 0);
	assert_int_equal(number("p1"), 2);
	assert_int_equal(number("p2"), 1);
	/* Free again when the other leaves, or goes on by the number that it had. */
	assert_int_equal(command("p1 p2=1 p3=4"), 0);
	assert_int_equal(number("p1"), 2);
	assert_int_equal(number("p3"), 4);
}

/* The way back from a change cannot be refused. */
static void way_back_takes_the_number(void **state)
{
	assert_int_equal(command("p1=7 p2 p3=2"), -EEXIST);
	assert_int_equal(apply("p1=7 p2 p3=2", false), 0);
	assert_int_equal(number("p3"), 2);
	assert_int_equal(number("p2"), 1);
}

static void change_that_fails_leaves_the_numbers(void **state)
{
	json_t *next = load("p1=9 p2 p3 p4 x");

	/* A device that cannot be opened. */
	json_object_set_new(json_object_get(json_object_get(next, "port"), "x"), "kind",
			    json_string("tap"));
	json_object_set_new(json_object_get(json_object_get(next, "port"), "x"), "netns",
			    json_string("/nonexistent"));
	assert_int_not_equal(vs_apply(rig.vs, NULL, next, false, &err), 0);
	json_decref(next);
	assert_int_equal(number("p1"), 1);
	assert_int_equal(vs_flows_port_id(rig.flows, 9), DP_NO_PORT);
}

/* The next port status: its reason and number. */
static void told(uint8_t reason, uint32_t no)
{
	struct of_port_status status;
	struct of_header header;
	struct rd body;

	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(header.type, OFPT_PORT_STATUS);
	assert_int_equal(of_port_status_decode(&body, &status), OF_OK);
	assert_int_equal(status.reason, reason);
	assert_int_equal(status.port.no, no);
}

static void hear(void)
{
	wr_cut(&rig.sent, 0);
	rig.at = 0;
}

static void controllers_are_told_that_a_port_went_and_came(void **state)
{
	hear();
	assert_int_equal(command("p1=6 p2 p3 p4"), 0);
	told(OFPPR_DELETE, 1);
	told(OFPPR_ADD, 6);
	assert_int_equal(rig.at, rig.sent.size);
	hear();
	assert_int_equal(command("p1=6 p2=3 p3=2 p4"), 0);
	told(OFPPR_DELETE, 2);
	told(OFPPR_DELETE, 3);
	told(OFPPR_ADD, 3);
	told(OFPPR_ADD, 2);
	assert_int_equal(rig.at, rig.sent.size);
}

/* A controller took the port down, and it stays so under its other number. */
static void what_controllers_set_goes_with_the_port(void **state)
{
	uint16_t id = vs_port_id(rig.vs, "p1");

	rig.vs->live[id].of_config = OFPPC_NO_FWD;
	assert_int_equal(command("p1=6 p2 p3 p4"), 0);
	assert_int_equal(rig.vs->live[id].of_config, OFPPC_NO_FWD);
	assert_true((dp_view(rig.dp)->vports[id]->flags & DP_VP_NO_FWD) != 0);
	assert_int_equal(command("q:p1 p2 p3 p4"), 0);
	assert_int_equal(rig.vs->live[id].of_config, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(numbers_asked_for_are_had_and_others_go_around_them),
		TEST(number_stays_while_others_come_and_go),
		TEST(a_start_numbers_ports_as_config_show_lists_them),
		TEST(each_switch_counts_for_itself),
		TEST(port_of_another_switch_is_numbered_anew),
		TEST(number_that_two_ask_for_is_refused),
		TEST(number_that_another_has_by_itself_is_refused),
		TEST(way_back_takes_the_number),
		TEST(change_that_fails_leaves_the_numbers),
		TEST(controllers_are_told_that_a_port_went_and_came),
		TEST(what_controllers_set_goes_with_the_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

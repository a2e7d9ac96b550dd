/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a switch does while no controller is connected.
 *
 * 	secure      it goes on by the rules that it has, which at its start are none
 * 	standalone  after three probe intervals one rule more, NORMAL at priority 0, makes it learn
 * 	            by itself; the rule goes when a controller comes
 *
 * The rule has a cookie of its own, so what a controller puts in its place is never taken for it.
 * A switch that gets its first target gives up the rule NORMAL that it began with, if it is the
 * only one: what people added by hand stays.
 */
#include "vswitch/controllers_priv.h"

#include "ctl/base/clock.h"
#include "vswitch/flows.h"
#include "vswitch/switch_flows.h"

#include <string.h>

#define ALONE_COOKIE UINT64_C(0x616c6f6e65) /* "alone" */

static bool is_normal_only(const struct of_instrs *instrs)
{
	return instrs->apply.n == 1 && instrs->apply.v[0].type == OF_ACT_OUTPUT &&
	       instrs->apply.v[0].output.port == OFPP_NORMAL;
}

struct first_rule {
	unsigned n;
	bool is_first; /* the one rule that every switch begins with */
};

static void look_at_rule(const struct vs_rule *rule, void *arg)
{
	struct first_rule *first = arg;

	first->n++;
	first->is_first = rule->table == 0 && rule->priority == 0 && rule->cookie == 0 &&
			  is_normal_only(&rule->instrs);
}

static struct first_rule look_at_rules(struct vs_flows *flows)
{
	const struct of_flow_filter all = {.table = OF_TABLE_ALL,
					   .out_port = OFPP_ANY,
					   .out_group = OF_GROUP_ANY};
	struct first_rule first = {0};

	vs_flows_each(flows, &all, look_at_rule, &first);
	first.is_first = first.is_first && first.n == 1;
	return first;
}

unsigned vs_rules_beside_first(struct vs_flows *flows)
{
	unsigned n = 0;

	for (unsigned table = 0; table < VS_FLOW_TABLES; table++)
		n += vs_flows_n(flows, (uint8_t)table);
	return n == 1 && look_at_rules(flows).is_first ? 0 : n;
}

/* NORMAL at priority 0. */
static bool put_rule(struct vs_flows *flows, uint64_t cookie)
{
	const struct of_action normal = {.type = OF_ACT_OUTPUT, .output = {.port = OFPP_NORMAL}};
	struct of_flow_mod mod = {.command = OFPFC_ADD,
				  .cookie = cookie,
				  .buffer_id = OF_NO_BUFFER,
				  .out_port = OFPP_ANY,
				  .out_group = OF_GROUP_ANY};
	enum of_error error = OF_ERROR_NO_MEMORY;

	if (of_actions_add(&mod.instrs.apply, &normal)) {
		of_instrs_mark(&mod.instrs, OFPIT_APPLY_ACTIONS);
		vs_flows_begin(flows);
		error = vs_flows_mod(flows, &mod);
		if (error == OF_OK)
			vs_flows_commit(flows);
		else
			vs_flows_abort(flows);
	}
	of_instrs_fini(&mod.instrs);
	return error == OF_OK;
}

static void take_rule(struct vs_flows *flows, uint64_t cookie)
{
	const struct of_flow_mod mod = {.command = OFPFC_DELETE_STRICT,
					.cookie = cookie,
					.cookie_mask = UINT64_MAX,
					.buffer_id = OF_NO_BUFFER,
					.out_port = OFPP_ANY,
					.out_group = OF_GROUP_ANY};

	vs_flows_begin(flows);
	if (vs_flows_mod(flows, &mod) == OF_OK)
		vs_flows_commit(flows);
	else
		vs_flows_abort(flows);
}

static void stand_alone(struct vs_controllers *c)
{
	struct vs_flows *flows = vs_switch_flows(c->vs, c->sw);

	if (c->alone || flows == NULL)
		return;
	c->alone = put_rule(flows, ALONE_COOKIE);
}

static void be_led(struct vs_controllers *c)
{
	struct vs_flows *flows = vs_switch_flows(c->vs, c->sw);

	if (c->alone && flows != NULL)
		take_rule(flows, ALONE_COOKIE);
	c->alone = false;
}

bool vs_controllers_start_empty(const struct vs *vs, const char *sw)
{
	for (unsigned i = 0; i < vs->model->n_controllers; i++)
		if (strcmp(vs->model->controllers[i].sw->name, sw) == 0)
			return true;
	return false;
}

/* Its first target: the tables are the controllers' now. */
static void begin_to_be_led(struct vs_controllers *c)
{
	struct vs_flows *flows;

	if (vs_switch_flows_need(c->vs, c->sw, &flows, NULL) != 0)
		return;
	if (look_at_rules(flows).is_first)
		take_rule(flows, 0);
	if (!c->secure)
		stand_alone(c);
}

/* Its last target is gone: a switch without rules would be no switch. */
static void end_to_be_led(struct vs_controllers *c)
{
	struct vs_flows *flows = vs_switch_flows(c->vs, c->sw);

	be_led(c);
	if (flows != NULL && look_at_rules(flows).n == 0)
		(void)put_rule(flows, 0);
}

void vs_fail_mode_configure(struct vs_controllers *c, bool has_targets, bool secure)
{
	bool had = c->has_targets;

	c->has_targets = has_targets;
	c->secure = secure;
	if (has_targets && !had)
		begin_to_be_led(c);
	else if (!has_targets && had)
		end_to_be_led(c);
	else if (secure)
		be_led(c);
}

void vs_fail_mode_changed(struct vs_controllers *c)
{
	bool was = c->alone;

	if (c->n_up == 0) {
		c->lost_ns = clock_mono_ns();
		return;
	}
	be_led(c);
	if (was)
		vs_event(c->vs, "fail-mode", NULL, "switch %s follows its controllers again",
			 c->sw);
}

void vs_fail_mode_tick(struct vs_controllers *c)
{
	uint64_t patience_ns = VS_CHANNEL_N_SILENT * c->probe_ms * UINT64_C(1000000);

	if (!c->has_targets || c->secure || c->alone || c->n_up != 0 ||
	    clock_mono_ns() - c->lost_ns < patience_ns)
		return;
	stand_alone(c);
	if (c->alone)
		vs_event(c->vs, "fail-mode", NULL,
			 "switch %s has no controller and learns by itself", c->sw);
}

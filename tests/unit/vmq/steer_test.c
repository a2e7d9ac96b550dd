/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hardware VMQ against a device of paper: sets are whole or not at all, whatever the device
 * refuses, forgets or says of itself.
 */
#include "vmq/steer.h"

#include "tests/support/steer_model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct steer_model model;
static struct vmq_steer *steer;

static struct rte_ether_addr mac(uint8_t last)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 1, last}};
}

static struct dp_steer_rule rule(uint8_t last, uint16_t vlan, uint16_t queue)
{
	return (struct dp_steer_rule){.mac = mac(last), .vlan = vlan, .queue = queue};
}

static uint16_t queue_of(uint8_t last, uint16_t vlan)
{
	struct rte_ether_addr to = mac(last);

	return steer_model_receive(&model, &to, vlan);
}

static enum vmq_steer_state state_of(uint8_t last)
{
	struct rte_ether_addr a = mac(last);

	return vmq_steer_state(steer, &a, 0);
}

static int setup(void **state)
{
	steer_model_init(&model, 8);
	assert_int_equal(vmq_steer_open(&model.port, 1, true, &steer, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	vmq_steer_close(steer);
	steer = NULL;
	assert_false(model.opened);
	/* What the driver gave was given back, whatever happened. */
	assert_int_equal(model.n_handles, 0);
	return 0;
}

static void three_addresses_have_three_queues(void **state)
{
	const struct dp_steer_rule rules[] = {rule(1, 0, 1), rule(2, 0, 2), rule(3, 7, 3)};
	uint64_t n = 0;

	assert_int_equal(vmq_steer_apply(steer, rules, N(rules), NULL), 0);
	assert_int_equal(queue_of(1, 0), 1);
	assert_int_equal(queue_of(2, 0), 2);
	assert_int_equal(queue_of(3, 7), 3);
	assert_int_equal(queue_of(3, 8), 0);
	assert_int_equal(queue_of(9, 0), 0);
	assert_int_equal(vmq_steer_count(steer, 2, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(state_of(1), VMQ_STEER_ON);
	assert_int_equal(state_of(9), VMQ_STEER_OFF);
	assert_string_equal(vmq_steer_why(steer), "");
}

static void what_stays_is_not_touched(void **state)
{
	struct dp_steer_rule rules[] = {rule(1, 0, 1), rule(2, 0, 2)};
	unsigned adds, dels;

	assert_int_equal(vmq_steer_apply(steer, rules, 2, NULL), 0);
	adds = model.n_adds;
	dels = model.n_dels;
	rules[1].queue = 5;
	assert_int_equal(vmq_steer_apply(steer, rules, 2, NULL), 0);
	assert_int_equal(model.n_adds, adds + 1);
	assert_int_equal(model.n_dels, dels + 1);
	assert_int_equal(queue_of(1, 0), 1);
	assert_int_equal(queue_of(2, 0), 5);
}

static void refused_half_way_leaves_former_set(void **state)
{
	const struct dp_steer_rule before[] = {rule(1, 0, 1), rule(2, 0, 2)};
	const struct dp_steer_rule after[] = {rule(1, 0, 4), rule(3, 0, 3), rule(4, 0, 5)};

	assert_int_equal(vmq_steer_apply(steer, before, N(before), NULL), 0);
	for (unsigned at = 1; at <= N(after); at++) {
		struct err err = {0};
		unsigned n;

		model.refuse_add = at;
		assert_int_equal(vmq_steer_apply(steer, after, N(after), &err), -ENOSPC);
		assert_non_null(strstr(err.what, "refuses the rule for 02:00:00:00:01:0"));
		assert_string_equal(err.why, "its table is full");
		assert_int_equal(steer_model_n_rules(&model), 2);
		assert_int_equal(queue_of(1, 0), 1);
		assert_int_equal(queue_of(2, 0), 2);
		assert_int_equal(queue_of(3, 0), 0);
		vmq_steer_rules(steer, &n);
		assert_int_equal(n, 2);
		assert_int_equal(state_of(1), VMQ_STEER_ON);
	}
	model.refuse_add = 0;
	assert_int_equal(vmq_steer_apply(steer, after, N(after), NULL), 0);
	assert_int_equal(queue_of(4, 0), 5);
}

static void former_set_that_is_refused_too_waits_and_comes_back(void **state)
{
	const struct dp_steer_rule before = rule(1, 0, 1), after = rule(1, 0, 2);
	struct err err = {0};

	assert_int_equal(vmq_steer_set(steer, &before, NULL), 0);
	model.refuse_adds = true;
	assert_int_equal(vmq_steer_set(steer, &after, &err), -ENOSPC);
	assert_int_equal(state_of(1), VMQ_STEER_WAITING);
	assert_int_equal(queue_of(1, 0), 0);
	assert_string_equal(vmq_steer_why(steer), "1 of 1 rules wait: its table is full");
	model.refuse_adds = false;
	for (int i = 0; i < 20 && state_of(1) != VMQ_STEER_ON; i++)
		vmq_steer_tick(steer);
	assert_int_equal(queue_of(1, 0), 1);
}

static void device_that_keeps_a_rule_changes_nothing(void **state)
{
	const struct dp_steer_rule a = rule(1, 0, 1), b = rule(1, 0, 2);
	struct err err = {0};

	assert_int_equal(vmq_steer_set(steer, &a, NULL), 0);
	model.refuse_del = true;
	assert_int_equal(vmq_steer_set(steer, &b, &err), -EBUSY);
	assert_non_null(strstr(err.what, "keeps the rule"));
	assert_int_equal(queue_of(1, 0), 1);
	assert_int_equal(state_of(1), VMQ_STEER_ON);
	model.refuse_del = false;
}

static void reset_puts_rules_on_again(void **state)
{
	const struct dp_steer_rule rules[] = {rule(1, 0, 1), rule(2, 0, 2)};

	assert_int_equal(vmq_steer_apply(steer, rules, 2, NULL), 0);
	assert_false(vmq_steer_tick(steer));
	for (int i = 0; i < 3; i++) {
		steer_model_reset(&model);
		assert_int_equal(queue_of(1, 0), 0);
		assert_true(vmq_steer_tick(steer));
		assert_int_equal(queue_of(1, 0), 1);
		assert_int_equal(queue_of(2, 0), 2);
		assert_false(vmq_steer_tick(steer));
	}
}

static void reset_just_before_a_change_loses_nothing(void **state)
{
	const struct dp_steer_rule a = rule(1, 0, 1), b = rule(2, 0, 2);

	assert_int_equal(vmq_steer_set(steer, &a, NULL), 0);
	steer_model_reset(&model);
	assert_int_equal(vmq_steer_set(steer, &b, NULL), 0);
	assert_int_equal(queue_of(2, 0), 2);
	assert_true(vmq_steer_tick(steer));
	assert_int_equal(queue_of(1, 0), 1);
}

static void device_that_vanishes_is_said_and_refused(void **state)
{
	const struct dp_steer_rule a = rule(1, 0, 1), b = rule(2, 0, 2);
	struct err err = {0};
	uint64_t n;

	assert_int_equal(vmq_steer_set(steer, &a, NULL), 0);
	model.gone = true;
	assert_true(vmq_steer_tick(steer));
	assert_false(vmq_steer_tick(steer));
	assert_int_equal(state_of(1), VMQ_STEER_WAITING);
	assert_string_equal(vmq_steer_why(steer), "the device vanished");
	assert_int_equal(vmq_steer_set(steer, &b, &err), -ENODEV);
	assert_int_equal(vmq_steer_count(steer, 1, &n), -ENODEV);
}

static void nonsense_limits_are_not_believed(void **state)
{
	static const struct {
		struct dp_steer_caps says;
		uint16_t first, n_queues, max_rules, max_spread;
		int rc;
	} cases[] = {
		{{.first = 0, .n_queues = 9, .max_rules = 3, .max_spread = 0}, 1, 3, 3, 1, 0},
		{{.first = 1, .n_queues = 65535, .max_rules = 65535, .max_spread = 65535},
		 1,
		 3,
		 DP_STEER_MAX_RULES,
		 3,
		 0},
		{{.first = 65535, .n_queues = 65535, .max_rules = 9}, 0, 0, 0, 0, -EOPNOTSUPP},
		{{.first = 4, .n_queues = 1, .max_rules = 9}, 0, 0, 0, 0, -EOPNOTSUPP},
		{{.first = 1, .n_queues = 0, .max_rules = 9}, 0, 0, 0, 0, -EOPNOTSUPP},
		{{.first = 1, .n_queues = 3, .max_rules = 0}, 0, 0, 0, 0, -EOPNOTSUPP},
	};

	for (unsigned i = 0; i < N(cases); i++) {
		const struct dp_steer_caps *caps;
		struct vmq_steer *s = NULL;
		struct err err = {0};

		steer_model_init(&model, 4);
		model.caps = cases[i].says;
		assert_int_equal(vmq_steer_open(&model.port, 1, true, &s, &err), cases[i].rc);
		assert_int_equal(model.opened, cases[i].rc == 0);
		if (cases[i].rc != 0) {
			assert_non_null(strstr(err.why, "model: the driver says"));
			continue;
		}
		caps = vmq_steer_caps(s);
		assert_int_equal(caps->first, cases[i].first);
		assert_int_equal(caps->n_queues, cases[i].n_queues);
		assert_int_equal(caps->max_rules, cases[i].max_rules);
		assert_int_equal(caps->max_spread, cases[i].max_spread);
		vmq_steer_close(s);
	}
}

static void port_without_steering_says_why(void **state)
{
	static const struct dp_port_ops none = {.kind = "none"};
	struct vmq_steer *s = NULL;
	struct err err = {0};

	steer_model_init(&model, 4);
	model.refuse_open = -EIO;
	assert_int_equal(vmq_steer_open(&model.port, 1, true, &s, &err), -EOPNOTSUPP);
	assert_string_equal(err.why, "model: the model refuses");
	model.refuse_open = 0;
	assert_int_equal(vmq_steer_open(&model.port, 4, true, &s, &err), -ENOSPC);
	assert_string_equal(err.fix, "vswitchctl port set uplink0 --queues 5");
	model.port.ops = &none;
	assert_int_equal(vmq_steer_open(&model.port, 1, true, &s, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.why, "no such rules"));
	assert_null(s);
}

static void rules_that_cannot_be_are_refused_before_any_is_put_on(void **state)
{
	struct dp_steer_rule bad[] = {rule(2, 0, 0),	rule(2, 0, 8), rule(2, 0, UINT16_MAX),
				      rule(2, 4095, 2), rule(2, 0, 2), rule(2, 0, 2),
				      rule(1, 0, 3)};

	bad[4].mac.addr_bytes[0] = 1; /* a group address */
	bad[5].n_queues = 2;	      /* spread, and the model does not */
	for (unsigned i = 0; i < N(bad); i++) {
		const struct dp_steer_rule rules[] = {rule(1, 0, 1), bad[i]};
		struct err err = {0};

		assert_int_equal(vmq_steer_apply(steer, rules, 2, &err), -EINVAL);
		assert_string_equal(err.slug, "bad-rule");
		assert_int_equal(model.n_adds, 0);
	}
}

static void more_rules_than_the_device_takes_are_refused(void **state)
{
	struct dp_steer_rule rules[STEER_MODEL_RULES + 1];
	struct err err = {0};

	for (unsigned i = 0; i < N(rules); i++)
		rules[i] = rule((uint8_t)i, 0, (uint16_t)(1 + i % 7));
	assert_int_equal(vmq_steer_apply(steer, rules, N(rules), &err), -ENOSPC);
	assert_int_equal(model.n_adds, 0);
	assert_int_equal(vmq_steer_apply(steer, rules, STEER_MODEL_RULES, &err), 0);
}

static void device_blind_for_vlans_has_an_address_once(void **state)
{
	const struct dp_steer_rule rules[] = {rule(1, 5, 1), rule(1, 6, 2)};
	struct vmq_steer *s = NULL;
	struct err err = {0};

	assert_int_equal(vmq_steer_apply(steer, rules, 2, &err), 0);
	vmq_steer_close(steer);
	model.caps.by_vlan = false;
	assert_int_equal(vmq_steer_open(&model.port, 1, true, &s, NULL), 0);
	assert_int_equal(vmq_steer_apply(s, rules, 2, &err), -EINVAL);
	assert_non_null(strstr(err.what, "does not look at VLANs"));
	steer = s;
}

static void unset_takes_off_one(void **state)
{
	const struct dp_steer_rule rules[] = {rule(1, 0, 1), rule(2, 0, 2)};
	struct rte_ether_addr one = mac(1);

	assert_int_equal(vmq_steer_apply(steer, rules, 2, NULL), 0);
	assert_int_equal(vmq_steer_unset(steer, &one, 0, NULL), 0);
	assert_int_equal(vmq_steer_unset(steer, &one, 0, NULL), -ENOENT);
	assert_int_equal(queue_of(1, 0), 0);
	assert_int_equal(queue_of(2, 0), 2);
}

/* Whatever chance does to the device, in the end it has exactly what is wished. */
static void after_any_trouble_the_device_has_the_set(void **state)
{
	srandom(7);
	for (unsigned i = 0; i < 5000; i++) {
		struct dp_steer_rule rules[6];
		const struct dp_steer_rule *have;
		unsigned n = (unsigned)random() % N(rules), n_have;

		for (unsigned k = 0; k < n; k++)
			rules[k] = rule((uint8_t)(k * 3 + (unsigned)random() % 3), 0,
					(uint16_t)(1 + random() % 7));
		model.refuse_add = (unsigned)random() % 6;
		model.refuse_adds = random() % 9 == 0;
		model.refuse_del = random() % 9 == 0;
		if (random() % 5 == 0)
			steer_model_reset(&model);
		(void)vmq_steer_apply(steer, rules, n, NULL);
		model.refuse_add = 0;
		model.refuse_adds = model.refuse_del = false;
		for (int t = 0; t < 12; t++)
			vmq_steer_tick(steer);
		have = vmq_steer_rules(steer, &n_have);
		assert_int_equal(steer_model_n_rules(&model), n_have);
		assert_int_equal(model.n_handles, n_have);
		for (unsigned k = 0; k < n_have; k++)
			assert_int_equal(steer_model_receive(&model, &have[k].mac, 0),
					 have[k].queue);
	}
}

#define WITH_STEER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STEER(three_addresses_have_three_queues),
		WITH_STEER(what_stays_is_not_touched),
		WITH_STEER(refused_half_way_leaves_former_set),
		WITH_STEER(former_set_that_is_refused_too_waits_and_comes_back),
		WITH_STEER(device_that_keeps_a_rule_changes_nothing),
		WITH_STEER(reset_puts_rules_on_again),
		WITH_STEER(reset_just_before_a_change_loses_nothing),
		WITH_STEER(device_that_vanishes_is_said_and_refused),
		cmocka_unit_test(nonsense_limits_are_not_believed),
		cmocka_unit_test(port_without_steering_says_why),
		WITH_STEER(rules_that_cannot_be_are_refused_before_any_is_put_on),
		WITH_STEER(more_rules_than_the_device_takes_are_refused),
		WITH_STEER(device_blind_for_vlans_has_an_address_once),
		WITH_STEER(unset_takes_off_one),
		WITH_STEER(after_any_trouble_the_device_has_the_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

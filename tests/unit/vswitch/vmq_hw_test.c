/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who gets a device's queues, with a device of paper that refuses, forgets, vanishes and says
 * nonsense of itself: what a NIC had it keeps, and why it has nothing better is said.
 *
 * 	uplink (port 0, six queues) ─► NICs (ports 1 to 3)
 */
#include "vswitch/vmq_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dp.h"
#include "dataplane/port.h"
#include "dataplane/view.h"
#include "tests/support/steer_model.h"
#include "tests/support/test_dp.h"
#include "vmq/steer.h"
#include "vswitch/vs.h"

#define N_PORTS	 4
#define N_NICS	 3
#define N_QUEUES 6
#define FIRST	 3  /* half of them are everybody's */
#define MANY	 40 /* looks: longer than anything is waited for */

static struct vs *vs;
static struct dp_port *port[N_PORTS];
static struct steer_model model;
static struct vs_vmq_devices devices;
static struct vs_vmq_nic nics[DP_MAX_PORTS];
static struct vs_vmq_candidate want[N_NICS], c[N_NICS];
static unsigned n_want;
static bool has_ports;

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view);
}

static void publish(void)
{
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .destroy = view_destroy};
	for (unsigned i = 0; has_ports && i < N_PORTS; i++) {
		view->vports[i] = aligned_alloc(64, sizeof(*view->vports[i]));
		*view->vports[i] = (struct dp_vport){.port = port[i], .id = (uint16_t)i};
	}
	assert_int_equal(dp_view_publish(vs->dp, view, &err), 0);
}

static struct rte_ether_addr mac_of(unsigned nic)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 1, (uint8_t)nic}};
}

static int start(void **state)
{
	vs = calloc(1, sizeof(*vs));
	vs->dp = test_dp_create(4095);
	for (unsigned i = 0; i < N_PORTS; i++) {
		const struct dp_port_opts opts = {.name = "m",
						  .kind = "mem",
						  .netns_fd = -1,
						  .n_queues = i == 0 ? N_QUEUES : 1};
		struct err err = {0};

		if (dp_port_open(vs->dp, &opts, &port[i], &err) != 0)
			fail_msg("%s", err.what);
	}
	steer_model_init(&model, N_QUEUES);
	steer_model_attach(&model, port[0]);
	has_ports = true;
	publish();
	LIST_INIT(&devices);
	memset(nics, 0, sizeof(nics));
	n_want = N_NICS;
	for (unsigned i = 0; i < N_NICS; i++)
		want[i] = (struct vs_vmq_candidate){.id = (uint16_t)(i + 1),
						    .spec = {.nic = (uint16_t)(i + 1),
							     .mac = mac_of(i + 1),
							     .n_queues = 1}};
	return 0;
}

static void leave_all(void)
{
	for (unsigned i = 1; i < N_PORTS; i++) {
		vs_vmq_hw_leave(vs, &devices, &nics[i]);
		dp_vmq_remove(vs->dp, nics[i].vmq);
		nics[i].vmq = NULL;
	}
}

static int finish(void **state)
{
	leave_all();
	vs_vmq_hw_fini(&devices);
	/* What was put on was taken off. */
	assert_int_equal(model.n_handles, 0);
	assert_false(model.opened);
	has_ports = false;
	publish();
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	test_dp_destroy(vs->dp);
	free(vs);
	return 0;
}

/* One look, as vmq_live.c's. */
static void look(void)
{
	unsigned moves = 0;

	vs_vmq_hw_tick(vs, &devices);
	memcpy(c, want, sizeof(c));
	vs_vmq_hw_share(vs, &devices, nics, c, n_want);
	for (unsigned i = 0; i < n_want; i++)
		if (!c[i].spec.is_hw)
			vs_vmq_hw_leave(vs, &devices, &nics[c[i].id]);
	for (unsigned i = 0; i < n_want; i++) {
		struct vs_vmq_nic *nic = &nics[c[i].id];
		struct dp_vmq_spec soft = c[i].spec;
		struct err err = {0};

		if (c[i].spec.is_hw && vs_vmq_hw_give(vs, nic, &c[i], &moves))
			continue;
		soft.is_hw = false;
		if (nic->vmq == NULL && dp_vmq_add(vs->dp, &soft, &nic->vmq, &err) != 0)
			fail_msg("%s", err.what);
	}
}

/* The queue of the device that a NIC has; 0: the switch's. */
static uint16_t queue_of(unsigned nic)
{
	const struct dp_vmq_spec *spec = dp_vmq_spec(nics[nic].vmq);

	return spec->is_hw ? spec->hw[0] : 0;
}

static uint16_t received_by(unsigned nic)
{
	const struct rte_ether_addr mac = mac_of(nic);

	return steer_model_receive(&model, &mac, 0);
}

static void the_first_have_the_devices_queues_and_keep_them(void **state)
{
	struct vs_vmq_candidate first;

	model.caps.n_queues = 2;
	look();
	assert_int_equal(queue_of(1), FIRST);
	assert_int_equal(queue_of(2), FIRST + 1);
	assert_string_equal(nics[1].kind, "model");
	assert_int_equal(received_by(1), FIRST);
	assert_int_equal(received_by(2), FIRST + 1);
	assert_int_equal(received_by(3), 0);

	/* Another order: the one that is now third gives way, the others stay where they are. */
	first = want[0];
	want[0] = want[2];
	want[2] = first;
	look();
	look();
	assert_int_equal(queue_of(2), FIRST + 1);
	assert_int_equal(queue_of(3), FIRST);
	assert_int_equal(queue_of(1), 0);
	assert_int_equal(received_by(1), 0);
	assert_int_equal(steer_model_n_rules(&model), 2);
}

static void who_comes_too_late_is_told_so(void **state)
{
	model.caps.max_rules = 2;
	look();
	assert_int_equal(queue_of(3), 0);
	assert_string_equal(c[2].hw_why,
			    "all queues that m has for one NIC are taken: 2 NICs go first");
	assert_int_equal(steer_model_n_rules(&model), 2);
}

static void a_rule_that_is_refused_leaves_the_switchs_queues(void **state)
{
	struct dp_vmq *before;

	want[0].hw = want[1].hw = want[2].hw = VS_VMQ_HW_OFF;
	look();
	assert_non_null(strstr(c[1].hw_why, "vmq set --hardware auto"));
	before = nics[2].vmq;
	want[0].hw = want[1].hw = want[2].hw = VS_VMQ_HW_AUTO;
	model.refuse_add = 2;
	look();
	assert_int_equal(received_by(1), FIRST);
	assert_int_equal(received_by(2), 0);
	assert_int_equal(received_by(3), queue_of(3));
	assert_true(queue_of(3) > FIRST);
	assert_ptr_equal(nics[2].vmq, before);
	assert_non_null(strstr(nics[2].why, "its table is full"));
	/* And it is not asked at every look. */
	look();
	look();
	assert_int_equal(model.n_adds, 3);
	for (unsigned i = 0; i < MANY && queue_of(2) == 0; i++)
		look();
	assert_int_equal(received_by(2), queue_of(2));
	assert_int_equal(model.n_adds, 4);
}

static void rules_come_back_after_a_reset(void **state)
{
	look();
	steer_model_reset(&model);
	assert_int_equal(received_by(1), 0);
	look();
	for (unsigned i = 1; i <= N_NICS; i++)
		assert_int_equal(received_by(i), queue_of(i));
	assert_int_equal(queue_of(1), FIRST);
}

static void a_device_that_takes_them_no_more_gives_way(void **state)
{
	look();
	model.refuse_adds = true;
	steer_model_reset(&model);
	for (unsigned i = 0; i < MANY / 4; i++)
		look();
	for (unsigned i = 1; i <= N_NICS; i++)
		assert_int_equal(queue_of(i), 0);
	assert_non_null(strstr(c[0].hw_why, "its table is full"));
	model.refuse_adds = false;
	for (unsigned i = 0; i < MANY; i++)
		look();
	for (unsigned i = 1; i <= N_NICS; i++)
		assert_int_equal(received_by(i), queue_of(i));
	assert_int_equal(steer_model_n_rules(&model), N_NICS);
}

static void a_device_that_vanishes_leaves_the_switchs_queues(void **state)
{
	look();
	model.gone = true;
	for (unsigned i = 0; i < MANY; i++)
		look();
	for (unsigned i = 1; i <= N_NICS; i++)
		assert_int_equal(queue_of(i), 0);
	assert_non_null(strstr(c[0].hw_why, "vanished"));
}

static void a_rule_that_is_not_given_up_is_taken_off_later(void **state)
{
	look();
	model.refuse_del = true;
	want[0].hw = VS_VMQ_HW_OFF;
	look();
	/* Its frames still come by the old queue, which is nobody's: they go where they belong. */
	assert_int_equal(queue_of(1), 0);
	assert_int_equal(steer_model_n_rules(&model), N_NICS);
	model.refuse_del = false;
	look();
	assert_int_equal(received_by(1), 0);
	assert_int_equal(steer_model_n_rules(&model), N_NICS - 1);
}

static void what_the_driver_says_is_doubted(void **state)
{
	model.caps.first = 2;
	model.caps.n_queues = model.caps.max_rules = model.caps.max_spread = UINT16_MAX;
	want[0].spec.n_queues = 2;
	look();
	for (unsigned i = 1; i <= N_NICS; i++) {
		const struct dp_vmq_spec *spec = dp_vmq_spec(nics[i].vmq);

		assert_true(queue_of(i) == 0 || queue_of(i) + spec->n_queues <= N_QUEUES);
	}
	assert_int_equal(queue_of(1), FIRST);
	assert_int_equal(queue_of(2), FIRST + 2);
	assert_int_equal(queue_of(3), 0);
}

static void a_device_without_limits_to_speak_of_is_none(void **state)
{
	model.caps.max_rules = 0;
	look();
	assert_int_equal(queue_of(1), 0);
	assert_non_null(strstr(c[0].hw_why, "0 rules"));
	assert_false(model.opened);
}

static void one_that_spreads_no_nic_says_so(void **state)
{
	want[0].asked = true;
	want[0].spec.n_queues = 2;
	want[1].spec.n_queues = 2; /* Not asked: one will do. */
	look();
	assert_int_equal(queue_of(1), 0);
	assert_string_equal(c[0].hw_why, "the device does not spread one NIC over so many queues");
	assert_int_equal(queue_of(2), FIRST);
	assert_int_equal(dp_vmq_spec(nics[2].vmq)->n_queues, 1);
}

static void one_address_has_one_queue_where_vlans_are_not_seen(void **state)
{
	model.caps.by_vlan = false;
	want[1].spec.mac = want[0].spec.mac;
	want[1].spec.vid = 7;
	look();
	assert_int_equal(queue_of(1), FIRST);
	assert_int_equal(queue_of(2), 0);
	assert_non_null(strstr(c[1].hw_why, "does not look at VLANs"));
	model.caps.by_vlan = true;
}

static void a_device_is_restarted_when_somebody_says_so(void **state)
{
	model.restarts = true;
	look();
	assert_false(model.opened);
	assert_int_equal(queue_of(1), 0);
	assert_non_null(strstr(c[0].hw_why, "--hardware on"));
	want[2].hw = VS_VMQ_HW_ON;
	look();
	assert_true(model.opened);
	for (unsigned i = 1; i <= N_NICS; i++)
		assert_int_equal(received_by(i), queue_of(i));
}

static void a_port_that_closes_is_nobodys_device(void **state)
{
	look();
	vs_vmq_hw_closes(&devices, port[0]);
	assert_true(LIST_EMPTY(&devices));
	assert_false(model.opened);
	assert_int_equal(model.n_handles, 0);
	vs_vmq_hw_closes(&devices, port[0]);
	vs_vmq_hw_closes(&devices, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_have_the_devices_queues_and_keep_them),
		TEST(who_comes_too_late_is_told_so),
		TEST(a_rule_that_is_refused_leaves_the_switchs_queues),
		TEST(rules_come_back_after_a_reset),
		TEST(a_device_that_takes_them_no_more_gives_way),
		TEST(a_device_that_vanishes_leaves_the_switchs_queues),
		TEST(a_rule_that_is_not_given_up_is_taken_off_later),
		TEST(what_the_driver_says_is_doubted),
		TEST(a_device_without_limits_to_speak_of_is_none),
		TEST(one_that_spreads_no_nic_says_so),
		TEST(one_address_has_one_queue_where_vlans_are_not_seen),
		TEST(a_device_is_restarted_when_somebody_says_so),
		TEST(a_port_that_closes_is_nobodys_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

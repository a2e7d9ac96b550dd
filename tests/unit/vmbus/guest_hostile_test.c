/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every attack of tests/support/hostile.h on a server of ours and the control half of a NIC: none
 * keeps them from serving who comes after, and none leaves anything behind.
 */
#include "tests/support/hostile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fake_vsp.h"
#include "vmbus/server.h"

struct target {
	struct fake_vsp *vsp;
	struct vmbus_server *server;
};

static int target_start(void *ctx, struct guest_local *local)
{
	struct target *t = ctx;
	struct netvsp_conf conf = {
		.mac = {2, 1, 2, 3, 4, 5},
		.mtu = 1500,
		.max_queues = 4,
		.link_up = true,
		.speed_mbps = 1000,
		.offloads = true,
		.mac_change = true,
		.name = "target",
	};

	t->server = guest_local_server(local);
	t->vsp = malloc(sizeof(*t->vsp));
	assert_non_null(t->vsp);
	return fake_vsp_init(t->vsp, t->server, &guest_local_memory(local)->map, &conf, false);
}

static void target_stop(void *ctx)
{
	struct target *t = ctx;
	struct vmbus_server_info info;

	vmbus_server_info(t->server, &info);
	assert_int_equal(info.n_gpadls, 0);
	assert_int_equal(info.n_gpadl_pages, 0);
	assert_int_equal(info.n_open, 0);
	fake_vsp_fini(t->vsp);
	free(t->vsp);
	t->vsp = NULL;
}

static void target_work(void *ctx)
{
	struct target *t = ctx;

	if (t->vsp != NULL)
		fake_vsp_work(t->vsp);
}

static void no_attack_keeps_the_next_guest_from_being_served(void **state)
{
	struct target target = {0};
	const struct hostile_env env = {
		.start = target_start,
		.stop = target_stop,
		.work = target_work,
		.ctx = &target,
		.messages = 20000,
		.ms = 50,
		.answer_ms = 50,
	};
	const struct hostile_attack *attack;
	const char *only = getenv("ATTACK");

	for (unsigned i = 0; (attack = hostile_at(i)) != NULL; i++) {
		struct err err = {0};

		if (only != NULL && strcmp(only, attack->name) != 0)
			continue;
		print_message("%s: %s\n", attack->name, attack->text);
		if (hostile_run(&env, attack, &err) != 0)
			fail_msg("%s: %s", attack->name, err.what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_attack_keeps_the_next_guest_from_being_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The state machine of a NIC's fail-over, with a pool, a VM and a guest of a few flags each.
 */
#include "sriov/failover.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull

struct world {
	struct sriov_failover f;
	struct sriov_facts facts;
	uint64_t now_ns;
	/* What there is. */
	bool taken, in_vm, guest_knows, steered;
	bool attach_asked, detach_asked;
	/* How it behaves. */
	bool vm_has_it; /* since before */
	bool no_vf, attach_fails, no_steer, vm_has_none, guest_quick;
	unsigned n_told;
};

static void tell(struct world *w)
{
	sriov_failover_facts(&w->f, &w->facts, w->now_ns);
}

static int take(void *ctx, struct err *err)
{
	struct world *w = ctx;

	assert_false(w->taken);
	if (w->no_vf)
		return err_set(err, -EBUSY, "no-vf", "all 7 VFs are taken");
	w->taken = true;
	w->in_vm = w->vm_has_it;
	return w->vm_has_it ? 1 : 0;
}

static int attach(void *ctx, struct err *err)
{
	struct world *w = ctx;

	assert_true(w->taken && !w->in_vm && !w->attach_asked);
	if (w->attach_fails)
		return err_set(err, -ECONNRESET, "vm-gone", "the VM's process is gone");
	w->attach_asked = true;
	return 0;
}

static void associate(void *ctx, bool present)
{
	struct world *w = ctx;

	assert_true(w->guest_knows != present);
	assert_true(w->in_vm || !present);
	w->guest_knows = present;
	/* As netvsp does it: gone is gone, whatever the guest says. */
	if (!present || w->guest_quick) {
		w->facts.guest_active = present;
		tell(w);
	}
}

static int steer(void *ctx, bool to_vf)
{
	struct world *w = ctx;

	assert_true(w->steered != to_vf);
	if (to_vf) {
		assert_true(w->in_vm && w->guest_knows && w->facts.guest_active);
		if (w->no_steer)
			return -ENOSPC;
	}
	w->steered = to_vf;
	return 0;
}

static int detach(void *ctx)
{
	struct world *w = ctx;

	assert_false(w->steered);
	if (w->vm_has_none) {
		w->in_vm = w->attach_asked = false;
		return -ENOENT;
	}
	w->detach_asked = true;
	return 0;
}

static void release(void *ctx)
{
	struct world *w = ctx;

	assert_true(w->taken);
	assert_false(w->steered);
	assert_false(w->guest_knows);
	assert_true(!w->in_vm || !w->facts.vm_runs || !w->f.facts.vm_runs);
	w->taken = w->in_vm = w->attach_asked = w->detach_asked = false;
}

static void told(void *ctx, const struct sriov_failover *f)
{
	struct world *w = ctx;

	w->n_told++;
	assert_int_equal(w->steered, f->state == SRIOV_ACTIVE);
}

static const struct sriov_failover_ops ops = {
	.take = take,
	.attach = attach,
	.associate = associate,
	.steer = steer,
	.detach = detach,
	.release = release,
	.told = told,
};

static void begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->now_ns = SECOND;
	w->facts = (struct sriov_facts){.wanted = true,
					.carried = true,
					.vm_runs = true,
					.guest_up = true,
					.guest_takes = true,
					.link_up = true};
	sriov_failover_init(&w->f, &ops, w);
}

static void answer_attach(struct world *w, bool good)
{
	struct err err = {0};

	assert_true(w->attach_asked);
	w->attach_asked = false;
	w->in_vm = good;
	err_set(&err, -EIO, "vfio", "group 12 is not viable");
	sriov_failover_attached(&w->f, good ? NULL : &err, w->now_ns);
}

static void answer_detach(struct world *w)
{
	assert_true(w->detach_asked);
	w->detach_asked = w->in_vm = w->attach_asked = false;
	sriov_failover_detached(&w->f, w->now_ns);
}

static void guest_says(struct world *w, bool active)
{
	w->facts.guest_active = active;
	tell(w);
}

/* To ACTIVE, the straight way. */
static void go(struct world *w)
{
	tell(w);
	assert_int_equal(w->f.state, SRIOV_OFFERED);
	answer_attach(w, true);
	assert_int_equal(w->f.state, SRIOV_ASSOCIATED);
	assert_int_equal(w->f.reason, SRIOV_REASON_GUEST);
	guest_says(w, true);
	assert_int_equal(w->f.state, SRIOV_ACTIVE);
	assert_true(w->steered);
}

static void frames_go_to_the_vf_when_the_guest_sends_by_it(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	assert_int_equal(w.f.stats.to_vf, 1);
	guest_says(&w, false);
	assert_int_equal(w.f.state, SRIOV_ASSOCIATED);
	assert_false(w.steered);
	guest_says(&w, true);
	assert_int_equal(w.f.state, SRIOV_ACTIVE);
	assert_int_equal(w.f.stats.back_by[SRIOV_REASON_GUEST], 1);
}

static void each_reason_against_a_vf_is_told(void **state)
{
	static const struct {
		size_t fact;
		enum sriov_reason reason;
	} rows[] = {
		{offsetof(struct sriov_facts, wanted), SRIOV_REASON_NOT_ASKED},
		{offsetof(struct sriov_facts, carried), SRIOV_REASON_POLICY},
		{offsetof(struct sriov_facts, vm_runs), SRIOV_REASON_NO_VM},
		{offsetof(struct sriov_facts, guest_up), SRIOV_REASON_NO_GUEST},
		{offsetof(struct sriov_facts, guest_takes), SRIOV_REASON_GUEST_CANNOT},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		begin(&w);
		*(bool *)((char *)&w.facts + rows[i].fact) = false;
		tell(&w);
		assert_int_equal(w.f.state, i == 0 ? SRIOV_OFF : SRIOV_HELD);
		assert_int_equal(w.f.reason, rows[i].reason);
		assert_false(w.taken);
		*(bool *)((char *)&w.facts + rows[i].fact) = true;
		go(&w);
	}
}

static void policy_brings_frames_back_before_the_vf_goes(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	w.facts.carried = false;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_RETURNING);
	assert_int_equal(w.f.reason, SRIOV_REASON_POLICY);
	assert_false(w.steered);
	assert_false(w.guest_knows);
	assert_true(w.taken);
	answer_detach(&w);
	assert_int_equal(w.f.state, SRIOV_HELD);
	assert_false(w.taken);
	/* and at once to a VF when the policy is gone */
	w.facts.carried = true;
	go(&w);
}

static void a_wish_that_comes_back_while_returning_waits_for_the_vm(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	w.facts.wanted = false;
	tell(&w);
	w.facts.wanted = true;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_RETURNING);
	answer_detach(&w);
	assert_int_equal(w.f.state, SRIOV_OFFERED);
	answer_attach(&w, true);
	assert_int_equal(w.f.state, SRIOV_ASSOCIATED);
}

static void link_and_pause_steer_back_and_keep_the_vf(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	w.facts.link_up = false;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_ASSOCIATED);
	assert_int_equal(w.f.reason, SRIOV_REASON_LINK);
	assert_true(w.in_vm);
	w.facts.link_up = true;
	w.facts.vm_paused = true;
	tell(&w);
	assert_int_equal(w.f.reason, SRIOV_REASON_PAUSED);
	assert_false(w.steered);
	w.facts.vm_paused = false;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_ACTIVE);
	assert_int_equal(w.f.stats.taken, 1);
}

static void a_guest_that_restarts_its_driver_keeps_the_vf(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	w.facts.guest_up = w.facts.guest_takes = w.facts.guest_active = false;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_ASSOCIATED);
	assert_int_equal(w.f.reason, SRIOV_REASON_NO_GUEST);
	assert_true(w.in_vm && !w.steered);
	w.facts.guest_up = w.facts.guest_takes = true;
	guest_says(&w, true);
	assert_int_equal(w.f.state, SRIOV_ACTIVE);
}

static void a_vm_that_dies_needs_not_be_asked(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	w.facts.vm_runs = w.facts.guest_up = w.facts.guest_takes = w.facts.guest_active = false;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_HELD);
	assert_int_equal(w.f.reason, SRIOV_REASON_NO_VM);
	assert_false(w.taken);
	assert_false(w.detach_asked);
}

static void a_vm_that_dies_while_returning_ends_it(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	w.facts.carried = false;
	tell(&w);
	w.facts.vm_runs = w.facts.guest_up = false;
	tell(&w);
	assert_false(w.taken);
	assert_int_equal(w.f.state, SRIOV_HELD);
	sriov_failover_detached(&w.f, w.now_ns); /* late: nobody's */
	assert_int_equal(w.f.state, SRIOV_HELD);
}

static void a_vf_that_vanishes_is_replaced_later(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	w.no_vf = true;
	sriov_failover_fault(&w.f, SRIOV_REASON_VF_GONE, w.now_ns);
	assert_int_equal(w.f.state, SRIOV_RETURNING);
	assert_int_equal(w.f.reason, SRIOV_REASON_VF_GONE);
	answer_detach(&w);
	assert_int_equal(w.f.state, SRIOV_WAITING);
	assert_int_equal(w.f.reason, SRIOV_REASON_VF_GONE);
	w.now_ns += SECOND;
	tell(&w);
	assert_int_equal(w.f.reason, SRIOV_REASON_NO_VF);
	assert_string_equal(w.f.text, "all 7 VFs are taken");
	w.no_vf = false;
	w.now_ns += SECOND;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_WAITING); /* the second wait is longer */
	w.now_ns += SECOND;
	go(&w);
}

static void waits_double_to_a_minute_and_no_further(void **state)
{
	uint64_t last = 0;
	struct world w;

	begin(&w);
	w.no_vf = true;
	for (unsigned i = 0; i < 20; i++) {
		uint64_t wait;

		tell(&w);
		wait = w.f.retry_ns - w.now_ns;
		assert_true(wait >= last && wait <= 64 * SRIOV_RETRY_NS);
		last = wait;
		w.now_ns = w.f.retry_ns;
	}
	assert_int_equal(last, 64 * SRIOV_RETRY_NS);
	assert_int_equal(w.f.stats.refused, 20);
}

static void a_vm_that_refuses_gets_no_word_to_the_guest(void **state)
{
	struct world w;

	begin(&w);
	tell(&w);
	answer_attach(&w, false);
	assert_false(w.taken);
	assert_int_equal(w.f.state, SRIOV_WAITING);
	assert_int_equal(w.f.reason, SRIOV_REASON_ATTACH);
	assert_string_equal(w.f.text, "group 12 is not viable");
	w.attach_fails = true;
	w.now_ns += SECOND;
	tell(&w);
	assert_false(w.taken);
	assert_string_equal(w.f.text, "the VM's process is gone");
}

static void an_attach_that_is_not_wanted_any_more_is_undone(void **state)
{
	struct world w;

	begin(&w);
	tell(&w);
	w.facts.carried = false;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_RETURNING);
	w.attach_asked = false;
	w.in_vm = true;
	sriov_failover_attached(&w.f, NULL, w.now_ns);
	assert_int_equal(w.f.state, SRIOV_RETURNING);
	assert_false(w.guest_knows);
	answer_detach(&w);
	assert_int_equal(w.f.state, SRIOV_HELD);
}

static void a_detach_without_answer_is_asked_again(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	w.facts.wanted = false;
	tell(&w);
	w.detach_asked = false;
	w.now_ns += SECOND;
	tell(&w);
	assert_false(w.detach_asked);
	w.now_ns += SRIOV_DETACH_NS;
	w.vm_has_none = true;
	tell(&w);
	assert_false(w.taken);
	assert_int_equal(w.f.state, SRIOV_OFF);
}

static void what_cannot_be_steered_stays_synthetic(void **state)
{
	struct world w;

	begin(&w);
	w.no_steer = true;
	tell(&w);
	answer_attach(&w, true);
	guest_says(&w, true);
	assert_int_equal(w.f.state, SRIOV_ASSOCIATED);
	assert_int_equal(w.f.reason, SRIOV_REASON_STEER);
	w.no_steer = false;
	tell(&w);
	assert_int_equal(w.f.state, SRIOV_ACTIVE);
}

static void another_policy_takes_the_vf_anew_without_waiting(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	sriov_failover_anew(&w.f, w.now_ns);
	assert_int_equal(w.f.state, SRIOV_RETURNING);
	answer_detach(&w);
	assert_int_equal(w.f.state, SRIOV_OFFERED);
	assert_int_equal(w.f.stats.taken, 2);
}

static void a_vf_that_the_vm_has_from_before_is_not_given_again(void **state)
{
	struct world w;

	begin(&w);
	w.vm_has_it = true;
	tell(&w);
	assert_false(w.attach_asked);
	assert_true(w.guest_knows);
	assert_int_equal(w.f.state, SRIOV_ASSOCIATED);
	guest_says(&w, true);
	assert_int_equal(w.f.state, SRIOV_ACTIVE);
	w.facts.wanted = false;
	tell(&w);
	answer_detach(&w);
	assert_int_equal(w.f.state, SRIOV_OFF);
}

static void the_end_releases_what_no_vm_has(void **state)
{
	struct world w;

	begin(&w);
	go(&w);
	sriov_failover_fini(&w.f);
	assert_true(w.taken && w.in_vm);
	assert_false(w.steered);
	begin(&w);
	go(&w);
	w.f.facts.vm_runs = false;
	w.guest_knows = false;
	sriov_failover_fini(&w.f);
	assert_false(w.taken);
	begin(&w);
	sriov_failover_fini(&w.f);
}

/* ---- Anything in any order: the ops above assert what must hold ---- */

static void flip(struct world *w, uint32_t r)
{
	bool *facts = (bool *)&w->facts, mostly = (r >> 16) % 16 != 0;
	size_t i = r / 64 % sizeof(w->facts);

	switch (r % 12) {
	case 0:
		if (w->attach_asked)
			answer_attach(w, r & 0x3000);
		break;
	case 1:
	case 2:
		if (w->detach_asked)
			answer_detach(w);
		break;
	case 3:
		if (r / 64 % 8 != 0)
			break;
		sriov_failover_fault(&w->f, SRIOV_REASON_VF_GONE + r / 64 % 3, w->now_ns);
		break;
	case 4:
		w->no_vf = (r & 0x3000) == 0;
		w->no_steer = (r & 0xc000) == 0;
		w->attach_fails = (r & 0xc0000) == 0;
		w->vm_has_none = (r & 0x30000) == 0;
		w->guest_quick = r & 0x40000;
		break;
	case 5:
		w->now_ns += r / 64 % 16 * SECOND;
		tell(w);
		break;
	case 6:
		if (r / 64 % 8 == 0)
			sriov_failover_anew(&w->f, w->now_ns);
		break;
	default:
		facts[i] = &facts[i] == &w->facts.vm_paused ? !mostly : mostly;
		/* Who has no VM has no guest, and who was told of no VF sends by none. */
		w->facts.guest_up &= w->facts.vm_runs;
		w->facts.guest_takes &= w->facts.guest_up;
		w->facts.guest_active &= w->facts.guest_takes && w->guest_knows;
		tell(w);
	}
}

static void any_order_of_events_keeps_what_must_hold(void **state)
{
	uint32_t seed = 1;
	uint64_t flips = 0;

	for (unsigned round = 0; round < 200; round++) {
		struct world w;

		begin(&w);
		for (unsigned i = 0; i < 2000; i++) {
			seed = seed * 1664525 + 1013904223;
			flip(&w, seed >> 8);
			assert_true(w.steered == (w.f.state == SRIOV_ACTIVE));
			assert_true(w.taken == w.f.has_vf);
		}
		flips += w.f.stats.to_vf;
		/* Left alone it comes to rest, and by a VF. */
		w.facts = (struct sriov_facts){true, true, true, false, true, true, false, true};
		w.no_vf = w.no_steer = w.attach_fails = w.vm_has_none = w.guest_quick = false;
		for (unsigned i = 0; i < 10 && w.f.state != SRIOV_ACTIVE; i++) {
			w.now_ns += 128 * SECOND;
			w.facts.guest_active = w.guest_knows;
			tell(&w);
			if (w.detach_asked)
				answer_detach(&w);
			if (w.attach_asked)
				answer_attach(&w, true);
		}
		assert_int_equal(w.f.state, SRIOV_ACTIVE);
		sriov_failover_fini(&w.f);
		assert_false(w.steered);
	}
	print_message("%llu ways to a VF\n", (unsigned long long)flips);
	assert_true(flips > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_go_to_the_vf_when_the_guest_sends_by_it),
		cmocka_unit_test(each_reason_against_a_vf_is_told),
		cmocka_unit_test(policy_brings_frames_back_before_the_vf_goes),
		cmocka_unit_test(a_wish_that_comes_back_while_returning_waits_for_the_vm),
		cmocka_unit_test(link_and_pause_steer_back_and_keep_the_vf),
		cmocka_unit_test(a_guest_that_restarts_its_driver_keeps_the_vf),
		cmocka_unit_test(a_vm_that_dies_needs_not_be_asked),
		cmocka_unit_test(a_vm_that_dies_while_returning_ends_it),
		cmocka_unit_test(a_vf_that_vanishes_is_replaced_later),
		cmocka_unit_test(waits_double_to_a_minute_and_no_further),
		cmocka_unit_test(a_vm_that_refuses_gets_no_word_to_the_guest),
		cmocka_unit_test(an_attach_that_is_not_wanted_any_more_is_undone),
		cmocka_unit_test(a_detach_without_answer_is_asked_again),
		cmocka_unit_test(what_cannot_be_steered_stays_synthetic),
		cmocka_unit_test(another_policy_takes_the_vf_anew_without_waiting),
		cmocka_unit_test(a_vf_that_the_vm_has_from_before_is_not_given_again),
		cmocka_unit_test(the_end_releases_what_no_vm_has),
		cmocka_unit_test(any_order_of_events_keeps_what_must_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

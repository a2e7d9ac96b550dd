/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See failover.h.  Whatever is told, settle() asks the same two questions, until both answers
 * stand: may there be a VF, and do frames go to it.  So no order of events needs a place of its
 * own.
 */
#include "sriov/failover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_DOUBLINGS 6

static const char *const state_names[SRIOV_N_STATES] = {
	[SRIOV_OFF] = "off",
	[SRIOV_HELD] = "held",
	[SRIOV_WAITING] = "waiting",
	[SRIOV_OFFERED] = "offered",
	[SRIOV_ASSOCIATED] = "standby",
	[SRIOV_ACTIVE] = "active",
	[SRIOV_RETURNING] = "returning",
};

static const char *const reason_slugs[] = {
#define X(name, slug, text) slug,
	SRIOV_REASONS(X)
#undef X
};

static const char *const reason_texts[] = {
#define X(name, slug, text) text,
	SRIOV_REASONS(X)
#undef X
};

const char *sriov_state_name(enum sriov_state state)
{
	return state_names[state];
}

const char *sriov_reason_slug(enum sriov_reason reason)
{
	return reason_slugs[reason];
}

const char *sriov_reason_text(enum sriov_reason reason)
{
	return reason_texts[reason];
}

static void enter(struct sriov_failover *f, enum sriov_state state, enum sriov_reason reason)
{
	if (f->state == state && f->reason == reason)
		return;
	f->state = state;
	f->reason = reason;
	f->ops->told(f->ctx, f);
}

/* ---- What facts say ---- */

/* Why there may be no VF at all. */
static enum sriov_reason against(const struct sriov_failover *f)
{
	const struct sriov_facts *x = &f->facts;

	if (!x->wanted)
		return SRIOV_REASON_NOT_ASKED;
	if (!x->carried)
		return SRIOV_REASON_POLICY;
	if (!x->vm_runs)
		return SRIOV_REASON_NO_VM;
	/* A guest that starts its driver anew (another MTU) keeps its VF meanwhile. */
	if (!x->guest_up && !f->has_vf)
		return SRIOV_REASON_NO_GUEST;
	if (x->guest_up && !x->guest_takes)
		return SRIOV_REASON_GUEST_CANNOT;
	if (x->vm_paused && !f->has_vf)
		return SRIOV_REASON_PAUSED;
	return f->fault;
}

/* Why frames do not go to the VF that the guest has. */
static enum sriov_reason aside(const struct sriov_facts *x)
{
	if (!x->guest_up)
		return SRIOV_REASON_NO_GUEST;
	if (x->vm_paused)
		return SRIOV_REASON_PAUSED;
	if (!x->link_up)
		return SRIOV_REASON_LINK;
	return x->guest_active ? SRIOV_REASON_NONE : SRIOV_REASON_GUEST;
}

static void wait_a_while(struct sriov_failover *f)
{
	unsigned n = f->n_failures < MAX_DOUBLINGS ? f->n_failures : MAX_DOUBLINGS;

	f->n_failures++;
	f->retry_ns = f->now_ns + (SRIOV_RETRY_NS << n);
}

/* ---- The way of frames ---- */

static void steer_back(struct sriov_failover *f, enum sriov_reason why)
{
	if (!f->to_vf)
		return;
	f->to_vf = false;
	f->stats.back++;
	f->stats.back_by[why]++;
	(void)f->ops->steer(f->ctx, false);
}

static bool steer_to(struct sriov_failover *f)
{
	if (f->to_vf)
		return true;
	if (f->ops->steer(f->ctx, true) != 0)
		return false;
	f->to_vf = true;
	f->stats.to_vf++;
	f->n_failures = 0;
	return true;
}

static void use(struct sriov_failover *f)
{
	enum sriov_reason why = aside(&f->facts);

	if (why == SRIOV_REASON_NONE && !steer_to(f))
		why = SRIOV_REASON_STEER;
	if (why != SRIOV_REASON_NONE)
		steer_back(f, why);
	enter(f, why == SRIOV_REASON_NONE ? SRIOV_ACTIVE : SRIOV_ASSOCIATED, why);
}

/* ---- The VF ---- */

static void keep_text(struct sriov_failover *f, const struct err *err)
{
	snprintf(f->text, sizeof(f->text), "%.199s", err->what);
}

static void tell_guest(struct sriov_failover *f)
{
	f->told_guest = true;
	f->text[0] = '\0';
	f->ops->associate(f->ctx, true);
}

static void offer(struct sriov_failover *f)
{
	struct err err = {0};
	int rc;

	if (f->now_ns < f->retry_ns) {
		enter(f, SRIOV_WAITING, f->state == SRIOV_WAITING ? f->reason : SRIOV_REASON_NO_VF);
		return;
	}
	rc = f->ops->take(f->ctx, &err);
	if (rc < 0) {
		f->stats.refused++;
		keep_text(f, &err);
		wait_a_while(f);
		enter(f, SRIOV_WAITING, SRIOV_REASON_NO_VF);
		return;
	}
	f->has_vf = true;
	f->stats.taken++;
	f->in_vm = rc == 1;
	if (rc == 1) {
		enter(f, SRIOV_OFFERED, SRIOV_REASON_ATTACHING);
		tell_guest(f);
		return;
	}
	if (f->ops->attach(f->ctx, &err) == 0) {
		f->in_vm = true; /* or will be: it is asked to give it back before it is released */
		enter(f, SRIOV_OFFERED, SRIOV_REASON_ATTACHING);
		return;
	}
	keep_text(f, &err);
	f->fault = SRIOV_REASON_ATTACH;
}

static void release(struct sriov_failover *f)
{
	enum sriov_reason fault = f->fault;

	f->has_vf = f->in_vm = f->detaching = false;
	f->fault = SRIOV_REASON_NONE;
	f->ops->release(f->ctx);
	if (fault == SRIOV_REASON_NONE || fault == SRIOV_REASON_POLICY)
		return;
	wait_a_while(f);
	enter(f, SRIOV_WAITING, fault);
}

/* The frames first, then the guest is told, then the VM gives it back. */
static void give_back(struct sriov_failover *f, enum sriov_reason why)
{
	steer_back(f, why);
	if (f->told_guest) {
		f->told_guest = false;
		f->ops->associate(f->ctx, false);
	}
	if (!f->in_vm || !f->facts.vm_runs) {
		release(f);
		return;
	}
	if (f->detaching && f->now_ns < f->asked_ns + SRIOV_DETACH_NS)
		return;
	f->detaching = true;
	f->asked_ns = f->now_ns;
	enter(f, SRIOV_RETURNING, why);
	if (f->ops->detach(f->ctx) != 0)
		release(f);
}

static void step(struct sriov_failover *f)
{
	enum sriov_reason why = f->detaching ? f->reason : against(f);

	if (f->has_vf && why != SRIOV_REASON_NONE)
		give_back(f, why);
	else if (f->has_vf && f->told_guest)
		use(f);
	else if (!f->has_vf && why == SRIOV_REASON_NONE)
		offer(f);
	else if (!f->has_vf)
		enter(f, why == SRIOV_REASON_NOT_ASKED ? SRIOV_OFF : SRIOV_HELD, why);
}

/* What an op does may tell new facts (the guest is told, and answers); they are looked at when it
 * has returned. */
static void settle(struct sriov_failover *f, uint64_t now_ns)
{
	struct sriov_facts facts;
	bool had_vf;

	f->now_ns = now_ns;
	if (f->busy)
		return;
	f->busy = true;
	do {
		facts = f->facts;
		had_vf = f->has_vf;
		step(f);
	} while (memcmp(&facts, &f->facts, sizeof(facts)) != 0 || had_vf != f->has_vf ||
		 (f->has_vf && !f->detaching && against(f) != SRIOV_REASON_NONE));
	f->busy = false;
}

/* ---- What is told ---- */

void sriov_failover_init(struct sriov_failover *f, const struct sriov_failover_ops *ops, void *ctx)
{
	*f = (struct sriov_failover){.ops = ops,
				     .ctx = ctx,
				     .state = SRIOV_OFF,
				     .reason = SRIOV_REASON_NOT_ASKED};
}

void sriov_failover_facts(struct sriov_failover *f, const struct sriov_facts *facts,
			  uint64_t now_ns)
{
	f->facts = *facts;
	settle(f, now_ns);
}

void sriov_failover_attached(struct sriov_failover *f, const struct err *err, uint64_t now_ns)
{
	if (f->state != SRIOV_OFFERED)
		return;
	if (err != NULL) {
		keep_text(f, err);
		f->in_vm = false;
		f->fault = SRIOV_REASON_ATTACH;
	} else {
		tell_guest(f);
	}
	settle(f, now_ns);
}

void sriov_failover_detached(struct sriov_failover *f, uint64_t now_ns)
{
	f->now_ns = now_ns;
	if (!f->detaching)
		return;
	release(f);
	settle(f, now_ns);
}

void sriov_failover_fault(struct sriov_failover *f, enum sriov_reason why, uint64_t now_ns)
{
	if (!f->has_vf || f->detaching)
		return;
	f->fault = why;
	settle(f, now_ns);
}

void sriov_failover_anew(struct sriov_failover *f, uint64_t now_ns)
{
	sriov_failover_fault(f, SRIOV_REASON_POLICY, now_ns);
}

void sriov_failover_fini(struct sriov_failover *f)
{
	f->busy = true;
	steer_back(f, SRIOV_REASON_NOT_ASKED);
	if (f->has_vf && (!f->in_vm || !f->facts.vm_runs))
		f->ops->release(f->ctx);
	f->has_vf = f->in_vm = f->told_guest = f->detaching = false;
	f->state = SRIOV_OFF;
	f->reason = SRIOV_REASON_NOT_ASKED;
}

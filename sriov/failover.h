/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The way of one NIC's frames: by a VF when it can be, by the synthetic path when it cannot.  A
 * state machine without I/O: it is told facts, and it asks for what follows from them by 'struct
 * sriov_failover_ops'.
 *
 * 	OFF ──wanted──► HELD ──nothing held against it──► WAITING ──take, attach──► OFFERED
 * 	                  ▲                                  ▲  │ refused: again, later  │
 * 	                  │                                  └──┘                        │attached:
 * 	                  │  ┌──────────── detached, release ────────────┐               │associate
 * 	                  │  │                                           │               ▼
 * 	             (the state that the facts allow)  ◄──── RETURNING ◄─┴─ any ─── ASSOCIATED
 * 	                                                        ▲                     │    ▲
 * 	                                                        └──────── ACTIVE ◄────┘    │
 * 	                                       the guest sends by it; steered     │        │
 * 	                                                                          └────────┘
 * 	                          the guest switched back, no link, VM paused: steered back at once
 *
 * 	HELD        there are reasons against a VF: policy that it cannot carry, no guest, ...
 * 	WAITING     for a VF, or for the time to try again
 * 	OFFERED     a VF was taken, and is being put into the VM
 * 	ASSOCIATED  the guest knows of it; frames go the synthetic way
 * 	ACTIVE      the guest sends by the VF, and the switch sends to it by the adapter
 * 	RETURNING   frames go the synthetic way; the VF is being taken out of the VM
 *
 * What holds in every state: frames go to the VF in ACTIVE only; before a VF is taken out of the VM
 * they do not any more; a VF is released when the VM has let go of it, or has no process, and only
 * then.
 *
 * Thread: one at a time.
 */
#ifndef SRIOV_FAILOVER_H
#define SRIOV_FAILOVER_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum sriov_state {
	SRIOV_OFF,
	SRIOV_HELD,
	SRIOV_WAITING,
	SRIOV_OFFERED,
	SRIOV_ASSOCIATED,
	SRIOV_ACTIVE,
	SRIOV_RETURNING,
	SRIOV_N_STATES,
};
const char *sriov_state_name(enum sriov_state state);

/* Why frames do not go by a VF.  Ordered: the first that holds is told. */
#define SRIOV_REASONS(X)                                                                           \
	X(NONE, "none", "nothing is in the way")                                                   \
	X(NOT_ASKED, "not-asked", "sriov is off")                                                  \
	X(POLICY, "policy", "the switch does what a VF cannot")                                    \
	X(NO_VM, "no-vm", "the VM does not run")                                                   \
	X(NO_GUEST, "no-guest", "the guest's driver is not up")                                    \
	X(GUEST_CANNOT, "guest-cannot", "the guest's driver takes no VF")                          \
	X(VF_GONE, "vf-gone", "the VF is gone")                                                    \
	X(VF_CHANGED, "vf-changed", "somebody else changed the VF")                                \
	X(VF_ERROR, "vf-error", "the VF reported an error")                                        \
	X(NO_VF, "no-vf", "no VF can be had")                                                      \
	X(ATTACH, "attach-failed", "the VM could not take the VF")                                 \
	X(ATTACHING, "attaching", "the VF is being put into the VM")                               \
	X(DETACHING, "detaching", "the VF is being taken out of the VM")                           \
	X(PAUSED, "paused", "the VM is paused")                                                    \
	X(LINK, "link-down", "the adapter has no link")                                            \
	X(GUEST, "guest", "the guest sends by the synthetic path")                                 \
	X(STEER, "steer", "the switch could not send to the VF")
enum sriov_reason {
#define X(name, slug, text) SRIOV_REASON_##name,
	SRIOV_REASONS(X)
#undef X
		SRIOV_N_REASONS,
};
const char *sriov_reason_slug(enum sriov_reason reason);
const char *sriov_reason_text(enum sriov_reason reason);

/* What is known.  All false, and sriov_failover_init() says nothing else, is a NIC that goes the
 * synthetic way. */
struct sriov_facts {
	bool wanted;	   /* 'nic set --sriov on' */
	bool carried;	   /* a VF can do all that the switch does for this NIC */
	bool vm_runs;	   /* it has a process that can be asked */
	bool vm_paused;	   /* its processors stand still */
	bool guest_up;	   /* its synthetic driver is */
	bool guest_takes;  /* and it said that it takes VFs */
	bool guest_active; /* it switched its data path to the VF */
	bool link_up;	   /* of the adapter; only asked while there is a VF */
};

struct sriov_failover;

struct sriov_failover_ops {
	/* Takes a VF that carries the NIC's policy.  0; 1: one that the VM has already, since
	 * before this process; negative: none now. */
	int (*take)(void *ctx, struct err *err);
	/* Gives it to the VM; sriov_failover_attached() follows, not from in here, unless this
	 * fails. */
	int (*attach)(void *ctx, struct err *err);
	/* Tells the guest that it has the VF, or has it no more (netvsp_set_vf()). */
	void (*associate)(void *ctx, bool present);
	/* Where the switch sends frames for the NIC: to the VF, by the adapter, or to the synthetic
	 * NIC.  When it returns no worker goes by the old way.  0, or negative: not to the VF. */
	int (*steer)(void *ctx, bool to_vf);
	/* Asks the VM to give it back; sriov_failover_detached() follows, not from in here, unless
	 * this returns negative: it has none any more. */
	int (*detach)(void *ctx);
	/* The VF is nobody's. */
	void (*release)(void *ctx);
	/* It is in another state, or has another reason for the one it is in. */
	void (*told)(void *ctx, const struct sriov_failover *f);
};

struct sriov_failover_stats {
	uint64_t to_vf, back;		   /* times that frames changed their way */
	uint64_t taken, refused;	   /* VFs */
	uint64_t back_by[SRIOV_N_REASONS]; /* of 'back' */
};

struct sriov_failover {
	const struct sriov_failover_ops *ops;
	void *ctx;
	enum sriov_state state;
	enum sriov_reason reason; /* why it is not ACTIVE */
	struct sriov_facts facts;
	struct sriov_failover_stats stats;
	char text[200]; /* of the last refusal; "" */
	/* Inside. */
	bool has_vf, in_vm, told_guest, to_vf, busy;
	bool detaching;		 /* the VM was asked to give it back */
	enum sriov_reason fault; /* why the VF is to be given back, beside facts */
	unsigned n_failures;
	uint64_t now_ns, retry_ns, asked_ns; /* asked_ns: of the last detach */
};

/* How long to wait before another try: this, doubled up to 64 times; how long for a VM to give a VF
 * back before it is asked again. */
#define SRIOV_RETRY_NS	1000000000ull
#define SRIOV_DETACH_NS 30000000000ull

/* 'ops' is borrowed for life. */
void sriov_failover_init(struct sriov_failover *f, const struct sriov_failover_ops *ops, void *ctx);
/* The facts are these now.  Asks for all that follows. */
void sriov_failover_facts(struct sriov_failover *f, const struct sriov_facts *facts,
			  uint64_t now_ns);
/* The VM's answer to attach: NULL, or why not. */
void sriov_failover_attached(struct sriov_failover *f, const struct err *err, uint64_t now_ns);
/* The VM has it no more: its answer. */
void sriov_failover_detached(struct sriov_failover *f, uint64_t now_ns);
/* The VF is no good any more: SRIOV_REASON_VF_GONE, _VF_CHANGED or _VF_ERROR. */
void sriov_failover_fault(struct sriov_failover *f, enum sriov_reason why, uint64_t now_ns);
/* The NIC's policy changed, so that a VF would have to be set anew: it is given back, and taken
 * again. */
void sriov_failover_anew(struct sriov_failover *f, uint64_t now_ns);
/* Frames go the synthetic way, and no call comes any more.  A VF that a running VM has is not
 * released: it is the pool's to know, and the VM goes on with it. */
void sriov_failover_fini(struct sriov_failover *f);

#endif

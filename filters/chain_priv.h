/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Modules and chains as the packet path reads them, and how its files divide the work:
 *
 * 	run.c        a burst: slot by slot, the loops, verdicts, cycles
 * 	run_frame.c  one frame that needs more than a pointer: linear memory, tags, metadata
 * 	run_send.c   where frames go that a program sends
 * 	run_env.c    what programs ask of the thread they run on
 *
 * Workers count for the attachment; a module's counts are the sum of its attachments', those that
 * are no more included.
 */
#ifndef FILTERS_CHAIN_PRIV_H
#define FILTERS_CHAIN_PRIV_H

#include "dataplane/records.h"
#include "filters/chain.h"
#include "filters/cost.h"
#include "filters/ebpf/ctx.h"
#include "filters/ebpf/prog.h"
#include "filters/module.h"

#include <stdatomic.h>

#include <sys/queue.h>

#define FILTER_MAX_CPUS 64u

/* How a program's frames are given to it. */
enum filter_kind {
	FILTER_BLIND,  /* it looks at nothing of them */
	FILTER_LOOKS,  /* it reads them */
	FILTER_WRITES, /* it writes to them where they are */
	FILTER_ANY,    /* it moves their ends, or is interpreted */
};

/* The program of a module and how it runs.  Immutable; a swap puts another in its place. */
struct filter_current {
	struct ebpf_prog *prog; /* a reference */
	ebpf_run_fn code;
	uint32_t does; /* EBPF_*; a program with tail calls does all of it */
	enum filter_kind kind;
	bool writes; /* frames must be finished before it */
	uint32_t budget;
	enum filter_policy policy;
};

/* One worker's account of an attachment: its own cache lines, written by it alone, read by
 * anyone. */
struct filter_share {
	_Atomic uint64_t packets, cycles;
	_Atomic uint64_t drop, aborted, tx, redirect, refused;
	_Atomic uint64_t bypassed, budget_drops, overruns;
} __attribute__((aligned(64)));

/* What one worker spent on a module, wherever it is attached: a budget is the module's. */
struct filter_spent {
	struct filter_cost cost;
	_Atomic uint64_t over_until; /* cost.until, for readers */
} __attribute__((aligned(64)));

/* What a packet took in the last second that had some. */
struct filter_rate {
	uint64_t ns, packets, cycles; /* when that second began, and the counts then */
	double cycles_per_packet;
};

/* An attachment of a module: what its chains, one for each port, count together. */
struct filter_place {
	SLIST_ENTRY(filter_place) link;
	struct filter_share *shares; /* [set->n_cpus] */
	struct filter_rate rate;
	uint32_t n_refs; /* chains */
	char where[];
};

struct filter_module {
	_Atomic(struct filter_current *) current;
	struct filter_spent *spent; /* [set->n_cpus] */
	struct filter_modules *set;
	char name[FILTER_MODULE_NAME_LEN + 1];
	/* Control thread. */
	struct ebpf_object *object;
	uint32_t n_in_role[FILTER_N_ROLES]; /* slots of chains */
	SLIST_HEAD(, filter_place) places;
	struct filter_module_stats past; /* counts of attachments that are no more */
	/* What tick told of last. */
	uint64_t told_aborted, told_overruns;
	uint64_t told_aborted_ns, told_overruns_ns;
	struct filter_rate rate;
};

/* Burst clocks to nanoseconds: on a line through a reading of both clocks. */
struct filter_time {
	uint64_t tsc, ns;
	uint64_t ns_per_tsc; /* times 2^32 */
};

#define FILTER_LINEAR_FRAME (66u * 1024) /* longest frame that is copied for a program */
#define FILTER_LINEAR_HEAD  512u
#define FILTER_LINEAR_TAIL  512u
#define FILTER_LINEAR_SIZE  (FILTER_LINEAR_HEAD + FILTER_LINEAR_FRAME + FILTER_LINEAR_TAIL)

/* What a program printed. */
#define FILTER_LINE_MAX 256u
struct filter_line {
	char module[FILTER_MODULE_NAME_LEN + 1];
	uint32_t size;
	char text[];
};
#define FILTER_LINES_SIZE 16384u /* bytes of them that a worker holds */

/* What a worker has for running programs.  Its own, but for 'lines', which tick reads. */
struct filter_worker {
	struct ebpf_env env;
	struct filter_modules *set;
	const struct dp_filter_burst *burst; /* that runs */
	const struct filter_module *module;
	uint64_t ns_tsc, ns; /* the burst's clock, once somebody asked */
	struct dp_records lines;
	_Atomic uint64_t n_lost; /* lines for which there was no room */
	uint8_t *linear;	 /* FILTER_LINEAR_SIZE */
} __attribute__((aligned(64)));

struct filter_modules {
	struct filter_modules_opts opts;
	uint32_t n_cpus;
	struct filter_worker *workers; /* [n_cpus] */
	uint64_t tsc_hz;
	struct filter_time times[4];
	_Atomic uint32_t time; /* which of them holds */
	/* Control thread. */
	struct filter_module *modules[FILTER_MAX_MODULES];
	uint32_t n_modules;
	uint32_t lines_left; /* that may still be told in this second */
	uint64_t lines_ns, n_untold;
	uint64_t told_lost, told_lost_ns;
};

struct dp_filter_chain {
	struct dp_filter_chain_head head;
	struct filter_modules *set;
	uint32_t n;
	struct filter_place *places[FILTER_MAX_SLOTS]; /* of the slots */
	struct filter_slot slots[];
};

/* In the flags of a fate, above those of the redirect: which slot it is of. */
#define FILTER_FATE_SLOT 16

/* A slot at work on a burst. */
struct filter_pass {
	struct ebpf_ctx ctx;
	struct dp_filter_burst *b;
	struct filter_worker *fw;
	struct filter_share *share;
	struct filter_spent *spent;
	const struct filter_slot *slot;
	uint32_t index; /* of it */
	const struct filter_current *cur;
	uint64_t alive; /* frames that go on, by number */
	bool decided;	/* fates are written */
};

/* What a frame carries about its bytes, and no more after somebody wrote them. */
#define FILTER_STALE                                                                               \
	(RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK |      \
	 RTE_MBUF_F_RX_OUTER_L4_CKSUM_MASK | RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD)

/* Only its worker writes: a load and a store, not a locked add. */
static inline void filter_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* run.c */
enum dp_filter_result filter_run(struct dp_filter_chain *chain, struct dp_filter_burst *burst);
/* Ends frame 'i' for 'reason'. */
void filter_kill(struct filter_pass *p, uint16_t i, enum dp_drop reason);

/* run_frame.c: runs p->cur on frame 'i' of the burst, whatever the frame and the slot are like.
 * The verdict in '*ret_verdict', or why the frame cannot go on; DP_N_DROPS: it can. */
enum dp_drop filter_run_frame(struct filter_pass *p, uint16_t i, uint32_t *ret_verdict);

/* run_send.c */
uint32_t filter_targets(struct dp_filter_chain *chain, const struct dp_filter_burst *burst,
			const struct dp_filter_fate *fate, struct dp_filter_target *ret);
void filter_refused(struct dp_filter_chain *chain, const struct dp_filter_burst *burst,
		    const struct dp_filter_fate *fate);
enum dp_drop filter_leave(struct dp_filter_chain *chain, struct dp_filter_burst *burst,
			  struct rte_mbuf **m, uint16_t port, const void *way);

/* run_env.c */
extern const struct ebpf_ops filter_ebpf_ops;
/* Control thread: reads both clocks. */
void filter_time_read(struct filter_modules *set);
uint64_t filter_now_ns(struct filter_worker *fw);

/* chain.c: what a program does, with what its tail calls may do. */
uint32_t filter_does(const struct ebpf_prog *prog);

/* place.c; control thread */

/* The account of that name, a reference of its own.  NULL when there is no memory. */
struct filter_place *filter_place_ref(struct filter_module *m, const char *where);
/* Takes NULL. */
void filter_place_unref(struct filter_module *m, struct filter_place *place);
/* NULL: no chain runs the module for that attachment. */
struct filter_place *filter_place_find(const struct filter_module *m, const char *where);

/* module_tick.c: adds what workers counted for the place. */
void filter_place_sum(const struct filter_modules *set, const struct filter_place *place,
		      struct filter_module_stats *sum);

/* module.c; control thread */

/* Its own reference to 'prog'.  NULL when there is no memory. */
struct filter_current *filter_current_create(struct ebpf_prog *prog, uint32_t budget,
					     enum filter_policy policy);
/* A module of that name, which nobody has checked; takes 'cur' and 'object' (may be NULL) unless
 * it fails.  -ENOMEM. */
int filter_module_make(struct filter_modules *set, const char *name, struct filter_current *cur,
		       struct ebpf_object *object, struct filter_module **ret_module,
		       struct err *err);
/* Takes 'cur'; what was there goes when no worker holds it. */
void filter_module_put_current(struct filter_module *m, struct filter_current *cur);

#endif

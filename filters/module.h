/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A filter module: an object (ebpf/object.h) under a name, and the program of it that runs.  What
 * hangs on ports refers to the module, so that a swap of the program is one pointer.
 *
 * 	module "guard" ── current ─► program of object 2       chain of port lan0 ── slot ─► module
 * 	               └─ maps by name: outlive object 1       chain of port web1 ── slot ─► module
 *
 * Swap.  A worker takes 'current' once a burst and runs all frames of it with that.  The new object
 * is loaded, its maps met with the module's of the same names, and only then published; the old one
 * goes after a grace period.  When anything of that fails the module is as it was.
 *
 * Control thread only, but for what the packet path reads (chain_priv.h).
 */
#ifndef FILTERS_MODULE_H
#define FILTERS_MODULE_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct btf;
struct ebpf_map;
struct ebpf_object;
struct ebpf_prog;
struct filter_module;
struct filter_modules;

#define FILTER_MAX_MODULES     256u
#define FILTER_MODULE_NAME_LEN 63u

/* What becomes of frames when a program takes longer than its budget (cycles a packet, as a mean
 * over FILTER_BUDGET_MS): they pass unfiltered, or die (filter-budget), for FILTER_PENALTY_MS; then
 * it is tried again. */
enum filter_policy { FILTER_BYPASS, FILTER_DROP };
#define FILTER_BUDGET_MS  100u
#define FILTER_PENALTY_MS 1000u

struct filter_module_opts {
	const char *name;
	const void *elf; /* borrowed during the call */
	size_t size;
	const char *program; /* NULL: the only XDP program, or the one named as the module */
	uint32_t budget;     /* cycles a packet; 0: none */
	enum filter_policy policy;
	bool interpret;
};

struct filter_modules_opts {
	uint32_t n_cpus; /* most workers there will be: copies of per-CPU maps */
	/* Returns when no worker holds what it read before: dp_synchronize(). */
	void (*wait)(void *arg);
	/* Something that a program printed or output, or that happened to it; 'text' is borrowed.
	 * Called by filter_modules_tick(). */
	void (*event)(void *arg, const char *module, const char *what, const char *text);
	void *arg;
};

int filter_modules_create(const struct filter_modules_opts *opts, struct filter_modules **ret_set,
			  struct err *err);
/* No chain refers to a module any more. */
void filter_modules_destroy(struct filter_modules *set);
/* About ten times a second: budgets, prints, faults. */
void filter_modules_tick(struct filter_modules *set);

/* As ebpf_object_load(), -EEXIST (slug "filter-exists"), -ENOENT (slug "no-program"), -ENOSPC. */
int filter_module_load(struct filter_modules *set, const struct filter_module_opts *opts,
		       struct filter_module **ret_module, struct err *err);
/* The same name with another object (opts->elf) or other options; maps of the same name and
 * definition keep their contents. */
int filter_module_swap(struct filter_module *module, const struct filter_module_opts *opts,
		       struct err *err);
/* Is it sound, would it load?  Changes nothing. */
int filter_module_verify(const struct filter_modules *set, const struct filter_module_opts *opts,
			 struct ebpf_object **ret_object, struct err *err);
/* On no chain any more. */
void filter_module_unload(struct filter_module *module);

struct filter_module *filter_module_find(const struct filter_modules *set, const char *name);
uint32_t filter_modules_list(const struct filter_modules *set, struct filter_module **ret,
			     uint32_t max);

const char *filter_module_name(const struct filter_module *module);
/* Borrowed until the next swap. */
const struct ebpf_object *filter_module_object(const struct filter_module *module);
const struct ebpf_prog *filter_module_prog(const struct filter_module *module);
/* NULL: none of that name. */
struct ebpf_map *filter_module_map(const struct filter_module *module, const char *name);
/* A port is gone: out of all devmaps. */
void filter_modules_port_gone(struct filter_modules *set, uint32_t ifindex);

struct filter_module_stats {
	uint64_t packets, cycles;
	uint64_t pass, drop, aborted, tx, redirect;
	uint64_t refused;  /* verdicts that its role or the switch did not carry out */
	uint64_t bypassed; /* packets that went by while it was over its budget */
	uint64_t budget_drops;
	uint64_t overruns;	  /* times that it was over its budget */
	bool over_budget;	  /* now */
	double cycles_per_packet; /* of the last second with packets */
};
/* Summed over workers, since it was loaded. */
void filter_module_stats(const struct filter_module *module, struct filter_module_stats *ret_stats);
/* Of the chains' slots with this 'where' (chain.h) alone, since the first of them; zeros when there
 * is none.  'over_budget' is the module's. */
void filter_module_stats_at(const struct filter_module *module, const char *where,
			    struct filter_module_stats *ret_stats);

#endif

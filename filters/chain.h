/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A chain: the filters of a port in one direction, in order.  Immutable; made with the view
 * (vswitch/view.c) and freed with it.
 *
 * 	capture   sees and cannot change: a program that writes packets or moves their ends is
 * 		  refused, its verdict counts for nothing
 * 	filter    PASS, DROP, ABORTED, and changes of bytes
 * 	forward   all of that, and TX and REDIRECT (ingress only)
 *
 * A role's order is by number, roles among each other stand as here: first those that see what came
 * in, last those that send.  The whole order is filter_slot_before().
 *
 * The packet path: a burst is made ready once (checksums, linear bytes), then each slot runs its
 * program over those frames that still go on.
 */
#ifndef FILTERS_CHAIN_H
#define FILTERS_CHAIN_H

#include "ctl/base/err.h"
#include "dataplane/filter.h"

#include <stdbool.h>
#include <stdint.h>

struct dp_view;
struct ebpf_prog;
struct filter_module;

enum filter_role { FILTER_ROLE_CAPTURE, FILTER_ROLE_FILTER, FILTER_ROLE_FORWARD, FILTER_N_ROLES };

#define FILTER_MAX_SLOTS 16u

/* One attachment as a chain has it. */
struct filter_slot {
	struct filter_module *module; /* borrowed */
	enum filter_role role;
	uint32_t order;	   /* 0 .. 65535 */
	bool strip_vlan;   /* programs see frames without their outer tag; it is put back */
	bool meta;	   /* struct vswitch_meta lies before the packet (vswitch_filter.h) */
	uint32_t tenant;   /* its id, for that; 0: none */
	const char *where; /* what counts together: the attachment's name; NULL: all such */
};

/* May the module hang there in this role?  0, or -EINVAL (slug "filter-role": what its program does
 * that the role forbids). */
int filter_role_check(const struct filter_module *module, enum filter_role role,
		      enum dp_filter_side side, struct err *err);
/* The same of a program that is not the module's yet, on ingress. */
int filter_role_check_prog(const char *module, const struct ebpf_prog *prog, enum filter_role role,
			   struct err *err);
/* Order in a chain: negative when 'a' runs before 'b'. */
int filter_slot_compare(const struct filter_slot *a, const struct filter_slot *b);

/* 'slots' in any order, at least one, copied with their 'where'.  NULL when there is no memory.
 * Control thread. */
struct dp_filter_chain *filter_chain_create(const struct filter_slot *slots, uint32_t n);
/* Takes NULL. */
void filter_chain_destroy(struct dp_filter_chain *chain);

#endif

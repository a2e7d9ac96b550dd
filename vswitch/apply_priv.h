/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The parts of an apply that have files of their own; see apply.c for the order.
 */
#ifndef VSWITCH_APPLY_PRIV_H
#define VSWITCH_APPLY_PRIV_H

#include "vswitch/vs.h"

struct dp_flood_limit;

/* domains.c: every pair of switch and tenant that the model's ports make has a number. */
int vs_domains_need(struct vs *vs, const struct vs_model *m, struct err *err);
/* Forgets domains that no port belongs to any more.  The published view must not have them. */
void vs_domains_drop(struct vs *vs, const struct vs_model *m);
struct vs_kept_limit {
	struct dp_flood_limit *flood;
	uint64_t rate_bps;
};
/* Gives each domain its flooding limit; 'ret_old' [DP_MAX_DOMAINS] is what they had. */
int vs_domains_limit(struct vs *vs, const struct vs_model *m, struct vs_kept_limit *ret_old);
/* Frees the limits that the published view does not have; where that is still the old one, they
 * become what they were. */
void vs_domains_settle(struct vs *vs, const struct vs_kept_limit *old, bool published);

/* static_macs.c: from one model's static addresses to another's, all or none. */
int vs_macs_change(struct vs *vs, const struct vs_model *before, const struct vs_model *after,
		   struct err *err);
/* Addresses learned under another tenant or VLAN mean nothing any more. */
void vs_macs_forget_moved(struct vs *vs, const struct vs_model *before,
			  const struct vs_model *after);

#endif

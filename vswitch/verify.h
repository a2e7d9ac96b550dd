/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A proof of isolation from the running tables: see verify.c.
 */
#ifndef VSWITCH_VERIFY_H
#define VSWITCH_VERIFY_H

#include "ctl/base/err.h"
#include "dataplane/view.h"
#include "vswitch/vs.h"

/* Can a frame that comes in by 'in' ever leave by 'out', whatever its addresses and tags and
 * whatever is learned?  Reads the view only. */
bool vs_can_reach(const struct dp_view *view, const struct dp_vport *in,
		  const struct dp_vport *out);

/* Proves for one switch (NULL: all) that no two tenants and no two switches meet, that a private
 * switch reaches no host and that only an external one reaches a wire.  Each mirror of its ports is
 * a row of its own: an exception that somebody named.  *ret: {"ok", "checks":
 * [{"switch", "check", "ok", "detail"}]}. */
int vs_verify(const struct vs *vs, const struct vs_switch *sw, json_t **ret, struct err *err);

#endif

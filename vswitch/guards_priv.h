/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards as they run; see guards.h.  Control thread.
 */
#ifndef VSWITCH_GUARDS_PRIV_H
#define VSWITCH_GUARDS_PRIV_H

#include "dataplane/guard.h"
#include "dataplane/notice.h"
#include "vswitch/guards.h"
#include "vswitch/vs.h"

struct vs_bindings;
struct vs_notices;

/* What vs.policy[VS_POLICY_GUARD] is. */
struct vs_guards {
	struct dp_guard *guards[DP_MAX_PORTS]; /* as compiled last; NULL: the port has none */
	uint64_t held_until_ns[DP_MAX_PORTS];  /* of ports that VS_HELD_BPDU holds */
	struct vs_bindings *bindings;
	struct vs_notices *notices;
};

static inline struct vs_guards *vs_guards(const struct vs *vs)
{
	return vs->policy[VS_POLICY_GUARD];
}

/* Holds a port that sent a bridge protocol frame, and tells. */
void vs_guard_hold(struct vs *vs, uint16_t id);
/* False: it is not held for that. */
bool vs_guard_let_go(struct vs *vs, uint16_t id, const char *why);
/* What its guard caught, zeros where there is none; returns the sum. */
uint64_t vs_guard_counts(const struct vs *vs, uint16_t id, struct dp_guard_counts *ret_counts);

/* bindings.c: learned addresses.  'path': the file that keeps them over a restart; NULL: none. NULL
 * when there is no memory. */
struct vs_bindings *vs_bindings_create(const char *path);
/* Takes NULL. */
void vs_bindings_destroy(struct vs_bindings *b);
/* The daemon ends: what is learned now is written, and nothing after. */
void vs_bindings_keep(struct vs *vs);
/* Binds what the file said of ports of 'm', once; they have their ids and domains. */
void vs_bindings_restore(struct vs *vs, const struct vs_model *m);
/* Takes back what no longer holds under 'm': of ports that learn nothing, or moved. */
void vs_bindings_settle(struct vs *vs, const struct vs_model *m);
void vs_bindings_tick(struct vs *vs);
/* One of the file: port, domain and 'until_ms' of 'binding' are not filled in.  Borrows from the
 * JSON.  False: it is none. */
struct vs_kept_binding {
	const char *port;
	struct dp_guard_binding binding;
	uint64_t until_wall_ms; /* since 1970; 0: for ever */
};
bool vs_binding_parse(const json_t *json, struct vs_kept_binding *ret);
/* Learned ones of a port. */
unsigned vs_bindings_count(const struct vs *vs, uint16_t id);
/* "dhcp4": where a binding comes from (enum dp_guard_how). */
const char *vs_binding_how(uint8_t how);
/* Takes back learned addresses of a port, one or all (NULL).  Returns how many. */
unsigned vs_bindings_drop(struct vs *vs, uint16_t id, const struct dp_ip *ip);

/* notices.c: what workers tell (dataplane/notice.h) becomes events.  NULL when there is no memory.
 */
struct vs_notices *vs_notices_create(void);
void vs_notices_destroy(struct vs_notices *n);
void vs_notices_tick(struct vs *vs);
void vs_notices_port_gone(struct vs *vs, uint16_t id);

#endif

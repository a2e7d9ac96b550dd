/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the controllers of a switch; see controllers.h.
 *
 * 	controllers.c       targets and connections, from one model to the next
 * 	controllers_list.c  what people see of them
 * 	controllers_aux.c   auxiliary connections
 * 	fail_mode.c         the switch without them
 */
#ifndef VSWITCH_CONTROLLERS_PRIV_H
#define VSWITCH_CONTROLLERS_PRIV_H

#include "vswitch/channel.h"
#include "vswitch/controllers.h"
#include "vswitch/remote.h"

struct vs_tls;
struct vs_controller_aux;

/* A target of a switch. */
struct vs_controller_live {
	struct vs_controller_live *next;
	struct vs_controllers *of;
	struct vs_remote *remote;
	struct vs_tls *tls;
	bool management; /* the socket that is always there */
	bool fresh;	 /* made by an apply that is not committed */
	unsigned probe_ms;
	struct vs_channel *main; /* of a target that connects: up; NULL: it is not */
	struct vs_controller_aux *aux[VS_MAX_AUX];
	unsigned n_aux;		       /* wanted */
	uint64_t since_ns;	       /* in this state, as far as connections tell */
	struct vs_channel_counts past; /* of connections that are gone */
};

/* Of one switch. */
struct vs_controllers {
	struct vs *vs;
	char sw[64];
	bool fresh;
	struct vs_controller_live *list;
	struct vs_channel *opening; /* by 'next': hello is not over; then they are the agent's */
	unsigned n_up;		    /* connections of controllers */
	/* fail_mode.c */
	bool has_targets;
	bool secure;
	bool alone;	  /* the switch learns by a rule of ours */
	uint64_t lost_ns; /* when the last controller went */
	unsigned probe_ms;
};

/* By which of its targets a connection came. */
struct vs_controller_live *vs_controllers_of(const struct vs_controllers *c,
					     const struct vs_channel *ch);

/* controllers_aux.c.  The main connection is up, or options changed: those that are wanted are
 * opened, others closed. */
void vs_aux_open(struct vs_controller_live *live);
/* From the one with this index on (its id is one more); 0: all.  The main connection goes. */
void vs_aux_close(struct vs_controller_live *live, unsigned from);
typedef void (*vs_aux_fn)(void *arg, const struct vs_remote *remote, const struct vs_channel *ch,
			  unsigned id);
/* 'ch' may be NULL. */
void vs_aux_each(const struct vs_controller_live *live, vs_aux_fn fn, void *arg);

/* fail_mode.c: the configuration may have changed; the first controller came, or the last went;
 * time passes. */
void vs_fail_mode_configure(struct vs_controllers *c, bool has_targets, bool secure);
void vs_fail_mode_changed(struct vs_controllers *c);
void vs_fail_mode_tick(struct vs_controllers *c);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Taking over an uplink that carries the host's address: the addresses and routes move from the
 * interface to the switch's host port, and back when either leaves.  See takeover.c.
 */
#ifndef VSWITCH_TAKEOVER_H
#define VSWITCH_TAKEOVER_H

#include "ctl/base/err.h"
#include "vswitch/model.h"

struct vs;
struct vs_takeovers;

/* 'path' is the file that remembers what was moved while this process lives; what a dead process
 * left in it is moved back now. */
int vs_takeovers_create(const char *path, struct vs_takeovers **ret_takeovers, struct err *err);
/* Moves everything back. */
void vs_takeovers_destroy(struct vs_takeovers *takeovers);

/* Moves back what 'after' does not want any more.  Before its devices are closed. */
void vs_takeovers_release(struct vs *vs, const struct vs_model *after);
/* Moves what 'model' wants and has not.  After its devices are open. */
int vs_takeovers_engage(struct vs *vs, const struct vs_model *model, struct err *err);
/* Has what 'p' takes over somewhere to go in 'model'?  0, or -EINVAL ("no-host-port"). */
int vs_takeovers_probe(const struct vs_model *model, const struct vs_port *p, struct err *err);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Captures and ports: which running capture watches which port, as ports come and go.  Control
 * thread.
 */
#ifndef VSWITCH_CAPTURES_H
#define VSWITCH_CAPTURES_H

#include "ctl/base/err.h"

struct vs_captures;
struct vs_daemon;

int vs_captures_create(struct vs_daemon *daemon, struct vs_captures **ret_captures,
		       struct err *err);
void vs_captures_destroy(struct vs_captures *captures);
/* The configuration changed: ports that came join the captures of their switch or tenant, ports
 * that went leave. */
void vs_captures_sync(struct vs_captures *captures);
/* A port has another device: what watched it watches the new one. */
void vs_captures_renew(struct vs_captures *captures, const char *port);

#endif

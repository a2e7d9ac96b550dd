/* SPDX-License-Identifier: BSD-2-Clause
 *
 * NICs of guests on VMBus, as the switch has them configured: ports of kind vmbus.
 */
#ifndef VSWITCH_NIC_H
#define VSWITCH_NIC_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct vs;
struct vs_live;

/* Where the worker of the guest behind a port connects: "RUN DIR/nic/PORT.sock".  0; -ENOENT: the
 * switch has no folder for sockets; -ENAMETOOLONG: no unix socket has so long a path. */
int vs_nic_socket(const struct vs *vs, const char *port, char *path, size_t size, struct err *err);
/* A new connection to the attach socket of a NIC, for its worker to have; the caller's.  A negative
 * errno: the port is not open, or has too many who wait. */
int vs_nic_connect(const struct vs *vs, const char *port);
/* Is the port open with nobody attached? */
bool vs_nic_waits(const struct vs *vs, const char *port);
/* The device of a port is about to be closed, for another configuration and not because the switch
 * stops: the guest loses its NIC, until the port is opened 'again'.  Ports of other kinds do not
 * mind. */
void vs_nic_withdraw(struct vs_live *live, bool again);

#endif

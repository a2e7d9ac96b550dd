/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a controller is, as administrators of Open vSwitch write it: "tcp:10.0.0.1:6653",
 * "tls:[fd00::1]:6653" ("ssl:" means the same), "unix:/run/c.sock"; and where one may come to:
 * "ptcp:6653", "ptls:6653:10.0.0.2", "punix:/run/sw.sock".
 *
 * Hosts are addresses, not names: nothing on the way to a controller may hang on a name server that
 * is reached through the very switch that the controller programs.  No state, any thread.
 */
#ifndef VSWITCH_TARGET_H
#define VSWITCH_TARGET_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define VS_TARGET_PORT	    6653 /* OpenFlow's, where none is said */
#define VS_TARGET_TEXT_SIZE 160

struct vs_target {
	char text[VS_TARGET_TEXT_SIZE]; /* as it was written */
	bool tls, local, listens;
	struct sockaddr_storage address; /* of a unix socket, too */
	socklen_t address_size;
};

/* -EINVAL, slug "bad-target". */
int vs_target_parse(const char *text, struct vs_target *ret_target, struct err *err);
/* A unix socket, or an address of this host that no other reaches. */
bool vs_target_is_loopback(const struct vs_target *target);
/* "10.0.0.1:6653", "[fd00::1]:6653", a path. */
void vs_address_format(const struct sockaddr *address, char *text, size_t size);

#endif

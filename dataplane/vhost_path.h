/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The socket path of a vhost-user port: what can be wrong with it, said before librte_vhost says
 * "failed to bind" in a log.  Control thread.
 */
#ifndef DATAPLANE_VHOST_PATH_H
#define DATAPLANE_VHOST_PATH_H

#include "ctl/base/err.h"

#include <stdbool.h>

/* Could a server listen at 'path', or a client connect to it?  Touches nothing, but that a socket
 * in a server's way is tried for somebody who listens.  Errors: those of the next. */
int dp_vhost_path_check(const char *path, bool server, struct err *err);

/* Checks 'path' and, for a server, makes room for it: removes a socket that nobody listens on (what
 * a daemon that died leaves behind), and nothing else.  0, -EINVAL, -ENAMETOOLONG, -ENOENT,
 * -ENOTDIR, -EACCES, -EADDRINUSE, -EEXIST (a file that is no socket). */
int dp_vhost_path_prepare(const char *path, bool server, struct err *err);

/* Why a client finds no peer at 'path' now, for people.  Never blocks.  Borrowed, static. */
const char *dp_vhost_path_why_no_peer(const char *path);

#endif

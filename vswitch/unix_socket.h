/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A listening unix socket in the file system, made as the control socket is (ctl/server_path.c):
 * closed to others from its first moment, replacing what a killed daemon left, and nothing else.
 * Control thread.
 */
#ifndef VSWITCH_UNIX_SOCKET_H
#define VSWITCH_UNIX_SOCKET_H

#include "ctl/base/err.h"

#include <sys/types.h>

struct vs_unix_socket {
	int fd; /* listens; -1: none */
	char path[108];
	dev_t dev;
	ino_t ino;
};

#define VS_NO_GROUP ((gid_t)-1)

/* Its directory must be there and nobody but its owner and root may write to it, or the socket
 * could be changed for another's.  Who may connect: the daemon's user, and members of 'group'
 * (VS_NO_GROUP: no more).  'path' is of at most 107 bytes. */
int vs_unix_listen(const char *path, gid_t group, struct vs_unix_socket *ret_socket,
		   struct err *err);
/* Takes the file away, if it is still ours; the caller closes 'fd'. */
void vs_unix_remove(const struct vs_unix_socket *socket);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A listening unix socket in the file system: closed to others from its first moment, replacing
 * what a killed daemon left, and nothing else.  No thread owns it.
 */
#ifndef CTL_BASE_UNIX_SOCKET_H
#define CTL_BASE_UNIX_SOCKET_H

#include "ctl/base/err.h"

#include <sys/types.h>

struct unix_socket {
	int fd; /* listens; -1: none */
	char path[108];
	dev_t dev;
	ino_t ino;
};

#define UNIX_NO_GROUP ((gid_t)-1)

/* Its directory must be there and nobody but its owner and root may write to it, or the socket
 * could be changed for another's.  Who may connect: the daemon's user, and members of 'group'
 * (UNIX_NO_GROUP: no more).  'path' is of at most 107 bytes; 'type' is SOCK_STREAM or
 * SOCK_SEQPACKET.  -EADDRINUSE: somebody listens there. */
int unix_socket_listen(const char *path, int type, gid_t group, struct unix_socket *ret_socket,
		       struct err *err);
/* Takes the file away, if it is still ours; the caller closes 'fd'. */
void unix_socket_remove(const struct unix_socket *socket);

#endif

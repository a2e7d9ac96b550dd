/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine's folder: a lock that says that its worker lives, the listening sockets, exit.json.
 * All are opened before the worker locks itself in, and it cannot take them away later: who comes
 * next replaces them (the kernel drops the lock with the process).
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_FOLDER_H
#define HV_WORKER_FOLDER_H

#include "ctl/base/err.h"
#include "ctl/base/unix_socket.h"

#include <stdbool.h>

#include <jansson.h>

struct folder {
	int pid_fd;  /* locked; -1: not opened */
	int exit_fd; /* exit.json, empty yet; -1 */
	char pid_path[108], exit_path[108];
	struct unix_socket control, console, vsock; /* fd -1: not opened, or handed on */
};

/* 'dir' is there.  'group' may use console and streams too (UNIX_NO_GROUP: nobody); 'vsock': there
 * are streams.  -EBUSY (slug "already-running"): another worker has the folder. */
int folder_open(const char *dir, gid_t group, bool vsock, struct folder *ret_folder,
		struct err *err);
/* Closes what is open. */
void folder_close(struct folder *folder);
/* Before the worker is locked in: takes away what it made. */
void folder_remove(struct folder *folder);
/* Writes exit.json; takes the reference. */
void folder_write_exit(struct folder *folder, json_t *outcome);

#endif

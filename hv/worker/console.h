/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The console socket: the bytes of the guest's serial port, both ways, for up to
 * CONSOLE_MAX_CLIENTS at once.  Who comes gets what the port remembers first; who falls so far
 * behind that the port has forgotten what he did not read is cut off.  What is typed waits for the
 * guest in the client's socket, once the port is full.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_CONSOLE_H
#define HV_WORKER_CONSOLE_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONSOLE_MAX_CLIENTS 4

struct console;
struct event_base;

struct console_opts {
	struct event_base *base;
	int listen_fd; /* of type SOCK_STREAM, nonblocking; taken */
	uid_t uid;     /* who may connect besides root */
	bool has_group;
	gid_t group; /* and its members */
	/* The port: hv_serial_read() and hv_serial_write(), or a test's; and a descriptor that is
	 * readable when there is output, or room for what is typed after there was none. */
	size_t (*read)(void *ctx, uint64_t *at, void *to, size_t size);
	size_t (*write)(void *ctx, const void *bytes, size_t size);
	int fd;
	void *ctx;
};

int console_create(const struct console_opts *opts, struct console **ret_console, struct err *err);
/* Before the end: what the guest sent last, as far as clients take it at once.  Takes NULL. */
void console_flush(struct console *console);
/* Takes NULL. */
void console_destroy(struct console *console);

#endif

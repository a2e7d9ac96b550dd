/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The connection to the control socket of a VM's worker: requests go out and are answered, events
 * come in (docs/vmworker.md).  Nothing here waits.  A worker that sends faster than it is listened
 * to waits itself; one that breaks the protocol is cut off.  Control thread only.
 */
#ifndef VSWITCH_VM_LINK_H
#define VSWITCH_VM_LINK_H

#include "ctl/base/err.h"

#include <sys/socket.h>
#include <sys/types.h>

#include <jansson.h>

struct event_base;
struct vs_vm_link;

/* The answer (borrowed), or NULL with the reason: refused, too late, or the connection ended. */
typedef void (*vs_vm_answer_fn)(void *arg, const json_t *result, const struct err *err);

struct vs_vm_link_ops {
	void (*event)(void *ctx, const char *name, const json_t *event);
	/* The connection has ended, not by vs_vm_link_close(), which is still to be called. */
	void (*lost)(void *ctx, const char *why);
};

/* Connects to the socket at 'path'.  -ECONNREFUSED, -ENOENT: nobody is there.  'ret_peer' is who
 * listens.  From its callbacks all functions here may be called. */
int vs_vm_link_open(struct event_base *base, const char *path, const struct vs_vm_link_ops *ops,
		    void *ctx, struct vs_vm_link **ret_link, struct ucred *ret_peer,
		    struct err *err);
/* What is not answered yet is answered with an error, from here.  Takes NULL. */
void vs_vm_link_close(struct vs_vm_link *link);

/* Deals with what has come, as when the loop finds it: the last words of a process that is gone.
 * The link may be closed after it, by its callbacks.  Takes NULL. */
void vs_vm_link_drain(struct vs_vm_link *link);

/* Takes 'params' (an object, may be NULL).  'fd' (-1: none) is borrowed and goes along.  'fn' (may
 * be NULL) runs once, never from here; when this fails it does not. */
int vs_vm_link_ask(struct vs_vm_link *link, const char *method, json_t *params, int fd,
		   unsigned timeout_ms, vs_vm_answer_fn fn, void *arg, struct err *err);
/* The same with several descriptors, of which 'n_fds' are given. */
#define VS_VM_MAX_FDS 4u
int vs_vm_link_ask_fds(struct vs_vm_link *link, const char *method, json_t *params, const int *fds,
		       unsigned n_fds, unsigned timeout_ms, vs_vm_answer_fn fn, void *arg,
		       struct err *err);

#endif

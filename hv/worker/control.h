/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's control socket: packets of JSON, with descriptors where a method takes some
 * (docs/vmworker.md).  Here is how they come and go; what they mean is in a table of methods, given
 * from above.
 *
 * 	client ──{"id", "method", ..}──► control_method.call() ──► control_reply() or
 * control_refuse() now or later, once all clients ◄──{"event", ..}── control_event()
 *
 * Clients are people's programs: at most CONTROL_MAX_CLIENTS, each with bounded output; who does
 * not read is cut off.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_CONTROL_H
#define HV_WORKER_CONTROL_H

#include "ctl/base/err.h"

#include <sys/types.h>

#include <jansson.h>

#define CONTROL_MAX_CLIENTS 4
#define CONTROL_MAX_PACKET  65536  /* bytes */
#define CONTROL_MAX_FDS	    3	   /* of a packet */
#define CONTROL_MAX_QUEUED  262144 /* bytes that wait for a client to read */
#define CONTROL_MAX_CALLS   64	   /* not answered yet, of all clients */

struct control;
struct control_call;
struct event_base;

struct control_method {
	const char *name;
	unsigned n_fds; /* that it comes with */
	void (*call)(void *ctx, struct control_call *call);
};

struct control_opts {
	struct event_base *base;
	int listen_fd;			      /* of type SOCK_SEQPACKET, nonblocking; taken */
	uid_t uid;			      /* who may connect besides root */
	const struct control_method *methods; /* end with a name of NULL; borrowed */
	void *ctx;
};

int control_create(const struct control_opts *opts, struct control **ret_control, struct err *err);
/* Calls that are not answered must not be answered any more.  Takes NULL. */
void control_destroy(struct control *control);
/* Says 'event' to all clients; takes the reference, adds "event": 'name'. */
void control_event(struct control *control, const char *name, json_t *event);
unsigned control_n_clients(const struct control *control);
/* Tries to get rid of what waits for clients, for at most 'ms'; for the end. */
void control_flush(struct control *control, unsigned ms);

/* ---- A call, until it is answered ---- */

/* Its parameters: the packet itself, an object. */
const json_t *control_params(const struct control_call *call);
/* The n-th descriptor, the caller's to close from now on; -1: none, or taken. */
int control_take_fd(struct control_call *call, unsigned n);
/* Ends the call; takes the reference; NULL: {}. */
void control_reply(struct control_call *call, json_t *result);
void control_refuse(struct control_call *call, const struct err *err);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Streams between ports of the guest (AF_VSOCK, vmbus/hvsock.h) and unix sockets of the host, in
 * the way that other hypervisors have made usual:
 *
 * 	host to guest   a client connects to vsock.sock and writes "CONNECT PORT\n"; when the
 * guest's program has taken the connection it reads "OK PORT\n", the host's port, and from then on
 * bytes.  It is closed when nobody listens there. guest to host   the guest connects to a port of
 * the host (CID 2): who wants to be found there listens on vsock.sock_PORT.  A caged worker
 * connects nowhere: it asks (an event at its control socket), and is handed the connection.
 *
 * Each has 16 KB of a buffer each way; then the kernel's socket and the guest's ring fill, and who
 * writes waits.  One side's end is told to the other, which may go on (half-close).  Clients are
 * people's programs and guests are guests: at most VSOCK_MAX streams, and who does not finish
 * connecting within VSOCK_CONNECT_S is closed.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_VSOCK_H
#define HV_WORKER_VSOCK_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define VSOCK_MAX	128 /* streams at a time, with those that the guest has not let go of */
#define VSOCK_CONNECT_S 10

struct event_base;
struct vmbus_server;
struct vsocks;

struct vsocks_opts {
	struct event_base *base;
	int listen_fd; /* of type SOCK_STREAM, nonblocking; taken */
	struct vmbus_server *server;
};

int vsocks_create(const struct vsocks_opts *opts, struct vsocks **ret_vsocks, struct err *err);
/* Ends all streams.  Takes NULL. */
void vsocks_destroy(struct vsocks *vsocks);

/* The guest wants to be connected to a port of the host's: may somebody be asked for it?  Counts,
 * and limits how often. */
bool vsocks_ask(struct vsocks *vsocks);
/* The guest's port is connected to one of the host's, which is 'fd', a connected stream socket;
 * taken, also on failure.  Slugs "limit", "in-use". */
int vsocks_attach(struct vsocks *vsocks, uint32_t guest_port, uint32_t host_port, int fd,
		  struct err *err);

/* {"streams", "opened", ..}; a new reference; NULL for NULL. */
json_t *vsocks_stats(const struct vsocks *vsocks);

#endif

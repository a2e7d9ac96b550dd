/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where flow records go: a collector, reached by UDP or TCP through the daemon's own network
 * namespace.  Nothing here waits: what cannot be sent now is lost, and counted.
 *
 * 	UDP	socket, connected, so that the host's refusals come back
 * 	TCP	waiting ─ connect ─► connecting ─► connected ─ closed, silent ─► waiting, longer
 * each time
 *
 * Addresses, not names: nothing on the way to a collector may hang on a name server that is reached
 * through this very switch.  Control thread.
 */
#ifndef VSWITCH_COLLECTOR_H
#define VSWITCH_COLLECTOR_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct event_base;
struct vs_collector;

#define VS_COLLECTOR_TEXT_SIZE 80
#define VS_COLLECTOR_BACKLOG   (1u << 20) /* bytes that wait for a TCP connection */

struct vs_collector_address {
	char text[VS_COLLECTOR_TEXT_SIZE]; /* "udp:10.0.0.9:4739", always with its port */
	bool tcp;
	struct sockaddr_storage address;
	socklen_t address_size;
};

/* "udp:10.0.0.9:4739", "tcp:[fd00::9]"; 'port' where none is said.  -EINVAL, slug
 * "bad-collector". */
int vs_collector_parse(const char *text, uint16_t port, bool udp_only,
		       struct vs_collector_address *ret_address, struct err *err);

enum vs_collector_state { VS_COLLECTOR_WAITING, VS_COLLECTOR_CONNECTING, VS_COLLECTOR_OPEN };

struct vs_collector_info {
	enum vs_collector_state state;
	uint64_t since_ns; /* CLOCK_MONOTONIC, of the state */
	uint64_t messages, bytes, lost_messages, lost_bytes;
	uint64_t sessions; /* how often it became open */
	const char *error; /* the last; "": none */
	uint64_t error_ns; /* when; 0: none */
};

/* 'opened' is called when a session begins, also from within the event loop: the far end knows
 * nothing then.  -ENOMEM. */
int vs_collector_create(struct event_base *base, const struct vs_collector_address *address,
			void (*opened)(void *ctx, struct vs_collector *c), void *ctx,
			struct vs_collector **ret_collector);
/* Sends what a connection still has, without waiting.  Takes NULL. */
void vs_collector_destroy(struct vs_collector *c);

/* False: it is lost. */
bool vs_collector_send(struct vs_collector *c, const void *bytes, size_t size);
/* About ten times a second: tries again to open what is not. */
void vs_collector_tick(struct vs_collector *c);
void vs_collector_info(const struct vs_collector *c, struct vs_collector_info *ret_info);
const struct vs_collector_address *vs_collector_address(const struct vs_collector *c);
/* Where the other end sees us; false: not known. */
bool vs_collector_local(const struct vs_collector *c, struct sockaddr_storage *ret_address);
/* No use of it is known to have failed lately: a session is open, and nobody refused. */
bool vs_collector_is_well(const struct vs_collector *c);

#endif

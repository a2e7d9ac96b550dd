/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One connection between a switch and a controller: TCP, TLS or a unix socket, made by either side
 * (OpenFlow 1.3.5, 6.3).  It finds messages in bytes, says hello, keeps the connection alive, and
 * bounds what a controller can make us hold: who does not read is not written to for ever.
 *
 * Control thread.
 */
#ifndef VSWITCH_CHANNEL_H
#define VSWITCH_CHANNEL_H

#include "vswitch/of/header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vs_agent;
struct vs_bundles;
struct vs_parts;
struct vs_reply;

/* What the agent keeps for a connection, and reads. */
struct vs_channel {
	struct vs_channel *next;
	struct vs_agent *agent;
	enum of_role_type role; /* EQUAL until asked otherwise */
	struct of_async async;
	struct vs_bundles *bundles; /* agent_bundle.c; NULL: none open */
	struct vs_parts *parts;	    /* agent_multipart.c: a request of which more is to come */
	struct vs_reply *reply;	    /* agent_reply.c: a long answer under way, or NULL */
	bool busy; /* it is not over: hand in no message until vs_agent_drained() clears this */
	bool up;   /* hello was exchanged: messages may be sent */
};

/* Sends whole messages.  Borrows them.  When the peer does not read and too much waits, answers
 * end the connection and 'may_drop' messages (packet-ins) are dropped and counted. */
void vs_channel_send(struct vs_channel *ch, const void *msgs, size_t size, bool may_drop);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One connection between a switch and a controller: TCP, TLS or a unix socket, made by either side
 * (OpenFlow 1.3.5, 6.3).  It finds messages in bytes, says hello, keeps the connection alive, and
 * bounds what a controller can make us hold: who does not read is not written to for ever.
 *
 * 	bytes ─► hello ─► up ─► echo: answered here; all else: ops->message()
 * 	           │       │
 * 	           └───────┴──► gone: ops->gone() with the reason, then it is freed
 *
 * What waits to be sent bounds what is read: beyond VS_CHANNEL_PAUSE the peer's next message is not
 * looked at until it has read its answers.  So at most one answer goes beyond, and
 * VS_CHANNEL_MAX_OUT ends the connection even so.
 *
 * A peer that sends without pause has a share of each turn of the event loop, no more.
 *
 * Control thread.
 */
#ifndef VSWITCH_CHANNEL_H
#define VSWITCH_CHANNEL_H

#include "vswitch/of/header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VS_CHANNEL_PAUSE      (256u * 1024)
#define VS_CHANNEL_MAX_ASYNC  (1024u * 1024)
#define VS_CHANNEL_MAX_OUT    (512u * 1024 * 1024)
#define VS_CHANNEL_PROBE_MS   5000
#define VS_CHANNEL_N_SILENT   3 /* so many probe intervals without a sign of life end it */
#define VS_CHANNEL_REASON_MAX 160

struct bufferevent;
struct vs_agent;
struct vs_bundles;
struct vs_channel;
struct vs_parts;
struct vs_remote;
struct vs_reply;

struct vs_channel_ops {
	/* Hello was exchanged.  May be NULL. */
	void (*up)(void *ctx, struct vs_channel *ch);
	/* A whole message of version 1.3 that is not hello, echo or an error.  Borrows 'msg'. */
	void (*message)(void *ctx, struct vs_channel *ch, const struct of_header *header,
			const uint8_t *msg);
	/* Little waits to be sent, and 'busy' is set: a long answer goes on. */
	void (*drained)(void *ctx, struct vs_channel *ch);
	/* It ended; it is freed when this returns. */
	void (*gone)(void *ctx, struct vs_channel *ch, const char *reason);
};

struct vs_channel_opts {
	const struct vs_channel_ops *ops; /* borrowed as long as the channel lives */
	void *ctx;
	unsigned probe_ms; /* 0: VS_CHANNEL_PROBE_MS */
};

struct vs_channel_counts {
	uint64_t rx_messages, tx_messages;
	uint64_t dropped; /* asynchronous messages that the peer was too slow for */
	uint64_t garbage; /* messages that are none */
	uint64_t errors;  /* error messages of the peer */
};

void vs_channel_counts_add(struct vs_channel_counts *to, const struct vs_channel_counts *from);

/* What the agent keeps for a connection, and reads.
 *
 * A controller may have auxiliary connections beside its main one (6.3.5; controllers_aux.c).  Role
 * and wishes are the controller's: only the main connection's count (vs_channel_main()), and only
 * main connections are in the agent's list. */
struct vs_channel {
	struct vs_channel *next;
	struct vs_agent *agent;
	struct vs_channel *main; /* of an auxiliary one: whose it is; NULL: it is a main one */
	struct vs_channel *aux;	 /* a main one's, that have said hello, by 'next' */
	uint8_t aux_id;		 /* 0: it is a main one */
	enum of_role_type role;	 /* EQUAL until asked otherwise */
	struct of_async async;
	uint16_t miss_send_len; /* bytes of a packet that no output sent to controllers (7.3.2) */
	struct vs_bundles *bundles; /* agent_bundle.c; NULL: none open */
	bool management;	    /* of the management socket: no controller */
	struct vs_remote *remote;   /* by which target it came; NULL: by none */
	char peer[64];		    /* for people: "10.0.0.1:6653" */
	uint64_t since_ns;	    /* up since, CLOCK_MONOTONIC */
	struct vs_channel_counts counts;
	struct vs_parts *parts; /* agent_multipart.c: a request of which more is to come */
	struct vs_reply *reply; /* agent_reply.c: a long answer under way, or NULL */
	bool busy; /* it is not over: hand in no message until vs_agent_drained() clears this */
	bool up;   /* hello was exchanged: messages may be sent */
};

/* Where the controller's role and wishes are. */
static inline struct vs_channel *vs_channel_main(struct vs_channel *ch)
{
	return ch->main != NULL ? ch->main : ch;
}

/* Takes 'bev', also on failure; it is connected, or TLS that still shakes hands.  Says hello at
 * once.  0 or -ENOMEM. */
int vs_channel_create(struct bufferevent *bev, const struct vs_channel_opts *opts,
		      struct vs_channel **ret_ch);
/* At once and without ops->gone().  Not from ops->message(): there it is vs_channel_end().  Takes
 * NULL. */
void vs_channel_destroy(struct vs_channel *ch);

/* Sends whole messages.  Borrows them.  When the peer does not read and too much waits, answers
 * end the connection and 'may_drop' messages (packet-ins) are dropped and counted. */
void vs_channel_send(struct vs_channel *ch, const void *msgs, size_t size, bool may_drop);

/* Ends it soon: what was sent before still goes out if the peer takes it.  The first reason stays.
 * From anywhere. */
void vs_channel_end(struct vs_channel *ch, const char *reason);

/* Bytes that wait to be sent. */
size_t vs_channel_waiting(const struct vs_channel *ch);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A target (target.h) at work: connects there and again when the connection is lost, or listens and
 * takes who comes.  Each connection becomes a channel (channel.h), whose life is then its owner's.
 *
 * 	connects:  waiting ─timer─► connecting ─► connected ─channel gone─► waiting (1 s, 2, 4, 8)
 * 	listens:   listening;  or waiting, and tries again, when the address cannot be had
 *
 * Control thread.
 */
#ifndef VSWITCH_REMOTE_H
#define VSWITCH_REMOTE_H

#include "ctl/base/err.h"
#include "vswitch/channel.h"
#include "vswitch/target.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct vs_remote;
struct vs_tls;

/* A channel is there; hello is on its way.  The owner keeps it and, when it is gone, calls
 * vs_remote_lost(). */
typedef void (*vs_remote_fn)(void *ctx, struct vs_remote *remote, struct vs_channel *ch);

struct vs_remote_opts {
	struct event_base *base;
	struct vs_target target;
	struct vs_channel_opts channel;
	struct vs_tls *tls; /* for a target with TLS; the caller's, until the remote is gone */
	vs_remote_fn opened;
	void *ctx;
	gid_t group;	       /* of a unix socket that listens; unix_socket.h */
	unsigned max_channels; /* of a listener; 0: 32 */
	unsigned retry_ms;     /* the first pause; 0: 1000.  For tests */
};

enum vs_remote_state {
	VS_REMOTE_WAITING,
	VS_REMOTE_CONNECTING,
	VS_REMOTE_CONNECTED,
	VS_REMOTE_LISTENING
};

/* Begins.  What cannot be listened on is an error with nothing left behind; 'patient': it is tried
 * again instead, as a target that does not answer always is. */
int vs_remote_create(const struct vs_remote_opts *opts, bool patient, struct vs_remote **ret_remote,
		     struct err *err);
/* Its channels must be gone.  Takes NULL. */
void vs_remote_destroy(struct vs_remote *remote);

/* A channel of it is gone; 'was_up': it had said hello, so the next try comes soon. */
void vs_remote_lost(struct vs_remote *remote, bool was_up, const char *reason);

const struct vs_target *vs_remote_target(const struct vs_remote *remote);
enum vs_remote_state vs_remote_state(const struct vs_remote *remote);
/* Why it last failed; "": it never did. */
const char *vs_remote_error(const struct vs_remote *remote);
/* For connections that begin from now on. */
void vs_remote_set(struct vs_remote *remote, unsigned probe_ms, struct vs_tls *tls);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket's other end, for the tool and for tests: one connection, one call at a time,
 * blocking.  What the daemon refuses comes back as the same 'struct err' its handler set.  Not
 * thread-safe; a process may have several.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define CTL_SOCKET_PATH "/run/vswitch/control.sock"

struct ctl_client;

/* What goes with a call besides its parameters.  'fds' are borrowed: they stay open here. */
struct ctl_client_opts {
	bool check;	     /* validate and say what would change, change nothing */
	uint64_t confirm_ms; /* roll back after this time unless confirmed; 0: no */
	const int *fds;	     /* at most 8, in the order of the command's CTL_FD_IN and CTL_FD_OUT
				arguments */
	unsigned n_fds;
};

/* Connects.  'timeout_ms' holds for this and for each call; negative: wait without end.
 * -ENOENT or -ECONNREFUSED (slug "daemon-unreachable"), -EACCES ("not-permitted"), -ETIMEDOUT
 * ("timeout"). */
int ctl_client_open(const char *path, int timeout_ms, struct ctl_client **ret_client,
		    struct err *err);
void ctl_client_close(struct ctl_client *client);

/* Calls "noun.verb".  'params' (borrowed) may be NULL: none.  'opts' may be NULL.  Sets *ret_result
 * (a new reference; 'ret_result' may be NULL) and returns 0, or the daemon's error, or -ETIMEDOUT
 * ("timeout") or -ECONNRESET ("daemon-gone"): then nobody knows whether the daemon did it. */
int ctl_client_call(struct ctl_client *client, const char *method, const json_t *params,
		    const struct ctl_client_opts *opts, json_t **ret_result, struct err *err);

/* Waits for the next notification of a stream that a call opened; negative 'timeout_ms': without
 * end, 0: only looks.  Sets *ret_notification (a new reference) to the whole message: {"method",
 * "params", "vswitch": {"call": ID}}.  One without "params" tells of a gap: "vswitch" has "lost",
 * the number of notifications lost right here.  -ETIMEDOUT: none yet (slug "timeout").  -ENODATA:
 * the daemon ended the stream ("stream-end").  -ECONNRESET: the daemon is gone ("daemon-gone"). */
int ctl_client_next(struct ctl_client *client, int timeout_ms, json_t **ret_notification,
		    struct err *err);

/* For poll(): readable when ctl_client_next() may have something.  Borrowed. */
int ctl_client_fd(const struct ctl_client *client);

#endif

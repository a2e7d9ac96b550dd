/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Doing something inside another network namespace.
 *
 * The calling thread never leaves its own: the work runs in a short-lived thread that enters the
 * namespace and ends there.  A thread that went itself would have to come back, and has no good
 * answer when that fails: everything it opened later would silently belong to the wrong tenant's
 * stack.
 *
 * Control thread; blocks until the work is done.
 */
#ifndef DATAPLANE_NETNS_H
#define DATAPLANE_NETNS_H

#include "ctl/base/err.h"

#include <stdbool.h>

/* Calls fn(arg) inside the network namespace 'netns_fd', or right here when that is -1 or our own.
 * Returns what 'fn' returns, or why the namespace could not be entered.  'arg' may point to the
 * caller's stack. */
int dp_netns_call(int netns_fd, int (*fn)(void *arg), void *arg, struct err *err);

/* True when both name the same namespace.  -1 stands for the calling thread's own. */
bool dp_netns_same(int netns_fd, int other_fd);

#endif

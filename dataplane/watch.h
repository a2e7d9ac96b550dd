/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Descriptors that drivers wait for on the control thread: sockets of peers, bells of workers.  The
 * dataplane has no event loop; whoever owns one waits for dp_watch_fd() and calls dp_watch_run().
 *
 * Thread: the control thread.
 */
#ifndef DATAPLANE_WATCH_H
#define DATAPLANE_WATCH_H

struct dp;
struct dp_watch;

/* 'fd' is readable, or its other end is gone.  May add and remove any watch. */
typedef void (*dp_watch_fn)(void *arg);

/* Calls fn(arg) whenever 'fd' is readable (level), until dp_watch_remove().  'fd' is borrowed until
 * then.  NULL: no memory, or the kernel refuses. */
struct dp_watch *dp_watch_add(struct dp *dp, int fd, dp_watch_fn fn, void *arg);
/* Before 'fd' is closed.  Takes NULL.  No call afterwards, not even in the same dp_watch_run(). */
void dp_watch_remove(struct dp *dp, struct dp_watch *watch);

/* Readable when there is something for dp_watch_run(); the dataplane's. */
int dp_watch_fd(const struct dp *dp);
/* Calls who waits for what is readable now, each at most once. */
void dp_watch_run(struct dp *dp);

#endif

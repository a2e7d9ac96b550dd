/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See watch.h.
 */
#include "dataplane/watch.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "dataplane/dp_priv.h"

#define EVENTS 32

/* One that is removed while events are handed out may be among them: it is freed after. */
struct dp_watch {
	int fd;
	dp_watch_fn fn; /* NULL: removed */
	void *arg;
	struct dp_watch *next; /* of those to be freed */
};

struct dp_watch *dp_watch_add(struct dp *dp, int fd, dp_watch_fn fn, void *arg)
{
	struct dp_watch *watch = calloc(1, sizeof(*watch));
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};

	if (watch == NULL)
		return NULL;
	*watch = (struct dp_watch){.fd = fd, .fn = fn, .arg = arg};
	if (epoll_ctl(dp->watch_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return watch;
	free(watch);
	return NULL;
}

void dp_watch_remove(struct dp *dp, struct dp_watch *watch)
{
	if (watch == NULL)
		return;
	epoll_ctl(dp->watch_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fn = NULL;
	if (!dp->watching) {
		free(watch);
		return;
	}
	watch->next = dp->watches_gone;
	dp->watches_gone = watch;
}

int dp_watch_fd(const struct dp *dp)
{
	return dp->watch_fd;
}

void dp_watch_run(struct dp *dp)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(dp->watch_fd, events, EVENTS, 0);

	dp->watching = true;
	for (int i = 0; i < n; i++) {
		struct dp_watch *watch = events[i].data.ptr;

		if (watch->fn != NULL)
			watch->fn(watch->arg);
	}
	dp->watching = false;
	while (dp->watches_gone != NULL) {
		struct dp_watch *next = dp->watches_gone->next;

		free(dp->watches_gone);
		dp->watches_gone = next;
	}
}

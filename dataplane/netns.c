/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Network namespaces; see netns.h.
 */
#include "dataplane/netns.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#define OWN_NETNS "/proc/thread-self/ns/net"

struct visit {
	int netns_fd;
	int (*fn)(void *arg);
	void *arg;
	int enter_rc; /* negative errno: the namespace was not entered, 'fn' not called */
	int fn_rc;
};

static int stat_netns(int netns_fd, struct stat *ret_st)
{
	return netns_fd < 0 ? stat(OWN_NETNS, ret_st) : fstat(netns_fd, ret_st);
}

bool dp_netns_same(int netns_fd, int other_fd)
{
	struct stat a, b;

	if (stat_netns(netns_fd, &a) != 0 || stat_netns(other_fd, &b) != 0)
		return false;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static void *visitor(void *arg)
{
	struct visit *v = arg;

	if (setns(v->netns_fd, CLONE_NEWNET) != 0)
		v->enter_rc = -errno;
	else
		v->fn_rc = v->fn(v->arg);
	return NULL;
}

int dp_netns_call(int netns_fd, int (*fn)(void *arg), void *arg, struct err *err)
{
	struct visit v = {.netns_fd = netns_fd, .fn = fn, .arg = arg};
	pthread_t thread;
	int rc;

	if (netns_fd < 0 || dp_netns_same(netns_fd, -1))
		return fn(arg);
	rc = pthread_create(&thread, NULL, visitor, &v);
	if (rc != 0)
		return err_set(err, -rc, "no-thread", "cannot start a thread: %s", strerror(rc));
	pthread_join(thread, NULL);
	if (v.enter_rc != 0)
		return err_set(err, v.enter_rc, "netns", "cannot enter the network namespace: %s",
			       strerror(-v.enter_rc));
	return v.fn_rc;
}

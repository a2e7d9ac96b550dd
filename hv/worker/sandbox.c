/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See sandbox.h; the filter of system calls is in sandbox_filter.c.
 */
#include "hv/worker/sandbox_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#define SLUG   "sandbox"
#define SPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

static int failed(const char *what, struct err *err)
{
	int rc = err_set(err, -errno, SLUG, "cannot lock the worker in: %s: %s", what,
			 strerror(errno));

	err_why(err, "a machine is not run by a process that it could escape from");
	return rc;
}

/* ---- Before there are threads ---- */

static int write_map(const char *path, unsigned id)
{
	char text[40];
	int size = snprintf(text, sizeof(text), "%u %u 1", id, id);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? write(fd, text, (size_t)size) : -1;

	if (fd >= 0)
		close(fd);
	return n == size ? 0 : -1;
}

/* Who is not root makes a name space in which it may make the others, and stays who it is. */
static int own_user_space(struct err *err)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int fd;

	if (unshare(CLONE_NEWUSER) != 0)
		return failed("a user name space", err);
	fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, "deny", 4);
		close(fd);
	}
	if (write_map("/proc/self/uid_map", uid) != 0 || write_map("/proc/self/gid_map", gid) != 0)
		return failed("user ids", err);
	return 0;
}

int sandbox_prepare(const struct sandbox_opts *opts, struct err *err)
{
	int rc = geteuid() != 0 ? own_user_space(err) : 0;

	if (rc != 0)
		return rc;
	if (unshare(SPACES) != 0)
		return failed("name spaces", err);
	/* Nothing that is mounted here shows outside, nor what comes outside here. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return failed("mounts", err);
	return 0;
}

/* ---- Locking in ---- */

/* An empty file system of no size, read-only, in place of the root; the old one goes. */
static int empty_root(const char *dir, struct err *err)
{
	if (mount("none", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0,nr_inodes=2") !=
	    0)
		return failed("an empty root", err);
	if (chdir(dir) != 0 || syscall(SYS_pivot_root, ".", ".") != 0)
		return failed("pivot_root", err);
	if (umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
		return failed("leaving the old root", err);
	if (mount(NULL, "/", NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
		return failed("a root that cannot be written", err);
	return 0;
}

/* At most 'value'.  Who was given less, and may not take more (in a container root is one of
 * those), has that: what it then lacks it is told when it wants it. */
static int limit(int resource, rlim_t value)
{
	struct rlimit limits = {.rlim_cur = value, .rlim_max = value}, given;

	if (setrlimit((__rlimit_resource_t)resource, &limits) == 0)
		return 0;
	if (errno != EPERM || getrlimit((__rlimit_resource_t)resource, &given) != 0 ||
	    given.rlim_max >= value) {
		errno = EPERM;
		return -1;
	}
	limits.rlim_cur = limits.rlim_max = given.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limits);
}

static int set_limits(const struct sandbox_opts *opts, struct err *err)
{
	/* A core would hold the guest's memory, for whoever reads cores. */
	if (limit(RLIMIT_CORE, 0) != 0 || limit(RLIMIT_NOFILE, opts->n_files) != 0 ||
	    limit(RLIMIT_NPROC, opts->n_processes) != 0 || limit(RLIMIT_MSGQUEUE, 0) != 0 ||
	    limit(RLIMIT_MEMLOCK, opts->n_locked) != 0)
		return failed("limits", err);
	return 0;
}

/* glibc does the changes of ids for all threads; a change from root takes all capabilities from
 * each of them.  Those of a user name space of our own go by hand (there are no threads then that
 * would have any: they were made with what we had). */
static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
	    syscall(SYS_capset, &header, none) != 0)
		return failed("capabilities", err);
	return 0;
}

static int become(const struct sandbox_opts *opts, struct err *err)
{
	if (geteuid() == 0) {
		if (opts->uid == 0 || opts->gid == 0) {
			errno = EINVAL;
			return failed("a user that is not root", err);
		}
		if (setgroups(0, NULL) != 0 || setresgid(opts->gid, opts->gid, opts->gid) != 0 ||
		    setresuid(opts->uid, opts->uid, opts->uid) != 0)
			return failed("another user", err);
	}
	return drop_capabilities(err);
}

int sandbox_enter(const struct sandbox_opts *opts, struct err *err)
{
	int rc = empty_root(opts->dir, err);

	if (rc == 0)
		rc = set_limits(opts, err);
	if (rc == 0)
		rc = become(opts, err);
	if (rc != 0)
		return rc;
	/* Not to be traced or read by others of its user; a new user would have made it so. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return failed("no new privileges", err);
	return sandbox_filter(err);
}

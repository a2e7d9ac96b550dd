/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a worker locks itself in, so that a guest that takes it over has gained its own memory, its
 * own disks and its own channels, and nothing else (docs/security.md).
 *
 * 	sandbox_prepare()   first thing of the process, before it has threads: name spaces of its
 * 	                    own (mounts, network, IPC, host name), an empty root made ready
 * 	   ... files, /dev/kvm, threads ...
 * 	sandbox_enter()     the empty root, another user without capabilities, limits, a filter of
 * 	                    system calls: for all threads, those there are and those to come
 *
 * There is no way back and no way around: no option, no environment.  What is not allowed ends the
 * process, with a line that names the call.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_SANDBOX_H
#define HV_WORKER_SANDBOX_H

#include "ctl/base/err.h"

#include <stdint.h>
#include <sys/types.h>

struct sandbox_opts {
	uid_t uid; /* to become; not 0 */
	gid_t gid;
	const char *dir;      /* an empty root can be mounted here: any directory */
	unsigned n_files;     /* descriptors at most */
	unsigned n_processes; /* threads at most, of this user */
	uint64_t n_locked;    /* bytes of memory that it may pin, for devices, if we may */
};

/* Whoever is not root needs a kernel that lets users make name spaces. */
int sandbox_prepare(const struct sandbox_opts *opts, struct err *err);
/* Fails closed: when it returns an error the process must end. */
int sandbox_enter(const struct sandbox_opts *opts, struct err *err);

#endif

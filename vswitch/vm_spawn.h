/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Starts the process of a VM (docs/vmworker.md, Life): a session of its own, no descriptor of
 * ours but the four it is meant to have, no signal blocked or ignored, all processors of the host.
 * Never forks without exec: the daemon's memory and threads are not for copying.  Control thread
 * only.
 */
#ifndef VSWITCH_VM_SPAWN_H
#define VSWITCH_VM_SPAWN_H

#include "ctl/base/err.h"

#include <sched.h>
#include <sys/types.h>

struct vs_vm_spawn {
	const char *program;
	const char *log;       /* path; appended to */
	const char *config;    /* text, which the process finds in descriptor 3 */
	const cpu_set_t *cpus; /* those it may use; NULL: as we */
};

/* The process, a descriptor of it (pidfd), and the reading end of its standard output, which does
 * not block; both are the caller's. */
int vs_vm_spawn(const struct vs_vm_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, int *ret_out,
		struct err *err);

/* How a child of ours that has ended did: its status as waitpid() has it.  -ECHILD: it is none. */
int vs_vm_reap(int pidfd, int *ret_status);
/* A descriptor of a process that is not our child, or is. -errno */
int vs_vm_pidfd(pid_t pid);
int vs_vm_signal(int pidfd, int signal);

#endif

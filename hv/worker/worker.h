/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A worker: one machine, its bus, its devices, and those who control it, on one event loop.
 *
 * 	worker_open()    all that needs paths, /dev/kvm, other processes
 * 	                 ─── sandbox_enter() ───
 * 	worker_start()   the kernel is loaded, the machine runs
 * 	worker_run()     until the machine has ended
 *
 * 	life.c ──ops──► machine.c, ics.c        methods.c: what clients of the control socket ask
 * 	   └──events──► control.c
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_WORKER_H
#define HV_WORKER_WORKER_H

#include "ctl/base/err.h"

#include <sys/types.h>

struct worker;
struct worker_config;

/* 'config' is borrowed for life; 'starter' may use the sockets besides root.  Errors leave nothing
 * behind, also not in the machine's folder. */
int worker_open(const struct worker_config *config, uid_t starter, struct worker **ret_worker,
		struct err *err);
/* Takes NULL. */
void worker_destroy(struct worker *worker);
int worker_start(struct worker *worker, struct err *err);
/* The process's exit status. */
int worker_run(struct worker *worker);
/* It could not start after all: says so in exit.json. */
void worker_failed(struct worker *worker, const struct err *err);

#endif

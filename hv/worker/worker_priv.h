/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The inside of a worker; for worker.c and methods.c.
 */
#ifndef HV_WORKER_WORKER_PRIV_H
#define HV_WORKER_WORKER_PRIV_H

#include "hv/worker/worker.h"

#include <stdbool.h>
#include <stdint.h>

#include "ctl/base/log.h"
#include "hv/worker/config.h"
#include "hv/worker/console.h"
#include "hv/worker/control.h"
#include "hv/worker/folder.h"
#include "hv/worker/ics.h"
#include "hv/worker/life.h"
#include "hv/worker/machine.h"
#include "hv/worker/nic.h"

struct event;
struct event_base;

struct worker {
	const struct worker_config *config;
	struct event_base *base;
	struct event *terminate; /* SIGTERM */
	struct folder folder;
	struct machine *machine;
	struct life *life;
	struct nics *nics;
	struct ics *ics;
	struct control *control;
	struct console *console;
	int statm_fd;  /* /proc/self/statm; -1: none */
	double boot_s; /* until the guest found its bus; 0: not yet */
	struct log_limit fault_limit;
	struct control_call *freeze_call, *thaw_call; /* not answered yet */
};

/* methods.c */
extern const struct control_method worker_methods[];

#endif

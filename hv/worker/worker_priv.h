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
#include "hv/worker/disk.h"
#include "hv/worker/dynmem.h"
#include "hv/worker/folder.h"
#include "hv/worker/function.h"
#include "hv/worker/ics.h"
#include "hv/worker/life.h"
#include "hv/worker/machine.h"
#include "hv/worker/nic.h"
#include "hv/worker/vsock.h"

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
	struct functions *functions;
	struct disks *disks;
	struct ics *ics;
	struct dynmem *dynmem;
	struct control *control;
	struct console *console;
	struct vsocks *vsocks; /* NULL: it has none */
	int statm_fd;	       /* /proc/self/statm; -1: none */
	double boot_s;	       /* until the guest found its bus; 0: not yet */
	bool started;
	bool let_go; /* at the end: nobody uses the machine's memory any more */
	struct log_limit fault_limit, service_limit;
	/* Calls that are answered when the guest has frozen, or thawed; NULL: none. */
	struct control_call *freeze_call, *thaw_call;
};

/* methods.c */
extern const struct control_method worker_methods[];
/* methods_vf.c */
void call_vf_attach(void *ctx, struct control_call *call);
void call_vf_detach(void *ctx, struct control_call *call);
/* methods_guest.c */
void call_memory_set(void *ctx, struct control_call *call);
void call_vsock_attach(void *ctx, struct control_call *call);
void call_kvp_set(void *ctx, struct control_call *call);
void call_time_sync(void *ctx, struct control_call *call);
void call_freeze(void *ctx, struct control_call *call);
void call_thaw(void *ctx, struct control_call *call);

#endif

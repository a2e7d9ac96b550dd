/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VMs as they run: one process each (vmworker), which this starts, finds again after a restart of
 * the daemon, and starts anew when it ends and its policy says so.
 *
 * 	STOPPED ──start──► STARTING ──"ready"──► RUNNING ◄──pause, resume──► PAUSED
 * 	   ▲  ▲                │                  │   │ stop
 * 	   │  └────ended───────┴──────ended───────┤   ▼
 * 	   │                                      │  STOPPING ──ended──► STOPPED
 * 	   └──stop── WAITING ◄──ended, policy─────┘
 * 	               └──after a while──► STARTING          CRASHED: kept for a look
 *
 * 	vm.c        the table of VMs, what a new configuration means to those that run, the tick
 * 	vm_start.c  from a configured VM to a process that is ready
 * 	vm_end.c    stopping, ends of processes, what happens then
 * 	vm_take.c   at the daemon's start: processes that run already, and those that died meanwhile
 * 	vm_dev.c    NICs and disks that come and go while a VM runs
 * 	vm_show.c   what people are shown
 * 	vm_link.c   the control connection; vm_msg.c its packets; vm_spawn.c starting a process
 *
 * The processes outlive this: destroying it lets go of them.  Control thread only.
 */
#ifndef VSWITCH_VM_H
#define VSWITCH_VM_H

#include "ctl/base/err.h"
#include "vswitch/vm_link.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct event_base;
struct vs_model;
struct vs_vms;

enum vs_vm_state {
	VS_VM_STOPPED,
	VS_VM_STARTING,
	VS_VM_RUNNING,
	VS_VM_PAUSED,
	VS_VM_STOPPING,
	VS_VM_CRASHED,
	VS_VM_WAITING,
	VS_VM_N_STATES,
};
const char *vs_vm_state_name(enum vs_vm_state state);

struct vs_vms_ops {
	/* A new connection to the attach socket of a port ("web1/nic0"), or a negative errno. */
	int (*nic_connect)(void *ctx, const char *port);
	/* Does it wait for somebody to attach? */
	bool (*nic_waits)(void *ctx, const char *port);
	/* What became of a NIC's VF in its VM: "offered", "ejecting", "gone"; 'why' may be "".  May
	 * be NULL. */
	void (*vf)(void *ctx, const char *vm, const char *nic, const char *state, const char *why);
	/* 'vm' may be NULL. */
	void (*event)(void *ctx, const char *type, const char *vm, const char *text);
};

struct vs_vms_opts {
	struct event_base *base;
	const char *run_dir; /* folders of VMs are made below "RUN DIR/vm" */
	const char *worker;  /* path of vmworker */
	bool has_group;	     /* whose members may use consoles */
	gid_t group;
	const cpu_set_t *cpus; /* that VMs may use; NULL: as this thread; copied */
	const struct vs_vms_ops *ops;
	void *ctx;
	unsigned backoff_ms; /* before the first restart; doubles up to 60 times; 0: 1000 */
};

int vs_vms_create(const struct vs_vms_opts *opts, struct vs_vms **ret_vms, struct err *err);
/* VMs go on running.  Takes NULL. */
void vs_vms_destroy(struct vs_vms *vms);

/* Would 'after' take from a VM that runs what it cannot give up now?  -EBUSY, "vm-running". */
int vs_vms_check(const struct vs_vms *vms, const struct vs_model *after, struct err *err);
/* The configuration is now this (borrowed until the next call).  The first call is the daemon's
 * start: what runs is taken up, what is to start with the host is started. */
void vs_vms_follow(struct vs_vms *vms, const struct vs_model *model);
/* About ten times a second. */
void vs_vms_tick(struct vs_vms *vms);

/* 'err' NULL: it is done.  Runs once, never from the call that asked. */
typedef void (*vs_vm_done_fn)(void *arg, const struct err *err);

/* Starts; 'fn' when it runs or could not.  -ENOENT, -EEXIST ("vm-running"), or what is wrong with
 * its files. */
int vs_vm_start(struct vs_vms *vms, const char *name, unsigned timeout_ms, vs_vm_done_fn fn,
		void *arg, struct err *err);
/* Shuts down, or with 'off' and after 'timeout_ms' switches off; 'fn' when it has ended.  1: it did
 * not run, and 'fn' will not. */
int vs_vm_stop(struct vs_vms *vms, const char *name, bool off, unsigned timeout_ms,
	       vs_vm_done_fn fn, void *arg, struct err *err);
/* Asks its process; vm_link.h.  -ENOENT; -EAGAIN ("vm-stopped"). */
int vs_vm_ask(struct vs_vms *vms, const char *name, const char *method, json_t *params,
	      unsigned timeout_ms, vs_vm_answer_fn fn, void *arg, struct err *err);

/* The same, with descriptors (borrowed; VS_VM_MAX_FDS of them at most). */
int vs_vm_ask_fds(struct vs_vms *vms, const char *name, const char *method, json_t *params,
		  const int *fds, unsigned n_fds, unsigned timeout_ms, vs_vm_answer_fn fn,
		  void *arg, struct err *err);
/* Has it a process that can be asked now? */
bool vs_vm_can_be_asked(const struct vs_vms *vms, const char *name);

/* STOPPED for one that is not there. */
enum vs_vm_state vs_vm_state(const struct vs_vms *vms, const char *name);
/* The n-th VM's name, by name; NULL: there are no more. */
const char *vs_vms_nth(const struct vs_vms *vms, unsigned n);
/* {"name", "state", ..} as 'vm list' and (whole) 'vm show' have it, of what is known; new
 * reference, NULL: there is none. */
json_t *vs_vm_row(const struct vs_vms *vms, const char *name, bool whole);
/* Keeps an answer to 'info' or 'stats', for rows and metrics. */
void vs_vm_keep(struct vs_vms *vms, const char *name, const char *method, const json_t *answer);
/* What was kept last (borrowed), or NULL. */
const json_t *vs_vm_kept(const struct vs_vms *vms, const char *name, const char *method);
/* What the guest says are the addresses of a NIC of its ("nic0"): of this one where it tells them
 * apart, else of all; new reference, an array. */
json_t *vs_vm_nic_ips(const struct vs_vms *vms, const char *vm, const char *nic);
/* Why a disk or NIC of a VM that runs is not in it as configured; "": it is, or it does not run. */
const char *vs_vm_part_note(const struct vs_vms *vms, const char *vm, const char *kind,
			    const char *own);
/* The program that runs a VM. */
const char *vs_vms_worker(const struct vs_vms *vms);
/* "RUN DIR/vm/NAME/FILE"; "" when it has no room. */
void vs_vm_path(const struct vs_vms *vms, const char *name, const char *file, char *path,
		size_t size);

#endif

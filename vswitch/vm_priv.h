/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the supervision of VMs; see vm.h.
 */
#ifndef VSWITCH_VM_PRIV_H
#define VSWITCH_VM_PRIV_H

#include "vswitch/model.h"
#include "vswitch/vm.h"
#include "vswitch/vm_msg.h"

#include <limits.h>
#include <sys/queue.h>

#define VM_ASK_MS      5000
#define VM_KILL_MS     5000 /* from "off" to SIGKILL */
#define VM_STOP_MS     60000
#define VM_LOG_MAX     (1 << 20)
#define VM_STEADY_S    60 /* who ran so long has no history of failures */
#define VM_MAX_BACKOFF 60 /* times the first wait */

struct event;

struct vs_vm_waiter {
	TAILQ_ENTRY(vs_vm_waiter) link;
	vs_vm_done_fn fn;
	void *arg;
};
TAILQ_HEAD(vs_vm_waiters, vs_vm_waiter);

/* A NIC or disk that the process has, or was told to have. */
struct vs_vm_dev {
	TAILQ_ENTRY(vs_vm_dev) link;
	char own[VS_VM_PART_SIZE];
	json_t *body; /* a disk: as the process was told */
	bool asked;   /* an attach is on its way */
	uint64_t next_ns;
	char note[200];
};
TAILQ_HEAD(vs_vm_devs, vs_vm_dev);

struct vs_vm_live {
	TAILQ_ENTRY(vs_vm_live) link;
	struct vs_vms *vms;
	char name[VS_VM_NAME_SIZE];
	uint32_t id;
	enum vs_vm_state state;
	char note[320];
	bool orphan; /* it is not configured: it goes when its process does */

	/* Its process. */
	pid_t pid; /* 0: none */
	int pidfd;
	struct event *ended;
	struct vs_vm_link *ctl;
	uint64_t link_next_ns; /* when to try to connect again */
	unsigned n_lost;
	bool taken; /* found running; 'config' may be unknown */

	/* While it starts. */
	int out; /* its standard output, -1: closed */
	struct event *out_readable, *start_late;
	char line[VS_VM_MAX_LINE];
	size_t n_line;
	bool ready, up; /* it said so; it was asked and answered */
	bool by_hand;	/* whoever asked for it decides when it fails */
	struct vs_vm_waiters starts;

	/* While it stops. */
	bool asked; /* somebody wants it stopped */
	bool killed;
	struct event *stop_late;
	struct vs_vm_waiters stops;

	/* Between ends and starts. */
	struct event *again;
	unsigned n_failures, n_restarts;

	json_t *config; /* what its process was given */
	json_t *info, *stats, *crash;
	char ended_why[32];
	unsigned host_told; /* how short of memory it knows the host to be */
	uint64_t started_ns;
	struct vs_vm_devs nics, disks;
};
TAILQ_HEAD(vs_vm_lives, vs_vm_live);

struct vs_vms {
	struct vs_vms_opts opts;
	char run_dir[PATH_MAX], worker[PATH_MAX];
	cpu_set_t cpus;
	const struct vs_model *model; /* NULL: not told yet */
	struct vs_vm_lives lives;     /* by name */
	unsigned ticks;
};

/* vm.c */
struct vs_vm_live *vs_vm_find(const struct vs_vms *vms, const char *name);
const struct vs_vm *vs_vm_configured(const struct vs_vm_live *vm);
struct vs_vm_live *vs_vm_add(struct vs_vms *vms, const char *name, uint32_t id);
void vs_vm_remove(struct vs_vm_live *vm);
void vs_vm_set_state(struct vs_vm_live *vm, enum vs_vm_state state);
void vs_vm_tell(const struct vs_vm_live *vm, const char *type, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vs_vm_note(struct vs_vm_live *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Runs and empties the list. */
void vs_vm_answer(struct vs_vm_waiters *waiters, const struct err *err);
int vs_vm_wait(struct vs_vm_waiters *waiters, vs_vm_done_fn fn, void *arg);
/* Has it a process? */
bool vs_vm_has_process(const struct vs_vm_live *vm);
void vs_vm_timer(struct vs_vm_live *vm, struct event **timer, void (*fn)(int, short, void *),
		 unsigned ms);
void vs_vm_timer_stop(struct event **timer);

/* vm_start.c */
/* What its process would be given now; new reference. */
json_t *vs_vm_config(const struct vs_vms *vms, const struct vs_vm *vm);
/* From STOPPED or WAITING. */
int vs_vm_begin(struct vs_vm_live *vm, unsigned timeout_ms, struct err *err);
/* Watches a process. */
int vs_vm_watch(struct vs_vm_live *vm, pid_t pid, int pidfd, struct err *err);
int vs_vm_connect(struct vs_vm_live *vm, struct err *err);
/* Connected, and the first 'info' is here: it runs. */
void vs_vm_is_up(struct vs_vm_live *vm);
void vs_vm_start_stop(struct vs_vm_live *vm); /* its pipe and timer are closed */
void vs_vm_ask_info(struct vs_vm_live *vm);

/* vm_end.c */
enum vs_vm_next { VS_VM_STAYS, VS_VM_AGAIN };
/* What the policy makes of an end that nobody asked for. */
enum vs_vm_next vs_vm_policy(enum vs_restart restart, bool failed);
void vs_vm_off(struct vs_vm_live *vm);
void vs_vm_kill(struct vs_vm_live *vm);
void vs_vm_on_ended(int fd, short what, void *arg);
/* Its process has ended: with this status of waitpid(), or (-1) one that nobody knows. */
void vs_vm_has_ended(struct vs_vm_live *vm, int status);
/* It is to start again some time, or it stays. */
void vs_vm_decide(struct vs_vm_live *vm, bool failed, const char *why);
void vs_vm_stop_now(struct vs_vm_live *vm, bool off, unsigned timeout_ms);

/* vm_take.c */
/* Connects to the VM's process, if one listens: also one that was still starting when an earlier
 * daemon died.  False: there is none. */
bool vs_vm_take(struct vs_vm_live *vm);
void vs_vm_take_all(struct vs_vms *vms);
void vs_vm_want(const struct vs_vm_live *vm, bool runs); /* for who comes after us */

/* vm_dev.c */
/* What the process began with. */
void vs_vm_dev_begin(struct vs_vm_live *vm, const json_t *config);
void vs_vm_dev_follow(struct vs_vm_live *vm);
void vs_vm_dev_tick(struct vs_vm_live *vm);
/* Its guest wants to be connected to a port of the host's: whoever listens on that socket is. */
void vs_vm_dev_stream(struct vs_vm_live *vm, const json_t *event);
void vs_vm_dev_end(struct vs_vm_live *vm);
int vs_vm_dev_check(const struct vs_vm_live *vm, const struct vs_model *after, struct err *err);

#endif

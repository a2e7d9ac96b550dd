/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table of VMs; see vm.h.
 */
#include "vswitch/vm_priv.h"

#include "vswitch/vm_host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

static const char *const state_names[VS_VM_N_STATES] = {
	[VS_VM_STOPPED] = "stopped", [VS_VM_STARTING] = "starting", [VS_VM_RUNNING] = "running",
	[VS_VM_PAUSED] = "paused",   [VS_VM_STOPPING] = "stopping", [VS_VM_CRASHED] = "crashed",
	[VS_VM_WAITING] = "waiting",
};

const char *vs_vm_state_name(enum vs_vm_state state)
{
	return state_names[state];
}

struct vs_vm_live *vs_vm_find(const struct vs_vms *vms, const char *name)
{
	struct vs_vm_live *vm;

	TAILQ_FOREACH(vm, &vms->lives, link) {
		if (name != NULL && strcmp(vm->name, name) == 0)
			return vm;
	}
	return NULL;
}

const struct vs_vm *vs_vm_configured(const struct vs_vm_live *vm)
{
	return vm->vms->model != NULL ? vs_model_vm(vm->vms->model, vm->name) : NULL;
}

bool vs_vm_has_process(const struct vs_vm_live *vm)
{
	return vm->pidfd >= 0;
}

/* In the order of names, as people look for them. */
struct vs_vm_live *vs_vm_add(struct vs_vms *vms, const char *name, uint32_t id)
{
	struct vs_vm_live *vm = calloc(1, sizeof(*vm)), *other;

	if (vm == NULL)
		return NULL;
	*vm = (struct vs_vm_live){.vms = vms, .id = id, .pidfd = -1, .out = -1};
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	TAILQ_INIT(&vm->starts);
	TAILQ_INIT(&vm->stops);
	TAILQ_INIT(&vm->nics);
	TAILQ_INIT(&vm->disks);
	TAILQ_FOREACH(other, &vms->lives, link) {
		if (strverscmp(other->name, name) > 0)
			break;
	}
	if (other != NULL)
		TAILQ_INSERT_BEFORE(other, vm, link);
	else
		TAILQ_INSERT_TAIL(&vms->lives, vm, link);
	return vm;
}

/* The process, if there is one, goes on. */
void vs_vm_remove(struct vs_vm_live *vm)
{
	struct err err;

	err_set(&err, -ENOENT, "vm-gone", "VM %s is configured no more", vm->name);
	vs_vm_link_close(vm->ctl);
	vs_vm_start_stop(vm);
	vs_vm_timer_stop(&vm->stop_late);
	vs_vm_timer_stop(&vm->again);
	vs_vm_timer_stop(&vm->ended);
	vs_vm_answer(&vm->starts, &err);
	vs_vm_answer(&vm->stops, &err);
	vs_vm_dev_end(vm);
	if (vm->pidfd >= 0)
		close(vm->pidfd);
	json_decref(vm->config);
	json_decref(vm->info);
	json_decref(vm->stats);
	json_decref(vm->crash);
	TAILQ_REMOVE(&vm->vms->lives, vm, link);
	free(vm);
}

void vs_vm_set_state(struct vs_vm_live *vm, enum vs_vm_state state)
{
	vm->state = state;
}

void vs_vm_tell(const struct vs_vm_live *vm, const char *type, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vs_vm_mend(text);
	vm->vms->opts.ops->event(vm->vms->opts.ctx, type, vm->name, text);
}

void vs_vm_note(struct vs_vm_live *vm, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(vm->note, sizeof(vm->note), fmt, ap);
	va_end(ap);
	vs_vm_mend(vm->note);
}

void vs_vm_answer(struct vs_vm_waiters *waiters, const struct err *err)
{
	struct vs_vm_waiters mine = TAILQ_HEAD_INITIALIZER(mine);
	struct vs_vm_waiter *w;

	/* Whoever is answered may ask again. */
	TAILQ_CONCAT(&mine, waiters, link);
	while ((w = TAILQ_FIRST(&mine)) != NULL) {
		TAILQ_REMOVE(&mine, w, link);
		if (w->fn != NULL)
			w->fn(w->arg, err);
		free(w);
	}
}

int vs_vm_wait(struct vs_vm_waiters *waiters, vs_vm_done_fn fn, void *arg)
{
	struct vs_vm_waiter *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	*w = (struct vs_vm_waiter){.fn = fn, .arg = arg};
	TAILQ_INSERT_TAIL(waiters, w, link);
	return 0;
}

void vs_vm_timer_stop(struct event **timer)
{
	if (*timer != NULL)
		event_free(*timer);
	*timer = NULL;
}

/* Without memory for a timer what it would have done is done at once. */
void vs_vm_timer(struct vs_vm_live *vm, struct event **timer, void (*fn)(int, short, void *),
		 unsigned ms)
{
	const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	vs_vm_timer_stop(timer);
	*timer = evtimer_new(vm->vms->opts.base, fn, vm);
	if (*timer != NULL)
		evtimer_add(*timer, &tv);
}

void vs_vm_path(const struct vs_vms *vms, const char *name, const char *file, char *path,
		size_t size)
{
	int n = snprintf(path, size, "%s/vm/%s%s%s", vms->run_dir, name, file[0] != '\0' ? "/" : "",
			 file);

	if (n < 0 || (size_t)n >= size)
		path[0] = '\0';
}

int vs_vms_create(const struct vs_vms_opts *opts, struct vs_vms **ret_vms, struct err *err)
{
	struct vs_vms *vms = calloc(1, sizeof(*vms));

	if (vms == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for VMs");
	vms->opts = *opts;
	if (vms->opts.backoff_ms == 0)
		vms->opts.backoff_ms = 1000;
	snprintf(vms->run_dir, sizeof(vms->run_dir), "%s", opts->run_dir);
	snprintf(vms->worker, sizeof(vms->worker), "%s", opts->worker);
	if (opts->cpus != NULL) {
		vms->cpus = *opts->cpus;
		vms->opts.cpus = &vms->cpus;
	}
	TAILQ_INIT(&vms->lives);
	*ret_vms = vms;
	return 0;
}

void vs_vms_destroy(struct vs_vms *vms)
{
	struct vs_vm_live *vm;

	if (vms == NULL)
		return;
	while ((vm = TAILQ_FIRST(&vms->lives)) != NULL)
		vs_vm_remove(vm);
	free(vms);
}

static int still_runs(const struct vs_vm_live *vm, const char *what, struct err *err)
{
	err_set(err, -EBUSY, "vm-running", "cannot %s VM %s: it is %s", what, vm->name,
		vs_vm_state_name(vm->state));
	err_why(err, "its guest would be cut off in the middle of its work");
	err_fix(err, "first: vswitchctl vm stop %s", vm->name);
	err_about(err, "vm", vm->name);
	return -EBUSY;
}

int vs_vms_check(const struct vs_vms *vms, const struct vs_model *after, struct err *err)
{
	const struct vs_vm_live *vm;
	int rc = 0;

	TAILQ_FOREACH(vm, &vms->lives, link) {
		const struct vs_vm *next = vs_model_vm(after, vm->name);

		if (!vs_vm_has_process(vm) || vm->orphan)
			continue;
		if (next == NULL)
			return still_runs(vm, "delete", err);
		if (next->id != vm->id)
			return still_runs(vm, "change the id of", err);
		rc = vs_vm_dev_check(vm, after, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* VMs that are configured have a place in the table, others only while they run. */
static void fit_table(struct vs_vms *vms)
{
	struct vs_vm_live *vm, *next;

	for (vm = TAILQ_FIRST(&vms->lives); vm != NULL; vm = next) {
		next = TAILQ_NEXT(vm, link);
		vm->orphan = vs_vm_configured(vm) == NULL;
		if (vm->orphan && !vs_vm_has_process(vm)) {
			vs_vm_want(vm, false);
			vs_vm_remove(vm);
		}
	}
	for (unsigned i = 0; i < vms->model->n_vms; i++) {
		const struct vs_vm *m = &vms->model->vms[i];

		vm = vs_vm_find(vms, m->name);
		if (vm == NULL)
			vm = vs_vm_add(vms, m->name, m->id);
		if (vm != NULL)
			vm->id = m->id;
	}
}

void vs_vms_follow(struct vs_vms *vms, const struct vs_model *model)
{
	bool first = vms->model == NULL;
	struct vs_vm_live *vm;

	vms->model = model;
	fit_table(vms);
	if (first)
		vs_vm_take_all(vms);
	TAILQ_FOREACH(vm, &vms->lives, link)
		vs_vm_dev_follow(vm);
}

/* What a process wrote to its log is cut when it is long; the rest stays to be read. */
static void bound_log(const struct vs_vm_live *vm)
{
	char path[PATH_MAX], old[PATH_MAX];
	struct stat st;

	vs_vm_path(vm->vms, vm->name, "log", path, sizeof(path));
	vs_vm_path(vm->vms, vm->name, "log.1", old, sizeof(old));
	if (stat(path, &st) != 0 || st.st_size <= VM_LOG_MAX)
		return;
	/* The process keeps its descriptor, so the file stays and loses its bytes; it appends. */
	(void)unlink(old);
	if (truncate(path, 0) == 0)
		vs_vm_tell(vm, "vm-log", "VM %s: its log had more than 1 MB and was emptied",
			   vm->name);
}

static void reconnect(struct vs_vm_live *vm, uint64_t now_ns)
{
	if (!vs_vm_has_process(vm) || vm->ctl != NULL || vm->out >= 0 || vm->killed ||
	    now_ns < vm->link_next_ns)
		return;
	vm->link_next_ns = now_ns + 1000000000u;
	if (vs_vm_connect(vm, NULL) == 0)
		vs_vm_ask_info(vm);
}

static void on_stats(void *arg, const json_t *result, const struct err *err)
{
	struct vs_vm_live *vm = arg;

	if (result != NULL)
		vs_vm_keep(vm->vms, vm->name, "stats", result);
}

/* Somebody scrapes numbers, which cannot wait for a process to answer. */
static void refresh_stats(struct vs_vm_live *vm)
{
	if (vm->up && vm->ctl != NULL && vm->vms->model->metrics != NULL)
		(void)vs_vm_link_ask(vm->ctl, "stats", NULL, -1, VM_ASK_MS, on_stats, vm, NULL);
}

/* Balloons give memory back when the host needs it, the sooner the lower a VM's priority. */
static void tell_host(struct vs_vm_live *vm, unsigned shortage)
{
	const struct vs_vm *m = vs_vm_configured(vm);
	unsigned differs =
		shortage > vm->host_told ? shortage - vm->host_told : vm->host_told - shortage;

	if (m == NULL || vm->ctl == NULL || !vm->up || m->memory_min == m->memory_max ||
	    differs == 0 || (differs < 5 && shortage != 0 && shortage != 100))
		return;
	if (vs_vm_link_ask(vm->ctl, "memory-set", json_pack("{si}", "host", (int)shortage), -1,
			   VM_ASK_MS, NULL, NULL, NULL) == 0)
		vm->host_told = shortage;
}

void vs_vms_tick(struct vs_vms *vms)
{
	struct timespec ts;
	struct vs_vm_live *vm;
	unsigned shortage = 0;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	vms->ticks++;
	if (vms->ticks % 20 == 0 && !TAILQ_EMPTY(&vms->lives))
		shortage = vs_vm_host_shortage();
	TAILQ_FOREACH(vm, &vms->lives, link) {
		if (!vs_vm_has_process(vm))
			continue;
		if (vms->ticks % 20 == 0)
			tell_host(vm, shortage);
		reconnect(vm, now);
		if (!vm->up && vm->ctl != NULL && vm->taken && vms->ticks % 50 == 25)
			vs_vm_ask_info(vm);
		/* Each once a second, not all at once: a port is looked for by its name. */
		if ((vms->ticks + vm->id) % 10 == 0)
			vs_vm_dev_tick(vm);
		if (vms->ticks % 50 == 0) {
			bound_log(vm);
			refresh_stats(vm);
		}
	}
}

static int not_there(const char *name, struct err *err)
{
	err_set(err, -ENOENT, "not-found", "there is no vm '%.64s'", name);
	err_fix(err, "vswitchctl vm list");
	return -ENOENT;
}

int vs_vm_start(struct vs_vms *vms, const char *name, unsigned timeout_ms, vs_vm_done_fn fn,
		void *arg, struct err *err)
{
	struct vs_vm_live *vm = vs_vm_find(vms, name);
	int rc;

	if (vm == NULL || vm->orphan)
		return not_there(name, err);
	if (vs_vm_has_process(vm) || vs_vm_take(vm)) {
		err_set(err, -EEXIST, "vm-running", "VM %s is %s already", name,
			vs_vm_state_name(vm->state));
		err_why(err, "its process is %d", (int)vm->pid);
		err_fix(err,
			vm->state == VS_VM_PAUSED    ? "vswitchctl vm resume %s"
			: vm->state == VS_VM_CRASHED ? "vswitchctl vm reset %s"
						     : "vswitchctl vm show %s",
			name);
		return -EEXIST;
	}
	vm->n_failures = vm->n_restarts = 0;
	vm->by_hand = true;
	rc = vs_vm_wait(&vm->starts, fn, arg);
	if (rc != 0)
		return err_set(err, rc, "no-memory", "no memory to start a VM");
	rc = vs_vm_begin(vm, timeout_ms, err);
	if (rc != 0) {
		struct vs_vm_waiter *w = TAILQ_LAST(&vm->starts, vs_vm_waiters);

		TAILQ_REMOVE(&vm->starts, w, link);
		free(w);
		vs_vm_set_state(vm, VS_VM_STOPPED);
	}
	return rc;
}

int vs_vm_stop(struct vs_vms *vms, const char *name, bool off, unsigned timeout_ms,
	       vs_vm_done_fn fn, void *arg, struct err *err)
{
	struct vs_vm_live *vm = vs_vm_find(vms, name);

	if (vm == NULL)
		return not_there(name, err);
	if (!vs_vm_has_process(vm)) {
		if (vm->state == VS_VM_WAITING)
			vs_vm_note(vm, "stopped while it waited to be started again");
		vs_vm_timer_stop(&vm->again);
		vs_vm_set_state(vm, VS_VM_STOPPED);
		vs_vm_want(vm, false);
		return 1;
	}
	if (vs_vm_wait(&vm->stops, fn, arg) != 0)
		return err_set(err, -ENOMEM, "no-memory", "no memory to stop a VM");
	vs_vm_stop_now(vm, off, timeout_ms);
	return 0;
}

bool vs_vm_can_be_asked(const struct vs_vms *vms, const char *name)
{
	const struct vs_vm_live *vm = vs_vm_find(vms, name);

	return vm != NULL && vm->ctl != NULL && vm->up && vm->pid != 0;
}

int vs_vm_ask(struct vs_vms *vms, const char *name, const char *method, json_t *params,
	      unsigned timeout_ms, vs_vm_answer_fn fn, void *arg, struct err *err)
{
	return vs_vm_ask_fds(vms, name, method, params, NULL, 0, timeout_ms, fn, arg, err);
}

int vs_vm_ask_fds(struct vs_vms *vms, const char *name, const char *method, json_t *params,
		  const int *fds, unsigned n_fds, unsigned timeout_ms, vs_vm_answer_fn fn,
		  void *arg, struct err *err)
{
	struct vs_vm_live *vm = vs_vm_find(vms, name);

	if (vm != NULL && vm->ctl != NULL)
		return vs_vm_link_ask_fds(vm->ctl, method, params, fds, n_fds, timeout_ms, fn, arg,
					  err);
	json_decref(params);
	if (vm == NULL)
		return not_there(name, err);
	err_set(err, -EAGAIN, "vm-stopped", "VM %s is %s", name, vs_vm_state_name(vm->state));
	err_why(err, "there is no process that could be asked");
	err_fix(err, vs_vm_has_process(vm) ? "vswitchctl vm show %s" : "vswitchctl vm start %s",
		name);
	return -EAGAIN;
}

enum vs_vm_state vs_vm_state(const struct vs_vms *vms, const char *name)
{
	const struct vs_vm_live *vm = vs_vm_find(vms, name);

	return vm != NULL ? vm->state : VS_VM_STOPPED;
}

const char *vs_vms_nth(const struct vs_vms *vms, unsigned n)
{
	const struct vs_vm_live *vm;

	TAILQ_FOREACH(vm, &vms->lives, link) {
		if (n-- == 0)
			return vm->name;
	}
	return NULL;
}

const char *vs_vms_worker(const struct vs_vms *vms)
{
	return vms->worker;
}

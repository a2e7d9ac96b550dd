/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Stopping a VM, the end of its process whoever brought it about, and what happens then; see vm.h.
 *
 * 	asked to stop    the guest is asked, then (after a while) switched off, then (VM_KILL_MS)
 * 			 its process is killed
 * 	ended by itself  its restart policy, with a wait that doubles from failure to failure
 */
#include "vswitch/vm_priv.h"

#include "ctl/base/clock.h"
#include "vswitch/vm_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

/* ---- Stopping ---- */

void vs_vm_kill(struct vs_vm_live *vm)
{
	if (!vs_vm_has_process(vm))
		return;
	vm->killed = true;
	(void)vs_vm_signal(vm->pidfd, SIGKILL);
}

static void on_off_late(int fd, short what, void *arg)
{
	struct vs_vm_live *vm = arg;

	vs_vm_tell(vm, "vm-killed", "VM %s: its process did not end, and was killed", vm->name);
	vs_vm_kill(vm);
}

static void on_off(void *arg, const json_t *result, const struct err *err)
{
	struct vs_vm_live *vm = arg;

	/* Nobody there who could be told. */
	if (result == NULL && vs_vm_has_process(vm) && vm->asked)
		vs_vm_kill(vm);
}

void vs_vm_off(struct vs_vm_live *vm)
{
	vs_vm_timer(vm, &vm->stop_late, on_off_late, VM_KILL_MS);
	if (vm->ctl == NULL || vs_vm_link_ask(vm->ctl, "stop", json_pack("{ss}", "how", "off"), -1,
					      VM_KILL_MS, on_off, vm, NULL) != 0)
		vs_vm_kill(vm);
}

static void on_stop_late(int fd, short what, void *arg)
{
	struct vs_vm_live *vm = arg;

	vs_vm_tell(vm, "vm-off", "VM %s did not shut down in time: it is switched off", vm->name);
	vs_vm_off(vm);
}

static void on_shutdown(void *arg, const json_t *result, const struct err *err)
{
	struct vs_vm_live *vm = arg;

	/* Nobody in the guest would hear. */
	if (result == NULL && vs_vm_has_process(vm) && vm->ctl != NULL && vm->asked) {
		vs_vm_tell(vm, "vm-off",
			   "VM %s cannot be asked to shut down (%.120s): it is switched "
			   "off",
			   vm->name, err->what);
		vs_vm_off(vm);
	}
}

void vs_vm_stop_now(struct vs_vm_live *vm, bool off, unsigned timeout_ms)
{
	bool asleep = vm->state == VS_VM_PAUSED || vm->state == VS_VM_CRASHED;

	vm->asked = true;
	vs_vm_want(vm, false);
	if (vm->state == VS_VM_STARTING && vm->ctl == NULL) {
		vs_vm_kill(vm);
		return;
	}
	vs_vm_set_state(vm, VS_VM_STOPPING);
	if (off || asleep || vm->ctl == NULL) {
		vs_vm_off(vm);
		return;
	}
	vs_vm_timer(vm, &vm->stop_late, on_stop_late, timeout_ms);
	if (vs_vm_link_ask(vm->ctl, "stop", json_pack("{ss}", "how", "shutdown"), -1, VM_ASK_MS,
			   on_shutdown, vm, NULL) != 0)
		vs_vm_off(vm);
}

/* ---- The end ---- */

enum vs_vm_next vs_vm_policy(enum vs_restart restart, bool failed)
{
	if (restart == VS_RESTART_ALWAYS || (restart == VS_RESTART_ON_FAILURE && failed))
		return VS_VM_AGAIN;
	return VS_VM_STAYS;
}

static void on_again(int fd, short what, void *arg)
{
	struct vs_vm_live *vm = arg;
	struct err err = {0};

	vs_vm_timer_stop(&vm->again);
	vm->n_restarts++;
	vm->by_hand = false;
	if (vs_vm_take(vm))
		return;
	if (vs_vm_begin(vm, VM_STOP_MS, &err) == 0)
		return;
	vs_vm_tell(vm, "vm-failed", "%s", err.what);
	vs_vm_decide(vm, true, err.what);
}

/* 1, 2, 4 .. times the first wait, to VM_MAX_BACKOFF times. */
static unsigned backoff_ms(const struct vs_vm_live *vm)
{
	unsigned times = vm->n_failures < 7 ? 1u << (vm->n_failures > 0 ? vm->n_failures - 1 : 0)
					    : VM_MAX_BACKOFF;

	if (times > VM_MAX_BACKOFF)
		times = VM_MAX_BACKOFF;
	return times * vm->vms->opts.backoff_ms;
}

void vs_vm_decide(struct vs_vm_live *vm, bool failed, const char *why)
{
	const struct vs_vm *m = vs_vm_configured(vm);
	unsigned ms;

	if (m == NULL || vs_vm_policy(m->restart, failed) == VS_VM_STAYS) {
		vs_vm_set_state(vm, VS_VM_STOPPED);
		vs_vm_want(vm, false);
		vs_vm_note(vm, "%s", why);
		return;
	}
	vm->n_failures = failed ? vm->n_failures + 1 : 0;
	ms = backoff_ms(vm);
	vs_vm_set_state(vm, VS_VM_WAITING);
	vs_vm_note(vm, "starts again in %u.%u s: %.250s", ms / 1000, ms % 1000 / 100, why);
	vs_vm_tell(vm, "vm-restart", "VM %s starts again in %u.%u s: %.250s", vm->name, ms / 1000,
		   ms % 1000 / 100, why);
	vs_vm_timer(vm, &vm->again, on_again, ms);
}

/* What exit.json says; status -1: nothing. */
static struct vs_vm_outcome outcome_of(const struct vs_vm_live *vm)
{
	struct vs_vm_outcome o = {.status = -1};
	char path[PATH_MAX], *text = malloc(VS_VM_MAX_PACKET);
	ssize_t n = 0;
	int fd;

	vs_vm_path(vm->vms, vm->name, "exit.json", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && text != NULL)
		n = read(fd, text, VS_VM_MAX_PACKET);
	if (fd >= 0)
		close(fd);
	if (n > 0 && vs_vm_outcome_parse(text, (size_t)n, &o) != 0)
		o.status = -1;
	free(text);
	return o;
}

/* In words.  True: a failure. */
static bool end_text(const struct vs_vm_live *vm, int status, char *text, size_t size)
{
	struct vs_vm_outcome o = outcome_of(vm);
	const char *more = o.text;
	char line[220];
	int code = status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : o.status;

	if (status >= 0 && WIFSIGNALED(status)) {
		snprintf(text, size, "its process was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
		return true;
	}
	if (code == 2 && vm->crash != NULL) {
		vs_vm_panic_line(vs_vm_text(vm->crash, "text"), line, sizeof(line));
		more = line[0] != '\0' ? line : more;
	}
	if (code == 0)
		snprintf(text, size, "it powered off");
	else if (code == 2)
		snprintf(text, size, "its kernel crashed%s%.200s", more[0] != '\0' ? ": " : "",
			 more);
	else if (code == 3)
		snprintf(text, size, "a processor could not go on%s%.200s",
			 more[0] != '\0' ? ": " : "", more);
	else if (code > 0)
		snprintf(text, size, "its process failed (status %d)%s%.200s", code,
			 more[0] != '\0' ? ": " : "", more);
	else
		snprintf(text, size, "its process died");
	return code != 0;
}

/* The process is gone; what was held for it goes. */
static void forget_process(struct vs_vm_live *vm)
{
	struct vs_vm_link *ctl = vm->ctl;

	vs_vm_timer_stop(&vm->ended);
	vs_vm_timer_stop(&vm->stop_late);
	if (vm->pidfd >= 0)
		close(vm->pidfd);
	vm->pidfd = -1;
	vm->pid = 0;
	vm->up = false;
	vm->host_told = 0;
	vm->ctl = NULL;
	vs_vm_link_close(ctl);
	vs_vm_dev_end(vm);
	/* What it said of itself is of the past, but for why it crashed. */
	if (vm->crash == NULL && json_object_size(json_object_get(vm->info, "crash")) > 0)
		vm->crash = json_incref(json_object_get(vm->info, "crash"));
	json_decref(vm->info);
	json_decref(vm->stats);
	vm->info = vm->stats = NULL;
}

static void end_start(struct vs_vm_live *vm, const char *why)
{
	struct err err;

	vs_vm_start_stop(vm);
	if (TAILQ_EMPTY(&vm->starts))
		return;
	err_set(&err, -EIO, "vm-failed", "VM %s: %.200s before it was ready", vm->name, why);
	err_fix(&err, "vswitchctl vm show %s names its log", vm->name);
	vs_vm_answer(&vm->starts, &err);
}

void vs_vm_has_ended(struct vs_vm_live *vm, int status)
{
	bool starting = vm->state == VS_VM_STARTING;
	bool asked = vm->asked, failed;
	char why[320], said[sizeof(vm->note)];

	failed = end_text(vm, status, why, sizeof(why));
	snprintf(said, sizeof(said), "%s", vm->note);
	forget_process(vm);
	end_start(vm, why);
	if (clock_mono_ns() - vm->started_ns > VM_STEADY_S * 1000000000ull)
		vm->n_failures = 0;
	vs_vm_set_state(vm, VS_VM_STOPPED);
	if (asked) {
		vs_vm_note(vm, "%s", failed && !vm->killed ? why : "");
		vs_vm_tell(vm, "vm-stopped", "VM %s is stopped", vm->name);
	} else if (starting && vm->by_hand) {
		/* Whoever started it was told why, and decides. */
		vs_vm_want(vm, false);
		vs_vm_note(vm, "%s", said[0] != '\0' ? said : why);
		vs_vm_tell(vm, "vm-failed", "VM %s did not start: %.300s", vm->name, vm->note);
	} else {
		vs_vm_tell(vm, failed ? "vm-failed" : "vm-stopped", "VM %s: %.300s", vm->name, why);
		vs_vm_decide(vm, failed, starting && said[0] != '\0' ? said : why);
	}
	vs_vm_answer(&vm->stops, NULL);
	if (vm->orphan)
		vs_vm_remove(vm);
}

void vs_vm_on_ended(int fd, short what, void *arg)
{
	struct vs_vm_live *vm = arg;
	int status = -1, rc = vs_vm_reap(vm->pidfd, &status);

	if (rc == -EAGAIN) {
		event_add(vm->ended, NULL);
		return;
	}
	/* Of a process that another daemon started only its file tells. */
	if (rc != 0)
		status = -1;
	/* So may be what it said last: why it ends. */
	vs_vm_link_drain(vm->ctl);
	/* Its last line may be waiting to be read, and says more than its status. */
	if (vm->out >= 0 && vm->state == VS_VM_STARTING) {
		ssize_t n = read(vm->out, vm->line + vm->n_line, sizeof(vm->line) - vm->n_line);
		struct err err = {0};

		if (n > 0)
			vm->n_line += (size_t)n;
		if (vm->n_line > 0 && vs_vm_line_parse(vm->line, vm->n_line, &err) != 0) {
			vs_vm_note(vm, "%s", err.what);
			vs_vm_answer(&vm->starts, &err);
		}
	}
	vs_vm_has_ended(vm, status);
}

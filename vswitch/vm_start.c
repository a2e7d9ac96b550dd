/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a configured VM to a process that runs it: its folder, its configuration, its process, the
 * line in which that says whether it is ready, the control connection, the first 'info'; see vm.h.
 */
#include "vswitch/vm_priv.h"

#include "vswitch/vm_files.h"
#include "vswitch/vm_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

static json_t *disk_json(const struct vs_disk *d)
{
	return json_pack("{ss ss ss sb si ss}", "name", d->own, "path", d->path, "format",
			 d->format, "readonly", d->readonly, "lun", (int)d->lun, "cache", d->cache);
}

static json_t *parts_of(const struct vs_vms *vms, const struct vs_vm *vm, bool disks)
{
	const struct vs_model *m = vms->model;
	json_t *list = json_array();

	for (unsigned i = 0; disks && i < m->n_disks; i++)
		if (m->disks[i].vm == vm)
			json_array_append_new(list, disk_json(&m->disks[i]));
	for (unsigned i = 0; !disks && i < m->n_ports; i++)
		if (m->ports[i].vm == vm)
			json_array_append_new(list, json_pack("{ss}", "name", m->ports[i].nic));
	return list;
}

json_t *vs_vm_config(const struct vs_vms *vms, const struct vs_vm *vm)
{
	char dir[PATH_MAX];
	json_t *c;

	vs_vm_path(vms, vm->name, "", dir, sizeof(dir));
	c = json_pack("{ss si ss s{sI sI sI si si} si ss sb ss ss ss* ss ss so so}", "name",
		      vm->name, "id", (int)vm->id, "dir", dir, "memory", "size",
		      (json_int_t)vm->memory, "minimum", (json_int_t)vm->memory_min, "maximum",
		      (json_int_t)vm->memory_max, "buffer", (int)vm->memory_buffer, "priority",
		      (int)vm->memory_priority, "processors", (int)vm->processors, "cpu", vm->cpu,
		      "nested", vm->nested, "face", vm->face, "kernel", vm->kernel, "initrd",
		      vm->initrd, "cmdline", vm->cmdline, "on_crash", vm->on_crash, "nics",
		      parts_of(vms, vm, false), "disks", parts_of(vms, vm, true));
	if (vm->vsock)
		json_object_set_new(c, "vsock", json_true());
	/* Only root can become somebody else. */
	if (geteuid() == 0)
		json_object_set_new(c, "uid", json_integer((json_int_t)VS_VM_FIRST_UID + vm->id));
	if (vms->opts.has_group)
		json_object_set_new(c, "group", json_integer(vms->opts.group));
	return c;
}

static int no_folder(const char *path, struct err *err)
{
	int code = errno;

	err_set(err, -code, "no-folder", "cannot make %.200s: %s", path, strerror(code));
	err_why(err, "sockets and the log of the VM go there");
	return -code;
}

static int make_folder(const char *path, struct err *err)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : no_folder(path, err);
}

/* The VM's folder.  Sockets and lock of an earlier process are for the next one to replace: it
 * alone can tell that nobody holds them. */
static int prepare_folder(const struct vs_vm_live *vm, struct err *err)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%.*s/vm", (int)sizeof(path) - 4, vm->vms->run_dir);
	rc = make_folder(path, err);
	vs_vm_path(vm->vms, vm->name, "", path, sizeof(path));
	if (rc == 0)
		rc = make_folder(path, err);
	vs_vm_path(vm->vms, vm->name, "exit.json", path, sizeof(path));
	if (rc == 0)
		(void)unlink(path);
	vs_vm_path(vm->vms, vm->name, "console.sock", path, sizeof(path));
	if (rc == 0 && strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		rc = err_set(err, -ENAMETOOLONG, "path-too-long",
			     "VM %s: the paths of its sockets are too long", vm->name);
		err_why(err, "%.200s has %zu bytes, and a unix socket's path has 107 at most", path,
			strlen(path));
		err_fix(err, "take a shorter name, or a shorter --socket of vswitchd");
	}
	return rc;
}

/* For a daemon that finds the process running. */
static void keep_config(const struct vs_vm_live *vm)
{
	char path[PATH_MAX], temporary[PATH_MAX];

	vs_vm_path(vm->vms, vm->name, "config.json", path, sizeof(path));
	vs_vm_path(vm->vms, vm->name, "config.new", temporary, sizeof(temporary));
	if (json_dump_file(vm->config, temporary, JSON_INDENT(1)) == 0)
		(void)rename(temporary, path);
}

/* ---- Until it is ready ---- */

void vs_vm_start_stop(struct vs_vm_live *vm)
{
	vs_vm_timer_stop(&vm->out_readable);
	vs_vm_timer_stop(&vm->start_late);
	if (vm->out >= 0)
		close(vm->out);
	vm->out = -1;
}

/* It will not run: the process, if it lives, is ended. */
static void fail_start(struct vs_vm_live *vm, const struct err *err)
{
	const struct err copy = *err;

	vs_vm_start_stop(vm);
	vs_vm_note(vm, "%s", copy.what);
	vs_vm_answer(&vm->starts, &copy);
	vs_vm_kill(vm);
}

static void on_start_late(int fd, short what, void *arg)
{
	struct vs_vm_live *vm = arg;
	struct err err;

	err_set(&err, -ETIMEDOUT, "vm-silent", "VM %s: its process is not ready in time", vm->name);
	err_why(&err, "process %d was started and has not said a word", (int)vm->pid);
	err_fix(&err, "vswitchctl vm start %s --timeout 5m; its log is in vm show", vm->name);
	fail_start(vm, &err);
}

static void on_info(void *arg, const json_t *result, const struct err *err)
{
	struct vs_vm_live *vm = arg;

	if (result == NULL && vm->state == VS_VM_STARTING && !vm->taken && vm->ctl != NULL) {
		fail_start(vm, err);
		return;
	}
	if (result == NULL) {
		if (vs_vm_has_process(vm) && vm->ctl != NULL)
			vs_vm_note(vm, "cannot be asked: %.200s", err->what);
		if (vm->taken && vm->state == VS_VM_STARTING && vs_vm_has_process(vm))
			vs_vm_set_state(vm, VS_VM_RUNNING);
		return;
	}
	if (strcmp(vs_vm_text(result, "name"), vm->name) != 0) {
		struct err other;

		err_set(&other, -EINVAL, "bad-worker", "VM %s: its process says that it is '%.64s'",
			vm->name, vs_vm_text(result, "name"));
		vs_vm_tell(vm, "vm-fault", "%s", other.what);
		if (vm->state == VS_VM_STARTING)
			fail_start(vm, &other);
		return;
	}
	json_decref(vm->info);
	vm->info = json_incref((json_t *)(uintptr_t)result);
	vs_vm_is_up(vm);
}

void vs_vm_ask_info(struct vs_vm_live *vm)
{
	if (vm->ctl != NULL)
		(void)vs_vm_link_ask(vm->ctl, "info", NULL, -1, VM_ASK_MS, on_info, vm, NULL);
}

static enum vs_vm_state state_said(const char *word, enum vs_vm_state otherwise)
{
	static const enum vs_vm_state known[] = {VS_VM_RUNNING, VS_VM_PAUSED, VS_VM_STOPPING,
						 VS_VM_CRASHED};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(word, vs_vm_state_name(known[i])) == 0)
			return known[i];
	return otherwise;
}

static void crashed(struct vs_vm_live *vm, const json_t *event)
{
	char line[300];

	json_decref(vm->crash);
	vm->crash = json_copy((json_t *)(uintptr_t)event);
	json_object_del(vm->crash, "event");
	vs_vm_panic_line(vs_vm_text(event, "text"), line, sizeof(line));
	vs_vm_note(vm, "its kernel crashed%s%.250s", line[0] != '\0' ? ": " : "", line);
	vs_vm_tell(vm, "vm-crashed", "VM %s crashed%s%s", vm->name, line[0] != '\0' ? ": " : "",
		   line);
}

/* The first beat of a guest is no news: that it is back is. */
static void heartbeat(struct vs_vm_live *vm, const json_t *event)
{
	bool ok = json_is_true(json_object_get(event, "ok"));
	bool lost = strcmp(vs_vm_text(vm->info, "heartbeat"), "lost") == 0;

	if (vm->info != NULL)
		json_object_set_new(vm->info, "heartbeat", json_string(ok ? "ok" : "lost"));
	if (ok && strncmp(vm->note, "its guest is silent", 19) == 0)
		vm->note[0] = '\0';
	if (!ok)
		vs_vm_note(vm, "its guest is silent: no heartbeat");
	if (!ok || lost)
		vs_vm_tell(vm, "vm-heartbeat",
			   ok ? "VM %s: its heartbeat is back" : "VM %s: no heartbeat", vm->name);
}

/* What a disk cannot do is kept beside it; a NIC's attachment has its own place in 'nic list'. */
static void part_said(struct vs_vm_live *vm, const char *kind, const json_t *event)
{
	const char *own = vs_vm_text(event, "name");
	bool nic = strcmp(kind, "nic") == 0;
	struct vs_vm_dev *part;

	TAILQ_FOREACH(part, &vm->disks, link) {
		if (nic || strcmp(part->own, own) != 0)
			continue;
		snprintf(part->note, sizeof(part->note), "%.190s", vs_vm_text(event, "text"));
		vs_vm_mend(part->note);
	}
	vs_vm_tell(vm, nic ? "vm-nic" : "vm-disk", "VM %s: %s %.40s: %.250s", vm->name, kind, own,
		   vs_vm_text(event, "text"));
}

static void vf_said(struct vs_vm_live *vm, const json_t *event)
{
	const struct vs_vms *vms = vm->vms;

	if (vms->opts.ops->vf != NULL)
		vms->opts.ops->vf(vms->opts.ctx, vm->name, vs_vm_text(event, "name"),
				  vs_vm_text(event, "state"), vs_vm_text(event, "why"));
}

static void on_event(void *ctx, const char *name, const json_t *event)
{
	struct vs_vm_live *vm = ctx;

	if (strcmp(name, "state") == 0 && vm->state != VS_VM_STARTING)
		vs_vm_set_state(vm, state_said(vs_vm_text(event, "state"), vm->state));
	else if (strcmp(name, "stopped") == 0)
		snprintf(vm->ended_why, sizeof(vm->ended_why), "%s", vs_vm_text(event, "why"));
	else if (strcmp(name, "crash") == 0)
		crashed(vm, event);
	else if (strcmp(name, "heartbeat") == 0)
		heartbeat(vm, event);
	else if (strcmp(name, "guest") == 0)
		vs_vm_ask_info(vm);
	else if (strcmp(name, "nic") == 0 || strcmp(name, "disk") == 0)
		part_said(vm, name, event);
	else if (strcmp(name, "vf") == 0)
		vf_said(vm, event);
	else if (strcmp(name, "vsock") == 0)
		vs_vm_dev_stream(vm, event);
	else if (strcmp(name, "bus") == 0)
		vs_vm_tell(vm, "vm-bus", "VM %s: %.300s", vm->name, vs_vm_text(event, "text"));
	else if (strcmp(name, "fault") == 0)
		vs_vm_tell(vm, "vm-fault", "VM %s: %.300s", vm->name, vs_vm_text(event, "text"));
}

/* Its end is seen at its pidfd; a process that only closed the connection is asked again. */
static void on_lost(void *ctx, const char *why)
{
	struct vs_vm_live *vm = ctx;

	vs_vm_link_close(vm->ctl);
	vm->ctl = NULL;
	vm->n_lost++;
	if (vm->state == VS_VM_RUNNING)
		vs_vm_note(vm, "cannot be asked: %.200s", why);
}

int vs_vm_connect(struct vs_vm_live *vm, struct err *err)
{
	static const struct vs_vm_link_ops ops = {.event = on_event, .lost = on_lost};
	char path[PATH_MAX];
	struct ucred peer;
	int rc;

	vs_vm_path(vm->vms, vm->name, "control.sock", path, sizeof(path));
	rc = vs_vm_link_open(vm->vms->opts.base, path, &ops, vm, &vm->ctl, &peer, err);
	if (rc != 0)
		return rc;
	/* It listened before it became another user. */
	if (vm->pid == 0 && (peer.uid == 0 || peer.uid == geteuid()))
		vm->pid = peer.pid;
	if (peer.pid == vm->pid)
		return 0;
	vs_vm_link_close(vm->ctl);
	vm->ctl = NULL;
	return err_set(err, -EPERM, "bad-worker", "VM %s: process %d listens on its socket, not %d",
		       vm->name, (int)peer.pid, (int)vm->pid);
}

static void is_ready(struct vs_vm_live *vm)
{
	struct err err = {0};

	vm->ready = true;
	vs_vm_timer_stop(&vm->out_readable);
	close(vm->out);
	vm->out = -1;
	if (vs_vm_connect(vm, &err) != 0)
		fail_start(vm, &err);
	else
		vs_vm_ask_info(vm);
}

/* What stands last in its log, for one that ended without a word. */
static void last_words(const struct vs_vm_live *vm, char *text, size_t size)
{
	char path[PATH_MAX], tail[1024];
	ssize_t n = 0;
	int fd;

	vs_vm_path(vm->vms, vm->name, "log", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		off_t end = lseek(fd, 0, SEEK_END);

		n = pread(fd, tail, sizeof(tail) - 1,
			  end > (off_t)sizeof(tail) - 1 ? end - (off_t)sizeof(tail) + 1 : 0);
		close(fd);
	}
	while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '))
		n--;
	tail[n > 0 ? n : 0] = '\0';
	for (char *p = tail; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 && *p != '\n')
			*p = '?';
	snprintf(text, size, "%.250s",
		 strrchr(tail, '\n') != NULL ? strrchr(tail, '\n') + 1 : tail);
}

static void line_ended(struct vs_vm_live *vm)
{
	struct err err = {0};
	char last[260];

	if (vm->n_line > 0 && vs_vm_line_parse(vm->line, vm->n_line, &err) == 0) {
		is_ready(vm);
		return;
	}
	if (vm->n_line == 0) {
		last_words(vm, last, sizeof(last));
		err_set(&err, -EIO, "vm-failed", "VM %s: its process ended before it was ready",
			vm->name);
		if (last[0] != '\0')
			err_why(&err, "the last it said was: %s", last);
		err_fix(&err, "vswitchctl vm show %s names its log", vm->name);
	}
	fail_start(vm, &err);
}

static void on_out(int fd, short what, void *arg)
{
	struct vs_vm_live *vm = arg;
	ssize_t n = read(fd, vm->line + vm->n_line, sizeof(vm->line) - vm->n_line);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		vm->n_line += (size_t)n;
	if (n <= 0 || vm->n_line == sizeof(vm->line) || memchr(vm->line, '\n', vm->n_line) != NULL)
		line_ended(vm);
}

void vs_vm_is_up(struct vs_vm_live *vm)
{
	bool began = !vm->up;

	vm->up = true;
	if (began) {
		vs_vm_timer_stop(&vm->start_late);
		vm->note[0] = '\0';
		vs_vm_tell(vm, "vm-started",
			   vm->taken ? "VM %s runs, taken up again (process %d)"
				     : "VM %s runs (process %d)",
			   vm->name, (int)vm->pid);
	}
	if (strncmp(vm->note, "cannot be asked", 15) == 0)
		vm->note[0] = '\0';
	if (!vm->asked || began)
		vs_vm_set_state(vm, state_said(vs_vm_text(vm->info, "state"), VS_VM_RUNNING));
	if (!began)
		return;
	vs_vm_answer(&vm->starts, NULL);
	vs_vm_dev_follow(vm);
	if (vm->orphan && !vm->asked) {
		vs_vm_tell(vm, "vm-orphan", "VM %s is configured no more: it is told to stop",
			   vm->name);
		vs_vm_stop_now(vm, false, VM_STOP_MS);
	}
}

/* ---- The start itself ---- */

int vs_vm_watch(struct vs_vm_live *vm, pid_t pid, int pidfd, struct err *err)
{
	vm->ended = event_new(vm->vms->opts.base, pidfd, EV_READ, vs_vm_on_ended, vm);
	if (vm->ended == NULL || event_add(vm->ended, NULL) != 0) {
		vs_vm_timer_stop(&vm->ended);
		return err_set(err, -ENOMEM, "no-memory", "no memory to watch a VM's process");
	}
	vm->pid = pid;
	vm->pidfd = pidfd;
	return 0;
}

static int launch(struct vs_vm_live *vm, struct err *err)
{
	char log[PATH_MAX], *text = json_dumps(vm->config, JSON_COMPACT);
	struct vs_vm_spawn spawn = {.program = vm->vms->worker,
				    .log = log,
				    .config = text,
				    .cpus = vm->vms->opts.cpus};
	int pidfd = -1, rc;
	pid_t pid;

	if (text == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory to start a VM");
	vs_vm_path(vm->vms, vm->name, "log", log, sizeof(log));
	rc = vs_vm_spawn(&spawn, &pid, &pidfd, &vm->out, err);
	free(text);
	if (rc != 0)
		return rc;
	rc = vs_vm_watch(vm, pid, pidfd, err);
	if (rc == 0) {
		vm->out_readable =
			event_new(vm->vms->opts.base, vm->out, EV_READ | EV_PERSIST, on_out, vm);
		if (vm->out_readable == NULL || event_add(vm->out_readable, NULL) != 0)
			rc = err_set(err, -ENOMEM, "no-memory", "no memory to start a VM");
	}
	if (rc != 0)
		(void)vs_vm_signal(pidfd, SIGKILL);
	if (rc != 0 && vm->pidfd < 0)
		close(pidfd);
	return rc;
}

int vs_vm_begin(struct vs_vm_live *vm, unsigned timeout_ms, struct err *err)
{
	const struct vs_vm *m = vs_vm_configured(vm);
	struct timespec ts;
	int rc;

	if (m == NULL)
		return err_set(err, -ENOENT, "not-found", "there is no vm '%s'", vm->name);
	rc = vs_vm_files_check(vm->vms->model, m, err);
	if (rc == 0)
		rc = prepare_folder(vm, err);
	if (rc != 0)
		return rc;
	vs_vm_timer_stop(&vm->again);
	json_decref(vm->config);
	vm->config = vs_vm_config(vm->vms, m);
	vm->n_line = 0;
	vm->ready = vm->up = vm->asked = vm->killed = vm->taken = false;
	vm->ended_why[0] = vm->note[0] = '\0';
	json_decref(vm->crash);
	json_decref(vm->info);
	json_decref(vm->stats);
	vm->crash = vm->info = vm->stats = NULL;
	if (vm->config == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory to start a VM");
	keep_config(vm);
	vs_vm_want(vm, true);
	rc = launch(vm, err);
	if (rc != 0) {
		vs_vm_start_stop(vm);
		vs_vm_want(vm, false);
		vs_vm_note(vm, "%s", err != NULL ? err->what : "it could not be started");
		return rc;
	}
	clock_gettime(CLOCK_MONOTONIC, &ts);
	vm->started_ns = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	vs_vm_set_state(vm, VS_VM_STARTING);
	vs_vm_dev_begin(vm, vm->config);
	vs_vm_timer(vm, &vm->start_late, on_start_late, timeout_ms);
	return 0;
}

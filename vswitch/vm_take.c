/* SPDX-License-Identifier: BSD-2-Clause
 *
 * At the daemon's start: VMs that run are taken up again, those that died while nobody looked are
 * treated as if somebody had, and after a start of the host those start that shall; see vm.h.
 *
 * What a later daemon must know stands beside the process's sockets: "want" in a VM's folder as
 * long as it is meant to run, "boot" beside the folders for the boot in which they were made.
 */
#include "vswitch/vm_priv.h"

#include "vswitch/vm_spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void vs_vm_want(const struct vs_vm_live *vm, bool runs)
{
	char path[PATH_MAX];
	int fd;

	vs_vm_path(vm->vms, vm->name, "want", path, sizeof(path));
	if (!runs) {
		(void)unlink(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		close(fd);
}

static bool is_wanted(const struct vs_vm_live *vm)
{
	char path[PATH_MAX];

	vs_vm_path(vm->vms, vm->name, "want", path, sizeof(path));
	return access(path, F_OK) == 0;
}

static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* Has the host started since a daemon was here last?  Says that we were. */
static bool host_started(const struct vs_vms *vms)
{
	char dir[PATH_MAX], path[PATH_MAX], now[64], then[64];
	bool started;
	int fd;

	snprintf(dir, sizeof(dir), "%.*s/vm", (int)sizeof(dir) - 16, vms->run_dir);
	snprintf(path, sizeof(path), "%.*s/boot", (int)sizeof(path) - 16, dir);
	(void)mkdir(dir, 0755);
	read_text("/proc/sys/kernel/random/boot_id", now, sizeof(now));
	read_text(path, then, sizeof(then));
	started = strcmp(now, then) != 0;
	fd = started ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644) : -1;
	if (fd >= 0) {
		(void)!write(fd, now, strlen(now));
		close(fd);
	}
	return started;
}

/* What its process was given, as the daemon wrote that started it. */
static void load_config(struct vs_vm_live *vm)
{
	char path[PATH_MAX];
	json_t *config;

	vs_vm_path(vm->vms, vm->name, "config.json", path, sizeof(path));
	config = json_load_file(path, 0, NULL);
	json_decref(vm->config);
	vm->config = json_is_object(config) ? config : NULL;
	if (vm->config == NULL)
		json_decref(config);
}

bool vs_vm_take(struct vs_vm_live *vm)
{
	struct err err = {0};
	int pidfd, rc;

	vm->pid = 0;
	if (vs_vm_connect(vm, &err) != 0) {
		vm->pid = 0;
		return false;
	}
	pidfd = vs_vm_pidfd(vm->pid);
	rc = pidfd >= 0 ? vs_vm_watch(vm, vm->pid, pidfd, &err) : pidfd;
	if (rc != 0) {
		if (pidfd >= 0)
			close(pidfd);
		vs_vm_link_close(vm->ctl);
		vm->ctl = NULL;
		vm->pid = 0;
		return false;
	}
	vm->taken = true;
	vm->started_ns = 0;
	vm->up = vm->asked = vm->killed = vm->by_hand = false;
	vs_vm_set_state(vm, VS_VM_STARTING);
	load_config(vm);
	vs_vm_dev_begin(vm, vm->config);
	vs_vm_ask_info(vm);
	return true;
}

/* A folder of a VM: its process runs, or did. */
static void look_at(struct vs_vms *vms, const char *name, bool host_is_new)
{
	struct vs_vm_live *vm = vs_vm_find(vms, name);
	bool known = vm != NULL;

	if (!known)
		vm = vs_vm_add(vms, name, 0);
	if (vm == NULL)
		return;
	vm->orphan = !known;
	if (vs_vm_take(vm))
		return;
	if (known && !host_is_new && is_wanted(vm)) {
		/* It died while there was no daemon. */
		vm->started_ns = 0;
		vs_vm_has_ended(vm, -1);
		return;
	}
	vs_vm_want(vm, false);
	if (!known)
		vs_vm_remove(vm);
}

static void look_at_folders(struct vs_vms *vms, bool host_is_new)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%.*s/vm", (int)sizeof(path) - 4, vms->run_dir);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (vs_vm_name_check(entry->d_name, NULL) == 0 &&
		    strcmp(entry->d_name, "boot") != 0)
			look_at(vms, entry->d_name, host_is_new);
	if (dir != NULL)
		closedir(dir);
}

static void start_with_host(struct vs_vms *vms)
{
	for (unsigned i = 0; i < vms->model->n_vms; i++) {
		const struct vs_vm *m = &vms->model->vms[i];
		struct vs_vm_live *vm = vs_vm_find(vms, m->name);
		struct err err = {0};

		if (!m->autostart || vm == NULL || vs_vm_has_process(vm) || vs_vm_take(vm))
			continue;
		vm->by_hand = false;
		if (vs_vm_begin(vm, VM_STOP_MS, &err) != 0) {
			vs_vm_tell(vm, "vm-failed",
				   "VM %s could not be started with the host: %.250s", vm->name,
				   err.what);
			vs_vm_decide(vm, true, err.what);
		}
	}
}

void vs_vm_take_all(struct vs_vms *vms)
{
	bool host_is_new = host_started(vms);

	look_at_folders(vms, host_is_new);
	if (host_is_new)
		start_with_host(vms);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What people are shown of a VM: its configuration, its state here, and what its process said last;
 * see vm.h.
 */
#include "vswitch/vm_priv.h"

#include <stdio.h>
#include <string.h>

static void put_text(json_t *row, const char *key, const json_t *from, const char *path)
{
	json_object_set_new(row, key, json_string(vs_vm_text(from, path)));
}

/* What would be other at the next start. */
static json_t *at_next_start(const struct vs_vm_live *vm, const struct vs_vm *m)
{
	static const char *const keys[] = {"memory", "processors", "cpu",    "nested",	"face",
					   "vsock",  "kernel",	   "initrd", "cmdline", "on_crash"};
	json_t *names = json_array(), *next;

	if (m == NULL || vm->config == NULL || !vs_vm_has_process(vm))
		return names;
	next = vs_vm_config(vm->vms, m);
	for (size_t i = 0; next != NULL && i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *a = json_object_get(vm->config, keys[i]);
		const json_t *b = json_object_get(next, keys[i]);

		if (a != b && (a == NULL || b == NULL || !json_equal(a, b)))
			json_array_append_new(names, json_string(keys[i]));
	}
	json_decref(next);
	return names;
}

/* Crash text and what it was, or nothing. */
static json_t *crash_of(const struct vs_vm_live *vm)
{
	const json_t *crash = vm->crash != NULL ? vm->crash : json_object_get(vm->info, "crash");

	return json_object_size(crash) > 0 ? json_incref((json_t *)(uintptr_t)crash) : json_null();
}

static void put_whole(json_t *row, const struct vs_vm_live *vm, const struct vs_vm *m)
{
	char path[PATH_MAX];

	json_object_set_new(row, "pid", vm->pid != 0 ? json_integer(vm->pid) : json_null());
	json_object_set_new(row, "boot_ms", json_integer(vs_vm_number(vm->info, "boot_ms")));
	json_object_set_new(row, "restarts", json_integer(vm->n_restarts));
	json_object_set_new(row, "memory_assigned",
			    json_integer(vs_vm_number(vm->stats, "memory.assigned") != 0
						 ? vs_vm_number(vm->stats, "memory.assigned")
						 : vs_vm_number(vm->info, "memory.size")));
	json_object_set_new(row, "memory_demand",
			    json_integer(vs_vm_number(vm->stats, "memory.demand")));
	put_text(row, "host", vm->info, "guest.host");
	put_text(row, "heartbeat", vm->info, "heartbeat");
	put_text(row, "vmbus", vm->info, "vmbus");
	json_object_set_new(row, "crash", crash_of(vm));
	vs_vm_path(vm->vms, vm->name, "console.sock", path, sizeof(path));
	json_object_set_new(row, "console", json_string(path));
	vs_vm_path(vm->vms, vm->name, "vsock.sock", path, sizeof(path));
	json_object_set_new(row, "vsock",
			    json_is_true(json_object_get(vm->config, "vsock")) ? json_string(path)
									       : json_null());
	vs_vm_path(vm->vms, vm->name, "log", path, sizeof(path));
	json_object_set_new(row, "log", json_string(path));
	json_object_set_new(row, "at_next_start", at_next_start(vm, m));
}

json_t *vs_vm_row(const struct vs_vms *vms, const char *name, bool whole)
{
	const struct vs_vm_live *vm = vs_vm_find(vms, name);
	const struct vs_vm *m = vm != NULL ? vs_vm_configured(vm) : NULL;
	json_t *row, *ips;
	const char *face;

	if (vm == NULL)
		return NULL;
	face = vs_vm_text(vm->info, "face");
	ips = json_object_get(json_object_get(vm->info, "guest"), "ips");
	row = json_pack("{ss si ss ss si sI ss si si}", "name", vm->name, "id", (int)vm->id,
			"state", vs_vm_state_name(vm->state), "face",
			face[0] != '\0' ? face : (m != NULL ? m->face : ""), "processors",
			m != NULL ? (int)m->processors : 0, "memory",
			(json_int_t)(m != NULL ? m->memory : 0), "note", vm->note, "nics",
			m != NULL ? (int)m->n_nics : 0, "disks", m != NULL ? (int)m->n_disks : 0);
	json_object_set_new(row, "uptime_s",
			    vs_vm_has_process(vm) ? json_integer(vs_vm_number(vm->info, "uptime_s"))
						  : json_null());
	put_text(row, "os", vm->info, "guest.os");
	json_object_set_new(row, "ips", json_is_array(ips) ? json_incref(ips) : json_array());
	if (whole)
		put_whole(row, vm, m);
	return row;
}

void vs_vm_keep(struct vs_vms *vms, const char *name, const char *method, const json_t *answer)
{
	struct vs_vm_live *vm = vs_vm_find(vms, name);
	json_t **kept;

	if (vm == NULL || !vs_vm_has_process(vm))
		return;
	kept = strcmp(method, "stats") == 0 ? &vm->stats : &vm->info;
	json_decref(*kept);
	*kept = json_incref((json_t *)(uintptr_t)answer);
}

const json_t *vs_vm_kept(const struct vs_vms *vms, const char *name, const char *method)
{
	const struct vs_vm_live *vm = vs_vm_find(vms, name);

	if (vm == NULL)
		return NULL;
	return strcmp(method, "stats") == 0 ? vm->stats : vm->info;
}

json_t *vs_vm_nic_ips(const struct vs_vms *vms, const char *name, const char *nic)
{
	const json_t *info = vs_vm_kept(vms, name, "info");
	json_t *nics = json_object_get(info, "nics"), *item, *ips = NULL;
	size_t i;

	json_array_foreach(nics, i, item) {
		if (strcmp(vs_vm_text(item, "name"), nic) == 0)
			ips = json_object_get(item, "ips");
	}
	if (json_array_size(ips) == 0)
		ips = json_object_get(json_object_get(info, "guest"), "ips");
	return json_is_array(ips) ? json_incref(ips) : json_array();
}

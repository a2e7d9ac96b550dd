/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at the disks of VMs; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/conf.h"
#include "vswitch/vm.h"

#include <errno.h>
#include <string.h>

static json_t *disk_row(const struct vs_daemon *d, const struct vs_disk *disk)
{
	const struct vs_vms *vms = d->vs->vms;
	const char *vm = disk->vm->name;

	return json_pack("{ss ss ss ss si sb ss ss ss}", "name", disk->name, "vm", vm, "path",
			 disk->path, "format", disk->format, "lun", (int)disk->lun, "readonly",
			 disk->readonly, "cache", disk->cache, "vm_state",
			 vms != NULL ? vs_vm_state_name(vs_vm_state(vms, vm)) : "", "note",
			 vms != NULL ? vs_vm_part_note(vms, vm, "disk", disk->own) : "");
}

json_t *vs_disks_json(const struct vs_daemon *d, const char *vm)
{
	const struct vs_model *m = d->vs->model;
	json_t *rows = json_array();

	for (unsigned i = 0; i < m->n_disks; i++)
		if (vm == NULL || strcmp(m->disks[i].vm->name, vm) == 0)
			json_array_append_new(rows, disk_row(d, &m->disks[i]));
	return rows;
}

static int disk_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const struct vs_daemon *d = ctx;
	const char *vm = json_string_value(json_object_get(params, "vm"));

	if (vm != NULL && vs_model_vm(d->vs->model, vm) == NULL)
		return conf_refuse_missing(conf_state(d->conf), "vm", vm, "", err);
	*ret = json_pack("{so}", "disks", vs_disks_json(d, vm));
	return 0;
}

const struct ctl_binding vs_cmd_disks[] = {
	{"disk", "list", disk_list},
	{NULL, NULL, NULL},
};

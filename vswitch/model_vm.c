/* SPDX-License-Identifier: BSD-2-Clause
 *
 * VMs in the model, with their disks and NICs.  A NIC is a port of kind vmbus whose name begins
 * with the VM's and a slash; ports of that kind without such a VM are those of other workers
 * (vmbus-tap), and none of ours.
 */
#include "vswitch/model_priv.h"

#include "ctl/conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIB	    (UINT64_C(1) << 20)
#define MEMORY_MIN  (32 * MIB) /* hv/memory.h */
#define MEMORY_MAX  (UINT64_C(4) << 40)
#define MAX_VPS	    64 /* hv/layout.h; the hypervisor's headers are not for the switch */
#define MAX_LUN	    63
#define CMDLINE_MAX 2047 /* of x86 kernels */

static const char *const restart_names[] = {"never", "on-failure", "always"};

const char *vs_restart_name(enum vs_restart restart)
{
	return restart_names[restart];
}

const struct vs_vm *vs_model_vm(const struct vs_model *m, const char *name)
{
	for (unsigned i = 0; name != NULL && i < m->n_vms; i++)
		if (strcmp(m->vms[i].name, name) == 0)
			return &m->vms[i];
	return NULL;
}

const struct vs_disk *vs_model_disk(const struct vs_model *m, const char *name)
{
	for (unsigned i = 0; name != NULL && i < m->n_disks; i++)
		if (strcmp(m->disks[i].name, name) == 0)
			return &m->disks[i];
	return NULL;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* How many bytes of 'name' may stand in a name that is also a file's; all: it is one. */
static size_t good_bytes(const char *name)
{
	size_t n = 0;

	while (is_alnum(name[n]) || (n > 0 && name[n] != '\0' && strchr("._-", name[n]) != NULL))
		n++;
	return n;
}

/* What is the matter with a name of at most 'max' bytes; false: nothing. */
static bool name_fault(const char *name, size_t max, char *why, size_t size)
{
	size_t n = good_bytes(name), length = strlen(name);

	if (length == 0)
		snprintf(why, size, "it is empty");
	else if (length > max)
		snprintf(why, size,
			 "it has %zu bytes, and %zu may be: it is part of a socket's path", length,
			 max);
	else if (n == 0)
		snprintf(why, size, "it must begin with a letter or digit");
	else if (n < length && (unsigned char)name[n] > 0x20 && (unsigned char)name[n] < 0x7f)
		snprintf(why, size,
			 "'%c' may not be in it: it is the name of a folder, a process "
			 "and a port too",
			 name[n]);
	else if (n < length)
		snprintf(why, size,
			 "byte %zu (0x%02x) may not be in it: it is the name of a "
			 "folder, a process and a port too",
			 n + 1, (unsigned char)name[n]);
	else
		return false;
	return true;
}

int vs_vm_name_check(const char *name, struct err *err)
{
	char why[200];

	if (!name_fault(name, VS_VM_NAME_SIZE - 1, why, sizeof(why)))
		return 0;
	err_set(err, -EINVAL, "bad-vm-name", "'%.64s' is no name for a VM", name);
	err_why(err, "%s", why);
	err_fix(err, "take letters, digits and . _ - only, at most %d, such as web1",
		VS_VM_NAME_SIZE - 1);
	return -EINVAL;
}

const char *vs_vm_part(const char *name)
{
	const char *slash = name != NULL ? strchr(name, '/') : NULL;

	return slash != NULL && slash != name && slash[1] != '\0' ? slash + 1 : NULL;
}

/* "web1/nic0": its own name, and the VM's if there is one. */
static const struct vs_vm *vm_of_part(const struct vs_model *m, const char *name,
				      const char **ret_own)
{
	char vm[64];
	const char *own = vs_vm_part(name);

	*ret_own = own;
	if (own == NULL || (size_t)(own - name) > sizeof(vm))
		return NULL;
	snprintf(vm, sizeof(vm), "%.*s", (int)(own - name - 1), name);
	return vs_model_vm(m, vm);
}

static int part_check(const char *noun, const char *name, const char *own, struct err *err)
{
	char why[200];

	if (own != NULL && !name_fault(own, VS_VM_PART_SIZE - 1, why, sizeof(why)))
		return 0;
	if (own == NULL)
		snprintf(why, sizeof(why), "it must be VM/%s",
			 strcmp(noun, "nic") == 0 ? "NIC" : "DISK");
	err_set(err, -EINVAL, "bad-name", "%s '%.64s' cannot be called so", noun, name);
	err_why(err, "%s", why);
	err_fix(err, "such as web1/%s0: letters, digits and . _ - behind the slash, at most %d",
		noun, VS_VM_PART_SIZE - 1);
	return -EINVAL;
}

static int number_bad(const char *vm, const char *option, const char *must, struct err *err)
{
	err_set(err, -EINVAL, "bad-vm", "vm %s: --%s must be %s", vm, option, must);
	err_fix(err, "vswitchctl vm set %s --%s ...", vm, option);
	return -EINVAL;
}

static int memory_check(const struct vs_vm *vm, struct err *err)
{
	const uint64_t sizes[] = {vm->memory, vm->memory_min, vm->memory_max};
	static const char *const options[] = {"memory", "memory-min", "memory-max"};

	for (size_t i = 0; i < 3; i++)
		if (sizes[i] < MEMORY_MIN || sizes[i] > MEMORY_MAX || sizes[i] % (2 * MIB) != 0)
			return number_bad(vm->name, options[i],
					  "a multiple of 2M, at least 32M and at most 4T", err);
	if (vm->memory_min > vm->memory || vm->memory_max < vm->memory) {
		err_set(err, -EINVAL, "bad-vm",
			"vm %s: --memory must lie between --memory-min and --memory-max", vm->name);
		err_why(err, "it starts with --memory, and its balloon moves it between the two "
			     "others");
		err_fix(err, "lower --memory-min, or raise --memory-max");
		return -EINVAL;
	}
	return 0;
}

static int path_check(const char *who, const char *name, const char *what, const char *path,
		      struct err *err)
{
	if (path == NULL || path[0] == '/')
		return 0;
	err_set(err, -EINVAL, "not-absolute", "%s %s: the path of its %s is not absolute: %.100s",
		who, name, what, path);
	err_why(err, "the daemon works in another folder than you");
	err_fix(err, "write it from / on");
	return -EINVAL;
}

static int choice_check(const char *vm, const char *key, const char *word, const char *choices,
			struct err *err)
{
	size_t n = strlen(word);

	for (const char *p = strchr(word, '|') == NULL ? strstr(choices, word) : NULL; p != NULL;
	     p = strstr(p + 1, word))
		if ((p == choices || p[-1] == '|') && (p[n] == '|' || p[n] == '\0'))
			return 0;
	err_set(err, -EINVAL, "bad-vm", "vm %s: --%s cannot be '%.32s'", vm, key, word);
	err_fix(err, "one of %s", choices);
	return -EINVAL;
}

static int words_check(const struct vs_vm *vm, struct err *err)
{
	int rc;

	if (strlen(vm->cmdline) > CMDLINE_MAX)
		return number_bad(vm->name, "cmdline", "at most 2047 bytes: kernels take no more",
				  err);
	rc = choice_check(vm->name, "cpu", vm->cpu, "host|x86-64-v1|x86-64-v2|x86-64-v3|x86-64-v4",
			  err);

	if (rc == 0)
		rc = choice_check(vm->name, "face", vm->face, "auto|kvm|user", err);
	if (rc == 0)
		rc = choice_check(vm->name, "on-crash", vm->on_crash, "stop|keep|reset", err);
	if (rc == 0)
		rc = path_check("vm", vm->name, "kernel", vm->kernel, err);
	return rc == 0 ? path_check("vm", vm->name, "initrd", vm->initrd, err) : rc;
}

static const char *word_of(const json_t *body, const char *key, const char *def)
{
	const char *word = vs_body_str(body, key);

	return word != NULL ? word : def;
}

static int no_kernel(const char *name, struct err *err)
{
	err_set(err, -EINVAL, "no-kernel", "vm %s has no kernel to boot", name);
	err_why(err, "a VM boots a Linux kernel directly; it has no firmware");
	err_fix(err, "add --kernel FILE, such as /boot/vmlinuz");
	return -EINVAL;
}

int vs_model_vm_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	struct vs_vm *vm = &m->vms[m->n_vms++];
	uint64_t memory = vs_body_number(body, "memory", 256 * MIB);
	const char *restart = word_of(body, "restart", "on-failure");
	int rc = vs_vm_name_check(name, err);

	*vm = (struct vs_vm){
		.name = name,
		.body = body,
		.id = (uint32_t)vs_body_number(body, "id", 0),
		.kernel = vs_body_str(body, "kernel"),
		.initrd = vs_body_str(body, "initrd"),
		.cmdline = word_of(body, "cmdline", "console=ttyS0"),
		.memory = memory,
		.memory_min = vs_body_number(body, "memory_min", memory),
		.memory_max = vs_body_number(body, "memory_max", memory),
		.memory_buffer = (unsigned)vs_body_number(body, "memory_buffer", 20),
		.memory_priority = (unsigned)vs_body_number(body, "memory_priority", 50),
		.processors = (unsigned)vs_body_number(body, "processors", 1),
		.cpu = word_of(body, "cpu", "host"),
		.face = word_of(body, "face", "auto"),
		.on_crash = word_of(body, "on_crash", "stop"),
		.nested = json_is_true(json_object_get(body, "nested")),
		.vsock = json_is_true(json_object_get(body, "vsock")),
		.autostart = json_is_true(json_object_get(body, "autostart")),
	};
	if (rc == 0)
		rc = choice_check(name, "restart", restart, "never|on-failure|always", err);
	if (rc != 0)
		return rc;
	while (strcmp(restart, restart_names[vm->restart]) != 0)
		vm->restart++;
	if (vm->id == 0 || vm->id > VS_MAX_VM_ID)
		return number_bad(name, "id", "1 to 65535", err);
	if (vm->processors == 0 || vm->processors > MAX_VPS)
		return number_bad(name, "processors", "1 to 64", err);
	if (vm->kernel == NULL)
		return no_kernel(name, err);
	rc = memory_check(vm, err);
	return rc == 0 ? words_check(vm, err) : rc;
}

const char *vs_disk_format_of(const char *path)
{
	static const char *const formats[] = {"iso", "qcow2", "vhd", "vhdx"};
	const char *dot = path != NULL ? strrchr(path, '.') : NULL;

	for (size_t i = 0; dot != NULL && i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcasecmp(dot + 1, formats[i]) == 0)
			return formats[i];
	return "raw";
}

static int too_many(const char *noun, const char *name, unsigned max, struct err *err)
{
	err_set(err, -ENOSPC, "limit", "%s %s: its VM has %u already", noun, name, max);
	err_why(err, "a VM may have %u at most", max);
	return -ENOSPC;
}

int vs_model_disk_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	struct vs_disk *d = &m->disks[m->n_disks++];
	const char *path = vs_body_str(body, "path");
	const struct vs_vm *vm;
	char prefix[64];
	int rc;

	*d = (struct vs_disk){
		.name = name,
		.body = body,
		.path = path,
		.format = word_of(body, "format", vs_disk_format_of(path)),
		.cache = word_of(body, "cache", "safe"),
		.lun = (unsigned)vs_body_number(body, "lun", 0),
	};
	vm = vm_of_part(m, name, &d->own);
	d->vm = vm;
	d->readonly =
		json_is_true(json_object_get(body, "readonly")) || strcmp(d->format, "iso") == 0;
	rc = part_check("disk", name, d->own, err);
	if (rc != 0)
		return rc;
	snprintf(prefix, sizeof(prefix), "%.*s", (int)(d->own - name - 1), name);
	if (vm == NULL)
		return conf_refuse_missing(m->state, "vm", prefix, "disk", err);
	if (path == NULL || d->lun > MAX_LUN)
		return err_set(err, -EINVAL, "bad-disk",
			       "disk %s: it needs a path, and a LUN of 0 "
			       "to 63",
			       name);
	rc = path_check("disk", name, "image", path, err);
	if (rc == 0)
		rc = choice_check(name, "format", d->format, "raw|iso|qcow2|vhd|vhdx", err);
	if (rc == 0)
		rc = choice_check(name, "cache", d->cache, "safe|direct|unsafe", err);
	if (rc == 0 && ++m->vms[vm - m->vms].n_disks > VS_MAX_VM_DISKS)
		rc = too_many("disk", name, VS_MAX_VM_DISKS, err);
	return rc;
}

int vs_model_nic_read(struct vs_model *m, struct vs_port *p, struct err *err)
{
	const char *own;
	const struct vs_vm *vm = vm_of_part(m, p->name, &own);
	int rc;

	if (vm == NULL)
		return 0;
	if (p->kind != VS_VMBUS) {
		err_set(err, -EINVAL, "nic-name", "port %s of kind %s cannot be called so", p->name,
			vs_port_kind_name(p->kind));
		err_why(err, "names that begin with '%s/' are those of VM %s's NICs", vm->name,
			vm->name);
		err_fix(err, "take another name, or kind vmbus");
		err_about(err, "vm", vm->name);
		return -EINVAL;
	}
	rc = part_check("nic", p->name, own, err);
	if (rc == 0 && ++m->vms[vm - m->vms].n_nics > VS_MAX_VM_NICS)
		rc = too_many("nic", p->name, VS_MAX_VM_NICS, err);
	p->vm = vm;
	p->nic = own;
	return rc;
}

static int id_used(const struct vs_vm *a, const struct vs_vm *b, struct err *err)
{
	err_set(err, -EEXIST, "vm-id-used", "vm %s: id %u is vm %s's", a->name, a->id, b->name);
	err_why(err, "a VM's process runs as a user of its own, and the id says which");
	err_fix(err, "leave out --id, or choose another");
	err_about(err, "vm", a->name);
	err_about(err, "vm", b->name);
	return -EEXIST;
}

static int disks_check(const struct vs_disk *a, const struct vs_disk *b, struct err *err)
{
	const char *what = a->vm == b->vm && a->lun == b->lun ? "LUN" : "image";

	if (what[0] == 'i' && (strcmp(a->path, b->path) != 0 || (a->readonly && b->readonly)))
		return 0;
	err_set(err, -EEXIST, "disk-used", "disk %s: its %s is disk %s's", a->name, what, b->name);
	if (what[0] == 'i')
		err_why(err, "two writers, or a writer and a reader, of %.120s would destroy it",
			a->path);
	else
		err_why(err, "a place on the controller takes one disk");
	err_fix(err, "vswitchctl disk remove %s first, or choose another", b->name);
	err_about(err, "disk", a->name);
	err_about(err, "disk", b->name);
	return -EEXIST;
}

int vs_model_vms_check(const struct vs_model *m, struct err *err)
{
	for (unsigned i = 0; i < m->n_vms; i++)
		for (unsigned j = 0; j < i; j++)
			if (m->vms[i].id == m->vms[j].id)
				return id_used(&m->vms[i], &m->vms[j], err);
	for (unsigned i = 0; i < m->n_disks; i++)
		for (unsigned j = 0; j < i; j++) {
			int rc = disks_check(&m->disks[i], &m->disks[j], err);

			if (rc != 0)
				return rc;
		}
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * NICs and disks of a VM that runs: those that its configuration gained or lost are added and
 * removed, and NICs that nobody serves are handed a new connection to their port (a port that was
 * closed and opened, a daemon that came back).  The process opens no path by itself, so each comes
 * as a descriptor; see vm.h.
 */
#include "vswitch/vm_priv.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define AGAIN_NS  1000000000u
#define REMOVE_MS 15000

static struct vs_vm_dev *find(struct vs_vm_devs *parts, const char *own)
{
	struct vs_vm_dev *part;

	TAILQ_FOREACH(part, parts, link) {
		if (own != NULL && strcmp(part->own, own) == 0)
			return part;
	}
	return NULL;
}

static struct vs_vm_dev *add(struct vs_vm_devs *parts, const char *own, json_t *body)
{
	struct vs_vm_dev *part = calloc(1, sizeof(*part));

	if (part == NULL) {
		json_decref(body);
		return NULL;
	}
	snprintf(part->own, sizeof(part->own), "%s", own);
	part->body = body;
	TAILQ_INSERT_TAIL(parts, part, link);
	return part;
}

static void drop(struct vs_vm_devs *parts, struct vs_vm_dev *part)
{
	TAILQ_REMOVE(parts, part, link);
	json_decref(part->body);
	free(part);
}

void vs_vm_dev_end(struct vs_vm_live *vm)
{
	while (!TAILQ_EMPTY(&vm->nics))
		drop(&vm->nics, TAILQ_FIRST(&vm->nics));
	while (!TAILQ_EMPTY(&vm->disks))
		drop(&vm->disks, TAILQ_FIRST(&vm->disks));
}

static void begin_with(struct vs_vm_devs *parts, const json_t *list)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *own = json_string_value(json_object_get(item, "name"));

		if (own != NULL && find(parts, own) == NULL)
			(void)add(parts, own, json_incref(item));
	}
}

void vs_vm_dev_begin(struct vs_vm_live *vm, const json_t *config)
{
	vs_vm_dev_end(vm);
	begin_with(&vm->nics, json_object_get(config, "nics"));
	begin_with(&vm->disks, json_object_get(config, "disks"));
}

/* ---- NICs ---- */

/* Whose answer it is; the part may be gone when it comes. */
struct question {
	struct vs_vm_live *vm;
	char own[VS_VM_PART_SIZE];
	bool nic;
};

static void on_answer(void *arg, const json_t *result, const struct err *err)
{
	struct question *q = arg;
	struct vs_vm_dev *part = find(q->nic ? &q->vm->nics : &q->vm->disks, q->own);

	if (part != NULL) {
		part->asked = false;
		snprintf(part->note, sizeof(part->note), "%.190s", result != NULL ? "" : err->what);
		vs_vm_mend(part->note);
	}
	if (result == NULL && err->code != -ECONNRESET)
		vs_vm_tell(q->vm, q->nic ? "vm-nic" : "vm-disk", "VM %s: %s %s: %.250s",
			   q->vm->name, q->nic ? "nic" : "disk", q->own, err->what);
	free(q);
}

/* Asks about one of its parts.  False: it could not be asked. */
static bool ask(struct vs_vm_live *vm, const char *method, json_t *params, bool nic,
		const char *own, int fd)
{
	struct question *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		json_decref(params);
		return false;
	}
	*q = (struct question){.vm = vm, .nic = nic};
	snprintf(q->own, sizeof(q->own), "%s", own);
	if (vs_vm_link_ask(vm->ctl, method, params, fd, REMOVE_MS, on_answer, q, NULL) == 0)
		return true;
	free(q);
	return false;
}

/* Gives a NIC a connection to its port, if the port waits for one. */
static void attach(struct vs_vm_live *vm, struct vs_vm_dev *part)
{
	const struct vs_vms *vms = vm->vms;
	char port[VS_VM_NAME_SIZE + VS_VM_PART_SIZE];
	uint64_t now = clock_mono_ns();
	int fd;

	snprintf(port, sizeof(port), "%s/%s", vm->name, part->own);
	if (part->asked || now < part->next_ns || !vms->opts.ops->nic_waits(vms->opts.ctx, port))
		return;
	part->next_ns = now + AGAIN_NS;
	fd = vms->opts.ops->nic_connect(vms->opts.ctx, port);
	if (fd < 0)
		return;
	part->asked =
		ask(vm, "nic-attach", json_pack("{ss}", "name", part->own), true, part->own, fd);
	close(fd);
}

static bool is_configured(const struct vs_vm_live *vm, const char *own, bool nic)
{
	char name[VS_VM_NAME_SIZE + VS_VM_PART_SIZE];
	const struct vs_port *p;

	snprintf(name, sizeof(name), "%s/%s", vm->name, own);
	if (!nic)
		return vs_model_disk(vm->vms->model, name) != NULL;
	p = vs_model_port(vm->vms->model, name);
	return p != NULL && p->vm != NULL;
}

static void follow_nics(struct vs_vm_live *vm, const struct vs_vm *m)
{
	const struct vs_model *model = vm->vms->model;
	struct vs_vm_dev *part, *next;

	for (part = TAILQ_FIRST(&vm->nics); part != NULL; part = next) {
		next = TAILQ_NEXT(part, link);
		if (is_configured(vm, part->own, true))
			continue;
		(void)ask(vm, "nic-remove", json_pack("{ss}", "name", part->own), true, part->own,
			  -1);
		drop(&vm->nics, part);
	}
	for (unsigned i = 0; i < model->n_ports; i++) {
		const struct vs_port *p = &model->ports[i];

		if (p->vm != m || find(&vm->nics, p->nic) != NULL)
			continue;
		if (ask(vm, "nic-add", json_pack("{ss}", "name", p->nic), true, p->nic, -1))
			(void)add(&vm->nics, p->nic, NULL);
	}
	TAILQ_FOREACH(part, &vm->nics, link)
		attach(vm, part);
}

/* ---- Disks ---- */

static bool is_hot(const char *format)
{
	return strcmp(format, "raw") == 0 || strcmp(format, "iso") == 0;
}

static json_t *disk_body(const struct vs_disk *d)
{
	return json_pack("{ss ss ss sb si ss}", "name", d->own, "path", d->path, "format",
			 d->format, "readonly", d->readonly, "lun", (int)d->lun, "cache", d->cache);
}

static void add_disk(struct vs_vm_live *vm, const struct vs_disk *d)
{
	int fd = open(d->path, (d->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
	struct vs_vm_dev *part;

	if (fd < 0) {
		vs_vm_tell(vm, "vm-disk", "VM %s: disk %s: cannot open %.200s: %s", vm->name,
			   d->own, d->path, strerror(errno));
		return;
	}
	part = add(&vm->disks, d->own, disk_body(d));
	if (part != NULL)
		part->asked = ask(vm, "disk-add", json_copy(part->body), false, d->own, fd);
	close(fd);
}

static bool same_disk(const struct vs_disk *d, const struct vs_vm_dev *part)
{
	json_t *body = disk_body(d);
	bool same = json_equal(body, part->body) != 0;

	json_decref(body);
	return same;
}

static const struct vs_disk *disk_of(const struct vs_model *model, const struct vs_vm_live *vm,
				     const char *own)
{
	char name[VS_VM_NAME_SIZE + VS_VM_PART_SIZE];

	snprintf(name, sizeof(name), "%s/%s", vm->name, own);
	return vs_model_disk(model, name);
}

static void follow_disks(struct vs_vm_live *vm, const struct vs_vm *m)
{
	const struct vs_model *model = vm->vms->model;
	struct vs_vm_dev *part, *next;

	for (part = TAILQ_FIRST(&vm->disks); part != NULL; part = next) {
		const struct vs_disk *d = disk_of(model, vm, part->own);

		next = TAILQ_NEXT(part, link);
		if (d != NULL && same_disk(d, part))
			continue;
		(void)ask(vm, "disk-remove", json_pack("{ss}", "name", part->own), false, part->own,
			  -1);
		drop(&vm->disks, part);
	}
	for (unsigned i = 0; i < model->n_disks; i++)
		if (model->disks[i].vm == m && find(&vm->disks, model->disks[i].own) == NULL)
			add_disk(vm, &model->disks[i]);
}

/* ---- Streams (vsock) ---- */

/* A stream socket to whoever listens there; -1: nobody, or not now.  Never waits. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void vs_vm_dev_stream(struct vs_vm_live *vm, const json_t *event)
{
	int64_t port = vs_vm_number(event, "port"), guest_port = vs_vm_number(event, "guest_port");
	char own[32], path[PATH_MAX];
	int fd;

	if (vm->ctl == NULL || port < 0 || port > UINT32_MAX)
		return;
	snprintf(own, sizeof(own), "vsock.sock_%u", (unsigned)port);
	vs_vm_path(vm->vms, vm->name, own, path, sizeof(path));
	fd = connect_to(path);
	if (fd < 0) /* the guest waits until it has had enough */
		return;
	(void)vs_vm_link_ask(vm->ctl, "vsock-attach",
			     json_pack("{sI, sI}", "port", (json_int_t)port, "guest_port",
				       (json_int_t)guest_port),
			     fd, VM_ASK_MS, NULL, NULL, NULL);
	close(fd);
}

static bool can_follow(const struct vs_vm_live *vm)
{
	return vm->ctl != NULL && vm->up && !vm->orphan && vm->config != NULL &&
	       (vm->state == VS_VM_RUNNING || vm->state == VS_VM_PAUSED);
}

void vs_vm_dev_follow(struct vs_vm_live *vm)
{
	const struct vs_vm *m = vs_vm_configured(vm);

	if (m == NULL || !can_follow(vm))
		return;
	follow_nics(vm, m);
	follow_disks(vm, m);
}

void vs_vm_dev_tick(struct vs_vm_live *vm)
{
	struct vs_vm_dev *part;

	if (!can_follow(vm))
		return;
	TAILQ_FOREACH(part, &vm->nics, link)
		attach(vm, part);
}

static int not_hot(const struct vs_vm_live *vm, const char *verb, const char *own,
		   const char *format, struct err *err)
{
	err_set(err, -EBUSY, "vm-running", "cannot %s disk %s/%s: VM %s is %s", verb, vm->name, own,
		vm->name, vs_vm_state_name(vm->state));
	err_why(err,
		"images of format %s are served by another process, which is tied to the VM's "
		"start; raw and iso can come and go",
		format);
	err_fix(err, "first: vswitchctl vm stop %s", vm->name);
	err_about(err, "vm", vm->name);
	return -EBUSY;
}

int vs_vm_dev_check(const struct vs_vm_live *vm, const struct vs_model *after, struct err *err)
{
	const struct vs_vm_dev *part;

	if (vm->config == NULL)
		return 0;
	TAILQ_FOREACH(part, &vm->disks, link) {
		const struct vs_disk *d = disk_of(after, vm, part->own);
		const char *format = json_string_value(json_object_get(part->body, "format"));

		if (format != NULL && !is_hot(format) && (d == NULL || !same_disk(d, part)))
			return not_hot(vm, "remove", part->own, format, err);
	}
	for (unsigned i = 0; i < after->n_disks; i++) {
		const struct vs_disk *d = &after->disks[i];

		TAILQ_FOREACH(part, &vm->disks, link) {
			if (strcmp(part->own, d->own) == 0 && same_disk(d, part))
				break;
		}
		if (part == NULL && strcmp(d->vm->name, vm->name) == 0 && !is_hot(d->format))
			return not_hot(vm, "add", d->own, d->format, err);
	}
	return 0;
}

const char *vs_vm_part_note(const struct vs_vms *vms, const char *name, const char *kind,
			    const char *own)
{
	struct vs_vm_live *vm = vs_vm_find(vms, name);
	const struct vs_vm_dev *part;

	if (vm == NULL || !vm->up)
		return "";
	part = find(strcmp(kind, "nic") == 0 ? &vm->nics : &vm->disks, own);
	if (part == NULL)
		return "not in the VM that runs";
	return part->note;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of VMs, their NICs and disks.  'vm create' makes all of them at once: the VM's object,
 * ports "VM/NIC" and disks "VM/DISK", each with the body that its own command would have made, so
 * that 'config show' needs no other words for them.
 */
#include "vswitch/changes_priv.h"
#include "vswitch/model.h"
#include "vswitch/vm_files.h"

#include "ctl/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 32
#define MAX_TEXT    4096

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* The words "--key=value" of "first,key=value,flag"; 'text' is cut up.  Returns how many, or
 * -EINVAL. */
struct pieces {
	char *first;
	char *name; /* the value of "name="; NULL: none */
	char *words[MAX_OPTIONS + 2];
	int n;
};

static void pieces_free(struct pieces *p)
{
	for (int i = 0; i < p->n; i++)
		free(p->words[i]);
	p->n = 0;
}

static int add_word(struct pieces *p, const char *before, const char *text)
{
	if (p->n == MAX_OPTIONS || asprintf(&p->words[p->n], "%s%s", before, text) < 0)
		return -EINVAL;
	p->n++;
	return 0;
}

static int cut(char *text, struct pieces *p)
{
	char *save = NULL;
	int rc = 0;

	p->first = strtok_r(text, ",", &save);
	for (char *word = strtok_r(NULL, ",", &save); rc == 0 && word != NULL;
	     word = strtok_r(NULL, ",", &save)) {
		if (strncmp(word, "name=", 5) == 0 && p->name == NULL)
			p->name = word + 5;
		else
			rc = add_word(p, "--", word);
	}
	return p->first != NULL ? rc : -EINVAL;
}

/* "web1/nic0", "web1/nic1": the first that is no object yet. */
static void free_name(const json_t *state, const char *kind, const char *vm, const char *stem,
		      char *name, size_t size)
{
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, size, "%s/%s%u", vm, stem, i);
		if (json_object_get(json_object_get(state, kind), name) == NULL)
			return;
	}
}

/* Puts "--nic 'lan0,vlan=5000': " before what is said already. */
static int in_option(const char *option, const char *text, struct err *err, int rc)
{
	char what[sizeof(err->what)];

	if (err == NULL)
		return rc;
	snprintf(what, sizeof(what), "%s", err->what);
	snprintf(err->what, sizeof(err->what), "--%s '%.80s': %.200s", option, text, what);
	return rc;
}

/* One --nic or --disk as the parameters of 'nic add' or 'disk add'. */
static int option_read(const json_t *state, const char *vm, const char *option, const char *text,
		       json_t **ret_params, struct err *err)
{
	bool nic = strcmp(option, "nic") == 0;
	const struct ctl_spec *spec = ctl_spec_find(option, "add");
	char copy[MAX_TEXT], name[160];
	struct pieces p = {0};
	int rc = -EINVAL;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) < sizeof(copy))
		rc = cut(copy, &p);
	if (rc == 0 && p.name != NULL)
		snprintf(name, sizeof(name), "%s/%.100s", vm, p.name);
	else
		free_name(state, nic ? "port" : "disk", vm, option, name, sizeof(name));
	if (rc == 0)
		rc = add_word(&p, "--name=", name);
	if (rc == 0)
		rc = add_word(&p, nic ? "--switch=" : "--path=", p.first);
	if (rc != 0) {
		err_set(err, -EINVAL, "usage", "it cannot be read");
		err_fix(err, "write it like --%s %s", option,
			nic ? "lan0,tenant=blue,vlan=5" : "/srv/web1.img,name=root");
	} else {
		rc = ctl_args_parse(spec, p.n, p.words, ret_params, err);
	}
	pieces_free(&p);
	return rc != 0 ? in_option(option, text, err, rc) : 0;
}

/* There must be the VM that "VM/PART" begins with. */
static int vm_needed(const json_t *state, const char *noun, const char *name, struct err *err)
{
	const char *part = vs_vm_part(name);
	char vm[64], who[160];

	snprintf(vm, sizeof(vm), "%.*s", part != NULL ? (int)(part - name - 1) : 63, name);
	if (part == NULL) {
		err_set(err, -EINVAL, "bad-name", "%s '%s' does not say of which VM", noun, name);
		err_why(err, "it must be VM/%s", strcmp(noun, "nic") == 0 ? "NIC" : "DISK");
		err_fix(err, "such as web1/%s0", noun);
		return -EINVAL;
	}
	if (json_object_get(json_object_get(state, "vm"), vm) != NULL)
		return 0;
	snprintf(who, sizeof(who), "%s %s", noun, name);
	return conf_refuse_missing(state, "vm", vm, who, err);
}

/* The body of the port that a NIC is. */
static int nic_put(json_t *state, const json_t *params, struct err *err)
{
	const char *name = param(params, "name");
	json_t *words, *said = vs_change_nic_split(params, &words), *body = NULL;
	int rc = vm_needed(state, "nic", name, err);

	json_object_set_new(said, "kind", json_string("vmbus"));
	if (rc == 0)
		rc = ctl_args_check(ctl_spec_find("port", "add"), said, &body, err);
	if (rc == 0)
		rc = conf_edit_add(state, "port", name, body, err);
	if (rc == 0)
		rc = vs_change_nic_words(NULL, state, name, words, err);
	json_decref(said);
	json_decref(words);
	return rc;
}

int vs_change_nic_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		      struct err *err)
{
	return nic_put(state, params, err);
}

int vs_change_nic_remove(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *name = param(params, "name");
	const json_t *body = conf_edit_get(state, "port", name);

	if (body != NULL &&
	    (param(body, "kind") == NULL || strcmp(param(body, "kind"), "vmbus") != 0))
		return vs_change_not_a_nic(name, body, err);
	return vs_change_port_remove(ctx, state, params, ret_result, err);
}

/* The lowest LUN that no disk of the VM has. */
static json_int_t free_lun(const json_t *state, const char *name)
{
	size_t n = (size_t)(vs_vm_part(name) - name);
	uint64_t used = 0;
	const char *other;
	json_t *body;

	json_object_foreach(json_object_get(state, "disk"), other, body) {
		json_int_t lun = json_integer_value(json_object_get(body, "lun"));

		if (strncmp(other, name, n) == 0 && lun >= 0 && lun < 64)
			used |= UINT64_C(1) << lun;
	}
	return used != UINT64_MAX ? (json_int_t)__builtin_ctzll(~used) : 64;
}

static int disk_check(const json_t *body, struct err *err)
{
	const char *path = param(body, "path"), *format = param(body, "format");
	bool readonly = json_is_true(json_object_get(body, "readonly")) ||
			strcmp(format != NULL ? format : vs_disk_format_of(path), "iso") == 0;
	char who[100];

	snprintf(who, sizeof(who), "disk %s", param(body, "name"));
	return path[0] == '/' ? vs_vm_file_check(who, "image", path, true, !readonly, err) : 0;
}

static int disk_put(json_t *state, const json_t *params, struct err *err)
{
	const char *name = param(params, "name");
	int rc = vm_needed(state, "disk", name, err);
	json_t *body;

	if (rc == 0)
		rc = disk_check(params, err);
	if (rc != 0)
		return rc;
	body = json_copy((json_t *)(uintptr_t)params);
	if (json_object_get(body, "lun") == NULL)
		json_object_set_new(body, "lun", json_integer(free_lun(state, name)));
	return conf_edit_add(state, "disk", name, body, err);
}

int vs_change_disk_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		       struct err *err)
{
	return disk_put(state, params, err);
}

/* The lowest number that no VM has. */
static json_int_t free_id(const json_t *state)
{
	json_t *vms = json_object_get(state, "vm"), *body;
	bool *used = calloc(VS_MAX_VM_ID + 1, sizeof(*used));
	json_int_t id = 1;
	const char *name;

	json_object_foreach(vms, name, body) {
		json_int_t n = json_integer_value(json_object_get(body, "id"));

		if (used != NULL && n > 0 && n <= VS_MAX_VM_ID)
			used[n] = true;
	}
	while (used != NULL && id < VS_MAX_VM_ID && used[id])
		id++;
	free(used);
	return id;
}

static int boot_files_check(const char *name, const json_t *params, struct err *err)
{
	static const char *const keys[] = {"kernel", "initrd"};
	char who[80];
	int rc = 0;

	snprintf(who, sizeof(who), "vm %s", name);
	for (size_t i = 0; rc == 0 && i < 2; i++) {
		const char *path = param(params, keys[i]);

		if (path != NULL && path[0] == '/')
			rc = vs_vm_file_check(who, keys[i], path, false, false, err);
	}
	return rc;
}

static int parts_put(json_t *state, const char *vm, const char *option, const json_t *list,
		     struct err *err)
{
	json_t *item, *params = NULL;
	size_t i;
	int rc = 0;

	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		rc = option_read(state, vm, option, text, &params, err);
		if (rc == 0) {
			rc = strcmp(option, "nic") == 0 ? nic_put(state, params, err)
							: disk_put(state, params, err);
			json_decref(params);
		}
		if (rc != 0)
			break;
	}
	return rc;
}

int vs_change_vm_create(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	const char *name = param(params, "name");
	json_t *body;
	int rc = vs_vm_name_check(name, err);

	if (rc == 0)
		rc = boot_files_check(name, params, err);
	if (rc != 0)
		return rc;
	body = json_copy((json_t *)(uintptr_t)params);
	json_object_del(body, "nic");
	json_object_del(body, "disk");
	if (json_object_get(body, "id") == NULL)
		json_object_set_new(body, "id", json_integer(free_id(state)));
	rc = conf_edit_add(state, "vm", name, body, err);
	if (rc == 0)
		rc = parts_put(state, name, "nic", json_object_get(params, "nic"), err);
	return rc == 0 ? parts_put(state, name, "disk", json_object_get(params, "disk"), err) : rc;
}

/* Drops every object of 'kind' whose name begins with "VM/", of ports those of kind vmbus. */
static void drop_parts(json_t *state, const char *kind, const char *vm)
{
	json_t *objects = json_object_get(state, kind), *body;
	size_t n = strlen(vm);
	const char *name;
	void *tmp;

	json_object_foreach_safe(objects, tmp, name, body)
	{
		if (strncmp(name, vm, n) != 0 || name[n] != '/')
			continue;
		if (strcmp(kind, "port") == 0)
			vs_change_port_gone(state, name);
		json_object_del(objects, name);
	}
	if (json_object_size(objects) == 0)
		json_object_del(state, kind);
}

int vs_change_vm_delete(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	const char *name = param(params, "name");
	int rc = conf_edit_remove(state, "vm", name, err);

	if (rc != 0)
		return rc;
	drop_parts(state, "port", name);
	drop_parts(state, "disk", name);
	return 0;
}

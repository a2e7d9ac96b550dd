/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'filter verify': would an object load, and what is in it?  See cmd_filter.h.
 */
#include "vswitch/cmd_filter.h"

#include "ctl/base/sealed.h"
#include "filters/chain.h"
#include "filters/ebpf/helper.h"
#include "filters/ebpf/insn.h"
#include "filters/ebpf/object.h"
#include "filters/module.h"
#include "vswitch/filters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static void put_helpers(json_t *set, const struct ebpf_prog *prog)
{
	for (uint32_t i = 0; i < prog->n; i++) {
		const struct bpf_insn *insn = &prog->insns[i];
		char name[64];

		if (ebpf_is_call(insn) && insn->src_reg == 0)
			json_object_set_new(set,
					    ebpf_helper_name((uint32_t)insn->imm, name,
							     sizeof(name)),
					    json_true());
	}
}

/* The helpers that its programs call, by name. */
static json_t *helpers_json(const struct ebpf_object *object)
{
	json_t *set = json_object(), *list = json_array(), *value;
	const char *name;

	for (uint32_t i = 0; i < ebpf_object_n_progs(object); i++)
		put_helpers(set, ebpf_object_prog(object, i));
	json_object_foreach(set, name, value)
		json_array_append_new(list, json_string(name));
	json_decref(set);
	return list;
}

/* Roles in which some program of it may be attached. */
static json_t *roles_json(const struct ebpf_object *object, const char *only)
{
	json_t *list = json_array();

	for (int role = 0; role < FILTER_N_ROLES; role++) {
		bool may = false;

		for (uint32_t i = 0; i < ebpf_object_n_progs(object); i++) {
			const struct ebpf_prog *prog = ebpf_object_prog(object, i);

			if (only == NULL || strcmp(only, prog->name) == 0)
				may |= filter_role_check_prog(prog->name, prog,
							      (enum filter_role)role, NULL) == 0;
		}
		if (may)
			json_array_append_new(list, json_string(vs_filter_role_name(
							    (enum filter_role)role)));
	}
	return list;
}

/* It is the object's to say, and may be no UTF-8. */
static json_t *asks_json(const struct ebpf_object *object)
{
	json_t *text = json_string(ebpf_object_wishes(object));

	return text != NULL ? text : json_string("");
}

static json_t *accepted(const json_t *params, const struct ebpf_object *object)
{
	return json_pack("{sb ss ss so so so so so}", "ok", 1, "file", param(params, "file"),
			 "verdict", "it loads", "asks", asks_json(object), "roles",
			 roles_json(object, param(params, "program")), "helpers",
			 helpers_json(object), "programs", vs_filter_progs_json(object), "maps",
			 vs_filter_maps_json(object));
}

static json_t *refused(const json_t *params, const struct err *why)
{
	return json_pack("{sb ss ss ss ss ss}", "ok", 0, "file", param(params, "file"), "verdict",
			 why->what, "why", why->why, "fix", why->fix, "slug", why->slug);
}

/* "guard" of "/srv/guard.bpf.o": what a module made of it may be called. */
static void stem_of(const char *path, char *name, size_t size)
{
	const char *last = strrchr(path, '/');

	last = last != NULL ? last + 1 : path;
	snprintf(name, size, "%.*s", (int)strcspn(last, "."), last);
	if (name[0] == '\0')
		snprintf(name, size, "object");
}

/* Without --program all programs are asked for, and none need be the one that runs. */
static int verify(const struct vs_daemon *d, const json_t *params, const struct sealed *file,
		  struct ebpf_object **ret_object, struct err *why)
{
	const char *program = param(params, "program");
	char name[FILTER_MODULE_NAME_LEN + 1];
	const struct ebpf_object_opts all = {.name = name, .n_cpus = 1};
	const struct filter_module_opts one = {
		.name = "",
		.elf = file->text,
		.size = file->size,
		.program = program,
	};

	stem_of(param(params, "file"), name, sizeof(name));
	return program != NULL ? filter_module_verify(vs_filters_set(d->vs), &one, ret_object, why)
			       : ebpf_object_load(file->text, file->size, &all, ret_object, why);
}

static int try_object(const struct vs_daemon *d, const json_t *params, const struct sealed *file,
		      json_t **ret)
{
	struct ebpf_object *object = NULL;
	struct err why = {0};

	if (verify(d, params, file, &object, &why) == 0)
		*ret = accepted(params, object);
	else
		*ret = refused(params, &why);
	ebpf_object_destroy(object);
	return 0;
}

int vs_filter_verify(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const struct vs_daemon *d = ctx;
	int fd = ctl_call_take_fd(call), rc;
	struct sealed file;

	if (fd < 0)
		return err_set(err, -EINVAL, "usage", "filter verify: no file came with the call");
	rc = sealed_map(fd, EBPF_MAX_OBJECT, &file, err);
	close(fd);
	if (rc != 0)
		return rc;
	if (vs_filters_set(d->vs) == NULL)
		rc = err_set(err, -ENOTSUP, "no-filters", "this switch runs no filter modules");
	else
		rc = try_object(d, params, &file, ret);
	sealed_unmap(&file);
	return rc;
}

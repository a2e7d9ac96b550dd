/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The kernel judges an object: its stand-in maps are made, its programs go to the verifier.  They
 * are attached to nothing.
 *
 * A program's log is asked for twice at most: at first the statistics alone, which cost nothing; of
 * a program that is refused, the reasons.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <errno.h>
#include <string.h>

#include "filters/ebpf/object_priv.h"

static int refused(const struct ebpf_object *object, const char *prog, const char *log,
		   struct err *err)
{
	char why[sizeof(err->why)];

	err_set(err, -EINVAL, "refused",
		"cannot load module %s: the kernel's verifier refuses its program '%s'",
		object->name, prog);
	ebpf_verdict_refused(log, why, sizeof(why));
	err_why(err, "%s", why[0] != '\0' ? why : "it does not say why");
	if (strstr(why, "GPL") != NULL)
		err_fix(err, "char LICENSE[] SEC(\"license\") = \"GPL\";");
	else if (strstr(why, "too large") != NULL)
		err_fix(err,
			"fewer branches in loops, or bpf_loop(), whose body is looked at once");
	else if (strstr(why, "; at instruction") != NULL)
		err_fix(err, "compile with -g, so that this names the line of the source");
	return -EINVAL;
}

static int not_made(const struct ebpf_object *object, const struct ebpf_libbpf_log *said, int error,
		    struct err *err)
{
	char why[256];

	if (error == -ENOMEM)
		return err_set(err, -ENOMEM, "no-memory",
			       "cannot load module %s: the kernel has no memory for it",
			       object->name);
	err_set(err, -EINVAL, "bad-object", "cannot load module %s: the kernel does not take it",
		object->name);
	ebpf_libbpf_log_why(said, why, sizeof(why));
	err_why(err, "%s", why[0] != '\0' ? why : strerror(-error));
	if (error == -E2BIG)
		err_fix(err, "the verifier takes %u instructions, with those of all functions",
			EBPF_MAX_INSNS);
	return -EINVAL;
}

static int ids_read(struct ebpf_object *object)
{
	for (uint32_t i = 0; i < object->n_maps; i++) {
		struct bpf_map_info info = {0};
		uint32_t size = sizeof(info);

		if (bpf_map__fd(object->maps[i].bpf) < 0)
			continue;
		if (bpf_obj_get_info_by_fd(bpf_map__fd(object->maps[i].bpf), &info, &size) != 0)
			return -errno;
		object->maps[i].id = info.id;
	}
	for (uint32_t i = 0; i < object->n_progs; i++) {
		struct bpf_prog_info info = {0};
		uint32_t size = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(object->progs[i].bpf), &info, &size) !=
		    0)
			return -errno;
		object->progs[i].id = info.id;
	}
	return 0;
}

/* What the first time left of a program. */
static const char *log_of(const struct ebpf_object *object, const char *prog)
{
	for (uint32_t i = 0; i < object->n_progs; i++)
		if (strcmp(bpf_program__name(object->progs[i].bpf), prog) == 0)
			return object->progs[i].log;
	return "";
}

int ebpf_object_kernel(struct ebpf_object *object, char *log, struct err *err)
{
	struct ebpf_libbpf_log said;
	char prog[64];
	int rc = ebpf_object_maps_prepare(object, err);

	if (rc != 0)
		return rc;
	ebpf_libbpf_log_begin(&said);
	rc = bpf_object__load(object->bpf);
	ebpf_libbpf_log_end();
	if (rc == 0)
		rc = ids_read(object);
	if (rc == 0)
		return 0;
	ebpf_libbpf_log_prog(&said, prog, sizeof(prog));
	/* A log of all that was too much would take seconds, and say no more. */
	if (prog[0] != '\0' && rc == -E2BIG && log == NULL)
		return refused(object, prog, log_of(object, prog), err);
	if (prog[0] != '\0' && log == NULL)
		return -EAGAIN;
	if (prog[0] != '\0' && log[0] != '\0')
		return refused(object, prog, log, err);
	if (ebpf_permission_check(object->name, err) != 0)
		return -EPERM;
	return not_made(object, &said, rc, err);
}

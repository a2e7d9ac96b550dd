/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is in an object: libbpf reads it, we choose its programs.  Nothing here asks the kernel, so
 * this much is fuzzed without one (tests/fuzz/ebpf_object_fuzz.c).
 *
 * Which programs are XDP's.  Those whose section says so, as libbpf of today and of yesterday name
 * sections ("xdp", "xdp.frags", "xdp/devmap", "xdp_devmap/NAME"), and those of sections that libbpf
 * does not know: loaders of XDP (libxdp, iproute2) take any name, and the tutorial of the XDP
 * project uses "xdp_pass" and the like.  Of the latter only those that begin with "xdp", when the
 * object has others.  Programs of other types are left out.
 */
#include <bpf/libbpf.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters/ebpf/object_priv.h"

#define MAX_PROGS 256u

/* What old names of sections ask for. */
static const struct {
	const char *start;
	enum bpf_attach_type attach;
	uint32_t flags;
} sections[] = {
	{"xdp.frags/devmap", BPF_XDP_DEVMAP, BPF_F_XDP_HAS_FRAGS},
	{"xdp.frags/cpumap", BPF_XDP_CPUMAP, BPF_F_XDP_HAS_FRAGS},
	{"xdp.frags", BPF_XDP, BPF_F_XDP_HAS_FRAGS},
	{"xdp/devmap", BPF_XDP_DEVMAP, 0},
	{"xdp_devmap", BPF_XDP_DEVMAP, 0},
	{"xdp/cpumap", BPF_XDP_CPUMAP, 0},
	{"xdp_cpumap", BPF_XDP_CPUMAP, 0},
	{"", BPF_XDP, 0},
};

static bool is_known(const struct bpf_program *prog)
{
	return bpf_program__type(prog) != BPF_PROG_TYPE_UNSPEC;
}

static bool is_named_xdp(const struct bpf_program *prog)
{
	return strncmp(bpf_program__section_name(prog), "xdp", 3) == 0;
}

/* Has it a program that is XDP's beyond doubt? */
static bool has_xdp(struct bpf_object *bpf)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, bpf) if (bpf_program__type(prog) == BPF_PROG_TYPE_XDP ||
						    is_named_xdp(prog)) return true;
	return false;
}

static int type_set(struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog);
	size_t i = 0;
	int rc;

	while (strncmp(section, sections[i].start, strlen(sections[i].start)) != 0)
		i++;
	rc = bpf_program__set_type(prog, BPF_PROG_TYPE_XDP);
	if (rc == 0)
		rc = bpf_program__set_expected_attach_type(prog, sections[i].attach);
	if (rc == 0 && sections[i].flags != 0)
		rc = bpf_program__set_flags(prog, sections[i].flags);
	return rc;
}

static bool chosen(const struct bpf_program *prog, bool others)
{
	if (!bpf_program__autoload(prog)) /* SEC("?xdp"): its author's loader decides. */
		return false;
	if (is_known(prog))
		return bpf_program__type(prog) == BPF_PROG_TYPE_XDP;
	return is_named_xdp(prog) || !others;
}

static int no_program(const struct ebpf_object *object, struct err *err)
{
	struct bpf_program *prog = bpf_object__next_program(object->bpf, NULL);

	err_set(err, -EINVAL, "bad-object", "cannot load module %s: it has no XDP program",
		object->name);
	if (prog == NULL)
		err_why(err, "the object has no program at all");
	else
		err_why(err, "its programs are of other kinds: '%s' is in section \"%s\"",
			bpf_program__name(prog), bpf_program__section_name(prog));
	err_fix(err, "put SEC(\"xdp\") before the function that takes a struct xdp_md");
	return -EINVAL;
}

static int too_many(const struct ebpf_object *object, uint32_t n, struct err *err)
{
	err_set(err, -E2BIG, "bad-object", "cannot load module %s: it has more than %u programs",
		object->name, n);
	err_why(err, "one runs, and what it calls by tail calls");
	return -E2BIG;
}

static int too_long(const struct ebpf_object *object, const struct bpf_program *prog,
		    struct err *err)
{
	err_set(err, -E2BIG, "bad-object",
		"cannot load module %s: its program '%s' has %zu instructions", object->name,
		bpf_program__name(prog), bpf_program__insn_cnt(prog));
	err_why(err, "the kernel takes %u at most", EBPF_MAX_INSNS);
	err_fix(err, "write a loop, or use bpf_loop()");
	return -E2BIG;
}

static int no_memory(const struct ebpf_object *object, struct err *err)
{
	return err_set(err, -ENOMEM, "no-memory", "cannot load module %s: no memory", object->name);
}

static int progs_choose(struct ebpf_object *object, struct err *err)
{
	bool others = has_xdp(object->bpf);
	struct bpf_program *prog;
	uint32_t n = 0;

	bpf_object__for_each_program(prog, object->bpf) n += chosen(prog, others);
	if (n == 0)
		return no_program(object, err);
	if (n > MAX_PROGS)
		return too_many(object, MAX_PROGS, err);
	object->progs = calloc(n, sizeof(object->progs[0]));
	if (object->progs == NULL)
		return no_memory(object, err);
	bpf_object__for_each_program(prog, object->bpf)
	{
		if (!chosen(prog, others)) {
			bpf_program__set_autoload(prog, false);
			continue;
		}
		if (!is_known(prog) && type_set(prog) != 0)
			return no_program(object, err);
		if (bpf_program__insn_cnt(prog) > EBPF_MAX_INSNS)
			return too_long(object, prog, err);
		object->progs[object->n_progs++].bpf = prog;
	}
	return 0;
}

/* A verifier that refuses writes into 'log'; libbpf asks again for that.  With none, each program
 * has room for the statistics of its acceptance. */
static void logs_set(struct ebpf_object *object, const char *log)
{
	for (uint32_t i = 0; i < object->n_progs && log == NULL; i++) {
		struct ebpf_object_prog *prog = &object->progs[i];

		bpf_program__set_log_level(prog->bpf, 4);
		bpf_program__set_log_buf(prog->bpf, prog->log, sizeof(prog->log));
	}
}

static int libbpf_refuses(const struct ebpf_object *object, const struct ebpf_libbpf_log *log,
			  int error, struct err *err)
{
	char why[256];

	if (error == -ENOMEM)
		return no_memory(object, err);
	err_set(err, -EINVAL, "bad-object", "cannot load module %s: libbpf cannot read the object",
		object->name);
	ebpf_libbpf_log_why(log, why, sizeof(why));
	err_why(err, "%s", why[0] != '\0' ? why : strerror(-error));
	if (strstr(why, "legacy map definitions") != NULL)
		err_fix(err, "define maps in SEC(\".maps\"), as libbpf 1.0 asks for");
	else
		err_fix(err, "compile it again: clang -O2 -g -target bpf -c SOURCE.c -o OBJECT.o");
	return -EINVAL;
}

static int bpf_open(struct ebpf_object *object, const void *elf, size_t size, char *log,
		    size_t log_size, struct err *err)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = object->name, .kernel_log_buf = log,
		    .kernel_log_size = log_size);
	struct ebpf_libbpf_log said;

	ebpf_libbpf_log_begin(&said);
	object->bpf = bpf_object__open_mem(elf, size, &opts);
	ebpf_libbpf_log_end();
	return object->bpf != NULL ? 0 : libbpf_refuses(object, &said, -errno, err);
}

int ebpf_object_open(const void *elf, size_t size, const struct ebpf_object_opts *opts, char *log,
		     size_t log_size, struct ebpf_object **ret_object, struct err *err)
{
	struct ebpf_object *object = calloc(1, sizeof(*object));
	int rc;

	if (object == NULL)
		return err_set(err, -ENOMEM, "no-memory", "cannot load module %s: no memory",
			       opts->name);
	snprintf(object->name, sizeof(object->name), "%s", opts->name);
	rc = ebpf_elf_check(object->name, elf, size, &object->elf, err);
	if (rc == 0)
		rc = bpf_open(object, elf, size, log, log_size, err);
	if (rc == 0)
		rc = progs_choose(object, err);
	if (rc == 0)
		rc = ebpf_object_maps_read(object, opts, err);
	if (rc != 0) {
		ebpf_object_destroy(object);
		return rc;
	}
	logs_set(object, log);
	*ret_object = object;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See prog.h.
 */
#include "filters/ebpf/prog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters/ebpf/prog_priv.h"

static void prog_destroy(struct ebpf_prog *prog)
{
	ebpf_jit_free(prog);
	for (uint32_t i = 0; i < prog->n_maps; i++)
		ebpf_map_unref(prog->maps[i]);
	free(prog->maps);
	free(prog->funcs);
	free(prog->notes);
	free(prog->insns);
	free(prog);
}

static int no_memory(const struct ebpf_prog_opts *opts, struct err *err)
{
	return err_set(err, -ENOMEM, "no-memory", "no memory for program '%s' of %u instructions",
		       opts->name, opts->n);
}

static struct ebpf_prog *prog_copy(const struct ebpf_prog_opts *opts)
{
	struct ebpf_prog *prog = calloc(1, sizeof(*prog));

	if (prog == NULL)
		return NULL;
	prog->refs = 1;
	prog->n = opts->n;
	prog->insns = calloc(opts->n, sizeof(*prog->insns));
	prog->notes = calloc(opts->n, sizeof(*prog->notes));
	if (prog->insns == NULL || prog->notes == NULL) {
		prog_destroy(prog);
		return NULL;
	}
	memcpy(prog->insns, opts->insns, opts->n * sizeof(*prog->insns));
	snprintf(prog->name, sizeof(prog->name), "%s", opts->name);
	snprintf(prog->section, sizeof(prog->section), "%s",
		 opts->section != NULL ? opts->section : "");
	return prog;
}

static int prog_compile(struct ebpf_prog *prog, const struct ebpf_prog_opts *opts, struct err *err)
{
	int rc = opts->interpret ? -ENOTSUP : ebpf_jit(prog);

	return rc == 0 || rc == -ENOTSUP ? 0 : no_memory(opts, err);
}

int ebpf_prog_create(const struct ebpf_prog_opts *opts, struct ebpf_prog **ret_prog,
		     struct err *err)
{
	struct ebpf_prog *prog;
	int rc;

	if (opts->n == 0 || opts->n > EBPF_MAX_INSNS)
		return err_set(err, -EINVAL, "bad-program",
			       "program '%s' has %u instructions: must be 1 to %u", opts->name,
			       opts->n, EBPF_MAX_INSNS);
	prog = prog_copy(opts);
	if (prog == NULL)
		return no_memory(opts, err);
	rc = ebpf_link(prog, opts, err);
	if (rc == 0 && ebpf_check(prog, opts) != 0)
		rc = no_memory(opts, err);
	if (rc == 0)
		rc = prog_compile(prog, opts, err);
	if (rc != 0) {
		prog_destroy(prog);
		return rc;
	}
	*ret_prog = prog;
	return 0;
}

struct ebpf_prog *ebpf_prog_ref(struct ebpf_prog *prog)
{
	prog->refs++;
	return prog;
}

void ebpf_prog_unref(struct ebpf_prog *prog)
{
	if (prog != NULL && --prog->refs == 0)
		prog_destroy(prog);
}

struct ebpf_func *ebpf_func_at(const struct ebpf_prog *prog, uint32_t start)
{
	uint32_t low = 0, high = prog->n_funcs;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (prog->funcs[middle].start == start)
			return &prog->funcs[middle];
		if (prog->funcs[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

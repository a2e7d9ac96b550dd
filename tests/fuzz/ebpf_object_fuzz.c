/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the loader of filter modules with damaged objects, up to where the kernel would be asked.
 * libbpf may die of one in the child that meets it first; we may not.
 *
 * The corpus is small real objects (tests/unit/filters/bpf).
 */
#include "filters/ebpf/object_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

struct input {
	const uint8_t *data;
	size_t size;
};

static int open_it(void *arg, struct err *err)
{
	const struct ebpf_object_opts opts = {.name = "fuzz", .n_cpus = 2};
	const struct input *input = arg;
	struct ebpf_object *object;
	int rc = ebpf_object_open(input->data, input->size, &opts, NULL, 0, &object, err);

	if (rc == 0)
		ebpf_object_destroy(object);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {.data = data, .size = size};
	struct ebpf_elf elf;
	struct err err = {0};

	/* Here, so that the fuzzer sees where it gets to. */
	if (ebpf_elf_check("fuzz", data, size, &elf, &err) != 0 && err.slug[0] == '\0')
		abort();
	if (ebpf_object_rehearse("fuzz", open_it, &input, &err) == 0)
		return 0;
	if (err.slug[0] == '\0' || err.what[0] == '\0' || strstr(err.why, "the loader crashed")) {
		fprintf(stderr, "%s: %s: %s\n", err.slug, err.what, err.why);
		abort();
	}
	return 0;
}

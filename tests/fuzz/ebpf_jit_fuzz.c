/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the compiler of eBPF, and compares what the code returns with the interpreter.
 *
 * Input: one byte, what the compiler may use (filters/ebpf/jit.h); then what makes a program
 * (tests/support/ebpf_random.h).
 */
#include "filters/ebpf/jit.h"

#include <stdbool.h>
#include <stdlib.h>

#include "filters/ebpf/prog.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/ebpf_random.h"

static struct bpf_insn insns[EBPF_RANDOM_MAX];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ebpf_env env = {.cpu = 3, .random = 1};
	struct ebpf_prog_opts opts = {.name = "fuzz",
				      .insns = insns,
				      .gpl = true,
				      .interpret = true};
	struct ebpf_ctx ctx = {0};
	struct ebpf_prog *prog;
	uint64_t expected;

	if (size < 1 || size > 4096)
		return 0;
	ebpf_env_here = &env;
	opts.n = ebpf_random_make(data + 1, size - 1, insns);
	if (opts.n == EBPF_RANDOM_MAX) /* Cut off. */
		return 0;
	if (ebpf_prog_create(&opts, &prog, NULL) != 0)
		abort();
	expected = ebpf_interpret(prog, &ctx);
	if (ebpf_jit_with(prog, data[0] & ebpf_jit_features()) != 0)
		abort();
	if (prog->code(&ctx) != expected)
		abort();
	ebpf_prog_unref(prog);
	return 0;
}

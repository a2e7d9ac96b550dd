/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the compiler of capture filters, and compares what the code returns with libpcap's
 * interpreter.
 *
 * Input: one byte, the number of instructions; eight bytes for each (which code, unused, jt, jf,
 * k); the frame.
 */
#include "filters/capture_jit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/bpf_codes.h"

#define N_MEMORY  16
#define MAX_INSNS 256

/* What C, not BPF, leaves open about the interpreter: shifts by 32 and more, and endless loops. */
static bool is_defined(const struct bpf_insn *insn)
{
	unsigned class = BPF_CLASS(insn->code), op = BPF_OP(insn->code);

	if (class == BPF_ALU && (op == BPF_LSH || op == BPF_RSH) && BPF_SRC(insn->code) == BPF_K)
		return insn->k < 32;
	return class != BPF_JMP || op != BPF_JA || insn->k < MAX_INSNS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bpf_insn insns[N_MEMORY + MAX_INSNS + 1];
	struct bpf_program program = {.bf_insns = insns};
	struct filter_jit jit;
	uint32_t n = 0, left;
	uint8_t *frame;

	if (size == 0 || size - 1 < (size_t)data[0] * 8 || size > 4096)
		return 0;
	/* M[] is not said to be zero at the start. */
	for (; n < N_MEMORY; n++)
		insns[n] = (struct bpf_insn){.code = BPF_ST, .k = n};
	for (unsigned i = 0; i < data[0]; i++, n++) {
		const uint8_t *p = data + 1 + i * 8;

		insns[n] = (struct bpf_insn){.code = bpf_codes[p[0] % N_BPF_CODES],
					     .jt = p[2],
					     .jf = p[3]};
		memcpy(&insns[n].k, p + 4, 4);
		if (!is_defined(&insns[n]))
			return 0;
	}
	insns[n++] = (struct bpf_insn){.code = BPF_RET | BPF_A};
	program.bf_len = n;
	if (filter_jit_create(&program, &jit) != 0)
		return 0;
	left = (uint32_t)(size - 1 - (size_t)data[0] * 8);
	frame = malloc(left == 0 ? 1 : left);
	memcpy(frame, data + size - left, left);
	if (jit.fn(frame, left, left + 3) != bpf_filter(insns, frame, left + 3, left))
		abort();
	free(frame);
	filter_jit_destroy(&jit);
	return 0;
}

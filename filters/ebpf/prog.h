/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program: instructions that the kernel's verifier has accepted (object.h), linked with our maps,
 * examined (check.c), and compiled (jit.h) or interpreted (interp.h).  Immutable once made, but for
 * its reference count.
 *
 * 	instructions with map descriptors ─ link.c ─► with our maps' addresses
 * 	─ check.c ─► notes: which loads are of the context; what the program may change
 * 	─ jit_x86.c ─► machine code
 *
 * Linked instructions are the kernel's (insn.h), but for wide loads (BPF_LD | BPF_IMM | BPF_DW),
 * whose immediate is, by src_reg:
 *
 * 	0				a number
 * 	BPF_PSEUDO_MAP_FD		the address of a struct ebpf_map
 * 	BPF_PSEUDO_MAP_VALUE		an address inside an array's memory
 * 	BPF_PSEUDO_FUNC			the index of the first instruction of a function of this
 * 					program (ebpf_func.start): a callback.  The interpreter puts
 * 					the index into the register, the compiler what it calls
 *
 * Calls of a program's own functions (BPF_PSEUDO_CALL) stay relative: to instruction i + imm + 1,
 * a function's first.  Calls of helpers hold numbers that ebpf_helper() serves.  Jumps stay inside
 * of their function, and lead to no second half of a wide load.  What the object's linker marked as
 * never to be reached is an exit.
 *
 * Nothing here proves a program safe: the verifier did.  But nothing here trusts it blindly either:
 * what the verifier cannot have accepted (an unknown opcode, a jump out of the program) is refused.
 */
#ifndef FILTERS_EBPF_PROG_H
#define FILTERS_EBPF_PROG_H

#include "ctl/base/err.h"
#include "filters/ebpf/ctx.h"
#include "filters/ebpf/insn.h"
#include "filters/ebpf/map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is known of one instruction (check.c). */
enum ebpf_note {
	EBPF_PLAIN,	/* memory is what the register says */
	EBPF_CTX,	/* a load of the context: off is xdp_md's; certain.  4 bytes, BPF_MEM or
			   EBPF_MEMSX */
	EBPF_MAYBE_CTX, /* a 4-byte load at one of its offsets by a pointer that may be the
			   context's: whoever runs it compares the pointer with the context's */
};

/* What a program may do; bits of ebpf_prog.does */
#define EBPF_WRITES_PACKET (1u << 0) /* stores to the packet's bytes, or might */
#define EBPF_MOVES_ENDS	   (1u << 1) /* adjusts head, tail or metadata */
#define EBPF_READS_CTX	   (1u << 2) /* its context at all; else it depends on no packet */
#define EBPF_READS_META	   (1u << 3)
#define EBPF_TAIL_CALLS	   (1u << 4) /* does what those do, too: anything */
#define EBPF_REDIRECTS	   (1u << 5) /* calls redirect helpers */
#define EBPF_OUTPUTS	   (1u << 6) /* to a ring or perf buffer */
#define EBPF_READS_BYTES   (1u << 7) /* of packets, or might */
#define EBPF_CALLS_BACK	   (1u << 8) /* bpf_loop, bpf_for_each_map_elem */
#define EBPF_DOES_ANYTHING 0x1ffu    /* a program that is too much to examine */

/* A function of it, the first at 0. */
struct ebpf_func {
	uint32_t start, end; /* instructions [start, end) */
	uint32_t stack;	     /* bytes below its frame pointer that it uses, a multiple of 8 */
};

/* Returns the program's r0; enum ebpf_verdict. */
typedef uint64_t (*ebpf_run_fn)(struct ebpf_ctx *ctx);

struct ebpf_prog {
	ebpf_run_fn code; /* machine code; NULL: it is interpreted */
	void *tail_code;  /* where tail calls come in (jit's own) */
	uint32_t does;	  /* EBPF_* bits */
	uint32_t n;
	struct bpf_insn *insns; /* linked: wide loads hold addresses, calls helpers' numbers */
	uint8_t *notes;		/* [n] enum ebpf_note */
	struct ebpf_func *funcs;
	uint32_t n_funcs;
	uint32_t n_maps;
	struct ebpf_map **maps; /* that it refers to; a reference each */
	uint32_t refs;
	size_t code_size; /* bytes */
	char name[64];
	char section[64];
};

/* A map that instructions refer to by descriptor. */
struct ebpf_map_ref {
	int fd;
	struct ebpf_map *map; /* borrowed */
};

struct ebpf_prog_opts {
	const char *name, *section;
	const struct bpf_insn *insns; /* relocated, as given to the kernel; copied */
	uint32_t n;
	const struct ebpf_map_ref *maps;
	uint32_t n_maps;
	bool gpl;	/* its licence is compatible */
	bool interpret; /* do not compile */
	/* Functions whose arguments are contexts by their types (global ones): bit r of
	 * ctx_args[f] for register r of the function that starts at ctx_starts[f]; may be none. */
	const uint32_t *ctx_starts;
	const uint8_t *ctx_args;
	uint32_t n_ctx;
};

/* Control thread.  -EINVAL (slug "bad-program": what the verifier cannot have accepted), -ENOTSUP
 * (slug "helper", "map-type", "instruction": names it and says what to do), -ENOMEM.  A program
 * that the compiler does not take is interpreted; prog->code says.  The caller's reference. */
int ebpf_prog_create(const struct ebpf_prog_opts *opts, struct ebpf_prog **ret_prog,
		     struct err *err);
struct ebpf_prog *ebpf_prog_ref(struct ebpf_prog *prog);
/* Takes NULL.  The last frees it: no worker may be inside. */
void ebpf_prog_unref(struct ebpf_prog *prog);

/* interp.c.  The portable way, and what the compiler is tested against. */
uint64_t ebpf_interpret(const struct ebpf_prog *prog, struct ebpf_ctx *ctx);

/* jit_x86.c.  Machine code for a linked and examined program: fills in code, tail_code, code_size.
 * -ENOTSUP on other machines or for what it does not know, -ENOMEM.  Control thread. */
int ebpf_jit(struct ebpf_prog *prog);
void ebpf_jit_free(struct ebpf_prog *prog);

/* Runs it on the thread whose env is set.  Tail calls are the program's own affair: what returns is
 * the last one's verdict. */
static inline uint64_t ebpf_run(const struct ebpf_prog *prog, struct ebpf_ctx *ctx)
{
	return prog->code != NULL ? prog->code(ctx) : ebpf_interpret(prog, ctx);
}

#endif

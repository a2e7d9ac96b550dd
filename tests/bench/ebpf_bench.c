/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Programs, compiled and interpreted: cycles of the time stamp counter for a run, the least of some
 * rounds, and how many times as long the interpreter takes.
 *
 * 	ebpf_bench [RUNS]
 *
 * 	empty       returns XDP_PASS
 * 	counter     a per-CPU array's element, counted up
 * 	flow        Ethernet, IPv4, UDP; the five fields looked up in a hash of 10 000; counted up
 * 	checksum    of 512 bytes, two at a time
 */
#include "filters/ebpf/prog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ebpf_cases.h"

#ifdef __x86_64__
#include <x86intrin.h>
#else
#include <time.h>
#endif

#define N(insns) (sizeof(insns) / sizeof((insns)[0]))
#define N_FLOWS	 10000u
#define N_ROUNDS 20u
#define FD	 100

struct flow {
	uint32_t from, to;
	uint16_t ports[2];
	uint32_t proto;
};

static uint8_t room[2048];
static struct ebpf_env env = {.cpu = 1, .random = 1};

static uint64_t now(void)
{
#ifdef __x86_64__
	return __rdtsc();
#else
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
#endif
}

static uint64_t least(const struct ebpf_prog *prog, struct ebpf_ctx *ctx, uint32_t runs)
{
	uint64_t best = UINT64_MAX;

	for (unsigned round = 0; round < N_ROUNDS; round++) {
		uint64_t start = now(), took;

		for (uint32_t i = 0; i < runs; i++)
			ebpf_run(prog, ctx);
		took = now() - start;
		if (took < best)
			best = took;
	}
	return best;
}

static struct ebpf_prog *make(const struct bpf_insn *insns, uint32_t n, struct ebpf_map *map,
			      bool interpret)
{
	const struct ebpf_map_ref ref = {.fd = FD, .map = map};
	const struct ebpf_prog_opts opts = {.name = "bench",
					    .insns = insns,
					    .n = n,
					    .maps = &ref,
					    .n_maps = map != NULL ? 1 : 0,
					    .gpl = true,
					    .interpret = interpret};
	struct ebpf_prog *prog;
	struct err err = {0};

	if (ebpf_prog_create(&opts, &prog, &err) != 0) {
		fprintf(stderr, "%s: %s\n", err.what, err.why);
		exit(1);
	}
	return prog;
}

static void measure(const char *name, const struct bpf_insn *insns, uint32_t n,
		    struct ebpf_map *map, uint32_t runs)
{
	struct ebpf_prog *compiled = make(insns, n, map, false);
	struct ebpf_prog *interpreted = make(insns, n, map, true);
	struct ebpf_ctx ctx = {.data = room + EBPF_HEADROOM,
			       .data_end = room + EBPF_HEADROOM + 512,
			       .meta = room + EBPF_HEADROOM,
			       .frame_size = 512,
			       .hard_start = room,
			       .hard_end = room + sizeof(room)};
	uint64_t with = least(compiled, &ctx, runs), without = least(interpreted, &ctx, runs);

	printf("%-10s compiled %7.1f   interpreted %8.1f   %5.1f times   (%zu bytes; returns %llu, "
	       "%llu)\n",
	       name, (double)with / runs, (double)without / runs, (double)without / (double)with,
	       compiled->code_size, (unsigned long long)ebpf_run(compiled, &ctx),
	       (unsigned long long)ebpf_run(interpreted, &ctx));
	ebpf_prog_unref(compiled);
	ebpf_prog_unref(interpreted);
}

static struct ebpf_map *map_make(enum bpf_map_type type, uint32_t key, uint32_t max)
{
	const struct ebpf_map_def def = {.name = "bench",
					 .type = type,
					 .key_size = key,
					 .value_size = 8,
					 .max_entries = max};
	struct ebpf_map *map;

	if (ebpf_map_create(&def, 2, &map, NULL) != 0)
		exit(1);
	return map;
}

static void empty(uint32_t runs)
{
	static const struct bpf_insn insns[] = {E_MOVK(BPF_REG_0, 2), E_EXIT};

	measure("empty", insns, N(insns), NULL, runs);
}

static void counter(uint32_t runs)
{
	static const struct bpf_insn insns[] = {
		E_ST(BPF_W, BPF_REG_10, -4, 3),
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -4),
		E_FD(BPF_REG_1, BPF_PSEUDO_MAP_FD, FD, 0),
		E_CALL(BPF_FUNC_map_lookup_elem),
		E_JMPK(BPF_JEQ, BPF_REG_0, 0, 3),
		E_LDX(BPF_DW, BPF_REG_1, BPF_REG_0, 0),
		E_ALUK(BPF_ADD, BPF_REG_1, 1),
		E_STX(BPF_DW, BPF_REG_0, BPF_REG_1, 0),
		E_MOVK(BPF_REG_0, 2),
		E_EXIT,
	};
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 256);

	measure("counter", insns, N(insns), map, runs);
	ebpf_map_unref(map);
}

/* The frame is of flow 77. */
static void fill_flows(struct ebpf_map *map)
{
	static const uint8_t head[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 1, 0xf2};
	uint8_t *frame = room + EBPF_HEADROOM;

	memset(frame, 0, 512);
	memcpy(frame, head, sizeof(head));
	frame[23] = 17;
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct flow f = {.from = i * 77777,
				 .to = 0x0a000001,
				 .ports = {53, 99},
				 .proto = 17};
		uint64_t value = i;

		if (map->ops->update(map, &f, &value, BPF_ANY, 0) != 0)
			exit(1);
		if (i == 77)
			memcpy(frame + 26, &f, 12);
	}
}

static void flow(uint32_t runs)
{
	static const struct bpf_insn insns[] = {
		E_LDX(BPF_W, BPF_REG_2, BPF_REG_1, 0),
		E_LDX(BPF_W, BPF_REG_3, BPF_REG_1, 4),
		E_MOV(BPF_REG_4, BPF_REG_2),
		E_ALUK(BPF_ADD, BPF_REG_4, 42),
		E_JMP(BPF_JGT, BPF_REG_4, BPF_REG_3, 23),
		E_LDX(BPF_H, BPF_REG_5, BPF_REG_2, 12),
		E_JMPK(BPF_JNE, BPF_REG_5, 8, 21),
		E_LDX(BPF_B, BPF_REG_5, BPF_REG_2, 23),
		E_JMPK(BPF_JNE, BPF_REG_5, 17, 19),
		E_LDX(BPF_W, BPF_REG_4, BPF_REG_2, 26),
		E_STX(BPF_W, BPF_REG_10, BPF_REG_4, -16),
		E_LDX(BPF_W, BPF_REG_4, BPF_REG_2, 30),
		E_STX(BPF_W, BPF_REG_10, BPF_REG_4, -12),
		E_LDX(BPF_W, BPF_REG_4, BPF_REG_2, 34),
		E_STX(BPF_W, BPF_REG_10, BPF_REG_4, -8),
		E_STX(BPF_W, BPF_REG_10, BPF_REG_5, -4),
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -16),
		E_FD(BPF_REG_1, BPF_PSEUDO_MAP_FD, FD, 0),
		E_CALL(BPF_FUNC_map_lookup_elem),
		E_JMPK(BPF_JEQ, BPF_REG_0, 0, 6),
		E_LDX(BPF_DW, BPF_REG_1, BPF_REG_0, 0),
		E_ALUK(BPF_ADD, BPF_REG_1, 1),
		E_STX(BPF_DW, BPF_REG_0, BPF_REG_1, 0),
		E_MOVK(BPF_REG_0, 2),
		E_EXIT,
		E_EXIT,
		E_MOVK(BPF_REG_0, 1),
		E_EXIT,
	};
	struct ebpf_map *map = map_make(BPF_MAP_TYPE_HASH, sizeof(struct flow), N_FLOWS);

	fill_flows(map);
	measure("flow", insns, N(insns), map, runs);
	ebpf_map_unref(map);
}

static void checksum(uint32_t runs)
{
	static const struct bpf_insn insns[] = {
		E_LDX(BPF_W, BPF_REG_2, BPF_REG_1, 0),
		E_LDX(BPF_W, BPF_REG_3, BPF_REG_1, 4),
		E_MOVK(BPF_REG_0, 0),
		E_MOV(BPF_REG_4, BPF_REG_2), /* <- */
		E_ALUK(BPF_ADD, BPF_REG_4, 2),
		E_JMP(BPF_JGT, BPF_REG_4, BPF_REG_3, 4),
		E_LDX(BPF_H, BPF_REG_5, BPF_REG_2, 0),
		E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_5),
		E_MOV(BPF_REG_2, BPF_REG_4),
		E_JA(-7),
		E_MOV(BPF_REG_1, BPF_REG_0),
		E_ALUK(BPF_RSH, BPF_REG_1, 16),
		E_ALUK(BPF_AND, BPF_REG_0, 0xffff),
		E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_1),
		E_EXIT,
	};

	measure("checksum", insns, N(insns), NULL, runs / 10);
}

int main(int argc, char **argv)
{
	uint32_t runs = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 200000;

	if (runs < 10)
		runs = 10;
	ebpf_env_enter(&env);
	empty(runs);
	counter(runs);
	flow(runs);
	checksum(runs);
	return 0;
}

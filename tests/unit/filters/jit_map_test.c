/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Compiled programs and maps: elements found in line, functions called directly, tail calls,
 * callbacks.  Every program also runs interpreted, and without what the compiler knows of maps.
 */
#include "filters/ebpf/jit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "filters/ebpf/prog.h"
#include "tests/support/ebpf_cases.h"

#define N(insns) (sizeof(insns) / sizeof((insns)[0]))
#define N_CPUS	 4u

static struct ebpf_env env = {.random = 1};
static struct ebpf_map *maps[4];
static uint32_t n_maps;

static void map_make(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t max)
{
	struct ebpf_map_def def = {.type = type,
				   .key_size = key,
				   .value_size = value,
				   .max_entries = max};
	struct err err = {0};

	snprintf(def.name, sizeof(def.name), "m%u", n_maps);
	if (ebpf_map_create(&def, N_CPUS, &maps[n_maps++], &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
}

static int no_maps(void **state)
{
	while (n_maps > 0)
		ebpf_map_unref(maps[--n_maps]);
	env.cpu = 0;
	env.n_tail = 0;
	return 0;
}

/* Map 'i' has descriptor 100 + 'i'. */
#define E_MAP(reg, i) E_FD(reg, BPF_PSEUDO_MAP_FD, 100 + (i), 0)

static struct ebpf_prog *make(const struct bpf_insn *insns, uint32_t n)
{
	struct ebpf_map_ref refs[4];
	const struct ebpf_prog_opts opts = {.name = "test",
					    .insns = insns,
					    .n = n,
					    .maps = refs,
					    .n_maps = n_maps,
					    .gpl = true,
					    .interpret = true};
	struct ebpf_prog *prog = NULL;
	struct err err = {0};

	for (uint32_t i = 0; i < n_maps; i++)
		refs[i] = (struct ebpf_map_ref){.fd = 100 + (int)i, .map = maps[i]};
	if (ebpf_prog_create(&opts, &prog, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
	return prog;
}

/* What it returns in every way to run it. */
static uint64_t run(const struct bpf_insn *insns, uint32_t n)
{
	struct ebpf_prog *prog = make(insns, n);
	struct ebpf_ctx ctx;
	uint64_t expected;

	ebpf_case_ctx(&ctx);
	env.n_tail = 0;
	expected = ebpf_run(prog, &ctx);
	for (uint32_t features = 0; features < 8; features++) {
		assert_int_equal(ebpf_jit_with(prog, features & ebpf_jit_features()), 0);
		env.n_tail = 0;
		assert_int_equal(ebpf_run(prog, &ctx), expected);
		ebpf_jit_free(prog);
	}
	ebpf_prog_unref(prog);
	return expected;
}

/* The same, asked the other way round, with the answer far away. */
static void look_up_far(unsigned map, uint32_t index, uint64_t expected)
{
	struct bpf_insn insns[100] = {
		E_ST(BPF_W, BPF_REG_10, -4, index), E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -4),	    E_MAP(BPF_REG_1, map),
		E_CALL(BPF_FUNC_map_lookup_elem),
	};
	uint32_t n = 6;

	insns[n++] = E_JMPK(BPF_JEQ, BPF_REG_0, 0, 91);
	insns[n++] = E_LDX(BPF_W, BPF_REG_0, BPF_REG_0, 0);
	while (n < 97)
		insns[n++] = E_ALUK(BPF_ADD, BPF_REG_0, 1);
	insns[n++] = E_EXIT;
	insns[n++] = E_ALUK(BPF_SUB, BPF_REG_0, 1);
	insns[n++] = E_EXIT;
	assert_int_equal(run(insns, n), expected == (uint64_t)-1 ? expected : expected + 89);
}

/* r0 = the word that map 'map' has at 'index', or -1. */
static uint64_t look_up(unsigned map, uint32_t index)
{
	const struct bpf_insn insns[] = {
		E_ST(BPF_W, BPF_REG_10, -4, index),
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -4),
		E_MAP(BPF_REG_1, map),
		E_CALL(BPF_FUNC_map_lookup_elem),
		E_JMPK(BPF_JNE, BPF_REG_0, 0, 2),
		E_MOVK(BPF_REG_0, -1),
		E_EXIT,
		E_LDX(BPF_W, BPF_REG_0, BPF_REG_0, 0),
		E_EXIT,
	};
	uint64_t found = run(insns, N(insns));

	look_up_far(map, index, found);
	return found;
}

static void set(struct ebpf_map *map, uint32_t key, uint32_t value, uint32_t cpu)
{
	uint8_t bytes[64] = {0};

	memcpy(bytes, &value, sizeof(value));
	assert_int_equal(map->ops->update(map, &key, bytes, BPF_ANY, cpu), 0);
}

static void array_elements_are_found_in_line(void **state)
{
	static const uint32_t values[] = {4, 8, 12, 24, 32, 64};
	static const uint32_t maxes[] = {1, 2, 100, 128, 1000};

	for (unsigned v = 0; v < N(values); v++) {
		for (unsigned m = 0; m < N(maxes); m++) {
			map_make(BPF_MAP_TYPE_ARRAY, 4, values[v], maxes[m]);
			for (uint32_t i = 0; i < maxes[m]; i++)
				set(maps[0], i, i * 3 + 1, 0);
			assert_int_equal(look_up(0, 0), 1);
			assert_int_equal(look_up(0, maxes[m] - 1), maxes[m] * 3 - 2);
			assert_int_equal(look_up(0, maxes[m]), (uint64_t)-1);
			assert_int_equal(look_up(0, UINT32_MAX), (uint64_t)-1);
			assert_int_equal(look_up(0, 0x80000000), (uint64_t)-1);
			no_maps(NULL);
		}
	}
}

static void each_cpu_finds_its_own_elements(void **state)
{
	map_make(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 12, 300);
	for (uint32_t cpu = 0; cpu < N_CPUS; cpu++)
		for (uint32_t i = 0; i < 300; i++)
			set(maps[0], i, cpu * 1000 + i, cpu);
	for (env.cpu = 0; env.cpu < N_CPUS; env.cpu++) {
		assert_int_equal(look_up(0, 0), env.cpu * 1000);
		assert_int_equal(look_up(0, 299), env.cpu * 1000 + 299);
		assert_int_equal(look_up(0, 300), (uint64_t)-1);
	}
	assert_int_equal(look_up(0, 0), (uint64_t)-1); /* A CPU that it was not made for. */
}

static void hash_elements_are_found(void **state)
{
	static const enum bpf_map_type types[] = {BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH,
						  BPF_MAP_TYPE_PERCPU_HASH,
						  BPF_MAP_TYPE_LRU_PERCPU_HASH};

	for (unsigned t = 0; t < N(types); t++) {
		map_make(types[t], 4, 8, 100);
		env.cpu = 2;
		for (uint32_t i = 0; i < 50; i++)
			set(maps[0], i * 7, i, 2);
		for (uint32_t i = 0; i < 50; i++)
			assert_int_equal(look_up(0, i * 7), i);
		assert_int_equal(look_up(0, 1), (uint64_t)-1);
		no_maps(NULL);
	}
}

static void programs_write_to_maps(void **state)
{
	static const struct bpf_insn insns[] = {
		E_ST(BPF_W, BPF_REG_10, -4, 5),
		E_ST(BPF_DW, BPF_REG_10, -16, 77),
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -4),
		E_MOV(BPF_REG_3, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_3, -16),
		E_MOVK(BPF_REG_4, BPF_NOEXIST),
		E_MAP(BPF_REG_7, 0),
		E_MOV(BPF_REG_1, BPF_REG_7),
		E_CALL(BPF_FUNC_map_update_elem),
		E_MOV(BPF_REG_6, BPF_REG_0),
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -4),
		E_MOV(BPF_REG_1, BPF_REG_7),
		E_CALL(BPF_FUNC_map_delete_elem),
		E_ALU(BPF_ADD, BPF_REG_6, BPF_REG_0),
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -4),
		E_MOV(BPF_REG_1, BPF_REG_7),
		E_CALL(BPF_FUNC_map_delete_elem),
		E_ALUK(BPF_LSH, BPF_REG_6, 8),
		E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_6),
		E_EXIT,
	};

	map_make(BPF_MAP_TYPE_HASH, 4, 8, 10);
	assert_int_equal(run(insns, N(insns)), (uint64_t)-ENOENT);
}

/* Stores 'size' bytes of 'key' at r10 + 'at', in pieces that 'how' says: two bits each. */
static uint32_t store_in_pieces(struct bpf_insn *insns, const uint8_t *key, uint32_t size, int at,
				uint32_t how)
{
	static const uint8_t sizes[] = {BPF_W, BPF_H, BPF_B, BPF_DW};
	static const uint8_t n_bytes[] = {4, 2, 1, 8};
	uint32_t n = 0;

	for (uint32_t i = 0; i < size; how = how >> 2 | how << 30) {
		unsigned s = how & 3;
		int64_t v = 0;

		if (n_bytes[s] > size - i)
			s = 2;
		memcpy(&v, key + i, n_bytes[s]);
		if (s == 3) {
			const struct bpf_insn wide[] = {E_WIDE(BPF_REG_3, v)};

			insns[n++] = wide[0];
			insns[n++] = wide[1];
			insns[n++] = E_STX(BPF_DW, BPF_REG_10, BPF_REG_3, at + (int)i);
		} else {
			insns[n++] = E_ST(sizes[s], BPF_REG_10, at + (int)i, v);
		}
		i += n_bytes[s];
	}
	return n;
}

/* r0 = what the key's map has, + a byte of the key after that. */
static uint64_t look_up_pieces(const uint8_t *key, uint32_t size, int at, uint32_t how, uint32_t b)
{
	struct bpf_insn insns[100];
	uint32_t n = store_in_pieces(insns, key, size, at, how);
	const struct bpf_insn rest[] = {
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, at),
		E_MAP(BPF_REG_1, 0),
		E_CALL(BPF_FUNC_map_lookup_elem),
		E_JMPK(BPF_JNE, BPF_REG_0, 0, 1),
		E_EXIT,
		E_LDX(BPF_W, BPF_REG_0, BPF_REG_0, 0),
		E_LDX(BPF_B, BPF_REG_1, BPF_REG_10, at + (int)b),
		E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_1),
		E_EXIT,
	};

	memcpy(insns + n, rest, sizeof(rest));
	return run(insns, n + N(rest));
}

static void keys_may_be_put_together_in_pieces(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 13, 16, 20, 40};

	for (unsigned s = 0; s < N(sizes); s++) {
		uint64_t value = 1000;
		uint8_t key[40];

		map_make(BPF_MAP_TYPE_HASH, sizes[s], 8, 10);
		for (uint32_t i = 0; i < sizes[s]; i++)
			key[i] = (uint8_t)(i * 57 + 0x81);
		assert_int_equal(maps[0]->ops->update(maps[0], key, &value, BPF_ANY, 0), 0);
		for (uint32_t how = 0; how < 300; how++) {
			uint32_t b = how % sizes[s], mixed = how * 0x9e3779b1;
			int at = -(int)sizes[s] - (int)(how % 9);

			assert_int_equal(look_up_pieces(key, sizes[s], at, mixed, b),
					 1000 + key[b]);
			assert_int_equal(look_up_pieces(key, sizes[s], -512, how, b),
					 1000 + key[b]);
		}
		no_maps(NULL);
	}
}

/* Which map it is depends on how the call was reached: nothing may be known of it there. */
static uint64_t one_of_two(int32_t first)
{
	const struct bpf_insn insns[] = {
		E_MOVK(BPF_REG_6, first),
		E_ST(BPF_W, BPF_REG_10, -4, 0),
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -4),
		E_MAP(BPF_REG_1, 0),
		E_JMPK(BPF_JEQ, BPF_REG_6, 1, 2),
		E_MAP(BPF_REG_1, 1),
		E_CALL(BPF_FUNC_map_lookup_elem),
		E_JMPK(BPF_JNE, BPF_REG_0, 0, 1),
		E_EXIT,
		E_LDX(BPF_W, BPF_REG_0, BPF_REG_0, 0),
		E_EXIT,
	};

	return run(insns, N(insns));
}

static void the_map_is_the_one_that_the_path_says(void **state)
{
	map_make(BPF_MAP_TYPE_ARRAY, 4, 4, 10);
	map_make(BPF_MAP_TYPE_ARRAY, 4, 16, 20);
	set(maps[0], 0, 100, 0);
	set(maps[1], 0, 200, 0);
	assert_int_equal(one_of_two(1), 100);
	assert_int_equal(one_of_two(0), 200);
}

/* The second time round r1 is what the loop's end has put there. */
static void what_is_known_ends_where_a_loop_begins(void **state)
{
	static const struct bpf_insn insns[] = {
		E_MOVK(BPF_REG_6, 0),
		E_MOVK(BPF_REG_7, 0),
		E_ST(BPF_W, BPF_REG_10, -4, 0),
		E_MAP(BPF_REG_8, 0),
		E_MOV(BPF_REG_1, BPF_REG_8), /* <- */
		E_MOV(BPF_REG_2, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_2, -4),
		E_CALL(BPF_FUNC_map_lookup_elem),
		E_JMPK(BPF_JNE, BPF_REG_0, 0, 1),
		E_EXIT,
		E_LDX(BPF_W, BPF_REG_0, BPF_REG_0, 0),
		E_ALU(BPF_ADD, BPF_REG_7, BPF_REG_0),
		E_MAP(BPF_REG_8, 1),
		E_ALUK(BPF_ADD, BPF_REG_6, 1),
		E_JMPK(BPF_JNE, BPF_REG_6, 2, -12),
		E_MOV(BPF_REG_0, BPF_REG_7),
		E_EXIT,
	};

	map_make(BPF_MAP_TYPE_ARRAY, 4, 4, 10);
	map_make(BPF_MAP_TYPE_ARRAY, 4, 16, 20);
	set(maps[0], 0, 100, 0);
	set(maps[1], 0, 201, 0);
	assert_int_equal(run(insns, N(insns)), 301);
}

/* ---- Hashes in line ---- */

#define HASH_ENTRIES 300u /* so many that some buckets overflow */
#define HASH_WORDS   7u

/* r0 = the number that map 0 has at the key that is map 1's element, or -1. */
static struct ebpf_prog *asker(uint32_t key_size)
{
	struct bpf_insn insns[40] = {E_FD(BPF_REG_3, BPF_PSEUDO_MAP_VALUE, 101, 0)};
	uint32_t n = 2;

	for (int16_t at = 0; at < (int16_t)key_size; at += 4) {
		insns[n++] = E_LDX(BPF_W, BPF_REG_4, BPF_REG_3, at);
		insns[n++] = E_STX(BPF_W, BPF_REG_10, BPF_REG_4, at - (int16_t)key_size);
	}
	insns[n++] = E_MOV(BPF_REG_2, BPF_REG_10);
	insns[n++] = E_ALUK(BPF_ADD, BPF_REG_2, -(int32_t)key_size);
	memcpy(insns + n, (const struct bpf_insn[]){E_MAP(BPF_REG_1, 0)}, 2 * sizeof(insns[0]));
	n += 2;
	insns[n++] = E_CALL(BPF_FUNC_map_lookup_elem);
	insns[n++] = E_JMPK(BPF_JNE, BPF_REG_0, 0, 2);
	insns[n++] = E_MOVK(BPF_REG_0, -1);
	insns[n++] = E_EXIT;
	insns[n++] = E_LDX(BPF_W, BPF_REG_0, BPF_REG_0, 0);
	insns[n++] = E_EXIT;
	return make(insns, n);
}

static uint64_t ask(struct ebpf_prog *prog, uint32_t number, uint32_t words)
{
	uint32_t zero = 0, *key = maps[1]->ops->lookup(maps[1], &zero, 0);
	struct ebpf_ctx ctx;

	for (uint32_t i = 0; i < words; i++)
		key[i] = i == number % words ? number : 7;
	ebpf_case_ctx(&ctx);
	return ebpf_run(prog, &ctx);
}

/* Of a map with the even numbers below 2 * HASH_ENTRIES, but for those that were taken out. */
static void ask_all(struct ebpf_prog *prog, uint32_t words)
{
	for (uint32_t i = 0; i < 2 * HASH_ENTRIES; i++) {
		uint32_t zero = 0, *key = maps[1]->ops->lookup(maps[1], &zero, 0);
		bool there = i % 2 == 0 && i % 10 != 0;

		assert_int_equal(ask(prog, i, words), there ? i + 1 : (uint64_t)-1);
		assert_true((maps[0]->ops->lookup(maps[0], key, 0) != NULL) == there);
	}
}

static void fill_hash(uint32_t words)
{
	uint32_t zero = 0, *key = maps[1]->ops->lookup(maps[1], &zero, 0);

	for (uint32_t i = 0; i < 2 * HASH_ENTRIES; i += 2) {
		uint32_t value = i + 1;

		for (uint32_t w = 0; w < words; w++)
			key[w] = w == i % words ? i : 7;
		assert_int_equal(maps[0]->ops->update(maps[0], key, &value, BPF_ANY, 0), 0);
		if (i % 10 == 0)
			assert_int_equal(maps[0]->ops->delete (maps[0], key), 0);
	}
}

static void hashes_are_found_in_line_as_by_their_function(void **state)
{
	static const enum bpf_map_type types[] = {BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH,
						  BPF_MAP_TYPE_PERCPU_HASH};

	for (uint32_t i = 0; i < N(types) * HASH_WORDS; i++) {
		uint32_t words = i % HASH_WORDS + 1;
		struct ebpf_prog *prog;

		/* An LRU map may give up elements before it is full. */
		map_make(types[i / HASH_WORDS], words * 4, 4,
			 types[i / HASH_WORDS] == BPF_MAP_TYPE_LRU_HASH ? 16 * HASH_ENTRIES
									: HASH_ENTRIES);
		map_make(BPF_MAP_TYPE_ARRAY, 4, HASH_WORDS * 4, 1);
		fill_hash(words);
		prog = asker(words * 4);
		for (uint32_t features = 0; features < 8; features++) {
			assert_int_equal(ebpf_jit_with(prog, features & ebpf_jit_features()), 0);
			ask_all(prog, words);
			ebpf_jit_free(prog);
		}
		ebpf_prog_unref(prog);
		(void)no_maps(NULL);
	}
}

static void wait_for_nobody(void *arg)
{
}

static void put(uint32_t index, struct ebpf_prog *prog)
{
	assert_int_equal(ebpf_map_put_prog(maps[0], &index, prog, wait_for_nobody, NULL), 0);
}

/* Counts its runs in map 1, then calls the program at 'index' of map 0; returns 'verdict' when that
 * fails. */
static struct ebpf_prog *caller(int32_t index, int32_t verdict)
{
	const struct bpf_insn insns[] = {
		E_MOV(BPF_REG_6, BPF_REG_1),
		E_FD(BPF_REG_7, BPF_PSEUDO_MAP_VALUE, 101, 0),
		E_MOVK(BPF_REG_1, 1),
		E(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_7, BPF_REG_1, 0, BPF_ADD),
		E_MOV(BPF_REG_1, BPF_REG_6),
		E_MAP(BPF_REG_2, 0),
		E_MOVK(BPF_REG_3, index),
		E_CALL(BPF_FUNC_tail_call),
		E_MOVK(BPF_REG_0, verdict),
		E_EXIT,
	};

	return make(insns, N(insns));
}

static uint64_t count(void)
{
	uint32_t key = 0;
	uint64_t *n = maps[1]->ops->lookup(maps[1], &key, 0), was = *n;

	*n = 0;
	return was;
}

static void tail_maps(void)
{
	map_make(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8);
	map_make(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
}

/* Bits of 'compiled' say which of the two are. */
static void compile_some(struct ebpf_prog **progs, unsigned n, unsigned compiled)
{
	for (unsigned i = 0; i < n; i++) {
		if (compiled & 1u << i)
			assert_int_equal(ebpf_jit(progs[i]), 0);
		else
			ebpf_jit_free(progs[i]);
	}
}

static uint64_t run_tail(struct ebpf_prog *prog)
{
	struct ebpf_ctx ctx;

	ebpf_case_ctx(&ctx);
	env.n_tail = 0;
	return ebpf_run(prog, &ctx);
}

static void tail_calls_end_in_the_other_program(void **state)
{
	struct ebpf_prog *progs[2];

	tail_maps();
	progs[0] = caller(3, 1);
	progs[1] = caller(7, 2); /* There is none. */
	put(3, progs[1]);
	for (unsigned compiled = 0; compiled < 4; compiled++) {
		compile_some(progs, 2, compiled);
		assert_int_equal(run_tail(progs[0]), 2);
		assert_int_equal(count(), 2);
		assert_int_equal(run_tail(progs[1]), 2);
		assert_int_equal(count(), 1);
	}
	put(3, NULL);
	for (unsigned compiled = 0; compiled < 4; compiled++) {
		compile_some(progs, 2, compiled);
		assert_int_equal(run_tail(progs[0]), 1);
		assert_int_equal(count(), 1);
	}
	ebpf_prog_unref(progs[0]);
	ebpf_prog_unref(progs[1]);
}

static void tail_calls_end_after_33(void **state)
{
	struct ebpf_prog *progs[2];

	tail_maps();
	progs[0] = caller(1, 1);
	progs[1] = caller(0, 2);
	put(0, progs[0]);
	put(1, progs[1]);
	for (unsigned compiled = 0; compiled < 4; compiled++) {
		compile_some(progs, 2, compiled);
		assert_int_equal(run_tail(progs[0]), 2);
		assert_int_equal(count(), 34);
	}
	put(0, NULL);
	put(1, NULL);
	ebpf_prog_unref(progs[0]);
	ebpf_prog_unref(progs[1]);
}

static void tail_call_of_an_index_beyond_the_array_fails(void **state)
{
	struct ebpf_prog *prog;

	tail_maps();
	prog = caller(8, 3);
	for (unsigned compiled = 0; compiled < 2; compiled++) {
		compile_some(&prog, 1, compiled);
		assert_int_equal(run_tail(prog), 3);
	}
	ebpf_prog_unref(prog);
}

/* As the kernel has it: what the other program returns, the function returns. */
static void tail_call_in_a_function_returns_to_its_caller(void **state)
{
	const struct bpf_insn insns[] = {
		E_MOVK(BPF_REG_6, 1000),
		E_MOVK(BPF_REG_9, 500),
		E_LOCAL(3),
		E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_6),
		E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_9),
		E_EXIT,
		E_MOVK(BPF_REG_6, 1),
		E_MOVK(BPF_REG_9, 1),
		E_ST(BPF_DW, BPF_REG_10, -8, 0),
		E_MAP(BPF_REG_2, 0),
		E_MOVK(BPF_REG_3, 5),
		E_CALL(BPF_FUNC_tail_call),
		E_MOVK(BPF_REG_0, 9),
		E_EXIT,
	};
	struct ebpf_prog *progs[2];

	tail_maps();
	progs[0] = make(insns, N(insns));
	progs[1] = caller(7, 2);
	for (unsigned compiled = 0; compiled < 4; compiled++) {
		compile_some(progs, 2, compiled);
		put(5, progs[1]);
		assert_int_equal(run_tail(progs[0]), 1502);
		put(5, NULL);
		assert_int_equal(run_tail(progs[0]), 1509);
	}
	ebpf_prog_unref(progs[0]);
	ebpf_prog_unref(progs[1]);
}

/* Adds up the values, and the packet's ifindex for each of them, in the first function's stack. */
static void callbacks_see_each_element_and_their_context(void **state)
{
	static const struct bpf_insn insns[] = {
		E_STX(BPF_DW, BPF_REG_10, BPF_REG_1, -16),
		E_ST(BPF_DW, BPF_REG_10, -8, 0),
		E_MAP(BPF_REG_1, 0),
		E_FUNC(BPF_REG_2, 9),
		E_MOV(BPF_REG_3, BPF_REG_10),
		E_ALUK(BPF_ADD, BPF_REG_3, -16),
		E_MOVK(BPF_REG_4, 0),
		E_CALL(BPF_FUNC_for_each_map_elem),
		E_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, -8),
		E_ALUK(BPF_LSH, BPF_REG_0, 48),
		E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_1),
		E_EXIT,
		/* The callback: */
		E_LDX(BPF_W, BPF_REG_5, BPF_REG_3, 0),
		E_LDX(BPF_DW, BPF_REG_1, BPF_REG_4, 0),
		E_LDX(BPF_W, BPF_REG_1, BPF_REG_1, offsetof(struct xdp_md, rx_queue_index)),
		E_ALU(BPF_ADD, BPF_REG_5, BPF_REG_1),
		E_LDX(BPF_DW, BPF_REG_1, BPF_REG_4, 8),
		E_ALU(BPF_ADD, BPF_REG_1, BPF_REG_5),
		E_STX(BPF_DW, BPF_REG_4, BPF_REG_1, 8),
		E_MOVK(BPF_REG_0, 0),
		E_EXIT,
	};

	map_make(BPF_MAP_TYPE_ARRAY, 4, 4, 10);
	for (uint32_t i = 0; i < 10; i++)
		set(maps[0], i, i * 100, 0);
	assert_int_equal(run(insns, N(insns)), 10ull << 48 | (4500 + 10 * 22));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(hashes_are_found_in_line_as_by_their_function, no_maps),
		cmocka_unit_test_teardown(array_elements_are_found_in_line, no_maps),
		cmocka_unit_test_teardown(each_cpu_finds_its_own_elements, no_maps),
		cmocka_unit_test_teardown(hash_elements_are_found, no_maps),
		cmocka_unit_test_teardown(programs_write_to_maps, no_maps),
		cmocka_unit_test_teardown(keys_may_be_put_together_in_pieces, no_maps),
		cmocka_unit_test_teardown(the_map_is_the_one_that_the_path_says, no_maps),
		cmocka_unit_test_teardown(what_is_known_ends_where_a_loop_begins, no_maps),
		cmocka_unit_test_teardown(tail_calls_end_in_the_other_program, no_maps),
		cmocka_unit_test_teardown(tail_calls_end_after_33, no_maps),
		cmocka_unit_test_teardown(tail_call_of_an_index_beyond_the_array_fails, no_maps),
		cmocka_unit_test_teardown(tail_call_in_a_function_returns_to_its_caller, no_maps),
		cmocka_unit_test_teardown(callbacks_see_each_element_and_their_context, no_maps),
	};

	ebpf_env_enter(&env);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

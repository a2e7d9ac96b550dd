/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Maps that hold references: program arrays, devmaps, maps of maps.  What goes in is held, what
 * comes out is given back after the wait and not before, and nobody is left behind.
 */
#include "filters/ebpf/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filters/ebpf/prog.h"

static struct ebpf_map *make_def(const struct ebpf_map_def *def)
{
	struct ebpf_map *map = NULL;
	struct err err = {0};

	if (ebpf_map_create(def, 2, &map, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
	return map;
}

static struct ebpf_map *make(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t n)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = type,
				   .key_size = key_size,
				   .value_size = value_size,
				   .max_entries = n};

	return make_def(&def);
}

/* A program that returns 2 and refers to 'maps'. */
static struct ebpf_prog *prog_make(struct ebpf_map *const *maps, uint32_t n)
{
	struct bpf_insn insns[2 * 4 + 2];
	struct ebpf_map_ref refs[4];
	struct ebpf_prog_opts opts = {.name = "test",
				      .section = "xdp",
				      .insns = insns,
				      .n = 2 * n + 2,
				      .maps = refs,
				      .n_maps = n,
				      .interpret = true};
	struct ebpf_prog *prog = NULL;
	struct err err = {0};

	memset(insns, 0, sizeof(insns));
	for (uint32_t i = 0; i < n; i++) {
		refs[i] = (struct ebpf_map_ref){.fd = 10 + (int)i, .map = maps[i]};
		insns[2 * i] = (struct bpf_insn){.code = BPF_LD | BPF_IMM | BPF_DW,
						 .dst_reg = 1,
						 .src_reg = BPF_PSEUDO_MAP_FD,
						 .imm = 10 + (int)i};
	}
	insns[2 * n] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 2};
	insns[2 * n + 1] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
	if (ebpf_prog_create(&opts, &prog, &err) != 0)
		fail_msg("%s", err.what);
	return prog;
}

/* References at the time of the wait, when workers may still use what goes. */
struct waited {
	const struct ebpf_prog *prog;
	const struct ebpf_map *map;
	uint32_t n, refs;
};

static void wait_for(void *arg)
{
	struct waited *w = arg;

	w->n++;
	w->refs = w->prog != NULL ? w->prog->refs : w->map->refs;
}

static void program_array_holds_its_programs(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8);
	struct ebpf_prog *a = prog_make(NULL, 0), *b = prog_make(NULL, 0);
	struct waited w = {.prog = a};
	uint32_t key = 3, out = 8;

	assert_null(ebpf_map_prog(map, 3));
	assert_null(ebpf_map_prog(map, 8));
	assert_null(ebpf_map_prog(map, UINT32_MAX));
	assert_int_equal(ebpf_map_put_prog(map, &key, NULL, wait_for, &w), -ENOENT);
	assert_int_equal(ebpf_map_put_prog(map, &out, a, wait_for, &w), -E2BIG);
	assert_int_equal(a->refs, 1);
	assert_int_equal(ebpf_map_put_prog(map, &key, a, wait_for, &w), 0);
	assert_int_equal(w.n, 0);
	assert_int_equal(a->refs, 2);
	assert_ptr_equal(ebpf_map_prog(map, 3), a);
	assert_int_equal(ebpf_map_count(map), 1);
	assert_int_equal(ebpf_map_put_prog(map, &key, b, wait_for, &w), 0);
	assert_int_equal(w.n, 1);
	assert_int_equal(w.refs, 2);
	assert_int_equal(a->refs, 1);
	assert_ptr_equal(ebpf_map_prog(map, 3), b);
	assert_int_equal(ebpf_map_put_prog(map, &key, NULL, NULL, NULL), 0);
	assert_int_equal(b->refs, 1);
	assert_int_equal(ebpf_map_put_prog(map, &key, a, NULL, NULL), 0);
	ebpf_map_unref(map);
	assert_int_equal(a->refs, 1);
	ebpf_prog_unref(a);
	ebpf_prog_unref(b);
}

static void wrong_kinds_take_nothing(void **unused)
{
	struct ebpf_map *array = make(BPF_MAP_TYPE_ARRAY, 4, 4, 8);
	struct ebpf_map *progs = make(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8);
	struct ebpf_prog *prog = prog_make(NULL, 0);
	uint32_t key = 0, value = 1;

	assert_int_equal(ebpf_map_put_prog(array, &key, prog, NULL, NULL), -EINVAL);
	assert_int_equal(ebpf_map_put_map(array, &key, progs, NULL, NULL), -EINVAL);
	assert_int_equal(ebpf_map_put_map(progs, &key, array, NULL, NULL), -EINVAL);
	assert_int_equal(ebpf_map_write(progs, &key, &value, 0), -ENOTSUP);
	assert_int_equal(ebpf_map_read(progs, &key, &value), -ENOTSUP);
	assert_int_equal(ebpf_map_remove(progs, &key), -ENOTSUP);
	assert_null(ebpf_map_inner(array, &key));
	assert_int_equal(array->refs, 1);
	assert_int_equal(prog->refs, 1);
	ebpf_map_unref(array);
	ebpf_map_unref(progs);
	ebpf_prog_unref(prog);
}

/* A map whose references are counted shows that a program was freed. */
static void array_and_program_that_hold_each_other_end_together(void **unused)
{
	struct ebpf_map *witness = make(BPF_MAP_TYPE_ARRAY, 4, 4, 1);
	struct ebpf_map *jumps = make(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4);
	struct ebpf_map *both[2] = {jumps, witness};
	struct ebpf_prog *a = prog_make(both, 2), *b = prog_make(both, 2);
	struct ebpf_prog *entry = prog_make(both, 2);

	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(ebpf_map_put_prog(jumps, &i, i % 2 ? a : b, NULL, NULL), 0);
	assert_int_equal(witness->refs, 4);
	ebpf_prog_unref(a);
	ebpf_prog_unref(b);
	ebpf_prog_unref(entry);
	assert_int_equal(witness->refs, 3);
	assert_ptr_equal(ebpf_map_prog(jumps, 1), a);
	ebpf_map_unref(jumps);
	assert_int_equal(witness->refs, 1);
	ebpf_map_unref(witness);
}

static void arrays_of_each_others_programs_end_together(void **unused)
{
	struct ebpf_map *witness = make(BPF_MAP_TYPE_ARRAY, 4, 4, 1);
	struct ebpf_map *left = make(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4);
	struct ebpf_map *right = make(BPF_MAP_TYPE_DEVMAP, 4, 8, 4);
	struct ebpf_map *in_left[2] = {right, witness}, *in_right[2] = {left, witness};
	struct ebpf_prog *a = prog_make(in_left, 2), *b = prog_make(in_right, 2);
	uint32_t key = 1, dev[2] = {7, 0};

	assert_int_equal(ebpf_map_write(right, &key, dev, BPF_ANY), 0);
	assert_int_equal(ebpf_map_put_prog(left, &key, a, NULL, NULL), 0);
	assert_int_equal(ebpf_map_put_prog(right, &key, b, NULL, NULL), 0);
	ebpf_prog_unref(a);
	ebpf_prog_unref(b);
	ebpf_map_unref(left);
	assert_int_equal(witness->refs, 3);
	ebpf_map_unref(right);
	assert_int_equal(witness->refs, 1);
	ebpf_map_unref(witness);
}

/* Somebody outside still has the program: nothing ends. */
static void array_that_is_reached_from_outside_stays(void **unused)
{
	struct ebpf_map *jumps = make(BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4);
	struct ebpf_prog *a = prog_make(&jumps, 1);
	uint32_t key = 0;

	assert_int_equal(ebpf_map_put_prog(jumps, &key, a, NULL, NULL), 0);
	ebpf_map_unref(jumps);
	assert_int_equal(jumps->refs, 1);
	assert_ptr_equal(ebpf_map_prog(jumps, 0), a);
	/* It takes the array with it when it is taken out of that. */
	assert_int_equal(ebpf_map_put_prog(jumps, &key, NULL, NULL, NULL), 0);
	assert_int_equal(a->refs, 1);
	ebpf_prog_unref(a);
}

static void dev_write(struct ebpf_map *map, uint32_t key, uint32_t ifindex)
{
	uint32_t value[2] = {ifindex, 0};

	assert_int_equal(ebpf_map_write(map, &key, value, BPF_ANY), 0);
}

static void devmap_tells_ports_and_their_programs(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH};

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map *map = make(types[t], 4, 8, 16);
		struct ebpf_prog *prog = prog_make(NULL, 0), *is = prog;
		struct waited w = {.prog = prog};
		uint32_t key = 5, value[2] = {9, 9};

		assert_int_equal(ebpf_map_dev(map, 5, &is), 0);
		assert_null(is);
		assert_int_equal(ebpf_map_put_prog(map, &key, prog, wait_for, &w), -ENOENT);
		dev_write(map, 5, 70);
		assert_int_equal(ebpf_map_dev(map, 5, &is), 70);
		assert_int_equal(ebpf_map_dev(map, UINT64_C(0x100000005), &is), 0);
		assert_int_equal(ebpf_map_put_prog(map, &key, prog, wait_for, &w), 0);
		assert_int_equal(ebpf_map_dev(map, 5, &is), 70);
		assert_ptr_equal(is, prog);
		assert_int_equal(prog->refs, 2);
		assert_int_equal(ebpf_map_read(map, &key, value), 0);
		assert_int_equal(value[0], 70);
		assert_int_equal(value[1], 0);
		assert_int_equal(*(uint32_t *)map->ops->lookup(map, &key, 0), 70);
		assert_int_equal(ebpf_map_put_prog(map, &key, NULL, wait_for, &w), 0);
		assert_int_equal(w.n, 1);
		assert_int_equal(prog->refs, 1);
		assert_int_equal(ebpf_map_dev(map, 5, &is), 70);
		assert_null(is);
		assert_int_equal(ebpf_map_remove(map, &key), 0);
		assert_int_equal(ebpf_map_remove(map, &key), -ENOENT);
		assert_null(map->ops->lookup(map, &key, 0));
		assert_int_equal(ebpf_map_count(map), 0);
		ebpf_map_unref(map);
		ebpf_prog_unref(prog);
	}
}

static void devmap_refuses_what_the_kernel_does(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_DEVMAP, 4, 8, 4);
	struct ebpf_map *small = make(BPF_MAP_TYPE_DEVMAP, 4, 4, 4);
	struct ebpf_map *hash = make(BPF_MAP_TYPE_DEVMAP_HASH, 4, 8, 2);
	struct ebpf_prog *prog = prog_make(NULL, 0);
	uint32_t key = 4, value[2] = {1, 0};

	assert_int_equal(ebpf_map_write(map, &key, value, BPF_ANY), -E2BIG);
	key = 3;
	assert_int_equal(ebpf_map_write(map, &key, value, BPF_NOEXIST), -EEXIST);
	assert_int_equal(ebpf_map_write(map, &key, value, 3), -EINVAL);
	value[1] = 5;
	assert_int_equal(ebpf_map_write(map, &key, value, BPF_ANY), -EINVAL);
	dev_write(small, 3, 1);
	assert_int_equal(ebpf_map_put_prog(small, &key, prog, NULL, NULL), -EINVAL);
	dev_write(map, 3, 0);
	assert_int_equal(ebpf_map_count(map), 0);
	value[1] = 0;
	assert_int_equal(ebpf_map_write(hash, &key, value, BPF_EXIST), 0); /* Odd, but so. */
	assert_int_equal(ebpf_map_write(hash, &key, value, BPF_NOEXIST), -EEXIST);
	assert_int_equal(ebpf_map_remove(hash, &key), 0);
	dev_write(hash, UINT32_MAX, 1);
	dev_write(hash, 7, 2);
	assert_int_equal(ebpf_map_write(hash, &key, value, BPF_ANY), -E2BIG);
	value[0] = 0;
	assert_int_equal(ebpf_map_write(hash, &key, value, BPF_ANY), -EINVAL);
	ebpf_map_unref(map);
	ebpf_map_unref(small);
	ebpf_map_unref(hash);
	ebpf_prog_unref(prog);
}

static void port_that_is_gone_leaves_devmaps(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH};

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map *map = make(types[t], 4, 8, 16);
		struct ebpf_prog *prog = prog_make(NULL, 0);
		struct ebpf_dev devs[16];
		uint32_t key = 3;

		for (uint32_t i = 0; i < 16; i++)
			dev_write(map, i, 100 + i % 4);
		assert_int_equal(ebpf_map_put_prog(map, &key, prog, NULL, NULL), 0);
		assert_int_equal(ebpf_map_devs(map, devs, 16), 16);
		assert_int_equal(ebpf_map_devs(map, devs, 5), 5);
		assert_int_equal(ebpf_map_devs(map, devs, 0), 0);
		ebpf_map_dev_gone(map, 103);
		assert_int_equal(ebpf_map_count(map), 12);
		assert_int_equal(ebpf_map_devs(map, devs, 16), 12);
		for (unsigned i = 0; i < 12; i++) {
			assert_int_not_equal(devs[i].ifindex, 103);
			assert_null(devs[i].prog);
		}
		/* Nobody waited for workers. */
		assert_int_equal(prog->refs, 2);
		dev_write(map, 3, 1);
		assert_int_equal(ebpf_map_put_prog(map, &key, prog, NULL, NULL), 0);
		assert_int_equal(prog->refs, 2);
		ebpf_map_dev_gone(map, 1);
		ebpf_map_unref(map);
		assert_int_equal(prog->refs, 1);
		ebpf_prog_unref(prog);
	}
}

static void outer_map_holds_its_inner_maps(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS};
	struct ebpf_map_def inner = {.type = BPF_MAP_TYPE_HASH,
				     .key_size = 8,
				     .value_size = 8,
				     .max_entries = 10};

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map_def def = {.name = "outer",
					   .type = types[t],
					   .key_size = 4,
					   .value_size = 4,
					   .max_entries = 4,
					   .inner = &inner};
		struct ebpf_map *outer = make_def(&def), *a, *b;
		struct waited w;
		uint32_t key = 2;

		inner.value_size = 4; /* The definition was copied. */
		a = make(BPF_MAP_TYPE_HASH, 8, 8, 10);
		b = make(BPF_MAP_TYPE_HASH, 8, 8, 99); /* Hashes may differ in that. */
		inner.value_size = 8;
		w = (struct waited){.map = a};
		assert_int_equal(ebpf_map_put_map(outer, &key, NULL, wait_for, &w), -ENOENT);
		assert_int_equal(ebpf_map_put_map(outer, &key, a, wait_for, &w), 0);
		assert_int_equal(a->refs, 2);
		assert_ptr_equal(outer->ops->lookup(outer, &key, 0), a);
		assert_ptr_equal(ebpf_map_inner(outer, &key), a);
		assert_int_equal(ebpf_map_put_map(outer, &key, b, wait_for, &w), 0);
		assert_int_equal(w.n, 1);
		assert_int_equal(w.refs, 2);
		assert_int_equal(a->refs, 1);
		assert_int_equal(ebpf_map_count(outer), 1);
		assert_int_equal(ebpf_map_put_map(outer, &key, NULL, NULL, NULL), 0);
		assert_null(outer->ops->lookup(outer, &key, 0));
		assert_int_equal(b->refs, 1);
		assert_int_equal(ebpf_map_put_map(outer, &key, b, NULL, NULL), 0);
		assert_int_equal(ebpf_map_put_map(outer, &(uint32_t){1}, b, NULL, NULL), 0);
		ebpf_map_unref(outer);
		assert_int_equal(a->refs, 1);
		assert_int_equal(b->refs, 1);
		ebpf_map_unref(a);
		ebpf_map_unref(b);
	}
}

static void inner_map_must_be_as_defined(void **unused)
{
	struct ebpf_map_def inner = {.type = BPF_MAP_TYPE_ARRAY,
				     .key_size = 4,
				     .value_size = 8,
				     .max_entries = 10};
	struct ebpf_map_def def = {.name = "outer",
				   .type = BPF_MAP_TYPE_ARRAY_OF_MAPS,
				   .key_size = 4,
				   .value_size = 4,
				   .max_entries = 4,
				   .inner = &inner};
	struct ebpf_map *outer = make_def(&def), *longer = make(BPF_MAP_TYPE_ARRAY, 4, 8, 11);
	struct ebpf_map *wider = make(BPF_MAP_TYPE_ARRAY, 4, 16, 10);
	struct ebpf_map *hash = make(BPF_MAP_TYPE_HASH, 4, 8, 10);
	struct ebpf_map *any_length;
	uint32_t key = 0, out = 4;

	assert_int_equal(ebpf_map_put_map(outer, &key, longer, NULL, NULL), -EINVAL);
	assert_int_equal(ebpf_map_put_map(outer, &key, wider, NULL, NULL), -EINVAL);
	assert_int_equal(ebpf_map_put_map(outer, &key, hash, NULL, NULL), -EINVAL);
	assert_int_equal(ebpf_map_put_map(outer, &key, outer, NULL, NULL), -EINVAL);
	assert_null(outer->ops->lookup(outer, &key, 0));
	assert_null(outer->ops->lookup(outer, &out, 0));
	ebpf_map_unref(outer);

	inner.flags = BPF_F_INNER_MAP;
	outer = make_def(&def);
	inner.max_entries = 77;
	any_length = make_def(&inner);
	assert_int_equal(ebpf_map_put_map(outer, &key, any_length, NULL, NULL), 0);
	assert_int_equal(ebpf_map_put_map(outer, &out, any_length, NULL, NULL), -E2BIG);
	assert_int_equal(any_length->refs, 2);
	ebpf_map_unref(outer);
	ebpf_map_unref(any_length);
	ebpf_map_unref(longer);
	ebpf_map_unref(wider);
	ebpf_map_unref(hash);
}

static void outer_map_of_what_holds_references_is_refused(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_PROG_ARRAY, BPF_MAP_TYPE_ARRAY_OF_MAPS,
					 BPF_MAP_TYPE_HASH_OF_MAPS, BPF_MAP_TYPE_DEVMAP};
	struct ebpf_map_def inner = {.key_size = 4, .value_size = 4, .max_entries = 10};
	struct ebpf_map_def def = {.name = "outer",
				   .type = BPF_MAP_TYPE_ARRAY_OF_MAPS,
				   .key_size = 4,
				   .value_size = 4,
				   .max_entries = 4};
	struct ebpf_map *map;

	assert_int_equal(ebpf_map_create(&def, 1, &map, NULL), -EINVAL);
	def.inner = &inner;
	for (unsigned i = 0; i < 4; i++) {
		inner.type = types[i];
		assert_int_equal(ebpf_map_create(&def, 1, &map, NULL), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(program_array_holds_its_programs),
		cmocka_unit_test(wrong_kinds_take_nothing),
		cmocka_unit_test(array_and_program_that_hold_each_other_end_together),
		cmocka_unit_test(arrays_of_each_others_programs_end_together),
		cmocka_unit_test(array_that_is_reached_from_outside_stays),
		cmocka_unit_test(devmap_tells_ports_and_their_programs),
		cmocka_unit_test(devmap_refuses_what_the_kernel_does),
		cmocka_unit_test(port_that_is_gone_leaves_devmaps),
		cmocka_unit_test(outer_map_holds_its_inner_maps),
		cmocka_unit_test(inner_map_must_be_as_defined),
		cmocka_unit_test(outer_map_of_what_holds_references_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Map helpers of a map that is known where they are called, which nearly all are: most of a
 * program's time goes there.  An array's element is found in line, and most of a hash's
 * (jit_hash.c); of other maps their own function is called, without asking the map for it.  See
 * jit_priv.h.
 */
#include "filters/ebpf/jit_priv.h"

#include <stddef.h>

/* The map in R1, or NULL. */
static const struct ebpf_map *known_map(const struct jit *j)
{
	if (j->known.kinds[BPF_REG_1] != JIT_CONSTANT)
		return NULL;
	for (uint32_t i = 0; i < j->prog->n_maps; i++)
		if ((uintptr_t)j->prog->maps[i] == j->known.values[BPF_REG_1])
			return j->prog->maps[i];
	return NULL;
}

static void load_cpu(struct jit *j, unsigned reg)
{
	jit_load_env(j, reg);
	jit_rm(j, 0, 0x8b, reg, reg, offsetof(struct ebpf_env, cpu));
}

/* reg *= by */
static void scale(struct jit *j, unsigned reg, uint32_t by)
{
	if (by == 1)
		return;
	if ((by & (by - 1)) == 0) {
		jit_rr(j, X_W, 0xc1, 4, reg);
		JIT_BYTES(j, (uint8_t)__builtin_ctz(by));
		return;
	}
	jit_rr(j, X_W, 0x69, reg, reg);
	jit_imm32(j, by);
}

/* What programs do with what they found: look whether they did.  BPF_JEQ or BPF_JNE when that is
 * the next instruction, and nothing else leads there; 0: it is not. */
static uint8_t next_asks(const struct jit *j)
{
	const struct bpf_insn *next = &j->prog->insns[j->i + 1];
	uint8_t op = BPF_OP(next->code);

	if (j->i + 1 >= j->func_end || jit_is_target(j, j->i + 1) ||
	    jit_target(j, next, j->i + 1) == JIT_UNPLACED || BPF_CLASS(next->code) != BPF_JMP ||
	    BPF_SRC(next->code) != BPF_K || (op != BPF_JEQ && op != BPF_JNE) ||
	    next->dst_reg != BPF_REG_0 || next->imm != 0)
		return 0;
	return op;
}

/* A jump that is taken where there is no such element. */
struct beyond {
	bool leaves; /* to 'target' */
	uint32_t target;
	uint32_t skips[2], n_skips;
};

static void beyond_if(struct jit *j, struct beyond *b, unsigned reg, uint32_t limit)
{
	jit_group1(j, 0, 7, reg, (int32_t)limit);
	if (b->leaves)
		jit_jump_if(j, CC_AE, b->target);
	else
		b->skips[b->n_skips++] = jit_skip_if(j, CC_AE);
}

/* rax = the element's address; its index is in ecx. */
static void element(struct jit *j, const struct ebpf_map *map, struct beyond *b)
{
	bool per_cpu = map->type == BPF_MAP_TYPE_PERCPU_ARRAY;

	jit_rr(j, 0, 0x31, RAX, RAX);
	beyond_if(j, b, RCX, map->max_entries);
	if (per_cpu) {
		load_cpu(j, RDX);
		beyond_if(j, b, RDX, map->n_cpus);
		scale(j, RDX, (uint32_t)map->cpu_stride);
	}
	jit_mov_imm(j, RAX, (uintptr_t)map->values);
	if (map->max_entries != 1) { /* Else it is element 0. */
		scale(j, RCX, map->stride);
		jit_rr(j, X_W, 0x01, RCX, RAX);
	}
	if (per_cpu)
		jit_rr(j, X_W, 0x01, RDX, RAX);
}

/* R0 = NULL, or the element's address: its index is at R2.  A call may use up R1 to R5, and so may
 * we.  'ret_both': a jump that asks for R0 came with it. */
static bool array_lookup(struct jit *j, const struct ebpf_map *map, bool *ret_both)
{
	uint8_t asks = next_asks(j);
	struct beyond b = {.leaves = asks == BPF_JEQ};

	if (map->values == NULL || map->stride > INT32_MAX || map->max_entries > INT32_MAX ||
	    (map->type == BPF_MAP_TYPE_PERCPU_ARRAY && map->cpu_stride > INT32_MAX))
		return false;
	jit_rm(j, 0, 0x8b, RCX, RSI, 0);
	if (asks != 0) {
		j->i++; /* Jumps are its. */
		b.target = jit_target(j, &j->prog->insns[j->i], j->i);
		*ret_both = true;
	}
	element(j, map, &b);
	if (asks == BPF_JNE)
		jit_jump_always(j, jit_target(j, &j->prog->insns[j->i], j->i));
	for (uint32_t i = 0; i < b.n_skips; i++)
		jit_here(j, b.skips[i]);
	return true;
}

/* Those whose own functions are all that their helpers are. */
static bool is_direct(const struct ebpf_map *map)
{
	switch (map->type) {
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
		return true;
	default:
		return false;
	}
}

static bool call_lookup(struct jit *j, const struct ebpf_map *map)
{
	struct jit_slow slow;
	bool inlined;

	if (map->ops->lookup == NULL)
		return false;
	inlined = jit_hash_lookup(j, map, &slow);
	load_cpu(j, RDX);
	jit_call_c(j, (uintptr_t)map->ops->lookup);
	for (unsigned i = 0; inlined && i < 2; i++)
		jit_here(j, slow.ends[i]);
	return true;
}

static bool call_update(struct jit *j, const struct ebpf_map *map)
{
	if (map->ops->update == NULL)
		return false;
	load_cpu(j, R8);
	jit_call_c(j, (uintptr_t)map->ops->update);
	return true;
}

static bool call_delete(struct jit *j, const struct ebpf_map *map)
{
	if (map->ops->delete == NULL)
		return false;
	jit_call_c(j, (uintptr_t)map->ops->delete);
	return true;
}

static bool is_array(const struct ebpf_map *map)
{
	return map->type == BPF_MAP_TYPE_ARRAY || map->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

bool jit_map_call(struct jit *j, uint32_t helper, bool *ret_both)
{
	const struct ebpf_map *map = j->maps ? known_map(j) : NULL;

	if (map == NULL || !is_direct(map))
		return false;
	if (is_array(map) && helper == BPF_FUNC_map_lookup_elem)
		return array_lookup(j, map, ret_both) || call_lookup(j, map);
	if (!is_array(map))
		jit_key(j, map->key_size);
	switch (helper) {
	case BPF_FUNC_map_lookup_elem:
		return call_lookup(j, map);
	case BPF_FUNC_map_update_elem:
		return call_update(j, map);
	case BPF_FUNC_map_delete_elem:
		return call_delete(j, map);
	default:
		return false;
	}
}

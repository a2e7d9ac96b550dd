/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A lookup in a hash that is known where it is asked, in line: what map_hash_find.c does, with the
 * map's addresses, sizes and secrets as constants.  See jit_priv.h.
 *
 * The usual ends are here: the key's element in a slot of its bucket, or a bucket that has none
 * like it.  All else (a signature that two elements share, a chain, a bucket that is being changed)
 * asks the map's own function, which begins anew.
 *
 * 	rdi map   rsi key   rdx hash, signature   r8 bucket   r9d its version
 * 	rax element   rcx, r10, r11 scratch
 *
 * Loads are in the order of map_hash_find.c; this machine does not change the order of loads.
 */
#include "filters/ebpf/jit_priv.h"
#include "filters/ebpf/map_hash_priv.h"

#include <stddef.h>

#define HASH_FACTOR UINT64_C(0xd6e8feb86659fd93)
/* So that the way out is in reach of a short jump. */
#define MAX_INLINE_KEY 24u

static_assert(offsetof(struct hash_bucket, sigs) == 8 && offsetof(struct hash_bucket, slots) == 24,
	      "bytes below have these in them");

static void load4(struct jit *j, unsigned reg, unsigned base, uint32_t off)
{
	jit_rm(j, 0, 0x8b, reg, base, (int32_t)off);
}

/* reg >>= by, of 64 bits or 32 */
static void shift_right(struct jit *j, unsigned flags, unsigned reg, uint8_t by)
{
	jit_rr(j, flags, 0xc1, 5, reg);
	JIT_BYTES(j, by);
}

/* edx = the key's hash: hash_words(). */
static void hash_key(struct jit *j, const struct hash *h)
{
	uint32_t size = h->map.key_size;

	for (uint32_t i = 0; i * 8 < size; i++) {
		unsigned to = i == 0 ? RDX : RAX;

		load4(j, to, RSI, i * 8);
		jit_group1(j, 0, 0, to, (int32_t)h->secrets[i]);
		if (i * 8 + 4 < size) {
			load4(j, RCX, RSI, i * 8 + 4);
			jit_group1(j, 0, 0, RCX, (int32_t)(h->secrets[i] >> 32));
		} else {
			jit_mov_imm(j, RCX, h->secrets[i] >> 32);
		}
		jit_rr(j, X_W, 0x0faf, to, RCX);
		if (i != 0)
			jit_rr(j, X_W, 0x01, RAX, RDX);
	}
	jit_mov(j, X_W, RAX, RDX);
	shift_right(j, X_W, RAX, 32);
	jit_rr(j, X_W, 0x31, RAX, RDX);
	jit_mov_imm(j, RAX, HASH_FACTOR);
	jit_rr(j, X_W, 0x0faf, RDX, RAX);
	shift_right(j, X_W, RDX, 32);
}

/* r8 = the bucket, r9d its version, edx the signature. */
static void find_bucket(struct jit *j, const struct hash *h)
{
	jit_mov(j, 0, RAX, RDX);
	jit_group1(j, 0, 4, RAX, (int32_t)h->mask);
	jit_rr(j, X_W, 0xc1, 4, RAX);
	JIT_BYTES(j, 6);
	jit_mov_imm(j, R8, (uintptr_t)h->buckets);
	jit_rr(j, X_W, 0x01, RAX, R8);
	load4(j, R9, R8, offsetof(struct hash_bucket, version));
	shift_right(j, 0, RDX, 16);
	jit_group1(j, 0, 7, RDX, 1); /* 0 is none: carry */
	jit_rr(j, 0, 0x83, 2, RDX);
	JIT_BYTES(j, 0); /* adc edx, 0 */
}

/* eax = two bits for each slot with that signature. */
static void match_slots(struct jit *j)
{
	JIT_BYTES(j, 0x66, 0x0f, 0x6e, 0xc2);	       /* movd xmm0, edx */
	JIT_BYTES(j, 0x66, 0x0f, 0x61, 0xc0);	       /* punpcklwd xmm0, xmm0 */
	JIT_BYTES(j, 0x66, 0x0f, 0x70, 0xc0, 0);       /* pshufd xmm0, xmm0, 0 */
	JIT_BYTES(j, 0xf3, 0x41, 0x0f, 0x6f, 0x48, 8); /* movdqu xmm1, [r8 + 8] */
	JIT_BYTES(j, 0x66, 0x0f, 0x75, 0xc1);	       /* pcmpeqw xmm0, xmm1 */
	JIT_BYTES(j, 0x66, 0x0f, 0xd7, 0xc0);	       /* pmovmskb eax, xmm0 */
}

/* rax = the element of the first of them. */
static void load_element(struct jit *j, const struct hash *h, uint32_t *ret_empty)
{
	jit_rr(j, 0, 0x0fbc, RCX, RAX);		  /* bsf ecx, eax */
	JIT_BYTES(j, 0x41, 0x8b, 0x44, 0x48, 24); /* mov eax, [r8 + rcx * 2 + 24] */
	jit_rr(j, 0, 0x85, RAX, RAX);
	*ret_empty = jit_skip_if(j, CC_E);
	jit_rr(j, X_W, 0x69, RAX, RAX);
	jit_imm32(j, h->elem_size);
	jit_mov_imm(j, R10, (uintptr_t)h->elems);
	jit_rr(j, X_W, 0x01, R10, RAX);
}

/* r11d = 0: the element's key is that one. */
static void compare_key(struct jit *j, const struct hash *h)
{
	for (uint32_t at = 0; at < h->map.key_size; at += 4) {
		unsigned to = at == 0 ? R11 : RCX;

		load4(j, to, RSI, at);
		jit_rm(j, 0, 0x33, to, RAX, (int32_t)(offsetof(struct hash_elem, key) + at));
		if (at != 0)
			jit_rr(j, 0, 0x09, RCX, R11);
	}
}

/* Is the bucket's version what it was? */
static uint32_t skip_if_changed(struct jit *j)
{
	jit_rm(j, 0, 0x3b, R9, R8, offsetof(struct hash_bucket, version));
	return jit_skip_if(j, CC_NE);
}

static void use(struct jit *j, const struct hash *h)
{
	int32_t at = (int32_t)h->age_off + (int32_t)offsetof(struct hash_age, used);
	uint32_t used;

	jit_rm(j, 0, 0x83, 7, RAX, at);
	JIT_BYTES(j, 0); /* cmp dword [..], 0 */
	used = jit_skip_if(j, CC_NE);
	jit_rm(j, 0, 0xc7, 0, RAX, at);
	jit_imm32(j, 1);
	jit_here(j, used);
}

static bool is_inline(const struct ebpf_map *map)
{
	return (map->type == BPF_MAP_TYPE_HASH || map->type == BPF_MAP_TYPE_LRU_HASH) &&
	       map->key_size % 4 == 0 && map->key_size <= MAX_INLINE_KEY;
}

bool jit_hash_lookup(struct jit *j, const struct ebpf_map *map, struct jit_slow *ret_slow)
{
	const struct hash *h = (const struct hash *)(const void *)map;
	uint32_t none;

	if (!is_inline(map) || h->elem_size > INT32_MAX)
		return false;
	ret_slow->n = 0;
	hash_key(j, h);
	find_bucket(j, h);
	match_slots(j);
	jit_rr(j, 0, 0x85, RAX, RAX);
	none = jit_skip_if(j, CC_E);
	load_element(j, h, &ret_slow->skips[ret_slow->n++]);
	compare_key(j, h);
	jit_rr(j, 0, 0x85, R11, R11);
	ret_slow->skips[ret_slow->n++] = jit_skip_if(j, CC_NE);
	ret_slow->skips[ret_slow->n++] = skip_if_changed(j);
	if (h->lru)
		use(j, h);
	jit_group1(j, X_W, 0, RAX, (int32_t)h->value_off);
	ret_slow->ends[0] = jit_skip(j);
	jit_here(j, none);
	jit_rm(j, 0, 0x83, 7, R8, offsetof(struct hash_bucket, chain));
	JIT_BYTES(j, 0);
	ret_slow->skips[ret_slow->n++] = jit_skip_if(j, CC_NE);
	ret_slow->skips[ret_slow->n++] = skip_if_changed(j);
	ret_slow->ends[1] = jit_skip(j);
	for (uint32_t i = 0; i < ret_slow->n; i++)
		jit_here(j, ret_slow->skips[i]);
	return true;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes maps: operations of every type, on one thread, each compared with a model that is too
 * simple to be wrong.
 *
 * Input: type, size of a key, size of a value, number of elements (a byte each), then operations of
 * four bytes: which, key, value, flags.
 */
#include "filters/ebpf/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/map_model.h"

#define N_CPUS	2u
#define MAX_OPS 4096u

struct op {
	uint8_t which, key, value, flags;
};

struct input {
	const struct op *ops;
	size_t n;
	struct ebpf_map *map;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static const uint64_t all_flags[] = {BPF_ANY, BPF_NOEXIST, BPF_EXIST, 3, BPF_F_LOCK, UINT64_MAX};

static uint64_t flags_of(const struct op *op)
{
	return op->flags < 128 ? BPF_ANY : all_flags[op->flags % 6];
}

/* Tries get prefixes that share bits, the others few keys. */
static void key_of(const struct ebpf_map *map, const struct op *op, uint8_t *key)
{
	memset(key, 0, MAP_MODEL_KEY);
	if (map->type == BPF_MAP_TYPE_LPM_TRIE) {
		uint32_t bits = op->flags % ((map->key_size - 4) * 8 + 2);

		memset(key + 4, op->key & 0x80 ? 0xff : 0, map->key_size - 4);
		key[4 + op->key % (map->key_size - 4)] = op->key;
		memcpy(key, &bits, 4);
		return;
	}
	memset(key, 0x40, map->key_size);
	if (map->key_size == 4)
		memset(key, 0, 4);
	key[0] = op->key;
}

static void value_of(const struct op *op, uint8_t *value)
{
	for (uint32_t i = 0; i < MAP_MODEL_VALUE; i++)
		value[i] = (uint8_t)(op->value + i);
}

static void must_find(struct ebpf_map *map, struct map_model *m, const uint8_t *key)
{
	struct map_model_elem *e = map_model_lookup(m, key);
	uint8_t read[MAP_MODEL_VALUE * N_CPUS];
	void *value = map->ops->lookup(map, key, 0);

	must((value != NULL) == (e != NULL));
	must(ebpf_map_read(map, key, read) == (e != NULL ? 0 : -ENOENT));
	must(e == NULL || memcmp(value, e->value, map->value_size) == 0);
	must(e == NULL || memcmp(read, e->value, map->value_size) == 0);
}

static void must_walk(struct ebpf_map *map, struct map_model *m)
{
	uint8_t key[MAP_MODEL_KEY] = {0};
	const uint8_t *last = NULL;
	uint32_t n = 0;

	while (map->ops->next(map, last, key) == 0) {
		must(map_model_find(m, key) != NULL && n++ < m->n);
		last = key;
	}
	must(n == m->n && ebpf_map_count(map) == n);
}

static long delete_some(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	uint8_t copy[MAP_MODEL_KEY];
	uint32_t *n = arg;

	memcpy(copy, key, map->key_size);
	if (*n % 3 == 0)
		map->ops->delete (map, copy);
	return ++*n == 40;
}

/* Arrays, hashes and tries. */
static void run_keyed(struct input *in)
{
	struct ebpf_map *map = in->map;
	struct map_model m;

	map_model_init(&m, &map->def);
	for (size_t i = 0; i < in->n; i++) {
		const struct op *op = &in->ops[i];
		uint8_t key[MAP_MODEL_KEY], value[MAP_MODEL_VALUE];

		key_of(map, op, key);
		value_of(op, value);
		if (op->which % 4 == 0)
			must(map->ops->update(map, key, value, flags_of(op), 0) ==
			     map_model_update(&m, key, value, flags_of(op)));
		else if (op->which % 4 == 1)
			must(map->ops->delete (map, key) == map_model_delete(&m, key));
		else
			must_find(map, &m, key);
		if (op->which == 255)
			must_walk(map, &m);
	}
	must_walk(map, &m);
	ebpf_map_each(map, 0, delete_some, &(uint32_t){0});
	map_model_fini(&m);
}

/* Nothing but the limit may take an element away, and none has another's value. */
static void run_lru(struct input *in)
{
	struct ebpf_map *map = in->map;
	uint8_t last[256] = {0};
	bool deleted[256];

	memset(deleted, true, sizeof(deleted));
	for (size_t i = 0; i < in->n; i++) {
		const struct op *op = &in->ops[i];
		uint8_t key[MAP_MODEL_KEY], value[MAP_MODEL_VALUE], *found;

		key_of(map, op, key);
		value_of(op, value);
		found = map->ops->lookup(map, key, 0);
		must(found == NULL || (!deleted[op->key] && found[0] == last[op->key]));
		if (op->which % 4 == 0) {
			must(map->ops->update(map, key, value, BPF_ANY, 0) == 0);
			must(map->ops->lookup(map, key, 0) != NULL);
			last[op->key] = value[0];
			deleted[op->key] = false;
		} else if (op->which % 4 == 1) {
			must(map->ops->delete (map, key) == (found != NULL ? 0 : -ENOENT));
			deleted[op->key] = true;
		}
		must(ebpf_map_count(map) <= map->max_entries);
	}
}

static void run_queue(struct input *in)
{
	uint8_t values[256], value[MAP_MODEL_VALUE];
	struct ebpf_map *map = in->map;
	bool stack = map->type == BPF_MAP_TYPE_STACK;
	uint32_t n = 0;

	for (size_t i = 0; i < in->n; i++) {
		const struct op *op = &in->ops[i];
		uint32_t at = stack && n != 0 ? n - 1 : 0;
		bool full = n == map->max_entries, over = op->flags >= 200;

		value_of(op, value);
		if (op->which % 2 == 0) {
			long rc = map->ops->push(map, value, over ? BPF_EXIST : BPF_ANY);

			must(rc == (full && !over ? -E2BIG : 0));
			if (rc == 0 && full)
				memmove(values, values + 1, --n);
			if (rc == 0)
				values[n++] = value[0];
		} else if (op->which % 4 == 1) {
			must(map->ops->peek(map, value) == (n == 0 ? -ENOENT : 0));
			must(n == 0 || value[0] == values[at]);
		} else {
			must(map->ops->pop(map, value) == (n == 0 ? -ENOENT : 0));
			must(n == 0 || value[0] == values[at]);
			if (n != 0)
				memmove(values + at, values + at + 1, --n - at);
		}
		must(ebpf_map_count(map) == n);
	}
}

static void run_bloom(struct input *in)
{
	uint8_t value[MAP_MODEL_VALUE];
	bool there[256] = {0};

	for (size_t i = 0; i < in->n; i++) {
		const struct op *op = &in->ops[i];

		value_of(op, value);
		if (op->which % 2 == 0) {
			must(in->map->ops->push(in->map, value, BPF_ANY) == 0);
			there[op->value] = true;
		}
		must(in->map->ops->peek(in->map, value) == 0 || !there[op->value]);
	}
}

/* Records that are in a ring, oldest first. */
struct records {
	uint32_t sizes[MAX_OPS];
	uint8_t first[MAX_OPS];
	uint32_t in, out;
};

static struct records records;

static void take(void *arg, uint32_t cpu, const void *data, uint32_t size)
{
	struct records *r = arg;

	must(r->out < r->in && size == r->sizes[r->out]);
	must(size == 0 || *(const uint8_t *)data == r->first[r->out]);
	r->out++;
}

static long output(struct ebpf_map *map, const struct op *op, uint32_t size)
{
	static uint8_t bytes[65536];
	void *sample;

	bytes[0] = op->value;
	if (map->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return ebpf_perf_output(map, 0, bytes, 1 + size / 2, bytes, size - size / 2);
	if (op->flags < 128)
		return ebpf_ring_output(map, bytes, 1 + size);
	sample = ebpf_ring_reserve(map, 1 + size);
	if (sample == NULL)
		return -EAGAIN;
	memset(sample, op->value, 1 + size);
	ebpf_ring_submit(sample, op->flags >= 224);
	return op->flags >= 224 ? 1 : 0;
}

static void run_ring(struct input *in)
{
	uint64_t lost = 0;

	records.in = records.out = 0;
	for (size_t i = 0; i < in->n; i++) {
		const struct op *op = &in->ops[i];
		uint32_t size = (uint32_t)op->key << (op->which >> 5);
		long rc;

		if (op->which % 4 == 0) {
			ebpf_map_drain(in->map, op->key, take, &records);
			continue;
		}
		rc = output(in->map, op, size);
		if (rc == 0) {
			records.sizes[records.in] = size + 1;
			records.first[records.in++] = op->value;
		}
		lost += rc == -EAGAIN || rc == -ENOSPC;
		must(ebpf_map_lost(in->map) == lost);
	}
	while (ebpf_map_drain(in->map, 100, take, &records) != 0)
		continue;
	must(records.out == records.in);
}

static void run_dev(struct input *in)
{
	struct ebpf_dev devs[256];
	uint32_t model[256] = {0}, n;
	struct ebpf_prog *prog;

	for (size_t i = 0; i < in->n; i++) {
		const struct op *op = &in->ops[i];
		uint32_t key = op->key, value[2] = {op->value % 8, 0}, was = model[key];
		long rc;

		if (op->which % 4 == 0) {
			rc = ebpf_map_write(in->map, &key, value, BPF_ANY);
			model[key] = rc == 0 ? value[0] : was;
			must(rc == 0 || rc == -E2BIG || (rc == -EINVAL && value[0] == 0));
		} else if (op->which % 4 == 1) {
			rc = ebpf_map_remove(in->map, &key);
			must(rc == (was != 0 ? 0 : key >= in->map->max_entries ? rc : -ENOENT));
			model[key] = 0;
		} else if (op->which % 16 == 2) {
			ebpf_map_dev_gone(in->map, value[0]);
			for (unsigned k = 0; k < 256; k++)
				model[k] = model[k] == value[0] ? 0 : model[k];
		}
		must(ebpf_map_dev(in->map, key, &prog) == model[key] && prog == NULL);
	}
	n = ebpf_map_devs(in->map, devs, 256);
	must(ebpf_map_count(in->map) == n);
	for (unsigned k = 0; k < 256; k++)
		n -= model[k] != 0;
	must(n == 0);
}

static const struct ebpf_map_def inner_def = {.type = BPF_MAP_TYPE_HASH,
					      .key_size = 4,
					      .value_size = 4,
					      .max_entries = 1};

static void run_outer(struct input *in)
{
	struct ebpf_map *inner[4], *model[256] = {0};
	uint32_t refs[4] = {1, 1, 1, 1};

	for (unsigned i = 0; i < 4; i++)
		must(ebpf_map_create(&inner_def, 1, &inner[i], NULL) == 0);
	for (size_t i = 0; i < in->n; i++) {
		const struct op *op = &in->ops[i];
		struct ebpf_map *put = op->which % 2 == 0 ? inner[op->value % 4] : NULL;
		uint8_t key[MAP_MODEL_KEY];

		key_of(in->map, op, key);
		if (ebpf_map_put_map(in->map, key, put, NULL, NULL) == 0)
			model[op->key] = put;
		must(ebpf_map_inner(in->map, key) == model[op->key]);
	}
	for (unsigned k = 0; k < 256; k++) {
		for (unsigned i = 0; i < 4; i++)
			refs[i] += model[k] == inner[i];
	}
	for (unsigned i = 0; i < 4; i++)
		must(inner[i]->refs == refs[i]);
	ebpf_map_unref(in->map);
	in->map = NULL;
	for (unsigned i = 0; i < 4; i++) {
		must(inner[i]->refs == 1);
		ebpf_map_unref(inner[i]);
	}
}

static const struct {
	enum bpf_map_type type;
	void (*run)(struct input *in);
} types[] = {
	{BPF_MAP_TYPE_ARRAY, run_keyed},	 {BPF_MAP_TYPE_PERCPU_ARRAY, run_keyed},
	{BPF_MAP_TYPE_HASH, run_keyed},		 {BPF_MAP_TYPE_PERCPU_HASH, run_keyed},
	{BPF_MAP_TYPE_LRU_HASH, run_lru},	 {BPF_MAP_TYPE_LRU_PERCPU_HASH, run_lru},
	{BPF_MAP_TYPE_LPM_TRIE, run_keyed},	 {BPF_MAP_TYPE_QUEUE, run_queue},
	{BPF_MAP_TYPE_STACK, run_queue},	 {BPF_MAP_TYPE_BLOOM_FILTER, run_bloom},
	{BPF_MAP_TYPE_RINGBUF, run_ring},	 {BPF_MAP_TYPE_PERF_EVENT_ARRAY, run_ring},
	{BPF_MAP_TYPE_DEVMAP, run_dev},		 {BPF_MAP_TYPE_DEVMAP_HASH, run_dev},
	{BPF_MAP_TYPE_ARRAY_OF_MAPS, run_outer}, {BPF_MAP_TYPE_HASH_OF_MAPS, run_outer},
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

/* A definition of the type that is right, of these sizes where it may have them. */
static struct ebpf_map_def def_of(enum bpf_map_type type, const uint8_t *head)
{
	struct ebpf_map_def def = {.type = type,
				   .key_size = 1 + head[1] % 64,
				   .value_size = 1 + head[2] % MAP_MODEL_VALUE,
				   .max_entries = 1 + head[3] % 128,
				   .inner = &inner_def};

	switch ((int)type) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		break;
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		def.value_size = 4;
		break;
	case BPF_MAP_TYPE_LPM_TRIE:
		def.key_size += 4;
		def.flags = BPF_F_NO_PREALLOC;
		break;
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		def.key_size = 4;
		break;
	case BPF_MAP_TYPE_QUEUE:
	case BPF_MAP_TYPE_STACK:
	case BPF_MAP_TYPE_BLOOM_FILTER:
		def.key_size = 0;
		break;
	case BPF_MAP_TYPE_RINGBUF:
		def.key_size = def.value_size = 0;
		def.max_entries = 4096u << head[3] % 3;
		break;
	case BPF_MAP_TYPE_DEVMAP:
	case BPF_MAP_TYPE_DEVMAP_HASH:
		def.key_size = 4;
		def.value_size = 4 + head[2] % 2 * 4;
		break;
	default:
		def.key_size = def.value_size = 4;
	}
	return def;
}

/* Whatever a definition says, it is made or refused. */
static void create_any(const uint8_t *head)
{
	struct ebpf_map_def def = {.type = head[0] % 40,
				   .key_size = head[1],
				   .value_size = head[2],
				   .max_entries = head[3],
				   .flags = (uint32_t)head[1] << head[2] % 24,
				   .extra = head[2],
				   .spin_lock_off = head[3] % 32};
	struct ebpf_map *map = NULL;
	struct err err;

	if (ebpf_map_create(&def, 1, &map, &err) == 0)
		ebpf_map_unref(map);
	else
		must(err.what[0] != '\0' && map == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ebpf_map_def def;
	struct input in = {0};
	unsigned i;

	if (size < 4)
		return 0;
	create_any(data);
	i = data[0] % N_TYPES;
	def = def_of(types[i].type, data);
	must(ebpf_map_create(&def, N_CPUS, &in.map, NULL) == 0);
	in.ops = (const struct op *)(const void *)(data + 4);
	in.n = (size - 4) / sizeof(struct op);
	if (in.n > MAX_OPS)
		in.n = MAX_OPS;
	types[i].run(&in);
	ebpf_map_unref(in.map);
	return 0;
}

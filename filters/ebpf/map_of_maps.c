/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ARRAY_OF_MAPS and HASH_OF_MAPS: references to maps, which the control thread puts in and programs
 * look up.  The hash is one of our own with pointers as its values.
 *
 * An inner map is as the definition's inner one says, but that hashes may have more or fewer
 * elements, and arrays may when it has BPF_F_INNER_MAP.
 */
#include "filters/ebpf/map_hash_priv.h"

struct outer {
	struct ebpf_map map;
	_Atomic(struct ebpf_map *) *slots;
	struct ebpf_map *table; /* HASH_OF_MAPS; else NULL */
	uint32_t n;		/* slots in use */
};

static struct outer *outer(const struct ebpf_map *map)
{
	return (struct outer *)(uintptr_t)map;
}

static void *array_lookup(struct ebpf_map *map, const void *key, uint32_t cpu)
{
	uint32_t i = map_key32(key);

	if (i >= map->max_entries)
		return NULL;
	return atomic_load_explicit(&outer(map)->slots[i], memory_order_acquire);
}

static void *hash_lookup(struct ebpf_map *map, const void *key, uint32_t cpu)
{
	struct ebpf_map *inner = NULL;

	return hash_read(outer(map)->table, key, &inner) == 0 ? inner : NULL;
}

static bool may_be_inner(const struct ebpf_map *map, const struct ebpf_map_def *as)
{
	struct ebpf_map_def def = map->def, like = *as;
	const uint32_t flags = BPF_F_INNER_MAP | BPF_F_NUMA_NODE;

	if (as->type != BPF_MAP_TYPE_ARRAY || (as->flags & BPF_F_INNER_MAP) != 0)
		like.max_entries = def.max_entries;
	if (((def.flags ^ like.flags) & BPF_F_INNER_MAP) != 0)
		return false;
	def.flags &= ~flags;
	like.flags &= ~flags;
	return ebpf_map_same(&def, &like);
}

static int put_map(struct ebpf_map *map, const void *key, struct ebpf_map *inner,
		   struct ebpf_map **ret_old)
{
	struct outer *o = outer(map);
	struct ebpf_map *old;
	int rc = 0;

	if (inner != NULL && !may_be_inner(inner, map->def.inner))
		return -EINVAL;
	if (o->table == NULL && map_key32(key) >= map->max_entries)
		return -E2BIG;
	old = map->ops->lookup(map, key, 0);
	if (old == NULL && inner == NULL)
		return -ENOENT;
	if (o->table == NULL) {
		atomic_store_explicit(&o->slots[map_key32(key)], inner, memory_order_release);
		o->n += (inner != NULL) - (old != NULL);
	} else if (inner != NULL) {
		rc = (int)hash_write(o->table, key, &inner, BPF_ANY);
	} else {
		rc = (int)hash_delete(o->table, key);
	}
	if (rc == 0)
		*ret_old = old;
	return rc;
}

static struct ebpf_map *inner(const struct ebpf_map *map, const void *key)
{
	return map->ops->lookup((struct ebpf_map *)(uintptr_t)map, key, 0);
}

static int next(struct ebpf_map *map, const void *key, void *ret_key)
{
	struct outer *o = outer(map);

	return o->table != NULL ? hash_next(o->table, key, ret_key)
				: map_index_next(map, key, ret_key);
}

static int64_t count(const struct ebpf_map *map)
{
	return outer(map)->table != NULL ? hash_count(outer(map)->table) : outer(map)->n;
}

static long unref_inner(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	ebpf_map_unref(*(struct ebpf_map **)value);
	return 0;
}

static void destroy(struct ebpf_map *map)
{
	struct outer *o = outer(map);

	if (o->table != NULL) {
		hash_each(o->table, 0, unref_inner, NULL);
		ebpf_map_unref(o->table);
	}
	for (uint32_t i = 0; o->table == NULL && i < map->max_entries && o->n != 0; i++) {
		struct ebpf_map *m = atomic_load_explicit(&o->slots[i], memory_order_relaxed);

		o->n -= m != NULL;
		ebpf_map_unref(m);
	}
	map_free(map);
}

static const struct map_kind array_kind = {
	.ops = {.lookup = array_lookup, .next = next, .destroy = destroy},
	.count = count,
	.put_map = put_map,
	.inner = inner,
};

static const struct map_kind hash_kind_of_maps = {
	.ops = {.lookup = hash_lookup, .next = next, .destroy = destroy},
	.count = count,
	.put_map = put_map,
	.inner = inner,
};

/* What may not lie in another: what holds references itself. */
static bool inner_ok(const struct ebpf_map_def *def)
{
	return def != NULL && def->type != BPF_MAP_TYPE_PROG_ARRAY &&
	       def->type != BPF_MAP_TYPE_ARRAY_OF_MAPS && def->type != BPF_MAP_TYPE_HASH_OF_MAPS &&
	       def->type != BPF_MAP_TYPE_DEVMAP && def->type != BPF_MAP_TYPE_DEVMAP_HASH;
}

static int table_create(const struct ebpf_map_def *def, struct ebpf_map **ret_table)
{
	struct ebpf_map_def as = {.type = BPF_MAP_TYPE_HASH,
				  .key_size = def->key_size,
				  .value_size = sizeof(struct ebpf_map *),
				  .max_entries = def->max_entries};

	return map_hash_create(&as, 1, ret_table);
}

int map_of_maps_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	bool hash = def->type == BPF_MAP_TYPE_HASH_OF_MAPS;
	struct ebpf_map *map, *table = NULL;
	struct map_room room = {0};
	size_t slots;
	int rc = 0;

	if (!inner_ok(def->inner))
		return -EINVAL;
	if (hash)
		rc = table_create(def, &table);
	if (rc != 0)
		return rc;
	map_room_add(&room, 1, sizeof(struct outer));
	slots = map_room_add(&room, hash ? 0 : def->max_entries, sizeof(*outer(map)->slots));
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0) {
		ebpf_map_unref(table);
		return rc;
	}
	map->ops = hash ? &hash_kind_of_maps.ops : &array_kind.ops;
	map->memory += hash ? table->memory : 0;
	outer(map)->table = table;
	outer(map)->slots = (void *)((uint8_t *)map + slots);
	*ret_map = map;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DEVMAP and DEVMAP_HASH: ports by index or by any 32-bit key, each with the program that runs on a
 * packet's way out, if any.  The control thread writes, workers read: always a port and the program
 * that belongs to it.
 *
 * An entry of a DEVMAP has two copies of itself, of which its version names the one that holds.  A
 * DEVMAP_HASH is a hash of our own with such copies as its values.
 *
 * A program that goes with its port, without anybody waiting for workers, is kept until somebody
 * does, or the map ends.
 */
#include "filters/ebpf/map_hash_priv.h"

#include "filters/ebpf/prog.h"

#include <stdlib.h>

/* Its first 8 bytes are what programs see (struct bpf_devmap_val). */
struct dev {
	uint32_t ifindex, prog_id;
	struct ebpf_prog *prog;
};

struct dev_entry {
	_Atomic uint32_t version; /* its lowest bit names the copy */
	struct dev copies[2];
};

struct dev_map {
	struct ebpf_map map;
	struct dev_entry *entries; /* DEVMAP */
	struct ebpf_map *table;	   /* DEVMAP_HASH */
	uint32_t n;		   /* ports in it */
	struct ebpf_prog **kept;   /* 'kept_room' is enough for all programs of the map */
	uint32_t n_kept, n_progs, kept_room;
};

static struct dev_map *dev_map(const struct ebpf_map *map)
{
	return (struct dev_map *)(uintptr_t)map;
}

static bool entry_get(const struct dev_entry *e, struct dev *ret_dev)
{
	uint32_t version, again = atomic_load_explicit(&e->version, memory_order_acquire);

	do {
		version = again;
		map_get(ret_dev, &e->copies[version & 1], sizeof(*ret_dev));
		again = atomic_load_explicit(&e->version, memory_order_relaxed);
	} while (again != version);
	return ret_dev->ifindex != 0;
}

static void entry_set(struct dev_entry *e, const struct dev *dev)
{
	uint32_t version = atomic_load_explicit(&e->version, memory_order_relaxed) + 1;

	map_put(&e->copies[version & 1], dev, sizeof(*dev));
	atomic_store_explicit(&e->version, version, memory_order_release);
}

/* The port at 'key', and with it its program. */
static bool dev_get(const struct ebpf_map *map, uint32_t key, struct dev *ret_dev)
{
	const struct dev_map *d = dev_map(map);

	if (d->table != NULL)
		return hash_read(d->table, &key, ret_dev) == 0;
	return key < map->max_entries && entry_get(&d->entries[key], ret_dev);
}

uint32_t ebpf_map_dev(const struct ebpf_map *map, uint64_t key, struct ebpf_prog **ret_prog)
{
	struct dev dev = {0};

	if (key > UINT32_MAX || !dev_get(map, (uint32_t)key, &dev))
		dev = (struct dev){0};
	*ret_prog = dev.prog;
	return dev.ifindex;
}

static void *lookup(struct ebpf_map *map, const void *key, uint32_t cpu)
{
	struct dev_map *d = dev_map(map);
	uint32_t i = map_key32(key);
	struct dev_entry *e;
	struct dev *dev;

	if (d->table != NULL)
		return d->table->ops->lookup(d->table, key, 0);
	if (i >= map->max_entries)
		return NULL;
	e = &d->entries[i];
	dev = &e->copies[atomic_load_explicit(&e->version, memory_order_acquire) & 1];
	return __atomic_load_n(&dev->ifindex, __ATOMIC_RELAXED) != 0 ? dev : NULL;
}

/* Puts the port in, or with NULL takes it out; the old one's program is *ret_prog. */
static long dev_set(struct ebpf_map *map, uint32_t key, const struct dev *dev, uint64_t flags,
		    struct ebpf_prog **ret_prog)
{
	struct dev_map *d = dev_map(map);
	struct dev old = {0};
	bool was = dev_get(map, key, &old);
	long rc = 0;

	if (d->table == NULL && key >= map->max_entries)
		return -E2BIG;
	if (dev == NULL && !was)
		return -ENOENT;
	if (d->table == NULL)
		entry_set(&d->entries[key], dev != NULL ? dev : &(struct dev){0});
	else if (dev != NULL)
		rc = hash_write(d->table, &key, dev, flags);
	else
		rc = hash_delete(d->table, &key);
	if (rc != 0)
		return rc;
	d->n += (dev != NULL) - was;
	d->n_progs += (dev != NULL && dev->prog != NULL) - (was && old.prog != NULL);
	*ret_prog = was ? old.prog : NULL;
	return 0;
}

static void keep(struct dev_map *d, struct ebpf_prog *prog)
{
	if (prog != NULL)
		d->kept[d->n_kept++] = prog;
}

static long dev_write(struct ebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	struct ebpf_prog *old = NULL;
	struct dev dev = {0};
	int32_t fd = 0;
	long rc;

	memcpy(&dev.ifindex, value, 4);
	if (map->value_size == 8)
		memcpy(&fd, (const uint8_t *)value + 4, 4);
	if (flags > BPF_EXIST || fd > 0) /* Programs come by reference: put_prog(). */
		return -EINVAL;
	if (dev_map(map)->table == NULL) {
		if (map_key32(key) >= map->max_entries)
			return -E2BIG;
		if (flags == BPF_NOEXIST)
			return -EEXIST;
	} else if (dev.ifindex == 0) {
		return -EINVAL;
	}
	/* BPF_EXIST asks for nothing here, in the kernel neither. */
	rc = dev_set(map, map_key32(key), dev.ifindex != 0 ? &dev : NULL, flags & BPF_NOEXIST,
		     &old);
	if (rc == -ENOENT && dev.ifindex == 0)
		rc = 0;
	keep(dev_map(map), old);
	return rc;
}

static long dev_remove(struct ebpf_map *map, const void *key)
{
	struct ebpf_prog *old = NULL;
	long rc = dev_set(map, map_key32(key), NULL, 0, &old);

	keep(dev_map(map), old);
	return rc;
}

static int dev_read(struct ebpf_map *map, const void *key, void *ret_value)
{
	struct dev dev = {0};

	if (!dev_get(map, map_key32(key), &dev))
		return -ENOENT;
	memcpy(ret_value, &dev, map->value_size);
	return 0;
}

static bool keep_room(struct dev_map *d)
{
	uint32_t want = d->n_kept + d->n_progs + 1;
	struct ebpf_prog **larger;

	if (want <= d->kept_room)
		return true;
	larger = realloc(d->kept, want * 2 * sizeof(*larger));
	if (larger == NULL)
		return false;
	d->kept = larger;
	d->kept_room = want * 2;
	return true;
}

static int put_prog(struct ebpf_map *map, const void *key, struct ebpf_prog *prog,
		    struct ebpf_prog **ret_old)
{
	struct dev_map *d = dev_map(map);
	struct dev dev = {0};
	long rc;

	if (map->value_size != 8)
		return -EINVAL;
	if (!dev_get(map, map_key32(key), &dev))
		return -ENOENT;
	if (!keep_room(d))
		return -ENOMEM;
	dev.prog = prog;
	rc = dev_set(map, map_key32(key), &dev, BPF_EXIST, ret_old);
	if (rc == 0 && *ret_old == NULL && d->n_kept != 0)
		*ret_old = d->kept[--d->n_kept]; /* Somebody waits now: that one may go. */
	return (int)rc;
}

static int next(struct ebpf_map *map, const void *key, void *ret_key)
{
	struct dev_map *d = dev_map(map);

	return d->table != NULL ? hash_next(d->table, key, ret_key)
				: map_index_next(map, key, ret_key);
}

static int64_t count(const struct ebpf_map *map)
{
	return dev_map(map)->n;
}

/* Calls 'fn' as ebpf_map_each() does, with each port's key and struct dev. */
static void each_dev(const struct ebpf_map *map, ebpf_each_fn fn, void *arg)
{
	struct dev_map *d = dev_map(map);
	struct dev dev;

	if (d->table != NULL) {
		hash_each(d->table, 0, fn, arg);
		return;
	}
	for (uint32_t i = 0; i < map->max_entries; i++) {
		if (entry_get(&d->entries[i], &dev) && fn(arg, &d->map, &i, &dev) != 0)
			return;
	}
}

struct listing {
	const struct ebpf_map *map;
	struct ebpf_dev *devs;
	uint32_t n, max;
};

static long list_dev(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	struct listing *l = arg;
	struct dev dev = {0};

	/* Not what 'value' has: a hash's element may be another key's by now. */
	if (l->n < l->max && dev_get(l->map, map_key32(key), &dev))
		l->devs[l->n++] = (struct ebpf_dev){dev.ifindex, dev.prog};
	return l->n == l->max;
}

uint32_t ebpf_map_devs(const struct ebpf_map *map, struct ebpf_dev *ret, uint32_t max)
{
	struct listing l = {.map = map, .devs = ret, .max = max};

	if (max != 0)
		each_dev(map, list_dev, &l);
	return l.n;
}

struct going {
	struct ebpf_map *map;
	uint32_t ifindex;
};

static long remove_dev(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	const struct going *g = arg;
	uint32_t k = map_key32(key);

	if (((const struct dev *)value)->ifindex == g->ifindex)
		dev_remove(g->map, &k);
	return 0;
}

void ebpf_map_dev_gone(struct ebpf_map *map, uint32_t ifindex)
{
	struct going g = {map, ifindex};

	if (map->type == BPF_MAP_TYPE_DEVMAP || map->type == BPF_MAP_TYPE_DEVMAP_HASH)
		each_dev(map, remove_dev, &g);
}

struct prog_call {
	map_prog_fn fn;
	void *arg;
};

static long call_prog(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	const struct prog_call *call = arg;

	if (((const struct dev *)value)->prog != NULL)
		call->fn(call->arg, ((const struct dev *)value)->prog);
	return 0;
}

static void progs(const struct ebpf_map *map, map_prog_fn fn, void *arg)
{
	struct prog_call call = {fn, arg};

	if (dev_map(map)->n_progs != 0)
		each_dev(map, call_prog, &call);
	for (uint32_t i = 0; i < dev_map(map)->n_kept; i++)
		fn(arg, dev_map(map)->kept[i]);
}

static long clear_prog(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	struct dev dev;

	memcpy(&dev, value, sizeof(dev));
	if (dev.prog != NULL) {
		struct ebpf_map *of = arg;
		struct ebpf_prog *old = NULL;
		uint32_t k = map_key32(key);

		dev.prog = NULL;
		if (dev_set(of, k, &dev, BPF_EXIST, &old) == 0)
			keep(dev_map(of), old);
	}
	return 0;
}

static void clear_progs(struct ebpf_map *map)
{
	struct dev_map *d = dev_map(map);

	if (d->n_progs != 0)
		each_dev(map, clear_prog, map);
	while (d->n_kept != 0)
		ebpf_prog_unref(d->kept[--d->n_kept]);
}

static void destroy(struct ebpf_map *map)
{
	clear_progs(map);
	ebpf_map_unref(dev_map(map)->table);
	free(dev_map(map)->kept);
	map_free(map);
}

static const struct map_kind kind = {
	.ops = {.lookup = lookup, .next = next, .destroy = destroy},
	.read = dev_read,
	.write = dev_write,
	.remove = dev_remove,
	.count = count,
	.put_prog = put_prog,
	.progs = progs,
	.clear_progs = clear_progs,
};

static int table_create(const struct ebpf_map_def *def, struct ebpf_map **ret_table)
{
	struct ebpf_map_def as = {.type = BPF_MAP_TYPE_HASH,
				  .key_size = 4,
				  .value_size = sizeof(struct dev),
				  .max_entries = def->max_entries};

	return map_hash_create(&as, 1, ret_table);
}

int map_dev_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	bool hash = def->type == BPF_MAP_TYPE_DEVMAP_HASH;
	struct ebpf_map *map, *table = NULL;
	struct map_room room = {0};
	size_t entries;
	int rc = 0;

	if (def->value_size != 4 && def->value_size != 8)
		return -EINVAL;
	if (hash)
		rc = table_create(def, &table);
	if (rc != 0)
		return rc;
	map_room_add(&room, 1, sizeof(struct dev_map));
	entries = map_room_add(&room, hash ? 0 : def->max_entries, sizeof(struct dev_entry));
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0) {
		ebpf_map_unref(table);
		return rc;
	}
	map->ops = &kind.ops;
	map->memory += hash ? table->memory : 0;
	dev_map(map)->table = table;
	dev_map(map)->entries = (void *)((uint8_t *)map + entries);
	*ret_map = map;
	return 0;
}

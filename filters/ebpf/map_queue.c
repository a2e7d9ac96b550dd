/* SPDX-License-Identifier: BSD-2-Clause
 *
 * QUEUE and STACK: values without keys, first in first out or last in first out, in a ring behind
 * one lock.
 */
#include "filters/ebpf/map_priv.h"

struct queue {
	struct ebpf_map map;
	_Atomic uint32_t lock;
	_Atomic uint32_t n;
	uint32_t first; /* the oldest */
};

static struct queue *queue(const struct ebpf_map *map)
{
	return (struct queue *)(uintptr_t)map;
}

static uint32_t n_values(const struct queue *q)
{
	return atomic_load_explicit(&q->n, memory_order_relaxed);
}

/* The i-th oldest. */
static void *value_at(struct queue *q, uint32_t i)
{
	uint64_t at = ((uint64_t)q->first + i) % q->map.max_entries;

	return q->map.values + at * q->map.stride;
}

static void drop_oldest(struct queue *q)
{
	q->first = (uint32_t)(((uint64_t)q->first + 1) % q->map.max_entries);
}

/* With BPF_EXIST the oldest makes room. */
static long push(struct ebpf_map *map, const void *value, uint64_t flags)
{
	struct queue *q = queue(map);
	uint32_t n;

	if ((flags & BPF_NOEXIST) != 0 || flags > BPF_EXIST)
		return -EINVAL;
	map_lock(&q->lock);
	n = n_values(q);
	if (n == map->max_entries && flags != BPF_EXIST) {
		map_unlock(&q->lock);
		return -E2BIG;
	}
	if (n == map->max_entries) {
		drop_oldest(q);
		n--;
	}
	map_put(value_at(q, n), value, map->value_size);
	atomic_store_explicit(&q->n, n + 1, memory_order_relaxed);
	map_unlock(&q->lock);
	return 0;
}

static long take(struct ebpf_map *map, void *value, bool out)
{
	struct queue *q = queue(map);
	bool stack = map->type == BPF_MAP_TYPE_STACK;
	uint32_t n;

	map_lock(&q->lock);
	n = n_values(q);
	if (n == 0) {
		map_unlock(&q->lock);
		memset(value, 0, map->value_size); /* As the kernel: it may be a register's home. */
		return -ENOENT;
	}
	map_get(value, value_at(q, stack ? n - 1 : 0), map->value_size);
	if (out && !stack)
		drop_oldest(q);
	if (out)
		atomic_store_explicit(&q->n, n - 1, memory_order_relaxed);
	map_unlock(&q->lock);
	return 0;
}

static long pop(struct ebpf_map *map, void *value)
{
	return take(map, value, true);
}

static long peek(struct ebpf_map *map, void *value)
{
	return take(map, value, false);
}

/* At a place: 0 is what pop would give. */
static int queue_read(struct ebpf_map *map, const void *key, void *ret_value)
{
	struct queue *q = queue(map);
	uint32_t place, n;

	if (key == NULL)
		return (int)peek(map, ret_value);
	place = map_key32(key);
	map_lock(&q->lock);
	n = n_values(q);
	if (place < n)
		map_get(ret_value,
			value_at(q, map->type == BPF_MAP_TYPE_STACK ? n - 1 - place : place),
			map->value_size);
	map_unlock(&q->lock);
	return place < n ? 0 : -ENOENT;
}

static long queue_write(struct ebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	return push(map, value, flags);
}

static int64_t count(const struct ebpf_map *map)
{
	return n_values(queue(map));
}

static const struct map_kind kind = {
	.ops = {.push = push, .pop = pop, .peek = peek, .destroy = map_free},
	.read = queue_read,
	.write = queue_write,
	.count = count,
};

int map_queue_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	struct map_room room = {0};
	uint32_t stride = map_round8(def->value_size);
	struct ebpf_map *map;
	size_t values;
	int rc;

	map_room_add(&room, 1, sizeof(struct queue));
	values = map_room_add(&room, def->max_entries, stride);
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0)
		return rc;
	map->ops = &kind.ops;
	map->stride = stride;
	map->values = (uint8_t *)map + values;
	*ret_map = map;
	return 0;
}

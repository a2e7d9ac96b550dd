/* SPDX-License-Identifier: BSD-2-Clause
 *
 * PROG_ARRAY: where tail calls go.  A table of pointers that workers read and the control thread
 * writes, each a reference.
 */
#include "filters/ebpf/map_priv.h"

#include "filters/ebpf/prog.h"

struct prog_map {
	struct ebpf_map map;
	_Atomic(struct ebpf_prog *) *slots; /* map.values, too */
	uint32_t n;			    /* of them in use */
};

static struct prog_map *prog_map(const struct ebpf_map *map)
{
	return (struct prog_map *)(uintptr_t)map;
}

struct ebpf_prog *ebpf_map_prog(const struct ebpf_map *map, uint32_t index)
{
	if (index >= map->max_entries)
		return NULL;
	return atomic_load_explicit(&prog_map(map)->slots[index], memory_order_acquire);
}

static int put_prog(struct ebpf_map *map, const void *key, struct ebpf_prog *prog,
		    struct ebpf_prog **ret_old)
{
	struct prog_map *p = prog_map(map);
	uint32_t i = map_key32(key);
	struct ebpf_prog *old;

	if (i >= map->max_entries)
		return -E2BIG;
	old = ebpf_map_prog(map, i);
	if (old == NULL && prog == NULL)
		return -ENOENT;
	atomic_store_explicit(&p->slots[i], prog, memory_order_release);
	p->n += (prog != NULL) - (old != NULL);
	*ret_old = old;
	return 0;
}

static void progs(const struct ebpf_map *map, map_prog_fn fn, void *arg)
{
	for (uint32_t i = 0, n = prog_map(map)->n; i < map->max_entries && n != 0; i++) {
		struct ebpf_prog *prog = ebpf_map_prog(map, i);

		if (prog != NULL) {
			n--;
			fn(arg, prog);
		}
	}
}

static void clear_progs(struct ebpf_map *map)
{
	struct prog_map *p = prog_map(map);

	for (uint32_t i = 0; i < map->max_entries && p->n != 0; i++) {
		struct ebpf_prog *prog = ebpf_map_prog(map, i);

		if (prog != NULL) {
			atomic_store_explicit(&p->slots[i], NULL, memory_order_release);
			p->n--;
			ebpf_prog_unref(prog);
		}
	}
}

static int64_t count(const struct ebpf_map *map)
{
	return prog_map(map)->n;
}

static void destroy(struct ebpf_map *map)
{
	clear_progs(map);
	map_free(map);
}

static const struct map_kind kind = {
	.ops = {.next = map_index_next, .destroy = destroy},
	.count = count,
	.put_prog = put_prog,
	.progs = progs,
	.clear_progs = clear_progs,
};

int map_prog_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	struct map_room room = {0};
	struct prog_map *p;
	size_t slots;
	int rc;

	map_room_add(&room, 1, sizeof(struct prog_map));
	slots = map_room_add(&room, def->max_entries, sizeof(*p->slots));
	rc = map_alloc(def, n_cpus, &room, ret_map);
	if (rc != 0)
		return rc;
	p = prog_map(*ret_map);
	p->map.ops = &kind.ops;
	p->map.stride = sizeof(*p->slots);
	p->map.values = (uint8_t *)p + slots;
	p->slots = (void *)p->map.values;
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * XSKMAP and CPUMAP: maps of what only a kernel has, AF_XDP sockets and processors to hand frames
 * to.  Here nothing can be put in.  So they are to a program what they are in a kernel before
 * anybody has: look-ups find nothing, and a redirect takes the verdict that it names for that case
 * (bpf_redirect_map(), flags).
 */
#include "filters/ebpf/map_priv.h"

static void *lookup(struct ebpf_map *map, const void *key, uint32_t cpu)
{
	return NULL;
}

static long update(struct ebpf_map *map, const void *key, const void *value, uint64_t flags,
		   uint32_t cpu)
{
	return -ENOTSUP;
}

static int next(struct ebpf_map *map, const void *key, void *ret_key)
{
	return -ENOENT;
}

static int64_t count(const struct ebpf_map *map)
{
	return 0;
}

static const struct map_kind kind = {
	.ops = {.lookup = lookup, .update = update, .next = next, .destroy = map_free},
	.count = count,
};

int map_empty_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	struct map_room room = {0};
	int rc;

	map_room_add(&room, 1, sizeof(struct ebpf_map));
	rc = map_alloc(def, n_cpus, &room, ret_map);
	if (rc == 0)
		(*ret_map)->ops = &kind.ops;
	return rc;
}

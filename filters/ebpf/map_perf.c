/* SPDX-License-Identifier: BSD-2-Clause
 *
 * PERF_EVENT_ARRAY: a ring of records for each CPU, written by its worker, read by the control
 * thread.  Made with the map, so there are no perf events to open and to put in.
 *
 * A record is 8 bytes of header and its bytes, to a multiple of 8, in one piece: what does not fit
 * before the ring's end begins at its begin, behind a header that says so.
 */
#include "filters/ebpf/map_priv.h"

#define RING_SIZE (64u << 10)
#define HEADER	  8u
#define SKIP	  UINT32_MAX
/* Half of the ring: so there is always a place for one, once the ring is empty. */
#define RECORD_MAX (RING_SIZE / 2)

struct perf_ring {
	_Atomic uint64_t in; /* the worker's line */
	_Atomic uint64_t lost;
	_Atomic uint64_t out __attribute__((aligned(64)));
} __attribute__((aligned(64)));

struct perf {
	struct ebpf_map map;
	uint32_t turn; /* whose ring is drained first */
	struct perf_ring *rings;
	uint8_t *data; /* RING_SIZE for each */
};

static struct perf *perf(const struct ebpf_map *map)
{
	return (struct perf *)(uintptr_t)map;
}

static uint8_t *at(const struct perf *p, uint32_t cpu, uint64_t pos)
{
	return p->data + (size_t)cpu * RING_SIZE + pos % RING_SIZE;
}

static void write_header(uint8_t *header, uint32_t size)
{
	memcpy(header, &size, sizeof(size));
}

/* Where a record of 'room' bytes goes, behind a skipped end if need be; NULL: nowhere. */
static uint8_t *make_room(struct perf *p, uint32_t cpu, uint64_t *in, uint64_t room)
{
	const struct perf_ring *r = &p->rings[cpu];
	uint64_t end = RING_SIZE - *in % RING_SIZE, skip = room > end ? end : 0;
	uint64_t out = atomic_load_explicit(&r->out, memory_order_acquire);

	if (*in + skip + room - out > RING_SIZE)
		return NULL;
	if (skip != 0)
		write_header(at(p, cpu, *in), SKIP);
	*in += skip;
	return at(p, cpu, *in);
}

long ebpf_perf_output(struct ebpf_map *map, uint32_t cpu, const void *data, uint64_t size,
		      const void *packet, uint64_t packet_size)
{
	struct perf *p = perf(map);
	struct perf_ring *r;
	uint64_t in, room;
	uint8_t *to;

	if (map->type != BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return -EINVAL;
	if (cpu >= map->n_cpus || size > RECORD_MAX || packet_size > RECORD_MAX ||
	    size + packet_size > RECORD_MAX - HEADER)
		return -E2BIG;
	r = &p->rings[cpu];
	in = atomic_load_explicit(&r->in, memory_order_relaxed);
	room = (HEADER + size + packet_size + 7) & ~UINT64_C(7);
	to = make_room(p, cpu, &in, room);
	if (to == NULL) {
		atomic_store_explicit(&r->lost,
				      atomic_load_explicit(&r->lost, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return -ENOSPC;
	}
	write_header(to, (uint32_t)(size + packet_size));
	memcpy(to + HEADER, data, size);
	if (packet_size != 0)
		memcpy(to + HEADER + size, packet, packet_size);
	atomic_store_explicit(&r->in, in + room, memory_order_release);
	return 0;
}

static uint32_t drain_one(struct perf *p, uint32_t cpu, uint32_t max, ebpf_record_fn fn, void *arg)
{
	struct perf_ring *r = &p->rings[cpu];
	uint64_t out = atomic_load_explicit(&r->out, memory_order_relaxed);
	uint64_t in = atomic_load_explicit(&r->in, memory_order_acquire);
	uint32_t n = 0, size;

	while (n < max && out != in) {
		const uint8_t *from = at(p, cpu, out);

		memcpy(&size, from, sizeof(size));
		if (size == SKIP) {
			out += RING_SIZE - out % RING_SIZE;
			continue;
		}
		fn(arg, cpu, from + HEADER, size);
		out += (HEADER + size + 7ul) & ~7ul;
		atomic_store_explicit(&r->out, out, memory_order_release);
		n++;
	}
	return n;
}

static uint32_t drain(struct ebpf_map *map, uint32_t max, ebpf_record_fn fn, void *arg)
{
	struct perf *p = perf(map);
	uint32_t n = 0;

	for (uint32_t i = 0; i < map->n_cpus && n < max; i++)
		n += drain_one(p, (p->turn + i) % map->n_cpus, max - n, fn, arg);
	p->turn = (p->turn + 1) % map->n_cpus;
	return n;
}

static uint64_t lost(const struct ebpf_map *map)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < map->n_cpus; i++)
		sum += atomic_load_explicit(&perf(map)->rings[i].lost, memory_order_relaxed);
	return sum;
}

static const struct map_kind kind = {
	.ops = {.destroy = map_free},
	.drain = drain,
	.lost = lost,
};

int map_perf_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	struct map_room room = {0};
	struct ebpf_map *map;
	size_t rings, data;
	int rc;

	map_room_add(&room, 1, sizeof(struct perf));
	rings = map_room_add(&room, n_cpus, sizeof(struct perf_ring));
	data = map_room_add(&room, n_cpus, RING_SIZE);
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0)
		return rc;
	map->ops = &kind.ops;
	perf(map)->rings = (void *)((uint8_t *)map + rings);
	perf(map)->data = (uint8_t *)map + data;
	*ret_map = map;
	return 0;
}

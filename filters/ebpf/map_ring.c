/* SPDX-License-Identifier: BSD-2-Clause
 *
 * RINGBUF: records of many producers in one ring, in the order of their reservation, for the
 * control thread.
 *
 * 	        taken            given ─► submitted or not yet        free
 * 	... ────┬────────────────┬─────────┬────────┬─────────┬───────┬───────
 * 	        out              BUSY                                 in
 *
 * A record is 8 bytes of header and its bytes, to a multiple of 8.  'reserve' moves 'in' under a
 * lock, a dozen instructions; the record is BUSY until it is submitted, and the reader stops there.
 * The ring is mapped twice, one after the other, so that every record lies in one piece.
 */
#include "filters/ebpf/map_priv.h"

#include <sys/mman.h>
#include <unistd.h>

#define HEADER 8u
#define BUSY   (1u << 31)
#define THROWN (1u << 30)
#define LENGTH (THROWN - 1)

struct ring_header {
	_Atomic uint32_t length; /* with BUSY, THROWN */
	uint32_t spare;
};

struct ring {
	struct ebpf_map map;
	uint8_t *data; /* 2 'size' bytes */
	uint64_t size;
	_Atomic uint32_t lock __attribute__((aligned(64)));
	_Atomic uint64_t in;
	_Atomic uint64_t lost;
	_Atomic uint64_t out __attribute__((aligned(64)));
};

static struct ring *ring(const struct ebpf_map *map)
{
	return (struct ring *)(uintptr_t)map;
}

static struct ring_header *header_at(const struct ring *r, uint64_t at)
{
	return (struct ring_header *)(void *)(r->data + (at & (r->size - 1)));
}

static uint64_t record_size(uint64_t size)
{
	return (size + HEADER + 7) & ~UINT64_C(7);
}

/* What lies between 'out' and 'in', at most the ring's size. */
static void *reserve(struct ring *r, uint64_t size)
{
	struct ring_header *header = NULL;
	uint64_t in;

	map_lock(&r->lock);
	in = atomic_load_explicit(&r->in, memory_order_relaxed);
	if (in + record_size(size) - atomic_load_explicit(&r->out, memory_order_acquire) <=
	    r->size) {
		header = header_at(r, in);
		atomic_store_explicit(&header->length, (uint32_t)size | BUSY, memory_order_relaxed);
		atomic_store_explicit(&r->in, in + record_size(size), memory_order_release);
	}
	map_unlock(&r->lock);
	return header != NULL ? (uint8_t *)header + HEADER : NULL;
}

void *ebpf_ring_reserve(struct ebpf_map *map, uint64_t size)
{
	struct ring *r = ring(map);
	void *sample = NULL;

	if (map->type != BPF_MAP_TYPE_RINGBUF)
		return NULL;
	if (size <= LENGTH && record_size(size) <= r->size)
		sample = reserve(r, size);
	if (sample == NULL)
		atomic_fetch_add_explicit(&r->lost, 1, memory_order_relaxed);
	return sample;
}

void ebpf_ring_submit(void *sample, bool discard)
{
	struct ring_header *header = (void *)((uint8_t *)sample - HEADER);
	uint32_t length = atomic_load_explicit(&header->length, memory_order_relaxed) & LENGTH;

	atomic_store_explicit(&header->length, length | (discard ? THROWN : 0),
			      memory_order_release);
}

long ebpf_ring_output(struct ebpf_map *map, const void *data, uint64_t size)
{
	void *sample = ebpf_ring_reserve(map, size);

	if (sample == NULL)
		return -EAGAIN;
	memcpy(sample, data, size);
	ebpf_ring_submit(sample, false);
	return 0;
}

uint64_t ebpf_ring_query(const struct ebpf_map *map, uint64_t what)
{
	const struct ring *r = ring(map);
	uint64_t out, in;

	if (map->type != BPF_MAP_TYPE_RINGBUF)
		return 0;
	out = atomic_load_explicit(&r->out, memory_order_acquire);
	in = atomic_load_explicit(&r->in, memory_order_acquire);
	switch (what) {
	case BPF_RB_AVAIL_DATA:
		return in - out;
	case BPF_RB_RING_SIZE:
		return r->size;
	case BPF_RB_CONS_POS:
		return out;
	case BPF_RB_PROD_POS:
		return in;
	default:
		return 0;
	}
}

static uint32_t drain(struct ebpf_map *map, uint32_t max, ebpf_record_fn fn, void *arg)
{
	struct ring *r = ring(map);
	uint64_t out = atomic_load_explicit(&r->out, memory_order_relaxed);
	uint64_t in = atomic_load_explicit(&r->in, memory_order_acquire);
	uint32_t n = 0;

	while (n < max && out != in) {
		struct ring_header *header = header_at(r, out);
		uint32_t length = atomic_load_explicit(&header->length, memory_order_acquire);

		if ((length & BUSY) != 0)
			break;
		if ((length & THROWN) == 0) {
			fn(arg, 0, (uint8_t *)header + HEADER, length);
			n++;
		}
		out += record_size(length & LENGTH);
		atomic_store_explicit(&r->out, out, memory_order_release);
	}
	return n;
}

static uint64_t lost(const struct ebpf_map *map)
{
	return atomic_load_explicit(&ring(map)->lost, memory_order_relaxed);
}

static void destroy(struct ebpf_map *map)
{
	munmap(ring(map)->data, 2 * ring(map)->size);
	map_free(map);
}

static const struct map_kind kind = {
	.ops = {.destroy = destroy},
	.drain = drain,
	.lost = lost,
};

/* 'size' bytes of a file, twice. */
static uint8_t *map_twice(int fd, size_t size)
{
	uint8_t *at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	for (unsigned i = 0; i < 2; i++) {
		if (mmap(at + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			 0) == MAP_FAILED) {
			munmap(at, 2 * size);
			return NULL;
		}
	}
	return at;
}

static uint8_t *data_create(size_t size)
{
	int fd = memfd_create("ringbuf", MFD_CLOEXEC);
	uint8_t *data = NULL;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)size) == 0)
		data = map_twice(fd, size);
	close(fd);
	return data;
}

int map_ring_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	struct map_room room = {0};
	struct ebpf_map *map;
	int rc;

	map_room_add(&room, 1, sizeof(struct ring));
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0)
		return rc;
	map->ops = &kind.ops;
	map->memory += def->max_entries;
	ring(map)->size = def->max_entries;
	ring(map)->data = data_create(def->max_entries);
	if (ring(map)->data == NULL) {
		map_free(map);
		return -ENOMEM;
	}
	*ret_map = map;
	return 0;
}

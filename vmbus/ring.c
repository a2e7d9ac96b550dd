/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ring.h.  Here is what runs seldom: finding rings, wrapping, waiting, breaking.
 */
#include "vmbus/ring.h"

#include "hv/gpa.h"
#include "vmbus/gpadl.h"

const char *vmbus_ring_fault_text(enum vmbus_ring_fault fault)
{
	static const char *const texts[] = {
#define X(name, text) text,
		VMBUS_RING_FAULTS(X)
#undef X
	};

	return fault < VMBUS_N_RING_FAULTS ? texts[fault] : "unknown";
}

/* The bytes of 'n' pages, if they are memory and lie together. */
static int find_flat(const struct gpa_map *map, const uint64_t *pfns, uint32_t n, uint8_t **ret_va)
{
	uint8_t *first = gpa_page(map, pfns[0]);
	bool together = true;

	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *page = gpa_page(map, pfns[i]);

		if (page == NULL)
			return -EFAULT;
		together = together && page == first + (size_t)i * GPA_PAGE_SIZE;
	}
	*ret_va = first;
	return together ? 0 : -EOPNOTSUPP;
}

static int find_ring(const struct gpa_map *map, const uint64_t *pfns, uint32_t n,
		     struct vmbus_ring *ret)
{
	uint8_t *va;
	int rc = find_flat(map, pfns, n, &va);

	if (rc == 0)
		*ret = (struct vmbus_ring){
			.hdr = (struct vmbus_ring_hdr *)(void *)va,
			.data = va + GPA_PAGE_SIZE,
			.size = (n - 1) * GPA_PAGE_SIZE,
		};
	return rc;
}

static bool count_ok(uint32_t n)
{
	return n >= VMBUS_RING_MIN_PAGES && n <= VMBUS_RING_MAX_PAGES;
}

int vmbus_rings_find(const struct gpa_map *map, const struct vmbus_gpadl *gpadl, uint32_t offset,
		     struct vmbus_ring *ret_from_guest, struct vmbus_ring *ret_to_guest)
{
	struct vmbus_ring from, to;
	uint32_t n = gpadl->n_pfns;
	int rc;

	if (gpadl->byte_offset != 0 || gpadl->byte_count != (uint64_t)n * GPA_PAGE_SIZE)
		return -EINVAL;
	if (offset > n || !count_ok(offset) || !count_ok(n - offset))
		return -EINVAL;
	rc = find_ring(map, gpadl->pfns, offset, &from);
	if (rc == 0)
		rc = find_ring(map, gpadl->pfns + offset, n - offset, &to);
	if (rc != 0)
		return rc;
	*ret_from_guest = from;
	*ret_to_guest = to;
	return 0;
}

bool vmbus_in_break(struct vmbus_in *in, enum vmbus_ring_fault fault)
{
	in->fault = (uint8_t)fault;
	in->write = in->read; /* Nothing is left of this batch. */
	return false;
}

bool vmbus_out_break(struct vmbus_out *out, enum vmbus_ring_fault fault)
{
	out->fault = (uint8_t)fault;
	out->room = 0;
	return false;
}

void vmbus_in_init(struct vmbus_in *in, const struct vmbus_ring *ring)
{
	uint32_t read = vmbus_hdr_load(&ring->hdr->read);

	*in = (struct vmbus_in){.ring = *ring};
	if (!vmbus_index_ok(ring, read)) {
		vmbus_in_break(in, VMBUS_RING_INDEX);
		return;
	}
	in->read = read;
	in->begun = read;
	in->write = read;
}

void vmbus_out_init(struct vmbus_out *out, const struct vmbus_ring *ring)
{
	uint32_t write = vmbus_hdr_load(&ring->hdr->write);

	*out = (struct vmbus_out){.ring = *ring};
	ring->hdr->features |= VMBUS_RING_PENDING;
	if (!vmbus_index_ok(ring, write)) {
		vmbus_out_break(out, VMBUS_RING_INDEX);
		return;
	}
	out->write = write;
	out->begun = write;
}

/* The producer waits for more than 'pending' bytes: has it got them by this batch?  It may have
 * written meanwhile, so what was free before is what is free now without what we gave.  An index
 * that lies costs the liar a signal. */
bool vmbus_in_room_wanted(struct vmbus_in *in, uint32_t begun, uint32_t pending)
{
	const struct vmbus_ring *ring = &in->ring;
	uint32_t write = vmbus_hdr_load(&ring->hdr->write);
	uint32_t given = vmbus_ring_distance(ring, begun, in->read), room;

	if (!vmbus_index_ok(ring, write))
		return true;
	room = ring->size - vmbus_ring_distance(ring, in->read, write);
	return room > pending && (room < given || room - given <= pending);
}

bool vmbus_in_sleep(struct vmbus_in *in)
{
	if (in->fault != VMBUS_RING_NONE)
		return true;
	vmbus_in_mask(in, false);
	atomic_thread_fence(memory_order_seq_cst);
	if (vmbus_hdr_load(&in->ring.hdr->write) == in->read)
		return true;
	vmbus_in_mask(in, true);
	return false;
}

void vmbus_ring_copy_out(const struct vmbus_ring *ring, uint32_t at, void *to, uint32_t size)
{
	uint32_t first = ring->size - at;

	if (first > size)
		first = size;
	memcpy(to, ring->data + at, first);
	memcpy((uint8_t *)to + first, ring->data, size - first);
}

/* Returns where the next byte goes. */
static uint32_t copy_in(const struct vmbus_ring *ring, uint32_t at, const void *from, size_t size)
{
	size_t first = ring->size - at;

	if (size == 0)
		return at;
	if (first > size)
		first = size;
	memcpy(ring->data + at, from, first);
	memcpy(ring->data, (const uint8_t *)from + first, size - first);
	return vmbus_ring_advance(ring, at, (uint32_t)size);
}

void vmbus_out_put_wrapped(struct vmbus_out *out, const struct vmbus_desc *desc, const void *header,
			   size_t header_size, const void *payload, size_t payload_size)
{
	const struct vmbus_ring *ring = &out->ring;
	uint64_t zero = 0, trailer = (uint64_t)out->write << 32;
	uint32_t at = copy_in(ring, out->write, desc, sizeof(*desc));

	at = copy_in(ring, at, header, header_size);
	at = copy_in(ring, at, payload, payload_size);
	at = copy_in(ring, at, &zero, (size_t)-payload_size & 7);
	copy_in(ring, at, &trailer, sizeof(trailer));
}

bool vmbus_out_wait(struct vmbus_out *out, uint32_t size)
{
	struct vmbus_ring_hdr *hdr = out->ring.hdr;

	if (out->fault != VMBUS_RING_NONE)
		return false;
	if (size == 0 || size > out->ring.size - 8) {
		vmbus_hdr_store(&hdr->pending, 0);
		return false;
	}
	vmbus_hdr_store(&hdr->pending, size);
	atomic_thread_fence(memory_order_seq_cst);
	if (vmbus_out_begin(out) < size && out->fault == VMBUS_RING_NONE)
		return true;
	vmbus_hdr_store(&hdr->pending, 0);
	return false;
}

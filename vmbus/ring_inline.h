/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What ring.h promises, as far as it runs for each packet or batch.  Include ring.h.
 *
 * The header's four words share a line with the peer, so each is touched at most once a batch: the
 * peer's index in '_begin', ours and what the signal depends on in '_end'.  A packet that does not
 * wrap costs a compare more than a copy; those that do are in ring.c.
 */
#ifndef VMBUS_RING_INLINE_H
#define VMBUS_RING_INLINE_H

#include "vmbus/ring.h"

#include <errno.h>
#include <string.h>

/* Between any two looks at the header; tests put the peer's next step here. */
#ifndef VMBUS_RING_STEP
#define VMBUS_RING_STEP() ((void)0)
#endif

#define VMBUS_PKT_MAX_LEN (UINT16_MAX * 8u)

static inline uint32_t vmbus_hdr_load(const _Atomic uint32_t *word)
{
	VMBUS_RING_STEP();
	return atomic_load_explicit(word, memory_order_acquire);
}

static inline void vmbus_hdr_store(_Atomic uint32_t *word, uint32_t value)
{
	VMBUS_RING_STEP();
	atomic_store_explicit(word, value, memory_order_release);
}

static inline bool vmbus_index_ok(const struct vmbus_ring *ring, uint32_t index)
{
	return index < ring->size && (index & 7) == 0;
}

/* Bytes from one index to another, the ring's way round. */
static inline uint32_t vmbus_ring_distance(const struct vmbus_ring *ring, uint32_t from,
					   uint32_t to)
{
	return to >= from ? to - from : ring->size - from + to;
}

/* 'by' is at most the ring's size. */
static inline uint32_t vmbus_ring_advance(const struct vmbus_ring *ring, uint32_t at, uint32_t by)
{
	uint32_t left = ring->size - at;

	return by < left ? at + by : by - left;
}

/* Eight bytes at 'at', a multiple of 8 below the ring's size: read once, whatever the compiler
 * thinks. */
static inline uint64_t vmbus_ring_word(const struct vmbus_ring *ring, uint32_t at)
{
	return *(const volatile uint64_t *)(const void *)(ring->data + at);
}

/* For ring.c and here.  Breaks the ring; false. */
bool vmbus_in_break(struct vmbus_in *in, enum vmbus_ring_fault fault);
bool vmbus_out_break(struct vmbus_out *out, enum vmbus_ring_fault fault);
bool vmbus_in_room_wanted(struct vmbus_in *in, uint32_t begun, uint32_t pending);
void vmbus_ring_copy_out(const struct vmbus_ring *ring, uint32_t at, void *to, uint32_t size);
void vmbus_out_put_wrapped(struct vmbus_out *out, const struct vmbus_desc *desc, const void *header,
			   size_t header_size, const void *payload, size_t payload_size);

static inline uint32_t vmbus_in_begin(struct vmbus_in *in)
{
	uint32_t write;

	if (__builtin_expect(in->fault != VMBUS_RING_NONE, 0))
		return 0;
	write = vmbus_hdr_load(&in->ring.hdr->write);
	if (__builtin_expect(!vmbus_index_ok(&in->ring, write), 0))
		return vmbus_in_break(in, VMBUS_RING_INDEX);
	in->write = write;
	return vmbus_ring_distance(&in->ring, in->read, write);
}

static inline bool vmbus_in_next(struct vmbus_in *in, struct vmbus_packet *ret_packet)
{
	const struct vmbus_ring *ring = &in->ring;
	uint32_t at = in->read, left = vmbus_ring_distance(ring, at, in->write);
	uint32_t offset8, len8;
	uint64_t low;

	if (left == 0)
		return false;
	low = vmbus_ring_word(ring, at);
	offset8 = (uint16_t)(low >> 16);
	len8 = (uint16_t)(low >> 32);
	if (__builtin_expect(offset8 < sizeof(struct vmbus_desc) / 8 || len8 < offset8, 0))
		return vmbus_in_break(in, VMBUS_RING_DESCRIPTOR);
	if (__builtin_expect(len8 * 8 + VMBUS_TRAILER_SIZE > left, 0))
		return vmbus_in_break(in, VMBUS_RING_LENGTH);
	ret_packet->desc = (struct vmbus_desc){
		.type = (uint16_t)low,
		.offset8 = (uint16_t)offset8,
		.len8 = (uint16_t)len8,
		.flags = (uint16_t)(low >> 48),
		.transaction_id = vmbus_ring_word(ring, vmbus_ring_advance(ring, at, 8)),
	};
	ret_packet->at = at;
	ret_packet->header_size = offset8 * 8;
	ret_packet->payload_size = (len8 - offset8) * 8;
	in->read = vmbus_ring_advance(ring, at, len8 * 8 + VMBUS_TRAILER_SIZE);
	return true;
}

static inline bool vmbus_in_copy(const struct vmbus_in *in, const struct vmbus_packet *packet,
				 uint32_t offset, void *to, uint32_t size)
{
	uint32_t holds = packet->header_size + packet->payload_size, at;

	if (__builtin_expect(offset > holds || size > holds - offset, 0))
		return false;
	at = vmbus_ring_advance(&in->ring, packet->at, offset);
	if (__builtin_expect(size <= in->ring.size - at, 1))
		memcpy(to, in->ring.data + at, size);
	else
		vmbus_ring_copy_out(&in->ring, at, to, size);
	/* Or the compiler might look at the ring again where 'to' is used. */
	__asm__ volatile("" : : "r"(to) : "memory");
	return true;
}

static inline void vmbus_in_back(struct vmbus_in *in, const struct vmbus_packet *packet)
{
	if (in->fault == VMBUS_RING_NONE)
		in->read = packet->at;
}

static inline bool vmbus_in_end(struct vmbus_in *in)
{
	uint32_t begun = in->begun, pending;

	if (in->read == begun || __builtin_expect(in->fault != VMBUS_RING_NONE, 0))
		return false;
	in->begun = in->read;
	vmbus_hdr_store(&in->ring.hdr->read, in->read);
	atomic_thread_fence(memory_order_seq_cst);
	pending = vmbus_hdr_load(&in->ring.hdr->pending);
	return __builtin_expect(pending != 0, 0) && vmbus_in_room_wanted(in, begun, pending);
}

static inline void vmbus_in_mask(struct vmbus_in *in, bool masked)
{
	vmbus_hdr_store(&in->ring.hdr->mask, masked);
}

static inline uint32_t vmbus_out_begin(struct vmbus_out *out)
{
	uint32_t read;

	if (__builtin_expect(out->fault != VMBUS_RING_NONE, 0))
		return 0;
	read = vmbus_hdr_load(&out->ring.hdr->read);
	if (__builtin_expect(!vmbus_index_ok(&out->ring, read), 0))
		return vmbus_out_break(out, VMBUS_RING_INDEX);
	/* Never full: equal indexes mean empty. */
	out->room = out->ring.size - vmbus_ring_distance(&out->ring, read, out->write) - 8;
	return out->room;
}

static inline int vmbus_out_put(struct vmbus_out *out, enum vmbus_packet_type type, uint16_t flags,
				uint64_t transaction_id, const void *header, size_t header_size,
				const void *payload, size_t payload_size)
{
	size_t start = sizeof(struct vmbus_desc) + header_size, len;
	struct vmbus_desc desc;
	uint64_t trailer;
	uint32_t total;
	uint8_t *at;

	if (__builtin_expect(header_size > VMBUS_PKT_MAX_LEN || payload_size > VMBUS_PKT_MAX_LEN,
			     0))
		return -EMSGSIZE;
	len = start + ((payload_size + 7) & ~(size_t)7);
	total = (uint32_t)len + VMBUS_TRAILER_SIZE;
	if (__builtin_expect(len > VMBUS_PKT_MAX_LEN, 0))
		return -EMSGSIZE;
	if (__builtin_expect(total > out->room, 0))
		return total > out->ring.size - 8 ? -EMSGSIZE : -EAGAIN;
	desc = (struct vmbus_desc){(uint16_t)type, (uint16_t)(start / 8), (uint16_t)(len / 8),
				   flags, transaction_id};
	if (__builtin_expect(total <= out->ring.size - out->write, 1)) {
		at = out->ring.data + out->write;
		trailer = (uint64_t)out->write << 32;
		memcpy(at, &desc, sizeof(desc));
		if (header_size != 0)
			memcpy(at + sizeof(desc), header, header_size);
		if ((payload_size & 7) != 0)
			memset(at + len - 8, 0, 8);
		if (payload_size != 0)
			memcpy(at + start, payload, payload_size);
		memcpy(at + len, &trailer, sizeof(trailer));
	} else {
		vmbus_out_put_wrapped(out, &desc, header, header_size, payload, payload_size);
	}
	out->write = vmbus_ring_advance(&out->ring, out->write, total);
	out->room -= total;
	return 0;
}

/* The same for 8 bytes of payload and no header, which is what most packets to a guest are
 * (completions): word by word, for a descriptor that is put together of smaller ones and copied as
 * a whole costs ten times as much. */
static inline int vmbus_out_put_word(struct vmbus_out *out, enum vmbus_packet_type type,
				     uint16_t flags, uint64_t transaction_id, uint64_t payload)
{
	const uint32_t total = sizeof(struct vmbus_desc) + 8 + VMBUS_TRAILER_SIZE;
	const uint64_t words[] = {(uint64_t)type | UINT64_C(2) << 16 | UINT64_C(3) << 32 |
					  (uint64_t)flags << 48,
				  transaction_id, payload, (uint64_t)out->write << 32};
	uint32_t at = out->write;

	if (__builtin_expect(total > out->room, 0))
		return total > out->ring.size - 8 ? -EMSGSIZE : -EAGAIN;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		*(volatile uint64_t *)(void *)(out->ring.data + at) = words[i];
		at = vmbus_ring_advance(&out->ring, at, 8);
	}
	out->write = at;
	out->room -= total;
	return 0;
}

static inline bool vmbus_out_end(struct vmbus_out *out)
{
	struct vmbus_ring_hdr *hdr = out->ring.hdr;
	uint32_t begun = out->begun;

	if (out->write == begun || __builtin_expect(out->fault != VMBUS_RING_NONE, 0))
		return false;
	out->begun = out->write;
	vmbus_hdr_store(&hdr->write, out->write);
	atomic_thread_fence(memory_order_seq_cst);
	/* Who takes packets will look again before it sleeps, unless it had taken all. */
	return vmbus_hdr_load(&hdr->mask) == 0 && vmbus_hdr_load(&hdr->read) == begun;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One direction of a channel: a ring of packets in shared memory, a header page with four words
 * before it.  Symmetric: a host consumes one and produces into the other, a guest the other way
 * round, so both use this file.
 *
 * The peer is not trusted.  Its index is read once a batch, checked, and kept; descriptors are
 * copied before they are looked at; the size of a ring is what its pages say, never what they hold.
 * A ring that lies is broken from then on ('fault' says how) and gives and takes nothing more,
 * until it is made anew.
 *
 * A batch:
 *
 * 	consumer   vmbus_in_begin(), vmbus_in_next() ..., vmbus_in_end() -> signal?
 * 	producer   vmbus_out_begin(), vmbus_out_put() ..., vmbus_out_end() -> signal?
 *
 * Nothing is seen by the peer before '_end', and '_end' says whether the peer wants to be
 * signalled: at most once a batch, never while it works, and never too late.  After its last '_end'
 * a consumer that goes to sleep calls vmbus_in_sleep(), which says whether it may.
 *
 * Why no wake-up is lost: each side publishes, then looks at what the other publishes, with a full
 * barrier between the two.  A producer shows its packets and then looks at the mask and the read
 * index; a consumer clears the mask and then looks at the write index.  One of them sees the other.
 * The same holds of room: a producer says how much it waits for and then looks at the read index, a
 * consumer gives room and then looks at what is waited for.
 *
 * What runs for each packet is inline (ring_inline.h); here is what it promises.
 *
 * Thread: one at a time for each of 'in' and 'out'; they need not be the same.
 *
 * Source: Linux drivers/hv/ring_buffer.c and include/linux/hyperv.h (signalling).
 */
#ifndef VMBUS_RING_H
#define VMBUS_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMBUS_RING_MIN_PAGES 2
#define VMBUS_RING_MAX_PAGES 4096 /* 16 MB */
#define VMBUS_TRAILER_SIZE   8u

struct gpa_map;
struct vmbus_gpadl;

struct vmbus_ring_hdr {
	_Atomic uint32_t write;	  /* producer's; bytes from the start of data, multiple of 8 */
	_Atomic uint32_t read;	  /* consumer's */
	_Atomic uint32_t mask;	  /* consumer's; 1: no signal for new packets */
	_Atomic uint32_t pending; /* producer's: bytes it waits for, 0: none */
	uint32_t reserved[12];
	uint32_t features; /* bit 0: 'pending' is meant */
};
_Static_assert(sizeof(struct vmbus_ring_hdr) == 68, "header of a ring");
#define VMBUS_RING_PENDING 1u

/* Packet types on a ring. */
enum vmbus_packet_type {
	VMBUS_PKT_INBAND = 6,
	VMBUS_PKT_TRANSFER_PAGES = 7,
	VMBUS_PKT_GPA_DIRECT = 9,
	VMBUS_PKT_COMPLETION = 11,
};
#define VMBUS_PKT_COMPLETION_REQUESTED 1u

/* The first 16 bytes of a packet, as on the ring. */
struct vmbus_desc {
	uint16_t type;
	uint16_t offset8; /* where the payload starts */
	uint16_t len8;	  /* without trailer */
	uint16_t flags;
	uint64_t transaction_id;
};
_Static_assert(sizeof(struct vmbus_desc) == 16, "descriptor of a packet");

#define VMBUS_RING_FAULTS(X)                                                                       \
	X(NONE, "")                                                                                \
	X(INDEX, "an index is no multiple of 8, or beyond the ring")                               \
	X(DESCRIPTOR, "a packet is shorter than its header, or its payload starts outside of it")  \
	X(LENGTH, "a packet is longer than what the ring holds")
enum vmbus_ring_fault {
#define X(name, text) VMBUS_RING_##name,
	VMBUS_RING_FAULTS(X)
#undef X
		VMBUS_N_RING_FAULTS,
};
const char *vmbus_ring_fault_text(enum vmbus_ring_fault fault);

/* Where a ring lies: its header page, and its data, which are contiguous in our memory. */
struct vmbus_ring {
	struct vmbus_ring_hdr *hdr;
	uint8_t *data;
	uint32_t size; /* bytes of data */
};

/* Finds both rings of a channel: pages [0, offset) of 'gpadl' are guest to host, the rest host to
 * guest.  0; -EINVAL: too few or too many pages, 'offset' is not inside, the GPADL starts inside a
 * page; -EFAULT: not memory; -EOPNOTSUPP: the pages of one ring do not lie together (no guest known
 * to us has such rings: Linux, DPDK, FreeBSD allocate them together). */
int vmbus_rings_find(const struct gpa_map *map, const struct vmbus_gpadl *gpadl, uint32_t offset,
		     struct vmbus_ring *ret_from_guest, struct vmbus_ring *ret_to_guest);

struct vmbus_in {
	struct vmbus_ring ring;
	uint32_t read;	/* next byte to take; published by vmbus_in_end() */
	uint32_t begun; /* what is published */
	uint32_t write; /* the peer's index as of vmbus_in_begin() */
	uint8_t fault;	/* enum vmbus_ring_fault */
};

/* A packet, before the peer can change it; its payload is still on the ring. */
struct vmbus_packet {
	struct vmbus_desc desc;
	uint32_t at;	       /* its first byte on the ring */
	uint32_t header_size;  /* bytes before the payload */
	uint32_t payload_size; /* bytes, a multiple of 8 */
};

/* Takes the ring up where the header says; a header that lies breaks it at once. */
void vmbus_in_init(struct vmbus_in *in, const struct vmbus_ring *ring);
/* Looks for packets.  Bytes there; 0 when there are none or the ring is broken. */
static inline uint32_t vmbus_in_begin(struct vmbus_in *in);
/* The next packet of the batch; false at its end, or when the ring turns out to be broken. */
static inline bool vmbus_in_next(struct vmbus_in *in, struct vmbus_packet *ret_packet);
/* Copies 'size' bytes at 'offset' from the packet's start (its descriptor counts); false when it
 * does not hold them.  What is copied was read once: the peer cannot change it any more. */
static inline bool vmbus_in_copy(const struct vmbus_in *in, const struct vmbus_packet *packet,
				 uint32_t offset, void *to, uint32_t size);
/* Puts the last packet back: vmbus_in_next() gives it again, in this batch or the next. */
static inline void vmbus_in_back(struct vmbus_in *in, const struct vmbus_packet *packet);
/* Gives the peer the room of all packets taken.  True: it waits for that; signal it. */
static inline bool vmbus_in_end(struct vmbus_in *in);
/* Asks the peer (not) to signal new packets. */
static inline void vmbus_in_mask(struct vmbus_in *in, bool masked);
/* Unmasks and looks once more.  True: nothing came meanwhile, a signal will tell; false: go on (it
 * is masked again). */
bool vmbus_in_sleep(struct vmbus_in *in);

struct vmbus_out {
	struct vmbus_ring ring;
	uint32_t write; /* next byte to fill; published by vmbus_out_end() */
	uint32_t begun; /* what is published */
	uint32_t room;	/* bytes that may be filled, as of vmbus_out_begin() */
	uint8_t fault;
};

/* Takes the ring up where the header says, and says that 'pending' will be meant. */
void vmbus_out_init(struct vmbus_out *out, const struct vmbus_ring *ring);
/* Looks how much room there is.  Bytes; 0 when the ring is full or broken. */
static inline uint32_t vmbus_out_begin(struct vmbus_out *out);
/* Adds a packet of two pieces: what follows the descriptor ('header', a multiple of 8 bytes, may be
 * empty) and the payload (padded to 8 here).  0, -EAGAIN: no room, nothing was added; -EMSGSIZE:
 * longer than a packet or the ring can be. */
static inline int vmbus_out_put(struct vmbus_out *out, enum vmbus_packet_type type, uint16_t flags,
				uint64_t transaction_id, const void *header, size_t header_size,
				const void *payload, size_t payload_size);
/* The same for 8 bytes of payload and no header. */
static inline int vmbus_out_put_word(struct vmbus_out *out, enum vmbus_packet_type type,
				     uint16_t flags, uint64_t transaction_id, uint64_t payload);
/* Shows the peer all packets added.  True: signal it. */
static inline bool vmbus_out_end(struct vmbus_out *out);
/* Waits for 'size' bytes of room, as vmbus_packet_size() counts them: the peer will signal when
 * there are, by the same event as for packets.  False: there are already, or never will be.  0 ends
 * waiting.  Between batches. */
bool vmbus_out_wait(struct vmbus_out *out, uint32_t size);

/* Bytes on the ring of a packet with so many bytes behind its descriptor. */
static inline uint32_t vmbus_packet_size(size_t header_size, size_t payload_size)
{
	return (uint32_t)(sizeof(struct vmbus_desc) + header_size + ((payload_size + 7) & ~7ul) +
			  VMBUS_TRAILER_SIZE);
}

#include "vmbus/ring_inline.h"

#endif

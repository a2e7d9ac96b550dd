/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memif on the wire and in memory: messages of the control socket, rings and descriptors of the
 * shared regions.  Host byte order, both ends are on one machine.
 *
 * Source: memif protocol 2.0, as FD.io publishes it (libmemif, docs/buffer_shm.md and memif.h).
 */
#ifndef DATAPLANE_MEMIF_PROTO_H
#define DATAPLANE_MEMIF_PROTO_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define MEMIF_COOKIE	  0x3e31f20u
#define MEMIF_VERSION	  0x0200u
#define MEMIF_SECRET_SIZE 24

enum memif_type {
	MEMIF_NONE,
	MEMIF_ACK,
	MEMIF_HELLO,
	MEMIF_INIT,
	MEMIF_ADD_REGION,
	MEMIF_ADD_RING,
	MEMIF_CONNECT,
	MEMIF_CONNECTED,
	MEMIF_DISCONNECT,
};

/* Server to client: what it can do. */
struct memif_hello {
	char name[32];
	uint16_t min_version, max_version;
	uint16_t max_region;
	uint16_t max_s2c_ring, max_c2s_ring; /* highest index */
	uint8_t max_log2_ring_size;
} __attribute__((packed));

/* Client to server: which interface it wants. */
struct memif_init {
	uint16_t version;
	uint32_t id;
	uint8_t mode; /* 0: Ethernet */
	char secret[MEMIF_SECRET_SIZE];
	char name[32];
} __attribute__((packed));

/* Client to server, with the file of the region. */
struct memif_add_region {
	uint16_t index;
	uint64_t size;
} __attribute__((packed));

/* Client to server, with the ring's eventfd. */
struct memif_add_ring {
	uint16_t flags;
#define MEMIF_RING_IS_C2S 1u
	uint16_t index;
	uint16_t region;
	uint32_t offset;
	uint8_t log2_ring_size;
	uint16_t private_hdr_size;
} __attribute__((packed));

struct memif_disconnect {
	uint32_t code;
	char text[96];
} __attribute__((packed));

struct memif_msg {
	uint16_t type; /* enum memif_type */
	union {
		struct memif_hello hello;
		struct memif_init init;
		struct memif_add_region add_region;
		struct memif_add_ring add_ring;
		char if_name[32]; /* CONNECT, CONNECTED */
		struct memif_disconnect disconnect;
		uint8_t bytes[126];
	};
} __attribute__((packed));
static_assert(sizeof(struct memif_msg) == 128, "control messages are 128 bytes");
static_assert(offsetof(struct memif_msg, add_ring.log2_ring_size) == 12, "no holes");

struct memif_desc {
	uint16_t flags;
#define MEMIF_DESC_NEXT 1u
	uint16_t region;
	uint32_t length;
	uint32_t offset;
	uint32_t metadata;
};
static_assert(sizeof(struct memif_desc) == 16, "memif.h");

/* C2S: the client puts frames in at 'head', the server takes them and moves 'tail'.  S2C: the
 * client puts empty buffers in at 'head', the server fills them and moves 'tail'. */
struct memif_shm_ring {
	uint32_t cookie;
	uint16_t flags;
#define MEMIF_RING_NO_INTERRUPT 1u /* set by who takes frames out, when it polls */
	uint16_t head;
	uint8_t pad0[56];
	uint16_t tail;
	uint8_t pad1[62];
	struct memif_desc desc[];
};
static_assert(offsetof(struct memif_shm_ring, tail) == 64, "memif.h");
static_assert(offsetof(struct memif_shm_ring, desc) == 128, "memif.h");

#define MEMIF_MAX_LOG2_RING 14
#define MEMIF_MAX_REGIONS   64

#endif

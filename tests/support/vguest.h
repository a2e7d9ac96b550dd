/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's end of a virtio ring, split or packed, in a buffer of our own: what a virtio driver
 * does, and (by writing to the rings directly) what it must not do.
 */
#ifndef TESTS_SUPPORT_VGUEST_H
#define TESTS_SUPPORT_VGUEST_H

#include "dataplane/vring.h"

#include <stdbool.h>
#include <stdint.h>

#define VGUEST_GPA	0x100000u
#define VGUEST_SIZE	(1024u * 1024u)
#define VGUEST_MAX_RING 1024

struct vguest {
	uint8_t *memory; /* VGUEST_SIZE, at guest address VGUEST_GPA; two regions that touch */
	struct dp_vmem vmem;
	struct dp_vring ring; /* the device's end, under test */
	uint16_t next_desc;   /* driver: next descriptor to write */
	uint16_t avail;	      /* driver, split: next available entry */
	bool wrap;
	uint16_t seen; /* driver: next used entry */
	bool seen_wrap;
	uint16_t
		length[VGUEST_MAX_RING]; /* of the chain with that id, in descriptors of the ring */
	uint64_t buffers;		 /* guest address where buffers may be put */
};

/* One piece of a chain. */
struct vguest_piece {
	uint64_t gpa;
	uint32_t size;
	uint16_t flags; /* VRING_DESC_F_WRITE, or anything */
};

void vguest_init(struct vguest *g, bool packed, uint16_t size);
void vguest_fini(struct vguest *g);
void *vguest_at(const struct vguest *g, uint64_t gpa);
/* Makes a chain available, through an indirect table that it puts at 'table' (0: direct). */
void vguest_add(struct vguest *g, const struct vguest_piece *pieces, uint16_t n, uint64_t table);
/* The next used entry; false when there is none.  An id is the chain's first descriptor. */
bool vguest_used(struct vguest *g, uint16_t *ret_id, uint32_t *ret_size);

#endif

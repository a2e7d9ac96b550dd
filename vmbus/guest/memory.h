/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The "guest's memory": an anonymous file that cannot be cut short, so that the switch may map it
 * without fear of us, and an allocator of its pages.
 *
 * It lies at guest address GUEST_MEMORY_GPA; with 'split' its second half lies above 4 GB, as the
 * memory of real machines does.  Control thread.
 */
#ifndef VMBUS_GUEST_MEMORY_H
#define VMBUS_GUEST_MEMORY_H

#include "ctl/base/err.h"
#include "hv/gpa.h"

#include <stdbool.h>
#include <stdint.h>

#define GUEST_MEMORY_GPA      0x100000ull
#define GUEST_MEMORY_HIGH_GPA 0x100000000ull

struct guest_memory {
	int fd;
	uint64_t size;
	bool huge; /* of huge pages; then buffers cannot be scattered */
	unsigned n_ranges;
	struct {
		uint64_t gpa, size, offset; /* offset in the file */
	} range[2];
	struct gpa_map map; /* as we map it */
	uint32_t n_pages;
	uint32_t next; /* where to look for free pages first */
	uint8_t *used; /* of each page of the file */
};

/* Pages of the guest: together in our memory; in the guest's, in any order if 'scattered'. */
struct guest_buffer {
	uint8_t *va;
	uint32_t n_pages;
	bool scattered;
	uint64_t *pfns; /* n_pages of them */
};

/* 'size' bytes, rounded up to 2 MB (4 MB if split).  'huge': of huge pages if the kernel has
 * them, else it is asked to make some. */
int guest_memory_create(uint64_t size, bool huge, bool split, struct guest_memory **ret_memory,
			struct err *err);
/* Takes NULL. */
void guest_memory_destroy(struct guest_memory *memory);

/* Allocates zeroed pages.  0, -ENOMEM, -EOPNOTSUPP (scattered huge pages). */
int guest_buffer_alloc(struct guest_memory *memory, uint32_t n_pages, bool scattered,
		       struct guest_buffer *ret_buffer);
/* Takes one that is all zero. */
void guest_buffer_free(struct guest_memory *memory, struct guest_buffer *buffer);
/* Frees what is ours and leaves the pages taken: the host may still write them. */
void guest_buffer_forget(struct guest_buffer *buffer);

/* The guest address of a byte of a buffer that is not scattered, or of one page of it. */
static inline uint64_t guest_buffer_gpa(const struct guest_buffer *buffer, uint64_t offset)
{
	return (buffer->pfns[offset >> GPA_PAGE_SHIFT] << GPA_PAGE_SHIFT) +
	       (offset & (GPA_PAGE_SIZE - 1));
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest pages as one run of bytes.  A guest's buffer of megabytes is seldom contiguous in its
 * physical memory; mapping it together would take a mapping for each page, and the kernel allows
 * 65530 of them.  So it is a table of pages, and the flat case, in which one pointer says all, is
 * taken where memory happens to lie so (rings nearly always do, and guests with huge pages).
 *
 * Immutable once made; readers on any thread.  The bytes are the guest's.
 */
#ifndef VMBUS_PAGES_H
#define VMBUS_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gpa_map;
struct vmbus_gpadl;

struct vmbus_pages {
	uint8_t *flat;	/* all bytes, when they lie together; else NULL */
	uint64_t size;	/* bytes */
	uint32_t first; /* offset in the first page; 0 when flat */
	uint32_t n_pages;
	uint8_t *page[]; /* n_pages of them, when not flat */
};

/* The bytes of 'gpadl'.  0; -ENOMEM; -EFAULT: some page is not memory. */
int vmbus_pages_create(const struct gpa_map *map, const struct vmbus_gpadl *gpadl,
		       struct vmbus_pages **ret_pages);
/* Takes NULL. */
void vmbus_pages_destroy(struct vmbus_pages *pages);

/* The bytes at 'offset', and in *ret_size how many lie together there; at most 'size'.  'offset' +
 * 'size' must not pass pages->size. */
static inline uint8_t *vmbus_pages_at(const struct vmbus_pages *pages, uint64_t offset, size_t size,
				      size_t *ret_size)
{
	uint64_t at;
	size_t in, left;

	if (__builtin_expect(pages->flat != NULL, 1)) {
		*ret_size = size;
		return pages->flat + offset;
	}
	at = offset + pages->first;
	in = (size_t)(at & 4095);
	left = 4096 - in;
	*ret_size = size < left ? size : left;
	return pages->page[at >> 12] + in;
}

/* Copies across pages; the same condition on 'offset' and 'size'. */
void vmbus_pages_read(const struct vmbus_pages *pages, uint64_t offset, void *to, size_t size);
void vmbus_pages_write(const struct vmbus_pages *pages, uint64_t offset, const void *from,
		       size_t size);

#endif

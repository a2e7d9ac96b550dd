/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See pages.h.
 */
#include "vmbus/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/gpa.h"
#include "vmbus/gpadl.h"

_Static_assert(GPA_PAGE_SIZE == 4096, "vmbus_pages_at() counts in pages of 4 KiB");

/* 0, or -EFAULT; and whether the pages lie together. */
static int find_pages(const struct gpa_map *map, const struct vmbus_gpadl *gpadl,
		      struct vmbus_pages *pages)
{
	bool together = true;

	for (uint32_t i = 0; i < gpadl->n_pfns; i++) {
		pages->page[i] = gpa_page(map, gpadl->pfns[i]);
		if (pages->page[i] == NULL)
			return -EFAULT;
		together = together && pages->page[i] == pages->page[0] + (size_t)i * GPA_PAGE_SIZE;
	}
	if (together)
		pages->flat = pages->page[0] + pages->first;
	return 0;
}

int vmbus_pages_create(const struct gpa_map *map, const struct vmbus_gpadl *gpadl,
		       struct vmbus_pages **ret_pages)
{
	uint64_t end = (uint64_t)gpadl->byte_offset + gpadl->byte_count;
	struct vmbus_pages *pages;

	if (gpadl->byte_count == 0 || gpadl->byte_offset >= GPA_PAGE_SIZE ||
	    end > (uint64_t)gpadl->n_pfns * GPA_PAGE_SIZE)
		return -EFAULT;
	pages = calloc(1, sizeof(*pages) + gpadl->n_pfns * sizeof(pages->page[0]));
	if (pages == NULL)
		return -ENOMEM;
	pages->size = gpadl->byte_count;
	pages->first = gpadl->byte_offset;
	pages->n_pages = gpadl->n_pfns;
	if (find_pages(map, gpadl, pages) != 0) {
		free(pages);
		return -EFAULT;
	}
	if (pages->flat != NULL)
		pages->first = 0;
	*ret_pages = pages;
	return 0;
}

void vmbus_pages_destroy(struct vmbus_pages *pages)
{
	free(pages);
}

void vmbus_pages_read(const struct vmbus_pages *pages, uint64_t offset, void *to, size_t size)
{
	uint8_t *at = to;

	while (size > 0) {
		size_t here;
		const uint8_t *from = vmbus_pages_at(pages, offset, size, &here);

		memcpy(at, from, here);
		at += here;
		offset += here;
		size -= here;
	}
	/* As vmbus_in_copy(): what is used is what was copied. */
	__asm__ volatile("" : : "r"(to) : "memory");
}

void vmbus_pages_write(const struct vmbus_pages *pages, uint64_t offset, const void *from,
		       size_t size)
{
	const uint8_t *at = from;

	while (size > 0) {
		size_t here;
		uint8_t *to = vmbus_pages_at(pages, offset, size, &here);

		memcpy(to, at, here);
		at += here;
		offset += here;
		size -= here;
	}
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest's physical memory, as this process maps it: ranges of addresses, each from one file
 * descriptor.  Everything that touches guest memory asks here first.
 *
 * Immutable once it is in use; readers on any thread.  The guest, and whoever else maps the files,
 * changes the bytes at any time: copy once, check the copy, use the copy.
 */
#ifndef HV_GPA_H
#define HV_GPA_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GPA_PAGE_SHIFT 12
#define GPA_PAGE_SIZE  4096u
/* RAM below and above the hole under 4 GB, and what is plugged in later. */
#define GPA_MAX_RANGES 16

struct gpa_range {
	uint64_t gpa;
	uint64_t size;
	uint8_t *va;
};

struct gpa_map {
	unsigned n;
	struct gpa_range range[GPA_MAX_RANGES]; /* by address, disjoint */
};

/* The bytes [gpa, gpa + size), if one range holds them all and 'size' is not 0; else NULL. */
static inline uint8_t *gpa_at(const struct gpa_map *map, uint64_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < map->n; i++) {
		const struct gpa_range *r = &map->range[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size)
			return size != 0 && size <= r->size - (gpa - r->gpa)
				       ? r->va + (gpa - r->gpa)
				       : NULL;
	}
	return NULL;
}

/* The page of a page frame number, or NULL. */
static inline uint8_t *gpa_page(const struct gpa_map *map, uint64_t pfn)
{
	if (pfn > UINT64_MAX >> GPA_PAGE_SHIFT)
		return NULL;
	return gpa_at(map, pfn << GPA_PAGE_SHIFT, GPA_PAGE_SIZE);
}

/* Maps 'size' bytes of 'fd' from 'offset' on at guest address 'gpa', readable and writable; the
 * descriptor stays the caller's.  All three are multiples of the page size.  Refused: overlaps, too
 * many ranges (-E2BIG), a file that is shorter (-EINVAL), what mmap() refuses.  Control thread. */
int gpa_map_add(struct gpa_map *map, uint64_t gpa, uint64_t size, int fd, uint64_t offset,
		struct err *err);
/* Unmaps all; the map is empty afterwards. */
void gpa_map_fini(struct gpa_map *map);

#endif

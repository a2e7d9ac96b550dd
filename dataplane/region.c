/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See region.h.
 */
#include "dataplane/region.h"

#include <stdint.h>
#include <sys/mman.h>

#define PAGE 4096u

void *dp_region_reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_HUGEPAGE);
	return p;
}

void dp_region_populate(void *part, size_t size)
{
#ifdef MADV_POPULATE_WRITE
	char *start = (char *)part - (uintptr_t)part % PAGE;
	size_t whole = (size + (uintptr_t)part % PAGE + PAGE - 1) / PAGE * PAGE;

	madvise(start, whole, MADV_POPULATE_WRITE);
#endif
}

void dp_region_free(void *region, size_t size)
{
	if (region != NULL)
		munmap(region, size);
}

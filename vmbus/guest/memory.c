/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See memory.h.
 */
#include "vmbus/guest/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLUG  "guest-memory"
#define SHARE (2ull << 20) /* a huge page */

static int open_file(struct guest_memory *memory)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	memory->fd = memory->huge ? memfd_create("guest", flags | MFD_HUGETLB) : -1;
	if (memory->fd >= 0) {
		/* Reserve now: pages that are not there would be a SIGBUS later. */
		if (ftruncate(memory->fd, (off_t)memory->size) == 0 &&
		    fallocate(memory->fd, 0, 0, (off_t)memory->size) == 0)
			return 0;
		close(memory->fd);
	}
	memory->huge = false;
	memory->fd = memfd_create("guest", flags);
	if (memory->fd < 0)
		return -errno;
	return ftruncate(memory->fd, (off_t)memory->size) == 0 ? 0 : -errno;
}

static int map_ranges(struct guest_memory *memory, struct err *err)
{
	for (unsigned i = 0; i < memory->n_ranges; i++) {
		int rc = gpa_map_add(&memory->map, memory->range[i].gpa, memory->range[i].size,
				     memory->fd, memory->range[i].offset, err);

		if (rc != 0)
			return rc;
		if (!memory->huge) /* a wish: what there is decides */
			(void)madvise(memory->map.range[i].va, memory->range[i].size,
				      MADV_HUGEPAGE);
	}
	return 0;
}

static void lay_out(struct guest_memory *memory, bool split)
{
	uint64_t low = split ? memory->size / 2 : memory->size;

	memory->n_ranges = split ? 2 : 1;
	memory->range[0].gpa = GUEST_MEMORY_GPA;
	memory->range[0].size = low;
	if (split) {
		memory->range[1].gpa = GUEST_MEMORY_HIGH_GPA;
		memory->range[1].size = memory->size - low;
		memory->range[1].offset = low;
	}
	memory->n_pages = (uint32_t)(memory->size >> GPA_PAGE_SHIFT);
}

int guest_memory_create(uint64_t size, bool huge, bool split, struct guest_memory **ret_memory,
			struct err *err)
{
	const uint64_t unit = split ? 2 * SHARE : SHARE;
	struct guest_memory *memory = calloc(1, sizeof(*memory));
	int rc;

	if (memory == NULL)
		return err_set(err, -ENOMEM, SLUG, "no memory left");
	memory->huge = huge;
	memory->size = (size + unit - 1) / unit * unit;
	lay_out(memory, split);
	memory->used = calloc(1, memory->n_pages);
	rc = memory->used == NULL ? -ENOMEM : open_file(memory);
	if (rc == 0 &&
	    fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
		rc = -errno;
	if (rc != 0)
		err_set(err, rc, SLUG, "cannot make %llu MB of guest memory: %s",
			(unsigned long long)(memory->size >> 20), strerror(-rc));
	else
		rc = map_ranges(memory, err);
	if (rc != 0) {
		guest_memory_destroy(memory);
		return rc;
	}
	*ret_memory = memory;
	return 0;
}

void guest_memory_destroy(struct guest_memory *memory)
{
	if (memory == NULL)
		return;
	gpa_map_fini(&memory->map);
	if (memory->fd > 0)
		close(memory->fd);
	free(memory->used);
	free(memory);
}

static uint64_t page_gpa(const struct guest_memory *memory, uint32_t page)
{
	uint64_t at = (uint64_t)page << GPA_PAGE_SHIFT;
	unsigned r = memory->n_ranges == 2 && at >= memory->range[1].offset;

	return memory->range[r].gpa + (at - memory->range[r].offset);
}

static bool run_is_free(const struct guest_memory *memory, uint32_t first, uint32_t n)
{
	if (first + n > memory->n_pages ||
	    page_gpa(memory, first + n - 1) - page_gpa(memory, first) != (uint64_t)(n - 1)
										 << GPA_PAGE_SHIFT)
		return false;
	return memchr(memory->used + first, 1, n) == NULL;
}

/* The first page of 'n' that are free and together; UINT32_MAX: none. */
static uint32_t find_run(const struct guest_memory *memory, uint32_t n)
{
	for (uint32_t i = 0; i < memory->n_pages; i++) {
		uint32_t first = (memory->next + i) % memory->n_pages;

		if (memory->used[first] == 0 && run_is_free(memory, first, n))
			return first;
	}
	return UINT32_MAX;
}

static int take_run(struct guest_memory *memory, struct guest_buffer *buffer)
{
	uint32_t first = find_run(memory, buffer->n_pages);

	if (first == UINT32_MAX)
		return -ENOMEM;
	memory->next = (first + buffer->n_pages) % memory->n_pages;
	memset(memory->used + first, 1, buffer->n_pages);
	for (uint32_t i = 0; i < buffer->n_pages; i++)
		buffer->pfns[i] = page_gpa(memory, first + i) >> GPA_PAGE_SHIFT;
	buffer->va = gpa_at(&memory->map, page_gpa(memory, first),
			    (uint64_t)buffer->n_pages << GPA_PAGE_SHIFT);
	memset(buffer->va, 0, (size_t)buffer->n_pages << GPA_PAGE_SHIFT);
	return 0;
}

static uint32_t page_of(const struct guest_memory *memory, uint64_t pfn)
{
	uint64_t gpa = pfn << GPA_PAGE_SHIFT;
	unsigned r = memory->n_ranges == 2 && gpa >= memory->range[1].gpa;

	return (uint32_t)((gpa - memory->range[r].gpa + memory->range[r].offset) >> GPA_PAGE_SHIFT);
}

/* Takes pages that do not follow each other: backwards, every third. */
static int pick_scattered(struct guest_memory *memory, struct guest_buffer *buffer)
{
	const uint32_t third = (memory->n_pages + 2) / 3;
	uint32_t n = 0;

	for (uint32_t i = 0; i < 3 * third && n < buffer->n_pages; i++) {
		uint32_t back = i / third + 3 * (i % third);

		if (back >= memory->n_pages || memory->used[memory->n_pages - 1 - back] != 0)
			continue;
		memory->used[memory->n_pages - 1 - back] = 1;
		buffer->pfns[n++] = page_gpa(memory, memory->n_pages - 1 - back) >> GPA_PAGE_SHIFT;
	}
	if (n == buffer->n_pages)
		return 0;
	buffer->n_pages = n;
	return -ENOMEM;
}

static int take_scattered(struct guest_memory *memory, struct guest_buffer *buffer)
{
	uint8_t *va;
	int rc = pick_scattered(memory, buffer);

	if (rc != 0)
		return rc;
	va = mmap(NULL, (size_t)buffer->n_pages << GPA_PAGE_SHIFT, PROT_NONE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (va == MAP_FAILED)
		return -ENOMEM;
	buffer->va = va;
	for (uint32_t i = 0; i < buffer->n_pages; i++) {
		off_t at = (off_t)page_of(memory, buffer->pfns[i]) << GPA_PAGE_SHIFT;

		if (mmap(va + ((size_t)i << GPA_PAGE_SHIFT), GPA_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, memory->fd, at) == MAP_FAILED)
			return -ENOMEM;
	}
	memset(va, 0, (size_t)buffer->n_pages << GPA_PAGE_SHIFT);
	return 0;
}

int guest_buffer_alloc(struct guest_memory *memory, uint32_t n_pages, bool scattered,
		       struct guest_buffer *ret_buffer)
{
	struct guest_buffer buffer = {.n_pages = n_pages, .scattered = scattered};
	int rc;

	if (scattered && memory->huge)
		return -EOPNOTSUPP;
	if (n_pages == 0 || n_pages > memory->n_pages)
		return -ENOMEM;
	buffer.pfns = calloc(n_pages, sizeof(*buffer.pfns));
	if (buffer.pfns == NULL)
		return -ENOMEM;
	rc = scattered ? take_scattered(memory, &buffer) : take_run(memory, &buffer);
	if (rc != 0) {
		if (!scattered)
			buffer.n_pages = 0; /* none were taken */
		guest_buffer_free(memory, &buffer);
		return rc;
	}
	*ret_buffer = buffer;
	return 0;
}

void guest_buffer_forget(struct guest_buffer *buffer)
{
	if (buffer->scattered && buffer->va != NULL)
		munmap(buffer->va, (size_t)buffer->n_pages << GPA_PAGE_SHIFT);
	free(buffer->pfns);
	*buffer = (struct guest_buffer){0};
}

void guest_buffer_free(struct guest_memory *memory, struct guest_buffer *buffer)
{
	for (uint32_t i = 0; buffer->pfns != NULL && i < buffer->n_pages; i++)
		memory->used[page_of(memory, buffer->pfns[i])] = 0;
	guest_buffer_forget(buffer);
}

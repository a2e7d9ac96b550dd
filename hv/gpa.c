/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See gpa.h.
 */
#include "hv/gpa.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SLUG	  "guest-memory"
#define PAGE_MASK (GPA_PAGE_SIZE - 1)

static int check_range(const struct gpa_map *map, uint64_t gpa, uint64_t size, uint64_t offset,
		       struct err *err)
{
	if (size == 0 || ((gpa | size | offset) & PAGE_MASK) != 0)
		return err_set(err, -EINVAL, SLUG, "memory range %#llx+%#llx is not in whole pages",
			       (unsigned long long)gpa, (unsigned long long)size);
	if (size > UINT64_MAX - gpa || size > UINT64_MAX - offset || size > SIZE_MAX)
		return err_set(err, -EINVAL, SLUG,
			       "memory range at %#llx ends beyond all addresses",
			       (unsigned long long)gpa);
	for (unsigned i = 0; i < map->n; i++) {
		const struct gpa_range *r = &map->range[i];

		if (gpa < r->gpa + r->size && r->gpa < gpa + size)
			return err_set(err, -EINVAL, SLUG, "memory range at %#llx overlaps another",
				       (unsigned long long)gpa);
	}
	if (map->n == GPA_MAX_RANGES)
		return err_set(err, -E2BIG, SLUG, "more than %u memory ranges", GPA_MAX_RANGES);
	return 0;
}

static int check_file(int fd, uint64_t end, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_set(err, -errno, SLUG, "cannot look at the memory file: %s",
			       strerror(errno));
	if (st.st_size < 0 || (uint64_t)st.st_size < end)
		return err_set(err, -EINVAL, SLUG, "the memory file has %llu bytes, not %llu",
			       (unsigned long long)st.st_size, (unsigned long long)end);
	return 0;
}

static void insert(struct gpa_map *map, const struct gpa_range *range)
{
	unsigned at = map->n;

	while (at > 0 && map->range[at - 1].gpa > range->gpa)
		at--;
	memmove(&map->range[at + 1], &map->range[at], (map->n - at) * sizeof(*range));
	map->range[at] = *range;
	map->n++;
}

int gpa_map_add(struct gpa_map *map, uint64_t gpa, uint64_t size, int fd, uint64_t offset,
		struct err *err)
{
	int rc = check_range(map, gpa, size, offset, err);
	void *va;

	if (rc == 0)
		rc = check_file(fd, offset + size, err);
	if (rc != 0)
		return rc;
	va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (va == MAP_FAILED)
		return err_set(err, -errno, SLUG, "cannot map %llu bytes of guest memory: %s",
			       (unsigned long long)size, strerror(errno));
	insert(map, &(struct gpa_range){.gpa = gpa, .size = size, .va = va});
	return 0;
}

void gpa_map_fini(struct gpa_map *map)
{
	for (unsigned i = 0; i < map->n; i++)
		munmap(map->range[i].va, map->range[i].size);
	map->n = 0;
}

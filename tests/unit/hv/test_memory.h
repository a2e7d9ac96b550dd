/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest's memory of a few pages for tests: TEST_PAGES at address 0, and one page alone at
 * TEST_ISLAND.
 */
#ifndef TESTS_UNIT_HV_TEST_MEMORY_H
#define TESTS_UNIT_HV_TEST_MEMORY_H

#include "hv/gpa.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEST_PAGES  8
#define TEST_SIZE   (TEST_PAGES * (uint64_t)GPA_PAGE_SIZE)
#define TEST_ISLAND 0x100000ull

static inline int test_memory_init(struct gpa_map *map)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	int rc = -1;

	map->n = 0;
	if (fd >= 0 && ftruncate(fd, TEST_SIZE + GPA_PAGE_SIZE) == 0 &&
	    gpa_map_add(map, 0, TEST_SIZE, fd, 0, NULL) == 0)
		rc = gpa_map_add(map, TEST_ISLAND, GPA_PAGE_SIZE, fd, TEST_SIZE, NULL);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Bytes that are there. */
static inline uint8_t *test_at(const struct gpa_map *map, uint64_t gpa, uint64_t size)
{
	uint8_t *at = gpa_at(map, gpa, size);

	if (at == NULL)
		abort();
	return at;
}

#endif

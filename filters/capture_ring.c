/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The memory of a capture ring; see capture_ring.h.
 */
#include "filters/capture_ring.h"

#include <stdlib.h>

#include <sys/mman.h>

struct filter_ring *filter_ring_create(size_t size)
{
	struct filter_ring *ring = aligned_alloc(alignof(struct filter_ring), sizeof(*ring));
	void *data;

	if (ring == NULL)
		return NULL;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
		    -1, 0);
	if (data == MAP_FAILED) {
		free(ring);
		return NULL;
	}
	*ring = (struct filter_ring){.data = data, .size = size};
	return ring;
}

void filter_ring_destroy(struct filter_ring *ring)
{
	if (ring == NULL)
		return;
	munmap(ring->data, ring->size);
	free(ring);
}

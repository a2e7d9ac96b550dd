/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest's RAM: one memory file, sealed against shrinking (the switch maps it too), in huge pages
 * when the host has some, mapped here and given to KVM as two slots, below and above the hole under
 * 4 GB (layout.h).
 *
 * Immutable once made, but for what the balloon gives back (hv_memory_discard()), and whether it
 * may (hv_memory_pin()).
 */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include "hv/gpa.h"

struct hv_memory {
	int fd;
	uint64_t size;	    /* bytes */
	uint64_t low_size;  /* of them below 4 GB, at file offset 0 */
	uint64_t high_size; /* of them from HV_HIGH_MEMORY on, behind those in the file */
	bool huge;	 /* in huge pages of its own (hugetlbfs); else transparent ones, perhaps */
	unsigned n_pins; /* hv_memory_pin() */
	struct gpa_map map;
};

enum hv_memory_pages {
	HV_PAGES_AUTO, /* huge ones if there are enough */
	HV_PAGES_SMALL,
	HV_PAGES_HUGE, /* or fail */
};

/* 'size' is a multiple of 2 MB, at least 32 MB.  Errors: -ENOMEM with how much there is. */
int hv_memory_create(uint64_t size, enum hv_memory_pages pages, struct hv_memory *ret_memory,
		     struct err *err);
void hv_memory_destroy(struct hv_memory *memory);
/* Gives [gpa, gpa + size) back to the host; it reads as zeros, and is memory again, when the guest
 * touches it.  0, -EFAULT, or what fallocate() says. */
int hv_memory_discard(struct hv_memory *memory, uint64_t gpa, uint64_t size);
/* Somebody has the host's addresses of it, a device: until as many unpins nothing is given back
 * (hv_memory_discard() does nothing, and returns 0: what the guest gave stays as it is). */
void hv_memory_pin(struct hv_memory *memory);
void hv_memory_unpin(struct hv_memory *memory);
/* Bytes that the host holds for it now. */
uint64_t hv_memory_resident(const struct hv_memory *memory);

#endif

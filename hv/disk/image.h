/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Images as files: what one is, and how one is made.  Raw ones by ourselves, the others by
 * qemu-img.
 *
 * Thread: any, one at a time for an image; it waits for qemu-img.
 */
#ifndef HV_DISK_IMAGE_H
#define HV_DISK_IMAGE_H

#include "hv/disk/open.h"

struct disk_image {
	enum disk_format format;
	bool block_device;
	uint64_t size;	/* bytes, as a guest sees it */
	uint64_t taken; /* bytes that the host holds for it */
};

/* Looks at an image, and finds its format by what it begins or ends with.  What is none of those
 * known is raw, unless it is an ISO. */
int disk_image_info(const char *path, struct disk_image *ret_image, struct err *err);
/* Makes an image of 'size' bytes (a multiple of 512, at least 1 MB), for its owner only.
 * 'preallocate': with all its room taken.  -EEXIST: there is a file already; -ENOSPC. */
int disk_image_create(const char *path, enum disk_format format, uint64_t size, bool preallocate,
		      struct err *err);

#endif

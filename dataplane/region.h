/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Large arrays that grow in place: address space is reserved at once, memory comes when it is asked
 * for, on the control thread, so that a worker never waits for the kernel.  Huge pages where the
 * kernel has them.
 */
#ifndef DATAPLANE_REGION_H
#define DATAPLANE_REGION_H

#include <stddef.h>

/* Zeroed address space; NULL when there is none. */
void *dp_region_reserve(size_t size);
/* Memory for a part of it.  Without MADV_POPULATE_WRITE (before Linux 5.14) the first touch brings
 * it. */
void dp_region_populate(void *part, size_t size);
/* Takes NULL. */
void dp_region_free(void *region, size_t size);

#endif

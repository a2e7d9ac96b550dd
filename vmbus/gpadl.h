/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A GPADL: guest memory that the guest has lent to the host, as a list of pages, under a number.
 * The server assembles and checks them (all pages are memory); devices use them between
 * 'gpadl_created' and vmbus_gpadl_released() (channel.h).
 */
#ifndef VMBUS_GPADL_H
#define VMBUS_GPADL_H

#include <stdint.h>

/* What a header's 16 bits of byte count can say. */
#define VMBUS_GPADL_MAX_PFNS 8190

struct vmbus_gpadl {
	uint32_t id;
	uint16_t relid;	      /* of the channel it was made for */
	uint32_t byte_count;  /* of its one range */
	uint32_t byte_offset; /* in the first page */
	uint32_t n_pfns;
	uint64_t pfns[];
};

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files between processes that do not trust each other: anonymous memory that its maker can no
 * longer change or cut short, so that who maps it reads what it checked and meets no SIGBUS
 * (memfd_create(2), F_ADD_SEALS).
 */
#ifndef CTL_BASE_SEALED_H
#define CTL_BASE_SEALED_H

#include "ctl/base/err.h"

#include <stddef.h>

struct sealed {
	const char *text; /* not ended by a zero; NULL when 'size' is 0 */
	size_t size;
};

/* All that is left in 'from', as a sealed file.  Returns its descriptor, or a negative errno:
 * -EFBIG (slug "too-long") when it is longer than 'max'.  'name' is what errors call it. */
int sealed_copy(int from, const char *name, size_t max, struct err *err);

/* Maps a sealed file; 'fd' stays the caller's.  0, -EINVAL when it is none (slug "not-sealed"),
 * -EFBIG, -ENOMEM. */
int sealed_map(int fd, size_t max, struct sealed *ret_sealed, struct err *err);
void sealed_unmap(struct sealed *sealed);

#endif

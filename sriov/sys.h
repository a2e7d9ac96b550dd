/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Small files of sysfs below a root folder, which is "" but in tests.  Paths are absolute, as the
 * kernel has them.  Within this folder only.
 */
#ifndef SRIOV_SYS_H
#define SRIOV_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRIOV_PATH_SIZE 512

/* root + fmt; "" when it is too long, which no call below finds. */
__attribute__((format(printf, 3, 4))) void sriov_path(char path[SRIOV_PATH_SIZE], const char *root,
						      const char *fmt, ...);
/* The first line of a file, without its end.  0 or -errno, then 'ret' is "". */
int sriov_read(const char *path, char *ret, size_t size);
/* A number, "0x8086" or "4".  0 or -errno; -EBADMSG: it is none. */
int sriov_read_number(const char *path, uint64_t *ret);
/* One write() of 'text'.  0 or -errno: what the kernel says to it. */
int sriov_write(const char *path, const char *text);
/* Last part of what a link leads to; "" when there is none. */
void sriov_link_name(const char *path, char *ret, size_t size);
bool sriov_exists(const char *path);
/* The first name in a folder that does not begin with '.'; "" when there is none. */
void sriov_first_in(const char *path, char *ret, size_t size);

#endif

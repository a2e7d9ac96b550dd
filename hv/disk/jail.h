/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a storage daemon is locked in: it becomes the machine's own user, keeps of root's powers only
 * that to open the image, which is root's, and may (Landlock) write that image alone, read the
 * folder it lies in, where an image's backing files are, and read what programs are made of.
 *
 * A kernel without Landlock leaves it the power over files without that limit; docs/limits.md.
 *
 * In the child, between fork and exec.
 */
#ifndef HV_DISK_JAIL_H
#define HV_DISK_JAIL_H

#include <sys/types.h>

/* 0 or negative errno: then the child must end. */
int disk_jail_enter(uid_t uid, gid_t gid, const char *image, const char *folder);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Locks of images, the same that QEMU's tools take: a byte
 * for each thing that one does with the image, another for each that one does not suffer others to
 * do, held shared; and each looks at the other kind before it begins.
 *
 * 	byte 100 + p   "I do p"                   p: 0 consistent reads, 1 writes
 * 	byte 200 + p   "nobody else may do p"
 */
#include "hv/disk/disk_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define USES   100
#define SPARES 200
#define READS  0
#define WRITES 1

static int hold(int fd, off_t byte)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : -errno;
}

static bool held_by_others(int fd, off_t byte)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int lock_once(int fd, bool read_only)
{
	int rc = hold(fd, USES + READS);

	if (rc == 0 && !read_only)
		rc = hold(fd, USES + WRITES);
	/* Nobody writes what we use; many may read what none writes. */
	if (rc == 0)
		rc = hold(fd, SPARES + WRITES);
	if (rc != 0)
		return rc == -EAGAIN || rc == -EACCES ? -EBUSY : 0; /* no locks there: nobody has */
	if (held_by_others(fd, SPARES + READS) || held_by_others(fd, USES + WRITES))
		return -EBUSY;
	return !read_only && held_by_others(fd, SPARES + WRITES) ? -EBUSY : 0;
}

/* Who was killed with the image open lets go in a moment. */
int disk_lock(int fd, bool read_only)
{
	int rc = lock_once(fd, read_only);

	for (unsigned i = 0; rc == -EBUSY && i < 20; i++) {
		usleep(100000);
		rc = lock_once(fd, read_only);
	}
	return rc;
}

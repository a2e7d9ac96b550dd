/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of images share.
 */
#ifndef HV_DISK_DISK_PRIV_H
#define HV_DISK_DISK_PRIV_H

#include "hv/disk/open.h"
#include "vmbus/disk.h"

#define DISK_SLUG "disk"

/* Raw images and ISOs; 'fd' is taken if it returns 0. */
int disk_file_create(struct disk_engine *engine, const struct disk_spec *spec, int fd,
		     struct disk **ret_disk, struct err *err);
/* An NBD server behind a connected socket, which is taken in any case.  'daemon' (may be NULL) is
 * taken if it returns 0: it ends with the disk. */
struct qsd;
int disk_nbd_create(const struct disk_spec *spec, int socket, struct qsd *daemon,
		    struct disk **ret_disk, struct err *err);
/* Takes the locks that QEMU's tools take; they end with 'fd'.  0; -EBUSY: somebody else has the
 * image. */
int disk_lock(int fd, bool read_only);

#endif

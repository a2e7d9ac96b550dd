/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A qemu-storage-daemon for one image: it knows qcow2, VHD and VHDX, and serves what they hold as
 * NBD on a socket that leads to us alone.
 *
 * 	we ──NBD, unix socket──► qemu-storage-daemon ──► image
 * 	   ──"quit", socket pair──►
 *
 * It ends when it is told to, or when we die.  A daemon of the machine's own: what breaks it breaks
 * that machine's disk and nothing else.
 *
 * Thread: whoever opens disks, before its process locks itself in; the daemon ends with the thread
 * that started it, if that dies.
 */
#ifndef HV_DISK_QSD_H
#define HV_DISK_QSD_H

#include "hv/disk/open.h"

struct qsd;

/* Starts one for spec->path, and connects: *ret_socket is the caller's.  0; -ENOENT: no daemon is
 * installed; -EPROTO with the daemon's words when it refuses the image; others: no process, no
 * socket. */
int qsd_start(const struct disk_spec *spec, struct qsd **ret_qsd, int *ret_socket, struct err *err);
/* What the daemon said when it ended, or is saying; "" when it is silent. */
void qsd_words(struct qsd *qsd, char *text, unsigned size);
bool qsd_alive(struct qsd *qsd);
/* Tells it to end, and waits for that a while.  Takes NULL. */
void qsd_end(struct qsd *qsd);

#endif

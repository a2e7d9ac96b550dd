/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The serial port of a guest: a 16550A on I/O ports.  What the guest sends goes to a ring of the
 * last 64 KB (so that who attaches later sees it) and to whoever watches; what is typed waits in a
 * FIFO.  A guest may send as fast as it likes: nothing blocks and nothing grows.
 *
 * Threads: registers on processors' threads, the rest on the owner's; the device lock for all
 * (board.h), which is taken here.  The owner is told by an event descriptor, at most once until it
 * has looked.
 *
 * Source: the PC16550D data sheet (National Semiconductor, June 1995).
 */
#ifndef HV_SERIAL_H
#define HV_SERIAL_H

#include "ctl/base/err.h"
#include "hv/board.h"

#include <stddef.h>
#include <stdint.h>

#define HV_SERIAL_RING 65536u
#define HV_SERIAL_FIFO 4096u

struct hv_serial;

/* Adds it to the board's ports (HV_PORT_SERIAL). */
int hv_serial_create(const struct hv_board *board, struct hv_serial **ret_serial, struct err *err);
/* Nobody calls its ports any more.  Takes NULL. */
void hv_serial_destroy(struct hv_serial *serial);
void hv_serial_reset(struct hv_serial *serial); /* power-on; what was sent stays */
/* Readable when the guest sent something since the last hv_serial_read(), or took what was typed
 * after hv_serial_write() had to leave some. */
int hv_serial_fd(const struct hv_serial *serial);
/* Output since *at, which counts bytes since the start (too old: from what there is; too new:
 * nothing).  Bytes copied; *at moves.  Readers may be many, each with a place of its own: when the
 * descriptor is readable, all should read until nothing is left. */
size_t hv_serial_read(struct hv_serial *serial, uint64_t *at, void *to, size_t size);
/* Types.  Bytes taken; the rest later: the FIFO holds HV_SERIAL_FIFO. */
size_t hv_serial_write(struct hv_serial *serial, const void *bytes, size_t size);

#endif

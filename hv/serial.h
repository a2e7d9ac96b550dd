/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The serial port of a guest: a 16550A on I/O ports.  What the guest sends goes to a ring of the
 * last 64 KB (so that who attaches later sees it) and to whoever watches; what is typed waits in a
 * FIFO.
 *
 * Threads: registers on processors' threads, the rest on the owner's; the device lock for all
 * (pio.h).  The owner is told by an event descriptor, at most once until it has looked.
 */
#ifndef HV_SERIAL_H
#define HV_SERIAL_H

#include "hv/partition.h"

struct hv_serial;

/* Adds it to the partition's ports. */
int hv_serial_create(struct hv_partition *partition, struct hv_serial **ret_serial,
		     struct err *err);
void hv_serial_destroy(struct hv_serial *serial);
void hv_serial_reset(struct hv_serial *serial); /* power-on; what was sent stays */
/* Readable when there is output that hv_serial_read() has not given. */
int hv_serial_fd(const struct hv_serial *serial);
/* Output since *at (bytes since the start; too old: from what there is).  Bytes copied; *at moves.
 */
size_t hv_serial_read(struct hv_serial *serial, uint64_t *at, void *to, size_t size);
/* Types.  Bytes taken; the rest later: the FIFO holds 4 KB. */
size_t hv_serial_write(struct hv_serial *serial, const void *bytes, size_t size);

#endif

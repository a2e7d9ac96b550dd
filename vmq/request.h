/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest asks to be done to a frame it sends (per-packet information of RNDIS), as the
 * requests that dataplane/port.h wants on an mbuf.  Worker; no state.
 */
#ifndef VMQ_REQUEST_H
#define VMQ_REQUEST_H

#include <stdint.h>

struct rndis_packet;
struct rte_mbuf;

/* Believes nothing that the frame does not confirm.  'shift': bytes that were put into the frame
 * before layer 3 since the guest counted its offsets (a tag).  A super-frame gets the lengths, the
 * IP checksum and the pseudo-header sum that a Linux host would send; guests leave them out.  0, or
 * -EBADMSG: what is asked and the frame do not fit together, drop it.  The frame must be writable,
 * its headers in the first segment. */
int vmq_request(struct rte_mbuf *m, const struct rndis_packet *packet, uint32_t shift);

#endif

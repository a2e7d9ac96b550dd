/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A frame that a match describes: for who asks what becomes of "tcp,nw_dst=10.0.0.1" (trace.h).
 * Bytes only; any thread.
 */
#ifndef VSWITCH_FLOW_FRAME_H
#define VSWITCH_FLOW_FRAME_H

#include "ctl/base/wire.h"
#include "dataplane/key.h"

/* Appends to 'wr' (empty) a frame that has what 'key' says in the bits of 'mask', and for the rest:
 * addresses 02:00:00:00:00:01 and :02, 10.0.0.1 and .2 (fd00::1 and ::2), EtherType 0x88b5 (local
 * experiments), protocol 253 (the same), ports 49152 and 49153, SYN, an echo request, an
 * ARP request; all checksums right; at least 60 bytes.  IN_PORT is the caller's.
 *
 * DP_N_FIELDS, or a field for which no frame can have what is asked (METADATA, which no frame has;
 * an address of a protocol that the EtherType is not). */
enum dp_field vs_flow_frame(const struct dp_key *key, const struct dp_key *mask, uint8_t ttl,
			    struct wr *wr);

#endif

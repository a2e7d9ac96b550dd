/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Between the words of Linux about a frame that is not finished (struct virtio_net_hdr of a tap
 * device) and those of the NIC (RNDIS): checksums that somebody else fills in, and TCP
 * super-frames.
 *
 * 	tap ─► NIC   NEEDS_CSUM           checksum PPI; what that cannot say is computed here
 * 	             GSO_TCPV4, TCPV6     LSO PPI, headers as Linux's netvsc leaves them
 * 	             802.1Q tag           VLAN PPI, tag taken out
 * 	NIC ─► tap   checksum good        NEEDS_CSUM over a pseudo-header sum, which a kernel takes
 * for good, and completes if the frame goes further longer than the MTU  GSO, with segments that
 * fit the MTU
 *
 * Both believe only what the frame's own headers confirm.  Source: VIRTIO 1.2, 5.1.6; netvsp of
 * Linux drivers/net/hyperv.  No state; any thread.
 */
#ifndef VMBUS_GUEST_VNET_H
#define VMBUS_GUEST_VNET_H

#include "vmbus/guest/net.h"

#include <stdint.h>

#include <linux/virtio_net.h>

#define GUEST_VNET_TAG 4 /* bytes that a frame may grow by on its way to the tap */

/* The frame is in frame->data, frame->size bytes, and changed in place ('data' may move up by a
 * tag).  0; -EBADMSG: header and frame do not fit together. */
int guest_vnet_to_nic(const struct virtio_net_hdr *hdr, struct guest_frame *frame);
/* 'frame' is the first piece of a frame of 'total' bytes, which is changed in place, or has it all.
 * A tag is put in by whoever writes: guest_vnet_tag(). */
void guest_vnet_from_nic(struct guest_frame *frame, uint32_t total, uint16_t mtu,
			 struct virtio_net_hdr *ret_hdr);
/* The header's offsets for a frame that gets a tag after its addresses. */
void guest_vnet_tag(struct virtio_net_hdr *hdr);

#endif

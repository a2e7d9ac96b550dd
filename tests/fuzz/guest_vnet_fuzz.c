/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any header and any frame between a tap and a NIC: first the header, then 32 bits of what the NIC
 * says about checksums, then the frame.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "vmbus/guest/vnet.h"

static void both_ways(const struct virtio_net_hdr *hdr, uint32_t csum, const uint8_t *frame,
		      uint32_t size)
{
	/* Of its own, so that a byte beyond it is seen. */
	uint8_t *copy = malloc(size != 0 ? size : 1);
	struct guest_frame f = {.data = copy, .size = size};
	struct virtio_net_hdr out;

	if (copy == NULL)
		abort();
	memcpy(copy, frame, size);
	if (guest_vnet_to_nic(hdr, &f) == 0 &&
	    (f.data < copy || f.size > size || f.data + f.size != copy + size))
		abort();
	memcpy(copy, frame, size);
	f = (struct guest_frame){.data = copy, .size = size, .flags = GUEST_HAS_CSUM, .csum = csum};
	guest_vnet_from_nic(&f, size + csum % 60000, 1500, &out);
	if ((out.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 &&
	    (uint32_t)out.csum_start + out.csum_offset + 2 > size)
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_net_hdr hdr;
	uint32_t csum;

	if (size < sizeof(hdr) + sizeof(csum))
		return 0;
	memcpy(&hdr, data, sizeof(hdr));
	memcpy(&csum, data + sizeof(hdr), sizeof(csum));
	data += sizeof(hdr) + sizeof(csum);
	size -= sizeof(hdr) + sizeof(csum);
	both_ways(&hdr, csum, data, (uint32_t)size);
	return 0;
}

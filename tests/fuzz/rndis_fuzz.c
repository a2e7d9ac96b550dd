/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the readers of RNDIS.  Control messages: data lie within the message, and what is written
 * again reads the same.  Data packets: the frame lies within the message, and the same.
 *
 * Input: one byte (how much of a data packet was copied: all, or so many), then the message.
 */
#include "vmbus/rndis.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void check_control(const uint8_t *exact, size_t size)
{
	struct rndis_msg m, back;
	size_t max = size + 64, written;
	uint8_t *bytes;

	if (rndis_read(exact, size, &m) < 0)
		return;
	if (m.data_size > 0 && ((const uint8_t *)m.data < exact || m.data_size > size ||
				(size_t)((const uint8_t *)m.data - exact) > size - m.data_size))
		abort();
	bytes = malloc(max);
	if (bytes == NULL)
		return;
	written = rndis_write(&m, bytes, max);
	if (written == 0 || rndis_read(bytes, written, &back) < 0 || back.type != m.type ||
	    back.request_id != m.request_id || back.status != m.status || back.oid != m.oid ||
	    back.major != m.major || back.minor != m.minor || back.max_transfer != m.max_transfer ||
	    back.max_packets != m.max_packets || back.alignment != m.alignment ||
	    back.data_size != m.data_size ||
	    (m.data_size > 0 && memcmp(back.data, m.data, m.data_size) != 0))
		abort();
	free(bytes);
}

static void check_packet(const uint8_t *exact, size_t copied, size_t left)
{
	uint8_t bytes[RNDIS_PACKET_MAX_HEADER];
	struct rndis_packet p, back;
	size_t size;

	if (rndis_packet_read(exact, copied, left, &p) < 0)
		return;
	if (p.msg_size > left || p.frame_offset < RNDIS_PACKET_HEADER_SIZE ||
	    p.frame_offset > p.msg_size || p.frame_size > p.msg_size - p.frame_offset)
		abort();
	p.frame_size &= 0xffff;
	p.id_flags &= 0xff;
	size = rndis_packet_write(bytes, &p);
	if (size > sizeof(bytes) || p.frame_offset != size ||
	    rndis_packet_read(bytes, size, size + p.frame_size, &back) < 0 ||
	    memcmp(&p, &back, offsetof(struct rndis_packet, has_csum)) != 0 ||
	    back.has_csum != p.has_csum || back.has_lso != p.has_lso ||
	    back.has_vlan != p.has_vlan || back.has_hash != p.has_hash || back.has_id != p.has_id ||
	    back.csum != p.csum || back.lso != p.lso || back.hash != p.hash ||
	    back.vlan_tci != p.vlan_tci || back.id != p.id || back.id_flags != p.id_flags)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t copied;
	uint8_t *exact;

	if (size == 0 || size > 8192)
		return 0;
	copied = data[0] == 0 || data[0] > size - 1 ? size - 1 : data[0];
	exact = malloc(size);
	if (exact == NULL)
		return 0;
	memcpy(exact, data + 1, size - 1);
	check_control(exact, size - 1);
	free(exact);
	exact = malloc(copied == 0 ? 1 : copied);
	if (exact == NULL)
		return 0;
	memcpy(exact, data + 1, copied);
	check_packet(exact, copied, size - 1);
	check_packet(exact, copied, SIZE_MAX);
	free(exact);
	return 0;
}

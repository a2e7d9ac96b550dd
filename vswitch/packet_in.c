/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See punt.h: from a frame to a packet-in.
 */
#include "dataplane/punt.h"
#include "vswitch/flow_key.h"
#include "vswitch/of/packet.h"
#include "vswitch/packet_buffer.h"
#include "vswitch/punt.h"

/* A message has 65535 bytes; its head and match are less than this. */
#define MOST_DATA 65000u

static void set_field(struct of_match *match, enum of_field field, uint64_t value)
{
	struct of_oxm oxm = of_oxm_u64(field, value);

	of_match_set(match, &oxm);
}

static uint16_t max_len(const struct dp_punt *punt, uint16_t miss_send_len)
{
	return punt->what.reason == OFPR_INVALID_TTL ? miss_send_len : punt->what.max_size;
}

void vs_punt_packet_in(const struct dp_punt *punt, struct vs_packet_buffers *buffers,
		       uint16_t miss_send_len, uint64_t now_ms, struct of_packet_in *ret_in)
{
	const struct dp_step_controller *what = &punt->what;
	uint32_t in_port = vs_flow_port32((uint16_t)what->in_port);
	uint16_t most = max_len(punt, miss_send_len);
	struct of_packet_in in = {.buffer_id = VS_NO_BUFFER,
				  .total_size = punt->size < UINT16_MAX ? (uint16_t)punt->size
									: UINT16_MAX,
				  .reason = what->reason,
				  .table = what->table,
				  .cookie = what->cookie,
				  .data = punt->data,
				  .data_size = punt->size < MOST_DATA ? punt->size : MOST_DATA};

	/* What the packet's bytes do not say (7.2.3.9), but zeros. */
	set_field(&in.match, OF_F_IN_PORT, in_port);
	if (what->metadata != 0)
		set_field(&in.match, OF_F_METADATA, what->metadata);
	if (what->tun_id != 0)
		set_field(&in.match, OF_F_TUNNEL_ID, what->tun_id);
	if (most != OF_MAX_LEN_ALL)
		in.buffer_id =
			vs_packet_buffers_put(buffers, in_port, punt->data, punt->size, now_ms);
	if (in.reason != OFPR_INVALID_TTL && in.buffer_id != VS_NO_BUFFER && in.data_size > most)
		in.data_size = most;
	*ret_in = in;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packet-in and packet-out; see packet.h.
 */
#include "vswitch/of/packet.h"

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

enum of_error of_packet_in_decode(struct rd *rd, struct of_packet_in *ret_in)
{
	enum of_error error;

	ret_in->buffer_id = rd_be32(rd);
	ret_in->total_size = rd_be16(rd);
	ret_in->reason = rd_u8(rd);
	ret_in->table = rd_u8(rd);
	ret_in->cookie = rd_be64(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	error = of_match_decode_packet(rd, &ret_in->match);
	if (error)
		return error;
	rd_skip(rd, 2);
	ret_in->data_size = rd->left;
	ret_in->data = rd_bytes(rd, rd->left);
	return rd_ok(rd) ? OF_OK : OFPBRC_BAD_LEN;
}

void of_packet_in_encode(struct wr *wr, uint32_t xid, const struct of_packet_in *in)
{
	size_t at = of_msg_begin(wr, OFPT_PACKET_IN, xid);

	wr_be32(wr, in->buffer_id);
	wr_be16(wr, in->total_size);
	wr_u8(wr, in->reason);
	wr_u8(wr, in->table);
	wr_be64(wr, in->cookie);
	of_match_encode(wr, &in->match);
	wr_zeros(wr, 2);
	wr_bytes(wr, in->data, in->data_size);
	of_msg_end(wr, at);
}

static bool in_port_ok(uint32_t port)
{
	return of_port_is_real(port) || port == OFPP_CONTROLLER || port == OFPP_ANY;
}

enum of_error of_packet_out_decode(struct rd *rd, struct of_packet_out *ret_out)
{
	struct of_packet_out out = {0};
	enum of_error error;
	struct rd actions;
	uint16_t size;

	out.buffer_id = rd_be32(rd);
	out.in_port = rd_be32(rd);
	size = rd_be16(rd);
	rd_skip(rd, 6);
	actions = rd_sub(rd, size);
	if (!rd_ok(&actions))
		return OFPBRC_BAD_LEN;
	if (!in_port_ok(out.in_port))
		return OFPBRC_BAD_PORT;
	error = of_actions_decode(&actions, &out.actions);
	if (error)
		return error;
	if (out.buffer_id == OF_NO_BUFFER) {
		out.data_size = rd->left;
		out.data = rd_bytes(rd, rd->left);
	}
	*ret_out = out;
	return OF_OK;
}

void of_packet_out_encode(struct wr *wr, uint32_t xid, const struct of_packet_out *out)
{
	size_t at = of_msg_begin(wr, OFPT_PACKET_OUT, xid), from;

	wr_be32(wr, out->buffer_id);
	wr_be32(wr, out->in_port);
	wr_be16(wr, 0);
	wr_zeros(wr, 6);
	from = wr->size;
	of_actions_encode(wr, &out->actions);
	wr_set_be16(wr, from - 8, (uint16_t)(wr->size - from));
	if (out->buffer_id == OF_NO_BUFFER)
		wr_bytes(wr, out->data, out->data_size);
	of_msg_end(wr, at);
}

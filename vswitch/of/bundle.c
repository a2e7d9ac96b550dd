/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Experimenter messages; see bundle.h.
 */
#include "vswitch/of/bundle.h"

#define FLAGS_ALL (OFPBF_ATOMIC | OFPBF_ORDERED)

enum of_error of_bundle_control_decode(struct rd *rd, struct of_bundle_control *ret_control)
{
	struct of_bundle_control control;

	control.id = rd_be32(rd);
	control.type = rd_be16(rd);
	control.flags = rd_be16(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	if (control.type > OFPBCT_DISCARD_REPLY)
		return OFPBFC_BAD_TYPE;
	if ((control.flags & ~FLAGS_ALL) != 0)
		return OFPBFC_BAD_FLAGS;
	*ret_control = control;
	return OF_OK;
}

void of_bundle_control_encode(struct wr *wr, uint32_t xid, const struct of_bundle_control *control)
{
	const struct of_experimenter exp = {OF_EXPERIMENTER_ONF, ONFT_BUNDLE_CONTROL};
	size_t at = of_experimenter_begin(wr, xid, &exp);

	wr_be32(wr, control->id);
	wr_be16(wr, control->type);
	wr_be16(wr, control->flags);
	of_msg_end(wr, at);
}

enum of_error of_bundle_add_decode(struct rd *rd, uint32_t xid, struct of_bundle_add *ret_add)
{
	struct of_bundle_add add;

	add.id = rd_be32(rd);
	rd_skip(rd, 2);
	add.flags = rd_be16(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	if ((add.flags & ~FLAGS_ALL) != 0)
		return OFPBFC_BAD_FLAGS;
	if (of_header_decode(rd->at, rd->left, &add.header) || add.header.size > rd->left)
		return OFPBFC_MSG_BAD_LEN;
	if (add.header.xid != xid)
		return OFPBFC_MSG_BAD_XID;
	if (add.header.version != OF_VERSION_13)
		return OFPBFC_MSG_UNSUP;
	add.msg = rd_bytes(rd, add.header.size);
	*ret_add = add;
	return OF_OK;
}

void of_bundle_add_encode(struct wr *wr, uint32_t xid, const struct of_bundle_add *add)
{
	const struct of_experimenter exp = {OF_EXPERIMENTER_ONF, ONFT_BUNDLE_ADD};
	size_t at = of_experimenter_begin(wr, xid, &exp);

	wr_be32(wr, add->id);
	wr_zeros(wr, 2);
	wr_be16(wr, add->flags);
	wr_bytes(wr, add->msg, add->header.size);
	of_msg_end(wr, at);
}

enum of_error of_nx_msg_decode(uint32_t exp_type, struct rd *rd, struct of_nx_msg *ret_msg)
{
	struct of_nx_msg msg = {.type = exp_type};

	switch (exp_type) {
	case NXT_SET_PACKET_IN_FORMAT:
		msg.value = rd_be32(rd);
		break;
	case NXT_SET_CONTROLLER_ID:
		rd_skip(rd, 6);
		msg.value = rd_be16(rd);
		break;
	default:
		return OFPBRC_BAD_EXP_TYPE;
	}
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	*ret_msg = msg;
	return OF_OK;
}

void of_nx_msg_encode(struct wr *wr, uint32_t xid, const struct of_nx_msg *msg)
{
	const struct of_experimenter exp = {OF_EXPERIMENTER_NICIRA, msg->type};
	size_t at = of_experimenter_begin(wr, xid, &exp);

	if (msg->type == NXT_SET_CONTROLLER_ID) {
		wr_zeros(wr, 6);
		wr_be16(wr, (uint16_t)msg->value);
	} else {
		wr_be32(wr, msg->value);
	}
	of_msg_end(wr, at);
}

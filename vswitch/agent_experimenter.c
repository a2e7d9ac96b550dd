/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Experimenter messages: the ONF's bundles (agent_bundle.c), and of Nicira's those that users of
 * Open vSwitch's tools cannot do without.
 */
#include "vswitch/agent_priv.h"

#include "vswitch/of/bundle.h"

/* Packet-ins are the standard's; 'ovs-ofctl monitor' asks for others first and is content with
 * these when it is told so. */
static enum of_error nicira(const struct vs_request *req, uint32_t type, struct rd *rd)
{
	struct of_nx_msg msg;
	enum of_error error = of_nx_msg_decode(type, rd, &msg);

	if (error != OF_OK)
		return error;
	switch (msg.type) {
	case NXT_SET_PACKET_IN_FORMAT:
		return msg.value == NXPIF_STANDARD ? OF_OK : OFPBRC_EPERM;
	case NXT_SET_CONTROLLER_ID:
		return OF_OK;
	default:
		return OFPBRC_BAD_EXP_TYPE;
	}
}

static enum of_error onf(const struct vs_request *req, uint32_t type, struct rd *rd, struct wr *wr)
{
	switch (type) {
	case ONFT_BUNDLE_CONTROL:
		return vs_agent_bundle_control(req, rd, wr);
	case ONFT_BUNDLE_ADD:
		return vs_agent_bundle_add(req, rd, wr);
	default:
		return OFPBRC_BAD_EXP_TYPE;
	}
}

enum of_error vs_agent_experimenter(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct of_experimenter exp;
	enum of_error error = of_experimenter_decode(rd, &exp);

	if (error != OF_OK)
		return error;
	switch (exp.experimenter) {
	case OF_EXPERIMENTER_ONF:
		return onf(req, exp.exp_type, rd, wr);
	case OF_EXPERIMENTER_NICIRA:
		return nicira(req, exp.exp_type, rd);
	default:
		return OFPBRC_BAD_EXPERIMENTER;
	}
}

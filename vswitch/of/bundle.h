/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Experimenter messages: bundles for 1.3 (ONF extension 230, the form of OpenFlow 1.4's), and
 * Nicira's that 'ovs-ofctl' opens a conversation with.
 */
#ifndef VSWITCH_OF_BUNDLE_H
#define VSWITCH_OF_BUNDLE_H

#include "vswitch/of/header.h"

enum of_onf_type { ONFT_BUNDLE_CONTROL = 2300, ONFT_BUNDLE_ADD = 2301 };

enum of_bundle_control_type {
	OFPBCT_OPEN_REQUEST = 0,
	OFPBCT_OPEN_REPLY = 1,
	OFPBCT_CLOSE_REQUEST = 2,
	OFPBCT_CLOSE_REPLY = 3,
	OFPBCT_COMMIT_REQUEST = 4,
	OFPBCT_COMMIT_REPLY = 5,
	OFPBCT_DISCARD_REQUEST = 6,
	OFPBCT_DISCARD_REPLY = 7,
};
enum of_bundle_flags { OFPBF_ATOMIC = 1 << 0, OFPBF_ORDERED = 1 << 1 };

struct of_bundle_control {
	uint32_t id;
	uint16_t type;
	uint16_t flags;
};
/* Decoders: 'rd' is after the experimenter and its type.  Properties are passed over. */
enum of_error of_bundle_control_decode(struct rd *rd, struct of_bundle_control *ret_control);
void of_bundle_control_encode(struct wr *wr, uint32_t xid, const struct of_bundle_control *control);

struct of_bundle_add {
	uint32_t id;
	uint16_t flags;
	struct of_header header; /* of the message inside */
	const uint8_t *msg;	 /* borrowed: the whole of it, 'header.size' bytes */
};
/* 'xid' is that of the message around, which the one inside must share. */
enum of_error of_bundle_add_decode(struct rd *rd, uint32_t xid, struct of_bundle_add *ret_add);
void of_bundle_add_encode(struct wr *wr, uint32_t xid, const struct of_bundle_add *add);

/* Nicira's messages, by exp_type. */
enum of_nx_type {
	NXT_SET_FLOW_FORMAT = 12,
	NXT_FLOW_MOD_TABLE_ID = 15,
	NXT_SET_PACKET_IN_FORMAT = 16,
	NXT_SET_CONTROLLER_ID = 20,
};
enum of_nx_packet_in_format { NXPIF_STANDARD = 0, NXPIF_NXT = 1, NXPIF_NXT2 = 2 };

struct of_nx_msg {
	uint32_t type;	/* enum of_nx_type */
	uint32_t value; /* the packet-in format, the controller's id */
};
/* OFPBRC_BAD_EXP_TYPE for messages that are not for a switch that speaks 1.3. */
enum of_error of_nx_msg_decode(uint32_t exp_type, struct rd *rd, struct of_nx_msg *ret_msg);
void of_nx_msg_encode(struct wr *wr, uint32_t xid, const struct of_nx_msg *msg);

#endif

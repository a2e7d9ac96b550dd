/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets between switch and controller (OpenFlow 1.3.5, A.3.7, A.4.1).
 */
#ifndef VSWITCH_OF_PACKET_H
#define VSWITCH_OF_PACKET_H

#include "vswitch/of/action.h"

enum of_packet_in_reason { OFPR_NO_MATCH = 0, OFPR_ACTION = 1, OFPR_INVALID_TTL = 2 };

struct of_packet_in {
	uint32_t buffer_id;
	uint16_t total_size; /* of the packet, of which 'data' is the start */
	uint8_t reason;
	uint8_t table;
	uint64_t cookie;       /* all ones when no flow sent it */
	struct of_match match; /* in_port, metadata and so on */
	const uint8_t *data;   /* borrowed */
	size_t data_size;
};
enum of_error of_packet_in_decode(struct rd *rd, struct of_packet_in *ret_in);
void of_packet_in_encode(struct wr *wr, uint32_t xid, const struct of_packet_in *in);

struct of_packet_out {
	uint32_t buffer_id;
	uint32_t in_port;
	struct of_actions actions;
	const uint8_t *data; /* borrowed; none when there is a buffer */
	size_t data_size;
};
/* 'ret_out' need not be initialised; on success its actions are the caller's to finish. */
enum of_error of_packet_out_decode(struct rd *rd, struct of_packet_out *ret_out);
void of_packet_out_encode(struct wr *wr, uint32_t xid, const struct of_packet_out *out);

#endif

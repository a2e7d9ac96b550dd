/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Multipart requests and replies (OpenFlow 1.3.5, A.3.5): their head, the description, and the
 * writer that cuts a long reply into messages.  The bodies are with their subjects (flow.h,
 * group.h, meter.h, port.h, table.h).
 */
#ifndef VSWITCH_OF_MULTIPART_H
#define VSWITCH_OF_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vswitch/of/header.h"

enum of_mp_type {
	OFPMP_DESC = 0,
	OFPMP_FLOW = 1,
	OFPMP_AGGREGATE = 2,
	OFPMP_TABLE = 3,
	OFPMP_PORT_STATS = 4,
	OFPMP_QUEUE = 5,
	OFPMP_GROUP = 6,
	OFPMP_GROUP_DESC = 7,
	OFPMP_GROUP_FEATURES = 8,
	OFPMP_METER = 9,
	OFPMP_METER_CONFIG = 10,
	OFPMP_METER_FEATURES = 11,
	OFPMP_TABLE_FEATURES = 12,
	OFPMP_PORT_DESC = 13,
	OF_N_MP_TYPES,
	OFPMP_EXPERIMENTER = 0xffff,
};
#define OFPMPF_MORE 1 /* in requests and replies: another part follows */

/* "flow"; NULL for a number that is no type. */
const char *of_mp_name(uint16_t type);

struct of_mp {
	uint16_t type;
	uint16_t flags;
};
/* OFPBRC_BAD_MULTIPART for an unknown type.  The body of OFPMP_EXPERIMENTER begins as an
 * experimenter message does (of_experimenter_decode()); we know none, so that the answer is
 * OFPBRC_BAD_EXPERIMENTER. */
enum of_error of_mp_decode(struct rd *rd, struct of_mp *ret_mp);

/* Whole message of one part: 'begin', a body, of_msg_end(). */
size_t of_mp_begin(struct wr *wr, uint8_t msg_type, uint32_t xid, const struct of_mp *mp);
/* A request without a body. */
void of_mp_request_encode(struct wr *wr, uint32_t xid, uint16_t type);
/* Bodies that are an identifier and four bytes of padding: group and meter requests. */
enum of_error of_mp_id_decode(struct rd *rd, uint32_t *ret_id);
void of_mp_id_encode(struct wr *wr, uint32_t id);

/* Writes one reply of any number of entries as messages of up to 'max' bytes, all but the last with
 * OFPMPF_MORE: of_mp_reply_begin(), then each entry after its own of_mp_reply_entry(), then
 * of_mp_reply_end().  An entry that alone is longer than a message turns the writer bad. */
struct of_mp_reply {
	struct wr *wr; /* borrowed until the end */
	size_t max;
	struct of_mp mp;
	uint32_t xid;
	size_t msg_at;	 /* where the message in the making starts */
	size_t entry_at; /* and its last entry */
};
void of_mp_reply_begin(struct of_mp_reply *reply, struct wr *wr, uint32_t xid, uint16_t type,
		       size_t max);
void of_mp_reply_entry(struct of_mp_reply *reply);
void of_mp_reply_end(struct of_mp_reply *reply);
/* The same, but the reply is not over: the next part is for another of_mp_reply_begin(). */
void of_mp_reply_end_more(struct of_mp_reply *reply);

/* The description of the switch; strings end with a zero. */
struct of_desc {
	char manufacturer[256];
	char hardware[256];
	char software[256];
	char serial[32];
	char datapath[256];
};
enum of_error of_desc_decode(struct rd *rd, struct of_desc *ret_desc);
void of_desc_encode(struct wr *wr, const struct of_desc *desc);

#endif

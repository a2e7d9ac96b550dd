/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any OpenFlow message, request or reply: it is refused by name, or what it says is written and
 * read again as the same.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "vswitch/of/bundle.h"
#include "vswitch/of/flow.h"
#include "vswitch/of/group.h"
#include "vswitch/of/meter.h"
#include "vswitch/of/multipart.h"
#include "vswitch/of/packet.h"
#include "vswitch/of/port.h"
#include "vswitch/of/table.h"

#define COUNTERS_MAX 64

static void must(bool ok)
{
	if (!ok)
		abort();
}

static struct of_bucket_counter buckets[COUNTERS_MAX];
static struct of_band_counter bands[COUNTERS_MAX];

/* Reads a body of one type and writes it; returns the error. */
#define BODY(type, decode, encode, fini)                                                           \
	{                                                                                          \
		static type x;                                                                     \
		enum of_error error = decode;                                                      \
                                                                                                   \
		if (error == OF_OK) {                                                              \
			encode;                                                                    \
			fini;                                                                      \
		}                                                                                  \
		return error;                                                                      \
	}
#define ENTRIES(type, decode, encode, fini)                                                        \
	{                                                                                          \
		static type x;                                                                     \
		enum of_error error = OF_OK;                                                       \
                                                                                                   \
		while (rd->left > 0 && error == OF_OK) {                                           \
			error = decode;                                                            \
			if (error == OF_OK) {                                                      \
				encode;                                                            \
				fini;                                                              \
			}                                                                          \
		}                                                                                  \
		return error;                                                                      \
	}
#define NONE (void)0

static enum of_error request_body(uint16_t type, struct rd *rd, struct wr *wr)
{
	switch (type) {
	case OFPMP_FLOW:
	case OFPMP_AGGREGATE:
		BODY(struct of_flow_filter, of_flow_filter_decode(rd, &x),
		     of_flow_filter_encode(wr, &x), NONE)
	case OFPMP_PORT_STATS:
		BODY(uint32_t, of_port_request_decode(rd, &x), of_port_request_encode(wr, x), NONE)
	case OFPMP_QUEUE:
		BODY(struct of_queue_request, of_queue_request_decode(rd, &x),
		     of_queue_request_encode(wr, &x), NONE)
	case OFPMP_GROUP:
	case OFPMP_METER:
	case OFPMP_METER_CONFIG:
		BODY(uint32_t, of_mp_id_decode(rd, &x), of_mp_id_encode(wr, x), NONE)
	case OFPMP_TABLE_FEATURES:
		ENTRIES(struct of_table_features, of_table_features_decode(rd, &x),
			of_table_features_encode(wr, &x), NONE)
	default:
		return of_msg_empty(rd);
	}
}

static enum of_error reply_body(uint16_t type, struct rd *rd, struct wr *wr)
{
	switch (type) {
	case OFPMP_DESC:
		BODY(struct of_desc, of_desc_decode(rd, &x), of_desc_encode(wr, &x), NONE)
	case OFPMP_FLOW:
		ENTRIES(struct of_flow_stats, of_flow_stats_decode(rd, &x),
			of_flow_stats_encode(wr, &x, &x.match, &x.instrs),
			of_instrs_fini(&x.instrs))
	case OFPMP_AGGREGATE:
		BODY(struct of_aggregate, of_aggregate_decode(rd, &x), of_aggregate_encode(wr, &x),
		     NONE)
	case OFPMP_TABLE:
		ENTRIES(struct of_table_stats, of_table_stats_decode(rd, &x),
			of_table_stats_encode(wr, &x), NONE)
	case OFPMP_PORT_STATS:
		ENTRIES(struct of_port_stats, of_port_stats_decode(rd, &x),
			of_port_stats_encode(wr, &x), NONE)
	case OFPMP_QUEUE:
		ENTRIES(struct of_queue_stats, of_queue_stats_decode(rd, &x),
			of_queue_stats_encode(wr, &x), NONE)
	case OFPMP_GROUP:
		ENTRIES(struct of_group_stats, of_group_stats_decode(rd, buckets, COUNTERS_MAX, &x),
			of_group_stats_encode(wr, &x), NONE)
	case OFPMP_GROUP_DESC:
		ENTRIES(struct of_group, of_group_desc_decode(rd, &x), of_group_desc_encode(wr, &x),
			of_group_fini(&x))
	case OFPMP_GROUP_FEATURES:
		BODY(struct of_group_features, of_group_features_decode(rd, &x),
		     of_group_features_encode(wr, &x), NONE)
	case OFPMP_METER:
		ENTRIES(struct of_meter_stats, of_meter_stats_decode(rd, bands, COUNTERS_MAX, &x),
			of_meter_stats_encode(wr, &x), NONE)
	case OFPMP_METER_CONFIG:
		ENTRIES(struct of_meter, of_meter_config_decode(rd, &x),
			of_meter_config_encode(wr, &x), of_meter_fini(&x))
	case OFPMP_METER_FEATURES:
		BODY(struct of_meter_features, of_meter_features_decode(rd, &x),
		     of_meter_features_encode(wr, &x), NONE)
	case OFPMP_TABLE_FEATURES:
		ENTRIES(struct of_table_features, of_table_features_decode(rd, &x),
			of_table_features_encode(wr, &x), NONE)
	case OFPMP_PORT_DESC:
		ENTRIES(struct of_port, of_port_decode(rd, &x), of_port_encode(wr, &x), NONE)
	default:
		return OFPBRC_BAD_MULTIPART;
	}
}

static enum of_error multipart(const struct of_header *header, struct rd *rd, struct wr *wr)
{
	struct of_mp mp;
	enum of_error error = of_mp_decode(rd, &mp);
	size_t at;

	if (error)
		return error;
	at = of_mp_begin(wr, header->type, header->xid, &mp);
	error = header->type == OFPT_MULTIPART_REQUEST ? request_body(mp.type, rd, wr)
						       : reply_body(mp.type, rd, wr);
	of_msg_end(wr, at);
	return error;
}

static enum of_error nx_msg(uint32_t type, uint32_t xid, struct rd *rd, struct wr *wr)
{
	BODY(struct of_nx_msg, of_nx_msg_decode(type, rd, &x), of_nx_msg_encode(wr, xid, &x), NONE)
}

static enum of_error onf(uint32_t type, uint32_t xid, struct rd *rd, struct wr *wr)
{
	if (type == ONFT_BUNDLE_CONTROL)
		BODY(struct of_bundle_control, of_bundle_control_decode(rd, &x),
		     of_bundle_control_encode(wr, xid, &x), NONE)
	if (type == ONFT_BUNDLE_ADD)
		BODY(struct of_bundle_add, of_bundle_add_decode(rd, xid, &x),
		     of_bundle_add_encode(wr, xid, &x), NONE)
	return OFPBRC_BAD_EXP_TYPE;
}

static enum of_error experimenter(uint32_t xid, struct rd *rd, struct wr *wr)
{
	struct of_experimenter exp;
	enum of_error error = of_experimenter_decode(rd, &exp);

	if (error)
		return error;
	if (exp.experimenter == OF_EXPERIMENTER_NICIRA)
		return nx_msg(exp.exp_type, xid, rd, wr);
	return exp.experimenter == OF_EXPERIMENTER_ONF ? onf(exp.exp_type, xid, rd, wr)
						       : OFPBRC_BAD_EXPERIMENTER;
}

static enum of_error queue_config(uint32_t xid, struct rd *rd, struct wr *wr)
{
	struct of_queue queues[COUNTERS_MAX];
	struct rd head = rd_sub(rd, 8);
	enum of_error error;
	uint32_t port;
	size_t n = 0;

	error = of_port_request_decode(&head, &port);
	while (error == OF_OK && rd->left > 0 && n < COUNTERS_MAX)
		error = of_queue_decode(rd, &queues[n++]);
	if (error == OF_OK)
		of_queue_config_encode(wr, xid, port, queues, n);
	return error;
}

/* Reads a message and writes what it says. */
static enum of_error again(const struct of_header *header, struct rd *rd, struct wr *wr)
{
	uint32_t xid = header->xid;

	switch (header->type) {
	case OFPT_HELLO:
		BODY(struct of_hello, of_hello_decode(header, rd, &x), of_hello_encode(wr, xid, &x),
		     NONE)
	case OFPT_ERROR:
		BODY(struct of_error_msg, of_error_decode(rd, &x),
		     (of_error_find(&x), of_error_encode(wr, xid, &x)), NONE)
	case OFPT_EXPERIMENTER:
		return experimenter(xid, rd, wr);
	case OFPT_FEATURES_REPLY:
		BODY(struct of_features, of_features_decode(rd, &x),
		     of_features_encode(wr, xid, &x), NONE)
	case OFPT_GET_CONFIG_REPLY:
	case OFPT_SET_CONFIG:
		BODY(struct of_config, of_config_decode(rd, &x),
		     of_config_encode(wr, header->type, xid, &x), NONE)
	case OFPT_PACKET_IN:
		BODY(struct of_packet_in, of_packet_in_decode(rd, &x),
		     of_packet_in_encode(wr, xid, &x), NONE)
	case OFPT_FLOW_REMOVED:
		BODY(struct of_flow_removed, of_flow_removed_decode(rd, &x),
		     of_flow_removed_encode(wr, xid, &x), NONE)
	case OFPT_PORT_STATUS:
		BODY(struct of_port_status, of_port_status_decode(rd, &x),
		     of_port_status_encode(wr, xid, &x), NONE)
	case OFPT_PACKET_OUT:
		BODY(struct of_packet_out, of_packet_out_decode(rd, &x),
		     of_packet_out_encode(wr, xid, &x), of_actions_fini(&x.actions))
	case OFPT_FLOW_MOD:
		BODY(struct of_flow_mod, of_flow_mod_decode(rd, &x),
		     of_flow_mod_encode(wr, xid, &x), of_flow_mod_fini(&x))
	case OFPT_GROUP_MOD:
		BODY(struct of_group_mod, of_group_mod_decode(rd, &x),
		     of_group_mod_encode(wr, xid, &x), of_group_fini(&x.group))
	case OFPT_PORT_MOD:
		BODY(struct of_port_mod, of_port_mod_decode(rd, &x),
		     of_port_mod_encode(wr, xid, &x), NONE)
	case OFPT_TABLE_MOD:
		BODY(struct of_table_mod, of_table_mod_decode(rd, &x),
		     of_table_mod_encode(wr, xid, &x), NONE)
	case OFPT_MULTIPART_REQUEST:
	case OFPT_MULTIPART_REPLY:
		return multipart(header, rd, wr);
	case OFPT_QUEUE_GET_CONFIG_REPLY:
		return queue_config(xid, rd, wr);
	case OFPT_ROLE_REQUEST:
	case OFPT_ROLE_REPLY:
		BODY(struct of_role, of_role_decode(rd, &x),
		     of_role_encode(wr, header->type, xid, &x), NONE)
	case OFPT_GET_ASYNC_REPLY:
	case OFPT_SET_ASYNC:
		BODY(struct of_async, of_async_decode(rd, &x),
		     of_async_encode(wr, header->type, xid, &x), NONE)
	case OFPT_METER_MOD:
		BODY(struct of_meter_mod, of_meter_mod_decode(rd, &x),
		     of_meter_mod_encode(wr, xid, &x), of_meter_fini(&x.meter))
	default:
		return of_msg_empty(rd);
	}
}

static enum of_error message(const uint8_t *data, size_t size, struct wr *wr)
{
	struct of_header header;
	enum of_error error = of_header_decode(data, size, &header);
	struct rd rd;

	if (error)
		return error;
	if (header.size > size)
		return OFPBRC_BAD_LEN;
	rd = rd_init(data + OF_HEADER_SIZE, header.size - OF_HEADER_SIZE);
	return again(&header, &rd, wr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wr first = wr_init(1 << 20), second = wr_init(1 << 20), answer = wr_init(1 << 10);
	enum of_error error = message(data, size, &first);

	must(of_error_name(error) != NULL);
	of_error_reply(&answer, error, data, size);
	/* What we write may be longer than what came (fields have Nicira's short form and the
	 * standard one): then it may not fit a message any more. */
	if (error == OF_OK && first.size > 0 && wr_ok(&first)) {
		must(message(first.bytes, first.size, &second) == OF_OK);
		must(wr_ok(&second) && first.size == second.size);
		must(memcmp(first.bytes, second.bytes, first.size) == 0);
	}
	wr_fini(&first);
	wr_fini(&second);
	wr_fini(&answer);
	return 0;
}

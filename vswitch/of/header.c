/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The header, and the messages that are little more; see header.h.
 */
#include "vswitch/of/header.h"

#define HELLO_ELEM_VERSIONBITMAP 1

const char *of_msg_name(uint8_t type)
{
	static const char *const names[] = {
		[OFPT_HELLO] = "hello",
		[OFPT_ERROR] = "error",
		[OFPT_ECHO_REQUEST] = "echo-request",
		[OFPT_ECHO_REPLY] = "echo-reply",
		[OFPT_EXPERIMENTER] = "experimenter",
		[OFPT_FEATURES_REQUEST] = "features-request",
		[OFPT_FEATURES_REPLY] = "features-reply",
		[OFPT_GET_CONFIG_REQUEST] = "get-config-request",
		[OFPT_GET_CONFIG_REPLY] = "get-config-reply",
		[OFPT_SET_CONFIG] = "set-config",
		[OFPT_PACKET_IN] = "packet-in",
		[OFPT_FLOW_REMOVED] = "flow-removed",
		[OFPT_PORT_STATUS] = "port-status",
		[OFPT_PACKET_OUT] = "packet-out",
		[OFPT_FLOW_MOD] = "flow-mod",
		[OFPT_GROUP_MOD] = "group-mod",
		[OFPT_PORT_MOD] = "port-mod",
		[OFPT_TABLE_MOD] = "table-mod",
		[OFPT_MULTIPART_REQUEST] = "multipart-request",
		[OFPT_MULTIPART_REPLY] = "multipart-reply",
		[OFPT_BARRIER_REQUEST] = "barrier-request",
		[OFPT_BARRIER_REPLY] = "barrier-reply",
		[OFPT_QUEUE_GET_CONFIG_REQUEST] = "queue-get-config-request",
		[OFPT_QUEUE_GET_CONFIG_REPLY] = "queue-get-config-reply",
		[OFPT_ROLE_REQUEST] = "role-request",
		[OFPT_ROLE_REPLY] = "role-reply",
		[OFPT_GET_ASYNC_REQUEST] = "get-async-request",
		[OFPT_GET_ASYNC_REPLY] = "get-async-reply",
		[OFPT_SET_ASYNC] = "set-async",
		[OFPT_METER_MOD] = "meter-mod",
	};

	return type < OF_N_MSG_TYPES ? names[type] : NULL;
}

enum of_error of_header_decode(const void *bytes, size_t size, struct of_header *ret_header)
{
	struct rd rd = rd_init(bytes, size);
	struct of_header header = {0};

	header.version = rd_u8(&rd);
	header.type = rd_u8(&rd);
	header.size = rd_be16(&rd);
	header.xid = rd_be32(&rd);
	if (!rd_ok(&rd) || header.size < OF_HEADER_SIZE)
		return OFPBRC_BAD_LEN;
	*ret_header = header;
	return OF_OK;
}

size_t of_msg_begin(struct wr *wr, uint8_t type, uint32_t xid)
{
	size_t at = wr->size;

	wr_u8(wr, OF_VERSION_13);
	wr_u8(wr, type);
	wr_be16(wr, 0);
	wr_be32(wr, xid);
	return at;
}

void of_msg_end(struct wr *wr, size_t at)
{
	if (wr->size - at > OF_MSG_MAX)
		wr->bad = true;
	wr_set_be16(wr, at + 2, (uint16_t)(wr->size - at));
}

void of_msg_encode(struct wr *wr, uint8_t type, uint32_t xid)
{
	of_msg_end(wr, of_msg_begin(wr, type, xid));
}

enum of_error of_msg_empty(const struct rd *rd)
{
	return rd->left == 0 && rd_ok(rd) ? OF_OK : OFPBRC_BAD_LEN;
}

void of_echo_encode(struct wr *wr, uint8_t type, uint32_t xid, const void *data, size_t size)
{
	size_t at = of_msg_begin(wr, type, xid);

	wr_bytes(wr, data, size);
	of_msg_end(wr, at);
}

/* Elements that we do not know are passed over, as A.5.1 asks; one that does not fit ends the list,
 * because a hello is never refused for its elements. */
enum of_error of_hello_decode(const struct of_header *header, struct rd *rd,
			      struct of_hello *ret_hello)
{
	uint32_t upto = header->version >= 31 ? UINT32_MAX : (2U << header->version) - 1;
	struct of_hello hello = {.versions = upto & ~1U};

	while (rd->left >= 4) {
		uint16_t type = rd_be16(rd), size = rd_be16(rd);
		struct rd body = rd_sub(rd, size < 4 ? SIZE_MAX : size - 4U);

		if (!rd_ok(&body))
			break;
		if (type == HELLO_ELEM_VERSIONBITMAP && body.left >= 4)
			hello.versions = rd_be32(&body);
		rd_skip(rd, rd->left < (8U - size % 8) % 8 ? rd->left : (8U - size % 8) % 8);
	}
	*ret_hello = hello;
	return OF_OK;
}

void of_hello_encode(struct wr *wr, uint32_t xid, const struct of_hello *hello)
{
	size_t at = of_msg_begin(wr, OFPT_HELLO, xid);

	wr_be16(wr, HELLO_ELEM_VERSIONBITMAP);
	wr_be16(wr, 8);
	wr_be32(wr, hello->versions);
	of_msg_end(wr, at);
}

enum of_error of_experimenter_decode(struct rd *rd, struct of_experimenter *ret_exp)
{
	struct of_experimenter exp = {0};

	exp.experimenter = rd_be32(rd);
	exp.exp_type = rd_be32(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	*ret_exp = exp;
	return OF_OK;
}

size_t of_experimenter_begin(struct wr *wr, uint32_t xid, const struct of_experimenter *exp)
{
	size_t at = of_msg_begin(wr, OFPT_EXPERIMENTER, xid);

	wr_be32(wr, exp->experimenter);
	wr_be32(wr, exp->exp_type);
	return at;
}

enum of_error of_role_decode(struct rd *rd, struct of_role *ret_role)
{
	struct of_role role = {0};

	role.role = rd_be32(rd);
	rd_skip(rd, 4);
	role.generation_id = rd_be64(rd);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	if (role.role > OFPCR_ROLE_SLAVE)
		return OFPRRFC_BAD_ROLE;
	*ret_role = role;
	return OF_OK;
}

void of_role_encode(struct wr *wr, uint8_t type, uint32_t xid, const struct of_role *role)
{
	size_t at = of_msg_begin(wr, type, xid);

	wr_be32(wr, role->role);
	wr_zeros(wr, 4);
	wr_be64(wr, role->generation_id);
	of_msg_end(wr, at);
}

enum of_error of_async_decode(struct rd *rd, struct of_async *ret_async)
{
	struct of_async async;

	for (int i = 0; i < 2; i++)
		async.packet_in[i] = rd_be32(rd);
	for (int i = 0; i < 2; i++)
		async.port_status[i] = rd_be32(rd);
	for (int i = 0; i < 2; i++)
		async.flow_removed[i] = rd_be32(rd);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	*ret_async = async;
	return OF_OK;
}

void of_async_encode(struct wr *wr, uint8_t type, uint32_t xid, const struct of_async *async)
{
	size_t at = of_msg_begin(wr, type, xid);

	for (int i = 0; i < 2; i++)
		wr_be32(wr, async->packet_in[i]);
	for (int i = 0; i < 2; i++)
		wr_be32(wr, async->port_status[i]);
	for (int i = 0; i < 2; i++)
		wr_be32(wr, async->flow_removed[i]);
	of_msg_end(wr, at);
}

enum of_error of_config_decode(struct rd *rd, struct of_config *ret_config)
{
	struct of_config config = {0};

	config.flags = rd_be16(rd);
	config.miss_send_len = rd_be16(rd);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	if (config.flags > OFPC_FRAG_REASM)
		return OFPSCFC_BAD_FLAGS;
	*ret_config = config;
	return OF_OK;
}

void of_config_encode(struct wr *wr, uint8_t type, uint32_t xid, const struct of_config *config)
{
	size_t at = of_msg_begin(wr, type, xid);

	wr_be16(wr, config->flags);
	wr_be16(wr, config->miss_send_len);
	of_msg_end(wr, at);
}

enum of_error of_features_decode(struct rd *rd, struct of_features *ret_features)
{
	struct of_features f = {0};

	f.datapath_id = rd_be64(rd);
	f.n_buffers = rd_be32(rd);
	f.n_tables = rd_u8(rd);
	f.auxiliary_id = rd_u8(rd);
	rd_skip(rd, 2);
	f.capabilities = rd_be32(rd);
	rd_skip(rd, 4);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	*ret_features = f;
	return OF_OK;
}

void of_features_encode(struct wr *wr, uint32_t xid, const struct of_features *f)
{
	size_t at = of_msg_begin(wr, OFPT_FEATURES_REPLY, xid);

	wr_be64(wr, f->datapath_id);
	wr_be32(wr, f->n_buffers);
	wr_u8(wr, f->n_tables);
	wr_u8(wr, f->auxiliary_id);
	wr_zeros(wr, 2);
	wr_be32(wr, f->capabilities);
	wr_zeros(wr, 4);
	of_msg_end(wr, at);
}

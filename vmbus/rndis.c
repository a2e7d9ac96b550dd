/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reader and writer of RNDIS control messages; see rndis.h.
 *
 * Each has a fixed part, after which may come data that two of its words point at: 'struct shape'
 * says both for each type.
 */
#include "vmbus/rndis.h"

#include <errno.h>
#include <string.h>

#include "ctl/base/wire.h"

struct shape {
	uint32_t type;
	uint32_t size;	  /* of the fixed part; what a reader asks for */
	uint32_t size_at; /* where the size of data is, its offset behind it; 0: never data */
};

static const struct shape shapes[] = {
	{RNDIS_INITIALIZE, 24, 0},
	{RNDIS_INITIALIZE | RNDIS_COMPLETION, 52, 0},
	{RNDIS_HALT, 12, 0},
	{RNDIS_QUERY, 28, 16},
	{RNDIS_QUERY | RNDIS_COMPLETION, 24, 16},
	{RNDIS_SET, 28, 16},
	{RNDIS_SET | RNDIS_COMPLETION, 16, 0},
	{RNDIS_RESET, 12, 0},
	{RNDIS_RESET | RNDIS_COMPLETION, 16, 0},
	{RNDIS_INDICATE_STATUS, 20, 12},
	{RNDIS_KEEPALIVE, 12, 0},
	{RNDIS_KEEPALIVE | RNDIS_COMPLETION, 16, 0},
};

static const struct shape *shape_find(uint32_t type)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

/* Whether the word behind type and size is a request's number. */
static bool has_request_id(uint32_t type)
{
	return type != RNDIS_RESET && type != (RNDIS_RESET | RNDIS_COMPLETION) &&
	       type != RNDIS_INDICATE_STATUS;
}

static bool is_request_of_oid(uint32_t type)
{
	return type == RNDIS_QUERY || type == RNDIS_SET;
}

static bool has_status(uint32_t type)
{
	return type & RNDIS_COMPLETION || type == RNDIS_INDICATE_STATUS;
}

static void read_versions(struct rd *rd, struct rndis_msg *m)
{
	m->major = rd_le32(rd);
	m->minor = rd_le32(rd);
	if (m->type & RNDIS_COMPLETION) {
		rd_skip(rd, 8); /* flags of the device, its medium */
		m->max_packets = rd_le32(rd);
	}
	m->max_transfer = rd_le32(rd);
	if (m->type & RNDIS_COMPLETION)
		m->alignment = 1u << (rd_le32(rd) & 31);
}

/* The data of 'bytes', the message from its start. */
static int read_data(const uint8_t *bytes, uint32_t msg_size, const struct shape *shape,
		     struct rndis_msg *m)
{
	struct rd rd = rd_init(bytes, msg_size);
	uint32_t size, offset;

	rd_skip(&rd, shape->size_at);
	size = rd_le32(&rd);
	offset = rd_le32(&rd);
	if (size == 0) /* some say where nothing is */
		return 0;
	if (offset > msg_size - RNDIS_OFFSET_BASE || size > msg_size - RNDIS_OFFSET_BASE - offset)
		return -EBADMSG;
	m->data = bytes + RNDIS_OFFSET_BASE + offset;
	m->data_size = size;
	return 0;
}

int rndis_read(const void *bytes, size_t size, struct rndis_msg *ret_msg)
{
	struct rd rd = rd_init(bytes, size);
	struct rndis_msg m = {.type = rd_le32(&rd)};
	uint32_t msg_size = rd_le32(&rd);
	const struct shape *shape = shape_find(m.type);

	if (!rd_ok(&rd))
		return -EBADMSG;
	if (shape == NULL)
		return -EOPNOTSUPP;
	if (msg_size < shape->size || msg_size > size)
		return -EBADMSG;
	if (has_request_id(m.type))
		m.request_id = rd_le32(&rd);
	if (has_status(m.type))
		m.status = rd_le32(&rd);
	if (is_request_of_oid(m.type))
		m.oid = rd_le32(&rd);
	if ((m.type & ~RNDIS_COMPLETION) == RNDIS_INITIALIZE)
		read_versions(&rd, &m);
	if (shape->size_at != 0 && read_data(bytes, msg_size, shape, &m) < 0)
		return -EBADMSG;
	*ret_msg = m;
	return 0;
}

static uint32_t log2_of(uint32_t power)
{
	return power == 0 ? 0 : 31u - (uint32_t)__builtin_clz(power);
}

static void write_versions(struct wr *wr, const struct rndis_msg *m)
{
	wr_le32(wr, m->major);
	wr_le32(wr, m->minor);
	if (m->type & RNDIS_COMPLETION) {
		wr_le32(wr, 1); /* connectionless */
		wr_le32(wr, 0); /* 802.3 */
		wr_le32(wr, m->max_packets);
	}
	wr_le32(wr, m->max_transfer);
	if (m->type & RNDIS_COMPLETION)
		wr_le32(wr, log2_of(m->alignment));
}

/* Data follow the fixed part at once. */
static void write_data_place(struct wr *wr, const struct shape *shape, const struct rndis_msg *m)
{
	bool any = m->data_size > 0 || is_request_of_oid(m->type);

	wr_le32(wr, m->data_size);
	wr_le32(wr, any ? shape->size - RNDIS_OFFSET_BASE : 0);
}

size_t rndis_write(const struct rndis_msg *msg, void *to, size_t max)
{
	const struct shape *shape = shape_find(msg->type);
	struct wr wr = wr_over(to, max);

	if (shape == NULL)
		return 0;
	if (shape->size > max || msg->data_size > max - shape->size)
		return 0;
	wr_le32(&wr, msg->type);
	wr_le32(&wr, shape->size + (shape->size_at != 0 ? msg->data_size : 0));
	if (has_request_id(msg->type))
		wr_le32(&wr, msg->request_id);
	if (has_status(msg->type))
		wr_le32(&wr, msg->status);
	if (is_request_of_oid(msg->type))
		wr_le32(&wr, msg->oid);
	if ((msg->type & ~RNDIS_COMPLETION) == RNDIS_INITIALIZE)
		write_versions(&wr, msg);
	if (shape->size_at != 0)
		write_data_place(&wr, shape, msg);
	wr_zeros(&wr, shape->size - wr.size);
	if (shape->size_at != 0)
		wr_bytes(&wr, msg->data, msg->data_size);
	return wr_ok(&wr) ? wr.size : 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reader and writer of NVSP messages; see nvsp.h.
 */
#include "vmbus/nvsp.h"

#include <errno.h>
#include <string.h>

#include "ctl/base/wire.h"

/* The whole union, as Linux sends it since 6.1 came. */
#define GUEST_MSG_SIZE 40u
#define TABLE_OFFSET   12u

static int read_init(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->init.min_version = rd_le32(rd);
	m->init.max_version = rd_le32(rd);
	return from_guest ? 0 : -EOPNOTSUPP;
}

static int read_init_complete(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->init_complete.version = rd_le32(rd);
	m->init_complete.max_mdl_chain = rd_le32(rd);
	m->init_complete.status = rd_le32(rd);
	return from_guest ? -EOPNOTSUPP : 0;
}

static int read_ndis_ver(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->ndis_ver.major = rd_le32(rd);
	m->ndis_ver.minor = rd_le32(rd);
	return from_guest ? 0 : -EOPNOTSUPP;
}

static int read_buf(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->buf.gpadl = rd_le32(rd);
	m->buf.id = rd_le16(rd);
	return from_guest ? 0 : -EOPNOTSUPP;
}

static int read_revoke(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->buf.id = rd_le16(rd);
	return from_guest ? 0 : -EOPNOTSUPP;
}

static int read_recv_buf_complete(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->recv_buf_complete.status = rd_le32(rd);
	m->recv_buf_complete.n_sections = rd_le32(rd);
	if (m->recv_buf_complete.n_sections > 0) {
		m->recv_buf_complete.offset = rd_le32(rd);
		m->recv_buf_complete.section_size = rd_le32(rd);
		m->recv_buf_complete.count = rd_le32(rd);
		m->recv_buf_complete.end = rd_le32(rd);
	}
	return from_guest ? -EOPNOTSUPP : 0;
}

static int read_send_buf_complete(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->send_buf_complete.status = rd_le32(rd);
	m->send_buf_complete.section_size = rd_le32(rd);
	return from_guest ? -EOPNOTSUPP : 0;
}

static int read_rndis(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->rndis.type = NVSP_RNDIS;
	m->rndis.channel_type = rd_le32(rd);
	m->rndis.section = rd_le32(rd);
	m->rndis.section_size = rd_le32(rd);
	return 0;
}

static int read_rndis_complete(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->rndis_complete.type = NVSP_RNDIS_COMPLETE;
	m->rndis_complete.status = rd_le32(rd);
	return 0;
}

static int read_ndis_config(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->ndis_config.mtu = rd_le32(rd);
	rd_skip(rd, 4);
	m->ndis_config.capabilities = rd_le64(rd);
	return from_guest ? 0 : -EOPNOTSUPP;
}

static int read_vf(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->vf.allocated = rd_le32(rd);
	m->vf.serial = rd_le32(rd);
	return from_guest ? -EOPNOTSUPP : 0;
}

static int read_data_path(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	m->data_path.active = rd_le32(rd);
	return from_guest ? 0 : -EOPNOTSUPP;
}

static int read_subchannel(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	if (from_guest) {
		m->subchannel.op = rd_le32(rd);
		m->subchannel.count = rd_le32(rd);
	} else {
		m->subchannel_complete.status = rd_le32(rd);
		m->subchannel_complete.count = rd_le32(rd);
	}
	return 0;
}

/* 'rd' stands behind the type: offsets count from there back. */
static int read_indirection(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	uint32_t count = rd_le32(rd), offset = rd_le32(rd);

	if (from_guest)
		return -EOPNOTSUPP;
	if (count > NVSP_TABLE_SIZE || offset < TABLE_OFFSET)
		return -EBADMSG;
	rd_skip(rd, offset - TABLE_OFFSET);
	m->indirection.count = count;
	for (uint32_t i = 0; i < count; i++)
		m->indirection.table[i] = rd_le32(rd);
	return 0;
}

static int read_body(struct rd *rd, bool from_guest, struct nvsp_msg *m)
{
	switch (m->type) {
	case NVSP_INIT:
		return read_init(rd, from_guest, m);
	case NVSP_INIT_COMPLETE:
		return read_init_complete(rd, from_guest, m);
	case NVSP_SEND_NDIS_VER:
		return read_ndis_ver(rd, from_guest, m);
	case NVSP_SEND_RECV_BUF:
	case NVSP_SEND_SEND_BUF:
		return read_buf(rd, from_guest, m);
	case NVSP_SEND_RECV_BUF_COMPLETE:
		return read_recv_buf_complete(rd, from_guest, m);
	case NVSP_SEND_SEND_BUF_COMPLETE:
		return read_send_buf_complete(rd, from_guest, m);
	case NVSP_REVOKE_RECV_BUF:
	case NVSP_REVOKE_SEND_BUF:
		return read_revoke(rd, from_guest, m);
	case NVSP_RNDIS:
		return read_rndis(rd, from_guest, m);
	case NVSP_RNDIS_COMPLETE:
		return read_rndis_complete(rd, from_guest, m);
	case NVSP_SEND_NDIS_CONFIG:
		return read_ndis_config(rd, from_guest, m);
	case NVSP_VF_ASSOCIATION:
		return read_vf(rd, from_guest, m);
	case NVSP_SWITCH_DATA_PATH:
		return read_data_path(rd, from_guest, m);
	case NVSP_SUBCHANNEL:
		return read_subchannel(rd, from_guest, m);
	case NVSP_INDIRECTION_TABLE:
		return read_indirection(rd, from_guest, m);
	}
	return -EOPNOTSUPP;
}

int nvsp_read(const void *bytes, size_t size, bool from_guest, struct nvsp_msg *ret_msg)
{
	struct rd rd = rd_init(bytes, size);
	struct nvsp_msg m = {.type = (enum nvsp_type)rd_le32(&rd)};
	int ret;

	if (!rd_ok(&rd))
		return -EBADMSG;
	ret = read_body(&rd, from_guest, &m);
	if (ret < 0)
		return ret;
	if (!rd_ok(&rd))
		return -EBADMSG;
	*ret_msg = m;
	return 0;
}

static void write_recv_buf_complete(struct wr *wr, const struct nvsp_msg *m)
{
	wr_le32(wr, m->recv_buf_complete.status);
	wr_le32(wr, m->recv_buf_complete.n_sections);
	wr_le32(wr, m->recv_buf_complete.offset);
	wr_le32(wr, m->recv_buf_complete.section_size);
	wr_le32(wr, m->recv_buf_complete.count);
	wr_le32(wr, m->recv_buf_complete.end);
}

static void write_indirection(struct wr *wr, const struct nvsp_msg *m)
{
	uint32_t n =
		m->indirection.count < NVSP_TABLE_SIZE ? m->indirection.count : NVSP_TABLE_SIZE;

	wr_le32(wr, n);
	wr_le32(wr, TABLE_OFFSET);
	for (uint32_t i = 0; i < NVSP_TABLE_SIZE; i++)
		wr_le32(wr, i < n ? m->indirection.table[i] : 0);
}

static void write_two(struct wr *wr, uint32_t first, uint32_t second)
{
	wr_le32(wr, first);
	wr_le32(wr, second);
}

static void write_body(struct wr *wr, bool from_guest, const struct nvsp_msg *m)
{
	switch (m->type) {
	case NVSP_INIT:
		write_two(wr, m->init.min_version, m->init.max_version);
		break;
	case NVSP_INIT_COMPLETE:
		write_two(wr, m->init_complete.version, m->init_complete.max_mdl_chain);
		wr_le32(wr, m->init_complete.status);
		break;
	case NVSP_SEND_NDIS_VER:
		write_two(wr, m->ndis_ver.major, m->ndis_ver.minor);
		break;
	case NVSP_SEND_RECV_BUF:
	case NVSP_SEND_SEND_BUF:
		wr_le32(wr, m->buf.gpadl);
		wr_le16(wr, m->buf.id);
		break;
	case NVSP_SEND_RECV_BUF_COMPLETE:
		write_recv_buf_complete(wr, m);
		break;
	case NVSP_SEND_SEND_BUF_COMPLETE:
		write_two(wr, m->send_buf_complete.status, m->send_buf_complete.section_size);
		break;
	case NVSP_REVOKE_RECV_BUF:
	case NVSP_REVOKE_SEND_BUF:
		wr_le16(wr, m->buf.id);
		break;
	case NVSP_RNDIS:
		write_two(wr, m->rndis.channel_type, m->rndis.section);
		wr_le32(wr, m->rndis.section_size);
		break;
	case NVSP_RNDIS_COMPLETE:
		wr_le32(wr, m->rndis_complete.status);
		break;
	case NVSP_SEND_NDIS_CONFIG:
		write_two(wr, m->ndis_config.mtu, 0);
		wr_le64(wr, m->ndis_config.capabilities);
		break;
	case NVSP_VF_ASSOCIATION:
		write_two(wr, m->vf.allocated, m->vf.serial);
		break;
	case NVSP_SWITCH_DATA_PATH:
		wr_le32(wr, m->data_path.active);
		break;
	case NVSP_SUBCHANNEL:
		if (from_guest)
			write_two(wr, m->subchannel.op, m->subchannel.count);
		else
			write_two(wr, m->subchannel_complete.status, m->subchannel_complete.count);
		break;
	case NVSP_INDIRECTION_TABLE:
		write_indirection(wr, m);
		break;
	}
}

/* What a message is padded to: Linux's checks of lengths fall through from one message to the next,
 * so it wants the size of the whole union whatever it waits for. */
static size_t padded_size(enum nvsp_type type, bool from_guest, uint32_t version)
{
	if (type == NVSP_RNDIS_COMPLETE || (!from_guest && type == NVSP_RNDIS))
		return 0;
	if (from_guest)
		return GUEST_MSG_SIZE;
	return version >= NVSP_V6_1 ? NVSP_COMPLETION_SIZE_6_1 : NVSP_COMPLETION_SIZE;
}

size_t nvsp_write(const struct nvsp_msg *msg, bool from_guest, uint32_t version, void *to)
{
	struct wr wr = wr_over(to, NVSP_MSG_MAX);
	size_t size;

	memset(to, 0, NVSP_MSG_MAX);
	wr_le32(&wr, msg->type);
	write_body(&wr, from_guest, msg);
	size = padded_size(msg->type, from_guest, version);
	return wr.size < size ? size : wr.size;
}

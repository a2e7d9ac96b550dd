/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See storvsp_proto.h.
 */
#include "vmbus/storvsp_proto.h"

#include <errno.h>
#include <string.h>

#include "ctl/base/wire.h"

static void srb_read(struct rd *rd, struct storvsp_srb *srb)
{
	srb->size = rd_le16(rd);
	srb->srb_status = rd_u8(rd);
	srb->scsi_status = rd_u8(rd);
	srb->port = rd_u8(rd);
	srb->path = rd_u8(rd);
	srb->target = rd_u8(rd);
	srb->lun = rd_u8(rd);
	srb->cdb_size = rd_u8(rd);
	srb->sense_size = rd_u8(rd);
	srb->direction = rd_u8(rd);
	rd_skip(rd, 1);
	srb->transfer = rd_le32(rd);
	rd_copy(rd, srb->cdb_or_sense, sizeof(srb->cdb_or_sense));
}

/* What versions since 5.1 add; zeros when it is not there. */
static void srb_tail_read(struct rd *rd, struct storvsp_srb *srb)
{
	rd_skip(rd, 2);
	srb->tag = rd_u8(rd);
	srb->queue_action = rd_u8(rd);
	srb->flags = rd_le32(rd);
	srb->timeout_s = rd_le32(rd);
	srb->sort_key = rd_le32(rd);
}

static void srb_write(struct wr *wr, const struct storvsp_srb *srb)
{
	wr_le16(wr, srb->size);
	wr_u8(wr, srb->srb_status);
	wr_u8(wr, srb->scsi_status);
	wr_u8(wr, srb->port);
	wr_u8(wr, srb->path);
	wr_u8(wr, srb->target);
	wr_u8(wr, srb->lun);
	wr_u8(wr, srb->cdb_size);
	wr_u8(wr, srb->sense_size);
	wr_u8(wr, srb->direction);
	wr_zeros(wr, 1);
	wr_le32(wr, srb->transfer);
	wr_bytes(wr, srb->cdb_or_sense, sizeof(srb->cdb_or_sense));
	wr_zeros(wr, 2);
	wr_u8(wr, srb->tag);
	wr_u8(wr, srb->queue_action);
	wr_le32(wr, srb->flags);
	wr_le32(wr, srb->timeout_s);
	wr_le32(wr, srb->sort_key);
}

static void properties_read(struct rd *rd, struct storvsp_properties *properties)
{
	rd_skip(rd, 4);
	properties->max_subchannels = rd_le16(rd);
	rd_skip(rd, 2);
	properties->flags = rd_le32(rd);
	properties->max_transfer = rd_le32(rd);
	rd_skip(rd, 8);
}

static void properties_write(struct wr *wr, const struct storvsp_properties *properties)
{
	wr_zeros(wr, 4);
	wr_le16(wr, properties->max_subchannels);
	wr_zeros(wr, 2);
	wr_le32(wr, properties->flags);
	wr_le32(wr, properties->max_transfer);
	wr_zeros(wr, 8);
}

int storvsp_packet_read(const void *bytes, size_t size, enum storvsp_op as,
			struct storvsp_packet *ret_packet)
{
	struct rd rd = rd_init(bytes, size);
	struct storvsp_packet p = {.op = rd_le32(&rd)};

	p.flags = rd_le32(&rd);
	p.status = rd_le32(&rd);
	switch (as != 0 ? (uint32_t)as : p.op) {
	case STORVSP_EXECUTE_SRB:
		srb_read(&rd, &p.srb);
		if (rd.left >= STORVSP_SRB_SIZE - STORVSP_SRB_MIN)
			srb_tail_read(&rd, &p.srb);
		break;
	case STORVSP_QUERY_VERSION:
		p.version = rd_le16(&rd);
		p.revision = rd_le16(&rd);
		break;
	case STORVSP_QUERY_PROPERTIES:
		if (p.op == STORVSP_COMPLETE_IO) /* a question has none */
			properties_read(&rd, &p.properties);
		break;
	case STORVSP_CREATE_SUBCHANNELS:
		p.n_subchannels = rd_le16(&rd);
		break;
	default:
		break;
	}
	if (!rd_ok(&rd))
		return -EBADMSG;
	*ret_packet = p;
	return 0;
}

void storvsp_packet_write(const struct storvsp_packet *packet, enum storvsp_op as,
			  uint8_t bytes[STORVSP_PACKET_SIZE])
{
	struct wr wr = wr_over(bytes, STORVSP_PACKET_SIZE);

	memset(bytes, 0, STORVSP_PACKET_SIZE);
	wr_le32(&wr, packet->op);
	wr_le32(&wr, packet->flags);
	wr_le32(&wr, packet->status);
	switch (as != 0 ? (uint32_t)as : packet->op) {
	case STORVSP_EXECUTE_SRB:
		srb_write(&wr, &packet->srb);
		break;
	case STORVSP_QUERY_VERSION:
		wr_le16(&wr, packet->version);
		wr_le16(&wr, packet->revision);
		break;
	case STORVSP_QUERY_PROPERTIES:
		properties_write(&wr, &packet->properties);
		break;
	case STORVSP_CREATE_SUBCHANNELS:
		wr_le16(&wr, packet->n_subchannels);
		break;
	default:
		break;
	}
}

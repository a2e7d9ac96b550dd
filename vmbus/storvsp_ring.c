/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rings, requests and completions of a SCSI controller: what the disk thread does, under the lock.
 *
 * 	ring ─take()─► request ─► SCSI ─► disk ...
 * 	ring ◄─answer─ 'done'  ◄─ ended()
 *
 * A batch: take what is there from every channel that was signalled, let the disks start all of it
 * at once, put the completions that came meanwhile, signal each guest's channel once.
 */
#include "vmbus/storvsp_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmbus/channel.h"

#define MAX_BATCH 64 /* packets of a channel before the others have their turn */

/* ---- Requests ---- */

static struct storvsp_request *request_create(struct storvsp_channel *c,
					      const struct vmbus_packet *packet, unsigned n_iov)
{
	struct storvsp_request *r = calloc(1, sizeof(*r) + n_iov * sizeof(r->iov[0]));

	if (r == NULL)
		return NULL;
	r->channel = c;
	r->transaction_id = packet->desc.transaction_id;
	r->answer_wanted = (packet->desc.flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0;
	c->n_requests++;
	return r;
}

static void request_destroy(struct storvsp_request *r)
{
	r->channel->n_requests--;
	free(r);
}

/* Answered as soon as there is room; or not at all, where nobody listens. */
static void request_end(struct storvsp_request *r)
{
	struct storvsp_channel *c = r->channel;

	r->packet.op = STORVSP_COMPLETE_IO;
	if (r->answer_wanted && !c->closing && !c->broken) {
		TAILQ_INSERT_TAIL(&c->done, r, link);
		c->again = true;
		return;
	}
	request_destroy(r);
	c->again = true;
	if (c->closing && c->n_requests == 0)
		storvsp_tell_owner(c->storvsp);
}

static void done_forget(struct storvsp_channel *c)
{
	struct storvsp_request *r;

	while ((r = TAILQ_FIRST(&c->done)) != NULL) {
		TAILQ_REMOVE(&c->done, r, link);
		request_destroy(r);
	}
}

/* ---- Commands ---- */

static uint8_t srb_status(const struct scsi_command *command, bool sense)
{
	switch (command->result) {
	case SCSI_OVERRUN:
		return STORVSP_SRB_OVERRUN;
	case SCSI_BAD_DIRECTION:
		return STORVSP_SRB_INVALID;
	case SCSI_NO_LUN:
		return STORVSP_SRB_INVALID_LUN;
	case SCSI_DONE:
		break;
	}
	if (command->status == SCSI_GOOD)
		return STORVSP_SRB_SUCCESS;
	if (command->status == SCSI_BUSY)
		return STORVSP_SRB_BUSY;
	return STORVSP_SRB_ERROR | (sense ? STORVSP_SRB_AUTOSENSE : 0);
}

/* Linux makes a success of a failed INQUIRY or MODE SENSE, and reads what is there. */
static void zero_data(const struct scsi_command *command)
{
	for (unsigned i = 0; i < command->n_iov; i++)
		memset(command->iov[i].iov_base, 0, command->iov[i].iov_len);
}

static void srb_finish(struct storvsp_srb *srb, const struct scsi_command *command)
{
	uint8_t room = srb->sense_size, size = command->sense_size;

	if (size > room)
		size = room;
	srb->srb_status = srb_status(command, size > 0);
	srb->scsi_status = command->status;
	srb->transfer = command->transferred;
	srb->sense_size = size;
	memset(srb->cdb_or_sense, 0, sizeof(srb->cdb_or_sense));
	memcpy(srb->cdb_or_sense, command->sense, size);
}

static void reset_finish(struct storvsp *s)
{
	struct storvsp_request *r = s->reset;

	if (r == NULL || s->n_running > 0)
		return;
	s->reset = NULL;
	request_end(r);
	for (unsigned i = 0; i < s->opts.max_channels; i++)
		s->channels[i].again = true; /* they waited */
}

static void command_done(struct scsi_command *command)
{
	struct storvsp_request *r =
		(struct storvsp_request *)(void *)((char *)command -
						   offsetof(struct storvsp_request, command));
	struct storvsp *s = r->channel->storvsp;
	uint8_t opcode = command->cdb[0];

	if ((opcode == 0x12 || opcode == 0x1a) && command->status != SCSI_GOOD)
		zero_data(command);
	srb_finish(&r->packet.srb, command);
	s->n_running--;
	if (command->unit != NULL && scsi_unit_calls(command->unit))
		storvsp_tell_owner(s); /* a disk that failed, or is wanted away */
	request_end(r);
	reset_finish(s);
}

static bool srb_ok(const struct storvsp_srb *srb, uint32_t data_size)
{
	return srb->cdb_size > 0 && srb->cdb_size <= STORVSP_CDB_SIZE &&
	       srb->direction <= STORVSP_DATA_NONE && srb->transfer <= data_size;
}

static void srb_answer(struct storvsp_request *r, uint8_t status, uint32_t transfer)
{
	r->packet.srb.srb_status = status;
	r->packet.srb.scsi_status = 0;
	r->packet.srb.transfer = transfer;
	r->packet.srb.sense_size = 0;
	request_end(r);
}

static void srb_refuse(struct storvsp_request *r, uint8_t status)
{
	srb_answer(r, status, 0);
}

static bool address_ok(const struct storvsp_srb *srb)
{
	return srb->path == 0 && srb->target == 0;
}

/* Only target 0 of bus 0 is there.  Who asks another one who it is (INQUIRY) and takes no error for
 * an answer must not read a disk out of zeros; and what is not said to be transferred Linux makes
 * zeros of: so the answer is a whole one, that nobody is there and nobody can be, with no units
 * (REPORT LUNS).  Others fail, but not by the unit: Linux removes the unit of that number, whatever
 * the bus was. */
static void address_refuse(struct storvsp_request *r)
{
	const struct storvsp_srb *srb = &r->packet.srb;
	/* Qualifier 3, type 31; SPC-3; 31 bytes follow. */
	static const uint8_t nobody[] = {0x7f, 0, 5, 0, 31};
	const struct iovec *first = &r->command.iov[0];
	uint8_t opcode = srb->cdb_or_sense[0];

	if ((opcode != 0x12 && opcode != 0xa0) || r->command.n_iov == 0) {
		srb_refuse(r, STORVSP_SRB_NO_DEVICE);
		return;
	}
	zero_data(&r->command);
	if (opcode == 0x12)
		memcpy(first->iov_base, nobody,
		       first->iov_len < sizeof(nobody) ? first->iov_len : sizeof(nobody));
	srb_answer(r, STORVSP_SRB_SUCCESS, srb->transfer);
}

static void command_start(struct storvsp *s, struct storvsp_request *r)
{
	static const enum scsi_direction directions[] = {
		[STORVSP_DATA_WRITE] = SCSI_TO_DEVICE,
		[STORVSP_DATA_READ] = SCSI_FROM_DEVICE,
		[STORVSP_DATA_NONE] = SCSI_NO_DATA,
	};
	const struct storvsp_srb *srb = &r->packet.srb;
	struct scsi_command *command = &r->command;

	if (!srb_ok(srb, command->data_size)) {
		storvsp_count(s, STORVSP_FAULT_SRB);
		srb_refuse(r, STORVSP_SRB_INVALID);
		return;
	}
	if (!address_ok(srb)) {
		address_refuse(r);
		return;
	}
	memcpy(command->cdb, srb->cdb_or_sense, sizeof(command->cdb));
	command->cdb_size = srb->cdb_size;
	command->direction = directions[srb->direction];
	command->done = command_done;
	s->n_commands++;
	s->n_running++;
	scsi_execute(s->target, srb->lun, command);
}

/* The guest's pages, as far as the request says that they are meant. */
static void data_take(struct storvsp_request *r, const struct vmbus_piece *pieces, unsigned n)
{
	uint32_t left = r->packet.srb.transfer;
	struct scsi_command *command = &r->command;

	command->iov = r->iov;
	for (unsigned i = 0; i < n && left > 0; i++) {
		uint32_t here = pieces[i].size < left ? pieces[i].size : left;

		r->iov[command->n_iov++] =
			(struct iovec){.iov_base = pieces[i].va, .iov_len = here};
		command->data_size += here;
		left -= here;
	}
}

/* ---- Packets ---- */

/* The pieces of a packet's data: how many, or negative. */
static int pieces_find(struct storvsp_channel *c, const struct vmbus_packet *packet)
{
	struct storvsp *s = c->storvsp;
	uint32_t size;

	if (packet->desc.type != VMBUS_PKT_GPA_DIRECT)
		return 0;
	return vmbus_gpa_read(&c->in, packet, s->opts.memory, s->pieces, VMBUS_GPA_MAX_PFNS, &size);
}

static void packet_run(struct storvsp_request *r, int n_pieces)
{
	struct storvsp_channel *c = r->channel;
	struct storvsp *s = c->storvsp;

	switch (r->op) {
	case STORVSP_EXECUTE_SRB:
		if (s->state != STORVSP_READY) {
			storvsp_count(s, STORVSP_FAULT_ORDER);
			r->packet.status = STORVSP_STATUS_STATE;
			srb_refuse(r, STORVSP_SRB_INVALID);
		} else if (n_pieces < 0) {
			storvsp_count(s, STORVSP_FAULT_PAGES);
			srb_refuse(r, STORVSP_SRB_INVALID);
		} else {
			data_take(r, s->pieces, (unsigned)n_pieces);
			command_start(s, r);
		}
		break;
	case STORVSP_RESET_LUN:
	case STORVSP_RESET_ADAPTER:
	case STORVSP_RESET_BUS:
		s->reset = r;
		reset_finish(s);
		break;
	case STORVSP_BEGIN_INITIALIZATION:
	case STORVSP_END_INITIALIZATION:
	case STORVSP_QUERY_VERSION:
	case STORVSP_QUERY_PROPERTIES:
	case STORVSP_CREATE_SUBCHANNELS: {
		struct storvsp_packet answer = {0};

		storvsp_negotiate(c, &r->packet, &answer);
		r->packet = answer;
		request_end(r);
		break;
	}
	case STORVSP_COMPLETE_IO:
	case STORVSP_REMOVE_DEVICE:
	case STORVSP_ENUMERATE_BUS:
	case STORVSP_FCHBA_DATA:
	default:
		storvsp_count(s, STORVSP_FAULT_OPERATION);
		r->packet.status = STORVSP_STATUS_REQUEST;
		request_end(r);
		break;
	}
}

/* False: there is no memory for it now. */
static bool packet_take(struct storvsp_channel *c, const struct vmbus_packet *packet)
{
	uint8_t bytes[STORVSP_PACKET_SIZE];
	uint32_t size = packet->payload_size < sizeof(bytes) ? packet->payload_size : sizeof(bytes);
	struct storvsp_request *r;
	int n;

	if (packet->desc.type == VMBUS_PKT_COMPLETION)
		return true; /* of what we told it */
	if (packet->desc.type != VMBUS_PKT_INBAND && packet->desc.type != VMBUS_PKT_GPA_DIRECT) {
		storvsp_count(c->storvsp, STORVSP_FAULT_PACKET);
		return true;
	}
	n = pieces_find(c, packet);
	r = request_create(c, packet, n > 0 ? (unsigned)n : 0);
	if (r == NULL)
		return false;
	if (!vmbus_in_copy(&c->in, packet, packet->header_size, bytes, size) ||
	    storvsp_packet_read(bytes, size, 0, &r->packet) != 0) {
		storvsp_count(c->storvsp, STORVSP_FAULT_PACKET);
		r->packet.status = STORVSP_STATUS_PARAMETER;
		request_end(r);
		return true;
	}
	r->op = r->packet.op;
	r->packet.status = STORVSP_OK;
	packet_run(r, n);
	return true;
}

static bool may_take(const struct storvsp_channel *c)
{
	return c->n_requests < STORVSP_MAX_IN_FLIGHT && c->storvsp->reset == NULL;
}

/* Takes packets.  'again' stays when there may be more, and they may be taken. */
static void channel_take(struct storvsp_channel *c)
{
	struct vmbus_packet packet;
	unsigned n = 0;
	bool empty = true;

	if (!may_take(c)) /* request_end() and reset_finish() come back to it */
		return;
	vmbus_in_mask(&c->in, true);
	(void)vmbus_in_begin(&c->in);
	while (n < MAX_BATCH && may_take(c) && vmbus_in_next(&c->in, &packet)) {
		n++;
		if (!packet_take(c, &packet)) {
			vmbus_in_back(&c->in, &packet);
			empty = false;
			break;
		}
	}
	c->signal |= vmbus_in_end(&c->in);
	if (n == MAX_BATCH || !may_take(c))
		empty = false;
	c->again = !empty || !vmbus_in_sleep(&c->in);
}

/* ---- Completions ---- */

static int put(struct storvsp_channel *c, enum vmbus_packet_type type, uint64_t id,
	       const struct storvsp_packet *packet, enum storvsp_op as)
{
	uint8_t bytes[STORVSP_PACKET_SIZE];

	storvsp_packet_write(packet, as, bytes);
	return vmbus_out_put(&c->out, type, 0, id, NULL, 0, bytes, sizeof(bytes));
}

/* Tells the guest to look for units, once it can be told. */
static int announce(struct storvsp_channel *c)
{
	const struct storvsp_packet packet = {.op = STORVSP_ENUMERATE_BUS};
	struct storvsp *s = c->storvsp;
	int rc;

	if (c != &s->channels[0] || !s->announce || s->state != STORVSP_READY)
		return 0;
	rc = put(c, VMBUS_PKT_INBAND, 0, &packet, 0);
	if (rc == 0)
		s->announce = false;
	return rc;
}

static int put_done(struct storvsp_channel *c)
{
	struct storvsp_request *r;
	int rc = 0;

	while (rc == 0 && (r = TAILQ_FIRST(&c->done)) != NULL) {
		rc = put(c, VMBUS_PKT_COMPLETION, r->transaction_id, &r->packet, r->op);
		if (rc == 0) {
			TAILQ_REMOVE(&c->done, r, link);
			request_destroy(r);
		}
	}
	return rc == 0 ? announce(c) : rc;
}

static void channel_put(struct storvsp_channel *c)
{
	const uint32_t size = vmbus_packet_size(0, STORVSP_PACKET_SIZE);
	int rc;

	(void)vmbus_out_begin(&c->out);
	rc = put_done(c);
	c->signal |= vmbus_out_end(&c->out);
	if (rc == -EMSGSIZE) { /* a ring in which nothing has room */
		(void)vmbus_out_break(&c->out, VMBUS_RING_LENGTH);
	} else if (rc == -EAGAIN) {
		c->waits = vmbus_out_wait(&c->out, size);
		c->again = c->again || !c->waits; /* there is room by now */
	} else if (c->waits) {
		(void)vmbus_out_wait(&c->out, 0);
		c->waits = false;
	}
}

/* ---- A batch ---- */

static void channel_check(struct storvsp_channel *c)
{
	if (c->in.fault == VMBUS_RING_NONE && c->out.fault == VMBUS_RING_NONE)
		return;
	storvsp_count(c->storvsp, STORVSP_FAULT_RING);
	c->broken = true;
	done_forget(c);
}

static void channel_signal(struct storvsp_channel *c)
{
	const uint64_t one = 1;

	if (!c->signal)
		return;
	c->signal = false;
	c->storvsp->n_interrupts++;
	/* It fails only when a signal is pending already. */
	if (write(c->call_fd, &one, sizeof(one)) < 0)
		return;
}

static bool works(const struct storvsp_channel *c)
{
	return c->channel != NULL && !c->closing && !c->broken;
}

static void each_disk(struct storvsp *s, bool kick)
{
	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++) {
		const struct scsi_unit *unit = scsi_unit_find(s->target, lun);
		struct disk *disk = unit != NULL ? scsi_unit_disk(unit) : NULL;

		if (disk == NULL)
			continue;
		if (kick && disk->ops->kick != NULL)
			disk->ops->kick(disk);
		else if (!kick && disk->ops->work != NULL)
			disk->ops->work(disk);
	}
}

bool storvsp_run(struct storvsp *s, bool disks)
{
	const unsigned n = s->opts.max_channels;
	bool again = false;

	if (disks)
		each_disk(s, false);
	for (unsigned i = 0; i < n; i++)
		if (works(&s->channels[i]) && s->channels[i].again)
			channel_take(&s->channels[i]);
	each_disk(s, true);
	for (unsigned i = 0; i < n; i++) {
		struct storvsp_channel *c = &s->channels[i];

		if (!works(c))
			continue;
		if (!TAILQ_EMPTY(&c->done) || (i == 0 && s->announce))
			channel_put(c);
		channel_check(c);
		channel_signal(c);
		again |= works(c) && c->again &&
			 (may_take(c) || (!TAILQ_EMPTY(&c->done) && !c->waits));
	}
	return again;
}

int storvsp_channel_start(struct storvsp_channel *c, struct vmbus_channel *channel)
{
	struct vmbus_ring from, to;
	int rc = vmbus_rings_find(c->storvsp->opts.memory, channel->ring, channel->ring_offset,
				  &from, &to);

	if (rc != 0)
		return rc;
	vmbus_in_init(&c->in, &from);
	vmbus_out_init(&c->out, &to);
	c->channel = channel;
	c->kick_fd = channel->kick_fd;
	c->call_fd = channel->call_fd;
	c->closing = false;
	c->broken = false;
	c->signal = false;
	c->waits = false;
	c->again = true;
	c->n_requests = 0;
	TAILQ_INIT(&c->done);
	return 0;
}

void storvsp_channel_stop(struct storvsp_channel *c)
{
	c->closing = true;
	done_forget(c);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See hypercall.h.
 */
#include "hv/hypercall.h"

#include "ctl/base/wire.h"
#include "hv/device.h"
#include "hv/gpa.h"
#include "hv/mail.h"

#include <string.h>

/* The control word. */
#define CODE		0xffffull
#define FAST		(1ull << 16)
#define HEADER_SHIFT	17
#define HEADER_MASK	0x3ffull
#define REPS_SHIFT	32
#define FIRST_REP_SHIFT 48
#define REP_MASK	0xfffull
#define RESERVED	0xf000f000f8000000ull

#define CONNECTION_ID_MAX 0x00ffffffu
#define MESSAGE_SIZE	  (16 + HV_MESSAGE_MAX)
#define SIGNAL_SIZE	  8

/* VMBus's, by version (vmbus/server.h): the only ones that messages may be posted to. */
#define VMBUS_CONNECTION     1
#define VMBUS_CONNECTION_5_0 4

uint16_t hv_hypercall_decode(uint64_t control, uint64_t input, uint64_t output,
			     struct hv_hypercall *ret_call)
{
	struct hv_hypercall call = {
		.code = (uint16_t)(control & CODE),
		.fast = (control & FAST) != 0,
		.header_words = (uint16_t)(control >> HEADER_SHIFT & HEADER_MASK),
		.reps = (uint16_t)(control >> REPS_SHIFT & REP_MASK),
		.first_rep = (uint16_t)(control >> FIRST_REP_SHIFT & REP_MASK),
		.input = input,
		.output = output,
	};

	*ret_call = call;
	return (control & RESERVED) != 0 ? HV_STATUS_INVALID_INPUT : HV_STATUS_SUCCESS;
}

/* Neither call has a variable header, or is repeated. */
static bool is_simple(const struct hv_hypercall *call)
{
	return call->header_words == 0 && call->reps == 0 && call->first_rep == 0;
}

/* Copies the input block, once. */
static uint16_t copy_input(const struct hv_hypercall *call, const struct gpa_map *memory, void *to,
			   size_t size)
{
	const uint8_t *from;

	if ((call->input & 7) != 0 || (call->input & (GPA_PAGE_SIZE - 1)) > GPA_PAGE_SIZE - size)
		return HV_STATUS_INVALID_ALIGNMENT;
	from = gpa_at(memory, call->input, size);
	if (from == NULL)
		return HV_STATUS_INVALID_PARAMETER;
	memcpy(to, from, size);
	return HV_STATUS_SUCCESS;
}

static uint16_t read_message(const uint8_t bytes[MESSAGE_SIZE], struct hv_mail *ret_mail)
{
	struct rd rd = rd_init(bytes, MESSAGE_SIZE);
	uint32_t connection_id = rd_le32(&rd), reserved = rd_le32(&rd);
	uint32_t type = rd_le32(&rd), size = rd_le32(&rd);

	if (connection_id != VMBUS_CONNECTION && connection_id != VMBUS_CONNECTION_5_0)
		return HV_STATUS_INVALID_CONNECTION_ID;
	if (reserved != 0 || type != HV_MESSAGE_CHANNEL || size > HV_MESSAGE_MAX)
		return HV_STATUS_INVALID_PARAMETER;
	memset(ret_mail, 0, sizeof(*ret_mail));
	ret_mail->type = HV_MAIL_MESSAGE;
	ret_mail->message.connection_id = connection_id;
	ret_mail->message.size = size;
	rd_copy(&rd, ret_mail->message.bytes, size);
	return HV_STATUS_SUCCESS;
}

uint16_t hv_hypercall_message(const struct hv_hypercall *call, const struct gpa_map *memory,
			      struct hv_mail *ret_mail)
{
	uint8_t bytes[MESSAGE_SIZE];
	uint16_t status;

	/* 256 bytes do not fit into registers. */
	if (call->fast || !is_simple(call))
		return HV_STATUS_INVALID_INPUT;
	status = copy_input(call, memory, bytes, sizeof(bytes));
	return status != HV_STATUS_SUCCESS ? status : read_message(bytes, ret_mail);
}

uint16_t hv_hypercall_signal(const struct hv_hypercall *call, const struct gpa_map *memory,
			     uint32_t *ret_connection_id)
{
	uint64_t input = call->input;

	if (!is_simple(call))
		return HV_STATUS_INVALID_INPUT;
	if (!call->fast) {
		uint8_t bytes[SIGNAL_SIZE];
		uint16_t status = copy_input(call, memory, bytes, sizeof(bytes));
		struct rd rd = rd_init(bytes, sizeof(bytes));

		if (status != HV_STATUS_SUCCESS)
			return status;
		input = rd_le64(&rd);
	}
	if (input >> 48 != 0)
		return HV_STATUS_INVALID_INPUT;
	if (input >> 32 != 0) /* A flag number: our ports have one flag, 0. */
		return HV_STATUS_INVALID_PORT_ID;
	if (input > CONNECTION_ID_MAX)
		return HV_STATUS_INVALID_CONNECTION_ID;
	*ret_connection_id = (uint32_t)input;
	return HV_STATUS_SUCCESS;
}

/* ---- RetargetDeviceInterrupt ---- */

#define RETARGET_SIZE	 56 /* to the mask of processors, or of banks */
#define PARTITION_SELF	 UINT64_MAX
#define SOURCE_MSI	 1
#define TARGET_SET	 2 /* a set of processors, not a mask */
#define SET_SPARSE	 0
#define SET_ALL		 1
#define N_BANKS		 64
#define BANK_VPS	 64
#define MAX_HEADER_WORDS (1 + N_BANKS)

static unsigned lowest(uint64_t mask)
{
	return (unsigned)__builtin_ctzll(mask);
}

/* The first processor of a set; 'words' are behind the fixed part: the mask of banks (which is
 * its last), then a bank for each bit. */
static bool first_of_set(struct rd *rd, uint64_t format, uint32_t *ret_vp)
{
	uint64_t banks = rd_le64(rd);

	if (format == SET_ALL) {
		*ret_vp = 0;
		return true;
	}
	for (; format == SET_SPARSE && banks != 0; banks &= banks - 1) {
		uint64_t bank = rd_le64(rd);

		if (!rd_ok(rd))
			return false;
		if (bank != 0) {
			*ret_vp = lowest(banks) * BANK_VPS + lowest(bank);
			return true;
		}
	}
	return false;
}

static uint16_t read_retarget(struct rd *rd, struct hv_retarget *ret_retarget)
{
	struct hv_retarget r = {0};
	uint64_t partition = rd_le64(rd), mask;
	uint32_t source, flags;

	r.device = rd_le64(rd);
	source = rd_le32(rd);
	rd_skip(rd, 4);
	r.address = rd_le32(rd);
	r.data = rd_le32(rd);
	rd_skip(rd, 8);
	r.vector = rd_le32(rd);
	flags = rd_le32(rd);
	mask = rd_le64(rd); /* or a set's format */
	if (partition != PARTITION_SELF || source != SOURCE_MSI)
		return HV_STATUS_INVALID_PARAMETER;
	if ((flags & TARGET_SET) != 0) {
		if (!first_of_set(rd, mask, &r.vp))
			return HV_STATUS_INVALID_PARAMETER;
	} else if (mask != 0) {
		r.vp = lowest(mask);
	} else {
		return HV_STATUS_INVALID_PARAMETER;
	}
	*ret_retarget = r;
	return HV_STATUS_SUCCESS;
}

uint16_t hv_hypercall_retarget(const struct hv_hypercall *call, const struct gpa_map *memory,
			       struct hv_retarget *ret_retarget)
{
	uint8_t bytes[RETARGET_SIZE + 8 * MAX_HEADER_WORDS];
	size_t size = RETARGET_SIZE + 8u * call->header_words;
	uint16_t status;
	struct rd rd;

	if (call->fast || call->reps != 0 || call->first_rep != 0 ||
	    call->header_words > MAX_HEADER_WORDS)
		return HV_STATUS_INVALID_INPUT;
	status = copy_input(call, memory, bytes, size);
	if (status != HV_STATUS_SUCCESS)
		return status;
	rd = rd_init(bytes, size);
	return read_retarget(&rd, ret_retarget);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See hypercall.h.
 */
#include "hv/hypercall.h"

#include "ctl/base/wire.h"
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

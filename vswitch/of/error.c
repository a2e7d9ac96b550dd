/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Errors by name, and the error message; see error.h.
 */
#include "vswitch/of/error.h"

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

/* Of a request that failed, at least 64 bytes go back (1.3.5, A.4.4); 128 show a whole match. */
#define REQUEST_MAX 128

static const struct info {
	enum of_error error;
	const char *name;
	const char *text;
} infos[] = {{OF_OK, "0", "no error"},
	     {OF_ERROR_NO_MEMORY, "OFPFMFC_UNKNOWN", "out of memory"},
#define X(type, code, name, text) {name, #name, text},
	     OF_ERRORS(X)
#undef X
#define X(code, name, text) {name, #name, text},
		     OF_ERRORS_ONF(X)
#undef X
};

static const struct info *find(enum of_error error)
{
	for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++)
		if (infos[i].error == error)
			return &infos[i];
	return NULL;
}

const char *of_error_name(enum of_error error)
{
	const struct info *info = find(error);

	return info != NULL ? info->name : NULL;
}

const char *of_error_text(enum of_error error)
{
	const struct info *info = find(error);

	return info != NULL ? info->text : NULL;
}

enum of_error of_error_find(const struct of_error_msg *msg)
{
	bool onf = msg->type == OFPET_EXPERIMENTER;
	unsigned type = onf ? OF_ERROR_TYPE_ONF : msg->type;
	const struct info *info;
	if ((onf && msg->experimenter != OF_EXPERIMENTER_ONF) ||
	    (!onf && type > OFPET_TABLE_FEATURES_FAILED))
		return OF_OK;
	info = find((enum of_error)OF_ERROR_VALUE(type, msg->code));
	return info != NULL ? info->error : OF_OK;
}

enum of_error of_error_decode(struct rd *rd, struct of_error_msg *ret_msg)
{
	struct of_error_msg msg = {0};

	msg.type = rd_be16(rd);
	msg.code = rd_be16(rd);
	if (msg.type == OFPET_EXPERIMENTER)
		msg.experimenter = rd_be32(rd);
	msg.data_size = rd->left;
	msg.data = rd_bytes(rd, rd->left);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	*ret_msg = msg;
	return OF_OK;
}

void of_error_encode(struct wr *wr, uint32_t xid, const struct of_error_msg *msg)
{
	size_t at = of_msg_begin(wr, OFPT_ERROR, xid);

	wr_be16(wr, msg->type);
	wr_be16(wr, msg->code);
	if (msg->type == OFPET_EXPERIMENTER)
		wr_be32(wr, msg->experimenter);
	wr_bytes(wr, msg->data, msg->data_size);
	of_msg_end(wr, at);
}

void of_error_reply(struct wr *wr, enum of_error error, const void *request, size_t request_size)
{
	enum of_error wire = error <= OF_ERROR_NO_MEMORY ? OFPFMFC_UNKNOWN : error;
	unsigned type = ((unsigned)wire >> 16) - 1;
	struct rd rd = rd_init(request, request_size);
	struct of_error_msg msg = {
		.type = type == OF_ERROR_TYPE_ONF ? OFPET_EXPERIMENTER : (uint16_t)type,
		.code = (uint16_t)wire,
		.experimenter = OF_EXPERIMENTER_ONF,
		.data = request,
		.data_size = request_size > REQUEST_MAX ? REQUEST_MAX : request_size,
	};
	rd_skip(&rd, 4);
	of_error_encode(wr, rd_be32(&rd), &msg);
}

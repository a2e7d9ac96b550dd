/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Negotiation; see storvsp.h for its order.  Only the primary channel negotiates.
 */
#include "vmbus/storvsp_priv.h"

void storvsp_forget(struct storvsp *s)
{
	s->state = STORVSP_NEW;
	s->version = 0;
	s->subchannels_asked = false;
	s->n_subchannels = 0;
	s->announce = false;
}

static bool version_known(uint16_t version)
{
	return version == STORVSP_V6_2 || version == STORVSP_V6_0 || version == STORVSP_V5_1 ||
	       version == STORVSP_V4_2 || version == STORVSP_V2_0;
}

static uint32_t query_version(struct storvsp *s, uint16_t version)
{
	if (!version_known(version)) {
		storvsp_count(s, STORVSP_FAULT_VERSION);
		return STORVSP_STATUS_REVISION;
	}
	s->version = version;
	s->state = STORVSP_VERSIONED;
	return STORVSP_OK;
}

static uint32_t query_properties(struct storvsp *s, struct storvsp_properties *properties)
{
	unsigned n = s->opts.max_channels - 1;

	*properties = (struct storvsp_properties){
		.max_subchannels = (uint16_t)n,
		.flags = n > 0 ? STORVSP_MULTI_CHANNEL : 0,
		.max_transfer = STORVSP_MAX_TRANSFER,
	};
	s->state = STORVSP_KNOWN;
	return STORVSP_OK;
}

static uint32_t create_subchannels(struct storvsp *s, uint16_t n)
{
	if (n == 0 || n > s->opts.max_channels - 1)
		return STORVSP_STATUS_PARAMETER;
	s->subchannels_asked = true;
	s->n_subchannels = n;
	storvsp_tell_owner(s); /* who offers them; guests take offers before the answer, too */
	return STORVSP_OK;
}

/* Whether an operation may come now. */
static bool in_order(const struct storvsp *s, uint32_t op)
{
	switch (op) {
	case STORVSP_BEGIN_INITIALIZATION:
		return s->state == STORVSP_NEW;
	case STORVSP_QUERY_VERSION:
		return s->state == STORVSP_BEGUN;
	case STORVSP_QUERY_PROPERTIES:
		return s->state == STORVSP_VERSIONED;
	case STORVSP_CREATE_SUBCHANNELS:
		return s->state >= STORVSP_KNOWN && !s->subchannels_asked;
	case STORVSP_END_INITIALIZATION:
		return s->state == STORVSP_KNOWN;
	default:
		return false;
	}
}

void storvsp_negotiate(struct storvsp_channel *c, const struct storvsp_packet *packet,
		       struct storvsp_packet *answer)
{
	struct storvsp *s = c->storvsp;

	if (c != &s->channels[0] || !in_order(s, packet->op)) {
		storvsp_count(s, STORVSP_FAULT_ORDER);
		answer->status = STORVSP_STATUS_STATE;
		return;
	}
	switch (packet->op) {
	case STORVSP_BEGIN_INITIALIZATION:
		s->state = STORVSP_BEGUN;
		break;
	case STORVSP_QUERY_VERSION:
		answer->version = packet->version;
		answer->status = query_version(s, packet->version);
		break;
	case STORVSP_QUERY_PROPERTIES:
		answer->status = query_properties(s, &answer->properties);
		break;
	case STORVSP_CREATE_SUBCHANNELS:
		answer->n_subchannels = packet->n_subchannels;
		answer->status = create_subchannels(s, packet->n_subchannels);
		break;
	default:
		s->state = STORVSP_READY;
		break;
	}
}

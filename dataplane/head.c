/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See head.h.
 */
#include "dataplane/head.h"

static void tci_bits(struct dp_head *head, uint16_t tci, uint16_t mask)
{
	uint16_t now = (uint16_t)(head->tag[2] << 8 | head->tag[3]);

	now = (uint16_t)((now & ~mask) | (tci & mask));
	head->tag[2] = (uint8_t)(now >> 8);
	head->tag[3] = (uint8_t)now;
}

/* A field of the tag that was pushed. */
static bool add_field(struct dp_head *head, const struct dp_step *s)
{
	enum dp_field field = (enum dp_field)s->arg;
	uint16_t value = (uint16_t)(s->data[0] << 8 | s->data[1]);
	uint16_t mask = (uint16_t)(s->data[2] << 8 | s->data[3]);

	if (head->pushes == 0)
		return false;
	if (field == DP_FIELD_VLAN_VID)
		tci_bits(head, value, mask & 0xfff);
	else if (field == DP_FIELD_VLAN_PCP)
		tci_bits(head, (uint16_t)(s->data[0] << 13), (uint16_t)(s->data[1] << 13));
	else
		return false;
	return true;
}

static bool push(struct dp_head *head, uint32_t arg)
{
	if (head->pushes != 0)
		return false;
	head->pushes = 1;
	head->tag[0] = (uint8_t)(arg >> 24);
	head->tag[1] = (uint8_t)(arg >> 16);
	tci_bits(head, (uint16_t)arg, 0xffff);
	return true;
}

static bool pop(struct dp_head *head)
{
	if (head->pushes != 0)
		head->pushes = 0;
	else if (head->pops != 0)
		return false; /* what is behind one tag of a plain frame is no tag */
	else
		head->pops = 1;
	return true;
}

static bool add(struct dp_head *head, const struct dp_step *s)
{
	switch ((int)s->op) {
	case DP_STEP_PUSH_VLAN:
		return push(head, s->arg);
	case DP_STEP_POP_VLAN:
		return pop(head);
	case DP_STEP_SET_FIELD:
		return add_field(head, s);
	case DP_STEP_SET_MACS:
		head->macs = 1;
		memcpy(head->mac, s->data, sizeof(head->mac));
		return true;
	case DP_STEP_DEC_NW_TTL:
		return head->dec_ttl++ == 0;
	case DP_STEP_QUEUE:
		head->queue = s->arg;
		return s->arg != DP_QUEUE_NONE;
	default:
		return false;
	}
}

bool dp_head_compile(const uint8_t *steps, uint16_t size, struct dp_head *ret_head)
{
	struct dp_head head = {.queue = DP_QUEUE_NONE};

	for (uint16_t at = 0; at < size;) {
		const struct dp_step *s = (const struct dp_step *)(steps + at);

		at = (uint16_t)(at + s->size);
		if (at == size && s->op == DP_STEP_OUTPUT && s->arg < DP_MAX_PORTS) {
			head.out = (uint16_t)s->arg;
			*ret_head = head;
			return true;
		}
		if (!add(&head, s))
			return false;
	}
	return false;
}

uint64_t dp_head_carried(const struct dp_head *head, uint64_t carried, uint16_t pvid)
{
	struct dp_edge_frame f = {.carried = carried};
	uint16_t vid = (uint16_t)((head->tag[2] << 8 | head->tag[3]) & 0xfff);

	if (head->pushes != 0) {
		f.tagged = true;
		f.cvlan = vid != 0 ? vid : pvid;
	} else if (head->pops != 0) {
		f.tagged = false;
		f.cvlan = pvid;
	}
	return f.carried;
}

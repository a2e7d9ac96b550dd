/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of actions; see action.h.
 */
#include "vswitch/of/action_priv.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

#define ACTION_EXPERIMENTER 0xffff
#define ACTION_HEADER_SIZE  4
#define EXPERIMENTER_SIZE   8 /* header and experimenter id */

#define ETH_VLAN       0x8100
#define ETH_QINQ       0x88a8
#define ETH_MPLS       0x8847
#define ETH_MPLS_MCAST 0x8848
#define ETH_PBB	       0x88e7

const char *of_action_name(uint8_t type)
{
	switch (type) {
#define X(name, number, size, text)                                                                \
	case OF_ACT_##name:                                                                        \
		return text;
		OF_ACTIONS(X)
#undef X
#define X(name, number, size, text)                                                                \
	case OF_ACT_NX_##name:                                                                     \
		return text;
		OF_NX_ACTIONS(X)
#undef X
	default:
		return NULL;
	}
}

static void action_fini(const struct of_action *action)
{
	struct of_actions exec;

	if (action->type != OF_ACT_NX_CT)
		return;
	exec = action->ct.exec;
	of_actions_fini(&exec);
}

void of_actions_fini(struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++)
		action_fini(&actions->v[i]);
	free(actions->v);
	*actions = (struct of_actions){0};
}

/* Room is doubled whenever the number is a power of two. */
bool of_actions_add(struct of_actions *actions, const struct of_action *action)
{
	size_t n = actions->n;

	if ((n & (n - 1)) == 0) {
		struct of_action *v = realloc(actions->v, (n == 0 ? 1 : 2 * n) * sizeof(*v));

		if (v == NULL) {
			action_fini(action);
			return false;
		}
		actions->v = v;
	}
	actions->v[actions->n++] = *action;
	return true;
}

bool of_actions_copy(const struct of_actions *actions, struct of_actions *ret_copy)
{
	*ret_copy = (struct of_actions){0};
	for (size_t i = 0; i < actions->n; i++) {
		struct of_action action = actions->v[i];

		if ((action.type == OF_ACT_NX_CT &&
		     !of_actions_copy(&actions->v[i].ct.exec, &action.ct.exec)) ||
		    !of_actions_add(ret_copy, &action)) {
			of_actions_fini(ret_copy);
			return false;
		}
	}
	return true;
}

bool of_actions_equal(const struct of_actions *a, const struct of_actions *b)
{
	struct wr wa = wr_init(SIZE_MAX), wb = wr_init(SIZE_MAX);
	bool equal;

	of_actions_encode(&wa, a);
	of_actions_encode(&wb, b);
	equal = wr_ok(&wa) && wr_ok(&wb) && wa.size == wb.size &&
		(wa.size == 0 || memcmp(wa.bytes, wb.bytes, wa.size) == 0);
	wr_fini(&wa);
	wr_fini(&wb);
	return equal;
}

bool of_actions_output_to(const struct of_actions *actions, uint32_t port)
{
	for (size_t i = 0; i < actions->n; i++)
		if ((actions->v[i].type == OF_ACT_OUTPUT && actions->v[i].output.port == port) ||
		    (actions->v[i].type == OF_ACT_NX_CONTROLLER && port == OFPP_CONTROLLER))
			return true;
	return false;
}

bool of_actions_use_group(const struct of_actions *actions, uint32_t group)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_GROUP && actions->v[i].group == group)
			return true;
	return false;
}

/* Bytes that an action without experimenter has: 0 when its length varies, -1 when it is none. */
static int size_of(uint16_t type)
{
	switch (type) {
#define X(name, number, size, text)                                                                \
	case number:                                                                               \
		return size;
		OF_ACTIONS(X)
#undef X
	default:
		return -1;
	}
}

enum of_error of_set_error(enum of_error error)
{
	if (error == OFPBMC_BAD_LEN)
		return OFPBAC_BAD_SET_LEN;
	return error == OFPBMC_BAD_VALUE ? OFPBAC_BAD_SET_ARGUMENT : OFPBAC_BAD_SET_TYPE;
}

/* The field may be set at all, and have this value. */
static enum of_error set_check(const struct of_oxm *set)
{
	if (set->masked || of_field_info((enum of_field)set->field)->write != OF_WRITE_SET)
		return OFPBAC_BAD_SET_TYPE;
	if (set->field == OF_F_VLAN_VID && (of_oxm_value(set) & OFPVID_PRESENT) == 0)
		return OFPBAC_BAD_SET_ARGUMENT;
	return OF_OK;
}

static enum of_error set_decode(struct rd *rd, bool in_ct, struct of_oxm *ret_set)
{
	enum of_error error;
	size_t size = rd->left;

	error = of_oxm_decode(rd, ret_set);
	if (error)
		return of_set_error(error);
	if (in_ct && !ret_set->masked &&
	    of_field_info((enum of_field)ret_set->field)->write == OF_WRITE_CT)
		error = OF_OK;
	else
		error = in_ct ? OFPBAC_BAD_ARGUMENT : set_check(ret_set);
	/* Padded to eight bytes, action header included, and no further. */
	return error == OF_OK && (size - rd->left + ACTION_HEADER_SIZE + 7) / 8 * 8 !=
					 size + ACTION_HEADER_SIZE
		       ? OFPBAC_BAD_SET_LEN
		       : error;
}

static bool port_is_output(uint32_t port)
{
	return (port > 0 && port <= OFPP_MAX) || (port >= OFPP_IN_PORT && port <= OFPP_LOCAL);
}

static enum of_error values_check(const struct of_action *action)
{
	switch (action->type) {
	case OF_ACT_OUTPUT:
		return port_is_output(action->output.port) ? OF_OK : OFPBAC_BAD_OUT_PORT;
	case OF_ACT_GROUP:
		return action->group <= OF_GROUP_MAX ? OF_OK : OFPBAC_BAD_OUT_GROUP;
	case OF_ACT_SET_QUEUE:
		return action->queue != OF_QUEUE_ALL ? OF_OK : OFPBAC_BAD_QUEUE;
	case OF_ACT_PUSH_VLAN:
		return action->eth_type == ETH_VLAN || action->eth_type == ETH_QINQ
			       ? OF_OK
			       : OFPBAC_BAD_ARGUMENT;
	case OF_ACT_PUSH_MPLS:
		return action->eth_type == ETH_MPLS || action->eth_type == ETH_MPLS_MCAST
			       ? OF_OK
			       : OFPBAC_BAD_ARGUMENT;
	case OF_ACT_PUSH_PBB:
		return action->eth_type == ETH_PBB ? OF_OK : OFPBAC_BAD_ARGUMENT;
	default:
		return OF_OK;
	}
}

/* One of the specification's own; 'rd' is after the action's header and of the right size. */
static enum of_error standard_decode(struct rd *rd, bool in_ct, struct of_action *action)
{
	switch (action->type) {
	case OF_ACT_OUTPUT:
		action->output.port = rd_be32(rd);
		action->output.max_len = rd_be16(rd);
		break;
	case OF_ACT_GROUP:
		action->group = rd_be32(rd);
		break;
	case OF_ACT_SET_QUEUE:
		action->queue = rd_be32(rd);
		break;
	case OF_ACT_PUSH_VLAN:
	case OF_ACT_PUSH_MPLS:
	case OF_ACT_PUSH_PBB:
	case OF_ACT_POP_MPLS:
		action->eth_type = rd_be16(rd);
		break;
	case OF_ACT_SET_MPLS_TTL:
	case OF_ACT_SET_NW_TTL:
		action->ttl = rd_u8(rd);
		break;
	case OF_ACT_SET_FIELD:
		return set_decode(rd, in_ct, &action->set);
	default:
		break; /* Has no arguments. */
	}
	if (in_ct)
		return OFPBAC_BAD_ARGUMENT;
	return values_check(action);
}

static enum of_error action_decode(struct rd *rd, bool in_ct, struct of_action *ret_action)
{
	uint16_t type = rd_be16(rd), size = rd_be16(rd);
	struct of_action action = {0};
	enum of_error error;
	struct rd body;
	int want;

	if (!rd_ok(rd) || size < 8 || size % 8 != 0 || size - ACTION_HEADER_SIZE > (int)rd->left)
		return OFPBAC_BAD_LEN;
	body = rd_sub(rd, size - (size_t)ACTION_HEADER_SIZE);
	if (type == ACTION_EXPERIMENTER) {
		if (rd_be32(&body) != OF_EXPERIMENTER_NICIRA)
			return OFPBAC_BAD_EXPERIMENTER;
		error = of_nx_action_decode(&body, in_ct, &action);
	} else {
		want = size_of(type);
		if (want < 0)
			return OFPBAC_BAD_TYPE;
		if (want > 0 && want != size)
			return OFPBAC_BAD_LEN;
		action.type = (uint8_t)type;
		error = standard_decode(&body, in_ct, &action);
	}
	if (error)
		return error;
	*ret_action = action;
	return OF_OK;
}

enum of_error of_actions_decode_in(struct rd *rd, bool in_ct, struct of_actions *ret_actions)
{
	struct of_actions actions = {0};
	struct of_action action;

	*ret_actions = actions;
	while (rd->left > 0) {
		enum of_error error = action_decode(rd, in_ct, &action);

		if (error == OF_OK && !of_actions_add(&actions, &action))
			error = OF_ERROR_NO_MEMORY;
		if (error) {
			of_actions_fini(&actions);
			return error;
		}
	}
	*ret_actions = actions;
	return OF_OK;
}

enum of_error of_actions_decode(struct rd *rd, struct of_actions *ret_actions)
{
	return of_actions_decode_in(rd, false, ret_actions);
}

static void standard_encode(struct wr *wr, const struct of_action *action)
{
	switch (action->type) {
	case OF_ACT_OUTPUT:
		wr_be32(wr, action->output.port);
		wr_be16(wr, action->output.max_len);
		break;
	case OF_ACT_GROUP:
		wr_be32(wr, action->group);
		break;
	case OF_ACT_SET_QUEUE:
		wr_be32(wr, action->queue);
		break;
	case OF_ACT_PUSH_VLAN:
	case OF_ACT_PUSH_MPLS:
	case OF_ACT_PUSH_PBB:
	case OF_ACT_POP_MPLS:
		wr_be16(wr, action->eth_type);
		break;
	case OF_ACT_SET_MPLS_TTL:
	case OF_ACT_SET_NW_TTL:
		wr_u8(wr, action->ttl);
		break;
	case OF_ACT_SET_FIELD:
		of_oxm_encode(wr, &action->set);
		break;
	default:
		break;
	}
}

static void action_encode(struct wr *wr, const struct of_action *action)
{
	bool nx = (action->type & OF_ACT_NX_BIT) != 0;
	int size = nx ? 0 : size_of(action->type);
	size_t at = wr->size;

	wr_be16(wr, nx ? ACTION_EXPERIMENTER : action->type);
	wr_be16(wr, 0);
	if (nx) {
		wr_be32(wr, OF_EXPERIMENTER_NICIRA);
		of_nx_action_encode(wr, action);
	} else {
		standard_encode(wr, action);
	}
	wr_pad(wr, at, size > 0 ? (size_t)size : 8);
	if (wr->size - at > UINT16_MAX)
		wr->bad = true;
	wr_set_be16(wr, at + 2, (uint16_t)(wr->size - at));
}

void of_actions_encode(struct wr *wr, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++)
		action_encode(wr, &actions->v[i]);
}

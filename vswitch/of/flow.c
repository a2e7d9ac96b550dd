/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about flows; see flow.h.
 */
#include "vswitch/of/flow.h"

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

static enum of_error mod_head_decode(struct rd *rd, struct of_flow_mod *mod)
{
	mod->cookie = rd_be64(rd);
	mod->cookie_mask = rd_be64(rd);
	mod->table = rd_u8(rd);
	mod->command = rd_u8(rd);
	mod->idle_timeout = rd_be16(rd);
	mod->hard_timeout = rd_be16(rd);
	mod->priority = rd_be16(rd);
	mod->buffer_id = rd_be32(rd);
	mod->out_port = rd_be32(rd);
	mod->out_group = rd_be32(rd);
	mod->flags = rd_be16(rd);
	rd_skip(rd, 2);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	if (mod->command > OFPFC_DELETE_STRICT)
		return OFPFMFC_BAD_COMMAND;
	if ((mod->flags & ~OFPFF_ALL) != 0)
		return OFPFMFC_BAD_FLAGS;
	if (mod->table == OF_TABLE_ALL && mod->command < OFPFC_DELETE)
		return OFPFMFC_BAD_TABLE_ID;
	return OF_OK;
}

enum of_error of_flow_mod_decode(struct rd *rd, struct of_flow_mod *ret_mod)
{
	enum of_error error = mod_head_decode(rd, ret_mod);

	if (error == OF_OK)
		error = of_match_decode(rd, &ret_mod->match);
	if (error == OF_OK)
		error = of_instrs_decode(rd, &ret_mod->instrs);
	if (error || ret_mod->command >= OFPFC_DELETE)
		return error;
	error = of_instrs_check(&ret_mod->instrs, &ret_mod->match, ret_mod->table);
	if (error)
		of_flow_mod_fini(ret_mod);
	return error;
}

void of_flow_mod_encode(struct wr *wr, uint32_t xid, const struct of_flow_mod *mod)
{
	size_t at = of_msg_begin(wr, OFPT_FLOW_MOD, xid);

	wr_be64(wr, mod->cookie);
	wr_be64(wr, mod->cookie_mask);
	wr_u8(wr, mod->table);
	wr_u8(wr, mod->command);
	wr_be16(wr, mod->idle_timeout);
	wr_be16(wr, mod->hard_timeout);
	wr_be16(wr, mod->priority);
	wr_be32(wr, mod->buffer_id);
	wr_be32(wr, mod->out_port);
	wr_be32(wr, mod->out_group);
	wr_be16(wr, mod->flags);
	wr_zeros(wr, 2);
	of_match_encode(wr, &mod->match);
	of_instrs_encode(wr, &mod->instrs);
	of_msg_end(wr, at);
}

void of_flow_mod_fini(struct of_flow_mod *mod)
{
	of_instrs_fini(&mod->instrs);
}

enum of_error of_flow_removed_decode(struct rd *rd, struct of_flow_removed *ret_removed)
{
	struct of_flow_removed *r = ret_removed;
	enum of_error error;

	r->cookie = rd_be64(rd);
	r->priority = rd_be16(rd);
	r->reason = rd_u8(rd);
	r->table = rd_u8(rd);
	r->duration_s = rd_be32(rd);
	r->duration_ns = rd_be32(rd);
	r->idle_timeout = rd_be16(rd);
	r->hard_timeout = rd_be16(rd);
	r->n_packets = rd_be64(rd);
	r->n_bytes = rd_be64(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	error = of_match_decode(rd, &r->match);
	return error ? error : of_msg_empty(rd);
}

void of_flow_removed_encode(struct wr *wr, uint32_t xid, const struct of_flow_removed *r)
{
	size_t at = of_msg_begin(wr, OFPT_FLOW_REMOVED, xid);

	wr_be64(wr, r->cookie);
	wr_be16(wr, r->priority);
	wr_u8(wr, r->reason);
	wr_u8(wr, r->table);
	wr_be32(wr, r->duration_s);
	wr_be32(wr, r->duration_ns);
	wr_be16(wr, r->idle_timeout);
	wr_be16(wr, r->hard_timeout);
	wr_be64(wr, r->n_packets);
	wr_be64(wr, r->n_bytes);
	of_match_encode(wr, &r->match);
	of_msg_end(wr, at);
}

enum of_error of_flow_filter_decode(struct rd *rd, struct of_flow_filter *ret_filter)
{
	enum of_error error;

	ret_filter->table = rd_u8(rd);
	rd_skip(rd, 3);
	ret_filter->out_port = rd_be32(rd);
	ret_filter->out_group = rd_be32(rd);
	rd_skip(rd, 4);
	ret_filter->cookie = rd_be64(rd);
	ret_filter->cookie_mask = rd_be64(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	error = of_match_decode(rd, &ret_filter->match);
	return error ? error : of_msg_empty(rd);
}

void of_flow_filter_encode(struct wr *wr, const struct of_flow_filter *filter)
{
	wr_u8(wr, filter->table);
	wr_zeros(wr, 3);
	wr_be32(wr, filter->out_port);
	wr_be32(wr, filter->out_group);
	wr_zeros(wr, 4);
	wr_be64(wr, filter->cookie);
	wr_be64(wr, filter->cookie_mask);
	of_match_encode(wr, &filter->match);
}

enum of_error of_flow_stats_decode(struct rd *rd, struct of_flow_stats *ret_stats)
{
	struct of_flow_stats *s = ret_stats;
	uint16_t size = rd_be16(rd);
	struct rd entry = rd_sub(rd, size < 2 ? SIZE_MAX : size - 2U);
	enum of_error error;

	s->table = rd_u8(&entry);
	rd_skip(&entry, 1);
	s->duration_s = rd_be32(&entry);
	s->duration_ns = rd_be32(&entry);
	s->priority = rd_be16(&entry);
	s->idle_timeout = rd_be16(&entry);
	s->hard_timeout = rd_be16(&entry);
	s->flags = rd_be16(&entry);
	rd_skip(&entry, 4);
	s->cookie = rd_be64(&entry);
	s->n_packets = rd_be64(&entry);
	s->n_bytes = rd_be64(&entry);
	if (!rd_ok(&entry))
		return OFPBRC_BAD_LEN;
	error = of_match_decode(&entry, &s->match);
	return error ? error : of_instrs_decode(&entry, &s->instrs);
}

static size_t stats_begin(struct wr *wr, const struct of_flow_stats *s)
{
	size_t at = wr->size;

	wr_be16(wr, 0);
	wr_u8(wr, s->table);
	wr_zeros(wr, 1);
	wr_be32(wr, s->duration_s);
	wr_be32(wr, s->duration_ns);
	wr_be16(wr, s->priority);
	wr_be16(wr, s->idle_timeout);
	wr_be16(wr, s->hard_timeout);
	wr_be16(wr, s->flags);
	wr_zeros(wr, 4);
	wr_be64(wr, s->cookie);
	wr_be64(wr, s->n_packets);
	wr_be64(wr, s->n_bytes);
	return at;
}

void of_flow_stats_encode(struct wr *wr, const struct of_flow_stats *s,
			  const struct of_match *match, const struct of_instrs *instrs)
{
	size_t at = stats_begin(wr, s);

	of_match_encode(wr, match);
	of_instrs_encode(wr, instrs);
	wr_set_be16(wr, at, (uint16_t)(wr->size - at));
}

void of_flow_stats_encode_kept(struct wr *wr, const struct of_flow_stats *s, const uint8_t *match,
			       size_t match_size, const struct of_instrs *instrs)
{
	size_t at = stats_begin(wr, s);

	wr_bytes(wr, match, match_size);
	of_instrs_encode(wr, instrs);
	wr_set_be16(wr, at, (uint16_t)(wr->size - at));
}

enum of_error of_aggregate_decode(struct rd *rd, struct of_aggregate *ret_aggregate)
{
	ret_aggregate->n_packets = rd_be64(rd);
	ret_aggregate->n_bytes = rd_be64(rd);
	ret_aggregate->n_flows = rd_be32(rd);
	rd_skip(rd, 4);
	return of_msg_empty(rd);
}

void of_aggregate_encode(struct wr *wr, const struct of_aggregate *aggregate)
{
	wr_be64(wr, aggregate->n_packets);
	wr_be64(wr, aggregate->n_bytes);
	wr_be32(wr, aggregate->n_flows);
	wr_zeros(wr, 4);
}

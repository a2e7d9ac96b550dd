/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about meters; see meter.h.
 */
#include "vswitch/of/meter.h"

#include <stdlib.h>

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

#define BAND_SIZE	16
#define BAND_STATS_SIZE 16
#define DSCP_MAX	63

void of_meter_fini(struct of_meter *meter)
{
	free(meter->bands);
	*meter = (struct of_meter){0};
}

bool of_meter_add_band(struct of_meter *meter, const struct of_band *band)
{
	struct of_band *v = realloc(meter->bands, (meter->n_bands + 1) * sizeof(*v));

	if (v == NULL)
		return false;
	meter->bands = v;
	meter->bands[meter->n_bands++] = *band;
	return true;
}

static enum of_error band_decode(struct rd *rd, struct of_band *ret_band)
{
	uint16_t size;

	ret_band->type = rd_be16(rd);
	size = rd_be16(rd);
	ret_band->rate = rd_be32(rd);
	ret_band->burst = rd_be32(rd);
	ret_band->prec_level = rd_u8(rd);
	rd_skip(rd, 3);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	if (ret_band->type != OFPMBT_DROP && ret_band->type != OFPMBT_DSCP_REMARK)
		return OFPMMFC_BAD_BAND;
	if (size != BAND_SIZE)
		return OFPBRC_BAD_LEN;
	if (ret_band->type == OFPMBT_DROP)
		ret_band->prec_level = 0; /* padding there */
	return ret_band->prec_level <= DSCP_MAX ? OF_OK : OFPMMFC_BAD_BAND_VALUE;
}

static enum of_error bands_decode(struct rd *rd, struct of_meter *meter)
{
	struct of_band band;

	while (rd->left > 0) {
		enum of_error error = band_decode(rd, &band);

		if (error == OF_OK && !of_meter_add_band(meter, &band))
			error = OF_ERROR_NO_MEMORY;
		if (error) {
			of_meter_fini(meter);
			return error;
		}
	}
	return OF_OK;
}

static void bands_encode(struct wr *wr, const struct of_meter *meter)
{
	for (size_t i = 0; i < meter->n_bands; i++) {
		wr_be16(wr, meter->bands[i].type);
		wr_be16(wr, BAND_SIZE);
		wr_be32(wr, meter->bands[i].rate);
		wr_be32(wr, meter->bands[i].burst);
		wr_u8(wr, meter->bands[i].prec_level);
		wr_zeros(wr, 3);
	}
}

static enum of_error head_check(const struct of_meter_mod *mod)
{
	const struct of_meter *meter = &mod->meter;

	if (mod->command > OFPMC_DELETE)
		return OFPMMFC_BAD_COMMAND;
	if (meter->id == 0 || (meter->id > OF_METER_MAX && meter->id < OF_METER_SLOWPATH) ||
	    (meter->id == OF_METER_ALL && mod->command != OFPMC_DELETE))
		return OFPMMFC_INVALID_METER;
	if (mod->command == OFPMC_DELETE)
		return OF_OK;
	if ((meter->flags & ~OFPMF_ALL) != 0 ||
	    (meter->flags & (OFPMF_KBPS | OFPMF_PKTPS)) == (OFPMF_KBPS | OFPMF_PKTPS))
		return OFPMMFC_BAD_FLAGS;
	return OF_OK;
}

enum of_error of_meter_mod_decode(struct rd *rd, struct of_meter_mod *ret_mod)
{
	struct of_meter_mod mod = {0};
	enum of_error error;

	mod.command = rd_be16(rd);
	mod.meter.flags = rd_be16(rd);
	mod.meter.id = rd_be32(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	error = head_check(&mod);
	if (error == OF_OK)
		error = bands_decode(rd, &mod.meter);
	if (error)
		return error;
	*ret_mod = mod;
	return OF_OK;
}

void of_meter_mod_encode(struct wr *wr, uint32_t xid, const struct of_meter_mod *mod)
{
	size_t at = of_msg_begin(wr, OFPT_METER_MOD, xid);

	wr_be16(wr, mod->command);
	wr_be16(wr, mod->meter.flags);
	wr_be32(wr, mod->meter.id);
	bands_encode(wr, &mod->meter);
	of_msg_end(wr, at);
}

enum of_error of_meter_config_decode(struct rd *rd, struct of_meter *ret_meter)
{
	uint16_t size = rd_be16(rd);
	struct rd entry = rd_sub(rd, size < 2 ? SIZE_MAX : size - 2U);
	struct of_meter meter = {0};
	enum of_error error;

	meter.flags = rd_be16(&entry);
	meter.id = rd_be32(&entry);
	if (!rd_ok(&entry))
		return OFPBRC_BAD_LEN;
	error = bands_decode(&entry, &meter);
	if (error)
		return error;
	*ret_meter = meter;
	return OF_OK;
}

void of_meter_config_encode(struct wr *wr, const struct of_meter *meter)
{
	size_t at = wr->size;

	wr_be16(wr, 0);
	wr_be16(wr, meter->flags);
	wr_be32(wr, meter->id);
	bands_encode(wr, meter);
	if (wr->size - at > UINT16_MAX)
		wr->bad = true;
	wr_set_be16(wr, at, (uint16_t)(wr->size - at));
}

enum of_error of_meter_stats_decode(struct rd *rd, struct of_band_counter *ret_counters, size_t max,
				    struct of_meter_stats *ret_stats)
{
	struct of_meter_stats s = {.bands = ret_counters};
	struct rd entry;
	uint16_t size;

	s.id = rd_be32(rd);
	size = rd_be16(rd);
	entry = rd_sub(rd, size < 6 ? SIZE_MAX : size - 6U);
	rd_skip(&entry, 6);
	s.n_flows = rd_be32(&entry);
	s.n_packets = rd_be64(&entry);
	s.n_bytes = rd_be64(&entry);
	s.duration_s = rd_be32(&entry);
	s.duration_ns = rd_be32(&entry);
	if (!rd_ok(&entry) || entry.left % BAND_STATS_SIZE != 0)
		return OFPBRC_BAD_LEN;
	for (; entry.left > 0 && s.n_bands < max; s.n_bands++) {
		ret_counters[s.n_bands].n_packets = rd_be64(&entry);
		ret_counters[s.n_bands].n_bytes = rd_be64(&entry);
	}
	*ret_stats = s;
	return OF_OK;
}

void of_meter_stats_encode(struct wr *wr, const struct of_meter_stats *stats)
{
	size_t at = wr->size;

	wr_be32(wr, stats->id);
	wr_be16(wr, 0);
	wr_zeros(wr, 6);
	wr_be32(wr, stats->n_flows);
	wr_be64(wr, stats->n_packets);
	wr_be64(wr, stats->n_bytes);
	wr_be32(wr, stats->duration_s);
	wr_be32(wr, stats->duration_ns);
	for (size_t i = 0; i < stats->n_bands; i++) {
		wr_be64(wr, stats->bands[i].n_packets);
		wr_be64(wr, stats->bands[i].n_bytes);
	}
	if (wr->size - at > UINT16_MAX)
		wr->bad = true;
	wr_set_be16(wr, at + 4, (uint16_t)(wr->size - at));
}

enum of_error of_meter_features_decode(struct rd *rd, struct of_meter_features *ret_features)
{
	ret_features->max_meters = rd_be32(rd);
	ret_features->band_types = rd_be32(rd);
	ret_features->capabilities = rd_be32(rd);
	ret_features->max_bands = rd_u8(rd);
	ret_features->max_color = rd_u8(rd);
	rd_skip(rd, 2);
	return of_msg_empty(rd);
}

void of_meter_features_encode(struct wr *wr, const struct of_meter_features *features)
{
	wr_be32(wr, features->max_meters);
	wr_be32(wr, features->band_types);
	wr_be32(wr, features->capabilities);
	wr_u8(wr, features->max_bands);
	wr_u8(wr, features->max_color);
	wr_zeros(wr, 2);
}

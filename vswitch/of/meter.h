/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about meters (OpenFlow 1.3.5, A.3.4.4, A.3.5.12 to A.3.5.14).
 */
#ifndef VSWITCH_OF_METER_H
#define VSWITCH_OF_METER_H

#include "vswitch/of/instr.h"

enum of_meter_command { OFPMC_ADD = 0, OFPMC_MODIFY = 1, OFPMC_DELETE = 2 };
enum of_meter_flags {
	OFPMF_KBPS = 1 << 0,
	OFPMF_PKTPS = 1 << 1,
	OFPMF_BURST = 1 << 2,
	OFPMF_STATS = 1 << 3,
	OFPMF_ALL = (1 << 4) - 1,
};
enum of_meter_band_type { OFPMBT_DROP = 1, OFPMBT_DSCP_REMARK = 2 };

struct of_band {
	uint16_t type;
	uint8_t prec_level; /* OFPMBT_DSCP_REMARK */
	uint32_t rate;	    /* kilobits or packets a second */
	uint32_t burst;	    /* kilobits or packets */
};

/* Owns its bands. */
struct of_meter {
	uint32_t id;
	uint16_t flags;
	struct of_band *bands;
	size_t n_bands;
};
void of_meter_fini(struct of_meter *meter);
/* False when memory ran out. */
bool of_meter_add_band(struct of_meter *meter, const struct of_band *band);

struct of_meter_mod {
	uint16_t command;
	struct of_meter meter;
};
/* 'ret_mod' need not be initialised; on success it is the caller's to finish (its meter). */
enum of_error of_meter_mod_decode(struct rd *rd, struct of_meter_mod *ret_mod);
void of_meter_mod_encode(struct wr *wr, uint32_t xid, const struct of_meter_mod *mod);

/* An entry of a meter configuration reply. */
enum of_error of_meter_config_decode(struct rd *rd, struct of_meter *ret_meter);
void of_meter_config_encode(struct wr *wr, const struct of_meter *meter);

struct of_band_counter {
	uint64_t n_packets, n_bytes;
};
/* An entry of a meter statistics reply. */
struct of_meter_stats {
	uint32_t id;
	uint32_t n_flows;
	uint64_t n_packets, n_bytes; /* that came in */
	uint32_t duration_s, duration_ns;
	const struct of_band_counter *bands; /* borrowed when encoding */
	size_t n_bands;
};
/* 'ret_counters' gets up to 'max' of the bands' counters; 'ret_stats->bands' is it. */
enum of_error of_meter_stats_decode(struct rd *rd, struct of_band_counter *ret_counters, size_t max,
				    struct of_meter_stats *ret_stats);
void of_meter_stats_encode(struct wr *wr, const struct of_meter_stats *stats);

struct of_meter_features {
	uint32_t max_meters;
	uint32_t band_types; /* bits by enum of_meter_band_type */
	uint32_t capabilities;
	uint8_t max_bands;
	uint8_t max_color;
};
enum of_error of_meter_features_decode(struct rd *rd, struct of_meter_features *ret_features);
void of_meter_features_encode(struct wr *wr, const struct of_meter_features *features);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Meters: how much of what comes is over a rate (OpenFlow 1.3.5, 5.7).  Each band of a meter is a
 * token bucket of its own, kept as a moment: up to when what was let through so far would have
 * taken at the band's rate.  That is one word, which workers move on by a chunk at a time (about a
 * twentieth of a millisecond's worth) and use up by themselves, so they share no write for each
 * packet, and together let through exactly the rate.
 *
 * Tokens are thousandths of a packet, or bits: a rate of r packets or kilobits a second is r of
 * them a millisecond.
 *
 * A meter is immutable but for its tokens; changing one puts another in its place
 * (dp_meter_publish()).  Programs name it by index (METER step).  Control thread, but for
 * dp_meter_run().
 */
#ifndef DATAPLANE_METER_H
#define DATAPLANE_METER_H

#include <stdbool.h>
#include <stdint.h>

#define DP_METER_BANDS 8
#define DP_MAX_METERS  65536u

struct dp;
struct dp_meter;

struct dp_meter_band_spec {
	uint64_t rate;	  /* kilobits or packets a second, not 0 */
	uint64_t burst;	  /* kilobits or packets; 0: a tenth of a second's worth, or 16 packets */
	bool remark;	  /* else drop */
	uint8_t by;	  /* remark: steps of drop precedence */
	uint32_t counter; /* of packets that it applied to (dp_flow_counter_alloc()) */
};

struct dp_meter_spec {
	bool packets; /* rates are of packets, not kilobits */
	uint16_t n_bands;
	uint32_t counter; /* of packets that came */
	struct dp_meter_band_spec bands[DP_METER_BANDS];
};

/* NULL without memory.  Full to its burst. */
struct dp_meter *dp_meter_create(const struct dp_meter_spec *spec, uint64_t tsc_hz);
/* No worker holds it.  Takes NULL. */
void dp_meter_destroy(struct dp_meter *meter);
const struct dp_meter_spec *dp_meter_spec(const struct dp_meter *meter);

/* A packet of 'size' bytes at 'now_tsc', on worker 'worker': the band that it falls to, which is
 * the one of the highest rate that is exceeded, or -1.  What falls to a band takes nothing from
 * those of lower rates: of 5000 packets a second, bands of 1000 and 3000 get 2000 each. */
int dp_meter_run(struct dp_meter *meter, unsigned worker, uint64_t now_tsc, uint32_t size);

/* A number for METER steps.  0, -ENOMEM or -ENOSPC. */
int dp_meter_index_alloc(struct dp *dp, uint32_t *ret_index);
/* No program names it, and its meter is NULL. */
void dp_meter_index_free(struct dp *dp, uint32_t index);
/* What packets meet there from now on; NULL: none, they pass.  Takes 'meter'; returns what was
 * there, which workers may hold until they are next quiescent. */
struct dp_meter *dp_meter_publish(struct dp *dp, uint32_t index, struct dp_meter *meter);
/* Does what is there change packets?  Any thread between two quiescent points. */
bool dp_meter_remarks(const struct dp *dp, uint32_t index);
uint64_t dp_meter_tsc_hz(const struct dp *dp);
void dp_meters_fini(struct dp *dp);

#endif

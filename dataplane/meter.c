/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See meter.h.
 */
#include "dataplane/meter.h"

#include "dataplane/meter_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNKS_A_MS   20
#define BURSTS_A_S    10
#define LEAST_PACKETS 16
#define FRAME_BITS    (1514 * 8)
#define LONGEST_S     3600 /* of a burst */

/* ---- Life ---- */

static void band_init(struct dp_meter_band *band, const struct dp_meter_spec *spec,
		      const struct dp_meter_band_spec *s, uint64_t tsc_hz)
{
	uint64_t packet = spec->packets ? 1000 : FRAME_BITS;
	uint64_t burst = s->burst * 1000;

	if (burst == 0) {
		burst = s->rate * (1000 / BURSTS_A_S);
		if (burst < LEAST_PACKETS * packet)
			burst = LEAST_PACKETS * packet;
	}
	band->tsc_per_token = (double)tsc_hz / 1000 / (double)s->rate;
	band->burst_tsc = tsc_hz * LONGEST_S;
	if ((double)burst * band->tsc_per_token < (double)band->burst_tsc)
		band->burst_tsc = (uint64_t)((double)burst * band->tsc_per_token);
	band->chunk = (int64_t)(s->rate / CHUNKS_A_MS);
	/* Several workers with a chunk each are no burst of their own. */
	if (band->chunk > (int64_t)(burst / 8))
		band->chunk = (int64_t)(burst / 8);
	if (band->chunk < (int64_t)packet)
		band->chunk = (int64_t)packet;
}

struct dp_meter *dp_meter_create(const struct dp_meter_spec *spec, uint64_t tsc_hz)
{
	struct dp_meter *meter = aligned_alloc(64, sizeof(*meter));

	if (meter == NULL)
		return NULL;
	memset(meter, 0, sizeof(*meter));
	meter->spec = *spec;
	for (uint16_t i = 0; i < spec->n_bands; i++) {
		uint16_t at = i;

		band_init(&meter->bands[i], spec, &spec->bands[i], tsc_hz);
		for (; at > 0 && spec->bands[meter->order[at - 1]].rate < spec->bands[i].rate; at--)
			meter->order[at] = meter->order[at - 1];
		meter->order[at] = (uint8_t)i;
	}
	return meter;
}

void dp_meter_destroy(struct dp_meter *meter)
{
	free(meter);
}

const struct dp_meter_spec *dp_meter_spec(const struct dp_meter *meter)
{
	return &meter->spec;
}

/* ---- Tokens ---- */

/* Moves the band's moment on by what 'tokens' take, unless that would be in the future. */
static bool borrow(struct dp_meter_band *band, uint64_t now, int64_t tokens)
{
	uint64_t cost = (uint64_t)((double)tokens * band->tsc_per_token);
	/* A frame that is longer than the burst passes a bucket that is full. */
	uint64_t depth = cost > band->burst_tsc ? cost : band->burst_tsc;
	uint64_t least = now > depth ? now - depth : 0;
	uint64_t at = atomic_load_explicit(&band->at, memory_order_relaxed), from;

	do {
		from = at > least ? at : least;
		if (from + cost > now)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&band->at, &at, from + cost,
							memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static bool take(struct dp_meter_band *band, int64_t *mine, uint64_t now, int64_t tokens)
{
	int64_t need = tokens - *mine;
	int64_t more = need > band->chunk ? need : band->chunk;

	if (need > 0) {
		if (!borrow(band, now, more)) {
			more = need;
			if (!borrow(band, now, more))
				return false;
		}
		*mine += more;
	}
	*mine -= tokens;
	return true;
}

int dp_meter_run(struct dp_meter *meter, unsigned worker, uint64_t now_tsc, uint32_t size)
{
	int64_t tokens = meter->spec.packets ? 1000 : (int64_t)size * 8;
	int64_t *mine = meter->share[worker].tokens;

	for (uint16_t i = 0; i < meter->spec.n_bands; i++) {
		uint8_t band = meter->order[i];

		if (!take(&meter->bands[band], &mine[band], now_tsc, tokens))
			return band;
	}
	return -1;
}

/* ---- Those that there are ---- */

int dp_meter_index_alloc(struct dp *dp, uint32_t *ret_index)
{
	struct dp_meters *meters = atomic_load(&dp->meters);

	if (meters == NULL) {
		meters = calloc(1, sizeof(*meters));
		if (meters == NULL)
			return -ENOMEM;
		atomic_store_explicit(&dp->meters, meters, memory_order_release);
	}
	for (uint32_t n = 0; n < DP_MAX_METERS; n++) {
		uint32_t i = (meters->next + n) % DP_MAX_METERS;

		if ((meters->taken[i / 64] >> (i % 64) & 1) != 0)
			continue;
		meters->taken[i / 64] |= UINT64_C(1) << (i % 64);
		meters->next = i + 1;
		*ret_index = i;
		return 0;
	}
	return -ENOSPC;
}

void dp_meter_index_free(struct dp *dp, uint32_t index)
{
	struct dp_meters *meters = atomic_load(&dp->meters);

	meters->taken[index / 64] &= ~(UINT64_C(1) << (index % 64));
	if (index < meters->next)
		meters->next = index;
}

struct dp_meter *dp_meter_publish(struct dp *dp, uint32_t index, struct dp_meter *meter)
{
	return atomic_exchange_explicit(&atomic_load(&dp->meters)->v[index], meter,
					memory_order_acq_rel);
}

bool dp_meter_remarks(const struct dp *dp, uint32_t index)
{
	const struct dp_meter *meter = dp_meter_at(dp, index);

	for (unsigned i = 0; meter != NULL && i < meter->spec.n_bands; i++)
		if (meter->spec.bands[i].remark)
			return true;
	return false;
}

uint64_t dp_meter_tsc_hz(const struct dp *dp)
{
	return dp->tsc_hz;
}

void dp_meters_fini(struct dp *dp)
{
	free(atomic_load(&dp->meters));
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow cache alone: cycles of the time stamp counter for a packet, from its header to the
 * entry.
 *
 * 	mf_bench FLOWS GROUPS [plain|lookup|both]
 *
 * FLOWS random UDP flows in GROUPS groups of different masks (0: one that looks at 20/8 only).
 */
#include "dataplane/mf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#define N_BURSTS 200000u

static uint64_t state = 1;

static uint32_t rnd(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 32);
}

static void unref(void *arg, struct dp_program *program)
{
}

static void frame_make(uint8_t *f, uint32_t flow)
{
	static const uint8_t head[] = {2, 0,	0, 0, 0,  1, 2, 0, 0, 0,  0,  2, 8,
				       0, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0};

	memset(f, 0, 64);
	memcpy(f, head, sizeof(head));
	state = flow * 77 + 5;
	rnd();
	for (unsigned i = 26; i < 38; i += 4) {
		uint32_t v = rnd();

		memcpy(f + i, &v, 4);
	}
	f[26] = 10;
	f[30] = 20;
	f[38] = 0;
	f[39] = 30;
}

int main(int argc, char **argv)
{
	uint32_t n_flows = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000;
	unsigned n_groups = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	static const uint64_t tables[4] = {1};
	static struct dp_program program;
	static struct dp_mf_burst b;
	struct dp_key nothing = {0};
	uint8_t *frames = malloc((size_t)n_flows * 64 + 64);
	uint64_t start, hits = 0, best = UINT64_MAX;
	struct dp_mf *mf;

	if (frames == NULL || dp_mf_create(4000000, unref, NULL, &mf) != 0)
		return 1;
	for (uint32_t i = 0; i < n_flows; i++) {
		struct dp_key key = {0}, mask = {0};

		frame_make(frames + (size_t)i * 64, i);
		if (!dp_key_plain(frames + (size_t)i * 64, 64, 0x0100, key.w))
			return 2;
		dp_key_cover(&mask, DP_FIELD_IN_PORT);
		dp_key_cover(&mask, DP_FIELD_ETH_TYPE);
		dp_key_set(&mask, DP_FIELD_IP4_DST, 0xff000000);
		if (n_groups != 0) {
			dp_key_cover(&mask, DP_FIELD_IP4_SRC);
			dp_key_cover(&mask, DP_FIELD_TP_SRC);
			dp_key_set(&mask, DP_FIELD_IP4_DST, UINT32_MAX << (i % n_groups));
		}
		dp_mf_insert(mf, 0, &key, &mask, &program, tables, &nothing, 0,
			     (struct dp_mf_share){0});
		if (i % 64 == 0)
			dp_mf_upkeep(mf, 0, 1000);
		if (i % 16384 == 0)
			dp_mf_tick(mf);
	}
	for (unsigned i = 0; i < 10000; i++)
		dp_mf_upkeep(mf, 0, 1000);
	printf("%u entries\n", mf->n_entries);
	for (unsigned round = 0; round < 3; round++) {
		uint32_t at = 0;

		hits = 0;
		start = rte_rdtsc();
		for (unsigned n = 0; n < N_BURSTS; n++) {
			b.n = DP_BURST;
			for (unsigned i = 0; i < DP_BURST; i++) {
				at = at + 1 < n_flows ? at + 1 : 0;
				dp_key_plain(frames + (size_t)at * 64, 64, 0x0100, b.key[i]);
			}
			dp_mf_lookup(mf, 0, &b);
			for (unsigned i = 0; i < DP_BURST; i++)
				hits += b.hit[i] != NULL;
		}
		start = rte_rdtsc() - start;
		best = start < best ? start : best;
	}
	printf("%u flows, %u groups: %.1f cycles a packet, %.1f %% hits\n", n_flows, n_groups,
	       (double)best / (N_BURSTS * DP_BURST), 100.0 * (double)hits / (N_BURSTS * DP_BURST));
	dp_mf_destroy(mf);
	free(frames);
	return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See cls_stage.h.
 */
#include "dataplane/cls_stage.h"

#include <stdlib.h>

#define FIRST_COUNTS 64u
#define COUNTS_EACH  16u /* at least, for a rule */

struct dp_cls_stage *dp_cls_stage_create(uint32_t n_rules)
{
	uint32_t n = FIRST_COUNTS;
	struct dp_cls_stage *stage;

	while (n < n_rules * 2 * COUNTS_EACH)
		n *= 2;
	stage = calloc(1, sizeof(*stage) + n);
	if (stage != NULL)
		stage->mask = n - 1;
	return stage;
}

bool dp_cls_stage_is_full(const struct dp_cls_stage *stage, uint32_t n_rules)
{
	return n_rules * COUNTS_EACH > stage->mask;
}

static void count(struct dp_cls_stage *stage, uint32_t hash, int by)
{
	for (unsigned i = 0; i < DP_CLS_STAGE_LOOKS; i++, hash = dp_cls_stage_next(hash)) {
		_Atomic uint8_t *at = &stage->counts[hash & stage->mask];
		uint8_t n = atomic_load_explicit(at, memory_order_relaxed);

		if (n != UINT8_MAX)
			atomic_store_explicit(at, (uint8_t)(n + by), memory_order_relaxed);
	}
}

void dp_cls_stage_add(struct dp_cls_stage *stage, uint32_t hash)
{
	count(stage, hash, 1);
}

void dp_cls_stage_remove(struct dp_cls_stage *stage, uint32_t hash)
{
	count(stage, hash, -1);
}

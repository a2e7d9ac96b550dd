/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The first stage of a tuple (cls.h): which values its rules have in the bits that their mask looks
 * at besides the transport ports.  A key that agrees with none of them is known not to match before
 * its ports are looked at, and they stay out of the answer's mask: a scan of a station's ports that
 * no rule for ports concerns is one entry of the flow cache, not 65536.
 *
 * A Bloom filter that counts: a wrong "perhaps" (one in 200 to 3000) costs a wider mask, a wrong
 * "no" there is not.  A count that reached its end stays there until the filter is made anew.
 *
 * Threads: as cls.h.
 */
#ifndef DATAPLANE_CLS_STAGE_H
#define DATAPLANE_CLS_STAGE_H

#include "dataplane/key.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The bits of word DP_CLS_STAGE_WORD that belong to the second stage. */
#define DP_CLS_STAGE_WORD 2
#define DP_CLS_STAGE_LATE UINT64_C(0xffffffff00000000) /* TP_SRC, TP_DST */

struct dp_cls_stage {
	uint32_t mask; /* counts - 1 */
	_Atomic uint8_t counts[];
};

/* Room for 'n_rules' and as many again.  NULL: no memory. */
struct dp_cls_stage *dp_cls_stage_create(uint32_t n_rules);
bool dp_cls_stage_is_full(const struct dp_cls_stage *stage, uint32_t n_rules);
/* A rule with this hash of its first stage comes or goes.  Writer. */
void dp_cls_stage_add(struct dp_cls_stage *stage, uint32_t hash);
void dp_cls_stage_remove(struct dp_cls_stage *stage, uint32_t hash);

/* Where to look next for a value. */
#define DP_CLS_STAGE_LOOKS 4
static inline uint32_t dp_cls_stage_next(uint32_t hash)
{
	return hash * 0x9e3779b1u + (hash >> 15);
}

static inline bool dp_cls_stage_has(const struct dp_cls_stage *stage, uint32_t hash)
{
	for (unsigned i = 0; i < DP_CLS_STAGE_LOOKS; i++, hash = dp_cls_stage_next(hash))
		if (atomic_load_explicit(&stage->counts[hash & stage->mask],
					 memory_order_relaxed) == 0)
			return false;
	return true;
}

#endif

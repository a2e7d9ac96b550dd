/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames that are looked up again.  A step may find out something that the translation could not
 * know (the state of a connection); the program then ends in RESUME, and the frame is looked up
 * once more, in another table, with what was found in its key.
 *
 * 	program ─► CT ─► RESUME ─► queue ─► burst of resumed frames ─► cache ─► program ...
 * 	                                                                └─ miss ─► translate
 *
 * What the translation did know at the step (which table goes on, metadata, registers, the action
 * set) is a constant of that program: a resume state, kept once per worker under a number that is
 * RESUME's argument.  Together with ct_state the number makes a context, which takes the place of
 * all these fields in the cache: a look-up compares one 16-bit number with the entry's, and the
 * short key is enough for resumed frames too.
 *
 * States and contexts have no owner.  A program that names a state counts in 'refs'; one that
 * nobody names, that has no entry left in the cache, and that is not of this moment, gives its
 * place to another.
 *
 * Changes of rules: what a table before the step said is part of the answer, so entries of resumed
 * frames count those tables as passed and the fields changed on the way as changed (mf.h).
 *
 * A worker's; memory comes ahead of need from the control thread.
 */
#ifndef DATAPLANE_RESUME_H
#define DATAPLANE_RESUME_H

#include "dataplane/key.h"
#include "dataplane/mf.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_MAX_RESUME_STATES 4096
#define DP_RESUME_KEPT	     256 /* bytes that the translation keeps for itself */
#define DP_MAX_RESUMES	     8	 /* of one frame */
#define DP_RESUME_QUEUE	     256 /* frames of one burst that wait */

/* The key's words of which no frame has a part: metadata, tunnel, mark, registers. */
#define DP_RESUME_WORDS 16

struct dp_resume_state {
	/* What the translation said; compared as a whole. */
	struct dp_resume_what {
		struct dp_key changed; /* by rules on the way here */
		uint64_t tables[4];    /* passed on the way here */
		uint64_t known[DP_RESUME_WORDS], value[DP_RESUME_WORDS];
		uint16_t pipeline;
		uint16_t kept_size;
		uint8_t table; /* to go on in */
		uint8_t unused[3];
		uint8_t kept[DP_RESUME_KEPT]; /* for the translation of the next part */
	} what;
	uint32_t hash, next;
	uint32_t refs;
	uint32_t used;	       /* tick */
	uint16_t context[256]; /* by ct_state; 0: none yet */
};

struct dp_resumes {
	struct dp_resume_state *states; /* [1..] */
	uint32_t *heads;
	uint32_t n_fresh, sweep_at;
	uint32_t tick;
	struct dp_mf *mf;
	uint16_t n_contexts, n_free_contexts;
	uint16_t free_contexts[DP_MF_MAX_CONTEXTS];
	uint64_t refused;
	/* Between worker and control thread. */
	_Atomic uint32_t n_ready, fresh_shown;
};

/* Control thread. 0 or -ENOMEM. */
int dp_resumes_create(struct dp_mf *mf, struct dp_resumes **ret_r);
void dp_resumes_destroy(struct dp_resumes *r); /* takes NULL */
void dp_resumes_tick(struct dp_resumes *r);

/* The number of this state; 0 when there is no room. */
uint32_t dp_resume_get(struct dp_resumes *r, const struct dp_resume_what *what);
/* The context of a frame in it; 0 when there is no room. */
uint16_t dp_resume_context(struct dp_resumes *r, uint32_t state, uint8_t ct_state);
/* The steps of a program that was made (1) or is gone (-1). */
void dp_resume_refs(struct dp_resumes *r, const uint8_t *steps, uint16_t size, int by);

/* Which word of the key word 'i' of 'known' is. */
static inline unsigned dp_resume_word(unsigned i)
{
	return i < 2 ? 4 + i : 17 + i; /* 4, 5, 19 to 32 */
}

/* Whatever starts as zero for each frame is known: connection, metadata, marks, registers. */
void dp_resume_known(struct dp_key *known);

#endif

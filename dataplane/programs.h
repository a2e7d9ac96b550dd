/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The programs of one worker: each different one once, counted by the entries that lead to it.
 * Memory comes ahead of need from the control thread, as the flow cache's does (mf.h).
 */
#ifndef DATAPLANE_PROGRAMS_H
#define DATAPLANE_PROGRAMS_H

#include "dataplane/program.h"

#include <stddef.h>

struct dp_programs;

/* 'limit': programs at most.  0 or -ENOMEM. */
int dp_programs_create(uint32_t limit, struct dp_programs **ret_programs);
/* Takes NULL. */
void dp_programs_destroy(struct dp_programs *p);
/* Control thread, with dp_mf_tick(). */
void dp_programs_tick(struct dp_programs *p);

/* A reference to the program with these steps and rules; NULL when there is no room.  'out' as in
 * struct dp_program; 'steps' is copied, at most DP_PROGRAM_MAX_STEPS bytes.  Worker. */
struct dp_program *dp_programs_get(struct dp_programs *p, uint16_t out, const void *steps,
				   uint16_t size, const uint32_t *rules, uint16_t n_rules);
/* Gives one back.  Worker. */
void dp_programs_unref(struct dp_programs *p, struct dp_program *program);

uint32_t dp_programs_n(const struct dp_programs *p);

static inline const uint32_t *dp_program_rules(const struct dp_program *program)
{
	return program->more_rules != NULL ? program->more_rules : program->rules;
}

#endif

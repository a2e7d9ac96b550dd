/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A program: all that was decided for a flow, composed into a list of steps that is run for each of
 * its packets (exec.c), and the rules that count them.  Flows with the same fate share one program.
 * Immutable while somebody refers to it; belongs to one worker.
 */
#ifndef DATAPLANE_PROGRAM_H
#define DATAPLANE_PROGRAM_H

#include <stdint.h>

struct dp_head;

#define DP_PROGRAM_INLINE_RULES 4
#define DP_PROGRAM_MAX_STEPS	4096 /* bytes */
#define DP_PROGRAM_MAX_RULES	256

struct dp_program {
	/* Output to this port and nothing else: needs no step.  DP_NO_PORT: run the steps. */
	uint16_t out;
	uint16_t n_rules;
	uint16_t size;	 /* bytes of steps */
	uint16_t tracks; /* one more than where its CT is, when all there is to do is that and to be
			    looked up again behind it; 0: there is more, or else */
	uint32_t refs;	 /* entries that lead here */
	uint32_t hash;
	uint32_t next; /* in the chain of programs of one hash; 0: the last */
	uint32_t index;
	uint32_t rules[DP_PROGRAM_INLINE_RULES]; /* counters of the rules passed (flow_stats.h) */
	uint32_t *more_rules;			 /* all of them when they are more */
	uint8_t *steps;
	struct dp_head *head; /* sums up the steps (head.h); NULL: they do more than it can */
} __attribute__((aligned(64)));

#endif

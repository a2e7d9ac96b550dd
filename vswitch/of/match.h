/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A match: which fields must have which values (OpenFlow 1.3.5, 7.2.3).
 *
 * It is kept normal: fields in the order of 'enum of_field', no field twice, none with an all-zero
 * mask (which is the same as none), value bits outside the mask zero.  So two matches are the same
 * exactly if their fields are, and what a controller set is read back, bit by bit; an all-ones mask
 * that it wrote out is kept too.  The structure has room for all fields: for storage, copy
 * of_match_size() bytes.
 */
#ifndef VSWITCH_OF_MATCH_H
#define VSWITCH_OF_MATCH_H

#include "vswitch/of/oxm.h"

struct of_match {
	uint8_t n;
	struct of_oxm v[OF_N_FIELDS]; /* only the first 'n' are there */
};

static inline size_t of_match_size(const struct of_match *match)
{
	return offsetof(struct of_match, v) + match->n * sizeof(match->v[0]);
}

/* The field's value and mask, or NULL when the match does not look at it. */
const struct of_oxm *of_match_find(const struct of_match *match, enum of_field field);
/* Adds or replaces a field; one with an all-zero mask goes. */
void of_match_set(struct of_match *match, const struct of_oxm *oxm);
void of_match_unset(struct of_match *match, enum of_field field);

/* What stands before a field in a match lets it be there. */
bool of_match_prereq(const struct of_match *match, enum of_prereq prereq);
/* OFPBMC_BAD_PREREQ for the first field that may not be there, given all others. */
enum of_error of_match_check(const struct of_match *match);

/* 'struct ofp_match' with its padding.  Prerequisites must come before what needs them.  On failure
 * 'ret_match' has what was read until then. */
enum of_error of_match_decode(struct rd *rd, struct of_match *ret_match);
/* The same without prerequisites: for the description of a packet (packet-in). */
enum of_error of_match_decode_packet(struct rd *rd, struct of_match *ret_match);
void of_match_encode(struct wr *wr, const struct of_match *match);

/* The same packets; a mask of all ones that was written out is like none. */
bool of_match_equal(const struct of_match *a, const struct of_match *b);
/* Every packet of 'narrow' is one of 'wide': what non-strict commands ask (6.4). */
bool of_match_covers(const struct of_match *wide, const struct of_match *narrow);
/* A packet could match both, as far as single fields say: what OFPFF_CHECK_OVERLAP asks. */
bool of_match_overlaps(const struct of_match *a, const struct of_match *b);
/* Equal matches have equal hashes. */
uint64_t of_match_hash(const struct of_match *match);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * OpenFlow's fields (of/oxm.h) as fields of the dataplane's key (dataplane/key.h).
 */
#ifndef VSWITCH_FLOW_KEY_H
#define VSWITCH_FLOW_KEY_H

#include "dataplane/key.h"
#include "vswitch/of/match.h"

/* DP_N_FIELDS for a field that the key does not have (ACTSET_OUTPUT, TTLs). */
enum dp_field vs_flow_field(enum of_field field);

/* OpenFlow's number of a port in 16 bits: what is reserved lies at the end of both. */
uint16_t vs_flow_port16(uint32_t port);
uint32_t vs_flow_port32(uint16_t port);

/* Sets a field's value in 'key' where its mask has ones, and (unless NULL) adds the mask to 'mask'.
 * OFPBMC_BAD_FIELD for one that the key does not have; OFPBMC_BAD_VALUE for a port above the 65 279
 * that a switch can have. */
enum of_error vs_flow_key_set(const struct of_oxm *oxm, struct dp_key *key, struct dp_key *mask);

/* A whole match. */
enum of_error vs_flow_key(const struct of_match *match, struct dp_key *ret_key,
			  struct dp_key *ret_mask);

#endif

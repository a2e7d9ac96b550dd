/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A map as a child would build it: a list of elements, searched from its begin.  What the maps of
 * filters/ebpf are compared with, in unit tests and by fuzzing.
 */
#ifndef TESTS_SUPPORT_MAP_MODEL_H
#define TESTS_SUPPORT_MAP_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "filters/ebpf/map.h"

#define MAP_MODEL_KEY	512u
#define MAP_MODEL_VALUE 64u

struct map_model_elem {
	uint8_t key[MAP_MODEL_KEY];
	uint8_t value[MAP_MODEL_VALUE];
	uint8_t seen; /* for who walks */
};

struct map_model {
	uint32_t type, key_size, value_size, max;
	uint32_t n, room;
	struct map_model_elem *elems;
};

void map_model_init(struct map_model *m, const struct ebpf_map_def *def);
void map_model_fini(struct map_model *m);
/* The element with exactly this key, or NULL. */
struct map_model_elem *map_model_find(struct map_model *m, const void *key);
/* What a lookup finds: of LPM tries the longest match. */
struct map_model_elem *map_model_lookup(struct map_model *m, const void *key);
/* Returns what the map must return. */
int map_model_update(struct map_model *m, const void *key, const void *value, uint64_t flags);
int map_model_delete(struct map_model *m, const void *key);

#endif

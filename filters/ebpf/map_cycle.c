/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Programs and the arrays that they tail-call through hold each other: a program refers to the
 * array, the array holds the program.  Counts alone would never free them.  So whenever a reference
 * to such a map is given back, it is asked who is left: when every reference to it, and to all
 * programs and such maps that can be reached from it, comes from among them, they are taken apart.
 */
#include "filters/ebpf/map_priv.h"

#include "filters/ebpf/prog.h"

#include <stdlib.h>

/* What was met, and how many references to it come from what was met. */
struct met {
	void *what;
	uint32_t refs;
};

struct group {
	struct met *maps, *progs;
	uint32_t n_maps, n_progs, maps_room, progs_room;
	bool failed; /* no memory: nothing is known */
};

/* Counts one more reference to 'what'; true when it was not met before. */
static bool meet(struct group *g, struct met **list, uint32_t *n, uint32_t *room, void *what)
{
	for (uint32_t i = 0; i < *n; i++) {
		if ((*list)[i].what == what) {
			(*list)[i].refs++;
			return false;
		}
	}
	if (*n == *room) {
		uint32_t more = *room != 0 ? *room * 2 : 16;
		struct met *larger = realloc(*list, more * sizeof(**list));

		if (larger == NULL) {
			g->failed = true;
			return false;
		}
		*list = larger;
		*room = more;
	}
	(*list)[(*n)++] = (struct met){what, 1};
	return true;
}

static void meet_map(struct group *g, struct ebpf_map *map)
{
	meet(g, &g->maps, &g->n_maps, &g->maps_room, map);
}

static void meet_prog(void *arg, struct ebpf_prog *prog)
{
	struct group *g = arg;

	if (!meet(g, &g->progs, &g->n_progs, &g->progs_room, prog))
		return;
	for (uint32_t i = 0; i < prog->n_maps; i++) {
		if (map_kind(prog->maps[i])->progs != NULL)
			meet_map(g, prog->maps[i]);
	}
}

static bool held_from_outside(const struct group *g)
{
	for (uint32_t i = 0; i < g->n_maps; i++) {
		if (((const struct ebpf_map *)g->maps[i].what)->refs != g->maps[i].refs)
			return true;
	}
	for (uint32_t i = 0; i < g->n_progs; i++) {
		if (((const struct ebpf_prog *)g->progs[i].what)->refs != g->progs[i].refs)
			return true;
	}
	return false;
}

static void take_apart(const struct group *g)
{
	/* None goes, and none asks this again, while the others are being emptied. */
	for (uint32_t i = 0; i < g->n_maps; i++)
		ebpf_map_ref(g->maps[i].what)->ending = true;
	for (uint32_t i = 0; i < g->n_maps; i++)
		map_kind(g->maps[i].what)->clear_progs(g->maps[i].what);
	for (uint32_t i = 0; i < g->n_maps; i++)
		ebpf_map_unref(g->maps[i].what);
}

void map_end_cycle(struct ebpf_map *map)
{
	struct group g = {0};

	if (map->ending)
		return;
	meet_map(&g, map);
	if (!g.failed)
		g.maps[0].refs = 0; /* That was no reference. */
	for (uint32_t i = 0; i < g.n_maps && !g.failed; i++)
		map_kind(g.maps[i].what)->progs(g.maps[i].what, meet_prog, &g);
	if (!g.failed && !held_from_outside(&g))
		take_apart(&g);
	free(g.maps);
	free(g.progs);
}

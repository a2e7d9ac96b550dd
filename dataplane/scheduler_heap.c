/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Heaps of classes by a key, the least first; each class knows its places.
 */
#include "dataplane/scheduler_priv.h"

#define FANOUT 4u

static void put_at(struct dp_sched *s, struct sched_heap *h, unsigned i, struct sched_entry e)
{
	h->v[i] = e;
	s->classes[e.cls].at[h->by] = (uint16_t)i;
}

static void up(struct dp_sched *s, struct sched_heap *h, unsigned i, struct sched_entry e)
{
	while (i != 0) {
		unsigned parent = (i - 1) / FANOUT;

		if (!sched_before(e.key, h->v[parent].key))
			break;
		put_at(s, h, i, h->v[parent]);
		i = parent;
	}
	put_at(s, h, i, e);
}

static void down(struct dp_sched *s, struct sched_heap *h, unsigned i, struct sched_entry e)
{
	for (;;) {
		unsigned first = i * FANOUT + 1, least = first;

		if (first >= h->n)
			break;
		for (unsigned k = first + 1; k < first + FANOUT && k < h->n; k++)
			if (sched_before(h->v[k].key, h->v[least].key))
				least = k;
		if (!sched_before(h->v[least].key, e.key))
			break;
		put_at(s, h, i, h->v[least]);
		i = least;
	}
	put_at(s, h, i, e);
}

void sched_heap_push(struct dp_sched *s, struct sched_heap *h, uint16_t cls, uint64_t key)
{
	up(s, h, h->n++, (struct sched_entry){key, cls});
}

static void settle(struct dp_sched *s, struct sched_heap *h, unsigned i, struct sched_entry e)
{
	if (i != 0 && sched_before(e.key, h->v[(i - 1) / FANOUT].key))
		up(s, h, i, e);
	else
		down(s, h, i, e);
}

void sched_heap_remove(struct dp_sched *s, struct sched_heap *h, uint16_t cls)
{
	unsigned i = s->classes[cls].at[h->by];
	struct sched_entry last = h->v[--h->n];

	s->classes[cls].at[h->by] = SCHED_NOWHERE;
	if (last.cls != cls)
		settle(s, h, i, last);
}

void sched_heap_move(struct dp_sched *s, struct sched_heap *h, uint16_t cls, uint64_t key)
{
	settle(s, h, s->classes[cls].at[h->by], (struct sched_entry){key, cls});
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Elements of hash maps that hang nowhere.  Each CPU has a list of them, which it fills with some
 * of those that were never used; who finds its own empty takes from the others'.  An element goes
 * back to the list of the CPU that deletes it, in LRU maps to that of the CPU that took it, for
 * there nobody takes from others while there is something to evict.
 *
 * A list's lock is the innermost: who holds it takes no other.
 */
#include "filters/ebpf/map_hash_priv.h"

/* Positions that a CPU looks at before it asks for more. */
#define HAND_BATCH 16u
/* As many used elements are passed over before one is evicted all the same. */
#define SECOND_CHANCES 128u
#define POSITIONS      192u
#define ROUNDS	       8u

/* The list's lock is held. */
static void push(struct hash *h, struct hash_list *list, uint32_t i)
{
	atomic_store_explicit(&hash_elem(h, i)->next,
			      atomic_load_explicit(&list->free, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(&list->free, i, memory_order_relaxed);
}

static uint32_t pop(struct hash *h, struct hash_list *list)
{
	uint32_t i = atomic_load_explicit(&list->free, memory_order_relaxed);

	if (i != 0)
		atomic_store_explicit(&list->free,
				      atomic_load_explicit(&hash_elem(h, i)->next,
							   memory_order_relaxed),
				      memory_order_relaxed);
	return i;
}

static void count(struct hash_list *list, int n)
{
	atomic_store_explicit(&list->count,
			      atomic_load_explicit(&list->count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Elements that were never used: the first is returned, the others go to the list. */
static uint32_t take_fresh(struct hash *h, struct hash_list *list)
{
	uint32_t i, to;

	if (atomic_load_explicit(&h->fresh, memory_order_acquire) >= h->end)
		return 0;
	i = atomic_fetch_add_explicit(&h->fresh, h->batch, memory_order_acq_rel);
	if (i >= h->end)
		return 0;
	to = h->end - i < h->batch ? h->end : i + h->batch;
	for (uint32_t j = to - 1; j > i; j--)
		push(h, list, j);
	return i;
}

static uint32_t take_from(struct hash *h, struct hash_list *list, bool fresh)
{
	uint32_t i;

	map_lock(&list->lock);
	i = pop(h, list);
	if (i == 0 && fresh)
		i = take_fresh(h, list);
	if (i != 0)
		count(list, 1);
	map_unlock(&list->lock);
	return i;
}

/* Who holds the lock of an empty list may be about to fill it with what was fresh. */
static bool is_empty(struct hash_list *list)
{
	return atomic_load_explicit(&list->lock, memory_order_acquire) == 0 &&
	       atomic_load_explicit(&list->free, memory_order_relaxed) == 0;
}

static uint32_t steal(struct hash *h, uint32_t l)
{
	uint32_t n = h->map.n_cpus + 1;

	for (uint32_t j = 1; j < n; j++) {
		struct hash_list *list = &h->lists[(l + j) % n];
		uint32_t i;

		if (is_empty(list))
			continue;
		i = take_from(h, list, false);
		if (i != 0)
			return i;
	}
	return 0;
}

/* Where list 'l' looks next. */
static uint32_t hand_next(struct hash *h, struct hash_list *list)
{
	uint32_t i = atomic_load_explicit(&list->hand, memory_order_relaxed);

	if (i >= atomic_load_explicit(&list->hand_end, memory_order_relaxed)) {
		i = atomic_fetch_add_explicit(&h->hand, HAND_BATCH, memory_order_relaxed);
		atomic_store_explicit(&list->hand_end, i + HAND_BATCH, memory_order_relaxed);
	}
	atomic_store_explicit(&list->hand, i + 1, memory_order_relaxed);
	return 1 + i % (h->end - 1); /* Spares, too: they change places with others. */
}

uint32_t hash_evict(struct hash *h, uint32_t l)
{
	struct hash_list *list = &h->lists[l];

	for (unsigned n = 0; n < POSITIONS; n++) {
		uint32_t i = hand_next(h, list);

		if (n < SECOND_CHANCES &&
		    atomic_load_explicit(&hash_age(h, i)->used, memory_order_relaxed)) {
			atomic_store_explicit(&hash_age(h, i)->used, 0, memory_order_relaxed);
			continue;
		}
		if (hash_unlink_elem(h, i))
			return i;
	}
	return 0;
}

/* One of those that hang, or that another list has. */
static uint32_t take_used(struct hash *h, uint32_t l)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		uint32_t i = hash_evict(h, l);

		if (i != 0)
			return i;
		i = steal(h, l);
		if (i != 0)
			return i;
	}
	return 0;
}

uint32_t hash_take(struct hash *h, uint32_t l)
{
	uint32_t i = take_from(h, &h->lists[l], true);

	if (i == 0)
		i = h->lru ? take_used(h, l) : steal(h, l);
	if (i != 0 && h->lru)
		atomic_store_explicit(&hash_age(h, i)->owner, l, memory_order_relaxed);
	return i;
}

void hash_give(struct hash *h, uint32_t l, uint32_t i)
{
	struct hash_list *list;

	if (h->lru)
		l = atomic_load_explicit(&hash_age(h, i)->owner, memory_order_relaxed);
	list = &h->lists[l];
	map_lock(&list->lock);
	push(h, list, i);
	count(list, -1);
	map_unlock(&list->lock);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See page_set.h.
 */
#include "vmbus/page_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/gpa.h"

struct page_set {
	const struct gpa_map *map;
	uint64_t size, count;
	uint64_t from; /* no page before this one is in the set; as page_number() counts */
	uint64_t n_words;
	uint64_t words[];
};

static uint64_t range_pages(const struct gpa_range *r)
{
	return r->size >> GPA_PAGE_SHIFT;
}

/* Where [pfn, pfn + n) is among all pages of the map, one range after the other. */
static bool page_number(const struct page_set *set, uint64_t pfn, uint64_t n, uint64_t *ret_number)
{
	uint64_t before = 0;

	for (unsigned i = 0; i < set->map->n; i++) {
		const struct gpa_range *r = &set->map->range[i];
		uint64_t first = r->gpa >> GPA_PAGE_SHIFT, pages = range_pages(r);

		if (pfn >= first && pfn - first < pages) {
			*ret_number = before + (pfn - first);
			return n != 0 && n <= pages - (pfn - first);
		}
		before += pages;
	}
	return false;
}

/* The other way round, and how many pages of its range follow it. */
static uint64_t page_pfn(const struct page_set *set, uint64_t number, uint64_t *ret_left)
{
	for (unsigned i = 0; i < set->map->n; i++) {
		const struct gpa_range *r = &set->map->range[i];

		if (number < range_pages(r)) {
			*ret_left = range_pages(r) - number;
			return (r->gpa >> GPA_PAGE_SHIFT) + number;
		}
		number -= range_pages(r);
	}
	*ret_left = 0;
	return 0;
}

/* Bits of one word, from 'at' on, at most 'n' of them; *ret_n: how many. */
static uint64_t mask(uint64_t at, uint64_t n, unsigned *ret_n)
{
	unsigned bit = at % 64, len = n < 64 - bit ? (unsigned)n : 64 - bit;

	*ret_n = len;
	return (len == 64 ? UINT64_MAX : (UINT64_C(1) << len) - 1) << bit;
}

struct page_set *page_set_create(const struct gpa_map *map)
{
	uint64_t size = 0, n_words;
	struct page_set *set;

	for (unsigned i = 0; i < map->n; i++)
		size += range_pages(&map->range[i]);
	n_words = (size + 63) / 64;
	set = calloc(1, sizeof(*set) + n_words * sizeof(set->words[0]));
	if (set == NULL)
		return NULL;
	set->map = map;
	set->size = size;
	set->from = size;
	set->n_words = n_words;
	return set;
}

void page_set_destroy(struct page_set *set)
{
	free(set);
}

void page_set_clear(struct page_set *set)
{
	if (set->count != 0)
		memset(set->words, 0, set->n_words * sizeof(set->words[0]));
	set->count = 0;
	set->from = set->size;
}

static bool any_in(const struct page_set *set, uint64_t at, uint64_t n)
{
	unsigned len;

	for (; n > 0; at += len, n -= len) {
		if ((set->words[at / 64] & mask(at, n, &len)) != 0)
			return true;
	}
	return false;
}

int page_set_add(struct page_set *set, uint64_t pfn, uint64_t n)
{
	uint64_t at;
	unsigned len;

	if (!page_number(set, pfn, n, &at))
		return -EFAULT;
	if (any_in(set, at, n))
		return -EEXIST;
	set->count += n;
	if (at < set->from)
		set->from = at;
	for (; n > 0; at += len, n -= len)
		set->words[at / 64] |= mask(at, n, &len);
	return 0;
}

/* The first page of the set from 'at' on; there is one. */
static uint64_t find_first(const struct page_set *set, uint64_t at)
{
	uint64_t word = set->words[at / 64] & UINT64_MAX << at % 64;

	at /= 64;
	while (word == 0)
		word = set->words[++at];
	return at * 64 + (unsigned)__builtin_ctzll(word);
}

uint64_t page_set_take(struct page_set *set, uint64_t max, uint64_t *ret_pfn)
{
	uint64_t at, n = 0, left;
	unsigned len;

	if (set->count == 0)
		return 0;
	at = find_first(set, set->from);
	*ret_pfn = page_pfn(set, at, &left);
	max = max < left ? max : left;
	while (n < max) {
		uint64_t bits = mask(at + n, max - n, &len);
		uint64_t word = set->words[(at + n) / 64];

		/* As many as stand together at the lower end of 'bits'. */
		if ((word & bits) != bits) {
			len = (unsigned)__builtin_ctzll(~word & bits) - (at + n) % 64;
			if (len == 0)
				break;
			bits = mask(at + n, len, &len);
		}
		set->words[(at + n) / 64] &= ~bits;
		n += len;
	}
	set->count -= n;
	set->from = set->count == 0 ? set->size : at + n;
	return n;
}

uint64_t page_set_count(const struct page_set *set)
{
	return set->count;
}

uint64_t page_set_size(const struct page_set *set)
{
	return set->size;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A set of guest pages: one bit for each page of the guest's memory.  Which of them the balloon
 * holds: what a guest says of pages is believed only as far as this allows.
 */
#ifndef VMBUS_PAGE_SET_H
#define VMBUS_PAGE_SET_H

#include <stdbool.h>
#include <stdint.h>

struct gpa_map;
struct page_set;

/* An empty set of pages of 'map', which is borrowed for life.  NULL: no memory. */
struct page_set *page_set_create(const struct gpa_map *map);
/* Takes NULL. */
void page_set_destroy(struct page_set *set);
void page_set_clear(struct page_set *set);
/* Adds 'n' pages from 'pfn' on.  0; -EFAULT: not all are memory (or there are none); -EEXIST: some
 * are in the set; nothing was changed then. */
int page_set_add(struct page_set *set, uint64_t pfn, uint64_t n);
/* Takes out pages that follow each other, at most 'max' (not 0).  Their number; 0: it is empty. */
uint64_t page_set_take(struct page_set *set, uint64_t max, uint64_t *ret_pfn);
uint64_t page_set_count(const struct page_set *set);
/* All pages of the map. */
uint64_t page_set_size(const struct page_set *set);

#endif

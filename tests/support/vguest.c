/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vguest.h.  Guest memory: rings in the first 192 KB, buffers after 256 KB.
 */
#include "tests/support/vguest.h"

#include <stdlib.h>
#include <string.h>

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

#define DESC_AT	   0u
#define AVAIL_AT   (64u * 1024u)
#define USED_AT	   (128u * 1024u)
#define BUFFERS_AT (256u * 1024u)

void vguest_init(struct vguest *g, bool packed, uint16_t size)
{
	memset(g, 0, sizeof(*g));
	g->memory = aligned_alloc(4096, VGUEST_SIZE);
	memset(g->memory, 0, VGUEST_SIZE);
	g->vmem.n = 2;
	g->vmem.region[0] = (struct dp_vmem_region){.gpa = VGUEST_GPA,
						    .size = VGUEST_SIZE / 2,
						    .va = g->memory};
	g->vmem.region[1] = (struct dp_vmem_region){.gpa = VGUEST_GPA + VGUEST_SIZE / 2,
						    .size = VGUEST_SIZE / 2,
						    .va = g->memory + VGUEST_SIZE / 2};
	g->ring.desc = (struct vring_desc *)(void *)(g->memory + DESC_AT);
	g->ring.avail = (struct vring_avail *)(void *)(g->memory + AVAIL_AT);
	g->ring.used = (struct vring_used *)(void *)(g->memory + USED_AT);
	g->ring.mem = &g->vmem;
	g->ring.size = size;
	g->ring.hdr_size = 12;
	g->ring.packed = packed;
	g->ring.mergeable = true;
	g->ring.wrap = true;
	g->ring.call_fd = -1;
	g->wrap = g->seen_wrap = true;
	g->buffers = VGUEST_GPA + BUFFERS_AT;
}

void vguest_fini(struct vguest *g)
{
	free(g->memory);
	g->memory = NULL;
}

void *vguest_at(const struct vguest *g, uint64_t gpa)
{
	return g->memory + (gpa - VGUEST_GPA);
}

static void add_split(struct vguest *g, const struct vguest_piece *pieces, uint16_t n,
		      uint64_t table)
{
	struct dp_vring *r = &g->ring;
	struct vring_desc *t = table != 0 ? vguest_at(g, table) : r->desc;
	uint16_t mask = r->size - 1, head = g->next_desc & mask;

	for (uint16_t i = 0; i < n; i++) {
		uint16_t at = table != 0 ? i : (uint16_t)(g->next_desc + i) & mask;

		t[at].addr = pieces[i].gpa;
		t[at].len = pieces[i].size;
		t[at].flags = pieces[i].flags | (i + 1 < n ? VRING_DESC_F_NEXT : 0);
		t[at].next = table != 0 ? i + 1 : (uint16_t)(g->next_desc + i + 1) & mask;
	}
	if (table != 0)
		r->desc[head] = (struct vring_desc){.addr = table,
						    .len = n * (uint32_t)sizeof(*t),
						    .flags = VRING_DESC_F_INDIRECT};
	g->next_desc += table != 0 ? 1 : n;
	r->avail->ring[g->avail & mask] = head;
	g->avail++;
	__atomic_store_n(&r->avail->idx, g->avail, __ATOMIC_RELEASE);
}

/* Writes a descriptor; the head's flags are the caller's to write last. */
static void packed_put(struct vguest *g, const struct vring_packed_desc *d, bool head,
		       uint16_t *ret_head_flags)
{
	struct vring_packed_desc *to = &g->ring.packed_desc[g->next_desc];
	uint16_t flags = d->flags | (g->wrap ? AVAIL : USED);

	to->addr = d->addr;
	to->len = d->len;
	to->id = d->id;
	if (head)
		*ret_head_flags = flags;
	else
		to->flags = flags;
	if (++g->next_desc == g->ring.size) {
		g->next_desc = 0;
		g->wrap = !g->wrap;
	}
}

static void add_packed(struct vguest *g, const struct vguest_piece *pieces, uint16_t n,
		       uint64_t table)
{
	struct vring_packed_desc *t = table != 0 ? vguest_at(g, table) : NULL;
	struct vring_packed_desc d = {.addr = table,
				      .len = n * (uint32_t)sizeof(d),
				      .id = g->next_desc,
				      .flags = VRING_DESC_F_INDIRECT};
	uint16_t head = g->next_desc, head_flags = 0;

	g->length[head] = t != NULL ? 1 : n;
	if (t != NULL)
		packed_put(g, &d, true, &head_flags);
	for (uint16_t i = 0; i < n; i++) {
		d = (struct vring_packed_desc){.addr = pieces[i].gpa,
					       .len = pieces[i].size,
					       .id = head,
					       .flags = pieces[i].flags};
		if (t != NULL) {
			t[i] = d;
			continue;
		}
		d.flags |= i + 1 < n ? VRING_DESC_F_NEXT : 0;
		packed_put(g, &d, i == 0, &head_flags);
	}
	__atomic_store_n(&g->ring.packed_desc[head].flags, head_flags, __ATOMIC_RELEASE);
}

void vguest_add(struct vguest *g, const struct vguest_piece *pieces, uint16_t n, uint64_t table)
{
	if (g->ring.packed)
		add_packed(g, pieces, n, table);
	else
		add_split(g, pieces, n, table);
}

static bool used_packed(struct vguest *g, uint16_t *ret_id, uint32_t *ret_size)
{
	struct vring_packed_desc *d = &g->ring.packed_desc[g->seen];
	uint16_t flags = __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE);
	uint16_t n;

	if (((flags & AVAIL) != 0) != g->seen_wrap || ((flags & USED) != 0) != g->seen_wrap)
		return false;
	*ret_id = d->id;
	*ret_size = d->len;
	n = d->id < g->ring.size ? g->length[d->id] : 1;
	if (g->seen + n >= g->ring.size)
		g->seen_wrap = !g->seen_wrap;
	g->seen = (uint16_t)((g->seen + n) % g->ring.size);
	return true;
}

bool vguest_used(struct vguest *g, uint16_t *ret_id, uint32_t *ret_size)
{
	struct dp_vring *r = &g->ring;
	struct vring_used_elem *e;

	if (r->packed)
		return used_packed(g, ret_id, ret_size);
	if (g->seen == __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE))
		return false;
	e = &r->used->ring[g->seen++ & (r->size - 1)];
	*ret_id = (uint16_t)e->id;
	*ret_size = e->len;
	return true;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames between mbufs and pieces of guest memory, for those that are not one buffer and one
 * segment (those are copied in line by vring_split.c and vring_packed.c).  vring_priv.h.
 */
#include "dataplane/vring_priv.h"
#include "dataplane/frame.h"

#include <rte_mbuf.h>

int vring_chain_add(struct dp_vring *r, struct vring_chain *chain, uint64_t gpa, uint32_t size)
{
	while (size > 0) {
		uint64_t offset = 0;
		unsigned i;
		uint32_t n;

		for (i = 0; i < r->mem->n; i++) {
			offset = gpa - r->mem->region[i].gpa;
			if (offset < r->mem->region[i].size)
				break;
		}
		if (i == r->mem->n) {
			vring_fault(r, DP_VRING_ADDRESS);
			return -1;
		}
		if (chain->n == VRING_MAX_SEGS) {
			vring_fault(r, DP_VRING_SEGMENTS);
			return -1;
		}
		n = (uint32_t)RTE_MIN(size, r->mem->region[i].size - offset);
		chain->seg[chain->n++] = (struct vring_seg){.va = r->mem->region[i].va + offset,
							    .gpa = gpa,
							    .size = n};
		chain->size += n;
		gpa += n;
		size -= n;
	}
	return 0;
}

bool vring_chain_read(const struct vring_chain *chain, void *ret, uint32_t size)
{
	uint8_t *to = ret;

	for (uint32_t i = 0; i < chain->n && size > 0; i++) {
		uint32_t n = RTE_MIN(size, chain->seg[i].size);

		memcpy(to, chain->seg[i].va, n);
		to += n;
		size -= n;
	}
	return size == 0;
}

int vring_chain_to_mbuf(const struct vring_chain *chain, uint32_t hdr_size, struct rte_mbuf *m,
			struct rte_mempool *pool)
{
	struct rte_mbuf *last = m;

	if (chain->size <= hdr_size || chain->size - hdr_size > DP_VRING_MAX_FRAME)
		return -EBADMSG;
	dp_frame_init(m, 0);
	for (uint32_t i = 0; i < chain->n; i++) {
		uint32_t skip = RTE_MIN(hdr_size, chain->seg[i].size);
		int rc = dp_frame_append(m, &last, chain->seg[i].va + skip,
					 chain->seg[i].size - skip, pool);

		hdr_size -= skip;
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Where the next byte goes. */
struct cursor {
	const struct vring_seg *seg;
	uint32_t offset;
};

static void cursor_write(struct cursor *c, const void *data, uint32_t size)
{
	const uint8_t *from = data;

	while (size > 0) {
		uint32_t n = RTE_MIN(size, c->seg->size - c->offset);

		rte_memcpy(c->seg->va + c->offset, from, n);
		from += n;
		size -= n;
		c->offset += n;
		if (c->offset == c->seg->size) {
			c->seg++;
			c->offset = 0;
		}
	}
}

static void log_written(struct dp_vring *r, const struct vring_chain *chain, uint64_t size)
{
	for (uint32_t i = 0; i < chain->n && size > 0; i++) {
		uint64_t n = RTE_MIN(size, (uint64_t)chain->seg[i].size);

		r->log(r->log_ctx, false, chain->seg[i].gpa, n);
		size -= n;
	}
}

void vring_chain_from_mbuf(struct dp_vring *r, const struct vring_chain *chain, const void *hdr,
			   const struct rte_mbuf *m)
{
	struct cursor c = {.seg = chain->seg};

	cursor_write(&c, hdr, r->hdr_size);
	for (const struct rte_mbuf *seg = m; seg != NULL; seg = seg->next)
		cursor_write(&c, rte_pktmbuf_mtod(seg, const void *), seg->data_len);
	if (r->log != NULL)
		log_written(r, chain, (uint64_t)r->hdr_size + m->pkt_len);
}

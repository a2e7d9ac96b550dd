/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The bytes of a packet from a guest: a section of the send buffer, pages, or one after the other.
 * Checks where they are; what they say is for others.
 */
#include <string.h>

#include <rte_atomic.h>
#include <rte_common.h>

#include "vmbus/pages.h"
#include "vmq/from_priv.h"

static bool bytes_add(struct vmq_bytes *b, uint8_t *va, uint32_t size)
{
	if (b->n == VMQ_MAX_PIECES)
		return false;
	b->piece[b->n++] = (struct vmbus_piece){va, size};
	b->size += size;
	return true;
}

static bool bytes_add_section(struct vmq_bytes *b, const struct vmq_rules *rules,
			      const struct nvsp_rndis *r)
{
	uint32_t left = r->section_size;

	if (rules == NULL || rules->send == NULL || r->section >= rules->n_send ||
	    r->section_size > rules->send_section)
		return false;
	while (left > 0) {
		uint64_t at = (uint64_t)r->section * rules->send_section + r->section_size - left;
		size_t here;
		uint8_t *va = vmbus_pages_at(rules->send, at, left, &here);

		if (!bytes_add(b, va, (uint32_t)here))
			return false;
		left -= (uint32_t)here;
	}
	return true;
}

/* Finds all bytes of a packet. */
bool vmq_bytes_find(struct vmq_bytes *b, const struct vmq_queue *q, const struct vmq_rules *rules,
		    const struct vmq_taken *t)
{
	uint32_t size;
	int n;

	b->n = 0;
	b->size = 0;
	if (t->rndis.section != NVSP_NO_SECTION && !bytes_add_section(b, rules, &t->rndis))
		return false;
	if (t->packet.desc.type == VMBUS_PKT_INBAND)
		return b->n > 0;
	n = vmbus_gpa_read(&q->in, &t->packet, q->path->memory, b->piece + b->n,
			   VMQ_MAX_PIECES - b->n, &size);
	if (n <= 0)
		return false;
	b->n += (unsigned)n;
	b->size += size;
	return true;
}

/* Copies [at, at + size), which the bytes hold. */
void vmq_bytes_copy(const struct vmq_bytes *b, uint32_t at, void *to, uint32_t size)
{
	uint8_t *next = to;

	for (unsigned i = 0; size > 0 && i < b->n; i++) {
		const struct vmbus_piece *p = &b->piece[i];
		uint32_t n;

		if (at >= p->size) {
			at -= p->size;
			continue;
		}
		n = RTE_MIN(size, p->size - at);
		memcpy(next, p->va + at, n);
		next += n;
		size -= n;
		at = 0;
	}
	rte_compiler_barrier(); /* The copy is what is looked at. */
}

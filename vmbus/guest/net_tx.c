/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames to the host.
 *
 * 	section    copied, several to a section; one ring packet says which section and how much
 * 	pages      the frame lies in pages of ours, its RNDIS header before it; the ring packet
 * lists the pages (GPA direct) partial    RNDIS header and the frame's first bytes in a section,
 * the rest in pages
 *
 * A section or slot is ours again when the host completes its transaction: numbers from the
 * profile's 'first_id' on, sections first.
 */
#include "vmbus/guest/net_priv.h"

#include <errno.h>
#include <string.h>

#include "vmbus/packet.h"

#define MAX_PAGES  SLOT_PAGES
#define NO_SECTION UINT32_MAX
/* The PPIs that may stand before a frame. */
#define MAX_HEAD (RNDIS_PACKET_HEADER_SIZE + 4 * RNDIS_PPI_SIZE)

/* Ids. */

static bool id_of_section(const struct guest_queue *q, uint64_t id, uint32_t *ret_section)
{
	if (id - q->first_id >= q->n_sections)
		return false;
	*ret_section = (uint32_t)(id - q->first_id);
	return true;
}

static bool id_of_slot(const struct guest_queue *q, uint64_t id, uint32_t *ret_slot)
{
	uint64_t slot = id - q->first_id - q->n_sections;

	if (slot >= q->n_slots)
		return false;
	*ret_slot = (uint32_t)slot;
	return true;
}

void guest_queue_completed(struct guest_queue *q, uint64_t id, uint32_t status)
{
	uint32_t i;

	if (id_of_section(q, id, &i) && q->busy[i]) {
		q->busy[i] = 0;
		q->free[q->n_free++] = i;
	} else if (id_of_slot(q, id, &i) && q->slots[i].busy) {
		q->slots[i].busy = false;
		q->n_busy_slots--;
	} else {
		q->stats.bad_completions++;
		return;
	}
	q->stats.tx_failed += status != NVSP_STATUS_SUCCESS;
}

bool guest_queue_idle(const struct guest_queue *q)
{
	return q->n_busy_slots == 0 && q->n_free == q->n_sections && q->open.index == NO_SECTION;
}

/* Room on the ring: completions have what is left. */
static bool has_room(struct guest_queue *q, size_t header, size_t payload)
{
	struct vmbus_out *out = &q->channel->out;
	uint32_t size = vmbus_packet_size(header, payload) + q->reserve;

	guest_channel_fill(q->channel);
	if (out->room > size)
		return true;
	guest_channel_flush(q->channel); /* and look again */
	guest_channel_fill(q->channel);
	if (out->room > size)
		return true;
	/* Ask to be told, once; a host that made room meanwhile is believed next time. */
	if (!q->waiting)
		q->waiting = vmbus_out_wait(out, size);
	return false;
}

void guest_queue_got_room(struct guest_queue *q)
{
	if (q->waiting)
		(void)vmbus_out_wait(&q->channel->out, 0);
	q->waiting = false;
}

/* Sections. */

static uint8_t *section_at(const struct guest_queue *q, uint32_t section)
{
	return q->send + (uint64_t)(q->first_section + section) * q->section_size;
}

/* The section's packet on the ring.  False: no room; it stays open, and full. */
static bool close_section(struct guest_queue *q)
{
	const struct nvsp_rndis rndis = {
		.type = NVSP_RNDIS,
		.section = q->first_section + q->open.index,
		.section_size = q->open.used,
	};

	if (!has_room(q, 0, sizeof(rndis)))
		return false;
	if (vmbus_out_put(&q->channel->out, VMBUS_PKT_INBAND, VMBUS_PKT_COMPLETION_REQUESTED,
			  q->first_id + q->open.index, NULL, 0, &rndis, sizeof(rndis)) != 0)
		return false;
	guest_queue_got_room(q);
	q->busy[q->open.index] = 1;
	q->stats.tx_packets++;
	q->stats.tx_frames += q->open.n;
	q->stats.tx_bytes += q->open.n_bytes;
	q->open.index = NO_SECTION;
	return true;
}

static bool open_section(struct guest_queue *q)
{
	if (q->n_free == 0)
		return false;
	q->open = (struct guest_open_section){.index = q->free[--q->n_free]};
	return true;
}

static struct rndis_packet describe(const struct guest_frame *f)
{
	return (struct rndis_packet){
		.frame_size = f->size,
		.has_csum = (f->flags & GUEST_HAS_CSUM) != 0,
		.has_lso = (f->flags & GUEST_HAS_LSO) != 0,
		.has_vlan = (f->flags & GUEST_HAS_VLAN) != 0,
		.has_hash = (f->flags & GUEST_HAS_HASH) != 0,
		.csum = f->csum,
		.lso = f->lso,
		.hash = f->hash,
		.vlan_tci = f->vlan_tci,
	};
}

/* Messages of one packet begin at multiples of the host's alignment; the padding belongs to the
 * message before. */
static uint32_t padding(const struct guest_queue *q)
{
	return -q->open.used & q->align_mask;
}

static void pad(struct guest_queue *q, uint32_t bytes)
{
	uint8_t *size_at = section_at(q, q->open.index) + q->open.last +
			   offsetof(struct rndis_packet_wire, msg_size);
	uint32_t size;

	memcpy(&size, size_at, sizeof(size));
	size += bytes;
	memcpy(size_at, &size, sizeof(size));
	q->open.used += bytes;
}

/* Short frames by two moves of known size, which may overlap, instead of a call. */
static void copy_frame(uint8_t *to, const uint8_t *from, uint32_t size)
{
	if (size < 32 || size > 64) {
		memcpy(to, from, size);
		return;
	}
	memcpy(to, from, 32);
	memcpy(to + size - 32, from + size - 32, 32);
}

static void append(struct guest_queue *q, const struct guest_frame *f)
{
	uint8_t *to = section_at(q, q->open.index) + q->open.used;
	struct rndis_packet p;
	uint32_t head;

	/* Most frames have nothing said about them. */
	if (f->flags == 0) {
		head = RNDIS_PACKET_HEADER_SIZE;
		rndis_header_write(to, head, f->size);
	} else {
		p = describe(f);
		head = (uint32_t)rndis_packet_write(to, &p);
	}
	copy_frame(to + head, f->data, f->size);
	q->open.last = q->open.used;
	q->open.used += head + f->size;
	q->open.n++;
	q->open.n_bytes += f->size;
}

static bool by_section(struct guest_queue *q, const struct guest_frame *f)
{
	const uint32_t most = MAX_HEAD + f->size;

	if (q->open.index != NO_SECTION) {
		uint32_t fill = padding(q);

		if (q->open.n < q->max_aggregate && most + fill <= q->section_size - q->open.used) {
			if (fill != 0)
				pad(q, fill);
			append(q, f);
			return true;
		}
		if (!close_section(q))
			return false;
	}
	if (!open_section(q))
		return false;
	append(q, f);
	return true;
}

/* Pages. */

static struct guest_slot *get_slot(struct guest_queue *q)
{
	if (q->room < GUEST_MAX_SLOTS)
		return &q->slots[q->room];
	for (unsigned i = 0; i < q->n_slots; i++) {
		struct guest_slot *slot = &q->slots[i];

		if (slot->busy)
			continue;
		q->room = i;
		return slot;
	}
	return NULL;
}

/* Where frames begin in a slot. */
static uint32_t slot_frame(const struct guest_queue *q)
{
	return q->head_offset + SLOT_HEAD;
}

uint8_t *guest_queue_room(struct guest_queue *q)
{
	struct guest_slot *slot = get_slot(q);

	return slot != NULL ? slot->buffer.va + slot_frame(q) : NULL;
}

/* The list of pages for bytes [at, at + size) of a slot; returns its size. */
static size_t list_pages(const struct guest_queue *q, const struct guest_slot *slot, uint32_t at,
			 uint32_t size, uint8_t *to)
{
	const uint64_t *pfns = slot->buffer.pfns + (at >> GPA_PAGE_SHIFT);
	uint32_t in_page = at & (GPA_PAGE_SIZE - 1), n = 0;
	uint8_t *range = to + VMBUS_GPA_HEADER_SIZE;

	if (q->form == GUEST_GPA_RANGE)
		return vmbus_gpa_write(to, size, in_page, pfns,
				       (in_page + size + GPA_PAGE_SIZE - 1) >> GPA_PAGE_SHIFT);
	for (; size > 0; n++, in_page = 0) {
		uint32_t here = GPA_PAGE_SIZE - in_page < size ? GPA_PAGE_SIZE - in_page : size;

		memcpy(range, &here, sizeof(here));
		memcpy(range + 4, &in_page, sizeof(in_page));
		memcpy(range + 8, &pfns[n], sizeof(*pfns));
		range += 16;
		size -= here;
	}
	memset(to, 0, 4);
	memcpy(to + 4, &n, sizeof(n));
	return (size_t)(range - to);
}

static bool put_pages(struct guest_queue *q, unsigned slot, const struct nvsp_rndis *rndis,
		      uint32_t at, uint32_t size)
{
	uint8_t list[VMBUS_GPA_HEADER_SIZE + 16 * MAX_PAGES];
	size_t list_size = list_pages(q, &q->slots[slot], at, size, list);

	if (!has_room(q, list_size, sizeof(*rndis)) ||
	    vmbus_out_put(&q->channel->out, VMBUS_PKT_GPA_DIRECT, VMBUS_PKT_COMPLETION_REQUESTED,
			  q->first_id + q->n_sections + slot, list, list_size, rndis,
			  sizeof(*rndis)) != 0)
		return false;
	guest_queue_got_room(q);
	q->slots[slot].busy = true;
	q->n_busy_slots++;
	q->room = GUEST_MAX_SLOTS;
	q->stats.tx_packets++;
	q->stats.tx_frames++;
	return true;
}

static bool send_pages(struct guest_queue *q, const struct guest_frame *f)
{
	const struct nvsp_rndis rndis = {.type = NVSP_RNDIS, .section = NO_SECTION};
	struct rndis_packet p = describe(f);
	uint8_t head[RNDIS_PACKET_MAX_HEADER];
	uint32_t head_size = (uint32_t)rndis_packet_write(head, &p);
	uint32_t at = slot_frame(q) - head_size;

	memcpy(q->slots[q->room].buffer.va + at, head, head_size);
	return put_pages(q, q->room, &rndis, at, p.msg_size);
}

/* The section is needed for as long as the slot: both come back with the slot's completion, so it
 * is one that belongs to the slot for good. */
static bool send_partial(struct guest_queue *q, const struct guest_frame *f)
{
	uint32_t section = q->n_sections - 1 - q->room;
	uint32_t early = f->size < PARTIAL_HEAD ? f->size / 2 : PARTIAL_HEAD;
	struct nvsp_rndis rndis = {.type = NVSP_RNDIS, .section = q->first_section + section};
	struct rndis_packet p = describe(f);
	uint8_t *to = section_at(q, section);
	uint32_t head_size = (uint32_t)rndis_packet_write(to, &p);

	memcpy(to + head_size, f->data, early);
	rndis.section_size = head_size + early;
	return put_pages(q, q->room, &rndis, slot_frame(q) + early, f->size - early);
}

bool guest_queue_send_room(struct guest_queue *q, const struct guest_frame *frame)
{
	bool partial =
		q->mode == GUEST_MODE_PARTIAL && q->n_sections > GUEST_MAX_SLOTS && frame->size > 1;
	bool sent;

	if (q->room >= GUEST_MAX_SLOTS || frame->size > GUEST_MAX_FRAME)
		return false;
	sent = partial ? send_partial(q, frame) : send_pages(q, frame);
	q->stats.tx_bytes += sent ? frame->size : 0;
	q->stats.tx_full += !sent;
	return sent;
}

/* A copy into pages; what was put before it stays before it. */
static bool by_pages(struct guest_queue *q, const struct guest_frame *f)
{
	uint8_t *room;
	struct guest_frame copy = *f;

	if (q->open.index != NO_SECTION && !close_section(q))
		return false;
	room = guest_queue_room(q);
	if (room == NULL || f->size > GUEST_MAX_FRAME)
		return false;
	memcpy(room, f->data, f->size);
	copy.data = room;
	return guest_queue_send_room(q, &copy);
}

unsigned guest_queue_send(struct guest_queue *q, const struct guest_frame *frames, unsigned n)
{
	const bool sections = q->mode == GUEST_MODE_AUTO && q->n_sections > 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		const struct guest_frame *f = &frames[i];

		if (sections && f->size + MAX_HEAD <= q->section_size) {
			if (!by_section(q, f))
				break;
		} else if (!by_pages(q, f)) {
			break;
		}
	}
	q->stats.tx_full += n - i;
	return i;
}

void guest_queue_flush(struct guest_queue *q)
{
	if (q->open.index != NO_SECTION)
		(void)close_section(q);
	guest_channel_flush(q->channel);
}

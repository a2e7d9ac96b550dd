/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vpci_proto.h.
 */
#include "vmbus/vpci_proto.h"

#include "ctl/base/wire.h"

#include <errno.h>
#include <string.h>

#define RELATION_SIZE  20u
#define RELATION2_SIZE 28u
#define LIST_VPS       32u
#define NUMA_VALID     1u

/* ---- What guests say ---- */

static void read_bars(struct rd *rd, struct vpci_memory bars[VPCI_N_BARS])
{
	for (unsigned i = 0; i < VPCI_N_BARS; i++) {
		rd_skip(rd, 4); /* type, sharing, flags */
		bars[i].gpa = rd_le64(rd);
		bars[i].size = rd_le64(rd);
	}
}

/* A mask of processors as a list. */
static void read_mask(struct rd *rd, struct vpci_target *t)
{
	uint64_t mask;

	t->vector = rd_u8(rd);
	t->mode = rd_u8(rd);
	t->count = rd_le16(rd);
	rd_skip(rd, 4);
	mask = rd_le64(rd);
	for (; mask != 0; mask &= mask - 1)
		t->vps[t->n_vps++] = (uint16_t)__builtin_ctzll(mask);
}

static void read_list(struct rd *rd, struct vpci_target *t, bool wide)
{
	t->vector = wide ? rd_le32(rd) : rd_u8(rd);
	t->mode = rd_u8(rd);
	if (wide)
		rd_skip(rd, 1);
	t->count = rd_le16(rd);
	t->n_vps = rd_le16(rd);
	if (t->n_vps > LIST_VPS)
		rd->bad = true;
	for (unsigned i = 0; !rd->bad && i < t->n_vps; i++)
		t->vps[i] = rd_le16(rd);
}

static void read_cookie(struct rd *rd, struct vpci_cookie *c)
{
	rd_skip(rd, 2);
	c->count = rd_le16(rd);
	c->data = rd_le32(rd);
	c->address = rd_le64(rd);
}

/* Behind the slot.  False: nothing of that type is read here. */
static bool read_slotted(struct rd *rd, struct vpci_message *m)
{
	switch (m->type) {
	case VPCI_QUERY_REQUIREMENTS:
	case VPCI_RELEASED:
	case VPCI_RESET:
		return true;
	case VPCI_POWER:
		m->power = rd_le32(rd);
		return true;
	case VPCI_EJECTION_COMPLETE:
		m->status = rd_le32(rd);
		return true;
	case VPCI_ASSIGNED:
	case VPCI_ASSIGNED2:
	case VPCI_ASSIGNED3:
		m->type = VPCI_ASSIGNED;
		read_bars(rd, m->bars);
		return true;
	case VPCI_CREATE_INTERRUPT:
		read_mask(rd, &m->target);
		return true;
	case VPCI_CREATE_INTERRUPT2:
	case VPCI_CREATE_INTERRUPT3:
		read_list(rd, &m->target, m->type == VPCI_CREATE_INTERRUPT3);
		m->type = VPCI_CREATE_INTERRUPT;
		return true;
	case VPCI_DELETE_INTERRUPT:
	case VPCI_DELETE_INTERRUPT2:
		m->type = VPCI_DELETE_INTERRUPT;
		read_cookie(rd, &m->cookie);
		return true;
	default:
		return false;
	}
}

int vpci_read(const void *bytes, size_t size, struct vpci_message *ret_m)
{
	struct rd rd = rd_init(bytes, size);
	struct vpci_message m;

	memset(&m, 0, sizeof(m));
	m.type = rd_le32(&rd);
	switch (m.type) {
	case VPCI_QUERY_RELATIONS:
	case VPCI_D0_EXIT:
		break;
	case VPCI_QUERY_VERSION:
		m.version = rd_le32(&rd);
		break;
	case VPCI_D0_ENTRY:
		rd_skip(&rd, 4);
		m.window = rd_le64(&rd);
		break;
	default:
		m.slot = rd_le32(&rd);
		if (!read_slotted(&rd, &m)) {
			*ret_m = m;
			return rd_ok(&rd) ? -EOPNOTSUPP : -EBADMSG;
		}
	}
	if (!rd_ok(&rd))
		return -EBADMSG;
	*ret_m = m;
	return 0;
}

/* ---- What we say ---- */

static struct wr begin(void *to)
{
	memset(to, 0, VPCI_REPLY_MAX);
	return wr_over(to, VPCI_REPLY_MAX);
}

/* At least a word more than a status: see the header. */
static size_t end(const struct wr *wr, size_t at_least)
{
	return wr->size < at_least ? at_least : wr->size;
}

static void write_relation(struct wr *wr, const struct vpci_description *d)
{
	wr_le16(wr, d->vendor);
	wr_le16(wr, d->device);
	wr_u8(wr, d->revision);
	wr_u8(wr, d->prog_if);
	wr_u8(wr, d->subclass);
	wr_u8(wr, d->base_class);
	wr_le16(wr, d->subsystem_vendor);
	wr_le16(wr, d->subsystem_device);
	wr_le32(wr, d->slot);
	wr_le32(wr, d->serial);
}

size_t vpci_write_relations(void *to, uint32_t version, const struct vpci_description *d)
{
	bool numa = version >= VPCI_V1_3;
	struct wr wr = begin(to);

	wr_le32(&wr, numa ? VPCI_BUS_RELATIONS2 : VPCI_BUS_RELATIONS);
	wr_le32(&wr, d != NULL);
	if (d == NULL)
		return end(&wr, 8);
	write_relation(&wr, d);
	if (numa) {
		wr_le32(&wr, d->numa_node >= 0 ? NUMA_VALID : 0);
		wr_le16(&wr, d->numa_node >= 0 ? (uint16_t)d->numa_node : 0);
		wr_le16(&wr, 0);
	}
	return end(&wr, 8 + (numa ? RELATION2_SIZE : RELATION_SIZE));
}

size_t vpci_write_eject(void *to, uint32_t slot)
{
	struct wr wr = begin(to);

	wr_le32(&wr, VPCI_EJECT);
	wr_le32(&wr, slot);
	return end(&wr, 8);
}

size_t vpci_write_status(void *to, uint32_t status)
{
	struct wr wr = begin(to);

	wr_le32(&wr, status);
	return end(&wr, 16);
}

size_t vpci_write_version(void *to, uint32_t status, uint32_t version)
{
	struct wr wr = begin(to);

	wr_le32(&wr, status);
	wr_le32(&wr, version);
	return end(&wr, 16);
}

size_t vpci_write_requirements(void *to, uint32_t status, const uint32_t bars[VPCI_N_BARS])
{
	struct wr wr = begin(to);

	wr_le32(&wr, status);
	for (unsigned i = 0; i < VPCI_N_BARS; i++)
		wr_le32(&wr, bars[i]);
	return end(&wr, 28);
}

size_t vpci_write_interrupt(void *to, uint32_t status, const struct vpci_cookie *cookie)
{
	struct wr wr = begin(to);

	wr_le32(&wr, status);
	wr_le32(&wr, 0);
	wr_le16(&wr, 0);
	wr_le16(&wr, cookie->count);
	wr_le32(&wr, cookie->data);
	wr_le64(&wr, cookie->address);
	return end(&wr, 24);
}

size_t vpci_write_power(void *to, uint32_t status, uint32_t slot, uint32_t state)
{
	struct wr wr = begin(to);

	wr_le32(&wr, status);
	wr_le32(&wr, slot);
	wr_le32(&wr, state);
	return end(&wr, 16);
}

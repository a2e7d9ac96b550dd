/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Blocks: capacity, reads, writes, flushes, and what gives room back.  Source: SBC-3 5.
 *
 * A command becomes one io of its disk, but for UNMAP, whose ranges follow one another.
 */
#include "vmbus/scsi_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"

#define MAX_UNMAP_RANGES 64u
#define MAX_ZERO_BYTES	 (1ull << 30)
#define FUA		 0x08
#define PROTECT		 0xe0

struct range {
	uint64_t offset, size; /* bytes */
};

static struct scsi_command *command_of(struct disk_io *io)
{
	return (struct scsi_command *)(void *)((char *)io - offsetof(struct scsi_command, io));
}

/* ---- An io and its end ---- */

static unsigned bucket_of(uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned bucket = us == 0 ? 0 : 64u - (unsigned)__builtin_clzll(us);

	return bucket < SCSI_N_BUCKETS ? bucket : SCSI_N_BUCKETS - 1;
}

static void count(struct scsi_command *c)
{
	struct scsi_stats *stats = &c->unit->stats;
	uint64_t ns = clock_mono_ns() - c->began_ns;

	stats->total_ns += ns;
	switch (c->io.op) {
	case DISK_READ:
		stats->reads++;
		stats->read_bytes += c->io.size;
		stats->latency[bucket_of(ns)]++;
		break;
	case DISK_WRITE:
		stats->writes++;
		stats->write_bytes += c->io.size;
		stats->latency[bucket_of(ns)]++;
		break;
	case DISK_FLUSH:
		stats->flushes++;
		stats->flush_latency[bucket_of(ns)]++;
		break;
	case DISK_DISCARD:
	case DISK_ZERO:
		stats->discards++;
		stats->discard_bytes += c->io.size;
		break;
	case DISK_N_OPS:
		break;
	}
}

/* Where a command's blocks are kept is no guest's business: it learns whether its own data are at
 * fault, the room for them, or the moment. */
static void trouble(struct scsi_command *c, int rc)
{
	struct scsi_trouble *t = &c->unit->trouble;

	if (rc == -ENOMEM || rc == -EAGAIN) {
		c->status = SCSI_BUSY;
		c->unit->stats.in_flight--;
		c->done(c);
		return;
	}
	c->unit->stats.errors++;
	t->n++;
	t->rc = rc;
	t->op = c->io.op;
	t->offset = c->io.offset;
	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG)
		scsi_fail(c, SCSI_SENSE_NO_SPACE);
	else if (rc == -EROFS || rc == -EPERM)
		scsi_fail(c, SCSI_SENSE_PROTECTED);
	else
		scsi_fail(c,
			  c->io.op == DISK_READ ? SCSI_SENSE_READ_ERROR : SCSI_SENSE_WRITE_ERROR);
}

static void io_done(struct disk_io *io, int rc)
{
	struct scsi_command *c = command_of(io);

	count(c);
	if (rc != 0) {
		trouble(c, rc);
		return;
	}
	if (io->op == DISK_READ || io->op == DISK_WRITE)
		c->transferred = (uint32_t)io->size;
	scsi_finish(c);
}

static void io_start(struct scsi_command *c, enum disk_op op, uint64_t offset, uint64_t size,
		     void (*done)(struct disk_io *io, int rc))
{
	struct disk *disk = c->unit->disk;

	c->io.op = op;
	c->io.offset = offset;
	c->io.size = size;
	c->io.iov = c->iov;
	c->io.n_iov = c->n_iov;
	c->io.done = done;
	disk->ops->submit(disk, &c->io);
}

/* ---- Reads and writes ---- */

struct extent {
	uint64_t lba, n;
};

/* Where a command of 10, 12 or 16 bytes says which blocks it means; 6 bytes are another thing. */
static struct extent extent_of(const uint8_t *cdb)
{
	struct extent e = {0};

	switch (cdb[0] >> 5) {
	case 0:
		e.lba = scsi_be(cdb + 1, 3) & 0x1fffff;
		e.n = cdb[4] != 0 ? cdb[4] : 256;
		break;
	case 4:
		e.lba = scsi_be(cdb + 2, 8);
		e.n = scsi_be(cdb + 10, 4);
		break;
	case 5:
		e.lba = scsi_be(cdb + 2, 4);
		e.n = scsi_be(cdb + 6, 4);
		break;
	default:
		e.lba = scsi_be(cdb + 2, 4);
		e.n = scsi_be(cdb + 7, 2);
		break;
	}
	return e;
}

static bool extent_ok(const struct scsi_unit *unit, const struct extent *e)
{
	uint64_t n_blocks = scsi_n_blocks(unit);

	return e->lba <= n_blocks && e->n <= n_blocks - e->lba;
}

/* Cuts the command's pieces to 'size' bytes, which they have. */
static void data_trim(struct scsi_command *c, uint64_t size)
{
	unsigned n = 0;

	while (size > 0) {
		struct iovec *v = &c->iov[n++];

		if (v->iov_len > size)
			v->iov_len = (size_t)size;
		size -= v->iov_len;
	}
	c->n_iov = n;
}

static bool is_read(uint8_t opcode)
{
	return opcode == 0x08 || opcode == 0x28 || opcode == 0x88 || opcode == 0xa8;
}

static bool is_verified(uint8_t opcode)
{
	return opcode == 0x2e || opcode == 0x8e || opcode == 0xae;
}

void scsi_read_write(struct scsi_command *c)
{
	const struct disk_info *info = &c->unit->disk->info;
	bool read = is_read(c->cdb[0]), six = c->cdb[0] >> 5 == 0;
	struct extent e = extent_of(c->cdb);
	uint64_t size = e.n * info->block_size;

	if (!six && (c->cdb[1] & PROTECT) != 0) {
		scsi_fail(c, SCSI_SENSE_FIELD);
	} else if (!read && info->read_only) {
		scsi_fail(c, SCSI_SENSE_PROTECTED);
	} else if (!extent_ok(c->unit, &e)) {
		scsi_fail(c, SCSI_SENSE_LBA);
	} else if (e.n == 0) {
		scsi_finish(c);
	} else if (c->direction != (read ? SCSI_FROM_DEVICE : SCSI_TO_DEVICE)) {
		scsi_refuse(c, SCSI_BAD_DIRECTION);
	} else if (size > c->data_size) {
		scsi_refuse(c, SCSI_OVERRUN);
	} else {
		data_trim(c, size);
		c->io.fua = !read && ((!six && (c->cdb[1] & FUA) != 0) || is_verified(c->cdb[0]));
		io_start(c, read ? DISK_READ : DISK_WRITE, e.lba * info->block_size, size, io_done);
	}
}

/* That the blocks are there is all that is verified: whether they can be read is found out when
 * they are. */
void scsi_verify(struct scsi_command *c)
{
	struct extent e = extent_of(c->cdb);

	if ((c->cdb[1] & (PROTECT | 0x06)) != 0) /* compare with data */
		scsi_fail(c, SCSI_SENSE_FIELD);
	else if (!extent_ok(c->unit, &e))
		scsi_fail(c, SCSI_SENSE_LBA);
	else
		scsi_finish(c);
}

/* All of the cache, whatever the range says; and at once only when it is done. */
void scsi_sync_cache(struct scsi_command *c)
{
	if (c->unit->disk->info.read_only)
		scsi_finish(c);
	else
		io_start(c, DISK_FLUSH, 0, 0, io_done);
}

/* ---- Capacity ---- */

void scsi_read_capacity_10(struct scsi_command *c)
{
	uint64_t n_blocks = scsi_n_blocks(c->unit), last = n_blocks == 0 ? 0 : n_blocks - 1;
	uint8_t data[8];

	scsi_put_be(data, last > UINT32_MAX ? UINT32_MAX : last, 4);
	scsi_put_be(data + 4, c->unit->disk->info.block_size, 4);
	scsi_answer(c, data, sizeof(data), sizeof(data));
}

/* READ CAPACITY (16), of all the things that this opcode can be. */
void scsi_service_in_16(struct scsi_command *c)
{
	const struct disk_info *info = &c->unit->disk->info;
	uint64_t n_blocks = scsi_n_blocks(c->unit);
	uint8_t data[32] = {0};

	if ((c->cdb[1] & 0x1f) != 0x10) {
		scsi_fail(c, SCSI_SENSE_FIELD);
		return;
	}
	scsi_put_be(data, n_blocks == 0 ? 0 : n_blocks - 1, 8);
	scsi_put_be(data + 8, info->block_size, 4);
	data[13] = (uint8_t)__builtin_ctz(info->physical_block / info->block_size);
	if (info->discard_unit != 0)
		data[14] = info->discard_zeros ? 0xc0 : 0x80; /* provisioned; reads zeros */
	scsi_answer(c, data, sizeof(data), (size_t)scsi_be(c->cdb + 10, 4));
}

/* ---- Room given back ---- */

static void unmap_end(struct scsi_command *c)
{
	free(c->list);
	c->list = NULL;
}

static void unmap_done(struct disk_io *io, int rc);

/* The next range; none is left: done. */
static void unmap_next(struct scsi_command *c)
{
	const struct range *ranges = c->list;

	while (c->list_at < c->list_n && ranges[c->list_at].size == 0)
		c->list_at++;
	if (c->list_at == c->list_n) {
		unmap_end(c);
		scsi_finish(c);
		return;
	}
	c->list_at++;
	io_start(c, DISK_DISCARD, ranges[c->list_at - 1].offset, ranges[c->list_at - 1].size,
		 unmap_done);
}

static void unmap_done(struct disk_io *io, int rc)
{
	struct scsi_command *c = command_of(io);

	count(c);
	if (rc != 0) {
		unmap_end(c);
		trouble(c, rc);
		return;
	}
	unmap_next(c);
}

/* Checks all ranges before any is given back. */
static int unmap_read(struct scsi_command *c, const uint8_t *list, unsigned n, struct range *ret)
{
	uint32_t block = c->unit->disk->info.block_size;

	for (unsigned i = 0; i < n; i++, list += 16) {
		struct extent e = {scsi_be(list, 8), scsi_be(list + 8, 4)};

		if (!extent_ok(c->unit, &e))
			return -ERANGE;
		ret[i] = (struct range){e.lba * block, e.n * block};
	}
	return 0;
}

static void unmap_start(struct scsi_command *c, const uint8_t *list, unsigned n)
{
	struct range *ranges = calloc(n, sizeof(*ranges));

	if (ranges == NULL) {
		trouble(c, -ENOMEM);
	} else if (unmap_read(c, list, n, ranges) != 0) {
		free(ranges);
		scsi_fail(c, SCSI_SENSE_LBA);
	} else {
		c->list = ranges;
		c->list_n = n;
		c->list_at = 0;
		unmap_next(c);
	}
}

void scsi_unmap(struct scsi_command *c)
{
	const struct disk_info *info = &c->unit->disk->info;
	size_t room = (size_t)scsi_be(c->cdb + 7, 2), size;
	uint8_t list[8 + 16 * MAX_UNMAP_RANGES];

	if (info->discard_unit == 0) {
		scsi_fail(c, SCSI_SENSE_OPCODE);
	} else if (info->read_only) {
		scsi_fail(c, SCSI_SENSE_PROTECTED);
	} else if ((c->cdb[1] & 1) != 0) { /* ANCHOR */
		scsi_fail(c, SCSI_SENSE_FIELD);
	} else if (room == 0) {
		scsi_finish(c);
	} else if (room < 8 || room > sizeof(list)) {
		scsi_fail(c, SCSI_SENSE_LIST_LENGTH);
	} else if (!scsi_fetch(c, list, room)) {
		scsi_refuse(c, SCSI_OVERRUN);
	} else {
		c->transferred = (uint32_t)room;
		size = (size_t)scsi_be(list + 2, 2);
		if (size > room - 8)
			scsi_fail(c, SCSI_SENSE_LIST_LENGTH);
		else if (size < 16)
			scsi_finish(c);
		else
			unmap_start(c, list + 8, (unsigned)(size / 16));
	}
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* WRITE SAME of zeros, which is what guests use it for; other patterns they write themselves. */
void scsi_write_same(struct scsi_command *c)
{
	const struct disk_info *info = &c->unit->disk->info;
	struct extent e = extent_of(c->cdb);
	bool no_data = c->cdb[0] == 0x93 && (c->cdb[1] & 0x01) != 0;
	uint8_t block[4096];

	if ((c->cdb[1] & (PROTECT | 0x10)) != 0 || e.n == 0 ||
	    e.n > MAX_ZERO_BYTES / info->block_size) {
		scsi_fail(c, SCSI_SENSE_FIELD);
	} else if (info->read_only) {
		scsi_fail(c, SCSI_SENSE_PROTECTED);
	} else if (!extent_ok(c->unit, &e)) {
		scsi_fail(c, SCSI_SENSE_LBA);
	} else if (!no_data && !scsi_fetch(c, block, info->block_size)) {
		scsi_refuse(c, SCSI_OVERRUN);
	} else if (!no_data && !all_zero(block, info->block_size)) {
		scsi_fail(c, SCSI_SENSE_PARAMETER);
	} else {
		c->transferred = no_data ? 0 : info->block_size;
		c->io.fua = false;
		c->io.may_unmap = (c->cdb[1] & FUA) != 0; /* UNMAP, here */
		io_start(c, DISK_ZERO, e.lba * info->block_size, e.n * info->block_size, io_done);
	}
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See disk_user.h.
 */
#include "tests/support/disk_user.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"

#define N_SLOTS 8u
#define SLOT	(256u << 10) /* bytes of the disk that a slot plays with */

static void on_done(struct disk_io *io, int rc)
{
	struct disk_use *use = (struct disk_use *)(void *)io;

	if (use->done)
		abort();
	use->done = true;
	use->rc = rc;
}

void disk_use_begin(struct disk *disk, struct disk_use *use, enum disk_op op, uint64_t offset,
		    uint64_t size, void *bytes, size_t piece)
{
	uint64_t at = 0;

	memset(&use->io, 0, sizeof(use->io));
	use->done = false;
	use->io.op = op;
	use->io.offset = offset;
	use->io.size = size;
	use->io.iov = use->iov;
	use->io.may_unmap = true;
	use->io.done = on_done;
	if (piece == 0)
		piece = (size_t)size;
	while (bytes != NULL && at < size) {
		size_t here = size - at < piece ? (size_t)(size - at) : piece;

		if (use->io.n_iov == DISK_USER_MAX_IOV)
			abort();
		use->iov[use->io.n_iov++] =
			(struct iovec){.iov_base = (uint8_t *)bytes + at, .iov_len = here};
		at += here;
	}
	disk->ops->submit(disk, &use->io);
	disk->ops->kick(disk);
}

int disk_use_wait(struct disk *disk, struct disk_use *use)
{
	uint64_t end = clock_mono_ns() + 30000000000ull;

	while (!use->done) {
		struct pollfd fd = {.fd = disk->fd, .events = POLLIN};

		if (clock_mono_ns() > end)
			return -ETIMEDOUT;
		if (poll(&fd, 1, 100) > 0)
			disk->ops->work(disk);
	}
	return use->rc;
}

int disk_use(struct disk *disk, enum disk_op op, uint64_t offset, uint64_t size, void *bytes)
{
	struct disk_use use;

	disk_use_begin(disk, &use, op, offset, size, bytes, 0);
	return disk_use_wait(disk, &use);
}

/* ---- Random ---- */

struct player {
	struct disk *disk;
	uint8_t *model, *buffer;
	struct disk_use uses[N_SLOTS];
	uint32_t seed;
};

static uint32_t next(struct player *p)
{
	p->seed = p->seed * 1664525u + 1013904223u;
	return p->seed >> 4;
}

/* Each slot has its own part of the disk, so that what is under way together has no order. */
static void play(struct player *p, unsigned slot)
{
	static const size_t pieces[] = {0, 512, 4096, 8192};
	uint32_t block = p->disk->info.block_size, size = (next(p) % 64 + 1) * block;
	uint32_t at = slot * SLOT + next(p) % ((SLOT - size) / block + 1) * block;
	uint8_t *bytes = p->buffer + slot * SLOT;
	enum disk_op op =
		(enum disk_op[]){DISK_READ,  DISK_READ,	 DISK_WRITE,   DISK_WRITE,
				 DISK_WRITE, DISK_WRITE, DISK_DISCARD, DISK_ZERO}[next(p) % 8];

	if (op == DISK_DISCARD && !p->disk->info.discard_zeros)
		op = DISK_ZERO;
	if (op == DISK_WRITE) {
		for (uint32_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)next(p);
		memcpy(p->model + at, bytes, size);
	} else if (op != DISK_READ) {
		memset(p->model + at, 0, size);
	}
	disk_use_begin(p->disk, &p->uses[slot], op, at, size,
		       op == DISK_READ || op == DISK_WRITE ? bytes : NULL, pieces[next(p) % 4]);
}

static bool played_well(struct player *p, unsigned slot)
{
	struct disk_use *use = &p->uses[slot];

	if (disk_use_wait(p->disk, use) != 0)
		return false;
	return use->io.op != DISK_READ ||
	       memcmp(p->buffer + slot * SLOT, p->model + use->io.offset, use->io.size) == 0;
}

static unsigned run(struct player *p, unsigned n_steps)
{
	uint8_t *all = p->buffer;

	for (unsigned step = 1; step <= n_steps; step++) {
		for (unsigned slot = 0; slot < N_SLOTS; slot++)
			play(p, slot);
		for (unsigned slot = 0; slot < N_SLOTS; slot++)
			if (!played_well(p, slot))
				return step;
	}
	if (disk_use(p->disk, DISK_READ, 0, N_SLOTS * SLOT, all) != 0 ||
	    memcmp(all, p->model, N_SLOTS * SLOT) != 0)
		return n_steps + 1;
	return 0;
}

unsigned disk_use_randomly(struct disk *disk, unsigned n_steps, uint32_t seed)
{
	struct player *p = calloc(1, sizeof(*p));
	unsigned rc;

	if (p == NULL || disk->info.size < N_SLOTS * SLOT)
		abort();
	p->disk = disk;
	p->seed = seed;
	p->model = calloc(N_SLOTS, SLOT);
	p->buffer = aligned_alloc(4096, N_SLOTS * SLOT);
	if (p->model == NULL || p->buffer == NULL)
		abort();
	rc = run(p, n_steps);
	free(p->model);
	free(p->buffer);
	free(p);
	return rc;
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See mem_disk.h.
 */
#include "tests/support/mem_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void copy(struct mem_disk *m, const struct disk_io *io)
{
	uint64_t at = io->offset, left = io->size;

	for (unsigned i = 0; i < io->n_iov && left > 0; i++) {
		size_t here = io->iov[i].iov_len < left ? io->iov[i].iov_len : (size_t)left;

		if (io->op == DISK_READ)
			memcpy(io->iov[i].iov_base, m->bytes + at, here);
		else
			memcpy(m->bytes + at, io->iov[i].iov_base, here);
		at += here;
		left -= here;
	}
	if (left > 0)
		abort(); /* the pieces must hold all of it */
}

static bool is_beyond(const struct mem_disk *m, const struct disk_io *io)
{
	return io->offset > m->disk.info.size || io->size > m->disk.info.size - io->offset;
}

static void act(struct mem_disk *m, struct disk_io *io)
{
	int rc = 0;

	m->n[io->op]++;
	/* The disk may have shrunk while it was held. */
	if (is_beyond(m, io)) {
		rc = -EIO;
	} else if (m->fail_rc != 0 && m->fail_op == io->op) {
		rc = m->fail_rc;
		m->fail_rc = 0;
	} else if (io->op == DISK_READ || io->op == DISK_WRITE) {
		copy(m, io);
	} else if (io->op == DISK_FLUSH) {
		memcpy(m->stable, m->bytes, m->disk.info.size);
	} else {
		memset(m->bytes + io->offset, 0, io->size);
	}
	if (rc == 0 && io->op == DISK_WRITE && io->fua)
		memcpy(m->stable + io->offset, m->bytes + io->offset, io->size);
	io->done(io, rc);
}

static void op_submit(struct disk *disk, struct disk_io *io)
{
	struct mem_disk *m = (struct mem_disk *)disk;

	if (is_beyond(m, io))
		abort(); /* SCSI checks that */
	if (!m->hold) {
		act(m, io);
		return;
	}
	if (m->n_held == MEM_DISK_MAX_HELD)
		abort();
	m->held[m->n_held++] = io;
}

static void op_kick(struct disk *disk)
{
	((struct mem_disk *)disk)->n_kicks++;
}

static void op_work(struct disk *disk)
{
	struct mem_disk *m = (struct mem_disk *)disk;
	unsigned n = m->n_held;
	eventfd_t value;

	(void)eventfd_read(disk->fd, &value);
	if (!m->release)
		return;
	m->release = false;
	m->n_held = 0;
	for (unsigned i = 0; i < n; i++)
		act(m, m->held[i]);
}

static int op_resize(struct disk *disk)
{
	struct mem_disk *m = (struct mem_disk *)disk;

	if (m->next_size != 0 && m->next_size < disk->info.size)
		disk->info.size = m->next_size;
	return 0;
}

static void op_destroy(struct disk *disk)
{
	((struct mem_disk *)disk)->n_destroyed++;
}

static const struct disk_ops ops = {
	.submit = op_submit,
	.kick = op_kick,
	.work = op_work,
	.resize = op_resize,
	.destroy = op_destroy,
};

void mem_disk_init(struct mem_disk *m, uint64_t size, uint32_t block_size)
{
	*m = (struct mem_disk){
		.disk = {.ops = &ops,
			 .info = {.size = size,
				  .block_size = block_size,
				  .physical_block = 4096,
				  .discard_unit = 4096,
				  .write_cache = true,
				  .discard_zeros = true},
			 .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
		.bytes = calloc(1, size),
		.stable = calloc(1, size),
	};
	if (m->disk.fd < 0 || m->bytes == NULL || m->stable == NULL)
		abort();
}

void mem_disk_fini(struct mem_disk *m)
{
	close(m->disk.fd);
	free(m->bytes);
	free(m->stable);
}

void mem_disk_release(struct mem_disk *m)
{
	m->release = true;
	(void)eventfd_write(m->disk.fd, 1);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Raw images and ISOs: files and block devices.
 *
 * 	READ, WRITE     preadv, pwritev; a short one goes on where it ended
 * 	FLUSH           fdatasync           'fua': RWF_DSYNC
 * 	DISCARD         punches a hole, so that the bytes read as zeros
 * 	ZERO            the same, or zeroes the range, or writes zeros where the file system can
 * 	                neither
 *
 * Nothing is mapped: a file that is cut short gives reads of nothing, which are errors, not
 * signals. Past its old end a write makes the file longer again.
 */
#include "hv/disk/disk_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "hv/disk/engine.h"

#define ISO_BLOCK  2048u
#define ZERO_BYTES (64u << 10)
#define ZERO_IOV   16u /* 1 MB of zeros a call */

struct file_disk {
	struct disk disk;
	struct disk_engine *engine;
	int fd;
	bool block_device, unsafe, direct, punch;
};

/* An io under way. */
struct file_call {
	struct disk_op_call call;
	struct file_disk *file;
	struct disk_io *io;
	uint64_t done; /* bytes of it */
	bool by_writing;
	struct iovec zeros[];
};

static uint8_t zero_bytes[ZERO_BYTES];

static struct file_disk *file_of(struct disk *disk)
{
	return (struct file_disk *)(void *)disk;
}

/* ---- An io ---- */

static void call_end(struct file_call *c, int rc)
{
	struct disk_io *io = c->io;

	free(c);
	io->done(io, rc);
}

/* Leaves out the first 'size' bytes. */
static void advance(struct disk_op_call *call, uint64_t size)
{
	call->offset += size;
	while (size > 0 && call->n_iov > 0) {
		struct iovec *v = call->iov;

		if (v->iov_len > size) {
			v->iov_base = (uint8_t *)v->iov_base + size;
			v->iov_len -= (size_t)size;
			return;
		}
		size -= v->iov_len;
		call->iov++;
		call->n_iov--;
	}
}

/* The next zeros to write. */
static void zeros_set(struct file_call *c)
{
	uint64_t left = c->io->size - c->done;
	unsigned n = 0;

	while (left > 0 && n < ZERO_IOV) {
		size_t here = left < ZERO_BYTES ? (size_t)left : ZERO_BYTES;

		c->zeros[n++] = (struct iovec){.iov_base = zero_bytes, .iov_len = here};
		left -= here;
	}
	c->call.call = DISK_CALL_WRITE;
	c->call.offset = c->io->offset + c->done;
	c->call.iov = c->zeros;
	c->call.n_iov = n;
}

static bool again(int64_t result)
{
	return result == -EINTR || result == -EAGAIN;
}

/* The image's file system or our alignment does not suit O_DIRECT: then without. */
static bool leave_direct(struct file_disk *file, int64_t result)
{
	int flags = fcntl(file->fd, F_GETFL);

	if (result != -EINVAL || !file->direct || flags < 0 ||
	    fcntl(file->fd, F_SETFL, flags & ~O_DIRECT) != 0)
		return false;
	file->direct = false;
	return true;
}

static void bytes_done(struct disk_op_call *call, int64_t result)
{
	struct file_call *c = (struct file_call *)(void *)call;

	if (result > 0) {
		c->done += (uint64_t)result;
		if (c->done == c->io->size) {
			call_end(c, 0);
			return;
		}
		if (c->by_writing)
			zeros_set(c);
		else
			advance(call, (uint64_t)result);
	} else if (result == 0) {
		call_end(c, c->io->op == DISK_READ ? -ENODATA : -EIO);
		return;
	} else if (!again(result) && !leave_direct(c->file, result)) {
		call_end(c, (int)result);
		return;
	}
	disk_engine_call(c->file->engine, call);
}

static void other_done(struct disk_op_call *call, int64_t result)
{
	struct file_call *c = (struct file_call *)(void *)call;

	if (again(result)) {
		disk_engine_call(c->file->engine, call);
	} else if (result == -EOPNOTSUPP && c->by_writing) {
		zeros_set(c);
		call->done = bytes_done;
		disk_engine_call(c->file->engine, call);
	} else {
		call_end(c, result < 0 ? (int)result : 0);
	}
}

static void set_allocate(struct file_call *c)
{
	bool punch = c->io->op == DISK_DISCARD || (c->io->may_unmap && c->file->punch);

	c->call.call = DISK_CALL_FALLOCATE;
	c->call.mode = FALLOC_FL_KEEP_SIZE | (punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
	c->call.done = other_done;
	c->by_writing = true; /* if that is not to be had */
}

static void call_set(struct file_call *c)
{
	const struct disk_io *io = c->io;

	c->call.fd = c->file->fd;
	c->call.offset = io->offset;
	c->call.size = io->size;
	c->call.iov = io->iov;
	c->call.n_iov = io->n_iov;
	c->call.done = bytes_done;
	switch (io->op) {
	case DISK_READ:
		c->call.call = DISK_CALL_READ;
		break;
	case DISK_WRITE:
		c->call.call = io->fua && !c->file->unsafe ? DISK_CALL_WRITE_SYNC : DISK_CALL_WRITE;
		break;
	case DISK_FLUSH:
		c->call.call = DISK_CALL_DATASYNC;
		c->call.done = other_done;
		break;
	case DISK_DISCARD:
	case DISK_ZERO:
	case DISK_N_OPS:
		set_allocate(c);
		break;
	}
}

static void op_submit(struct disk *disk, struct disk_io *io)
{
	struct file_disk *file = file_of(disk);
	bool zeros = io->op == DISK_DISCARD || io->op == DISK_ZERO;
	struct file_call *c;

	if (io->op == DISK_FLUSH && file->unsafe) {
		io->done(io, 0);
		return;
	}
	c = malloc(sizeof(*c) + (zeros ? ZERO_IOV * sizeof(c->zeros[0]) : 0));
	if (c == NULL) {
		io->done(io, -ENOMEM);
		return;
	}
	memset(c, 0, sizeof(*c));
	c->file = file;
	c->io = io;
	call_set(c);
	disk_engine_call(file->engine, &c->call);
}

static void op_kick(struct disk *disk)
{
	disk_engine_kick(file_of(disk)->engine);
}

static void op_work(struct disk *disk)
{
	disk_engine_work(file_of(disk)->engine);
}

/* ---- Size ---- */

static int size_read(const struct file_disk *file, uint64_t *ret_size)
{
	struct stat st;

	if (file->block_device)
		return ioctl(file->fd, BLKGETSIZE64, ret_size) == 0 ? 0 : -errno;
	if (fstat(file->fd, &st) != 0)
		return -errno;
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int op_resize(struct disk *disk)
{
	uint64_t size;
	int rc = size_read(file_of(disk), &size);

	if (rc == 0)
		disk->info.size = size - size % disk->info.block_size;
	return rc;
}

static void op_destroy(struct disk *disk)
{
	close(file_of(disk)->fd);
	free(disk);
}

static const struct disk_ops file_ops = {
	.submit = op_submit,
	.kick = op_kick,
	.work = op_work,
	.resize = op_resize,
	.destroy = op_destroy,
};

/* ---- What it can ---- */

/* A number of the device's queue; 0 when it cannot be read. */
static uint64_t queue_limit(dev_t dev, const char *name)
{
	unsigned long long value = 0;
	char path[128];
	FILE *file;

	for (unsigned i = 0; i < 2; i++) { /* a disk, or its partition */
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev),
			 minor(dev), i == 0 ? "" : "../", name);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		if (fscanf(file, "%llu", &value) != 1)
			value = 0;
		fclose(file);
		break;
	}
	return value;
}

/* Whether holes can be punched: of a file, tried behind its end, where there is nothing to lose. */
static bool can_punch(const struct file_disk *file, const struct stat *st)
{
	if (file->block_device)
		return queue_limit(st->st_rdev, "write_zeroes_max_bytes") > 0 &&
		       queue_limit(st->st_rdev, "discard_max_bytes") > 0;
	return fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (st->st_size + 4095) & ~(off_t)4095, 4096) == 0;
}

static void block_sizes(const struct file_disk *file, bool iso, struct disk_info *info)
{
	unsigned physical = 0;
	int logical = 0;

	info->block_size = iso ? ISO_BLOCK : 512;
	info->physical_block = iso ? ISO_BLOCK : 4096;
	if (!file->block_device || iso)
		return;
	if (ioctl(file->fd, BLKSSZGET, &logical) == 0 && (logical == 512 || logical == 4096))
		info->block_size = (uint32_t)logical;
	if (ioctl(file->fd, BLKPBSZGET, &physical) == 0 && physical >= info->block_size &&
	    (physical & (physical - 1)) == 0 && physical <= 1u << 20)
		info->physical_block = physical;
}

static void describe(struct file_disk *file, const struct disk_spec *spec, const struct stat *st,
		     uint64_t size)
{
	struct disk_info *info = &file->disk.info;
	bool iso = spec->format == DISK_FORMAT_ISO;

	block_sizes(file, iso, info);
	info->size = size - size % info->block_size;
	info->dvd = iso;
	info->read_only = iso || spec->read_only;
	info->write_cache = !info->read_only;
	file->punch = !info->read_only && can_punch(file, st);
	if (file->punch) {
		info->discard_unit = 4096;
		info->discard_zeros = true;
	}
}

static void set_direct(struct file_disk *file)
{
	int flags = fcntl(file->fd, F_GETFL);

	file->direct = flags >= 0 && fcntl(file->fd, F_SETFL, flags | O_DIRECT) == 0;
}

static int check(struct file_disk *file, const struct disk_spec *spec, struct stat *st,
		 uint64_t *ret_size, struct err *err)
{
	bool read_only = spec->read_only || spec->format == DISK_FORMAT_ISO;
	int rc;

	if (fstat(file->fd, st) != 0)
		return err_set(err, -errno, DISK_SLUG, "disk '%s': cannot look at it: %s",
			       spec->name, strerror(errno));
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return err_set(err, -EINVAL, DISK_SLUG,
			       "disk '%s': neither a file nor a block device", spec->name);
	file->block_device = S_ISBLK(st->st_mode);
	if (!read_only && (fcntl(file->fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return err_set(err, -EACCES, DISK_SLUG, "disk '%s': it was opened for reading only",
			       spec->name);
	rc = size_read(file, ret_size);
	if (rc != 0)
		return err_set(err, rc, DISK_SLUG, "disk '%s': cannot find its size: %s",
			       spec->name, strerror(-rc));
	if (*ret_size < 4096)
		return err_set(err, -EINVAL, DISK_SLUG,
			       "disk '%s': an image of %llu bytes holds nothing", spec->name,
			       (unsigned long long)*ret_size);
	if (disk_lock(file->fd, read_only) != 0) {
		err_set(err, -EBUSY, DISK_SLUG, "disk '%s': the image is in use", spec->name);
		err_why(err,
			"another machine or tool has it open and writes it, or this one would");
		return -EBUSY;
	}
	return 0;
}

int disk_file_create(struct disk_engine *engine, const struct disk_spec *spec, int fd,
		     struct disk **ret_disk, struct err *err)
{
	struct file_disk *file = calloc(1, sizeof(*file));
	struct stat st;
	uint64_t size;
	int rc;

	if (file == NULL)
		return err_set(err, -ENOMEM, DISK_SLUG, "disk '%s': no memory", spec->name);
	file->disk.ops = &file_ops;
	file->disk.fd = disk_engine_fd(engine);
	file->engine = engine;
	file->fd = fd;
	/* A ring gives up too early on files that do not wait. */
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	rc = check(file, spec, &st, &size, err);
	if (rc != 0) {
		free(file);
		return rc;
	}
	describe(file, spec, &st, size);
	file->unsafe = spec->cache == DISK_CACHE_UNSAFE;
	if (spec->cache == DISK_CACHE_DIRECT)
		set_direct(file);
	*ret_disk = &file->disk;
	return 0;
}

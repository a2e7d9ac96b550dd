/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reads kernels and initrds where they are wanted.  A file may shrink while it is read: what is
 * missing then is an error as well.  See boot_priv.h.
 */
#include "hv/boot_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1u << 30) /* the kernel reads no more than 2 GB at once */

int boot_file_init(struct boot_file *file, int fd, const char *name, const char *slug,
		   struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_set(err, -errno, slug, "cannot look at %s: %s", name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, slug, "%s is not a file", name);
	if (st.st_size <= 0)
		return err_set(err, -EINVAL, slug, "%s is empty", name);
	*file = (struct boot_file){
		.fd = fd,
		.name = name,
		.slug = slug,
		.size = (uint64_t)st.st_size,
	};
	return 0;
}

static int cut_short(const struct boot_file *file, uint64_t offset, uint64_t size, struct err *err)
{
	return err_set(err, -EINVAL, file->slug,
		       "%s is cut short: it has %llu bytes, and should have at least %llu",
		       file->name, (unsigned long long)file->size,
		       (unsigned long long)(offset + size));
}

int boot_file_read(const struct boot_file *file, uint64_t offset, void *to, uint64_t size,
		   struct err *err)
{
	uint8_t *at = to;

	if (offset > file->size || size > file->size - offset)
		return cut_short(file, offset, size, err);
	for (uint64_t done = 0; done < size;) {
		size_t part = size - done < CHUNK ? size - done : CHUNK;
		ssize_t n = pread(file->fd, at + done, part, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, file->slug, "cannot read %s: %s", file->name,
				       strerror(errno));
		if (n == 0)
			return err_set(err, -EINVAL, file->slug, "%s shrank while it was read",
				       file->name);
		done += (uint64_t)n;
	}
	return 0;
}

int boot_file_load(const struct boot_file *file, uint64_t offset, const struct hv_memory *memory,
		   uint64_t gpa, uint64_t size, struct err *err)
{
	uint8_t *to;

	if (size == 0)
		return 0;
	to = gpa_at(&memory->map, gpa, size);
	if (to == NULL)
		return err_set(err, -EFAULT, file->slug, "%s does not fit into memory", file->name);
	return boot_file_read(file, offset, to, size, err);
}

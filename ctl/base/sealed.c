/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See sealed.h.
 */
#include "ctl/base/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define PIECE 65536u

static int write_all(int fd, const char *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, bytes + done, size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int copy(int from, int to, const char *name, size_t max, struct err *err)
{
	char *piece = malloc(PIECE);
	size_t size = 0;
	ssize_t n = 0;
	int rc = piece != NULL ? 0 : err_set(err, -ENOMEM, "no-memory", "out of memory");

	while (rc == 0 && (n = read(from, piece, PIECE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		size += n > 0 ? (size_t)n : 0;
		if (n < 0)
			rc = err_set(err, -errno, "cannot-read", "cannot read %s: %s", name,
				     strerror(errno));
		else if (size > max)
			rc = err_set(err, -EFBIG, "too-long", "%s is longer than %zu bytes", name,
				     max);
		else if (write_all(to, piece, (size_t)n) != 0)
			rc = err_set(err, -ENOMEM, "no-memory", "no memory for %s", name);
	}
	free(piece);
	return rc;
}

int sealed_copy(int from, const char *name, size_t max, struct err *err)
{
	int fd = memfd_create("vswitch", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (fd < 0)
		return err_set(err, -errno, "no-memory", "no memory for %s: %s", name,
			       strerror(errno));
	rc = copy(from, fd, name, max, err);
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) != 0)
		rc = err_set(err, -errno, "cannot-seal", "cannot seal %s: %s", name,
			     strerror(errno));
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

int sealed_map(int fd, size_t max, struct sealed *ret_sealed, struct err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *text = NULL;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) != 0) {
		err_set(err, -EINVAL, "not-sealed", "the descriptor is no sealed file");
		err_why(err, "it must not change while it is read: F_SEAL_SHRINK, _GROW, _WRITE");
		err_fix(err, "make it with memfd_create(2), write it, seal it");
		return -EINVAL;
	}
	if ((size_t)st.st_size > max)
		return err_set(err, -EFBIG, "too-long", "the file is longer than %zu bytes", max);
	if (st.st_size > 0)
		text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return err_set(err, -errno, "no-memory", "cannot map the file: %s",
			       strerror(errno));
	*ret_sealed = (struct sealed){.text = text, .size = (size_t)st.st_size};
	return 0;
}

void sealed_unmap(struct sealed *sealed)
{
	if (sealed->size != 0)
		munmap((void *)(uintptr_t)sealed->text, sealed->size);
	*sealed = (struct sealed){0};
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Objects of filter modules, kept as files under their SHA-256: what the configuration names by
 * digest is there after a restart, whatever became of the file it came from.
 *
 * 	/var/lib/vswitch/filters/9f86d081...0f00a08.o
 *
 * A copy is written whole or not at all, is there after a crash once vs_copy_write() returned, and
 * is checked against its name whenever it is read.  Control thread.
 */
#ifndef VSWITCH_OBJECT_COPY_H
#define VSWITCH_OBJECT_COPY_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <jansson.h>

#define VS_DIGEST_SIZE 65 /* of its hexadecimal digits, with the byte 0 */

/* A file's bytes, malloc'ed. */
struct vs_bytes {
	char *bytes;
	size_t size;
};
void vs_bytes_free(struct vs_bytes *bytes);

int vs_digest(const void *bytes, size_t size, char ret_digest[VS_DIGEST_SIZE]);

/* A regular file of at most 'max' bytes, of those whose mode has all bits of 'mode'.  Never waits
 * for a pipe.  -EINVAL (slug "not-a-file", "not-public"), -EFBIG, or what opening it said. */
int vs_file_read(const char *path, size_t max, mode_t mode, struct vs_bytes *ret, struct err *err);

/* 0, -ENOENT, -EBADMSG (slug "damaged": it is not what its name says). */
int vs_copy_read(const char *dir, const char *digest, size_t max, struct vs_bytes *ret,
		 struct err *err);
/* Makes 'dir' when it is missing.  Returns 1 when it wrote one, 0 when the copy is there and good
 * already. */
int vs_copy_write(const char *dir, const char *digest, const void *bytes, size_t size,
		  struct err *err);
void vs_copy_remove(const char *dir, const char *digest);
/* It goes out of use now, so it is the youngest of those that do not. */
void vs_copy_touch(const char *dir, const char *digest);
/* Removes copies that are no key of 'used', the oldest first, until 'n' of them and 'size' bytes
 * are left: what a rollback may ask for again. */
void vs_copies_tidy(const char *dir, const json_t *used, unsigned n, size_t size);

#endif

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See object_copy.h.
 */
#include "vswitch/object_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#define DIGEST_BYTES 32
#define ENDING	     ".o"
#define MAX_COPIES   4096 /* that tidying looks at; more are met the next time */

void vs_bytes_free(struct vs_bytes *bytes)
{
	free(bytes->bytes);
	*bytes = (struct vs_bytes){0};
}

int vs_digest(const void *bytes, size_t size, char ret_digest[VS_DIGEST_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_Digest(bytes, size, digest, &n, EVP_sha256(), NULL) != 1 || n != DIGEST_BYTES)
		return -ENOMEM;
	for (unsigned i = 0; i < DIGEST_BYTES; i++)
		snprintf(ret_digest + 2 * (size_t)i, 3, "%02x", digest[i]);
	return 0;
}

/* ---- Reading ---- */

/* Not with fstat()'s size alone: a file may grow while it is read. */
static int read_all(int fd, size_t max, struct vs_bytes *b)
{
	ssize_t n = 1;

	while (n != 0 && b->size <= max) {
		size_t want = 65536;
		char *more = realloc(b->bytes, b->size + want);

		if (more == NULL)
			return -ENOMEM;
		b->bytes = more;
		n = read(fd, b->bytes + b->size, want);
		if (n < 0 && errno != EINTR)
			return -errno;
		b->size += n > 0 ? (size_t)n : 0;
		n = n < 0 ? 1 : n;
	}
	return b->size <= max ? 0 : -EFBIG;
}

static int check_file(int fd, const char *path, size_t max, mode_t mode, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return err_set(err, -errno, "cannot-read", "cannot read %.200s: %s", path,
			       strerror(errno));
	if (!S_ISREG(st.st_mode)) {
		err_set(err, -EINVAL, "not-a-file", "%.200s is no regular file", path);
		return -EINVAL;
	}
	if (st.st_size < 0 || (size_t)st.st_size > max)
		return err_set(err, -EFBIG, "too-long", "%.200s is longer than %zu bytes", path,
			       max);
	if ((st.st_mode & mode) == mode)
		return 0;
	err_set(err, -EINVAL, "not-public", "%.200s is not a file that everybody may read", path);
	err_why(err, "the daemon may read more than who asks, so of itself it reads no other");
	err_fix(err, "chmod o+r, or let the tool read it: vswitchctl filter load NAME FILE");
	return -EINVAL;
}

int vs_file_read(const char *path, size_t max, mode_t mode, struct vs_bytes *ret, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;
	struct vs_bytes b = {0};

	if (fd < 0)
		return err_set(err, -errno, "cannot-read", "cannot read %.200s: %s", path,
			       strerror(errno));
	rc = check_file(fd, path, max, mode, err);
	if (rc == 0) {
		rc = read_all(fd, max, &b);
		if (rc != 0)
			err_set(err, rc, "cannot-read", "cannot read %.200s: %s", path,
				strerror(-rc));
	}
	close(fd);
	if (rc != 0)
		vs_bytes_free(&b);
	else
		*ret = b;
	return rc;
}

static void path_of(const char *dir, const char *digest, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%.64s" ENDING, dir, digest);
}

int vs_copy_read(const char *dir, const char *digest, size_t max, struct vs_bytes *ret,
		 struct err *err)
{
	char path[PATH_MAX], is[VS_DIGEST_SIZE] = "";
	struct vs_bytes b = {0};
	int rc;

	path_of(dir, digest, path);
	rc = vs_file_read(path, max, 0, &b, err);
	if (rc != 0)
		return rc;
	if (vs_digest(b.bytes, b.size, is) == 0 && strcmp(is, digest) == 0) {
		*ret = b;
		return 0;
	}
	vs_bytes_free(&b);
	err_set(err, -EBADMSG, "damaged", "the copy %.200s is not what it was", path);
	err_why(err, "its SHA-256 is not its name");
	return -EBADMSG;
}

/* ---- Writing ---- */

static int write_all(int fd, const char *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, bytes + done, size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

static int sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY), rc;

	if (fd < 0)
		return -errno;
	rc = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

/* All of it under another name first. */
static int write_file(const char *dir, const char *path, const void *bytes, size_t size)
{
	char temp[PATH_MAX + 8];
	int fd, rc;

	snprintf(temp, sizeof(temp), "%s.new", path);
	(void)unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, bytes, size);
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(temp, path) != 0)
		rc = -errno;
	if (rc != 0)
		(void)unlink(temp);
	return rc == 0 ? sync_dir(dir) : rc;
}

int vs_copy_write(const char *dir, const char *digest, const void *bytes, size_t size,
		  struct err *err)
{
	struct vs_bytes there = {0};
	char path[PATH_MAX];
	int rc;

	path_of(dir, digest, path);
	if (vs_copy_read(dir, digest, size, &there, NULL) == 0) {
		vs_bytes_free(&there);
		/* Used again: it is not the oldest any more. */
		(void)utimensat(AT_FDCWD, path, NULL, 0);
		return 0;
	}
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		rc = -errno;
	else
		rc = write_file(dir, path, bytes, size);
	if (rc == 0)
		return 1;
	err_set(err, rc, "cannot-keep", "cannot keep a copy of the object as %.200s: %s", path,
		strerror(-rc));
	err_why(err, "without it a restart could not load the module again");
	err_fix(err, "make room in %s, or make it writable", dir);
	return rc;
}

/* ---- What nobody uses ---- */

void vs_copy_remove(const char *dir, const char *digest)
{
	char path[PATH_MAX];

	path_of(dir, digest, path);
	(void)unlink(path);
}

void vs_copy_touch(const char *dir, const char *digest)
{
	char path[PATH_MAX];

	path_of(dir, digest, path);
	(void)utimensat(AT_FDCWD, path, NULL, 0);
}

struct copy {
	char digest[VS_DIGEST_SIZE];
	size_t size;
	struct timespec used;
};

static bool is_copy(const char *name)
{
	return strspn(name, "0123456789abcdef") == VS_DIGEST_SIZE - 1 &&
	       strcmp(name + VS_DIGEST_SIZE - 1, ENDING) == 0;
}

/* The youngest first. */
static int compare(const void *a, const void *b)
{
	const struct copy *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec > y->used.tv_sec ? -1 : 1;
	if (x->used.tv_nsec != y->used.tv_nsec)
		return x->used.tv_nsec > y->used.tv_nsec ? -1 : 1;
	return strcmp(x->digest, y->digest);
}

static unsigned list(DIR *d, const json_t *used, struct copy *copies)
{
	const struct dirent *entry;
	unsigned n = 0;

	while ((entry = readdir(d)) != NULL && n < MAX_COPIES) {
		struct copy *c = &copies[n];
		struct stat st;

		/* What a crash left half written. */
		if (strstr(entry->d_name, ENDING ".new") != NULL)
			(void)unlinkat(dirfd(d), entry->d_name, 0);
		if (!is_copy(entry->d_name) ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		snprintf(c->digest, sizeof(c->digest), "%.64s", entry->d_name);
		c->size = (size_t)st.st_size;
		c->used = st.st_mtim;
		if (json_object_get(used, c->digest) == NULL)
			n++;
	}
	return n;
}

void vs_copies_tidy(const char *dir, const json_t *used, unsigned n, size_t size)
{
	struct copy *copies = calloc(MAX_COPIES, sizeof(*copies));
	DIR *d = opendir(dir);
	unsigned n_copies = d != NULL && copies != NULL ? list(d, used, copies) : 0;
	size_t kept = 0;

	if (n_copies != 0)
		qsort(copies, n_copies, sizeof(*copies), compare);
	for (unsigned i = 0; i < n_copies; i++) {
		char path[PATH_MAX];

		kept += copies[i].size;
		if (i < n && kept <= size)
			continue;
		path_of(dir, copies[i].digest, path);
		(void)unlink(path);
	}
	if (d != NULL)
		closedir(d);
	free(copies);
}

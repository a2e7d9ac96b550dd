/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A disk that fails when told to; see fault_vfs.h.
 */
#include "tests/unit/ctl/fault_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#define SECTOR 512

/* Something done to a file since its last sync: a sector written, or (data NULL) a truncation to
 * 'offset'. */
struct effect {
	struct effect *next;
	int64_t offset;
	int size;
	uint8_t data[SECTOR];
	bool truncates;
};

/* What of a file would surely survive, and what perhaps. */
struct tracked {
	struct tracked *next;
	char path[256];
	uint8_t *durable;
	size_t durable_size;
	struct effect *first, **last;
	bool deleted;
};

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real;
	struct tracked *tracked;
};

static struct {
	enum fault_mode mode;
	unsigned countdown;
	int rc;
	uint64_t seed;
	bool happened;
	sqlite3_vfs *real;
	sqlite3_vfs vfs;
	struct tracked *files;
} disk;

static uint64_t next_random(void)
{
	disk.seed ^= disk.seed << 13;
	disk.seed ^= disk.seed >> 7;
	disk.seed ^= disk.seed << 17;
	return disk.seed;
}

static void forget_effects(struct tracked *t)
{
	while (t->first != NULL) {
		struct effect *effect = t->first;

		t->first = effect->next;
		free(effect);
	}
	t->last = &t->first;
}

static void add_effect(struct tracked *t, int64_t offset, const uint8_t *data, int size,
		       bool truncates)
{
	struct effect *effect = calloc(1, sizeof(*effect));

	effect->offset = offset;
	effect->size = size;
	effect->truncates = truncates;
	if (data != NULL)
		memcpy(effect->data, data, (size_t)size);
	*t->last = effect;
	t->last = &effect->next;
}

/* Must not open the file: closing it would drop SQLite's locks on it. */
static void make_durable(struct tracked *t, sqlite3_file *real)
{
	sqlite3_int64 size = 0;

	forget_effects(t);
	real->pMethods->xFileSize(real, &size);
	free(t->durable);
	t->durable = malloc((size_t)size + 1);
	t->durable_size = (size_t)size;
	if (size > 0)
		real->pMethods->xRead(real, t->durable, (int)size, 0);
}

static size_t put_bytes(uint8_t **image, size_t size, int64_t offset, const uint8_t *data, int n)
{
	size_t end = (size_t)offset + (size_t)n;

	if (end > size) {
		*image = realloc(*image, end);
		memset(*image + size, 0, end - size);
		size = end;
	}
	memcpy(*image + offset, data, (size_t)n);
	return size;
}

static void lose_some(struct tracked *t)
{
	uint8_t *image = malloc(t->durable_size + 1);
	size_t size = t->durable_size;
	int fd;

	if (t->deleted && (next_random() & 1))
		return;
	memcpy(image, t->durable, size);
	for (const struct effect *e = t->first; e != NULL; e = e->next) {
		if (next_random() & 1)
			continue;
		if (!e->truncates)
			size = put_bytes(&image, size, e->offset, e->data, e->size);
		else if ((size_t)e->offset < size)
			size = (size_t)e->offset;
	}
	fd = open(t->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, image, size) != (ssize_t)size)
		abort();
	close(fd);
}

/* Returns a code to fail with, or SQLITE_OK. */
static int disk_step(void)
{
	if (disk.mode == FAULT_NONE)
		return SQLITE_OK;
	if (disk.countdown > 0 && --disk.countdown > 0)
		return SQLITE_OK;
	if (disk.mode == FAULT_ERROR && disk.happened)
		return SQLITE_OK;
	disk.happened = true;
	if (disk.mode == FAULT_POWER) {
		for (struct tracked *t = disk.files; t != NULL; t = t->next)
			lose_some(t);
	}
	if (disk.mode == FAULT_POWER || disk.mode == FAULT_KILL)
		raise(SIGKILL);
	return disk.rc;
}

static struct tracked *track(const char *path)
{
	struct tracked *t;

	/* A new copy is synced by its maker before it gets its name; before that nobody reads
	 * it. */
	if (path == NULL || strstr(path, ".new") != NULL)
		return NULL;
	for (t = disk.files; t != NULL; t = t->next) {
		if (strcmp(t->path, path) == 0)
			return t;
	}
	t = calloc(1, sizeof(*t));
	snprintf(t->path, sizeof(t->path), "%s", path);
	t->last = &t->first;
	t->durable = malloc(1);
	t->next = disk.files;
	disk.files = t;
	return t;
}

static struct fault_file *fault_file(sqlite3_file *file)
{
	return (struct fault_file *)file;
}

static int file_close(sqlite3_file *file)
{
	sqlite3_file *real = fault_file(file)->real;
	int rc = real->pMethods->xClose(real);

	free(real);
	return rc;
}

static int file_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
	sqlite3_file *real = fault_file(file)->real;

	return real->pMethods->xRead(real, bytes, size, offset);
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
	struct fault_file *f = fault_file(file);
	int rc = disk_step();

	for (int done = 0; rc == SQLITE_OK && f->tracked != NULL && done < size;) {
		int n = SECTOR - (int)((offset + done) % SECTOR);

		n = n < size - done ? n : size - done;
		add_effect(f->tracked, offset + done, (const uint8_t *)bytes + done, n, false);
		done += n;
	}
	return rc != SQLITE_OK ? rc : f->real->pMethods->xWrite(f->real, bytes, size, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct fault_file *f = fault_file(file);
	int rc = disk_step();

	if (rc == SQLITE_OK && f->tracked != NULL)
		add_effect(f->tracked, size, NULL, 0, true);
	return rc != SQLITE_OK ? rc : f->real->pMethods->xTruncate(f->real, size);
}

static int file_sync(sqlite3_file *file, int flags)
{
	struct fault_file *f = fault_file(file);
	int rc = disk_step();

	if (rc == SQLITE_OK && f->tracked != NULL)
		make_durable(f->tracked, f->real);
	return rc != SQLITE_OK ? rc : f->real->pMethods->xSync(f->real, flags);
}

static int file_size_of(sqlite3_file *file, sqlite3_int64 *ret_size)
{
	sqlite3_file *real = fault_file(file)->real;

	return real->pMethods->xFileSize(real, ret_size);
}

static int file_lock(sqlite3_file *file, int lock)
{
	sqlite3_file *real = fault_file(file)->real;

	return real->pMethods->xLock(real, lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
	sqlite3_file *real = fault_file(file)->real;

	return real->pMethods->xUnlock(real, lock);
}

static int file_check_lock(sqlite3_file *file, int *ret_locked)
{
	sqlite3_file *real = fault_file(file)->real;

	return real->pMethods->xCheckReservedLock(real, ret_locked);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
	sqlite3_file *real = fault_file(file)->real;

	return real->pMethods->xFileControl(real, op, arg);
}

static int file_sector_size(sqlite3_file *file)
{
	return SECTOR;
}

/* None of the promises that a modern disk makes. */
static int file_characteristics(sqlite3_file *file)
{
	return 0;
}

static const sqlite3_io_methods file_methods = {
	.iVersion = 1,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size_of,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
		    int *ret_flags)
{
	struct fault_file *f = fault_file(file);
	bool creates = path != NULL && (flags & SQLITE_OPEN_CREATE) != 0 && access(path, F_OK) != 0;
	int rc = creates ? disk_step() : SQLITE_OK;

	f->base.pMethods = NULL;
	if (rc != SQLITE_OK) {
		errno = rc == SQLITE_FULL ? ENOSPC : EIO;
		return SQLITE_CANTOPEN;
	}
	f->real = calloc(1, (size_t)disk.real->szOsFile);
	rc = disk.real->xOpen(disk.real, path, f->real, flags, ret_flags);
	if (rc != SQLITE_OK) {
		free(f->real);
		return rc;
	}
	f->tracked = track(path);
	if (f->tracked != NULL && !f->tracked->deleted && f->tracked->first == NULL)
		make_durable(f->tracked, f->real);
	if (f->tracked != NULL)
		f->tracked->deleted = false;
	f->base.pMethods = &file_methods;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
	struct tracked *t = track(path);
	int rc = disk_step();

	if (rc != SQLITE_OK)
		return SQLITE_IOERR_DELETE;
	rc = disk.real->xDelete(disk.real, path, sync);
	if (rc == SQLITE_OK && t != NULL)
		t->deleted = true;
	return rc;
}

void fault_vfs_install(void)
{
	disk.real = sqlite3_vfs_find(NULL);
	disk.vfs = *disk.real;
	disk.vfs.zName = "fault";
	disk.vfs.szOsFile = sizeof(struct fault_file);
	disk.vfs.xOpen = vfs_open;
	disk.vfs.xDelete = vfs_delete;
	sqlite3_vfs_register(&disk.vfs, 1);
}

void fault_vfs_arm(enum fault_mode mode, unsigned nth, int rc, uint64_t seed)
{
	disk.mode = mode;
	disk.countdown = nth;
	disk.rc = rc;
	disk.seed = seed * 0x9e3779b97f4a7c15u + 1;
	disk.happened = false;
	/* A child that is to lose power starts from what is on the disk now, not from what its
	 * parent saw. */
	if (mode == FAULT_POWER)
		disk.files = NULL;
}

bool fault_vfs_happened(void)
{
	return disk.happened;
}

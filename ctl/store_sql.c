/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The store's way to SQLite: prepare, bind, run, and what its codes mean to the person who asked;
 * see store_priv.h.
 */
#include "ctl/store_priv.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define NEAR_LIMIT 65536u /* bytes: what SQLite may write at once */

static int fail_full(const char *path, const char *doing, struct err *err)
{
	struct statvfs fs;
	struct stat st;

	err_set(err, -ENOSPC, "disk-full", "cannot %s: no space left for %s", doing, path);
	if (statvfs(path, &fs) == 0 && stat(path, &st) == 0)
		err_why(err, "its file system has %llu of %llu bytes free; the file has %lld bytes",
			(unsigned long long)fs.f_bavail * fs.f_frsize,
			(unsigned long long)fs.f_blocks * fs.f_frsize, (long long)st.st_size);
	else
		err_why(err, "its file system, a quota or a size limit leaves no room");
	err_fix(err,
		"nothing has changed; free some space on the file system of '%s' (df -h '%s'), "
		"then repeat",
		path, path);
	return -ENOSPC;
}

static int fail_read_only(const char *path, const char *doing, struct err *err)
{
	err_set(err, -EROFS, "store-read-only", "cannot %s: %s cannot be written", doing, path);
	err_why(err, "the file or its file system is read-only");
	err_fix(err,
		"nothing has changed; make it writable (findmnt -T '%s'; mount -o remount,rw ...), "
		"then restart vswitchd",
		path);
	return -EROFS;
}

int store_fail_errno(const char *path, int code, const char *doing, struct err *err)
{
	switch (code) {
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		return fail_full(path, doing, err);
	case -EROFS:
		return fail_read_only(path, doing, err);
	case -ENOENT:
	case -ENOTDIR:
		err_set(err, -ENOENT, "store-missing", "cannot %s: %s: %s", doing, path,
			strerror(-code));
		err_why(err, "its folder does not exist");
		err_fix(err, "install -d -m 0750 \"$(dirname '%s')\"", path);
		return -ENOENT;
	case -EACCES:
	case -EPERM:
		err_set(err, -EACCES, "store-denied", "cannot %s: %s: %s", doing, path,
			strerror(-code));
		err_why(err, "the daemon's user may not use this file or folder");
		err_fix(err, "ls -ld \"$(dirname '%s')\" '%s'", path, path);
		return -EACCES;
	default:
		err_set(err, code, "store-io", "cannot %s: %s: %s", doing, path, strerror(-code));
		err_why(err, "the disk or file system under it failed");
		err_fix(err, "nothing has changed; look for the disk in 'dmesg'");
		return code;
	}
}

/* SQLite often has no errno to tell (a rollback came in between): look for the usual reasons. */
static int guess_errno(const char *path, int sqlite_rc)
{
	char *copy = strdup(path), *folder;
	struct rlimit limit;
	struct statvfs fs;
	struct stat st;
	int code = 0;

	if (copy == NULL)
		return -ENOMEM;
	folder = dirname(copy);
	if (statvfs(folder, &fs) != 0 || access(folder, W_OK | X_OK) != 0)
		code = -errno;
	else if (fs.f_bavail == 0)
		code = -ENOSPC;
	else if (sqlite_rc == SQLITE_IOERR_WRITE && getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
		 stat(path, &st) == 0 && limit.rlim_cur - (uint64_t)st.st_size < NEAR_LIMIT)
		code = -EFBIG;
	free(copy);
	return code;
}

static int fail_system(const struct store *store, int sqlite_rc, const char *doing, struct err *err)
{
	int told = store->db != NULL ? -sqlite3_system_errno(store->db) : 0;
	int guess = store->good_path != NULL ? guess_errno(store->path, sqlite_rc) : 0;
	/* What it tells after a failed open is of its second try, to open for reading. */
	bool misled =
		store->good_path != NULL && (told == 0 || (sqlite_rc & 0xff) == SQLITE_CANTOPEN);
	int code = misled && guess != 0 ? guess : told;

	/* guess_errno() would have found a missing folder. */
	if (misled && guess == 0 && code == -ENOENT)
		code = -EIO;

	return store_fail_errno(store->path, code != 0 ? code : -EIO, doing, err);
}

int store_fail(const struct store *store, int sqlite_rc, const char *doing, struct err *err)
{
	/* Some findings are our own: then the connection's last message is about something else. */
	bool theirs = store->db != NULL && sqlite3_extended_errcode(store->db) == sqlite_rc;
	const char *message = theirs ? sqlite3_errmsg(store->db) : sqlite3_errstr(sqlite_rc);

	switch (sqlite_rc & 0xff) {
	case SQLITE_FULL:
		return fail_full(store->path, doing, err);
	case SQLITE_READONLY:
		return fail_read_only(store->path, doing, err);
	case SQLITE_IOERR:
		if (sqlite_rc != SQLITE_IOERR_NOMEM)
			return fail_system(store, sqlite_rc, doing, err);
		break;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return fail_system(store, sqlite_rc, doing, err);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		err_set(err, -EBUSY, "store-busy", "cannot %s: %s is locked", doing, store->path);
		err_why(err, "another program (sqlite3, a backup) has it open");
		err_fix(err, "nothing has changed; end that program (fuser -v '%s'), then repeat",
			store->path);
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		err_set(err, -EBADMSG, "store-damaged", "cannot %s: %s is damaged: %s", doing,
			store->path, message);
		err_why(err, "the file is not as vswitchd wrote it");
		err_fix(err, "vswitchctl config show > saved.conf, then restart vswitchd: it takes "
			     "the last good copy");
		return -EBADMSG;
	default:
		break;
	}
	if ((sqlite_rc & 0xff) == SQLITE_NOMEM || sqlite_rc == SQLITE_IOERR_NOMEM)
		return err_set(err, -ENOMEM, "no-memory", "cannot %s: out of memory", doing);
	return err_set(err, -EIO, "store-io", "cannot %s: %s: %s", doing, store->path, message);
}

int store_exec(struct store *store, const char *sql)
{
	return sqlite3_exec(store->db, sql, NULL, NULL, NULL);
}

static int bind_args(sqlite3_stmt *stmt, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 0; types[i] != '\0' && rc == SQLITE_OK; i++) {
		if (types[i] == 'i')
			rc = sqlite3_bind_int64(stmt, i + 1, va_arg(ap, int64_t));
		else
			rc = sqlite3_bind_text(stmt, i + 1, va_arg(ap, const char *), -1,
					       SQLITE_TRANSIENT);
	}
	return rc;
}

static int query(struct store *store, sqlite3_stmt **ret_stmt, const char *sql, const char *types,
		 va_list ap)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = bind_args(stmt, types, ap);
	if (rc != SQLITE_OK) {
		sqlite3_finalize(stmt);
		return rc;
	}
	*ret_stmt = stmt;
	return SQLITE_OK;
}

int store_query(struct store *store, sqlite3_stmt **ret_stmt, const char *sql, const char *types,
		...)
{
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = query(store, ret_stmt, sql, types, ap);
	va_end(ap);
	return rc;
}

int store_run(struct store *store, const char *sql, const char *types, ...)
{
	sqlite3_stmt *stmt;
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = query(store, &stmt, sql, types, ap);
	va_end(ap);
	if (rc != SQLITE_OK)
		return rc;
	do {
		rc = sqlite3_step(stmt);
	} while (rc == SQLITE_ROW);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int store_get_int(struct store *store, const char *sql, int64_t *ret_value)
{
	sqlite3_stmt *stmt;
	int rc = store_query(store, &stmt, sql, "");

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*ret_value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

char *store_dump(const json_t *json)
{
	return json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

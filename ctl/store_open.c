/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opening the store.
 *
 * Journal: a rollback journal in PERSIST mode, not WAL.  Changes come from people and scripts, so
 * one sync more or less does not matter; what matters is that the whole store is one file that 'cp'
 * copies and that opens on a read-only file system (WAL wants a second file and shared memory), and
 * that the commit itself - zeroing the journal's header, then a sync, which synchronous=FULL does
 * in this mode - needs no disk space.  After kill -9 or power loss the journal is still there and
 * the next open puts the old pages back.
 *
 * Owner: PATH.lock is held with flock() while the store is open.  SQLite's own exclusive lock is
 * taken as well, which keeps the sqlite3 tool from changing what the daemon believes.
 */
#include "ctl/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS 2000

static void report_add(struct store_report *report, const char *text)
{
	size_t used = strlen(report->text);

	snprintf(report->text + used, sizeof(report->text) - used, "%s%s", used > 0 ? "; " : "",
		 text);
}

static int lock_refused(const char *path, int fd, struct err *err)
{
	char pid[24] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	err_set(err, -EBUSY, "store-in-use", "cannot open %s: another vswitchd%s%s%s uses it", path,
		pid[0] != '\0' ? " (pid " : "", pid, pid[0] != '\0' ? ")" : "");
	err_why(err, "two daemons on one configuration would undo each other's changes");
	err_fix(err, "stop the other one (systemctl stop vswitchd), or give this one a store of "
		     "its own (vswitchd --store FILE)");
	return -EBUSY;
}

/* Leaves the file behind: whoever unlinks a lock file can end up with two holders. */
static int lock_take(struct store *store, struct err *err)
{
	char *path, pid[24];
	int fd, code = 0;

	if (asprintf(&path, "%s.lock", store->path) < 0)
		return err_set(err, -ENOMEM, "no-memory", "cannot open the store: out of memory");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	/* A file system that nobody can write needs no lock, but takes one when the file is
	 * there. */
	if (fd < 0 && errno == EROFS)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		code = store_fail_errno(path, -errno, "open the store", err);
	else if (fd < 0 && access(store->path, F_OK) != 0)
		code = store_fail_errno(store->path, -errno, "open the store", err);
	else if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
		code = lock_refused(store->path, fd, err);
	free(path);
	if (code != 0) {
		if (fd >= 0)
			close(fd);
		return code;
	}
	store->lock_fd = fd;
	if (fd >= 0 && ftruncate(fd, 0) == 0) {
		/* Only for the other daemon's error; a full disk must not keep this one from
		 * starting. */
		int len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
		ssize_t n = pwrite(fd, pid, (size_t)len, 0);

		(void)n;
	}
	return 0;
}

static int set_pragmas(struct store *store, bool look)
{
	int rc;

	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* No mmap: a failing disk must be a code, not SIGBUS. */
	rc = store_exec(store, "PRAGMA main.locking_mode = EXCLUSIVE; PRAGMA mmap_size = 0;"
			       "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;"
			       "PRAGMA synchronous = FULL;");
	if (rc != SQLITE_OK || store->read_only || look)
		return rc;
	rc = store_exec(
		store,
		"PRAGMA main.journal_mode = PERSIST; PRAGMA main.journal_size_limit = 1048576;");
	/* Takes the lock now, and puts back what a crash left half done. */
	return rc == SQLITE_OK ? store_exec(store, "BEGIN EXCLUSIVE; COMMIT") : rc;
}

static int find_version(struct store *store, int64_t *ret_version, const char **ret_finding)
{
	int64_t id = 0, version = 0, n_tables = 0, note = -1;
	int rc = store_get_int(store, "PRAGMA application_id", &id);

	if (rc == SQLITE_OK)
		rc = store_get_int(store, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK)
		rc = store_get_int(store, "SELECT count(*) FROM sqlite_schema", &n_tables);
	if (rc != SQLITE_OK)
		return rc;
	*ret_version = version;
	if (n_tables == 0 && id == 0 && version == 0) {
		/* SQLite takes what is left of a file that was cut short for a new one. */
		if (!store->creating)
			*ret_finding = "it is empty";
		return SQLITE_OK;
	}
	if (id != STORE_APPLICATION_ID) {
		*ret_finding = "it is not a vswitch store";
		return SQLITE_OK;
	}
	rc = store_get_int(store, "SELECT value + 0 FROM note WHERE key = 'schema'", &note);
	if (rc == SQLITE_OK && note != version)
		*ret_finding = "its header disagrees with its tables";
	return rc;
}

static int refuse_newer(const struct store *store, int64_t version, struct err *err)
{
	err_set(err, -ENOTSUP, "store-newer",
		"cannot open %s: it has schema version %lld, this vswitchd knows up to %d",
		store->path, (long long)version, STORE_SCHEMA);
	err_why(err, "a newer vswitchd has written it");
	err_fix(err,
		"start the newer vswitchd, or go back to the copy made before the upgrade: cp "
		"'%s.schema-%d' '%s'",
		store->path, STORE_SCHEMA, store->path);
	return -ENOTSUP;
}

/* What a SQLite code means while opening: is the file bad, or its surroundings? */
static int open_failed(struct store *store, int rc, char *finding, size_t finding_size,
		       struct err *err)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:
		snprintf(finding, finding_size, "%s", sqlite3_errmsg(store->db));
		return -EBADMSG;
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_SHORT_READ) {
			snprintf(finding, finding_size,
				 "a part of it cannot be read from the disk");
			return -EBADMSG;
		}
		break;
	case SQLITE_READONLY:
		if (rc == SQLITE_READONLY_ROLLBACK) {
			snprintf(finding, finding_size,
				 "a change was cut short and cannot be undone there");
			return -EBADMSG;
		}
		break;
	default:
		break;
	}
	return store_fail(store, rc, "open the store", err);
}

static int check_and_upgrade(struct store *store, struct store_report *report, char *finding,
			     size_t finding_size, struct err *err)
{
	const char *bad = NULL;
	int64_t version = 0;
	int rc = find_version(store, &version, &bad);
	char text[64];

	if (rc != SQLITE_OK)
		return open_failed(store, rc, finding, finding_size, err);
	if (bad != NULL) {
		snprintf(finding, finding_size, "%s", bad);
		return -EBADMSG;
	}
	if (version > STORE_SCHEMA)
		return refuse_newer(store, version, err);
	store->schema = (int)version;
	if (version > 0) {
		rc = store_verify(store, finding, finding_size, err);
		if (rc != 0)
			return rc;
	}
	if (version == STORE_SCHEMA || report == NULL || (store->read_only && version > 0))
		return 0;
	rc = store_schema_upgrade(store, (int)version, err);
	if (rc == 0 && version > 0) {
		report->upgraded = true;
		snprintf(text, sizeof(text), "the store was upgraded from schema %d to %d",
			 (int)version, STORE_SCHEMA);
		report_add(report, text);
	}
	return rc;
}

/* SQLite falls back to reading by itself; a file that it calls read-only but that can be written is
 * damaged (its header says so). */
static int find_read_only(struct store *store, const char *path)
{
	if (sqlite3_db_readonly(store->db, "main") != 1)
		return 0;
	store->read_only = true;
	return access(path, W_OK) == 0 ? -EBADMSG : 0;
}

int store_open_file(struct store *store, const char *path, struct store_report *report,
		    char *finding, size_t finding_size, struct err *err)
{
	int rc = sqlite3_open_v2(path, &store->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				 NULL);

	finding[0] = '\0';
	store->read_only = false;
	if (rc != SQLITE_OK) {
		rc = open_failed(store, rc, finding, finding_size, err);
	} else if (store->good_path != NULL && find_read_only(store, path) != 0) {
		snprintf(finding, finding_size, "its header forbids writing");
		rc = -EBADMSG;
	} else {
		rc = set_pragmas(store, report == NULL);
		rc = rc != SQLITE_OK ? open_failed(store, rc, finding, finding_size, err)
				     : check_and_upgrade(store, report, finding, finding_size, err);
	}
	if (rc == 0)
		rc = store_read_head(store, &store->head, err);
	if (rc != 0)
		store_close_file(store);
	return rc;
}

void store_close_file(struct store *store)
{
	sqlite3_close(store->db);
	store->db = NULL;
}

static int refuse_damaged(const struct store *store, const char *finding, struct err *err)
{
	err_set(err, -EBADMSG, "store-damaged", "cannot open %s: it is damaged: %s", store->path,
		finding);
	err_why(err, "and there is no sound copy %s to take instead; nothing was touched",
		store->good_path);
	err_fix(err,
		"put a backup there, or start empty: mv '%s' '%s.bad'; then 'vswitchctl config "
		"load FILE'",
		store->path, store->path);
	return -EBADMSG;
}

/* SQLite would make it world-readable. */
static int make_file(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return store_fail_errno(path, -errno, "create the store", err);
	close(fd);
	return 0;
}

/* Under another name first: a file that has the store's name was once complete, so an empty one is
 * damaged. */
static int create_file(struct store *store, struct store_report *report, struct err *err)
{
	char *fresh, finding[200] = "";
	int rc;

	if (asprintf(&fresh, "%s.new", store->path) < 0)
		return err_set(err, -ENOMEM, "no-memory", "cannot create the store: out of memory");
	unlink(fresh);
	store_drop_journal(fresh);
	rc = make_file(fresh, err);
	store->creating = true;
	if (rc == 0)
		rc = store_open_file(store, fresh, report, finding, sizeof(finding), err);
	store->creating = false;
	if (rc == -EBADMSG && finding[0] != '\0')
		rc = err_set(err, -EIO, "store-io", "cannot create %s: %s", fresh, finding);
	store_close_file(store);
	store_drop_journal(fresh);
	store_drop_journal(store->path);
	if (rc == 0 && rename(fresh, store->path) != 0)
		rc = store_fail_errno(store->path, -errno, "create the store", err);
	if (rc != 0)
		unlink(fresh);
	free(fresh);
	return rc;
}

/* Missing or empty: the good copy if there is one (the file got lost), else a new store. */
static int open_absent(struct store *store, struct store_report *report, struct err *err)
{
	char finding[200] = "";
	int rc = store_recover(store, "", report, err);

	if (rc != -ENOENT)
		return rc;
	rc = create_file(store, report, err);
	if (rc != 0)
		return rc;
	store_sync_folder(store->path);
	report->created = true;
	rc = store_open_file(store, store->path, report, finding, sizeof(finding), err);
	return rc == -EBADMSG ? refuse_damaged(store, finding, err) : rc;
}

static int open_present(struct store *store, struct store_report *report, struct err *err)
{
	char finding[200] = "";
	int rc = store_open_file(store, store->path, report, finding, sizeof(finding), err);

	if (rc != -EBADMSG)
		return rc;
	rc = store_recover(store, finding, report, err);
	return rc == -ENOENT ? refuse_damaged(store, finding, err) : rc;
}

static int open_kept(struct store *store, struct store_report *report, struct err *err)
{
	struct stat st = {0};
	int rc = lock_take(store, err);

	if (rc != 0)
		return rc;
	if (stat(store->path, &st) != 0 && errno != ENOENT)
		return store_fail_errno(store->path, -errno, "open the store", err);
	if (st.st_size == 0)
		rc = open_absent(store, report, err);
	else
		rc = open_present(store, report, err);
	if (rc != 0)
		return rc;
	report->read_only = store->read_only;
	if (store->read_only)
		report_add(report, "the store cannot be written: every change will be refused");
	store->copy_due = true;
	/* Not having a copy is no reason not to start; the next store_copy() says why. */
	store_copy(store, NULL);
	return 0;
}

int store_open(const char *path, struct store **ret_store, struct store_report *ret_report,
	       struct err *err)
{
	bool kept = strcmp(path, ":memory:") != 0;
	struct store_report report = {0};
	struct store *store = calloc(1, sizeof(*store));
	char finding[200];
	int rc;

	if (store == NULL)
		return err_set(err, -ENOMEM, "no-memory", "cannot open the store: out of memory");
	store->lock_fd = -1;
	store->max_revisions = STORE_HISTORY_REVISIONS;
	store->max_bytes = STORE_HISTORY_BYTES;
	store->path = strdup(path);
	store->creating = !kept;
	if (kept && asprintf(&store->good_path, "%s.good", path) < 0)
		store->good_path = NULL;
	if (store->path == NULL || (kept && store->good_path == NULL))
		rc = err_set(err, -ENOMEM, "no-memory", "cannot open the store: out of memory");
	else if (kept)
		rc = open_kept(store, &report, err);
	else
		rc = store_open_file(store, path, &report, finding, sizeof(finding), err);
	if (rc != 0) {
		store_close(store);
		return rc;
	}
	*ret_store = store;
	if (ret_report != NULL)
		*ret_report = report;
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	store_abort(store);
	if (store->db != NULL)
		store_copy(store, NULL);
	store_close_file(store);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	json_decref(store->old_notes);
	free(store->good_path);
	free(store->path);
	free(store);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The last good copy, PATH.good: a second database that follows the first by rows, not by bytes, so
 * that a damaged page is never copied, a following costs what the change cost, and each row brings
 * its sums along.  It follows soon after a commit (store_copy()), never inside one: no moment
 * exists at which both files are being written.
 *
 * Taking it is one rename: no disk space is needed, and a crash in between leaves the first file
 * missing and the copy there, which the next open takes up again.
 */
#include "ctl/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int store_sync_folder(const char *path)
{
	char *copy = strdup(path);
	int fd, code = 0;

	if (copy == NULL)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		code = -errno;
	close(fd);
	return code;
}

static int sync_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), code = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		code = -errno;
	close(fd);
	return code;
}

void store_drop_journal(const char *path)
{
	char *journal;

	if (asprintf(&journal, "%s-journal", path) < 0)
		return;
	unlink(journal);
	free(journal);
}

/* The whole of it, into a new file that then takes the name. */
static int copy_whole(struct store *store, struct err *err)
{
	char *fresh;
	int rc, code = 0;

	if (asprintf(&fresh, "%s.new", store->good_path) < 0)
		return err_set(err, -ENOMEM, "no-memory", "cannot copy the store: out of memory");
	unlink(fresh);
	store_drop_journal(fresh);
	rc = store_run(store, "VACUUM INTO ?", "s", fresh);
	if (rc != SQLITE_OK) {
		code = store_fail(store, rc, "copy the store", err);
		unlink(fresh);
	} else {
		code = chmod(fresh, 0640) != 0 ? -errno : sync_file(fresh);
		store_drop_journal(store->good_path);
		if (code == 0 && rename(fresh, store->good_path) != 0)
			code = -errno;
		if (code == 0)
			code = store_sync_folder(store->good_path);
		if (code != 0)
			store_fail_errno(store->good_path, code, "copy the store", err);
	}
	free(fresh);
	return code;
}

/* Is the attached copy an earlier moment of this very store?  'ret_from' is its newest revision. */
static bool copy_follows(struct store *store, int64_t *ret_from)
{
	int64_t version = 0, same = 0;

	*ret_from = 0;
	return store_get_int(store, "PRAGMA good.user_version", &version) == SQLITE_OK &&
	       version == STORE_SCHEMA &&
	       store_get_int(store, "SELECT max(id) FROM good.revision", ret_from) == SQLITE_OK &&
	       *ret_from > 0 &&
	       store_get_int(store,
			     "SELECT count(*) FROM main.revision m JOIN good.revision g ON m.id = "
			     "g.id AND m.sum = g.sum"
			     " WHERE g.id = (SELECT max(id) FROM good.revision)",
			     &same) == SQLITE_OK &&
	       same == 1;
}

/* Objects first, while good.revision still tells which are old. */
static int copy_rows(struct store *store, int64_t from)
{
	static const char *const sql[] = {
		"DELETE FROM good.object WHERE (kind, name) IN"
		" (SELECT kind, name FROM main.change WHERE revision > ?1)",
		"INSERT INTO good.object SELECT kind, name, body FROM main.object WHERE (kind, "
		"name) IN"
		" (SELECT kind, name FROM main.change WHERE revision > ?1)",
		"INSERT INTO good.change SELECT * FROM main.change WHERE revision > ?1",
		"INSERT INTO good.revision SELECT * FROM main.revision WHERE id > ?1",
		"DELETE FROM good.change WHERE revision < (SELECT min(id) FROM main.revision) AND "
		"?1 > 0",
		"DELETE FROM good.revision WHERE id < (SELECT min(id) FROM main.revision) AND ?1 > "
		"0",
		"DELETE FROM good.note WHERE ?1 > 0",
		"INSERT INTO good.note SELECT * FROM main.note WHERE ?1 > 0",
	};
	int rc = store_exec(store, "BEGIN");

	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]) && rc == SQLITE_OK; i++)
		rc = store_run(store, sql[i], "i", from);
	if (rc == SQLITE_OK)
		rc = store_exec(store, "COMMIT");
	if (rc != SQLITE_OK && !sqlite3_get_autocommit(store->db))
		store_exec(store, "ROLLBACK");
	return rc;
}

static int copy_new_rows(struct store *store)
{
	int64_t from;
	int rc = store_run(store, "ATTACH ? AS good", "s", store->good_path);

	if (rc != SQLITE_OK)
		return rc;
	rc = store_exec(store,
			"PRAGMA good.synchronous = FULL; PRAGMA good.journal_mode = DELETE;");
	if (rc == SQLITE_OK)
		rc = copy_follows(store, &from) ? copy_rows(store, from) : SQLITE_MISMATCH;
	store_exec(store, "DETACH good");
	return rc;
}

int store_copy(struct store *store, struct err *err)
{
	int rc = SQLITE_MISMATCH, code;

	if (!store_copy_due(store))
		return 0;
	if (access(store->good_path, F_OK) == 0)
		rc = copy_new_rows(store);
	/* A copy that cannot follow, for whatever reason, is made anew; if that fails too, this
	 * says why. */
	code = rc == SQLITE_OK ? 0 : copy_whole(store, err);
	if (code == 0)
		store->copy_due = false;
	return code;
}

bool store_copy_due(const struct store *store)
{
	return store->copy_due && store->good_path != NULL && !store->read_only &&
	       !store->in_change;
}

/* Looks without taking: sound, and something in it? */
static bool copy_is_sound(const struct store *store)
{
	struct store copy = {.path = store->good_path,
			     .good_path = store->good_path,
			     .lock_fd = -1};
	char finding[200];
	bool sound;

	if (access(store->good_path, F_OK) != 0)
		return false;
	sound = store_open_file(&copy, store->good_path, NULL, finding, sizeof(finding), NULL) == 0;
	sound = sound && copy.schema > 0;
	store_close_file(&copy);
	return sound;
}

/* PATH.damaged-20261122T200637Z, and -2, -3 .. when there were several in a second. */
static char *aside_name(const char *path)
{
	time_t now = time(NULL);
	char when[32], *name;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	for (int i = 1; i < 1000; i++) {
		if (asprintf(&name, i == 1 ? "%s.damaged-%s" : "%s.damaged-%s-%d", path, when, i) <
		    0)
			return NULL;
		if (access(name, F_OK) != 0)
			return name;
		free(name);
	}
	return NULL;
}

/* The journal first: a crash between the two leaves a damaged file without its journal, which is
 * still damaged. */
static int move_aside(const char *path, const char *aside)
{
	char *from = NULL, *to = NULL;
	int code = 0;

	if (asprintf(&from, "%s-journal", path) < 0 || asprintf(&to, "%s-journal", aside) < 0)
		code = -ENOMEM;
	else if (rename(from, to) != 0 && errno != ENOENT)
		code = -errno;
	else if (rename(path, aside) != 0 && errno != ENOENT)
		code = -errno;
	free(from);
	free(to);
	return code;
}

static void tell(const struct store *store, const char *finding, const char *aside,
		 struct store_report *report)
{
	char text[sizeof(report->text)];

	if (finding[0] == '\0')
		snprintf(text, sizeof(text),
			 "%s was missing or empty: its last good copy, revision %" PRIu64
			 ", is used (to start empty, remove %s as well)",
			 store->path, store->head.revision, store->good_path);
	else
		snprintf(text, sizeof(text),
			 "%s was damaged (%s): its last good copy, revision %" PRIu64
			 ", is used; the damaged file is %s",
			 store->path, finding, store->head.revision, aside);
	report->recovered = true;
	/* What an upgrade of the copy had to say comes after. */
	if (report->text[0] != '\0') {
		char *both;

		if (asprintf(&both, "%s; %s", text, report->text) >= 0) {
			snprintf(report->text, sizeof(report->text), "%s", both);
			free(both);
		}
		return;
	}
	snprintf(report->text, sizeof(report->text), "%s", text);
}

/* Nothing can be renamed on a read-only file system: the copy is read where it is. */
static int open_copy_in_place(struct store *store, const char *finding, struct store_report *report,
			      struct err *err)
{
	char again[200];
	int rc = store_open_file(store, store->good_path, report, again, sizeof(again), err);

	if (rc == 0)
		tell(store, finding, store->path, report);
	return rc == -EBADMSG ? -ENOENT : rc;
}

int store_recover(struct store *store, const char *finding, struct store_report *report,
		  struct err *err)
{
	char *aside, again[200];
	int code;

	if (!copy_is_sound(store))
		return -ENOENT;
	aside = aside_name(store->path);
	if (aside == NULL)
		return err_set(err, -ENOMEM, "no-memory", "cannot name the damaged store");
	code = move_aside(store->path, aside);
	if (code == 0 && rename(store->good_path, store->path) != 0)
		code = -errno;
	if (code == -EROFS) {
		free(aside);
		return open_copy_in_place(store, finding, report, err);
	}
	if (code == 0)
		code = store_sync_folder(store->path);
	if (code != 0) {
		free(aside);
		return store_fail_errno(store->path, code, "take the last good copy", err);
	}
	code = store_open_file(store, store->path, report, again, sizeof(again), err);
	if (code == -EBADMSG)
		code = err_set(err, -EIO, "store-io", "cannot open the last good copy of %s: %s",
			       store->path, again);
	if (code == 0)
		tell(store, finding, aside, report);
	free(aside);
	return code;
}

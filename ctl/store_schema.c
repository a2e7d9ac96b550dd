/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The store's tables and how they came to be.  Creating a store is upgrading from version 0, so
 * every step runs in every installation.  A new version appends a step and never edits one: files
 * made by the old steps are out there.  Before an existing file is upgraded it is copied to
 * PATH.schema-N, for whoever must go back to the older version.
 */
#include "ctl/store_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The version is stated twice, in the header and in a note: when they differ the file is damaged,
 * not old or new. */
static const char step_1[] =
	"CREATE TABLE object(kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,"
	" PRIMARY KEY(kind, name)) WITHOUT ROWID;"
	"CREATE TABLE revision(id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,"
	" who TEXT NOT NULL, command TEXT NOT NULL);"
	"CREATE TABLE change(revision INTEGER NOT NULL, kind TEXT NOT NULL,"
	" name TEXT NOT NULL, before TEXT, after TEXT,"
	" PRIMARY KEY(revision, kind, name)) WITHOUT ROWID;"
	"CREATE TABLE note(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

/* Sums against damage, sizes to bound the history by bytes. */
static const char step_2[] = "ALTER TABLE revision ADD COLUMN state_sum INTEGER NOT NULL DEFAULT 0;"
			     "ALTER TABLE revision ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;"
			     "ALTER TABLE revision ADD COLUMN size INTEGER NOT NULL DEFAULT 0;"
			     "ALTER TABLE note ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;";

static int sum_objects(struct store *store, uint64_t *ret_sum)
{
	sqlite3_stmt *stmt;
	uint64_t sum = 0;
	int rc = store_query(store, &stmt, "SELECT kind, name, body FROM object", "");

	if (rc != SQLITE_OK)
		return rc;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		sum ^= store_sum_object(store_text(stmt, 0), store_text(stmt, 1),
					store_text(stmt, 2));
	sqlite3_finalize(stmt);
	*ret_sum = sum;
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Takes the changes of revision 'id' back out of '*state_sum', and sums and sizes them. */
static int sum_changes(struct store *store, int64_t id, uint64_t *state_sum, uint64_t *sum,
		       int64_t *size)
{
	sqlite3_stmt *stmt;
	int rc = store_query(store, &stmt,
			     "SELECT kind, name, before, after FROM change WHERE revision = ?", "i",
			     id);

	if (rc != SQLITE_OK)
		return rc;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *kind = store_text(stmt, 0), *name = store_text(stmt, 1);
		const char *before = store_text(stmt, 2), *after = store_text(stmt, 3);

		*sum ^= store_sum_change((uint64_t)id, kind, name, before, after);
		if (before != NULL)
			*state_sum ^= store_sum_object(kind, name, before);
		if (after != NULL)
			*state_sum ^= store_sum_object(kind, name, after);
		*size += sqlite3_column_bytes(stmt, 2) + sqlite3_column_bytes(stmt, 3);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Walks from the newest revision, whose state is the objects, to the oldest. */
static int fill_revision_sums(struct store *store)
{
	sqlite3_stmt *stmt;
	uint64_t state_sum = 0;
	int rc = sum_objects(store, &state_sum);

	if (rc == SQLITE_OK)
		rc = store_query(store, &stmt,
				 "SELECT id, time_ms, who, command FROM revision ORDER BY id DESC",
				 "");
	if (rc != SQLITE_OK)
		return rc;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0), size = 0;
		uint64_t after_sum = state_sum;
		uint64_t sum =
			store_sum_revision((uint64_t)id, sqlite3_column_int64(stmt, 1),
					   store_text(stmt, 2), store_text(stmt, 3), after_sum);

		rc = sum_changes(store, id, &state_sum, &sum, &size);
		if (rc == SQLITE_OK)
			rc = store_run(
				store,
				"UPDATE revision SET state_sum = ?, sum = ?, size = ? WHERE id = ?",
				"iiii", (int64_t)after_sum, (int64_t)sum, size, id);
		if (rc != SQLITE_OK)
			break;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int fill_note_sums(struct store *store)
{
	sqlite3_stmt *stmt;
	int rc = store_query(store, &stmt, "SELECT key, value FROM note", "");

	if (rc != SQLITE_OK)
		return rc;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *key = store_text(stmt, 0);

		rc = store_run(store, "UPDATE note SET sum = ? WHERE key = ?", "is",
			       (int64_t)store_sum_note(key, store_text(stmt, 1)), key);
		if (rc != SQLITE_OK)
			break;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int fill_sums(struct store *store)
{
	int rc = fill_revision_sums(store);

	return rc == SQLITE_OK ? fill_note_sums(store) : rc;
}

static const struct step {
	const char *sql;
	int (*fill)(struct store *store);
} steps[STORE_SCHEMA] = {{step_1, NULL}, {step_2, fill_sums}};

/* Written before the fill of the step that follows, so that it gets its sum like any note. */
static int state_version(struct store *store, int version)
{
	char text[16], sql[64];
	int rc;

	snprintf(text, sizeof(text), "%d", version);
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", version);
	if (version < 2)
		rc = store_run(store, "REPLACE INTO note(key, value) VALUES('schema', ?)", "s",
			       text);
	else
		rc = store_run(store, "REPLACE INTO note(key, value, sum) VALUES('schema', ?, ?)",
			       "si", text, (int64_t)store_sum_note("schema", text));
	return rc == SQLITE_OK ? store_exec(store, sql) : rc;
}

static int run_steps(struct store *store, int from)
{
	char sql[64];
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", STORE_APPLICATION_ID);
	rc = store_exec(store, sql);
	for (int i = from; i < STORE_SCHEMA && rc == SQLITE_OK; i++) {
		rc = store_exec(store, steps[i].sql);
		if (rc == SQLITE_OK && steps[i].fill != NULL)
			rc = steps[i].fill(store);
		if (rc == SQLITE_OK)
			rc = state_version(store, i + 1);
	}
	return rc;
}

static int keep_old(struct store *store, int from)
{
	char *copy;
	int rc;

	if (asprintf(&copy, "%s.schema-%d", store->path, from) < 0)
		return SQLITE_NOMEM;
	unlink(copy);
	rc = store_run(store, "VACUUM INTO ?", "s", copy);
	free(copy);
	return rc;
}

int store_schema_upgrade(struct store *store, int from, struct err *err)
{
	int rc = SQLITE_OK;

	if (from > 0 && store->good_path != NULL)
		rc = keep_old(store, from);
	if (rc == SQLITE_OK)
		rc = store_exec(store, "BEGIN IMMEDIATE");
	if (rc == SQLITE_OK)
		rc = run_steps(store, from);
	if (rc == SQLITE_OK)
		rc = store_exec(store, "COMMIT");
	if (rc == SQLITE_OK) {
		store->schema = STORE_SCHEMA;
		return 0;
	}
	rc = store_fail(store, rc, from == 0 ? "create the store" : "upgrade the store", err);
	if (!sqlite3_get_autocommit(store->db))
		store_exec(store, "ROLLBACK");
	return rc;
}

int store_read_head(struct store *store, struct store_head *ret_head, struct err *err)
{
	struct store_head head = {0};
	sqlite3_stmt *stmt;
	/* A file of version 1 is only ever read. */
	const char *sql = store->schema < 2 ? "SELECT max(id), 0, count(*), 0 FROM revision"
					    : "SELECT max(id), (SELECT state_sum FROM revision "
					      "ORDER BY id DESC LIMIT 1),"
					      " count(*), sum(size) FROM revision";
	int rc = store_query(store, &stmt, sql, "");

	if (rc != SQLITE_OK)
		return store_fail(store, rc, "read the store", err);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		head.revision = (uint64_t)sqlite3_column_int64(stmt, 0);
		head.state_sum = (uint64_t)sqlite3_column_int64(stmt, 1);
		head.n_revisions = (uint64_t)sqlite3_column_int64(stmt, 2);
		head.n_bytes = (uint64_t)sqlite3_column_int64(stmt, 3);
	}
	sqlite3_finalize(stmt);
	if (rc != SQLITE_ROW)
		return store_fail(store, rc, "read the store", err);
	*ret_head = head;
	return 0;
}

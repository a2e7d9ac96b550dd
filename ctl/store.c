/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loading and changing the state that is kept; see store.h.  A change, as SQLite sees it:
 *
 * 	store_begin    BEGIN IMMEDIATE
 * 	store_replace  object rows, the revision and its change rows, old history out; then a flush
 * 	               (what they replace is in the journal by now, so a crash here undoes them)
 * 	  the caller applies the change to the running switch
 * 	store_commit   sync, journal header zeroed, sync: this is the moment
 */
#include "ctl/store_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"
#include "ctl/base/log.h"
#include "ctl/state.h"

#define LOG_MODULE "store"

static int load_row(const struct store *store, sqlite3_stmt *stmt, json_t *state, struct err *err)
{
	const char *kind = store_text(stmt, 0), *name = store_text(stmt, 1),
		   *body = store_text(stmt, 2);
	json_error_t bad;
	json_t *json;

	if (kind == NULL || name == NULL || body == NULL)
		return err_set(err, -ENOMEM, "no-memory",
			       "cannot load the configuration: out of memory");
	json = json_loads(body, 0, &bad);
	if (json == NULL || state_put(state, kind, name, json) != 0) {
		err_set(err, -EBADMSG, "store-damaged", "cannot load %s '%s' from %s: %s", kind,
			name, store->path, json == NULL ? bad.text : "not an object");
		err_why(err, "the file is not as vswitchd wrote it");
		err_fix(err, "put a backup of %s there, or start empty: mv '%s' '%s.bad'",
			store->path, store->path, store->path);
		return -EBADMSG;
	}
	return 0;
}

int store_load(struct store *store, json_t **ret_state, struct err *err)
{
	sqlite3_stmt *stmt;
	json_t *state;
	int code = store_settle(store, err), rc;

	if (code != 0)
		return code;
	state = json_object();
	rc = store_query(store, &stmt, "SELECT kind, name, body FROM object", "");
	if (rc == SQLITE_OK) {
		while (code == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
			code = load_row(store, stmt, state, err);
		sqlite3_finalize(stmt);
	}
	if (code == 0 && rc != SQLITE_DONE)
		code = store_fail(store, rc, "load the configuration", err);
	if (code != 0) {
		json_decref(state);
		return code;
	}
	*ret_state = state;
	return 0;
}

int store_begin(struct store *store, struct err *err)
{
	int rc;

	if (store->in_change)
		return err_set(err, -EBUSY, "store-busy", "cannot begin a change: one is open");
	if (store->read_only)
		return store_fail(store, SQLITE_READONLY, "begin a change", err);
	rc = store_settle(store, err);
	if (rc != 0)
		return rc;
	rc = store_exec(store, "BEGIN IMMEDIATE");
	if (rc != SQLITE_OK)
		return store_fail(store, rc, "begin a change", err);
	store->in_change = true;
	store->replaced = false;
	store->next = store->head;
	json_decref(store->old_notes);
	store->old_notes = json_object();
	return 0;
}

/* One store_replace() in progress. */
struct writer {
	struct store *store;
	sqlite3_stmt *put, *drop, *change;
	uint64_t sum; /* of the changes so far */
	uint64_t size;
	int rc;
};

static int writer_step(struct writer *writer, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_object(struct writer *writer, const char *kind, const char *name,
			const char *before, const char *after)
{
	sqlite3_stmt *stmt = after != NULL ? writer->put : writer->drop;

	sqlite3_bind_text(stmt, 1, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
	if (after != NULL)
		sqlite3_bind_text(stmt, 3, after, -1, SQLITE_STATIC);
	if (before != NULL)
		writer->store->next.state_sum ^= store_sum_object(kind, name, before);
	if (after != NULL)
		writer->store->next.state_sum ^= store_sum_object(kind, name, after);
	return writer_step(writer, stmt);
}

static int write_change(struct writer *writer, const char *kind, const char *name,
			const char *before, const char *after)
{
	uint64_t revision = writer->store->next.revision;

	sqlite3_bind_int64(writer->change, 1, (int64_t)revision);
	sqlite3_bind_text(writer->change, 2, kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(writer->change, 3, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(writer->change, 4, before, -1, SQLITE_STATIC);
	sqlite3_bind_text(writer->change, 5, after, -1, SQLITE_STATIC);
	writer->sum ^= store_sum_change(revision, kind, name, before, after);
	writer->size += (before != NULL ? strlen(before) : 0) + (after != NULL ? strlen(after) : 0);
	return writer_step(writer, writer->change);
}

static int write_one(void *arg, const char *kind, const char *name, const json_t *before,
		     const json_t *after)
{
	struct writer *writer = arg;
	char *old = before != NULL ? store_dump(before) : NULL;
	char *new = after != NULL ? store_dump(after) : NULL;

	if ((before != NULL && old == NULL) || (after != NULL && new == NULL))
		writer->rc = SQLITE_NOMEM;
	if (writer->rc == SQLITE_OK)
		writer->rc = write_object(writer, kind, name, old, new);
	if (writer->rc == SQLITE_OK)
		writer->rc = write_change(writer, kind, name, old, new);
	free(old);
	free(new);
	return writer->rc;
}

static int write_changes(struct writer *writer, const json_t *before, const json_t *after)
{
	struct store *store = writer->store;
	int rc = store_query(store, &writer->put,
			     "REPLACE INTO object(kind, name, body) VALUES(?, ?, ?)", "");

	if (rc == SQLITE_OK)
		rc = store_query(store, &writer->drop,
				 "DELETE FROM object WHERE kind = ? AND name = ?", "");
	if (rc == SQLITE_OK)
		rc = store_query(store, &writer->change,
				 "INSERT INTO change(revision, kind, name, before, after) "
				 "VALUES(?, ?, ?, ?, ?)",
				 "");
	if (rc == SQLITE_OK)
		rc = state_each_change(before, after, write_one, writer);
	sqlite3_finalize(writer->put);
	sqlite3_finalize(writer->drop);
	sqlite3_finalize(writer->change);
	return rc;
}

static int write_revision(struct writer *writer, const char *who, const char *command)
{
	struct store_head *next = &writer->store->next;
	int64_t time_ms = (int64_t)(clock_wall_ns() / 1000000u);
	uint64_t sum = writer->sum ^
		       store_sum_revision(next->revision, time_ms, who, command, next->state_sum);

	next->n_revisions++;
	next->n_bytes += writer->size;
	return store_run(writer->store,
			 "INSERT INTO revision(id, time_ms, who, command, state_sum, size, sum)"
			 " VALUES(?, ?, ?, ?, ?, ?, ?)",
			 "iissiii", (int64_t)next->revision, time_ms, who, command,
			 (int64_t)next->state_sum, (int64_t)writer->size, (int64_t)sum);
}

/* Forgets the oldest revisions beyond the limits.  Earlier states are found by undoing changes from
 * the newest state backwards, so the oldest can go without touching the rest. */
static int prune(struct store *store)
{
	struct store_head *next = &store->next;
	uint64_t keep_from = next->revision - next->n_revisions + 1;
	sqlite3_stmt *stmt;
	int rc;

	if (next->n_revisions <= store->max_revisions && next->n_bytes <= store->max_bytes)
		return SQLITE_OK;
	rc = store_query(store, &stmt, "SELECT size FROM revision ORDER BY id", "");
	if (rc != SQLITE_OK)
		return rc;
	while (next->n_revisions > 1 &&
	       (next->n_revisions > store->max_revisions || next->n_bytes > store->max_bytes) &&
	       (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		next->n_revisions--;
		next->n_bytes -= (uint64_t)sqlite3_column_int64(stmt, 0);
		keep_from++;
	}
	sqlite3_finalize(stmt);
	if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		return rc;
	rc = store_run(store, "DELETE FROM change WHERE revision < ?", "i", (int64_t)keep_from);
	return rc == SQLITE_OK ? store_run(store, "DELETE FROM revision WHERE id < ?", "i",
					   (int64_t)keep_from)
			       : rc;
}

int store_replace(struct store *store, const json_t *before, const json_t *after, const char *who,
		  const char *command, struct err *err)
{
	struct writer writer = {.store = store};
	int rc;

	if (!store->in_change || store->replaced)
		return err_set(err, -EINVAL, "store-busy", "cannot write a change: none is open");
	store->replaced = true;
	store->next.revision++;
	rc = write_changes(&writer, before, after);
	if (rc == SQLITE_OK)
		rc = write_revision(&writer, who, command);
	if (rc == SQLITE_OK)
		rc = prune(store);
	/* A full disk shows here, before the caller touches the switch. */
	if (rc == SQLITE_OK)
		rc = sqlite3_db_cacheflush(store->db);
	return rc == SQLITE_OK ? 0 : store_fail(store, rc, "write the change", err);
}

void store_abort(struct store *store)
{
	if (!store->in_change)
		return;
	store->in_change = false;
	if (!sqlite3_get_autocommit(store->db))
		store_exec(store, "ROLLBACK");
}

static int put_note(struct store *store, const char *key, const json_t *value)
{
	char *text;
	int rc;

	if (value == NULL)
		return store_run(store, "DELETE FROM note WHERE key = ?", "s", key);
	text = store_dump(value);
	if (text == NULL)
		return SQLITE_NOMEM;
	rc = store_run(store, "REPLACE INTO note(key, value, sum) VALUES(?, ?, ?)", "ssi", key,
		       text, (int64_t)store_sum_note(key, text));
	free(text);
	return rc;
}

/* Takes revision 'id' out again, which must be the newest. */
static int take_out(struct store *store, int64_t id)
{
	static const char *const sql[] = {
		"REPLACE INTO object(kind, name, body)"
		" SELECT kind, name, before FROM change WHERE revision = ? AND before IS NOT NULL",
		"DELETE FROM object WHERE (kind, name) IN"
		" (SELECT kind, name FROM change WHERE revision = ? AND before IS NULL)",
		"DELETE FROM change WHERE revision = ?",
		"DELETE FROM revision WHERE id = ?",
	};
	const char *key;
	json_t *value;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]) && rc == SQLITE_OK; i++)
		rc = store_run(store, sql[i], "i", id);
	json_object_foreach(store->old_notes, key, value) {
		if (rc == SQLITE_OK)
			rc = put_note(store, key, json_is_null(value) ? NULL : value);
	}
	return rc;
}

int store_settle(struct store *store, struct err *err)
{
	int64_t newest = 0;
	int rc;

	if (!store->doubtful)
		return 0;
	rc = store_exec(store, "BEGIN IMMEDIATE");
	if (rc == SQLITE_OK)
		rc = store_get_int(store, "SELECT max(id) FROM revision", &newest);
	if (rc == SQLITE_OK && (uint64_t)newest == store->next.revision)
		rc = take_out(store, newest);
	if (rc == SQLITE_OK)
		rc = store_exec(store, "COMMIT");
	if (rc != SQLITE_OK) {
		rc = store_fail(store, rc, "find out whether the last change was kept", err);
		if (!sqlite3_get_autocommit(store->db))
			store_exec(store, "ROLLBACK");
		return rc;
	}
	store->doubtful = false;
	store->copy_due = true;
	return store_read_head(store, &store->head, err);
}

/* An error from COMMIT can come after the moment (a failing sync of a journal that is zeroed
 * already): then the change is there, and the caller must not undo it. */
static bool is_committed(struct store *store)
{
	int64_t revision = 0;
	int rc = store_get_int(store, "SELECT max(id) FROM revision", &revision);

	store->doubtful = rc != SQLITE_OK;
	return rc == SQLITE_OK && (uint64_t)revision == store->next.revision;
}

int store_commit(struct store *store, uint64_t *ret_revision, struct err *err)
{
	int rc, code;

	if (!store->in_change)
		return err_set(err, -EINVAL, "store-busy", "cannot commit a change: none is open");
	rc = store_exec(store, "COMMIT");
	if (rc != SQLITE_OK) {
		code = store_fail(store, rc, "commit the change", err);
		store_abort(store);
		if (!store->replaced || !is_committed(store)) {
			if (store->doubtful)
				err_why(err, "the disk failed; whether it kept the change shows "
					     "when it works again");
			return code;
		}
		log_error("%s: committed, but the disk failed to confirm it: %s", store->path,
			  sqlite3_errstr(rc));
		if (err != NULL)
			*err = (struct err){0};
	}
	store->in_change = false;
	store->head = store->next;
	store->copy_due = true;
	if (ret_revision != NULL)
		*ret_revision = store->head.revision;
	return 0;
}

uint64_t store_revision(const struct store *store)
{
	return store->head.revision;
}

void store_set_history_limit(struct store *store, uint64_t n_revisions, uint64_t n_bytes)
{
	store->max_revisions = n_revisions > 0 ? n_revisions : 1;
	store->max_bytes = n_bytes;
}

int store_note_set(struct store *store, const char *key, const json_t *value, struct err *err)
{
	int rc = store_settle(store, err);

	if (rc != 0)
		return rc;
	if (store->in_change && json_object_get(store->old_notes, key) == NULL) {
		json_t *old = store_note_get(store, key);

		json_object_set_new(store->old_notes, key, old != NULL ? old : json_null());
	}
	rc = store->read_only ? SQLITE_READONLY : put_note(store, key, value);
	if (rc != SQLITE_OK)
		return store_fail(store, rc, "keep a note", err);
	store->copy_due = true;
	return 0;
}

json_t *store_note_get(struct store *store, const char *key)
{
	sqlite3_stmt *stmt;
	json_t *value = NULL;

	if (store_query(store, &stmt, "SELECT value FROM note WHERE key = ?", "s", key) !=
	    SQLITE_OK)
		return NULL;
	if (sqlite3_step(stmt) == SQLITE_ROW && store_text(stmt, 0) != NULL)
		value = json_loads(store_text(stmt, 0), JSON_DECODE_ANY, NULL);
	sqlite3_finalize(stmt);
	return value;
}

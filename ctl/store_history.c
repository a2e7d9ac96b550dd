/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking back: what changed, and the state as it was.  An earlier state is the newest with its
 * changes undone, newest first; the sum that the revision carries proves the result.
 */
#include "ctl/store_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/state.h"

static json_t *body_or_null(sqlite3_stmt *stmt, int column)
{
	const char *text = store_text(stmt, column);
	json_t *body = text != NULL ? json_loads(text, 0, NULL) : NULL;

	return body != NULL ? body : json_null();
}

static void add_change(json_t *row, sqlite3_stmt *stmt)
{
	if (sqlite3_column_type(stmt, 4) == SQLITE_NULL)
		return;
	json_array_append_new(json_object_get(row, "changes"),
			      json_pack("{s:s, s:s, s:o, s:o}", "kind", store_text(stmt, 4) ?: "",
					"name", store_text(stmt, 5) ?: "", "before",
					body_or_null(stmt, 6), "after", body_or_null(stmt, 7)));
}

int store_history(struct store *store, unsigned limit, json_t **ret_history, struct err *err)
{
	uint64_t newest = store->head.revision;
	uint64_t from = limit == 0 || limit >= newest ? 0 : newest - limit;
	json_t *history, *row = NULL;
	int64_t row_id = 0;
	sqlite3_stmt *stmt;
	int rc = store_settle(store, err);

	if (rc != 0)
		return rc;
	history = json_array();
	rc = store_query(
		store, &stmt,
		"SELECT r.id, r.time_ms, r.who, r.command, c.kind, c.name, c.before, c.after"
		" FROM revision r LEFT JOIN change c ON c.revision = r.id WHERE r.id > ?"
		" ORDER BY r.id DESC, c.kind, c.name",
		"i", (int64_t)from);

	if (rc == SQLITE_OK) {
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			int64_t id = sqlite3_column_int64(stmt, 0);

			if (row == NULL || id != row_id) {
				row = json_pack("{s:I, s:I, s:s, s:s, s:[]}", "revision",
						(json_int_t)id, "time",
						(json_int_t)sqlite3_column_int64(stmt, 1) * 1000000,
						"who", store_text(stmt, 2) ?: "", "command",
						store_text(stmt, 3) ?: "", "changes");
				json_array_append_new(history, row);
				row_id = id;
			}
			add_change(row, stmt);
		}
		sqlite3_finalize(stmt);
	}
	if (rc != SQLITE_DONE) {
		json_decref(history);
		return store_fail(store, rc, "read the history", err);
	}
	*ret_history = history;
	return 0;
}

static int refuse_unknown(const struct store *store, uint64_t revision, struct err *err)
{
	const struct store_head *head = &store->head;

	err_set(err, -ENOENT, "no-revision", "revision %" PRIu64 " is not known", revision);
	if (head->revision == 0)
		err_why(err, "the history is empty");
	else
		err_why(err, "the history knows %" PRIu64 " to %" PRIu64,
			head->revision - head->n_revisions, head->revision);
	err_fix(err, "vswitchctl config history");
	return -ENOENT;
}

static int undo_row(json_t *state, sqlite3_stmt *stmt)
{
	const char *kind = store_text(stmt, 0), *name = store_text(stmt, 1),
		   *before = store_text(stmt, 2);
	json_t *body;

	if (kind == NULL || name == NULL)
		return SQLITE_NOMEM;
	if (before == NULL)
		return state_drop(state, kind, name) == 0 ? SQLITE_OK : SQLITE_CORRUPT;
	body = json_loads(before, 0, NULL);
	if (body == NULL)
		return SQLITE_CORRUPT;
	return state_put(state, kind, name, body) == 0 ? SQLITE_OK : SQLITE_CORRUPT;
}

static int undo_after(struct store *store, uint64_t revision, json_t *state)
{
	sqlite3_stmt *stmt;
	int undone = SQLITE_OK, rc;

	rc = store_query(
		store, &stmt,
		"SELECT kind, name, before FROM change WHERE revision > ? ORDER BY revision DESC",
		"i", (int64_t)revision);
	if (rc != SQLITE_OK)
		return rc;
	while (undone == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		undone = undo_row(state, stmt);
	sqlite3_finalize(stmt);
	if (undone != SQLITE_OK)
		return undone;
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int sum_one(void *arg, const char *kind, const char *name, const json_t *before,
		   const json_t *after)
{
	uint64_t *sum = arg;
	char *body = store_dump(after);

	*sum ^= store_sum_object(kind, name, body);
	free(body);
	return 0;
}

/* The revision before the oldest one that is kept has no row to prove against. */
static int prove(struct store *store, uint64_t revision, const json_t *state)
{
	uint64_t sum = 0, stated = 0;
	sqlite3_stmt *stmt;
	int rc;

	if (store->schema < 2)
		return SQLITE_OK;
	rc = store_query(store, &stmt, "SELECT state_sum FROM revision WHERE id = ?", "i",
			 (int64_t)revision);
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		stated = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	if (rc == SQLITE_DONE)
		return SQLITE_OK;
	if (rc != SQLITE_ROW)
		return rc;
	state_each_change(NULL, state, sum_one, &sum);
	return sum == stated ? SQLITE_OK : SQLITE_CORRUPT;
}

int store_state_at(struct store *store, uint64_t revision, json_t **ret_state, struct err *err)
{
	const struct store_head *head = &store->head;
	json_t *state = NULL;
	int rc, code;

	if (revision > head->revision || revision < head->revision - head->n_revisions)
		return refuse_unknown(store, revision, err);
	code = store_load(store, &state, err);
	if (code != 0)
		return code;
	rc = undo_after(store, revision, state);
	if (rc == SQLITE_OK)
		rc = prove(store, revision, state);
	if (rc != SQLITE_OK) {
		json_decref(state);
		return store_fail(store, rc, "read an earlier revision", err);
	}
	*ret_state = state;
	return 0;
}

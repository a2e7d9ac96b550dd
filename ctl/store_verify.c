/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Is the store whole?  SQLite's own check, then the sums of every row; see store_priv.h.
 */
#include "ctl/store_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a, 64 bits: each byte's step is a bijection, so that any one changed byte changes the sum.
 * It guards against accidents, not against people: who can write the file can write the sums. */
#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t sum_bytes(uint64_t sum, const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ p[i]) * FNV_PRIME;
	return sum;
}

/* With its final zero, so that "a","bc" and "ab","c" differ; absent text differs from empty
 * text. */
static uint64_t sum_text(uint64_t sum, const char *text)
{
	if (text == NULL)
		return sum_bytes(sum, "\xff", 1);
	return sum_bytes(sum, text, strlen(text) + 1);
}

static uint64_t sum_u64(uint64_t sum, uint64_t value)
{
	return sum_bytes(sum, &value, sizeof(value));
}

uint64_t store_sum_object(const char *kind, const char *name, const char *body)
{
	return sum_text(sum_text(sum_text(FNV_START, kind), name), body);
}

uint64_t store_sum_change(uint64_t revision, const char *kind, const char *name, const char *before,
			  const char *after)
{
	uint64_t sum = sum_text(sum_text(sum_u64(FNV_START, revision), kind), name);

	return sum_text(sum_text(sum, before), after);
}

uint64_t store_sum_revision(uint64_t revision, int64_t time_ms, const char *who,
			    const char *command, uint64_t state_sum)
{
	uint64_t sum = sum_u64(sum_u64(FNV_START, revision), (uint64_t)time_ms);

	return sum_u64(sum_text(sum_text(sum, who), command), state_sum);
}

uint64_t store_sum_note(const char *key, const char *value)
{
	return sum_text(sum_text(FNV_START, key), value);
}

struct check {
	struct store *store;
	char *finding;
	size_t finding_size;
	struct err *err;
};

static int damaged(const struct check *check, const char *finding)
{
	snprintf(check->finding, check->finding_size, "%s", finding);
	return -EBADMSG;
}

/* A statement that fails on a file that SQLite could open: what does it say of the file? */
static int failed(const struct check *check, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or column that is not there */
		return damaged(check, sqlite3_errmsg(check->store->db));
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_SHORT_READ)
			return damaged(check, "a part of it cannot be read from the disk");
		break;
	default:
		break;
	}
	return store_fail(check->store, rc, "check the store", check->err);
}

static int verify_tree(const struct check *check)
{
	sqlite3_stmt *stmt;
	char text[160] = "";
	int rc = store_query(check->store, &stmt, "PRAGMA quick_check(1)", "");

	if (rc != SQLITE_OK)
		return failed(check, rc);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		snprintf(text, sizeof(text), "%s", store_text(stmt, 0) ?: "");
	sqlite3_finalize(stmt);
	if (rc != SQLITE_ROW)
		return failed(check, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
	return strcmp(text, "ok") == 0 ? 0 : damaged(check, text);
}

static int verify_objects(const struct check *check, uint64_t state_sum)
{
	sqlite3_stmt *stmt;
	uint64_t sum = 0;
	int rc = store_query(check->store, &stmt, "SELECT kind, name, body FROM object", "");

	if (rc != SQLITE_OK)
		return failed(check, rc);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		sum ^= store_sum_object(store_text(stmt, 0), store_text(stmt, 1),
					store_text(stmt, 2));
	sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		return failed(check, rc);
	return sum == state_sum ? 0 : damaged(check, "an object is not as it was written");
}

/* Revisions follow each other without a gap, each with the changes it was written with. */
struct revision_walk {
	uint64_t id, stored_sum, sum, state_sum, n_changes;
};

static const char *walk_row(struct revision_walk *walk, sqlite3_stmt *stmt)
{
	uint64_t id = (uint64_t)sqlite3_column_int64(stmt, 0);

	if (id != walk->id) {
		if (walk->id != 0 && (id != walk->id + 1 || walk->sum != walk->stored_sum))
			return "a revision is not as it was written";
		walk->id = id;
		walk->state_sum = (uint64_t)sqlite3_column_int64(stmt, 4);
		walk->stored_sum = (uint64_t)sqlite3_column_int64(stmt, 5);
		walk->sum =
			store_sum_revision(id, sqlite3_column_int64(stmt, 1), store_text(stmt, 2),
					   store_text(stmt, 3), walk->state_sum);
	}
	if (sqlite3_column_type(stmt, 6) != SQLITE_NULL) {
		walk->n_changes++;
		walk->sum ^= store_sum_change(id, store_text(stmt, 6), store_text(stmt, 7),
					      store_text(stmt, 8), store_text(stmt, 9));
	}
	return NULL;
}

static int verify_history(const struct check *check, struct revision_walk *walk)
{
	sqlite3_stmt *stmt;
	const char *bad = NULL;
	int64_t n_changes = 0;
	int rc = store_query(
		check->store, &stmt,
		"SELECT r.id, r.time_ms, r.who, r.command, r.state_sum, r.sum,"
		" c.kind, c.name, c.before, c.after"
		" FROM revision r LEFT JOIN change c ON c.revision = r.id ORDER BY r.id",
		"");

	if (rc != SQLITE_OK)
		return failed(check, rc);
	while (bad == NULL && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		bad = walk_row(walk, stmt);
	sqlite3_finalize(stmt);
	if (bad != NULL)
		return damaged(check, bad);
	if (rc != SQLITE_DONE)
		return failed(check, rc);
	if (walk->sum != walk->stored_sum)
		return damaged(check, "the newest revision is not as it was written");
	rc = store_get_int(check->store, "SELECT count(*) FROM change", &n_changes);
	if (rc != SQLITE_OK)
		return failed(check, rc);
	return (uint64_t)n_changes == walk->n_changes ? 0 : damaged(check, "a revision is missing");
}

static int verify_notes(const struct check *check)
{
	sqlite3_stmt *stmt;
	bool bad = false;
	int rc = store_query(check->store, &stmt, "SELECT key, value, sum FROM note", "");

	if (rc != SQLITE_OK)
		return failed(check, rc);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		bad |= store_sum_note(store_text(stmt, 0), store_text(stmt, 1)) !=
		       (uint64_t)sqlite3_column_int64(stmt, 2);
	sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		return failed(check, rc);
	return bad ? damaged(check, "a note is not as it was written") : 0;
}

int store_verify(struct store *store, char *finding, size_t finding_size, struct err *err)
{
	struct check check = {store, finding, finding_size, err};
	struct revision_walk walk = {0};
	int rc = verify_tree(&check);

	/* Version 1 had no sums. */
	if (rc != 0 || store->schema < 2)
		return rc;
	rc = verify_history(&check, &walk);
	if (rc == 0)
		rc = verify_objects(&check, walk.state_sum);
	if (rc == 0)
		rc = verify_notes(&check);
	return rc;
}

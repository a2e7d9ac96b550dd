/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the store; see store.h.  store_open.c finds or makes the file, store_schema.c knows its
 * tables, store_verify.c proves it sound, store_recover.c keeps and takes the good copy, store.c
 * commits, store_history.c looks back, store_sql.c talks to SQLite and turns its codes into words.
 *
 * Two things guard against damage.  SQLite's quick_check sees a broken tree.  It does not see a
 * flipped byte in a value, so every row carries its share of a checksum: a revision's 'sum' covers
 * itself and its changes, its 'state_sum' is the exclusive or of the sums of all objects after it.
 * Both are kept up at the cost of what a change touches.
 */
#ifndef CTL_STORE_PRIV_H
#define CTL_STORE_PRIV_H

#include "ctl/store.h"

#include <sqlite3.h>

#define STORE_APPLICATION_ID 0x76737731 /* "vsw1" */
#define STORE_SCHEMA	     2

/* What the newest revision row says, and the size of the history. */
struct store_head {
	uint64_t revision; /* 0: none */
	uint64_t state_sum;
	uint64_t n_revisions;
	uint64_t n_bytes;
};

struct store {
	sqlite3 *db;
	char *path;
	char *good_path; /* NULL: no copies (":memory:") */
	int lock_fd;	 /* -1: none */
	int schema;	 /* of the file; below STORE_SCHEMA only when read_only */
	bool creating;	 /* an empty file is what is expected */
	bool read_only;
	bool in_change;
	bool replaced; /* store_replace() was done in this change */
	bool copy_due;
	bool doubtful;	   /* COMMIT failed, perhaps after it was done; see store_settle() */
	json_t *old_notes; /* of the change that is open: notes it has set, as they were before */
	struct store_head head, next; /* committed; of the change that is open */
	uint64_t max_revisions, max_bytes;
};

/* store_sql.c */

/* Turns a SQLite code into a negative errno and words.  'doing' completes "cannot ..". */
int store_fail(const struct store *store, int sqlite_rc, const char *doing, struct err *err);
/* The same for an errno of a file operation. */
int store_fail_errno(const char *path, int code, const char *doing, struct err *err);

/* Runs statements that take no parameters and whose rows do not matter.  Returns a SQLite code. */
int store_exec(struct store *store, const char *sql);
/* Prepares; binds 'types': 's' const char * (NULL binds NULL), 'i' int64_t.  Returns a SQLite
 * code. */
int store_query(struct store *store, sqlite3_stmt **ret_stmt, const char *sql, const char *types,
		...);
/* store_query(), to its end.  Returns SQLITE_OK or what went wrong. */
int store_run(struct store *store, const char *sql, const char *types, ...);
/* The first column of the first row; 'ret_value' is untouched when there is no row or it is
 * NULL. */
int store_get_int(struct store *store, const char *sql, int64_t *ret_value);

static inline const char *store_text(sqlite3_stmt *stmt, int column)
{
	return (const char *)sqlite3_column_text(stmt, column);
}

/* A body as it is stored: compact, keys sorted, so that equal bodies are equal bytes.  The caller
 * frees. */
char *store_dump(const json_t *json);

/* store_verify.c */

uint64_t store_sum_object(const char *kind, const char *name, const char *body);
uint64_t store_sum_change(uint64_t revision, const char *kind, const char *name, const char *before,
			  const char *after);
uint64_t store_sum_revision(uint64_t revision, int64_t time_ms, const char *who,
			    const char *command, uint64_t state_sum);
uint64_t store_sum_note(const char *key, const char *value);

/* Is the file whole?  0, or -EBADMSG with the finding in 'finding', or another errno with 'err'
 * set. */
int store_verify(struct store *store, char *finding, size_t finding_size, struct err *err);

/* store_schema.c */

/* Creates what is missing or upgrades from 'from' (0: an empty file) to STORE_SCHEMA, in one
 * transaction. */
int store_schema_upgrade(struct store *store, int from, struct err *err);
/* Fills 'ret_head'. */
int store_read_head(struct store *store, struct store_head *ret_head, struct err *err);

/* store_open.c */

/* Opens the database at 'path' without looking for copies, locks it, verifies, upgrades.  'report'
 * NULL: only looks, an older schema stays.  -EBADMSG: damaged, 'finding' says how.  Else 'err' is
 * set. */
int store_open_file(struct store *store, const char *path, struct store_report *report,
		    char *finding, size_t finding_size, struct err *err);
void store_close_file(struct store *store);

/* store.c */

/* Before anything is read or written again after a commit of unknown outcome: a change that its
 * caller was told had failed, but that is there, is taken out. */
int store_settle(struct store *store, struct err *err);

/* store_recover.c */

/* Puts the good copy in the place of store->path, which is damaged as 'finding' says ("": missing),
 * and opens it.  -ENOENT when there is no sound copy; then nothing was touched. */
int store_recover(struct store *store, const char *finding, struct store_report *report,
		  struct err *err);
/* Makes the renames in the folder of 'path' survive a power loss. */
int store_sync_folder(const char *path);
/* A journal belongs to the file it was made for: a new file under the old name must not find it. */
void store_drop_journal(const char *path);

#endif

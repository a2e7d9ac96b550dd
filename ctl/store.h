/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Desired state on disk: SQLite, synchronous=FULL, one transaction a change.  An object is (kind,
 * name, JSON body); the body is the parameters of the command that adds it.  Every committed change
 * is a revision with who, when, the command, and what it replaced, so any earlier revision can be
 * had back.  Control thread only.
 *
 * Files beside PATH: PATH-journal (SQLite's rollback journal), PATH.lock (held while a daemon runs;
 * names its pid), PATH.good (the last good copy), PATH.damaged-TIME (what was moved aside),
 * PATH.schema-N (as it was before an upgrade).
 */
#ifndef CTL_STORE_H
#define CTL_STORE_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct store;

/* What opening found.  'text' holds the sentence for the log, the event and 'config show' when the
 * file was damaged and the last good copy was taken instead, the schema was upgraded, or nothing
 * can be written; else it is empty. */
struct store_report {
	bool created;
	bool upgraded;
	bool recovered;
	bool read_only; /* what is there can be loaded; every change is refused */
	char text[400];
};

/* Opens or creates.  A file that is damaged is moved aside (path + ".damaged-<time>") and the last
 * good copy (path + ".good") is used; 'ret_report' says so.  Errors: -EBUSY (slug "store-in-use",
 * another daemon has it), -EBADMSG ("store-damaged", and there is no good copy; nothing was
 * touched), -ENOTSUP ("store-newer", written by a newer version), -ENOENT, -EACCES, -ENOSPC, -EIO.
 * 'path' ":memory:" keeps nothing. */
int store_open(const char *path, struct store **ret_store, struct store_report *ret_report,
	       struct err *err);
/* Aborts a change that was begun, brings the good copy up to date.  NULL is fine. */
void store_close(struct store *store);

/* The whole state as {"kind": {"name": body}}, new reference. */
int store_load(struct store *store, json_t **ret_state, struct err *err);

/* One change.  store_begin() .. store_replace() .. store_commit() or store_abort().
 * store_replace() writes the difference between two states; between it and the commit the caller
 * applies the change to the running switch.  It also flushes to the file, so that a full disk shows
 * before the switch is touched.  At most one store_replace() a change.  Full disk, read-only file
 * system and I/O errors come back as words with a fix; after any failure of begin or commit no
 * change is open, after one of replace the caller aborts. */
int store_begin(struct store *store, struct err *err);
int store_replace(struct store *store, const json_t *before, const json_t *after, const char *who,
		  const char *command, struct err *err);
int store_commit(struct store *store, uint64_t *ret_revision, struct err *err);
void store_abort(struct store *store);

/* The newest committed revision; 0: nothing was ever committed. */
uint64_t store_revision(const struct store *store);
/* Newest first: [{"revision", "time", "who", "command", "changes":
 * [{"kind","name","before","after"}]}], new reference.  'time' is in nanoseconds since 1970;
 * 'before' and 'after' are null where there is none.  'limit' 0: all. */
int store_history(struct store *store, unsigned limit, json_t **ret_history, struct err *err);
/* The state as it was after that revision, new reference; -ENOENT when it is not known (any
 * more). */
int store_state_at(struct store *store, uint64_t revision, json_t **ret_state, struct err *err);

/* How much history to keep: revisions, and bytes of bodies in them (a 'config load' of thousands of
 * ports is one large revision).  The newest revision always stays.  Takes effect with the next
 * change. */
#define STORE_HISTORY_REVISIONS 10000u
#define STORE_HISTORY_BYTES	(64u << 20)
void store_set_history_limit(struct store *store, uint64_t n_revisions, uint64_t n_bytes);

/* A small value outside the history (such as a change that waits for confirmation); NULL deletes.
 * Inside a change it is part of the change, else it is a transaction of its own. */
int store_note_set(struct store *store, const char *key, const json_t *value, struct err *err);
/* New reference, or NULL. */
json_t *store_note_get(struct store *store, const char *key);

/* Brings the good copy up to what is committed: cheap when nothing changed, else in proportion to
 * the change.  Not part of store_commit(), so that a commit costs one transaction; the owner calls
 * it soon after (conf: within a second). */
int store_copy(struct store *store, struct err *err);
/* True when store_copy() would have work to do. */
bool store_copy_due(const struct store *store);

#endif

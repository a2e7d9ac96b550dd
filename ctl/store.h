/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Desired state on disk: SQLite, synchronous=FULL, one transaction a change.  An object is (kind, name, JSON body);
 * the body is the parameters of the command that adds it.  Every committed change is a revision with who, when, the
 * command, and what it replaced, so any earlier revision can be had back.  Control thread only.
 */
#ifndef CTL_STORE_H
#define CTL_STORE_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct store;

/* What opening found.  'recovered' holds the sentence for the log, the event and 'config show' when the file was
 * corrupt and the last good copy was taken instead, or the schema was upgraded. */
struct store_report {
	bool created;
	bool upgraded;
	bool recovered;
	char text[400];
};

/* Opens or creates.  A file that is damaged is moved aside (path + ".damaged-<time>") and the last good copy
 * (path + ".good", written after each commit is known to be sound) is used; 'ret_report' says so.
 * 'path' ":memory:" keeps nothing. */
int store_open(const char *path, struct store **ret_store, struct store_report *ret_report, struct err *err);
void store_close(struct store *store);

/* The whole state as {"kind": {"name": body}}, new reference. */
int store_load(struct store *store, json_t **ret_state, struct err *err);

/* One change.  store_begin() .. store_replace() .. store_commit() or store_abort().  store_replace() writes the
 * difference between two states; between it and the commit the caller applies the change to the running switch.
 * Full disk, read-only file system and I/O errors come back as words with a fix. */
int store_begin(struct store *store, struct err *err);
int store_replace(struct store *store, const json_t *before, const json_t *after, const char *who,
		  const char *command, struct err *err);
int store_commit(struct store *store, uint64_t *ret_revision, struct err *err);
void store_abort(struct store *store);

uint64_t store_revision(const struct store *store);
/* Newest first: [{"revision", "time", "who", "command", "changes": [{"kind","name","before","after"}]}]. */
int store_history(struct store *store, unsigned limit, json_t **ret_history, struct err *err);
/* The state as it was after that revision; -ENOENT when it is not known. */
int store_state_at(struct store *store, uint64_t revision, json_t **ret_state, struct err *err);

/* A small value outside the history (such as a change that waits for confirmation); NULL deletes. */
int store_note_set(struct store *store, const char *key, const json_t *value, struct err *err);
json_t *store_note_get(struct store *store, const char *key);

#endif

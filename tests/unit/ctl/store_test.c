/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The store when all goes well, and when it must say no.
 */
#include "tests/unit/ctl/store_support.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "ctl/base/clock.h"

static struct folder folder;

static int setup(void **state)
{
	folder_make(&folder);
	return 0;
}

static int teardown(void **state)
{
	folder_drop(&folder);
	return 0;
}

static void assert_json_equal(const json_t *a, const json_t *b)
{
	char *text_a, *text_b;

	if (json_equal(a, b))
		return;
	text_a = json_dumps(a, JSON_SORT_KEYS | JSON_ENCODE_ANY);
	text_b = json_dumps(b, JSON_SORT_KEYS | JSON_ENCODE_ANY);
	fail_msg("%s is not %s", text_a, text_b);
}

static void assert_file_matches(const char *path, int expect)
{
	assert_int_equal(access(path, F_OK) == 0, expect);
}

static void store_keeps_state_over_reopening(void **unused)
{
	json_t *empty = json_object(), *state = json_object(), *loaded;
	struct store_report report;
	struct store *store = must_open(folder.store, &report);

	assert_true(report.created);
	assert_int_equal(store_revision(store), 0);
	state_put(state, "switch", "lan0",
		  json_pack("{s:s, s:s}", "name", "lan0", "type", "internal"));
	state_put(state, "port", "p \"1\"'",
		  json_pack("{s:i, s:b, s:[s]}", "vlan", 5, "up", 1, "list", "x"));
	assert_int_equal(must_change(store, empty, state, "first"), 1);
	store_close(store);

	store = must_open(folder.store, &report);
	assert_false(report.created || report.recovered || report.upgraded || report.read_only);
	assert_string_equal(report.text, "");
	assert_int_equal(store_revision(store), 1);
	loaded = must_load(store);
	assert_json_equal(loaded, state);
	store_close(store);
	json_decref(loaded);
	json_decref(state);
	json_decref(empty);
}

static void store_file_is_not_for_everyone(void **unused)
{
	struct stat st;
	mode_t mask = umask(0);
	struct store *store = must_open(folder.store, NULL);

	umask(mask);
	assert_int_equal(stat(folder.store, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	store_close(store);
	assert_int_equal(stat(folder.good, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void aborted_change_leaves_nothing(void **unused)
{
	json_t *empty = json_object(), *state = json_object(), *loaded, *history;
	struct store *store = must_open(folder.store, NULL);

	random_edit(&(struct random){7}, state);
	assert_int_equal(store_begin(store, NULL), 0);
	assert_int_equal(store_replace(store, empty, state, "t", "c", NULL), 0);
	assert_int_equal(store_note_set(store, "pending", state, NULL), 0);
	store_abort(store);
	store_abort(store);
	loaded = must_load(store);
	assert_json_equal(loaded, empty);
	assert_int_equal(store_revision(store), 0);
	assert_null(store_note_get(store, "pending"));
	assert_int_equal(store_history(store, 0, &history, NULL), 0);
	assert_int_equal(json_array_size(history), 0);
	json_decref(history);
	json_decref(loaded);
	/* And the next change is the first. */
	assert_int_equal(must_change(store, empty, state, "again"), 1);
	store_close(store);
	json_decref(state);
	json_decref(empty);
}

static void store_refuses_calls_out_of_order(void **unused)
{
	struct store *store = must_open(folder.store, NULL);
	json_t *empty = json_object();
	struct err err = {0};

	assert_int_equal(store_replace(store, empty, empty, "t", "c", &err), -EINVAL);
	assert_int_equal(store_commit(store, NULL, &err), -EINVAL);
	assert_int_equal(store_begin(store, &err), 0);
	assert_int_equal(store_begin(store, &err), -EBUSY);
	assert_int_equal(store_replace(store, empty, empty, "t", "c", &err), 0);
	assert_int_equal(store_replace(store, empty, empty, "t", "c", &err), -EINVAL);
	store_close(store);
	json_decref(empty);
}

static void history_says_who_when_what(void **unused)
{
	struct store *store = must_open(folder.store, NULL);
	json_t *a = json_object(), *b, *c, *history, *row, *change, *expect;
	int64_t now_ns;

	state_put(a, "port", "p1", json_pack("{s:i}", "vlan", 1));
	state_put(a, "port", "p2", json_pack("{s:i}", "vlan", 2));
	b = json_deep_copy(a);
	state_put(b, "port", "p1", json_pack("{s:i}", "vlan", 9));
	c = json_deep_copy(b);
	state_drop(c, "port", "p2");
	must_change(store, NULL, a, "add two");
	must_change(store, a, b, "set p1");
	must_change(store, b, c, "remove p2");

	assert_int_equal(store_history(store, 2, &history, NULL), 0);
	assert_int_equal(json_array_size(history), 2);
	row = json_array_get(history, 0);
	assert_int_equal(json_integer_value(json_object_get(row, "revision")), 3);
	assert_string_equal(json_string_value(json_object_get(row, "who")), "tester");
	assert_string_equal(json_string_value(json_object_get(row, "command")), "remove p2");
	now_ns = (int64_t)clock_wall_ns();
	assert_in_range(json_integer_value(json_object_get(row, "time")),
			now_ns - 60 * INT64_C(1000000000), now_ns);
	change = json_array_get(json_object_get(row, "changes"), 0);
	expect = json_pack("{s:s, s:s, s:{s:i}, s:n}", "kind", "port", "name", "p2", "before",
			   "vlan", 2, "after");
	assert_json_equal(change, expect);
	json_decref(expect);
	row = json_array_get(history, 1);
	change = json_array_get(json_object_get(row, "changes"), 0);
	expect = json_pack("{s:s, s:s, s:{s:i}, s:{s:i}}", "kind", "port", "name", "p1", "before",
			   "vlan", 1, "after", "vlan", 9);
	assert_json_equal(change, expect);
	json_decref(expect);
	json_decref(history);
	assert_int_equal(store_history(store, 0, &history, NULL), 0);
	assert_int_equal(json_array_size(history), 3);
	assert_int_equal(json_array_size(json_object_get(json_array_get(history, 2), "changes")),
			 2);
	json_decref(history);
	store_close(store);
	json_decref(a);
	json_decref(b);
	json_decref(c);
}

#define N_STATES 200

/* Random states 0..N_STATES, each committed as the revision of its number. */
static void commit_random_states(struct store *store, json_t *states[], uint64_t seed)
{
	struct random r = {seed};

	states[0] = json_object();
	for (int i = 1; i <= N_STATES; i++) {
		states[i] = json_deep_copy(states[i - 1]);
		for (unsigned n = random_below(&r, 4) + 1; n > 0; n--)
			random_edit(&r, states[i]);
		assert_int_equal(must_change(store, states[i - 1], states[i], "random"), i);
	}
}

static void free_states(json_t *states[])
{
	for (int i = 0; i <= N_STATES; i++)
		json_decref(states[i]);
}

static void assert_knows(struct store *store, json_t *states[], uint64_t first)
{
	struct err err;
	json_t *state;

	for (uint64_t i = 0; i <= N_STATES; i++) {
		int rc = store_state_at(store, i, &state, &err);

		if (i < first) {
			assert_int_equal(rc, -ENOENT);
			assert_string_equal(err.slug, "no-revision");
			continue;
		}
		assert_int_equal(rc, 0);
		assert_json_equal(state, states[i]);
		json_decref(state);
	}
	assert_int_equal(store_state_at(store, N_STATES + 1, &state, &err), -ENOENT);
}

static void any_earlier_state_can_be_had_back(void **unused)
{
	struct store *store = must_open(folder.store, NULL);
	json_t *states[N_STATES + 1];

	commit_random_states(store, states, 0x5eed1);
	assert_knows(store, states, 0);
	store_close(store);
	store = must_open(folder.store, NULL);
	assert_knows(store, states, 0);
	store_close(store);
	free_states(states);
}

static void history_is_bounded_by_revisions(void **unused)
{
	struct store *store = must_open(folder.store, NULL);
	json_t *states[N_STATES + 1], *history;

	store_set_history_limit(store, 30, 1u << 30);
	commit_random_states(store, states, 0x5eed2);
	assert_int_equal(store_history(store, 0, &history, NULL), 0);
	assert_int_equal(json_array_size(history), 30);
	json_decref(history);
	/* Thirty changes lead back to the state before the oldest of them. */
	assert_knows(store, states, N_STATES - 30);
	store_close(store);
	/* Pruned, it is still found whole. */
	store = must_open(folder.store, NULL);
	assert_knows(store, states, N_STATES - 30);
	store_close(store);
	free_states(states);
}

static void history_is_bounded_by_bytes_and_keeps_the_newest(void **unused)
{
	struct store *store = must_open(folder.store, NULL);
	json_t *states[N_STATES + 1], *history, *big = json_object(), *body;
	char *filler = malloc(100001);

	store_set_history_limit(store, 10000, 20000);
	commit_random_states(store, states, 0x5eed3);
	assert_int_equal(store_history(store, 0, &history, NULL), 0);
	assert_in_range(json_array_size(history), 5, N_STATES - 1);
	json_decref(history);
	memset(filler, 'x', 100000);
	filler[100000] = '\0';
	body = json_pack("{s:s}", "text", filler);
	state_put(big, "port", "big", body);
	must_change(store, states[N_STATES], big, "big");
	assert_int_equal(store_history(store, 0, &history, NULL), 0);
	assert_int_equal(json_array_size(history), 1);
	json_decref(history);
	assert_int_equal(store_state_at(store, N_STATES, &body, NULL), 0);
	assert_json_equal(body, states[N_STATES]);
	json_decref(body);
	store_close(store);
	free_states(states);
	json_decref(big);
	free(filler);
}

static void note_is_kept_replaced_and_deleted(void **unused)
{
	struct store *store = must_open(folder.store, NULL);
	json_t *value = json_pack("{s:i}", "revision", 7), *found;

	assert_null(store_note_get(store, "pending"));
	assert_int_equal(store_note_set(store, "pending", value, NULL), 0);
	store_close(store);
	store = must_open(folder.store, NULL);
	found = store_note_get(store, "pending");
	assert_json_equal(found, value);
	json_decref(found);
	json_decref(value);
	value = json_string("word");
	assert_int_equal(store_note_set(store, "pending", value, NULL), 0);
	found = store_note_get(store, "pending");
	assert_json_equal(found, value);
	json_decref(found);
	json_decref(value);
	assert_int_equal(store_note_set(store, "pending", NULL, NULL), 0);
	assert_null(store_note_get(store, "pending"));
	store_close(store);
}

static void second_daemon_on_one_store_is_refused(void **unused)
{
	struct store *store = must_open(folder.store, NULL), *second = NULL;
	struct err err = {0};
	char pid[32];

	assert_int_equal(store_open(folder.store, &second, NULL, &err), -EBUSY);
	assert_null(second);
	assert_string_equal(err.slug, "store-in-use");
	snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
	assert_non_null(strstr(err.what, pid));
	assert_true(err.why[0] != '\0' && err.fix[0] != '\0');
	store_close(store);
	store = must_open(folder.store, NULL);
	store_close(store);
}

static void other_program_cannot_write_behind_the_daemon(void **unused)
{
	struct store *store = must_open(folder.store, NULL);
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		sqlite3 *db;

		sqlite3_open(folder.store, &db);
		_exit(sqlite3_exec(db, "DELETE FROM object", NULL, NULL, NULL) == SQLITE_BUSY ? 0
											      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	store_close(store);
}

static void missing_folder_is_said_with_a_fix(void **unused)
{
	struct store *store = NULL;
	struct err err = {0};
	char path[128];

	snprintf(path, sizeof(path), "%s/none/conf.db", folder.path);
	assert_int_equal(store_open(path, &store, NULL, &err), -ENOENT);
	assert_string_equal(err.slug, "store-missing");
	assert_non_null(strstr(err.fix, "install -d"));
}

static void memory_store_keeps_nothing(void **unused)
{
	struct store_report report;
	struct store *store = must_open(":memory:", &report);
	json_t *state = json_object(), *loaded;

	random_edit(&(struct random){3}, state);
	assert_int_equal(must_change(store, NULL, state, "c"), 1);
	loaded = must_load(store);
	assert_json_equal(loaded, state);
	json_decref(loaded);
	assert_false(store_copy_due(store));
	store_close(store);
	assert_int_equal(access(":memory:", F_OK), -1);
	store = must_open(":memory:", &report);
	assert_int_equal(store_revision(store), 0);
	store_close(store);
	json_decref(state);
}

/* As version 0 of this program made it. */
static const char schema_1[] =
	"PRAGMA application_id = 0x76737731; PRAGMA user_version = 1;"
	"CREATE TABLE object(kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,"
	" PRIMARY KEY(kind, name)) WITHOUT ROWID;"
	"CREATE TABLE revision(id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, who TEXT NOT NULL,"
	" command TEXT NOT NULL);"
	"CREATE TABLE change(revision INTEGER NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, "
	"before TEXT, after TEXT,"
	" PRIMARY KEY(revision, kind, name)) WITHOUT ROWID;"
	"CREATE TABLE note(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
	"INSERT INTO note VALUES('schema', '1'), ('pending', '{\"revision\":1}');"
	"INSERT INTO object VALUES('port', 'p1', '{\"vlan\":2}'), ('switch', 'lan0', "
	"'{\"type\":\"private\"}');"
	"INSERT INTO revision VALUES(1, 1700000000000, 'root', 'add all'), (2, 1700000001000, "
	"'ann', 'set p1');"
	"INSERT INTO change VALUES(1, 'port', 'p1', NULL, '{\"vlan\":1}'),"
	" (1, 'switch', 'lan0', NULL, '{\"type\":\"private\"}'),"
	" (2, 'port', 'p1', '{\"vlan\":1}', '{\"vlan\":2}');";

static void make_database(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(folder.store, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void assert_holds_schema_1_data(struct store *store)
{
	json_t *expect = json_pack("{s:{s:{s:i}}, s:{s:{s:s}}}", "port", "p1", "vlan", 2, "switch",
				   "lan0", "type", "private");
	json_t *state = must_load(store), *note;

	assert_json_equal(state, expect);
	json_decref(state);
	json_decref(expect);
	expect = json_pack("{s:{s:{s:i}}, s:{s:{s:s}}}", "port", "p1", "vlan", 1, "switch", "lan0",
			   "type", "private");
	assert_int_equal(store_state_at(store, 1, &state, NULL), 0);
	assert_json_equal(state, expect);
	json_decref(state);
	json_decref(expect);
	note = store_note_get(store, "pending");
	assert_int_equal(json_integer_value(json_object_get(note, "revision")), 1);
	json_decref(note);
}

static void store_of_an_older_version_is_upgraded(void **unused)
{
	struct store_report report;
	struct store *store;
	json_t *before, *after;
	char kept[128];
	sqlite3 *db;

	make_database(schema_1);
	store = must_open(folder.store, &report);
	assert_true(report.upgraded);
	assert_non_null(strstr(report.text, "schema 1 to 2"));
	assert_int_equal(store_revision(store), 2);
	assert_holds_schema_1_data(store);
	before = must_load(store);
	after = json_object();
	assert_int_equal(must_change(store, before, after, "clear"), 3);
	store_close(store);

	/* The sums that the upgrade filled in hold, and it is not done twice. */
	store = must_open(folder.store, &report);
	assert_false(report.upgraded || report.recovered);
	json_decref(before);
	assert_int_equal(store_state_at(store, 2, &before, NULL), 0);
	assert_int_equal(json_object_size(before), 2);
	store_close(store);
	json_decref(before);
	json_decref(after);

	/* The old file is still there, as it was. */
	snprintf(kept, sizeof(kept), "%s.schema-1", folder.store);
	assert_int_equal(sqlite3_open_v2(kept, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "SELECT sum FROM revision", NULL, NULL, NULL),
			 SQLITE_ERROR);
	assert_int_equal(sqlite3_exec(db, "SELECT id FROM revision", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void store_of_a_newer_version_is_refused_untouched(void **unused)
{
	struct store *store = NULL;
	struct err err = {0};
	size_t size;

	make_database(schema_1);
	make_database(
		"PRAGMA user_version = 77; UPDATE note SET value = '77' WHERE key = 'schema'");
	size = file_size(folder.store);
	assert_int_equal(store_open(folder.store, &store, NULL, &err), -ENOTSUP);
	assert_string_equal(err.slug, "store-newer");
	assert_non_null(strstr(err.what, "77"));
	assert_int_equal(file_size(folder.store), size);
	assert_file_matches(folder.good, 0);
}

static void database_of_another_program_is_refused_untouched(void **unused)
{
	struct store *store = NULL;
	struct err err = {0};

	make_database("CREATE TABLE t(x); INSERT INTO t VALUES(1)");
	assert_int_equal(store_open(folder.store, &store, NULL, &err), -EBADMSG);
	assert_non_null(strstr(err.what, "not a vswitch store"));
	make_database("INSERT INTO t VALUES(2)");
}

/* Runs 'fn' in a child, which _exits with its result; 77 skips. */
static void in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int rc = fn();

		fflush(NULL);
		_exit(rc);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static int fill_until_size_limit(void)
{
	struct rlimit limit;
	struct store *store;
	struct err err = {0};
	json_t *before = json_object(), *after, *loaded;
	struct random r = {11};
	uint64_t revision = 0;
	int rc = 0;

	signal(SIGXFSZ, SIG_IGN);
	CHECK(store_open(folder.store, &store, NULL, NULL) == 0);
	limit.rlim_cur = limit.rlim_max = file_size(folder.store) + 40000;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	while (rc == 0) {
		after = json_deep_copy(before);
		random_edit(&r, after);
		rc = store_begin(store, &err);
		if (rc == 0)
			rc = store_replace(store, before, after, "t", "fill", &err);
		if (rc == 0)
			rc = store_commit(store, &revision, &err);
		if (rc == 0) {
			json_decref(before);
			before = after;
		}
	}
	if (rc != -ENOSPC)
		fprintf(stderr, "%d %s %s %s\n", rc, err.what, err.why, err.fix);
	CHECK(rc == -ENOSPC);
	CHECK(strcmp(err.slug, "disk-full") == 0);
	CHECK(strstr(err.what, folder.store) != NULL);
	CHECK(strstr(err.why, "bytes free") != NULL);
	CHECK(strstr(err.fix, "df -h") != NULL);
	store_abort(store);
	CHECK(store_revision(store) == revision && revision > 0);
	CHECK(store_load(store, &loaded, NULL) == 0);
	CHECK(json_equal(loaded, before));
	json_decref(loaded);
	store_close(store);
	CHECK(store_open(folder.store, &store, NULL, NULL) == 0);
	CHECK(store_load(store, &loaded, NULL) == 0);
	CHECK(json_equal(loaded, before));
	CHECK(store_revision(store) == revision);
	store_close(store);
	json_decref(loaded);
	json_decref(before);
	json_decref(after);
	return 0;
}

static void full_disk_is_said_and_changes_nothing(void **unused)
{
	in_child(fill_until_size_limit);
}

/* A tmpfs of our own over the folder; as root, or as root of a user namespace of our own. */
static int mount_own(const char *options)
{
	if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return 77;
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (mount("none", folder.path, "tmpfs", 0, options) != 0)
		return 77;
	return 0;
}

static int use_read_only(void)
{
	struct store_report report;
	struct store *store, *second;
	struct err err = {0};
	json_t *state = json_object(), *loaded;
	int rc = mount_own("size=4m");

	if (rc != 0)
		return rc;
	random_edit(&(struct random){5}, state);
	CHECK(store_open(folder.store, &store, NULL, NULL) == 0);
	CHECK(store_begin(store, NULL) == 0);
	CHECK(store_replace(store, NULL, state, "t", "c", NULL) == 0);
	CHECK(store_commit(store, NULL, NULL) == 0);
	store_close(store);
	CHECK(mount(NULL, folder.path, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK(store_open(folder.store, &store, &report, &err) == 0);
	CHECK(report.read_only && strstr(report.text, "cannot be written") != NULL);
	CHECK(store_open(folder.store, &second, NULL, &err) == -EBUSY);
	CHECK(store_load(store, &loaded, &err) == 0);
	CHECK(json_equal(loaded, state));
	json_decref(loaded);
	CHECK(store_begin(store, &err) == -EROFS);
	CHECK(strcmp(err.slug, "store-read-only") == 0);
	CHECK(strstr(err.fix, "remount") != NULL);
	CHECK(store_note_set(store, "x", state, &err) == -EROFS);
	CHECK(store_state_at(store, 0, &loaded, &err) == 0);
	CHECK(json_object_size(loaded) == 0);
	json_decref(loaded);
	store_close(store);

	/* Damaged as well: the good copy is read where it is. */
	CHECK(mount(NULL, folder.path, NULL, MS_REMOUNT, NULL) == 0);
	CHECK(truncate(folder.store, 5000) == 0);
	CHECK(mount(NULL, folder.path, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK(store_open(folder.store, &store, &report, &err) == 0);
	CHECK(report.read_only && report.recovered);
	CHECK(store_load(store, &loaded, &err) == 0);
	CHECK(json_equal(loaded, state));
	json_decref(loaded);
	store_close(store);
	json_decref(state);
	return 0;
}

static void read_only_file_system_loads_and_refuses_changes(void **unused)
{
	in_child(use_read_only);
}

static int change(struct store *store, const json_t *before, const json_t *after, struct err *err)
{
	int rc = store_begin(store, err);

	if (rc == 0)
		rc = store_replace(store, before, after, "t", "c", err);
	if (rc != 0) {
		store_abort(store);
		return rc;
	}
	return store_commit(store, NULL, err);
}

/* A folder that cannot be written any more: another file system is mounted over it, for the kernel
 * does not remount one read-only under an open writer. */
static int lose_folder(void)
{
	struct store *store;
	struct err err = {0};
	json_t *one = json_object(), *two = json_object();
	int rc = mount_own("size=4m");

	if (rc != 0)
		return rc;
	random_edit(&(struct random){5}, one);
	CHECK(store_open(folder.store, &store, NULL, NULL) == 0);
	store_close(store);
	CHECK(store_open(folder.store, &store, NULL, NULL) == 0);
	CHECK(mount("none", folder.path, "tmpfs", MS_RDONLY, "size=1m") == 0);
	/* No journal, no change. */
	rc = change(store, two, one, &err);
	if (rc != -EROFS)
		fprintf(stderr, "%d %s: %s\n", rc, err.what, err.why);
	CHECK(rc == -EROFS);
	CHECK(strcmp(err.slug, "store-read-only") == 0);
	CHECK(store_revision(store) == 0);
	CHECK(umount(folder.path) == 0);
	CHECK(change(store, two, one, &err) == 0);
	CHECK(store_copy(store, &err) == 0);
	/* Once open, the journal is kept open: the change is made, but not its copy. */
	CHECK(mount("none", folder.path, "tmpfs", MS_RDONLY, "size=1m") == 0);
	CHECK(change(store, one, two, &err) == 0);
	rc = store_copy(store, &err);
	if (rc != -EROFS)
		fprintf(stderr, "%d %s: %s\n", rc, err.what, err.why);
	CHECK(rc == -EROFS);
	CHECK(store_copy_due(store));
	CHECK(umount(folder.path) == 0);
	CHECK(store_copy(store, &err) == 0);
	CHECK(!store_copy_due(store));
	store_close(store);
	json_decref(one);
	json_decref(two);
	return 0;
}

static void folder_that_turns_read_only_is_said_and_copied_later(void **unused)
{
	in_child(lose_folder);
}

static int fill_tmpfs(void)
{
	struct store *store;
	struct err err = {0};
	json_t *state = json_object(), *loaded;
	char filler[128], block[4096] = {1};
	int fd, rc = mount_own("size=1m");

	if (rc != 0)
		return rc;
	for (uint64_t i = 1; i < 300; i++)
		random_edit(&(struct random){i * 977}, state);
	CHECK(store_open(folder.store, &store, NULL, NULL) == 0);
	snprintf(filler, sizeof(filler), "%s/filler", folder.path);
	fd = open(filler, O_WRONLY | O_CREAT, 0600);
	while (write(fd, block, sizeof(block)) > 0)
		continue;
	close(fd);
	CHECK(store_begin(store, &err) == 0);
	rc = store_replace(store, NULL, state, "t", "c", &err);
	CHECK(rc == -ENOSPC);
	CHECK(strstr(err.why, "has 0 of 1048576 bytes free") != NULL);
	store_abort(store);
	CHECK(unlink(filler) == 0);
	CHECK(store_begin(store, &err) == 0);
	CHECK(store_replace(store, NULL, state, "t", "c", &err) == 0);
	CHECK(store_commit(store, NULL, &err) == 0);
	CHECK(store_load(store, &loaded, NULL) == 0);
	CHECK(json_equal(loaded, state));
	json_decref(loaded);
	store_close(store);
	json_decref(state);
	return 0;
}

static void full_file_system_shows_before_the_commit(void **unused)
{
	in_child(fill_tmpfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(store_keeps_state_over_reopening, setup, teardown),
		cmocka_unit_test_setup_teardown(store_file_is_not_for_everyone, setup, teardown),
		cmocka_unit_test_setup_teardown(aborted_change_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(store_refuses_calls_out_of_order, setup, teardown),
		cmocka_unit_test_setup_teardown(history_says_who_when_what, setup, teardown),
		cmocka_unit_test_setup_teardown(any_earlier_state_can_be_had_back, setup, teardown),
		cmocka_unit_test_setup_teardown(history_is_bounded_by_revisions, setup, teardown),
		cmocka_unit_test_setup_teardown(history_is_bounded_by_bytes_and_keeps_the_newest,
						setup, teardown),
		cmocka_unit_test_setup_teardown(note_is_kept_replaced_and_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(second_daemon_on_one_store_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(other_program_cannot_write_behind_the_daemon, setup,
						teardown),
		cmocka_unit_test_setup_teardown(missing_folder_is_said_with_a_fix, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_store_keeps_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(store_of_an_older_version_is_upgraded, setup,
						teardown),
		cmocka_unit_test_setup_teardown(store_of_a_newer_version_is_refused_untouched,
						setup, teardown),
		cmocka_unit_test_setup_teardown(database_of_another_program_is_refused_untouched,
						setup, teardown),
		cmocka_unit_test_setup_teardown(full_disk_is_said_and_changes_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(full_file_system_shows_before_the_commit, setup,
						teardown),
		cmocka_unit_test_setup_teardown(read_only_file_system_loads_and_refuses_changes,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			folder_that_turns_read_only_is_said_and_copied_later, setup, teardown),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}

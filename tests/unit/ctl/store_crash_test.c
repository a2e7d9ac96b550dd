/* SPDX-License-Identifier: BSD-2-Clause
 *
 * kill -9, power loss and disk errors at every step that reaches the disk, and kill -9 at any
 * moment.  States are a function of the revision, so whoever opens the file afterwards can tell
 * whether it holds exactly one of them.
 */
#include "tests/support/sanitized.h"
#include "tests/unit/ctl/fault_vfs.h"
#include "tests/unit/ctl/store_support.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define MAX_REVISION 20000
#define MIN_CHANGES  20

/* A sanitizer makes each fork many times dearer. */
#if SANITIZED
#define N_SEEDS 1
#define N_KILLS 100
#else
#define N_SEEDS 3
#define N_KILLS 300
#endif

static struct folder folder;
static json_t *states[MAX_REVISION + 1];
/* Shared with the child: what store_commit() has confirmed. */
static volatile uint64_t *confirmed;

static json_t *state_of(uint64_t revision)
{
	assert_in_range(revision, 0, MAX_REVISION);
	if (states[0] == NULL)
		states[0] = json_object();
	for (uint64_t i = 1; i <= revision; i++) {
		struct random r = {i * 0x9e3779b97f4a7c15u};

		if (states[i] != NULL)
			continue;
		states[i] = json_deep_copy(states[i - 1]);
		for (unsigned n = 1 + random_below(&r, 3); n > 0; n--)
			random_edit(&r, states[i]);
	}
	return states[revision];
}

static int setup_all(void **unused)
{
	confirmed = mmap(NULL, sizeof(*confirmed), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fault_vfs_install();
	folder_make(&folder);
	return confirmed == MAP_FAILED;
}

static int teardown_all(void **unused)
{
	folder_drop(&folder);
	for (size_t i = 0; i <= MAX_REVISION; i++)
		json_decref(states[i]);
	return 0;
}

static int setup(void **unused)
{
	folder_clear(&folder);
	*confirmed = 0;
	return 0;
}

/* The next revision; also moves a note along in the same change. */
static int change_once(struct store *store, struct err *err)
{
	uint64_t revision = store_revision(store), made = 0;
	json_t *note = json_integer((json_int_t)revision + 1);
	char command[32];
	int rc = store_begin(store, err);

	snprintf(command, sizeof(command), "change %llu", (unsigned long long)revision + 1);
	if (rc == 0)
		rc = store_replace(store, state_of(revision), state_of(revision + 1), "tester",
				   command, err);
	if (rc == 0)
		rc = store_note_set(store, "note", note, err);
	if (rc == 0) {
		rc = store_commit(store, &made, err);
		if (rc == 0)
			*confirmed = made;
	} else {
		store_abort(store);
	}
	json_decref(note);
	return rc;
}

/* Opens after a crash: the state is that of its revision, which is the last confirmed one or the
 * one after it; the history, the note and earlier states agree. */
static uint64_t assert_whole(const char *how, unsigned step)
{
	struct store_report report;
	struct store *store = must_open(folder.store, &report);
	uint64_t revision = store_revision(store);
	json_t *state = must_load(store), *history, *note, *earlier;
	char command[32];

	if (revision != *confirmed && revision != *confirmed + 1)
		fail_msg("%s at step %u: revision %llu, confirmed %llu", how, step,
			 (unsigned long long)revision, (unsigned long long)*confirmed);
	if (!json_equal(state, state_of(revision)))
		fail_msg("%s at step %u: not the state of revision %llu", how, step,
			 (unsigned long long)revision);
	if (report.recovered)
		fail_msg("%s at step %u: %s", how, step, report.text);
	note = store_note_get(store, "note");
	assert_int_equal(json_integer_value(note), revision);
	assert_int_equal(store_history(store, 1, &history, NULL), 0);
	snprintf(command, sizeof(command), "change %llu", (unsigned long long)revision);
	if (revision > 0) {
		assert_string_equal(json_string_value(
					    json_object_get(json_array_get(history, 0), "command")),
				    command);
		assert_int_equal(store_state_at(store, revision - 1, &earlier, NULL), 0);
		assert_true(json_equal(earlier, state_of(revision - 1)));
		json_decref(earlier);
	}
	store_close(store);
	json_decref(note);
	json_decref(history);
	json_decref(state);
	*confirmed = revision;
	return revision;
}

#define N_CHANGES 4

/* Creates or opens, changes a few times, copies, closes. */
static void child_runs(enum fault_mode mode, unsigned step, uint64_t seed)
{
	struct store *store;

	fault_vfs_arm(mode, step, 0, seed);
	if (store_open(folder.store, &store, NULL, NULL) != 0)
		_exit(1);
	for (int i = 0; i < N_CHANGES; i++) {
		if (change_once(store, NULL) != 0 || (i % 2 == 1 && store_copy(store, NULL) != 0))
			_exit(1);
	}
	store_close(store);
	_exit(0);
}

/* Dies at each step in turn, of the first run (that creates) and of a later one, until a run gets
 * through. */
static unsigned die_at_each_step(enum fault_mode mode, const char *how, uint64_t seed)
{
	unsigned n_deaths = 0;

	state_of(600);
	for (int fresh = 1; fresh >= 0; fresh--) {
		for (unsigned step = 1;; step++) {
			int status;
			pid_t pid;

			if (fresh)
				setup(NULL);
			pid = fork();
			if (pid == 0)
				child_runs(mode, step, seed * 1000 + step);
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
			assert_whole(how, step);
			if (!WIFSIGNALED(status))
				break;
			assert_int_equal(WTERMSIG(status), SIGKILL);
			n_deaths++;
		}
	}
	return n_deaths;
}

static void kill_at_every_step_leaves_a_whole_change_or_none(void **unused)
{
	/* Were it a handful, the disk would not see the steps. */
	assert_in_range(die_at_each_step(FAULT_KILL, "kill", 1), 60, 10000);
}

static void power_loss_at_every_step_leaves_a_whole_change_or_none(void **unused)
{
	for (uint64_t seed = 1; seed <= N_SEEDS; seed++)
		assert_in_range(die_at_each_step(FAULT_POWER, "power loss", seed), 60, 10000);
}

static void child_changes_for_ever(void)
{
	struct store *store;

	if (store_open(folder.store, &store, NULL, NULL) != 0)
		_exit(1);
	for (unsigned i = 0; store_revision(store) < MAX_REVISION; i++) {
		if (change_once(store, NULL) != 0 || (i % 8 == 7 && store_copy(store, NULL) != 0))
			_exit(1);
	}
	_exit(0);
}

static void kill_at_any_moment_leaves_a_whole_change_or_none(void **unused)
{
	struct random r = {0x4111};
	unsigned n_killed = 0;
	uint64_t revision = 0;

	fault_vfs_arm(FAULT_NONE, 0, 0, 0);
	/* On a loaded machine most children are killed before their first change: then more of
	 * them. */
	for (unsigned i = 0; i < N_KILLS || (revision < MIN_CHANGES && i < 20 * N_KILLS); i++) {
		int status;
		pid_t pid;

		if (revision >= MAX_REVISION / 2)
			break;
		pid = fork();

		if (pid == 0)
			child_changes_for_ever();
		usleep(500 + random_below(&r, 6000));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		n_killed++;
		revision = assert_whole("kill -9", i);
	}
	print_message("%u kills over %llu changes\n", n_killed, (unsigned long long)revision);
	assert_in_range(revision, MIN_CHANGES, MAX_REVISION);
}

/* Opens and changes with an error at that step: what fails has changed nothing, what does not is
 * there. */
static void run_with_errors(enum fault_mode mode, unsigned step, int rc)
{
	struct store *store = NULL;
	struct err err = {0};

	fault_vfs_arm(mode, step, rc, 0);
	if (store_open(folder.store, &store, NULL, &err) != 0) {
		assert_true(fault_vfs_happened());
		assert_true(err.code < 0 && err.what[0] != '\0');
		fault_vfs_arm(FAULT_NONE, 0, 0, 0);
		assert_whole("error at open", step);
		return;
	}
	for (int i = 0; i < N_CHANGES; i++) {
		uint64_t revision = store_revision(store);
		json_t *state;

		memset(&err, 0, sizeof(err));
		if (change_once(store, &err) != 0) {
			assert_true(fault_vfs_happened());
			assert_true(err.code < 0 && err.what[0] != '\0' && err.fix[0] != '\0');
			assert_int_equal(err.code, rc == SQLITE_FULL ? -ENOSPC : err.code);
			assert_int_equal(store_revision(store), revision);
		} else {
			assert_int_equal(store_revision(store), revision + 1);
		}
		/* A disk that has come back is used again. */
		if (mode == FAULT_ERROR || i == N_CHANGES - 2)
			fault_vfs_arm(FAULT_NONE, 0, 0, 0);
		if (mode == FAULT_ERROR || i >= N_CHANGES - 2) {
			state = must_load(store);
			if (!json_equal(state, state_of(store_revision(store))))
				fail_msg("mode %d code %d step %u change %d: %s", (int)mode, rc,
					 step, i, err.what);
			json_decref(state);
		}
		if (mode == FAULT_ERROR && fault_vfs_happened())
			assert_int_equal(change_once(store, &err), 0);
		if (i % 2 == 1)
			store_copy(store, &err);
	}
	store_close(store);
	fault_vfs_arm(FAULT_NONE, 0, 0, 0);
	assert_whole("error", step);
}

static void disk_error_at_every_step_is_an_error_and_no_change(void **unused)
{
	static const int codes[] = {SQLITE_IOERR_WRITE, SQLITE_FULL, SQLITE_IOERR_FSYNC};

	for (size_t c = 0; c < 3; c++) {
		setup(NULL);
		for (unsigned step = 1; step <= 60; step++) {
			run_with_errors(FAULT_ERROR, step, codes[c]);
			run_with_errors(FAULT_BROKEN, step, codes[c]);
			if (step % 5 == 0)
				setup(NULL);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(kill_at_every_step_leaves_a_whole_change_or_none, setup),
		cmocka_unit_test_setup(power_loss_at_every_step_leaves_a_whole_change_or_none,
				       setup),
		cmocka_unit_test_setup(kill_at_any_moment_leaves_a_whole_change_or_none, setup),
		cmocka_unit_test_setup(disk_error_at_every_step_is_an_error_and_no_change, setup),
	};

	return cmocka_run_group_tests_name("store crash", tests, setup_all, teardown_all);
}

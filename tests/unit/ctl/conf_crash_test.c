/* SPDX-License-Identifier: BSD-2-Clause
 *
 * kill -9 of a daemon that changes its configuration: at every step of a change, in the middle of
 * applying it, and at any moment.  The child says in shared memory what it is about to do; whoever
 * starts afterwards must find the state before or the state after, as far as each is allowed at
 * that point, with a history that agrees.
 */
#include "tests/support/sanitized.h"
#include "tests/unit/ctl/conf_support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#if SANITIZED
#define N_KILLS 100
#define N_STEPS 120
#else
#define N_KILLS 300
#define N_STEPS 400
#endif

static struct folder folder;
static struct fake_switch sw;

static struct {
	volatile bool before_allowed, after_allowed;
	uint64_t n_done;
	char before[65536], after[65536];
} * shared;

static unsigned countdown; /* steps until the child dies; 0: does not */

static void die_in_time(void)
{
	if (countdown > 0 && --countdown == 0)
		raise(SIGKILL);
}

static void on_step(void *ctx, enum conf_step step)
{
	die_in_time();
}

static int dying_apply(void *ctx, const json_t *before, const json_t *after, bool starting,
		       struct err *err)
{
	die_in_time();
	return fake_apply(ctx, before, after, starting, err);
}

static const struct conf_ops dying_ops = {.check = fake_check, .apply = dying_apply};

static void put_text(char *to, const json_t *state)
{
	char *text = conf_text_format(state);

	snprintf(to, sizeof(shared->before), "%s", text);
	free(text);
}

/* Tells, commits, tells.  'confirm_ms' > 0: only until confirmed. */
static void commit_telling(struct conf *conf, const json_t *next, uint64_t confirm_ms)
{
	struct err err = {0};

	/* At each moment one of the texts that are allowed is the state: kill -9 comes here too. */
	put_text(shared->before, conf_state(conf));
	shared->before_allowed = true;
	shared->after_allowed = false;
	put_text(shared->after, next);
	shared->after_allowed = confirm_ms == 0;
	if (conf_commit(conf, next, "tester", "change", false, confirm_ms, NULL, &err) != 0)
		_exit(1);
	if (confirm_ms == 0)
		shared->before_allowed = false;
	shared->n_done++;
}

static void child_changes(unsigned steps, uint64_t seed, unsigned n_changes)
{
	struct random r = {seed};
	struct ctl_server server = {0};
	static const struct conf_binding none[] = {{NULL, NULL, NULL}};
	struct store *store;
	struct conf *conf;
	struct err err;

	countdown = 0;
	if (store_open(folder.store, &store, NULL, &err) != 0 ||
	    conf_create(NULL, store, &dying_ops, &sw, &conf, &err) != 0 ||
	    conf_bind(conf, &server, none, &err) != 0)
		_exit(2);
	conf_on_step(conf, on_step, NULL);
	countdown = steps;
	if (conf_start(conf, NULL, &err) != 0)
		_exit(3);
	while (n_changes-- > 0) {
		json_t *next = json_deep_copy(conf_state(conf));
		bool waits = random_below(&r, 4) == 0;
		char name[16];

		snprintf(name, sizeof(name), "t%u", random_below(&r, 20));
		if (state_get(next, "tenant", name) != NULL)
			state_drop(next, "tenant", name);
		else
			state_put(next, "tenant", name,
				  json_pack("{s:s, s:i}", "name", name, "id",
					    1 + (int)random_below(&r, 99999)));
		commit_telling(conf, next, waits ? 1000000 : 0);
		if (waits) {
			shared->after_allowed = true;
			if (run_line(&server, (struct ctl_call){0}, "config confirm", NULL, NULL,
				     &err) != 0)
				_exit(4);
			shared->before_allowed = false;
		}
		json_decref(next);
	}
	conf_destroy(conf);
	store_close(store);
	_exit(0);
}

/* The next start: returns the revision found. */
static uint64_t assert_whole(const char *how, uint64_t n)
{
	struct store *store = must_open(folder.store, NULL);
	struct err err = {0};
	struct conf *conf;
	char found[sizeof(shared->before)];
	json_t *state;
	uint64_t revision;

	fake_switch_reset(&sw);
	assert_int_equal(conf_create(NULL, store, &fake_ops, &sw, &conf, &err), 0);
	if (conf_start(conf, NULL, &err) != 0)
		fail_msg("%s %llu: %s", how, (unsigned long long)n, err.what);
	put_text(found, conf_state(conf));
	if (!(shared->before_allowed && strcmp(found, shared->before) == 0) &&
	    !(shared->after_allowed && strcmp(found, shared->after) == 0))
		fail_msg("%s %llu: found\n%s\nbefore %d\n%s\nafter %d\n%s", how,
			 (unsigned long long)n, found, shared->before_allowed, shared->before,
			 shared->after_allowed, shared->after);
	assert_true(json_equal(sw.running, conf_state(conf)));
	revision = conf_revision(conf);
	assert_int_equal(store_state_at(store, revision, &state, &err), 0);
	assert_true(json_equal(state, conf_state(conf)));
	json_decref(state);
	if (revision > 0) {
		assert_int_equal(store_state_at(store, revision - 1, &state, &err), 0);
		json_decref(state);
	}
	assert_null(store_note_get(store, "unconfirmed"));
	conf_destroy(conf);
	store_close(store);
	/* What was found is where the next one starts. */
	snprintf(shared->before, sizeof(shared->before), "%s", found);
	shared->before_allowed = true;
	shared->after_allowed = false;
	return revision;
}

static int setup(void **unused)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	memset(shared, 0, sizeof(*shared));
	shared->before_allowed = true;
	folder_make(&folder);
	fake_switch_reset(&sw);
	return shared == MAP_FAILED;
}

static int teardown(void **unused)
{
	munmap(shared, sizeof(*shared));
	folder_drop(&folder);
	json_decref(sw.running);
	sw.running = NULL;
	return 0;
}

static void kill_at_each_step_of_a_change_leaves_all_or_nothing(void **unused)
{
	unsigned n_killed = 0;

	for (unsigned i = 0; i < N_STEPS; i++) {
		int status;
		pid_t pid;

		fake_switch_reset(&sw);
		pid = fork();
		if (pid == 0)
			child_changes(1 + i % 40, 1000 + i, 8);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0)
			fail_msg("the child failed with %d", WEXITSTATUS(status));
		n_killed += WIFSIGNALED(status);
		assert_whole("step", i);
	}
	print_message("%u killed at a step, %llu changes done\n", n_killed,
		      (unsigned long long)shared->n_done);
	assert_in_range(n_killed, N_STEPS / 2, N_STEPS);
	assert_in_range(shared->n_done, N_STEPS / 2, 1000000);
}

static void kill_at_any_moment_leaves_all_or_nothing(void **unused)
{
	struct random r = {0xc0ffee};
	uint64_t revision = 0;

	for (unsigned i = 0; i < N_KILLS; i++) {
		int status;
		pid_t pid;

		fake_switch_reset(&sw);
		pid = fork();
		if (pid == 0)
			child_changes(0, 5000 + i, 1000000);
		usleep(1000 + random_below(&r, 8000));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		revision = assert_whole("kill", i);
	}
	print_message("%u kills over %llu changes, revision %llu\n", N_KILLS,
		      (unsigned long long)shared->n_done, (unsigned long long)revision);
	assert_in_range(shared->n_done, N_KILLS / 4, 10000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kill_at_each_step_of_a_change_leaves_all_or_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(kill_at_any_moment_leaves_all_or_nothing, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("conf crash", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket in the file system, one daemon a path, and who may use it.  What needs other
 * users is tried when the test runs as root and skipped otherwise.
 */
#include "tests/unit/ctl/control_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#define NOBODY 65534
#define GROUP  54321 /* Nobody's. */

/* A server that is never run: what a path needs happens when it is made. */
static int create(const struct fix *fix, const char *group, struct event_base *base,
		  struct ctl_server **ret, struct err *err)
{
	const struct ctl_server_opts opts = {.path = fix->path, .group = group, .specs = fix_specs};

	return ctl_server_create(base, &opts, ret, err);
}

static void expect_created(const struct fix *fix)
{
	struct event_base *base = event_base_new();
	struct ctl_server *server = NULL;
	struct err err;

	assert_int_equal(create(fix, NULL, base, &server, &err), 0);
	ctl_server_destroy(server);
	event_base_free(base);
	assert_int_equal(access(fix->path, F_OK), -1);
}

static void expect_refused(const struct fix *fix, const char *group, int rc, const char *slug)
{
	struct event_base *base = event_base_new();
	struct ctl_server *server = NULL;
	struct err err;

	assert_int_equal(create(fix, group, base, &server, &err), rc);
	assert_null(server);
	assert_string_equal(err.slug, slug);
	event_base_free(base);
}

/* A socket of somebody who does not know of our lock. */
static int foreign_socket(const char *path, bool listens)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	if (listens)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void second_daemon_is_refused_and_the_first_goes_on(void **state)
{
	struct ctl_server *server = NULL;
	struct event_base *base;
	struct raw raw;
	struct fix fix;
	struct err err;
	char pid[32];

	fix_start(&fix, NULL);
	base = event_base_new();
	assert_int_equal(create(&fix, NULL, base, &server, &err), -EADDRINUSE);
	assert_string_equal(err.slug, "already-running");
	snprintf(pid, sizeof(pid), "process %d has it", getpid());
	assert_string_equal(err.why, pid);
	event_base_free(base);
	raw_open(&raw, fix.path);
	raw_expect_alive(&raw);
	raw_close(&raw);
	/* Also when the socket itself was deleted: the first is still there. */
	assert_int_equal(unlink(fix.path), 0);
	expect_refused(&fix, NULL, -EADDRINUSE, "already-running");
	fix_stop(&fix);
}

static void stale_socket_is_replaced(void **state)
{
	struct fix fix;

	fix_dir_create(&fix);
	close(foreign_socket(fix.path, true));
	expect_created(&fix);
	fix_dir_destroy(&fix);
	assert_int_equal(fix_count_fds(), fix.n_fds);
}

static void daemon_that_was_killed_is_replaced(void **state)
{
	int ready[2], status;
	char byte;
	struct fix fix;
	pid_t pid;

	fix_dir_create(&fix);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct event_base *base = event_base_new();
		struct ctl_server *server;
		struct err err;

		if (create(&fix, NULL, base, &server, &err) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	expect_refused(&fix, NULL, -EADDRINUSE, "already-running");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(access(fix.path, F_OK), 0);
	expect_created(&fix);
	close(ready[0]);
	close(ready[1]);
	fix_dir_destroy(&fix);
}

/* A killed daemon keeps its lock for as long as the kernel takes its memory apart. */
static void daemon_that_is_dying_is_waited_for(void **state)
{
	int ready[2], status;
	char byte;
	struct fix fix;
	pid_t pid;

	fix_dir_create(&fix);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct event_base *base = event_base_new();
		struct ctl_server *server;
		struct err err;

		if (create(&fix, NULL, base, &server, &err) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		usleep(100000);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	expect_created(&fix);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(ready[0]);
	close(ready[1]);
	fix_dir_destroy(&fix);
}

static void socket_that_somebody_else_serves_is_left_alone(void **state)
{
	struct fix fix;
	int fd;

	fix_dir_create(&fix);
	fd = foreign_socket(fix.path, true);
	expect_refused(&fix, NULL, -EADDRINUSE, "already-running");
	assert_int_equal(access(fix.path, F_OK), 0);
	close(fd);
	fix_dir_destroy(&fix);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	char text[16] = "";
	struct fix fix;
	int fd;

	fix_dir_create(&fix);
	fd = open(fix.path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
	expect_refused(&fix, NULL, -EEXIST, "not-a-socket");
	fd = open(fix.path, O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 8);
	assert_string_equal(text, "precious");
	close(fd);
	/* Nor is a link followed to what may be anybody's. */
	assert_int_equal(unlink(fix.path), 0);
	assert_int_equal(symlink("/dev/null", fix.path), 0);
	expect_refused(&fix, NULL, -EEXIST, "not-a-socket");
	fix_dir_destroy(&fix);
}

static void bad_paths_are_refused(void **state)
{
	struct event_base *base;
	struct ctl_server_opts opts = {.specs = fix_specs};
	char path[200];
	struct ctl_server *server = NULL;
	struct fix fix;
	struct err err;

	fix_dir_create(&fix);
	base = event_base_new();
	opts.path = path;
	snprintf(path, sizeof(path), "%s/a/b/control.sock", fix.dir);
	assert_int_equal(ctl_server_create(base, &opts, &server, &err), -ENOENT);
	assert_string_equal(err.slug, "socket-failed");
	path[0] = '\0';
	assert_int_equal(ctl_server_create(base, &opts, &server, &err), -ENAMETOOLONG);
	assert_string_equal(err.slug, "bad-path");
	/* 107 bytes fit an address; the directory is missing then. */
	for (size_t n = 107; n <= 109; n++) {
		memset(path, 'x', sizeof(path));
		path[snprintf(path, sizeof(path), "%s/a/b/", fix.dir)] = 'x';
		path[n] = '\0';
		assert_int_equal(ctl_server_create(base, &opts, &server, &err),
				 n == 107 ? -ENOENT : -ENAMETOOLONG);
	}
	assert_null(server);
	event_base_free(base);
	fix_dir_destroy(&fix);
	assert_int_equal(fix_count_fds(), fix.n_fds);
}

static void missing_directory_is_made(void **state)
{
	char lock[128], dir[80];
	struct fix fix;

	fix_dir_create(&fix);
	snprintf(dir, sizeof(dir), "%s/run", fix.dir);
	snprintf(fix.path, sizeof(fix.path), "%s/c.sock", dir);
	expect_created(&fix);
	snprintf(lock, sizeof(lock), "%s.lock", fix.path);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(rmdir(dir), 0);
	fix_dir_destroy(&fix);
}

static void end_of_the_daemon_removes_only_its_own_socket(void **state)
{
	struct event_base *base = event_base_new();
	struct ctl_server *server;
	struct fix fix;
	struct err err;
	int fd;

	fix_dir_create(&fix);
	assert_int_equal(create(&fix, NULL, base, &server, &err), 0);
	assert_int_equal(unlink(fix.path), 0);
	fd = foreign_socket(fix.path, true);
	ctl_server_destroy(server);
	assert_int_equal(access(fix.path, F_OK), 0);
	close(fd);
	event_base_free(base);
	fix_dir_destroy(&fix);
}

static void socket_is_closed_to_others(void **state)
{
	struct event_base *base = event_base_new();
	struct ctl_server *server;
	mode_t before;
	struct stat st;
	struct fix fix;
	struct err err;
	char gid[32];

	fix_dir_create(&fix);
	/* Whatever the umask says. */
	before = umask(0);
	assert_int_equal(create(&fix, NULL, base, &server, &err), 0);
	assert_int_equal(stat(fix.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	ctl_server_destroy(server);
	umask(0777);
	snprintf(gid, sizeof(gid), "%u", getuid() == 0 ? GROUP : getgid());
	assert_int_equal(create(&fix, gid, base, &server, &err), 0);
	assert_int_equal(stat(fix.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_gid, getuid() == 0 ? GROUP : getgid());
	ctl_server_destroy(server);
	umask(before);
	event_base_free(base);
	fix_dir_destroy(&fix);
}

static void group_that_does_not_exist_is_refused(void **state)
{
	static const char *const groups[] = {"no-such-group-here",  "", "-1", "12x", "4294967295",
					     "99999999999999999999"};
	struct fix fix;

	fix_dir_create(&fix);
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		expect_refused(&fix, groups[i], -ENOENT, "no-group");
	fix_dir_destroy(&fix);
}

/* Users */

struct user {
	uid_t uid;
	gid_t gid, others[2];
	unsigned n_others;
};

/* What happens when 'user' calls: 0, or the errno of the refusal. */
static int call_as(const struct fix *fix, const struct user *user)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct ctl_client *client;
		struct err err;
		int rc;

		if (setgroups(user->n_others, user->others) != 0 ||
		    setresgid(user->gid, user->gid, user->gid) != 0 ||
		    setresuid(user->uid, user->uid, user->uid) != 0)
			_exit(255);
		rc = ctl_client_open(fix->path, 5000, &client, &err);
		if (rc == 0)
			rc = ctl_client_call(client, "thing.list", NULL, NULL, NULL, &err);
		if (rc == -EACCES && strcmp(err.slug, "not-permitted") != 0)
			rc = -EINVAL;
		_exit(-rc);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void only_root_and_the_group_may_call(void **state)
{
	static const struct user member = {NOBODY, NOBODY, {1, GROUP}, 2},
				 primary = {NOBODY, GROUP, {0}, 0},
				 other = {NOBODY, NOBODY, {1, GROUP + 1}, 2}, root = {0, 0, {0}, 0};
	const struct ctl_server_opts opts = {.group = "54321"};
	struct fix fix;

	if (getuid() != 0)
		skip();
	fix_start(&fix, &opts);
	assert_int_equal(call_as(&fix, &root), 0);
	assert_int_equal(call_as(&fix, &member), 0);
	assert_int_equal(call_as(&fix, &primary), 0);
	/* First the file's mode keeps others out. */
	assert_int_equal(call_as(&fix, &other), EACCES);
	assert_int_equal(fix_stat(&fix, "refused"), 0);
	/* And when somebody opened it, the server does. */
	assert_int_equal(chmod(fix.path, 0666), 0);
	assert_int_equal(call_as(&fix, &other), EACCES);
	assert_int_equal(fix_stat(&fix, "refused"), 1);
	assert_int_equal(call_as(&fix, &member), 0);
	fix_stop(&fix);
}

static void without_a_group_only_root_may_call(void **state)
{
	static const struct user other = {NOBODY, NOBODY, {0}, 1}, root = {0, 0, {0}, 0};
	struct fix fix;

	if (getuid() != 0)
		skip();
	fix_start(&fix, NULL);
	assert_int_equal(chmod(fix.path, 0666), 0);
	assert_int_equal(call_as(&fix, &root), 0);
	/* Group 0 is not root. */
	assert_int_equal(call_as(&fix, &other), EACCES);
	assert_int_equal(fix_stat(&fix, "refused"), 1);
	fix_stop(&fix);
}

static void member_with_many_groups_may_call(void **state)
{
	enum { N = 200 };
	const struct ctl_server_opts opts = {.group = "54321"};
	gid_t groups[N];
	int status;
	struct fix fix;
	pid_t pid;

	if (getuid() != 0)
		skip();
	for (unsigned i = 0; i < N; i++)
		groups[i] = GROUP - N + 1 + i;
	fix_start(&fix, &opts);
	pid = fork();
	if (pid == 0) {
		struct ctl_client *client;
		struct err err;

		if (setgroups(N, groups) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
		    setresuid(NOBODY, NOBODY, NOBODY) != 0)
			_exit(255);
		_exit(ctl_client_open(fix.path, 5000, &client, &err) != 0 ||
		      ctl_client_call(client, "thing.list", NULL, NULL, NULL, &err) != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	fix_stop(&fix);
}

static void places_are_kept_for_root(void **state)
{
	const struct ctl_server_opts opts = {.group = "54321", .max_clients = 16};
	static const struct user member = {NOBODY, NOBODY, {GROUP}, 1}, root = {0, 0, {0}, 0};
	struct raw raws[15];
	struct fix fix;

	if (getuid() != 0)
		skip();
	fix_start(&fix, &opts);
	for (int i = 0; i < 15; i++) {
		raw_open(&raws[i], fix.path);
		raw_expect_alive(&raws[i]);
	}
	assert_int_equal(call_as(&fix, &member), EBUSY);
	assert_int_equal(call_as(&fix, &root), 0);
	for (int i = 0; i < 15; i++)
		raw_close(&raws[i]);
	fix_stop(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_daemon_is_refused_and_the_first_goes_on),
		cmocka_unit_test(stale_socket_is_replaced),
		cmocka_unit_test(daemon_that_was_killed_is_replaced),
		cmocka_unit_test(daemon_that_is_dying_is_waited_for),
		cmocka_unit_test(socket_that_somebody_else_serves_is_left_alone),
		cmocka_unit_test(what_is_no_socket_is_left_alone),
		cmocka_unit_test(bad_paths_are_refused),
		cmocka_unit_test(missing_directory_is_made),
		cmocka_unit_test(end_of_the_daemon_removes_only_its_own_socket),
		cmocka_unit_test(socket_is_closed_to_others),
		cmocka_unit_test(group_that_does_not_exist_is_refused),
		cmocka_unit_test(only_root_and_the_group_may_call),
		cmocka_unit_test(without_a_group_only_root_may_call),
		cmocka_unit_test(member_with_many_groups_may_call),
		cmocka_unit_test(places_are_kept_for_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

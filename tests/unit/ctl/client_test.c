/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control client against a daemon that is not there, not well, or not ours.
 */
#include "tests/unit/ctl/control_fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void missing_daemon_is_unreachable_with_a_fix(void **state)
{
	struct ctl_client *client = NULL;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct fix fix;
	struct err err;
	int fd;

	fix_dir_create(&fix);
	assert_int_equal(ctl_client_open(fix.path, 1000, &client, &err), -ENOENT);
	assert_string_equal(err.slug, "daemon-unreachable");
	assert_string_equal(err.fix, "systemctl start vswitchd");
	/* One that died and left its socket. */
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", fix.path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	assert_int_equal(ctl_client_open(fix.path, 1000, &client, &err), -ECONNREFUSED);
	assert_string_equal(err.slug, "daemon-unreachable");
	assert_string_equal(err.fix, "systemctl start vswitchd");
	assert_null(client);
	fix_dir_destroy(&fix);
	assert_int_equal(fix_count_fds(), fix.n_fds);
}

static void socket_one_may_not_use_says_how_to_be_allowed(void **state)
{
	struct ctl_client *client;
	struct fix fix;
	struct err err;
	int status;
	pid_t pid;

	fix_start(&fix, NULL);
	assert_int_equal(chmod(fix.path, 0), 0);
	pid = fork();
	if (pid == 0) {
		if (getuid() == 0 &&
		    (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0))
			_exit(2);
		_exit(ctl_client_open(fix.path, 1000, &client, &err) != -EACCES ||
		      strcmp(err.slug, "not-permitted") != 0 ||
		      strstr(err.fix, "usermod -aG vswitch") == NULL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(chmod(fix.path, 0600), 0);
	fix_stop(&fix);
}

static void path_that_does_not_fit_is_refused(void **state)
{
	struct ctl_client *client;
	struct err err;
	char path[300];

	memset(path, 'x', sizeof(path));
	path[299] = '\0';
	assert_int_equal(ctl_client_open(path, 1000, &client, &err), -ENAMETOOLONG);
	path[108] = '\0';
	assert_int_equal(ctl_client_open(path, 1000, &client, &err), -ENAMETOOLONG);
	path[107] = '\0';
	assert_int_equal(ctl_client_open(path, 1000, &client, &err), -ENOENT);
}

static void answer_that_comes_too_late_is_not_taken_for_the_next(void **state)
{
	json_t *params = json_pack("{s:i}", "number", 400), *result = NULL;
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	assert_int_equal(ctl_client_open(fix.path, 150, &client, &err), 0);
	assert_int_equal(ctl_client_call(client, "nap.take", params, NULL, &result, &err),
			 -ETIMEDOUT);
	assert_string_equal(err.slug, "timeout");
	assert_null(result);
	usleep(400000);
	assert_int_equal(ctl_client_call(client, "who.show", NULL, NULL, &result, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "pid")), getpid());
	json_decref(result);
	json_decref(params);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void big_call_and_big_answer_pass(void **state)
{
	json_t *params = json_pack("{s:i}", "number", 8 * 1024 * 1024), *result = NULL;
	struct ctl_client *client;
	struct fix fix;
	struct err err;
	char *text;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "blob.get", params, NULL, &result, &err), 0);
	assert_int_equal(json_string_length(json_object_get(result, "blob")), 8 * 1024 * 1024);
	json_decref(result);
	json_decref(params);
	/* A call over the server's limit: the client is told why, not that a pipe broke. */
	text = malloc(5 * 1024 * 1024);
	memset(text, 'x', 5 * 1024 * 1024 - 1);
	text[5 * 1024 * 1024 - 1] = '\0';
	params = json_pack("{s:s}", "text", text);
	assert_int_equal(ctl_client_call(client, "out.write", params, NULL, NULL, &err), -EMSGSIZE);
	assert_string_equal(err.slug, "message-too-big");
	assert_int_equal(ctl_client_call(client, "thing.list", NULL, NULL, NULL, &err),
			 -ECONNRESET);
	assert_string_equal(err.slug, "daemon-gone");
	free(text);
	json_decref(params);
	ctl_client_close(client);
	fix_stop(&fix);
}

/* The daemon takes no call while much waits for us: a client that only sends would wait for ever.
 */
static void call_passes_on_a_connection_full_of_notifications(void **state)
{
	json_t *params = json_pack("{s:i, s:i}", "number", 900, "size", 1000), *big, *notification;
	struct ctl_client *client;
	struct fix fix;
	struct err err;
	char *text = malloc(2 * 1024 * 1024);

	memset(text, 'x', 2 * 1024 * 1024 - 1);
	text[2 * 1024 * 1024 - 1] = '\0';
	big = json_pack("{s:s}", "text", text);
	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "tick.watch", params, NULL, NULL, &err), 0);
	/* Refused for what it says, thus taken. */
	assert_int_equal(ctl_client_call(client, "out.write", big, NULL, NULL, &err), -EINVAL);
	for (int i = 0; i < 900; i++) {
		assert_int_equal(ctl_client_next(client, FIX_WAIT_MS, &notification, &err), 0);
		assert_int_equal(json_integer_value(
					 json_object_get(json_object_get(notification, "params"),
							 "at")),
				 i);
		json_decref(notification);
	}
	assert_int_equal(ctl_client_next(client, 0, &notification, &err), -ETIMEDOUT);
	json_decref(params);
	json_decref(big);
	free(text);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void too_many_descriptors_are_not_sent(void **state)
{
	int fds[9] = {0};
	const struct ctl_client_opts opts = {.fds = fds, .n_fds = 9};
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "out.ignore", NULL, &opts, NULL, &err), -EINVAL);
	assert_int_equal(ctl_client_call(client, "out.ignore", NULL, NULL, NULL, &err), 0);
	ctl_client_close(client);
	fix_stop(&fix);
}

/* A daemon that says what the test wants, then closes. */

struct fake {
	struct fix fix;
	int listen_fd;
	pid_t pid;
};

static void fake_start(struct fake *fake, const char *says)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char bytes[1000];
	int fd;

	fix_dir_create(&fake->fix);
	fake->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", fake->fix.path);
	assert_int_equal(bind(fake->listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fake->listen_fd, 1), 0);
	fake->pid = fork();
	if (fake->pid != 0)
		return;
	fd = accept(fake->listen_fd, NULL, NULL);
	if (fd < 0 || read(fd, bytes, sizeof(bytes)) <= 0)
		_exit(1);
	_exit(write(fd, says, strlen(says)) != (ssize_t)strlen(says));
}

static int fake_call(const char *says, struct err *err)
{
	struct ctl_client *client;
	struct fake fake;
	int rc, status;

	fake_start(&fake, says);
	assert_int_equal(ctl_client_open(fake.fix.path, 5000, &client, err), 0);
	rc = ctl_client_call(client, "thing.list", NULL, NULL, NULL, err);
	ctl_client_close(client);
	assert_int_equal(waitpid(fake.pid, &status, 0), fake.pid);
	assert_int_equal(status, 0);
	close(fake.listen_fd);
	fix_dir_destroy(&fake.fix);
	return rc;
}

static void daemon_that_dies_or_babbles_is_gone(void **state)
{
	static const char *const all[] = {
		"",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"resu",
		"no json\n",
		"\n",
		"[]\n",
		"7\n",
		"{\"id\":2,\"result\":{}}\n",
		"{\"id\":\"1\",\"result\":{}}\n",
		"\xff\xfe\n",
	};
	struct err err;

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(fake_call(all[i], &err), -ECONNRESET);
		assert_string_equal(err.slug, "daemon-gone");
	}
	assert_int_equal(fake_call("garbage\n{\"id\":1,\"result\":{}}\n", &err), 0);
}

static void strange_errors_are_errors(void **state)
{
	static const struct {
		const char *says;
		int rc;
	} all[] = {
		{"{\"id\":1,\"error\":{\"data\":{\"errno\":\"ENOENT\"}}}\n", -ENOENT},
		{"{\"id\":1,\"error\":{\"data\":{\"errno\":\"EWHATEVER\"}}}\n", -EIO},
		{"{\"id\":1,\"error\":{\"data\":{\"errno\":7}}}\n", -EIO},
		{"{\"id\":1,\"error\":{}}\n", -EIO},
		{"{\"id\":1,\"error\":3}\n", -EIO},
		{"{\"id\":null,\"error\":{\"data\":{\"errno\":\"EBUSY\"}}}\n", -EBUSY},
	};
	struct err err;

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(fake_call(all[i].says, &err), all[i].rc);
		assert_int_equal(err.code, all[i].rc);
		assert_string_equal(err.why, "");
	}
}

static void daemon_that_goes_ends_the_wait_for_a_notification(void **state)
{
	json_t *params = json_pack("{s:i}", "number", 1), *notification = NULL;
	struct ctl_client *client;
	struct pollfd poll_fd;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "tick.watch", params, NULL, NULL, &err), 0);
	assert_int_equal(ctl_client_next(client, FIX_WAIT_MS, &notification, &err), 0);
	json_decref(notification);
	assert_int_equal(ctl_client_next(client, 30, &notification, &err), -ETIMEDOUT);
	poll_fd = (struct pollfd){.fd = ctl_client_fd(client), .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	fix.n_fds++; /* Ours. */
	fix_stop(&fix);
	assert_int_equal(ctl_client_next(client, -1, &notification, &err), -ECONNRESET);
	assert_string_equal(err.slug, "daemon-gone");
	json_decref(params);
	ctl_client_close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_daemon_is_unreachable_with_a_fix),
		cmocka_unit_test(socket_one_may_not_use_says_how_to_be_allowed),
		cmocka_unit_test(path_that_does_not_fit_is_refused),
		cmocka_unit_test(answer_that_comes_too_late_is_not_taken_for_the_next),
		cmocka_unit_test(big_call_and_big_answer_pass),
		cmocka_unit_test(call_passes_on_a_connection_full_of_notifications),
		cmocka_unit_test(too_many_descriptors_are_not_sent),
		cmocka_unit_test(daemon_that_dies_or_babbles_is_gone),
		cmocka_unit_test(strange_errors_are_errors),
		cmocka_unit_test(daemon_that_goes_ends_the_wait_for_a_notification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

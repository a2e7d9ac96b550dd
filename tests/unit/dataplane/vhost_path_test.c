/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Socket paths of vhost ports: good, bad, dead, alive.
 */
#include "dataplane/vhost_path.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], path[108];

static int setup(void **state)
{
	strcpy(dir, "/tmp/vhost-path-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static int listen_at(const char *at)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(sa.sun_path, at, strnlen(at, sizeof(sa.sun_path) - 1));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void expect(const char *p, bool server, int code, const char *what)
{
	struct err err = {0};

	assert_int_equal(dp_vhost_path_prepare(p, server, &err), code);
	if (code == 0)
		return;
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.what, what));
}

static void free_path_is_fine(void **state)
{
	expect(path, true, 0, "");
	expect(path, false, 0, "");
}

static void names_that_are_no_path_are_refused(void **state)
{
	expect(NULL, true, -EINVAL, "needs a socket");
	expect("", false, -EINVAL, "needs a socket");
	expect("relative/s", false, -EINVAL, "start with '/'");
}

static void path_of_108_bytes_is_too_long(void **state)
{
	char longer[200];

	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "/tmp/", 5);
	longer[107] = '\0';
	expect(longer, true, 0, "");
	longer[107] = 'x';
	longer[108] = '\0';
	expect(longer, true, -ENAMETOOLONG, "108 bytes");
}

static void missing_folder_is_told(void **state)
{
	char missing[108];
	struct err err = {0};

	snprintf(missing, sizeof(missing), "%s/no/s", dir);
	assert_int_equal(dp_vhost_path_prepare(missing, true, &err), -ENOENT);
	assert_non_null(strstr(err.fix, "mkdir"));
	expect("/etc/passwd/s", true, -ENOTDIR, "/etc/passwd");
}

static void dead_socket_is_replaced(void **state)
{
	close(listen_at(path));
	assert_int_equal(access(path, F_OK), 0);
	expect(path, true, 0, "");
	assert_int_equal(access(path, F_OK), -1);
}

static void living_socket_is_left_alone(void **state)
{
	int fd = listen_at(path);

	expect(path, true, -EADDRINUSE, "in use");
	assert_int_equal(access(path, F_OK), 0);
	expect(path, false, 0, ""); /* A client's peer. */
	close(fd);
}

static void file_is_never_removed(void **state)
{
	close(open(path, O_CREAT | O_WRONLY, 0600));
	expect(path, true, -EEXIST, "not a socket");
	expect(path, false, -EEXIST, "not a socket");
	assert_int_equal(access(path, F_OK), 0);
}

static void link_to_a_socket_is_no_socket_to_a_server(void **state)
{
	assert_int_equal(symlink("/nowhere/at/all", path), 0);
	expect(path, true, -EEXIST, "not a socket");
	expect(path, false, 0, "");
}

static void client_is_told_why_nobody_answers(void **state)
{
	assert_string_equal(dp_vhost_path_why_no_peer(path), "no socket there yet");
	close(listen_at(path));
	assert_string_equal(dp_vhost_path_why_no_peer(path), "nobody listens");
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_string_equal(dp_vhost_path_why_no_peer(path), "the file is not a socket");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(free_path_is_fine),
		T(names_that_are_no_path_are_refused),
		T(path_of_108_bytes_is_too_long),
		T(missing_folder_is_told),
		T(dead_socket_is_replaced),
		T(living_socket_is_left_alone),
		T(file_is_never_removed),
		T(link_to_a_socket_is_no_socket_to_a_server),
		T(client_is_told_why_nobody_answers),
	};

	return cmocka_run_group_tests_name("vhost_path", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Telling the service manager: a socket plays its part.
 */
#include "vswitch/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A datagram socket bound to 'name' ('@' first: abstract), which NOTIFY_SOCKET then names. */
static int manager_listen(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));

	assert_true(fd >= 0);
	assert_true(strlen(name) < sizeof(addr.sun_path));
	memcpy(addr.sun_path, name, strlen(name));
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, size), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void manager_hears(int fd, const char *want)
{
	char text[64] = "";
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	assert_int_equal(n, strlen(want));
	assert_string_equal(text, want);
	close(fd);
}

static void nobody_asked_is_no_error(void **state)
{
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(vs_notify("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	assert_int_equal(vs_notify("READY=1"), 0);
}

static void manager_is_told_on_a_path(void **state)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/tmp/vs-notify-test-%d", (int)getpid());
	fd = manager_listen(name);
	assert_int_equal(vs_notify("READY=1"), 1);
	manager_hears(fd, "READY=1");
	unlink(name);
}

static void manager_is_told_on_an_abstract_name(void **state)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "@vs-notify-test-%d", (int)getpid());
	fd = manager_listen(name);
	assert_int_equal(vs_notify("STOPPING=1"), 1);
	manager_hears(fd, "STOPPING=1");
}

static void name_that_is_no_socket_is_refused(void **state)
{
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];

	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(vs_notify("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nobody/listens/here", 1);
	assert_int_equal(vs_notify("READY=1"), -ENOENT);
	for (size_t size = sizeof(name) - 3; size < sizeof(name); size++) {
		memset(name, 'x', size);
		name[0] = '/';
		name[size] = '\0';
		setenv("NOTIFY_SOCKET", name, 1);
		/* The last byte of the address is not for the name, though the kernel would take
		 * it. */
		assert_int_equal(vs_notify("READY=1"), size < sizeof(name) - 1 ? -ENOENT : -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_asked_is_no_error),
		cmocka_unit_test(manager_is_told_on_a_path),
		cmocka_unit_test(manager_is_told_on_an_abstract_name),
		cmocka_unit_test(name_that_is_no_socket_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

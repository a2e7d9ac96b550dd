/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Descriptors that drivers wait for on the control thread.
 */
#include "dataplane/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/test_dp.h"

struct seen {
	struct dp *dp;
	int fd, n;
	struct dp_watch *watch, *other;
};

static void on_event(void *arg)
{
	struct seen *s = arg;
	eventfd_t value;

	s->n++;
	eventfd_read(s->fd, &value);
}

static void on_event_remove_both(void *arg)
{
	struct seen *s = arg;

	s->n++;
	dp_watch_remove(s->dp, s->watch);
	dp_watch_remove(s->dp, s->other);
}

static void who_waits_is_called_while_there_is_something(void **state)
{
	struct dp *dp = test_dp_create(1024);
	struct seen s = {.dp = dp, .fd = eventfd(0, EFD_NONBLOCK)};

	s.watch = dp_watch_add(dp, s.fd, on_event, &s);
	assert_non_null(s.watch);
	dp_watch_run(dp);
	assert_int_equal(s.n, 0);
	eventfd_write(s.fd, 1);
	dp_watch_run(dp);
	dp_watch_run(dp);
	assert_int_equal(s.n, 1);
	dp_watch_remove(dp, s.watch);
	eventfd_write(s.fd, 1);
	dp_watch_run(dp);
	assert_int_equal(s.n, 1);
	close(s.fd);
	test_dp_destroy(dp);
}

static void one_that_was_removed_meanwhile_is_not_called(void **state)
{
	struct dp *dp = test_dp_create(1024);
	struct seen a = {.dp = dp, .fd = eventfd(1, EFD_NONBLOCK)};
	struct seen b = {.dp = dp, .fd = eventfd(1, EFD_NONBLOCK)};

	a.watch = b.other = dp_watch_add(dp, a.fd, on_event_remove_both, &a);
	b.watch = a.other = dp_watch_add(dp, b.fd, on_event_remove_both, &b);
	dp_watch_run(dp);
	assert_int_equal(a.n + b.n, 1);
	dp_watch_run(dp);
	assert_int_equal(a.n + b.n, 1);
	close(a.fd);
	close(b.fd);
	test_dp_destroy(dp);
}

static void what_cannot_be_waited_for_is_refused(void **state)
{
	struct dp *dp = test_dp_create(1024);

	assert_null(dp_watch_add(dp, -1, on_event, NULL));
	dp_watch_remove(dp, NULL);
	test_dp_destroy(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_is_called_while_there_is_something),
		cmocka_unit_test(one_that_was_removed_meanwhile_is_not_called),
		cmocka_unit_test(what_cannot_be_waited_for_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

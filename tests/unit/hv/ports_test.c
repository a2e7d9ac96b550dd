/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/ports.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

struct state {
	struct hv_ports ports;
	int fd[2];
};

static int setup(void **state)
{
	static struct state s;

	hv_ports_init(&s.ports);
	s.fd[0] = eventfd(0, EFD_NONBLOCK);
	s.fd[1] = eventfd(0, EFD_NONBLOCK);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	hv_ports_fini(&s->ports);
	close(s->fd[0]);
	close(s->fd[1]);
	return 0;
}

static unsigned written(int fd)
{
	eventfd_t n = 0;

	return eventfd_read(fd, &n) < 0 ? 0 : (unsigned)n;
}

static void signal_reaches_who_listens(void **state)
{
	struct state *s = *state;
	int old;

	assert_int_equal(hv_ports_signal(&s->ports, 7), -ENOENT);
	assert_int_equal(hv_ports_set(&s->ports, 7, s->fd[0], &old), 0);
	assert_int_equal(old, -1);
	assert_int_equal(hv_ports_signal(&s->ports, 7), 0);
	assert_int_equal(written(s->fd[0]), 1);
	assert_int_equal(hv_ports_set(&s->ports, 7, s->fd[1], &old), 0);
	assert_int_equal(old, s->fd[0]);
	assert_int_equal(hv_ports_signal(&s->ports, 7), 0);
	assert_int_equal(written(s->fd[0]), 0);
	assert_int_equal(written(s->fd[1]), 1);
	assert_int_equal(hv_ports_set(&s->ports, 7, -1, &old), 0);
	assert_int_equal(old, s->fd[1]);
	assert_int_equal(hv_ports_signal(&s->ports, 7), -ENOENT);
	assert_int_equal(hv_ports_set(&s->ports, 7, -1, &old), 0);
	assert_int_equal(old, -1);
}

static void many_ids_in_any_order_are_found_up_to_the_limit(void **state)
{
	struct state *s = *state;
	int old;

	for (uint32_t i = 0; i < HV_MAX_PORTS; i++)
		assert_int_equal(hv_ports_set(&s->ports, i * 2654435761u, s->fd[0], &old), 0);
	assert_int_equal(hv_ports_set(&s->ports, 1, s->fd[0], &old), -ENOSPC);
	for (uint32_t i = 0; i < HV_MAX_PORTS; i += 2)
		assert_int_equal(hv_ports_set(&s->ports, i * 2654435761u, -1, &old), 0);
	for (uint32_t i = 0; i < HV_MAX_PORTS; i++)
		assert_int_equal(hv_ports_signal(&s->ports, i * 2654435761u),
				 i % 2 == 0 ? -ENOENT : 0);
	assert_int_equal(written(s->fd[0]), HV_MAX_PORTS / 2);
	assert_int_equal(hv_ports_set(&s->ports, 1, s->fd[0], &old), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(signal_reaches_who_listens, setup, teardown),
		cmocka_unit_test_setup_teardown(many_ids_in_any_order_are_found_up_to_the_limit,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

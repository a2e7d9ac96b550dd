/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The book of bindings under several threads that bind, renew, unbind and look up the same
 * addresses at once: what is read is whole, nobody's binding is lost or stays, and no address ends
 * up with two owners.  No DPDK is linked, so that it runs under ThreadSanitizer.
 */
#include "dataplane/guard_book.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_THREADS 4u
#define N_IPS	  48u
#define N_ROUNDS  40000u
#define WHERE	  dp_guard_where(5, 6)

static struct dp_guard_book *book;
static _Atomic unsigned n_wrong;

static struct dp_ip ip_of(unsigned i)
{
	struct dp_ip ip = {.v6 = (i & 1) != 0};

	ip.b[0] = 10;
	ip.b[3] = (uint8_t)i;
	return ip;
}

/* A binding whose every part says whose and which it is. */
static struct dp_guard_binding binding_of(unsigned i, uint16_t port)
{
	return (struct dp_guard_binding){.ip = ip_of(i),
					 .mac = {2, (uint8_t)port, 0, 0, 0, (uint8_t)i},
					 .port = port,
					 .domain = 5,
					 .vlan = 6,
					 .how = DP_GUARD_DHCP4,
					 .until_ms = 1000000u + i};
}

static bool is_whole(const struct dp_guard_binding *b)
{
	const struct dp_guard_binding want = binding_of(b->mac[5], b->mac[1]);

	return b->port == want.port && b->how == want.how && b->until_ms == want.until_ms &&
	       b->domain == 5 && b->vlan == 6 && dp_ip_equal(&b->ip, &want.ip);
}

static uint32_t next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void *work(void *arg)
{
	const uint16_t port = (uint16_t)(uintptr_t)arg;
	uint32_t state = port * 77u + 1;
	bool mine[N_IPS] = {false};

	for (unsigned round = 0; round < N_ROUNDS; round++) {
		unsigned i = next(&state) % N_IPS;
		const struct dp_ip ip = ip_of(i);
		const struct dp_guard_binding b = binding_of(i, port);
		struct dp_guard_binding seen;
		int rc;

		switch (next(&state) % 4) {
		case 0:
		case 1:
			rc = dp_guard_book_bind(book, &b, 0, 1);
			if (mine[i] ? rc != 0 && rc != -EEXIST
				    : rc != 0 && rc != -EEXIST && rc != -EAGAIN)
				n_wrong++;
			mine[i] |= rc == 0;
			break;
		case 2:
			if ((dp_guard_book_unbind(book, WHERE, &ip, port) == 0) != mine[i])
				n_wrong++;
			mine[i] = false;
			break;
		default:
			if (dp_guard_book_others(book, WHERE, &ip, port, 1, &seen) != 0 &&
			    (!is_whole(&seen) || seen.port == port))
				n_wrong++;
			if (dp_guard_book_has(book, WHERE, &ip, port, 1, &seen) != mine[i] ||
			    (mine[i] && !is_whole(&seen)))
				n_wrong++;
			break;
		}
		dp_guard_book_ask(book, WHERE, b.mac, i, port, round);
		if (dp_guard_book_asker(book, WHERE, b.mac, i, round) != port)
			n_wrong++;
	}
	for (unsigned i = 0; i < N_IPS; i++) {
		const struct dp_ip ip = ip_of(i);

		if (dp_guard_book_has(book, WHERE, &ip, port, 1, NULL) != mine[i])
			n_wrong++;
	}
	return NULL;
}

static void look_whole(void *arg, const struct dp_guard_binding *b)
{
	if (!is_whole(b))
		n_wrong++;
}

static void everybody_reads_whole_bindings_and_keeps_their_own(void **state)
{
	pthread_t threads[N_THREADS];
	uint32_t n = 0;

	for (uintptr_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
	/* The control thread meanwhile. */
	for (unsigned i = 0; i < 50; i++) {
		dp_guard_book_each(book, DP_GUARD_ALL_PORTS, look_whole, NULL);
		dp_guard_book_expire(book, 1);
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(n_wrong, 0);
	for (unsigned i = 0; i < N_IPS; i++) {
		const struct dp_ip ip = ip_of(i);
		unsigned owners = dp_guard_book_others(book, WHERE, &ip, 0, 1, NULL);

		assert_true(owners <= 1);
		n += owners;
	}
	assert_int_equal(dp_guard_book_each(book, DP_GUARD_ALL_PORTS, NULL, NULL), n);
	for (uint16_t port = 1; port <= N_THREADS; port++)
		dp_guard_book_port_gone(book, port);
	assert_int_equal(dp_guard_book_each(book, DP_GUARD_ALL_PORTS, NULL, NULL), 0);
}

/* Workers of one port. */
static void *work_on_one_port(void *arg)
{
	uint32_t state = (uint32_t)(uintptr_t)arg * 77u + 1;

	for (unsigned round = 0; round < N_ROUNDS; round++) {
		const struct dp_guard_binding b = binding_of(next(&state) % 8, 1);

		if (next(&state) % 2 == 0)
			(void)dp_guard_book_bind(book, &b, 0, 1);
		else
			(void)dp_guard_book_unbind(book, WHERE, &b.ip, 1);
	}
	return NULL;
}

static void what_several_bound_at_once_is_unbound_once(void **state)
{
	pthread_t threads[N_THREADS];

	for (uintptr_t i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work_on_one_port, (void *)i), 0);
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 8; i++) {
		const struct dp_ip ip = ip_of(i);

		(void)dp_guard_book_unbind(book, WHERE, &ip, 1);
		assert_false(dp_guard_book_has(book, WHERE, &ip, 1, 1, NULL));
	}
	assert_int_equal(dp_guard_book_each(book, 1, NULL, NULL), 0);
	/* And the port may have as many as ever. */
	for (unsigned i = 0; i < 8; i++) {
		const struct dp_guard_binding b = binding_of(i, 1);

		assert_int_equal(dp_guard_book_bind(book, &b, 4, 1), i < 4 ? 0 : -ENOSPC);
	}
	dp_guard_book_port_gone(book, 1);
}

static void a_full_book_says_so_and_takes_again_what_goes(void **state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < DP_GUARD_BOOK_SIZE; i++) {
		const struct dp_guard_binding b = {.ip = {.v4 = i + 1}, .port = 1, .how = 1};
		int rc = dp_guard_book_bind(book, &b, 0, 1);

		if (rc == 0)
			n++;
		else
			assert_int_equal(rc, -ENOSPC);
	}
	/* Two places to choose from fill it well. */
	assert_in_range(n, DP_GUARD_BOOK_SIZE / 10 * 8, DP_GUARD_BOOK_SIZE);
	assert_int_equal(dp_guard_book_each(book, 1, NULL, NULL), n);
	for (uint32_t i = 0; i < DP_GUARD_BOOK_SIZE; i++) {
		const struct dp_ip ip = {.v4 = i + 1};

		if (dp_guard_book_has(book, 0, &ip, 1, 1, NULL))
			n--;
	}
	assert_int_equal(n, 0);
	dp_guard_book_port_gone(book, 1);
	assert_int_equal(dp_guard_book_each(book, 1, NULL, NULL), 0);
}

static void limits_are_of_a_port(void **state)
{
	for (uint32_t i = 0; i < 10; i++) {
		struct dp_guard_binding b = {.ip = {.v4 = i + 1}, .port = 1, .how = 1};

		assert_int_equal(dp_guard_book_bind(book, &b, 5, 1), i < 5 ? 0 : -ENOSPC);
		b.ip.v4 += 100;
		b.port = 2;
		assert_int_equal(dp_guard_book_bind(book, &b, 5, 1), i < 5 ? 0 : -ENOSPC);
	}
	/* What is over is free again. */
	dp_guard_book_port_gone(book, 1);
	for (uint32_t i = 0; i < 10; i++) {
		const struct dp_guard_binding b = {.ip = {.v4 = i + 1},
						   .port = 1,
						   .how = 1,
						   .until_ms = 5};

		assert_int_equal(dp_guard_book_bind(book, &b, 5, 1), i < 5 ? 0 : -ENOSPC);
	}
	dp_guard_book_expire(book, 4);
	assert_int_equal(dp_guard_book_each(book, 1, NULL, NULL), 5);
	dp_guard_book_expire(book, 5);
	assert_int_equal(dp_guard_book_each(book, 1, NULL, NULL), 0);
	dp_guard_book_port_gone(book, 2);
}

static int start(void **state)
{
	book = dp_guard_book_create();
	return book != NULL ? 0 : -1;
}

static int finish(void **state)
{
	dp_guard_book_destroy(book);
	dp_guard_book_destroy(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_reads_whole_bindings_and_keeps_their_own),
		cmocka_unit_test(what_several_bound_at_once_is_unbound_once),
		cmocka_unit_test(a_full_book_says_so_and_takes_again_what_goes),
		cmocka_unit_test(limits_are_of_a_port),
	};

	return cmocka_run_group_tests(tests, start, finish);
}

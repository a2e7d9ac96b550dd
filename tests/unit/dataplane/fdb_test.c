/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The forwarding database as workers and the control thread use it, on one thread and with a clock
 * of the test's own.
 */
#include "dataplane/fdb_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dp_priv.h"

#define SECOND	UINT64_C(1000000000)
#define LIMIT	200000u
#define N_MANY	100000u
#define MILLION 1048576u

static struct dp_fdb *fdb;

/* Station 'i' as the table has it: never a group address, never zero. */
static uint64_t mac(uint64_t i)
{
	return i << 16 | 0x0002;
}

static struct dp_fdb_entry entry(uint64_t i, uint16_t domain, uint16_t vlan, uint16_t port)
{
	struct dp_fdb_entry e = {.domain = domain, .vlan = vlan, .port = port, .is_static = true};
	uint64_t m = mac(i);

	memcpy(e.mac.addr_bytes, &m, sizeof(e.mac.addr_bytes));
	return e;
}

static void learn_limited(uint64_t i, uint16_t domain, uint16_t vlan, uint16_t port,
			  uint32_t port_limit, uint32_t domain_limit)
{
	assert_true(dp_fdb_writer_try(fdb));
	dp_fdb_learn(fdb, mac(i), domain, vlan, port, port_limit, domain_limit);
	dp_fdb_writer_end(fdb);
}

static void learn(uint64_t i, uint16_t domain, uint16_t vlan, uint16_t port)
{
	learn_limited(i, domain, vlan, port, 0, 0);
}

static uint16_t find(uint64_t i, uint16_t domain, uint16_t vlan)
{
	const struct dp_fdb_table *t = atomic_load(&fdb->table);
	uint32_t where = (uint32_t)domain << 16 | vlan;
	struct dp_fdb_bucket *b;
	int slot;

	return dp_fdb_find(fdb, t, dp_fdb_first(t, dp_fdb_hash(fdb, mac(i), where)), mac(i), where,
			   &b, &slot);
}

static bool confirm(uint64_t i, uint16_t domain, uint16_t vlan, uint16_t port)
{
	const struct dp_fdb_table *t = atomic_load(&fdb->table);
	uint32_t where = (uint32_t)domain << 16 | vlan;

	return dp_fdb_confirm(fdb, t, dp_fdb_first(t, dp_fdb_hash(fdb, mac(i), where)), mac(i),
			      where, port);
}

static struct dp_fdb_stats stats(void)
{
	struct dp_fdb_stats s;

	dp_fdb_stats(fdb, &s);
	return s;
}

struct seen {
	uint32_t n, stop_after;
	struct dp_fdb_entry last;
};

static bool note(void *arg, const struct dp_fdb_entry *e)
{
	struct seen *seen = arg;

	seen->last = *e;
	return ++seen->n != seen->stop_after;
}

static struct seen walk(uint32_t stop_after)
{
	struct seen seen = {.stop_after = stop_after};

	dp_fdb_walk(fdb, note, &seen);
	return seen;
}

/* Ten calls a second, as the control thread does, from second 'from' up to 'to'. */
static void pass_time(uint32_t from, uint32_t to)
{
	for (uint64_t t = from * SECOND; t <= to * SECOND; t += SECOND / 10)
		dp_fdb_tick(fdb, t, NULL, NULL);
}

static int start(void **state)
{
	return dp_fdb_create(LIMIT, 300, &fdb);
}

static int finish(void **state)
{
	dp_fdb_destroy(fdb);
	fdb = NULL;
	return 0;
}

static void address_is_found_only_in_its_domain_and_vlan(void **state)
{
	learn(1, 3, 10, 7);
	assert_int_equal(find(1, 3, 10), 7);
	assert_int_equal(find(1, 4, 10), DP_NO_PORT);
	assert_int_equal(find(1, 3, 11), DP_NO_PORT);
	assert_int_equal(find(2, 3, 10), DP_NO_PORT);
	learn(1, 4, 10, 8);
	assert_int_equal(find(1, 3, 10), 7);
	assert_int_equal(find(1, 4, 10), 8);
}

/* Port 0, domain 0 and VLAN 0 are numbers like others. */
static void zeros_are_not_emptiness(void **state)
{
	learn(1, 0, 0, 0);
	assert_int_equal(find(1, 0, 0), 0);
	assert_true(confirm(1, 0, 0, 0));
	assert_int_equal(walk(0).n, 1);
}

static void walk_tells_what_was_learned_and_stops_when_told(void **state)
{
	struct seen seen;

	learn(0x123456, 3, 10, 7);
	seen = walk(0);
	assert_int_equal(seen.n, 1);
	assert_memory_equal(seen.last.mac.addr_bytes, entry(0x123456, 0, 0, 0).mac.addr_bytes, 6);
	assert_int_equal(seen.last.domain, 3);
	assert_int_equal(seen.last.vlan, 10);
	assert_int_equal(seen.last.port, 7);
	assert_false(seen.last.is_static);
	for (uint64_t i = 1; i <= 9; i++)
		learn(i, 3, 10, 7);
	assert_int_equal(walk(0).n, 10);
	assert_int_equal(walk(4).n, 4);
}

static void station_moves_and_counts_move_along(void **state)
{
	uint32_t gained, lost;

	learn(1, 3, 10, 7);
	learn(1, 3, 10, 7);
	assert_int_equal(stats().learned, 1);
	learn(1, 3, 10, 8);
	assert_int_equal(find(1, 3, 10), 8);
	assert_false(confirm(1, 3, 10, 7));
	assert_true(confirm(1, 3, 10, 8));
	assert_int_equal(stats().moved, 1);
	assert_int_equal(stats().n_entries, 1);
	assert_int_equal(dp_fdb_port_count(fdb, 7), 0);
	assert_int_equal(dp_fdb_port_count(fdb, 8), 1);
	assert_int_equal(dp_fdb_domain_count(fdb, 3), 1);
	dp_fdb_moves(fdb, 8, &gained, &lost);
	assert_int_equal(gained, 1);
	assert_int_equal(lost, 0);
	dp_fdb_moves(fdb, 7, &gained, &lost);
	assert_int_equal(gained, 0);
	assert_int_equal(lost, 1);
	dp_fdb_moves(fdb, 7, &gained, &lost);
	assert_int_equal(lost, 0);
}

static void a_static_address_that_is_moved_is_never_nowhere(void **state)
{
	struct dp_fdb_entry e = entry(1, 3, 5, 8);
	struct err err = {0};

	learn(1, 3, 5, 7);
	assert_int_equal(dp_fdb_move_static(fdb, &e, &err), 0);
	assert_int_equal(find(1, 3, 5), 8);
	assert_int_equal(dp_fdb_port_count(fdb, 7), 0);
	assert_int_equal(stats().n_static, 1);
	assert_int_equal(stats().n_entries, 1);
	learn(1, 3, 5, 7); /* it stays */
	assert_int_equal(find(1, 3, 5), 8);
	e.port = 9;
	assert_int_equal(dp_fdb_move_static(fdb, &e, &err), 0);
	assert_int_equal(find(1, 3, 5), 9);
	assert_int_equal(stats().n_static, 1);
	e = entry(2, 3, 5, 8);
	assert_int_equal(dp_fdb_move_static(fdb, &e, &err), 0);
	assert_int_equal(find(2, 3, 5), 8);
	assert_int_equal(stats().n_entries, 2);
}

static void static_address_does_not_move_age_or_count(void **state)
{
	struct dp_fdb_entry e = entry(1, 3, 10, 7);
	struct err err = {0};

	assert_int_equal(dp_fdb_add_static(fdb, &e, &err), 0);
	learn(1, 3, 10, 8);
	assert_int_equal(find(1, 3, 10), 7);
	assert_int_equal(stats().moved, 0);
	assert_int_equal(stats().n_static, 1);
	assert_int_equal(dp_fdb_port_count(fdb, 7), 0);
	assert_true(walk(0).last.is_static);
	pass_time(1, 400);
	assert_int_equal(find(1, 3, 10), 7);
	assert_int_equal(dp_fdb_remove(fdb, &e), 0);
	assert_int_equal(dp_fdb_remove(fdb, &e), -ENOENT);
	assert_int_equal(find(1, 3, 10), DP_NO_PORT);
	assert_int_equal(stats().n_static, 0);
}

static void static_address_replaces_the_learned_one(void **state)
{
	struct dp_fdb_entry e = entry(1, 3, 10, 7);
	struct err err = {0};

	learn(1, 3, 10, 8);
	assert_int_equal(dp_fdb_add_static(fdb, &e, &err), 0);
	assert_int_equal(find(1, 3, 10), 7);
	assert_int_equal(walk(0).n, 1);
	assert_int_equal(dp_fdb_port_count(fdb, 8), 0);
	assert_int_equal(dp_fdb_domain_count(fdb, 3), 0);
}

static void static_address_of_another_port_is_refused_and_stays(void **state)
{
	struct dp_fdb_entry mine = entry(1, 3, 10, 7), other = entry(1, 3, 10, 8);
	struct dp_fdb_entry elsewhere = entry(1, 3, 11, 8);
	struct err err = {0};

	assert_int_equal(dp_fdb_add_static(fdb, &mine, &err), 0);
	assert_int_equal(dp_fdb_add_static(fdb, &mine, &err), 0);
	assert_int_equal(dp_fdb_add_static(fdb, &other, &err), -EEXIST);
	assert_string_equal(err.slug, "mac-used");
	assert_int_equal(find(1, 3, 10), 7);
	assert_int_equal(stats().n_static, 1);
	assert_int_equal(dp_fdb_add_static(fdb, &elsewhere, &err), 0);
	assert_int_equal(walk(0).n, 2);
}

/* Whatever else had no room: who is in the table is not thrown out to be refused. */
static void learned_address_becomes_static_in_a_table_without_room(void **state)
{
	struct err err = {0};
	uint64_t n = 0;

	for (;; n++) {
		struct dp_fdb_entry e = entry(n + 1, 3, 10, 8);

		learn(n + 1, 3, 10, 7);
		if (find(n + 1, 3, 10) != DP_NO_PORT)
			continue;
		assert_int_equal(dp_fdb_add_static(fdb, &e, &err), -ENOSPC);
		assert_int_equal(find(n + 1, 3, 10), DP_NO_PORT);
		break;
	}
	for (uint64_t i = 0; i < n; i++) {
		struct dp_fdb_entry e = entry(i + 1, 3, 10, 8);

		assert_int_equal(dp_fdb_add_static(fdb, &e, &err), 0);
		assert_int_equal(find(i + 1, 3, 10), 8);
	}
	assert_int_equal(stats().n_static, n);
	assert_int_equal(dp_fdb_port_count(fdb, 7), 0);
}

static void static_address_has_no_age(void **state)
{
	struct dp_fdb_entry e = entry(1, 3, 10, 7);
	struct err err = {0};

	assert_int_equal(dp_fdb_add_static(fdb, &e, &err), 0);
	pass_time(1, 100);
	assert_int_equal(walk(0).last.age_s, 0);
}

static void port_at_its_limit_learns_no_more_by_discovery_or_move(void **state)
{
	for (uint64_t i = 1; i <= 4; i++)
		learn_limited(i, 3, 10, 7, 3, 0);
	assert_int_equal(dp_fdb_port_count(fdb, 7), 3);
	assert_int_equal(find(4, 3, 10), DP_NO_PORT);
	assert_int_equal(stats().refused_port, 1);
	learn(5, 3, 10, 8);
	learn_limited(5, 3, 10, 7, 3, 0);
	assert_int_equal(find(5, 3, 10), 8);
	assert_int_equal(stats().refused_port, 2);
	/* Another port is not held to it. */
	learn_limited(4, 3, 10, 9, 3, 0);
	assert_int_equal(find(4, 3, 10), 9);
}

static void tenant_at_its_limit_learns_no_more_on_any_port(void **state)
{
	learn_limited(1, 3, 10, 7, 0, 2);
	learn_limited(2, 3, 11, 8, 0, 2);
	learn_limited(3, 3, 10, 9, 0, 2);
	assert_int_equal(find(3, 3, 10), DP_NO_PORT);
	assert_int_equal(stats().refused_domain, 1);
	assert_int_equal(dp_fdb_domain_count(fdb, 3), 2);
	learn_limited(3, 4, 10, 9, 0, 2);
	assert_int_equal(find(3, 4, 10), 9);
	/* A station of the tenant may still move. */
	learn_limited(1, 3, 10, 9, 0, 2);
	assert_int_equal(find(1, 3, 10), 9);
}

static void silent_address_ages_and_a_heard_one_stays(void **state)
{
	dp_fdb_set_age(fdb, 20);
	pass_time(1, 5);
	learn(1, 3, 10, 7);
	learn(2, 3, 10, 7);
	for (uint32_t s = 5; s < 60; s += 5) {
		assert_true(confirm(2, 3, 10, 7));
		pass_time(s, s + 5);
		/* Exact to a sweep, which takes two seconds here. */
		if (s + 5 <= 20)
			assert_int_equal(find(1, 3, 10), 7);
		if (s >= 30)
			assert_int_equal(find(1, 3, 10), DP_NO_PORT);
	}
	assert_int_equal(find(2, 3, 10), 7);
	assert_int_equal(stats().aged, 1);
	assert_int_equal(dp_fdb_port_count(fdb, 7), 1);
	pass_time(60, 90);
	assert_int_equal(find(2, 3, 10), DP_NO_PORT);
	assert_int_equal(stats().n_entries, 0);
}

static void domain_ages_by_its_own_time(void **state)
{
	pass_time(1, 2);
	dp_fdb_set_domain_age(fdb, 3, 10);
	learn(1, 3, 10, 7);
	learn(1, 4, 10, 8);
	pass_time(2, 20);
	assert_int_equal(find(1, 3, 10), DP_NO_PORT);
	assert_int_equal(find(1, 4, 10), 8);
	dp_fdb_set_domain_age(fdb, 3, 0);
	learn(1, 3, 10, 7);
	pass_time(20, 60);
	assert_int_equal(find(1, 3, 10), 7);
	assert_in_range(walk(0).last.age_s, 35, 60);
}

/* Ports 7 and 8, VLANs 10 and 11, domains 3 and 4: eight addresses; and a static one. */
static void learn_cube(void)
{
	struct dp_fdb_entry e = entry(100, 3, 10, 7);
	struct err err = {0};

	dp_fdb_flush(fdb, DP_NO_DOMAIN, DP_NO_VLAN, DP_NO_PORT, true);
	for (unsigned i = 0; i < 8; i++)
		learn(1 + i, 3 + (i & 1), 10 + (i >> 1 & 1), 7 + (i >> 2 & 1));
	assert_int_equal(dp_fdb_add_static(fdb, &e, &err), 0);
	assert_int_equal(walk(0).n, 9);
}

static void flush_takes_what_matches_and_nothing_else(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		uint16_t domain = (i & 1) != 0 ? 3 : DP_NO_DOMAIN;
		uint16_t vlan = (i & 2) != 0 ? 10 : DP_NO_VLAN;
		uint16_t port = (i & 4) != 0 ? 7 : DP_NO_PORT;
		uint32_t want = 8u >> __builtin_popcount(i);

		learn_cube();
		assert_int_equal(dp_fdb_flush(fdb, domain, vlan, port, false), want);
		assert_int_equal(find(100, 3, 10), 7);
		assert_int_equal(walk(0).n, 9 - want);
		for (unsigned k = 0; k < 8; k++) {
			uint16_t d = 3 + (k & 1), v = 10 + (k >> 1 & 1), p = 7 + (k >> 2 & 1);
			bool gone = ((i & 1) == 0 || d == 3) && ((i & 2) == 0 || v == 10) &&
				    ((i & 4) == 0 || p == 7);

			assert_int_equal(find(1 + k, d, v), gone ? DP_NO_PORT : p);
		}
		learn_cube();
		assert_int_equal(dp_fdb_flush(fdb, domain, vlan, port, true), want + 1);
		assert_int_equal(find(100, 3, 10), DP_NO_PORT);
	}
	assert_int_equal(dp_fdb_flush(fdb, 5, DP_NO_VLAN, DP_NO_PORT, true), 0);
}

/* As stations come: many between two ticks, what found no room comes again.  The seed is random, as
 * always: addresses in sequence must find room under every one. */
static void table_grows_and_everything_is_still_found(void **state)
{
	uint32_t first = stats().size;
	uint64_t now = SECOND;

	for (uint32_t base = 0; base < N_MANY; base += 1000) {
		for (int round = 0; round < 8; round++) {
			for (uint32_t i = base; i < base + 1000; i++)
				learn(i + 1, i % 5, i % 3, (uint16_t)(i % 64));
			dp_fdb_tick(fdb, now += SECOND / 10, NULL, NULL);
		}
	}
	for (uint32_t i = 0; i < N_MANY; i++)
		assert_int_equal(find(i + 1, i % 5, i % 3), i % 64);
	for (uint32_t i = N_MANY; i < N_MANY + 1000; i++)
		assert_int_equal(find(i + 1, i % 5, i % 3), DP_NO_PORT);
	assert_true(stats().size >= N_MANY && stats().size > first);
	assert_int_equal(stats().n_entries, N_MANY);
	assert_int_equal(walk(0).n, N_MANY);
	assert_int_equal(dp_fdb_domain_count(fdb, 0), N_MANY / 5);
}

/* As many as a switch takes at most (docs/architecture.md): all of them, and not one more. */
static void a_million_addresses_are_learned_and_no_more(void **state)
{
	uint64_t now = SECOND;

	for (uint32_t base = 0; base < MILLION; base += 16384) {
		for (int round = 0; round < 4; round++) {
			for (uint32_t i = base; i < base + 16384; i++)
				learn(i + 1, i % 5, i % 3, (uint16_t)(i % 64));
			dp_fdb_tick(fdb, now += SECOND / 1000, NULL, NULL);
		}
	}
	assert_int_equal(stats().n_entries, MILLION);
	for (uint32_t i = 0; i < MILLION; i++)
		assert_int_equal(find(i + 1, i % 5, i % 3), i % 64);
	learn(MILLION + 1, 0, 0, 1);
	assert_int_equal(find(MILLION + 1, 0, 0), DP_NO_PORT);
	assert_int_equal(stats().n_entries, MILLION);
}

static int start_million(void **state)
{
	return dp_fdb_create(MILLION, 300, &fdb);
}

static void writer_that_does_not_get_the_flag_is_counted(void **state)
{
	assert_true(dp_fdb_writer_try(fdb));
	assert_false(dp_fdb_writer_try(fdb));
	dp_fdb_writer_end(fdb);
	assert_int_equal(stats().contended, 1);
	assert_true(dp_fdb_writer_try(fdb));
	dp_fdb_writer_end(fdb);
}

#define FRESH(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRESH(address_is_found_only_in_its_domain_and_vlan),
		FRESH(zeros_are_not_emptiness),
		FRESH(walk_tells_what_was_learned_and_stops_when_told),
		FRESH(station_moves_and_counts_move_along),
		FRESH(a_static_address_that_is_moved_is_never_nowhere),
		FRESH(static_address_does_not_move_age_or_count),
		FRESH(static_address_replaces_the_learned_one),
		FRESH(static_address_of_another_port_is_refused_and_stays),
		FRESH(learned_address_becomes_static_in_a_table_without_room),
		FRESH(static_address_has_no_age),
		FRESH(port_at_its_limit_learns_no_more_by_discovery_or_move),
		FRESH(tenant_at_its_limit_learns_no_more_on_any_port),
		FRESH(silent_address_ages_and_a_heard_one_stays),
		FRESH(domain_ages_by_its_own_time),
		FRESH(flush_takes_what_matches_and_nothing_else),
		FRESH(table_grows_and_everything_is_still_found),
		cmocka_unit_test_setup_teardown(a_million_addresses_are_learned_and_no_more,
						start_million, finish),
		FRESH(writer_that_does_not_get_the_flag_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

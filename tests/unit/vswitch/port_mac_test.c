/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses made from names.
 */
#include "vswitch/port_mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct rte_ether_addr make(const char *host, const char *sw, const char *port)
{
	struct rte_ether_addr mac;

	vs_port_mac_make(host, sw, port, &mac);
	return mac;
}

static void assert_differ(struct rte_ether_addr a, struct rte_ether_addr b)
{
	assert_false(rte_is_same_ether_addr(&a, &b));
}

/* Held for good: it is in the caches and leases of the neighbours. */
static void address_is_the_same_in_every_version(void **state)
{
	struct rte_ether_addr mac = make("0123456789abcdef0123456789abcdef", "lan0", "web1");

	assert_memory_equal(mac.addr_bytes, ((uint8_t[]){0xca, 0x87, 0x2a, 0x27, 0xab, 0xde}), 6);
}

static void host_switch_and_port_each_make_another(void **state)
{
	assert_differ(make("a", "lan0", "web1"), make("b", "lan0", "web1"));
	assert_differ(make("a", "lan0", "web1"), make("a", "lan1", "web1"));
	assert_differ(make("a", "lan0", "web1"), make("a", "lan0", "web2"));
	assert_differ(make("a", "lan0", "web1"), make("a", "lan", "0web1"));
	assert_differ(make("", "", ""), make("", "", "a"));
}

static void addresses_are_stations_and_local_and_spread(void **state)
{
	uint8_t ones[6] = {0}, zeros[6] = {0};

	for (unsigned i = 0; i < 4096; i++) {
		struct rte_ether_addr mac;
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		mac = make("host", "lan0", name);
		assert_true(rte_is_valid_assigned_ether_addr(&mac));
		assert_true(rte_is_local_admin_ether_addr(&mac));
		for (int b = 0; b < 6; b++) {
			ones[b] |= mac.addr_bytes[b];
			zeros[b] |= (uint8_t)~mac.addr_bytes[b];
		}
	}
	assert_memory_equal(ones, ((uint8_t[]){0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}), 6);
	assert_memory_equal(zeros, ((uint8_t[]){0xfd, 0xff, 0xff, 0xff, 0xff, 0xff}), 6);
}

static void host_is_the_same_when_asked_again(void **state)
{
	char a[128], b[128];

	vs_host_identity(a, sizeof(a));
	vs_host_identity(b, sizeof(b));
	assert_string_not_equal(a, "");
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_the_same_in_every_version),
		cmocka_unit_test(host_switch_and_port_each_make_another),
		cmocka_unit_test(addresses_are_stations_and_local_and_spread),
		cmocka_unit_test(host_is_the_same_when_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What strings name a DPDK device.
 */
#include "dataplane/eth_devargs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *text, enum eth_bus bus, const char *name, const char *full)
{
	struct eth_devargs d;

	assert_int_equal(eth_devargs_parse(text, &d, NULL), 0);
	assert_int_equal(d.bus, bus);
	assert_string_equal(d.name, name);
	assert_string_equal(d.full, full);
}

static void pci_addresses_get_their_long_form(void **state)
{
	expect("0000:03:00.0", ETH_BUS_PCI, "0000:03:00.0", "0000:03:00.0");
	expect("3:0.1", ETH_BUS_PCI, "0000:03:00.1", "0000:03:00.1");
	expect("AB:1f.7", ETH_BUS_PCI, "0000:ab:1f.7", "0000:ab:1f.7");
	expect("pci:1:02:03.4,x=1,y=2", ETH_BUS_PCI, "0001:02:03.4", "0001:02:03.4,x=1,y=2");
}

static void drivers_name_software_devices(void **state)
{
	expect("net_null0", ETH_BUS_VDEV, "net_null0", "net_null0");
	expect("vdev:net_pcap1,rx_pcap=/a,tx_pcap=/b", ETH_BUS_VDEV, "net_pcap1",
	       "net_pcap1,rx_pcap=/a,tx_pcap=/b");
	expect("auxiliary:mlx5_core.sf.4", ETH_BUS_OTHER, "mlx5_core.sf.4",
	       "auxiliary:mlx5_core.sf.4");
}

static void what_is_no_device_is_refused_with_the_reason(void **state)
{
	static const char *const bad[] = {
		NULL,  "",	     "eth0",	"3:20.0",   "3:0.8",   "12345:0:0.0",
		"3:0", "net 0",	     "net_x\n", ",a=1",	    "3:0.0 ",  "net_memif0,role=server",
		":x",  "auxiliary:", "lo",	"\x80\xff", "3:00.0x", "-3:00.0",
	};
	struct eth_devargs d, before;

	memset(&d, 0x5a, sizeof(d));
	before = d;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = {0};

		assert_int_equal(eth_devargs_parse(bad[i], &d, &err), -EINVAL);
		assert_int_not_equal(err.what[0], '\0');
	}
	assert_memory_equal(&d, &before, sizeof(d));
}

static void linux_interface_gets_a_hint(void **state)
{
	struct eth_devargs d;
	struct err err = {0};

	assert_int_equal(eth_devargs_parse("lo", &d, &err), -EINVAL);
	assert_non_null(strstr(err.fix, "phys"));
}

static void long_text_is_refused_not_cut(void **state)
{
	char text[600];
	struct eth_devargs d;

	memset(text, 'a', sizeof(text));
	memcpy(text, "net_", 4);
	for (size_t n = 60; n < sizeof(text); n += 7) {
		int rc;

		text[n] = '\0';
		rc = eth_devargs_parse(text, &d, NULL);
		assert_int_equal(rc, n < sizeof(d.name) ? 0 : -EINVAL);
		text[n] = 'a';
	}
	memcpy(text, "net_null0,", 10);
	text[310] = '\0';
	assert_int_equal(eth_devargs_parse(text, &d, NULL), -EINVAL);
	text[300] = '\0';
	assert_int_equal(eth_devargs_parse(text, &d, NULL), 0);
	assert_int_equal(strlen(d.full), 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pci_addresses_get_their_long_form),
		cmocka_unit_test(drivers_name_software_devices),
		cmocka_unit_test(what_is_no_device_is_refused_with_the_reason),
		cmocka_unit_test(linux_interface_gets_a_hint),
		cmocka_unit_test(long_text_is_refused_not_cut),
	};

	return cmocka_run_group_tests_name("eth_devargs", tests, NULL, NULL);
}

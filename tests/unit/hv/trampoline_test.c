/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/trampoline.h"

#include "hv/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint8_t page[4096];

/* Where 'out %eax, $port' is in the page; fails unless it is there once. */
static unsigned out_at(uint8_t port)
{
	unsigned found = 0, at = 0;

	hv_trampoline_write(page);
	for (unsigned i = 0; i + 1 < sizeof(page); i++)
		if (page[i] == 0xe7 && page[i + 1] == port) {
			at = i;
			found++;
		}
	assert_int_equal(found, 1);
	return at;
}

static void page_starts_with_endbr64_and_ends_in_traps(void **state)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

	memset(page, 0, sizeof(page));
	hv_trampoline_write(page);
	assert_memory_equal(page, endbr64, sizeof(endbr64));
	for (unsigned i = 64; i < sizeof(page); i++)
		assert_int_equal(page[i], 0xcc);
}

static void jumps_go_to_the_slow_path(void **state)
{
	unsigned slow = out_at(HV_PORT_HYPERCALL), jumps = 0;

	for (unsigned i = 0; i < slow; i++)
		if (page[i] == 0x75) {
			assert_int_equal(i + 2 + page[i + 1], slow);
			jumps++;
			i++;
		}
	assert_int_equal(jumps, 2);
	assert_int_equal(page[slow + 2], 0xc3);
}

static void only_the_pages_own_instructions_count(void **state)
{
	unsigned signal = out_at(HV_PORT_SIGNAL), slow = out_at(HV_PORT_HYPERCALL), hits = 0;
	uint64_t base = 0xffffffffc0123000ull;

	assert_true(hv_trampoline_is_at(HV_PORT_SIGNAL, base + signal));
	assert_true(hv_trampoline_is_at(HV_PORT_SIGNAL, base + signal + 2));
	assert_true(hv_trampoline_is_at(HV_PORT_HYPERCALL, base + slow));
	assert_true(hv_trampoline_is_at(HV_PORT_HYPERCALL, base + slow + 2));
	for (unsigned i = 0; i < 4096; i++)
		hits += hv_trampoline_is_at(HV_PORT_SIGNAL, base + i) +
			hv_trampoline_is_at(HV_PORT_HYPERCALL, base + i);
	assert_int_equal(hits, 4);
}

static void beside_kvm_one_call_is_ours(void **state)
{
	static const uint8_t vmcall[] = {0x0f, 0x01, 0xc1};
	static const uint8_t begin[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x66, 0x83, 0xf9, 0x7e, 0x74};
	unsigned out;

	memset(page, 0, sizeof(page));
	memcpy(page, vmcall, sizeof(vmcall));
	hv_trampoline_write_beside(page, page);
	assert_memory_equal(page, begin, sizeof(begin));
	out = 10u + page[9];
	assert_int_equal(page[out], 0xe7);
	assert_int_equal(page[out + 1], HV_PORT_HYPERCALL);
	assert_int_equal(page[out + 2], 0xc3);
	/* Falls through to KVM's, and returns. */
	assert_memory_equal(page + 10, vmcall, sizeof(vmcall));
	assert_int_equal(page[13], 0xc3);
	for (unsigned at = 0; at < 4096; at++)
		assert_int_equal(hv_trampoline_is_beside(0xffffffff81000000ull + at),
				 at == out || at == out + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_starts_with_endbr64_and_ends_in_traps),
		cmocka_unit_test(jumps_go_to_the_slow_path),
		cmocka_unit_test(only_the_pages_own_instructions_count),
		cmocka_unit_test(beside_kvm_one_call_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

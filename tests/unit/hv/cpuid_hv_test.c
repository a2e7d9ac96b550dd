/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Numbers here are [TLFS]'s bit by bit, not our names for them.
 */
#include "hv/cpuid_hv.h"

#include "hv/face.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <linux/kvm.h>

#define BIT(n) (1u << (n))

static struct kvm_cpuid_entry2 leaf(const struct kvm_cpuid_entry2 *entries, unsigned n,
				    uint32_t function)
{
	struct kvm_cpuid_entry2 found = {0};
	unsigned times = 0;

	for (unsigned i = 0; i < n; i++)
		if (entries[i].function == function) {
			found = entries[i];
			times++;
		}
	assert_int_equal(times, 1);
	return found;
}

/* What both faces say alike. */
static void check_common(const struct kvm_cpuid_entry2 *entries, unsigned n)
{
	struct kvm_cpuid_entry2 e = leaf(entries, n, 0x40000000);

	assert_true(n <= HV_FACE_MAX_LEAVES);
	assert_int_equal(e.eax, 0x40000006);
	assert_memory_equal(&e.ebx, "Micr", 4);
	assert_memory_equal(&e.ecx, "osof", 4);
	assert_memory_equal(&e.edx, "t Hv", 4);
	e = leaf(entries, n, 0x40000001);
	assert_memory_equal(&e.eax, "Hv#1", 4);
	e = leaf(entries, n, 0x40000002);
	assert_int_equal(e.eax, 20348);
	assert_int_equal(e.ebx, 10 << 16);
	/* Messages and events, and nothing that a root or a debugger may. */
	assert_int_equal(leaf(entries, n, 0x40000003).ebx, BIT(4) | BIT(5));
	e = leaf(entries, n, 0x40000005);
	assert_int_equal(e.eax, 64);
	assert_int_equal(e.ebx, 64);
	for (unsigned i = 0; i < n; i++) {
		assert_in_range(entries[i].function, 0x40000000, 0x40000006);
		assert_int_equal(entries[i].flags, 0);
	}
}

static void user_face_offers_what_it_plays_and_no_more(void **state)
{
	struct kvm_cpuid_entry2 entries[HV_FACE_MAX_LEAVES];
	unsigned n = hv_cpuid_user(entries);
	struct kvm_cpuid_entry2 e = leaf(entries, n, 0x40000003);

	check_common(entries, n);
	/* Reference counter, SynIC, hypercalls, VP index, reset, reference page, frequencies. */
	assert_int_equal(e.eax, BIT(1) | BIT(2) | BIT(5) | BIT(6) | BIT(7) | BIT(9) | BIT(11));
	assert_int_equal(e.ecx, 0);
	/* Frequencies, crash; no timers. */
	assert_int_equal(e.edx, BIT(8) | BIT(10));
	e = leaf(entries, n, 0x40000004);
	/* Relaxed timing, no AutoEOI; no hypercall that we do not have. */
	assert_int_equal(e.eax, BIT(5) | BIT(9));
	assert_int_equal(e.ebx, UINT32_MAX);
}

/* A KVM that can do all, and more than we want. */
static void kvm_face_takes_only_what_it_wants(void **state)
{
	static const struct kvm_cpuid_entry2 supported[] = {
		{.function = 0x40000000, .eax = 0x40000082, .ebx = 0x756e694c},
		{.function = 0x40000003, .eax = ~0u, .ebx = ~0u, .ecx = ~0u, .edx = ~0u},
		{.function = 0x40000004, .eax = ~0u, .ebx = 0xfff, .ecx = ~0u, .edx = ~0u},
		{.function = 0x4000000a, .eax = ~0u},
		{.function = 0x40000080, .eax = ~0u},
	};
	struct kvm_cpuid_entry2 entries[HV_FACE_MAX_LEAVES];
	unsigned n = hv_cpuid_kvm(supported, 5, entries);
	struct kvm_cpuid_entry2 e = leaf(entries, n, 0x40000003);

	check_common(entries, n);
	assert_int_equal(e.eax, BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) |
					BIT(7) | BIT(9) | BIT(11));
	assert_int_equal(e.ecx, 0);
	assert_int_equal(e.edx, BIT(4) | BIT(8) | BIT(10) | BIT(19));
	e = leaf(entries, n, 0x40000004);
	assert_int_equal(e.eax, BIT(2) | BIT(5) | BIT(9) | BIT(10) | BIT(11) | BIT(18));
	assert_int_equal(e.ebx, 0xfff);
	assert_int_equal(e.ecx, 0);
}

static void kvm_face_offers_nothing_that_kvm_lacks(void **state)
{
	static const struct kvm_cpuid_entry2 supported[] = {
		{.function = 0x40000003, .eax = BIT(2) | BIT(5) | BIT(6) | BIT(3)},
	};
	struct kvm_cpuid_entry2 entries[HV_FACE_MAX_LEAVES];
	unsigned n = hv_cpuid_kvm(supported, 1, entries);

	check_common(entries, n);
	/* Timers that send messages are none: they need direct mode. */
	assert_int_equal(leaf(entries, n, 0x40000003).eax, BIT(2) | BIT(5) | BIT(6));
	assert_int_equal(leaf(entries, n, 0x40000003).edx, 0);
	assert_int_equal(leaf(entries, n, 0x40000004).eax, BIT(5) | BIT(9));
	assert_int_equal(leaf(entries, n, 0x40000004).ebx, UINT32_MAX);
	check_common(entries, hv_cpuid_kvm(NULL, 0, entries));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_face_offers_what_it_plays_and_no_more),
		cmocka_unit_test(kvm_face_takes_only_what_it_wants),
		cmocka_unit_test(kvm_face_offers_nothing_that_kvm_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

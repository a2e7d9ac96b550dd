/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/cpuid.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define BIT(n)	(1u << (n))
#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX
#define AMD	.ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65
#define INTEL	.ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69

static struct hv_cpuid table;

static void add(struct kvm_cpuid_entry2 e)
{
	table.entry[table.n++] = e;
}

/* A host that has all there is, as KVM tells it. */
static void set_up_host(bool amd)
{
	memset(&table, 0, sizeof(table));
	if (amd)
		add((struct kvm_cpuid_entry2){.function = 0, .eax = 0x10, AMD});
	else
		add((struct kvm_cpuid_entry2){.function = 0, .eax = 0x1f, INTEL});
	add((struct kvm_cpuid_entry2){
		.function = 1, .eax = 0xa00f11, .ebx = 0xff100800, .ecx = ~BIT(31), .edx = ~0u});
	for (uint32_t i = 0; i < 4; i++) /* caches of levels 1, 1, 2, 3 */
		add((struct kvm_cpuid_entry2){.function = amd ? 0x8000001d : 4,
					      .index = i,
					      .flags = INDEXED,
					      .eax = (i == 0 ? 1 : i) << 5 | 1 | 63u << 14 |
						     31u << 26});
	for (uint32_t i = 0; i < 3; i++)
		add((struct kvm_cpuid_entry2){.function = 7,
					      .index = i,
					      .flags = INDEXED,
					      .eax = i == 0 ? 2 : ~0u,
					      .ebx = ~0u,
					      .ecx = ~0u,
					      .edx = ~0u});
	add((struct kvm_cpuid_entry2){.function = 0xa, .eax = 0x07300402, .edx = 0x603});
	for (uint32_t i = 0; i < 3; i++) {
		add((struct kvm_cpuid_entry2){.function = 0xb, .index = i, .flags = INDEXED});
		add((struct kvm_cpuid_entry2){.function = 0x1f, .index = i, .flags = INDEXED});
	}
	add((struct kvm_cpuid_entry2){
		.function = 0xd, .flags = INDEXED, .eax = 0x602e7, .ebx = 11008, .ecx = 11008});
	add((struct kvm_cpuid_entry2){.function = 0xd,
				      .index = 1,
				      .flags = INDEXED,
				      .eax = 0x1f,
				      .ebx = 11008,
				      .ecx = 0x1800});
	add((struct kvm_cpuid_entry2){
		.function = 0xd, .index = 2, .flags = INDEXED, .eax = 256, .ebx = 576});
	add((struct kvm_cpuid_entry2){
		.function = 0xd, .index = 5, .flags = INDEXED, .eax = 64, .ebx = 1088});
	add((struct kvm_cpuid_entry2){
		.function = 0xd, .index = 6, .flags = INDEXED, .eax = 512, .ebx = 1152});
	add((struct kvm_cpuid_entry2){
		.function = 0xd, .index = 7, .flags = INDEXED, .eax = 1024, .ebx = 1664});
	add((struct kvm_cpuid_entry2){
		.function = 0xd, .index = 18, .flags = INDEXED, .eax = 8192, .ebx = 2816});
	add((struct kvm_cpuid_entry2){.function = 0x40000000,
				      .eax = 0x40000001,
				      .ebx = 0x4b4d564b});
	add((struct kvm_cpuid_entry2){.function = 0x40000001, .eax = 0xfb});
	add((struct kvm_cpuid_entry2){.function = 0x80000000, .eax = 0x80000022});
	add((struct kvm_cpuid_entry2){.function = 0x80000001, .ecx = ~0u, .edx = ~0u});
	add((struct kvm_cpuid_entry2){.function = 0x80000007, .edx = BIT(8)});
	add((struct kvm_cpuid_entry2){.function = 0x80000008, .eax = 0x3030, .ebx = ~0u});
	add((struct kvm_cpuid_entry2){.function = 0x8000000a, .eax = 1, .edx = ~0u});
	add((struct kvm_cpuid_entry2){.function = 0x8000001e});
	add((struct kvm_cpuid_entry2){.function = 0x80000021, .eax = ~0u});
	add((struct kvm_cpuid_entry2){.function = 0x80000022, .eax = 1});
}

static struct kvm_cpuid_entry2 get(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *e = hv_cpuid_find(&table, function, index);

	return e != NULL ? *e : (struct kvm_cpuid_entry2){0};
}

static bool has(uint32_t function, uint32_t index)
{
	return hv_cpuid_find(&table, function, index) != NULL;
}

static void cut(const char *model, bool nested)
{
	struct err err = {0};

	if (hv_cpuid_cut(&table, model, nested, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
}

static void place(uint32_t apic_id, unsigned n_vps)
{
	const struct hv_cpu_place p = {.apic_id = apic_id,
				       .n_vps = n_vps,
				       .tsc_khz = 2500000,
				       .tsc_deadline = true};

	assert_int_equal(hv_cpuid_place(&table, &p), 0);
}

/* ---- models ---- */

static void host_model_keeps_what_programs_use(void **state)
{
	set_up_host(true);
	cut("host", false);
	assert_int_equal(get(7, 0).ebx | BIT(25), ~0u);
	assert_int_equal(get(0xd, 0).ecx, 11008);
	assert_true(has(0x80000007, 0));
}

static void no_model_keeps_the_signature_of_kvm(void **state)
{
	for (unsigned i = 0; hv_cpuid_model(i) != NULL; i++) {
		set_up_host(true);
		cut(hv_cpuid_model(i), false);
		assert_false(has(0x40000000, 0));
		assert_false(has(0x40000001, 0));
	}
}

static void no_model_has_performance_counters(void **state)
{
	for (unsigned i = 0; hv_cpuid_model(i) != NULL; i++) {
		set_up_host(i & 1);
		cut(hv_cpuid_model(i), false);
		assert_false(has(0xa, 0));
		assert_false(has(0x80000022, 0));
		assert_int_equal(get(1, 0).ecx & BIT(15), 0);
		assert_int_equal(get(0x80000001, 0).ecx & (BIT(23) | BIT(24) | BIT(28)), 0);
	}
}

static void guests_of_guests_need_to_be_asked_for(void **state)
{
	for (unsigned i = 0; hv_cpuid_model(i) != NULL; i++) {
		set_up_host(true);
		cut(hv_cpuid_model(i), false);
		assert_int_equal(get(1, 0).ecx & BIT(5), 0);
		assert_int_equal(get(0x80000001, 0).ecx & BIT(2), 0);
		assert_false(has(0x8000000a, 0));
		set_up_host(true);
		cut(hv_cpuid_model(i), true);
		assert_int_equal(get(1, 0).ecx & BIT(5), BIT(5));
		assert_int_equal(get(0x80000001, 0).ecx & BIT(2), BIT(2));
		assert_true(has(0x8000000a, 0));
	}
}

static void guests_of_guests_are_refused_where_the_host_has_none(void **state)
{
	struct err err = {0};

	set_up_host(true);
	hv_cpuid_find(&table, 1, 0)->ecx &= ~BIT(5);
	hv_cpuid_find(&table, 0x80000001, 0)->ecx &= ~BIT(2);
	assert_int_equal(hv_cpuid_cut(&table, "host", true, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.fix, "nested=1"));
}

static void a_level_has_what_it_must_and_not_what_the_next_adds(void **state)
{
	static const uint32_t sse42 = BIT(20), avx = BIT(28), aes = BIT(25);

	set_up_host(true);
	cut("x86-64-v1", false);
	assert_int_equal(get(1, 0).ecx & (sse42 | avx | aes), 0);
	assert_int_equal(get(1, 0).edx & BIT(26), BIT(26));
	assert_false(has(0xd, 0));
	set_up_host(true);
	cut("x86-64-v2", false);
	assert_int_equal(get(1, 0).ecx & (sse42 | avx | aes), sse42);
	assert_int_equal(get(7, 0).ebx & (BIT(3) | BIT(5) | BIT(16)), 0);
	set_up_host(true);
	cut("x86-64-v3", false);
	assert_int_equal(get(1, 0).ecx & (sse42 | avx | aes), sse42 | avx);
	assert_int_equal(get(7, 0).ebx & (BIT(3) | BIT(5) | BIT(16)), BIT(3) | BIT(5));
	set_up_host(true);
	cut("x86-64-v4", false);
	assert_int_equal(get(7, 0).ebx & (BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31)),
			 BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31));
	assert_int_equal(get(7, 0).ebx & BIT(29), 0); /* SHA: of no level */
	assert_false(has(7, 1));
}

static void a_level_names_what_the_host_lacks(void **state)
{
	struct err err = {0};
	unsigned n;

	set_up_host(true);
	hv_cpuid_find(&table, 7, 0)->ebx &= ~(BIT(5) | BIT(8));
	n = table.n;
	assert_int_equal(hv_cpuid_cut(&table, "x86-64-v3", false, &err), -EOPNOTSUPP);
	assert_string_equal(err.why, "this host lacks avx2, bmi2");
	assert_int_equal(table.n, n);
	cut("x86-64-v2", false);
}

static void a_host_that_lacks_everything_is_told_so(void **state)
{
	struct err err = {0};

	memset(&table, 0, sizeof(table));
	assert_int_equal(hv_cpuid_cut(&table, "x86-64-v4", false, &err), -EOPNOTSUPP);
	assert_true(strlen(err.why) > 100);
	assert_int_equal(hv_cpuid_cut(&table, "host", false, &err), 0);
	place(0, 1);
}

static void a_model_that_is_not_there_is_refused(void **state)
{
	struct err err = {0};

	set_up_host(true);
	assert_int_equal(hv_cpuid_cut(&table, "486", false, &err), -EINVAL);
	assert_int_equal(hv_cpuid_cut(&table, "", false, &err), -EINVAL);
	assert_int_equal(hv_cpuid_cut(&table, "x86-64-v5", false, &err), -EINVAL);
}

static void xsave_is_as_large_as_the_state_of_the_level(void **state)
{
	set_up_host(true);
	cut("x86-64-v3", false);
	assert_int_equal(get(0xd, 0).eax, 7);
	assert_int_equal(get(0xd, 0).ecx, 832);
	assert_int_equal(get(0xd, 1).eax, 7);
	assert_int_equal(get(0xd, 1).ecx, 0);
	assert_true(has(0xd, 2));
	assert_false(has(0xd, 5));
	set_up_host(true);
	cut("x86-64-v4", false);
	assert_int_equal(get(0xd, 0).eax, 0xe7);
	assert_int_equal(get(0xd, 0).ecx, 2688);
	assert_true(has(0xd, 7));
	assert_false(has(0xd, 18));
}

/* ---- places ---- */

static void each_processor_has_its_apic_id_everywhere(void **state)
{
	set_up_host(true);
	cut("host", false);
	place(5, 6);
	assert_int_equal(get(1, 0).ebx >> 24, 5);
	assert_int_equal(get(1, 0).ebx >> 16 & 0xff, 8);
	assert_int_equal(get(0xb, 0).edx, 5);
	assert_int_equal(get(0xb, 1).edx, 5);
	assert_int_equal(get(0x8000001e, 0).eax, 5);
	assert_int_equal(get(0x8000001e, 0).ebx, 5);
}

static void topology_is_cores_of_one_package(void **state)
{
	set_up_host(false);
	cut("host", false);
	place(3, 6);
	assert_int_equal(get(0xb, 0).eax, 0);
	assert_int_equal(get(0xb, 0).ebx, 1);
	assert_int_equal(get(0xb, 0).ecx, 0x100);
	assert_int_equal(get(0xb, 1).eax, 3);
	assert_int_equal(get(0xb, 1).ebx, 6);
	assert_int_equal(get(0xb, 1).ecx, 0x201);
	assert_false(has(0xb, 2));
	assert_false(has(0x1f, 0));
	assert_int_equal(get(4, 0).eax >> 14 & 0xfff, 0);
	assert_int_equal(get(4, 3).eax >> 14 & 0xfff, 7);
	assert_int_equal(get(4, 3).eax >> 26, 7);
	assert_int_equal(get(4, 3).eax >> 5 & 7, 3);
}

static void amd_counts_cores(void **state)
{
	set_up_host(true);
	cut("host", false);
	place(0, 6);
	assert_int_equal(get(0x80000008, 0).ecx, 3 << 12 | 5);
	assert_int_equal(get(0x8000001d, 3).eax >> 14 & 0xfff, 7);
	assert_int_equal(get(0x8000001d, 3).eax >> 26, 0);
	assert_int_equal(get(0x80000001, 0).ecx & BIT(1), BIT(1));
	assert_false(has(0x15, 0));
}

static void one_processor_has_no_siblings(void **state)
{
	set_up_host(true);
	cut("host", false);
	place(0, 1);
	assert_int_equal(get(1, 0).ebx >> 16 & 0xff, 1);
	assert_int_equal(get(1, 0).edx & BIT(28), 0);
	assert_int_equal(get(0xb, 1).eax, 0);
	assert_int_equal(get(0x80000001, 0).ecx & BIT(1), 0);
}

static void a_guest_sees_a_hypervisor_and_its_clock(void **state)
{
	set_up_host(false);
	cut("host", false);
	place(0, 1);
	assert_int_equal(get(1, 0).ecx & BIT(31), BIT(31));
	assert_int_equal(get(1, 0).ecx & BIT(24), BIT(24));
	assert_int_equal(get(1, 0).ecx & BIT(21), BIT(21));
	assert_int_equal(get(1, 0).ecx & BIT(27), 0);
	/* Crystal times ratio. */
	assert_int_equal((uint64_t)get(0x15, 0).ecx * get(0x15, 0).ebx / get(0x15, 0).eax,
			 2500000000ull);
}

static void a_full_table_is_refused(void **state)
{
	const struct hv_cpu_place p = {.n_vps = 1};

	set_up_host(true);
	while (table.n < HV_CPUID_MAX)
		add((struct kvm_cpuid_entry2){.function = 0xc0000000 + table.n});
	hv_cpuid_find(&table, 0xb, 0)->function = 0xcc;
	hv_cpuid_find(&table, 0xb, 1)->function = 0xcc;
	hv_cpuid_find(&table, 0xb, 2)->function = 0xcc;
	for (unsigned i = 0; i < table.n; i++)
		if (table.entry[i].function == 0x1f)
			table.entry[i].function = 0xcd;
	assert_int_equal(hv_cpuid_place(&table, &p), -E2BIG);
	assert_int_equal(table.n, HV_CPUID_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_model_keeps_what_programs_use),
		cmocka_unit_test(no_model_keeps_the_signature_of_kvm),
		cmocka_unit_test(no_model_has_performance_counters),
		cmocka_unit_test(guests_of_guests_need_to_be_asked_for),
		cmocka_unit_test(guests_of_guests_are_refused_where_the_host_has_none),
		cmocka_unit_test(a_level_has_what_it_must_and_not_what_the_next_adds),
		cmocka_unit_test(a_level_names_what_the_host_lacks),
		cmocka_unit_test(a_host_that_lacks_everything_is_told_so),
		cmocka_unit_test(a_model_that_is_not_there_is_refused),
		cmocka_unit_test(xsave_is_as_large_as_the_state_of_the_level),
		cmocka_unit_test(each_processor_has_its_apic_id_everywhere),
		cmocka_unit_test(topology_is_cores_of_one_package),
		cmocka_unit_test(amd_counts_cores),
		cmocka_unit_test(one_processor_has_no_siblings),
		cmocka_unit_test(a_guest_sees_a_hypervisor_and_its_clock),
		cmocka_unit_test(a_full_table_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The tables byte by byte, found as a guest finds them; and read by another who knows AML (iasl),
 * where that is installed.
 */
#include "hv/acpi.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hv/aml.h"
#include "tests/support/kernels.h"

static int setup(void **state)
{
	static struct hv_memory memory;

	*state = &memory;
	return test_memory_init(&memory, 64 * TEST_MB);
}

static int teardown(void **state)
{
	test_memory_fini(*state);
	return 0;
}

static uint8_t sum(const uint8_t *bytes, size_t size)
{
	uint8_t value = 0;

	for (size_t i = 0; i < size; i++)
		value = (uint8_t)(value + bytes[i]);
	return value;
}

/* The table at 'gpa': its signature, length and checksum are right. */
static const uint8_t *table(const struct hv_memory *memory, uint64_t gpa, const char *signature)
{
	const uint8_t *at = test_memory_at(memory, gpa);

	assert_in_range(gpa, HV_ACPI, HV_ACPI + HV_ACPI_SIZE - 36);
	assert_memory_equal(at, signature, 4);
	assert_in_range(test_get(at, 4, 4), 36, HV_ACPI + HV_ACPI_SIZE - gpa);
	assert_int_equal(sum(at, test_get(at, 4, 4)), 0);
	return at;
}

static const uint8_t *xsdt_entry(const struct hv_memory *memory, unsigned i, const char *signature)
{
	const uint8_t *rsdp = test_memory_at(memory, HV_ACPI);
	const uint8_t *xsdt = table(memory, test_get(rsdp, 24, 8), "XSDT");

	assert_int_equal(test_get(xsdt, 4, 4), 36 + 2 * 8);
	return table(memory, test_get(xsdt, 36 + 8 * i, 8), signature);
}

static const uint8_t *find_dsdt(const struct hv_memory *memory)
{
	return table(memory, test_get(xsdt_entry(memory, 0, "FACP"), 140, 8), "DSDT");
}

/* Whether the table holds these bytes. */
static bool holds(const uint8_t *at, const void *bytes, size_t size)
{
	return memmem(at, test_get(at, 4, 4), bytes, size) != NULL;
}

static void rsdp_is_revision_2_and_sums_up_twice(void **state)
{
	struct hv_memory *memory = *state;
	const uint8_t *rsdp = test_memory_at(memory, HV_ACPI);

	assert_int_equal(hv_acpi_write(memory, 1, NULL), 0);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(test_get(rsdp, 20, 4), 36);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
}

static void fadt_names_the_ports_that_exist(void **state)
{
	struct hv_memory *memory = *state;
	const uint8_t *fadt;

	assert_int_equal(hv_acpi_write(memory, 1, NULL), 0);
	fadt = xsdt_entry(memory, 0, "FACP");
	assert_int_equal(test_get(fadt, 4, 4), 276);
	assert_int_equal(fadt[8], 6);
	assert_int_equal(fadt[131], 3);
	assert_int_equal(test_get(fadt, 46, 2), HV_IRQ_SCI);
	assert_int_equal(test_get(fadt, 48, 4), 0); /* no SMI: always on */
	assert_int_equal(test_get(fadt, 56, 4), HV_PORT_PM_EVENT);
	assert_int_equal(test_get(fadt, 64, 4), HV_PORT_PM_CONTROL);
	assert_int_equal(test_get(fadt, 76, 4), HV_PORT_PM_TIMER);
	assert_memory_equal(fadt + 88, "\4\2\0\4\0\0\0", 7); /* lengths */
	assert_int_equal(fadt[108], 0x32);
	assert_int_equal(test_get(fadt, 109, 2), 0x15); /* no 8042, no VGA, a CMOS clock */
	assert_int_equal(test_get(fadt, 112, 4) & (1 << 20 | 1 << 10 | 1 << 8 | 1 << 4),
			 1 << 10 | 1 << 8); /* full, reset, 32-bit timer, fixed power button */
	assert_memory_equal(fadt + 116, "\1\10\0\1\xf9\x0c\0\0\0\0\0\0\6", 13);
	assert_int_equal(test_get(fadt, 140, 8), test_get(fadt, 40, 4));
	assert_memory_equal(fadt + 148, "\1\40\0\3\0\6\0\0\0\0\0\0", 12);
	assert_memory_equal(fadt + 172, "\1\20\0\2\4\6\0\0\0\0\0\0", 12);
	assert_memory_equal(fadt + 208, "\1\40\0\3\10\6\0\0\0\0\0\0", 12);
}

static void facs_lies_on_64_bytes(void **state)
{
	struct hv_memory *memory = *state;
	uint64_t gpa;

	assert_int_equal(hv_acpi_write(memory, 1, NULL), 0);
	gpa = test_get(xsdt_entry(memory, 0, "FACP"), 36, 4);
	assert_int_equal(gpa % 64, 0);
	assert_memory_equal(test_memory_at(memory, gpa), "FACS\100\0\0\0", 8);
}

static void madt_has_each_processor_and_the_lines(void **state)
{
	static const uint8_t rest[] = {1, 12, 0,   0, 0, 0, 0xc0, 0xfe, 0,  0, 0, 0, /* IOAPIC */
				       2, 10, 0,   0, 2, 0, 0,	  0,	0,  0,	     /* PIT */
				       2, 10, 0,   9, 9, 0, 0,	  0,	13, 0,	     /* SCI */
				       4, 6,  255, 0, 0, 1};			     /* NMI */
	struct hv_memory *memory = *state;

	for (unsigned n = 1; n <= HV_MAX_VPS; n *= 4) {
		const uint8_t *madt;

		assert_int_equal(hv_acpi_write(memory, n, NULL), 0);
		madt = xsdt_entry(memory, 1, "APIC");
		assert_int_equal(test_get(madt, 36, 4), HV_LAPIC);
		assert_int_equal(test_get(madt, 4, 4), 44 + 8 * n + sizeof(rest));
		for (unsigned i = 0; i < n; i++) {
			const uint8_t want[] = {0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0};

			assert_memory_equal(madt + 44 + 8 * i, want, sizeof(want));
		}
		assert_memory_equal(madt + 44 + 8 * n, rest, sizeof(rest));
	}
}

static void dsdt_has_vmbus_below_its_windows(void **state)
{
	/* DWordMemory, 0xd0000000 to 0xefffffff. */
	static const uint8_t low[] = {0x87, 23,	  0,	0,    0x0c, 1, 0, 0, 0, 0, 0, 0, 0,
				      0xd0, 0xff, 0xff, 0xff, 0xef, 0, 0, 0, 0, 0, 0, 0, 0x20};
	static const uint8_t vmbs[] = "VMBS\10_HID\15VMBUS\0\10_UID\0\10_DDN\15VMBUS";
	struct hv_memory *memory = *state;
	const uint8_t *dsdt;
	uint8_t high[46] = {0x8a, 43, 0, 0, 0x0c, 1};
	uint64_t start = hv_acpi_high_window(memory);

	assert_int_equal(hv_acpi_write(memory, 1, NULL), 0);
	dsdt = find_dsdt(memory);
	assert_true(holds(dsdt, "\10_HID\15ACPI0004", 15));
	assert_true(holds(dsdt, low, sizeof(low)));
	assert_true(holds(dsdt, vmbs, sizeof(vmbs)));
	test_put(high, 14, start, 8);
	test_put(high, 22, start + HV_HIGH_WINDOW_SIZE - 1, 8);
	test_put(high, 38, HV_HIGH_WINDOW_SIZE, 8);
	assert_int_equal(holds(dsdt, high, sizeof(high)), start != 0);
	/* A list of its own, with nothing in it: Linux gives up looking for windows without. */
	assert_true(holds(dsdt, "\10_CRS\x11\5\x0a\2\x79", 10));
}

static void dsdt_has_serial_port_clock_and_sleep(void **state)
{
	static const uint8_t com1[] = "COM1\10_HID\14\x41\xd0\5\1";
	static const uint8_t serial[] = {0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x22, 0x10, 0, 0x79, 0};
	static const uint8_t rtc[] = "RTC_\10_HID\14\x41\xd0\x0b";
	static const uint8_t clock[] = {0x47, 1, 0x70, 0, 0x70, 0, 1, 2, 0x22, 0, 1, 0x79, 0};
	static const uint8_t s5[] = {'_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 5, 0, 0};
	struct hv_memory *memory = *state;
	const uint8_t *dsdt;

	assert_int_equal(hv_acpi_write(memory, 1, NULL), 0);
	dsdt = find_dsdt(memory);
	assert_true(holds(dsdt, com1, sizeof(com1) - 1));
	assert_true(holds(dsdt, serial, sizeof(serial)));
	assert_true(holds(dsdt, rtc, sizeof(rtc) - 1));
	assert_true(holds(dsdt, clock, sizeof(clock)));
	assert_true(holds(dsdt, s5, sizeof(s5)));
}

static void high_window_is_above_all_memory(void **state)
{
	static const uint64_t gb[][2] = {{0, 64},   {59, 64},	{60, 64},
					 {61, 128}, {124, 128}, {125, 192}};
	struct hv_memory memory = {0};

	for (unsigned i = 0; i < 6; i++) {
		uint64_t start;

		memory.high_size = gb[i][0] << 30;
		start = hv_acpi_high_window(&memory);
		if (start != 0) /* this processor has few addresses */
			assert_int_equal(start, gb[i][1] << 30);
	}
	memory.high_size = 1ull << 51;
	assert_int_equal(hv_acpi_high_window(&memory), 0);
}

static void tables_of_before_are_gone(void **state)
{
	struct hv_memory *memory = *state;
	uint8_t *area = test_memory_at(memory, HV_ACPI);

	assert_int_equal(hv_acpi_write(memory, 64, NULL), 0);
	memset(area + 0x8000, 0xff, 16);
	assert_int_equal(hv_acpi_write(memory, 1, NULL), 0);
	assert_int_equal(test_get(area, 0x8000, 8), 0);
}

static void no_memory_for_the_tables_is_an_error(void **state)
{
	struct hv_memory memory = {0};
	struct err err = {0};

	assert_int_equal(hv_acpi_write(&memory, 1, &err), -ENOSPC);
	assert_string_equal(err.slug, "guest-memory");
}

/* Lengths are as short as they can be, and count themselves. */
static void package_lengths_change_width_where_they_must(void **state)
{
	static const struct {
		size_t body; /* with the name's 4 bytes */
		uint8_t length[4], n;
	} cases[] = {
		{62, {63}, 1},
		{63, {0x41, 0x04}, 2},
		{4093, {0x4f, 0xff}, 2},
		{4094, {0x81, 0x00, 0x01}, 3},
		{70000, {0x83, 0x17, 0x11}, 3},
	};

	for (unsigned i = 0; i < 5; i++) {
		struct wr wr = wr_init(100000);
		size_t start = aml_scope(&wr, "TEST");

		wr_zeros(&wr, cases[i].body - 4);
		aml_end(&wr, start);
		assert_true(wr_ok(&wr));
		assert_int_equal(wr.size, 1 + cases[i].n + cases[i].body);
		assert_memory_equal(wr.bytes + 1, cases[i].length, cases[i].n);
		assert_memory_equal(wr.bytes + 1 + cases[i].n, "TEST", 4);
		wr_fini(&wr);
	}
}

static void numbers_are_as_short_as_they_can_be(void **state)
{
	static const uint8_t want[] = "\10_ADR\0\10_ADR\1\10_ADR\12\2\10_ADR\13\0\1"
				      "\10_ADR\14\0\0\1\0\10_ADR\16\0\0\0\0\1\0\0";
	uint8_t bytes[64];
	struct wr wr = wr_over(bytes, sizeof(bytes));

	for (uint64_t value = 0; value <= 2; value++)
		aml_name_int(&wr, "_ADR", value);
	aml_name_int(&wr, "_ADR", 0x100);
	aml_name_int(&wr, "_ADR", 0x10000);
	aml_name_int(&wr, "_ADR", 0x100000000);
	assert_true(wr_ok(&wr));
	assert_int_equal(wr.size, sizeof(want));
	assert_memory_equal(bytes, want, sizeof(want));
}

static void a_writer_without_room_turns_bad_and_writes_no_further(void **state)
{
	uint8_t bytes[128] = {0}, res_bytes[8];
	struct wr res = wr_over(res_bytes, sizeof(res_bytes));

	for (size_t room = 1; room < 60; room++) {
		struct wr wr = wr_over(bytes, room);
		size_t dev = aml_device(&wr, "TEST");

		aml_name_string(&wr, "_HID", "0123456789012345678901234567890123456789012345");
		aml_end(&wr, dev);
		assert_false(wr_ok(&wr));
		assert_int_equal(bytes[room], 0);
	}
	aml_res_window32(&res, 0, 1);
	assert_false(wr_ok(&res));
}

/* ---- by another's eyes ---- */

static void write_dsdt(const struct hv_memory *memory, const char *path)
{
	const uint8_t *dsdt = find_dsdt(memory);
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(dsdt, test_get(dsdt, 4, 4), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

static void read_all(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

static void iasl_reads_what_we_meant(void **state)
{
	static const char *const want[] = {
		"Scope (\\_SB)",
		"Device (VMOD)",
		"Name (_HID, \"ACPI0004\"",
		"DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,",
		"0xD0000000,         // Range Minimum",
		"0xEFFFFFFF,         // Range Maximum",
		"Device (VMBS)",
		"Name (_HID, \"VMBUS\")",
		"Method (_PS0, 0, NotSerialized)",
		"Device (CP02)",
		"Name (_HID, \"ACPI0007\"",
		"Name (_HID, EisaId (\"PNP0501\")",
		"Name (_HID, EisaId (\"PNP0B00\")",
		"IO (Decode16,",
		"{4}",
		"{8}",
		"Name (_S5, Package (0x04)",
	};
	static char text[65536];
	char dir[] = "/tmp/vswitch-acpi-XXXXXX", path[64], command[256];

	if (system("command -v iasl >/dev/null") != 0) {
		print_message("iasl (acpica-tools) is not installed\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/dsdt.aml", dir);
	assert_int_equal(hv_acpi_write(*state, 3, NULL), 0);
	write_dsdt(*state, path);
	snprintf(command, sizeof(command), "cd %s && iasl -d dsdt.aml >log 2>&1", dir);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/log", dir);
	read_all(path, text, sizeof(text));
	assert_null(strstr(text, "Error"));
	assert_null(strstr(text, "Warning"));
	snprintf(path, sizeof(path), "%s/dsdt.dsl", dir);
	read_all(path, text, sizeof(text));
	for (unsigned i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		if (strstr(text, want[i]) == NULL)
			fail_msg("'%s' is not in\n%s", want[i], text);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rsdp_is_revision_2_and_sums_up_twice),
		T(fadt_names_the_ports_that_exist),
		T(facs_lies_on_64_bytes),
		T(madt_has_each_processor_and_the_lines),
		T(dsdt_has_vmbus_below_its_windows),
		T(dsdt_has_serial_port_clock_and_sleep),
		T(high_window_is_above_all_memory),
		T(tables_of_before_are_gone),
		cmocka_unit_test(no_memory_for_the_tables_is_an_error),
		cmocka_unit_test(package_lengths_change_width_where_they_must),
		cmocka_unit_test(numbers_are_as_short_as_they_can_be),
		cmocka_unit_test(a_writer_without_room_turns_bad_and_writes_no_further),
		T(iasl_reads_what_we_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

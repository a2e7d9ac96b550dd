/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See acpi.h.  Tables lie one behind another, each on 64 bytes:
 *
 * 	HV_ACPI: RSDP | FACS | DSDT | FADT | MADT | XSDT
 *
 * in an order in which each is there before who points to it; the RSDP's place is kept.
 */
#include "hv/acpi.h"

#include "hv/aml.h"
#include "hv/layout.h"

#include <cpuid.h>
#include <errno.h>

#define ALIGN	    64
#define RSDP_SIZE   36
#define FACS_SIZE   64
#define HEADER_SIZE 36
#define FADT_SIZE   276

/* FADT, 5.2.9. */
enum {
	PROFILE_ENTERPRISE_SERVER = 4,
	NO_C2 = 101, /* microseconds: more than a C2 or C3 may take */
	NO_C3 = 1001,
	CENTURY = 0x32,
	BOOT_LEGACY_DEVICES = 1 << 0,
	BOOT_NO_VGA = 1 << 2,
	BOOT_NO_ASPM = 1 << 4,
	FLAG_WBINVD = 1 << 0,
	FLAG_C1 = 1 << 2,
	FLAG_SLEEP_BUTTON_IS_NONE = 1 << 5,
	FLAG_RTC_WAKE_NOT_FIXED = 1 << 6,
	FLAG_TIMER_32_BITS = 1 << 8,
	FLAG_RESET_REGISTER = 1 << 10,
	FLAG_HEADLESS = 1 << 12,
	GAS_MEMORY = 0,
	GAS_IO = 1,
};

/* MADT, 5.2.12. */
enum {
	MADT_PCAT = 1, /* there are 8259s as well */
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_LAPIC_NMI = 4,
	HIGH_LEVEL = 0xd,
	PIT_PIN = 2,
	ALL_PROCESSORS = 0xff,
	LINT1 = 1,
};

struct tables {
	struct wr wr;
	uint64_t high_window;
	unsigned n_vps;
	uint64_t facs, dsdt, fadt, madt, xsdt; /* guest addresses */
};

static uint64_t start_table(struct tables *t)
{
	wr_pad(&t->wr, 0, ALIGN);
	return HV_ACPI + t->wr.size;
}

static void put_checksum(uint8_t *table, size_t size, size_t at)
{
	uint8_t sum = 0;

	table[at] = 0;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[at] = (uint8_t)-sum;
}

/* 5.2.6; the length and the checksum come when it is done. */
static void start_sdt(struct wr *wr, const char *signature, uint8_t revision)
{
	wr_bytes(wr, signature, 4);
	wr_le32(wr, 0);
	wr_u8(wr, revision);
	wr_u8(wr, 0);
	wr_bytes(wr, "VSWTCH", 6);
	wr_bytes(wr, "VSWTCHVM", 8);
	wr_le32(wr, 1);
	wr_bytes(wr, "VSWT", 4);
	wr_le32(wr, 1);
}

static void end_sdt(struct wr *wr, uint64_t table)
{
	size_t at = table - HV_ACPI, size = wr->size - at;

	if (!wr_ok(wr))
		return;
	wr_set_be32(wr, at + 4, __builtin_bswap32((uint32_t)size));
	put_checksum(wr->bytes + at, size, 9);
}

static void put_gas(struct wr *wr, uint8_t space, uint8_t bytes, uint64_t address)
{
	wr_u8(wr, space);
	wr_u8(wr, (uint8_t)(8 * bytes));
	wr_u8(wr, 0);
	wr_u8(wr, bytes == 0 ? 0 : bytes == 1 ? 1 : bytes == 2 ? 2 : 3); /* access size */
	wr_le64(wr, address);
}

static void put_no_gas(struct wr *wr, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put_gas(wr, GAS_MEMORY, 0, 0);
}

/* ---- DSDT ---- */

static void put_vmbus(struct tables *t)
{
	uint8_t bytes[128];
	struct wr *wr = &t->wr, res = wr_over(bytes, sizeof(bytes)), none = wr_over(bytes, 0);
	size_t vmod = aml_device(wr, "VMOD"), vmbs;

	aml_name_string(wr, "_HID", "ACPI0004");
	aml_name_int(wr, "_UID", 0);
	aml_res_window32(&res, HV_LOW_WINDOW, HV_LOW_WINDOW_SIZE);
	if (t->high_window != 0)
		aml_res_window64(&res, t->high_window, HV_HIGH_WINDOW_SIZE);
	aml_name_resources(wr, "_CRS", &res);
	vmbs = aml_device(wr, "VMBS");
	aml_name_string(wr, "_HID", "VMBUS");
	aml_name_int(wr, "_UID", 0);
	aml_name_string(wr, "_DDN", "VMBUS");
	aml_name_int(wr, "_STA", 0xf);
	/* It has none of its own; but without the list Linux does not look for VMOD's windows. */
	aml_name_resources(wr, "_CRS", &none);
	aml_method_empty(wr, "_PS0");
	aml_method_empty(wr, "_PS3");
	aml_end(wr, vmbs);
	aml_end(wr, vmod);
}

static void put_legacy(struct wr *wr, const char *name, const char *id, uint16_t port,
		       uint8_t n_ports, unsigned irq)
{
	uint8_t bytes[32];
	struct wr res = wr_over(bytes, sizeof(bytes));
	size_t dev = aml_device(wr, name);

	aml_name_eisa(wr, "_HID", id);
	aml_name_int(wr, "_UID", 1);
	aml_name_int(wr, "_STA", 0xf);
	aml_res_io(&res, port, n_ports);
	aml_res_irq(&res, irq);
	aml_name_resources(wr, "_CRS", &res);
	aml_end(wr, dev);
}

/* Each LAPIC of the MADT has its device, by number. */
static void put_processors(struct tables *t)
{
	static const char digits[] = "0123456789ABCDEF";

	for (unsigned i = 0; i < t->n_vps; i++) {
		char name[] = {'C', 'P', digits[i >> 4 & 0xf], digits[i & 0xf], '\0'};
		size_t dev = aml_device(&t->wr, name);

		aml_name_string(&t->wr, "_HID", "ACPI0007");
		aml_name_int(&t->wr, "_UID", i);
		aml_end(&t->wr, dev);
	}
}

static void put_dsdt(struct tables *t)
{
	static const uint8_t s5[] = {HV_PM_S5_TYPE, HV_PM_S5_TYPE, 0, 0};
	struct wr *wr = &t->wr;
	size_t sb;

	t->dsdt = start_table(t);
	start_sdt(wr, "DSDT", 2);
	sb = aml_scope(wr, "\\_SB_");
	put_vmbus(t);
	put_processors(t);
	put_legacy(wr, "COM1", "PNP0501", HV_PORT_SERIAL, 8, HV_IRQ_SERIAL);
	put_legacy(wr, "RTC_", "PNP0B00", HV_PORT_RTC, 2, HV_IRQ_RTC);
	aml_end(wr, sb);
	aml_name_package(wr, "_S5_", s5, sizeof(s5));
	end_sdt(wr, t->dsdt);
}

/* ---- the others ---- */

static void put_facs(struct tables *t)
{
	t->facs = start_table(t);
	wr_bytes(&t->wr, "FACS", 4);
	wr_le32(&t->wr, FACS_SIZE);
	wr_zeros(&t->wr, 24);
	wr_u8(&t->wr, 2); /* version */
	wr_zeros(&t->wr, FACS_SIZE - 33);
}

static void put_fadt_ports(struct wr *wr)
{
	wr_le32(wr, HV_PORT_PM_EVENT);
	wr_le32(wr, 0);
	wr_le32(wr, HV_PORT_PM_CONTROL);
	wr_le32(wr, 0);
	wr_le32(wr, 0);
	wr_le32(wr, HV_PORT_PM_TIMER);
	wr_zeros(wr, 8); /* general-purpose events */
	wr_u8(wr, 4);	 /* bytes of PM1 events, control, PM2, timer */
	wr_u8(wr, 2);
	wr_u8(wr, 0);
	wr_u8(wr, 4);
	wr_zeros(wr, 4);
}

static void put_fadt_features(struct wr *wr)
{
	wr_le16(wr, NO_C2);
	wr_le16(wr, NO_C3);
	wr_zeros(wr, 8); /* cache flush, duty cycle, alarm's day and month */
	wr_u8(wr, CENTURY);
	wr_le16(wr, BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM);
	wr_u8(wr, 0);
	wr_le32(wr, FLAG_WBINVD | FLAG_C1 | FLAG_SLEEP_BUTTON_IS_NONE | FLAG_RTC_WAKE_NOT_FIXED |
			    FLAG_TIMER_32_BITS | FLAG_RESET_REGISTER | FLAG_HEADLESS);
	put_gas(wr, GAS_IO, 1, HV_PORT_RESET);
	wr_u8(wr, HV_RESET_VALUE);
	wr_le16(wr, 0);
	wr_u8(wr, 3); /* 6.3 */
}

/* No SMI command: ACPI is always on. */
static void put_fadt(struct tables *t)
{
	struct wr *wr = &t->wr;

	t->fadt = start_table(t);
	start_sdt(wr, "FACP", 6);
	wr_le32(wr, (uint32_t)t->facs);
	wr_le32(wr, (uint32_t)t->dsdt);
	wr_u8(wr, 0);
	wr_u8(wr, PROFILE_ENTERPRISE_SERVER);
	wr_le16(wr, HV_IRQ_SCI);
	wr_zeros(wr, 8);
	put_fadt_ports(wr);
	put_fadt_features(wr);
	wr_le64(wr, 0); /* FACS: said above */
	wr_le64(wr, t->dsdt);
	put_gas(wr, GAS_IO, 4, HV_PORT_PM_EVENT);
	put_no_gas(wr, 1);
	put_gas(wr, GAS_IO, 2, HV_PORT_PM_CONTROL);
	put_no_gas(wr, 2);
	put_gas(wr, GAS_IO, 4, HV_PORT_PM_TIMER);
	put_no_gas(wr, 4); /* general-purpose events, sleep registers */
	wr_le64(wr, 0);
	end_sdt(wr, t->fadt);
}

static void put_override(struct wr *wr, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	wr_u8(wr, MADT_OVERRIDE);
	wr_u8(wr, 10);
	wr_u8(wr, 0); /* ISA */
	wr_u8(wr, irq);
	wr_le32(wr, gsi);
	wr_le16(wr, flags);
}

static void put_madt(struct tables *t)
{
	struct wr *wr = &t->wr;

	t->madt = start_table(t);
	start_sdt(wr, "APIC", 5);
	wr_le32(wr, HV_LAPIC);
	wr_le32(wr, MADT_PCAT);
	for (unsigned i = 0; i < t->n_vps; i++) {
		wr_u8(wr, MADT_LAPIC);
		wr_u8(wr, 8);
		wr_u8(wr, (uint8_t)i);
		wr_u8(wr, (uint8_t)i);
		wr_le32(wr, 1); /* enabled */
	}
	wr_u8(wr, MADT_IOAPIC);
	wr_u8(wr, 12);
	wr_le16(wr, 0);
	wr_le32(wr, HV_IOAPIC);
	wr_le32(wr, 0);
	put_override(wr, 0, PIT_PIN, 0);
	put_override(wr, HV_IRQ_SCI, HV_IRQ_SCI, HIGH_LEVEL);
	wr_u8(wr, MADT_LAPIC_NMI);
	wr_u8(wr, 6);
	wr_u8(wr, ALL_PROCESSORS);
	wr_le16(wr, 0);
	wr_u8(wr, LINT1);
	end_sdt(wr, t->madt);
}

static void put_xsdt(struct tables *t)
{
	t->xsdt = start_table(t);
	start_sdt(&t->wr, "XSDT", 1);
	wr_le64(&t->wr, t->fadt);
	wr_le64(&t->wr, t->madt);
	end_sdt(&t->wr, t->xsdt);
}

/* 5.2.5.3: one checksum for the first 20 bytes, one for all. */
static void put_rsdp(struct tables *t)
{
	uint8_t *rsdp = t->wr.bytes;
	struct wr wr = wr_over(rsdp, RSDP_SIZE);

	wr_bytes(&wr, "RSD PTR ", 8);
	wr_u8(&wr, 0);
	wr_bytes(&wr, "VSWTCH", 6);
	wr_u8(&wr, 2);
	wr_le32(&wr, 0); /* no RSDT */
	wr_le32(&wr, RSDP_SIZE);
	wr_le64(&wr, t->xsdt);
	wr_le32(&wr, 0);
	put_checksum(rsdp, 20, 8);
	put_checksum(rsdp, RSDP_SIZE, 32);
}

uint64_t hv_acpi_high_window(const struct hv_memory *memory)
{
	uint64_t end = HV_HIGH_MEMORY + memory->high_size, start;
	unsigned eax, ebx, ecx, edx, bits = 36;

	start = (end + HV_HIGH_WINDOW_SIZE - 1) / HV_HIGH_WINDOW_SIZE * HV_HIGH_WINDOW_SIZE;
	if (__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) != 0)
		bits = (eax & 0xff) < 52 ? eax & 0xff : 52;
	return start + HV_HIGH_WINDOW_SIZE <= 1ull << bits ? start : 0;
}

int hv_acpi_write(const struct hv_memory *memory, unsigned n_vps, struct err *err)
{
	uint8_t *at = gpa_at(&memory->map, HV_ACPI, HV_ACPI_SIZE);
	struct tables t = {.high_window = hv_acpi_high_window(memory), .n_vps = n_vps};

	if (at == NULL)
		return err_set(err, -ENOSPC, "guest-memory", "no memory for ACPI's tables");
	memset(at, 0, HV_ACPI_SIZE);
	t.wr = wr_over(at, HV_ACPI_SIZE);
	wr_zeros(&t.wr, RSDP_SIZE);
	put_facs(&t);
	put_dsdt(&t);
	put_fadt(&t);
	put_madt(&t);
	put_xsdt(&t);
	if (!wr_ok(&t.wr))
		return err_set(err, -ENOSPC, "acpi", "ACPI's tables do not fit into %llu bytes",
			       (unsigned long long)HV_ACPI_SIZE);
	put_rsdp(&t);
	return 0;
}

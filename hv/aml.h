/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ACPI Machine Language, as far as our DSDT speaks it: scopes, devices, names, empty methods,
 * packages of numbers, and resource templates.  Knows bytes only; a caller writes straight down and
 * asks once (wr_ok()).
 *
 * 	size_t dev = aml_device(wr, "VMBS");
 * 	aml_name_string(wr, "_HID", "VMBUS");
 * 	aml_end(wr, dev);
 *
 * Names are exactly four characters, or "\_SB_" with its root.  Source: ACPI 6.3, 20.2 and 6.4.
 */
#ifndef HV_AML_H
#define HV_AML_H

#include "ctl/base/wire.h"

/* Open a block; aml_end() with what they returned closes it, and says its length in front of it. */
size_t aml_scope(struct wr *wr, const char *name);
size_t aml_device(struct wr *wr, const char *name);
void aml_end(struct wr *wr, size_t start);

void aml_name_int(struct wr *wr, const char *name, uint64_t value);
void aml_name_string(struct wr *wr, const char *name, const char *value);
/* "PNP0501" as the number that EISA made of it. */
void aml_name_eisa(struct wr *wr, const char *name, const char *id);
/* A package of 'n' numbers (less than 256). */
void aml_name_package(struct wr *wr, const char *name, const uint8_t *values, uint8_t n);
/* A method without arguments that does nothing. */
void aml_method_empty(struct wr *wr, const char *name);

/* A template: its descriptors are written to a writer of their own, and then named. */
void aml_name_resources(struct wr *wr, const char *name, const struct wr *descriptors);
void aml_res_io(struct wr *res, uint16_t port, uint8_t n_ports);
void aml_res_irq(struct wr *res, unsigned irq); /* 0 to 15; edge, active high, not shared */
/* Memory that the device gives to those below it. */
void aml_res_window32(struct wr *res, uint32_t start, uint32_t size);
void aml_res_window64(struct wr *res, uint64_t start, uint64_t size);

#endif

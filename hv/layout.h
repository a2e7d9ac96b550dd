/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is where in a guest: addresses, I/O ports, interrupts.  A generation-2 shape: no PCI, no
 * VGA, no keyboard controller; a serial port, a clock, power management, and VMBus for the rest.
 *
 * 	0 ─────────── memory ──── 3 GB | VMBus window | IOAPIC LAPIC .. | 4 GB ── memory ── | window
 */
#ifndef HV_LAYOUT_H
#define HV_LAYOUT_H

#include <stdint.h>

#define HV_MAX_VPS  64
#define HV_MAX_IRQS 4096 /* KVM's */

/* Memory below 4 GB ends here at the latest; the rest is above 4 GB. */
#define HV_LOW_MEMORY_END 0xc0000000ull
#define HV_HIGH_MEMORY	  0x100000000ull
/* Windows for devices on VMBus, as ACPI says them.  The high one starts at the first multiple of
 * its size above all memory. */
#define HV_LOW_WINDOW	    0xd0000000ull
#define HV_LOW_WINDOW_SIZE  0x20000000ull
#define HV_HIGH_WINDOW_SIZE 0x1000000000ull

#define HV_IOAPIC	0xfec00000ull
#define HV_LAPIC	0xfee00000ull
#define HV_IDENTITY_MAP 0xfeffc000ull /* one page, Intel only */
#define HV_TSS		0xfeffd000ull /* three pages, Intel only */

/* Below 1 MB; the rest of it is memory, but for what e820 keeps. */
#define HV_BIOS_DATA	     0x400ull
#define HV_BOOT_GDT	     0x500ull
#define HV_BOOT_STACK	     0x7000ull	/* grows down */
#define HV_BOOT_PARAMS	     0x7000ull	/* one page: Linux' zero page, or PVH's start info */
#define HV_BOOT_TABLES	     0x9000ull	/* page tables, 6 pages: the first 4 GB as they are */
#define HV_BOOT_CMDLINE	     0x20000ull /* 4 KB at most, with its end */
#define HV_BOOT_CMDLINE_SIZE 4096u
#define HV_BOOT_MEMMAP	     0x22000ull /* PVH */
#define HV_EBDA		     0x9fc00ull
#define HV_ACPI		     0xe0000ull /* RSDP first, the tables behind it */
#define HV_ACPI_SIZE	     0x20000ull
#define HV_KERNEL_MIN	     0x100000ull

/* Segments of the processor that starts: the descriptors at HV_BOOT_GDT. */
#define HV_BOOT_CS 0x10 /* 64 bits, or 32 without page tables; from 0 to 4 GB */
#define HV_BOOT_DS 0x18 /* and ES, FS, GS, SS; writable, from 0 to 4 GB */
#define HV_BOOT_TR 0x20 /* base 0, limit 0x67, busy: never used, but processors want one */

/* I/O ports. */
#define HV_PORT_SYSTEM	   0x61 /* speaker and NMI reasons */
#define HV_PORT_KEYBOARD   0x64 /* not there, but for the command that resets */
#define HV_PORT_RTC	   0x70 /* and 0x71 */
#define HV_PORT_HYPERCALL  0xe0 /* where KVM does not do hypercalls: our page's trap, 4 bytes */
#define HV_PORT_SIGNAL	   0xe4 /* the same: SignalEvent, 4 bytes: a connection id */
#define HV_PORT_SERIAL	   0x3f8
#define HV_PORT_PM_EVENT   0x600 /* PM1a status and enable, 2 bytes each */
#define HV_PORT_PM_CONTROL 0x604 /* PM1a control, 2 bytes */
#define HV_PORT_PM_TIMER   0x608 /* 4 bytes, 3.579545 MHz */
#define HV_PORT_RESET	   0xcf9
#define HV_RESET_VALUE	   6 /* any with bit 2 does */
#define HV_PM_S5_TYPE	   5 /* SLP_TYP of _S5 */

/* Interrupt lines (GSIs). */
#define HV_IRQ_SERIAL 4
#define HV_IRQ_RTC    8
#define HV_IRQ_SCI    9
#define HV_N_PINS     24
/* Behind the pins: the synthetic interrupt of VMBus (SINT 2) of processor 'vp'. */
#define HV_GSI_SINT(vp) (HV_N_PINS + (vp))
#define HV_GSI_DEVICES	(HV_N_PINS + HV_MAX_VPS) /* free from here */

#define HV_VMBUS_SINT 2

#endif
